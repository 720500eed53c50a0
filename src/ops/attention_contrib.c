/* com.microsoft Attention: q, k, v = x w + bias, then softmax(scale q kᵀ + masks) v per head.
 *   x [B, S, I]   w [I, Hq + Hk + Hv]   bias [Hq + Hk + Hv]   mask_index [B], [2 B], [B, T], [B, S, T], [B, 1, M, M]
 *   past [2, B, N, P, d]   attention_bias [B or 1, N or 1, S, T]   ->   y [B, S, Hv]   present [2, B, N, P + S, d]
 * Half types compute in f32. */
#include <math.h>

#include "ops/attention.h"
#include "ops/matmul.h"

enum { INPUT, WEIGHTS, BIAS, MASK, PAST, ATTENTION_BIAS, PAST_LENGTH };

typedef struct args {
    int64_t heads, q, k, v; /* columns of each */
    float scale, mask_value;
    bool causal;
} args;

/* columns: of the weights, -1 where unknown. */
static hst_status read_args(const node *n, int64_t columns, args *at, hst_error *err) {
    const int64_t *sizes;
    at->heads = node_int(n, "num_heads", 0);
    at->q = at->k = at->v = columns / 3;
    if (node_ints(n, "qkv_hidden_sizes", &sizes) == 3) {
        at->q = sizes[0];
        at->k = sizes[1];
        at->v = sizes[2];
    }
    const bool fits = at->heads > 0 && at->q >= 0 && at->v >= 0 && at->q == at->k && at->q % at->heads == 0 &&
                      at->v % at->heads == 0 && (columns < 0 || at->q + at->k + at->v == columns);
    if (columns >= 0 && !fits)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%lld columns of weights are not q, k and v of %lld heads",
                          (long long)columns, (long long)at->heads);
    if (node_int(n, "do_rotary", 0)) return node_error(n, err, HST_STATUS_UNSUPPORTED, "do_rotary");
    at->causal = node_int(n, "unidirectional", 0) != 0;
    at->scale = node_float(n, "scale", 0);
    if (at->scale == 0 && columns > 0) at->scale = 1.0f / sqrtf((float)(at->q / at->heads));
    at->mask_value = node_float(n, "mask_filter_value", -10000.0f);
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, INPUT), *w = infer_in(c, WEIGHTS), *past = infer_in(c, PAST);
    for (int i = 0; i < c->n_out; i++) c->out[i].dtype = x->dtype;
    const bool known = w->rank == 2 && !dim_is_symbol(w->dim[1]);
    args at;
    HST_TRY(read_args(c->node, known ? w->dim[1] : -1, &at, err));
    if (x->rank < 0) return HST_STATUS_OK;
    if (x->rank != 3) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the input has rank %d, not 3", x->rank);
    c->out[0].rank = 3;
    c->out[0].dim[0] = x->dim[0];
    c->out[0].dim[1] = x->dim[1];
    c->out[0].dim[2] = known ? at.v : dim_symbol(c->model, "");
    if (c->n_out < 2 || !known) return HST_STATUS_OK;
    const dim present[5] = {2, x->dim[0], at.heads, dim_symbol(c->model, ""), at.v / at.heads};
    c->out[1] = type_make(x->dtype, 5, present);
    if (past->rank == 5)
        c->out[1].dim[3] = dim_sum(c->model, past->dim[3], x->dim[1]);
    else if (!c->node->in[0] || c->n_in <= PAST || !c->node->in[PAST])
        c->out[1].dim[3] = x->dim[1];
    return HST_STATUS_OK;
}

/* ---- the projection ---- */

/* q, k, v side by side: [B, S, Hq + Hk + Hv]. */
static hst_status project(eval_context *c, const matmul_weights *weights, float **out, hst_error *err) {
    const hst_tensor *x = eval_in(c, INPUT), *w = eval_in(c, WEIGHTS), *bias = eval_in(c, BIAS);
    matmul_product p = {.a = x, .b = w, .weights = weights, .alpha = 1};
    matmul_shape s;
    HST_TRY(matmul_product_shape(c->node, &p, &s, err));
    if (bias) {
        if (bias->rank != 1 || bias->dim[0] != s.n)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "bias must have %lld elements", (long long)s.n);
        HST_TRY(matmul_as_f32(c, bias, &p.bias, err));
    }
    HST_TRY(attention_floats(c, s.m * s.batches, s.n, 1, out, err));
    return matmul_product_f32(c, &p, &s, *out, err);
}

/* Past keys and values before the new ones; the present as an output where it is wanted. */
static hst_status append(eval_context *c, const args *at, int64_t batch, int64_t *past_length, attention_matrix *k,
                         attention_matrix *v, hst_error *err) {
    const hst_tensor *past = eval_in(c, PAST);
    const float *from = NULL;
    float *present = NULL;
    const int64_t heads = at->heads, d = k->d;
    *past_length = 0;
    if (!past && !eval_wants(c, 1)) return HST_STATUS_OK;
    if (v->d != d || (past && (past->rank != 5 || past->dim[0] != 2 || past->dim[1] != batch || past->dim[2] != heads ||
                               past->dim[4] != d)))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "past does not have shape [2, %lld, %lld, past, %lld]",
                          (long long)batch, (long long)heads, (long long)d);
    if (past) {
        *past_length = past->dim[3];
        HST_TRY(attention_as_f32(c, past, &from, err));
    }
    const int64_t total = *past_length + k->length, half = batch * heads * *past_length * d;
    if (eval_wants(c, 1))
        HST_TRY(
            attention_output(c, 1, eval_in(c, INPUT)->dtype, 5, (int64_t[]){2, batch, heads, total, d}, &present, err));
    HST_TRY(attention_append(c, batch, heads, from, *past_length, present, k, err));
    HST_TRY(attention_append(c, batch, heads, from ? from + half : NULL, *past_length,
                             present ? present + batch * heads * total * d : NULL, v, err));
    if (present) attention_finish(c, 1, present);
    return HST_STATUS_OK;
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, INPUT), *w = eval_in(c, WEIGHTS), *mask = eval_in(c, MASK);
    const hst_tensor *bias = eval_in(c, ATTENTION_BIAS);
    args at;
    float *rows, *y;
    if (x->rank != 3 || w->rank != 2 || !matmul_is_f32(x->dtype) || x->dtype != w->dtype)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "cannot multiply %s of rank %d with %s of rank %d",
                          dtype_name(x->dtype), x->rank, dtype_name(w->dtype), w->rank);
    HST_TRY(read_args(c->node, w->dim[1], &at, err));
    const int64_t batch = x->dim[0], length = x->dim[1], width = w->dim[1], d = at.q / at.heads, dv = at.v / at.heads;
    HST_TRY(project(c, state, &rows, err));
    const attention_matrix q = {rows, {length * width, width, d}, length, d};
    attention_matrix k = {rows + at.q, {length * width, width, d}, length, d};
    attention_matrix v = {rows + at.q + at.k, {length * width, width, dv}, length, dv};
    int64_t past;
    HST_TRY(append(c, &at, batch, &past, &k, &v, err));
    HST_TRY(attention_output(c, 0, x->dtype, 3, (int64_t[]){batch, length, at.v}, &y, err));
    attention_f32 a = attention_of(batch, at.heads, &q, &k, &v, y);
    a.scale = at.scale;
    a.causal = at.causal;
    a.past = past;
    if (bias) HST_TRY(attention_bias(c, bias, &a, err));
    if (mask) HST_TRY(attention_mask(c, mask, at.mask_value, &a, err));
    HST_TRY(attention_run(c, &a, err));
    attention_finish(c, 0, y);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    return run(NULL, c, err);
}

static hst_status bind(bind_context *c, hst_error *err) {
    const hst_tensor *w = c->constant[WEIGHTS];
    if (w && w->rank == 2 && matmul_is_f32(w->dtype)) {
        matmul_weights *packed;
        HST_TRY(matmul_weights_new(w, false, c->allocator, &packed, err));
        c->state = packed;
        c->state_free = matmul_weights_free;
    }
    return attention_bind(c, run);
}

// clang-format off
static const op_case cases[] = {
    {"plain", 0, "(f32[1,2,3]{0.75 1.25 -2 1.25 -0.25 0}, f32[3,6]{0.5 -1 2 -2 -1 -0.5 0.25 -0.5 -1.5 -2 -2 -2 -1.5 2 -1.25 0.75 1 -1.25}, f32[6]{-1 -0.25 -1 2 -1.25 1.75}; num_heads=2) -> (f32[1,2,2]{-2.5290747 1.375 -4.6158638 1.3770154})", 2e-6},
    {"lengths", 0, "(f32[2,2,2]{1.25 1.5 -1.75 -0.5 0.5 0 0.75 0.75}, f32[2,6]{0.75 -1.75 2 0.25 1.75 -1 -0.5 1.5 -1.25 -1.75 -0.5 0.75}, f32[6]{-1.5 1.5 -0.75 -1.25 0.25 1.75}, s32[2]{1 2}; num_heads=1) -> (f32[2,2,2]{1.6875 1.625 1.6875 1.625 1.1530674 1.3903368 1.144996 1.3499801})", 2e-6},
    {"ends and starts", 0, "(f32[2,3,2]{1.75 1.5 -0.75 -2 1.25 1 1.25 -2 -2 0 -0.75 -0.25}, f32[2,6]{1.75 -1.25 0 -0.75 -0.75 1.25 -1.5 -0.75 -1.5 -1.5 -1 0.75}, f32[6]{0.25 -0.25 -1.5 1.25 1.25 -1}, s32[4]{3 2 1 0}; num_heads=1) -> (f32[2,3,2]{-0.68746394 1.312462 3.8124988 -3.437499 -0.68581331 1.3107196 2.3125048 -0.93752843 2.7489173 -3.4936597 2.6415875 -2.8650117})", 2e-6},
    {"key mask", 0, "(f32[2,3,2]{-1.75 -0.75 -1.5 1.25 0 0 -1 0 2 -1 1.25 -2}, f32[2,6]{-0.75 1.75 1.5 -1.75 1.5 1.5 -0.25 -0.5 2 2 0.75 -0.5}, f32[6]{-1.25 1.75 -1 0.25 0.75 -1}, s32[2,3]{1 0 1 1 1 0}; num_heads=2) -> (f32[2,3,2]{-0.08780843 -1.4223871 -1.9871655 -1.1970186 -2.4192348 -3.1128056 0.085125566 0 -0.74277472 -2.5 -0.6956116 -2.5})", 2e-6},
    {"square mask", 0, "(f32[1,2,2]{-0.75 1 -1.25 0.75}, f32[2,6]{2 0.75 0.5 -0.25 2 -1.25 -0.5 0.5 0.75 -1.75 -1.5 0.75}, f32[6]{1.5 0.5 1.75 -0.5 -0.75 1.25}, s32[1,2,2]{1 0 1 1}; num_heads=2) -> (f32[1,2,2]{-3.75 2.9375 -4.1537585 3.1524053})", 2e-6},
    {"unidirectional", 0, "(f32[1,3,2]{-2 -1.25 -1.25 -0.5 -1.5 1.25}, f32[2,6]{1.5 -0.5 -2 1 -1.75 0.5 -1.5 1.75 0.75 2 0.5 1}, f32[6]{-0.5 1.25 -1.75 -1.5 -0.5 1}; num_heads=1, unidirectional=1) -> (f32[1,3,2]{2.375 -1.25 1.49832 -0.19798401 2.7182007 1.4606262})", 2e-6},
    {"past", 0, "(f32[1,1,2]{0 1.5}, f32[2,12]{2 -0.5 -0.25 0.25 0.5 0 0.5 2 1 -0.75 -0.25 -0.5 -1.5 -2 1.25 -0.25 -0.75 0.5 0.25 1.75 0.5 1.75 0.25 -0.75}, f32[12]{-0.75 2 0.25 -1.25 1.5 1.25 -2 -1.5 0.75 -0.5 -0.75 -1.75}, _, f32[2,1,2,2,2]{-1.25 1.5 1.5 1.5 0.25 -1.5 -0.75 0 2 -1 0.25 0 0 0.25 0.75 -1.75}; num_heads=2) -> (f32[1,1,4]{1.9841013 -0.92900759 0.027511071 0.1650553}, f32[2,1,2,3,2]{-1.25 1.5 1.5 1.5 0.375 2 0.25 -1.5 -0.75 0 -1.625 1.125 2 -1 0.25 0 1.5 2.125 0 0.25 0.75 -1.75 -0.375 -2.875})", 2e-6},
    {"past, mask, unidirectional", 0, "(f32[1,2,2]{2 1.5 1.25 -1}, f32[2,6]{-0.25 -0.25 -0.75 -2 1 -2 1 -1.25 0.5 -0.75 -1 1.75}, f32[6]{0 1.75 -1.25 0 -0.75 -0.25}, s32[1,4]{1 1 1 1}, f32[2,1,1,2,2]{-2 0.75 -0.75 1.5 -1.25 -0.75 -2 1.25}; num_heads=1, unidirectional=1) -> (f32[1,2,2]{-0.50014442 -1.2615852 -1.6520333 0.34737071}, f32[2,1,1,4,2]{-2 0.75 -0.75 1.5 -2 -5.125 -2.6875 -1.75 -1.25 -0.75 -2 1.25 -0.25 -1.625 1.5 -4.5})", 2e-6},
    {"attention bias", 0, "(f32[1,2,2]{0.25 -0.5 1.75 0.5}, f32[2,6]{2 1 0.25 0 -1.25 0.75 1.25 0.75 -0.25 -2 1 -2}, f32[6]{1.25 -1.5 -0.75 -1.25 0.25 -1.25}, _, _, f32[1,2,2,2]{-1 -2 2 -1.25 -1.25 0.5 -1.5 1.75}; num_heads=2) -> (f32[1,2,2]{-0.82278621 -0.93164378 -0.62423962 -0.83319736})", 2e-6},
    {"hidden sizes, scale", 0, "(f32[1,2,3]{1.25 -0.75 -0.5 -0.5 1 -0.25}, f32[3,8]{-1 0.75 -1.5 1.25 -0.25 1.75 -1 -0.5 1.5 1 -2 -0.75 -2 1.5 -0.25 -1.25 1 1.5 -1.75 0 -0.5 1 1.75 0.25}, f32[8]{1 -0.75 0.25 0 1 -2 -1 -2}; num_heads=2, qkv_hidden_sizes=[2,2,4], scale=0.5) -> (f32[1,2,4]{-0.029308185 -1.5826063 -1.3474188 -2.9482727 1.9871655 -1.4639902 -1.7023761 -2.6947312})", 2e-6},
    {"no bias", 0, "(f32[1,2,2]{2 0.25 0 0}, f32[2,6]{-2 1.5 1.5 -2 0.5 0.25 -0.5 0 1.5 0.5 0 1}; num_heads=1) -> (f32[1,2,2]{1.4280551e-08 1.0710413e-08 0.5 0.375})", 2e-6},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(com_microsoft_Attention) = {.name = "Attention",
                                   .domain = "com.microsoft",
                                   .since = 1,
                                   .min_in = 2,
                                   .max_in = 7,
                                   .min_out = 1,
                                   .max_out = 2,
                                   .infer = infer,
                                   .eval = eval,
                                   .bind = bind,
                                   .summary = "projections and attention over heads, with masks and past",
                                   .gaps = "masks [3 B + 2], do_rotary, buffers shared by past and present",
                                   HST_CASES(cases)};
