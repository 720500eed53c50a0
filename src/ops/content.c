/* Contents of values, and inputs of subgraphs, for infer functions. */
#include <string.h>

#include "ops/op.h"

void infer_pass_content(infer_context *c, int i, int out) {
    dim d[CONTENT_MOST];
    int n = infer_dims(c, i, d, CONTENT_MOST);
    if (n >= 0) infer_content(c, out, d, n);
}

bool type_contradicts(const type *a, const type *b) {
    if (a->rank < 0 || b->rank < 0) return false;
    bool differ = a->rank != b->rank;
    for (int k = 0; k < a->rank && !differ; k++) differ = a->dim[k] >= 0 && b->dim[k] >= 0 && a->dim[k] != b->dim[k];
    return differ;
}

/* The shapes of what a graph computes are unknown again: they were inferred from an input that is another. */
static void forget_shapes(graph *g) {
    for (node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->n_out; i++)
            if (n->out[i]) n->out[i]->type.rank = -1, n->out[i]->content = NULL;
        for (int k = 0; k < n->n_attributes; k++)
            if (n->attributes[k].type == ATTRIBUTE_GRAPH && !n->attributes[k].reference)
                forget_shapes(n->attributes[k].as.graph);
    }
}

hst_status infer_subgraph_input(infer_context *c, graph *g, int i, const type *t, bool varies, hst_error *err) {
    if (i >= g->n_inputs) return HST_STATUS_OK;
    type *known = &g->inputs[i]->type;
    graph_drop_default(g, g->inputs[i]); /* it may contradict what is given */
    if (known->dtype == HST_DTYPE_NONE) known->dtype = t->dtype;
    known->optional |= t->optional;
    if (t->dtype != HST_DTYPE_NONE && t->dtype != known->dtype && t->dtype != HST_DTYPE_OPTIONAL && !known->optional)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d of its graph is declared %s and is given %s", i,
                          dtype_name(known->dtype), dtype_name(t->dtype));
    const bool wrong = type_contradicts(known, t);
    if (wrong) forget_shapes(g);
    if (wrong && varies) known->rank = -1;
    if (varies || t->rank < 0 || (known->rank >= 0 && !wrong)) return HST_STATUS_OK;
    known->rank = t->rank;
    memcpy(known->dim, t->dim, sizeof known->dim);
    return HST_STATUS_OK;
}

hst_status infer_state(infer_context *c, int i, const type *given, const type *computed, type *out, hst_error *err) {
    const type *shape = given->rank >= 0 ? given : computed;
    char a[160], b[160];
    if (type_contradicts(given, computed) ||
        (given->dtype != computed->dtype && given->dtype != HST_DTYPE_NONE && computed->dtype != HST_DTYPE_NONE))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "state %d is %s, its graph makes it %s", i,
                          type_format(c->model, given, a, sizeof a), type_format(c->model, computed, b, sizeof b));
    out->dtype = given->dtype != HST_DTYPE_NONE ? given->dtype : computed->dtype;
    out->rank = shape->rank;
    for (int k = 0; k < shape->rank; k++) {
        const bool number = computed->rank >= 0 && computed->dim[k] >= 0;
        out->dim[k] = number ? computed->dim[k] : shape->dim[k];
    }
    return HST_STATUS_OK;
}
