/* The vocabulary for AArch64's NEON: 4 lanes. See vec.h. */
// clang-format off
#include <arm_neon.h>

#define VEC_LANES 4
#define VEC_ISA CPU_NEON
#define VEC_SUFFIX __neon
#define VEC_TEXT "__neon"

typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vm;

static const uint32_t vec_mask_table[8] = {~0u, ~0u, ~0u, ~0u, 0, 0, 0, 0};
static inline vm vm_first(int64_t n) { return vld1q_u32(vec_mask_table + 4 - n); }

static inline vf vf_load(const float *p) { return vld1q_f32(p); }
static inline void vf_store(float *p, vf a) { vst1q_f32(p, a); }
static inline vf vf_load_n(const float *p, int64_t n) {
    float t[4] = {0};
    for (int64_t i = 0; i < n; i++) t[i] = p[i];
    return vld1q_f32(t);
}
static inline void vf_store_n(float *p, vf a, int64_t n) {
    float t[4];
    vst1q_f32(t, a);
    for (int64_t i = 0; i < n; i++) p[i] = t[i];
}

static inline vf vf_set(float x) { return vdupq_n_f32(x); }
static inline vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
static inline vf vf_div(vf a, vf b) { return vdivq_f32(a, b); }
static inline vf vf_sqrt(vf a) { return vsqrtq_f32(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf vf_min(vf a, vf b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline vf vf_max(vf a, vf b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline vf vf_round(vf a) { return vrndnq_f32(a); }
static inline vf vf_floor(vf a) { return vrndmq_f32(a); }
static inline vf vf_ceil(vf a) { return vrndpq_f32(a); }

static inline vi vf_bits(vf a) { return vreinterpretq_s32_f32(a); }
static inline vf vi_float(vi a) { return vreinterpretq_f32_s32(a); }
static inline vi vi_set(int32_t x) { return vdupq_n_s32(x); }
static inline vi vi_add(vi a, vi b) { return vaddq_s32(a, b); }
static inline vi vi_sub(vi a, vi b) { return vsubq_s32(a, b); }
static inline vi vi_and(vi a, vi b) { return vandq_s32(a, b); }
static inline vi vi_or(vi a, vi b) { return vorrq_s32(a, b); }
static inline vi vi_xor(vi a, vi b) { return veorq_s32(a, b); }
static inline vi vi_shl(vi a, int n) { return vshlq_s32(a, vdupq_n_s32(n)); }
static inline vi vi_shr(vi a, int n) {
    return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(-n)));
}
static inline vi vi_sar(vi a, int n) { return vshlq_s32(a, vdupq_n_s32(-n)); }
static inline vi vi_from(vf a) { return vcvtnq_s32_f32(a); }
static inline vf vf_from(vi a) { return vcvtq_f32_s32(a); }

static inline vm vf_lt(vf a, vf b) { return vcltq_f32(a, b); }
static inline vm vf_le(vf a, vf b) { return vcleq_f32(a, b); }
static inline vm vf_eq(vf a, vf b) { return vceqq_f32(a, b); }
static inline vm vf_nan(vf a) { return vmvnq_u32(vceqq_f32(a, a)); }
static inline vf vf_select(vm m, vf a, vf b) { return vbslq_f32(m, a, b); }
static inline vf vf_zero_where(vm m, vf a) { return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(a), m)); }

static inline vf vf_load_f16(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline void vf_store_f16(uint16_t *p, vf a) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(a))); }
static inline vi vi_load_u16(const uint16_t *p) { return vreinterpretq_s32_u32(vmovl_u16(vld1_u16(p))); }
static inline void vi_store_u16(uint16_t *p, vi a) { vst1_u16(p, vmovn_u32(vreinterpretq_u32_s32(a))); }

static inline float vf_lanes_max(vf a) { return vmaxvq_f32(a); }

/* The fixed tree over 16 lanes: + 8, + 4, + 2, + 1. */
static inline float vec16_tree_add(const vf *v) {
    vf a = vaddq_f32(vaddq_f32(v[0], v[2]), vaddq_f32(v[1], v[3]));
    float32x2_t b = vadd_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(b, 0) + vget_lane_f32(b, 1);
}
