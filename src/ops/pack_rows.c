/* hasten PackPlan, PackRows, UnpackRows, FirstRows: the rows of all sequences of a batch [B, S, …] in one matrix
 * [1, R, …] without padding, and back. Pass unpad puts them into a graph. Where all rows are kept nothing is copied.
 *
 *   PackPlan(mask [B, S]) -> rows s64 [R], offsets s64 [B + 1]
 *
 * A sequence whose mask is one run of ones keeps that run; any other one (holes, nothing seen; with first = 1 one
 * whose first row is masked) keeps all its S rows, and so does every one in a run that shows padding rows or whose mask
 * has other elements than 0 and 1: what those hide only the graph's own nodes know. rows: which of the B S rows;
 * sequence b has rows[offsets[b] … offsets[b + 1]). The expansion keeps all rows, which is always right.
 *
 *   PackRows(x, rows, mask) -> [1, R, …]
 *
 * x [B or 1, S or 1, …] is broadcast, but for axes that must be whole (whole: bit 0 is B, bit 1 is S); with axis = 0
 * it is [S or 1, …].
 *
 *   UnpackRows(x [1, R, …], rows, mask) -> [B, S, …]
 *
 * Zeros elsewhere: where the mask is 0, unless the run shows padding rows or hidden = 1. shows_padding = 1 says that
 * the output is one that shows them.
 *
 *   FirstRows(x [1, R, …], offsets) -> [B, …]
 *
 * The first row of each sequence. */
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "ops/attention.h"

/* ---- shapes ---- */

static hst_status infer_plan(infer_context *c, hst_error *err) {
    const type *mask = infer_in(c, 0);
    if (mask->rank >= 0 && mask->rank != 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the mask has rank %d, not 2", mask->rank);
    for (int i = 0; i < 2; i++) {
        const bool known = i == 1 && mask->rank == 2 && mask->dim[0] >= 0;
        c->out[i] = type_make(HST_DTYPE_S64, 1, (dim[]){known ? mask->dim[0] + 1 : dim_symbol(c->model, "")});
    }
    return HST_STATUS_OK;
}

/* 0 or 1; -1: another one. */
static int sequence_axis(const node *n) {
    const int64_t axis = node_int(n, "axis", 1);
    return axis == 0 || axis == 1 ? (int)axis : -1;
}

/* *out: `lead` dims, then those of x from `from` on. */
static hst_status infer_rows(infer_context *c, const dim *lead, int n, int from, hst_error *err) {
    const type *x = infer_in(c, 0);
    c->out[0].dtype = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    if (x->rank < from || x->rank - from + n > HST_RANK_MAX)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "x has rank %d, it needs %d or more", x->rank, from);
    c->out[0].rank = n;
    memcpy(c->out[0].dim, lead, (size_t)n * sizeof *lead);
    for (int i = from; i < x->rank; i++) c->out[0].dim[c->out[0].rank++] = x->dim[i];
    return HST_STATUS_OK;
}

static hst_status infer_pack(infer_context *c, hst_error *err) {
    const type *rows = infer_in(c, 1);
    const int axis = sequence_axis(c->node);
    const dim lead[2] = {1, rows->rank == 1 ? rows->dim[0] : dim_symbol(c->model, "")};
    if (axis < 0) return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "axis is neither 0 nor 1");
    return infer_rows(c, lead, 2, axis + 1, err);
}

static hst_status infer_unpack(infer_context *c, hst_error *err) {
    const type *mask = infer_in(c, 2);
    dim lead[2];
    for (int i = 0; i < 2; i++) lead[i] = mask->rank == 2 ? mask->dim[i] : dim_symbol(c->model, "");
    return infer_rows(c, lead, 2, 2, err);
}

static hst_status infer_first(infer_context *c, hst_error *err) {
    const type *offsets = infer_in(c, 1);
    const bool known = offsets->rank == 1 && offsets->dim[0] > 0;
    return infer_rows(c, (dim[]){known ? offsets->dim[0] - 1 : dim_symbol(c->model, "")}, 1, 2, err);
}

/* ---- what comes in ---- */

static hst_status read_mask(const eval_context *c, int i, const hst_tensor **out, hst_error *err) {
    HST_TRY(eval_need(c, i, "mask", out, err));
    const hst_tensor *m = *out;
    if (m->rank != 2 || m->dtype == HST_DTYPE_STRING || dtype_bits(m->dtype) < 8)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the mask is %s of rank %d, not numbers of rank 2",
                          dtype_name(m->dtype), m->rank);
    return HST_STATUS_OK;
}

/* Rows in ascending order, below `most`; *all: they are 0, 1 … most - 1. */
static hst_status read_rows(const eval_context *c, int64_t most, const int64_t **out, int64_t *count, bool *all,
                            hst_error *err) {
    const hst_tensor *t;
    HST_TRY(eval_need(c, 1, "rows", &t, err));
    if (t->rank != 1 || t->dtype != HST_DTYPE_S64 || (uintptr_t)t->data % sizeof(int64_t))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "rows are %s of rank %d, not s64 of rank 1",
                          dtype_name(t->dtype), t->rank);
    const int64_t *rows = t->data;
    for (int64_t i = 0, least = 0; i < t->dim[0]; least = rows[i++] + 1)
        if (rows[i] < least || rows[i] >= most)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "row %lld, number %lld, is not in [%lld, %lld)",
                              (long long)rows[i], (long long)i, (long long)least, (long long)most);
    *out = rows;
    *count = t->dim[0];
    *all = t->dim[0] == most; /* ascending */
    return HST_STATUS_OK;
}

/* x [1, R, …] of `count` rows (-1: any number): bytes of a row. */
static hst_status read_packed(const eval_context *c, int64_t count, const hst_tensor **out, size_t *row,
                              hst_error *err) {
    HST_TRY(eval_need(c, 0, "x", out, err));
    const hst_tensor *x = *out;
    if (x->rank < 2 || x->dim[0] != 1 || (count >= 0 && x->dim[1] != count) || x->dtype == HST_DTYPE_STRING ||
        dtype_bits(x->dtype) < 8) {
        const type t = type_of_tensor(x);
        char shape[160], wanted[32] = "R";
        if (count >= 0) snprintf(wanted, sizeof wanted, "%lld", (long long)count);
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "x is %s, not [1, %s, …] of numbers",
                          type_format(NULL, &t, shape, sizeof shape), wanted);
    }
    *row = (size_t)dtype_bits(x->dtype) / 8;
    for (int i = 2; i < x->rank; i++) *row *= (size_t)x->dim[i];
    if (!x->bytes) *row = 0;
    return HST_STATUS_OK;
}

/* ---- PackPlan ---- */

static hst_status eval_plan(eval_context *c, hst_error *err) {
    const hst_tensor *mask;
    hst_tensor *rows, *offsets;
    void *memory;
    size_t bytes;
    HST_TRY(read_mask(c, 0, &mask, err));
    const bool first = node_int(c->node, "first", 0) != 0;
    const int64_t batch = mask->dim[0], length = mask->dim[1];
    if (!size_mul((size_t)batch, 2 * sizeof(int64_t), &bytes)) return error_no_memory(err, SIZE_MAX, "a plan of rows");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    int64_t *begin = memory, *end = begin + batch, count = 0, r = 0;
    const bool all = c->padding || !attention_mask_is_binary(mask);
    for (int64_t b = 0; b < batch; b++) {
        if (all || !attention_one_run(mask, b, &begin[b], &end[b]) || (first && begin[b])) {
            begin[b] = 0;
            end[b] = length;
        }
        count += end[b] - begin[b];
    }
    HST_TRY(eval_output(c, 0, HST_DTYPE_S64, 1, &count, &rows, err));
    HST_TRY(eval_output(c, 1, HST_DTYPE_S64, 1, (int64_t[]){batch + 1}, &offsets, err));
    int64_t *row = rows->data, *offset = offsets->data;
    for (int64_t b = 0; b < batch; b++) {
        offset[b] = r;
        for (int64_t i = begin[b]; i < end[b]; i++) row[r++] = b * length + i;
    }
    offset[batch] = r;
    return HST_STATUS_OK;
}

/* A one-element vector of element i of a shape. */
static value *shape_part(expansion *e, value *shape, int64_t begin, int64_t end) {
    value *const in[3] = {shape, expand_ints(e, &begin, 1), expand_ints(e, &end, 1)};
    return expand_node(e, "Slice", in, 3);
}

/* The number of elements of a shape, as a vector of one. */
static value *shape_product(expansion *e, value *shape) {
    return expand_unary(e, "ReduceProd", shape);
}

static value *join(expansion *e, value *a, value *b) {
    value *y = expand_binary(e, "Concat", a, b);
    expand_set_int(e, y, "axis", 0);
    return y;
}

static value *range(expansion *e, value *count) {
    value *const axis = expand_ints(e, (int64_t[]){0}, 1);
    value *const in[3] = {expand_scalar(e, HST_DTYPE_S64, 0), expand_binary(e, "Squeeze", count, axis),
                          expand_scalar(e, HST_DTYPE_S64, 1)};
    return expand_node(e, "Range", in, 3);
}

static hst_status expand_plan(const node *n, graph *g, value *const *in, value **out, hst_error *err) {
    expansion e = {n, g, HST_STATUS_OK, err};
    value *shape = expand_unary(&e, "Shape", in[0]);
    out[0] = range(&e, shape_product(&e, shape));
    value *counts =
        range(&e, expand_binary(&e, "Add", shape_part(&e, shape, 0, 1), expand_ints(&e, (int64_t[]){1}, 1)));
    out[1] = expand_binary(&e, "Mul", counts, shape_part(&e, shape, 1, 2));
    return expansion_done(&e);
}

/* ---- PackRows ---- */

static hst_status eval_pack(eval_context *c, hst_error *err) {
    const hst_tensor *x, *mask;
    hst_tensor *y;
    const int64_t *rows;
    int64_t count, dims[HST_RANK_MAX];
    bool all;
    const int axis = sequence_axis(c->node);
    HST_TRY(eval_need(c, 0, "x", &x, err));
    HST_TRY(read_mask(c, 2, &mask, err));
    const int64_t batch = mask->dim[0], length = mask->dim[1];
    HST_TRY(read_rows(c, batch * length, &rows, &count, &all, err));
    if (axis < 0 || x->rank <= axis || x->rank - axis + 1 > HST_RANK_MAX || x->dtype == HST_DTYPE_STRING ||
        dtype_bits(x->dtype) < 8)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "x is %s of rank %d, its sequence axis %d",
                          dtype_name(x->dtype), x->rank, axis);
    const int64_t b = axis ? x->dim[0] : 1, s = x->dim[axis];
    const int64_t whole = node_int(c->node, "whole", 0);
    if ((b != batch && (b != 1 || whole & 1)) || (s != length && (s != 1 || whole & 2)))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "x has %lld × %lld rows, the mask %lld × %lld",
                          (long long)b, (long long)s, (long long)batch, (long long)length);
    int rank = 2;
    dims[0] = 1;
    dims[1] = count;
    size_t size = (size_t)dtype_bits(x->dtype) / 8;
    for (int i = axis + 1; i < x->rank; i++) size *= (size_t)(dims[rank++] = x->dim[i]);
    if (all && b == batch && s == length) return eval_alias(c, 0, 0, rank, dims, err);
    HST_TRY(eval_output(c, 0, x->dtype, rank, dims, &y, err));
    if (!y->bytes) return HST_STATUS_OK;
    char *to = y->data;
    for (int64_t i = 0; i < count; i++, to += size) {
        const int64_t at = (b == 1 ? 0 : rows[i] / length * s) + (s == 1 ? 0 : rows[i] % length);
        memcpy(to, (const char *)x->data + (size_t)at * size, size);
    }
    return HST_STATUS_OK;
}

static hst_status expand_pack(const node *n, graph *g, value *const *in, value **out, hst_error *err) {
    expansion e = {n, g, HST_STATUS_OK, err};
    const int axis = sequence_axis(n);
    if (axis < 0) return node_error(n, err, HST_STATUS_BAD_FORMAT, "axis is neither 0 nor 1");
    value *shape = expand_unary(&e, "Shape", in[2]);
    value *tail = shape_part(&e, expand_unary(&e, "Shape", in[0]), axis + 1, HST_RANK_MAX);
    const bool whole = axis == 1 && (node_int(n, "whole", 0) & 3) == 3;
    value *wide = whole ? in[0] : expand_binary(&e, "Expand", in[0], join(&e, shape, tail));
    value *flat = expand_binary(&e, "Reshape", wide, join(&e, shape_product(&e, shape), tail));
    expand_set_int(&e, flat, "allowzero", 1);
    out[0] =
        expand_binary(&e, "Unsqueeze", expand_binary(&e, "Gather", flat, in[1]), expand_ints(&e, (int64_t[]){0}, 1));
    return expansion_done(&e);
}

/* ---- UnpackRows ---- */

/* Are there rows that the mask hides? */
static bool hides_any(const hst_tensor *mask) {
    const int64_t count = tensor_count(mask);
    for (int64_t i = 0; i < count; i++)
        if (!attention_attends(mask, i)) return true;
    return false;
}

typedef struct unpack {
    const hst_tensor *mask; /* NULL: no row is hidden */
    const int64_t *rows;
    int64_t count, total;
    const char *from;
    char *to;
    size_t size;
} unpack;

static void unpack_part(void *arg, const team_context *ctx) {
    const unpack *u = arg;
    int64_t begin, end, k = 0, most = u->count;
    team_split(u->total, 1, ctx, &begin, &end);
    while (k < most) { /* the first row that is not before `begin` */
        const int64_t middle = k + (most - k) / 2;
        if (u->rows[middle] < begin)
            k = middle + 1;
        else
            most = middle;
    }
    for (int64_t r = begin; r < end; r++) {
        char *to = u->to + (size_t)r * u->size;
        const bool kept = k < u->count && u->rows[k] == r;
        if (kept && (!u->mask || attention_attends(u->mask, r)))
            memcpy(to, u->from + (size_t)k * u->size, u->size);
        else
            memset(to, 0, u->size);
        k += kept;
    }
}

enum { TEAM_BYTES = 1 << 18 }; /* from here on several workers copy */

static hst_status eval_unpack(eval_context *c, hst_error *err) {
    const hst_tensor *x, *mask;
    hst_tensor *y;
    int64_t dims[HST_RANK_MAX];
    unpack u = {0};
    bool all;
    HST_TRY(read_mask(c, 2, &mask, err));
    u.total = tensor_count(mask);
    HST_TRY(read_rows(c, u.total, &u.rows, &u.count, &all, err));
    HST_TRY(read_packed(c, u.count, &x, &u.size, err));
    memcpy(dims, x->dim, sizeof dims);
    dims[0] = mask->dim[0];
    dims[1] = mask->dim[1];
    u.mask = !c->padding && !node_int(c->node, "hidden", 0) && hides_any(mask) ? mask : NULL;
    if (all && !u.mask) return eval_alias(c, 0, 0, x->rank, dims, err);
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, dims, &y, err));
    u.from = x->data;
    u.to = y->data;
    if (!u.size || !y->bytes) u.size = 0; /* nothing in it, or nothing but zeros */
    if (!u.size)
        memset(y->data, 0, y->bytes);
    else
        team_run(c->team, y->bytes < TEAM_BYTES ? 1 : 0, unpack_part, &u);
    return HST_STATUS_OK;
}

static hst_status expand_unpack(const node *n, graph *g, value *const *in, value **out, hst_error *err) {
    expansion e = {n, g, HST_STATUS_OK, err};
    value *shape = expand_unary(&e, "Shape", in[2]), *axis = expand_ints(&e, (int64_t[]){0}, 1);
    value *tail = shape_part(&e, expand_unary(&e, "Shape", in[0]), 2, HST_RANK_MAX);
    value *zero = expand_scalar(&e, in[0]->type.dtype, 0);
    value *zeros = expand_binary(&e, "Expand", zero, join(&e, shape_product(&e, shape), tail));
    value *index = expand_binary(&e, "Unsqueeze", in[1], expand_ints(&e, (int64_t[]){1}, 1));
    value *const scatter[3] = {zeros, index, expand_binary(&e, "Squeeze", in[0], axis)};
    out[0] = expand_binary(&e, "Reshape", expand_node(&e, "ScatterND", scatter, 3), join(&e, shape, tail));
    expand_set_int(&e, out[0], "allowzero", 1);
    return expansion_done(&e);
}

/* ---- FirstRows ---- */

static hst_status eval_first(eval_context *c, hst_error *err) {
    const hst_tensor *x, *t;
    hst_tensor *y;
    int64_t dims[HST_RANK_MAX];
    size_t size;
    HST_TRY(read_packed(c, -1, &x, &size, err));
    HST_TRY(attention_offsets(c, 1, x->dim[1], INT64_MAX, &t, err));
    const int64_t *offset = t->data, batch = t->dim[0] - 1;
    for (int64_t b = 0; b < batch; b++)
        if (offset[b] == offset[b + 1])
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "sequence %lld has no first row", (long long)b);
    dims[0] = batch;
    for (int i = 2; i < x->rank; i++) dims[i - 1] = x->dim[i];
    HST_TRY(eval_output(c, 0, x->dtype, x->rank - 1, dims, &y, err));
    for (int64_t b = 0; b < batch && size; b++)
        memcpy((char *)y->data + (size_t)b * size, (const char *)x->data + (size_t)offset[b] * size, size);
    return HST_STATUS_OK;
}

static hst_status expand_first(const node *n, graph *g, value *const *in, value **out, hst_error *err) {
    expansion e = {n, g, HST_STATUS_OK, err};
    value *flat = expand_binary(&e, "Squeeze", in[0], expand_ints(&e, (int64_t[]){0}, 1));
    out[0] = expand_binary(&e, "Gather", flat, shape_part(&e, in[1], 0, -1));
    return expansion_done(&e);
}

// clang-format off
static const op_case plan_cases[] = {
    {"right and left padding", 0, "(s64[3,3]{1 1 0 0 0 1 1 1 1}) -> (s64[6]{0 1 5 6 7 8}, s64[4]{0 2 3 6})", 0},
    {"a hole, nothing", 0, "(b8[2,3]{true false true false false false}) -> (s64[6]{0 1 2 3 4 5}, s64[3]{0 3 6})", 0},
    {"numbers of any kind", 0, "(f32[2,2]{0.5 0 0 -1}) -> (s64[4]{0 1 2 3}, s64[3]{0 2 4})", 0},
    {"s32, the first row", 0, "(s32[2,2]{0 1 1 0}; first=1) -> (s64[3]{0 1 2}, s64[3]{0 2 3})", 0},
    {"no sequences", 0, "(s64[0,3]{}) -> (s64[0]{}, s64[1]{0})", 0},
    {"no rows", 0, "(s64[2,0]{}) -> (s64[0]{}, s64[3]{0 0 0})", 0},
    {NULL, 0, NULL, 0}};
static const op_case pack_cases[] = {
    {"some", 0, "(f32[2,2,2]{1 2 3 4 5 6 7 8}, s64[3]{0 1 3}, s64[2,2]{1 1 0 1}) -> (f32[1,3,2]{1 2 3 4 7 8})", 0},
    {"all", 0, "(s64[2,2]{1 2 3 4}, s64[4]{0 1 2 3}, s64[2,2]{1 1 1 1}) -> (s64[1,4]{1 2 3 4})", 0},
    {"the same for every sequence", 0, "(f32[1,2,1]{1 2}, s64[3]{0 1 3}, s64[2,2]{1 1 0 1}) -> (f32[1,3,1]{1 2 2})", 0},
    {"without a batch", 0, "(f32[2,1]{1 2}, s64[3]{0 1 3}, s64[2,2]{1 1 0 1}; axis=0) -> (f32[1,3,1]{1 2 2})", 0},
    {"one row a sequence", 0, "(u8[2,1,2]{1 2 3 4}, s64[3]{0 1 3}, s64[2,2]{1 1 0 1}) -> (u8[1,3,2]{1 2 1 2 3 4})", 0},
    {"whole", 0, "(f32[2,2,1]{1 2 3 4}, s64[3]{0 1 3}, s64[2,2]{1 1 0 1}; whole=3) -> (f32[1,3,1]{1 2 4})", 0},
    {"none", 0, "(f32[2,0,2]{}, s64[0]{}, s64[2,0]{}) -> (f32[1,0,2]{})", 0},
    {"of nothing", 0, "(f32[1,2,0]{}, s64[1]{1}, s64[1,2]{0 1}) -> (f32[1,1,0]{})", 0},
    {NULL, 0, NULL, 0}};
static const op_case unpack_cases[] = {
    {"some", 0, "(f32[1,3,2]{1 2 3 4 7 8}, s64[3]{0 1 3}, s64[2,2]{1 1 0 1}) -> (f32[2,2,2]{1 2 3 4 0 0 7 8})", 0},
    {"all", 0, "(s64[1,4]{1 2 3 4}, s64[4]{0 1 2 3}, s64[2,2]{1 1 1 1}; shows_padding=1) -> (s64[2,2]{1 2 3 4})", 0},
    {"hidden", 0, "(f32[1,3,1]{1 2 3}, s64[3]{0 1 2}, s64[2,2]{0 0 1 0}; hidden=1) -> (f32[2,2,1]{1 2 3 0})", 0},
    {"none", 0, "(f32[1,0,2]{}, s64[0]{}, s64[2,0]{}) -> (f32[2,0,2]{})", 0},
    {"of nothing", 0, "(f32[1,1,0]{}, s64[1]{1}, s64[1,2]{0 1}) -> (f32[1,2,0]{})", 0},
    {NULL, 0, NULL, 0}};
static const op_case first_cases[] = {
    {"two", 0, "(f32[1,3,2]{1 2 3 4 7 8}, s64[3]{0 2 3}) -> (f32[2,2]{1 2 7 8})", 0},
    {"none", 0, "(f32[1,0,2]{}, s64[1]{0}) -> (f32[0,2]{})", 0},
    {NULL, 0, NULL, 0}};
// clang-format on

#define ROWS_OP(name_, in_, out_, what_, summary_)                                                                     \
    {                                                                                                                  \
        .name = name_, .domain = "hasten", .since = 1, .min_in = in_, .max_in = in_, .min_out = out_, .max_out = out_, \
        .infer = infer_##what_, .eval = eval_##what_, .expand = expand_##what_, .summary = summary_,                   \
        HST_CASES(what_##_cases)                                                                                         \
    }

// clang-format off
HST_OP(hasten_PackPlan) = ROWS_OP("PackPlan", 1, 2, plan, "which rows of a batch are no padding");
HST_OP(hasten_PackRows) = ROWS_OP("PackRows", 3, 1, pack, "the rows that a plan keeps");
HST_OP(hasten_UnpackRows) = ROWS_OP("UnpackRows", 3, 1, unpack, "packed rows at their places in a batch");
HST_OP(hasten_FirstRows) = ROWS_OP("FirstRows", 2, 1, first, "the first packed row of each sequence");
// clang-format on
