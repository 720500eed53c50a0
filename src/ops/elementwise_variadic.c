/* Min, Max, Sum, Mean of any number of inputs, broadcast: the first two are combined, then the result with the third, and
 * so on; Mean divides the sum by the number. Min and Max give NaN where any input is NaN. Halves are rounded once, at the
 * end. */
#include <math.h>
#include <string.h>

#include "ops/elementwise.h"
#include "tensor/broadcast.h"
#include "tensor/convert.h"

static double f_add(double a, double b) { return a + b; }
static double f_min(double a, double b) { return a != a || a < b ? a : b; }
static double f_max(double a, double b) { return a != a || a > b ? a : b; }
static bool less(int64_t a, int64_t b, bool u) { return u ? (uint64_t)a < (uint64_t)b : a < b; }
static int64_t s_min(int64_t a, int64_t b, bool u) { return less(a, b, u) ? a : b; }
static int64_t s_max(int64_t a, int64_t b, bool u) { return less(b, a, u) ? a : b; }

// clang-format off
static const binary_rule rules[] = {
    {"Min",  BINARY_MIN, f_min, s_min, NULL},
    {"Max",  BINARY_MAX, f_max, s_max, NULL},
    {"Sum",  BINARY_ADD, f_add, NULL,  NULL},
    {"Mean", BINARY_ADD, f_add, NULL,  NULL},
};
// clang-format on

static const binary_rule *rule_of(const node *n) { return binary_find(rules, sizeof rules / sizeof *rules, n->op_type); }

/* Min and Max of lengths. */
static void infer_numbers(infer_context *c, bool least) {
    dim most[CONTENT_MOST], next[CONTENT_MOST];
    int n = infer_dims(c, 0, most, CONTENT_MOST);
    for (int i = 1; n >= 0 && i < c->n_in; i++) {
        int m = infer_dims(c, i, next, CONTENT_MOST);
        if (m < 0 || (m != n && m != 1 && n != 1)) return;
        int both = n == 1 ? m : n;
        for (int k = both - 1; k >= 0; k--) {
            const dim a = most[n == 1 ? 0 : k], b = next[m == 1 ? 0 : k];
            most[k] = least ? dim_min(c->model, a, b) : dim_max(c->model, a, b);
        }
        n = both;
    }
    if (n >= 0) infer_content(c, 0, most, n);
}

static hst_status bad_old_shape(const node *n, int i, const type *t, const type *first, hst_error *err) {
    char a[160], b[160];
    return node_error(n, err, HST_STATUS_BAD_SHAPE,
                      "input %d is %s, the others are %s: before opset 8 none is broadcast", i,
                      type_format(n->graph->model, t, a, sizeof a), type_format(n->graph->model, first, b, sizeof b));
}

/* The shape that both types have. */
static hst_status infer_same(infer_context *c, const type *all, int i, type *out, hst_error *err) {
    const type *t = infer_in(c, i);
    bool ok = true;
    if (type_contradicts(all, t)) return bad_old_shape(c->node, i, t, all, err);
    out->rank = all->rank < 0 ? t->rank : all->rank;
    memcpy(out->dim, all->rank < 0 ? t->dim : all->dim, sizeof out->dim);
    for (int k = 0; k < out->rank && t->rank >= 0; k++) out->dim[k] = dim_unify(c->model, out->dim[k], t->dim[k], &ok);
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const binary_rule *rule = rule_of(c->node);
    type all = *infer_in(c, 0);
    for (int i = 1; i < c->n_in; i++) {
        type both = {.rank = -1};
        const type *t = infer_in(c, i);
        if (all.dtype == HST_DTYPE_NONE) all.dtype = t->dtype;
        if (t->dtype != HST_DTYPE_NONE && t->dtype != all.dtype)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d is %s, others are %s", i,
                              dtype_name(t->dtype), dtype_name(all.dtype));
        if (c->node->opset >= 8)
            HST_TRY(infer_broadcast(c, &all, t, &both, err));
        else /* all of one shape */
            HST_TRY(infer_same(c, &all, i, &both, err));
        all.rank = both.rank;
        memcpy(all.dim, both.dim, sizeof all.dim);
    }
    c->out[0] = all;
    if (rule->integer && (all.rank == 0 || all.rank == 1)) infer_numbers(c, rule->kernel == BINARY_MIN);
    return HST_STATUS_OK;
}

/* acc = acc op input, in f32, f64 or s64. acc has every element. */
static void combine(const binary_rule *rule, hst_dtype d, int rank, const int64_t *dims, const hst_tensor *in,
                    hst_dtype wide, void *acc) {
    broadcast_walk w;
    broadcast_begin(&w, rank, dims, &in, 1);
    while (broadcast_next(&w))
        for (int64_t k = 0; k < w.run; k++) {
            int64_t at = w.output + k, from = w.offset[0] + k * w.step[0];
            if (wide == HST_DTYPE_F32) {
                float x, *y = (float *)acc + at;
                convert_to_f32(d, in->data, from, &x, 1);
                kernels_get()->binary_f32((binary)rule->kernel, 1, y, 1, &x, 1, y);
            } else if (wide == HST_DTYPE_F64) {
                double x, *y = (double *)acc + at;
                convert_to_f64(d, in->data, from, &x, 1);
                *y = rule->wide(*y, x);
            } else {
                int64_t x, *y = (int64_t *)acc + at;
                convert_to_s64(d, in->data, from, &x, 1);
                *y = rule->integer(*y, x, d == HST_DTYPE_U64);
            }
        }
}

/* The same for f32 inputs, run by run. */
static void combine_f32(const binary_rule *rule, int rank, const int64_t *dims, const hst_tensor *in, float *acc) {
    broadcast_walk w;
    broadcast_begin(&w, rank, dims, &in, 1);
    while (broadcast_next(&w))
        kernels_get()->binary_f32((binary)rule->kernel, w.run, acc + w.output, 1, (const float *)in->data + w.offset[0],
                                  w.step[0], acc + w.output);
}

static void spread(int rank, const int64_t *dims, const hst_tensor *in, hst_dtype wide, void *acc) {
    broadcast_walk w;
    broadcast_begin(&w, rank, dims, &in, 1);
    while (broadcast_next(&w))
        for (int64_t k = 0; k < w.run; k++) {
            int64_t at = w.output + k, from = w.offset[0] + k * w.step[0];
            if (wide == HST_DTYPE_F32) convert_to_f32(in->dtype, in->data, from, (float *)acc + at, 1);
            else if (wide == HST_DTYPE_F64) convert_to_f64(in->dtype, in->data, from, (double *)acc + at, 1);
            else convert_to_s64(in->dtype, in->data, from, (int64_t *)acc + at, 1);
        }
}

static void divide(hst_dtype wide, void *acc, int64_t count, int n) {
    float by = (float)n;
    if (wide == HST_DTYPE_F32) kernels_get()->binary_f32(BINARY_DIV, count, acc, 1, &by, 0, acc);
    else
        for (int64_t i = 0; i < count; i++) ((double *)acc)[i] /= n;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const binary_rule *rule = rule_of(c->node);
    int rank;
    int64_t dims[HST_RANK_MAX];
    hst_tensor *y;
    void *acc;
    for (int i = 0; i < c->n_in; i++)
        if (!c->in[i] || c->in[i]->dtype != c->in[0]->dtype)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d is %s, input 0 is %s", i,
                              c->in[i] ? dtype_name(c->in[i]->dtype) : "missing",
                              c->in[0] ? dtype_name(c->in[0]->dtype) : "missing");
    const type first = type_of_tensor(c->in[0]);
    for (int i = 1; i < c->n_in && c->node->opset < 8; i++) {
        const type t = type_of_tensor(c->in[i]);
        if (!type_equal(&t, &first)) return bad_old_shape(c->node, i, &t, &first, err);
    }
    hst_dtype d = first.dtype;
    if (!dtype_is_float(d) && !(dtype_is_integer(d) && rule->integer)) return elementwise_bad_dtype(c->node, d, err);
    hst_dtype wide = !dtype_is_float(d) ? HST_DTYPE_S64 : d == HST_DTYPE_F64 ? d : HST_DTYPE_F32;
    hst_status status = broadcast_shape(c->in, c->n_in, &rank, dims, err);
    if (status != HST_STATUS_OK) return node_error(c->node, err, status, "%s", err ? err->message : "");
    HST_TRY(eval_output(c, 0, d, rank, dims, &y, err));
    int64_t count = tensor_count(y);
    acc = y->data;
    if (d != wide) {
        size_t bytes;
        HST_TRY(shape_bytes(wide, rank, dims, &bytes, err));
        HST_TRY(eval_scratch(c, bytes, &acc, err));
    }
    spread(rank, dims, c->in[0], wide, acc);
    for (int i = 1; i < c->n_in; i++) {
        if (d == HST_DTYPE_F32) combine_f32(rule, rank, dims, c->in[i], acc);
        else combine(rule, d, rank, dims, c->in[i], wide, acc);
    }
    if (strcmp(rule->op_type, "Mean") == 0) divide(wide, acc, count, c->n_in);
    if (wide == HST_DTYPE_S64) convert_from_s64(d, acc, y->data, 0, count);
    else if (d != wide) convert_from_f32(d, acc, y->data, 0, count);
    return HST_STATUS_OK;
}

// clang-format off
#define VARIADIC(name_, since_, gaps_, summary_, cases_)                                                               \
    {.name = name_, .domain = "", .since = since_, .min_in = 1, .max_in = OP_ANY, .min_out = 1, .max_out = 1,          \
     .infer = infer, .eval = eval, .bind = elementwise_bind, .summary = summary_, .gaps = gaps_, HST_CASES(cases_)}

static const op_case min_cases[] = {
    {"three", 0, "(f32[3]{3 2 1}, f32[3]{1 4 4}, f32[3]{2 5 0}) -> (f32[3]{1 2 0})", 0},
    {"nan", 0, "(f32[3]{nan 1 2}, f32[3]{1 nan 3}) -> (f32[3]{nan nan 2})", 0},
    {"s64, broadcast", 0, "(s64[2,1]{3 -1}, s64[2]{0 5}) -> (s64[2,2]{0 3 -1 -1})", 0},
    {"one", 8, "(f64[2]{1 2}) -> (f64[2]{1 2})", 0}, {0}};
static const op_case max_cases[] = {
    {"three", 0, "(f32[3]{3 2 1}, f32[3]{1 4 4}, f32[3]{2 5 0}) -> (f32[3]{3 5 4})", 0},
    {"u64", 0, "(u64[2]{18446744073709551615 1}, u64[1]{2}) -> (u64[2]{18446744073709551615 2})", 0},
    {"f16", 0, "(f16[2]{1 nan}, f16[1]{2}) -> (f16[2]{2 nan})", 0}, {0}};
static const op_case sum_cases[] = {
    {"three", 0, "(f32[2]{1 2}, f32[2]{10 20}, f32[1]{100}) -> (f32[2]{111 122})", 0},
    {"one", 6, "(f32[2]{1 2}) -> (f32[2]{1 2})", 0},
    {"bf16 rounds once", 0, "(bf16[1]{256}, bf16[1]{1}, bf16[1]{1}) -> (bf16[1]{258})", 0}, {0}};
static const op_case mean_cases[] = {
    {"three", 0, "(f32[2]{1 2}, f32[2]{2 3}, f32[2]{6 7}) -> (f32[2]{3 4})", 0},
    {"f64", 0, "(f64[1]{1}, f64[1]{2}) -> (f64[1]{1.5})", 0}, {0}};

HST_OP(Min) = VARIADIC("Min", 6, NULL, "least of the inputs", min_cases);
HST_OP(Max) = VARIADIC("Max", 6, NULL, "greatest of the inputs", max_cases);
HST_OP(Sum) = VARIADIC("Sum", 6, NULL, "sum of the inputs", sum_cases);
HST_OP(Mean) = VARIADIC("Mean", 6, NULL, "mean of the inputs", mean_cases);
