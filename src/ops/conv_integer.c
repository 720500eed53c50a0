/* Convolutions of 8-bit tensors, sums exact in s32; shapes as Conv.
 *   ConvInteger   y = Σ (x - zx)(w - zw)                                                          s32
 *   QLinearConv   y = saturate(round((Σ (x - zx)(w - zw) + B[m]) · (sx · sw[m] / sy)) + zy)         u8, s8
 * com.microsoft's has channels_last too: x [N, in …, C] -> y [N, out …, M], weights as ever.
 * Padding is zx. zw and sw: one, or one a filter. Each image and group is a product weights [filters, K] · unfolded
 * [K, pixels] of kernels/gemm_s16; the operations behind the sum are f32 in the order written, half to even. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "ops/conv_shape.h"
#include "tensor/convert.h"

typedef struct job {
    conv_shape s;
    int64_t pixels, in;
    uint8_t fill;
    /* where results go */
    hst_tensor *y;
    int64_t image;      /* of batch · groups */
    const float *scale; /* [M]; NULL: s32 results */
    const int32_t *bias;
    int32_t zero;
} job;

static bool byte_type(hst_dtype d) {
    return d == HST_DTYPE_U8 || d == HST_DTYPE_S8;
}

static void move_axis(int64_t *dim, int from, int to) {
    const int64_t moved = dim[from];
    for (; from > to; from--) dim[from] = dim[from - 1];
    for (; from < to; from++) dim[from] = dim[from + 1];
    dim[to] = moved;
}

static hst_status infer_integer(infer_context *c, hst_error *err) {
    c->out[0].dtype = HST_DTYPE_S32;
    return conv_shape_infer(c, infer_in(c, 0), infer_in(c, 1), &c->out[0], err);
}

static bool channels_last(const node *n) {
    return node_int(n, "channels_last", 0) != 0;
}

static hst_status infer_linear(infer_context *c, hst_error *err) {
    type x = *infer_in(c, 0), *y = &c->out[0];
    const bool last = channels_last(c->node) && x.rank >= 3;
    y->dtype = infer_in(c, 7)->dtype;
    if (last) move_axis(x.dim, x.rank - 1, 1);
    HST_TRY(conv_shape_infer(c, &x, infer_in(c, 3), y, err));
    if (last) move_axis(y->dim, 1, y->rank - 1);
    return HST_STATUS_OK;
}

/* Input i: `one` element or one a filter of type d, spread to *count filters; NULL input: zeros. */
static hst_status zeros(eval_context *c, int i, hst_dtype d, int64_t count, int32_t **out, hst_error *err) {
    const hst_tensor *t = eval_in(c, i);
    const int64_t n = t ? tensor_count(t) : 1;
    void *memory;
    if (t && (t->dtype != d || t->rank > 1 || (n != 1 && n != count)))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "zero point (input %d) is %s with %lld elements", i,
                          dtype_name(t->dtype), (long long)n);
    HST_TRY(eval_scratch(c, (size_t)(count ? count : 1) * sizeof(int32_t), &memory, err));
    *out = memory;
    for (int64_t k = 0; k < count; k++) (*out)[k] = t ? (int32_t)tensor_get_s64(t, n == 1 ? 0 : k) : 0;
    return HST_STATUS_OK;
}

/* x of one image's group as [K, pixels]. */
static void unfold(const job *j, const uint8_t *x, uint8_t *to) {
    const window *w = &j->s.w;
    const int last = w->rank - 1;
    for (int64_t c = 0; c < j->s.channels; c++, x += j->in) {
        int64_t tap[WINDOW_RANK_MAX] = {0};
        do {
            int64_t o[WINDOW_RANK_MAX] = {0};
            do {
                bool inside = true;
                int64_t row = 0, at = tap[last] * w->dilation[last] - w->begin[last];
                for (int a = 0; a < last; a++) {
                    const int64_t p = o[a] * w->stride[a] - w->begin[a] + tap[a] * w->dilation[a];
                    inside = inside && p >= 0 && p < w->in[a];
                    row = inside ? row * w->in[a] + p : 0;
                }
                for (int64_t i = 0; i < w->out[last]; i++, at += w->stride[last])
                    *to++ = inside && at >= 0 && at < w->in[last] ? x[row * w->in[last] + at] : j->fill;
            } while (window_next(last, w->out, o));
        } while (window_next(w->rank, w->kernel, tap));
    }
}

static void finish(void *arg, const int32_t *sum, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const job *j = arg;
    const bool is_signed = j->y->dtype == HST_DTYPE_S8;
    const float least = is_signed ? -128 : 0, most = is_signed ? 127 : 255;
    for (int64_t i = 0; i < rows; i++) {
        const int64_t at = (j->image * j->s.filters + row + i) * j->pixels + column;
        const int64_t filter = j->image % j->s.groups * j->s.filters + row + i;
        for (int64_t k = 0; k < columns; k++) {
            const int32_t s = sum[i * GEMM_S16_NR + k];
            if (!j->scale) {
                ((int32_t *)j->y->data)[at + k] = s;
                continue;
            }
            const int32_t all = (int32_t)((uint32_t)s + (j->bias ? (uint32_t)j->bias[filter] : 0));
            float v = rintf((float)all * j->scale[filter]) + (float)j->zero;
            v = v > most ? most : v > least ? v : least;
            ((uint8_t *)j->y->data)[at + k] = (uint8_t)(int)v;
        }
    }
}

static hst_status run(eval_context *c, job *j, const hst_tensor *x, const hst_tensor *weight, const int32_t *zx,
                      const int32_t *zw, hst_error *err) {
    const conv_shape *s = &j->s;
    const int64_t k = s->channels * window_count(s->w.kernel, s->w.rank);
    size_t size_a, size_b;
    void *a, *b, *unfolded;
    int64_t count;
    if (tensor_count(j->y) == 0) return HST_STATUS_OK;
    j->pixels = window_count(s->w.out, s->w.rank);
    j->in = window_count(s->w.in, s->w.rank);
    j->fill = (uint8_t)*zx;
    if (!s64_mul(k, j->pixels, &count) || !gemm_s16_size_a(s->filters, k, &size_a) ||
        !gemm_s16_size_b(k, j->pixels, &size_b))
        return error_no_memory(err, SIZE_MAX, "an unfolded input");
    HST_TRY(eval_scratch(c, size_a + 1, &a, err));
    HST_TRY(eval_scratch(c, size_b + 1, &b, err));
    HST_TRY(eval_scratch(c, (size_t)count + 1, &unfolded, err));
    for (int64_t g = 0; g < s->groups; g++) {
        const gemm_s16_source left = {(const uint8_t *)weight->data + g * s->filters * k,
                                      weight->dtype == HST_DTYPE_S8,
                                      k,
                                      1,
                                      zw + g * s->filters,
                                      1};
        const gemm_s16_source right = {unfolded, x->dtype == HST_DTYPE_S8, j->pixels, 1, zx, 0};
        gemm_s16_widen_a(&left, s->filters, k, a);
        for (int64_t n = 0; n < s->batch; n++) {
            j->image = n * s->groups + g;
            unfold(j, (const uint8_t *)x->data + j->image * s->channels * j->in, unfolded);
            gemm_s16_pack_b(&right, k, j->pixels, b);
            gemm_s16(c->team, s->filters, j->pixels, k, a, b, finish, j);
            if (c->runtime->check) HST_TRY(c->runtime->check(c, err));
        }
    }
    return HST_STATUS_OK;
}

static hst_status check(eval_context *c, const hst_tensor *x, const hst_tensor *w, hst_error *err) {
    if (byte_type(x->dtype) && byte_type(w->dtype)) return HST_STATUS_OK;
    return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %s and weights %s, both should be s8 or u8",
                      dtype_name(x->dtype), dtype_name(w->dtype));
}

static hst_status eval_integer(eval_context *c, hst_error *err) {
    const hst_tensor *x, *w;
    job j = {0};
    int32_t *zx, *zw;
    HST_TRY(eval_need(c, 0, "x", &x, err));
    HST_TRY(eval_need(c, 1, "w", &w, err));
    HST_TRY(check(c, x, w, err));
    HST_TRY(conv_shape_read(c->node, x, w, NULL, &j.s, err));
    HST_TRY(zeros(c, 2, x->dtype, 1, &zx, err));
    HST_TRY(zeros(c, 3, w->dtype, w->dim[0], &zw, err));
    HST_TRY(eval_output(c, 0, HST_DTYPE_S32, j.s.rank, j.s.dim, &j.y, err));
    return run(c, &j, x, w, zx, zw, err);
}

static hst_status scale_of(const eval_context *c, int i, int64_t count, const hst_tensor **out, hst_error *err) {
    HST_TRY(eval_need(c, i, "scale", out, err));
    const int64_t n = tensor_count(*out);
    if ((*out)->dtype == HST_DTYPE_F32 && (*out)->rank <= 1 && (n == 1 || n == count)) return HST_STATUS_OK;
    return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "scale (input %d) is %s with %lld elements", i,
                      dtype_name((*out)->dtype), (long long)n);
}

/* to [batch, columns, rows] = from [batch, rows, columns] */
static void swap_axes(const uint8_t *from, int64_t batch, int64_t rows, int64_t columns, uint8_t *to) {
    for (int64_t n = 0; n < batch; n++, from += rows * columns)
        for (int64_t k = 0; k < columns; k++)
            for (int64_t i = 0; i < rows; i++) *to++ = from[i * columns + k];
}

/* x [N, in …, C] as [N, C, in …] in scratch. */
static hst_status channels_first(eval_context *c, const hst_tensor *x, hst_tensor *to, hst_error *err) {
    const int64_t channels = x->rank ? x->dim[x->rank - 1] : 0, all = tensor_count(x);
    *to = *x;
    if (x->rank < 3 || !byte_type(x->dtype)) return HST_STATUS_OK; /* refused behind this */
    HST_TRY(eval_scratch(c, (size_t)all + 1, &to->data, err));
    move_axis(to->dim, x->rank - 1, 1);
    if (all) swap_axes(x->data, x->dim[0], all / x->dim[0] / channels, channels, to->data);
    return HST_STATUS_OK;
}

/* The job into y [N, out …, M] by way of scratch. */
static hst_status run_last(eval_context *c, job *j, const hst_tensor *x, const hst_tensor *w, const int32_t *zx,
                           const int32_t *zw, hst_error *err) {
    int64_t dim[HST_RANK_MAX];
    hst_tensor *y, first;
    memcpy(dim, j->s.dim, sizeof dim);
    move_axis(dim, 1, j->s.rank - 1);
    HST_TRY(eval_output(c, 0, eval_in(c, 7)->dtype, j->s.rank, dim, &y, err));
    const int64_t all = tensor_count(y);
    first = *y;
    HST_TRY(eval_scratch(c, (size_t)all + 1, &first.data, err));
    j->y = &first;
    HST_TRY(run(c, j, x, w, zx, zw, err));
    if (all) swap_axes(first.data, dim[0], w->dim[0], all / dim[0] / w->dim[0], y->data);
    return HST_STATUS_OK;
}

static hst_status eval_linear(eval_context *c, hst_error *err) {
    hst_tensor first;
    const hst_tensor *x, *w, *zero, *sx, *sw, *sy, *bias = eval_in(c, 8);
    job j = {0};
    int32_t *zx, *zw, *zy;
    HST_TRY(eval_need(c, 0, "x", &x, err));
    HST_TRY(eval_need(c, 3, "w", &w, err));
    HST_TRY(eval_need(c, 7, "y_zero_point", &zero, err));
    HST_TRY(check(c, x, w, err));
    HST_TRY(check(c, zero, w, err));
    const bool last = channels_last(c->node);
    if (last) {
        HST_TRY(channels_first(c, x, &first, err));
        x = &first;
    }
    HST_TRY(conv_shape_read(c->node, x, w, bias, &j.s, err));
    const int64_t filters = w->dim[0];
    HST_TRY(scale_of(c, 1, 1, &sx, err));
    HST_TRY(scale_of(c, 4, filters, &sw, err));
    HST_TRY(scale_of(c, 6, 1, &sy, err));
    HST_TRY(zeros(c, 2, x->dtype, 1, &zx, err));
    HST_TRY(zeros(c, 5, w->dtype, filters, &zw, err));
    HST_TRY(zeros(c, 7, zero->dtype, 1, &zy, err));
    if (bias && bias->dtype != HST_DTYPE_S32)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the bias is %s, should be s32", dtype_name(bias->dtype));
    void *memory;
    HST_TRY(eval_scratch(c, (size_t)(filters + 1) * 2 * sizeof(float), &memory, err));
    float *scale = memory;
    int32_t *copy = (int32_t *)(scale + filters + 1);
    const float x_scale = (float)tensor_get_f64(sx, 0), y_scale = (float)tensor_get_f64(sy, 0);
    for (int64_t m = 0; m < filters; m++) {
        scale[m] = x_scale * (float)tensor_get_f64(sw, tensor_count(sw) == 1 ? 0 : m) / y_scale;
        copy[m] = bias ? (int32_t)tensor_get_s64(bias, m) : 0;
    }
    j.scale = scale;
    j.bias = copy;
    j.zero = *zy;
    if (last) return run_last(c, &j, x, w, zx, zw, err);
    HST_TRY(eval_output(c, 0, zero->dtype, j.s.rank, j.s.dim, &j.y, err));
    return run(c, &j, x, w, zx, zw, err);
}

// clang-format off
static const op_case integer_cases[] = {
    {"2x2", 0, "(u8[1,1,3,3]{2 3 4 5 6 7 8 9 10}, u8[1,1,2,2]{1 1 1 1}, u8[]{1}) -> (s32[1,1,2,2]{12 16 24 28})", 0},
    {"padding is the zero point", 0, "(u8[1,1,2]{2 3}, s8[2,1,2]{1 -1 2 3}, u8[]{1}, s8[2]{0 1}; pads=[1,1]) -> (s32[1,2,3]{-1 -1 2 2 5 2})", 0},
    {"groups", 0, "(s8[1,2,1]{-2 3}, s8[2,1,1]{5 -7}; group=2) -> (s32[1,2,1]{-10 -21})", 0},
    {0}};
static const op_case linear_cases[] = {
    {"bias", 0, "(u8[1,1,2]{10 20}, f32[]{0.5}, u8[]{10}, s8[2,1,1]{2 -1}, f32[2]{1 2}, s8[2]{0 0}, f32[]{1}, s8[]{1}, s32[2]{4 0}) -> (s8[1,2,2]{3 13 1 -9})", 0},
    {"saturates", 0, "(u8[1,1,2]{0 255}, f32[1]{1}, u8[1]{128}, u8[1,1,1]{255}, f32[1]{1}, u8[1]{0}, f32[1]{1}, u8[1]{5}) -> (u8[1,1,2]{0 255})", 0},
    {0}};
static const op_case last_cases[] = {
    {"channels last", 0, "(u8[1,3,2]{10 1 20 2 30 3}, f32[]{1}, u8[]{0}, s8[3,2,2]{1 0 0 10 1 1 0 0 0 0 0 1}, f32[1]{1}, s8[1]{0}, f32[]{1}, u8[]{5}, s32[3]{0 1 2}; channels_last=1) -> (u8[1,2,3]{35 36 9 55 56 10})", 0},
    {"channels first", 0, "(u8[1,2,3]{10 20 30 1 2 3}, f32[]{1}, u8[]{0}, s8[1,2,2]{1 0 0 10}, f32[]{1}, s8[]{0}, f32[]{1}, u8[]{5}) -> (u8[1,1,2]{35 55})", 0},
    {"channels last, groups, padding", 0, "(u8[2,1,2]{3 4 5 6}, f32[]{1}, u8[]{1}, s8[2,1,2]{1 2 3 4}, f32[]{1}, s8[]{0}, f32[]{1}, s8[]{0}; channels_last=1, group=2, pads=[1,0]) -> (s8[2,1,2]{4 12 8 20})", 0},
    {0}};
// clang-format on

HST_OP(ConvInteger) = {.name = "ConvInteger",
                       .domain = "",
                       .since = 10,
                       .min_in = 2,
                       .max_in = 4,
                       .min_out = 1,
                       .max_out = 1,
                       .infer = infer_integer,
                       .eval = eval_integer,
                       .summary = "convolution of 8-bit integers, s32 sums",
                       HST_CASES(integer_cases)};
HST_OP(QLinearConv) = {.name = "QLinearConv",
                       .domain = "",
                       .since = 10,
                       .min_in = 8,
                       .max_in = 9,
                       .min_out = 1,
                       .max_out = 1,
                       .infer = infer_linear,
                       .eval = eval_linear,
                       .summary = "convolution of quantised tensors",
                       HST_CASES(linear_cases)};
HST_OP(com_microsoft_QLinearConv) = {.name = "QLinearConv",
                                     .domain = "com.microsoft",
                                     .since = 1,
                                     .min_in = 8,
                                     .max_in = 9,
                                     .min_out = 1,
                                     .max_out = 1,
                                     .infer = infer_linear,
                                     .eval = eval_linear,
                                     .summary = "convolution of quantised tensors, channels first or last",
                                     HST_CASES(last_cases)};
