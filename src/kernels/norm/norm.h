/* Normalisation of rows, with the sums before it: s = (x + residual) + bias, then
 *   layer norm: y = (s − mean) · inv · gamma + beta, mean = Σ s / n, inv = 1 / √(Σ (s − mean)² / n + epsilon)
 *   RMS norm:   y = s · inv · gamma (+ beta),        inv = 1 / √(Σ s² / n + epsilon)
 * The sums run over 16 virtual lanes; squares are added by fma, the last step is fma((s − mean) · inv, gamma, beta). */
#ifndef KERNELS_NORM_H
#define KERNELS_NORM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct norm_rows {
    const float *x;        /* [rows, n] */
    const float *residual; /* [rows, n]; NULL: none */
    const float *bias;     /* [n] or, where ld_bias is n, [rows, n]; NULL: none */
    const float *gamma;    /* [n]; NULL: ones */
    const float *beta;     /* [n]; NULL: zeros */
    float *y;              /* [rows, n]; may be x */
    float *sum;            /* s, [rows, n]; NULL: not wanted; may be x */
    float *mean, *inv;     /* [rows]; NULL: not wanted (mean stays untouched by RMS norm) */
    int64_t rows, n, ld_bias;
    float epsilon;
    bool rms;
} norm_rows;

typedef void norm_f32_fn(const norm_rows *a);

#endif
