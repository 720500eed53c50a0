/* Softmax over the vector vocabulary: three passes over a row that stays in L1. */
#include <math.h>

#include "kernels/kernels.h"
#include "kernels/vec/math.h"

#define INLINE static inline __attribute__((always_inline))

/* y = x + mask, and the maximum; elements from `n` of the last group count as −inf. */
INLINE float pass_max(int64_t n, const float *x, const float *mask, float *y) {
    vec16 most = vec16_set(-INFINITY);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < VEC16; k++) {
            int64_t at = i + k * VEC_LANES;
            vf v = vf_load(x + at);
            if (mask) v = vf_add(v, vf_load(mask + at));
            vf_store(y + at, v);
            most.v[k] = vf_max(most.v[k], v);
        }
    for (int k = 0; k < VEC16 && i < n; k++) {
        int64_t at = i + k * VEC_LANES, part = vec16_part(n - i, k);
        if (part == 0) break;
        if (part == VEC_LANES) {
            vf v = vf_load(x + at);
            if (mask) v = vf_add(v, vf_load(mask + at));
            vf_store(y + at, v);
            most.v[k] = vf_max(most.v[k], v);
        } else {
            vf v = vf_load_n(x + at, part);
            if (mask) v = vf_add(v, vf_load_n(mask + at, part));
            vf_store_n(y + at, v, part);
            most.v[k] = vf_max(most.v[k], vf_select(vm_first(part), v, vf_set(-INFINITY)));
        }
    }
    return vec16_max(&most);
}

/* y = exp(y − most), or y − most where `log`; the sum of the exponentials. */
INLINE float pass_exp(int64_t n, float most, bool log_form, float *y) {
    vec16 sum = vec16_set(0.0f);
    const vf m = vf_set(most);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < VEC16; k++) {
            float *at = y + i + k * VEC_LANES;
            vf v = vf_sub(vf_load(at), m), e = vf_exp(v);
            vf_store(at, log_form ? v : e);
            sum.v[k] = vf_add(sum.v[k], e);
        }
    for (int k = 0; k < VEC16 && i < n; k++) {
        float *at = y + i + k * VEC_LANES;
        int64_t part = vec16_part(n - i, k);
        if (part == 0) break;
        vf v = vf_sub(part == VEC_LANES ? vf_load(at) : vf_load_n(at, part), m), e = vf_exp(v);
        if (part == VEC_LANES)
            vf_store(at, log_form ? v : e);
        else
            vf_store_n(at, log_form ? v : e, part), e = vf_select(vm_first(part), e, vf_set(0.0f));
        sum.v[k] = vf_add(sum.v[k], e);
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
    float sum = pass_exp(s->n, most, log_form, y);
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
