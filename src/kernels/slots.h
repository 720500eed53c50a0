/* struct kernels: one slot per kernel family and variant. Types and contracts stand in the families' headers. */
#ifndef KERNELS_SLOTS_H
#define KERNELS_SLOTS_H

#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/gemm_s16/gemm_s16.h"
#include "kernels/quantize/quantize.h"

typedef struct kernels {
    kernel_fn none; /* so that the table is never empty */
    gemm_f32_fn gemm_f32;
    gemm_s16_tile_fn *gemm_s16_tile;
    quantize_f32_8_fn *quantize_f32_8;
    dequantize_u8_f32_fn *dequantize_u8_f32;
    dequantize_s8_f32_fn *dequantize_s8_f32;
    quantize_extent_f32_fn *quantize_extent_f32;
} kernels;

#endif
