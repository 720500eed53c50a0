/* Identity: out = in. */
#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    infer_pass_content(c, 0, 0);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    return eval_alias(c, 0, 0, x->rank, x->dim, err);
}

static const op_case cases[] = {
    {"f32", 0, "(f32[2]{1 nan}) -> (f32[2]{1 nan})", 0},
    {"version 1", 1, "(f32[]{1}) -> (f32[]{1})", 0},
    {"strings", 0, "(string[1]{\"x\"}) -> (string[1]{\"x\"})", 0},
    {"empty", 0, "(b8[0]{}) -> (b8[0]{})", 0},
    {0},
};

HST_OP(Identity) = {
    .name = "Identity",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .lists = true,
    .summary = "its input",
    HST_CASES(cases),
};
