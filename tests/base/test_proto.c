/* The protobuf wire format, read and written. */
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/proto.h"

typedef struct buffer {
    unsigned char data[65536];
    size_t size;
} buffer;

static hst_status sink(void *user, const void *data, size_t size, hst_error *err) {
    buffer *b = user;
    (void)err;
    if (size > sizeof b->data - b->size) return HST_STATUS_IO;
    memcpy(b->data + b->size, data, size);
    b->size += size;
    return HST_STATUS_OK;
}

static char large[20000]; /* more than the writer's buffer */

static void emit(proto_writer *w, void *context) {
    int depth = *(int *)context;
    proto_put_s64(w, 1, -1);
    proto_put_s64(w, 15, 300);
    proto_put_f32(w, 16, 1.5f);
    for (int i = 0; i < depth; i++) {
        proto_open(w, 4);
        proto_put_string(w, 5, "deep");
    }
    proto_put_bytes(w, 6, large, sizeof large);
    for (int i = 0; i < depth; i++) proto_close(w);
    proto_open(w, 7);
    proto_close(w);
    proto_put_string(w, 2, "");
}

static void test_round_trip(void **state) {
    (void)state;
    hst_error err = {0};
    static buffer b;
    int depth = 40;
    uint64_t size = 0, measured = 0;
    for (size_t i = 0; i < sizeof large; i++) large[i] = (char)i;
    assert_int_equal(proto_write(emit, &depth, sink, &b, &size, &err), HST_STATUS_OK);
    assert_int_equal(size, b.size);
    assert_int_equal(proto_measure(emit, &depth, &measured, &err), HST_STATUS_OK);
    assert_int_equal(measured, size);
    proto_reader r, inner;
    proto_field f;
    int64_t i = 0;
    float x = 0;
    proto_slice s;
    proto_begin(&r, b.data, b.size);
    assert_true(proto_next(&r, &f) && f.number == 1);
    assert_int_equal(proto_s64(&r, &f, "a", &i, &err), HST_STATUS_OK);
    assert_int_equal(i, -1);
    assert_true(proto_next(&r, &f) && f.number == 15 && f.value == 300);
    assert_int_equal(proto_f32(&r, &f, "a float", &x, &err), HST_STATUS_BAD_FORMAT);
    assert_non_null(strstr(err.message, "a float at byte 11 has wire type 0"));
    assert_true(proto_next(&r, &f) && f.number == 16);
    assert_int_equal(proto_f32(&r, &f, "a", &x, &err), HST_STATUS_OK);
    assert_true(x == 1.5f);
    assert_true(proto_next(&r, &f) && f.number == 4);
    inner = r;
    for (int k = 0; k < depth; k++) {
        proto_reader next;
        assert_int_equal(proto_enter(&inner, &f, "m", &next, &err), HST_STATUS_OK);
        assert_true(proto_next(&next, &f) && f.number == 5 && f.bytes.size == 4);
        assert_true(proto_next(&next, &f));
        inner = next;
    }
    assert_int_equal(proto_bytes(&inner, &f, "b", &s, &err), HST_STATUS_OK);
    assert_int_equal(s.size, sizeof large);
    assert_memory_equal(s.data, large, s.size);
    assert_false(proto_next(&inner, &f));
    assert_true(proto_next(&r, &f) && f.number == 7 && f.bytes.size == 0);
    assert_true(proto_next(&r, &f) && f.number == 2 && f.bytes.size == 0);
    assert_false(proto_next(&r, &f));
    assert_int_equal(proto_end(&r, "M", &err), HST_STATUS_OK);
}

static void test_sink_fails(void **state) {
    (void)state;
    hst_error err = {0};
    static buffer full;
    int depth = 1;
    full.size = sizeof full.data - 10;
    assert_int_equal(proto_write(emit, &depth, sink, &full, NULL, &err), HST_STATUS_IO);
}

static const char *fault_of(const void *data, size_t size) {
    static hst_error err;
    proto_reader r;
    proto_field f;
    memset(&err, 0, sizeof err);
    proto_begin(&r, data, size);
    while (proto_next(&r, &f)) continue;
    return proto_end(&r, "M", &err) == HST_STATUS_OK ? "" : err.message;
}

static void test_damage(void **state) {
    (void)state;
    assert_string_equal(fault_of("", 0), "");
    assert_non_null(strstr(fault_of("\x08", 1), "inside a number"));
    assert_non_null(strstr(fault_of("\x00\x00", 2), "field number"));
    assert_non_null(strstr(fault_of("\x08\x01\x0a\x05"
                                    "abcd",
                                    8),
                           "longer than what remains at byte 2"));
    assert_non_null(strstr(fault_of("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11), "longer than what remains"));
    assert_non_null(strstr(fault_of("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12), "10 bytes"));
    assert_non_null(strstr(fault_of("\x0d\x01\x02", 3), "fixed-width"));
    assert_non_null(strstr(fault_of("\x09\x01\x02", 3), "fixed-width"));
    assert_non_null(strstr(fault_of("\x0e", 1), "wire type"));
    assert_non_null(strstr(fault_of("\x0c", 1), "wire type")); /* a group's end without its begin */
    assert_string_equal(fault_of("\x0b\x10\x01\x1b\x1c\x0c", 6), "");
    assert_non_null(strstr(fault_of("\x0b\x1b\x0c\x1c", 4), "another one"));
    assert_non_null(strstr(fault_of("\xff\xff\xff\xff\xff\x01\x00", 7), "field number"));
}

static void test_lists(void **state) {
    (void)state;
    hst_error err = {0};
    static const unsigned char packed[] = {0x0a, 0x04, 0x01, 0xac, 0x02, 0x7f}, torn[] = {0x0a, 0x02, 0x01, 0xac},
                               fixed[] = {0x0a, 0x08, 1, 0, 0, 0, 2, 0, 0, 0}, single[] = {0x08, 0x07};
    proto_reader r;
    proto_field f;
    proto_list list;
    uint64_t v[4];
    proto_begin(&r, packed, sizeof packed);
    assert_true(proto_next(&r, &f));
    assert_int_equal(proto_list_open(&r, &f, PROTO_VARINT, "l", &list, &err), HST_STATUS_OK);
    assert_int_equal(list.count, 3);
    for (int i = 0; i < 3; i++) assert_true(proto_list_next(&list, &v[i]));
    assert_false(proto_list_next(&list, &v[3]));
    assert_int_equal(v[1], 300);
    proto_begin(&r, torn, sizeof torn);
    assert_true(proto_next(&r, &f));
    assert_int_equal(proto_list_open(&r, &f, PROTO_VARINT, "l", &list, &err), HST_STATUS_BAD_FORMAT);
    assert_int_equal(proto_list_open(&r, &f, PROTO_FIXED32, "l", &list, &err), HST_STATUS_BAD_FORMAT);
    proto_begin(&r, fixed, sizeof fixed);
    assert_true(proto_next(&r, &f));
    assert_int_equal(proto_list_open(&r, &f, PROTO_FIXED32, "l", &list, &err), HST_STATUS_OK);
    assert_int_equal(list.count, 2);
    assert_true(proto_list_next(&list, &v[0]) && proto_list_next(&list, &v[1]) && v[1] == 2);
    assert_int_equal(proto_list_open(&r, &f, PROTO_FIXED64, "l", &list, &err), HST_STATUS_OK);
    assert_int_equal(list.count, 1);
    proto_begin(&r, single, sizeof single);
    assert_true(proto_next(&r, &f));
    assert_int_equal(proto_list_open(&r, &f, PROTO_VARINT, "l", &list, &err), HST_STATUS_OK);
    assert_true(proto_list_next(&list, &v[0]) && v[0] == 7);
    assert_false(proto_list_next(&list, &v[0]));
    assert_int_equal(proto_list_open(&r, &f, PROTO_FIXED32, "l", &list, &err), HST_STATUS_BAD_FORMAT);
}

static void test_depth(void **state) {
    (void)state;
    hst_error err = {0};
    static unsigned char nest[6000];
    size_t at = sizeof nest;
    for (int k = 0; k < 1000; k++) { /* from the inside out */
        size_t inner = sizeof nest - at;
        if (inner >= 128) nest[--at] = (unsigned char)(inner >> 7);
        nest[--at] = (unsigned char)(inner >= 128 ? (inner & 0x7f) | 0x80 : inner);
        nest[--at] = 0x0a;
    }
    proto_reader r;
    proto_field f;
    int depth = 0;
    proto_begin(&r, nest + at, sizeof nest - at);
    while (proto_next(&r, &f)) {
        proto_reader next;
        if (proto_enter(&r, &f, "m", &next, &err) != HST_STATUS_OK) break;
        r = next;
        depth++;
    }
    assert_int_equal(depth, PROTO_DEPTH_MAX);
    assert_int_equal(err.code, HST_STATUS_BAD_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_sink_fails),
                                       cmocka_unit_test(test_damage), cmocka_unit_test(test_lists),
                                       cmocka_unit_test(test_depth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
