/* The unpickler: what is on its lists works, all else is refused at the byte where it stands. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/pickle.h"

static arena *memory;

static hst_status load(const char *data, size_t size, pickle_value **out, hst_error *err) {
    pickle_storages storages = {0};
    size_t used = 0;
    char *copy = malloc(size ? size : 1); /* exact size for sanitizers; the arena outlives it, strings do not */
    assert_non_null(copy);
    memcpy(copy, data, size);
    arena_free(memory);
    memory = arena_new(NULL);
    arena_set_limit(memory, 1 << 20);
    memset(err, 0, sizeof *err);
    hst_status s = pickle_load(memory, "p", (const unsigned char *)copy, size, &storages, out, &used, err);
    if (s == HST_STATUS_OK) assert_int_equal(used, size);
    free(copy);
    return s;
}

static void bad(const char *data, size_t size, const char *why) {
    pickle_value *v = NULL;
    hst_error err;
    hst_status s = load(data, size, &v, &err);
    if (s != HST_STATUS_BAD_FORMAT || !strstr(err.message, why))
        fail_msg("expected '%s', got %d '%s'", why, s, err.message);
}

#define BAD(text, why) bad(text, sizeof(text) - 1, why)

static const pickle_value *good(const char *data, size_t size) {
    pickle_value *v = NULL;
    hst_error err;
    if (load(data, size, &v, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    return v;
}

#define GOOD(text) good(text, sizeof(text) - 1)

static void values(void **state) {
    (void)state;
    assert_int_equal(GOOD("\x80\x02K\x07.")->as.i, 7);
    assert_int_equal(GOOD("M\x34\x12.")->as.i, 0x1234);
    assert_int_equal(GOOD("J\xfe\xff\xff\xff.")->as.i, -2);
    assert_int_equal(GOOD("\x8a\x00.")->as.i, 0);
    assert_int_equal(GOOD("\x8a\x01\xff.")->as.i, -1);
    assert_true(GOOD("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f.")->as.i == INT64_MAX);
    assert_true(GOOD("G?\xf8\0\0\0\0\0\0.")->as.f == 1.5);
    assert_int_equal(GOOD("N.")->kind, PICKLE_NONE);
    assert_true(GOOD("\x88.")->as.b);
    assert_int_equal(GOOD("K\x01K\x02\x86.")->as.items.count, 2);
    assert_int_equal(GOOD("(K\x01K\x02K\x03t.")->as.items.at[2]->as.i, 3);
    assert_int_equal(GOOD("](K\x01K\x02"
                          "e.")
                         ->as.items.count,
                     2);
    assert_int_equal(GOOD("]K\x05q\x00"
                          "ah\x00"
                          "0.")
                         ->as.items.count,
                     1); /* put, get, pop */
    assert_int_equal(GOOD("](K\x01"
                          "1K\x02"
                          "a.")
                         ->as.items.at[0]
                         ->as.i,
                     2); /* pop mark */
    const pickle_value *d = GOOD("}(X\x01\0\0\0aK\x01\x8c\x01"
                                 "bK\x02u.");
    assert_int_equal(d->kind, PICKLE_DICT);
    assert_int_equal(d->as.items.count, 4);
    assert_int_equal(GOOD("ccollections\nOrderedDict\n)R.")->kind, PICKLE_DICT);
    assert_int_equal(GOOD("\x80\x04\x8c\x0b"
                          "collections\x8c\x0bOrderedDict\x93)R.")
                         ->kind,
                     PICKLE_DICT);
    assert_int_equal(GOOD("\x80\x04\x95\x04\0\0\0\0\0\0\0K\x01\x94.")->as.i, 1); /* FRAME, MEMOIZE */
    assert_int_equal(GOOD("]q\x00h\x00"
                          "a.")
                         ->as.items.count,
                     1); /* a list that holds itself */
}

static void attacks(void **state) {
    (void)state;
    BAD("cos\nsystem\n(X\x02\0\0\0lstR.", "byte 0 (opcode 0x63): it asks for 'os.system', which weights do not need");
    BAD("\x80\x04\x8c\x08"
        "builtins\x8c\x04"
        "eval\x93.",
        "'builtins.eval'");
    BAD("c__builtin__\neval\n.", "__builtin__.eval");
    BAD("ctorch\nload\n.", "'torch.load'");
    BAD("ctorch._utils\n_rebuild_tensor_v2.__globals__\n.", "_rebuild_tensor_v2.__globals__");
    BAD("(S'ls'\nios\nsystem\n.", "opcode 0x53"); /* STRING, INST */
    BAD("(ios\nsystem\n.", "opcode 0x69");
    BAD("(cos\nsystem\no.", "os.system");
    BAD("\x82\x01.", "opcode 0x82"); /* EXT1 */
    BAD("N)\x81.", "opcode 0x81");   /* NEWOBJ */
    BAD("N)}\x92.", "opcode 0x92");  /* NEWOBJ_EX */
    BAD("Pid\n.", "opcode 0x50");    /* PERSID */
    BAD("I1\n.", "opcode 0x49");
    BAD("\x97.", "opcode 0x97"); /* NEXT_BUFFER */
    BAD("\x8f.", "opcode 0x8f"); /* EMPTY_SET */
    BAD("\x80\x06N.", "newer pickle protocol");
}

static void misuse(void **state) {
    (void)state;
    BAD("", "cut");
    BAD("N", "cut");
    BAD(".", "stack is empty");
    BAD("NN.", "values left");
    BAD("(N.", "values left");
    BAD("0", "stack is empty");
    BAD("2", "stack is empty");
    BAD("t", "no mark");
    BAD("N(\x85.", "stack is empty"); /* does not reach below a mark */
    BAD("N(a.", "stack is empty");
    BAD("h\x00.", "never set");
    BAD("Nr\xff\xff\xff\xff.", "no writer reaches");
    BAD("q\x00.", "stack is empty");
    BAD("K.", "cut");
    BAD("X\xff\xff\xff\xff"
        "a.",
        "cut");
    BAD("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
        "a.",
        "cut");
    BAD("\x8a\x09\1\2\3\4\5\6\7\x08\x09.", "beyond 64 bits");
    BAD("\x8a\xff.", "beyond 64 bits");
    BAD("NNa.", "a list is needed");
    BAD("NNNs.", "a dict is needed");
    BAD("}(Nu.", "a key without a value");
    BAD("NN\x93.", "a global without a name");
    BAD("NNR.", "REDUCE of what is no global");
    BAD("ccollections\nOrderedDict\nNR.", "REDUCE of what is no global");
    BAD("ccollections\nOrderedDict\nN\x85R.", "OrderedDict of what is no list");
    BAD("ctorch\nFloatStorage\n)R.", "not made that way");
    BAD("ctorch._utils\n_rebuild_tensor_v2\n)R.", "wrong number of arguments");
    BAD("ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))\x89Nt"
        "R.",
        "without a storage");
    BAD("ctorch._utils\n_rebuild_parameter\n(N\x88NtR.", "a parameter that is no tensor");
    BAD("NQ.", "no tuple of five");
    BAD("(U\x07storageNU\x01"
        "0U\x03"
        "cpuK\x01tQ.",
        "('storage', type, key, location, count)");
    BAD("(U\x07storagectorch\nFloatStorage\nU\x01"
        "0U\x03"
        "cpuJ\xff\xff\xff\xfftQ.",
        "('storage', type, key");
    BAD("NNb.", "a dict is needed");
    BAD("}Nb}K\x01"
        "b.",
        "no dict");
    BAD("ccollections", "cut");
}

static void memory_is_limited(void **state) {
    (void)state;
    size_t size = 100000;
    char *many = malloc(size);
    assert_non_null(many);
    memset(many, '(', size);
    many[size - 1] = '.';
    hst_error err;
    pickle_value *v = NULL;
    assert_int_equal(load(many, size, &v, &err), HST_STATUS_NO_MEMORY);
    memset(many, ']', size);
    assert_int_equal(load(many, size, &v, &err), HST_STATUS_NO_MEMORY);
    free(many);
}

/* ---- tensors: a file of before 1.6 with one storage of `bytes` bytes ---- */

#define HEAD                                                                                                           \
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}X\x0d\0\0\0little_"           \
    "endian\x88s."
#define STORAGE                                                                                                        \
    "(U\x07storagectorch\nFloatStorage\nU\x01"                                                                         \
    "0U\x03"                                                                                                           \
    "cpuK\x04tQ"
#define TENSOR(offset, size, stride)                                                                                   \
    "}U\x01xctorch._utils\n_rebuild_tensor_v2\n(" STORAGE offset size stride "\x89"                                    \
    "ccollections\nOrderedDict\n)RtRs."
#define TAIL                                                                                                           \
    "]U\x01"                                                                                                           \
    "0a.\x04\0\0\0\0\0\0\0"                                                                                            \
    "\0\0\0\0\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40" /* 0 1 2 3 */

static hst_status open_file(const char *data, size_t size, checkpoint **c, hst_error *err) {
    return checkpoint_open_memory("{}", 2, data, size, NULL, c, err);
}

static void file_bad(const char *data, size_t size, hst_status status, const char *why) {
    checkpoint *c = NULL;
    hst_error err = {0};
    hst_status s = open_file(data, size, &c, &err);
    if (s != status || !strstr(err.message, why))
        fail_msg("expected %d '%s', got %d '%s'", status, why, s, err.message);
}

#define FILE_BAD(text, status, why) file_bad(text, sizeof(text) - 1, status, why)

static void tensors(void **state) {
    (void)state;
    static const char whole[] = HEAD TENSOR("K\x00", "K\x02K\x02\x86", "K\x01K\x02\x86") TAIL;
    checkpoint *c = NULL;
    hst_error err = {0};
    if (open_file(whole, sizeof whole - 1, &c, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    const hst_tensor *t = checkpoint_tensor(c, "x");
    static const double expected[] = {0, 2, 1, 3};
    for (int i = 0; i < 4; i++) assert_true(tensor_get_f64(t, i) == expected[i]);
    checkpoint_free(c);

    FILE_BAD(HEAD TENSOR("K\x01", "K\x04\x85", "K\x01\x85") TAIL, HST_STATUS_BAD_FORMAT, "reaches beyond its storage");
    FILE_BAD(HEAD TENSOR("K\x00", "K\x03\x85", "K\x02\x85") TAIL, HST_STATUS_BAD_FORMAT, "reaches beyond its storage");
    FILE_BAD(HEAD TENSOR("K\x05", "K\x00\x85", "K\x01\x85") TAIL, HST_STATUS_BAD_FORMAT, "reaches beyond its storage");
    FILE_BAD(HEAD TENSOR("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", "K\x01\x85", "K\x01\x85") TAIL,
             HST_STATUS_BAD_FORMAT, "reaches beyond its storage");
    FILE_BAD(HEAD TENSOR("K\x00", "K\x02\x85", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85") TAIL,
             HST_STATUS_BAD_FORMAT, "reaches beyond its storage");
    FILE_BAD(HEAD TENSOR("K\x00", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85", "K\x00\x85") TAIL,
             HST_STATUS_BAD_SHAPE, "overflow");
    /* 2^40 elements out of one: no bomb. */
    FILE_BAD(HEAD TENSOR("K\x00", "\x8a\x06\0\0\0\0\0\x01\x85", "K\x00\x85") TAIL, HST_STATUS_BUDGET,
             "unpack to more than");
    FILE_BAD(HEAD TENSOR("K\x00", "J\xff\xff\xff\xff\x85", "K\x01\x85") TAIL, HST_STATUS_BAD_FORMAT, "whole numbers");
    FILE_BAD(HEAD TENSOR("J\xff\xff\xff\xff", "K\x01\x85", "K\x01\x85") TAIL, HST_STATUS_BAD_FORMAT, "no whole number");
    FILE_BAD(HEAD TENSOR("K\x00", "K\x01\x85", ")") TAIL, HST_STATUS_BAD_FORMAT, "equally long");
    FILE_BAD(HEAD TENSOR("K\x00", "K\x01\x85", "K\x01\x85") TAIL "x", HST_STATUS_BAD_FORMAT, "1 bytes follow");
    FILE_BAD(HEAD TENSOR("K\x00", "K\x01\x85", "K\x01\x85") "].", HST_STATUS_BAD_FORMAT, "is not in the file");
    FILE_BAD(HEAD TENSOR("K\x00", "K\x01\x85", "K\x01\x85") "]U\x01"
                                                            "1a.",
             HST_STATUS_BAD_FORMAT, "no tensor uses");
    FILE_BAD(HEAD TENSOR("K\x00", "K\x01\x85", "K\x01\x85") "]U\x01"
                                                            "0a.\x05\0\0\0\0\0\0\0xxxxyyyyzzzzxxxx",
             HST_STATUS_BAD_FORMAT, "passes the end");
    FILE_BAD(HEAD TENSOR("K\x00", "K\x01\x85", "K\x01\x85") "]U\x01"
                                                            "0a.\x01\0\0\0\0\0\0\0xxxx",
             HST_STATUS_BAD_FORMAT, "has 4 bytes but should have 4 elements of 4");
    FILE_BAD(HEAD TENSOR("K\x00", "K\x01\x85", "K\x01\x85") "]U\x01"
                                                            "0a.\xff\xff\xff\xff\xff\xff\xff\xff",
             HST_STATUS_BAD_FORMAT, "passes the end");
    FILE_BAD(HEAD TENSOR("K\x00", "K\x01\x85", "K\x01\x85") "]U\x01"
                                                            "0a.\x01\0\0",
             HST_STATUS_BAD_FORMAT, "cut");
    FILE_BAD(HEAD "N.].", HST_STATUS_BAD_FORMAT, "no dict of weights");
    FILE_BAD("\x80\x02}q\x01.", HST_STATUS_UNSUPPORTED, "torch.save did not write");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),  cmocka_unit_test(attacks),
        cmocka_unit_test(misuse),  cmocka_unit_test(memory_is_limited),
        cmocka_unit_test(tensors),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(memory);
    return failed;
}
