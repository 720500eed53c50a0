/* ScatterND: a copy of data in which slices named by index tuples are replaced or combined:
 *   out[indices[i…]] = f(out[…], updates[i…])    data [D…], indices [I…, k], updates [I…, D_k…] */
#include <string.h>

#include "kernels/copy/combine.h"
#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    return HST_STATUS_OK;
}

static hst_status read_reduction(const node *n, const hst_tensor *x, combine *how, hst_error *err) {
    const char *name = n->opset >= 16 ? node_string(n, "reduction", "none") : "none";
    if (!combine_from_name(name, how))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "reduction '%s' is not none, add, mul, max or min", name);
    if (!combine_supports(*how, x->dtype))
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "reduction '%s' of %s", name, dtype_name(x->dtype));
    return HST_STATUS_OK;
}

static hst_status check(const node *n, const hst_tensor *x, const hst_tensor *index, const hst_tensor *updates,
                        hst_error *err) {
    if (updates->dtype != x->dtype)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "data is %s, updates %s", dtype_name(x->dtype),
                          dtype_name(updates->dtype));
    if (x->rank < 1 || index->rank < 1)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "ranks %d and %d of data and indices", x->rank, index->rank);
    int64_t k = index->dim[index->rank - 1];
    if (k < 0 || k > x->rank)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "index tuples of %lld for rank %d", (long long)k, x->rank);
    int q = index->rank - 1;
    if (updates->rank != q + x->rank - k)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "updates have rank %d, expected %d", updates->rank,
                          q + x->rank - (int)k);
    for (int i = 0; i < updates->rank; i++) {
        int64_t want = i < q ? index->dim[i] : x->dim[i - q + k];
        if (updates->dim[i] != want)
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "updates have %lld on axis %d, expected %lld",
                              (long long)updates->dim[i], i, (long long)want);
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *index, *updates;
    hst_tensor *y;
    const void *from, *new;
    const int64_t *tuple;
    void *to;
    combine how;
    int64_t stride[HST_RANK_MAX], place;
    HST_TRY(eval_need(c, 0, "data", &x, err));
    HST_TRY(eval_need(c, 1, "indices", &index, err));
    HST_TRY(eval_need(c, 2, "updates", &updates, err));
    HST_TRY(read_reduction(c->node, x, &how, err));
    HST_TRY(check(c->node, x, index, updates, err));
    HST_TRY(move_indices(c, index, "indices", &tuple, err));
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_in(c, updates, &new, err));
    HST_TRY(move_out(c, 0, x->dtype, x->rank, x->dim, &y, &to, err));
    size_t size = move_size(x->dtype);
    memcpy(to, from, size * (size_t)tensor_count(x));
    if (tensor_count(updates) == 0) return move_done(y, to, err);
    move_strides(x->rank, x->dim, stride);
    int64_t k = index->dim[index->rank - 1], run = 1; /* not 0, as updates has elements */
    for (int64_t i = k; i < x->rank; i++) run *= x->dim[i];
    const int64_t tuples = tensor_count(updates) / run;
    const size_t bytes = (size_t)run * size;
    for (int64_t t = 0; t < tuples; t++) {
        int64_t at = 0;
        for (int64_t i = 0; i < k; i++) {
            place = tuple[t * k + i];
            if (place < 0 || place >= x->dim[i]) HST_TRY(move_index(c, place, x->dim[i], (int)i, &place, err));
            at += place * stride[i];
        }
        char *target = (char *)to + (size_t)at * size;
        const char *source = (const char *)new + (size_t)(t * run) * size;
        if (how == COMBINE_NONE && bytes == 4)
            memcpy(target, source, 4);
        else if (how == COMBINE_NONE)
            memcpy(target, source, bytes);
        else
            combine_run(how, x->dtype, target, source, run);
    }
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"elements", 0, "(f32[8]{1 2 3 4 5 6 7 8}, s64[4,1]{4 3 1 7}, f32[4]{9 10 11 12}) -> (f32[8]{1 11 3 10 9 6 7 12})", 0},
    {"rows", 11, "(s32[3,2]{1 2 3 4 5 6}, s64[1,1]{-1}, s32[1,2]{7 8}) -> (s32[3,2]{1 2 3 4 7 8})", 0},
    {"add, one row twice", 16, "(f32[2,2]{1 2 3 4}, s64[2,1]{0 0}, f32[2,2]{1 1 2 2}; reduction=\"add\") -> (f32[2,2]{4 5 3 4})", 0},
    {"max", 18, "(bf16[2]{1 5}, s64[2,1]{0 1}, bf16[2]{3 3}; reduction=\"max\") -> (bf16[2]{3 5})", 0},
    {"min", 18, "(s8[2]{1 5}, s64[2,1]{0 1}, s8[2]{3 3}; reduction=\"min\") -> (s8[2]{1 3})", 0},
    {"mul", 18, "(f64[2]{2 5}, s64[2,1]{1 1}, f64[2]{3 3}; reduction=\"mul\") -> (f64[2]{2 45})", 0},
    {"one tuple", 0, "(f32[2,2]{1 2 3 4}, s64[2]{1 0}, f32[]{9}) -> (f32[2,2]{1 2 9 4})", 0},
    {"elements of a matrix, 8 bytes", 0, "(s64[2,2]{1 2 3 4}, s64[3,2]{0 -1 1 0 0 1}, s64[3]{7 8 9}) -> (s64[2,2]{1 9 8 4})", 0},
    {"rows of two", 0, "(f16[2,2,2]{1 2 3 4 5 6 7 8}, s32[1,2]{1 -2}, f16[1,2]{9 10}) -> (f16[2,2,2]{1 2 3 4 9 10 7 8})", 0},
    {"nothing", 0, "(f32[2]{1 2}, s64[0,1]{}, f32[0]{}) -> (f32[2]{1 2})", 0},
    {"strings", 0, "(string[2]{\"a\" \"b\"}, s64[1,1]{0}, string[1]{\"xyz\"}) -> (string[2]{\"xyz\" \"b\"})", 0},
    {0},
};
// clang-format on

HST_OP(ScatterND) = {
    .name = "ScatterND",
    .domain = "",
    .since = 11,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "slices written where index tuples say",
    HST_CASES(cases),
};
