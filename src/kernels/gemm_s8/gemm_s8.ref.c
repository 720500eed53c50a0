/* 8-bit linear layer, the scalar truth: sums in s32, the epilogue in the order of the contract. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"

enum { MR = 4 };

static int32_t sum_of(const gemm_s8_tile *t, int r, int64_t j) {
    int32_t sum = 0, head;
    for (int64_t k = 0; k < t->blocks * GEMM_S8_K; k++)
        sum += (int32_t)t->a[r * t->lda + k] * gemm_s8_weight(t->panel, t->blocks, k, j);
    memcpy(&head, t->panel + 4 * j, sizeof head);
    return (int32_t)((uint32_t)sum - (uint32_t)t->zero[r] * (uint32_t)head); /* a file may hold any zero point */
}

static void tile_rows(const gemm_s8_tile *t, int rows) {
    for (int r = 0; r < rows; r++)
        for (int64_t j = 0; j < t->n; j++) {
            float y = (float)sum_of(t, r, j) * (t->scale[r] * t->w_scale[j]);
            if (t->bias) y = y + t->bias[j];
            if (t->residual) y = y + t->residual[r * t->ldr + j];
            t->c[r * t->ldc + j] = y;
        }
}

static void tile_1(const gemm_s8_tile *t) {
    tile_rows(t, 1);
}
static void tile_2(const gemm_s8_tile *t) {
    tile_rows(t, 2);
}
static void tile_3(const gemm_s8_tile *t) {
    tile_rows(t, 3);
}
static void tile_4(const gemm_s8_tile *t) {
    tile_rows(t, 4);
}

static const gemm_s8_family family = {
    .name = "gemm_s8__ref", .mr = MR, .panels = 1, .tile = {0, tile_1, tile_2, tile_3, tile_4}};

static const gemm_s8_family *get(void) {
    return &family;
}

HST_KERNEL(gemm_s8__ref) = {.name = "gemm_s8__ref",
                            .family = "gemm_s8",
                            .slot = offsetof(kernels, gemm_s8),
                            .isa = CPU_SCALAR,
                            .fn = (kernel_fn)get};

/* ---- quantised rows ---- */

static void quantize_row(int64_t k, const float *x, uint8_t *q, int32_t *zero, float *scale) {
    float low = 0, high = 0;
    bool nan = false;
    for (int64_t i = 0; i < k; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        nan |= x[i] != x[i];
    }
    const gemm_s8_row row = gemm_s8_row_make(low, high, nan);
    for (int64_t i = 0; i < k; i++) q[i] = gemm_s8_quantize_one(x[i], &row);
    memset(q + k, 64, (size_t)(gemm_s8_blocks(k) * GEMM_S8_K - k));
    *zero = (int32_t)row.z + 1;
    *scale = row.scale;
}

static void gemm_s8_quantize(int64_t rows, int64_t k, const float *x, int64_t ldx, uint8_t *q, int64_t ldq,
                             int32_t *zero, float *scale) {
    for (int64_t r = 0; r < rows; r++) quantize_row(k, x + r * ldx, q + r * ldq, zero + r, scale + r);
}

HST_KERNEL(gemm_s8_quantize__ref) = {.name = "gemm_s8_quantize__ref",
                                     .family = "gemm_s8",
                                     .slot = offsetof(kernels, gemm_s8_quantize),
                                     .isa = CPU_SCALAR,
                                     .fn = (kernel_fn)gemm_s8_quantize};
