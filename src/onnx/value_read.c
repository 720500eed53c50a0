/* Reading values in messages of their own. Sequences and optionals hold messages of each other: the reader recurses as
 * deep as base/proto lets messages nest, and what a sequence may hold is checked once it is read. */
#include "onnx/value_io.h"

#include <stdlib.h>
#include <string.h>

#include "onnx/fields.h"
#include "onnx/value_message.h"

static hst_status find_beside(void *user, proto_slice location, const unsigned char **data, size_t *size,
                              hst_error *err) {
    value_reader *r = user;
    char *path = NULL;
    HST_TRY(file_resolve_inside(r->path, (const char *)location.data, location.size, &path, err));
    file_map_free(r->beside); /* tensors are copied: nobody looks at it any more */
    r->beside = NULL;
    hst_status status = file_map_open(path, false, NULL, &r->beside, err);
    free(path);
    HST_TRY(status);
    *data = r->beside->data;
    *size = r->beside->size;
    return HST_STATUS_OK;
}

/* SequenceProto and OptionalProto have the same numbers: name, elem_type, and a field for each kind of value. */
static hst_status kind_of(uint32_t field, hst_dtype *as, const char *message, hst_error *err) {
    switch (field) {
    case VALUE_TENSOR:
        *as = HST_DTYPE_NONE;
        return HST_STATUS_OK;
    case VALUE_SEQUENCE:
        *as = HST_DTYPE_SEQUENCE;
        return HST_STATUS_OK;
    case VALUE_MAP:
        *as = HST_DTYPE_MAP;
        return HST_STATUS_OK;
    case VALUE_OPTIONAL:
        *as = HST_DTYPE_OPTIONAL;
        return HST_STATUS_OK;
    default:
        return error_set(err, HST_STATUS_UNSUPPORTED, NULL, "%s holds a sparse tensor, which is not read", message);
    }
}

typedef struct items { /* what a message held, in order */
    hst_tensor **list;
    size_t n, capacity;
} items;

static hst_status add_item(items *all, hst_tensor *t, hst_error *err) {
    if (all->n == all->capacity) {
        size_t capacity = all->capacity ? 2 * all->capacity : 8;
        hst_tensor **grown = realloc(all->list, capacity * sizeof(hst_tensor *));
        if (!grown) {
            tensor_free(t);
            return error_no_memory(err, capacity * sizeof(hst_tensor *), "the items of a sequence");
        }
        all->list = grown;
        all->capacity = capacity;
    }
    all->list[all->n++] = t;
    return HST_STATUS_OK;
}

static hst_status read_field(value_reader *r, const proto_reader *p, const proto_field *f, const char *message,
                             items *all, proto_slice *name, int64_t *kind, hst_error *err) {
    hst_dtype as = HST_DTYPE_NONE;
    hst_tensor *t = NULL;
    proto_reader child;
    int64_t holds = (int64_t)f->number - VALUE_TENSOR + 1; /* elem_type of what stands in this field */
    if (f->number == VALUE_NAME) return proto_bytes(p, f, message, name, err);
    if (f->number == VALUE_ELEM_TYPE) {
        HST_TRY(proto_s64(p, f, message, &holds, err));
        if (holds < 0 || holds > VALUE_OPTIONAL - VALUE_TENSOR + 1)
            return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "%s has the unknown elem_type %lld", message,
                             (long long)holds);
        *kind = holds;
        return HST_STATUS_OK;
    }
    if (f->number < VALUE_TENSOR || f->number > VALUE_OPTIONAL) return HST_STATUS_OK;
    HST_TRY(kind_of(f->number, &as, message, err));
    HST_TRY(proto_enter(p, f, message, &child, err));
    hst_status status = value_read_message(r, child, as, &t, NULL, err);
    if (status == HST_STATUS_OK) return add_item(all, t, err);
    return as == HST_DTYPE_NONE ? error_prefix(err, status, "item %zu", all->n) : status;
}

/* Whether elem_type agrees with the fields that were there: a writer may leave it out, not contradict itself. */
static hst_status check_kind(proto_reader p, int64_t kind, const char *message, hst_error *err) {
    proto_field f;
    while (proto_next(&p, &f)) {
        if (f.number < VALUE_TENSOR || f.number > VALUE_OPTIONAL || !kind) continue;
        if ((int64_t)f.number - VALUE_TENSOR + 1 != kind)
            return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "%s has elem_type %lld and a value in field %u", message,
                             (long long)kind, f.number);
    }
    return HST_STATUS_OK;
}

static hst_status finish(items *all, bool sequence, const hst_allocator *a, hst_tensor **out, hst_error *err) {
    for (size_t i = 0; sequence && i < all->n; i++) {
        const hst_tensor *t = all->list[i];
        if (!tensor_fits_list(HST_DTYPE_SEQUENCE, t))
            return error_set(err, HST_STATUS_UNSUPPORTED, NULL, "item %zu of a sequence is of type %s", i,
                             dtype_name(t->dtype));
        if (tensor_is_list(t) != tensor_is_list(all->list[0])) /* without an elem_type nothing else forbids it */
            return error_set(err, HST_STATUS_BAD_FORMAT, NULL,
                             "item %zu of a sequence is of type %s, item 0 of type %s", i, dtype_name(t->dtype),
                             dtype_name(all->list[0]->dtype));
    }
    if (sequence) {
        int64_t n = (int64_t)all->n;
        all->n = 0; /* taken over, also on failure */
        return tensor_new_list(HST_DTYPE_SEQUENCE, all->list, n, a, out, err);
    }
    if (!all->n) return tensor_new_list(HST_DTYPE_OPTIONAL, NULL, 0, a, out, err);
    if (all->n > 1)
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "OptionalProto holds %zu values instead of one", all->n);
    *out = all->list[0];
    all->n = 0;
    return HST_STATUS_OK;
}

static hst_status read_holder(value_reader *r, proto_reader p, bool sequence, hst_tensor **out, proto_slice *name,
                              hst_error *err) {
    const char *message = sequence ? "SequenceProto" : "OptionalProto";
    proto_reader again = p;
    proto_slice given = {(const unsigned char *)"", 0};
    items all = {0};
    int64_t kind = 0;
    proto_field f;
    hst_status status = HST_STATUS_OK;
    while (status == HST_STATUS_OK && proto_next(&p, &f))
        status = read_field(r, &p, &f, message, &all, &given, &kind, err);
    if (status == HST_STATUS_OK) status = proto_end(&p, message, err);
    if (status == HST_STATUS_OK) status = check_kind(again, kind, message, err);
    if (status == HST_STATUS_OK) status = finish(&all, sequence, r->source.allocator, out, err);
    for (size_t i = 0; i < all.n; i++) tensor_free(all.list[i]);
    free(all.list);
    if (name) *name = given;
    return status;
}

hst_status value_read_message(value_reader *r, proto_reader p, hst_dtype as, hst_tensor **out, proto_slice *name,
                              hst_error *err) {
    if (as == HST_DTYPE_NONE) return tensor_proto_read(p, &r->source, out, name, NULL, err);
    if (as == HST_DTYPE_MAP) return value_read_map(r, p, out, name, err);
    return read_holder(r, p, as == HST_DTYPE_SEQUENCE, out, name, err);
}

static hst_status copy_name(proto_slice given, char **name, hst_error *err) {
    *name = malloc(given.size + 1);
    if (!*name) return error_no_memory(err, given.size + 1, "a value's name");
    if (given.size) memcpy(*name, given.data, given.size);
    (*name)[given.size] = '\0';
    return HST_STATUS_OK;
}

hst_status value_read(const void *data, size_t size, const char *path, hst_dtype as, const hst_allocator *a,
                      hst_tensor **out, char **name, hst_error *err) {
    value_reader r = {.source = {.allocator = a, .copy = true, .external = path ? find_beside : NULL, .user = &r},
                      .path = path};
    proto_reader p;
    proto_slice given = {0};
    proto_begin(&p, data, size);
    *out = NULL;
    if (name) *name = NULL;
    hst_status status = value_read_message(&r, p, as, out, &given, err);
    if (status == HST_STATUS_OK && name) status = copy_name(given, name, err);
    file_map_free(r.beside);
    if (status == HST_STATUS_OK) return status;
    tensor_free(*out);
    *out = NULL;
    return status;
}

hst_status value_read_file(const char *path, hst_dtype as, const hst_allocator *a, hst_tensor **out, char **name,
                           hst_error *err) {
    file_map *map = NULL;
    *out = NULL;
    if (name) *name = NULL;
    HST_TRY(file_map_open(path, false, NULL, &map, err));
    hst_status status = value_read(map->data, map->size, path, as, a, out, name, err);
    file_map_free(map);
    return status == HST_STATUS_OK ? status : error_prefix(err, status, "%s", path);
}
