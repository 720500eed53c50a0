/* hasten QuantizedLinear: y = norm(act(round7(x) round8(w) + bias) + residual), a linear layer on 8-bit integers.
 *   x [..., K] f32   w s8 [panels, bytes], packed as kernels/gemm_s8 says   w_scale [N] f32   bias [N]
 *   residual [..., N]   gamma, beta [N] f32   ->   y [..., N] f32
 * Each row of x is quantised by itself to 127 levels with a scale and a zero point of its own, so that the answer for a
 * row does not depend on what stands beside it. Sums are exact; activation and norm are as in hasten.Linear. Attribute
 * weight_error, for people: ‖w − round8(w)‖ / ‖w‖ of the layer.
 * Rows may come quantised, x u8 with x_scale [..., 1] f32 and x_zero [..., 1] s32, as another layer gives them behind
 * y: y_rows u8, y_scale, y_zero (ops/matmul.h). */
#include <string.h>

#include "base/checked.h"
#include "ops/matmul.h"

enum { X_SCALE = 7, X_ZERO = 8 }; /* inputs */

enum {
    MACS_PER_WORKER = 1 << 16, /* waking a worker costs about as much as this */
    CHUNK = 4096               /* elements quantised at once */
};

/* ---- shapes ---- */

/* Whether w can be the packed form of [k, n] (k -1: not known). */
static hst_status check_weights(const node *n, int rank, const dim *w, int64_t k, int64_t columns, hst_error *err) {
    if (rank != 2 || columns <= 0 || columns > INT64_MAX - GEMM_S8_NR || w[0] != gemm_s8_panels(columns) ||
        w[1] < GEMM_S8_HEAD || (w[1] - GEMM_S8_HEAD) % GEMM_S8_BLOCK)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "weights are no packed panels of %lld columns",
                          (long long)columns);
    if (k >= 0 && (k > GEMM_S8_K_MAX || w[1] != gemm_s8_panel_bytes(k)))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "weights are packed for %lld rows, x has %lld columns",
                          (long long)((w[1] - GEMM_S8_HEAD) / GEMM_S8_BLOCK * GEMM_S8_K), (long long)k);
    return HST_STATUS_OK;
}

static bool is_row_values(const type *t, hst_dtype d, const type *x) {
    if (!t || (t->dtype != d && t->dtype != HST_DTYPE_NONE)) return false;
    if (t->rank < 0 || x->rank < 0) return true;
    for (int i = 0; i < x->rank && t->rank == x->rank; i++) {
        const dim want = i + 1 < x->rank ? x->dim[i] : 1, is = t->dim[i];
        if (!dim_is_symbol(want) && !dim_is_symbol(is) && want != is) return false;
    }
    return t->rank == x->rank;
}

/* Whether x is f32, or rows that are quantised already with a scale and a zero point each. */
static hst_status check_rows(const node *n, const type *x, const type *scale, const type *zero, hst_error *err) {
    if (x->dtype != HST_DTYPE_U8 && !scale && !zero) return HST_STATUS_OK;
    if ((x->dtype != HST_DTYPE_U8 && x->dtype != HST_DTYPE_NONE) || !is_row_values(scale, HST_DTYPE_F32, x) ||
        !is_row_values(zero, HST_DTYPE_S32, x))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "quantised rows are u8, with a scale f32 and a zero s32 each");
    const dim k = x->rank > 0 ? x->dim[x->rank - 1] : 0;
    if (!dim_is_symbol(k) && k % GEMM_S8_K)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "quantised rows have %lld columns, no multiple of %d",
                          (long long)k, GEMM_S8_K);
    return HST_STATUS_OK;
}

static const type *type_in(const infer_context *c, int i) {
    return i < c->n_in && c->node->in[i] ? infer_in(c, i) : NULL;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *w = infer_in(c, 1), *scale = infer_in(c, 2);
    const matmul_activation *activation;
    HST_TRY(matmul_activation_of(c->node, &activation, err));
    c->out[0].dtype = HST_DTYPE_F32;
    if (x->rank == 0 || (scale->rank >= 0 && scale->rank != 1))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "x has no columns, or the scales are no vector");
    HST_TRY(check_rows(c->node, x, type_in(c, X_SCALE), type_in(c, X_ZERO), err));
    if (x->rank < 0) return matmul_quantised_infer(c, err);
    const dim k = x->dim[x->rank - 1], n = scale->rank == 1 ? scale->dim[0] : dim_symbol(c->model, "");
    if (w->rank >= 0 && !dim_is_symbol(n) && w->rank == 2 && !dim_is_symbol(w->dim[0]) && !dim_is_symbol(w->dim[1]))
        HST_TRY(check_weights(c->node, w->rank, w->dim, dim_is_symbol(k) ? -1 : k, n, err));
    c->out[0].rank = x->rank;
    memcpy(c->out[0].dim, x->dim, (size_t)x->rank * sizeof x->dim[0]);
    c->out[0].dim[x->rank - 1] = n;
    HST_TRY(matmul_quantised_infer(c, err));
    HST_TRY(matmul_norm_check(c->node, n, infer_in(c, 5), infer_in(c, 6), err));
    return matmul_check_added(c->node, x, n, infer_in(c, 3), infer_in(c, 4), err);
}

/* ---- the expansion ---- */

static value *slice(expansion *e, value *x, int64_t axis, int64_t begin, int64_t end) {
    value *in[4] = {x, expand_ints(e, &begin, 1), expand_ints(e, &end, 1), expand_ints(e, &axis, 1)};
    return expand_node(e, "Slice", in, 4);
}

/* The packed weights as s8 [k, n]. */
static value *unpacked(expansion *e, value *w, int64_t k, int64_t n) {
    const int64_t panels = gemm_s8_panels(n), blocks = gemm_s8_blocks(k);
    w = slice(e, w, 1, GEMM_S8_HEAD, GEMM_S8_HEAD + blocks * GEMM_S8_WEIGHTS);
    w = expand_reshape(e, w, (int64_t[]){panels, blocks * GEMM_S8_STEPS, GEMM_S8_NR, 4}, 4);
    w = expand_transpose(e, w, (int64_t[]){1, 3, 0, 2}, 4);
    w = expand_reshape(e, w, (int64_t[]){blocks * GEMM_S8_K, panels * GEMM_S8_NR}, 2);
    return slice(e, slice(e, w, 0, 0, k), 1, 0, n);
}

/* q − zero of kernels/gemm_s8 as s8, and the scale of each row. */
static value *levels(expansion *e, value *const *in, value **scale) {
    if (in[0]->type.dtype == HST_DTYPE_U8) {
        *scale = in[X_SCALE];
        value *q = expand_binary(e, "Sub", expand_cast(e, in[0], HST_DTYPE_S32), in[X_ZERO]);
        return expand_cast(e, q, HST_DTYPE_S8);
    }
    const quantised_rows r = matmul_quantize_expand(e, in[0]);
    *scale = r.scale;
    return expand_cast(e, expand_binary(e, "Sub", r.q, r.z), HST_DTYPE_S8);
}

static hst_status expand(const node *n, graph *g, value *const *in, value **out, hst_error *err) {
    expansion e = {n, g, HST_STATUS_OK, err};
    const matmul_activation *activation;
    const type *x = &in[0]->type, *w = &in[1]->type, *w_scale = &in[2]->type;
    HST_TRY(matmul_activation_of(n, &activation, err));
    if (x->rank < 1 || dim_is_symbol(x->dim[x->rank - 1]) || w_scale->rank != 1 || dim_is_symbol(w_scale->dim[0]))
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "cannot be expanded before its sizes are known");
    const int64_t k = x->dim[x->rank - 1], columns = w_scale->dim[0];
    HST_TRY(check_weights(n, w->rank, w->dim, k, columns, err));
    const type *added[7] = {0};
    for (int i = 3; i < n->n_in && i < 7; i++) added[i] = in[i] ? &in[i]->type : NULL;
    HST_TRY(matmul_check_added(n, x, columns, added[3], added[4], err));
    HST_TRY(matmul_norm_check(n, columns, added[5], added[6], err));
    HST_TRY(check_rows(n, x, n->n_in > X_SCALE && in[X_SCALE] ? &in[X_SCALE]->type : NULL,
                       n->n_in > X_ZERO && in[X_ZERO] ? &in[X_ZERO]->type : NULL, err));
    value *scale, *q = levels(&e, in, &scale);
    value *sums = expand_binary(&e, "MatMulInteger", q, unpacked(&e, in[1], k, columns));
    value *y = expand_binary(&e, "Mul", expand_cast(&e, sums, HST_DTYPE_F32), expand_binary(&e, "Mul", scale, in[2]));
    if (n->n_in > 3 && in[3]) y = expand_binary(&e, "Add", y, in[3]);
    y = matmul_activation_expand(&e, activation, y);
    if (n->n_in > 4 && in[4]) y = expand_binary(&e, "Add", y, in[4]);
    y = matmul_norm_expand(&e, y, n->n_in > 5 ? in[5] : NULL, n->n_in > 6 ? in[6] : NULL);
    out[0] = y;
    matmul_quantised_expand(&e, y, out);
    return expansion_done(&e);
}

/* ---- the fast path ---- */

typedef struct job {
    gemm_s8 g;
    const float *x; /* NULL: the rows are quantised already */
    gemm_s8_quantize_fn *quantize;
    int64_t chunk, chunks, parts; /* rows quantised at once, how often; parts of the product */
    matmul_rows rows;
} job;

static void quantize_rows(const job *j, int64_t begin, int64_t end) {
    const int64_t width = gemm_s8_blocks(j->g.k) * GEMM_S8_K;
    j->quantize(end - begin, j->g.k, j->x + begin * j->g.k, j->g.k, (uint8_t *)(uintptr_t)j->g.a + begin * width, width,
                (int32_t *)(uintptr_t)j->g.zero + begin, (float *)(uintptr_t)j->g.scale + begin);
}

static void work(void *arg, const team_context *ctx) {
    const job *j = arg;
    for (int64_t i; j->x && (i = team_next(ctx, 1, j->chunks)) >= 0;)
        quantize_rows(j, i * j->chunk, (i + 1) * j->chunk < j->g.m ? (i + 1) * j->chunk : j->g.m);
    if (j->x) team_barrier(ctx);
    for (int64_t part; (part = team_next(ctx, 0, j->parts)) >= 0;) gemm_s8_part(&j->g, part);
    if (matmul_rows_any(&j->rows)) matmul_rows_finish(&j->rows, j->g.n, j->g.m, j->g.c, ctx);
}

static hst_status scratch_array(eval_context *c, int64_t count, size_t size, void *to, hst_error *err) {
    size_t bytes;
    void *memory;
    if (!size_mul((size_t)count, size, &bytes)) return error_no_memory(err, SIZE_MAX, "quantised rows");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    memcpy(to, &memory, sizeof memory);
    return HST_STATUS_OK;
}

static hst_status run_job(eval_context *c, job *j, hst_error *err) {
    gemm_s8 *g = &j->g;
    const double macs = (double)g->m * (double)g->n * (double)g->k;
    c->macs += (uint64_t)macs;
    const int workers = team_workers(c->team, macs, MACS_PER_WORKER);
    if (j->x) {
        HST_TRY(scratch_array(c, g->m, (size_t)(gemm_s8_blocks(g->k) * GEMM_S8_K), &g->a, err));
        HST_TRY(scratch_array(c, g->m, sizeof(int32_t), &g->zero, err));
        HST_TRY(scratch_array(c, g->m, sizeof(float), &g->scale, err));
    }
    j->quantize = kernels_get()->gemm_s8_quantize;
    j->chunk = (CHUNK + g->k - 1) / (g->k ? g->k : 1);
    j->chunks = (g->m + j->chunk - 1) / j->chunk;
    j->parts = gemm_s8_parts(g, workers);
    team_run(c->team, workers, work, j);
    return HST_STATUS_OK;
}

static bool is_vector(const hst_tensor *t, int64_t n) {
    return t->dtype == HST_DTYPE_F32 && t->rank == 1 && t->dim[0] == n;
}

/* Whether the inputs have the types and shapes that they must; the residual is looked at later. */
static hst_status check_inputs(const eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0), *w = eval_in(c, 1), *scale = eval_in(c, 2), *bias = eval_in(c, 3);
    if ((x->dtype != HST_DTYPE_F32 && x->dtype != HST_DTYPE_U8) || x->rank < 1 || w->dtype != HST_DTYPE_S8 ||
        scale->rank != 1)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "x is %s of rank %d, the weights are %s",
                          dtype_name(x->dtype), x->rank, dtype_name(w->dtype));
    HST_TRY(check_weights(c->node, w->rank, w->dim, x->dim[x->rank - 1], scale->dim[0], err));
    if (!is_vector(scale, scale->dim[0]) || (bias && (bias->dtype != HST_DTYPE_F32 || tensor_count(bias) != scale->dim[0])))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "scales and bias must be f32[%lld]",
                          (long long)scale->dim[0]);
    type t[3];
    for (int i = 0; i < 3; i++) {
        const hst_tensor *rows = eval_in(c, i ? X_SCALE - 1 + i : 0);
        if (rows) t[i] = type_of_tensor(rows);
    }
    return check_rows(c->node, &t[0], eval_in(c, X_SCALE) ? &t[1] : NULL, eval_in(c, X_ZERO) ? &t[2] : NULL, err);
}

/* The left operand: rows to be quantised, or quantised ones. */
static hst_status set_rows(eval_context *c, job *j, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0), *zero = eval_in(c, X_ZERO);
    if (x->dtype == HST_DTYPE_F32) return matmul_as_f32(c, x, &j->x, err);
    j->g.a = x->data;
    j->g.zero = zero->data;
    if ((uintptr_t)zero->data % sizeof(int32_t)) {
        HST_TRY(scratch_array(c, j->g.m, sizeof(int32_t), &j->g.zero, err));
        memcpy((void *)(uintptr_t)j->g.zero, zero->data, (size_t)j->g.m * sizeof(int32_t));
    }
    return matmul_as_f32(c, eval_in(c, X_SCALE), &j->g.scale, err);
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0), *bias = eval_in(c, 3), *residual = eval_in(c, 4);
    const matmul_activation *activation;
    int64_t dims[HST_RANK_MAX];
    hst_tensor *y;
    (void)state;
    HST_TRY(matmul_activation_of(c->node, &activation, err));
    HST_TRY(check_inputs(c, err));
    const int64_t n = eval_in(c, 2)->dim[0];
    memcpy(dims, x->dim, sizeof dims);
    dims[x->rank - 1] = n;
    if (residual && (residual->dtype != HST_DTYPE_F32 || residual->rank != x->rank ||
                     memcmp(residual->dim, dims, (size_t)x->rank * sizeof dims[0])))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the residual must have the result's shape");
    job j = {.g = {.family = kernels_get()->gemm_s8(), .m = 1, .n = n, .k = x->dim[x->rank - 1], .ldc = n, .ldr = n}};
    HST_TRY(eval_output(c, 0, HST_DTYPE_F32, x->rank, dims, &y, err));
    HST_TRY(matmul_quantised_outputs(c, x->rank, dims, &j.rows, err));
    for (int i = 0; i + 1 < x->rank; i++) j.g.m *= x->dim[i];
    if (j.g.m == 0) return HST_STATUS_OK;
    HST_TRY(set_rows(c, &j, err));
    HST_TRY(matmul_as_f32(c, eval_in(c, 2), &j.g.w_scale, err));
    if (bias) HST_TRY(matmul_as_f32(c, bias, &j.g.bias, err));
    HST_TRY(matmul_norm_read(c, 5, n, &j.rows.norm, err));
    if (residual) HST_TRY(matmul_as_f32(c, residual, j.rows.norm.gamma ? &j.rows.residual : &j.g.residual, err));
    if (activation->function != UNARY_COPY) {
        j.g.activate = kernels_get()->unary_f32;
        j.g.function = activation->function;
        j.g.parameters = activation->parameter;
    }
    j.g.packed = eval_in(c, 1)->data;
    j.g.c = y->data;
    return run_job(c, &j, err);
}

static hst_status bind(bind_context *c, hst_error *err) {
    (void)err;
    c->run = run;
    c->kernel = kernels_get()->gemm_s8()->name;
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"no weights", 0, "(f32[2,3]{1 2 3 -4 0 1}, s8[1,640]{0}, f32[2]{1 2}, f32[2]{5 -6}) -> (f32[2,2]{5 -6 5 -6})", 0},
    {"residual, activation", 0, "(f32[1,3]{1 2 3}, s8[1,640]{0}, f32[2]{1 2}, f32[2]{5 -6}, f32[1,2]{1 2}; activation=\"Relu\") -> (f32[1,2]{6 2})", 0},
    {"normalised", 0, "(f32[1,3]{1 2 3}, s8[1,640]{0}, f32[2]{1 2}, f32[2]{5 -6}, f32[1,2]{1 2}, f32[2]{1 2}, f32[2]{0 1}; epsilon=0.0) -> (f32[1,2]{1 -1})", 0},
    {"no rows", 0, "(f32[0,3]{}, s8[1,640]{0}, f32[2]{1 2}) -> (f32[0,2]{})", 0},
    {"quantised result", 0, "(f32[2,3]{1 2 3}, s8[2,640]{0}, f32[32]{1}, f32[32]{-63 63}, f32[2,32]{0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63 63}) -> (f32[2,32]{-63 63 -63 63 -63 63 -63 63 -63 63 -63 63 -63 63 -63 63 -63 63 -63 63 -63 63 -63 63 -63 63 -63 63 -63 63 -63 63 0 126 0 126 0 126 0 126 0 126 0 126 0 126 0 126 0 126 0 126 0 126 0 126 0 126 0 126 0 126 0 126}, u8[2,32]{1 127}, f32[2,1]{1}, s32[2,1]{64 1})", 0},
    {"normalised, quantised result", 0, "(f32[1,3]{1 2 3}, s8[2,640]{0}, f32[32]{1}, f32[32]{-7 7}, _, f32[32]{63}; epsilon=0.0) -> (f32[1,32]{-63 63}, u8[1,32]{1 127}, f32[1,1]{1}, s32[1,1]{64})", 0},
    {"quantised result of no rows", 0, "(f32[0,3]{}, s8[2,640]{0}, f32[32]{1}) -> (f32[0,32]{}, u8[0,32]{}, f32[0,1]{}, s32[0,1]{})", 0},
    {"quantised rows", 0, "(u8[2,32]{1 127}, s8[1,640]{0}, f32[2]{1 2}, f32[2]{5 -6}, f32[2,2]{1 2 3 4}, _, _, f32[2,1]{1 2}, s32[2,1]{64 1}; activation=\"Relu\") -> (f32[2,2]{6 2 8 4})", 0},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(hasten_QuantizedLinear) = {.name = "QuantizedLinear",
                                  .domain = "hasten",
                                  .since = 1,
                                  .min_in = 3,
                                  .max_in = 9,
                                  .min_out = 1,
                                  .max_out = 4,
                                  .infer = infer,
                                  .bind = bind,
                                  .expand = expand,
                                  .summary = "linear layer on 8-bit integers, rows quantised one by one",
                                  HST_CASES(cases)};
