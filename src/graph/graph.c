/* Building graphs and keeping their links: values, uses, the node list. */
#include "graph/links.h"

#include <string.h>

#include "base/pool.h"

/* Grows an arena array to hold one more element: the old copy stays in the arena until the model goes. */
static bool grow(arena *a, void **array, int count, int *capacity, size_t element) {
    if (count < *capacity) return true;
    if (*capacity > INT32_MAX / 2) return false;
    int wanted = *capacity ? *capacity * 2 : 4;
    void *bigger = arena_alloc_array(a, (size_t)wanted, element);
    if (!bigger) return false;
    if (count) memcpy(bigger, *array, (size_t)count * element);
    *array = bigger;
    *capacity = wanted;
    return true;
}

model *model_new(const hst_allocator *a) {
    arena *memory = arena_new(a);
    if (!memory) return NULL;
    model *m = ARENA_NEW(memory, model);
    if (!m) {
        arena_free(memory);
        return NULL;
    }
    m->arena = memory;
    m->producer_name = m->producer_version = m->domain = m->doc_string = "";
    m->main = graph_new(m, NULL, "main");
    if (!m->main) {
        arena_free(memory);
        return NULL;
    }
    return m;
}

void model_free(model *m) {
    if (!m) return;
    for (int i = m->n_tensors; i-- > 0;) tensor_free(m->tensors[i]);
    for (int i = m->n_keep; i-- > 0;) m->keep[i].release(m->keep[i].object);
    pool_free(m->pool);
    arena_free(m->arena);
}

const hst_allocator *model_large(model *m) {
    const hst_allocator *own = arena_allocator(m->arena);
    if (own->alloc != allocator_default()->alloc) return own;
    if (!m->pool) m->pool = pool_new();
    return m->pool ? pool_allocator(m->pool) : own;
}

hst_status model_own_tensor(model *m, hst_tensor *t, hst_error *err) {
    if (!grow(m->arena, (void **)&m->tensors, m->n_tensors, &m->tensors_capacity, sizeof *m->tensors)) {
        tensor_free(t);
        return error_no_memory(err, sizeof t, "a tensor of the model");
    }
    m->tensors[m->n_tensors++] = t;
    return HST_STATUS_OK;
}

hst_status model_keep_file(model *m, model_kept what, hst_error *err) {
    if (!grow(m->arena, (void **)&m->keep, m->n_keep, &m->keep_capacity, sizeof *m->keep)) {
        what.release(what.object);
        return error_no_memory(err, sizeof what, "an object of the model");
    }
    m->keep[m->n_keep++] = what;
    return HST_STATUS_OK;
}

hst_status model_keep(model *m, void *object, void (*release)(void *), hst_error *err) {
    return model_keep_file(m, (model_kept){.object = object, .release = release}, err);
}

void model_unload(const model *m, const void *data, size_t size) {
    for (int i = 0; i < m->n_keep; i++)
        if (m->keep[i].unload) m->keep[i].unload(m->keep[i].object, data, size);
}

hst_status model_check_files(const model *m, hst_error *err) {
    for (int i = 0; i < m->n_keep; i++)
        if (m->keep[i].check) HST_TRY(m->keep[i].check(m->keep[i].object, err));
    return HST_STATUS_OK;
}

/* "ai.onnx" is written "" everywhere inside. */
static const char *domain_canonical(const char *domain) {
    return !domain || strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

hst_status model_import_opset(model *m, const char *domain, int64_t version, hst_error *err) {
    domain = domain_canonical(domain);
    for (int i = 0; i < m->n_opsets; i++) {
        if (strcmp(m->opsets[i].domain, domain) == 0) {
            m->opsets[i].version = version;
            return HST_STATUS_OK;
        }
    }
    char *copy = arena_copy_string(m->arena, domain, strlen(domain));
    if (!copy || !grow(m->arena, (void **)&m->opsets, m->n_opsets, &m->opsets_capacity, sizeof *m->opsets))
        return error_no_memory(err, sizeof *m->opsets, "an opset import");
    m->opsets[m->n_opsets++] = (opset_import){copy, version};
    return HST_STATUS_OK;
}

int64_t model_opset(const model *m, const char *domain) {
    domain = domain_canonical(domain);
    for (int i = 0; i < m->n_opsets; i++)
        if (strcmp(m->opsets[i].domain, domain) == 0) return m->opsets[i].version;
    return 0;
}

hst_status model_add_metadata(model *m, const char *key, const char *text, hst_error *err) {
    char *k = arena_copy_string(m->arena, key, strlen(key)), *v = arena_copy_string(m->arena, text, strlen(text));
    if (!k || !v || !grow(m->arena, (void **)&m->metadata, m->n_metadata, &m->metadata_capacity, sizeof *m->metadata))
        return error_no_memory(err, sizeof *m->metadata, "model metadata");
    m->metadata[m->n_metadata++] = (metadata_entry){k, v};
    return HST_STATUS_OK;
}

graph *graph_new(model *m, graph *parent, const char *name) {
    graph *g = ARENA_NEW(m->arena, graph);
    if (!g) return NULL;
    g->name = arena_copy_string(m->arena, name, strlen(name));
    g->model = m;
    g->parent = parent;
    return g->name ? g : NULL;
}

value *graph_add_value(graph *g, const char *name) {
    model *m = g->model;
    value *v = ARENA_NEW(m->arena, value);
    if (!v) return NULL;
    v->name = *name ? arena_copy_string(m->arena, name, strlen(name)) : "";
    if (!v->name) return NULL;
    v->id = m->n_values++;
    v->graph = g;
    v->type.rank = -1;
    return v;
}

static hst_status add_to(graph *g, value ***list, int *n, int *capacity, value *v, hst_error *err) {
    if (!grow(g->model->arena, (void **)list, *n, capacity, sizeof **list))
        return error_no_memory(err, sizeof **list, "a graph's list of values");
    (*list)[(*n)++] = v;
    return HST_STATUS_OK;
}

hst_status graph_add_input(graph *g, value *v, hst_error *err) {
    HST_TRY(add_to(g, &g->inputs, &g->n_inputs, &g->inputs_capacity, v, err));
    v->is_input = true;
    return HST_STATUS_OK;
}

hst_status graph_add_output(graph *g, value *v, hst_error *err) {
    HST_TRY(add_to(g, &g->outputs, &g->n_outputs, &g->outputs_capacity, v, err));
    v->is_output = true;
    return HST_STATUS_OK;
}

value *graph_add_initializer(graph *g, const char *name, const hst_tensor *t) {
    value *v = graph_add_value(g, name);
    if (!v) return NULL;
    if (add_to(g, &g->initializers, &g->n_initializers, &g->initializers_capacity, v, NULL) != HST_STATUS_OK)
        return NULL;
    v->constant = t;
    v->type = type_of_tensor(t);
    return v;
}

void graph_drop_default(graph *g, value *input) {
    if (!input->constant) return;
    input->constant = NULL;
    int kept = 0;
    for (int i = 0; i < g->n_initializers; i++)
        if (g->initializers[i] != input) g->initializers[kept++] = g->initializers[i];
    g->n_initializers = kept;
}

bool value_add_use(value *v, node *n, int index) {
    if (!grow(n->graph->model->arena, (void **)&v->uses, v->n_uses, &v->uses_capacity, sizeof *v->uses)) return false;
    v->uses[v->n_uses++] = (use){n, index};
    return true;
}

void value_remove_use(value *v, const node *n, int index) {
    for (int i = 0; i < v->n_uses; i++) {
        if (v->uses[i].node == n && v->uses[i].index == index) {
            v->uses[i] = v->uses[--v->n_uses];
            return;
        }
    }
}

node *graph_make_node(graph *g, const char *domain, const char *op_type, const char *name, value *const *in, int n_in,
                      value *const *out, int n_out) {
    model *m = g->model;
    node *n = ARENA_NEW(m->arena, node);
    if (!n) return NULL;
    domain = domain_canonical(domain);
    n->name = arena_copy_string(m->arena, name, strlen(name));
    n->domain = *domain ? arena_copy_string(m->arena, domain, strlen(domain)) : "";
    n->op_type = arena_copy_string(m->arena, op_type, strlen(op_type));
    n->in = ARENA_ARRAY(m->arena, value *, n_in ? n_in : 1);
    n->out = ARENA_ARRAY(m->arena, value *, n_out ? n_out : 1);
    if (!n->name || !n->domain || !n->op_type || !n->in || !n->out) return NULL;
    n->opset = (int)model_opset(m, domain);
    n->id = m->n_nodes++;
    n->graph = g;
    for (int i = 0; i < n_in; i++) n->in[i] = in[i];
    for (int i = 0; i < n_out; i++) n->out[i] = out[i];
    n->n_in = n_in;
    n->n_out = n_out;
    return n;
}

void graph_insert(graph *g, node *n, node *before) {
    n->next = before;
    n->previous = before ? before->previous : g->last;
    if (n->previous)
        n->previous->next = n;
    else
        g->first = n;
    if (before)
        before->previous = n;
    else
        g->last = n;
    g->n_nodes++;
}

void graph_unlink(graph *g, node *n) {
    if (n->previous)
        n->previous->next = n->next;
    else
        g->first = n->next;
    if (n->next)
        n->next->previous = n->previous;
    else
        g->last = n->previous;
    n->previous = n->next = NULL;
    g->n_nodes--;
}

bool node_connect(node *n) {
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && !value_add_use(n->in[i], n, i)) return false;
    for (int i = 0; i < n->n_out; i++) {
        if (!n->out[i]) continue;
        n->out[i]->producer = n;
        n->out[i]->producer_index = i;
    }
    return true;
}

node *graph_add_node(graph *g, const char *domain, const char *op_type, const char *name, value *const *in, int n_in,
                     value *const *out, int n_out) {
    node *n = graph_make_node(g, domain, op_type, name, in, n_in, out, n_out);
    if (!n || !node_connect(n)) return NULL;
    graph_insert(g, n, NULL);
    return n;
}
