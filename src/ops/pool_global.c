/* GlobalAveragePool, GlobalMaxPool, GlobalLpPool: x [N, C, d1, …] -> y [N, C, 1, …], over all spatial elements; f64
 * inside. */
#include <math.h>
#include <string.h>

#include "ops/sliding.h"

typedef struct job {
    char kind; /* 'a', 'm' or 'l' */
    int64_t n;
    double p;
} job;

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    const type *x = infer_in(c, 0);
    c->out[0] = *x;
    for (int k = 2; k < x->rank; k++) c->out[0].dim[k] = 1;
    return HST_STATUS_OK;
}

static void plane(const void *arg, int64_t i, const double *x, double *y, double *scratch) {
    (void)i, (void)scratch;
    const job *j = arg;
    double s = j->kind == 'm' ? -INFINITY : 0;
    for (int64_t k = 0; k < j->n; k++) {
        if (j->kind == 'm')
            s = x[k] > s || x[k] != x[k] ? x[k] : s;
        else
            s += j->kind == 'a' ? x[k] : j->p == 2 ? x[k] * x[k] : pow(fabs(x[k]), j->p);
    }
    *y = j->kind == 'a' ? s / (double)j->n : j->kind == 'l' ? j->p == 2 ? sqrt(s) : pow(s, 1 / j->p) : s;
}

static hst_status eval_kind(eval_context *c, char kind, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    int64_t dims[HST_RANK_MAX], n = 1;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(planes_check(c->node, x, 2, "X", err));
    memcpy(dims, x->dim, sizeof dims);
    for (int k = 2; k < x->rank; k++) n = tensor_count(x) ? n * x->dim[k] : 0, dims[k] = 1;
    const attribute *p = node_attribute(c->node, "p");
    const job j = {kind, n, p && p->type == ATTRIBUTE_FLOAT ? (double)p->as.f : (double)node_int(c->node, "p", 2)};
    if (kind == 'l' && !(j.p > 0)) return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "p is %g", j.p);
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, dims, &y, err));
    if (kind == 'a' && n > 0 && x->dtype == HST_DTYPE_F32 && (uintptr_t)x->data % sizeof(float) == 0)
        return pool_average_f32(c, tensor_count(y), n, x->data, y->data, err);
    return planes_run(c, x, n, y, 1, tensor_count(y), 0, 0, plane, &j, err);
}

static hst_status eval_max(eval_context *c, hst_error *err) {
    return eval_kind(c, 'm', err);
}
static hst_status eval_average(eval_context *c, hst_error *err) {
    return eval_kind(c, 'a', err);
}
static hst_status eval_lp(eval_context *c, hst_error *err) {
    return eval_kind(c, 'l', err);
}

// clang-format off
static const op_case max_cases[] = {
    {"max", 0, "(f32[1,2,1,2]{1 2 4 3}) -> (f32[1,2,1,1]{2 4})", 0}, {0}};
static const op_case average_cases[] = {
    {"average", 1, "(f16[1,2,3]{1 2 3 4 5 9}) -> (f16[1,2,1]{2 6})", 0}, {0}};
static const op_case lp_cases[] = {
    {"p 2", 0, "(f64[1,1,2]{3 4}) -> (f64[1,1,1]{5})", 0},
    {"p 1", 2, "(f32[1,1,2]{3 -4}; p=1) -> (f32[1,1,1]{7})", 0}, {0}};

HST_OP(GlobalMaxPool) = {.name = "GlobalMaxPool", .domain = "", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .infer = infer, .eval = eval_max, .summary = "greatest element of each channel", HST_CASES(max_cases)};
HST_OP(GlobalAveragePool) = {.name = "GlobalAveragePool", .domain = "", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .infer = infer, .eval = eval_average, .summary = "mean of each channel", HST_CASES(average_cases)};
HST_OP(GlobalLpPool) = {.name = "GlobalLpPool", .domain = "", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .infer = infer, .eval = eval_lp, .summary = "p-norm of each channel", HST_CASES(lp_cases)};
// clang-format on
