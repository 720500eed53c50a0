/* TensorProto to tensor. */
#ifndef ONNX_TENSOR_PROTO_H
#define ONNX_TENSOR_PROTO_H

#include "base/proto.h"
#include "onnx/extra.h"
#include "tensor/tensor.h"

/* Misaligned elements of up to this many bytes are copied to an aligned place; larger ones stay in the map. */
#define TENSOR_ALIGN_MOST 65536

typedef struct tensor_source {
    const hst_allocator *allocator; /* of the tensors made */
    bool copy;                      /* borrow nothing */
    /* All bytes of an external file; NULL: external data is refused. */
    hst_status (*external)(void *user, proto_slice location, const unsigned char **data, size_t *size, hst_error *err);
    void *user;
    size_t copied; /* counts the bytes that were not borrowed */
} tensor_source;

typedef struct tensor_parts {
    hst_dtype dtype;
    int rank;
    int64_t dim[HST_RANK_MAX];
    proto_slice name;
    bool has_raw, external;
    proto_slice raw;
    proto_slice location;
    uint64_t offset, length; /* of external data */
    bool has_length;
    uint32_t typed; /* field number of the typed data that is there, 0: none */
    int64_t typed_count;
} tensor_parts;

/* Reads the message at p. `rest` (may be NULL) collects the fields that a tensor does not hold. */
hst_status tensor_proto_parse(proto_reader p, tensor_parts *parts, extra_builder *rest, hst_error *err);
/* Parses and makes the tensor. `name` and `rest` may be NULL. Ownership: tensor_free(*out). */
hst_status tensor_proto_read(proto_reader p, tensor_source *source, hst_tensor **out, proto_slice *name,
                             extra_builder *rest, hst_error *err);
/* The typed data fields into `to`, which has room for the shape; not strings. */
hst_status tensor_proto_decode(proto_reader p, const tensor_parts *parts, int64_t count, void *to, hst_error *err);
hst_status tensor_proto_strings(proto_reader p, const tensor_parts *parts, const hst_allocator *a, hst_tensor **out,
                                hst_error *err);
/* SparseTensorProto to a dense tensor of at most `most` bytes. */
hst_status tensor_proto_dense(proto_reader p, tensor_source *source, size_t most, hst_tensor **out, proto_slice *name,
                              extra_builder *rest, hst_error *err);

#endif
