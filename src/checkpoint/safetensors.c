/* safetensors: 8 bytes little-endian N; N bytes of JSON that begin with '{'; the tensors' bytes.
 *
 *     {"__metadata__": {"format": "pt"}, "name": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}, …}
 *
 * Offsets count from the end of the header; the tensors tile that part exactly. Tensors borrow from `data`. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/json.h"
#include "checkpoint/weights.h"

#define HEADER_MOST 100000000 /* the format's own limit */

typedef struct entry {
    const char *name;
    size_t name_size;
    hst_dtype dtype;
    int rank;
    int64_t dim[HST_RANK_MAX];
    uint64_t begin, end;
} entry;

static const struct {
    const char *name;
    hst_dtype dtype;
} dtypes[] = {
    {"BOOL", HST_DTYPE_B8},
    {"U8", HST_DTYPE_U8},
    {"I8", HST_DTYPE_S8},
    {"U16", HST_DTYPE_U16},
    {"I16", HST_DTYPE_S16},
    {"U32", HST_DTYPE_U32},
    {"I32", HST_DTYPE_S32},
    {"U64", HST_DTYPE_U64},
    {"I64", HST_DTYPE_S64},
    {"F16", HST_DTYPE_F16},
    {"BF16", HST_DTYPE_BF16},
    {"F32", HST_DTYPE_F32},
    {"F64", HST_DTYPE_F64},
    {"C64", HST_DTYPE_C64},
    {"F8_E4M3", HST_DTYPE_F8E4M3FN},
    {"F8_E5M2", HST_DTYPE_F8E5M2},
    {"F8_E4M3FNUZ", HST_DTYPE_F8E4M3FNUZ},
    {"F8_E5M2FNUZ", HST_DTYPE_F8E5M2FNUZ},
    {"F8_E8M0", HST_DTYPE_F8E8M0},
    {"F4", HST_DTYPE_F4E2M1},
};

#define BAD(...) error_set(err, HST_STATUS_BAD_FORMAT, path, __VA_ARGS__)

static hst_status read_dtype(const char *path, const char *name, const json_t *v, hst_dtype *out, hst_error *err) {
    const char *text = json_string_value(v);
    if (!text) return BAD("'%s': tensor '%s' has %s as its dtype", path, name, json_kind(v));
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(text, dtypes[i].name) == 0) {
            *out = dtypes[i].dtype;
            return HST_STATUS_OK;
        }
    }
    return error_set(err, HST_STATUS_UNSUPPORTED, path, "'%s': tensor '%s' has the unknown dtype '%s'", path, name,
                     text);
}

/* A whole number that JSON wrote as an integer and that is not negative. */
static bool read_natural(const json_t *v, int64_t *out) {
    if (!json_is_integer(v) || json_integer_value(v) < 0) return false;
    *out = json_integer_value(v);
    return true;
}

static hst_status read_shape(const char *path, const json_t *v, entry *e, hst_error *err) {
    size_t rank = json_array_size(v);
    if (!json_is_array(v)) return BAD("'%s': tensor '%s' has %s as its shape", path, e->name, json_kind(v));
    if (rank > HST_RANK_MAX) {
        return error_set(err, HST_STATUS_UNSUPPORTED, path, "'%s': tensor '%s' has %zu dimensions; at most %d are read",
                         path, e->name, rank, HST_RANK_MAX);
    }
    for (size_t i = 0; i < rank; i++) {
        if (!read_natural(json_array_get(v, i), &e->dim[i])) {
            return BAD("'%s': dimension %zu of tensor '%s' is no whole number", path, i, e->name);
        }
    }
    e->rank = (int)rank;
    return HST_STATUS_OK;
}

static hst_status read_entry(const char *path, const json_t *v, uint64_t data_size, entry *e, hst_error *err) {
    int64_t begin, end;
    size_t bytes = 0;
    if (!json_is_object(v)) return BAD("'%s': tensor '%s' is described by %s", path, e->name, json_kind(v));
    HST_TRY(read_dtype(path, e->name, json_object_get(v, "dtype"), &e->dtype, err));
    HST_TRY(read_shape(path, json_object_get(v, "shape"), e, err));
    const json_t *offsets = json_object_get(v, "data_offsets");
    if (json_array_size(offsets) != 2 || !read_natural(json_array_get(offsets, 0), &begin) ||
        !read_natural(json_array_get(offsets, 1), &end)) {
        return BAD("'%s': data_offsets of tensor '%s' are not two whole numbers", path, e->name);
    }
    if (end < begin || (uint64_t)end > data_size) {
        return BAD("'%s': tensor '%s' lies at bytes %lld to %lld of %llu", path, e->name, (long long)begin,
                   (long long)end, (unsigned long long)data_size);
    }
    hst_status status = shape_bytes(e->dtype, e->rank, e->dim, &bytes, err);
    if (status != HST_STATUS_OK) return error_prefix(err, status, "'%s': tensor '%s'", path, e->name);
    int64_t count = 0;
    HST_TRY(shape_count(e->rank, e->dim, &count, err));
    if (dtype_bits(e->dtype) < 8 && count % (8 / dtype_bits(e->dtype)) != 0) {
        return BAD("'%s': tensor '%s' has %lld elements of %d bits, which end inside a byte", path, e->name,
                   (long long)count, dtype_bits(e->dtype));
    }
    if (bytes != (uint64_t)(end - begin)) {
        return BAD("'%s': tensor '%s' has %lld bytes; its shape and dtype need %zu", path, e->name,
                   (long long)(end - begin), bytes);
    }
    e->begin = (uint64_t)begin;
    e->end = (uint64_t)end;
    return HST_STATUS_OK;
}

static int by_place(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static hst_status check_metadata(const char *path, const json_t *v, hst_error *err) {
    const char *key;
    json_t *text;
    if (!json_is_object(v)) return BAD("'%s': __metadata__ is %s, not an object", path, json_kind(v));
    json_object_foreach((json_t *)(uintptr_t)v, key, text) {
        if (!json_is_string(text))
            return BAD("'%s': '%s' in __metadata__ is %s, not a string", path, key, json_kind(text));
    }
    return HST_STATUS_OK;
}

static hst_status read_entries(const char *path, json_t *header, uint64_t data_size, entry *e, size_t *count,
                               hst_error *err) {
    const char *name;
    size_t n = 0;
    json_t *v;
    json_object_foreach(header, name, v) {
        if (strcmp(name, "__metadata__") == 0) {
            HST_TRY(check_metadata(path, v, err));
            continue;
        }
        e[n] = (entry){.name = name, .name_size = strlen(name)};
        HST_TRY(read_entry(path, v, data_size, &e[n], err));
        n++;
    }
    qsort(e, n, sizeof *e, by_place);
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (e[i].begin != at) {
            return BAD(
                "'%s': tensor '%s' begins at byte %llu where %llu is due: tensors must lie without holes or overlap",
                path, e[i].name, (unsigned long long)e[i].begin, (unsigned long long)at);
        }
        at = e[i].end;
    }
    if (at != data_size) {
        return BAD("'%s': the tensors end at byte %llu of %llu", path, (unsigned long long)at,
                   (unsigned long long)data_size);
    }
    *count = n;
    return HST_STATUS_OK;
}

static hst_status parse_header(const char *path, const unsigned char *data, size_t size, json_t **header,
                               size_t *length, hst_error *err) {
    uint64_t n = 0;
    if (size < 8) return BAD("'%s' is no safetensors file: it has %zu bytes", path, size);
    for (int i = 8; i-- > 0;) n = n << 8 | data[i];
    if (n > HEADER_MOST) {
        return BAD("'%s' is no safetensors file: it says that its header has %llu bytes; at most %d are allowed", path,
                   (unsigned long long)n, HEADER_MOST);
    }
    if (n > size - 8) {
        return BAD("'%s' was cut: a header of %llu bytes in a file of %zu", path, (unsigned long long)n, size);
    }
    if (n == 0 || data[8] != '{') return BAD("'%s' is no safetensors file: its header does not begin with '{'", path);
    HST_TRY(json_doc_parse(path, (const char *)data + 8, (size_t)n, header, err));
    *length = (size_t)n;
    return HST_STATUS_OK;
}

hst_status safetensors_read(weights *w, const char *path, const unsigned char *data, size_t size, hst_error *err) {
    json_t *header = NULL;
    size_t length = 0, count = 0, capacity = 0;
    entry *entries = NULL;
    HST_TRY(parse_header(path, data, size, &header, &length, err));
    hst_status status = HST_STATUS_OK;
    const unsigned char *base = data + 8 + length;
    if (!size_mul(json_object_size(header), sizeof *entries, &capacity) ||
        !(entries = memory_alloc(&w->allocator, capacity, 16))) {
        status = error_no_memory(err, capacity, "a safetensors header");
        goto done;
    }
    status = read_entries(path, header, size - 8 - length, entries, &count, err);
    for (size_t i = 0; i < count && status == HST_STATUS_OK; i++) {
        hst_tensor *t = NULL;
        const entry *e = &entries[i];
        status = weights_tensor(w, e->dtype, e->rank, e->dim, base + e->begin, (size_t)(e->end - e->begin), &t, err);
        if (status == HST_STATUS_OK) status = weights_add(w, path, e->name, e->name_size, t, err);
    }
done:
    memory_free(&w->allocator, entries, capacity);
    json_decref(header);
    return status;
}
