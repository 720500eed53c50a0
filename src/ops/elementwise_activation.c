/* Activations Y = f(X), element by element; the formulas of most stand in kernels/elementwise/elementwise.h.
 *   Softplus: log(1 + exp(x)); Mish: x tanh(softplus(x)); Gelu (opset 20 and com.microsoft): erf or tanh form;
 *   QuickGelu (com.microsoft) and Swish: x sigmoid(alpha x); Relu and Shrink are defined for integers too;
 *   SwiGLU: Y = Swish(A) B. */
#include <math.h>
#include <string.h>

#include "ops/elementwise.h"
#include "tensor/convert.h"

static double f_sigmoid(double x, const double *p) { return (void)p, x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }
static double f_relu(double x, const double *p) { return (void)p, x < 0 ? 0 : x; }
static double f_leaky_relu(double x, const double *p) { return x < 0 ? p[0] * x : x; }
static double f_thresholded_relu(double x, const double *p) { return x <= p[0] ? 0 : x; }
static double f_elu(double x, const double *p) { return x < 0 ? p[0] * expm1(x) : x; }
static double f_selu(double x, const double *p) { return p[1] * (x <= 0 ? p[0] * expm1(x) : x); }
static double f_celu(double x, const double *p) { return x < 0 ? p[0] * expm1(x / p[0]) : x; }
static double f_hard_sigmoid(double x, const double *p) {
    double y = p[0] * x + p[1];
    return y < 0 ? 0 : y > 1 ? 1 : y;
}
static double f_hard_swish(double x, const double *p) {
    double y = x / 6 + 0.5;
    return (void)p, x * (y < 0 ? 0 : y > 1 ? 1 : y);
}
static double f_softplus(double x, const double *p) { return (void)p, x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static double f_softsign(double x, const double *p) { return (void)p, x / (1 + fabs(x)); }
static double f_mish(double x, const double *p) { return x * tanh(f_softplus(x, p)); }
static double f_swish(double x, const double *p) { return x * f_sigmoid(p[0] * x, p); }
static double f_gelu(double x, const double *p) { return (void)p, 0.5 * x * (1 + erf(x * 0.70710678118654752440)); }
static double f_gelu_tanh(double x, const double *p) {
    return (void)p, 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}
static double f_shrink(double x, const double *p) { return x < -p[0] ? x + p[1] : x > p[0] ? x - p[1] : 0; }
static int64_t s_shrink(int64_t x, const double *p, bool u) {
    double y = f_shrink(u ? (double)(uint64_t)x : (double)x, p);
    int64_t to;
    convert_array(HST_DTYPE_F64, &y, HST_DTYPE_S64, &to, 1, false);
    return to;
}
static int64_t s_relu(int64_t x, const double *p, bool u) { return (void)p, x < 0 && !u ? 0 : x; }

static void alpha_one(const node *n, double *p) { p[0] = node_float(n, "alpha", 1.0f); }
static void alpha_leaky(const node *n, double *p) { p[0] = node_float(n, "alpha", 0.01f); }
static void alpha_quick(const node *n, double *p) { p[0] = node_float(n, "alpha", 1.702f); }
static void args_selu(const node *n, double *p) {
    p[0] = node_float(n, "alpha", 1.67326319217681884765625f);
    p[1] = node_float(n, "gamma", 1.05070102214813232421875f);
}
static void args_shrink(const node *n, double *p) {
    p[0] = node_float(n, "lambd", 0.5f);
    p[1] = node_float(n, "bias", 0);
}
static void args_hard_sigmoid(const node *n, double *p) {
    p[0] = node_float(n, "alpha", 0.2f);
    p[1] = node_float(n, "beta", 0.5f);
}

// clang-format off
static const unary_rule rules[] = {
    {"Sigmoid",         UNARY_SIGMOID,          f_sigmoid,          NULL,   NULL},
    {"Relu",            UNARY_RELU,             f_relu,             s_relu, NULL},
    {"LeakyRelu",       UNARY_LEAKY_RELU,       f_leaky_relu,       NULL,   alpha_leaky},
    {"ThresholdedRelu", UNARY_THRESHOLDED_RELU, f_thresholded_relu, NULL,   alpha_one},
    {"Elu",             UNARY_ELU,              f_elu,              NULL,   alpha_one},
    {"Selu",            UNARY_SELU,             f_selu,             NULL,   args_selu},
    {"Celu",            UNARY_CELU,             f_celu,             NULL,   alpha_one},
    {"HardSigmoid",     UNARY_HARD_SIGMOID,     f_hard_sigmoid,     NULL,   args_hard_sigmoid},
    {"HardSwish",       UNARY_HARD_SWISH,       f_hard_swish,       NULL,   NULL},
    {"Softplus",        ELEMENTWISE_NO_KERNEL,  f_softplus,         NULL,   NULL},
    {"Softsign",        UNARY_SOFTSIGN,         f_softsign,         NULL,   NULL},
    {"Mish",            ELEMENTWISE_NO_KERNEL,  f_mish,             NULL,   NULL},
    {"Swish",           UNARY_SWISH,            f_swish,            NULL,   alpha_one},
    {"QuickGelu",       UNARY_SWISH,            f_swish,            NULL,   alpha_quick},
    {"Gelu",            UNARY_GELU,             f_gelu,             NULL,   NULL},
    {"Shrink",          ELEMENTWISE_NO_KERNEL,  f_shrink,           s_shrink, args_shrink},
};
static const unary_rule gelu_tanh = {"Gelu", UNARY_GELU_TANH, f_gelu_tanh, NULL, NULL};
// clang-format on

static hst_status eval(eval_context *c, hst_error *err) {
    const unary_rule *rule = unary_find(rules, sizeof rules / sizeof *rules, c->node->op_type);
    return unary_eval(c, rule, err);
}

static hst_status eval_gelu(eval_context *c, hst_error *err) {
    const char *form = node_string(c->node, "approximate", "none");
    if (strcmp(form, "tanh") == 0) return unary_eval(c, &gelu_tanh, err);
    if (strcmp(form, "none") != 0)
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "approximate = \"%s\" is neither \"none\" nor \"tanh\"",
                          form);
    return eval(c, err);
}

static void multiply(const void *arg, int64_t begin, int64_t end) {
    const hst_tensor *const *t = arg;
    if (t[0]->dtype == HST_DTYPE_F32) {
        float *y = t[0]->data;
        const float *b = t[1]->data;
        for (int64_t i = begin; i < end; i++) y[i] *= b[i];
        return;
    }
    hst_tensor y = *t[0];
    for (int64_t i = begin; i < end; i++) tensor_set_f64(&y, i, tensor_get_f64(&y, i) * tensor_get_f64(t[1], i));
}

static hst_status eval_swiglu(eval_context *c, hst_error *err) {
    const hst_tensor *a, *b;
    HST_TRY(eval_need(c, 0, "A", &a, err));
    HST_TRY(eval_need(c, 1, "B", &b, err));
    if (a->dtype != b->dtype || a->rank != b->rank || memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) != 0)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "A and B differ in type or shape");
    const double p[2] = {node_float(c->node, "alpha", 1.0f)};
    HST_TRY(unary_eval_with(c, unary_find(rules, sizeof rules / sizeof *rules, "Swish"), a, p, err));
    const hst_tensor *const t[2] = {c->out[0], b};
    elementwise_split(c, tensor_count(b), multiply, t);
    return HST_STATUS_OK;
}

// clang-format off
#define ACTIVATION(name_, domain_, since_, eval_, summary_, cases_)                                                    \
    {.name = name_, .domain = domain_, .since = since_, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,          \
     .infer = unary_infer, .eval = eval_, .bind = elementwise_bind, .summary = summary_, HST_CASES(cases_)}

static const op_case sigmoid_cases[] = {
    {"f32", 0, "(f32[4]{0 1 -1 -inf}) -> (f32[4]{0.5 0.73105858 0.26894142 0})", 2e-7}, {0}};
static const op_case relu_cases[] = {
    {"f32", 0, "(f32[4]{1 -1 nan 0.5}) -> (f32[4]{1 0 nan 0.5})", 0},
    {"s32", 14, "(s32[2]{-3 4}) -> (s32[2]{0 4})", 0},
    {"f16", 6, "(f16[2]{-3 4}) -> (f16[2]{0 4})", 0}, {0}};
static const op_case leaky_cases[] = {
    {"default", 0, "(f32[2]{-1 2}) -> (f32[2]{-0.01 2})", 1e-8},
    {"alpha", 6, "(f32[2]{-1 2}; alpha=0.5) -> (f32[2]{-0.5 2})", 0}, {0}};
static const op_case thresholded_cases[] = {
    {"default", 0, "(f32[3]{0.5 1 2}) -> (f32[3]{0 0 2})", 0}, {"alpha", 0, "(f32[2]{2 3}; alpha=2.0) -> (f32[2]{0 3})", 0}, {0}};
static const op_case elu_cases[] = {{"alpha", 0, "(f32[3]{-1 0 2}; alpha=2.0) -> (f32[3]{-1.26424112 0 2})", 2e-7}, {0}};
static const op_case selu_cases[] = {{"default", 0, "(f32[3]{-1 0 2}) -> (f32[3]{-1.11133075 0 2.10140204})", 2e-7}, {0}};
static const op_case celu_cases[] = {{"alpha", 0, "(f32[3]{-1 0 2}; alpha=2.0) -> (f32[3]{-0.78693868 0 2})", 2e-7}, {0}};
static const op_case hard_sigmoid_cases[] = {
    {"default", 0, "(f32[4]{-5 0 1 5}) -> (f32[4]{0 0.5 0.7 1})", 1e-7},
    {"alpha and beta", 0, "(f32[2]{0 1}; alpha=0.5, beta=0.25) -> (f32[2]{0.25 0.75})", 1e-7}, {0}};
static const op_case hard_swish_cases[] = {{"f32", 0, "(f32[4]{-4 -1 1 4}) -> (f32[4]{0 -0.33333333 0.66666667 4})", 1e-7}, {0}};
static const op_case softplus_cases[] = {
    {"f32", 0, "(f32[4]{0 1 100 -100}) -> (f32[4]{0.69314718 1.31326169 100 3.78350586e-44})", 1e-7}, {0}};
static const op_case softsign_cases[] = {{"f32", 0, "(f32[3]{0 1 -3}) -> (f32[3]{0 0.5 -0.75})", 0}, {0}};
static const op_case mish_cases[] = {{"f32", 0, "(f32[2]{0 1}) -> (f32[2]{0 0.86509839})", 1e-7}, {0}};
static const op_case swish_cases[] = {
    {"default", 0, "(f32[2]{0 1}) -> (f32[2]{0 0.73105858})", 2e-7},
    {"alpha", 0, "(f32[1]{1}; alpha=0.5) -> (f32[1]{0.62245933})", 2e-7}, {0}};
static const op_case swiglu_cases[] = {
    {"f32", 0, "(f32[2]{0 1}, f32[2]{3 4}) -> (f32[2]{0 2.92423431})", 4e-7},
    {"alpha", 0, "(f64[1]{1}, f64[1]{2}; alpha=0.5) -> (f64[1]{1.2449186624037092})", 1e-15}, {0}};
static const op_case shrink_cases[] = {
    {"hard", 0, "(f32[5]{-2 -1 0 1 2}; lambd=1.5) -> (f32[5]{-2 0 0 0 2})", 0},
    {"soft", 0, "(f32[5]{-2 -1 0 1 2}; lambd=1.5, bias=1.5) -> (f32[5]{-0.5 0 0 0 0.5})", 0},
    {"integers", 9, "(s8[3]{-2 0 2}; bias=1.0) -> (s8[3]{-1 0 1})", 0},
    {"default", 0, "(f64[3]{0.5 0.6 -1}) -> (f64[3]{0 0.6 -1})", 0}, {0}};
static const op_case quick_gelu_cases[] = {
    {"default", 0, "(f32[2]{1 -1}) -> (f32[2]{0.84579578 -0.15420422})", 2e-7},
    {"alpha", 0, "(f32[1]{1}; alpha=0.5) -> (f32[1]{0.62245933})", 2e-7}, {0}};
static const op_case gelu_cases[] = {
    {"erf", 0, "(f32[4]{1 -1 0 10}) -> (f32[4]{0.84134475 -0.15865525 0 10})", 3e-7},
    {"tanh", 0, "(f32[3]{1 -1 3}; approximate=\"tanh\") -> (f32[3]{0.84119199 -0.15880801 2.99636257})", 3e-7},
    {"f64", 0, "(f64[1]{1}) -> (f64[1]{0.8413447460685429})", 1e-15}, {0}};
static const op_case ms_gelu_cases[] = {{"erf", 0, "(f32[2]{1 -1}) -> (f32[2]{0.84134475 -0.15865525})", 3e-7}, {0}};

HST_OP(Sigmoid) = ACTIVATION("Sigmoid", "", 1, eval, "1 / (1 + exp(-x))", sigmoid_cases);
HST_OP(Relu) = ACTIVATION("Relu", "", 1, eval, "max(0, x)", relu_cases);
HST_OP(LeakyRelu) = ACTIVATION("LeakyRelu", "", 1, eval, "x, or alpha x where x < 0", leaky_cases);
HST_OP(ThresholdedRelu) = ACTIVATION("ThresholdedRelu", "", 10, eval, "x where x > alpha, else 0", thresholded_cases);
HST_OP(Elu) = ACTIVATION("Elu", "", 1, eval, "x, or alpha (exp(x) - 1) where x < 0", elu_cases);
HST_OP(Selu) = ACTIVATION("Selu", "", 1, eval, "scaled Elu", selu_cases);
HST_OP(Celu) = ACTIVATION("Celu", "", 12, eval, "max(0, x) + min(0, alpha (exp(x / alpha) - 1))", celu_cases);
HST_OP(HardSigmoid) = ACTIVATION("HardSigmoid", "", 1, eval, "alpha x + beta held in [0, 1]", hard_sigmoid_cases);
HST_OP(HardSwish) = ACTIVATION("HardSwish", "", 14, eval, "x times (x / 6 + 0.5 held in [0, 1])", hard_swish_cases);
HST_OP(Softplus) = ACTIVATION("Softplus", "", 1, eval, "log(1 + exp(x))", softplus_cases);
HST_OP(Softsign) = ACTIVATION("Softsign", "", 1, eval, "x / (1 + |x|)", softsign_cases);
HST_OP(Mish) = ACTIVATION("Mish", "", 18, eval, "x tanh(softplus(x))", mish_cases);
HST_OP(Swish) = ACTIVATION("Swish", "", 24, eval, "x sigmoid(alpha x)", swish_cases);
HST_OP(Gelu) = ACTIVATION("Gelu", "", 20, eval_gelu, "x times the normal distribution function, erf or tanh form", gelu_cases);
HST_OP(com_microsoft_Gelu) = ACTIVATION("Gelu", "com.microsoft", 1, eval, "x times the normal distribution function", ms_gelu_cases);
HST_OP(com_microsoft_QuickGelu) = ACTIVATION("QuickGelu", "com.microsoft", 1, eval, "x sigmoid(alpha x)", quick_gelu_cases);
HST_OP(Shrink) = ACTIVATION("Shrink", "", 9, eval, "x moved towards 0 by bias, 0 where |x| <= lambd", shrink_cases);
HST_OP(SwiGLU) = {.name = "SwiGLU", .domain = "", .since = 28, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
                  .infer = unary_infer, .eval = eval_swiglu, .bind = elementwise_bind,
                  .summary = "Swish(A) times B", HST_CASES(swiglu_cases)};
