/* MatMul(a, Transpose(b)) of computed matrices, the last two axes swapped, is com.microsoft.FusedMatMul: the product
 * packs its right side anyway and reads it as it lies. Runs when what knows MatMul by name has looked at it. */
#include "passes/match.h"
#include "passes/pass.h"

static bool swaps_last(const node *t) {
    int64_t perm[HST_RANK_MAX];
    const int rank = match_perm(t, perm);
    for (int k = 0; k < rank - 2; k++)
        if (perm[k] != k) return false;
    return rank >= 2 && perm[rank - 1] == rank - 2 && perm[rank - 2] == rank - 1;
}

static hst_status take_transpose(graph *g, node *n, bool *changed, hst_error *err) {
    if (!node_is(n, "", "MatMul") || !n->in[0] || !n->in[1] || n->in[0]->type.dtype != HST_DTYPE_F32)
        return HST_STATUS_OK;
    node *t = match_producer(n->in[1], "Transpose");
    if (!t || !t->in[0] || t->in[0]->graph != g || match_only_user(n->in[1]) != n || !swaps_last(t))
        return HST_STATUS_OK;
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    value *out = patch_value(p, &n->out[0]->type);
    node *f = patch_node(p, "com.microsoft", "FusedMatMul", 1, (value *const[]){n->in[0], t->in[0]}, 2, &out, 1);
    if (!f || !node_set_int(f, "transB", 1)) return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

HST_PASS(transposed) = {.name = "transposed",
                        .order = 87,
                        .node = take_transpose,
                        .anchor = "MatMul",
                        .summary = "read a product's right side as it lies, not transposed"};
