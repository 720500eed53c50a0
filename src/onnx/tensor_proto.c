/* TensorProto: its parts, the check of elements against bytes, and the choice between borrowing and copying. */
#include "onnx/tensor_proto.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "onnx/fields.h"
#include "tensor/convert.h"

static hst_status bad(hst_error *err, const char *text) {
    return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "%s", text);
}

static hst_status parse_dims(const proto_reader *p, const proto_field *f, tensor_parts *t, hst_error *err) {
    proto_list list;
    uint64_t v;
    HST_TRY(proto_list_open(p, f, PROTO_VARINT, "TensorProto.dims", &list, err));
    if (list.count > HST_RANK_MAX - t->rank)
        return error_set(err, HST_STATUS_UNSUPPORTED, NULL, "has more than %d dimensions", HST_RANK_MAX);
    while (proto_list_next(&list, &v)) {
        if ((int64_t)v < 0)
            return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "dimension %d is negative: %" PRId64, t->rank,
                             (int64_t)v);
        t->dim[t->rank++] = (int64_t)v;
    }
    return HST_STATUS_OK;
}

/* A decimal number, as external_data writes offset and length. */
static bool parse_number(proto_slice s, uint64_t *out) {
    uint64_t n = 0;
    if (!s.size) return false;
    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') return false;
        if (__builtin_mul_overflow(n, (uint64_t)10, &n) || __builtin_add_overflow(n, (uint64_t)(s.data[i] - '0'), &n))
            return false;
    }
    *out = n;
    return true;
}

static bool same(proto_slice s, const char *text) {
    return s.size == strlen(text) && memcmp(s.data, text, s.size) == 0;
}

static hst_status parse_external(const proto_reader *p, const proto_field *field, tensor_parts *t, hst_error *err) {
    proto_reader e;
    proto_field f;
    proto_slice key = {0}, value = {(const unsigned char *)"", 0};
    HST_TRY(proto_enter(p, field, "TensorProto.external_data", &e, err));
    while (proto_next(&e, &f)) {
        if (f.number == ENTRY_KEY) HST_TRY(proto_bytes(&e, &f, "external_data.key", &key, err));
        if (f.number == ENTRY_VALUE) HST_TRY(proto_bytes(&e, &f, "external_data.value", &value, err));
    }
    HST_TRY(proto_end(&e, "external_data", err));
    bool fine = true;
    if (same(key, "location")) t->location = value;
    if (same(key, "offset")) fine = parse_number(value, &t->offset);
    if (same(key, "length")) fine = t->has_length = parse_number(value, &t->length);
    if (fine) return HST_STATUS_OK;
    return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "external data has %.*s '%.*s', which is no count of bytes",
                     (int)key.size, (const char *)key.data, value.size > 40 ? 40 : (int)value.size,
                     (const char *)value.data);
}

static hst_status parse_typed(const proto_reader *p, const proto_field *f, tensor_parts *t, hst_error *err) {
    int64_t more = 1;
    if (f->number == TENSOR_STRING_DATA) {
        proto_slice s;
        HST_TRY(proto_bytes(p, f, "TensorProto.string_data", &s, err));
    } else {
        proto_wire element = f->number == TENSOR_FLOAT_DATA    ? PROTO_FIXED32
                             : f->number == TENSOR_DOUBLE_DATA ? PROTO_FIXED64
                                                               : PROTO_VARINT;
        proto_list list;
        HST_TRY(proto_list_open(p, f, element, "TensorProto's typed data", &list, err));
        more = list.count;
    }
    if (more && t->typed && t->typed != f->number)
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "has data in two fields (%d and %d)", (int)t->typed,
                         (int)f->number);
    if (more) t->typed = f->number;
    t->typed_count += more;
    return HST_STATUS_OK;
}

static hst_status parse_field(const proto_reader *p, const proto_field *f, tensor_parts *t, extra_builder *rest,
                              hst_error *err) {
    int64_t n = 0;
    switch (f->number) {
    case TENSOR_DIMS:
        return parse_dims(p, f, t, err);
    case TENSOR_DATA_TYPE:
        HST_TRY(proto_s64(p, f, "TensorProto.data_type", &n, err));
        if (n < 0 || n > INT32_MAX || !dtype_valid((int)n))
            return error_set(err, n > 0 && n < 1000 ? HST_STATUS_UNSUPPORTED : HST_STATUS_BAD_FORMAT, NULL,
                             "has the unknown element type %" PRId64, n);
        t->dtype = (hst_dtype)n;
        return HST_STATUS_OK;
    case TENSOR_SEGMENT:
        return error_set(err, HST_STATUS_UNSUPPORTED, NULL, "is stored in segments, which no ONNX tool reads");
    case TENSOR_NAME:
        return proto_bytes(p, f, "TensorProto.name", &t->name, err);
    case TENSOR_RAW_DATA:
        HST_TRY(proto_bytes(p, f, "TensorProto.raw_data", &t->raw, err));
        if (t->has_raw) return bad(err, "has raw_data twice");
        t->has_raw = true;
        return HST_STATUS_OK;
    case TENSOR_EXTERNAL_DATA:
        return parse_external(p, f, t, err);
    case TENSOR_DATA_LOCATION:
        HST_TRY(proto_s64(p, f, "TensorProto.data_location", &n, err));
        if (n != 0 && n != 1)
            return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "has the unknown data_location %" PRId64, n);
        t->external = n == 1;
        return HST_STATUS_OK;
    case TENSOR_FLOAT_DATA:
    case TENSOR_INT32_DATA:
    case TENSOR_STRING_DATA:
    case TENSOR_INT64_DATA:
    case TENSOR_DOUBLE_DATA:
    case TENSOR_UINT64_DATA:
        return parse_typed(p, f, t, err);
    default:
        if (rest) extra_add(rest, f->whole);
        return HST_STATUS_OK;
    }
}

hst_status tensor_proto_parse(proto_reader p, tensor_parts *t, extra_builder *rest, hst_error *err) {
    proto_field f;
    memset(t, 0, sizeof *t);
    t->name.data = (const unsigned char *)"";
    while (proto_next(&p, &f)) HST_TRY(parse_field(&p, &f, t, rest, err));
    HST_TRY(proto_end(&p, "TensorProto", err));
    if (t->dtype == HST_DTYPE_NONE) return bad(err, "has no element type");
    if (t->external && !t->location.size) return bad(err, "has external data without a location");
    if (t->has_raw && t->raw.size && t->typed) return bad(err, "has both raw_data and typed data");
    return HST_STATUS_OK;
}

static size_t element_align(hst_dtype d) {
    size_t bytes = (size_t)dtype_bits(d) / 8;
    if (d == HST_DTYPE_C64 || d == HST_DTYPE_C128) bytes /= 2;
    return bytes ? bytes : 1;
}

/* A bool is 0 or 1 for everybody who computes with it; a file may hold any byte. */
static bool is_clean(hst_dtype d, const unsigned char *data, size_t size) {
    if (d != HST_DTYPE_B8) return true;
    for (size_t i = 0; i < size; i++)
        if (data[i] > 1) return false;
    return true;
}

static hst_status from_bytes(const tensor_parts *t, tensor_source *s, const unsigned char *data, size_t size,
                             hst_tensor **out, hst_error *err) {
    bool aligned = (uintptr_t)data % element_align(t->dtype) == 0, clean = is_clean(t->dtype, data, size);
    if (!s->copy && clean && (aligned || size > TENSOR_ALIGN_MOST))
        return tensor_new_borrowed(t->dtype, t->rank, t->dim, data, size, s->allocator, out, err);
    HST_TRY(tensor_new(t->dtype, t->rank, t->dim, s->allocator, out, err));
    s->copied += size;
    if (size) memcpy((*out)->data, data, size);
    unsigned char *b = (*out)->data;
    for (size_t i = 0; !clean && i < size; i++) b[i] = b[i] != 0;
    return HST_STATUS_OK;
}

static hst_status from_external(const tensor_parts *t, tensor_source *s, size_t need, hst_tensor **out,
                                hst_error *err) {
    const unsigned char *data = NULL;
    size_t size = 0;
    if (t->dtype == HST_DTYPE_STRING) return bad(err, "is of strings, which cannot be external data");
    if (t->typed || (t->has_raw && t->raw.size)) return bad(err, "has external data and data of its own");
    if (t->has_length && t->length != need)
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL,
                         "has %" PRIu64 " bytes of external data, but its shape needs %zu", t->length, need);
    if (!s->external)
        return error_set(err, HST_STATUS_UNSUPPORTED, NULL,
                         "has its data in the file '%.*s', which cannot be found from here",
                         t->location.size > 200 ? 200 : (int)t->location.size, (const char *)t->location.data);
    HST_TRY(s->external(s->user, t->location, &data, &size, err));
    if (!range_inside(t->offset, need, size))
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL,
                         "has its data at bytes %" PRIu64 " + %zu of '%.*s', which has only %zu", t->offset, need,
                         t->location.size > 200 ? 200 : (int)t->location.size, (const char *)t->location.data, size);
    return from_bytes(t, s, data + t->offset, need, out, err);
}

static hst_status make(proto_reader p, const tensor_parts *t, tensor_source *s, hst_tensor **out, hst_error *err) {
    size_t need = 0;
    int64_t count = 0;
    HST_TRY(shape_bytes(t->dtype, t->rank, t->dim, &need, err));
    HST_TRY(shape_count(t->rank, t->dim, &count, err));
    if (t->external) return from_external(t, s, need, out, err);
    if (t->dtype == HST_DTYPE_STRING) {
        if (t->has_raw && t->raw.size) return bad(err, "is of strings and has raw_data");
        return tensor_proto_strings(p, t, s->allocator, out, err);
    }
    if (t->has_raw && !t->typed) {
        if (t->raw.size != need)
            return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "has %zu bytes of data, but its shape needs %zu",
                             t->raw.size, need);
        return from_bytes(t, s, t->raw.data, need, out, err);
    }
    /* Checked before anything is allocated: a short file must not ask for much memory. */
    if (!t->typed && count > 0)
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "has no data, but its shape needs %zu bytes", need);
    if (t->typed_count < (int64_t)(need / 16))
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL,
                         "has %" PRId64 " numbers of data, but its shape has %" PRId64 " elements", t->typed_count,
                         count);
    HST_TRY(tensor_new(t->dtype, t->rank, t->dim, s->allocator, out, err));
    s->copied += need;
    hst_status status = tensor_proto_decode(p, t, count, (*out)->data, err);
    if (status == HST_STATUS_OK) return status;
    tensor_free(*out);
    *out = NULL;
    return status;
}

hst_status tensor_proto_read(proto_reader p, tensor_source *source, hst_tensor **out, proto_slice *name,
                             extra_builder *rest, hst_error *err) {
    tensor_parts parts;
    *out = NULL;
    hst_status status = tensor_proto_parse(p, &parts, rest, err);
    if (status == HST_STATUS_OK) status = make(p, &parts, source, out, err);
    if (name) *name = parts.name;
    if (status == HST_STATUS_OK) return status;
    int shown = parts.name.size > 100 ? 100 : (int)parts.name.size;
    return error_prefix(err, status, "tensor '%.*s'", shown, (const char *)parts.name.data);
}
