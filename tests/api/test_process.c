/* Version, names, threads, lists, option structs, tensors. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "api/api.h"

static void test_process(void **state) {
    (void)state;
    assert_int_equal(hst_abi_version(), HST_ABI_VERSION);
    assert_non_null(strchr(hst_version(), '.'));
    assert_string_equal(hst_status_name(HST_STATUS_BUDGET), "BUDGET");
    assert_string_equal(hst_status_name((hst_status)99), "UNKNOWN");
    assert_string_equal(hst_dtype_name(HST_DTYPE_F32), "f32");
    assert_int_equal(hst_dtype_from_name("int64"), HST_DTYPE_S64);
    assert_int_equal(hst_dtype_bits(HST_DTYPE_S4), 4);
    uint64_t now = hst_clock_ns();
    assert_true(hst_clock_ns() >= now);
    int before = hst_threads_get();
    hst_threads_set(3);
    assert_int_equal(hst_threads_get(), 3);
    hst_threads_set(0);
    assert_int_equal(hst_threads_get(), before);
    char *json = NULL;
    hst_error err;
    static const char *const lists[] = {"ops", "kernels", "passes", "archs", "tasks"};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(hst_list_json(lists[i], &json, &err), HST_STATUS_OK);
        assert_int_equal(json[0], '[');
        hst_text_free(json);
    }
    assert_int_equal(hst_list_json("cats", &json, &err), HST_STATUS_NOT_FOUND);
}

static void test_options(void **state) {
    (void)state;
    struct {
        hst_run_options o;
        uint64_t more;
    } newer = {.o = HST_INIT(hst_run_options)};
    hst_run_options o, older = {0};
    hst_error err;
    assert_int_equal(options_read(&o, sizeof o, NULL, "hst_run_options", &err), HST_STATUS_OK);
    assert_int_equal(o.size, sizeof o);
    assert_int_equal(options_read(&o, sizeof o, &older, "hst_run_options", &err), HST_STATUS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "HST_INIT"));
    older.size = offsetof(hst_run_options, memory_budget); /* a caller of an older version */
    older.deadline_ns = 7;
    older.memory_budget = 9;
    assert_int_equal(options_read(&o, sizeof o, &older, "hst_run_options", &err), HST_STATUS_OK);
    assert_true(o.deadline_ns == 7 && o.memory_budget == 0);
    newer.o.size = sizeof newer;
    assert_int_equal(options_read(&o, sizeof o, &newer, "hst_run_options", &err), HST_STATUS_OK);
    newer.more = 1;
    assert_int_equal(options_read(&o, sizeof o, &newer, "hst_run_options", &err), HST_STATUS_INVALID_ARGUMENT);
}

static void test_tensors(void **state) {
    (void)state;
    hst_error err;
    hst_tensor *t, *u, *v;
    float data[6] = {1, 2, 3, 4, 5, 6.5f};
    int64_t dims[] = {2, 3}, flat[] = {6}, wrong[] = {7};
    assert_int_equal(hst_tensor_new_copy(HST_DTYPE_F32, 2, dims, data, sizeof data, NULL, &t, &err), HST_STATUS_OK);
    assert_int_equal(hst_tensor_new_copy(HST_DTYPE_F32, 2, dims, data, 20, NULL, &u, &err), HST_STATUS_BAD_SHAPE);
    assert_int_equal(hst_tensor_new(HST_DTYPE_F32, -1, dims, NULL, &u, &err), HST_STATUS_BAD_SHAPE);
    assert_int_equal(hst_tensor_new(HST_DTYPE_F32, 2, NULL, NULL, &u, &err), HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(hst_tensor_new((hst_dtype)77, 2, dims, NULL, &u, &err), HST_STATUS_BAD_FORMAT);
    assert_int_equal(hst_tensor_reshape(t, 1, flat, &u, &err), HST_STATUS_OK);
    assert_int_equal(hst_tensor_reshape(t, 1, wrong, &v, &err), HST_STATUS_BAD_SHAPE);
    assert_int_equal(hst_tensor_retain(u, &v, &err), HST_STATUS_OK);
    hst_tensor_free(t);
    hst_tensor_free(u);
    assert_true(hst_tensor_rank(v) == 1 && hst_tensor_dims(v)[0] == 6 && hst_tensor_count(v) == 6);
    assert_true(((const float *)hst_tensor_view(v))[5] == 6.5f && hst_tensor_bytes(v) == 24);
    assert_int_equal(hst_tensor_convert(v, HST_DTYPE_S64, &t, &err), HST_STATUS_OK);
    assert_int_equal(((const int64_t *)hst_tensor_view(t))[5], 6);
    assert_int_equal(hst_tensor_convert(v, HST_DTYPE_STRING, &u, &err), HST_STATUS_UNSUPPORTED);
    hst_tensor_free(t);
    hst_tensor_free(v);
}

static void test_maps(void **state) {
    (void)state;
    hst_error err;
    hst_tensor *keys, *values, *map, *list, *bad;
    const int64_t two[] = {2}, three[] = {3}, s[] = {7, -1, 3};
    const hst_string words[2] = {{"a", 1}, {"bc", 2}};
    const float f[] = {1, 2};
    assert_int_equal(hst_tensor_new_strings(1, two, words, NULL, &keys, &err), HST_STATUS_OK);
    assert_int_equal(hst_tensor_new_copy(HST_DTYPE_F32, 1, two, f, sizeof f, NULL, &values, &err), HST_STATUS_OK);
    assert_int_equal(hst_tensor_new_map(keys, values, NULL, &map, &err), HST_STATUS_OK);
    assert_int_equal(hst_tensor_new_map(values, keys, NULL, &bad, &err), HST_STATUS_BAD_SHAPE); /* keys of f32 */
    assert_int_equal(hst_tensor_new_map(map, values, NULL, &bad, &err), HST_STATUS_INVALID_ARGUMENT);
    hst_tensor_free(keys);
    assert_int_equal(hst_tensor_new_copy(HST_DTYPE_S64, 1, three, s, sizeof s, NULL, &keys, &err), HST_STATUS_OK);
    assert_int_equal(hst_tensor_new_map(keys, values, NULL, &bad, &err), HST_STATUS_BAD_SHAPE); /* 3 keys, 2 values */
    hst_tensor_free(keys);
    hst_tensor_free(values);
    const hst_tensor *items[] = {map, map};
    assert_int_equal(hst_tensor_new_sequence(2, items, NULL, &list, &err), HST_STATUS_OK);
    assert_int_equal(hst_tensor_new_sequence(1, (const hst_tensor *const[]){list}, NULL, &bad, &err),
                     HST_STATUS_INVALID_ARGUMENT);
    hst_tensor_free(map);
    const hst_tensor *m = hst_tensor_item(list, 1);
    assert_int_equal(hst_tensor_dtype(m), HST_DTYPE_MAP);
    assert_int_equal(hst_tensor_dtype(hst_tensor_item(m, 0)), HST_DTYPE_STRING);
    assert_true(((const float *)hst_tensor_view(hst_tensor_item(m, 1)))[1] == 2 && !hst_tensor_item(m, 2));
    hst_tensor_free(list);
}

static void test_borrowed(void **state) {
    (void)state;
    hst_error err;
    hst_tensor *t;
    float data[6];
    int64_t dims[] = {2, 3}, none[] = {0}, two[] = {2};
    assert_int_equal(hst_tensor_new_borrow(HST_DTYPE_F32, 2, dims, data, sizeof data, NULL, &t, &err), HST_STATUS_OK);
    assert_ptr_equal(hst_tensor_data(t), data);
    hst_tensor_free(t);
    assert_int_equal(hst_tensor_new_borrow(HST_DTYPE_F32, 2, dims, data, 23, NULL, &t, &err), HST_STATUS_BAD_SHAPE);
    assert_int_equal(hst_tensor_new_borrow(HST_DTYPE_F32, 1, none, NULL, 0, NULL, &t, &err), HST_STATUS_OK);
    assert_non_null(hst_tensor_view(t));
    hst_tensor_free(t);
    hst_string words[2] = {{"a", 1}, {NULL, 1}};
    assert_int_equal(hst_tensor_new_strings(1, two, words, NULL, &t, &err), HST_STATUS_INVALID_ARGUMENT);
    words[1] = (hst_string){"", 0};
    assert_int_equal(hst_tensor_new_strings(1, two, words, NULL, &t, &err), HST_STATUS_OK);
    assert_int_equal(hst_tensor_dtype(t), HST_DTYPE_STRING);
    hst_tensor_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_process), cmocka_unit_test(test_options),
                                       cmocka_unit_test(test_tensors), cmocka_unit_test(test_maps),
                                       cmocka_unit_test(test_borrowed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
