/* Linear quantisation on arrays: q = saturate(round(x / scale) + zero), round half to even, and back.
 *
 * x / scale is an IEEE f32 division. The quotient is clamped before it becomes an integer, so infinities, and the
 * results of a scale that is 0 or subnormal, saturate; a NaN becomes the lowest value (as in onnxruntime). */
#ifndef KERNELS_QUANTIZE_H
#define KERNELS_QUANTIZE_H

#include <stdint.h>

/* Limits of an 8- or 16-bit (or narrower) integer type. */
typedef struct quantize_range {
    int32_t low, high;
} quantize_range;

/* Nearest even of |x| < 2^22. Needs the default rounding mode and IEEE addition. */
static inline float quantize_round(float x) {
    return (x + 12582912.0f) - 12582912.0f;
}

static inline int32_t quantize_one(float x, float scale, int32_t zero, quantize_range r) {
    float low = (float)(r.low - zero), high = (float)(r.high - zero), q = x / scale;
    q = q > low ? q : low; /* also where q is NaN */
    q = q < high ? q : high;
    return (int32_t)quantize_round(q) + zero;
}
/* The same for a value that needs no division: round(x) + zero, saturated. */
static inline int32_t quantize_value(float x, int32_t zero, quantize_range r) {
    float low = (float)(r.low - zero), high = (float)(r.high - zero);
    x = x > low ? x : low;
    x = x < high ? x : high;
    return (int32_t)quantize_round(x) + zero;
}

/* n elements with one scale. y: the low 8 bits of each result, for s8 and u8 alike. */
typedef void quantize_f32_8_fn(int64_t n, const float *x, float scale, int32_t zero, quantize_range r, uint8_t *y);
/* y = (float)(x - zero) * scale */
typedef void dequantize_u8_f32_fn(int64_t n, const uint8_t *x, float scale, int32_t zero, float *y);
typedef void dequantize_s8_f32_fn(int64_t n, const int8_t *x, float scale, int32_t zero, float *y);
/* Least and greatest element, both beginning at what *low and *high hold; NaN elements are passed over. */
typedef void quantize_extent_f32_fn(int64_t n, const float *x, float *low, float *high);

/* Scale and zero point of DynamicQuantizeLinear for the extent [low, high] of the data, widened to hold 0. */
static inline void quantize_dynamic_u8(float low, float high, float *scale, int32_t *zero) {
    low = low < 0 ? low : 0;
    high = high > 0 ? high : 0;
    *scale = low == high ? 1.0f : (high - low) / 255.0f;
    float z = 0.0f - low / *scale;
    z = z > 0 ? z : 0;
    z = z < 255 ? z : 255;
    *zero = (int32_t)quantize_round(z);
}

#endif
