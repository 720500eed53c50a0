/* Widening and narrowing copies, the readable truth. */
#include "kernels/kernels.h"
#include "tensor/convert.h"

static void widen_f16_f32(int64_t n, const uint16_t *x, float *y) {
    for (int64_t i = 0; i < n; i++) y[i] = f16_to_f32(x[i]);
}

static void narrow_f32_f16(int64_t n, const float *x, uint16_t *y) {
    for (int64_t i = 0; i < n; i++) y[i] = f32_to_f16(x[i]);
}

static void widen_bf16_f32(int64_t n, const uint16_t *x, float *y) {
    for (int64_t i = 0; i < n; i++) y[i] = bf16_to_f32(x[i]);
}

static void narrow_f32_bf16(int64_t n, const float *x, uint16_t *y) {
    for (int64_t i = 0; i < n; i++) y[i] = f32_to_bf16(x[i]);
}

#define ENTRY(slot_)                                                                                                   \
    { .name = #slot_ "__ref", .family = "widen", .slot = offsetof(kernels, slot_), .fn = (kernel_fn)slot_ }

HST_KERNEL(widen_f16_f32__ref) = ENTRY(widen_f16_f32);
HST_KERNEL(narrow_f32_f16__ref) = ENTRY(narrow_f32_f16);
HST_KERNEL(widen_bf16_f32__ref) = ENTRY(widen_bf16_f32);
HST_KERNEL(narrow_f32_bf16__ref) = ENTRY(narrow_f32_bf16);
