/* 8-bit linear layer: quantised and packed weights, blocking, and the split over threads. The tiles are the families'.
 *
 * A worker owns a rectangle of rows × panels. Rows go in blocks that stay in its cache while all its panels pass by;
 * what follows a product (activation, residual after it) is done on groups of panels while they are warm. */
#include "kernels/gemm_s8/gemm_s8.h"

#include <string.h>

#include "base/cpu.h"

enum {
    GROUP = 16, /* panels between two passes of the activation */
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
    int8_t *at = to + GEMM_S8_HEAD;
    for (int64_t k = 0; k < s->k; k += GEMM_S8_K, at += GEMM_S8_BLOCK) {
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
                at[64 + i / 4 * 64 + j * 4 + i % 4] = (int8_t)q;
            }
        for (int j = 0; j < GEMM_S8_NR; j++) {
            sums[j] += lane[j][0] + lane[j][1];
            start[j][0] = (int16_t)(-64 * lane[j][0]);
            start[j][1] = (int16_t)(-64 * lane[j][1]);
            *lost += (double)error[j];
            *norm += (double)square[j];
        }
        memcpy(at, start, sizeof start);
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

static void divide(int64_t n, int64_t parts, int64_t part, int64_t *begin, int64_t *end) {
    const int64_t each = n / parts, more = n % parts;
    *begin = part * each + (part < more ? part : more);
    *end = *begin + each + (part < more);
}

/* How many parts the rows are cut into (the panels into workers / that): the least work of the busiest worker, then the
 * least data read. */
static int row_parts(const gemm_s8 *g, int workers) {
    const int64_t rows = (g->m + g->family->mr - 1) / g->family->mr, columns = gemm_s8_panels(g->n);
    int best = 1;
    double least = 0;
    for (int parts = 1; parts <= workers; parts++) {
        if (workers % parts) continue;
        const double r = (double)((rows + parts - 1) / parts),
                     c = (double)((columns + workers / parts - 1) / (workers / parts));
        const double cost = r * c + (r * g->family->mr + c * GEMM_S8_NR) / 64;
        if (parts == 1 || cost < least) best = parts, least = cost;
    }
    return best;
}

gemm_s8_share gemm_s8_split(const gemm_s8 *g, int worker, int workers) {
    const int by_rows = row_parts(g, workers), by_panels = workers / by_rows;
    gemm_s8_share s = {.own_rows = by_panels == 1};
    if (worker >= by_rows * by_panels) return s;
    divide((g->m + g->family->mr - 1) / g->family->mr, by_rows, worker % by_rows, &s.row, &s.row_end);
    divide(gemm_s8_panels(g->n), by_panels, worker / by_rows, &s.panel, &s.panel_end);
    s.row *= g->family->mr;
    s.row_end = s.row_end * g->family->mr < g->m ? s.row_end * g->family->mr : g->m;
    if (s.row > s.row_end) s.row = s.row_end;
    return s;
}

/* Rows that stay in the second level cache beside a panel. */
static int64_t block_rows(const gemm_s8 *g) {
    size_t cache = cpu_cache(2);
    if (!cache) cache = 512 * 1024;
    int64_t rows = (int64_t)(cache / 2) / (g->k ? g->k : 1);
    rows = rows < ROWS_MIN ? ROWS_MIN : rows > ROWS_MAX ? ROWS_MAX : rows;
    return rows / g->family->mr * g->family->mr;
}

/* Rows [row, row + rows) against one panel. */
static void panel_by_tiles(const gemm_s8 *g, int64_t panel, int64_t row, int64_t rows) {
    const int64_t column = panel * GEMM_S8_NR, lda = gemm_s8_blocks(g->k) * GEMM_S8_K, mr = g->family->mr;
    const int64_t tiles = (rows + mr - 1) / mr, each = rows / tiles, more = rows % tiles;
    const bool add = g->residual && !g->activate;
    gemm_s8_tile t = {.blocks = gemm_s8_blocks(g->k),
                      .lda = lda,
                      .panel = g->packed + panel * gemm_s8_panel_bytes(g->k),
                      .n = g->n - column < GEMM_S8_NR ? g->n - column : GEMM_S8_NR,
                      .w_scale = g->w_scale + column,
                      .bias = g->bias ? g->bias + column : NULL,
                      .ldc = g->ldc,
                      .ldr = g->ldr};
    for (int64_t i = 0; i < tiles; i++) {
        const int64_t height = each + (i < more);
        t.a = g->a + row * lda;
        t.zero = g->zero + row;
        t.scale = g->scale + row;
        t.c = g->c + row * g->ldc + column;
        t.residual = add ? g->residual + row * g->ldr + column : NULL;
        g->family->tile[height](&t);
        row += height;
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

void gemm_s8_part(const gemm_s8 *g, const gemm_s8_share *s) {
    const int64_t block = block_rows(g);
    for (int64_t row = s->row; row < s->row_end; row += block) {
        const int64_t rows = s->row_end - row < block ? s->row_end - row : block;
        for (int64_t p = s->panel; p < s->panel_end; p += GROUP) {
            const int64_t end = s->panel_end - p < GROUP ? s->panel_end : p + GROUP;
            for (int64_t i = p; i < end; i++) panel_by_tiles(g, i, row, rows);
            const int64_t last = end * GEMM_S8_NR < g->n ? end * GEMM_S8_NR : g->n;
            if (g->activate) activate(g, row, rows, p * GEMM_S8_NR, last);
        }
    }
}
