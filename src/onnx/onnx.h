/* ONNX files in and out. Reading makes a graph/graph.h model in one pass over the mapped file: tensor data is borrowed
 * from the map, model-local functions are inlined, what hasten does not know is kept for a round trip. Knows no
 * operator.
 *
 * The `extra` members that the reader leaves in values, attributes, nodes, graphs and the model are a small private
 * format of this room (onnx/extra.h); the writer puts them back. */
#ifndef ONNX_ONNX_H
#define ONNX_ONNX_H

#include "graph/graph.h"

#define ONNX_IR_NEWEST    14 /* a newer file is read with a warning */
#define ONNX_OPSET_NEWEST 28 /* of the standard's own domain: the same */
#define ONNX_GRAPH_DEPTH  64 /* graphs within graphs */
#define ONNX_CALL_DEPTH   64 /* functions within functions */

/* Where external data of a model that was not read from a path comes from: all bytes of the file that `location` (of
 * `size` bytes, as written in the model) names. The memory must stay until the model is freed. */
typedef hst_status (*onnx_external)(void *user, const char *location, size_t size, const void **data, size_t *bytes,
                                    hst_error *err);

typedef struct onnx_read_options {
    const hst_allocator *allocator; /* NULL: libc */
    bool copy;                      /* read files into memory instead of mapping them */
    onnx_external external;         /* NULL: files beside the model's path; a model from memory then may have none */
    void *external_user;
    bool internal;     /* the graph of an engine file: nodes may state their opset version */
    size_t dense_most; /* bytes that one sparse initializer may take as a dense one; 0: 256 MiB */
    size_t work_most;  /* nodes (and KiB copied) that inlining functions may add; 0: 2^20 */
} onnx_read_options;

/* `options` may be NULL. Errors: NOT_FOUND, IO, BAD_FORMAT, UNSUPPORTED, NO_MEMORY. Ownership: model_free. */
hst_status onnx_read(const char *path, const onnx_read_options *options, model **out, hst_error *err);
/* `data` must stay until the model is freed. `name` is for messages. */
hst_status onnx_read_memory(const void *data, size_t size, const char *name, const onnx_read_options *options,
                            model **out, hst_error *err);

typedef enum onnx_external_mode {
    ONNX_EXTERNAL_AUTO = 0, /* where the file would pass 1.9 GB */
    ONNX_EXTERNAL_ALWAYS,
    ONNX_EXTERNAL_NEVER
} onnx_external_mode;

typedef struct onnx_write_options {
    onnx_external_mode external;
    uint64_t inline_most;  /* AUTO: largest file without external data; 0: 1,900,000,000 */
    size_t external_least; /* tensors of fewer bytes stay in the model file; 0: 1,024 */
    int64_t ir_version;    /* 0: the model's own (lowest of its opset where it has none), -1: lowest that will do */
    bool no_value_info;    /* leave out the types of intermediate values */
    bool internal;         /* for an engine file: nodes of "hasten" and of any opset version are written as they are */
} onnx_write_options;

/* Writes `path` (and `<path>.data` for external data) under temporary names, then renames. Errors: IO, NO_MEMORY,
 * UNSUPPORTED (a node of the internal domain "hasten", or one of another opset than the model's: expand or convert it
 * first), INTERNAL (a broken graph). `options` may be NULL. */
hst_status onnx_write(const model *m, const char *path, const onnx_write_options *options, hst_error *err);
/* The whole file, malloc'ed; no external data. Ownership: free(*data). */
hst_status onnx_write_memory(const model *m, const onnx_write_options *options, void **data, size_t *size,
                             hst_error *err);

/* A model in two parts: the file without the large tensors, and those, each at its offset in an external file that the
 * first calls `location`. */
typedef struct onnx_weight {
    const hst_tensor *tensor;
    uint64_t offset; /* ascending; 64-byte aligned, large ones to a page */
} onnx_weight;
typedef struct onnx_parts {
    void *graph;
    size_t graph_size;
    onnx_weight *weights; /* borrow the model's tensors */
    size_t n_weights;
    uint64_t weights_size;
} onnx_parts;
/* Ownership: onnx_parts_free. */
hst_status onnx_write_parts(const model *m, const char *location, const onnx_write_options *options, onnx_parts *out,
                            hst_error *err);
void onnx_parts_free(onnx_parts *p);
/* Lowest IR version whose tools know this version of the standard opset. */
int64_t onnx_ir_of_opset(int64_t opset);

#endif
