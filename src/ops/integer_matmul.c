/* Products of quantised matrices: a [..., M, K] times b [..., K, N] as numpy.matmul, sums exact in s32.
 *   MatMulInteger          y = (a - za)(b - zb)                                            s32
 *   QLinearMatMul          y = saturate(round(sum * (sa * sb / sy)) + zy)                  u8, s8; f8: see _plain
 *   MatMulIntegerToFloat   y = sum * (sa * sb) + bias                                      f32, f16
 *   DynamicQuantizeMatMul  the same, of an f32 a that is first quantised as DynamicQuantizeLinear does, one scale a
 * tensor za, sa: one, or one a row; zb, sb: one, or one a column. The operations behind the sum are f32, in the order
 * written here, half to even: onnxruntime's own (with session.x64quantprecision=1, which keeps it from saturating on
 * AVX2).
 *
 * A constant b with constant zero points is laid out when the model is compiled. */
#include <string.h>

#include "kernels/kernels.h"
#include "ops/integer_matmul_plain.h"
#include "ops/packed_s16.h"
#include "tensor/convert.h"

/* Where the operands stand among a node's inputs; -1: none. */
typedef struct roles {
    int a, b, a_scale, b_scale, a_zero, b_zero, y_scale, y_zero, bias;
    bool dynamic; /* a is f32, to be quantised here */
} roles;

static const roles integer_roles = {0, 1, -1, -1, 2, 3, -1, -1, -1, false};
static const roles linear_roles = {0, 3, 1, 4, 2, 5, 6, 7, -1, false};
static const roles float_roles = {0, 1, 2, 3, 4, 5, -1, -1, 6, false};
static const roles dynamic_roles = {0, 1, -1, 2, -1, 3, -1, -1, 4, true};

static bool byte_type(hst_dtype d) {
    return d == HST_DTYPE_U8 || d == HST_DTYPE_S8;
}

static hst_status infer_as(infer_context *c, const roles *r, hst_dtype d, hst_error *err) {
    c->out[0].dtype = d;
    return infer_matmul(c, infer_in(c, r->a), infer_in(c, r->b), &c->out[0], err);
}

static hst_status infer_integer(infer_context *c, hst_error *err) {
    return infer_as(c, &integer_roles, HST_DTYPE_S32, err);
}
static hst_status infer_linear(infer_context *c, hst_error *err) {
    return infer_as(c, &linear_roles, infer_in(c, 7)->dtype, err);
}
static hst_status infer_float(infer_context *c, hst_error *err) {
    return infer_as(c, &float_roles, infer_in(c, 2)->dtype, err);
}
static hst_status infer_dynamic(infer_context *c, hst_error *err) {
    return infer_as(c, &dynamic_roles, HST_DTYPE_F32, err);
}

/* ---- one product ---- */

typedef struct product {
    gemm_s16_batch g;
    int64_t batch;
    const float *scale_a, *scale_b; /* NULL: s32 results */
    matmul_parameter step_a, step_b;
    const float *bias; /* NULL: none */
    float scale_y;
    int32_t zero_y;
    quantize_range range;
    void *y;
} product;

static void finish_s32(void *arg, const int32_t *c, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const product *p = arg;
    int64_t n = p->g.shape.n;
    int32_t *y = (int32_t *)p->y + (p->batch * p->g.shape.m + row) * n + column;
    for (int64_t i = 0; i < rows; i++) memcpy(y + i * n, c + i * GEMM_S16_NR, (size_t)columns * sizeof *y);
}

/* sa * sb (/ sy) for the columns of a tile and one row. */
static void scales_of(const product *p, int64_t row, int64_t column, int64_t columns, float *to) {
    int64_t ia, ib;
    matmul_shape_batch(&p->g.shape, p->batch, &ia, &ib);
    float a = p->scale_a[row * p->step_a.step + ia * p->step_a.matrix_step];
    const float *b = p->scale_b + ib * p->step_b.matrix_step;
    for (int64_t j = 0; j < columns; j++) to[j] = a * b[(column + j) * p->step_b.step];
}

static void finish_f32(void *arg, const int32_t *c, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const product *p = arg;
    int64_t n = p->g.shape.n;
    float *y = (float *)p->y + (p->batch * p->g.shape.m + row) * n + column, scale[GEMM_S16_NR];
    for (int64_t i = 0; i < rows; i++, c += GEMM_S16_NR, y += n) {
        if (i == 0 || p->step_a.step) scales_of(p, row + i, column, columns, scale);
        for (int64_t j = 0; j < columns; j++) y[j] = (float)c[j] * scale[j];
        if (p->bias)
            for (int64_t j = 0; j < columns; j++) y[j] += p->bias[column + j];
    }
}

static void finish_8(void *arg, const int32_t *c, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const product *p = arg;
    int64_t n = p->g.shape.n;
    uint8_t *y = (uint8_t *)p->y + (p->batch * p->g.shape.m + row) * n + column;
    float scale[GEMM_S16_NR];
    for (int64_t i = 0; i < rows; i++, c += GEMM_S16_NR, y += n) {
        if (i == 0 || p->step_a.step) {
            scales_of(p, row + i, column, columns, scale);
            for (int64_t j = 0; j < columns; j++) scale[j] /= p->scale_y;
        }
        for (int64_t j = 0; j < columns; j++)
            y[j] = (uint8_t)quantize_value((float)c[j] * scale[j], p->zero_y, p->range);
    }
}

/* ---- reading the inputs ---- */

static hst_status bad(const node *n, hst_status status, const char *what, hst_error *err) {
    char label[160];
    if (status != HST_STATUS_OK) error_prefix(err, status, "%s: %s", node_label(n, label, sizeof label), what);
    return status;
}

static const int32_t no_zero[1] = {0};

static hst_status read_zero(eval_context *c, int index, const hst_tensor *of, bool right, gemm_s16_source *s,
                            int64_t *matrix_step, hst_error *err) {
    const hst_tensor *t = index < 0 ? NULL : eval_in(c, index);
    s->zero = no_zero;
    s->zero_step = 0;
    *matrix_step = 0;
    if (!t) return HST_STATUS_OK;
    if (t->dtype != of->dtype)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "zero point is %s, the matrix %s", dtype_name(t->dtype),
                          dtype_name(of->dtype));
    matmul_parameter p;
    HST_TRY(bad(c->node, matmul_parameter_make(t, of->rank, of->dim, right, &p, err), "zero point", err));
    void *zero;
    HST_TRY(eval_scratch(c, (size_t)p.count * sizeof(int32_t), &zero, err));
    for (int64_t i = 0; i < p.count; i++) ((int32_t *)zero)[i] = (int32_t)tensor_get_s64(t, i);
    s->zero = zero;
    s->zero_step = p.step;
    *matrix_step = p.matrix_step;
    return HST_STATUS_OK;
}

static hst_status read_scale(eval_context *c, int index, const hst_tensor *of, bool right, const float **scale,
                             matmul_parameter *p, hst_error *err) {
    const hst_tensor *t = eval_in(c, index);
    void *to;
    if (!dtype_is_float(t->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "scale is %s", dtype_name(t->dtype));
    HST_TRY(bad(c->node, matmul_parameter_make(t, of->rank, of->dim, right, p, err), "scale", err));
    HST_TRY(eval_scratch(c, (size_t)p->count * sizeof(float), &to, err));
    convert_to_f32(t->dtype, t->data, 0, to, p->count);
    *scale = to;
    return HST_STATUS_OK;
}

static hst_status read_bias(eval_context *c, int index, int64_t n, const float **bias, hst_error *err) {
    const hst_tensor *t = index < 0 ? NULL : eval_in(c, index);
    *bias = NULL;
    if (!t) return HST_STATUS_OK;
    if (t->rank != 1 || t->dim[0] != n || !dtype_is_float(t->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "bias has %lld elements of %s, needs %lld floats",
                          (long long)tensor_count(t), dtype_name(t->dtype), (long long)n);
    void *to;
    HST_TRY(eval_scratch(c, (size_t)n * sizeof(float), &to, err));
    convert_to_f32(t->dtype, t->data, 0, to, n);
    *bias = to;
    return HST_STATUS_OK;
}

/* a as one matrix of more rows, where all of it meets the same b. */
static void collapse(gemm_s16_batch *g, int rank_b, int64_t scale_matrix_step, int scale_step) {
    matmul_shape *s = &g->shape;
    int64_t m;
    bool rows = (g->a.zero_step == 0 || g->zero_a_matrix != 0) && (scale_step == 0 || scale_matrix_step != 0);
    if (rank_b > 2 || s->batches <= 1 || !rows || __builtin_mul_overflow(s->m, s->batches, &m)) return;
    s->m = m;
    s->batches = 1;
    s->batch_rank = 0;
}

static hst_status product_make(eval_context *c, const roles *r, const packed_s16 *packed, product *p, hst_error *err) {
    const hst_tensor *a = eval_in(c, r->a), *b = eval_in(c, r->b);
    memset(p, 0, sizeof *p);
    if (!byte_type(b->dtype) || !(r->dynamic ? a->dtype == HST_DTYPE_F32 : byte_type(a->dtype)))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "cannot multiply %s with %s", dtype_name(a->dtype),
                          dtype_name(b->dtype));
    gemm_s16_batch *g = &p->g;
    matmul_shape *s = &g->shape;
    HST_TRY(bad(c->node, matmul_shape_make(a->rank, a->dim, b->rank, b->dim, s, err), "inputs", err));
    g->a =
        (gemm_s16_source){.data = a->data, .is_signed = a->dtype == HST_DTYPE_S8, .row_step = s->k, .column_step = 1};
    g->b =
        (gemm_s16_source){.data = b->data, .is_signed = b->dtype == HST_DTYPE_S8, .row_step = s->n, .column_step = 1};
    HST_TRY(read_zero(c, r->a_zero, a, false, &g->a, &g->zero_a_matrix, err));
    HST_TRY(read_zero(c, r->b_zero, b, true, &g->b, &g->zero_b_matrix, err));
    if (r->a_scale >= 0) HST_TRY(read_scale(c, r->a_scale, a, false, &p->scale_a, &p->step_a, err));
    if (r->b_scale >= 0) HST_TRY(read_scale(c, r->b_scale, b, true, &p->scale_b, &p->step_b, err));
    HST_TRY(read_bias(c, r->bias, s->n, &p->bias, err));
    collapse(g, b->rank, p->step_a.matrix_step, p->step_a.step);
    c->macs += (uint64_t)s->batches * (uint64_t)s->m * (uint64_t)s->n * (uint64_t)s->k;
    size_t size_a, size_b;
    if (!gemm_s16_size_a(s->m, s->k, &size_a) || !gemm_s16_size_b(s->k, s->n, &size_b))
        return node_error(c->node, err, HST_STATUS_NO_MEMORY, "matrices are too large");
    void *memory;
    HST_TRY(eval_scratch(c, size_a, &memory, err));
    g->memory_a = memory;
    if (packed && packed->bytes == size_b) {
        g->packed = packed->data;
        return HST_STATUS_OK;
    }
    HST_TRY(eval_scratch(c, size_b, &memory, err));
    g->memory_b = memory;
    return HST_STATUS_OK;
}

/* ---- the four operators ---- */

static hst_status run_integer(const void *state, eval_context *c, hst_error *err) {
    product p;
    hst_tensor *y;
    HST_TRY(product_make(c, &integer_roles, state, &p, err));
    matmul_shape s;
    const hst_tensor *a = eval_in(c, 0), *b = eval_in(c, 1);
    HST_TRY(matmul_shape_make(a->rank, a->dim, b->rank, b->dim, &s, err));
    HST_TRY(eval_output(c, 0, HST_DTYPE_S32, s.rank, s.dim, &y, err));
    p.y = y->data;
    gemm_s16_batch_run(c->team, &p.g, finish_s32, &p, &p.batch);
    return HST_STATUS_OK;
}

static hst_status run_linear(const void *state, eval_context *c, hst_error *err) {
    const hst_tensor *a = eval_in(c, 0), *b = eval_in(c, 3), *scale = eval_in(c, 6), *zero = eval_in(c, 7);
    product p;
    hst_tensor *y;
    if (!dtype_is_float(scale->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "y's scale is %s", dtype_name(scale->dtype));
    if (linear_is_plain(c)) return linear_plain(c, err);
    HST_TRY(product_make(c, &linear_roles, state, &p, err));
    matmul_shape s;
    HST_TRY(matmul_shape_make(a->rank, a->dim, b->rank, b->dim, &s, err));
    HST_TRY(eval_output(c, 0, zero->dtype, s.rank, s.dim, &y, err));
    p.y = y->data;
    p.scale_y = (float)tensor_get_f64(scale, 0);
    p.zero_y = (int32_t)tensor_get_s64(zero, 0);
    p.range = zero->dtype == HST_DTYPE_U8 ? (quantize_range){0, 255} : (quantize_range){-128, 127};
    gemm_s16_batch_run(c->team, &p.g, finish_8, &p, &p.batch);
    return HST_STATUS_OK;
}

static hst_status run_to_float(eval_context *c, product *p, const roles *r, hst_dtype d, hst_error *err) {
    const hst_tensor *a = eval_in(c, r->a), *b = eval_in(c, r->b);
    hst_tensor *y;
    matmul_shape s;
    HST_TRY(matmul_shape_make(a->rank, a->dim, b->rank, b->dim, &s, err));
    HST_TRY(eval_output(c, 0, d, s.rank, s.dim, &y, err));
    p->y = y->data;
    int64_t n = tensor_count(y);
    if (d != HST_DTYPE_F32) HST_TRY(eval_scratch(c, (size_t)n * sizeof(float), &p->y, err));
    gemm_s16_batch_run(c->team, &p->g, finish_f32, p, &p->batch);
    if (d != HST_DTYPE_F32) convert_from_f32(d, p->y, y->data, 0, n);
    return HST_STATUS_OK;
}

static hst_status run_float(const void *state, eval_context *c, hst_error *err) {
    product p;
    HST_TRY(product_make(c, &float_roles, state, &p, err));
    return run_to_float(c, &p, &float_roles, eval_in(c, 2)->dtype, err);
}

static hst_status run_dynamic(const void *state, eval_context *c, hst_error *err) {
    const hst_tensor *a = eval_in(c, 0);
    const kernels *k = kernels_get();
    product p;
    void *q;
    HST_TRY(product_make(c, &dynamic_roles, state, &p, err));
    int64_t n = tensor_count(a);
    float low = 0, high = 0, scale;
    int32_t zero;
    HST_TRY(eval_scratch(c, (size_t)n, &q, err));
    k->quantize_extent_f32(n, a->data, &low, &high);
    quantize_dynamic_u8(low, high, &scale, &zero);
    k->quantize_f32_8(n, a->data, scale, zero, (quantize_range){0, 255}, q);
    p.g.a.data = q;
    p.g.a.zero = &zero;
    p.scale_a = &scale;
    p.step_a = (matmul_parameter){1, 0, 0};
    return run_to_float(c, &p, &dynamic_roles, HST_DTYPE_F32, err);
}

static hst_status eval_integer(eval_context *c, hst_error *err) {
    return run_integer(NULL, c, err);
}
static hst_status eval_linear(eval_context *c, hst_error *err) {
    return run_linear(NULL, c, err);
}
static hst_status eval_float(eval_context *c, hst_error *err) {
    return run_float(NULL, c, err);
}
static hst_status eval_dynamic(eval_context *c, hst_error *err) {
    return run_dynamic(NULL, c, err);
}

/* ---- binding ---- */

static hst_status bind_as(bind_context *c, const roles *r, hst_status (*run)(const void *, eval_context *, hst_error *),
                          hst_error *err) {
    const hst_tensor *b = c->constant[r->b], *zero = r->b_zero < c->n_in ? c->constant[r->b_zero] : NULL;
    bool has_zero = r->b_zero < c->node->n_in && c->node->in[r->b_zero];
    packed_s16 *state;
    if (!b || b->rank != 2 || !byte_type(b->dtype) || (has_zero && !zero)) {
        c->why = "its right operand is no constant matrix with constant zero points";
        return HST_STATUS_OK;
    }
    HST_TRY(packed_s16_new(c->node, b, zero, false, c->allocator, &state, err));
    c->run = run;
    c->state = state;
    c->state_free = packed_s16_free;
    c->kernel = kernels_chosen(offsetof(kernels, gemm_s16_tile))->name;
    return HST_STATUS_OK;
}

static hst_status bind_integer(bind_context *c, hst_error *err) {
    return bind_as(c, &integer_roles, run_integer, err);
}
static hst_status bind_linear(bind_context *c, hst_error *err) {
    return bind_as(c, &linear_roles, run_linear, err);
}
static hst_status bind_float(bind_context *c, hst_error *err) {
    return bind_as(c, &float_roles, run_float, err);
}
static hst_status bind_dynamic(bind_context *c, hst_error *err) {
    return bind_as(c, &dynamic_roles, run_dynamic, err);
}

// clang-format off
static const op_case integer_cases[] = {
    {"plain", 0, "(u8[2,3]{11 7 3 10 6 2}, u8[3,2]{1 4 2 5 3 6}) -> (s32[2,2]{34 97 28 82})", 0},
    {"zero points", 0, "(u8[4,3]{11 7 3 10 6 2 9 5 1 8 4 0}, u8[3,2]{1 4 2 5 3 6}, u8[]{12}, u8[]{0}) -> (s32[4,2]{-38 -83 -44 -98 -50 -113 -56 -128})", 0},
    {"extremes do not saturate", 0, "(u8[1,4]{255}, s8[4,1]{-128}, u8[]{0}, s8[]{127}) -> (s32[1,1]{-260100})", 0},
    {"per row and column", 0, "(s8[2,2]{1 2 3 4}, s8[2,2]{1 2 3 4}, s8[2]{1 3}, s8[2]{1 2}) -> (s32[2,2]{2 2 2 2})", 0},
    {"batch, row zero points", 0, "(s8[2,1,2]{1 2 3 4}, s8[2,1]{1 1}, s8[2,1,1]{0 1}) -> (s32[2,1,1]{3 5})", 0},
    {"batches of both", 0, "(u8[2,1,2]{1 2 3 4}, u8[2,2,1]{1 1 2 2}, u8[]{0}, u8[2,1,1]{0 1}) -> (s32[2,1,1]{3 7})", 0},
    {"vectors", 0, "(u8[2]{2 3}, s8[2]{-1 4}) -> (s32[]{10})", 0},
    {"no K", 0, "(u8[2,0]{}, u8[0,1]{}) -> (s32[2,1]{0})", 0},
    {"no rows", 0, "(u8[0,2]{}, u8[2,1]{1}) -> (s32[0,1]{})", 0},
    {NULL, 0, NULL, 0}};
static const op_case linear_cases[] = {
    {"2D", 10, "(u8[2,4]{208 236 0 238 3 214 255 29}, f32[1]{0.0066}, u8[1]{113}, u8[4,3]{152 51 244 60 26 255 0 127 246 127 254 247}, f32[1]{0.00705}, u8[1]{114}, f32[1]{0.0107}, u8[1]{118}) -> (u8[2,3]{168 115 255 1 66 151})", 0},
    {"s8", 0, "(s8[1,2]{10 -10}, f32[]{0.5}, s8[]{0}, s8[2,1]{3 1}, f32[]{0.5}, s8[]{0}, f32[]{1}, s8[]{-1}) -> (s8[1,1]{4})", 0},
    {"per column", 0, "(u8[1,2]{1 2}, f32[]{1}, u8[]{0}, s8[2,2]{1 2 3 4}, f32[2]{1 0.5}, s8[2]{0 1}, f32[]{1}, u8[]{0}) -> (u8[1,2]{7 4})", 0},
    {"f8", 21, "(f8e4m3fn[1,2]{1.5 -2}, f32[]{0.5}, f8e4m3fn[]{0}, f8e5m2[2,2]{4 1000 1 -0.5}, f32[]{2}, f8e5m2[]{0}, f32[]{0.5}, f8e4m3fn[]{0}) -> (f8e4m3fn[1,2]{8 448})", 0},
    {"f8 and integers, zero points", 21, "(f8e5m2[2,1]{1 2}, f32[2]{1 2}, f8e5m2[2]{0 1}, s8[1,2]{5 6}, f32[2]{1 3}, s8[2]{1 0}, f32[]{2}, u8[]{7}) -> (u8[2,2]{9 16 11 25})", 0},
    {"y's scale one a row", 0, "(u8[2,1]{3 4}, f32[]{1}, u8[]{0}, u8[1,2]{5 10}, f32[]{1}, u8[]{0}, f32[2]{1 2}, u8[2]{0 1}) -> (u8[2,2]{15 30 11 21})", 0},
    {"scale 0", 0, "(u8[1,1]{1}, f32[]{1}, u8[]{0}, u8[1,1]{1}, f32[]{1}, u8[]{0}, f32[]{0}, u8[]{0}) -> (u8[1,1]{255})", 0},
    {NULL, 0, NULL, 0}};
static const op_case float_cases[] = {
    {"bias", 0, "(u8[1,2]{3 4}, s8[2,2]{1 -1 2 -2}, f32[]{0.5}, f32[]{2}, u8[]{1}, s8[]{0}, f32[2]{0.5 -0.5}) -> (f32[1,2]{8.5 -8.5})", 0},
    {"per column", 0, "(s8[1,2]{3 4}, u8[2,2]{1 1 2 2}, f32[1]{0.5}, f32[2]{2 4}, _, u8[2]{1 0}) -> (f32[1,2]{4 22})", 0},
    {"f16", 0, "(u8[1,1]{3}, u8[1,1]{2}, f16[]{0.5}, f16[]{1}) -> (f16[1,1]{3})", 0},
    {NULL, 0, NULL, 0}};
static const op_case dynamic_cases[] = {
    {"integers survive", 0, "(f32[1,2]{0 255}, s8[2,2]{1 2 3 -4}, f32[]{1}) -> (f32[1,2]{765 -1020})", 0},
    {"bias", 0, "(f32[2,1]{-1 254}, u8[1,1]{9}, f32[]{2}, u8[]{8}, f32[1]{1}) -> (f32[2,1]{-1 509})", 0},
    {"zeros", 0, "(f32[1,2]{0 0}, u8[2,1]{9 9}, f32[]{2}) -> (f32[1,1]{0})", 0},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(MatMulInteger) = {.name = "MatMulInteger",
                         .domain = "",
                         .since = 10,
                         .min_in = 2,
                         .max_in = 4,
                         .min_out = 1,
                         .max_out = 1,
                         .infer = infer_integer,
                         .eval = eval_integer,
                         .bind = bind_integer,
                         .summary = "exact product of 8-bit matrices, s32",
                         HST_CASES(integer_cases)};
HST_OP(QLinearMatMul) = {.name = "QLinearMatMul",
                         .domain = "",
                         .since = 10,
                         .min_in = 8,
                         .max_in = 8,
                         .min_out = 1,
                         .max_out = 1,
                         .infer = infer_linear,
                         .eval = eval_linear,
                         .bind = bind_linear,
                         .summary = "product of 8-bit matrices, quantised again",
                         HST_CASES(linear_cases)};
HST_OP(com_microsoft_MatMulIntegerToFloat) = {.name = "MatMulIntegerToFloat",
                                              .domain = "com.microsoft",
                                              .since = 1,
                                              .min_in = 4,
                                              .max_in = 7,
                                              .min_out = 1,
                                              .max_out = 1,
                                              .infer = infer_float,
                                              .eval = eval_float,
                                              .bind = bind_float,
                                              .summary = "product of 8-bit matrices, scaled to floats, with bias",
                                              HST_CASES(float_cases)};
HST_OP(com_microsoft_DynamicQuantizeMatMul) = {.name = "DynamicQuantizeMatMul",
                                               .domain = "com.microsoft",
                                               .since = 1,
                                               .min_in = 3,
                                               .max_in = 5,
                                               .min_out = 1,
                                               .max_out = 1,
                                               .infer = infer_dynamic,
                                               .eval = eval_dynamic,
                                               .bind = bind_dynamic,
                                               .summary = "f32 quantised on the fly times 8-bit weights",
                                               HST_CASES(dynamic_cases)};
