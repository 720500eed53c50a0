/* Rows of f32 to 7 bits for AVX-512: see gemm_s8.h. Two passes over a row that is in the first level cache by the
 * second. Levels are rounded as integers, which is exact: x · inv is within ±127, or the scale is NaN and any level
 * will do. */
#include <immintrin.h>
#include <string.h>

#include "kernels/gemm_s8/avx512_finish.h"
#include "kernels/kernels.h"

typedef struct extent {
    __m512 low, high;
    __mmask16 nan;
} extent;

static inline __attribute__((always_inline)) void extend(extent *e, __m512 x, __m512 y) {
    e->low = _mm512_min_ps(_mm512_min_ps(x, y), e->low); /* with a NaN anything: it is the scale that counts */
    e->high = _mm512_max_ps(_mm512_max_ps(x, y), e->high);
    e->nan |= _mm512_cmp_ps_mask(x, y, _CMP_UNORD_Q);
}

static inline float least(__m512 a) {
    float x[16];
    _mm512_storeu_ps(x, a);
    __m128 b = _mm_min_ps(_mm_min_ps(_mm_loadu_ps(x), _mm_loadu_ps(x + 4)),
                          _mm_min_ps(_mm_loadu_ps(x + 8), _mm_loadu_ps(x + 12)));
    b = _mm_min_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_min_ss(b, _mm_movehdup_ps(b)));
}

static gemm_s8_row measure(int64_t k, const float *x) {
    const __m512 zero = _mm512_setzero_ps();
    extent e[2] = {{zero, zero, 0}, {zero, zero, 0}};
    int64_t i = 0;
    for (; i + 64 <= k; i += 64) {
        extend(&e[0], _mm512_loadu_ps(x + i), _mm512_loadu_ps(x + i + 16));
        extend(&e[1], _mm512_loadu_ps(x + i + 32), _mm512_loadu_ps(x + i + 48));
    }
    for (; i < k; i += 16) extend(&e[0], load_some(x + i, first_columns(k - i)), zero);
    const float low = least(_mm512_min_ps(e[0].low, e[1].low));
    const float high = -least(_mm512_sub_ps(zero, _mm512_max_ps(e[0].high, e[1].high)));
    return gemm_s8_row_make(low, high, (e[0].nan | e[1].nan) != 0);
}

/* q of 64 elements from x on, of which some may not exist. */
static inline __attribute__((always_inline)) __m512i levels(__m512 a, __m512 b, __m512 c, __m512 d, __m512 inv,
                                                            __m512i z) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i most = _mm512_set1_epi16(126);
    __m512i p = _mm512_packs_epi32(nearest_of(_mm512_mul_ps(a, inv)), nearest_of(_mm512_mul_ps(b, inv)));
    __m512i q = _mm512_packs_epi32(nearest_of(_mm512_mul_ps(c, inv)), nearest_of(_mm512_mul_ps(d, inv)));
    p = _mm512_min_epi16(_mm512_adds_epi16(p, z), most);
    q = _mm512_min_epi16(_mm512_adds_epi16(q, z), most);
    p = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(p, q)); /* packing goes by 128-bit lanes */
    return _mm512_add_epi8(p, _mm512_set1_epi8(1));
}

static void quantize_row(int64_t k, const float *x, uint8_t *q, int32_t *zero, float *scale) {
    const gemm_s8_row row = measure(k, x);
    const __m512 inv = _mm512_set1_ps(row.inv);
    const __m512i z = _mm512_set1_epi16((int16_t)row.z);
    int64_t i = 0;
    for (; i + 64 <= k; i += 64)
        _mm512_storeu_si512(q + i, levels(_mm512_loadu_ps(x + i), _mm512_loadu_ps(x + i + 16),
                                          _mm512_loadu_ps(x + i + 32), _mm512_loadu_ps(x + i + 48), inv, z));
    if (i < k) {
        uint8_t last[64];
        __m512 v[4];
        for (int j = 0; j < 4; j++) v[j] = load_some(x + i + j * 16, first_columns(k - i - j * 16));
        _mm512_storeu_si512(last, levels(v[0], v[1], v[2], v[3], inv, z));
        memcpy(q + i, last, (size_t)(k - i));
    }
    memset(q + k, 64, (size_t)(gemm_s8_blocks(k) * GEMM_S8_K - k));
    *zero = (int32_t)row.z + 1;
    *scale = row.scale;
}

static void gemm_s8_quantize(int64_t rows, int64_t k, const float *x, int64_t ldx, uint8_t *q, int64_t ldq,
                             int32_t *zero, float *scale) {
    for (int64_t r = 0; r < rows; r++) quantize_row(k, x + r * ldx, q + r * ldq, zero + r, scale + r);
}

HST_KERNEL(gemm_s8_quantize__avx512) = {.name = "gemm_s8_quantize__avx512",
                                        .family = "gemm_s8",
                                        .slot = offsetof(kernels, gemm_s8_quantize),
                                        .isa = CPU_AVX512,
                                        .fn = (kernel_fn)gemm_s8_quantize};
