/* QuantizeLinear and DequantizeLinear, of ai.onnx and (the same with 16-bit types earlier) of com.microsoft.
 *   q = saturate(round(x / scale) + zero), half to even        y = (q - zero) * scale
 * x, q, y have one shape; scale and zero are per tensor, per axis or blocked (tensor/quant_layout.h).
 *
 * x / scale is rounded to f16 or bf16 where both are of that type or `precision` says so, otherwise to f32 (an s32 x: f64).
 * The quotient is clamped before it becomes an integer: scales of 0, NaN and infinity give what saturation gives, a NaN
 * quotient the lowest value. Quantising to f8 takes no zero point, as in the standard. */
#include <math.h>

#include "kernels/kernels.h"
#include "ops/op.h"
#include "tensor/convert.h"
#include "tensor/quant_layout.h"

#define CHUNK 256

typedef struct args {
    int64_t axis, block_size;
    hst_dtype output, precision; /* NONE: not said */
    bool saturate;
} args;

static hst_status read_dtype(const node *n, const char *name, hst_dtype *to, hst_error *err) {
    int64_t d = node_int(n, name, 0);
    if (d < 0 || d > 64 || (d && !dtype_valid((int)d)))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "%s %lld is no element type", name, (long long)d);
    *to = (hst_dtype)d;
    return HST_STATUS_OK;
}

static hst_status args_read(const node *n, args *a, hst_error *err) {
    a->axis = node_int(n, "axis", 1);
    a->block_size = node_int(n, "block_size", 0);
    a->saturate = node_int(n, "saturate", 1) != 0;
    HST_TRY(read_dtype(n, "output_dtype", &a->output, err));
    return read_dtype(n, "precision", &a->precision, err);
}

static bool integer_target(hst_dtype d) {
    return d == HST_DTYPE_U8 || d == HST_DTYPE_S8 || d == HST_DTYPE_U16 || d == HST_DTYPE_S16 || d == HST_DTYPE_U4 ||
           d == HST_DTYPE_S4 || d == HST_DTYPE_U2 || d == HST_DTYPE_S2;
}

static bool small_float(hst_dtype d) {
    return d == HST_DTYPE_F8E4M3FN || d == HST_DTYPE_F8E4M3FNUZ || d == HST_DTYPE_F8E5M2 || d == HST_DTYPE_F8E5M2FNUZ ||
           d == HST_DTYPE_F4E2M1;
}

static bool wide_float(hst_dtype d) { return d == HST_DTYPE_F32 || d == HST_DTYPE_F16 || d == HST_DTYPE_BF16; }

static bool scale_type(hst_dtype d) { return wide_float(d) || d == HST_DTYPE_F8E8M0 || d == HST_DTYPE_S32; }

static quantize_range range_of(hst_dtype d) {
    int bits = dtype_bits(d);
    bool is_signed = dtype_is_signed(d);
    return (quantize_range){is_signed ? -(1 << (bits - 1)) : 0, is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1};
}

static hst_status quantized_type(const node *n, const args *a, hst_dtype zero, hst_dtype *to, hst_error *err) {
    if (zero && a->output && zero != a->output)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "output_dtype is %s, the zero point's type %s",
                          dtype_name(a->output), dtype_name(zero));
    *to = zero ? zero : a->output ? a->output : HST_DTYPE_U8;
    if (!integer_target(*to) && !small_float(*to))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "cannot quantise to %s", dtype_name(*to));
    return HST_STATUS_OK;
}

static hst_dtype dequantized_type(const args *a, hst_dtype scale) {
    return a->output ? a->output : scale == HST_DTYPE_F8E8M0 ? HST_DTYPE_F32 : scale;
}

static void shape_as(infer_context *c) {
    const type *x = infer_in(c, 0);
    hst_dtype d = c->out[0].dtype;
    c->out[0] = *x;
    c->out[0].dtype = d;
}

static hst_status infer_quantize(infer_context *c, hst_error *err) {
    args a;
    HST_TRY(args_read(c->node, &a, err));
    bool has_zero = c->node->n_in > 2 && c->node->in[2];
    hst_dtype zero = infer_in(c, 2)->dtype;
    if (!has_zero || zero) HST_TRY(quantized_type(c->node, &a, zero, &c->out[0].dtype, err));
    shape_as(c);
    return HST_STATUS_OK;
}

static hst_status infer_dequantize(infer_context *c, hst_error *err) {
    args a;
    HST_TRY(args_read(c->node, &a, err));
    c->out[0].dtype = dequantized_type(&a, infer_in(c, 1)->dtype);
    shape_as(c);
    return HST_STATUS_OK;
}

/* ---- evaluation ---- */

typedef struct job {
    quant_layout layout;
    const hst_tensor *x;
    hst_tensor *y;
    const float *scale;
    const int32_t *zero;
    hst_dtype precision; /* of the division */
    bool saturate;
} job;

/* Scales and zero points, whatever their types, as f32 and s32 (integers) in scratch memory. */
static hst_status read_parameters(eval_context *c, job *w, const hst_tensor *scale, const hst_tensor *zero,
                                  hst_error *err) {
    int64_t n = tensor_count(scale);
    void *scales, *zeros;
    HST_TRY(eval_scratch(c, (size_t)n * sizeof(float), &scales, err));
    HST_TRY(eval_scratch(c, (size_t)n * sizeof(int32_t), &zeros, err));
    convert_to_f32(scale->dtype, scale->data, 0, scales, n);
    int32_t *z = zeros;
    for (int64_t i = 0; i < n; i++) z[i] = zero && dtype_is_integer(zero->dtype) ? (int32_t)tensor_get_s64(zero, i) : 0;
    w->scale = scales;
    w->zero = zeros;
    return HST_STATUS_OK;
}

static hst_status node_prefix(const node *n, hst_status status, hst_error *err) {
    char label[160];
    if (status != HST_STATUS_OK) error_prefix(err, status, "%s", node_label(n, label, sizeof label));
    return status;
}

static void run_all(eval_context *c, job *w, team_fn fn, bool parallel) {
    team_context alone = {.workers = 1};
    if (parallel && tensor_count(w->x) >= 16384)
        team_run(c->team, 0, fn, w);
    else
        fn(w, &alone);
}

static double quotient(const job *w, double x, float scale) {
    if (w->precision == HST_DTYPE_F64) return x / (double)scale;
    if (w->precision == HST_DTYPE_F16) return (double)f16_to_f32(f32_to_f16((float)x / scale));
    if (w->precision == HST_DTYPE_BF16) return (double)bf16_to_f32(f32_to_bf16((float)x / scale));
    return (double)((float)x / scale);
}

static void quantize_chunk(const job *w, const quant_run *r, int64_t from, int64_t n) {
    double x[CHUNK];
    int64_t q[CHUNK];
    quantize_range range = range_of(w->y->dtype);
    convert_to_f64(w->x->dtype, w->x->data, r->begin + from, x, n);
    if (w->precision == HST_DTYPE_F16 || w->precision == HST_DTYPE_BF16)
        for (int64_t i = 0; i < n; i++)
            x[i] = w->precision == HST_DTYPE_F16 ? (double)f16_to_f32(f64_to_f16(x[i]))
                                                 : (double)bf16_to_f32(f64_to_bf16(x[i]));
    for (int64_t i = 0; i < n; i++) x[i] = quotient(w, x[i], w->scale[r->scale + (from + i) * r->step]);
    if (small_float(w->y->dtype)) { /* the byte or nibble at a time */
        for (int64_t i = 0; i < n; i++) {
            int64_t at = r->begin + from + i;
            uint8_t code = f64_to_f8(x[i], w->y->dtype, w->saturate), *to = w->y->data;
            if (dtype_bits(w->y->dtype) == 8)
                to[at] = code;
            else
                to[at / 2] = (uint8_t)(at % 2 ? (to[at / 2] & 15) | code << 4 : (to[at / 2] & 240) | (code & 15));
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        int32_t zero = w->zero[r->scale + (from + i) * r->step];
        double v = x[i], low = range.low - zero, high = range.high - zero;
        v = v > low ? v : low;
        v = v < high ? v : high;
        q[i] = (int64_t)rint(v) + zero;
    }
    convert_from_s64(w->y->dtype, q, w->y->data, r->begin + from, n);
}

static void quantize_slow(void *arg, const team_context *ctx) {
    const job *w = arg;
    (void)ctx;
    for (int64_t i = 0; i < w->layout.runs; i++) {
        quant_run r = quant_layout_run(&w->layout, i);
        for (int64_t at = 0; at < r.count; at += CHUNK)
            quantize_chunk(w, &r, at, r.count - at < CHUNK ? r.count - at : CHUNK);
    }
}

static void quantize_fast(void *arg, const team_context *ctx) {
    const job *w = arg;
    quantize_range range = range_of(w->y->dtype);
    int64_t begin, end;
    team_split(w->layout.runs, 1, ctx, &begin, &end);
    for (int64_t k = begin; k < end; k++) {
        quant_run r = quant_layout_run(&w->layout, k);
        const float *x = (const float *)w->x->data + r.begin;
        uint8_t *y = (uint8_t *)w->y->data + r.begin;
        if (!r.step)
            kernels_get()->quantize_f32_8(r.count, x, w->scale[r.scale], w->zero[r.scale], range, y);
        else
            for (int64_t i = 0; i < r.count; i++)
                y[i] = (uint8_t)quantize_one(x[i], w->scale[r.scale + i], w->zero[r.scale + i], range);
    }
}

static hst_dtype division_type(const args *a, hst_dtype x, hst_dtype scale) {
    if (a->precision) return a->precision;
    if (x == HST_DTYPE_S32) return HST_DTYPE_F64;
    return x == scale && (x == HST_DTYPE_F16 || x == HST_DTYPE_BF16) ? x : HST_DTYPE_F32;
}

static hst_status eval_quantize(eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0), *scale = eval_in(c, 1), *zero = eval_in(c, 2);
    args a;
    hst_dtype to;
    HST_TRY(args_read(c->node, &a, err));
    HST_TRY(quantized_type(c->node, &a, zero ? zero->dtype : HST_DTYPE_NONE, &to, err));
    if (!(wide_float(x->dtype) || x->dtype == HST_DTYPE_S32) || !scale_type(scale->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "cannot quantise %s with a scale of type %s",
                          dtype_name(x->dtype), dtype_name(scale->dtype));
    job w = {.x = x, .precision = division_type(&a, x->dtype, scale->dtype), .saturate = a.saturate};
    HST_TRY(node_prefix(
        c->node, quant_layout_make(x->rank, x->dim, scale, zero, a.axis, a.block_size, &w.layout, err), err));
    HST_TRY(read_parameters(c, &w, scale, zero, err));
    HST_TRY(eval_output(c, 0, to, x->rank, x->dim, &w.y, err));
    bool fast =
        x->dtype == HST_DTYPE_F32 && w.precision == HST_DTYPE_F32 && (to == HST_DTYPE_U8 || to == HST_DTYPE_S8);
    run_all(c, &w, fast ? quantize_fast : quantize_slow, fast);
    return HST_STATUS_OK;
}

static void dequantize_slow(void *arg, const team_context *ctx) {
    const job *w = arg;
    float y[CHUNK];
    int64_t q[CHUNK];
    (void)ctx;
    for (int64_t k = 0; k < w->layout.runs; k++) {
        quant_run r = quant_layout_run(&w->layout, k);
        for (int64_t at = 0; at < r.count; at += CHUNK) {
            int64_t n = r.count - at < CHUNK ? r.count - at : CHUNK;
            if (small_float(w->x->dtype)) {
                convert_to_f32(w->x->dtype, w->x->data, r.begin + at, y, n);
            } else {
                convert_to_s64(w->x->dtype, w->x->data, r.begin + at, q, n);
                for (int64_t i = 0; i < n; i++) y[i] = (float)(q[i] - w->zero[r.scale + (at + i) * r.step]);
            }
            for (int64_t i = 0; i < n; i++) y[i] *= w->scale[r.scale + (at + i) * r.step];
            convert_from_f32(w->y->dtype, y, w->y->data, r.begin + at, n);
        }
    }
}

static void dequantize_fast(void *arg, const team_context *ctx) {
    const job *w = arg;
    const kernels *k = kernels_get();
    bool is_signed = w->x->dtype == HST_DTYPE_S8;
    int64_t begin, end;
    team_split(w->layout.runs, 1, ctx, &begin, &end);
    for (int64_t at = begin; at < end; at++) {
        quant_run r = quant_layout_run(&w->layout, at);
        const uint8_t *x = (const uint8_t *)w->x->data + r.begin;
        const float *scale = w->scale + r.scale;
        const int32_t *zero = w->zero + r.scale;
        float *y = (float *)w->y->data + r.begin;
        if (!r.step && is_signed)
            k->dequantize_s8_f32(r.count, (const int8_t *)x, *scale, *zero, y);
        else if (!r.step)
            k->dequantize_u8_f32(r.count, x, *scale, *zero, y);
        else if (is_signed)
            for (int64_t i = 0; i < r.count; i++) y[i] = (float)((int8_t)x[i] - zero[i]) * scale[i];
        else
            for (int64_t i = 0; i < r.count; i++) y[i] = (float)(x[i] - zero[i]) * scale[i];
    }
}

static hst_status eval_dequantize(eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0), *scale = eval_in(c, 1), *zero = eval_in(c, 2);
    args a;
    HST_TRY(args_read(c->node, &a, err));
    hst_dtype to = dequantized_type(&a, scale->dtype);
    bool source = integer_target(x->dtype) || small_float(x->dtype) || x->dtype == HST_DTYPE_S32;
    if (!source || !wide_float(to) || !(wide_float(scale->dtype) || scale->dtype == HST_DTYPE_F8E8M0))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "cannot dequantise %s with a scale of type %s to %s",
                          dtype_name(x->dtype), dtype_name(scale->dtype), dtype_name(to));
    if (zero && zero->dtype != x->dtype)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "data is %s, the zero point %s", dtype_name(x->dtype),
                          dtype_name(zero->dtype));
    job w = {.x = x};
    HST_TRY(node_prefix(
        c->node, quant_layout_make(x->rank, x->dim, scale, zero, a.axis, a.block_size, &w.layout, err), err));
    HST_TRY(read_parameters(c, &w, scale, zero, err));
    HST_TRY(eval_output(c, 0, to, x->rank, x->dim, &w.y, err));
    bool fast = (x->dtype == HST_DTYPE_U8 || x->dtype == HST_DTYPE_S8) && to == HST_DTYPE_F32;
    run_all(c, &w, fast ? dequantize_fast : dequantize_slow, fast);
    return HST_STATUS_OK;
}

// clang-format off
static const op_case quantize_cases[] = {
    {"u8", 0, "(f32[6]{0 2 3 1000 -254 -1000}, f32[]{2}, u8[]{128}) -> (u8[6]{128 129 130 255 1 0})", 0},
    {"half to even", 0, "(f32[6]{0.5 1.5 2.5 -0.5 -1.5 -2.5}, f32[]{1}, s8[]{0}) -> (s8[6]{0 2 2 0 -2 -2})", 0},
    {"no zero point", 0, "(f32[3]{-1 1 300}, f32[]{1}) -> (u8[3]{0 1 255})", 0},
    {"scale 0, nan, inf", 0, "(f32[4]{1 -1 nan inf}, f32[]{0}, s8[]{5}) -> (s8[4]{127 -128 -128 127})", 0},
    {"negative scale", 0, "(f32[2]{2 -2}, f32[]{-1}, s8[]{1}) -> (s8[2]{-1 3})", 0},
    {"nan scale", 0, "(f32[1]{2}, f32[]{nan}, u8[]{9}) -> (u8[1]{0})", 0},
    {"axis", 0, "(f32[2,2]{1 2 3 4}, f32[2]{1 2}, u8[2]{10 20}; axis=0) -> (u8[2,2]{11 12 22 22})", 0},
    {"last axis", 0, "(f32[2,2]{1 2 3 4}, f32[2]{1 2}, u8[2]{10 20}; axis=-1) -> (u8[2,2]{11 21 13 22})", 0},
    {"blocked", 0, "(f32[1,5]{1 2 3 4 5}, f32[1,2]{1 2}, s8[1,2]{0 1}; axis=1, block_size=3) -> (s8[1,5]{1 2 3 3 3})", 0},
    {"blocked first axis", 0, "(f32[3,2]{1 2 3 4 5 6}, f32[2,2]{1 2 1 3}, s8[2,2]{0 0 0 1}; axis=0, block_size=2) -> (s8[3,2]{1 1 3 2 5 3})", 0},
    {"u16", 0, "(f32[3]{-1 70000 5}, f32[]{1}, u16[]{2}) -> (u16[3]{1 65535 7})", 0},
    {"s4", 0, "(f32[5]{-9 7.5 1 2 -3}, f32[]{1}, s4[]{0}) -> (s4[5]{-8 7 1 2 -3})", 0},
    {"u4 output_dtype", 23, "(f32[3]{-1 16 3}, f32[]{1}; output_dtype=21) -> (u4[3]{0 15 3})", 0},
    {"f8 saturates", 0, "(f32[4]{0 1 1000 -1000}, f32[]{1}, f8e4m3fn[]{0}) -> (f8e4m3fn[4]{0 1 448 -448})", 0},
    {"f8 does not", 0, "(f32[2]{1 1e9}, f32[]{1}, f8e5m2[]{0}; saturate=0) -> (f8e5m2[2]{1 inf})", 0},
    {"f4", 23, "(f32[5]{0.5 -1.5 7 2.6 -0.2}, f32[]{1}; output_dtype=23) -> (f4e2m1[5]{0.5 -1.5 6 3 0})", 0},
    {"f16 division", 0, "(f16[1]{2049}, f16[]{2}, s16[]{0}) -> (s16[1]{1024})", 0},
    {"s32", 0, "(s32[2]{16777217 7}, f32[]{2}, s16[]{0}) -> (s16[2]{32767 4})", 0},
    {"empty", 0, "(f32[0]{}, f32[]{1}, u8[]{0}) -> (u8[0]{})", 0},
    {NULL, 0, NULL, 0}};
static const op_case dequantize_cases[] = {
    {"u8", 0, "(u8[3]{0 128 255}, f32[]{2}, u8[]{128}) -> (f32[3]{-256 0 254})", 0},
    {"s8", 0, "(s8[2]{-128 127}, f32[]{0.5}) -> (f32[2]{-64 63.5})", 0},
    {"axis", 0, "(s8[2,2]{1 2 3 4}, f32[2]{1 10}, s8[2]{0 1}; axis=0) -> (f32[2,2]{1 2 20 30})", 0},
    {"last axis", 0, "(u8[2,2]{1 2 3 4}, f32[2]{1 10}, u8[2]{0 1}; axis=1) -> (f32[2,2]{1 10 3 30})", 0},
    {"blocked", 0, "(s8[1,5]{1 2 3 4 5}, f32[1,2]{1 2}, s8[1,2]{0 1}; axis=1, block_size=3) -> (f32[1,5]{1 2 3 6 8})", 0},
    {"s32", 0, "(s32[2]{2147483647 -3}, f32[]{2}) -> (f32[2]{4294967296 -6})", 0},
    {"u4 blocks", 0, "(u4[2,3]{1 2 3 4 5 15}, f32[2,1]{1 2}, u4[2,1]{0 8}; axis=1, block_size=3) -> (f32[2,3]{1 2 3 -8 -6 14})", 0},
    {"s4", 0, "(s4[3]{-8 7 1}, f16[]{0.5}) -> (f16[3]{-4 3.5 0.5})", 0},
    {"f8", 0, "(f8e4m3fn[3]{1 -2 448}, f32[]{2}) -> (f32[3]{2 -4 896})", 0},
    {"f4", 0, "(f4e2m1[3]{0.5 -6 3}, f32[]{2}) -> (f32[3]{1 -12 6})", 0},
    {"bf16 scale, f32 out", 23, "(u16[2]{0 65535}, bf16[]{1}, u16[]{1}; output_dtype=1) -> (f32[2]{-1 65534})", 0},
    {"scale nan", 0, "(u8[2]{0 1}, f32[]{nan}) -> (f32[2]{nan nan})", 0},
    {NULL, 0, NULL, 0}};
static const op_case quantize_ms_cases[] = {
    {"s16", 0, "(f32[2]{1.5 -40000}, f32[]{1}, s16[]{1}) -> (s16[2]{3 -32768})", 0},
    {NULL, 0, NULL, 0}};
static const op_case dequantize_ms_cases[] = {
    {"u16 axis", 0, "(u16[1,2]{65535 5}, f32[2]{1 2}, u16[2]{0 7}; axis=1) -> (f32[1,2]{65535 -4})", 0},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(QuantizeLinear) = {.name = "QuantizeLinear",
                          .domain = "",
                          .since = 10,
                          .min_in = 2,
                          .max_in = 3,
                          .min_out = 1,
                          .max_out = 1,
                          .infer = infer_quantize,
                          .eval = eval_quantize,
                          .summary = "floats to integers or small floats by scale and zero point",
                          .gaps = "the 6-bit floats of opset 28",
                          HST_CASES(quantize_cases)};
HST_OP(DequantizeLinear) = {.name = "DequantizeLinear",
                            .domain = "",
                            .since = 10,
                            .min_in = 2,
                            .max_in = 3,
                            .min_out = 1,
                            .max_out = 1,
                            .infer = infer_dequantize,
                            .eval = eval_dequantize,
                            .summary = "integers or small floats back to floats",
                            .gaps = "the 6-bit floats of opset 28",
                            HST_CASES(dequantize_cases)};
HST_OP(com_microsoft_QuantizeLinear) = {.name = "QuantizeLinear",
                                        .domain = "com.microsoft",
                                        .since = 1,
                                        .min_in = 2,
                                        .max_in = 3,
                                        .min_out = 1,
                                        .max_out = 1,
                                        .infer = infer_quantize,
                                        .eval = eval_quantize,
                                        .summary = "QuantizeLinear for files of older opsets with 16-bit types",
                                        HST_CASES(quantize_ms_cases)};
HST_OP(com_microsoft_DequantizeLinear) = {.name = "DequantizeLinear",
                                          .domain = "com.microsoft",
                                          .since = 1,
                                          .min_in = 2,
                                          .max_in = 3,
                                          .min_out = 1,
                                          .max_out = 1,
                                          .infer = infer_dequantize,
                                          .eval = eval_dequantize,
                                          .summary = "DequantizeLinear for files of older opsets with 16-bit types",
                                          HST_CASES(dequantize_ms_cases)};
