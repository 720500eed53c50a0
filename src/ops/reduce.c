/* ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd, ReduceL1, ReduceL2, ReduceLogSum, ReduceLogSumExp,
 * ReduceSumSquare: data [d0, …], axes -> data's shape with the axes 1 (keepdims) or gone.
 *
 * Order of f32 sums (f16 and bf16 too, which accumulate in f32): where only trailing axes are reduced, sixteen virtual
 * lanes, element i in lane i mod 16, then the tree lane[k] += lane[k + 8], + 4, + 2, + 1; otherwise plain row-major
 * order of the reduced elements, one chain an output element. f64 sums in plain order, integers in s64 that wraps. */
#include <string.h>

#include "ops/reduce.h"

/* Which of the axes of a tensor of some rank are reduced, as opset 1, 13 and 18 say it. */
typedef struct args {
    bool keepdims;
    bool axis[HST_RANK_MAX];
} args;

static hst_status args_read(const node *n, int rank, const int64_t *axes, int count, args *a, hst_error *err) {
    memset(a, 0, sizeof *a);
    a->keepdims = node_int(n, "keepdims", 1) != 0;
    if (count <= 0) {
        bool all = !node_int(n, "noop_with_empty_axes", 0);
        for (int i = 0; i < rank; i++) a->axis[i] = all;
    }
    return count > 0 ? axes_read(n, axes, count, rank, NULL, a->axis, err) : HST_STATUS_OK;
}

static int shape_of(const args *a, int rank, const int64_t *dims, int64_t *out) {
    int r = 0;
    for (int i = 0; i < rank; i++) {
        if (!a->axis[i])
            out[r++] = dims[i];
        else if (a->keepdims)
            out[r++] = 1;
    }
    return r;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *given = infer_in(c, 1);
    c->out[0].dtype = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    int64_t axes[HST_RANK_MAX];
    const int64_t *attribute = NULL;
    int count = node_ints(c->node, "axes", &attribute);
    args a;
    if (c->n_in > 1 && c->node->in[1]) {
        count = infer_ints(c, 1, axes, HST_RANK_MAX);
        if (count < 0) {
            bool keep = node_int(c->node, "keepdims", 1) != 0;
            bool known = given->rank == 1 && given->dim[0] > 0 && given->dim[0] <= x->rank;
            if (!keep && !known) return HST_STATUS_OK;
            c->out[0].rank = keep ? x->rank : x->rank - (int)given->dim[0];
            for (int i = 0; i < c->out[0].rank; i++) c->out[0].dim[i] = dim_symbol(c->model, "");
            return HST_STATUS_OK;
        }
        attribute = axes;
    }
    HST_TRY(args_read(c->node, x->rank, attribute, count, &a, err));
    c->out[0].rank = shape_of(&a, x->rank, x->dim, c->out[0].dim);
    return HST_STATUS_OK;
}

/* Of an empty tensor the dimensions may have any product: it wraps, and nothing is walked. */
static int64_t times(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

static void plan_make(const args *a, int rank, const int64_t *dims, reduce_plan *p) {
    int64_t size[HST_RANK_MAX];
    bool fate[HST_RANK_MAX];
    int n = 0;
    for (int i = 0; i < rank; i++) {
        if (dims[i] == 1) continue;
        if (n > 0 && fate[n - 1] == a->axis[i])
            size[n - 1] = times(size[n - 1], dims[i]);
        else
            fate[n] = a->axis[i], size[n++] = dims[i];
    }
    memset(p, 0, sizeof *p);
    p->inner = p->outer = p->count = 1;
    int last = n - 1;
    int64_t stride = 1;
    if (n > 0 && !fate[last]) stride = p->inner = size[last--];
    reduce_group kept[HST_RANK_MAX], reduced[HST_RANK_MAX];
    for (int i = last; i >= 0; i--) {
        if (fate[i])
            reduced[p->n_reduced++] = (reduce_group){size[i], stride}, p->count = times(p->count, size[i]);
        else
            kept[p->n_kept++] = (reduce_group){size[i], stride}, p->outer = times(p->outer, size[i]);
        stride = times(stride, size[i]);
    }
    for (int i = 0; i < p->n_kept; i++) p->kept[i] = kept[p->n_kept - 1 - i];
    for (int i = 0; i < p->n_reduced; i++) p->reduced[i] = reduced[p->n_reduced - 1 - i];
    p->lanes = p->inner == 1 && (p->n_reduced == 0 || (p->n_reduced == 1 && p->reduced[0].stride == 1));
}

static hst_status eval_kind(eval_context *c, reduce_kind k, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0), *given = eval_in(c, 1);
    int64_t axes[HST_RANK_MAX], dims[HST_RANK_MAX];
    const int64_t *attribute = NULL;
    int count = node_ints(c->node, "axes", &attribute);
    if (given) {
        HST_TRY(tensor_read_s64(given, axes, HST_RANK_MAX, &count, err));
        attribute = axes;
    }
    bool numeric = dtype_is_float(x->dtype) || dtype_is_integer(x->dtype);
    if (!numeric && !(x->dtype == HST_DTYPE_B8 && (k == REDUCE_MAX || k == REDUCE_MIN)))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "data of type %s cannot be reduced",
                          dtype_name(x->dtype));
    args a;
    HST_TRY(args_read(c->node, x->rank, attribute, count, &a, err));
    reduce_plan p;
    plan_make(&a, x->rank, x->dim, &p);
    hst_tensor *y;
    HST_TRY(eval_output(c, 0, x->dtype, shape_of(&a, x->rank, x->dim, dims), dims, &y, err));
    if (tensor_count(y) == 0) return HST_STATUS_OK;
    if (x->dtype == HST_DTYPE_F32 || x->dtype == HST_DTYPE_F16 || x->dtype == HST_DTYPE_BF16)
        return reduce_f32(c, k, &p, x, y, err);
    reduce_plain(k, &p, x, y);
    return HST_STATUS_OK;
}

static hst_status eval_sum(eval_context *c, hst_error *err) {
    return eval_kind(c, REDUCE_SUM, err);
}
static hst_status eval_mean(eval_context *c, hst_error *err) {
    return eval_kind(c, REDUCE_MEAN, err);
}
static hst_status eval_max(eval_context *c, hst_error *err) {
    return eval_kind(c, REDUCE_MAX, err);
}
static hst_status eval_min(eval_context *c, hst_error *err) {
    return eval_kind(c, REDUCE_MIN, err);
}
static hst_status eval_prod(eval_context *c, hst_error *err) {
    return eval_kind(c, REDUCE_PROD, err);
}
static hst_status eval_l1(eval_context *c, hst_error *err) {
    return eval_kind(c, REDUCE_L1, err);
}
static hst_status eval_l2(eval_context *c, hst_error *err) {
    return eval_kind(c, REDUCE_L2, err);
}
static hst_status eval_log_sum(eval_context *c, hst_error *err) {
    return eval_kind(c, REDUCE_LOG_SUM, err);
}
static hst_status eval_log_sum_exp(eval_context *c, hst_error *err) {
    return eval_kind(c, REDUCE_LOG_SUM_EXP, err);
}
static hst_status eval_sum_square(eval_context *c, hst_error *err) {
    return eval_kind(c, REDUCE_SUM_SQUARE, err);
}

#define REDUCE(id, text, eval_of, tests)                                                                               \
    {                                                                                                                  \
        .name = #id, .domain = "", .since = 1, .min_in = 1, .max_in = 2, .min_out = 1, .max_out = 1, .infer = infer,   \
        .eval = eval_of, .summary = text, HST_CASES(tests)                                                               \
    }

// clang-format off
static const op_case sum_cases[] = {
    {"all", 0, "(f32[2,3]{1 2 3 4 5 6}) -> (f32[1,1]{21})", 0},
    {"axis 0", 0, "(f32[2,3]{1 2 3 4 5 6}, s64[1]{0}; keepdims=0) -> (f32[3]{5 7 9})", 0},
    {"last axis", 0, "(f32[2,3]{1 2 3 4 5 6}, s64[1]{-1}; keepdims=0) -> (f32[2]{6 15})", 0},
    {"middle", 0, "(f32[2,2,2]{1 2 3 4 5 6 7 8}, s64[1]{1}) -> (f32[2,1,2]{4 6 12 14})", 0},
    {"outer and last", 0, "(f32[2,2,2]{1 2 3 4 5 6 7 8}, s64[2]{0 2}; keepdims=0) -> (f32[2]{14 22})", 0},
    {"axes attribute", 11, "(f32[2,3]{1 2 3 4 5 6}; axes=[1], keepdims=0) -> (f32[2]{6 15})", 0},
    {"noop", 0, "(f32[2]{1 2}, s64[0]{}; noop_with_empty_axes=1) -> (f32[2]{1 2})", 0},
    {"empty axes, no noop", 0, "(f32[2]{1 2}, s64[0]{}) -> (f32[1]{3})", 0},
    {"empty set", 0, "(f32[2,0,2]{}, s64[1]{1}) -> (f32[2,1,2]{0})", 0},
    {"scalar", 0, "(f32[]{5}) -> (f32[]{5})", 0},
    {"integers wrap", 0, "(s32[2]{2147483647 1}) -> (s32[1]{-2147483648})", 0},
    {"bf16 in f32", 0, "(bf16[512]{1}; keepdims=0) -> (bf16[]{512})", 0},
    {"f64", 0, "(f64[3]{0.1 0.2 0.3}) -> (f64[1]{0.6000000000000001})", 0},
    {NULL, 0, NULL, 0}};
static const op_case mean_cases[] = {
    {"last", 0, "(f32[2,4]{1 2 3 4 5 6 7 8}, s64[1]{-1}) -> (f32[2,1]{2.5 6.5})", 0},
    {"first", 0, "(f32[2,2]{1 2 3 4}, s64[1]{0}; keepdims=0) -> (f32[2]{2 3})", 0},
    {"integers truncate", 0, "(s64[2]{-2 -1}; keepdims=0) -> (s64[]{-1})", 0},
    {"empty", 0, "(f32[0]{}; keepdims=0) -> (f32[]{nan})", 0},
    {"empty integers", 0, "(s32[0]{}; keepdims=0) -> (s32[]{0})", 0},
    {NULL, 0, NULL, 0}};
static const op_case max_cases[] = {
    {"last", 0, "(f32[2,3]{1 9 3 -4 -5 -6}, s64[1]{1}; keepdims=0) -> (f32[2]{9 -4})", 0},
    {"nan", 0, "(f32[3]{1 nan 3}; keepdims=0) -> (f32[]{nan})", 0},
    {"empty", 0, "(f32[0]{}; keepdims=0) -> (f32[]{-inf})", 0},
    {"empty s8", 0, "(s8[0]{}; keepdims=0) -> (s8[]{-128})", 0},
    {"bool", 0, "(b8[2,2]{true false false false}, s64[1]{1}; keepdims=0) -> (b8[2]{true false})", 0},
    {"u64", 0, "(u64[2]{18446744073709551615 1}; keepdims=0) -> (u64[]{18446744073709551615})", 0},
    {NULL, 0, NULL, 0}};
static const op_case min_cases[] = {
    {"first", 0, "(f32[2,3]{1 9 3 -4 15 -6}, s64[1]{0}; keepdims=0) -> (f32[3]{-4 9 -6})", 0},
    {"empty", 0, "(f32[0]{}; keepdims=0) -> (f32[]{inf})", 0},
    {"empty u8", 0, "(u8[0]{}; keepdims=0) -> (u8[]{255})", 0},
    {"bool", 0, "(b8[2,2]{true false true true}, s64[1]{1}; keepdims=0) -> (b8[2]{false true})", 0},
    {NULL, 0, NULL, 0}};
static const op_case prod_cases[] = {
    {"last", 0, "(f32[2,3]{1 2 3 4 5 6}, s64[1]{1}) -> (f32[2,1]{6 120})", 0},
    {"empty", 0, "(f32[0]{}; keepdims=0) -> (f32[]{1})", 0},
    {"s32", 0, "(s32[3]{2 -3 4}; keepdims=0) -> (s32[]{-24})", 0},
    {NULL, 0, NULL, 0}};
static const op_case l1_cases[] = {
    {"last", 0, "(f32[2,2]{-1 2 3 -4}, s64[1]{1}; keepdims=0) -> (f32[2]{3 7})", 0},
    {"s32", 0, "(s32[2]{-1 -2}; keepdims=0) -> (s32[]{3})", 0},
    {NULL, 0, NULL, 0}};
static const op_case l2_cases[] = {
    {"last", 0, "(f32[2,2]{3 4 5 12}, s64[1]{1}) -> (f32[2,1]{5 13})", 0},
    {"axes attribute", 13, "(f32[2,2]{3 5 4 12}; axes=[-2], keepdims=0) -> (f32[2]{5 13})", 0},
    {"empty", 0, "(f32[0]{}; keepdims=0) -> (f32[]{0})", 0},
    {"noop", 0, "(f32[2]{-1 2}; noop_with_empty_axes=1) -> (f32[2]{1 2})", 0},
    {NULL, 0, NULL, 0}};
static const op_case log_sum_cases[] = {
    {"last", 0, "(f32[1,2]{1 1.7182818284590452}, s64[1]{1}; keepdims=0) -> (f32[1]{1})", 1e-6},
    {"empty", 0, "(f32[0]{}; keepdims=0) -> (f32[]{-inf})", 0},
    {NULL, 0, NULL, 0}};
static const op_case log_sum_exp_cases[] = {
    {"large", 0, "(f32[2,2]{1000 1000 -1000 -1000}, s64[1]{1}; keepdims=0) -> (f32[2]{1000.6931472 -999.3068528})", 1e-4},
    {"first axis", 0, "(f32[2,2]{0 1 0 1}, s64[1]{0}; keepdims=0) -> (f32[2]{0.6931472 1.6931472})", 1e-6},
    {"infinities", 0, "(f32[2,2]{inf 0 -inf -inf}, s64[1]{1}; keepdims=0) -> (f32[2]{inf -inf})", 0},
    {"empty", 0, "(f32[0]{}; keepdims=0) -> (f32[]{-inf})", 0},
    {"f64", 0, "(f64[2]{1000 1000}; keepdims=0) -> (f64[]{1000.6931471805599})", 1e-12},
    {NULL, 0, NULL, 0}};
static const op_case sum_square_cases[] = {
    {"last", 0, "(f32[2,2]{1 2 3 4}, s64[1]{1}; keepdims=0) -> (f32[2]{5 25})", 0},
    {"noop", 0, "(f32[2]{-3 2}; noop_with_empty_axes=1) -> (f32[2]{9 4})", 0},
    {NULL, 0, NULL, 0}};

HST_OP(ReduceSum) = REDUCE(ReduceSum, "sum along axes", eval_sum, sum_cases);
HST_OP(ReduceMean) = REDUCE(ReduceMean, "mean along axes", eval_mean, mean_cases);
HST_OP(ReduceMax) = REDUCE(ReduceMax, "greatest element along axes", eval_max, max_cases);
HST_OP(ReduceMin) = REDUCE(ReduceMin, "least element along axes", eval_min, min_cases);
HST_OP(ReduceProd) = REDUCE(ReduceProd, "product along axes", eval_prod, prod_cases);
HST_OP(ReduceL1) = REDUCE(ReduceL1, "sum of magnitudes along axes", eval_l1, l1_cases);
HST_OP(ReduceL2) = REDUCE(ReduceL2, "Euclidean norm along axes", eval_l2, l2_cases);
HST_OP(ReduceLogSum) = REDUCE(ReduceLogSum, "log of the sum along axes", eval_log_sum, log_sum_cases);
HST_OP(ReduceLogSumExp) = REDUCE(ReduceLogSumExp, "log of the sum of exponentials along axes", eval_log_sum_exp, log_sum_exp_cases);
HST_OP(ReduceSumSquare) = REDUCE(ReduceSumSquare, "sum of squares along axes", eval_sum_square, sum_square_cases);
// clang-format on
