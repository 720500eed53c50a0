/* External data that leads to what is no file of the model's own, or to bytes that the file has not: refused at once,
 * with the tensor, the file and the numbers. Paths of models that are no files. Versions that are newer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proto.h"
#include "hasten.h"

#define SECONDS_MOST 60 /* a hang is one of ever */

static char folder[] = "/tmp/hasten-external-XXXXXX";

static const char *at(const char *name) {
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put(const char *path, const void *data, size_t size) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* ---- a model: y = Identity(w), w f32[2] in a file ---- */

typedef struct place {
    const char *location;
    size_t size;                 /* of location; 0: up to its NUL */
    const char *offset, *length; /* NULL: not given */
    int ir, opset;               /* 0: 8 and 17 */
} place;

static void put_entry(proto_writer *w, const char *key, const char *value, size_t size) {
    proto_open(w, 13); /* external_data */
    proto_put_string(w, 1, key);
    proto_put_bytes(w, 2, value, size);
    proto_close(w);
}

static void put_named(proto_writer *w, uint32_t field, const char *name) {
    proto_open(w, field);
    proto_put_string(w, 1, name);
    proto_close(w);
}

static void put_model(proto_writer *w, void *context) {
    const place *p = context;
    proto_put_s64(w, 1, p->ir ? p->ir : 8); /* IR version */
    proto_open(w, 7);                       /* graph */
    proto_open(w, 1);
    proto_put_string(w, 1, "weight");
    proto_put_string(w, 2, "y");
    proto_put_string(w, 4, "Identity");
    proto_close(w);
    proto_put_string(w, 2, "g");
    proto_open(w, 5); /* initializer */
    proto_put_s64(w, 1, 2);
    proto_put_s64(w, 2, 1);
    proto_put_string(w, 8, "weight");
    put_entry(w, "location", p->location, p->size ? p->size : strlen(p->location));
    if (p->offset) put_entry(w, "offset", p->offset, strlen(p->offset));
    if (p->length) put_entry(w, "length", p->length, strlen(p->length));
    proto_put_s64(w, 14, 1); /* EXTERNAL */
    proto_close(w);
    put_named(w, 12, "y");
    proto_close(w);
    proto_open(w, 8); /* opset */
    proto_put_string(w, 1, "");
    proto_put_s64(w, 2, p->opset ? p->opset : 17);
    proto_close(w);
}

static hst_status write_out(void *user, const void *data, size_t size, hst_error *err) {
    (void)err;
    return fwrite(data, 1, size, user) == size ? HST_STATUS_OK : HST_STATUS_IO;
}

static hst_status load(place p, uint64_t flags, hst_error *err) {
    hst_model_options o = HST_INIT(hst_model_options);
    hst_model *m = NULL;
    FILE *f = fopen(at("m.onnx"), "wb");
    assert_non_null(f);
    assert_int_equal(proto_write(put_model, &p, write_out, f, NULL, err), HST_STATUS_OK);
    fclose(f);
    o.flags = flags;
    memset(err, 0, sizeof *err);
    alarm(SECONDS_MOST);
    const hst_status status = hst_model_load(at("m.onnx"), &o, &m, err);
    alarm(0);
    hst_model_free(m);
    return status;
}

static void refused(place p, hst_status status, const char *words) {
    static const uint64_t flags[] = {0, HST_MODEL_GRAPH_ONLY, HST_MAP_COPY};
    for (int i = 0; i < 3; i++) {
        hst_error err;
        const hst_status got = load(p, flags[i], &err);
        if (got != status || !strstr(err.message, words) || !strstr(err.message, "weight"))
            fail_msg("'%s' gives %s '%s', not %s '%s'", p.location, hst_status_name(got), err.message,
                     hst_status_name(status), words);
    }
}

static void taken(place p) {
    hst_error err;
    if (load(p, 0, &err) != HST_STATUS_OK) fail_msg("'%s': %s", p.location, err.message);
}

static int setup(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

#define FORMAT HST_STATUS_BAD_FORMAT

static void what_is_no_file(void **state) {
    (void)state;
    put(at("good"), "12345678", 8);
    taken((place){.location = "good"});
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    refused((place){.location = "fifo"}, FORMAT, "names the file 'fifo': it is not a regular file");
    assert_int_equal(mkdir(at("sub"), 0700), 0);
    refused((place){.location = "sub"}, FORMAT, "names the file 'sub': it is not a regular file");
    refused((place){.location = "sub/"}, FORMAT, "it is not a regular file");
    refused((place){.location = "."}, FORMAT, "it leads out of the model's folder");
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", at("socket"));
    const int s = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(s, (const struct sockaddr *)&name, sizeof name), 0);
    refused((place){.location = "socket"}, FORMAT, "names the file 'socket': it is not a regular file");
    close(s);
    if (mknod(at("zero"), S_IFCHR | 0600, (dev_t)((1 << 8) | 5)) == 0) /* needs a privilege */
        refused((place){.location = "zero"}, FORMAT, "names the file 'zero': it is not a regular file");
    refused((place){.location = "nowhere"}, HST_STATUS_NOT_FOUND, "names the file 'nowhere': No such file");
    refused((place){.location = "good/x"}, HST_STATUS_NOT_FOUND, "names the file 'good/x': Not a directory");
    refused((place){.location = "m.onnx"}, FORMAT, "that is this file itself");
}

static void what_lies_elsewhere(void **state) {
    (void)state;
    char outside[64], name[96];
    snprintf(outside, sizeof outside, "%s-outside", folder);
    put(outside, "12345678", 8);
    refused((place){.location = outside}, FORMAT, "absolute paths are not followed");
    refused((place){.location = "/dev/zero"}, FORMAT, "names the file '/dev/zero': absolute paths are not followed");
    snprintf(name, sizeof name, "../%s", strrchr(outside, '/') + 1);
    refused((place){.location = name}, FORMAT, "'..' is not followed");
    refused((place){.location = "sub/../good"}, FORMAT, "names the file 'sub/../good': '..' is not followed");
    assert_int_equal(symlink(outside, at("out")), 0);
    refused((place){.location = "out"}, FORMAT, "names the file 'out': it leads out of the model's folder");
    assert_int_equal(symlink("/dev", at("dev")), 0);
    refused((place){.location = "dev/zero"}, FORMAT, "names the file 'dev/zero': it leads out of the model's folder");
    assert_int_equal(symlink("round", at("round")), 0);
    refused((place){.location = "round"}, HST_STATUS_IO, "names the file 'round': Too many levels");
    assert_int_equal(symlink("fifo", at("to-fifo")), 0);
    refused((place){.location = "to-fifo"}, FORMAT, "it is not a regular file");
    assert_int_equal(symlink("good", at("near")), 0);
    taken((place){.location = "near"});
    refused((place){.location = "good\0", .size = 5}, FORMAT, "the name holds a NUL byte");
    refused((place){.location = "good\0../x", .size = 9}, FORMAT, "the name holds a NUL byte");
    unlink(outside);
    static char longest[9000];
    memset(longest, 'a', sizeof longest - 1);
    refused((place){.location = longest}, FORMAT, "names a file by 8999 bytes");
}

static void what_the_file_has_not(void **state) {
    (void)state;
    put(at("sixteen"), "0123456789abcdef", 16);
    put(at("none"), "", 0);
    taken((place){.location = "sixteen", .offset = "8", .length = "8"});
    refused((place){.location = "good", .offset = "1"}, FORMAT, "at bytes 1 + 8 of 'good', which has only 8");
    refused((place){.location = "none"}, FORMAT, "at bytes 0 + 8 of 'none', which has only 0");
    refused((place){.location = "sixteen", .offset = "9", .length = "8"}, FORMAT,
            "at bytes 9 + 8 of 'sixteen', which has only 16");
    refused((place){.location = "sixteen", .offset = "17", .length = "8"}, FORMAT, "bytes 17 + 8");
    refused((place){.location = "sixteen", .offset = "18446744073709551615"}, FORMAT,
            "bytes 18446744073709551615 + 8 of 'sixteen'");
    refused((place){.location = "sixteen", .offset = "18446744073709551608", .length = "8"}, FORMAT,
            "bytes 18446744073709551608 + 8 of 'sixteen'");
    refused((place){.location = "sixteen", .offset = "9223372036854775807"}, FORMAT, "9223372036854775807 + 8");
    refused((place){.location = "sixteen", .length = "16"}, FORMAT, "16 bytes of external data, but its shape needs 8");
    refused((place){.location = "sixteen", .length = "0"}, FORMAT, "0 bytes of external data, but its shape needs 8");
    refused((place){.location = "sixteen", .length = "18446744073709551615"}, FORMAT,
            "18446744073709551615 bytes of external data");
    static const char *const numbers[] = {"-1", "18446744073709551616", "1e3", "0x8", " 8", "8 ", "+8", "", "8\n"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char words[96];
        snprintf(words, sizeof words, "has offset '%.*s", (int)strcspn(numbers[i], "\n"), numbers[i]);
        refused((place){.location = "sixteen", .offset = numbers[i]}, FORMAT, words);
        refused((place){.location = "sixteen", .length = numbers[i]}, FORMAT, "which is no count of bytes");
    }
}

/* The model's own path, and files that are read beside it. */
static void the_model_itself(void **state) {
    (void)state;
    hst_model *m = NULL;
    hst_tokenizer *t = NULL;
    hst_error err = {0};
    alarm(SECONDS_MOST);
    assert_int_equal(hst_model_load(at("fifo"), NULL, &m, &err), HST_STATUS_IO);
    assert_non_null(strstr(err.message, "is a FIFO, not a regular file"));
    assert_int_equal(hst_model_load("/dev/zero", NULL, &m, &err), HST_STATUS_IO);
    assert_non_null(strstr(err.message, "'/dev/zero' is a device, not a regular file"));
    assert_int_equal(hst_model_load(at("socket"), NULL, &m, &err), HST_STATUS_IO);
    assert_non_null(strstr(err.message, "is a socket, not a regular file"));
    assert_int_equal(hst_model_load(at("nowhere"), NULL, &m, &err), HST_STATUS_NOT_FOUND);
    static const char *const beside[] = {"config.json", "tokenizer.json", "model.onnx", "model.safetensors"};
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        char path[64];
        snprintf(path, sizeof path, "with-%zu", i);
        assert_int_equal(mkdir(at(path), 0700), 0);
        const size_t n = strlen(path);
        for (size_t k = 0; k < sizeof beside / sizeof *beside; k++) {
            snprintf(path + n, sizeof path - n, "/%s", beside[k]);
            if (k == i) assert_int_equal(mkfifo(at(path), 0600), 0);
            if (k != i && k < 2) put(at(path), "{}", 2);
        }
        path[n] = '\0';
        assert_int_not_equal(hst_model_load(at(path), NULL, &m, &err), HST_STATUS_OK);
        assert_true(err.message[0]);
        assert_int_not_equal(hst_tokenizer_load(at(path), NULL, &t, &err), HST_STATUS_OK);
        assert_true(err.message[0]);
    }
    alarm(0);
}

/* Newer versions of the format are read, and said. */
static char said[256];

static void keep_warning(void *user, hst_log_level level, const char *message) {
    (void)user;
    if (level == HST_LOG_WARNING) snprintf(said, sizeof said, "%s", message);
}

static void newer_versions_are_told(void **state) {
    (void)state;
    hst_log_set(keep_warning, NULL, HST_LOG_WARNING);
    taken((place){.location = "good"});
    assert_string_equal(said, "");
    taken((place){.location = "good", .ir = 99});
    assert_non_null(strstr(said, "IR version 99 is newer than 14"));
    taken((place){.location = "good", .opset = 99});
    assert_non_null(strstr(said, "opset 99 is newer than 28"));
    hst_log_set(NULL, NULL, HST_LOG_WARNING);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_no_file), cmocka_unit_test(what_lies_elsewhere),
                                       cmocka_unit_test(what_the_file_has_not), cmocka_unit_test(the_model_itself),
                                       cmocka_unit_test(newer_versions_are_told)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
