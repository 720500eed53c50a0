/* What the reductions share: over which elements of a tensor they walk, and in which arithmetic. */
#ifndef OPS_REDUCE_H
#define OPS_REDUCE_H

#include "ops/op.h"

/* REDUCE_EXP_PASS: the second pass of REDUCE_LOG_SUM_EXP. */
typedef enum reduce_kind {
    REDUCE_SUM,
    REDUCE_MEAN,
    REDUCE_MAX,
    REDUCE_MIN,
    REDUCE_PROD,
    REDUCE_L1,
    REDUCE_L2,
    REDUCE_LOG_SUM,
    REDUCE_LOG_SUM_EXP,
    REDUCE_SUM_SQUARE,
    REDUCE_EXP_PASS
} reduce_kind;

/* Neighbouring axes of one fate are one group. */
typedef struct reduce_group {
    int64_t size, stride;
} reduce_group;

typedef struct reduce_plan {
    reduce_group kept[HST_RANK_MAX], reduced[HST_RANK_MAX]; /* outermost first; without the inner block */
    int n_kept, n_reduced;
    int64_t inner;        /* kept elements that lie side by side (1: the last group is reduced) */
    int64_t outer, count; /* product of kept, of reduced */
    bool lanes;           /* only trailing axes are reduced */
} reduce_plan;

/* Where element `at` of n groups stands. */
static inline int64_t reduce_offset(const reduce_group *g, int n, int64_t at) {
    int64_t offset = 0;
    for (int i = n - 1; i >= 0; i--) {
        offset += at % g[i].size * g[i].stride;
        at /= g[i].size;
    }
    return offset;
}

/* f32, f16 and bf16, in f32: the order of the sums is in reduce.c. */
hst_status reduce_f32(eval_context *c, reduce_kind k, const reduce_plan *p, const hst_tensor *x, hst_tensor *y,
                      hst_error *err);
/* f64 and integers, one output element at a time. */
void reduce_plain(reduce_kind k, const reduce_plan *p, const hst_tensor *x, hst_tensor *y);

#endif
