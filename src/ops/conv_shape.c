/* Shapes of a convolution: see ops/conv_shape.h. */
#include "ops/conv_shape.h"

#include <string.h>

hst_status conv_group(const node *n, int64_t *group, hst_error *err) {
    *group = node_int(n, "group", 1);
    if (*group >= 1 && *group <= INT32_MAX) return HST_STATUS_OK;
    return node_error(n, err, HST_STATUS_BAD_FORMAT, "group is %lld", (long long)*group);
}

hst_status conv_shape_infer(infer_context *c, const type *x, const type *weight, type *y, hst_error *err) {
    const node *n = c->node;
    window w;
    int64_t group;
    HST_TRY(conv_group(n, &group, err));
    if (x->rank < 0) return HST_STATUS_OK;
    y->rank = x->rank;
    if (x->rank > 0) y->dim[0] = x->dim[0];
    for (int k = 1; k < x->rank; k++) y->dim[k] = dim_symbol(c->model, "");
    if (weight->rank < 0) return HST_STATUS_OK;
    if (x->rank < 3 || weight->rank != x->rank)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "input of rank %d, weights of rank %d", x->rank, weight->rank);
    y->dim[1] = weight->dim[0];
    if (!window_numbers(weight->dim + 2, x->rank - 2)) return HST_STATUS_OK;
    HST_TRY(window_read(n, x->rank, weight->dim + 2, &w, err));
    return window_infer(c, &w, x, y, err);
}

hst_status conv_shape_read(const node *n, const hst_tensor *x, const hst_tensor *weight, const hst_tensor *bias,
                           conv_shape *s, hst_error *err) {
    HST_TRY(conv_group(n, &s->groups, err));
    if (x->rank < 3 || weight->rank != x->rank)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "input of rank %d, weights of rank %d", x->rank, weight->rank);
    s->batch = x->dim[0];
    s->channels = weight->dim[1];
    s->filters = weight->dim[0] / s->groups;
    if (x->dim[1] % s->groups || x->dim[1] / s->groups != s->channels || weight->dim[0] % s->groups)
        return node_error(n, err, HST_STATUS_BAD_SHAPE,
                          "%lld channels in %lld groups do not meet weights for %lld channels and %lld filters",
                          (long long)x->dim[1], (long long)s->groups, (long long)s->channels,
                          (long long)weight->dim[0]);
    if (bias && (bias->rank != 1 || bias->dim[0] != weight->dim[0]))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "the bias has %lld elements for %lld filters",
                          (long long)tensor_count(bias), (long long)weight->dim[0]);
    HST_TRY(window_read(n, x->rank, weight->dim + 2, &s->w, err));
    HST_TRY(window_fit(n, &s->w, x->dim + 2, err));
    s->rank = x->rank;
    s->dim[0] = x->dim[0];
    s->dim[1] = weight->dim[0];
    memcpy(s->dim + 2, s->w.out, (size_t)s->w.rank * sizeof(int64_t));
    return HST_STATUS_OK;
}
