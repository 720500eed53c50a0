/* Three values side by side, as an attention wants its q, k and v. */
#ifndef PASSES_JOIN_H
#define PASSES_JOIN_H

#include "graph/patch.h"

/* A value of type t [batch, sequence, 3 · width]: one product where the parts are products of one x (who else reads one
 * of them keeps it), otherwise their Concat; then `bias` [3 · width] added where it is not NULL. NULL: no memory. */
value *join_products(patch *p, value *const parts[3], value *bias, const type *t);

#endif
