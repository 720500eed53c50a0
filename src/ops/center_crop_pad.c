/* CenterCropPad: x, shape (of all axes, or of `axes`) -> y of that shape: the middle of x where it is longer, zeros on
 * both sides where it is shorter. An odd element more is cut or added at the end. */
#include <string.h>

#include "ops/op.h"

/* The axes that shape is about. */
static hst_status read_axes(const node *n, int rank, int *axis, int *count, hst_error *err) {
    const int64_t *axes;
    const int given = node_ints(n, "axes", &axes);
    *count = given < 0 ? rank : given;
    return axes_read(n, given < 0 ? NULL : axes, *count, rank, axis, NULL, err);
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    int axis[HST_RANK_MAX], count;
    dim shape[HST_RANK_MAX];
    *y = *x;
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(read_axes(c->node, x->rank, axis, &count, err));
    const int known = infer_dims(c, 1, shape, HST_RANK_MAX);
    for (int k = 0; k < count; k++) {
        const bool here = known == count && dim_is_length(c->model, shape[k]);
        y->dim[axis[k]] = here ? shape[k] : dim_symbol(c->model, "");
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    const void *from;
    void *to;
    int axis[HST_RANK_MAX], count, given;
    int64_t shape[HST_RANK_MAX], dims[HST_RANK_MAX], both[HST_RANK_MAX], in[HST_RANK_MAX], out[HST_RANK_MAX];
    int64_t at_in = 0, at_out = 0;
    HST_TRY(eval_need(c, 0, "input_data", &x, err));
    HST_TRY(read_axes(c->node, x->rank, axis, &count, err));
    HST_TRY(eval_ints(c, 1, "shape", shape, HST_RANK_MAX, &given, err));
    if (given != count)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "shape has %d elements for %d axes", given, count);
    memcpy(dims, x->dim, sizeof dims);
    for (int k = 0; k < count; k++) dims[axis[k]] = shape[k];
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, x->rank, dims, &y, &to, err));
    const size_t size = move_size(x->dtype);
    move_strides(x->rank, x->dim, in);
    move_strides(x->rank, dims, out);
    for (int k = 0; k < x->rank; k++) {
        both[k] = dims[k] < x->dim[k] ? dims[k] : x->dim[k];
        at_in += (x->dim[k] - both[k]) / 2 * in[k];
        at_out += (dims[k] - both[k]) / 2 * out[k];
    }
    if (x->dtype == HST_DTYPE_STRING)
        for (int64_t i = 0; i < tensor_count(y); i++) ((hst_string *)to)[i] = (hst_string){"", 0};
    else
        memset(to, 0, (size_t)tensor_count(y) * size);
    if (tensor_count(y) && tensor_count(x))
        move_copy(c, size, x->rank, both, (char *)to + (size_t)at_out * size, out,
                  (const char *)from + (size_t)at_in * size, in);
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"crop and pad", 0, "(f32[1,4]{1 2 3 4}, s64[2]{2 2}) -> (f32[2,2]{2 3 0 0})", 0},
    {"odd", 0, "(s64[4]{1 2 3 4}, s64[1]{3}) -> (s64[3]{1 2 3})", 0},
    {"axes", 0, "(f32[2,1]{1 2}, s64[1]{4}; axes=[-1]) -> (f32[2,4]{0 1 0 0 0 2 0 0})", 0},
    {"strings", 0, "(string[1]{\"a\"}, s64[1]{2}) -> (string[2]{\"a\" \"\"})", 0},
    {0}};
// clang-format on

HST_OP(CenterCropPad) = {.name = "CenterCropPad",
                         .domain = "",
                         .since = 18,
                         .min_in = 2,
                         .max_in = 2,
                         .min_out = 1,
                         .max_out = 1,
                         .infer = infer,
                         .eval = eval,
                         .summary = "cuts or pads axes around their middle",
                         HST_CASES(cases)};
