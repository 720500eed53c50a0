/* The links of a graph, for graph/ alone: readers and passes use graph.h and patch.h. */
#ifndef GRAPH_LINKS_H
#define GRAPH_LINKS_H

#include "graph/graph.h"

/* A node that is in no list and has no uses yet; NULL: no memory. */
node *graph_make_node(graph *g, const char *domain, const char *op_type, const char *name, value *const *in, int n_in,
                      value *const *out, int n_out);
/* Records the node as user of its inputs and producer of its outputs. */
bool node_connect(node *n);
bool value_add_use(value *v, node *n, int index);
void value_remove_use(value *v, const node *n, int index);
void graph_insert(graph *g, node *n, node *before); /* before NULL: at the end */
void graph_unlink(graph *g, node *n);

#endif
