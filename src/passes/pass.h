/* What a pass is: it looks at one anchor node (HST_PASS) or at the whole graph (HST_GRAPH_PASS) and changes the graph
 * through graph/patch.h. Patterns follow data flow, not the order in which an exporter wrote the nodes. */
#ifndef PASSES_PASS_H
#define PASSES_PASS_H

#include "graph/patch.h"
#include "ops/op.h"

typedef struct pass_report {
    /* "fused 6 × LayerNormalization", or why nothing was done. Kept for `hasten explain`. */
    void (*say)(struct pass_report *r, const char *pass, const char *text);
    void *user;
} pass_report;

typedef struct pass {
    const char *name;
    int order; /* passes run by ascending order; equal orders by name, repeated until none of them changes anything */
    const char *summary;
    /* One of the two. *changed is set where something was done. */
    hst_status (*node)(graph *g, node *anchor, bool *changed, hst_error *err);
    hst_status (*graph)(graph *g, bool *changed, hst_error *err);
    const char *anchor; /* op_type of the anchors, "" for any */
    /* May be NULL. Asked of the main graph where the pass did nothing there: the reason, for the report. */
    void (*why_not)(graph *g, char *to, size_t size);
} pass;

#define HST_PASS(id) extern const pass pass_##id; const pass pass_##id
#define HST_GRAPH_PASS(id) extern const pass pass_##id; const pass pass_##id

extern const pass *const pass_list[];
extern const int pass_list_count;

/* Runs all passes whose order lies in [from, to] on the model's main graph and subgraphs; infers types before and between. */
hst_status passes_run(model *m, int from, int to, pass_report *report, hst_error *err);

#endif
