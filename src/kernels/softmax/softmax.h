/* Softmax of rows: v = x (+ mask), y = exp(v − max) · (1 / Σ exp(v − max)), the sum over 16 virtual lanes; exp of less
 * than −86 is 0. With `factor`, y = exp(v − max), and what it is to be multiplied with is told instead: who multiplies
 * y with a matrix then has fewer numbers to scale. Where the factor is NaN, y is anything.
 * Log-softmax: y = (v − max) − log Σ, the logarithm in f64. A row that is all −inf, or holds a NaN or +inf, gives NaN.
 */
#ifndef KERNELS_SOFTMAX_H
#define KERNELS_SOFTMAX_H

#include <stdbool.h>
#include <stdint.h>

typedef struct softmax_rows {
    const float *x;    /* [rows, ldx] */
    const float *mask; /* added to x: [rows, ldm], one row for all where ldm is 0; NULL: none */
    float *y;          /* [rows, ldy]; may be x */
    int64_t rows, n;   /* n: elements that take part */
    int64_t width;     /* >= n: y[n … width) becomes 0 (softmax) or −inf (log) */
    int64_t ldx, ldm, ldy;
    bool log;
    float *factor; /* [rows], or NULL; not with log */
} softmax_rows;

typedef void softmax_f32_fn(const softmax_rows *s);

#endif
