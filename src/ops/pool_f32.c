/* MaxPool of f32 over one or two axes: the maxima down the columns first, then along the row, NaN aside as ops/pool.c.
 * And means of whole planes, added up in f64. */
#include <math.h>

#include "ops/sliding.h"

enum {
    PLANES_AT_LEAST = 1 << 15, /* elements that a worker is worth */
    PACE = 1 << 20             /* taps between two questions whether the run should stop */
};

typedef struct job {
    const eval_context *c;
    const window *w;
    const float *x;
    float *y;
    int64_t planes, in, out;
    float *scratch; /* [workers, length of a row] */
} job;

static __attribute__((noinline)) void columns(const float *row, int64_t n, float *most) {
    for (int64_t i = 0; i < n; i++) most[i] = row[i] > most[i] ? row[i] : most[i];
}

/* False where the run is over; `steps` since that was asked. */
static bool go_on(const job *j, int64_t *steps, int64_t more) {
    if ((*steps += more) < PACE) return true;
    *steps = 0;
    return !planes_stop(j->c);
}

/* Outputs [o, end) all of whose taps lie inside, of stride 1 or 2: tap by tap, over all of them. */
static bool inside(const job *j, int axis, const float *most, int64_t o, int64_t end, float *y, int64_t *steps) {
    const window *w = j->w;
    const int64_t s = w->stride[axis];
    for (int64_t i = o; i < end; i++) y[i] = -INFINITY;
    for (int64_t t = 0; t < w->kernel[axis]; t++) {
        const float *from = most + o * s - w->begin[axis] + t * w->dilation[axis];
        if (s == 1)
            columns(from, end - o, y + o);
        else
            for (int64_t i = 0; i < end - o; i++) y[o + i] = from[i * 2] > y[o + i] ? from[i * 2] : y[o + i];
        if (!go_on(j, steps, end - o)) return false;
    }
    return true;
}

static bool along(const job *j, int axis, const float *most, float *y, int64_t *steps) {
    const window *w = j->w;
    const int64_t lead = (w->begin[axis] + w->stride[axis] - 1) / w->stride[axis];
    const int64_t room = w->in[axis] + w->begin[axis] - window_reach(w, axis);
    int64_t whole = room < 0 ? 0 : room / w->stride[axis] + 1; /* outputs whose last tap lies inside */
    if (whole > w->out[axis] || w->stride[axis] > 2) whole = w->stride[axis] > 2 ? 0 : w->out[axis];
    if (whole > lead && !inside(j, axis, most, lead, whole, y, steps)) return false;
    for (int64_t o = 0; o < w->out[axis]; o++) {
        if (o == lead && whole > lead) o = whole;
        if (o == w->out[axis]) break;
        int64_t first, last;
        const int64_t start = window_taps(w, axis, o, &first, &last);
        float best = -INFINITY;
        for (int64_t t = first; t < last; t++) {
            const float v = most[start + t * w->dilation[axis]];
            best = v > best ? v : best;
        }
        y[o] = best;
        if (!go_on(j, steps, last - first)) return false;
    }
    return true;
}

static bool plane(const job *j, const float *x, float *most, float *y, int64_t *steps) {
    const window *w = j->w;
    const int axis = w->rank - 1;
    const int64_t length = w->in[axis], rows = w->rank > 1 ? w->out[0] : 1;
    for (int64_t o = 0; o < rows; o++, y += w->out[axis]) {
        int64_t first = 0, last = 1;
        const int64_t start = w->rank > 1 ? window_taps(w, 0, o, &first, &last) : 0;
        for (int64_t i = 0; i < length; i++) most[i] = -INFINITY;
        for (int64_t t = first; t < last; t++) {
            columns(x + (start + t * (w->rank > 1 ? w->dilation[0] : 0)) * length, length, most);
            if (!go_on(j, steps, length)) return false;
        }
        if (!along(j, axis, most, y, steps)) return false;
    }
    return true;
}

static void work(void *arg, const team_context *ctx) {
    const job *j = arg;
    float *most = j->scratch + ctx->worker * j->w->in[j->w->rank - 1];
    int64_t steps = 0;
    for (int64_t i; (i = team_next(ctx, 0, j->planes)) >= 0;)
        if (!plane(j, j->x + i * j->in, most, j->y + i * j->out, &steps)) return;
}

hst_status pool_max_f32(eval_context *c, const window *w, int64_t planes, const float *x, float *y, hst_error *err) {
    job j = {c, w, x, y, planes, window_count(w->in, w->rank), window_count(w->out, w->rank), NULL};
    int workers = team_size(c->team);
    void *memory;
    if (planes <= 0 || j.out <= 0) return HST_STATUS_OK;
    const double worth = (double)planes * ((double)j.in + (double)j.out) / PLANES_AT_LEAST;
    if (worth < workers) workers = (int)worth + 1;
    HST_TRY(eval_scratch(c, (size_t)w->in[w->rank - 1] * (size_t)workers * sizeof(float) + 1, &memory, err));
    j.scratch = memory;
    team_run(c->team, workers, work, &j);
    return c->runtime->check ? c->runtime->check(c, err) : HST_STATUS_OK;
}

/* ---- means of planes ---- */

enum { SUMS = 8 };

typedef struct average {
    const float *x;
    float *y;
    int64_t planes, n;
} average;

/* Sum i mod 8 takes element i, then a fixed tree. */
static double sum_of(const float *x, int64_t n) {
    double sum[SUMS] = {0};
    int64_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (int k = 0; k < SUMS; k++) sum[k] += (double)x[i + k];
    for (int k = 0; i + k < n; k++) sum[k] += (double)x[i + k];
    for (int half = SUMS / 2; half; half /= 2)
        for (int k = 0; k < half; k++) sum[k] += sum[k + half];
    return sum[0];
}

static void average_part(void *arg, const team_context *ctx) {
    const average *a = arg;
    int64_t begin, end;
    team_split(a->planes, 1, ctx, &begin, &end);
    for (int64_t i = begin; i < end; i++) a->y[i] = (float)(sum_of(a->x + i * a->n, a->n) / (double)a->n);
}

hst_status pool_average_f32(eval_context *c, int64_t planes, int64_t n, const float *x, float *y, hst_error *err) {
    average a = {x, y, planes, n};
    int workers = team_size(c->team);
    const double worth = (double)planes * (double)n / PLANES_AT_LEAST;
    if (worth < workers) workers = (int)worth + 1;
    team_run(c->team, workers, average_part, &a);
    return c->runtime->check ? c->runtime->check(c, err) : HST_STATUS_OK;
}
