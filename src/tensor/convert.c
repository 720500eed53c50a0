/* Conversions between element types: every format has one load and one store through a carrier (f64 for floats, s64 for
 * integers, u64 keeping its bits); whole arrays go through chunks of the carrier, common pairs through direct loops. */
#include "tensor/convert.h"

#include <math.h>

/* ---- small floats: sign, `exponent` bits, `mantissa` bits ---- */

typedef struct small_float {
    int mantissa, bias;
    int most;     /* code of the greatest finite magnitude */
    int infinity; /* code of infinity, -1: there is none */
    int nan;      /* code of NaN; -1: there is none */
    int sign;     /* its bit */
    bool fnuz;    /* one NaN, which is minus zero's code: no minus zero */
} small_float;

// clang-format off
static const small_float format_f16    = {10, 15,  0x7bff, 0x7c00, 0x7e00, 0x8000, false};
static const small_float format_bf16   = {7,  127, 0x7f7f, 0x7f80, 0x7fc0, 0x8000, false};
static const small_float format_e4m3fn = {3,  7,   0x7e,   -1,     0x7f,   0x80,   false};
static const small_float format_e4m3uz = {3,  8,   0x7f,   -1,     0x80,   0x80,   true};
static const small_float format_e5m2   = {2,  15,  0x7b,   0x7c,   0x7e,   0x80,   false};
static const small_float format_e5m2uz = {2,  16,  0x7f,   -1,     0x80,   0x80,   true};
static const small_float format_e2m1   = {1,  1,   0x7,    -1,     -1,     0x8,    false};
// clang-format on

static const small_float *small_format(hst_dtype d) {
    switch (d) {
    case HST_DTYPE_F8E4M3FN:
        return &format_e4m3fn;
    case HST_DTYPE_F8E4M3FNUZ:
        return &format_e4m3uz;
    case HST_DTYPE_F8E5M2:
        return &format_e5m2;
    case HST_DTYPE_F8E5M2FNUZ:
        return &format_e5m2uz;
    default:
        return &format_e2m1;
    }
}

static int small_overflow(const small_float *f, int sign, bool saturate) {
    if (saturate) return sign | f->most;
    if (f->infinity >= 0) return sign | f->infinity;
    return f->fnuz ? f->nan : sign | f->nan;
}

/* Rounds to nearest even in one step: x over the spacing of the target's numbers near x is exact, so is its rounding.
 */
static int small_encode(const small_float *f, double x, bool saturate) {
    int sign = signbit(x) ? f->sign : 0, exponent;
    if (f->nan < 0) { /* f4: always saturates; NaN becomes zero with the sign turned, as ml_dtypes has it */
        if (isnan(x)) return sign ^ f->sign;
        saturate = true;
    }
    if (isnan(x)) return f->fnuz ? f->nan : sign | f->nan;
    x = fabs(x);
    if (isinf(x)) return small_overflow(f, sign, saturate);
    if (x == 0) return f->fnuz ? 0 : sign;
    frexp(x, &exponent);
    int field = exponent - 1 + f->bias; /* below 1: subnormal, whose spacing is that of field 1 */
    if (field < 1) field = 1;
    double q = rint(ldexp(x, f->mantissa + f->bias - field)); /* at most 2^(mantissa + 1) */
    int code = (int)q + ((field - 1) << f->mantissa);
    if (code > f->most) return small_overflow(f, sign, saturate);
    return code == 0 && f->fnuz ? 0 : sign | code;
}

static double small_decode(const small_float *f, int code) {
    int magnitude = code & (f->sign - 1), field = magnitude >> f->mantissa;
    double sign = code & f->sign ? -1.0 : 1.0;
    if (f->fnuz && code == f->nan) return (double)NAN;
    if (f->infinity >= 0 && magnitude == f->infinity) return sign * (double)INFINITY;
    if (magnitude > f->most) return copysign((double)NAN, sign);
    if (field == 0) return sign * ldexp(magnitude, 1 - f->bias - f->mantissa);
    int m = (magnitude & ((1 << f->mantissa) - 1)) | 1 << f->mantissa;
    return sign * ldexp(m, field - f->bias - f->mantissa);
}

uint16_t f64_to_f16(double x) {
    return (uint16_t)small_encode(&format_f16, x, false);
}
uint16_t f64_to_bf16(double x) {
    return (uint16_t)small_encode(&format_bf16, x, false);
}

uint8_t f64_to_f8e8m0(double x, bool saturate, f8e8m0_round mode) {
    int exponent;
    if (isnan(x)) return 0xff;
    x = fabs(x); /* negative values are undefined by the standard: the sign is dropped */
    if (isinf(x)) return saturate ? 0xfe : 0xff;
    if (x == 0) return saturate ? 0 : 0xff;
    double m = frexp(x, &exponent); /* 0.5 <= m < 1 */
    int code = exponent - 1 + 127;
    if (mode == F8E8M0_UP ? m > 0.5 : mode == F8E8M0_NEAREST && m >= 0.75) code++;
    if (code < 0) return saturate ? 0 : 0xff;
    if (code > 0xfe) return saturate ? 0xfe : 0xff;
    return (uint8_t)code;
}

uint8_t f64_to_f8(double x, hst_dtype d, bool saturate) {
    if (d == HST_DTYPE_F8E8M0) return f64_to_f8e8m0(x, saturate, F8E8M0_UP);
    return (uint8_t)small_encode(small_format(d), x, saturate);
}

double f8_to_f64(uint8_t x, hst_dtype d) {
    if (d == HST_DTYPE_F8E8M0) return x == 0xff ? (double)NAN : ldexp(1.0, x - 127);
    return small_decode(small_format(d), d == HST_DTYPE_F4E2M1 ? x & 0xf : x);
}

/* ---- f16, by bits: these run over whole weight files ---- */

static inline float bits_to_f32(uint32_t u) {
    float f;
    memcpy(&f, &u, 4);
    return f;
}

float f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7fff;
    if (magnitude >= 0x7c00) /* a signalling NaN becomes quiet, as the F16C instruction does */
        return bits_to_f32(sign | 0x7f800000u | magnitude << 13 | (magnitude > 0x7c00 ? 0x400000u : 0u));
    if (magnitude >= 0x0400) return bits_to_f32(sign | ((magnitude << 13) + (112u << 23)));
    float f = (float)(int32_t)magnitude * 0x1p-24f; /* subnormal: exact */
    return sign ? -f : f;
}

uint16_t f32_to_f16(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    uint32_t sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* from 65520 up */
    if (magnitude >= 0x38800000) {                                 /* normal: from 2^-14 up */
        uint32_t r = magnitude - (112u << 23);
        return (uint16_t)(sign | (r + 0xfff + (r >> 13 & 1)) >> 13);
    }
    if (magnitude < 0x33000000) return (uint16_t)sign; /* below 2^-25: zero */
    uint32_t shift = 126 - (magnitude >> 23), m = (magnitude & 0x7fffff) | 0x800000;
    uint32_t low = m & ((1u << shift) - 1), half = 1u << (shift - 1), q = m >> shift;
    return (uint16_t)(sign | (q + (low > half || (low == half && (q & 1)))));
}

/* ---- integers ---- */

/* Truncation as cvttsd2si does it. */
static inline int64_t truncate_s64(double x) {
    return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN; /* NaN fails both */
}

static inline int64_t truncate_for(hst_dtype d, double x) {
    if (d == HST_DTYPE_S32) return x > -2147483649.0 && x < 2147483648.0 ? (int64_t)x : INT32_MIN;
    if (d == HST_DTYPE_U64 && x >= 0x1p63 && x < 0x1p64) return (int64_t)(uint64_t)x;
    return truncate_s64(x);
}

/* An s64 or u64 as f64, such that rounding it once more to a narrower float is a single rounding (round to odd). */
static double integer_odd(int64_t x, bool is_unsigned) {
    bool negative = !is_unsigned && x < 0;
    uint64_t m = negative ? 0 - (uint64_t)x : (uint64_t)x;
    while (m >> 53) { /* shift out bits that f64 lacks, keeping them as a sticky one; at most 11 rounds */
        int shift = 11 - __builtin_clzll(m);
        uint64_t lost = m & ((UINT64_C(1) << shift) - 1);
        m = m >> shift | (lost != 0);
        double d = ldexp((double)m, shift);
        return negative ? -d : d;
    }
    return negative ? -(double)m : (double)m;
}

/* ---- one element ---- */

static inline int packed(const void *from, int64_t i, int bits) {
    int per = 8 / bits;
    return ((const uint8_t *)from)[i / per] >> (i % per * bits) & ((1 << bits) - 1);
}

static inline void pack(void *to, int64_t i, int bits, int code) {
    int per = 8 / bits, shift = (int)(i % per) * bits, mask = ((1 << bits) - 1) << shift;
    uint8_t *at = (uint8_t *)to + i / per;
    *at = (uint8_t)((*at & ~mask) | (code << shift & mask));
}

static inline int64_t load_s64(hst_dtype d, const void *from, int64_t i) {
    const char *p = from;
    union {
        int64_t s64;
        int32_t s32;
        uint32_t u32;
        int16_t s16;
        uint16_t u16;
    } x;
    switch (d) {
    case HST_DTYPE_S64:
    case HST_DTYPE_U64:
        memcpy(&x.s64, p + 8 * i, 8);
        return x.s64;
    case HST_DTYPE_S32:
        memcpy(&x.s32, p + 4 * i, 4);
        return x.s32;
    case HST_DTYPE_U32:
        memcpy(&x.u32, p + 4 * i, 4);
        return x.u32;
    case HST_DTYPE_S16:
        memcpy(&x.s16, p + 2 * i, 2);
        return x.s16;
    case HST_DTYPE_U16:
        memcpy(&x.u16, p + 2 * i, 2);
        return x.u16;
    case HST_DTYPE_S8:
        return ((const int8_t *)from)[i];
    case HST_DTYPE_U8:
        return ((const uint8_t *)from)[i];
    case HST_DTYPE_B8:
        return ((const uint8_t *)from)[i] != 0;
    case HST_DTYPE_U4:
        return packed(from, i, 4);
    case HST_DTYPE_S4:
        return (packed(from, i, 4) ^ 8) - 8;
    case HST_DTYPE_U2:
        return packed(from, i, 2);
    case HST_DTYPE_S2:
        return (packed(from, i, 2) ^ 2) - 2;
    default:
        return 0;
    }
}

static inline void store_s64(hst_dtype d, int64_t x, void *to, int64_t i) {
    char *p = to;
    switch (d) {
    case HST_DTYPE_S64:
    case HST_DTYPE_U64:
        memcpy(p + 8 * i, &x, 8);
        return;
    case HST_DTYPE_S32:
    case HST_DTYPE_U32:
        memcpy(p + 4 * i, &(uint32_t){(uint32_t)x}, 4);
        return;
    case HST_DTYPE_S16:
    case HST_DTYPE_U16:
        memcpy(p + 2 * i, &(uint16_t){(uint16_t)x}, 2);
        return;
    case HST_DTYPE_S8:
    case HST_DTYPE_U8:
        ((uint8_t *)to)[i] = (uint8_t)x;
        return;
    case HST_DTYPE_B8:
        ((uint8_t *)to)[i] = x != 0;
        return;
    case HST_DTYPE_U4:
    case HST_DTYPE_S4:
        pack(to, i, 4, (int)(x & 15));
        return;
    case HST_DTYPE_U2:
    case HST_DTYPE_S2:
        pack(to, i, 2, (int)(x & 3));
        return;
    default:
        return;
    }
}

static inline double load_f64(hst_dtype d, const void *from, int64_t i) {
    const char *p = from;
    double x;
    float f;
    uint16_t h;
    switch (d) {
    case HST_DTYPE_F64:
        memcpy(&x, p + 8 * i, 8);
        return x;
    case HST_DTYPE_F32:
        memcpy(&f, p + 4 * i, 4);
        return f;
    case HST_DTYPE_F16:
        memcpy(&h, p + 2 * i, 2);
        return f16_to_f32(h);
    case HST_DTYPE_BF16:
        memcpy(&h, p + 2 * i, 2);
        return bf16_to_f32(h);
    case HST_DTYPE_F4E2M1:
        return f8_to_f64((uint8_t)packed(from, i, 4), d);
    default:
        return f8_to_f64(((const uint8_t *)from)[i], d);
    }
}

static inline void store_f64(hst_dtype d, double x, void *to, int64_t i, bool saturate) {
    char *p = to;
    switch (d) {
    case HST_DTYPE_F64:
        memcpy(p + 8 * i, &x, 8);
        return;
    case HST_DTYPE_F32:
        memcpy(p + 4 * i, &(float){(float)x}, 4);
        return;
    case HST_DTYPE_F16:
        memcpy(p + 2 * i, &(uint16_t){f64_to_f16(x)}, 2);
        return;
    case HST_DTYPE_BF16:
        memcpy(p + 2 * i, &(uint16_t){f64_to_bf16(x)}, 2);
        return;
    case HST_DTYPE_F4E2M1:
        pack(to, i, 4, f64_to_f8(x, d, true));
        return;
    default:
        ((uint8_t *)to)[i] = f64_to_f8(x, d, saturate);
        return;
    }
}

static bool carried(hst_dtype d) {
    return dtype_is_float(d) || dtype_is_integer(d) || d == HST_DTYPE_B8;
}

/* ---- the carriers ---- */

static void from_f64(hst_dtype d, const double *from, void *to, int64_t i, int64_t n, bool saturate) {
    if (dtype_is_float(d))
        for (int64_t k = 0; k < n; k++) store_f64(d, from[k], to, i + k, saturate);
    else if (d == HST_DTYPE_B8)
        for (int64_t k = 0; k < n; k++) ((uint8_t *)to)[i + k] = from[k] != 0;
    else
        for (int64_t k = 0; k < n; k++) store_s64(d, truncate_for(d, from[k]), to, i + k);
}

static void from_s64(hst_dtype d, const int64_t *from, void *to, int64_t i, int64_t n, bool is_unsigned,
                     bool saturate) {
    if (!dtype_is_float(d))
        for (int64_t k = 0; k < n; k++) store_s64(d, from[k], to, i + k);
    else if (d == HST_DTYPE_F64)
        for (int64_t k = 0; k < n; k++)
            store_f64(d, is_unsigned ? (double)(uint64_t)from[k] : (double)from[k], to, i + k, saturate);
    else
        for (int64_t k = 0; k < n; k++) store_f64(d, integer_odd(from[k], is_unsigned), to, i + k, saturate);
}

void convert_to_f64(hst_dtype d, const void *from, int64_t i, double *to, int64_t n) {
    if (dtype_is_float(d))
        for (int64_t k = 0; k < n; k++) to[k] = load_f64(d, from, i + k);
    else if (d == HST_DTYPE_U64)
        for (int64_t k = 0; k < n; k++) to[k] = (double)(uint64_t)load_s64(d, from, i + k);
    else
        for (int64_t k = 0; k < n; k++) to[k] = (double)load_s64(d, from, i + k);
}

void convert_from_f64(hst_dtype d, const double *from, void *to, int64_t i, int64_t n) {
    from_f64(d, from, to, i, n, true);
}

void convert_to_s64(hst_dtype d, const void *from, int64_t i, int64_t *to, int64_t n) {
    if (dtype_is_float(d))
        for (int64_t k = 0; k < n; k++) to[k] = truncate_s64(load_f64(d, from, i + k));
    else
        for (int64_t k = 0; k < n; k++) to[k] = load_s64(d, from, i + k);
}

void convert_from_s64(hst_dtype d, const int64_t *from, void *to, int64_t i, int64_t n) {
    from_s64(d, from, to, i, n, d == HST_DTYPE_U64, true);
}

void convert_to_f32(hst_dtype d, const void *from, int64_t i, float *to, int64_t n) {
    const char *p = from;
    uint16_t h;
    switch (d) {
    case HST_DTYPE_F32:
        if (n > 0) memcpy(to, p + 4 * i, (size_t)n * 4);
        return;
    case HST_DTYPE_F16:
        for (int64_t k = 0; k < n; k++) memcpy(&h, p + 2 * (i + k), 2), to[k] = f16_to_f32(h);
        return;
    case HST_DTYPE_BF16:
        for (int64_t k = 0; k < n; k++) memcpy(&h, p + 2 * (i + k), 2), to[k] = bf16_to_f32(h);
        return;
    case HST_DTYPE_S64:
    case HST_DTYPE_U64:
        for (int64_t k = 0; k < n; k++) to[k] = (float)integer_odd(load_s64(d, from, i + k), d == HST_DTYPE_U64);
        return;
    default:
        if (dtype_is_float(d))
            for (int64_t k = 0; k < n; k++) to[k] = (float)load_f64(d, from, i + k);
        else
            for (int64_t k = 0; k < n; k++) to[k] = (float)load_s64(d, from, i + k);
    }
}

void convert_from_f32(hst_dtype d, const float *from, void *to, int64_t i, int64_t n) {
    char *p = to;
    switch (d) {
    case HST_DTYPE_F32:
        if (n > 0) memcpy(p + 4 * i, from, (size_t)n * 4);
        return;
    case HST_DTYPE_F16:
        for (int64_t k = 0; k < n; k++) memcpy(p + 2 * (i + k), &(uint16_t){f32_to_f16(from[k])}, 2);
        return;
    case HST_DTYPE_BF16:
        for (int64_t k = 0; k < n; k++) memcpy(p + 2 * (i + k), &(uint16_t){f32_to_bf16(from[k])}, 2);
        return;
    default:
        for (int64_t k = 0; k < n; k++) from_f64(d, &(double){from[k]}, to, i + k, 1, true);
    }
}

/* ---- whole arrays ---- */

enum { CHUNK = 512 }; /* a multiple of what a byte holds of any packed type */

static void chunk_float(hst_dtype from_dtype, const void *from, hst_dtype to_dtype, void *to, int64_t i, int64_t n,
                        bool saturate) {
    union {
        double wide[CHUNK];
        float narrow[CHUNK];
    } c;
    bool narrow = from_dtype == HST_DTYPE_F32 || from_dtype == HST_DTYPE_F16 || from_dtype == HST_DTYPE_BF16;
    bool half = to_dtype == HST_DTYPE_F32 || to_dtype == HST_DTYPE_F16 || to_dtype == HST_DTYPE_BF16;
    if (narrow && half) { /* exact up to f32, then one rounding */
        convert_to_f32(from_dtype, from, i, c.narrow, n);
        convert_from_f32(to_dtype, c.narrow, to, i, n);
    } else {
        convert_to_f64(from_dtype, from, i, c.wide, n);
        from_f64(to_dtype, c.wide, to, i, n, saturate);
    }
}

bool convert_array(hst_dtype from_dtype, const void *from, hst_dtype to_dtype, void *to, int64_t n, bool saturate) {
    size_t bytes;
    if (!carried(from_dtype) || !carried(to_dtype) || n < 0 || !dtype_bytes(to_dtype, (size_t)n, &bytes)) return false;
    if (n == 0) return true;
    if (from_dtype == to_dtype && to_dtype != HST_DTYPE_B8) {
        memcpy(to, from, bytes);
        return true;
    }
    if (dtype_bits(to_dtype) < 8) ((uint8_t *)to)[bytes - 1] = 0; /* unused bits of the last byte */
    for (int64_t i = 0; i < n; i += CHUNK) {
        int64_t m = n - i < CHUNK ? n - i : CHUNK, integers[CHUNK];
        if (dtype_is_float(from_dtype)) {
            chunk_float(from_dtype, from, to_dtype, to, i, m, saturate);
        } else {
            convert_to_s64(from_dtype, from, i, integers, m);
            from_s64(to_dtype, integers, to, i, m, from_dtype == HST_DTYPE_U64, saturate);
        }
    }
    return true;
}
