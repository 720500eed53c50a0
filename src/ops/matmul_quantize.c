/* Quantising the constant weights of a linear layer: panels as kernels/gemm_s8 reads them, made by the team. */
#include <math.h>

#include "base/checked.h"
#include "ops/matmul.h"
#include "tensor/convert.h"

/* Smaller layers stay in f32: classification heads, where no time is spent and answers are decided. */
enum { COLUMNS_LEAST = 32, ROWS_LEAST = 32 };

typedef struct job {
    int64_t k, n, row, column;
    const float *data;      /* f32 */
    int8_t *to;             /* panels */
    float *scale;           /* 16 a panel */
    double *lost, *squares; /* one a panel */
} job;

static void pack_panels(void *arg, const team_context *ctx) {
    const job *j = arg;
    const int64_t bytes = gemm_s8_panel_bytes(j->k);
    int64_t begin, end;
    team_split(gemm_s8_panels(j->n), 1, ctx, &begin, &end);
    for (int64_t p = begin; p < end; p++)
        j->lost[p] = gemm_s8_pack(j->data, j->row, j->column, j->k, j->n, p, p + 1, j->to + p * bytes,
                                  j->scale + p * GEMM_S8_NR, &j->squares[p]);
}

/* The norm of what was lost, relative to that of the weights. */
static float relative_error(const job *j) {
    double lost = 0, squares = 0;
    for (int64_t p = 0; p < gemm_s8_panels(j->n); p++) lost += j->lost[p], squares += j->squares[p];
    return isnan(lost) ? NAN : squares > 0 ? (float)sqrt(lost / squares) : 0.0f;
}

/* Fills c->weights and c->scale from w. `memory` holds two sums and 16 scales a panel, then w as f32 where it is not.
 */
static void quantize(quantize_context *c, const hst_tensor *w, job *j, void *memory, bool widen, float alpha) {
    const int64_t panels = gemm_s8_panels(j->n);
    j->lost = memory;
    j->squares = j->lost + panels;
    j->scale = (float *)(j->squares + panels);
    float *wide = j->scale + panels * GEMM_S8_NR;
    if (widen) convert_to_f32(w->dtype, w->data, 0, wide, tensor_count(w));
    j->data = widen ? wide : w->data;
    j->to = c->weights->data;
    team_run(team_default(), 0, pack_panels, j);
    c->error = relative_error(j);
    for (int64_t i = 0; i < j->n; i++) ((float *)c->scale->data)[i] = j->scale[i] * alpha;
}

hst_status matmul_quantize(quantize_context *c, hst_error *err) {
    const node *n = c->node;
    const bool transposed = node_int(n, "transB", 0) != 0;
    const hst_tensor *w = n->in[1]->is_input ? NULL : n->in[1]->constant;
    if (node_attribute(n, "columns") || !w || w->rank != 2 || !matmul_is_f32(w->dtype)) return HST_STATUS_OK;
    job j = {.k = w->dim[transposed], .n = w->dim[!transposed]};
    if (j.k < ROWS_LEAST || j.k > GEMM_S8_K_MAX || j.n < COLUMNS_LEAST) return HST_STATUS_OK;
    j.row = transposed ? 1 : j.n;
    j.column = transposed ? j.k : 1;
    const bool widen = w->dtype != HST_DTYPE_F32 || (uintptr_t)w->data % sizeof(float) != 0;
    const int64_t panels = gemm_s8_panels(j.n), dims[2] = {panels, gemm_s8_panel_bytes(j.k)};
    size_t wide = 0, bytes, each = 2 * sizeof(double) + GEMM_S8_NR * sizeof(float);
    if (!size_mul((size_t)panels, each, &bytes) ||
        (widen && !size_mul((size_t)tensor_count(w), sizeof(float), &wide)) || !size_add(bytes, wide, &bytes))
        return error_no_memory(err, SIZE_MAX, "quantised weights");
    void *memory = NULL;
    hst_status status = tensor_new(HST_DTYPE_S8, 2, dims, c->allocator, &c->weights, err);
    if (status == HST_STATUS_OK) status = tensor_new(HST_DTYPE_F32, 1, &j.n, c->allocator, &c->scale, err);
    if (status == HST_STATUS_OK && !(memory = memory_alloc(c->allocator, bytes, MEMORY_ALIGN)))
        status = error_no_memory(err, bytes, "quantised weights");
    if (status == HST_STATUS_OK) {
        quantize(c, w, &j, memory, widen, node_float(n, "alpha", 1));
        memory_free(c->allocator, memory, bytes);
        return HST_STATUS_OK;
    }
    tensor_free(c->weights);
    tensor_free(c->scale);
    c->weights = c->scale = NULL;
    return status;
}
