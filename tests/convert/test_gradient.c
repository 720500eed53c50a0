/* Gradient: every rule against central differences, in f64, also the derivative of the derivative; what a Gradient may
 * name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "convert/export.h"
#include "convert/optimize.h"
#include "counting.h"
#include "onnx/onnx.h"
#include "ops/case.h"
#include "ops/interp.h"

#define DOMAIN "ai.onnx.preview.training"

/* ---- building ---- */

static value *apply(graph *g, const char *op_type, const char *name, value *a, value *b) {
    value *in[2] = {a, b}, *out = graph_add_value(g, name);
    assert_non_null(graph_add_node(g, "", op_type, "", in, b ? 2 : 1, &out, 1));
    return out;
}

static void set_strings(node *n, const char *name, value *const *v, int count) {
    hst_string *s = ARENA_ARRAY(n->graph->model->arena, hst_string, count + 1);
    for (int i = 0; i < count; i++) s[i] = (hst_string){v[i]->name, strlen(v[i]->name)};
    assert_non_null(
        node_add_attribute(n, &(attribute){.name = name, .type = ATTRIBUTE_STRINGS, .n = count, .as.strings = s}));
}

/* The derivative of y with respect to xs at `at`, or at xs; out[i] is called "<prefix><i>". */
static node *gradient(graph *g, const char *prefix, value *y, value *const *xs, int n, value *const *at, value **out) {
    for (int i = 0; i < n; i++) {
        char name[32] = "";
        strncat(name, prefix, 20);
        strncat(name, (char[]){(char)('0' + i), 0}, 2);
        out[i] = graph_add_value(g, name);
    }
    node *made = graph_add_node(g, DOMAIN, "Gradient", "the gradient", at ? at : xs, n, out, n);
    assert_true(made && node_set_string(made, "y", y->name));
    set_strings(made, "xs", xs, n);
    return made;
}

static void add_output(model *m, value *v) {
    assert_int_equal(graph_add_output(m->main, v, NULL), HST_STATUS_OK);
}

static void optimize(model *m, optimize_level level, const char *what) {
    hst_error err = {0};
    if (optimize_model(m, level, NULL, &err) != HST_STATUS_OK) fail_msg("%s: %s", what, err.message);
    if (graph_check(m->main, &err) != HST_STATUS_OK) fail_msg("%s: %s", what, err.message);
    for (const node *n = m->main->first; n; n = n->next) {
        assert_string_not_equal(n->op_type, "Gradient");
        if (node_is(n, "", "ScatterND") && n->in[1]->type.dtype != HST_DTYPE_S64)
            fail_msg("%s: indices of ScatterND are %s", what, dtype_name(n->in[1]->type.dtype));
    }
}

/* ---- rules ---- */

typedef struct rule_case {
    const char *op_type;
    int opset;
    const char *text;
} rule_case;

// clang-format off
static const rule_case rules[] = {
    {"Add", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}, f64[3]{2 -1 4}) -> (f64[2,3]{0})"},
    {"Add", 7, "(f64[2,1]{1 2}, f64[2,1,3]{2 -1 4 3}) -> (f64[2,2,3]{0})"},
    {"Sub", 18, "(f64[]{1.5}, f64[2,2]{2 -1 4 0.25}) -> (f64[2,2]{0})"},
    {"Mul", 18, "(f64[2,1,2]{1 2 -3 0.5}, f64[3,1]{2 -1 4}) -> (f64[2,3,2]{0})"},
    {"Div", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}, f64[1,3]{2 -1 4}) -> (f64[2,3]{0})"},
    {"Neg", 18, "(f64[3]{1 2 -3}) -> (f64[3]{0})"},
    {"Identity", 18, "(f64[3]{1 2 -3}) -> (f64[3]{0})"},
    {"Sum", 18, "(f64[2]{1 2}, f64[]{3}, f64[3,2]{1 2 -3 0.5}) -> (f64[3,2]{0})"},
    {"Mean", 18, "(f64[2]{1 2}, f64[]{3}, f64[3,2]{1 2 -3 0.5}) -> (f64[3,2]{0})"},
    {"Pow", 18, "(f64[2,2]{1 2 0.5 3}, f64[2]{2 -1.5}) -> (f64[2,2]{0})"},
    {"Pow", 18, "(f64[4]{1 -2 0 3}, s64[4]{2 3 2 0}) -> (f64[4]{0})"},
    {"Exp", 18, "(f64[3]{0.1 1 -2}) -> (f64[3]{0})"},
    {"Log", 18, "(f64[3]{0.1 1 2}) -> (f64[3]{0})"},
    {"Sqrt", 18, "(f64[3]{0.1 1 2}) -> (f64[3]{0})"},
    {"Reciprocal", 18, "(f64[3]{0.5 1 -2}) -> (f64[3]{0})"},
    {"Abs", 18, "(f64[3]{0.5 1 -2}) -> (f64[3]{0})"},
    {"Sin", 18, "(f64[3]{0.5 1 -2}) -> (f64[3]{0})"},
    {"Cos", 18, "(f64[3]{0.5 1 -2}) -> (f64[3]{0})"},
    {"Erf", 18, "(f64[3]{0.5 1 -2}) -> (f64[3]{0})"},
    {"Tanh", 18, "(f64[3]{0.5 1 -2}) -> (f64[3]{0})"},
    {"Sigmoid", 18, "(f64[3]{0.5 1 -2}) -> (f64[3]{0})"},
    {"Softplus", 18, "(f64[3]{0.5 1 -2}) -> (f64[3]{0})"},
    {"Relu", 18, "(f64[3]{0.5 1 -2}) -> (f64[3]{0})"},
    {"LeakyRelu", 18, "(f64[3]{0.5 1 -2}; alpha=0.25) -> (f64[3]{0})"},
    {"Floor", 18, "(f64[3]{0.5 1.25 -2.5}) -> (f64[3]{0})"},
    {"Clip", 18, "(f64[4]{0.5 1 -2 3}, f64[]{-1}, _) -> (f64[4]{0})"},
    {"Cast", 18, "(f64[3]{0.5 1 -2}; to=11) -> (f64[3]{0})"},
    {"Where", 18, "(b8[2,1]{1 0}, f64[2,3]{1 2 -3 0.5 2 1.5}, f64[1,3]{2 -1 4}) -> (f64[2,3]{0})"},
    {"Reshape", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}, s64[2]{3 -1}) -> (f64[3,2]{0})"},
    {"Flatten", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}; axis=0) -> (f64[1,6]{0})"},
    {"Squeeze", 18, "(f64[2,1]{1 2}, s64[1]{1}) -> (f64[2]{0})"},
    {"Unsqueeze", 18, "(f64[2]{1 2}, s64[1]{0}) -> (f64[1,2]{0})"},
    {"Expand", 18, "(f64[2,1]{1 2}, s64[3]{2 1 3}) -> (f64[2,2,3]{0})"},
    {"Transpose", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}) -> (f64[3,2]{0})"},
    {"Transpose", 18, "(f64[2,1,3]{1 2 -3 0.5 2 1.5}; perm=[2,0,1]) -> (f64[3,2,1]{0})"},
    {"ReduceSum", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}, s64[1]{1}; keepdims=0) -> (f64[2]{0})"},
    {"ReduceSum", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}; keepdims=0) -> (f64[]{0})"},
    {"ReduceSum", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}, s64[0]{}; noop_with_empty_axes=1) -> (f64[2,3]{0})"},
    {"ReduceSum", 11, "(f64[2,3]{1 2 -3 0.5 2 1.5}; axes=[-2]) -> (f64[1,3]{0})"},
    {"ReduceMean", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}, s64[1]{-2}; keepdims=0) -> (f64[3]{0})"},
    {"ReduceMean", 13, "(f64[2,3]{1 2 -3 0.5 2 1.5}; axes=[1]) -> (f64[2,1]{0})"},
    {"Softmax", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}) -> (f64[2,3]{0})"},
    {"Softmax", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}; axis=0) -> (f64[2,3]{0})"},
    {"Softmax", 11, "(f64[2,3,2]{1 2 -3 0.5 2 1.5}) -> (f64[2,3,2]{0})"},
    {"LogSoftmax", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}) -> (f64[2,3]{0})"},
    {"MatMul", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}, f64[3,2]{2 -1 4 3 1 0.5}) -> (f64[2,2]{0})"},
    {"MatMul", 18, "(f64[2,1,2,3]{1 2 -3 0.5 2 1.5 0.1}, f64[2,3,2]{2 -1 4 3 1}) -> (f64[2,2,2,2]{0})"},
    {"MatMul", 18, "(f64[3]{1 2 -3}, f64[2,3,2]{2 -1 4 3 1}) -> (f64[2,2]{0})"},
    {"MatMul", 18, "(f64[2,2,3]{1 2 -3 0.5 2 1.5 0.1}, f64[3]{2 -1 4}) -> (f64[2,2]{0})"},
    {"MatMul", 18, "(f64[3]{1 2 -3}, f64[3]{2 -1 4}) -> (f64[]{0})"},
    {"MatMul", 18, "(f64[2]{1 -3}, f64[2,2]{2 -1 4 3}) -> (f64[2]{0})"},
    {"MatMul", 18, "(f64[2,2]{2 -1 4 3}, f64[2]{1 -3}) -> (f64[2]{0})"},
    {"Gemm", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}, f64[3,2]{2 -1 4 3 1 0.5}, f64[2]{1 2}; alpha=0.5, beta=2.0) -> (f64[2,2]{0})"},
    {"Gemm", 18, "(f64[3,2]{1 2 -3 0.5 2 1.5}, f64[3,2]{2 -1 4 3 1 0.5}, f64[2,1]{1 2}; transA=1) -> (f64[2,2]{0})"},
    {"Gemm", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}, f64[2,3]{2 -1 4 3 1 0.5}; transB=1, alpha=2.0) -> (f64[2,2]{0})"},
    {"Gemm", 18, "(f64[3,2]{1 2 -3 0.5 2 1.5}, f64[2,3]{2 -1 4 3 1 0.5}, f64[]{1}; transA=1, transB=1, alpha=-1.0) -> (f64[2,2]{0})"},
    {"Gather", 18, "(f64[3,2]{1 2 -3 0.5 2 1.5}, s64[2,2]{0 2 -1 0}) -> (f64[2,2,2]{0})"},
    {"Gather", 18, "(f64[3,2]{1 2 -3 0.5 2 1.5}, s32[2]{2 -1}) -> (f64[2,2]{0})"},
    {"Gather", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}, s64[2]{0 -1}; axis=1) -> (f64[2,2]{0})"},
    {"GatherElements", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}, s64[2,2]{0 1 1 0}) -> (f64[2,2]{0})"},
    {"GatherND", 18, "(f64[2,3]{1 2 -3 0.5 2 1.5}, s64[2,1]{2 0}; batch_dims=1) -> (f64[2]{0})"},
    {"Slice", 18, "(f64[3,4]{1 2 -3 0.5 2 1.5 0.1}, s64[2]{-1 0}, s64[2]{-9 3}, _, s64[2]{-2 1}) -> (f64[2,3]{0})"},
    {"Slice", 9, "(f64[3,4]{1 2 -3 0.5 2 1.5 0.1}; starts=[1], ends=[3], axes=[1]) -> (f64[3,2]{0})"},
    {"Tile", 18, "(f64[2,1]{1 2}, s64[2]{2 3}) -> (f64[4,3]{0})"},
    {"DepthToSpace", 18, "(f64[1,4,1,2]{1 2 -3 0.5 2 1.5}; blocksize=2) -> (f64[1,1,2,4]{0})"},
    {"SpaceToDepth", 18, "(f64[1,1,2,4]{1 2 -3 0.5 2 1.5}; blocksize=2) -> (f64[1,4,1,2]{0})"},
    {"GatherND", 18, "(f64[3,2]{1 2 -3 0.5 2 1.5}, s64[2,2]{0 1 2 1}) -> (f64[2]{0})"},
    {"ScatterND", 18, "(f64[3]{1 2 -3}, s64[2,1]{0 0}, f64[2]{4 5}; reduction=\"add\") -> (f64[3]{0})"},
    {"Concat", 18, "(f64[2,1]{1 2}, f64[2,2]{3 -4 5 0.5}, f64[2,1]{7 8}; axis=-1) -> (f64[2,4]{0})"},
};
// clang-format on

typedef struct probe {
    case_model c;
    value *x[4], *first[4], *second[4];
    int at[4], n; /* float inputs: their places */
} probe;

/* y = out² (so that what sums to a constant does not hide), its gradient, and the gradient of that by the first input.
 */
static void build(const rule_case *r, probe *p) {
    hst_error err = {0};
    const op *o = op_find("", r->op_type, r->opset);
    assert_non_null(o);
    if (case_parse(o, &(op_case){.name = r->op_type, .opset = r->opset, .text = r->text}, &p->c, &err) != HST_STATUS_OK)
        fail_msg("%s: %s", r->op_type, err.message);
    model *m = p->c.model;
    graph *g = m->main;
    assert_int_equal(model_import_opset(m, DOMAIN, 1, NULL), HST_STATUS_OK);
    value *out = g->outputs[0];
    g->n_outputs = 0;
    out->is_output = false;
    for (int i = 0, k = 0; i < p->c.n_in; i++) {
        if (!p->c.in[i]) continue;
        value *v = g->inputs[k++];
        if (!dtype_is_float(v->type.dtype) || (strcmp(r->op_type, "Clip") == 0 && i)) continue;
        p->at[p->n] = i;
        p->x[p->n++] = v;
    }
    value *y = apply(g, "Mul", "y", out, out);
    gradient(g, "d", y, p->x, p->n, NULL, p->first);
    gradient(g, "e", p->first[0], p->x, p->n, NULL, p->second);
    add_output(m, y);
    for (int i = 0; i < p->n; i++) add_output(m, p->first[i]);
    for (int i = 0; i < p->n; i++) add_output(m, p->second[i]);
}

static void run(const probe *p, hst_tensor **out, const char *what) {
    hst_error err = {0};
    const hst_tensor *in[8];
    int n = 0;
    for (int i = 0; i < p->c.n_in; i++)
        if (p->c.in[i]) in[n++] = p->c.in[i];
    if (interp_run(p->c.model->main, in, out, NULL, &err) != HST_STATUS_OK) fail_msg("%s: %s", what, err.message);
}

static void release(const probe *p, hst_tensor **out) {
    for (int i = 0; i < 1 + 2 * p->n; i++) tensor_free(out[i]);
}

static double sum(const hst_tensor *t) {
    double s = 0;
    for (int64_t i = 0; i < tensor_count(t); i++) s += tensor_get_f64(t, i);
    return s;
}

static void near(double got, double want, const rule_case *r, int input, int64_t element) {
    double d = got - want, most = 2e-5 * (1 + (want < 0 ? -want : want));
    if (!(d <= most && d >= -most))
        fail_msg("%s (opset %d) %s: d/d input %d [%lld] is %.9g, not %.9g", r->op_type, r->opset, r->text, input,
                 (long long)element, got, want);
}

/* Element e of input i: both derivatives against (f(x + h) - f(x - h)) / 2h. */
static void compare(const rule_case *r, probe *p, hst_tensor *const *at, int i, int64_t e) {
    const double h = 1e-5;
    hst_tensor *x = p->c.in[p->at[i]], *more[9], *less[9];
    double was = tensor_get_f64(x, e);
    tensor_set_f64(x, e, was + h);
    run(p, more, r->op_type);
    tensor_set_f64(x, e, was - h);
    run(p, less, r->op_type);
    tensor_set_f64(x, e, was);
    near(tensor_get_f64(at[1 + i], e), (sum(more[0]) - sum(less[0])) / (2 * h), r, i, e);
    near(tensor_get_f64(at[1 + p->n + i], e), (sum(more[1]) - sum(less[1])) / (2 * h), r, i, e);
    release(p, more);
    release(p, less);
}

static void check_rule(const rule_case *r, optimize_level level) {
    probe p = {0};
    hst_tensor *at[9];
    build(r, &p);
    assert_true(p.n > 0);
    optimize(p.c.model, level, r->text);
    run(&p, at, r->text);
    for (int i = 0; i < p.n; i++) {
        const hst_tensor *x = p.c.in[p.at[i]];
        assert_int_equal(at[1 + i]->rank, x->rank);
        assert_memory_equal(at[1 + i]->dim, x->dim, (size_t)x->rank * sizeof *x->dim);
        for (int64_t e = 0; e < tensor_count(x); e++) compare(r, &p, at, i, e);
    }
    release(&p, at);
    case_free(&p.c);
}

static void rules_agree_with_differences(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof rules / sizeof *rules; k++) {
        check_rule(&rules[k], OPTIMIZE_NONE);
        check_rule(&rules[k], OPTIMIZE_ALL);
    }
}

/* ---- what is named ---- */

static model *begin_in(const hst_allocator *a, value **x, value **w, int64_t count) {
    model *m = model_new(a);
    assert_int_equal(model_import_opset(m, "", 18, NULL), HST_STATUS_OK);
    assert_int_equal(model_import_opset(m, DOMAIN, 1, NULL), HST_STATUS_OK);
    value **both[2] = {x, w};
    for (int i = 0; i < 2; i++) {
        *both[i] = graph_add_value(m->main, i ? "w" : "x");
        (*both[i])->type = type_make(HST_DTYPE_F32, 1, &count);
        assert_int_equal(graph_add_input(m->main, *both[i], NULL), HST_STATUS_OK);
    }
    return m;
}

static model *begin(value **x, value **w, int64_t count) {
    return begin_in(NULL, x, w, count);
}

/* Runs on x = {2, 3}, w = {5, 7} and compares output k with want[2 k], want[2 k + 1]. */
static void expect(model *m, const float *want) {
    const int64_t two = 2;
    hst_tensor *in[2], *out[4] = {0};
    hst_error err = {0};
    optimize(m, OPTIMIZE_ALL, "a graph");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tensor_new(HST_DTYPE_F32, 1, &two, NULL, &in[i], NULL), HST_STATUS_OK);
        for (int k = 0; k < 2; k++) tensor_set_f64(in[i], k, (const double[]){2, 3, 5, 7}[2 * i + k]);
    }
    if (interp_run(m->main, (const hst_tensor *const *)in, out, NULL, &err) != HST_STATUS_OK)
        fail_msg("%s", err.message);
    for (int k = 0; k < 2 * m->main->n_outputs; k++) {
        double got = tensor_get_f64(out[k / 2], k % 2);
        if (!(got > want[k] - 1e-4 && got < want[k] + 1e-4))
            fail_msg("output %d [%d] is %g, not %g", k / 2, k % 2, got, (double)want[k]);
    }
    for (int k = 0; k < 4; k++) tensor_free(out[k]);
    for (int k = 0; k < 2; k++) tensor_free(in[k]);
    model_free(m);
}

/* y = x w + x x, a value used three times; z does not know w. A Gradient may stand before what it names. */
static void several_gradients_of_one_graph(void **state) {
    (void)state;
    value *x, *w, *d[2], *e[2];
    model *m = begin(&x, &w, 2);
    graph *g = m->main;
    value *y = apply(g, "Add", "y", apply(g, "Mul", "xw", x, w), apply(g, "Mul", "xx", x, x));
    value *z = apply(g, "Neg", "z", x, NULL);
    gradient(g, "d", y, (value *const[]){x, w}, 2, NULL, d);
    gradient(g, "e", z, (value *const[]){x, w}, 2, NULL, e);
    for (int i = 0; i < 2; i++) add_output(m, d[i]);
    for (int i = 0; i < 2; i++) add_output(m, e[i]);
    expect(m, (const float[]){9, 13, 2, 3, -1, -1, 0, 0});
}

/* h = x w, y = h h: by h, which has a producer, at another value than its own; where y is not copied it stays. */
static void elsewhere_than_at_the_named_values(void **state) {
    (void)state;
    value *x, *w, *d[1], *e[1];
    model *m = begin(&x, &w, 2);
    graph *g = m->main;
    value *h = apply(g, "Mul", "h", x, w), *y = apply(g, "Mul", "y", h, h);
    gradient(g, "d", y, &h, 1, NULL, d);
    gradient(g, "e", y, &h, 1, &w, e);
    add_output(m, y);
    add_output(m, d[0]);
    add_output(m, e[0]);
    expect(m, (const float[]){100, 441, 20, 42, 10, 14});
}

/* In a branch of If: y = x w is made outside, d = dy/dx there and e = d (x d)/dx inside. */
static void in_a_branch(void **state) {
    (void)state;
    value *x, *w, *d[1], *e[1];
    model *m = begin(&x, &w, 2);
    hst_tensor *yes;
    assert_int_equal(tensor_new(HST_DTYPE_B8, 0, NULL, NULL, &yes, NULL), HST_STATUS_OK);
    tensor_set_s64(yes, 0, 1);
    assert_int_equal(model_own_tensor(m, yes, NULL), HST_STATUS_OK);
    graph *then = graph_new(m, m->main, "then"), *other = graph_new(m, m->main, "else");
    value *condition = graph_add_initializer(m->main, "c", yes), *out[2] = {graph_add_value(m->main, "o"), NULL};
    out[1] = graph_add_value(m->main, "p");
    node *branch = graph_add_node(m->main, "", "If", "", &condition, 1, out, 2);
    value *y = apply(m->main, "Mul", "y", x, w);
    gradient(then, "d", y, &x, 1, NULL, d);
    value *z = apply(then, "Mul", "z", x, apply(then, "Mul", "xd", x, d[0]));
    gradient(then, "e", z, &x, 1, NULL, e);
    value *const thens[2] = {d[0], e[0]}, *const others[2] = {apply(other, "Neg", "", x, NULL),
                                                              apply(other, "Neg", "", w, NULL)};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(graph_add_output(then, thens[i], NULL), HST_STATUS_OK);
        assert_int_equal(graph_add_output(other, others[i], NULL), HST_STATUS_OK);
        add_output(m, out[i]);
    }
    assert_non_null(node_add_attribute(
        branch, &(attribute){.name = "then_branch", .type = ATTRIBUTE_GRAPH, .n = 1, .as.graph = then}));
    assert_non_null(node_add_attribute(
        branch, &(attribute){.name = "else_branch", .type = ATTRIBUTE_GRAPH, .n = 1, .as.graph = other}));
    expect(m, (const float[]){5, 7, 20, 42}); /* w and 2 x w: the derivative that d is does not know x */
}

static hst_status refused(model *m, hst_error *err) {
    hst_status status = optimize_model(m, OPTIMIZE_ALL, NULL, err);
    model_free(m);
    return status;
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    hst_error err = {0};
    value *x, *w, *d[2];
    for (int k = 0; k < 4; k++) {
        model *m = begin(&x, &w, 2);
        graph *g = m->main;
        value *y = k == 0 ? apply(g, "Tan", "y", x, NULL) : apply(g, "Mul", "y", x, w);
        node *n = gradient(g, "d", y, &x, 1, NULL, d);
        if (k == 1) n->attributes[0].as.s = (hst_string){"nowhere", 7};
        if (k == 2) n->attributes[0].as.s = (hst_string){"d0", 2};
        if (k == 3) n->n_attributes = 1;
        add_output(m, d[0]);
        static const struct {
            hst_status status;
            const char *text;
        } want[] = {{HST_STATUS_UNSUPPORTED, "Tan (opset 18)"},
                    {HST_STATUS_BAD_FORMAT, "'nowhere', which is no value"},
                    {HST_STATUS_BAD_FORMAT, "depends on its own derivative"},
                    {HST_STATUS_BAD_FORMAT, "needs the attributes xs"}};
        assert_int_equal(refused(m, &err), want[k].status);
        if (!strstr(err.message, want[k].text)) fail_msg("%s", err.message);
    }
}

/* Each of a chain of derivatives is made of the one before: the work is bounded. */
static void a_chain_of_derivatives_ends(void **state) {
    (void)state;
    hst_error err = {0};
    value *x, *w, *d[1];
    model *m = begin(&x, &w, 2);
    value *y = apply(m->main, "Tanh", "y", x, NULL);
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"};
    for (int i = 0; i < 16; i++) {
        gradient(m->main, names[i], y, &x, 1, NULL, d);
        y = d[0];
    }
    add_output(m, y);
    assert_int_equal(refused(m, &err), HST_STATUS_UNSUPPORTED);
    if (!strstr(err.message, "steps")) fail_msg("%s", err.message);
}

/* Any allocation may fail: NO_MEMORY, and nothing is lost. */
static void without_memory(void **state) {
    (void)state;
    hst_status status = HST_STATUS_NO_MEMORY;
    long k = 1;
    for (; status != HST_STATUS_OK && k < 20000; k++) {
        counting c = {0};
        hst_allocator a = counting_allocator(&c);
        hst_error err = {0};
        value *x, *w, *d[2], *e[2];
        model *m = begin_in(&a, &x, &w, 2);
        value *y = apply(m->main, "Pow", "y", apply(m->main, "Tanh", "t", x, NULL), w);
        y = apply(m->main, "Softmax", "s", y, NULL);
        y->producer->opset = 11;
        gradient(m->main, "d", y, (value *const[]){x, w}, 2, NULL, d);
        gradient(m->main, "e", d[0], (value *const[]){x, w}, 2, (value *const[]){w, x}, e);
        add_output(m, e[0]);
        c.fail_at = k;
        status = optimize_model(m, OPTIMIZE_NONE, NULL, &err);
        if (status != HST_STATUS_OK && status != HST_STATUS_NO_MEMORY) fail_msg("%ld: %s", k, err.message);
        model_free(m);
        assert_int_equal(c.alive, 0);
    }
    assert_int_equal(status, HST_STATUS_OK);
    assert_true(k > 100);
}

/* A file for another opset has standard operators in its place. */
static void exported(void **state) {
    (void)state;
    char path[] = "/tmp/hasten-gradient-XXXXXX";
    hst_error err = {0};
    value *x, *w, *d[1];
    assert_true(close(mkstemp(path)) == 0);
    for (int opset = 0; opset <= 17; opset += 17) {
        model *m = begin(&x, &w, 2), *again = NULL;
        gradient(m->main, "d", apply(m->main, "Mul", "y", x, w), &x, 1, NULL, d);
        d[0]->type = x->type;
        add_output(m, d[0]);
        if (export_onnx(m, path, &(export_options){.opset = opset}, &err) != HST_STATUS_OK ||
            onnx_read(path, NULL, &again, &err) != HST_STATUS_OK)
            fail_msg("%s", err.message);
        bool there = false;
        for (const node *n = again->main->first; n; n = n->next) there |= node_is(n, DOMAIN, "Gradient");
        assert_int_equal(there, opset == 0);
        model_free(m);
        expect(again, (const float[]){5, 7});
    }
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rules_agree_with_differences),
                                       cmocka_unit_test(several_gradients_of_one_graph),
                                       cmocka_unit_test(elsewhere_than_at_the_named_values),
                                       cmocka_unit_test(in_a_branch),
                                       cmocka_unit_test(what_cannot_be_is_refused),
                                       cmocka_unit_test(a_chain_of_derivatives_ends),
                                       cmocka_unit_test(without_memory),
                                       cmocka_unit_test(exported)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
