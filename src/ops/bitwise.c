/* BitwiseAnd, BitwiseOr, BitwiseXor, BitShift on integers, both inputs broadcast; BitwiseNot. */
#include <string.h>

#include "ops/op.h"
#include "tensor/broadcast.h"

typedef enum bits { AND, OR, XOR, SHIFT_LEFT, SHIFT_RIGHT } bits;

static hst_status infer_binary(infer_context *c, hst_error *err) {
    const type *a = infer_in(c, 0), *b = infer_in(c, 1);
    if (a->dtype != HST_DTYPE_NONE && b->dtype != HST_DTYPE_NONE && a->dtype != b->dtype)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "inputs are %s and %s", dtype_name(a->dtype),
                          dtype_name(b->dtype));
    c->out[0].dtype = a->dtype != HST_DTYPE_NONE ? a->dtype : b->dtype;
    return infer_broadcast(c, a, b, &c->out[0], err);
}

/* The amount may be anything: beyond the type's width only the sign is left. Elements come sign- or zero-extended. */
static int64_t shift(bits f, int width, bool is_signed, int64_t a, int64_t by) {
    if (by < 0 || by >= width) return f == SHIFT_RIGHT && is_signed && a < 0 ? -1 : 0;
    if (f == SHIFT_LEFT) return (int64_t)((uint64_t)a << by);
    return is_signed ? a >> by : (int64_t)((uint64_t)a >> by);
}

static int64_t combine(bits f, int width, bool is_signed, int64_t a, int64_t b) {
    switch (f) {
    case AND:
        return a & b;
    case OR:
        return a | b;
    case XOR:
        return a ^ b;
    default:
        return shift(f, width, is_signed, a, b);
    }
}

static hst_status eval_binary(eval_context *c, bits f, hst_error *err) {
    const hst_tensor *in[2];
    hst_tensor *y;
    int rank;
    int64_t dims[HST_RANK_MAX];
    HST_TRY(eval_need(c, 0, "A", &in[0], err));
    HST_TRY(eval_need(c, 1, "B", &in[1], err));
    hst_dtype d = in[0]->dtype;
    if (!dtype_is_integer(d) || d != in[1]->dtype)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "inputs are %s and %s, both should be one integer type",
                          dtype_name(d), dtype_name(in[1]->dtype));
    hst_status status = broadcast_shape(in, 2, &rank, dims, err);
    if (status != HST_STATUS_OK) return node_error(c->node, err, status, "%s", err ? err->message : "");
    HST_TRY(eval_output(c, 0, d, rank, dims, &y, err));
    broadcast_walk w;
    broadcast_begin(&w, rank, dims, in, 2);
    int width = dtype_bits(d);
    bool is_signed = dtype_is_signed(d);
    while (broadcast_next(&w))
        for (int64_t i = 0; i < w.run; i++) {
            int64_t a = tensor_get_s64(in[0], w.offset[0] + i * w.step[0]);
            int64_t b = tensor_get_s64(in[1], w.offset[1] + i * w.step[1]);
            tensor_set_s64(y, w.output + i, combine(f, width, is_signed, a, b));
        }
    return HST_STATUS_OK;
}

static hst_status eval_and(eval_context *c, hst_error *err) {
    return eval_binary(c, AND, err);
}
static hst_status eval_or(eval_context *c, hst_error *err) {
    return eval_binary(c, OR, err);
}
static hst_status eval_xor(eval_context *c, hst_error *err) {
    return eval_binary(c, XOR, err);
}

static hst_status eval_shift(eval_context *c, hst_error *err) {
    const char *direction = node_string(c->node, "direction", "");
    bool left = strcmp(direction, "LEFT") == 0;
    if (!left && strcmp(direction, "RIGHT") != 0)
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "direction '%s' is not LEFT or RIGHT", direction);
    return eval_binary(c, left ? SHIFT_LEFT : SHIFT_RIGHT, err);
}

static hst_status infer_not(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    return HST_STATUS_OK;
}

static hst_status eval_not(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    if (!dtype_is_integer(x->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "X is %s, should be an integer type",
                          dtype_name(x->dtype));
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, x->dim, &y, err));
    for (int64_t i = 0, n = tensor_count(x); i < n; i++) tensor_set_s64(y, i, ~tensor_get_s64(x, i));
    return HST_STATUS_OK;
}

// clang-format off
static const op_case and_cases[] = {
    {"s32", 0, "(s32[3]{12 -1 7}, s32[3]{10 5 0}) -> (s32[3]{8 5 0})", 0},
    {"u64, broadcast", 18, "(u64[2,1]{0xff00000000000000 3}, u64[1]{0x8000000000000001}) -> (u64[2,1]{0x8000000000000000 1})", 0},
    {0},
};
static const op_case or_cases[] = {
    {"s8", 0, "(s8[2]{12 -128}, s8[2]{3 1}) -> (s8[2]{15 -127})", 0},
    {"nothing", 0, "(u16[0]{}, u16[]{1}) -> (u16[0]{})", 0},
    {0},
};
static const op_case xor_cases[] = {
    {"u8", 0, "(u8[2]{12 255}, u8[]{10}) -> (u8[2]{6 245})", 0},
    {"s64", 0, "(s64[1]{-1}, s64[1]{1}) -> (s64[1]{-2})", 0},
    {0},
};
static const op_case shift_cases[] = {
    {"left, u8", 0, "(u8[3]{1 2 255}, u8[3]{1 2 4}; direction=\"LEFT\") -> (u8[3]{2 8 240})", 0},
    {"right, u16", 11, "(u16[3]{16 4 1}, u16[3]{1 2 3}; direction=\"RIGHT\") -> (u16[3]{8 1 0})", 0},
    {"too far", 0, "(u64[2]{1 0x8000000000000000}, u64[2]{64 63}; direction=\"RIGHT\") -> (u64[2]{0 1})", 0},
    {"signed right keeps the sign", 28, "(s8[3]{-8 -8 8}, s8[3]{1 100 -1}; direction=\"RIGHT\") -> (s8[3]{-4 -1 0})", 0},
    {0},
};
static const op_case not_cases[] = {
    {"s32", 0, "(s32[3]{0 -1 5}) -> (s32[3]{-1 0 -6})", 0},
    {"u8", 18, "(u8[2]{0 254}) -> (u8[2]{255 1})", 0},
    {0},
};
// clang-format on

HST_OP(BitwiseAnd) = {
    .name = "BitwiseAnd",
    .domain = "",
    .since = 18,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_binary,
    .eval = eval_and,
    .summary = "bits of A and of B",
    HST_CASES(and_cases),
};

HST_OP(BitwiseOr) = {
    .name = "BitwiseOr",
    .domain = "",
    .since = 18,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_binary,
    .eval = eval_or,
    .summary = "bits of A or of B",
    HST_CASES(or_cases),
};

HST_OP(BitwiseXor) = {
    .name = "BitwiseXor",
    .domain = "",
    .since = 18,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_binary,
    .eval = eval_xor,
    .summary = "bits of either A or B",
    HST_CASES(xor_cases),
};

HST_OP(BitShift) = {
    .name = "BitShift",
    .domain = "",
    .since = 11,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_binary,
    .eval = eval_shift,
    .summary = "bits of X moved by Y",
    HST_CASES(shift_cases),
};

HST_OP(BitwiseNot) = {
    .name = "BitwiseNot",
    .domain = "",
    .since = 18,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_not,
    .eval = eval_not,
    .summary = "bits of X inverted",
    HST_CASES(not_cases),
};
