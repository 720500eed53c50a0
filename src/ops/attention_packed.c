/* hasten PackedAttention: y = softmax(scale q kᵀ + masks) v, q, k and v side by side in one matrix.
 *   qkv [B, S, 3 H d] f32   key_mask [B, S] (nonzero: seen; else mask_value is added to the score)
 *   bias, additive, broadcasts to [B, H, S, S]   ->   y [B, S, H d] f32
 * Attribute queries = n > 0: only the first n rows of each sequence are computed, y [B, n, H d] (no bias then).
 * Attributes num_heads, scale (default 1/√d), mask_value (default the lowest f32; -inf with the string "-inf" is
 * spelled as a float attribute), nan_to_zero. A row that sees no key: as its mask_value says, the mean of v for the
 * lowest f32, NaN for -inf or, with nan_to_zero = 1, zeros. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "ops/attention.h"

typedef struct args {
    int64_t heads, queries; /* queries 0: all */
    float scale, mask_value;
    bool nan_to_zero;
} args;

static hst_status read_args(const node *n, int64_t width, args *out, hst_error *err) {
    out->heads = node_int(n, "num_heads", 0);
    if (out->heads <= 0 || (width >= 0 && width % 3) || (width >= 0 && width / 3 % out->heads))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%lld columns are not q, k and v of %lld heads",
                          (long long)width, (long long)out->heads);
    out->scale = node_float(n, "scale", 0);
    if (out->scale == 0 && width > 0) out->scale = 1.0f / sqrtf((float)(width / 3 / out->heads));
    out->mask_value = node_float(n, "mask_value", -FLT_MAX);
    out->nan_to_zero = node_int(n, "nan_to_zero", 0) != 0;
    out->queries = node_int(n, "queries", 0);
    if (out->queries < 0 || (out->queries && n->n_in > 2 && n->in[2]))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "queries = %lld (it goes with no bias)",
                          (long long)out->queries);
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    args at;
    c->out[0].dtype = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    if (x->rank != 3) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "q, k, v have rank %d, not 3", x->rank);
    const bool known = !dim_is_symbol(x->dim[2]);
    HST_TRY(read_args(c->node, known ? x->dim[2] : -1, &at, err));
    c->out[0].rank = 3;
    c->out[0].dim[0] = x->dim[0];
    c->out[0].dim[1] = at.queries ? at.queries : x->dim[1];
    c->out[0].dim[2] = known ? x->dim[2] / 3 : dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

/* ---- the expansion ---- */

static value *head_rows(expansion *e, value *packed, int64_t which) { /* [3, B, H, S, d] -> [B, H, S, d] */
    value *index = expand_scalar(e, HST_DTYPE_S64, (double)which);
    value *y = expand_binary(e, "Gather", packed, index);
    expand_set_int(e, y, "axis", 0);
    return y;
}

static hst_status expand(const node *n, graph *g, value *const *in, value **out, hst_error *err) {
    expansion e = {n, g, HST_STATUS_OK, err};
    const type *x = &in[0]->type;
    args at;
    if (x->rank != 3 || dim_is_symbol(x->dim[2]))
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "cannot be expanded before its hidden size is known");
    HST_TRY(read_args(n, x->dim[2], &at, err));
    const int64_t d = x->dim[2] / 3 / at.heads, hidden = x->dim[2] / 3;
    value *rows = expand_reshape(&e, in[0], (int64_t[]){0, 0, 3, at.heads, d}, 5);
    rows = expand_transpose(&e, rows, (int64_t[]){2, 0, 3, 1, 4}, 5);
    value *k = expand_transpose(&e, head_rows(&e, rows, 1), (int64_t[]){0, 1, 3, 2}, 4);
    value *q = head_rows(&e, rows, 0);
    if (at.queries) {
        value *const slice[4] = {q, expand_ints(&e, (int64_t[]){0}, 1), expand_ints(&e, (int64_t[]){at.queries}, 1),
                                 expand_ints(&e, (int64_t[]){2}, 1)};
        q = expand_node(&e, "Slice", slice, 4);
    }
    value *scores = expand_binary(&e, "MatMul", q, k);
    if (at.scale != 1) scores = expand_binary(&e, "Mul", scores, expand_scalar(&e, HST_DTYPE_F32, (double)at.scale));
    if (n->n_in > 2 && in[2]) scores = expand_binary(&e, "Add", scores, in[2]);
    if (n->n_in > 1 && in[1]) {
        value *seen = in[1]->type.dtype == HST_DTYPE_B8 ? in[1] : expand_cast(&e, in[1], HST_DTYPE_B8);
        value *zero = expand_scalar(&e, HST_DTYPE_F32, 0);
        value *hidden_score = expand_scalar(&e, HST_DTYPE_F32, (double)at.mask_value);
        value *mask = expand_node(&e, "Where", (value *const[]){seen, zero, hidden_score}, 3);
        mask = expand_binary(&e, "Unsqueeze", mask, expand_ints(&e, (int64_t[]){1, 2}, 2));
        scores = expand_binary(&e, "Add", scores, mask);
    }
    value *p = expand_unary(&e, "Softmax", scores);
    expand_set_int(&e, p, "axis", -1);
    if (at.nan_to_zero) {
        value *zero = expand_scalar(&e, HST_DTYPE_F32, 0);
        p = expand_node(&e, "Where", (value *const[]){expand_unary(&e, "IsNaN", p), zero, p}, 3);
    }
    value *y = expand_binary(&e, "MatMul", p, head_rows(&e, rows, 2));
    y = expand_transpose(&e, y, (int64_t[]){0, 2, 1, 3}, 4);
    out[0] = expand_reshape(&e, y, (int64_t[]){0, 0, hidden}, 3);
    return expansion_done(&e);
}

/* ---- the fast path ---- */

/* The rows of sequences that see no key: the softmax of nothing but -inf was NaN and is made 0. */
static void zero_unseen(const hst_tensor *mask, hst_tensor *y) {
    const size_t bytes = (size_t)(y->dim[1] * y->dim[2]) * sizeof(float);
    for (int64_t b = 0; b < mask->dim[0]; b++) {
        bool seen = false;
        for (int64_t k = 0; k < mask->dim[1] && !seen; k++) seen = tensor_get_f64(mask, b * mask->dim[1] + k) != 0;
        if (!seen) memset((char *)y->data + (size_t)b * bytes, 0, bytes);
    }
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    (void)state;
    const hst_tensor *x = eval_in(c, 0), *mask = eval_in(c, 1), *bias = eval_in(c, 2);
    args at;
    hst_tensor *y;
    const float *rows;
    if (x->rank != 3 || x->dtype != HST_DTYPE_F32)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "q, k, v are %s of rank %d, not f32 of rank 3",
                          dtype_name(x->dtype), x->rank);
    HST_TRY(read_args(c->node, x->dim[2], &at, err));
    const int64_t batch = x->dim[0], length = x->dim[1], hidden = x->dim[2] / 3, d = hidden / at.heads;
    const int64_t queries = at.queries ? at.queries : length;
    if (queries > length)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld queries of %lld rows", (long long)queries,
                          (long long)length);
    HST_TRY(eval_output(c, 0, HST_DTYPE_F32, 3, (int64_t[]){batch, queries, hidden}, &y, err));
    HST_TRY(attention_as_f32(c, x, &rows, err));
    attention_f32 a = attention_make(batch, at.heads, queries, length, d, d);
    a.q = rows;
    a.k = rows + hidden;
    a.v = rows + 2 * hidden;
    a.q_at = a.k_at = a.v_at = (attention_rows){length * 3 * hidden, 3 * hidden, d};
    a.out = y->data;
    a.out_at = (attention_rows){queries * hidden, hidden, d};
    a.scale = at.scale;
    if (bias) HST_TRY(attention_bias(c, bias, &a, err));
    if (mask) HST_TRY(attention_key_mask(c, mask, at.mask_value, &a, err));
    HST_TRY(attention_run(c, &a, err));
    if (mask && at.nan_to_zero && at.mask_value == -INFINITY) zero_unseen(mask, y);
    return HST_STATUS_OK;
}

static hst_status bind(bind_context *c, hst_error *err) {
    (void)err;
    c->run = run;
    c->kernel = kernels_get()->gemm_f32()->name;
    return HST_STATUS_OK;
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
    {"one query", 0, "(f32[2,2,3]{1 1 2 2 0 4}, s64[2,2]{1 1 1 0}; num_heads=1, scale=1.0, queries=1) -> (f32[2,1,1]{2.5378828 2})", 1e-6},
    {"bias", 0, "(f32[1,2,3]{1 1 2 2 0 4}, _, f32[1,1,1,2]{-1 0}; num_heads=1, scale=1.0) -> (f32[1,2,1]{3 2.5378828})", 1e-6},
    {"bias of rows, mask", 0, "(f32[1,2,3]{1 1 2 2 0 4}, s64[1,2]{1 1}, f32[2,2]{-1 0 0 -inf}; num_heads=1, scale=1.0) -> (f32[1,2,1]{3 2})", 1e-6},
    {"empty", 0, "(f32[0,2,3]{}; num_heads=1, scale=1.0) -> (f32[0,2,1]{})", 0},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(hasten_PackedAttention) = {.name = "PackedAttention",
                                  .domain = "hasten",
                                  .since = 1,
                                  .min_in = 1,
                                  .max_in = 3,
                                  .min_out = 1,
                                  .max_out = 1,
                                  .infer = infer,
                                  .bind = bind,
                                  .expand = expand,
                                  .summary = "self-attention of packed q, k, v with padding",
                                  .cases = cases};
