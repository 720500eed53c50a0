/* f32 matrix product for AVX2 and FMA: panels of 16 columns, tiles of 6×16 (12 accumulators); 1 to 3 rows take several
 * panels at once, so that at least 8 independent chains are in flight. */
#include <immintrin.h>

#include "kernels/kernels.h"

enum {
    NR = 16,
    FAR = 2048,
    NEAR = 2048 /* bytes of the panel fetched ahead: from memory, from the second level cache */
};

static inline __m256i tail_mask(int64_t n) { /* lanes below n, n <= 8 or negative */
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 0 ? 0 : n > 8 ? 8 : (int)n), lane);
}

static inline __attribute__((always_inline)) __m256 load_some(const float *from, const bool all, __m256i m) {
    return all ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, m);
}
static inline __attribute__((always_inline)) void store_some(float *to, const bool all, __m256i m, __m256 x) {
    if (all)
        _mm256_storeu_ps(to, x);
    else
        _mm256_maskstore_ps(to, m, x);
}

/* Finishes `rows` × 16 columns: all of them, or n. What there is to do is asked once, not row by row. */
static inline __attribute__((always_inline)) void finish_columns(const gemm_f32_tile *t, const int rows, const int p,
                                                                 const bool all, int64_t n, __m256 (*acc)[8]) {
    const __m256i m0 = tail_mask(n), m1 = tail_mask(n - 8);
    float *c = t->c + p * NR;
    if (t->scale != 1) {
        const __m256 scale = _mm256_set1_ps(t->scale);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            for (int j = 2 * p; j < 2 * p + 2; j++) acc[r][j] = _mm256_mul_ps(scale, acc[r][j]);
    }
    if (t->row_scale) {
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            for (int j = 2 * p; j < 2 * p + 2; j++)
                acc[r][j] = _mm256_mul_ps(_mm256_broadcast_ss(t->row_scale + r), acc[r][j]);
    }
    if (t->bias) {
        const __m256 b0 = load_some(t->bias + p * NR, all, m0), b1 = load_some(t->bias + p * NR + 8, all, m1);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            acc[r][2 * p] = _mm256_add_ps(acc[r][2 * p], b0);
            acc[r][2 * p + 1] = _mm256_add_ps(acc[r][2 * p + 1], b1);
        }
    }
    if (t->residual) {
        const float *residual = t->residual + p * NR;
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            acc[r][2 * p] = _mm256_add_ps(acc[r][2 * p], load_some(residual + r * t->ldr, all, m0));
            acc[r][2 * p + 1] = _mm256_add_ps(acc[r][2 * p + 1], load_some(residual + r * t->ldr + 8, all, m1));
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        store_some(c + r * t->ldc, all, m0, acc[r][2 * p]);
        store_some(c + r * t->ldc + 8, all, m1, acc[r][2 * p + 1]);
    }
}

static inline __attribute__((always_inline)) void finish(const gemm_f32_tile *t, const int rows, const int p,
                                                         __m256 (*acc)[8]) {
    const int64_t n = t->n - (int64_t)p * NR;
    if (n >= NR)
        finish_columns(t, rows, p, true, n, acc);
    else
        finish_columns(t, rows, p, false, n, acc);
}

typedef enum panel_type { F32, F16, BF16 } panel_type;

/* 8 elements of a panel; widening is exact. */
static inline __attribute__((always_inline)) __m256 load_panel(const char *b, const panel_type type) {
    if (type == F32) return _mm256_loadu_ps((const float *)b);
    const __m128i half = _mm_loadu_si128((const __m128i *)b);
    if (type == F16) return _mm256_cvtph_ps(half);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/* rows and panels are constants after inlining: the loops over them unroll and acc lives in registers. The loop over k
 * stays as it is and rows are addressed from two pointers: unrolled further, gcc renames accumulators and spills. */
static inline __attribute__((always_inline)) void tile_of(const gemm_f32_tile *t, const int rows, const int panels,
                                                          const panel_type type) {
    __m256 acc[6][8];
    const int64_t lda = t->lda, b_stride = t->b_stride;
    const float *a0 = t->a, *a3 = rows > 3 ? t->a + 3 * lda : t->a;
    const int64_t size = type == F32 ? 4 : 2;
    const char *b = t->b;
    uintptr_t ahead = t->ahead;
    const int64_t ahead_step = t->ahead_step;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int j = 0; j < 2 * panels; j++) acc[r][j] = _mm256_setzero_ps();
    /* The last steps fetch what the next tile begins with. */
    const char *fetch = b + NEAR;
    int64_t k = t->k;
    for (int64_t rest = panels == 1 ? NEAR / (NR * size) : 0;; rest = 0) {
        for (; k > rest; k--, a0++, a3++, b += NR * size, fetch += NR * size, ahead += (uintptr_t)ahead_step) {
#pragma GCC unroll 4
            for (int p = 0; p < panels; p++) {
                const char *own = b + p * b_stride * size;
                const __m256 b0 = load_panel(own, type), b1 = load_panel(own + 8 * size, type);
#pragma GCC unroll 8
                for (int r = 0; r < rows; r++) {
                    const __m256 x = _mm256_broadcast_ss((r < 3 ? a0 : a3) + r % 3 * lda);
                    acc[r][2 * p] = _mm256_fmadd_ps(x, b0, acc[r][2 * p]);
                    acc[r][2 * p + 1] = _mm256_fmadd_ps(x, b1, acc[r][2 * p + 1]);
                }
                _mm_prefetch(panels > 1 ? own + FAR : fetch, _MM_HINT_T0);
                if (panels == 1) _mm_prefetch((const char *)ahead, _MM_HINT_T1);
            }
        }
        if (rest == 0) break;
        fetch = t->next_b ? t->next_b : t->b;
        if (!t->next_a) continue;
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) _mm_prefetch((const char *)(t->next_a + r * lda), _MM_HINT_T0);
    }
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++) finish(t, rows, p, acc);
}

static void tile_1x16(const gemm_f32_tile *t) {
    tile_of(t, 1, 1, F32);
}
static void tile_2x16(const gemm_f32_tile *t) {
    tile_of(t, 2, 1, F32);
}
static void tile_3x16(const gemm_f32_tile *t) {
    tile_of(t, 3, 1, F32);
}
static void tile_4x16(const gemm_f32_tile *t) {
    tile_of(t, 4, 1, F32);
}
static void tile_5x16(const gemm_f32_tile *t) {
    tile_of(t, 5, 1, F32);
}
static void tile_6x16(const gemm_f32_tile *t) {
    tile_of(t, 6, 1, F32);
}
static void tile_1x64(const gemm_f32_tile *t) {
    tile_of(t, 1, 4, F32);
}
static void tile_2x32(const gemm_f32_tile *t) {
    tile_of(t, 2, 2, F32);
}
static void tile_3x32(const gemm_f32_tile *t) {
    tile_of(t, 3, 2, F32);
}
static void tile_1x16_f16(const gemm_f32_tile *t) {
    tile_of(t, 1, 1, F16);
}
static void tile_2x16_f16(const gemm_f32_tile *t) {
    tile_of(t, 2, 1, F16);
}
static void tile_3x16_f16(const gemm_f32_tile *t) {
    tile_of(t, 3, 1, F16);
}
static void tile_4x16_f16(const gemm_f32_tile *t) {
    tile_of(t, 4, 1, F16);
}
static void tile_5x16_f16(const gemm_f32_tile *t) {
    tile_of(t, 5, 1, F16);
}
static void tile_6x16_f16(const gemm_f32_tile *t) {
    tile_of(t, 6, 1, F16);
}
static void tile_1x64_f16(const gemm_f32_tile *t) {
    tile_of(t, 1, 4, F16);
}
static void tile_2x32_f16(const gemm_f32_tile *t) {
    tile_of(t, 2, 2, F16);
}
static void tile_3x32_f16(const gemm_f32_tile *t) {
    tile_of(t, 3, 2, F16);
}
static void tile_1x16_bf16(const gemm_f32_tile *t) {
    tile_of(t, 1, 1, BF16);
}
static void tile_2x16_bf16(const gemm_f32_tile *t) {
    tile_of(t, 2, 1, BF16);
}
static void tile_3x16_bf16(const gemm_f32_tile *t) {
    tile_of(t, 3, 1, BF16);
}
static void tile_4x16_bf16(const gemm_f32_tile *t) {
    tile_of(t, 4, 1, BF16);
}
static void tile_5x16_bf16(const gemm_f32_tile *t) {
    tile_of(t, 5, 1, BF16);
}
static void tile_6x16_bf16(const gemm_f32_tile *t) {
    tile_of(t, 6, 1, BF16);
}
static void tile_1x64_bf16(const gemm_f32_tile *t) {
    tile_of(t, 1, 4, BF16);
}
static void tile_2x32_bf16(const gemm_f32_tile *t) {
    tile_of(t, 2, 2, BF16);
}
static void tile_3x32_bf16(const gemm_f32_tile *t) {
    tile_of(t, 3, 2, BF16);
}

/* 8 columns of the panel from 8 rows of the operand, 8 k at a time. */
static inline void transpose_8x8(const float *from, int64_t ld, float *to) {
    __m256 r0 = _mm256_loadu_ps(from), r1 = _mm256_loadu_ps(from + ld), r2 = _mm256_loadu_ps(from + 2 * ld);
    __m256 r3 = _mm256_loadu_ps(from + 3 * ld), r4 = _mm256_loadu_ps(from + 4 * ld);
    __m256 r5 = _mm256_loadu_ps(from + 5 * ld), r6 = _mm256_loadu_ps(from + 6 * ld);
    __m256 r7 = _mm256_loadu_ps(from + 7 * ld);
    __m256 t0 = _mm256_unpacklo_ps(r0, r1), t1 = _mm256_unpackhi_ps(r0, r1);
    __m256 t2 = _mm256_unpacklo_ps(r2, r3), t3 = _mm256_unpackhi_ps(r2, r3);
    __m256 t4 = _mm256_unpacklo_ps(r4, r5), t5 = _mm256_unpackhi_ps(r4, r5);
    __m256 t6 = _mm256_unpacklo_ps(r6, r7), t7 = _mm256_unpackhi_ps(r6, r7);
    r0 = _mm256_shuffle_ps(t0, t2, 0x44), r1 = _mm256_shuffle_ps(t0, t2, 0xee);
    r2 = _mm256_shuffle_ps(t1, t3, 0x44), r3 = _mm256_shuffle_ps(t1, t3, 0xee);
    r4 = _mm256_shuffle_ps(t4, t6, 0x44), r5 = _mm256_shuffle_ps(t4, t6, 0xee);
    r6 = _mm256_shuffle_ps(t5, t7, 0x44), r7 = _mm256_shuffle_ps(t5, t7, 0xee);
    _mm256_storeu_ps(to + 0 * NR, _mm256_permute2f128_ps(r0, r4, 0x20));
    _mm256_storeu_ps(to + 1 * NR, _mm256_permute2f128_ps(r1, r5, 0x20));
    _mm256_storeu_ps(to + 2 * NR, _mm256_permute2f128_ps(r2, r6, 0x20));
    _mm256_storeu_ps(to + 3 * NR, _mm256_permute2f128_ps(r3, r7, 0x20));
    _mm256_storeu_ps(to + 4 * NR, _mm256_permute2f128_ps(r0, r4, 0x31));
    _mm256_storeu_ps(to + 5 * NR, _mm256_permute2f128_ps(r1, r5, 0x31));
    _mm256_storeu_ps(to + 6 * NR, _mm256_permute2f128_ps(r2, r6, 0x31));
    _mm256_storeu_ps(to + 7 * NR, _mm256_permute2f128_ps(r3, r7, 0x31));
}

static void pack_transposed(const float *from, int64_t ld, int64_t k, int64_t n, float *to) {
    for (int64_t j = 0; j < NR; j += 8) {
        int64_t i = 0;
        if (n - j >= 8)
            for (; i + 8 <= k; i += 8) transpose_8x8(from + j * ld + i, ld, to + i * NR + j);
        for (; i < k; i++)
            for (int64_t l = j; l < j + 8; l++) to[i * NR + l] = l < n ? from[l * ld + i] : 0.0f;
    }
}

static const gemm_f32_family family = {
    .name = "gemm_f32_6x16__avx2",
    .mr = 6,
    .nr = NR,
    .tile = {0, tile_1x16, tile_2x16, tile_3x16, tile_4x16, tile_5x16, tile_6x16},
    .wide = {0, tile_1x64, tile_2x32, tile_3x32},
    .wide_panels = {0, 4, 2, 2},
    .f16 = {0, tile_1x16_f16, tile_2x16_f16, tile_3x16_f16, tile_4x16_f16, tile_5x16_f16, tile_6x16_f16},
    .f16_wide = {0, tile_1x64_f16, tile_2x32_f16, tile_3x32_f16},
    .bf16 = {0, tile_1x16_bf16, tile_2x16_bf16, tile_3x16_bf16, tile_4x16_bf16, tile_5x16_bf16, tile_6x16_bf16},
    .bf16_wide = {0, tile_1x64_bf16, tile_2x32_bf16, tile_3x32_bf16},
    .pack_transposed = pack_transposed,
};

static const gemm_f32_family *get(void) {
    return &family;
}

HST_KERNEL(gemm_f32_6x16__avx2) = {
    .name = "gemm_f32_6x16__avx2",
    .family = "gemm_f32",
    .slot = offsetof(kernels, gemm_f32),
    .isa = CPU_AVX2,
    .fn = (kernel_fn)get,
};
