/* Reshape: the same elements in row-major order under another shape. In the shape, 0 copies the input's dimension
 * (allowzero = 0) and one -1 is what remains. Since version 5 the shape is an input, before an attribute. */
#include "base/checked.h"
#include "ops/op.h"

/* The wanted shape, 0s resolved; `at` is where -1 stands (or -1), copied[k] true where dim k was taken from the input.
 */
typedef struct args {
    int rank, at;
    dim dims[HST_RANK_MAX];
    bool copied[HST_RANK_MAX];
} args;

static hst_status read_args(const node *n, const dim *shape, int count, int in_rank, const dim *in_dims, args *a,
                            hst_error *err) {
    bool allow_zero = n->opset >= 14 && node_int(n, "allowzero", 0);
    if (count > HST_RANK_MAX)
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "a shape of %d dimensions, at most %d", count, HST_RANK_MAX);
    *a = (args){.rank = count, .at = -1};
    for (int k = 0; k < count; k++) {
        a->dims[k] = shape[k];
        if (dim_is_symbol(shape[k]) || shape[k] > 0) continue;
        if (shape[k] < -1)
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "shape has %lld on axis %d", (long long)shape[k], k);
        if (shape[k] == -1) {
            if (a->at >= 0)
                return node_error(n, err, HST_STATUS_BAD_SHAPE, "shape has -1 twice, on axes %d and %d", a->at, k);
            a->at = k;
        } else if (!allow_zero) {
            if (k >= in_rank)
                return node_error(n, err, HST_STATUS_BAD_SHAPE, "shape has 0 (copy) on axis %d, the input has rank %d",
                                  k, in_rank);
            a->dims[k] = in_dims[k];
            a->copied[k] = true;
        }
    }
    if (allow_zero && a->at >= 0)
        for (int k = 0; k < count; k++)
            if (shape[k] == 0)
                return node_error(n, err, HST_STATUS_BAD_SHAPE, "shape has both 0 and -1 although allowzero is set");
    return HST_STATUS_OK;
}

static int shape_of(const infer_context *c, dim *shape) {
    const int64_t *attribute;
    if (c->node->opset >= 5) return infer_dims(c, 1, shape, CONTENT_MOST);
    int count = node_ints(c->node, "shape", &attribute);
    for (int k = 0; k < count && k < CONTENT_MOST; k++) shape[k] = attribute[k];
    return count <= CONTENT_MOST ? count : -1;
}

/* What is known where the shape's content is not: its length. */
static void infer_rank(infer_context *c) {
    const type *s = infer_in(c, 1);
    if (s->rank != 1 || s->dim[0] < 0 || s->dim[0] > HST_RANK_MAX) return;
    c->out[0].rank = (int)s->dim[0];
    for (int k = 0; k < c->out[0].rank; k++) c->out[0].dim[k] = dim_symbol(c->model, "");
}

/* A symbol may stand for a number that is not known to be a length: perhaps for -1. */
static dim known_length(infer_context *c, dim d) {
    return dim_is_length(c->model, d) ? d : dim_symbol(c->model, "");
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    dim shape[CONTENT_MOST], rest[HST_RANK_MAX];
    y->dtype = x->dtype;
    infer_pass_content(c, 0, 0);
    int count = shape_of(c, shape), n_rest = 0;
    if (count < 0) {
        infer_rank(c);
        return HST_STATUS_OK;
    }
    dim unknown[HST_RANK_MAX];
    for (int k = 0; k < HST_RANK_MAX && x->rank < 0; k++) unknown[k] = dim_symbol(c->model, "");
    args a;
    HST_TRY(read_args(c->node, shape, count, x->rank < 0 ? HST_RANK_MAX : x->rank, x->rank < 0 ? unknown : x->dim, &a,
                      err));
    y->rank = a.rank;
    for (int k = 0; k < a.rank; k++)
        if (k != a.at) rest[n_rest++] = y->dim[k] = known_length(c, a.dims[k]);
    if (x->rank < 0) {
        if (a.at >= 0) y->dim[a.at] = dim_symbol(c->model, "");
        return HST_STATUS_OK;
    }
    bool ok;
    dim quotient = dim_quotient(c->model, x->dim, x->rank, rest, n_rest, &ok);
    if (!ok || (a.at < 0 && quotient != 1 && quotient >= 0)) {
        char text[160];
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "cannot reshape %s into %d dimensions of another count",
                          type_format(c->model, x, text, sizeof text), a.rank);
    }
    if (a.at >= 0) y->dim[a.at] = quotient;
    return HST_STATUS_OK;
}

/* What -1 stands for. With no elements it is ambiguous unless dims copied from the input explain all the zeros. */
static hst_status resolve(const node *n, const hst_tensor *x, args *a, hst_error *err) {
    int64_t have = 1, rest = 1;
    bool fits = true;
    for (int k = 0; k < x->rank; k++)
        if (k >= a->rank || !a->copied[k]) fits &= s64_mul(have, x->dim[k], &have);
    for (int k = 0; k < a->rank; k++)
        if (k != a->at && !a->copied[k]) fits &= s64_mul(rest, a->dims[k], &rest);
    if (!fits || (a->at >= 0 ? rest == 0 || have % rest : false))
        return node_error(n, err, HST_STATUS_BAD_SHAPE,
                          "cannot tell the -1 on axis %d: %lld elements over %lld (besides copied dimensions)", a->at,
                          (long long)have, (long long)rest);
    if (a->at >= 0) a->dims[a->at] = have / rest;
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    int64_t shape[CONTENT_MOST];
    const int64_t *attribute;
    int count = 0;
    HST_TRY(eval_need(c, 0, "data", &x, err));
    if (c->node->opset >= 5) {
        HST_TRY(eval_ints(c, 1, "shape", shape, CONTENT_MOST, &count, err));
    } else {
        count = node_ints(c->node, "shape", &attribute);
        if (count < 0) return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "attribute 'shape' is missing");
        for (int k = 0; k < count && k < CONTENT_MOST; k++) shape[k] = attribute[k];
    }
    args a;
    HST_TRY(read_args(c->node, shape, count, x->rank, x->dim, &a, err));
    HST_TRY(resolve(c->node, x, &a, err));
    int64_t have = tensor_count(x), want;
    HST_TRY(shape_count(a.rank, a.dims, &want, err));
    if (want != have)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "cannot reshape %lld elements into a shape of %lld",
                          (long long)have, (long long)want);
    return eval_alias(c, 0, 0, a.rank, a.dims, err);
}

static const op_case cases[] = {
    {"plain", 0, "(f32[2,3]{1 2 3 4 5 6}, s64[2]{3 2}) -> (f32[3,2]{1 2 3 4 5 6})", 0},
    {"version 1", 1, "(f32[2,2]{1 2 3 4}; shape=[4]) -> (f32[4]{1 2 3 4})", 0},
    {"version 5", 5, "(f32[2,2]{1 2 3 4}, s64[1]{-1}) -> (f32[4]{1 2 3 4})", 0},
    {"zero copies", 0,
     "(f32[2,3,2]{1 2 3 4 5 6 7 8 9 10 11 12}, s64[3]{0 -1 0}) -> "
     "(f32[2,3,2]{1 2 3 4 5 6 7 8 9 10 11 12})",
     0},
    {"split heads", 13, "(f32[1,2,4]{1 2 3 4 5 6 7 8}, s64[4]{0 0 2 -1}) -> (f32[1,2,2,2]{1 2 3 4 5 6 7 8})", 0},
    {"to scalar", 0, "(s64[1,1]{5}, s64[0]{}) -> (s64[]{5})", 0},
    {"from scalar", 0, "(s64[]{5}, s64[1]{-1}) -> (s64[1]{5})", 0},
    {"allowzero", 0, "(f32[0,3,4]{}, s64[3]{3 4 0}; allowzero=1) -> (f32[3,4,0]{})", 0},
    {"empty batch", 0, "(f32[0,5,4]{}, s64[3]{0 -1 2}) -> (f32[0,10,2]{})", 0},
    {"strings", 0, "(string[2]{\"a\" \"bc\"}, s64[2]{2 1}) -> (string[2,1]{\"a\" \"bc\"})", 0},
    {"s4", 0, "(s4[3,1]{-8 7 1}, s64[1]{3}) -> (s4[3]{-8 7 1})", 0},
    {0},
};

HST_OP(Reshape) = {
    .name = "Reshape",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "the same elements under another shape",
    HST_CASES(cases),
};
