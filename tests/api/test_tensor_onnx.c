/* Values in ONNX messages of their own, out and in through the public interface. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "hasten.h"

static hst_error err;

#define OK(call)                                                                                                       \
    if ((call) != HST_STATUS_OK) fail_msg("%s", err.message)

static hst_tensor *numbers(hst_dtype dtype, int64_t n) {
    double from[16];
    hst_tensor *t, *u;
    for (int i = 0; i < 16; i++) from[i] = i & 1;
    OK(hst_tensor_new_copy(HST_DTYPE_F64, 1, &n, from, (size_t)n * sizeof *from, NULL, &t, &err));
    OK(hst_tensor_convert(t, dtype, &u, &err));
    hst_tensor_free(t);
    return u;
}

static void assert_same(const hst_tensor *a, const hst_tensor *b) {
    assert_int_equal(hst_tensor_dtype(a), hst_tensor_dtype(b));
    assert_int_equal(hst_tensor_rank(a), hst_tensor_rank(b));
    for (int i = 0; i < hst_tensor_rank(a); i++) assert_int_equal(hst_tensor_dims(a)[i], hst_tensor_dims(b)[i]);
    if (hst_tensor_dtype(a) >= HST_DTYPE_SEQUENCE) {
        for (size_t i = 0; i < (size_t)hst_tensor_count(a); i++)
            assert_same(hst_tensor_item(a, i), hst_tensor_item(b, i));
    } else {
        assert_int_equal(hst_tensor_bytes(a), hst_tensor_bytes(b));
        assert_memory_equal(hst_tensor_view(a), hst_tensor_view(b), hst_tensor_bytes(a));
    }
}

/* Out and in again, in memory and by file. */
static void round_trip(const hst_tensor *t, hst_dtype as, const char *name) {
    char *data, *got = NULL, empty[1] = "", path[] = "/tmp/hasten-value-XXXXXX";
    size_t size;
    hst_tensor *u;
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    OK(hst_tensor_write_onnx_memory(t, as, name, &data, &size, &err));
    OK(hst_tensor_read_onnx_memory(data, size, as, NULL, &u, &got, &err));
    assert_same(t, u);
    assert_string_equal(got, name ? name : "");
    hst_tensor_free(u);
    hst_text_free(got);
    OK(hst_tensor_write_onnx(t, as, name, path, &err));
    OK(hst_tensor_read_onnx(path, as, NULL, &u, NULL, &err));
    assert_same(t, u);
    hst_tensor_free(u);
    /* Cut anywhere, or the rest of a message missing: a status and nothing made. */
    for (size_t cut = 0; cut < size; cut++) {
        got = empty;
        hst_status status = hst_tensor_read_onnx_memory(data, cut, as, NULL, &u, &got, &err);
        if (status == HST_STATUS_OK) {
            hst_tensor_free(u);
            hst_text_free(got);
        } else {
            assert_null(u);
            assert_null(got);
        }
    }
    hst_text_free(data);
    unlink(path);
}

static void test_round_trips(void **state) {
    (void)state;
    static const hst_dtype dtypes[] = {HST_DTYPE_F32, HST_DTYPE_S64, HST_DTYPE_B8, HST_DTYPE_F16, HST_DTYPE_U4};
    hst_tensor *items[5], *list, *none;
    for (int i = 0; i < 5; i++) {
        items[i] = numbers(dtypes[i], i * 3);
        round_trip(items[i], HST_DTYPE_NONE, i ? "named" : NULL);
        round_trip(items[i], HST_DTYPE_OPTIONAL, i ? "named" : NULL);
    }
    for (size_t n = 0; n <= 5; n += 5) {
        OK(hst_tensor_new_sequence(n, (const hst_tensor *const *)items, NULL, &list, &err));
        round_trip(list, HST_DTYPE_SEQUENCE, "list");
        round_trip(list, HST_DTYPE_OPTIONAL, NULL);
        hst_tensor_free(list);
    }
    OK(hst_tensor_new_empty_optional(NULL, &none, &err));
    round_trip(none, HST_DTYPE_OPTIONAL, "none");
    for (int i = 0; i < 5; i++) hst_tensor_free(items[i]);
    char *data = NULL;
    size_t size;
    assert_int_equal(hst_tensor_write_onnx_memory(none, HST_DTYPE_NONE, NULL, &data, &size, &err),
                     HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(hst_tensor_write_onnx_memory(none, HST_DTYPE_SEQUENCE, NULL, &data, &size, &err),
                     HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(hst_tensor_write_onnx_memory(none, HST_DTYPE_F32, NULL, &data, &size, &err),
                     HST_STATUS_INVALID_ARGUMENT);
    assert_null(data);
    hst_tensor_free(none);
}

static void test_maps(void **state) {
    (void)state;
    static const hst_dtype dtypes[] = {HST_DTYPE_F32, HST_DTYPE_S64, HST_DTYPE_F16};
    for (int64_t n = 0; n <= 3; n += 3) {
        for (int i = 0; i < 3; i++) {
            hst_tensor *keys = numbers(HST_DTYPE_U16, n), *values = numbers(dtypes[i], n), *map, *list;
            OK(hst_tensor_new_map(keys, values, NULL, &map, &err));
            if (n || dtypes[i] == HST_DTYPE_F32)
                round_trip(map, HST_DTYPE_MAP, "map"); /* an empty one loses its type */
            if (n) round_trip(map, HST_DTYPE_OPTIONAL, NULL);
            OK(hst_tensor_new_sequence(1, (const hst_tensor *const *)&map, NULL, &list, &err));
            if (n) round_trip(list, HST_DTYPE_SEQUENCE, NULL);
            const hst_tensor *mixed[2] = {map, keys};
            hst_tensor_free(list);
            OK(hst_tensor_new_sequence(2, mixed, NULL, &list, &err));
            char *data;
            size_t size;
            assert_int_equal(hst_tensor_write_onnx_memory(list, HST_DTYPE_SEQUENCE, NULL, &data, &size, &err),
                             HST_STATUS_INVALID_ARGUMENT);
            hst_tensor_free(list);
            hst_tensor_free(map);
            hst_tensor_free(keys);
            hst_tensor_free(values);
        }
    }
}

static hst_status read_bytes(const char *bytes, size_t size, hst_dtype as, hst_tensor **t) {
    return hst_tensor_read_onnx_memory(bytes, size, as, NULL, t, NULL, &err);
}

static void test_strings(void **state) {
    (void)state;
    static const char strings[] = "\x08\x02\x10\x08\x32\x03"
                                  "abc\x32\x00";
    hst_tensor *t;
    OK(read_bytes(strings, sizeof strings - 1, HST_DTYPE_NONE, &t));
    const hst_string *s = hst_tensor_view(t);
    assert_int_equal(s[0].size, 3);
    assert_memory_equal(s[0].data, "abc", 3);
    assert_true(s[0].data != strings + 6); /* its own memory */
    assert_int_equal(s[1].size, 0);
    hst_tensor_free(t);
    assert_int_equal(read_bytes(strings, 7, HST_DTYPE_NONE, &t), HST_STATUS_BAD_FORMAT);
    assert_null(t);
}

#define TENSOR "\x10\x03\x08\x01\x4a\x01\x05" /* s8 [1] {5} */

static void test_refused(void **state) {
    (void)state;
    static const struct {
        hst_dtype as;
        hst_status status;
        const char *bytes;
        size_t size;
    } bad[] = {
#define BYTES(text) text, sizeof text - 1
        {HST_DTYPE_NONE, HST_STATUS_BAD_FORMAT, BYTES("")},
        {HST_DTYPE_SEQUENCE, HST_STATUS_BAD_FORMAT, BYTES("\x10\x07\x1a\x07" TENSOR)},    /* no such elem_type */
        {HST_DTYPE_SEQUENCE, HST_STATUS_BAD_FORMAT, BYTES("\x10\x03\x1a\x07" TENSOR)},    /* sequences, a tensor */
        {HST_DTYPE_SEQUENCE, HST_STATUS_BAD_FORMAT, BYTES("\x1a\x07" TENSOR "\x10\x03")}, /* the same, later */
        {HST_DTYPE_SEQUENCE, HST_STATUS_BAD_FORMAT, BYTES("\x10\x01\x1a\x02\x10\x03")},   /* a tensor without data */
        {HST_DTYPE_SEQUENCE, HST_STATUS_UNSUPPORTED, BYTES("\x10\x02\x22\x00")},
        {HST_DTYPE_SEQUENCE, HST_STATUS_UNSUPPORTED, BYTES("\x10\x03\x2a\x04\x10\x03\x2a\x00")},
        {HST_DTYPE_SEQUENCE, HST_STATUS_UNSUPPORTED, BYTES("\x10\x05\x3a\x00")}, /* an empty optional */
        {HST_DTYPE_OPTIONAL, HST_STATUS_BAD_FORMAT, BYTES("\x10\x01\x1a\x07" TENSOR "\x1a\x07" TENSOR)},
        {HST_DTYPE_OPTIONAL, HST_STATUS_BAD_FORMAT, BYTES("\x10\x01\x18\x07")}, /* a number instead of a message */
        {HST_DTYPE_MAP, HST_STATUS_BAD_FORMAT, BYTES("")},                      /* no type of keys */
        {HST_DTYPE_MAP, HST_STATUS_BAD_FORMAT, BYTES("\x10\x01\x18\x07")},      /* keys of f32 */
        {HST_DTYPE_MAP, HST_STATUS_BAD_FORMAT, BYTES("\x10\x03\x18\x07")},      /* a key, no value */
        {HST_DTYPE_MAP, HST_STATUS_BAD_FORMAT, BYTES("\x10\x03\x18\xff\x01\x2a\x09\x1a\x07" TENSOR)}, /* 255 is no s8 */
        {HST_DTYPE_MAP, HST_STATUS_BAD_FORMAT,
         BYTES("\x10\x08\x18\x07\x2a\x09\x1a\x07" TENSOR)}, /* strings, a number */
        {HST_DTYPE_F32, HST_STATUS_INVALID_ARGUMENT, BYTES("")},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hst_tensor *t = NULL;
        hst_status status = read_bytes(bad[i].bytes, bad[i].size, bad[i].as, &t);
        if (status != bad[i].status) fail_msg("%zu: %s: %s", i, hst_status_name(status), err.message);
        assert_null(t);
    }
    hst_tensor *t;
    OK(read_bytes("\x1a\x07" TENSOR, 9, HST_DTYPE_OPTIONAL, &t)); /* without elem_type */
    assert_int_equal(((const int8_t *)hst_tensor_view(t))[0], 5);
    hst_tensor_free(t);
    OK(read_bytes("\x10\x05\x3a\x02\x10\x01", 6, HST_DTYPE_OPTIONAL, &t)); /* of an optional, of nothing */
    assert_int_equal(hst_tensor_dtype(t), HST_DTYPE_OPTIONAL);
    hst_tensor_free(t);
    assert_int_equal(hst_tensor_read_onnx("/nowhere.pb", HST_DTYPE_NONE, NULL, &t, NULL, &err), HST_STATUS_NOT_FOUND);
}

/* Optionals in optionals, as deep as bytes go: refused, not recursed into until the stack ends. */
static void test_nesting(void **state) {
    (void)state;
    enum { DEPTH = 30000 };
    static unsigned char bytes[DEPTH * 4];
    size_t at = sizeof bytes;
    for (int i = 0; i < DEPTH; i++) {
        size_t inner = sizeof bytes - at;
        int n = inner < 0x80 ? 1 : inner < 0x4000 ? 2 : 3;
        at -= (size_t)n + 1;
        bytes[at] = 0x3a;
        for (int k = 0; k < n; k++, inner >>= 7)
            bytes[at + 1 + (size_t)k] = (unsigned char)((inner & 0x7f) | (k + 1 < n ? 0x80 : 0));
    }
    hst_tensor *t;
    assert_int_equal(read_bytes((char *)bytes + at, sizeof bytes - at, HST_DTYPE_OPTIONAL, &t), HST_STATUS_BAD_FORMAT);
    assert_non_null(strstr(err.message, "nested"));
}

/* External data: from the file's folder, never elsewhere and never for bytes without a file. */
static void test_external(void **state) {
    (void)state;
    static const char tensor[] = "\x10\x03\x08\x04\x6a\x10\x0a\x08location\x12\x04side\x70\x01",
                      outside[] = "\x10\x03\x08\x04\x6a\x13\x0a\x08location\x12\x07../side\x70\x01";
    char folder[] = "/tmp/hasten-value-XXXXXX", path[64], side[64];
    hst_tensor *t;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/value.pb", folder);
    snprintf(side, sizeof side, "%s/side", folder);
    FILE *f = fopen(side, "wb");
    fwrite("\1\2\3\4", 1, 4, f);
    fclose(f);
    f = fopen(path, "wb"); /* a sequence of it, twice */
    fputs("\x10\x01", f);
    for (int i = 0; i < 2; i++) {
        fprintf(f, "\x1a%c", (int)sizeof tensor - 1);
        fwrite(tensor, 1, sizeof tensor - 1, f);
    }
    fclose(f);
    OK(hst_tensor_read_onnx(path, HST_DTYPE_SEQUENCE, NULL, &t, NULL, &err));
    assert_int_equal(hst_tensor_count(t), 2);
    assert_memory_equal(hst_tensor_view(hst_tensor_item(t, 1)), "\1\2\3\4", 4);
    hst_tensor_free(t);
    assert_int_equal(read_bytes(tensor, sizeof tensor - 1, HST_DTYPE_NONE, &t), HST_STATUS_UNSUPPORTED);
    f = fopen(path, "wb");
    fwrite(outside, 1, sizeof outside - 1, f);
    fclose(f);
    assert_int_not_equal(hst_tensor_read_onnx(path, HST_DTYPE_NONE, NULL, &t, NULL, &err), HST_STATUS_OK);
    unlink(side);
    unlink(path);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trips), cmocka_unit_test(test_maps),
                                       cmocka_unit_test(test_strings),     cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_nesting),     cmocka_unit_test(test_external)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
