/* Depthwise convolution (a channel and a filter a group) over one or two axes, for many groups: a block of channels is
 * turned round, so that they lie side by side in each pixel and are the lanes of kernels/conv, whatever the width of
 * the planes and the stride; the outputs are turned back. The blocks are those of the matrix product's panels, whose
 * packing does the turning.
 *
 * A unit of work is a range of outputs of a block: rows of them, or a part of the only row. */
#include "base/checked.h"
#include "kernels/kernels.h"
#include "ops/conv_f32.h"

enum {
    CHUNK = 128, /* pixels turned at once */
    UNITS_PER_WORKER = 3,
    ROWS_LEAST = 4,
    COLUMNS_LEAST = 64,
    FLOATS_WANTED = 1 << 17, /* of a unit's padded input */
    FLOATS_MOST = 1 << 21,
    MACS_PER_WORKER = 1 << 15
};

typedef struct axis {
    int64_t in, out, kernel, stride, dilation, begin;
} axis;

typedef struct job {
    eval_context *c;
    const conv_f32 *p;
    const conv_family *f;
    const gemm_f32_family *turn;
    axis y, x;                       /* a single axis is x, y is of length 1 then */
    int64_t nr, blocks, parts, taps; /* parts: ranges of outputs of a block */
    int64_t rows, columns;           /* outputs of a part */
    int64_t in_rows, in_columns;     /* what those read, padding included */
    int64_t *offset;                 /* [taps] */
    float *scratch;
    int64_t each;
    float low, high;
    bool open; /* conv_f32_finish is to follow */
} job;

static axis axis_of(const window *w, int a) {
    return (axis){w->in[a], w->out[a], w->kernel[a], w->stride[a], w->dilation[a], w->begin[a]};
}

static int64_t read_by(const axis *a, int64_t outputs) {
    return (outputs - 1) * a->stride + (a->kernel - 1) * a->dilation + 1;
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static __attribute__((cold)) bool plan(const conv_f32 *p, int workers, job *j) {
    const window *w = &p->w;
    j->p = p;
    j->f = kernels_get()->conv_f32();
    j->turn = kernels_get()->gemm_f32();
    j->nr = j->turn->nr;
    if (p->channels != 1 || p->filters != 1 || w->rank > 2 || p->groups < j->nr / 2) return false;
    j->x = axis_of(w, w->rank - 1);
    j->y = w->rank > 1 ? axis_of(w, 0) : (axis){1, 1, 1, 1, 1, 0};
    j->taps = j->x.kernel * j->y.kernel;
    j->blocks = ceil_div(p->groups, j->nr) * p->batch;
    const int64_t wanted = ceil_div((int64_t)UNITS_PER_WORKER * workers, j->blocks);
    j->rows = j->y.out;
    j->columns = j->x.out;
    for (j->parts = 1;;) { /* enough of them, and each small enough for the cache */
        const bool rows = w->rank > 1;
        j->in_rows = read_by(&j->y, j->rows);
        j->in_columns = read_by(&j->x, j->columns);
        int64_t floats;
        const bool known = s64_mul(j->in_rows, j->in_columns, &floats) && floats <= FLOATS_MOST / j->nr;
        const bool fits = known && floats <= FLOATS_WANTED / j->nr;
        if ((fits && j->parts >= wanted) || (rows ? j->rows <= ROWS_LEAST : j->columns <= COLUMNS_LEAST)) return known;
        int64_t *each = rows ? &j->rows : &j->columns;
        const int64_t all = rows ? j->y.out : j->x.out;
        /* Fewer each time: one part more may be cut into as many again, for ever. */
        *each = smaller(ceil_div(all, known ? j->parts + 1 : j->parts * 2), *each - 1);
        j->parts = ceil_div(all, *each);
    }
}

/* ---- in ---- */

/* Pixels [at, end) of the planes from x on into rows of the padded input, whose first pixel is (row, column). */
static void turn_in(const job *j, const float *x, int64_t channels, int64_t at, int64_t end, int64_t row,
                    int64_t column, float *chunk, float *to) {
    const int64_t plane = j->y.in * j->x.in;
    while (at < end) {
        const int64_t n = smaller(end - at, CHUNK);
        const gemm_f32_operand from = {x + at, HST_DTYPE_F32, 1, plane};
        if (plane == 1) /* an operand whose columns lie close is none to turn */
            for (int64_t c = 0; c < j->nr; c++) chunk[c] = c < channels ? x[c] : 0;
        else
            gemm_f32_pack(j->turn, &from, n, channels, 0, 1, chunk);
        for (int64_t i = 0, some; i < n; i += some) {
            const int64_t r = (at + i) / j->x.in, c = (at + i) % j->x.in;
            some = smaller(n - i, j->x.in - c);
            /* of a row, the columns that this part reads */
            const int64_t first = c > column ? c : column, last = smaller(c + some, column + j->in_columns);
            if (first < last)
                memcpy(to + ((r - row) * j->in_columns + first - column) * j->nr, chunk + (i + first - c) * j->nr,
                       (size_t)((last - first) * j->nr) * sizeof *to);
        }
        at += n;
    }
}

/* ---- out ---- */

/* n pixels to their planes. */
static void turn_out(const job *j, const float *pixels, int64_t n, int64_t channels, float *panel, float *y) {
    const int64_t nr = j->nr, out = j->y.out * j->x.out;
    for (int64_t i = 0; i < n; i += nr) {
        const gemm_f32_operand from = {pixels + i * nr, HST_DTYPE_F32, 1, nr};
        gemm_f32_pack(j->turn, &from, nr, nr, 0, 1, panel); /* what lies behind the last pixel is turned, too */
        for (int64_t c = 0; c < channels; c++) conv_copy(y + c * out + i, panel + c * nr, smaller(n - i, nr));
    }
    for (int64_t c = 0; c < channels && j->open; c++) conv_f32_finish(j->p, y + c * out, n);
}

/* The widest tile that covers a row of outputs in the fewest tiles, or in two that overlap. */
static int64_t tile_width(int64_t columns) {
    const int64_t want = ceil_div(columns, ceil_div(columns, CONV_PIXELS_MOST));
    const int *count = conv_pixel_counts;
    while (count[0] > columns || (count[0] > 1 && count[1] >= want)) count++;
    return *count;
}

/* Strip by strip, down the rows: what one row of outputs read is still near when the next reads most of it again. */
static void compute(const job *j, const float *w, const float *bias, const float *x, int64_t rows, int64_t columns,
                    float *pixels) {
    const int64_t each = tile_width(columns), tiles = ceil_div(columns, each);
    for (int64_t i = 0; i < tiles; i++) {
        const int64_t first = tiles > 1 ? i * (columns - each) / (tiles - 1) : 0;
        for (int64_t r = 0; r < rows; r++) {
            const conv_pixels t = {.k = j->taps,
                                   .w = w,
                                   .x = x + (r * j->y.stride * j->in_columns + first * j->x.stride) * j->nr,
                                   .offset = j->offset,
                                   .bias = bias,
                                   .y = pixels + (r * columns + first) * j->nr,
                                   .pitch = j->nr,
                                   .step = j->x.stride * j->nr,
                                   .low = j->low,
                                   .high = j->high,
                                   .outputs = (int)each};
            j->f->pixels(&t);
        }
    }
}

static void unit(const job *j, int64_t u, float *own) {
    const conv_f32 *p = j->p;
    const int64_t nr = j->nr, part = u % j->parts, each = ceil_div(p->groups, nr);
    const int64_t image = u / j->parts / each, g = u / j->parts % each * nr;
    const int64_t channels = smaller(p->groups - g, nr), plane = j->y.in * j->x.in;
    const bool rows = p->w.rank > 1;
    const int64_t row = rows ? part * j->rows : 0, row_end = smaller(row + j->rows, j->y.out);
    const int64_t column = rows ? 0 : part * j->columns, column_end = smaller(column + j->columns, j->x.out);
    const int64_t top = row * j->y.stride - j->y.begin, left = column * j->x.stride - j->x.begin;
    float *w = own, *bias = w + j->taps * nr, *chunk = bias + nr, *panel = chunk + CHUNK * nr,
          *pixels = panel + nr * nr, *padded = pixels + (j->rows * j->columns + nr) * nr;
    for (int64_t c = 0; c < nr; c++) bias[c] = p->bias && c < channels ? p->bias[g + c] : -0.0f;
    if (j->taps == 1)
        for (int64_t c = 0; c < nr; c++) w[c] = c < channels ? p->packed[g + c] : 0;
    else
        gemm_f32_pack(j->turn, &(gemm_f32_operand){p->packed + g * j->taps, HST_DTYPE_F32, 1, j->taps}, j->taps,
                      channels, 0, 1, w);
    memset(padded, 0, (size_t)(j->in_rows * j->in_columns * nr) * sizeof *padded);
    /* the rows, or the part of the only row, that hold input */
    const int64_t first = top > 0 ? top : 0, last = smaller(j->y.in, top + j->in_rows);
    const int64_t from = rows ? 0 : left > 0 ? left : 0, to = rows ? 0 : smaller(j->x.in, left + j->in_columns);
    const float *x = p->x + (image * p->groups + g) * plane;
    if (rows && first < last && j->x.in)
        turn_in(j, x, channels, first * j->x.in, last * j->x.in, top, left, chunk, padded);
    else if (!rows && from < to)
        turn_in(j, x, channels, from, to, 0, left, chunk, padded);
    compute(j, w, bias, padded, row_end - row, column_end - column, pixels);
    turn_out(j, pixels, (row_end - row) * (column_end - column), channels, panel,
             p->y + (image * p->groups + g) * j->y.out * j->x.out + row * j->x.out + column);
}

static void work(void *arg, const team_context *ctx) {
    const job *j = arg;
    for (int64_t u; (u = team_next(ctx, 0, j->blocks * j->parts)) >= 0;) {
        if (j->c->runtime->check(j->c, NULL) != HST_STATUS_OK) return; /* conv_f32_depthwise gives the status */
        unit(j, u, j->scratch + ctx->worker * j->each);
    }
}

__attribute__((cold)) hst_status conv_f32_depthwise(eval_context *c, const conv_f32 *p, bool *done, hst_error *err) {
    const double macs = (double)window_count(p->w.kernel, p->w.rank) * (double)window_count(p->w.out, p->w.rank) *
                        (double)(p->batch * p->groups);
    const int workers = team_workers(c->team, macs, MACS_PER_WORKER);
    job j;
    memset(&j, 0, sizeof j);
    j.c = c;
    *done = plan(p, workers, &j);
    if (!*done) return HST_STATUS_OK;
    int64_t all = j.taps + 1 + CHUNK + 2 * j.nr + j.rows * j.columns + j.in_rows * j.in_columns;
    void *memory;
    size_t bytes;
    if (!s64_mul(all, j.nr, &j.each) || !s64_mul(j.each, workers, &all) || all > INT64_MAX / 16)
        return error_no_memory(err, SIZE_MAX, "turned planes");
    bytes = (size_t)all * sizeof(float);
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    j.scratch = memory;
    HST_TRY(eval_scratch(c, (size_t)j.taps * sizeof(int64_t) + 1, &memory, err));
    j.offset = memory;
    for (int64_t k = 0; k < j.taps; k++)
        j.offset[k] = (k / j.x.kernel * j.y.dilation * j.in_columns + k % j.x.kernel * j.x.dilation) * j.nr;
    c->macs += (uint64_t)macs;
    j.open = conv_f32_bounds(p, &j.low, &j.high);
    team_run(c->team, workers, work, &j);
    return c->runtime->check(c, err);
}
