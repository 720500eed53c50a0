/* Scan 8, the form with batches: for each of B sequences runs body(states…, elements…) -> (states…, scans…) once a
 * step. sequence_lens [B] or omitted (all steps)   states [B, …]   scan inputs [B, T, …]
 *   ->   states [B, …]   scan outputs [B, T, …], zeros behind a sequence's last step
 * directions: 1 reads a scan input from the sequence's last step on. */
#include <string.h>

#include "ops/op.h"
#include "tensor/strings.h"

typedef struct args {
    graph *body;
    int states, scan_in, scan_out;
    const int64_t *backwards; /* NULL: none */
} args;

static hst_status read_args(const node *n, args *a, hst_error *err) {
    const int64_t m = node_int(n, "num_scan_inputs", 0);
    const int given = node_ints(n, "directions", &a->backwards);
    a->body = node_graph(n, "body");
    if (!a->body || m < 1 || m > n->n_in - 1)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "no body, or num_scan_inputs %lld of %d inputs", (long long)m,
                          n->n_in - 1);
    a->scan_in = (int)m;
    a->states = n->n_in - 1 - a->scan_in;
    a->scan_out = n->n_out - a->states;
    if (given < 0) a->backwards = NULL;
    if (given >= 0 && given != a->scan_in)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "directions has %d entries, should have %d", given,
                          a->scan_in);
    if (a->body->n_inputs != n->n_in - 1 || a->scan_out < 0 || a->body->n_outputs != n->n_out)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "has %d inputs and %d outputs, its body %d and %d", n->n_in,
                          n->n_out, a->body->n_inputs, a->body->n_outputs);
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    args a;
    dim batch = dim_symbol(c->model, ""), length = dim_symbol(c->model, "");
    HST_TRY(read_args(c->node, &a, err));
    for (int i = 0; i < a.states + a.scan_in; i++) {
        const type *x = infer_in(c, 1 + i);
        const int drop = 1 + (i >= a.states);
        type element = {.dtype = x->dtype, .rank = x->rank < drop ? -1 : x->rank - drop};
        if (x->rank >= 0 && x->rank < drop)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d has rank %d", i + 1, x->rank);
        for (int k = 0; k < element.rank; k++) element.dim[k] = x->dim[k + drop];
        bool ok = true, same = true;
        if (x->rank >= drop) batch = dim_unify(c->model, x->dim[0], batch, &ok);
        if (x->rank >= drop && drop == 2) length = dim_unify(c->model, x->dim[1], length, &same);
        if (!ok || !same)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                              "input %d has other sequences or steps than those before", i + 1);
        HST_TRY(infer_subgraph_input(c, a.body, i, &element, false, err));
    }
    HST_TRY(graph_infer(a.body, err));
    for (int i = 0; i < c->n_out; i++) {
        const type *t = &a.body->outputs[i]->type;
        const int more = 1 + (i >= a.states);
        type state = *t;
        if (more == 1) {
            const type *x = infer_in(c, 1 + i);
            type given = {.dtype = x->dtype, .rank = x->rank < 0 ? -1 : x->rank - 1};
            for (int k = 0; k < given.rank; k++) given.dim[k] = x->dim[k + 1];
            HST_TRY(infer_state(c, i, &given, t, &state, err));
            t = &state;
        }
        c->out[i].dtype = t->dtype;
        if (t->rank < 0 || t->rank + more > HST_RANK_MAX) continue;
        c->out[i].rank = t->rank + more;
        for (int k = 0; k < t->rank; k++) c->out[i].dim[k + more] = t->dim[k];
        c->out[i].dim[0] = batch;
        if (more == 2) c->out[i].dim[1] = length;
    }
    return HST_STATUS_OK;
}

/* ---- evaluation ---- */

typedef struct scanner {
    eval_context *c;
    args a;
    int64_t batch, length;
    const hst_tensor **in; /* the body's inputs */
    hst_tensor *parts;     /* views of one sequence or step of the node's inputs, where they lie */
    hst_tensor **out;      /* the body's outputs */
    hst_tensor **states;   /* of the last step, owned */
    hst_tensor **whole;    /* the node's outputs, made when their first part is there */
} scanner;

/* Part k of t along its first `drop` axes. */
static const hst_tensor *part_of(const hst_tensor *t, int drop, int64_t k, hst_tensor *to) {
    *to = (hst_tensor){.dtype = t->dtype, .rank = t->rank - drop};
    for (int i = 0; i < to->rank; i++) to->dim[i] = t->dim[i + drop];
    to->bytes = (size_t)tensor_count(to) * move_size(t->dtype);
    to->data = (char *)t->data + (size_t)k * to->bytes;
    return to;
}

/* Makes output i, of parts of type t. */
static hst_status open_output(scanner *s, int i, const type *t, hst_error *err) {
    const int more = 1 + (i >= s->a.states);
    const int rank = (t->rank < 0 ? 0 : t->rank) + more;
    int64_t dims[HST_RANK_MAX];
    if (t->dtype == HST_DTYPE_NONE || rank > HST_RANK_MAX || dtype_bits(t->dtype) % 8)
        return node_error(s->c->node, err, HST_STATUS_UNSUPPORTED, "output %d of %s, rank %d", i, dtype_name(t->dtype),
                          rank);
    dims[0] = s->batch;
    dims[1] = s->length;
    for (int k = more; k < rank; k++) dims[k] = eval_dim(s->c, t->dim[k - more]);
    HST_TRY(eval_output(s->c, i, t->dtype, rank, dims, &s->whole[i], err));
    if (s->whole[i]->bytes) memset(s->whole[i]->data, 0, s->whole[i]->bytes);
    return HST_STATUS_OK;
}

static hst_status store(scanner *s, int i, int64_t k, const hst_tensor *x, hst_error *err) {
    type here = type_of_tensor(x), expected;
    hst_tensor to;
    if (!eval_wants(s->c, i)) return HST_STATUS_OK;
    if (!s->whole[i]) HST_TRY(open_output(s, i, &here, err));
    part_of(s->whole[i], 1 + (i >= s->a.states), k, &to);
    expected = type_of_tensor(&to);
    if (!type_equal(&here, &expected))
        return node_error(s->c->node, err, HST_STATUS_BAD_SHAPE, "output %d changes its shape or type", i);
    if (to.bytes) memcpy(to.data, x->data, to.bytes);
    /* The step's own strings go with its tensor: the output takes copies of all it has so far. */
    return x->dtype == HST_DTYPE_STRING ? move_done(s->whole[i], s->whole[i]->data, err) : HST_STATUS_OK;
}

static hst_status step(scanner *s, int64_t b, int64_t at, hst_error *err) {
    HST_TRY(s->c->runtime->check(s->c, err));
    HST_TRY(s->c->runtime->subgraph(s->c, s->a.body, s->in, s->a.body->n_inputs, s->out, s->a.body->n_outputs, err));
    hst_status status = HST_STATUS_OK;
    for (int i = 0; i < s->a.states; i++) {
        const type was = type_of_tensor(s->in[i]), is = type_of_tensor(s->out[i]);
        if (status == HST_STATUS_OK) status = eval_state(s->c, i, &was, &is, err);
        tensor_free(s->states[i]);
        s->in[i] = s->states[i] = s->out[i];
        s->out[i] = NULL;
    }
    for (int i = s->a.states; i < s->c->n_out; i++) {
        if (status == HST_STATUS_OK) status = store(s, i, b * s->length + at, s->out[i], err);
        tensor_free(s->out[i]);
        s->out[i] = NULL;
    }
    return status;
}

static hst_status sequence(scanner *s, int64_t b, int64_t length, hst_error *err) {
    const args *a = &s->a;
    for (int i = 0; i < a->states; i++) {
        s->in[i] = part_of(s->c->in[1 + i], 1, b, &s->parts[i]);
        const type given = type_of_tensor(s->in[i]);
        HST_TRY(eval_state(s->c, i, &given, &a->body->outputs[i]->type, err));
    }
    for (int64_t t = 0; t < length; t++) {
        for (int k = 0; k < a->scan_in; k++) {
            const int i = a->states + k;
            const int64_t from = a->backwards && a->backwards[k] ? length - 1 - t : t;
            s->in[i] = part_of(s->c->in[1 + i], 2, b * s->length + from, &s->parts[i]);
        }
        HST_TRY(step(s, b, t, err));
    }
    for (int i = 0; i < a->states; i++) {
        HST_TRY(store(s, i, b, s->in[i], err));
        tensor_free(s->states[i]);
        s->states[i] = NULL;
    }
    return HST_STATUS_OK;
}

static hst_status check_inputs(scanner *s, hst_error *err) {
    const node *n = s->c->node;
    for (int i = 0; i < s->a.states + s->a.scan_in; i++) {
        const hst_tensor *x;
        const bool scan = i >= s->a.states;
        HST_TRY(eval_need(s->c, 1 + i, "initial_state_and_scan_inputs", &x, err));
        if (dtype_bits(x->dtype) % 8)
            return node_error(n, err, HST_STATUS_UNSUPPORTED, "scans %s", dtype_name(x->dtype));
        if (i == 0 && x->rank) s->batch = x->dim[0];
        if (i == s->a.states && x->rank > 1) s->length = x->dim[1];
        if (x->rank < 1 + scan || x->dim[0] != s->batch || (scan && x->dim[1] != s->length))
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "input %d does not have %lld sequences, or %lld steps",
                              i + 1, (long long)s->batch, (long long)s->length);
    }
    return HST_STATUS_OK;
}

static hst_status run(scanner *s, hst_error *err) {
    const hst_tensor *lens = eval_in(s->c, 0);
    if (lens && (!dtype_is_integer(lens->dtype) || lens->rank != 1 || lens->dim[0] != s->batch))
        return node_error(s->c->node, err, HST_STATUS_BAD_SHAPE, "sequence_lens is not [%lld]", (long long)s->batch);
    for (int64_t b = 0; b < s->batch; b++) {
        const int64_t length = lens ? tensor_get_s64(lens, b) : s->length;
        if (length < 0 || length > s->length)
            return node_error(s->c->node, err, HST_STATUS_BAD_SHAPE, "sequence_lens[%lld] is %lld of %lld steps",
                              (long long)b, (long long)length, (long long)s->length);
        HST_TRY(sequence(s, b, length, err));
    }
    for (int i = 0; i < s->c->n_out; i++)
        if (!s->whole[i] && eval_wants(s->c, i)) HST_TRY(open_output(s, i, &s->a.body->outputs[i]->type, err));
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    scanner s = {.c = c};
    void *pointers, *parts;
    HST_TRY(read_args(c->node, &s.a, err));
    HST_TRY(check_inputs(&s, err));
    const size_t n_in = (size_t)c->n_in, n_out = (size_t)c->n_out, states = (size_t)s.a.states;
    const size_t count = n_in + 2 * n_out + states;
    HST_TRY(eval_scratch(c, count * sizeof(void *), &pointers, err));
    HST_TRY(eval_scratch(c, n_in * sizeof(hst_tensor), &parts, err));
    memset(pointers, 0, count * sizeof(void *));
    s.in = pointers;
    s.out = (hst_tensor **)pointers + n_in;
    s.whole = s.out + n_out;
    s.states = s.whole + n_out;
    s.parts = parts;
    hst_status status = run(&s, err);
    for (size_t i = 0; i < n_out; i++) tensor_free(s.out[i]);
    for (size_t i = 0; i < states; i++) tensor_free(s.states[i]);
    return status;
}

// clang-format off
#define SUM "body=graph{(s, x) t = Add(s, x); u = Identity(t); -> (t, u)}"
static const op_case cases[] = {
    {"batches", 8, "(_, f32[2,1]{100 200}, f32[2,3,1]{1 2 3 10 20 30}; num_scan_inputs=1, " SUM ") -> (f32[2,1]{106 260}, f32[2,3,1]{101 103 106 210 230 260})", 0},
    {"lengths, backwards", 8, "(s64[2]{2 3}, f32[2,1]{100 200}, f32[2,3,1]{1 2 3 10 20 30}; num_scan_inputs=1, directions=[1], " SUM ") -> (f32[2,1]{103 260}, f32[2,3,1]{102 103 0 230 250 260})", 0},
    {"no state, strings", 8, "(s64[1]{2}, string[1,3]{\"a\" \"bb\" \"c\"}; num_scan_inputs=1, body=graph{(x) y = Identity(x); -> (y)}) -> (string[1,3]{\"a\" \"bb\" \"\"})", 0},
    {"no step", 8, "(s64[1]{0}, f32[1,1]{7}, f32[1,2,1]{1 2}; num_scan_inputs=1, body=graph{(s, x) y = Identity(x); -> (s, y)}) -> (f32[1,1]{7}, f32[1,2,1]{0 0})", 0},
    {0}};
// clang-format on

HST_OP(Scan_8) = {.name = "Scan",
                  .domain = "",
                  .since = 8,
                  .until = 8,
                  .min_in = 2,
                  .max_in = OP_ANY,
                  .holes = 1,
                  .min_out = 1,
                  .max_out = OP_ANY,
                  .infer = infer,
                  .eval = eval,
                  .summary = "a graph run over the steps of batches of sequences",
                  HST_CASES(cases)};
