/* Softmax over the vector vocabulary: three passes over a row that stays in L1. */
#include <math.h>

#include "kernels/kernels.h"
#include "kernels/vec/math.h"

#define INLINE static inline __attribute__((always_inline))

enum { CHAINS = 4 }; /* of a maximum, each waiting for its last step: in any order it is the same */

/* The maximum of x + mask, the sums stored in y; without a mask nothing is stored. A NaN may pass unseen: it shows in
 * the sum of the exponentials. */
INLINE float pass_max(int64_t n, const float *x, const float *mask, float *y) {
    vf most[CHAINS];
    int64_t i = 0;
    for (int k = 0; k < CHAINS; k++) most[k] = vf_set(-INFINITY);
    for (; i + CHAINS * VEC_LANES <= n; i += CHAINS * VEC_LANES)
#pragma GCC unroll 4
        for (int k = 0; k < CHAINS; k++) {
            const int64_t at = i + k * VEC_LANES;
            vf v = vf_load(x + at);
            if (mask) vf_store(y + at, v = vf_add(v, vf_load(mask + at)));
            most[k] = vf_max(most[k], v);
        }
    for (; i < n; i += VEC_LANES) {
        const int64_t part = n - i;
        if (part >= VEC_LANES) {
            vf v = vf_load(x + i);
            if (mask) vf_store(y + i, v = vf_add(v, vf_load(mask + i)));
            most[0] = vf_max(most[0], v);
        } else {
            vf v = vf_load_n(x + i, part);
            if (mask) vf_store_n(y + i, v = vf_add(v, vf_load_n(mask + i, part)), part);
            most[1] = vf_max(most[1], vf_select(vm_first(part), v, vf_set(-INFINITY)));
        }
    }
    const vf all = vf_max(vf_max(most[0], most[1]), vf_max(most[2], most[3]));
    return vf_lanes_max(all) + 0.0f; /* a maximum of -0 is +0, whichever of its zeros is found */
}

/* y = exp(x − most), or x − most where `log`; the sum of the exponentials. */
INLINE float pass_exp(int64_t n, float most, bool log_form, const float *x, float *y) {
    vec16 sum = vec16_set(0.0f);
    const vf m = vf_set(most);
    int64_t i = 0;
    for (; i + VEC_MANY * VEC_LANES <= n; i += VEC_MANY * VEC_LANES) {
        vf e[VEC_MANY];
#pragma GCC unroll 4
        for (int j = 0; j < VEC_MANY; j++) {
            e[j] = vf_sub(vf_load(x + i + j * VEC_LANES), m);
            if (log_form) vf_store(y + i + j * VEC_LANES, e[j]);
        }
        vf_exp_negative_many(e, VEC_MANY);
#pragma GCC unroll 4
        for (int j = 0; j < VEC_MANY; j++) {
            if (!log_form) vf_store(y + i + j * VEC_LANES, e[j]);
            sum.v[j % VEC16] = vf_add(sum.v[j % VEC16], e[j]);
        }
    }
    for (int64_t k = 0; i < n; k++, i += VEC_LANES) { /* i is a multiple of 16 at first */
        const int64_t part = n - i < VEC_LANES ? n - i : VEC_LANES;
        vf v = vf_sub(part == VEC_LANES ? vf_load(x + i) : vf_load_n(x + i, part), m), e = vf_exp_negative(v);
        if (part == VEC_LANES)
            vf_store(y + i, log_form ? v : e);
        else
            vf_store_n(y + i, log_form ? v : e, part), e = vf_select(vm_first(part), e, vf_set(0.0f));
        sum.v[k % VEC16] = vf_add(sum.v[k % VEC16], e);
    }
    return vec16_add(&sum);
}

/* y = y · scale, or y − shift where `log`. */
INLINE void pass_scale(int64_t n, float by, bool log_form, float *y) {
    const vf b = vf_set(by);
    int64_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        vf_store(y + i, log_form ? vf_sub(vf_load(y + i), b) : vf_mul(vf_load(y + i), b));
    if (i < n) {
        vf v = vf_load_n(y + i, n - i);
        vf_store_n(y + i, log_form ? vf_sub(v, b) : vf_mul(v, b), n - i);
    }
}

INLINE void row(const softmax_rows *s, const float *x, const float *mask, float *y, float *factor, bool log_form) {
    float most = mask ? pass_max(s->n, x, mask, y) : pass_max(s->n, x, NULL, y);
    float sum = mask ? pass_exp(s->n, most, log_form, y, y) : pass_exp(s->n, most, log_form, x, y);
    if (!log_form && factor)
        *factor = 1.0f / sum;
    else
        pass_scale(s->n, log_form ? (float)log((double)sum) : 1.0f / sum, log_form, y);
    for (int64_t i = s->n; i < s->width; i++) y[i] = log_form ? -INFINITY : 0.0f;
}

static void softmax_f32(const softmax_rows *s) {
    for (int64_t r = 0; r < s->rows; r++) {
        const float *x = s->x + r * s->ldx, *mask = s->mask ? s->mask + r * s->ldm : NULL;
        if (s->log)
            row(s, x, mask, s->y + r * s->ldy, NULL, true);
        else
            row(s, x, mask, s->y + r * s->ldy, s->factor ? s->factor + r : NULL, false);
    }
}

HST_VEC_KERNEL(softmax_f32) = VEC_KERNEL("softmax", softmax_f32);
