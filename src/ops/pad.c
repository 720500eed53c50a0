/* Pad: on each axis begin elements before and end after the input, negative ones cut away. What stands there: a
 * constant, the mirrored input without its edge (reflect), the edge, or the input again (wrap). Pads are an attribute
 * before version 11, an input since; since 18 they may name their axes. */
#include <string.h>

#include "base/checked.h"
#include "kernels/copy/copy.h"
#include "ops/op.h"

typedef enum pad_mode { CONSTANT, REFLECT, EDGE, WRAP } pad_mode;

typedef struct args {
    pad_mode mode;
    int64_t begin[HST_RANK_MAX], end[HST_RANK_MAX];
} args;

static hst_status read_mode(const node *n, pad_mode *mode, hst_error *err) {
    static const char *const names[] = {"constant", "reflect", "edge", "wrap"};
    const char *name = node_string(n, "mode", "constant");
    for (int k = 0; k < 4; k++) {
        if (strcmp(name, names[k]) != 0) continue;
        *mode = (pad_mode)k;
        return HST_STATUS_OK;
    }
    return node_error(n, err, HST_STATUS_BAD_FORMAT, "mode '%s' is not constant, reflect, edge or wrap", name);
}

static hst_status place(const node *n, const int64_t *pads, int n_pads, const int64_t *axes, int n_axes, int rank,
                        args *a, hst_error *err) {
    int count = n_axes >= 0 ? n_axes : rank;
    int axis[HST_RANK_MAX];
    if (n_pads != 2 * count)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%d pads for %d axes, should be twice as many", n_pads, count);
    HST_TRY(axes_read(n, n_axes >= 0 ? axes : NULL, count, rank, axis, NULL, err));
    for (int k = 0; k < rank; k++) a->begin[k] = a->end[k] = 0;
    for (int k = 0; k < count; k++) {
        a->begin[axis[k]] = pads[k];
        a->end[axis[k]] = pads[count + k];
    }
    return HST_STATUS_OK;
}

static hst_status out_length(const node *n, const args *a, int axis, int64_t length, int64_t *out, hst_error *err) {
    int64_t most = INT64_MAX / 2; /* so that a pad may be negated */
    if (a->begin[axis] < -most || a->end[axis] < -most || !s64_add(length, a->begin[axis], out) ||
        !s64_add(*out, a->end[axis], out) || *out < 0)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "pads %lld and %lld on axis %d of length %lld",
                          (long long)a->begin[axis], (long long)a->end[axis], axis, (long long)length);
    return HST_STATUS_OK;
}

static const char *attribute_name(const node *n) {
    return n->opset >= 2 ? "pads" : "paddings";
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    const node *n = c->node;
    args a;
    int64_t pads[2 * HST_RANK_MAX], axes[HST_RANK_MAX];
    const int64_t *attribute;
    y->dtype = x->dtype;
    y->rank = x->rank;
    HST_TRY(read_mode(n, &a.mode, err));
    if (x->rank < 0) return HST_STATUS_OK;
    for (int k = 0; k < x->rank; k++) y->dim[k] = dim_symbol(c->model, "");
    int n_axes = -1, n_pads;
    int64_t more;
    if (n->opset >= 11) {
        bool named = n->n_in > 3 && n->in[3];
        n_pads = infer_ints(c, 1, pads, 2 * HST_RANK_MAX);
        if (named && (n_axes = infer_ints(c, 3, axes, HST_RANK_MAX)) < 0) return HST_STATUS_OK;
    } else {
        n_pads = node_ints(n, attribute_name(n), &attribute);
        for (int k = 0; k < n_pads && k < 2 * HST_RANK_MAX; k++) pads[k] = attribute[k];
    }
    if (n_pads < 0 || n_pads > 2 * HST_RANK_MAX) return HST_STATUS_OK;
    HST_TRY(place(n, pads, n_pads, axes, n_axes, x->rank, &a, err));
    for (int k = 0; k < x->rank; k++) {
        if (x->dim[k] >= 0)
            HST_TRY(out_length(n, &a, k, x->dim[k], &y->dim[k], err));
        else if (s64_add(a.begin[k], a.end[k], &more))
            y->dim[k] = dim_sum(c->model, x->dim[k], more);
    }
    return HST_STATUS_OK;
}

static hst_status read_args(const eval_context *c, const hst_tensor *x, args *a, hst_error *err) {
    const node *n = c->node;
    const int64_t *attribute;
    int64_t pads[2 * HST_RANK_MAX], axes[HST_RANK_MAX];
    int n_pads = 0, n_axes = -1;
    HST_TRY(read_mode(n, &a->mode, err));
    if (n->opset < 11) {
        n_pads = node_ints(n, attribute_name(n), &attribute);
        return place(n, attribute, n_pads, NULL, -1, x->rank, a, err);
    }
    HST_TRY(eval_ints(c, 1, "pads", pads, 2 * HST_RANK_MAX, &n_pads, err));
    if (n->opset >= 18 && eval_in(c, 3)) HST_TRY(eval_ints(c, 3, "axes", axes, HST_RANK_MAX, &n_axes, err));
    return place(n, pads, n_pads, axes, n_axes, x->rank, a, err);
}

/* The element that fills; `space` has room for one. */
static hst_status fill_value(eval_context *c, hst_dtype d, void *space, const void **value, hst_error *err) {
    static const hst_string empty = {"", 0};
    hst_tensor one = {.dtype = d, .rank = 0, .data = space, .bytes = 16};
    memset(space, 0, 16);
    *value = d == HST_DTYPE_STRING ? (const void *)&empty : space;
    if (c->node->opset < 11) {
        float x = node_float(c->node, "value", 0);
        if (x != 0) tensor_set_f64(&one, 0, (double)x);
        return HST_STATUS_OK;
    }
    const hst_tensor *t = eval_in(c, 2);
    if (!t) return HST_STATUS_OK;
    if (t->dtype != d || tensor_count(t) != 1)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "constant_value is %s with %lld elements, should be one %s", dtype_name(t->dtype),
                          (long long)tensor_count(t), dtype_name(d));
    return move_in(c, t, value, err);
}

/* Which of the kept elements [0, length) stands at place i, i < 0 before them; -1: the constant. */
static int64_t source(pad_mode mode, int64_t i, int64_t length) {
    if (i >= 0 && i < length) return i;
    if (mode == CONSTANT || length == 0) return -1;
    if (mode == EDGE) return i < 0 ? 0 : length - 1;
    int64_t period = mode == WRAP ? length : length == 1 ? 1 : 2 * (length - 1);
    i %= period;
    if (i < 0) i += period;
    return i < length ? i : period - i;
}

/* Per axis, where each output place comes from, in elements of the input; -1: the constant. */
static hst_status make_maps(eval_context *c, const hst_tensor *x, const int64_t *dims, const args *a, int64_t **map,
                            hst_error *err) {
    int64_t stride[HST_RANK_MAX];
    move_strides(x->rank, x->dim, stride);
    for (int k = 0; k < x->rank; k++) {
        int64_t cut = a->begin[k] < 0 ? -a->begin[k] : 0, kept = x->dim[k] - cut + (a->end[k] < 0 ? a->end[k] : 0);
        int64_t before = a->begin[k] > 0 ? a->begin[k] : 0;
        void *memory;
        if (kept <= 0 && dims[k] > 0 && a->mode != CONSTANT)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "nothing to pad axis %d from", k);
        HST_TRY(eval_scratch(c, (size_t)dims[k] * sizeof(int64_t), &memory, err));
        map[k] = memory;
        for (int64_t i = 0; i < dims[k]; i++) {
            int64_t from = source(a->mode, i - before, kept < 0 ? 0 : kept);
            map[k][i] = from < 0 ? -1 : (from + cut) * stride[k];
        }
    }
    return HST_STATUS_OK;
}

typedef struct filler {
    int rank;
    size_t size;
    const int64_t *dims;
    int64_t *map[HST_RANK_MAX];
    const char *from;
    const void *value;
} filler;

/* Axis k and those inside it; `at`: the input's place so far, -1 where the constant stands. Returns the next output. */
static char *fill_axis(const filler *f, int k, int64_t at, char *to) {
    if (at < 0) {
        int64_t n = 1;
        for (int j = k; j < f->rank; j++) n *= f->dims[j];
        copy_fill(to, f->value, f->size, n);
        return to + (size_t)n * f->size;
    }
    if (k == f->rank) {
        memcpy(to, f->from + (size_t)at * f->size, f->size);
        return to + f->size;
    }
    for (int64_t i = 0; i < f->dims[k];) {
        int64_t step = f->map[k][i], run = 1;
        if (k == f->rank - 1) { /* consecutive elements at once */
            while (i + run < f->dims[k] && f->map[k][i + run] == (step < 0 ? step : step + run)) run++;
            if (step < 0)
                copy_fill(to, f->value, f->size, run);
            else
                memcpy(to, f->from + (size_t)(at + step) * f->size, (size_t)run * f->size);
            to += (size_t)run * f->size;
        } else {
            to = fill_axis(f, k + 1, step < 0 ? -1 : at + step, to);
        }
        i += run;
    }
    return to;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    const void *from;
    void *to;
    args a;
    int64_t dims[HST_RANK_MAX];
    unsigned char space[16] __attribute__((aligned(16)));
    HST_TRY(eval_need(c, 0, "data", &x, err));
    HST_TRY(read_args(c, x, &a, err));
    for (int k = 0; k < x->rank; k++) HST_TRY(out_length(c->node, &a, k, x->dim[k], &dims[k], err));
    filler f = {.rank = x->rank, .size = move_size(x->dtype), .dims = dims};
    HST_TRY(fill_value(c, x->dtype, space, &f.value, err));
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, x->rank, dims, &y, &to, err));
    if (tensor_count(y)) {
        HST_TRY(make_maps(c, x, dims, &a, f.map, err));
        f.from = from;
        fill_axis(&f, 0, 0, to);
    }
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"constant", 0, "(f32[3,2]{1 1.2 2.3 3.4 4.5 5.7}, s64[4]{0 2 0 0}) -> (f32[3,4]{0 0 1 1.2 0 0 2.3 3.4 0 0 4.5 5.7})", 0},
    {"constant value", 11, "(s32[2]{1 2}, s64[2]{1 2}, s32[]{9}) -> (s32[5]{9 1 2 9 9})", 0},
    {"three of a value", 0, "(s16[2,1]{1 2}, s64[4]{0 1 1 3}, s16[]{258}) -> (s16[3,5]{258 1 258 258 258 258 2 258 258 258 258 258 258 258 258})", 0},
    {"reflect", 0, "(f32[3,2]{1 1.2 2.3 3.4 4.5 5.7}, s64[4]{0 2 0 0}; mode=\"reflect\") -> (f32[3,4]{1 1.2 1 1.2 2.3 3.4 2.3 3.4 4.5 5.7 4.5 5.7})", 0},
    {"reflect further than the length", 0, "(s64[3]{1 2 3}, s64[2]{5 1}; mode=\"reflect\") -> (s64[9]{2 1 2 3 2 1 2 3 2})", 0},
    {"edge", 0, "(f32[2,2]{1 2 3 4}, s64[4]{1 0 0 1}; mode=\"edge\") -> (f32[3,3]{1 2 2 1 2 2 3 4 4})", 0},
    {"wrap", 19, "(f32[3,2]{1 2 3 4 5 6}, s64[4]{2 1 1 1}; mode=\"wrap\") -> (f32[6,4]{4 3 4 3 6 5 6 5 2 1 2 1 4 3 4 3 6 5 6 5 2 1 2 1})", 0},
    {"negative pads cut", 0, "(s64[5]{1 2 3 4 5}, s64[2]{-1 -2}) -> (s64[2]{2 3})", 0},
    {"cut and fill", 0, "(s64[3]{1 2 3}, s64[2]{-2 2}) -> (s64[3]{3 0 0})", 0},
    {"axes", 18, "(f32[1,2]{1 2}, s64[2]{1 1}, f32[]{7}, s64[1]{-1}) -> (f32[1,4]{7 1 2 7})", 0},
    {"axes s32", 0, "(f32[1,2]{1 2}, s64[2]{0 1}, _, s32[1]{0}) -> (f32[2,2]{1 2 0 0})", 0},
    {"attribute form", 2, "(f32[1,2]{1 2}; pads=[0,1,0,0], value=0.5) -> (f32[1,3]{0.5 1 2})", 0},
    {"version 1", 1, "(f32[1,2]{1 2}; paddings=[0,1,0,0], mode=\"edge\") -> (f32[1,3]{1 1 2})", 0},
    {"of nothing", 0, "(f32[0,1]{}, s64[4]{1 0 0 1}, f32[]{3}) -> (f32[1,2]{3 3})", 0},
    {"scalar", 0, "(f32[]{3}, s64[0]{}) -> (f32[]{3})", 0},
    {"strings", 0, "(string[1]{\"a\"}, s64[2]{1 0}) -> (string[2]{\"\" \"a\"})", 0},
    {"s4", 24, "(s4[2]{1 -2}, s64[2]{0 1}, s4[]{-8}) -> (s4[3]{1 -2 -8})", 0},
    {0},
};
// clang-format on

HST_OP(Pad) = {
    .name = "Pad",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "adds or cuts elements at the ends of axes",
    HST_CASES(cases),
};
