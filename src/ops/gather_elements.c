/* GatherElements: out has the shape of indices; on axis a
 *   out[i_0, …, i_a, …] = data[i_0, …, indices[i_0, …, i_a, …], …] */
#include <string.h>

#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *index = infer_in(c, 1);
    int axis;
    c->out[0] = *index;
    c->out[0].dtype = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    return axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err);
}

static hst_status check(const eval_context *c, const hst_tensor *x, const hst_tensor *index, int axis, hst_error *err) {
    if (x->rank != index->rank)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "data has rank %d, indices %d", x->rank, index->rank);
    for (int k = 0; k < x->rank; k++)
        if (k != axis && index->dim[k] > x->dim[k])
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "indices have %lld on axis %d, data only %lld",
                              (long long)index->dim[k], k, (long long)x->dim[k]);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *index;
    hst_tensor *y;
    const void *from;
    const int64_t *pick;
    void *to;
    int axis;
    int64_t stride[HST_RANK_MAX], at[HST_RANK_MAX] = {0}, place;
    HST_TRY(eval_need(c, 0, "data", &x, err));
    HST_TRY(eval_need(c, 1, "indices", &index, err));
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err));
    HST_TRY(check(c, x, index, axis, err));
    HST_TRY(move_indices(c, index, "indices", &pick, err));
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, index->rank, index->dim, &y, &to, err));
    move_strides(x->rank, x->dim, stride);
    size_t size = move_size(x->dtype);
    int64_t count = tensor_count(y), offset = 0; /* of the element, its axis not counted */
    for (int64_t i = 0; i < count; i++) {
        HST_TRY(move_index(c, pick[i], x->dim[axis], axis, &place, err));
        memcpy((char *)to + (size_t)i * size, (const char *)from + (size_t)(offset + place * stride[axis]) * size,
               size);
        for (int k = x->rank - 1; k >= 0; k--) {
            int64_t step = k == axis ? 0 : stride[k];
            offset += step;
            if (++at[k] < index->dim[k]) break;
            offset -= step * index->dim[k];
            at[k] = 0;
        }
    }
    return move_done(y, to, err);
}

static const op_case cases[] = {
    {"axis 1", 0, "(f32[2,2]{1 2 3 4}, s64[2,2]{0 0 1 0}; axis=1) -> (f32[2,2]{1 1 4 3})", 0},
    {"axis 0, negative", 11,
     "(f32[3,3]{1 2 3 4 5 6 7 8 9}, s64[2,3]{-1 -2 0 -2 0 0}; axis=0) -> (f32[2,3]{7 5 3 4 2 3})", 0},
    {"fewer columns than data", 0, "(f32[2,3]{1 2 3 4 5 6}, s32[2,1]{2 1}; axis=-1) -> (f32[2,1]{3 5})", 0},
    {"none", 0, "(f32[2,3]{1 2 3 4 5 6}, s64[0,3]{}; axis=0) -> (f32[0,3]{})", 0},
    {"strings", 0, "(string[2]{\"a\" \"b\"}, s64[3]{1 0 1}) -> (string[3]{\"b\" \"a\" \"b\"})", 0},
    {0},
};

HST_OP(GatherElements) = {
    .name = "GatherElements",
    .domain = "",
    .since = 11,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "elements along an axis, picked one by one",
    HST_CASES(cases),
};
