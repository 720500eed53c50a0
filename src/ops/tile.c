/* Tile: out[i_0, …] = in[i_0 mod d_0, …], out's dimension k is d_k · repeats[k]. */
#include "base/checked.h"
#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    dim repeats[CONTENT_MOST], factors[2];
    y->dtype = x->dtype;
    y->rank = x->rank;
    if (x->rank < 0) return HST_STATUS_OK;
    int n = infer_dims(c, 1, repeats, CONTENT_MOST);
    if (n >= 0 && n != x->rank)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%d repeats for rank %d", n, x->rank);
    for (int k = 0; k < x->rank; k++) {
        factors[0] = x->dim[k];
        factors[1] = n >= 0 ? repeats[k] : -1;
        const bool known = n >= 0 && dim_is_length(c->model, factors[1]);
        if (n >= 0 && !dim_is_symbol(factors[1]) && factors[1] < 0)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld repeats on axis %d", (long long)factors[1], k);
        y->dim[k] = known ? dim_product(c->model, factors, 2) : dim_symbol(c->model, "");
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    const void *from;
    void *to;
    int n;
    int64_t repeats[HST_RANK_MAX], dims[HST_RANK_MAX], x_stride[HST_RANK_MAX], y_stride[HST_RANK_MAX];
    int64_t split[2 * HST_RANK_MAX], from_stride[2 * HST_RANK_MAX], to_stride[2 * HST_RANK_MAX];
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(eval_ints(c, 1, "repeats", repeats, HST_RANK_MAX, &n, err));
    if (n != x->rank) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%d repeats for rank %d", n, x->rank);
    for (int k = 0; k < n; k++)
        if (repeats[k] < 0 || !s64_mul(x->dim[k], repeats[k], &dims[k]))
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "repeats %lld times on axis %d of length %lld",
                              (long long)repeats[k], k, (long long)x->dim[k]);
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, n, dims, &y, &to, err));
    if (tensor_count(y) == 0) return HST_STATUS_OK;
    move_strides(n, x->dim, x_stride);
    move_strides(n, dims, y_stride);
    for (int k = 0; k < n; k++) { /* each axis as (repeat, place) */
        split[2 * k] = repeats[k];
        from_stride[2 * k] = 0;
        to_stride[2 * k] = y_stride[k] * x->dim[k];
        split[2 * k + 1] = x->dim[k];
        from_stride[2 * k + 1] = x_stride[k];
        to_stride[2 * k + 1] = y_stride[k];
    }
    move_copy(c, move_size(x->dtype), 2 * n, split, to, to_stride, from, from_stride);
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"both axes", 0, "(f32[2,2]{1 2 3 4}, s64[2]{2 2}) -> (f32[4,4]{1 2 1 2 3 4 3 4 1 2 1 2 3 4 3 4})", 0},
    {"version 6", 6, "(s32[2]{1 2}, s64[1]{3}) -> (s32[6]{1 2 1 2 1 2})", 0},
    {"zero times", 0, "(f32[2,2]{1 2 3 4}, s64[2]{0 2}) -> (f32[0,4]{})", 0},
    {"scalar", 0, "(f32[]{1}, s64[0]{}) -> (f32[]{1})", 0},
    {"b8", 0, "(b8[1,2]{true false}, s64[2]{2 1}) -> (b8[2,2]{true false true false})", 0},
    {"strings", 0, "(string[1]{\"ab\"}, s64[1]{2}) -> (string[2]{\"ab\" \"ab\"})", 0},
    {0},
};
// clang-format on

HST_OP(Tile) = {
    .name = "Tile",
    .domain = "",
    .since = 6,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "repeats along axes",
    .gaps = "version 1 (tiles and axis)",
    HST_CASES(cases),
};
