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

enum { WAITING = 0, OPEN, PLACED };

typedef struct sorter {
    model *model;
    unsigned char *state; /* by node id */
    node **stack;
    size_t depth, capacity;
    bool no_memory;
    const node *cycle;
} sorter;

static void push(sorter *s, node *n) {
    if (s->depth == s->capacity) {
        const hst_allocator *a = arena_allocator(s->model->arena);
        size_t capacity = s->capacity ? 2 * s->capacity : 64;
        node **grown = memory_alloc(a, capacity * sizeof *grown, 16);
        if (!grown) {
            s->no_memory = true;
            return;
        }
        if (s->depth) memcpy(grown, s->stack, s->depth * sizeof *grown);
        memory_free(a, s->stack, s->capacity * sizeof *grown);
        s->stack = grown;
        s->capacity = capacity;
    }
    s->stack[s->depth++] = n;
}

/* Nodes that are open are those on the path to the one being looked at: needing one of them is a cycle. */
static bool push_need(void *user, value *v) {
    sorter *s = user;
    if (!v->producer) return true;
    unsigned char state = s->state[v->producer->id];
    if (state == OPEN) s->cycle = v->producer;
    if (state == WAITING) push(s, v->producer);
    return !s->cycle && !s->no_memory;
}

/* Places what `n` needs, then `n`: depth first with a stack of its own, so that a long chain cannot exhaust ours. */
static bool place(sorter *s, graph *g, node *n) {
    push(s, n);
    while (s->depth && !s->no_memory) {
        node *top = s->stack[s->depth - 1];
        if (s->state[top->id] == WAITING) {
            s->state[top->id] = OPEN;
            if (!each_need(top, g, push_need, s)) return false;
        } else {
            s->depth--;
            if (s->state[top->id] == PLACED) continue;
            s->state[top->id] = PLACED;
            graph_insert(g, top, NULL);
        }
    }
    return !s->no_memory;
}

/* In the order in which the nodes stand, each after what it needs: a sorted graph stays as it is. */
hst_status graph_sort(graph *g, hst_error *err) {
    model *m = g->model;
    const hst_allocator *a = arena_allocator(m->arena);
    size_t states = (size_t)m->n_nodes + 1, count = (size_t)g->n_nodes;
    sorter s = {.model = m, .state = memory_alloc(a, states, 16)};
    node **order = memory_alloc(a, (count + 1) * sizeof *order, 16);
    hst_status status = HST_STATUS_OK;
    if (!s.state || !order) {
        status = error_no_memory(err, count * sizeof *order, "sorting a graph");
        goto done;
    }
    memset(s.state, WAITING, states);
    count = 0;
    for (node *n = g->first; n; n = n->next) order[count++] = n;
    g->first = g->last = NULL;
    g->n_nodes = 0;
    for (size_t i = 0; i < count && status == HST_STATUS_OK; i++) {
        if (s.state[order[i]->id] == PLACED || place(&s, g, order[i])) continue;
        status = s.no_memory ? error_no_memory(err, count * sizeof *order, "sorting a graph")
                             : node_error(s.cycle, err, HST_STATUS_BAD_FORMAT, "its inputs form a cycle");
    }
    if (status != HST_STATUS_OK) /* nothing is lost: the rest follows as it was */
        for (size_t i = 0; i < count; i++)
            if (s.state[order[i]->id] != PLACED) graph_insert(g, order[i], NULL);
done:
    memory_free(a, s.stack, s.capacity * sizeof *s.stack);
    memory_free(a, order, ((size_t)count + 1) * sizeof *order);
    memory_free(a, s.state, states);
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
