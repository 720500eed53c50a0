/* The JSON pull reader: values, strictness, positions of errors, depth, skipping, marks, truncation at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json_stream.h"

static hst_status skip_text(const char *text, size_t size, hst_error *err) {
    json_stream s;
    char *copy = malloc(size ? size : 1); /* of exact size: a read beyond it is seen by a sanitizer */
    assert_non_null(copy);
    memcpy(copy, text, size);
    json_stream_init(&s, copy, size, "t.json", NULL, err);
    hst_status status = json_skip(&s);
    if (status == HST_STATUS_OK) status = json_finish(&s);
    json_stream_free(&s);
    free(copy);
    return status;
}

static void accepts_and_refuses(void **state) {
    (void)state;
    static const char *const good[] = {"{}",
                                       "[]",
                                       " [ 1 , -0 , 1.5e-3, 2E+4 ] ",
                                       "\"\\u00e9\\ud83d\\ude00\\n\"",
                                       "null",
                                       "{\"a\":[{\"b\":null}],\"a\":true}",
                                       "\"\xc3\xa9\"",
                                       "0"};
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "[1 2]",
                                      "{\"a\" 1}",
                                      "{a:1}",
                                      "01",
                                      "-",
                                      "1.",
                                      "1e",
                                      "+1",
                                      ".5",
                                      "nul",
                                      "True",
                                      "\"a",
                                      "\"\n\"",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\xff\"",
                                      "\"\xed\xa0\x80\"",
                                      "\xef\xbb\xbf{}",
                                      "{} {}",
                                      "[1]x",
                                      "]",
                                      "{]",
                                      "[}",
                                      "[,1]",
                                      "{,}",
                                      "NaN",
                                      "Infinity",
                                      "// c\n1",
                                      "\"\\"};
    hst_error err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (skip_text(good[i], strlen(good[i]), &err)) fail_msg("%s: %s", good[i], err.message);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (skip_text(bad[i], strlen(bad[i]), &err) != HST_STATUS_BAD_FORMAT) fail_msg("accepted: %s", bad[i]);
    }
}

static void says_where(void **state) {
    (void)state;
    hst_error err;
    const char *text = "{\n  \"\xc3\xa9\": [1,\n 2, x]}";
    assert_int_equal(skip_text(text, strlen(text), &err), HST_STATUS_BAD_FORMAT);
    assert_string_equal(err.object, "t.json");
    assert_non_null(strstr(err.message, "line 3 column 5"));
}

static void depth_is_limited(void **state) {
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 4];
    for (int depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        assert_int_equal(skip_text(text, 2 * (size_t)depth, NULL), depth > JSON_DEPTH_MAX ? HST_STATUS_BAD_FORMAT : 0);
    }
}

static void reads_values(void **state) {
    (void)state;
    const char *text =
        "{\"s\":\"a\\u0000\\\"b\",\"n\":-9223372036854775808,\"f\":2.5e-1,\"t\":true,\"z\":null,\"l\":[3,4]}";
    json_stream s;
    json_string key, string = {0};
    bool more, flag = false, null = false;
    int64_t n = 0, sum = 0;
    double f = 0;
    hst_error err;
    json_stream_init(&s, text, strlen(text), "t.json", NULL, &err);
    assert_int_equal(json_enter_object(&s), 0);
    for (;;) {
        assert_int_equal(json_next_key(&s, &key, &more), 0);
        if (!more) break;
        if (json_string_is(&key, "s")) {
            assert_int_equal(json_read_string(&s, &string), 0);
            assert_int_equal(string.size, 4);
            assert_memory_equal(string.data, "a\0\"b", 4);
        } else if (json_string_is(&key, "n")) {
            assert_int_equal(json_read_s64(&s, &n), 0);
        } else if (json_string_is(&key, "f")) {
            assert_int_equal(json_read_f64(&s, &f), 0);
        } else if (json_string_is(&key, "t")) {
            assert_int_equal(json_read_bool(&s, &flag), 0);
        } else if (json_string_is(&key, "z")) {
            assert_int_equal(json_read_null(&s, &null), 0);
        } else {
            assert_int_equal(json_enter_array(&s), 0);
            json_mark mark = json_here(&s);
            for (int again = 0; again < 2; again++) {
                json_go_to(&s, &mark);
                for (;;) {
                    int64_t v;
                    assert_int_equal(json_next_element(&s, &more), 0);
                    if (!more) break;
                    assert_int_equal(json_read_s64(&s, &v), 0);
                    sum += v;
                }
            }
        }
    }
    assert_int_equal(json_finish(&s), 0);
    assert_true(n == INT64_MIN && sum == 14 && flag && null && f == 0.25);
    json_stream_free(&s);
}

static void numbers_have_limits(void **state) {
    (void)state;
    static const char *const bad[] = {"9223372036854775808", "-9223372036854775809", "1.0", "1e3", "\"1\"",
                                      "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_stream s;
        int64_t n;
        json_stream_init(&s, bad[i], strlen(bad[i]), "t.json", NULL, NULL);
        assert_int_equal(json_read_s64(&s, &n), HST_STATUS_BAD_FORMAT);
    }
}

static void every_cut_is_refused(void **state) {
    (void)state;
    const char *text = "{\"k\":[1,true,null,\"\\u00e9x\xc3\xa9\",{\"a\":-1.5e3}]}";
    size_t size = strlen(text);
    assert_int_equal(skip_text(text, size, NULL), 0);
    for (size_t cut = 0; cut < size; cut++) assert_int_equal(skip_text(text, cut, NULL), HST_STATUS_BAD_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_and_refuses), cmocka_unit_test(says_where),
        cmocka_unit_test(depth_is_limited),    cmocka_unit_test(reads_values),
        cmocka_unit_test(numbers_have_limits), cmocka_unit_test(every_cut_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
