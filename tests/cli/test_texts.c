/* Texts of `hasten run`: records of CSV as they are written, and whole or refused whatever allocation fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The reader on an allocator that can fail the n-th allocation from now; 0: never. */
static long fail_at;

static bool fails(void) {
    return fail_at > 0 && --fail_at == 0;
}
static void *failing_malloc(size_t size) {
    return fails() ? NULL : malloc(size);
}
static void *failing_realloc(void *p, size_t size) {
    return fails() ? NULL : realloc(p, size);
}
#define malloc  failing_malloc
#define realloc failing_realloc
#include "../../cli/texts.c"
#undef malloc
#undef realloc

static hst_status read_all(const char *from, texts_format format, texts_chunk *c, hst_error *err) {
    FILE *f = fmemopen((void *)(uintptr_t)from, strlen(from), "r");
    assert_non_null(f);
    texts_reader r = {.from = f, .name = "the test", .format = format};
    hst_status status = texts_read(&r, c, 100, err);
    texts_reader_free(&r);
    fclose(f);
    return status;
}

static void check(const char *from, const char *const *texts) {
    texts_chunk c = {0};
    hst_error err = {0};
    size_t n = 0;
    if (read_all(from, TEXTS_CSV, &c, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    for (; texts[n]; n++) {
        assert_true(n < c.n);
        assert_int_equal(c.texts[n].size, strlen(texts[n]));
        assert_memory_equal(c.texts[n].data, texts[n], c.texts[n].size);
    }
    assert_int_equal(c.n, n);
    texts_chunk_free(&c);
}

static void test_records(void **state) {
    (void)state;
    check("text,n\none,1\n\"two\nlines\",2\n\"a \"\"quote\"\"\",3\n",
          (const char *[]){"one", "two\nlines", "a \"quote\"", NULL});
    /* a quote inside a field that does not begin with one is a character */
    check("text,n\n5\" disk,1\nnext,2\n", (const char *[]){"5\" disk", "next", NULL});
    check("n,text\n1,\"a,\n\n\"\"b\"\"\"\r\n2,c\"\n", (const char *[]){"a,\n\n\"b\"", "c\"", NULL});
}

static void test_open_quote(void **state) {
    (void)state;
    texts_chunk c = {0};
    hst_error err = {0};
    assert_int_equal(read_all("text,n\none,1\n\"two\nthree,3\n", TEXTS_CSV, &c, &err), HST_STATUS_BAD_FORMAT);
    assert_non_null(strstr(err.message, "line 3"));
    texts_chunk_free(&c);
}

/* Lines enough for every buffer to grow: what is returned as a success is all of it. */
static void test_no_memory(void **state) {
    (void)state;
    static const texts_format formats[] = {TEXTS_AUTO, TEXTS_CSV, TEXTS_LINES};
    char from[8000];
    size_t size = (size_t)sprintf(from, "text,n\n");
    for (int i = 0; i < 70; i++) {
        size += (size_t)sprintf(from + size, "\"%d\n", i);
        for (int k = 0; k < i % 7; k++) size += (size_t)sprintf(from + size, "more text\n");
        size += (size_t)sprintf(from + size, "end\",1\n");
    }
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        texts_chunk whole = {0};
        hst_error err = {0};
        assert_int_equal(read_all(from, formats[f], &whole, &err), HST_STATUS_OK);
        assert_true(whole.n >= 70);
        int refused = 0;
        for (long at = 1;; at++) {
            texts_chunk c = {0};
            fail_at = at;
            hst_status status = read_all(from, formats[f], &c, &err);
            const bool reached = fail_at == 0;
            fail_at = 0;
            if (!reached) {
                texts_chunk_free(&c);
                break;
            }
            refused++;
            assert_int_equal(status, HST_STATUS_NO_MEMORY);
            texts_chunk_free(&c);
        }
        assert_true(refused > 70);
        texts_chunk_free(&whole);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_records), cmocka_unit_test(test_open_quote),
                                       cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
