/* NonZero: places of the elements that are not 0, in row-major order: s64 [rank, count], a column each. */
#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    const type *x = infer_in(c, 0);
    c->out[0].dtype = HST_DTYPE_S64;
    c->out[0].rank = 2;
    c->out[0].dim[0] = x->rank >= 0 ? x->rank : dim_symbol(c->model, "");
    c->out[0].dim[1] = dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

static bool is_zero(const hst_tensor *x, int64_t i) {
    if (x->dtype == HST_DTYPE_STRING) return ((const hst_string *)x->data)[i].size == 0;
    if (dtype_part(x->dtype)) return tensor_get_part(x, 2 * i) == 0 && tensor_get_part(x, 2 * i + 1) == 0;
    return dtype_is_float(x->dtype) ? tensor_get_f64(x, i) == 0 : tensor_get_s64(x, i) == 0;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    int64_t n = tensor_count(x), found = 0, at = 0, stride[HST_RANK_MAX];
    for (int64_t i = 0; i < n; i++) found += !is_zero(x, i);
    HST_TRY(eval_output(c, 0, HST_DTYPE_S64, 2, (const int64_t[]){x->rank, found}, &y, err));
    move_strides(x->rank, x->dim, stride);
    int64_t *to = y->data;
    for (int64_t i = 0; i < n; i++) {
        if (is_zero(x, i)) continue;
        for (int k = 0; k < x->rank; k++) to[k * found + at] = i / stride[k] % x->dim[k];
        at++;
    }
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"matrix", 0, "(b8[2,2]{1 0 1 1}) -> (s64[2,3]{0 1 1 0 0 1})", 0},
    {"vector", 9, "(f32[4]{0 -1 -0.0 nan}) -> (s64[1,2]{1 3})", 0},
    {"none", 0, "(s32[2,2]{0}) -> (s64[2,0]{})", 0},
    {"scalar", 0, "(s64[]{5}) -> (s64[0,1]{})", 0},
    {"complex", 0, "(c64[2,2]{0 -0.0 0 1 nan 0 0 0}) -> (s64[2,2]{0 1 1 0})", 0},
    {"of nothing", 0, "(s64[0,3]{}) -> (s64[2,0]{})", 0},
    {0},
};
// clang-format on

HST_OP(NonZero) = {
    .name = "NonZero",
    .domain = "",
    .since = 9,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "places of the elements that are not 0",
    HST_CASES(cases),
};
