/* Dead rows: where only the first row of each sequence is read (Gather of index 0 along axis 1, as a classification
 * head does), the rows before it need not be computed: the Gather moves up through everything that works row by row,
 * and the attention behind it computes one query a sequence. Exact: no kernel's result for a row depends on the other
 * rows. [batch, sequence, hidden] becomes [batch, hidden] on the way. */
#include <string.h>

#include "passes/match.h"
#include "passes/pass.h"

/* Gather of row 0 of [batch, sequence, hidden]. */
static bool is_first_row(const node *n) {
    if (!node_is(n, "", "Gather") || node_int(n, "axis", 0) != 1 || n->n_in < 2) return false;
    const hst_tensor *index = match_constant(n->in[1]);
    return index && index->rank == 0 && tensor_get_s64(index, 0) == 0;
}

/* True where all users of n's data read its first row, as n does. */
static bool reads_first_row(const node *n) {
    const value *data = n->in[0];
    if (!is_first_row(n) || !data->producer || data->is_output) return false;
    if (data->type.rank != 3 || data->type.dtype != HST_DTYPE_F32) return false;
    for (int i = 0; i < data->n_uses; i++)
        if (data->uses[i].node->graph != n->graph || !is_first_row(data->uses[i].node)) return false;
    return true;
}

/* `with` stands for the row from now on, whoever of the users of `data` read it. */
static void replace_rows(patch *p, const value *data, value *with) {
    for (int i = 0; i < data->n_uses; i++) patch_replace(p, data->uses[i].node->out[0], with);
}

/* Nodes whose output row depends on the same row of every rank-3 input, and on nothing else but constants of rank 1. */
static bool row_by_row(const node *n) {
    static const char *const plain[] = {"Gelu", "Relu", "Tanh", "Sigmoid", "Add", "Identity", NULL};
    bool known = node_is(n, "hasten", "Linear") || node_is(n, "com.microsoft", "SkipLayerNormalization") ||
                 node_is(n, "com.microsoft", "QuickGelu");
    for (const char *const *p = plain; *p && !known; p++) known = node_is(n, "", *p);
    if (node_is(n, "", "LayerNormalization")) {
        int64_t axis = node_int(n, "axis", -1);
        known = axis == -1 || axis == 2;
    }
    for (int i = 1; i < n->n_out; i++)
        if (n->out[i] && (n->out[i]->n_uses || n->out[i]->is_output)) return false;
    return known;
}

/* The type of row 0 of v. */
static type row_type(const value *v) {
    type t = v->type;
    t.rank = 2;
    t.dim[1] = t.dim[2];
    return t;
}

static value *gather_row(patch *p, const node *like, value *v) {
    type t = row_type(v);
    value *in[2] = {v, like->in[1]}, *out = patch_value(p, &t);
    node *n = patch_node(p, "", "Gather", like->opset, in, 2, &out, 1);
    return n && node_set_int(n, "axis", 1) ? out : NULL;
}

static hst_status move_up(graph *g, node *gather, const node *n, bool *changed, hst_error *err) {
    value *in[8];
    if (n->n_in > 8) return HST_STATUS_OK;
    for (int i = 0; i < n->n_in; i++) {
        const value *v = n->in[i];
        bool row = v && type_equal(&v->type, &n->in[0]->type) && v->type.rank == 3;
        bool residual = v && v->type.rank == 3 && type_equal(&v->type, &n->out[0]->type);
        bool constant = v && match_constant(v) && (v->type.rank < 2 || (i == 1 && node_is(n, "hasten", "Linear")));
        if (v && !row && !residual && !constant) return HST_STATUS_OK;
    }
    patch *p = patch_new(g, gather);
    if (!p) return patch_fail(p, err);
    bool ok = true;
    for (int i = 0; i < n->n_in; i++) {
        in[i] = n->in[i] && n->in[i]->type.rank == 3 ? gather_row(p, gather, n->in[i]) : n->in[i];
        ok = ok && (in[i] || !n->in[i]);
    }
    type t = row_type(n->out[0]);
    value *out = patch_value(p, &t);
    node *made = ok ? patch_node(p, n->domain, n->op_type, n->opset, in, n->n_in, &out, 1) : NULL;
    if (!made || !node_copy_attributes(made, n)) return patch_fail(p, err);
    node_replace_int(made, "axis", -1); /* of a LayerNormalization: the last axis has another number now */
    replace_rows(p, gather->in[0], out);
    *changed = true;
    return patch_apply(p, err);
}

/* The attention computes one query; the Gather then picks the only row. */
static hst_status one_query(graph *g, node *gather, const node *n, bool *changed, hst_error *err) {
    if (node_int(n, "queries", 0) || (n->n_in > 2 && n->in[2])) return HST_STATUS_OK;
    patch *p = patch_new(g, gather);
    if (!p) return patch_fail(p, err);
    type t = n->out[0]->type;
    t.dim[1] = 1;
    value *row = patch_value(p, &t);
    node *made = patch_node(p, n->domain, n->op_type, n->opset, n->in, n->n_in, &row, 1);
    bool ok = made && node_set_int(made, "queries", 1) && node_copy_attributes(made, n);
    value *out = ok ? gather_row(p, gather, row) : NULL;
    if (!out) return patch_fail(p, err);
    replace_rows(p, gather->in[0], out);
    *changed = true;
    return patch_apply(p, err);
}

static hst_status drop_dead_rows(graph *g, node *n, bool *changed, hst_error *err) {
    if (n->n_in < 1 || !n->in[0] || n->in[0]->graph != g || !reads_first_row(n)) return HST_STATUS_OK;
    const node *before = n->in[0]->producer;
    if (node_is(before, "hasten", "PackedAttention")) return one_query(g, n, before, changed, err);
    return row_by_row(before) ? move_up(g, n, before, changed, err) : HST_STATUS_OK;
}

HST_PASS(dead_rows) = {.name = "dead_rows",
                       .order = 75,
                       .node = drop_dead_rows,
                       .anchor = "Gather",
                       .summary = "left out rows that nobody reads"};
