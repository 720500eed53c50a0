/* OneHot: a new axis of length depth: on_value at the index, off_value elsewhere; nowhere for an index outside
 * [-depth, depth). values = [off, on]. */
#include <string.h>

#include "kernels/copy/copy.h"
#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *index = infer_in(c, 0);
    type *y = &c->out[0];
    int axis;
    dim depth;
    y->dtype = infer_in(c, 2)->dtype;
    if (index->rank < 0) return HST_STATUS_OK;
    if (index->rank == HST_RANK_MAX)
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "indices of rank %d", index->rank);
    y->rank = index->rank + 1;
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", -1), y->rank, &axis, err));
    for (int k = 0; k < y->rank; k++) y->dim[k] = k < axis ? index->dim[k] : k > axis ? index->dim[k - 1] : 0;
    bool known = infer_dims(c, 1, &depth, 1) == 1 && dim_is_length(c->model, depth);
    y->dim[axis] = known ? depth : dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

static int64_t as_integer(const hst_tensor *t, int64_t i) {
    if (!dtype_is_float(t->dtype)) return tensor_get_s64(t, i);
    double x = tensor_get_f64(t, i);
    return x > -0x1p62 && x < 0x1p62 ? (int64_t)x : INT64_MIN; /* NaN and what does not fit: outside of every range */
}

static hst_status check(const node *n, const hst_tensor *index, const hst_tensor *depth, const hst_tensor *values,
                        hst_error *err) {
    if (tensor_count(depth) != 1 || tensor_count(values) != 2)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%lld elements in depth, %lld in values, should be 1 and 2",
                          (long long)tensor_count(depth), (long long)tensor_count(values));
    if (index->dtype == HST_DTYPE_STRING || depth->dtype == HST_DTYPE_STRING || index->rank == HST_RANK_MAX)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "indices %s of rank %d, depth %s", dtype_name(index->dtype),
                          index->rank, dtype_name(depth->dtype));
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *index, *depth, *values;
    hst_tensor *y;
    const void *from;
    void *to;
    int axis;
    int64_t dims[HST_RANK_MAX], inner = 1;
    HST_TRY(eval_need(c, 0, "indices", &index, err));
    HST_TRY(eval_need(c, 1, "depth", &depth, err));
    HST_TRY(eval_need(c, 2, "values", &values, err));
    HST_TRY(check(c->node, index, depth, values, err));
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", -1), index->rank + 1, &axis, err));
    int64_t classes = as_integer(depth, 0);
    if (classes < 0) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "depth %lld", (long long)classes);
    for (int k = 0; k <= index->rank; k++) dims[k] = k < axis ? index->dim[k] : k > axis ? index->dim[k - 1] : classes;
    HST_TRY(move_in(c, values, &from, err));
    HST_TRY(move_out(c, 0, values->dtype, index->rank + 1, dims, &y, &to, err));
    size_t size = move_size(values->dtype);
    int64_t n = tensor_count(y) ? tensor_count(index) : 0;
    copy_fill(to, from, size, tensor_count(y));
    for (int k = axis; k < index->rank && n; k++) inner *= index->dim[k];
    for (int64_t i = 0; i < n; i++) {
        int64_t at = as_integer(index, i);
        if (at < -classes || at >= classes) continue;
        if (at < 0) at += classes;
        int64_t place = (i / inner * classes + at) * inner + i % inner;
        memcpy((char *)to + (size_t)place * size, (const char *)from + size, size);
    }
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"last axis", 0, "(s64[2]{1 0}, s64[]{3}, f32[2]{0 1}) -> (f32[2,3]{0 1 0 1 0 0})", 0},
    {"first axis", 9, "(s32[2]{1 0}, s64[1]{3}, s32[2]{5 7}; axis=0) -> (s32[3,2]{5 7 7 5 5 5})", 0},
    {"negative and outside", 11, "(s64[3]{-1 3 -4}, s64[]{3}, f32[2]{0 1}) -> (f32[3,3]{0 0 1 0 0 0 0 0 0})", 0},
    {"float indices and depth", 0, "(f32[2]{1 nan}, f32[]{2}, b8[2]{0 1}) -> (b8[2,2]{0 1 0 0})", 0},
    {"scalar", 0, "(s64[]{1}, s64[]{2}, f32[2]{0 1}) -> (f32[2]{0 1})", 0},
    {"middle axis", 0, "(s64[1,2]{0 1}, s64[]{2}, f32[2]{0 1}; axis=1) -> (f32[1,2,2]{1 0 0 1})", 0},
    {"no class", 0, "(s64[2]{0 1}, s64[]{0}, f32[2]{0 1}) -> (f32[2,0]{})", 0},
    {"strings", 0, "(s64[1]{1}, s64[]{2}, string[2]{\"n\" \"y\"}) -> (string[1,2]{\"n\" \"y\"})", 0},
    {0},
};
// clang-format on

HST_OP(OneHot) = {
    .name = "OneHot",
    .domain = "",
    .since = 9,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "indices as rows of one on_value",
    HST_CASES(cases),
};
