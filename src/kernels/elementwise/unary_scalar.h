/* The functions of elementwise.h on one number. */
#ifndef KERNELS_ELEMENTWISE_UNARY_SCALAR_H
#define KERNELS_ELEMENTWISE_UNARY_SCALAR_H

#include "kernels/elementwise/elementwise.h"
#include "kernels/vec/scalar.h"

static inline float unary_scalar(unary f, float x, const float *p) {
    switch (f) {
    case UNARY_NEG:
        return -x;
    case UNARY_ABS:
        return fabsf(x);
    case UNARY_SIGN:
        return x > 0 ? 1.0f : x < 0 ? -1.0f : x;
    case UNARY_SQUARE:
        return x * x;
    case UNARY_CUBE:
        return x * x * x;
    case UNARY_SQRT:
        return sqrtf(x);
    case UNARY_RECIPROCAL:
        return 1.0f / x;
    case UNARY_FLOOR:
        return floorf(x);
    case UNARY_CEIL:
        return ceilf(x);
    case UNARY_ROUND:
        return rintf(x);
    case UNARY_EXP:
        return f32_exp(x);
    case UNARY_ERF:
        return f32_erf(x);
    case UNARY_TANH:
        return f32_tanh(x);
    case UNARY_SIGMOID:
        return f32_sigmoid(x);
    case UNARY_RELU:
        return f32_max(0.0f, x);
    case UNARY_LEAKY_RELU:
        return x < 0 ? p[0] * x : x;
    case UNARY_THRESHOLDED_RELU:
        return x <= p[0] ? 0.0f : x;
    case UNARY_CLIP:
        return f32_min(p[1], f32_max(p[0], x));
    case UNARY_ELU:
        return x < 0 ? p[0] * (f32_exp(x) - 1.0f) : x;
    case UNARY_SELU:
        return p[1] * (x <= 0 ? p[0] * (f32_exp(x) - 1.0f) : x);
    case UNARY_CELU:
        return f32_max(0.0f, x) + f32_min(0.0f, p[0] * (f32_exp(x / p[0]) - 1.0f));
    case UNARY_HARD_SIGMOID:
        return f32_max(0.0f, f32_min(1.0f, fmaf(p[0], x, p[1])));
    case UNARY_HARD_SWISH:
        return x * f32_max(0.0f, f32_min(1.0f, fmaf(1.0f / 6.0f, x, 0.5f)));
    case UNARY_SOFTSIGN:
        return x / (1.0f + fabsf(x));
    case UNARY_SWISH:
        return x * f32_sigmoid(p[0] * x);
    case UNARY_GELU:
        return 0.5f * x * (1.0f + f32_erf(x * 0.70710678f));
    case UNARY_GELU_TANH:
        return 0.5f * x * (1.0f + f32_tanh(0.79788456f * fmaf(x * x * 0.044715f, x, x)));
    default:
        return x;
    }
}

static inline float binary_scalar(binary f, float a, float b) {
    switch (f) {
    case BINARY_ADD:
        return a + b;
    case BINARY_SUB:
        return a - b;
    case BINARY_MUL:
        return a * b;
    case BINARY_DIV:
        return a / b;
    case BINARY_MIN:
        return a != a ? a : f32_min(a, b);
    case BINARY_MAX:
        return a != a ? a : f32_max(a, b);
    default:
        return a < 0 ? b * a : a;
    }
}

#endif
