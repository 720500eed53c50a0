/* TensorProto files, out and in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "onnx/tensor_io.h"

static void test_round_trip(void **state) {
    (void)state;
    static const hst_dtype dtypes[] = {HST_DTYPE_F32, HST_DTYPE_S64, HST_DTYPE_B8, HST_DTYPE_F16, HST_DTYPE_U4};
    char path[] = "/tmp/hasten-tensor-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    hst_error err = {0};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        const int64_t dim[3] = {3, 1, 5};
        hst_tensor *t = NULL, *u = NULL;
        char *name = NULL;
        assert_int_equal(tensor_new(dtypes[i], 3, dim, NULL, &t, &err), HST_STATUS_OK);
        for (int64_t k = 0; k < 15; k++) tensor_set_s64(t, k, k & 1);
        assert_int_equal(tensor_write_pb(t, i ? "named" : NULL, path, &err), HST_STATUS_OK);
        if (tensor_read_pb(path, NULL, &u, &name, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
        assert_string_equal(name, i ? "named" : "");
        assert_int_equal(u->dtype, t->dtype);
        assert_int_equal(u->rank, 3);
        assert_int_equal(u->dim[2], 5);
        assert_int_equal(u->bytes, t->bytes);
        assert_memory_equal(u->data, t->data, t->bytes);
        free(name);
        tensor_free(t);
        tensor_free(u);
    }
    unlink(path);
}

static void test_strings_and_damage(void **state) {
    (void)state;
    hst_error err = {0};
    hst_tensor *t = NULL;
    static const char strings[] = "\x08\x02\x10\x08\x32\x03"
                                  "abc\x32\x00";
    assert_int_equal(tensor_read_pb_memory(strings, sizeof strings - 1, NULL, &t, NULL, &err), HST_STATUS_OK);
    const hst_string *s = t->data;
    assert_int_equal(s[0].size, 3);
    assert_memory_equal(s[0].data, "abc", 3);
    assert_true(s[0].data != strings + 6); /* its own memory */
    assert_int_equal(s[1].size, 0);
    tensor_free(t);
    assert_int_equal(tensor_read_pb_memory(strings, 7, NULL, &t, NULL, &err), HST_STATUS_BAD_FORMAT);
    assert_null(t);
    assert_int_equal(tensor_read_pb_memory("", 0, NULL, &t, NULL, &err), HST_STATUS_BAD_FORMAT);
    assert_int_equal(tensor_read_pb("/nowhere.pb", NULL, &t, NULL, &err), HST_STATUS_NOT_FOUND);
}

/* With arguments, a tool for comparing with other software: IN OUT [IN OUT…]. */
static int convert(int count, char **paths) {
    int failed = 0;
    for (int i = 0; i + 1 < count; i += 2) {
        hst_error err = {0};
        hst_tensor *t = NULL;
        char *name = NULL;
        hst_status status = tensor_read_pb(paths[i], NULL, &t, &name, &err);
        if (status == HST_STATUS_OK) status = tensor_write_pb(t, name, paths[i + 1], &err);
        if (status != HST_STATUS_OK) printf("%s: %s\n", paths[i], err.message);
        failed += status != HST_STATUS_OK;
        tensor_free(t);
        free(name);
    }
    return failed != 0;
}

int main(int argc, char **argv) {
    if (argc > 2) return convert(argc - 1, argv + 1);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_strings_and_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
