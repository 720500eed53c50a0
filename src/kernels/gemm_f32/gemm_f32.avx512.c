/* f32 matrix product for AVX-512: panels of 32 columns, tiles of 12×32 (24 accumulators, 2 of B, a broadcast operand);
 * 1 to 3 rows take several panels at once. HST_EMULATED: compiled through an emulation that has no masked accesses. */
#include <immintrin.h>

#include "kernels/kernels.h"

enum {
    NR = 32,
    MR = 12,
    FAR = 2048,
    NEAR = 2048, /* bytes of the panel fetched ahead: from memory, from the next cache */
    STEPS_NEAR = NEAR / (NR * 4)
};

static inline __mmask16 tail_mask(int64_t n) {
    return (__mmask16)(n >= 16 ? 0xffff : n <= 0 ? 0 : (1 << n) - 1);
}

#ifdef HST_EMULATED
static inline __attribute__((always_inline)) __m512 load_some(const float *from, __mmask16 m) {
    float x[16] = {0};
    for (int i = 0; i < 16; i++)
        if (m >> i & 1) x[i] = from[i];
    return _mm512_loadu_ps(x);
}
static inline void store_some(float *to, __mmask16 m, __m512 v) {
    float x[16];
    _mm512_storeu_ps(x, v);
    for (int i = 0; i < 16; i++)
        if (m >> i & 1) to[i] = x[i];
}
#define shuffle_128(a, b, order) shuffle_quarters(a, b, order)
static inline __attribute__((always_inline)) __m512 shuffle_quarters(__m512 a, __m512 b, int order) {
    float x[16], y[16], z[16];
    _mm512_storeu_ps(x, a);
    _mm512_storeu_ps(y, b);
    for (int i = 0; i < 16; i++) z[i] = (i < 8 ? x : y)[(order >> (i / 4 * 2) & 3) * 4 + i % 4];
    return _mm512_loadu_ps(z);
}
#else
#define shuffle_128(a, b, order) _mm512_shuffle_f32x4(a, b, order)
static inline __m512 load_some(const float *from, __mmask16 m) {
    return _mm512_maskz_loadu_ps(m, from);
}
static inline void store_some(float *to, __mmask16 m, __m512 v) {
    _mm512_mask_storeu_ps(to, m, v);
}
#endif

/* Finishes `rows` × 32 columns of panel p, of which some exist. What there is to do is asked once, not row by row. */
static inline __attribute__((always_inline)) void finish(const gemm_f32_tile *t, const int rows, const int p,
                                                         __m512 (*acc)[8]) {
    const int64_t n = t->n - (int64_t)p * NR;
    const __mmask16 m0 = tail_mask(n), m1 = tail_mask(n - 16);
    float *c = t->c + p * NR;
    if (t->scale != 1) {
        const __m512 scale = _mm512_set1_ps(t->scale);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
            for (int j = 2 * p; j < 2 * p + 2; j++) acc[r][j] = _mm512_mul_ps(scale, acc[r][j]);
    }
    if (t->row_scale) {
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
            for (int j = 2 * p; j < 2 * p + 2; j++)
                acc[r][j] = _mm512_mul_ps(_mm512_set1_ps(t->row_scale[r]), acc[r][j]);
    }
    if (t->bias) {
        const __m512 b0 = load_some(t->bias + p * NR, m0), b1 = load_some(t->bias + p * NR + 16, m1);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            acc[r][2 * p] = _mm512_add_ps(acc[r][2 * p], b0);
            acc[r][2 * p + 1] = _mm512_add_ps(acc[r][2 * p + 1], b1);
        }
    }
    if (t->residual) {
        const float *residual = t->residual + p * NR;
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            acc[r][2 * p] = _mm512_add_ps(acc[r][2 * p], load_some(residual + r * t->ldr, m0));
            acc[r][2 * p + 1] = _mm512_add_ps(acc[r][2 * p + 1], load_some(residual + r * t->ldr + 16, m1));
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        store_some(c + r * t->ldc, m0, acc[r][2 * p]);
        store_some(c + r * t->ldc + 16, m1, acc[r][2 * p + 1]);
    }
}

static inline __attribute__((always_inline)) void step(const float *const *a, int64_t k, const float *b,
                                                       int64_t b_stride, const char *fetch, uintptr_t ahead,
                                                       int64_t ahead_step, const int rows, const int panels,
                                                       __m512 (*acc)[8]) {
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++) {
        const __m512 b0 = _mm512_loadu_ps(b + p * b_stride), b1 = _mm512_loadu_ps(b + p * b_stride + 16);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            const __m512 x = _mm512_set1_ps(a[r][k]);
            acc[r][2 * p] = _mm512_fmadd_ps(x, b0, acc[r][2 * p]);
            acc[r][2 * p + 1] = _mm512_fmadd_ps(x, b1, acc[r][2 * p + 1]);
        }
        const char *next = panels > 1 ? (const char *)(b + p * b_stride) + FAR : fetch;
        _mm_prefetch(next, _MM_HINT_T0);
        _mm_prefetch(next + 64, _MM_HINT_T0);
        if (panels > 1) continue;
        _mm_prefetch((const char *)ahead, _MM_HINT_T1);
        _mm_prefetch((const char *)(ahead + (uintptr_t)ahead_step / 2), _MM_HINT_T1);
    }
}

/* rows and panels are constants after inlining: all loops over them unroll and acc lives in registers. The last steps
 * fetch what the next tile begins with. */
static inline __attribute__((always_inline)) void tile(const gemm_f32_tile *t, const int rows, const int panels) {
    __m512 acc[MR][8];
    const float *a[MR], *b = t->b;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        a[r] = t->a + r * t->lda;
#pragma GCC unroll 8
        for (int j = 0; j < 2 * panels; j++) acc[r][j] = _mm512_setzero_ps();
    }
    const char *fetch = (const char *)b + NEAR;
    const int64_t by = t->ahead_step;
    uintptr_t ahead = t->ahead;
    int64_t k = 0;
    for (int64_t end = panels > 1 ? t->k : t->k - STEPS_NEAR;; end = t->k) {
        for (; k < end; k++, b += NR, fetch += NR * sizeof(float), ahead += (uintptr_t)by)
            step(a, k, b, t->b_stride, fetch, ahead, by, rows, panels, acc);
        if (end == t->k) break;
        fetch = t->next_b ? t->next_b : t->b;
        if (!t->next_a) continue;
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) _mm_prefetch((const char *)(t->next_a + r * t->lda), _MM_HINT_T0);
    }
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++)
        if (t->n > (int64_t)p * NR) finish(t, rows, p, acc);
}

static void tile_1x32(const gemm_f32_tile *t) {
    tile(t, 1, 1);
}
static void tile_2x32(const gemm_f32_tile *t) {
    tile(t, 2, 1);
}
static void tile_3x32(const gemm_f32_tile *t) {
    tile(t, 3, 1);
}
static void tile_4x32(const gemm_f32_tile *t) {
    tile(t, 4, 1);
}
static void tile_5x32(const gemm_f32_tile *t) {
    tile(t, 5, 1);
}
static void tile_6x32(const gemm_f32_tile *t) {
    tile(t, 6, 1);
}
static void tile_7x32(const gemm_f32_tile *t) {
    tile(t, 7, 1);
}
static void tile_8x32(const gemm_f32_tile *t) {
    tile(t, 8, 1);
}
static void tile_9x32(const gemm_f32_tile *t) {
    tile(t, 9, 1);
}
static void tile_10x32(const gemm_f32_tile *t) {
    tile(t, 10, 1);
}
static void tile_11x32(const gemm_f32_tile *t) {
    tile(t, 11, 1);
}
static void tile_12x32(const gemm_f32_tile *t) {
    tile(t, 12, 1);
}
static void tile_1x128(const gemm_f32_tile *t) {
    tile(t, 1, 4);
}
static void tile_2x64(const gemm_f32_tile *t) {
    tile(t, 2, 2);
}
static void tile_3x64(const gemm_f32_tile *t) {
    tile(t, 3, 2);
}

/* 16 columns by 16 k in four steps of pairs: rows of the operand become columns of the panel. */
static inline void transpose_16x16(const float *from, int64_t ld, float *to) {
    __m512 r[16], t[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_ps(from + i * ld);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m512 a = shuffle_128(r[i], r[i + 4], 0x88), b = shuffle_128(r[i + 8], r[i + 12], 0x88);
        __m512 c = shuffle_128(r[i], r[i + 4], 0xdd), d = shuffle_128(r[i + 8], r[i + 12], 0xdd);
        _mm512_storeu_ps(to + i * NR, shuffle_128(a, b, 0x88));
        _mm512_storeu_ps(to + (i + 4) * NR, shuffle_128(c, d, 0x88));
        _mm512_storeu_ps(to + (i + 8) * NR, shuffle_128(a, b, 0xdd));
        _mm512_storeu_ps(to + (i + 12) * NR, shuffle_128(c, d, 0xdd));
    }
}

static void pack_transposed(const float *from, int64_t ld, int64_t k, int64_t n, float *to) {
    for (int64_t j = 0; j < NR; j += 16) {
        int64_t i = 0;
        if (n - j >= 16)
            for (; i + 16 <= k; i += 16) transpose_16x16(from + j * ld + i, ld, to + i * NR + j);
        for (; i < k; i++)
            for (int64_t l = j; l < j + 16; l++) to[i * NR + l] = l < n ? from[l * ld + i] : 0.0f;
    }
}

static const gemm_f32_family family = {
    .name = "gemm_f32_12x32__avx512",
    .mr = MR,
    .nr = NR,
    .tile = {0, tile_1x32, tile_2x32, tile_3x32, tile_4x32, tile_5x32, tile_6x32, tile_7x32, tile_8x32, tile_9x32,
             tile_10x32, tile_11x32, tile_12x32},
    .wide = {0, tile_1x128, tile_2x64, tile_3x64},
    .wide_panels = {0, 4, 2, 2},
    .pack_transposed = pack_transposed,
};

static const gemm_f32_family *get(void) {
    return &family;
}

HST_KERNEL(gemm_f32_12x32__avx512) = {
    .name = "gemm_f32_12x32__avx512",
    .family = "gemm_f32",
    .slot = offsetof(kernels, gemm_f32),
    .isa = CPU_AVX512,
    .fn = (kernel_fn)get,
};
