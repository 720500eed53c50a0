/* Split: consecutive parts along one axis, one an output. Their lengths come from the attribute (versions 2 to 12) or
 * input (1, 13 on) `split`; else they are equal, where since version 18 (num_outputs) the last one may be shorter. */
#include "base/checked.h"
#include "ops/op.h"

/* Lengths of n parts where none are given. */
static hst_status equal_parts(const node *n, int64_t length, int64_t *parts, hst_error *err) {
    int64_t count = n->n_out, wanted = n->opset >= 18 ? node_int(n, "num_outputs", count) : count;
    if (wanted != count)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "num_outputs is %lld, but it has %lld outputs",
                          (long long)wanted, (long long)count);
    if (n->opset < 18 && length % count)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "length %lld does not divide into %lld equal parts",
                          (long long)length, (long long)count);
    int64_t each = length / count + (length % count != 0), left = length;
    for (int64_t k = 0; k < count; k++) {
        parts[k] = left < each ? left : each;
        left -= parts[k];
    }
    return HST_STATUS_OK;
}

static hst_status check_parts(const node *n, const int64_t *parts, int count, int64_t length, hst_error *err) {
    int64_t sum = 0;
    bool fits = true;
    if (count != n->n_out)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%d lengths in 'split' for %d outputs", count, n->n_out);
    for (int k = 0; k < count; k++) {
        if (parts[k] < 0)
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "length %lld of part %d", (long long)parts[k], k);
        fits = fits && s64_add(sum, parts[k], &sum);
    }
    if (length >= 0 && (!fits || sum != length))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "parts sum to %lld, the axis has %lld", (long long)sum,
                          (long long)length);
    return HST_STATUS_OK;
}

static bool split_is_input(const node *n) {
    return n->opset >= 13 || n->opset == 1;
}

static void infer_part_content(infer_context *c, const int64_t *parts) {
    dim all[CONTENT_MOST];
    int n = infer_dims(c, 0, all, CONTENT_MOST);
    for (int i = 0, at = 0; n >= 0 && i < c->n_out && parts[i] <= n - at; at += (int)parts[i++])
        infer_content(c, i, all + at, (int)parts[i]);
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    const node *n = c->node;
    const int64_t *attribute;
    int64_t parts[CONTENT_MOST];
    int axis, count = -1;
    for (int i = 0; i < c->n_out; i++) c->out[i].dtype = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(axis_normalize(n, node_int(n, "axis", 0), x->rank, &axis, err));
    bool input = split_is_input(n) && n->n_in > 1 && n->in[1];
    if (input)
        count = infer_ints(c, 1, parts, CONTENT_MOST);
    else if (n->opset < 13 && (count = node_ints(n, "split", &attribute)) >= 0)
        for (int k = 0; k < count && k < CONTENT_MOST; k++) parts[k] = attribute[k];
    if (count > CONTENT_MOST) count = -1;
    if (count >= 0)
        HST_TRY(check_parts(n, parts, count, x->dim[axis], err));
    else if (!input && x->dim[axis] >= 0 && c->n_out <= CONTENT_MOST) {
        HST_TRY(equal_parts(n, x->dim[axis], parts, err));
        count = c->n_out;
    }
    /* Equal parts, rounded up since version 18: then the last may be shorter, or the last ones. */
    const dim all = n->opset >= 18 ? dim_sum(c->model, x->dim[axis], c->n_out - 1) : x->dim[axis];
    const dim part = input || count >= 0 ? 0 : dim_floor(c->model, all, c->n_out);
    for (int i = 0; i < c->n_out; i++) {
        const bool equal =
            !input && (i == 0 || n->opset < 18 || dim_product(c->model, (dim[]){part, c->n_out}, 2) == x->dim[axis]);
        c->out[i] = *x;
        c->out[i].dim[axis] = count >= 0      ? parts[i]
                              : c->n_out == 1 ? x->dim[axis]
                              : equal         ? part
                                              : dim_symbol(c->model, "");
    }
    if (count >= 0 && x->rank == 1) infer_part_content(c, parts);
    return HST_STATUS_OK;
}

static hst_status read_parts(eval_context *c, int64_t length, int64_t *parts, hst_error *err) {
    const node *n = c->node;
    const int64_t *attribute;
    int count = 0;
    if (split_is_input(n) && eval_in(c, 1)) {
        HST_TRY(eval_ints(c, 1, "split", parts, n->n_out, &count, err));
        return check_parts(n, parts, count, length, err);
    }
    count = n->opset < 13 ? node_ints(n, "split", &attribute) : -1;
    return count >= 0 ? check_parts(n, attribute, count, length, err) : equal_parts(n, length, parts, err);
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    const void *from;
    const int64_t *attribute;
    void *lengths;
    int axis;
    int64_t dims[HST_RANK_MAX], from_stride[HST_RANK_MAX], to_stride[HST_RANK_MAX];
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err));
    HST_TRY(eval_scratch(c, (size_t)c->n_out * sizeof(int64_t), &lengths, err));
    HST_TRY(read_parts(c, x->dim[axis], lengths, err));
    const int64_t *parts = lengths;
    if (c->node->opset < 13 && !(c->node->opset == 1 && eval_in(c, 1)) && node_ints(c->node, "split", &attribute) >= 0)
        parts = attribute;
    HST_TRY(move_in(c, x, &from, err));
    move_strides(x->rank, x->dim, from_stride);
    for (int k = 0; k < x->rank; k++) dims[k] = x->dim[k];
    const char *at = from;
    for (int i = 0; i < c->n_out; i++) {
        hst_tensor *y;
        void *to;
        dims[axis] = parts[i];
        if (eval_wants(c, i)) {
            HST_TRY(move_out(c, i, x->dtype, x->rank, dims, &y, &to, err));
            move_strides(x->rank, dims, to_stride);
            if (tensor_count(y)) move_copy(c, move_size(x->dtype), x->rank, dims, to, to_stride, at, from_stride);
            HST_TRY(move_done(y, to, err));
        }
        at += (size_t)(parts[i] * from_stride[axis]) * move_size(x->dtype);
    }
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"equal", 0, "(f32[6]{1 2 3 4 5 6}; num_outputs=3) -> (f32[2]{1 2}, f32[2]{3 4}, f32[2]{5 6})", 0},
    {"uneven", 18, "(f32[5]{1 2 3 4 5}; num_outputs=2) -> (f32[3]{1 2 3}, f32[2]{4 5})", 0},
    {"lengths", 13, "(f32[2,3]{1 2 3 4 5 6}, s64[2]{1 2}; axis=1) -> (f32[2,1]{1 4}, f32[2,2]{2 3 5 6})", 0},
    {"attribute", 2, "(f32[6]{1 2 3 4 5 6}; split=[2,4], axis=0) -> (f32[2]{1 2}, f32[4]{3 4 5 6})", 0},
    {"attribute, negative axis", 11, "(f32[1,4]{1 2 3 4}; axis=-1) -> (f32[1,2]{1 2}, f32[1,2]{3 4})", 0},
    {"zero lengths", 13, "(f32[2]{1 2}, s64[3]{0 2 0}) -> (f32[0]{}, f32[2]{1 2}, f32[0]{})", 0},
    {"an output left out", 0, "(s64[2]{1 2}; num_outputs=2) -> (_, s64[1]{2})", 0},
    {"of nothing", 13, "(f32[0]{}) -> (f32[0]{}, f32[0]{})", 0},
    {"strings", 0, "(string[2]{\"a\" \"b\"}; num_outputs=2) -> (string[1]{\"a\"}, string[1]{\"b\"})", 0},
    {0},
};
// clang-format on

HST_OP(Split) = {
    .name = "Split",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .max_out = OP_ANY,
    .infer = infer,
    .eval = eval,
    .summary = "consecutive parts along an axis",
    HST_CASES(cases),
};
