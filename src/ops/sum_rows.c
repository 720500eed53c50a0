/* hasten SumRows: the sum over each sequence of packed rows, as ReduceSum over the sequence axis gives it where padding
 * rows are zeros: one chain an element, in the order of the rows.
 *   x [1, R, …] f32, offsets s64 [B + 1] (hasten.PackPlan) -> [B, …], with keepdims = 1 (default) [B, 1, …] */
#include <string.h>

#include "ops/attention.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *offsets = infer_in(c, 1);
    type *y = &c->out[0];
    y->dtype = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    if (x->rank < 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "x has rank %d, it needs 2 or more", x->rank);
    const bool known = offsets->rank == 1 && offsets->dim[0] > 0;
    y->rank = 0;
    y->dim[y->rank++] = known ? offsets->dim[0] - 1 : dim_symbol(c->model, "");
    if (node_int(c->node, "keepdims", 1)) y->dim[y->rank++] = 1;
    for (int i = 2; i < x->rank; i++) y->dim[y->rank++] = x->dim[i];
    return HST_STATUS_OK;
}

typedef struct sums {
    const float *x;
    const int64_t *offset;
    int64_t sequences, width;
    float *y;
} sums;

enum { COLUMNS = 256 }; /* of a piece of work */

static void work(void *arg, const team_context *ctx) {
    const sums *s = arg;
    const int64_t pieces = (s->width + COLUMNS - 1) / COLUMNS;
    int64_t begin, end;
    team_split(s->sequences * pieces, 1, ctx, &begin, &end);
    for (int64_t item = begin; item < end; item++) {
        const int64_t b = item / pieces, at = item % pieces * COLUMNS;
        const int64_t n = s->width - at < COLUMNS ? s->width - at : COLUMNS;
        float *y = s->y + b * s->width + at;
        memset(y, 0, (size_t)n * sizeof *y);
        for (int64_t r = s->offset[b]; r < s->offset[b + 1]; r++) {
            const float *x = s->x + r * s->width + at;
            for (int64_t i = 0; i < n; i++) y[i] += x[i];
        }
    }
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *offsets;
    hst_tensor *y;
    int64_t dims[HST_RANK_MAX];
    int rank = 0;
    sums s = {.width = 1};
    HST_TRY(eval_need(c, 0, "x", &x, err));
    if (x->rank < 2 || x->dim[0] != 1 || x->dtype != HST_DTYPE_F32)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "x is %s of rank %d, not f32 [1, R, …]",
                          dtype_name(x->dtype), x->rank);
    HST_TRY(attention_offsets(c, 1, x->dim[1], INT64_MAX, &offsets, err));
    dims[rank++] = s.sequences = offsets->dim[0] - 1;
    if (node_int(c->node, "keepdims", 1)) dims[rank++] = 1;
    for (int i = 2; i < x->rank; i++) dims[rank++] = x->dim[i];
    HST_TRY(eval_output(c, 0, HST_DTYPE_F32, rank, dims, &y, err));
    if (!y->bytes) return HST_STATUS_OK;
    for (int i = 2; i < x->rank; i++) s.width *= x->dim[i];
    HST_TRY(attention_as_f32(c, x, &s.x, err));
    s.offset = offsets->data;
    s.y = y->data;
    team_run(c->team, x->bytes < 1 << 18 ? 1 : 0, work, &s);
    return HST_STATUS_OK;
}

/* Which sequence each row is of: how many sequences end before or at it. Then a sum by ScatterND. */
static hst_status expand(const node *n, graph *g, value *const *in, value **out, hst_error *err) {
    expansion e = {n, g, HST_STATUS_OK, err};
    value *zero = expand_ints(&e, (int64_t[]){0}, 1), *one = expand_ints(&e, (int64_t[]){1}, 1);
    value *most = expand_ints(&e, (int64_t[]){INT64_MAX}, 1);
    value *rows = expand_binary(&e, "Squeeze", in[0], zero), *shape = expand_unary(&e, "Shape", rows);
    value *count = expand_binary(&e, "Squeeze", expand_node(&e, "Slice", (value *const[]){shape, zero, one}, 3), zero);
    value *place = expand_node(
        &e, "Range", (value *const[]){expand_scalar(&e, HST_DTYPE_S64, 0), count, expand_scalar(&e, HST_DTYPE_S64, 1)},
        3);
    value *ends = expand_node(&e, "Slice", (value *const[]){in[1], one, most}, 3);
    value *behind = expand_binary(&e, "GreaterOrEqual", expand_binary(&e, "Unsqueeze", place, one), ends);
    value *sequence = expand_binary(&e, "ReduceSum", expand_cast(&e, behind, HST_DTYPE_S64), one); /* [R, 1] */
    value *tail = expand_node(&e, "Slice", (value *const[]){shape, one, most}, 3);
    value *to = expand_binary(&e, "Concat", expand_unary(&e, "Shape", ends), tail);
    expand_set_int(&e, to, "axis", 0);
    value *zeros = expand_binary(&e, "Expand", expand_scalar(&e, HST_DTYPE_F32, 0), to);
    value *y = expand_node(&e, "ScatterND", (value *const[]){zeros, sequence, rows}, 3);
    if (y && !node_set_string(y->producer, "reduction", "add")) return error_no_memory(err, 0, "an expansion");
    if (node_int(n, "keepdims", 1)) y = expand_binary(&e, "Unsqueeze", y, one);
    out[0] = y;
    return expansion_done(&e);
}

// clang-format off
static const op_case cases[] = {
    {"two", 0, "(f32[1,3,2]{1 2 3 4 7 8}, s64[3]{0 2 3}) -> (f32[2,1,2]{4 6 7 8})", 0},
    {"keepdims 0", 0, "(f32[1,3,2]{1 2 3 4 7 8}, s64[4]{0 2 2 3}; keepdims=0) -> (f32[3,2]{4 6 0 0 7 8})", 0},
    {"none", 0, "(f32[1,0,2]{}, s64[1]{0}) -> (f32[0,1,2]{})", 0},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(hasten_SumRows) = {.name = "SumRows",
                          .domain = "hasten",
                          .since = 1,
                          .min_in = 2,
                          .max_in = 2,
                          .min_out = 1,
                          .max_out = 1,
                          .infer = infer,
                          .eval = eval,
                          .expand = expand,
                          .summary = "the sum of the packed rows of each sequence",
                          HST_CASES(cases)};
