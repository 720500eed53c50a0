/* Lists: sequences, maps (their keys, their values) and optionals that are empty. The buffer holds the items' handles
 * and frees them with itself. Items are tensors, those of a sequence may be maps: nothing nests deeper, nothing holds
 * itself. */
#include <string.h>

#include "base/checked.h"
#include "tensor/tensor.h"

static void release_items(tensor_buffer *b) {
    hst_tensor **items = b->data;
    for (size_t i = 0; i < b->size / sizeof *items; i++) tensor_free(items[i]);
    tensor_buffer_release(b);
}

static hst_status check_map(hst_tensor *const *items, int64_t n, hst_error *err) {
    const hst_tensor *keys = n == 2 ? items[0] : NULL;
    if (!keys || keys->rank != 1 || items[1]->rank != 1 || keys->dim[0] != items[1]->dim[0])
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "a map wants two vectors of one length, its keys and values");
    if (keys->dtype != HST_DTYPE_STRING && (!dtype_is_integer(keys->dtype) || dtype_bits(keys->dtype) < 8))
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "keys of a map are integers or strings, not %s",
                         dtype_name(keys->dtype));
    return HST_STATUS_OK;
}

bool tensor_fits_list(hst_dtype d, const hst_tensor *item) {
    return !tensor_is_list(item) || (d == HST_DTYPE_SEQUENCE && item->dtype == HST_DTYPE_MAP);
}

hst_status tensor_new_list(hst_dtype d, hst_tensor **items, int64_t n, const hst_allocator *a, hst_tensor **out,
                           hst_error *err) {
    hst_tensor *t = NULL;
    hst_status status = HST_STATUS_OK;
    for (int64_t i = 0; i < n && status == HST_STATUS_OK; i++)
        if (!items[i] || !tensor_fits_list(d, items[i]))
            status = error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL, "item %lld of a %s is no tensor", (long long)i,
                               dtype_name(d));
    if (status == HST_STATUS_OK && d == HST_DTYPE_MAP) status = check_map(items, n, err);
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
