/* Expand: the input broadcast with a shape, both ways: an input dimension of 1 is repeated, a shape's 1 keeps the
 * input's. */
#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *s = infer_in(c, 1);
    type wanted = {.rank = -1};
    dim shape[CONTENT_MOST];
    c->out[0].dtype = x->dtype;
    int n = infer_dims(c, 1, shape, CONTENT_MOST);
    if (n < 0 && s->rank == 1 && s->dim[0] >= 0 && s->dim[0] <= HST_RANK_MAX && x->rank >= 0) {
        c->out[0].rank = x->rank > s->dim[0] ? x->rank : (int)s->dim[0];
        for (int k = 0; k < c->out[0].rank; k++) { /* a length other than 1 stays, and what the shape does not reach */
            const int from = k - (c->out[0].rank - x->rank);
            const bool alone = k < c->out[0].rank - s->dim[0]; /* the shape has no such axis */
            const bool stays = from >= 0 && (alone || (x->dim[from] >= 0 && x->dim[from] != 1));
            c->out[0].dim[k] = stays ? x->dim[from] : dim_symbol(c->model, "");
        }
    }
    if (n < 0 || x->rank < 0) return HST_STATUS_OK;
    if (n > HST_RANK_MAX) return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "a shape of %d dimensions", n);
    wanted = type_make(x->dtype, n, shape);
    for (int k = 0; k < n; k++)
        if (!dim_is_symbol(shape[k])) {
            if (shape[k] < 0) wanted.dim[k] = 1; /* -1: as exporters mean it, keeps */
        } else if (!dim_is_length(c->model, shape[k])) {
            wanted.dim[k] = dim_symbol(c->model, "");
        }
    HST_TRY(infer_broadcast(c, x, &wanted, &c->out[0], err));
    dim one;
    if (c->out[0].rank <= 1 && infer_dims(c, 0, &one, 1) == 1 && (c->out[0].rank == 0 || c->out[0].dim[0] >= 0)) {
        dim all[CONTENT_MOST];
        int64_t count = c->out[0].rank ? c->out[0].dim[0] : 1;
        for (int64_t k = 0; k < count && k < CONTENT_MOST; k++) all[k] = one;
        if (count <= CONTENT_MOST) infer_content(c, 0, all, (int)count);
    }
    return HST_STATUS_OK;
}

static hst_status out_dims(const node *n, const hst_tensor *x, const int64_t *shape, int count, int *rank,
                           int64_t *dims, hst_error *err) {
    *rank = x->rank > count ? x->rank : count;
    for (int k = 0; k < *rank; k++) {
        int ix = k - (*rank - x->rank), is = k - (*rank - count);
        int64_t a = ix < 0 ? 1 : x->dim[ix], b = is < 0 ? 1 : shape[is];
        if (b == -1) b = 1; /* not in the standard; torch's expand(-1) is exported so, and means "as it is" */
        if (b < 0 || (a != b && a != 1 && b != 1))
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "cannot expand %lld to %lld on axis %d of %d", (long long)a,
                              (long long)b, k, *rank);
        dims[k] = a == 1 ? b : a;
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    const void *from;
    void *to;
    int count, rank;
    int64_t shape[HST_RANK_MAX], dims[HST_RANK_MAX], stride[HST_RANK_MAX], from_stride[HST_RANK_MAX],
        to_stride[HST_RANK_MAX];
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(eval_ints(c, 1, "shape", shape, HST_RANK_MAX, &count, err));
    HST_TRY(out_dims(c->node, x, shape, count, &rank, dims, err));
    bool same = true;
    move_strides(x->rank, x->dim, stride);
    for (int k = 0; k < rank; k++) {
        int ix = k - (rank - x->rank);
        bool repeated = ix < 0 || x->dim[ix] == 1;
        from_stride[k] = repeated ? 0 : stride[ix];
        same &= !repeated || dims[k] == 1;
    }
    if (same) return eval_alias(c, 0, 0, rank, dims, err);
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, rank, dims, &y, &to, err));
    move_strides(rank, dims, to_stride);
    if (tensor_count(y)) move_copy(c, move_size(x->dtype), rank, dims, to, to_stride, from, from_stride);
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"new leading axis", 0, "(f32[3,1]{1 2 3}, s64[3]{2 1 2}) -> (f32[2,3,2]{1 1 2 2 3 3 1 1 2 2 3 3})", 0},
    {"shape's 1 keeps", 0, "(f32[3,1]{1 2 3}, s64[2]{1 2}) -> (f32[3,2]{1 1 2 2 3 3})", 0},
    {"shorter shape", 0, "(f32[2,1]{1 2}, s64[1]{2}) -> (f32[2,2]{1 1 2 2})", 0},
    {"scalar", 8, "(s64[]{7}, s64[1]{3}) -> (s64[3]{7 7 7})", 0},
    {"to nothing", 0, "(f32[1]{7}, s64[2]{0 1}) -> (f32[0,1]{})", 0},
    {"empty shape", 0, "(f32[2]{1 2}, s64[0]{}) -> (f32[2]{1 2})", 0},
    {"b8", 0, "(b8[1,2]{true false}, s64[2]{2 2}) -> (b8[2,2]{true false true false})", 0},
    {"strings", 0, "(string[1]{\"ab\"}, s64[1]{2}) -> (string[2]{\"ab\" \"ab\"})", 0},
    {0},
};
// clang-format on

HST_OP(Expand) = {
    .name = "Expand",
    .domain = "",
    .since = 8,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "broadcasts to a shape",
    HST_CASES(cases),
};
