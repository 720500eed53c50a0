/* DepthToSpace and SpaceToDepth: blocks of b × b between channels and space. With C = c·b², seen as 6 axes:
 *   DCR: depth [N, b_h, b_w, c, H, W]      CRD: depth [N, c, b_h, b_w, H, W]      space [N, c, H, b_h, W, b_w] */
#include <string.h>

#include "base/checked.h"
#include "ops/op.h"

typedef struct args {
    int64_t block;
    bool crd; /* channel outermost */
} args;

static hst_status read_args(const node *n, int rank, args *a, hst_error *err) {
    const char *mode = node_string(n, "mode", "DCR");
    a->block = node_int(n, "blocksize", 0);
    a->crd = strcmp(mode, "CRD") == 0;
    if (!a->crd && strcmp(mode, "DCR") != 0)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "mode '%s' is not DCR or CRD", mode);
    if (a->block < 1 || a->block > INT32_MAX)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "blocksize %lld", (long long)a->block);
    if (rank != 4) return node_error(n, err, HST_STATUS_BAD_SHAPE, "input has rank %d, 4 is needed", rank);
    return HST_STATUS_OK;
}

static hst_status divide(infer_context *c, dim a, int64_t by, int axis, dim *out, hst_error *err) {
    bool ok;
    *out = dim_quotient(c->model, &a, 1, &by, 1, &ok);
    if (ok) return HST_STATUS_OK;
    return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "axis %d of length %lld is no multiple of %lld", axis,
                      (long long)a, (long long)by);
}

static dim multiply(infer_context *c, dim a, int64_t by) {
    dim both[2] = {a, by};
    return dim_product(c->model, both, 2);
}

static hst_status infer(infer_context *c, bool to_space, hst_error *err) {
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    args a;
    y->dtype = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(read_args(c->node, x->rank, &a, err));
    y->rank = 4;
    y->dim[0] = x->dim[0];
    if (to_space)
        HST_TRY(divide(c, x->dim[1], a.block * a.block, 1, &y->dim[1], err));
    else
        y->dim[1] = multiply(c, x->dim[1], a.block * a.block);
    for (int k = 2; k < 4; k++) {
        if (to_space)
            y->dim[k] = multiply(c, x->dim[k], a.block);
        else
            HST_TRY(divide(c, x->dim[k], a.block, k, &y->dim[k], err));
    }
    return HST_STATUS_OK;
}

static hst_status out_dims(const node *n, const hst_tensor *x, int64_t b, bool to_space, int64_t *dims,
                           hst_error *err) {
    int64_t factor[4] = {1, b * b, b, b};
    for (int k = 0; k < 4; k++) {
        bool divides = (k == 1) == to_space;
        dims[k] = x->dim[k];
        if (divides && x->dim[k] % factor[k] == 0)
            dims[k] /= factor[k];
        else if (divides || !s64_mul(x->dim[k], factor[k], &dims[k]))
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "axis %d of length %lld with block %lld", k,
                              (long long)x->dim[k], (long long)b);
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, bool to_space, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    const void *from;
    void *to;
    args a;
    int64_t dims[4];
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(read_args(c->node, x->rank, &a, err));
    HST_TRY(out_dims(c->node, x, a.block, to_space, dims, err));
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, 4, dims, &y, &to, err));
    if (tensor_count(y) == 0) return HST_STATUS_OK;
    const int64_t *depth = to_space ? x->dim : dims, *space = to_space ? dims : x->dim;
    int64_t b = a.block, h = depth[2], w = depth[3], channels = space[1];
    /* axes N, c, H, b_h, W, b_w and how far each steps on either side */
    int64_t axes[6] = {depth[0], channels, h, b, w, b};
    int64_t in_space[6] = {channels * h * b * w * b, h * b * w * b, b * w * b, w * b, b, 1};
    int64_t in_depth[6] = {depth[1] * h * w, 0, w, 0, 1, 0};
    in_depth[1] = a.crd ? b * b * h * w : h * w;
    in_depth[3] = a.crd ? b * h * w : b * channels * h * w;
    in_depth[5] = a.crd ? h * w : channels * h * w;
    move_copy(c, move_size(x->dtype), 6, axes, to, to_space ? in_space : in_depth, from,
              to_space ? in_depth : in_space);
    return move_done(y, to, err);
}

static hst_status infer_to_space(infer_context *c, hst_error *err) {
    return infer(c, true, err);
}
static hst_status infer_to_depth(infer_context *c, hst_error *err) {
    return infer(c, false, err);
}
static hst_status eval_to_space(eval_context *c, hst_error *err) {
    return eval(c, true, err);
}
static hst_status eval_to_depth(eval_context *c, hst_error *err) {
    return eval(c, false, err);
}

// clang-format off
static const op_case to_space_cases[] = {
    {"DCR", 0, "(f32[1,8,1,2]{0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15}; blocksize=2) -> (f32[1,2,2,4]{0 4 1 5 8 12 9 13 2 6 3 7 10 14 11 15})", 0},
    {"CRD", 11, "(f32[1,8,1,2]{0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15}; blocksize=2, mode=\"CRD\") -> (f32[1,2,2,4]{0 2 1 3 4 6 5 7 8 10 9 11 12 14 13 15})", 0},
    {"version 1", 1, "(f32[1,4,1,1]{1 2 3 4}; blocksize=2) -> (f32[1,1,2,2]{1 2 3 4})", 0},
    {"nothing", 0, "(f32[0,4,1,1]{}; blocksize=2) -> (f32[0,1,2,2]{})", 0},
    {0},
};
static const op_case to_depth_cases[] = {
    {"DCR", 0, "(f32[1,2,2,4]{0 4 1 5 8 12 9 13 2 6 3 7 10 14 11 15}; blocksize=2) -> (f32[1,8,1,2]{0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15})", 0},
    {"CRD", 28, "(f32[1,2,2,4]{0 2 1 3 4 6 5 7 8 10 9 11 12 14 13 15}; blocksize=2, mode=\"CRD\") -> (f32[1,8,1,2]{0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15})", 0},
    {0},
};
// clang-format on

HST_OP(DepthToSpace) = {
    .name = "DepthToSpace",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_to_space,
    .eval = eval_to_space,
    .summary = "channels into blocks of space",
    HST_CASES(to_space_cases),
};

HST_OP(SpaceToDepth) = {
    .name = "SpaceToDepth",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_to_depth,
    .eval = eval_to_depth,
    .summary = "blocks of space into channels",
    HST_CASES(to_depth_cases),
};
