/* ScatterElements (and its old name Scatter): a copy of data in which, on axis a,
 *   out[i_0, …, indices[i], …] = f(out[…], updates[i_0, …, i_a, …])       f: reduction none, add, mul, max, min */
#include <string.h>

#include "kernels/copy/combine.h"
#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    int axis;
    c->out[0] = *x;
    if (x->rank < 0) return HST_STATUS_OK;
    return axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err);
}

typedef struct args {
    int axis;
    combine how;
} args;

static hst_status read_args(const node *n, const hst_tensor *x, args *a, hst_error *err) {
    const char *name = n->opset >= 16 ? node_string(n, "reduction", "none") : "none";
    HST_TRY(axis_normalize(n, node_int(n, "axis", 0), x->rank, &a->axis, err));
    if (!combine_from_name(name, &a->how))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "reduction '%s' is not none, add, mul, max or min", name);
    if (!combine_supports(a->how, x->dtype))
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "reduction '%s' of %s", name, dtype_name(x->dtype));
    return HST_STATUS_OK;
}

static hst_status check(const node *n, const hst_tensor *x, const hst_tensor *index, const hst_tensor *updates,
                        int axis, hst_error *err) {
    if (updates->dtype != x->dtype)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "data is %s, updates %s", dtype_name(x->dtype),
                          dtype_name(updates->dtype));
    if (x->rank != index->rank || x->rank != updates->rank)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "data has rank %d, indices %d, updates %d", x->rank,
                          index->rank, updates->rank);
    for (int k = 0; k < x->rank; k++) {
        if (index->dim[k] != updates->dim[k])
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "indices have %lld on axis %d, updates %lld",
                              (long long)index->dim[k], k, (long long)updates->dim[k]);
        if (k != axis && index->dim[k] > x->dim[k])
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "indices have %lld on axis %d, data only %lld",
                              (long long)index->dim[k], k, (long long)x->dim[k]);
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *index, *updates;
    hst_tensor *y;
    const void *from, *new;
    const int64_t *pick;
    void *to;
    args a;
    int64_t stride[HST_RANK_MAX], at[HST_RANK_MAX] = {0}, place;
    HST_TRY(eval_need(c, 0, "data", &x, err));
    HST_TRY(eval_need(c, 1, "indices", &index, err));
    HST_TRY(eval_need(c, 2, "updates", &updates, err));
    HST_TRY(read_args(c->node, x, &a, err));
    HST_TRY(check(c->node, x, index, updates, a.axis, err));
    HST_TRY(move_indices(c, index, "indices", &pick, err));
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_in(c, updates, &new, err));
    HST_TRY(move_out(c, 0, x->dtype, x->rank, x->dim, &y, &to, err));
    size_t size = move_size(x->dtype);
    memcpy(to, from, size * (size_t)tensor_count(x));
    move_strides(x->rank, x->dim, stride);
    int64_t count = tensor_count(index), offset = 0;
    for (int64_t i = 0; i < count; i++) {
        HST_TRY(move_index(c, pick[i], x->dim[a.axis], a.axis, &place, err));
        char *target = (char *)to + (size_t)(offset + place * stride[a.axis]) * size;
        if (a.how == COMBINE_NONE)
            memcpy(target, (const char *)new + (size_t)i *size, size);
        else
            combine_run(a.how, x->dtype, target, (const char *)new + (size_t)i *size, 1);
        for (int k = x->rank - 1; k >= 0; k--) {
            int64_t step = k == a.axis ? 0 : stride[k];
            offset += step;
            if (++at[k] < index->dim[k]) break;
            offset -= step * index->dim[k];
            at[k] = 0;
        }
    }
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"axis 0", 0, "(f32[3,3]{0}, s64[2,3]{1 0 2 0 2 1}, f32[2,3]{1 1.1 1.2 2 2.1 2.2}) -> (f32[3,3]{2 1.1 0 1 0 2.2 0 2.1 1.2})", 0},
    {"axis 1", 11, "(f32[1,5]{1 2 3 4 5}, s64[1,2]{1 3}, f32[1,2]{1.1 2.1}; axis=1) -> (f32[1,5]{1 1.1 3 2.1 5})", 0},
    {"negative index", 0, "(f32[1,5]{1 2 3 4 5}, s32[1,2]{1 -3}, f32[1,2]{1.1 2.1}; axis=-1) -> (f32[1,5]{1 1.1 2.1 4 5})", 0},
    {"add", 16, "(f32[1,5]{1 2 3 4 5}, s64[1,2]{1 1}, f32[1,2]{1.5 2}; axis=1, reduction=\"add\") -> (f32[1,5]{1 5.5 3 4 5})", 0},
    {"mul, f16", 18, "(f16[3]{1 2 3}, s64[2]{1 1}, f16[2]{2 3}; reduction=\"mul\") -> (f16[3]{1 12 3})", 0},
    {"max, u64", 18, "(u64[2]{1 0x8000000000000000}, s64[2]{0 1}, u64[2]{5 6}; reduction=\"max\") -> (u64[2]{5 0x8000000000000000})", 0},
    {"min, NaN", 18, "(f32[2]{1 nan}, s64[2]{0 1}, f32[2]{-1 2}; reduction=\"min\") -> (f32[2]{-1 nan})", 0},
    {"no updates", 0, "(f32[2]{1 2}, s64[0]{}, f32[0]{}) -> (f32[2]{1 2})", 0},
    {"strings", 0, "(string[2]{\"a\" \"b\"}, s64[1]{1}, string[1]{\"cc\"}) -> (string[2]{\"a\" \"cc\"})", 0},
    {0},
};

static const op_case scatter_cases[] = {
    {"version 9", 9, "(f32[3]{0}, s64[2]{2 0}, f32[2]{1 2}) -> (f32[3]{2 0 1})", 0},
    {"last version", 0, "(f32[1,2]{0}, s64[1,1]{1}, f32[1,1]{5}; axis=1) -> (f32[1,2]{0 5})", 0},
    {0},
};
// clang-format on

HST_OP(ScatterElements) = {
    .name = "ScatterElements",
    .domain = "",
    .since = 11,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "elements written along an axis, one by one",
    HST_CASES(cases),
};

HST_OP(Scatter) = {
    .name = "Scatter",
    .domain = "",
    .since = 9,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "the old name of ScatterElements",
    HST_CASES(scatter_cases),
};
