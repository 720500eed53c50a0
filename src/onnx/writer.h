/* The writer's own structures; for src/onnx/write_*.c alone. */
#ifndef ONNX_WRITER_H
#define ONNX_WRITER_H

#include "onnx/extra.h"
#include "onnx/fields.h"
#include "base/names.h"
#include "onnx/onnx.h"

#define WRITE_INLINE UINT64_MAX /* offset of a tensor whose data is in the model file */

typedef struct writer {
    const model *model;
    onnx_write_options options;
    hst_error *err;
    arena *scratch;
    const char **names;      /* by value id; NULL: not written */
    const char **node_names; /* by node id */
    const value **orphans;   /* constants that stand in no list of initializers */
    int n_orphans, orphans_capacity;
    names opsets;            /* domain -> version */
    names_slot *new_domains; /* those that the model itself does not import */
    int n_new_domains;
    int64_t ir_version;
    const char *location;   /* name of the external file in the model; NULL: none */
    uint64_t *offsets;      /* in it, by value id */
    const value **external; /* its tensors, in order */
    int n_external;
    uint64_t external_size;
} writer;

/* write_plan.c: names, opsets, constants, IR version; all that can be wrong with the graph is found here. */
hst_status write_plan(writer *w);
/* Chooses what goes to the external file, and where. */
hst_status write_plan_external(writer *w);

/* write_graph.c */
void write_model(proto_writer *p, void *w);
/* write_tensor.c: `name` NULL: in `rest` or none. */
void write_tensor(proto_writer *p, const writer *w, uint32_t number, const hst_tensor *t, const char *name, bytes rest,
                  uint64_t offset);
void write_tensor_fields(proto_writer *p, const writer *w, const hst_tensor *t, const char *name, bytes rest,
                         uint64_t offset);

#endif
