/* f32 matrix product: C[M,N] = act(scale · (A[M,K] · B[K,N]) + bias[N]) + residual[M,N].
 *
 * The contract, the same bits from every family, tile, thread count, batch and storage of B:
 *   acc = +0;  for k = 0 … K-1: acc = fma(A[m,k], B[k,n], acc)      one chain, no partial sums
 *   x = scale == 1 ? acc : scale * acc;  if bias: x = x + bias[n];  if act: x = act(x);  if residual: x = x +
 * residual[m,n]
 *
 * B is read from column panels [ceil(N/nr)][K][nr], the last one padded with zeros; weights are packed once, other
 * operands panel by panel into scratch. An ISA file supplies the tiles (one per row count) and the block sizes;
 * packing, blocking and the split over threads are shared. No function here allocates or fails. */
#ifndef KERNELS_GEMM_F32_H
#define KERNELS_GEMM_F32_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hasten.h"
#include "kernels/elementwise/elementwise.h"

/* ---- what an ISA file supplies ---- */

#define GEMM_F32_ROWS_MAX 16 /* a tile has at most so many rows */
#define GEMM_F32_NR_MAX   64

typedef struct gemm_f32_tile {
    int64_t k;
    const float *a; /* [rows, k], leading dimension lda */
    int64_t lda;
    const void *b;    /* panels, each [k, nr], of f32; of f16 or bf16 for the tiles of those */
    int64_t b_stride; /* elements from one panel to the next */
    float *c;         /* [rows, n], leading dimension ldc */
    int64_t ldc;
    int64_t n;              /* columns that exist: at least 1, and nothing beyond them is touched */
    float scale;            /* 1: none */
    const float *row_scale; /* [rows] or NULL: then multiplied with these */
    const float *bias;      /* [n] or NULL */
    const float *residual;  /* [rows, n] or NULL; may be c itself */
    int64_t ldr;
    /* What comes next, fetched into the second level cache meanwhile, `ahead_step` bytes a step of k. Only a hint: the
     * address may lie beyond the operand. Tiles of several panels read straight on instead: their few rows need all of
     * the memory's speed. */
    uintptr_t ahead;
    int64_t ahead_step;
    /* Where the next tile begins, with the same lda: its first lines are fetched into the first level cache while this
     * one ends. Only a hint; NULL: not known. */
    const float *next_a;
    const void *next_b;
} gemm_f32_tile;

typedef void (*gemm_f32_tile_fn)(const gemm_f32_tile *t);

typedef struct gemm_f32_family {
    const char *name;
    int mr; /* rows of the largest tile */
    int nr; /* columns of a panel */
    /* tile[r]: r rows of one panel, 1 … mr. wide[r] covers wide_panels[r] panels (NULL: tile[r] hides the latency). */
    gemm_f32_tile_fn tile[GEMM_F32_ROWS_MAX + 1], wide[GEMM_F32_ROWS_MAX + 1];
    int wide_panels[GEMM_F32_ROWS_MAX + 1];
    /* The same over panels of f16 and of bf16, widened on their way; all NULL: panels are widened first. */
    gemm_f32_tile_fn f16[GEMM_F32_ROWS_MAX + 1], f16_wide[GEMM_F32_ROWS_MAX + 1];
    gemm_f32_tile_fn bf16[GEMM_F32_ROWS_MAX + 1], bf16_wide[GEMM_F32_ROWS_MAX + 1];
    /* Packs one panel of a transposed operand: to[k][nr] = from[j * ld + k], j < n <= nr, zeros beyond. NULL: the
     * shared one. */
    void (*pack_transposed)(const float *from, int64_t ld, int64_t k, int64_t n, float *to);
} gemm_f32_family;

/* The slot holds a function that returns the family. */
typedef const gemm_f32_family *(*gemm_f32_fn)(void);

/* `rows` rows against all panels of t.n columns: t's pointers are those of the first row and column. t.ahead: what
 * follows the last panel, 0 where that is what lies behind it. Panels in scratch say it: behind them may be pages that
 * no one has touched, and a fetch from there costs a walk through the page tables each time. */
void gemm_f32_rows(const gemm_f32_family *f, const gemm_f32_tile *t, int64_t rows);

/* ---- packed weights ---- */

/* Elements of panels of B[k,n]: ceil(n / nr) * k * nr. The caller has checked that k, n and this are small enough. */
static inline int64_t gemm_f32_panels(const gemm_f32_family *f, int64_t n) {
    return (n + f->nr - 1) / f->nr;
}
static inline int64_t gemm_f32_packed_count(const gemm_f32_family *f, int64_t k, int64_t n) {
    return gemm_f32_panels(f, n) * k * f->nr;
}

/* A dense operand B[k,n] in memory: element (k,n) at from[k * row + n * column]; one of row and column is 1. Any
 * alignment; dtype f32, f16 or bf16. */
typedef struct gemm_f32_operand {
    const void *data;
    hst_dtype dtype;
    int64_t row, column;
} gemm_f32_operand;

/* Packs panels [first, last) of B[k,n] to `to`, which begins at panel `first`. */
void gemm_f32_pack(const gemm_f32_family *f, const gemm_f32_operand *b, int64_t k, int64_t n, int64_t first,
                   int64_t last, float *to);
/* The same into panels of the operand's own 16-bit type, widened again when they are used: exact. */
void gemm_f32_pack_half(const gemm_f32_family *f, const gemm_f32_operand *b, int64_t k, int64_t n, int64_t first,
                        int64_t last, uint16_t *to);

/* ---- the driver ---- */

typedef struct gemm_f32 {
    const gemm_f32_family *family;
    int64_t m, n, k;
    const float *a; /* [batch][m, k] */
    int64_t lda;
    /* B: packed (f32, or f16/bf16 as packed_dtype says), shared by all batches; or, where packed is NULL, `b`. */
    const void *packed;
    hst_dtype packed_dtype;
    gemm_f32_operand b;
    float *c; /* [batch][m, n] */
    int64_t ldc;
    /* epilogue */
    float scale;
    const float *bias;
    unary_f32_fn *activate; /* the elementwise kernel, or NULL */
    unary function;
    const float *parameters;
    const float *residual; /* [batch][m, n] or NULL */
    int64_t ldr;
    /* batches: offsets in elements of a, b and c for each (NULL: i * stride); residual advances by its stride */
    int64_t batch;
    const int64_t *a_offset, *b_offset, *c_offset;
    int64_t a_stride, b_stride, c_stride, r_stride;
    /* how gemm_f32_parts cut it: so many parts of the rows, each by groups of so many panels. 0: not yet */
    int64_t row_parts, part_panels;
} gemm_f32;

/* A problem with everything neutral: batch 1, scale 1, no epilogue, dense strides. */
gemm_f32 gemm_f32_make(const gemm_f32_family *f, int64_t m, int64_t n, int64_t k, const float *a, float *c);

/* Floats of scratch that each worker needs (0 where B is packed in f32). */
int64_t gemm_f32_scratch(const gemm_f32 *g);

/* Part `part` of `parts`; parts are disjoint and need no barrier between them. scratch is this worker's own, 64-byte
 * aligned. */
void gemm_f32_part(const gemm_f32 *g, int64_t part, int64_t parts, float *scratch);
/* Cuts it for workers that take one part after the other: small enough that none waits long for the last, large enough
 * to be worth the taking. Returns how many. Not called before, any number of parts is right. */
int64_t gemm_f32_parts(gemm_f32 *g, int workers);

#endif
