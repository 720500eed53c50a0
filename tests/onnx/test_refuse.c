/* Files that must be refused, with which words; files cut short everywhere; every allocation failing once. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "base/proto.h"
#include "counting.h"
#include "onnx/onnx.h"

#define DATA HASTEN_SOURCE_DIR "/tests/onnx/data/"

static void check_refusal(char *line) {
    char path[1024], *name = line, *status, *words;
    hst_error err = {0};
    model *m = NULL;
    status = strchr(line, '\t');
    assert_non_null(status);
    *status++ = '\0';
    words = strchr(status, '\t');
    assert_non_null(words);
    *words++ = '\0';
    snprintf(path, sizeof path, DATA "bad/%s.onnx", name);
    hst_status got = onnx_read(path, NULL, &m, &err);
    if (got == HST_STATUS_OK) fail_msg("%s is accepted", name);
    assert_null(m);
    assert_int_equal(got, err.code);
    if (*status && strcmp(status, status_name(got)) != 0) fail_msg("%s: %s: %s", name, status_name(got), err.message);
    if (!strstr(err.message, words)) fail_msg("%s: no '%s' in: %s", name, words, err.message);
    assert_true(err.object[0] != '\0');
}

static void test_bad_files(void **state) {
    (void)state;
    int count = 0;
    char line[512];
    FILE *f = fopen(DATA "bad/expected.tsv", "r");
    assert_non_null(f);
    for (; fgets(line, sizeof line, f); count++) {
        line[strcspn(line, "\n")] = '\0';
        check_refusal(line);
    }
    fclose(f);
    assert_true(count > 100);
}

/* An exact-size copy on the heap, so that a sanitizer sees a read beyond the cut. */
static bool accepts(const char *data, size_t size) {
    hst_error err = {0};
    model *m = NULL;
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    hst_status status = onnx_read_memory(copy, size, "cut", NULL, &m, &err);
    model_free(m);
    free(copy);
    if (status != HST_STATUS_OK) assert_true(err.message[0] != '\0');
    return status == HST_STATUS_OK;
}

/* Where the graph ends in the file: what is cut before that must be refused. */
static size_t end_of_graph(const char *data, size_t size) {
    proto_reader r;
    proto_field f;
    proto_begin(&r, data, size);
    while (proto_next(&r, &f))
        if (f.number == 7) return (size_t)(f.whole.data + f.whole.size - (const unsigned char *)data);
    fail_msg("no graph");
    return 0;
}

static void cut(const char *path, size_t step) {
    char *data = NULL;
    size_t size = 0;
    hst_error err = {0};
    assert_int_equal(file_read(path, 1 << 24, &data, &size, &err), HST_STATUS_OK);
    size_t end = end_of_graph(data, size);
    for (size_t n = 0; n < size; n += step)
        if (accepts(data, n) && n < end) fail_msg("%s: accepted when cut at %zu of %zu", path, n, size);
    assert_true(accepts(data, size) || strstr(path, "external"));
    free(data);
}

static void cut_folder(const char *folder, size_t step) {
    DIR *d = opendir(folder);
    int count = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[1024];
        size_t n = strlen(e->d_name);
        if (n < 5 || strcmp(e->d_name + n - 5, ".onnx") != 0) continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        cut(path, step);
        count++;
    }
    closedir(d);
    assert_true(count > 10);
}

static void test_cut_everywhere(void **state) {
    (void)state;
    cut_folder(DATA "good", 1);
}

static void test_cut_every_page(void **state) {
    (void)state;
    cut_folder(DATA "exports", 4096);
}

static void fail_each(const char *path) {
    hst_error err = {0};
    counting c = {0};
    hst_allocator a = counting_allocator(&c);
    onnx_read_options o = {.allocator = &a};
    model *m = NULL;
    if (onnx_read(path, &o, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", path, err.message);
    model_free(m);
    assert_int_equal(c.alive, 0);
    long total = c.allocations;
    assert_true(total > 1);
    for (long k = 1; k <= total; k++) {
        c.fail_at = k;
        hst_status status = onnx_read(path, &o, &m, &err);
        if (status != HST_STATUS_NO_MEMORY) fail_msg("%s, allocation %ld: %s", path, k, status_name(status));
        assert_null(m);
        if (c.alive) fail_msg("%s, allocation %ld: %ld blocks lost", path, k, c.alive);
    }
    c.fail_at = 0;
    assert_int_equal(onnx_read(path, &o, &m, &err), HST_STATUS_OK);
    void *data = NULL;
    size_t size = 0;
    for (long k = 1;; k++) { /* writing takes its memory from the model's allocator too */
        c.fail_at = k;
        hst_status status = onnx_write_memory(m, NULL, &data, &size, &err);
        free(data);
        if (status == HST_STATUS_OK) break;
        assert_int_equal(status, HST_STATUS_NO_MEMORY);
        assert_true(k < 1000);
    }
    model_free(m);
    assert_int_equal(c.alive, 0);
}

static void test_no_memory(void **state) {
    (void)state;
    fail_each(DATA "good/types.onnx");
    fail_each(DATA "good/functions.onnx");
    fail_each(DATA "good/attributes.onnx");
    fail_each(DATA "good/external.onnx");
    fail_each(DATA "good/unknown.onnx");
    fail_each(DATA "good/sparse.onnx");
    fail_each(DATA "exports/bert_seqcls_ts17_eager.onnx");
}

static void test_limits(void **state) {
    (void)state;
    hst_error err = {0};
    model *m = NULL;
    onnx_read_options few = {.work_most = 3}, small = {.dense_most = 8};
    assert_int_equal(onnx_read(DATA "good/functions.onnx", &few, &m, &err), HST_STATUS_UNSUPPORTED);
    assert_int_equal(onnx_read(DATA "good/sparse.onnx", &small, &m, &err), HST_STATUS_UNSUPPORTED);
    assert_int_equal(onnx_read(DATA "good/nowhere.onnx", NULL, &m, &err), HST_STATUS_NOT_FOUND);
    assert_int_equal(onnx_read(DATA "good", NULL, &m, NULL), HST_STATUS_IO);
    assert_null(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad_files), cmocka_unit_test(test_cut_everywhere),
                                       cmocka_unit_test(test_cut_every_page), cmocka_unit_test(test_no_memory),
                                       cmocka_unit_test(test_limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
