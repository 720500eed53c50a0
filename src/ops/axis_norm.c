/* Normalisations along axes without parameters of their own; x's shape, f64 inside, sums in index order.
 *   LpNormalization             y = x / (sum |x|^p)^(1/p) along one axis, p 1 or 2; 0 where the norm is 0
 *   MeanVarianceNormalization   y = (x - mean) / (sqrt(mean of squares) + 1e-9), over the given axes ([0, 2, 3])
 *   LRN                         y = x / (bias + alpha / size * sum of x² over `size` neighbouring channels)^beta */
#include <math.h>

#include "ops/op.h"
#include "tensor/convert.h"

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    return HST_STATUS_OK;
}

static hst_status begin(eval_context *c, hst_tensor **y, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0);
    if (!dtype_is_float(x->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "data of type %s", dtype_name(x->dtype));
    return eval_output(c, 0, x->dtype, x->rank, x->dim, y, err);
}

static hst_status eval_lp(eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0);
    int64_t p = node_int(c->node, "p", 2), outer = 1, inner = 1;
    hst_tensor *y;
    int axis;
    if (p != 1 && p != 2) return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "p is %lld", (long long)p);
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", -1), x->rank, &axis, err));
    HST_TRY(begin(c, &y, err));
    if (tensor_count(x) == 0) return HST_STATUS_OK;
    int64_t n = x->dim[axis];
    for (int i = 0; i < axis; i++) outer *= x->dim[i];
    for (int i = axis + 1; i < x->rank; i++) inner *= x->dim[i];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t j = 0; j < inner; j++) {
            int64_t base = o * n * inner + j;
            double sum = 0;
            for (int64_t i = 0; i < n; i++) {
                double v = tensor_get_f64(x, base + i * inner);
                sum += p == 1 ? fabs(v) : v * v;
            }
            double norm = p == 1 ? sum : sqrt(sum);
            for (int64_t i = 0; i < n; i++)
                tensor_set_f64(y, base + i * inner, norm == 0 ? 0 : tensor_get_f64(x, base + i * inner) / norm);
        }
    return HST_STATUS_OK;
}

/* The number of the group that element i is averaged in. */
static int64_t group_of(const hst_tensor *x, const bool *reduced, int64_t i) {
    int64_t group = 0, scale = 1;
    for (int a = x->rank - 1; a >= 0; a--) {
        int64_t at = i % x->dim[a];
        i /= x->dim[a];
        if (reduced[a]) continue;
        group += at * scale;
        scale *= x->dim[a];
    }
    return group;
}

static hst_status eval_mvn(eval_context *c, hst_error *err) {
    static const int64_t usual[] = {0, 2, 3};
    const hst_tensor *x = eval_in(c, 0);
    const int64_t *axes = NULL;
    int n_axes = node_ints(c->node, "axes", &axes);
    bool reduced[HST_RANK_MAX];
    hst_tensor *y;
    void *memory;
    if (n_axes < 0) axes = usual, n_axes = 3;
    HST_TRY(axes_read(c->node, axes, n_axes, x->rank, NULL, reduced, err));
    HST_TRY(begin(c, &y, err));
    int64_t count = tensor_count(x), groups = 1;
    if (count == 0) return HST_STATUS_OK;
    for (int i = 0; i < x->rank; i++) groups *= reduced[i] ? 1 : x->dim[i];
    double n = (double)(count / groups);
    HST_TRY(eval_scratch(c, (size_t)groups * 2 * sizeof(double), &memory, err));
    double *mean = memory, *square = mean + groups;
    for (int64_t i = 0; i < 2 * groups; i++) mean[i] = 0;
    for (int64_t i = 0; i < count; i++) mean[group_of(x, reduced, i)] += tensor_get_f64(x, i);
    for (int64_t i = 0; i < groups; i++) mean[i] /= n;
    for (int64_t i = 0; i < count; i++) {
        int64_t g = group_of(x, reduced, i);
        double d = tensor_get_f64(x, i) - mean[g];
        square[g] += d * d;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t g = group_of(x, reduced, i);
        tensor_set_f64(y, i, (tensor_get_f64(x, i) - mean[g]) / (sqrt(square[g] / n) + 1e-9));
    }
    return HST_STATUS_OK;
}

static hst_status eval_lrn(eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0);
    double alpha = (double)node_float(c->node, "alpha", 1e-4f), beta = (double)node_float(c->node, "beta", 0.75f);
    double bias = (double)node_float(c->node, "bias", 1.0f);
    int64_t size = node_int(c->node, "size", 0), inner = 1;
    hst_tensor *y;
    if (size < 1 || x->rank < 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "size %lld, rank %d", (long long)size, x->rank);
    HST_TRY(begin(c, &y, err));
    if (tensor_count(x) == 0) return HST_STATUS_OK;
    int64_t channels = x->dim[1];
    int64_t back = size > channels ? channels : (size - 1) / 2, ahead = size > channels ? channels : size / 2;
    for (int i = 2; i < x->rank; i++) inner *= x->dim[i];
    for (int64_t i = 0, steps = 0; i < tensor_count(x); i++, steps += back + ahead + 1) {
        if (steps >= 1 << 18) {
            HST_TRY(c->runtime->check(c, err));
            steps = 0;
        }
        int64_t at = i / inner % channels, first = at > back ? at - back : 0;
        int64_t last = at + ahead < channels - 1 ? at + ahead : channels - 1;
        double sum = 0;
        for (int64_t k = first; k <= last; k++) {
            double v = tensor_get_f64(x, i + (k - at) * inner);
            sum += v * v;
        }
        tensor_set_f64(y, i, tensor_get_f64(x, i) / pow(bias + alpha / (double)size * sum, beta));
    }
    return HST_STATUS_OK;
}

// clang-format off
static const op_case lp_cases[] = {
    {"l2", 0, "(f32[2,2]{3 4 0 0}) -> (f32[2,2]{0.6 0.8 0 0})", 1e-7},
    {"l1, axis 0", 0, "(f32[2,2]{1 -2 3 2}; axis=0, p=1) -> (f32[2,2]{0.25 -0.5 0.75 0.5})", 1e-7},
    {NULL, 0, NULL, 0}};
static const op_case mvn_cases[] = {
    {"usual axes", 0, "(f32[1,2,1,2]{1 3 2 6}) -> (f32[1,2,1,2]{-1 1 -1 1})", 1e-6},
    {"axes", 0, "(f32[2,2]{1 3 5 3}; axes=[1]) -> (f32[2,2]{-1 1 1 -1})", 1e-6},
    {NULL, 0, NULL, 0}};
static const op_case lrn_cases[] = {
    {"three channels", 0, "(f32[1,3,1,1]{1 2 3}; size=3, alpha=3.0, beta=1.0, bias=1.0) -> (f32[1,3,1,1]{0.16666667 0.13333334 0.21428572})", 1e-6},
    {"even size looks ahead", 0, "(f32[1,3,1,1]{1 2 3}; size=2, alpha=2.0, beta=1.0, bias=1.0) -> (f32[1,3,1,1]{0.16666667 0.14285715 0.3})", 1e-6},
    {NULL, 0, NULL, 0}};

HST_OP(LpNormalization) = {.name = "LpNormalization", .domain = "", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .infer = infer, .eval = eval_lp, .summary = "division by the 1- or 2-norm along an axis", HST_CASES(lp_cases)};
HST_OP(MeanVarianceNormalization) = {.name = "MeanVarianceNormalization", .domain = "", .since = 9, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .infer = infer, .eval = eval_mvn, .summary = "zero mean and unit variance over axes", HST_CASES(mvn_cases)};
HST_OP(LRN) = {.name = "LRN", .domain = "", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .infer = infer, .eval = eval_lrn, .summary = "division by the energy of neighbouring channels", HST_CASES(lrn_cases)};
// clang-format on
