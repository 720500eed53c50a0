/* Normalisation over the vector vocabulary: three passes over a row that stays in L1. */
#include <math.h>

#include "kernels/kernels.h"
#include "kernels/vec/math.h"

#define INLINE static inline __attribute__((always_inline))

INLINE vf load_part(const float *p, int64_t part) {
    return part == VEC_LANES ? vf_load(p) : vf_load_n(p, part);
}
INLINE void store_part(float *p, vf v, int64_t part) {
    if (part == VEC_LANES)
        vf_store(p, v);
    else
        vf_store_n(p, v, part);
}

/* One register of s = (x + residual) + bias, stored in y and sum. Lanes that are not there are +0. */
INLINE vf sum_part(const float *x, const float *residual, const float *bias, float *sum, float *y, int64_t at,
                   int64_t part) {
    vf s = load_part(x + at, part);
    if (residual) s = vf_add(s, load_part(residual + at, part));
    if (bias) s = vf_add(s, load_part(bias + at, part));
    if (sum) store_part(sum + at, s, part);
    store_part(y + at, s, part);
    return s;
}

INLINE float pass_sum(int64_t n, const float *x, const float *residual, const float *bias, float *sum, float *y) {
    vec16 lanes = vec16_set(0.0f);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < VEC16; k++)
            lanes.v[k] = vf_add(lanes.v[k], sum_part(x, residual, bias, sum, y, i + k * VEC_LANES, VEC_LANES));
    for (int k = 0; k < VEC16; k++) {
        int64_t part = vec16_part(n - i, k);
        if (part == 0) break;
        lanes.v[k] = vf_add(lanes.v[k], sum_part(x, residual, bias, sum, y, i + k * VEC_LANES, part));
    }
    return vec16_add(&lanes);
}

INLINE float pass_squares(int64_t n, bool rms, float mean, const float *y) {
    vec16 lanes = vec16_set(0.0f);
    const vf m = vf_set(mean);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < VEC16; k++) {
            vf v = vf_load(y + i + k * VEC_LANES), d = rms ? v : vf_sub(v, m);
            lanes.v[k] = vf_fma(d, d, lanes.v[k]);
        }
    for (int k = 0; k < VEC16; k++) {
        int64_t part = vec16_part(n - i, k);
        if (part == 0) break;
        vf v = load_part(y + i + k * VEC_LANES, part), d = rms ? v : vf_sub(v, m);
        if (part < VEC_LANES) d = vf_select(vm_first(part), d, vf_set(0.0f));
        lanes.v[k] = vf_fma(d, d, lanes.v[k]);
    }
    return vec16_add(&lanes);
}

INLINE vf scale_part(vf v, bool rms, vf mean, vf inv, const float *gamma, const float *beta, int64_t at, int64_t part) {
    v = vf_mul(rms ? v : vf_sub(v, mean), inv);
    if (beta) return vf_fma(v, gamma ? load_part(gamma + at, part) : vf_set(1.0f), load_part(beta + at, part));
    return gamma ? vf_mul(v, load_part(gamma + at, part)) : v;
}

INLINE void pass_scale(int64_t n, bool rms, float mean, float inv, const float *gamma, const float *beta, float *y) {
    const vf m = vf_set(mean), w = vf_set(inv);
    int64_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        vf_store(y + i, scale_part(vf_load(y + i), rms, m, w, gamma, beta, i, VEC_LANES));
    if (i < n) vf_store_n(y + i, scale_part(vf_load_n(y + i, n - i), rms, m, w, gamma, beta, i, n - i), n - i);
}

INLINE void row(const norm_rows *a, int64_t r, bool rms) {
    int64_t n = a->n, at = r * n;
    const float *residual = a->residual ? a->residual + at : NULL, *bias = a->bias ? a->bias + r * a->ld_bias : NULL;
    float *y = a->y + at, *sum = a->sum ? a->sum + at : NULL, mean = 0;
    float total = pass_sum(n, a->x + at, residual, bias, sum, y);
    if (!rms) mean = total / (float)n;
    float inv = 1.0f / sqrtf(pass_squares(n, rms, mean, y) / (float)n + a->epsilon);
    if (a->gamma && a->beta)
        pass_scale(n, rms, mean, inv, a->gamma, a->beta, y);
    else if (a->gamma)
        pass_scale(n, rms, mean, inv, a->gamma, NULL, y);
    else
        pass_scale(n, rms, mean, inv, NULL, a->beta, y);
    if (a->mean && !rms) a->mean[r] = mean;
    if (a->inv) a->inv[r] = inv;
}

static void norm_f32(const norm_rows *a) {
    if (a->rms)
        for (int64_t r = 0; r < a->rows; r++) row(a, r, true);
    else
        for (int64_t r = 0; r < a->rows; r++) row(a, r, false);
}

HST_VEC_KERNEL(norm_f32) = VEC_KERNEL("norm", norm_f32);
