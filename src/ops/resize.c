/* Resize, Upsample: x [d0, …] -> y, axis by axis: y[o] = Σ weight · x[index] over the neighbours of the place that o
 * comes from. coordinate_transformation_mode says which place; it reckons with scale · in, which need not be whole.
 * Neighbours: nearest 1, linear 2, cubic 4; with antialias, where the axis shrinks, as many times more as it shrinks.
 * Beyond the ends the end elements stand (weight 0 with exclude_outside). nearest moves elements of any type; the
 * others compute in f64. Upsample and opset 10 are asymmetric; their nearest is the element before the place (opset 10:
 * after it, where the axis shrinks). */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "ops/op.h"
#include "tensor/convert.h"

enum mode { NEAREST, LINEAR, CUBIC };
enum place { HALF_PIXEL, SYMMETRIC, PYTORCH, ALIGN_CORNERS, ASYMMETRIC, CROP, TF_HALF_PIXEL };
enum nearest { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL, SIMPLE };

typedef struct args {
    int mode, place, nearest;
    bool antialias, exclude_outside;
    double cubic, extrapolation;
    int count; /* axes */
    int axis[HST_RANK_MAX];
    int policy;             /* 0 stretch, 1 not_larger, 2 not_smaller */
    int scales, sizes, roi; /* inputs, -1: none */
} args;

/* One axis to be resized. */
typedef struct change {
    int axis;
    int64_t in, out;
    double scale, first, last; /* first, last: of the roi */
} change;

static hst_status choose(const node *n, const char *attribute, const char *const *names, int *out, hst_error *err) {
    const char *name = node_string(n, attribute, names[0]);
    for (*out = 0; names[*out]; ++*out)
        if (!strcmp(name, names[*out])) return HST_STATUS_OK;
    return node_error(n, err, HST_STATUS_BAD_FORMAT, "%s '%s' is not known", attribute, name);
}

static hst_status read_args(const node *n, int rank, args *a, hst_error *err) {
    static const char *const modes[] = {"nearest", "linear", "cubic", "bilinear", NULL};
    static const char *const places[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",   "align_corners",
                                         "asymmetric", "tf_crop_and_resize",   "tf_half_pixel_for_nn", NULL};
    static const char *const rounds[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller", NULL};
    const int64_t *axes;
    const bool old = node_is(n, "", "Upsample") || n->opset < 11;
    memset(a, 0, sizeof *a);
    HST_TRY(choose(n, "mode", modes, &a->mode, err));
    if (a->mode == 3) a->mode = LINEAR;
    a->place = ASYMMETRIC;
    a->nearest = node_is(n, "", "Upsample") ? FLOOR : SIMPLE;
    a->scales = n->n_in > 1 ? 1 : -1;
    a->sizes = a->roi = -1;
    a->count = rank;
    for (int k = 0; k < rank; k++) a->axis[k] = k;
    if (old) return HST_STATUS_OK;
    HST_TRY(choose(n, "coordinate_transformation_mode", places, &a->place, err));
    HST_TRY(choose(n, "nearest_mode", rounds, &a->nearest, err));
    HST_TRY(choose(n, "keep_aspect_ratio_policy", policies, &a->policy, err));
    a->antialias = node_int(n, "antialias", 0) != 0;
    a->exclude_outside = node_int(n, "exclude_outside", 0) != 0;
    a->cubic = (double)node_float(n, "cubic_coeff_a", -0.75f);
    a->extrapolation = (double)node_float(n, "extrapolation_value", 0);
    a->roi = 1;
    a->scales = 2;
    a->sizes = 3;
    const int given = node_ints(n, "axes", &axes);
    if (given < 0) return HST_STATUS_OK;
    a->count = given;
    return axes_read(n, axes, given, rank, a->axis, NULL, err);
}

/* ---- lengths ---- */

static hst_status scale_axis(const node *n, int64_t in, float scale, int axis, int64_t *out, hst_error *err) {
    const float to = floorf((float)in * scale);
    if (!(scale > 0) || !(to < 9e15f))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "scale %g on axis %d of length %lld", (double)scale, axis,
                          (long long)in);
    *out = (int64_t)to;
    return HST_STATUS_OK;
}

/* Scales of Upsample before it had an input; *count 0: none. */
static hst_status attribute_scales(const node *n, int rank, float *to, int *count, hst_error *err) {
    const attribute *s = node_attribute(n, "scales");
    *count = 0;
    if (s && s->type == ATTRIBUTE_FLOATS && s->n <= HST_RANK_MAX) {
        *count = (int)s->n;
        memcpy(to, s->as.floats, (size_t)s->n * sizeof *to);
    } else if (n->opset < 7 && node_is(n, "", "Upsample")) {
        if (rank != 4) return node_error(n, err, HST_STATUS_BAD_SHAPE, "input has rank %d, needs 4", rank);
        *count = 4;
        to[0] = to[1] = 1;
        to[2] = node_float(n, "height_scale", 1);
        to[3] = node_float(n, "width_scale", 1);
    }
    return HST_STATUS_OK;
}

static hst_status check_count(const node *n, const char *name, int64_t count, const args *a, hst_error *err) {
    if (count == a->count) return HST_STATUS_OK;
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "%s has %lld elements for %d axes", name, (long long)count,
                      a->count);
}

/* Output lengths from sizes; scales follow from them. */
static hst_status fit_sizes(const node *n, const args *a, const int64_t *dim, const int64_t *sizes, change *to,
                            hst_error *err) {
    double scale = 0;
    for (int k = 0; k < a->count; k++) {
        change *c = &to[k];
        if (sizes[k] < 0)
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "size %lld on axis %d", (long long)sizes[k], a->axis[k]);
        *c = (change){a->axis[k], dim[a->axis[k]], sizes[k], 0, 0, 1};
        c->scale = c->in ? (double)c->out / (double)c->in : 1;
        if (k == 0 || (a->policy == 1 ? c->scale < scale : c->scale > scale)) scale = c->scale;
    }
    for (int k = 0; a->policy && k < a->count; k++) {
        const double out = scale * (double)to[k].in + 0.5;
        if (!(out < 9e15)) return node_error(n, err, HST_STATUS_BAD_SHAPE, "scale %g on axis %d", scale, a->axis[k]);
        to[k].out = (int64_t)out;
        to[k].scale = scale;
    }
    return HST_STATUS_OK;
}

static hst_status fit_scales(const node *n, const args *a, const int64_t *dim, const float *scales, change *to,
                             hst_error *err) {
    for (int k = 0; k < a->count; k++) {
        to[k] = (change){a->axis[k], dim[a->axis[k]], 0, (double)scales[k], 0, 1};
        HST_TRY(scale_axis(n, to[k].in, scales[k], a->axis[k], &to[k].out, err));
    }
    return HST_STATUS_OK;
}

static bool given(const node *n, int i) {
    return i >= 0 && i < n->n_in && n->in[i];
}

static hst_status infer(infer_context *c, hst_error *err) {
    const node *n = c->node;
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    args a;
    float scales[HST_RANK_MAX];
    int64_t dims[HST_RANK_MAX], sizes[HST_RANK_MAX];
    change to[HST_RANK_MAX];
    int count = 0;
    y->dtype = x->dtype;
    y->rank = x->rank;
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(read_args(n, x->rank, &a, err));
    memcpy(y->dim, x->dim, sizeof y->dim);
    for (int k = 0; k < a.count; k++) y->dim[a.axis[k]] = dim_symbol(c->model, "");
    if (!given(n, a.scales)) HST_TRY(attribute_scales(n, x->rank, scales, &count, err));
    if (given(n, a.sizes) && !(c->constant[a.sizes] && tensor_count(c->constant[a.sizes]) == 0)) {
        const int some = infer_dims(c, a.sizes, sizes, HST_RANK_MAX);
        if (some != a.count) return HST_STATUS_OK;
        bool known = true;
        for (int k = 0; a.policy && k < some; k++) known = known && sizes[k] >= 0 && x->dim[a.axis[k]] >= 0;
        if (!known) return HST_STATUS_OK;
        if (a.policy) HST_TRY(fit_sizes(n, &a, x->dim, sizes, to, err));
        for (int k = 0; k < some; k++) {
            const dim d = a.policy ? to[k].out : sizes[k];
            if (dim_is_length(c->model, d)) y->dim[a.axis[k]] = d;
        }
        return HST_STATUS_OK;
    }
    if (given(n, a.scales) && c->constant[a.scales] && c->constant[a.scales]->dtype == HST_DTYPE_F32) {
        const hst_tensor *t = c->constant[a.scales];
        if (tensor_count(t) != a.count) return HST_STATUS_OK;
        for (count = 0; count < a.count; count++) scales[count] = (float)tensor_get_f64(t, count);
    }
    if (count != a.count) return HST_STATUS_OK;
    for (int k = 0; k < count; k++) {
        if (x->dim[a.axis[k]] >= 0)
            HST_TRY(scale_axis(n, x->dim[a.axis[k]], scales[k], a.axis[k], &dims[k], err));
        else
            dims[k] = scales[k] == 1 ? x->dim[a.axis[k]] : y->dim[a.axis[k]];
        y->dim[a.axis[k]] = dims[k];
    }
    return HST_STATUS_OK;
}

/* ---- neighbours ---- */

typedef struct table {
    int64_t taps;
    int64_t *index; /* [out, taps]; -1 in the first one: the extrapolation value stands here */
    double *weight; /* [out, taps]; NULL: nearest */
} table;

static double place_of(const args *a, const change *c, int64_t o) {
    const double x = (double)o, in = (double)c->in, out = c->scale * in;
    switch (a->place) {
    case ALIGN_CORNERS:
        return out == 1 ? 0 : x * (in - 1) / (out - 1);
    case ASYMMETRIC:
        return x / c->scale;
    case CROP:
        return c->first * (in - 1) +
               (out == 1 ? (c->last - c->first) * (in - 1) / 2 : x * (c->last - c->first) * (in - 1) / (out - 1));
    case SYMMETRIC:
        return in / 2 * (1 - (double)c->out / out) + (x + 0.5) / c->scale - 0.5;
    case PYTORCH:
        return c->out > 1 ? (x + 0.5) / c->scale - 0.5 : 0;
    case TF_HALF_PIXEL:
        return (x + 0.5) / c->scale;
    default:
        return (x + 0.5) / c->scale - 0.5;
    }
}

static double round_place(const args *a, double place, bool shrinks) {
    const double half = rint(place * 2) / 2; /* a place on or between elements is meant where rounding just misses it */
    if (fabs(place - half) < 1e-6) place = half;
    switch (a->nearest) {
    case PREFER_FLOOR:
        return ceil(place - 0.5);
    case PREFER_CEIL:
        return floor(place + 0.5);
    case CEIL:
        return ceil(place);
    case SIMPLE:
        return shrinks ? ceil(place) : floor(place);
    default:
        return floor(place);
    }
}

static double weight_of(const args *a, double x) {
    x = fabs(x);
    if (a->mode == LINEAR) return x < 1 ? 1 - x : 0;
    if (x <= 1) return ((a->cubic + 2) * x - (a->cubic + 3)) * x * x + 1;
    return x < 2 ? ((a->cubic * x - 5 * a->cubic) * x + 8 * a->cubic) * x - 4 * a->cubic : 0;
}

static int64_t clamp_index(double x, int64_t length) {
    return !(x > 0) ? 0 : x > (double)(length - 1) ? length - 1 : (int64_t)x;
}

static hst_status make_table(eval_context *c, const args *a, const change *h, table *t, hst_error *err) {
    const double scale = a->antialias && h->scale < 1 ? h->scale : 1, reach = a->mode == LINEAR ? 1 : 2;
    const double start = floor(-reach / scale) + 1;
    size_t bytes;
    void *memory;
    t->taps = a->mode == NEAREST ? 1 : (int64_t)(2 - 2 * start);
    if (a->mode != NEAREST && !(start > -1e12)) return error_no_memory(err, SIZE_MAX, "neighbours");
    if (!size_mul((size_t)t->taps, (size_t)h->out, &bytes) || !size_mul(bytes, 16, &bytes))
        return error_no_memory(err, SIZE_MAX, "neighbours");
    HST_TRY(eval_scratch(c, bytes + 1, &memory, err));
    t->index = memory;
    t->weight = a->mode == NEAREST ? NULL : (double *)(t->index + t->taps * h->out);
    for (int64_t o = 0; o < h->out; o++) {
        const double place = place_of(a, h, o), base = ceil(place) - 1; /* a place on an element: the last in reach */
        int64_t *index = t->index + o * t->taps;
        double sum = 0;
        if (a->mode == NEAREST) {
            *index = clamp_index(round_place(a, place, h->scale < 1), h->in);
        } else {
            double *w = t->weight + o * t->taps;
            for (int64_t k = 0; k < t->taps; k++) {
                const double at = base + start + (double)k;
                w[k] = weight_of(a, scale * (at - place));
                if (a->exclude_outside && (at < 0 || at >= (double)h->in)) w[k] = 0;
                sum += w[k];
                index[k] = clamp_index(at, h->in);
            }
            for (int64_t k = 0; (a->exclude_outside || a->antialias) && sum != 0 && k < t->taps; k++) w[k] /= sum;
        }
        if (a->place == CROP && (place < 0 || place > (double)(h->in - 1))) *index = -1;
    }
    return HST_STATUS_OK;
}

/* ---- one axis: from [outer, in, inner] to [outer, out, inner] ---- */

typedef struct pass {
    const args *a;
    const change *h;
    table t;
    int64_t outer, inner;
    size_t size; /* of an element that is moved */
    const void *from, *fill;
    void *to;
} pass;

static void run_pass(void *arg, const team_context *ctx) {
    const pass *p = arg;
    const int64_t out = p->h->out, in = p->h->in, inner = p->inner, taps = p->t.taps;
    const size_t row = (size_t)inner * p->size;
    int64_t i, end;
    team_split(p->outer * out, 1, ctx, &i, &end);
    for (; i < end; i++) {
        const int64_t *index = p->t.index + i % out * taps, block = i / out * in;
        if (*index < 0) {
            for (int64_t k = 0; k < inner; k++)
                memcpy((char *)p->to + (size_t)i * row + (size_t)k * p->size, p->fill, p->size);
        } else if (!p->t.weight) {
            memcpy((char *)p->to + (size_t)i * row, (const char *)p->from + (size_t)(block + *index) * row, row);
        } else {
            const double *from = p->from, *w = p->t.weight + i % out * taps;
            double *to = (double *)p->to + i * inner;
            for (int64_t k = 0; k < inner; k++) to[k] = 0;
            for (int64_t t = 0; t < taps; t++)
                for (int64_t k = 0; k < inner; k++) to[k] += w[t] * from[(block + index[t]) * inner + k];
        }
    }
}

/* All axes in turn. dim: of the input, then of the output. */
static hst_status resize(eval_context *c, const args *a, const change *changes, int rank, int64_t *dim, size_t size,
                         const void *fill, const void **data, hst_error *err) {
    for (int k = 0; k < a->count; k++) {
        const change *h = &changes[k];
        pass p = {a, h, {0}, 1, 1, size, *data, fill, NULL};
        int64_t count;
        size_t bytes;
        if (h->in == h->out && fabs(h->scale - 1) < 1e-9 && !(a->place == CROP && (h->first != 0 || h->last != 1)))
            continue;
        if (h->in == 0)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "axis %d has no elements to resize", h->axis);
        HST_TRY(make_table(c, a, h, &p.t, err));
        dim[h->axis] = h->out;
        HST_TRY(shape_count(rank, dim, &count, err));
        if (!size_mul((size_t)count, size, &bytes)) return error_no_memory(err, SIZE_MAX, "a resized axis");
        HST_TRY(eval_scratch(c, bytes + 1, &p.to, err));
        for (int i = 0; i < rank; i++) *(i < h->axis ? &p.outer : &p.inner) *= i == h->axis ? 1 : dim[i];
        team_run(c->team, (double)count * (double)p.t.taps < 1 << 15 ? 1 : 0, run_pass, &p);
        *data = p.to;
        if (c->runtime->check) HST_TRY(c->runtime->check(c, err));
    }
    return HST_STATUS_OK;
}

static hst_status read_scales(eval_context *c, const args *a, int rank, float *to, hst_error *err) {
    const hst_tensor *t;
    int count;
    if (!given(c->node, a->scales)) {
        HST_TRY(attribute_scales(c->node, rank, to, &count, err));
        if (count || a->scales < 0) return check_count(c->node, "scales", count, a, err);
    }
    HST_TRY(eval_need(c, a->scales, "scales", &t, err));
    if (t->dtype != HST_DTYPE_F32)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "scales are %s", dtype_name(t->dtype));
    HST_TRY(check_count(c->node, "scales", tensor_count(t), a, err));
    for (int k = 0; k < a->count; k++) to[k] = (float)tensor_get_f64(t, k);
    return HST_STATUS_OK;
}

static hst_status read_changes(eval_context *c, const args *a, const hst_tensor *x, change *to, hst_error *err) {
    const hst_tensor *t;
    float scales[HST_RANK_MAX];
    int64_t sizes[HST_RANK_MAX];
    int count;
    if (a->sizes > 0 && eval_in(c, a->sizes) && tensor_count(eval_in(c, a->sizes))) {
        HST_TRY(eval_ints(c, a->sizes, "sizes", sizes, HST_RANK_MAX, &count, err));
        HST_TRY(check_count(c->node, "sizes", count, a, err));
        HST_TRY(fit_sizes(c->node, a, x->dim, sizes, to, err));
    } else {
        HST_TRY(read_scales(c, a, x->rank, scales, err));
        HST_TRY(fit_scales(c->node, a, x->dim, scales, to, err));
    }
    if (a->place != CROP) return HST_STATUS_OK;
    HST_TRY(eval_need(c, a->roi, "roi", &t, err));
    HST_TRY(check_count(c->node, "half of roi", tensor_count(t) / 2, a, err));
    for (int k = 0; k < a->count; k++) {
        to[k].first = tensor_get_f64(t, k);
        to[k].last = tensor_get_f64(t, a->count + k);
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    args a;
    change changes[HST_RANK_MAX];
    int64_t dims[HST_RANK_MAX], at[HST_RANK_MAX];
    const void *data;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(read_args(c->node, x->rank, &a, err));
    HST_TRY(read_changes(c, &a, x, changes, err));
    memcpy(dims, x->dim, sizeof dims);
    memcpy(at, x->dim, sizeof at);
    for (int k = 0; k < a.count; k++) dims[a.axis[k]] = changes[k].out;
    const bool number = dtype_is_float(x->dtype) || dtype_is_integer(x->dtype) || x->dtype == HST_DTYPE_B8;
    if (!number && (a.mode != NEAREST || a.place == CROP))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "elements of type %s cannot be interpolated",
                          dtype_name(x->dtype));
    if (a.mode == NEAREST) {
        void *to, *memory;
        HST_TRY(eval_scratch(c, 64, &memory, err));
        hst_tensor fill = {.dtype = x->dtype, .data = memory, .bytes = 16};
        memset(memory, 0, 64);
        if (a.place == CROP) tensor_set_f64(&fill, 0, a.extrapolation);
        HST_TRY(move_in(c, x, &data, err));
        HST_TRY(move_out(c, 0, x->dtype, x->rank, dims, &y, &to, err));
        if (tensor_count(y) == 0) return HST_STATUS_OK;
        HST_TRY(resize(c, &a, changes, x->rank, at, move_size(x->dtype), memory, &data, err));
        memcpy(to, data, (size_t)tensor_count(y) * move_size(x->dtype));
        return move_done(y, to, err);
    }
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, dims, &y, err));
    const int64_t count = tensor_count(x), out = tensor_count(y);
    void *wide;
    if (out == 0) return HST_STATUS_OK;
    HST_TRY(eval_scratch(c, (size_t)count * sizeof(double) + 1, &wide, err));
    convert_to_f64(x->dtype, x->data, 0, wide, count);
    data = wide;
    HST_TRY(resize(c, &a, changes, x->rank, at, sizeof(double), &a.extrapolation, &data, err));
    if (!dtype_is_float(x->dtype)) { /* half to even; setting an element saturates */
        const double most =
            x->dtype == HST_DTYPE_B8 ? 1 : ldexp(1, dtype_bits(x->dtype) - dtype_is_signed(x->dtype)) - 1;
        const double least = dtype_is_signed(x->dtype) ? -most - 1 : 0;
        double *v = data == wide ? wide : (double *)(uintptr_t)data;
        for (int64_t i = 0; i < out; i++) v[i] = rint(v[i] < least ? least : v[i] > most ? most : v[i]);
    }
    convert_from_f64(x->dtype, data, y->data, 0, out);
    return HST_STATUS_OK;
}

// clang-format off
static const op_case resize_cases[] = {
    {"nearest", 0, "(f32[2,2]{1 2 3 4}, _, f32[2]{1 2}; mode=\"nearest\") -> (f32[2,4]{1 1 2 2 3 3 4 4})", 0},
    {"nearest, ceil", 0, "(s64[4]{1 2 3 4}, _, f32[1]{0.5}; nearest_mode=\"ceil\") -> (s64[2]{2 4})", 0},
    {"nearest, opset 10", 10, "(f32[1,4]{1 2 3 4}, f32[2]{1 0.6}) -> (f32[1,2]{1 3})", 0},
    {"strings", 0, "(string[2]{\"a\" \"b\"}, _, _, s64[1]{3}; coordinate_transformation_mode=\"asymmetric\", nearest_mode=\"floor\") -> (string[3]{\"a\" \"a\" \"b\"})", 0},
    {"linear", 0, "(f32[2]{1 3}, _, f32[1]{2}; mode=\"linear\") -> (f32[4]{1 1.5 2.5 3})", 0},
    {"align_corners", 11, "(f32[2]{1 3}, f32[0]{}, f32[1]{1.5}; mode=\"linear\", coordinate_transformation_mode=\"align_corners\") -> (f32[3]{1 2 3})", 0},
    {"sizes", 0, "(f32[1,2]{0 2}, _, _, s64[2]{1 3}; mode=\"linear\", coordinate_transformation_mode=\"align_corners\") -> (f32[1,3]{0 1 2})", 0},
    {"cubic", 0, "(f32[4]{1 2 3 4}, _, f32[1]{0.5}; mode=\"cubic\") -> (f32[2]{1.40625 3.59375})", 1e-6},
    {"antialias", 18, "(f32[4]{1 2 3 4}, _, f32[1]{0.5}; mode=\"linear\", antialias=1) -> (f32[2]{1.625 3.375})", 1e-6},
    {"crop", 0, "(f32[3]{1 2 3}, f32[2]{0 1.5}, _, s64[1]{4}; mode=\"linear\", coordinate_transformation_mode=\"tf_crop_and_resize\", extrapolation_value=9.0) -> (f32[4]{1 2 3 9})", 0},
    {"axes, not_larger", 18, "(f32[2,2]{1 2 3 4}, _, _, s64[2]{4 8}; axes=[1,0], keep_aspect_ratio_policy=\"not_larger\") -> (f32[4,4]{1 1 2 2 1 1 2 2 3 3 4 4 3 3 4 4})", 0},
    {"u8 rounds", 0, "(u8[2]{0 255}, _, _, s64[1]{3}; mode=\"linear\", coordinate_transformation_mode=\"align_corners\") -> (u8[3]{0 128 255})", 0},
    {0}};
static const op_case upsample_cases[] = {
    {"version 9", 9, "(f32[1,2]{1 2}, f32[2]{2 2}) -> (f32[2,4]{1 1 2 2 1 1 2 2})", 0},
    {"version 7", 7, "(f32[2]{1 3}; scales=[2.0], mode=\"linear\") -> (f32[4]{1 2 3 3})", 0},
    {"version 1", 1, "(f32[1,1,1,2]{1 3}; width_scale=2.0, height_scale=1.0) -> (f32[1,1,1,4]{1 1 3 3})", 0},
    {"version 1, scales given", 1, "(f32[2]{1 3}, f32[1]{2}) -> (f32[4]{1 1 3 3})", 0},
    {0}};

HST_OP(Resize) = {.name = "Resize", .domain = "", .since = 10, .min_in = 1, .max_in = 4, .min_out = 1, .max_out = 1,
    .infer = infer, .eval = eval, .summary = "resizes axes by interpolation", HST_CASES(resize_cases)};
HST_OP(Upsample) = {.name = "Upsample", .domain = "", .since = 1, .min_in = 1, .max_in = 2, .min_out = 1, .max_out = 1,
    .infer = infer, .eval = eval, .summary = "enlarges axes (Resize since opset 10)", HST_CASES(upsample_cases)};
// clang-format on
