/* What a message holds beyond the graph's own members, kept as read. For nodes, graphs and the model `extra` is those
 * fields one after another. For values and attributes it is a message of its own, with the fields below. */
#ifndef ONNX_EXTRA_H
#define ONNX_EXTRA_H

#include "base/proto.h"
#include "graph/graph.h"

enum {
    EXTRA_INFO = 1,   /* value: the rest of its ValueInfoProto */
    EXTRA_TENSOR = 2, /* value: the rest of its TensorProto; attribute: of each of its tensors, in order */
    EXTRA_TYPE = 3,   /* value: its TypeProto, where that says more than dtype and shape */
    EXTRA_REST = 4    /* attribute: the rest of its AttributeProto */
};

typedef struct extra_builder {
    arena *scratch;
    const unsigned char *data; /* borrowed while it is one piece of the file */
    unsigned char *own;
    size_t size, capacity;
    bool failed;
} extra_builder;

void extra_begin(extra_builder *b, arena *scratch);
void extra_add(extra_builder *b, proto_slice fields);                   /* whole fields, as they are */
void extra_put(extra_builder *b, uint32_t number, proto_slice content); /* one field of bytes */
/* Borrows from the file where it can, else copies into `a`. False: no memory. */
bool extra_take(const extra_builder *b, arena *a, bytes *out);

/* The content of the index-th field `number`; data NULL where there is none. */
bytes extra_get(bytes extra, uint32_t number, int64_t index);

#endif
