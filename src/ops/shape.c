/* Shape: the input's dimensions [start, end) as a vector s64. Size: their product as a scalar s64. */
#include "ops/op.h"

typedef struct args {
    int start, end; /* 0 <= start <= end <= rank */
} args;

static int clamp_axis(int64_t a, int rank) {
    if (a < 0) a = a < -(int64_t)rank ? 0 : a + rank;
    return a > rank ? rank : (int)a;
}

static args read_args(const node *n, int rank) {
    args a = {0, rank};
    if (n->opset >= 15) {
        a.start = clamp_axis(node_int(n, "start", 0), rank);
        a.end = clamp_axis(node_int(n, "end", rank), rank);
    }
    if (a.end < a.start) a.end = a.start;
    return a;
}

static hst_status infer_shape(infer_context *c, hst_error *err) {
    (void)err;
    const type *x = infer_in(c, 0);
    c->out[0].dtype = HST_DTYPE_S64;
    c->out[0].rank = 1;
    c->out[0].dim[0] = x->rank < 0 ? dim_symbol(c->model, "") : 0;
    if (x->rank < 0) return HST_STATUS_OK;
    args a = read_args(c->node, x->rank);
    c->out[0].dim[0] = a.end - a.start;
    infer_content(c, 0, x->dim + a.start, a.end - a.start);
    return HST_STATUS_OK;
}

static hst_status eval_shape(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    HST_TRY(eval_need(c, 0, "data", &x, err));
    args a = read_args(c->node, x->rank);
    int64_t n = a.end - a.start, *to;
    HST_TRY(eval_output(c, 0, HST_DTYPE_S64, 1, &n, &y, err));
    to = y->data;
    for (int k = a.start; k < a.end; k++) *to++ = x->dim[k];
    return HST_STATUS_OK;
}

static hst_status infer_size(infer_context *c, hst_error *err) {
    (void)err;
    const type *x = infer_in(c, 0);
    c->out[0].dtype = HST_DTYPE_S64;
    c->out[0].rank = 0;
    if (x->rank < 0) return HST_STATUS_OK;
    dim product = dim_product(c->model, x->dim, x->rank);
    infer_content(c, 0, &product, 1);
    return HST_STATUS_OK;
}

static hst_status eval_size(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    HST_TRY(eval_need(c, 0, "data", &x, err));
    HST_TRY(eval_output(c, 0, HST_DTYPE_S64, 0, NULL, &y, err));
    *(int64_t *)y->data = tensor_count(x);
    return HST_STATUS_OK;
}

static const op_case shape_cases[] = {
    {"all", 0, "(f32[2,3]{0}) -> (s64[2]{2 3})", 0},
    {"version 1", 1, "(f32[2,0]{}) -> (s64[2]{2 0})", 0},
    {"start", 0, "(f32[2,3,4]{0}; start=1) -> (s64[2]{3 4})", 0},
    {"negative end", 0, "(f32[2,3,4]{0}; end=-1) -> (s64[2]{2 3})", 0},
    {"both out of range", 0, "(f32[2,3,4]{0}; start=-9, end=9) -> (s64[3]{2 3 4})", 0},
    {"crossed", 0, "(f32[2,3,4]{0}; start=2, end=1) -> (s64[0]{})", 0},
    {"scalar", 0, "(string[]{\"x\"}) -> (s64[0]{})", 0},
    {0},
};

static const op_case size_cases[] = {
    {"matrix", 0, "(f32[2,3]{0}) -> (s64[]{6})", 0},
    {"scalar", 1, "(f32[]{0}) -> (s64[]{1})", 0},
    {"empty", 0, "(u4[2,0]{}) -> (s64[]{0})", 0},
    {0},
};

HST_OP(Shape) = {
    .name = "Shape",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_shape,
    .eval = eval_shape,
    .summary = "the input's dimensions",
    HST_CASES(shape_cases),
};

HST_OP(Size) = {
    .name = "Size",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_size,
    .eval = eval_size,
    .summary = "the input's number of elements",
    HST_CASES(size_cases),
};
