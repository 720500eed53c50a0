/* LayerNormalization of the rows of a product, in the region that computes it: inputs gamma and beta and the attribute
 * epsilon of hasten.Linear and hasten.QuantizedLinear. See ops/matmul.h. */
#include "ops/matmul.h"

static float epsilon_of(const node *n) {
    return node_float(n, "epsilon", 1e-5f);
}

static hst_status not_f32(const node *n, hst_dtype d, hst_error *err) {
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "gamma and beta must be f32, one is %s", dtype_name(d));
}

hst_status matmul_norm_check(const node *n, dim columns, const type *gamma, const type *beta, hst_error *err) {
    const type *rows[2] = {gamma, beta};
    for (int i = 0; i < 2; i++) {
        const type *t = rows[i];
        if (t && t->dtype != HST_DTYPE_NONE && t->dtype != HST_DTYPE_F32) return not_f32(n, t->dtype, err);
        if (!t || t->rank < 0) continue;
        const bool known = t->rank == 1 && !dim_is_symbol(t->dim[0]) && !dim_is_symbol(columns);
        if (t->rank != 1 || (known && t->dim[0] != columns))
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "%s is no vector of %lld elements", i ? "beta" : "gamma",
                              (long long)columns);
    }
    return HST_STATUS_OK;
}

value *matmul_norm_expand(expansion *e, value *x, value *gamma, value *beta) {
    if (!gamma) return x;
    if (gamma->type.dtype != HST_DTYPE_F32) {
        if (e->status == HST_STATUS_OK) e->status = not_f32(e->node, gamma->type.dtype, e->err);
        return NULL;
    }
    value *y = expand_node(e, "LayerNormalization", (value *const[]){x, gamma, beta}, beta ? 3 : 2);
    if (y && !node_set_float(y->producer, "epsilon", epsilon_of(e->node)))
        e->status = error_no_memory(e->err, 0, "an attribute");
    return y;
}

static hst_status row(eval_context *c, int input, const char *what, int64_t n, const float **out, hst_error *err) {
    const hst_tensor *t = eval_in(c, input);
    *out = NULL;
    if (!t) return HST_STATUS_OK;
    if (t->dtype != HST_DTYPE_F32 || t->rank != 1 || t->dim[0] != n)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%s must be f32[%lld]", what, (long long)n);
    return matmul_as_f32(c, t, out, err);
}

hst_status matmul_norm_read(eval_context *c, int gamma, int64_t n, matmul_norm *norm, hst_error *err) {
    norm->epsilon = epsilon_of(c->node);
    HST_TRY(row(c, gamma, "gamma", n, &norm->gamma, err));
    return row(c, gamma + 1, "beta", n, &norm->beta, err);
}
