/* Contents of values, and inputs of subgraphs, for infer functions. */
#include <string.h>

#include "ops/op.h"

void infer_pass_content(infer_context *c, int i, int out) {
    dim d[CONTENT_MOST];
    int n = infer_dims(c, i, d, CONTENT_MOST);
    if (n >= 0) infer_content(c, out, d, n);
}

void infer_subgraph_input(graph *g, int i, const type *t) {
    if (i >= g->n_inputs) return;
    type *known = &g->inputs[i]->type;
    if (known->dtype == HST_DTYPE_NONE) known->dtype = t->dtype;
    if (known->rank >= 0 || t->rank < 0) return;
    known->rank = t->rank;
    memcpy(known->dim, t->dim, sizeof known->dim);
}
