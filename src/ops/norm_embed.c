/* EmbedLayerNormalization (com.microsoft): for each token
 *   s = (word[input_id] + position[position_id]) + segment[segment_id], output = layer norm of s with gamma and beta
 * input_ids, segment_ids, position_ids, mask [batch, seq] (s32 or s64; position_ids may be [1, seq]; without them a token's
 * position is its index). Outputs: output [batch, seq, hidden]; mask_index [batch] s32: how many mask elements are 1 (0
 * without a mask); embedding_sum, s. */
#include "ops/norm.h"
#include "tensor/convert.h"

enum { IDS, SEGMENT_IDS, WORDS, POSITIONS, SEGMENTS, GAMMA, BETA, MASK, POSITION_IDS };

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    const type *ids = infer_in(c, IDS), *words = infer_in(c, WORDS);
    type *y = &c->out[0];
    y->dtype = words->dtype;
    if (ids->rank == 2 && words->rank == 2) *y = type_make(words->dtype, 3, (dim[]){ids->dim[0], ids->dim[1], words->dim[1]});
    if (c->n_out > 1) {
        c->out[1].dtype = HST_DTYPE_S32;
        if (ids->rank == 2) c->out[1] = type_make(HST_DTYPE_S32, 1, ids->dim);
    }
    if (c->n_out > 2) c->out[2] = *y;
    return HST_STATUS_OK;
}

typedef struct job {
    eval_context *c;
    int64_t batch, seq, hidden;
    const hst_tensor *ids[3], *table[3]; /* words, positions, segments; ids or all of a kind may be NULL */
    const float *gamma, *beta;
    float epsilon;
    hst_tensor *y, *sum;
    float *rows; /* scratch of a worker where the tables are not f32: 5 rows */
} job;

static const char *const kinds[3] = {"input id", "position id", "segment id"};

/* The row that token t takes from table k. */
static int64_t index_of(const job *j, int k, int64_t t) {
    if (!j->ids[k]) return t % j->seq;
    return tensor_get_s64(j->ids[k], t % tensor_count(j->ids[k]));
}

static hst_status check(const job *j, hst_error *err) {
    const node *n = j->c->node;
    for (int k = 0; k < 3; k++) {
        const hst_tensor *ids = j->ids[k], *table = j->table[k];
        if (!table) continue;
        if (table->rank != 2 || table->dim[1] != j->hidden || table->dtype != j->table[0]->dtype ||
            !dtype_is_float(table->dtype))
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "the table of %ss has rank %d and type %s, needs [n, %lld] %s",
                              kinds[k], table->rank, dtype_name(table->dtype), (long long)j->hidden,
                              dtype_name(j->table[0]->dtype));
        int64_t wants = j->batch * j->seq, count = ids ? tensor_count(ids) : wants;
        if (ids && ids->dtype != HST_DTYPE_S32 && ids->dtype != HST_DTYPE_S64)
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "%ss are %s, need s32 or s64", kinds[k], dtype_name(ids->dtype));
        if (count != wants && (k != 1 || count != j->seq))
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "%lld %ss for %lld tokens", (long long)count, kinds[k],
                              (long long)wants);
        for (int64_t t = 0; t < wants; t++) {
            int64_t at = index_of(j, k, t);
            if (at < 0 || at >= table->dim[0])
                return node_error(n, err, HST_STATUS_INVALID_ARGUMENT, "%s %lld of token %lld is outside [0, %lld)",
                                  kinds[k], (long long)at, (long long)t, (long long)table->dim[0]);
        }
    }
    return HST_STATUS_OK;
}

static void tokens(void *arg, const team_context *ctx) {
    const job *j = arg;
    const hst_dtype d = j->table[0]->dtype;
    const bool direct = d == HST_DTYPE_F32;
    int64_t begin, end, h = j->hidden;
    float *rows = j->rows ? j->rows + (int64_t)ctx->worker * 5 * h : NULL;
    team_split(j->batch * j->seq, 1, ctx, &begin, &end);
    for (int64_t t = begin; t < end; t++) {
        const float *part[3] = {0};
        for (int k = 0; k < 3; k++) {
            if (!j->table[k]) continue;
            int64_t at = index_of(j, k, t) * h;
            part[k] = direct ? (const float *)j->table[k]->data + at : rows + k * h;
            if (!direct) convert_to_f32(d, j->table[k]->data, at, rows + k * h, h);
        }
        norm_rows a = {.x = part[0], .residual = part[1], .bias = part[2], .gamma = j->gamma, .beta = j->beta,
                       .rows = 1, .n = h, .epsilon = j->epsilon};
        a.y = direct ? (float *)j->y->data + t * h : rows + 3 * h;
        a.sum = !j->sum ? NULL : direct ? (float *)j->sum->data + t * h : rows + 4 * h;
        kernels_get()->norm_f32(&a);
        if (!direct) convert_from_f32(d, a.y, j->y->data, t * h, h);
        if (!direct && j->sum) convert_from_f32(d, a.sum, j->sum->data, t * h, h);
    }
}

static hst_status vector(eval_context *c, int i, const char *name, int64_t n, const float **out, hst_error *err) {
    const hst_tensor *t;
    void *scratch;
    HST_TRY(eval_need(c, i, name, &t, err));
    if (!dtype_is_float(t->dtype) || tensor_count(t) != n)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%s has %lld elements of type %s, needs %lld", name,
                          (long long)tensor_count(t), dtype_name(t->dtype), (long long)n);
    *out = t->data;
    if (t->dtype == HST_DTYPE_F32) return HST_STATUS_OK;
    HST_TRY(eval_scratch(c, (size_t)n * 4, &scratch, err));
    convert_to_f32(t->dtype, t->data, 0, scratch, n);
    *out = scratch;
    return HST_STATUS_OK;
}

static hst_status mask_index(eval_context *c, const job *j, hst_error *err) {
    hst_tensor *out;
    const hst_tensor *mask = eval_in(c, MASK);
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
    job j = {.c = c, .epsilon = node_float(c->node, "epsilon", 1e-12f)};
    const hst_tensor *ids;
    HST_TRY(eval_need(c, IDS, "input_ids", &ids, err));
    HST_TRY(eval_need(c, WORDS, "word_embedding", &j.table[0], err));
    HST_TRY(eval_need(c, POSITIONS, "position_embedding", &j.table[1], err));
    if (ids->rank != 2 || j.table[0]->rank != 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input_ids have rank %d, word_embedding %d, both need 2",
                          ids->rank, j.table[0]->rank);
    j.ids[0] = ids;
    j.ids[1] = eval_in(c, POSITION_IDS);
    j.ids[2] = eval_in(c, SEGMENT_IDS);
    j.table[2] = eval_in(c, SEGMENTS);
    if (!j.ids[2] != !j.table[2])
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "segment_ids and segment_embedding come together or not at all");
    j.batch = ids->dim[0];
    j.seq = ids->dim[1];
    j.hidden = j.table[0]->dim[1];
    HST_TRY(check(&j, err));
    HST_TRY(vector(c, GAMMA, "gamma", j.hidden, &j.gamma, err));
    HST_TRY(vector(c, BETA, "beta", j.hidden, &j.beta, err));
    const int64_t dims[3] = {j.batch, j.seq, j.hidden};
    HST_TRY(eval_output(c, 0, j.table[0]->dtype, 3, dims, &j.y, err));
    if (eval_wants(c, 1)) HST_TRY(mask_index(c, &j, err));
    if (eval_wants(c, 2)) HST_TRY(eval_output(c, 2, j.table[0]->dtype, 3, dims, &j.sum, err));
    if (tensor_count(j.y) == 0) return HST_STATUS_OK;
    int workers = tensor_count(j.y) < 16384 || !c->team ? 1 : team_size(c->team);
    if (j.table[0]->dtype != HST_DTYPE_F32) {
        void *scratch;
        HST_TRY(eval_scratch(c, (size_t)workers * (size_t)j.hidden * 5 * 4, &scratch, err));
        j.rows = scratch;
    }
    if (workers > 1) team_run(c->team, workers, tokens, &j);
    else tokens(&j, &(team_context){.workers = 1});
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"all inputs and outputs", 0, "(s32[1,2]{1 0}, s32[1,2]{0 1}, f32[2,2]{1 2 3 4}, f32[3,2]{0 1 0 2 0 3}, f32[2,2]{1 1 2 1}, f32[2]{1 2}, f32[2]{0 1}, s32[1,2]{1 0}, s32[1,2]{0 2}; epsilon=0.0) -> (f32[1,2,2]{-1 3 -1 3}, s32[1]{1}, f32[1,2,2]{4 6 3 6})", 0},
    {"no segments, no mask", 0, "(s32[2,1]{0 1}, _, f32[2,2]{1 2 4 3}, f32[1,2]{0 0}, _, f32[2]{1 1}, f32[2]{0 0}; epsilon=0.0) -> (f32[2,1,2]{-1 1 1 -1}, s32[2]{0 0})", 0},
    {"f16, one row of positions", 0, "(s64[2,1]{0 1}, _, f16[2,2]{1 2 4 3}, f16[2,2]{9 9 0 0}, _, f16[2]{1 1}, f16[2]{0 0}, _, s64[1,1]{1}; epsilon=0.0) -> (f16[2,1,2]{-1 1 1 -1}, _, f16[2,1,2]{1 2 4 3})", 0},
    {0}};

HST_OP(com_microsoft_EmbedLayerNormalization) = {
    .name = "EmbedLayerNormalization", .domain = "com.microsoft", .since = 1, .min_in = 7, .max_in = 9, .min_out = 1, .max_out = 3,
    .holes = 1u << SEGMENT_IDS | 1u << SEGMENTS,
    .infer = infer, .eval = eval, .bind = norm_bind,
    .summary = "word, position and segment embeddings, summed and normalised", HST_CASES(cases)};
