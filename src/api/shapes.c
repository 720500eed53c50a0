/* hst_model_describe_shapes_json: the type of every value of a model, subgraphs included. */
#include "api/api.h"
#include "base/text_buffer.h"

typedef struct listing {
    const model *model;
    json_t *all;
    const char *graph; /* the one that is being listed */
    int depth;
    bool failed;
} listing;

static void set(listing *l, json_t *one, const char *key, json_t *value) {
    l->failed |= json_object_set_new(one, key, value) != 0;
}

static json_t *length_json(const model *m, dim d) {
    char unnamed[32];
    const char *name = dim_name(m, d);
    if (!dim_is_symbol(d)) return json_integer(d);
    if (*name) return describe_text(name);
    snprintf(unnamed, sizeof unnamed, "?%lld", (long long)(DIM_SYMBOL_FIRST - d));
    return json_string(unnamed);
}

static void list_value(listing *l, const value *v, const char *from, const char *node_name) {
    const type *t = &v->type;
    const bool list = t->dtype == HST_DTYPE_SEQUENCE || t->key;
    json_t *one = json_object(), *shape = t->rank < 0 ? json_null() : json_array();
    for (int k = 0; k < t->rank; k++) l->failed |= json_array_append_new(shape, length_json(l->model, t->dim[k])) != 0;
    set(l, one, "name", describe_text(v->name));
    set(l, one, "graph", describe_text(l->graph));
    set(l, one, "depth", json_integer(l->depth));
    set(l, one, "from", describe_text(from));
    set(l, one, "node", describe_text(node_name));
    set(l, one, "output", json_boolean(v->is_output));
    set(l, one, "dtype", describe_text(dtype_name(t->dtype)));
    if (t->key) set(l, one, "key", describe_text(dtype_name(t->key)));
    if (list) set(l, one, "element", describe_text(dtype_name(t->element)));
    set(l, one, "shape", shape);
    if (v->content && (t->rank == 0 || t->rank == 1)) {
        json_t *content = json_array();
        for (int k = 0; k < v->content_count; k++)
            l->failed |= json_array_append_new(content, length_json(l->model, v->content[k])) != 0;
        set(l, one, "content", content);
    }
    if (t->optional) set(l, one, "may_be_empty", json_true());
    l->failed |= json_array_append_new(l->all, one) != 0;
}

static void list_graph(listing *l, const graph *g);

static void list_subgraph(listing *l, const node *n, const attribute *a, const graph *g) {
    char label[160];
    text_buffer name = {0};
    listing inner = *l;
    text_buffer_format(&name, "%s of %s", a->name, node_label(n, label, sizeof label));
    inner.depth++;
    inner.graph = name.data ? name.data : "";
    inner.failed |= name.failed;
    list_graph(&inner, g);
    l->failed |= inner.failed;
    text_buffer_free(&name);
}

static void list_graph(listing *l, const graph *g) {
    for (int i = 0; i < g->n_initializers; i++)
        if (!g->initializers[i]->is_input) list_value(l, g->initializers[i], "initializer", "");
    for (int i = 0; i < g->n_inputs; i++) list_value(l, g->inputs[i], "input", "");
    for (const node *n = g->first; n; n = n->next) {
        for (int k = 0; k < n->n_attributes; k++) {
            const attribute *a = &n->attributes[k];
            if (a->reference) continue;
            if (a->type == ATTRIBUTE_GRAPH) list_subgraph(l, n, a, a->as.graph);
            for (int64_t j = 0; a->type == ATTRIBUTE_GRAPHS && j < a->n; j++) list_subgraph(l, n, a, a->as.graphs[j]);
        }
        for (int i = 0; i < n->n_out; i++)
            if (n->out[i]) list_value(l, n->out[i], n->op_type, n->name);
    }
}

hst_status hst_model_describe_shapes_json(const hst_model *m, char **json, hst_error *err) {
    if (!m || !json) return error_set(err, HST_STATUS_INVALID_ARGUMENT, "model", "model or json is NULL");
    if (!m->shapes)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "model",
                         "it was loaded with HST_MODEL_GRAPH_ONLY and without HST_MODEL_SHAPES");
    listing l = {.model = m->model, .all = json_array(), .graph = ""};
    l.failed = !l.all;
    list_graph(&l, m->model->main);
    return describe_dump(l.all, l.failed, json, err);
}
