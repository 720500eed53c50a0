/* Packing: a constant that a kernel reads in a layout of its own (the weights of hasten.Linear) is laid out so here,
 * once, and stands in the graph from then on: the model holds it in one form only, and an engine file holds what is
 * needed at a run. A constant that several nodes read in the same way (layers that share their weights) is packed once.
 * Nodes of subgraphs, which the interpreter runs, keep theirs. */
#include <string.h>

#include "passes/match.h"
#include "passes/pass.h"

/* Puts a copy of `n` in its place that reads `packed`; the layout attribute is told by `c`. */
static hst_status rebuild(graph *g, node *n, const pack_context *c, value *packed, hst_tensor *fresh, value **made,
                          hst_error *err) {
    patch *p = patch_new(g, n);
    if (!p) {
        tensor_free(fresh);
        return error_no_memory(err, 0, "a rewrite");
    }
    value **in = ARENA_ARRAY(g->model->arena, value *, n->n_in + 1);
    value **out = ARENA_ARRAY(g->model->arena, value *, n->n_out + 1);
    const value *old = n->in[c->input];
    /* Only an unpacked constant that goes leaves its name behind. */
    if (fresh) packed = patch_constant(p, match_only_user(old) ? old->name : "", fresh);
    bool ok = in && out && packed;
    for (int i = 0; ok && i < n->n_in; i++) in[i] = i == c->input ? packed : n->in[i];
    for (int i = 0; ok && i < n->n_out; i++)
        if (n->out[i]) out[i] = patch_value(p, &n->out[i]->type);
    node *m = ok ? patch_node(p, n->domain, n->op_type, n->opset, in, n->n_in, out, n->n_out) : NULL;
    ok = m && node_set_int(m, c->set, c->to);
    for (int i = 0; ok && i < n->n_attributes; i++)
        if (!c->unset || strcmp(n->attributes[i].name, c->unset) != 0) ok = node_add_attribute(m, &n->attributes[i]);
    if (!ok) return patch_fail(p, err);
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i]) patch_replace(p, n->out[i], out[i]);
    *made = packed;
    return patch_apply(p, err);
}

/* Replaced nodes stay in the list until the pass is done: nobody reads them any more. */
static bool is_needed(const node *n) {
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] && (n->out[i]->n_uses || n->out[i]->is_output)) return true;
    return false;
}

/* True where `n` reads `v` as the packed node did: the same operator, input and layout. */
static bool reads_alike(const node *n, const node *like, const pack_context *c, const value *v) {
    if (!is_needed(n) || n->op != like->op || n->graph != like->graph || c->input >= n->n_in || n->in[c->input] != v)
        return false;
    if (node_attribute(n, c->set)) return false;
    return !c->unset || node_int(n, c->unset, 0) == node_int(like, c->unset, 0);
}

/* Another node that reads v as `like` did, or NULL. */
static node *next_alike(const value *v, const node *like, const pack_context *c) {
    for (int i = 0; i < v->n_uses; i++)
        if (v->uses[i].index == c->input && reads_alike(v->uses[i].node, like, c, v)) return v->uses[i].node;
    return NULL;
}

static hst_status pack_node(graph *g, node *n, bool *changed, hst_error *err) {
    if (!n->op || !n->op->pack || g->parent || !is_needed(n)) return HST_STATUS_OK;
    pack_context c = {.node = n, .allocator = model_large(g->model), .weights = g->model->weights, .input = -1};
    HST_TRY(n->op->pack(&c, err));
    if (c.input < 0) return HST_STATUS_OK;
    *changed = true;
    value *v = n->in[c.input], *packed = NULL;
    HST_TRY(rebuild(g, n, &c, NULL, c.packed, &packed, err));
    for (node *other; (other = next_alike(v, n, &c)) != NULL;)
        HST_TRY(rebuild(g, other, &c, packed, NULL, &packed, err));
    bool needed = v->is_output;
    for (int i = 0; i < v->n_uses && !needed; i++) needed = is_needed(v->uses[i].node);
    if (!needed) model_unload(g->model, v->constant->data, v->constant->bytes);
    return HST_STATUS_OK;
}

HST_PASS(pack) = {
    .name = "pack", .order = 90, .node = pack_node, .anchor = "", .summary = "laid weights out for their kernel"};
