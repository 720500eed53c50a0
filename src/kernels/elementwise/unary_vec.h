/* The functions of elementwise.h on vectors: the operations of unary_scalar.h in the same order. With a constant `f`
 * nothing is left of the switch: epilogues of other kernels use these too. */
#ifndef KERNELS_ELEMENTWISE_UNARY_VEC_H
#define KERNELS_ELEMENTWISE_UNARY_VEC_H

#include "kernels/elementwise/elementwise.h"
#include "kernels/vec/math.h"

static inline __attribute__((always_inline)) vf vf_hold(vf low, vf high, vf x) {
    return vf_max(low, vf_min(high, x));
}

static inline __attribute__((always_inline)) vf unary_vec(unary f, vf x, const float *p) {
    const vf zero = vf_set(0.0f), one = vf_set(1.0f);
    switch (f) {
    case UNARY_NEG:
        return vf_neg(x);
    case UNARY_ABS:
        return vf_abs(x);
    case UNARY_SIGN:
        return vf_select(vf_lt(zero, x), one, vf_select(vf_lt(x, zero), vf_set(-1.0f), x));
    case UNARY_SQUARE:
        return vf_mul(x, x);
    case UNARY_CUBE:
        return vf_mul(vf_mul(x, x), x);
    case UNARY_SQRT:
        return vf_sqrt(x);
    case UNARY_RECIPROCAL:
        return vf_div(one, x);
    case UNARY_FLOOR:
        return vf_floor(x);
    case UNARY_CEIL:
        return vf_ceil(x);
    case UNARY_ROUND:
        return vf_round(x);
    case UNARY_EXP:
        return vf_exp(x);
    case UNARY_ERF:
        return vf_erf(x);
    case UNARY_TANH:
        return vf_tanh(x);
    case UNARY_SIGMOID:
        return vf_sigmoid(x);
    case UNARY_RELU:
        return vf_max(zero, x);
    case UNARY_LEAKY_RELU:
        return vf_select(vf_lt(x, zero), vf_mul(vf_set(p[0]), x), x);
    case UNARY_THRESHOLDED_RELU:
        return vf_select(vf_le(x, vf_set(p[0])), zero, x);
    case UNARY_CLIP:
        return vf_min(vf_set(p[1]), vf_max(vf_set(p[0]), x));
    case UNARY_ELU:
        return vf_select(vf_lt(x, zero), vf_mul(vf_set(p[0]), vf_sub(vf_exp(x), one)), x);
    case UNARY_SELU: {
        vf low = vf_mul(vf_set(p[0]), vf_sub(vf_exp(x), one));
        return vf_mul(vf_set(p[1]), vf_select(vf_le(x, zero), low, x));
    }
    case UNARY_CELU: {
        vf a = vf_set(p[0]), low = vf_mul(a, vf_sub(vf_exp(vf_div(x, a)), one));
        return vf_add(vf_max(zero, x), vf_min(zero, low));
    }
    case UNARY_HARD_SIGMOID:
        return vf_hold(zero, one, vf_fma(vf_set(p[0]), x, vf_set(p[1])));
    case UNARY_HARD_SWISH:
        return vf_mul(x, vf_hold(zero, one, vf_fma(vf_set(1.0f / 6.0f), x, vf_set(0.5f))));
    case UNARY_SOFTSIGN:
        return vf_div(x, vf_add(one, vf_abs(x)));
    case UNARY_SWISH:
        return vf_mul(x, vf_sigmoid(vf_mul(vf_set(p[0]), x)));
    case UNARY_GELU:
        return vf_mul(vf_mul(vf_set(0.5f), x), vf_add(one, vf_erf(vf_mul(x, vf_set(0.70710678f)))));
    case UNARY_GELU_TANH: {
        vf inner = vf_fma(vf_mul(vf_mul(x, x), vf_set(0.044715f)), x, x);
        return vf_mul(vf_mul(vf_set(0.5f), x), vf_add(one, vf_tanh(vf_mul(vf_set(0.79788456f), inner))));
    }
    default:
        return x;
    }
}

/* The same on VEC_MANY vectors in place: side by side where the function is a long chain. */
static inline __attribute__((always_inline)) void unary_vec_many(unary f, vf *x, const float *p) {
    vf y[VEC_MANY];
    switch (f) {
    case UNARY_SWISH:
#pragma GCC unroll 4
        for (int j = 0; j < VEC_MANY; j++) y[j] = vf_mul(vf_set(p[0]), x[j]);
        vf_sigmoid_many(y, VEC_MANY);
#pragma GCC unroll 4
        for (int j = 0; j < VEC_MANY; j++) x[j] = vf_mul(x[j], y[j]);
        return;
    case UNARY_GELU:
#pragma GCC unroll 4
        for (int j = 0; j < VEC_MANY; j++) y[j] = vf_mul(x[j], vf_set(0.70710678f));
        vf_erf_many(y, VEC_MANY);
#pragma GCC unroll 4
        for (int j = 0; j < VEC_MANY; j++) x[j] = vf_mul(vf_mul(vf_set(0.5f), x[j]), vf_add(vf_set(1.0f), y[j]));
        return;
    case UNARY_GELU_TANH:
#pragma GCC unroll 4
        for (int j = 0; j < VEC_MANY; j++) {
            y[j] = vf_fma(vf_mul(vf_mul(x[j], x[j]), vf_set(0.044715f)), x[j], x[j]);
            y[j] = vf_mul(vf_set(0.79788456f), y[j]);
        }
        vf_tanh_many(y, VEC_MANY);
#pragma GCC unroll 4
        for (int j = 0; j < VEC_MANY; j++) x[j] = vf_mul(vf_mul(vf_set(0.5f), x[j]), vf_add(vf_set(1.0f), y[j]));
        return;
    default:
#pragma GCC unroll 4
        for (int j = 0; j < VEC_MANY; j++) x[j] = unary_vec(f, x[j], p);
    }
}

static inline __attribute__((always_inline)) vf binary_vec(binary f, vf a, vf b) {
    switch (f) {
    case BINARY_ADD:
        return vf_add(a, b);
    case BINARY_SUB:
        return vf_sub(a, b);
    case BINARY_MUL:
        return vf_mul(a, b);
    case BINARY_DIV:
        return vf_div(a, b);
    case BINARY_MIN:
        return vf_select(vf_nan(a), a, vf_min(a, b));
    case BINARY_MAX:
        return vf_select(vf_nan(a), a, vf_max(a, b));
    default:
        return vf_select(vf_lt(a, vf_set(0.0f)), vf_mul(b, a), a);
    }
}

#endif
