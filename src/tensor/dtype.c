/* Facts about element types: one table, one row a value of hst_dtype. */
#include "tensor/dtype.h"

#include <ctype.h>
#include <string.h>

#include "base/checked.h"

enum kind { KIND_OTHER, KIND_FLOAT, KIND_SIGNED, KIND_UNSIGNED };

// clang-format off
static const struct dtype_facts {
    const char *name, *other[3]; /* ours; what ONNX and numpy, and what safetensors and ml_dtypes say */
    unsigned char bits, kind;
} facts[] = {
    [HST_DTYPE_NONE]       = {"?",          {0},                                          0,   KIND_OTHER},
    [HST_DTYPE_F32]        = {"f32",        {"float32", "float"},                         32,  KIND_FLOAT},
    [HST_DTYPE_U8]         = {"u8",         {"uint8"},                                    8,   KIND_UNSIGNED},
    [HST_DTYPE_S8]         = {"s8",         {"int8", "i8"},                               8,   KIND_SIGNED},
    [HST_DTYPE_U16]        = {"u16",        {"uint16"},                                   16,  KIND_UNSIGNED},
    [HST_DTYPE_S16]        = {"s16",        {"int16", "i16"},                             16,  KIND_SIGNED},
    [HST_DTYPE_S32]        = {"s32",        {"int32", "i32"},                             32,  KIND_SIGNED},
    [HST_DTYPE_S64]        = {"s64",        {"int64", "i64"},                             64,  KIND_SIGNED},
    [HST_DTYPE_STRING]     = {"str",        {"string"},                                   0,   KIND_OTHER},
    [HST_DTYPE_B8]         = {"b8",         {"bool", "boolean"},                          8,   KIND_OTHER},
    [HST_DTYPE_F16]        = {"f16",        {"float16", "half"},                          16,  KIND_FLOAT},
    [HST_DTYPE_F64]        = {"f64",        {"float64", "double"},                        64,  KIND_FLOAT},
    [HST_DTYPE_U32]        = {"u32",        {"uint32"},                                   32,  KIND_UNSIGNED},
    [HST_DTYPE_U64]        = {"u64",        {"uint64"},                                   64,  KIND_UNSIGNED},
    [HST_DTYPE_C64]        = {"c64",        {"complex64"},                                64,  KIND_OTHER},
    [HST_DTYPE_C128]       = {"c128",       {"complex128"},                               128, KIND_OTHER},
    [HST_DTYPE_BF16]       = {"bf16",       {"bfloat16"},                                 16,  KIND_FLOAT},
    [HST_DTYPE_F8E4M3FN]   = {"f8e4m3fn",   {"float8e4m3fn", "f8_e4m3", "float8_e4m3fn"}, 8,   KIND_FLOAT},
    [HST_DTYPE_F8E4M3FNUZ] = {"f8e4m3fnuz", {"float8e4m3fnuz", "float8_e4m3fnuz"},        8,   KIND_FLOAT},
    [HST_DTYPE_F8E5M2]     = {"f8e5m2",     {"float8e5m2", "f8_e5m2", "float8_e5m2"},     8,   KIND_FLOAT},
    [HST_DTYPE_F8E5M2FNUZ] = {"f8e5m2fnuz", {"float8e5m2fnuz", "float8_e5m2fnuz"},        8,   KIND_FLOAT},
    [HST_DTYPE_U4]         = {"u4",         {"uint4"},                                    4,   KIND_UNSIGNED},
    [HST_DTYPE_S4]         = {"s4",         {"int4", "i4"},                               4,   KIND_SIGNED},
    [HST_DTYPE_F4E2M1]     = {"f4e2m1",     {"float4e2m1", "f4", "float4_e2m1fn"},        4,   KIND_FLOAT},
    [HST_DTYPE_F8E8M0]     = {"f8e8m0",     {"float8e8m0", "f8_e8m0", "float8_e8m0fnu"},  8,   KIND_FLOAT},
    [HST_DTYPE_U2]         = {"u2",         {"uint2"},                                    2,   KIND_UNSIGNED},
    [HST_DTYPE_S2]         = {"s2",         {"int2", "i2"},                               2,   KIND_SIGNED},
    /* No arithmetic: OTHER keeps them out of conversions. */
    [HST_DTYPE_F6E2M3]     = {"f6e2m3",     {"float6e2m3", "float6_e2m3fn"},              6,   KIND_OTHER},
    [HST_DTYPE_F6E3M2]     = {"f6e3m2",     {"float6e3m2", "float6_e3m2fn"},              6,   KIND_OTHER},
};
// clang-format on
enum { DTYPES = sizeof facts / sizeof *facts };

bool dtype_valid(int d) {
    return d > HST_DTYPE_NONE && d < DTYPES;
}

static const struct dtype_facts *get(hst_dtype d) {
    static const struct dtype_facts sequence = {"sequence", {0}, 0, KIND_OTHER},
                                    optional = {"optional", {0}, 0, KIND_OTHER}, map = {"map", {0}, 0, KIND_OTHER};
    if (d == HST_DTYPE_SEQUENCE) return &sequence;
    if (d == HST_DTYPE_OPTIONAL) return &optional;
    if (d == HST_DTYPE_MAP) return &map;
    return &facts[dtype_valid((int)d) ? d : HST_DTYPE_NONE];
}

hst_dtype dtype_part(hst_dtype d) {
    return d == HST_DTYPE_C64 ? HST_DTYPE_F32 : d == HST_DTYPE_C128 ? HST_DTYPE_F64 : HST_DTYPE_NONE;
}

int dtype_bits(hst_dtype d) {
    return get(d)->bits;
}
const char *dtype_name(hst_dtype d) {
    return get(d)->name;
}
bool dtype_is_float(hst_dtype d) {
    return get(d)->kind == KIND_FLOAT;
}
bool dtype_is_integer(hst_dtype d) {
    return get(d)->kind == KIND_SIGNED || get(d)->kind == KIND_UNSIGNED;
}
bool dtype_is_signed(hst_dtype d) {
    return get(d)->kind == KIND_SIGNED || get(d)->kind == KIND_FLOAT;
}

static bool same_word(const char *a, const char *b) {
    for (; *a && *b; a++, b++)
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) return false;
    return *a == *b;
}

hst_dtype dtype_from_name(const char *name) {
    for (int d = HST_DTYPE_NONE + 1; name && d < DTYPES; d++) {
        if (same_word(name, facts[d].name)) return (hst_dtype)d;
        for (int k = 0; k < 3; k++)
            if (facts[d].other[k] && same_word(name, facts[d].other[k])) return (hst_dtype)d;
    }
    return HST_DTYPE_NONE;
}

bool dtype_bytes(hst_dtype d, size_t n, size_t *bytes) {
    size_t bits = (size_t)dtype_bits(d), per_byte;
    if (!bits) return false;
    if (bits >= 8) return size_mul(n, bits / 8, bytes);
    if (bits == 6) { /* rounded up without forming 6 n, which may overflow */
        *bytes = n / 4 * 3 + (n % 4 * 6 + 7) / 8;
        return true;
    }
    per_byte = 8 / bits;
    *bytes = n / per_byte + (n % per_byte != 0);
    return true;
}
