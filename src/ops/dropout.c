/* Dropout: the input, and a mask that is all true (before version 10 in the input's type, all 1). With training_mode
 * (an input since version 12) each element is dropped with probability `ratio`, the others are divided by 1 - ratio;
 * with a seed the mask is that of ONNX's reference implementation. */
#include <string.h>

#include "ops/carry.h"
#include "ops/random.h"

static hst_dtype mask_dtype(const node *n, hst_dtype x) {
    return n->opset >= 10 ? HST_DTYPE_B8 : x;
}

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    for (int i = 0; i < c->n_out; i++) c->out[i] = *infer_in(c, 0);
    if (c->n_out > 1) c->out[1].dtype = mask_dtype(c->node, c->out[0].dtype);
    return HST_STATUS_OK;
}

static hst_status drop(eval_context *c, const hst_tensor *x, double ratio, hst_error *err) {
    random_state r;
    const double *from;
    hst_tensor *mask = NULL;
    carry y;
    if (!(ratio > 0 && ratio < 1))
        return node_error(c->node, err, HST_STATUS_INVALID_ARGUMENT, "ratio %g is outside [0, 1)", ratio);
    HST_TRY(carry_in(c, x, "data", &from, err));
    HST_TRY(carry_out(c, 0, x->dtype, x->rank, x->dim, &y, err));
    if (eval_wants(c, 1)) HST_TRY(eval_output(c, 1, HST_DTYPE_B8, x->rank, x->dim, &mask, err));
    random_begin(&r, c->node);
    double scale = 1 / (1 - ratio);
    for (int64_t i = 0, n = tensor_count(x); i < n; i++) {
        bool keeps = random_uniform(&r) >= ratio;
        y.x[i] = keeps ? from[i] * scale : 0;
        if (mask) ((uint8_t *)mask->data)[i] = keeps;
    }
    carry_done(&y);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *training = eval_in(c, 2);
    double ratio = 0.5;
    hst_tensor *mask;
    HST_TRY(eval_need(c, 0, "data", &x, err));
    if (c->node->opset >= 12 && training && tensor_count(training) == 1 && tensor_get_s64(training, 0)) {
        if (eval_in(c, 1)) HST_TRY(carry_number(c, 1, "ratio", &ratio, err));
        if (ratio != 0) return drop(c, x, ratio, err);
    }
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
    {"training", 0, "(f32[5]{1 2 3 4 5}, f32[]{0.6}, b8[]{1}; seed=0) -> (f32[5]{0 5 7.5 0 0}, b8[5]{0 1 1 0 0})", 1e-6},
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
    .summary = "its input; in training, random elements of it are dropped",
    HST_CASES(cases),
};
