/* Rows of any float dtype through the norm kernel: see norm.h. */
#include "ops/norm.h"

#include <math.h>

#include "tensor/broadcast.h"
#include "tensor/convert.h"

int64_t norm_product(const hst_tensor *t, int begin, int end) {
    int64_t n = 1;
    for (int i = begin; i < end; i++) n *= t->dim[i];
    return n;
}

/* A tensor's elements as f32: its own data, or widened into scratch. */
static hst_status widened(eval_context *c, const hst_tensor *t, const float **out, hst_error *err) {
    void *scratch;
    int64_t n = t ? tensor_count(t) : 0;
    *out = t ? t->data : NULL;
    if (!t || t->dtype == HST_DTYPE_F32) return HST_STATUS_OK;
    HST_TRY(eval_scratch(c, (size_t)n * 4, &scratch, err));
    if (t->dtype == HST_DTYPE_F16) kernels_get()->widen_f16_f32(n, t->data, scratch);
    else convert_to_f32(t->dtype, t->data, 0, scratch, n);
    *out = scratch;
    return HST_STATUS_OK;
}

/* True where t is one row of n: x's last dimensions, with nothing but ones before. */
static bool is_row(const norm_call *a, const hst_tensor *t) {
    int64_t n = 1;
    int k = 1;
    if (tensor_count(t) != a->n) return false;
    for (; k <= t->rank && k <= a->x->rank && n < a->n; k++) {
        if (t->dim[t->rank - k] != a->x->dim[a->x->rank - k]) return false;
        n *= t->dim[t->rank - k];
    }
    return n == a->n; /* the count says that the rest is ones */
}

/* Gamma or beta: *step is 0 where one row of n serves all, else n. */
static hst_status scale_of(eval_context *c, const norm_call *a, const hst_tensor *t, const float **out, int64_t *step,
                           hst_error *err) {
    const hst_tensor *both[2] = {a->x, t};
    int rank;
    int64_t dims[HST_RANK_MAX], count;
    void *scratch;
    *step = 0;
    HST_TRY(widened(c, t, out, err));
    if (!t || is_row(a, t)) return HST_STATUS_OK;
    hst_status status = broadcast_shape(both, 2, &rank, dims, err);
    if (status == HST_STATUS_OK) status = shape_count(rank, dims, &count, err);
    *step = a->n;
    if (status != HST_STATUS_OK || rank != a->x->rank || count != a->rows * a->n)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "scale or bias of %lld elements does not fit rows of %lld",
                          (long long)tensor_count(t), (long long)a->n);
    HST_TRY(eval_scratch(c, (size_t)count * 4, &scratch, err));
    broadcast_walk w;
    broadcast_begin(&w, rank, dims, &t, 1);
    while (broadcast_next(&w))
        for (int64_t i = 0; i < w.run; i++)
            ((float *)scratch)[w.output + i] = (*out)[w.offset[0] + i * w.step[0]];
    *out = scratch;
    return HST_STATUS_OK;
}

typedef struct rows_job {
    norm_rows all;
    int64_t residual_rows, gamma_step, beta_step;
} rows_job;

static void rows_part(void *arg, const team_context *ctx) {
    const rows_job *j = arg;
    int64_t begin, end, n = j->all.n;
    team_split(j->all.rows, 1, ctx, &begin, &end);
    bool simple = !j->gamma_step && !j->beta_step && (!j->all.residual || j->residual_rows == j->all.rows);
    int64_t block = simple ? end - begin : 1;
    for (int64_t r = begin; r < end; r += block) {
        norm_rows a = j->all;
        a.rows = block;
        a.x += r * n;
        a.y += r * n;
        if (a.residual) a.residual += r % j->residual_rows * n;
        if (a.gamma) a.gamma += r * j->gamma_step;
        if (a.beta) a.beta += r * j->beta_step;
        if (a.sum) a.sum += r * n;
        if (a.mean) a.mean += r;
        if (a.inv) a.inv += r;
        kernels_get()->norm_f32(&a);
    }
}

/* Where a result is to be computed: the tensor itself or scratch. */
static hst_status result(eval_context *c, hst_tensor *t, float **out, hst_error *err) {
    void *scratch;
    *out = t ? t->data : NULL;
    if (!t || t->dtype == HST_DTYPE_F32) return HST_STATUS_OK;
    HST_TRY(eval_scratch(c, (size_t)tensor_count(t) * 4, &scratch, err));
    *out = scratch;
    return HST_STATUS_OK;
}

static void rounded(hst_tensor *t, const float *from) {
    if (t && t->dtype != HST_DTYPE_F32) convert_from_f32(t->dtype, from, t->data, 0, tensor_count(t));
}

static hst_status run_f32(eval_context *c, const norm_call *a, hst_error *err) {
    rows_job j = {.all = {.rows = a->rows, .n = a->n, .epsilon = a->epsilon, .rms = a->rms}};
    HST_TRY(widened(c, a->x, &j.all.x, err));
    HST_TRY(widened(c, a->residual, &j.all.residual, err));
    HST_TRY(widened(c, a->bias, &j.all.bias, err));
    HST_TRY(scale_of(c, a, a->gamma, &j.all.gamma, &j.gamma_step, err));
    HST_TRY(scale_of(c, a, a->beta, &j.all.beta, &j.beta_step, err));
    HST_TRY(result(c, a->y, &j.all.y, err));
    HST_TRY(result(c, a->sum, &j.all.sum, err));
    HST_TRY(result(c, a->mean, &j.all.mean, err));
    HST_TRY(result(c, a->inv, &j.all.inv, err));
    j.residual_rows = a->residual ? tensor_count(a->residual) / a->n : 1;
    if (a->rows * a->n >= 16384 && a->rows > 1 && c->team) team_run(c->team, 0, rows_part, &j);
    else rows_part(&j, &(team_context){.workers = 1});
    rounded(a->y, j.all.y);
    rounded(a->sum, j.all.sum);
    rounded(a->mean, j.all.mean);
    rounded(a->inv, j.all.inv);
    return HST_STATUS_OK;
}

/* ---- f64 ---- */

/* The element of t, broadcast to x's shape, that belongs to element `at` of x. */
static double scale_f64(const norm_call *a, const hst_tensor *t, int64_t at, double otherwise) {
    int64_t offset = 0, step = 1;
    if (!t) return otherwise;
    for (int k = 1; k <= t->rank; k++) {
        int64_t d = t->dim[t->rank - k], of_x = a->x->dim[a->x->rank - k];
        if (d != 1) offset += at % of_x * step;
        step *= d;
        at /= of_x;
    }
    return tensor_get_f64(t, offset);
}

static hst_status run_f64(eval_context *c, const norm_call *a, hst_error *err) {
    const hst_tensor *all[3] = {a->x, a->gamma, a->beta};
    int rank;
    int64_t dims[HST_RANK_MAX], count = 0;
    for (int k = 1; k < 3; k++) {
        const hst_tensor *both[2] = {all[0], all[k]};
        if (!all[k]) continue;
        hst_status status = broadcast_shape(both, 2, &rank, dims, err);
        if (status == HST_STATUS_OK) status = shape_count(rank, dims, &count, err);
        if (status != HST_STATUS_OK || rank != a->x->rank || count != a->rows * a->n)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "scale or bias of %lld elements for rows of %lld",
                              (long long)tensor_count(all[k]), (long long)a->n);
    }
    void *scratch;
    HST_TRY(eval_scratch(c, (size_t)a->n * 8, &scratch, err));
    double *s = scratch, n = (double)a->n;
    int64_t repeat = a->residual ? tensor_count(a->residual) : 1;
    for (int64_t r = 0; r < a->rows; r++) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < a->n; i++) {
            s[i] = tensor_get_f64(a->x, r * a->n + i);
            if (a->residual) s[i] += tensor_get_f64(a->residual, (r * a->n + i) % repeat);
            if (a->bias) s[i] += tensor_get_f64(a->bias, i);
            if (a->sum) tensor_set_f64(a->sum, r * a->n + i, s[i]);
            mean += s[i];
        }
        mean = a->rms ? 0 : mean / n;
        for (int64_t i = 0; i < a->n; i++) square += (s[i] - mean) * (s[i] - mean);
        double inv = 1 / sqrt(square / n + (double)a->epsilon);
        for (int64_t i = 0; i < a->n; i++)
            tensor_set_f64(a->y, r * a->n + i,
                           (s[i] - mean) * inv * scale_f64(a, a->gamma, r * a->n + i, 1) +
                               scale_f64(a, a->beta, r * a->n + i, 0));
        if (a->mean) tensor_set_f64(a->mean, r, mean);
        if (a->inv) tensor_set_f64(a->inv, r, inv);
    }
    return HST_STATUS_OK;
}

static void nothing(hst_tensor *t) {
    for (int64_t i = 0; t && i < tensor_count(t); i++) tensor_set_f64(t, i, (double)NAN);
}

hst_status norm_run(eval_context *c, const norm_call *a, hst_error *err) {
    const hst_tensor *all[] = {a->x, a->residual, a->bias, a->gamma, a->beta};
    static const char *const names[] = {"input", "skip", "bias", "scale", "beta"};
    for (int k = 0; k < 5; k++)
        if (all[k] && !dtype_is_float(all[k]->dtype))
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%s is %s, needs a float type", names[k],
                              dtype_name(all[k]->dtype));
    if (a->rows == 0 || a->n == 0) { /* rows of nothing have no mean */
        nothing(a->mean);
        nothing(a->inv);
        return HST_STATUS_OK;
    }
    int64_t repeat = a->residual ? tensor_count(a->residual) : a->n;
    if (repeat == 0 || repeat % a->n || a->rows * a->n % repeat)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "skip of %lld elements does not fit %lld rows of %lld",
                          (long long)repeat, (long long)a->rows, (long long)a->n);
    if (a->bias && tensor_count(a->bias) != a->n)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "bias has %lld elements, rows have %lld",
                          (long long)tensor_count(a->bias), (long long)a->n);
    return a->x->dtype == HST_DTYPE_F64 ? run_f64(c, a, err) : run_f32(c, a, err);
}

static hst_status run_eval(const void *state, eval_context *c, hst_error *err) {
    (void)state;
    return c->node->op->eval(c, err);
}

hst_status norm_bind(bind_context *c, hst_error *err) {
    (void)err;
    c->run = run_eval;
    c->kernel = kernels_chosen(offsetof(kernels, norm_f32))->name;
    return HST_STATUS_OK;
}
