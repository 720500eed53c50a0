/* 8-bit linear layer for NEON without dot products: tiles of up to 2×16. Products of 4 steps are added up in s16
 * (4 · 63 · 127 < 2^15), then in pairs to s32: an accumulator holds two columns, two halves each. */
#include "kernels/gemm_s8/neon_finish.h"
#include "kernels/kernels.h"

enum { MR = 2 };

/* 4 steps of columns [4 j, 4 j + 4) of the panel at b, with the 16 activations x (each step's four, repeated). */
static inline __attribute__((always_inline)) void four_steps(int32x4_t sum[2], const int8_t *b, const int8x16_t x[4]) {
    int16x8_t low, high;
    int8x16_t w = vld1q_s8(b);
    low = vmull_s8(vget_low_s8(w), vget_low_s8(x[0]));
    high = vmull_high_s8(w, x[0]);
#pragma GCC unroll 4
    for (int i = 1; i < 4; i++) {
        w = vld1q_s8(b + 64 * i);
        low = vmlal_s8(low, vget_low_s8(w), vget_low_s8(x[i]));
        high = vmlal_high_s8(high, w, x[i]);
    }
    sum[0] = vpadalq_s16(sum[0], low);
    sum[1] = vpadalq_s16(sum[1], high);
}

/* Rows are a constant after inlining: all loops over them unroll and the accumulators live in registers. */
static inline __attribute__((always_inline)) void tile(const gemm_s8_tile *t, const int rows) {
    int32x4_t sum[MR][4][2];
    const uint8_t *a = t->a;
    const int8_t *b = t->panel + GEMM_S8_HEAD;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) sum[r][j][0] = sum[r][j][1] = vdupq_n_s32(0);
    for (int64_t block = 0; block < t->blocks; block++, b += GEMM_S8_WEIGHTS) {
        fetch_ahead(t, block);
        for (int half = 0; half < 2; half++, a += 16) {
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                const int32x4_t v = vreinterpretq_s32_s8(load_levels(a + r * t->lda));
                const int8x16_t x[4] = {
                    vreinterpretq_s8_s32(vdupq_laneq_s32(v, 0)), vreinterpretq_s8_s32(vdupq_laneq_s32(v, 1)),
                    vreinterpretq_s8_s32(vdupq_laneq_s32(v, 2)), vreinterpretq_s8_s32(vdupq_laneq_s32(v, 3))};
#pragma GCC unroll 4
                for (int j = 0; j < 4; j++) four_steps(sum[r][j], b + 256 * half + 16 * j, x);
            }
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < 4 && 4 * j < t->n; j++) finish_quarter(t, r, j, vpaddq_s32(sum[r][j][0], sum[r][j][1]));
}

static void tile_1x16(const gemm_s8_tile *t) {
    tile(t, 1);
}
static void tile_2x16(const gemm_s8_tile *t) {
    tile(t, 2);
}

static const gemm_s8_family family = {
    .name = "gemm_s8_2x16__neon", .mr = MR, .panels = 1, .tile = {0, tile_1x16, tile_2x16}};

static const gemm_s8_family *get(void) {
    return &family;
}

HST_KERNEL(gemm_s8_2x16__neon) = {.name = "gemm_s8_2x16__neon",
                                  .family = "gemm_s8",
                                  .slot = offsetof(kernels, gemm_s8),
                                  .isa = CPU_NEON,
                                  .fn = (kernel_fn)get};
