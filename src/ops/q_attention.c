/* QAttention (com.microsoft): multi-head self-attention whose projection is an 8-bit product.
 *   QKV [B, S, 3, N, H] = sum * (input_scale * weight_scale) + bias     exact sums, weight [D, 3NH]
 *   P [B, N, S, T] = softmax(scale * Q K^T + mask)   T = past + S       scale: 1/sqrt(H) unless given
 *   output [B, S, N*H] = P V;   present [2, B, N, T, H] = past keys and values followed by the new ones
 * mask_index (s32): [B] lengths; [2B] ends, then starts; [B, T] or [B, S, T] 0 where hidden; [B, 1] or [1, 1]: none.
 * What is hidden gets mask_filter_value added (-10000); with `unidirectional` later keys are out altogether. The
 * products are chains of fma in index order; the sum of a softmax row is 16 lanes and a tree, as in ops/reduce.c. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "ops/packed_s16.h"
#include "tensor/convert.h"

enum { INPUT, WEIGHT, BIAS, INPUT_SCALE, WEIGHT_SCALE, MASK, INPUT_ZERO, WEIGHT_ZERO, PAST };

typedef struct shape {
    int64_t batch, seq, in, heads, size, hidden, past, total;
} shape;

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, INPUT), *w = infer_in(c, WEIGHT), *past = infer_in(c, PAST);
    int64_t heads = node_int(c->node, "num_heads", 0);
    hst_dtype d = infer_in(c, INPUT_SCALE)->dtype;
    c->out[0].dtype = d;
    if (x->rank != 3 || w->rank != 2 || dim_is_symbol(w->dim[1])) return HST_STATUS_OK;
    if (heads < 1 || heads > INT32_MAX || w->dim[1] % (3 * heads))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld weight columns for three times %lld heads",
                          (long long)w->dim[1], (long long)heads);
    c->out[0] = type_make(d, 3, (dim[]){x->dim[0], x->dim[1], w->dim[1] / 3});
    if (c->n_out < 2) return HST_STATUS_OK;
    dim total = x->dim[1];
    if (c->node->n_in > PAST && c->node->in[PAST]) {
        const bool known = past->rank == 5 && !dim_is_symbol(past->dim[3]) && !dim_is_symbol(x->dim[1]);
        if (!known || __builtin_add_overflow(past->dim[3], x->dim[1], &total)) total = dim_symbol(c->model, "");
    }
    c->out[1] = type_make(d, 5, (dim[]){2, x->dim[0], heads, total, w->dim[1] / 3 / heads});
    return HST_STATUS_OK;
}

static bool byte_type(hst_dtype d) {
    return d == HST_DTYPE_U8 || d == HST_DTYPE_S8;
}

static hst_status shape_make(const eval_context *c, shape *s, hst_error *err) {
    const hst_tensor *x = eval_in(c, INPUT), *w = eval_in(c, WEIGHT), *past = eval_in(c, PAST);
    s->heads = node_int(c->node, "num_heads", 0);
    if (!byte_type(x->dtype) || !byte_type(w->dtype) || x->rank != 3 || w->rank != 2 || x->dim[2] != w->dim[0] ||
        x->dim[2] == 0)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input (%s, rank %d) and weight (%s, rank %d) do not fit",
                          dtype_name(x->dtype), x->rank, dtype_name(w->dtype), w->rank);
    if (s->heads < 1 || s->heads > INT32_MAX || w->dim[1] % (3 * s->heads))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld weight columns for three times %lld heads",
                          (long long)w->dim[1], (long long)s->heads);
    s->batch = x->dim[0], s->seq = x->dim[1], s->in = x->dim[2];
    s->hidden = w->dim[1] / 3;
    s->size = s->hidden / s->heads;
    if (node_int(c->node, "do_rotary", 0) || node_int(c->node, "past_present_share_buffer", 0))
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "do_rotary or past_present_share_buffer");
    if (past) {
        const int64_t want[5] = {2, s->batch, s->heads, past->dim[3], s->size};
        if (past->rank != 5 || memcmp(past->dim, want, sizeof want) || past->dtype != eval_in(c, INPUT_SCALE)->dtype)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "past is %s of rank %d and does not fit",
                              dtype_name(past->dtype), past->rank);
        s->past = past->dim[3];
    }
    s->total = s->past + s->seq;
    return HST_STATUS_OK;
}

static hst_status floats(eval_context *c, int64_t a, int64_t b, int64_t d, float **to, hst_error *err) {
    int64_t n;
    void *p;
    if (__builtin_mul_overflow(a, b, &n) || __builtin_mul_overflow(n, d, &n) || n > (int64_t)(SIZE_MAX / 8))
        return node_error(c->node, err, HST_STATUS_NO_MEMORY, "its scores are too large");
    HST_TRY(eval_scratch(c, (size_t)n * sizeof(float), &p, err));
    *to = p;
    return HST_STATUS_OK;
}

/* ---- projection ---- */

typedef struct projection {
    const float *scale, *bias; /* scale: one a column */
    float *y;
    int64_t n;
} projection;

static void finish(void *arg, const int32_t *sum, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const projection *p = arg;
    for (int64_t i = 0; i < rows; i++, sum += GEMM_S16_NR)
        for (int64_t j = 0; j < columns; j++)
            p->y[(row + i) * p->n + column + j] = (float)sum[j] * p->scale[column + j] + p->bias[column + j];
}

static hst_status zeros(eval_context *c, const hst_tensor *t, const hst_tensor *of, int64_t n, gemm_s16_source *s,
                        hst_error *err) {
    static const int32_t none[1] = {0};
    void *to;
    s->zero = none;
    if (!t) return HST_STATUS_OK;
    int64_t count = tensor_count(t);
    if (t->dtype != of->dtype || (count != 1 && count != n))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld zero points of %s for %lld columns of %s",
                          (long long)count, dtype_name(t->dtype), (long long)n, dtype_name(of->dtype));
    HST_TRY(eval_scratch(c, (size_t)count * sizeof(int32_t), &to, err));
    for (int64_t i = 0; i < count; i++) ((int32_t *)to)[i] = (int32_t)tensor_get_s64(t, i);
    s->zero = to;
    s->zero_step = count > 1;
    return HST_STATUS_OK;
}

static hst_status project(eval_context *c, const shape *s, const packed_s16 *packed, float *qkv, hst_error *err) {
    const hst_tensor *x = eval_in(c, INPUT), *w = eval_in(c, WEIGHT), *bias = eval_in(c, BIAS);
    const hst_tensor *ws = eval_in(c, WEIGHT_SCALE), *xs = eval_in(c, INPUT_SCALE);
    int64_t n = 3 * s->hidden, m = s->batch * s->seq, scales = tensor_count(ws);
    float *scale = NULL, *offset = NULL;
    void *a, *b = NULL;
    size_t size_a, size_b;
    if (tensor_count(xs) != 1 || (scales != 1 && scales != n) || tensor_count(bias) != n ||
        !dtype_is_float(xs->dtype) || !dtype_is_float(ws->dtype) || !dtype_is_float(bias->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "input_scale, weight_scale and bias have %lld, %lld and %lld elements for %lld columns",
                          (long long)tensor_count(xs), (long long)scales, (long long)tensor_count(bias), (long long)n);
    HST_TRY(floats(c, n, 1, 1, &scale, err));
    HST_TRY(floats(c, n, 1, 1, &offset, err));
    float by = (float)tensor_get_f64(xs, 0);
    for (int64_t i = 0; i < n; i++) scale[i] = (float)tensor_get_f64(ws, scales > 1 ? i : 0) * by;
    convert_to_f32(bias->dtype, bias->data, 0, offset, n);
    gemm_s16_source left = {x->data, x->dtype == HST_DTYPE_S8, s->in, 1, NULL, 0};
    gemm_s16_source right = {w->data, w->dtype == HST_DTYPE_S8, n, 1, NULL, 0};
    HST_TRY(zeros(c, eval_in(c, INPUT_ZERO), x, 1, &left, err));
    if (!gemm_s16_size_a(m, s->in, &size_a) || !gemm_s16_size_b(s->in, n, &size_b))
        return node_error(c->node, err, HST_STATUS_NO_MEMORY, "matrices are too large");
    HST_TRY(eval_scratch(c, size_a, &a, err));
    gemm_s16_widen_a(&left, m, s->in, a);
    if (!packed || packed->bytes != size_b) {
        HST_TRY(zeros(c, eval_in(c, WEIGHT_ZERO), w, n, &right, err));
        HST_TRY(eval_scratch(c, size_b, &b, err));
        gemm_s16_pack_b(&right, s->in, n, b);
    }
    projection p = {scale, offset, qkv, n};
    c->macs += (uint64_t)m * (uint64_t)n * (uint64_t)s->in;
    gemm_s16(c->team, m, n, s->in, a, b ? b : packed->data, finish, &p);
    return HST_STATUS_OK;
}

/* ---- attention ---- */

typedef struct attention {
    shape s;
    const float *qkv;
    const float *keys, *values; /* [B, N, T, H], or NULL: inside qkv */
    const hst_tensor *mask;     /* NULL: none */
    float scale, filter;
    bool causal;
    const gemm_f32_family *family;
    float *scores; /* [N, S, T] of one sequence */
    float *y;      /* [B, S, N*H] */
    float *scratch;
    int64_t scratch_each;
} attention;

static hst_status mask_check(const node *n, attention *a, hst_error *err) {
    const shape *s = &a->s;
    const hst_tensor *m = a->mask;
    if (!m) return HST_STATUS_OK;
    bool fits = m->dtype == HST_DTYPE_S32;
    if (m->rank == 2 && m->dim[1] == 1 && (m->dim[0] == 1 || m->dim[0] == s->batch)) {
        a->mask = NULL; /* a dummy, as onnxruntime takes it */
        return HST_STATUS_OK;
    }
    if (m->rank == 1)
        fits &= m->dim[0] == s->batch || m->dim[0] == 2 * s->batch;
    else if (m->rank == 2)
        fits &= m->dim[0] == s->batch && m->dim[1] == s->total;
    else
        fits &= m->rank == 3 && m->dim[0] == s->batch && m->dim[1] == s->seq && m->dim[2] == s->total;
    if (fits) return HST_STATUS_OK;
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "mask_index is %s of rank %d and does not fit",
                      dtype_name(m->dtype), m->rank);
}

static void mask_row(const attention *a, int64_t b, int64_t query, float *row) {
    const shape *s = &a->s;
    const hst_tensor *m = a->mask;
    int64_t total = s->total;
    if (m && m->rank == 1) {
        const int32_t *at = m->data;
        int64_t end = at[b] < 0 ? 0 : at[b], start = m->dim[0] == s->batch ? 0 : at[b + s->batch];
        for (int64_t t = end; t < total; t++) row[t] += a->filter;
        for (int64_t t = 0; t < start && t < total; t++)
            if (t < end) row[t] += a->filter;
    } else if (m) {
        const int32_t *shown = (const int32_t *)m->data + (m->rank == 2 ? b : b * s->seq + query) * total;
        for (int64_t t = 0; t < total; t++) row[t] += shown[t] > 0 ? 0 : a->filter;
    }
    for (int64_t t = s->past + query + 1; a->causal && t < total; t++) row[t] = -FLT_MAX;
}

/* The two products of one sequence, all heads. */
static void scores_of(const attention *a, int64_t b, gemm_f32 *g) {
    const shape *s = &a->s;
    int64_t wide = 3 * s->hidden;
    const float *q = a->qkv + b * s->seq * wide;
    *g = gemm_f32_make(a->family, s->seq, s->total, s->size, q, a->scores);
    g->lda = wide;
    g->scale = a->scale;
    g->batch = s->heads;
    g->a_stride = s->size;
    g->b = a->keys ? (gemm_f32_operand){a->keys + b * s->heads * s->total * s->size, HST_DTYPE_F32, 1, s->size}
                   : (gemm_f32_operand){q + s->hidden, HST_DTYPE_F32, 1, wide};
    g->b_stride = a->keys ? s->total * s->size : s->size;
    g->c_stride = s->seq * s->total;
}

static void values_of(const attention *a, int64_t b, gemm_f32 *g) {
    const shape *s = &a->s;
    int64_t wide = 3 * s->hidden;
    *g = gemm_f32_make(a->family, s->seq, s->size, s->total, a->scores, a->y + b * s->seq * s->hidden);
    g->ldc = s->hidden;
    g->batch = s->heads;
    g->a_stride = s->seq * s->total;
    g->b = a->values ? (gemm_f32_operand){a->values + b * s->heads * s->total * s->size, HST_DTYPE_F32, s->size, 1}
                     : (gemm_f32_operand){a->qkv + b * s->seq * wide + 2 * s->hidden, HST_DTYPE_F32, wide, 1};
    g->b_stride = a->values ? s->total * s->size : s->size;
    g->c_stride = s->size;
}

static void worker(void *arg, const team_context *ctx) {
    const attention *a = arg;
    const shape *s = &a->s;
    float *scratch = a->scratch + ctx->worker * a->scratch_each;
    int64_t begin, end;
    gemm_f32 g;
    team_split(s->heads * s->seq, 1, ctx, &begin, &end);
    for (int64_t b = 0; b < s->batch; b++) {
        scores_of(a, b, &g);
        gemm_f32_part(&g, ctx->worker, ctx->workers, scratch);
        team_barrier(ctx);
        for (int64_t i = begin; i < end; i++) {
            mask_row(a, b, i % s->seq, a->scores + i * s->total);
            softmax_rows row = {.x = a->scores + i * s->total, .y = a->scores + i * s->total, .rows = 1, .n = s->total};
            row.width = s->total;
            kernels_get()->softmax_f32(&row);
        }
        team_barrier(ctx);
        values_of(a, b, &g);
        gemm_f32_part(&g, ctx->worker, ctx->workers, scratch);
        team_barrier(ctx);
    }
}

/* present = past then new, in f32 at `to` [2, B, N, T, H]. */
static void gather_present(const attention *a, const hst_tensor *past, float *to) {
    const shape *s = &a->s;
    for (int64_t i = 0; i < 2 * s->batch * s->heads; i++, to += s->total * s->size) {
        int64_t which = i / (s->batch * s->heads), b = i / s->heads % s->batch, head = i % s->heads;
        if (past) convert_to_f32(past->dtype, past->data, i * s->past * s->size, to, s->past * s->size);
        for (int64_t t = 0; t < s->seq; t++)
            memcpy(to + (s->past + t) * s->size,
                   a->qkv + ((b * s->seq + t) * 3 + 1 + which) * s->hidden + head * s->size,
                   (size_t)s->size * sizeof *to);
    }
}

static hst_status present_make(eval_context *c, attention *a, hst_dtype d, hst_error *err) {
    const shape *s = &a->s;
    const hst_tensor *past = eval_in(c, PAST);
    hst_tensor *out = NULL;
    float *present = NULL;
    if (!past && !eval_wants(c, 1)) return HST_STATUS_OK;
    HST_TRY(floats(c, 2 * s->batch * s->heads, s->total, s->size, &present, err));
    gather_present(a, past, present);
    a->keys = present;
    a->values = present + s->batch * s->heads * s->total * s->size;
    if (!eval_wants(c, 1)) return HST_STATUS_OK;
    int64_t dims[5] = {2, s->batch, s->heads, s->total, s->size};
    HST_TRY(eval_output(c, 1, d, 5, dims, &out, err));
    convert_from_f32(d, present, out->data, 0, tensor_count(out));
    return HST_STATUS_OK;
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    attention a = {.mask = eval_in(c, MASK)};
    shape *s = &a.s;
    hst_dtype d = eval_in(c, INPUT_SCALE)->dtype;
    hst_tensor *y;
    float *qkv = NULL;
    HST_TRY(shape_make(c, s, err));
    HST_TRY(mask_check(c->node, &a, err));
    HST_TRY(floats(c, s->batch * s->seq, 3, s->hidden, &qkv, err));
    HST_TRY(project(c, s, state, qkv, err));
    a.qkv = qkv;
    HST_TRY(present_make(c, &a, d, err));
    HST_TRY(eval_output(c, 0, d, 3, (int64_t[]){s->batch, s->seq, s->hidden}, &y, err));
    int64_t count = tensor_count(y);
    if (count == 0) return HST_STATUS_OK;
    a.y = y->data;
    if (d != HST_DTYPE_F32) HST_TRY(floats(c, count, 1, 1, &a.y, err));
    a.scale = node_float(c->node, "scale", 0);
    if (a.scale == 0) a.scale = 1.0f / sqrtf((float)s->size);
    a.filter = node_float(c->node, "mask_filter_value", -10000.0f);
    a.causal = node_int(c->node, "unidirectional", 0) != 0;
    a.family = kernels_get()->gemm_f32();
    HST_TRY(floats(c, s->heads * s->seq, s->total, 1, &a.scores, err));
    gemm_f32 g;
    scores_of(&a, 0, &g);
    a.scratch_each = gemm_f32_scratch(&g);
    values_of(&a, 0, &g);
    if (gemm_f32_scratch(&g) > a.scratch_each) a.scratch_each = gemm_f32_scratch(&g);
    a.scratch_each = (a.scratch_each + 15) & ~INT64_C(15);
    int workers = team_size(c->team);
    HST_TRY(floats(c, a.scratch_each, workers, 1, &a.scratch, err));
    c->macs += 2 * (uint64_t)count * (uint64_t)s->total; /* count = batch * seq * hidden */
    team_run(c->team, workers, worker, &a);
    if (d != HST_DTYPE_F32) convert_from_f32(d, a.y, y->data, 0, count);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    return run(NULL, c, err);
}

static hst_status bind(bind_context *c, hst_error *err) {
    const hst_tensor *w = c->constant[WEIGHT], *zero = c->n_in > WEIGHT_ZERO ? c->constant[WEIGHT_ZERO] : NULL;
    bool has_zero = c->n_in > WEIGHT_ZERO && c->node->in[WEIGHT_ZERO];
    packed_s16 *state;
    if (!w || w->rank != 2 || !byte_type(w->dtype) || (has_zero && !zero)) {
        c->why = "its weights are no constant matrix with constant zero points";
        return HST_STATUS_OK;
    }
    HST_TRY(packed_s16_new(c->node, w, zero, false, c->allocator, &state, err));
    c->run = run;
    c->state = state;
    c->state_free = packed_s16_free;
    c->kernel = kernels_chosen(offsetof(kernels, gemm_s16_tile))->name;
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"one token", 0, "(u8[1,1,2]{1 3}, s8[2,6]{1 0 2 0 3 1 0 1 0 2 1 1}, f32[6]{0.5}, f32[]{2}, f32[]{1}; num_heads=2) -> (f32[1,1,2]{12.5 8.5})", 0},
    {"lengths hide", 0, "(u8[1,2,1]{1 3}, s8[1,3]{1 1 2}, f32[3]{0}, f32[]{1}, f32[]{1}, s32[1]{1}; num_heads=1) -> (f32[1,2,1]{2 2})", 0},
    {"causal", 0, "(u8[1,2,1]{1 3}, s8[1,3]{0 1 2}, f32[3]{0}, f32[]{1}, f32[]{1}; num_heads=1, unidirectional=1) -> (f32[1,2,1]{2 4})", 1e-6},
    {"zero points, present", 0, "(u8[1,1,1]{5}, u8[1,3]{7}, f32[3]{0 1 2}, f32[]{1}, f32[3]{1 2 3}, _, u8[]{3}, u8[3]{7 6 5}; num_heads=1) -> (f32[1,1,1]{14}, f32[2,1,1,1,1]{5 14})", 0},
    {"past", 0, "(u8[1,1,1]{1}, s8[1,3]{0 1 3}, f32[3]{0}, f32[]{1}, f32[]{1}, _, _, _, f32[2,1,1,1,1]{9 5}; num_heads=1) -> (f32[1,1,1]{4}, f32[2,1,1,2,1]{9 1 5 3})", 1e-6},
    {"raw mask", 0, "(u8[1,2,1]{1 3}, s8[1,3]{1 1 2}, f32[3]{0}, f32[]{1}, f32[]{1}, s32[1,2]{0 1}; num_heads=1) -> (f32[1,2,1]{6 6})", 0},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(com_microsoft_QAttention) = {.name = "QAttention",
                                    .domain = "com.microsoft",
                                    .since = 1,
                                    .min_in = 5,
                                    .max_in = 9,
                                    .min_out = 1,
                                    .max_out = 2,
                                    .infer = infer,
                                    .eval = eval,
                                    .bind = bind,
                                    .summary = "multi-head self-attention with an 8-bit projection",
                                    .gaps = "do_rotary, past_present_share_buffer",
                                    HST_CASES(cases)};
