/* ConstantOfShape: a tensor of the shape that the input says, filled with the one element of `value` (default f32 0).
 */
#include "kernels/copy/copy.h"
#include "ops/op.h"

static const float zero = 0;

static hst_status read_value(const node *n, const hst_tensor **value, hst_dtype *d, hst_error *err) {
    *value = node_tensor(n, "value");
    *d = *value ? (*value)->dtype : HST_DTYPE_F32;
    if (*value && tensor_count(*value) != 1)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "value has %lld elements, should have 1",
                          (long long)tensor_count(*value));
    return HST_STATUS_OK;
}

static void infer_fill_content(infer_context *c, const hst_tensor *value) {
    int64_t n = c->out[0].rank == 0 ? 1 : c->out[0].rank == 1 ? c->out[0].dim[0] : -1;
    if (!value || n < 0 || n > CONTENT_MOST || !(dtype_is_integer(value->dtype) || value->dtype == HST_DTYPE_B8))
        return;
    dim all[CONTENT_MOST], x = tensor_get_s64(value, 0);
    if (dim_is_symbol(x)) return;
    for (int64_t k = 0; k < n; k++) all[k] = x;
    infer_content(c, 0, all, (int)n);
}

static hst_status infer(infer_context *c, hst_error *err) {
    const hst_tensor *value;
    const type *s = infer_in(c, 0);
    type *y = &c->out[0];
    dim shape[CONTENT_MOST];
    HST_TRY(read_value(c->node, &value, &y->dtype, err));
    int n = infer_dims(c, 0, shape, CONTENT_MOST);
    if (n < 0 && s->rank == 1 && s->dim[0] >= 0 && s->dim[0] <= HST_RANK_MAX) {
        y->rank = (int)s->dim[0];
        for (int k = 0; k < y->rank; k++) y->dim[k] = dim_symbol(c->model, "");
    }
    if (n < 0) return HST_STATUS_OK;
    if (n > HST_RANK_MAX) return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "a shape of %d dimensions", n);
    for (int k = 0; k < n; k++)
        if (shape[k] < 0 && !dim_is_symbol(shape[k]))
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "shape has %lld on axis %d", (long long)shape[k], k);
    *y = type_make(y->dtype, n, shape);
    for (int k = 0; k < n; k++)
        if (!dim_is_length(c->model, y->dim[k])) y->dim[k] = dim_symbol(c->model, "");
    infer_fill_content(c, value);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *value;
    hst_tensor *y;
    hst_dtype d;
    const void *from = &zero;
    void *to;
    int n;
    int64_t shape[HST_RANK_MAX];
    HST_TRY(read_value(c->node, &value, &d, err));
    HST_TRY(eval_ints(c, 0, "input", shape, HST_RANK_MAX, &n, err));
    if (value) HST_TRY(move_in(c, value, &from, err));
    HST_TRY(move_out(c, 0, d, n, shape, &y, &to, err));
    copy_fill(to, from, move_size(d), tensor_count(y));
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"default", 0, "(s64[2]{2 3}) -> (f32[2,3]{0})", 0},
    {"ones", 9, "(s64[1]{3}; value=s64[1]{1}) -> (s64[3]{1 1 1})", 0},
    {"f16", 0, "(s64[2]{1 2}; value=f16[1]{-1.5}) -> (f16[1,2]{-1.5})", 0},
    {"scalar", 0, "(s64[0]{}; value=s32[1]{7}) -> (s32[]{7})", 0},
    {"nothing", 0, "(s64[2]{0 5}; value=b8[1]{1}) -> (b8[0,5]{})", 0},
    {"u4", 21, "(s64[1]{3}; value=u4[1]{9}) -> (u4[3]{9 9 9})", 0},
    {0},
};
// clang-format on

HST_OP(ConstantOfShape) = {
    .name = "ConstantOfShape",
    .domain = "",
    .since = 9,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "a tensor of one repeated value",
    HST_CASES(cases),
};
