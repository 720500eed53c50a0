/* Einsum: the sum, over all labels that the result lacks, of the products of the operands' elements.
 *
 * The sum runs over those labels in order of their first appearance, the last innermost. Two f32 operands (f16, bf16
 * through f32) are a chain of fma; where every label is in both or in one and the result they go through the packed f32
 * product, with the same bits. Other operand counts: product from left to right, then added. f64 likewise; integers in
 * s64 that wraps. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "ops/einsum_product.h"
#include "ops/matmul.h"
#include "tensor/convert.h"

/* ---- shapes ---- */

static hst_status merge(infer_context *c, dim *to, dim d, hst_error *err) {
    if (*to == d || d == 1) return HST_STATUS_OK;
    if (*to == 1)
        *to = d;
    else if (dim_is_symbol(*to) && !dim_is_symbol(d))
        *to = d;
    else if (dim_is_symbol(*to) && dim_is_symbol(d))
        *to = dim_symbol(c->model, ""); /* either may be 1 */
    else if (!dim_is_symbol(*to) && !dim_is_symbol(d))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "one label stands for %lld and %lld", (long long)*to,
                          (long long)d);
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    int ranks[EINSUM_OPERANDS];
    einsum_equation e;
    dim label[EINSUM_LABELS];
    c->out[0].dtype = infer_in(c, 0)->dtype;
    for (int i = 0; i < c->n_in && i < EINSUM_OPERANDS; i++) {
        ranks[i] = infer_in(c, i)->rank;
        if (ranks[i] < 0) return HST_STATUS_OK;
    }
    HST_TRY(einsum_parse(c->node, ranks, c->n_in, &e, err));
    for (int l = 0; l < EINSUM_LABELS; l++) label[l] = 1;
    for (int k = 0; k < e.operands; k++)
        for (int i = 0; i < ranks[k]; i++)
            HST_TRY(merge(c, &label[e.operand[k].label[i]], infer_in(c, k)->dim[i], err));
    c->out[0].rank = e.result.rank;
    for (int i = 0; i < e.result.rank; i++) c->out[0].dim[i] = label[e.result.label[i]];
    return HST_STATUS_OK;
}

static hst_status plan_make(const eval_context *c, einsum_plan *p, hst_error *err) {
    int ranks[EINSUM_OPERANDS];
    memset(p, 0, sizeof *p);
    for (int k = 0; k < c->n_in && k < EINSUM_OPERANDS; k++) {
        p->in[k] = eval_in(c, k);
        if (!p->in[k] || p->in[k]->dtype != p->in[0]->dtype)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "operand %d is missing or of another type", k);
        ranks[k] = p->in[k]->rank;
    }
    HST_TRY(einsum_parse(c->node, ranks, c->n_in, &p->e, err));
    for (int l = 0; l < EINSUM_LABELS; l++) p->dim[l] = 1;
    for (int k = 0; k < p->e.operands; k++) {
        const hst_tensor *t = p->in[k];
        uint64_t step = 1; /* may wrap where the tensor is empty; then nothing is walked */
        for (int i = t->rank - 1; i >= 0; i--) {
            int l = p->e.operand[k].label[i];
            if (t->dim[i] != 1 && p->dim[l] != 1 && p->dim[l] != t->dim[i])
                return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "one label stands for %lld and %lld",
                                  (long long)p->dim[l], (long long)t->dim[i]);
            if (t->dim[i] != 1) {
                p->dim[l] = t->dim[i];
                p->step[k][l] += (int64_t)step;
            }
            step *= (uint64_t)t->dim[i];
        }
    }
    return HST_STATUS_OK;
}

/* ---- any operands ---- */

static bool none(const einsum_plan *p, const int *label, int n) {
    for (int i = 0; i < n; i++)
        if (p->dim[label[i]] == 0) return true;
    return false;
}

/* Steps of a run's inner loops, between two questions whether it should stop. */
typedef struct pace {
    eval_context *c;
    int64_t steps;
    hst_status status;
    hst_error *err;
} pace;

static bool go_on(pace *p) {
    if (++p->steps % 65536 == 0) p->status = p->c->runtime->check(p->c, p->err);
    return p->status == HST_STATUS_OK;
}

static double sum_f64(const einsum_plan *p, const einsum_walk *outer, pace *at) {
    einsum_walk w = einsum_walk_begin(p, p->e.sum, p->e.sums);
    double sum = 0;
    do {
        double x = tensor_get_f64(p->in[0], outer->offset[0] + w.offset[0]);
        for (int k = 1; k < p->e.operands; k++) x *= tensor_get_f64(p->in[k], outer->offset[k] + w.offset[k]);
        sum += x;
    } while (einsum_walk_next(&w) && go_on(at));
    return sum;
}

static int64_t sum_s64(const einsum_plan *p, const einsum_walk *outer, pace *at) {
    einsum_walk w = einsum_walk_begin(p, p->e.sum, p->e.sums);
    uint64_t sum = 0;
    do {
        uint64_t x = 1;
        for (int k = 0; k < p->e.operands; k++) x *= (uint64_t)tensor_get_s64(p->in[k], outer->offset[k] + w.offset[k]);
        sum += x;
    } while (einsum_walk_next(&w) && go_on(at));
    return (int64_t)sum;
}

static float get_f32(const hst_tensor *t, int64_t i) {
    float x;
    convert_to_f32(t->dtype, t->data, i, &x, 1);
    return x;
}

static float sum_f32(const einsum_plan *p, const einsum_walk *outer, pace *at) {
    einsum_walk w = einsum_walk_begin(p, p->e.sum, p->e.sums);
    float sum = 0;
    do {
        float x = get_f32(p->in[0], outer->offset[0] + w.offset[0]);
        if (p->e.operands == 2) {
            sum = fmaf(x, get_f32(p->in[1], outer->offset[1] + w.offset[1]), sum);
            continue;
        }
        for (int k = 1; k < p->e.operands; k++) x *= get_f32(p->in[k], outer->offset[k] + w.offset[k]);
        sum += x;
    } while (einsum_walk_next(&w) && go_on(at));
    return sum;
}

static hst_status eval_any(eval_context *c, const einsum_plan *p, hst_tensor *y, hst_error *err) {
    einsum_walk w = einsum_walk_begin(p, p->e.result.label, p->e.result.rank);
    bool empty = none(p, p->e.sum, p->e.sums);
    int64_t at = 0;
    pace steps = {.c = c, .err = err};
    if (tensor_count(y) == 0) return HST_STATUS_OK;
    do {
        if (!dtype_is_float(y->dtype)) {
            tensor_set_s64(y, at, empty ? 0 : sum_s64(p, &w, &steps));
        } else if (matmul_is_f32(y->dtype)) {
            float sum = empty ? 0 : sum_f32(p, &w, &steps);
            convert_from_f32(y->dtype, &sum, y->data, at, 1);
        } else {
            tensor_set_f64(y, at, empty ? 0 : sum_f64(p, &w, &steps));
        }
        at++;
    } while (einsum_walk_next(&w) && go_on(&steps));
    return steps.status;
}

static hst_status evaluate(eval_context *c, bool fast, hst_error *err) {
    einsum_plan p;
    einsum_product q;
    int64_t dims[HST_RANK_MAX];
    hst_tensor *y;
    HST_TRY(plan_make(c, &p, err));
    hst_dtype d = p.in[0]->dtype;
    if (!dtype_is_float(d) && !dtype_is_integer(d))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "operands of type %s", dtype_name(d));
    for (int i = 0; i < p.e.result.rank; i++) dims[i] = p.dim[p.e.result.label[i]];
    HST_TRY(eval_output(c, 0, d, p.e.result.rank, dims, &y, err));
    if (fast && einsum_product_make(&p, &q)) return einsum_product_run(c, &p, &q, y, err);
    return eval_any(c, &p, y, err);
}

static hst_status eval(eval_context *c, hst_error *err) {
    return evaluate(c, false, err);
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    (void)state;
    return evaluate(c, true, err);
}

static hst_status bind(bind_context *c, hst_error *err) {
    (void)err;
    if (c->n_in != 2) {
        c->why = "only products of two operands have a fast path";
        return HST_STATUS_OK;
    }
    c->run = run;
    c->kernel = kernels_get()->gemm_f32()->name;
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"matrices", 0, "(f32[2,2]{1 2 3 4}, f32[2,2]{5 6 7 8}; equation=\"ij,jk->ik\") -> (f32[2,2]{19 22 43 50})", 0},
    {"batch, transposed", 0, "(f32[2,1,2]{1 2 3 4}, f32[2,2,2]{1 0 0 1 2 0 0 2}; equation=\"bij,bkj->bki\") -> (f32[2,2,1]{1 2 6 8})", 0},
    {"trace", 0, "(f32[2,2]{1 2 3 4}; equation=\"ii\") -> (f32[]{5})", 0},
    {"diagonal", 0, "(s32[2,2]{1 2 3 4}; equation=\"ii->i\") -> (s32[2]{1 4})", 0},
    {"transpose", 0, "(f64[2,2]{1 2 3 4}; equation=\"ij->ji\") -> (f64[2,2]{1 3 2 4})", 0},
    {"ellipsis", 0, "(f32[2,1,2]{1 2 3 4}, f32[2]{10 1}; equation=\"...ij, j -> ...i\") -> (f32[2,1]{12 34})", 0},
    {"ellipsis broadcasts", 0, "(f32[2,1]{1 2}, f32[1]{10}; equation=\"...i,...i->...\") -> (f32[2]{10 20})", 0},
    {"implicit, alphabetical", 0, "(f32[1,2]{1 2}, f32[2,2]{5 6 7 8}; equation=\"kj,ji\") -> (f32[2,1]{19 22})", 0},
    {"three operands", 0, "(f32[2]{1 2}, f32[2]{3 4}, f32[2]{5 6}; equation=\"i,i,i->\") -> (f32[]{63})", 0},
    {"outer", 0, "(s64[2]{1 2}, s64[2]{3 4}; equation=\"i,j->ij\") -> (s64[2,2]{3 4 6 8})", 0},
    {"summed in one operand", 0, "(f32[2,2]{1 2 3 4}, f32[2]{1 10}; equation=\"ij,i->i\") -> (f32[2]{3 70})", 0},
    {"empty sum", 0, "(f32[2,0]{}, f32[0,2]{}; equation=\"ij,jk->ik\") -> (f32[2,2]{0})", 0},
    {"f16", 0, "(f16[1,2]{1 2}, f16[2,1]{3 4}; equation=\"ij,jk->ik\") -> (f16[1,1]{11})", 0},
    {NULL, 0, NULL, 0}};

HST_OP(Einsum) = {.name = "Einsum", .domain = "", .since = 12, .min_in = 1, .max_in = OP_ANY, .min_out = 1, .max_out = 1,
    .infer = infer, .eval = eval, .bind = bind, .summary = "sum of products by labels of axes", .gaps = "more than 16 operands", HST_CASES(cases)};
// clang-format on
