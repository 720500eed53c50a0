/* What padding does to values: recognised by running the way from the mask to them on small masks (passes/probe.h). */
#ifndef PASSES_PADDING_H
#define PASSES_PADDING_H

#include "graph/graph.h"

/* Is v [batch, sequence, …] zero in the rows that the mask [batch, sequence] hides, whatever the hidden state is there?
 */
bool padding_is_zero(const value *v, const value *mask);
/* Does n give the same whatever its input holds in the rows that the mask hides, though it is not zero there? */
bool padding_absorbs(const node *n, const value *mask);

#endif
