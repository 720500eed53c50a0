/* GridSample: x [N, C, in …], grid [N, out …, rank] -> y [N, C, out …]: x at the places of the grid, whose last axis
 * holds the coordinate of the last spatial axis first, -1 … 1 from end to end (of the elements' centres with
 * align_corners).
 *   mode          nearest (half to even), linear, cubic (a = -0.75)
 *   padding_mode  zeros; border: the nearest element; reflection: mirrored at the ends
 * Arithmetic is f64, in which integers are cut off and a bool is whether the sum is 0. nearest moves what is no float
 * as it is; strings have nearest only. */
#include <math.h>
#include <string.h>

#include "ops/sliding.h"

typedef enum padding { ZEROS, BORDER, REFLECTION } padding;

typedef struct job {
    int rank, taps; /* 1, 2 or 4 neighbours an axis */
    padding padding;
    bool align;
    int64_t in[WINDOW_RANK_MAX], count, channels, pixels;
    const double *grid;
} job;

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *grid = infer_in(c, 1);
    type *y = &c->out[0];
    y->dtype = x->dtype;
    y->rank = x->rank;
    if (x->rank < 0) return HST_STATUS_OK;
    if (x->rank < 3 || (grid->rank >= 0 && grid->rank != x->rank))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input of rank %d, grid of rank %d", x->rank, grid->rank);
    for (int k = 0; k < x->rank; k++)
        y->dim[k] = k < 2 ? x->dim[k] : grid->rank >= 0 ? grid->dim[k - 1] : dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

static double reflect(double x, double least, double most) {
    const double range = most - least;
    if (!(range > 0)) return least;
    x = fabs(x - least);
    const double n = floor(x / range), r = x - n * range;
    return fmod(n, 2) == 0 ? least + r : most - r;
}

/* The element at place i of an axis; -1: 0 stands there. */
static int64_t element(const job *j, int a, double i) {
    const double length = (double)j->in[a];
    if (j->padding == REFLECTION && (i < 0 || i >= length))
        i = trunc(j->align ? reflect(i, 0, length - 1) : reflect(i, -0.5, length - 0.5));
    if (j->padding == ZEROS && !(i >= 0 && i < length)) return -1;
    return !(i > 0) ? 0 : i >= length ? j->in[a] - 1 : (int64_t)i;
}

/* Neighbours of one coordinate: their elements and weights. */
static void neighbours(const job *j, int a, double n, int64_t *index, double *weight) {
    const double length = (double)j->in[a];
    double x = j->align ? (n + 1) / 2 * (length - 1) : ((n + 1) * length - 1) / 2;
    const double least = j->align ? 0 : -0.5, most = j->align ? length - 1 : length - 0.5;
    if (!(fabs(x) < 1e15)) x = x > 0 ? 1e15 : -1e15; /* so that neighbours differ; NaN lies outside too */
    if (j->taps == 1) x = rint(x);
    if (x < least || x > most) {
        if (j->padding == BORDER && j->taps < 4) x = x < 0 ? 0 : x > length - 1 ? length - 1 : x;
        if (j->padding == REFLECTION) x = reflect(x, least, most);
    }
    if (j->taps == 1) {
        *weight = 1;
        *index = element(j, a, x);
        return;
    }
    const double base = floor(x), r = x - base, A = -0.75;
    if (j->taps == 2) {
        weight[0] = 1 - r;
        weight[1] = r;
    } else {
        weight[0] = ((A * (r + 1) - 5 * A) * (r + 1) + 8 * A) * (r + 1) - 4 * A;
        weight[1] = ((A + 2) * r - (A + 3)) * r * r + 1;
        weight[2] = ((A + 2) * (1 - r) - (A + 3)) * (1 - r) * (1 - r) + 1;
        weight[3] = ((A * (2 - r) - 5 * A) * (2 - r) + 8 * A) * (2 - r) - 4 * A;
    }
    for (int t = 0; t < j->taps; t++) index[t] = element(j, a, base + t - (j->taps == 4));
}

static double mix(const job *j, const double *x, int a, int64_t at, const int64_t (*index)[4],
                  const double (*weight)[4]) {
    double sum = 0;
    for (int t = 0; t < j->taps; t++) {
        if (index[a][t] < 0) continue;
        const int64_t next = at * j->in[a] + index[a][t];
        sum += weight[a][t] * (a + 1 < j->rank ? mix(j, x, a + 1, next, index, weight) : x[next]);
    }
    return sum;
}

static void plane(const void *arg, int64_t i, const double *x, double *y, double *scratch) {
    (void)scratch;
    const job *j = arg;
    const double *grid = j->grid + i / j->channels * j->pixels * j->rank;
    int64_t index[WINDOW_RANK_MAX][4];
    double weight[WINDOW_RANK_MAX][4];
    for (int64_t p = 0; p < j->pixels; p++, grid += j->rank) {
        for (int a = 0; a < j->rank; a++) neighbours(j, a, grid[j->rank - 1 - a], index[a], weight[a]);
        y[p] = mix(j, x, 0, 0, (const int64_t(*)[4])index, (const double(*)[4])weight);
    }
}

/* The nearest elements as they are, whatever they are. */
static hst_status move_nearest(eval_context *c, const hst_tensor *x, hst_tensor *y, void *data, int64_t planes,
                               const job *j, hst_error *err) {
    const size_t size = move_size(x->dtype);
    const void *from;
    char *to = data;
    HST_TRY(move_in(c, x, &from, err));
    for (int64_t i = 0; i < planes; i++) {
        const double *grid = j->grid + i / j->channels * j->pixels * j->rank;
        if (c->runtime->check) HST_TRY(c->runtime->check(c, err));
        for (int64_t p = 0; p < j->pixels; p++, grid += j->rank, to += size) {
            int64_t at = i, index = 0;
            double weight;
            for (int a = 0; a < j->rank && at >= 0; a++) {
                neighbours(j, a, grid[j->rank - 1 - a], &index, &weight);
                at = index < 0 ? -1 : at * j->in[a] + index;
            }
            if (at < 0)
                memset(to, 0, size);
            else
                memcpy(to, (const char *)from + (size_t)at * size, size);
        }
    }
    return move_done(y, data, err);
}

static hst_status eval(eval_context *c, hst_error *err) {
    static const char *const modes[] = {"nearest", "linear", "cubic", "nearest", "bilinear", "bicubic"};
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    const char *mode = node_string(c->node, "mode", "linear"),
               *padding_name = node_string(c->node, "padding_mode", "zeros");
    const hst_tensor *x, *grid;
    hst_tensor *y;
    job j = {0};
    int64_t dims[HST_RANK_MAX], planes, m = 0, p = 0;
    while (m < 6 && strcmp(mode, modes[m]) != 0) m++;
    while (p < 3 && strcmp(padding_name, paddings[p]) != 0) p++;
    if (m == 6 || p == 3)
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "mode '%s', padding_mode '%s'", mode, padding_name);
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(eval_need(c, 1, "grid", &grid, err));
    if (x->rank < 3 || (x->dtype == HST_DTYPE_STRING && m % 3))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "X is %s of rank %d, mode '%s'", dtype_name(x->dtype),
                          x->rank, mode);
    HST_TRY(planes_check(c->node, grid, 3, "grid", err));
    j.rank = x->rank - 2;
    j.taps = 1 << m % 3;
    j.padding = (padding)p;
    j.align = node_int(c->node, "align_corners", 0) != 0;
    if (grid->rank != x->rank || grid->dim[0] != x->dim[0] || grid->dim[x->rank - 1] != j.rank || j.rank > 6)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "a grid of rank %d with %lld coordinates for %d axes",
                          grid->rank, (long long)(grid->rank ? grid->dim[grid->rank - 1] : 0), j.rank);
    dims[0] = x->dim[0];
    dims[1] = x->dim[1];
    memcpy(j.in, x->dim + 2, (size_t)j.rank * sizeof *dims);
    memcpy(dims + 2, grid->dim + 1, (size_t)j.rank * sizeof *dims);
    void *data;
    HST_TRY(move_out(c, 0, x->dtype, x->rank, dims, &y, &data, err));
    planes_of(y, &planes, &j.pixels);
    if (planes && tensor_count(x) == 0) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "X has no elements");
    j.channels = x->dim[1];
    HST_TRY(planes_f64(c, grid, &j.grid, err));
    if (j.taps == 1 && !dtype_is_float(x->dtype)) return move_nearest(c, x, y, data, planes, &j, err);
    return planes_run(c, x, window_count(j.in, j.rank), y, j.pixels, planes, 0,
                      (double)j.pixels * pow(j.taps, j.rank) * 4, plane, &j, err);
}

// clang-format off
static const op_case cases[] = {
    {"linear", 0, "(f32[1,1,1,2]{1 3}, f32[1,1,3,2]{0 0 -0.5 0 0.5 0}) -> (f32[1,1,1,3]{2 1 3})", 0},
    {"zeros outside", 16, "(f32[1,1,1,2]{1 3}, f32[1,1,2,2]{-1 0 2 0}; mode=\"bilinear\") -> (f32[1,1,1,2]{0.5 0})", 0},
    {"nearest, border, corners", 0, "(f32[1,1,2,2]{1 2 3 4}, f32[1,1,2,2]{-5 1 1 -1}; mode=\"nearest\", padding_mode=\"border\", align_corners=1) -> (f32[1,1,1,2]{3 2})", 0},
    {"reflection, 1-D", 20, "(f64[1,1,3]{1 2 4}, f64[1,2,1]{1.5 2}; padding_mode=\"reflection\", align_corners=1) -> (f64[1,1,2]{3 2})", 0},
    {"cubic, NaN", 0, "(f32[1,1,1,2]{1 3}, f32[1,1,2,2]{0 0 nan 0}; mode=\"cubic\") -> (f32[1,1,1,2]{2.375 0})", 1e-6},
    {"integers, cut off", 16, "(s32[1,1,1,2]{1 -4}, f32[1,1,3,2]{0 0 0.5 0 -0.5 0}) -> (s32[1,1,1,3]{-1 -4 1})", 0},
    {"large integers, nearest", 16, "(s64[1,1,1,2]{9007199254740993 3}, f32[1,1,3,2]{-0.5 0 0.5 0 4 0}; mode=\"nearest\") -> (s64[1,1,1,3]{9007199254740993 3 0})", 0},
    {"strings", 16, "(string[1,1,1,2]{\"a\" \"b\"}, f32[1,1,3,2]{-0.5 0 0.5 0 4 0}; mode=\"nearest\") -> (string[1,1,1,3]{\"a\" \"b\" \"\"})", 0},
    {"complex", 16, "(c64[1,1,1,2]{1 2 3 -4}, f32[1,1,2,2]{0 0 -0.5 0}) -> (c64[1,1,1,2]{2 -1 1 2})", 0},
    {0}};
// clang-format on

HST_OP(GridSample) = {.name = "GridSample",
                      .domain = "",
                      .since = 16,
                      .min_in = 2,
                      .max_in = 2,
                      .min_out = 1,
                      .max_out = 1,
                      .infer = infer,
                      .eval = eval,
                      .summary = "elements at the places of a grid",
                      HST_CASES(cases)};
