/* Elementwise f32 arithmetic. One enum of functions of one number, one of two; each kernel takes any of them, so that a
 * new function is one line in unary_scalar.h and one in unary_vec.h. */
#ifndef KERNELS_ELEMENTWISE_H
#define KERNELS_ELEMENTWISE_H

#include <stdint.h>

/* Functions of one number x with up to two parameters p. NaN gives NaN everywhere. */
typedef enum unary {
    UNARY_COPY,
    UNARY_NEG,
    UNARY_ABS,
    UNARY_SIGN,
    UNARY_SQUARE, /* x · x */
    UNARY_CUBE,   /* (x · x) · x */
    UNARY_SQRT,
    UNARY_RECIPROCAL,
    UNARY_FLOOR,
    UNARY_CEIL,
    UNARY_ROUND, /* half to even */
    UNARY_EXP,
    UNARY_ERF,
    UNARY_TANH,
    UNARY_SIGMOID,
    UNARY_RELU,             /* max(0, x) */
    UNARY_LEAKY_RELU,       /* x < 0 ? p0 x : x */
    UNARY_THRESHOLDED_RELU, /* x > p0 ? x : 0 */
    UNARY_CLIP,             /* min(p1, max(p0, x)) */
    UNARY_ELU,              /* x < 0 ? p0 (exp(x) − 1) : x */
    UNARY_SELU,             /* p1 · (x <= 0 ? p0 exp(x) − p0 : x) */
    UNARY_CELU,             /* max(0, x) + min(0, p0 (exp(x / p0) − 1)) */
    UNARY_HARD_SIGMOID,     /* max(0, min(1, p0 x + p1)) */
    UNARY_HARD_SWISH,       /* x max(0, min(1, x / 6 + 0.5)) */
    UNARY_SOFTSIGN,         /* x / (1 + |x|) */
    UNARY_SWISH,            /* x sigmoid(p0 x) */
    UNARY_GELU,             /* 0.5 x (1 + erf(x / √2)) */
    UNARY_GELU_TANH,        /* 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))) */
    UNARY_COUNT
} unary;

/* y[i] = f(x[i]); y may be x. */
typedef void unary_f32_fn(unary f, const float *p, int64_t n, const float *x, float *y);

/* y[r][i] = f(x[r][i] + bias[i]) for rows of n with leading dimensions ldx, ldy; y may be x. */
typedef void bias_unary_f32_fn(unary f, const float *p, int64_t rows, int64_t n, const float *x, int64_t ldx,
                               const float *bias, float *y, int64_t ldy);

/* Functions of two numbers; min and max give NaN where either is NaN. PRELU: x < 0 ? b x : x. */
typedef enum binary {
    BINARY_ADD,
    BINARY_SUB,
    BINARY_MUL,
    BINARY_DIV,
    BINARY_MIN,
    BINARY_MAX,
    BINARY_PRELU,
    BINARY_COUNT
} binary;

/* y[i] = f(a[i · step_a], b[i · step_b]); steps are 0 or 1; y may be a or b where its step is 1. */
typedef void binary_f32_fn(binary f, int64_t n, const float *a, int64_t step_a, const float *b, int64_t step_b,
                           float *y);

#endif
