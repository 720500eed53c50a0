/* A model as standard ONNX: what a checkpoint's graph needs to become a file that other tools like to read. */
#ifndef CONVERT_EXPORT_H
#define CONVERT_EXPORT_H

#include "graph/graph.h"

typedef struct export_options {
    int opset;                /* 17 … 25, without Gradients; 0: the model's own (18 for a checkpoint) */
    hst_dtype dtype;          /* NONE: weights as they are; F32: widened; F16: the whole graph half */
    uint64_t external_beyond; /* 0: 1.9 GB */
} export_options;

/* Writes `path` (and `<path>.data`). `options` may be NULL. Errors: UNSUPPORTED (an opset out of range, or an operator
 * whose form differs between the model's opset and the wanted one), and those of onnx_write. */
hst_status export_onnx(const model *m, const char *path, const export_options *options, hst_error *err);

/* The model that export_onnx writes: a new one that borrows tensors of `m`, which must outlive it. Transposes of
 * weights are carried out, casts are placed or dropped as the options say, fused operators of hasten are spelled out.
 * Ownership: model_free. */
hst_status export_rebuild(const model *m, const export_options *options, model **out, hst_error *err);

/* Changes every node of ai.onnx to another opset. UNSUPPORTED names a node whose form differs. */
hst_status export_set_opset(model *m, int opset, hst_error *err);

#endif
