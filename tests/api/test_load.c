/* Models from files and from memory: external data by callback, maps and copies, cut files, failing allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "api/toy_model.h"
#include "counting.h"
#include "onnx/onnx.h"

#define ROWS 1000

/* y = mine.Scale(x) + rows of a table: x f32[n,2], table f32[ROWS,2], written as ONNX; `external`: the table apart. */
static model *table_model(void) {
    model *m = scale_model(NULL);
    hst_tensor *t;
    assert_non_null(m);
    assert_int_equal(tensor_new(HST_DTYPE_F32, 2, (int64_t[]){ROWS, 2}, NULL, &t, NULL), HST_STATUS_OK);
    for (int i = 0; i < ROWS * 2; i++) ((float *)t->data)[i] = (float)i;
    assert_int_equal(model_own_tensor(m, t, NULL), HST_STATUS_OK);
    value *table = graph_add_initializer(m->main, "table", t), *z = graph_add_value(m->main, "z");
    assert_non_null(graph_add_node(m->main, "mine", "Scale", "t", &table, 1, &z, 1));
    assert_int_equal(graph_add_output(m->main, z, NULL), HST_STATUS_OK);
    return m;
}

typedef struct written {
    char folder[64], path[96], data[104];
} written;

static written write_table(onnx_external_mode mode) {
    written w = {.folder = "/tmp/hasten-test-XXXXXX"};
    onnx_write_options o = {.external = mode};
    hst_error err = {0};
    assert_non_null(mkdtemp(w.folder));
    snprintf(w.path, sizeof w.path, "%s/m.onnx", w.folder);
    snprintf(w.data, sizeof w.data, "%s.data", w.path);
    model *m = table_model();
    assert_int_equal(onnx_write(m, w.path, &o, &err), HST_STATUS_OK);
    model_free(m);
    return w;
}

static void remove_table(const written *w) {
    unlink(w->path);
    unlink(w->data);
    assert_int_equal(rmdir(w->folder), 0);
}

static char *read_all(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *bytes = malloc(1 << 20);
    *size = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return bytes;
}

static scaler user = {.factor = 1};
static hst_operator op_scale;
static const hst_operator *const list[] = {&op_scale};

static hst_model_options options(void) {
    hst_model_options o = HST_INIT(hst_model_options);
    op_scale = scale_operator(&user);
    op_scale.nondeterministic = true; /* the table is read in each run */
    o.operators = list;
    o.operator_count = 1;
    return o;
}

static const char *const z_name[] = {"z"};

static hst_status run_once(hst_session *s, float *last, hst_error *err) {
    int64_t dims[] = {1, 2};
    hst_tensor *x = NULL, *z = NULL;
    hst_status status = hst_tensor_new(HST_DTYPE_F32, 2, dims, NULL, &x, err);
    const hst_tensor *in[] = {x};
    if (status == HST_STATUS_OK) status = hst_session_run(s, 1, x_name, in, 1, z_name, &z, NULL, err);
    if (status == HST_STATUS_OK) *last = ((const float *)hst_tensor_view(z))[ROWS * 2 - 1];
    hst_tensor_free(x);
    hst_tensor_free(z);
    return status;
}

static void check_model(hst_model *m) {
    hst_session *s;
    hst_error err = {0};
    float last = 0;
    assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
    hst_model_free(m);
    assert_int_equal(run_once(s, &last, &err), HST_STATUS_OK);
    assert_true(last == ROWS * 2 - 1);
    hst_session_free(s);
}

static void test_file(void **state) {
    (void)state;
    hst_model_options o = options();
    hst_model *m;
    hst_error err = {0};
    char *text;
    for (int mode = 0; mode < 2; mode++) {
        written w = write_table(mode ? ONNX_EXTERNAL_ALWAYS : ONNX_EXTERNAL_NEVER);
        for (int copy = 0; copy < 2; copy++) {
            o.flags = copy ? HST_MAP_COPY : 0;
            assert_int_equal(hst_model_load(w.path, &o, &m, &err), HST_STATUS_OK);
            assert_int_equal(hst_model_describe_json(m, &text, &err), HST_STATUS_OK);
            assert_non_null(strstr(text, w.path));
            assert_non_null(strstr(text, "\"format\":\"onnx\""));
            hst_text_free(text);
            check_model(m);
        }
        remove_table(&w);
    }
    assert_int_equal(hst_model_load("/nowhere/m.onnx", NULL, &m, &err), HST_STATUS_NOT_FOUND);
    assert_int_equal(hst_model_load("/tmp", NULL, &m, &err), HST_STATUS_NOT_FOUND);
}

/* A mapped file that was cut is found when a session is made; a copy does not mind. */
static void test_cut(void **state) {
    (void)state;
    hst_model_options o = options();
    for (int copy = 0; copy < 2; copy++) {
        written w = write_table(copy ? ONNX_EXTERNAL_NEVER : ONNX_EXTERNAL_ALWAYS);
        hst_model *m;
        hst_session *s;
        hst_error err = {0};
        o.flags = copy ? HST_MAP_COPY : 0;
        assert_int_equal(hst_model_load(w.path, &o, &m, &err), HST_STATUS_OK);
        assert_int_equal(truncate(copy ? w.path : w.data, 100), 0);
        if (copy) {
            check_model(m);
        } else {
            assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_IO);
            assert_non_null(strstr(err.message, "m.onnx.data"));
            hst_model_free(m);
        }
        remove_table(&w);
    }
}

typedef struct given {
    char *bytes;
    size_t size;
    int calls;
} given;

static hst_status give_external(void *u, const char *name, const void **data, size_t *size, hst_error *err) {
    given *g = u;
    g->calls++;
    if (strcmp(name, "m.onnx.data") != 0 || !g->bytes) {
        if (err) *err = (hst_error){.code = HST_STATUS_NOT_FOUND, .message = "no such blob"};
        return HST_STATUS_NOT_FOUND;
    }
    *data = g->bytes;
    *size = g->size;
    return HST_STATUS_OK;
}

static void test_memory(void **state) {
    (void)state;
    hst_model_options o = options();
    hst_model *m;
    hst_error err = {0};
    size_t size;
    written w = write_table(ONNX_EXTERNAL_ALWAYS);
    char *bytes = read_all(w.path, &size);
    given g = {0};
    g.bytes = read_all(w.data, &g.size);
    remove_table(&w);
    assert_int_equal(hst_model_load_memory(bytes, size, &o, &m, &err), HST_STATUS_UNSUPPORTED); /* no callback */
    o.external = give_external;
    o.external_user = &g;
    assert_int_equal(hst_model_load_memory_borrow(bytes, size, &o, &m, &err), HST_STATUS_OK);
    assert_int_equal(g.calls, 1);
    check_model(m);
    assert_int_equal(hst_model_load_memory(bytes, size, &o, &m, &err), HST_STATUS_OK);
    memset(bytes, 0xff, size); /* it was copied */
    check_model(m);
    assert_int_not_equal(hst_model_load_memory(bytes, size, &o, &m, &err), HST_STATUS_OK);
    free(bytes);
    w = write_table(ONNX_EXTERNAL_ALWAYS);
    bytes = read_all(w.path, &size);
    remove_table(&w);
    free(g.bytes);
    g.bytes = NULL;
    assert_int_equal(hst_model_load_memory(bytes, size, &o, &m, &err), HST_STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "no such blob"));
    assert_int_equal(hst_model_load_memory(bytes, 0, &o, &m, &err), HST_STATUS_BAD_FORMAT);
    assert_int_equal(hst_model_load_memory(NULL, 7, &o, &m, &err), HST_STATUS_INVALID_ARGUMENT);
    free(bytes);
}

/* Every allocation of loading a file, making a session and running fails once. */
static void test_failures(void **state) {
    (void)state;
    written w = write_table(ONNX_EXTERNAL_NEVER);
    bool failed = true;
    for (long n = 1; failed; n++) {
        counting c = {.fail_at = n};
        hst_allocator a = counting_allocator(&c);
        hst_model_options o = options();
        hst_error err = {0};
        hst_model *m = NULL;
        hst_session *s = NULL;
        float last = 0;
        o.allocator = &a;
        hst_status status = hst_model_load(w.path, &o, &m, &err);
        if (status != HST_STATUS_OK) {
            assert_int_equal(status, HST_STATUS_NO_MEMORY);
            assert_true(strstr(err.message, "allocate") || strstr(err.message, "memory"));
            assert_int_equal(hst_model_load(w.path, &o, &m, &err), HST_STATUS_OK);
        }
        if ((status = hst_session_new(m, NULL, &s, &err)) != HST_STATUS_OK) {
            assert_int_equal(status, HST_STATUS_NO_MEMORY);
            assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
        }
        for (int i = 0; i < 2; i++) {
            if ((status = run_once(s, &last, &err)) != HST_STATUS_OK) {
                assert_int_equal(status, HST_STATUS_NO_MEMORY);
                assert_int_equal(run_once(s, &last, &err), HST_STATUS_OK);
            }
            assert_true(last == ROWS * 2 - 1);
        }
        failed = c.fail_at == 0;
        hst_session_free(s);
        hst_model_free(m);
        assert_int_equal(c.alive, 0);
        assert_true(n < 5000);
    }
    remove_table(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_file), cmocka_unit_test(test_cut),
                                       cmocka_unit_test(test_memory), cmocka_unit_test(test_failures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
