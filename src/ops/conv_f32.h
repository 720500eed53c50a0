/* Convolution of f32 planes. Each output is one chain over (channel, tap) in index order from +0, then + bias: the bits
 * do not depend on the path, the threads, the batch or the ISA. */
#ifndef OPS_CONV_F32_H
#define OPS_CONV_F32_H

#include "ops/sliding.h"

typedef struct conv_f32 {
    window w; /* fitted */
    int64_t batch, groups;
    int64_t channels, filters; /* of one group */
    const float *x;            /* [batch, groups, channels, in …] */
    const float *weight;       /* [groups, filters, channels, kernel …] */
    const float *bias;         /* [groups, filters]; NULL: none */
    float *y;                  /* [batch, groups, filters, out …] */
} conv_f32;

hst_status conv_f32_run(eval_context *c, const conv_f32 *p, hst_error *err);
/* What a worker does to `x` of one group, padded and by phases, for few filters (conv_f32_direct.c); false: not for
 * this. */
bool conv_f32_direct_fits(const conv_f32 *p);
hst_status conv_f32_direct(eval_context *c, const conv_f32 *p, hst_error *err);

#endif
