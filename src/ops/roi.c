/* Pooling of regions of x [N, C, H, W] to [R, C, h, w]; f64 inside.
 *   MaxRoiPool  rois [R, 5]: (image, x1, y1, x2, y2), rounded to elements after spatial_scale; the greatest of each bin
 *   RoiAlign    rois [R, 4]: (x1, y1, x2, y2), batch_indices [R]; sampling_ratio² points a bin (0: as many as it is
 * elements wide), interpolated linearly, their mean or (mode max) the greatest weighted corner; half_pixel (default
 * since opset 16) moves regions by -0.5 and keeps small ones small */
#include <math.h>
#include <string.h>

#include "ops/sliding.h"

#define PACE (1 << 16) /* points between two questions whether the run should stop */

typedef struct job {
    const eval_context *c;
    int64_t channels, height, width, h, w;
    const double *x, *rois;
    int64_t each; /* numbers a region */
    const int64_t *image;
    double scale;
    int64_t ratio;
    bool half_pixel, max;
} job;

static hst_status infer_regions(infer_context *c, int64_t h, int64_t w) {
    const type *x = infer_in(c, 0), *rois = infer_in(c, 1), *images = infer_in(c, 2);
    type *y = &c->out[0];
    y->dtype = x->dtype;
    y->rank = 4;
    y->dim[0] = rois->rank == 2 ? rois->dim[0] : dim_symbol(c->model, "");
    if (images->rank == 1 && dim_is_symbol(y->dim[0]) && !dim_is_symbol(images->dim[0])) y->dim[0] = images->dim[0];
    y->dim[1] = x->rank == 4 ? x->dim[1] : dim_symbol(c->model, "");
    y->dim[2] = h;
    y->dim[3] = w;
    return HST_STATUS_OK;
}

/* ---- MaxRoiPool ---- */

static int64_t clip(double x, int64_t most) {
    return !(x > 0) ? 0 : x > (double)most ? most : (int64_t)x;
}

static void pool_plane(const void *arg, int64_t i, const double *none, double *y, double *scratch) {
    (void)none, (void)scratch;
    const job *j = arg;
    const int64_t r = i / j->channels, channel = i % j->channels;
    const double *roi = j->rois + r * j->each;
    const double *x = j->x + (j->image[r] * j->channels + channel) * j->height * j->width;
    const double x1 = round(roi[1] * j->scale), y1 = round(roi[2] * j->scale);
    const double wide = fmax(round(roi[3] * j->scale) - x1 + 1, 1), high = fmax(round(roi[4] * j->scale) - y1 + 1, 1);
    const double bin_h = high / (double)j->h, bin_w = wide / (double)j->w;
    for (int64_t p = 0; p < j->h * j->w; p++) {
        const double ph = (double)(p / j->w), pw = (double)(p % j->w);
        const int64_t top = clip(floor(ph * bin_h) + y1, j->height), end = clip(ceil((ph + 1) * bin_h) + y1, j->height);
        const int64_t left = clip(floor(pw * bin_w) + x1, j->width),
                      right = clip(ceil((pw + 1) * bin_w) + x1, j->width);
        double best = end > top && right > left ? -INFINITY : 0;
        for (int64_t h = top; h < end; h++)
            for (int64_t w = left; w < right; w++)
                if (x[h * j->width + w] > best) best = x[h * j->width + w];
        y[p] = best;
    }
}

/* ---- RoiAlign ---- */

/* One point: the sum of its weighted corners, or the greatest. */
static double sample(const job *j, const double *x, double py, double px) {
    if (!(py >= -1) || !(py <= (double)j->height) || !(px >= -1) || !(px <= (double)j->width)) return 0;
    py = fmax(py, 0), px = fmax(px, 0);
    int64_t y0 = (int64_t)py, x0 = (int64_t)px, y1 = y0 + 1, x1 = x0 + 1;
    if (y0 >= j->height - 1) y1 = y0 = j->height - 1, py = (double)y0;
    if (x0 >= j->width - 1) x1 = x0 = j->width - 1, px = (double)x0;
    const double ly = py - (double)y0, lx = px - (double)x0;
    const double a = (1 - ly) * (1 - lx) * x[y0 * j->width + x0], b = (1 - ly) * lx * x[y0 * j->width + x1];
    const double c = ly * (1 - lx) * x[y1 * j->width + x0], d = ly * lx * x[y1 * j->width + x1];
    return j->max ? fmax(fmax(a, b), fmax(c, d)) : a + b + c + d;
}

/* Points on one side of a bin; more than the map has cannot say anything new. */
static int64_t points(const job *j, double length, int64_t bins) {
    const double n = ceil(length / (double)bins), most = (double)(j->height + j->width + 2) * 16;
    return j->ratio > 0 ? j->ratio : !(n > 0) ? 0 : n > most ? (int64_t)most : (int64_t)n;
}

static void align_plane(const void *arg, int64_t i, const double *none, double *y, double *scratch) {
    (void)none, (void)scratch;
    const job *j = arg;
    const int64_t r = i / j->channels, channel = i % j->channels;
    const double *roi = j->rois + r * j->each, offset = j->half_pixel ? 0.5 : 0;
    const double *x = j->x + (j->image[r] * j->channels + channel) * j->height * j->width;
    const double x1 = roi[0] * j->scale - offset, y1 = roi[1] * j->scale - offset;
    double wide = roi[2] * j->scale - offset - x1, high = roi[3] * j->scale - offset - y1;
    if (!j->half_pixel) wide = fmax(wide, 1), high = fmax(high, 1);
    const double bin_h = high / (double)j->h, bin_w = wide / (double)j->w;
    const int64_t down = points(j, high, j->h), across = points(j, wide, j->w);
    int64_t steps = 0;
    for (int64_t p = 0; p < j->h * j->w; p++) {
        if ((steps += down * across) >= PACE) {
            if (planes_stop(j->c)) return;
            steps = 0;
        }
        const double top = y1 + (double)(p / j->w) * bin_h, left = x1 + (double)(p % j->w) * bin_w;
        double all = 0;
        for (int64_t k = 0; k < down * across; k++) {
            const double v = sample(j, x, top + ((double)(k / across) + 0.5) * bin_h / (double)down,
                                    left + ((double)(k % across) + 0.5) * bin_w / (double)across);
            all = !j->max ? all + v : k == 0 || v > all ? v : all;
        }
        y[p] = j->max || down * across == 0 ? all : all / (double)(down * across);
    }
}

/* ---- both ---- */

static hst_status length_of(const node *n, int64_t x, const char *name, hst_error *err) {
    if (x >= 1 && x <= INT32_MAX) return HST_STATUS_OK;
    return node_error(n, err, HST_STATUS_BAD_FORMAT, "%s is %lld", name, (long long)x);
}

static hst_status run(eval_context *c, job *j, int64_t each, int indices, plane_fn *fn, hst_error *err) {
    const hst_tensor *x, *rois;
    hst_tensor *y;
    int64_t *image;
    void *memory;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(eval_need(c, 1, "rois", &rois, err));
    HST_TRY(planes_check(c->node, x, 4, "X", err));
    HST_TRY(planes_check(c->node, rois, 2, "rois", err));
    HST_TRY(length_of(c->node, j->h, "the output's height", err));
    HST_TRY(length_of(c->node, j->w, "the output's width", err));
    const hst_tensor *given = indices > 0 ? eval_in(c, indices) : NULL;
    const int64_t regions = rois->dim[0];
    if (x->rank != 4 || rois->rank != 2 || rois->dim[1] != each ||
        (indices > 0 && (!given || tensor_count(given) != regions)))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input of rank %d, %lld regions of %lld numbers", x->rank,
                          (long long)regions, (long long)(rois->rank > 1 ? rois->dim[1] : 0));
    j->c = c;
    j->channels = x->dim[1];
    j->height = x->dim[2];
    j->width = x->dim[3];
    j->each = each;
    j->scale = (double)node_float(c->node, "spatial_scale", 1);
    const int64_t dims[4] = {regions, x->dim[1], j->h, j->w};
    HST_TRY(eval_output(c, 0, x->dtype, 4, dims, &y, err));
    HST_TRY(planes_f64(c, x, &j->x, err));
    HST_TRY(planes_f64(c, rois, &j->rois, err));
    HST_TRY(eval_scratch(c, (size_t)regions * sizeof *image + 1, &memory, err));
    image = memory;
    for (int64_t r = 0; r < regions; r++) {
        const double from = given ? (double)tensor_get_s64(given, r) : j->rois[r * each];
        if (!(from >= 0) || !(from < (double)x->dim[0]))
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "region %lld names image %g of %lld", (long long)r,
                              from, (long long)x->dim[0]);
        image[r] = (int64_t)from;
    }
    j->image = image;
    if (tensor_count(y) && tensor_count(x) == 0)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "X has no elements");
    const double cost = (double)(j->h * j->w) * (double)(j->ratio > 0 ? j->ratio * j->ratio : 16);
    return planes_run(c, NULL, 0, y, j->h * j->w, regions * j->channels, 0, cost, fn, j, err);
}

static hst_status infer_pool(infer_context *c, hst_error *err) {
    const int64_t *shape;
    if (node_ints(c->node, "pooled_shape", &shape) != 2)
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "pooled_shape should be two lengths");
    HST_TRY(length_of(c->node, shape[0], "the output's height", err));
    HST_TRY(length_of(c->node, shape[1], "the output's width", err));
    return infer_regions(c, shape[0], shape[1]);
}

static hst_status infer_align(infer_context *c, hst_error *err) {
    const int64_t h = node_int(c->node, "output_height", 1), w = node_int(c->node, "output_width", 1);
    HST_TRY(length_of(c->node, h, "output_height", err));
    HST_TRY(length_of(c->node, w, "output_width", err));
    return infer_regions(c, h, w);
}

static hst_status eval_pool(eval_context *c, hst_error *err) {
    const int64_t *shape;
    if (node_ints(c->node, "pooled_shape", &shape) != 2)
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "pooled_shape should be two lengths");
    job j = {.h = shape[0], .w = shape[1]};
    return run(c, &j, 5, -1, pool_plane, err);
}

static hst_status eval_align(eval_context *c, hst_error *err) {
    const char *mode = node_string(c->node, "mode", "avg");
    const char *place = node_string(c->node, "coordinate_transformation_mode",
                                    c->node->opset < 16 ? "output_half_pixel" : "half_pixel");
    job j = {.h = node_int(c->node, "output_height", 1), .w = node_int(c->node, "output_width", 1)};
    j.ratio = node_int(c->node, "sampling_ratio", 0);
    j.max = !strcmp(mode, "max");
    j.half_pixel = !strcmp(place, "half_pixel");
    if ((!j.max && strcmp(mode, "avg") != 0) || (!j.half_pixel && strcmp(place, "output_half_pixel") != 0) ||
        j.ratio < 0 || j.ratio > 1 << 15)
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT,
                          "mode '%s', coordinate_transformation_mode '%s', sampling_ratio %lld", mode, place,
                          (long long)j.ratio);
    return run(c, &j, 4, 2, align_plane, err);
}

// clang-format off
static const op_case pool_cases[] = {
    {"two bins", 0, "(f32[1,1,2,4]{1 2 3 4 5 6 7 8}, f32[2,5]{0 0 0 3 1 0 1 0 2 0}; pooled_shape=[1,2]) -> (f32[2,1,1,2]{6 8 2 3})", 0},
    {"scale", 1, "(f32[1,1,2,2]{1 2 3 4}, f32[1,5]{0 0 0 1 1}; pooled_shape=[1,1], spatial_scale=0.25) -> (f32[1,1,1,1]{1})", 0},
    {0}};
static const op_case align_cases[] = {
    {"one point", 0, "(f32[1,1,2,2]{1 2 3 4}, f32[1,4]{0 0 2 2}, s64[1]{0}; sampling_ratio=1) -> (f32[1,1,1,1]{2.5})", 0},
    {"version 10", 10, "(f32[1,1,2,2]{1 2 3 4}, f32[1,4]{0 0 1 1}, s64[1]{0}; output_width=2, sampling_ratio=1) -> (f32[1,1,1,2]{2.25 2.75})", 0},
    {"max", 0, "(f32[1,1,2,2]{1 2 3 4}, f32[1,4]{0 0 2 2}, s64[1]{0}; mode=\"max\") -> (f32[1,1,1,1]{4})", 0},
    {0}};

HST_OP(MaxRoiPool) = {.name = "MaxRoiPool", .domain = "", .since = 1, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .infer = infer_pool, .eval = eval_pool, .summary = "greatest elements of regions", HST_CASES(pool_cases)};
HST_OP(RoiAlign) = {.name = "RoiAlign", .domain = "", .since = 10, .min_in = 3, .max_in = 3, .min_out = 1, .max_out = 1,
    .infer = infer_align, .eval = eval_align, .summary = "interpolated pooling of regions", HST_CASES(align_cases)};
// clang-format on
