/* The s16 tile for AVX2: 6 rows x 16 columns in twelve accumulators, two multiply-adds of pairs (vpmaddwd) a row and
 * step. */
#include <immintrin.h>
#include <string.h>

#include "kernels/kernels.h"

static inline __m256i pair_of(const int16_t *a) {
    int32_t both;
    memcpy(&both, a, 4);
    return _mm256_set1_epi32(both);
}

#define STEP(r)                                                                                                        \
    x = pair_of(a + (r)*width + 2 * p);                                                                                \
    c##r##0 = _mm256_add_epi32(c##r##0, _mm256_madd_epi16(x, b0));                                                     \
    c##r##1 = _mm256_add_epi32(c##r##1, _mm256_madd_epi16(x, b1))
#define STORE(r)                                                                                                       \
    _mm256_storeu_si256((__m256i *)(c + (r)*GEMM_S16_NR), c##r##0);                                                    \
    _mm256_storeu_si256((__m256i *)(c + (r)*GEMM_S16_NR + 8), c##r##1)

static void tile_6(int64_t pairs, const int16_t *a, const int16_t *b, int32_t *c) {
    int64_t width = 2 * pairs;
    __m256i c00 = _mm256_setzero_si256(), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
    __m256i c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
    for (int64_t p = 0; p < pairs; p++, b += 2 * GEMM_S16_NR) {
        __m256i b0 = _mm256_loadu_si256((const __m256i *)b), b1 = _mm256_loadu_si256((const __m256i *)(b + 16)), x;
        STEP(0);
        STEP(1);
        STEP(2);
        STEP(3);
        STEP(4);
        STEP(5);
    }
    STORE(0);
    STORE(1);
    STORE(2);
    STORE(3);
    STORE(4);
    STORE(5);
}

static void tile_2(int64_t pairs, const int16_t *a, const int16_t *b, int32_t *c) {
    int64_t width = 2 * pairs;
    __m256i c00 = _mm256_setzero_si256(), c01 = c00, c10 = c00, c11 = c00;
    for (int64_t p = 0; p < pairs; p++, b += 2 * GEMM_S16_NR) {
        __m256i b0 = _mm256_loadu_si256((const __m256i *)b), b1 = _mm256_loadu_si256((const __m256i *)(b + 16)), x;
        STEP(0);
        STEP(1);
    }
    STORE(0);
    STORE(1);
}

static void tile_1(int64_t pairs, const int16_t *a, const int16_t *b, int32_t *c) {
    int64_t width = 2 * pairs;
    __m256i c00 = _mm256_setzero_si256(), c01 = c00;
    for (int64_t p = 0; p < pairs; p++, b += 2 * GEMM_S16_NR) {
        __m256i b0 = _mm256_loadu_si256((const __m256i *)b), b1 = _mm256_loadu_si256((const __m256i *)(b + 16)), x;
        STEP(0);
    }
    STORE(0);
}

static void gemm_s16_tile__avx2(int64_t m, int64_t pairs, const int16_t *a, const int16_t *panel, int32_t *c) {
    int64_t i = 0;
    for (; i + 6 <= m; i += 6) tile_6(pairs, a + i * 2 * pairs, panel, c + i * GEMM_S16_NR);
    for (; i + 2 <= m; i += 2) tile_2(pairs, a + i * 2 * pairs, panel, c + i * GEMM_S16_NR);
    for (; i < m; i++) tile_1(pairs, a + i * 2 * pairs, panel, c + i * GEMM_S16_NR);
}

HST_KERNEL(gemm_s16_tile__avx2) = {.name = "gemm_s16_tile_6x16__avx2",
                                   .family = "gemm_s16",
                                   .slot = offsetof(kernels, gemm_s16_tile),
                                   .isa = CPU_AVX2,
                                   .fn = (kernel_fn)gemm_s16_tile__avx2};
