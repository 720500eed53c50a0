/* Direct convolution for groups of few filters (depthwise layers), where a matrix product would waste its tiles.
 *
 * The planes of a group are copied with their padding, by phases: place p of an axis with stride s lies in phase p mod
 * s at slot p / s. Then output o and tap t read slot o + t d / s of phase t d mod s: outputs that are neighbours read
 * neighbours, whatever the stride, and a whole plane of slots is one long row for kernels/conv. What it gives beyond
 * the last output of a row (the slots that only padding or taps reach) is computed and dropped. */
#include <string.h>

#include "base/checked.h"
#include "kernels/kernels.h"
#include "ops/conv_f32.h"

enum { FILTERS_MOST = 2, STRIDE_MOST = 8, SLOTS_MOST = 1 << 22, MACS_PER_WORKER = 1 << 15 };

typedef struct job {
    const conv_f32 *p;
    int64_t slot[WINDOW_RANK_MAX]; /* slots of an axis */
    int64_t plane, phases;         /* slots of a plane and phase; phases of a channel */
    int64_t in, out, flat;         /* elements of planes; outputs computed, dropped ones included */
    int64_t taps;
    const int64_t *offset; /* [channels · taps] */
    float *scratch;
    int64_t each;
} job;

bool conv_f32_direct_fits(const conv_f32 *p) {
    int64_t size = p->channels;
    if (p->channels < 1 || p->filters > FILTERS_MOST || p->w.rank > 3) return false;
    for (int k = 0; k < p->w.rank; k++) {
        const int64_t padded = (p->w.out[k] - 1) * p->w.stride[k] + window_reach(&p->w, k);
        if (p->w.stride[k] > STRIDE_MOST || padded > SLOTS_MOST || !s64_mul(size, padded + STRIDE_MOST, &size) ||
            size > SLOTS_MOST)
            return false;
    }
    return true;
}

/* Where place `at` (its first `rank` axes) of a padded channel lies. */
static int64_t slot_of(const job *j, const int64_t *at) {
    const window *w = &j->p->w;
    int64_t phase = 0, slot = 0;
    for (int a = 0; a < w->rank; a++) {
        phase = phase * w->stride[a] + at[a] % w->stride[a];
        slot = slot * j->slot[a] + at[a] / w->stride[a];
    }
    return phase * j->plane + slot;
}

static void fill(const job *j, const float *x, float *to) {
    const window *w = &j->p->w;
    const int last = w->rank - 1;
    const int64_t s = w->stride[last], length = w->in[last];
    memset(to, 0, (size_t)(j->p->channels * j->phases * j->plane) * sizeof *to);
    for (int64_t c = 0; j->in && c < j->p->channels; c++, to += j->phases * j->plane) {
        int64_t index[WINDOW_RANK_MAX] = {0}, at[WINDOW_RANK_MAX];
        do {
            bool used = true;
            for (int a = 0; a < last; a++) {
                at[a] = index[a] + w->begin[a];
                used = used && at[a] < j->slot[a] * w->stride[a];
            }
            int64_t end = j->slot[last] * s - w->begin[last]; /* elements that fit */
            if (end > length) end = length;
            for (int64_t phase = 0; used && phase < s && phase < end; phase++) {
                at[last] = w->begin[last] + phase;
                float *row = to + slot_of(j, at);
                if (s == 1)
                    memcpy(row, x, (size_t)end * sizeof *row);
                else
                    for (int64_t i = phase; i < end; i += s) *row++ = x[i];
            }
            x += length;
        } while (window_next(last, w->in, index));
    }
}

static void keep(const job *j, const float *flat, float *y) {
    const window *w = &j->p->w;
    const int last = w->rank - 1;
    int64_t o[WINDOW_RANK_MAX] = {0};
    do {
        int64_t row = 0;
        for (int a = 0; a < last; a++) row = row * j->slot[a] + o[a];
        memcpy(y, flat + row * j->slot[last], (size_t)w->out[last] * sizeof *y);
        y += w->out[last];
    } while (window_next(last, w->out, o));
}

static void work(void *arg, const team_context *ctx) {
    const job *j = arg;
    const conv_f32 *p = j->p;
    float *x = j->scratch + ctx->worker * j->each, *flat = x + p->channels * j->phases * j->plane;
    int64_t i, end;
    team_split(p->batch * p->groups, 1, ctx, &i, &end);
    for (; i < end; i++) {
        fill(j, p->x + i * p->channels * j->in, x);
        for (int64_t k = 0; k < p->filters; k++) {
            const int64_t filter = i % p->groups * p->filters + k;
            float *y = p->y + (i * p->filters + k) * j->out;
            const conv_taps t = {.x = x,
                                 .offset = j->offset,
                                 .w = p->weight + filter * p->channels * j->taps,
                                 .taps = p->channels * j->taps,
                                 .bias = p->bias ? p->bias[filter] : -0.0f,
                                 .n = j->flat,
                                 .y = p->w.rank == 1 ? y : flat};
            kernels_get()->conv_taps_f32(&t);
            if (p->w.rank > 1) keep(j, flat, y);
        }
    }
}

/* Where each tap of each channel is read, from the slot of the output. */
static void find_offsets(const job *j, int64_t *to) {
    const window *w = &j->p->w;
    for (int64_t c = 0; c < j->p->channels; c++) {
        int64_t tap[WINDOW_RANK_MAX] = {0}, at[WINDOW_RANK_MAX];
        do {
            for (int a = 0; a < w->rank; a++) at[a] = tap[a] * w->dilation[a];
            *to++ = c * j->phases * j->plane + slot_of(j, at);
        } while (window_next(w->rank, w->kernel, tap));
    }
}

hst_status conv_f32_direct(eval_context *c, const conv_f32 *p, hst_error *err) {
    const window *w = &p->w;
    job j = {.p = p, .plane = 1, .phases = 1, .flat = 0};
    j.in = window_count(w->in, w->rank);
    j.out = window_count(w->out, w->rank);
    j.taps = window_count(w->kernel, w->rank);
    for (int a = 0; a < w->rank; a++) {
        j.slot[a] = ((w->out[a] - 1) * w->stride[a] + window_reach(w, a) + w->stride[a] - 1) / w->stride[a];
        j.plane *= j.slot[a];
        j.phases *= w->stride[a];
        j.flat = j.flat * j.slot[a] + w->out[a] - 1;
    }
    j.flat++;
    const double macs = (double)(p->channels * j.taps) * (double)j.flat * (double)(p->batch * p->groups * p->filters);
    int workers = team_size(c->team);
    if (macs / MACS_PER_WORKER < workers) workers = macs < MACS_PER_WORKER ? 1 : (int)(macs / MACS_PER_WORKER);
    if (workers > p->batch * p->groups) workers = (int)(p->batch * p->groups);
    j.each = (p->channels * j.phases * j.plane + j.flat + 31) / 16 * 16;
    void *memory;
    size_t bytes;
    HST_TRY(eval_scratch(c, (size_t)(p->channels * j.taps) * sizeof(int64_t), &memory, err));
    find_offsets(&j, memory);
    j.offset = memory;
    if (!size_mul((size_t)j.each, (size_t)workers * sizeof(float), &bytes))
        return error_no_memory(err, SIZE_MAX, "padded planes");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    j.scratch = memory;
    team_run(c->team, workers, work, &j);
    return HST_STATUS_OK;
}
