/* ArgMax, ArgMin: data [d0, …, D, …] -> s64 index of the greatest (least) element along one axis, which becomes 1
 * (keepdims) or goes. Ties: the first, or with select_last_index the last. A NaN is beyond everything, as in numpy. */
#include "ops/op.h"
#include "tensor/convert.h"

typedef struct args {
    int axis;
    bool keepdims, last, least;
} args;

static hst_status args_read(const node *n, int rank, args *a, hst_error *err) {
    a->keepdims = node_int(n, "keepdims", 1) != 0;
    a->last = node_int(n, "select_last_index", 0) != 0;
    a->least = n->op_type[3] == 'M' && n->op_type[4] == 'i';
    if (rank == 0) { /* one element */
        a->axis = 0;
        return HST_STATUS_OK;
    }
    return axis_normalize(n, node_int(n, "axis", 0), rank, &a->axis, err);
}

static int shape_of(const args *a, int rank, const int64_t *dims, int64_t *out) {
    int r = 0;
    for (int i = 0; i < rank; i++) {
        if (i != a->axis)
            out[r++] = dims[i];
        else if (a->keepdims)
            out[r++] = 1;
    }
    return r;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    args a;
    c->out[0].dtype = HST_DTYPE_S64;
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(args_read(c->node, x->rank, &a, err));
    c->out[0].rank = shape_of(&a, x->rank, x->dim, c->out[0].dim);
    return HST_STATUS_OK;
}

/* Whether x beats the best so far. */
static bool beats(const args *a, double x, double best) {
    if (best != best) return a->last && x != x;
    if (x != x) return true;
    return (a->least ? x < best : x > best) || (a->last && x == best);
}

static bool beats_s64(const args *a, hst_dtype d, int64_t x, int64_t best) {
    bool more = d == HST_DTYPE_U64 ? (uint64_t)x > (uint64_t)best : x > best;
    return x == best ? a->last : more != a->least;
}

static int64_t best_f32(const args *a, const float *x, int64_t n, int64_t step) {
    int64_t at = 0;
    for (int64_t i = 1; i < n; i++)
        if (beats(a, (double)x[i * step], (double)x[at * step])) at = i;
    return at;
}

static int64_t best_of(const args *a, const hst_tensor *x, int64_t base, int64_t n, int64_t step) {
    int64_t at = 0;
    if (x->dtype == HST_DTYPE_F32) return best_f32(a, (const float *)x->data + base, n, step);
    for (int64_t i = 1; i < n; i++) {
        bool better =
            dtype_is_float(x->dtype)
                ? beats(a, tensor_get_f64(x, base + i * step), tensor_get_f64(x, base + at * step))
                : beats_s64(a, x->dtype, tensor_get_s64(x, base + i * step), tensor_get_s64(x, base + at * step));
        if (better) at = i;
    }
    return at;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0);
    args a;
    int64_t dims[HST_RANK_MAX], outer = 1, inner = 1;
    hst_tensor *y;
    if (!dtype_is_float(x->dtype) && !dtype_is_integer(x->dtype) && x->dtype != HST_DTYPE_B8)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "data of type %s", dtype_name(x->dtype));
    HST_TRY(args_read(c->node, x->rank, &a, err));
    HST_TRY(eval_output(c, 0, HST_DTYPE_S64, shape_of(&a, x->rank, x->dim, dims), dims, &y, err));
    int64_t count = tensor_count(y), n = x->rank ? x->dim[a.axis] : 1;
    if (count == 0) return HST_STATUS_OK;
    if (n == 0) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "axis %d has no elements", a.axis);
    for (int i = 0; i < a.axis; i++) outer *= x->dim[i];
    for (int i = a.axis + 1; i < x->rank; i++) inner *= x->dim[i];
    int64_t *to = y->data;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) *to++ = best_of(&a, x, o * n * inner + i, n, inner);
    return HST_STATUS_OK;
}

// clang-format off
static const op_case max_cases[] = {
    {"axis 0", 0, "(f32[2,2]{2 1 3 10}) -> (s64[1,2]{1 1})", 0},
    {"no keepdims, tie", 0, "(f32[2,3]{2 2 1 3 10 10}; axis=-1, keepdims=0) -> (s64[2]{0 1})", 0},
    {"last index", 0, "(f32[2,3]{2 2 1 3 10 10}; axis=1, keepdims=0, select_last_index=1) -> (s64[2]{1 2})", 0},
    {"integers", 0, "(s32[3]{-1 -5 -1}; keepdims=0) -> (s64[]{0})", 0},
    {"nan", 0, "(f32[3]{1 nan 3}; keepdims=0) -> (s64[]{1})", 0},
    {"f16", 0, "(f16[2,2]{1 2 4 3}; axis=1) -> (s64[2,1]{1 0})", 0},
    {"no rows", 0, "(f32[0,3]{}; axis=1, keepdims=0) -> (s64[0]{})", 0},
    {NULL, 0, NULL, 0}};
static const op_case min_cases[] = {
    {"axis 0", 0, "(f32[2,2]{2 1 3 10}) -> (s64[1,2]{0 0})", 0},
    {"last index", 0, "(u8[4]{3 1 1 2}; axis=0, keepdims=0, select_last_index=1) -> (s64[]{2})", 0},
    {"first", 0, "(u8[4]{3 1 1 2}; axis=0, keepdims=0) -> (s64[]{1})", 0},
    {NULL, 0, NULL, 0}};

HST_OP(ArgMax) = {.name = "ArgMax", .domain = "", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
                  .infer = infer, .eval = eval, .summary = "index of the greatest element along an axis", HST_CASES(max_cases)};
HST_OP(ArgMin) = {.name = "ArgMin", .domain = "", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
                  .infer = infer, .eval = eval, .summary = "index of the least element along an axis", HST_CASES(min_cases)};
// clang-format on
