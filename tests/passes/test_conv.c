/* What follows a convolution moves into it: folded in its weights (close), in its epilogue (the same bits); and what
 * must not move stays. The interpreter runs the optimised graphs through their expansions, which unpack the weights
 * again. */
#include "build.h"

#include <math.h>

#include "convert/optimize.h"

enum { CHANNELS = 3, FILTERS = 14, SIDE = 6 };

static model *begin(int64_t opset) {
    model *m = model_new(NULL);
    assert_non_null(m);
    assert_int_equal(model_import_opset(m, "", opset, NULL), HST_STATUS_OK);
    return m;
}

static value *input(model *m, const char *name, int64_t channels, int64_t side) {
    value *x = graph_add_value(m->main, name);
    x->type = type_make(HST_DTYPE_F32, 4, (dim[]){2, channels, side, side});
    assert_int_equal(graph_add_input(m->main, x, NULL), HST_STATUS_OK);
    return x;
}

static value *weight(model *m) {
    return constant(m, HST_DTYPE_F32, 4, (int64_t[]){FILTERS, CHANNELS, 1, 1}, -0.75, 0.3);
}

static value *row(model *m, double first, double step) {
    return constant(m, HST_DTYPE_F32, 1, (int64_t[]){FILTERS}, first, step);
}

static value *conv(model *m, value *x, value *w) {
    return apply(m, "Conv", x, w, row(m, 0.5, -0.25));
}

static value *norm(model *m, value *x) {
    value *in[5] = {x, row(m, 0.5, 0.25), row(m, -1, 0.5), row(m, 0.125, 0.1), row(m, 0.25, 0.5)};
    value *out = graph_add_value(m->main, "");
    assert_non_null(graph_add_node(m->main, "", "BatchNormalization", "", in, 5, &out, 1));
    return out;
}

static void output(model *m, value *v) {
    assert_int_equal(graph_add_output(m->main, v, NULL), HST_STATUS_OK);
}

static void run(model *m, hst_tensor **out) {
    hst_tensor *x[4] = {0};
    hst_error err = {0};
    for (int i = 0; i < m->main->n_inputs; i++) {
        const type *t = &m->main->inputs[i]->type;
        assert_int_equal(tensor_new(t->dtype, t->rank, t->dim, NULL, &x[i], NULL), HST_STATUS_OK);
        for (int64_t k = 0; k < tensor_count(x[i]); k++)
            ((float *)x[i]->data)[k] = (float)((k * 7 + i) % 19) * 0.25f - 2;
    }
    assert_int_equal(ops_resolve(m->main, &err), HST_STATUS_OK);
    assert_int_equal(graph_infer(m->main, &err), HST_STATUS_OK);
    if (interp_run(m->main, (const hst_tensor *const *)x, out, NULL, &err) != HST_STATUS_OK)
        fail_msg("%s", err.message);
    for (int i = 0; i < 4; i++) tensor_free(x[i]);
}

/* Optimises; answers before and after are the same bits, or (tolerance) close. Frees the model unless it is kept. */
static void optimise(model *m, double tolerance) {
    hst_tensor *before[4] = {0}, *after[4] = {0};
    hst_error err = {0};
    run(m, before);
    if (optimize_model(m, OPTIMIZE_ALL, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    if (graph_check(m->main, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    run(m, after);
    for (int i = 0; i < m->main->n_outputs; i++) {
        const float *a = before[i]->data, *b = after[i]->data;
        assert_int_equal(tensor_count(before[i]), tensor_count(after[i]));
        for (int64_t k = 0; k < tensor_count(before[i]); k++)
            if (!(fabs((double)a[k] - (double)b[k]) <= tolerance * (1 + fabs((double)a[k]))))
                fail_msg("output %d element %d: %.9g was %.9g", i, (int)k, (double)b[k], (double)a[k]);
        tensor_free(before[i]);
        tensor_free(after[i]);
    }
}

static int count(const model *m, const char *domain, const char *op) {
    int n = 0;
    for (const node *at = m->main->first; at; at = at->next) n += node_is(at, domain, op);
    return n;
}

static void test_norm(void **state) {
    (void)state;
    static const int64_t opsets[] = {9, 13, 15, 22};
    for (size_t i = 0; i < sizeof opsets / sizeof *opsets; i++) {
        model *m = begin(opsets[i]);
        value *w = weight(m), *x = input(m, "x", CHANNELS, SIDE);
        output(m, apply(m, "Relu", norm(m, conv(m, x, w)), NULL, NULL));
        output(m, conv(m, x, w)); /* reads the weights as they were */
        optimise(m, 2e-6);
        assert_int_equal(count(m, "hasten", "Conv"), 2);
        assert_int_equal(m->main->n_nodes, 2);
        model_free(m);
    }
}

static void test_norm_stays(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        model *m = begin(kind == 3 ? 8 : 15);
        value *x = input(m, "x", CHANNELS, SIDE), *y = conv(m, x, weight(m)), *z = norm(m, y);
        if (kind == 0) output(m, y);
        if (kind == 1) output(m, apply(m, "Abs", y, NULL, NULL));
        if (kind == 2) node_set_int(z->producer, "training_mode", 1);
        if (kind == 3) { /* statistics of the batch, as it was before opset 9 */
            value *in[5], *out[2] = {graph_add_value(m->main, ""), graph_add_value(m->main, "")};
            memcpy(in, z->producer->in, sizeof in);
            in[0] = z;
            assert_non_null(graph_add_node(m->main, "", "BatchNormalization", "", in, 5, out, 2));
            z = out[0];
            output(m, out[1]);
        }
        output(m, z);
        optimise(m, 2e-6);
        assert_int_equal(count(m, "", "BatchNormalization"), 1);
        model_free(m);
    }
}

static void test_linear_norm(void **state) {
    (void)state;
    for (int t = 0; t < 2; t++) {
        model *m = begin(15);
        value *x = graph_add_value(m->main, "x");
        x->type = type_make(HST_DTYPE_F32, 2, (dim[]){5, 4});
        assert_int_equal(graph_add_input(m->main, x, NULL), HST_STATUS_OK);
        value *w = constant(m, HST_DTYPE_F32, 2, t ? (int64_t[]){FILTERS, 4} : (int64_t[]){4, FILTERS}, -1, 0.4);
        value *y = apply(m, "Gemm", x, w, row(m, 1, 1));
        node_set_int(y->producer, "transB", t);
        output(m, norm(m, y));
        optimise(m, 2e-6);
        assert_int_equal(count(m, "hasten", "Linear"), 1);
        assert_int_equal(m->main->n_nodes, 1);
        model_free(m);
    }
}

static void test_factors(void **state) {
    (void)state;
    model *m = begin(17);
    value *x = input(m, "x", CHANNELS, SIDE);
    value *by = constant(m, HST_DTYPE_F32, 3, (int64_t[]){FILTERS, 1, 1}, 0.5, 0.5);
    value *y = apply(m, "Mul", by, conv(m, x, weight(m)), NULL);
    y = apply(m, "Add", y, constant(m, HST_DTYPE_F32, 4, (int64_t[]){1, FILTERS, 1, 1}, -1, 0.5), NULL);
    output(m, y);
    /* of the last axis: nothing of a channel */
    output(m, apply(m, "Mul", conv(m, x, weight(m)), constant(m, HST_DTYPE_F32, 1, (int64_t[]){SIDE}, 1, 1), NULL));
    optimise(m, 2e-6);
    assert_int_equal(count(m, "", "Mul"), 1);
    assert_int_equal(m->main->n_nodes, 3);
    model_free(m);
}

static void test_epilogue(void **state) {
    (void)state;
    model *m = begin(17);
    value *x = input(m, "x", CHANNELS, SIDE), *other = input(m, "other", FILTERS, SIDE);
    output(m, apply(m, "Relu", apply(m, "Add", other, conv(m, x, weight(m)), NULL), NULL, NULL));
    output(m, apply(m, "Add", apply(m, "Clip", conv(m, x, weight(m)), real(m, 0), real(m, 1)), other, NULL));
    value *y = apply(m, "Add", conv(m, x, weight(m)), conv(m, x, weight(m)), NULL);
    output(m, apply(m, "LeakyRelu", y, NULL, NULL));
    optimise(m, 0);
    assert_int_equal(count(m, "hasten", "Conv"), 4);
    assert_int_equal(count(m, "", "Add"), 1); /* of what an activation gave */
    assert_int_equal(m->main->n_nodes, 5);
    model_free(m);
}

/* x · Clip(x + 3, 0, 6) / 6. */
static void test_hard_swish(void **state) {
    (void)state;
    model *m = begin(17);
    value *y = conv(m, input(m, "x", CHANNELS, SIDE), weight(m));
    value *gate = apply(m, "Clip", apply(m, "Add", y, real(m, 3), NULL), real(m, 0), real(m, 6));
    output(m, apply(m, "Div", apply(m, "Mul", y, gate, NULL), real(m, 6), NULL));
    optimise(m, 1e-6);
    assert_int_equal(m->main->n_nodes, 1);
    model_free(m);
}

static void test_stays(void **state) {
    (void)state;
    model *m = begin(17);
    value *w = graph_add_value(m->main, "w"), *x = input(m, "x", CHANNELS, SIDE);
    w->type = type_make(HST_DTYPE_F32, 4, (dim[]){FILTERS, CHANNELS, 1, 1});
    assert_int_equal(graph_add_input(m->main, w, NULL), HST_STATUS_OK);
    output(m, norm(m, conv(m, x, w)));
    optimise(m, 0);
    assert_int_equal(count(m, "", "Conv"), 1);
    assert_int_equal(count(m, "", "BatchNormalization"), 1);
    model_free(m);
}

static void test_point(void **state) {
    (void)state;
    model *m = begin(17);
    output(m, apply(m, "Relu", conv(m, input(m, "x", CHANNELS, 1), weight(m)), NULL, NULL));
    optimise(m, 0);
    assert_int_equal(count(m, "hasten", "Linear"), 1);
    assert_int_equal(count(m, "hasten", "Conv"), 0);
    model_free(m);
}

/* Padding in front and strides: the one output lies beside the one element, so it is the bias. */
static void test_beside_the_point(void **state) {
    (void)state;
    static const int64_t pads[4] = {1, 1, 1, 1}, strides[2] = {3, 3};
    model *m = begin(17);
    value *y = conv(m, input(m, "x", CHANNELS, 1), weight(m));
    assert_true(node_set_ints(y->producer, "pads", pads, 4) && node_set_ints(y->producer, "strides", strides, 2));
    output(m, y);
    optimise(m, 0);
    assert_int_equal(count(m, "hasten", "Linear"), 0);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norm),    cmocka_unit_test(test_norm_stays), cmocka_unit_test(test_linear_norm),
        cmocka_unit_test(test_factors), cmocka_unit_test(test_epilogue),   cmocka_unit_test(test_hard_swish),
        cmocka_unit_test(test_stays),   cmocka_unit_test(test_point),      cmocka_unit_test(test_beside_the_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
