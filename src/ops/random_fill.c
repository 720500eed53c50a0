/* Random tensors. With a seed the numbers are those of ONNX's reference implementation.
 *   RandomUniform, RandomNormal          of the attribute `shape`, f32 unless dtype says another float
 *   RandomUniformLike, RandomNormalLike  of the input's shape, and of its type unless dtype is given
 *   Bernoulli     x [d…] of probabilities -> 1 with that probability, else 0
 *   Multinomial   x [batch, classes] of unnormalised log-probabilities -> [batch, sample_size] of classes, s32 or s64
 */
#include <math.h>

#include "ops/carry.h"
#include "ops/random.h"

/* The type of output 0; `like`: that of input 0, NONE where there is none. */
static hst_status read_dtype(const node *n, hst_dtype like, hst_dtype *out, hst_error *err) {
    bool floats = n->op_type[0] == 'R';
    if (n->op_type[0] == 'M') like = HST_DTYPE_S32;
    if (floats && n->n_in == 0) like = HST_DTYPE_F32;
    *out = like;
    if (node_attribute(n, "dtype") || like != HST_DTYPE_NONE) HST_TRY(carry_dtype(n, "dtype", like, out, err));
    if (floats && *out != HST_DTYPE_NONE && !dtype_is_float(*out))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "of %s: its numbers are floats", dtype_name(*out));
    if (n->op_type[0] == 'M' && *out != HST_DTYPE_S32 && *out != HST_DTYPE_S64)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "dtype %s is neither s32 nor s64", dtype_name(*out));
    return HST_STATUS_OK;
}

static hst_status read_shape(const node *n, const int64_t **shape, int *rank, hst_error *err) {
    int64_t count;
    *rank = node_ints(n, "shape", shape);
    if (*rank < 0) return node_error(n, err, HST_STATUS_BAD_FORMAT, "attribute 'shape' is missing");
    return shape_count(*rank, *shape, &count, err);
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    HST_TRY(read_dtype(c->node, x->dtype, &y->dtype, err));
    if (c->node->n_in == 0) {
        const int64_t *shape;
        HST_TRY(read_shape(c->node, &shape, &y->rank, err));
        for (int k = 0; k < y->rank; k++) y->dim[k] = shape[k];
        return HST_STATUS_OK;
    }
    y->rank = x->rank;
    for (int k = 0; k < x->rank; k++) y->dim[k] = x->dim[k];
    if (c->node->op_type[0] == 'M' && x->rank == 2) y->dim[1] = node_int(c->node, "sample_size", 1);
    if (y->rank == 2 && y->dim[1] < 0 && !dim_is_symbol(y->dim[1]))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "sample_size = %lld", (long long)y->dim[1]);
    return HST_STATUS_OK;
}

#define PACE 65536 /* numbers between two questions whether the run should stop */

static hst_status fill(eval_context *c, random_state *r, carry *y, hst_error *err) {
    const node *n = c->node;
    bool normal = n->op_type[6] == 'N';
    double a = node_float(n, normal ? "mean" : "low", 0), b = node_float(n, normal ? "scale" : "high", 1);
    if (!normal) b -= a;
    for (int64_t i = 0, count = tensor_count(y->t); i < count; i++) {
        double x = normal ? random_normal(r) : random_uniform(r);
        y->x[i] = y->t->dtype == HST_DTYPE_F64 ? x * b + a : (double)((float)x * (float)b + (float)a);
        if (i % PACE == PACE - 1) HST_TRY(c->runtime->check(c, err));
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *like = eval_in(c, 0);
    const int64_t *shape;
    hst_dtype d;
    random_state r;
    int rank;
    carry y;
    if (like) {
        shape = like->dim;
        rank = like->rank;
    } else {
        HST_TRY(read_shape(c->node, &shape, &rank, err));
    }
    HST_TRY(read_dtype(c->node, like ? like->dtype : HST_DTYPE_NONE, &d, err));
    HST_TRY(carry_out(c, 0, d, rank, shape, &y, err));
    random_begin(&r, c->node);
    HST_TRY(fill(c, &r, &y, err));
    carry_done(&y);
    return HST_STATUS_OK;
}

static hst_status eval_bernoulli(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    const double *p;
    hst_dtype d;
    random_state r;
    carry y;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(read_dtype(c->node, x->dtype, &d, err));
    HST_TRY(carry_in(c, x, "input", &p, err));
    HST_TRY(carry_out(c, 0, d, x->rank, x->dim, &y, err));
    random_begin(&r, c->node);
    for (int64_t i = 0, n = tensor_count(x); i < n; i++) {
        if (!(p[i] >= 0 && p[i] <= 1))
            return node_error(c->node, err, HST_STATUS_INVALID_ARGUMENT, "element %lld is %g, no probability",
                              (long long)i, p[i]);
        double u = p[i] == 0 ? 0 : random_uniform(&r);
        y.x[i] = p[i] <= 0.5 ? u > 1 - p[i] : u <= p[i];
        if (i % PACE == PACE - 1) HST_TRY(c->runtime->check(c, err));
    }
    carry_done(&y);
    return HST_STATUS_OK;
}

static hst_status eval_multinomial(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    const double *p;
    hst_dtype d;
    random_state r;
    carry y;
    void *sums;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(read_dtype(c->node, x->dtype, &d, err));
    int64_t samples = node_int(c->node, "sample_size", 1);
    if (x->rank != 2 || x->dim[1] < 1 || samples < 0)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld samples of an input of rank %d with %lld classes",
                          (long long)samples, x->rank, x->rank ? (long long)x->dim[x->rank - 1] : 0);
    int64_t dims[2] = {x->dim[0], samples}, classes = x->dim[1];
    HST_TRY(carry_in(c, x, "input", &p, err));
    HST_TRY(carry_out(c, 0, d, 2, dims, &y, err));
    HST_TRY(eval_scratch(c, (size_t)classes * sizeof(double), &sums, err));
    double *sum = sums, *to = y.x;
    random_begin(&r, c->node);
    for (int64_t b = 0; b < dims[0]; b++, p += classes) {
        double most = -(double)INFINITY, total = 0;
        for (int64_t k = 0; k < classes; k++) most = fmax(most, p[k]);
        for (int64_t k = 0; k < classes; k++) sum[k] = total += exp(p[k] - most);
        HST_TRY(c->runtime->check(c, err));
        for (int64_t s = 0; s < samples; s++) {
            double u = random_uniform(&r) * total;
            int64_t low = 0, high = classes - 1; /* the first class whose sum is beyond u */
            while (low < high) {
                int64_t middle = low + (high - low) / 2;
                if (sum[middle] > u)
                    high = middle;
                else
                    low = middle + 1;
            }
            *to++ = (double)low;
            if (s % PACE == PACE - 1) HST_TRY(c->runtime->check(c, err));
        }
    }
    carry_done(&y);
    return HST_STATUS_OK;
}

// clang-format off
static const op_case uniform_cases[] = {
    {"seed", 0, "(; shape=[2,2], seed=0.0) -> (f32[2,2]{0.54881352 0.71518934 0.60276335 0.54488319})", 1e-7},
    {"range", 1, "(; shape=[1], seed=0.0, low=1.0, high=3.0, dtype=11) -> (f64[1]{2.0976270078546495})", 1e-15}, {0}};
static const op_case uniform_like_cases[] = {
    {"f64", 0, "(f64[2]{7}; seed=3.0) -> (f64[2]{0.5507979025745755 0.7081478226181048})", 1e-15},
    {"dtype", 1, "(s32[1]{7}; seed=0.0, dtype=1) -> (f32[1]{0.54881352})", 1e-7}, {0}};
static const op_case normal_cases[] = {
    {"seed", 0, "(; shape=[3], seed=0.0) -> (f32[3]{1.76405235 0.40015721 0.97873798})", 1e-6},
    {"mean and scale", 22, "(; shape=[1], seed=0.0, mean=1.0, scale=2.0, dtype=11) -> (f64[1]{4.528104691935329})", 1e-15}, {0}};
static const op_case normal_like_cases[] = {
    {"f16", 0, "(f16[1]{7}; seed=0.0) -> (f16[1]{1.764})", 1e-3}, {0}};
static const op_case bernoulli_cases[] = {
    {"certain", 0, "(f32[3]{0 1 0}) -> (f32[3]{0 1 0})", 0},
    {"seed", 0, "(f64[4]{0.5}; seed=0.0, dtype=7) -> (s64[4]{1 1 1 1})", 0},
    {"bool", 15, "(f32[2]{0.6}; seed=0.0, dtype=9) -> (b8[2]{1 0})", 0}, {0}};
static const op_case multinomial_cases[] = {
    {"certain", 0, "(f32[2,3]{-inf 0 -inf 5 -inf -inf}; sample_size=2, dtype=7) -> (s64[2,2]{1 1 0 0})", 0},
    {"seed", 7, "(f64[1,2]{0 0}; seed=0.0, sample_size=3) -> (s32[1,3]{1})", 0}, {0}};

#define RANDOM(name_, since_, ins_, eval_, summary_, cases_)                                                           \
    {.name = name_, .domain = "", .since = since_, .min_in = ins_, .max_in = ins_, .min_out = 1, .max_out = 1,         \
     .infer = infer, .eval = eval_, .nondeterministic = true, .summary = summary_, HST_CASES(cases_)
HST_OP(RandomUniform) = RANDOM("RandomUniform", 1, 0, eval, "random numbers of a range", uniform_cases)};
HST_OP(RandomUniformLike) = RANDOM("RandomUniformLike", 1, 1, eval, "random numbers of a range", uniform_like_cases)};
HST_OP(RandomNormal) = RANDOM("RandomNormal", 1, 0, eval, "normally distributed random numbers", normal_cases)};
HST_OP(RandomNormalLike) = RANDOM("RandomNormalLike", 1, 1, eval, "normally distributed random numbers", normal_like_cases)};
HST_OP(Bernoulli) = RANDOM("Bernoulli", 15, 1, eval_bernoulli, "1 with a given probability, else 0", bernoulli_cases),
                        .failing = "test_bernoulli*: expects the numbers that one run of numpy gave, without a seed of the node"};
HST_OP(Multinomial) = RANDOM("Multinomial", 7, 1, eval_multinomial, "classes drawn from log-probabilities", multinomial_cases)};
// clang-format on
