/* Widening and narrowing for operators that compute in one type. */
#include "ops/carry.h"

#include "base/checked.h"
#include "tensor/convert.h"

static bool numeric(hst_dtype d) {
    return dtype_is_float(d) || dtype_is_integer(d) || d == HST_DTYPE_B8;
}

static hst_status widen(eval_context *c, const hst_tensor *t, const char *name, hst_dtype as, const void **x,
                        hst_error *err) {
    size_t bytes, each = as == HST_DTYPE_F64 ? sizeof(double) : sizeof(float);
    void *copy;
    *x = t->data;
    if (!numeric(t->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input '%s' is %s, numbers are needed", name,
                          dtype_name(t->dtype));
    if (t->dtype == as && (uintptr_t)t->data % each == 0) return HST_STATUS_OK;
    HST_TRY(shape_bytes(as, t->rank, t->dim, &bytes, err));
    HST_TRY(eval_scratch(c, bytes, &copy, err));
    if (as == HST_DTYPE_F64)
        convert_to_f64(t->dtype, t->data, 0, copy, tensor_count(t));
    else
        convert_to_f32(t->dtype, t->data, 0, copy, tensor_count(t));
    *x = copy;
    return HST_STATUS_OK;
}

hst_status carry_in(eval_context *c, const hst_tensor *t, const char *name, const double **x, hst_error *err) {
    const void *data;
    HST_TRY(widen(c, t, name, HST_DTYPE_F64, &data, err));
    *x = data;
    return HST_STATUS_OK;
}

hst_status carry_in_f32(eval_context *c, const hst_tensor *t, const char *name, const float **x, hst_error *err) {
    const void *data;
    HST_TRY(widen(c, t, name, HST_DTYPE_F32, &data, err));
    *x = data;
    return HST_STATUS_OK;
}

static hst_status give(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, hst_dtype as, carry *out,
                       void **data, hst_error *err) {
    size_t bytes;
    *out = (carry){0};
    if (!numeric(d)) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "an output of %s", dtype_name(d));
    HST_TRY(eval_output(c, i, d, rank, dims, &out->t, err));
    *data = out->t->data;
    size_t each = as == HST_DTYPE_F64 ? sizeof(double) : sizeof(float);
    if (d == as && (uintptr_t)*data % each == 0) return HST_STATUS_OK;
    HST_TRY(shape_bytes(as, rank, dims, &bytes, err));
    return eval_scratch(c, bytes, data, err);
}

hst_status carry_out(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, carry *out, hst_error *err) {
    void *data;
    HST_TRY(give(c, i, d, rank, dims, HST_DTYPE_F64, out, &data, err));
    out->x = data;
    return HST_STATUS_OK;
}

hst_status carry_out_f32(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, carry *out,
                         hst_error *err) {
    void *data;
    HST_TRY(give(c, i, d, rank, dims, HST_DTYPE_F32, out, &data, err));
    out->f = data;
    return HST_STATUS_OK;
}

void carry_done(const carry *out) {
    const void *from = out->x ? (const void *)out->x : out->f;
    if (from == out->t->data) return;
    if (out->x)
        convert_from_f64(out->t->dtype, out->x, out->t->data, 0, tensor_count(out->t));
    else
        convert_from_f32(out->t->dtype, out->f, out->t->data, 0, tensor_count(out->t));
}

hst_status carry_int(eval_context *c, int i, const char *name, int64_t *out, hst_error *err) {
    int count;
    HST_TRY(eval_ints(c, i, name, out, 1, &count, err));
    return count == 1
               ? HST_STATUS_OK
               : node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input '%s' is empty, one number is needed", name);
}

hst_status carry_number(eval_context *c, int i, const char *name, double *out, hst_error *err) {
    const hst_tensor *t;
    HST_TRY(eval_need(c, i, name, &t, err));
    if (!numeric(t->dtype) || tensor_count(t) != 1)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input '%s' is %s with %lld elements, not one number",
                          name, dtype_name(t->dtype), (long long)tensor_count(t));
    *out = tensor_get_f64(t, 0);
    return HST_STATUS_OK;
}

hst_status carry_dtype(const node *n, const char *name, hst_dtype otherwise, hst_dtype *out, hst_error *err) {
    int64_t d = node_int(n, name, (int64_t)otherwise);
    if (d <= 0 || d > INT32_MAX || !dtype_valid((int)d) || !numeric((hst_dtype)d))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "%s = %lld is not a type of numbers", name, (long long)d);
    *out = (hst_dtype)d;
    return HST_STATUS_OK;
}
