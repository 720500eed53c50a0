/* 8-bit linear layer for AVX-VNNI (vpdpbusd on 256 bits): tiles of up to 6×16, 12 accumulators, 2 of B, a broadcast.
 * HST_EMULATED: with the same instruction of AVX-512 VL, which emulations have. */
#include "kernels/gemm_s8/avx2_finish.h"
#include "kernels/kernels.h"

enum { MR = 6 };

#ifdef HST_EMULATED
#define dot(sum, a, b) _mm256_dpbusd_epi32(sum, a, b)
#define pin(x)         (x)
#else
#define dot(sum, a, b) _mm256_dpbusd_avx_epi32(sum, a, b)
/* Keeps a sum in its register: compilers copy each to the stack after every step. */
static inline __attribute__((always_inline)) __m256i pin(__m256i x) {
    __asm__("" : "+x"(x));
    return x;
}
#endif

/* rows is a constant after inlining: the loops over it unroll and the accumulators live in registers. */
static inline __attribute__((always_inline)) void tile(const gemm_s8_tile *t, const int rows) {
    __m256i sum[MR][2];
    const uint8_t *a = t->a;
    const int8_t *b = t->panel + GEMM_S8_HEAD;
    const int64_t lda = t->lda;
    uintptr_t ahead = t->ahead;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
    for (int64_t block = t->blocks; block > 0; block--) {
        for (int64_t i = t->ahead_lines; i > 0; i--, ahead += 64) _mm_prefetch((const char *)ahead, _MM_HINT_T1);
#pragma GCC unroll 1
        for (int step = 0; step < GEMM_S8_STEPS; step++, a += 4, b += 64) {
            const __m256i b0 = load(b), b1 = load(b + 32);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                const __m256i v = broadcast_step(a + r * lda);
                sum[r][0] = pin(dot(sum[r][0], v, b0));
                sum[r][1] = pin(dot(sum[r][1], v, b1));
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) finish(t, r, sum[r][0], sum[r][1], 0);
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

static const gemm_s8_family family = {.name = "gemm_s8_6x16__avxvnni",
                                      .mr = MR,
                                      .panels = 1,
                                      .tile = {0, tile_1x16, tile_2x16, tile_3x16, tile_4x16, tile_5x16, tile_6x16}};

static const gemm_s8_family *get(void) {
    return &family;
}

HST_KERNEL(gemm_s8_6x16__avxvnni) = {.name = "gemm_s8_6x16__avxvnni",
                                     .family = "gemm_s8",
                                     .slot = offsetof(kernels, gemm_s8),
                                     .isa = CPU_AVXVNNI,
                                     .fn = (kernel_fn)get};
