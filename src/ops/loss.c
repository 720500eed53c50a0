/* Losses over x [N, C, d…] with a class of each position in target [N, d…]:
 *   NegativeLogLikelihoodLoss   loss = -weight[t] x[n, t, d…]
 *   SoftmaxCrossEntropyLoss     the same of log softmax(x) over C, which is the second output
 * 0 where the target is ignore_index. reduction none keeps the shape of target; sum adds up; mean divides the sum by
 * that of the weights used (without weights and ignored ones: by the count). Computed in f64, rounded once. */
#include <math.h>
#include <string.h>

#include "ops/carry.h"

typedef enum reduction { NONE, SUM, MEAN } reduction;

static hst_status read_reduction(const node *n, reduction *out, hst_error *err) {
    static const char *const names[] = {"none", "sum", "mean"};
    const char *name = node_string(n, "reduction", "mean");
    for (int k = 0; k < 3; k++) {
        if (strcmp(name, names[k]) != 0) continue;
        *out = (reduction)k;
        return HST_STATUS_OK;
    }
    return node_error(n, err, HST_STATUS_BAD_FORMAT, "reduction '%s' is not none, sum or mean", name);
}

static hst_status infer(infer_context *c, hst_error *err) {
    reduction r;
    HST_TRY(read_reduction(c->node, &r, err));
    type *y = &c->out[0];
    if (c->n_out > 1) c->out[1] = *infer_in(c, 0);
    if (r == NONE)
        *y = *infer_in(c, 1);
    else
        y->rank = 0;
    y->dtype = infer_in(c, 0)->dtype;
    return HST_STATUS_OK;
}

typedef struct loss {
    int64_t n, classes, inner;
    bool softmax, ignores;
    int64_t ignored;
    const double *x, *weight; /* weight: NULL or [classes] */
    const int64_t *target;
    double *log_prob; /* NULL: not wanted */
} loss;

static hst_status read_shapes(eval_context *c, loss *l, const hst_tensor *x, const hst_tensor *target,
                              const hst_tensor *weight, hst_error *err) {
    bool fits = x->rank >= 2 && target->rank == x->rank - 1 && target->dim[0] == x->dim[0];
    for (int i = 1; fits && i < target->rank; i++) fits = target->dim[i] == x->dim[i + 1];
    if (!fits)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "the shape of the target (rank %d) is not that of the input (rank %d) without its classes",
                          target->rank, x->rank);
    if (weight && (weight->rank != 1 || weight->dim[0] != x->dim[1]))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld weights for %lld classes",
                          (long long)tensor_count(weight), (long long)x->dim[1]);
    if (!dtype_is_float(x->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "is not defined for %s", dtype_name(x->dtype));
    l->classes = x->dim[1];
    l->n = tensor_count(target) ? x->dim[0] : 0;
    l->inner = l->n ? tensor_count(target) / l->n : 0;
    return HST_STATUS_OK;
}

/* What log softmax takes away from position (o, i); 0 where x holds log-probabilities. Fills log_prob. */
static double normalizer(const loss *l, int64_t at) {
    double most = -(double)INFINITY, sum = 0;
    if (!l->softmax) return 0;
    for (int64_t k = 0; k < l->classes; k++) most = fmax(most, l->x[at + k * l->inner]);
    for (int64_t k = 0; k < l->classes; k++) sum += exp(l->x[at + k * l->inner] - most);
    sum = most + log(sum);
    for (int64_t k = 0; l->log_prob && k < l->classes; k++)
        l->log_prob[at + k * l->inner] = l->x[at + k * l->inner] - sum;
    return sum;
}

static hst_status work(eval_context *c, const loss *l, double *each, double *sum, double *weights, hst_error *err) {
    for (int64_t o = 0; o < l->n; o++) {
        HST_TRY(c->runtime->check(c, err));
        for (int64_t i = 0; i < l->inner; i++) {
            int64_t p = o * l->inner + i, at = o * l->classes * l->inner + i, t = l->target[p];
            double less = normalizer(l, at), value = 0, w = 0;
            if (!l->ignores || t != l->ignored) {
                if (t < 0 || t >= l->classes)
                    return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "target %lld is not a class of 0 to %lld",
                                      (long long)t, (long long)l->classes - 1);
                w = l->weight ? l->weight[t] : 1;
                value = -w * (l->x[at + t * l->inner] - less);
            }
            *sum += value;
            *weights += w;
            if (each) each[p] = value;
        }
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *target, *weight = eval_in(c, 2);
    carry y, log_prob = {0};
    reduction r;
    double sum = 0, weights = 0;
    loss l = {.softmax = c->node->op_type[0] == 'S',
              .ignores = node_attribute(c->node, "ignore_index") != NULL,
              .ignored = node_int(c->node, "ignore_index", 0)};
    HST_TRY(read_reduction(c->node, &r, err));
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(eval_need(c, 1, "target", &target, err));
    HST_TRY(read_shapes(c, &l, x, target, weight, err));
    HST_TRY(carry_in(c, x, "input", &l.x, err));
    HST_TRY(move_indices(c, target, "target", &l.target, err));
    if (weight) HST_TRY(carry_in(c, weight, "weight", &l.weight, err));
    HST_TRY(carry_out(c, 0, x->dtype, r == NONE ? target->rank : 0, target->dim, &y, err));
    if (l.softmax && eval_wants(c, 1)) {
        HST_TRY(carry_out(c, 1, x->dtype, x->rank, x->dim, &log_prob, err));
        l.log_prob = log_prob.x;
    }
    HST_TRY(work(c, &l, r == NONE ? y.x : NULL, &sum, &weights, err));
    if (r != NONE) y.x[0] = r == SUM ? sum : sum / weights;
    carry_done(&y);
    if (log_prob.t) carry_done(&log_prob);
    return HST_STATUS_OK;
}

// clang-format off
static const op_case nll_cases[] = {
    {"none", 0, "(f32[2,3,2]{1 2 2 2 3 2 0 1 2 2 1 2}, s64[2,2]{2 1 0 2}; reduction=\"none\") -> (f32[2,2]{-3 -2 0 -2})", 0},
    {"weighted sum", 12, "(f32[2,3,2]{1 2 2 2 3 2 0 1 2 2 1 2}, s32[2,2]{2 1 0 2}, f32[3]{0.2 0.3 0.1}; reduction=\"sum\") -> (f32[]{-1.1})", 1e-7},
    {"weighted mean", 13, "(f64[2,3]{1 2 3 0 2 1}, s64[2]{2 1}, f64[3]{0.25 0.5 0.125}) -> (f64[]{-2.2})", 1e-15},
    {"ignored", 0, "(f32[3,2]{1 2 3 4 5 6}, s64[3]{0 -1 1}; ignore_index=-1) -> (f32[]{-3.5})", 0},
    {"ignored, none", 0, "(f16[2,2]{1 2 3 4}, s64[2]{5 1}; ignore_index=5, reduction=\"none\") -> (f16[2]{0 -4})", 0},
    {"nothing", 0, "(f32[0,2]{}, s64[0]{}; reduction=\"none\") -> (f32[0]{})", 0},
    {0}};
static const op_case sce_cases[] = {
    {"mean", 0, "(f32[2,2]{0 0 1 1}, s64[2]{0 1}) -> (f32[]{0.69314718})", 1e-7},
    {"log_prob", 12, "(f64[1,2]{0 1}, s64[1]{1}; reduction=\"none\") -> (f64[1]{0.31326168751822286}, f64[1,2]{-1.3132616875182228 -0.31326168751822286})", 1e-15},
    {"weights and ignored", 0, "(f32[2,2,1]{0 0 0 0}, s32[2,1]{0 7}, f32[2]{3 1}; ignore_index=7) -> (f32[]{0.69314718})", 1e-7},
    {"large", 0, "(f32[1,2]{1000 0}, s64[1]{1}; reduction=\"sum\") -> (f32[]{1000})", 0},
    {0}};
// clang-format on

HST_OP(NegativeLogLikelihoodLoss) = {.name = "NegativeLogLikelihoodLoss",
                                     .domain = "",
                                     .since = 12,
                                     .min_in = 2,
                                     .max_in = 3,
                                     .min_out = 1,
                                     .max_out = 1,
                                     .infer = infer,
                                     .eval = eval,
                                     .summary = "minus the log-probability of the right class",
                                     HST_CASES(nll_cases)};
HST_OP(SoftmaxCrossEntropyLoss) = {.name = "SoftmaxCrossEntropyLoss",
                                   .domain = "",
                                   .since = 12,
                                   .min_in = 2,
                                   .max_in = 3,
                                   .min_out = 1,
                                   .max_out = 2,
                                   .infer = infer,
                                   .eval = eval,
                                   .summary = "minus the logarithm of softmax at the right class",
                                   HST_CASES(sce_cases)};
