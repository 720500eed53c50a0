/* Trilu: the upper (j >= i + k) or lower (j <= i + k) triangle of each matrix; 0 elsewhere. */
#include <string.h>

#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    c->out[0] = *x;
    if (x->rank < 0 || x->rank >= 2) return HST_STATUS_OK;
    return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input has rank %d, at least 2 is needed", x->rank);
}

static int64_t clamp(int64_t a, int64_t low, int64_t high) {
    return a < low ? low : a > high ? high : a;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    const void *from;
    void *to;
    int64_t k = 0;
    int count = 1;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    if (eval_in(c, 1)) HST_TRY(eval_ints(c, 1, "k", &k, 1, &count, err));
    if (x->rank < 2 || count != 1)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input of rank %d, %d values in k", x->rank, count);
    bool upper = node_int(c->node, "upper", 1) != 0;
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, x->rank, x->dim, &y, &to, err));
    int64_t rows = x->dim[x->rank - 2], columns = x->dim[x->rank - 1];
    size_t size = move_size(x->dtype);
    k = clamp(k, -rows - 1, columns + 1);
    for (int64_t at = 0, n = tensor_count(x); at < n; at += columns) {
        int64_t i = at / columns % rows;
        int64_t begin = upper ? clamp(i + k, 0, columns) : 0, end = upper ? columns : clamp(i + k + 1, 0, columns);
        char *row = (char *)to + (size_t)at * size;
        memset(row, 0, (size_t)begin * size);
        memcpy(row + (size_t)begin * size, (const char *)from + (size_t)(at + begin) * size,
               (size_t)(end - begin) * size);
        memset(row + (size_t)end * size, 0, (size_t)(columns - end) * size);
    }
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"upper", 0, "(f32[3,3]{1 2 3 4 5 6 7 8 9}) -> (f32[3,3]{1 2 3 0 5 6 0 0 9})", 0},
    {"lower", 0, "(s64[2,3]{1 2 3 4 5 6}; upper=0) -> (s64[2,3]{1 0 0 4 5 0})", 0},
    {"causal mask", 14, "(f32[3,3]{-inf}, s64[]{1}) -> (f32[3,3]{0 -inf -inf 0 0 -inf 0 0 0})", 0},
    {"lower, k=-1", 0, "(b8[2,2]{1}, s64[]{-1}; upper=0) -> (b8[2,2]{0 0 1 0})", 0},
    {"far above", 0, "(f32[2,2]{1}, s64[]{9223372036854775807}) -> (f32[2,2]{0})", 0},
    {"far below", 0, "(f32[2,2]{1}, s64[1]{-9223372036854775808}) -> (f32[2,2]{1})", 0},
    {"batch", 0, "(s32[2,2,2]{1 2 3 4 5 6 7 8}) -> (s32[2,2,2]{1 2 0 4 5 6 0 8})", 0},
    {"nothing", 0, "(f32[0,3]{}) -> (f32[0,3]{})", 0},
    {0},
};
// clang-format on

HST_OP(Trilu) = {
    .name = "Trilu",
    .domain = "",
    .since = 14,
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "the upper or lower triangle",
    HST_CASES(cases),
};
