/* Maps in messages: keys as numbers or strings, values as a sequence of scalars. In memory both are vectors. */
#include <inttypes.h>
#include <string.h>

#include "onnx/fields.h"
#include "onnx/value_message.h"
#include "onnx/writer.h"
#include "tensor/convert.h"

typedef struct map_parts {
    proto_slice name;
    int64_t key_type, n_keys, n_strings;
    hst_tensor *values; /* the sequence; NULL: none */
} map_parts;

static hst_status parse(value_reader *r, proto_reader p, map_parts *m, hst_error *err) {
    proto_field f;
    proto_list list;
    proto_slice s;
    proto_reader child;
    while (proto_next(&p, &f)) {
        if (f.number == MAP_PROTO_NAME) HST_TRY(proto_bytes(&p, &f, "MapProto.name", &m->name, err));
        if (f.number == MAP_PROTO_KEY_TYPE) HST_TRY(proto_s64(&p, &f, "MapProto.key_type", &m->key_type, err));
        if (f.number == MAP_PROTO_KEYS) {
            HST_TRY(proto_list_open(&p, &f, PROTO_VARINT, "MapProto.keys", &list, err));
            m->n_keys += list.count;
        }
        if (f.number == MAP_PROTO_STRING_KEYS) {
            HST_TRY(proto_bytes(&p, &f, "MapProto.string_keys", &s, err));
            m->n_strings++;
        }
        if (f.number != MAP_PROTO_VALUES) continue;
        if (m->values) return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "MapProto has its values twice");
        HST_TRY(proto_enter(&p, &f, "MapProto.values", &child, err));
        HST_TRY(value_read_message(r, child, HST_DTYPE_SEQUENCE, &m->values, NULL, err));
    }
    return proto_end(&p, "MapProto", err);
}

static hst_status read_strings(proto_reader p, int64_t n, const hst_allocator *a, hst_tensor **out, hst_error *err) {
    size_t bytes = (size_t)n * sizeof(hst_string); /* n is at most the message's size */
    hst_string *strings = memory_alloc(a, bytes, 16);
    proto_field f;
    int64_t i = 0;
    if (!strings) return error_no_memory(err, bytes, "the keys of a map");
    while (proto_next(&p, &f))
        if (f.number == MAP_PROTO_STRING_KEYS) strings[i++] = (hst_string){(const char *)f.bytes.data, f.bytes.size};
    hst_status status = tensor_new_strings(1, &n, strings, a, out, err);
    memory_free(a, strings, bytes);
    return status;
}

static hst_status read_numbers(proto_reader p, const map_parts *m, const hst_allocator *a, hst_tensor **out,
                               hst_error *err) {
    proto_field f;
    proto_list list;
    uint64_t v;
    int64_t i = 0;
    HST_TRY(tensor_new((hst_dtype)m->key_type, 1, &m->n_keys, a, out, err));
    while (proto_next(&p, &f)) {
        if (f.number != MAP_PROTO_KEYS) continue;
        HST_TRY(proto_list_open(&p, &f, PROTO_VARINT, "MapProto.keys", &list, err));
        for (; proto_list_next(&list, &v); i++) {
            tensor_set_s64(*out, i, (int64_t)v);
            if (tensor_get_s64(*out, i) != (int64_t)v)
                return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "key %" PRId64 " of a map, %" PRId64 ", is no %s", i,
                                 (int64_t)v, dtype_name((*out)->dtype));
        }
    }
    return HST_STATUS_OK;
}

static hst_status read_keys(proto_reader p, const map_parts *m, const hst_allocator *a, hst_tensor **out,
                            hst_error *err) {
    bool strings = m->key_type == HST_DTYPE_STRING;
    if (m->key_type < 0 || m->key_type > INT32_MAX || !dtype_valid((int)m->key_type) ||
        (!strings && (!dtype_is_integer((hst_dtype)m->key_type) || dtype_bits((hst_dtype)m->key_type) < 8)))
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL,
                         "a map has keys of the type %" PRId64 ", no integer or string", m->key_type);
    if (strings ? m->n_keys : m->n_strings)
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "a map has keys of another type than it says");
    return strings ? read_strings(p, m->n_strings, a, out, err) : read_numbers(p, m, a, out, err);
}

/* The scalars of a sequence side by side. */
static hst_status join(const hst_tensor *list, const hst_allocator *a, hst_tensor **out, hst_error *err) {
    int64_t n = list ? tensor_count(list) : 0;
    hst_dtype d = n ? tensor_item(list, 0)->dtype : HST_DTYPE_F32;
    size_t bytes = (size_t)n * sizeof(hst_string);
    for (int64_t i = 0; i < n; i++)
        if (tensor_is_list(tensor_item(list, i)) || tensor_item(list, i)->dtype != d ||
            tensor_count(tensor_item(list, i)) != 1 || (d != HST_DTYPE_STRING && dtype_bits(d) < 8))
            return error_set(err, HST_STATUS_UNSUPPORTED, NULL,
                             "value %" PRId64 " of a map is no scalar like the others", i);
    if (d == HST_DTYPE_STRING) {
        hst_string *strings = memory_alloc(a, bytes, 16);
        if (!strings) return error_no_memory(err, bytes, "the values of a map");
        for (int64_t i = 0; i < n; i++) strings[i] = *(const hst_string *)tensor_item(list, i)->data;
        hst_status status = tensor_new_strings(1, &n, strings, a, out, err);
        memory_free(a, strings, bytes);
        return status;
    }
    HST_TRY(tensor_new(d, 1, &n, a, out, err));
    size_t size = (size_t)dtype_bits(d) / 8;
    for (int64_t i = 0; i < n; i++) memcpy((char *)(*out)->data + (size_t)i * size, tensor_item(list, i)->data, size);
    return HST_STATUS_OK;
}

hst_status value_read_map(value_reader *r, proto_reader p, hst_tensor **out, proto_slice *name, hst_error *err) {
    map_parts m = {.name = {(const unsigned char *)"", 0}};
    hst_tensor *items[2] = {NULL, NULL};
    hst_status status = parse(r, p, &m, err);
    if (status == HST_STATUS_OK) status = read_keys(p, &m, r->source.allocator, &items[0], err);
    if (status == HST_STATUS_OK) status = join(m.values, r->source.allocator, &items[1], err);
    if (status == HST_STATUS_OK && items[0]->dim[0] != items[1]->dim[0])
        status = error_set(err, HST_STATUS_BAD_FORMAT, NULL, "a map has %" PRId64 " keys and %" PRId64 " values",
                           items[0]->dim[0], items[1]->dim[0]);
    tensor_free(m.values);
    if (name) *name = m.name;
    if (status == HST_STATUS_OK) return tensor_new_list(HST_DTYPE_MAP, items, 2, r->source.allocator, out, err);
    tensor_free(items[0]);
    tensor_free(items[1]);
    return status;
}

void value_put_map(proto_writer *p, const hst_tensor *t, const char *name) {
    const hst_tensor *keys = tensor_item(t, 0), *values = tensor_item(t, 1);
    size_t size = values->dtype == HST_DTYPE_STRING ? sizeof(hst_string) : (size_t)dtype_bits(values->dtype) / 8;
    if (name) proto_put_string(p, MAP_PROTO_NAME, name);
    proto_put_s64(p, MAP_PROTO_KEY_TYPE, keys->dtype);
    for (int64_t i = 0; i < keys->dim[0]; i++) {
        const hst_string *s = keys->data;
        if (keys->dtype == HST_DTYPE_STRING)
            proto_put_bytes(p, MAP_PROTO_STRING_KEYS, s[i].data, s[i].size);
        else
            proto_put_s64(p, MAP_PROTO_KEYS, tensor_get_s64(keys, i));
    }
    proto_open(p, MAP_PROTO_VALUES);
    proto_put_s64(p, VALUE_ELEM_TYPE, 1);
    for (int64_t i = 0; i < values->dim[0]; i++) {
        hst_tensor one = {.dtype = values->dtype, .data = (char *)values->data + (size_t)i * size, .bytes = size};
        write_tensor(p, NULL, VALUE_TENSOR, &one, NULL, (bytes){NULL, 0}, WRITE_INLINE);
    }
    proto_close(p);
}
