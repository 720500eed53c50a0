/* What the NEON versions of the 8-bit linear layer share: activations as q - 64 in s8, and the way from sums to
 * results. */
#ifndef KERNELS_GEMM_S8_NEON_FINISH_H
#define KERNELS_GEMM_S8_NEON_FINISH_H

#include <arm_neon.h>
#include <string.h>

#include "kernels/gemm_s8/gemm_s8.h"

/* 16 activations, q - 64. */
static inline int8x16_t load_levels(const uint8_t *a) {
    return vreinterpretq_s8_u8(vsubq_u8(vld1q_u8(a), vdupq_n_u8(64)));
}

/* Row r: the sums Σ (q - 64) w of its columns [4 j, 4 j + 4) become its results. */
static inline void finish_quarter(const gemm_s8_tile *t, int r, int j, int32x4_t sum) {
    int32_t heads[4], sums[4];
    const int64_t at = 4 * (int64_t)j;
    const float *residual = t->residual ? t->residual + r * t->ldr + at : NULL;
    float *c = t->c + r * t->ldc + at;
    memcpy(heads, t->panel + 16 * j, sizeof heads);
    sum = vsubq_s32(sum, vmulq_n_s32(vld1q_s32(heads), t->zero[r] - 64));
    if (t->n - at >= 4) {
        const float32x4_t scale = vmulq_f32(vdupq_n_f32(t->scale[r]), vld1q_f32(t->w_scale + at));
        float32x4_t y = vmulq_f32(vcvtq_f32_s32(sum), scale);
        if (t->bias) y = vaddq_f32(y, vld1q_f32(t->bias + at));
        if (residual) y = vaddq_f32(y, vld1q_f32(residual));
        vst1q_f32(c, y);
        return;
    }
    vst1q_s32(sums, sum);
    for (int64_t i = 0; i < t->n - at; i++) {
        float y = (float)sums[i] * (t->scale[r] * t->w_scale[at + i]);
        if (t->bias) y = y + t->bias[at + i];
        if (residual) y = y + residual[i];
        c[i] = y;
    }
}

static inline void fetch_ahead(const gemm_s8_tile *t, int64_t block) {
    const uintptr_t ahead = t->ahead + (uintptr_t)(block * t->ahead_lines * 64);
    for (int64_t i = 0; i < t->ahead_lines; i++) __builtin_prefetch((const void *)(ahead + (uintptr_t)i * 64), 0, 2);
}

#endif
