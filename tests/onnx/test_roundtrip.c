/* Every ONNX file under tests/onnx/data is read, written, read again and written again: both writings are equal, and
 * the graph's links are sound. With arguments, a tool for comparing with other software: IN OUT [external]. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "onnx/onnx.h"

static int convert(const char *in, const char *out, bool external) {
    hst_error err = {0};
    model *m = NULL;
    onnx_write_options o = {.external = external ? ONNX_EXTERNAL_ALWAYS : ONNX_EXTERNAL_AUTO};
    hst_status status = onnx_read(in, NULL, &m, &err);
    if (status == HST_STATUS_OK) status = graph_check(m->main, &err);
    if (status == HST_STATUS_OK && out) status = onnx_write(m, out, &o, &err);
    model_free(m);
    if (status != HST_STATUS_OK) printf("%s: %s\n", in, err.message);
    return status == HST_STATUS_OK ? 0 : 1;
}

static void check_file(const char *path) {
    hst_error err = {0};
    model *m = NULL, *again = NULL;
    void *first = NULL, *second = NULL;
    size_t first_size = 0, second_size = 0;
    if (onnx_read(path, NULL, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", path, err.message);
    if (graph_check(m->main, &err) != HST_STATUS_OK) fail_msg("%s: %s", path, err.message);
    if (onnx_write_memory(m, NULL, &first, &first_size, &err) != HST_STATUS_OK) fail_msg("%s: %s", path, err.message);
    if (onnx_read_memory(first, first_size, "again", NULL, &again, &err) != HST_STATUS_OK)
        fail_msg("%s, written and read again: %s", path, err.message);
    if (onnx_write_memory(again, NULL, &second, &second_size, &err) != HST_STATUS_OK)
        fail_msg("%s, written again: %s", path, err.message);
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    assert_int_equal(m->n_nodes, again->n_nodes);
    model_free(m);
    model_free(again);
    free(first);
    free(second);
}

static int check_folder(const char *folder) {
    int count = 0;
    DIR *d = opendir(folder);
    if (!d) return 0;
    for (struct dirent *e; (e = readdir(d));) {
        char path[1024];
        size_t n = strlen(e->d_name);
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (n > 5 && strcmp(e->d_name + n - 5, ".onnx") == 0) {
            check_file(path);
            count++;
        }
    }
    closedir(d);
    return count;
}

static void test_fixtures(void **state) {
    (void)state;
    assert_true(check_folder(HASTEN_SOURCE_DIR "/tests/onnx/data/good") > 10);
    assert_true(check_folder(HASTEN_SOURCE_DIR "/tests/onnx/data/exports") > 10);
}

int main(int argc, char **argv) {
    if (argc >= 2) return convert(argv[1], argc > 2 ? argv[2] : NULL, argc > 3);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fixtures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
