/* Masks and the run of attention: see ops/attention.h. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "ops/attention.h"
#include "tensor/convert.h"

enum { MACS_PER_WORKER = 1 << 15 };

attention_f32 attention_make(int64_t sequences, int64_t heads, int64_t queries, int64_t keys, int64_t d, int64_t dv) {
    const kernels *k = kernels_get();
    return (attention_f32){.family = k->gemm_f32(),
                           .softmax = k->softmax_f32,
                           .unary = k->unary_f32,
                           .sequences = sequences,
                           .heads = heads,
                           .kv_heads = heads,
                           .d = d,
                           .dv = dv,
                           .queries = queries,
                           .keys = keys,
                           .scale = 1};
}

attention_f32 attention_of(int64_t batch, int64_t heads, const attention_matrix *q, const attention_matrix *k,
                           const attention_matrix *v, float *out) {
    attention_f32 a = attention_make(batch, heads, q->length, k->length, q->d, v->d);
    a.q = q->data, a.q_at = q->at;
    a.k = k->data, a.k_at = k->at;
    a.v = v->data, a.v_at = v->at;
    a.out = out, a.out_at = (attention_rows){q->length * heads * v->d, heads * v->d, v->d};
    return a;
}

hst_status attention_bind(bind_context *c, hst_status (*run)(const void *state, eval_context *c, hst_error *err)) {
    c->run = run;
    c->kernel = kernels_get()->gemm_f32()->name;
    return HST_STATUS_OK;
}

hst_status attention_floats(eval_context *c, int64_t a, int64_t b, int64_t d, float **out, hst_error *err) {
    size_t bytes;
    void *memory;
    *out = NULL;
    if (!size_mul((size_t)a, (size_t)b, &bytes) || !size_mul(bytes, (size_t)d, &bytes) ||
        !size_mul(bytes, sizeof(float), &bytes))
        return error_no_memory(err, SIZE_MAX, "attention");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    *out = memory;
    return HST_STATUS_OK;
}

hst_status attention_as_f32(eval_context *c, const hst_tensor *t, const float **out, hst_error *err) {
    float *to;
    *out = t->data;
    if (t->dtype == HST_DTYPE_F32 && (uintptr_t)t->data % sizeof(float) == 0) return HST_STATUS_OK;
    const int64_t n = tensor_count(t);
    HST_TRY(attention_floats(c, n, 1, 1, &to, err));
    convert_to_f32(t->dtype, t->data, 0, to, n);
    *out = to;
    return HST_STATUS_OK;
}

hst_status attention_output(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, float **out,
                            hst_error *err) {
    hst_tensor *t;
    HST_TRY(eval_output(c, i, d, rank, dims, &t, err));
    *out = t->data;
    return d == HST_DTYPE_F32 ? HST_STATUS_OK : attention_floats(c, tensor_count(t), 1, 1, out, err);
}

void attention_finish(eval_context *c, int i, const float *from) {
    hst_tensor *t = c->out[i];
    if (t->dtype != HST_DTYPE_F32) convert_from_f32(t->dtype, from, t->data, 0, tensor_count(t));
}

/* ---- rows ---- */

hst_status attention_add_bias(eval_context *c, int64_t batch, int64_t heads, const float *bias, attention_matrix *m,
                              hst_error *err) {
    float *to;
    const int64_t width = heads * m->d;
    HST_TRY(attention_floats(c, batch, m->length, width, &to, err));
    for (int64_t b = 0; b < batch; b++)
        for (int64_t r = 0; r < m->length; r++)
            for (int64_t h = 0; h < heads; h++) {
                const float *from = m->data + b * m->at.sequence + r * m->at.row + h * m->at.head;
                float *row = to + (b * m->length + r) * width + h * m->d;
                for (int64_t i = 0; i < m->d; i++) row[i] = from[i] + bias[h * m->d + i];
            }
    m->data = to;
    m->at = (attention_rows){m->length * width, width, m->d};
    return HST_STATUS_OK;
}

hst_status attention_append(eval_context *c, int64_t batch, int64_t heads, const float *past, int64_t past_length,
                            float *present, attention_matrix *m, hst_error *err) {
    const int64_t total = past_length + m->length, head = total * m->d;
    if (!present) HST_TRY(attention_floats(c, batch * heads, total, m->d, &present, err));
    for (int64_t i = 0; i < batch * heads; i++) {
        float *to = present + i * head;
        const float *from = m->data + i / heads * m->at.sequence + i % heads * m->at.head;
        if (past_length && m->d)
            memcpy(to, past + i * past_length * m->d, (size_t)(past_length * m->d) * sizeof(float));
        for (int64_t r = 0; r < m->length && m->d; r++)
            memcpy(to + (past_length + r) * m->d, from + r * m->at.row, (size_t)m->d * sizeof(float));
    }
    m->data = present;
    m->at = (attention_rows){heads * head, m->d, head};
    m->length = total;
    return HST_STATUS_OK;
}

/* ---- masks ---- */

bool attention_attends(const hst_tensor *mask, int64_t i) {
    switch (mask->dtype) {
    case HST_DTYPE_S64: {
        int64_t x;
        memcpy(&x, (const char *)mask->data + i * 8, 8);
        return x != 0;
    }
    case HST_DTYPE_S32: {
        int32_t x;
        memcpy(&x, (const char *)mask->data + i * 4, 4);
        return x != 0;
    }
    case HST_DTYPE_B8:
        return ((const uint8_t *)mask->data)[i] != 0;
    default:
        return dtype_is_float(mask->dtype) ? tensor_get_f64(mask, i) != 0 : tensor_get_s64(mask, i) != 0;
    }
}

bool attention_one_run(const hst_tensor *mask, int64_t row, int64_t *begin, int64_t *end) {
    const int64_t n = mask->dim[1];
    int64_t b = 0, e = n;
    while (b < n && !attention_attends(mask, row * n + b)) b++;
    while (e > b && !attention_attends(mask, row * n + e - 1)) e--;
    *begin = b;
    *end = e;
    for (int64_t j = b; j < e; j++)
        if (!attention_attends(mask, row * n + j)) return false;
    return b < e;
}

bool attention_mask_is_binary(const hst_tensor *mask) {
    const int64_t n = tensor_count(mask);
    if (mask->dtype == HST_DTYPE_B8) return true;
    for (int64_t i = 0; i < n; i++) {
        int64_t x = 2;
        if (mask->dtype == HST_DTYPE_S64)
            memcpy(&x, (const char *)mask->data + i * 8, 8);
        else
            x = !attention_attends(mask, i) ? 0 : tensor_get_f64(mask, i) == 1 ? 1 : 2;
        if (x != 0 && x != 1) return false;
    }
    return true;
}

hst_status attention_offsets(const eval_context *c, int i, int64_t rows, int64_t longest, const hst_tensor **out,
                             hst_error *err) {
    HST_TRY(eval_need(c, i, "offsets", out, err));
    const hst_tensor *t = *out;
    const int64_t *at = t->data;
    if (t->rank != 1 || t->dtype != HST_DTYPE_S64 || t->dim[0] < 1 || (uintptr_t)at % sizeof(int64_t))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "offsets are %s of rank %d, not s64 [sequences + 1]",
                          dtype_name(t->dtype), t->rank);
    const int64_t n = t->dim[0] - 1;
    bool ok = at[0] == 0 && at[n] == rows;
    for (int64_t k = 0; k < n && ok; k++) ok = at[k] <= at[k + 1] && at[k + 1] - at[k] <= longest;
    if (ok) return HST_STATUS_OK;
    return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "offsets do not ascend from 0 to %lld in steps of at most %lld",
                      (long long)rows, (long long)longest);
}

hst_status attention_key_mask(eval_context *c, const hst_tensor *mask, mask_meaning meaning, const int64_t *offsets,
                              float mask_value, attention_f32 *a, hst_error *err) {
    const int64_t n = a->keys, rows = a->sequences;
    if (mask->rank != 2 || mask->dim[0] != rows || mask->dim[1] != n || mask->dtype == HST_DTYPE_STRING)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the key mask must have shape [%lld, %lld]",
                          (long long)rows, (long long)n);
    void *memory;
    size_t bytes;
    if (!size_mul((size_t)rows, 2 * sizeof(int64_t), &bytes)) return error_no_memory(err, SIZE_MAX, "attention");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    int64_t *begin = memory, *end = begin + rows;
    bool runs = true;
    const bool plain = meaning == MASK_NONZERO || attention_mask_is_binary(mask), hides = mask_value <= MASK_HIDES;
    for (int64_t s = 0; s < rows; s++) {
        const int64_t kept = offsets ? offsets[s + 1] - offsets[s] : n;
        const bool whole = kept == n; /* else: the seen run itself */
        if (whole && plain && hides && attention_one_run(mask, s, &begin[s], &end[s])) continue;
        runs = runs && !whole;
        begin[s] = 0;
        end[s] = kept;
    }
    a->key_begin = begin;
    a->key_end = end;
    if (runs) return HST_STATUS_OK;
    float *bias;
    HST_TRY(attention_floats(c, rows, n, 1, &bias, err));
    for (int64_t s = 0; s < rows; s++)
        for (int64_t i = s * n; i < (s + 1) * n; i++)
            bias[i] = end[s] - begin[s] < n ? 0 : mask_adds(meaning, tensor_get_f64(mask, i), mask_value);
    a->key_bias = bias;
    a->key_bias_sequence = n;
    return HST_STATUS_OK;
}

/* One number a query, for all of its keys. */
static hst_status widen_bias(eval_context *c, int64_t rows, int64_t keys, const float **bias, hst_error *err) {
    float *wide;
    HST_TRY(attention_floats(c, rows, keys, 1, &wide, err));
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < keys; k++) wide[r * keys + k] = (*bias)[r];
    *bias = wide;
    return HST_STATUS_OK;
}

hst_status attention_bias(eval_context *c, const hst_tensor *bias, attention_f32 *a, hst_error *err) {
    const int64_t want[4] = {a->sequences, a->heads, a->queries, a->keys};
    bool fits = bias->rank <= 4 && dtype_is_float(bias->dtype);
    int64_t dim[4] = {1, 1, 1, 1};
    for (int i = 0; fits && i < bias->rank; i++) dim[4 - bias->rank + i] = bias->dim[i];
    for (int i = 0; fits && i < 4; i++) fits = dim[i] == want[i] || dim[i] == 1;
    if (!fits)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "the additive mask does not broadcast to [%lld, %lld, %lld, %lld]", (long long)want[0],
                          (long long)want[1], (long long)want[2], (long long)want[3]);
    HST_TRY(attention_as_f32(c, bias, &a->bias, err));
    if (dim[3] != a->keys) HST_TRY(widen_bias(c, dim[0] * dim[1] * dim[2], dim[3] = a->keys, &a->bias, err));
    a->bias_row = dim[2] == 1 ? 0 : dim[3];
    a->bias_head = dim[1] == 1 ? 0 : dim[2] * dim[3];
    a->bias_sequence = dim[0] == 1 ? 0 : dim[1] * dim[2] * dim[3];
    return HST_STATUS_OK;
}

/* Keys [begin, end) of each sequence; a sequence without any gets the mask value everywhere. */
static hst_status key_ranges(eval_context *c, const hst_tensor *ends, bool starts, float mask_value, attention_f32 *a,
                             hst_error *err) {
    const int64_t rows = a->sequences, n = a->keys;
    void *memory;
    HST_TRY(eval_scratch(c, (size_t)rows * 2 * sizeof(int64_t), &memory, err));
    int64_t *begin = memory, *end = begin + rows;
    bool runs = mask_value <= MASK_HIDES;
    for (int64_t s = 0; s < rows; s++) {
        const int64_t e = tensor_get_s64(ends, s), b = starts ? tensor_get_s64(ends, rows + s) : 0;
        end[s] = e < 0 ? 0 : e > n ? n : e;
        begin[s] = b < 0 ? 0 : b > n ? n : b;
        if (begin[s] >= end[s]) runs = false;
    }
    if (runs) {
        a->key_begin = begin;
        a->key_end = end;
        return HST_STATUS_OK;
    }
    float *bias;
    HST_TRY(attention_floats(c, rows, n, 1, &bias, err));
    for (int64_t i = 0; i < rows * n; i++) {
        const int64_t s = i / n, j = i % n;
        bias[i] = j >= begin[s] && j < end[s] ? 0 : mask_value;
    }
    a->key_bias = bias;
    a->key_bias_sequence = n;
    return HST_STATUS_OK;
}

/* A mask of queries and keys joins the additive one. Row i of sequence s begins at element s * sequence + i * row. */
static hst_status square_mask(eval_context *c, const hst_tensor *mask, int64_t sequence, int64_t row, int64_t first,
                              float mask_value, attention_f32 *a, hst_error *err) {
    const int64_t heads = a->bias && a->bias_head ? a->heads : 1, square = a->queries * a->keys;
    float *to;
    HST_TRY(attention_floats(c, a->sequences * heads, a->queries, a->keys, &to, err));
    for (int64_t s = 0; s < a->sequences; s++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < a->queries; i++)
                for (int64_t j = 0; j < a->keys; j++) {
                    const float m = attention_attends(mask, first + s * sequence + i * row + j) ? 0 : mask_value;
                    const float *b =
                        a->bias ? a->bias + s * a->bias_sequence + h * a->bias_head + i * a->bias_row : NULL;
                    to[(s * heads + h) * square + i * a->keys + j] = b ? b[j] + m : m;
                }
    a->bias = to;
    a->bias_row = a->keys;
    a->bias_head = heads > 1 ? square : 0;
    a->bias_sequence = heads * square;
    return HST_STATUS_OK;
}

hst_status attention_mask(eval_context *c, const hst_tensor *mask, float mask_value, attention_f32 *a, hst_error *err) {
    const int64_t b = a->sequences, *d = mask->dim;
    if (mask->rank == 1 && (d[0] == b || d[0] == 2 * b)) return key_ranges(c, mask, d[0] != b, mask_value, a, err);
    if (mask->rank == 2 && d[0] == b && d[1] == a->keys)
        return attention_key_mask(c, mask, MASK_NONZERO, NULL, mask_value, a, err);
    if (mask->rank == 3 && d[0] == b && d[1] == a->queries && d[2] == a->keys)
        return square_mask(c, mask, d[1] * d[2], d[2], 0, mask_value, a, err);
    if (mask->rank == 4 && d[0] == b && d[1] == 1 && d[2] == d[3] && d[2] >= a->keys)
        return square_mask(c, mask, d[2] * d[3], d[3], a->past * d[3], mask_value, a, err);
    type t = type_of_tensor(mask);
    char shape[160];
    return node_error(
        c->node, err, HST_STATUS_UNSUPPORTED, "a mask %s for %lld sequences of %lld queries and %lld keys",
        type_format(NULL, &t, shape, sizeof shape), (long long)b, (long long)a->queries, (long long)a->keys);
}

/* ---- the run ---- */

typedef struct job {
    const attention_f32 *a;
    float *scratch;
    int64_t parts, each; /* floats of a worker's scratch */
} job;

static void work(void *arg, const team_context *ctx) {
    const job *j = arg;
    for (int64_t part; (part = team_next(ctx, 0, j->parts)) >= 0;)
        attention_f32_part(j->a, part, j->parts, j->scratch + ctx->worker * j->each);
}

/* Multiply-adds over the keys that are read, causal rows counted as if they saw all. */
static uint64_t count_macs(const attention_f32 *a) {
    uint64_t pairs = 0;
    for (int64_t s = 0; s < a->sequences; s++) {
        int64_t q = a->query_offset ? a->query_offset[s + 1] - a->query_offset[s] : a->queries;
        int64_t k = a->key_offset ? a->key_offset[s + 1] - a->key_offset[s] : a->keys;
        if (a->key_begin && a->key_end) k = a->key_end[s] - a->key_begin[s];
        pairs += (uint64_t)q * (uint64_t)k;
    }
    return pairs * (uint64_t)a->heads * (uint64_t)(a->d + a->dv);
}

hst_status attention_run(eval_context *c, attention_f32 *a, hst_error *err) {
    if (a->sequences == 0 || a->heads == 0 || a->queries == 0 || a->dv == 0) return HST_STATUS_OK;
    const double macs =
        (double)a->sequences * (double)a->heads * (double)a->queries * (double)a->keys * (double)(a->d + a->dv);
    const int workers = team_workers(c->team, macs, MACS_PER_WORKER);
    const int64_t each = attention_f32_scratch(a);
    size_t bytes;
    void *memory;
    if (each < 0 || !size_mul((size_t)each, (size_t)workers * sizeof(float), &bytes))
        return error_no_memory(err, SIZE_MAX, "attention");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    job j = {a, memory, attention_f32_parts(a, workers), each};
    c->macs += count_macs(a);
    team_run(c->team, workers, work, &j);
    return HST_STATUS_OK;
}
