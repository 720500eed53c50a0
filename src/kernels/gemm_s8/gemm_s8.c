/* 8-bit linear layer: quantised and packed weights, blocking, and the split over threads. The tiles are the families'.
 *
 * A part is a rectangle of rows × panels, its rows so few that they stay in a cache while its panels pass by; what
 * follows a product (activation, residual after it) is done on groups of panels while they are warm. */
#include "kernels/gemm_s8/gemm_s8.h"

#include <string.h>

#include "base/cpu.h"

enum {
    GROUP = 16,            /* panels between two passes of the activation; even */
    PART_MACS = 1 << 18,   /* of the least part that is worth taking */
    PARTS_MOST = 32,       /* a worker */
    ROWS_OF_READING = 16,  /* so many rows take as long as reading the weights */
    AHEAD = 1152,          /* bytes that a lone tile fetches before it reads them */
    ROWS_NEAR = 24 * 1024, /* bytes of rows that stay in the first level cache beside two panels */
    ROWS_MIN = 24,
    ROWS_MAX = 96
};

/* ---- packing ---- */

typedef struct source { /* columns [column, column + some) of w */
    const float *w;
    int64_t row, step, k, some;
} source;

/* Rows [k, k + 32) of the columns, zeros beyond. */
static void read_block(const source *s, int64_t k, float to[GEMM_S8_K][GEMM_S8_NR]) {
    const int64_t rows = s->k - k < GEMM_S8_K ? s->k - k : GEMM_S8_K;
    if (rows < GEMM_S8_K || s->some < GEMM_S8_NR) memset(to, 0, sizeof(float) * GEMM_S8_K * GEMM_S8_NR);
    const float *from = s->w + k * s->row;
    if (s->step == 1)
        for (int64_t i = 0; i < rows; i++) memcpy(to[i], from + i * s->row, (size_t)s->some * sizeof(float));
    else
        for (int64_t j = 0; j < s->some; j++)
            for (int64_t i = 0; i < rows; i++) to[i][j] = from[i * s->row + j * s->step];
}

static float nearest(float x) {
    return (x + 12582912.0f) - 12582912.0f;
}

static float level(float x, float inv) {
    const float q = nearest(x * inv);
    return q > 127 ? 127 : q < -127 ? -127 : q;
}

/* The greatest magnitude of each column; false where one is not finite. */
static bool column_extent(const source *s, float most[GEMM_S8_NR]) {
    float block[GEMM_S8_K][GEMM_S8_NR], odd = 0;
    memset(most, 0, sizeof(float) * GEMM_S8_NR);
    for (int64_t k = 0; k < s->k; k += GEMM_S8_K) {
        read_block(s, k, block);
        for (int i = 0; i < GEMM_S8_K; i++)
            for (int j = 0; j < GEMM_S8_NR; j++) {
                const float a = fabsf(block[i][j]);
                most[j] = a > most[j] ? a : most[j];
                odd += block[i][j] - block[i][j]; /* NaN, once there is an infinity or a NaN */
            }
    }
    return odd == 0;
}

/* The greatest lane of each column, quantised with inv. */
static void column_lanes(const source *s, const float inv[GEMM_S8_NR], float most[GEMM_S8_NR]) {
    float block[GEMM_S8_K][GEMM_S8_NR];
    memset(most, 0, sizeof(float) * GEMM_S8_NR);
    for (int64_t k = 0; k < s->k; k += GEMM_S8_K) {
        float lane[2][GEMM_S8_NR] = {{0}};
        read_block(s, k, block);
        for (int i = 0; i < GEMM_S8_K; i++)
            for (int j = 0; j < GEMM_S8_NR; j++) lane[i / 2 % 2][j] += fabsf(level(block[i][j], inv[j]));
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < GEMM_S8_NR; j++) most[j] = lane[i][j] > most[j] ? lane[i][j] : most[j];
    }
}

/* Scales of the columns and their reciprocals; false where a column is not finite. */
static bool column_scales(const source *s, float scale[GEMM_S8_NR], float inv[GEMM_S8_NR]) {
    float most[GEMM_S8_NR];
    if (!column_extent(s, most)) return false;
    for (int j = 0; j < GEMM_S8_NR; j++) {
        const bool some = most[j] >= 1e-30f;
        scale[j] = some ? most[j] / 127.0f : 0.0f;
        inv[j] = some ? 1.0f / scale[j] : 0.0f;
    }
    for (bool again = true; again;) { /* each round raises a scale by 1/511 at least: at most a few */
        again = false;
        column_lanes(s, inv, most);
        for (int j = 0; j < GEMM_S8_NR; j++) {
            if (most[j] <= GEMM_S8_LANE) continue;
            scale[j] *= most[j] / (GEMM_S8_LANE - 1);
            inv[j] = 1.0f / scale[j];
            again = true;
        }
    }
    return true;
}

/* Writes a panel; adds what was lost to *lost and what there was to *norm. */
static void write_panel(const source *s, const float scale[GEMM_S8_NR], const float inv[GEMM_S8_NR], int8_t *to,
                        double *lost, double *norm) {
    float block[GEMM_S8_K][GEMM_S8_NR];
    int32_t sums[GEMM_S8_NR] = {0};
    int8_t *at = to + GEMM_S8_HEAD, *lanes = at + gemm_s8_blocks(s->k) * GEMM_S8_WEIGHTS;
    for (int64_t k = 0; k < s->k; k += GEMM_S8_K, at += GEMM_S8_WEIGHTS, lanes += GEMM_S8_LANES) {
        int32_t lane[GEMM_S8_NR][2] = {{0}};
        float error[GEMM_S8_NR] = {0}, square[GEMM_S8_NR] = {0};
        int16_t start[GEMM_S8_NR][2];
        read_block(s, k, block);
        for (int i = 0; i < GEMM_S8_K; i++)
            for (int j = 0; j < GEMM_S8_NR; j++) {
                const float q = level(block[i][j], inv[j]), d = block[i][j] - q * scale[j];
                error[j] += d * d;
                square[j] += block[i][j] * block[i][j];
                lane[j][i / 2 % 2] += (int32_t)q;
                at[i / 4 * 64 + j * 4 + i % 4] = (int8_t)q;
            }
        for (int j = 0; j < GEMM_S8_NR; j++) {
            sums[j] += lane[j][0] + lane[j][1];
            start[j][0] = (int16_t)(-64 * lane[j][0]);
            start[j][1] = (int16_t)(-64 * lane[j][1]);
            *lost += (double)error[j];
            *norm += (double)square[j];
        }
        memcpy(lanes, start, sizeof start);
    }
    memcpy(to, sums, sizeof sums);
}

double gemm_s8_pack(const float *w, int64_t row, int64_t column, int64_t k, int64_t n, int64_t first, int64_t last,
                    int8_t *to, float *w_scale, double *norm) {
    double lost = 0;
    *norm = 0;
    for (int64_t p = first; p < last; p++, to += gemm_s8_panel_bytes(k), w_scale += GEMM_S8_NR) {
        const int64_t at = p * GEMM_S8_NR, some = n - at < GEMM_S8_NR ? n - at : GEMM_S8_NR;
        const source s = {w + at * column, row, column, k, some};
        float inv[GEMM_S8_NR];
        if (!column_scales(&s, w_scale, inv)) return NAN;
        write_panel(&s, w_scale, inv, to, &lost, norm);
    }
    return lost;
}

/* ---- the driver ---- */

static int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t level_2(void) {
    const size_t cache = cpu_cache(2);
    return cache ? (int64_t)cache : 512 * 1024;
}

/* Rows that stay in the second level cache beside a panel. */
static int64_t block_rows(const gemm_s8 *g) {
    int64_t rows = level_2() / 2 / (g->k ? g->k : 1);
    rows = rows < ROWS_MIN ? ROWS_MIN : rows > ROWS_MAX ? ROWS_MAX : rows;
    const int64_t tiles = rows / g->family->mr;
    return (tiles ? tiles : 1) * g->family->mr;
}

int64_t gemm_s8_parts(gemm_s8 *g, int workers) {
    const int64_t panels = gemm_s8_panels(g->n), unit = g->family->panels, mr = g->family->mr;
    if (g->m <= 0 || g->n <= 0) return 0;
    int64_t rows = ceil_div(g->m, block_rows(g)), columns = 1;
    if (workers > 1) {
        const double m = g->m < ROWS_OF_READING ? ROWS_OF_READING : (double)g->m;
        const double worth = m * (double)g->k * GEMM_S8_NR * (double)panels / PART_MACS,
                     bound = (double)PARTS_MOST * workers;
        const int64_t most = worth < workers ? workers : worth < bound ? (int64_t)worth : (int64_t)bound;
        /* Cutting rows means reading panels again: only where there are too few of them. */
        const int64_t few = least(most, 2 * workers);
        if (rows * panels < few) rows = least(ceil_div(few, panels), ceil_div(g->m, mr));
        columns = least(ceil_div(most, rows), panels);
    }
    /* Panels are read once by each worker if neighbours share them; where all panels stay in its cache it rather works
     * on rows that it has made itself. */
    g->rows_first = panels * gemm_s8_panel_bytes(g->k) <= level_2() / 2;
    g->part_rows = ceil_div(ceil_div(g->m, rows), mr) * mr;
    g->part_panels = ceil_div(ceil_div(panels, columns), unit) * unit;
    return ceil_div(g->m, g->part_rows) * ceil_div(panels, g->part_panels);
}

/* Rows [row, row + rows) against the family's count of panels from `panel` on. */
static void panels_by_tiles(const gemm_s8 *g, int64_t panel, int64_t row, int64_t rows) {
    const int64_t column = panel * GEMM_S8_NR, lda = gemm_s8_blocks(g->k) * GEMM_S8_K, mr = g->family->mr;
    const int64_t tiles = ceil_div(rows, mr), each = rows / tiles, more = rows % tiles;
    const int64_t width = g->family->panels * GEMM_S8_NR, stride = gemm_s8_panel_bytes(g->k);
    const int64_t lines = g->family->lanes ? GEMM_S8_BLOCK / 64 : GEMM_S8_WEIGHTS / 64;
    const bool add = g->residual && !g->activate;
    gemm_s8_tile t = {.blocks = gemm_s8_blocks(g->k),
                      .lda = lda,
                      .panel = g->packed + panel * stride,
                      .stride = stride,
                      .n = least(g->n - column, width),
                      .w_scale = g->w_scale + column,
                      .bias = g->bias ? g->bias + column : NULL,
                      .ldc = g->ldc,
                      .ldr = g->ldr,
                      .ahead_lines = ceil_div(lines, tiles),
                      .rows_pass = rows * lda > ROWS_NEAR,
                      .tallest = (int)ceil_div(rows, tiles)};
    /* Each tile fetches its share of the next panels; a lone tile of one panel, what it will read itself soon. */
    const int64_t share = t.ahead_lines * t.blocks * 64;
    const int64_t first = tiles > 1 || g->family->panels > 1 ? g->family->panels * stride : AHEAD;
    for (int64_t i = 0; i < tiles; i++) {
        t.rows = (int)(each + (i < more));
        t.a = g->a + row * lda;
        t.zero = g->zero + row;
        t.scale = g->scale + row;
        t.c = g->c + row * g->ldc + column;
        t.residual = add ? g->residual + row * g->ldr + column : NULL;
        t.ahead = (uintptr_t)t.panel + (uintptr_t)(first + i * share);
        gemm_s8_run_tile(g->family, &t);
        row += t.rows;
    }
}

/* The activation and what is added after it, on columns [column, end). */
static void activate(const gemm_s8 *g, int64_t row, int64_t rows, int64_t column, int64_t end) {
    for (int64_t r = row; r < row + rows; r++) {
        float *to = g->c + r * g->ldc;
        g->activate(g->function, g->parameters, end - column, to + column, to + column);
        for (int64_t j = column; g->residual && j < end; j++) to[j] += g->residual[r * g->ldr + j];
    }
}

void gemm_s8_part(const gemm_s8 *g, int64_t part) {
    const int64_t panels = gemm_s8_panels(g->n), blocks = ceil_div(g->m, g->part_rows);
    const int64_t columns = ceil_div(panels, g->part_panels);
    const int64_t block = g->rows_first ? part / columns : part % blocks;
    const int64_t row = block * g->part_rows, rows = least(g->m - row, g->part_rows);
    const int64_t panel = (g->rows_first ? part % columns : part / blocks) * g->part_panels;
    const int64_t panel_end = least(panel + g->part_panels, panels);
    gemm_s8_begin(g->family, (int)ceil_div(rows, ceil_div(rows, g->family->mr)));
    for (int64_t p = panel; p < panel_end; p += GROUP) {
        const int64_t end = least(p + GROUP, panel_end);
        for (int64_t i = p; i < end; i += g->family->panels) panels_by_tiles(g, i, row, rows);
        if (g->activate) activate(g, row, rows, p * GEMM_S8_NR, least(end * GEMM_S8_NR, g->n));
    }
    gemm_s8_end(g->family);
}
