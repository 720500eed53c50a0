/* What padding does to values: recognised by running the nodes in question on small masks and hidden states
 * (passes/probe.h), with one and then another content of the rows that the mask hides. */
#ifndef PASSES_PADDING_H
#define PASSES_PADDING_H

#include "graph/graph.h"

/* Does v depend on the mask, and on nothing else that is fed? */
bool padding_is_of_mask(const value *v, const value *mask);
/* Is v [batch, sequence, …] zero in the rows that the mask [batch, sequence] hides, whatever the hidden state is there?
 */
bool padding_is_zero(const value *v, const value *mask);
/* Does n, which reads the mask, give the same whatever stands in the rows that the mask hides? */
bool padding_absorbs(const node *n, const value *mask);

#endif
