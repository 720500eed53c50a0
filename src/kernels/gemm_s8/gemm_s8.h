/* Linear layer on 8-bit integers: y[m,n] = act(sum[m,n] · (scale[m] · w_scale[n]) + bias[n]) + residual[m,n] with
 * sum[m,n] = Σ_k (q[m,k] − zero[m]) · w[k,n], exact in s32, so the same bits on every ISA, tile, thread count and
 * batch.
 *
 * Activations have 7 bits and a scale and zero point a row (gemm_s8_quantize_fn): q and zero lie in 1 … 127, so that
 * q − 64 has a magnitude of at most 63. Weights are s8 with a scale a column, and the quantiser (gemm_s8_pack) takes
 * care of one bound more: wherever 16 weights are summed in one 16-bit lane, their magnitudes sum to at most
 * GEMM_S8_LANE. Then u8·s8 pairs (vpmaddubsw) never saturate, 2 · 127 · 127 < 2^15, and 8 steps of them can be kept in
 * s16 lanes that begin at −64 · Σ w: they may wrap on the way, what they end with is Σ (q − 64) w, below
 * 63 · 511 < 2^15. Only then are they widened. Machines with u8·s8 dot products read the same weights.
 *
 * Packed weights: a panel per 16 columns, each gemm_s8_panel_bytes long; a block is 32 rows of w:
 *   s32 [16]                  Σ_k w[k,n]
 *   s8  [blocks][8][16][4]    steps of 4 rows
 *   s16 [blocks][16][2]       −64 · Σ w of each lane: rows 4i, 4i + 1 and rows 4i + 2, 4i + 3 of a block's 8 steps i
 * The lanes stand last: machines with dot products never fetch them. Rows and columns beyond K and N hold zeros. No
 * function here allocates or fails. */
#ifndef KERNELS_GEMM_S8_H
#define KERNELS_GEMM_S8_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/elementwise/elementwise.h"

#define GEMM_S8_NR       16     /* columns of a panel */
#define GEMM_S8_STEPS    8      /* of 4 rows: between two widenings */
#define GEMM_S8_K        32     /* rows of a block */
#define GEMM_S8_LANE     511    /* Σ |w| of a lane and block */
#define GEMM_S8_HEAD     64     /* bytes */
#define GEMM_S8_WEIGHTS  512    /* bytes: a block's */
#define GEMM_S8_LANES    64     /* bytes: a block's */
#define GEMM_S8_BLOCK    576    /* bytes: both */
#define GEMM_S8_ROWS_MAX 16     /* a tile of a table has at most so many rows */
#define GEMM_S8_MR_MAX   32     /* any tile */
#define GEMM_S8_K_MAX    262144 /* 126 · 127 · K fits s32 */

static inline int64_t gemm_s8_blocks(int64_t k) {
    return (k + GEMM_S8_K - 1) / GEMM_S8_K;
}
static inline int64_t gemm_s8_panels(int64_t n) {
    return (n + GEMM_S8_NR - 1) / GEMM_S8_NR;
}
static inline int64_t gemm_s8_panel_bytes(int64_t k) {
    return GEMM_S8_HEAD + gemm_s8_blocks(k) * GEMM_S8_BLOCK;
}

/* ---- what an ISA file supplies ---- */

/* Where a panel's lanes begin. */
static inline const int8_t *gemm_s8_lanes(const int8_t *panel, int64_t blocks) {
    return panel + GEMM_S8_HEAD + blocks * GEMM_S8_WEIGHTS;
}

typedef struct gemm_s8_tile {
    int64_t blocks;
    const uint8_t *a; /* [rows, blocks · 32], leading dimension lda */
    int64_t lda;
    const int32_t *zero; /* [rows] */
    const float *scale;  /* [rows] */
    const int8_t *panel; /* 64-byte aligned is best, any is right */
    int64_t stride;      /* bytes from one panel to the next */
    int64_t n;           /* columns that exist, 1 … 16 · panels: nothing beyond them is touched */
    const float *w_scale;
    const float *bias; /* [n] or NULL */
    float *c;          /* [rows, n], leading dimension ldc */
    int64_t ldc;
    const float *residual; /* [rows, n] or NULL; may be c itself */
    int64_t ldr;
    /* What comes next, fetched into the second level cache meanwhile, so many lines of 64 bytes a block and panel: of
     * two panels the second one's stand `stride` further on. Only a hint: it may lie beyond the weights. */
    uintptr_t ahead;
    int64_t ahead_lines;
    bool rows_pass; /* the rows come from the second level cache: those of the next tile stand behind these */
    int rows;       /* for what is sized: of this tile, */
    int tallest;    /* and what begin was told: as many, or one more, and then there is a row before a */
} gemm_s8_tile;

typedef void (*gemm_s8_tile_fn)(const gemm_s8_tile *t);

typedef struct gemm_s8_family {
    const char *name;
    int mr;     /* rows of the largest tile */
    int panels; /* that a tile covers: 1 or 2 */
    bool lanes; /* reads the 16-bit lanes */
    gemm_s8_tile_fn tile[GEMM_S8_ROWS_MAX + 1];
    /* Where a thread's state holds the size of tiles: one function for them all instead of the table, and what sets
     * that state before the tiles of a part and gives it back after them. Else NULL. */
    gemm_s8_tile_fn sized;
    void (*begin)(int tallest);
    void (*end)(void);
} gemm_s8_family;

static inline void gemm_s8_begin(const gemm_s8_family *f, int tallest) {
    if (f->begin) f->begin(tallest);
}
static inline void gemm_s8_end(const gemm_s8_family *f) {
    if (f->end) f->end();
}
static inline void gemm_s8_run_tile(const gemm_s8_family *f, const gemm_s8_tile *t) {
    (f->sized ? f->sized : f->tile[t->rows])(t);
}

/* The slot holds a function that returns the family. */
typedef const gemm_s8_family *(*gemm_s8_fn)(void);

/* Quantises rows x[rows, k] (leading dimension ldx), each by itself, all f32 and in this order:
 *   low = min(0, x), high = max(0, x), range = high - low, inv = range >= 1e-30 ? 126 / range : 0
 *   scale = range / 126 + (range - range)     NaN where a row holds an infinity or a NaN: so is its result
 *   z = round(-low * inv), q = min(max(round(x * inv) + z, 0), 126) + 1, zero = z + 1        (to nearest even)
 * q: [rows, blocks * 32], 64 beyond k. */
typedef void gemm_s8_quantize_fn(int64_t rows, int64_t k, const float *x, int64_t ldx, uint8_t *q, int64_t ldq,
                                 int32_t *zero, float *scale);

typedef struct gemm_s8_row {
    float scale, inv, z;
} gemm_s8_row;

static inline gemm_s8_row gemm_s8_row_make(float low, float high, bool nan) {
    const float range = nan ? NAN : high - low;
    gemm_s8_row r = {range / 126.0f + (range - range), range >= 1e-30f ? 126.0f / range : 0.0f, 0.0f};
    if (!(r.inv > 0)) return r;                       /* also where range is not finite: q is anything, the scale NaN */
    r.z = (-low * r.inv + 12582912.0f) - 12582912.0f; /* nearest even of what is below 2^22 */
    return r;
}

static inline uint8_t gemm_s8_quantize_one(float x, const gemm_s8_row *r) {
    if (!(r->inv > 0)) return 1;
    float q = (x * r->inv + 12582912.0f) - 12582912.0f + r->z;
    q = q > 0 ? q : 0;
    q = q < 126 ? q : 126;
    return (uint8_t)((int32_t)q + 1);
}

/* ---- packed weights ---- */

/* Quantises and packs w[k,n], element (k,n) at w[k * row + n * column], columns of panels [first, last). The scale of a
 * column is the least with which |w| <= 127 and the lanes keep their bound. `to` and w_scale begin at panel `first`;
 * w_scale has 16 a panel. Returns Σ (w − quantised w)², and Σ w² in *norm. A column that is not finite: NaN. */
double gemm_s8_pack(const float *w, int64_t row, int64_t column, int64_t k, int64_t n, int64_t first, int64_t last,
                    int8_t *to, float *w_scale, double *norm);
/* The weight (k,n) of packed panels. */
static inline int8_t gemm_s8_weight(const int8_t *packed, int64_t blocks, int64_t k, int64_t n) {
    const int8_t *panel = packed + n / GEMM_S8_NR * (GEMM_S8_HEAD + blocks * GEMM_S8_BLOCK) + GEMM_S8_HEAD;
    return panel[k / 4 * 64 + n % GEMM_S8_NR * 4 + k % 4];
}

/* ---- the driver ---- */

typedef struct gemm_s8 {
    const gemm_s8_family *family;
    int64_t m, n, k;
    const uint8_t *a; /* [m, blocks · 32], dense */
    const int32_t *zero;
    const float *scale;
    const int8_t *packed;
    const float *w_scale; /* [n] */
    float *c;             /* [m, n], leading dimension ldc */
    int64_t ldc;
    const float *bias;
    unary_f32_fn *activate; /* the elementwise kernel, or NULL */
    unary function;
    const float *parameters;
    const float *residual; /* [m, n] or NULL */
    int64_t ldr;
    int64_t part_rows, part_panels; /* gemm_s8_parts's */
    bool rows_first;                /* as well: neighbouring parts share their rows, not their panels */
} gemm_s8;

/* Cuts the product into disjoint parts of some 10 us, to be done in any order by whoever is free; how many. */
int64_t gemm_s8_parts(gemm_s8 *g, int workers);
void gemm_s8_part(const gemm_s8 *g, int64_t part);

#endif
