/* Giving back what rewriting left behind: tensors of the model that no value and no attribute refers to. */
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"

/* The model's tensors by address, and which of them were met. */
typedef struct sweep {
    const hst_tensor **sorted;
    bool *met;
    size_t count;
} sweep;

static int by_address(const void *a, const void *b) {
    const uintptr_t x = (uintptr_t) * (const hst_tensor *const *)a, y = (uintptr_t) * (const hst_tensor *const *)b;
    return (x > y) - (x < y);
}

static bool *met(const sweep *s, const hst_tensor *t) {
    const hst_tensor **at = t && s->count ? bsearch(&t, s->sorted, s->count, sizeof t, by_address) : NULL;
    return at ? &s->met[at - s->sorted] : NULL;
}

static void meet(sweep *s, const hst_tensor *t) {
    bool *m = met(s, t);
    if (m) *m = true;
}

static void meet_values(sweep *s, value *const *list, int n) {
    for (int i = 0; i < n; i++)
        if (list[i]) meet(s, list[i]->constant);
}

static void meet_graph(sweep *s, const graph *g) {
    meet_values(s, g->inputs, g->n_inputs);
    meet_values(s, g->outputs, g->n_outputs);
    meet_values(s, g->initializers, g->n_initializers);
    for (const node *n = g->first; n; n = n->next) {
        meet_values(s, n->in, n->n_in);
        meet_values(s, n->out, n->n_out);
        for (int k = 0; k < n->n_attributes; k++) {
            const attribute *a = &n->attributes[k];
            if (a->reference) continue;
            if (a->type == ATTRIBUTE_TENSOR) meet(s, a->as.tensor);
            if (a->type == ATTRIBUTE_GRAPH) meet_graph(s, a->as.graph);
            for (int64_t i = 0; a->type == ATTRIBUTE_TENSORS && i < a->n; i++) meet(s, a->as.tensors[i]);
            for (int64_t i = 0; a->type == ATTRIBUTE_GRAPHS && i < a->n; i++) meet_graph(s, a->as.graphs[i]);
        }
    }
}

hst_status model_release_unused(model *m, hst_error *err) {
    const hst_allocator *a = arena_allocator(m->arena);
    const size_t n = (size_t)m->n_tensors, bytes = (n + 1) * (sizeof(hst_tensor *) + sizeof(bool));
    void *memory = memory_alloc(a, bytes, 16);
    if (!memory) return error_no_memory(err, bytes, "a list of tensors");
    memset(memory, 0, bytes);
    sweep s = {.sorted = memory, .met = (bool *)((const hst_tensor **)memory + n + 1), .count = n};
    for (size_t i = 0; i < n; i++) s.sorted[i] = m->tensors[i];
    qsort(s.sorted, n, sizeof *s.sorted, by_address);
    meet_graph(&s, m->main);
    int kept = 0;
    for (size_t i = 0; i < n; i++) {
        hst_tensor *t = m->tensors[i];
        if (*met(&s, t)) {
            m->tensors[kept++] = t;
            continue;
        }
        if (!t->buffer) model_unload(m, t->data, t->bytes);
        tensor_free(t);
    }
    m->n_tensors = kept;
    memory_free(a, memory, bytes);
    return HST_STATUS_OK;
}
