/* Granularity of linear quantisation: which scale and zero point belong to which element.
 *   per tensor  scale [] or [1]
 *   per axis    scale [D of the axis]
 *   blocked     scale of x's rank, ceil(D / block) along the axis, x's dims elsewhere
 * x is handed out in runs: stretches of elements whose scale index stays or goes up by one each. */
#ifndef TENSOR_QUANT_LAYOUT_H
#define TENSOR_QUANT_LAYOUT_H

#include "tensor/tensor.h"

typedef struct quant_layout {
    int64_t runs;
    /* private */
    int64_t count, blocks, block, length, inner;
    enum { QUANT_TENSOR, QUANT_AXIS, QUANT_AXIS_LAST, QUANT_BLOCK, QUANT_BLOCK_LAST } kind;
} quant_layout;

typedef struct quant_run {
    int64_t begin, count; /* elements of x */
    int64_t scale;        /* index of the first one's scale */
    int step;             /* 0 or 1 */
} quant_run;

/* `zero` may be NULL; its shape must be scale's. block_size 0: not blocked. BAD_SHAPE says what does not fit. */
hst_status quant_layout_make(int rank, const int64_t *dims, const hst_tensor *scale, const hst_tensor *zero,
                             int64_t axis, int64_t block_size, quant_layout *out, hst_error *err);
quant_run quant_layout_run(const quant_layout *l, int64_t run);

#endif
