/* Every tiny checkpoint is exported as ONNX in every way, read back, and gives the answers of the checkpoint. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "hasten.h"

#define CHECKPOINTS HASTEN_SOURCE_DIR "/tests/arch/data/"
#define OUTPUTS     4

static char folder[64];

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hasten-export-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static hst_model *load(const char *path, uint32_t flags) {
    hst_error err = {0};
    hst_model_options o = HST_INIT(hst_model_options);
    hst_model *m = NULL;
    o.flags = flags;
    if (hst_model_load(path, &o, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", path, err.message);
    return m;
}

static const char *export(const char *checkpoint, const char *name, const hst_export_options *o) {
    static char path[160];
    hst_error err = {0};
    hst_model *m = load(checkpoint, HST_MODEL_GRAPH_ONLY);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (hst_model_export_onnx(m, path, o, &err) != HST_STATUS_OK) fail_msg("%s: %s", checkpoint, err.message);
    hst_model_free(m);
    return path;
}

/* Made-up ids for inputs of rank 2 or 3; masks with some padding. */
static hst_tensor *make_input(const hst_value_info *v) {
    int64_t dims[3] = {2, 5, 5};
    hst_tensor *t;
    if (v->rank == 3) dims[1] = 3;
    assert_int_equal(hst_tensor_new(HST_DTYPE_S64, v->rank, dims, NULL, &t, NULL), HST_STATUS_OK);
    int64_t *x = hst_tensor_data(t);
    for (int64_t i = 0; i < hst_tensor_count(t); i++) {
        int64_t column = i % 5, row = i / 5;
        x[i] = strstr(v->name, "mask") ? column < 5 - row % 3 : strstr(v->name, "type") ? column > 2 : (i * 7 + 3) % 11;
    }
    return t;
}

static size_t run(hst_model *m, hst_tensor **out) {
    hst_error err = {0};
    hst_session *s = NULL;
    hst_tensor *in[4] = {0};
    const char *in_names[4], *out_names[OUTPUTS];
    size_t n_in = hst_model_input_count(m), n_out = hst_model_output_count(m);
    assert_true(n_in <= 4 && n_out <= OUTPUTS);
    for (size_t i = 0; i < n_in; i++) {
        in[i] = make_input(hst_model_input(m, i));
        in_names[i] = hst_model_input(m, i)->name;
    }
    for (size_t i = 0; i < n_out; i++) {
        out_names[i] = hst_model_output(m, i)->name;
        out[i] = NULL;
    }
    assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
    if (hst_session_run(s, n_in, in_names, (const hst_tensor *const *)in, n_out, out_names, out, NULL, &err) !=
        HST_STATUS_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < n_in; i++) hst_tensor_free(in[i]);
    hst_session_free(s);
    return n_out;
}

static void compare(const char *what, const char *checkpoint, const char *exported, double tolerance) {
    hst_model *a = load(checkpoint, 0), *b = load(exported, 0);
    hst_tensor *x[OUTPUTS], *y[OUTPUTS];
    size_t n = run(a, x);
    assert_int_equal(run(b, y), n);
    for (size_t i = 0; i < n; i++) {
        hst_tensor *wide;
        assert_string_equal(hst_model_output(a, i)->name, hst_model_output(b, i)->name);
        assert_int_equal(hst_tensor_convert(y[i], HST_DTYPE_F32, &wide, NULL), HST_STATUS_OK);
        const float *p = hst_tensor_view(x[i]), *q = hst_tensor_view(wide);
        assert_int_equal(hst_tensor_count(x[i]), hst_tensor_count(wide));
        for (int64_t k = 0; k < hst_tensor_count(wide); k++)
            if (!(fabs((double)p[k] - (double)q[k]) <= tolerance * (1 + fabs((double)p[k]))))
                fail_msg("%s, %s[%lld]: %g, not %g", what, hst_model_output(a, i)->name, (long long)k, (double)q[k],
                         (double)p[k]);
        hst_tensor_free(wide);
        hst_tensor_free(x[i]);
        hst_tensor_free(y[i]);
    }
    hst_model_free(a);
    hst_model_free(b);
}

static void every_checkpoint(void **state) {
    (void)state;
    DIR *d = opendir(CHECKPOINTS);
    assert_non_null(d);
    int count = 0;
    for (struct dirent *e; (e = readdir(d));) {
        char path[512];
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, CHECKPOINTS "%s", e->d_name);
        hst_export_options o = HST_INIT(hst_export_options);
        compare(e->d_name, path, export(path, "plain.onnx", &o), 1e-5);
        o.dtype = HST_DTYPE_F32;
        compare(e->d_name, path, export(path, "wide.onnx", &o), 1e-5);
        o.dtype = HST_DTYPE_F16;
        compare(e->d_name, path, export(path, "half.onnx", &o), 3e-2);
        count++;
    }
    closedir(d);
    assert_true(count > 20);
}

static void every_opset(void **state) {
    (void)state;
    for (int opset = 17; opset <= 25; opset++) {
        hst_export_options o = HST_INIT(hst_export_options);
        const char *domain;
        int64_t version;
        o.opset = opset;
        const char *path = export(CHECKPOINTS "bert_token_classification", "opset.onnx", &o);
        compare("opset", CHECKPOINTS "bert_token_classification", path, 1e-5);
        hst_model *m = load(path, HST_MODEL_GRAPH_ONLY);
        assert_true(hst_model_opset_get(m, 0, &domain, &version));
        assert_int_equal(version, opset);
        hst_model_free(m);
    }
}

static off_t size_of(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 ? s.st_size : -1;
}

static void half_weights_stay_half(void **state) {
    (void)state;
    hst_export_options o = HST_INIT(hst_export_options);
    off_t plain = size_of(export(CHECKPOINTS "bert_masked_lm_f16", "plain.onnx", &o));
    o.dtype = HST_DTYPE_F32;
    off_t wide = size_of(export(CHECKPOINTS "bert_masked_lm_f16", "wide.onnx", &o));
    /* 11.6 kB of weights become 23.2; some 6 kB of Cast nodes go. */
    assert_true(plain > 0 && wide - plain > 4000);
}

static void external_data(void **state) {
    (void)state;
    char data[200];
    hst_export_options o = HST_INIT(hst_export_options);
    o.external_beyond = 1;
    const char *path = export(CHECKPOINTS "distilbert_model", "outside.onnx", &o);
    snprintf(data, sizeof data, "%s.data", path);
    assert_true(size_of(data) > size_of(path) / 4);
    compare("external data", CHECKPOINTS "distilbert_model", path, 1e-5);
}

static void refusals(void **state) {
    (void)state;
    hst_error err = {0};
    char path[160];
    hst_export_options o = HST_INIT(hst_export_options);
    hst_model *m = load(CHECKPOINTS "distilbert_model", HST_MODEL_GRAPH_ONLY);
    snprintf(path, sizeof path, "%s/no/such.onnx", folder);
    assert_int_not_equal(hst_model_export_onnx(m, path, &o, &err), HST_STATUS_OK);
    assert_non_null(strstr(err.message, "such.onnx"));
    snprintf(path, sizeof path, "%s/kept.onnx", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("old", f);
    fclose(f);
    o.opset = 99;
    assert_int_equal(hst_model_export_onnx(m, path, &o, &err), HST_STATUS_INVALID_ARGUMENT);
    o.opset = 0;
    o.dtype = HST_DTYPE_S8;
    assert_int_equal(hst_model_export_onnx(m, path, &o, &err), HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(size_of(path), 3); /* the old file is as it was */
    hst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_checkpoint), cmocka_unit_test(every_opset),
                                       cmocka_unit_test(half_weights_stay_half), cmocka_unit_test(external_data),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
