/* Quantisation: which layers become hasten.QuantizedLinear, what that means (its expansion, run by the interpreter),
 * and that the kernels give exactly that, row by row, for any number of workers and any neighbours. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "convert/optimize.h"
#include "exec/session.h"
#include "kernels/gemm_s8/gemm_s8.h"
#include "ops/interp.h"

enum { ROWS = 37, K = 70, N = 53 };

static float noise(int i) {
    return (float)((i * 7919 + i / 7 * 104729) % 2003) / 1001.5f - 1;
}

static model *begin(void) {
    model *m = model_new(NULL);
    assert_non_null(m);
    assert_int_equal(model_import_opset(m, "", 20, NULL), HST_STATUS_OK);
    m->quantization = MODEL_QUANTIZATION_INT8;
    return m;
}

static value *input(model *m, const char *name, int columns) {
    value *x = graph_add_value(m->main, name);
    x->type = type_make(HST_DTYPE_F32, 2, (dim[]){dim_symbol(m, "rows"), columns});
    assert_int_equal(graph_add_input(m->main, x, NULL), HST_STATUS_OK);
    return x;
}

static value *weight(model *m, const char *name, hst_dtype d, int rank, int rows, int columns) {
    hst_tensor *t;
    assert_int_equal(tensor_new(d, rank, (int64_t[]){rows, columns}, NULL, &t, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < tensor_count(t); i++) tensor_set_f64(t, i, (double)noise((int)i) * 0.1);
    assert_int_equal(model_own_tensor(m, t, NULL), HST_STATUS_OK);
    return graph_add_initializer(m->main, name, t);
}

static value *node_of(model *m, const char *op, value *a, value *b) {
    value *y = graph_add_value(m->main, "");
    assert_non_null(graph_add_node(m->main, "", op, "", (value *[]){a, b}, b ? 2 : 1, &y, 1));
    return y;
}

static void output(model *m, value *v, const char *name) {
    v->name = name;
    assert_int_equal(graph_add_output(m->main, v, NULL), HST_STATUS_OK);
}

static void optimise(model *m) {
    hst_error err = {0};
    if (optimize_model(m, OPTIMIZE_ALL, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    if (graph_check(m->main, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
}

static int count(const model *m, const char *op_type) {
    int n = 0;
    for (const node *x = m->main->first; x; x = x->next) n += node_is(x, "hasten", op_type);
    return n;
}

static const node *quantised(const model *m) {
    for (const node *x = m->main->first; x; x = x->next)
        if (node_is(x, "hasten", "QuantizedLinear")) return x;
    fail_msg("nothing was quantised");
    return NULL;
}

/* y = act(x w + b) + r: a layer with all that may follow it. */
static model *layer(const char *activation, hst_dtype d) {
    model *m = begin();
    value *w = weight(m, "w", d, 2, K, N), *x = input(m, "x", K), *r = input(m, "r", N);
    if (d != HST_DTYPE_F32) {
        w = node_of(m, "Cast", w, NULL);
        assert_true(node_set_int(w->producer, "to", HST_DTYPE_F32));
    }
    value *y = node_of(m, "Add", node_of(m, "MatMul", x, w), weight(m, "b", HST_DTYPE_F32, 1, N, 0));
    if (*activation) y = node_of(m, activation, y, NULL);
    output(m, node_of(m, "Add", y, r), "y");
    optimise(m);
    return m;
}

static hst_tensor *rows_of(int rows, int columns, int first) {
    hst_tensor *t;
    assert_int_equal(tensor_new(HST_DTYPE_F32, 2, (int64_t[]){rows, columns}, NULL, &t, NULL), HST_STATUS_OK);
    for (int i = 0; i < rows * columns; i++) {
        const int r = first + i / columns;
        ((float *)t->data)[i] = noise(first * columns + i) * (float)(1 + r % 5) + (r % 3 ? 0 : 2);
    }
    return t;
}

/* Rows [first, first + rows) through a session of `workers`, or the interpreter (0). */
static hst_tensor *answer(const model *m, int rows, int first, int workers) {
    hst_tensor *x = rows_of(rows, K, first), *r = rows_of(rows, N, first), *y = NULL;
    const hst_tensor *in[2] = {x, r};
    const char *const names[] = {"x", "r"}, *const out[] = {"y"};
    hst_error err = {0};
    hst_status status;
    if (workers) {
        engine *e;
        session *s;
        assert_int_equal(engine_compile((model *)(uintptr_t)m, NULL, &e, &err), HST_STATUS_OK);
        team_set_size(team_default(), workers);
        assert_int_equal(session_new(e, NULL, &s, &err), HST_STATUS_OK);
        status = session_run(s, 2, names, in, 1, out, &y, NULL, &err);
        session_free(s);
        engine_free(e);
        team_set_size(team_default(), 0);
    } else {
        status = interp_run(m->main, in, &y, NULL, &err);
    }
    if (status != HST_STATUS_OK) fail_msg("%s", err.message);
    tensor_free(x);
    tensor_free(r);
    return y;
}

static void kernels_give_what_the_expansion_means(void **state) {
    static const struct {
        const char *activation;
        float tolerance;
    } kinds[] = {{"", 0}, {"Relu", 0}, {"Gelu", 1e-5f}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        model *m = layer(kinds[i].activation, HST_DTYPE_F32);
        assert_int_equal(count(m, "QuantizedLinear"), 1);
        assert_int_equal(m->main->n_nodes, 1); /* bias, activation, residual are in it */
        hst_tensor *want = answer(m, ROWS, 0, 0), *got = answer(m, ROWS, 0, 1);
        for (int64_t k = 0; k < ROWS * N; k++)
            assert_true(fabsf(((float *)want->data)[k] - ((float *)got->data)[k]) <= kinds[i].tolerance);
        for (int workers = 2; workers <= 5; workers++) {
            hst_tensor *again = answer(m, ROWS, 0, workers);
            assert_memory_equal(again->data, got->data, got->bytes);
            tensor_free(again);
        }
        tensor_free(want);
        tensor_free(got);
        model_free(m);
    }
}

static void a_row_does_not_depend_on_others(void **state) {
    (void)state;
    model *m = layer("Gelu", HST_DTYPE_F32);
    hst_tensor *all = answer(m, ROWS, 0, 2);
    for (int rows = 1; rows <= 4; rows++)
        for (int first = 0; first + rows <= ROWS; first += 5) {
            hst_tensor *some = answer(m, rows, first, rows);
            assert_memory_equal(some->data, (float *)all->data + first * N, some->bytes);
            tensor_free(some);
        }
    tensor_free(all);
    model_free(m);
}

/* The answer is near that of f32: each value within a few times what rounding one product loses. */
static void answers_are_near(void **state) {
    (void)state;
    const hst_dtype types[] = {HST_DTYPE_F32, HST_DTYPE_F16, HST_DTYPE_BF16};
    for (int i = 0; i < 3; i++) {
        model *m = layer("", types[i]);
        const node *n = quantised(m);
        assert_true(node_float(n, "weight_error", 1) < 0.01f);
        assert_string_equal(n->in[1]->name, "w");
        assert_int_equal(n->in[1]->constant->dtype, HST_DTYPE_S8);
        assert_int_equal(m->n_tensors, 3); /* weights, scales, bias: the f32 ones were given back */
        hst_tensor *y = answer(m, ROWS, 0, 1), *x = rows_of(ROWS, K, 0), *r = rows_of(ROWS, N, 0);
        double lost = 0, all = 0;
        for (int a = 0; a < ROWS; a++)
            for (int b = 0; b < N; b++) {
                double want = (double)noise(b) * 0.1;
                for (int k = 0; k < K; k++)
                    want += (double)((float *)x->data)[a * K + k] * (double)noise(k * N + b) * 0.1;
                const double got = (double)((float *)y->data)[a * N + b] - (double)((float *)r->data)[a * N + b];
                lost += (want - got) * (want - got);
                all += want * want;
            }
        assert_true(lost < 3e-4 * all);
        tensor_free(y);
        tensor_free(x);
        tensor_free(r);
        model_free(m);
    }
}

static void shared_weights_are_quantised_once(void **state) {
    (void)state;
    model *m = begin();
    value *w = weight(m, "w", HST_DTYPE_F32, 2, K, K), *x = input(m, "x", K);
    for (int i = 0; i < 3; i++) x = node_of(m, "MatMul", x, w);
    output(m, node_of(m, "MatMul", x, node_of(m, "Transpose", w, NULL)), "y"); /* read in another way */
    optimise(m);
    assert_int_equal(count(m, "QuantizedLinear"), 4);
    assert_int_equal(m->n_tensors, 4);
    assert_ptr_equal(m->main->first->in[1], m->main->first->next->in[1]);
    assert_ptr_equal(m->main->first->in[2], m->main->first->next->next->in[2]);
    model_free(m);
}

static void some_layers_stay(void **state) {
    (void)state;
    model *m = begin();
    value *x = input(m, "x", K), *odd = weight(m, "odd", HST_DTYPE_F32, 2, K, N);
    ((float *)odd->constant->data)[77] = NAN;
    value *wild = weight(m, "wild", HST_DTYPE_F32, 2, K, N); /* one weight a column dwarfs the others */
    for (int64_t i = N; i < K * N; i++) ((float *)wild->constant->data)[i] *= 1e-3f;
    output(m, node_of(m, "MatMul", x, weight(m, "head", HST_DTYPE_F32, 2, K, 2)), "a");
    output(m, node_of(m, "MatMul", x, odd), "b");
    output(m, node_of(m, "MatMul", x, wild), "c");
    optimise(m);
    assert_int_equal(count(m, "QuantizedLinear"), 1); /* the dwarfed ones hardly count */
    assert_int_equal(count(m, "Linear"), 2);
    model_free(m);
    m = begin();
    m->quantization = MODEL_QUANTIZATION_NONE;
    output(m, node_of(m, "MatMul", input(m, "x", K), weight(m, "w", HST_DTYPE_F32, 2, K, N)), "y");
    optimise(m);
    assert_int_equal(count(m, "QuantizedLinear"), 0);
    model_free(m);
}

static value *normalised(model *m, value *x) {
    value *in[2] = {x, weight(m, "gamma", HST_DTYPE_F32, 1, N, 0)}, *y = graph_add_value(m->main, "");
    assert_non_null(graph_add_node(m->main, "", "LayerNormalization", "", in, 2, &y, 1));
    return y;
}

/* A norm behind the product, and one that a file's hasten.Linear has already: kernels and expansion give the same bits.
 */
static void a_norm_goes_along(void **state) {
    (void)state;
    for (int form = 0; form < 2; form++) {
        model *m = begin();
        value *x = input(m, "x", K), *w = weight(m, "w", HST_DTYPE_F32, 2, K, N), *y = NULL;
        if (form == 0) {
            y = normalised(m, node_of(m, "MatMul", x, w));
        } else {
            assert_int_equal(model_import_opset(m, "hasten", 1, NULL), HST_STATUS_OK);
            value *in[5] = {x, w, NULL, NULL, weight(m, "gamma", HST_DTYPE_F32, 1, N, 0)};
            y = graph_add_value(m->main, "");
            assert_non_null(graph_add_node(m->main, "hasten", "Linear", "", in, 5, &y, 1));
        }
        output(m, y, "y");
        optimise(m);
        assert_int_equal(m->main->n_nodes, 1);
        const node *q = m->main->first;
        assert_true(node_is(q, "hasten", "QuantizedLinear") && q->n_in == 6 && q->in[5]);
        hst_tensor *rows = rows_of(7, K, 0), *out[2] = {0};
        const hst_tensor *in[1] = {rows};
        const char *const names[] = {"x"}, *const outs[] = {"y"};
        hst_error err = {0};
        engine *e;
        session *s;
        assert_int_equal(engine_compile(m, NULL, &e, &err), HST_STATUS_OK);
        assert_int_equal(session_new(e, NULL, &s, &err), HST_STATUS_OK);
        assert_int_equal(session_run(s, 1, names, in, 1, outs, &out[0], NULL, &err), HST_STATUS_OK);
        assert_int_equal(interp_run(m->main, in, &out[1], NULL, &err), HST_STATUS_OK);
        assert_memory_equal(out[0]->data, out[1]->data, out[1]->bytes);
        session_free(s);
        engine_free(e);
        for (int i = 0; i < 2; i++) tensor_free(out[i]);
        tensor_free(rows);
        model_free(m);
    }
}

/* Graphs of an opset before 7 are not rewritten: that is said. */
static void an_old_model_is_refused(void **state) {
    (void)state;
    for (int form = 0; form < 3; form++) {
        hst_error err = {0};
        model *m = model_new(NULL);
        assert_non_null(m);
        assert_int_equal(model_import_opset(m, "", 6, NULL), HST_STATUS_OK);
        if (form == 0) m->quantization = MODEL_QUANTIZATION_INT8;
        if (form == 1) m->weights = HST_DTYPE_F16;
        output(m, node_of(m, "MatMul", input(m, "x", K), weight(m, "w", HST_DTYPE_F32, 2, K, N)), "y");
        const hst_status status = optimize_model(m, OPTIMIZE_ALL, NULL, &err);
        assert_int_equal(status, form < 2 ? HST_STATUS_UNSUPPORTED : HST_STATUS_OK);
        if (form < 2) assert_non_null(strstr(err.message, "opset 6"));
        model_free(m);
    }
}

/* Rows that are zero, tiny or not finite, in the expansion and in the kernels. */
static void odd_rows(void **state) {
    (void)state;
    model *m = begin();
    output(m, node_of(m, "MatMul", input(m, "x", K), weight(m, "w", HST_DTYPE_F32, 2, K, N)), "y");
    optimise(m);
    hst_tensor *x = rows_of(4, K, 0), *y[2] = {0};
    float *at = x->data;
    const hst_tensor *in[1] = {x};
    const char *const names[] = {"x"}, *const out[] = {"y"};
    hst_error err = {0};
    engine *e;
    session *s;
    for (int i = 0; i < K; i++) at[i] = 0, at[K + i] *= 1e-35f;
    at[2 * K + 3] = INFINITY;
    assert_int_equal(engine_compile(m, NULL, &e, &err), HST_STATUS_OK);
    assert_int_equal(session_new(e, NULL, &s, &err), HST_STATUS_OK);
    assert_int_equal(session_run(s, 1, names, in, 1, out, &y[0], NULL, &err), HST_STATUS_OK);
    assert_int_equal(interp_run(m->main, in, &y[1], NULL, &err), HST_STATUS_OK);
    for (int i = 0; i < 4 * N; i++) {
        const float a = ((float *)y[0]->data)[i], b = ((float *)y[1]->data)[i];
        assert_true(i / N == 2 ? isnan(a) && isnan(b) : memcmp(&a, &b, 4) == 0);
        if (i / N < 2) assert_true(a == 0);
    }
    session_free(s);
    engine_free(e);
    for (int i = 0; i < 2; i++) tensor_free(y[i]);
    tensor_free(x);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_give_what_the_expansion_means),
        cmocka_unit_test(a_row_does_not_depend_on_others),
        cmocka_unit_test(answers_are_near),
        cmocka_unit_test(shared_weights_are_quantised_once),
        cmocka_unit_test(some_layers_stay),
        cmocka_unit_test(odd_rows),
        cmocka_unit_test(a_norm_goes_along),
        cmocka_unit_test(an_old_model_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
