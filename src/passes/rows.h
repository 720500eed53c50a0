/* Which nodes work row by row: each row of what they compute, [batch, sequence, …], comes from the same row of their
 * inputs alone, so that rows may be left out, or stand in another place. */
#ifndef PASSES_ROWS_H
#define PASSES_ROWS_H

#include "graph/graph.h"

#define ROWS_INPUTS 16

typedef enum rows_role {              /* of an input */
                         ROWS_WHOLE,  /* has no rows, or the same for all: taken as it is */
                         ROWS_AXIS_1, /* [batch or 1, sequence or 1, …] */
                         ROWS_AXIS_0  /* [sequence, …] */
} rows_role;

/* Does n work row by row on [batch, sequence, …]? Then every output that is used has these two axes first, and role[i]
 * is set for each input. Its attributes mean the same where [1, rows, …] takes their place. */
bool rows_node(const node *n, dim batch, dim sequence, rows_role *role);
/* Elementwise, over inputs that broadcast? */
bool rows_broadcasts(const node *n);
/* Gather of row 0 of [batch, sequence, …] by a scalar. */
bool rows_is_first(const node *n);

#endif
