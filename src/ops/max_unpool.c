/* MaxUnpool: x [N, C, in …], indices (s64, as MaxPool's, into the shape below), output_shape or none -> y: zeros, and x
 * at the indices. The shape that indices count in: (in - 1) stride - begin - end + kernel; output_shape may be larger.
 */
#include <string.h>

#include "ops/sliding.h"
#include "tensor/convert.h"

/* The length that an axis had before pooling. */
static hst_status length(const node *n, const window *w, int k, int64_t in, int64_t *out, hst_error *err) {
    if (in > 0 && in <= INT32_MAX) *out = (in - 1) * w->stride[k] - w->begin[k] - w->end[k] + w->kernel[k];
    if (in > 0 && in <= INT32_MAX && *out >= 0) return HST_STATUS_OK;
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "length %lld on axis %d does not come from such a pooling",
                      (long long)in, k + 2);
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    window w;
    int64_t shape[HST_RANK_MAX];
    y->dtype = x->dtype;
    y->rank = x->rank;
    if (x->rank < 0) return HST_STATUS_OK;
    for (int k = 0; k < x->rank; k++) y->dim[k] = k < 2 ? x->dim[k] : dim_symbol(c->model, "");
    HST_TRY(window_read(c->node, x->rank, NULL, &w, err));
    if (c->n_in > 2 && c->node->in[2]) {
        if (infer_ints(c, 2, shape, HST_RANK_MAX) != x->rank) return HST_STATUS_OK;
        for (int k = 0; k < x->rank; k++)
            if (shape[k] >= 0 && k >= 2) y->dim[k] = shape[k];
        return HST_STATUS_OK;
    }
    for (int k = 0; k < w.rank; k++)
        if (!dim_is_symbol(x->dim[2 + k])) HST_TRY(length(c->node, &w, k, x->dim[2 + k], &y->dim[2 + k], err));
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *indices;
    hst_tensor *y;
    const void *from;
    void *to;
    const int64_t *index;
    window w;
    int64_t dims[HST_RANK_MAX], shape[HST_RANK_MAX], stride[HST_RANK_MAX];
    int count = 0;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(eval_need(c, 1, "I", &indices, err));
    HST_TRY(planes_check(c->node, x, 3, "X", err));
    HST_TRY(window_read(c->node, x->rank, NULL, &w, err));
    memcpy(dims, x->dim, sizeof dims);
    for (int k = 0; k < w.rank; k++) HST_TRY(length(c->node, &w, k, x->dim[2 + k], &dims[2 + k], err));
    memcpy(shape, dims, sizeof shape);
    if (eval_in(c, 2)) HST_TRY(eval_ints(c, 2, "output_shape", shape, HST_RANK_MAX, &count, err));
    if (tensor_count(indices) != tensor_count(x) || (eval_in(c, 2) && count != x->rank))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld indices for %lld elements, output_shape has %d",
                          (long long)tensor_count(indices), (long long)tensor_count(x), count);
    for (int k = 0; k < 2; k++)
        if (shape[k] != dims[k])
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "output_shape has %lld on axis %d, X has %lld",
                              (long long)shape[k], k, (long long)dims[k]);
    HST_TRY(move_indices(c, indices, "I", &index, err));
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, x->rank, shape, &y, &to, err));
    const size_t size = move_size(x->dtype);
    memset(to, 0, (size_t)tensor_count(y) * size);
    move_strides(x->rank, shape, stride);
    for (int64_t i = 0; i < tensor_count(x); i++) {
        int64_t at = 0, rest = index[i];
        bool inside = rest >= 0;
        for (int k = x->rank - 1; k >= 0; k--) {
            const int64_t place = dims[k] ? rest % dims[k] : 0;
            inside = inside && dims[k] && place < shape[k];
            at += place * stride[k];
            rest = dims[k] ? rest / dims[k] : 0;
        }
        if (!inside || rest)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "index %lld lies outside the output",
                              (long long)index[i]);
        memcpy((char *)to + (size_t)at * size, (const char *)from + (size_t)i * size, size);
    }
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"2x2", 0, "(f32[1,1,1,2]{7 8}, s64[1,1,1,2]{5 2}; kernel_shape=[2,2], strides=[2,2]) -> (f32[1,1,2,4]{0 0 8 0 0 7 0 0})", 0},
    {"larger output", 0, "(f32[1,1,1]{7}, s64[1,1,1]{1}, s64[3]{1 1 3}; kernel_shape=[2]) -> (f32[1,1,3]{0 7 0})", 0},
    {0}};
// clang-format on

HST_OP(MaxUnpool) = {.name = "MaxUnpool",
                     .domain = "",
                     .since = 9,
                     .min_in = 2,
                     .max_in = 3,
                     .min_out = 1,
                     .max_out = 1,
                     .infer = infer,
                     .eval = eval,
                     .summary = "puts elements back where MaxPool found them",
                     HST_CASES(cases)};
