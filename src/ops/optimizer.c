/* One training step (ai.onnx.preview.training): inputs R (learning rate), T (update count), then for n tensors the
 * groups X…, G… (gradients) and the optimizer's own; outputs the new X… and own groups. g = norm_coefficient x + g
 *   Momentum  v = alpha v + (T > 0 ? beta : 1) g;  x -= R v, or nesterov x -= R (g + alpha v)
 *   Adagrad   h += g²;  x -= R / (1 + T decay_factor) g / (sqrt(h) + epsilon)
 *   Adam      v = alpha v + (1 - alpha) g; h = beta h + (1 - beta) g²; x -= R' v / (sqrt(h) + epsilon), then
 *             x *= 1 - norm_coefficient_post; R' = R sqrt(1 - beta^T) / (1 - alpha^T) where T > 0
 * Computed in f64, rounded once. */
#include <math.h>
#include <string.h>

#include "ops/carry.h"

static int own_groups(const node *n) {
    return n->op_type[0] == 'A' && n->op_type[2] == 'a' && n->op_type[3] == 'm' ? 2 : 1; /* Adam keeps two */
}

/* How many tensors are trained. */
static hst_status count_tensors(const node *n, int *count, hst_error *err) {
    int groups = own_groups(n);
    *count = (n->n_in - 2) / (groups + 2);
    if (*count < 1 || n->n_in != 2 + *count * (groups + 2) || n->n_out > *count * (groups + 1))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "%d inputs and %d outputs: R, T and %d of each tensor",
                          n->n_in, n->n_out, groups + 2);
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    int n;
    HST_TRY(count_tensors(c->node, &n, err));
    for (int i = 0; i < c->n_out; i++) c->out[i] = *infer_in(c, i < n ? 2 + i : 2 + n + i);
    return HST_STATUS_OK;
}

typedef struct rule {
    char kind; /* M, N (nesterov), g (Adagrad), m (Adam) */
    double rate, count, norm, post, alpha, beta, epsilon, decay;
} rule;

static hst_status read_rule(eval_context *c, rule *r, hst_error *err) {
    const node *n = c->node;
    HST_TRY(carry_number(c, 0, "R", &r->rate, err));
    HST_TRY(carry_number(c, 1, "T", &r->count, err));
    r->norm = node_float(n, "norm_coefficient", 0);
    r->post = node_float(n, "norm_coefficient_post", 0);
    r->alpha = node_float(n, "alpha", 0.9f);
    r->beta = node_float(n, "beta", 0.999f);
    r->epsilon = node_float(n, "epsilon", 1e-6f);
    r->decay = node_float(n, "decay_factor", 0);
    if (n->op_type[0] == 'M') {
        const char *mode = node_string(n, "mode", "standard");
        r->kind = strcmp(mode, "nesterov") == 0 ? 'N' : 'M';
        if (r->kind == 'M' && strcmp(mode, "standard") != 0)
            return node_error(n, err, HST_STATUS_BAD_FORMAT, "mode '%s' is neither standard nor nesterov", mode);
        if (!(r->count > 0)) r->beta = 1;
    } else if (own_groups(n) == 1) {
        r->kind = 'g';
        r->rate /= 1 + r->count * r->decay;
    } else {
        r->kind = 'm';
        if (r->count > 0) r->rate *= sqrt(1 - pow(r->beta, r->count)) / (1 - pow(r->alpha, r->count));
    }
    return HST_STATUS_OK;
}

static double step(const rule *r, double x, double g, double *v, double *h) {
    g += r->norm * x;
    switch (r->kind) {
    case 'M':
    case 'N':
        *v = r->alpha * *v + r->beta * g;
        return x - r->rate * (r->kind == 'M' ? *v : g + r->alpha * *v);
    case 'g':
        *v += g * g;
        return x - r->rate * g / (sqrt(*v) + r->epsilon);
    default:
        *v = r->alpha * *v + (1 - r->alpha) * g;
        *h = r->beta * *h + (1 - r->beta) * g * g;
        return (x - r->rate * (*v / (sqrt(*h) + r->epsilon))) * (1 - r->post);
    }
}

static hst_status train(eval_context *c, const rule *r, int n, int i, hst_error *err) {
    const hst_tensor *t[4];
    int groups = own_groups(c->node);
    carry y[3] = {{0}};
    for (int k = 0; k < groups + 2; k++) {
        HST_TRY(eval_need(c, 2 + k * n + i, k == 0 ? "X" : k == 1 ? "G" : "its state", &t[k], err));
        bool same = t[k]->rank == t[0]->rank && dtype_is_float(t[k]->dtype) &&
                    memcmp(t[k]->dim, t[0]->dim, (size_t)t[0]->rank * sizeof(int64_t)) == 0;
        if (!same)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                              "input %d has not the shape of input %d, or no floats", 2 + k * n + i, 2 + i);
    }
    for (int k = 0; k < groups + 1; k++)
        if (eval_wants(c, k * n + i))
            HST_TRY(eval_output(c, k * n + i, t[k ? k + 1 : 0]->dtype, t[0]->rank, t[0]->dim, &y[k].t, err));
    for (int64_t e = 0, count = tensor_count(t[0]); e < count; e++) {
        double own[2] = {tensor_get_f64(t[2], e), groups > 1 ? tensor_get_f64(t[3], e) : 0};
        double x = step(r, tensor_get_f64(t[0], e), tensor_get_f64(t[1], e), &own[0], &own[1]);
        if (y[0].t) tensor_set_f64(y[0].t, e, x);
        if (y[1].t) tensor_set_f64(y[1].t, e, own[0]);
        if (y[2].t) tensor_set_f64(y[2].t, e, own[1]);
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    rule r;
    int n;
    HST_TRY(count_tensors(c->node, &n, err));
    HST_TRY(read_rule(c, &r, err));
    for (int i = 0; i < n; i++) HST_TRY(train(c, &r, n, i, err));
    return HST_STATUS_OK;
}

// clang-format off
static const op_case momentum_cases[] = {
    {"standard", 0, "(f64[]{0.5}, s64[]{0}, f64[1]{1}, f64[1]{2}, f64[1]{4}; alpha=0.5, beta=0.25, mode=\"standard\", norm_coefficient=0.0) -> (f64[1]{-1}, f64[1]{4})", 0},
    {"nesterov", 0, "(f32[]{0.5}, s64[]{1}, f32[1]{1}, f32[1]{2}, f32[1]{4}; alpha=0.5, beta=0.25, mode=\"nesterov\", norm_coefficient=0.0) -> (f32[1]{-0.625}, f32[1]{2.5})", 0}, {0}};
static const op_case adagrad_cases[] = {
    {"two tensors", 0, "(f64[]{1}, s64[]{1}, f64[1]{1}, f64[1]{2}, f64[1]{3}, f64[1]{0}, f64[1]{16}, f64[1]{1}; decay_factor=1.0, epsilon=0.0) -> (f64[1]{0.7}, f64[1]{2}, f64[1]{25}, f64[1]{1})", 1e-15}, {0}};
static const op_case adam_cases[] = {
    {"first", 0, "(f64[]{0.5}, s64[]{0}, f64[1]{1}, f64[1]{2}, f64[1]{4}, f64[1]{6}; alpha=0.5, beta=0.5, epsilon=0.0) -> (f64[1]{0.3291796067500631}, f64[1]{3}, f64[1]{5})", 1e-15}, {0}};

#define OPTIMIZER(name_, least_, cases_)                                                                              \
    {.name = name_, .domain = "ai.onnx.preview.training", .since = 1, .min_in = least_, .max_in = OP_ANY, .min_out = 1, \
     .max_out = OP_ANY, .infer = infer, .eval = eval, .summary = "one step of training", HST_CASES(cases_)}

HST_OP(ai_onnx_preview_training_Momentum) = OPTIMIZER("Momentum", 5, momentum_cases);
HST_OP(ai_onnx_preview_training_Adagrad) = OPTIMIZER("Adagrad", 5, adagrad_cases);
HST_OP(ai_onnx_preview_training_Adam) = OPTIMIZER("Adam", 6, adam_cases);
// clang-format on
