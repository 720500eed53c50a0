/* The vocabulary for AVX2 + FMA: 8 lanes. See vec.h. */
// clang-format off
#include <immintrin.h>

#define VEC_LANES 8
#define VEC_ISA CPU_AVX2
#define VEC_SUFFIX __avx2
#define VEC_TEXT "__avx2"

typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;

static const int32_t vec_mask_table[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
static inline vi vec_mask_n(int64_t n) { return _mm256_loadu_si256((const __m256i *)(vec_mask_table + 8 - n)); }

static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
static inline vf vf_load_n(const float *p, int64_t n) { return _mm256_maskload_ps(p, vec_mask_n(n)); }
static inline void vf_store_n(float *p, vf a, int64_t n) { _mm256_maskstore_ps(p, vec_mask_n(n), a); }
static inline vm vm_first(int64_t n) { return _mm256_castsi256_ps(vec_mask_n(n)); }

static inline vf vf_set(float x) { return _mm256_set1_ps(x); }
static inline vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf vf_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf vf_floor(vf a) { return _mm256_floor_ps(a); }
static inline vf vf_ceil(vf a) { return _mm256_ceil_ps(a); }

static inline vi vf_bits(vf a) { return _mm256_castps_si256(a); }
static inline vf vi_float(vi a) { return _mm256_castsi256_ps(a); }
static inline vi vi_set(int32_t x) { return _mm256_set1_epi32(x); }
static inline vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
static inline vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
static inline vi vi_and(vi a, vi b) { return _mm256_and_si256(a, b); }
static inline vi vi_or(vi a, vi b) { return _mm256_or_si256(a, b); }
static inline vi vi_xor(vi a, vi b) { return _mm256_xor_si256(a, b); }
static inline vi vi_shl(vi a, int n) { return _mm256_slli_epi32(a, n); }
static inline vi vi_shr(vi a, int n) { return _mm256_srli_epi32(a, n); }
static inline vi vi_sar(vi a, int n) { return _mm256_srai_epi32(a, n); }
static inline vi vi_from(vf a) { return _mm256_cvtps_epi32(a); }
static inline vf vf_from(vi a) { return _mm256_cvtepi32_ps(a); }

static inline vm vf_lt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
static inline vm vf_le(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
static inline vm vf_eq(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
static inline vm vf_nan(vf a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
static inline vf vf_select(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, m); }
static inline vf vf_zero_where(vm m, vf a) { return _mm256_andnot_ps(m, a); }

static inline vf vf_load_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
static inline void vf_store_f16(uint16_t *p, vf a) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline vi vi_load_u16(const uint16_t *p) { return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)); }
static inline void vi_store_u16(uint16_t *p, vi a) { /* each 0 … 65535 */
    __m256i two = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, a), 0x08);
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(two));
}

static inline float vf_lanes_max(vf a) {
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

/* The fixed tree over 16 lanes: + 8, + 4, + 2, + 1. */
static inline float vec16_tree_add(const vf *v) {
    vf a = _mm256_add_ps(v[0], v[1]);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
