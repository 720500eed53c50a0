/* safetensors: every rule of the format has a file that breaks it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"

/* A file of `header` and `body` zero bytes in memory of exactly its size; `length` is what it says of its header. */
static hst_status read_file(const char *header, uint64_t length, size_t body, hst_error *err, checkpoint **out) {
    size_t n = strlen(header), size = 8 + n + body;
    static unsigned char *data; /* of the last file: what a caller has open stays readable */
    free(data);
    data = NULL;
    assert_int_equal(posix_memalign((void **)&data, 64, size), 0);
    for (int i = 0; i < 8; i++) data[i] = (unsigned char)(length >> 8 * i);
    memcpy(data + 8, header, n);
    memset(data + 8 + n, 0, body);
    memset(err, 0, sizeof *err);
    return checkpoint_open_memory("{}", 2, data, size, NULL, out, err);
}

static void refused_as(const char *header, uint64_t length, size_t body, hst_status status, const char *why) {
    checkpoint *c = NULL;
    hst_error err;
    hst_status s = read_file(header, length, body, &err, &c);
    if (s != status || !strstr(err.message, why)) {
        fail_msg("%.100s: expected %d '%s', got %d '%s'", header, status, why, s, err.message);
    }
    assert_null(c);
}

static void refused(const char *header, size_t body, const char *why) {
    refused_as(header, strlen(header), body, HST_STATUS_BAD_FORMAT, why);
}

static void accepted(const char *header, size_t body, size_t count) {
    checkpoint *c = NULL;
    hst_error err;
    if (read_file(header, strlen(header), body, &err, &c) != HST_STATUS_OK) fail_msg("%s: %s", header, err.message);
    assert_int_equal(checkpoint_count(c), count);
    checkpoint_free(c);
}

#define A(dtype, shape, begin, end)                                                                                    \
    "\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"
#define B(dtype, shape, begin, end)                                                                                    \
    "\"b\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void good_files(void **state) {
    (void)state;
    accepted("{}", 0, 0);
    accepted("{}      ", 0, 0); /* padded */
    accepted("{\"__metadata__\":{\"format\":\"pt\"}," A("F32", "[2,3]", 0, 24) "}", 24, 1);
    accepted("{" A("U8", "[3]", 4, 7) "," B("F32", "[]", 0, 4) "}", 7, 2); /* in any order */
    accepted("{" A("F16", "[0,5]", 0, 0) "," B("F16", "[1]", 0, 2) "}", 2, 2);
    accepted("{" A("F4", "[2,3]", 0, 3) "}", 3, 1);
    accepted("{" A("C64", "[2]", 0, 16) "," B("F8_E8M0", "[1]", 16, 17) "}", 17, 2);
}

static void header_length(void **state) {
    (void)state;
    hst_error err;
    checkpoint *c = NULL;
    for (size_t n = 0; n < 8; n++) {
        unsigned char zeros[8] = {0};
        assert_int_equal(checkpoint_open_memory("{}", 2, zeros, n, NULL, &c, &err), HST_STATUS_BAD_FORMAT);
        assert_non_null(strstr(err.message, "no safetensors file"));
    }
    refused_as("{}", 0, 0, HST_STATUS_BAD_FORMAT, "does not begin with '{'");
    refused_as("{}", 3, 0, HST_STATUS_BAD_FORMAT, "was cut: a header of 3 bytes");
    refused_as("{}", 100000001, 0, HST_STATUS_BAD_FORMAT, "at most 100000000");
    refused_as("{}", UINT64_MAX, 0, HST_STATUS_BAD_FORMAT, "at most 100000000");
    refused_as("{}", UINT64_MAX - 7, 0, HST_STATUS_BAD_FORMAT, "at most 100000000");
    refused(" {}", 0, "does not begin with '{'");
    refused("[]", 0, "does not begin with '{'");
    refused("{", 0, "line 1");
    refused("{}}", 0, "end of file expected");
}

static void holes_and_overlaps(void **state) {
    (void)state;
    refused("{" A("U8", "[4]", 1, 5) "}", 5, "begins at byte 1 where 0 is due");
    refused("{" A("U8", "[4]", 0, 4) "," B("U8", "[4]", 5, 9) "}", 9, "begins at byte 5 where 4 is due");
    refused("{" A("U8", "[4]", 0, 4) "," B("U8", "[4]", 3, 7) "}", 7, "begins at byte 3 where 4 is due");
    refused("{" A("U8", "[4]", 0, 4) "," B("U8", "[4]", 0, 4) "}", 4, "begins at byte 0 where 4 is due");
    refused("{" A("U8", "[4]", 0, 4) "}", 5, "end at byte 4 of 5");
    refused("{}", 1, "end at byte 0 of 1");
    refused("{" A("U8", "[4]", 0, 4) "}", 3, "bytes 0 to 4 of 3");
    refused("{" A("U8", "[0]", 5, 5) "," B("U8", "[4]", 0, 4) "}", 4, "bytes 5 to 5 of 4");
    refused("{" A("U8", "[0]", 2, 2) "," B("U8", "[4]", 0, 4) "}", 4, "begins at byte 2 where 4 is due");
    refused("{" A("U8", "[4]", 4, 0) "}", 4, "bytes 4 to 0");
    refused("{" A("U8", "[4]", 0, 9223372036854775807) "}", 4, "bytes 0 to 9223372036854775807 of 4");
    refused("{" A("U8", "[4]", -4, 0) "}", 4, "not two whole numbers");
    refused("{" A("U8", "[4]", 0, 4.0) "}", 4, "not two whole numbers");
}

static void sizes(void **state) {
    (void)state;
    refused("{" A("F32", "[2,3]", 0, 23) "}", 23, "has 23 bytes; its shape and dtype need 24");
    refused("{" A("F32", "[-1]", 0, 4) "}", 4, "dimension 0 of tensor 'a' is no whole number");
    refused("{" A("F32", "[1.0]", 0, 4) "}", 4, "dimension 0 of tensor 'a' is no whole number");
    refused("{" A("F32", "[\"1\"]", 0, 4) "}", 4, "no whole number");
    refused("{" A("F4", "[3]", 0, 2) "}", 2, "end inside a byte");
    refused("{" A("F32", "4", 0, 4) "}", 4, "an integer as its shape");
    refused_as("{" A("F32", "[9223372036854775807,2]", 0, 4) "}",
               strlen("{" A("F32", "[9223372036854775807,2]", 0, 4) "}"), 4, HST_STATUS_BAD_SHAPE, "overflows");
    refused_as("{" A("F64", "[4611686018427387904]", 0, 4) "}", strlen("{" A("F64", "[4611686018427387904]", 0, 4) "}"),
               4, HST_STATUS_BAD_SHAPE, "overflows");
    refused_as("{" A("U8", "[18446744073709551617]", 0, 1) "}", strlen("{" A("U8", "[18446744073709551617]", 0, 1) "}"),
               1, HST_STATUS_BAD_FORMAT, "whole number");
    const char *many = "{" A("U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", 0, 1) "}";
    refused_as(many, strlen(many), 1, HST_STATUS_UNSUPPORTED, "17 dimensions");
}

static void descriptions(void **state) {
    (void)state;
    refused("{" A("U8", "[1]", 0, 1) "," A("U8", "[1]", 1, 2) "}", 2, "duplicate");
    refused("{\"a\":3}", 0, "described by an integer");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "data_offsets");
    refused("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "nothing as its shape");
    refused("{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "nothing as its dtype");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1, "data_offsets");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "duplicate");
    refused("{\"__metadata__\":3}", 0, "__metadata__ is an integer");
    refused("{\"__metadata__\":{\"x\":3}}", 0, "'x' in __metadata__ is an integer");
    refused("{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "impossible name");
    refused("{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "\\u0000");
    const char *unknown = "{" A("F7", "[1]", 0, 1) "}";
    refused_as(unknown, strlen(unknown), 1, HST_STATUS_UNSUPPORTED, "unknown dtype 'F7'");
    char deep[2000] = "{\"a\":";
    memset(deep + 5, '[', 1900);
    refused(deep, 0, "inside each other");
}

/* Tensors that are not aligned to their element are copies; the others are borrowed. */
static void alignment(void **state) {
    (void)state;
    const char *header = "{" A("U8", "[1]", 0, 1) "," B("F32", "[2]", 1, 9) "}";
    checkpoint *c = NULL;
    hst_error err;
    assert_int_equal(read_file(header, strlen(header), 9, &err, &c), HST_STATUS_OK);
    const hst_tensor *b = checkpoint_tensor(c, "b");
    assert_int_equal((uintptr_t)b->data % 4, 0);
    assert_null(checkpoint_tensor(c, "a")->buffer);
    checkpoint_free(c);
    char padded[256];
    snprintf(padded, sizeof padded, "{%s}", A("F32", "[2]", 0, 8));
    while ((8 + strlen(padded)) % 8) strcat(padded, " ");
    assert_int_equal(read_file(padded, strlen(padded), 8, &err, &c), HST_STATUS_OK);
    assert_null(checkpoint_tensor(c, "a")->buffer);
    checkpoint_free(c);
    read_file("{}", 2, 0, &err, &c);
    checkpoint_free(c);
}

static void other_files(void **state) {
    (void)state;
    checkpoint *c = NULL;
    hst_error err;
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    assert_int_equal(checkpoint_open_memory("{}", 2, pointer, sizeof pointer - 1, NULL, &c, &err),
                     HST_STATUS_BAD_FORMAT);
    assert_non_null(strstr(err.message, "Git LFS"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files),  cmocka_unit_test(header_length), cmocka_unit_test(holes_and_overlaps),
        cmocka_unit_test(sizes),       cmocka_unit_test(descriptions),  cmocka_unit_test(alignment),
        cmocka_unit_test(other_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
