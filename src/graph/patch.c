/* Transactions on graphs. */
#include "graph/patch.h"

#include <string.h>

#include "graph/links.h"

typedef struct replacement {
    value *from, *to;
} replacement;

#define PATCH_MOST 64 /* nodes or replacements a patch may hold */

struct patch {
    graph *graph;
    node *anchor;
    bool failed;
    int n_nodes, n_replacements, n_tensors;
    node *nodes[PATCH_MOST];
    replacement replacements[PATCH_MOST];
    hst_tensor *tensors[PATCH_MOST];
};

patch *patch_new(graph *g, node *anchor) {
    patch *p = memory_alloc(arena_allocator(g->model->arena), sizeof *p, 16);
    if (!p) return NULL;
    memset(p, 0, sizeof *p);
    p->graph = g;
    p->anchor = anchor;
    return p;
}

void patch_drop(patch *p) {
    if (!p) return;
    for (int i = 0; i < p->n_tensors; i++) tensor_free(p->tensors[i]);
    memory_free(arena_allocator(p->graph->model->arena), p, sizeof *p);
}

hst_status patch_fail(patch *p, hst_error *err) {
    patch_drop(p);
    return error_no_memory(err, 0, "a rewrite of the graph");
}

value *patch_value(patch *p, const type *t) {
    value *v = graph_add_value(p->graph, "");
    if (!v) {
        p->failed = true;
        return NULL;
    }
    if (t) v->type = *t;
    return v;
}

value *patch_constant(patch *p, const char *name, hst_tensor *t) {
    value *v = t && p->n_tensors < PATCH_MOST ? graph_add_initializer(p->graph, name, t) : NULL;
    if (!v) {
        p->failed = true;
        tensor_free(t);
        return NULL;
    }
    p->tensors[p->n_tensors++] = t;
    return v;
}

enum { STANDARD_OPSET = 13 }; /* of Identity and Cast in a model that imports no standard operators */

/* A domain that the model has no node of yet is imported with its first one: the file that is written needs that. */
static node *make_node(graph *g, const char *domain, int opset, const char *op_type, const char *name, value *const *in,
                       int n_in, value *const *out, int n_out) {
    model *m = g->model;
    const int version = opset ? opset : *domain ? 1 : STANDARD_OPSET;
    if (!model_opset(m, domain) && model_import_opset(m, domain, version, NULL) != HST_STATUS_OK) return NULL;
    node *n = graph_make_node(g, domain, op_type, name, in, n_in, out, n_out);
    if (n && opset) n->opset = opset;
    return n;
}

node *patch_node(patch *p, const char *domain, const char *op_type, int opset, value *const *in, int n_in,
                 value *const *out, int n_out) {
    node *n = p->n_nodes < PATCH_MOST && !p->failed
                  ? make_node(p->graph, domain, opset, op_type, p->anchor->name, in, n_in, out, n_out)
                  : NULL;
    if (!n) {
        p->failed = true;
        return NULL;
    }
    p->nodes[p->n_nodes++] = n;
    return n;
}

void patch_replace(patch *p, value *old, value *with) {
    if (!old || !with || p->n_replacements == PATCH_MOST) {
        p->failed = true;
        return;
    }
    p->replacements[p->n_replacements++] = (replacement){old, with};
}

/* Moves every use of `from` to `to`. A graph output keeps its name: the new value takes the old one's place and name.
 */
static bool move_uses(graph *g, value *from, value *to) {
    for (int i = 0; i < from->n_uses; i++)
        if (!value_add_use(to, from->uses[i].node, from->uses[i].index)) return false;
    for (int i = 0; i < from->n_uses; i++) from->uses[i].node->in[from->uses[i].index] = to;
    from->n_uses = 0;
    for (int i = 0; from->is_output && i < g->n_outputs; i++)
        if (g->outputs[i] == from) g->outputs[i] = to;
    if (from->is_output) {
        to->is_output = true;
        from->is_output = false;
        const char *name = from->name;
        from->name = to->name;
        to->name = name;
        bytes extra = from->extra;
        from->extra = to->extra;
        to->extra = extra;
    }
    return true;
}

/* A graph output that would become an input, an initializer or another output's value needs an Identity to carry its
 * name. */
static value *output_stand_in(patch *p, value *from, value *to) {
    if (!from->is_output || (to->producer && !to->is_output && to->graph == p->graph)) return to;
    value *v = graph_add_value(p->graph, "");
    if (!v) return NULL;
    v->type = to->type;
    node *n = make_node(p->graph, "", 0, "Identity", p->anchor->name, &to, 1, &v, 1);
    if (!n || !node_connect(n)) return NULL;
    graph_insert(p->graph, n, p->anchor);
    return v;
}

/* What a node gives that another one gave, that one gives no more. */
static void take_outputs(const node *n) {
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] && n->out[i]->producer) n->out[i]->producer->out[n->out[i]->producer_index] = NULL;
}

hst_status patch_apply(patch *p, hst_error *err) {
    graph *g = p->graph;
    hst_status status = p->failed ? error_no_memory(err, sizeof *p, "a rewrite of the graph") : HST_STATUS_OK;
    for (; status == HST_STATUS_OK && p->n_tensors > 0;)
        status = model_own_tensor(g->model, p->tensors[--p->n_tensors], err);
    if (status == HST_STATUS_OK) {
        for (int i = 0; i < p->n_nodes; i++) {
            take_outputs(p->nodes[i]);
            if (!node_connect(p->nodes[i])) p->failed = true;
            graph_insert(g, p->nodes[i], p->anchor);
        }
        for (int i = 0; i < p->n_replacements && !p->failed; i++) {
            value *to = output_stand_in(p, p->replacements[i].from, p->replacements[i].to);
            if (!to || !move_uses(g, p->replacements[i].from, to)) p->failed = true;
        }
        if (p->failed) status = error_no_memory(err, sizeof *p, "a rewrite of the graph");
    }
    patch_drop(p);
    return status;
}

static bool used(const value *v) {
    return v && (v->n_uses > 0 || v->is_output);
}

int graph_remove_dead(graph *g) {
    int gone = 0;
    for (node *n = g->last, *before; n; n = before) {
        before = n->previous;
        bool alive = false;
        for (int i = 0; i < n->n_out && !alive; i++) alive = used(n->out[i]);
        if (alive) continue;
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i]) value_remove_use(n->in[i], n, i);
        graph_unlink(g, n);
        gone++;
    }
    int kept = 0;
    for (int i = 0; i < g->n_initializers; i++)
        if (used(g->initializers[i]) || g->initializers[i]->is_input) g->initializers[kept++] = g->initializers[i];
    g->n_initializers = kept;
    return gone;
}

hst_status graph_set_constant(value *v, hst_tensor *t, hst_error *err) {
    graph *g = v->graph;
    HST_TRY(model_own_tensor(g->model, t, err));
    value *c = graph_add_initializer(g, "", t);
    if (!c) return error_no_memory(err, sizeof *c, "a folded constant");
    c->content = v->content;
    c->content_count = v->content_count;
    if (v->is_output) { /* the name stays: an Identity of the constant */
        v->constant = t;
        node *old = v->producer;
        if (old && node_is(old, "", "Identity") && old->in[0]->constant) return HST_STATUS_OK;
        node *n = make_node(g, "", 0, "Identity", old ? old->name : "", &c, 1, &v, 1);
        if (!n) return error_no_memory(err, sizeof *n, "a folded constant");
        if (old) old->out[v->producer_index] = NULL;
        if (!node_connect(n)) return error_no_memory(err, sizeof *n, "a folded constant");
        graph_insert(g, n, old ? old : g->first);
        return HST_STATUS_OK;
    }
    if (!move_uses(g, v, c)) return error_no_memory(err, sizeof *c, "a folded constant");
    return HST_STATUS_OK;
}

/* A Cast of v just before `before` (NULL: at the end). */
static value *insert_cast(value *v, hst_dtype to, node *before) {
    graph *g = v->graph;
    value *out = graph_add_value(g, "");
    node *n = out ? make_node(g, "", 0, "Cast", v->producer ? v->producer->name : "", &v, 1, &out, 1) : NULL;
    if (!n || !node_set_int(n, "to", to) || !node_connect(n)) return NULL;
    out->type = v->type;
    out->type.dtype = to;
    graph_insert(g, n, before);
    return out;
}

hst_status graph_cast_uses(value *v, hst_dtype to, hst_error *err) {
    graph *g = v->graph;
    int n = v->n_uses;
    if (!n) return HST_STATUS_OK;
    value *cast = insert_cast(v, to, v->producer ? v->producer->next : g->first);
    if (!cast) return error_no_memory(err, sizeof *cast, "a Cast");
    int kept = 0; /* the Cast itself, which came last, goes on reading v */
    for (int i = 0; i < v->n_uses; i++) {
        use u = v->uses[i];
        if (u.node == cast->producer || u.node->graph != g) {
            v->uses[kept++] = u;
            continue;
        }
        if (!value_add_use(cast, u.node, u.index)) return error_no_memory(err, sizeof u, "a Cast");
        u.node->in[u.index] = cast;
    }
    v->n_uses = kept;
    return HST_STATUS_OK;
}

hst_status graph_cast_output(graph *g, int i, hst_dtype to, hst_error *err) {
    value *v = g->outputs[i], *cast = insert_cast(v, to, NULL);
    if (!cast) return error_no_memory(err, sizeof *cast, "a Cast");
    bool elsewhere = false;
    g->outputs[i] = cast;
    cast->is_output = true;
    for (int k = 0; k < g->n_outputs; k++) elsewhere |= g->outputs[k] == v;
    v->is_output = elsewhere;
    if (v->is_input || elsewhere) return HST_STATUS_OK;
    cast->name = v->name;
    cast->extra = v->extra;
    v->name = "";
    v->extra = (bytes){0};
    return HST_STATUS_OK;
}
