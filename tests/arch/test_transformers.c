/* Architectures against transformers: every tiny checkpoint of tests/arch/data (tools/fixtures/checkpoint_tiny.py) is
 * built, run by the reference interpreter, and compared. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "ops/interp.h"

#define DATA HASTEN_SOURCE_DIR "/tests/arch/data/"

static model *build(const char *name) {
    char path[512];
    checkpoint *c = NULL;
    model *m = NULL;
    hst_error err = {0};
    snprintf(path, sizeof path, DATA "%s", name);
    if (checkpoint_open(path, NULL, &c, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    if (arch_build(c, NULL, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    checkpoint_free(c); /* the model keeps it */
    if (graph_check(m->main, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    return m;
}

static checkpoint *open_expected(const char *name) {
    char path[512];
    checkpoint *c = NULL;
    hst_error err = {0};
    snprintf(path, sizeof path, DATA "%s/expected.safetensors", name);
    if (checkpoint_open(path, NULL, &c, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    return c;
}

static void compare(const char *name, const char *output, const hst_tensor *got, const hst_tensor *expected) {
    if (!expected) fail_msg("%s: transformers has no output '%s'", name, output);
    assert_int_equal(got->dtype, HST_DTYPE_F32);
    assert_int_equal(got->rank, expected->rank);
    for (int i = 0; i < got->rank; i++) assert_int_equal(got->dim[i], expected->dim[i]);
    double worst = 0, scale = 1;
    for (int64_t i = 0; i < tensor_count(got); i++) {
        double e = tensor_get_f64(expected, i), d = fabs(tensor_get_f64(got, i) - e);
        if (!(d <= worst)) worst = d;
        if (fabs(e) > scale) scale = fabs(e);
    }
    if (!(worst <= 1e-5 * scale)) fail_msg("%s: output '%s' differs by %g of %g", name, output, worst, scale);
}

static void run_and_compare(const char *name) {
    model *m = build(name);
    checkpoint *expected = open_expected(name);
    graph *g = m->main;
    hst_error err = {0};
    if (ops_resolve(g, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    if (graph_infer(g, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    const hst_tensor *in[4] = {0};
    hst_tensor *out[4] = {0};
    assert_in_range(g->n_inputs, 2, 3);
    assert_in_range(g->n_outputs, 1, 2);
    for (int i = 0; i < g->n_inputs; i++) {
        in[i] = checkpoint_tensor(expected, g->inputs[i]->name);
        assert_non_null(in[i]);
    }
    if (interp_run(g, in, out, NULL, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    assert_int_equal(checkpoint_count(expected), g->n_inputs + g->n_outputs); /* no output is left out */
    for (int i = 0; i < g->n_outputs; i++) {
        char key[128];
        snprintf(key, sizeof key, "output.%s", g->outputs[i]->name);
        compare(name, g->outputs[i]->name, out[i], checkpoint_tensor(expected, key));
        tensor_free(out[i]);
    }
    checkpoint_free(expected);
    model_free(m);
}

static void as_transformers(void **state) {
    (void)state;
    int count = 0;
    DIR *d = opendir(DATA);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        run_and_compare(e->d_name);
        count++;
    }
    closedir(d);
    assert_true(count >= 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_transformers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
