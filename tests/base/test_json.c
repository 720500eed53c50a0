/* JSON documents: positions of errors, limits, typed getters. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static json_t *parse(const char *text) {
    json_t *v = NULL;
    hst_error err = {0};
    if (json_doc_parse("c.json", text, strlen(text), &v, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    return v;
}

static void refused(const char *text, size_t size, const char *why) {
    json_t *v = (json_t *)1;
    hst_error err = {0};
    assert_int_equal(json_doc_parse("c.json", text, size, &v, &err), HST_STATUS_BAD_FORMAT);
    assert_null(v);
    if (!strstr(err.message, why)) fail_msg("expected '%s' in '%s'", why, err.message);
}

#define REFUSED(text, why) refused(text, sizeof(text) - 1, why)

static void errors_have_a_place(void **state) {
    (void)state;
    REFUSED("{\n  \"a\": 1,\n  \"b\" 2}", "c.json, line 3, column");
    REFUSED("", "line");
    REFUSED("{\"a\": 1, \"a\": 2}", "duplicate");
    REFUSED("{} x", "end of file");
    REFUSED("{\"a\": \"\xff\"}", "decode byte 0xff");
    REFUSED("{\"a\": 1\0}", "byte 7: a NUL byte");
    REFUSED("{\"a\": \"\\u0000\"}", "\\u0000");
    REFUSED("[1, 2", "line");
}

static void nesting_has_a_limit(void **state) {
    (void)state;
    char text[2 * JSON_DEPTH_MOST + 10];
    memset(text, '[', JSON_DEPTH_MOST);
    memset(text + JSON_DEPTH_MOST, ']', JSON_DEPTH_MOST);
    text[2 * JSON_DEPTH_MOST] = '\0';
    json_decref(parse(text));
    memset(text, '[', JSON_DEPTH_MOST + 1);
    memset(text + JSON_DEPTH_MOST + 1, ']', JSON_DEPTH_MOST + 1);
    refused(text, 2 * JSON_DEPTH_MOST + 2, "128");
    char *deep = malloc(1 << 20);
    assert_non_null(deep);
    memset(deep, '{', 1 << 20);
    refused(deep, 1 << 20, "128");
    free(deep);
    /* Brackets inside strings do not count. */
    char quoted[600];
    memset(quoted, '[', sizeof quoted);
    memcpy(quoted, "[\"\\\"", 4);
    memcpy(quoted + 597, "\"]", 3);
    json_decref(parse(quoted));
}

static void getters(void **state) {
    (void)state;
    json_t *o = parse("{\"i\": 7, \"r\": 3.0, \"h\": 3.5, \"b\": true, \"s\": \"x\", \"n\": null, \"big\": "
                      "1000000000000000019884624838656}");
    hst_error err = {0};
    int64_t i = -1;
    double d = -1;
    bool b = false;
    const char *s = NULL;
    assert_int_equal(json_member_s64(o, "c.json", "i", 0, 1, 10, &i, &err), HST_STATUS_OK);
    assert_int_equal(i, 7);
    assert_int_equal(json_member_s64(o, "c.json", "r", 0, 1, 10, &i, &err), HST_STATUS_OK);
    assert_int_equal(i, 3);
    assert_int_equal(json_member_s64(o, "c.json", "n", 42, 1, 10, &i, &err),
                     HST_STATUS_OK); /* a default is not checked */
    assert_int_equal(i, 42);
    assert_int_equal(json_member_s64(o, "c.json", "absent", 43, 1, 10, &i, &err), HST_STATUS_OK);
    assert_int_equal(i, 43);
    assert_int_equal(json_member_s64(o, "c.json", "i", 0, 8, 10, &i, &err), HST_STATUS_BAD_FORMAT);
    assert_string_equal(err.message, "c.json: 'i' is 7; expected an integer from 8 to 10");
    assert_int_equal(json_member_s64(o, "c.json", "h", 0, 1, 10, &i, &err), HST_STATUS_BAD_FORMAT);
    assert_int_equal(json_member_s64(o, "c.json", "s", 0, 1, 10, &i, &err), HST_STATUS_BAD_FORMAT);
    assert_string_equal(err.message, "c.json: 's' is a string; expected an integer");
    assert_int_equal(json_member_s64(o, "c.json", "big", 0, 1, INT64_MAX, &i, &err), HST_STATUS_BAD_FORMAT);

    assert_int_equal(json_member_f64(o, "c.json", "big", 0, 0, 1e40, &d, &err), HST_STATUS_OK);
    assert_true(d > 0.99e30 && d < 1.01e30);
    assert_int_equal(json_member_f64(o, "c.json", "i", 0, 0, 10, &d, &err), HST_STATUS_OK);
    assert_true(d == 7);
    assert_int_equal(json_member_f64(o, "c.json", "h", 0, 0, 1, &d, &err), HST_STATUS_BAD_FORMAT);
    assert_int_equal(json_member_f64(o, "c.json", "b", 0, 0, 1, &d, &err), HST_STATUS_BAD_FORMAT);
    assert_int_equal(json_member_bool(o, "c.json", "b", false, &b, &err), HST_STATUS_OK);
    assert_true(b);
    assert_int_equal(json_member_bool(o, "c.json", "i", false, &b, &err), HST_STATUS_BAD_FORMAT);
    assert_int_equal(json_member_string(o, "c.json", "s", "y", &s, &err), HST_STATUS_OK);
    assert_string_equal(s, "x");
    assert_int_equal(json_member_string(o, "c.json", "n", "y", &s, &err), HST_STATUS_OK);
    assert_string_equal(s, "y");
    assert_int_equal(json_member_string(o, "c.json", "i", "y", &s, &err), HST_STATUS_BAD_FORMAT);
    json_decref(o);
    assert_string_equal(json_kind(NULL), "nothing");
}

static void files(void **state) {
    (void)state;
    json_t *v = NULL;
    hst_error err = {0};
    assert_int_equal(json_doc_read(HASTEN_SOURCE_DIR "/models/sentiment/config.json", JSON_CONFIG_MOST, &v, &err),
                     HST_STATUS_OK);
    assert_true(json_is_object(v));
    json_decref(v);
    assert_int_equal(json_doc_read(HASTEN_SOURCE_DIR "/models/sentiment/config.json", 10, &v, &err), HST_STATUS_BUDGET);
    assert_int_equal(json_doc_read("/no/such/file", 10, &v, &err), HST_STATUS_NOT_FOUND);
    assert_null(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(errors_have_a_place), cmocka_unit_test(nesting_has_a_limit),
                                       cmocka_unit_test(getters), cmocka_unit_test(files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
