/* Engine files (.hst): a model compiled for one kind of CPU, as sections of a base/section_file.h:
 *
 *   engine           JSON: what it was made by, for and of
 *   graph            the rewritten graph as ONNX, with our own operators; its tensors are places in
 *   weights          (bulk) … as the kernels read them
 *   tokenizer.vocab, tokenizer.json   see text/tokenizer.h
 *   files/<name>     config.json and the other small files of the model's folder
 *
 * The graph goes through the reader of ONNX files: an engine is believed in no more than any other file. */
#ifndef CONVERT_ENGINE_FILE_H
#define CONVERT_ENGINE_FILE_H

#include "base/section_file.h"
#include "graph/graph.h"

/* Raised when an internal operator, a packed layout or a section changes its meaning. */
#define ENGINE_FILE_VERSION 2

typedef struct engine_source {
    const char *path, *format; /* of what was compiled; path NULL: memory */
    const char *task;          /* NULL: none was named; read back as the metadata "hasten.task" */
    uint64_t checksum, bytes;  /* of its main file; 0: unknown */
} engine_source;

/* Writes `path` with the further `sections`. The model is optimised for this process. */
hst_status engine_file_write(const model *m, const char *path, const engine_source *source,
                             const section_source *sections, size_t n, hst_error *err);

typedef struct engine_options {
    const hst_allocator *allocator;
    bool any_cpu; /* the graph is only looked at: one compiled for another CPU will do */
} engine_options;

/* Takes `file` over, also on failure. *about: the text of the section "engine", malloc'ed. Errors: UNSUPPORTED (made by another version, or for another CPU: says what to
 * do), BAD_FORMAT, NO_MEMORY. The model's operators are not resolved. */
hst_status engine_file_read(section_file *file, const engine_options *o, model **out, char **about, hst_error *err);

#endif
