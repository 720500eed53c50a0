/* Equal, Greater, GreaterOrEqual, Less, LessOrEqual: b8 = A ? B, element by element, both broadcast. NaN compares
 * false. */
#include <string.h>

#include "ops/op.h"
#include "tensor/broadcast.h"
#include "tensor/convert.h"
#include "tensor/strings.h"

typedef enum relation { EQUAL, GREATER, GREATER_OR_EQUAL, LESS, LESS_OR_EQUAL } relation;

/* ---- inference ---- */

/* 1, 0, or -1 where it depends. A symbol is a length: never negative. */
static int relate_dims(relation r, dim a, dim b) {
    if (a == b) return r == EQUAL || r == GREATER_OR_EQUAL || r == LESS_OR_EQUAL;
    bool sa = dim_is_symbol(a), sb = dim_is_symbol(b);
    if (!sa && !sb) return r == EQUAL ? 0 : r == GREATER || r == GREATER_OR_EQUAL ? a > b : a < b;
    if (sa && !sb && b < 0) return r == GREATER || r == GREATER_OR_EQUAL;
    if (sb && !sa && a < 0) return r == LESS || r == LESS_OR_EQUAL;
    return -1;
}

static void infer_relation_content(infer_context *c, relation r) {
    dim a[CONTENT_MOST], b[CONTENT_MOST], to[CONTENT_MOST];
    int na = infer_dims(c, 0, a, CONTENT_MOST), nb = infer_dims(c, 1, b, CONTENT_MOST);
    if (na < 0 || nb < 0 || (na != nb && na != 1 && nb != 1)) return;
    int n = na == 1 ? nb : na;
    for (int k = 0; k < n; k++) {
        int truth = relate_dims(r, a[na == 1 ? 0 : k], b[nb == 1 ? 0 : k]);
        if (truth < 0) return;
        to[k] = truth;
    }
    infer_content(c, 0, to, n);
}

static hst_status infer(infer_context *c, relation r, hst_error *err) {
    const type *a = infer_in(c, 0), *b = infer_in(c, 1);
    c->out[0].dtype = HST_DTYPE_B8;
    if (a->dtype != HST_DTYPE_NONE && b->dtype != HST_DTYPE_NONE && a->dtype != b->dtype)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "A is %s, B is %s", dtype_name(a->dtype),
                          dtype_name(b->dtype));
    HST_TRY(infer_broadcast(c, a, b, &c->out[0], err));
    if (c->out[0].rank == 0 || c->out[0].rank == 1) infer_relation_content(c, r);
    return HST_STATUS_OK;
}

/* ---- evaluation ---- */

static inline __attribute__((always_inline)) bool relate_f64(relation r, double a, double b) {
    return r == EQUAL ? a == b : r == GREATER ? a > b : r == GREATER_OR_EQUAL ? a >= b : r == LESS ? a < b : a <= b;
}

static inline __attribute__((always_inline)) bool relate_s64(relation r, int64_t a, int64_t b) {
    return r == EQUAL ? a == b : r == GREATER ? a > b : r == GREATER_OR_EQUAL ? a >= b : r == LESS ? a < b : a <= b;
}

#define CHUNK 256

/* n elements of t from element `at`, stepping by 0 or 1, as carriers. */
static void load_f64(const hst_tensor *t, int64_t at, int64_t step, int64_t i, double *to, int64_t n) {
    convert_to_f64(t->dtype, t->data, at + i * step, to, step ? n : 1);
    for (int64_t k = 1; k < n && !step; k++) to[k] = to[0];
}

static void load_s64(const hst_tensor *t, int64_t at, int64_t step, int64_t i, int64_t *to, int64_t n) {
    convert_to_s64(t->dtype, t->data, at + i * step, to, step ? n : 1);
    for (int64_t k = 1; k < n && !step; k++) to[k] = to[0];
    for (int64_t k = 0; k < n && t->dtype == HST_DTYPE_U64; k++) /* keeps the order of unsigned numbers */
        to[k] = (int64_t)((uint64_t)to[k] ^ ((uint64_t)1 << 63));
}

static void run_numbers(relation r, const broadcast_walk *w, const hst_tensor *const *in, uint8_t *to) {
    union {
        double f[CHUNK];
        int64_t i[CHUNK];
    } a, b;
    for (int64_t i = 0; i < w->run; i += CHUNK) {
        int64_t n = w->run - i < CHUNK ? w->run - i : CHUNK;
        if (dtype_is_float(in[0]->dtype)) {
            load_f64(in[0], w->offset[0], w->step[0], i, a.f, n);
            load_f64(in[1], w->offset[1], w->step[1], i, b.f, n);
            for (int64_t k = 0; k < n; k++) to[i + k] = relate_f64(r, a.f[k], b.f[k]);
        } else {
            load_s64(in[0], w->offset[0], w->step[0], i, a.i, n);
            load_s64(in[1], w->offset[1], w->step[1], i, b.i, n);
            for (int64_t k = 0; k < n; k++) to[i + k] = relate_s64(r, a.i[k], b.i[k]);
        }
    }
}

static void run_strings(relation r, const broadcast_walk *w, const hst_tensor *const *in, uint8_t *to) {
    const hst_string *a = (const hst_string *)in[0]->data + w->offset[0];
    const hst_string *b = (const hst_string *)in[1]->data + w->offset[1];
    for (int64_t i = 0; i < w->run; i++)
        to[i] = relate_s64(r, string_compare(&a[i * w->step[0]], &b[i * w->step[1]]), 0);
}

static hst_status eval(eval_context *c, relation r, hst_error *err) {
    const hst_tensor *in[2];
    hst_tensor *y;
    int rank;
    int64_t dims[HST_RANK_MAX];
    HST_TRY(eval_need(c, 0, "A", &in[0], err));
    HST_TRY(eval_need(c, 1, "B", &in[1], err));
    hst_dtype d = in[0]->dtype;
    if (d != in[1]->dtype)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "A is %s, B is %s", dtype_name(d),
                          dtype_name(in[1]->dtype));
    if (d == HST_DTYPE_C64 || d == HST_DTYPE_C128 || (d == HST_DTYPE_STRING && r != EQUAL))
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "does not compare %s", dtype_name(d));
    hst_status status = broadcast_shape(in, 2, &rank, dims, err);
    if (status != HST_STATUS_OK) return node_error(c->node, err, status, "%s", err ? err->message : "");
    HST_TRY(eval_output(c, 0, HST_DTYPE_B8, rank, dims, &y, err));
    broadcast_walk w;
    broadcast_begin(&w, rank, dims, in, 2);
    while (broadcast_next(&w)) {
        uint8_t *to = (uint8_t *)y->data + w.output;
        if (d == HST_DTYPE_STRING)
            run_strings(r, &w, in, to);
        else
            run_numbers(r, &w, in, to);
    }
    return HST_STATUS_OK;
}

static hst_status infer_equal(infer_context *c, hst_error *err) {
    return infer(c, EQUAL, err);
}
static hst_status infer_greater(infer_context *c, hst_error *err) {
    return infer(c, GREATER, err);
}
static hst_status infer_greater_equal(infer_context *c, hst_error *err) {
    return infer(c, GREATER_OR_EQUAL, err);
}
static hst_status infer_less(infer_context *c, hst_error *err) {
    return infer(c, LESS, err);
}
static hst_status infer_less_equal(infer_context *c, hst_error *err) {
    return infer(c, LESS_OR_EQUAL, err);
}
static hst_status eval_equal(eval_context *c, hst_error *err) {
    return eval(c, EQUAL, err);
}
static hst_status eval_greater(eval_context *c, hst_error *err) {
    return eval(c, GREATER, err);
}
static hst_status eval_greater_equal(eval_context *c, hst_error *err) {
    return eval(c, GREATER_OR_EQUAL, err);
}
static hst_status eval_less(eval_context *c, hst_error *err) {
    return eval(c, LESS, err);
}
static hst_status eval_less_equal(eval_context *c, hst_error *err) {
    return eval(c, LESS_OR_EQUAL, err);
}

// clang-format off
static const op_case equal_cases[] = {
    {"s64", 0, "(s64[3]{1 2 3}, s64[3]{1 0 3}) -> (b8[3]{1 0 1})", 0},
    {"f32, NaN", 11, "(f32[4]{1 nan inf -0.0}, f32[4]{1 nan inf 0}) -> (b8[4]{1 0 1 1})", 0},
    {"broadcast", 7, "(s32[2,1]{1 2}, s32[3]{1 2 3}) -> (b8[2,3]{1 0 0 0 1 0})", 0},
    {"b8", 7, "(b8[2]{1 0}, b8[2]{1 1}) -> (b8[2]{1 0})", 0},
    {"s64 beyond f64", 0, "(s64[1]{9007199254740993}, s64[1]{9007199254740992}) -> (b8[1]{0})", 0},
    {"strings", 19, "(string[2]{\"a\" \"b\"}, string[]{\"b\"}) -> (b8[2]{0 1})", 0},
    {"nothing", 0, "(f32[0]{}, f32[1]{1}) -> (b8[0]{})", 0},
    {0},
};
static const op_case greater_cases[] = {
    {"f32", 0, "(f32[4]{1 2 3 nan}, f32[]{2}) -> (b8[4]{0 0 1 0})", 0},
    {"u64", 9, "(u64[2]{0xffffffffffffffff 1}, u64[2]{1 2}) -> (b8[2]{1 0})", 0},
    {"bf16", 13, "(bf16[2]{1 -1}, bf16[2]{0 0}) -> (b8[2]{1 0})", 0},
    {"version 7", 7, "(f64[1]{2}, f64[1]{1}) -> (b8[1]{1})", 0},
    {0},
};
static const op_case greater_equal_cases[] = {
    {"f32", 0, "(f32[4]{1 2 3 nan}, f32[]{2}) -> (b8[4]{0 1 1 0})", 0},
    {"s8", 12, "(s8[2]{-128 1}, s8[2]{127 1}) -> (b8[2]{0 1})", 0},
    {0},
};
static const op_case less_cases[] = {
    {"f32", 0, "(f32[4]{1 2 3 nan}, f32[]{2}) -> (b8[4]{1 0 0 0})", 0},
    {"u8, broadcast", 9, "(u8[2,1]{200 1}, u8[1,2]{100 255}) -> (b8[2,2]{0 1 1 1})", 0},
    {"f16", 13, "(f16[2]{1 -1}, f16[2]{0 0}) -> (b8[2]{0 1})", 0},
    {0},
};
static const op_case less_equal_cases[] = {
    {"f32", 0, "(f32[4]{1 2 3 nan}, f32[]{2}) -> (b8[4]{1 1 0 0})", 0},
    {"s64", 12, "(s64[2]{5 5}, s64[2]{4 5}) -> (b8[2]{0 1})", 0},
    {0},
};
// clang-format on

HST_OP(Equal) = {
    .name = "Equal",
    .domain = "",
    .since = 7,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_equal,
    .eval = eval_equal,
    .summary = "A == B",
    .gaps = "versions before 7 (axis and broadcast attributes)",
    HST_CASES(equal_cases),
};

HST_OP(Greater) = {
    .name = "Greater",
    .domain = "",
    .since = 7,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_greater,
    .eval = eval_greater,
    .summary = "A > B",
    .gaps = "versions before 7 (axis and broadcast attributes)",
    HST_CASES(greater_cases),
};

HST_OP(GreaterOrEqual) = {
    .name = "GreaterOrEqual",
    .domain = "",
    .since = 12,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_greater_equal,
    .eval = eval_greater_equal,
    .summary = "A >= B",
    HST_CASES(greater_equal_cases),
};

HST_OP(Less) = {
    .name = "Less",
    .domain = "",
    .since = 7,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_less,
    .eval = eval_less,
    .summary = "A < B",
    .gaps = "versions before 7 (axis and broadcast attributes)",
    HST_CASES(less_cases),
};

HST_OP(LessOrEqual) = {
    .name = "LessOrEqual",
    .domain = "",
    .since = 12,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_less_equal,
    .eval = eval_less_equal,
    .summary = "A <= B",
    HST_CASES(less_equal_cases),
};
