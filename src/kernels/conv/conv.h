/* Direct convolution of one output plane, for the few output channels a group has in depthwise layers:
 *   y[i] = acc + bias,   acc = +0; for t = 0 … taps-1: acc = fma(x[offset[t] + i], w[t], acc)
 * the chain that kernels/gemm_f32 computes over an unfolded input, so both give the same bits. Strides are the
 * caller's: it stores the padded input by phases, so that neighbouring outputs read neighbouring elements. */
#ifndef KERNELS_CONV_H
#define KERNELS_CONV_H

#include <stdint.h>

typedef struct conv_taps {
    const float *x;
    const int64_t *offset; /* [taps] */
    const float *w;        /* [taps] */
    int64_t taps;
    float bias; /* -0 where there is none: it changes nothing */
    int64_t n;
    float *y; /* [n] */
} conv_taps;

typedef void conv_taps_f32_fn(const conv_taps *a);

#endif
