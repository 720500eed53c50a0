/* Building the standard nodes that a fused operator stands for. */
#include "ops/op.h"

static value *fail(expansion *e) {
    if (e->status == HST_STATUS_OK) e->status = error_no_memory(e->err, 0, "the expansion of an operator");
    return NULL;
}

value *expand_node(expansion *e, const char *op_type, value *const *in, int n_in) {
    if (e->status != HST_STATUS_OK) return NULL;
    value *out = graph_add_value(e->g, "");
    if (!out || !graph_add_node(e->g, "", op_type, "", in, n_in, &out, 1)) return fail(e);
    return out;
}

value *expand_unary(expansion *e, const char *op_type, value *x) {
    return expand_node(e, op_type, (value *const[]){x}, 1);
}

value *expand_binary(expansion *e, const char *op_type, value *a, value *b) {
    return expand_node(e, op_type, (value *const[]){a, b}, 2);
}

value *expand_constant(expansion *e, hst_tensor *t) {
    hst_error *err = e->err;
    if ((e->status = model_own_tensor(e->g->model, t, err)) != HST_STATUS_OK) return NULL;
    value *v = graph_add_initializer(e->g, "", t);
    return v ? v : fail(e);
}

value *expand_scalar(expansion *e, hst_dtype d, double x) {
    hst_tensor *t;
    if (e->status != HST_STATUS_OK) return NULL;
    e->status = tensor_new(d, 0, (int64_t[]){1}, arena_allocator(e->g->model->arena), &t, e->err);
    if (e->status != HST_STATUS_OK) return NULL;
    tensor_set_f64(t, 0, x);
    return expand_constant(e, t);
}

value *expand_ints(expansion *e, const int64_t *x, int n) {
    hst_tensor *t;
    if (e->status != HST_STATUS_OK) return NULL;
    e->status = tensor_new(HST_DTYPE_S64, 1, (int64_t[]){n}, arena_allocator(e->g->model->arena), &t, e->err);
    if (e->status != HST_STATUS_OK) return NULL;
    for (int i = 0; i < n; i++) tensor_set_s64(t, i, x[i]);
    return expand_constant(e, t);
}

value *expand_transpose(expansion *e, value *x, const int64_t *perm, int n) {
    value *y = expand_unary(e, "Transpose", x);
    if (y && !node_set_ints(y->producer, "perm", perm, n)) return fail(e);
    return y;
}

value *expand_reshape(expansion *e, value *x, const int64_t *shape, int n) {
    value *to = expand_ints(e, shape, n);
    return expand_binary(e, "Reshape", x, to);
}

value *expand_cast(expansion *e, value *x, hst_dtype to) {
    value *y = expand_unary(e, "Cast", x);
    expand_set_int(e, y, "to", (int64_t)to);
    return y;
}

void expand_set_int(expansion *e, value *v, const char *name, int64_t i) {
    if (v && !node_set_int(v->producer, name, i)) fail(e);
}

hst_status expansion_done(const expansion *e) {
    return e->status;
}
