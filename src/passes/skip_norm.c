/* LayerNormalization of a sum of two tensors of one shape becomes com.microsoft.SkipLayerNormalization, which adds while
 * the rows are hot. A sum that somebody else reads too stays an Add: it goes into the product before it. */
#include "passes/match.h"
#include "passes/pass.h"

static bool over_last_axis(const node *n) {
    int64_t axis = node_int(n, "axis", -1);
    return axis == -1 || axis == n->in[0]->type.rank - 1;
}

static hst_status fuse_skip(graph *g, node *n, bool *changed, hst_error *err) {
    if (!node_is(n, "", "LayerNormalization") || n->n_in < 2 || !n->in[0] || n->in[0]->graph != g) return HST_STATUS_OK;
    for (int i = 1; i < n->n_out; i++)
        if (n->out[i] && (n->out[i]->n_uses || n->out[i]->is_output)) return HST_STATUS_OK;
    value *sum = n->in[0];
    node *add = match_producer(sum, "Add");
    if (!add || sum->type.rank < 2 || sum->type.rank > 3 || sum->is_output || !over_last_axis(n)) return HST_STATUS_OK;
    if (sum->type.dtype != HST_DTYPE_F32 || !add->in[0] || !add->in[1]) return HST_STATUS_OK;
    if (add->in[0]->constant || add->in[1]->constant) return HST_STATUS_OK;
    if (!type_equal(&add->in[0]->type, &sum->type) || !type_equal(&add->in[1]->type, &sum->type)) return HST_STATUS_OK;
    int64_t width = sum->type.dim[sum->type.rank - 1];
    if (width < 1 || !match_row(n->in[1], width) || (n->n_in > 2 && n->in[2] && !match_row(n->in[2], width)))
        return HST_STATUS_OK;
    if (!match_only_user(sum)) return HST_STATUS_OK;
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    value *in[4] = {add->in[0], add->in[1], n->in[1], n->n_in > 2 ? n->in[2] : NULL};
    value *out = patch_value(p, &n->out[0]->type);
    node *made = patch_node(p, "com.microsoft", "SkipLayerNormalization", 1, in, in[3] ? 4 : 3, &out, 1);
    if (!made || !node_set_float(made, "epsilon", node_float(n, "epsilon", 1e-5f))) return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

HST_PASS(skip_norm) = {.name = "skip_norm",
                       .order = 68,
                       .node = fuse_skip,
                       .anchor = "LayerNormalization",
                       .summary = "fused an addition into a LayerNormalization"};
