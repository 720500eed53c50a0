/* ReduceSum of integers that were made as wide as a hidden state by Expand (the denominator of a mean over tokens):
 * sums first, then expands. ReduceSum(Cast(Expand(w))) = Expand(ReduceSum(Cast(w))): sums of whole numbers are exact.
 */
#include "passes/match.h"
#include "passes/pass.h"

/* The shape to expand the sum to: 1 keeps what it has. False where an expanded axis is summed, or of unknown length. */
static bool sum_shape(const node *sum, const type *narrow, const type *wide, int64_t *shape, int *rank) {
    int64_t axes[HST_RANK_MAX];
    const int count = match_axes(sum, axes, HST_RANK_MAX);
    bool any = false;
    *rank = 0;
    if (count <= 0) return false;
    for (int i = 0; i < wide->rank; i++) {
        const bool expanded = narrow->dim[i] != wide->dim[i];
        bool reduced = false;
        for (int k = 0; k < count; k++) reduced |= axes[k] == i || axes[k] + wide->rank == i;
        if (expanded && (reduced || narrow->dim[i] != 1 || dim_is_symbol(wide->dim[i]))) return false;
        any |= expanded;
        if (!reduced || node_int(sum, "keepdims", 1)) shape[(*rank)++] = expanded ? wide->dim[i] : 1;
    }
    return any;
}

static hst_status narrow_sum(graph *g, node *n, bool *changed, hst_error *err) {
    if (!node_is(n, "", "ReduceSum") || !n->in[0] || n->in[0]->graph != g || !n->out[0]) return HST_STATUS_OK;
    node *cast = match_producer(n->in[0], "Cast"), *expand = match_producer(cast ? cast->in[0] : n->in[0], "Expand");
    value *w = expand ? expand->in[0] : NULL;
    int64_t shape[HST_RANK_MAX];
    int rank;
    if (!w || w->graph != g || w->type.rank != n->in[0]->type.rank || w->type.rank < 1 || cast == NULL ||
        !(dtype_is_integer(w->type.dtype) || w->type.dtype == HST_DTYPE_B8) || n->in[0]->type.dtype != HST_DTYPE_F32 ||
        !sum_shape(n, &w->type, &n->in[0]->type, shape, &rank))
        return HST_STATUS_OK;
    hst_tensor *t;
    const int64_t count = rank;
    HST_TRY(tensor_new(HST_DTYPE_S64, 1, &count, arena_allocator(g->model->arena), &t, err));
    for (int i = 0; i < rank; i++) tensor_set_s64(t, i, shape[i]);
    patch *p = patch_new(g, n);
    if (!p) {
        tensor_free(t);
        return patch_fail(p, err);
    }
    value *narrow = patch_value(p, NULL), *sum = patch_value(p, NULL), *out = patch_value(p, &n->out[0]->type);
    node *made = patch_node(p, "", "Cast", cast->opset, &w, 1, &narrow, 1);
    if (!made || !node_copy_attributes(made, cast)) {
        tensor_free(t);
        return patch_fail(p, err);
    }
    value *in[2] = {narrow, n->n_in > 1 ? n->in[1] : NULL}, *wide[2] = {sum, patch_constant(p, "", t)};
    made = patch_node(p, "", "ReduceSum", n->opset, in, n->n_in > 1 ? 2 : 1, &sum, 1);
    if (!made || !node_copy_attributes(made, n)) return patch_fail(p, err);
    patch_node(p, "", "Expand", n->opset < 8 ? 8 : n->opset, wide, 2, &out, 1);
    patch_replace(p, n->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

HST_PASS(narrow_sum) = {.name = "narrow_sum",
                        .order = 66,
                        .node = narrow_sum,
                        .anchor = "ReduceSum",
                        .summary = "summed a mask before it is made wide"};
