/* Normalisation over the axes from `axis` (default -1) on, X [d0 … dk … dn] as rows of dk · … · dn elements:
 *   LayerNormalization  Y = (X - mean) / sqrt(variance + epsilon) * Scale + B; outputs Y, Mean, InvStdDev [d0 … 1 … 1]
 *   RMSNormalization, SimplifiedLayerNormalization (of ONNX Runtime, whose second output is InvStdDev)
 *                       Y = X / sqrt(mean of squares + epsilon) * scale
 * Statistics are computed in f32 (f64 for f64) and given in stash_type. Y has the scale's dtype. LayerNormalization is in
 * the standard from opset 17; ONNX Runtime's files have it at any opset. */
#include "ops/norm.h"

static bool is_layer(const node *n) { return n->op_type[0] == 'L'; }

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *scale = infer_in(c, 1);
    int axis;
    c->out[0] = *x;
    c->out[0].dtype = scale->dtype;
    for (int k = 1; k < c->n_out; k++) c->out[k].dtype = (hst_dtype)node_int(c->node, "stash_type", HST_DTYPE_F32);
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", -1), x->rank, &axis, err));
    for (int k = 1; k < c->n_out; k++) {
        c->out[k].rank = x->rank;
        for (int i = 0; i < x->rank; i++) c->out[k].dim[i] = i < axis ? x->dim[i] : 1;
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    norm_call a = {.epsilon = node_float(c->node, "epsilon", 1e-5f), .rms = !is_layer(c->node)};
    int axis;
    int64_t stats[HST_RANK_MAX], stash = node_int(c->node, "stash_type", HST_DTYPE_F32);
    HST_TRY(eval_need(c, 0, "X", &a.x, err));
    HST_TRY(eval_need(c, 1, "Scale", &a.gamma, err));
    a.beta = is_layer(c->node) ? eval_in(c, 2) : NULL;
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", -1), a.x->rank, &axis, err));
    if (!dtype_valid((int)stash) || !dtype_is_float((hst_dtype)stash))
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "stash_type %lld is no float type", (long long)stash);
    if (tensor_count(a.x) > 0) {
        a.rows = norm_product(a.x, 0, axis);
        a.n = norm_product(a.x, axis, a.x->rank);
    }
    for (int i = 0; i < a.x->rank; i++) stats[i] = i < axis ? a.x->dim[i] : 1;
    HST_TRY(eval_output(c, 0, a.gamma->dtype, a.x->rank, a.x->dim, &a.y, err));
    hst_tensor **second = is_layer(c->node) ? &a.mean : &a.inv;
    if (eval_wants(c, 1)) HST_TRY(eval_output(c, 1, (hst_dtype)stash, a.x->rank, stats, second, err));
    if (eval_wants(c, 2)) HST_TRY(eval_output(c, 2, (hst_dtype)stash, a.x->rank, stats, &a.inv, err));
    return norm_run(c, &a, err);
}

// clang-format off
static const op_case layer_cases[] = {
    {"last axis", 0, "(f32[2,4]{1 2 3 4 5 5 5 5}, f32[4]{1 1 1 2}, f32[4]{0 0 1 0}; epsilon=0.0) -> (f32[2,4]{-1.34164079 -0.4472136 1.4472136 2.68328157 nan nan nan nan})", 2e-7},
    {"epsilon", 0, "(f32[1,4]{5 5 5 5}, f32[4]{1 1 1 1}, f32[4]{1 2 3 4}) -> (f32[1,4]{1 2 3 4})", 0},
    {"two axes and statistics", 0, "(f32[2,2,2]{1 2 3 4 1 1 3 3}, f32[2,2]{1}; axis=-2, epsilon=0.0) -> (f32[2,2,2]{-1.34164079 -0.4472136 0.4472136 1.34164079 -1 -1 1 1}, f32[2,1,1]{2.5 2}, f32[2,1,1]{0.89442719 1})", 2e-7},
    {"scale broadcast over rows", 0, "(f32[2,2]{1 3 2 4}, f32[2,1]{1 2}; epsilon=0.0) -> (f32[2,2]{-1 1 -2 2})", 0},
    {"f64", 0, "(f64[1,4]{1 2 3 4}, f64[4]{1}, f64[4]{0}; epsilon=0.0) -> (f64[1,4]{-1.3416407864998738 -0.4472135954999579 0.4472135954999579 1.3416407864998738})", 1e-15},
    {"f64, scale broadcast over rows", 0, "(f64[2,2]{1 3 2 4}, f64[2,1]{1 2}; epsilon=0.0) -> (f64[2,2]{-1 1 -2 2})", 0},
    {"f16", 0, "(f16[1,2]{1 3}, f16[2]{1 1}, f16[2]{0 1}; epsilon=0.0) -> (f16[1,2]{-1 2})", 0},
    {"f16 rows, f32 scale", 0, "(f16[1,2]{1 3}, f32[2]{1 1}; epsilon=0.0) -> (f32[1,2]{-1 1})", 0},
    {"before the standard had it", 11, "(f32[1,2]{1 3}, f32[2]{1 1}, f32[2]{0 0}; epsilon=0.0) -> (f32[1,2]{-1 1})", 0},
    {"nothing", 0, "(f32[0,2]{}, f32[2]{1 1}) -> (f32[0,2]{})", 0},
    {"rows of nothing", 0, "(f32[2,0]{}, f32[0]{}) -> (f32[2,0]{}, f32[2,1]{nan nan}, f32[2,1]{nan nan})", 0},
    {0}};
static const op_case rms_cases[] = {
    {"last axis", 0, "(f32[2,2]{3 4 1 1}, f32[2]{1 2}; epsilon=0.0) -> (f32[2,2]{0.84852814 2.26274170 1 2})", 2e-7},
    {"epsilon", 0, "(f32[1,2]{0 0}, f32[2]{1 1}) -> (f32[1,2]{0 0})", 0},
    {"bf16", 0, "(bf16[1,2]{1 1}, bf16[2]{1 3}; epsilon=0.0) -> (bf16[1,2]{1 3})", 0},
    {0}};
static const op_case simplified_cases[] = {
    {"inverse too", 0, "(f32[1,2]{3 4}, f32[2]{1 2}; epsilon=0.0) -> (f32[1,2]{0.84852814 2.26274170}, f32[1,1]{0.28284271})", 2e-7},
    {"rows of nothing", 0, "(f32[1,0]{}, f32[0]{}) -> (f32[1,0]{}, f32[1,1]{nan})", 0},
    {0}};

#define NORM(name_, domain_, since_, max_in_, max_out_, summary_, cases_)                                              \
    {.name = name_, .domain = domain_, .since = since_, .min_in = 2, .max_in = max_in_, .min_out = 1,                  \
     .max_out = max_out_, .infer = infer, .eval = eval, .bind = norm_bind, .summary = summary_, HST_CASES(cases_)}

HST_OP(LayerNormalization) = NORM("LayerNormalization", "", 1, 3, 3, "rows of mean 0 and variance 1, scaled and shifted", layer_cases);
HST_OP(RMSNormalization) = NORM("RMSNormalization", "", 23, 2, 1, "rows of mean square 1, scaled", rms_cases);
HST_OP(SimplifiedLayerNormalization) = NORM("SimplifiedLayerNormalization", "", 1, 2, 2, "rows of mean square 1, scaled", simplified_cases);
HST_OP(com_microsoft_SimplifiedLayerNormalization) = NORM("SimplifiedLayerNormalization", "com.microsoft", 1, 2, 2, "rows of mean square 1, scaled", simplified_cases);
