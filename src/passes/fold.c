/* Constant folding: a node whose inputs are all known is evaluated once, by the reference interpreter; a shape that
 * inference knows in numbers becomes a constant. */
#include <string.h>

#include "ops/interp.h"
#include "passes/match.h"
#include "passes/pass.h"

/* Folding must not blow a small file up: a result of more than this is made only where it is not larger than what it is
 * made from (a widened or transposed weight may be). */
#define FOLD_BYTES ((size_t)1 << 20)
#define FOLD_GROWTH 4 /* s8 to f32 */
/* What one node may use while it is folded: loading has no deadline. Beyond, the node is left to the runs. */
#define FOLD_BUDGET (FOLD_BYTES * 64)
#define FOLD_CHECKS 2048 /* an evaluation asks after some ten thousand steps whether to go on */

static bool folds(const node *n) {
    if (!n->op || n->op->nondeterministic || (n->op->lists && !node_is(n, "", "Identity")) || (!n->op->eval && !n->op->expand)) return false;
    if (n->n_out < 1 || !n->out[0]) return false;
    for (int k = 0; k < n->n_attributes; k++)
        if (n->attributes[k].type == ATTRIBUTE_GRAPH || n->attributes[k].type == ATTRIBUTE_GRAPHS) return false;
    if (node_is(n, "", "Identity") && n->out[0]->is_output) return false; /* carries an output's name */
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && (!n->in[i]->constant || n->in[i]->is_input)) return false;
    return true;
}

static bool affordable(const node *n) {
    size_t in = 0, out = 0;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i]) in += n->in[i]->constant->bytes;
    for (int i = 0; i < n->n_out; i++) {
        size_t bytes;
        if (!n->out[i]) continue;
        const type *t = &n->out[i]->type;
        if (t->rank < 0 || t->dtype == HST_DTYPE_NONE || t->dtype == HST_DTYPE_STRING) return in <= FOLD_BYTES;
        if (shape_bytes(t->dtype, t->rank, t->dim, &bytes, NULL) != HST_STATUS_OK) return false;
        out += bytes;
    }
    return out <= FOLD_BYTES || out / FOLD_GROWTH <= in;
}

static hst_status count_check(void *user, hst_error *err) {
    return __atomic_sub_fetch((int *)user, 1, __ATOMIC_RELAXED) >= 0
               ? HST_STATUS_OK
               : error_set(err, HST_STATUS_DEADLINE, NULL, "folding takes too long");
}

static hst_status fold_node(node *n, bool *changed, hst_error *err) {
    const hst_tensor *in[64];
    hst_tensor *out[64];
    size_t bytes = 0;
    int checks = FOLD_CHECKS;
    if (n->n_in > 64 || n->n_out > 64 || !affordable(n)) return HST_STATUS_OK;
    for (int i = 0; i < n->n_in; i++) {
        in[i] = n->in[i] ? n->in[i]->constant : NULL;
        if (in[i]) bytes += in[i]->bytes;
    }
    interp_options options = {.allocator = arena_allocator(n->graph->model->arena),
                              .budget = FOLD_BUDGET + 4 * FOLD_GROWTH * bytes,
                              .check = count_check,
                              .user = &checks};
    /* A node that fails here may never run (the other branch of an If): it stays, and fails when it does. */
    if (interp_node(n, in, out, &options, NULL) != HST_STATUS_OK) return HST_STATUS_OK;
    hst_status status = HST_STATUS_OK;
    int n_out = n->n_out;
    value *values[64];
    for (int i = 0; i < n_out; i++) values[i] = n->out[i];
    for (int i = 0; i < n_out; i++) {
        if (!out[i]) continue;
        if (status == HST_STATUS_OK)
            status = graph_set_constant(values[i], out[i], err);
        else
            tensor_free(out[i]);
    }
    *changed = true;
    return status;
}

/* A value that nobody computed yet but whose contents inference found to be numbers. */
static hst_status fold_content(value *v, bool *changed, hst_error *err) {
    if (!v || v->constant || !v->content || v->is_output || !v->n_uses) return HST_STATUS_OK;
    if (v->type.dtype != HST_DTYPE_S64 || v->type.rank < 0 || v->type.rank > 1) return HST_STATUS_OK;
    for (int i = 0; i < v->content_count; i++)
        if (dim_is_symbol(v->content[i])) return HST_STATUS_OK;
    hst_tensor *t;
    int64_t count = v->content_count;
    HST_TRY(tensor_new(HST_DTYPE_S64, v->type.rank, &count, arena_allocator(v->graph->model->arena), &t, err));
    memcpy(t->data, v->content, (size_t)count * sizeof *v->content);
    *changed = true;
    return graph_set_constant(v, t, err);
}

static hst_status fold(graph *g, bool *changed, hst_error *err) {
    for (node *n = g->first, *next; n; n = next) {
        next = n->next;
        if (folds(n)) {
            HST_TRY(fold_node(n, changed, err));
            continue;
        }
        for (int i = 0; i < n->n_out; i++) HST_TRY(fold_content(n->out[i], changed, err));
    }
    return HST_STATUS_OK;
}

HST_GRAPH_PASS(fold) = {.name = "fold", .order = 20, .graph = fold, .summary = "evaluated what is constant"};
