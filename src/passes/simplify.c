/* Nodes that change nothing go: Identity, Dropout at inference, Cast to the same dtype, Transpose by the identity,
 * Reshape and Expand to the shape that the input has; two Transposes or two Reshapes in a row become one. */
#include <string.h>

#include "passes/match.h"
#include "passes/pass.h"

static bool same_shape(const type *a, const type *b) {
    if (a->rank < 0 || a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

static bool identity_perm(const node *n) {
    int64_t perm[HST_RANK_MAX];
    int rank = match_perm(n, perm);
    for (int i = 0; i < rank; i++)
        if (perm[i] != i) return false;
    return rank >= 0;
}

/* x[0:], of every axis that it names. */
static bool slices_all(const node *n) {
    const value *in = n->in[0];
    int64_t part[4][HST_RANK_MAX];
    int count[4] = {0};
    if (n->n_in < 3 || n->n_in > 5 || in->type.rank < 0) return false; /* of opset 10 and later */
    for (int i = 1; i < n->n_in; i++) {
        const hst_tensor *t = n->in[i] ? match_constant(n->in[i]) : NULL;
        if (!n->in[i]) continue;
        if (!t || tensor_read_s64(t, part[i - 1], HST_RANK_MAX, &count[i - 1], NULL) != HST_STATUS_OK) return false;
    }
    for (int i = 0; i < count[0]; i++) {
        const int64_t axis = count[2] ? part[2][i] + (part[2][i] < 0 ? in->type.rank : 0) : i;
        if (axis < 0 || axis >= in->type.rank || i >= count[1]) return false;
        const dim d = in->type.dim[axis];
        const bool whole = part[1][i] >= INT32_MAX || (!dim_is_symbol(d) && part[1][i] >= d);
        if (part[0][i] != 0 || !whole || (count[3] && part[3][i] != 1)) return false;
    }
    return true;
}

static bool does_nothing(const node *n) {
    const value *in = n->in[0], *out = n->out[0];
    if (match_skip((value *)out) != out) return true;
    if (node_is(n, "", "Transpose")) return identity_perm(n);
    if (node_is(n, "", "Slice")) return slices_all(n);
    if (node_is(n, "", "Reshape") || node_is(n, "", "Expand") || node_is(n, "", "Flatten"))
        return same_shape(&in->type, &out->type);
    return false;
}

/* Transpose(Transpose(x)) as one; the perms compose. */
static hst_status merge_transposes(graph *g, node *n, bool *changed, hst_error *err) {
    node *before = match_producer(n->in[0], "Transpose");
    int64_t a[HST_RANK_MAX], b[HST_RANK_MAX], both[HST_RANK_MAX];
    if (!before) return HST_STATUS_OK;
    int rank = match_perm(before, a);
    if (rank < 0 || match_perm(n, b) != rank) return HST_STATUS_OK;
    for (int i = 0; i < rank; i++) {
        if (b[i] < 0 || b[i] >= rank) return HST_STATUS_OK;
        both[i] = a[b[i]];
    }
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    value *out = patch_value(p, &n->out[0]->type);
    node *merged = patch_node(p, "", "Transpose", n->opset, &before->in[0], 1, &out, 1);
    if (merged && !node_set_ints(merged, "perm", both, rank)) return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

/* CastLike of a known dtype is a Cast, which can be folded where its input is known. */
static hst_status cast_like_to_cast(graph *g, node *n, bool *changed, hst_error *err) {
    if (n->n_in != 2 || !n->in[1] || n->in[1]->type.dtype == HST_DTYPE_NONE) return HST_STATUS_OK;
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    value *out = patch_value(p, &n->out[0]->type);
    node *cast = patch_node(p, "", "Cast", n->opset, &n->in[0], 1, &out, 1);
    if (!cast || !node_set_int(cast, "to", n->in[1]->type.dtype) ||
        !node_set_int(cast, "saturate", node_int(n, "saturate", 1)))
        return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

/* Where a chain of Reshapes comes back to a shape it had: the value that has it. */
static value *same_before(const node *n) {
    const value *out = n->out[0];
    for (const node *r = n; r; r = match_producer(r->in[0], "Reshape"))
        if (same_shape(&r->in[0]->type, &out->type)) return r->in[0];
    return NULL;
}

static hst_status simplify(graph *g, node *n, bool *changed, hst_error *err) {
    if (n->n_in < 1 || n->n_out < 1 || !n->in[0] || !n->out[0] || n->in[0]->graph != g) return HST_STATUS_OK;
    if (node_is(n, "", "CastLike")) return cast_like_to_cast(g, n, changed, err);
    if (node_is(n, "", "Transpose") && !identity_perm(n)) return merge_transposes(g, n, changed, err);
    value *same = does_nothing(n) ? n->in[0] : node_is(n, "", "Reshape") ? same_before(n) : NULL;
    if (!same) return HST_STATUS_OK;
    /* An output that is an input or a constant keeps the Identity that carries its name. */
    if (n->out[0]->is_output && (!same->producer || same->is_output)) return HST_STATUS_OK;
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    patch_replace(p, n->out[0], same);
    *changed = true;
    return patch_apply(p, err);
}

HST_PASS(simplify) = {
    .name = "simplify", .order = 20, .node = simplify, .anchor = "", .summary = "removed nodes that change nothing"};

HST_PASS(simplify_again) = {.name = "simplify_again",
                            .order = 65,
                            .node = simplify,
                            .anchor = "",
                            .summary = "removed nodes that change nothing after fusion"};
