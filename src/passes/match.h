/* What passes ask of a graph: scalars, shapes, single users. Shared by all passes. */
#ifndef PASSES_MATCH_H
#define PASSES_MATCH_H

#include "graph/graph.h"

/* The only user of v, where v is no graph output and no subgraph captures it; else NULL. */
node *match_only_user(const value *v);
/* The node that produces v if it is of that operator of ai.onnx, else NULL. */
node *match_producer(const value *v, const char *op_type);
/* The tensor of v where it is known for good; NULL also for a default, an initializer that is an input too: the caller of the
 * model may pass another one. */
const hst_tensor *match_constant(const value *v);
/* True where v is a known tensor of one element (any rank) of a float or integer dtype; its value in *x. */
bool match_scalar(const value *v, double *x);
/* True where v is a known scalar within 1e-6 relative of x. */
bool match_is(const value *v, double x);
/* The input of a binary node that is not `v`; NULL where neither is. */
value *match_other(const node *n, const value *v);
/* A known f32/f16/bf16 tensor with `count` elements all on its last axis ([N], [1,N], [1,1,N]); else NULL. */
const hst_tensor *match_row(const value *v, int64_t count);
/* True for Identity, and for Dropout that is known not to train: output 0 is input 0. */
bool match_is_idle(const node *n);
/* Steps back over nodes that change nothing: Identity, Dropout at inference, Cast to the same dtype. */
value *match_skip(value *v);
/* Perm of a Transpose, completed where the attribute is absent (reversed): rank, or -1. */
int match_perm(const node *n, int64_t *perm);
/* The axes of a Reduce*, Squeeze or Unsqueeze node, from attribute or constant input, not normalised: count or -1. */
int match_axes(const node *n, int64_t *axes, int most);

#endif
