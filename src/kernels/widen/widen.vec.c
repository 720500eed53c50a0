/* Widening and narrowing copies over the vector vocabulary. The tail goes through a register's worth of buffer. */
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/vec/vec.h"

#define INLINE static inline __attribute__((always_inline))

typedef enum half { HALF_F16, HALF_BF16 } half;

INLINE vf load_half(half h, const uint16_t *p) {
    return h == HALF_F16 ? vf_load_f16(p) : vi_float(vi_shl(vi_load_u16(p), 16));
}

INLINE void store_half(half h, uint16_t *p, vf v) {
    if (h == HALF_F16) {
        vf_store_f16(p, v);
        return;
    }
    vi u = vf_bits(v), odd = vi_and(vi_shr(u, 16), vi_set(1));
    vi near = vi_shr(vi_add(u, vi_add(vi_set(0x7fff), odd)), 16), nan = vi_or(vi_shr(u, 16), vi_set(0x40));
    vi_store_u16(p, vf_bits(vf_select(vf_nan(v), vi_float(nan), vi_float(near))));
}

INLINE void widen(half h, int64_t n, const uint16_t *x, float *y) {
    int64_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES) vf_store(y + i, load_half(h, x + i));
    if (i < n) {
        uint16_t t[VEC_LANES] = {0};
        memcpy(t, x + i, (size_t)(n - i) * 2);
        vf_store_n(y + i, load_half(h, t), n - i);
    }
}

INLINE void narrow(half h, int64_t n, const float *x, uint16_t *y) {
    int64_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES) store_half(h, y + i, vf_load(x + i));
    if (i < n) {
        uint16_t t[VEC_LANES];
        store_half(h, t, vf_load_n(x + i, n - i));
        memcpy(y + i, t, (size_t)(n - i) * 2);
    }
}

static void widen_f16_f32(int64_t n, const uint16_t *x, float *y) {
    widen(HALF_F16, n, x, y);
}
static void narrow_f32_f16(int64_t n, const float *x, uint16_t *y) {
    narrow(HALF_F16, n, x, y);
}
static void widen_bf16_f32(int64_t n, const uint16_t *x, float *y) {
    widen(HALF_BF16, n, x, y);
}
static void narrow_f32_bf16(int64_t n, const float *x, uint16_t *y) {
    narrow(HALF_BF16, n, x, y);
}

HST_VEC_KERNEL(widen_f16_f32) = VEC_KERNEL("widen", widen_f16_f32);
HST_VEC_KERNEL(narrow_f32_f16) = VEC_KERNEL("widen", narrow_f32_f16);
HST_VEC_KERNEL(widen_bf16_f32) = VEC_KERNEL("widen", widen_bf16_f32);
HST_VEC_KERNEL(narrow_f32_bf16) = VEC_KERNEL("widen", narrow_f32_bf16);
