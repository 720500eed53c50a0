/* com.microsoft Attention and MultiHeadAttention, into which ONNX Runtime's optimiser fuses an encoder's
 * self-attention, are what hasten.Linear and hasten.PackedAttention are: as these its rows are packed, and its dead
 * ones left out. Its mask is [batch, keys], or the number of keys a sequence: then a mask is made of it, once for all
 * layers that read it. */
#include "passes/join.h"
#include "passes/match.h"
#include "passes/pass.h"

enum { INPUT, WEIGHTS, BIAS, MASK };

static bool plain(const node *n) {
    const int64_t *sizes;
    for (int i = MASK + 1; i < n->n_in; i++)
        if (n->in[i]) return false; /* a past, a bias of scores */
    for (int i = 1; i < n->n_out; i++)
        if (n->out[i] && (n->out[i]->n_uses || n->out[i]->is_output)) return false;
    return node_ints(n, "qkv_hidden_sizes", &sizes) < 0 && !node_int(n, "do_rotary", 0) &&
           !node_int(n, "unidirectional", 0);
}

/* A mask of keys that hides for good, or none. A vector is of lengths where it is as long as the batch: of twice as
 * many it has starts too. */
static bool mask_known(const graph *g, const node *n, int i, const type *x) {
    const value *mask = n->n_in > i ? n->in[i] : NULL;
    if (!mask) return true;
    if (mask->graph != g || node_float(n, "mask_filter_value", -10000.0f) > MASK_HIDES) return false;
    if (!dtype_is_integer(mask->type.dtype) || dtype_bits(mask->type.dtype) < 8) return false;
    return mask->type.rank == 2 || (mask->type.rank == 1 && mask->type.dim[0] == x->dim[0]);
}

static bool shapes_known(const graph *g, const node *n) {
    const type *x = &n->in[INPUT]->type;
    const hst_tensor *w = match_constant(n->in[WEIGHTS]);
    const int64_t heads = node_int(n, "num_heads", 0);
    if (x->rank != 3 || x->dtype != HST_DTYPE_F32 || !w || w->rank != 2 || w->dtype != HST_DTYPE_F32) return false;
    if (heads < 1 || w->dim[1] < 1 || w->dim[1] % (3 * heads)) return false;
    if (n->n_in > BIAS && n->in[BIAS] && !match_row(n->in[BIAS], w->dim[1])) return false;
    return mask_known(g, n, MASK, x);
}

static value *vector(patch *p, const int64_t *x, int64_t n) {
    hst_tensor *t;
    if (tensor_new(HST_DTYPE_S64, 1, &n, NULL, &t, NULL) != HST_STATUS_OK) return NULL;
    for (int64_t i = 0; i < n; i++) tensor_set_s64(t, i, x[i]);
    return patch_constant(p, "", t);
}

static value *scalar(patch *p, int64_t x) {
    hst_tensor *t;
    if (tensor_new(HST_DTYPE_S64, 0, &x, NULL, &t, NULL) != HST_STATUS_OK) return NULL;
    tensor_set_s64(t, 0, x);
    return patch_constant(p, "", t);
}

static value *make(patch *p, const char *op_type, int opset, value *a, value *b, value *c) {
    value *const in[3] = {a, b, c};
    value *out = patch_value(p, NULL);
    if (!a || (c && !b)) return NULL;
    return patch_node(p, "", op_type, opset, in, c ? 3 : b ? 2 : 1, &out, 1) ? out : NULL;
}

/* The mask that was made of these lengths for another layer, or NULL. Cast → Reshape → Greater, see below. */
static value *made_before(const value *lengths) {
    for (int i = 0; i < lengths->n_uses; i++) {
        const node *cast = lengths->uses[i].node;
        const node *column = node_is(cast, "", "Cast") ? match_only_user(cast->out[0]) : NULL;
        const node *less = column && node_is(column, "", "Reshape") ? match_only_user(column->out[0]) : NULL;
        if (less && node_is(less, "", "Greater") && less->in[0] == column->out[0] && less->in[1]->producer &&
            node_is(less->in[1]->producer, "", "Range"))
            return less->out[0];
    }
    return NULL;
}

static value *to_s64(patch *p, value *x, int opset) {
    value *out = patch_value(p, NULL);
    node *n = patch_node(p, "", "Cast", opset, &x, 1, &out, 1);
    return n && node_set_int(n, "to", HST_DTYPE_S64) ? out : NULL;
}

/* [batch, keys]: key k is seen where the length is greater. */
static value *mask_of_lengths(patch *p, value *lengths, value *x, int opset) {
    value *known = made_before(lengths);
    if (known) return known;
    value *count = make(p, "Gather", opset, make(p, "Shape", opset, x, NULL, NULL), scalar(p, 1), NULL);
    value *places = make(p, "Range", opset, scalar(p, 0), count, scalar(p, 1));
    value *column = make(p, "Reshape", opset, to_s64(p, lengths, opset), vector(p, (int64_t[]){0, 1}, 2), NULL);
    return make(p, "Greater", opset, column, places, NULL);
}

/* The attention over q, k and v side by side, in the place of n, whose mask is input `at`. */
static hst_status finish(patch *p, node *n, value *qkv, int at, int opset, hst_error *err) {
    value *mask = n->n_in > at ? n->in[at] : NULL, *out = patch_value(p, &n->out[0]->type);
    if (mask && mask->type.rank == 1 && !(mask = mask_of_lengths(p, mask, n->in[0], opset))) return patch_fail(p, err);
    value *const in[2] = {qkv, mask};
    node *made = qkv ? patch_node(p, "hasten", "PackedAttention", 1, in, mask ? 2 : 1, &out, 1) : NULL;
    const float scale = node_float(n, "scale", 0);
    if (!made || !node_set_int(made, "num_heads", node_int(n, "num_heads", 0)) ||
        (scale != 0 && !node_set_float(made, "scale", scale)) ||
        (mask && !node_set_float(made, "mask_value", node_float(n, "mask_filter_value", -10000.0f))))
        return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    return patch_apply(p, err);
}

static int opset_of(const graph *g) {
    const int64_t own = model_opset(g->model, "");
    return own < 13 ? 13 : (int)own;
}

static hst_status unfold(graph *g, node *n, bool *changed, hst_error *err) {
    if (!node_is(n, "com.microsoft", "Attention") || n->n_in < 2 || !n->in[INPUT] || !n->in[WEIGHTS] || !plain(n) ||
        !shapes_known(g, n))
        return HST_STATUS_OK;
    value *bias = n->n_in > BIAS ? n->in[BIAS] : NULL;
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    type t = n->in[INPUT]->type;
    t.dim[2] = n->in[WEIGHTS]->type.dim[1];
    value *qkv = patch_value(p, &t), *const linear_in[3] = {n->in[INPUT], n->in[WEIGHTS], bias};
    patch_node(p, "hasten", "Linear", 1, linear_in, bias ? 3 : 2, &qkv, 1);
    *changed = true;
    return finish(p, n, qkv, MASK, opset_of(g), err);
}

enum { QUERY, KEY, VALUE, QKV_BIAS, KEY_MASK };

/* Self-attention of f32 [batch, sequence, width] each, with no past and no bias of scores. */
static bool plain_heads(const graph *g, const node *n) {
    const int64_t heads = node_int(n, "num_heads", 0);
    if (n->n_in < 3 || node_int(n, "unidirectional", 0) || heads < 1) return false;
    for (int i = KEY_MASK + 1; i < n->n_in; i++)
        if (n->in[i]) return false;
    for (int i = 1; i < n->n_out; i++)
        if (n->out[i] && (n->out[i]->n_uses || n->out[i]->is_output)) return false;
    for (int i = QUERY; i <= VALUE; i++) {
        const type *t = n->in[i] ? &n->in[i]->type : NULL;
        if (!t || t->rank != 3 || t->dtype != HST_DTYPE_F32 || !type_equal(t, &n->in[QUERY]->type)) return false;
    }
    const type *x = &n->in[QUERY]->type;
    if (dim_is_symbol(x->dim[2]) || x->dim[2] < 1 || x->dim[2] % heads) return false;
    if (n->n_in > QKV_BIAS && n->in[QKV_BIAS] && !match_row(n->in[QKV_BIAS], 3 * x->dim[2])) return false;
    return mask_known(g, n, KEY_MASK, x);
}

static hst_status unfold_heads(graph *g, node *n, bool *changed, hst_error *err) {
    if (!node_is(n, "com.microsoft", "MultiHeadAttention") || !plain_heads(g, n)) return HST_STATUS_OK;
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    type t = n->in[QUERY]->type;
    t.dim[2] *= 3;
    *changed = true;
    return finish(p, n, join_products(p, n->in, n->n_in > QKV_BIAS ? n->in[QKV_BIAS] : NULL, &t), KEY_MASK, opset_of(g),
                  err);
}

HST_PASS(attention_heads) = {.name = "attention_heads",
                             .order = 61,
                             .node = unfold_heads,
                             .anchor = "MultiHeadAttention",
                             .summary = "joined the products before an attention of many heads"};

HST_PASS(attention_contrib) = {.name = "attention_contrib",
                               .order = 61,
                               .node = unfold,
                               .anchor = "Attention",
                               .summary = "took a fused attention apart into product and attention"};
