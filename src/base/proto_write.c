/* Writing the protobuf wire format: one emit function, run once to measure and once to write. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/proto.h"

typedef struct nested {
    uint64_t size;
    size_t parent; /* index + 1 of the message around it, 0: the outermost */
} nested;

struct proto_writer {
    bool measuring;
    uint64_t size;    /* measuring: of the message now open; writing: bytes given to the sink or buffered */
    nested *messages; /* in the order in which they are opened */
    size_t count, capacity, next, open;
    proto_sink sink;
    void *user;
    hst_status status;
    hst_error *err;
    size_t used;
    unsigned char buffer[8192];
};

static void flush(proto_writer *w) {
    if (w->used && w->status == HST_STATUS_OK) w->status = w->sink(w->user, w->buffer, w->used, w->err);
    w->used = 0;
}

static void put(proto_writer *w, const void *data, size_t size) {
    if (w->status != HST_STATUS_OK || !size) return;
    w->size += size;
    if (w->measuring) return;
    if (size > sizeof w->buffer - w->used) flush(w);
    if (size >= sizeof w->buffer) {
        if (w->status == HST_STATUS_OK) w->status = w->sink(w->user, data, size, w->err);
        return;
    }
    memcpy(w->buffer + w->used, data, size);
    w->used += size;
}

static size_t encode_varint(uint64_t value, unsigned char to[10]) {
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) to[n++] = (unsigned char)(value | 0x80);
    to[n++] = (unsigned char)value;
    return n;
}

static void put_varint(proto_writer *w, uint64_t value) {
    unsigned char bytes[10];
    put(w, bytes, encode_varint(value, bytes));
}

static void put_tag(proto_writer *w, uint32_t number, proto_wire wire) {
    put_varint(w, (uint64_t)number << 3 | (unsigned)wire);
}

static void put_f32_bits(proto_writer *w, float value) {
    uint32_t u;
    memcpy(&u, &value, 4);
    unsigned char bytes[4] = {(unsigned char)u, (unsigned char)(u >> 8), (unsigned char)(u >> 16),
                              (unsigned char)(u >> 24)};
    put(w, bytes, 4);
}

void proto_put_s64(proto_writer *w, uint32_t number, int64_t value) {
    put_tag(w, number, PROTO_VARINT);
    put_varint(w, (uint64_t)value);
}

void proto_put_f32(proto_writer *w, uint32_t number, float value) {
    put_tag(w, number, PROTO_FIXED32);
    put_f32_bits(w, value);
}

void proto_put_bytes(proto_writer *w, uint32_t number, const void *data, size_t size) {
    put_tag(w, number, PROTO_BYTES);
    put_varint(w, size);
    put(w, data, size);
}

void proto_put_string(proto_writer *w, uint32_t number, const char *text) {
    proto_put_bytes(w, number, text, strlen(text));
}

void proto_put_raw(proto_writer *w, const void *data, size_t size) {
    put(w, data, size);
}

static bool add_message(proto_writer *w) {
    if (w->count == w->capacity) {
        size_t capacity = w->capacity ? 2 * w->capacity : 256, bytes;
        nested *grown = size_mul(capacity, sizeof *grown, &bytes) ? realloc(w->messages, bytes) : NULL;
        if (!grown) {
            w->status = error_no_memory(w->err, capacity * sizeof *grown, "the lengths of protobuf messages");
            return false;
        }
        w->messages = grown;
        w->capacity = capacity;
    }
    w->messages[w->count++] = (nested){w->size, w->open};
    return true;
}

void proto_open(proto_writer *w, uint32_t number) {
    put_tag(w, number, PROTO_BYTES);
    if (w->status != HST_STATUS_OK) return;
    if (w->measuring) {
        if (!add_message(w)) return; /* holds the size of the message around until proto_close */
        w->open = w->count;
        w->size = 0;
    } else if (w->next < w->count) {
        put_varint(w, w->messages[w->next++].size);
    } else {
        w->status = error_set(w->err, HST_STATUS_INTERNAL, NULL, "protobuf writer opens a message it did not measure");
    }
}

void proto_close(proto_writer *w) {
    if (!w->measuring || w->status != HST_STATUS_OK) return;
    nested *m = &w->messages[w->open - 1];
    uint64_t inner = w->size;
    unsigned char bytes[10];
    w->size = m->size + encode_varint(inner, bytes) + inner;
    m->size = inner;
    w->open = m->parent;
}

void proto_fail(proto_writer *w, hst_status status) {
    if (w->status == HST_STATUS_OK) w->status = status;
}

hst_status proto_status(const proto_writer *w) {
    return w->status;
}
hst_error *proto_error(proto_writer *w) {
    return w->err;
}

static proto_writer *writer_new(hst_error *err) {
    proto_writer *w = calloc(1, sizeof *w);
    if (!w) {
        error_no_memory(err, sizeof *w, "a protobuf writer");
        return NULL;
    }
    w->measuring = true;
    w->err = err;
    return w;
}

static void writer_free(proto_writer *w) {
    free(w->messages);
    free(w);
}

hst_status proto_measure(proto_emit emit, void *context, uint64_t *size, hst_error *err) {
    proto_writer *w = writer_new(err);
    if (!w) return HST_STATUS_NO_MEMORY;
    emit(w, context);
    hst_status status = w->status;
    *size = w->size;
    writer_free(w);
    return status;
}

hst_status proto_write(proto_emit emit, void *context, proto_sink sink, void *user, uint64_t *size, hst_error *err) {
    proto_writer *w = writer_new(err);
    if (!w) return HST_STATUS_NO_MEMORY;
    emit(w, context);
    uint64_t total = w->size;
    if (w->status == HST_STATUS_OK) {
        w->measuring = false;
        w->size = 0;
        w->sink = sink;
        w->user = user;
        emit(w, context);
        flush(w);
    }
    if (w->status == HST_STATUS_OK && (w->size != total || w->next != w->count))
        w->status = error_set(err, HST_STATUS_INTERNAL, NULL, "protobuf writer measured %llu bytes and wrote %llu",
                              (unsigned long long)total, (unsigned long long)w->size);
    if (size) *size = total;
    hst_status status = w->status;
    writer_free(w);
    return status;
}
