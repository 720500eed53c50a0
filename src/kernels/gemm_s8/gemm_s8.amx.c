/* 8-bit linear layer for AMX (tdpbusd): tiles of up to 32 rows × 2 panels, four tile registers of sums. Two
 * blocks of a panel, 16 steps, lie as a register of the right side wants them.
 *
 * It has never run on a processor that has AMX: the tests emulate its instructions (tests/kernels/amx_emulated.h), and
 * it is used only where HST_CPU=amx asks for it. */
#include "kernels/gemm_s8/avx512_finish.h"
#include "kernels/kernels.h"

enum {
    MR = GEMM_S8_MR_MAX,
    ROWS = 16,   /* of a tile register */
    BYTES = 64,  /* of each of its rows */
    PALETTE = 1, /* 8 registers of that size */
    SUMS = 2 * GEMM_S8_NR * 4
};

/* Registers: sums 0 and 1 (of the upper rows and each panel), 2 and 3 (of the lower rows), activations 4 (upper) and 5
 * (lower), weights 6 and 7 (of each panel). Up to 16 rows are all upper ones. */
static inline int upper_of(int rows) {
    return rows > ROWS ? (rows + 1) / 2 : rows;
}

/* Some compilers do not know that tile instructions read memory: what was written before is in it. */
static inline void written(const void *p) {
    __asm__ volatile("" : : "r"(p) : "memory");
}

typedef struct configuration { /* ldtilecfg's operand */
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} configuration;

static void begin(int tallest) {
    const int upper = upper_of(tallest), lower = tallest - upper;
    const int heights[] = {upper, upper, lower, lower, upper, lower, ROWS, ROWS};
    configuration c = {.palette = PALETTE};
    for (int i = 0; i < 8; i++) {
        c.rows[i] = (uint8_t)heights[i];
        c.row_bytes[i] = heights[i] ? BYTES : 0;
    }
    written(&c);
    _tile_loadconfig(&c);
}

/* What is left in tiles would be saved with every switch of the thread. */
static void end(void) {
    _tile_release();
}

/* Adds the products of two blocks. lower: the lower rows' activations, NULL where there are none. */
static inline __attribute__((always_inline)) void add_products(const uint8_t *upper, const uint8_t *lower, int64_t lda,
                                                               const int8_t *first, const int8_t *second) {
    _tile_loadd(6, first, BYTES);
    _tile_loadd(7, second, BYTES);
    _tile_loadd(4, upper, lda);
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    if (!lower) return;
    _tile_loadd(5, lower, lda);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
}

/* Adds those of a lone block, filled up with zeros: neither rows nor panels have 32 bytes more to be read. */
static __attribute__((noinline)) void add_block(const uint8_t *a, int rows, int64_t lda, const int8_t *first,
                                                const int8_t *second) {
    _Alignas(64) uint8_t left[MR][BYTES] = {{0}};
    _Alignas(64) int8_t right[2][ROWS * BYTES] = {{0}};
    const int upper = upper_of(rows);
    for (int r = 0; r < rows; r++) memcpy(left[r], a + r * lda, GEMM_S8_K);
    memcpy(right[0], first, GEMM_S8_WEIGHTS);
    memcpy(right[1], second, GEMM_S8_WEIGHTS);
    written(left);
    written(right);
    add_products(left[0], upper < rows ? left[upper] : NULL, BYTES, right[0], right[1]);
    written(right); /* and is not overwritten before it is read */
}

/* The registers have the size of the tallest tile: one that lacks a row computes that before its first once more. */
static void tile(const gemm_s8_tile *t) {
    const int rows = t->tallest, above = rows - t->rows, upper = upper_of(rows);
    const uint8_t *a = t->a - above * t->lda;
    const int8_t *first = t->panel + GEMM_S8_HEAD, *second = second_panel(t) + GEMM_S8_HEAD;
    const bool lower = upper < rows;
    uintptr_t ahead = t->ahead;
    __m512i sum[MR][2];
    _tile_zero(0);
    _tile_zero(1);
    if (lower) {
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int64_t pairs = t->blocks / 2; pairs > 0; pairs--) {
        ahead = fetch_ahead(t, fetch_ahead(t, ahead));
        add_products(a, lower ? a + upper * t->lda : NULL, t->lda, first, second);
        a += BYTES;
        first += 2 * GEMM_S8_WEIGHTS;
        second += 2 * GEMM_S8_WEIGHTS;
    }
    if (t->blocks % 2) add_block(a, rows, t->lda, first, second);
    _tile_stored(0, &sum[0][0], SUMS);
    _tile_stored(1, &sum[0][1], SUMS);
    if (lower) {
        _tile_stored(2, &sum[upper][0], SUMS);
        _tile_stored(3, &sum[upper][1], SUMS);
    }
    if (panels_are_whole(t)) {
        const whole_panels w = whole_panels_of(t);
        for (int r = 0; r < t->rows; r++) finish_whole(t, r, &w, sum[above + r], 0);
    } else
        finish_edge(t, t->rows, (const int32_t(*)[2][16])(sum + above), 0);
}

static const gemm_s8_family family = {
    .name = "gemm_s8_32x32__amx", .mr = MR, .panels = 2, .sized = tile, .begin = begin, .end = end};

static const gemm_s8_family *get(void) {
    return &family;
}

HST_KERNEL(gemm_s8_32x32__amx) = {.name = "gemm_s8_32x32__amx",
                                  .family = "gemm_s8",
                                  .slot = offsetof(kernels, gemm_s8),
                                  .isa = CPU_AMX,
                                  .fn = (kernel_fn)get};
