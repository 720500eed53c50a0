/* Flatten: a matrix [d_0 … d_(axis-1), d_axis … d_(r-1)] of the same elements. */
#include "ops/op.h"

/* axis may equal the rank: then the second dimension is 1. */
static hst_status read_axis(const node *n, int rank, int *axis, hst_error *err) {
    int64_t a = node_int(n, "axis", 1);
    *axis = rank;
    return a == rank ? HST_STATUS_OK : axis_normalize(n, a, rank, axis, err);
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    int axis;
    y->dtype = x->dtype;
    y->rank = 2;
    y->dim[0] = y->dim[1] = dim_symbol(c->model, "");
    if (x->rank < 0) {
        y->dim[1] = dim_symbol(c->model, "");
        return HST_STATUS_OK;
    }
    HST_TRY(read_axis(c->node, x->rank, &axis, err));
    y->dim[0] = dim_product(c->model, x->dim, axis);
    y->dim[1] = dim_product(c->model, x->dim + axis, x->rank - axis);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    int axis;
    int64_t dims[2];
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(read_axis(c->node, x->rank, &axis, err));
    HST_TRY(shape_count(axis, x->dim, &dims[0], err));
    HST_TRY(shape_count(x->rank - axis, x->dim + axis, &dims[1], err));
    return eval_alias(c, 0, 0, 2, dims, err);
}

static const op_case cases[] = {
    {"axis 1", 0, "(f32[2,2,2]{1 2 3 4 5 6 7 8}) -> (f32[2,4]{1 2 3 4 5 6 7 8})", 0},
    {"axis 0", 0, "(f32[2,2]{1 2 3 4}; axis=0) -> (f32[1,4]{1 2 3 4})", 0},
    {"axis is the rank", 0, "(f32[2,2]{1 2 3 4}; axis=2) -> (f32[4,1]{1 2 3 4})", 0},
    {"negative axis", 11, "(f32[2,2,2]{1 2 3 4 5 6 7 8}; axis=-1) -> (f32[4,2]{1 2 3 4 5 6 7 8})", 0},
    {"scalar", 0, "(f32[]{3}; axis=0) -> (f32[1,1]{3})", 0},
    {"empty", 0, "(f32[2,0,3]{}; axis=2) -> (f32[0,3]{})", 0},
    {0},
};

HST_OP(Flatten) = {
    .name = "Flatten",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "a matrix of the same elements",
    HST_CASES(cases),
};
