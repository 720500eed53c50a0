/* Transpose: out[i_perm[0], i_perm[1], …] = in[i_0, i_1, …]: output axis k is input axis perm[k]; by default reversed.
 */
#include "ops/op.h"

typedef struct args {
    int perm[HST_RANK_MAX];
} args;

static hst_status read_args(const node *n, int rank, args *a, hst_error *err) {
    const int64_t *perm;
    int count = node_ints(n, "perm", &perm);
    bool seen[HST_RANK_MAX] = {false};
    for (int k = 0; k < rank && count < 0; k++) a->perm[k] = rank - 1 - k;
    if (count < 0) return HST_STATUS_OK;
    if (count != rank)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "perm has %d entries, the input has rank %d", count, rank);
    for (int k = 0; k < rank; k++) {
        HST_TRY(axis_normalize(n, perm[k], rank, &a->perm[k], err));
        if (seen[a->perm[k]])
            return node_error(n, err, HST_STATUS_BAD_FORMAT, "perm names axis %lld twice", (long long)perm[k]);
        seen[a->perm[k]] = true;
    }
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    args a;
    c->out[0].dtype = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(read_args(c->node, x->rank, &a, err));
    c->out[0].rank = x->rank;
    for (int k = 0; k < x->rank; k++) c->out[0].dim[k] = x->dim[a.perm[k]];
    infer_pass_content(c, 0, 0); /* contents have rank 0 or 1 */
    return HST_STATUS_OK;
}

/* True where axes longer than 1 keep their order: the elements stay where they are. */
static bool moves_nothing(const hst_tensor *x, const args *a) {
    int last = -1;
    for (int k = 0; k < x->rank; k++) {
        if (x->dim[a->perm[k]] == 1) continue;
        if (a->perm[k] < last) return false;
        last = a->perm[k];
    }
    return true;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    args a;
    HST_TRY(eval_need(c, 0, "data", &x, err));
    HST_TRY(read_args(c->node, x->rank, &a, err));
    int64_t dims[HST_RANK_MAX], stride[HST_RANK_MAX], from_stride[HST_RANK_MAX], to_stride[HST_RANK_MAX];
    move_strides(x->rank, x->dim, stride);
    for (int k = 0; k < x->rank; k++) {
        dims[k] = x->dim[a.perm[k]];
        from_stride[k] = stride[a.perm[k]];
    }
    if (moves_nothing(x, &a)) return eval_alias(c, 0, 0, x->rank, dims, err);
    const void *from;
    void *to;
    hst_tensor *y;
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, x->rank, dims, &y, &to, err));
    move_strides(y->rank, dims, to_stride);
    move_copy(c, move_size(x->dtype), y->rank, dims, to, to_stride, from, from_stride);
    return move_done(y, to, err);
}

static const op_case cases[] = {
    {"default reverses", 0, "(f32[2,3]{1 2 3 4 5 6}) -> (f32[3,2]{1 4 2 5 3 6})", 0},
    {"version 1", 1, "(f32[2,2]{1 2 3 4}; perm=[1,0]) -> (f32[2,2]{1 3 2 4})", 0},
    {"heads", 0,
     "(f32[1,2,3,2]{1 2 3 4 5 6 7 8 9 10 11 12}; perm=[0,2,1,3]) -> (f32[1,3,2,2]{1 2 7 8 3 4 9 10 5 6 11 12})", 0},
    {"last two", 0,
     "(s64[2,2,3]{1 2 3 4 5 6 7 8 9 10 11 12}; perm=[0,2,1]) -> "
     "(s64[2,3,2]{1 4 2 5 3 6 7 10 8 11 9 12})",
     0},
    {"to front", 0, "(u8[2,2,2]{1 2 3 4 5 6 7 8}; perm=[2,0,1]) -> (u8[2,2,2]{1 3 5 7 2 4 6 8})", 0},
    {"ones do not move", 0, "(f16[2,1,3]{1 2 3 4 5 6}; perm=[1,0,2]) -> (f16[1,2,3]{1 2 3 4 5 6})", 0},
    {"empty", 0, "(f32[2,0,3]{}; perm=[2,1,0]) -> (f32[3,0,2]{})", 0},
    {"scalar", 0, "(f64[]{7}) -> (f64[]{7})", 0},
    {"strings", 0, "(string[2,2]{\"a\" \"\" \"ccc\" \"d\"}) -> (string[2,2]{\"a\" \"ccc\" \"\" \"d\"})", 0},
    {"s4, odd rows", 0, "(s4[3,2]{-8 1 2 3 -1 5}) -> (s4[2,3]{-8 2 -1 1 3 5})", 0},
    {"u2", 0, "(u2[2,3]{0 1 2 3 2 1}) -> (u2[3,2]{0 3 1 2 2 1})", 0},
    {"complex", 0, "(c128[2,2]{1 2 3 4 5 6 7 8}) -> (c128[2,2]{1 2 5 6 3 4 7 8})", 0},
    {0},
};

HST_OP(Transpose) = {
    .name = "Transpose",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "permutes axes",
    HST_CASES(cases),
};
