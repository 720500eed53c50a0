/* Lists: sequences, and optionals that are empty. The buffer holds the items' handles and frees them with itself. Items
 * are never lists, so nothing nests and nothing can hold itself. */
#include <string.h>

#include "base/checked.h"
#include "tensor/tensor.h"

static void release_items(tensor_buffer *b) {
    hst_tensor **items = b->data;
    for (size_t i = 0; i < b->size / sizeof *items; i++) tensor_free(items[i]);
    tensor_buffer_release(b);
}

hst_status tensor_new_list(hst_dtype d, hst_tensor **items, int64_t n, const hst_allocator *a, hst_tensor **out,
                           hst_error *err) {
    hst_tensor *t = NULL;
    hst_status status = HST_STATUS_OK;
    for (int64_t i = 0; i < n && status == HST_STATUS_OK; i++)
        if (!items[i] || tensor_is_list(items[i]))
            status =
                error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL, "item %lld of a sequence is no tensor", (long long)i);
    if (status == HST_STATUS_OK) status = tensor_new(d, 1, &n, a, &t, err);
    if (status != HST_STATUS_OK) {
        for (int64_t i = 0; i < n; i++) tensor_free(items[i]);
        return status;
    }
    if (n) memcpy(t->data, items, (size_t)n * sizeof *items);
    t->buffer->release = release_items;
    *out = t;
    return HST_STATUS_OK;
}
