/* What the files of the public interface share: the objects behind its opaque handles. */
#ifndef API_API_H
#define API_API_H

#include <jansson.h>

#include "base/memory.h"
#include "base/options.h"
#include "convert/load.h"
#include "exec/session.h"
#include "ops/op.h"

typedef struct pass_note {
    const char *pass, *did;
} pass_note;

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
    pass_note *notes; /* what the passes did, in order */
    int n_notes;
    bool shapes; /* the types of all values were inferred */
};

struct hst_session {
    hst_allocator allocator;
    hst_model *model;
    session *session;
};

/* Makes a model of a graph: rewriting, compiling, descriptions. Takes over `source` and `copy`, also on failure. */
hst_status model_finish(loaded *source, void *copy, size_t copy_size, const hst_model_options *o, hst_model **out,
                        hst_error *err);
hst_model *model_retain(hst_model *m);

/* Text of a model as JSON: it need not be UTF-8, what is not is shown as '?'. */
json_t *describe_text(const char *s);
/* Prints `root`, which is freed. NO_MEMORY where it is NULL or `failed`. */
hst_status describe_dump(json_t *root, bool failed, char **out, hst_error *err);

/* Descriptors for user operators, in the arena. */
hst_status operators_make(arena *a, const hst_operator *const *list, size_t n, const op *const **out, hst_error *err);

#endif
