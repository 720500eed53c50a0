/* What follows a hasten.Linear moves into its epilogue: a bias row, an activation, a residual of the same shape. */
#include <math.h>
#include <string.h>

#include "passes/match.h"
#include "passes/pass.h"

static bool has(const node *l, int i) { return i < l->n_in && l->in[i]; }

/* The Linear that v comes from, where v has no other user and is not normalised. */
static node *linear_before(const value *v) {
    if (!v || !v->producer || !node_is(v->producer, "hasten", "Linear") || has(v->producer, 4)) return NULL;
    return match_only_user(v) ? v->producer : NULL;
}

/* Replaces `n` by `l` with one more input or an activation. */
static hst_status rebuild(graph *g, node *n, const node *l, value *bias, value *residual, const char *activation,
                          bool *changed, hst_error *err) {
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    value *in[4] = {l->in[0], l->in[1], bias, residual}, *out = patch_value(p, &n->out[0]->type);
    node *made = patch_node(p, "hasten", "Linear", 1, in, residual ? 4 : bias ? 3 : 2, &out, 1);
    if (!made || !node_set_int(made, "transB", node_int(l, "transB", 0)) ||
        !node_set_float(made, "alpha", node_float(l, "alpha", 1)) ||
        (*activation && !node_set_string(made, "activation", activation))) return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

static hst_status fuse_bias(graph *g, node *n, bool *changed, hst_error *err) {
    if (!node_is(n, "", "Add")) return HST_STATUS_OK;
    for (int i = 0; i < 2; i++) {
        node *l = linear_before(n->in[i]);
        value *bias = n->in[1 - i];
        if (!l || has(l, 2) || has(l, 3) || *node_string(l, "activation", "")) continue;
        int rank = l->out[0]->type.rank;
        if (rank < 1 || l->out[0]->type.dim[rank - 1] < 1) continue;
        const hst_tensor *row = match_row(bias, l->out[0]->type.dim[rank - 1]);
        if (row && row->dtype == HST_DTYPE_F32 && row->rank <= rank)
            return rebuild(g, n, l, bias, NULL, "", changed, err);
    }
    return HST_STATUS_OK;
}

HST_PASS(linear_bias) = {
    .name = "linear_bias", .order = 31, .node = fuse_bias, .anchor = "Add", .summary = "moved a bias into hasten.Linear"};

static const char *activation_of(const node *n) {
    if (node_is(n, "", "Relu")) return "Relu";
    if (node_is(n, "", "Tanh")) return "Tanh";
    if (node_is(n, "", "Sigmoid")) return "Sigmoid";
    if (node_is(n, "", "Gelu")) return strcmp(node_string(n, "approximate", "none"), "tanh") == 0 ? "GeluTanh" : "Gelu";
    if (node_is(n, "com.microsoft", "Gelu") || node_is(n, "com.microsoft", "BiasGelu")) return "Gelu";
    if (node_is(n, "com.microsoft", "FastGelu")) return "GeluTanh";
    if (node_is(n, "com.microsoft", "QuickGelu")) {
        float alpha = node_float(n, "alpha", 1.702f);
        return alpha == 1.702f ? "QuickGelu" : alpha == 1.0f ? "Silu" : NULL;
    }
    return NULL;
}

static hst_status fuse_activation(graph *g, node *n, bool *changed, hst_error *err) {
    const char *activation = activation_of(n);
    if (!activation || n->n_in < 1) return HST_STATUS_OK;
    node *l = linear_before(n->in[0]);
    if (!l || has(l, 3) || *node_string(l, "activation", "")) return HST_STATUS_OK;
    value *bias = has(l, 2) ? l->in[2] : NULL;
    if (n->n_in > 1 && n->in[1]) { /* BiasGelu, FastGelu with a bias */
        const type *t = &l->out[0]->type;
        if (bias || t->rank < 1 || !match_row(n->in[1], t->dim[t->rank - 1])) return HST_STATUS_OK;
        bias = n->in[1];
    }
    return rebuild(g, n, l, bias, NULL, activation, changed, err);
}

HST_PASS(linear_activation) = {.name = "linear_activation",
                               .order = 41,
                               .node = fuse_activation,
                               .anchor = "",
                               .summary = "moved an activation into hasten.Linear"};

static hst_status fuse_residual(graph *g, node *n, bool *changed, hst_error *err) {
    if (!node_is(n, "", "Add")) return HST_STATUS_OK;
    for (int i = 0; i < 2; i++) {
        node *l = linear_before(n->in[i]);
        value *residual = n->in[1 - i];
        if (!l || has(l, 3) || !residual || residual->constant || residual->graph != g) continue;
        if (!type_equal(&residual->type, &l->out[0]->type) || residual->type.rank < 0) continue;
        return rebuild(g, n, l, has(l, 2) ? l->in[2] : NULL, residual, node_string(l, "activation", ""), changed, err);
    }
    return HST_STATUS_OK;
}

HST_PASS(linear_residual) = {.name = "linear_residual",
                             .order = 70,
                             .node = fuse_residual,
                             .anchor = "Add",
                             .summary = "moved a residual into hasten.Linear"};
