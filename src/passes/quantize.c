/* Quantisation on request (model.quantization): linear layers whose operator can give its weights on 8 bits become
 * hasten.QuantizedLinear; those weights stand in the graph as kernels read them. A layer stays as it is where rounding
 * its weights would lose too much. Layers that share their weights share them still. Nodes of subgraphs, which the
 * interpreter runs, keep theirs. */
#include "passes/match.h"
#include "passes/pass.h"

#define ERROR_MOST 0.03f /* of the weights' norm: rounding to 8 bits loses about 0.01 */

typedef struct quantised { /* of a constant, already in the graph */
    const value *from;
    int64_t transposed;
    float alpha, error;
    value *weights, *scale;
} quantised;

/* Puts QuantizedLinear in the layer's place. The tensors, where given, become q's values. */
static hst_status replace(graph *g, node *n, quantised *q, hst_tensor *weights, hst_tensor *scale, hst_error *err) {
    patch *p = patch_new(g, n);
    if (!p) {
        tensor_free(weights);
        tensor_free(scale);
        return error_no_memory(err, 0, "a rewrite");
    }
    if (weights) {
        q->weights = patch_constant(p, match_only_user(n->in[1]) ? n->in[1]->name : "", weights);
        q->scale = patch_constant(p, "", scale);
    }
    value *in[7] = {n->in[0], q->weights, q->scale};
    int n_in = 3;
    for (int i = 2; i < n->n_in && i < 6; i++) /* bias, residual, gamma, beta */
        if ((in[i + 1] = n->in[i])) n_in = i + 2;
    value *out = patch_value(p, &n->out[0]->type);
    node *made = in[1] && in[2] ? patch_node(p, "hasten", "QuantizedLinear", 1, in, n_in, &out, 1) : NULL;
    const char *activation = node_string(n, "activation", "");
    if (!made || !node_set_float(made, "weight_error", q->error) ||
        (in[5] && !node_set_float(made, "epsilon", node_float(n, "epsilon", 1e-5f))) ||
        (*activation && !node_set_string(made, "activation", activation)))
        return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    return patch_apply(p, err);
}

/* Replaced nodes stay in the list until the pass is done: nobody reads them any more. */
static bool is_needed(const value *v) {
    if (v->is_output) return true;
    for (int i = 0; i < v->n_uses; i++) {
        const node *user = v->uses[i].node;
        for (int k = 0; k < user->n_out; k++)
            if (user->out[k] && (user->out[k]->n_uses || user->out[k]->is_output)) return true;
    }
    return false;
}

/* What was made of the same weights for another layer, or an empty one. */
static quantised *find(quantised *known, int *count, const node *n) {
    const quantised q = {.from = n->in[1], .transposed = node_int(n, "transB", 0), .alpha = node_float(n, "alpha", 1)};
    for (int i = 0; i < *count; i++)
        if (known[i].from == q.from && known[i].transposed == q.transposed && known[i].alpha == q.alpha)
            return &known[i];
    known[*count] = q;
    return &known[(*count)++];
}

static hst_status quantize_node(graph *g, node *n, quantised *known, int *count, bool *changed, hst_error *err) {
    quantize_context c = {.node = n, .allocator = arena_allocator(g->model->arena)};
    quantised *q = find(known, count, n);
    const value *old = n->in[1];
    if (!q->weights) {
        HST_TRY(n->op->quantize(&c, err));
        q->error = c.error;
        if (!c.weights || !(c.error <= ERROR_MOST)) { /* also NaN */
            tensor_free(c.weights);
            tensor_free(c.scale);
            return HST_STATUS_OK;
        }
    }
    HST_TRY(replace(g, n, q, c.weights, c.scale, err));
    *changed = true;
    if (!is_needed(old)) model_unload(g->model, old->constant->data, old->constant->bytes);
    return HST_STATUS_OK;
}

static hst_status quantize(graph *g, bool *changed, hst_error *err) {
    int layers = 0, count = 0;
    if (g->model->quantization != MODEL_QUANTIZATION_INT8 || g->parent) return HST_STATUS_OK;
    for (const node *n = g->first; n; n = n->next) layers += n->op && n->op->quantize;
    quantised *known = ARENA_ARRAY(g->model->arena, quantised, layers + 1);
    if (!known) return error_no_memory(err, (size_t)layers * sizeof *known, "quantised weights");
    for (node *n = g->first, *next; n; n = next) {
        next = n->next;
        if (n->op && n->op->quantize) HST_TRY(quantize_node(g, n, known, &count, changed, err));
    }
    return HST_STATUS_OK;
}

HST_GRAPH_PASS(quantize) = {
    .name = "quantize", .order = 85, .graph = quantize, .summary = "linear layers on 8-bit integers (asked for)"};
