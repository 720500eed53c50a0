/* f32 matrix product: packing, blocking, and the split over threads. The tiles are the families'.
 *
 * A worker owns a rectangle of rows × panels. Rows go in blocks that stay in its cache while all its panels pass by;
 * panels that must first be made (operands that are not packed, half-width weights) go in groups through scratch. */
#include "kernels/gemm_f32/gemm_f32.h"

#include <string.h>

#include "base/cpu.h"
#include "kernels/kernels.h"
#include "tensor/convert.h"

enum {
    GROUP_BYTES = 192 * 1024, /* panels made at once in scratch */
    GROUP_MAX = 16,           /* panels between two passes of the activation */
    PACK_K = 64,              /* columns of a transposed operand converted at once */
    PART_MACS = 1 << 18,      /* of the least part that is worth taking */
    PARTS_MOST = 32,          /* a worker */
    ROWS_OF_READING = 8,      /* so many rows take as long as reading the weights */
    ROWS_MIN = 24,
    ROWS_MAX = 192,
    ROWS_OWN = 48 /* a worker, at least: then each has rows of its own */
};

/* ---- packing ---- */

static void read_f32(const gemm_f32_operand *b, int64_t at, float *to, int64_t n) {
    if (b->dtype == HST_DTYPE_F32)
        memcpy(to, (const char *)b->data + at * 4, (size_t)n * 4);
    else
        convert_to_f32(b->dtype, b->data, at, to, n);
}

static void transpose(const gemm_f32_family *f, const float *from, int64_t ld, int64_t k, int64_t n, float *to) {
    if (f->pack_transposed) {
        f->pack_transposed(from, ld, k, n, to);
        return;
    }
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < f->nr; j++) to[i * f->nr + j] = j < n ? from[j * ld + i] : 0.0f;
}

/* One panel of a transposed operand, n of its columns existing, the first at element `at`. */
static void pack_panel_transposed(const gemm_f32_family *f, const gemm_f32_operand *b, int64_t at, int64_t k, int64_t n,
                                  float *to) {
    if (b->dtype == HST_DTYPE_F32 && (uintptr_t)b->data % sizeof(float) == 0) {
        transpose(f, (const float *)b->data + at, b->column, k, n, to);
        return;
    }
    float rows[GEMM_F32_NR_MAX * PACK_K];
    for (int64_t i = 0; i < k; i += PACK_K) {
        const int64_t part = k - i < PACK_K ? k - i : PACK_K;
        for (int64_t j = 0; j < n; j++) read_f32(b, at + j * b->column + i, rows + j * PACK_K, part);
        transpose(f, rows, PACK_K, part, n, to + i * f->nr);
    }
}

/* Whole panels of an f32 operand whose rows are dense. Row by row, so that each is read from memory once. */
static void pack_rows(const gemm_f32_family *f, const gemm_f32_operand *b, int64_t k, int64_t first, int64_t last,
                      float *to) {
    const int64_t nr = f->nr;
    for (int64_t i = 0; i < k; i++, to += nr) {
        const char *from = (const char *)b->data + (i * b->row + first * nr) * (int64_t)sizeof(float);
        for (int64_t p = 0; p < last - first; p++, from += nr * (int64_t)sizeof(float))
            for (int64_t j = 0; j < nr; j += 4) memcpy(to + p * k * nr + j, from + j * (int64_t)sizeof(float), 16);
    }
}

void gemm_f32_pack(const gemm_f32_family *f, const gemm_f32_operand *b, int64_t k, int64_t n, int64_t first,
                   int64_t last, float *to) {
    const int64_t nr = f->nr;
    if (b->dtype == HST_DTYPE_F32 && b->column == 1 && nr % 4 == 0) {
        const int64_t whole = n / nr < last ? n / nr : last;
        if (first < whole) {
            pack_rows(f, b, k, first, whole, to);
            to += (whole - first) * k * nr;
            first = whole;
        }
    }
    for (int64_t p = first; p < last; p++, to += k * nr) {
        const int64_t some = n - p * nr < nr ? n - p * nr : nr;
        if (b->row == 1 && b->column != 1) {
            pack_panel_transposed(f, b, p * nr * b->column, k, some, to);
            continue;
        }
        for (int64_t i = 0; i < k; i++) {
            read_f32(b, i * b->row + p * nr * b->column, to + i * nr, some);
            for (int64_t j = some; j < nr; j++) to[i * nr + j] = 0;
        }
    }
}

void gemm_f32_pack_half(const gemm_f32_family *f, const gemm_f32_operand *b, int64_t k, int64_t n, int64_t first,
                        int64_t last, uint16_t *to) {
    const int64_t nr = f->nr;
    for (int64_t p = first; p < last; p++, to += k * nr) {
        const int64_t some = n - p * nr < nr ? n - p * nr : nr;
        for (int64_t j = 0; j < nr; j++) {
            const char *from = (const char *)b->data + (p * nr + j) * b->column * 2;
            for (int64_t i = 0; i < k; i++) {
                to[i * nr + j] = 0;
                if (j < some) memcpy(to + i * nr + j, from + i * b->row * 2, 2);
            }
        }
    }
}

static int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* ---- the driver ---- */

gemm_f32 gemm_f32_make(const gemm_f32_family *f, int64_t m, int64_t n, int64_t k, const float *a, float *c) {
    gemm_f32 g = {.family = f,
                  .m = m,
                  .n = n,
                  .k = k,
                  .a = a,
                  .lda = k,
                  .c = c,
                  .ldc = n,
                  .scale = 1,
                  .ldr = n,
                  .packed_dtype = HST_DTYPE_F32,
                  .batch = 1,
                  .a_stride = m * k,
                  .b_stride = k * n,
                  .c_stride = m * n,
                  .r_stride = m * n};
    return g;
}

/* The tiles for panels of a type, and the ones for several panels; NULL: none. */
static const gemm_f32_tile_fn *tiles_for(const gemm_f32_family *f, hst_dtype panels, const gemm_f32_tile_fn **wide) {
    *wide = panels == HST_DTYPE_F16 ? f->f16_wide : panels == HST_DTYPE_BF16 ? f->bf16_wide : f->wide;
    const gemm_f32_tile_fn *t = panels == HST_DTYPE_F16 ? f->f16 : panels == HST_DTYPE_BF16 ? f->bf16 : f->tile;
    return t[1] ? t : NULL;
}

/* True where tiles read the packed panels themselves. Half-width ones are widened on their way by the single tile of
 * few rows; for more rows once, into scratch. (Widening is exact: the bits are the same.) */
static bool panels_in_place(const gemm_f32 *g) {
    const gemm_f32_tile_fn *wide;
    if (!g->packed || g->packed_dtype == HST_DTYPE_F32) return g->packed != NULL;
    return g->m <= g->family->mr && tiles_for(g->family, g->packed_dtype, &wide);
}

static int64_t group_size(const gemm_f32 *g) {
    if (panels_in_place(g)) return GROUP_MAX;
    const int64_t panel = (g->k ? g->k : 1) * g->family->nr * (int64_t)sizeof(float);
    int64_t some = GROUP_BYTES / panel;
    if (some > GROUP_MAX) some = GROUP_MAX;
    if (some > gemm_f32_panels(g->family, g->n)) some = gemm_f32_panels(g->family, g->n);
    return some < 1 ? 1 : some;
}

int64_t gemm_f32_scratch(const gemm_f32 *g) {
    return panels_in_place(g) ? 0 : group_size(g) * g->k * g->family->nr;
}

/* Rows that stay in the second level cache beside a panel. */
static int64_t block_rows(const gemm_f32 *g) {
    size_t cache = cpu_cache(2);
    if (!cache) cache = 512 * 1024;
    int64_t rows = (int64_t)(cache / 2) / ((g->k ? g->k : 1) * (int64_t)sizeof(float));
    rows = rows < ROWS_MIN ? ROWS_MIN : rows > ROWS_MAX ? ROWS_MAX : rows;
    return rows / g->family->mr * g->family->mr;
}

/* Panels of f32, or of a type that the family has tiles for. With all->ahead_step, what is fetched goes on from
 * all->ahead through all panels. */
static void rows_of_type(const gemm_f32_family *f, const gemm_f32_tile *all, int64_t rows, hst_dtype type) {
    const gemm_f32_tile_fn *wide_tiles, *narrow_tiles = tiles_for(f, type, &wide_tiles);
    const int64_t size = type == HST_DTYPE_F32 ? 4 : 2;
    const int64_t tiles = ceil_div(rows, f->mr);
    if (tiles == 0) return;
    const int64_t each = rows / tiles, more = rows % tiles, panels = gemm_f32_panels(f, all->n);
    gemm_f32_tile t = *all;
    for (int64_t p = 0; p < panels;) {
        const bool several = tiles == 1 && wide_tiles[rows] && f->wide_panels[rows] <= panels - p;
        const int64_t wide = several ? f->wide_panels[rows] : 1, column = p * f->nr;
        t.n = all->n - column < wide * f->nr ? all->n - column : wide * f->nr;
        t.b = (const char *)all->b + p * t.b_stride * size;
        /* Each tile fetches its share of the next panel: memory is at work as long as the arithmetic is. */
        if (!all->ahead_step) {
            const uintptr_t behind = (uintptr_t)t.b + (uintptr_t)(t.b_stride * size);
            t.ahead = p + wide < panels || !all->ahead ? behind : all->ahead;
            t.ahead_step = (f->nr * size + tiles - 1) / tiles;
        }
        t.bias = all->bias ? all->bias + column : NULL;
        int64_t r = 0;
        for (int64_t i = 0; i < tiles; i++) {
            const int64_t height = each + (i < more);
            t.a = all->a + r * t.lda;
            t.c = all->c + r * t.ldc + column;
            t.row_scale = all->row_scale ? all->row_scale + r : NULL;
            t.residual = all->residual ? all->residual + r * t.ldr + column : NULL;
            t.next_a = i + 1 < tiles ? t.a + height * t.lda : all->a;
            t.next_b = i + 1 < tiles || p + wide >= panels ? t.b : (const char *)t.b + t.b_stride * size;
            (several ? wide_tiles : narrow_tiles)[height](&t);
            t.ahead += (uintptr_t)(t.k * t.ahead_step);
            r += height;
        }
        p += wide;
    }
}

void gemm_f32_rows(const gemm_f32_family *f, const gemm_f32_tile *all, int64_t rows) {
    rows_of_type(f, all, rows, HST_DTYPE_F32);
}

/* Rows [row, row + rows) against `panels` panels at b, the first of which is column `column`. */
static void rows_by_panels(const gemm_f32 *g, int64_t batch, const float *a, int64_t row, int64_t rows, const void *b,
                           int64_t panels, int64_t column) {
    const int64_t n = g->n - column < panels * g->family->nr ? g->n - column : panels * g->family->nr;
    const float *residual = g->residual ? g->residual + batch * g->r_stride + row * g->ldr + column : NULL;
    float *c = g->c + (g->c_offset ? g->c_offset[batch] : batch * g->c_stride) + row * g->ldc + column;
    const int64_t nr = g->family->nr, tiles = ceil_div(rows, g->family->mr), after = column / nr + panels;
    const bool more = g->packed && !panels_in_place(g) && after < gemm_f32_panels(g->family, g->n);
    const uint16_t *next = more ? (const uint16_t *)g->packed + after * g->k * nr : NULL; /* to be widened then */
    const gemm_f32_tile t = {.k = g->k,
                             .a = a + row * g->lda,
                             .lda = g->lda,
                             .b = b,
                             .b_stride = g->k * g->family->nr,
                             .c = c,
                             .ldc = g->ldc,
                             .n = n,
                             .scale = g->scale,
                             .bias = g->bias ? g->bias + column : NULL,
                             .residual = g->activate ? NULL : residual,
                             .ldr = g->ldr,
                             .ahead = next                 ? (uintptr_t)next
                                      : panels_in_place(g) ? 0
                                                           : (uintptr_t)b,
                             .ahead_step = next ? (nr * 2 + tiles - 1) / tiles : 0};
    rows_of_type(g->family, &t, rows, panels_in_place(g) ? g->packed_dtype : HST_DTYPE_F32);
    for (int64_t r = 0; g->activate && r < rows; r++) {
        float *to = c + r * g->ldc;
        g->activate(g->function, g->parameters, n, to, to);
        for (int64_t j = 0; residual && j < n; j++) to[j] += residual[r * g->ldr + j];
    }
}

static const void *panel_group(const gemm_f32 *g, int64_t batch, int64_t p, int64_t panels, float *scratch) {
    const int64_t size = g->k * g->family->nr;
    const uint16_t *half = g->packed;
    if (panels_in_place(g)) return (const char *)g->packed + p * size * (g->packed_dtype == HST_DTYPE_F32 ? 4 : 2);
    if (g->packed) {
        const kernels *k = kernels_get();
        (g->packed_dtype == HST_DTYPE_F16 ? k->widen_f16_f32 : k->widen_bf16_f32)(panels * size, half + p * size,
                                                                                  scratch);
        return scratch;
    }
    gemm_f32_operand b = g->b;
    const int64_t offset = g->b_offset ? g->b_offset[batch] : batch * g->b_stride;
    b.data = (const char *)b.data + offset * (b.dtype == HST_DTYPE_F32 ? 4 : 2);
    gemm_f32_pack(g->family, &b, g->k, g->n, p, p + panels, scratch);
    return scratch;
}

/* Rows [row, row_end) against panels [p, p_end) of one batch. */
static void rectangle(const gemm_f32 *g, int64_t batch, int64_t row, int64_t row_end, int64_t p, int64_t p_end,
                      float *scratch) {
    const float *a = g->a + (g->a_offset ? g->a_offset[batch] : batch * g->a_stride);
    const int64_t block = block_rows(g), group = group_size(g);
    const int64_t outer = panels_in_place(g) ? block : row_end - row;
    for (int64_t r = row; r < row_end; r += outer) {
        const int64_t r_end = row_end - r < outer ? row_end : r + outer;
        for (int64_t q = p; q < p_end; q += group) {
            const int64_t panels = p_end - q < group ? p_end - q : group;
            const void *b = panel_group(g, batch, q, panels, scratch);
            for (int64_t i = r; i < r_end; i += block)
                rows_by_panels(g, batch, a, i, r_end - i < block ? r_end - i : block, b, panels, q * g->family->nr);
        }
    }
}

static void split(int64_t n, int64_t parts, int64_t part, int64_t *begin, int64_t *end) {
    const int64_t each = n / parts, more = n % parts;
    *begin = part * each + (part < more ? part : more);
    *end = *begin + each + (part < more);
}

/* How many parts the rows are cut into (the panels of all batches into parts / that): the least work of the largest
 * part, then the least data read. */
static int64_t split_rows(const gemm_f32 *g, int64_t parts) {
    const int64_t rows = ceil_div(g->m, g->family->mr), columns = gemm_f32_panels(g->family, g->n) * g->batch;
    int64_t best = 1;
    double least = 0;
    for (int64_t some = 1; some <= parts; some++) {
        if (parts % some) continue;
        const double r = (double)ceil_div(rows, some), c = (double)ceil_div(columns, parts / some);
        const double cost = r * c + (r * g->family->mr + c * g->family->nr) / 64;
        if (some == 1 || cost < least) best = some, least = cost;
    }
    return best;
}

int64_t gemm_f32_parts(gemm_f32 *g, int workers) {
    const gemm_f32_family *f = g->family;
    const int64_t tiles = ceil_div(g->m, f->mr), panels = gemm_f32_panels(f, g->n) * g->batch;
    if (g->m <= 0 || g->n <= 0 || g->batch <= 0) return 0;
    int64_t rows = panels_in_place(g) ? ceil_div(g->m, block_rows(g)) : 1, columns = 1;
    if (workers > 1) {
        const double m = g->m < ROWS_OF_READING ? ROWS_OF_READING : (double)g->m;
        const double worth = m * (double)g->k * f->nr * (double)panels / PART_MACS,
                     bound = (double)PARTS_MOST * workers;
        const int64_t most = worth < workers ? workers : worth < bound ? (int64_t)worth : (int64_t)bound;
        /* Cutting rows means reading panels again: only where there are too few of them. */
        const int64_t few = most < 2 * workers ? most : 2 * workers;
        /* Or where each worker finds its rows in its own cache, from this product to the next and the norms between. */
        if (g->batch == 1 && panels_in_place(g) && g->m >= ROWS_OWN * workers) rows = ceil_div(rows, workers) * workers;
        if (rows * panels < few) rows = ceil_div(few, panels) < tiles ? ceil_div(few, panels) : tiles;
        columns = ceil_div(most, rows) < panels ? ceil_div(most, rows) : panels;
    }
    const int wide = tiles == 1 && f->wide[g->m] ? f->wide_panels[g->m] : 1;
    g->row_parts = rows;
    g->part_panels = ceil_div(ceil_div(panels, columns), wide) * wide;
    return rows * ceil_div(panels, g->part_panels);
}

void gemm_f32_part(const gemm_f32 *g, int64_t part, int64_t parts, float *scratch) {
    if (g->m <= 0 || g->n <= 0 || g->batch <= 0) return;
    const int64_t mr = g->family->mr, panels = gemm_f32_panels(g->family, g->n), all = panels * g->batch;
    const int64_t row_parts = g->row_parts ? g->row_parts : split_rows(g, parts), column_parts = parts / row_parts;
    int64_t row, row_end, at, at_end;
    split(ceil_div(g->m, mr), row_parts, part / column_parts, &row, &row_end);
    split(all, column_parts, part % column_parts, &at, &at_end);
    if (g->part_panels) {
        at = part % column_parts * g->part_panels;
        at_end = at + g->part_panels < all ? at + g->part_panels : all;
    }
    row *= mr;
    row_end = row_end * mr < g->m ? row_end * mr : g->m;
    if (row >= row_end) return;
    while (at < at_end) {
        const int64_t batch = at / panels, p = at % panels;
        const int64_t p_end = at_end - at < panels - p ? p + (at_end - at) : panels;
        rectangle(g, batch, row, row_end, p, p_end, scratch);
        at += p_end - p;
    }
}
