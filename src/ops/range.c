/* Range: start, start + delta, … before limit: max(0, ceil((limit − start) / delta)) elements, element i is start +
 * i·delta in the inputs' type (f16 and bf16: in f32, rounded at the end). */
#include <math.h>

#include "ops/op.h"

/* False: delta is 0 or the count does not fit. */
static bool count_s64(int64_t start, int64_t limit, int64_t delta, int64_t *count) {
    if (delta == 0) return false;
    if (delta > 0 ? start >= limit : start <= limit) {
        *count = 0;
        return true;
    }
    uint64_t span = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta, n = (span - 1) / step + 1;
    *count = (int64_t)n;
    return n <= INT64_MAX;
}

static bool count_f64(double start, double limit, double delta, int64_t *count) {
    double n = ceil((limit - start) / delta);
    if (isnan(n) || n >= 0x1p62) return false;
    *count = n > 0 ? (int64_t)n : 0;
    return true;
}

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    dim start, limit, delta;
    type *y = &c->out[0];
    for (int i = 0; i < 3 && y->dtype == HST_DTYPE_NONE; i++) y->dtype = infer_in(c, i)->dtype;
    y->rank = 1;
    y->dim[0] = dim_symbol(c->model, "");
    bool integer = y->dtype == HST_DTYPE_S64 || y->dtype == HST_DTYPE_S32;
    if (!integer || infer_dims(c, 0, &start, 1) != 1 || infer_dims(c, 1, &limit, 1) != 1 ||
        infer_dims(c, 2, &delta, 1) != 1 || dim_is_symbol(delta))
        return HST_STATUS_OK;
    int64_t count;
    if (!dim_is_symbol(start) && !dim_is_symbol(limit)) {
        if (!count_s64(start, limit, delta, &count)) return HST_STATUS_OK; /* eval will say it */
        y->dim[0] = count;
        dim all[CONTENT_MOST];
        for (int64_t k = 0; k < count && count <= CONTENT_MOST; k++)
            all[k] = (int64_t)((uint64_t)start + (uint64_t)k * (uint64_t)delta);
        if (count <= CONTENT_MOST) infer_content(c, 0, all, (int)count);
    } else if (delta > 0) { /* (limit - start) / delta, rounded up */
        const dim span = dim_max(c->model, dim_difference(c->model, limit, start), 0);
        y->dim[0] = dim_floor(c->model, dim_sum(c->model, span, delta - 1), delta);
    }
    return HST_STATUS_OK;
}

static hst_status eval_integers(eval_context *c, const hst_tensor *const *in, hst_error *err) {
    int64_t start = tensor_get_s64(in[0], 0), limit = tensor_get_s64(in[1], 0), delta = tensor_get_s64(in[2], 0), n;
    hst_tensor *y;
    if (!count_s64(start, limit, delta, &n))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "from %lld to %lld by %lld", (long long)start,
                          (long long)limit, (long long)delta);
    HST_TRY(eval_output(c, 0, in[0]->dtype, 1, &n, &y, err));
    for (int64_t i = 0; i < n; i++) tensor_set_s64(y, i, (int64_t)((uint64_t)start + (uint64_t)i * (uint64_t)delta));
    return HST_STATUS_OK;
}

static hst_status eval_floats(eval_context *c, const hst_tensor *const *in, hst_error *err) {
    double start = tensor_get_f64(in[0], 0), limit = tensor_get_f64(in[1], 0), delta = tensor_get_f64(in[2], 0);
    bool is_double = in[0]->dtype == HST_DTYPE_F64;
    int64_t n;
    hst_tensor *y;
    if (!count_f64(start, limit, delta, &n))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "from %g to %g by %g", start, limit, delta);
    HST_TRY(eval_output(c, 0, in[0]->dtype, 1, &n, &y, err));
    for (int64_t i = 0; i < n; i++) {
        float narrow = (float)i * (float)delta;
        narrow += (float)start;
        tensor_set_f64(y, i, is_double ? start + (double)i * delta : (double)narrow);
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    static const char *const names[] = {"start", "limit", "delta"};
    const hst_tensor *in[3];
    for (int i = 0; i < 3; i++) {
        HST_TRY(eval_need(c, i, names[i], &in[i], err));
        if (tensor_count(in[i]) != 1 || in[i]->dtype != in[0]->dtype)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%s is %s with %lld elements, should be one %s",
                              names[i], dtype_name(in[i]->dtype), (long long)tensor_count(in[i]),
                              dtype_name(in[0]->dtype));
    }
    hst_dtype d = in[0]->dtype;
    if (dtype_is_integer(d) && d != HST_DTYPE_U64) return eval_integers(c, in, err);
    if (d == HST_DTYPE_F32 || d == HST_DTYPE_F64 || d == HST_DTYPE_F16 || d == HST_DTYPE_BF16)
        return eval_floats(c, in, err);
    return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "a range of %s", dtype_name(d));
}

// clang-format off
static const op_case cases[] = {
    {"s64", 0, "(s64[]{0}, s64[]{5}, s64[]{1}) -> (s64[5]{0 1 2 3 4})", 0},
    {"s32, down", 11, "(s32[]{10}, s32[]{6}, s32[]{-3}) -> (s32[2]{10 7})", 0},
    {"f32", 0, "(f32[]{1}, f32[]{5}, f32[]{2}) -> (f32[2]{1 3})", 0},
    {"f32, fractions", 0, "(f32[]{0}, f32[]{1}, f32[]{0.3}) -> (f32[4]{0 0.3 0.6 0.90000004})", 0},
    {"f64", 0, "(f64[]{0}, f64[]{0.5}, f64[]{0.25}) -> (f64[2]{0 0.25})", 0},
    {"nothing", 0, "(s64[]{5}, s64[]{5}, s64[]{1}) -> (s64[0]{})", 0},
    {"wrong way", 0, "(s64[]{5}, s64[]{9}, s64[]{-1}) -> (s64[0]{})", 0},
    {"ends", 0, "(s64[]{-9223372036854775808}, s64[]{9223372036854775807}, s64[]{9223372036854775807}) -> (s64[3]{-9223372036854775808 -1 9223372036854775806})", 0},
    {"bf16 in f32", 27, "(bf16[]{256}, bf16[]{260}, bf16[]{1}) -> (bf16[4]{256 256 258 260})", 0},
    {0},
};
// clang-format on

HST_OP(Range) = {
    .name = "Range",
    .domain = "",
    .since = 11,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "an arithmetic sequence",
    HST_CASES(cases),
};
