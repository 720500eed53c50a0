/* com.microsoft MultiHeadAttention: y = softmax(scale q kᵀ + masks) v per head.
 *   query [B, S, N d], or packed q, k, v [B, S, N, 3, d]   key [B, L, N d], packed k, v [B, L, N, 2, d], or [B, N, L,
 * d] value [B, L, N dv] or [B, N, L, dv]   bias [N d + N d + N dv]   key_padding_mask [B], [2 B], [B, T], [B, S, T]
 *   attention_bias [B or 1, N or 1, S, T]   past_key, past_value [B, N, P, d]
 *   ->   y [B, S, N dv]   present_key, present_value [B, N, T, d], T = P + L
 * Half types compute in f32. */
#include <math.h>

#include "ops/attention.h"

enum { QUERY, KEY, VALUE, BIAS, PADDING, ATTENTION_BIAS, PAST_KEY, PAST_VALUE, PAST_LENGTH, INDIRECTION };

static hst_status infer(infer_context *c, hst_error *err) {
    const type *q = infer_in(c, QUERY), *v = infer_in(c, VALUE);
    for (int i = 0; i < c->n_out; i++) c->out[i].dtype = q->dtype;
    if (q->rank < 0) return HST_STATUS_OK;
    if (q->rank != 3 && q->rank != 5)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the query has rank %d, not 3 or 5", q->rank);
    type *y = &c->out[0];
    y->rank = 3;
    y->dim[0] = q->dim[0];
    y->dim[1] = q->dim[1];
    if (v->rank == 3)
        y->dim[2] = v->dim[2];
    else if (v->rank == 4)
        y->dim[2] = dim_product(c->model, (dim[]){v->dim[1], v->dim[3]}, 2);
    else if (q->rank == 3 && v->rank < 0)
        y->dim[2] = dim_symbol(c->model, "");
    else if (q->rank == 5)
        y->dim[2] = dim_product(c->model, (dim[]){q->dim[2], q->dim[4]}, 2);
    else
        y->dim[2] = q->dim[2];
    return HST_STATUS_OK;
}

/* ---- the operands ---- */

typedef struct operands {
    int64_t batch, heads, past;
    attention_matrix q, k, v;
} operands;

static hst_status misfit(const node *n, const char *name, const hst_tensor *t, hst_error *err) {
    type got = type_of_tensor(t);
    char shape[160];
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "input '%s' is %s, which does not fit the query and num_heads",
                      name, type_format(NULL, &got, shape, sizeof shape));
}

/* [B, L, N d] or [B, N, L, d]. */
static hst_status plain(eval_context *c, const hst_tensor *t, const char *name, const operands *o, attention_matrix *m,
                        hst_error *err) {
    HST_TRY(attention_as_f32(c, t, &m->data, err));
    if (t->rank == 4 && t->dim[0] == o->batch && t->dim[1] == o->heads) {
        m->length = t->dim[2];
        m->d = t->dim[3];
        m->at = (attention_rows){o->heads * m->length * m->d, m->d, m->length * m->d};
        return HST_STATUS_OK;
    }
    if (t->rank != 3 || t->dim[0] != o->batch || t->dim[2] % o->heads) return misfit(c->node, name, t, err);
    m->length = t->dim[1];
    m->d = t->dim[2] / o->heads;
    m->at = (attention_rows){m->length * t->dim[2], t->dim[2], m->d};
    return HST_STATUS_OK;
}

/* One of `parts` matrices that stand side by side: [B, L, N, parts, d]. */
static attention_matrix part(const hst_tensor *t, const float *data, int64_t parts, int64_t which) {
    const int64_t n = t->dim[2], d = t->dim[4], row = n * parts * d;
    return (attention_matrix){data + which * d, {t->dim[1] * row, row, parts * d}, t->dim[1], d};
}

static hst_status read_operands(eval_context *c, operands *o, hst_error *err) {
    const hst_tensor *q = eval_in(c, QUERY), *k = eval_in(c, KEY), *v = eval_in(c, VALUE);
    const float *data;
    o->heads = node_int(c->node, "num_heads", 0);
    o->batch = q->dim[0];
    if (o->heads <= 0 || q->rank < 3) return misfit(c->node, "query", q, err);
    if (q->rank == 5) {
        if (q->dim[2] != o->heads || q->dim[3] != 3 || k || v) return misfit(c->node, "query", q, err);
        HST_TRY(attention_as_f32(c, q, &data, err));
        o->q = part(q, data, 3, 0);
        o->k = part(q, data, 3, 1);
        o->v = part(q, data, 3, 2);
        return HST_STATUS_OK;
    }
    if (q->rank != 3) return misfit(c->node, "query", q, err);
    HST_TRY(plain(c, q, "query", o, &o->q, err));
    if (k && k->rank == 5) {
        if (k->dim[0] != o->batch || k->dim[2] != o->heads || k->dim[3] != 2 || v)
            return misfit(c->node, "key", k, err);
        HST_TRY(attention_as_f32(c, k, &data, err));
        o->k = part(k, data, 2, 0);
        o->v = part(k, data, 2, 1);
    } else if (k && v) {
        HST_TRY(plain(c, k, "key", o, &o->k, err));
        HST_TRY(plain(c, v, "value", o, &o->v, err));
    } else {
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "a query of rank 3 without key and value");
    }
    if (o->k.d != o->q.d) return misfit(c->node, "key", k, err);
    if (o->v.length != o->k.length) return misfit(c->node, "value", v ? v : k, err);
    return HST_STATUS_OK;
}

static hst_status add_bias(eval_context *c, operands *o, hst_error *err) {
    const hst_tensor *t = eval_in(c, BIAS), *k = eval_in(c, KEY);
    const int64_t q = o->heads * o->q.d, v = o->heads * o->v.d;
    const float *bias;
    if (!t) return HST_STATUS_OK;
    if (t->rank != 1 || t->dim[0] != 2 * q + v) return misfit(c->node, "bias", t, err);
    HST_TRY(attention_as_f32(c, t, &bias, err));
    HST_TRY(attention_add_bias(c, o->batch, o->heads, bias, &o->q, err));
    if (k && k->rank == 4) return HST_STATUS_OK; /* keys and values of cross-attention carry theirs */
    HST_TRY(attention_add_bias(c, o->batch, o->heads, bias + q, &o->k, err));
    return attention_add_bias(c, o->batch, o->heads, bias + 2 * q, &o->v, err);
}

/* Past before key or value, the present as an output where it is wanted. */
static hst_status append(eval_context *c, operands *o, int in, int out, attention_matrix *m, hst_error *err) {
    const hst_tensor *past = eval_in(c, in);
    const hst_dtype d = eval_in(c, QUERY)->dtype;
    const float *from = NULL;
    float *present = NULL;
    int64_t length = 0;
    if (!past && !eval_wants(c, out)) return HST_STATUS_OK;
    if (past) {
        if (past->rank != 4 || past->dim[0] != o->batch || past->dim[1] != o->heads || past->dim[3] != m->d)
            return misfit(c->node, in == PAST_KEY ? "past_key" : "past_value", past, err);
        length = past->dim[2];
        HST_TRY(attention_as_f32(c, past, &from, err));
    }
    o->past = length;
    if (eval_wants(c, out))
        HST_TRY(
            attention_output(c, out, d, 4, (int64_t[]){o->batch, o->heads, length + m->length, m->d}, &present, err));
    HST_TRY(attention_append(c, o->batch, o->heads, from, length, present, m, err));
    if (present) attention_finish(c, out, present);
    return HST_STATUS_OK;
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    (void)state;
    const node *n = c->node;
    const hst_dtype d = eval_in(c, QUERY)->dtype;
    const hst_tensor *padding = eval_in(c, PADDING), *bias = eval_in(c, ATTENTION_BIAS);
    operands o = {0};
    float *y;
    if (eval_in(c, INDIRECTION) || eval_wants(c, 3))
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "cache_indirection and the output of scores");
    HST_TRY(read_operands(c, &o, err));
    HST_TRY(add_bias(c, &o, err));
    HST_TRY(append(c, &o, PAST_KEY, 1, &o.k, err));
    HST_TRY(append(c, &o, PAST_VALUE, 2, &o.v, err));
    if (o.v.length != o.k.length)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%lld keys and %lld values", (long long)o.k.length,
                          (long long)o.v.length);
    HST_TRY(attention_output(c, 0, d, 3, (int64_t[]){o.batch, o.q.length, o.heads * o.v.d}, &y, err));
    attention_f32 a = attention_of(o.batch, o.heads, &o.q, &o.k, &o.v, y);
    a.causal = node_int(n, "unidirectional", 0) != 0;
    a.past = o.past;
    a.scale = node_float(n, "scale", 0);
    if (a.scale == 0) a.scale = 1.0f / sqrtf((float)o.q.d);
    if (bias) HST_TRY(attention_bias(c, bias, &a, err));
    if (padding) HST_TRY(attention_mask(c, padding, node_float(n, "mask_filter_value", -10000.0f), &a, err));
    HST_TRY(attention_run(c, &a, err));
    attention_finish(c, 0, y);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    return run(NULL, c, err);
}

static hst_status bind(bind_context *c, hst_error *err) {
    (void)err;
    return attention_bind(c, run);
}

// clang-format off
static const op_case cases[] = {
    {"plain", 0, "(f32[1,2,4]{0.75 1.25 -2 1.25 -0.25 0 0.5 -1}, f32[1,2,4]{2 -2 -1 -0.5 0.25 -0.5 -1.5 -2}, f32[1,2,4]{-2 -2 -1.5 2 -1.25 0.75 1 -1.25}; num_heads=2) -> (f32[1,2,4]{-1.5513902 -0.3550975 -0.62481755 0.86226279 -1.5674534 -0.41399565 0.26906583 -0.29978558})", 2e-6},
    {"cross, bias, scale", 0, "(f32[1,2,4]{-1 -0.25 -1 2 -1.25 1.75 1.25 1.5}, f32[1,3,4]{-1.75 -0.5 0.5 0 0.75 0.75 0.75 -1.75 2 0.25 1.75 -1}, f32[1,3,4]{-0.5 1.5 -1.25 -1.75 -0.5 0.75 -1.5 1.5 -0.75 -1.25 0.25 1.75}, f32[12]{1.75 1.5 -0.75 -2 1.25 1 1.25 -2 -2 0 -0.75 -0.25}; num_heads=2, scale=0.75) -> (f32[1,2,4]{-2.6350534 -0.30609536 -1.9421563 -0.42257828 -2.5792046 0.12572208 -1.4563916 0.75961071})", 2e-6},
    {"packed q, k, v", 0, "(f32[1,2,2,3,2]{1.75 -1.25 0 -0.75 -0.75 1.25 -1.5 -0.75 -1.5 -1.5 -1 0.75 0.25 -0.25 -1.5 1.25 1.25 -1 -1.75 -0.75 -1.5 1.25 0 0}; num_heads=2) -> (f32[1,2,4]{-0.69803071 1.1915345 -0.81128895 0.60846674 -0.049854033 0.4623358 -0.81128895 0.60846674})", 2e-6},
    {"packed k, v", 0, "(f32[1,2,4]{-1 0 2 -1 1.25 -2 -0.75 1.75}, f32[1,3,2,2,2]{1.5 -1.75 1.5 1.5 -0.25 -0.5 2 2 0.75 -0.5 -1.25 1.75 -1 0.25 0.75 -1 -0.75 1 -1.25 0.75 2 0.75 0.5 -0.25}; num_heads=2) -> (f32[1,2,4]{-0.88854307 1.0719587 0.63898546 -0.062060397 1.2711365 1.5182381 0.89443535 -0.34273398})", 2e-6},
    {"keys by head", 0, "(f32[1,2,4]{2 -1.25 -0.5 0.5 0.75 -1.75 -1.5 0.75}, f32[1,2,3,2]{1.5 0.5 1.75 -0.5 -0.75 1.25 -2 -1.25 -1.25 -0.5 -1.5 1.25}, f32[1,2,3,2]{1.5 -0.5 -2 1 -1.75 0.5 -1.5 1.75 0.75 2 0.5 1}; num_heads=2) -> (f32[1,2,4]{-1.2154825 0.66189766 0.065553606 1.4344465 -1.3017293 0.69142556 0.028719336 1.3657568})", 2e-6},
    {"lengths", 0, "(f32[2,1,2]{-0.5 1.25 -1.75 -1.5}, f32[2,3,2]{-0.5 1 0 1.5 2 -0.5 -0.25 0.25 0.5 0 0.5 2}, f32[2,3,2]{1 -0.75 -0.25 -0.5 -1.5 -2 1.25 -0.25 -0.75 0.5 0.25 1.75}, _, s32[2]{2 3}; num_heads=1) -> (f32[2,1,2]{0.29261807 -0.60852361 0.55730087 0.073413894})", 2e-6},
    {"key mask", 0, "(f32[2,1,2]{0.5 1.75 0.25 -0.75}, f32[2,3,2]{-0.75 2 0.25 -1.25 1.5 1.25 -2 -1.5 0.75 -0.5 -0.75 -1.75}, f32[2,3,2]{-1.25 1.5 1.5 1.5 0.25 -1.5 -0.75 0 2 -1 0.25 0}, _, s32[2,3]{1 0 1 1 1 0}; num_heads=1) -> (f32[2,1,2]{-0.54964584 0.099291563 0.59462142 -0.48895326})", 2e-6},
    {"attention bias", 0, "(f32[1,2,4]{0 0.25 0.75 -1.75 2 1.5 1.25 -1}, f32[1,2,4]{-0.25 -0.25 -0.75 -2 1 -2 1 -1.25}, f32[1,2,4]{0.5 -0.75 -1 1.75 0 1.75 -1.25 0}, _, _, f32[1,2,2,2]{-0.75 -0.25 -2 0.75 -0.75 1.5 -1.25 -0.75}; num_heads=2) -> (f32[1,2,4]{0.22624184 0.61879092 -1.2261626 0.16686156 0.032638468 1.5868077 -1.2050043 0.31496936})", 2e-6},
    {"attention bias and mask", 0, "(f32[2,2,2]{-2 1.25 0.25 -0.5 1.75 0.5 2 1}, f32[2,2,2]{0.25 0 -1.25 0.75 1.25 0.75 -0.25 -2}, f32[2,2,2]{1 -2 1.25 -1.5 -0.75 -1.25 0.25 -1.25}, _, s32[2,2]{1 0 1 1}, f32[1,1,2,2]{-1 -2 2 -1.25}; num_heads=1) -> (f32[2,2,2]{1 -2 1 -2 -0.72871894 -1.25 -0.74933547 -1.2499999})", 2e-6},
    {"unidirectional", 0, "(f32[1,3,2]{-1.25 0.5 -1.5 1.75 1.25 -0.75}, f32[1,3,2]{-0.5 -0.5 1 -0.25 -1 0.75}, f32[1,3,2]{-1.5 1.25 -0.25 1.75 -1 -0.5}; num_heads=1, unidirectional=1) -> (f32[1,3,2]{-1.5 1.25 -1.2284092 1.3586364 -0.57370687 1.4809725})", 2e-6},
    {"past", 0, "(f32[1,1,4]{1.5 1 -2 -0.75}, f32[1,1,4]{-2 1.5 -0.25 -1.25}, f32[1,1,4]{1 1.5 -1.75 0}, _, _, _, f32[1,2,2,2]{-0.5 1 1.75 0.25 1 -0.75 0.25 0}, f32[1,2,2,2]{1 -2 -1 -2 2 0.25 0 0}; num_heads=2) -> (f32[1,1,4]{-0.66443205 -1.8679392 -1.0743978 0.023636458}, f32[1,2,3,2]{-0.5 1 1.75 0.25 -2 1.5 1 -0.75 0.25 0 -0.25 -1.25}, f32[1,2,3,2]{1 -2 -1 -2 1 1.5 2 0.25 0 0 -1.75 0})", 2e-6},
    {"wider values", 0, "(f32[1,2,2]{-2 1.5 1.5 -2}, f32[1,2,2]{0.5 0.25 -0.5 0}, f32[1,2,4]{1.5 0.5 0 1 0.75 0 1.5 0.25}; num_heads=2) -> (f32[1,2,4]{0.83940214 0.05960146 0.61100012 0.69449997 1.3631809 0.40878722 0.933689 0.5331555})", 2e-6},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(com_microsoft_MultiHeadAttention) = {
    .name = "MultiHeadAttention",
    .domain = "com.microsoft",
    .since = 1,
    .min_in = 1,
    .max_in = 10,
    .min_out = 1,
    .max_out = 4,
    .infer = infer,
    .eval = eval,
    .bind = bind,
    .summary = "attention over heads, with masks and past keys and values",
    .gaps = "masks [3 B + 2], cache_indirection, the output of scores, buffers shared by past and present",
    HST_CASES(cases)};
