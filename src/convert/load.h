/* A model from whatever a path names: an ONNX file, a checkpoint, a folder with one of them. */
#ifndef CONVERT_LOAD_H
#define CONVERT_LOAD_H

#include "graph/graph.h"

typedef hst_status (*load_external)(void *user, const char *name, const void **data, size_t *size, hst_error *err);

typedef struct load_options {
    const hst_allocator *allocator;
    bool copy;                /* read files instead of mapping them */
    const char *architecture; /* arch_build_as's */
    load_external external;
    void *external_user;
} load_options;

typedef struct loaded {
    model *model;
    const char *format; /* "onnx" or "checkpoint" */
    char *config;       /* config.json's text, malloc'ed; NULL: there is none */
    char *path;         /* of the file that was read, malloc'ed; NULL: memory */
} loaded;

/* Ownership: load_drop, or take the members. On failure nothing is left. */
hst_status load_path(const char *path, const load_options *o, loaded *out, hst_error *err);
/* ONNX; `data` must outlive the model. */
hst_status load_memory(const void *data, size_t size, const load_options *o, loaded *out, hst_error *err);
void load_drop(loaded *l);

#endif
