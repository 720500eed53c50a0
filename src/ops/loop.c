/* Loop: runs body(iteration, condition, states…) -> (condition, states…, scans…) while iteration < M and the condition
 * holds; gives the last states, and each scan of all iterations stacked on a new first axis. A condition that is not
 * given begins true; the body's word counts from then on, as in ONNX Runtime. */
#include <string.h>

#include "base/checked.h"
#include "ops/op.h"
#include "ops/packed.h"

typedef struct args {
    graph *body;
    int states, scans;
} args;

static hst_status read_args(const node *n, args *a, hst_error *err) {
    a->body = node_graph(n, "body");
    if (!a->body) return node_error(n, err, HST_STATUS_BAD_FORMAT, "attribute 'body' is missing");
    a->states = n->n_in > 2 ? n->n_in - 2 : 0;
    a->scans = a->body->n_outputs - 1 - a->states;
    if (a->body->n_inputs != a->states + 2 || a->scans < 0 || n->n_out > a->states + a->scans)
        return node_error(n, err, HST_STATUS_BAD_FORMAT,
                          "has %d states and %d outputs, its body %d inputs and %d outputs", a->states, n->n_out,
                          a->body->n_inputs, a->body->n_outputs);
    return HST_STATUS_OK;
}

/* ---- inference ---- */

/* What a state is at the end: as the body makes it, or, without an iteration, as it came. Nothing is said where these
 * are of two kinds, such as an optional and what it may hold. */
static void state_type(const type *first, const type *made, type *out) {
    const bool known = first->dtype != HST_DTYPE_NONE && made->dtype != HST_DTYPE_NONE;
    if (known && (first->dtype != made->dtype || first->element != made->element || first->optional != made->optional))
        return;
    out->dtype = made->dtype != HST_DTYPE_NONE ? made->dtype : first->dtype;
    out->element = made->element;
    out->optional = made->optional;
}

static hst_status infer(infer_context *c, hst_error *err) {
    args a;
    HST_TRY(read_args(c->node, &a, err));
    const type count = {.dtype = HST_DTYPE_S64}, condition = {.dtype = HST_DTYPE_B8};
    HST_TRY(infer_subgraph_input(c, a.body, 0, &count, false, err));
    HST_TRY(infer_subgraph_input(c, a.body, 1, &condition, false, err));
    for (int i = 0; i < a.states; i++) /* a state's shape may change from one iteration to the next */
        HST_TRY(infer_subgraph_input(c, a.body, i + 2, infer_in(c, i + 2), true, err));
    HST_TRY(graph_infer(a.body, err));
    for (int i = 0; i < c->n_out; i++) {
        const type *t = &a.body->outputs[i + 1]->type;
        if (i < a.states) {
            state_type(infer_in(c, i + 2), t, &c->out[i]);
            continue;
        }
        c->out[i].dtype = t->dtype;
        if (t->rank >= 0 && t->rank < HST_RANK_MAX) {
            c->out[i].rank = t->rank + 1;
            c->out[i].dim[0] = dim_symbol(c->model, "");
            for (int k = 0; k < t->rank; k++)
                c->out[i].dim[k + 1] = t->dim[k] >= 0 ? t->dim[k] : dim_symbol(c->model, "");
        }
    }
    return HST_STATUS_OK;
}

/* ---- evaluation ---- */

/* A scan output while it grows, in scratch: the budget counts it. Strings: elements hold offsets into `text` for now.
 */
typedef struct block {
    char *data;
    size_t used, capacity;
} block;

typedef struct scan {
    type type; /* of one iteration's element; dtype NONE before the first */
    block elements, text;
} scan;

typedef struct loop {
    eval_context *c;
    args a;
    const hst_tensor **in;    /* the body's inputs */
    hst_tensor **now, **next; /* the body's outputs: of the last iteration, of this one */
    scan *scans;
    int64_t iterations;
} loop;

static hst_status block_add(eval_context *c, block *b, const void *data, size_t size, hst_error *err) {
    size_t need;
    if (!size_add(b->used, size, &need)) return error_no_memory(err, SIZE_MAX, "the outputs of a loop");
    if (need > b->capacity) {
        void *bigger;
        size_t capacity = need > SIZE_MAX / 2 ? need : need * 2;
        HST_TRY(eval_scratch(c, capacity, &bigger, err));
        if (b->used) memcpy(bigger, b->data, b->used);
        b->data = bigger;
        b->capacity = capacity;
    }
    if (size) memcpy(b->data + b->used, data, size);
    b->used = need;
    return HST_STATUS_OK;
}

static hst_status scan_add(loop *l, int k, const hst_tensor *t, hst_error *err) {
    scan *s = &l->scans[k];
    type here = type_of_tensor(t);
    const node *n = l->c->node;
    if (s->type.dtype == HST_DTYPE_NONE) s->type = here;
    if (!type_equal(&here, &s->type))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "scan output %d changes its shape or type at iteration %lld", k,
                          (long long)l->iterations);
    if (tensor_is_list(t) || !move_size(t->dtype))
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "scan output %d of %s", k, dtype_name(t->dtype));
    if (packed_is(t->dtype)) {      /* a byte an element, until all are there */
        void *bytes = s->text.data; /* every iteration's are as many */
        if (!bytes) HST_TRY(eval_scratch(l->c, (size_t)tensor_count(t), &bytes, err));
        s->text.data = bytes;
        packed_open(t->dtype, t->data, bytes, tensor_count(t));
        return block_add(l->c, &s->elements, bytes, (size_t)tensor_count(t), err);
    }
    if (t->dtype != HST_DTYPE_STRING) return block_add(l->c, &s->elements, t->data, t->bytes, err);
    const hst_string *from = t->data;
    for (int64_t i = 0, count = tensor_count(t); i < count; i++) {
        hst_string at = {(const char *)s->text.used, from[i].size};
        HST_TRY(block_add(l->c, &s->text, from[i].data, from[i].size, err));
        HST_TRY(block_add(l->c, &s->elements, &at, sizeof at, err));
    }
    return HST_STATUS_OK;
}

static hst_status scan_give(loop *l, int k, hst_error *err) {
    scan *s = &l->scans[k];
    int i = l->a.states + k;
    int64_t dims[HST_RANK_MAX + 1] = {l->iterations};
    hst_tensor *y;
    if (!eval_wants(l->c, i)) return HST_STATUS_OK;
    if (s->type.dtype == HST_DTYPE_NONE)
        s->type = l->a.body->outputs[i + 1]->type; /* no iteration: as it is declared */
    if (s->type.dtype == HST_DTYPE_NONE || s->type.rank >= HST_RANK_MAX)
        return node_error(l->c->node, err, HST_STATUS_BAD_SHAPE, "nothing tells the type of scan output %d", k);
    int rank = s->type.rank < 0 ? 0 : s->type.rank;
    for (int j = 0; j < rank; j++) dims[j + 1] = eval_dim(l->c, s->type.dim[j]);
    hst_string *strings = (hst_string *)(void *)s->elements.data;
    const bool text = s->type.dtype == HST_DTYPE_STRING && s->text.data; /* none where all strings are empty */
    for (size_t j = 0; text && j < s->elements.used / sizeof *strings; j++)
        strings[j].data = s->text.data + (size_t)strings[j].data;
    HST_TRY(eval_output(l->c, i, s->type.dtype, rank + 1, dims, &y, err));
    if (packed_is(y->dtype)) return move_done(y, s->elements.data, err);
    if (s->elements.used) memcpy(y->data, s->elements.data, s->elements.used);
    return move_done(y, y->data, err);
}

static hst_status read_condition(const loop *l, const hst_tensor *t, bool *condition, hst_error *err) {
    if (t->dtype != HST_DTYPE_B8 || tensor_count(t) != 1)
        return node_error(l->c->node, err, HST_STATUS_BAD_SHAPE, "the condition is %s with %lld elements, not one b8",
                          dtype_name(t->dtype), (long long)tensor_count(t));
    *condition = tensor_get_s64(t, 0) != 0;
    return HST_STATUS_OK;
}

/* One iteration; on success `now` holds its outputs. */
static hst_status iterate(loop *l, bool *condition, hst_error *err) {
    eval_context *c = l->c;
    int n_out = l->a.body->n_outputs;
    uint8_t holds = *condition;
    const hst_tensor count = {.dtype = HST_DTYPE_S64, .data = &l->iterations, .bytes = sizeof l->iterations};
    const hst_tensor truth = {.dtype = HST_DTYPE_B8, .data = &holds, .bytes = 1};
    l->in[0] = &count;
    l->in[1] = &truth;
    HST_TRY(c->runtime->check(c, err));
    HST_TRY(c->runtime->subgraph(c, l->a.body, l->in, l->a.states + 2, l->next, n_out, err));
    for (int i = 0; i < n_out; i++) {
        tensor_free(l->now[i]);
        l->now[i] = l->next[i];
        l->next[i] = NULL;
    }
    for (int i = 0; i < l->a.states; i++) l->in[i + 2] = l->now[i + 1];
    for (int k = 0; k < l->a.scans; k++) HST_TRY(scan_add(l, k, l->now[1 + l->a.states + k], err));
    return read_condition(l, l->now[0], condition, err);
}

static hst_status run(loop *l, int64_t most, bool condition, hst_error *err) {
    for (; l->iterations < most && condition; l->iterations++) HST_TRY(iterate(l, &condition, err));
    for (int i = 0; i < l->a.states && l->iterations == 0; i++) {
        const type given = type_of_tensor(l->in[i + 2]);
        type made = l->a.body->outputs[i + 1]->type;
        made.rank = -1;
        if (!made.optional && made.dtype != HST_DTYPE_OPTIONAL && given.dtype != HST_DTYPE_OPTIONAL)
            HST_TRY(eval_state(l->c, i, &given, &made, err));
    }
    for (int i = 0; i < l->a.states; i++)
        if (eval_wants(l->c, i)) HST_TRY(move_whole(l->c, i, l->in[i + 2], err));
    for (int k = 0; k < l->a.scans; k++) HST_TRY(scan_give(l, k, err));
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    loop l = {.c = c};
    int64_t most = INT64_MAX;
    int count = 1;
    bool condition = true;
    void *in, *pairs, *scans;
    HST_TRY(read_args(c->node, &l.a, err));
    if (eval_in(c, 0)) HST_TRY(eval_ints(c, 0, "M", &most, 1, &count, err));
    if (count != 1) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "M is empty");
    if (eval_in(c, 1)) HST_TRY(read_condition(&l, c->in[1], &condition, err));
    size_t n_out = (size_t)l.a.body->n_outputs, pairs_size = 2 * n_out * sizeof(hst_tensor *);
    HST_TRY(eval_scratch(c, ((size_t)l.a.states + 2) * sizeof(hst_tensor *), &in, err));
    HST_TRY(eval_scratch(c, pairs_size, &pairs, err));
    HST_TRY(eval_scratch(c, (size_t)l.a.scans * sizeof(scan), &scans, err));
    l.in = in;
    l.now = pairs;
    l.next = l.now + n_out;
    l.scans = scans;
    memset(pairs, 0, pairs_size);
    memset(scans, 0, (size_t)l.a.scans * sizeof(scan));
    for (int i = 0; i < l.a.states; i++) {
        const hst_tensor *t;
        HST_TRY(eval_need(c, i + 2, "v_initial", &t, err));
        l.in[i + 2] = t;
    }
    hst_status status = run(&l, most, condition, err);
    for (size_t i = 0; i < 2 * n_out; i++) tensor_free(l.now[i]);
    return status;
}

// clang-format off
static const op_case cases[] = {
    {"states and scans", 0, "(s64[]{3}, b8[]{1}, s64[1]{0}; body=graph{(i, c, s) z = Constant(; value_ints=[0]); v = Unsqueeze(i, z); t = Concat(s, v; axis=0); -> (c, t, v)}) -> (s64[4]{0 0 1 2}, s64[3,1]{0 1 2})", 0},
    {"a scan of empty strings", 0, "(s64[]{2}; body=graph{(i, c) k = Constant(; value_string=\"\"); -> (c, k)}) -> (string[2]{\"\" \"\"})", 0},
    {"while", 11, "(_, b8[]{1}, b8[]{0}; body=graph{(i, c, s) two = Constant(; value_int=2); n = Less(i, two); -> (n, s, i)}) -> (b8[]{0}, s64[3]{0 1 2})", 0},
    {"no condition", 13, "(s64[]{2}, _, f32[1]{4}; body=graph{(i, c, s) -> (c, s, s)}) -> (f32[1]{4}, f32[2,1]{4 4})", 0},
    {"no iteration", 0, "(s64[]{0}, b8[]{1}, f32[2]{4 5}; body=graph{(i, c, s) -> (c, s, i)}) -> (f32[2]{4 5}, s64[0]{})", 0},
    {"false at once", 0, "(s64[]{5}, b8[]{0}, f32[2]{4 5}; body=graph{(i, c, s) -> (c, s)}) -> (f32[2]{4 5})", 0},
    {"strings", 0, "(s64[1]{2}, _, string[1]{\"ab\"}; body=graph{(i, c, s) t = Concat(s, s; axis=0); u = Identity(s); k = Constant(; value_string=\"xyz\"); -> (c, t, k)}) -> (string[4]{\"ab\"}, string[2]{\"xyz\"})", 0},
    {"packed scans", 0, "(s64[]{3}, _, s4[3]{1 -2 3}; body=graph{(i, c, s) u = Identity(s); -> (c, s, u)}) -> (s4[3]{1 -2 3}, s4[3,3]{1 -2 3 1 -2 3 1 -2 3})", 0},
    {"captures", 0, "(s64[]{2}, b8[]{1}; body=graph{(i, c) n = Not(x1); -> (c, n)}) -> (b8[2]{0 0})", 0},
    {0},
};
// clang-format on

HST_OP(Loop) = {
    .name = "Loop",
    .domain = "",
    .since = 1,
    .min_in = 0,
    .max_in = OP_ANY,
    .min_out = 1,
    .max_out = OP_ANY,
    .infer = infer,
    .eval = eval,
    .summary = "a graph run again and again",
    .lists = true,
    HST_CASES(cases),
};
