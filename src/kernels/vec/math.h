/* The elementary functions on vectors: the operations of vec/scalar.h in the same order, so the same bits. */
#ifndef KERNELS_VEC_MATH_H
#define KERNELS_VEC_MATH_H

#include "kernels/vec/constants.h"
#include "kernels/vec/vec.h"

/* Each is a long chain of operations that wait for one another. The forms `_many` take n <= VEC_MANY vectors (a
 * constant where they are inlined) through the chain side by side, in place, so that the processor finds independent
 * work. */
#define VEC_MANY   4
#define VEC_INLINE static inline __attribute__((always_inline))

static inline vf vf_power_of_two(vi n) {
    return vi_float(vi_shl(vi_add(n, vi_set(127)), 23));
}

/* The polynomial q(r) of constants.h. */
VEC_INLINE void vf_exp_q_many(const vf *r, vf *q, const int n) {
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) q[j] = vf_set(exp_q[4]);
#pragma GCC unroll 4
    for (int k = 3; k >= 0; k--)
#pragma GCC unroll 4
        for (int j = 0; j < n; j++) q[j] = vf_fma(q[j], r[j], vf_set(exp_q[k]));
}

VEC_INLINE void vf_exp_many(vf *x, const int n) {
    vf e[VEC_MANY], r[VEC_MANY], q[VEC_MANY];
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) x[j] = vf_max(vf_set(EXP_LOW), vf_min(vf_set(EXP_HIGH), x[j]));
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) e[j] = vf_round(vf_mul(x[j], vf_set(EXP_LOG2E)));
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) r[j] = vf_fma(e[j], vf_set(-EXP_LN2_HIGH), x[j]);
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) r[j] = vf_fma(e[j], vf_set(-EXP_LN2_LOW), r[j]);
    vf_exp_q_many(r, q, n);
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) q[j] = vf_add(vf_fma(q[j], vf_mul(r[j], r[j]), r[j]), vf_set(1.0f));
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) {
        vi i = vi_from(e[j]), half = vi_sar(i, 1);
        x[j] = vf_mul(vf_mul(q[j], vf_power_of_two(half)), vf_power_of_two(vi_sub(i, half)));
    }
}

/* For x <= 0, and 0 below EXP_NONE. */
VEC_INLINE void vf_exp_negative_many(vf *x, const int n) {
    vf shifted[VEC_MANY], r[VEC_MANY], q[VEC_MANY];
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) shifted[j] = vf_fma(x[j], vf_set(EXP_LOG2E), vf_set(EXP_SHIFT));
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) r[j] = vf_fma(vf_sub(shifted[j], vf_set(EXP_SHIFT)), vf_set(-EXP_LN2), x[j]);
    vf_exp_q_many(r, q, n);
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) q[j] = vf_fma(vf_fma(q[j], r[j], vf_set(1.0f)), r[j], vf_set(1.0f));
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) {
        const vf power = vi_float(vi_shl(vf_bits(shifted[j]), 23));
        x[j] = vf_zero_where(vf_lt(x[j], vf_set(EXP_NONE)), vf_mul(q[j], power));
    }
}

/* x p(x²) / q(x²), held in [-1, 1]; coefficients from the last to the first. */
VEC_INLINE void vf_odd_quotient_many(vf *x, const int n, float limit, const float *above, const float *below,
                                     const int last) {
    vf s[VEC_MANY], p[VEC_MANY], q[VEC_MANY];
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) x[j] = vf_max(vf_set(-limit), vf_min(vf_set(limit), x[j]));
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) {
        s[j] = vf_mul(x[j], x[j]);
        p[j] = vf_set(above[last]);
        q[j] = vf_set(below[last]);
    }
#pragma GCC unroll 8
    for (int k = last - 1; k >= 0; k--)
#pragma GCC unroll 4
        for (int j = 0; j < n; j++) {
            p[j] = vf_fma(p[j], s[j], vf_set(above[k]));
            q[j] = vf_fma(q[j], s[j], vf_set(below[k]));
        }
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) x[j] = vf_max(vf_set(-1.0f), vf_min(vf_set(1.0f), vf_div(vf_mul(x[j], p[j]), q[j])));
}

VEC_INLINE void vf_erf_many(vf *x, const int n) {
    vf_odd_quotient_many(x, n, ERF_LIMIT, erf_p, erf_q, 5);
}

VEC_INLINE void vf_tanh_many(vf *x, const int n) {
    vf_odd_quotient_many(x, n, TANH_LIMIT, tanh_p, tanh_q, 4);
}

VEC_INLINE void vf_sigmoid_many(vf *x, const int n) {
    vf z[VEC_MANY];
#pragma GCC unroll 4
    for (int j = 0; j < n; j++) z[j] = vf_neg(vf_abs(x[j]));
    vf_exp_many(z, n);
#pragma GCC unroll 4
    for (int j = 0; j < n; j++)
        x[j] = vf_div(vf_select(vf_lt(x[j], vf_set(0)), z[j], vf_set(1.0f)), vf_add(vf_set(1.0f), z[j]));
}

VEC_INLINE vf vf_exp(vf x) {
    vf_exp_many(&x, 1);
    return x;
}
VEC_INLINE vf vf_exp_negative(vf x) {
    vf_exp_negative_many(&x, 1);
    return x;
}
VEC_INLINE vf vf_erf(vf x) {
    vf_erf_many(&x, 1);
    return x;
}
VEC_INLINE vf vf_tanh(vf x) {
    vf_tanh_many(&x, 1);
    return x;
}
VEC_INLINE vf vf_sigmoid(vf x) {
    vf_sigmoid_many(&x, 1);
    return x;
}

#endif
