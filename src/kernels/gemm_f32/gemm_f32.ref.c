/* f32 matrix product, the scalar truth: one fmaf chain per element. Panels of 16 columns, tiles of up to 6 rows. */
#include <math.h>

#include "kernels/kernels.h"

enum { REF_NR = 16 };

static void tile_rows(const gemm_f32_tile *t, int rows) {
    for (int r = 0; r < rows; r++) {
        for (int64_t j = 0; j < t->n; j++) {
            const float *b = (const float *)t->b + j / REF_NR * t->b_stride + j % REF_NR;
            float acc = 0;
            for (int64_t k = 0; k < t->k; k++) acc = fmaf(t->a[r * t->lda + k], b[k * REF_NR], acc);
            if (t->scale != 1) acc = t->scale * acc;
            if (t->row_scale) acc = t->row_scale[r] * acc;
            if (t->bias) acc = acc + t->bias[j];
            if (t->residual) acc = acc + t->residual[r * t->ldr + j];
            t->c[r * t->ldc + j] = acc;
        }
    }
}

static void tile_1(const gemm_f32_tile *t) {
    tile_rows(t, 1);
}
static void tile_2(const gemm_f32_tile *t) {
    tile_rows(t, 2);
}
static void tile_3(const gemm_f32_tile *t) {
    tile_rows(t, 3);
}
static void tile_4(const gemm_f32_tile *t) {
    tile_rows(t, 4);
}
static void tile_5(const gemm_f32_tile *t) {
    tile_rows(t, 5);
}
static void tile_6(const gemm_f32_tile *t) {
    tile_rows(t, 6);
}

static const gemm_f32_family family = {
    .name = "gemm_f32_6x16__ref",
    .mr = 6,
    .nr = REF_NR,
    .tile = {0, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6},
    .wide = {0, tile_1, tile_2},
    .wide_panels = {0, 4, 2},
};

static const gemm_f32_family *get(void) {
    return &family;
}

HST_KERNEL(gemm_f32_6x16__ref) = {
    .name = "gemm_f32_6x16__ref",
    .family = "gemm_f32",
    .slot = offsetof(kernels, gemm_f32),
    .isa = CPU_SCALAR,
    .fn = (kernel_fn)get,
};
