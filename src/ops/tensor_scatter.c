/* TensorScatter: a key/value cache with new steps written in: for each sample b of the batch (axis 0)
 *   present[b, …, (write_indices[b] + t) mod max, …] = update[b, …, t, …]       mod only where mode is circular */
#include <string.h>

#include "ops/op.h"

typedef struct args {
    int axis;
    bool circular;
} args;

static hst_status read_args(const node *n, int rank, args *a, hst_error *err) {
    const char *mode = node_string(n, "mode", "linear");
    HST_TRY(axis_normalize(n, node_int(n, "axis", -2), rank, &a->axis, err));
    if (a->axis == 0) return node_error(n, err, HST_STATUS_BAD_SHAPE, "axis 0 is the batch");
    a->circular = strcmp(mode, "circular") == 0;
    if (a->circular || strcmp(mode, "linear") == 0) return HST_STATUS_OK;
    return node_error(n, err, HST_STATUS_BAD_FORMAT, "mode '%s' is not linear or circular", mode);
}

static hst_status infer(infer_context *c, hst_error *err) {
    args a;
    c->out[0] = *infer_in(c, 0);
    return c->out[0].rank < 0 ? HST_STATUS_OK : read_args(c->node, c->out[0].rank, &a, err);
}

static hst_status check(const node *n, const hst_tensor *x, const hst_tensor *update, const hst_tensor *write, int axis,
                        hst_error *err) {
    bool fits = x->dtype == update->dtype && x->rank == update->rank;
    for (int k = 0; fits && k < x->rank; k++)
        fits = k == axis ? update->dim[k] <= x->dim[k] : update->dim[k] == x->dim[k];
    if (!fits) return node_error(n, err, HST_STATUS_BAD_SHAPE, "the update does not fit the cache");
    if (write && (write->rank != 1 || write->dim[0] != x->dim[0]))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%lld write_indices for a batch of %lld",
                          (long long)tensor_count(write), (long long)x->dim[0]);
    return HST_STATUS_OK;
}

/* Steps [from, from + n) of the update's sample b to place `at`. */
static void write_steps(const eval_context *c, const hst_tensor *x, const hst_tensor *update, int axis, int64_t b,
                        int64_t from, int64_t at, int64_t n, char *to, const char *new) {
    int64_t dims[HST_RANK_MAX], to_stride[HST_RANK_MAX], from_stride[HST_RANK_MAX];
    int64_t size = (int64_t)move_size(x->dtype);
    move_strides(x->rank, x->dim, to_stride);
    move_strides(x->rank, update->dim, from_stride);
    for (int k = 0; k < x->rank; k++) dims[k] = k == 0 ? 1 : k == axis ? n : x->dim[k];
    move_copy(c, (size_t)size, x->rank, dims, to + (b * to_stride[0] + at * to_stride[axis]) * size, to_stride,
              new + (b * from_stride[0] + from * from_stride[axis]) * size, from_stride);
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *update, *write = eval_in(c, 2);
    hst_tensor *y;
    const void *from, *new;
    const int64_t *begin = NULL;
    void *to;
    args a;
    HST_TRY(eval_need(c, 0, "past_cache", &x, err));
    HST_TRY(eval_need(c, 1, "update", &update, err));
    HST_TRY(read_args(c->node, x->rank, &a, err));
    HST_TRY(check(c->node, x, update, write, a.axis, err));
    if (write) HST_TRY(move_indices(c, write, "write_indices", &begin, err));
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_in(c, update, &new, err));
    HST_TRY(move_out(c, 0, x->dtype, x->rank, x->dim, &y, &to, err));
    if (tensor_count(x)) memcpy(to, from, (size_t)tensor_count(x) * move_size(x->dtype));
    int64_t most = x->dim[a.axis], steps = update->dim[a.axis];
    for (int64_t b = 0; b < x->dim[0] && tensor_count(update); b++) {
        int64_t at = begin ? begin[b] : 0;
        if (at < 0 || (!a.circular && at > most - steps))
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "write_indices[%lld] is %lld: %lld steps in %lld",
                              (long long)b, (long long)at, (long long)steps, (long long)most);
        at %= most;
        int64_t first = steps < most - at ? steps : most - at;
        write_steps(c, x, update, a.axis, b, 0, at, first, to, new);
        if (first < steps) write_steps(c, x, update, a.axis, b, first, 0, steps - first, to, new);
    }
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"linear", 0, "(f32[2,3,1]{1 2 3 4 5 6}, f32[2,1,1]{7 8}, s64[2]{0 2}) -> (f32[2,3,1]{7 2 3 4 5 8})", 0},
    {"circular", 24, "(f32[1,3,1]{1 2 3}, f32[1,2,1]{7 8}, s64[1]{5}; mode=\"circular\") -> (f32[1,3,1]{8 2 7})", 0},
    {"no indices", 0, "(f16[1,2,2]{1 2 3 4}, f16[1,2,1]{7 8}; axis=2) -> (f16[1,2,2]{7 2 8 4})", 0},
    {"no step", 0, "(f32[1,2,1]{1 2}, f32[1,0,1]{}, s64[1]{2}) -> (f32[1,2,1]{1 2})", 0},
    {0},
};
// clang-format on

HST_OP(TensorScatter) = {
    .name = "TensorScatter",
    .domain = "",
    .since = 24,
    .min_in = 2,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "writes new steps into a cache",
    HST_CASES(cases),
};
