/* Elementwise kernels over the vector vocabulary: one loop a function, made from its line in unary_vec.h. */
#include <stdbool.h>

#include "kernels/elementwise/unary_vec.h"
#include "kernels/kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* Long chains that follow products: worth taking several vectors at once. */
INLINE bool is_chain(unary f) {
    return f == UNARY_SWISH || f == UNARY_GELU || f == UNARY_GELU_TANH;
}

/* bias NULL: none. */
INLINE void unary_row(unary f, const float *p, int64_t n, const float *x, const float *bias, float *y) {
    int64_t i = 0;
    for (; is_chain(f) && !bias && i + VEC_MANY * VEC_LANES <= n; i += VEC_MANY * VEC_LANES) {
        vf v[VEC_MANY];
#pragma GCC unroll 4
        for (int j = 0; j < VEC_MANY; j++) v[j] = vf_load(x + i + j * VEC_LANES);
        unary_vec_many(f, v, p);
#pragma GCC unroll 4
        for (int j = 0; j < VEC_MANY; j++) vf_store(y + i + j * VEC_LANES, v[j]);
    }
    for (; i + VEC_LANES <= n; i += VEC_LANES) {
        vf v = vf_load(x + i);
        if (bias) v = vf_add(v, vf_load(bias + i));
        vf_store(y + i, unary_vec(f, v, p));
    }
    if (i < n) {
        vf v = vf_load_n(x + i, n - i);
        if (bias) v = vf_add(v, vf_load_n(bias + i, n - i));
        vf_store_n(y + i, unary_vec(f, v, p), n - i);
    }
}

INLINE void unary_rows(unary f, const float *p, int64_t rows, int64_t n, const float *x, int64_t ldx, const float *bias,
                       float *y, int64_t ldy) {
    if (bias)
        for (int64_t r = 0; r < rows; r++) unary_row(f, p, n, x + r * ldx, bias, y + r * ldy);
    else
        for (int64_t r = 0; r < rows; r++) unary_row(f, p, n, x + r * ldx, NULL, y + r * ldy);
}

/* One case a function, so that each loop is compiled for its own. */
static void rows_of(unary f, const float *p, int64_t rows, int64_t n, const float *x, int64_t ldx, const float *bias,
                    float *y, int64_t ldy) {
    switch (f) {
    // clang-format off
    case UNARY_NEG: unary_rows(UNARY_NEG, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_ABS: unary_rows(UNARY_ABS, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_SIGN: unary_rows(UNARY_SIGN, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_SQUARE: unary_rows(UNARY_SQUARE, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_CUBE: unary_rows(UNARY_CUBE, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_SQRT: unary_rows(UNARY_SQRT, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_RECIPROCAL: unary_rows(UNARY_RECIPROCAL, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_FLOOR: unary_rows(UNARY_FLOOR, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_CEIL: unary_rows(UNARY_CEIL, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_ROUND: unary_rows(UNARY_ROUND, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_EXP: unary_rows(UNARY_EXP, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_ERF: unary_rows(UNARY_ERF, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_TANH: unary_rows(UNARY_TANH, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_SIGMOID: unary_rows(UNARY_SIGMOID, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_RELU: unary_rows(UNARY_RELU, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_LEAKY_RELU: unary_rows(UNARY_LEAKY_RELU, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_THRESHOLDED_RELU: unary_rows(UNARY_THRESHOLDED_RELU, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_CLIP: unary_rows(UNARY_CLIP, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_ELU: unary_rows(UNARY_ELU, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_SELU: unary_rows(UNARY_SELU, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_CELU: unary_rows(UNARY_CELU, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_HARD_SIGMOID: unary_rows(UNARY_HARD_SIGMOID, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_HARD_SWISH: unary_rows(UNARY_HARD_SWISH, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_SOFTSIGN: unary_rows(UNARY_SOFTSIGN, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_SWISH: unary_rows(UNARY_SWISH, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_GELU: unary_rows(UNARY_GELU, p, rows, n, x, ldx, bias, y, ldy); break;
    case UNARY_GELU_TANH: unary_rows(UNARY_GELU_TANH, p, rows, n, x, ldx, bias, y, ldy); break;
    default: unary_rows(UNARY_COPY, p, rows, n, x, ldx, bias, y, ldy); break;
        // clang-format on
    }
}

static void unary_f32(unary f, const float *p, int64_t n, const float *x, float *y) {
    rows_of(f, p, 1, n, x, n, NULL, y, n);
}

static void bias_unary_f32(unary f, const float *p, int64_t rows, int64_t n, const float *x, int64_t ldx,
                           const float *bias, float *y, int64_t ldy) {
    rows_of(f, p, rows, n, x, ldx, bias, y, ldy);
}

INLINE vf load_step(const float *p, int64_t i, int64_t step) {
    return step ? vf_load(p + i) : vf_set(*p);
}
INLINE vf load_step_n(const float *p, int64_t i, int64_t step, int64_t n) {
    return step ? vf_load_n(p + i, n) : vf_set(*p);
}

INLINE void binary_steps(binary f, int64_t n, const float *a, int64_t step_a, const float *b, int64_t step_b,
                         float *y) {
    int64_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        vf_store(y + i, binary_vec(f, load_step(a, i, step_a), load_step(b, i, step_b)));
    if (i < n)
        vf_store_n(y + i, binary_vec(f, load_step_n(a, i, step_a, n - i), load_step_n(b, i, step_b, n - i)), n - i);
}

INLINE void binary_loops(binary f, int64_t n, const float *a, int64_t step_a, const float *b, int64_t step_b,
                         float *y) {
    if (step_a && step_b)
        binary_steps(f, n, a, 1, b, 1, y);
    else if (step_a)
        binary_steps(f, n, a, 1, b, 0, y);
    else if (step_b)
        binary_steps(f, n, a, 0, b, 1, y);
    else
        binary_steps(f, n, a, 0, b, 0, y);
}

static void binary_f32(binary f, int64_t n, const float *a, int64_t step_a, const float *b, int64_t step_b, float *y) {
    switch (f) {
    case BINARY_ADD:
        binary_loops(BINARY_ADD, n, a, step_a, b, step_b, y);
        break;
    case BINARY_SUB:
        binary_loops(BINARY_SUB, n, a, step_a, b, step_b, y);
        break;
    case BINARY_MUL:
        binary_loops(BINARY_MUL, n, a, step_a, b, step_b, y);
        break;
    case BINARY_DIV:
        binary_loops(BINARY_DIV, n, a, step_a, b, step_b, y);
        break;
    case BINARY_MIN:
        binary_loops(BINARY_MIN, n, a, step_a, b, step_b, y);
        break;
    case BINARY_MAX:
        binary_loops(BINARY_MAX, n, a, step_a, b, step_b, y);
        break;
    default:
        binary_loops(BINARY_PRELU, n, a, step_a, b, step_b, y);
        break;
    }
}

HST_VEC_KERNEL(unary_f32) = VEC_KERNEL("elementwise", unary_f32);
HST_VEC_KERNEL(bias_unary_f32) = VEC_KERNEL("elementwise", bias_unary_f32);
HST_VEC_KERNEL(binary_f32) = VEC_KERNEL("elementwise", binary_f32);
