/* Quantisation loops, plain C that compilers turn into vectors; each ISA's file includes this and is built with its
 * flags. Every element is independent (the extent is exact), so all versions agree to the bit. */
#ifndef KERNELS_QUANTIZE_LOOPS_H
#define KERNELS_QUANTIZE_LOOPS_H

#include "kernels/quantize/quantize.h"

static inline void quantize_f32_8(int64_t n, const float *restrict x, float scale, int32_t zero, quantize_range r,
                                  uint8_t *restrict y) {
    for (int64_t i = 0; i < n; i++) y[i] = (uint8_t)quantize_one(x[i], scale, zero, r);
}

static inline void dequantize_u8_f32(int64_t n, const uint8_t *restrict x, float scale, int32_t zero,
                                     float *restrict y) {
    for (int64_t i = 0; i < n; i++) y[i] = (float)(x[i] - zero) * scale;
}

static inline void dequantize_s8_f32(int64_t n, const int8_t *restrict x, float scale, int32_t zero,
                                     float *restrict y) {
    for (int64_t i = 0; i < n; i++) y[i] = (float)(x[i] - zero) * scale;
}

/* Sixteen running extents, so that compilers need no reassociation to vectorise. */
static inline void quantize_extent_f32(int64_t n, const float *restrict x, float *low, float *high) {
    float least[16], most[16];
    for (int k = 0; k < 16; k++) least[k] = *low, most[k] = *high;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) {
            float v = x[i + k];
            least[k] = v < least[k] ? v : least[k];
            most[k] = v > most[k] ? v : most[k];
        }
    for (; i < n; i++) {
        least[0] = x[i] < least[0] ? x[i] : least[0];
        most[0] = x[i] > most[0] ? x[i] : most[0];
    }
    for (int k = 0; k < 16; k++) {
        *low = least[k] < *low ? least[k] : *low;
        *high = most[k] > *high ? most[k] : *high;
    }
}

#endif
