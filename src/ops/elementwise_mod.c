/* Mod: C = the remainder of A / B, broadcast; fmod = 0: with the sign of B (as in Python), fmod = 1: with that of A (as
 * C's fmod and %). An integer divisor of 0 gives 0 (as numpy does). */
#include <math.h>

#include "ops/elementwise.h"

static double f_fmod(double a, double b) { return fmod(a, b); }
static double f_mod(double a, double b) {
    double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static int64_t s_fmod(int64_t a, int64_t b, bool u) {
    if (b == 0 || (b == -1 && !u)) return 0;
    return u ? (int64_t)((uint64_t)a % (uint64_t)b) : a % b;
}
static int64_t s_mod(int64_t a, int64_t b, bool u) {
    int64_t r = s_fmod(a, b, u);
    return !u && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static bool content(model *m, dim a, dim b, dim *out) {
    (void)m;
    if (dim_is_symbol(a) || dim_is_symbol(b) || a < 0 || b <= 0) return false;
    *out = a % b;
    return true;
}

static const binary_rule rules[] = {{"Mod", ELEMENTWISE_NO_KERNEL, f_mod, s_mod, content},
                                    {"Mod", ELEMENTWISE_NO_KERNEL, f_fmod, s_fmod, content}};

static const binary_rule *rule_of(const node *n) { return &rules[node_int(n, "fmod", 0) != 0]; }

static hst_status infer(infer_context *c, hst_error *err) { return binary_infer_with(c, rule_of(c->node), err); }

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *a, *b;
    HST_TRY(eval_need(c, 0, "A", &a, err));
    HST_TRY(eval_need(c, 1, "B", &b, err));
    return binary_eval_with(c, rule_of(c->node), a, b, err);
}

// clang-format off
static const op_case cases[] = {
    {"s64", 0, "(s64[6]{-4 7 5 4 -7 8}, s64[6]{2 -3 8 -2 3 5}) -> (s64[6]{0 -2 5 0 2 3})", 0},
    {"s32, fmod", 10, "(s32[6]{-4 7 5 4 -7 8}, s32[6]{2 -3 8 -2 3 5}; fmod=1) -> (s32[6]{0 1 5 0 -1 3})", 0},
    {"f32, fmod", 0, "(f32[3]{-4.5 7.5 5}, f32[3]{2 -3 8}; fmod=1) -> (f32[3]{-0.5 1.5 5})", 0},
    {"u8", 0, "(u8[2]{200 7}, u8[1]{16}) -> (u8[2]{8 7})", 0},
    {"by zero and -1", 0, "(s64[2]{5 -9223372036854775808}, s64[2]{0 -1}) -> (s64[2]{0 0})", 0},
    {0}};
// clang-format on

HST_OP(Mod) = {.name = "Mod",
               .domain = "",
               .since = 10,
               .min_in = 2,
               .max_in = 2,
               .min_out = 1,
               .max_out = 1,
               .infer = infer,
               .eval = eval,
               .summary = "remainder of a division",
               HST_CASES(cases)};
