/* MaxPool of f32 over one or two axes: the maxima down the columns first, then along the row. NaN aside, as ops/pool.c.
 */
#include <math.h>

#include "ops/sliding.h"

enum { PLANES_AT_LEAST = 1 << 15 }; /* elements that a worker is worth */

typedef struct job {
    const window *w;
    const float *x;
    float *y;
    int64_t planes, in, out;
    float *scratch; /* [workers, length of a row] */
} job;

static void columns(const float *row, int64_t n, float *most) {
    for (int64_t i = 0; i < n; i++) most[i] = row[i] > most[i] ? row[i] : most[i];
}

static void along(const window *w, int axis, const float *most, float *y) {
    for (int64_t o = 0; o < w->out[axis]; o++) {
        int64_t first, last;
        const int64_t start = window_taps(w, axis, o, &first, &last);
        float best = -INFINITY;
        for (int64_t t = first; t < last; t++) {
            const float v = most[start + t * w->dilation[axis]];
            best = v > best ? v : best;
        }
        y[o] = best;
    }
}

static void plane(const job *j, const float *x, float *most, float *y) {
    const window *w = j->w;
    const int axis = w->rank - 1;
    const int64_t length = w->in[axis], rows = w->rank > 1 ? w->out[0] : 1;
    for (int64_t o = 0; o < rows; o++, y += w->out[axis]) {
        int64_t first = 0, last = 1;
        const int64_t start = w->rank > 1 ? window_taps(w, 0, o, &first, &last) : 0;
        for (int64_t i = 0; i < length; i++) most[i] = -INFINITY;
        for (int64_t t = first; t < last; t++)
            columns(x + (start + t * (w->rank > 1 ? w->dilation[0] : 0)) * length, length, most);
        along(w, axis, most, y);
    }
}

static void work(void *arg, const team_context *ctx) {
    const job *j = arg;
    for (int64_t i; (i = team_next(ctx, 0, j->planes)) >= 0;)
        plane(j, j->x + i * j->in, j->scratch + ctx->worker * j->w->in[j->w->rank - 1], j->y + i * j->out);
}

hst_status pool_max_f32(eval_context *c, const window *w, int64_t planes, const float *x, float *y, hst_error *err) {
    job j = {w, x, y, planes, window_count(w->in, w->rank), window_count(w->out, w->rank), NULL};
    int workers = team_size(c->team);
    void *memory;
    if (planes * (j.in + j.out) / PLANES_AT_LEAST < workers)
        workers = (int)(planes * (j.in + j.out) / PLANES_AT_LEAST) + 1;
    HST_TRY(eval_scratch(c, (size_t)w->in[w->rank - 1] * (size_t)workers * sizeof(float) + 1, &memory, err));
    j.scratch = memory;
    if (planes > 0 && j.out > 0) team_run(c->team, workers, work, &j);
    return HST_STATUS_OK;
}
