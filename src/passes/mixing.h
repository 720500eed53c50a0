/* Parts of a graph that are not row by row, from rows [batch, sequence, …] to such rows: attention in whatever form. A
 * part hides padding where what stands in rows that the mask hides shows in no row that the mask shows: found by
 * running it on small tensors (passes/probe.h). Then rows may be left out up to it, and behind it. */
#ifndef PASSES_MIXING_H
#define PASSES_MIXING_H

#include "graph/graph.h"

typedef struct mixing {
    unsigned char *inside; /* by node id: nodes of parts that hide padding */
    int count;             /* of these parts */
    const value *shows;    /* what a part computes that does not; NULL: all do */
} mixing;

/* The parts of g that read the mask [batch, sequence]. `inside` is the caller's, zeros, for all nodes of the model. */
void mixing_find(const graph *g, const value *mask, dim batch, dim sequence, mixing *m);
/* Is it rows [batch, sequence, …] of rank 3 or more? */
bool mixing_is_rows(const value *v, dim batch, dim sequence);

#endif
