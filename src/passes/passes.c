/* Running the passes: by ascending order, an order's passes again until none of them changes anything. */
#include <stdio.h>
#include <string.h>

#include "passes/pass.h"

#define ROUNDS_MOST 16 /* of one order: each round must have changed something */
#define TEXT_MOST   200

typedef struct outcome { /* of a pass */
    int count;           /* what it changed */
    char why_not[TEXT_MOST];
} outcome;

static hst_status apply(const pass *p, graph *g, int *count, hst_error *err) {
    bool changed = false;
    if (p->graph) {
        HST_TRY(p->graph(g, &changed, err));
        *count += changed;
        return HST_STATUS_OK;
    }
    for (node *n = g->first, *next; n; n = next) {
        next = n->next;
        if (*p->anchor && strcmp(n->op_type, p->anchor) != 0) continue;
        changed = false;
        HST_TRY(p->node(g, n, &changed, err));
        *count += changed;
    }
    return HST_STATUS_OK;
}

static hst_status refresh(graph *g, hst_error *err) {
    graph_remove_dead(g);
    HST_TRY(ops_resolve(g, err));
    return graph_infer(g, err);
}

/* Passes of one order, on one graph. results[i] is of pass i. */
static hst_status run_order(graph *g, int order, outcome *results, bool explain, hst_error *err) {
    for (int round = 0; round < ROUNDS_MOST; round++) {
        int all = 0;
        for (int i = 0; i < pass_list_count; i++) {
            int count = 0;
            if (pass_list[i]->order != order) continue;
            HST_TRY(apply(pass_list[i], g, &count, err));
            if (count) HST_TRY(refresh(g, err));
            results[i].count += count;
            all += count;
        }
        if (!all) break;
    }
    for (int i = 0; explain && !g->parent && i < pass_list_count; i++) {
        const pass *p = pass_list[i];
        if (p->order == order && p->why_not && !results[i].count) p->why_not(g, results[i].why_not, TEXT_MOST);
    }
    return HST_STATUS_OK;
}

static hst_status run_graph(graph *g, int from, int to, outcome *results, bool explain, hst_error *err) {
    for (node *n = g->first; n; n = n->next) {
        for (int k = 0; k < n->n_attributes; k++) {
            const attribute *a = &n->attributes[k];
            if (a->reference) continue;
            if (a->type == ATTRIBUTE_GRAPH) HST_TRY(run_graph(a->as.graph, from, to, results, explain, err));
            for (int64_t j = 0; a->type == ATTRIBUTE_GRAPHS && j < a->n; j++)
                HST_TRY(run_graph(a->as.graphs[j], from, to, results, explain, err));
        }
    }
    for (int at = from;;) {
        int next = INT32_MAX;
        for (int i = 0; i < pass_list_count; i++)
            if (pass_list[i]->order >= at && pass_list[i]->order < next) next = pass_list[i]->order;
        if (next > to) return HST_STATUS_OK;
        HST_TRY(run_order(g, next, results, explain, err));
        at = next + 1;
    }
}

hst_status passes_run(model *m, int from, int to, pass_report *report, hst_error *err) {
    outcome *results = ARENA_ARRAY(m->arena, outcome, pass_list_count + 1);
    if (!results) return error_no_memory(err, (size_t)pass_list_count * sizeof *results, "the passes");
    HST_TRY(ops_resolve(m->main, err));
    HST_TRY(graph_infer(m->main, err));
    HST_TRY(run_graph(m->main, from, to, results, report != NULL, err));
    for (int i = 0; i < pass_list_count && report; i++) {
        char text[TEXT_MOST];
        const pass *p = pass_list[i];
        if (p->order < from || p->order > to) continue;
        const int count = results[i].count;
        if (count)
            snprintf(text, sizeof text, "%s: %d×", p->summary, count);
        else
            snprintf(text, sizeof text, "%s: nothing to do", p->summary);
        report->say(report, p->name, !count && *results[i].why_not ? results[i].why_not : text);
    }
    return HST_STATUS_OK;
}
