/* 8-bit linear layer for AVX2 without dot products: tiles of up to 3×16. A block of 8 steps is kept in s16 lanes
 * (vpmaddubsw, vpaddw), then widened (vpmaddwd with ones). 3 rows: 6 accumulators of each width, 2 of B, a broadcast.
 */
#include "kernels/gemm_s8/avx2_finish.h"
#include "kernels/kernels.h"

enum { MR = 3 };

/* Keeps the order of additions as written: compilers reassociate integers, run out of registers and spill. */
static inline __m256i pin(__m256i x) {
    __asm__("" : "+x"(x));
    return x;
}

/* rows is a constant after inlining: the loops over it unroll and the accumulators live in registers. */
static inline __attribute__((always_inline)) void tile(const gemm_s8_tile *t, const int rows) {
    __m256i sum[MR][2];
    const __m256i ones = _mm256_set1_epi16(1);
    const uint8_t *a = t->a;
    const int8_t *b = t->panel + GEMM_S8_HEAD, *lanes = gemm_s8_lanes(t->panel, t->blocks);
    const int64_t lda = t->lda;
    uintptr_t ahead = t->ahead;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
#pragma GCC unroll 1
    for (int64_t block = t->blocks; block > 0; block--) {
        __m256i x[MR][2];
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) x[r][0] = load(lanes), x[r][1] = load(lanes + 32);
        lanes += GEMM_S8_LANES;
        for (int64_t i = t->ahead_lines; i > 0; i--, ahead += 64) {
            if (rows == 1) /* always alone: this is what it reads itself soon */
                _mm_prefetch((const char *)ahead, _MM_HINT_T0);
            else
                _mm_prefetch((const char *)ahead, _MM_HINT_T1);
        }
#pragma GCC unroll 8
        for (int step = 0; step < GEMM_S8_STEPS; step++, a += 4, b += 64) {
            const __m256i b0 = load(b), b1 = load(b + 32);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                const __m256i v = broadcast_step(a + r * lda);
                x[r][0] = pin(_mm256_add_epi16(x[r][0], _mm256_maddubs_epi16(v, b0)));
                x[r][1] = pin(_mm256_add_epi16(x[r][1], _mm256_maddubs_epi16(v, b1)));
            }
        }
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(x[r][0], ones));
            sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(x[r][1], ones));
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) finish(t, r, sum[r][0], sum[r][1], 64);
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

static const gemm_s8_family family = {
    .name = "gemm_s8_3x16__avx2", .mr = MR, .panels = 1, .lanes = true, .tile = {0, tile_1x16, tile_2x16, tile_3x16}};

static const gemm_s8_family *get(void) {
    return &family;
}

HST_KERNEL(gemm_s8_3x16__avx2) = {.name = "gemm_s8_3x16__avx2",
                                  .family = "gemm_s8",
                                  .slot = offsetof(kernels, gemm_s8),
                                  .isa = CPU_AVX2,
                                  .fn = (kernel_fn)get};
