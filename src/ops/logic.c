/* And, Or, Xor on b8, both broadcast; Not. */
#include "ops/op.h"
#include "tensor/broadcast.h"

typedef enum logic { AND, OR, XOR } logic;

static hst_status infer_binary(infer_context *c, hst_error *err) {
    c->out[0].dtype = HST_DTYPE_B8;
    return infer_broadcast(c, infer_in(c, 0), infer_in(c, 1), &c->out[0], err);
}

static hst_status eval_binary(eval_context *c, logic f, hst_error *err) {
    const hst_tensor *in[2];
    hst_tensor *y;
    int rank;
    int64_t dims[HST_RANK_MAX];
    HST_TRY(eval_need(c, 0, "A", &in[0], err));
    HST_TRY(eval_need(c, 1, "B", &in[1], err));
    if (in[0]->dtype != HST_DTYPE_B8 || in[1]->dtype != HST_DTYPE_B8)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "A is %s, B is %s, both should be b8",
                          dtype_name(in[0]->dtype), dtype_name(in[1]->dtype));
    hst_status status = broadcast_shape(in, 2, &rank, dims, err);
    if (status != HST_STATUS_OK) return node_error(c->node, err, status, "%s", err ? err->message : "");
    HST_TRY(eval_output(c, 0, HST_DTYPE_B8, rank, dims, &y, err));
    broadcast_walk w;
    broadcast_begin(&w, rank, dims, in, 2);
    while (broadcast_next(&w)) {
        const uint8_t *a = (const uint8_t *)in[0]->data + w.offset[0], *b = (const uint8_t *)in[1]->data + w.offset[1];
        uint8_t *to = (uint8_t *)y->data + w.output;
        for (int64_t i = 0; i < w.run; i++) {
            bool p = a[i * w.step[0]], q = b[i * w.step[1]];
            to[i] = f == AND ? p && q : f == OR ? p || q : p != q;
        }
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

static hst_status infer_not(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    c->out[0].dtype = HST_DTYPE_B8;
    dim d[CONTENT_MOST];
    int n = infer_ints(c, 0, d, CONTENT_MOST);
    for (int k = 0; k < n; k++) d[k] = !d[k];
    if (n >= 0) infer_content(c, 0, d, n);
    return HST_STATUS_OK;
}

static hst_status eval_not(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    if (x->dtype != HST_DTYPE_B8)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "X is %s, should be b8", dtype_name(x->dtype));
    HST_TRY(eval_output(c, 0, HST_DTYPE_B8, x->rank, x->dim, &y, err));
    const uint8_t *from = x->data;
    uint8_t *to = y->data;
    for (int64_t i = 0, n = tensor_count(x); i < n; i++) to[i] = !from[i];
    return HST_STATUS_OK;
}

// clang-format off
static const op_case and_cases[] = {
    {"all pairs", 0, "(b8[4]{0 0 1 1}, b8[4]{0 1 0 1}) -> (b8[4]{0 0 0 1})", 0},
    {"broadcast", 7, "(b8[2,1]{0 1}, b8[2]{1 0}) -> (b8[2,2]{0 0 1 0})", 0},
    {"nothing", 0, "(b8[0]{}, b8[]{1}) -> (b8[0]{})", 0},
    {0},
};
static const op_case or_cases[] = {
    {"all pairs", 0, "(b8[4]{0 0 1 1}, b8[4]{0 1 0 1}) -> (b8[4]{0 1 1 1})", 0},
    {"broadcast", 7, "(b8[2,1]{0 1}, b8[]{0}) -> (b8[2,1]{0 1})", 0},
    {0},
};
static const op_case xor_cases[] = {
    {"all pairs", 0, "(b8[4]{0 0 1 1}, b8[4]{0 1 0 1}) -> (b8[4]{0 1 1 0})", 0},
    {"broadcast", 7, "(b8[]{1}, b8[2]{0 1}) -> (b8[2]{1 0})", 0},
    {0},
};
static const op_case not_cases[] = {
    {"both", 0, "(b8[2]{0 1}) -> (b8[2]{1 0})", 0},
    {"scalar", 1, "(b8[]{1}) -> (b8[]{0})", 0},
    {0},
};
// clang-format on

HST_OP(And) = {
    .name = "And",
    .domain = "",
    .since = 7,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_binary,
    .eval = eval_and,
    .summary = "A and B",
    .gaps = "version 1 (axis and broadcast attributes)",
    HST_CASES(and_cases),
};

HST_OP(Or) = {
    .name = "Or",
    .domain = "",
    .since = 7,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_binary,
    .eval = eval_or,
    .summary = "A or B",
    .gaps = "version 1 (axis and broadcast attributes)",
    HST_CASES(or_cases),
};

HST_OP(Xor) = {
    .name = "Xor",
    .domain = "",
    .since = 7,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_binary,
    .eval = eval_xor,
    .summary = "either A or B",
    .gaps = "version 1 (axis and broadcast attributes)",
    HST_CASES(xor_cases),
};

HST_OP(Not) = {
    .name = "Not",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_not,
    .eval = eval_not,
    .summary = "not X",
    HST_CASES(not_cases),
};
