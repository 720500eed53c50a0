/* Conversions between element types. Scalars inline; whole arrays through convert_array, which is the one conversion
 * layer that operators use to be written once for every dtype. */
#ifndef TENSOR_CONVERT_H
#define TENSOR_CONVERT_H

#include <string.h>

#include "tensor/dtype.h"

static inline float bf16_to_f32(uint16_t h) {
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/* Round to nearest even; NaN stays NaN. */
static inline uint16_t f32_to_bf16(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((u >> 16) | 0x40);
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
}

float f16_to_f32(uint16_t h);
uint16_t f32_to_f16(float f);   /* round to nearest even, overflow to infinity */
uint16_t f64_to_f16(double f);  /* one rounding */
uint16_t f64_to_bf16(double f); /* one rounding */
/* The 8-bit, 4-bit floats of ONNX: `dtype` one of F8E4M3FN … F4E2M1, F8E8M0. saturate as in ONNX Cast-19. */
double f8_to_f64(uint8_t x, hst_dtype dtype);
uint8_t f64_to_f8(double x, hst_dtype dtype, bool saturate);

/* Powers of two: how Cast-24's round_mode chooses among the neighbours ("up": away from zero, ties of "nearest" up). */
typedef enum f8e8m0_round { F8E8M0_UP = 0, F8E8M0_DOWN, F8E8M0_NEAREST } f8e8m0_round;
uint8_t f64_to_f8e8m0(double x, bool saturate, f8e8m0_round round); /* f64_to_f8 rounds up */

/* n elements, contiguous, from one numeric or bool dtype to another as ONNX Cast does. Float to integer truncates; NaN and
 * overflow give what x86 and numpy give: the most negative s64 or s32, and for narrower types the low bits of that s64; u64
 * from 2^63 up is exact. Integer to integer wraps; anything to bool is x != 0. `saturate` applies to f8 targets. One
 * rounding, to nearest even. Packed 4- and 2-bit types begin at a whole byte. False where a dtype is string or complex. */
bool convert_array(hst_dtype from_dtype, const void *from, hst_dtype to_dtype, void *to, int64_t n, bool saturate);

/* The two carriers: elements [i, i+n) of an array as f64 or s64 and back (any alignment of the array). */
void convert_to_f64(hst_dtype d, const void *from, int64_t i, double *to, int64_t n);
void convert_from_f64(hst_dtype d, const double *from, void *to, int64_t i, int64_t n);
void convert_to_s64(hst_dtype d, const void *from, int64_t i, int64_t *to, int64_t n);
void convert_from_s64(hst_dtype d, const int64_t *from, void *to, int64_t i, int64_t n);
void convert_to_f32(hst_dtype d, const void *from, int64_t i, float *to, int64_t n);
void convert_from_f32(hst_dtype d, const float *from, void *to, int64_t i, int64_t n);

#endif
