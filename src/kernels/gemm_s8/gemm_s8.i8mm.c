/* 8-bit linear layer for NEON with matrix products (smmla: 2 rows × 2 columns × 8 of k): tiles of up to 8 rows against
 * half a panel at a time, 16 accumulators. Two steps of the panel are zipped to columns of 8. */
#include "kernels/gemm_s8/neon_finish.h"
#include "kernels/kernels.h"

enum { MR = 8 };

/* 8 activations of row r and of row r + 1, q - 64; the last row stands for one that is not there. */
static inline int8x16_t two_rows(const gemm_s8_tile *t, const uint8_t *a, int r, int rows) {
    const uint8x8_t first = vld1_u8(a + r * t->lda), second = vld1_u8(a + (r + 1 < rows ? r + 1 : r) * t->lda);
    return vreinterpretq_s8_u8(vsubq_u8(vcombine_u8(first, second), vdupq_n_u8(64)));
}

/* Columns [8 half, 8 half + 8). Pairs of rows are a constant after inlining: the accumulators live in registers. */
static inline __attribute__((always_inline)) void half_tile(const gemm_s8_tile *t, const int rows, int half) {
    const int pairs = (rows + 1) / 2;
    int32x4_t sum[MR / 2][4];
    const uint8_t *a = t->a;
    const int8_t *b = t->panel + GEMM_S8_HEAD + 32 * half;
#pragma GCC unroll 4
    for (int p = 0; p < pairs; p++) sum[p][0] = sum[p][1] = sum[p][2] = sum[p][3] = vdupq_n_s32(0);
    for (int64_t block = 0; block < t->blocks; block++) {
        if (half == 0) fetch_ahead(t, block);
        for (int step = 0; step < GEMM_S8_STEPS; step += 2, a += 8, b += 128) {
            const int32x4_t x0 = vreinterpretq_s32_s8(vld1q_s8(b)), x1 = vreinterpretq_s32_s8(vld1q_s8(b + 16));
            const int32x4_t y0 = vreinterpretq_s32_s8(vld1q_s8(b + 64)), y1 = vreinterpretq_s32_s8(vld1q_s8(b + 80));
            const int8x16_t w[4] = {vreinterpretq_s8_s32(vzip1q_s32(x0, y0)), vreinterpretq_s8_s32(vzip2q_s32(x0, y0)),
                                    vreinterpretq_s8_s32(vzip1q_s32(x1, y1)), vreinterpretq_s8_s32(vzip2q_s32(x1, y1))};
#pragma GCC unroll 4
            for (int p = 0; p < pairs; p++) {
                const int8x16_t v = two_rows(t, a, 2 * p, rows);
#pragma GCC unroll 4
                for (int j = 0; j < 4; j++) sum[p][j] = vmmlaq_s32(sum[p][j], v, w[j]);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            const int32x4_t left = sum[r / 2][2 * j], right = sum[r / 2][2 * j + 1];
            if (8 * half + 4 * j >= t->n) continue;
            finish_quarter(t, r, 2 * half + j,
                           r % 2 ? vcombine_s32(vget_high_s32(left), vget_high_s32(right))
                                 : vcombine_s32(vget_low_s32(left), vget_low_s32(right)));
        }
}

static inline __attribute__((always_inline)) void tile(const gemm_s8_tile *t, const int rows) {
    for (int half = 0; half < 2 && 8 * half < t->n; half++) half_tile(t, rows, half);
}

static void tile_1x16(const gemm_s8_tile *t) {
    tile(t, 1);
}
static void tile_2x16(const gemm_s8_tile *t) {
    tile(t, 2);
}
static void tile_3x16(const gemm_s8_tile *t) {
    tile(t, 3);
}
static void tile_4x16(const gemm_s8_tile *t) {
    tile(t, 4);
}
static void tile_5x16(const gemm_s8_tile *t) {
    tile(t, 5);
}
static void tile_6x16(const gemm_s8_tile *t) {
    tile(t, 6);
}
static void tile_7x16(const gemm_s8_tile *t) {
    tile(t, 7);
}
static void tile_8x16(const gemm_s8_tile *t) {
    tile(t, 8);
}

static const gemm_s8_family family = {
    .name = "gemm_s8_8x16__i8mm",
    .mr = MR,
    .panels = 1,
    .tile = {0, tile_1x16, tile_2x16, tile_3x16, tile_4x16, tile_5x16, tile_6x16, tile_7x16, tile_8x16}};

static const gemm_s8_family *get(void) {
    return &family;
}

HST_KERNEL(gemm_s8_8x16__i8mm) = {.name = "gemm_s8_8x16__i8mm",
                                  .family = "gemm_s8",
                                  .slot = offsetof(kernels, gemm_s8),
                                  .isa = CPU_I8MM,
                                  .fn = (kernel_fn)get};
