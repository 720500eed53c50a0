/* Patterns on small graphs made for them: what must be fused, what looks alike and must not be. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ops/interp.h"
#include "passes/pass.h"

/* ---- a small graph builder ---- */

static model *begin(void) {
    model *m = model_new(NULL);
    assert_non_null(m);
    assert_int_equal(model_import_opset(m, "", 18, NULL), HST_STATUS_OK);
    return m;
}

static value *input(model *m, const char *name, hst_dtype d, int rank, const dim *dims) {
    value *v = graph_add_value(m->main, name);
    v->type = type_make(d, rank, dims);
    assert_int_equal(graph_add_input(m->main, v, NULL), HST_STATUS_OK);
    return v;
}

static value *constant(model *m, int rank, const int64_t *dims, float first, float step) {
    hst_tensor *t;
    assert_int_equal(tensor_new(HST_DTYPE_F32, rank, dims, NULL, &t, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < tensor_count(t); i++) ((float *)t->data)[i] = first + step * (float)(i % 7);
    assert_int_equal(model_own_tensor(m, t, NULL), HST_STATUS_OK);
    return graph_add_initializer(m->main, "", t);
}

static value *number(model *m, float x) {
    return constant(m, 0, NULL, x, 0);
}

static value *apply(model *m, const char *op_type, value *a, value *b) {
    value *in[2] = {a, b}, *out = graph_add_value(m->main, "");
    assert_non_null(graph_add_node(m->main, "", op_type, op_type, in, b ? 2 : 1, &out, 1));
    return out;
}

static value *mean(model *m, value *x, int64_t axis) {
    value *y = apply(m, "ReduceMean", x, NULL);
    y->producer->opset = 17; /* axes as attribute */
    assert_true(node_set_ints(y->producer, "axes", &axis, 1));
    return y;
}

static void finish(model *m, value *y) {
    assert_int_equal(graph_add_output(m->main, y, NULL), HST_STATUS_OK);
}

static int count(const model *m, const char *domain, const char *op_type) {
    int n = 0;
    for (const node *x = m->main->first; x; x = x->next) n += node_is(x, domain, op_type);
    return n;
}

/* Rewrites, and checks that answers stay: the graph is run before and after on made-up inputs. */
static void rewrite(model *m, double tolerance) {
    hst_error err = {0};
    const hst_tensor *in[4] = {0};
    hst_tensor *made[4] = {0}, *before = NULL, *after = NULL;
    for (int i = 0; i < m->main->n_inputs; i++) {
        int64_t dims[HST_RANK_MAX];
        const type *t = &m->main->inputs[i]->type;
        for (int k = 0; k < t->rank; k++) dims[k] = dim_is_symbol(t->dim[k]) ? 3 : t->dim[k];
        assert_int_equal(tensor_new(t->dtype, t->rank, dims, NULL, &made[i], NULL), HST_STATUS_OK);
        for (int64_t k = 0; k < tensor_count(made[i]); k++)
            tensor_set_f64(made[i], k, (double)((k * 29 + 5) % 41 - 20) / 8);
        in[i] = made[i];
    }
    if (ops_resolve(m->main, &err) != HST_STATUS_OK || interp_run(m->main, in, &before, NULL, &err) != HST_STATUS_OK)
        fail_msg("%s", err.message);
    if (passes_run(m, 0, 1000, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    if (graph_check(m->main, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    if (interp_run(m->main, in, &after, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    assert_int_equal(tensor_count(before), tensor_count(after));
    assert_int_equal(before->rank, after->rank);
    for (int64_t k = 0; k < tensor_count(before); k++) {
        double d = tensor_get_f64(before, k) - tensor_get_f64(after, k);
        if (isnan(tensor_get_f64(before, k)) && isnan(tensor_get_f64(after, k))) continue;
        if (!(d <= tolerance && d >= -tolerance)) fail_msg("element %lld differs by %g", (long long)k, d);
    }
    tensor_free(before);
    tensor_free(after);
    for (int i = 0; i < m->main->n_inputs; i++) tensor_free(made[i]);
}

static value *rows(model *m) {
    const dim dims[3] = {dim_symbol(m, "batch"), dim_symbol(m, "sequence"), 8};
    return input(m, "x", HST_DTYPE_F32, 3, dims);
}

/* ---- activations ---- */

static value *gelu_tanh(model *m, value *x, float cubic) {
    value *cube = apply(m, "Mul", apply(m, "Mul", x, x), x);
    value *inner =
        apply(m, "Mul", number(m, 0.7978845608f), apply(m, "Add", x, apply(m, "Mul", cube, number(m, cubic))));
    return apply(m, "Mul", apply(m, "Mul", number(m, 0.5f), x),
                 apply(m, "Add", apply(m, "Tanh", inner, NULL), number(m, 1)));
}

static void a_gelu_in_any_order_is_found(void **state) {
    (void)state;
    for (int form = 0; form < 3; form++) {
        model *m = begin();
        value *x = rows(m);
        value *inner =
            form == 1 ? apply(m, "Mul", x, number(m, 0.70710678f)) : apply(m, "Div", x, number(m, 1.41421356f));
        value *one = apply(m, "Add", number(m, 1), apply(m, "Erf", inner, NULL)), *half = number(m, 0.5f);
        value *y = form == 0   ? apply(m, "Mul", apply(m, "Mul", x, one), half)
                   : form == 1 ? apply(m, "Mul", x, apply(m, "Mul", half, one))
                               : apply(m, "Div", apply(m, "Mul", one, x), number(m, 2));
        finish(m, y);
        rewrite(m, 1e-6);
        assert_int_equal(count(m, "", "Gelu"), 1);
        assert_int_equal(m->main->n_nodes, 1);
        model_free(m);
    }
}

static void a_tanh_gelu_is_found_and_another_function_is_not(void **state) {
    (void)state;
    for (int form = 0; form < 2; form++) {
        model *m = begin();
        finish(m, gelu_tanh(m, rows(m), form ? 0.05f : 0.044715f));
        rewrite(m, 1e-6);
        assert_int_equal(count(m, "", "Gelu"), form ? 0 : 1);
        model_free(m);
    }
}

static void quick_gelu_and_silu_are_found(void **state) {
    (void)state;
    for (int form = 0; form < 3; form++) {
        static const float factors[] = {1.702f, 1.0f, 1.3f};
        model *m = begin();
        value *x = rows(m);
        finish(m, apply(m, "Mul", x, apply(m, "Sigmoid", apply(m, "Mul", x, number(m, factors[form])), NULL)));
        rewrite(m, 1e-6);
        assert_int_equal(count(m, "com.microsoft", "QuickGelu"), form < 2);
        model_free(m);
    }
}

static void what_is_a_gelu_of_some_numbers_alone_is_not_found(void **state) {
    (void)state;
    for (int form = 0; form < 3; form++) {
        const int64_t ones[4] = {1, 1, 1, 1};
        model *m = begin();
        const dim dims[2] = {dim_symbol(m, "rows"), 8};
        value *x = form == 1 ? input(m, "x", HST_DTYPE_S64, 2, dims) : rows(m), *a = x, *b = x;
        if (form == 0) { /* of positive ones */
            a = apply(m, "Mul", apply(m, "Sqrt", x, NULL), apply(m, "Sqrt", x, NULL));
        }
        if (form == 1) { /* of what was an integer */
            a = apply(m, "Cast", x, NULL);
            b = apply(m, "Cast", x, NULL);
            assert_true(node_set_int(a->producer, "to", HST_DTYPE_F32) &&
                        node_set_int(b->producer, "to", HST_DTYPE_F32));
        }
        value *one = form == 2 ? constant(m, 4, ones, 1, 0) : number(m, 1); /* of another rank */
        value *e = apply(m, "Add", one, apply(m, "Erf", apply(m, "Mul", a, number(m, 0.70710678f)), NULL));
        finish(m, apply(m, "Mul", apply(m, "Mul", b, number(m, 0.5f)), e));
        rewrite(m, 1e-6);
        assert_int_equal(count(m, "", "Gelu"), 0);
        model_free(m);
    }
}

/* ---- LayerNormalization ---- */

static value *layer_norm(model *m, value *x, int64_t axis) {
    const int64_t eight = 8;
    value *d = apply(m, "Sub", x, mean(m, x, axis));
    value *variance = mean(m, apply(m, "Pow", d, number(m, 2)), axis);
    value *y = apply(m, "Div", d, apply(m, "Sqrt", apply(m, "Add", variance, number(m, 1e-5f)), NULL));
    return apply(m, "Add", apply(m, "Mul", y, constant(m, 1, &eight, 0.5f, 0.25f)), constant(m, 1, &eight, -1, 0.5f));
}

static void a_layer_norm_is_found_over_the_last_axis_only(void **state) {
    (void)state;
    static const int64_t axes[] = {-1, 2, 1};
    for (int i = 0; i < 3; i++) {
        model *m = begin();
        finish(m, layer_norm(m, rows(m), axes[i]));
        rewrite(m, 2e-6);
        assert_int_equal(count(m, "", "LayerNormalization"), i < 2);
        model_free(m);
    }
}

/* Form 0: x / σ; 1: x · Reciprocal(σ), γ on the left; 2: (1 / σ) · x; 3: over another axis; 4: another value's σ;
 * 5: the normalised rows are read again; 6: γ is an input. */
static void an_rms_norm_is_found(void **state) {
    (void)state;
    const int64_t eight = 8;
    const dim row = 8;
    for (int form = 0; form < 7; form++) {
        model *m = begin();
        value *x = rows(m), *other = form == 4 ? apply(m, "Tanh", x, NULL) : x;
        value *gamma = form == 6 ? input(m, "scale", HST_DTYPE_F32, 1, &row) : constant(m, 1, &eight, 0.5f, 0.25f);
        value *squares = mean(m, apply(m, "Pow", other, number(m, 2)), form == 3 ? 1 : -1);
        value *sigma = apply(m, "Sqrt", apply(m, "Add", squares, number(m, 1e-6f)), NULL);
        value *y = form == 1   ? apply(m, "Mul", x, apply(m, "Reciprocal", sigma, NULL))
                   : form == 2 ? apply(m, "Mul", apply(m, "Div", number(m, 1), sigma), x)
                               : apply(m, "Div", x, sigma);
        value *z = form == 1 ? apply(m, "Mul", gamma, y) : apply(m, "Mul", y, gamma);
        finish(m, form == 5 ? apply(m, "Add", z, y) : z);
        rewrite(m, 2e-6);
        if (count(m, "", "RMSNormalization") != (form < 3)) fail_msg("form %d", form);
        model_free(m);
    }
}

static void a_sum_goes_into_the_norm_only_when_it_is_read_once(void **state) {
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        model *m = begin();
        value *x = rows(m), *sum = apply(m, "Add", x, apply(m, "Tanh", x, NULL));
        value *y = layer_norm(m, sum, -1);
        finish(m, shared ? apply(m, "Mul", y, sum) : y);
        rewrite(m, 1e-5);
        assert_int_equal(count(m, "com.microsoft", "SkipLayerNormalization"), !shared);
        model_free(m);
    }
}

/* ---- products ---- */

static void a_product_takes_bias_and_activation(void **state) {
    (void)state;
    const int64_t dims[2] = {8, 5}, five = 5;
    model *m = begin();
    value *y = apply(m, "MatMul", rows(m), constant(m, 2, dims, -0.5f, 0.2f));
    finish(m, apply(m, "Relu", apply(m, "Add", constant(m, 1, &five, 0.1f, -0.3f), y), NULL));
    rewrite(m, 1e-5);
    assert_int_equal(m->main->n_nodes, 1);
    assert_string_equal(node_string(m->main->first, "activation", ""), "Relu");
    model_free(m);
}

/* Form 0: of the product; 1: of its sum with another value; 2: of a sum that is read again; 3: of a product that is
 * read again; 4: scaled by an input; 5: over the row of another axis. */
static void a_norm_goes_into_the_product_before_it(void **state) {
    (void)state;
    const int64_t square[2] = {8, 8}, eight = 8;
    const dim row = 8;
    for (int form = 0; form < 6; form++) {
        model *m = begin();
        value *x = rows(m), *scale = form == 4 ? input(m, "scale", HST_DTYPE_F32, 1, &row) : NULL;
        value *y = apply(m, "MatMul", x, constant(m, 2, square, -0.5f, 0.2f));
        y = apply(m, "Add", y, constant(m, 1, &eight, 0.1f, -0.3f));
        value *sum = form == 1 || form == 2 ? apply(m, "Add", apply(m, "Tanh", x, NULL), y) : y;
        value *in[3] = {sum, scale ? scale : constant(m, 1, &eight, 0.5f, 0.25f), constant(m, 1, &eight, -1, 0.5f)};
        value *z = graph_add_value(m->main, "");
        node *norm = graph_add_node(m->main, "", "LayerNormalization", "norm", in, form == 5 ? 2 : 3, &z, 1);
        assert_true(norm && node_set_int(norm, "axis", form == 5 ? 1 : -1) && node_set_float(norm, "epsilon", 0.01f));
        finish(m, form == 2 || form == 3 ? apply(m, "Mul", z, sum) : z);
        rewrite(m, 1e-5);
        const bool fused = form < 2;
        assert_int_equal(count(m, "", "LayerNormalization"), !fused);
        assert_int_equal(count(m, "com.microsoft", "SkipLayerNormalization"), 0);
        assert_int_equal(count(m, "hasten", "Linear"), 1);
        const node *l = m->main->first;
        while (!node_is(l, "hasten", "Linear")) l = l->next;
        assert_int_equal(l->n_in > 4 && l->in[4], fused);
        model_free(m);
    }
}

static void what_follows_a_norm_stays_behind_it(void **state) {
    (void)state;
    const int64_t square[2] = {8, 8}, eight = 8;
    for (int form = 0; form < 3; form++) {
        model *m = begin();
        assert_int_equal(model_import_opset(m, "hasten", 1, NULL), HST_STATUS_OK);
        value *x = rows(m), *gamma = constant(m, 1, &eight, 0.5f, 0.25f), *y = graph_add_value(m->main, "");
        value *in[5] = {x, constant(m, 2, square, -0.5f, 0.2f), NULL, NULL, gamma};
        assert_non_null(graph_add_node(m->main, "hasten", "Linear", "l", in, 5, &y, 1));
        value *z = form == 0   ? apply(m, "Add", y, constant(m, 1, &eight, 0.1f, -0.3f))
                   : form == 1 ? apply(m, "Relu", y, NULL)
                               : apply(m, "Add", y, apply(m, "Tanh", x, NULL));
        finish(m, z);
        rewrite(m, 1e-6);
        assert_int_equal(count(m, "", form == 1 ? "Relu" : "Add"), 1);
        model_free(m);
    }
}

static void a_half_precision_weight_is_taken_as_it_lies(void **state) {
    (void)state;
    const int64_t dims[2] = {5, 8}, perm[2] = {1, 0};
    model *m = begin();
    value *x = rows(m);
    hst_tensor *t;
    assert_int_equal(tensor_new(HST_DTYPE_F16, 2, dims, NULL, &t, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < 40; i++) tensor_set_f64(t, i, (double)(i % 9) / 4 - 1);
    assert_int_equal(model_own_tensor(m, t, NULL), HST_STATUS_OK);
    value *wide = apply(m, "Cast", graph_add_initializer(m->main, "w", t), NULL);
    assert_true(node_set_int(wide->producer, "to", HST_DTYPE_F32));
    value *turned = apply(m, "Transpose", wide, NULL);
    assert_true(node_set_ints(turned->producer, "perm", perm, 2));
    finish(m, apply(m, "MatMul", x, turned));
    rewrite(m, 1e-5);
    assert_int_equal(m->main->n_nodes, 1);
    assert_int_equal(node_int(m->main->first, "columns", 0), 5); /* "pack" has laid it out: no Cast, no Transpose */
    model_free(m);
}

/* What takes its type from an input that is widened is widened too: an EyeLike; rows of a table that is read twice. */
static void what_follows_half_precision_is_widened(void **state) {
    (void)state;
    const dim square[2] = {8, 8};
    const int64_t dims[2] = {8, 8};
    hst_tensor *t, *at;
    model *m = begin();
    value *x = input(m, "x", HST_DTYPE_F16, 2, square);
    assert_int_equal(tensor_new(HST_DTYPE_F16, 2, dims, NULL, &t, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < 64; i++) tensor_set_f64(t, i, (double)(i % 9) / 4 - 1);
    assert_int_equal(model_own_tensor(m, t, NULL), HST_STATUS_OK);
    assert_int_equal(tensor_new(HST_DTYPE_S64, 1, dims, NULL, &at, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < 8; i++) tensor_set_s64(at, i, 7 - i);
    assert_int_equal(model_own_tensor(m, at, NULL), HST_STATUS_OK);
    value *table = graph_add_initializer(m->main, "w", t);
    value *picked = apply(m, "Gather", table, graph_add_initializer(m->main, "", at));
    value *sum = apply(m, "Add", apply(m, "Mul", picked, x), apply(m, "MatMul", x, table));
    finish(m, apply(m, "Add", sum, apply(m, "EyeLike", x, NULL)));
    rewrite(m, 0.03); /* f16 rounds behind every operator */
    assert_int_equal(m->main->outputs[0]->type.dtype, HST_DTYPE_F16);
    model_free(m);
}

/* A head that reads the first row: the Gather moves up to the residual's two readers. */
static void rows_that_nobody_reads_are_left_out(void **state) {
    (void)state;
    const int64_t dims[2] = {8, 8};
    for (int index = 0; index < 2; index++) {
        model *m = begin();
        value *x = rows(m), *h = apply(m, "MatMul", x, constant(m, 2, dims, -0.5f, 0.2f));
        value *y = layer_norm(m, apply(m, "Add", apply(m, "Relu", h, NULL), x), -1);
        hst_tensor *t;
        assert_int_equal(tensor_new(HST_DTYPE_S64, 0, NULL, NULL, &t, NULL), HST_STATUS_OK);
        tensor_set_s64(t, 0, index);
        assert_int_equal(model_own_tensor(m, t, NULL), HST_STATUS_OK);
        value *first = apply(m, "Gather", y, graph_add_initializer(m->main, "", t));
        assert_true(node_set_int(first->producer, "axis", 1));
        finish(m, first);
        rewrite(m, 1e-5);
        for (const node *n = m->main->first; n; n = n->next)
            if (node_is(n, "hasten", "Linear")) assert_int_equal(n->out[0]->type.rank, index ? 3 : 2);
        model_free(m);
    }
}

/* An initializer that is also an input is a default: the caller may pass another tensor. */
static void a_default_is_no_constant(void **state) {
    (void)state;
    const int64_t dims[2] = {8, 5};
    model *m = begin();
    value *x = rows(m), *w = constant(m, 2, dims, 1, 0);
    assert_int_equal(graph_add_input(m->main, w, NULL), HST_STATUS_OK);
    finish(m, apply(m, "Add", apply(m, "MatMul", x, w), apply(m, "MatMul", x, apply(m, "Neg", w, NULL))));
    rewrite(m, 1e-5);
    assert_int_equal(count(m, "", "Neg"), 1);
    assert_int_equal(count(m, "", "MatMul"), 2);
    model_free(m);
}

static void an_output_keeps_its_name(void **state) {
    (void)state;
    model *m = begin();
    value *x = rows(m), *y = graph_add_value(m->main, "answer");
    assert_non_null(graph_add_node(m->main, "", "Identity", "", &x, 1, &y, 1));
    finish(m, y);
    rewrite(m, 0);
    assert_string_equal(m->main->outputs[0]->name, "answer");
    assert_int_equal(m->main->n_nodes, 1);
    model_free(m);
}

/* Conv of a padded x; pads as Pad has them, `value` what it fills with. */
static model *padded_conv(const int64_t *pads, float value, const char *mode) {
    model *m = begin();
    hst_tensor *t;
    struct value *x = input(m, "x", HST_DTYPE_F32, 4, (dim[]){1, 2, 5, 6}), *in[3], *y = graph_add_value(m->main, "");
    assert_int_equal(tensor_new(HST_DTYPE_S64, 1, (int64_t[]){8}, NULL, &t, NULL), HST_STATUS_OK);
    memcpy(t->data, pads, 8 * sizeof *pads);
    assert_int_equal(model_own_tensor(m, t, NULL), HST_STATUS_OK);
    in[0] = x, in[1] = graph_add_initializer(m->main, "", t), in[2] = number(m, value);
    node *n = graph_add_node(m->main, "", "Pad", "Pad", in, 3, &y, 1);
    assert_true(n && node_set_string(n, "mode", mode));
    struct value *z = apply(m, "Conv", y, constant(m, 4, (int64_t[]){3, 2, 3, 3}, -1, 0.375f));
    assert_true(node_set_ints(z->producer, "pads", (int64_t[]){1, 0, 0, 1}, 4));
    assert_true(node_set_ints(z->producer, "strides", (int64_t[]){2, 1}, 2));
    finish(m, z);
    return m;
}

static void padding_goes_into_the_conv(void **state) {
    (void)state;
    model *m = padded_conv((int64_t[]){0, 0, 1, 2, 0, 0, 3, 0}, 0, "constant");
    rewrite(m, 0);
    assert_int_equal(count(m, "", "Pad"), 0);
    const int64_t *pads;
    assert_int_equal(node_ints(m->main->first, "pads", &pads), 4);
    assert_memory_equal(pads, ((int64_t[]){2, 2, 3, 1}), 4 * sizeof *pads);
    model_free(m);
    static const struct {
        int64_t pads[8];
        float value;
        const char *mode;
    } others[] = {{{0, 0, 1, 2, 0, 0, 3, 0}, 1, "constant"}, /* what is not zeros around the planes stays */
                  {{0, 0, 1, 2, 0, 0, 3, 0}, 0, "edge"},
                  {{0, 0, -1, 2, 0, 0, 3, 0}, 0, "constant"},
                  {{1, 0, 1, 2, 0, 0, 3, 0}, 0, "constant"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        m = padded_conv(others[i].pads, others[i].value, others[i].mode);
        rewrite(m, 0);
        assert_int_equal(count(m, "", "Pad"), 1);
        model_free(m);
    }
}

/* ---- products ---- */

/* perm of a rank-3 right side, its users, and how many products are to read it as it lies */
static void a_product_takes_a_transpose_along(void **state) {
    (void)state;
    static const struct {
        int64_t perm[3];
        bool second_user;
        int taken;
    } forms[] = {{{0, 2, 1}, false, 1}, {{1, 2, 0}, false, 0}, {{0, 1, 2}, false, 0}, {{0, 2, 1}, true, 0}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        model *m = begin();
        const dim left[3] = {3, 5, 3}, right[3] = {3, 3, 3};
        value *x = input(m, "x", HST_DTYPE_F32, 3, left);
        value *t = apply(m, "Transpose", input(m, "w", HST_DTYPE_F32, 3, right), NULL);
        assert_true(node_set_ints(t->producer, "perm", forms[i].perm, 3));
        value *y = apply(m, "MatMul", x, t);
        finish(m, forms[i].second_user ? apply(m, "Add", y, mean(m, t, 1)) : y);
        rewrite(m, 0);
        assert_int_equal(count(m, "com.microsoft", "FusedMatMul"), forms[i].taken);
        assert_int_equal(count(m, "", "MatMul"), 1 - forms[i].taken);
        assert_int_equal(count(m, "", "Transpose"), forms[i].perm[1] == 1 ? 0 : 1 - forms[i].taken);
        model_free(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_gelu_in_any_order_is_found),
                                       cmocka_unit_test(a_tanh_gelu_is_found_and_another_function_is_not),
                                       cmocka_unit_test(quick_gelu_and_silu_are_found),
                                       cmocka_unit_test(what_is_a_gelu_of_some_numbers_alone_is_not_found),
                                       cmocka_unit_test(a_layer_norm_is_found_over_the_last_axis_only),
                                       cmocka_unit_test(an_rms_norm_is_found),
                                       cmocka_unit_test(a_sum_goes_into_the_norm_only_when_it_is_read_once),
                                       cmocka_unit_test(a_product_takes_bias_and_activation),
                                       cmocka_unit_test(a_norm_goes_into_the_product_before_it),
                                       cmocka_unit_test(what_follows_a_norm_stays_behind_it),
                                       cmocka_unit_test(a_half_precision_weight_is_taken_as_it_lies),
                                       cmocka_unit_test(what_follows_half_precision_is_widened),
                                       cmocka_unit_test(a_default_is_no_constant),
                                       cmocka_unit_test(rows_that_nobody_reads_are_left_out),
                                       cmocka_unit_test(an_output_keeps_its_name),
                                       cmocka_unit_test(padding_goes_into_the_conv),
                                       cmocka_unit_test(a_product_takes_a_transpose_along)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
