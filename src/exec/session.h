/* A session: runs an engine. One thread of use at a time (another one gets BUSY); its memory is its own. Names,
 * semantics and errors are those of hst_session_* in hasten.h. */
#ifndef EXEC_SESSION_H
#define EXEC_SESSION_H

#include "exec/engine.h"

typedef struct session session;

typedef struct session_options {
    const hst_allocator *allocator; /* NULL: the engine's */
    uint64_t budget;                /* 0: a fraction of what the machine has left */
    int threads;                    /* 0: the team's */
    bool zero_padding;              /* padding rows of outputs are zeros, not computed */
} session_options;

/* The engine must outlive the session. Ownership: session_free. */
hst_status session_new(const engine *e, const session_options *options, session **out, hst_error *err);
void session_free(session *s);

hst_status session_run(session *s, size_t n_in, const char *const *in_names, const hst_tensor *const *in, size_t n_out,
                       const char *const *out_names, hst_tensor **out, const hst_run_options *options, hst_error *err);

uint64_t session_memory(const session *s, uint64_t *most);
hst_status session_trim(session *s, hst_error *err);

hst_status session_state_declare(session *s, const char *input, const char *output, const hst_tensor *initial,
                                 hst_error *err);
hst_status session_state_reset(session *s, const char *input, hst_error *err);
hst_status session_state_reorder(session *s, const char *input, int axis, const int64_t *index, size_t n,
                                 hst_error *err);
hst_status session_state_truncate(session *s, const char *input, int axis, int64_t length, hst_error *err);
hst_status session_state_set(session *s, const char *input, const hst_tensor *t, hst_error *err);
hst_status session_state_get(session *s, const char *input, hst_tensor **out, hst_error *err);

#endif
