/* Add, Sub, Mul, Div: C = A op B, broadcast. PRelu: Y = X, or slope · X where X < 0; the slope broadcasts to X.
 * Integers wrap; integer division truncates, by 0 it gives 0 (as numpy does). */
#include "base/checked.h"
#include "ops/elementwise.h"

static double f_add(double a, double b) { return a + b; }
static double f_sub(double a, double b) { return a - b; }
static double f_mul(double a, double b) { return a * b; }
static double f_div(double a, double b) { return a / b; }
static double f_prelu(double a, double b) { return a < 0 ? b * a : a; }
static int64_t s_add(int64_t a, int64_t b, bool u) { return (void)u, (int64_t)((uint64_t)a + (uint64_t)b); }
static int64_t s_sub(int64_t a, int64_t b, bool u) { return (void)u, (int64_t)((uint64_t)a - (uint64_t)b); }
static int64_t s_mul(int64_t a, int64_t b, bool u) { return (void)u, (int64_t)((uint64_t)a * (uint64_t)b); }
static int64_t s_div(int64_t a, int64_t b, bool u) {
    if (b == 0) return 0;
    if (u) return (int64_t)((uint64_t)a / (uint64_t)b);
    return b == -1 ? s_sub(0, a, u) : a / b;
}
static int64_t s_prelu(int64_t a, int64_t b, bool u) { return a < 0 && !u ? s_mul(a, b, u) : a; }

/* ---- lengths ---- */

static bool number(dim d) {
    return !dim_is_symbol(d);
}

static bool content_add(model *m, dim a, dim b, dim *out) {
    *out = dim_sum(m, a, b);
    return *out != DIM_TOO_LARGE;
}

static bool content_sub(model *m, dim a, dim b, dim *out) {
    *out = dim_difference(m, a, b);
    return *out != DIM_TOO_LARGE;
}

static bool content_mul(model *m, dim a, dim b, dim *out) {
    *out = dim_product(m, (dim[]){a, b}, 2);
    return *out != DIM_TOO_LARGE;
}

static bool content_div(model *m, dim a, dim b, dim *out) {
    bool whole;
    if (number(a) && number(b)) return s64_div(a, b, out);
    if (!dim_is_length(m, a) || !dim_is_length(m, b) || b == 0) return false; /* it truncates, a floor does not */
    *out = number(b) ? dim_floor(m, a, b) : dim_quotient(m, &a, 1, &b, 1, &whole);
    return true;
}

// clang-format off
static const binary_rule rules[] = {
    {"Add",   BINARY_ADD,   f_add,   s_add,   content_add},
    {"Sub",   BINARY_SUB,   f_sub,   s_sub,   content_sub},
    {"Mul",   BINARY_MUL,   f_mul,   s_mul,   content_mul},
    {"Div",   BINARY_DIV,   f_div,   s_div,   content_div},
    {"PRelu", BINARY_PRELU, f_prelu, s_prelu, NULL},
};
// clang-format on

static const binary_rule *rule_of(const node *n) { return binary_find(rules, sizeof rules / sizeof *rules, n->op_type); }

static hst_status infer(infer_context *c, hst_error *err) { return binary_infer_with(c, rule_of(c->node), err); }

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *a, *b;
    HST_TRY(eval_need(c, 0, "A", &a, err));
    HST_TRY(eval_need(c, 1, "B", &b, err));
    hst_tensor aligned = *b;
    HST_TRY(elementwise_old_tensor(c->node, a, &aligned, err));
    return binary_eval_with(c, rule_of(c->node), a, &aligned, err);
}

// clang-format off
#define BINARY(name_, since_, gaps_, summary_, cases_)                                                                 \
    {.name = name_, .domain = "", .since = since_, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,               \
     .infer = infer, .eval = eval, .bind = elementwise_bind, .summary = summary_, .gaps = gaps_, HST_CASES(cases_)}

static const op_case add_cases[] = {
    {"row", 0, "(f32[2,3]{1 2 3 4 5 6}, f32[3]{10 20 30}) -> (f32[2,3]{11 22 33 14 25 36})", 0},
    {"column and row", 0, "(f32[2,1]{1 2}, f32[1,3]{10 20 30}) -> (f32[2,3]{11 21 31 12 22 32})", 0},
    {"scalar left", 7, "(f32[]{1}, f32[2,2]{1 2 3 4}) -> (f32[2,2]{2 3 4 5})", 0},
    {"u8 wraps", 14, "(u8[2]{250 1}, u8[2]{10 1}) -> (u8[2]{4 2})", 0},
    {"s64", 0, "(s64[2]{9223372036854775807 1}, s64[1]{1}) -> (s64[2]{-9223372036854775808 2})", 0},
    {"s64, column and row", 0, "(s64[2,1]{1 2}, s64[1,3]{10 20 -30}) -> (s64[2,3]{11 21 -29 12 22 -28})", 0},
    {"s32 wraps", 0, "(s32[]{1}, s32[3]{2147483647 -1 5}) -> (s32[3]{-2147483648 0 6})", 0},
    {"f16", 0, "(f16[3]{1 2048 65504}, f16[1]{1}) -> (f16[3]{2 2048 65504})", 0},
    {"bf16", 0, "(bf16[2]{1 256}, bf16[1]{1}) -> (bf16[2]{2 256})", 0},
    {"f64", 0, "(f64[2]{1 2}, f64[2,1]{10 20}) -> (f64[2,2]{11 12 21 22})", 0},
    {"axis, opset 6", 6, "(f32[2,2]{1 2 3 4}, f32[2]{10 20}; broadcast=1, axis=0) -> (f32[2,2]{11 12 23 24})", 0},
    {"last axes, opset 1", 1, "(f32[2,2]{1 2 3 4}, f32[2]{10 20}; broadcast=1) -> (f32[2,2]{11 22 13 24})", 0},
    {"nothing", 0, "(f32[0,3]{}, f32[3]{1 2 3}) -> (f32[0,3]{})", 0}, {0}};
static const op_case sub_cases[] = {
    {"f32", 0, "(f32[3]{1 2 3}, f32[1]{1}) -> (f32[3]{0 1 2})", 0},
    {"s64, scalar left", 0, "(s64[]{1}, s64[3]{3 -9223372036854775808 1}) -> (s64[3]{-2 -9223372036854775807 0})", 0},
    {"u32 wraps", 0, "(u32[2]{0 7}, u32[2]{1 4}) -> (u32[2]{4294967295 3})", 0},
    {"s16 wraps", 14, "(s16[2]{-32768 7}, s16[1]{1}) -> (s16[2]{32767 6})", 0},
    {"u64 wraps", 0, "(u64[1]{0}, u64[1]{1}) -> (u64[1]{18446744073709551615})", 0}, {0}};
static const op_case mul_cases[] = {
    {"f32", 0, "(f32[2,2]{1 2 3 4}, f32[2]{2 10}) -> (f32[2,2]{2 20 6 40})", 0},
    {"s64", 0, "(s64[2,2]{1 -2 3 4611686018427387904}, s64[2,1]{3 -2}) -> (s64[2,2]{3 -6 -6 -9223372036854775808})", 0},
    {"s32 wraps", 0, "(s32[2]{65536 -3}, s32[2]{65537 3}) -> (s32[2]{65536 -9})", 0},
    {"s8 wraps", 14, "(s8[1]{100}, s8[1]{3}) -> (s8[1]{44})", 0}, {0}};
static const op_case div_cases[] = {
    {"f32", 0, "(f32[4]{1 -1 0 3}, f32[4]{0 0 0 4}) -> (f32[4]{inf -inf nan 0.75})", 0},
    {"s32 truncates", 0, "(s32[4]{7 -7 7 -2147483648}, s32[4]{2 2 0 -1}) -> (s32[4]{3 -3 0 -2147483648})", 0},
    {"s64", 0, "(s64[1]{-9223372036854775808}, s64[1]{-1}) -> (s64[1]{-9223372036854775808})", 0},
    {"u64", 0, "(u64[1]{18446744073709551614}, u64[1]{2}) -> (u64[1]{9223372036854775807})", 0}, {0}};
static const op_case prelu_cases[] = {
    {"f32", 0, "(f32[2,2]{-1 2 -3 4}, f32[2]{0.5 0.25}) -> (f32[2,2]{-0.5 2 -1.5 4})", 0},
    {"channels, opset 6", 6, "(f32[1,2,2]{-1 2 -3 4}, f32[2]{0.5 0.25}) -> (f32[1,2,2]{-0.5 2 -0.75 4})", 0},
    {"s32", 16, "(s32[2]{-1 2}, s32[1]{3}) -> (s32[2]{-3 2})", 0}, {0}};

HST_OP(Add) = BINARY("Add", 1, NULL, "a + b", add_cases);
HST_OP(Sub) = BINARY("Sub", 1, NULL, "a - b", sub_cases);
HST_OP(Mul) = BINARY("Mul", 1, NULL, "a times b", mul_cases);
HST_OP(Div) = BINARY("Div", 1, NULL, "a / b; integers truncate", div_cases);
HST_OP(PRelu) = BINARY("PRelu", 1, NULL, "x, or slope x where x < 0", prelu_cases);
