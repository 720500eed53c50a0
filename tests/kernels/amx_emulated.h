/* The instructions of AMX-TILE and AMX-INT8 that gemm_s8.amx.c uses, in plain C, after Intel's Software Developer's
 * Manual (volume 2: LDTILECFG, TILELOADD, TDPBUSD …). What raises an exception there ends the test here; a
 * configuration over one that is still loaded does as well: a part must let its tiles go. */
#ifndef TESTS_KERNELS_AMX_EMULATED_H
#define TESTS_KERNELS_AMX_EMULATED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct amx_tile {
    int rows, row_bytes;
    uint8_t data[16][64];
} amx_tile;

/* A thread's state. palette is 0 where no configuration is loaded. */
static _Thread_local struct {
    int palette;
    long loads;
    amx_tile tile[8];
} tiles;

static inline void amx_require(int holds, const char *instruction, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s: %s\n", instruction, what);
    abort();
}

static inline amx_tile *amx_tile_of(int i, const char *instruction) {
    amx_require(tiles.palette == 1, instruction, "no configuration is loaded");
    amx_require(i >= 0 && i < 8, instruction, "no such register");
    amx_require(tiles.tile[i].rows > 0, instruction, "the register has no rows");
    return &tiles.tile[i];
}

static inline void amx_loadconfig(const void *p) {
    const uint8_t *c = p;
    const char *const me = "ldtilecfg";
    amx_require(tiles.palette == 0, me, "the earlier configuration was not released");
    amx_require(c[0] == 1, me, "no palette 1");
    amx_require(c[1] == 0, me, "begins at another row");
    for (int i = 2; i < 64; i++) /* reserved; row bytes of registers 8 … 15; rows of these */
        amx_require((i >= 16 && i < 32) || (i >= 48 && i < 56) || c[i] == 0, me, "a reserved byte is not zero");
    memset(tiles.tile, 0, sizeof tiles.tile);
    for (int i = 0; i < 8; i++) {
        amx_tile *t = &tiles.tile[i];
        t->row_bytes = c[16 + 2 * i] | c[17 + 2 * i] << 8;
        t->rows = c[48 + i];
        amx_require(t->rows <= 16 && t->row_bytes <= 64, me, "a register is too large");
        amx_require((t->rows == 0) == (t->row_bytes == 0), me, "a register has rows or row bytes only");
    }
    tiles.palette = 1;
    tiles.loads++;
}

static inline void amx_release(void) {
    memset(tiles.tile, 0, sizeof tiles.tile);
    tiles.palette = 0;
}

static inline void amx_zero(int to) {
    amx_tile *t = amx_tile_of(to, "tilezero");
    memset(t->data, 0, sizeof t->data);
}

static inline void amx_loadd(int to, const void *from, int64_t stride) {
    amx_tile *t = amx_tile_of(to, "tileloadd");
    memset(t->data, 0, sizeof t->data);
    for (int r = 0; r < t->rows; r++) memcpy(t->data[r], (const char *)from + r * stride, (size_t)t->row_bytes);
}

static inline void amx_stored(int from, void *to, int64_t stride) {
    const amx_tile *t = amx_tile_of(from, "tilestored");
    for (int r = 0; r < t->rows; r++) memcpy((char *)to + r * stride, t->data[r], (size_t)t->row_bytes);
}

/* sums[m, n] += Σ_k Σ_i u8 a[m, 4 k + i] · s8 b[k, 4 n + i], modulo 2^32. */
static inline void amx_dpbusd(int sums, int left, int right) {
    const char *const me = "tdpbusd";
    amx_tile *c = amx_tile_of(sums, me);
    const amx_tile *a = amx_tile_of(left, me), *b = amx_tile_of(right, me);
    amx_require(sums != left && sums != right && left != right, me, "a register is named twice");
    amx_require(a->row_bytes % 4 == 0 && b->row_bytes % 4 == 0 && c->row_bytes % 4 == 0, me, "a row is no whole lanes");
    amx_require(a->rows == c->rows && b->row_bytes == c->row_bytes && a->row_bytes / 4 == b->rows, me,
                "the registers do not fit");
    for (int m = 0; m < c->rows; m++) {
        uint32_t row[16];
        memcpy(row, c->data[m], sizeof row);
        for (int k = 0; k < b->rows; k++)
            for (int n = 0; n < c->row_bytes / 4; n++)
                for (int i = 0; i < 4; i++) row[n] += (uint32_t)(a->data[m][4 * k + i] * (int8_t)b->data[k][4 * n + i]);
        memcpy(c->data[m], row, sizeof row);
    }
}

/* In the place of the compiler's own, which are macros or functions. */
#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbusd
#define _tile_loadconfig amx_loadconfig
#define _tile_release    amx_release
#define _tile_zero       amx_zero
#define _tile_loadd      amx_loadd
#define _tile_stored     amx_stored
#define _tile_dpbusd     amx_dpbusd

#endif
