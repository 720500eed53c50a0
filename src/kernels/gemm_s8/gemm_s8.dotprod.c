/* 8-bit linear layer for NEON with dot products (sdot by lane): tiles of up to 5×16, 20 accumulators, 4 of B, and 4
 * steps of each row in one register. */
#include "kernels/gemm_s8/neon_finish.h"
#include "kernels/kernels.h"

enum { MR = 5 };

/* One step: the weights of 16 columns against lane `lane` of each row. */
#define STEP(lane)                                                                                                     \
    do {                                                                                                               \
        const int8x16_t w0 = vld1q_s8(b), w1 = vld1q_s8(b + 16), w2 = vld1q_s8(b + 32), w3 = vld1q_s8(b + 48);         \
        _Pragma("GCC unroll 8") for (int r = 0; r < rows; r++) {                                                       \
            sum[r][0] = vdotq_laneq_s32(sum[r][0], w0, x[r], lane);                                                    \
            sum[r][1] = vdotq_laneq_s32(sum[r][1], w1, x[r], lane);                                                    \
            sum[r][2] = vdotq_laneq_s32(sum[r][2], w2, x[r], lane);                                                    \
            sum[r][3] = vdotq_laneq_s32(sum[r][3], w3, x[r], lane);                                                    \
        }                                                                                                              \
        b += 64;                                                                                                       \
    } while (0)

/* Rows are a constant after inlining: all loops over them unroll and the accumulators live in registers. */
static inline __attribute__((always_inline)) void tile(const gemm_s8_tile *t, const int rows) {
    int32x4_t sum[MR][4];
    const uint8_t *a = t->a;
    const int8_t *b = t->panel + GEMM_S8_HEAD;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = sum[r][2] = sum[r][3] = vdupq_n_s32(0);
    for (int64_t block = 0; block < t->blocks; block++) {
        fetch_ahead(t, block);
        for (int half = 0; half < 2; half++, a += 16) {
            int8x16_t x[MR];
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) x[r] = load_levels(a + r * t->lda);
            STEP(0);
            STEP(1);
            STEP(2);
            STEP(3);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            if (4 * j < t->n) finish_quarter(t, r, j, sum[r][j]);
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

static const gemm_s8_family family = {.name = "gemm_s8_5x16__dotprod",
                                      .mr = MR,
                                      .panels = 1,
                                      .tile = {0, tile_1x16, tile_2x16, tile_3x16, tile_4x16, tile_5x16}};

static const gemm_s8_family *get(void) {
    return &family;
}

HST_KERNEL(gemm_s8_5x16__dotprod) = {.name = "gemm_s8_5x16__dotprod",
                                     .family = "gemm_s8",
                                     .slot = offsetof(kernels, gemm_s8),
                                     .isa = CPU_DOTPROD,
                                     .fn = (kernel_fn)get};
