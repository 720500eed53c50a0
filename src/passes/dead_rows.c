/* Dead rows: where only the first row of each sequence is read (Gather of index 0 along axis 1, as a classification
 * head does), the rows before it need not be computed: the Gather moves up through everything that works row by row,
 * and the attention behind it computes one query a sequence. Exact: no kernel's result for a row depends on the other
 * rows. [batch, sequence, hidden] becomes [batch, hidden] on the way. */
#include <string.h>

#include "passes/match.h"
#include "passes/pass.h"
#include "passes/rows.h"

/* True where all users of n's data read its first row, as n does. */
static bool reads_first_row(const node *n) {
    const value *data = n->in[0];
    if (!rows_is_first(n) || !data->producer || data->is_output) return false;
    if (data->type.rank != 3 || data->type.dtype != HST_DTYPE_F32) return false;
    for (int i = 0; i < data->n_uses; i++)
        if (data->uses[i].node->graph != n->graph || !rows_is_first(data->uses[i].node)) return false;
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

/* ---- the attention ---- */

/* Columns [begin, end) of a matrix [rows, columns], or of the rows of its transpose. NULL: no memory. */
static hst_tensor *columns_of(const hst_tensor *w, bool transposed, int64_t begin, int64_t end,
                              const hst_allocator *a) {
    const int64_t n = end - begin, dims[2] = {transposed ? n : w->dim[0], transposed ? w->dim[1] : n};
    const size_t element = (size_t)dtype_bits(w->dtype) / 8;
    const size_t row = (size_t)w->dim[1] * element, part = transposed ? row : (size_t)n * element;
    hst_tensor *t;
    if (tensor_new(w->dtype, 2, dims, a, &t, NULL) != HST_STATUS_OK) return NULL;
    const char *from = (const char *)w->data + (transposed ? (size_t)begin * row : (size_t)begin * element);
    for (int64_t r = 0; r < dims[0]; r++) memcpy((char *)t->data + (size_t)r * part, from + (size_t)r * row, part);
    return t;
}

static hst_tensor *part_of_row(const hst_tensor *b, int64_t begin, int64_t end, const hst_allocator *a) {
    const int64_t n = end - begin;
    const size_t element = (size_t)dtype_bits(b->dtype) / 8;
    hst_tensor *t;
    if (tensor_new(b->dtype, 1, &n, a, &t, NULL) != HST_STATUS_OK) return NULL;
    memcpy(t->data, (const char *)b->data + (size_t)begin * element, (size_t)n * element);
    return t;
}

/* The product behind q, k and v of an attention, if its weights can be taken apart. */
static const node *splits(const node *attention, int64_t *hidden) {
    const value *qkv = attention->in[0];
    const node *l = qkv->producer;
    if (!l || !node_is(l, "hasten", "Linear") || !match_only_user(qkv) || *node_string(l, "activation", ""))
        return NULL;
    const hst_tensor *w = match_constant(l->in[1]), *b = l->n_in > 2 && l->in[2] ? match_constant(l->in[2]) : NULL;
    if (!w || w->rank != 2 || dtype_bits(w->dtype) < 8 || (l->n_in > 3 && l->in[3]) || (l->n_in > 4 && l->in[4]))
        return NULL;
    const int64_t n = w->dim[node_int(l, "transB", 0) ? 0 : 1];
    if (l->n_in > 2 && l->in[2] && (!b || b->rank != 1 || b->dim[0] != n)) return NULL;
    *hidden = n / 3;
    return n > 0 && n % 3 == 0 && node_int(attention, "num_heads", 0) > 0 && l->in[0]->type.rank == 3 ? l : NULL;
}

/* Columns [begin, end) of the product l, of x. */
static value *part_of_product(patch *p, const node *l, value *x, int64_t begin, int64_t end) {
    const hst_allocator *a = arena_allocator(l->graph->model->arena);
    if (!x) return NULL;
    hst_tensor *w = columns_of(l->in[1]->constant, node_int(l, "transB", 0) != 0, begin, end, a), *b = NULL;
    if (w && l->n_in > 2 && l->in[2]) b = part_of_row(l->in[2]->constant, begin, end, a);
    if (!w || (l->n_in > 2 && l->in[2] && !b)) {
        tensor_free(w);
        return NULL;
    }
    type t = x->type;
    t.dim[t.rank - 1] = end - begin;
    value *const in[3] = {x, patch_constant(p, "", w), b ? patch_constant(p, "", b) : NULL};
    value *out = patch_value(p, &t);
    node *n = in[1] && (in[2] || !b) ? patch_node(p, l->domain, l->op_type, l->opset, in, b ? 3 : 2, &out, 1) : NULL;
    return n && node_copy_attributes(n, l) ? out : NULL;
}

/* The attention computes one query, and q is computed for that row alone; the Gather then picks the only row. */
static hst_status one_query(graph *g, node *gather, const node *n, bool *changed, hst_error *err) {
    int64_t hidden = 0;
    value *in[6] = {NULL};
    int n_in = n->n_in;
    if (node_int(n, "queries", 0) || n->n_in > 6) return HST_STATUS_OK;
    const node *l = splits(n, &hidden);
    patch *p = patch_new(g, gather);
    if (!p) return patch_fail(p, err);
    for (int i = 0; i < n->n_in; i++) in[i] = n->in[i];
    if (l) {
        value *first = gather_row(p, gather, l->in[0]);
        in[0] = part_of_product(p, l, l->in[0], hidden, 3 * hidden);
        in[5] = part_of_product(p, l, first, 0, hidden);
        if (!in[0] || !in[5]) return patch_fail(p, err);
        n_in = 6;
    }
    type t = n->out[0]->type;
    t.dim[1] = 1;
    value *row = patch_value(p, &t);
    node *made = patch_node(p, n->domain, n->op_type, n->opset, in, n_in, &row, 1);
    bool ok = made && node_set_int(made, "queries", 1) && node_copy_attributes(made, n);
    value *out = ok ? gather_row(p, gather, row) : NULL;
    if (!out) return patch_fail(p, err);
    replace_rows(p, gather->in[0], out);
    *changed = true;
    if (l && match_only_user(l->in[1])) model_unload(g->model, l->in[1]->constant->data, l->in[1]->constant->bytes);
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
