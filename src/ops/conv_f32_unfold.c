/* Unfolding: what each of some outputs reads at each step of K, for geometries whose padded planes would be out of
 * proportion. See ops/conv_f32.h. */
#include "ops/conv_f32.h"

/* n pixels of one output row, the first at place `from` of the input's row, for one tap. */
static void unfold_row(const float *row, int64_t length, int64_t from, int64_t stride, int64_t n, float *to) {
    for (int64_t j = 0, at = from; j < n; j++, at += stride) to[j] = at >= 0 && at < length ? row[at] : 0;
}

/* All K steps of n outputs of one row, the first of which is o. */
static void unfold_pixels(const conv_f32 *p, const float *x, const int64_t *o, int64_t n, int64_t ld, float *to) {
    const window *w = &p->w;
    const int lead = w->rank - 1;
    const int64_t length = w->in[lead], from = o[lead] * w->stride[lead] - w->begin[lead];
    const int64_t plane = window_count(w->in, w->rank);
    for (int64_t c = 0; c < p->channels; c++, x += plane) {
        int64_t tap[WINDOW_RANK_MAX] = {0};
        do {
            int64_t row = 0;
            bool inside = true;
            for (int a = 0; a < lead; a++) {
                const int64_t at = o[a] * w->stride[a] - w->begin[a] + tap[a] * w->dilation[a];
                inside = inside && at >= 0 && at < w->in[a];
                row = inside ? row * w->in[a] + at : 0;
            }
            for (int64_t t = 0; t < w->kernel[lead]; t++, to += ld) {
                if (inside)
                    unfold_row(x + row * length, length, from + t * w->dilation[lead], w->stride[lead], n, to);
                else
                    memset(to, 0, (size_t)n * sizeof *to);
            }
        } while (window_next(lead, w->kernel, tap));
    }
}

void conv_f32_unfold(const conv_f32 *p, const float *x, int64_t first, int64_t n, int64_t ld, float *to) {
    const window *w = &p->w;
    const int lead = w->rank - 1;
    int64_t o[WINDOW_RANK_MAX], rest = first;
    for (int a = lead; a >= 0; a--) {
        o[a] = rest % w->out[a];
        rest /= w->out[a];
    }
    for (int64_t column = 0, some; column < n; column += some) {
        some = w->out[lead] - o[lead];
        if (some > n - column) some = n - column;
        unfold_pixels(p, x, o, some, ld, to + column);
        o[lead] += some;
        if (o[lead] == w->out[lead]) {
            o[lead] = 0;
            window_next(lead, w->out, o);
        }
    }
}
