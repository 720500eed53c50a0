/* SkipLayerNormalization, SkipSimplifiedLayerNormalization (com.microsoft): s = (input + skip) + bias, then
 *   (s - mean) / sqrt(variance + epsilon) * gamma + beta, or s / sqrt(mean of squares + epsilon) * gamma
 * input [batch, seq, hidden] or [tokens, hidden]; skip the same, or [seq, hidden], [1, seq, hidden] repeated over the batch.
 * Outputs: the result, mean and inverse deviation [batch, seq, 1] (f32), s. */
#include "ops/norm.h"

static bool is_rms(const node *n) { return n->op_type[4] == 'S'; }

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    const type *x = infer_in(c, 0);
    c->out[0] = *x;
    if (c->n_out > 3) c->out[3] = *x;
    for (int k = 1; k < c->n_out && k < 3; k++) {
        c->out[k] = *x;
        c->out[k].dtype = HST_DTYPE_F32;
        if (x->rank > 0) c->out[k].dim[x->rank - 1] = 1;
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    norm_call a = {.epsilon = node_float(c->node, "epsilon", 1e-12f), .rms = is_rms(c->node)};
    int64_t stats[HST_RANK_MAX];
    HST_TRY(eval_need(c, 0, "input", &a.x, err));
    HST_TRY(eval_need(c, 1, "skip", &a.residual, err));
    HST_TRY(eval_need(c, 2, "gamma", &a.gamma, err));
    a.beta = a.rms ? NULL : eval_in(c, 3);
    a.bias = eval_in(c, a.rms ? 3 : 4);
    const int rank = a.x->rank;
    if (rank < 2) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input has rank %d, needs 2 or 3", rank);
    if (a.residual->rank < 1 || a.residual->dim[a.residual->rank - 1] != a.x->dim[rank - 1])
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the last dimension of skip is not that of input, %lld",
                          (long long)a.x->dim[rank - 1]);
    a.n = a.x->dim[rank - 1];
    a.rows = tensor_count(a.x) ? norm_product(a.x, 0, rank - 1) : 0;
    for (int i = 0; i < rank; i++) stats[i] = i < rank - 1 ? a.x->dim[i] : 1;
    HST_TRY(eval_output(c, 0, a.x->dtype, rank, a.x->dim, &a.y, err));
    if (eval_wants(c, 1)) HST_TRY(eval_output(c, 1, HST_DTYPE_F32, rank, stats, &a.mean, err));
    if (eval_wants(c, 2)) HST_TRY(eval_output(c, 2, HST_DTYPE_F32, rank, stats, &a.inv, err));
    if (eval_wants(c, 3)) HST_TRY(eval_output(c, 3, a.x->dtype, rank, a.x->dim, &a.sum, err));
    for (int64_t i = 0; a.rms && a.mean && i < a.rows; i++) ((float *)a.mean->data)[i] = 0; /* nothing is subtracted */
    return norm_run(c, &a, err);
}

// clang-format off
static const op_case layer_cases[] = {
    {"with bias and sum", 0, "(f32[1,1,4]{0 1 1 2}, f32[1,1,4]{1 0 1 1}, f32[4]{1 1 1 2}, f32[4]{0 0 1 0}, f32[4]{0 1 1 1}; epsilon=0.0) -> (f32[1,1,4]{-1.34164079 -0.4472136 1.4472136 2.68328157}, f32[1,1,1]{2.5}, f32[1,1,1]{0.89442719}, f32[1,1,4]{1 2 3 4})", 2e-7},
    {"no beta", 0, "(f32[1,2,2]{1 2 3 4}, f32[1,2,2]{0 1 0 1}, f32[2]{1 1}; epsilon=0.0) -> (f32[1,2,2]{-1 1 -1 1})", 0},
    {"skip repeated over the batch", 0, "(f32[2,2,2]{1 2 3 4 1 2 3 4}, f32[2,2]{0 1 0 -3}, f32[2]{1 1}, f32[2]{0 0}; epsilon=0.0) -> (f32[2,2,2]{-1 1 1 -1})", 0},
    {"tokens, f16, only the sum besides", 0, "(f16[1,2]{1 2}, f16[1,2]{0 1}, f16[2]{1 1}, f16[2]{0 0}; epsilon=0.0) -> (f16[1,2]{-1 1}, _, _, f16[1,2]{1 3})", 0},
    {0}};
static const op_case rms_cases[] = {
    {"with bias and sum", 0, "(f32[1,1,2]{1 2}, f32[1,1,2]{1 1}, f32[2]{1 2}, f32[2]{1 1}; epsilon=0.0) -> (f32[1,1,2]{0.84852814 2.26274170}, _, f32[1,1,1]{0.28284271}, f32[1,1,2]{3 4})", 2e-7},
    {"plain", 0, "(f32[1,2]{1 2}, f32[1,2]{2 2}, f32[2]{1 2}; epsilon=0.0) -> (f32[1,2]{0.84852814 2.26274170})", 2e-7},
    {0}};

#define SKIP(name_, max_in_, summary_, cases_)                                                                         \
    {.name = name_, .domain = "com.microsoft", .since = 1, .min_in = 3, .max_in = max_in_, .min_out = 1,               \
     .max_out = 4, .infer = infer, .eval = eval, .bind = norm_bind, .summary = summary_, HST_CASES(cases_)}

HST_OP(com_microsoft_SkipLayerNormalization) = SKIP("SkipLayerNormalization", 5, "LayerNormalization of a sum", layer_cases);
HST_OP(com_microsoft_SkipSimplifiedLayerNormalization) = SKIP("SkipSimplifiedLayerNormalization", 4, "RMS normalisation of a sum", rms_cases);
