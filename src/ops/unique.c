/* Unique: the different elements (or, with an axis, the different slices) of X, sorted or by first occurrence; where
 * each first stood, which of them each one of X is, and how many there are of each. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/op.h"
#include "tensor/strings.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    int axis;
    dim count = dim_symbol(c->model, "");
    y->dtype = x->dtype;
    for (int i = 1; i < c->n_out; i++) c->out[i] = type_make(HST_DTYPE_S64, 1, &count);
    if (!node_attribute(c->node, "axis")) {
        *y = type_make(x->dtype, 1, &count);
        if (c->n_out > 2)
            c->out[2].dim[0] = x->rank < 0 ? dim_symbol(c->model, "") : dim_product(c->model, x->dim, x->rank);
        return HST_STATUS_OK;
    }
    if (c->n_out > 2) c->out[2].dim[0] = dim_symbol(c->model, "");
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err));
    *y = *x;
    y->dim[axis] = count;
    if (c->n_out > 2) c->out[2].dim[0] = x->dim[axis];
    return HST_STATUS_OK;
}

/* One slice of X: element (o, i) stands at place o · length · inner + index · inner + i. */
typedef struct slice {
    const struct slices *of;
    int64_t index;
} slice;

typedef struct slices {
    const hst_tensor *x;
    int64_t outer, length, inner;
} slices;

static int compare_reals(double p, double q) {
    if (isnan(p) || isnan(q)) return isnan(p) - isnan(q);
    return (p > q) - (p < q);
}

/* Numbers ascending, NaN last and equal to itself; complex ones by their real part, then by the other. */
static int compare_elements(const hst_tensor *x, int64_t a, int64_t b) {
    if (x->dtype == HST_DTYPE_STRING)
        return string_compare((const hst_string *)x->data + a, (const hst_string *)x->data + b);
    if (dtype_is_float(x->dtype)) return compare_reals(tensor_get_f64(x, a), tensor_get_f64(x, b));
    if (dtype_part(x->dtype)) {
        const int real = compare_reals(tensor_get_part(x, 2 * a), tensor_get_part(x, 2 * b));
        return real ? real : compare_reals(tensor_get_part(x, 2 * a + 1), tensor_get_part(x, 2 * b + 1));
    }
    int64_t p = tensor_get_s64(x, a), q = tensor_get_s64(x, b);
    if (x->dtype == HST_DTYPE_U64) return ((uint64_t)p > (uint64_t)q) - ((uint64_t)p < (uint64_t)q);
    return (p > q) - (p < q);
}

static int compare_slices(const slices *s, int64_t a, int64_t b) {
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t i = 0; i < s->inner; i++) {
            int64_t base = o * s->length * s->inner + i;
            int order = compare_elements(s->x, base + a * s->inner, base + b * s->inner);
            if (order) return order;
        }
    return 0;
}

/* Equal slices by place: the first of a group is its first occurrence. */
static int by_value(const void *a, const void *b) {
    const slice *p = a, *q = b;
    int order = compare_slices(p->of, p->index, q->index);
    return order ? order : (p->index > q->index) - (p->index < q->index);
}

typedef struct group {
    int64_t first, count, number; /* number: in sorted order */
} group;

static int by_first(const void *a, const void *b) {
    const group *p = a, *q = b;
    return (p->first > q->first) - (p->first < q->first);
}

/* Groups in output order; which[k] is the output place of sorted group k. */
static hst_status find_groups(eval_context *c, const slices *s, int64_t *inverse, group **groups, int64_t *n,
                              hst_error *err) {
    void *memory, *list, *which;
    size_t most = (size_t)s->length;
    HST_TRY(eval_scratch(c, most * sizeof(slice), &memory, err));
    HST_TRY(eval_scratch(c, most * sizeof(group), &list, err));
    HST_TRY(eval_scratch(c, most * sizeof(int64_t), &which, err));
    slice *sorted = memory;
    group *g = list;
    int64_t *place = which;
    for (int64_t i = 0; i < s->length; i++) sorted[i] = (slice){s, i};
    if (most > 1) qsort(sorted, most, sizeof *sorted, by_value);
    *n = 0;
    for (int64_t i = 0; i < s->length; i++) {
        if (i == 0 || compare_slices(s, sorted[i - 1].index, sorted[i].index) != 0) {
            g[*n] = (group){sorted[i].index, 0, *n};
            (*n)++;
        }
        g[*n - 1].count++;
        inverse[sorted[i].index] = *n - 1;
    }
    if (!node_int(c->node, "sorted", 1) && *n > 1) qsort(g, (size_t)*n, sizeof *g, by_first);
    for (int64_t k = 0; k < *n; k++) place[g[k].number] = k;
    for (int64_t i = 0; i < s->length; i++) inverse[i] = place[inverse[i]];
    *groups = g;
    return HST_STATUS_OK;
}

static hst_status give_numbers(eval_context *c, const group *g, int64_t n, const int64_t *inverse, int64_t length,
                               hst_error *err) {
    hst_tensor *y;
    for (int i = 1; i < 4; i++) {
        if (!eval_wants(c, i)) continue;
        int64_t count = i == 2 ? length : n;
        HST_TRY(eval_output(c, i, HST_DTYPE_S64, 1, &count, &y, err));
        int64_t *to = y->data;
        for (int64_t k = 0; k < count; k++) to[k] = i == 1 ? g[k].first : i == 2 ? inverse[k] : g[k].count;
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    const void *from;
    void *to, *inverse;
    int axis = 0, rank = 1;
    int64_t dims[HST_RANK_MAX], n;
    group *g;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    slices s = {x, 1, tensor_count(x), 1};
    dims[0] = s.length;
    if (node_attribute(c->node, "axis")) {
        HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err));
        rank = x->rank;
        memcpy(dims, x->dim, sizeof dims);
        s.length = x->dim[axis];
        if (tensor_count(x) == 0 && s.length) /* then all slices are equal, and of no elements */
            s.outer = 0;
        for (int k = 0; k < axis; k++) s.outer *= s.outer ? x->dim[k] : 0;
        for (int k = axis + 1; k < rank && s.outer; k++) s.inner *= x->dim[k];
    }
    HST_TRY(eval_scratch(c, (size_t)s.length * sizeof(int64_t), &inverse, err));
    HST_TRY(find_groups(c, &s, inverse, &g, &n, err));
    dims[axis] = n;
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, rank, dims, &y, &to, err));
    size_t run = move_size(x->dtype) * (size_t)s.inner;
    char *at = to;
    for (int64_t o = 0; o < s.outer && tensor_count(y); o++)
        for (int64_t k = 0; k < n; k++, at += run)
            memcpy(at, (const char *)from + (size_t)(o * s.length + g[k].first) * run, run);
    HST_TRY(move_done(y, to, err));
    return give_numbers(c, g, n, inverse, s.length, err);
}

// clang-format off
static const op_case cases[] = {
    {"sorted", 0, "(f32[6]{2 1 1 3 4 3}) -> (f32[4]{1 2 3 4}, s64[4]{1 0 3 4}, s64[6]{1 0 0 2 3 2}, s64[4]{2 1 2 1})", 0},
    {"by first occurrence", 11, "(s64[6]{2 1 1 3 4 3}; sorted=0) -> (s64[4]{2 1 3 4}, s64[4]{0 1 3 4}, s64[6]{0 1 1 2 3 2}, s64[4]{1 2 2 1})", 0},
    {"flattened", 0, "(s32[2,2]{1 3 2 3}) -> (s32[3]{1 2 3}, _, s64[4]{0 2 1 2})", 0},
    {"axis 0", 0, "(f32[3,3]{1 0 0 1 0 0 2 3 4}; axis=0) -> (f32[2,3]{1 0 0 2 3 4}, s64[2]{0 2}, s64[3]{0 0 1}, s64[2]{2 1})", 0},
    {"axis 1", 0, "(f32[2,4,2]{1 1 0 1 2 1 0 1}; sorted=1, axis=1) -> (f32[2,3,2]{0 1 1 1 2 1}, s64[3]{1 0 2}, s64[4]{1 0 2 0}, s64[3]{2 1 1})", 0},
    {"nothing", 0, "(f32[0]{}) -> (f32[0]{}, s64[0]{}, s64[0]{}, s64[0]{})", 0},
    {"complex", 0, "(c64[4]{2 1 1 5 1 -5 2 1}) -> (c64[3]{1 -5 1 5 2 1}, s64[3]{2 1 0}, s64[4]{2 1 0 2}, s64[3]{1 1 2})", 0},
    {"strings", 0, "(string[3]{\"b\" \"a\" \"b\"}; axis=-1) -> (string[2]{\"a\" \"b\"}, s64[2]{1 0})", 0},
    {0},
};
// clang-format on

HST_OP(Unique) = {
    .name = "Unique",
    .domain = "",
    .since = 11,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 4,
    .infer = infer,
    .eval = eval,
    .summary = "different elements or slices",
    HST_CASES(cases),
};
