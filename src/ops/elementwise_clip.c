/* Clip: Y = min(max(X, low), high), every dtype of numbers. Opset 11 on: low and high are optional scalar inputs; before:
 * the attributes min and max. NaN stays; where low > high the result is high. */
#include <float.h>
#include <math.h>

#include "ops/elementwise.h"

static double f_clip(double x, const double *p) {
    double y = x < p[0] ? p[0] : x;
    return y > p[1] ? p[1] : y;
}

/* Integer bounds do not fit f64: they are kept as bits. */
typedef union bound {
    double f;
    int64_t s;
} bound;

static bool less(int64_t a, int64_t b, bool u) { return u ? (uint64_t)a < (uint64_t)b : a < b; }

static int64_t s_clip(int64_t x, const double *p, bool u) {
    bound low = {.f = p[0]}, high = {.f = p[1]};
    int64_t y = less(x, low.s, u) ? low.s : x;
    return less(high.s, y, u) ? high.s : y;
}

static const unary_rule rule = {"Clip", UNARY_CLIP, f_clip, s_clip, NULL};

static void widest(hst_dtype d, bound *low, bound *high) {
    if (dtype_is_float(d)) {
        low->f = -(double)INFINITY;
        high->f = (double)INFINITY;
    } else if (d == HST_DTYPE_U64) {
        low->s = 0;
        high->s = -1;
    } else {
        low->s = INT64_MIN;
        high->s = INT64_MAX;
    }
}

static hst_status read_bound(const eval_context *c, int i, const hst_tensor *x, bound *b, hst_error *err) {
    const hst_tensor *t = eval_in(c, i);
    if (!t) return HST_STATUS_OK;
    if (t->dtype != x->dtype || tensor_count(t) != 1)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%s must be one element of type %s", i == 1 ? "min" : "max",
                          dtype_name(x->dtype));
    if (dtype_is_float(t->dtype)) b->f = tensor_get_f64(t, 0);
    else b->s = tensor_get_s64(t, 0);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    bound low, high;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    widest(x->dtype, &low, &high);
    HST_TRY(read_bound(c, 1, x, &low, err));
    HST_TRY(read_bound(c, 2, x, &high, err));
    return unary_eval_with(c, &rule, x, (double[]){low.f, high.f}, err);
}

static hst_status eval_6(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    if (!dtype_is_float(x->dtype)) return elementwise_bad_dtype(c->node, x->dtype, err);
    double p[2] = {node_float(c->node, "min", -FLT_MAX), node_float(c->node, "max", FLT_MAX)};
    return unary_eval_with(c, &rule, x, p, err);
}

// clang-format off
static const op_case cases[] = {
    {"both", 0, "(f32[5]{-2 -1 0.5 3 nan}, f32[]{-1}, f32[]{1}) -> (f32[5]{-1 -1 0.5 1 nan})", 0},
    {"min only", 0, "(f32[3]{-2 0 inf}, f32[]{-1}) -> (f32[3]{-1 0 inf})", 0},
    {"max only", 12, "(f32[3]{-2 0 3}, _, f32[]{1}) -> (f32[3]{-2 0 1})", 0},
    {"none", 11, "(f32[2]{-2 3}) -> (f32[2]{-2 3})", 0},
    {"min above max", 0, "(f32[3]{-2 0 6}, f32[]{2}, f32[]{1}) -> (f32[3]{1 1 1})", 0},
    {"s64", 0, "(s64[3]{-9223372036854775808 5 9223372036854775807}, s64[]{-9223372036854775807}, s64[]{9223372036854775806}) -> (s64[3]{-9223372036854775807 5 9223372036854775806})", 0},
    {"u64", 0, "(u64[2]{18446744073709551615 5}, _, u64[]{18446744073709551614}) -> (u64[2]{18446744073709551614 5})", 0},
    {"s8", 0, "(s8[3]{-9 5 9}, s8[]{-6}, s8[]{6}) -> (s8[3]{-6 5 6})", 0},
    {"f16", 0, "(f16[2]{-9 5}, f16[]{-6}) -> (f16[2]{-6 5})", 0},
    {0}};
static const op_case cases_6[] = {
    {"attributes", 6, "(f32[3]{-2 0 3}; min=-1.0, max=1.0) -> (f32[3]{-1 0 1})", 0},
    {"defaults", 6, "(f32[2]{-2 inf}) -> (f32[2]{-2 3.40282347e+38})", 0},
    {0}};

HST_OP(Clip) = {.name = "Clip", .domain = "", .since = 11, .min_in = 1, .max_in = 3, .min_out = 1, .max_out = 1,
                .infer = unary_infer, .eval = eval, .bind = elementwise_bind,
                .summary = "holds values between two bounds", HST_CASES(cases)};
HST_OP(Clip_6) = {.name = "Clip", .domain = "", .since = 1, .until = 10, .min_in = 1, .max_in = 1, .min_out = 1,
                  .max_out = 1, .infer = unary_infer, .eval = eval_6, .bind = elementwise_bind,
                  .summary = "holds values between two bounds", HST_CASES(cases_6)};
