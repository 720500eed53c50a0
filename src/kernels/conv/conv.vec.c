/* Direct convolution over the vector vocabulary: 8 registers of outputs hide the latency of their chains, then single
 * ones, then a masked rest. */
#include "kernels/kernels.h"
#include "kernels/vec/vec.h"

#define L VEC_LANES

static void block(const conv_taps *a, int64_t i) {
    vf s0 = vf_set(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (int64_t t = 0; t < a->taps; t++) {
        const float *x = a->x + a->offset[t] + i;
        const vf w = vf_set(a->w[t]);
        s0 = vf_fma(vf_load(x), w, s0);
        s1 = vf_fma(vf_load(x + L), w, s1);
        s2 = vf_fma(vf_load(x + 2 * L), w, s2);
        s3 = vf_fma(vf_load(x + 3 * L), w, s3);
        s4 = vf_fma(vf_load(x + 4 * L), w, s4);
        s5 = vf_fma(vf_load(x + 5 * L), w, s5);
        s6 = vf_fma(vf_load(x + 6 * L), w, s6);
        s7 = vf_fma(vf_load(x + 7 * L), w, s7);
    }
    const vf b = vf_set(a->bias);
    float *y = a->y + i;
    vf_store(y, vf_add(s0, b));
    vf_store(y + L, vf_add(s1, b));
    vf_store(y + 2 * L, vf_add(s2, b));
    vf_store(y + 3 * L, vf_add(s3, b));
    vf_store(y + 4 * L, vf_add(s4, b));
    vf_store(y + 5 * L, vf_add(s5, b));
    vf_store(y + 6 * L, vf_add(s6, b));
    vf_store(y + 7 * L, vf_add(s7, b));
}

static void conv_taps_f32(const conv_taps *a) {
    int64_t i = 0;
    for (; i + 8 * L <= a->n; i += 8 * L) block(a, i);
    if (i < a->n && a->n >= 8 * L) { /* the last outputs once more, rather than one by one */
        block(a, a->n - 8 * L);
        return;
    }
    const vf b = vf_set(a->bias);
    for (; i < a->n; i += L) {
        const int64_t some = a->n - i;
        vf s = vf_set(0);
        for (int64_t t = 0; t < a->taps; t++) {
            const float *x = a->x + a->offset[t] + i;
            s = vf_fma(some < L ? vf_load_n(x, some) : vf_load(x), vf_set(a->w[t]), s);
        }
        s = vf_add(s, b);
        if (some < L)
            vf_store_n(a->y + i, s, some);
        else
            vf_store(a->y + i, s);
    }
}

HST_VEC_KERNEL(conv_taps_f32) = VEC_KERNEL("conv", conv_taps_f32);
