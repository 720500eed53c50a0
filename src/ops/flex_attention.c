/* FlexAttention (ai.onnx.preview): Q [B, Hq, L, E], K [B, H, S, E], V [B, H, S, Ev] -> Y [B, Hq, L, Ev]
 *   scores = Q K^T scale; score_mod(scores); p = softmax(scores); prob_mod(p); Y = p V
 * where Hq / H query heads share a key/value head; the two graphs see scores and p as tensors of softmax_precision.
 * Computed in f64 between these roundings. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "ops/carry.h"
#include "tensor/convert.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *q = infer_in(c, 0), *v = infer_in(c, 2);
    (void)err;
    c->out[0] = *q;
    if (q->rank == 4) c->out[0].dim[3] = v->rank == 4 ? v->dim[3] : dim_symbol(c->model, "");
    static const char *const names[] = {"score_mod", "prob_mod"};
    for (int k = 0; k < 2; k++) {
        graph *g = node_graph(c->node, names[k]);
        if (g) HST_TRY(graph_infer(g, err));
    }
    return HST_STATUS_OK;
}

typedef struct args {
    int64_t batch, heads, group, rows, keys, e, ev; /* heads: of Q; rows: L; keys: S */
    hst_dtype precision;
    double scale;
} args;

static hst_status read_args(const eval_context *c, const hst_tensor *q, const hst_tensor *k, const hst_tensor *v,
                            args *a, hst_error *err) {
    const node *n = c->node;
    bool fits = q->rank == 4 && k->rank == 4 && v->rank == 4 && q->dim[0] == k->dim[0] && q->dim[0] == v->dim[0] &&
                q->dim[3] == k->dim[3] && k->dim[1] == v->dim[1] && k->dim[2] == v->dim[2] && k->dim[1] > 0 &&
                q->dim[1] % k->dim[1] == 0;
    if (!fits)
        return node_error(n, err, HST_STATUS_BAD_SHAPE,
                          "Q [B, Hq, L, E], K [B, H, S, E] and V [B, H, S, Ev] do not fit (Hq a multiple of H)");
    if (!dtype_is_float(q->dtype))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "is not defined for %s", dtype_name(q->dtype));
    *a = (args){q->dim[0],
                q->dim[1],
                q->dim[1] / k->dim[1],
                q->dim[2],
                k->dim[2],
                k->dim[3],
                v->dim[3],
                q->dtype == HST_DTYPE_F64 ? HST_DTYPE_F64 : HST_DTYPE_F32,
                0};
    HST_TRY(carry_dtype(n, "softmax_precision", a->precision, &a->precision, err));
    a->scale = (double)node_float(n, "scale", (float)(1 / sqrt((double)a->e)));
    return dtype_is_float(a->precision)
               ? HST_STATUS_OK
               : node_error(n, err, HST_STATUS_BAD_FORMAT, "softmax_precision is %s", dtype_name(a->precision));
}

/* x [B, Hq, L, S] through the node's graph of that name, and through the rounding to `precision`. */
static hst_status modify(eval_context *c, const args *a, const char *name, const int64_t *dims, double *x,
                         hst_tensor *rounded, hst_error *err) {
    graph *g = node_graph(c->node, name);
    int64_t n = tensor_count(rounded);
    const hst_tensor *in = rounded;
    hst_tensor *out = NULL;
    convert_from_f64(a->precision, x, rounded->data, 0, n);
    if (g) {
        if (g->n_inputs != 1 || g->n_outputs != 1)
            return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "%s has %d inputs and %d outputs, not one each",
                              name, g->n_inputs, g->n_outputs);
        HST_TRY(c->runtime->subgraph(c, g, &in, 1, &out, 1, err));
        if (out->dtype != a->precision || out->rank != 4 || memcmp(out->dim, dims, 4 * sizeof *dims) != 0) {
            tensor_free(out);
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%s changes the shape or the type", name);
        }
        in = out;
    }
    convert_to_f64(a->precision, in->data, 0, x, n);
    tensor_free(out);
    return HST_STATUS_OK;
}

static void softmax(double *x, int64_t n) {
    double most = -(double)INFINITY, sum = 0;
    for (int64_t k = 0; k < n; k++) most = x[k] > most ? x[k] : most;
    for (int64_t k = 0; k < n; k++) sum += x[k] = exp(x[k] - most);
    for (int64_t k = 0; k < n; k++) x[k] /= sum;
}

/* Sets scores (v NULL), or y from probabilities. */
static hst_status product(eval_context *c, const args *a, const double *q, const double *k, const double *v, double *s,
                          double *y, hst_error *err) {
    for (int64_t h = 0; h < a->batch * a->heads; h++) {
        int64_t kv = h / a->group * a->keys; /* B * H in order, as Hq = H * group */
        for (int64_t r = 0; r < a->rows; r++) {
            double *row = s + (h * a->rows + r) * a->keys;
            HST_TRY(c->runtime->check(c, err));
            for (int64_t j = 0; j < a->keys && !v; j++) {
                const double *x = q + (h * a->rows + r) * a->e, *z = k + (kv + j) * a->e;
                double sum = 0;
                for (int64_t i = 0; i < a->e; i++) sum += x[i] * z[i];
                row[j] = sum * a->scale;
            }
            double *to = v ? y + (h * a->rows + r) * a->ev : NULL;
            if (to && a->ev) memset(to, 0, (size_t)a->ev * sizeof *to);
            for (int64_t j = 0; j < a->keys && v; j++)
                for (int64_t i = 0; i < a->ev; i++) to[i] += row[j] * v[(kv + j) * a->ev + i];
        }
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *t[3];
    const double *x[3];
    static const char *const names[] = {"Q", "K", "V"};
    args a;
    carry y;
    size_t bytes;
    void *s, *data;
    for (int i = 0; i < 3; i++) HST_TRY(eval_need(c, i, names[i], &t[i], err));
    HST_TRY(read_args(c, t[0], t[1], t[2], &a, err));
    for (int i = 0; i < 3; i++) HST_TRY(carry_in(c, t[i], names[i], &x[i], err));
    int64_t dims[4] = {a.batch, a.heads, a.rows, a.keys}, y_dims[4] = {a.batch, a.heads, a.rows, a.ev};
    HST_TRY(carry_out(c, 0, t[0]->dtype, 4, y_dims, &y, err));
    hst_tensor rounded = {.dtype = a.precision, .rank = 4, .dim = {dims[0], dims[1], dims[2], dims[3]}};
    HST_TRY(shape_bytes(HST_DTYPE_F64, 4, dims, &bytes, err));
    HST_TRY(eval_scratch(c, bytes, &s, err));
    HST_TRY(shape_bytes(a.precision, 4, dims, &rounded.bytes, err));
    HST_TRY(eval_scratch(c, rounded.bytes, &data, err));
    rounded.data = data;
    HST_TRY(product(c, &a, x[0], x[1], NULL, s, NULL, err));
    HST_TRY(modify(c, &a, "score_mod", dims, s, &rounded, err));
    for (int64_t r = 0; r < a.batch * a.heads * a.rows; r++) softmax((double *)s + r * a.keys, a.keys);
    HST_TRY(modify(c, &a, "prob_mod", dims, s, &rounded, err));
    HST_TRY(product(c, &a, NULL, NULL, x[2], s, y.x, err));
    carry_done(&y);
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"plain", 0, "(f32[1,1,1,1]{1}, f32[1,1,2,1]{0 1}, f32[1,1,2,1]{1 3}) -> (f32[1,1,1,1]{2.46211716})", 1e-6},
    {"shared heads", 0, "(f64[1,2,1,1]{0 5}, f64[1,1,2,1]{0 0}, f64[1,1,2,2]{1 2 3 4}) -> (f64[1,2,1,2]{2 3 2 3})", 1e-15},
    {"modified", 0, "(f32[1,1,1,1]{1}, f32[1,1,2,1]{0 1}, f32[1,1,2,1]{1 3}; scale=1.0, score_mod=graph{(s) z = Sub(s, s); -> (z)}, prob_mod=graph{(p) d = Add(p, p); -> (d)}) -> (f32[1,1,1,1]{4})", 1e-6},
    {0}};
// clang-format on

HST_OP(ai_onnx_preview_FlexAttention) = {.name = "FlexAttention",
                                         .domain = "ai.onnx.preview",
                                         .since = 1,
                                         .min_in = 3,
                                         .max_in = 3,
                                         .min_out = 1,
                                         .max_out = 1,
                                         .infer = infer,
                                         .eval = eval,
                                         .summary = "attention whose scores and probabilities go through graphs",
                                         HST_CASES(cases)};
