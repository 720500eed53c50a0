/* The vocabulary for AVX-512 F BW DQ VL: 16 lanes. See vec.h. */
// clang-format off
#if defined(HST_VEC_EMULATE)
#include <simde/x86/avx512.h>
#else
#include <immintrin.h>
#endif

#define VEC_LANES 16
#define VEC_ISA CPU_AVX512
#define VEC_SUFFIX __avx512
#define VEC_TEXT "__avx512"

typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

/* Lanes 8 … 15. */
static inline __m256 vec_high(vf a) {
#if defined(HST_VEC_EMULATE)
    float t[16];
    _mm512_storeu_ps(t, a);
    return _mm256_loadu_ps(t + 8);
#else
    return _mm512_extractf32x8_ps(a, 1);
#endif
}

static inline vm vm_first(int64_t n) { return (vm)((1u << n) - 1); }

static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
#if defined(HST_VEC_EMULATE) /* masked memory operations must not touch masked lanes: by hand */
static inline vf vf_load_n(const float *p, int64_t n) {
    float t[16] = {0};
    for (int64_t i = 0; i < n; i++) t[i] = p[i];
    return _mm512_loadu_ps(t);
}
static inline void vf_store_n(float *p, vf a, int64_t n) {
    float t[16];
    _mm512_storeu_ps(t, a);
    for (int64_t i = 0; i < n; i++) p[i] = t[i];
}
#else
static inline vf vf_load_n(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(vm_first(n), p); }
static inline void vf_store_n(float *p, vf a, int64_t n) { _mm512_mask_storeu_ps(p, vm_first(n), a); }
#endif

static inline vf vf_set(float x) { return _mm512_set1_ps(x); }
static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vf_round(vf a) { return _mm512_roundscale_ps(a, 0x08); }
static inline vf vf_floor(vf a) { return _mm512_roundscale_ps(a, 0x09); }
static inline vf vf_ceil(vf a) { return _mm512_roundscale_ps(a, 0x0a); }

static inline vi vf_bits(vf a) { return _mm512_castps_si512(a); }
static inline vf vi_float(vi a) { return _mm512_castsi512_ps(a); }
static inline vi vi_set(int32_t x) { return _mm512_set1_epi32(x); }
static inline vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
static inline vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
static inline vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
static inline vi vi_or(vi a, vi b) { return _mm512_or_si512(a, b); }
static inline vi vi_xor(vi a, vi b) { return _mm512_xor_si512(a, b); }
static inline vi vi_shl(vi a, int n) { return _mm512_sllv_epi32(a, _mm512_set1_epi32(n)); }
static inline vi vi_shr(vi a, int n) { return _mm512_srlv_epi32(a, _mm512_set1_epi32(n)); }
#if defined(HST_VEC_EMULATE) /* what SIMDe lacks */
static inline vi vi_sar(vi a, int n) {
    vi sign = _mm512_sub_epi32(_mm512_setzero_si512(), vi_shr(a, 31));
    return vi_or(vi_shr(a, n), vi_shl(sign, 32 - n));
}
static inline vi vi_from(vf a) {
    __m256i low = _mm256_cvtps_epi32(_mm512_castps512_ps256(a));
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), _mm256_cvtps_epi32(vec_high(a)), 1);
}
#else
static inline vi vi_sar(vi a, int n) { return _mm512_srav_epi32(a, _mm512_set1_epi32(n)); }
static inline vi vi_from(vf a) { return _mm512_cvtps_epi32(a); }
#endif
static inline vf vf_from(vi a) { return _mm512_cvtepi32_ps(a); }

static inline vm vf_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
static inline vm vf_le(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
static inline vm vf_eq(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
static inline vm vf_nan(vf a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
static inline vf vf_select(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); }
static inline vf vf_zero_where(vm m, vf a) { return _mm512_maskz_mov_ps((vm)~m, a); }

#if defined(HST_VEC_EMULATE)
static inline vf vf_load_f16(const uint16_t *p) {
    float t[16];
    for (int k = 0; k < 16; k += 8) _mm256_storeu_ps(t + k, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + k))));
    return _mm512_loadu_ps(t);
}
static inline void vf_store_f16(uint16_t *p, vf a) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(_mm512_castps512_ps256(a), 0));
    _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(vec_high(a), 0));
}
static inline vi vi_load_u16(const uint16_t *p) {
    int32_t t[16];
    for (int k = 0; k < 16; k++) t[k] = p[k];
    return _mm512_loadu_si512(t);
}
static inline void vi_store_u16(uint16_t *p, vi a) {
    int32_t t[16];
    _mm512_storeu_si512(t, a);
    for (int k = 0; k < 16; k++) p[k] = (uint16_t)t[k];
}
#else
static inline vf vf_load_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
static inline void vf_store_f16(uint16_t *p, vf a) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline vi vi_load_u16(const uint16_t *p) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
}
static inline void vi_store_u16(uint16_t *p, vi a) { _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(a)); }
#endif

static inline float vf_lanes_max(vf v) {
    __m256 a = _mm256_max_ps(_mm512_castps512_ps256(v), vec_high(v));
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

/* The fixed tree over 16 lanes: + 8, + 4, + 2, + 1. */
static inline float vec16_tree_add(const vf *v) {
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v[0]), vec_high(v[0]));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}
