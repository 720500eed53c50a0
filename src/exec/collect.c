/* The end of a run: outputs become handles in the caller's hands, or contents of the memory that the caller bound. */
#include <string.h>

#include "exec/session_impl.h"

/* The slot's value lies in a temporary: the next run with this signature takes an output buffer for it at once. */
static void note_escape(session *s, const live *l) {
    if (!l->block || l->block->trace < 0 || l->block->kind == BLOCK_OUTPUT || l->block->kind == BLOCK_BOUND) return;
    s->trace[l->block->trace].escapes = true;
    s->misfit = true;
}

/* Strings, lists: they are not in one block. */
static hst_status collect_clone(session *s, const hst_tensor *t, hst_tensor **out, hst_error *err) {
    const hst_status status = tensor_clone(t, meter_allocator(s->meter), out, err);
    if (status != HST_STATUS_NO_MEMORY || !meter_refused(s->meter)) return status;
    return error_set(err, HST_STATUS_BUDGET, "memory_budget",
                     "an output needs more memory than it may have: %llu bytes are in use, the memory budget is %llu",
                     (unsigned long long)session_held(s), (unsigned long long)s->run_budget);
}

static hst_status collect_copy(session *s, const hst_tensor *t, hst_tensor **out, hst_error *err) {
    block *b = NULL;
    if (t->dtype == HST_DTYPE_STRING || tensor_is_list(t)) return collect_clone(s, t, out, err);
    HST_TRY(block_take(s, t->bytes, true, &b, err));
    if (t->bytes) memcpy(b->data, t->data, t->bytes);
    hst_tensor copy = *t;
    copy.buffer = b->buffer;
    copy.data = b->data;
    hst_status status = tensor_view(&copy, t->rank, t->dim, outputs_handles(s->outputs), out, err);
    block_drop(s, b);
    return status;
}

static hst_status collect_bound(session *s, int k, const hst_tensor *t, hst_error *err) {
    hst_tensor *to = s->bound[k];
    const char *name = s->engine->slots[s->engine->outputs[k]].value->name;
    if (to->dtype != t->dtype || to->rank != t->rank || memcmp(to->dim, t->dim, (size_t)t->rank * sizeof *t->dim)) {
        type is = type_of_tensor(t), wants = type_of_tensor(to);
        char a[128], b[128];
        return error_set(err, HST_STATUS_BAD_SHAPE, name, "output '%s' is %s, the tensor bound to it is %s", name,
                         type_format(s->engine->model, &is, a, sizeof a),
                         type_format(s->engine->model, &wants, b, sizeof b));
    }
    if (to->data != t->data && t->bytes) memmove(to->data, t->data, t->bytes);
    return HST_STATUS_OK;
}

hst_status collect_outputs(session *s, hst_error *err) {
    const engine *e = s->engine;
    for (int k = 0; k < e->n_outputs; k++) {
        if (!s->wanted[k]) continue;
        int slot = e->outputs[k];
        const hst_tensor *t = s->at[slot];
        live *l = &s->lives[slot];
        bool computed = t == &l->tensor;
        if (!t) {
            const char *name = e->slots[slot].value->name;
            return error_set(err, HST_STATUS_INVALID_ARGUMENT, name,
                             "output '%s' has no value: it is an input that was not given", name);
        }
        if (s->bound[k]) {
            HST_TRY(collect_bound(s, k, t, err));
        } else if (computed && (l->own || (l->block && l->block->kind == BLOCK_OUTPUT))) {
            HST_TRY(tensor_view(t, t->rank, t->dim, outputs_handles(s->outputs), &s->results[k], err));
        } else {
            if (computed) note_escape(s, l);
            HST_TRY(collect_copy(s, t, &s->results[k], err));
        }
    }
    return HST_STATUS_OK;
}
