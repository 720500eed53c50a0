/* The typed data fields of a TensorProto: float_data, int32_data, int64_data, uint64_data, double_data, string_data. */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "onnx/fields.h"
#include "onnx/tensor_proto.h"

typedef struct layout { /* how a dtype lies in its typed field */
    uint32_t field;
    proto_wire wire;
    int numbers;       /* of the field an element; 0: elements share a number */
    int size;          /* bytes that one number becomes */
    int64_t low, high; /* of the number, as a signed one */
} layout;

static layout layout_of(hst_dtype d) {
    switch (d) {
    case HST_DTYPE_F32:
        return (layout){TENSOR_FLOAT_DATA, PROTO_FIXED32, 1, 4, 0, UINT32_MAX};
    case HST_DTYPE_C64:
        return (layout){TENSOR_FLOAT_DATA, PROTO_FIXED32, 2, 4, 0, UINT32_MAX};
    case HST_DTYPE_F64:
        return (layout){TENSOR_DOUBLE_DATA, PROTO_FIXED64, 1, 8, INT64_MIN, INT64_MAX};
    case HST_DTYPE_C128:
        return (layout){TENSOR_DOUBLE_DATA, PROTO_FIXED64, 2, 8, INT64_MIN, INT64_MAX};
    case HST_DTYPE_S64:
        return (layout){TENSOR_INT64_DATA, PROTO_VARINT, 1, 8, INT64_MIN, INT64_MAX};
    case HST_DTYPE_U64:
        return (layout){TENSOR_UINT64_DATA, PROTO_VARINT, 1, 8, INT64_MIN, INT64_MAX};
    case HST_DTYPE_U32:
        return (layout){TENSOR_UINT64_DATA, PROTO_VARINT, 1, 4, 0, UINT32_MAX};
    case HST_DTYPE_S32:
        return (layout){TENSOR_INT32_DATA, PROTO_VARINT, 1, 4, INT32_MIN, INT32_MAX};
    case HST_DTYPE_S16:
        return (layout){TENSOR_INT32_DATA, PROTO_VARINT, 1, 2, INT16_MIN, INT16_MAX};
    case HST_DTYPE_U16:
    case HST_DTYPE_F16:
    case HST_DTYPE_BF16:
        return (layout){TENSOR_INT32_DATA, PROTO_VARINT, 1, 2, 0, UINT16_MAX};
    case HST_DTYPE_S8:
        return (layout){TENSOR_INT32_DATA, PROTO_VARINT, 1, 1, INT8_MIN, INT8_MAX};
    case HST_DTYPE_U4:
    case HST_DTYPE_S4:
    case HST_DTYPE_F4E2M1:
    case HST_DTYPE_U2:
    case HST_DTYPE_S2: /* whole bytes; a signed byte is the same bits */
        return (layout){TENSOR_INT32_DATA, PROTO_VARINT, 0, 1, INT8_MIN, UINT8_MAX};
    case HST_DTYPE_F6E2M3:
    case HST_DTYPE_F6E3M2: /* an element each, packed here */
        return (layout){TENSOR_INT32_DATA, PROTO_VARINT, 1, 0, 0, 63};
    default: /* u8, b8, f8 kinds */
        return (layout){TENSOR_INT32_DATA, PROTO_VARINT, 1, 1, 0, UINT8_MAX};
    }
}

/* Element i of 6 bits, as a little-endian stream of bits. */
static void put_6_bits(unsigned char *to, int64_t i, unsigned x) {
    int64_t bit = i * 6;
    unsigned shift = (unsigned)(bit & 7);
    to[bit >> 3] |= (unsigned char)(x << shift);
    if (shift > 2) to[(bit >> 3) + 1] |= (unsigned char)(x >> (8 - shift));
}

static void store(const layout *l, hst_dtype d, unsigned char *to, int64_t i, uint64_t v) {
    if (l->size == 0) {
        put_6_bits(to, i, (unsigned)v);
        return;
    }
    if (d == HST_DTYPE_B8) v = v != 0;
    memcpy(to + i * l->size, &v, (size_t)l->size); /* little-endian, as all machines that hasten runs on */
}

hst_status tensor_proto_decode(proto_reader p, const tensor_parts *t, int64_t count, void *to, hst_error *err) {
    layout l = layout_of(t->dtype);
    int64_t need, i = 0;
    if (l.numbers == 0) {
        int64_t share = 8 / dtype_bits(t->dtype);
        need = count / share + (count % share != 0);
    } else if (!s64_mul(count, l.numbers, &need)) {
        need = INT64_MAX;
    }
    if (t->typed && t->typed != l.field)
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "is of type %s but has its data in field %d instead of %d",
                         dtype_name(t->dtype), (int)t->typed, (int)l.field);
    if (t->typed_count != need)
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL,
                         "has %" PRId64 " numbers of data, but its shape needs %" PRId64, t->typed_count, need);
    proto_field f;
    while (proto_next(&p, &f)) {
        proto_list list;
        uint64_t v;
        if (f.number != l.field) continue;
        HST_TRY(proto_list_open(&p, &f, l.wire, "TensorProto's typed data", &list, err));
        while (proto_list_next(&list, &v)) {
            int64_t x = (int64_t)v;
            if (l.field == TENSOR_INT32_DATA) x = (int32_t)(uint32_t)v; /* writers may sign-extend or not */
            if (x < l.low || x > l.high)
                return error_set(err, HST_STATUS_BAD_FORMAT, NULL,
                                 "element %" PRId64 " is %" PRId64 ", out of range for %s", i, x, dtype_name(t->dtype));
            store(&l, t->dtype, to, i++, (uint64_t)x);
        }
    }
    return HST_STATUS_OK;
}

hst_status tensor_proto_strings(proto_reader p, const tensor_parts *t, const hst_allocator *a, hst_tensor **out,
                                hst_error *err) {
    int64_t count = 0, i = 0;
    HST_TRY(shape_count(t->rank, t->dim, &count, err));
    if (t->typed && t->typed != TENSOR_STRING_DATA)
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "is of strings but has its data in field %d", (int)t->typed);
    if (t->typed_count != count)
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL,
                         "has %" PRId64 " strings, but its shape has %" PRId64 " elements", t->typed_count, count);
    size_t size = (size_t)count * sizeof(hst_string); /* count is at most the file's size */
    hst_string *strings = memory_alloc(a, size, 16);
    if (!strings) return error_no_memory(err, size, "the strings of a tensor");
    proto_field f;
    while (proto_next(&p, &f))
        if (f.number == TENSOR_STRING_DATA) strings[i++] = (hst_string){(const char *)f.bytes.data, f.bytes.size};
    hst_status status = tensor_new_strings(t->rank, t->dim, strings, a, out, err);
    memory_free(a, strings, size);
    return status;
}
