/* What a profile is told of a step: its kernel, its time, the work it did and the bytes it touched. */
#include <string.h>

#include "base/clock.h"
#include "exec/session_impl.h"

/* Constants count as weights. Where nothing was multiplied only what reaches the outputs was read of them (tables). */
static void count_bytes(const session *s, const step *st, const eval_context *c, hst_profile_event *v) {
    for (int i = 0; i < st->n_in; i++) {
        const hst_tensor *t = c->in[i];
        if (!t) continue;
        if (!s->engine->slots[st->in[i]].constant)
            v->moved_bytes += t->bytes;
        else
            v->weight_bytes += c->macs || t->bytes < v->output_bytes ? t->bytes : v->output_bytes;
    }
    v->moved_bytes += v->output_bytes;
}

static void describe(const hst_tensor *t, hst_type *to) {
    to->dtype = t->dtype;
    to->rank = t->rank;
    memcpy(to->dims, t->dim, sizeof t->dim);
}

void session_profile(session *s, const step *st, const eval_context *c, uint64_t begin_ns) {
    hst_profile_event v = {.node = st->node->name,
                           .op_type = st->node->op_type,
                           .domain = st->node->domain,
                           .kernel = st->kernel,
                           .step = (size_t)s->step - 1,
                           .steps = (size_t)s->engine->n_steps,
                           .begin_ns = begin_ns,
                           .end_ns = clock_ns(),
                           .output = {HST_DTYPE_NONE, -1, {0}},
                           .input = {HST_DTYPE_NONE, -1, {0}},
                           .macs = c->macs};
    for (int i = st->n_out - 1; i >= 0; i--) {
        const hst_tensor *t = st->out[i] >= 0 ? s->at[st->out[i]] : NULL;
        if (!t) continue;
        v.output_bytes += t->bytes;
        describe(t, &v.output);
    }
    if (st->n_in && c->in[0]) describe(c->in[0], &v.input);
    count_bytes(s, st, c, &v);
    s->options->profile(s->options->profile_user, &v);
}
