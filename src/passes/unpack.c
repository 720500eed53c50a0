/* The readers of packed rows outside of them. */
#include "passes/unpack.h"

hst_status unpack_first(const packing *k, node *n, value *twin, hst_error *err) {
    patch *p = patch_new(k->g, n);
    if (!p) return patch_fail(p, err);
    value *const in[2] = {twin, k->plan[1]};
    value *out = patch_value(p, &n->out[0]->type);
    patch_node(p, "hasten", "FirstRows", 1, in, 2, &out, 1);
    patch_replace(p, n->out[0], out);
    return patch_apply(p, err);
}

hst_status unpack_sum(const packing *k, node *n, value *twin, hst_error *err) {
    patch *p = patch_new(k->g, n);
    if (!p) return patch_fail(p, err);
    value *const in[2] = {twin, k->plan[1]};
    value *out = patch_value(p, &n->out[0]->type);
    node *sum = patch_node(p, "hasten", "SumRows", 1, in, 2, &out, 1);
    if (!sum || !node_set_int(sum, "keepdims", node_int(n, "keepdims", 1))) return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    return patch_apply(p, err);
}

hst_status unpack_shape(const packing *k, node *n, const value *v, hst_error *err) {
    const int64_t tail = v->type.rank - 2;
    hst_tensor *t;
    HST_TRY(tensor_new(HST_DTYPE_S64, 1, &tail, arena_allocator(k->g->model->arena), &t, err));
    for (int64_t i = 0; i < tail; i++) tensor_set_s64(t, i, v->type.dim[i + 2]);
    patch *p = patch_new(k->g, n);
    if (!p) {
        tensor_free(t);
        return patch_fail(p, err);
    }
    value *shape[2] = {patch_value(p, NULL), patch_constant(p, "", t)}, *whole = patch_value(p, NULL);
    patch_node(p, "", "Shape", n->opset, &k->mask, 1, &shape[0], 1);
    node *join = patch_node(p, "", "Concat", n->opset, shape, 2, &whole, 1);
    if (!join || !node_set_int(join, "axis", 0)) return patch_fail(p, err);
    value *out = whole;
    if (n->n_attributes) { /* start, end: a part of it */
        const int64_t one = 1, rank = v->type.rank;
        int64_t ends[2] = {node_int(n, "start", 0), node_int(n, "end", rank)};
        value *in[3] = {whole};
        for (int i = 0; i < 2; i++) {
            if (tensor_new(HST_DTYPE_S64, 1, &one, arena_allocator(k->g->model->arena), &t, err) != HST_STATUS_OK)
                return patch_fail(p, err);
            tensor_set_s64(t, 0, ends[i]);
            in[i + 1] = patch_constant(p, "", t);
        }
        out = patch_value(p, &n->out[0]->type);
        patch_node(p, "", "Slice", n->opset, in, 3, &out, 1);
    }
    patch_replace(p, n->out[0], out);
    return patch_apply(p, err);
}

hst_status unpack_whole(const packing *k, value *v, value *twin, bool shown, bool hidden, hst_error *err) {
    patch *p = patch_new(k->g, v->producer);
    if (!p) return patch_fail(p, err);
    value *const in[3] = {twin, k->plan[0], k->mask};
    value *out = patch_value(p, &v->type);
    node *n = patch_node(p, "hasten", "UnpackRows", 1, in, 3, &out, 1);
    if (!n || (shown && !node_set_int(n, "shows_padding", 1)) || (hidden && !node_set_int(n, "hidden", 1)))
        return patch_fail(p, err);
    patch_replace(p, v, out);
    return patch_apply(p, err);
}
