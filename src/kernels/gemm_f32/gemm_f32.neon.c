/* f32 matrix product for NEON: panels of 16 columns, tiles of 6×16 (24 accumulators of 4); 1 or 2 rows take several
 * panels at once. */
#include <arm_neon.h>

#include "kernels/kernels.h"

enum { NR = 16, MR = 6, AHEAD = 16 /* rows of a panel to prefetch: 1 KB */ };

static inline __attribute__((always_inline)) void finish(const gemm_f32_tile *t, const int rows, const int p,
                                                         float32x4_t (*acc)[16]) {
    const int64_t n = t->n - (int64_t)p * NR;
    const float *bias = t->bias ? t->bias + p * NR : 0, *residual = t->residual ? t->residual + p * NR : 0;
    float *c = t->c + p * NR;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            float32x4_t x = acc[r][4 * p + j];
            const int64_t left = n - 4 * j;
            if (t->scale != 1) x = vmulq_n_f32(x, t->scale);
            if (t->row_scale) x = vmulq_n_f32(x, t->row_scale[r]);
            if (left >= 4) {
                if (bias) x = vaddq_f32(x, vld1q_f32(bias + 4 * j));
                if (residual) x = vaddq_f32(x, vld1q_f32(residual + r * t->ldr + 4 * j));
                vst1q_f32(c + r * t->ldc + 4 * j, x);
                continue;
            }
            float some[4];
            vst1q_f32(some, x);
            for (int64_t l = 0; l < left; l++) {
                if (bias) some[l] = some[l] + bias[4 * j + l];
                if (residual) some[l] = some[l] + residual[r * t->ldr + 4 * j + l];
                c[r * t->ldc + 4 * j + l] = some[l];
            }
        }
    }
}

static inline __attribute__((always_inline)) void step(const float *const *a, int64_t k, const float *b,
                                                       int64_t b_stride, const int rows, const int panels,
                                                       float32x4_t (*acc)[16]) {
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            const float32x4_t y = vld1q_f32(b + p * b_stride + 4 * j);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) acc[r][4 * p + j] = vfmaq_n_f32(acc[r][4 * p + j], y, a[r][k]);
        }
        __builtin_prefetch((const char *)(b + p * b_stride) + AHEAD * NR * sizeof(float));
    }
}

/* rows and panels are constants after inlining: all loops over them unroll and acc lives in registers. */
static inline __attribute__((always_inline)) void tile(const gemm_f32_tile *t, const int rows, const int panels) {
    float32x4_t acc[MR][16];
    const float *a[MR], *b = t->b;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        a[r] = t->a + r * t->lda;
#pragma GCC unroll 16
        for (int j = 0; j < 4 * panels; j++) acc[r][j] = vdupq_n_f32(0);
    }
    for (int64_t k = 0; k < t->k; k++, b += NR) step(a, k, b, t->b_stride, rows, panels, acc);
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++) finish(t, rows, p, acc);
}

static void tile_1x16(const gemm_f32_tile *t) {
    tile(t, 1, 1);
}
static void tile_2x16(const gemm_f32_tile *t) {
    tile(t, 2, 1);
}
static void tile_3x16(const gemm_f32_tile *t) {
    tile(t, 3, 1);
}
static void tile_4x16(const gemm_f32_tile *t) {
    tile(t, 4, 1);
}
static void tile_5x16(const gemm_f32_tile *t) {
    tile(t, 5, 1);
}
static void tile_6x16(const gemm_f32_tile *t) {
    tile(t, 6, 1);
}
static void tile_1x64(const gemm_f32_tile *t) {
    tile(t, 1, 4);
}
static void tile_2x32(const gemm_f32_tile *t) {
    tile(t, 2, 2);
}
static void tile_3x32(const gemm_f32_tile *t) {
    tile(t, 3, 2);
}

static const gemm_f32_family family = {
    .name = "gemm_f32_6x16__neon",
    .mr = MR,
    .nr = NR,
    .tile = {0, tile_1x16, tile_2x16, tile_3x16, tile_4x16, tile_5x16, tile_6x16},
    .wide = {0, tile_1x64, tile_2x32, tile_3x32},
    .wide_panels = {0, 4, 2, 2},
};

static const gemm_f32_family *get(void) {
    return &family;
}

HST_KERNEL(gemm_f32_6x16__neon) = {
    .name = "gemm_f32_6x16__neon",
    .family = "gemm_f32",
    .slot = offsetof(kernels, gemm_f32),
    .isa = CPU_NEON,
    .fn = (kernel_fn)get,
};
