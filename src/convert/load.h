/* A model from whatever a path names: an engine file, an ONNX file, a checkpoint, a folder with one of the last two. */
#ifndef CONVERT_LOAD_H
#define CONVERT_LOAD_H

#include "graph/graph.h"

typedef hst_status (*load_external)(void *user, const char *name, const void **data, size_t *size, hst_error *err);

typedef struct load_options {
    const hst_allocator *allocator;
    bool copy;                /* read files instead of mapping them */
    bool graph_only;          /* an engine compiled for another CPU will do */
    const char *architecture; /* arch_build_as's */
    load_external external;
    void *external_user;
} load_options;

typedef struct loaded {
    model *model;
    const char *format; /* "onnx", "checkpoint" or "engine": the last is rewritten already */
    char *about;        /* of an engine: what it says of itself, JSON, malloc'ed; else NULL */
    char *config;       /* config.json's text, malloc'ed; NULL: there is none */
    char *path;         /* of the file that was read, malloc'ed; NULL: memory */
} loaded;

/* Ownership: load_drop, or take the members. On failure nothing is left. */
hst_status load_path(const char *path, const load_options *o, loaded *out, hst_error *err);
/* ONNX or an engine; `data` must outlive the model. */
hst_status load_memory(const void *data, size_t size, const load_options *o, loaded *out, hst_error *err);
void load_drop(loaded *l);

#endif
