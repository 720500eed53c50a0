/* Einsum's operands with the length and the steps of each label; a walk over labels; and two f32 operands as a batch of
 * matrix products. */
#ifndef OPS_EINSUM_PRODUCT_H
#define OPS_EINSUM_PRODUCT_H

#include "graph/einsum_equation.h"
#include "ops/op.h"

typedef struct einsum_plan {
    einsum_equation e;
    int64_t dim[EINSUM_LABELS];
    int64_t step[EINSUM_OPERANDS][EINSUM_LABELS]; /* 0 where the operand lacks the label or broadcasts it */
    const hst_tensor *in[EINSUM_OPERANDS];
} einsum_plan;

/* ---- a walk over some labels, the last innermost ---- */

typedef struct einsum_walk {
    const einsum_plan *p;
    const int *label;
    int n;
    int64_t index[EINSUM_LABELS], offset[EINSUM_OPERANDS];
} einsum_walk;

static inline einsum_walk einsum_walk_begin(const einsum_plan *p, const int *label, int n) {
    return (einsum_walk){.p = p, .label = label, .n = n};
}

/* To the next combination; false, and at the first again, after the last. */
static inline bool einsum_walk_next(einsum_walk *w) {
    for (int i = w->n - 1; i >= 0; i--) {
        int l = w->label[i];
        bool more = ++w->index[i] < w->p->dim[l];
        int64_t by = more ? 1 : 1 - w->index[i];
        for (int k = 0; k < w->p->e.operands; k++) w->offset[k] += by * w->p->step[k][l];
        if (more) return true;
        w->index[i] = 0;
    }
    return false;
}

/* ---- y[batch, row, column] = Σ a[batch, row, sum] · b[batch, column, sum], each of them any number of labels ---- */

typedef struct einsum_labels {
    int n, label[EINSUM_LABELS];
    int64_t count; /* the product of their lengths */
} einsum_labels;

typedef struct einsum_product {
    einsum_labels batch, row, column, sum;
} einsum_product;

/* False where the labels are no matrix product, or an operand is empty. */
bool einsum_product_make(const einsum_plan *p, einsum_product *q);
/* y has its shape. Operands and result are read and written where they lie, if rows and columns have one step each and
 * the last axis is dense; others are arranged first. */
hst_status einsum_product_run(eval_context *c, const einsum_plan *p, const einsum_product *q, hst_tensor *y, hst_error *err);

#endif
