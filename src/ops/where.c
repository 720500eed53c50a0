/* Where: out = condition ? X : Y, element by element, all three broadcast. */
#include <string.h>

#include "ops/elementwise.h"
#include "tensor/broadcast.h"

/* Known truth of each element of the condition: count, or -1. */
static int infer_condition(const infer_context *c, int64_t *to) {
    const hst_tensor *t = c->constant[0];
    if (!t || t->dtype != HST_DTYPE_B8 || t->rank > 1) return infer_ints(c, 0, to, CONTENT_MOST);
    int64_t n = tensor_count(t);
    if (n > CONTENT_MOST) return -1;
    for (int64_t k = 0; k < n; k++) to[k] = tensor_get_s64(t, k);
    return (int)n;
}

static void infer_where_content(infer_context *c) {
    int64_t condition[CONTENT_MOST];
    dim x[CONTENT_MOST], y[CONTENT_MOST], to[CONTENT_MOST];
    int n = infer_condition(c, condition), nx = infer_dims(c, 1, x, CONTENT_MOST),
        ny = infer_dims(c, 2, y, CONTENT_MOST);
    if (n < 0 || nx < 0 || ny < 0) return;
    int count = n != 1 ? n : nx != 1 ? nx : ny;
    if ((nx != 1 && nx != count) || (ny != 1 && ny != count)) return;
    for (int k = 0; k < count; k++) to[k] = condition[n == 1 ? 0 : k] ? x[nx == 1 ? 0 : k] : y[ny == 1 ? 0 : k];
    infer_content(c, 0, to, count);
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 1), *y = infer_in(c, 2);
    type *out = &c->out[0], both = {.rank = -1};
    if (x->dtype != HST_DTYPE_NONE && y->dtype != HST_DTYPE_NONE && x->dtype != y->dtype)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "X is %s, Y is %s", dtype_name(x->dtype),
                          dtype_name(y->dtype));
    out->dtype = x->dtype != HST_DTYPE_NONE ? x->dtype : y->dtype;
    HST_TRY(infer_broadcast(c, x, y, &both, err));
    HST_TRY(infer_broadcast(c, infer_in(c, 0), &both, out, err));
    if (out->rank == 0 || out->rank == 1) infer_where_content(c);
    return HST_STATUS_OK;
}

static inline __attribute__((always_inline)) void select_run(size_t size, const unsigned char *condition, int64_t cs,
                                                             const char *x, int64_t xs, const char *y, int64_t ys,
                                                             char *to, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        memcpy(to + (size_t)i * size, condition[i * cs] ? x + i * xs * (int64_t)size : y + i * ys * (int64_t)size,
               size);
}

typedef struct selection {
    size_t size;
    const hst_tensor *const *in; /* condition, X, Y: their shapes */
    const hst_tensor *out;
    const unsigned char *condition;
    const char *x, *y;
    char *to;
} selection;

/* The part [begin, end) of the output. */
static void select_range(const void *arg, int64_t begin, int64_t end) {
    const selection *s = arg;
    const int64_t size = (int64_t)s->size;
    broadcast_walk w;
    broadcast_begin(&w, s->out->rank, s->out->dim, s->in, 3);
    while (broadcast_next(&w) && w.output < end) {
        const int64_t from = w.output > begin ? w.output : begin, skip = from - w.output;
        const int64_t n = (w.output + w.run < end ? w.output + w.run : end) - from;
        if (n <= 0) continue;
        const unsigned char *cr = s->condition + w.offset[0] + skip * w.step[0];
        const char *xr = s->x + (w.offset[1] + skip * w.step[1]) * size;
        const char *yr = s->y + (w.offset[2] + skip * w.step[2]) * size;
        char *out = s->to + from * size;
        switch (size) {
        case 1:
            select_run(1, cr, w.step[0], xr, w.step[1], yr, w.step[2], out, n);
            break;
        case 4:
            select_run(4, cr, w.step[0], xr, w.step[1], yr, w.step[2], out, n);
            break;
        case 8:
            select_run(8, cr, w.step[0], xr, w.step[1], yr, w.step[2], out, n);
            break;
        default:
            select_run(s->size, cr, w.step[0], xr, w.step[1], yr, w.step[2], out, n);
            break;
        }
    }
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *in[3];
    hst_tensor *y;
    const void *x_data, *y_data;
    void *to;
    int rank;
    int64_t dims[HST_RANK_MAX];
    HST_TRY(eval_need(c, 0, "condition", &in[0], err));
    HST_TRY(eval_need(c, 1, "X", &in[1], err));
    HST_TRY(eval_need(c, 2, "Y", &in[2], err));
    if (in[0]->dtype != HST_DTYPE_B8 || in[1]->dtype != in[2]->dtype)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "condition is %s, X %s, Y %s", dtype_name(in[0]->dtype),
                          dtype_name(in[1]->dtype), dtype_name(in[2]->dtype));
    hst_status status = broadcast_shape(in, 3, &rank, dims, err);
    if (status != HST_STATUS_OK) return node_error(c->node, err, status, "%s", err ? err->message : "");
    HST_TRY(move_in(c, in[1], &x_data, err));
    HST_TRY(move_in(c, in[2], &y_data, err));
    HST_TRY(move_out(c, 0, in[1]->dtype, rank, dims, &y, &to, err));
    const selection s = {move_size(in[1]->dtype), in, y, in[0]->data, x_data, y_data, to};
    elementwise_split(c, tensor_count(y), select_range, &s);
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"same shapes", 0, "(b8[2,2]{true false true true}, f32[2,2]{1 2 3 4}, f32[2,2]{9 8 7 6}) -> (f32[2,2]{1 8 3 4})", 0},
    {"mask", 9, "(b8[1,1,3]{1 0 1}, f32[2,2,3]{1 2 3 4 5 6 7 8 9 10 11 12}, f32[]{-inf}) -> (f32[2,2,3]{1 -inf 3 4 -inf 6 7 -inf 9 10 -inf 12})", 0},
    {"condition wider", 0, "(b8[2,1]{1 0}, s64[1]{7}, s64[2]{1 2}) -> (s64[2,2]{7 7 1 2})", 0},
    {"shape vector", 0, "(b8[3]{1 0 0}, s64[3]{1 1 1}, s64[3]{4 5 6}) -> (s64[3]{1 5 6})", 0},
    {"nothing", 0, "(b8[0]{}, f64[1]{1}, f64[1]{2}) -> (f64[0]{})", 0},
    {"strings", 0, "(b8[2]{1 0}, string[2]{\"a\" \"b\"}, string[1]{\"zz\"}) -> (string[2]{\"a\" \"zz\"})", 0},
    {"f16, scalar condition", 0, "(b8[]{0}, f16[2]{1 2}, f16[2]{3 4}) -> (f16[2]{3 4})", 0},
    {0},
};
// clang-format on

HST_OP(Where) = {
    .name = "Where",
    .domain = "",
    .since = 9,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "picks from two tensors by a condition",
    HST_CASES(cases),
};
