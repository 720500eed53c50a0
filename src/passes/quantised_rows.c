/* Rows that hasten.QuantizedLinear would round to 7 bits before it multiplies them come so from the linear layer that
 * normalises them: there they are in the first level cache, and need neither a pass of their own nor a barrier between
 * rounding and product. The f32 rows stay beside them, as residual. The bits are the same. Only behind a norm, which
 * works on whole rows anyway: a layer without one would have to wait for its rows as the next one does. Late, when no
 * other pass looks at the layers; nodes of subgraphs, which the interpreter runs, stay as they are. */
#include "passes/match.h"
#include "passes/pass.h"

enum { X_SCALE = 7, X_ZERO = 8, INPUTS = 9 }; /* of hasten.QuantizedLinear */
enum { ROWS = 4 };                            /* outputs: the f32 rows, and the three of quantised ones */

/* The layer that makes v, where it can give it quantised, or does so already. */
static node *layer_of(const value *v) {
    node *n = v->producer;
    const type *t = &v->type;
    if (!n || n->graph != v->graph || v->producer_index != 0 || v->constant) return NULL;
    if (t->dtype != HST_DTYPE_F32 || t->rank < 1 || t->dim[t->rank - 1] < 1 || t->dim[t->rank - 1] % 32) return NULL;
    const int gamma = node_is(n, "hasten", "QuantizedLinear") ? 5 : node_is(n, "hasten", "Linear") ? 4 : n->n_in;
    if (gamma >= n->n_in || !n->in[gamma]) return NULL;
    return n->n_out == 1 || (n->n_out == ROWS && n->out[1] && n->out[2] && n->out[3]) ? n : NULL;
}

/* Puts a node of the same meaning in n's place that has other inputs, or more outputs than n. */
static hst_status rebuild(graph *g, node *n, value *const *in, int n_in, value **out, int n_out, hst_error *err) {
    static const hst_dtype dtypes[ROWS] = {HST_DTYPE_F32, HST_DTYPE_U8, HST_DTYPE_F32, HST_DTYPE_S32};
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    for (int i = 0; i < n_out; i++) {
        type t = n->out[0]->type;
        t.dtype = dtypes[i];
        if (i > 1) t.dim[t.rank - 1] = 1;
        out[i] = patch_value(p, &t);
    }
    node *made = patch_node(p, n->domain, n->op_type, n->opset, in, n_in, out, n_out);
    if (!made || !node_copy_attributes(made, n)) return patch_fail(p, err);
    for (int i = 0; i < n->n_out; i++) patch_replace(p, n->out[i], out[i]);
    return patch_apply(p, err);
}

static hst_status take_rows(graph *g, node *n, bool *changed, hst_error *err) {
    value *in[INPUTS] = {NULL}, *out[ROWS];
    if (g->parent || !node_is(n, "hasten", "QuantizedLinear") || n->n_in > X_SCALE || !n->in[0]) return HST_STATUS_OK;
    if (n->n_out != 1 || !n->out[0] || n->out[0]->type.rank < 1 || n->in[0]->graph != g) return HST_STATUS_OK;
    node *layer = layer_of(n->in[0]);
    if (!layer) return HST_STATUS_OK;
    if (layer->n_out == 1) {
        HST_TRY(rebuild(g, layer, layer->in, layer->n_in, out, ROWS, err));
        layer = out[0]->producer;
    }
    for (int i = 1; i < n->n_in; i++) in[i] = n->in[i];
    in[0] = layer->out[1];
    in[X_SCALE] = layer->out[2];
    in[X_ZERO] = layer->out[3];
    *changed = true;
    return rebuild(g, n, in, INPUTS, out, 1, err);
}

HST_PASS(quantised_rows) = {.name = "quantised_rows",
                            .order = 89,
                            .node = take_rows,
                            .anchor = "QuantizedLinear",
                            .summary = "rounded rows to 8 bits where they are normalised"};
