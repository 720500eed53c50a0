/* Probing: the part of a graph between some values is run on small tensors to see what function it is. This is how a mask
 * is recognised whatever nodes an exporter made it of. */
#ifndef PASSES_PROBE_H
#define PASSES_PROBE_H

#include "graph/graph.h"

#define PROBE_SYMBOLS 8
#define PROBE_LEAVES 4

typedef struct probe {
    /* What symbols stand for, and the tensors of some values (borrowed). */
    int n_symbols, n_leaves;
    dim symbols[PROBE_SYMBOLS];
    int64_t numbers[PROBE_SYMBOLS];
    const value *leaves[PROBE_LEAVES];
    const hst_tensor *tensors[PROBE_LEAVES];
} probe;

/* A symbol's number: false where it has another one already, or there is no room. A number must equal itself. */
bool probe_assign(probe *p, dim d, int64_t number);
bool probe_leaf(probe *p, const value *v, const hst_tensor *t);

/* The tensor of v, computed by the reference interpreter; NULL where it depends on something not given, or is too much
 * work. Ownership: tensor_free. */
hst_tensor *probe_run(const probe *p, const value *v);

/* The graph inputs that v depends on by value (not by shape), up to `most`; the count, or -1 where v depends on more, or on
 * too many nodes. `stop` (may be NULL) is not looked behind. */
int probe_inputs(const value *v, const value *stop, value **inputs, int most);

#endif
