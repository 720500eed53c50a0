/* ai.onnx Attention: y = softmax(softcap(scale q kᵀ) + masks) v per head, softcap(x) = c tanh(x / c).
 *   Q [B, N, S, d], K [B, M, L, d], V [B, M, L, dv], or rows [B, S, N d], [B, L, M d], [B, L, M dv]; M divides N: query
 *   head h reads key head h / (N / M).   attn_mask, bool or numbers to add, broadcasts to [B, N, S, T], T = P + L; keys
 *   beyond its last are hidden.   past_key [B, M, P, d], past_value [B, M, P, dv]   nonpad_kv_seqlen [B]
 *   ->   Y [B, N, S, dv] or [B, S, N dv]   present_key [B, M, T, d], present_value [B, M, T, dv]
 *        qk_matmul_output [B, N, S, T]: the scores after the product, soft cap, masks or softmax
 * Query i stands at place P + i, or nonpad_kv_seqlen − S + i; causality and windows are relative to it. A query that
 * sees no key gives zeros. Half types compute in f32; the softmax is never less exact than softmax_precision asks. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "ops/attention_onnx.h"

enum { QUERY, KEY, VALUE, MASK, PAST_KEY, PAST_VALUE, NONPAD };
enum { Y, PRESENT_KEY, PRESENT_VALUE, SCORES };
#define LENGTH_MOST ((int64_t)1 << 40) /* rows of a sequence: sums of lengths are safe below */

/* ---- infer ---- */

/* Heads, rows and elements a row of an input of rank 3 or 4; unknown ones are 0. */
typedef struct head_dims {
    dim heads, length, d;
} head_dims;

static hst_status dims_of(infer_context *c, int i, const char *heads, head_dims *out, hst_error *err) {
    const type *t = infer_in(c, i);
    const dim n = node_int(c->node, heads, 0);
    bool ok = true;
    *out = (head_dims){0};
    if (t->rank == 4) *out = (head_dims){t->dim[1], t->dim[2], t->dim[3]};
    if (t->rank < 0 || t->rank == 4) return HST_STATUS_OK;
    if (t->rank != 3 || n <= 0)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d has rank %d and %s is %lld", i, t->rank, heads,
                          (long long)n);
    *out = (head_dims){n, t->dim[1], dim_quotient(c->model, &t->dim[2], 1, &n, 1, &ok)};
    if (!ok)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%s is %lld, which does not divide %lld", heads,
                          (long long)n, (long long)t->dim[2]);
    return HST_STATUS_OK;
}

/* A present of the rows of m after a past; returns its length, 0 where that is not known. */
static dim infer_present(infer_context *c, int past, int out, const head_dims *m) {
    const type *p = infer_in(c, past), *q = infer_in(c, QUERY);
    const bool has_past = past < c->node->n_in && c->node->in[past];
    if (has_past && p->rank != 4) return 0;
    const dim total = has_past ? dim_sum(c->model, p->dim[2], m->length) : m->length;
    if (out < c->n_out) c->out[out] = type_make(c->out[out].dtype, 4, (dim[]){q->dim[0], m->heads, total, m->d});
    return total;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *q = infer_in(c, QUERY), *k = infer_in(c, KEY), *v = infer_in(c, VALUE);
    head_dims hq, hk, hv;
    for (int i = 0; i < c->n_out; i++) c->out[i].dtype = i == PRESENT_VALUE ? v->dtype : q->dtype;
    HST_TRY(dims_of(c, QUERY, "q_num_heads", &hq, err));
    HST_TRY(dims_of(c, KEY, "kv_num_heads", &hk, err));
    HST_TRY(dims_of(c, VALUE, "kv_num_heads", &hv, err));
    if (q->rank < 0) return HST_STATUS_OK;
    if (v->rank >= 0) {
        if (q->rank == 4)
            c->out[Y] = type_make(q->dtype, 4, (dim[]){q->dim[0], hq.heads, hq.length, hv.d});
        else
            c->out[Y] = type_make(q->dtype, 3,
                                  (dim[]){q->dim[0], hq.length, dim_product(c->model, (dim[]){hq.heads, hv.d}, 2)});
        infer_present(c, PAST_VALUE, PRESENT_VALUE, &hv);
    }
    if (k->rank < 0) return HST_STATUS_OK;
    const dim total = infer_present(c, PAST_KEY, PRESENT_KEY, &hk);
    if (c->n_out > SCORES && total)
        c->out[SCORES] = type_make(q->dtype, 4, (dim[]){q->dim[0], hq.heads, hq.length, total});
    return HST_STATUS_OK;
}

/* ---- the operands ---- */

static hst_status misfit(const node *n, const char *name, const hst_tensor *t, hst_error *err) {
    type got = type_of_tensor(t);
    char shape[160];
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "input '%s' is %s, which does not fit the other inputs", name,
                      type_format(NULL, &got, shape, sizeof shape));
}

static hst_status rows_of(const node *n, const hst_tensor *t, const char *name, const char *heads, onnx_matrix *m,
                          hst_error *err) {
    const int64_t h = node_int(n, heads, 0);
    m->data = t->data;
    m->dtype = t->dtype;
    if (t->rank == 4) {
        m->heads = t->dim[1], m->length = t->dim[2], m->d = t->dim[3];
        m->at = (attention_rows){m->heads * m->length * m->d, m->d, m->length * m->d};
        return m->length > LENGTH_MOST ? misfit(n, name, t, err) : HST_STATUS_OK;
    }
    if (t->rank != 3 || t->dim[1] > LENGTH_MOST) return misfit(n, name, t, err);
    if (h <= 0 || t->dim[2] == 0 || t->dim[2] % h)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%s is %lld: '%s' has %lld columns", heads, (long long)h, name,
                          (long long)t->dim[2]);
    m->heads = h, m->length = t->dim[1], m->d = t->dim[2] / h;
    m->at = (attention_rows){m->length * t->dim[2], t->dim[2], m->d};
    return HST_STATUS_OK;
}

/* m becomes the past's rows followed by its own, which are the output `out` where that is wanted. */
static hst_status append(eval_context *c, int64_t batch, int past, int out, onnx_matrix *m, hst_error *err) {
    const hst_tensor *p = eval_in(c, past);
    if (!p && !eval_wants(c, out)) return HST_STATUS_OK;
    if (p && (p->rank != 4 || p->dtype != m->dtype || p->dim[0] != batch || p->dim[1] != m->heads ||
              p->dim[2] > LENGTH_MOST || p->dim[3] != m->d))
        return misfit(c->node, past == PAST_KEY ? "past_key" : "past_value", p, err);
    const int64_t before = p ? p->dim[2] : 0, shape[4] = {batch, m->heads, before + m->length, m->d};
    const size_t size = move_size(m->dtype), row = (size_t)m->d * size;
    void *to;
    if (eval_wants(c, out)) {
        hst_tensor *present;
        HST_TRY(eval_output(c, out, m->dtype, 4, shape, &present, err));
        to = present->data;
    } else {
        size_t bytes;
        HST_TRY(shape_bytes(m->dtype, 4, shape, &bytes, err));
        HST_TRY(eval_scratch(c, bytes, &to, err));
    }
    for (int64_t i = 0; i < batch * m->heads && row; i++) {
        char *at = (char *)to + (size_t)(i * shape[2]) * row;
        const char *from =
            (const char *)m->data + (size_t)(i / m->heads * m->at.sequence + i % m->heads * m->at.head) * size;
        if (before) memcpy(at, (const char *)p->data + (size_t)(i * before) * row, (size_t)before * row);
        for (int64_t r = 0; r < m->length; r++)
            memcpy(at + (size_t)(before + r) * row, from + (size_t)(r * m->at.row) * size, row);
    }
    m->data = to;
    m->length = shape[2];
    m->at = (attention_rows){m->heads * m->length * m->d, m->d, m->length * m->d};
    return HST_STATUS_OK;
}

static bool is_supported(hst_dtype d) {
    return d == HST_DTYPE_F32 || d == HST_DTYPE_F16 || d == HST_DTYPE_BF16 || d == HST_DTYPE_F64;
}

static hst_status read_operands(eval_context *c, onnx_attention *o, hst_error *err) {
    const node *n = c->node;
    const hst_tensor *q, *k, *v;
    HST_TRY(eval_need(c, QUERY, "Q", &q, err));
    HST_TRY(eval_need(c, KEY, "K", &k, err));
    HST_TRY(eval_need(c, VALUE, "V", &v, err));
    if (!is_supported(q->dtype) || q->dtype != k->dtype || !is_supported(v->dtype))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "attention of %s, %s and %s", dtype_name(q->dtype),
                          dtype_name(k->dtype), dtype_name(v->dtype));
    HST_TRY(rows_of(n, q, "Q", "q_num_heads", &o->q, err));
    HST_TRY(rows_of(n, k, "K", "kv_num_heads", &o->k, err));
    HST_TRY(rows_of(n, v, "V", "kv_num_heads", &o->v, err));
    o->batch = q->dim[0];
    if (k->rank != q->rank || k->dim[0] != o->batch || o->k.d != o->q.d) return misfit(n, "K", k, err);
    if (v->rank != q->rank || v->dim[0] != o->batch || o->v.heads != o->k.heads || o->v.length != o->k.length)
        return misfit(n, "V", v, err);
    if (o->k.heads ? o->q.heads % o->k.heads != 0 : o->q.heads != 0)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%lld heads of Q cannot share %lld of K and V",
                          (long long)o->q.heads, (long long)o->k.heads);
    if (!eval_in(c, PAST_KEY) != !eval_in(c, PAST_VALUE))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "past_key and past_value must be given together");
    HST_TRY(append(c, o->batch, PAST_KEY, PRESENT_KEY, &o->k, err));
    HST_TRY(append(c, o->batch, PAST_VALUE, PRESENT_VALUE, &o->v, err));
    if (o->k.length != o->v.length) return misfit(n, "past_value", eval_in(c, PAST_VALUE), err);
    return HST_STATUS_OK;
}

static hst_status read_mask(eval_context *c, onnx_attention *o, hst_error *err) {
    const hst_tensor *t = eval_in(c, MASK);
    const int64_t want[4] = {o->batch, o->q.heads, o->q.length, o->k.length};
    o->mask = t;
    if (!t) return HST_STATUS_OK;
    bool fits = t->rank >= 1 && t->rank <= 4 &&
                (t->dtype == HST_DTYPE_B8 || dtype_is_float(t->dtype) || dtype_is_integer(t->dtype));
    for (int i = 0; fits && i < 4; i++) o->mask_dim[i] = i < 4 - t->rank ? 1 : t->dim[i - (4 - t->rank)];
    for (int i = 0; fits && i < 3; i++) fits = o->mask_dim[i] == want[i] || o->mask_dim[i] == 1;
    if (!fits || o->mask_dim[3] > want[3]) return misfit(c->node, "attn_mask", t, err);
    int64_t stride = 1;
    for (int i = 3; i >= 0; i--) {
        o->mask_stride[i] = o->mask_dim[i] == 1 && i < 3 ? 0 : stride;
        stride *= o->mask_dim[i];
    }
    return HST_STATUS_OK;
}

/* Two numbers a sequence. */
static hst_status pairs(eval_context *c, int64_t batch, int64_t **first, int64_t **second, hst_error *err) {
    size_t bytes;
    void *memory;
    if (!size_mul((size_t)batch, 2 * sizeof(int64_t), &bytes)) return error_no_memory(err, SIZE_MAX, "attention");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    *first = memory;
    *second = *first + batch;
    return HST_STATUS_OK;
}

/* Places of the queries, and the keys that are no padding. */
static hst_status read_places(eval_context *c, onnx_attention *o, hst_error *err) {
    const hst_tensor *t = eval_in(c, NONPAD), *past = eval_in(c, PAST_KEY);
    HST_TRY(pairs(c, o->batch, &o->offset, &o->known, err));
    if (t && past)
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "nonpad_kv_seqlen cannot be given with past_key");
    if (t && (t->rank != 1 || t->dim[0] != o->batch || !dtype_is_integer(t->dtype)))
        return misfit(c->node, "nonpad_kv_seqlen", t, err);
    for (int64_t b = 0; b < o->batch; b++) {
        const int64_t n = t ? tensor_get_s64(t, b) : o->k.length;
        if (n < 0 || n > o->k.length)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "nonpad_kv_seqlen is %lld for %lld keys",
                              (long long)n, (long long)o->k.length);
        o->known[b] = n;
        o->offset[b] = t ? n - o->q.length : past ? past->dim[2] : 0;
    }
    return HST_STATUS_OK;
}

static hst_status read_settings(eval_context *c, onnx_attention *o, hst_error *err) {
    const node *n = c->node;
    const int64_t most = o->q.length + o->k.length; /* a wider window is none */
    o->causal = node_int(n, "is_causal", 0) != 0;
    o->left = node_int(n, "left_window_size", -1);
    o->right = node_int(n, "right_window_size", -1);
    if (o->left < -1 || o->right < -1)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "left_window_size %lld, right_window_size %lld",
                          (long long)o->left, (long long)o->right);
    if (o->left > most) o->left = -1;
    if (o->right > most) o->right = -1;
    o->softcap = (double)node_float(n, "softcap", 0);
    o->scale = node_attribute(n, "scale") ? (double)node_float(n, "scale", 1) : 1 / sqrt((double)o->q.d);
    return HST_STATUS_OK;
}

/* ---- f32 ---- */

static hst_status narrow(eval_context *c, int64_t batch, const onnx_matrix *m, const float **out, hst_error *err) {
    hst_tensor whole = {
        .dtype = m->dtype, .rank = 1, .dim = {batch * m->at.sequence}, .data = (void *)(uintptr_t)m->data};
    return attention_as_f32(c, &whole, out, err);
}

/* The keys [begin, end) of each sequence that any query may see. Where a boolean mask is the same for all queries and
 * one run of keys, it is part of that, and the kernel reads no other key. Returns whether it is so for every sequence.
 */
static bool key_ranges(const onnx_attention *o, int64_t *begin, int64_t *end) {
    const bool yes_no = o->mask && o->mask->dtype == HST_DTYPE_B8 && o->mask_dim[1] == 1;
    const int64_t n = o->mask_dim[3];
    bool all = yes_no || !o->mask;
    for (int64_t b = 0; b < o->batch; b++) {
        begin[b] = 0;
        end[b] = o->known[b];
        if (!yes_no) continue;
        const uint8_t *m = (const uint8_t *)o->mask->data + b * o->mask_stride[0];
        int64_t first = 0, last = n;
        while (first < last && !m[first]) first++;
        while (last > first && !m[last - 1]) last--;
        bool run = true;
        for (int64_t j = first; j < last && run; j++) run = m[j] != 0;
        for (int64_t i = 1; i < o->mask_dim[2] && run; i++) run = memcmp(m, m + i * n, (size_t)n) == 0;
        if (run) begin[b] = first;
        if (run && last < end[b]) end[b] = last;
        all = all && run;
    }
    return all;
}

/* The mask as numbers to add, [dim 0, dim 1, dim 2, keys] by strides; `square`: with what the range of each query
 * hides.
 */
static hst_status additive(eval_context *c, const onnx_attention *o, bool square, attention_f32 *a, hst_error *err) {
    const hst_tensor *t = o->mask;
    const float *from = NULL;
    float *to;
    const int64_t keys = o->k.length, n = t ? o->mask_dim[3] : keys;
    const int64_t b_n = square ? o->batch : o->mask_dim[0], h_n = t ? o->mask_dim[1] : 1;
    const int64_t s_n = square ? o->q.length : o->mask_dim[2];
    const bool yes_no = t && t->dtype == HST_DTYPE_B8;
    if (t && !yes_no) HST_TRY(attention_as_f32(c, t, &from, err));
    a->bias_row = s_n == 1 ? 0 : keys;
    a->bias_head = h_n == 1 ? 0 : s_n * keys;
    a->bias_sequence = b_n == 1 ? 0 : h_n * s_n * keys;
    a->bias = from;
    if (from && !square && n == keys) return HST_STATUS_OK;
    HST_TRY(attention_floats(c, b_n * h_n, s_n, keys, &to, err));
    a->bias = to;
    for (int64_t b = 0; b < b_n; b++)
        for (int64_t h = 0; h < h_n; h++)
            for (int64_t i = 0; i < s_n; i++, to += keys) {
                const int64_t at = b * o->mask_stride[0] + h * o->mask_stride[1] + i * o->mask_stride[2];
                const uint8_t *m = yes_no ? (const uint8_t *)t->data + at : NULL;
                int64_t begin = 0, end = keys;
                if (square) onnx_attention_range(o, b, i, &begin, &end);
                for (int64_t j = 0; j < keys; j++) to[j] = j < n ? 0 : -INFINITY;
                for (int64_t j = 0; j < n; j++) {
                    if (m)
                        to[j] = m[j] ? 0 : -INFINITY;
                    else if (from)
                        to[j] = from[at + j];
                }
                for (int64_t j = 0; j < begin; j++) to[j] = -INFINITY;
                for (int64_t j = end; j < keys; j++) to[j] = -INFINITY;
            }
    return HST_STATUS_OK;
}

static hst_status set_masks(eval_context *c, const onnx_attention *o, attention_f32 *a, hst_error *err) {
    int64_t *begin = NULL, *end = NULL;
    const bool square = o->left >= 0 || o->right >= 0;
    a->causal = o->causal;
    a->past_of = o->offset;
    HST_TRY(pairs(c, o->batch, &begin, &end, err));
    const bool runs = key_ranges(o, begin, end);
    a->key_begin = begin;
    a->key_end = end;
    if (square || (o->mask && !runs)) return additive(c, o, square, a, err);
    return HST_STATUS_OK;
}

/* Queries that the masks leave no key: zeros, where the softmax made NaN. */
static void clear_dead_rows(const attention_f32 *a) {
    for (int64_t s = 0; s < a->sequences && a->bias && a->dv; s++)
        for (int64_t h = 0; h < a->heads; h++)
            for (int64_t i = 0; i < a->queries; i++) {
                const float *m = a->bias + s * a->bias_sequence + h * a->bias_head + i * a->bias_row;
                int64_t j = a->key_begin[s], end = a->key_end[s];
                if (a->causal && i + a->past_of[s] + 1 < end) end = i + a->past_of[s] + 1;
                while (j < end && m[j] == -INFINITY) j++;
                if (j < end) continue;
                float *y = a->out + s * a->out_at.sequence + i * a->out_at.row + h * a->out_at.head;
                memset(y, 0, (size_t)a->dv * sizeof(float));
            }
}

static hst_status run_f32(eval_context *c, const onnx_attention *o, int rank, const int64_t *shape, hst_error *err) {
    float *y;
    attention_f32 a = attention_make(o->batch, o->q.heads, o->q.length, o->k.length, o->q.d, o->v.d);
    HST_TRY(attention_output(c, Y, o->q.dtype, rank, shape, &y, err));
    HST_TRY(narrow(c, o->batch, &o->q, &a.q, err));
    HST_TRY(narrow(c, o->batch, &o->k, &a.k, err));
    HST_TRY(narrow(c, o->batch, &o->v, &a.v, err));
    a.kv_heads = o->k.heads;
    a.q_at = o->q.at, a.k_at = o->k.at, a.v_at = o->v.at;
    a.out = y;
    a.out_at = (attention_rows){.sequence = o->q.heads * o->q.length * o->v.d,
                                .row = rank == 3 ? o->q.heads * o->v.d : o->v.d,
                                .head = rank == 3 ? o->v.d : o->q.length * o->v.d};
    a.scale = (float)o->scale;
    a.softcap = (float)o->softcap;
    HST_TRY(set_masks(c, o, &a, err));
    HST_TRY(attention_run(c, &a, err));
    clear_dead_rows(&a);
    attention_finish(c, Y, y);
    return HST_STATUS_OK;
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    (void)state;
    onnx_attention o = {0};
    HST_TRY(read_operands(c, &o, err));
    HST_TRY(read_mask(c, &o, err));
    HST_TRY(read_places(c, &o, err));
    HST_TRY(read_settings(c, &o, err));
    const int rank = eval_in(c, QUERY)->rank;
    const int64_t shape4[4] = {o.batch, o.q.heads, o.q.length, o.v.d};
    const int64_t shape3[3] = {o.batch, o.q.length, o.q.heads * o.v.d};
    const int64_t mode = node_int(c->node, "qk_matmul_output_mode", 0);
    const bool wide = o.q.dtype == HST_DTYPE_F64 || o.v.dtype == HST_DTYPE_F64 ||
                      node_int(c->node, "softmax_precision", 0) == HST_DTYPE_F64;
    hst_tensor *y = NULL, *scores = NULL;
    if (mode < 0 || mode > 3)
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "qk_matmul_output_mode %lld", (long long)mode);
    if (wide)
        HST_TRY(eval_output(c, Y, o.q.dtype, rank, rank == 3 ? shape3 : shape4, &y, err));
    else
        HST_TRY(run_f32(c, &o, rank, rank == 3 ? shape3 : shape4, err));
    if (eval_wants(c, SCORES))
        HST_TRY(eval_output(c, SCORES, o.q.dtype, 4, (int64_t[]){o.batch, o.q.heads, o.q.length, o.k.length}, &scores,
                            err));
    return y || scores ? onnx_attention_plain(c, &o, y, scores, (int)mode, err) : HST_STATUS_OK;
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
    {"rank 4", 0, "(f32[1,2,2,2]{2 0.5 0.75 1.75 0.25 1.25 1.5 -1.25}, f32[1,2,3,2]{-2 -0.75 -1 1.5 1.75 -2 0 1.25 -1.5 1.25 -1.5 -0.25}, f32[1,2,3,1]{1.25 -0.75 -0.75 -1 1 -1}) -> (f32[1,2,2,1]{-0.7356438 -0.68347991 -0.2215566 -0.79325813})", 2e-6},
    {"rows", 0, "(f32[1,2,4]{2 -0.25 0 0 0.25 0.25 0 2}, f32[1,2,4]{1.25 1.25 0.75 0.5 -0.75 2 -0.25 -1.25}, f32[1,2,4]{1.5 -1.5 1.5 0.5 -1.75 -2 -0.25 -2}; q_num_heads=2, kv_num_heads=2) -> (f32[1,2,4]{1.3400391 -1.5246093 0.625 -0.75 0.053811837 -1.7224904 1.3641326 0.30590373})", 2e-6},
    {"grouped heads, scale", 0, "(f32[1,2,4]{-1.5 0 2 -0.25 1.25 1.75 1.25 0.5}, f32[1,2,2]{-0.25 0 -1 0}, f32[1,2,2]{-0.5 -1 2 -2}; q_num_heads=2, kv_num_heads=1, scale=0.5) -> (f32[1,2,4]{1.092577 -1.6370308 0.30205324 -1.3208213 0.46228036 -1.3849121 0.46228036 -1.3849121})", 2e-6},
    {"grouped heads, rank 4", 0, "(f32[1,4,1,2]{-1.75 -1.25 2 0.75 1.5 -1.25 1 -0.5}, f32[1,2,2,2]{0 -2 0.5 1.5 0.75 -1.5 0.25 -1}, f32[1,2,2,2]{2 1.5 -1.25 0 1.75 1.5 1 0.5}) -> (f32[1,4,1,2]{1.9225237 1.4642417 -1.0174931 0.10731085 1.5441791 1.2255721 1.4721701 1.1295601})", 2e-6},
    {"mask to add", 0, "(f32[1,2,2,2]{-2 1 0 -1.75 -1 0.25 1 0}, f32[1,2,3,2]{0.5 1.5 0.75 -0.5 0.5 0.5 -1.75 -1.75 0.75 -0.5 0.5 -0.75}, f32[1,2,3,2]{-1.25 -1.5 -0.5 1.25 -0.5 -0.5 0.25 2 -0.5 0.5 -0.25 0.5}, f32[2,3]{-1 0.5 0 -inf 0 -2}) -> (f32[1,2,2,2]{-0.74151587 -0.39086682 -0.5 1.1838833 -0.15003237 1.0735826 -0.47453615 0.5})", 2e-6},
    {"mask of heads", 0, "(f32[2,2,1,1]{-0.25 0.5 0.25 0.75}, f32[2,2,2,1]{2 -1.5 0.25 -0.25 -0.5 -1 -2 -0.5}, f32[2,2,2,1]{1.5 -1.75 -0.5 2 2 -1.25 -2 0.75}, f32[2,1,2]{0 -1 2 -inf}) -> (f32[2,2,1,1]{-0.023569537 -0.5 1.2034737 -2})", 2e-6},
    {"key mask, padding right and left", 0, "(f32[2,1,2,2]{-2 -0.75 0 1.5 -1.75 0.75 0.25 -1.5}, f32[2,1,3,2]{1.5 1.5 0 2 0.5 1.75 2 0.25 -1 -1.5 0.25 -1.25}, f32[2,1,3,2]{1 1.75 -1 0.25 -2 -1.25 -0.5 1.75 2 0.5 0.25 0.25}, b8[2,1,1,3]{true true false false true true}) -> (f32[2,1,2,2]{-0.72969639 0.45272771 -0.2591202 0.80565983 1.6577519 0.45110741 1.1443318 0.37776169})", 2e-6},
    {"key mask with a hole", 0, "(f32[1,1,2,2]{-1.75 -0.5 2 -0.5}, f32[1,1,3,2]{-1.25 -1 1 -2 2 1.5}, f32[1,1,3,2]{0.25 -0.25 1 0.25 0 -0.75}, b8[1,1,1,3]{true false true}) -> (f32[1,1,2,2]{0.24816227 -0.25367546 0.0059597152 -0.73808056})", 2e-6},
    {"mask of one dimension", 0, "(f32[1,1,2,2]{-0.25 1 -2 -2}, f32[1,1,3,2]{1 -0.5 1.25 -2 1.75 -1.5}, f32[1,1,3,2]{-0.25 2 -1.75 0.75 1 -0.25}, b8[3]{false true true}) -> (f32[1,1,2,2]{-0.19375974 0.18409446 -1.2121816 0.55442971})", 2e-6},
    {"queries that see nothing", 0, "(f32[2,1,2,2]{-1.75 0 -0.25 1.5 0.75 -0.75 -2 0.5}, f32[2,1,2,2]{-1 0.75 1.5 -0.5 1.75 0 0.25 1.25}, f32[2,1,2,2]{1.25 1.75 2 -1.5 -0.25 1.75 -0.75 -2}, b8[2,1,2,2]{true false false false false false true true}) -> (f32[2,1,2,2]{1.25 1.75 0 0 0 0 -0.7142297 -1.7317228})", 2e-6},
    {"sequence that sees nothing", 0, "(f32[2,1,2,2]{0.25 1 1 1.25 0.5 -1.5 1.5 -0.25}, f32[2,1,2,2]{1.5 1.25 2 -2 1.5 0.5 0 1.25}, f32[2,1,2,2]{2 0 -1.75 1 -1.25 -1.25 -1.25 -1.25}, b8[2,1,1,2]{false false true true}) -> (f32[2,1,2,2]{0 0 0 0 -1.25 -1.25 -1.25 -1.25})", 2e-6},
    {"nothing seen by mask and causality", 0, "(f32[1,1,2,2]{1.75 -0.5 -1.75 -1.25}, f32[1,1,2,2]{-0.5 -0.75 -0.75 2}, f32[1,1,2,2]{1.5 0.25 2 -0.75}, f32[2,2]{-inf 0 -inf 0}; is_causal=1) -> (f32[1,1,2,2]{0 0 2 -0.75})", 2e-6},
    {"shorter mask", 0, "(f32[1,1,2,2]{-1.5 -1 -1.75 2}, f32[1,1,3,2]{-1.25 -0.25 -1.25 2 -1.5 0}, f32[1,1,3,2]{2 0 1.75 1.75 1.25 1}, f32[2,2]{1 -1 0 0.5}) -> (f32[1,1,2,2]{1.9932922 0.046954688 1.7561387 1.7070289})", 2e-6},
    {"shorter boolean mask", 0, "(f32[1,1,2,2]{0.25 0.25 1.5 -0.25}, f32[1,1,3,2]{2 1.5 -0.5 -0.5 1 1.75}, f32[1,1,3,2]{-1.75 -1.75 -1 -0.25 -1.5 0}, b8[2,2]{true true false true}) -> (f32[1,1,2,2]{-1.5167575 -1.283515 -1 -0.25})", 2e-6},
    {"causal", 0, "(f32[1,1,3,2]{0.25 2 1 -1 1.25 1.25}, f32[1,1,3,2]{0.75 0.75 -0.75 1 -1.5 0.5}, f32[1,1,3,2]{1.75 2 -0.75 -0.75 0.5 -0.5}; is_causal=1) -> (f32[1,1,3,2]{1.75 2 1.1877939 1.3815732 1.0801047 1.1774455})", 2e-6},
    {"causal, more keys than queries", 0, "(f32[1,1,2,2]{1 -1.25 -1.5 -2}, f32[1,1,3,2]{-0.25 -1.25 -0.75 1.75 1.25 1.5}, f32[1,1,3,2]{0.5 -1.75 1 0.5 1.75 0}; is_causal=1) -> (f32[1,1,2,2]{0.5 -1.75 0.51191944 -1.6963626})", 2e-6},
    {"past", 0, "(f32[1,1,4]{-1.5 0.5 -0.25 0.75}, f32[1,1,4]{-0.5 -0.75 -1.5 2}, f32[1,1,4]{1 -0.25 -1.25 0.5}, _, f32[1,2,2,2]{-0.25 0.5 -1.75 -1.25 1 -1.75 0.75 -0.5}, f32[1,2,2,2]{-2 1 0.75 1.25 1.75 1 1.5 -1.75}; q_num_heads=2, kv_num_heads=2, is_causal=1) -> (f32[1,1,4]{0.18316406 0.91377062 -0.65413451 0.21772572}, f32[1,2,3,2]{-0.25 0.5 -1.75 -1.25 -0.5 -0.75 1 -1.75 0.75 -0.5 -1.5 2}, f32[1,2,3,2]{-2 1 0.75 1.25 1 -0.25 1.75 1 1.5 -1.75 -1.25 0.5})", 2e-6},
    {"past, presents not wanted", 0, "(f32[1,2,1,2]{1.75 1.75 0.75 1.25}, f32[1,1,1,2]{1 1.5}, f32[1,1,1,2]{1.75 0}, _, f32[1,1,2,2]{1.25 1.75 -0.75 -2}, f32[1,1,2,2]{-1.5 -2 -0.25 -2}) -> (f32[1,2,1,2]{-0.36220357 -1.3002236 -0.15997238 -1.1810132})", 2e-6},
    {"presents of no past", 0, "(f32[1,2,4]{-1 -1 1 -1 2 -1.25 2 0.25}, f32[1,2,2]{-1 -2 -0.75 0.5}, f32[1,2,4]{-1.75 -1.5 -1.75 0.75 -1.75 -2 -0.25 -0.75}; q_num_heads=2, kv_num_heads=1) -> (f32[1,2,8]{-1.75 -1.5625747 -1.5622756 0.56227571 -1.75 -1.5846223 -1.4961331 0.49613306 -1.75 -1.5675759 -1.5472723 0.54727226 -1.75 -1.844505 -0.71648496 -0.28351504}, f32[1,1,2,2]{-1 -2 -0.75 0.5}, f32[1,1,2,4]{-1.75 -1.5 -1.75 0.75 -1.75 -2 -0.25 -0.75})", 2e-6},
    {"scores, mode 0", 0, "(f32[1,2,2,2]{0.25 1.75 1.5 0.25 0.5 1.25 -0.25 0.75}, f32[1,1,2,2]{-1.25 0.5 -1 -1.25}, f32[1,1,2,2]{1 0.25 -0.5 -2}, f32[2,2]{0 -1 -inf -inf}; qk_matmul_output_mode=0, softcap=1.5) -> (f32[1,2,2,2]{0.89771569 0.096573532 0 0 0.83989996 0.0098499451 0 0}, _, _, f32[1,2,2,2]{0.39774758 -1.7235727 -1.2374369 -1.281631 0 -1.4584078 0.4861359 -0.4861359})", 2e-6},
    {"scores, mode 1", 0, "(f32[1,2,2,2]{-1 1.25 -0.25 2 1.75 1.5 -2 -2}, f32[1,1,2,2]{0.25 -0.75 1.5 -0.75}, f32[1,1,2,2]{-1.5 -1.75 -0.75 0.5}, f32[2,2]{0 -1 -inf -inf}; qk_matmul_output_mode=1, softcap=1.5) -> (f32[1,2,2,2]{-1.3591561 -1.3274683 0 0 -1.0540363 -0.41210887 0 0}, _, _, f32[1,2,2,2]{-0.76173562 -1.2261579 -0.94060212 -1.0625392 -0.46980146 0.91328907 0.65900016 -0.91328907})", 2e-6},
    {"scores, mode 2", 0, "(f32[1,2,2,2]{-1.5 1.25 -0.75 -0.75 0.75 1.5 -0.25 1.25}, f32[1,1,2,2]{-0.75 -1.5 1.5 1.25}, f32[1,1,2,2]{1 1.75 0 -1.25}, f32[2,2]{0 -1 -inf -inf}; qk_matmul_output_mode=2, softcap=1.5) -> (f32[1,2,2,2]{0.7232253 0.91967583 0 0 0.163158 -0.760526 0 0}, _, _, f32[1,2,2,2]{-0.50928468 -1.4698014 -inf -inf -1.3023379 0.33257833 -inf -inf})", 2e-6},
    {"scores, mode 3", 0, "(f32[1,2,2,2]{0.25 0.25 -0.5 0.5 -1 0.5 1.25 -1.75}, f32[1,1,2,2]{-0.25 0.75 -2 0.5}, f32[1,1,2,2]{1.75 1.5 0.75 1.25}, f32[2,2]{0 -1 -inf -inf}; qk_matmul_output_mode=3, softcap=1.5) -> (f32[1,2,2,2]{1.5442479 1.4485619 0 0 1.3123509 1.3905877 0 0}, _, _, f32[1,2,2,2]{0.79424787 0.20575216 0 0 0.56235087 0.43764913 0 0})", 2e-6},
    {"the same mask for all queries", 0, "(f32[2,1,2,2]{-0.5 -0.75 -1.75 1 -0.75 1.5 -0.25 1.75}, f32[2,1,3,2]{-1.5 -1.5 -0.75 -2 0 0.75 0.75 -1.25 -1.5 0.25 0.5 2}, f32[2,1,3,2]{1.75 -0.5 -1.5 -1 1.5 -0.25 2 0.75 0.5 -1.75 0.5 -0.5}, b8[2,1,2,3]{false true true false true true true true false true true false}) -> (f32[2,1,2,2]{-1.0457654 -0.88644135 0.70285094 -0.44928727 0.58727324 -1.6045445 0.64252001 -1.5124667})", 2e-6},
    {"one sequence with a hole, one padded", 0, "(f32[2,2,1,2]{1.5 -1.5 -1.25 0.75 0.75 1.5 0 -0.5}, f32[2,2,4,2]{-0.75 -0.5 0.75 0.25 -0.75 -1.25 1 -1 -1.25 -0.75 1.5 -0.25 0.5 -1.75 -0.75 1 1.25 0.25 1.5 -0.75 -1.5 -1.75 -1.25 1 1.75 -1.5 0 -1.5 1.5 -1.5 0.5 -1.75}, f32[2,2,4,2]{1 1.75 1 -1 1.5 -0.75 1 1.5 0 0.5 1.5 -1.25 -2 -0.25 -1.25 1.75 1.5 -0.5 -0.75 1 -0.25 -1.75 0.75 1 -1.75 1.25 0.25 1.5 1.5 0.75 -0.75 -0.5}, b8[2,1,1,4]{true false true true false true true false}) -> (f32[2,2,1,2]{1.0786167 1.1639667 -0.82982475 1.2045947 -0.71705633 0.81880975 0.875 1.125})", 2e-6},
    {"key mask, padded keys", 0, "(f32[2,1,1,2]{1 -1.75 -1.25 0}, f32[2,1,3,2]{2 1 1.25 -1.25 -1 -1 1 0.25 -1.25 1 0.5 1.75}, f32[2,1,3,2]{0.25 -1.5 1.75 -1.25 -2 1.25 -0.25 0.5 -1.5 1 -0.5 2}, b8[2,1,1,3]{false false true true true false}, _, _, s64[2]{2 3}) -> (f32[2,1,1,2]{0 0 -1.349512 0.93980479})", 2e-6},
    {"soft cap, causal", 0, "(f32[1,1,2,2]{0.5 1.75 1.25 1.5}, f32[1,1,2,2]{-1.75 1.25 0.5 -0.5}, f32[1,1,2,2]{-0.75 0.5 -1.25 -1.25}; softcap=0.75, is_causal=1) -> (f32[1,1,2,2]{-0.75 0.5 -1.01583 -0.4304052})", 2e-6},
    {"soft cap, f64", 0, "(f64[1,1,2,2]{1.5 1 0.5 1}, f64[1,1,2,2]{-0.75 1 -1.25 -0.25}, f64[1,1,2,2]{-1.5 -0.5 -0.75 -0.25}; softcap=0.75) -> (f64[1,1,2,2]{-1.2402545266794147 -0.41341817555980492 -1.2840341583897064 -0.42801138612990214})", 1e-14},
    {"soft cap", 0, "(f32[1,1,2,2]{0 -2 -0.75 1.5}, f32[1,1,3,2]{-0.25 0.25 -1.75 -0.5 2 0.25}, f32[1,1,3,2]{-2 1 1.25 -0.5 -2 1.5}, b8[2,3]{true true false false true true}; softcap=2.0) -> (f32[1,1,2,2]{0.3943226 -0.10507197 0.4675943 -0.01851956})", 2e-6},
    {"padded keys", 24, "(f32[2,1,1,2]{-1 1.75 -0.5 -0.5}, f32[2,1,3,2]{1.25 -1.5 -2 1 1.75 2 -1.5 -1.5 -0.75 1 1.75 1.5}, f32[2,1,3,2]{-0.5 1.75 -1 -1.5 -0.25 -1.75 0.75 2 -1.75 -1.75 -1.25 -1.25}, _, _, _, s64[2]{2 3}) -> (f32[2,1,1,2]{-0.99773318 -1.4852657 0.040788956 0.91695464})", 2e-6},
    {"padded keys, causal", 24, "(f32[2,1,2,2]{0.25 0.25 2 -0.25 1.75 1 1.5 -1.25}, f32[2,1,3,2]{-0.25 1.75 1 -1.25 1.5 1.25 -1.5 -1.75 -1 0 -1.5 -2}, f32[2,1,3,2]{-1.75 -0.75 -0.5 -0.75 -0.25 1 -1 -0.25 1 -2 1.75 2}, _, _, _, s64[2]{1 3}; is_causal=1) -> (f32[2,1,2,2]{0 0 -1.75 -0.75 0.72969639 -1.7634844 0.59200078 0.58288181})", 2e-6},
    {"padded keys, causal, one place, mask", 24, "(f32[2,1,2,2]{-1 1.75 -1 1.75 0.75 -1 -1.75 -0.5}, f32[2,1,3,2]{1 -1.25 0 -1.5 -0.25 -2 2 0 1.5 -1.5 -1.5 -1.5}, f32[2,1,3,2]{0.25 1.5 0.5 0 2 -1.25 -1.5 0.75 1.5 -1 -1 0}, f32[2,3]{-1 0 2 1 -2 0}, _, _, s64[2]{2 2}; is_causal=1) -> (f32[2,1,2,2]{0.25 1.5 0.26724839 1.3965096 -1.5 0.75 -1.0927163 0.51241785})", 2e-6},
    {"window", 0, "(f32[1,1,4,1]{1.25 -1 1.5 0}, f32[1,1,4,1]{0.75 0.5 0 0.25}, f32[1,1,4,1]{2 -0.5 2 1.25}; left_window_size=1, right_window_size=1) -> (f32[1,1,4,1]{0.9437384 1.2706101 0.603728 1.625})", 2e-6},
    {"window, causal, past", 0, "(f32[1,1,2,2]{-1.25 1.5 -0.5 -1.25}, f32[1,1,2,2]{-1 -1.5 -0.75 -1.75}, f32[1,1,2,2]{0.25 2 2 2}, _, f32[1,1,2,2]{-1 -1.25 0.75 2}, f32[1,1,2,2]{1.5 -1.25 1 0}; left_window_size=1, is_causal=1) -> (f32[1,1,2,2]{0.92283225 0.20578066 1.18292 2})", 2e-6},
    {"window, padded keys, mask", 0, "(f32[2,2,1,2]{-0.25 0 0.25 1.75 1.25 -2 1 -0.75}, f32[2,2,3,2]{-0.75 0.5 2 -1.75 0 -1 1.75 -0.25 1.5 1.5 -1.75 1 1.25 1.5 2 1 1.5 1 -0.75 1.5 0.75 0.75 2 1}, f32[2,2,3,2]{-0.75 -0.75 -0.75 -1.5 -1.75 1 1.25 -1.5 -0.5 1.75 1.5 0.5 2 -0.75 1.5 1.75 0.5 -1.5 -1 0 -1 -1.75 -1.5 2}, f32[2,1,3]{-0.5 0.25 -0.25 1.25 -1.75 -1}, _, _, s64[2]{2 3}; left_window_size=1) -> (f32[2,2,1,2]{-0.75 -1.1741894 0.73645997 -0.54628277 1.2194917 0.83834809 -1.4088842 1.3166316})", 2e-6},
    {"f64", 0, "(f64[1,2,2,2]{0.25 1.25 -0.25 0.75 1.25 0.5 1.25 2}, f64[1,1,2,2]{-1.25 -0.25 -1.25 -0.25}, f64[1,1,2,2]{-2 0.75 -1 1.5}; is_causal=1) -> (f64[1,2,2,2]{-2 0.75 -1.5 1.125 -2 0.75 -1.5 1.125})", 1e-14},
    {"softmax precision", 0, "(f32[1,1,2,2]{1 -0.75 -0.25 0.75}, f32[1,1,2,2]{-0.25 -1.25 -2 0.25}, f32[1,1,2,2]{0.25 1.25 -1.5 -1.75}; softmax_precision=11) -> (f32[1,1,2,2]{0.047370296 0.9026348 -1.064545 -1.0035057})", 2e-6},
    {"f16", 0, "(f16[1,1,2,2]{1 1 1.25 -2}, f16[1,1,2,2]{0.75 2 1 -0.25}, f16[1,1,2,2]{0 -0.5 -2 1}, f16[2,2]{0.25 0 1.75 1}) -> (f16[1,1,2,2]{-0.31835938 -0.26123047 -1.8681641 0.90136719})", 1e-3},
    {"bf16", 0, "(bf16[1,2,2]{2 -1.75 2 0.25}, bf16[1,2,2]{-0.5 0.25 -2 1.75}, bf16[1,2,2]{0.5 -2 1.75 -0.25}, _, bf16[1,1,1,2]{-1.5 0.5}, bf16[1,1,1,2]{-1.75 0.25}; q_num_heads=1, kv_num_heads=1) -> (bf16[1,2,2]{0.18457031 -1.640625 0.23339844 -1.3984375}, bf16[1,1,3,2]{-1.5 0.5 -0.5 0.25 -2 1.75}, bf16[1,1,3,2]{-1.75 0.25 0.5 -2 1.75 -0.25})", 1e-2},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(Attention) = {.name = "Attention",
                     .domain = "",
                     .since = 23,
                     .min_in = 3,
                     .max_in = 7,
                     .min_out = 1,
                     .max_out = 4,
                     .infer = infer,
                     .eval = eval,
                     .bind = bind,
                     .summary = "attention over heads, with masks, windows, and past keys and values",
                     HST_CASES(cases)};
