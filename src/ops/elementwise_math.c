/* Functions of one number: Y = f(X), element by element.
 *   Neg Abs Sign: all numbers; Sqrt Reciprocal Floor Ceil Round Exp Log Erf, the trigonometric and hyperbolic ones: floats.
 * Round: half to even. Integers wrap (the absolute value of the least number is itself). */
#include <math.h>

#include "ops/elementwise.h"

static double f_neg(double x, const double *p) { return (void)p, -x; }
static double f_abs(double x, const double *p) { return (void)p, fabs(x); }
static double f_sign(double x, const double *p) { return (void)p, x > 0 ? 1 : x < 0 ? -1 : x; }
static double f_sqrt(double x, const double *p) { return (void)p, sqrt(x); }
static double f_reciprocal(double x, const double *p) { return (void)p, 1 / x; }
static double f_floor(double x, const double *p) { return (void)p, floor(x); }
static double f_ceil(double x, const double *p) { return (void)p, ceil(x); }
static double f_round(double x, const double *p) { return (void)p, rint(x); }
static double f_exp(double x, const double *p) { return (void)p, exp(x); }
static double f_log(double x, const double *p) { return (void)p, log(x); }
static double f_erf(double x, const double *p) { return (void)p, erf(x); }
static double f_sin(double x, const double *p) { return (void)p, sin(x); }
static double f_cos(double x, const double *p) { return (void)p, cos(x); }
static double f_tan(double x, const double *p) { return (void)p, tan(x); }
static double f_asin(double x, const double *p) { return (void)p, asin(x); }
static double f_acos(double x, const double *p) { return (void)p, acos(x); }
static double f_atan(double x, const double *p) { return (void)p, atan(x); }
static double f_sinh(double x, const double *p) { return (void)p, sinh(x); }
static double f_cosh(double x, const double *p) { return (void)p, cosh(x); }
static double f_tanh(double x, const double *p) { return (void)p, tanh(x); }
static double f_asinh(double x, const double *p) { return (void)p, asinh(x); }
static double f_acosh(double x, const double *p) { return (void)p, acosh(x); }
static double f_atanh(double x, const double *p) { return (void)p, atanh(x); }

static int64_t s_neg(int64_t x, const double *p, bool u) { return (void)p, (void)u, (int64_t)(0 - (uint64_t)x); }
static int64_t s_abs(int64_t x, const double *p, bool u) { return x < 0 && !u ? s_neg(x, p, u) : x; }
static int64_t s_sign(int64_t x, const double *p, bool u) { return (void)p, x == 0 ? 0 : x > 0 || u ? 1 : -1; }

// clang-format off
static const unary_rule rules[] = {
    {"Neg",        UNARY_NEG,             f_neg,        s_neg,  NULL},
    {"Abs",        UNARY_ABS,             f_abs,        s_abs,  NULL},
    {"Sign",       UNARY_SIGN,            f_sign,       s_sign, NULL},
    {"Sqrt",       UNARY_SQRT,            f_sqrt,       NULL,   NULL},
    {"Reciprocal", UNARY_RECIPROCAL,      f_reciprocal, NULL,   NULL},
    {"Floor",      UNARY_FLOOR,           f_floor,      NULL,   NULL},
    {"Ceil",       UNARY_CEIL,            f_ceil,       NULL,   NULL},
    {"Round",      UNARY_ROUND,           f_round,      NULL,   NULL},
    {"Exp",        UNARY_EXP,             f_exp,        NULL,   NULL},
    {"Log",        ELEMENTWISE_NO_KERNEL, f_log,        NULL,   NULL},
    {"Erf",        UNARY_ERF,             f_erf,        NULL,   NULL},
    {"Sin",        ELEMENTWISE_NO_KERNEL, f_sin,        NULL,   NULL},
    {"Cos",        ELEMENTWISE_NO_KERNEL, f_cos,        NULL,   NULL},
    {"Tan",        ELEMENTWISE_NO_KERNEL, f_tan,        NULL,   NULL},
    {"Asin",       ELEMENTWISE_NO_KERNEL, f_asin,       NULL,   NULL},
    {"Acos",       ELEMENTWISE_NO_KERNEL, f_acos,       NULL,   NULL},
    {"Atan",       ELEMENTWISE_NO_KERNEL, f_atan,       NULL,   NULL},
    {"Sinh",       ELEMENTWISE_NO_KERNEL, f_sinh,       NULL,   NULL},
    {"Cosh",       ELEMENTWISE_NO_KERNEL, f_cosh,       NULL,   NULL},
    {"Tanh",       UNARY_TANH,            f_tanh,       NULL,   NULL},
    {"Asinh",      ELEMENTWISE_NO_KERNEL, f_asinh,      NULL,   NULL},
    {"Acosh",      ELEMENTWISE_NO_KERNEL, f_acosh,      NULL,   NULL},
    {"Atanh",      ELEMENTWISE_NO_KERNEL, f_atanh,      NULL,   NULL},
};

static hst_status eval(eval_context *c, hst_error *err) {
    return unary_eval(c, unary_find(rules, sizeof rules / sizeof *rules, c->node->op_type), err);
}

#define UNARY(name_, since_, summary_, cases_)                                                                         \
    {.name = name_, .domain = "", .since = since_, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,               \
     .infer = unary_infer, .eval = eval, .bind = elementwise_bind, .summary = summary_, HST_CASES(cases_)}

static const op_case neg_cases[] = {
    {"f32", 0, "(f32[3]{1 -2 0.5}) -> (f32[3]{-1 2 -0.5})", 0},
    {"s64, wraps", 0, "(s64[2]{-9223372036854775808 5}) -> (s64[2]{-9223372036854775808 -5})", 0},
    {"s8", 0, "(s8[2]{-128 5}) -> (s8[2]{-128 -5})", 0}, {0}};
static const op_case abs_cases[] = {
    {"f32", 0, "(f32[4]{1 -2 nan -inf}) -> (f32[4]{1 2 nan inf})", 0},
    {"f64", 0, "(f64[2]{1 -2}) -> (f64[2]{1 2})", 0},
    {"s32", 0, "(s32[2]{-7 5}) -> (s32[2]{7 5})", 0},
    {"u64", 0, "(u64[1]{18446744073709551615}) -> (u64[1]{18446744073709551615})", 0}, {0}};
static const op_case sign_cases[] = {
    {"f32", 0, "(f32[4]{3 -2 0 nan}) -> (f32[4]{1 -1 0 nan})", 0},
    {"s64", 0, "(s64[3]{3 -2 0}) -> (s64[3]{1 -1 0})", 0},
    {"u8", 0, "(u8[2]{200 0}) -> (u8[2]{1 0})", 0}, {0}};
static const op_case sqrt_cases[] = {
    {"f32", 0, "(f32[2,2]{4 9 2 -1}) -> (f32[2,2]{2 3 1.41421356 nan})", 1e-7},
    {"bf16", 0, "(bf16[2]{4 2}) -> (bf16[2]{2 1.4140625})", 0},
    {"scalar", 6, "(f32[]{16}) -> (f32[]{4})", 0}, {0}};
static const op_case reciprocal_cases[] = {
    {"f32", 0, "(f32[4]{4 -0.5 0 inf}) -> (f32[4]{0.25 -2 inf 0})", 0}, {0}};
static const op_case floor_cases[] = {{"f32", 0, "(f32[3]{1.5 -1.5 2}) -> (f32[3]{1 -2 2})", 0}, {0}};
static const op_case ceil_cases[] = {{"f32", 0, "(f32[3]{1.5 -1.5 2}) -> (f32[3]{2 -1 2})", 0}, {0}};
static const op_case round_cases[] = {
    {"half to even", 0, "(f32[6]{0.5 1.5 2.5 -0.5 -1.5 2.3}) -> (f32[6]{0 2 2 -0.0 -2 2})", 0},
    {"f16", 0, "(f16[2]{2.5 -1.5}) -> (f16[2]{2 -2})", 0}, {0}};
static const op_case exp_cases[] = {
    {"f32", 0, "(f32[5]{0 1 -1 100 -200}) -> (f32[5]{1 2.71828183 0.367879441 inf 0})", 1e-7},
    {"f64", 0, "(f64[2]{0 1}) -> (f64[2]{1 2.718281828459045})", 1e-15}, {0}};
static const op_case log_cases[] = {
    {"f32", 0, "(f32[4]{1 2.71828183 0 -1}) -> (f32[4]{0 1 -inf nan})", 1e-7}, {0}};
static const op_case erf_cases[] = {
    {"f32", 0, "(f32[5]{0 1 -0.5 9 -inf}) -> (f32[5]{0 0.84270079 -0.52049988 1 -1})", 3e-7}, {0}};
static const op_case sin_cases[] = {{"f32", 0, "(f32[2]{0 1}) -> (f32[2]{0 0.84147098})", 1e-7}, {0}};
static const op_case cos_cases[] = {{"f32", 0, "(f32[2]{0 1}) -> (f32[2]{1 0.54030231})", 1e-7}, {0}};
static const op_case tan_cases[] = {{"f32", 0, "(f32[2]{0 1}) -> (f32[2]{0 1.55740772})", 1e-7}, {0}};
static const op_case asin_cases[] = {{"f32", 0, "(f32[2]{0 1}) -> (f32[2]{0 1.57079633})", 1e-7}, {0}};
static const op_case acos_cases[] = {{"f32", 0, "(f32[2]{0 1}) -> (f32[2]{1.57079633 0})", 1e-7}, {0}};
static const op_case atan_cases[] = {{"f32", 0, "(f32[2]{0 1}) -> (f32[2]{0 0.78539816})", 1e-7}, {0}};
static const op_case sinh_cases[] = {{"f32", 0, "(f32[2]{0 1}) -> (f32[2]{0 1.17520119})", 1e-7}, {0}};
static const op_case cosh_cases[] = {{"f32", 0, "(f32[2]{0 1}) -> (f32[2]{1 1.54308063})", 1e-7}, {0}};
static const op_case tanh_cases[] = {
    {"f32", 0, "(f32[4]{0 1 -0.5 inf}) -> (f32[4]{0 0.76159416 -0.46211716 1})", 3e-7},
    {"f16", 0, "(f16[2]{0 1}) -> (f16[2]{0 0.76171875})", 0}, {0}};
static const op_case asinh_cases[] = {{"f32", 0, "(f32[2]{0 1}) -> (f32[2]{0 0.88137359})", 1e-7}, {0}};
static const op_case acosh_cases[] = {{"f32", 0, "(f32[2]{1 2}) -> (f32[2]{0 1.3169579})", 1e-7}, {0}};
static const op_case atanh_cases[] = {{"f32", 0, "(f32[2]{0 0.5}) -> (f32[2]{0 0.54930614})", 1e-7}, {0}};

HST_OP(Neg) = UNARY("Neg", 1, "-x", neg_cases);
HST_OP(Abs) = UNARY("Abs", 1, "|x|", abs_cases);
HST_OP(Sign) = UNARY("Sign", 9, "-1, 0 or 1", sign_cases);
HST_OP(Sqrt) = UNARY("Sqrt", 1, "square root", sqrt_cases);
HST_OP(Reciprocal) = UNARY("Reciprocal", 1, "1 / x", reciprocal_cases);
HST_OP(Floor) = UNARY("Floor", 1, "greatest integer not above x", floor_cases);
HST_OP(Ceil) = UNARY("Ceil", 1, "least integer not below x", ceil_cases);
HST_OP(Round) = UNARY("Round", 11, "nearest integer, half to even", round_cases);
HST_OP(Exp) = UNARY("Exp", 1, "e to the power of x", exp_cases);
HST_OP(Log) = UNARY("Log", 1, "natural logarithm", log_cases);
HST_OP(Erf) = UNARY("Erf", 9, "error function", erf_cases);
HST_OP(Sin) = UNARY("Sin", 7, "sine", sin_cases);
HST_OP(Cos) = UNARY("Cos", 7, "cosine", cos_cases);
HST_OP(Tan) = UNARY("Tan", 7, "tangent", tan_cases);
HST_OP(Asin) = UNARY("Asin", 7, "arcsine", asin_cases);
HST_OP(Acos) = UNARY("Acos", 7, "arccosine", acos_cases);
HST_OP(Atan) = UNARY("Atan", 7, "arctangent", atan_cases);
HST_OP(Sinh) = UNARY("Sinh", 9, "hyperbolic sine", sinh_cases);
HST_OP(Cosh) = UNARY("Cosh", 9, "hyperbolic cosine", cosh_cases);
HST_OP(Tanh) = UNARY("Tanh", 1, "hyperbolic tangent", tanh_cases);
HST_OP(Asinh) = UNARY("Asinh", 9, "inverse hyperbolic sine", asinh_cases);
HST_OP(Acosh) = UNARY("Acosh", 9, "inverse hyperbolic cosine", acosh_cases);
HST_OP(Atanh) = UNARY("Atanh", 9, "inverse hyperbolic tangent", atanh_cases);
