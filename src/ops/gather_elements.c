/* GatherElements: out has the shape of indices; on axis a
 *   out[i_0, …, i_a, …] = data[i_0, …, indices[i_0, …, i_a, …], …] */
#include <stdatomic.h>

#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *index = infer_in(c, 1);
    int axis;
    c->out[0] = *index;
    c->out[0].dtype = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    return axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err);
}

static hst_status check(const eval_context *c, const hst_tensor *x, const hst_tensor *index, int axis, hst_error *err) {
    if (x->rank != index->rank)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "data has rank %d, indices %d", x->rank, index->rank);
    for (int k = 0; k < x->rank; k++)
        if (k != axis && index->dim[k] > x->dim[k])
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "indices have %lld on axis %d, data only %lld",
                              (long long)index->dim[k], k, (long long)x->dim[k]);
    return HST_STATUS_OK;
}

/* Lines of the output along its last axis, of n elements; stride and length of data along the axis picked from. */
typedef struct lines {
    const hst_tensor *x, *index;
    const char *from;
    const int64_t *pick;
    char *to;
    int axis;
    size_t size;
    int64_t stride[HST_RANK_MAX];
    int64_t count, n;
    atomic_bool bad; /* an index is out of range */
} lines;

static void gather_lines(void *arg, const team_context *ctx) {
    lines *l = arg;
    const int last = l->x->rank - 1;
    const int64_t size = (int64_t)l->size, length = l->x->dim[l->axis], stride = l->stride[l->axis] * size;
    int64_t begin, end;
    team_split(l->count, 1, ctx, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t offset = 0, rest = i;
        for (int k = last - 1; k >= 0; rest /= l->index->dim[k--])
            offset += k == l->axis ? 0 : rest % l->index->dim[k] * l->stride[k];
        if (!move_picks(l->size, l->n, l->to + i * l->n * size, l->from + offset * size, last == l->axis ? 0 : size,
                        stride, l->pick + i * l->n, length))
            l->bad = true;
    }
}

enum { TEAM_BYTES = 1 << 18 }; /* from here on several workers copy */

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *index;
    hst_tensor *y;
    const void *from;
    const int64_t *pick;
    void *to;
    int axis;
    int64_t place;
    HST_TRY(eval_need(c, 0, "data", &x, err));
    HST_TRY(eval_need(c, 1, "indices", &index, err));
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err));
    HST_TRY(check(c, x, index, axis, err));
    HST_TRY(move_indices(c, index, "indices", &pick, err));
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, index->rank, index->dim, &y, &to, err));
    const int64_t count = tensor_count(y);
    if (count == 0) return move_done(y, to, err);
    lines l = {.x = x, .index = index, .from = from, .pick = pick, .to = to, .axis = axis};
    l.size = move_size(x->dtype);
    l.n = index->dim[index->rank - 1];
    l.count = count / l.n;
    move_strides(x->rank, x->dim, l.stride);
    if (c->team && y->bytes >= TEAM_BYTES)
        team_run(c->team, 0, gather_lines, &l);
    else
        gather_lines(&l, &(team_context){.workers = 1});
    for (int64_t i = 0; i < count && l.bad; i++) HST_TRY(move_index(c, pick[i], x->dim[axis], axis, &place, err));
    return move_done(y, to, err);
}

static const op_case cases[] = {
    {"axis 1", 0, "(f32[2,2]{1 2 3 4}, s64[2,2]{0 0 1 0}; axis=1) -> (f32[2,2]{1 1 4 3})", 0},
    {"axis 0, negative", 11,
     "(f32[3,3]{1 2 3 4 5 6 7 8 9}, s64[2,3]{-1 -2 0 -2 0 0}; axis=0) -> (f32[2,3]{7 5 3 4 2 3})", 0},
    {"fewer columns than data", 0, "(f32[2,3]{1 2 3 4 5 6}, s32[2,1]{2 1}; axis=-1) -> (f32[2,1]{3 5})", 0},
    {"middle axis", 0,
     "(s64[2,3,2]{1 2 3 4 5 6 7 8 9 10 11 12}, s64[2,2,1]{2 -3 0 1}; axis=1) -> (s64[2,2,1]{5 1 7 9})", 0},
    {"first axis of three", 0,
     "(u8[2,2,2]{1 2 3 4 5 6 7 8}, s64[3,2,2]{1 0 0 0 0 1 0 0 1 1 0 -1}) -> (u8[3,2,2]{5 2 3 4 1 6 3 4 5 6 3 8})", 0},
    {"vector", 0, "(f16[3]{1 2 3}, s64[4]{2 2 0 -2}) -> (f16[4]{3 3 1 2})", 0},
    {"none", 0, "(f32[2,3]{1 2 3 4 5 6}, s64[0,3]{}; axis=0) -> (f32[0,3]{})", 0},
    {"strings", 0, "(string[2]{\"a\" \"b\"}, s64[3]{1 0 1}) -> (string[3]{\"b\" \"a\" \"b\"})", 0},
    {0},
};

HST_OP(GatherElements) = {
    .name = "GatherElements",
    .domain = "",
    .since = 11,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "elements along an axis, picked one by one",
    HST_CASES(cases),
};
