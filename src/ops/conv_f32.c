/* Convolution in tiles of filters × neighbouring outputs (kernels/conv) over the planes of conv_planes; where those do
 * not fit, over an unfolded input, a part at a time.
 *
 * A unit of work is a range of tiles over a range of slots of one group of one image. One image's planes are made once,
 * by all workers; where there are many images or groups (depthwise layers) each worker makes those that it needs. */
#include "ops/conv_f32.h"

#include "base/checked.h"
#include "base/cpu.h"
#include "kernels/kernels.h"

enum {
    UNITS_PER_WORKER = 4,
    PLANES_MANY = 64,
    STEPS_FEW = 3,
    TILES_MANY = 8,
    SLOTS_LEAST = CONV_WIDTH_MOST,
    UNIT_MACS = 1 << 19,
    MACS_PER_WORKER = 1 << 15
};

typedef struct job {
    eval_context *c;
    const conv_f32 *p;
    const conv_family *f;
    conv_planes planes;
    bool folded; /* planes fit */
    bool own;    /* each worker makes its units' planes */
    int64_t k, taps, in, out;
    int64_t slots;                              /* of the outputs of a group of an image */
    int64_t rows, width;                        /* rows of outputs, and outputs of one that lie in neighbouring slots */
    const int64_t *start;                       /* [rows]: the slot of a row's first output */
    const int64_t *offset;                      /* [k] */
    const int64_t *offset_at_end;               /* the same where a tile would read beyond x; NULL: never */
    const int64_t *in_panel;                    /* [k]: the same in a panel; NULL: the highest tiles read planes, too */
    int64_t images;                             /* times groups */
    int64_t tiles, row_parts, slot_parts, part; /* part: slots of a part */
    float *scratch, *shared, *panels;           /* the last two: of all images, made once by all workers; or NULL */
    int64_t phases;
    int64_t each; /* floats of a worker's scratch */
    float low, high;
    bool open; /* conv_f32_finish is to follow */
} job;

/* ---- tiles ---- */

/* Cuts `filters` into tiles, the highest first: rows of the one that begins at `row`. */
static int tile_at(const conv_family *f, int64_t filters, int64_t row) {
    int i = 0;
    while (f->height[i].rows > filters - row) i++;
    return i;
}

static int64_t count_tiles(const conv_family *f, int64_t filters) {
    int64_t n = 0;
    for (int64_t row = 0; row < filters; n++) row += f->height[tile_at(f, filters, row)].rows;
    return n;
}

/* All but the last few tiles have the greatest height: the row of tile i. */
static int64_t row_of(const conv_family *f, int64_t filters, int64_t tile) {
    const int64_t high = filters / f->height[0].rows;
    int64_t row = (tile < high ? tile : high) * f->height[0].rows;
    for (; tile > high; tile--) row += f->height[tile_at(f, filters, row)].rows;
    return row;
}

void conv_f32_pack(const float *weight, int64_t groups, int64_t filters, int64_t k, float *to) {
    const conv_family *f = kernels_get()->conv_f32();
    for (int64_t g = 0; g < groups; g++)
        for (int64_t row = 0, rows; row < filters; row += rows, weight += rows * k) {
            rows = f->height[tile_at(f, filters, row)].rows;
            for (int64_t i = 0; i < k; i++)
                for (int64_t r = 0; r < rows; r++) *to++ = weight[r * k + i];
        }
}

int64_t conv_f32_layout(void) {
    const conv_family *f = kernels_get()->conv_f32();
    int64_t layout = 0;
    for (int i = 0; i < CONV_HEIGHTS_MOST; i++) layout |= (int64_t)(f->height[i].rows > 0) << f->height[i].rows;
    return layout;
}

void conv_f32_places(int64_t layout, int64_t groups, int64_t filters, int64_t k, int64_t *to) {
    int64_t place = 0;
    for (int64_t g = 0; g < groups; g++)
        for (int64_t row = 0, rows; row < filters; row += rows, to += rows * k) {
            rows = CONV_ROWS_MOST;
            while (rows > 1 && (rows > filters - row || !(layout >> rows & 1))) rows--;
            for (int64_t i = 0; i < k; i++)
                for (int64_t r = 0; r < rows; r++) to[r * k + i] = place++;
        }
}

/* ---- the product ---- */

bool conv_f32_bounds(const conv_f32 *p, float *low, float *high) {
    const bool clip = p->function == UNARY_CLIP, relu = p->function == UNARY_RELU;
    *low = -INFINITY, *high = INFINITY;
    if (p->residual || (p->function != UNARY_COPY && !clip && !relu)) return true;
    if (clip) *low = p->parameter[0], *high = p->parameter[1];
    if (relu) *low = 0;
    return false;
}

void conv_f32_finish(const conv_f32 *p, float *y, int64_t n) {
    if (p->residual) kernels_get()->binary_f32(BINARY_ADD, n, y, 1, p->residual + (y - p->y), 1, y);
    if (p->function != UNARY_COPY) kernels_get()->unary_f32(p->function, p->parameter, n, y, y);
}

/* Takes outputs of slots [slot, slot + n) from a tile to their places; *at: the row of outputs to begin with. */
static void keep(const job *j, const float *tile, int rows, int64_t slot, int64_t n, int64_t *at, float *y) {
    const int64_t end = slot + n;
    int64_t row = *at;
    for (; row < j->rows && j->start[row] < end; row++) {
        const int64_t begin = j->start[row] > slot ? j->start[row] : slot;
        const int64_t stop = j->start[row] + j->width < end ? j->start[row] + j->width : end;
        float *to = y + row * j->width + (begin - j->start[row]);
        for (int r = 0; r < rows && stop > begin; r++)
            conv_copy(to + r * j->out, tile + r * CONV_WIDTH_MOST + (begin - slot), stop - begin);
        if (j->start[row] + j->width > end) break;
    }
    *at = row;
}

/* The last row of outputs that begins at or before a slot. */
static int64_t row_at(const job *j, int64_t slot) {
    int64_t begin = 0;
    for (int64_t high = j->rows; begin + 1 < high;) {
        const int64_t middle = begin + (high - begin) / 2;
        *(j->start[middle] <= slot ? &begin : &high) = middle;
    }
    return begin;
}

/* Outputs that lie before a slot. */
static int64_t outputs_before(const job *j, int64_t slot) {
    const int64_t row = row_at(j, slot), some = slot - j->start[row];
    return row * j->width + (some < j->width ? some : j->width);
}

/* Where K steps of outputs from slot s on, `width` of them, are read. */
static const int64_t *offsets_at(const job *j, int64_t image, int64_t s, int64_t width) {
    const bool beyond = j->offset_at_end && image == j->images - 1 && s + width > j->slots;
    return beyond ? j->offset_at_end : j->offset;
}

static int64_t panel_width(const job *j) {
    return j->f->height[0].vectors * j->f->lanes;
}

static int64_t padded_slots(const job *j) {
    return (j->slots + panel_width(j) - 1) / panel_width(j) * panel_width(j);
}

/* Panels [K][width] of the slots [slot, end), as wide as the highest tile: read in order, where the steps of K would
 * lie far apart. */
static void make_panels(const job *j, int64_t image, const float *x, int64_t slot, int64_t end, float *to) {
    const int64_t width = panel_width(j);
    for (int64_t s = slot; s < end; s += width) {
        const int64_t *offset = offsets_at(j, image, s, width);
        for (int64_t k = 0; k < j->k; k++, to += width) conv_copy(to, x + s + offset[k], width);
    }
}

/* Tiles [tile, tile_end) over slots [slot, end) of a group of an image; x: what j->offset counts from, at slot 0. */
static void multiply(const job *j, int64_t image, const float *x, int64_t tile, int64_t tile_end, int64_t slot,
                     int64_t end, float *panels) {
    static const float none[CONV_ROWS_MOST] = {-0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f,
                                               -0.0f, -0.0f, -0.0f, -0.0f, -0.0f, -0.0f};
    _Alignas(64) float spare[CONV_ROWS_MOST * CONV_WIDTH_MOST];
    const conv_f32 *p = j->p;
    const int64_t g = image % p->groups, lanes = j->f->lanes;
    const int64_t begin = row_at(j, slot);
    const int64_t first = outputs_before(j, slot), last = outputs_before(j, end);
    int64_t row = row_of(j->f, p->filters, tile);
    if (j->c->runtime->check(j->c, NULL) != HST_STATUS_OK) return; /* conv_f32_run gives the status */
    if (j->in_panel && !j->panels) make_panels(j, image, x, slot, end, panels);
    for (; tile < tile_end; tile++) {
        const int kind = tile_at(j->f, p->filters, row), rows = j->f->height[kind].rows;
        const int64_t width = j->f->height[kind].vectors * lanes;
        float *y = p->y + (image * p->filters + row) * j->out;
        conv_tile t = {.k = j->k, .w = p->packed + (g * p->filters + row) * j->k, .rows = rows};
        t.bias = p->bias ? p->bias + g * p->filters + row : none;
        t.low = j->low, t.high = j->high;
        int64_t at = begin;
        for (int64_t s = slot, n; s < end; s += n) {
            n = end - s < width ? end - s : width;
            t.vectors = j->f->height[kind].vectors;
            for (int v = 1; n < width && v < t.vectors; v++)
                if (j->f->height[kind].narrow >> v & 1 && v * lanes >= n) t.vectors = v;
            t.x = j->in_panel && kind == 0 ? panels + (s - slot) * j->k : x + s;
            t.offset = j->in_panel && kind == 0 ? j->in_panel : offsets_at(j, image, s, t.vectors * lanes);
            const int64_t into =
                s - j->start[at]; /* a row of outputs that is as long as the tile takes it as it comes */
            const bool direct = n == t.vectors * lanes && into >= 0 && into + n <= j->width;
            t.y = direct ? y + at * j->width + into : spare;
            t.ldy = direct ? j->out : CONV_WIDTH_MOST;
            j->f->tile(&t);
            if (!direct)
                keep(j, spare, rows, s, n, &at, y);
            else if (into + n == j->width && at + 1 < j->rows)
                at++;
        }
        for (int r = 0; r < rows && j->open; r++) conv_f32_finish(p, y + r * j->out + first, last - first);
        row += rows;
    }
}

/* ---- units ---- */

static void part_of(int64_t all, int64_t i, int64_t parts, int64_t *begin, int64_t *end) {
    *begin = i * all / parts;
    *end = (i + 1) * all / parts;
}

static const float *planes_of_image(const job *j, int64_t image) {
    return j->shared ? j->shared + image * j->planes.group : j->p->x + image * j->p->channels * j->in;
}

/* Unit u: an image (times group), a part of the slots, a part of the tiles. */
static void unit(const job *j, int64_t u, float *own) {
    const conv_f32 *p = j->p;
    const int64_t rows = u % j->row_parts, s = u / j->row_parts % j->slot_parts,
                  image = u / j->row_parts / j->slot_parts;
    const float *x = planes_of_image(j, image);
    int64_t tile, tile_end, slot = s * j->part, end = slot + j->part < j->slots ? slot + j->part : j->slots;
    part_of(j->tiles, rows, j->row_parts, &tile, &tile_end);
    if (!j->folded) {
        conv_f32_unfold(p, x, slot, end - slot, j->part, own);
        x = own - slot;
    }
    if (j->panels) own = j->panels + (image * padded_slots(j) + slot) * j->k;
    multiply(j, image, x, tile, tile_end, slot, end, own);
}

/* All of an image's group by one worker. */
static void whole(const job *j, int64_t image, float *own) {
    const conv_f32 *p = j->p;
    const float *x = p->x + image * p->channels * j->in;
    for (int64_t i = 0; i < p->channels * j->phases; i++)
        conv_planes_fill(&j->planes, i % j->phases, x + i / j->phases * j->in, own + i * j->planes.plane);
    for (int64_t slot = 0; slot < j->slots; slot += j->part)
        multiply(j, image, own, 0, j->tiles, slot, slot + j->part < j->slots ? slot + j->part : j->slots,
                 own + j->planes.group + 2 * CONV_WIDTH_MOST);
}

static void work(void *arg, const team_context *ctx) {
    const job *j = arg;
    const conv_f32 *p = j->p;
    float *own = j->scratch + ctx->worker * j->each;
    if (j->own) {
        for (int64_t i; (i = team_next(ctx, 0, j->images)) >= 0;) whole(j, i, own);
        return;
    }
    if (j->shared) {
        for (int64_t i; (i = team_next(ctx, 0, j->images * p->channels * j->phases)) >= 0;)
            conv_planes_fill(&j->planes, i % j->phases, p->x + i / j->phases * j->in, j->shared + i * j->planes.plane);
        team_barrier(ctx);
    }
    if (j->panels) {
        const int64_t width = panel_width(j), each = (j->slots + width - 1) / width;
        for (int64_t i; (i = team_next(ctx, 1, j->images * each)) >= 0;)
            make_panels(j, i / each, planes_of_image(j, i / each), i % each * width, i % each * width + width,
                        j->panels + i * width * j->k);
        team_barrier(ctx);
    }
    for (int64_t u; (u = team_next(ctx, 2, j->images * j->slot_parts * j->row_parts)) >= 0;) unit(j, u, own);
}

/* ---- the plan: what runs once a node is compiled for size ---- */

#define ONCE __attribute__((cold))

ONCE static hst_status floats(eval_context *c, int64_t n, float **out, hst_error *err) {
    size_t bytes;
    void *memory;
    if (n > INT64_MAX - 2 * CONV_WIDTH_MOST || !size_mul((size_t)n + 2 * CONV_WIDTH_MOST, sizeof(float), &bytes))
        return error_no_memory(err, SIZE_MAX, "planes of a convolution");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    *out = memory;
    return HST_STATUS_OK;
}

ONCE static hst_status indices(eval_context *c, int64_t n, int64_t **out, hst_error *err) {
    size_t bytes;
    void *memory;
    if (!size_mul((size_t)n + 1, sizeof(int64_t), &bytes))
        return error_no_memory(err, SIZE_MAX, "offsets of a convolution");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    *out = memory;
    return HST_STATUS_OK;
}

/* Many planes, few steps of K on each: a tile would read a line here and a line there. Tiles enough to be worth it. */
static bool panels_pay(const job *j) {
    const int64_t planes = j->planes.plane ? j->planes.group / j->planes.plane : 0;
    return j->folded && planes >= PLANES_MANY && j->k < STEPS_FEW * planes &&
           j->p->filters / j->f->height[0].rows >= TILES_MANY;
}

/* Where rows of outputs begin; one row where they lie close. */
ONCE static hst_status find_rows(eval_context *c, job *j, hst_error *err) {
    const window *w = &j->p->w;
    const int last = w->rank - 1;
    int64_t *start = NULL, o[WINDOW_RANK_MAX] = {0};
    j->slots = j->folded ? j->planes.flat : j->out;
    j->rows = j->slots == j->out ? 1 : window_count(w->out, last);
    j->width = j->out / j->rows;
    HST_TRY(indices(c, j->rows, &start, err));
    j->start = start;
    do {
        *start = 0;
        for (int a = 0; a < last && j->rows > 1; a++) *start = *start * j->planes.slot[a] + o[a];
        if (j->rows > 1) *start *= j->planes.slot[last];
        start++;
    } while (j->rows > 1 && window_next(last, w->out, o));
    return HST_STATUS_OK;
}

/* The last image's last tile would read beyond x: what it reads there comes from a copy of x's end, with room behind.
 */
ONCE static hst_status mind_the_end(eval_context *c, job *j, const int64_t *offset, hst_error *err) {
    const int64_t all = j->planes.group, some = all < 2 * CONV_WIDTH_MOST ? all : 2 * CONV_WIDTH_MOST;
    const float *end = j->p->x + j->images * all;
    float *copy = NULL;
    int64_t *at_end = NULL;
    HST_TRY(floats(c, some, &copy, err));
    HST_TRY(indices(c, j->k, &at_end, err));
    memset(copy, 0, (size_t)(some + 2 * CONV_WIDTH_MOST) * sizeof *copy);
    memcpy(copy, end - some, (size_t)some * sizeof *copy);
    const int64_t apart = ((intptr_t)copy - (intptr_t)(end - some)) / (intptr_t)sizeof(float);
    for (int64_t k = 0; k < j->k; k++)
        at_end[k] = offset[k] + j->slots + CONV_WIDTH_MOST > all ? offset[k] + apart : offset[k];
    j->offset_at_end = at_end;
    return HST_STATUS_OK;
}

ONCE static hst_status find_offsets(eval_context *c, job *j, hst_error *err) {
    int64_t *offset = NULL;
    HST_TRY(indices(c, j->k, &offset, err));
    j->offset = offset;
    if (j->folded)
        conv_planes_offsets(&j->planes, offset);
    else
        for (int64_t k = 0; k < j->k; k++) offset[k] = k * j->part;
    if (panels_pay(j)) {
        int64_t *in_panel = NULL;
        HST_TRY(indices(c, j->k, &in_panel, err));
        for (int64_t k = 0; k < j->k; k++) in_panel[k] = k * j->f->height[0].vectors * j->f->lanes;
        j->in_panel = in_panel;
    }
    return j->folded && j->planes.in_place ? mind_the_end(c, j, offset, err) : HST_STATUS_OK;
}

/* Parts of slots that stay in a worker's cache while the tiles pass by; enough units that none waits long for another,
 * as long as they have some work each. */
ONCE static void cut(job *j, int workers) {
    const int64_t cache = cpu_cache(2) ? (int64_t)cpu_cache(2) : 512 * 1024;
    const int64_t slot =
        (j->folded && !panels_pay(j) ? j->planes.group / (j->planes.plane ? j->planes.plane : 1) : j->k) * 4;
    const int64_t wanted = workers == 1 ? 1 : UNITS_PER_WORKER * workers, grain = panel_width(j) * 2;
    int64_t most = cache / 3 / (slot ? slot : 4), parts;
    if (most < CONV_WIDTH_MOST) most = CONV_WIDTH_MOST;
    parts = (j->slots + most - 1) / most;
    if (!j->own && parts * j->images < wanted) {
        parts = (wanted + j->images - 1) / j->images;
        if (parts > j->slots / SLOTS_LEAST) parts = j->slots / SLOTS_LEAST;
        if (parts < 1) parts = 1;
    }
    j->part = ((j->slots + parts - 1) / parts + grain - 1) / grain * grain;
    if (j->part > j->slots) j->part = j->slots;
    j->slot_parts = (j->slots + j->part - 1) / j->part;
    j->row_parts = (wanted + j->slot_parts * j->images - 1) / (j->slot_parts * j->images);
    const double macs = (double)j->k * (double)j->part * (double)j->p->filters;
    if (macs / UNIT_MACS < (double)j->row_parts) j->row_parts = (int64_t)(macs / UNIT_MACS);
    if (j->row_parts > j->tiles) j->row_parts = j->tiles;
    if (j->row_parts < 1) j->row_parts = 1;
}

ONCE hst_status conv_f32_run(eval_context *c, const conv_f32 *p, hst_error *err) {
    const window *w = &p->w;
    job j = {.c = c, .p = p, .f = kernels_get()->conv_f32()};
    j.out = window_count(w->out, w->rank);
    if (!j.out || !p->batch || !p->filters) return HST_STATUS_OK;
    j.images = p->batch * p->groups; /* fits, as y's count does */
    j.open = conv_f32_bounds(p, &j.low, &j.high);
    bool done;
    HST_TRY(conv_f32_depthwise(c, p, &done, err));
    if (done) return HST_STATUS_OK;
    j.folded = conv_planes_make(p, &j.planes);
    j.taps = window_count(w->kernel, w->rank);
    j.k = j.taps * p->channels;
    j.in = window_count(w->in, w->rank);
    j.phases = j.planes.plane ? j.planes.channel / j.planes.plane : 1;
    j.tiles = count_tiles(j.f, p->filters);
    const double macs = (double)j.k * (double)j.out * (double)p->filters * (double)j.images;
    const int workers = team_workers(c->team, macs, MACS_PER_WORKER);
    c->macs += (uint64_t)macs;
    HST_TRY(find_rows(c, &j, err));
    const bool made = j.folded && !j.planes.in_place;
    j.own = made && (workers == 1 || j.images >= UNITS_PER_WORKER * workers);
    cut(&j, workers);
    HST_TRY(find_offsets(c, &j, err));
    const int64_t panels = (j.part + CONV_WIDTH_MOST) * j.k;
    j.each = j.own ? j.planes.group + 2 * CONV_WIDTH_MOST : 0;
    j.each += (j.in_panel && (j.own || j.row_parts == 1)) || !j.folded ? panels : 0;
    j.each = (j.each + 2 * CONV_WIDTH_MOST + 15) / 16 * 16;
    int64_t all;
    if (!s64_mul(j.each, workers, &all)) return error_no_memory(err, SIZE_MAX, "planes of a convolution");
    HST_TRY(floats(c, all, &j.scratch, err));
    if (made && !j.own) HST_TRY(floats(c, j.images * j.planes.group, &j.shared, err));
    if (j.in_panel && !j.own && j.row_parts > 1) HST_TRY(floats(c, j.images * padded_slots(&j) * j.k, &j.panels, err));
    team_run(c->team, workers, work, &j);
    return c->runtime->check(c, err);
}
