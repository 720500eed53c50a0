/* Rows of f32 to 7 bits for NEON: see gemm_s8.h. Two passes over a row that is in the first level cache by the second.
 */
#include <arm_neon.h>
#include <string.h>

#include "kernels/kernels.h"

static gemm_s8_row measure(int64_t k, const float *x) {
    float32x4_t least = vdupq_n_f32(0), most = least;
    uint32x4_t numbers = vdupq_n_u32(~0u);
    int64_t i = 0;
    for (; i + 4 <= k; i += 4) {
        const float32x4_t v = vld1q_f32(x + i);
        least = vminnmq_f32(least, v); /* a NaN is passed over */
        most = vmaxnmq_f32(most, v);
        numbers = vandq_u32(numbers, vceqq_f32(v, v));
    }
    float low = vminvq_f32(least), high = vmaxvq_f32(most);
    bool nan = vminvq_u32(numbers) == 0;
    for (; i < k; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        nan |= x[i] != x[i];
    }
    return gemm_s8_row_make(low, high, nan);
}

/* round(x · inv) + z within 0 … 126, four of them. */
static inline int16x4_t level(const float *x, float32x4_t inv, float32x4_t z) {
    float32x4_t q = vaddq_f32(vrndnq_f32(vmulq_f32(vld1q_f32(x), inv)), z);
    q = vminq_f32(vmaxq_f32(q, vdupq_n_f32(0)), vdupq_n_f32(126));
    return vmovn_s32(vcvtq_s32_f32(q));
}

static void quantize_row(int64_t k, const float *x, uint8_t *q, int32_t *zero, float *scale) {
    const gemm_s8_row row = measure(k, x);
    const float32x4_t inv = vdupq_n_f32(row.inv), z = vdupq_n_f32(row.z);
    int64_t i = 0;
    for (; i + 16 <= k; i += 16) {
        const int16x8_t a = vcombine_s16(level(x + i, inv, z), level(x + i + 4, inv, z));
        const int16x8_t b = vcombine_s16(level(x + i + 8, inv, z), level(x + i + 12, inv, z));
        vst1q_u8(q + i, vaddq_u8(vcombine_u8(vqmovun_s16(a), vqmovun_s16(b)), vdupq_n_u8(1)));
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

HST_KERNEL(gemm_s8_quantize__neon) = {.name = "gemm_s8_quantize__neon",
                                      .family = "gemm_s8",
                                      .slot = offsetof(kernels, gemm_s8_quantize),
                                      .isa = CPU_NEON,
                                      .fn = (kernel_fn)gemm_s8_quantize};
