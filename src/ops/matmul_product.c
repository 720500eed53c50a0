/* One matrix product over tensors: see ops/matmul.h. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "ops/matmul.h"
#include "tensor/convert.h"

enum { MACS_PER_WORKER = 1 << 15 }; /* waking a worker costs about as much as this */

bool matmul_is_f32(hst_dtype d) {
    return d == HST_DTYPE_F32 || d == HST_DTYPE_F16 || d == HST_DTYPE_BF16;
}

/* ---- f32 ---- */

/* NULL: no memory, err is set. */
static void *scratch_array(eval_context *c, size_t count, size_t size, hst_error *err) {
    size_t bytes;
    void *memory = NULL;
    if (!size_mul(count, size, &bytes))
        error_no_memory(err, SIZE_MAX, "a matrix product");
    else if (eval_scratch(c, bytes, &memory, err) != HST_STATUS_OK)
        memory = NULL;
    return memory;
}

hst_status matmul_as_f32(eval_context *c, const hst_tensor *t, const float **out, hst_error *err) {
    if (t->dtype == HST_DTYPE_F32 && (uintptr_t)t->data % sizeof(float) == 0) {
        *out = t->data;
        return HST_STATUS_OK;
    }
    const int64_t n = tensor_count(t);
    float *to = scratch_array(c, (size_t)n, sizeof(float), err);
    if (!to) return HST_STATUS_NO_MEMORY;
    convert_to_f32(t->dtype, t->data, 0, to, n);
    *out = to;
    return HST_STATUS_OK;
}

static void transpose(const float *from, int64_t matrices, int64_t rows, int64_t columns, float *to) {
    for (int64_t i = 0; i < matrices; i++, from += rows * columns, to += rows * columns)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t j = 0; j < columns; j++) to[j * rows + r] = from[r * columns + j];
}

static hst_status left_operand(eval_context *c, const matmul_product *p, const matmul_shape *s, const float **out,
                               hst_error *err) {
    HST_TRY(matmul_as_f32(c, p->a, out, err));
    if (!p->transpose_a || p->a->rank < 2 || s->m == 1 || s->k == 1) return HST_STATUS_OK;
    const int64_t count = tensor_count(p->a);
    float *to = scratch_array(c, (size_t)count, sizeof(float), err);
    if (!to) return HST_STATUS_NO_MEMORY;
    if (count) transpose(*out, count / (s->m * s->k), s->k, s->m, to);
    *out = to;
    return HST_STATUS_OK;
}

/* A product that takes longer is cut into more parts than there are workers: between two a run may stop. */
#define MACS_AT_ONCE  ((double)(INT64_C(1) << 35))
#define STEPS_AT_ONCE (INT64_C(1) << 22) /* of the plain loops below */

typedef struct job {
    eval_context *c;
    gemm_f32 g;
    float *scratch;
    int64_t parts, each; /* floats of a worker's scratch */
    matmul_rows rows;
} job;

static void work(void *arg, const team_context *ctx) {
    const job *j = arg;
    for (int64_t part; (part = team_next(ctx, 0, j->parts)) >= 0;)
        if (part == 0 || j->c->runtime->check(j->c, NULL) == HST_STATUS_OK)
            gemm_f32_part(&j->g, part, j->parts, j->scratch + ctx->worker * j->each);
    if (matmul_rows_any(&j->rows)) matmul_rows_finish(&j->rows, j->g.n, j->g.m, j->g.c, ctx);
}

static hst_status run_job(eval_context *c, job *j, hst_error *err) {
    const double macs = (double)j->g.m * (double)j->g.n * (double)j->g.k * (double)j->g.batch;
    const int workers = team_workers(c->team, macs, MACS_PER_WORKER);
    float none[1]; /* where no scratch is needed: kernels add 0 to it, which NULL would not bear */
    j->scratch = none;
    j->each = (gemm_f32_scratch(&j->g) + 15) / 16 * 16;
    if (j->each && !(j->scratch = scratch_array(c, (size_t)workers * (size_t)j->each, sizeof(float), err)))
        return HST_STATUS_NO_MEMORY;
    const double cuts = macs / MACS_AT_ONCE;
    j->c = c;
    j->parts = gemm_f32_parts(&j->g, cuts > workers ? cuts < 4096 ? (int)cuts : 4096 : workers);
    team_run(c->team, workers, work, j);
    return c->runtime->check(c, err); /* parts may be left out */
}

hst_status matmul_gemm_run(eval_context *c, const gemm_f32 *g, hst_error *err) {
    job j = {.g = *g};
    c->macs += (uint64_t)g->batch * (uint64_t)g->m * (uint64_t)g->n * (uint64_t)g->k;
    return run_job(c, &j, err);
}

/* Where the operands of each batch begin; one matrix on the right: all batches are rows of one product. */
static hst_status set_batches(eval_context *c, const matmul_product *p, const matmul_shape *s, gemm_f32 *g,
                              hst_error *err) {
    if (p->b->rank <= 2) {
        g->m = s->m * s->batches;
        return HST_STATUS_OK;
    }
    int64_t *at = scratch_array(c, (size_t)s->batches, 2 * sizeof(int64_t), err);
    if (!at) return HST_STATUS_NO_MEMORY;
    g->batch = s->batches;
    for (int64_t i = 0; i < s->batches; i++) {
        matmul_shape_batch(s, i, &at[i], &at[s->batches + i]);
        at[i] *= s->m * s->k;
        at[s->batches + i] *= s->k * s->n;
    }
    g->a_offset = at;
    g->b_offset = at + s->batches;
    return HST_STATUS_OK;
}

hst_status matmul_product_f32(eval_context *c, const matmul_product *p, const matmul_shape *s, float *to,
                              hst_error *err) {
    if (s->m == 0 || s->n == 0 || s->batches == 0) return HST_STATUS_OK;
    const float *a;
    HST_TRY(left_operand(c, p, s, &a, err));
    const matmul_weights *w = p->weights && p->weights->k == s->k && p->weights->n == s->n ? p->weights : NULL;
    job j = {.g = gemm_f32_make(w ? w->family : kernels_get()->gemm_f32(), s->m, s->n, s->k, a, to)};
    HST_TRY(set_batches(c, p, s, &j.g, err));
    if (w && j.g.batch == 1) {
        j.g.packed = w->data;
        j.g.packed_dtype = w->dtype;
    }
    j.g.b = matmul_operand(p->b, p->transpose_b && p->b->rank > 1, s->k, s->n);
    j.g.scale = p->alpha;
    j.g.bias = p->bias;
    if (p->activation && p->activation->function != UNARY_COPY) {
        j.g.activate = kernels_get()->unary_f32;
        j.g.function = p->activation->function;
        j.g.parameters = p->activation->parameter;
    }
    if (p->rows) j.rows = *p->rows;
    *(j.rows.norm.gamma ? &j.rows.residual : &j.g.residual) = p->residual;
    c->macs += (uint64_t)s->batches * (uint64_t)s->m * (uint64_t)s->n * (uint64_t)s->k;
    return run_job(c, &j, err);
}

/* ---- the other types ---- */

static hst_status pace(eval_context *c, int64_t *steps, int64_t more, hst_error *err) {
    if ((*steps += more) < STEPS_AT_ONCE) return HST_STATUS_OK;
    *steps = 0;
    return c->runtime->check(c, err);
}

/* C[i,j] of f64 or s64 copies of the operands; integers wrap round. */
static hst_status multiply_f64(eval_context *e, const matmul_shape *s, const double *a, const double *b, double alpha,
                               double *c, hst_error *err) {
    int64_t steps = 0;
    for (int64_t i = 0; i < s->m; i++)
        for (int64_t j = 0; j < s->n; j++) {
            HST_TRY(pace(e, &steps, s->k, err));
            double acc = 0;
            for (int64_t k = 0; k < s->k; k++) acc = fma(a[i * s->k + k], b[k * s->n + j], acc);
            c[i * s->n + j] = alpha == 1 ? acc : alpha * acc;
        }
    return HST_STATUS_OK;
}

static hst_status multiply_u64(eval_context *e, const matmul_shape *s, const uint64_t *a, const uint64_t *b,
                               uint64_t *c, hst_error *err) {
    int64_t steps = 0;
    for (int64_t i = 0; i < s->m; i++)
        for (int64_t j = 0; j < s->n; j++) {
            HST_TRY(pace(e, &steps, s->k, err));
            uint64_t acc = 0;
            for (int64_t k = 0; k < s->k; k++) acc += a[i * s->k + k] * b[k * s->n + j];
            c[i * s->n + j] = acc;
        }
    return HST_STATUS_OK;
}

/* A tensor's elements as 8-byte ones, each matrix of it transposed where asked. */
static uint64_t *wide(eval_context *c, const hst_tensor *t, bool transposed, hst_error *err) {
    const int64_t n = tensor_count(t);
    const bool move = transposed && t->rank > 1 && n;
    uint64_t *x = scratch_array(c, (size_t)n, 8, err), *y = move ? scratch_array(c, (size_t)n, 8, err) : x;
    if (!x || !y) return NULL;
    if (dtype_is_float(t->dtype))
        convert_to_f64(t->dtype, t->data, 0, (double *)x, n);
    else
        convert_to_s64(t->dtype, t->data, 0, (int64_t *)x, n);
    if (!move) return x;
    const int64_t rows = t->dim[t->rank - 2], columns = t->dim[t->rank - 1];
    for (int64_t i = 0; i < n; i++) {
        const int64_t m = i / (rows * columns), r = i / columns % rows, j = i % columns;
        y[m * rows * columns + j * rows + r] = x[i];
    }
    return y;
}

static hst_status multiply_wide(eval_context *c, const matmul_product *p, const matmul_shape *s, hst_tensor *y,
                                hst_error *err) {
    const bool is_float = dtype_is_float(y->dtype);
    const int64_t n = tensor_count(y);
    uint64_t *a = wide(c, p->a, p->transpose_a, err), *b = a ? wide(c, p->b, p->transpose_b, err) : NULL;
    uint64_t *r = b ? scratch_array(c, (size_t)n, 8, err) : NULL;
    if (!r) return HST_STATUS_NO_MEMORY;
    for (int64_t i = 0; n && i < s->batches; i++) {
        int64_t ia, ib;
        matmul_shape_batch(s, i, &ia, &ib);
        const uint64_t *ai = a + ia * s->m * s->k, *bi = b + ib * s->k * s->n;
        if (is_float)
            HST_TRY(multiply_f64(c, s, (const double *)ai, (const double *)bi, p->alpha, (double *)r + i * s->m * s->n,
                                 err));
        else
            HST_TRY(multiply_u64(c, s, ai, bi, r + i * s->m * s->n, err));
        HST_TRY(c->runtime->check(c, err));
    }
    if (is_float)
        convert_from_f64(y->dtype, (double *)r, y->data, 0, n);
    else
        convert_from_s64(y->dtype, (int64_t *)r, y->data, 0, n);
    return HST_STATUS_OK;
}

/* ---- the node ---- */

static void swap_last(int rank, int64_t *dim) {
    if (rank < 2) return;
    const int64_t t = dim[rank - 1];
    dim[rank - 1] = dim[rank - 2];
    dim[rank - 2] = t;
}

hst_status matmul_product_shape(const node *n, const matmul_product *p, matmul_shape *s, hst_error *err) {
    int64_t a[HST_RANK_MAX], b[HST_RANK_MAX];
    memcpy(a, p->a->dim, sizeof a);
    memcpy(b, p->b->dim, sizeof b);
    if (p->transpose_a) swap_last(p->a->rank, a);
    if (p->transpose_b) swap_last(p->b->rank, b);
    hst_status status = matmul_shape_make(p->a->rank, a, p->b->rank, b, s, err);
    char label[160];
    return status == HST_STATUS_OK ? status : error_prefix(err, status, "%s", node_label(n, label, sizeof label));
}

hst_status matmul_product_run(eval_context *c, const matmul_product *p, hst_error *err) {
    const hst_dtype d = p->a->dtype;
    if (d != p->b->dtype || !(dtype_is_float(d) || dtype_is_integer(d)))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "cannot multiply %s with %s", dtype_name(d),
                          dtype_name(p->b->dtype));
    matmul_shape s;
    hst_tensor *y;
    HST_TRY(matmul_product_shape(c->node, p, &s, err));
    HST_TRY(eval_output(c, 0, d, s.rank, s.dim, &y, err));
    if (d == HST_DTYPE_F32) return matmul_product_f32(c, p, &s, y->data, err);
    if (!matmul_is_f32(d)) return multiply_wide(c, p, &s, y, err);
    const int64_t n = tensor_count(y);
    float *to = scratch_array(c, (size_t)n, sizeof(float), err);
    if (!to) return HST_STATUS_NO_MEMORY;
    HST_TRY(matmul_product_f32(c, p, &s, to, err));
    convert_from_f32(d, to, y->data, 0, n);
    return HST_STATUS_OK;
}
