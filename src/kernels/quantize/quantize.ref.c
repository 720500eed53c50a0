/* The quantisation loops of quantize_loops.h, built without special instructions. */
#include "kernels/kernels.h"
#include "kernels/quantize/quantize_loops.h"

HST_KERNEL(quantize_f32_8__ref) = {.name = "quantize_f32_8__ref",
                                   .family = "quantize",
                                   .slot = offsetof(kernels, quantize_f32_8),
                                   .isa = CPU_SCALAR,
                                   .fn = (kernel_fn)quantize_f32_8};

HST_KERNEL(dequantize_u8_f32__ref) = {.name = "dequantize_u8_f32__ref",
                                      .family = "quantize",
                                      .slot = offsetof(kernels, dequantize_u8_f32),
                                      .isa = CPU_SCALAR,
                                      .fn = (kernel_fn)dequantize_u8_f32};

HST_KERNEL(dequantize_s8_f32__ref) = {.name = "dequantize_s8_f32__ref",
                                      .family = "quantize",
                                      .slot = offsetof(kernels, dequantize_s8_f32),
                                      .isa = CPU_SCALAR,
                                      .fn = (kernel_fn)dequantize_s8_f32};

HST_KERNEL(quantize_extent_f32__ref) = {.name = "quantize_extent_f32__ref",
                                        .family = "quantize",
                                        .slot = offsetof(kernels, quantize_extent_f32),
                                        .isa = CPU_SCALAR,
                                        .fn = (kernel_fn)quantize_extent_f32};
