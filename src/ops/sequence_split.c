/* Between tensors and sequences.
 *   SplitToSequence     x, split -> pieces of x along an axis: lengths split[k], or of `split` each and the rest; without
 *                       it pieces of length 1, without the axis where keepdims is 0
 *   ConcatFromSequence  a sequence -> its items one after the other along an axis, or stacked on a new one */
#include <string.h>

#include "base/checked.h"
#include "ops/list.h"
#include "ops/packed.h"

static hst_status check_plain(const node *n, hst_dtype d, hst_error *err) {
    return d < HST_DTYPE_SEQUENCE && move_size(d)
               ? HST_STATUS_OK
               : node_error(n, err, HST_STATUS_UNSUPPORTED, "elements of type %s", dtype_name(d));
}

static hst_status infer_split(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    int axis;
    if (x->dtype != HST_DTYPE_NONE && x->dtype != HST_DTYPE_OPTIONAL) HST_TRY(check_plain(c->node, x->dtype, err));
    y->dtype = HST_DTYPE_SEQUENCE;
    y->element = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err));
    bool given = c->node->n_in > 1 && c->node->in[1];
    y->rank = x->rank;
    memcpy(y->dim, x->dim, sizeof y->dim);
    int64_t each;
    const bool equal = given && x->dim[axis] >= 0 && infer_in(c, 1)->rank == 0 && infer_ints(c, 1, &each, 1) == 1 &&
                       each > 0 && x->dim[axis] % each == 0;
    y->dim[axis] = equal ? each : given ? dim_symbol(c->model, "") : 1;
    if (given || node_int(c->node, "keepdims", 1)) return HST_STATUS_OK;
    y->rank--;
    for (int k = axis; k < y->rank; k++) y->dim[k] = x->dim[k + 1];
    return HST_STATUS_OK;
}

typedef struct pieces {
    int64_t count, each;   /* each: the length of all but the last */
    const int64_t *length; /* NULL: `each` */
    bool drop;             /* the axis */
} pieces;

static hst_status read_pieces(eval_context *c, int64_t length, pieces *p, hst_error *err) {
    const hst_tensor *split = eval_in(c, 1);
    int64_t sum = 0;
    *p = (pieces){length, 1, NULL, !split && !node_int(c->node, "keepdims", 1)};
    if (!split) return HST_STATUS_OK;
    HST_TRY(move_indices(c, split, "split", &p->length, err));
    if (split->rank > 1) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "split has rank %d", split->rank);
    if (split->rank == 0) {
        p->each = p->length[0];
        p->length = NULL;
        if (p->each < 1) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "split is %lld", (long long)p->each);
        p->count = length / p->each + (length % p->each != 0);
        return HST_STATUS_OK;
    }
    p->count = tensor_count(split);
    for (int64_t k = 0; k < p->count; k++)
        if (p->length[k] < 0 || !s64_add(sum, p->length[k], &sum)) sum = INT64_MIN;
    return sum == length ? HST_STATUS_OK
                         : node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                                      "the lengths in split are negative or do not add up to %lld", (long long)length);
}

/* `data`: x's elements, packed ones a byte each; `bytes`: room for a piece of those. */
static hst_status take_piece(const hst_tensor *x, const void *data, char *bytes, hst_tensor *y, int64_t k, int axis,
                             bool drop, int64_t begin, int64_t length, hst_error *err) {
    int64_t dims[HST_RANK_MAX];
    int rank = 0;
    hst_tensor *t;
    for (int i = 0; i < x->rank; i++)
        if (i != axis || !drop) dims[rank++] = i == axis ? length : x->dim[i];
    HST_TRY(list_new(y, k, x->dtype, rank, dims, &t, err));
    size_t size = move_size(x->dtype), inner = size, outer = 1;
    if (tensor_count(t) == 0) return HST_STATUS_OK;
    for (int i = 0; i < axis; i++) outer *= (size_t)x->dim[i];
    for (int i = axis + 1; i < x->rank; i++) inner *= (size_t)x->dim[i];
    const char *from = (const char *)data + (size_t)begin * inner;
    char *to = packed_is(x->dtype) ? bytes : t->data;
    void *made = to;
    for (size_t o = 0; o < outer; o++, from += (size_t)x->dim[axis] * inner, to += (size_t)length * inner)
        memcpy(to, from, (size_t)length * inner);
    return move_done(t, made, err);
}

static hst_status eval_split(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    pieces p;
    int axis;
    hst_tensor *y;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(check_plain(c->node, x->dtype, err));
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err));
    HST_TRY(read_pieces(c, x->dim[axis], &p, err));
    const void *data;
    void *bytes = NULL;
    HST_TRY(move_in(c, x, &data, err));
    if (packed_is(x->dtype)) HST_TRY(eval_scratch(c, (size_t)tensor_count(x), &bytes, err));
    HST_TRY(list_begin(c, 0, p.count, &y, err));
    hst_status status = HST_STATUS_OK;
    for (int64_t k = 0, at = 0; k < p.count && status == HST_STATUS_OK; k++) {
        int64_t rest = x->dim[axis] - at, length = p.length ? p.length[k] : p.each < rest ? p.each : rest;
        status = take_piece(x, data, bytes, y, k, axis, p.drop, at, length, err);
        at += length;
    }
    return list_end(c, y, status, err);
}

/* ---- ConcatFromSequence ---- */

static hst_status infer_concat(infer_context *c, hst_error *err) {
    const type *s = infer_in(c, 0);
    type *y = &c->out[0];
    bool fresh = node_int(c->node, "new_axis", 0) != 0;
    int axis;
    if (s->dtype == HST_DTYPE_SEQUENCE) y->dtype = s->element;
    if (s->rank < 0 || s->dtype != HST_DTYPE_SEQUENCE || s->rank + fresh > HST_RANK_MAX) return HST_STATUS_OK;
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), s->rank + fresh, &axis, err));
    y->rank = s->rank + fresh;
    for (int k = 0; k < y->rank; k++) {
        int from = fresh && k > axis ? k - 1 : k;
        y->dim[k] = k == axis || s->dim[from] < 0 ? dim_symbol(c->model, "") : s->dim[from];
    }
    return HST_STATUS_OK;
}

static hst_status concat_shape(const eval_context *c, const hst_tensor *s, bool fresh, int *axis, int64_t *dims,
                               hst_error *err) {
    const hst_tensor *first = tensor_item(s, 0);
    int rank = first->rank + fresh;
    if (rank > HST_RANK_MAX) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "items of rank %d", first->rank);
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), rank, axis, err));
    for (int k = 0; k < rank; k++) dims[k] = k == *axis ? 0 : first->dim[fresh && k > *axis ? k - 1 : k];
    for (int64_t i = 0, n = tensor_count(s); i < n; i++) {
        const hst_tensor *t = tensor_item(s, i);
        bool fits = t->dtype == first->dtype && t->rank == first->rank &&
                    s64_add(dims[*axis], fresh ? 1 : t->dim[*axis], &dims[*axis]);
        for (int k = 0; fits && k < t->rank; k++) fits = (k == *axis && !fresh) || t->dim[k] == first->dim[k];
        if (!fits)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "item %lld has not the type or shape of item 0",
                              (long long)i);
    }
    return HST_STATUS_OK;
}

static hst_status eval_concat(eval_context *c, hst_error *err) {
    const hst_tensor *s;
    bool fresh = node_int(c->node, "new_axis", 0) != 0;
    int64_t dims[HST_RANK_MAX];
    int axis;
    hst_tensor *y;
    HST_TRY(list_need(c, 0, "input_sequence", &s, err));
    if (tensor_count(s) == 0) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the sequence is empty");
    const hst_tensor *first = tensor_item(s, 0);
    HST_TRY(check_plain(c->node, first->dtype, err));
    HST_TRY(concat_shape(c, s, fresh, &axis, dims, err));
    void *whole, *opened = NULL; /* an item of a packed type, a byte an element */
    HST_TRY(move_out(c, 0, first->dtype, first->rank + fresh, dims, &y, &whole, err));
    if (packed_is(first->dtype)) HST_TRY(eval_scratch(c, (size_t)tensor_count(y), &opened, err));
    size_t outer = 1, inner = move_size(first->dtype);
    for (int k = 0; k < axis; k++) outer *= (size_t)dims[k];
    for (int k = axis + 1; k < y->rank; k++) inner *= (size_t)dims[k];
    char *at = whole;
    size_t row = (size_t)dims[axis] * inner;
    for (int64_t i = 0, n = tensor_count(s); i < n && tensor_count(y); i++) {
        const hst_tensor *t = tensor_item(s, i);
        size_t bytes = (fresh ? 1 : (size_t)t->dim[axis]) * inner;
        if (opened) packed_open(t->dtype, t->data, opened, tensor_count(t));
        const void *from = opened ? opened : t->data;
        for (size_t o = 0; o < outer && bytes; o++) memcpy(at + o * row, (const char *)from + o * bytes, bytes);
        at += bytes;
    }
    return move_done(y, whole, err);
}

// clang-format off
static const op_case split_cases[] = {
    {"each", 0, "(f32[2,2]{1 2 3 4}) -> (seq{f32[1,2]{1 2}, f32[1,2]{3 4}})", 0},
    {"without the axis", 0, "(f32[2,2]{1 2 3 4}; axis=1, keepdims=0) -> (seq{f32[2]{1 3}, f32[2]{2 4}})", 0},
    {"pieces of two", 0, "(s64[5]{1 2 3 4 5}, s64[]{2}; keepdims=0) -> (seq{s64[2]{1 2}, s64[2]{3 4}, s64[1]{5}})", 0},
    {"packed", 0, "(s4[2,3]{1 -2 3 4 5 -6}, s64[2]{1 2}; axis=1) -> (seq{s4[2,1]{1 4}, s4[2,2]{-2 3 5 -6}})", 0},
    {"lengths", 0, "(string[2,3]{\"a\" \"b\" \"c\" \"d\" \"e\" \"f\"}, s32[2]{1 2}; axis=-1) -> (seq{string[2,1]{\"a\" \"d\"}, string[2,2]{\"b\" \"c\" \"e\" \"f\"}})", 0}, {0}};
static const op_case concat_cases[] = {
    {"joined", 0, "(seq{f32[1,1]{1}, f32[1,2]{2 3}}; axis=1) -> (f32[1,3]{1 2 3})", 0},
    {"packed", 0, "(seq{u2[1]{1}, u2[3]{2 3 0}}; axis=0) -> (u2[4]{1 2 3 0})", 0},
    {"stacked", 0, "(seq{s64[2]{1 2}, s64[2]{3 4}}; axis=-1, new_axis=1) -> (s64[2,2]{1 3 2 4})", 0},
    {"strings", 0, "(seq{string[1]{\"a\"}, string[0]{}, string[1]{\"b\"}}; axis=0) -> (string[2]{\"a\" \"b\"})", 0}, {0}};

HST_OP(SplitToSequence) = {.name = "SplitToSequence", .domain = "", .since = 11, .min_in = 1, .max_in = 2, .min_out = 1,
                           .max_out = 1, .infer = infer_split, .eval = eval_split, .lists = true,
                           .summary = "pieces of a tensor, as a list", HST_CASES(split_cases)};
HST_OP(ConcatFromSequence) = {.name = "ConcatFromSequence", .domain = "", .since = 11, .min_in = 1, .max_in = 1,
                              .min_out = 1, .max_out = 1, .infer = infer_concat, .eval = eval_concat, .lists = true,
                              .summary = "the items of a list, joined or stacked", HST_CASES(concat_cases)};
// clang-format on
