/* Sequences: lists of tensors of one type.
 *   SequenceConstruct   x… -> a sequence of them
 *   SequenceEmpty       -> one without items
 *   SequenceInsert      s, x, position (default: the end) -> s with x
 *   SequenceErase       s, position -> s without that one
 *   SequenceAt          s, position -> the item
 *   SequenceLength      s -> s64 []
 *   SequenceMap         s, more… -> what a graph makes of each item, and of the item beside it in other sequences
 * Items that go from one sequence to another are shared, tensors that become items are copied. */
#include <string.h>

#include "ops/list.h"

/* ---- inference ---- */

static hst_status no_item(const node *n, hst_dtype d, hst_error *err) {
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "items of a sequence are tensors, here one is a %s", dtype_name(d));
}

/* Adds what is known of an item to what is known of all of them. */
static hst_status unite(const infer_context *c, type *all, const type *item, bool first, hst_error *err) {
    if (item->dtype == HST_DTYPE_SEQUENCE || item->dtype == HST_DTYPE_MAP) return no_item(c->node, item->dtype, err);
    const hst_dtype element = item->dtype == HST_DTYPE_OPTIONAL ? HST_DTYPE_NONE : item->dtype;
    if (first) {
        all->element = element;
        all->rank = item->rank;
        memcpy(all->dim, item->dim, sizeof all->dim);
        return HST_STATUS_OK;
    }
    if (all->element == HST_DTYPE_NONE) all->element = element;
    if (all->rank != item->rank) all->rank = -1;
    for (int k = 0; k < all->rank; k++)
        if (all->dim[k] != item->dim[k]) all->dim[k] = dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

/* What is known of any one item: what is a symbol may differ from item to item. */
static type item_type(model *m, const type *sequence) {
    type t = *sequence;
    if (sequence->dtype == HST_DTYPE_SEQUENCE && sequence->key) {
        t.dtype = HST_DTYPE_MAP;
        return t;
    }
    t.dtype = sequence->dtype == HST_DTYPE_SEQUENCE ? sequence->element : HST_DTYPE_NONE;
    t.element = t.key = HST_DTYPE_NONE;
    t.optional = false;
    if (sequence->dtype != HST_DTYPE_SEQUENCE) t.rank = -1;
    for (int k = 0; k < t.rank; k++)
        if (t.dim[k] < 0) t.dim[k] = dim_symbol(m, "");
    return t;
}

static hst_status infer_construct(infer_context *c, hst_error *err) {
    c->out[0].dtype = HST_DTYPE_SEQUENCE;
    for (int i = 0; i < c->n_in; i++) HST_TRY(unite(c, &c->out[0], infer_in(c, i), i == 0, err));
    return HST_STATUS_OK;
}

static hst_status infer_empty(infer_context *c, hst_error *err) {
    int64_t d = node_int(c->node, "dtype", HST_DTYPE_F32);
    if (d < 0 || d > INT32_MAX || !dtype_valid((int)d))
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "dtype = %lld is unknown", (long long)d);
    c->out[0].dtype = HST_DTYPE_SEQUENCE;
    c->out[0].element = (hst_dtype)d;
    return HST_STATUS_OK;
}

static hst_status infer_insert(infer_context *c, hst_error *err) {
    c->out[0] = *infer_in(c, 0);
    c->out[0].dtype = HST_DTYPE_SEQUENCE;
    c->out[0].optional = false;
    return unite(c, &c->out[0], infer_in(c, 1), false, err);
}

static hst_status infer_erase(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    c->out[0].dtype = HST_DTYPE_SEQUENCE;
    c->out[0].optional = false;
    return HST_STATUS_OK;
}

static hst_status infer_at(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = item_type(c->model, infer_in(c, 0));
    return HST_STATUS_OK;
}

static hst_status infer_length(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0].dtype = HST_DTYPE_S64;
    c->out[0].rank = 0;
    return HST_STATUS_OK;
}

/* ---- evaluation ---- */

static hst_status eval_construct(eval_context *c, hst_error *err) {
    hst_tensor *y;
    hst_status status = HST_STATUS_OK;
    HST_TRY(list_begin(c, 0, c->n_in, &y, err));
    for (int i = 0; i < c->n_in && status == HST_STATUS_OK; i++) {
        const hst_tensor *t;
        status = eval_need(c, i, "inputs", &t, err);
        if (status == HST_STATUS_OK && tensor_is_list(t)) status = no_item(c->node, t->dtype, err);
        if (status == HST_STATUS_OK && t->dtype != c->in[0]->dtype)
            status = node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d is %s, input 0 is %s", i,
                                dtype_name(t->dtype), dtype_name(c->in[0]->dtype));
        if (status == HST_STATUS_OK) status = list_copy(y, i, t, err);
    }
    return list_end(c, y, status, err);
}

static hst_status eval_empty(eval_context *c, hst_error *err) {
    hst_tensor *y;
    HST_TRY(list_begin(c, 0, 0, &y, err));
    return list_end(c, y, HST_STATUS_OK, err);
}

static hst_status eval_insert(eval_context *c, hst_error *err) {
    const hst_tensor *s, *x;
    int64_t at;
    hst_tensor *y;
    HST_TRY(list_need(c, 0, "input_sequence", &s, err));
    HST_TRY(eval_need(c, 1, "tensor", &x, err));
    int64_t n = tensor_count(s);
    if (tensor_is_list(x)) return no_item(c->node, x->dtype, err);
    if (n && tensor_item(s, 0)->dtype != x->dtype)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%s into a sequence of %s", dtype_name(x->dtype),
                          dtype_name(tensor_item(s, 0)->dtype));
    if (eval_in(c, 2)) { /* -n counts from the end of what was there, n is that end */
        int count;
        HST_TRY(eval_ints(c, 2, "position", &at, 1, &count, err));
        if (count != 1 || at < -n || at > n)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "position %lld is outside [-%lld, %lld]",
                              count == 1 ? (long long)at : 0, (long long)n, (long long)n);
        if (at < 0) at += n;
    } else {
        at = n;
    }
    HST_TRY(list_begin(c, 0, n + 1, &y, err));
    hst_status status = list_copy(y, at, x, err);
    for (int64_t k = 0; k < n && status == HST_STATUS_OK; k++)
        status = list_share(y, k + (k >= at), tensor_item(s, k), err);
    return list_end(c, y, status, err);
}

static hst_status eval_erase(eval_context *c, hst_error *err) {
    const hst_tensor *s;
    int64_t at;
    hst_tensor *y;
    HST_TRY(list_need(c, 0, "input_sequence", &s, err));
    int64_t n = tensor_count(s);
    HST_TRY(list_position(c, 1, n, n - 1, &at, err));
    HST_TRY(list_begin(c, 0, n - 1, &y, err));
    hst_status status = HST_STATUS_OK;
    for (int64_t k = 0; k < n - 1 && status == HST_STATUS_OK; k++)
        status = list_share(y, k, tensor_item(s, k + (k >= at)), err);
    return list_end(c, y, status, err);
}

static hst_status eval_at(eval_context *c, hst_error *err) {
    const hst_tensor *s;
    int64_t at;
    HST_TRY(list_need(c, 0, "input_sequence", &s, err));
    HST_TRY(list_position(c, 1, tensor_count(s), 0, &at, err));
    return move_whole(c, 0, tensor_item(s, at), err);
}

static hst_status eval_length(eval_context *c, hst_error *err) {
    const hst_tensor *s;
    hst_tensor *y;
    HST_TRY(list_need(c, 0, "input_sequence", &s, err));
    HST_TRY(eval_output(c, 0, HST_DTYPE_S64, 0, NULL, &y, err));
    *(int64_t *)y->data = tensor_count(s);
    return HST_STATUS_OK;
}

/* ---- SequenceMap ---- */

static hst_status body_of(const node *n, graph **body, hst_error *err) {
    *body = node_graph(n, "body");
    if (!*body) return node_error(n, err, HST_STATUS_BAD_FORMAT, "attribute 'body' is missing");
    if ((*body)->n_inputs != n->n_in || (*body)->n_outputs != n->n_out)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "has %d inputs and %d outputs, its body %d and %d", n->n_in,
                          n->n_out, (*body)->n_inputs, (*body)->n_outputs);
    return HST_STATUS_OK;
}

static hst_status infer_map(infer_context *c, hst_error *err) {
    graph *body;
    HST_TRY(body_of(c->node, &body, err));
    for (int i = 0; i < c->n_in; i++) {
        const type *t = infer_in(c, i);
        type item = t->dtype == HST_DTYPE_SEQUENCE || i == 0 ? item_type(c->model, t) : *t;
        if (t->dtype != HST_DTYPE_NONE) HST_TRY(infer_subgraph_input(c, body, i, &item, false, err));
    }
    HST_TRY(graph_infer(body, err));
    for (int i = 0; i < c->n_out; i++) {
        c->out[i].dtype = HST_DTYPE_SEQUENCE;
        HST_TRY(unite(c, &c->out[i], &body->outputs[i]->type, true, err));
    }
    return HST_STATUS_OK;
}

/* Runs the body on item k; its outputs become items k, copies where they are handles on inputs. */
static hst_status map_item(eval_context *c, const graph *body, int64_t k, const hst_tensor **in, hst_tensor **out,
                           hst_tensor *const *y, hst_error *err) {
    int n_out = c->n_out;
    HST_TRY(c->runtime->check(c, err));
    for (int i = 0; i < c->n_in; i++)
        in[i] = c->in[i]->dtype == HST_DTYPE_SEQUENCE ? tensor_item(c->in[i], k) : c->in[i];
    HST_TRY(c->runtime->subgraph(c, body, in, c->n_in, out, n_out, err));
    hst_status status = HST_STATUS_OK;
    for (int i = 0; i < n_out; i++) {
        bool borrowed = tensor_is_list(out[i]);
        if (borrowed && status == HST_STATUS_OK)
            status = node_error(c->node, err, HST_STATUS_BAD_SHAPE, "output %d of its body is no tensor", i);
        for (int j = 0; j < c->n_in; j++) borrowed |= out[i]->buffer == in[j]->buffer;
        if (status == HST_STATUS_OK && y[i]) {
            if (borrowed) {
                status = list_copy(y[i], k, out[i], err);
            } else {
                ((hst_tensor **)y[i]->data)[k] = out[i];
                out[i] = NULL;
            }
        }
        tensor_free(out[i]);
        out[i] = NULL;
    }
    return status;
}

static hst_status eval_map(eval_context *c, hst_error *err) {
    const hst_tensor *s;
    graph *body;
    void *in, *out, *made;
    HST_TRY(list_need(c, 0, "input_sequence", &s, err));
    HST_TRY(body_of(c->node, &body, err));
    int64_t n = tensor_count(s);
    for (int i = 1; i < c->n_in; i++) {
        const hst_tensor *t;
        HST_TRY(eval_need(c, i, "additional_inputs", &t, err));
        if (t->dtype == HST_DTYPE_OPTIONAL || (t->dtype == HST_DTYPE_SEQUENCE && tensor_count(t) != n))
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d has %lld items, input 0 has %lld", i,
                              (long long)tensor_count(t), (long long)n);
    }
    size_t bytes = (size_t)c->n_out * sizeof(hst_tensor *);
    HST_TRY(eval_scratch(c, (size_t)c->n_in * sizeof(hst_tensor *), &in, err));
    HST_TRY(eval_scratch(c, bytes, &out, err));
    HST_TRY(eval_scratch(c, bytes, &made, err));
    hst_tensor **y = made;
    memset(out, 0, bytes);
    memset(made, 0, bytes);
    hst_status status = HST_STATUS_OK;
    for (int i = 0; i < c->n_out && status == HST_STATUS_OK; i++)
        if (eval_wants(c, i)) status = list_begin(c, i, n, &y[i], err);
    for (int64_t k = 0; k < n && status == HST_STATUS_OK; k++) status = map_item(c, body, k, in, out, y, err);
    for (int i = 0; i < c->n_out; i++)
        if (y[i]) status = list_end(c, y[i], status, err);
    return status;
}

// clang-format off
static const op_case construct_cases[] = {
    {"two", 0, "(f32[1]{1}, f32[2]{2 3}) -> (seq{f32[1]{1}, f32[2]{2 3}})", 0},
    {"strings", 0, "(string[1]{\"a\"}) -> (seq{string[1]{\"a\"}})", 0}, {0}};
static const op_case empty_cases[] = {
    {"f32", 0, "() -> (seq{})", 0}, {"strings", 0, "(; dtype=8) -> (seq{})", 0}, {0}};
static const op_case insert_cases[] = {
    {"at the end", 0, "(seq{s64[1]{1}, s64[1]{2}}, s64[2]{3 4}) -> (seq{s64[1]{1}, s64[1]{2}, s64[2]{3 4}})", 0},
    {"from the end", 0, "(seq{s64[1]{1}, s64[1]{2}}, s64[]{3}, s64[]{-1}) -> (seq{s64[1]{1}, s64[]{3}, s64[1]{2}})", 0},
    {"into nothing", 0, "(seq{}, f32[]{3}, s32[]{0}) -> (seq{f32[]{3}})", 0}, {0}};
static const op_case erase_cases[] = {
    {"the last", 0, "(seq{s64[1]{1}, s64[]{2}}) -> (seq{s64[1]{1}})", 0},
    {"a place", 0, "(seq{s64[1]{1}, s64[]{2}, b8[]{1}}, s64[]{-2}) -> (seq{s64[1]{1}, b8[]{1}})", 0}, {0}};
static const op_case at_cases[] = {
    {"a place", 0, "(seq{s64[1]{1}, s64[1]{2}}, s64[]{1}) -> (s64[1]{2})", 0},
    {"from the end", 0, "(seq{string[1]{\"a\"}, string[1]{\"b\"}}, s32[]{-2}) -> (string[1]{\"a\"})", 0}, {0}};
static const op_case length_cases[] = {
    {"two", 0, "(seq{s64[1]{1}, s64[2]{2 3}}) -> (s64[]{2})", 0}, {"none", 0, "(seq{}) -> (s64[]{0})", 0}, {0}};
static const op_case map_cases[] = {
    {"a tensor beside", 0, "(seq{f32[1]{1}, f32[2]{2 3}}, f32[]{10}; body=graph{(a, b) c = Add(a, b); -> (c)}) -> (seq{f32[1]{11}, f32[2]{12 13}})", 0},
    {"two sequences, two outputs", 0, "(seq{f32[1]{1}, f32[1]{2}}, seq{f32[1]{3}, f32[1]{4}}; body=graph{(a, b) c = Mul(a, b); -> (b, c)}) -> (seq{f32[1]{3}, f32[1]{4}}, seq{f32[1]{3}, f32[1]{8}})", 0},
    {"nothing", 0, "(seq{}; body=graph{(a) b = Neg(a); -> (b)}) -> (seq{})", 0}, {0}};

#define SEQUENCE(name_, least_, most_, outs_, infer_, eval_, summary_, cases_)                                         \
    {.name = name_, .domain = "", .since = 11, .min_in = least_, .max_in = most_, .min_out = 1, .max_out = outs_,      \
     .infer = infer_, .eval = eval_, .lists = true, .summary = summary_, HST_CASES(cases_)}

HST_OP(SequenceConstruct) = SEQUENCE("SequenceConstruct", 1, OP_ANY, 1, infer_construct, eval_construct, "a list of tensors", construct_cases);
HST_OP(SequenceEmpty) = SEQUENCE("SequenceEmpty", 0, 0, 1, infer_empty, eval_empty, "a list without items", empty_cases);
HST_OP(SequenceInsert) = SEQUENCE("SequenceInsert", 2, 3, 1, infer_insert, eval_insert, "a list with one item more", insert_cases);
HST_OP(SequenceErase) = SEQUENCE("SequenceErase", 1, 2, 1, infer_erase, eval_erase, "a list without one item", erase_cases);
HST_OP(SequenceAt) = SEQUENCE("SequenceAt", 2, 2, 1, infer_at, eval_at, "an item of a list", at_cases);
HST_OP(SequenceLength) = SEQUENCE("SequenceLength", 1, 1, 1, infer_length, eval_length, "how many items a list has", length_cases);
HST_OP(SequenceMap) = SEQUENCE("SequenceMap", 1, OP_ANY, OP_ANY, infer_map, eval_map, "a graph run on each item", map_cases);
// clang-format on
