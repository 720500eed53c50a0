/* Tensors and their buffers. A buffer made here is one block: the tensor_buffer, then the elements, both aligned to
 * MEMORY_ALIGN. */
#include "tensor/tensor.h"

#include <string.h>

#include "base/checked.h"
#include "tensor/convert.h"

/* ---- buffers ---- */

#define BUFFER_HEAD ((sizeof(tensor_buffer) + MEMORY_ALIGN - 1) / MEMORY_ALIGN * MEMORY_ALIGN)

void tensor_buffer_release(tensor_buffer *b) {
    hst_allocator a = b->allocator;
    memory_free(&a, b, BUFFER_HEAD + b->size);
}

tensor_buffer *tensor_buffer_new(size_t size, const hst_allocator *a) {
    size_t need;
    if (!a) a = allocator_default();
    if (!size_add(size, BUFFER_HEAD, &need)) return NULL;
    tensor_buffer *b = memory_alloc(a, need, MEMORY_ALIGN);
    if (!b) return NULL;
    *b = (tensor_buffer){.references = 1, .release = tensor_buffer_release, .allocator = *a, .size = size};
    b->data = (char *)b + BUFFER_HEAD;
    return b;
}

tensor_buffer *tensor_buffer_retain(tensor_buffer *b) {
    if (b) __atomic_fetch_add(&b->references, 1, __ATOMIC_RELAXED);
    return b;
}

void tensor_buffer_drop(tensor_buffer *b) {
    if (b && __atomic_fetch_sub(&b->references, 1, __ATOMIC_ACQ_REL) == 1) b->release(b);
}

/* ---- shapes ---- */

hst_status shape_count(int rank, const int64_t *dim, int64_t *count, hst_error *err) {
    if (rank < 0 || rank > HST_RANK_MAX)
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "rank %d is outside 0 to %d", rank, HST_RANK_MAX);
    int64_t n = 1;
    bool empty = false, over = false;
    for (int i = 0; i < rank; i++) {
        if (dim[i] < 0)
            return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "dimension %d is negative: %lld", i, (long long)dim[i]);
        if (dim[i] == 0)
            empty = true;
        else if (!s64_mul(n, dim[i], &n))
            over = true;
        if (over) n = 1;
    }
    if (over) return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "the product of %d dimensions overflows", rank);
    *count = empty ? 0 : n;
    return HST_STATUS_OK;
}

hst_status shape_bytes(hst_dtype d, int rank, const int64_t *dim, size_t *bytes, hst_error *err) {
    int64_t count = 0;
    HST_TRY(shape_count(rank, dim, &count, err));
    bool list = d == HST_DTYPE_SEQUENCE || d == HST_DTYPE_OPTIONAL || d == HST_DTYPE_MAP;
    if (!list && !dtype_valid((int)d))
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "unknown element type %d", (int)d);
    if (list && rank != 1) return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "a %s of rank %d", dtype_name(d), rank);
    bool fits = list                    ? size_mul((size_t)count, sizeof(hst_tensor *), bytes)
                : d == HST_DTYPE_STRING ? size_mul((size_t)count, sizeof(hst_string), bytes)
                                        : dtype_bytes(d, (size_t)count, bytes);
    if (!fits || *bytes > PTRDIFF_MAX)
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "the size of %lld elements of type %s overflows",
                         (long long)count, dtype_name(d));
    return HST_STATUS_OK;
}

/* ---- tensors ---- */

static hst_status new_handle(hst_dtype d, int rank, const int64_t *dim, const hst_allocator *a, hst_tensor **out,
                             hst_error *err) {
    size_t bytes = 0;
    if (!a) a = allocator_default();
    HST_TRY(shape_bytes(d, rank, dim, &bytes, err));
    hst_tensor *t = memory_alloc(a, sizeof *t, 16);
    if (!t) return error_no_memory(err, sizeof *t, "a tensor");
    memset(t, 0, sizeof *t);
    t->dtype = d;
    t->rank = rank;
    for (int i = 0; i < rank; i++) t->dim[i] = dim[i];
    t->bytes = bytes;
    t->allocator = *a;
    *out = t;
    return HST_STATUS_OK;
}

hst_status tensor_new(hst_dtype d, int rank, const int64_t *dim, const hst_allocator *a, hst_tensor **out,
                      hst_error *err) {
    hst_tensor *t = NULL;
    HST_TRY(new_handle(d, rank, dim, a, &t, err));
    t->buffer = tensor_buffer_new(t->bytes, a);
    if (!t->buffer) {
        size_t bytes = t->bytes;
        tensor_free(t);
        return error_no_memory(err, bytes, "a tensor");
    }
    t->data = t->buffer->data;
    memset(t->data, 0, t->bytes);
    *out = t;
    return HST_STATUS_OK;
}

hst_status tensor_new_borrowed(hst_dtype d, int rank, const int64_t *dim, const void *data, size_t bytes,
                               const hst_allocator *a, hst_tensor **out, hst_error *err) {
    hst_tensor *t = NULL;
    HST_TRY(new_handle(d, rank, dim, a, &t, err));
    if (t->bytes != bytes || (!data && bytes)) {
        size_t need = t->bytes;
        tensor_free(t);
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "a tensor of this shape has %zu bytes, %zu were given", need,
                         data ? bytes : 0);
    }
    t->data = (void *)(uintptr_t)data;
    *out = t;
    return HST_STATUS_OK;
}

hst_status tensor_new_strings(int rank, const int64_t *dim, const hst_string *from, const hst_allocator *a,
                              hst_tensor **out, hst_error *err) {
    hst_tensor *t = NULL;
    HST_TRY(new_handle(HST_DTYPE_STRING, rank, dim, a, &t, err));
    int64_t count = tensor_count(t);
    size_t size = t->bytes;
    bool fits = true;
    for (int64_t i = 0; i < count && fits; i++) fits = size_add(size, from[i].size, &size);
    t->buffer = fits ? tensor_buffer_new(size, a) : NULL;
    if (!t->buffer) {
        tensor_free(t);
        return error_no_memory(err, size, "a tensor of strings");
    }
    hst_string *to = t->data = t->buffer->data;
    char *at = (char *)t->data + t->bytes;
    for (int64_t i = 0; i < count; i++) {
        to[i] = (hst_string){at, from[i].size};
        if (from[i].size) memcpy(at, from[i].data, from[i].size);
        at += from[i].size;
    }
    *out = t;
    return HST_STATUS_OK;
}

hst_status tensor_view(const hst_tensor *t, int rank, const int64_t *dim, const hst_allocator *a, hst_tensor **out,
                       hst_error *err) {
    hst_tensor *v = NULL;
    HST_TRY(new_handle(t->dtype, rank, dim, a, &v, err));
    if (tensor_count(v) != tensor_count(t)) {
        long long has = (long long)tensor_count(t), wants = (long long)tensor_count(v);
        tensor_free(v);
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "a tensor of %lld elements cannot be viewed as %lld", has,
                         wants);
    }
    v->buffer = tensor_buffer_retain(t->buffer);
    v->data = t->data;
    *out = v;
    return HST_STATUS_OK;
}

static hst_status clone_list(const hst_tensor *t, const hst_allocator *a, hst_tensor **out, hst_error *err) {
    int64_t n = tensor_count(t);
    hst_tensor **items = memory_alloc(a, t->bytes, 16);
    if (!items) return error_no_memory(err, t->bytes, "a sequence");
    memset(items, 0, t->bytes);
    hst_status status = HST_STATUS_OK;
    for (int64_t i = 0; i < n && status == HST_STATUS_OK; i++)
        status = tensor_clone(tensor_item(t, i), a, &items[i], err);
    if (status == HST_STATUS_OK) {
        status = tensor_new_list(t->dtype, items, n, a, out, err);
    } else {
        for (int64_t i = 0; i < n; i++) tensor_free(items[i]);
    }
    memory_free(a, items, t->bytes);
    return status;
}

hst_status tensor_clone(const hst_tensor *t, const hst_allocator *a, hst_tensor **out, hst_error *err) {
    if (t->dtype == HST_DTYPE_STRING) return tensor_new_strings(t->rank, t->dim, t->data, a, out, err);
    if (tensor_is_list(t)) return clone_list(t, a, out, err);
    HST_TRY(tensor_new(t->dtype, t->rank, t->dim, a, out, err));
    if (t->bytes) memcpy((*out)->data, t->data, t->bytes);
    return HST_STATUS_OK;
}

void tensor_free(hst_tensor *t) {
    if (!t) return;
    tensor_buffer_drop(t->buffer);
    hst_allocator a = t->allocator;
    memory_free(&a, t, sizeof *t);
}

int64_t tensor_count(const hst_tensor *t) {
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] == 0) return 0;
    for (int i = 0; i < t->rank; i++) n *= t->dim[i];
    return n;
}

/* ---- elements ---- */

double tensor_get_f64(const hst_tensor *t, int64_t i) {
    double x = 0;
    convert_to_f64(t->dtype, t->data, i, &x, 1);
    return x;
}

double tensor_get_part(const hst_tensor *t, int64_t i) {
    double x = 0;
    convert_to_f64(dtype_part(t->dtype), t->data, i, &x, 1);
    return x;
}

int64_t tensor_get_s64(const hst_tensor *t, int64_t i) {
    int64_t x = 0;
    convert_to_s64(t->dtype, t->data, i, &x, 1);
    return x;
}

void tensor_set_f64(hst_tensor *t, int64_t i, double x) {
    convert_from_f64(t->dtype, &x, t->data, i, 1);
}
void tensor_set_s64(hst_tensor *t, int64_t i, int64_t x) {
    convert_from_s64(t->dtype, &x, t->data, i, 1);
}

hst_status tensor_read_s64(const hst_tensor *t, int64_t *to, int most, int *count, hst_error *err) {
    if (t->dtype != HST_DTYPE_S64 && t->dtype != HST_DTYPE_S32)
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "expected integers of type s64 or s32, found %s",
                         dtype_name(t->dtype));
    int64_t n = tensor_count(t);
    if (t->rank > 1 || n > most)
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL,
                         "expected at most %d integers in one dimension, found %lld of rank %d", most, (long long)n,
                         t->rank);
    convert_to_s64(t->dtype, t->data, 0, to, n);
    *count = (int)n;
    return HST_STATUS_OK;
}
