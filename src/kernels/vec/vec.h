/* One vocabulary of vector operations: vf holds VEC_LANES floats, vi as many int32, vm a mask. Everything is static
 * inline, so that no code of one ISA gets into a symbol that another calls.
 *
 * A family's `<family>.vec.c` is compiled once an ISA with HST_VEC_ISA_<isa> defined by the build; a hand-written
 * `<family>.<isa>.c` defines it itself. Semantics that matter:
 *   vf_min(a, b) = a < b ? a : b and vf_max(a, b) = a > b ? a : b: b where one is NaN, on every ISA
 *   vf_load_n, vf_store_n touch the first n (0 … VEC_LANES - 1) elements only; lanes that were not loaded are +0
 *   vf_round: to nearest even; vi_from: of integral values
 *   vec16 is 16 virtual lanes, element i of a row in lane i mod 16; vec16_tree_add sums them by one fixed tree */
// clang-format off
#ifndef KERNELS_VEC_VEC_H
#define KERNELS_VEC_VEC_H

#include <stdint.h>

#if defined(HST_VEC_ISA_avx512)
#include "kernels/vec/vec_avx512.h"
#elif defined(HST_VEC_ISA_avx2)
#include "kernels/vec/vec_avx2.h"
#elif defined(HST_VEC_ISA_neon)
#include "kernels/vec/vec_neon.h"
#else
#error "vec.h is for files that are compiled for an ISA"
#endif

#define VEC_JOIN_(a, b) a##b
#define VEC_JOIN(a, b) VEC_JOIN_(a, b)
#define VEC_NAME(name) VEC_JOIN(name, VEC_SUFFIX)

/* Marker of a kernel in a .vec.c file: entry `name`__<isa> of kernel_list, which fills slot `name`. */
#define HST_VEC_KERNEL(name) HST_VEC_KERNEL_(VEC_NAME(name))
#define HST_VEC_KERNEL_(id) HST_KERNEL_(id)
#define HST_KERNEL_(id) HST_KERNEL(id)
#define VEC_KERNEL(room, slot_)                                                                                        \
    {                                                                                                                  \
        .name = #slot_ VEC_TEXT, .family = room, .slot = offsetof(kernels, slot_), .isa = VEC_ISA,                     \
        .fn = (kernel_fn)slot_                                                                                         \
    }

static inline vf vf_abs(vf a) { return vi_float(vi_and(vf_bits(a), vi_set(0x7fffffff))); }
static inline vf vf_neg(vf a) { return vi_float(vi_xor(vf_bits(a), vi_set(INT32_MIN))); }
/* The magnitude of a with the sign of s. */
static inline vf vf_copysign(vf a, vf s) {
    return vi_float(vi_or(vi_and(vf_bits(a), vi_set(0x7fffffff)), vi_and(vf_bits(s), vi_set(INT32_MIN))));
}

enum { VEC16 = 16 / VEC_LANES };
typedef struct vec16 {
    vf v[VEC16];
} vec16;

static inline vec16 vec16_set(float x) {
    vec16 r;
    for (int k = 0; k < VEC16; k++) r.v[k] = vf_set(x);
    return r;
}

/* How many of the lanes of register k lie before n: 0 … VEC_LANES. */
static inline int64_t vec16_part(int64_t n, int k) {
    int64_t left = n - (int64_t)k * VEC_LANES;
    return left < 0 ? 0 : left > VEC_LANES ? VEC_LANES : left;
}

static inline float vec16_add(const vec16 *a) { return vec16_tree_add(a->v); }

/* Maximum over the lanes; where one is NaN, any of them. */
static inline float vec16_max(const vec16 *a) {
    vf most = a->v[0];
    for (int k = 1; k < VEC16; k++) most = vf_max(most, a->v[k]);
    return vf_lanes_max(most);
}

#endif
