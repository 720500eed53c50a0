/* LinearAttention: q [B, T, Hq·dk], k [B, T, H·dk], v [B, T, H·dv], a state S [B, H, dk, dv] that is carried on ->
 * y [B, T, Hq·dv], S. For each token
 *   gated rules:  S = exp(g) S         g [B, T, H] or [B, T, H·dk]
 *   delta rules:  v = beta (v - S^T k) beta [B, T, H] or [B, T, 1]
 *   S = S + k v^T;  y = scale S^T q
 * where Hq / H query heads read each state; scale 0 means 1 / sqrt(dk). All in f32, sums over dk in index order. */
#include <math.h>
#include <string.h>

#include "ops/carry.h"

typedef struct rule {
    bool gated, delta;
} rule;

static hst_status read_rule(const node *n, rule *r, hst_error *err) {
    const char *name = node_string(n, "update_rule", "gated_delta");
    r->gated = strncmp(name, "gated", 5) == 0;
    r->delta = strstr(name, "delta") != NULL;
    if (strcmp(name, "linear") && strcmp(name, "gated") && strcmp(name, "delta") && strcmp(name, "gated_delta"))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "update_rule '%s' is not linear, gated, delta or gated_delta",
                          name);
    return HST_STATUS_OK;
}

static hst_status read_heads(const node *n, int64_t *q_heads, int64_t *heads, hst_error *err) {
    *q_heads = node_int(n, "q_num_heads", 0);
    *heads = node_int(n, "kv_num_heads", 0);
    if (*q_heads < 1 || *heads < 1 || *q_heads % *heads)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "q_num_heads %lld is no multiple of kv_num_heads %lld",
                          (long long)*q_heads, (long long)*heads);
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *q = infer_in(c, 0), *v = infer_in(c, 2), *past = infer_in(c, 3);
    int64_t q_heads, heads;
    type *y = &c->out[0];
    HST_TRY(read_heads(c->node, &q_heads, &heads, err));
    y->dtype = q->dtype;
    y->rank = 3;
    for (int k = 0; k < 3; k++) y->dim[k] = q->rank == 3 && k < 2 ? q->dim[k] : dim_symbol(c->model, "");
    if (v->rank == 3 && v->dim[2] >= 0 && v->dim[2] / heads <= INT64_MAX / q_heads)
        y->dim[2] = v->dim[2] / heads * q_heads;
    if (c->n_out < 2) return HST_STATUS_OK;
    c->out[1] = *past;
    if (past->rank == 4) {
        if (dim_is_symbol(past->dim[0]) && q->rank == 3) c->out[1].dim[0] = q->dim[0];
        if (dim_is_symbol(past->dim[1])) c->out[1].dim[1] = heads;
    }
    if (past->rank < 0) {
        c->out[1] = *y;
        c->out[1].rank = 4;
        c->out[1].dim[1] = heads;
        c->out[1].dim[2] = q->rank == 3 && q->dim[2] >= 0 ? q->dim[2] / q_heads : dim_symbol(c->model, "");
        c->out[1].dim[3] = v->rank == 3 && v->dim[2] >= 0 ? v->dim[2] / heads : dim_symbol(c->model, "");
        if (c->n_in > 3 && c->node->in[3]) c->out[1].dtype = past->dtype;
    }
    return HST_STATUS_OK;
}

typedef struct job {
    rule rule;
    int64_t batch, tokens, heads, group, dk, dv;
    int64_t decay_step, beta_heads; /* decay_step: 1 a number a head, dk one a row of the state */
    float scale;
    const float *q, *k, *v, *decay, *beta;
    float *y, *state; /* state: [batch, heads, dk, dv] */
    float *spare;     /* [workers, dv] */
} job;

static void token(const job *j, int64_t b, int64_t h, int64_t t, float *s, float *add) {
    int64_t row = b * j->tokens + t, dk = j->dk, dv = j->dv;
    const float *k = j->k + (row * j->heads + h) * dk, *v = j->v + (row * j->heads + h) * dv;
    const float *g = j->rule.gated ? j->decay + (row * j->heads + h) * j->decay_step : NULL;
    float each = g && j->decay_step == 1 ? (float)exp((double)g[0]) : 1;
    for (int64_t d = 0; g && d < dk; d++) {
        float f = j->decay_step == 1 ? each : (float)exp((double)g[d]);
        for (int64_t m = 0; m < dv; m++) s[d * dv + m] *= f;
    }
    memcpy(add, v, (size_t)dv * sizeof *add);
    if (j->rule.delta) {
        float beta = j->beta[row * j->beta_heads + (j->beta_heads > 1 ? h : 0)];
        memset(add, 0, (size_t)dv * sizeof *add);
        for (int64_t d = 0; d < dk; d++)
            for (int64_t m = 0; m < dv; m++) add[m] += s[d * dv + m] * k[d];
        for (int64_t m = 0; m < dv; m++) add[m] = beta * (v[m] - add[m]);
    }
    for (int64_t d = 0; d < dk; d++)
        for (int64_t m = 0; m < dv; m++) s[d * dv + m] += k[d] * add[m];
    for (int64_t i = h * j->group; i < (h + 1) * j->group; i++) {
        const float *q = j->q + (row * j->heads * j->group + i) * dk;
        float *y = j->y + (row * j->heads * j->group + i) * dv;
        memset(y, 0, (size_t)dv * sizeof *y);
        for (int64_t d = 0; d < dk; d++)
            for (int64_t m = 0; m < dv; m++) y[m] += q[d] * s[d * dv + m];
        for (int64_t m = 0; m < dv; m++) y[m] *= j->scale;
    }
}

static void part(void *arg, const team_context *ctx) {
    const job *j = arg;
    int64_t begin, end;
    team_split(j->batch * j->heads, 1, ctx, &begin, &end);
    for (int64_t i = begin; i < end; i++)
        for (int64_t t = 0; t < j->tokens; t++)
            token(j, i / j->heads, i % j->heads, t, j->state + i * j->dk * j->dv, j->spare + ctx->worker * j->dv);
}

static bool is3(const hst_tensor *t, const hst_tensor *q) {
    return t->rank == 3 && t->dim[0] == q->dim[0] && t->dim[1] == q->dim[1];
}

static hst_status check(eval_context *c, job *j, const hst_tensor *const *t, hst_error *err) {
    const hst_tensor *q = t[0], *past = t[3], *decay = t[4], *beta = t[5];
    int64_t q_heads;
    HST_TRY(read_heads(c->node, &q_heads, &j->heads, err));
    HST_TRY(read_rule(c->node, &j->rule, err));
    if (j->rule.gated != (decay != NULL) || j->rule.delta != (beta != NULL))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "update_rule %s takes %s decay and %s beta",
                          node_string(c->node, "update_rule", "gated_delta"), j->rule.gated ? "a" : "no",
                          j->rule.delta ? "a" : "no");
    j->group = q_heads / j->heads;
    bool fits = q->rank == 3 && is3(t[1], q) && is3(t[2], q) && q->dim[2] % q_heads == 0;
    if (fits) {
        j->batch = q->dim[0];
        j->tokens = q->dim[1];
        j->dk = q->dim[2] / q_heads;
        j->dv = t[2]->dim[2] / j->heads;
        fits = t[1]->dim[2] == j->heads * j->dk && t[2]->dim[2] % j->heads == 0;
    }
    if (fits && decay) fits = is3(decay, q) && (decay->dim[2] == j->heads || decay->dim[2] == j->heads * j->dk);
    if (fits && beta) fits = is3(beta, q) && (beta->dim[2] == j->heads || beta->dim[2] == 1);
    if (fits && past)
        fits = past->rank == 4 && past->dim[0] == j->batch && past->dim[1] == j->heads && past->dim[2] == j->dk &&
               past->dim[3] == j->dv;
    if (!fits)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "the shapes of its inputs do not fit %lld query heads and %lld key/value heads",
                          (long long)q_heads, (long long)j->heads);
    if (decay) j->decay_step = decay->dim[2] == j->heads ? 1 : j->dk;
    if (beta) j->beta_heads = beta->dim[2];
    j->scale = node_float(c->node, "scale", 0);
    if (j->scale == 0) j->scale = (float)(1 / sqrt((double)j->dk));
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    static const char *const names[] = {"query", "key", "value", "past_state", "decay", "beta"};
    const hst_tensor *t[6];
    const float *x[6] = {NULL};
    job j = {0};
    carry y, state = {0};
    void *spare, *own;
    for (int i = 0; i < 6; i++) {
        t[i] = eval_in(c, i);
        if (i < 3) HST_TRY(eval_need(c, i, names[i], &t[i], err));
    }
    HST_TRY(check(c, &j, t, err));
    for (int i = 0; i < 6; i++)
        if (t[i]) HST_TRY(carry_in_f32(c, t[i], names[i], &x[i], err));
    int64_t y_dims[3] = {j.batch, j.tokens, j.heads * j.group * j.dv}, s_dims[4] = {j.batch, j.heads, j.dk, j.dv};
    int workers = c->team ? team_size(c->team) : 1;
    size_t bytes = 0;
    HST_TRY(shape_bytes(HST_DTYPE_F32, 4, s_dims, &bytes, err));
    HST_TRY(carry_out_f32(c, 0, t[0]->dtype, 3, y_dims, &y, err));
    if (eval_wants(c, 1)) {
        HST_TRY(carry_out_f32(c, 1, t[3] ? t[3]->dtype : t[0]->dtype, 4, s_dims, &state, err));
    } else {
        HST_TRY(eval_scratch(c, bytes, &own, err));
        state.f = own;
    }
    HST_TRY(eval_scratch(c, (size_t)workers * (size_t)j.dv * sizeof(float), &spare, err));
    if (bytes && x[3])
        memcpy(state.f, x[3], bytes);
    else if (bytes)
        memset(state.f, 0, bytes);
    j.q = x[0];
    j.k = x[1];
    j.v = x[2];
    j.decay = x[4];
    j.beta = x[5];
    j.y = y.f;
    j.state = state.f;
    j.spare = spare;
    const team_context alone = {.worker = 0, .workers = 1};
    if (workers > 1 && j.batch * j.heads > 1 && j.tokens * j.dk * j.dv > 16384)
        team_run(c->team, workers, part, &j);
    else
        part(&j, &alone);
    carry_done(&y);
    if (state.t) carry_done(&state);
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"linear", 0, "(f32[1,2,1]{1 2}, f32[1,2,1]{3 4}, f32[1,2,1]{5 6}; q_num_heads=1, kv_num_heads=1, update_rule=\"linear\") -> (f32[1,2,1]{15 78}, f32[1,1,1,1]{39})", 0},
    {"gated, with a state", 0, "(f32[1,1,1]{1}, f32[1,1,1]{1}, f32[1,1,2]{2 3}, f32[1,1,1,2]{4 8}, f32[1,1,1]{0}; q_num_heads=1, kv_num_heads=1, update_rule=\"gated\", scale=0.5) -> (f32[1,1,2]{3 5.5}, f32[1,1,1,2]{6 11})", 0},
    {"delta", 0, "(f32[1,1,2]{1 1}, f32[1,1,1]{2}, f32[1,1,1]{5}, f32[1,1,1,1]{1}, _, f32[1,1,1]{0.5}; q_num_heads=2, kv_num_heads=1, update_rule=\"delta\", scale=1.0) -> (f32[1,1,2]{4 4}, f32[1,1,1,1]{4})", 0},
    {"gated_delta", 0, "(f16[1,1,1]{1}, f16[1,1,1]{1}, f16[1,1,1]{3}, f32[1,1,1,1]{2}, f16[1,1,1]{0}, f16[1,1,1]{1}; q_num_heads=1, kv_num_heads=1) -> (f16[1,1,1]{3}, f32[1,1,1,1]{3})", 0},
    {0}};
// clang-format on

HST_OP(LinearAttention) = {.name = "LinearAttention",
                           .domain = "",
                           .since = 27,
                           .min_in = 3,
                           .max_in = 6,
                           .min_out = 1,
                           .max_out = 2,
                           .infer = infer,
                           .eval = eval,
                           .summary = "attention by a state that every token updates",
                           HST_CASES(cases)};
