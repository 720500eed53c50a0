/* The elementary functions on vectors: the operations of vec/scalar.h in the same order, so the same bits. */
#ifndef KERNELS_VEC_MATH_H
#define KERNELS_VEC_MATH_H

#include "kernels/vec/constants.h"
#include "kernels/vec/vec.h"

static inline vf vf_power_of_two(vi n) {
    return vi_float(vi_shl(vi_add(n, vi_set(127)), 23));
}

static inline vf vf_exp(vf x) {
    x = vf_max(vf_set(EXP_LOW), vf_min(vf_set(EXP_HIGH), x));
    vf n = vf_round(vf_mul(x, vf_set(EXP_LOG2E)));
    vf r = vf_fma(n, vf_set(-EXP_LN2_LOW), vf_fma(n, vf_set(-EXP_LN2_HIGH), x));
    vf q = vf_set(exp_q[4]);
    for (int k = 3; k >= 0; k--) q = vf_fma(q, r, vf_set(exp_q[k]));
    vf y = vf_add(vf_fma(q, vf_mul(r, r), r), vf_set(1.0f));
    vi i = vi_from(n), half = vi_sar(i, 1);
    return vf_mul(vf_mul(y, vf_power_of_two(half)), vf_power_of_two(vi_sub(i, half)));
}

static inline vf vf_erf(vf x) {
    x = vf_max(vf_set(-ERF_LIMIT), vf_min(vf_set(ERF_LIMIT), x));
    vf s = vf_mul(x, x), p = vf_set(erf_p[5]), q = vf_set(erf_q[5]);
    for (int k = 4; k >= 0; k--) {
        p = vf_fma(p, s, vf_set(erf_p[k]));
        q = vf_fma(q, s, vf_set(erf_q[k]));
    }
    return vf_max(vf_set(-1.0f), vf_min(vf_set(1.0f), vf_div(vf_mul(x, p), q)));
}

static inline vf vf_tanh(vf x) {
    x = vf_max(vf_set(-TANH_LIMIT), vf_min(vf_set(TANH_LIMIT), x));
    vf s = vf_mul(x, x), p = vf_set(tanh_p[4]), q = vf_set(tanh_q[4]);
    for (int k = 3; k >= 0; k--) {
        p = vf_fma(p, s, vf_set(tanh_p[k]));
        q = vf_fma(q, s, vf_set(tanh_q[k]));
    }
    return vf_max(vf_set(-1.0f), vf_min(vf_set(1.0f), vf_div(vf_mul(x, p), q)));
}

static inline vf vf_sigmoid(vf x) {
    vf z = vf_exp(vf_neg(vf_abs(x)));
    return vf_div(vf_select(vf_lt(x, vf_set(0)), z, vf_set(1.0f)), vf_add(vf_set(1.0f), z));
}

#endif
