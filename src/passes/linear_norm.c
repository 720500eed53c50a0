/* A LayerNormalization moves into the hasten.Linear or hasten.QuantizedLinear before it, with what is added in between.
 * Late, so that other passes see the products and norms that they know. */
#include "passes/match.h"
#include "passes/pass.h"

/* The product that v comes from, where v has no other user; *residual is where its input of that name stands: behind
 * it are gamma and beta. */
static node *product_before(const value *v, int *residual) {
    if (!v || !v->producer || !match_only_user(v)) return NULL;
    *residual = node_is(v->producer, "hasten", "Linear")            ? 3
                : node_is(v->producer, "hasten", "QuantizedLinear") ? 4
                                                                    : 0;
    return *residual ? v->producer : NULL;
}

static value *input(const node *n, int i) {
    return i < n->n_in ? n->in[i] : NULL;
}

/* The product before the norm `n` that can take it in; in[at], of its inputs, becomes what is added in between. */
static node *product_of_norm(const node *n, value **in, int *at) {
    const bool skip = node_is(n, "com.microsoft", "SkipLayerNormalization");
    for (int i = 0; i <= skip; i++) {
        node *l = product_before(n->in[i], at);
        if (!l || input(l, *at + 1)) continue;
        value *other = skip ? n->in[1 - i] : input(l, *at);
        if (skip && (input(l, *at) || !other || other->graph != n->in[i]->graph)) continue;
        if (skip && !type_equal(&other->type, &l->out[0]->type)) continue;
        for (int k = 0; k < *at; k++) in[k] = input(l, k);
        in[*at] = other;
        return l;
    }
    return NULL;
}

static bool is_vector(const value *v, int64_t width) {
    const hst_tensor *t = match_row(v, width);
    return t && t->dtype == HST_DTYPE_F32 && t->rank == 1;
}

static hst_status fuse_norm(graph *g, node *n, bool *changed, hst_error *err) {
    const bool skip = node_is(n, "com.microsoft", "SkipLayerNormalization");
    const int gamma = skip ? 2 : 1, beta = gamma + 1;
    value *in[7];
    int at;
    if (!skip && !node_is(n, "", "LayerNormalization")) return HST_STATUS_OK;
    if (n->n_in <= gamma || (n->n_in > beta + 1 && n->in[beta + 1])) return HST_STATUS_OK;
    for (int i = 1; i < n->n_out; i++)
        if (n->out[i] && (n->out[i]->n_uses || n->out[i]->is_output)) return HST_STATUS_OK;
    node *l = product_of_norm(n, in, &at);
    if (!l || !n->out[0]) return HST_STATUS_OK;
    const type *t = &l->out[0]->type;
    const int64_t width = t->rank < 1 ? -1 : t->dim[t->rank - 1], axis = node_int(n, "axis", -1);
    value *shift = n->n_in > beta ? n->in[beta] : NULL;
    if (width < 1 || t->dtype != HST_DTYPE_F32 || (!skip && axis != -1 && axis != t->rank - 1)) return HST_STATUS_OK;
    if (!is_vector(n->in[gamma], width) || (shift && !is_vector(shift, width))) return HST_STATUS_OK;
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    in[at + 1] = n->in[gamma];
    in[at + 2] = shift;
    value *out = patch_value(p, &n->out[0]->type);
    node *made = patch_node(p, l->domain, l->op_type, l->opset, in, at + (shift ? 3 : 2), &out, 1);
    bool ok = made && node_set_float(made, "epsilon", node_float(n, "epsilon", skip ? 1e-12f : 1e-5f));
    for (int i = 0; ok && i < l->n_attributes; i++) ok = node_add_attribute(made, &l->attributes[i]);
    if (!ok) return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

HST_PASS(linear_norm) = {.name = "linear_norm",
                         .order = 88,
                         .node = fuse_norm,
                         .anchor = "",
                         .summary = "moved a LayerNormalization into a linear layer"};
