/* How nodes that want rows [batch, sequence, …] read packed ones [1, rows, …]. `twin` is the packed form of a value. */
#ifndef PASSES_UNPACK_H
#define PASSES_UNPACK_H

#include "graph/patch.h"

typedef struct packing {
    graph *g;
    value *mask, *plan[2]; /* [batch, sequence]; what hasten.PackPlan made of it: rows, offsets */
} packing;

/* n is a Gather of the first row of each sequence. */
hst_status unpack_first(const packing *k, node *n, value *twin, hst_error *err);
/* n is a ReduceSum over the sequence of what is zero in padding rows. */
hst_status unpack_sum(const packing *k, node *n, value *twin, hst_error *err);
/* n is a Shape of v: from the mask's, and what is known. */
hst_status unpack_shape(const packing *k, node *n, const value *v, hst_error *err);
/* v at its old shape, for whoever else reads it. `shown`: padding rows are seen by who asked for it; `hidden`: those of
 * sequences that keep all their rows are, as nothing else is seen of a sequence that is all padding. */
hst_status unpack_whole(const packing *k, value *v, value *twin, bool shown, bool hidden, hst_error *err);

#endif
