/* Convolution tiles: `rows` filters over neighbouring outputs,
 *   y[r][i] = min(high, max(low, acc + bias[r]))
 *   acc = +0; for k = 0 … K-1: acc = fma(w[k][r], x[offset[k] + i], acc)
 * the chain that kernels/gemm_f32 computes over an unfolded input. What the K steps read is the caller's: taps of
 * planes as they stand, of padded planes, of unfolded ones; strides too: planes are stored by phases, so that
 * neighbouring outputs read neighbouring elements.
 *
 * A family states the heights that it has and how many registers of outputs a tile of each covers. Filters are cut into
 * tiles greedily, the highest first; weights are packed tile by tile, [K][rows]. */
#ifndef KERNELS_CONV_H
#define KERNELS_CONV_H

#include <stdint.h>

enum { CONV_HEIGHTS_MOST = 8, CONV_ROWS_MOST = 12, CONV_WIDTH_MOST = 128, CONV_PIXELS_MOST = 14 };

typedef struct conv_tile {
    int64_t k;
    const float *w;        /* [k][rows] */
    const float *x;        /* all of the width may be read at each offset */
    const int64_t *offset; /* [k] */
    const float *bias;     /* [rows]; -0 where there is none: it changes nothing */
    float *y;              /* [rows][vectors · lanes], leading dimension ldy */
    int64_t ldy;
    float low, high; /* -inf and inf leave every value as it is, NaN always is */
    int rows, vectors;
} conv_tile;

/* The same for layers with one channel a group (depthwise), whose planes lie channel by channel in each pixel:
 *   y[o · pitch + c] = min(high, max(low, acc + bias[c]))
 *   acc = +0; for k: acc = fma(x[offset[k] + o · step + c], w[k · pitch + c], acc)
 */
typedef struct conv_pixels {
    int64_t k;
    const float *w; /* [k][pitch] */
    const float *x;
    const int64_t *offset; /* [k] */
    const float *bias;     /* [pitch]; -0 where there is none */
    float *y;              /* [outputs][pitch] */
    int64_t pitch, step;   /* pitch: channels, a multiple of the family's lanes */
    float low, high;
    int outputs; /* one of conv_pixel_counts */
} conv_pixels;

static const int conv_pixel_counts[] = {14, 7, 4, 1}; /* a row is covered by tiles that may overlap */

typedef struct conv_family {
    const char *name;
    int lanes;
    struct {
        int rows, vectors;       /* as many registers as a tile of this height covers at most */
        unsigned narrow;         /* bit v: it can also cover v, fewer */
    } height[CONV_HEIGHTS_MOST]; /* descending, the last one is 1; 0 rows end the list */
    void (*tile)(const conv_tile *t);
    void (*pixels)(const conv_pixels *t);
} conv_family;

/* The slot holds a function that returns the family. */
typedef const conv_family *conv_f32_fn(void);

#endif
