/* Slice: on each named axis the elements start, start + step, … before end. Negative numbers count from the end, then
 * they are clamped: with a negative step a start before the axis is its first element, where Python's would be none.
 * starts, ends and axes are attributes before version 10, inputs since, with steps. */
#include <string.h>

#include "ops/op.h"

typedef struct args { /* by axis of the input; what is not named is whole */
    bool named[HST_RANK_MAX];
    int64_t start[HST_RANK_MAX], end[HST_RANK_MAX], step[HST_RANK_MAX];
} args;

typedef struct lists {
    int64_t starts[HST_RANK_MAX], ends[HST_RANK_MAX], axes[HST_RANK_MAX], steps[HST_RANK_MAX];
    int n, n_ends, n_axes, n_steps; /* -1: absent */
} lists;

static hst_status place(const node *n, const lists *l, int rank, args *a, hst_error *err) {
    *a = (args){{false}, {0}, {0}, {0}};
    if (l->n != l->n_ends || (l->n_axes >= 0 && l->n_axes != l->n) || (l->n_steps >= 0 && l->n_steps != l->n))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%d starts, %d ends, %d axes, %d steps (-1: none)", l->n,
                          l->n_ends, l->n_axes, l->n_steps);
    int order[HST_RANK_MAX];
    HST_TRY(axes_read(n, l->n_axes >= 0 ? l->axes : NULL, l->n, rank, order, a->named, err));
    for (int k = 0; k < l->n; k++) {
        const int axis = order[k];
        a->start[axis] = l->starts[k];
        a->end[axis] = l->ends[k];
        a->step[axis] = l->n_steps >= 0 ? l->steps[k] : 1;
        if (a->step[axis] == 0) return node_error(n, err, HST_STATUS_BAD_SHAPE, "step 0 on axis %d", axis);
    }
    return HST_STATUS_OK;
}

static int64_t clamp(int64_t a, int64_t low, int64_t high) {
    return a < low ? low : a > high ? high : a;
}

/* The first place taken, how many there are, and the step (cut: a longer one takes the same). */
static void resolve(const args *a, int axis, int64_t length, int64_t *first, int64_t *count, int64_t *step) {
    int64_t start = a->start[axis], end = a->end[axis];
    const int64_t far = length < INT64_MAX ? length + 1 : length;
    *step = clamp(a->step[axis], -far, far);
    if (start < 0) start = start < -length ? -1 : start + length; /* clamped below */
    if (end < 0) end = end < -length ? -1 : end + length;
    if (*step > 0) {
        start = clamp(start, 0, length);
        end = clamp(end, 0, length);
        *count = end > start ? (end - start - 1) / *step + 1 : 0;
    } else {
        start = clamp(start, 0, length - 1);
        end = clamp(end, -1, length - 1);
        *count = length && start > end ? (start - end - 1) / -*step + 1 : 0;
    }
    *first = *count ? start : 0;
}

/* ---- inference ---- */

static int attribute_ints(const node *n, const char *name, int64_t *to) {
    const int64_t *v;
    int count = node_ints(n, name, &v);
    if (count > HST_RANK_MAX) return -2;
    for (int k = 0; k < count; k++) to[k] = v[k];
    return count;
}

static bool given(const infer_context *c, int i) {
    return i < c->n_in && c->node->in[i];
}

/* Unknown starts and ends are noted as the symbols of a content, or DIM_SYMBOL_FIRST + 1 for any number. False: not
 * even the axes are known. */
#define ANYTHING (DIM_SYMBOL_FIRST + 1)

static int infer_list(const infer_context *c, int i, int n, int64_t *to) {
    int count = infer_dims(c, i, to, HST_RANK_MAX);
    if (count >= 0) return count;
    for (int k = 0; k < n; k++) to[k] = ANYTHING;
    return n;
}

static bool infer_lists(const infer_context *c, int rank, lists *l) {
    l->n_axes = l->n_steps = -1;
    if (c->node->opset < 10) {
        l->n = attribute_ints(c->node, "starts", l->starts);
        l->n_ends = attribute_ints(c->node, "ends", l->ends);
        l->n_axes = attribute_ints(c->node, "axes", l->axes);
        return l->n >= 0;
    }
    if (given(c, 3) && (l->n_axes = infer_ints(c, 3, l->axes, HST_RANK_MAX)) < 0) return false;
    const type *t = infer_in(c, 1);
    int n = l->n_axes >= 0 ? l->n_axes : t->rank == 1 && t->dim[0] >= 0 && t->dim[0] <= rank ? (int)t->dim[0] : -1;
    l->n = infer_list(c, 1, n, l->starts);
    l->n_ends = infer_list(c, 2, l->n, l->ends);
    if (l->n < 0 || l->n_ends < 0) return false;
    if (given(c, 4)) l->n_steps = infer_list(c, 4, l->n, l->steps);
    return true;
}

static bool known_number(int64_t d) {
    return d != ANYTHING && !dim_is_symbol(d);
}

#define FAR ((int64_t)INT32_MAX) /* exporters write the end of an axis as this or more */

/* A start or end counted from the front; false where it cannot be told whether it is counted from the end. */
static bool from_front(infer_context *c, dim length, dim *at) {
    if (known_number(*at) && *at >= FAR) *at = length;
    if (known_number(*at) && *at < 0) *at = *at <= -FAR ? 0 : dim_max(c->model, dim_sum(c->model, length, *at), 0);
    return dim_is_length(c->model, *at);
}

/* The length of what is taken, where it can be proved. */
static dim taken(infer_context *c, const args *a, int axis, dim length) {
    int64_t start = a->start[axis], end = a->end[axis], step = a->step[axis], first, count;
    if (length >= 0 && known_number(start) && known_number(end) && known_number(step)) {
        resolve(a, axis, length, &first, &count, &step);
        return count;
    }
    if (step == -1 && (start == -1 || (known_number(start) && start >= FAR)) && known_number(end) && end <= -FAR)
        return length;
    if (start == ANYTHING || end == ANYTHING || !known_number(step) || step < 1) return dim_symbol(c->model, "");
    const bool last = known_number(start) && start < 0 && start > -FAR; /* as many as that, from the end */
    const dim few = last ? dim_min(c->model, length, -start) : 0;
    if (!from_front(c, length, &start) || !from_front(c, length, &end)) return dim_symbol(c->model, "");
    /* a start behind the end of the axis is behind that of the slice too: it needs no limit */
    const dim until = dim_min(c->model, end, length);
    const dim span = last && until == length ? few : dim_max(c->model, dim_difference(c->model, until, start), 0);
    return step == 1 ? span : dim_floor(c->model, dim_sum(c->model, span, step - 1), step);
}

static void infer_slice_content(infer_context *c, const args *a) {
    dim from[CONTENT_MOST], to[CONTENT_MOST];
    int n = infer_dims(c, 0, from, CONTENT_MOST);
    if (n < 0 || !a->named[0]) {
        if (n >= 0) infer_content(c, 0, from, n);
        return;
    }
    if (!known_number(a->start[0]) || !known_number(a->end[0]) || !known_number(a->step[0])) return;
    int64_t first, count, step;
    resolve(a, 0, n, &first, &count, &step);
    for (int64_t k = 0; k < count; k++) to[k] = from[first + k * step];
    infer_content(c, 0, to, (int)count);
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    lists l;
    args a;
    y->dtype = x->dtype;
    y->rank = x->rank;
    if (x->rank < 0) return HST_STATUS_OK;
    if (!infer_lists(c, x->rank, &l)) {
        for (int k = 0; k < x->rank; k++) y->dim[k] = dim_symbol(c->model, "");
        return HST_STATUS_OK;
    }
    HST_TRY(place(c->node, &l, x->rank, &a, err));
    for (int k = 0; k < x->rank; k++) y->dim[k] = a.named[k] ? taken(c, &a, k, x->dim[k]) : x->dim[k];
    if (x->rank == 1) infer_slice_content(c, &a);
    return HST_STATUS_OK;
}

/* ---- evaluation ---- */

static hst_status read_lists(const eval_context *c, lists *l, hst_error *err) {
    l->n_axes = l->n_steps = -1;
    if (c->node->opset < 10) {
        l->n = attribute_ints(c->node, "starts", l->starts);
        l->n_ends = attribute_ints(c->node, "ends", l->ends);
        l->n_axes = attribute_ints(c->node, "axes", l->axes);
        return l->n >= 0 && l->n_ends >= 0 && l->n_axes > -2
                   ? HST_STATUS_OK
                   : node_error(c->node, err, HST_STATUS_BAD_FORMAT, "starts or ends missing, or longer than %d",
                                HST_RANK_MAX);
    }
    HST_TRY(eval_ints(c, 1, "starts", l->starts, HST_RANK_MAX, &l->n, err));
    HST_TRY(eval_ints(c, 2, "ends", l->ends, HST_RANK_MAX, &l->n_ends, err));
    if (eval_in(c, 3)) HST_TRY(eval_ints(c, 3, "axes", l->axes, HST_RANK_MAX, &l->n_axes, err));
    if (eval_in(c, 4)) HST_TRY(eval_ints(c, 4, "steps", l->steps, HST_RANK_MAX, &l->n_steps, err));
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    const void *from;
    void *to;
    lists l;
    args a;
    HST_TRY(eval_need(c, 0, "data", &x, err));
    HST_TRY(read_lists(c, &l, err));
    HST_TRY(place(c->node, &l, x->rank, &a, err));
    int64_t dims[HST_RANK_MAX], from_stride[HST_RANK_MAX], to_stride[HST_RANK_MAX], offset = 0;
    bool whole = true;
    move_strides(x->rank, x->dim, from_stride);
    for (int k = 0; k < x->rank; k++) {
        int64_t first = 0, step = 1;
        dims[k] = x->dim[k];
        if (a.named[k]) resolve(&a, k, x->dim[k], &first, &dims[k], &step);
        whole &= dims[k] == x->dim[k] && (step == 1 || dims[k] <= 1);
        offset += first * from_stride[k];
        from_stride[k] *= step;
    }
    if (whole) return eval_alias(c, 0, 0, x->rank, dims, err);
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, x->rank, dims, &y, &to, err));
    move_strides(x->rank, dims, to_stride);
    if (tensor_count(y))
        move_copy(c, move_size(x->dtype), x->rank, dims, to, to_stride,
                  (const char *)from + (size_t)offset * move_size(x->dtype), from_stride);
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"two axes", 0, "(f32[3,4]{1 2 3 4 5 6 7 8 9 10 11 12}, s64[2]{1 0}, s64[2]{3 2}) -> (f32[2,2]{5 6 9 10})", 0},
    {"attribute form", 1, "(f32[2,4]{1 2 3 4 5 6 7 8}; axes=[0,1], starts=[1,0], ends=[2,3]) -> (f32[1,3]{5 6 7})", 0},
    {"attribute form, no axes", 9, "(f32[2,4]{1 2 3 4 5 6 7 8}; starts=[0,1], ends=[-1,1000]) -> (f32[1,3]{2 3 4})", 0},
    {"steps", 10, "(f32[2,4]{1 2 3 4 5 6 7 8}, s64[2]{1 0}, s64[2]{2 3}, s64[2]{0 1}, s64[2]{1 2}) -> (f32[1,2]{5 7})", 0},
    {"backwards", 0, "(s32[4]{1 2 3 4}, s64[1]{3}, s64[1]{0}, s64[1]{0}, s64[1]{-1}) -> (s32[3]{4 3 2})", 0},
    {"reversal", 0, "(s32[4]{1 2 3 4}, s64[1]{-1}, s64[1]{-9223372036854775808}, s64[1]{0}, s64[1]{-1}) -> (s32[4]{4 3 2 1})", 0},
    {"backwards from far", 0, "(s32[5]{1 2 3 4 5}, s64[1]{100}, s64[1]{-100}, s64[1]{0}, s64[1]{-2}) -> (s32[3]{5 3 1})", 0},
    {"backwards from before the front", 0, "(s32[2]{1 2}, s64[1]{-100}, s64[1]{-200}, s64[1]{0}, s64[1]{-1}) -> (s32[1]{1})", 0},
    {"huge steps", 0, "(s32[3]{1 2 3}, s64[1]{0}, s64[1]{9223372036854775807}, s64[1]{0}, s64[1]{9223372036854775807}) -> (s32[1]{1})", 0},
    {"huge negative step", 0, "(s32[3]{1 2 3}, s64[1]{-1}, s64[1]{-9223372036854775808}, s64[1]{0}, s64[1]{-9223372036854775808}) -> (s32[1]{3})", 0},
    {"no elements, a huge axis", 0, "(f32[0,9223372036854775807]{}, s64[1]{0}, s64[1]{1}, s64[1]{1}, s64[1]{2}) -> (f32[0,1]{})", 0},
    {"start beyond the end", 0, "(f32[2,2]{1 2 3 4}, s64[1]{5}, s64[1]{9}, s64[1]{1}) -> (f32[2,0]{})", 0},
    {"s32 numbers, negative axis", 0, "(f32[2,2]{1 2 3 4}, s32[1]{-1}, s32[1]{2147483647}, s32[1]{-1}) -> (f32[2,1]{2 4})", 0},
    {"whole", 0, "(f32[2]{1 2}, s64[1]{0}, s64[1]{2}, _, s64[1]{1}) -> (f32[2]{1 2})", 0},
    {"of nothing", 0, "(f32[0,2]{}, s64[1]{0}, s64[1]{1}) -> (f32[0,2]{})", 0},
    {"nothing, backwards", 0, "(f32[0]{}, s64[1]{-1}, s64[1]{-5}, s64[1]{0}, s64[1]{-1}) -> (f32[0]{})", 0},
    {"strings", 0, "(string[3]{\"a\" \"b\" \"c\"}, s64[1]{1}, s64[1]{3}) -> (string[2]{\"b\" \"c\"})", 0},
    {"u4", 0, "(u4[5]{1 2 3 4 15}, s64[1]{1}, s64[1]{5}, s64[1]{0}, s64[1]{3}) -> (u4[2]{2 15})", 0},
    {0},
};
// clang-format on

HST_OP(Slice) = {
    .name = "Slice",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 5,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "a part of a tensor, with steps",
    HST_CASES(cases),
};
