/* Concat: inputs joined along one axis; all other dimensions are equal. */
#include "base/checked.h"
#include "ops/op.h"

/* axis defaults to 1 before version 4 and is required since. */
static hst_status read_axis(const node *n, int rank, int *axis, hst_error *err) {
    if (n->opset >= 4 && !node_attribute(n, "axis"))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "attribute 'axis' is missing");
    return axis_normalize(n, node_int(n, "axis", 1), rank, axis, err);
}

/* The joined content; an element that is not known gets a symbol of its own. */
static void infer_concat_content(infer_context *c) {
    dim all[CONTENT_MOST];
    int n = 0, known = 0;
    for (int i = 0; i < c->n_in; i++) {
        const type *t = infer_in(c, i);
        int here = infer_dims(c, i, all + n, CONTENT_MOST - n);
        bool integer = t->dtype == HST_DTYPE_S64 || t->dtype == HST_DTYPE_S32;
        known += here > 0;
        if (here < 0 && (!integer || t->dim[0] < 0 || t->dim[0] > CONTENT_MOST - n)) return;
        for (int k = 0; here < 0 && k < t->dim[0]; k++) all[n + k] = dim_integer(c->model);
        n += here < 0 ? (int)t->dim[0] : here;
    }
    if (known) infer_content(c, 0, all, n);
}

static hst_status infer(infer_context *c, hst_error *err) {
    type *y = &c->out[0];
    int axis = 0;
    bool all_known = true;
    for (int i = 0; i < c->n_in; i++) {
        const type *x = infer_in(c, i);
        if (x->dtype != HST_DTYPE_NONE) {
            if (y->dtype != HST_DTYPE_NONE && y->dtype != x->dtype)
                return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d is %s, one before it %s", i,
                                  dtype_name(x->dtype), dtype_name(y->dtype));
            y->dtype = x->dtype;
        }
        if (x->rank < 0) {
            all_known = false;
            continue;
        }
        if (y->rank < 0) {
            HST_TRY(read_axis(c->node, x->rank, &axis, err));
            y->rank = x->rank;
            for (int k = 0; k < x->rank; k++) y->dim[k] = x->dim[k];
            continue;
        }
        if (x->rank != y->rank)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d has rank %d, one before it %d", i, x->rank,
                              y->rank);
        for (int k = 0; k < x->rank; k++) {
            bool ok = true;
            y->dim[k] =
                k == axis ? dim_sum(c->model, y->dim[k], x->dim[k]) : dim_unify(c->model, y->dim[k], x->dim[k], &ok);
            if (!ok)
                return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d has %lld on axis %d, before it %lld", i,
                                  (long long)x->dim[k], k, (long long)y->dim[k]);
        }
    }
    if (y->rank >= 0 && !all_known) y->dim[axis] = dim_symbol(c->model, "");
    if (y->rank == 1 && all_known) infer_concat_content(c);
    return HST_STATUS_OK;
}

static hst_status out_dims(const eval_context *c, int axis, int64_t *dims, hst_error *err) {
    const hst_tensor *first = c->in[0];
    for (int k = 0; k < first->rank; k++) dims[k] = first->dim[k];
    for (int i = 1; i < c->n_in; i++) {
        const hst_tensor *x;
        HST_TRY(eval_need(c, i, "inputs", &x, err));
        if (x->dtype != first->dtype || x->rank != first->rank)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d is %s of rank %d, the first %s of rank %d",
                              i, dtype_name(x->dtype), x->rank, dtype_name(first->dtype), first->rank);
        for (int k = 0; k < x->rank; k++) {
            if (k == axis ? s64_add(dims[k], x->dim[k], &dims[k]) : dims[k] == x->dim[k]) continue;
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d has %lld on axis %d, the first %lld", i,
                              (long long)x->dim[k], k, (long long)first->dim[k]);
        }
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *first;
    hst_tensor *y;
    void *to;
    int axis;
    int64_t dims[HST_RANK_MAX], from_stride[HST_RANK_MAX], to_stride[HST_RANK_MAX];
    HST_TRY(eval_need(c, 0, "inputs", &first, err));
    HST_TRY(read_axis(c->node, first->rank, &axis, err));
    if (c->n_in == 1) return eval_alias(c, 0, 0, first->rank, first->dim, err);
    HST_TRY(out_dims(c, axis, dims, err));
    size_t size = move_size(first->dtype);
    HST_TRY(move_out(c, 0, first->dtype, first->rank, dims, &y, &to, err));
    move_strides(first->rank, dims, to_stride);
    char *at = to;
    for (int i = 0; i < c->n_in; i++) {
        const hst_tensor *x = c->in[i];
        const void *from;
        if (tensor_count(x) == 0) continue;
        HST_TRY(move_in(c, x, &from, err));
        move_strides(x->rank, x->dim, from_stride);
        move_copy(c, size, x->rank, x->dim, at, to_stride, from, from_stride);
        at += (size_t)(x->dim[axis] * to_stride[axis]) * size;
    }
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"rows", 0, "(f32[1,2]{1 2}, f32[2,2]{3 4 5 6}; axis=0) -> (f32[3,2]{1 2 3 4 5 6})", 0},
    {"columns", 0, "(f32[2,1]{1 4}, f32[2,2]{2 3 5 6}; axis=-1) -> (f32[2,3]{1 2 3 4 5 6})", 0},
    {"three vectors", 4, "(s64[1]{1}, s64[2]{2 3}, s64[1]{4}; axis=0) -> (s64[4]{1 2 3 4})", 0},
    {"version 1, default axis", 1, "(f32[2,1]{1 2}, f32[2,1]{3 4}) -> (f32[2,2]{1 3 2 4})", 0},
    {"one input", 0, "(f32[2]{1 2}; axis=0) -> (f32[2]{1 2})", 0},
    {"an empty one", 0, "(f32[2,0]{}, f32[2,1]{1 2}; axis=1) -> (f32[2,1]{1 2})", 0},
    {"strings", 0, "(string[1]{\"a\"}, string[2]{\"bb\" \"\"}; axis=0) -> (string[3]{\"a\" \"bb\" \"\"})", 0},
    {"s4, odd", 0, "(s4[1,3]{1 2 3}, s4[1,2]{-1 -2}; axis=1) -> (s4[1,5]{1 2 3 -1 -2})", 0},
    {0},
};
// clang-format on

HST_OP(Concat) = {
    .name = "Concat",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = OP_ANY,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "inputs joined along an axis",
    HST_CASES(cases),
};
