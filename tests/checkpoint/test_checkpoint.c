/* Files written by torch and safetensors (tools/fixtures/checkpoint_files.py) are read back, element by element. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "checkpoint/checkpoint.h"

#define DATA HASTEN_SOURCE_DIR "/tests/checkpoint/data/"

static checkpoint *open_good(const char *path) {
    checkpoint *c = NULL;
    hst_error err = {0};
    if (checkpoint_open(path, NULL, &c, &err) != HST_STATUS_OK) fail_msg("%s: %s", path, err.message);
    assert_int_equal(checkpoint_check(c, &err), HST_STATUS_OK);
    return c;
}

static void refused(const char *path, hst_status status, const char *why) {
    checkpoint *c = (checkpoint *)1;
    hst_error err = {0};
    hst_status got = checkpoint_open(path, NULL, &c, &err);
    if (got != status || !strstr(err.message, why)) {
        fail_msg("%s: expected %d '%s', got %d '%s'", path, status, why, got, err.message);
    }
    assert_null(c);
}

static const hst_tensor *get(const checkpoint *c, const char *name, hst_dtype d, int rank, int64_t d0, int64_t d1) {
    const hst_tensor *t = checkpoint_tensor(c, name);
    if (!t) fail_msg("no tensor '%s'", name);
    assert_int_equal(t->dtype, d);
    assert_int_equal(t->rank, rank);
    if (rank > 0) assert_int_equal(t->dim[0], d0);
    if (rank > 1) assert_int_equal(t->dim[1], d1);
    return t;
}

static void same(const hst_tensor *t, const double *expected, int count) {
    assert_int_equal(tensor_count(t), count);
    for (int i = 0; i < count; i++) assert_true(tensor_get_f64(t, i) == expected[i]);
}

static void plain(const checkpoint *c, const char *name, hst_dtype d, int rank, int64_t d0, int64_t d1) {
    const hst_tensor *t = get(c, name, d, rank, d0, d1);
    for (int64_t i = 0; i < tensor_count(t); i++) {
        assert_true(tensor_get_f64(t, i) == (double)(i % (d == HST_DTYPE_B8 ? 2 : 8)));
    }
}

static void dtypes(void **state) {
    (void)state;
    static const char *const files[] = {DATA "dtypes.safetensors", DATA "dtypes.bin"};
    static const struct {
        const char *name;
        hst_dtype dtype;
    } list[] = {{"f64", HST_DTYPE_F64},      {"f32", HST_DTYPE_F32},
                {"f16", HST_DTYPE_F16},      {"bf16", HST_DTYPE_BF16},
                {"s64", HST_DTYPE_S64},      {"s32", HST_DTYPE_S32},
                {"s16", HST_DTYPE_S16},      {"s8", HST_DTYPE_S8},
                {"u8", HST_DTYPE_U8},        {"b8", HST_DTYPE_B8},
                {"u16", HST_DTYPE_U16},      {"u32", HST_DTYPE_U32},
                {"u64", HST_DTYPE_U64},      {"f8e4m3fn", HST_DTYPE_F8E4M3FN},
                {"f8e5m2", HST_DTYPE_F8E5M2}};
    for (int f = 0; f < 2; f++) {
        checkpoint *c = open_good(files[f]);
        assert_int_equal(checkpoint_count(c), 17);
        for (size_t i = 0; i < sizeof list / sizeof *list; i++) plain(c, list[i].name, list[i].dtype, 2, 3, 5);
        same(get(c, "scalar", HST_DTYPE_F32, 0, 0, 0), (double[]){5}, 1);
        same(get(c, "empty", HST_DTYPE_F32, 2, 0, 4), NULL, 0);
        assert_null(checkpoint_tensor(c, "nothing"));
        assert_null(get(c, "f32", HST_DTYPE_F32, 2, 3, 5)->buffer); /* borrowed from the map */
        checkpoint_free(c);
    }
}

static void views(void **state) {
    (void)state;
    static const char *const files[] = {DATA "views.bin", DATA "views.protocol4.bin", DATA "views.old.bin"};
    for (int f = 0; f < 3; f++) {
        checkpoint *c = open_good(files[f]);
        double base[24];
        for (int i = 0; i < 24; i++) base[i] = i;
        assert_int_equal(checkpoint_count(c), 8);
        assert_string_equal(checkpoint_name(c, 0), "base");
        assert_string_equal(checkpoint_name(c, 7), "parameter");
        same(get(c, "base", HST_DTYPE_F32, 1, 24, 0), base, 24);
        same(get(c, "shared", HST_DTYPE_F32, 1, 24, 0), base, 24);
        same(get(c, "offset", HST_DTYPE_F32, 2, 2, 3), base + 6, 6);
        const hst_tensor *t = get(c, "transposed", HST_DTYPE_F32, 2, 6, 4);
        for (int i = 0; i < 24; i++) assert_true(tensor_get_f64(t, i) == i % 4 * 6 + i / 4);
        same(get(c, "strided", HST_DTYPE_F32, 3, 2, 2), (double[]){4, 6, 8, 10, 16, 18, 20, 22}, 8);
        same(get(c, "expanded", HST_DTYPE_F32, 2, 3, 4), (double[]){5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, 12);
        same(get(c, "ones", HST_DTYPE_F32, 3, 1, 24), base, 24);
        same(get(c, "parameter", HST_DTYPE_F16, 1, 3, 0), (double[]){0, 1, 2}, 3);
        if (f < 2) { /* one storage, no copy */
            assert_null(get(c, "base", HST_DTYPE_F32, 1, 24, 0)->buffer);
            assert_ptr_equal(get(c, "base", HST_DTYPE_F32, 1, 24, 0)->data,
                             get(c, "shared", HST_DTYPE_F32, 1, 24, 0)->data);
        }
        checkpoint_free(c);
    }
}

static void modules(void **state) {
    (void)state;
    static const char *const files[] = {DATA "module.bin", DATA "nested.bin", DATA "deflated.bin"};
    for (int f = 0; f < 3; f++) {
        checkpoint *c = open_good(files[f]);
        plain(c, "linear.weight", HST_DTYPE_F32, 2, 2, 3);
        plain(c, "linear.bias", HST_DTYPE_F32, 1, 2, 0);
        assert_int_equal(checkpoint_count(c), 2);
        checkpoint_free(c);
    }
}

static void shards(void **state) {
    (void)state;
    static const char *const paths[] = {DATA "sharded_safetensors", DATA "sharded_bin", DATA "sharded_bin/config.json",
                                        DATA "sharded_safetensors/model.safetensors.index.json"};
    for (int f = 0; f < 4; f++) {
        checkpoint *c = open_good(paths[f]);
        assert_int_equal(checkpoint_count(c), 3);
        plain(c, "a", HST_DTYPE_F32, 1, 4, 0);
        plain(c, "b", HST_DTYPE_F16, 2, 2, 2);
        plain(c, "c", HST_DTYPE_S64, 1, 3, 0);
        assert_string_equal(json_string_value(json_object_get(checkpoint_config(c), "model_type")), "test");
        checkpoint *again = checkpoint_retain(c);
        checkpoint_free(c);
        plain(again, "a", HST_DTYPE_F32, 1, 4, 0);
        checkpoint_free(again);
    }
}

static void refusals(void **state) {
    (void)state;
    refused(DATA "call.bin", HST_STATUS_BAD_FORMAT, "getcwd', which weights do not need");
    refused(DATA "script.bin", HST_STATUS_UNSUPPORTED, "TorchScript");
    refused(DATA "nothing-here", HST_STATUS_NOT_FOUND, "no folder or file");
    refused(HASTEN_SOURCE_DIR "/src", HST_STATUS_NOT_FOUND, "config.json");
    refused(DATA, HST_STATUS_NOT_FOUND, "pytorch_model.bin");
}

/* ---- folders made here ---- */

static char folder[64];

static const char *put(const char *name, const void *data, size_t size) {
    static char path[4][256];
    static unsigned k;
    char *p = path[k++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    FILE *f = fopen(p, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
    return p;
}

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hasten-ckpt-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

#define PUT(name, text) put(name, text, sizeof(text) - 1)

/* A file that was read, not mapped, may be cut in place; one that was mapped is found to be cut. */
static void cut_in_place(void **state) {
    (void)state;
    char *data = NULL;
    size_t size = 0;
    hst_error err;
    assert_int_equal(file_read(DATA "sharded_safetensors/model-00001-of-00002.safetensors", 10000, &data, &size, &err),
                     0);
    PUT("config.json", "{}");
    const char *path = put("cut.safetensors", data, size);
    checkpoint *copied, *mapped;
    assert_int_equal(checkpoint_open_copy(path, NULL, &copied, &err), HST_STATUS_OK);
    assert_int_equal(checkpoint_open(path, NULL, &mapped, &err), HST_STATUS_OK);
    assert_int_equal(truncate(path, 8), 0);
    assert_int_equal(checkpoint_check(copied, &err), HST_STATUS_OK);
    assert_int_equal(checkpoint_check(mapped, &err), HST_STATUS_IO);
    for (size_t i = 0; i < checkpoint_count(copied); i++) {
        const hst_tensor *t = checkpoint_tensor(copied, checkpoint_name(copied, i));
        assert_non_null(memmem(data, size, t->data, t->bytes));
    }
    checkpoint_free(copied);
    checkpoint_free(mapped);
    remove(path);
    free(data);
}

static void bad_index(void **state) {
    (void)state;
    char *a = NULL;
    size_t size = 0;
    hst_error err;
    assert_int_equal(file_read(DATA "sharded_safetensors/model-00001-of-00002.safetensors", 10000, &a, &size, &err), 0);
    put("one.safetensors", a, size);
    put("two.safetensors", a, size); /* the same names again */
    free(a);
    PUT("config.json", "{}");
    const char *index = PUT("model.safetensors.index.json", "{}");
    refused(index, HST_STATUS_BAD_FORMAT, "'weight_map' is nothing");
    PUT("model.safetensors.index.json", "{\"weight_map\": {}}");
    refused(index, HST_STATUS_BAD_FORMAT, "names no file");
    PUT("model.safetensors.index.json", "{\"weight_map\": {\"a\": 3}}");
    refused(index, HST_STATUS_BAD_FORMAT, "weight 'a' is an integer");
    PUT("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"../../etc/passwd\"}}");
    refused(index, HST_STATUS_BAD_FORMAT, "'..'");
    PUT("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"/etc/passwd\"}}");
    refused(index, HST_STATUS_BAD_FORMAT, "absolute");
    PUT("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"model.safetensors.index.json\"}}");
    refused(index, HST_STATUS_BAD_FORMAT, "itself");
    PUT("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"three.safetensors\"}}");
    refused(index, HST_STATUS_NOT_FOUND, "three.safetensors");
    char shard[128];
    snprintf(shard, sizeof shard, "%s/fifo", folder);
    assert_int_equal(mkfifo(shard, 0600), 0);
    PUT("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"fifo\"}}");
    refused(index, HST_STATUS_BAD_FORMAT, "names the file 'fifo': it is not a regular file");
    snprintf(shard, sizeof shard, "%s/out", folder);
    assert_int_equal(symlink("/dev/zero", shard), 0);
    PUT("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"out\"}}");
    refused(index, HST_STATUS_BAD_FORMAT, "names the file 'out': it leads out of the model's folder");
    PUT("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"one.safetensors\", \"z\": \"one.safetensors\"}}");
    refused(index, HST_STATUS_BAD_FORMAT, "'z' is in 'one.safetensors'; it is not");
    /* "b" is in both files and the index names neither for it. */
    PUT("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"one.safetensors\", \"x\": \"two.safetensors\"}}");
    refused(index, HST_STATUS_BAD_FORMAT, "two weights are named 'b'");
    /* Where it names one, that one counts. */
    PUT("two.safetensors",
        "\x40\0\0\0\0\0\0\0{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}           y");
    PUT("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"one.safetensors\", "
                                        "\"x\": \"two.safetensors\"}}");
    checkpoint *c = open_good(index);
    assert_int_equal(checkpoint_count(c), 3);
    assert_int_equal(tensor_get_s64(checkpoint_tensor(c, "x"), 0), 'y');
    checkpoint_free(c);
}

static void preference(void **state) {
    (void)state;
    char path[300];
    snprintf(path, sizeof path, "%s/both", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    PUT("both/config.json", "{\"model_type\": \"x\"}");
    PUT("both/pytorch_model.bin", "nonsense");
    refused(path, HST_STATUS_BAD_FORMAT, "pytorch_model.bin");
    PUT("both/model.safetensors",
        "\x40\0\0\0\0\0\0\0{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}           y");
    checkpoint *c = open_good(path);
    assert_int_equal(checkpoint_count(c), 1);
    checkpoint_free(c);
    PUT("both/config.json", "[]");
    refused(path, HST_STATUS_BAD_FORMAT, "is an array, not an object");
    PUT("both/config.json", "{\"a\" 1}");
    refused(path, HST_STATUS_BAD_FORMAT, "line 1, column");
    PUT("both/model.h5", "\x89HDF\r\n");
    PUT("both/config.json", "{}");
    snprintf(path, sizeof path, "%s/both/model.h5", folder);
    refused(path, HST_STATUS_UNSUPPORTED, "TensorFlow");
}

/* ---- every cut, every flipped byte, every allocation ---- */

static hst_status try_memory(const unsigned char *data, size_t size, const hst_allocator *a) {
    unsigned char *copy = NULL; /* exact size, so that a sanitizer sees one byte too far */
    assert_int_equal(posix_memalign((void **)&copy, 64, size ? size : 1), 0);
    memcpy(copy, data, size);
    checkpoint *c = NULL;
    hst_error err = {0};
    hst_status s = checkpoint_open_memory("{}", 2, copy, size, a, &c, &err);
    if (s == HST_STATUS_OK) {
        for (size_t i = 0; i < checkpoint_count(c); i++) {
            const hst_tensor *t = checkpoint_tensor(c, checkpoint_name(c, i));
            volatile unsigned char x = 0;
            for (size_t k = 0; k < t->bytes; k++) x ^= ((const unsigned char *)t->data)[k];
            (void)x;
        }
    } else {
        assert_null(c);
        assert_int_equal(err.code, s);
        assert_int_not_equal(err.message[0], 0);
    }
    checkpoint_free(c);
    free(copy);
    return s;
}

static const char *const all_files[] = {DATA "dtypes.safetensors",  DATA "dtypes.bin",    DATA "views.bin",
                                        DATA "views.protocol4.bin", DATA "views.old.bin", DATA "module.bin",
                                        DATA "nested.bin",          DATA "deflated.bin"};
#define ALL_FILES (sizeof all_files / sizeof *all_files)

static void damaged(void **state) {
    (void)state;
    for (size_t f = 0; f < ALL_FILES; f++) {
        char *text = NULL;
        size_t size = 0;
        assert_int_equal(file_read(all_files[f], 1 << 20, &text, &size, NULL), HST_STATUS_OK);
        unsigned char *data = (unsigned char *)text;
        assert_int_equal(try_memory(data, size, NULL), HST_STATUS_OK);
        for (size_t n = 0; n < size; n++) assert_int_not_equal(try_memory(data, n, NULL), HST_STATUS_OK);
        for (size_t i = 0; i < size; i++) {
            static const unsigned char flips[] = {0x01, 0x80, 0xff};
            for (size_t k = 0; k < sizeof flips; k++) {
                data[i] ^= flips[k];
                (void)try_memory(data, size, NULL);
                data[i] ^= flips[k];
            }
        }
        free(text);
    }
}

static int left, live;
static void *few(void *user, size_t size, size_t align) {
    (void)user;
    if (left-- <= 0) return NULL;
    live++;
    return memory_alloc(NULL, size, align);
}
static void few_free(void *user, void *memory, size_t size) {
    (void)user;
    live--;
    memory_free(NULL, memory, size);
}

static void without_memory(void **state) {
    (void)state;
    hst_allocator a = {NULL, few, few_free};
    for (size_t f = 0; f < ALL_FILES; f++) {
        int n = 0;
        char *text = NULL;
        size_t size = 0;
        assert_int_equal(file_read(all_files[f], 1 << 20, &text, &size, NULL), HST_STATUS_OK);
        for (;; n++) {
            left = n;
            live = 0;
            hst_status s = try_memory((const unsigned char *)text, size, &a);
            assert_int_equal(live, 0);
            if (s == HST_STATUS_OK) break;
            assert_int_equal(s, HST_STATUS_NO_MEMORY);
        }
        assert_true(n > 3);
        free(text);
    }
    for (int n = 0;; n++) { /* and through the file system */
        checkpoint *c = NULL;
        left = n;
        live = 0;
        hst_status s = checkpoint_open(DATA "sharded_bin", &a, &c, NULL);
        checkpoint_free(c);
        assert_int_equal(live, 0);
        if (s == HST_STATUS_OK) break;
        assert_int_equal(s, HST_STATUS_NO_MEMORY);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dtypes),         cmocka_unit_test(views),        cmocka_unit_test(modules),
        cmocka_unit_test(shards),         cmocka_unit_test(refusals),     cmocka_unit_test(bad_index),
        cmocka_unit_test(preference),     cmocka_unit_test(cut_in_place), cmocka_unit_test(damaged),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
