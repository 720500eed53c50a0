/* Rows of f32 to 7 bits for AVX2: see gemm_s8.h. Two passes over a row that is in the first level cache by the second.
 */
#include <immintrin.h>
#include <string.h>

#include "kernels/kernels.h"

typedef struct extent {
    __m256 low, high, nan;
} extent;

static inline void extend(extent *e, __m256 x) {
    e->low = _mm256_min_ps(x, e->low); /* x where it is less, so a NaN is passed over */
    e->high = _mm256_max_ps(x, e->high);
    e->nan = _mm256_or_ps(e->nan, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

static inline float least(__m256 a) {
    __m128 b = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_min_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_min_ss(b, _mm_movehdup_ps(b)));
}

static gemm_s8_row measure(int64_t k, const float *x) {
    extent e[2] = {{_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()}};
    e[1] = e[0];
    int64_t i = 0;
    for (; i + 16 <= k; i += 16) {
        extend(&e[0], _mm256_loadu_ps(x + i));
        extend(&e[1], _mm256_loadu_ps(x + i + 8));
    }
    float low = least(_mm256_min_ps(e[0].low, e[1].low));
    float high = -least(_mm256_sub_ps(_mm256_setzero_ps(), _mm256_max_ps(e[0].high, e[1].high)));
    bool nan = _mm256_movemask_ps(_mm256_or_ps(e[0].nan, e[1].nan)) != 0;
    for (; i < k; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        nan |= x[i] != x[i];
    }
    return gemm_s8_row_make(low, high, nan);
}

/* round(x · inv) + z within 0 … 126. */
static inline __m256i level(const float *x, __m256 inv, __m256 z) {
    __m256 q = _mm256_mul_ps(_mm256_loadu_ps(x), inv);
    q = _mm256_add_ps(_mm256_round_ps(q, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), z);
    q = _mm256_min_ps(_mm256_max_ps(q, _mm256_setzero_ps()), _mm256_set1_ps(126));
    return _mm256_cvtps_epi32(q);
}

static void quantize_row(int64_t k, const float *x, uint8_t *q, int32_t *zero, float *scale) {
    const gemm_s8_row row = measure(k, x);
    const __m256 inv = _mm256_set1_ps(row.inv), z = _mm256_set1_ps(row.z);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7), one = _mm256_set1_epi8(1);
    int64_t i = 0;
    for (; i + 32 <= k; i += 32) {
        const __m256i a = _mm256_packs_epi32(level(x + i, inv, z), level(x + i + 8, inv, z));
        const __m256i b = _mm256_packs_epi32(level(x + i + 16, inv, z), level(x + i + 24, inv, z));
        const __m256i c = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order);
        _mm256_storeu_si256((__m256i *)(q + i), _mm256_add_epi8(c, one));
    }
    for (; i < k; i++) q[i] = gemm_s8_quantize_one(x[i], &row);
    memset(q + k, 64, (size_t)(gemm_s8_blocks(k) * GEMM_S8_K - k));
    *zero = (int32_t)row.z + 1;
    *scale = row.scale;
}

static void gemm_s8_quantize(int64_t rows, int64_t k, const float *x, int64_t ldx, uint8_t *q, int64_t ldq,
                             int32_t *zero, float *scale) {
    for (int64_t r = 0; r < rows; r++) quantize_row(k, x + r * ldx, q + r * ldq, zero + r, scale + r);
}

HST_KERNEL(gemm_s8_quantize__avx2) = {.name = "gemm_s8_quantize__avx2",
                                      .family = "gemm_s8",
                                      .slot = offsetof(kernels, gemm_s8_quantize),
                                      .isa = CPU_AVX2,
                                      .fn = (kernel_fn)gemm_s8_quantize};
