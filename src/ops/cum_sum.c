/* CumSum, CumProd: x [d0, …, D, …], axis [] -> running sums or products along the axis, x's shape. exclusive: without
 * the element itself; reverse: from the end. Computed in that order: f32 (f16 and bf16 in f32, each result rounded once), f64, s64
 * that wraps. */
#include "ops/op.h"
#include "tensor/convert.h"

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    return HST_STATUS_OK;
}

typedef struct line {
    int64_t first, step, n; /* elements first, first + step, … in order of summation */
    bool exclusive, product;
} line;

static void sum_f32(const hst_tensor *x, hst_tensor *y, const line *l) {
    float sum = l->product;
    for (int64_t i = 0, at = l->first; i < l->n; i++, at += l->step) {
        float v, next;
        convert_to_f32(x->dtype, x->data, at, &v, 1);
        next = l->product ? sum * v : sum + v;
        convert_from_f32(y->dtype, l->exclusive ? &sum : &next, y->data, at, 1);
        sum = next;
    }
}

static void sum_f64(const hst_tensor *x, hst_tensor *y, const line *l) {
    double sum = l->product;
    for (int64_t i = 0, at = l->first; i < l->n; i++, at += l->step) {
        double v = tensor_get_f64(x, at), next = l->product ? sum * v : sum + v;
        tensor_set_f64(y, at, l->exclusive ? sum : next);
        sum = next;
    }
}

static void sum_s64(const hst_tensor *x, hst_tensor *y, const line *l) {
    uint64_t sum = l->product;
    for (int64_t i = 0, at = l->first; i < l->n; i++, at += l->step) {
        uint64_t v = (uint64_t)tensor_get_s64(x, at), next = l->product ? sum * v : sum + v;
        tensor_set_s64(y, at, (int64_t)(l->exclusive ? sum : next));
        sum = next;
    }
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0), *at = eval_in(c, 1);
    bool reverse = node_int(c->node, "reverse", 0) != 0;
    int64_t given[1], outer = 1, inner = 1;
    int count, axis;
    hst_tensor *y;
    HST_TRY(tensor_read_s64(at, given, 1, &count, err));
    if (count != 1) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "axis has %d elements, needs 1", count);
    if (!dtype_is_float(x->dtype) && !dtype_is_integer(x->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "data of type %s", dtype_name(x->dtype));
    HST_TRY(axis_normalize(c->node, given[0], x->rank, &axis, err));
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, x->dim, &y, err));
    if (tensor_count(x) == 0) return HST_STATUS_OK;
    for (int i = 0; i < axis; i++) outer *= x->dim[i];
    for (int i = axis + 1; i < x->rank; i++) inner *= x->dim[i];
    line l = {.n = x->dim[axis], .exclusive = node_int(c->node, "exclusive", 0) != 0,
              .product = c->node->op_type[3] == 'P'};
    l.step = reverse ? -inner : inner;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            l.first = (o * l.n + (reverse ? l.n - 1 : 0)) * inner + i;
            if (x->dtype == HST_DTYPE_F64)
                sum_f64(x, y, &l);
            else if (dtype_is_float(x->dtype))
                sum_f32(x, y, &l);
            else
                sum_s64(x, y, &l);
        }
    return HST_STATUS_OK;
}

static const op_case cases[] = {
    {"1D", 0, "(f32[5]{1 2 3 4 5}, s64[]{0}) -> (f32[5]{1 3 6 10 15})", 0},
    {"exclusive", 0, "(f32[3]{1 2 3}, s64[]{0}; exclusive=1) -> (f32[3]{0 1 3})", 0},
    {"reverse", 0, "(f64[3]{1 2 3}, s32[]{0}; reverse=1) -> (f64[3]{6 5 3})", 0},
    {"reverse, exclusive", 0, "(f32[3]{1 2 3}, s64[]{0}; reverse=1, exclusive=1) -> (f32[3]{5 3 0})", 0},
    {"first of two axes", 0, "(s64[2,3]{1 2 3 4 5 6}, s64[]{0}) -> (s64[2,3]{1 2 3 5 7 9})", 0},
    {"negative axis", 0, "(s32[2,3]{1 2 3 4 5 6}, s64[]{-1}) -> (s32[2,3]{1 3 6 4 9 15})", 0},
    {"wraps", 0, "(s32[2]{2147483647 1}, s64[]{0}) -> (s32[2]{2147483647 -2147483648})", 0},
    {"axis as vector", 0, "(f32[2]{1 2}, s64[1]{0}) -> (f32[2]{1 3})", 0},
    {"f16", 0, "(f16[3]{1 2 3}, s64[]{0}) -> (f16[3]{1 3 6})", 0},
    {"empty", 0, "(f32[0,2]{}, s64[]{0}) -> (f32[0,2]{})", 0},
    {NULL, 0, NULL, 0}};

static const op_case product_cases[] = {
    {"1D", 0, "(f32[4]{1 2 3 4}, s64[]{0}) -> (f32[4]{1 2 6 24})", 0},
    {"exclusive", 0, "(s32[3]{2 3 4}, s64[]{-1}; exclusive=1) -> (s32[3]{1 2 6})", 0},
    {"reverse", 0, "(f64[2,2]{1 2 3 4}, s32[]{0}; reverse=1) -> (f64[2,2]{3 8 3 4})", 0},
    {"reverse, exclusive", 0, "(u32[3]{2 3 4}, s64[]{0}; reverse=1, exclusive=1) -> (u32[3]{12 4 1})", 0},
    {"bf16", 0, "(bf16[3]{1 2 3}, s64[]{0}) -> (bf16[3]{1 2 6})", 0},
    {NULL, 0, NULL, 0}};

HST_OP(CumProd) = {.name = "CumProd",
                   .domain = "",
                   .since = 26,
                   .min_in = 2,
                   .max_in = 2,
                   .min_out = 1,
                   .max_out = 1,
                   .infer = infer,
                   .eval = eval,
                   .summary = "running products along an axis",
                   HST_CASES(product_cases)};

HST_OP(CumSum) = {.name = "CumSum",
                  .domain = "",
                  .since = 11,
                  .min_in = 2,
                  .max_in = 2,
                  .min_out = 1,
                  .max_out = 1,
                  .infer = infer,
                  .eval = eval,
                  .summary = "running sums along an axis",
                  HST_CASES(cases)};
