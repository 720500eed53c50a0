/* Elementwise operators on 8-bit tensors (com.microsoft), each its f32 formula between dequantisation and quantisation:
 *   QLinearAdd        c = (sa (a - za) + sb (b - zb)) / sc + zc, computed with ra = sa / sc, rb = sb / sc in f32 as
 *                     a ra + (b rb + (zc - (ra za + rb zb))), whose halves are onnxruntime's
 *   QLinearMul        c = ((a - za)(b - zb)) (sa sb / sc) + zc
 *   QLinearWhere      x or y, quantised anew
 *   QLinearSigmoid, QLinearLeakyRelu   by a table of 256 results
 * Operands broadcast. */
#include <math.h>

#include "ops/q_linear.h"
#include "tensor/broadcast.h"

/* ---- two operands ---- */

static hst_status infer_binary(infer_context *c, hst_error *err) {
    c->out[0].dtype = infer_in(c, 0)->dtype;
    return infer_broadcast(c, infer_in(c, 0), infer_in(c, 3), &c->out[0], err);
}

typedef struct binary {
    hst_dtype dtype;
    q_scale a, b, y;
    bool multiply;
    const uint8_t *from_a, *from_b;
    uint8_t *to;
} binary;

static inline uint8_t binary_one(const binary *k, uint8_t a, uint8_t b) {
    int32_t x = q_byte(k->dtype, a), z = q_byte(k->dtype, b);
    if (k->multiply) {
        float v = (float)((x - k->a.zero) * (z - k->b.zero)) * (k->a.scale * k->b.scale / k->y.scale);
        return (uint8_t)quantize_value(v, k->y.zero, q_range(k->dtype));
    }
    float ra = k->a.scale / k->y.scale, rb = k->b.scale / k->y.scale;
    if (!isfinite(ra) || !isfinite(rb)) { /* a scale of 0: saturation, not inf - inf */
        float v = (float)(x - k->a.zero) * ra + (float)(z - k->b.zero) * rb;
        return (uint8_t)quantize_value(v, k->y.zero, q_range(k->dtype));
    }
    float fixed = (float)k->y.zero - (ra * (float)k->a.zero + rb * (float)k->b.zero);
    return (uint8_t)quantize_value((float)x * ra + ((float)z * rb + fixed), 0, q_range(k->dtype));
}

static hst_status eval_binary(eval_context *c, bool multiply, hst_error *err) {
    const hst_tensor *in[2] = {eval_in(c, 0), eval_in(c, 3)};
    binary k = {.dtype = in[0]->dtype, .multiply = multiply, .from_a = in[0]->data, .from_b = in[1]->data};
    int64_t dims[HST_RANK_MAX];
    int rank;
    hst_tensor *y;
    if (in[1]->dtype != k.dtype)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "A is %s, B is %s", dtype_name(k.dtype),
                          dtype_name(in[1]->dtype));
    HST_TRY(q_scale_read(c, 1, 2, k.dtype, &k.a, err));
    HST_TRY(q_scale_read(c, 4, 5, k.dtype, &k.b, err));
    HST_TRY(q_scale_read(c, 6, 7, k.dtype, &k.y, err));
    HST_TRY(broadcast_shape(in, 2, &rank, dims, err));
    HST_TRY(eval_output(c, 0, k.dtype, rank, dims, &y, err));
    k.to = y->data;
    broadcast_walk w;
    broadcast_begin(&w, rank, dims, in, 2);
    while (broadcast_next(&w))
        for (int64_t i = 0; i < w.run; i++)
            k.to[w.output + i] =
                binary_one(&k, k.from_a[w.offset[0] + i * w.step[0]], k.from_b[w.offset[1] + i * w.step[1]]);
    return HST_STATUS_OK;
}

static hst_status eval_add(eval_context *c, hst_error *err) {
    return eval_binary(c, false, err);
}
static hst_status eval_mul(eval_context *c, hst_error *err) {
    return eval_binary(c, true, err);
}

/* ---- one operand ---- */

static hst_status infer_unary(infer_context *c, hst_error *err) {
    (void)err;
    return q_infer_as(c, 0);
}

static float sigmoid(float x, float parameter) {
    (void)parameter;
    return (float)(1.0 / (1.0 + exp(-(double)x)));
}
static float leaky_relu(float x, float alpha) {
    return x >= 0 ? x : x * alpha;
}

static hst_status eval_unary(eval_context *c, float (*f)(float, float), float parameter, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0);
    q_scale from, to;
    uint8_t table[256];
    hst_tensor *y;
    HST_TRY(q_scale_read(c, 1, 2, x->dtype, &from, err));
    HST_TRY(q_scale_read(c, 3, 4, x->dtype, &to, err));
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, x->dim, &y, err));
    q_table(x->dtype, from, to, f, parameter, table);
    const uint8_t *in = x->data;
    uint8_t *out = y->data;
    int64_t n = tensor_count(x);
    for (int64_t i = 0; i < n; i++) out[i] = table[in[i]];
    return HST_STATUS_OK;
}

static hst_status eval_sigmoid(eval_context *c, hst_error *err) {
    return eval_unary(c, sigmoid, 0, err);
}
static hst_status eval_leaky_relu(eval_context *c, hst_error *err) {
    return eval_unary(c, leaky_relu, node_float(c->node, "alpha", 0.01f), err);
}

/* ---- selection ---- */

static hst_status infer_where(infer_context *c, hst_error *err) {
    type both = {.rank = -1};
    c->out[0].dtype = infer_in(c, 1)->dtype;
    HST_TRY(infer_broadcast(c, infer_in(c, 1), infer_in(c, 4), &both, err));
    return infer_broadcast(c, infer_in(c, 0), &both, &c->out[0], err);
}

static float same(float x, float parameter) {
    (void)parameter;
    return x;
}

static hst_status eval_where(eval_context *c, hst_error *err) {
    const hst_tensor *in[3] = {eval_in(c, 0), eval_in(c, 1), eval_in(c, 4)};
    hst_dtype d = in[1]->dtype;
    q_scale from[2], to;
    uint8_t table[2][256];
    int64_t dims[HST_RANK_MAX];
    int rank;
    hst_tensor *y;
    if (in[0]->dtype != HST_DTYPE_B8 || in[2]->dtype != d)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "condition is %s, X %s, Y %s", dtype_name(in[0]->dtype),
                          dtype_name(d), dtype_name(in[2]->dtype));
    HST_TRY(q_scale_read(c, 2, 3, d, &from[0], err));
    HST_TRY(q_scale_read(c, 5, 6, d, &from[1], err));
    HST_TRY(q_scale_read(c, 7, 8, d, &to, err));
    for (int i = 0; i < 2; i++) q_table(d, from[i], to, same, 0, table[i]);
    HST_TRY(broadcast_shape(in, 3, &rank, dims, err));
    HST_TRY(eval_output(c, 0, d, rank, dims, &y, err));
    const uint8_t *p[3] = {in[0]->data, in[1]->data, in[2]->data};
    uint8_t *out = y->data;
    broadcast_walk w;
    broadcast_begin(&w, rank, dims, in, 3);
    while (broadcast_next(&w))
        for (int64_t i = 0; i < w.run; i++) {
            int other = !p[0][w.offset[0] + i * w.step[0]];
            out[w.output + i] = table[other][p[1 + other][w.offset[1 + other] + i * w.step[1 + other]]];
        }
    return HST_STATUS_OK;
}

// clang-format off
static const op_case add_cases[] = {
    {"u8", 0, "(u8[3]{128 130 255}, f32[]{1}, u8[]{128}, u8[3]{10 12 255}, f32[]{2}, u8[]{10}, f32[]{2}, u8[]{100}) -> (u8[3]{100 103 255})", 0},
    {"s8 broadcast, no zero points", 0, "(s8[2,1]{1 -2}, f32[]{1}, _, s8[2]{3 4}, f32[]{1}, _, f32[]{1}) -> (s8[2,2]{4 5 1 2})", 0},
    {"scale 0", 0, "(u8[1]{1}, f32[]{1}, _, u8[1]{3}, f32[]{1}, _, f32[]{0}) -> (u8[1]{255})", 0},
    {NULL, 0, NULL, 0}};
static const op_case mul_cases[] = {
    {"u8", 0, "(u8[2]{130 0}, f32[]{0.5}, u8[]{128}, u8[]{14}, f32[]{2}, u8[]{10}, f32[]{1}, u8[]{100}) -> (u8[2]{108 0})", 0},
    {"half to even", 0, "(s8[2]{1 3}, f32[]{0.5}, _, s8[1]{1}, f32[]{1}, _, f32[]{1}, s8[]{1}) -> (s8[2]{1 3})", 0},
    {NULL, 0, NULL, 0}};
static const op_case sigmoid_cases[] = {
    {"u8", 0, "(u8[3]{0 128 255}, f32[]{0.1}, u8[]{128}, f32[]{0.00390625}) -> (u8[3]{0 128 255})", 0},
    {"s8", 0, "(s8[2]{0 10}, f32[]{0.1}, _, f32[]{0.00390625}, s8[]{-128}) -> (s8[2]{0 59})", 0},
    {NULL, 0, NULL, 0}};
static const op_case leaky_relu_cases[] = {
    {"s8", 0, "(s8[3]{-100 0 50}, f32[]{1}, _, f32[]{1}; alpha=0.1) -> (s8[3]{-10 0 50})", 0},
    {NULL, 0, NULL, 0}};
static const op_case where_cases[] = {
    {"u8", 0, "(b8[2,1]{true false}, u8[2]{12 14}, f32[]{2}, u8[]{10}, u8[]{9}, f32[]{1}, u8[]{1}, f32[]{1}, u8[]{0}) -> (u8[2,2]{4 8 8 8})", 0},
    {NULL, 0, NULL, 0}};

#define Q(op_name, least, most, empty, infer_of, eval_of, text, tests)                                                  \
    {.name = op_name, .domain = "com.microsoft", .since = 1, .min_in = least, .max_in = most, .holes = empty,          \
     .min_out = 1, .max_out = 1, .infer = infer_of, .eval = eval_of, .summary = text, HST_CASES(tests)}

HST_OP(com_microsoft_QLinearAdd) = Q("QLinearAdd", 7, 8, 1u << 2 | 1u << 5, infer_binary, eval_add, "sum of 8-bit tensors", add_cases);
HST_OP(com_microsoft_QLinearMul) = Q("QLinearMul", 7, 8, 1u << 2 | 1u << 5, infer_binary, eval_mul, "product of 8-bit tensors", mul_cases);
HST_OP(com_microsoft_QLinearSigmoid) = Q("QLinearSigmoid", 4, 5, 1u << 2, infer_unary, eval_sigmoid, "sigmoid of an 8-bit tensor", sigmoid_cases);
HST_OP(com_microsoft_QLinearLeakyRelu) = Q("QLinearLeakyRelu", 4, 5, 1u << 2, infer_unary, eval_leaky_relu, "leaky ReLU of an 8-bit tensor", leaky_relu_cases);
HST_OP(com_microsoft_QLinearWhere) = Q("QLinearWhere", 9, 9, 0, infer_where, eval_where, "selection from 8-bit tensors", where_cases);
// clang-format on
