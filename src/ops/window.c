/* What signal processing multiplies by, made from numbers.
 * HannWindow, HammingWindow, BlackmanWindow: size N -> [N], a0 - a1 cos(2 pi k / M) + a2 cos(4 pi k / M), M = N where
 * periodic, N - 1 else. MelWeightMatrix: -> [dft_length / 2 + 1, mel bins], triangles of height 1 whose corners are
 * evenly spaced in mel, mel(f) = 2595 log10(1 + f / 700). */
#include <math.h>

#include "ops/carry.h"

#define PI 3.14159265358979323846

static hst_status infer(infer_context *c, hst_error *err) {
    int64_t n;
    HST_TRY(carry_dtype(c->node, "output_datatype", HST_DTYPE_F32, &c->out[0].dtype, err));
    c->out[0].rank = 1;
    c->out[0].dim[0] = infer_ints(c, 0, &n, 1) == 1 && n >= 0 ? n : dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    hst_dtype d;
    int64_t n;
    carry y;
    char kind = c->node->op_type[2]; /* Ha*n*n, Ha*m*ming, Bl*a*ckman */
    HST_TRY(carry_dtype(c->node, "output_datatype", HST_DTYPE_F32, &d, err));
    HST_TRY(carry_int(c, 0, "size", &n, err));
    HST_TRY(carry_out(c, 0, d, 1, &n, &y, err));
    double m = (double)(node_int(c->node, "periodic", 1) ? n : n - 1);
    for (int64_t k = 0; k < n; k++) {
        double x = m > 0 ? PI * (double)k / m : PI / 2;
        if (kind == 'n')
            y.x[k] = sin(x) * sin(x);
        else if (kind == 'm')
            y.x[k] = 25.0 / 46 - 21.0 / 46 * cos(2 * x);
        else
            y.x[k] = 0.42 - 0.5 * cos(2 * x) + 0.08 * cos(4 * x);
    }
    carry_done(&y);
    return HST_STATUS_OK;
}

static hst_status infer_mel(infer_context *c, hst_error *err) {
    int64_t n;
    type *y = &c->out[0];
    HST_TRY(carry_dtype(c->node, "output_datatype", HST_DTYPE_F32, &y->dtype, err));
    y->rank = 2;
    y->dim[0] = infer_ints(c, 1, &n, 1) == 1 && n >= 0 ? n / 2 + 1 : dim_symbol(c->model, "");
    y->dim[1] = infer_ints(c, 0, &n, 1) == 1 && n >= 0 ? n : dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

static double mel(double hertz) {
    return 2595 * log1p(hertz / 700) / log(10);
}

static hst_status eval_mel(eval_context *c, hst_error *err) {
    hst_dtype d;
    int64_t bins, length, rate, dims[2], corner[3];
    double low, high;
    carry y;
    HST_TRY(carry_dtype(c->node, "output_datatype", HST_DTYPE_F32, &d, err));
    HST_TRY(carry_int(c, 0, "num_mel_bins", &bins, err));
    HST_TRY(carry_int(c, 1, "dft_length", &length, err));
    HST_TRY(carry_int(c, 2, "sample_rate", &rate, err));
    HST_TRY(carry_number(c, 3, "lower_edge_hertz", &low, err));
    HST_TRY(carry_number(c, 4, "upper_edge_hertz", &high, err));
    dims[0] = length / 2 + 1;
    dims[1] = bins;
    double last = ((double)length + 1) * high / (double)rate;
    if (bins < 0 || length < 1 || rate < 1 || !(low >= 0) || !(low <= high) || !(last < (double)dims[0] + 1))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "%lld mel bins from %g to %g Hz with dft_length %lld and sample_rate %lld", (long long)bins,
                          low, high, (long long)length, (long long)rate);
    HST_TRY(carry_out(c, 0, d, 2, dims, &y, err));
    for (int64_t k = 0, n = tensor_count(y.t); k < n; k++) y.x[k] = 0;
    double first = mel(low), step = (mel(high) - first) / (double)(bins + 2);
    for (int64_t i = 0; i < bins; i++) {
        for (int k = 0; k < 3; k++) {
            double hertz = 700 * expm1(((double)(i + k) * step + first) / 2595 * log(10));
            corner[k] = (int64_t)floor(((double)length + 1) * hertz / (double)rate);
        }
        if (corner[1] == corner[0] && corner[1] < dims[0]) y.x[corner[1] * bins + i] = 1;
        for (int64_t k = corner[0]; k <= corner[1] && corner[0] < corner[1] && k < dims[0]; k++)
            y.x[k * bins + i] = (double)(k - corner[0]) / (double)(corner[1] - corner[0]);
        for (int64_t k = corner[1]; k < corner[2] && k < dims[0]; k++)
            y.x[k * bins + i] = (double)(corner[2] - k) / (double)(corner[2] - corner[1]);
    }
    carry_done(&y);
    return HST_STATUS_OK;
}

// clang-format off
static const op_case hann_cases[] = {
    {"periodic", 0, "(s64[]{4}) -> (f32[4]{0 0.5 1 0.5})", 1e-7},
    {"symmetric", 0, "(s32[]{5}; periodic=0, output_datatype=11) -> (f64[5]{0 0.5 1 0.5 0})", 1e-15},
    {"one", 0, "(s64[]{1}; periodic=0) -> (f32[1]{1})", 0}, {"none", 0, "(s64[]{0}) -> (f32[0]{})", 0}, {0}};
static const op_case hamming_cases[] = {
    {"periodic", 0, "(s64[]{2}) -> (f32[2]{0.08695652 1})", 1e-7}, {0}};
static const op_case blackman_cases[] = {
    {"symmetric", 0, "(s64[]{3}; periodic=0) -> (f32[3]{0 1 0})", 1e-7}, {0}};
static const op_case mel_cases[] = {
    {"small", 0, "(s64[]{2}, s64[]{8}, s64[]{80}, f32[]{0}, f32[]{40}) -> (f32[5,2]{0 0 1 0 0 1 0 0 0 0})", 1e-6}, {0}};

#define WINDOW(name_, cases_)                                                                                          \
    {.name = name_, .domain = "", .since = 17, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1, .infer = infer,   \
     .eval = eval, .summary = "a window of a given size", HST_CASES(cases_)}

HST_OP(HannWindow) = WINDOW("HannWindow", hann_cases);
HST_OP(HammingWindow) = WINDOW("HammingWindow", hamming_cases);
HST_OP(BlackmanWindow) = WINDOW("BlackmanWindow", blackman_cases);
HST_OP(MelWeightMatrix) = {.name = "MelWeightMatrix", .domain = "", .since = 17, .min_in = 5, .max_in = 5, .min_out = 1,
                           .max_out = 1, .infer = infer_mel, .eval = eval_mel,
                           .summary = "weights that turn a spectrum into mel bins", HST_CASES(mel_cases)};
// clang-format on
