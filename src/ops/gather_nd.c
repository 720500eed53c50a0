/* GatherND: slices of data picked by index tuples, the first batch_dims axes in step.
 *   data [B…, D…], indices [B…, I…, k], out [B…, I…, D_k…]:  out[b…, i…] = data[b…, indices[b…, i…]] */
#include <string.h>

#include "ops/op.h"

/* Checks what can be; fills the output's dims. */
static hst_status out_dims(const node *n, const type *x, const type *index, int64_t batch, int *rank, dim *out,
                           hst_error *err) {
    if (batch < 0 || batch >= x->rank || batch >= index->rank)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "batch_dims %lld with ranks %d and %d", (long long)batch,
                          x->rank, index->rank);
    int64_t k = index->dim[index->rank - 1];
    if (k < 0) {
        *rank = -1;
        return HST_STATUS_OK;
    }
    if (k < 1 || k > x->rank - batch)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "index tuples of %lld for rank %d with batch_dims %lld",
                          (long long)k, x->rank, (long long)batch);
    for (int i = 0; i < batch; i++)
        if (x->dim[i] >= 0 && index->dim[i] >= 0 && x->dim[i] != index->dim[i])
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "batch axis %d is %lld in data, %lld in indices", i,
                              (long long)x->dim[i], (long long)index->dim[i]);
    int at = index->rank - 1, kept = x->rank - (int)(batch + k);
    if (at + kept > HST_RANK_MAX)
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "an output of %d dimensions", at + kept);
    for (int i = 0; i < at; i++) out[i] = i < batch && index->dim[i] < 0 && x->dim[i] >= 0 ? x->dim[i] : index->dim[i];
    for (int i = x->rank - kept; i < x->rank; i++) out[at++] = x->dim[i];
    *rank = at;
    return HST_STATUS_OK;
}

static int64_t batch_dims(const node *n) {
    return n->opset >= 12 ? node_int(n, "batch_dims", 0) : 0;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *index = infer_in(c, 1);
    c->out[0].dtype = x->dtype;
    if (x->rank < 0 || index->rank < 0) return HST_STATUS_OK;
    return out_dims(c->node, x, index, batch_dims(c->node), &c->out[0].rank, c->out[0].dim, err);
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *index;
    hst_tensor *y;
    const void *from;
    const int64_t *tuple;
    void *to;
    int rank = 0, batch = (int)batch_dims(c->node);
    int64_t dims[HST_RANK_MAX];
    HST_TRY(eval_need(c, 0, "data", &x, err));
    HST_TRY(eval_need(c, 1, "indices", &index, err));
    type x_type = type_of_tensor(x), index_type = type_of_tensor(index);
    HST_TRY(out_dims(c->node, &x_type, &index_type, batch_dims(c->node), &rank, dims, err));
    HST_TRY(move_indices(c, index, "indices", &tuple, err));
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, rank, dims, &y, &to, err));
    if (tensor_count(y) == 0) return move_done(y, to, err);

    int64_t k = index->dim[index->rank - 1], batches = 1, stride[HST_RANK_MAX];
    int64_t tuples = tensor_count(index) / k;
    for (int i = 0; i < batch; i++) batches *= x->dim[i];
    move_strides(x->rank, x->dim, stride);
    size_t run = move_size(x->dtype) * (size_t)stride[batch + k - 1];
    int64_t per_batch = tuples / batches, batch_size = tensor_count(x) / batches;
    for (int64_t t = 0; t < tuples; t++) {
        int64_t at = t / per_batch * batch_size;
        for (int64_t i = 0; i < k; i++) {
            int64_t place;
            HST_TRY(move_index(c, tuple[t * k + i], x->dim[batch + i], batch + (int)i, &place, err));
            at += place * stride[batch + i];
        }
        memcpy((char *)to + (size_t)t * run, (const char *)from + (size_t)at * move_size(x->dtype), run);
    }
    return move_done(y, to, err);
}

static const op_case cases[] = {
    {"elements", 0, "(s32[2,2]{0 1 2 3}, s64[2,2]{0 0 1 1}) -> (s32[2]{0 3})", 0},
    {"rows", 11, "(f32[2,2]{0 1 2 3}, s64[2,1]{1 0}) -> (f32[2,2]{2 3 0 1})", 0},
    {"batch", 12, "(s32[2,2,2]{0 1 2 3 4 5 6 7}, s64[2,1]{1 0}; batch_dims=1) -> (s32[2,2]{2 3 4 5})", 0},
    {"negative", 0, "(f32[3]{5 6 7}, s64[1,1]{-1}) -> (f32[1]{7})", 0},
    {"one tuple", 0, "(f32[2,2]{1 2 3 4}, s64[2]{1 0}) -> (f32[]{3})", 0},
    {"no tuple", 0, "(f32[2,2]{1 2 3 4}, s64[0,2]{}) -> (f32[0]{})", 0},
    {"strings", 0, "(string[2]{\"a\" \"b\"}, s64[2,1]{1 1}) -> (string[2]{\"b\" \"b\"})", 0},
    {0},
};

HST_OP(GatherND) = {
    .name = "GatherND",
    .domain = "",
    .since = 11,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "slices picked by index tuples",
    HST_CASES(cases),
};
