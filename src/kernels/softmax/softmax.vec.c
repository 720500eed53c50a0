/* Softmax over the vector vocabulary: three passes over a row that stays in L1. */
#include <math.h>

#include "kernels/kernels.h"
#include "kernels/vec/math.h"

#define INLINE static inline __attribute__((always_inline))

/* The maximum of x + mask, the sums stored in y; without a mask nothing is stored. A NaN may pass unseen: it shows in
 * the sum of the exponentials. */
INLINE float pass_max(int64_t n, const float *x, const float *mask, float *y) {
    vec16 most = vec16_set(-INFINITY);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < VEC16; k++) {
            int64_t at = i + k * VEC_LANES;
            vf v = vf_load(x + at);
            if (mask) vf_store(y + at, v = vf_add(v, vf_load(mask + at)));
            most.v[k] = vf_max(most.v[k], v);
        }
    for (int k = 0; k < VEC16 && i < n; k++) {
        int64_t at = i + k * VEC_LANES, part = vec16_part(n - i, k);
        if (part == 0) break;
        if (part == VEC_LANES) {
            vf v = vf_load(x + at);
            if (mask) vf_store(y + at, v = vf_add(v, vf_load(mask + at)));
            most.v[k] = vf_max(most.v[k], v);
        } else {
            vf v = vf_load_n(x + at, part);
            if (mask) vf_store_n(y + at, v = vf_add(v, vf_load_n(mask + at, part)), part);
            most.v[k] = vf_max(most.v[k], vf_select(vm_first(part), v, vf_set(-INFINITY)));
        }
    }
    return vec16_max(&most) + 0.0f; /* a maximum of -0 is +0, whichever of its zeros is found */
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
        vf_exp_many(e, VEC_MANY);
#pragma GCC unroll 4
        for (int j = 0; j < VEC_MANY; j++) {
            if (!log_form) vf_store(y + i + j * VEC_LANES, e[j]);
            sum.v[j % VEC16] = vf_add(sum.v[j % VEC16], e[j]);
        }
    }
    for (int64_t k = 0; i < n; k++, i += VEC_LANES) { /* i is a multiple of 16 at first */
        const int64_t part = n - i < VEC_LANES ? n - i : VEC_LANES;
        vf v = vf_sub(part == VEC_LANES ? vf_load(x + i) : vf_load_n(x + i, part), m), e = vf_exp(v);
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

INLINE void row(const softmax_rows *s, const float *x, const float *mask, float *y, bool log_form) {
    float most = mask ? pass_max(s->n, x, mask, y) : pass_max(s->n, x, NULL, y);
    float sum = mask ? pass_exp(s->n, most, log_form, y, y) : pass_exp(s->n, most, log_form, x, y);
    pass_scale(s->n, log_form ? (float)log((double)sum) : 1.0f / sum, log_form, y);
    for (int64_t i = s->n; i < s->width; i++) y[i] = log_form ? -INFINITY : 0.0f;
}

static void softmax_f32(const softmax_rows *s) {
    for (int64_t r = 0; r < s->rows; r++) {
        const float *x = s->x + r * s->ldx, *mask = s->mask ? s->mask + r * s->ldm : NULL;
        if (s->log)
            row(s, x, mask, s->y + r * s->ldy, true);
        else
            row(s, x, mask, s->y + r * s->ldy, false);
    }
}

HST_VEC_KERNEL(softmax_f32) = VEC_KERNEL("softmax", softmax_f32);
