/* hst_tensor_*. */
#include <string.h>

#include "api/api.h"
#include "tensor/convert.h"

static hst_status need(const void *p, const char *what, hst_error *err) {
    return p ? HST_STATUS_OK : error_set(err, HST_STATUS_INVALID_ARGUMENT, what, "%s is NULL", what);
}

static hst_status need_shape(int rank, const int64_t *dims, const void *out, hst_error *err) {
    if (rank > 0) HST_TRY(need(dims, "dims", err));
    return need(out, "out", err);
}

hst_status hst_tensor_new(hst_dtype dtype, int rank, const int64_t *dims, const hst_allocator *a, hst_tensor **out,
                          hst_error *err) {
    HST_TRY(need_shape(rank, dims, out, err));
    return tensor_new(dtype, rank, dims, a, out, err);
}

hst_status hst_tensor_new_copy(hst_dtype dtype, int rank, const int64_t *dims, const void *data, size_t bytes,
                               const hst_allocator *a, hst_tensor **out, hst_error *err) {
    size_t wants = 0;
    HST_TRY(need_shape(rank, dims, out, err));
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
    if (dtype == HST_DTYPE_STRING || t->dtype == HST_DTYPE_STRING)
        return error_set(err, HST_STATUS_UNSUPPORTED, "dtype", "strings are not converted");
    HST_TRY(tensor_new(dtype, t->rank, t->dim, &t->allocator, &to, err));
    if (!convert_array(t->dtype, t->data, dtype, to->data, tensor_count(t), true)) {
        tensor_free(to);
        return error_set(err, HST_STATUS_UNSUPPORTED, "dtype", "%s is not converted to %s", dtype_name(t->dtype),
                         dtype_name(dtype));
    }
    *out = to;
    return HST_STATUS_OK;
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
