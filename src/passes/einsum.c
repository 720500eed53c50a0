/* An Einsum of rows with a constant, "ibh,hnd->ibnd" (the projections of XLNet, Funnel, T5X), becomes the MatMul that
 * it is: the constant as a matrix [summed, columns], the rows and the result reshaped where several of their axes are
 * summed or made. So it is packed once, fused and quantised like any linear layer. The sum has the same order. */
#include <string.h>

#include "graph/einsum_equation.h"
#include "passes/match.h"
#include "passes/pass.h"

typedef struct layer {
    value *x;            /* [rows, summed] */
    const hst_tensor *w; /* any order of summed and columns */
    int rows, sums, columns;
    int64_t k, n;
    int axis[HST_RANK_MAX]; /* of w: those summed, in order, then the columns' */
} layer;

static int axis_of(const einsum_term *t, int label) {
    for (int i = 0; i < t->rank; i++)
        if (t->label[i] == label) return i;
    return -1;
}

static bool repeats(const einsum_term *t) {
    for (int i = 0; i < t->rank; i++)
        if (axis_of(t, t->label[i]) != i) return true;
    return false;
}

/* x's axes are rows, as the result begins, then what is summed, in the order of the sum, as long as in w. */
static bool read_rows(const einsum_equation *e, const einsum_term *x, const einsum_term *w, layer *l) {
    l->sums = e->sums;
    l->rows = x->rank - e->sums;
    if (l->sums < 1 || l->rows < 1 || l->rows > e->result.rank || x->rank + e->result.rank > HST_RANK_MAX) return false;
    for (int i = 0; i < l->rows; i++)
        if (e->result.label[i] != x->label[i] || axis_of(w, x->label[i]) >= 0) return false;
    for (int i = 0; i < l->sums; i++) {
        const int label = x->label[l->rows + i], axis = axis_of(w, label);
        if (label != e->sum[i] || axis < 0 || l->w->dim[axis] != l->x->type.dim[l->rows + i]) return false;
        l->axis[i] = axis;
        l->k *= l->w->dim[axis];
    }
    return true;
}

/* The result's other axes are w's. */
static bool read_columns(const einsum_equation *e, const einsum_term *w, layer *l) {
    l->columns = e->result.rank - l->rows;
    if (l->sums + l->columns != w->rank) return false;
    for (int i = 0; i < l->columns; i++) {
        const int axis = axis_of(w, e->result.label[l->rows + i]);
        if (axis < 0) return false;
        l->axis[l->sums + i] = axis;
        l->n *= l->w->dim[axis];
    }
    return true;
}

static bool read_layer(const graph *g, const node *n, layer *l) {
    einsum_equation e;
    int ranks[2];
    if (!node_is(n, "", "Einsum") || n->n_in != 2 || !n->in[0] || !n->in[1] || !n->out[0]) return false;
    const int x = match_constant(n->in[0]) ? 1 : 0;
    *l = (layer){.x = n->in[x], .w = match_constant(n->in[!x]), .k = 1, .n = 1};
    if (!l->w || match_constant(l->x) || l->x->graph != g || l->w->dtype != HST_DTYPE_F32 || tensor_count(l->w) == 0 ||
        l->x->type.dtype != HST_DTYPE_F32 || l->x->type.rank < 2)
        return false;
    ranks[x] = l->x->type.rank;
    ranks[!x] = l->w->rank;
    if (einsum_parse(n, ranks, 2, &e, NULL) != HST_STATUS_OK || repeats(&e.operand[0]) || repeats(&e.operand[1]))
        return false;
    return read_rows(&e, &e.operand[x], &e.operand[!x], l) && read_columns(&e, &e.operand[!x], l);
}

/* The constant as [k, n]. NULL: no memory. */
static hst_tensor *matrix(const layer *l, const hst_allocator *a) {
    const int64_t dims[2] = {l->k, l->n};
    int64_t step[HST_RANK_MAX], index[HST_RANK_MAX] = {0}, at = 0, s = 1;
    hst_tensor *t;
    if (tensor_new(HST_DTYPE_F32, 2, dims, a, &t, NULL) != HST_STATUS_OK) return NULL;
    for (int i = l->w->rank - 1; i >= 0; s *= l->w->dim[i--]) step[i] = s;
    for (int64_t i = 0; i < l->k * l->n; i++) {
        memcpy((float *)t->data + i, (const char *)l->w->data + at * (int64_t)sizeof(float), sizeof(float));
        for (int k = l->w->rank - 1; k >= 0; k--) {
            const int axis = l->axis[k];
            at += step[axis];
            if (++index[k] < l->w->dim[axis]) break;
            at -= index[k] * step[axis];
            index[k] = 0;
        }
    }
    return t;
}

/* Reshape: the first `rows` axes stay, the others become dims[0 … count). NULL: no memory. */
static value *reshape(patch *p, graph *g, value *x, int rows, const int64_t *dims, int count, const type *t) {
    const int64_t rank = rows + count;
    hst_tensor *shape;
    if (tensor_new(HST_DTYPE_S64, 1, &rank, arena_allocator(g->model->arena), &shape, NULL) != HST_STATUS_OK)
        return NULL;
    for (int i = 0; i < rank; i++) tensor_set_s64(shape, i, i < rows ? 0 : dims[i - rows]);
    value *out = patch_value(p, t);
    patch_node(p, "", "Reshape", 14, (value *const[]){x, patch_constant(p, "", shape)}, 2, &out, 1);
    return out;
}

static hst_status make_product(graph *g, node *n, bool *changed, hst_error *err) {
    layer l;
    int64_t dims[HST_RANK_MAX];
    if (!read_layer(g, n, &l)) return HST_STATUS_OK;
    patch *p = patch_new(g, n);
    hst_tensor *w = p ? matrix(&l, arena_allocator(g->model->arena)) : NULL;
    if (!w) return patch_fail(p, err);
    type narrow = l.x->type, wide = l.x->type;
    narrow.rank = wide.rank = l.rows + 1;
    narrow.dim[l.rows] = l.k;
    wide.dim[l.rows] = l.n;
    value *x = l.sums == 1 ? l.x : reshape(p, g, l.x, l.rows, &l.k, 1, &narrow);
    if (!x) {
        tensor_free(w);
        return patch_fail(p, err);
    }
    value *out = patch_value(p, l.columns == 1 ? &n->out[0]->type : &wide);
    patch_node(p, "", "MatMul", 13, (value *const[]){x, patch_constant(p, "", w)}, 2, &out, 1);
    for (int i = 0; i < l.columns; i++) dims[i] = l.w->dim[l.axis[l.sums + i]];
    if (l.columns != 1) out = reshape(p, g, out, l.rows, dims, l.columns, &n->out[0]->type);
    if (!out) return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

HST_PASS(einsum) = {.name = "einsum",
                    .order = 25,
                    .node = make_product,
                    .anchor = "Einsum",
                    .summary = "made MatMul of an Einsum with a constant"};
