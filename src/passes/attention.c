/* Scaled dot-product attention written out, softmax(scale · Q Kᵀ + mask) V with the heads split by Reshape and
 * Transpose, becomes hasten.PackedAttention over q, k and v side by side; where the three come from products of one x,
 * these become one product whose weight is the three side by side. */
#include <math.h>
#include <string.h>

#include "passes/join.h"
#include "passes/mask.h"
#include "passes/match.h"
#include "passes/pass.h"

typedef struct heads { /* a value [batch, sequence, heads · size] that was split into heads */
    value *base;
    int64_t heads, size;
    double scale; /* scalars multiplied in on the way */
} heads;

/* The rank-4 value before Reshape → Transpose(0,2,1) → Reshape, which together transpose its last two axes. */
static value *batched_transpose(const node *reshape) {
    int64_t perm[HST_RANK_MAX];
    node *t = match_producer(match_skip(reshape->in[0]), "Transpose");
    if (!t || match_perm(t, perm) != 3 || perm[0] != 0 || perm[1] != 2) return NULL;
    node *first = match_producer(match_skip(t->in[0]), "Reshape");
    if (!first || !first->in[0] || first->in[0]->type.rank != 4 || reshape->out[0]->type.rank != 4) return NULL;
    const type *a = &first->in[0]->type, *b = &first->out[0]->type, *c = &reshape->out[0]->type;
    bool same = b->rank == 3 && a->dim[2] == b->dim[1] && a->dim[3] == b->dim[2] && c->dim[2] == a->dim[3] &&
                c->dim[3] == a->dim[2] && c->dim[1] == a->dim[1];
    return same ? first->in[0] : NULL;
}

/* Steps back from an operand of the products to the value whose heads were split. `wanted` says which axis of
 * [batch, sequence, heads, size] each axis of the operand must be. */
static bool find_heads(value *v, const int *wanted, heads *out) {
    int order[4] = {0, 1, 2, 3};
    out->scale = 1;
    for (int steps = 0; steps < 16; steps++) {
        int64_t perm[HST_RANK_MAX];
        double x;
        v = match_skip(v);
        node *n = v->producer;
        if (!n || !n->in[0]) return false;
        if (node_is(n, "", "Mul") && (match_scalar(n->in[1], &x) || match_scalar(n->in[0], &x))) {
            v = match_scalar(n->in[1], &x) ? n->in[0] : n->in[1];
            out->scale *= x;
        } else if (node_is(n, "", "Div") && match_scalar(n->in[1], &x)) {
            v = n->in[0];
            out->scale /= x;
        } else if (node_is(n, "", "Transpose") && match_perm(n, perm) == 4) {
            for (int i = 0; i < 4; i++) order[i] = (int)perm[order[i]];
            v = n->in[0];
        } else if (node_is(n, "", "Reshape") && n->in[0]->type.rank == 3 && batched_transpose(n)) {
            for (int i = 0; i < 4; i++) order[i] = order[i] == 2 ? 3 : order[i] == 3 ? 2 : order[i];
            v = batched_transpose(n);
        } else if (node_is(n, "", "Reshape")) {
            const type *in = &n->in[0]->type, *split = &n->out[0]->type;
            for (int i = 0; i < 4; i++)
                if (order[i] != wanted[i]) return false;
            out->base = n->in[0];
            out->heads = split->dim[2];
            out->size = split->dim[3];
            return in->rank == 3 && split->rank == 4 && out->heads > 0 && out->size > 0 &&
                   in->dim[2] == out->heads * out->size && (in->dim[0] == split->dim[0] || in->dim[1] == split->dim[1]);
        } else
            return false;
    }
    return false;
}

/* Softmax → (Where(IsNaN, 0, ·)) → MatMul: the product with V and whether rows of NaN are made zero. */
static node *find_second_product(node *softmax, bool *nan_to_zero) {
    value *v = softmax->out[0];
    *nan_to_zero = false;
    for (int i = 0; i < v->n_uses; i++) {
        node *where = v->uses[i].node, *test = where->n_in == 3 ? match_producer(where->in[0], "IsNaN") : NULL;
        if (!node_is(where, "", "Where") || !test || test->in[0] != v || where->in[2] != v) continue;
        double zero;
        if (v->n_uses != 2 || v->is_output || !match_scalar(where->in[1], &zero) || zero != 0) return NULL;
        *nan_to_zero = true;
        v = where->out[0];
        break;
    }
    node *n = match_only_user(v);
    while (n && match_is_idle(n) && n->in[0] == v && n->out[0]) {
        v = n->out[0];
        n = match_only_user(v);
    }
    return n && node_is(n, "", "MatMul") && n->in[0] == v ? n : NULL;
}

typedef struct match {
    heads h[3]; /* q, k, v */
    score_mask mask;
    node *last; /* the Transpose that brings the heads back behind the sequence */
    bool nan_to_zero;
} match;

static bool find(node *softmax, match *m) {
    static const int as_rows[4] = {0, 2, 1, 3}, as_columns[4] = {0, 2, 3, 1};
    int64_t axis = node_int(softmax, "axis", -1), perm[HST_RANK_MAX];
    const type *t = &softmax->in[0]->type;
    if (t->rank != 4 || t->dtype != HST_DTYPE_F32 || (axis != -1 && axis != 3)) return false;
    node *second = find_second_product(softmax, &m->nan_to_zero);
    if (!second) return false;
    m->last = match_only_user(second->out[0]);
    if (!m->last || !node_is(m->last, "", "Transpose") || match_perm(m->last, perm) != 4 || perm[0] != 0 ||
        perm[1] != 2 || perm[2] != 1)
        return false;
    value *product = mask_find_product(softmax->in[0]);
    if (!product || !mask_recognise(softmax->in[0], product, &m->mask)) return false;
    if (m->nan_to_zero && m->mask.bias) return false; /* which rows see nothing is known only of a key mask */
    node *first = product->producer;
    if (!find_heads(first->in[0], as_rows, &m->h[0]) || !find_heads(first->in[1], as_columns, &m->h[1]) ||
        !find_heads(second->in[1], as_rows, &m->h[2]))
        return false;
    for (int i = 1; i < 3; i++)
        if (m->h[i].heads != m->h[0].heads || m->h[i].size != m->h[0].size ||
            m->h[i].base->type.dim[1] != m->h[0].base->type.dim[1] ||
            m->h[i].base->type.dim[0] != m->h[0].base->type.dim[0])
            return false;
    return m->h[2].scale == 1;
}

static hst_status rewrite(graph *g, const match *m, hst_error *err) {
    const type *base = &m->h[0].base->type;
    int64_t width = m->h[0].heads * m->h[0].size;
    type packed = *base, joined = *base;
    joined.dim[2] = 3 * width;
    patch *p = patch_new(g, m->last);
    if (!p) return patch_fail(p, err);
    value *const parts[3] = {m->h[0].base, m->h[1].base, m->h[2].base};
    value *in[3] = {join_products(p, parts, NULL, &joined), m->mask.key_mask, m->mask.bias},
          *out = patch_value(p, &packed);
    node *n = patch_node(p, "hasten", "PackedAttention", 1, in, m->mask.bias ? 3 : m->mask.key_mask ? 2 : 1, &out, 1);
    /* Back to [batch, sequence, heads, size], which the Reshape that follows undoes. */
    const int64_t dims[4] = {0, 0, m->h[0].heads, m->h[0].size}, four = 4;
    hst_tensor *shape = NULL;
    if (tensor_new(HST_DTYPE_S64, 1, &four, arena_allocator(g->model->arena), &shape, err) == HST_STATUS_OK)
        memcpy(shape->data, dims, sizeof dims);
    value *reshape_in[2] = {out, patch_constant(p, "", shape)}, *split = patch_value(p, &m->last->out[0]->type);
    node *reshape = patch_node(p, "", "Reshape", 14, reshape_in, 2, &split, 1);
    bool ok = in[0] && n && reshape && node_set_int(n, "num_heads", m->h[0].heads) &&
              node_set_float(n, "scale", (float)(m->mask.scale * m->h[0].scale * m->h[1].scale)) &&
              (!m->mask.key_mask || node_set_float(n, "mask_value", (float)m->mask.mask_value)) &&
              (!m->mask.meaning || node_set_int(n, "mask_meaning", (int64_t)m->mask.meaning)) &&
              (!m->nan_to_zero || node_set_int(n, "nan_to_zero", 1));
    if (!ok) return patch_fail(p, err);
    patch_replace(p, m->last->out[0], split);
    return patch_apply(p, err);
}

static hst_status fuse_attention(graph *g, node *n, bool *changed, hst_error *err) {
    match m = {0};
    if (!node_is(n, "", "Softmax") || !n->in[0] || !find(n, &m)) return HST_STATUS_OK;
    *changed = true;
    return rewrite(g, &m, err);
}

/* ---- ai.onnx Attention over heads that were split ---- */

static bool plain_operator(const node *n) {
    for (int i = 4; i < n->n_in; i++)
        if (n->in[i]) return false; /* a past, lengths */
    for (int i = 1; i < n->n_out; i++)
        if (n->out[i] && (n->out[i]->n_uses || n->out[i]->is_output)) return false;
    const int64_t precision = node_int(n, "softmax_precision", 0);
    return n->n_in >= 3 && n->in[0] && n->in[1] && n->in[2] && !node_int(n, "is_causal", 0) &&
           node_float(n, "softcap", 0) == 0 && node_int(n, "left_window_size", -1) < 0 &&
           node_int(n, "right_window_size", -1) < 0 && (precision == 0 || precision == HST_DTYPE_F32);
}

static bool find_in_operator(node *n, match *m) {
    static const int as_rows[4] = {0, 2, 1, 3};
    int64_t perm[HST_RANK_MAX];
    for (int i = 0; i < 3; i++) {
        const type *t = &n->in[i]->type;
        if (t->rank != 4 || t->dtype != HST_DTYPE_F32 || !find_heads(n->in[i], as_rows, &m->h[i])) return false;
        if (m->h[i].heads != m->h[0].heads || m->h[i].size != m->h[0].size ||
            m->h[i].base->type.dim[1] != m->h[0].base->type.dim[1] ||
            m->h[i].base->type.dim[0] != m->h[0].base->type.dim[0])
            return false;
    }
    m->last = match_only_user(n->out[0]);
    if (m->h[2].scale != 1 || !m->last || !node_is(m->last, "", "Transpose") || match_perm(m->last, perm) != 4 ||
        perm[0] != 0 || perm[1] != 2 || perm[2] != 1)
        return false;
    if (n->n_in > 3 && n->in[3] && !mask_recognise_term(n->in[3], n->in[0], &m->mask)) return false;
    m->nan_to_zero = m->mask.key_mask && m->mask.mask_value == -INFINITY; /* who sees no key gets zeros */
    m->mask.scale = node_attribute(n, "scale") ? (double)node_float(n, "scale", 1) : 1 / sqrt((double)m->h[0].size);
    return true;
}

static hst_status fuse_operator(graph *g, node *n, bool *changed, hst_error *err) {
    match m = {0};
    if (!node_is(n, "", "Attention") || !plain_operator(n) || !find_in_operator(n, &m)) return HST_STATUS_OK;
    *changed = true;
    return rewrite(g, &m, err);
}

HST_PASS(attention_operator) = {.name = "attention_operator",
                                .order = 60,
                                .node = fuse_operator,
                                .anchor = "Attention",
                                .summary = "fused an attention with the products before it"};

HST_PASS(attention) = {
    .name = "attention", .order = 60, .node = fuse_attention, .anchor = "Softmax", .summary = "fused an attention"};
