/* The writer: names, external data, IR versions, what it refuses, and that an old file survives a failure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/file.h"
#include "onnx/onnx.h"

static char folder[] = "/tmp/hasten-onnx-XXXXXX";
static char path[64], data_path[80];

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/m.onnx", folder);
    snprintf(data_path, sizeof data_path, "%s.data", path);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    unlink(data_path);
    return rmdir(folder); /* fails where a temporary file was left */
}

/* x + k -> Relu -> y, with an unnamed temporary and a weight of `floats` elements. */
static model *build(int64_t floats, value **temporary) {
    hst_error err = {0};
    model *m = model_new(NULL);
    hst_tensor *t = NULL;
    dim dims[1];
    assert_non_null(m);
    assert_int_equal(model_import_opset(m, "", 17, &err), HST_STATUS_OK);
    assert_int_equal(tensor_new(HST_DTYPE_F32, 1, &floats, NULL, &t, &err), HST_STATUS_OK);
    for (int64_t i = 0; i < floats; i++) ((float *)t->data)[i] = (float)i;
    assert_int_equal(model_own_tensor(m, t, &err), HST_STATUS_OK);
    dims[0] = dim_symbol(m, "n");
    value *x = graph_add_value(m->main, "x"), *k = graph_add_initializer(m->main, "k", t);
    value *u = graph_add_value(m->main, ""), *y = graph_add_value(m->main, "y");
    value *in[2] = {x, k};
    x->type = y->type = type_make(HST_DTYPE_F32, 1, dims);
    assert_int_equal(graph_add_input(m->main, x, &err), HST_STATUS_OK);
    assert_non_null(graph_add_node(m->main, "", "Add", "sum", in, 2, &u, 1));
    assert_non_null(graph_add_node(m->main, "", "Relu", "", &u, 1, &y, 1));
    assert_int_equal(graph_add_output(m->main, y, &err), HST_STATUS_OK);
    if (temporary) *temporary = u;
    return m;
}

static model *write_and_read(const model *m, const onnx_write_options *o) {
    hst_error err = {0};
    model *again = NULL;
    if (onnx_write(m, path, o, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    if (onnx_read(path, NULL, &again, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    return again;
}

static off_t size_of(const char *file) {
    struct stat s;
    return stat(file, &s) == 0 ? s.st_size : -1;
}

static void test_simple(void **state) {
    (void)state;
    value *u = NULL;
    model *m = build(3, &u), *again = write_and_read(m, NULL);
    assert_int_equal(again->ir_version, 8);
    assert_string_equal(u->name, ""); /* writing changes nothing */
    assert_true(again->main->first->out[0]->name[0] != '\0');
    assert_string_equal(again->main->inputs[0]->name, "x");
    assert_string_equal(dim_name(again, again->main->inputs[0]->type.dim[0]), "n");
    assert_true(tensor_get_f64(again->main->initializers[0]->constant, 2) == 2);
    assert_int_equal(size_of(data_path), -1);
    model_free(m);
    model_free(again);
}

/* The reader is strict about names, so a file that it takes has unique ones. */
static void test_names_made_unique(void **state) {
    (void)state;
    value *u = NULL;
    model *m = build(3, &u);
    u->name = "y"; /* the output keeps the name, the temporary gives way */
    m->main->last->name = "sum";
    model *again = write_and_read(m, NULL);
    assert_string_equal(again->main->outputs[0]->name, "y");
    assert_string_equal(again->main->first->out[0]->name, "y_2");
    assert_string_equal(again->main->last->name, "sum_2");
    model_free(m);
    model_free(again);
}

/* A constant that folding left without a producer stands in no list, and is written all the same. */
static void test_loose_constant(void **state) {
    (void)state;
    hst_error err = {0};
    model *m = build(3, NULL);
    value *in[2] = {m->main->inputs[0], graph_add_value(m->main, "loose")}, *z = graph_add_value(m->main, "z");
    assert_non_null(graph_add_node(m->main, "", "Mul", "", in, 2, &z, 1));
    assert_int_equal(graph_add_output(m->main, z, &err), HST_STATUS_OK);
    assert_int_equal(onnx_write(m, path, NULL, &err), HST_STATUS_INTERNAL);
    assert_non_null(strstr(err.message, "loose"));
    in[1]->constant = m->main->initializers[0]->constant;
    model *again = write_and_read(m, NULL);
    assert_int_equal(again->main->n_initializers, 2);
    model_free(m);
    model_free(again);
}

static void test_external(void **state) {
    (void)state;
    onnx_write_options always = {.external = ONNX_EXTERNAL_ALWAYS}, small = {.inline_most = 10000},
                       never = {.external = ONNX_EXTERNAL_NEVER, .inline_most = 10000};
    model *m = build(20000, NULL);
    value *first = m->main->initializers[0], *second = graph_add_initializer(m->main, "k2", first->constant);
    assert_non_null(second);
    model *again = write_and_read(m, &always);
    assert_int_equal(size_of(data_path), 81920 + 80000); /* the second tensor begins at a page */
    assert_true(size_of(path) < 1000);
    for (int i = 0; i < 2; i++)
        assert_memory_equal(again->main->initializers[i]->constant->data, first->constant->data, 80000);
    model_free(again);
    unlink(data_path);
    again = write_and_read(m, &small);
    assert_true(size_of(data_path) > 80000);
    model_free(again);
    unlink(data_path);
    again = write_and_read(m, &never);
    assert_int_equal(size_of(data_path), -1);
    /* Writing over the very file that the model is mapped from. */
    hst_error err = {0};
    assert_int_equal(onnx_write(again, path, &always, &err), HST_STATUS_OK);
    assert_memory_equal(again->main->initializers[0]->constant->data, first->constant->data, 80000);
    model_free(again);
    model_free(m);
    unlink(data_path);
}

static void test_ir_versions(void **state) {
    (void)state;
    static const struct {
        int64_t opset, ir;
    } known[] = {{7, 3}, {9, 4}, {11, 6}, {17, 8}, {18, 8}, {20, 9}, {21, 10}, {23, 11}, {24, 12}, {25, 13}, {28, 14}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_int_equal(onnx_ir_of_opset(known[i].opset), known[i].ir);
    onnx_write_options lowest = {.ir_version = -1}, given = {.ir_version = 9};
    model *m = build(3, NULL);
    m->ir_version = 13;
    model *a = write_and_read(m, NULL), *b = write_and_read(m, &lowest), *c = write_and_read(m, &given);
    assert_int_equal(a->ir_version, 13);
    assert_int_equal(b->ir_version, 8);
    assert_int_equal(c->ir_version, 9);
    m->main->first->out[0]->type.dtype = HST_DTYPE_S4; /* newer than opset 17's IR */
    model *d = write_and_read(m, &lowest);
    assert_int_equal(d->ir_version, 10);
    model_free(a);
    model_free(b);
    model_free(c);
    model_free(d);
    model_free(m);
}

static void test_refused(void **state) {
    (void)state;
    hst_error err = {0};
    model *m = build(3, NULL);
    assert_int_equal(onnx_write(m, path, NULL, &err), HST_STATUS_OK);
    off_t before = size_of(path);
    m->main->first->domain = "hasten";
    assert_int_equal(onnx_write(m, path, NULL, &err), HST_STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "Add 'sum'"));
    m->main->first->domain = "";
    m->main->first->opset = 13;
    assert_int_equal(onnx_write(m, path, NULL, &err), HST_STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "13"));
    m->main->first->opset = 17;
    assert_int_equal(onnx_write(m, "/nowhere/at/all.onnx", NULL, &err), HST_STATUS_IO);
    assert_int_equal(size_of(path), before); /* what was there is still there */
    model_free(m);
}

/* 3 GiB that are never touched: the size is found out before anything is written. */
static void test_too_large(void **state) {
    (void)state;
    hst_error err = {0};
    const int64_t size = (int64_t)3 << 30;
    void *memory = mmap(NULL, (size_t)size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) skip();
    model *m = build(3, NULL);
    hst_tensor *t = NULL;
    void *data = NULL;
    size_t bytes = 0;
    onnx_write_options never = {.external = ONNX_EXTERNAL_NEVER};
    assert_int_equal(tensor_new_borrowed(HST_DTYPE_U8, 1, &size, memory, (size_t)size, NULL, &t, &err), HST_STATUS_OK);
    assert_int_equal(model_own_tensor(m, t, &err), HST_STATUS_OK);
    assert_non_null(graph_add_initializer(m->main, "large", t));
    assert_int_equal(onnx_write(m, path, &never, &err), HST_STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "2 GiB"));
    assert_int_equal(onnx_write_memory(m, NULL, &data, &bytes, &err), HST_STATUS_UNSUPPORTED);
    assert_null(data);
    model_free(m);
    munmap(memory, (size_t)size);
}

/* A disk that is full halfway, of the model file and of its data: what stood there stays, nothing is left behind. */
static void test_disk_full(void **state) {
    (void)state;
    hst_error err = {0};
    onnx_write_options always = {.external = ONNX_EXTERNAL_ALWAYS};
    model *small = build(3, NULL), *large = build(50000, NULL);
    struct rlimit was, tight;
    assert_int_equal(onnx_write(small, path, NULL, &err), HST_STATUS_OK);
    off_t before = size_of(path);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    tight = was;
    tight.rlim_cur = 65536;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    hst_status inside = onnx_write(large, path, NULL, &err), beside = onnx_write(large, path, &always, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(inside, HST_STATUS_IO);
    assert_int_equal(beside, HST_STATUS_IO);
    assert_int_equal(size_of(path), before);
    assert_int_equal(size_of(data_path), -1);
    model_free(small);
    model_free(large);
}

/* Domains that only nodes name are imported; the model's unused imports stay; "hasten" never gets out. */
static void test_imports(void **state) {
    (void)state;
    hst_error err = {0};
    model *m = build(3, NULL);
    assert_int_equal(model_import_opset(m, "org.unused", 4, &err), HST_STATUS_OK);
    assert_int_equal(model_import_opset(m, "hasten", 1, &err), HST_STATUS_OK);
    m->main->last->domain = "com.microsoft";
    m->main->last->opset = 1;
    model *again = write_and_read(m, NULL);
    assert_int_equal(again->n_opsets, 3);
    assert_int_equal(model_opset(again, "com.microsoft"), 1);
    assert_int_equal(model_opset(again, "org.unused"), 4);
    model_free(again);
    model_free(m);
}

/* A declared shape without an element type is not lost. */
static void test_shape_without_type(void **state) {
    (void)state;
    model *m = build(3, NULL);
    m->main->inputs[0]->type.dtype = HST_DTYPE_NONE;
    model *again = write_and_read(m, NULL);
    const type *t = &again->main->inputs[0]->type;
    assert_int_equal(t->dtype, HST_DTYPE_NONE);
    assert_int_equal(t->rank, 1);
    assert_string_equal(dim_name(again, t->dim[0]), "n");
    model_free(again);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_simple),         cmocka_unit_test(test_names_made_unique),
                                       cmocka_unit_test(test_loose_constant), cmocka_unit_test(test_external),
                                       cmocka_unit_test(test_ir_versions),    cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_too_large),      cmocka_unit_test(test_disk_full),
                                       cmocka_unit_test(test_imports),        cmocka_unit_test(test_shape_without_type)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
