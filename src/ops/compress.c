/* Compress: the slices along an axis (elements of the flattened input, where there is none) whose condition is true. */
#include <string.h>

#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    int axis;
    y->dtype = x->dtype;
    if (!node_attribute(c->node, "axis")) {
        y->rank = 1;
        y->dim[0] = dim_symbol(c->model, "");
        return HST_STATUS_OK;
    }
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err));
    *y = *x;
    y->dim[axis] = dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *condition;
    hst_tensor *y;
    const void *from;
    void *to;
    int axis = 0, rank = 1;
    int64_t dims[HST_RANK_MAX], outer = 1, inner = 1, kept = 0;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(eval_need(c, 1, "condition", &condition, err));
    dims[0] = tensor_count(x);
    if (node_attribute(c->node, "axis")) {
        HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err));
        rank = x->rank;
        memcpy(dims, x->dim, sizeof dims);
    }
    if (condition->dtype != HST_DTYPE_B8 || condition->rank != 1 || condition->dim[0] > dims[axis])
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "condition is %s of rank %d with %lld elements, for %lld",
                          dtype_name(condition->dtype), condition->rank, (long long)tensor_count(condition),
                          (long long)dims[axis]);
    const uint8_t *take = condition->data;
    int64_t length = dims[axis], n = condition->dim[0];
    for (int64_t i = 0; i < n; i++) kept += take[i] != 0;
    dims[axis] = kept;
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, rank, dims, &y, &to, err));
    if (tensor_count(y) == 0) return HST_STATUS_OK;
    for (int k = 0; k < axis; k++) outer *= dims[k];
    for (int k = axis + 1; k < rank; k++) inner *= dims[k];
    size_t run = move_size(x->dtype) * (size_t)inner;
    char *at = to;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < n; i++) {
            if (!take[i]) continue;
            memcpy(at, (const char *)from + (size_t)(o * length + i) * run, run);
            at += run;
        }
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"axis 0", 0, "(f32[3,2]{1 2 3 4 5 6}, b8[3]{0 1 1}; axis=0) -> (f32[2,2]{3 4 5 6})", 0},
    {"axis 1", 9, "(f32[3,2]{1 2 3 4 5 6}, b8[2]{0 1}; axis=1) -> (f32[3,1]{2 4 6})", 0},
    {"flattened", 0, "(f32[3,2]{1 2 3 4 5 6}, b8[5]{0 1 0 0 1}) -> (f32[2]{2 5})", 0},
    {"negative axis, short condition", 11, "(f32[1,3]{1 2 3}, b8[1]{1}; axis=-1) -> (f32[1,1]{1})", 0},
    {"nothing taken", 0, "(f32[2]{1 2}, b8[2]{0}) -> (f32[0]{})", 0},
    {"strings", 0, "(string[2]{\"a\" \"bb\"}, b8[2]{0 1}) -> (string[1]{\"bb\"})", 0},
    {0},
};
// clang-format on

HST_OP(Compress) = {
    .name = "Compress",
    .domain = "",
    .since = 9,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "slices whose condition is true",
    HST_CASES(cases),
};
