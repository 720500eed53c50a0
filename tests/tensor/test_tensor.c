/* dtypes, tensors, broadcasting. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "tensor/broadcast.h"

static void test_dtype(void **state) {
    (void)state;
    size_t bytes;
    for (int d = 1; d <= HST_DTYPE_F6E3M2; d++) {
        assert_true(dtype_valid(d));
        assert_int_equal(dtype_from_name(dtype_name((hst_dtype)d)), d);
    }
    assert_false(dtype_valid(0) || dtype_valid(HST_DTYPE_F6E3M2 + 1) || dtype_valid(-1));
    assert_int_equal(dtype_from_name("BF16"), HST_DTYPE_BF16);
    assert_int_equal(dtype_from_name("float32"), HST_DTYPE_F32);
    assert_int_equal(dtype_from_name("F8_E4M3"), HST_DTYPE_F8E4M3FN);
    assert_int_equal(dtype_from_name("no"), HST_DTYPE_NONE);
    assert_true(dtype_bytes(HST_DTYPE_S4, 3, &bytes) && bytes == 2);
    assert_true(dtype_bytes(HST_DTYPE_U2, 5, &bytes) && bytes == 2);
    assert_false(dtype_bytes(HST_DTYPE_F32, SIZE_MAX / 2, &bytes));
    assert_false(dtype_bytes(HST_DTYPE_STRING, 1, &bytes));
}

static void test_shapes(void **state) {
    (void)state;
    int64_t count;
    size_t bytes;
    hst_error err;
    assert_int_equal(shape_count(2, (int64_t[]){3, 0}, &count, &err), HST_STATUS_OK);
    assert_int_equal(count, 0);
    assert_int_equal(shape_count(0, NULL, &count, &err), HST_STATUS_OK);
    assert_int_equal(count, 1);
    assert_int_equal(shape_count(2, (int64_t[]){3, -1}, &count, &err), HST_STATUS_BAD_SHAPE);
    assert_int_equal(shape_count(3, (int64_t[]){INT64_MAX, INT64_MAX, 2}, &count, &err), HST_STATUS_BAD_SHAPE);
    assert_int_equal(shape_count(17, (int64_t[17]){0}, &count, &err), HST_STATUS_BAD_SHAPE);
    assert_int_equal(shape_bytes(HST_DTYPE_F32, 1, (int64_t[]){INT64_MAX / 2}, &bytes, &err), HST_STATUS_BAD_SHAPE);
    assert_int_equal(shape_bytes((hst_dtype)99, 1, (int64_t[]){1}, &bytes, &err), HST_STATUS_BAD_FORMAT);
}

static void test_tensors(void **state) {
    (void)state;
    hst_tensor *t, *v, *c, *s;
    hst_error err;
    assert_int_equal(tensor_new(HST_DTYPE_F16, 2, (int64_t[]){2, 3}, NULL, &t, &err), HST_STATUS_OK);
    assert_int_equal((uintptr_t)t->data % MEMORY_ALIGN, 0);
    assert_int_equal(t->bytes, 12);
    tensor_set_f64(t, 4, 1.5);
    assert_int_equal(tensor_view(t, 1, (int64_t[]){6}, NULL, &v, &err), HST_STATUS_OK);
    assert_int_equal(tensor_view(t, 1, (int64_t[]){7}, NULL, &c, &err), HST_STATUS_BAD_SHAPE);
    assert_int_equal(tensor_clone(t, NULL, &c, &err), HST_STATUS_OK);
    tensor_set_f64(t, 4, 2.5);
    tensor_free(t);
    assert_true(tensor_get_f64(v, 4) == 2.5 && tensor_get_f64(c, 4) == 1.5 && tensor_get_s64(c, 4) == 1);
    tensor_free(v);
    tensor_free(c);
    hst_string words[2] = {{"ab", 2}, {"", 0}};
    assert_int_equal(tensor_new_strings(1, (int64_t[]){2}, words, NULL, &s, &err), HST_STATUS_OK);
    assert_int_equal(tensor_clone(s, NULL, &c, &err), HST_STATUS_OK);
    tensor_free(s);
    assert_int_equal(((hst_string *)c->data)[0].size, 2);
    assert_memory_equal(((hst_string *)c->data)[0].data, "ab", 2);
    tensor_free(c);
    float f[2] = {1, 2};
    assert_int_equal(tensor_new_borrowed(HST_DTYPE_F32, 1, (int64_t[]){2}, f, 7, NULL, &t, &err), HST_STATUS_BAD_SHAPE);
    assert_int_equal(tensor_new_borrowed(HST_DTYPE_F32, 1, (int64_t[]){2}, f, 8, NULL, &t, &err), HST_STATUS_OK);
    assert_true(t->data == f);
    int64_t n[2];
    int count;
    assert_int_equal(tensor_read_s64(t, n, 2, &count, &err), HST_STATUS_BAD_SHAPE);
    tensor_free(t);
    int32_t i[2] = {-1, 7};
    assert_int_equal(tensor_new_borrowed(HST_DTYPE_S32, 1, (int64_t[]){2}, i, 8, NULL, &t, &err), HST_STATUS_OK);
    assert_int_equal(tensor_read_s64(t, n, 1, &count, &err), HST_STATUS_BAD_SHAPE);
    assert_int_equal(tensor_read_s64(t, n, 2, &count, &err), HST_STATUS_OK);
    assert_true(count == 2 && n[0] == -1 && n[1] == 7);
    tensor_free(t);
}

/* The walk against indices computed one by one. */
static void check_walk(int rank_a, const int64_t *dim_a, int rank_b, const int64_t *dim_b, int64_t want_run) {
    hst_tensor *in[2];
    hst_error err;
    int rank;
    int64_t dim[HST_RANK_MAX], at = 0;
    broadcast_walk w;
    assert_int_equal(tensor_new(HST_DTYPE_U8, rank_a, dim_a, NULL, &in[0], &err), HST_STATUS_OK);
    assert_int_equal(tensor_new(HST_DTYPE_U8, rank_b, dim_b, NULL, &in[1], &err), HST_STATUS_OK);
    assert_int_equal(broadcast_shape((const hst_tensor *const *)in, 2, &rank, dim, &err), HST_STATUS_OK);
    broadcast_begin(&w, rank, dim, (const hst_tensor *const *)in, 2);
    if (want_run) assert_int_equal(w.run, want_run);
    while (broadcast_next(&w)) {
        assert_int_equal(w.output, at);
        for (int64_t e = 0; e < w.run; e++, at++)
            for (int k = 0; k < 2; k++) {
                int64_t rest = at, offset = 0, step = 1;
                for (int axis = rank - 1; axis >= 0; axis--) {
                    int64_t index = rest % dim[axis];
                    rest /= dim[axis];
                    int own = axis - (rank - in[k]->rank);
                    if (own < 0) continue;
                    if (in[k]->dim[own] != 1) offset += index * step;
                    step *= in[k]->dim[own];
                }
                assert_int_equal(w.offset[k] + e * w.step[k], offset);
            }
    }
    int64_t count;
    shape_count(rank, dim, &count, NULL);
    assert_int_equal(at, count);
    tensor_free(in[0]);
    tensor_free(in[1]);
}

static void test_broadcast(void **state) {
    (void)state;
    check_walk(3, (int64_t[]){2, 3, 4}, 3, (int64_t[]){2, 3, 4}, 24);
    check_walk(3, (int64_t[]){2, 3, 4}, 1, (int64_t[]){4}, 4);
    check_walk(3, (int64_t[]){2, 3, 4}, 0, NULL, 24);
    check_walk(3, (int64_t[]){2, 3, 4}, 3, (int64_t[]){1, 3, 1}, 4);
    check_walk(3, (int64_t[]){2, 3, 4}, 3, (int64_t[]){2, 1, 1}, 12);
    check_walk(2, (int64_t[]){3, 1}, 2, (int64_t[]){1, 4}, 4);
    check_walk(4, (int64_t[]){5, 1, 2, 1}, 3, (int64_t[]){3, 1, 7}, 7);
    check_walk(0, NULL, 0, NULL, 1);
    check_walk(2, (int64_t[]){0, 4}, 1, (int64_t[]){1}, 0);
    int rank;
    int64_t dim[HST_RANK_MAX];
    hst_error err;
    hst_tensor a = {.dtype = HST_DTYPE_U8, .rank = 1, .dim = {3}}, b = {.dtype = HST_DTYPE_U8, .rank = 1, .dim = {4}};
    assert_int_equal(broadcast_shape((const hst_tensor *const[]){&a, &b}, 2, &rank, dim, &err), HST_STATUS_BAD_SHAPE);
    assert_non_null(strstr(err.message, "3"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dtype), cmocka_unit_test(test_shapes),
                                       cmocka_unit_test(test_tensors), cmocka_unit_test(test_broadcast)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
