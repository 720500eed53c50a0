/* Shapes of matrix products: tensor/matmul_shape.h. */
#include "tensor/matmul_shape.h"

#include <string.h>

static hst_status batch_dims(int rank_a, const int64_t *a, int rank_b, const int64_t *b, matmul_shape *s,
                             hst_error *err) {
    int ra = rank_a > 2 ? rank_a - 2 : 0, rb = rank_b > 2 ? rank_b - 2 : 0;
    int r = ra > rb ? ra : rb;
    int64_t matrices_a = 1, matrices_b = 1;
    s->batch_rank = r;
    for (int i = r - 1; i >= 0; i--) {
        int ia = i - (r - ra), ib = i - (r - rb);
        int64_t da = ia >= 0 ? a[ia] : 1, db = ib >= 0 ? b[ib] : 1;
        if (da != db && da != 1 && db != 1)
            return error_set(err, HST_STATUS_BAD_SHAPE, NULL,
                             "matrix product: leading dimensions do not broadcast: %lld and %lld", (long long)da,
                             (long long)db);
        s->batch_dim[i] = da == 1 ? db : da;
        s->step_a[i] = da == 1 ? 0 : matrices_a;
        s->step_b[i] = db == 1 ? 0 : matrices_b;
        matrices_a *= da;
        matrices_b *= db;
    }
    return HST_STATUS_OK;
}

hst_status matmul_shape_make(int rank_a, const int64_t *a, int rank_b, const int64_t *b, matmul_shape *out,
                             hst_error *err) {
    memset(out, 0, sizeof *out);
    if (rank_a < 1 || rank_b < 1)
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "matrix product of a scalar (ranks %d and %d)", rank_a,
                         rank_b);
    out->m = rank_a > 1 ? a[rank_a - 2] : 1;
    out->k = a[rank_a - 1];
    out->n = rank_b > 1 ? b[rank_b - 1] : 1;
    int64_t k = rank_b > 1 ? b[rank_b - 2] : b[0];
    if (k != out->k)
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "matrix product: %lld columns meet %lld rows",
                         (long long)out->k, (long long)k);
    HST_TRY(batch_dims(rank_a, a, rank_b, b, out, err));
    out->batches = 1;
    for (int i = 0; i < out->batch_rank; i++) out->dim[out->rank++] = out->batch_dim[i];
    if (rank_a > 1) out->dim[out->rank++] = out->m;
    if (rank_b > 1) out->dim[out->rank++] = out->n;
    int64_t count;
    HST_TRY(shape_count(out->rank, out->dim, &count, err));
    for (int i = 0; i < out->batch_rank; i++)
        if (__builtin_mul_overflow(out->batches, out->batch_dim[i], &out->batches)) out->batches = 0;
    return HST_STATUS_OK;
}

void matmul_shape_batch(const matmul_shape *s, int64_t batch, int64_t *a, int64_t *b) {
    *a = *b = 0;
    for (int i = s->batch_rank - 1; i >= 0; i--) {
        int64_t at = batch % s->batch_dim[i];
        batch /= s->batch_dim[i];
        *a += at * s->step_a[i];
        *b += at * s->step_b[i];
    }
}

hst_status matmul_parameter_make(const hst_tensor *t, int rank, const int64_t *dims, bool right, matmul_parameter *out,
                                 hst_error *err) {
    int64_t count = tensor_count(t);
    *out = (matmul_parameter){count, 0, 0};
    if (count == 1) return HST_STATUS_OK;
    int axis = right ? rank - 1 : rank - 2, single = right ? rank - 2 : rank - 1;
    if (rank >= 2 && count == dims[axis] && t->rank == 1) {
        out->step = 1;
        return HST_STATUS_OK;
    }
    bool fits = rank >= 2 && t->rank == rank;
    for (int i = 0; fits && i < rank; i++) fits = t->dim[i] == (i == single ? 1 : dims[i]);
    if (!fits)
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL,
                         "a scale or zero point has rank %d and %lld elements: neither one, nor one a %s (%lld)",
                         t->rank, (long long)count, right ? "column" : "row", (long long)(rank >= 2 ? dims[axis] : 1));
    out->step = 1;
    out->matrix_step = dims[axis];
    return HST_STATUS_OK;
}
