/* The only way a pass changes a graph: collect, then apply all at once.
 * New nodes are inserted just before the anchor; uses of replaced values move; nodes left without use are removed. */
#ifndef GRAPH_PATCH_H
#define GRAPH_PATCH_H

#include "graph/graph.h"

typedef struct patch patch;

/* `anchor`: the last node of what is replaced. Every input of a new node must stand before it. */
patch *patch_new(graph *g, node *anchor); /* NULL: no memory. Ownership: patch_apply or patch_drop */
value *patch_value(patch *p, const type *t);                /* a new temporary */
value *patch_constant(patch *p, const char *name, hst_tensor *t); /* takes the tensor over */
/* opset 0: the model's import of the domain, or 1 for a domain the model does not import (it is then imported).
 * `out`: new values, or values of the anchor, which then gives them no more. */
node *patch_node(patch *p, const char *domain, const char *op_type, int opset, value *const *in, int n_in,
                 value *const *out, int n_out);
void patch_replace(patch *p, value *old, value *with); /* at apply: every use of old becomes with; graph outputs keep their name */
hst_status patch_apply(patch *p, hst_error *err); /* frees p; fails only for memory: the model is then of no use */
void patch_drop(patch *p);
/* Drops the patch (NULL allowed) for want of memory: NO_MEMORY. */
hst_status patch_fail(patch *p, hst_error *err);

/* Makes a value known: uses see v->constant, its producer dies if nothing else needs it. Takes the tensor over. */
hst_status graph_set_constant(value *v, hst_tensor *t, hst_error *err);
/* Every user of v in its graph reads Cast(v) of that dtype from now on; graph outputs do not. */
hst_status graph_cast_uses(value *v, hst_dtype to, hst_error *err);
/* Output i of g becomes Cast of what it was, under its name. */
hst_status graph_cast_output(graph *g, int i, hst_dtype to, hst_error *err);
/* Removes nodes whose outputs nobody uses, and initializers likewise; returns how many nodes went. */
int graph_remove_dead(graph *g);

#endif
