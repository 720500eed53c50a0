/* Dropout, in inference: the input; the mask, where asked for, is all true (before version 10 in the input's type, all
 * 1). */
#include <string.h>

#include "ops/op.h"

static hst_dtype mask_dtype(const node *n, hst_dtype x) {
    return n->opset >= 10 ? HST_DTYPE_B8 : x;
}

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    for (int i = 0; i < c->n_out; i++) c->out[i] = *infer_in(c, 0);
    if (c->n_out > 1) c->out[1].dtype = mask_dtype(c->node, c->out[0].dtype);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *training = eval_in(c, 2), *ratio = eval_in(c, 1);
    hst_tensor *mask;
    HST_TRY(eval_need(c, 0, "data", &x, err));
    bool drops = c->node->opset >= 12 && training && tensor_count(training) == 1 && tensor_get_s64(training, 0) &&
                 !(ratio && tensor_count(ratio) == 1 && tensor_get_f64(ratio, 0) == 0);
    if (drops) return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "training_mode is set; hasten does inference");
    HST_TRY(eval_alias(c, 0, 0, x->rank, x->dim, err));
    if (!eval_wants(c, 1)) return HST_STATUS_OK;
    HST_TRY(eval_output(c, 1, mask_dtype(c->node, x->dtype), x->rank, x->dim, &mask, err));
    for (int64_t i = 0, n = tensor_count(mask); i < n; i++) tensor_set_f64(mask, i, 1);
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"default", 0, "(f32[3]{1 2 3}) -> (f32[3]{1 2 3})", 0},
    {"with mask", 0, "(f32[3]{1 2 3}, f32[]{0.5}) -> (f32[3]{1 2 3}, b8[3]{1 1 1})", 0},
    {"training without loss", 13, "(f32[2]{1 2}, f32[]{0}, b8[]{1}) -> (f32[2]{1 2}, b8[2]{1 1})", 0},
    {"version 7", 7, "(f64[2]{1 2}; ratio=0.1) -> (f64[2]{1 2}, f64[2]{1 1})", 0},
    {"version 6", 6, "(f32[2]{1 2}; ratio=0.1, is_test=1) -> (f32[2]{1 2})", 0},
    {0},
};
// clang-format on

HST_OP(Dropout) = {
    .name = "Dropout",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 3,
    .min_out = 1,
    .max_out = 2,
    .infer = infer,
    .eval = eval,
    .summary = "its input: nothing is dropped in inference",
    .gaps = "training_mode",
    .cases = cases,
};
