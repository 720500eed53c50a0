/* Shape inference of matrix products, shared by the operators that multiply. */
#include "ops/op.h"

hst_status infer_matmul(infer_context *c, const type *a, const type *b, type *out, hst_error *err) {
    if (a->rank < 0 || b->rank < 0) return HST_STATUS_OK;
    if (a->rank == 0 || b->rank == 0)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "matrix product of a scalar (ranks %d and %d)", a->rank,
                          b->rank);
    dim ka = a->dim[a->rank - 1], kb = b->dim[b->rank > 1 ? b->rank - 2 : 0];
    if (ka != kb && !dim_is_symbol(ka) && !dim_is_symbol(kb))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld columns meet %lld rows", (long long)ka,
                          (long long)kb);
    type left = *a, right = *b, r = {.rank = -1};
    left.rank = a->rank > 2 ? a->rank - 2 : 0;
    right.rank = b->rank > 2 ? b->rank - 2 : 0;
    HST_TRY(infer_broadcast(c, &left, &right, &r, err));
    if (a->rank > 1) r.dim[r.rank++] = a->dim[a->rank - 2];
    if (b->rank > 1) r.dim[r.rank++] = b->dim[b->rank - 1];
    out->rank = r.rank;
    for (int i = 0; i < r.rank; i++) out->dim[i] = r.dim[i];
    return HST_STATUS_OK;
}
