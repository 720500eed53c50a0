/* What is done with whole rows of a product in the region that computes it: LayerNormalization, and rounding to the 7
 * bits that the next hasten.QuantizedLinear multiplies. See ops/matmul.h. */
#include <string.h>

#include "ops/matmul.h"

enum { CHUNK = 4096 }; /* elements normalised before they are quantised: they stay in the first level cache */

/* ---- at a run ---- */

/* Rows [row, end): y = norm(y + residual), then quantised. */
static void finish(const matmul_rows *f, int64_t n, int64_t row, int64_t end, float *y) {
    const norm_rows norm = {.x = y + row * n,
                            .y = y + row * n,
                            .residual = f->residual ? f->residual + row * n : NULL,
                            .gamma = f->norm.gamma,
                            .beta = f->norm.beta,
                            .rows = end - row,
                            .n = n,
                            .epsilon = f->norm.epsilon};
    if (norm.gamma) kernels_get()->norm_f32(&norm);
    if (f->quantize) f->quantize(end - row, n, y + row * n, n, f->q + row * n, n, f->zero + row, f->scale + row);
}

void matmul_rows_finish(const matmul_rows *f, int64_t n, int64_t m, float *y, const team_context *ctx) {
    int64_t row, end;
    team_barrier(ctx);
    team_split(m, 1, ctx, &row, &end); /* mostly rows that this worker has computed */
    const int64_t some = f->quantize && f->norm.gamma ? (CHUNK + n - 1) / n : end - row;
    for (; row < end; row += some) finish(f, n, row, end - row < some ? end : row + some, y);
}

/* ---- quantised rows as outputs ---- */

static bool gives(const node *n, int i) {
    return i < n->n_out && n->out[i];
}

/* *wanted where rows of so many columns, one at least, are to be given quantised (columns -1: not known). */
static hst_status check_outputs(const node *n, int64_t columns, bool *wanted, hst_error *err) {
    *wanted = gives(n, 1) || gives(n, 2) || gives(n, 3);
    if (!*wanted) return HST_STATUS_OK;
    if (!gives(n, 1) || !gives(n, 2) || !gives(n, 3))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "gives quantised rows as three outputs, or none of them");
    if (columns == 0 || (columns > 0 && columns % GEMM_S8_K))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "cannot give rows of %lld columns quantised, no multiple of %d",
                          (long long)columns, GEMM_S8_K);
    return HST_STATUS_OK;
}

hst_status matmul_quantised_infer(infer_context *c, hst_error *err) {
    const hst_dtype dtype[4] = {HST_DTYPE_F32, HST_DTYPE_U8, HST_DTYPE_F32, HST_DTYPE_S32};
    const type *y = &c->out[0];
    const int rank = y->rank;
    const bool known = rank > 0 && !dim_is_symbol(y->dim[rank - 1]);
    bool wanted;
    HST_TRY(check_outputs(c->node, known ? y->dim[rank - 1] : -1, &wanted, err));
    if (!wanted) return HST_STATUS_OK;
    for (int i = 1; i < 4; i++) {
        c->out[i].dtype = dtype[i];
        c->out[i].rank = rank;
        if (rank < 1) continue;
        memcpy(c->out[i].dim, y->dim, (size_t)rank * sizeof y->dim[0]);
        if (i > 1) c->out[i].dim[rank - 1] = 1;
    }
    return HST_STATUS_OK;
}

static value *reduced(expansion *e, const char *op_type, const char *with, value *x) {
    value *axis = expand_ints(e, (int64_t[]){-1}, 1);
    return expand_binary(e, with, expand_binary(e, op_type, x, axis), expand_scalar(e, HST_DTYPE_F32, 0));
}

quantised_rows matmul_quantize_expand(expansion *e, value *x) {
    const hst_dtype f = HST_DTYPE_F32;
    value *low = reduced(e, "ReduceMin", "Min", x), *high = reduced(e, "ReduceMax", "Max", x);
    value *range = expand_binary(e, "Sub", high, low), *levels = expand_scalar(e, f, 126);
    value *rest = expand_binary(e, "Sub", range, range); /* NaN where the row is not finite */
    value *scale = expand_binary(e, "Add", expand_binary(e, "Div", range, levels), rest);
    value *some = expand_binary(e, "GreaterOrEqual", range, expand_scalar(e, f, (double)1e-30f));
    value *zero = expand_scalar(e, f, 0);
    value *inv = expand_node(e, "Where", (value *const[]){some, expand_binary(e, "Div", levels, range), zero}, 3);
    value *z = expand_unary(e, "Round", expand_binary(e, "Mul", expand_unary(e, "Neg", low), inv));
    value *q = expand_binary(e, "Add", expand_unary(e, "Round", expand_binary(e, "Mul", x, inv)), z);
    q = expand_binary(e, "Min", expand_binary(e, "Max", q, zero), levels);
    return (quantised_rows){q, z, scale};
}

void matmul_quantised_expand(expansion *e, value *x, value **out) {
    if (!gives(e->node, 1)) return;
    const quantised_rows r = matmul_quantize_expand(e, x);
    value *one = expand_scalar(e, HST_DTYPE_F32, 1);
    out[1] = expand_cast(e, expand_binary(e, "Add", r.q, one), HST_DTYPE_U8);
    out[2] = r.scale;
    out[3] = expand_cast(e, expand_binary(e, "Add", r.z, one), HST_DTYPE_S32);
}

hst_status matmul_quantised_outputs(eval_context *c, int rank, const int64_t *dims, matmul_rows *f, hst_error *err) {
    int64_t one[HST_RANK_MAX];
    hst_tensor *q, *scale, *zero;
    bool wanted;
    HST_TRY(check_outputs(c->node, dims[rank - 1], &wanted, err));
    if (!wanted) return HST_STATUS_OK;
    memcpy(one, dims, (size_t)rank * sizeof one[0]);
    one[rank - 1] = 1;
    HST_TRY(eval_output(c, 1, HST_DTYPE_U8, rank, dims, &q, err));
    HST_TRY(eval_output(c, 2, HST_DTYPE_F32, rank, one, &scale, err));
    HST_TRY(eval_output(c, 3, HST_DTYPE_S32, rank, one, &zero, err));
    f->quantize = kernels_get()->gemm_s8_quantize;
    f->q = q->data;
    f->scale = scale->data;
    f->zero = zero->data;
    return HST_STATUS_OK;
}
