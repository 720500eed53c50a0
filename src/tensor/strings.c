/* String tensors: elements first, then all their bytes, in one buffer. */
#include "tensor/strings.h"

#include <string.h>

#include "base/checked.h"

hst_status tensor_own_strings(hst_tensor *t, hst_error *err) {
    const hst_string *from = t->data;
    size_t count = (size_t)tensor_count(t), size;
    if (!size_mul(count, sizeof *from, &size)) return error_no_memory(err, SIZE_MAX, "strings");
    for (size_t i = 0; i < count; i++)
        if (!size_add(size, from[i].size, &size)) return error_no_memory(err, SIZE_MAX, "strings");
    tensor_buffer *buffer = tensor_buffer_new(size, t->buffer ? &t->buffer->allocator : &t->allocator);
    if (!buffer) return error_no_memory(err, size, "strings");
    hst_string *to = buffer->data;
    char *bytes = (char *)(to + count);
    for (size_t i = 0; i < count; i++) {
        if (from[i].size) memcpy(bytes, from[i].data, from[i].size);
        to[i] = (hst_string){bytes, from[i].size};
        bytes += from[i].size;
    }
    tensor_buffer_drop(t->buffer);
    t->buffer = buffer;
    t->data = to;
    t->bytes = count * sizeof *to;
    return HST_STATUS_OK;
}

int string_compare(const hst_string *a, const hst_string *b) {
    size_t n = a->size < b->size ? a->size : b->size;
    int order = n ? memcmp(a->data, b->data, n) : 0;
    if (order) return order;
    return (a->size > b->size) - (a->size < b->size);
}
