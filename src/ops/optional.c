/* Optionals. One that holds something is what it holds, so these hand their input on:
 *   Optional             x -> x; without an input, an empty one
 *   OptionalGetElement   x -> x; an error where it is empty
 *   OptionalHasElement   x -> b8 [], false where it is empty or the input is omitted */
#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    c->out[0].optional = c->node->op_type[8] == 0; /* "Optional" */
    if (c->out[0].dtype == HST_DTYPE_OPTIONAL) c->out[0].dtype = HST_DTYPE_NONE;
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0);
    hst_tensor *y;
    const int64_t none = 0;
    bool get = c->node->op_type[8] != 0;
    if (get) HST_TRY(eval_need(c, 0, "input", &x, err));
    if (get && x->dtype == HST_DTYPE_OPTIONAL)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the optional is empty");
    return x ? eval_alias(c, 0, 0, x->rank, x->dim, err) : eval_output(c, 0, HST_DTYPE_OPTIONAL, 1, &none, &y, err);
}

static hst_status infer_has(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0].dtype = HST_DTYPE_B8;
    c->out[0].rank = 0;
    return HST_STATUS_OK;
}

static hst_status eval_has(eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0);
    hst_tensor *y;
    HST_TRY(eval_output(c, 0, HST_DTYPE_B8, 0, NULL, &y, err));
    *(uint8_t *)y->data = x && x->dtype != HST_DTYPE_OPTIONAL;
    return HST_STATUS_OK;
}

// clang-format off
static const op_case optional_cases[] = {
    {"a tensor", 0, "(f32[1]{1}) -> (f32[1]{1})", 0}, {"a sequence", 0, "(seq{f32[1]{1}}) -> (seq{f32[1]{1}})", 0},
    {"empty", 0, "() -> (none)", 0}, {0}};
static const op_case has_cases[] = {
    {"a tensor", 0, "(f32[1]{1}) -> (b8[]{1})", 0}, {"an empty sequence", 0, "(seq{}) -> (b8[]{1})", 0},
    {"empty", 15, "(none) -> (b8[]{0})", 0}, {"omitted", 18, "() -> (b8[]{0})", 0}, {0}};
static const op_case get_cases[] = {
    {"a tensor", 0, "(string[1]{\"a\"}) -> (string[1]{\"a\"})", 0},
    {"a sequence", 0, "(seq{f32[1]{1}}) -> (seq{f32[1]{1}})", 0}, {0}};

#define OPTIONAL(name_, least_, infer_, eval_, summary_, cases_)                                                       \
    {.name = name_, .domain = "", .since = 15, .min_in = least_, .max_in = 1, .min_out = 1, .max_out = 1,              \
     .infer = infer_, .eval = eval_, .lists = true, .summary = summary_, HST_CASES(cases_)}

HST_OP(Optional) = OPTIONAL("Optional", 0, infer, eval, "its input, or nothing", optional_cases);
HST_OP(OptionalHasElement) = OPTIONAL("OptionalHasElement", 0, infer_has, eval_has, "whether there is something", has_cases);
HST_OP(OptionalGetElement) = OPTIONAL("OptionalGetElement", 1, infer, eval, "what an optional holds", get_cases);
// clang-format on
