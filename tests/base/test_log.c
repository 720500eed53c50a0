/* The log callback: levels, silence, and no control byte passes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/log.h"

typedef struct seen {
    int count;
    log_level level;
    char message[2048];
} seen;

static void note(void *user, log_level level, const char *message) {
    seen *s = user;
    s->count++;
    s->level = level;
    snprintf(s->message, sizeof s->message, "%s", message);
}

static void levels(void **state) {
    (void)state;
    seen s = {0};
    assert_false(log_enabled(LOG_ERROR));
    log_write(LOG_ERROR, "nobody listens");
    log_set(note, &s, LOG_WARNING);
    assert_true(log_enabled(LOG_ERROR));
    assert_true(log_enabled(LOG_WARNING));
    assert_false(log_enabled(LOG_INFO));
    log_write(LOG_INFO, "too low");
    assert_int_equal(s.count, 0);
    log_write(LOG_WARNING, "%d kernels", 3);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.level, LOG_WARNING);
    assert_string_equal(s.message, "3 kernels");
    log_set(NULL, NULL, LOG_DEBUG);
    assert_false(log_enabled(LOG_ERROR));
    log_write(LOG_ERROR, "nobody listens");
    assert_int_equal(s.count, 1);
}

static void printable(void **state) {
    (void)state;
    seen s = {0};
    char longest[3000];
    log_set(note, &s, LOG_DEBUG);
    log_write(LOG_DEBUG, "a\x1b[31m\nb\tc\x7f\xc3\xa9");
    assert_string_equal(s.message, "a?[31m b c?\xc3\xa9");
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    log_write(LOG_DEBUG, "%s", longest);
    assert_int_equal(strlen(s.message), 1023);
    log_set(NULL, NULL, LOG_ERROR);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(levels), cmocka_unit_test(printable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
