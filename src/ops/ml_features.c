/* Features (ai.onnx.ml), x [d…, F].
 *   Scaler (x - offset) scale      Normalizer  rows divided by their MAX, L1 or L2 norm     Binarizer  x > threshold
 *   Imputer  a value (or NaN) replaced by one for all or one a feature       FeatureVectorizer  inputs side by side
 *   ArrayFeatureExtractor  places of the last axis */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "ops/ml.h"

static hst_status infer_same(infer_context *c, hst_error *err) {
    bool floats = c->node->op_type[0] == 'S' || c->node->op_type[0] == 'N';
    (void)err;
    c->out[0] = *infer_in(c, 0);
    if (floats) c->out[0].dtype = HST_DTYPE_F32;
    return HST_STATUS_OK;
}

/* Element i of a list that has one for all or one a feature. */
static double pick(const float *list, int64_t n, int64_t i) {
    return (double)list[n == 1 ? 0 : i];
}

static void normalize(double *y, int64_t n, char kind) {
    double norm = 0;
    for (int64_t k = 0; k < n; k++) {
        double a = fabs(y[k]);
        norm = kind == 'M' ? fmax(norm, a) : norm + (kind == '1' ? a : a * a);
    }
    if (kind == '2') norm = sqrt(norm);
    for (int64_t k = 0; k < n && norm > 0; k++) y[k] /= norm;
}

static hst_status eval_map(eval_context *c, hst_error *err) {
    const node *n = c->node;
    const hst_tensor *x;
    const double *from;
    carry y;
    int64_t n_a = 0, n_b = 0, n_values = 0, features;
    char kind = n->op_type[0];
    HST_TRY(eval_need(c, 0, "X", &x, err));
    features = x->rank ? x->dim[x->rank - 1] : 1;
    const float *a = ml_floats(n, kind == 'S' ? "offset" : "imputed_value_floats", &n_a);
    const float *b = ml_floats(n, "scale", &n_b);
    const int64_t *values = ml_ints(n, "imputed_value_int64s", &n_values);
    bool integers = kind == 'I' && !a;
    if (integers) n_a = n_values;
    const char *norm = node_string(n, "norm", "MAX");
    if ((n_a && n_a != 1 && n_a != features) || (n_b && n_b != 1 && n_b != features) || (kind == 'I' && !n_a))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "lists of %lld and %lld for %lld features", (long long)n_a,
                          (long long)n_b, (long long)features);
    HST_TRY(carry_in(c, x, "X", &from, err));
    HST_TRY(carry_out(c, 0, kind == 'S' || kind == 'N' ? HST_DTYPE_F32 : x->dtype, x->rank, x->dim, &y, err));
    double threshold = (double)node_float(n, "threshold", 0);
    double replaced =
        integers ? (double)node_int(n, "replaced_value_int64", 0) : (double)node_float(n, "replaced_value_float", 0);
    for (int64_t i = 0, count = tensor_count(x); i < count; i++) {
        int64_t f = i % features;
        double v = from[i];
        if (kind == 'S') v = (v - (a ? pick(a, n_a, f) : 0)) * (b ? pick(b, n_b, f) : 1);
        if (kind == 'B') v = v > threshold;
        if (kind == 'I' && (v == replaced || (isnan(replaced) && isnan(v))))
            v = a ? pick(a, n_a, f) : (double)values[n_a == 1 ? 0 : f];
        y.x[i] = v;
    }
    for (int64_t r = 0; kind == 'N' && features && r < tensor_count(x) / features; r++)
        normalize(y.x + r * features, features, norm[0] == 'M' ? 'M' : norm[1]);
    carry_done(&y);
    return HST_STATUS_OK;
}

/* ---- FeatureVectorizer ---- */

static hst_status infer_vectorizer(infer_context *c, hst_error *err) {
    int64_t n, sum = 0;
    const int64_t *widths = ml_ints(c->node, "inputdimensions", &n);
    const type *x = infer_in(c, 0);
    (void)err;
    for (int64_t k = 0; k < n && sum >= 0; k++)
        if (widths[k] < 0 || !s64_add(sum, widths[k], &sum)) sum = -1;
    c->out[0] = (type){.dtype = HST_DTYPE_F32, .rank = 2};
    c->out[0].dim[0] = x->rank >= 1 && c->n_in == 1 && x->rank == 2 ? x->dim[0] : dim_symbol(c->model, "");
    c->out[0].dim[1] = n == c->n_in && sum >= 0 ? sum : dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

static hst_status eval_vectorizer(eval_context *c, hst_error *err) {
    int64_t n, dims[2] = {0, 0};
    const int64_t *widths = ml_ints(c->node, "inputdimensions", &n);
    hst_tensor *y;
    if (widths && n != c->n_in)
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "%lld inputdimensions for %d inputs", (long long)n,
                          c->n_in);
    for (int k = 0; k < c->n_in; k++) {
        const hst_tensor *x;
        HST_TRY(eval_need(c, k, "X", &x, err));
        int64_t width = widths ? widths[k] : x->rank == 2 ? x->dim[1] : 1;
        if (k == 0) dims[0] = x->rank ? x->dim[0] : 1;
        if (x->rank < 1 || x->rank > 2 || x->dim[0] != dims[0] || dtype_bits(x->dtype) == 0 || width < 0 ||
            !s64_add(dims[1], width, &dims[1]))
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d has rank %d, or other rows than input 0", k,
                              x->rank);
    }
    HST_TRY(eval_output(c, 0, HST_DTYPE_F32, 2, dims, &y, err));
    if (y->bytes) memset(y->data, 0, y->bytes);
    int64_t at = 0;
    for (int k = 0; k < c->n_in; k++) {
        const hst_tensor *x = c->in[k];
        int64_t have = x->rank == 2 ? x->dim[1] : 1, width = widths ? widths[k] : have;
        for (int64_t r = 0; r < dims[0]; r++)
            for (int64_t f = 0; f < width && f < have; f++)
                ((float *)y->data)[r * dims[1] + at + f] = (float)tensor_get_f64(x, r * have + f);
        at += width;
    }
    return HST_STATUS_OK;
}

/* ---- ArrayFeatureExtractor ---- */

static hst_status infer_extractor(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    (void)err;
    c->out[0].dtype = x->dtype;
    if (x->rank < 1) return HST_STATUS_OK;
    c->out[0].rank = x->rank == 1 ? 2 : x->rank;
    for (int k = 0; k < x->rank - 1; k++) c->out[0].dim[k] = x->dim[k];
    if (x->rank == 1) c->out[0].dim[0] = 1;
    /* Files declare another number of columns than they compute, and run elsewhere: it is left open. */
    c->out[0].dim[c->out[0].rank - 1] = dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

static hst_status eval_extractor(eval_context *c, hst_error *err) {
    const hst_tensor *x, *places;
    const int64_t *index;
    const void *from;
    void *to;
    int64_t dims[HST_RANK_MAX], at;
    hst_tensor *y;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(eval_need(c, 1, "Y", &places, err));
    HST_TRY(move_indices(c, places, "Y", &index, err));
    if (x->rank < 1) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the input has rank 0");
    int rank = x->rank == 1 ? 2 : x->rank;
    int64_t n = tensor_count(places), width = x->dim[x->rank - 1];
    for (int k = 0; k < rank - 1; k++) dims[k] = x->rank == 1 ? 1 : x->dim[k];
    dims[rank - 1] = n;
    for (int64_t k = 0; k < n; k++)
        if (index[k] < 0)
            HST_TRY(move_index(c, INT64_MAX, width, rank - 1, &at, err));
        else
            HST_TRY(move_index(c, index[k], width, rank - 1, &at, err));
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, rank, dims, &y, &to, err));
    size_t size = move_size(x->dtype);
    int64_t rows = width ? tensor_count(x) / width : 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < n; k++)
            memcpy((char *)to + (size_t)(r * n + k) * size, (const char *)from + (size_t)(r * width + index[k]) * size,
                   size);
    return move_done(y, to, err);
}

// clang-format off
static const op_case scaler_cases[] = {
    {"a feature", 0, "(s64[2,2]{1 2 3 4}; offset=[1.0,0.0], scale=[2.0,0.5]) -> (f32[2,2]{0 1 4 2})", 0},
    {"all", 0, "(f32[2]{1 2}; offset=[1.0], scale=[3.0]) -> (f32[2]{0 3})", 0}, {0}};
static const op_case normalizer_cases[] = {
    {"max", 0, "(f32[2,2]{1 -4 0 0}) -> (f32[2,2]{0.25 -1 0 0})", 0},
    {"l1", 0, "(f64[1,2]{1 -3}; norm=\"L1\") -> (f32[1,2]{0.25 -0.75})", 0},
    {"l2", 0, "(s32[1,2]{3 4}; norm=\"L2\") -> (f32[1,2]{0.6 0.8})", 1e-7}, {0}};
static const op_case binarizer_cases[] = {
    {"threshold", 0, "(f32[3]{0 1 2}; threshold=1.0) -> (f32[3]{0 0 1})", 0}, {"integers", 0, "(s64[2]{0 1}) -> (s64[2]{0 1})", 0}, {0}};
static const op_case imputer_cases[] = {
    {"NaN", 0, "(f32[2,2]{nan 1 2 nan}; replaced_value_float=nan, imputed_value_floats=[5.0,6.0]) -> (f32[2,2]{5 1 2 6})", 0},
    {"integers", 0, "(s64[1,2]{-1 3}; replaced_value_int64=-1, imputed_value_int64s=[7]) -> (s64[1,2]{7 3})", 0}, {0}};
static const op_case vectorizer_cases[] = {
    {"two inputs", 0, "(f32[2,2]{1 2 3 4}, s64[2]{5 6}; inputdimensions=[2,1]) -> (f32[2,3]{1 2 5 3 4 6})", 0}, {0}};
static const op_case extractor_cases[] = {
    {"columns", 0, "(s32[2,3]{1 2 3 4 5 6}, s64[2]{2 0}) -> (s32[2,2]{3 1 6 4})", 0},
    {"a vector", 0, "(string[2]{\"a\" \"b\"}, s64[1,1]{1}) -> (string[1,1]{\"b\"})", 0}, {0}};

#define FEATURES(name_, least_, most_, infer_, eval_, summary_, cases_)                                                \
    {.name = name_, .domain = "ai.onnx.ml", .since = 1, .min_in = least_, .max_in = most_, .min_out = 1, .max_out = 1, \
     .infer = infer_, .eval = eval_, .summary = summary_, HST_CASES(cases_)

HST_OP(ai_onnx_ml_Scaler) = FEATURES("Scaler", 1, 1, infer_same, eval_map, "features moved and scaled", scaler_cases)};
HST_OP(ai_onnx_ml_Normalizer) = FEATURES("Normalizer", 1, 1, infer_same, eval_map, "rows of norm 1", normalizer_cases)};
HST_OP(ai_onnx_ml_Binarizer) = FEATURES("Binarizer", 1, 1, infer_same, eval_map, "1 beyond a threshold, else 0", binarizer_cases)};
HST_OP(ai_onnx_ml_Imputer) = FEATURES("Imputer", 1, 1, infer_same, eval_map, "missing values replaced", imputer_cases)};
HST_OP(ai_onnx_ml_FeatureVectorizer) = FEATURES("FeatureVectorizer", 1, OP_ANY, infer_vectorizer, eval_vectorizer, "features side by side", vectorizer_cases)};
HST_OP(ai_onnx_ml_ArrayFeatureExtractor) = FEATURES("ArrayFeatureExtractor", 2, 2, infer_extractor, eval_extractor, "chosen features", extractor_cases)};
// clang-format on
