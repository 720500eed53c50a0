/* Convolution as a matrix product: y[filters, pixels] = weight[filters, K] · unfolded[K, pixels], K = channels · taps.
 *
 * The weights are the left operand as they stand in the model, the unfolded input is made panel by panel in the layout
 * of kernels/gemm_f32, a group of panels at a time, and is never whole in memory; results go to their place in [N, C,
 * …]. */
#include "ops/conv_f32.h"

#include <string.h>

#include "base/checked.h"
#include "base/cpu.h"
#include "kernels/kernels.h"

enum {
    GROUP_BYTES = 192 * 1024, /* panels made at once */
    GROUP_MAX = 16,
    UNITS_PER_WORKER = 4,
    TILES_LEAST = 4,
    SHARED_BYTES = 2 * 1024 * 1024, /* all panels at once, made once */
    MACS_PER_WORKER = 1 << 15
};

typedef struct job {
    const conv_f32 *p;
    const gemm_f32_family *f;
    int64_t k, pixels, taps, in;  /* in: elements of an input plane */
    int64_t panels, group, block; /* of one image's one group; panels and rows at a time */
    int64_t row_parts;
    bool shared;
    float *scratch;
    int64_t each;
} job;

/* ---- unfolding ---- */

/* n pixels of one output row, the first at place `from` of the input's row, for one tap: to[j] = row[from + j ·
 * stride]. */
static void unfold_row(const float *row, int64_t length, int64_t from, int64_t stride, int64_t n, float *to) {
    const int64_t last = from + (n - 1) * stride;
    if (from >= 0 && last < length) {
        if (stride == 1 && n == 16)
            memcpy(to, row + from, 16 * sizeof *to);
        else if (stride == 1)
            memcpy(to, row + from, (size_t)n * sizeof *to);
        else
            for (int64_t j = 0; j < n; j++) to[j] = row[from + j * stride];
        return;
    }
    for (int64_t j = 0, at = from; j < n; j++, at += stride) to[j] = at >= 0 && at < length ? row[at] : 0;
}

/* All K rows of the pixels [o, o + n) of one output row into columns of a panel. o: index of the first one. */
static void unfold_pixels(const job *j, const float *x, const int64_t *o, int64_t n, float *to) {
    const window *w = &j->p->w;
    const int lead = w->rank - 1, nr = j->f->nr;
    const int64_t length = w->in[lead], from = o[lead] * w->stride[lead] - w->begin[lead];
    for (int64_t c = 0; c < j->p->channels; c++, x += j->in) {
        int64_t tap[WINDOW_RANK_MAX] = {0};
        do {
            int64_t row = 0;
            bool inside = true;
            for (int a = 0; a < lead; a++) {
                const int64_t at = o[a] * w->stride[a] - w->begin[a] + tap[a] * w->dilation[a];
                inside = inside && at >= 0 && at < w->in[a];
                row = inside ? row * w->in[a] + at : 0;
            }
            for (int64_t t = 0; t < w->kernel[lead]; t++, to += nr) {
                if (inside)
                    unfold_row(x + row * length, length, from + t * w->dilation[lead], w->stride[lead], n, to);
                else
                    memset(to, 0, (size_t)n * sizeof *to);
            }
        } while (window_next(lead, w->kernel, tap));
    }
}

/* Panels [first, first + count) of one image's group, whose planes begin at x. */
static void unfold(const job *j, const float *x, int64_t first, int64_t count, float *to) {
    const window *w = &j->p->w;
    const int lead = w->rank - 1, nr = j->f->nr;
    int64_t pixel = first * nr, o[WINDOW_RANK_MAX], rest = pixel;
    for (int a = lead; a >= 0; a--) {
        o[a] = rest % w->out[a];
        rest /= w->out[a];
    }
    for (int64_t panel = 0; panel < count; panel++, to += j->k * nr) {
        int64_t column = 0;
        while (column < nr && pixel < j->pixels) {
            int64_t n = w->out[lead] - o[lead];
            if (n > nr - column) n = nr - column;
            unfold_pixels(j, x, o, n, to + column);
            column += n;
            pixel += n;
            o[lead] += n;
            if (o[lead] == w->out[lead]) {
                o[lead] = 0;
                window_next(lead, w->out, o);
            }
        }
        if (column < nr)
            for (int64_t k = 0; k < j->k; k++) memset(to + k * nr + column, 0, (size_t)(nr - column) * sizeof *to);
    }
}

/* ---- the product ---- */

/* Filters [row, row_end) of group g of image n over `count` panels at b. */
static void multiply(const job *j, int64_t image, int64_t row, int64_t row_end, int64_t first, int64_t count,
                     const float *b) {
    const conv_f32 *p = j->p;
    const int64_t column = first * j->f->nr, g = image % p->groups;
    const int64_t n = j->pixels - column < count * j->f->nr ? j->pixels - column : count * j->f->nr;
    for (int64_t r = row, rows; r < row_end; r += rows) {
        rows = row_end - r < j->block ? row_end - r : j->block;
        float *y = p->y + (image * p->filters + r) * j->pixels + column;
        for (int64_t i = 0; p->bias && i < rows; i++)
            for (int64_t q = 0; q < n; q++) y[i * j->pixels + q] = p->bias[g * p->filters + r + i];
        const gemm_f32_tile t = {.k = j->k,
                                 .a = p->weight + (g * p->filters + r) * j->k,
                                 .lda = j->k,
                                 .b = b,
                                 .b_stride = j->k * j->f->nr,
                                 .c = y,
                                 .ldc = j->pixels,
                                 .n = n,
                                 .scale = 1,
                                 .residual = p->bias ? y : NULL,
                                 .ldr = j->pixels,
                                 .ahead = (uintptr_t)b};
        gemm_f32_rows(j->f, &t, rows);
    }
}

/* Part i of n of the filters, in whole tiles. */
static void part_of_rows(const job *j, int64_t i, int64_t n, int64_t *begin, int64_t *end) {
    const int64_t mr = j->f->mr, tiles = (j->p->filters + mr - 1) / mr;
    *begin = i * tiles / n * mr;
    *end = (i + 1) * tiles / n * mr;
    if (*end > j->p->filters) *end = j->p->filters;
}

/* A unit is a group of panels of an image's group, and a part of its filters. Units make their panels themselves, or,
 * where all panels have room in the cache, they are made first, once. */
static void work(void *arg, const team_context *ctx) {
    const job *j = arg;
    const conv_f32 *p = j->p;
    const int64_t size = j->k * j->f->nr, images = p->batch * p->groups;
    const int64_t groups = (j->panels + j->group - 1) / j->group, input = p->channels * j->in;
    for (int64_t i; j->shared && (i = team_next(ctx, 0, images * j->panels)) >= 0;)
        unfold(j, p->x + i / j->panels * input, i % j->panels, 1, j->scratch + i * size);
    if (j->shared) team_barrier(ctx);
    for (int64_t u; (u = team_next(ctx, 1, images * j->row_parts * groups)) >= 0;) {
        const int64_t image = u / groups / j->row_parts, first = u % groups * j->panels / groups;
        const int64_t count = (u % groups + 1) * j->panels / groups - first;
        int64_t row, row_end;
        float *b = j->shared ? j->scratch + (image * j->panels + first) * size : j->scratch + ctx->worker * j->each;
        part_of_rows(j, u / groups % j->row_parts, j->row_parts, &row, &row_end);
        if (!j->shared) unfold(j, p->x + image * input, first, count, b);
        multiply(j, image, row, row_end, first, count, b);
    }
}

hst_status conv_f32_run(eval_context *c, const conv_f32 *p, hst_error *err) {
    const window *w = &p->w;
    job j = {.p = p, .f = kernels_get()->gemm_f32(), .pixels = window_count(w->out, w->rank)};
    if (j.pixels * p->batch * p->groups * p->filters == 0) return HST_STATUS_OK;
    if (conv_f32_direct_fits(p)) return conv_f32_direct(c, p, err);
    j.taps = window_count(w->kernel, w->rank);
    j.k = j.taps * p->channels;
    j.in = window_count(w->in, w->rank);
    j.panels = gemm_f32_panels(j.f, j.pixels);
    const int64_t panel = j.k * j.f->nr * (int64_t)sizeof(float), cache = (int64_t)cpu_cache(2);
    j.group = panel ? GROUP_BYTES / panel : 1;
    j.group = j.group < 1 ? 1 : j.group > GROUP_MAX ? GROUP_MAX : j.group > j.panels ? j.panels : j.group;
    j.block = (cache ? cache : 512 * 1024) / 2 / ((j.k ? j.k : 1) * (int64_t)sizeof(float));
    j.block = (j.block < 24 ? 24 : j.block > 192 ? 192 : j.block) / j.f->mr * j.f->mr;
    const double macs = (double)j.k * (double)j.pixels * (double)p->filters * (double)(p->batch * p->groups);
    int workers = team_size(c->team);
    if (macs / MACS_PER_WORKER < workers) workers = macs < MACS_PER_WORKER ? 1 : (int)(macs / MACS_PER_WORKER);
    const int64_t all = p->batch * p->groups * j.panels, tiles = (p->filters + j.f->mr - 1) / j.f->mr;
    const int64_t units = p->batch * p->groups * ((j.panels + j.group - 1) / j.group);
    /* enough units that no worker waits long for another, as long as they have some tiles each */
    j.row_parts = workers == 1 ? 1 : (UNITS_PER_WORKER * workers + units - 1) / units;
    if (j.row_parts > tiles / TILES_LEAST) j.row_parts = tiles / TILES_LEAST;
    if (j.row_parts < 1) j.row_parts = 1;
    j.shared = j.row_parts > 1 && (double)all * (double)panel <= SHARED_BYTES;
    if (!j.shared && j.row_parts > workers) j.row_parts = workers;
    j.each = j.group * j.k * j.f->nr + 16;
    if (j.shared) j.each = all * j.k * j.f->nr / workers + 16;
    void *memory;
    size_t bytes;
    if (!size_mul((size_t)j.each, (size_t)workers * sizeof(float), &bytes))
        return error_no_memory(err, SIZE_MAX, "an unfolded input");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    j.scratch = memory;
    team_run(c->team, workers, work, &j);
    return HST_STATUS_OK;
}
