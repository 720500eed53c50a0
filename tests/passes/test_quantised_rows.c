/* Rows that are quantised where they are normalised: which layers give and take them, and that all answers keep their
 * bits, in sessions of any size, in the interpreter, and in what an export spells out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "convert/export.h"
#include "exec/session.h"
#include "ops/interp.h"
#include "passes/pass.h"

enum { OUTPUTS = 3 };

typedef struct form {
    int hidden, inner;
    const char *activation;
    bool plain, odd; /* without residuals; the first layer stays in f32, as most of its columns round badly */
    int rank;        /* of x */
    bool show;       /* the last normalised rows are an output as well */
} form;

static float noise(int64_t i, int64_t seed) {
    return (float)((i * 7919 + seed * 7561 + i / 7 * 104729) % 2003) / 1001.5f - 1;
}

static value *weight(model *m, int rank, int64_t rows, int64_t columns, int64_t seed) {
    hst_tensor *t;
    assert_int_equal(tensor_new(HST_DTYPE_F32, rank, (int64_t[]){rows, columns}, NULL, &t, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < tensor_count(t); i++) ((float *)t->data)[i] = noise(i, seed) * (rank == 1 ? 1 : 0.1f);
    assert_int_equal(model_own_tensor(m, t, NULL), HST_STATUS_OK);
    return graph_add_initializer(m->main, "", t);
}

static value *node_of(model *m, const char *op, value *const *in, int n_in) {
    value *y = graph_add_value(m->main, "");
    assert_non_null(graph_add_node(m->main, "", op, "", in, n_in, &y, 1));
    return y;
}

static value *linear(model *m, value *x, int64_t k, int64_t n, int64_t seed) {
    value *y = node_of(m, "MatMul", (value *[]){x, weight(m, 2, k, n, seed)}, 2);
    return node_of(m, "Add", (value *[]){y, weight(m, 1, n, 0, seed + 1)}, 2);
}

static value *normalised(model *m, value *x, value *residual, int64_t n, int64_t seed) {
    if (residual) x = node_of(m, "Add", (value *[]){x, residual}, 2);
    return node_of(m, "LayerNormalization", (value *[]){x, weight(m, 1, n, 0, seed), weight(m, 1, n, 0, seed + 1)}, 3);
}

/* a = norm(x W1 + x), c = norm(act(a W2) W3 + a), y = c W4, z = c W5; then passes, with the one at 89 or without. */
static model *block(const form *f, bool with) {
    model *m = model_new(NULL);
    hst_error err = {0};
    assert_non_null(m);
    assert_int_equal(model_import_opset(m, "", 20, NULL), HST_STATUS_OK);
    m->quantization = MODEL_QUANTIZATION_INT8;
    const int64_t h = f->hidden, inner = f->inner;
    value *x = graph_add_value(m->main, "x");
    const dim dims[3] = {dim_symbol(m, "batch"), dim_symbol(m, "sequence"), h};
    x->type = type_make(HST_DTYPE_F32, f->rank, dims + 3 - f->rank);
    assert_int_equal(graph_add_input(m->main, x, NULL), HST_STATUS_OK);
    value *first = linear(m, x, h, h, 1);
    float *w = (float *)(uintptr_t)first->producer->in[0]->producer->in[1]->constant->data;
    for (int64_t i = 0; f->odd && i < h * h; i++)
        w[i] = i < h ? 12.7f : w[i] < 0 ? -0.045f : 0.045f; /* of a step 0.45 */
    value *a = normalised(m, first, f->plain ? NULL : x, h, 3);
    value *b = linear(m, a, h, inner, 5);
    if (*f->activation) b = node_of(m, f->activation, &b, 1);
    value *c = normalised(m, linear(m, b, inner, h, 7), f->plain ? NULL : a, h, 9);
    value *out[OUTPUTS] = {linear(m, c, h, 64, 11), linear(m, c, h, 33, 13), c};
    for (int i = 0; i < OUTPUTS - !f->show; i++) {
        out[i]->name = (const char *[]){"y", "z", "c"}[i];
        assert_int_equal(graph_add_output(m->main, out[i], NULL), HST_STATUS_OK);
    }
    assert_int_equal(passes_run(m, 0, with ? 1000 : 88, NULL, &err), HST_STATUS_OK);
    if (!with) assert_int_equal(passes_run(m, 90, 1000, NULL, &err), HST_STATUS_OK);
    if (graph_check(m->main, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    return m;
}

static void counts(const model *m, int *layers, int *give, int *take) {
    *layers = *give = *take = 0;
    for (const node *n = m->main->first; n; n = n->next) {
        *layers += node_is(n, "hasten", "QuantizedLinear");
        *give += strcmp(n->domain, "hasten") == 0 && n->n_out == 4;
        *take += node_is(n, "hasten", "QuantizedLinear") && n->in[0]->type.dtype == HST_DTYPE_U8;
    }
}

static hst_tensor *rows_of(const form *f, int64_t rows) {
    const int64_t dims[3] = {1, rows, f->hidden};
    hst_tensor *x;
    assert_int_equal(tensor_new(HST_DTYPE_F32, f->rank, dims + 3 - f->rank, NULL, &x, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < tensor_count(x); i++) {
        const int64_t r = i / f->hidden;
        ((float *)x->data)[i] = r == 2 ? 0 : noise(i, 99) * (float)(1 + r % 5) + (r % 3 ? 0 : 2);
        if (r == 4 && i % f->hidden == 7) ((float *)x->data)[i] = NAN; /* this row's answers are NaN, no other's */
    }
    return x;
}

/* Through a session of so many workers; 0: the interpreter. */
static void answer(const model *m, const form *f, int64_t rows, int workers, hst_tensor *y[OUTPUTS]) {
    hst_tensor *x = rows_of(f, rows);
    const hst_tensor *in[1] = {x};
    const char *const name[1] = {"x"}, *const names[OUTPUTS] = {"y", "z", "c"};
    hst_error err = {0};
    hst_status status;
    memset(y, 0, OUTPUTS * sizeof *y);
    if (workers) {
        engine *e;
        session *s;
        team_set_size(team_default(), workers);
        assert_int_equal(engine_compile((model *)(uintptr_t)m, NULL, &e, &err), HST_STATUS_OK);
        assert_int_equal(session_new(e, NULL, &s, &err), HST_STATUS_OK);
        status = session_run(s, 1, name, in, m->main->n_outputs, names, y, NULL, &err);
        session_free(s);
        engine_free(e);
        team_set_size(team_default(), 0);
    } else {
        status = interp_run(m->main, in, y, NULL, &err);
    }
    if (status != HST_STATUS_OK) fail_msg("%s", err.message);
    tensor_free(x);
}

static bool same_floats(const hst_tensor *a, const hst_tensor *b) {
    const float *x = a->data, *y = b->data;
    if (a->bytes != b->bytes) return false;
    for (int64_t i = 0; i < tensor_count(a); i++)
        if (memcmp(&x[i], &y[i], sizeof *x) && !(isnan(x[i]) && isnan(y[i]))) return false;
    return true;
}

static void expect_same(const model *m, const form *f, int64_t rows, int workers, hst_tensor *const want[OUTPUTS]) {
    hst_tensor *got[OUTPUTS];
    answer(m, f, rows, workers, got);
    for (int i = 0; i < m->main->n_outputs; i++) {
        if (!same_floats(got[i], want[i]))
            fail_msg("output %d of %lld rows differs, hidden %d, '%s', %d workers", i, (long long)rows, f->hidden,
                     f->activation, workers);
        tensor_free(got[i]);
    }
}

static const form forms[] = {{64, 96, "Relu", false, false, 2, false}, {96, 160, "Gelu", false, false, 3, true},
                             {32, 64, "", true, false, 3, false},      {64, 64, "Relu", true, false, 2, true},
                             {256, 96, "Relu", false, true, 2, false}, {320, 384, "Relu", false, false, 3, false}};

static void the_bits_stay(void **state) {
    const int64_t rows[] = {0, 1, 2, 3, 7, 37, 70};
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const form *f = &forms[i];
        model *before = block(f, false), *m = block(f, true);
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
            hst_tensor *want[OUTPUTS];
            answer(before, f, rows[k], 1, want);
            for (int workers = 1; workers <= 4; workers++) expect_same(m, f, rows[k], workers, want);
            for (int o = 0; o < m->main->n_outputs; o++) tensor_free(want[o]);
        }
        model_free(m);
        model_free(before);
    }
}

/* Expansions, in the interpreter and in an export: the same bits where nothing but ReLU is between. */
static void expansions_mean_the_same(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const form *f = &forms[i];
        if (strcmp(f->activation, "Gelu") == 0) continue;
        model *m = block(f, true), *plain;
        hst_error err = {0};
        hst_tensor *want[OUTPUTS];
        answer(m, f, 7, 2, want);
        expect_same(m, f, 7, 0, want);
        if (export_rebuild(m, NULL, &plain, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
        for (const node *n = plain->main->first; n; n = n->next) assert_string_equal(n->domain, "");
        assert_int_equal(ops_resolve(plain->main, &err), HST_STATUS_OK);
        expect_same(plain, f, 7, 0, want);
        model_free(plain);
        for (int o = 0; o < m->main->n_outputs; o++) tensor_free(want[o]);
        model_free(m);
    }
}

static void who_gives_and_takes(void **state) {
    int layers, give, take;
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        model *m = block(&forms[i], true);
        counts(m, &layers, &give, &take);
        assert_int_equal(layers, 5 - forms[i].odd);
        assert_int_equal(give, 2); /* a and c, also from a layer in f32 */
        assert_int_equal(take, 3); /* W2, W4, W5; W3 reads no norm */
        model_free(m);
    }
    const form ragged = {72, 96, "Relu", false, false, 2, false}; /* no multiple of 32 */
    model *m = block(&ragged, true);
    counts(m, &layers, &give, &take);
    assert_int_equal(layers, 5);
    assert_int_equal(give + take, 0);
    model_free(m);
}

/* Forms that an operator must refuse, in a file that claims them. */
static void forms_refused(void **state) {
    static const struct {
        int n_out, columns, zeros;
        bool scale;
        const char *says;
    } bad[] = {{2, 32, 1, true, "three outputs"},
               {4, 33, 1, true, "33 columns"},
               {1, 32, 1, false, "quantised rows are u8"},
               {1, 32, 3, true, "quantised rows are u8"},
               {4, 32, 1, true, NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        model *m = model_new(NULL);
        hst_error err = {0};
        assert_int_equal(model_import_opset(m, "", 20, NULL), HST_STATUS_OK);
        assert_int_equal(model_import_opset(m, "hasten", 1, NULL), HST_STATUS_OK);
        value *in[9] = {0}, *out[4];
        const hst_dtype types[9] = {HST_DTYPE_U8,  HST_DTYPE_S8, HST_DTYPE_F32, 0, 0, 0, 0,
                                    HST_DTYPE_F32, HST_DTYPE_S32};
        const dim dims[9][2] = {
            {2, 32},          {(bad[i].columns + 15) / 16, 640}, {bad[i].columns, 0}, {0}, {0}, {0}, {0}, {2, 1},
            {2, bad[i].zeros}};
        for (int k = 0; k < 9; k++) {
            if (!types[k] || (k == 7 && !bad[i].scale)) continue;
            in[k] = graph_add_value(m->main, (const char *[]){"x", "w", "s", "", "", "", "", "xs", "xz"}[k]);
            in[k]->type = type_make(types[k], k == 2 ? 1 : 2, dims[k]);
            assert_int_equal(graph_add_input(m->main, in[k], NULL), HST_STATUS_OK);
        }
        for (int k = 0; k < 4; k++) out[k] = graph_add_value(m->main, "");
        assert_non_null(graph_add_node(m->main, "hasten", "QuantizedLinear", "q", in, 9, out, bad[i].n_out));
        assert_int_equal(graph_add_output(m->main, out[0], NULL), HST_STATUS_OK);
        assert_int_equal(ops_resolve(m->main, &err), HST_STATUS_OK);
        const hst_status status = graph_infer(m->main, &err);
        if (bad[i].says) {
            assert_int_not_equal(status, HST_STATUS_OK);
            if (!strstr(err.message, bad[i].says)) fail_msg("%s", err.message);
        } else {
            assert_int_equal(status, HST_STATUS_OK);
            assert_true(out[1]->type.dtype == HST_DTYPE_U8 && out[1]->type.dim[1] == 32);
            assert_true(out[3]->type.dtype == HST_DTYPE_S32 && out[3]->type.dim[0] == 2 && out[3]->type.dim[1] == 1);
        }
        model_free(m);
    }
}

/* Nothing would say what their scales and zero points are. */
static void rows_of_no_columns_are_refused(void **state) {
    (void)state;
    model *m = model_new(NULL);
    hst_error err = {0};
    assert_int_equal(model_import_opset(m, "hasten", 1, NULL), HST_STATUS_OK);
    value *in[2], *out[4];
    for (int k = 0; k < 2; k++) {
        in[k] = graph_add_value(m->main, k ? "w" : "x");
        in[k]->type = type_make(HST_DTYPE_F32, 2, k ? (dim[]){1, 0} : (dim[]){2, 1});
        assert_int_equal(graph_add_input(m->main, in[k], NULL), HST_STATUS_OK);
    }
    for (int k = 0; k < 4; k++) out[k] = graph_add_value(m->main, "");
    assert_non_null(graph_add_node(m->main, "hasten", "Linear", "l", in, 2, out, 4));
    assert_int_equal(graph_add_output(m->main, out[2], NULL), HST_STATUS_OK);
    assert_int_equal(ops_resolve(m->main, &err), HST_STATUS_OK);
    assert_int_equal(graph_infer(m->main, &err), HST_STATUS_BAD_SHAPE);
    if (!strstr(err.message, "0 columns quantised")) fail_msg("%s", err.message);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_bits_stay), cmocka_unit_test(expansions_mean_the_same),
                                       cmocka_unit_test(who_gives_and_takes), cmocka_unit_test(forms_refused),
                                       cmocka_unit_test(rows_of_no_columns_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
