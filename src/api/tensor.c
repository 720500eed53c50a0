/* hst_tensor_*. */
#include <string.h>

#include "api/api.h"
#include "base/checked.h"
#include "tensor/convert.h"

static hst_status need(const void *p, const char *what, hst_error *err) {
    return p ? HST_STATUS_OK : error_set(err, HST_STATUS_INVALID_ARGUMENT, what, "%s is NULL", what);
}

static hst_status need_elements(hst_dtype dtype, hst_error *err) {
    return dtype < HST_DTYPE_SEQUENCE || dtype > HST_DTYPE_MAP
               ? HST_STATUS_OK
               : error_set(err, HST_STATUS_INVALID_ARGUMENT, "dtype",
                           "a %s is made with hst_tensor_new_sequence, _new_map or _new_empty_optional",
                           dtype_name(dtype));
}

static hst_status need_shape(int rank, const int64_t *dims, const void *out, hst_error *err) {
    if (rank > 0) HST_TRY(need(dims, "dims", err));
    return need(out, "out", err);
}

hst_status hst_tensor_new(hst_dtype dtype, int rank, const int64_t *dims, const hst_allocator *a, hst_tensor **out,
                          hst_error *err) {
    HST_TRY(need_shape(rank, dims, out, err));
    HST_TRY(need_elements(dtype, err));
    return tensor_new(dtype, rank, dims, a, out, err);
}

hst_status hst_tensor_new_copy(hst_dtype dtype, int rank, const int64_t *dims, const void *data, size_t bytes,
                               const hst_allocator *a, hst_tensor **out, hst_error *err) {
    size_t wants = 0;
    HST_TRY(need_shape(rank, dims, out, err));
    HST_TRY(need_elements(dtype, err));
    HST_TRY(shape_bytes(dtype, rank, dims, &wants, err));
    if (dtype == HST_DTYPE_STRING)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "dtype", "strings are made with hst_tensor_new_strings");
    if (bytes != wants || (bytes && !data))
        return error_set(err, HST_STATUS_BAD_SHAPE, "bytes", "a tensor of this shape has %zu bytes, %zu were given",
                         wants, data ? bytes : 0);
    HST_TRY(tensor_new(dtype, rank, dims, a, out, err));
    if (bytes) memcpy((*out)->data, data, bytes);
    return HST_STATUS_OK;
}

hst_status hst_tensor_new_strings(int rank, const int64_t *dims, const hst_string *strings, const hst_allocator *a,
                                  hst_tensor **out, hst_error *err) {
    int64_t count = 0;
    HST_TRY(need_shape(rank, dims, out, err));
    HST_TRY(shape_count(rank, dims, &count, err));
    if (count) HST_TRY(need(strings, "strings", err));
    for (int64_t i = 0; i < count; i++)
        if (strings[i].size && !strings[i].data)
            return error_set(err, HST_STATUS_INVALID_ARGUMENT, "strings", "string %lld is NULL", (long long)i);
    return tensor_new_strings(rank, dims, strings, a, out, err);
}

hst_status hst_tensor_new_borrow(hst_dtype dtype, int rank, const int64_t *dims, void *data, size_t bytes,
                                 const hst_allocator *a, hst_tensor **out, hst_error *err) {
    static char nothing[64]; /* hst_tensor_data is never NULL */
    HST_TRY(need_shape(rank, dims, out, err));
    HST_TRY(need_elements(dtype, err));
    return tensor_new_borrowed(dtype, rank, dims, data || bytes ? data : nothing, bytes, a, out, err);
}

hst_status hst_tensor_reshape(const hst_tensor *t, int rank, const int64_t *dims, hst_tensor **out, hst_error *err) {
    HST_TRY(need(t, "t", err));
    HST_TRY(need_shape(rank, dims, out, err));
    return tensor_view(t, rank, dims, &t->allocator, out, err);
}

hst_status hst_tensor_retain(const hst_tensor *t, hst_tensor **out, hst_error *err) {
    HST_TRY(need(t, "t", err));
    return hst_tensor_reshape(t, t->rank, t->dim, out, err);
}

hst_status hst_tensor_convert(const hst_tensor *t, hst_dtype dtype, hst_tensor **out, hst_error *err) {
    hst_tensor *to = NULL;
    HST_TRY(need(t, "t", err));
    HST_TRY(need(out, "out", err));
    if (dtype == HST_DTYPE_STRING || t->dtype == HST_DTYPE_STRING || dtype >= HST_DTYPE_SEQUENCE || tensor_is_list(t))
        return error_set(err, HST_STATUS_UNSUPPORTED, "dtype", "strings and sequences are not converted");
    HST_TRY(tensor_new(dtype, t->rank, t->dim, &t->allocator, &to, err));
    if (!convert_array(t->dtype, t->data, dtype, to->data, tensor_count(t), true)) {
        tensor_free(to);
        return error_set(err, HST_STATUS_UNSUPPORTED, "dtype", "%s is not converted to %s", dtype_name(t->dtype),
                         dtype_name(dtype));
    }
    *out = to;
    return HST_STATUS_OK;
}

/* A list with its own handles on the items. */
static hst_status new_list(hst_dtype d, size_t n, const hst_tensor *const *items, const hst_allocator *a,
                           hst_tensor **out, hst_error *err) {
    size_t bytes = 0;
    hst_tensor **held = n <= INT64_MAX && size_mul(n, sizeof *held, &bytes) ? memory_alloc(a, bytes, 16) : NULL;
    if (!held) return error_no_memory(err, bytes, "a sequence");
    hst_status status = HST_STATUS_OK;
    size_t made = 0;
    for (; made < n && status == HST_STATUS_OK; made++) {
        held[made] = NULL;
        if (!items[made] || !tensor_fits_list(d, items[made]))
            status = error_set(err, HST_STATUS_INVALID_ARGUMENT, "items", "item %zu is no tensor", made);
        else
            status = tensor_view(items[made], items[made]->rank, items[made]->dim, a, &held[made], err);
    }
    if (status == HST_STATUS_OK) {
        status = tensor_new_list(d, held, (int64_t)n, a, out, err);
    } else {
        for (size_t i = 0; i < made; i++) tensor_free(held[i]);
    }
    memory_free(a, held, bytes);
    return status;
}

hst_status hst_tensor_new_sequence(size_t n, const hst_tensor *const *items, const hst_allocator *a, hst_tensor **out,
                                   hst_error *err) {
    HST_TRY(need(out, "out", err));
    if (n) HST_TRY(need(items, "items", err));
    return new_list(HST_DTYPE_SEQUENCE, n, items, a, out, err);
}

hst_status hst_tensor_new_map(const hst_tensor *keys, const hst_tensor *values, const hst_allocator *a,
                              hst_tensor **out, hst_error *err) {
    const hst_tensor *const items[2] = {keys, values};
    HST_TRY(need(keys, "keys", err));
    HST_TRY(need(values, "values", err));
    HST_TRY(need(out, "out", err));
    return new_list(HST_DTYPE_MAP, 2, items, a, out, err);
}

const hst_tensor *hst_tensor_item(const hst_tensor *t, size_t i) {
    return t && tensor_is_list(t) && i < (size_t)tensor_count(t) ? tensor_item(t, (int64_t)i) : NULL;
}

hst_status hst_tensor_new_empty_optional(const hst_allocator *a, hst_tensor **out, hst_error *err) {
    HST_TRY(need(out, "out", err));
    return tensor_new_list(HST_DTYPE_OPTIONAL, NULL, 0, a, out, err);
}

void hst_tensor_free(hst_tensor *t) {
    tensor_free(t);
}

hst_dtype hst_tensor_dtype(const hst_tensor *t) {
    return t->dtype;
}
int hst_tensor_rank(const hst_tensor *t) {
    return t->rank;
}
const int64_t *hst_tensor_dims(const hst_tensor *t) {
    return t->dim;
}
int64_t hst_tensor_count(const hst_tensor *t) {
    return tensor_count(t);
}
size_t hst_tensor_bytes(const hst_tensor *t) {
    return t->bytes;
}
void *hst_tensor_data(hst_tensor *t) {
    return t->data;
}
const void *hst_tensor_view(const hst_tensor *t) {
    return t->data;
}
