/* A MatMul between two DequantizeLinear becomes the product of the 8-bit matrices, whose sums are exact:
 *   QuantizeLinear(MatMul(DequantizeLinear(a), DequantizeLinear(b)))  ->  QLinearMatMul(a, b)
 *                  MatMul(DequantizeLinear(a), DequantizeLinear(b))   ->  MatMulIntegerToFloat(a, b)
 * as onnxruntime does. A sum of f32 products may fall on the other side of a half than the exact one, and the step of
 * the quantiser behind it would then show. a: one scale; b: one, or one a column of a known matrix. Runs before
 * constant folding, which would widen the weights. */
#include <string.h>

#include "passes/match.h"
#include "passes/pass.h"

#define K_MOST 32768 /* 255 * 255 * K stays below 2^31 */

typedef struct side {
    value *x, *scale, *zero; /* zero NULL: 0 */
} side;

static bool is_byte(const value *v) {
    return v && (v->type.dtype == HST_DTYPE_U8 || v->type.dtype == HST_DTYPE_S8);
}

static bool per_tensor(const value *v) {
    const hst_tensor *t = v ? match_constant(v) : NULL;
    return t && tensor_count(t) == 1;
}

static bool plain(const node *n) {
    return node_int(n, "block_size", 0) == 0 && n->n_in >= 2 && n->in[0] && n->in[1] &&
           n->in[1]->type.dtype == HST_DTYPE_F32;
}

static bool read_side(const value *v, side *s) {
    const node *n = v ? v->producer : NULL;
    if (!n || !(node_is(n, "", "DequantizeLinear") || node_is(n, "com.microsoft", "DequantizeLinear"))) return false;
    if (!plain(n) || !is_byte(n->in[0]) || n->in[0]->type.rank < 1) return false;
    *s = (side){n->in[0], n->in[1], n->n_in > 2 ? n->in[2] : NULL};
    return true;
}

static bool one_scale(const side *s) {
    return per_tensor(s->scale) && (!s->zero || per_tensor(s->zero));
}

/* One scale a column of a known matrix [K, N]. */
static bool column_scales(const side *s, const node *dequantize) {
    const hst_tensor *t = match_constant(s->x), *scale = match_constant(s->scale);
    const hst_tensor *zero = s->zero ? match_constant(s->zero) : NULL;
    int64_t axis = node_int(dequantize, "axis", 1);
    if (!t || t->rank != 2 || (axis != 1 && axis != -1) || !scale || scale->rank != 1 || scale->dim[0] != t->dim[1])
        return false;
    return !s->zero || (zero && zero->rank == 1 && zero->dim[0] == t->dim[1]);
}

/* The QuantizeLinear that alone reads v, with one scale and zero point; NULL where there is none. */
static node *quantizer_of(const value *v) {
    node *n = match_only_user(v);
    if (!n || !(node_is(n, "", "QuantizeLinear") || node_is(n, "com.microsoft", "QuantizeLinear"))) return NULL;
    if (n->in[0] != v || !plain(n) || !per_tensor(n->in[1])) return NULL;
    if (n->n_in < 3 || !is_byte(n->in[2]) || !per_tensor(n->in[2])) return NULL;
    return n;
}

static value *zero_of(patch *p, const side *s, hst_error *err) {
    hst_tensor *t;
    if (s->zero) return s->zero;
    if (tensor_new(s->x->type.dtype, 0, (const int64_t[]){1}, NULL, &t, err) != HST_STATUS_OK) return NULL;
    memset(t->data, 0, t->bytes);
    return patch_constant(p, "", t);
}

static hst_status replace(graph *g, node *n, const side *a, const side *b, hst_error *err) {
    node *q = quantizer_of(n->out[0]);
    patch *p = patch_new(g, q ? q : n);
    if (!p) return patch_fail(p, err);
    value *zero_a = zero_of(p, a, err), *zero_b = zero_of(p, b, err), *old = q ? q->out[0] : n->out[0];
    value *out = zero_a && zero_b ? patch_value(p, &old->type) : NULL;
    bool made = out;
    if (made && q) {
        value *in[8] = {a->x, a->scale, zero_a, b->x, b->scale, zero_b, q->in[1], q->in[2]};
        made = patch_node(p, "", "QLinearMatMul", 0, in, 8, &out, 1);
    } else if (made) {
        value *in[6] = {a->x, b->x, a->scale, b->scale, zero_a, zero_b};
        made = patch_node(p, "com.microsoft", "MatMulIntegerToFloat", 0, in, 6, &out, 1);
    }
    if (!made) return patch_fail(p, err);
    patch_replace(p, old, out);
    return patch_apply(p, err);
}

static hst_status fuse(graph *g, node *n, bool *changed, hst_error *err) {
    side a, b;
    if (!node_is(n, "", "MatMul") || !read_side(n->in[0], &a) || !read_side(n->in[1], &b)) return HST_STATUS_OK;
    if (match_constant(a.x) && match_constant(b.x)) return HST_STATUS_OK; /* to be folded */
    if (!one_scale(&a) || !(one_scale(&b) || column_scales(&b, n->in[1]->producer))) return HST_STATUS_OK;
    const dim k = a.x->type.dim[a.x->type.rank - 1], other = b.x->type.dim[b.x->type.rank > 1 ? b.x->type.rank - 2 : 0];
    const dim known = dim_is_symbol(k) ? other : k;
    if (dim_is_symbol(known) || known > K_MOST) return HST_STATUS_OK;
    *changed = true;
    return replace(g, n, &a, &b, err);
}

HST_PASS(integer_product) = {.name = "integer_product",
                             .order = 8,
                             .node = fuse,
                             .anchor = "MatMul",
                             .summary = "multiplied 8-bit matrices as integers instead of widening them"};
