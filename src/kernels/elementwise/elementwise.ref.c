/* Elementwise kernels, the readable truth. */
#include "kernels/elementwise/unary_scalar.h"
#include "kernels/kernels.h"

static void unary_f32(unary f, const float *p, int64_t n, const float *x, float *y) {
    for (int64_t i = 0; i < n; i++) y[i] = unary_scalar(f, x[i], p);
}

static void bias_unary_f32(unary f, const float *p, int64_t rows, int64_t n, const float *x, int64_t ldx,
                           const float *bias, float *y, int64_t ldy) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) y[r * ldy + i] = unary_scalar(f, x[r * ldx + i] + bias[i], p);
}

static void binary_f32(binary f, int64_t n, const float *a, int64_t step_a, const float *b, int64_t step_b, float *y) {
    for (int64_t i = 0; i < n; i++) y[i] = binary_scalar(f, a[i * step_a], b[i * step_b]);
}

#define ENTRY(slot_)                                                                                                   \
    { .name = #slot_ "__ref", .family = "elementwise", .slot = offsetof(kernels, slot_), .fn = (kernel_fn)slot_ }

HST_KERNEL(unary_f32__ref) = ENTRY(unary_f32);
HST_KERNEL(bias_unary_f32__ref) = ENTRY(bias_unary_f32);
HST_KERNEL(binary_f32__ref) = ENTRY(binary_f32);
