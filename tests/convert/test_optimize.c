/* Levels of rewriting on graphs whose nodes mean something else than they seem to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "convert/optimize.h"
#include "ops/interp.h"

static value *constant(model *m, int rank, const int64_t *dims, float first) {
    hst_tensor *t;
    assert_int_equal(tensor_new(HST_DTYPE_F32, rank, dims, NULL, &t, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < tensor_count(t); i++) ((float *)t->data)[i] = first + (float)(i * i % 5);
    assert_int_equal(model_own_tensor(m, t, NULL), HST_STATUS_OK);
    return graph_add_initializer(m->main, "", t);
}

static hst_tensor *run(model *m, const hst_tensor *x) {
    const hst_tensor *in[1] = {x};
    hst_tensor *out = NULL;
    hst_error err = {0};
    if (interp_run(m->main, in, &out, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    return out;
}

/* Opset 6: Add along axis 0 adds a number to each row. Taken for the Add of opset 7 it would be a Linear's bias. */
static void an_old_add_is_no_bias(void **state) {
    (void)state;
    const int64_t square[2] = {3, 3}, three = 3;
    model *m = model_new(NULL);
    hst_error err = {0};
    assert_int_equal(model_import_opset(m, "", 6, NULL), HST_STATUS_OK);
    value *x = graph_add_value(m->main, "x"), *product = graph_add_value(m->main, ""), *y = graph_add_value(m->main, "y");
    x->type = type_make(HST_DTYPE_F32, 2, square);
    assert_int_equal(graph_add_input(m->main, x, NULL), HST_STATUS_OK);
    value *const factors[2] = {x, constant(m, 2, square, 1)}, *const terms[2] = {product, constant(m, 1, &three, 10)};
    assert_non_null(graph_add_node(m->main, "", "MatMul", "", factors, 2, &product, 1));
    node *add = graph_add_node(m->main, "", "Add", "", terms, 2, &y, 1);
    assert_true(add && node_set_int(add, "axis", 0) && node_set_int(add, "broadcast", 1));
    assert_int_equal(graph_add_output(m->main, y, NULL), HST_STATUS_OK);

    hst_tensor *in;
    assert_int_equal(tensor_new(HST_DTYPE_F32, 2, square, NULL, &in, NULL), HST_STATUS_OK);
    for (int i = 0; i < 3; i++) ((float *)in->data)[4 * i] = 1; /* the identity: the product is the weights */
    if (optimize_model(m, OPTIMIZE_ALL, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    hst_tensor *out = run(m, in);
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++) {
            const int i = 3 * r + c;
            assert_true(((const float *)out->data)[i] == 1 + (float)(i * i % 5) + 10 + (float)(r * r % 5));
        }
    tensor_free(in);
    tensor_free(out);
    model_free(m);
}

static bool has(const model *m, const char *op_type) {
    for (const node *n = m->main->first; n; n = n->next)
        if (node_is(n, "", op_type)) return true;
    return false;
}

/* Dropout goes where it is known not to train, and stays where it does. */
static void a_dropout_that_trains_stays(void **state) {
    (void)state;
    for (int training = 0; training < 2; training++) {
        const int64_t two = 2;
        model *m = model_new(NULL);
        hst_error err = {0};
        hst_tensor *flag, *ratio;
        assert_int_equal(model_import_opset(m, "", 18, NULL), HST_STATUS_OK);
        value *x = graph_add_value(m->main, "x"), *dropped = graph_add_value(m->main, ""), *y = graph_add_value(m->main, "y");
        x->type = type_make(HST_DTYPE_F32, 1, &two);
        assert_int_equal(graph_add_input(m->main, x, NULL), HST_STATUS_OK);
        assert_int_equal(tensor_new(HST_DTYPE_B8, 0, NULL, NULL, &flag, NULL), HST_STATUS_OK);
        tensor_set_s64(flag, 0, training);
        assert_int_equal(model_own_tensor(m, flag, NULL), HST_STATUS_OK);
        assert_int_equal(tensor_new(HST_DTYPE_F32, 0, NULL, NULL, &ratio, NULL), HST_STATUS_OK);
        tensor_set_f64(ratio, 0, 0.5);
        assert_int_equal(model_own_tensor(m, ratio, NULL), HST_STATUS_OK);
        value *const in[3] = {x, graph_add_initializer(m->main, "", ratio), graph_add_initializer(m->main, "", flag)};
        assert_non_null(graph_add_node(m->main, "", "Dropout", "", in, 3, &dropped, 1));
        assert_non_null(graph_add_node(m->main, "", "Relu", "", &dropped, 1, &y, 1));
        assert_int_equal(graph_add_output(m->main, y, NULL), HST_STATUS_OK);
        if (optimize_model(m, OPTIMIZE_ALL, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
        assert_int_equal(has(m, "Dropout"), training);
        model_free(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_old_add_is_no_bias),
                                       cmocka_unit_test(a_dropout_that_trains_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
