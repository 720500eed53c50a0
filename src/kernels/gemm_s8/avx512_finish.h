/* What the AVX-512 versions of the 8-bit linear layer share: masked accesses, from sums of a row of two panels to its
 * results.
 * HST_EMULATED: compiled through an emulation that has no masked accesses. */
#ifndef KERNELS_GEMM_S8_AVX512_FINISH_H
#define KERNELS_GEMM_S8_AVX512_FINISH_H

#include <immintrin.h>
#include <string.h>

#include "kernels/gemm_s8/gemm_s8.h"

static inline __attribute__((always_inline)) __mmask16 first_columns(int64_t n) {
    return (__mmask16)(n >= 16 ? 0xffff : n <= 0 ? 0 : (1 << n) - 1);
}

#ifdef HST_EMULATED
static inline __attribute__((always_inline)) __m512 load_some(const float *from, __mmask16 m) {
    float x[16] = {0};
    for (int i = 0; i < 16; i++)
        if (m >> i & 1) x[i] = from[i];
    return _mm512_loadu_ps(x);
}
static inline __attribute__((always_inline)) void store_some(float *to, __mmask16 m, __m512 v) {
    float x[16];
    _mm512_storeu_ps(x, v);
    for (int i = 0; i < 16; i++)
        if (m >> i & 1) to[i] = x[i];
}
static inline __attribute__((always_inline)) __m512 floats_of(__m512i v) {
    int32_t x[16];
    float y[16];
    _mm512_storeu_si512(x, v);
    for (int i = 0; i < 16; i++) y[i] = (float)x[i];
    return _mm512_loadu_ps(y);
}
static inline __attribute__((always_inline)) __m512i nearest_of(__m512 v) {
    float x[16];
    int32_t y[16];
    _mm512_storeu_ps(x, v);
    for (int i = 0; i < 16; i++) y[i] = _mm_cvtss_si32(_mm_set_ss(x[i]));
    return _mm512_loadu_si512(y);
}
#else
static inline __attribute__((always_inline)) __m512i nearest_of(__m512 v) {
    return _mm512_cvtps_epi32(v);
}
static inline __attribute__((always_inline)) __m512 floats_of(__m512i v) {
    return _mm512_cvtepi32_ps(v);
}
static inline __attribute__((always_inline)) __m512 load_some(const float *from, __mmask16 m) {
    return _mm512_maskz_loadu_ps(m, from);
}
static inline __attribute__((always_inline)) void store_some(float *to, __mmask16 m, __m512 v) {
    _mm512_mask_storeu_ps(to, m, v);
}
#endif

static inline __attribute__((always_inline)) __m512i load_step(const int8_t *p) {
    return _mm512_loadu_si512((const void *)p);
}
static inline __attribute__((always_inline)) __m512i broadcast_step(const uint8_t *a) {
    int32_t four;
    memcpy(&four, a, 4);
    return _mm512_set1_epi32(four);
}
/* The second panel of a tile, or the first once more where there is none: its sums are dropped. */
static inline __attribute__((always_inline)) const int8_t *second_panel(const gemm_s8_tile *t) {
    return t->n > GEMM_S8_NR ? t->panel + t->stride : t->panel;
}

/* Fetches what comes next for one block; where it goes on. */
static inline __attribute__((always_inline)) uintptr_t fetch_ahead(const gemm_s8_tile *t, uintptr_t ahead) {
    for (int64_t i = t->ahead_lines; i > 0; i--, ahead += 64) {
        _mm_prefetch((const char *)ahead, _MM_HINT_T1);
        _mm_prefetch((const char *)ahead + t->stride, _MM_HINT_T1);
    }
    return ahead;
}

/* Row r: the sums Σ (q - zero_of_sums) w of panel p become its results. */
static inline void finish_panel(const gemm_s8_tile *t, int r, int p, __m512i sum, int zero_of_sums) {
    const int8_t *panel = p ? second_panel(t) : t->panel;
    const __mmask16 m = first_columns(t->n - (int64_t)p * GEMM_S8_NR);
    const __m512i zero = _mm512_set1_epi32(t->zero[r] - zero_of_sums);
    const int64_t at = (int64_t)p * GEMM_S8_NR;
    if (!m) return;
    sum = _mm512_sub_epi32(sum, _mm512_mullo_epi32(zero, load_step(panel)));
    const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(t->scale[r]), load_some(t->w_scale + at, m));
    __m512 x = _mm512_mul_ps(floats_of(sum), scale);
    if (t->bias) x = _mm512_add_ps(x, load_some(t->bias + at, m));
    if (t->residual) x = _mm512_add_ps(x, load_some(t->residual + r * t->ldr + at, m));
    store_some(t->c + r * t->ldc + at, m, x);
}

/* 128 · high + low = v, as pairs of s16 for vpmaddwd. */
static inline __attribute__((always_inline)) __m512i halves_of(__m512i v) {
    const __m512i up = _mm512_and_si512(_mm512_slli_epi32(v, 9), _mm512_set1_epi32(-65536));
    return _mm512_or_si512(_mm512_and_si512(v, _mm512_set1_epi32(127)), up);
}

/* Rows of a tile whose panels are not whole, or too long. */
static __attribute__((noinline)) void finish_edge(const gemm_s8_tile *t, int rows, const int32_t (*sum)[2][16],
                                                  int zero_of_sums) {
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < 2; p++) finish_panel(t, r, p, _mm512_loadu_si512(sum[r][p]), zero_of_sums);
}

/* What belongs to the columns of two panels. Where they are whole it is held in registers, and Σ w (below 2^22 of so
 * many rows) multiplied in halves, which is cheaper than in 32 bits. */
typedef struct whole_panels {
    __m512i head[2];
    __m512 scale[2], bias[2];
} whole_panels;

static inline __attribute__((always_inline)) bool panels_are_whole(const gemm_s8_tile *t) {
    return t->n >= 2 * GEMM_S8_NR && t->blocks <= 1024;
}

static inline __attribute__((always_inline)) whole_panels whole_panels_of(const gemm_s8_tile *t) {
    const __m512 none = _mm512_set1_ps(-0.0f); /* changes no number, nor its sign */
    whole_panels w;
    w.head[0] = halves_of(load_step(t->panel));
    w.head[1] = halves_of(load_step(t->panel + t->stride));
    w.scale[0] = _mm512_loadu_ps(t->w_scale);
    w.scale[1] = _mm512_loadu_ps(t->w_scale + GEMM_S8_NR);
    w.bias[0] = t->bias ? _mm512_loadu_ps(t->bias) : none;
    w.bias[1] = t->bias ? _mm512_loadu_ps(t->bias + GEMM_S8_NR) : none;
    return w;
}

static inline __attribute__((always_inline)) void finish_whole(const gemm_s8_tile *t, int r, const whole_panels *w,
                                                               const __m512i sum[2], int zero_of_sums) {
    const int32_t zero = t->zero[r] - zero_of_sums;
    const __m512i pair = _mm512_set1_epi32((int32_t)((uint32_t)zero << 23 | ((uint32_t)zero & 0xffff)));
    const __m512 scale = _mm512_set1_ps(t->scale[r]);
    __m512 x0 = floats_of(_mm512_sub_epi32(sum[0], _mm512_madd_epi16(pair, w->head[0])));
    __m512 x1 = floats_of(_mm512_sub_epi32(sum[1], _mm512_madd_epi16(pair, w->head[1])));
    x0 = _mm512_add_ps(_mm512_mul_ps(x0, _mm512_mul_ps(scale, w->scale[0])), w->bias[0]);
    x1 = _mm512_add_ps(_mm512_mul_ps(x1, _mm512_mul_ps(scale, w->scale[1])), w->bias[1]);
    if (t->residual) {
        x0 = _mm512_add_ps(x0, _mm512_loadu_ps(t->residual + r * t->ldr));
        x1 = _mm512_add_ps(x1, _mm512_loadu_ps(t->residual + r * t->ldr + GEMM_S8_NR));
    }
    _mm512_storeu_ps(t->c + r * t->ldc, x0);
    _mm512_storeu_ps(t->c + r * t->ldc + GEMM_S8_NR, x1);
}

/* All rows of a tile whose sums are in registers. */
static inline __attribute__((always_inline)) void finish_rows(const gemm_s8_tile *t, const int rows, __m512i sum[][2],
                                                              int zero_of_sums) {
    if (!panels_are_whole(t)) {
        int32_t kept[GEMM_S8_ROWS_MAX][2][16];
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            _mm512_storeu_si512(kept[r][0], sum[r][0]);
            _mm512_storeu_si512(kept[r][1], sum[r][1]);
        }
        finish_edge(t, rows, (const int32_t(*)[2][16])kept, zero_of_sums);
        return;
    }
    const whole_panels w = whole_panels_of(t);
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) finish_whole(t, r, &w, sum[r], zero_of_sums);
}

#endif
