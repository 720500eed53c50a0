/* GatherBlockQuantized (com.microsoft): Gather from a table quantised in blocks, dequantised on the way out.
 *   y[..., i..., ...] = (q - zero) * scale   with q = data[..., indices[i...], ...]
 * data [d0, …, D, …]: u4, s4, or u8 that holds `bits` (2, 4, 8) bits an element, packed along its last axis; or f8, f4,
 * which have no zero point. scale has data's rank, ceil(D / block_size) along quantize_axis (f8, f4: 1 broadcasts on
 * the other axes, block_size 0 is one block). zero: shaped as scale, packed as data is; default 0, for u8 2^(bits-1).
 * An index outside the table gives zeros. */
#include <string.h>

#include "ops/op.h"
#include "tensor/convert.h"

typedef struct args {
    int gather, quantize;
    int64_t block_size;
    int bits; /* of an element inside a u8 */
} args;

static bool small_float(hst_dtype d) {
    return d == HST_DTYPE_F8E4M3FN || d == HST_DTYPE_F8E4M3FNUZ || d == HST_DTYPE_F8E5M2 || d == HST_DTYPE_F8E5M2FNUZ ||
           d == HST_DTYPE_F4E2M1;
}

static hst_status args_read(const node *n, hst_dtype d, int rank, args *a, hst_error *err) {
    int64_t bits = node_int(n, "bits", 4);
    a->block_size = node_int(n, "block_size", 128);
    HST_TRY(axis_normalize(n, node_int(n, "gather_axis", 0), rank, &a->gather, err));
    HST_TRY(axis_normalize(n, node_int(n, "quantize_axis", 1), rank, &a->quantize, err));
    bool power = a->block_size >= 16 && !(a->block_size & (a->block_size - 1));
    if (!power && !(a->block_size == 0 && small_float(d)))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "block_size is %lld, not a power of two from 16",
                          (long long)a->block_size);
    a->bits = (int)bits;
    if (d != HST_DTYPE_U8) return HST_STATUS_OK;
    if (bits != 2 && bits != 4 && bits != 8)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "bits is %lld, not 2, 4 or 8", (long long)bits);
    if (a->gather != 0 || (bits < 8 && a->quantize == 0))
        return node_error(n, err, HST_STATUS_BAD_FORMAT,
                          "u8 data is gathered along axis 0, not %d (quantised along %d)", a->gather, a->quantize);
    return HST_STATUS_OK;
}

static int64_t pack_of(const args *a, hst_dtype d) {
    return d == HST_DTYPE_U8 ? 8 / a->bits : 1;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *at = infer_in(c, 1);
    type *y = &c->out[0];
    args a;
    y->dtype = infer_in(c, 2)->dtype;
    if (x->rank < 0 || at->rank < 0 || x->dtype == HST_DTYPE_NONE) return HST_STATUS_OK;
    HST_TRY(args_read(c->node, x->dtype, x->rank, &a, err));
    if (x->rank - 1 + at->rank > HST_RANK_MAX)
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "a result of rank %d", x->rank - 1 + at->rank);
    y->rank = 0;
    for (int i = 0; i < x->rank; i++) {
        dim d = x->dim[i];
        if (i == x->rank - 1 && pack_of(&a, x->dtype) > 1)
            d = dim_is_symbol(d) || d > INT64_MAX / 8 ? dim_symbol(c->model, "") : d * pack_of(&a, x->dtype);
        if (i != a.gather) y->dim[y->rank++] = d;
        for (int j = 0; i == a.gather && j < at->rank; j++) y->dim[y->rank++] = at->dim[j];
    }
    return HST_STATUS_OK;
}

/* The table, by logical dimensions. */
typedef struct table {
    args a;
    const hst_tensor *data, *scales, *zeros;
    int64_t dim[HST_RANK_MAX], scale_step[HST_RANK_MAX]; /* scale_step 0: broadcast */
    int64_t block, zero_row;                             /* zero_row: bytes of a row of packed zero points */
} table;

static hst_status table_check(const node *n, table *t, hst_error *err) {
    const hst_tensor *x = t->data, *s = t->scales;
    int rank = x->rank, q = t->a.quantize;
    int64_t step = 1, pack = pack_of(&t->a, x->dtype);
    if (s->rank != rank || !dtype_is_float(s->dtype))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "scales are %s of rank %d, data has rank %d",
                          dtype_name(s->dtype), s->rank, rank);
    memcpy(t->dim, x->dim, sizeof t->dim);
    if (__builtin_mul_overflow(t->dim[rank - 1], pack, &t->dim[rank - 1]))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "the table is too large");
    t->block = t->a.block_size ? t->a.block_size : t->dim[q] > 0 ? t->dim[q] : 1;
    for (int i = rank - 1; i >= 0; i--) {
        int64_t want = i == q ? t->dim[i] / t->block + (t->dim[i] % t->block != 0) : t->dim[i];
        bool spread = small_float(x->dtype) && i != q && s->dim[i] == 1;
        if (s->dim[i] != want && !spread)
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "scales have %lld along axis %d, need %lld",
                              (long long)s->dim[i], i, (long long)want);
        t->scale_step[i] = s->dim[i] == 1 ? 0 : step;
        step *= s->dim[i];
    }
    const hst_tensor *z = t->zeros;
    if (!z) return HST_STATUS_OK;
    if (small_float(x->dtype) || z->dtype != x->dtype)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "zero points are %s, data is %s", dtype_name(z->dtype),
                          dtype_name(x->dtype));
    int64_t last = s->dim[rank - 1], rows = last ? tensor_count(s) / last : 0;
    t->zero_row = (last + pack - 1) / pack;
    if (tensor_count(z) != rows * t->zero_row)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "there are %lld zero points, need %lld",
                          (long long)tensor_count(z), (long long)(rows * t->zero_row));
    return HST_STATUS_OK;
}

/* Element i of data, or of zeros, whose rows (of `row` elements) begin at whole bytes. */
static int unpack(const hst_tensor *t, int bits, int64_t i, int64_t row, int64_t row_bytes) {
    if (t->dtype != HST_DTYPE_U8) return (int)tensor_get_s64(t, i);
    int64_t at = i % row, per = 8 / bits;
    return ((const uint8_t *)t->data)[i / row * row_bytes + at / per] >> bits * (at % per) & ((1 << bits) - 1);
}

static float element(const table *t, int64_t i) {
    int rank = t->data->rank;
    int64_t scale = 0, left = i;
    for (int k = rank - 1; k >= 0; k--) {
        int64_t at = left % t->dim[k];
        left /= t->dim[k];
        scale += (k == t->a.quantize ? at / t->block : at) * t->scale_step[k];
    }
    float s = (float)tensor_get_f64(t->scales, scale);
    if (small_float(t->data->dtype)) return (float)tensor_get_f64(t->data, i) * s;
    int64_t row = t->dim[rank - 1], last = t->scales->dim[rank - 1];
    int zero = t->data->dtype == HST_DTYPE_U8 ? 1 << (t->a.bits - 1) : 0;
    if (t->zeros) zero = unpack(t->zeros, t->a.bits, scale, last, t->zero_row);
    return (float)(unpack(t->data, t->a.bits, i, row, t->data->dim[rank - 1]) - zero) * s;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0), *at = eval_in(c, 1);
    table t = {.data = x, .scales = eval_in(c, 2), .zeros = eval_in(c, 3)};
    int64_t dims[HST_RANK_MAX], outer = 1, inner = 1;
    int rank = 0;
    hst_tensor *y;
    if (x->dtype != HST_DTYPE_U8 && x->dtype != HST_DTYPE_U4 && x->dtype != HST_DTYPE_S4 && !small_float(x->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "data of type %s", dtype_name(x->dtype));
    if (at->dtype != HST_DTYPE_S32 && at->dtype != HST_DTYPE_S64)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "indices of type %s", dtype_name(at->dtype));
    HST_TRY(args_read(c->node, x->dtype, x->rank, &t.a, err));
    HST_TRY(table_check(c->node, &t, err));
    if (x->rank - 1 + at->rank > HST_RANK_MAX)
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "a result of rank %d", x->rank - 1 + at->rank);
    for (int i = 0; i < x->rank; i++) {
        if (i != t.a.gather) dims[rank++] = t.dim[i];
        for (int j = 0; i == t.a.gather && j < at->rank; j++) dims[rank++] = at->dim[j];
    }
    HST_TRY(eval_output(c, 0, t.scales->dtype, rank, dims, &y, err));
    if (tensor_count(y) == 0) return HST_STATUS_OK;
    for (int i = 0; i < t.a.gather; i++) outer *= t.dim[i];
    for (int i = t.a.gather + 1; i < x->rank; i++) inner *= t.dim[i];
    int64_t n = t.dim[t.a.gather], indices = tensor_count(at), to = 0;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < indices; k++) {
            int64_t row = tensor_get_s64(at, k);
            bool inside = row >= -n && row < n;
            if (row < 0) row += n;
            for (int64_t j = 0; j < inner; j++, to++) {
                float v = inside ? element(&t, (o * n + row) * inner + j) : 0;
                convert_from_f32(y->dtype, &v, y->data, to, 1);
            }
        }
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"u4", 0, "(u4[2,3]{1 2 3 4 5 6}, s64[2]{1 -2}, f32[2,1]{1 2}; block_size=16) -> (f32[2,3]{8 10 12 1 2 3})", 0},
    {"s4, zero points, index out of range", 0, "(s4[2,3]{1 2 3 -4 5 6}, s64[2]{1 2}, f32[2,1]{1 2}, s4[2,1]{0 1}; block_size=16) -> (f32[2,3]{-10 8 10 0 0 0})", 0},
    {"packed u8", 0, "(u8[2,2]{33 67 16 50}, s32[1,1]{1}, f32[2,1]{1 2}; block_size=16, bits=4) -> (f32[1,1,4]{-16 -14 -12 -10})", 0},
    {"packed zero points", 0, "(u8[1,10]{17}, s64[]{0}, f32[1,2]{1 2}, u8[1,1]{48}; block_size=16) -> (f32[20]{1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 -4 -4 -4 -4})", 0},
    {"2 bits", 0, "(u8[1,1]{228}, s64[1]{0}, f32[1,1]{1}; block_size=16, bits=2) -> (f32[1,4]{-2 -1 0 1})", 0},
    {"8 bits, f16", 0, "(u8[2,2]{128 129 130 0}, s64[1]{1}, f16[2,1]{1 0.5}; block_size=16, bits=8) -> (f16[1,2]{1 -64})", 0},
    {"f8, one scale", 0, "(f8e4m3fn[2,2]{1 2 3 4}, s64[1]{1}, f32[1,1]{0.5}; block_size=0) -> (f32[1,2]{1.5 2})", 0},
    {"gather and quantise along other axes", 0, "(u4[2,2]{1 2 3 4}, s64[1]{1}, f32[1,2]{1 10}; gather_axis=1, quantize_axis=0, block_size=16) -> (f32[2,1]{20 40})", 0},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(com_microsoft_GatherBlockQuantized) = {.name = "GatherBlockQuantized",
                                              .domain = "com.microsoft",
                                              .since = 1,
                                              .min_in = 3,
                                              .max_in = 4,
                                              .min_out = 1,
                                              .max_out = 1,
                                              .infer = infer,
                                              .eval = eval,
                                              .summary = "rows of a table that is quantised in blocks",
                                              HST_CASES(cases)};
