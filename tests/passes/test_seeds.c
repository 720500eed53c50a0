/* The seeds pass_* of the fuzzed model runs (tools/fixtures/fuzz_pass_corpus.py) reach the rewrites: every pass does
 * something in one of them, and each seed runs to its end with every way of storing weights. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "hasten.h"
#include "passes/pass.h"

#define FOLDER HASTEN_SOURCE_DIR "/tests/fuzz/corpus/model_run"

enum { INPUTS = 4, BATCH = 2, LENGTH = 5 };

static bool did[256]; /* by place in pass_list */

static void on_pass(void *user, const char *pass, const char *text) {
    static const char times[] = "\xc3\x97"; /* "…: 3×" */
    const size_t n = strlen(text), m = sizeof times - 1;
    (void)user;
    for (int i = 0; i < pass_list_count; i++)
        if (strcmp(pass_list[i]->name, pass) == 0 && n > m && strcmp(text + n - m, times) == 0) did[i] = true;
}

static hst_tensor *made_up(const hst_value_info *v) {
    int64_t dims[HST_RANK_MAX];
    hst_tensor *wide = NULL, *t = NULL;
    for (int k = 0; k < v->rank; k++) dims[k] = v->dims[k] >= 0 ? v->dims[k] : k ? LENGTH : BATCH;
    assert_int_equal(hst_tensor_new(HST_DTYPE_S64, v->rank, dims, NULL, &wide, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < hst_tensor_count(wide); i++) /* as a mask: the second row is shorter */
        ((int64_t *)hst_tensor_data(wide))[i] = strcmp(v->name, "mask") == 0 ? i < BATCH * LENGTH - 2 : i * 5 % 7;
    assert_int_equal(hst_tensor_convert(wide, v->dtype, &t, NULL), HST_STATUS_OK);
    hst_tensor_free(wide);
    return t;
}

static void try_seed(const char *name, hst_quantization quantization, hst_dtype weights) {
    char path[512];
    hst_model_options o = HST_INIT(hst_model_options);
    hst_model *m;
    hst_session *s;
    hst_tensor *in[INPUTS] = {0}, *out[INPUTS] = {0};
    hst_error err;
    snprintf(path, sizeof path, FOLDER "/%s", name);
    o.optimization = 3;
    o.quantization = quantization;
    o.weights = weights;
    o.explain = on_pass;
    if (hst_model_load(path, &o, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    const size_t n = hst_model_input_count(m), outputs = hst_model_output_count(m);
    assert_true(n <= INPUTS && outputs <= INPUTS);
    for (size_t i = 0; i < n; i++) in[i] = made_up(hst_model_input(m, i));
    assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
    for (int round = 0; round < 2; round++) {
        if (hst_session_run(s, n, NULL, (const hst_tensor *const *)in, outputs, NULL, out, NULL, &err) != HST_STATUS_OK)
            fail_msg("%s: %s", name, err.message);
        for (size_t i = 0; i < outputs; i++) {
            hst_tensor_free(out[i]);
            out[i] = NULL;
        }
    }
    for (size_t i = 0; i < n; i++) hst_tensor_free(in[i]);
    hst_session_free(s);
    hst_model_free(m);
}

static void test_seeds(void **state) {
    (void)state;
    DIR *folder = opendir(FOLDER);
    assert_non_null(folder);
    assert_true(pass_list_count <= (int)(sizeof did / sizeof *did));
    for (struct dirent *e; (e = readdir(folder));) {
        if (strncmp(e->d_name, "pass_", 5) != 0) continue;
        try_seed(e->d_name, HST_QUANTIZATION_NONE, HST_DTYPE_NONE);
        try_seed(e->d_name, HST_QUANTIZATION_INT8, HST_DTYPE_NONE);
        try_seed(e->d_name, HST_QUANTIZATION_NONE, HST_DTYPE_BF16);
        try_seed(e->d_name, HST_QUANTIZATION_NONE, HST_DTYPE_F16);
    }
    closedir(folder);
    int missing = 0;
    for (int i = 0; i < pass_list_count; i++) {
        if (did[i]) continue;
        print_error("no seed pass_* in which %s does something\n", pass_list[i]->name);
        missing++;
    }
    assert_int_equal(missing, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
