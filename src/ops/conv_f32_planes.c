/* Padded planes by phases: see ops/conv_f32.h. */
#include "base/checked.h"
#include "kernels/conv/conv.h"
#include "ops/conv_f32.h"

enum { SPARE = 1 << 16 }; /* floats that any convolution may take */

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Phases of an axis that taps read: t d mod s repeats after s / gcd(d, s). */
static int64_t count_phases(const window *w, int axis) {
    int64_t a = w->stride[axis], b = w->dilation[axis];
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return smaller(larger(w->kernel[axis], 1), w->stride[axis] / a);
}

/* Tiles read some way beyond the last output: that must lie in the next image, or in a copy of the last one's end. */
static bool is_in_place(const conv_f32 *p) {
    const window *w = &p->w;
    if (p->channels == 0 || window_count(w->in, w->rank) < CONV_WIDTH_MOST / p->channels + 1) return false;
    for (int a = 0; a < w->rank; a++)
        if (w->stride[a] != 1 || w->begin[a] || w->out[a] - 1 + window_reach(w, a) > w->in[a]) return false;
    return true;
}

static int64_t flat_size(const conv_planes *s) {
    int64_t flat = 0;
    for (int a = 0; a < s->p->w.rank; a++) flat = flat * s->slot[a] + s->p->w.out[a] - 1;
    return flat + 1;
}

bool conv_planes_make(const conv_f32 *p, conv_planes *s) {
    const window *w = &p->w;
    const int last = w->rank - 1;
    int64_t most, extra, size = 1, phases = 1, tail = 0;
    *s = (conv_planes){.p = p, .in_place = is_in_place(p)};
    if (s->in_place) {
        memcpy(s->slot, w->in, sizeof s->slot);
        for (int a = 0; a < w->rank; a++) s->phase_count[a] = 1;
        s->plane = s->channel = window_count(w->in, w->rank);
        s->group = s->channel * p->channels;
        s->flat = flat_size(s);
        return true;
    }
    for (int a = 0; a < w->rank; a++) {
        const int64_t slots = w->out[a] + (window_reach(w, a) - 1) / w->stride[a];
        s->phase_count[a] = count_phases(w, a);
        s->slot[a] = slots;
        if (a == last) {
            const int64_t used = (w->begin[a] + w->in[a] + w->stride[a] - 1) / w->stride[a];
            s->slot[a] = smaller(slots, larger(larger(w->out[a], used), slots - w->begin[a] / w->stride[a]));
            tail = slots - s->slot[a];
        }
        if (!s64_mul(size, s->slot[a], &size) || !s64_mul(phases, s->phase_count[a], &phases)) return false;
    }
    if (!s64_add(size, tail, &size) || size > INT64_MAX - 64) return false;
    s->plane = (size + 15) / 16 * 16;
    if (s->plane > 16 * 64 && s->plane / 16 % 2 == 0) s->plane += 16; /* planes begin in different sets of a cache */
    if (!s64_mul(s->plane, phases, &s->channel) || !s64_mul(s->channel, p->channels, &s->group)) return false;
    s->flat = flat_size(s);
    most = window_count(w->in, w->rank), extra = window_count(w->out, w->rank);
    return s64_mul(most, p->channels, &most) && s64_mul(extra, p->filters, &extra) && s64_add(most, extra, &most) &&
           s64_add(most, SPARE, &most) && s->group / 4 <= most;
}

void conv_planes_offsets(const conv_planes *s, int64_t *to) {
    const window *w = &s->p->w;
    for (int64_t c = 0; c < s->p->channels; c++) {
        int64_t tap[WINDOW_RANK_MAX] = {0};
        do {
            int64_t phase = 0, slot = 0;
            for (int a = 0; a < w->rank; a++) {
                phase = phase * s->phase_count[a] + tap[a] % s->phase_count[a];
                slot = slot * s->slot[a] + tap[a] * w->dilation[a] / w->stride[a];
            }
            *to++ = c * s->channel + phase * s->plane + slot;
        } while (window_next(w->rank, w->kernel, tap));
    }
}

/* The slots [*first, *first + *count) of a phase's axis that hold input, and the place of the first one. */
static int64_t filled(const conv_planes *s, int a, int64_t phase, int64_t *first, int64_t *count) {
    const window *w = &s->p->w;
    const int64_t stride = w->stride[a], shift = w->begin[a] - phase * w->dilation[a] % stride;
    *first = shift > 0 ? (shift + stride - 1) / stride : 0;
    const int64_t end = w->in[a] + shift > 0 ? (w->in[a] + shift + stride - 1) / stride : 0;
    *count = smaller(end, s->slot[a]) - *first;
    return *first * stride - shift;
}

static void fill_row(const float *x, int64_t stride, int64_t n, float *to) {
    if (stride == 1)
        conv_copy(to, x, n);
    else
        for (int64_t i = 0; i < n; i++) to[i] = x[i * stride];
}

void conv_planes_fill(const conv_planes *s, int64_t number, const float *x, float *to) {
    const window *w = &s->p->w;
    const int last = w->rank - 1;
    int64_t first[WINDOW_RANK_MAX], count[WINDOW_RANK_MAX], from[WINDOW_RANK_MAX], index[WINDOW_RANK_MAX] = {0};
    memset(to, 0, (size_t)s->plane * sizeof *to);
    for (int a = last; a >= 0; a--) {
        from[a] = filled(s, a, number % s->phase_count[a], &first[a], &count[a]);
        number /= s->phase_count[a];
        if (count[a] <= 0) return;
    }
    do {
        int64_t row = 0, source = 0;
        for (int a = 0; a < last; a++) {
            row = row * s->slot[a] + first[a] + index[a];
            source = source * w->in[a] + from[a] + index[a] * w->stride[a];
        }
        fill_row(x + source * w->in[last] + from[last], w->stride[last], count[last],
                 to + row * s->slot[last] + first[last]);
    } while (window_next(last, count, index));
}
