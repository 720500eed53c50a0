/* com.microsoft.FusedMatMul of batches (attention scores in files of ONNX Runtime's optimiser): the product, and what
 * it is scaled by, so that the passes after this one see the attention around it. */
#include "passes/match.h"
#include "passes/pass.h"

static hst_status unfold(graph *g, node *n, bool *changed, hst_error *err) {
    if (!node_is(n, "com.microsoft", "FusedMatMul") || n->n_in != 2 || !n->in[0] || !n->in[1] || !n->out[0] ||
        n->in[0]->graph != g || n->in[0]->type.rank != 4 || n->in[1]->type.rank != 4 || node_int(n, "transA", 0) ||
        node_int(n, "transB", 0) || node_int(n, "transBatchA", 0) || node_int(n, "transBatchB", 0))
        return HST_STATUS_OK;
    const float alpha = node_float(n, "alpha", 1);
    const int64_t own = model_opset(g->model, ""), opset = own < 13 ? 13 : own;
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    value *out = patch_value(p, &n->out[0]->type), *scaled = out;
    patch_node(p, "", "MatMul", (int)opset, n->in, 2, &out, 1);
    if (alpha != 1) {
        hst_tensor *t;
        if (tensor_new(HST_DTYPE_F32, 0, (int64_t[]){0}, NULL, &t, NULL) != HST_STATUS_OK) return patch_fail(p, err);
        tensor_set_f64(t, 0, (double)alpha);
        scaled = patch_value(p, &n->out[0]->type);
        patch_node(p, "", "Mul", (int)opset, (value *const[]){out, patch_constant(p, "", t)}, 2, &scaled, 1);
    }
    patch_replace(p, n->out[0], scaled);
    *changed = true;
    return patch_apply(p, err);
}

HST_PASS(fused_matmul) = {.name = "fused_matmul",
                          .order = 9,
                          .node = unfold,
                          .anchor = "FusedMatMul",
                          .summary = "took a product and its scale apart"};
