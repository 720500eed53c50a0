/* Det: x [..., n, n] -> the determinants [...], by elimination with the greatest pivot, in f64. */
#include <math.h>

#include "ops/sliding.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    c->out[0].dtype = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    if (x->rank < 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input has rank %d, needs matrices", x->rank);
    c->out[0] = *x;
    c->out[0].rank -= 2;
    return HST_STATUS_OK;
}

static void determinant(const void *arg, int64_t i, const double *x, double *y, double *a) {
    (void)i;
    const int64_t n = *(const int64_t *)arg;
    double d = 1;
    for (int64_t k = 0; k < n * n; k++) a[k] = x[k];
    for (int64_t k = 0; k < n && d != 0; k++) {
        int64_t pivot = k;
        for (int64_t r = k + 1; r < n; r++)
            if (fabs(a[r * n + k]) > fabs(a[pivot * n + k])) pivot = r;
        for (int64_t j = 0; pivot != k && j < n; j++) {
            const double t = a[k * n + j];
            a[k * n + j] = a[pivot * n + j];
            a[pivot * n + j] = t;
        }
        d *= pivot == k ? a[k * n + k] : -a[k * n + k];
        for (int64_t r = k + 1; r < n && d != 0; r++) {
            const double f = a[r * n + k] / a[k * n + k];
            for (int64_t j = k + 1; j < n; j++) a[r * n + j] -= f * a[k * n + j];
        }
    }
    *y = d;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(planes_check(c->node, x, 2, "X", err));
    const int64_t n = x->dim[x->rank - 1];
    if (x->dim[x->rank - 2] != n)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld x %lld is not square",
                          (long long)x->dim[x->rank - 2], (long long)n);
    HST_TRY(eval_output(c, 0, x->dtype, x->rank - 2, x->dim, &y, err));
    int64_t size;
    if (!s64_mul(n, n, &size)) return error_no_memory(err, SIZE_MAX, "a matrix");
    return planes_run(c, x, size, y, 1, tensor_count(y), size, (double)size * (double)n, determinant, &n, err);
}

// clang-format off
static const op_case cases[] = {
    {"2x2", 11, "(f32[2,2]{0 1 2 3}) -> (f32[]{-2})", 0},
    {"batch, a singular one", 0, "(f64[2,2,2]{1 2 3 4 1 2 2 4}) -> (f64[2]{-2 0})", 1e-12},
    {"nothing", 0, "(f32[1,0,0]{}) -> (f32[1]{1})", 0},
    {0}};
// clang-format on

HST_OP(Det) = {.name = "Det",
               .domain = "",
               .since = 11,
               .min_in = 1,
               .max_in = 1,
               .min_out = 1,
               .max_out = 1,
               .infer = infer,
               .eval = eval,
               .summary = "determinants of square matrices",
               HST_CASES(cases)};
