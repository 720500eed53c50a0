/* Convolution of f32 planes: y = act(chain + bias + residual), where the chain of each output runs over (channel, tap) in
 * index order from +0: the bits do not depend on the path, the threads, the batch or the ISA. */
#ifndef OPS_CONV_F32_H
#define OPS_CONV_F32_H

#include <math.h>
#include <string.h>

#include "kernels/elementwise/elementwise.h"
#include "ops/sliding.h"

typedef struct conv_f32 {
    window w; /* fitted */
    int64_t batch, groups;
    int64_t channels, filters; /* of one group */
    const float *x;            /* [batch, groups, channels, in …] */
    const float *packed;       /* [groups] as conv_f32_pack lays them out */
    const float *bias;         /* [groups, filters]; NULL: none */
    float *y;                  /* [batch, groups, filters, out …] */
    const float *residual;     /* like y; NULL: none */
    unary function;            /* UNARY_COPY: none */
    float parameter[2];
} conv_f32;

hst_status conv_f32_run(eval_context *c, const conv_f32 *p, hst_error *err);
/* Lays weights [groups, filters, k] out for the kernel's tiles: as many elements. */
void conv_f32_pack(const float *weight, int64_t groups, int64_t filters, int64_t k, float *to);
/* The layout that it makes: bit h says that there are tiles of h filters. And where each weight is found in any such
 * layout: to[groups · filters · k]. */
int64_t conv_f32_layout(void);
void conv_f32_places(int64_t layout, int64_t groups, int64_t filters, int64_t k, int64_t *to);

/* What follows the sum: the tiles hold it between two bounds, which is Relu and Clip. Where there is more to do,
 * conv_f32_finish passes over outputs that are still in a cache: n of them, one after the other, from `y` on. */
bool conv_f32_bounds(const conv_f32 *p, float *low, float *high); /* true: conv_f32_finish is to follow */
void conv_f32_finish(const conv_f32 *p, float *y, int64_t n);

/* One channel and one filter a group, and many of them (conv_f32_depthwise.c); *done false: not for this. */
hst_status conv_f32_depthwise(eval_context *c, const conv_f32 *p, bool *done, hst_error *err);

/* ---- planes (conv_f32_planes.c) ----
 * Where taps are read so that neighbouring outputs read neighbours: the planes of x with their padding, by phases.
 * Place p of an axis with stride s lies in phase p mod s at slot p / s, and output o and tap t read slot o + t d / s of
 * phase t d mod s. Only phases that taps read are made. A whole plane of slots is one long row of outputs then; what it
 * gives between the last output of a row and the first of the next is computed and dropped. Rows lie so close that what
 * the one's taps reach beyond its end are the zeros before the next one's beginning. */
typedef struct conv_planes {
    const conv_f32 *p;
    bool in_place;                                               /* x itself serves: no stride, no padding */
    int64_t slot[WINDOW_RANK_MAX], phase_count[WINDOW_RANK_MAX]; /* of an axis; the last slot is a row's pitch */
    int64_t plane, channel, group; /* floats of a phase, of a channel, of a group's channels */
    int64_t flat;                  /* slots from the first to the last output, dropped ones included */
} conv_planes;

/* False where that would be far larger than input and output (odd geometries). */
bool conv_planes_make(const conv_f32 *p, conv_planes *to);
/* Where each tap of each channel of a group is read, from the slot of the output: [channels · taps]. */
void conv_planes_offsets(const conv_planes *s, int64_t *to);
/* One phase (of channel / plane many) of one channel. */
void conv_planes_fill(const conv_planes *s, int64_t phase, const float *x, float *to);

/* ---- unfolding (conv_f32_unfold.c): the K rows that n outputs from `first` on read, to[k · ld + i] ---- */
void conv_f32_unfold(const conv_f32 *p, const float *x, int64_t first, int64_t n, int64_t ld, float *to);

/* A few floats, where calling memcpy takes longer than the copy. */
static inline void conv_copy(float *to, const float *from, int64_t n) {
    int64_t i = 0;
    if (n > 256) {
        memcpy(to, from, (size_t)n * sizeof *to);
        return;
    }
    for (; i + 8 <= n; i += 8) memcpy(to + i, from + i, 8 * sizeof *to);
    if (i == n) return;
    if (n >= 8)
        memcpy(to + n - 8, from + n - 8, 8 * sizeof *to);
    else if (n >= 4) {
        memcpy(to, from, 4 * sizeof *to);
        memcpy(to + n - 4, from + n - 4, 4 * sizeof *to);
    } else
        for (; i < n; i++) to[i] = from[i];
}

#endif
