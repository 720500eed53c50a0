/* Scan: runs body(states…, elements…) -> (states…, scans…) for each step of the last num_scan_inputs inputs, which are
 * cut along their axes (scan_input_axes), forwards or backwards; the scans are stacked along scan_output_axes. */
#include <string.h>

#include "ops/op.h"
#include "ops/packed.h"

typedef struct args {
    graph *body;
    int states, scan_in, scan_out;
    const int64_t *in_axes, *in_backwards, *out_axes, *out_backwards; /* NULL: all 0 */
} args;

static hst_status list(const node *n, const char *name, int count, const int64_t **v, hst_error *err) {
    int found = node_ints(n, name, v);
    if (found < 0) *v = NULL;
    if (found < 0 || found == count) return HST_STATUS_OK;
    return node_error(n, err, HST_STATUS_BAD_FORMAT, "%s has %d entries, should have %d", name, found, count);
}

static hst_status read_args(const node *n, args *a, hst_error *err) {
    int64_t m = node_int(n, "num_scan_inputs", 0);
    a->body = node_graph(n, "body");
    if (!a->body || m < 1 || m > n->n_in)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "no body, or num_scan_inputs %lld of %d inputs", (long long)m,
                          n->n_in);
    a->scan_in = (int)m;
    a->states = n->n_in - a->scan_in;
    a->scan_out = n->n_out - a->states;
    if (a->body->n_inputs != n->n_in || a->scan_out < 0 || a->body->n_outputs != n->n_out)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "has %d inputs and %d outputs, its body %d and %d", n->n_in,
                          n->n_out, a->body->n_inputs, a->body->n_outputs);
    HST_TRY(list(n, "scan_input_axes", a->scan_in, &a->in_axes, err));
    HST_TRY(list(n, "scan_input_directions", a->scan_in, &a->in_backwards, err));
    HST_TRY(list(n, "scan_output_axes", a->scan_out, &a->out_axes, err));
    return list(n, "scan_output_directions", a->scan_out, &a->out_backwards, err);
}

/* ---- inference ---- */

static hst_status infer_input(infer_context *c, const args *a, int k, dim *length, hst_error *err) {
    const type *x = infer_in(c, a->states + k);
    type element = {.dtype = x->dtype, .rank = -1};
    int axis;
    bool ok;
    if (x->rank >= 0) {
        HST_TRY(axis_normalize(c->node, a->in_axes ? a->in_axes[k] : 0, x->rank, &axis, err));
        element.rank = x->rank - 1;
        for (int i = 0; i < element.rank; i++) element.dim[i] = x->dim[i < axis ? i : i + 1];
        *length = dim_unify(c->model, x->dim[axis], *length, &ok);
        if (!ok) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "scan inputs of different lengths");
    }
    return infer_subgraph_input(c, a->body, a->states + k, &element, false, err);
}

static hst_status infer(infer_context *c, hst_error *err) {
    args a;
    int axis;
    dim length = dim_symbol(c->model, "");
    HST_TRY(read_args(c->node, &a, err));
    for (int i = 0; i < a.states; i++) HST_TRY(infer_subgraph_input(c, a.body, i, infer_in(c, i), false, err));
    for (int k = 0; k < a.scan_in; k++) HST_TRY(infer_input(c, &a, k, &length, err));
    HST_TRY(graph_infer(a.body, err));
    for (int i = 0; i < c->n_out; i++) {
        const type *t = &a.body->outputs[i]->type;
        int k = i - a.states;
        c->out[i] = *t;
        if (k < 0) HST_TRY(infer_state(c, i, infer_in(c, i), t, &c->out[i], err));
        if (k < 0 || t->rank < 0 || t->rank == HST_RANK_MAX) continue;
        type *y = &c->out[i];
        y->rank = t->rank + 1;
        HST_TRY(axis_normalize(c->node, a.out_axes ? a.out_axes[k] : 0, y->rank, &axis, err));
        for (int j = 0; j < y->rank; j++) y->dim[j] = j == axis ? length : t->dim[j < axis ? j : j - 1];
    }
    return HST_STATUS_OK;
}

/* ---- evaluation ---- */

/* One step of a whole tensor: element shape, and how it lies in the whole. */
typedef struct part {
    hst_tensor element;                                             /* its data: scratch */
    int64_t whole_stride[HST_RANK_MAX], stride[HST_RANK_MAX], step; /* in elements */
    bool backwards;
    const void *whole; /* of a scan input: its elements, packed ones a byte each */
    void *bytes;       /* where the elements of an output are written: its own, packed ones a byte each */
    void *step_bytes;  /* of packed types: one step's elements, a byte each */
} part;

typedef struct scanner {
    eval_context *c;
    args a;
    int64_t length;
    const hst_tensor **in;      /* the body's inputs */
    hst_tensor **out, **states; /* the body's outputs; states of the last step, owned */
    part *parts;                /* scan inputs, then scan outputs */
    hst_tensor **whole;         /* scan outputs, made at the first step */
} scanner;

/* `whole` has one axis more than the element. */
static void place(part *p, hst_dtype d, int rank, const int64_t *whole, int axis, bool backwards) {
    int64_t stride[HST_RANK_MAX];
    move_strides(rank, whole, stride);
    p->element.dtype = d;
    p->element.rank = rank - 1;
    p->step = stride[axis];
    p->backwards = backwards;
    for (int j = 0; j < rank - 1; j++) {
        p->element.dim[j] = whole[j < axis ? j : j + 1];
        p->whole_stride[j] = stride[j < axis ? j : j + 1];
    }
    move_strides(rank - 1, p->element.dim, p->stride);
}

static int64_t offset(const scanner *s, const part *p, int64_t t) {
    return (p->backwards ? s->length - 1 - t : t) * p->step;
}

static hst_status open_input(scanner *s, int k, hst_error *err) {
    const hst_tensor *x;
    const node *n = s->c->node;
    part *p = &s->parts[k];
    int axis;
    void *data;
    HST_TRY(eval_need(s->c, s->a.states + k, "scan input", &x, err));
    HST_TRY(axis_normalize(n, s->a.in_axes ? s->a.in_axes[k] : 0, x->rank, &axis, err));
    HST_TRY(move_in(s->c, x, &p->whole, err));
    if (k && x->dim[axis] != s->length)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "scan input %d has %lld steps, the first %lld", k,
                          (long long)x->dim[axis], (long long)s->length);
    s->length = x->dim[axis];
    place(p, x->dtype, x->rank, x->dim, axis, s->a.in_backwards && s->a.in_backwards[k]);
    HST_TRY(shape_bytes(x->dtype, p->element.rank, p->element.dim, &p->element.bytes, err));
    HST_TRY(eval_scratch(s->c, p->element.bytes, &data, err));
    p->element.data = data;
    if (packed_is(x->dtype)) HST_TRY(eval_scratch(s->c, (size_t)tensor_count(&p->element), &p->step_bytes, err));
    s->in[s->a.states + k] = &p->element;
    return HST_STATUS_OK;
}

/* Makes scan output k, of elements of type t. */
static hst_status open_output(scanner *s, int k, const type *t, hst_error *err) {
    const node *n = s->c->node;
    int64_t dims[HST_RANK_MAX];
    int axis, rank = (t->rank < 0 ? 0 : t->rank) + 1;
    if (t->dtype == HST_DTYPE_NONE || rank > HST_RANK_MAX || !move_size(t->dtype))
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "scan output %d of %s, rank %d", k, dtype_name(t->dtype),
                          rank);
    HST_TRY(axis_normalize(n, s->a.out_axes ? s->a.out_axes[k] : 0, rank, &axis, err));
    for (int j = 0; j < rank; j++) {
        dims[j] = j == axis ? s->length : eval_dim(s->c, t->dim[j < axis ? j : j - 1]);
    }
    HST_TRY(
        move_out(s->c, s->a.states + k, t->dtype, rank, dims, &s->whole[k], &s->parts[s->a.scan_in + k].bytes, err));
    if (t->dtype == HST_DTYPE_STRING) memset(s->whole[k]->data, 0, s->whole[k]->bytes);
    part *p = &s->parts[s->a.scan_in + k];
    place(p, t->dtype, rank, dims, axis, s->a.out_backwards && s->a.out_backwards[k]);
    return packed_is(t->dtype) ? eval_scratch(s->c, (size_t)tensor_count(&p->element), &p->step_bytes, err)
                               : HST_STATUS_OK;
}

static hst_status store(scanner *s, int k, int64_t t, const hst_tensor *x, hst_error *err) {
    part *p = &s->parts[s->a.scan_in + k];
    type here = type_of_tensor(x), expected;
    if (!eval_wants(s->c, s->a.states + k)) return HST_STATUS_OK;
    if (!s->whole[k]) HST_TRY(open_output(s, k, &here, err));
    expected = type_of_tensor(&p->element);
    if (!type_equal(&here, &expected))
        return node_error(s->c->node, err, HST_STATUS_BAD_SHAPE,
                          "scan output %d changes its shape or type at step %lld", k, (long long)t);
    size_t size = move_size(x->dtype);
    if (p->step_bytes) packed_open(x->dtype, x->data, p->step_bytes, tensor_count(x));
    const void *from = p->step_bytes ? p->step_bytes : x->data;
    if (tensor_count(x))
        move_copy(s->c, size, x->rank, x->dim, (char *)p->bytes + (size_t)offset(s, p, t) * size, p->whole_stride, from,
                  p->stride);
    if (x->dtype != HST_DTYPE_STRING) return HST_STATUS_OK;
    /* The step's own strings go with its tensor: the output takes copies of all it has so far. */
    HST_TRY(move_done(s->whole[k], s->whole[k]->data, err));
    p->bytes = s->whole[k]->data;
    return HST_STATUS_OK;
}

static hst_status step(scanner *s, int64_t t, hst_error *err) {
    eval_context *c = s->c;
    for (int k = 0; k < s->a.scan_in; k++) {
        part *p = &s->parts[k];
        const hst_tensor *x = c->in[s->a.states + k];
        size_t size = move_size(x->dtype);
        if (p->element.bytes)
            move_copy(c, size, p->element.rank, p->element.dim, p->step_bytes ? p->step_bytes : p->element.data,
                      p->stride, (const char *)p->whole + (size_t)offset(s, p, t) * size, p->whole_stride);
        if (p->step_bytes) packed_close(x->dtype, p->step_bytes, p->element.data, tensor_count(&p->element));
    }
    HST_TRY(c->runtime->check(c, err));
    HST_TRY(c->runtime->subgraph(c, s->a.body, s->in, c->n_in, s->out, s->a.body->n_outputs, err));
    hst_status status = HST_STATUS_OK;
    for (int i = 0; i < s->a.states; i++) {
        const type was = type_of_tensor(s->in[i]), is = type_of_tensor(s->out[i]);
        if (status == HST_STATUS_OK) status = eval_state(c, i, &was, &is, err);
        tensor_free(s->states[i]);
        s->in[i] = s->states[i] = s->out[i];
        s->out[i] = NULL;
    }
    for (int k = 0; k < s->a.scan_out; k++) {
        if (status == HST_STATUS_OK) status = store(s, k, t, s->out[s->a.states + k], err);
        tensor_free(s->out[s->a.states + k]);
        s->out[s->a.states + k] = NULL;
    }
    return status;
}

static hst_status run(scanner *s, hst_error *err) {
    for (int i = 0; i < s->a.states; i++) {
        const type given = type_of_tensor(s->in[i]);
        HST_TRY(eval_state(s->c, i, &given, &s->a.body->outputs[i]->type, err));
    }
    for (int64_t t = 0; t < s->length; t++) HST_TRY(step(s, t, err));
    for (int i = 0; i < s->a.states; i++)
        if (eval_wants(s->c, i)) HST_TRY(move_whole(s->c, i, s->in[i], err));
    for (int k = 0; k < s->a.scan_out; k++)
        if (!s->whole[k] && eval_wants(s->c, s->a.states + k))
            HST_TRY(open_output(s, k, &s->a.body->outputs[s->a.states + k]->type, err));
    for (int k = 0; k < s->a.scan_out; k++)
        if (s->whole[k] && packed_is(s->whole[k]->dtype))
            HST_TRY(move_done(s->whole[k], s->parts[s->a.scan_in + k].bytes, err));
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    scanner s = {.c = c};
    void *pointers, *parts;
    HST_TRY(read_args(c->node, &s.a, err));
    size_t n_in = (size_t)c->n_in, n_out = (size_t)c->n_out, count = n_in + 3 * n_out + (size_t)s.a.states;
    size_t n_parts = (size_t)s.a.scan_in + (size_t)s.a.scan_out;
    HST_TRY(eval_scratch(c, count * sizeof(void *), &pointers, err));
    HST_TRY(eval_scratch(c, n_parts * sizeof(part), &parts, err));
    memset(pointers, 0, count * sizeof(void *));
    memset(parts, 0, n_parts * sizeof(part));
    s.in = pointers;
    s.out = (hst_tensor **)pointers + n_in;
    s.states = s.out + n_out;
    s.whole = s.states + s.a.states;
    s.parts = parts;
    for (int i = 0; i < s.a.states; i++) HST_TRY(eval_need(c, i, "initial state", &s.in[i], err));
    for (int k = 0; k < s.a.scan_in; k++) HST_TRY(open_input(&s, k, err));
    hst_status status = run(&s, err);
    for (size_t i = 0; i < n_out; i++) tensor_free(s.out[i]);
    for (int i = 0; i < s.a.states; i++) tensor_free(s.states[i]);
    return status;
}

// clang-format off
static const op_case cases[] = {
    {"running concatenation of bits", 0, "(b8[2]{0 0}, b8[3,2]{1 0 0 0 0 1}; num_scan_inputs=1, body=graph{(s, x) t = Or(s, x); u = Identity(t); -> (t, u)}) -> (b8[2]{1 1}, b8[3,2]{1 0 1 0 1 1})", 0},
    {"axes", 11, "(s64[2,3]{1 2 3 4 5 6}; num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[-1], body=graph{(x) y = Identity(x); -> (y)}) -> (s64[2,3]{1 2 3 4 5 6})", 0},
    {"backwards in", 9, "(s64[3]{1 2 3}; num_scan_inputs=1, scan_input_directions=[1], body=graph{(x) y = Identity(x); -> (y)}) -> (s64[3]{3 2 1})", 0},
    {"backwards out", 0, "(s64[3,1]{1 2 3}; num_scan_inputs=1, scan_output_directions=[1], body=graph{(x) y = Identity(x); -> (y)}) -> (s64[3,1]{3 2 1})", 0},
    {"two inputs, transposed output", 0, "(b8[2]{1 0}, f32[2,2]{1 2 3 4}; num_scan_inputs=2, scan_output_axes=[1], body=graph{(c, x) z = Constant(; value_float=0.0); y = Where(c, x, z); -> (y)}) -> (f32[2,2]{1 0 2 0})", 0},
    {"no step", 0, "(f32[1]{7}, f32[0,1]{}; num_scan_inputs=1, body=graph{(s, x) y = Identity(x); -> (s, y)}) -> (f32[1]{7}, f32[0,1]{})", 0},
    {"packed", 0, "(u4[3,3]{1 2 3 4 5 6 7 8 9}; num_scan_inputs=1, scan_input_axes=[1], scan_output_directions=[1], body=graph{(x) y = Identity(x); -> (y)}) -> (u4[3,3]{3 6 9 2 5 8 1 4 7})", 0},
    {"strings", 0, "(string[2]{\"a\" \"bb\"}; num_scan_inputs=1, body=graph{(x) y = Identity(x); -> (y)}) -> (string[2]{\"a\" \"bb\"})", 0},
    {0},
};
// clang-format on

HST_OP(Scan) = {
    .name = "Scan",
    .domain = "",
    .since = 9,
    .min_in = 1,
    .max_in = OP_ANY,
    .min_out = 1,
    .max_out = OP_ANY,
    .infer = infer,
    .eval = eval,
    .summary = "a graph run over the steps of tensors",
    HST_CASES(cases),
};
