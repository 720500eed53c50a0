/* Exact integer matrix product: C[M,N] = A[M,K] B[K,N] of 8-bit operands whose zero points were already subtracted,
 * which makes them s16 in [-255, 255]. Sums are s32 and wrap as the standards say; no step can saturate, so the result
 * is the same on every machine.
 *
 * Layouts, K rounded up to `pairs` pairs with zeros:
 *   a      [M][2*pairs]                row-major
 *   panel  [pairs][GEMM_S16_NR][2]     one panel per GEMM_S16_NR columns of B, the last one filled up with zeros */
#ifndef KERNELS_GEMM_S16_H
#define KERNELS_GEMM_S16_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/team.h"
#include "tensor/matmul_shape.h"

#define GEMM_S16_NR 16

/* c[i][j] = sum over k of a[i][k] * panel's (k, j), for i < m and j < GEMM_S16_NR. c: rows of GEMM_S16_NR. */
typedef void gemm_s16_tile_fn(int64_t m, int64_t pairs, const int16_t *a, const int16_t *panel, int32_t *c);

/* ---- the driver, shared by every version ---- */

static inline int64_t gemm_s16_pairs(int64_t k) {
    return k / 2 + (k & 1);
}
static inline int64_t gemm_s16_panels(int64_t n) {
    return n / GEMM_S16_NR + (n % GEMM_S16_NR != 0);
}
/* Bytes of a widened A or of a packed B; false on overflow. */
bool gemm_s16_size_a(int64_t m, int64_t k, size_t *bytes);
bool gemm_s16_size_b(int64_t k, int64_t n, size_t *bytes);

/* An 8-bit matrix as it lies in memory: element (row, column) at data[row * row_step + column * column_step]. Its zero
 * points: one per row (A) or per column (B) with zero_step 1, one for all with zero_step 0. */
typedef struct gemm_s16_source {
    const uint8_t *data;
    bool is_signed;
    int64_t row_step, column_step;
    const int32_t *zero;
    int zero_step;
} gemm_s16_source;

/* Subtracts zero points and lays the matrix out for the kernel. */
void gemm_s16_widen_a(const gemm_s16_source *s, int64_t m, int64_t k, int16_t *to);
void gemm_s16_pack_b(const gemm_s16_source *s, int64_t k, int64_t n, int16_t *to);

/* What becomes of a tile of sums: rows [row, row + rows), columns [column, column + columns), sum (i, j) at
 * c[i * GEMM_S16_NR + j]. Called from several threads, each tile once. */
typedef void gemm_s16_finish_fn(void *arg, const int32_t *c, int64_t row, int64_t rows, int64_t column,
                                int64_t columns);
void gemm_s16(team *t, int64_t m, int64_t n, int64_t k, const int16_t *a, const int16_t *b, gemm_s16_finish_fn *finish,
              void *arg);

/* A batch of products: matrix i of the result is matrix `a` times matrix `b` as matmul_shape_batch says. */
typedef struct gemm_s16_batch {
    matmul_shape shape;
    gemm_s16_source a, b;                 /* of the first matrices */
    int64_t zero_a_matrix, zero_b_matrix; /* from the first zero point of one matrix to that of the next */
    const int16_t *packed;                /* B laid out beforehand, where it is one matrix; else NULL */
    int16_t *memory_a, *memory_b;         /* of gemm_s16_size_a(m, k), _b(k, n); b may be NULL where packed is set */
} gemm_s16_batch;
/* finish is told the matrix in *batch, which it reads through its arg. */
void gemm_s16_batch_run(team *t, const gemm_s16_batch *g, gemm_s16_finish_fn *finish, void *arg, int64_t *batch);

#endif
