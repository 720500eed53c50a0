/* The quantisation loops of quantize_loops.h, built for AVX2. */
#include "kernels/kernels.h"
#include "kernels/quantize/quantize_loops.h"

HST_KERNEL(quantize_f32_8__avx2) = {.name = "quantize_f32_8__avx2",
                                    .family = "quantize",
                                    .slot = offsetof(kernels, quantize_f32_8),
                                    .isa = CPU_AVX2,
                                    .fn = (kernel_fn)quantize_f32_8};

HST_KERNEL(dequantize_u8_f32__avx2) = {.name = "dequantize_u8_f32__avx2",
                                       .family = "quantize",
                                       .slot = offsetof(kernels, dequantize_u8_f32),
                                       .isa = CPU_AVX2,
                                       .fn = (kernel_fn)dequantize_u8_f32};

HST_KERNEL(dequantize_s8_f32__avx2) = {.name = "dequantize_s8_f32__avx2",
                                       .family = "quantize",
                                       .slot = offsetof(kernels, dequantize_s8_f32),
                                       .isa = CPU_AVX2,
                                       .fn = (kernel_fn)dequantize_s8_f32};

HST_KERNEL(quantize_extent_f32__avx2) = {.name = "quantize_extent_f32__avx2",
                                         .family = "quantize",
                                         .slot = offsetof(kernels, quantize_extent_f32),
                                         .isa = CPU_AVX2,
                                         .fn = (kernel_fn)quantize_extent_f32};
