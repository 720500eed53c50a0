/* What operators ask of the session that runs them. */
#include <string.h>

#include "base/clock.h"
#include "exec/session_impl.h"
#include "ops/interp.h"

hst_status session_check(session *s, hst_error *err) {
    const hst_run_options *o = s->options;
    if (o->cancel && __atomic_load_n(o->cancel, __ATOMIC_RELAXED))
        return error_set(err, HST_STATUS_CANCELLED, NULL, "the run was cancelled at step %d of %d", s->step,
                         s->engine->n_steps);
    if (o->deadline_ns && clock_ns() >= o->deadline_ns)
        return error_set(err, HST_STATUS_DEADLINE, NULL, "the deadline passed at step %d of %d", s->step,
                         s->engine->n_steps);
    return HST_STATUS_OK;
}

static bool same_shape(const hst_tensor *t, hst_dtype d, int rank, const int64_t *dims) {
    if (t->dtype != d || t->rank != rank) return false;
    for (int i = 0; i < rank; i++)
        if (t->dim[i] != dims[i]) return false;
    return true;
}

/* The slot's tensor for output i; a spare one where the node omits it. */
static live *output_live(const session *s, const step *st, int i) {
    return st->out[i] >= 0 ? &s->lives[st->out[i]] : &s->spare[i];
}

static hst_status give_output(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, hst_tensor **out,
                              hst_error *err) {
    session *s = c->owner;
    const step *st = &s->engine->steps[s->step - 1];
    size_t bytes = 0;
    if (i < 0 || i >= c->n_out) return node_error(c->node, err, HST_STATUS_INTERNAL, "has no output %d", i);
    hst_status status = shape_bytes(d, rank, dims, &bytes, err);
    if (status != HST_STATUS_OK) return node_error(c->node, err, status, "output %d: %s", i, err ? err->message : "");
    live *l = output_live(s, st, i);
    live_drop(s, l);
    int slot = st->out[i], bound = slot >= 0 && s->kept[slot] ? s->engine->slots[slot].output : -1;
    bool own = d == HST_DTYPE_STRING || d >= HST_DTYPE_SEQUENCE; /* gets a buffer of its own before the step has ended */
    bool output = bound >= 0 && !own;
    if (output && s->bound[bound] && same_shape(s->bound[bound], d, rank, dims))
        status = block_bind(s, s->bound[bound], &l->block, err);
    else
        status = block_take(s, bytes, output, &l->block, err);
    if (status != HST_STATUS_OK)
        return error_prefix(err, status, "output %d of %s '%s'", i, c->node->op_type, c->node->name);
    l->tensor = (hst_tensor){.dtype = d,
                             .rank = rank,
                             .data = l->block->data,
                             .bytes = bytes,
                             .buffer = own ? NULL : l->block->buffer,
                             .allocator = own ? *meter_allocator(s->meter) : s->allocator};
    for (int k = 0; k < rank; k++) l->tensor.dim[k] = dims[k];
    if (own) memset(l->tensor.data, 0, bytes);
    if (bytes && dtype_bits(d) % 8) ((char *)l->tensor.data)[bytes - 1] = 0; /* may have room for more than there is */
    c->out[i] = *out = &l->tensor;
    return HST_STATUS_OK;
}

static hst_status give_alias(eval_context *c, int i, int from, int rank, const int64_t *dims, hst_error *err) {
    session *s = c->owner;
    const step *st = &s->engine->steps[s->step - 1];
    const hst_tensor *t = from >= 0 && from < c->n_in ? c->in[from] : NULL;
    int64_t count = 0;
    if (i < 0 || i >= c->n_out) return node_error(c->node, err, HST_STATUS_INTERNAL, "has no output %d", i);
    if (!t) return node_error(c->node, err, HST_STATUS_INTERNAL, "has no input %d", from);
    HST_TRY(shape_count(rank, dims, &count, err));
    if (count != tensor_count(t))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld elements cannot take a shape of %lld",
                          (long long)tensor_count(t), (long long)count);
    live *l = output_live(s, st, i);
    live *source = s->at[st->in[from]] == &s->lives[st->in[from]].tensor ? &s->lives[st->in[from]] : NULL;
    live_drop(s, l);
    l->tensor = *t;
    l->tensor.rank = rank;
    for (int k = 0; k < rank; k++) l->tensor.dim[k] = dims[k];
    if (source) {
        l->block = source->block;
        if (l->block) l->block->references++;
        l->own = tensor_buffer_retain(source->own);
    } else {
        l->tensor.buffer = NULL; /* the caller's or the model's: lent for this run only */
    }
    c->out[i] = &l->tensor;
    return HST_STATUS_OK;
}

static void *give_scratch(eval_context *c, size_t bytes) {
    session *s = c->owner;
    block *b = NULL;
    if (block_take(s, bytes, false, &b, NULL) != HST_STATUS_OK) return NULL;
    b->next = s->scratch;
    s->scratch = b;
    return b->data;
}

static hst_status give_check(eval_context *c, hst_error *err) {
    return session_check(c->owner, err);
}

static hst_status check_user(void *user, hst_error *err) {
    return session_check(user, err);
}

static const hst_tensor *captured(void *scope, const value *v) {
    const session *s = scope;
    const step *st = &s->engine->steps[s->step - 1];
    for (int k = 0; k < st->n_captured; k++)
        if (s->engine->slots[st->captured[k]].value == v) return s->at[st->captured[k]];
    return v->constant;
}

#define SUBGRAPH_INPUTS 64

static hst_status give_subgraph(eval_context *c, const graph *g, const hst_tensor *const *in, int n_in,
                                hst_tensor **out, int n_out, hst_error *err) {
    session *s = c->owner;
    const hst_tensor *inputs[SUBGRAPH_INPUTS] = {0};
    if (n_in > g->n_inputs || n_out != g->n_outputs || g->n_inputs > SUBGRAPH_INPUTS)
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT,
                          "its graph has %d inputs and %d outputs, not %d and %d (and at most %d inputs are taken)",
                          g->n_inputs, g->n_outputs, n_in, n_out, SUBGRAPH_INPUTS);
    for (int i = 0; i < n_in; i++) inputs[i] = in[i];
    interp_options o = {.allocator = meter_allocator(s->meter),
                        .check = check_user,
                        .user = s,
                        .captured = captured,
                        .scope = s,
                        .team = s->team};
    return interp_run(g, inputs, out, &o, err);
}

const eval_runtime session_runtime = {give_output, give_alias, give_scratch, give_subgraph, give_check};
