/* IsNaN, IsInf: b8, true where an element is NaN, or infinite with a sign that is asked for. */
#include <math.h>

#include "ops/op.h"
#include "tensor/convert.h"

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    c->out[0].dtype = HST_DTYPE_B8;
    return HST_STATUS_OK;
}

#define CHUNK 512

/* Masked attention asks this of all its probabilities. */
static void nan_of_f32(const float *x, int64_t n, uint8_t *to) {
    for (int64_t i = 0; i < n; i++) to[i] = x[i] != x[i];
}

static hst_status eval(eval_context *c, bool nan, bool positive, bool negative, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    double chunk[CHUNK];
    HST_TRY(eval_need(c, 0, "X", &x, err));
    if (!dtype_is_float(x->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "X is %s, should be a float type", dtype_name(x->dtype));
    HST_TRY(eval_output(c, 0, HST_DTYPE_B8, x->rank, x->dim, &y, err));
    uint8_t *to = y->data;
    if (nan && x->dtype == HST_DTYPE_F32 && (uintptr_t)x->data % sizeof(float) == 0) {
        nan_of_f32(x->data, tensor_count(x), to);
        return HST_STATUS_OK;
    }
    for (int64_t i = 0, n = tensor_count(x); i < n; i += CHUNK) {
        int64_t m = n - i < CHUNK ? n - i : CHUNK;
        convert_to_f64(x->dtype, x->data, i, chunk, m);
        for (int64_t k = 0; k < m; k++)
            to[i + k] =
                nan ? isnan(chunk[k]) : (positive && chunk[k] == INFINITY) || (negative && chunk[k] == -INFINITY);
    }
    return HST_STATUS_OK;
}

static hst_status eval_nan(eval_context *c, hst_error *err) {
    return eval(c, true, false, false, err);
}

static hst_status eval_inf(eval_context *c, hst_error *err) {
    return eval(c, false, node_int(c->node, "detect_positive", 1) != 0, node_int(c->node, "detect_negative", 1) != 0,
                err);
}

// clang-format off
static const op_case nan_cases[] = {
    {"f32", 0, "(f32[4]{1 nan inf -inf}) -> (b8[4]{0 1 0 0})", 0},
    {"f16", 13, "(f16[2]{nan 0}) -> (b8[2]{1 0})", 0},
    {"f8", 20, "(f8e4m3fn[2]{nan 448}) -> (b8[2]{1 0})", 0},
    {"nothing", 9, "(f64[0]{}) -> (b8[0]{})", 0},
    {0},
};
static const op_case inf_cases[] = {
    {"both", 0, "(f32[4]{1 nan inf -inf}) -> (b8[4]{0 0 1 1})", 0},
    {"positive", 10, "(f64[2]{inf -inf}; detect_negative=0) -> (b8[2]{1 0})", 0},
    {"negative", 0, "(bf16[2]{inf -inf}; detect_positive=0) -> (b8[2]{0 1})", 0},
    {"neither", 20, "(f8e5m2[2]{inf 1}; detect_positive=0, detect_negative=0) -> (b8[2]{0 0})", 0},
    {0},
};
// clang-format on

HST_OP(IsNaN) = {
    .name = "IsNaN",
    .domain = "",
    .since = 9,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval_nan,
    .summary = "where elements are NaN",
    HST_CASES(nan_cases),
};

HST_OP(IsInf) = {
    .name = "IsInf",
    .domain = "",
    .since = 10,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval_inf,
    .summary = "where elements are infinite",
    HST_CASES(inf_cases),
};
