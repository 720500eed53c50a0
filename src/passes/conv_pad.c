/* A Pad with zeros before a Conv moves into the padding of the Conv, which never makes the padded copy: exporters write
 * the padding of TensorFlow-like models so. */
#include <math.h>
#include <string.h>

#include "passes/match.h"
#include "passes/pass.h"

/* The pads of n, [2 · rank], where it fills with +0; NULL: another Pad, or not known. */
static const int64_t *zero_pads(const node *n, int *count) {
    const int64_t *pads = NULL;
    double value = 0;
    if (strcmp(node_string(n, "mode", "constant"), "constant") != 0) return NULL;
    if (n->opset < 11) {
        *count = node_ints(n, n->opset >= 2 ? "pads" : "paddings", &pads);
        value = (double)node_float(n, "value", 0);
    } else {
        const hst_tensor *t = n->n_in > 1 ? match_constant(n->in[1]) : NULL;
        if (!t || t->dtype != HST_DTYPE_S64 || t->rank != 1 || (uintptr_t)t->data % sizeof(int64_t)) return NULL;
        if ((n->n_in > 3 && n->in[3]) || (n->n_in > 2 && n->in[2] && !match_scalar(n->in[2], &value))) return NULL;
        *count = (int)t->dim[0];
        pads = t->data;
    }
    return value == 0 && !signbit(value) ? pads : NULL;
}

/* Both paddings together, for the Conv's spatial axes; false where the Pad is more than that. */
static bool sum_pads(const node *conv, const int64_t *pads, int count, int rank, int64_t *sum) {
    const int64_t *own = NULL;
    const int axes = rank - 2, n = node_ints(conv, "pads", &own);
    const char *automatic = node_string(conv, "auto_pad", "NOTSET");
    if (rank < 3 || count != 2 * rank || (n > 0 && n != 2 * axes)) return false;
    if (strcmp(automatic, "NOTSET") != 0 && strcmp(automatic, "VALID") != 0) return false;
    for (int k = 0; k < count; k++) {
        const int axis = k % rank - 2, at = k < rank ? axis : axes + axis;
        if (pads[k] < 0 || pads[k] > INT32_MAX || (axis < 0 && pads[k])) return false;
        if (axis < 0) continue;
        sum[at] = pads[k] + (n > 0 && strcmp(automatic, "VALID") != 0 ? own[at] : 0);
        if (sum[at] < 0 || sum[at] > INT32_MAX) return false;
    }
    return true;
}

static hst_status fuse_pad(graph *g, node *n, bool *changed, hst_error *err) {
    int64_t sum[2 * HST_RANK_MAX];
    int count = 0;
    if (!node_is(n, "", "Conv") || n->n_in < 2 || !n->in[0]) return HST_STATUS_OK;
    node *pad = match_producer(n->in[0], "Pad");
    if (!pad || !match_only_user(n->in[0]) || !pad->in[0]) return HST_STATUS_OK;
    const int64_t *pads = zero_pads(pad, &count);
    if (!pads || !sum_pads(n, pads, count, n->in[0]->type.rank, sum)) return HST_STATUS_OK;
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    value *in[3] = {pad->in[0], n->in[1], n->n_in > 2 ? n->in[2] : NULL}, *out = patch_value(p, &n->out[0]->type);
    node *made = patch_node(p, "", "Conv", n->opset, in, in[2] ? 3 : 2, &out, 1);
    bool ok = made && node_set_ints(made, "pads", sum, 2 * (n->in[0]->type.rank - 2));
    for (int k = 0; ok && k < n->n_attributes; k++)
        if (strcmp(n->attributes[k].name, "pads") != 0 && strcmp(n->attributes[k].name, "auto_pad") != 0)
            ok = node_add_attribute(made, &n->attributes[k]);
    if (!ok) return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

HST_PASS(conv_pad) = {
    .name = "conv_pad", .order = 32, .node = fuse_pad, .anchor = "Conv", .summary = "moved padding into Conv"};
