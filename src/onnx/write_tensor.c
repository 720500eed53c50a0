/* Tensor to TensorProto: always raw_data (strings: string_data), or a place in the external file. */
#include <inttypes.h>
#include <stdio.h>

#include "onnx/writer.h"

static void put_entry(proto_writer *p, const char *key, const char *text) {
    proto_open(p, TENSOR_EXTERNAL_DATA);
    proto_put_string(p, ENTRY_KEY, key);
    proto_put_string(p, ENTRY_VALUE, text);
    proto_close(p);
}

/* Offset and length in decimal, as the standard writes them. */
static void put_external(proto_writer *p, const writer *w, const hst_tensor *t, uint64_t offset) {
    char number[24];
    put_entry(p, "location", w->location);
    snprintf(number, sizeof number, "%" PRIu64, offset);
    put_entry(p, "offset", number);
    snprintf(number, sizeof number, "%zu", t->bytes);
    put_entry(p, "length", number);
    proto_put_s64(p, TENSOR_DATA_LOCATION, 1);
}

void write_tensor_fields(proto_writer *p, const writer *w, const hst_tensor *t, const char *name, bytes rest,
                         uint64_t offset) {
    for (int i = 0; i < t->rank; i++) proto_put_s64(p, TENSOR_DIMS, t->dim[i]);
    proto_put_s64(p, TENSOR_DATA_TYPE, t->dtype);
    if (t->dtype == HST_DTYPE_STRING) {
        const hst_string *s = t->data;
        for (int64_t i = 0, n = tensor_count(t); i < n; i++)
            proto_put_bytes(p, TENSOR_STRING_DATA, s[i].data, s[i].size);
    }
    if (name) proto_put_string(p, TENSOR_NAME, name);
    if (t->dtype != HST_DTYPE_STRING && offset == WRITE_INLINE) proto_put_bytes(p, TENSOR_RAW_DATA, t->data, t->bytes);
    if (offset != WRITE_INLINE) put_external(p, w, t, offset);
    proto_put_raw(p, rest.data, rest.size);
}

void write_tensor(proto_writer *p, const writer *w, uint32_t number, const hst_tensor *t, const char *name, bytes rest,
                  uint64_t offset) {
    proto_open(p, number);
    write_tensor_fields(p, w, t, name, rest, offset);
    proto_close(p);
}
