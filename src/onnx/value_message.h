/* What the files that read and write values share: messages within messages. For src/onnx/value_*.c alone. */
#ifndef ONNX_VALUE_MESSAGE_H
#define ONNX_VALUE_MESSAGE_H

#include "base/file.h"
#include "onnx/tensor_proto.h"

typedef struct value_reader {
    tensor_source source;
    const char *path; /* of the file, NULL: none */
    file_map *beside; /* the last external file, until the next one */
} value_reader;

/* `as` as in value_io.h; `name` may be NULL. */
hst_status value_read_message(value_reader *r, proto_reader p, hst_dtype as, hst_tensor **out, proto_slice *name,
                              hst_error *err);
void value_put_message(proto_writer *p, const hst_tensor *t, hst_dtype as, const char *name);

/* value_map.c: MapProto, whose values are a SequenceProto of scalars. */
hst_status value_read_map(value_reader *r, proto_reader p, hst_tensor **out, proto_slice *name, hst_error *err);
void value_put_map(proto_writer *p, const hst_tensor *t, const char *name);

#endif
