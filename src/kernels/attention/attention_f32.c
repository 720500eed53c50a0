/* f32 attention over the tiles of the matrix product. A task is a block of queries of one head of one sequence: its
 * scores stand in scratch as whole rows. Keys and values of a head are packed into panels once a worker. */
#include "kernels/attention/attention_f32.h"

#include <string.h>

enum { SCORES_BYTES = 96 * 1024, ROWS_MAX = 48, PARTS_MOST = 32 /* a worker */ };

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Leading dimension of the scores of n keys: whole cache lines. */
static int64_t scores_ld(int64_t n) {
    return (n + 15) / 16 * 16;
}

/* Queries of a block: from the length alone. */
static int64_t block_rows(const attention_f32 *a, int64_t keys) {
    const int64_t mr = a->family->mr, fit = SCORES_BYTES / (int64_t)sizeof(float) / (scores_ld(keys) + 1);
    const int64_t rows = least(fit, ROWS_MAX) / mr * mr;
    return rows < mr ? mr : rows;
}

typedef struct layout { /* of a worker's scratch, in floats */
    int64_t values, scores, total;
} layout;

static layout layout_of(const attention_f32 *a) {
    const int64_t nr = a->family->nr;
    int64_t keys, values, scores, total;
    layout none = {0, 0, -1};
    /* the largest block of any length up to keys: fewer keys make more rows, of at most SCORES_BYTES in all */
    const int64_t most = block_rows(a, a->keys) * scores_ld(a->keys), full = SCORES_BYTES / (int64_t)sizeof(float);
    if (__builtin_mul_overflow((a->keys + nr - 1) / nr * nr, a->d, &keys) ||
        __builtin_mul_overflow((a->dv + nr - 1) / nr * nr, a->keys, &values))
        return none;
    keys = (keys + 15) / 16 * 16;
    values = (values + 15) / 16 * 16;
    scores = most > full ? most : full;
    if (__builtin_add_overflow(keys, values, &total) || __builtin_add_overflow(total, scores, &total)) return none;
    return (layout){keys, keys + values, total};
}

int64_t attention_f32_scratch(const attention_f32 *a) {
    return layout_of(a).total;
}

typedef struct sequence {
    int64_t queries, begin, end; /* keys [begin, end) */
    int64_t past;
    const float *q, *k, *v;
    float *out;
} sequence;

static sequence sequence_of(const attention_f32 *a, int64_t s) {
    const int64_t *qo = a->query_offset, *ko = a->key_offset;
    sequence r = {.queries = qo ? qo[s + 1] - qo[s] : a->queries, .begin = 0, .end = ko ? ko[s + 1] - ko[s] : a->keys};
    r.q = a->q + (qo ? qo[s] * a->q_at.row : s * a->q_at.sequence);
    r.out = a->out + (qo ? qo[s] * a->out_at.row : s * a->out_at.sequence);
    r.k = a->k + (ko ? ko[s] * a->k_at.row : s * a->k_at.sequence);
    r.v = a->v + (ko ? ko[s] * a->v_at.row : s * a->v_at.sequence);
    r.past = a->past_of ? a->past_of[s] : a->past;
    if (a->key_end) r.end = least(r.end, a->key_end[s]);
    if (a->key_begin) r.begin = a->key_begin[s];
    if (r.end < r.begin) r.end = r.begin;
    return r;
}

/* How many keys, from q->begin, query i sees. */
static int64_t seen(const attention_f32 *a, const sequence *q, int64_t i) {
    int64_t n = q->end - q->begin;
    if (a->causal) n = least(n, i + q->past + 1 - q->begin);
    return n < 0 ? 0 : n;
}

static void pack_head(const attention_f32 *a, const sequence *q, int64_t head, float *scratch) {
    const gemm_f32_family *f = a->family;
    const layout at = layout_of(a);
    const int64_t n = q->end - q->begin, kv = head / (a->heads / a->kv_heads);
    const gemm_f32_operand k = {q->k + q->begin * a->k_at.row + kv * a->k_at.head, HST_DTYPE_F32, 1, a->k_at.row};
    const gemm_f32_operand v = {q->v + q->begin * a->v_at.row + kv * a->v_at.head, HST_DTYPE_F32, a->v_at.row, 1};
    gemm_f32_pack(f, &k, a->d, n, 0, gemm_f32_panels(f, n), scratch);
    gemm_f32_pack(f, &v, n, a->dv, 0, gemm_f32_panels(f, a->dv), scratch + at.values);
}

static void soft_cap(const attention_f32 *a, int64_t rows, int64_t width, float *scores, int64_t ld) {
    for (int64_t l = 0; l < rows; l++) {
        float *s = scores + l * ld;
        for (int64_t j = 0; j < width; j++) s[j] = s[j] / a->softcap;
        a->unary(UNARY_TANH, NULL, width, s, s);
        for (int64_t j = 0; j < width; j++) s[j] = s[j] * a->softcap;
    }
}

/* Adds the masks to the scores of rows [i, i + rows) and makes them probabilities but for a factor of each row; unseen
 * ones become 0. */
static void probabilities(const attention_f32 *a, const sequence *q, int64_t s, int64_t head, int64_t i, int64_t rows,
                          int64_t width, float *scores, int64_t ld, float *factor) {
    const int64_t first = a->bias_first ? a->bias_first[s] : 0;
    const float *bias =
        a->bias ? a->bias + s * a->bias_sequence + head * a->bias_head + (first + i) * a->bias_row + first + q->begin
                : NULL;
    const float *key_bias = a->key_bias ? a->key_bias + s * a->key_bias_sequence + q->begin : NULL;
    softmax_rows r = {.x = scores, .y = scores, .rows = rows, .n = width, .width = width, .ldx = ld, .ldy = ld};
    r.factor = factor;
    if (bias && key_bias)
        for (int64_t l = 0; l < rows; l++)
            for (int64_t j = 0; j < width; j++) scores[l * ld + j] += bias[l * a->bias_row + j];
    r.mask = key_bias ? key_bias : bias;
    r.ldm = key_bias ? 0 : a->bias_row;
    if (!a->causal) {
        a->softmax(&r);
        return;
    }
    r.rows = 1;
    for (int64_t l = 0; l < rows; l++) {
        r.x = r.y = scores + l * ld;
        r.n = seen(a, q, i + l);
        r.factor = factor + l;
        r.mask = key_bias ? key_bias : bias ? bias + l * a->bias_row : NULL;
        if (r.n > 0)
            a->softmax(&r);
        else
            memset(r.y, 0, (size_t)width * sizeof(float)), factor[l] = 1;
    }
}

static void block(const attention_f32 *a, const sequence *q, int64_t s, int64_t head, int64_t i, int64_t rows,
                  float *scratch) {
    const layout at = layout_of(a);
    const int64_t width = seen(a, q, i + rows - 1), ld = scores_ld(width), nr = a->family->nr;
    float factor[ROWS_MAX], *scores = scratch + at.scores, *out = q->out + i * a->out_at.row + head * a->out_at.head;
    const gemm_f32_tile product = {.k = a->d,
                                   .a = q->q + i * a->q_at.row + head * a->q_at.head,
                                   .lda = a->q_at.row,
                                   .b = scratch,
                                   .b_stride = a->d * nr,
                                   .c = scores,
                                   .ldc = ld,
                                   .n = width,
                                   .scale = a->scale};
    const gemm_f32_tile mix = {.k = width,
                               .a = scores,
                               .lda = ld,
                               .b = scratch + at.values,
                               .b_stride = (q->end - q->begin) * nr,
                               .c = out,
                               .ldc = a->out_at.row,
                               .n = a->dv,
                               .scale = 1,
                               .row_scale = width > 0 ? factor : NULL};
    if (width > 0) {
        gemm_f32_rows(a->family, &product, rows);
        if (a->softcap > 0) soft_cap(a, rows, width, scores, ld);
        probabilities(a, q, s, head, i, rows, width, scores, ld, factor);
    }
    gemm_f32_rows(a->family, &mix, rows);
}

int64_t attention_f32_parts(const attention_f32 *a, int workers) {
    const int64_t units = a->sequences * a->heads, most = (int64_t)PARTS_MOST * workers;
    if (workers <= 1 || units <= 0) return 1;
    const int64_t each = (units + most - 1) / most;
    return (units + each - 1) / each;
}

void attention_f32_part(const attention_f32 *a, int64_t part, int64_t parts, float *scratch) {
    double total = 0, before = 0;
    for (int64_t s = 0; s < a->sequences; s++) {
        const sequence q = sequence_of(a, s);
        total += (double)a->heads * (double)q.queries * (double)(q.end - q.begin + 1);
    }
    /* A task belongs to the part in whose share of the work it begins. */
    const double from = total * (double)part / (double)parts,
                 to = part + 1 == parts ? total + 1 : total * (double)(part + 1) / (double)parts;
    for (int64_t s = 0; s < a->sequences && before < to; s++) {
        const sequence q = sequence_of(a, s);
        const double row_cost = (double)(q.end - q.begin + 1);
        const int64_t rows = block_rows(a, q.end - q.begin);
        for (int64_t h = 0; h < a->heads; h++) {
            bool packed = false;
            for (int64_t i = 0; i < q.queries; i += rows) {
                const int64_t some = least(rows, q.queries - i);
                const bool mine = before >= from && before < to;
                before += row_cost * (double)some;
                if (!mine) continue;
                if (!packed) pack_head(a, &q, h, scratch);
                packed = true;
                block(a, &q, s, h, i, some, scratch);
            }
        }
    }
}
