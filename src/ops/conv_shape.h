/* Shapes of a convolution: x [N, C, in …], weights [M, C/group, kernel …], y [N, M, out …]. */
#ifndef OPS_CONV_SHAPE_H
#define OPS_CONV_SHAPE_H

#include "ops/sliding.h"

typedef struct conv_shape {
    window w;
    int64_t batch, groups, channels, filters; /* the last two: of one group */
    int rank;
    int64_t dim[HST_RANK_MAX]; /* of y */
} conv_shape;

hst_status conv_shape_infer(infer_context *c, const type *x, const type *weight, type *y, hst_error *err);
/* bias: NULL or [M]. */
hst_status conv_shape_read(const node *n, const hst_tensor *x, const hst_tensor *weight, const hst_tensor *bias,
                           conv_shape *s, hst_error *err);
/* The attribute group, 1 or more. */
hst_status conv_group(const node *n, int64_t *group, hst_error *err);

#endif
