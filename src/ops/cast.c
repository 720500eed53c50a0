/* Cast, CastLike: elements in another type. BitCast: the same bits as another type of the same width.
 * Numbers convert as convert_array says. Strings: numbers are written with as few digits as read back the same (1.0,
 * 1e-05, nan, True), and read in C's notation, any case of inf and nan. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/c_locale.h"
#include "ops/op.h"
#include "tensor/convert.h"
#include "tensor/strings.h"

/* ---- args ---- */

typedef struct args {
    hst_dtype to;
    bool saturate;
    f8e8m0_round round;
} args;

static hst_status read_target(const node *n, args *a, hst_error *err) {
    if (n->opset < 6) { /* a name: "FLOAT" */
        static const char *const names[] = {"",       "FLOAT",  "UINT8",     "INT8",      "UINT16",  "INT16",
                                            "INT32",  "INT64",  "STRING",    "BOOL",      "FLOAT16", "DOUBLE",
                                            "UINT32", "UINT64", "COMPLEX64", "COMPLEX128"};
        const char *name = node_string(n, "to", "");
        for (int k = 1; k < (int)(sizeof names / sizeof *names); k++)
            if (strcmp(name, names[k]) == 0) a->to = (hst_dtype)k;
        if (a->to != HST_DTYPE_NONE) return HST_STATUS_OK;
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "to '%s' is not a type", name);
    }
    int64_t to = node_int(n, "to", 0);
    if (to < 1 || to > INT32_MAX || !dtype_valid((int)to))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "to %lld is not a type", (long long)to);
    a->to = (hst_dtype)to;
    return HST_STATUS_OK;
}

static hst_status read_args(const node *n, args *a, hst_error *err) {
    *a = (args){.saturate = node_int(n, "saturate", 1) != 0};
    const char *round = node_string(n, "round_mode", "up");
    a->round = strcmp(round, "down") == 0 ? F8E8M0_DOWN : strcmp(round, "nearest") == 0 ? F8E8M0_NEAREST : F8E8M0_UP;
    if (a->round == F8E8M0_UP && strcmp(round, "up") != 0)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "round_mode '%s' is not up, down or nearest", round);
    return HST_STATUS_OK;
}

/* ---- inference ---- */

static void infer_cast_content(infer_context *c) {
    hst_dtype to = c->out[0].dtype, from = infer_in(c, 0)->dtype;
    dim d[CONTENT_MOST];
    bool same = to == HST_DTYPE_S64 && (from == HST_DTYPE_S64 || from == HST_DTYPE_S32 || from == HST_DTYPE_B8);
    bool narrow = to == HST_DTYPE_S32 && (from == HST_DTYPE_S64 || from == HST_DTYPE_S32 || from == HST_DTYPE_B8);
    /* Shape arithmetic in floats (Cast, Mul, Floor, Cast) keeps its content while the numbers are whole and small. */
    int n = infer_dims(c, 0, d, CONTENT_MOST);
    if (n < 0 || !(same || narrow || to == HST_DTYPE_B8)) return;
    for (int k = 0; k < n; k++) {
        bool symbol = dim_is_symbol(d[k]);
        if (narrow && !symbol && d[k] != (int32_t)d[k]) return;
        if (to == HST_DTYPE_B8) {
            if (symbol) return; /* a length may be 0 */
            d[k] = d[k] != 0;
        }
    }
    infer_content(c, 0, d, n);
}

static hst_status infer_cast(infer_context *c, hst_error *err) {
    args a;
    HST_TRY(read_args(c->node, &a, err));
    HST_TRY(read_target(c->node, &a, err));
    c->out[0] = *infer_in(c, 0);
    c->out[0].dtype = a.to;
    infer_cast_content(c);
    return HST_STATUS_OK;
}

static hst_status infer_like(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    c->out[0].dtype = infer_in(c, 1)->dtype;
    infer_cast_content(c);
    return HST_STATUS_OK;
}

/* ---- strings, always as in the C locale ---- */

#define TEXT_MOST 64 /* of a number that is written */

/* As numpy writes floats: the fewest digits that read back the same, with exponent below 1e-4 and from 1e16 up. */
static int write_float(double x, bool single, int digits_most, char *to) {
    if (isnan(x)) return snprintf(to, TEXT_MOST, "nan");
    if (isinf(x)) return snprintf(to, TEXT_MOST, x < 0 ? "-inf" : "inf");
    int digits = 1;
    for (; digits < digits_most; digits++) {
        snprintf(to, TEXT_MOST, "%.*e", digits - 1, x);
        if (single ? strtof(to, NULL) == (float)x : strtod(to, NULL) == x) break;
    }
    snprintf(to, TEXT_MOST, "%.*e", digits - 1, x);
    int exponent = atoi(strchr(to, 'e') + 1);
    if (x != 0 && (exponent < -4 || exponent >= 16)) return (int)strlen(to);
    int decimals = digits - 1 - exponent;
    return snprintf(to, TEXT_MOST, "%.*f", decimals < 1 ? 1 : decimals, x);
}

static int write_number(const hst_tensor *x, int64_t i, char *to) {
    hst_dtype d = x->dtype;
    if (d == HST_DTYPE_B8) return snprintf(to, TEXT_MOST, tensor_get_s64(x, i) ? "True" : "False");
    if (d == HST_DTYPE_U64) return snprintf(to, TEXT_MOST, "%llu", (unsigned long long)tensor_get_s64(x, i));
    if (dtype_is_integer(d)) return snprintf(to, TEXT_MOST, "%lld", (long long)tensor_get_s64(x, i));
    return write_float(tensor_get_f64(x, i), d != HST_DTYPE_F64, d == HST_DTYPE_F64 ? 17 : 9, to);
}

static hst_status to_strings(eval_context *c, const hst_tensor *x, hst_error *err) {
    hst_tensor *y;
    void *bytes;
    size_t n = (size_t)tensor_count(x);
    HST_TRY(eval_scratch(c, n * TEXT_MOST, &bytes, err)); /* n elements of x exist: no overflow at 64 bytes each */
    HST_TRY(eval_output(c, 0, HST_DTYPE_STRING, x->rank, x->dim, &y, err));
    hst_string *to = y->data;
    for (size_t i = 0; i < n; i++) {
        char *at = (char *)bytes + i * TEXT_MOST;
        to[i] = (hst_string){at, (size_t)write_number(x, (int64_t)i, at)};
    }
    return tensor_own_strings(y, err);
}

/* Integers exactly where they are written as such; all else through f64. False: no number. */
static bool read_number(const char *text, hst_dtype d, hst_tensor *y, int64_t i, const args *a) {
    char *end;
    while (*text == ' ') text++;
    if (d == HST_DTYPE_B8 && (strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0)) {
        tensor_set_s64(y, i, strcasecmp(text, "true") == 0);
        return true;
    }
    errno = 0;
    int64_t whole = *text == '-' ? strtoll(text, &end, 10) : (int64_t)strtoull(text, &end, 10);
    if (dtype_is_integer(d) && end != text && !errno && (*end == 0 || *end == ' ')) {
        tensor_set_s64(y, i, whole);
        return true;
    }
    double x = strtod(text, &end);
    if (end == text) return false;
    if (d == HST_DTYPE_F32) x = strtof(text, &end); /* one rounding */
    while (*end == ' ') end++;
    if (*end) return false;
    if (d == HST_DTYPE_F8E8M0)
        ((uint8_t *)y->data)[i] = f64_to_f8e8m0(x, a->saturate, a->round);
    else if (dtype_is_float(d) && dtype_bits(d) == 8)
        ((uint8_t *)y->data)[i] = f64_to_f8(x, d, a->saturate);
    else if (d == HST_DTYPE_B8)
        tensor_set_s64(y, i, x != 0);
    else
        tensor_set_f64(y, i, x);
    return true;
}

static hst_status from_strings(eval_context *c, const hst_tensor *x, const args *a, hst_error *err) {
    hst_tensor *y;
    char text[512];
    const hst_string *from = x->data;
    HST_TRY(eval_output(c, 0, a->to, x->rank, x->dim, &y, err));
    for (int64_t i = 0, n = tensor_count(x); i < n; i++) {
        size_t size = from[i].size;
        if (size < sizeof text) {
            if (size) memcpy(text, from[i].data, size);
            text[size] = 0;
            if (strlen(text) == size && read_number(text, a->to, y, i, a)) continue;
        }
        return node_error(c->node, err, HST_STATUS_INVALID_ARGUMENT, "element %lld, '%.*s', is not a number",
                          (long long)i, (int)(size < 40 ? size : 40), from[i].data);
    }
    return HST_STATUS_OK;
}

static hst_status cast_strings(eval_context *c, const hst_tensor *x, const args *a, hst_error *err) {
    const locale_t before = c_locale_begin();
    hst_status status = x->dtype == HST_DTYPE_STRING ? from_strings(c, x, a, err) : to_strings(c, x, err);
    c_locale_end(before);
    return status;
}

/* ---- evaluation ---- */

static bool is_complex(hst_dtype d) {
    return d == HST_DTYPE_C64 || d == HST_DTYPE_C128;
}

static hst_status cast(eval_context *c, const hst_tensor *x, const args *a, hst_error *err) {
    hst_tensor *y;
    if (x->dtype == a->to) return eval_alias(c, 0, 0, x->rank, x->dim, err);
    if (is_complex(x->dtype) || is_complex(a->to))
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "from %s to %s", dtype_name(x->dtype),
                          dtype_name(a->to));
    if (x->dtype == HST_DTYPE_STRING || a->to == HST_DTYPE_STRING) return cast_strings(c, x, a, err);
    HST_TRY(eval_output(c, 0, a->to, x->rank, x->dim, &y, err));
    if (a->to == HST_DTYPE_F8E8M0) {
        for (int64_t i = 0, n = tensor_count(x); i < n; i++)
            ((uint8_t *)y->data)[i] = f64_to_f8e8m0(tensor_get_f64(x, i), a->saturate, a->round);
        return HST_STATUS_OK;
    }
    if (convert_array(x->dtype, x->data, a->to, y->data, tensor_count(x), a->saturate)) return HST_STATUS_OK;
    return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "from %s to %s", dtype_name(x->dtype), dtype_name(a->to));
}

static hst_status eval_cast(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    args a;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(read_args(c->node, &a, err));
    HST_TRY(read_target(c->node, &a, err));
    return cast(c, x, &a, err);
}

static hst_status eval_like(eval_context *c, hst_error *err) {
    const hst_tensor *x, *like;
    args a;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(eval_need(c, 1, "target_type", &like, err));
    HST_TRY(read_args(c->node, &a, err));
    a.to = like->dtype;
    return cast(c, x, &a, err);
}

/* ---- BitCast ---- */

static hst_status bit_target(const node *n, hst_dtype from, args *a, hst_error *err) {
    *a = (args){.saturate = true};
    HST_TRY(read_target(n, a, err));
    if (from == HST_DTYPE_NONE || (dtype_bits(from) && dtype_bits(from) == dtype_bits(a->to))) return HST_STATUS_OK;
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "from %s to %s, which have different widths", dtype_name(from),
                      dtype_name(a->to));
}

static hst_status infer_bit_cast(infer_context *c, hst_error *err) {
    args a;
    HST_TRY(bit_target(c->node, infer_in(c, 0)->dtype, &a, err));
    c->out[0] = *infer_in(c, 0);
    c->out[0].dtype = a.to;
    return HST_STATUS_OK;
}

static hst_status eval_bit_cast(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    args a;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(bit_target(c->node, x->dtype, &a, err));
    HST_TRY(eval_output(c, 0, a.to, x->rank, x->dim, &y, err));
    if (y->bytes) memcpy(y->data, x->data, y->bytes);
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cast_cases[] = {
    {"f32 to s64 truncates", 0, "(f32[4]{1.9 -1.9 0.5 100}; to=7) -> (s64[4]{1 -1 0 100})", 0},
    {"s64 to f32", 6, "(s64[2]{-3 16777217}; to=1) -> (f32[2]{-3 16777216})", 0},
    {"by name", 1, "(s32[2]{1 2}; to=\"FLOAT\") -> (f32[2]{1 2})", 0},
    {"to bool", 9, "(f32[5]{0 -0.0 0.5 nan 1}; to=9) -> (b8[5]{0 0 1 1 1})", 0},
    {"from bool", 0, "(b8[2]{0 1}; to=10) -> (f16[2]{0 1})", 0},
    {"f16 overflow", 0, "(f32[3]{1e6 -1e6 65504}; to=10) -> (f16[3]{inf -inf 65504})", 0},
    {"f32 to bf16 rounds to even", 13, "(f32[2]{1.00390625 1.01171875}; to=16) -> (bf16[2]{1 1.015625})", 0},
    {"s16 to s8 wraps", 0, "(s16[2]{200 -200}; to=3) -> (s8[2]{-56 56})", 0},
    {"f8 saturates", 19, "(f32[3]{1e9 -inf nan}; to=17) -> (f8e4m3fn[3]{448 -448 nan})", 0},
    {"f8 does not", 19, "(f32[2]{1e9 448}; to=17, saturate=0) -> (f8e4m3fn[2]{nan 448})", 0},
    {"f8e5m2 does not", 21, "(f16[2]{inf -inf}; to=19, saturate=0) -> (f8e5m2[2]{inf -inf})", 0},
    {"e8m0 up", 24, "(f32[3]{1 1.1 3}; to=24) -> (f8e8m0[3]{1 2 4})", 0},
    {"e8m0 down", 24, "(f32[3]{1 1.9 3}; to=24, round_mode=\"down\") -> (f8e8m0[3]{1 1 2})", 0},
    {"e8m0 nearest", 24, "(f32[3]{1 1.4 1.5}; to=24, round_mode=\"nearest\") -> (f8e8m0[3]{1 1 2})", 0},
    {"to s4", 21, "(f32[3]{-8 7 1.5}; to=22) -> (s4[3]{-8 7 1})", 0},
    {"from u4", 21, "(u4[3]{0 15 7}; to=1) -> (f32[3]{0 15 7})", 0},
    {"same type", 0, "(u8[2]{1 2}; to=2) -> (u8[2]{1 2})", 0},
    {"numbers to strings", 9, "(f32[7]{0.1 1 1e-5 nan -inf 1e16 123456.789}; to=8) -> (string[7]{\"0.1\" \"1.0\" \"1e-05\" \"nan\" \"-inf\" \"1e+16\" \"123456.79\"})", 0},
    {"s64 to strings", 0, "(s64[2]{-5 9223372036854775807}; to=8) -> (string[2]{\"-5\" \"9223372036854775807\"})", 0},
    {"strings to f32", 9, "(string[6]{\"3.14\" \"1e-5\" \"1E8\" \"-INF\" \"NaN\" \"+inf\"}; to=1) -> (f32[6]{3.14 1e-5 1e8 -inf nan inf})", 0},
    {"strings to s64", 0, "(string[2]{\"9007199254740993\" \"100.5\"}; to=7) -> (s64[2]{9007199254740993 100})", 0},
    {"nothing", 0, "(f32[0,2]{}; to=6) -> (s32[0,2]{})", 0},
    {0},
};
static const op_case like_cases[] = {
    {"to f16", 0, "(f32[2]{1.5 2}, f16[0]{}) -> (f16[2]{1.5 2})", 0},
    {"to s64", 15, "(f32[2]{1.5 -2}, s64[1]{9}) -> (s64[2]{1 -2})", 0},
    {"to strings", 19, "(s32[1]{7}, string[1]{\"\"}) -> (string[1]{\"7\"})", 0},
    {0},
};
static const op_case bit_cases[] = {
    {"f32 as s32", 26, "(f32[2]{1 -0.0}; to=6) -> (s32[2]{0x3f800000 -2147483648})", 0},
    {"u4 as s4", 26, "(u4[3]{15 7 8}; to=22) -> (s4[3]{-1 7 -8})", 0},
    {0},
};
// clang-format on

HST_OP(Cast) = {
    .name = "Cast",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_cast,
    .eval = eval_cast,
    .summary = "elements in another type",
    .gaps = "complex types",
    HST_CASES(cast_cases),
};

HST_OP(CastLike) = {
    .name = "CastLike",
    .domain = "",
    .since = 15,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_like,
    .eval = eval_like,
    .summary = "elements in the type of another tensor",
    .gaps = "complex types",
    HST_CASES(like_cases),
};

HST_OP(BitCast) = {
    .name = "BitCast",
    .domain = "",
    .since = 26,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_bit_cast,
    .eval = eval_bit_cast,
    .summary = "the same bits as another type",
    HST_CASES(bit_cases),
};
