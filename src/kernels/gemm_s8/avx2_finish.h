/* What the AVX2 and AVX-VNNI versions of the 8-bit linear layer share: from sums of a row of a panel to its results. */
#ifndef KERNELS_GEMM_S8_AVX2_FINISH_H
#define KERNELS_GEMM_S8_AVX2_FINISH_H

#include <immintrin.h>
#include <string.h>

#include "kernels/gemm_s8/gemm_s8.h"

static inline __m256i load(const void *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline __m256i broadcast_step(const uint8_t *a) {
    int32_t four;
    memcpy(&four, a, 4);
    return _mm256_set1_epi32(four);
}

static inline __m256i tail_mask(int64_t n) { /* lanes below n, n <= 16 or negative */
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}

/* Row r of the tile: the sums Σ (q - zero_of_sums) w of its 16 columns become its results. */
static inline __attribute__((always_inline)) void finish(const gemm_s8_tile *t, const int r, __m256i s0, __m256i s1,
                                                         int zero_of_sums) {
    const __m256i zero = _mm256_set1_epi32(t->zero[r] - zero_of_sums);
    s0 = _mm256_sub_epi32(s0, _mm256_mullo_epi32(zero, load(t->panel)));
    s1 = _mm256_sub_epi32(s1, _mm256_mullo_epi32(zero, load(t->panel + 32)));
    const __m256 scale = _mm256_set1_ps(t->scale[r]);
    __m256 x0 = _mm256_cvtepi32_ps(s0), x1 = _mm256_cvtepi32_ps(s1);
    float *c = t->c + r * t->ldc;
    const float *residual = t->residual ? t->residual + r * t->ldr : NULL;
    if (t->n >= GEMM_S8_NR) {
        x0 = _mm256_mul_ps(x0, _mm256_mul_ps(scale, _mm256_loadu_ps(t->w_scale)));
        x1 = _mm256_mul_ps(x1, _mm256_mul_ps(scale, _mm256_loadu_ps(t->w_scale + 8)));
        if (t->bias)
            x0 = _mm256_add_ps(x0, _mm256_loadu_ps(t->bias)), x1 = _mm256_add_ps(x1, _mm256_loadu_ps(t->bias + 8));
        if (residual)
            x0 = _mm256_add_ps(x0, _mm256_loadu_ps(residual)), x1 = _mm256_add_ps(x1, _mm256_loadu_ps(residual + 8));
        _mm256_storeu_ps(c, x0);
        _mm256_storeu_ps(c + 8, x1);
        return;
    }
    const __m256i m0 = tail_mask(t->n), m1 = tail_mask(t->n - 8);
    x0 = _mm256_mul_ps(x0, _mm256_mul_ps(scale, _mm256_maskload_ps(t->w_scale, m0)));
    x1 = _mm256_mul_ps(x1, _mm256_mul_ps(scale, _mm256_maskload_ps(t->w_scale + 8, m1)));
    if (t->bias)
        x0 = _mm256_add_ps(x0, _mm256_maskload_ps(t->bias, m0)),
        x1 = _mm256_add_ps(x1, _mm256_maskload_ps(t->bias + 8, m1));
    if (residual)
        x0 = _mm256_add_ps(x0, _mm256_maskload_ps(residual, m0)),
        x1 = _mm256_add_ps(x1, _mm256_maskload_ps(residual + 8, m1));
    _mm256_maskstore_ps(c, m0, x0);
    _mm256_maskstore_ps(c + 8, m1, x1);
}

#endif
