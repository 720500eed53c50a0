/* The same work on every plane of a tensor, in f64, over the team: see ops/sliding.h. */
#include "base/checked.h"
#include "ops/sliding.h"
#include "tensor/convert.h"

enum {
    AT_ONCE = 1 << 20, /* steps between two questions whether the run should stop */
    LEAST = 1 << 14    /* fewer are not worth a second worker */
};

typedef struct job {
    const hst_tensor *x;
    hst_tensor *y;
    int64_t in, out, first, last;
    int64_t each; /* f64s of a worker's memory */
    double *memory;
    plane_fn *fn;
    const void *arg;
} job;

/* The real parts as a plane, then the imaginary ones: for operators that are linear in x. */
static void complex_plane(const job *j, int64_t i, double *x, double *y, double *scratch) {
    const hst_dtype part = dtype_part(j->y->dtype);
    for (int second = 0; second < 2; second++) {
        for (int64_t k = 0; k < j->in; k++) x[k] = tensor_get_part(j->x, (i * j->in + k) * 2 + second);
        j->fn(j->arg, i, x, y, scratch);
        for (int64_t k = 0; k < j->out; k++)
            convert_from_f64(part, y + k, j->y->data, (i * j->out + k) * 2 + second, 1);
    }
}

static void work(void *arg, const team_context *ctx) {
    const job *j = arg;
    int64_t begin, end;
    double *x = j->memory + ctx->worker * j->each, *y = x + j->in, *scratch = y + j->out;
    team_split(j->last - j->first, 1, ctx, &begin, &end);
    for (int64_t i = j->first + begin; i < j->first + end; i++) {
        if (dtype_part(j->y->dtype)) {
            complex_plane(j, i, x, y, scratch);
            continue;
        }
        if (j->x) convert_to_f64(j->x->dtype, j->x->data, i * j->in, x, j->in);
        j->fn(j->arg, i, x, y, scratch);
        convert_from_f64(j->y->dtype, y, j->y->data, i * j->out, j->out);
    }
}

bool planes_stop(const eval_context *c) {
    return c->runtime->check && c->runtime->check((eval_context *)(uintptr_t)c, NULL) != HST_STATUS_OK;
}

hst_status planes_run(eval_context *c, const hst_tensor *x, int64_t in, hst_tensor *y, int64_t out, int64_t planes,
                      int64_t scratch, double cost, plane_fn *fn, const void *arg, hst_error *err) {
    if (planes <= 0 || out <= 0) return HST_STATUS_OK;
    job j = {x, y, x ? in : 0, out, 0, 0, 0, NULL, fn, arg};
    const double size = (double)(j.in + out) > cost ? (double)(j.in + out) : cost, all = size * (double)planes;
    int64_t step = (int64_t)(AT_ONCE / size), workers = team_size(c->team);
    if (workers > planes) workers = planes;
    if (all < LEAST) workers = 1;
    step = (step < 1 ? 1 : step) * workers;
    size_t bytes;
    void *memory;
    if (!s64_add(j.in, out, &j.each) || !s64_add(j.each, scratch + 8, &j.each) ||
        !size_mul((size_t)j.each, (size_t)workers * sizeof(double), &bytes))
        return error_no_memory(err, SIZE_MAX, "planes in f64");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    j.memory = memory;
    for (; j.first < planes; j.first = j.last) {
        j.last = planes - j.first < step ? planes : j.first + step;
        team_run(c->team, (int)workers, work, &j);
        if (c->runtime->check) HST_TRY(c->runtime->check(c, err));
    }
    return HST_STATUS_OK;
}

void planes_of(const hst_tensor *t, int64_t *planes, int64_t *inner) {
    *planes = t->dim[0] * t->dim[1];
    *inner = tensor_count(t) ? window_count(t->dim + 2, t->rank - 2) : 0;
    if (!*inner) *planes = 0;
}

hst_status planes_f64(eval_context *c, const hst_tensor *t, const double **out, hst_error *err) {
    const int64_t n = tensor_count(t);
    void *memory;
    if (t->dtype == HST_DTYPE_F64 && (uintptr_t)t->data % sizeof(double) == 0) {
        *out = t->data;
        return HST_STATUS_OK;
    }
    HST_TRY(eval_scratch(c, (size_t)n * sizeof(double), &memory, err));
    convert_to_f64(t->dtype, t->data, 0, memory, n);
    *out = memory;
    return HST_STATUS_OK;
}

hst_status planes_check(const node *n, const hst_tensor *x, int rank, const char *name, hst_error *err) {
    const hst_dtype d = x->dtype;
    if (d != HST_DTYPE_F32 && d != HST_DTYPE_F64 && d != HST_DTYPE_F16 && d != HST_DTYPE_BF16)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%s is of type %s, needs floats", name, dtype_name(d));
    if (x->rank < rank)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%s has rank %d, needs %d or more", name, x->rank, rank);
    return HST_STATUS_OK;
}
