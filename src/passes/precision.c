/* A graph that computes in f16 or bf16 computes in f32 instead: it is nearer to what was trained, and has fast kernels.
 * Weights stay half where they lie, behind a Cast that products and look-ups take along; inputs and outputs keep their
 * types. A graph that only stores or looks up half-precision weights is left alone. */
#include <string.h>

#include "passes/match.h"
#include "passes/pass.h"

static bool is_half(hst_dtype d) {
    return d == HST_DTYPE_F16 || d == HST_DTYPE_BF16;
}

static bool among(const node *n, const char *const *names) {
    for (; *names; names++)
        if (node_is(n, "", *names)) return true;
    return false;
}

/* Nodes that move elements and compute nothing. */
static bool moves(const node *n) {
    static const char *const names[] = {"Cast",   "Gather",    "Identity", "Reshape", "Transpose", "Slice",
                                        "Concat", "Unsqueeze", "Split",    "Squeeze", "Shape",     "Constant",
                                        "Expand", "CastLike",  "Flatten",  "Where",   "Size",      NULL};
    return among(n, names);
}

/* Nodes that make half numbers out of none: their output is cast, they stay. One that takes its type from its input is
 * none of them. */
static bool makes(const node *n) {
    static const char *const alike[] = {"EyeLike", "RandomNormalLike", "RandomUniformLike", NULL};
    if (among(n, alike) && !node_int(n, "dtype", 0)) return false;
    static const char *const names[] = {"Constant",          "ConstantOfShape", "EyeLike",
                                        "RandomNormal",      "RandomUniform",   "RandomNormalLike",
                                        "RandomUniformLike", "Multinomial",     NULL};
    if (among(n, names)) return true;
    /* Of a table that others read too the rows are taken out of its Cast. */
    return node_is(n, "", "Gather") && match_constant(n->in[0]) && n->in[0]->n_uses == 1;
}

/* True where some node computes with half numbers, and nothing stands in the way. */
static bool wanted(const graph *g) {
    bool computes = false;
    for (const node *n = g->first; n; n = n->next) {
        if (*n->domain && strcmp(n->domain, "com.microsoft") != 0) return false;
        for (int k = 0; k < n->n_attributes; k++)
            if (n->attributes[k].type == ATTRIBUTE_GRAPH || n->attributes[k].type == ATTRIBUTE_GRAPHS) return false;
        if (moves(n) || makes(n)) continue;
        for (int i = 0; i < n->n_out; i++) computes |= n->out[i] && is_half(n->out[i]->type.dtype);
    }
    return computes;
}

static hst_status widen_node(node *n, hst_error *err) {
    static const char *const keys[] = {"to", "dtype", "output_dtype"};
    bool made = makes(n);
    for (size_t k = 0; k < sizeof keys / sizeof *keys && !made; k++)
        if (is_half((hst_dtype)node_int(n, keys[k], 0))) node_replace_int(n, keys[k], HST_DTYPE_F32);
    for (int i = 0; i < n->n_out; i++) {
        value *v = n->out[i];
        if (!v || !is_half(v->type.dtype)) continue;
        if (made)
            HST_TRY(graph_cast_uses(v, HST_DTYPE_F32, err));
        else
            v->type.dtype = HST_DTYPE_F32;
    }
    return HST_STATUS_OK;
}

static hst_status widen(graph *g, bool *changed, hst_error *err) {
    if (g->parent || !wanted(g)) return HST_STATUS_OK;
    hst_dtype outputs[64];
    if (g->n_outputs > 64) return HST_STATUS_OK;
    for (int i = 0; i < g->n_outputs; i++) outputs[i] = g->outputs[i]->type.dtype;
    for (node *n = g->first, *next; n; n = next) {
        next = n->next;
        HST_TRY(widen_node(n, err));
    }
    int n_initializers = g->n_initializers;
    for (int i = 0; i < g->n_inputs; i++)
        if (is_half(g->inputs[i]->type.dtype)) HST_TRY(graph_cast_uses(g->inputs[i], HST_DTYPE_F32, err));
    for (int i = 0; i < n_initializers; i++) {
        value *v = g->initializers[i];
        bool table =
            v->n_uses == 1 && v->uses[0].index == 0 && node_is(v->uses[0].node, "", "Gather") && makes(v->uses[0].node);
        if (is_half(v->type.dtype) && !v->is_input && !table) HST_TRY(graph_cast_uses(v, HST_DTYPE_F32, err));
    }
    for (int i = 0; i < g->n_outputs; i++)
        if (is_half(outputs[i]) && g->outputs[i]->type.dtype == HST_DTYPE_F32)
            HST_TRY(graph_cast_output(g, i, outputs[i], err));
    *changed = true;
    return HST_STATUS_OK;
}

HST_GRAPH_PASS(precision) = {
    .name = "precision", .order = 5, .graph = widen, .summary = "computes in f32 what was written in half precision"};
