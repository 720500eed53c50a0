/* Blocks: where the memory of a run's values comes from and goes to. */
#include <string.h>

#include "base/checked.h"
#include "exec/session_impl.h"

static block *block_new(session *s) {
    block *b = s->unused;
    if (b)
        s->unused = b->next;
    else if (!(b = memory_alloc(&s->allocator, sizeof *b, 16)))
        return NULL;
    *b = (block){.references = 1, .trace = -1, .request = -1};
    return b;
}

static void block_put_away(session *s, block *b) {
    b->next = s->unused;
    s->unused = b;
}

void blocks_free(session *s) {
    while (s->unused) {
        block *b = s->unused;
        s->unused = b->next;
        memory_free(&s->allocator, b, sizeof *b);
    }
}

/* Notes a request; its life is completed when the block is dropped. */
static int trace_add(session *s, size_t size, bool escapes) {
    if (s->n_trace == s->trace_capacity) {
        int capacity = s->trace_capacity ? s->trace_capacity * 2 : 256;
        plan_request *bigger = memory_alloc(&s->allocator, (size_t)capacity * sizeof *bigger, 16);
        if (!bigger) {
            s->trace_failed = true;
            return -1;
        }
        if (s->n_trace) memcpy(bigger, s->trace, (size_t)s->n_trace * sizeof *bigger);
        memory_free(&s->allocator, s->trace, (size_t)s->trace_capacity * sizeof *bigger);
        s->trace = bigger;
        s->trace_capacity = capacity;
    }
    s->trace[s->n_trace] = (plan_request){.size = size, .first = s->step, .last = s->step, .escapes = escapes};
    return s->n_trace++;
}

/* The plan's place for the next request of this step, or NULL. */
static const plan_request *planned(session *s, size_t size) {
    int ordinal = s->ordinal++;
    if (!s->plan) return NULL;
    int k = s->plan->first[s->step] + ordinal;
    if (k >= s->plan->first[s->step + 1] || s->plan->requests[k].size < size) {
        s->misfit = true;
        return NULL;
    }
    return &s->plan->requests[k];
}

static hst_status take_output(session *s, block *b, size_t bytes, hst_error *err) {
    HST_TRY(session_take_output(s, bytes, &b->buffer, err));
    b->kind = BLOCK_OUTPUT;
    b->data = b->buffer->data;
    (void)outputs_need(bytes, &b->size);
    return HST_STATUS_OK;
}

static hst_status take_planned(const session *s, block *b, const plan_request *place) {
    b->kind = BLOCK_PLANNED;
    b->request = (int)(place - s->plan->requests);
    b->data = s->space.data + place->offset;
    s->plan->in_use[b->request] = true;
    return HST_STATUS_OK;
}

static hst_status take_space(session *s, block *b, hst_error *err) {
    HST_TRY(session_room(s, space_has(&s->space, b->size) ? 0 : b->size, err));
    if (!(b->data = space_take(&s->space, b->size))) return error_no_memory(err, b->size, "a temporary");
    b->kind = BLOCK_SPACE;
    session_count(s, b->size, 0);
    return HST_STATUS_OK;
}

hst_status block_take(session *s, size_t bytes, bool output, block **out, hst_error *err) {
    size_t size;
    if (!size_align(bytes ? bytes : 1, MEMORY_ALIGN, &size)) return error_no_memory(err, bytes, "a temporary");
    const plan_request *place = planned(s, size);
    block *b = block_new(s);
    if (!b) return error_no_memory(err, sizeof *b, "a temporary");
    b->size = size;
    if (place && place->escapes) output = true;
    hst_status status = output  ? take_output(s, b, bytes, err)
                        : place ? take_planned(s, b, place)
                                : take_space(s, b, err);
    if (status != HST_STATUS_OK) {
        block_put_away(s, b);
        return status;
    }
    b->trace = trace_add(s, b->size, b->kind == BLOCK_OUTPUT);
    *out = b;
    return HST_STATUS_OK;
}

hst_status block_bind(session *s, hst_tensor *t, block **out, hst_error *err) {
    block *b = block_new(s);
    if (!b) return error_no_memory(err, sizeof *b, "an output");
    b->kind = BLOCK_BOUND;
    b->data = t->data;
    b->size = t->bytes;
    *out = b;
    return HST_STATUS_OK;
}

void block_drop(session *s, block *b) {
    if (!b || --b->references > 0) return;
    if (b->trace >= 0) s->trace[b->trace].last = s->step;
    if (b->kind == BLOCK_PLANNED) {
        if (s->plan) s->plan->in_use[b->request] = false;
    } else if (b->kind == BLOCK_SPACE) {
        space_give(&s->space, b->data, b->size);
        session_count(s, 0, b->size);
    } else if (b->kind == BLOCK_OUTPUT) {
        const bool last = __atomic_load_n(&b->buffer->references, __ATOMIC_RELAXED) == 1;
        const size_t size = outputs_size(b->buffer);
        tensor_buffer_drop(b->buffer);
        if (last) session_count(s, 0, size);
    }
    block_put_away(s, b);
}

void live_drop(session *s, live *l) {
    tensor_buffer_drop(l->own);
    block_drop(s, l->block);
    l->own = NULL;
    l->block = NULL;
    l->tensor.buffer = NULL;
}

void slot_drop(session *s, int slot) {
    live_drop(s, &s->lives[slot]);
    s->at[slot] = NULL;
}

void scratch_drop(session *s) {
    while (s->scratch) {
        block *b = s->scratch;
        s->scratch = b->next;
        block_drop(s, b);
    }
}
