/* EyeLike: a matrix of the input's shape: 1 where j = i + k, else 0. */
#include "base/checked.h"
#include "ops/op.h"

static hst_status read_dtype(const node *n, hst_dtype from, hst_dtype *d, hst_error *err) {
    int64_t to = node_int(n, "dtype", from);
    if (to < 0 || to > INT32_MAX || (to && !dtype_valid((int)to)) || to == HST_DTYPE_STRING)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "dtype %lld", (long long)to);
    *d = (hst_dtype)to;
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    c->out[0] = *x;
    if (x->rank >= 0 && x->rank != 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input has rank %d, 2 is needed", x->rank);
    return read_dtype(c->node, x->dtype, &c->out[0].dtype, err);
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    hst_dtype d = HST_DTYPE_NONE;
    int64_t k = node_int(c->node, "k", 0), j;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(read_dtype(c->node, x->dtype, &d, err));
    if (x->rank != 2 || d == HST_DTYPE_C64 || d == HST_DTYPE_C128)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input of rank %d, output %s", x->rank, dtype_name(d));
    HST_TRY(eval_output(c, 0, d, 2, x->dim, &y, err));
    for (int64_t i = 0, n = tensor_count(y); i < n; i++) {
        bool on = s64_add(i / x->dim[1], k, &j) && j == i % x->dim[1];
        if (dtype_is_float(d))
            tensor_set_f64(y, i, on);
        else
            tensor_set_s64(y, i, on);
    }
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"input's type", 0, "(s32[2,3]{9}) -> (s32[2,3]{1 0 0 0 1 0})", 0},
    {"dtype and k", 9, "(s32[3,3]{9}; dtype=1, k=1) -> (f32[3,3]{0 1 0 0 0 1 0 0 0})", 0},
    {"below", 22, "(f16[2,2]{9}; k=-1) -> (f16[2,2]{0 0 1 0})", 0},
    {"far", 0, "(b8[2,2]{1}; k=9223372036854775807) -> (b8[2,2]{0})", 0},
    {"nothing", 0, "(f32[0,2]{}) -> (f32[0,2]{})", 0},
    {0},
};
// clang-format on

HST_OP(EyeLike) = {
    .name = "EyeLike",
    .domain = "",
    .since = 9,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "a diagonal of ones",
    HST_CASES(cases),
};
