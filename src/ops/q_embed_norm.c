/* QEmbedLayerNormalization (com.microsoft): EmbedLayerNormalization of 8-bit tables. For each token
 *   s = (word[input_id] + position[index]) + segment[segment_id], output = layer norm of s with gamma and beta
 * where every table and vector is (q - zero) * scale, one scale and zero point each, u8 or s8. input_ids, segment_ids,
 * mask [batch, seq] s32 or s64. Outputs: output [batch, seq, hidden] f32; mask_index [batch] s32: how many mask elements
 * are 1 (0 without a mask). */
#include "kernels/kernels.h"
#include "ops/q_linear.h"

enum { IDS, SEGMENT_IDS, WORDS, POSITIONS, SEGMENTS, GAMMA, BETA, MASK, SCALES, ZEROS = SCALES + 5 };
enum { TABLES = 3, QUANTISED = 5 }; /* words, positions, segments; gamma, beta */

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    const type *ids = infer_in(c, IDS), *words = infer_in(c, WORDS);
    c->out[0].dtype = HST_DTYPE_F32;
    if (ids->rank == 2 && words->rank == 2)
        c->out[0] = type_make(HST_DTYPE_F32, 3, (dim[]){ids->dim[0], ids->dim[1], words->dim[1]});
    if (c->n_out > 1) {
        c->out[1].dtype = HST_DTYPE_S32;
        if (ids->rank == 2) c->out[1] = type_make(HST_DTYPE_S32, 1, ids->dim);
    }
    return HST_STATUS_OK;
}

typedef struct job {
    int64_t batch, seq, hidden;
    const hst_tensor *ids[TABLES]; /* [1] NULL: the index */
    const hst_tensor *q[QUANTISED]; /* [2] NULL: no segments */
    q_scale scale[QUANTISED];
    float *vector[2]; /* gamma, beta, widened */
    float *rows;      /* scratch of a worker: 3 rows */
    float epsilon;
    hst_tensor *y;
} job;

static int64_t index_of(const job *j, int k, int64_t token) {
    return j->ids[k] ? tensor_get_s64(j->ids[k], token) : token % j->seq;
}

static void widen(const job *j, int k, int64_t row, float *to) {
    const kernels *all = kernels_get();
    const uint8_t *from = (const uint8_t *)j->q[k]->data + row * j->hidden;
    if (j->q[k]->dtype == HST_DTYPE_U8)
        all->dequantize_u8_f32(j->hidden, from, j->scale[k].scale, j->scale[k].zero, to);
    else
        all->dequantize_s8_f32(j->hidden, (const int8_t *)from, j->scale[k].scale, j->scale[k].zero, to);
}

static void tokens(void *arg, const team_context *ctx) {
    const job *j = arg;
    const int64_t h = j->hidden;
    float *rows = j->rows + (int64_t)ctx->worker * TABLES * h;
    int64_t begin, end;
    team_split(j->batch * j->seq, 1, ctx, &begin, &end);
    for (int64_t t = begin; t < end; t++) {
        for (int k = 0; k < TABLES; k++)
            if (j->q[k]) widen(j, k, index_of(j, k, t), rows + k * h);
        norm_rows a = {.x = rows, .residual = rows + h, .bias = j->q[2] ? rows + 2 * h : NULL, .gamma = j->vector[0],
                       .beta = j->vector[1], .rows = 1, .n = h, .epsilon = j->epsilon, .y = (float *)j->y->data + t * h};
        kernels_get()->norm_f32(&a);
    }
}

static hst_status check_ids(const node *n, const job *j, int k, hst_error *err) {
    static const char *const names[] = {"input id", "position", "segment id"};
    const int64_t wants = j->batch * j->seq;
    const hst_tensor *ids = j->ids[k];
    if (ids && (tensor_count(ids) != wants || (ids->dtype != HST_DTYPE_S32 && ids->dtype != HST_DTYPE_S64)))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%lld %ss of type %s for %lld tokens", (long long)tensor_count(ids),
                          names[k], dtype_name(ids->dtype), (long long)wants);
    for (int64_t t = 0; t < wants; t++) {
        int64_t at = index_of(j, k, t);
        if (at < 0 || at >= j->q[k]->dim[0])
            return node_error(n, err, HST_STATUS_INVALID_ARGUMENT, "%s %lld of token %lld is outside [0, %lld)", names[k],
                              (long long)at, (long long)t, (long long)j->q[k]->dim[0]);
    }
    return HST_STATUS_OK;
}

/* The tables' and vectors' types, shapes and scales. */
static hst_status read_quantised(eval_context *c, job *j, hst_error *err) {
    static const char *const names[] = {"word_embedding", "position_embedding", "segment_embedding", "gamma", "beta"};
    for (int k = 0; k < QUANTISED; k++) {
        const hst_tensor *t = j->q[k] = eval_in(c, WORDS + k);
        if (!t && k == 2) continue;
        HST_TRY(eval_need(c, WORDS + k, names[k], &t, err));
        if (k == 0 && t->rank == 2) j->hidden = t->dim[1];
        const int rank = k < TABLES ? 2 : 1;
        if (!q_type(t->dtype) || t->rank != rank || t->dim[rank - 1] != j->hidden)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%s is %s of rank %d, needs 8 bits and %lld a row",
                              names[k], dtype_name(t->dtype), t->rank, (long long)j->hidden);
        HST_TRY(eval_need(c, SCALES + k, "a scale", &t, err));
        HST_TRY(q_scale_read(c, SCALES + k, ZEROS + k, j->q[k]->dtype, &j->scale[k], err));
    }
    return HST_STATUS_OK;
}

static hst_status mask_index(eval_context *c, const job *j, hst_error *err) {
    const hst_tensor *mask = eval_in(c, MASK);
    hst_tensor *out;
    if (mask && (tensor_count(mask) != j->batch * j->seq || !dtype_is_integer(mask->dtype)))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "mask has %lld elements of type %s for %lld tokens",
                          (long long)tensor_count(mask), dtype_name(mask->dtype), (long long)(j->batch * j->seq));
    HST_TRY(eval_output(c, 1, HST_DTYPE_S32, 1, &j->batch, &out, err));
    for (int64_t b = 0; b < j->batch; b++) {
        int32_t count = 0;
        for (int64_t s = 0; mask && s < j->seq; s++) count += tensor_get_s64(mask, b * j->seq + s) == 1;
        ((int32_t *)out->data)[b] = count;
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    job j = {.epsilon = node_float(c->node, "epsilon", 1e-12f), .ids = {eval_in(c, IDS), NULL, eval_in(c, SEGMENT_IDS)}};
    HST_TRY(eval_need(c, IDS, "input_ids", &j.ids[0], err));
    if (j.ids[0]->rank != 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input_ids have rank %d, need 2", j.ids[0]->rank);
    j.batch = j.ids[0]->dim[0];
    j.seq = j.ids[0]->dim[1];
    HST_TRY(read_quantised(c, &j, err));
    if (!j.ids[2] != !j.q[2])
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "segment_ids and segment_embedding come together or not at all");
    for (int k = 0; k < TABLES; k++)
        if (j.q[k]) HST_TRY(check_ids(c->node, &j, k, err));
    HST_TRY(eval_output(c, 0, HST_DTYPE_F32, 3, (int64_t[]){j.batch, j.seq, j.hidden}, &j.y, err));
    if (eval_wants(c, 1)) HST_TRY(mask_index(c, &j, err));
    if (tensor_count(j.y) == 0) return HST_STATUS_OK;
    const int workers = tensor_count(j.y) < 16384 || !c->team ? 1 : team_size(c->team);
    void *scratch;
    HST_TRY(eval_scratch(c, ((size_t)workers * TABLES + 2) * (size_t)j.hidden * sizeof(float), &scratch, err));
    for (int k = 0; k < 2; k++) {
        j.vector[k] = (float *)scratch + k * j.hidden;
        widen(&j, TABLES + k, 0, j.vector[k]);
    }
    j.rows = (float *)scratch + 2 * j.hidden;
    if (workers > 1) team_run(c->team, workers, tokens, &j);
    else tokens(&j, &(team_context){.workers = 1});
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"all inputs and outputs", 0, "(s32[1,2]{1 0}, s32[1,2]{0 1}, u8[2,2]{3 4 5 6}, u8[2,2]{0 1 0 3}, u8[2,2]{1 1 2 1}, u8[2]{1 2}, u8[2]{0 1}, s32[1,2]{1 0}, f32[]{1}, f32[]{1}, f32[]{1}, f32[]{1}, f32[]{1}, u8[]{2}, u8[]{0}, u8[]{0}, u8[]{0}, u8[]{0}; epsilon=0.0) -> (f32[1,2,2]{-1 3 -1 3}, s32[1]{1})", 0},
    {"s8, no segments, no mask", 0, "(s64[2,1]{0 1}, _, s8[2,2]{1 2 4 3}, s8[1,2]{0 0}, _, s8[2]{3 3}, s8[2]{0 0}, _, f32[]{0.5}, f32[]{1}, _, f32[1]{0.5}, f32[]{1}, s8[]{-5}, s8[]{0}, _, s8[]{1}, s8[1]{0}; epsilon=0.0) -> (f32[2,1,2]{-1 1 1 -1}, s32[2]{0 0})", 0},
    {0}};

HST_OP(com_microsoft_QEmbedLayerNormalization) = {
    .name = "QEmbedLayerNormalization", .domain = "com.microsoft", .since = 1, .min_in = 18, .max_in = 18, .min_out = 1, .max_out = 2,
    .holes = 1u << SEGMENT_IDS | 1u << SEGMENTS | 1u << MASK | 1u << (SCALES + 2) | 1u << (ZEROS + 2),
    .infer = infer, .eval = eval,
    .summary = "EmbedLayerNormalization of 8-bit tables", HST_CASES(cases)};
