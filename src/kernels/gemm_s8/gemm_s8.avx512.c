/* 8-bit linear layer for AVX-512 (BW) without dot products: tiles of up to 5 rows × 2 panels. As for AVX2, a block of 8
 * steps is kept in s16 lanes, then widened; 10 accumulators of each width, 2 of B. */
#include "kernels/gemm_s8/avx512_finish.h"
#include "kernels/kernels.h"

enum { MR = 5 };

/* Keeps the order of additions as written: compilers reassociate integers, run out of registers and spill. */
#ifdef HST_EMULATED
#define pin(x) (x)
#else
static inline __attribute__((always_inline)) __m512i pin(__m512i x) {
    __asm__("" : "+v"(x));
    return x;
}
#endif

/* rows is a constant after inlining: the loops over it unroll and the accumulators live in registers. */
static inline __attribute__((always_inline)) void tile(const gemm_s8_tile *t, const int rows) {
    __m512i sum[MR][2];
    const __m512i ones = _mm512_set1_epi16(1);
    const uint8_t *a = t->a;
    const int8_t *b = t->panel + GEMM_S8_HEAD, *lanes = gemm_s8_lanes(t->panel, t->blocks);
    const int64_t second = second_panel(t) - t->panel;
    const int64_t lda = t->lda;
    uintptr_t ahead = t->ahead;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm512_setzero_si512();
    for (int64_t block = t->blocks; block > 0; block--) {
        __m512i x[MR][2];
        ahead = fetch_ahead(t, ahead);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) x[r][0] = load_step(lanes), x[r][1] = load_step(lanes + second);
        lanes += GEMM_S8_LANES;
#pragma GCC unroll 2
        for (int step = 0; step < GEMM_S8_STEPS; step++, a += 4, b += 64) {
            const __m512i b0 = load_step(b), b1 = load_step(b + second);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                const __m512i v = broadcast_step(a + r * lda);
                x[r][0] = pin(_mm512_add_epi16(x[r][0], _mm512_maddubs_epi16(v, b0)));
                x[r][1] = pin(_mm512_add_epi16(x[r][1], _mm512_maddubs_epi16(v, b1)));
            }
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            sum[r][0] = _mm512_add_epi32(sum[r][0], _mm512_madd_epi16(x[r][0], ones));
            sum[r][1] = _mm512_add_epi32(sum[r][1], _mm512_madd_epi16(x[r][1], ones));
        }
    }
    finish_rows(t, rows, sum, 64);
}

static void tile_1x32(const gemm_s8_tile *t) {
    tile(t, 1);
}
static void tile_2x32(const gemm_s8_tile *t) {
    tile(t, 2);
}
static void tile_3x32(const gemm_s8_tile *t) {
    tile(t, 3);
}
static void tile_4x32(const gemm_s8_tile *t) {
    tile(t, 4);
}
static void tile_5x32(const gemm_s8_tile *t) {
    tile(t, 5);
}

static const gemm_s8_family family = {.name = "gemm_s8_5x32__avx512",
                                      .mr = MR,
                                      .panels = 2,
                                      .lanes = true,
                                      .tile = {0, tile_1x32, tile_2x32, tile_3x32, tile_4x32, tile_5x32}};

static const gemm_s8_family *get(void) {
    return &family;
}

HST_KERNEL(gemm_s8_5x32__avx512) = {.name = "gemm_s8_5x32__avx512",
                                    .family = "gemm_s8",
                                    .slot = offsetof(kernels, gemm_s8),
                                    .isa = CPU_AVX512,
                                    .fn = (kernel_fn)get};
