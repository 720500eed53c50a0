/* com.microsoft GroupQueryAttention: causal attention of N query heads over M key heads, with its own key/value cache.
 *   query [B, S, N d], or packed q, k, v [B, S, (N + 2 M) d]   key, value [B, S, M d]   past_key, past_value [B, M, P, d]
 *   seqlens_k [B] or [B, 1]: keys of a sequence, its new ones included, less 1   total_sequence_length: the most of them
 *   cos_cache, sin_cache [places, r/2] turn the first r elements of q and k (do_rotary)   position_ids [B, S]
 *   attention_bias [B or 1, N or 1, S, total]   head_sink [N]: what a key of no value would score
 *   ->   y [B, S, N d]   present_key, present_value [B, M, T, d], T = max(P, total)
 * Where total is S, the new rows are the whole sequences (padded behind), else they stand behind the past's. Half types
 * compute in f32. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "ops/attention.h"

enum { QUERY, KEY, VALUE, PAST_KEY, PAST_VALUE, SEQLENS, TOTAL, COS, SIN, POSITIONS, BIAS, SINK, K_SCALE, V_SCALE };

static hst_status infer(infer_context *c, hst_error *err) {
    const type *q = infer_in(c, QUERY);
    const dim heads = node_int(c->node, "num_heads", 0), kv = node_int(c->node, "kv_num_heads", 0);
    const bool packed = c->node->n_in <= KEY || !c->node->in[KEY];
    bool ok = true;
    for (int i = 0; i < c->n_out; i++) c->out[i].dtype = q->dtype;
    if (q->rank < 0) return HST_STATUS_OK;
    if (q->rank != 3 || heads < 1 || kv < 1 || heads > INT32_MAX || kv > INT32_MAX)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "a query of rank %d for %lld heads on %lld", q->rank,
                          (long long)heads, (long long)kv);
    const dim all = heads + (packed ? 2 * kv : 0);
    const dim d = dim_quotient(c->model, &q->dim[2], 1, &all, 1, &ok);
    if (!ok)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "rows of %lld elements for %lld heads",
                          (long long)q->dim[2], (long long)all);
    const dim width = packed ? dim_product(c->model, (dim[]){heads, d}, 2) : q->dim[2];
    c->out[0] = type_make(q->dtype, 3, (dim[]){q->dim[0], q->dim[1], width});
    const dim total = dim_symbol(c->model, "");
    for (int i = 1; i < c->n_out && i < 3; i++) c->out[i] = type_make(q->dtype, 4, (dim[]){q->dim[0], kv, total, d});
    return HST_STATUS_OK;
}

/* ---- the operands ---- */

typedef struct grouped {
    int64_t batch, heads, kv, rows, d, past, total, all; /* all: T */
    attention_matrix q, k, v;
    int64_t *place, *end; /* [batch]: of the first new row; how many keys there are */
} grouped;

static hst_status misfit(const node *n, const char *name, const hst_tensor *t, hst_error *err) {
    type got = type_of_tensor(t);
    char shape[160];
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "input '%s' is %s, which does not fit the query and its heads", name,
                      type_format(NULL, &got, shape, sizeof shape));
}

static hst_status read_rows(eval_context *c, grouped *g, hst_error *err) {
    const hst_tensor *q, *k = eval_in(c, KEY), *v = eval_in(c, VALUE);
    const float *data;
    HST_TRY(eval_need(c, QUERY, "query", &q, err));
    g->heads = node_int(c->node, "num_heads", 0);
    g->kv = node_int(c->node, "kv_num_heads", 0);
    if (g->heads < 1 || g->kv < 1 || g->heads > INT32_MAX || g->heads % g->kv || q->rank != 3)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "a query of rank %d for %lld heads on %lld", q->rank,
                          (long long)g->heads, (long long)g->kv);
    const int64_t n = g->heads + (k ? 0 : 2 * g->kv), width = q->dim[2];
    g->batch = q->dim[0];
    g->rows = q->dim[1];
    g->d = width / n;
    if (width == 0 || width % n) return misfit(c->node, "query", q, err);
    HST_TRY(attention_as_f32(c, q, &data, err));
    const attention_rows at = {g->rows * width, width, g->d};
    g->q = (attention_matrix){data, at, g->rows, g->d};
    if (!k) {
        if (v) return misfit(c->node, "value", v, err);
        g->k = (attention_matrix){data + g->heads * g->d, at, g->rows, g->d};
        g->v = (attention_matrix){data + (g->heads + g->kv) * g->d, at, g->rows, g->d};
        return HST_STATUS_OK;
    }
    for (int i = 0; i < 2; i++) {
        const hst_tensor *t = i ? v : k;
        const int64_t row = g->kv * g->d;
        if (!t || t->dtype != q->dtype || t->rank != 3 || t->dim[0] != g->batch || t->dim[1] != g->rows || t->dim[2] != row)
            return misfit(c->node, i ? "value" : "key", t ? t : k, err);
        HST_TRY(attention_as_f32(c, t, &data, err));
        *(i ? &g->v : &g->k) = (attention_matrix){data, {g->rows * row, row, g->d}, g->rows, g->d};
    }
    return HST_STATUS_OK;
}

static hst_status read_lengths(eval_context *c, grouped *g, hst_error *err) {
    const hst_tensor *t, *past = eval_in(c, PAST_KEY);
    int64_t count = 0;
    int one;
    void *memory;
    size_t bytes;
    HST_TRY(eval_need(c, SEQLENS, "seqlens_k", &t, err));
    HST_TRY(eval_ints(c, TOTAL, "total_sequence_length", &count, 1, &one, err));
    if (one != 1 || count < g->rows || count > INT32_MAX || !dtype_is_integer(t->dtype) || t->rank < 1 ||
        tensor_count(t) != g->batch)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "total_sequence_length is %lld for %lld rows, seqlens_k has %lld for %lld sequences",
                          (long long)count, (long long)g->rows, (long long)tensor_count(t), (long long)g->batch);
    if (!past != !eval_in(c, PAST_VALUE))
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "past_key and past_value must be given together");
    g->total = count;
    g->past = past && past->rank == 4 ? past->dim[2] : 0;
    g->all = g->past > count ? g->past : count;
    if (!size_mul((size_t)g->batch, 2 * sizeof(int64_t), &bytes)) return error_no_memory(err, SIZE_MAX, "lengths");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    g->place = memory;
    g->end = g->place + g->batch;
    for (int64_t b = 0; b < g->batch; b++) {
        const int64_t last = tensor_get_s64(t, b);
        const bool inside = last >= 0 && last < count;
        g->end[b] = inside ? last + 1 : 0;
        g->place[b] = !inside || count == g->rows ? 0 : last + 1 - g->rows;
        if (!inside || g->place[b] < 0 || g->place[b] > g->past)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                              "seqlens_k[%lld] is %lld, with %lld new rows, %lld past ones and %lld in all",
                              (long long)b, (long long)last, (long long)g->rows, (long long)g->past, (long long)count);
    }
    return HST_STATUS_OK;
}

/* ---- rotary embedding ---- */

typedef struct rotary {
    const float *cos, *sin;
    int64_t places, half;
    const hst_tensor *position; /* or NULL */
    bool interleaved;
} rotary;

static hst_status read_rotary(eval_context *c, const grouped *g, rotary *r, hst_error *err) {
    const hst_tensor *cos, *sin, *p = eval_in(c, POSITIONS);
    HST_TRY(eval_need(c, COS, "cos_cache", &cos, err));
    HST_TRY(eval_need(c, SIN, "sin_cache", &sin, err));
    for (int i = 0; i < 2; i++) {
        const hst_tensor *t = i ? sin : cos;
        if (t->rank != 2 || t->dim[1] != cos->dim[1] || t->dim[0] != cos->dim[0] || t->dim[1] > g->d / 2)
            return misfit(c->node, i ? "sin_cache" : "cos_cache", t, err);
    }
    if (p && (p->rank != 2 || p->dim[0] != g->batch || p->dim[1] != g->rows || !dtype_is_integer(p->dtype)))
        return misfit(c->node, "position_ids", p, err);
    HST_TRY(attention_as_f32(c, cos, &r->cos, err));
    HST_TRY(attention_as_f32(c, sin, &r->sin, err));
    r->places = cos->dim[0];
    r->half = cos->dim[1];
    r->position = p;
    r->interleaved = node_int(c->node, "rotary_interleaved", 0) != 0;
    return HST_STATUS_OK;
}

/* Turns m's rows, a copy in scratch [B, S, heads, d]. */
static hst_status turn(eval_context *c, const grouped *g, const rotary *r, int64_t heads, attention_matrix *m,
                       hst_error *err) {
    float *to;
    const int64_t d = g->d, step = r->interleaved ? 2 : 1, second = r->interleaved ? 1 : r->half;
    HST_TRY(attention_floats(c, g->batch * g->rows, heads, d, &to, err));
    for (int64_t row = 0; row < g->batch * g->rows; row++) {
        const int64_t b = row / g->rows, s = row % g->rows;
        int64_t place = r->position ? tensor_get_s64(r->position, row) : g->place[b] + s;
        const bool padding = g->place[b] + s >= g->end[b];
        if (padding && (place < 0 || place >= r->places)) place = 0;
        if (place < 0 || place >= r->places)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "row %lld stands at %lld, the caches have %lld places",
                              (long long)row, (long long)place, (long long)r->places);
        const float *cos = r->cos + place * r->half, *sin = r->sin + place * r->half;
        for (int64_t h = 0; h < heads; h++) {
            float *y = to + (row * heads + h) * d;
            memcpy(y, m->data + b * m->at.sequence + s * m->at.row + h * m->at.head, (size_t)d * sizeof *y);
            for (int64_t i = 0; i < r->half; i++) {
                float *p = y + i * step, *q = p + second;
                const float u = *p, v = *q;
                *p = u * cos[i] - v * sin[i];
                *q = u * sin[i] + v * cos[i];
            }
        }
    }
    m->data = to;
    m->at = (attention_rows){g->rows * heads * d, heads * d, d};
    return HST_STATUS_OK;
}

/* ---- the cache ---- */

/* Past and new rows together become m: the output where it is wanted, zeros behind them. `free`: rows before them, for
 * the key that stands for a sink. */
static hst_status gather(eval_context *c, const grouped *g, int in, int out, bool sink, attention_matrix *m,
                         hst_error *err) {
    const hst_tensor *past = eval_in(c, in);
    const int64_t d = g->d, shape[4] = {g->batch, g->kv, g->all, d}, length = g->all + sink;
    const float *from = NULL;
    float *present = NULL, *to;
    if (past && (past->rank != 4 || past->dtype != eval_in(c, QUERY)->dtype || past->dim[0] != g->batch ||
                 past->dim[1] != g->kv || past->dim[2] != g->past || past->dim[3] != d))
        return misfit(c->node, in == PAST_KEY ? "past_key" : "past_value", past, err);
    if (past) HST_TRY(attention_as_f32(c, past, &from, err));
    if (eval_wants(c, out)) HST_TRY(attention_output(c, out, eval_in(c, QUERY)->dtype, 4, shape, &present, err));
    if (present && !sink)
        to = present;
    else
        HST_TRY(attention_floats(c, g->batch * g->kv, length, d, &to, err));
    for (int64_t i = 0; i < g->batch * g->kv; i++) {
        const int64_t b = i / g->kv, h = i % g->kv, place = g->place[b];
        float *at = to + i * length * d;
        if (sink) memset(at, 0, (size_t)d * sizeof *at);
        at += sink * d;
        memset(at, 0, (size_t)(g->all * d) * sizeof *at);
        if (place) memcpy(at, from + i * g->past * d, (size_t)(place * d) * sizeof *at);
        for (int64_t s = 0; s < g->rows && place + s < g->all; s++)
            memcpy(at + (place + s) * d, m->data + b * m->at.sequence + s * m->at.row + h * m->at.head,
                   (size_t)d * sizeof *at);
        if (present && sink) memcpy(present + i * g->all * d, at, (size_t)(g->all * d) * sizeof *at);
    }
    if (present) attention_finish(c, out, present);
    *m = (attention_matrix){to, {g->kv * length * d, d, length * d}, length, d};
    return HST_STATUS_OK;
}

/* ---- masks ---- */

/* What is added to the scores: attention_bias, the window's and the sink's. */
static hst_status set_bias(eval_context *c, const grouped *g, int64_t window, bool sink, attention_f32 *a,
                           hst_error *err) {
    const hst_tensor *t = eval_in(c, BIAS), *sinks = eval_in(c, SINK);
    const float *bias = NULL, *of_head = NULL;
    float *to;
    const int64_t keys = g->all + sink;
    if (t && (t->rank != 4 || (t->dim[0] != 1 && t->dim[0] != g->batch) || (t->dim[1] != 1 && t->dim[1] != g->heads) ||
              t->dim[2] != g->rows || t->dim[3] < g->total))
        return misfit(c->node, "attention_bias", t, err);
    if (sinks && (sinks->rank != 1 || sinks->dim[0] != g->heads)) return misfit(c->node, "head_sink", sinks, err);
    if (t) HST_TRY(attention_as_f32(c, t, &bias, err));
    if (sinks) HST_TRY(attention_as_f32(c, sinks, &of_head, err));
    if (!t && !sinks && window < 0) return HST_STATUS_OK;
    const int64_t b_n = window >= 0 || (t && t->dim[0] > 1) ? g->batch : 1;
    const int64_t h_n = sinks || (t && t->dim[1] > 1) ? g->heads : 1;
    HST_TRY(attention_floats(c, b_n * h_n, g->rows, keys, &to, err));
    a->bias = to;
    a->bias_row = keys;
    a->bias_head = h_n > 1 ? g->rows * keys : 0;
    a->bias_sequence = b_n > 1 ? h_n * g->rows * keys : 0;
    for (int64_t i = 0; i < b_n * h_n * g->rows; i++, to += keys) {
        const int64_t b = i / (h_n * g->rows), h = i / g->rows % h_n, s = i % g->rows;
        const int64_t first = window >= 0 ? g->place[b] + s + 1 - window : 0; /* key that the window begins with */
        const int64_t at = t ? ((t->dim[0] > 1 ? b * t->dim[1] : 0) + (t->dim[1] > 1 ? h : 0)) * g->rows + s : 0;
        if (sink) to[0] = of_head ? of_head[h] : 0;
        for (int64_t j = 0; j < g->all; j++)
            to[j + sink] = j < first && j < g->end[b] - 1 ? -INFINITY : t && j < t->dim[3] ? bias[at * t->dim[3] + j] : 0;
    }
    return HST_STATUS_OK;
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    (void)state;
    const node *n = c->node;
    grouped g = {0};
    rotary r = {0};
    float *y;
    const int64_t window = node_int(n, "local_window_size", -1);
    const bool sink = eval_in(c, SINK) || node_int(n, "smooth_softmax", 0) == 1;
    if (eval_wants(c, 3) || node_int(n, "qk_output", 0) || eval_in(c, K_SCALE) || eval_in(c, V_SCALE))
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "the output of scores, and quantised caches");
    HST_TRY(read_rows(c, &g, err));
    HST_TRY(read_lengths(c, &g, err));
    if (node_int(n, "do_rotary", 0)) {
        HST_TRY(read_rotary(c, &g, &r, err));
        HST_TRY(turn(c, &g, &r, g.heads, &g.q, err));
        HST_TRY(turn(c, &g, &r, g.kv, &g.k, err));
    }
    HST_TRY(gather(c, &g, PAST_KEY, 1, sink, &g.k, err));
    HST_TRY(gather(c, &g, PAST_VALUE, 2, sink, &g.v, err));
    HST_TRY(attention_output(c, 0, eval_in(c, QUERY)->dtype, 3, (int64_t[]){g.batch, g.rows, g.heads * g.d}, &y, err));
    attention_f32 a = attention_of(g.batch, g.heads, &g.q, &g.k, &g.v, y);
    HST_TRY(set_bias(c, &g, window > 0 ? window : -1, sink, &a, err));
    for (int64_t b = 0; b < g.batch && sink; b++) g.place[b]++, g.end[b]++;
    a.kv_heads = g.kv;
    a.causal = node_int(n, "unidirectional", 1) != 0;
    a.past_of = g.place;
    a.key_end = g.end;
    a.softcap = node_float(n, "softcap", 0);
    a.scale = node_float(n, "scale", 0);
    if (a.scale == 0) a.scale = 1.0f / sqrtf((float)g.d);
    void *zeros;
    size_t bytes;
    if (!size_mul((size_t)g.batch, sizeof(int64_t), &bytes)) return error_no_memory(err, SIZE_MAX, "lengths");
    HST_TRY(eval_scratch(c, bytes, &zeros, err));
    if (bytes) memset(zeros, 0, bytes);
    a.key_begin = zeros;
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
    {"prompts, padded behind", 0, "(f32[2,3,4]{0.5 -1.25 0 -2 0.5 0.75 0.25 0.5 -0.5 -2 1 -0.25 1.5 -1.5 -1.5 -1.75 -0.75 0 1.5 -1.75 0.5 -0.25 0.75 -1.75}, f32[2,3,2]{1.75 2 -0.75 1.5 -2 -2 0.25 -0.75 -0.25 -0.75 1.5 -1.75}, f32[2,3,2]{-1.75 0.5 0.75 -1 -1.25 2 2 -2 2 0.75 -2 1.25}, _, _, s32[2]{1 2}, s32[1]{3}; num_heads=2, kv_num_heads=1) -> (f32[2,3,4]{-1.75 0.5 -1.75 0.5 -1.1483427 0.13900562 -0.87481755 -0.02510947 0.32688845 -0.74613307 -1.3570556 0.26423335 2 -2 2 -2 2 -0.44375975 2 -0.98129026 -0.010058342 0.25691043 -1.1640381 0.82026539}, f32[2,1,3,2]{1.75 2 -0.75 1.5 -2 -2 0.25 -0.75 -0.25 -0.75 1.5 -1.75}, f32[2,1,3,2]{-1.75 0.5 0.75 -1 -1.25 2 2 -2 2 0.75 -2 1.25})", 2e-6},
    {"a step after a longer past", 0, "(f32[2,1,4]{-0.75 2 -1.75 -1.5 -1 0 1 2}, f32[2,1,2]{0.5 2 -1 0}, f32[2,1,2]{-0.25 -2 2 0.25}, f32[2,1,3,2]{-1.75 1.75 0.75 0.5 2 2 1 -1 1 1 2 -1.5}, f32[2,1,3,2]{-0.25 -1.75 -1.25 1.25 -1.75 -1.5 -1.25 0.75 -0.25 -1.75 0.75 -2}, s32[2]{1 3}, s32[1]{4}; num_heads=2, kv_num_heads=1) -> (f32[2,1,4]{-0.25 -1.8254001 -0.25 -1.7613109 1.0741689 -0.14498615 -0.13704155 -1.536634}, f32[2,1,4,2]{-1.75 1.75 0.5 2 0 0 0 0 1 -1 1 1 2 -1.5 -1 0}, f32[2,1,4,2]{-0.25 -1.75 -0.25 -2 0 0 0 0 -1.25 0.75 -0.25 -1.75 0.75 -2 2 0.25})", 2e-6},
    {"packed, rotary", 0, "(f32[1,2,16]{2 0.75 0 0 1.5 1 -1 0.25 -1 0.5 0 1 1.75 0.75 0.25 -0.25 -0.75 0.25 0.5 0.25 -2 1.25 1 -0.25 -2 -0.25 -2 -1.75 1.25 -1 0.25 1.25}, _, _, _, _, s32[1]{1}, s32[1]{2}, f32[5,2]{1 1 0.5 -0.25 -0.75 0.25 0.25 0.5 0 1}, f32[5,2]{0 0 0.75 1 0.5 -1 -1 0.75 1 0}; num_heads=2, kv_num_heads=1, do_rotary=1) -> (f32[1,2,8]{1.75 0.75 0.25 -0.25 1.75 0.75 0.25 -0.25 1.555691 0.069918453 0.25 0.33292704 1.5770057 0.14451987 0.25 0.26898297}, f32[1,1,2,4]{-1 0.5 0 1 0.5 1.8125 -2.5 0.1875}, f32[1,1,2,4]{1.75 0.75 0.25 -0.25 1.25 -1 0.25 1.25})", 2e-6},
    {"a step, interleaved, part of the head", 0, "(f32[1,1,6]{1.25 -2 1.75 -1 0.5 -0.5}, f32[1,1,6]{1 1.75 1.5 0.5 0.75 -1.25}, f32[1,1,6]{0 -1.5 0.75 -1 -2 1.25}, f32[1,2,3,3]{-0.25 -1.75 -1.5 -1.5 1.5 0.5 -0.25 1 0.75 -0.25 -0.25 1 1 0.25 -0.25 -1.5 1.75 1.25}, f32[1,2,3,3]{-1 0 0.25 0 -0.75 1 -1.25 -1.5 0.75 -2 -0.25 -2 1.5 -1.25 -0.75 1.5 1.25 1}, s32[1]{3}, s32[1]{4}, f32[5,1]{1 0.5 -0.75 0.25 0}, f32[5,1]{0 0.75 0.5 -1 1}; num_heads=2, kv_num_heads=2, do_rotary=1, rotary_interleaved=1) -> (f32[1,1,6]{-0.5387101 -0.81920656 0.66984173 0.43813247 -0.47541636 0.21074884})", 2e-6},
    {"positions", 0, "(f32[1,2,4]{-1.5 -0.5 -0.5 1.25 -0.25 1.25 -0.25 -2}, f32[1,2,4]{1 0 -1 0.5 -1 1 -2 -1.25}, f32[1,2,4]{1.25 -1 -1.5 -0.75 -0.25 0.25 -0.5 1.25}, _, _, s32[1]{1}, s32[1]{2}, f32[5,2]{1 1 0.5 -0.25 -0.75 0.25 0.25 0.5 0 1}, f32[5,2]{0 0 0.75 1 0.5 -1 -1 0.75 1 0}, s64[1,2]{4 1}; num_heads=1, kv_num_heads=1, do_rotary=1) -> (f32[1,2,4]{1.25 -1 -1.5 -0.75 -0.068720151 0.098933459 -0.62085323 1.0082935})", 2e-6},
    {"window, soft cap, scale", 0, "(f32[1,4,4]{-2 -1.75 -0.25 -2 -1.25 1.5 -0.75 1 0.75 -1.75 1.75 -1.25 -0.5 1.5 1.75 1.5}, f32[1,4,2]{0.75 -0.75 1.75 2 -1.5 -1.75 -0.5 1}, f32[1,4,2]{-1 -0.25 0.5 -1.25 0.5 -1.5 -1.75 1.5}, _, _, s32[1]{3}, s32[1]{4}; num_heads=2, kv_num_heads=1, local_window_size=2, softcap=1.5, scale=0.75) -> (f32[1,4,4]{-1 -0.25 -1 -0.25 0.27594289 -1.1006286 0.19364571 -1.0457638 0.5 -1.4776218 0.5 -1.3310749 -1.5167153 1.1889537 -1.4668976 1.1225302})", 2e-6},
    {"bias, smooth softmax", 0, "(f32[1,2,4]{0.75 -1.25 0.5 2 -0.25 -1.5 1 -0.5}, f32[1,2,2]{2 -1.75 -2 -1}, f32[1,2,2]{1.5 -0.75 -0.5 0.5}, f32[1,1,1,2]{-1 1.25}, f32[1,1,1,2]{-2 0.5}, s32[1]{2}, s32[1]{3}, _, _, _, f32[1,2,2,3]{1.5 1 -1 -1.25 -1.5 1 0.5 -1 0 -1.75 -0.5 -0.75}; num_heads=2, kv_num_heads=1, smooth_softmax=1) -> (f32[1,2,4]{1.3823755 -0.70246069 -1.7170203 0.42625284 -0.32153566 0.3679218 1.1547465 -0.57509156}, f32[1,1,3,2]{-1 1.25 2 -1.75 -2 -1}, f32[1,1,3,2]{-2 0.5 1.5 -0.75 -0.5 0.5})", 2e-6},
    {"sinks, window", 0, "(f32[2,3,2]{0 0.75 1.75 -1 -2 0.5 0.25 -0.75 1.5 0.25 -0.5 1}, f32[2,3,2]{-2 -1.75 -1 0.75 1.5 1.5 0 -1.25 -2 1 -1.75 0}, f32[2,3,2]{0.75 1 -1.25 -2 0.5 -0.25 -1.25 -1.25 0.25 -1.75 1.75 1.25}, _, _, s32[2]{2 2}, s32[1]{3}, _, _, _, _, f32[2]{1 1}; num_heads=2, kv_num_heads=2, local_window_size=2) -> (f32[2,3,2]{0.20170607 0.090092994 -0.066581977 0.5377009 -0.9068931 -0.54675412 -0.33617678 -0.60547511 -0.32843169 -0.66785288 0.62250529 -0.54485489})", 2e-6},
    {"room behind the past", 0, "(f32[1,1,2]{1.5 1.25}, f32[1,1,2]{1 2}, f32[1,1,2]{-0.25 -0.75}, f32[1,1,4,2]{-1.5 -1.5 -1.75 0.75 0 1.5 2 -1.25}, f32[1,1,4,2]{-1.75 1 0.5 1 -2 -1 0 0}, s32[1]{1}, s32[1]{2}; num_heads=1, kv_num_heads=1) -> (f32[1,1,2]{-0.25478165 -0.74442141}, f32[1,1,4,2]{-1.5 -1.5 1 2 0 0 0 0}, f32[1,1,4,2]{-1.75 1 -0.25 -0.75 0 0 0 0})", 2e-6},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(com_microsoft_GroupQueryAttention) = {
    .name = "GroupQueryAttention",
    .domain = "com.microsoft",
    .since = 1,
    .min_in = 7,
    .max_in = 14,
    .holes = 1u << KEY | 1u << VALUE | 1u << PAST_KEY | 1u << PAST_VALUE,
    .min_out = 1,
    .max_out = 4,
    .infer = infer,
    .eval = eval,
    .bind = bind,
    .summary = "causal attention of heads in groups, with rotary embedding and a cache",
    .gaps = "the output of scores; quantised caches",
    HST_CASES(cases)};
