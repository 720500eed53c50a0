/* The shape rule of numpy.matmul, for every operator that multiplies matrices: leading dimensions broadcast, a vector
 * on the left is one row, a vector on the right is one column, and both then vanish from the result. a [..., M, K]   b
 * [..., K, N]   ->   [..., M, N] */
#ifndef TENSOR_MATMUL_SHAPE_H
#define TENSOR_MATMUL_SHAPE_H

#include "tensor/tensor.h"

typedef struct matmul_shape {
    int64_t m, n, k;
    int64_t batches; /* product of the result's leading dimensions */
    int rank;        /* of the result */
    int64_t dim[HST_RANK_MAX];
    /* private: leading dimensions, and how many matrices one step along each moves in a and b (0: broadcast) */
    int batch_rank;
    int64_t batch_dim[HST_RANK_MAX], step_a[HST_RANK_MAX], step_b[HST_RANK_MAX];
} matmul_shape;

/* BAD_SHAPE where the shapes do not fit or the result's count overflows. */
hst_status matmul_shape_make(int rank_a, const int64_t *a, int rank_b, const int64_t *b, matmul_shape *out,
                             hst_error *err);
/* Which matrix of a and of b belongs to matrix `batch` of the result. */
void matmul_shape_batch(const matmul_shape *s, int64_t batch, int64_t *a, int64_t *b);

/* Zero points or scales of an operand of the given shape: one, one a row (of the left operand) or one a column (of the
 * right one), the latter as a vector shared by all matrices or as [..., M, 1] / [..., 1, N]. The one of row or column i of
 * matrix b is element i * step + b * matrix_step. */
typedef struct matmul_parameter {
    int64_t count, matrix_step;
    int step;
} matmul_parameter;
hst_status matmul_parameter_make(const hst_tensor *t, int rank, const int64_t *dims, bool right, matmul_parameter *out,
                                 hst_error *err);

#endif
