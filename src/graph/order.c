/* The order of nodes, and a check of every link. */
#include <string.h>

#include "graph/links.h"

/* Calls visit for every value that a node needs: its inputs and what its subgraphs capture. Stops at false. Depth is
 * bounded by the reader's limit on nested graphs. */
static bool each_need(const node *n, const graph *scope, bool (*visit)(void *, value *), void *user) {
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && n->in[i]->graph == scope && !visit(user, n->in[i])) return false;
    for (int k = 0; k < n->n_attributes; k++) {
        const attribute *a = &n->attributes[k];
        bool many = a->type == ATTRIBUTE_GRAPHS;
        if ((!many && a->type != ATTRIBUTE_GRAPH) || a->reference) continue;
        for (int64_t j = 0; j < (many ? a->n : 1); j++) {
            const graph *sub = many ? a->as.graphs[j] : a->as.graph;
            for (const node *s = sub->first; s; s = s->next)
                if (!each_need(s, scope, visit, user)) return false;
            for (int i = 0; i < sub->n_outputs; i++)
                if (sub->outputs[i]->graph == scope && !visit(user, sub->outputs[i])) return false;
        }
    }
    return true;
}

typedef struct sorter {
    int *state; /* per node id: 0 waiting, 1 placed */
    bool ready;
} sorter;

static bool need_placed(void *user, value *v) {
    sorter *s = user;
    if (v->producer && !s->state[v->producer->id]) s->ready = false;
    return s->ready;
}

/* Repeated stable sweeps: a sorted graph, the usual case, takes one. Each sweep places at least one node. The sweeps are
 * bounded by depth of disorder, which a hostile file can make large, so the work is counted. */
hst_status graph_sort(graph *g, hst_error *err) {
    model *m = g->model;
    int *state = memory_alloc(arena_allocator(m->arena), (size_t)(m->n_nodes + 1) * sizeof *state, 16);
    if (!state) return error_no_memory(err, (size_t)m->n_nodes * sizeof *state, "sorting a graph");
    memset(state, 0, (size_t)(m->n_nodes + 1) * sizeof *state);
    node *waiting = g->first;
    g->first = g->last = NULL;
    int left = g->n_nodes;
    long long work = 0;
    hst_status status = HST_STATUS_OK;
    g->n_nodes = 0;
    while (waiting) {
        node *later = NULL, **tail = &later;
        int before = left;
        for (node *n = waiting, *next; n; n = next) {
            next = n->next;
            sorter s = {state, true};
            each_need(n, g, need_placed, &s);
            work++;
            if (s.ready) {
                state[n->id] = 1;
                left--;
                graph_insert(g, n, NULL);
            } else {
                n->next = NULL;
                *tail = n;
                tail = &n->next;
            }
        }
        waiting = later;
        if (waiting && (left == before || work > 50000000)) {
            status = node_error(waiting, err, HST_STATUS_BAD_FORMAT, "its inputs form a cycle, or are never produced");
            while (waiting) {
                node *next = waiting->next;
                graph_insert(g, waiting, NULL);
                waiting = next;
            }
        }
    }
    memory_free(arena_allocator(m->arena), state, (size_t)(m->n_nodes + 1) * sizeof *state);
    return status;
}

static bool has_use(const value *v, const node *n, int index) {
    for (int i = 0; i < v->n_uses; i++)
        if (v->uses[i].node == n && v->uses[i].index == index) return true;
    return false;
}

hst_status graph_check(const graph *g, hst_error *err) {
    int count = 0;
    for (const node *n = g->first; n; n = n->next, count++) {
        if (n->graph != g) return node_error(n, err, HST_STATUS_INTERNAL, "belongs to another graph");
        if (n->next ? n->next->previous != n : g->last != n)
            return node_error(n, err, HST_STATUS_INTERNAL, "broken list links");
        for (int i = 0; i < n->n_in; i++) {
            if (!n->in[i]) continue;
            if (!has_use(n->in[i], n, i))
                return node_error(n, err, HST_STATUS_INTERNAL, "input %d does not know this use", i);
            const node *p = n->in[i]->producer;
            if (!p || n->in[i]->graph != g) continue;
            const node *seen = p;
            while (seen && seen != n) seen = seen->next;
            if (!seen) return node_error(n, err, HST_STATUS_INTERNAL, "input %d is produced later", i);
        }
        for (int i = 0; i < n->n_out; i++)
            if (n->out[i] && (n->out[i]->producer != n || n->out[i]->producer_index != i))
                return node_error(n, err, HST_STATUS_INTERNAL, "output %d has another producer", i);
    }
    if (count != g->n_nodes)
        return error_set(err, HST_STATUS_INTERNAL, g->name, "graph has %d nodes, not %d", count, g->n_nodes);
    return HST_STATUS_OK;
}
