/* What the normalising operators (norm_*.c) share: one call over rows for every float dtype. */
#ifndef OPS_NORM_H
#define OPS_NORM_H

#include "kernels/kernels.h"
#include "ops/op.h"

/* kernels/norm/norm.h's rows, as tensors. Elements are f32, or f16 and bf16 that are widened and rounded back at the end,
 * or f64 (computed in f64). NULL: omitted. */
typedef struct norm_call {
    const hst_tensor *x;           /* rows · n elements */
    const hst_tensor *residual;    /* a multiple of n that divides rows · n: repeats */
    const hst_tensor *bias;        /* n */
    const hst_tensor *gamma, *beta; /* broadcast to x's shape */
    hst_tensor *y, *sum;           /* rows · n */
    hst_tensor *mean, *inv;        /* rows */
    int64_t rows, n;
    float epsilon;
    bool rms;
} norm_call;

hst_status norm_run(eval_context *c, const norm_call *a, hst_error *err);
/* For bind functions whose eval is the fast path. */
hst_status norm_bind(bind_context *c, hst_error *err);
/* Product of dims [begin, end), symbols never. */
int64_t norm_product(const hst_tensor *t, int begin, int end);

#endif
