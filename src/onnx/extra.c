/* Collecting and finding the fields that are kept for a round trip. */
#include "onnx/extra.h"

#include <string.h>

#include "base/checked.h"

void extra_begin(extra_builder *b, arena *scratch) {
    *b = (extra_builder){.scratch = scratch};
}

static bool reserve(extra_builder *b, size_t more) {
    size_t need, capacity;
    if (!size_add(b->size, more, &need) || !size_mul(need, 2, &capacity)) return false;
    if (b->own && need <= b->capacity) return true;
    unsigned char *own = arena_alloc_aligned(b->scratch, capacity, 1);
    if (!own) return false;
    if (b->size) memcpy(own, b->data, b->size);
    b->data = b->own = own;
    b->capacity = capacity;
    return true;
}

void extra_add(extra_builder *b, proto_slice s) {
    if (b->failed || !s.size) return;
    if (!b->size && !b->own) {
        b->data = s.data;
        b->size = s.size;
    } else if (!b->own && b->data + b->size == s.data) {
        b->size += s.size;
    } else if (reserve(b, s.size)) {
        memcpy(b->own + b->size, s.data, s.size);
        b->size += s.size;
    } else {
        b->failed = true;
    }
}

void extra_put(extra_builder *b, uint32_t number, proto_slice content) {
    unsigned char head[11];
    size_t n = 0;
    if (b->failed || !reserve(b, sizeof head)) {
        b->failed = true;
        return;
    }
    head[n++] = (unsigned char)(number << 3 | PROTO_BYTES);
    for (size_t v = content.size;; v >>= 7) {
        head[n++] = (unsigned char)(v >= 0x80 ? v | 0x80 : v);
        if (v < 0x80) break;
    }
    extra_add(b, (proto_slice){head, n});
    extra_add(b, content);
}

bool extra_take(const extra_builder *b, arena *a, bytes *out) {
    *out = (bytes){NULL, 0};
    if (b->failed) return false;
    if (!b->size) return true;
    *out = (bytes){b->own ? arena_copy(a, b->own, b->size) : b->data, b->size};
    return out->data != NULL;
}

bytes extra_get(bytes extra, uint32_t number, int64_t index) {
    proto_reader r;
    proto_field f;
    proto_begin(&r, extra.data, extra.size);
    while (proto_next(&r, &f))
        if (f.number == number && f.wire == PROTO_BYTES && index-- == 0) return (bytes){f.bytes.data, f.bytes.size};
    return (bytes){NULL, 0};
}
