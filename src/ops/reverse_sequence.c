/* ReverseSequence: in each batch b the first sequence_lens[b] steps of the time axis in reverse, the rest as it is. */
#include <string.h>

#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    return HST_STATUS_OK;
}

static hst_status check(const node *n, const hst_tensor *x, const hst_tensor *lengths, int64_t time, int64_t batch,
                        hst_error *err) {
    if (x->rank < 2 || time < 0 || time > 1 || batch < 0 || batch > 1 || time == batch)
        return node_error(n, err, HST_STATUS_BAD_SHAPE,
                          "rank %d, time_axis %lld, batch_axis %lld: one must be 0, one 1", x->rank, (long long)time,
                          (long long)batch);
    if (lengths->rank != 1 || lengths->dim[0] != x->dim[batch])
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%lld sequence_lens for a batch of %lld",
                          (long long)tensor_count(lengths), (long long)x->dim[batch]);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *lengths;
    hst_tensor *y;
    const void *from;
    const int64_t *length;
    void *to;
    int64_t time = node_int(c->node, "time_axis", 0), batch = node_int(c->node, "batch_axis", 1), stride[HST_RANK_MAX];
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(eval_need(c, 1, "sequence_lens", &lengths, err));
    HST_TRY(check(c->node, x, lengths, time, batch, err));
    HST_TRY(move_indices(c, lengths, "sequence_lens", &length, err));
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, x->rank, x->dim, &y, &to, err));
    move_strides(x->rank, x->dim, stride);
    size_t size = move_size(x->dtype), run = (size_t)stride[1] * size;
    for (int64_t b = 0; b < x->dim[batch]; b++) {
        if (length[b] < 0 || length[b] > x->dim[time])
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "sequence_lens[%lld] is %lld, the time axis has %lld",
                              (long long)b, (long long)length[b], (long long)x->dim[time]);
        for (int64_t t = 0; t < x->dim[time] && run; t++) {
            int64_t s = t < length[b] ? length[b] - 1 - t : t, base = b * stride[batch];
            memcpy((char *)to + (size_t)(base + t * stride[time]) * size,
                   (const char *)from + (size_t)(base + s * stride[time]) * size, run);
        }
    }
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"time first", 0, "(f32[4,4]{0 4 8 12 1 5 9 13 2 6 10 14 3 7 11 15}, s64[4]{4 3 2 1}; time_axis=0, batch_axis=1) -> (f32[4,4]{3 6 9 12 2 5 8 13 1 4 10 14 0 7 11 15})", 0},
    {"batch first", 10, "(f32[2,3]{1 2 3 4 5 6}, s64[2]{0 3}; time_axis=1, batch_axis=0) -> (f32[2,3]{1 2 3 6 5 4})", 0},
    {"with features", 0, "(s32[2,1,2]{1 2 3 4}, s64[1]{2}) -> (s32[2,1,2]{3 4 1 2})", 0},
    {"nothing", 0, "(f32[2,0]{}, s64[0]{}) -> (f32[2,0]{})", 0},
    {"strings", 0, "(string[2,1]{\"a\" \"b\"}, s64[1]{2}) -> (string[2,1]{\"b\" \"a\"})", 0},
    {0},
};
// clang-format on

HST_OP(ReverseSequence) = {
    .name = "ReverseSequence",
    .domain = "",
    .since = 10,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "sequences of a batch, reversed",
    HST_CASES(cases),
};
