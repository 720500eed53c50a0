/* What the files of a session share.
 *
 * Steps of a run are numbered from 1; step 0 feeds the inputs, step n_steps + 1 collects the outputs. A block is a
 * piece of memory that one or more slots (a value and its reshaped aliases) use; when the last of them is dropped it
 * goes back to where it came from. Every request for a block is noted in the trace; the trace of the first run with a
 * signature (the inputs' types and shapes, the outputs asked for) becomes that signature's plan. */
#ifndef EXEC_SESSION_IMPL_H
#define EXEC_SESSION_IMPL_H

#include "base/meter.h"
#include "exec/outputs.h"
#include "exec/plan.h"
#include "exec/session.h"
#include "exec/space.h"

#define SESSION_SIGNATURES 16 /* plans kept, the least recently used is given up */
#define SESSION_WINDOW     16 /* runs whose need keeps the arena large */

typedef enum block_kind {
    BLOCK_PLANNED, /* in the arena, where the plan says */
    BLOCK_SPACE,   /* from space_take */
    BLOCK_OUTPUT,  /* a reference-counted buffer of outputs.h */
    BLOCK_BOUND    /* the caller's output memory */
} block_kind;

typedef struct block {
    block_kind kind;
    int references; /* slots */
    int trace;      /* its request in the trace; -1 where that could not be noted */
    int request;    /* in the plan, for BLOCK_PLANNED */
    void *data;
    size_t size;
    tensor_buffer *buffer; /* BLOCK_OUTPUT: one reference */
    struct block *next;    /* in the list of unused ones, or of the step's scratch */
} block;

typedef struct live { /* a computed slot */
    hst_tensor tensor;
    block *block;       /* NULL: shares memory that is not the session's, or owns a buffer */
    tensor_buffer *own; /* strings and lists: a buffer the operator made, one reference */
} live;

typedef struct signature {
    uint64_t hash, used;
    int64_t *key;
    int key_size;
    bool *needed; /* per step; NULL: all */
    bool padding; /* one of them shows padding rows */
    /* The plan; requests NULL: none yet. One block of memory each. */
    plan_request *requests;
    int n_requests;
    int *first;           /* [n_steps + 3]: requests of step k are first[k] … first[k + 1] */
    int *due, *due_first; /* requests ordered by `last`, and where step k's begin */
    bool *in_use;         /* [n_requests], of the run under way */
    size_t total, beside;
    uint64_t metered; /* the most of its runs */
    int low_runs; /* one after the other that needed less than a quarter of the plan */
} signature;

typedef struct session_state {
    int input, output;
    hst_tensor *initial, *now;
    hst_tensor *next; /* of the run that is ending */
} session_state;

struct session {
    const engine *engine;
    hst_allocator allocator;
    int busy; /* atomic */
    uint64_t budget;
    team *team;
    int threads;  /* limit; 0: none */
    bool computes_padding; /* padding rows of outputs are computed */
    bool padding;          /* … and the run under way shows some */
    arena *arena; /* of the arrays below */
    outputs *outputs;
    space space;
    /* What is neither in the arena nor a buffer of outputs: strings, items of sequences, all that subgraphs compute. */
    meter *meter;
    size_t metered_before; /* alive in it when the run began: in callers' hands, or state */
    uint64_t metered_most; /* beyond that, of the run under way */
    /* per slot */
    const hst_tensor **at; /* NULL: no value now */
    live *lives;
    bool *kept; /* an output asked for */
    /* per input, per output */
    const hst_tensor **feeds;
    hst_tensor **bound, **results;
    bool *wanted;
    int64_t *symbols; /* per symbol of the model: its length in this run, -1: not seen */
    int64_t *key;     /* of the run under way */
    int key_size;
    /* the step under way */
    int step, ordinal;
    const hst_tensor **in;
    hst_tensor **out;
    live *spare; /* [most_out]: outputs computed though nobody wants them */
    block *scratch;
    /* the run under way */
    const hst_run_options *options;
    uint64_t run_budget;
    uint64_t used;   /* see account.c; session_count changes it */
    uint64_t beside; /* atomic: all but what is metered, when it was last counted */
    signature *plan; /* NULL: none is followed */
    bool over_budget, misfit, trace_failed;
    plan_request *trace;
    int n_trace, trace_capacity;
    block *unused;
    signature *signatures[SESSION_SIGNATURES];
    uint64_t runs;
    size_t needs[SESSION_WINDOW];
    uint64_t most_memory;
    session_state *states;
    int n_states, states_capacity;
    bool *asked; /* per output: the caller wants it (wanted: a state may, too) */
};

/* session.c */
bool session_acquire(session *s, hst_error *err); /* false: BUSY was set */
void session_give_back(session *s);
int session_input_find(const session *s, const char *name); /* -1: none */
int session_output_find(const session *s, const char *name);

/* account.c: what is held, against the budget */
void session_count(session *s, uint64_t more, uint64_t less); /* changes `used`, and with it the meter's limit */
uint64_t session_held(const session *s);
/* Between runs: only state is in use, and the budget is the session's. */
void session_settle(session *s);
void session_trim_all(session *s); /* what is kept for the next run; nothing may be in use */
size_t session_relieve(void *s);   /* what the meter asks for at its limit */
/* Whether so many bytes may be taken beside what is held, or BUDGET; gives back what lies unused where it is in the
 * way. */
hst_status session_room(session *s, size_t more, hst_error *err);
hst_status session_take_output(session *s, size_t bytes, tensor_buffer **out, hst_error *err); /* counted; BUDGET */

/* block.c: memory of a run */
hst_status block_take(session *s, size_t bytes, bool output, block **out, hst_error *err);
hst_status block_bind(session *s, hst_tensor *t, block **out, hst_error *err);
void block_drop(session *s, block *b); /* NULL allowed */
void slot_drop(session *s, int slot);
void live_drop(session *s, live *l);
void scratch_drop(session *s);
void blocks_free(session *s);

/* runtime.c */
extern const eval_runtime session_runtime;
hst_status session_check(session *s, hst_error *err);

/* profile.c: tells the caller's profile function of the step that has just run */
void session_profile(session *s, const step *st, const eval_context *c, uint64_t begin_ns);

/* feed.c: checks the tensors in s->feeds and makes the key; puts them into their slots */
hst_status feed_check(session *s, hst_error *err);
hst_status feed_inputs(session *s, hst_error *err);

/* collect.c: fills s->results of wanted outputs that are not bound, and the bound ones' memory */
hst_status collect_outputs(session *s, hst_error *err);

/* signature.c */
signature *signature_find(session *s);
void signature_begin(session *s, signature *g); /* decides whether its plan is followed */
void signature_step_end(session *s);            /* checks that what was due has been dropped */
/* At a run's end: makes or mends the plan, sizes the arena, forgets the oldest. Never fails: without memory there is no
 * plan, and the next run works without. */
void signature_end(session *s, signature *g);
hst_status signature_new(session *s, signature **out, hst_error *err);
void signatures_free(session *s);

/* state.c */
void states_free(session *s);
/* Before a run: states that were not given by name are fed, their outputs wanted. */
void states_feed(session *s);
/* After a run: every state's new value, in s->next; then made its value, which cannot fail. */
hst_status states_collect(session *s, hst_error *err);
void states_commit(session *s);
size_t states_bytes(const session *s);

#endif
