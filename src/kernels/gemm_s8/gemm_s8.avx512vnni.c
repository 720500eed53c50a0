/* 8-bit linear layer for AVX-512 with dot products (vpdpbusd): tiles of up to 12 rows × 2 panels, 24 accumulators. A
 * step of a panel is one register, whose lanes are columns. */
#include "kernels/gemm_s8/avx512_finish.h"
#include "kernels/kernels.h"

enum { MR = 12 };

/* Hides where a distance comes from: compilers would keep twelve row pointers in general registers, more than there
 * are.
 */
static inline __attribute__((always_inline)) int64_t opaque(int64_t x) {
    __asm__("" : "+r"(x));
    return x;
}

/* rows is a constant after inlining: the loops over it unroll and the accumulators live in registers. Rows are
 * addressed four by four from three pointers. */
static inline __attribute__((always_inline)) void tile(const gemm_s8_tile *t, const int rows) {
    __m512i sum[MR][2];
    const int64_t one = t->lda, three = opaque(3 * one), second = opaque(second_panel(t) - t->panel);
    const uint8_t *a[3] = {t->a, t->a + 4 * one, t->a + 8 * one};
    const int8_t *b = t->panel + GEMM_S8_HEAD;
    uintptr_t ahead = t->ahead, next = (uintptr_t)t->a + (uintptr_t)(rows * t->lda);
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm512_setzero_si512();
    for (int64_t block = t->blocks; block > 0; block--) {
        ahead = fetch_ahead(t, ahead);
        if (t->rows_pass)
#pragma GCC unroll 8
            for (int i = 0; i < (rows + 1) / 2; i++, next += 64) _mm_prefetch((const char *)next, _MM_HINT_T0);
#pragma GCC unroll 2
        for (int step = 0; step < GEMM_S8_STEPS; step++, b += 64) {
            const __m512i b0 = load_step(b), b1 = load_step(b + second);
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                const uint8_t *from = a[r / 4];
                const __m512i v = broadcast_step(r % 4 == 3 ? from + three : from + r % 4 * one);
                sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], v, b0);
                sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], v, b1);
            }
            a[0] += 4;
            a[1] += 4;
            a[2] += 4;
        }
    }
    finish_rows(t, rows, sum, 0);
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
static void tile_6x32(const gemm_s8_tile *t) {
    tile(t, 6);
}
static void tile_7x32(const gemm_s8_tile *t) {
    tile(t, 7);
}
static void tile_8x32(const gemm_s8_tile *t) {
    tile(t, 8);
}
static void tile_9x32(const gemm_s8_tile *t) {
    tile(t, 9);
}
static void tile_10x32(const gemm_s8_tile *t) {
    tile(t, 10);
}
static void tile_11x32(const gemm_s8_tile *t) {
    tile(t, 11);
}
static void tile_12x32(const gemm_s8_tile *t) {
    tile(t, 12);
}

static const gemm_s8_family family = {.name = "gemm_s8_12x32__avx512vnni",
                                      .mr = MR,
                                      .panels = 2,
                                      .tile = {0, tile_1x32, tile_2x32, tile_3x32, tile_4x32, tile_5x32, tile_6x32,
                                               tile_7x32, tile_8x32, tile_9x32, tile_10x32, tile_11x32, tile_12x32}};

static const gemm_s8_family *get(void) {
    return &family;
}

HST_KERNEL(gemm_s8_12x32__avx512vnni) = {.name = "gemm_s8_12x32__avx512vnni",
                                         .family = "gemm_s8",
                                         .slot = offsetof(kernels, gemm_s8),
                                         .isa = CPU_AVX512VNNI,
                                         .fn = (kernel_fn)get};
