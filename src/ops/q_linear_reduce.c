/* Operators on 8-bit tensors (com.microsoft) that look along axes; f64 between dequantisation and quantisation:
 *   QLinearSoftmax            exp(x - max) / sum along `axis`; with opset < 13 along all axes from it on
 *   QLinearReduceMean         mean along `axes` (all where absent)
 *   QLinearGlobalAveragePool  mean over the spatial axes of [N, C, …], or of [N, …, C] with channels_last
 * onnxruntime's softmax adds fixed-point exponentials: results may differ by 1. */
#include <math.h>
#include <string.h>

#include "ops/q_linear.h"

static hst_status infer_same(infer_context *c, hst_error *err) {
    (void)err;
    return q_infer_as(c, 0);
}

static hst_status eval_softmax(eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0);
    bool rows = node_int(c->node, "opset", 13) < 13;
    int64_t outer = 1, inner = 1, n = 1;
    int axis;
    q_scale from, to;
    hst_tensor *y;
    HST_TRY(q_scale_read(c, 1, 2, x->dtype, &from, err));
    HST_TRY(q_scale_read(c, 3, 4, x->dtype, &to, err));
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", rows ? 1 : -1), x->rank, &axis, err));
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, x->dim, &y, err));
    if (tensor_count(x) == 0) return HST_STATUS_OK;
    for (int i = 0; i < axis; i++) outer *= x->dim[i];
    for (int i = axis; i < x->rank; i++) {
        if (i == axis || rows)
            n *= x->dim[i];
        else
            inner *= x->dim[i];
    }
    const uint8_t *in = x->data;
    uint8_t *out = y->data;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t j = 0; j < inner; j++) {
            int64_t base = o * n * inner + j;
            double most = -INFINITY, sum = 0;
            for (int64_t i = 0; i < n; i++) most = fmax(most, (double)q_real(x->dtype, in[base + i * inner], from));
            for (int64_t i = 0; i < n; i++) sum += exp((double)q_real(x->dtype, in[base + i * inner], from) - most);
            for (int64_t i = 0; i < n; i++) {
                double p = exp((double)q_real(x->dtype, in[base + i * inner], from) - most) / sum;
                out[base + i * inner] = (uint8_t)quantize_one((float)p, to.scale, to.zero, q_range(x->dtype));
            }
        }
    return HST_STATUS_OK;
}

/* ---- means ---- */

static hst_status reduced_axes(const node *n, int rank, bool *reduced, hst_error *err) {
    const int64_t *axes = NULL;
    const int count = node_ints(n, "axes", &axes);
    return axes_read(n, count > 0 ? axes : NULL, count > 0 ? count : rank, rank, NULL, reduced, err);
}

static void pooled_axes(const node *n, int rank, bool *reduced) {
    bool last = node_int(n, "channels_last", 0) != 0;
    for (int i = 0; i < rank; i++) reduced[i] = i != 0 && i != (last ? rank - 1 : 1);
}

static int shape_of(const bool *reduced, bool keep, int rank, const int64_t *dims, int64_t *out) {
    int r = 0;
    for (int i = 0; i < rank; i++) {
        if (!reduced[i])
            out[r++] = dims[i];
        else if (keep)
            out[r++] = 1;
    }
    return r;
}

static hst_status infer_mean(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    bool reduced[HST_RANK_MAX];
    c->out[0].dtype = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(reduced_axes(c->node, x->rank, reduced, err));
    c->out[0].rank = shape_of(reduced, node_int(c->node, "keepdims", 1) != 0, x->rank, x->dim, c->out[0].dim);
    return HST_STATUS_OK;
}

static hst_status infer_pool(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    bool reduced[HST_RANK_MAX];
    (void)err;
    c->out[0].dtype = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    pooled_axes(c->node, x->rank, reduced);
    c->out[0].rank = shape_of(reduced, true, x->rank, x->dim, c->out[0].dim);
    return HST_STATUS_OK;
}

static hst_status mean(eval_context *c, const bool *reduced, bool keep, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0);
    int64_t dims[HST_RANK_MAX], count = tensor_count(x);
    q_scale from, to;
    hst_tensor *y;
    void *memory;
    HST_TRY(q_scale_read(c, 1, 2, x->dtype, &from, err));
    HST_TRY(q_scale_read(c, 3, 4, x->dtype, &to, err));
    HST_TRY(eval_output(c, 0, x->dtype, shape_of(reduced, keep, x->rank, x->dim, dims), dims, &y, err));
    int64_t groups = tensor_count(y);
    if (groups == 0) return HST_STATUS_OK;
    HST_TRY(eval_scratch(c, (size_t)groups * sizeof(int64_t), &memory, err));
    int64_t *sum = memset(memory, 0, (size_t)groups * sizeof(int64_t));
    const uint8_t *in = x->data;
    for (int64_t i = 0; i < count; i++) {
        int64_t left = i, group = 0, scale = 1;
        for (int a = x->rank - 1; a >= 0; a--) {
            if (!reduced[a]) {
                group += left % x->dim[a] * scale;
                scale *= x->dim[a];
            }
            left /= x->dim[a];
        }
        sum[group] += q_byte(x->dtype, in[i]) - from.zero;
    }
    double each = (double)count / (double)groups;
    for (int64_t i = 0; i < groups; i++)
        ((uint8_t *)y->data)[i] = (uint8_t)quantize_one((float)((double)sum[i] / each * (double)from.scale), to.scale,
                                                        to.zero, q_range(x->dtype));
    return HST_STATUS_OK;
}

static hst_status eval_mean(eval_context *c, hst_error *err) {
    bool reduced[HST_RANK_MAX];
    HST_TRY(reduced_axes(c->node, eval_in(c, 0)->rank, reduced, err));
    return mean(c, reduced, node_int(c->node, "keepdims", 1) != 0, err);
}

static hst_status eval_pool(eval_context *c, hst_error *err) {
    bool reduced[HST_RANK_MAX];
    pooled_axes(c->node, eval_in(c, 0)->rank, reduced);
    return mean(c, reduced, true, err);
}

// clang-format off
static const op_case softmax_cases[] = {
    {"two equal", 0, "(u8[1,2]{7 7}, f32[]{0.1}, u8[]{0}, f32[]{0.00390625}, u8[]{0}; opset=13) -> (u8[1,2]{128 128})", 0},
    {"axis 0", 0, "(s8[2,1]{20 -100}, f32[]{1}, _, f32[]{0.00390625}, s8[]{-128}; axis=0, opset=13) -> (s8[2,1]{127 -128})", 0},
    {"rows of opset 11", 0, "(u8[1,2,2]{7 7 7 7}, f32[]{0.1}, u8[]{0}, f32[]{0.00390625}, u8[]{0}; axis=1, opset=11) -> (u8[1,2,2]{64 64 64 64})", 0},
    {NULL, 0, NULL, 0}};
static const op_case mean_cases[] = {
    {"last axis", 0, "(u8[2,2]{10 20 30 50}, f32[]{1}, u8[]{10}, f32[]{0.5}, u8[]{1}; axes=[-1], keepdims=0) -> (u8[2]{11 61})", 0},
    {"all", 0, "(s8[2,2]{1 2 3 6}, f32[]{1}, _, f32[]{1}; axes=[0,1], keepdims=1) -> (s8[1,1]{3})", 0},
    {NULL, 0, NULL, 0}};
static const op_case pool_cases[] = {
    {"channels first", 0, "(u8[1,2,2]{1 3 10 20}, f32[]{1}, u8[]{0}, f32[]{1}, u8[]{0}) -> (u8[1,2,1]{2 15})", 0},
    {"channels last", 0, "(u8[1,2,2]{1 3 11 21}, f32[]{1}, u8[]{0}, f32[]{1}, u8[]{0}; channels_last=1) -> (u8[1,1,2]{6 12})", 0},
    {NULL, 0, NULL, 0}};

HST_OP(com_microsoft_QLinearSoftmax) = {.name = "QLinearSoftmax", .domain = "com.microsoft", .since = 1, .min_in = 5, .max_in = 5, .holes = 1u << 2,
    .min_out = 1, .max_out = 1, .infer = infer_same, .eval = eval_softmax, .summary = "softmax of an 8-bit tensor", HST_CASES(softmax_cases)};
HST_OP(com_microsoft_QLinearReduceMean) = {.name = "QLinearReduceMean", .domain = "com.microsoft", .since = 1, .min_in = 4, .max_in = 5, .holes = 1u << 2,
    .min_out = 1, .max_out = 1, .infer = infer_mean, .eval = eval_mean, .summary = "mean of an 8-bit tensor along axes", HST_CASES(mean_cases)};
HST_OP(com_microsoft_QLinearGlobalAveragePool) = {.name = "QLinearGlobalAveragePool", .domain = "com.microsoft", .since = 1, .min_in = 5, .max_in = 5,
    .min_out = 1, .max_out = 1, .infer = infer_pool, .eval = eval_pool, .summary = "mean of an 8-bit tensor over its spatial axes", HST_CASES(pool_cases)};
// clang-format on
