/* Two f32 operands of Einsum as a batch of matrix products: see ops/einsum_product.h. */
#include "ops/einsum_product.h"

#include <string.h>

#include "kernels/kernels.h"
#include "ops/matmul.h"
#include "tensor/convert.h"

static bool has(const einsum_plan *p, int k, int label) {
    for (int i = 0; i < p->e.operand[k].rank; i++)
        if (p->e.operand[k].label[i] == label) return p->step[k][label] != 0 || p->dim[label] == 1;
    return false;
}

static void add(const einsum_plan *p, einsum_labels *to, int label) {
    to->label[to->n++] = label;
    to->count *= p->dim[label];
}

bool einsum_product_make(const einsum_plan *p, einsum_product *q) {
    memset(q, 0, sizeof *q);
    q->batch.count = q->row.count = q->column.count = q->sum.count = 1;
    if (p->e.operands != 2 || !matmul_is_f32(p->in[0]->dtype)) return false;
    if (tensor_count(p->in[0]) == 0 || tensor_count(p->in[1]) == 0) return false;
    for (int i = 0; i < p->e.sums; i++) {
        if (!has(p, 0, p->e.sum[i]) || !has(p, 1, p->e.sum[i])) return false;
        add(p, &q->sum, p->e.sum[i]);
    }
    for (int i = 0; i < p->e.result.rank; i++) {
        const int l = p->e.result.label[i];
        const bool a = has(p, 0, l), b = has(p, 1, l);
        if (!a && !b) return false;
        add(p, a && b ? &q->batch : a ? &q->row : &q->column, l);
    }
    return true;
}

/* ---- where things lie ---- */

/* An operand or the result: element (i, r, c) of batch i, row r, column c at data[offset[i] + r * row + c * column]. */
typedef struct matrices {
    const int64_t *offset; /* [batch]; NULL: i * stride */
    int64_t stride, row, column;
    bool in_place;
} matrices;

/* The step from one combination of the labels to the next, if there is one such; 1 where there is but one combination.
 */
static bool one_step(const einsum_plan *p, const int64_t *step, const einsum_labels *l, int64_t *to) {
    int64_t next = 0;
    *to = 1;
    for (int i = l->n - 1; i >= 0; i--) {
        const int64_t n = p->dim[l->label[i]], s = step[l->label[i]];
        if (n == 1) continue;
        if (next == 0)
            *to = s;
        else if (s != next)
            return false;
        next = s * n;
    }
    return true;
}

/* The offset of each batch. */
static hst_status batch_offsets(eval_context *c, const einsum_plan *p, const int64_t *step, const einsum_labels *batch,
                                const int64_t **out, hst_error *err) {
    void *memory;
    HST_TRY(eval_scratch(c, (size_t)batch->count * sizeof(int64_t), &memory, err));
    int64_t *to = memory, index[EINSUM_LABELS] = {0}, at = 0;
    for (int64_t i = 0; i < batch->count; i++) {
        to[i] = at;
        for (int k = batch->n - 1; k >= 0; k--) {
            const int l = batch->label[k];
            at += step[l];
            if (++index[k] < p->dim[l]) break;
            at -= index[k] * step[l];
            index[k] = 0;
        }
    }
    *out = to;
    return HST_STATUS_OK;
}

/* m for labels [batch, rows, columns] by their steps. */
static hst_status find(eval_context *c, const einsum_plan *p, const int64_t *step, const einsum_labels *batch,
                       const einsum_labels *rows, const einsum_labels *columns, matrices *m, hst_error *err) {
    *m = (matrices){0};
    m->in_place = one_step(p, step, rows, &m->row) && one_step(p, step, columns, &m->column);
    if (!m->in_place || batch->count == 1) return HST_STATUS_OK;
    return batch_offsets(c, p, step, batch, &m->offset, err);
}

/* The axes [batch, rows, columns] with their steps, and those of a dense copy in that order. */
typedef struct axes {
    int n;
    int64_t dim[HST_RANK_MAX], step[HST_RANK_MAX], dense[HST_RANK_MAX];
} axes;

static axes axes_of(const einsum_plan *p, const int64_t *step, const einsum_labels *batch, const einsum_labels *rows,
                    const einsum_labels *columns) {
    const einsum_labels *all[3] = {batch, rows, columns};
    axes a = {0};
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < all[k]->n; i++) {
            a.dim[a.n] = p->dim[all[k]->label[i]];
            a.step[a.n++] = step[all[k]->label[i]];
        }
    move_strides(a.n, a.dim, a.dense);
    return a;
}

/* A dense copy of `from` in the order [batch, rows, columns]. */
static hst_status arrange(eval_context *c, const einsum_plan *p, const int64_t *step, const einsum_labels *batch,
                          const einsum_labels *rows, const einsum_labels *columns, const float **data, matrices *m,
                          hst_error *err) {
    const axes a = axes_of(p, step, batch, rows, columns);
    void *to;
    *m = (matrices){.stride = rows->count * columns->count, .row = columns->count, .column = 1, .in_place = true};
    HST_TRY(eval_scratch(c, (size_t)(batch->count * m->stride) * sizeof(float), &to, err));
    move_copy(c, sizeof(float), a.n, a.dim, to, a.dense, *data, a.step);
    *data = to;
    return HST_STATUS_OK;
}

/* ---- the product ---- */

static void label_steps(const einsum_plan *p, const hst_tensor *y, int64_t *step) {
    int64_t dense[HST_RANK_MAX];
    memset(step, 0, EINSUM_LABELS * sizeof *step);
    move_strides(y->rank, y->dim, dense);
    for (int i = 0; i < y->rank; i++) step[p->e.result.label[i]] = dense[i];
}

hst_status einsum_product_run(eval_context *c, const einsum_plan *p, const einsum_product *q, hst_tensor *y,
                              hst_error *err) {
    const float *a, *b;
    int64_t step[EINSUM_LABELS];
    matrices am, bm, ym;
    void *out = NULL;
    HST_TRY(matmul_as_f32(c, p->in[0], &a, err));
    HST_TRY(matmul_as_f32(c, p->in[1], &b, err));
    HST_TRY(find(c, p, p->step[0], &q->batch, &q->row, &q->sum, &am, err));
    if (!am.in_place || (am.column != 1 && q->sum.count > 1))
        HST_TRY(arrange(c, p, p->step[0], &q->batch, &q->row, &q->sum, &a, &am, err));
    HST_TRY(find(c, p, p->step[1], &q->batch, &q->column, &q->sum, &bm, err));
    if (!bm.in_place || (bm.row != 1 && bm.column != 1))
        HST_TRY(arrange(c, p, p->step[1], &q->batch, &q->column, &q->sum, &b, &bm, err));
    label_steps(p, y, step);
    HST_TRY(find(c, p, step, &q->batch, &q->row, &q->column, &ym, err));
    const bool write = ym.in_place && (ym.column == 1 || q->column.count == 1) && y->dtype == HST_DTYPE_F32;
    if (!write) {
        HST_TRY(eval_scratch(c, (size_t)tensor_count(y) * sizeof(float), &out, err));
        ym = (matrices){.stride = q->row.count * q->column.count, .row = q->column.count, .column = 1};
    }
    gemm_f32 g =
        gemm_f32_make(kernels_get()->gemm_f32(), q->row.count, q->column.count, q->sum.count, a, write ? y->data : out);
    g.batch = q->batch.count;
    g.lda = am.row, g.a_offset = am.offset, g.a_stride = am.stride;
    g.b = (gemm_f32_operand){b, HST_DTYPE_F32, bm.column, bm.row};
    g.b_offset = bm.offset, g.b_stride = bm.stride;
    g.ldc = ym.row, g.c_offset = ym.offset, g.c_stride = ym.stride;
    HST_TRY(matmul_gemm_run(c, &g, err));
    if (write) return HST_STATUS_OK;
    const axes to = axes_of(p, step, &q->batch, &q->row, &q->column);
    void *moved = y->data;
    if (y->dtype != HST_DTYPE_F32) HST_TRY(eval_scratch(c, (size_t)tensor_count(y) * sizeof(float), &moved, err));
    move_copy(c, sizeof(float), to.n, to.dim, moved, to.step, out, to.dense);
    if (y->dtype != HST_DTYPE_F32) convert_from_f32(y->dtype, moved, y->data, 0, tensor_count(y));
    return HST_STATUS_OK;
}
