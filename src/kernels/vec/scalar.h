/* The elementary functions on one float: the readable truth of vec/math.h, operation for operation. fmaf is exact on
 * every machine (slow where the processor has no FMA). */
#ifndef KERNELS_VEC_SCALAR_H
#define KERNELS_VEC_SCALAR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/vec/constants.h"

/* b where one is NaN: as vf_min and vf_max. */
static inline float f32_min(float a, float b) {
    return a < b ? a : b;
}
static inline float f32_max(float a, float b) {
    return a > b ? a : b;
}

/* 2^n for −126 <= n <= 127. */
static inline float f32_power_of_two(int32_t n) {
    uint32_t u = (uint32_t)(n + 127) << 23;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/* The polynomial q(r) of constants.h. */
static inline float f32_exp_q(float r) {
    float q = exp_q[4];
    for (int k = 3; k >= 0; k--) q = fmaf(q, r, exp_q[k]);
    return q;
}

/* Largest error 1 ULP (0.997 over every 13th float). */
static inline float f32_exp(float x) {
    x = f32_max(EXP_LOW, f32_min(EXP_HIGH, x));
    if (x != x) return x;
    float n = rintf(x * EXP_LOG2E);
    float r = fmaf(n, -EXP_LN2_LOW, fmaf(n, -EXP_LN2_HIGH, x));
    float y = fmaf(f32_exp_q(r), r * r, r) + 1.0f;
    int32_t i = (int32_t)n, half = i >> 1; /* in two steps: 2^n may be out of range where the result is not */
    return y * f32_power_of_two(half) * f32_power_of_two(i - half);
}

/* exp(x) for x <= 0, 0 below EXP_NONE. Largest error 1.4 ULP above -20, 4.5 ULP at the bound. NaN remains one; of
 * x > 0 there is no saying. */
static inline float f32_exp_negative(float x) {
    if (x < EXP_NONE) return 0;
    float shifted = fmaf(x, EXP_LOG2E, EXP_SHIFT), n = shifted - EXP_SHIFT, r = fmaf(n, -EXP_LN2, x);
    uint32_t power;
    memcpy(&power, &shifted, 4);
    power <<= 23;
    memcpy(&n, &power, 4);
    return fmaf(fmaf(f32_exp_q(r), r, 1.0f), r, 1.0f) * n;
}

/* Largest error 6 ULP (of a number just below 1). */
static inline float f32_erf(float x) {
    x = f32_max(-ERF_LIMIT, f32_min(ERF_LIMIT, x));
    float s = x * x, p = erf_p[5], q = erf_q[5];
    for (int k = 4; k >= 0; k--) {
        p = fmaf(p, s, erf_p[k]);
        q = fmaf(q, s, erf_q[k]);
    }
    return f32_max(-1.0f, f32_min(1.0f, x * p / q));
}

/* Largest error 6 ULP (of a number just below 1). */
static inline float f32_tanh(float x) {
    x = f32_max(-TANH_LIMIT, f32_min(TANH_LIMIT, x));
    float s = x * x, p = tanh_p[4], q = tanh_q[4];
    for (int k = 3; k >= 0; k--) {
        p = fmaf(p, s, tanh_p[k]);
        q = fmaf(q, s, tanh_q[k]);
    }
    return f32_max(-1.0f, f32_min(1.0f, x * p / q));
}

/* 1 / (1 + exp(−x)) without overflow. Largest error 3 ULP. */
static inline float f32_sigmoid(float x) {
    float z = f32_exp(-fabsf(x));
    return (x < 0 ? z : 1.0f) / (1.0f + z);
}

#endif
