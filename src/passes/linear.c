/* MatMul, Gemm and FusedMatMul with a known two-dimensional right side become hasten.Linear, which packs its weight as it
 * lies in the file: a Cast that widens it and a Transpose are taken along instead of being computed. Runs before constant
 * folding, so that a half-precision weight is never held widened and unpacked, and again after it. */
#include <string.h>

#include "passes/match.h"
#include "passes/pass.h"

/* Walks back from a weight over exact widening Casts and Transposes to a constant. */
static value *weight_source(value *v, bool *transposed) {
    for (;;) {
        node *n = v->producer;
        if (v->constant || !n) break;
        int64_t perm[HST_RANK_MAX];
        if (node_is(n, "", "Identity"))
            v = n->in[0];
        else if (node_is(n, "", "Cast") && node_int(n, "to", 0) == HST_DTYPE_F32 && n->in[0] &&
                 (n->in[0]->type.dtype == HST_DTYPE_F16 || n->in[0]->type.dtype == HST_DTYPE_BF16))
            v = n->in[0];
        else if (node_is(n, "", "Transpose") && match_perm(n, perm) == 2) {
            if (perm[0] == 1) *transposed = !*transposed;
            v = n->in[0];
        } else
            break;
        if (!v) return NULL;
    }
    const hst_tensor *t = match_constant(v);
    if (!t || t->rank != 2) return NULL;
    if (t->dtype != HST_DTYPE_F32 && t->dtype != HST_DTYPE_F16 && t->dtype != HST_DTYPE_BF16) return NULL;
    return t->dim[0] > 0 && t->dim[1] > 0 ? v : NULL;
}

static bool is_float_matrix(const value *v) {
    return v && v->type.dtype == HST_DTYPE_F32 && v->type.rank >= 2 && !v->constant;
}

/* Reads the node as alpha · x · W + bias; false where it is not that. */
static bool read_product(const node *n, double *alpha, bool *transposed, value **bias) {
    *alpha = 1;
    *transposed = false;
    *bias = NULL;
    if (n->n_in < 2 || !is_float_matrix(n->in[0]) || !n->in[1]) return false;
    if (node_is(n, "", "MatMul")) return true;
    *transposed = node_int(n, "transB", 0) != 0;
    *alpha = (double)node_float(n, "alpha", 1);
    if (node_int(n, "transA", 0)) return false;
    if (node_is(n, "com.microsoft", "FusedMatMul"))
        return !node_int(n, "transBatchA", 0) && !node_int(n, "transBatchB", 0);
    if (!node_is(n, "", "Gemm")) return false;
    if (n->n_in < 3 || !n->in[2]) return true;
    *bias = n->in[2];
    return node_float(n, "beta", 1) == 1.0f;
}

static hst_status fuse_linear(graph *g, node *n, bool *changed, hst_error *err) {
    double alpha;
    bool transposed;
    value *bias;
    if (!read_product(n, &alpha, &transposed, &bias)) return HST_STATUS_OK;
    value *weight = weight_source(n->in[1], &transposed);
    if (!weight) return HST_STATUS_OK;
    int64_t columns = weight->constant->dim[transposed ? 0 : 1];
    if (bias && (!match_row(bias, columns) || bias->type.dtype != HST_DTYPE_F32)) return HST_STATUS_OK;
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    value *in[3] = {n->in[0], weight, bias}, *out = patch_value(p, &n->out[0]->type);
    node *l = patch_node(p, "hasten", "Linear", 1, in, bias ? 3 : 2, &out, 1);
    if (!l || !node_set_int(l, "transB", transposed) || !node_set_float(l, "alpha", (float)alpha)) return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

HST_PASS(linear) = {
    .name = "linear", .order = 10, .node = fuse_linear, .anchor = "", .summary = "made hasten.Linear of a product"};

HST_PASS(linear_folded) = {.name = "linear_folded",
                           .order = 30,
                           .node = fuse_linear,
                           .anchor = "",
                           .summary = "made hasten.Linear of a product whose weight was folded"};
