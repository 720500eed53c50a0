/* QGemm (com.microsoft): y = alpha * sa * sb * ((A - za)(B - zb) + C), f32 where y's scale is omitted, else quantised.
 * A [M, K] or with transA [K, M]; B [K, N] or with transB [N, K]; C s32, broadcast to [M, N]; sb, zb: one or one a
 * column. Sums are exact in s32 and wrap; then f32: sum * (alpha * sa * sb), or sum * (alpha * sa * sb / sy), half to
 * even. */
#include <string.h>

#include "kernels/kernels.h"
#include "ops/packed_s16.h"
#include "ops/q_linear.h"

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, C, Y_SCALE, Y_ZERO };

static hst_status infer(infer_context *c, hst_error *err) {
    const type *a = infer_in(c, A), *b = infer_in(c, B);
    bool ta = node_int(c->node, "transA", 0) != 0, tb = node_int(c->node, "transB", 0) != 0;
    bool quantised = c->node->n_in > Y_SCALE && c->node->in[Y_SCALE];
    c->out[0].dtype = quantised ? infer_in(c, Y_ZERO)->dtype : HST_DTYPE_F32;
    if (quantised && !(c->node->n_in > Y_ZERO && c->node->in[Y_ZERO])) c->out[0].dtype = infer_in(c, A)->dtype;
    if (a->rank < 0 || b->rank < 0) return HST_STATUS_OK;
    if (a->rank != 2 || b->rank != 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "A has rank %d, B %d, needs matrices", a->rank, b->rank);
    c->out[0].rank = 2;
    c->out[0].dim[0] = a->dim[ta];
    c->out[0].dim[1] = b->dim[!tb];
    return HST_STATUS_OK;
}

typedef struct product {
    int64_t n;
    const float *scale; /* one a column */
    const int32_t *c;   /* NULL: none; element (i, j) at i * c_row + j * c_column */
    int64_t c_row, c_column;
    hst_dtype dtype;
    int32_t zero;
    void *y;
} product;

static void finish(void *arg, const int32_t *sum, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const product *p = arg;
    for (int64_t i = row; i < row + rows; i++, sum += GEMM_S16_NR)
        for (int64_t j = 0; j < columns; j++) {
            int64_t at = column + j;
            uint32_t add = p->c ? (uint32_t)p->c[i * p->c_row + at * p->c_column] : 0;
            float v = (float)(int32_t)((uint32_t)sum[j] + add) * p->scale[at];
            if (p->dtype == HST_DTYPE_F32)
                ((float *)p->y)[i * p->n + at] = v;
            else
                ((uint8_t *)p->y)[i * p->n + at] = (uint8_t)quantize_value(v, p->zero, q_range(p->dtype));
        }
}

static hst_status read_c(const eval_context *e, int64_t m, int64_t n, product *p, hst_error *err) {
    const hst_tensor *c = eval_in(e, C);
    if (!c) return HST_STATUS_OK;
    int64_t columns = c->rank > 0 ? c->dim[c->rank - 1] : 1, rows = c->rank > 1 ? c->dim[c->rank - 2] : 1;
    if (c->dtype != HST_DTYPE_S32 || c->rank > 2 || (columns != 1 && columns != n) || (rows != 1 && rows != m))
        return node_error(e->node, err, HST_STATUS_BAD_SHAPE,
                          "C is %s of rank %d and does not broadcast to %lld x %lld", dtype_name(c->dtype), c->rank,
                          (long long)m, (long long)n);
    p->c = c->data;
    p->c_column = columns > 1;
    p->c_row = rows > 1 ? columns : 0;
    return HST_STATUS_OK;
}

/* The factor of each column. */
static hst_status read_scales(eval_context *e, int64_t n, product *p, hst_error *err) {
    const hst_tensor *sb = eval_in(e, B_SCALE), *sy = eval_in(e, Y_SCALE), *zy = eval_in(e, Y_ZERO);
    int64_t count = tensor_count(sb);
    q_scale a, y = {1, 0};
    void *memory;
    HST_TRY(q_scale_read(e, A_SCALE, A_ZERO, eval_in(e, A)->dtype, &a, err));
    if (!dtype_is_float(sb->dtype) || (count != 1 && count != n))
        return node_error(e->node, err, HST_STATUS_BAD_SHAPE, "%lld scales of %s for %lld columns", (long long)count,
                          dtype_name(sb->dtype), (long long)n);
    p->dtype = !sy ? HST_DTYPE_F32 : zy ? zy->dtype : eval_in(e, A)->dtype;
    if (sy) HST_TRY(q_scale_read(e, Y_SCALE, Y_ZERO, p->dtype, &y, err));
    p->zero = y.zero;
    HST_TRY(eval_scratch(e, (size_t)n * sizeof(float), &memory, err));
    float alpha = node_float(e->node, "alpha", 1), *scale = memory;
    for (int64_t j = 0; j < n; j++) {
        scale[j] = alpha * a.scale * (float)tensor_get_f64(sb, count > 1 ? j : 0);
        if (sy) scale[j] /= y.scale;
    }
    p->scale = scale;
    return HST_STATUS_OK;
}

static hst_status pack(eval_context *e, int64_t k, int64_t n, bool transposed, int16_t **to, hst_error *err) {
    const hst_tensor *b = eval_in(e, B), *zero = eval_in(e, B_ZERO);
    int64_t count = tensor_count(zero);
    size_t bytes;
    void *zeros, *memory;
    if (zero->dtype != b->dtype || (count != 1 && count != n))
        return node_error(e->node, err, HST_STATUS_BAD_SHAPE, "%lld zero points of %s for %lld columns of %s",
                          (long long)count, dtype_name(zero->dtype), (long long)n, dtype_name(b->dtype));
    HST_TRY(eval_scratch(e, (size_t)count * sizeof(int32_t), &zeros, err));
    for (int64_t i = 0; i < count; i++) ((int32_t *)zeros)[i] = (int32_t)tensor_get_s64(zero, i);
    if (!gemm_s16_size_b(k, n, &bytes)) return node_error(e->node, err, HST_STATUS_NO_MEMORY, "B is too large");
    HST_TRY(eval_scratch(e, bytes, &memory, err));
    gemm_s16_source s = {b->data, b->dtype == HST_DTYPE_S8, transposed ? 1 : n, transposed ? k : 1, zeros, count > 1};
    gemm_s16_pack_b(&s, k, n, memory);
    *to = memory;
    return HST_STATUS_OK;
}

static hst_status run(const void *state, eval_context *e, hst_error *err) {
    const hst_tensor *a = eval_in(e, A), *b = eval_in(e, B);
    const packed_s16 *packed = state;
    bool ta = node_int(e->node, "transA", 0) != 0, tb = node_int(e->node, "transB", 0) != 0;
    if (a->rank != 2 || b->rank != 2 || a->dim[!ta] != b->dim[tb] || !q_type(a->dtype) || !q_type(b->dtype))
        return node_error(e->node, err, HST_STATUS_BAD_SHAPE, "A (%s, rank %d) and B (%s, rank %d) do not fit",
                          dtype_name(a->dtype), a->rank, dtype_name(b->dtype), b->rank);
    int64_t m = a->dim[ta], k = a->dim[!ta], n = b->dim[!tb];
    product p = {.n = n};
    hst_tensor *y;
    HST_TRY(read_c(e, m, n, &p, err));
    HST_TRY(read_scales(e, n, &p, err));
    HST_TRY(eval_output(e, 0, p.dtype, 2, (int64_t[]){m, n}, &y, err));
    if (tensor_count(y) == 0) return HST_STATUS_OK;
    p.y = y->data;
    size_t bytes;
    void *wide;
    int16_t *right = packed ? packed->data : NULL;
    int32_t zero = (int32_t)tensor_get_s64(eval_in(e, A_ZERO), 0);
    gemm_s16_source s = {a->data, a->dtype == HST_DTYPE_S8, ta ? 1 : k, ta ? m : 1, &zero, 0};
    if (!gemm_s16_size_a(m, k, &bytes)) return node_error(e->node, err, HST_STATUS_NO_MEMORY, "A is too large");
    HST_TRY(eval_scratch(e, bytes, &wide, err));
    gemm_s16_widen_a(&s, m, k, wide);
    if (!right) HST_TRY(pack(e, k, n, tb, &right, err));
    e->macs += (uint64_t)m * (uint64_t)n * (uint64_t)k;
    gemm_s16(e->team, m, n, k, wide, right, finish, &p);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *e, hst_error *err) {
    return run(NULL, e, err);
}

static hst_status bind(bind_context *c, hst_error *err) {
    const hst_tensor *b = c->constant[B], *zero = c->constant[B_ZERO];
    packed_s16 *state;
    if (!b || !zero || b->rank != 2 || !q_type(b->dtype)) {
        c->why = "its right operand is no constant matrix with constant zero points";
        return HST_STATUS_OK;
    }
    HST_TRY(packed_s16_new(c->node, b, zero, node_int(c->node, "transB", 0) != 0, c->allocator, &state, err));
    c->run = run;
    c->state = state;
    c->state_free = packed_s16_free;
    c->kernel = kernels_chosen(offsetof(kernels, gemm_s16_tile))->name;
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"f32", 0, "(u8[1,2]{3 4}, f32[]{0.5}, u8[]{1}, s8[2,2]{1 -1 2 -2}, f32[]{2}, s8[]{0}) -> (f32[1,2]{8 -8})", 0},
    {"quantised, bias, transposed", 0, "(u8[2,1]{3 4}, f32[]{0.5}, u8[]{1}, s8[2,2]{1 2 -1 -2}, f32[2]{2 4}, s8[2]{0 0}, s32[2]{1 2}, f32[]{1}, u8[]{100}; transA=1, transB=1, alpha=2.0) -> (u8[1,2]{118 76})", 0},
    {"C by row", 0, "(u8[2,1]{1 2}, f32[]{1}, u8[]{0}, u8[1,1]{3}, f32[]{1}, u8[]{0}, s32[2,1]{10 20}) -> (f32[2,1]{13 26})", 0},
    {NULL, 0, NULL, 0}};

HST_OP(com_microsoft_QGemm) = {.name = "QGemm", .domain = "com.microsoft", .since = 1, .min_in = 6, .max_in = 9, .min_out = 1, .max_out = 1,
    .infer = infer, .eval = eval, .bind = bind, .summary = "8-bit matrix product with alpha and C", HST_CASES(cases)};
// clang-format on
