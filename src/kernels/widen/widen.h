/* Widening and narrowing copies of arrays. Narrowing rounds to nearest even; NaN stays NaN. */
#ifndef KERNELS_WIDEN_H
#define KERNELS_WIDEN_H

#include <stdint.h>

typedef void widen_f16_f32_fn(int64_t n, const uint16_t *x, float *y);
typedef void narrow_f32_f16_fn(int64_t n, const float *x, uint16_t *y);
typedef void widen_bf16_f32_fn(int64_t n, const uint16_t *x, float *y);
typedef void narrow_f32_bf16_fn(int64_t n, const float *x, uint16_t *y);

#endif
