/* Maps, names inside files, reading whole, and writing by temporary name and rename. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

static char folder[256];

static const char *at(const char *name) {
    static char path[8][512];
    static unsigned k;
    char *p = path[k++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static void put(const char *path, const char *text) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void assert_content(const char *path, const char *text) {
    char *got = NULL;
    size_t size = 0;
    hst_error err = {0};
    assert_int_equal(file_read(path, 1 << 20, &got, &size, &err), HST_STATUS_OK);
    assert_string_equal(got, text);
    assert_int_equal(size, strlen(text));
    free(got);
}

static int files_in(const char *path) {
    DIR *d = opendir(path);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hasten-file-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void map_mapped_and_copied(void **state) {
    (void)state;
    put(at("a"), "hello");
    put(at("empty"), "");
    for (int copy = 0; copy < 2; copy++) {
        file_map *m = NULL;
        hst_error err = {0};
        assert_int_equal(file_map_open(at("a"), copy, NULL, &m, &err), HST_STATUS_OK);
        assert_int_equal(m->size, 5);
        assert_memory_equal(m->data, "hello", 5);
        assert_string_equal(m->path, at("a"));
        assert_ptr_equal(file_map_retain(m), m);
        file_map_free(m);
        assert_memory_equal(m->data, "hello", 5); /* one reference is left */
        assert_int_equal(file_map_check(m, &err), HST_STATUS_OK);
        file_map_free(m);
        assert_int_equal(file_map_open(at("empty"), copy, NULL, &m, &err), HST_STATUS_OK);
        assert_int_equal(m->size, 0);
        assert_non_null(m->data);
        assert_int_equal(file_map_check(m, &err), HST_STATUS_OK);
        file_map_free(m);
    }
    file_map_free(NULL);
}

static void map_sees_a_cut_file(void **state) {
    (void)state;
    put(at("cut"), "0123456789");
    file_map *mapped = NULL, *copied = NULL;
    hst_error err = {0};
    assert_int_equal(file_map_open(at("cut"), false, NULL, &mapped, &err), HST_STATUS_OK);
    assert_int_equal(file_map_open(at("cut"), true, NULL, &copied, &err), HST_STATUS_OK);
    assert_int_equal(truncate(at("cut"), 4), 0);
    assert_int_equal(file_map_check(mapped, &err), HST_STATUS_IO);
    assert_non_null(strstr(err.message, "from 10 to 4 bytes"));
    assert_int_equal(file_map_check(copied, &err), HST_STATUS_OK);
    assert_memory_equal(copied->data, "0123456789", 10);
    file_map_free(mapped);
    file_map_free(copied);
}

static void map_refuses_what_is_no_file(void **state) {
    (void)state;
    file_map *m = NULL;
    hst_error err = {0};
    assert_int_equal(file_map_open(at("missing"), false, NULL, &m, &err), HST_STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "missing"));
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    assert_int_equal(file_map_open(at("fifo"), false, NULL, &m, &err), HST_STATUS_IO); /* and does not block */
    assert_non_null(strstr(err.message, "FIFO"));
    assert_int_equal(file_map_open("/dev/zero", true, NULL, &m, &err), HST_STATUS_IO);
    assert_non_null(strstr(err.message, "device"));
    assert_int_equal(file_map_open(folder, false, NULL, &m, &err), HST_STATUS_IO);
    assert_non_null(strstr(err.message, "folder"));
    assert_null(m);
}

static int left; /* allocations that still succeed */
static void *few(void *user, size_t size, size_t align) {
    (void)user;
    return left-- > 0 ? memory_alloc(NULL, size, align) : NULL;
}
static void few_free(void *user, void *memory, size_t size) {
    (void)user;
    memory_free(NULL, memory, size);
}

static void map_without_memory(void **state) {
    (void)state;
    put(at("memory"), "abc");
    hst_allocator a = {NULL, few, few_free};
    file_map *m = NULL;
    hst_error err = {0};
    for (int k = 0; k < 2; k++) {
        left = k;
        assert_int_equal(file_map_open(at("memory"), true, &a, &m, &err), HST_STATUS_NO_MEMORY);
        assert_null(m);
    }
    left = 2;
    assert_int_equal(file_map_open(at("memory"), true, &a, &m, &err), HST_STATUS_OK);
    file_map_free(m);
}

static void read_has_a_limit(void **state) {
    (void)state;
    put(at("small"), "12345");
    char *text = NULL;
    size_t size = 0;
    hst_error err = {0};
    assert_int_equal(file_read(at("small"), 5, &text, &size, &err), HST_STATUS_OK);
    free(text);
    assert_int_equal(file_read(at("small"), 4, &text, &size, &err), HST_STATUS_BUDGET);
    assert_null(text);
    assert_non_null(strstr(err.message, "5 bytes"));
}

static void paths(void **state) {
    (void)state;
    static const char *const join[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}, {"a", "", "a/"}};
    for (size_t i = 0; i < sizeof join / sizeof *join; i++) {
        char *p = path_join(join[i][0], join[i][1]);
        assert_string_equal(p, join[i][2]);
        free(p);
    }
    static const char *const parent[][2] = {{"a/b", "a"}, {"b", "."}, {"/b", "/"}, {"/a/b/", "/a/b"}, {"", "."}};
    for (size_t i = 0; i < sizeof parent / sizeof *parent; i++) {
        char *p = path_folder_of(parent[i][0]);
        assert_string_equal(p, parent[i][1]);
        free(p);
    }
    put(at("there"), "");
    assert_true(file_exists(at("there")));
    assert_false(file_exists(at("not-there")));
    assert_false(file_exists(folder));
    assert_true(file_is_folder(folder));
    assert_false(file_is_folder(at("there")));
}

static hst_status resolve(const char *base, const char *name, size_t size, char **out, hst_error *err) {
    *out = (char *)1;
    memset(err, 0, sizeof *err);
    hst_status s = file_resolve_inside(base, name, size, out, err);
    if (s != HST_STATUS_OK) {
        assert_null(*out);
        assert_int_equal(err->code, s);
    }
    return s;
}

static void refused(const char *base, const char *name, size_t size, const char *why) {
    char *out;
    hst_error err;
    assert_int_not_equal(resolve(base, name, size, &out, &err), HST_STATUS_OK);
    if (!strstr(err.message, why)) fail_msg("'%s': expected '%s' in '%s'", name, why, err.message);
}

static void accepted(const char *base, const char *name, const char *content) {
    char *out;
    hst_error err;
    assert_int_equal(resolve(base, name, strlen(name), &out, &err), HST_STATUS_OK);
    assert_content(out, content);
    free(out);
}

#define REFUSED(name, why) refused(base, name, sizeof(name) - 1, why)

static void names_inside_files(void **state) {
    (void)state;
    char base[512];
    assert_int_equal(mkdir(at("model"), 0700), 0);
    assert_int_equal(mkdir(at("model/sub"), 0700), 0);
    assert_int_equal(mkdir(at("model-other"), 0700), 0);
    snprintf(base, sizeof base, "%s", at("model/model.onnx"));
    put(base, "model");
    put(at("model/data"), "data");
    put(at("model/sub/part"), "part");
    put(at("model/..data"), "dots");
    put(at("outside"), "secret");
    put(at("model-other/near"), "secret");

    accepted(base, "data", "data");
    accepted(base, "./data", "data");
    accepted(base, "sub//part", "part");
    accepted(base, "..data", "dots");

    REFUSED("", "empty");
    REFUSED("/etc/passwd", "absolute");
    REFUSED("..", "'..'");
    REFUSED("../outside", "'..'");
    REFUSED("sub/../data", "'..'");
    REFUSED("sub/..", "'..'");
    REFUSED("data\0.txt", "NUL");
    REFUSED("model.onnx", "itself");
    REFUSED("./model.onnx", "itself");
    REFUSED("missing", "No such file");
    REFUSED("data/x", "Not a directory");
    REFUSED("sub", "regular file");
    REFUSED(".", "out of the model's folder");

    assert_int_equal(link(base, at("model/hard")), 0);
    REFUSED("hard", "itself");
    assert_int_equal(mkfifo(at("model/fifo"), 0600), 0);
    REFUSED("fifo", "regular file");
    assert_int_equal(symlink("sub/part", at("model/inner")), 0);
    accepted(base, "inner", "part");
    assert_int_equal(symlink("../outside", at("model/outer")), 0);
    REFUSED("outer", "out of the model's folder");
    assert_int_equal(symlink("../model-other", at("model/near")), 0); /* a prefix of the folder's name is not inside */
    REFUSED("near/near", "out of the model's folder");
    assert_int_equal(symlink("/dev/zero", at("model/device")), 0);
    REFUSED("device", "out of the model's folder");
    assert_int_equal(symlink("loop", at("model/loop")), 0);
    REFUSED("loop", "symbolic links");

    char *longest = malloc(5000);
    assert_non_null(longest);
    memset(longest, 'a', 5000);
    refused(base, longest, 5000, "5000 bytes");
    refused(base, longest, 300, "too long");
    free(longest);
}

static void names_in_a_relative_base(void **state) {
    (void)state;
    put(at("plain"), "plain");
    put(at("base"), "base");
    char *before = getcwd(NULL, 0);
    assert_non_null(before);
    assert_int_equal(chdir(folder), 0);
    accepted("base", "plain", "plain");
    assert_int_equal(chdir(before), 0);
    free(before);
}

static void names_in_a_hub_cache(void **state) {
    (void)state;
    static const char *const folders[] = {"hub",
                                          "hub/models--a--b",
                                          "hub/models--a--b/blobs",
                                          "hub/models--a--b/snapshots",
                                          "hub/models--a--b/snapshots/rev",
                                          "hub/models--a--b/snapshots/rev/onnx",
                                          "hub/models--other",
                                          "hub/models--other/blobs",
                                          "fake",
                                          "fake/snapshots",
                                          "fake/snapshots/rev"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) assert_int_equal(mkdir(at(folders[i]), 0700), 0);
    put(at("hub/models--a--b/blobs/111"), "index");
    put(at("hub/models--a--b/blobs/222"), "shard");
    put(at("hub/models--other/blobs/333"), "secret");
    put(at("fake/loose"), "secret");
    put(at("fake/snapshots/rev/base"), "base");
    assert_int_equal(symlink("../../blobs/111", at("hub/models--a--b/snapshots/rev/index.json")), 0);
    assert_int_equal(symlink("../../blobs/222", at("hub/models--a--b/snapshots/rev/shard")), 0);
    assert_int_equal(symlink("../../../blobs/222", at("hub/models--a--b/snapshots/rev/onnx/data")), 0);
    assert_int_equal(symlink("../../../models--other/blobs/333", at("hub/models--a--b/snapshots/rev/other")), 0);
    assert_int_equal(symlink("../../loose", at("fake/snapshots/rev/loose")), 0);
    char base[512];
    snprintf(base, sizeof base, "%s", at("hub/models--a--b/snapshots/rev/index.json"));
    accepted(base, "shard", "shard");
    accepted(at("hub/models--a--b/snapshots/rev/onnx/model.onnx"), "data", "shard");
    REFUSED("other", "out of the model's folder");
    assert_int_equal(symlink("../../blobs/111", at("hub/models--a--b/snapshots/rev/again")), 0);
    REFUSED("again", "itself");
    refused(at("fake/snapshots/rev/base"), "loose", 5, "out of the model's folder"); /* no blobs/ beside snapshots/ */
}

static void write_appears_at_commit(void **state) {
    (void)state;
    assert_int_equal(mkdir(at("w"), 0700), 0);
    put(at("w/out"), "old");
    assert_int_equal(chmod(at("w/out"), 0640), 0);
    file_writer *w = NULL;
    hst_error err = {0};
    assert_int_equal(file_writer_open(at("w/out"), &w, &err), HST_STATUS_OK);
    assert_int_equal(file_writer_write(w, "new ", 4, &err), HST_STATUS_OK);
    assert_int_equal(file_writer_write(w, "text", 4, &err), HST_STATUS_OK);
    assert_int_equal(file_writer_position(w), 8);
    assert_content(at("w/out"), "old");
    assert_int_equal(file_writer_commit(w, &err), HST_STATUS_OK);
    assert_content(at("w/out"), "new text");
    assert_int_equal(file_writer_write(w, "x", 1, &err), HST_STATUS_IO);
    assert_int_equal(file_writer_commit(w, &err), HST_STATUS_IO);
    file_writer_free(w);
    struct stat st;
    assert_int_equal(stat(at("w/out"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(files_in(at("w")), 1);

    assert_int_equal(file_writer_open(at("w/out"), &w, &err), HST_STATUS_OK);
    assert_int_equal(file_writer_write(w, "never", 5, &err), HST_STATUS_OK);
    file_writer_free(w); /* abandoned */
    assert_content(at("w/out"), "new text");
    assert_int_equal(files_in(at("w")), 1);
    file_writer_free(NULL);
}

static void write_any_sizes(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 7, 200000, 1};
    unsigned char *data = malloc(500000);
    assert_non_null(data);
    for (size_t i = 0; i < 500000; i++) data[i] = (unsigned char)(i * 7 + i / 251);
    file_writer *w = NULL;
    hst_error err = {0};
    assert_int_equal(file_writer_open(at("sizes"), &w, &err), HST_STATUS_OK);
    size_t done = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(file_writer_write(w, data + done, sizes[i], &err), HST_STATUS_OK);
        done += sizes[i];
    }
    assert_int_equal(file_writer_position(w), done);
    assert_int_equal(file_writer_commit(w, &err), HST_STATUS_OK);
    file_writer_free(w);
    file_map *m = NULL;
    assert_int_equal(file_map_open(at("sizes"), false, NULL, &m, &err), HST_STATUS_OK);
    assert_int_equal(m->size, done);
    assert_memory_equal(m->data, data, done);
    file_map_free(m);
    free(data);
}

static void write_with_a_full_disk(void **state) {
    (void)state;
    assert_int_equal(mkdir(at("full"), 0700), 0);
    put(at("full/out"), "old");
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 100000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    static const char block[30000];
    file_writer *w = NULL;
    hst_error err = {0};
    hst_status s = file_writer_open(at("full/out"), &w, &err);
    for (int i = 0; i < 4 && s == HST_STATUS_OK; i++) s = file_writer_write(w, block, sizeof block, &err);
    if (s == HST_STATUS_OK) s = file_writer_commit(w, &err);
    hst_status after = file_writer_commit(w, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(s, HST_STATUS_IO);
    assert_non_null(strstr(err.message, "unchanged"));
    assert_int_equal(after, HST_STATUS_IO);
    file_writer_free(w);
    assert_content(at("full/out"), "old");
    assert_int_equal(files_in(at("full")), 1);
}

static void write_where_it_cannot(void **state) {
    (void)state;
    file_writer *w = NULL;
    hst_error err = {0};
    assert_int_equal(file_writer_open(folder, &w, &err), HST_STATUS_IO);
    assert_non_null(strstr(err.message, "folder"));
    assert_int_equal(file_writer_open(at("no/such/out"), &w, &err), HST_STATUS_IO);
    assert_null(w);
    /* A device stays the device that it was. */
    struct stat st;
    assert_int_equal(file_writer_open("/dev/null", &w, &err), HST_STATUS_OK);
    assert_int_equal(file_writer_write(w, "x", 1, &err), HST_STATUS_OK);
    assert_int_equal(file_writer_commit(w, &err), HST_STATUS_OK);
    file_writer_free(w);
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    if (stat("/dev/full", &st) == 0) {
        assert_int_equal(file_writer_open("/dev/full", &w, &err), HST_STATUS_OK);
        assert_int_equal(file_writer_write(w, "x", 1, &err), HST_STATUS_OK);
        assert_int_equal(file_writer_commit(w, &err), HST_STATUS_IO);
        assert_non_null(strstr(err.message, "No space"));
        file_writer_free(w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_mapped_and_copied),
        cmocka_unit_test(map_sees_a_cut_file),
        cmocka_unit_test(map_refuses_what_is_no_file),
        cmocka_unit_test(map_without_memory),
        cmocka_unit_test(read_has_a_limit),
        cmocka_unit_test(paths),
        cmocka_unit_test(names_inside_files),
        cmocka_unit_test(names_in_a_relative_base),
        cmocka_unit_test(names_in_a_hub_cache),
        cmocka_unit_test(write_appears_at_commit),
        cmocka_unit_test(write_any_sizes),
        cmocka_unit_test(write_with_a_full_disk),
        cmocka_unit_test(write_where_it_cannot),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
