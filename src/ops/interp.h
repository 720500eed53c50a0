/* The reference interpreter: evaluates a graph node by node with `eval` (or `expand`). It folds constants, runs subgraphs,
 * and is the oracle that fast paths are tested against. */
#ifndef OPS_INTERP_H
#define OPS_INTERP_H

#include "ops/op.h"

typedef struct interp_options {
    const hst_allocator *allocator;
    size_t budget; /* bytes that all live temporaries may use together; 0: none. BUDGET beyond. */
    hst_status (*check)(void *user, hst_error *err); /* called before each node; NULL: never */
    void *user;
    /* For a subgraph: the tensor of a value captured from an enclosing graph; NULL: not there. */
    const hst_tensor *(*captured)(void *scope, const value *v);
    void *scope;
    team *team; /* NULL: the process's */
    unsigned char fill; /* what the bytes of outputs are before they are written: in an engine, anything */
} interp_options;

/* Runs g. in[k] belongs to g->inputs[k] (NULL: its default, an initializer of that name); out[k] is a new handle for
 * g->outputs[k]: tensor_free. On failure no output is set. */
hst_status interp_run(const graph *g, const hst_tensor *const *in, hst_tensor **out, const interp_options *options,
                      hst_error *err);
/* Evaluates one node on tensors (NULL: omitted). Outputs as above, NULL where the node omits them. */
hst_status interp_node(const node *n, const hst_tensor *const *in, hst_tensor **out, const interp_options *options,
                       hst_error *err);

#endif
