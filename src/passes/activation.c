/* Activations written out in elementary operators become one: Gelu (erf and tanh forms), QuickGelu, Silu, HardSwish.
 *
 * They are found by meaning: the nodes between a value x and an output y, all elementwise with scalar constants, are a
 * function of one variable; it is computed at sample points and compared with the known ones. So any order of factors,
 * x/√2 or x·0.7071, x³ or x·x·x, is the same to us. x is the value at which all paths from y meet. */
#include <math.h>
#include <string.h>

#include "passes/match.h"
#include "passes/pass.h"
#include "tensor/convert.h"

#define CONE_MOST 24 /* nodes between y and x */

typedef struct cone {
    const value *leaf;
    double x;
    int steps;  /* nodes visited, a bound on work */
    bool exact; /* a constant was met that is not one of half precision */
} cone;

static bool evaluate(cone *c, const value *v, double *y);

static bool evaluate_unary(const node *n, double a, double *y) {
    static const struct {
        const char *name;
        double (*fn)(double);
    } known[] = {{"Erf", erf}, {"Tanh", tanh}, {"Exp", exp}, {"Sqrt", sqrt}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (node_is(n, "", known[i].name)) return *y = known[i].fn(a), true;
    if (node_is(n, "", "Neg")) return *y = -a, true;
    if (node_is(n, "", "Reciprocal")) return *y = 1 / a, true;
    if (node_is(n, "", "Sigmoid")) return *y = 1 / (1 + exp(-a)), true;
    if (node_is(n, "", "Relu")) return *y = a > 0 ? a : 0, true;
    if (node_is(n, "", "HardSigmoid"))
        return *y = fmin(1, fmax(0, (double)node_float(n, "alpha", 0.2f) * a + (double)node_float(n, "beta", 0.5f))),
               true;
    if (node_is(n, "", "Identity")) return *y = a, true;
    if (node_is(n, "", "Cast")) return *y = a, dtype_is_float(n->out[0]->type.dtype);
    return false;
}

static bool evaluate_binary(const node *n, double a, double b, double *y) {
    if (node_is(n, "", "Add")) return *y = a + b, true;
    if (node_is(n, "", "Sub")) return *y = a - b, true;
    if (node_is(n, "", "Mul")) return *y = a * b, true;
    if (node_is(n, "", "Div")) return *y = a / b, true;
    if (node_is(n, "", "Pow")) return *y = pow(a, b), true;
    return false;
}

static bool evaluate(cone *c, const value *v, double *y) {
    if (v == c->leaf) return *y = c->x, true;
    if (match_scalar(v, y)) {
        c->exact |= (double)f16_to_f32(f32_to_f16((float)*y)) != *y;
        return true;
    }
    const node *n = v->producer;
    if (!n || ++c->steps > 8 * CONE_MOST || n->n_out != 1) return false;
    double a, b, high;
    if (n->n_in == 3 && node_is(n, "", "Clip") && n->opset >= 11) {
        if (!evaluate(c, n->in[0], &a) || !match_scalar(n->in[1], &b) || !match_scalar(n->in[2], &high)) return false;
        return *y = fmin(high, fmax(b, a)), true;
    }
    if (n->n_in == 1) return evaluate(c, n->in[0], &a) && evaluate_unary(n, a, y);
    if (n->n_in == 2 && n->in[0] && n->in[1])
        return evaluate(c, n->in[0], &a) && evaluate(c, n->in[1], &b) && evaluate_binary(n, a, b, y);
    return false;
}

static double gelu_erf(double x) {
    return 0.5 * x * (1 + erf(x / sqrt(2.0)));
}
static double gelu_tanh(double x) {
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}
static double quick_gelu(double x) {
    return x / (1 + exp(-1.702 * x));
}
static double silu(double x) {
    return x / (1 + exp(-x));
}

static double hard_swish(double x) {
    return x * fmin(1, fmax(0, x / 6 + 0.5));
}

typedef struct known_function {
    double (*fn)(double);
    const char *domain, *op_type;
    int opset;
    const char *approximate; /* of Gelu */
    float alpha;             /* of QuickGelu; 0: none */
} known_function;

static const known_function functions[] = {{gelu_erf, "", "Gelu", 20, "none", 0},
                                           {gelu_tanh, "", "Gelu", 20, "tanh", 0},
                                           {quick_gelu, "com.microsoft", "QuickGelu", 1, NULL, 1.702f},
                                           {silu, "com.microsoft", "QuickGelu", 1, NULL, 1.0f},
                                           {hard_swish, "", "HardSwish", 14, NULL, 0}};

/* Constants are often rounded to f32 or shortened by their authors (0.79788): a few 1e-6 are theirs, more is another
 * function. In a half-precision graph √2 is 1.4140625; there the nearest function is meant (the two Gelus differ by
 * 5e-4). */
#define SAME      2e-6
#define SAME_HALF 3e-4

/* The greatest difference from f at the samples, relative to 1 + |x|, NaN where y is none; -1 where y is no function of
 * the leaf. */
static double distance(const value *y, const value *leaf, const known_function *f, bool *exact) {
    static const double samples[] = {-6, -3.1, -2.25, -1.5, -0.75, -0.1, 0.3, 0.9, 1.7, 2.6, 4.2, 7.5};
    double most = 0;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        cone c = {leaf, samples[i], 0, false};
        double got;
        if (!evaluate(&c, y, &got)) return -1;
        *exact = c.exact;
        double d = fabs(got - f->fn(samples[i])) / (1 + fabs(samples[i]));
        if (isnan(d)) return NAN; /* half a function, as of √x·√x */
        most = fmax(most, d);
    }
    return most;
}

static const known_function *recognise(const value *y, const value *leaf) {
    const known_function *best = NULL;
    double least = INFINITY;
    for (size_t k = 0; k < sizeof functions / sizeof *functions; k++) {
        bool exact = true;
        double d = distance(y, leaf, &functions[k], &exact);
        if (d < 0) return NULL;
        if (!(d <= (exact ? SAME : SAME_HALF)) || d >= least) continue;
        least = d;
        best = &functions[k];
    }
    return best;
}

/* Collects what the nodes before y read, breadth first: candidates for x, which has at least two uses. */
static int candidates(value *y, value **list, int most) {
    int n = 0;
    list[n++] = y;
    for (int at = 0; at < n; at++) {
        const node *p = list[at]->producer;
        if (!p || p->n_in > (node_is(p, "", "Clip") ? 3 : 2)) continue;
        for (int i = 0; i < p->n_in; i++) {
            value *v = p->in[i];
            bool seen = !v || v->constant;
            for (int k = 0; k < n && !seen; k++) seen = list[k] == v;
            if (!seen && n < most) list[n++] = v;
        }
    }
    return n;
}

static hst_status fuse_activation(graph *g, node *n, bool *changed, hst_error *err) {
    bool product = node_is(n, "", "Mul") || node_is(n, "", "Div");
    if (!product || n->n_out != 1 || n->out[0]->type.dtype != HST_DTYPE_F32) return HST_STATUS_OK;
    value *list[CONE_MOST];
    int count = candidates(n->out[0], list, CONE_MOST);
    for (int i = 1; i < count; i++) {
        /* constants of more axes may have made y wider; integers were cast, each use of them for itself */
        if (list[i]->n_uses < 2 || list[i]->graph != g || !type_equal(&list[i]->type, &n->out[0]->type)) continue;
        const known_function *f = recognise(n->out[0], list[i]);
        if (!f) continue;
        patch *p = patch_new(g, n);
        if (!p) return patch_fail(p, err);
        value *out = patch_value(p, &n->out[0]->type);
        node *made = patch_node(p, f->domain, f->op_type, f->opset, &list[i], 1, &out, 1);
        if (!made || (f->approximate && !node_set_string(made, "approximate", f->approximate)) ||
            (f->alpha != 0 && !node_set_float(made, "alpha", f->alpha))) return patch_fail(p, err);
        patch_replace(p, n->out[0], out);
        *changed = true;
        return patch_apply(p, err);
    }
    return HST_STATUS_OK;
}

HST_PASS(activation) = {.name = "activation",
                        .order = 40,
                        .node = fuse_activation,
                        .anchor = "",
                        .summary = "recognised an activation written out"};
