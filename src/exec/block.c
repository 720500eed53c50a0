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

void session_count(session *s, uint64_t more, uint64_t less) {
    s->used += more;
    s->used -= less;
    uint64_t left = s->used < s->run_budget ? s->run_budget - s->used : 0;
    size_t most;
    if (left > SIZE_MAX / 2) left = SIZE_MAX / 2;
    meter_limit(s->meter, size_add(s->metered_before, (size_t)left, &most) ? most : SIZE_MAX);
}

uint64_t session_held(const session *s) {
    size_t callers = 0;
    const size_t live = meter_live(s->meter), outputs = outputs_bytes(s->outputs, &callers);
    const size_t slack = s->space.capacity - s->space.planned - (s->space.live - s->space.outside);
    return s->used + (live > s->metered_before ? live - s->metered_before : 0) + slack + (outputs - callers);
}

void session_note_most(session *s) {
    const uint64_t now = session_memory(s, NULL) + s->space.outside;
    if (now > s->most_memory) s->most_memory = now;
}

bool session_fits(session *s, size_t more) {
    uint64_t held = session_held(s);
    if (held <= s->run_budget && more <= s->run_budget - held) return true;
    outputs_trim(s->outputs, true);
    held = session_held(s);
    return held <= s->run_budget && more <= s->run_budget - held;
}

static hst_status over_budget(session *s, size_t size, hst_error *err) {
    s->over_budget = true;
    return error_set(err, HST_STATUS_BUDGET, "memory_budget",
                     "%zu bytes are needed beside %llu in use, the memory budget is %llu", size,
                     (unsigned long long)session_held(s), (unsigned long long)s->run_budget);
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

hst_status block_take(session *s, size_t bytes, bool output, block **out, hst_error *err) {
    size_t size;
    if (!size_align(bytes ? bytes : 1, MEMORY_ALIGN, &size)) return error_no_memory(err, bytes, "a temporary");
    const plan_request *place = planned(s, size);
    block *b = block_new(s);
    if (!b) return error_no_memory(err, sizeof *b, "a temporary");
    b->size = size;
    if (place && place->escapes) output = true;
    if (output) {
        hst_status status = HST_STATUS_OK;
        if (!session_fits(s, size))
            status = over_budget(s, size, err);
        else if (!(b->buffer = outputs_take(s->outputs, size)))
            status = error_no_memory(err, size, "an output");
        if (status != HST_STATUS_OK) {
            block_put_away(s, b);
            return status;
        }
        b->kind = BLOCK_OUTPUT;
        b->data = b->buffer->data;
        session_count(s, size, 0);
    } else if (place) {
        b->kind = BLOCK_PLANNED;
        b->request = (int)(place - s->plan->requests);
        b->data = s->space.data + place->offset;
        s->plan->in_use[b->request] = true;
    } else {
        hst_status status = HST_STATUS_OK;
        if (!space_has(&s->space, size) && !session_fits(s, size))
            status = over_budget(s, size, err);
        else if (!(b->data = space_take(&s->space, size)))
            status = error_no_memory(err, size, "a temporary");
        if (status != HST_STATUS_OK) {
            block_put_away(s, b);
            return status;
        }
        b->kind = BLOCK_SPACE;
        session_count(s, size, 0);
        session_note_most(s);
    }
    b->trace = trace_add(s, size, b->kind == BLOCK_OUTPUT);
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
        tensor_buffer_drop(b->buffer);
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
