/* Files of sections: what was written is read, aligned; any change of any byte, and any cut, is noticed at the latest
 * when the section is asked for, or verified. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/bundle.h"
#include "base/checksum.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/section_file.h"

static char folder[64];

static const char *path_of(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/hasten_sections_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* ---- checksums ---- */

static void a_checksum_depends_on_the_bytes_alone(void **state) {
    (void)state;
    unsigned char data[200];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 37 + 11);
    for (size_t size = 0; size <= sizeof data; size++) {
        const uint64_t whole = checksum_of(data, size);
        for (size_t cut = 0; cut <= size; cut += 7) {
            checksum c;
            checksum_begin(&c);
            checksum_add(&c, data, cut);
            checksum_add(&c, data + cut, (size - cut) / 2);
            checksum_add(&c, data + cut + (size - cut) / 2, size - cut - (size - cut) / 2);
            assert_true(checksum_end(&c) == whole);
        }
        for (size_t bit = 0; bit < size * 8; bit++) {
            data[bit / 8] ^= (unsigned char)(1 << bit % 8);
            assert_true(checksum_of(data, size) != whole);
            data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        if (size) assert_true(checksum_of(data, size - 1) != whole);
    }
    unsigned char zeros[64] = {0}; /* the length counts too */
    for (size_t size = 1; size < sizeof zeros; size++)
        assert_true(checksum_of(zeros, size) != checksum_of(zeros, size - 1));
}

/* ---- the file ---- */

static const section_piece words[2] = {{"one", 3, 0}, {"two", 3, 100}};
static const section_piece text = {"{\"a\": 1}", 8, 0};
static const section_source sections[] = {
    {"empty", NULL, 0, 0, false}, {"files/a.json", &text, 1, 8, false}, {"words", words, 2, 110, true}};

static void write_sections(const char *path) {
    hst_error err = {0};
    if (section_file_write(path, sections, 3, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
}

static void what_is_written_is_read(void **state) {
    (void)state;
    section_file *f;
    section s;
    hst_error err = {0};
    const char *path = path_of("a.hst");
    write_sections(path);
    assert_true(section_file_is(path));
    assert_false(section_file_is(folder));
    assert_int_equal(section_file_open(path, false, NULL, &f, &err), HST_STATUS_OK);
    assert_int_equal(section_file_count(f), 3);
    assert_int_equal(section_file_get(f, "words", &s, &err), HST_STATUS_OK);
    assert_int_equal(s.size, 110);
    assert_true(s.bulk);
    assert_int_equal((uintptr_t)s.data % 64, 0);
    assert_memory_equal(s.data, "one\0\0", 5);
    assert_memory_equal(s.data + 100, "two\0\0\0\0\0\0\0", 10);
    assert_int_equal(section_file_get(f, "empty", &s, &err), HST_STATUS_OK);
    assert_int_equal(s.size, 0);
    assert_int_equal(section_file_get(f, "nothing", &s, &err), HST_STATUS_NOT_FOUND);
    assert_int_equal(section_file_verify(f, &err), HST_STATUS_OK);
    section_file_free(f);
    const section_source twice[] = {sections[1], sections[1]}, nameless = {"", NULL, 0, 0, false};
    assert_int_equal(section_file_write(path, twice, 2, &err), HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(section_file_write(path, &nameless, 1, &err), HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(section_file_write("/nowhere/at/all.hst", sections, 3, &err), HST_STATUS_IO);
    assert_true(section_file_is(path)); /* the old one stayed */
}

static void large_sections_begin_at_large_pages(void **state) {
    (void)state;
    const size_t size = (size_t)3 << 20;
    char *data = calloc(1, size);
    const section_piece piece = {data, size, 0};
    const section_source two[] = {sections[1], {"weights", &piece, 1, size, true}};
    const char *path = path_of("large.hst");
    section_file *f;
    section s;
    hst_error err = {0};
    assert_int_equal(section_file_write(path, two, 2, &err), HST_STATUS_OK);
    assert_int_equal(section_file_open(path, false, NULL, &f, &err), HST_STATUS_OK);
    section first = section_file_at(f, 0);
    assert_int_equal(section_file_get(f, "weights", &s, &err), HST_STATUS_OK);
    assert_int_equal((s.data - first.data) + 64 + 2 * 128, 2 << 20); /* the first lies behind head and table */
    section_file_free(f);
    free(data);
}

static unsigned char *read_whole(const char *path, size_t *size) {
    char *bytes;
    void *copy = NULL;
    assert_int_equal(file_read(path, 1 << 20, &bytes, size, NULL), HST_STATUS_OK);
    assert_int_equal(posix_memalign(&copy, 64, *size), 0);
    memcpy(copy, bytes, *size);
    free(bytes);
    return copy;
}

/* OK where everything in it is right. */
static hst_status verify(const void *data, size_t size) {
    section_file *f;
    section s;
    hst_status status = section_file_borrow(data, size, "bytes", NULL, &f, NULL);
    if (status != HST_STATUS_OK) return status;
    for (size_t i = 0; i < section_file_count(f) && status == HST_STATUS_OK; i++)
        status = section_file_get(f, section_file_at(f, i).name, &s, NULL);
    if (status == HST_STATUS_OK) status = section_file_verify(f, NULL);
    section_file_free(f);
    return status;
}

static void every_changed_byte_is_noticed(void **state) {
    (void)state;
    size_t size;
    const char *path = path_of("flip.hst");
    write_sections(path);
    unsigned char *data = read_whole(path, &size);
    assert_int_equal(verify(data, size), HST_STATUS_OK);
    int unnoticed = 0;
    for (size_t i = 0; i < size; i++) {
        data[i] ^= 0x41;
        unnoticed += verify(data, size) == HST_STATUS_OK;
        data[i] ^= 0x41;
    }
    /* Between the sections lies nothing: 64 + 3 * 128 = 448, 8 bytes, then 110 from 512 on. */
    assert_int_equal(unnoticed, 512 - 456);
    for (size_t cut = 0; cut < size; cut++) assert_int_not_equal(verify(data, cut), HST_STATUS_OK);
    free(data);
}

static void a_file_that_was_cut_is_noticed(void **state) {
    (void)state;
    section_file *f;
    hst_error err = {0};
    const char *path = path_of("cut.hst");
    write_sections(path);
    assert_int_equal(section_file_open(path, false, NULL, &f, &err), HST_STATUS_OK);
    assert_int_equal(section_file_check(f, &err), HST_STATUS_OK);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(section_file_check(f, &err), HST_STATUS_IO);
    section_file_free(f);
    assert_int_equal(section_file_open(path, false, NULL, &f, &err), HST_STATUS_BAD_FORMAT);
}

static void unaligned_bytes_are_refused(void **state) {
    (void)state;
    size_t size;
    section_file *f;
    const char *path = path_of("aligned.hst");
    write_sections(path);
    unsigned char *data = read_whole(path, &size), *moved = malloc(size + 65);
    unsigned char *at = moved + (64 - (uintptr_t)moved % 64) % 64 + 1;
    memcpy(at, data, size);
    assert_int_equal(section_file_borrow(at, size, "bytes", NULL, &f, NULL), HST_STATUS_INVALID_ARGUMENT);
    free(moved);
    free(data);
}

/* ---- bundles ---- */

static void a_bundle_is_a_folder_or_an_engine_file(void **state) {
    (void)state;
    char file[128];
    json_t *json;
    char *words_text;
    size_t size;
    hst_error err = {0};
    strcpy(file, path_of("bundle.hst"));
    write_sections(file);
    FILE *a = fopen(path_of("a.json"), "w");
    fputs("{\"a\": 1}", a);
    fclose(a);
    const char *const paths[] = {file, folder};
    for (int i = 0; i < 2; i++) {
        bundle *b;
        assert_int_equal(bundle_open(paths[i], &b, &err), HST_STATUS_OK);
        assert_true(bundle_has(b, "a.json"));
        assert_false(bundle_has(b, "b.json"));
        assert_int_equal(bundle_json(b, "a.json", &json, &err), HST_STATUS_OK);
        assert_int_equal(json_integer_value(json_object_get(json, "a")), 1);
        json_decref(json);
        assert_int_equal(bundle_json(b, "b.json", &json, &err), HST_STATUS_OK);
        assert_null(json);
        assert_int_equal(bundle_text_named(b, "x.json", "a.json", &words_text, &size, &err), HST_STATUS_OK);
        assert_int_equal(size, 8);
        free(words_text);
        assert_int_not_equal(bundle_text_named(b, "x.json", "../a.json", &words_text, &size, &err), HST_STATUS_OK);
        assert_int_not_equal(bundle_text_named(b, "x.json", "b.json", &words_text, &size, &err), HST_STATUS_OK);
        bundle_free(b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checksum_depends_on_the_bytes_alone),  cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(large_sections_begin_at_large_pages),    cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(a_file_that_was_cut_is_noticed),         cmocka_unit_test(unaligned_bytes_are_refused),
        cmocka_unit_test(a_bundle_is_a_folder_or_an_engine_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
