/* Driver of the exact integer product: layout changes, and the split of tiles among the team's workers. */
#include "kernels/gemm_s16/gemm_s16.h"

#include "base/checked.h"
#include "kernels/kernels.h"

#define ROWS 48 /* of one tile: 48 x 16 sums lie on the stack */

static bool size_of(int64_t rows, int64_t pairs, size_t unit, size_t *bytes) {
    size_t n;
    return size_mul((size_t)rows, (size_t)pairs, &n) && size_mul(n, unit, bytes);
}

bool gemm_s16_size_a(int64_t m, int64_t k, size_t *bytes) {
    return size_of(m, gemm_s16_pairs(k), 2 * sizeof(int16_t), bytes);
}

bool gemm_s16_size_b(int64_t k, int64_t n, size_t *bytes) {
    return size_of(gemm_s16_panels(n), gemm_s16_pairs(k), 2 * GEMM_S16_NR * sizeof(int16_t), bytes);
}

static inline int16_t element(const gemm_s16_source *s, int64_t at, int32_t zero) {
    int32_t x = s->is_signed ? (int8_t)s->data[at] : s->data[at];
    return (int16_t)(x - zero);
}

static void widen_row(const uint8_t *restrict from, int64_t k, int32_t zero, bool is_signed, int16_t *restrict to) {
    int16_t z = (int16_t)zero;
    if (is_signed)
        for (int64_t i = 0; i < k; i++) to[i] = (int16_t)((int8_t)from[i] - z);
    else
        for (int64_t i = 0; i < k; i++) to[i] = (int16_t)(from[i] - z);
}

void gemm_s16_widen_a(const gemm_s16_source *s, int64_t m, int64_t k, int16_t *to) {
    int64_t width = 2 * gemm_s16_pairs(k);
    for (int64_t i = 0; i < m; i++, to += width) {
        int32_t zero = s->zero[i * s->zero_step];
        if (s->column_step == 1)
            widen_row(s->data + i * s->row_step, k, zero, s->is_signed, to);
        else
            for (int64_t p = 0; p < k; p++) to[p] = element(s, i * s->row_step + p * s->column_step, zero);
        if (k & 1) to[k] = 0;
    }
}

void gemm_s16_pack_b(const gemm_s16_source *s, int64_t k, int64_t n, int16_t *to) {
    int64_t pairs = gemm_s16_pairs(k);
    for (int64_t j0 = 0; j0 < n; j0 += GEMM_S16_NR)
        for (int64_t p = 0; p < pairs; p++)
            for (int64_t j = j0; j < j0 + GEMM_S16_NR; j++, to += 2) {
                int32_t zero = j < n ? s->zero[j * s->zero_step] : 0;
                int64_t at = 2 * p * s->row_step + j * s->column_step;
                to[0] = j < n ? element(s, at, zero) : 0;
                to[1] = j < n && 2 * p + 1 < k ? element(s, at + s->row_step, zero) : 0;
            }
}

typedef struct region {
    int64_t m, n, k;
    const int16_t *a, *b;
    gemm_s16_finish_fn *finish;
    void *arg;
    gemm_s16_tile_fn *tile;
} region;

static void tiles(const region *r, int64_t row0, int64_t row1, int64_t panel0, int64_t panel1) {
    int32_t c[ROWS * GEMM_S16_NR];
    int64_t pairs = gemm_s16_pairs(r->k);
    for (int64_t p = panel0; p < panel1; p++) {
        int64_t column = p * GEMM_S16_NR, columns = r->n - column < GEMM_S16_NR ? r->n - column : GEMM_S16_NR;
        for (int64_t i = row0; i < row1; i += ROWS) {
            int64_t rows = row1 - i < ROWS ? row1 - i : ROWS;
            r->tile(rows, pairs, r->a + i * 2 * pairs, r->b + p * pairs * 2 * GEMM_S16_NR, c);
            r->finish(r->arg, c, i, rows, column, columns);
        }
    }
}

static void worker(void *arg, const team_context *ctx) {
    const region *r = arg;
    int64_t panels = gemm_s16_panels(r->n), begin, end;
    if (panels >= 2 * ctx->workers || panels * GEMM_S16_NR >= r->m) {
        team_split(panels, 1, ctx, &begin, &end);
        tiles(r, 0, r->m, begin, end);
    } else {
        team_split(r->m, ROWS, ctx, &begin, &end);
        tiles(r, begin, end, 0, panels);
    }
}

void gemm_s16(team *t, int64_t m, int64_t n, int64_t k, const int16_t *a, const int16_t *b, gemm_s16_finish_fn *finish,
              void *arg) {
    if (m <= 0 || n <= 0) return;
    region r = {m, n, k, a, b, finish, arg, kernels_get()->gemm_s16_tile};
    bool small = (double)m * (double)n * (double)k < 65536.0; /* not worth waking the team */
    if (small || !t) {
        tiles(&r, 0, m, 0, gemm_s16_panels(n));
        return;
    }
    team_run(t, 0, worker, &r);
}

void gemm_s16_batch_run(team *t, const gemm_s16_batch *g, gemm_s16_finish_fn *finish, void *arg, int64_t *batch) {
    const matmul_shape *s = &g->shape;
    int64_t last_a = -1, last_b = -1;
    if (s->m == 0 || s->n == 0) return;
    for (*batch = 0; *batch < s->batches; (*batch)++) {
        int64_t ia, ib;
        matmul_shape_batch(s, *batch, &ia, &ib);
        if (ia != last_a) {
            gemm_s16_source a = g->a;
            a.data += ia * s->m * s->k;
            a.zero += ia * g->zero_a_matrix;
            gemm_s16_widen_a(&a, s->m, s->k, g->memory_a);
            last_a = ia;
        }
        if (!g->packed && ib != last_b) {
            gemm_s16_source b = g->b;
            b.data += ib * s->k * s->n;
            b.zero += ib * g->zero_b_matrix;
            gemm_s16_pack_b(&b, s->k, s->n, g->memory_b);
            last_b = ib;
        }
        gemm_s16(t, s->m, s->n, s->k, g->memory_a, g->packed ? g->packed : g->memory_b, finish, arg);
    }
}
