/* hasten PackedAttention: y = softmax(scale q kᵀ + masks) v, q, k and v side by side in one matrix.
 *   qkv [B, S, 3 H d] f32   key_mask [B, S] (1: seen, 0: mask_value is added to the score; others: see mask_meaning)
 *   bias, additive, broadcasts to [B, H, S, S]   ->   y [B, S, H d] f32
 * With rows s64 [R] and offsets s64 [B + 1] of hasten.PackPlan(key_mask): qkv [1, R, 3 H d], y [1, R, H d]; no bias
 * then. Attribute queries = n > 0: only the first n rows of each sequence are computed, y [B, n, H d] (no bias then).
 * Their q may come apart, as input q [B, n, H d]; qkv is then k and v alone, 2 H d columns. Attributes num_heads, scale
 * (default 1/√d), mask_value (default the lowest f32; -inf with the string "-inf" is spelled as a float attribute),
 * nan_to_zero, mask_meaning. A row that sees no key: as its mask_value says, the mean of v for the lowest f32, NaN for
 * -inf or, with nan_to_zero = 1, zeros. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "ops/attention.h"

enum { QKV, KEY_MASK, BIAS, ROWS, OFFSETS, QUERIES };

typedef struct args {
    int64_t heads, queries; /* queries 0: all */
    int64_t parts;          /* 3: q, k and v; 2: k and v */
    float scale, mask_value;
    mask_meaning meaning;
    bool nan_to_zero, packed;
} args;

static bool given(const node *n, int i) {
    return i < n->n_in && n->in[i];
}

static hst_status read_args(const node *n, int64_t width, args *out, hst_error *err) {
    out->heads = node_int(n, "num_heads", 0);
    out->parts = given(n, QUERIES) ? 2 : 3;
    if (out->heads <= 0 || (width >= 0 && width % out->parts) || (width >= 0 && width / out->parts % out->heads))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%lld columns are not %sk and v of %lld heads",
                          (long long)width, out->parts == 3 ? "q, " : "", (long long)out->heads);
    out->scale = node_float(n, "scale", 0);
    if (out->scale == 0 && width > 0) out->scale = 1.0f / sqrtf((float)(width / out->parts / out->heads));
    out->mask_value = node_float(n, "mask_value", -FLT_MAX);
    out->nan_to_zero = node_int(n, "nan_to_zero", 0) != 0;
    const int64_t meaning = node_int(n, "mask_meaning", MASK_NONZERO);
    if (meaning < 0 || meaning >= MASK_MEANINGS)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "mask_meaning = %lld", (long long)meaning);
    out->meaning = (mask_meaning)meaning;
    out->queries = node_int(n, "queries", 0);
    out->packed = given(n, OFFSETS);
    if (out->queries < 0 || (!out->queries && given(n, QUERIES)))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "queries = %lld (a q of its own goes with queries)",
                          (long long)out->queries);
    if (out->packed && (!given(n, KEY_MASK) || !given(n, ROWS) || !(out->mask_value <= MASK_HIDES)))
        return node_error(n, err, HST_STATUS_BAD_FORMAT,
                          "packed rows need a key mask that hides for good, and their places");
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, QKV), *mask = infer_in(c, KEY_MASK);
    args at;
    c->out[0].dtype = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    if (x->rank != 3) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "q, k, v have rank %d, not 3", x->rank);
    const bool known = !dim_is_symbol(x->dim[2]);
    HST_TRY(read_args(c->node, known ? x->dim[2] : -1, &at, err));
    c->out[0].rank = 3;
    c->out[0].dim[0] = !at.packed || !at.queries ? x->dim[0]
                       : mask->rank == 2         ? mask->dim[0]
                                                 : dim_symbol(c->model, "");
    c->out[0].dim[1] = at.queries ? at.queries : x->dim[1];
    c->out[0].dim[2] = known ? x->dim[2] / at.parts : dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

/* ---- the expansion ---- */

/* Its nodes broadcast; what would make the result larger is refused, as the fast path does. */
static hst_status check_shapes(const node *n, const args *at, value *const *in, hst_error *err) {
    const type *x = &in[QKV]->type, *mask = given(n, KEY_MASK) ? &in[KEY_MASK]->type : NULL;
    const type *of = at->packed ? mask : x; /* where sequences and keys are counted */
    if (of->rank < 2) return node_error(n, err, HST_STATUS_BAD_SHAPE, "the key mask has rank %d, not 2", of->rank);
    const type want[2] = {{.rank = 2, .dim = {of->dim[0], of->dim[1]}},
                          {.rank = 4, .dim = {of->dim[0], at->heads, of->dim[1], of->dim[1]}}};
    bool fits = (!mask || !type_contradicts(mask, &want[0])) && (of->dim[1] < 0 || at->queries <= of->dim[1]);
    if (given(n, QUERIES)) {
        const type *q = &in[QUERIES]->type;
        fits = fits && (q->rank < 1 || q->dim[0] < 0 || of->dim[0] < 0 || q->dim[0] == of->dim[0]);
    }
    if (given(n, BIAS)) {
        type bias = in[BIAS]->type;
        fits = fits && bias.rank >= 0 && bias.rank <= 4;
        for (int i = 1; i <= bias.rank && fits; i++) {
            const dim a = bias.dim[bias.rank - i], b = want[1].dim[4 - i];
            fits = a < 0 || b < 0 || a == b || a == 1;
        }
    }
    if (fits) return HST_STATUS_OK;
    return node_error(n, err, HST_STATUS_BAD_SHAPE,
                      "the key mask, the bias or the queries are not of %lld sequences of %lld keys",
                      (long long)of->dim[0], (long long)of->dim[1]);
}

static value *head_rows(expansion *e, value *packed, int64_t which) { /* [3, B, H, S, d] -> [B, H, S, d] */
    value *index = expand_scalar(e, HST_DTYPE_S64, (double)which);
    value *y = expand_binary(e, "Gather", packed, index);
    expand_set_int(e, y, "axis", 0);
    return y;
}

/* Packed rows at their places in [B, S, columns]; zeros elsewhere, where nothing is read. */
static value *unpacked(expansion *e, value *x, value *mask, value *rows, int64_t columns) {
    value *shape = expand_unary(e, "Shape", mask), *width = expand_ints(e, &columns, 1);
    value *all = expand_binary(e, "Concat", expand_unary(e, "ReduceProd", shape), width);
    expand_set_int(e, all, "axis", 0);
    value *zeros = expand_binary(e, "Expand", expand_scalar(e, HST_DTYPE_F32, 0), all);
    value *const in[3] = {zeros, expand_binary(e, "Unsqueeze", rows, expand_ints(e, (int64_t[]){1}, 1)),
                          expand_binary(e, "Squeeze", x, expand_ints(e, (int64_t[]){0}, 1))};
    value *to = expand_binary(e, "Concat", shape, width);
    expand_set_int(e, to, "axis", 0);
    value *y = expand_binary(e, "Reshape", expand_node(e, "ScatterND", in, 3), to);
    expand_set_int(e, y, "allowzero", 1);
    return y;
}

static value *packed(expansion *e, value *x, value *rows, int64_t columns) {
    value *flat = expand_reshape(e, x, (int64_t[]){-1, columns}, 2);
    return expand_binary(e, "Unsqueeze", expand_binary(e, "Gather", flat, rows), expand_ints(e, (int64_t[]){0}, 1));
}

/* What mask_adds says, of every element. */
static value *added_mask(expansion *e, value *mask, const args *at) {
    value *zero = expand_scalar(e, HST_DTYPE_F32, 0), *one = expand_scalar(e, HST_DTYPE_F32, 1);
    value *hidden = expand_scalar(e, HST_DTYPE_F32, (double)at->mask_value), *seen;
    value *element = at->meaning == MASK_NONZERO ? NULL : expand_cast(e, mask, HST_DTYPE_F32);
    if (at->meaning == MASK_LINEAR) return expand_binary(e, "Mul", expand_binary(e, "Sub", one, element), hidden);
    if (at->meaning == MASK_NONZERO)
        seen = mask->type.dtype == HST_DTYPE_B8 ? mask : expand_cast(e, mask, HST_DTYPE_B8);
    else
        seen = at->meaning == MASK_ONE ? expand_binary(e, "Equal", element, one)
                                       : expand_binary(e, "Greater", element, zero);
    return expand_node(e, "Where", (value *const[]){seen, zero, hidden}, 3);
}

static hst_status expand(const node *n, graph *g, value *const *in, value **out, hst_error *err) {
    expansion e = {n, g, HST_STATUS_OK, err};
    const type *x = &in[QKV]->type;
    args at;
    if (x->rank != 3 || dim_is_symbol(x->dim[2]))
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "cannot be expanded before its hidden size is known");
    HST_TRY(read_args(n, x->dim[2], &at, err));
    HST_TRY(check_shapes(n, &at, in, err));
    const int64_t hidden = x->dim[2] / at.parts, d = hidden / at.heads;
    value *qkv = at.packed ? unpacked(&e, in[QKV], in[KEY_MASK], in[ROWS], x->dim[2]) : in[QKV];
    value *rows = expand_reshape(&e, qkv, (int64_t[]){0, 0, at.parts, at.heads, d}, 5);
    rows = expand_transpose(&e, rows, (int64_t[]){2, 0, 3, 1, 4}, 5);
    value *k = expand_transpose(&e, head_rows(&e, rows, at.parts - 2), (int64_t[]){0, 1, 3, 2}, 4), *q;
    if (at.parts == 2) {
        q = expand_reshape(&e, in[QUERIES], (int64_t[]){0, at.queries, at.heads, d}, 4);
        q = expand_transpose(&e, q, (int64_t[]){0, 2, 1, 3}, 4);
    } else
        q = head_rows(&e, rows, 0);
    if (at.queries && at.parts == 3) {
        value *const slice[4] = {q, expand_ints(&e, (int64_t[]){0}, 1), expand_ints(&e, (int64_t[]){at.queries}, 1),
                                 expand_ints(&e, (int64_t[]){2}, 1)};
        q = expand_node(&e, "Slice", slice, 4);
    }
    value *scores = expand_binary(&e, "MatMul", q, k);
    if (at.scale != 1) scores = expand_binary(&e, "Mul", scores, expand_scalar(&e, HST_DTYPE_F32, (double)at.scale));
    value *bias = given(n, BIAS) ? in[BIAS] : NULL;
    if (bias && at.queries) {
        value *const slice[4] = {bias, expand_ints(&e, (int64_t[]){0}, 1), expand_ints(&e, (int64_t[]){at.queries}, 1),
                                 expand_ints(&e, (int64_t[]){-2}, 1)};
        bias = expand_node(&e, "Slice", slice, 4);
    }
    if (bias) scores = expand_binary(&e, "Add", scores, bias);
    if (given(n, KEY_MASK)) {
        value *mask = added_mask(&e, in[KEY_MASK], &at);
        mask = expand_binary(&e, "Unsqueeze", mask, expand_ints(&e, (int64_t[]){1, 2}, 2));
        scores = expand_binary(&e, "Add", scores, mask);
    }
    value *p = expand_unary(&e, "Softmax", scores);
    expand_set_int(&e, p, "axis", -1);
    if (at.nan_to_zero) {
        value *zero = expand_scalar(&e, HST_DTYPE_F32, 0);
        p = expand_node(&e, "Where", (value *const[]){expand_unary(&e, "IsNaN", p), zero, p}, 3);
    }
    value *y = expand_binary(&e, "MatMul", p, head_rows(&e, rows, at.parts - 1));
    y = expand_transpose(&e, y, (int64_t[]){0, 2, 1, 3}, 4);
    out[0] = expand_reshape(&e, y, (int64_t[]){0, 0, hidden}, 3);
    if (at.packed && !at.queries) out[0] = packed(&e, out[0], in[ROWS], hidden);
    return expansion_done(&e);
}

/* ---- the fast path ---- */

/* The rows of sequences that see no key: the softmax of nothing but -inf was NaN and is made 0. */
static void zero_unseen(const hst_tensor *mask, mask_meaning meaning, const attention_f32 *a) {
    for (int64_t b = 0; b < mask->dim[0]; b++) {
        bool seen = false;
        for (int64_t k = 0; k < mask->dim[1] && !seen; k++)
            seen = mask_adds(meaning, tensor_get_f64(mask, b * mask->dim[1] + k), -INFINITY) == 0;
        if (seen) continue;
        const int64_t *at = a->query_offset, first = at ? at[b] : b * a->queries;
        const int64_t rows = at ? at[b + 1] - at[b] : a->queries;
        if (rows) memset(a->out + first * a->out_at.row, 0, (size_t)(rows * a->out_at.row) * sizeof(float));
    }
}

/* The places of q, k, v and the result. rows of q, k, v: all, or [B, n] of the queries alone. */
static hst_status set_places(eval_context *c, const args *at, const hst_tensor *x, const float *rows, attention_f32 *a,
                             hst_error *err) {
    const hst_tensor *q = eval_in(c, QUERIES);
    const int64_t hidden = a->heads * a->d, width = at->parts * hidden;
    a->q = rows;
    a->k = rows + width - 2 * hidden;
    a->v = a->k + hidden;
    a->q_at = a->k_at = a->v_at = (attention_rows){x->dim[1] * width, width, a->d};
    a->out_at = (attention_rows){a->queries * hidden, hidden, a->d};
    const bool one = q && q->rank == 2 && a->queries == 1;
    if (q && (q->dtype != HST_DTYPE_F32 || (q->rank != 3 && !one) || q->dim[0] != a->sequences ||
              q->dim[q->rank - 1] != hidden || (!one && q->dim[1] != a->queries)))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "q must be f32 [%lld, %lld, %lld]",
                          (long long)a->sequences, (long long)a->queries, (long long)hidden);
    if (q) {
        a->q_at = (attention_rows){a->queries * hidden, hidden, a->d};
        return attention_as_f32(c, q, &a->q, err);
    }
    if (!at->queries || !at->packed) return HST_STATUS_OK;
    float *copy; /* the kernel takes queries at offsets, or so many of each sequence, not both */
    HST_TRY(attention_floats(c, a->sequences, a->queries, hidden, &copy, err));
    for (int64_t b = 0; b < a->sequences; b++)
        for (int64_t i = 0; i < a->queries && hidden; i++)
            memcpy(copy + (b * a->queries + i) * hidden, rows + (a->key_offset[b] + i) * width,
                   (size_t)hidden * sizeof(float));
    a->q = copy;
    a->q_at = (attention_rows){a->queries * hidden, hidden, a->d};
    return HST_STATUS_OK;
}

/* Sequences, their lengths, offsets of packed ones. */
static hst_status set_lengths(eval_context *c, const args *at, const hst_tensor *x, attention_f32 *a, hst_error *err) {
    const hst_tensor *mask = eval_in(c, KEY_MASK), *offsets;
    int64_t shortest;
    a->sequences = x->dim[0];
    a->keys = shortest = x->dim[1];
    if (at->packed) {
        if (mask->rank != 2 || x->dim[0] != 1)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "packed rows [1, R, …] go with a mask of rank 2");
        HST_TRY(attention_offsets(c, OFFSETS, x->dim[1], mask->dim[1], &offsets, err));
        a->sequences = mask->dim[0];
        a->keys = shortest = mask->dim[1];
        if (offsets->dim[0] != a->sequences + 1)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "there are offsets of %lld sequences, not of %lld",
                              (long long)offsets->dim[0] - 1, (long long)a->sequences);
        a->key_offset = offsets->data;
        if (!at->queries) a->query_offset = a->key_offset;
        for (int64_t b = 0; b < a->sequences; b++)
            if (a->key_offset[b + 1] - a->key_offset[b] < shortest) shortest = a->key_offset[b + 1] - a->key_offset[b];
    }
    a->queries = at->queries ? at->queries : a->keys;
    if (at->queries > shortest)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld queries of %lld rows", (long long)at->queries,
                          (long long)shortest);
    return HST_STATUS_OK;
}

/* The bias is of all rows of a sequence: where in it the kept ones begin. */
static hst_status set_bias(eval_context *c, const hst_tensor *bias, attention_f32 *a, hst_error *err) {
    const hst_tensor *rows = eval_in(c, ROWS);
    const int64_t queries = a->queries;
    a->queries = a->keys;
    HST_TRY(attention_bias(c, bias, a, err));
    a->queries = queries;
    if (!a->key_offset) return HST_STATUS_OK;
    void *memory;
    HST_TRY(eval_scratch(c, (size_t)(a->sequences + 1) * sizeof(int64_t), &memory, err));
    int64_t *first = memory;
    const bool fits = rows->rank == 1 && rows->dtype == HST_DTYPE_S64 && rows->dim[0] == a->key_offset[a->sequences];
    for (int64_t b = 0; b < a->sequences; b++) {
        const int64_t begin = a->key_offset[b], n = a->key_offset[b + 1] - begin;
        const int64_t row = fits && n ? tensor_get_s64(rows, begin) : b * a->keys;
        first[b] = row < 0 ? -1 : row - b * a->keys;
        if (!fits || first[b] < 0 || first[b] > a->keys - n)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "rows do not fit the offsets of sequence %lld",
                              (long long)b);
    }
    a->bias_first = first;
    return HST_STATUS_OK;
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    (void)state;
    const hst_tensor *x = eval_in(c, QKV), *mask = eval_in(c, KEY_MASK), *bias = eval_in(c, BIAS);
    args at;
    hst_tensor *y;
    const float *rows;
    if (x->rank != 3 || x->dtype != HST_DTYPE_F32)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "q, k, v are %s of rank %d, not f32 of rank 3",
                          dtype_name(x->dtype), x->rank);
    HST_TRY(read_args(c->node, x->dim[2], &at, err));
    const int64_t hidden = x->dim[2] / at.parts, d = hidden / at.heads;
    attention_f32 a = attention_make(0, at.heads, 0, 0, d, d);
    HST_TRY(set_lengths(c, &at, x, &a, err));
    const bool whole = at.packed && !at.queries;
    const int64_t dims[3] = {whole ? 1 : a.sequences, whole ? x->dim[1] : a.queries, hidden};
    HST_TRY(eval_output(c, 0, HST_DTYPE_F32, 3, dims, &y, err));
    HST_TRY(attention_as_f32(c, x, &rows, err));
    HST_TRY(set_places(c, &at, x, rows, &a, err));
    a.out = y->data;
    a.scale = at.scale;
    if (bias) HST_TRY(set_bias(c, bias, &a, err));
    if (mask) HST_TRY(attention_key_mask(c, mask, at.meaning, a.key_offset, at.mask_value, &a, err));
    HST_TRY(attention_run(c, &a, err));
    if (mask && at.nan_to_zero && at.mask_value == -INFINITY) zero_unseen(mask, at.meaning, &a);
    return HST_STATUS_OK;
}

static hst_status bind(bind_context *c, hst_error *err) {
    (void)err;
    return attention_bind(c, run);
}

// clang-format off
static const op_case cases[] = {
    {"one key", 0, "(f32[1,1,6]{1 2 3 4 5 6}; num_heads=2) -> (f32[1,1,2]{5 6})", 0},
    {"uniform", 0, "(f32[1,2,3]{0 1 2 0 3 4}; num_heads=1) -> (f32[1,2,1]{3})", 0},
    {"two rows", 0, "(f32[1,2,3]{1 1 2 2 0 4}; num_heads=1, scale=1.0) -> (f32[1,2,1]{2.5378828 2.2384058})", 1e-6},
    {"right padding", 0, "(f32[2,2,3]{1 1 2 2 0 4 1 1 2 2 0 4}, s64[2,2]{1 0 1 1}; num_heads=1, scale=1.0) -> (f32[2,2,1]{2 2 2.5378828 2.2384058})", 1e-6},
    {"left padding", 0, "(f32[1,2,3]{1 1 2 2 0 4}, b8[1,2]{false true}; num_heads=1, scale=1.0) -> (f32[1,2,1]{4})", 0},
    {"a hole", 0, "(f32[1,3,3]{1 1 2 9 9 9 2 0 4}, s32[1,3]{1 0 1}; num_heads=1, scale=1.0) -> (f32[1,3,1]{2.5378828 2.0002468 2.2384058})", 1e-6},
    {"nothing seen, lowest", 0, "(f32[1,2,3]{1 1 2 2 0 4}, f32[1,2]{0 0}; num_heads=1) -> (f32[1,2,1]{3})", 1e-6},
    {"nothing seen, -inf", 0, "(f32[1,2,3]{1 1 2 2 0 4}, s64[1,2]{0 0}; num_heads=1, mask_value=-inf) -> (f32[1,2,1]{nan})", 0},
    {"nothing seen, made zero", 0, "(f32[2,2,3]{1 1 2 2 0 4}, s64[2,2]{0 0 1 0}; num_heads=1, mask_value=-inf, nan_to_zero=1) -> (f32[2,2,1]{0 0 2 2})", 0},
    {"mask of ones", 0, "(f32[1,2,3]{1 1 2 2 0 4}, s64[1,2]{1 2}; num_heads=1, scale=1.0, mask_meaning=1) -> (f32[1,2,1]{2})", 0},
    {"mask above zero", 0, "(f32[1,2,3]{1 1 2 2 0 4}, f32[1,2]{-1 0.5}; num_heads=1, scale=1.0, mask_meaning=2) -> (f32[1,2,1]{4})", 0},
    {"mask of weights", 0, "(f32[1,2,3]{1 1 2 2 0 4}, f32[1,2]{1 0.5}; num_heads=1, scale=1.0, mask_value=-2.0, mask_meaning=3) -> (f32[1,2,1]{2.2384058 2.0948517})", 1e-6},
    {"mask of weights, on a run", 0, "(f32[1,2,3]{1 1 2 2 0 4}, f32[1,2]{1 0}; num_heads=1, scale=1.0, mask_meaning=3) -> (f32[1,2,1]{2})", 0},
    {"one query", 0, "(f32[2,2,3]{1 1 2 2 0 4}, s64[2,2]{1 1 1 0}; num_heads=1, scale=1.0, queries=1) -> (f32[2,1,1]{2.5378828 2})", 1e-6},
    {"one query of its own", 0, "(f32[1,2,2]{1 2 0 4}, s64[1,2]{1 1}, _, _, _, f32[1,1,1]{1}; num_heads=1, scale=1.0, queries=1) -> (f32[1,1,1]{2.5378828})", 1e-6},
    {"packed", 0, "(f32[1,3,3]{1 1 2 2 0 4 7 7 5}, s64[2,3]{1 1 0 0 0 1}, _, s64[3]{0 1 5}, s64[3]{0 2 3}; num_heads=1, scale=1.0) -> (f32[1,3,1]{2.5378828 2.2384058 5})", 1e-6},
    {"packed, a hole beside a run", 0, "(f32[1,4,3]{1 1 2 9 9 9 2 0 4 7 7 5}, s32[2,3]{1 0 1 1 0 0}, _, s64[4]{0 1 2 3}, s64[3]{0 3 4}; num_heads=1, scale=1.0) -> (f32[1,4,1]{2.5378828 2.0002468 2.2384058 5})", 1e-6},
    {"packed, all rows kept", 0, "(f32[1,4,3]{1 1 2 2 0 4 1 1 2 9 9 9}, s64[2,2]{1 1 1 0}, _, s64[4]{0 1 2 3}, s64[3]{0 2 4}; num_heads=1, scale=1.0) -> (f32[1,4,1]{2.5378828 2.2384058 2 2})", 1e-6},
    {"packed, one query", 0, "(f32[1,3,3]{1 1 2 2 0 4 7 7 5}, s64[2,2]{1 1 1 0}, _, s64[3]{0 1 2}, s64[3]{0 2 3}; num_heads=1, scale=1.0, queries=1) -> (f32[2,1,1]{2.5378828 5})", 1e-6},
    {"packed, one query of its own", 0, "(f32[1,3,2]{1 2 0 4 7 5}, s64[2,2]{1 1 1 0}, _, s64[3]{0 1 2}, s64[3]{0 2 3}, f32[2,1]{1 7}; num_heads=1, scale=1.0, queries=1) -> (f32[2,1,1]{2.5378828 5})", 1e-6},
    {"packed, nothing seen, made zero", 0, "(f32[1,3,3]{1 1 2 2 0 4 7 7 5}, s64[2,2]{0 0 0 1}, _, s64[3]{0 1 3}, s64[3]{0 2 3}; num_heads=1, mask_value=-inf, nan_to_zero=1) -> (f32[1,3,1]{0 0 5})", 0},
    {"packed, no sequences", 0, "(f32[1,0,3]{}, s64[0,2]{}, _, s64[0]{}, s64[1]{0}; num_heads=1) -> (f32[1,0,1]{})", 0},
    {"bias", 0, "(f32[1,2,3]{1 1 2 2 0 4}, _, f32[1,1,1,2]{-1 0}; num_heads=1, scale=1.0) -> (f32[1,2,1]{3 2.5378828})", 1e-6},
    {"bias of queries", 0, "(f32[1,2,3]{1 1 2 2 0 4}, _, f32[1,1,2,1]{-1 -inf}; num_heads=1, scale=1.0) -> (f32[1,2,1]{2.5378828 nan})", 1e-6},
    {"bias of everything", 0, "(f32[1,2,3]{1 1 2 2 0 4}, _, f32[]{-1}; num_heads=1, scale=1.0) -> (f32[1,2,1]{2.5378828 2.2384058})", 1e-6},
    {"packed, bias", 0, "(f32[1,3,3]{7 7 5 1 1 2 2 0 4}, s64[2,2]{1 0 1 1}, f32[1,1,2,2]{-1 0 0 -1}, s64[3]{0 2 3}, s64[3]{0 1 3}; num_heads=1, scale=1.0) -> (f32[1,3,1]{5 3 2.0948517})", 1e-6},
    {"packed on the left, bias", 0, "(f32[1,2,3]{1 1 2 2 0 4}, s64[1,3]{0 1 1}, f32[3,3]{9 9 9 9 -1 0 9 0 -1}, s64[2]{1 2}, s64[2]{0 2}; num_heads=1, scale=1.0) -> (f32[1,2,1]{3 2.0948517})", 1e-6},
    {"one query, bias", 0, "(f32[1,2,3]{1 1 2 2 0 4}, _, f32[2,2]{-1 0 7 7}; num_heads=1, scale=1.0, queries=1) -> (f32[1,1,1]{3})", 1e-6},
    {"bias of rows, mask", 0, "(f32[1,2,3]{1 1 2 2 0 4}, s64[1,2]{1 1}, f32[2,2]{-1 0 0 -inf}; num_heads=1, scale=1.0) -> (f32[1,2,1]{3 2})", 1e-6},
    {"empty", 0, "(f32[0,2,3]{}; num_heads=1, scale=1.0) -> (f32[0,2,1]{})", 0},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(hasten_PackedAttention) = {.name = "PackedAttention",
                                  .domain = "hasten",
                                  .since = 1,
                                  .min_in = 1,
                                  .max_in = 6,
                                  .min_out = 1,
                                  .max_out = 1,
                                  .infer = infer,
                                  .bind = bind,
                                  .expand = expand,
                                  .summary = "self-attention of packed q, k, v with padding",
                                  HST_CASES(cases)};
