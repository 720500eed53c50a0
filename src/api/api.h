/* What the files of the public interface share: the objects behind its opaque handles. */
#ifndef API_API_H
#define API_API_H

#include "base/memory.h"
#include "convert/load.h"
#include "exec/session.h"
#include "ops/op.h"

struct hst_model {
    int references; /* atomic: the caller's, and one a session */
    hst_allocator allocator;
    arena *arena; /* of what is below and small */
    loaded source;
    model *model;   /* source.model */
    engine *engine; /* NULL: graph only */
    void *copy;     /* of a model in memory; NULL: borrowed, or a file */
    size_t copy_size;
    hst_value_info *inputs, *outputs;
    const char **labels; /* by class id; NULL where there is none */
    int n_labels;
};

struct hst_session {
    hst_allocator allocator;
    hst_model *model;
    session *session;
};

/* Copies an options struct of the caller (NULL: all defaults) into `to`, of our size; what an older caller's struct
 * lacks is 0. INVALID_ARGUMENT where its size is not set, or it asks for something that a newer library knows and this
 * does not. */
hst_status options_read(void *to, size_t size, const void *from, const char *name, hst_error *err);

/* Makes a model of a graph: rewriting, compiling, descriptions. Takes over `source` and `copy`, also on failure. */
hst_status model_finish(loaded *source, void *copy, size_t copy_size, const hst_model_options *o, hst_model **out,
                        hst_error *err);
hst_model *model_retain(hst_model *m);

/* Descriptors for user operators, in the arena. */
hst_status operators_make(arena *a, const hst_operator *const *list, size_t n, const op *const **out, hst_error *err);

#endif
