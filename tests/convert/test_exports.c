/* The files that the usual exporters, optimisers and quantisers write (tests/onnx/data/exports, made by
 * tools/fixtures/onnx_exports.py), through the public interface: loaded with all passes and with none, run, compared
 * with ONNX Runtime's outputs in NAME.cases; and each row of a batch alone gives the bits that it has in the batch. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "graph/graph.h"
#include "onnx/onnx.h"

#define FOLDER     HASTEN_SOURCE_DIR "/tests/onnx/data/exports"
#define FILES_MOST 256
#define NAMES_MOST 16

typedef struct running {
    const char *file;
    hst_model *model;
    hst_session *session;
} running;

/* What a case names: its inputs, and the outputs that are wanted of them. Lent by the model of cases. */
typedef struct one_case {
    const char *in_names[NAMES_MOST], *out_names[NAMES_MOST];
    const hst_tensor *in[NAMES_MOST], *want[NAMES_MOST];
    size_t n_in, n_out;
} one_case;

static one_case find_case(const model *cases, int k) {
    one_case c = {.n_in = 0};
    char in[32], out[32];
    size_t n_in = (size_t)snprintf(in, sizeof in, "case%d/in/", k);
    size_t n_out = (size_t)snprintf(out, sizeof out, "case%d/out/", k);
    for (int i = 0; i < cases->main->n_initializers; i++) {
        const value *v = cases->main->initializers[i];
        assert_true(c.n_in < NAMES_MOST && c.n_out < NAMES_MOST);
        if (strncmp(v->name, in, n_in) == 0) {
            c.in_names[c.n_in] = v->name + n_in;
            c.in[c.n_in++] = v->constant;
        } else if (strncmp(v->name, out, n_out) == 0) {
            c.out_names[c.n_out] = v->name + n_out;
            c.want[c.n_out++] = v->constant;
        }
    }
    return c;
}

static running open_file(const char *file, const char *path, int optimization) {
    running r = {.file = file};
    hst_error err = {0};
    hst_model_options o = HST_INIT(hst_model_options);
    o.optimization = optimization;
    if (hst_model_load(path, &o, &r.model, &err) != HST_STATUS_OK ||
        hst_session_new(r.model, NULL, &r.session, &err) != HST_STATUS_OK)
        fail_msg("%s, optimization %d: %s", file, optimization, err.message);
    return r;
}

static void close_file(running *r) {
    hst_session_free(r->session);
    hst_model_free(r->model);
}

static void run(const running *r, const one_case *c, const hst_tensor *const *in, hst_tensor **out) {
    hst_error err = {0};
    for (size_t i = 0; i < c->n_out; i++) out[i] = NULL;
    if (hst_session_run(r->session, c->n_in, c->in_names, in, c->n_out, c->out_names, out, NULL, &err) != HST_STATUS_OK)
        fail_msg("%s: %s", r->file, err.message);
}

static bool same_shape(const hst_tensor *a, const hst_tensor *b) {
    int rank = hst_tensor_rank(a);
    return rank == hst_tensor_rank(b) && hst_tensor_dtype(a) == hst_tensor_dtype(b) &&
           (!rank || memcmp(hst_tensor_dims(a), hst_tensor_dims(b), (size_t)rank * sizeof(int64_t)) == 0);
}

static void compare(const char *file, const char *name, const hst_tensor *got, const hst_tensor *want, double most) {
    if (!same_shape(got, want)) fail_msg("%s: output '%s' has another type or shape", file, name);
    for (int64_t i = 0; i < tensor_count(want); i++) {
        double a = tensor_get_f64(got, i), b = tensor_get_f64(want, i);
        if (!(fabs(a - b) <= most))
            fail_msg("%s: output '%s' element %lld is %.9g, not %.9g", file, name, (long long)i, a, b);
    }
}

static hst_tensor *row_of(const hst_tensor *t, int64_t row) {
    int64_t dims[HST_RANK_MAX];
    int rank = hst_tensor_rank(t);
    hst_tensor *out;
    memcpy(dims, hst_tensor_dims(t), (size_t)rank * sizeof *dims);
    size_t bytes = hst_tensor_bytes(t) / (size_t)dims[0];
    dims[0] = 1;
    assert_int_equal(hst_tensor_new_copy(hst_tensor_dtype(t), rank, dims,
                                         (const char *)hst_tensor_view(t) + (size_t)row * bytes, bytes, NULL, &out,
                                         NULL),
                     HST_STATUS_OK);
    return out;
}

static void rows_alone(const running *r, const one_case *c, hst_tensor *const *batch) {
    hst_tensor *in[NAMES_MOST], *out[NAMES_MOST];
    for (int64_t row = 0, rows = hst_tensor_dims(c->in[0])[0]; row < rows; row++) {
        for (size_t i = 0; i < c->n_in; i++) in[i] = row_of(c->in[i], row);
        run(r, c, (const hst_tensor *const *)in, out);
        for (size_t i = 0; i < c->n_out; i++) {
            hst_tensor *want = row_of(batch[i], row);
            if (!same_shape(out[i], want) ||
                memcmp(hst_tensor_view(out[i]), hst_tensor_view(want), hst_tensor_bytes(want)) != 0)
                fail_msg("%s: row %lld alone has other bits than in the batch", r->file, (long long)row);
            hst_tensor_free(want);
            hst_tensor_free(out[i]);
        }
        for (size_t i = 0; i < c->n_in; i++) hst_tensor_free(in[i]);
    }
}

/* Half-precision graphs are compared with ONNX Runtime's own roundings to f16. Dynamic quantisation takes its scale
 * from the whole batch, by its definition: there a row depends on its neighbours. */
static void check_file(const char *file) {
    char path[512], cases_path[512];
    hst_error err = {0};
    model *cases;
    snprintf(path, sizeof path, "%s/%s", FOLDER, file);
    snprintf(cases_path, sizeof cases_path, "%.*s.cases", (int)(strlen(path) - strlen(".onnx")), path);
    if (onnx_read(cases_path, NULL, &cases, &err) != HST_STATUS_OK) fail_msg("%s: %s", cases_path, err.message);
    const double most = strstr(file, "fp16") ? 1e-3 : 2e-6;
    for (int optimization = 0; optimization < 2; optimization++) {
        running r = open_file(file, path, optimization);
        int k = 0;
        for (one_case c; (c = find_case(cases, k)).n_in; k++) {
            hst_tensor *out[NAMES_MOST];
            assert_true(c.n_out > 0);
            run(&r, &c, c.in, out);
            for (size_t i = 0; i < c.n_out; i++) compare(file, c.out_names[i], out[i], c.want[i], most);
            if (!strstr(file, "dynamic")) rows_alone(&r, &c, out);
            for (size_t i = 0; i < c.n_out; i++) hst_tensor_free(out[i]);
        }
        assert_true(k >= 2);
        close_file(&r);
    }
    model_free(cases);
}

static int by_name(const void *a, const void *b) {
    return strcmp(a, b);
}

static void test_exports(void **state) {
    (void)state;
    static char files[FILES_MOST][128];
    size_t count = 0;
    DIR *d = opendir(FOLDER);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n < 6 || n >= sizeof *files || strcmp(e->d_name + n - 5, ".onnx") != 0) continue;
        assert_true(count < FILES_MOST);
        memcpy(files[count++], e->d_name, n + 1);
    }
    closedir(d);
    assert_true(count >= 42);
    qsort(files, count, sizeof *files, by_name);
    for (size_t i = 0; i < count; i++) check_file(files[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exports)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
