/* The random choices of the fuzz targets: numbers, with a liking for those at which something ends, and elements. */
#ifndef FUZZ_DICE_H
#define FUZZ_DICE_H

#include <stdint.h>
#include <string.h>

#include "hasten.h"

static inline uint64_t dice_roll(uint64_t *random) {
    uint64_t z = *random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline int dice_below(uint64_t *random, int n) {
    return n > 0 ? (int)(dice_roll(random) % (uint64_t)n) : 0;
}

static inline int64_t dice_s64(uint64_t *random, int64_t now) {
    static const int64_t edges[] = {
        0,         1,         -1,           2,         -2,        3,         4,          5,         7,
        8,         16,        17,           63,        64,        65,        127,        128,       255,
        256,       1000,      4096,         65535,     65536,     1000000,   INT32_MAX,  INT32_MIN, 1LL << 31,
        1LL << 32, 1LL << 40, 1LL << 53,    1LL << 61, 1LL << 62, INT64_MAX, -INT64_MAX, INT64_MIN, -3,
        -4,        -16,       -(1LL << 32), 46341};
    switch (dice_below(random, 8)) {
    case 0:
        return (int64_t)((uint64_t)now + 1);
    case 1:
        return (int64_t)((uint64_t)now - 1);
    case 2:
        return (int64_t)(0 - (uint64_t)now);
    case 3:
        return (int64_t)((uint64_t)now * 2);
    case 4:
        return dice_below(random, 8) - 3;
    case 5:
        return (int64_t)dice_roll(random) >> dice_below(random, 64);
    default:
        return edges[dice_below(random, (int)(sizeof edges / sizeof *edges))];
    }
}

static inline double dice_f64(uint64_t *random) {
    static const double edges[] = {0.0,   -0.0, 1.0,   -1.0,  0.5,     2.0, 1e-45,
                                   1e-38, 3e38, -3e38, 1e300, 65504.0, 1e9, 9.3e18};
    int k = dice_below(random, 20);
    if (k < (int)(sizeof edges / sizeof *edges)) return edges[k];
    if (k == 14) return (double)__builtin_inff();
    if (k == 15) return -(double)__builtin_inff();
    if (k == 16) return (double)__builtin_nanf("");
    return (dice_below(random, 2001) - 1000) / 100.0;
}

static inline size_t element_bytes(int64_t dtype) {
    switch (dtype) {
    case HST_DTYPE_F64:
    case HST_DTYPE_S64:
    case HST_DTYPE_U64:
    case HST_DTYPE_C64:
        return 8;
    case HST_DTYPE_F32:
    case HST_DTYPE_S32:
    case HST_DTYPE_U32:
        return 4;
    case HST_DTYPE_F16:
    case HST_DTYPE_BF16:
    case HST_DTYPE_S16:
    case HST_DTYPE_U16:
        return 2;
    case HST_DTYPE_C128:
        return 16;
    default:
        return 1;
    }
}

/* One in `wild` is none that a model would expect; 0: none. */
static inline void dice_element(uint64_t *random, int64_t dtype, int wild, unsigned char *to) {
    size_t size = element_bytes(dtype);
    const bool tame = !wild || dice_below(random, wild) != 0;
    int64_t x = tame ? dice_below(random, 5) - 1 : dice_s64(random, 2);
    double d = tame ? (dice_below(random, 41) - 20) / 8.0 : dice_f64(random);
    float f = (float)d;
    if (dtype == HST_DTYPE_B8) x &= 1;
    if (dtype == HST_DTYPE_F32 || dtype == HST_DTYPE_C64) {
        memcpy(to, &f, 4);
        if (size == 8) memcpy(to + 4, &f, 4);
    } else if (dtype == HST_DTYPE_F64 || dtype == HST_DTYPE_C128) {
        memcpy(to, &d, 8);
        if (size == 16) memcpy(to + 8, &d, 8);
    } else {
        uint64_t bits = dtype == HST_DTYPE_F16 || dtype == HST_DTYPE_BF16 ? dice_roll(random) : (uint64_t)x;
        memcpy(to, &bits, size);
    }
}

#endif
