/* BiasGelu, FastGelu (com.microsoft): Y = gelu(X + bias), the erf form and the tanh form; X [..., n], bias [n], which
 * FastGelu may leave out. */
#include <math.h>

#include "ops/elementwise.h"
#include "tensor/convert.h"

typedef struct job {
    const hst_tensor *x;
    hst_tensor *y;
    const float *bias; /* NULL: none */
    float *rows;       /* scratch of a worker where x is not f32: a row */
    int64_t count, n;
    unary f;
} job;

static double f64_of(unary f, double x) {
    if (f == UNARY_GELU) return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
    return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}

static void part(void *arg, const team_context *ctx) {
    const job *j = arg;
    int64_t begin, end, n = j->n;
    team_split(j->count, 1, ctx, &begin, &end);
    if (j->x->dtype == HST_DTYPE_F32) {
        const float *x = (const float *)j->x->data + begin * n;
        float *y = (float *)j->y->data + begin * n;
        if (j->bias) kernels_get()->bias_unary_f32(j->f, NULL, end - begin, n, x, n, j->bias, y, n);
        else kernels_get()->unary_f32(j->f, NULL, (end - begin) * n, x, y);
        return;
    }
    float *row = j->rows + ctx->worker * n;
    for (int64_t r = begin; r < end; r++) {
        if (j->x->dtype == HST_DTYPE_F64) {
            for (int64_t i = 0; i < n; i++)
                tensor_set_f64(j->y, r * n + i,
                               f64_of(j->f, tensor_get_f64(j->x, r * n + i) + (j->bias ? (double)j->bias[i] : 0)));
            continue;
        }
        convert_to_f32(j->x->dtype, j->x->data, r * n, row, n);
        if (j->bias) kernels_get()->bias_unary_f32(j->f, NULL, 1, n, row, n, j->bias, row, n);
        else kernels_get()->unary_f32(j->f, NULL, n, row, row);
        convert_from_f32(j->y->dtype, row, j->y->data, r * n, n);
    }
}

static hst_status eval(eval_context *c, hst_error *err) {
    job j = {.f = c->node->op_type[0] == 'B' ? UNARY_GELU : UNARY_GELU_TANH};
    const hst_tensor *bias = eval_in(c, 1);
    void *scratch;
    HST_TRY(eval_need(c, 0, "X", &j.x, err));
    if (!dtype_is_float(j.x->dtype)) return elementwise_bad_dtype(c->node, j.x->dtype, err);
    j.n = j.x->rank ? j.x->dim[j.x->rank - 1] : 1;
    if (bias && (tensor_count(bias) != j.n || !dtype_is_float(bias->dtype)))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "bias has %lld elements of type %s, rows have %lld",
                          (long long)tensor_count(bias), dtype_name(bias->dtype), (long long)j.n);
    HST_TRY(eval_output(c, 0, j.x->dtype, j.x->rank, j.x->dim, &j.y, err));
    if (tensor_count(j.x) == 0) return HST_STATUS_OK;
    j.count = tensor_count(j.x) / j.n;
    if (bias) {
        j.bias = bias->data;
        if (bias->dtype != HST_DTYPE_F32) {
            HST_TRY(eval_scratch(c, (size_t)j.n * 4, &scratch, err));
            convert_to_f32(bias->dtype, bias->data, 0, scratch, j.n);
            j.bias = scratch;
        }
    }
    int workers = tensor_count(j.x) < 16384 || !c->team ? 1 : team_size(c->team);
    if (j.x->dtype != HST_DTYPE_F32) {
        HST_TRY(eval_scratch(c, (size_t)workers * (size_t)j.n * 4, &scratch, err));
        j.rows = scratch;
    }
    if (workers > 1) team_run(c->team, workers, part, &j);
    else part(&j, &(team_context){.workers = 1});
    return HST_STATUS_OK;
}

static hst_status bind(bind_context *c, hst_error *err) {
    HST_TRY(elementwise_bind(c, err));
    if (c->run && c->n_in == 2) c->kernel = kernels_chosen(offsetof(kernels, bias_unary_f32))->name;
    return HST_STATUS_OK;
}

// clang-format off
static const op_case bias_cases[] = {
    {"f32", 0, "(f32[2,2]{0 -1 0.5 -2}, f32[2]{1 0}) -> (f32[2,2]{0.84134475 -0.15865525 1.39978918 -0.04550026})", 3e-7},
    {"f16", 0, "(f16[1,2]{0 -1}, f16[2]{1 0}) -> (f16[1,2]{0.8413 -0.1587})", 1e-3},
    {"f64", 0, "(f64[1]{0}, f64[1]{1}) -> (f64[1]{0.8413447460685429})", 1e-15},
    {0}};
static const op_case fast_cases[] = {
    {"bias", 0, "(f32[1,2]{0 -1}, f32[2]{1 0}) -> (f32[1,2]{0.84119199 -0.15880801})", 3e-7},
    {"no bias", 0, "(f32[2]{1 -1}) -> (f32[2]{0.84119199 -0.15880801})", 3e-7},
    {"bf16", 0, "(bf16[1]{1}) -> (bf16[1]{0.83984375})", 0},
    {0}};

HST_OP(com_microsoft_BiasGelu) = {
    .name = "BiasGelu", .domain = "com.microsoft", .since = 1, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .infer = unary_infer, .eval = eval, .bind = bind, .summary = "Gelu (erf) of a sum", HST_CASES(bias_cases)};
HST_OP(com_microsoft_FastGelu) = {
    .name = "FastGelu", .domain = "com.microsoft", .since = 1, .min_in = 1, .max_in = 2, .min_out = 1, .max_out = 1,
    .infer = unary_infer, .eval = eval, .bind = bind, .summary = "Gelu (tanh) of a sum", HST_CASES(fast_cases)};
