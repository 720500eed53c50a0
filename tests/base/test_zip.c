/* Zip archives: what minizip writes is read back; every lie in a header is refused; a cut or flipped byte never
 * crashes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/zip.h"

static unsigned char archive[4096]; /* stored "a/one", deflated "a/two" (zip64 headers on request) */
static size_t archive_size;

static void add(zipFile z, const char *name, const void *data, unsigned size, int method, int zip64) {
    zip_fileinfo info = {0};
    assert_int_equal(zipOpenNewFileInZip64(z, name, &info, NULL, 0, NULL, 0, NULL, method, 6, zip64), ZIP_OK);
    if (size) assert_int_equal(zipWriteInFileInZip(z, data, size), ZIP_OK);
    assert_int_equal(zipCloseFileInZip(z), ZIP_OK);
}

static char two[1000];

static void make(int zip64) {
    char path[] = "/tmp/hasten-zip-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    memset(two, 'x', sizeof two);
    zipFile z = zipOpen64(path, APPEND_STATUS_CREATE);
    assert_non_null(z);
    add(z, "a/two", two, sizeof two, Z_DEFLATED, zip64);
    add(z, "a/one", "stored bytes", 12, 0, zip64);
    add(z, "empty", "", 0, 0, zip64);
    assert_int_equal(zipClose(z, NULL), ZIP_OK);
    char *text = NULL;
    hst_error err = {0};
    assert_int_equal(file_read(path, sizeof archive, &text, &archive_size, &err), HST_STATUS_OK);
    memcpy(archive, text, archive_size);
    free(text);
    unlink(path);
}

static size_t find(const char *signature, int nth) {
    for (size_t i = 0; i + 4 <= archive_size; i++) {
        if (memcmp(archive + i, signature, 4) == 0 && nth-- == 0) return i;
    }
    fail_msg("no such record");
    return 0;
}

/* Opens an exact-size copy, so that a sanitizer sees one byte too far, and unpacks everything. */
static hst_status try_size(size_t size, hst_error *err) {
    unsigned char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, archive, size);
    zip_archive *z = NULL;
    memset(err, 0, sizeof *err);
    hst_status s = zip_open("test.zip", copy, size, NULL, &z, err);
    if (s == HST_STATUS_OK) {
        for (size_t i = 0; i < zip_count(z) && s == HST_STATUS_OK; i++) {
            void *to = malloc(zip_at(z, i)->size + 1);
            assert_non_null(to);
            s = zip_unpack(z, zip_at(z, i), to, err);
            free(to);
        }
    } else {
        assert_null(z);
    }
    zip_free(z);
    free(copy);
    return s;
}

static void refused(const char *why) {
    hst_error err;
    assert_int_not_equal(try_size(archive_size, &err), HST_STATUS_OK);
    if (!strstr(err.message, why)) fail_msg("expected '%s' in '%s'", why, err.message);
}

static void reads_what_minizip_writes(void **state) {
    (void)state;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        make(zip64);
        zip_archive *z = NULL;
        hst_error err = {0};
        assert_int_equal(zip_open("test.zip", archive, archive_size, NULL, &z, &err), HST_STATUS_OK);
        assert_int_equal(zip_count(z), 3);
        assert_string_equal(zip_at(z, 0)->name, "a/one");
        const zip_entry *one = zip_find(z, "a/one"), *deflated = zip_find(z, "a/two"), *empty = zip_find(z, "empty");
        assert_null(zip_find(z, "a/three"));
        assert_false(one->deflated);
        assert_int_equal(one->size, 12);
        assert_memory_equal(one->data, "stored bytes", 12); /* borrowed */
        assert_true(one->data >= archive && one->data < archive + archive_size);
        assert_true(deflated->deflated);
        assert_int_equal(empty->size, 0);
        char to[1000];
        assert_int_equal(zip_unpack(z, deflated, to, &err), HST_STATUS_OK);
        assert_memory_equal(to, two, sizeof two);
        assert_int_equal(zip_unpack(z, one, to, &err), HST_STATUS_OK);
        assert_memory_equal(to, "stored bytes", 12);
        assert_int_equal(zip_unpack(z, empty, to, &err), HST_STATUS_OK);
        zip_free(z);
    }
    zip_free(NULL);
}

static void every_cut_is_refused(void **state) {
    (void)state;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        make(zip64);
        hst_error err;
        assert_int_equal(try_size(archive_size, &err), HST_STATUS_OK);
        for (size_t n = 0; n < archive_size; n++) assert_int_equal(try_size(n, &err), HST_STATUS_BAD_FORMAT);
        archive[archive_size++] = 0; /* and a byte too many */
        assert_int_equal(try_size(archive_size, &err), HST_STATUS_BAD_FORMAT);
    }
}

static void every_flipped_byte_is_survived(void **state) {
    (void)state;
    for (int zip64 = 0; zip64 < 2; zip64++) {
        make(zip64);
        for (size_t i = 0; i < archive_size; i++) {
            static const unsigned char flips[] = {0x01, 0x80, 0xff};
            for (size_t k = 0; k < sizeof flips; k++) {
                hst_error err;
                archive[i] ^= flips[k];
                (void)try_size(archive_size, &err);
                archive[i] ^= flips[k];
            }
        }
    }
}

static void put(size_t at, uint32_t x, int bytes) {
    for (int i = 0; i < bytes; i++) archive[at + (size_t)i] = (unsigned char)(x >> 8 * i);
}

static void lies_are_refused(void **state) {
    (void)state;
    size_t record;
    make(0), put(find("PK\1\2", 0) + 8, 1, 2), put(find("PK\3\4", 0) + 6, 1, 2), refused("encrypted");
    make(0), put(find("PK\1\2", 0) + 10, 99, 2), refused("method 99");
    make(0), put(find("PK\1\2", 1) + 24, 13, 4), refused("stored entry 'a/one' has 12 bytes but says 13");
    make(0), put(find("PK\1\2", 0) + 24, 0x7fffffff, 4), refused("which none can"); /* a bomb's claim */
    make(0), put(find("PK\1\2", 0) + 24, 999, 4), refused("contradicts the directory");
    make(0), put(find("PK\1\2", 0) + 24, 999, 4), put(find("PK\3\4", 0) + 22, 999, 4),
        refused("does not unpack to 999");
    make(0), put(find("PK\1\2", 0) + 24, 1001, 4), put(find("PK\3\4", 0) + 22, 1001, 4),
        refused("does not unpack to 1001");
    make(0), put(find("PK\3\4", 1) + 14, 5, 4), refused("contradicts the directory"); /* crc */
    make(0), put(find("PK\1\2", 1) + 16, 5, 4), put(find("PK\3\4", 1) + 14, 5, 4), refused("checksum");
    make(0), archive[find("PK\3\4", 1) + 30] = 'b', refused("another name");
    make(0), put(find("PK\1\2", 1) + 42, 0, 4), refused("another name"); /* two entries at one place */
    make(0), put(find("PK\1\2", 1) + 42, 0xfffffff0, 4), refused("no local header");
    make(0), put(find("PK\1\2", 1) + 42, 0xffffffff, 4), refused("zip64");
    make(0), put(find("PK\3\4", 1) + 28, 0xffff, 2), refused("cut");
    make(0), record = find("PK\1\2", 1), memcpy(archive + record + 46, "a/two", 5), refused("another name");
    make(0), put(find("PK\5\6", 0) + 16, 0, 4), refused("does not end");
    make(0), put(find("PK\5\6", 0) + 8, 2, 2), put(find("PK\5\6", 0) + 10, 2, 2), refused("follow the last");
    make(0), put(find("PK\5\6", 0) + 8, 4, 2), put(find("PK\5\6", 0) + 10, 4, 2), refused("4 entries");
    make(0), put(find("PK\5\6", 0) + 8, 900, 2), put(find("PK\5\6", 0) + 10, 900, 2), refused("900 entries");
    make(0), put(find("PK\5\6", 0) + 4, 1, 2), refused("several disks");
    make(0), archive[find("PK\1\2", 2) + 46 + 2] = 0, refused("impossible name");
}

/* Two directory records for one stretch of data, names included: only the overlap gives them away. */
static void overlaps_are_refused(void **state) {
    (void)state;
    make(0);
    size_t first = find("PK\3\4", 1), second = find("PK\3\4", 2);
    /* "a/one" now claims to reach over the local header of "empty". */
    uint32_t size = (uint32_t)(second - (first + 30 + 5) + 4);
    put(first + 18, size, 4), put(first + 22, size, 4);
    put(find("PK\1\2", 1) + 20, size, 4), put(find("PK\1\2", 1) + 24, size, 4);
    refused("overlap");
}

static int left;
static void *few(void *user, size_t size, size_t align) {
    (void)user;
    return left-- > 0 ? memory_alloc(NULL, size, align) : NULL;
}
static void few_free(void *user, void *memory, size_t size) {
    (void)user;
    memory_free(NULL, memory, size);
}

static void without_memory(void **state) {
    (void)state;
    make(0);
    hst_allocator a = {NULL, few, few_free};
    int n = 0;
    for (;; n++) {
        zip_archive *z = NULL;
        hst_error err = {0};
        left = n;
        hst_status s = zip_open("test.zip", archive, archive_size, &a, &z, &err);
        zip_free(z);
        if (s == HST_STATUS_OK) break;
        assert_int_equal(s, HST_STATUS_NO_MEMORY);
    }
    assert_true(n >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_minizip_writes),      cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(every_flipped_byte_is_survived), cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(overlaps_are_refused),           cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
