/* struct kernels: one slot per kernel family and variant. Types and contracts stand in the families' headers. */
#ifndef KERNELS_SLOTS_H
#define KERNELS_SLOTS_H

#include "kernels/conv/conv.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/gemm_s16/gemm_s16.h"
#include "kernels/gemm_s8/gemm_s8.h"
#include "kernels/norm/norm.h"
#include "kernels/quantize/quantize.h"
#include "kernels/softmax/softmax.h"
#include "kernels/widen/widen.h"

typedef struct kernels {
    kernel_fn none; /* so that the table is never empty */
    gemm_f32_fn gemm_f32;
    gemm_s16_tile_fn *gemm_s16_tile;
    gemm_s8_fn gemm_s8;
    gemm_s8_quantize_fn *gemm_s8_quantize;
    quantize_f32_8_fn *quantize_f32_8;
    dequantize_u8_f32_fn *dequantize_u8_f32;
    dequantize_s8_f32_fn *dequantize_s8_f32;
    quantize_extent_f32_fn *quantize_extent_f32;
    unary_f32_fn *unary_f32;
    bias_unary_f32_fn *bias_unary_f32;
    binary_f32_fn *binary_f32;
    conv_f32_fn *conv_f32;
    softmax_f32_fn *softmax_f32;
    norm_f32_fn *norm_f32;
    widen_f16_f32_fn *widen_f16_f32;
    narrow_f32_f16_fn *narrow_f32_f16;
    widen_bf16_f32_fn *widen_bf16_f32;
    narrow_f32_bf16_fn *narrow_f32_bf16;
} kernels;

#endif
