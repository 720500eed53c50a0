/* com.microsoft QLinearAveragePool: AveragePool of an 8-bit tensor, [N, C, …] or with channels_last [N, …, C], between
 * a dequantisation and a quantisation. */
#include "ops/q_linear.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    (void)err;
    c->out[0] = *x;
    const bool last = node_int(c->node, "channels_last", 0) != 0;
    for (int k = 1; k < x->rank; k++)
        if (k != (last ? x->rank - 1 : 1)) c->out[0].dim[k] = dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

/* Channels to the second axis, or back to the last. */
static value *move_channels(expansion *e, value *x, int rank, bool back) {
    int64_t perm[HST_RANK_MAX] = {0};
    for (int k = 1; k < rank; k++) perm[k] = back ? k + 1 : k - 1;
    perm[back ? rank - 1 : 1] = back ? 1 : rank - 1;
    return expand_transpose(e, x, perm, rank);
}

static hst_status expand(const node *n, graph *g, value *const *in, value **out, hst_error *err) {
    static const char *const kept[] = {"auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"};
    expansion e = {.node = n, .g = g, .err = err};
    const int rank = in[0]->type.rank;
    const bool last = node_int(n, "channels_last", 0) != 0;
    if (rank < 3 || !q_type(in[0]->type.dtype))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "an input of %s and rank %d", dtype_name(in[0]->type.dtype),
                          rank);
    const bool zero = n->n_in > 4 && in[4];
    if (zero && in[4]->type.dtype != in[0]->type.dtype)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "x is %s, y_zero_point %s", dtype_name(in[0]->type.dtype),
                          dtype_name(in[4]->type.dtype));
    value *x = expand_node(&e, "DequantizeLinear", in, in[2] ? 3 : 2);
    if (last) x = move_channels(&e, x, rank, false);
    x = expand_unary(&e, "AveragePool", x);
    for (size_t k = 0; x && k < sizeof kept / sizeof *kept; k++) {
        const attribute *a = node_attribute(n, kept[k]);
        if (a && !node_add_attribute(x->producer, a)) return error_no_memory(err, sizeof *a, "an expansion");
    }
    if (last) x = move_channels(&e, x, rank, true);
    value *y = zero ? in[4] : expand_cast(&e, expand_scalar(&e, HST_DTYPE_F32, 0), in[0]->type.dtype);
    out[0] = expand_node(&e, "QuantizeLinear", (value *const[]){x, in[3], y}, 3);
    return expansion_done(&e);
}

// clang-format off
static const op_case cases[] = {
    {"pairs", 0, "(u8[1,1,4]{1 3 10 21}, f32[]{0.5}, u8[]{1}, f32[]{0.25}, u8[]{3}; kernel_shape=[2], strides=[2]) -> (u8[1,1,2]{5 32})", 0},
    {"channels last, padded", 0, "(s8[1,3,2]{4 -4 8 8 0 100}, f32[]{1}, _, f32[]{2}; kernel_shape=[2], pads=[1,0], channels_last=1) -> (s8[1,3,2]{2 -2 3 1 2 27})", 0},
    {0}};
// clang-format on

HST_OP(com_microsoft_QLinearAveragePool) = {.name = "QLinearAveragePool",
                                            .domain = "com.microsoft",
                                            .since = 1,
                                            .min_in = 4,
                                            .max_in = 5,
                                            .holes = 1u << 2,
                                            .min_out = 1,
                                            .max_out = 1,
                                            .infer = infer,
                                            .expand = expand,
                                            .summary = "means of windows of 8-bit images",
                                            HST_CASES(cases)};
