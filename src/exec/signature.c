/* Signatures: what was learned from runs with the same input shapes, and the memory plan made from it. */
#include <string.h>

#include "base/checked.h"
#include "exec/session_impl.h"

/* ---- finding and making ---- */

static uint64_t hash_key(const int64_t *key, int n) {
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < n; i++) {
        h ^= (uint64_t)key[i];
        h *= 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

signature *signature_find(session *s) {
    uint64_t hash = hash_key(s->key, s->key_size);
    for (int i = 0; i < SESSION_SIGNATURES; i++) {
        signature *g = s->signatures[i];
        if (g && g->hash == hash && g->key_size == s->key_size &&
            memcmp(g->key, s->key, (size_t)s->key_size * sizeof *s->key) == 0)
            return g;
    }
    return NULL;
}

static size_t plan_bytes(const session *s, int n) {
    size_t steps = (size_t)s->engine->n_steps + 3, count = (size_t)n;
    return count * (sizeof(plan_request) + sizeof(int) + sizeof(bool)) + 2 * steps * sizeof(int) + 16;
}

static void plan_forget(session *s, signature *g) {
    if (g->requests) memory_free(&s->allocator, g->requests, plan_bytes(s, g->n_requests));
    g->requests = NULL;
    g->n_requests = 0;
    g->total = g->beside = 0;
}

static void signature_free(session *s, signature *g) {
    if (!g) return;
    plan_forget(s, g);
    memory_free(&s->allocator, g->needed, (size_t)s->engine->n_steps + 1);
    memory_free(&s->allocator, g->key, (size_t)g->key_size * sizeof *g->key);
    memory_free(&s->allocator, g, sizeof *g);
}

void signatures_free(session *s) {
    for (int i = 0; i < SESSION_SIGNATURES; i++) {
        signature_free(s, s->signatures[i]);
        s->signatures[i] = NULL;
    }
}

/* Steps that the outputs asked for do not need; all steps run where every output is asked for. */
static bool find_needed(session *s, signature *g) {
    const engine *e = s->engine;
    int missing = 0;
    for (int i = 0; i < e->n_outputs; i++) missing += !s->wanted[i];
    if (missing == 0) return true;
    bool *slots = memory_alloc(&s->allocator, (size_t)e->n_slots + 1, 16);
    g->needed = memory_alloc(&s->allocator, (size_t)e->n_steps + 1, 16);
    if (slots && g->needed) {
        memset(slots, 0, (size_t)e->n_slots + 1);
        for (int i = 0; i < e->n_outputs; i++)
            if (s->wanted[i]) slots[e->outputs[i]] = true;
        for (int i = e->n_steps - 1; i >= 0; i--) {
            const step *st = &e->steps[i];
            g->needed[i] = false;
            for (int k = 0; k < st->n_out; k++) g->needed[i] |= st->out[k] >= 0 && slots[st->out[k]];
            if (!g->needed[i]) continue;
            for (int k = 0; k < st->n_in; k++)
                if (st->in[k] >= 0) slots[st->in[k]] = true;
            for (int k = 0; k < st->n_captured; k++) slots[st->captured[k]] = true;
        }
    }
    bool done = slots && g->needed;
    memory_free(&s->allocator, slots, (size_t)e->n_slots + 1);
    return done;
}

static bool shows_padding(const session *s, const signature *g) {
    const engine *e = s->engine;
    for (int i = 0; i < e->n_steps; i++)
        if (e->steps[i].shows_padding && (!g->needed || g->needed[i])) return true;
    return false;
}

hst_status signature_new(session *s, signature **out, hst_error *err) {
    size_t bytes = (size_t)s->key_size * sizeof *s->key;
    signature *g = memory_alloc(&s->allocator, sizeof *g, 16);
    if (!g) return error_no_memory(err, sizeof *g, "the plan of a run");
    *g = (signature){.key_size = s->key_size, .hash = hash_key(s->key, s->key_size)};
    if (!(g->key = memory_alloc(&s->allocator, bytes, 16)) || !find_needed(s, g)) {
        signature_free(s, g);
        return error_no_memory(err, bytes, "the plan of a run");
    }
    if (bytes) memcpy(g->key, s->key, bytes);
    g->padding = shows_padding(s, g);
    int oldest = 0;
    for (int i = 0; i < SESSION_SIGNATURES; i++) {
        if (!s->signatures[i]) {
            oldest = i;
            break;
        }
        if (s->signatures[i]->used < s->signatures[oldest]->used) oldest = i;
    }
    signature_free(s, s->signatures[oldest]);
    s->signatures[oldest] = *out = g;
    return HST_STATUS_OK;
}

/* ---- a run with a signature ---- */

/* Without a plan temporaries are placed in the arena's holes as they come, and what does not fit lies beside it: an arena
 * that takes much of the budget is in the way. */
static void begin_unplanned(session *s) {
    if (s->space.capacity > s->run_budget / 4 || session_held(s) > s->run_budget) space_resize(&s->space, 0);
    session_count(s, 0, 0);
}

void signature_begin(session *s, signature *g) {
    s->plan = NULL;
    s->misfit = s->trace_failed = s->over_budget = false;
    s->n_trace = 0;
    g->used = ++s->runs;
    /* A budget that the plan would pass may still do for a run that places its temporaries one by one. */
    const uint64_t left = s->used <= s->run_budget ? s->run_budget - s->used : 0, beside = g->beside + g->metered;
    if (!g->requests || g->total > left || beside > left - g->total) {
        begin_unplanned(s);
        return;
    }
    const size_t capacity = s->space.capacity > g->total ? s->space.capacity : g->total;
    const bool tight = capacity > left || beside + outputs_free(s->outputs) > left - capacity;
    if (tight) outputs_trim(s->outputs);
    if ((g->total > s->space.capacity || tight) && !space_resize(&s->space, g->total)) return;
    memset(g->in_use, 0, (size_t)g->n_requests);
    s->plan = g;
    s->space.planned = g->total;
    session_count(s, g->total, 0);
}

void signature_step_end(session *s) {
    const signature *g = s->plan;
    if (!g) return;
    for (int k = g->due_first[s->step]; k < g->due_first[s->step + 1]; k++)
        if (g->in_use[g->due[k]]) {
            /* It lives longer than in the run that the plan was made from: what the plan puts into its place from now
             * on would overwrite it. */
            s->plan = NULL;
            s->misfit = true;
            return;
        }
}

/* Lays out `n` requests (in `requests`, the head of a block of plan_bytes) for g. */
static void plan_index(const session *s, signature *g, plan_request *requests, int n) {
    int steps = s->engine->n_steps + 3;
    g->requests = requests;
    g->n_requests = n;
    g->first = (int *)(void *)(requests + n);
    g->due_first = g->first + steps;
    g->due = g->due_first + steps;
    g->in_use = (bool *)(g->due + n);
    memset(g->first, 0, (size_t)steps * 2 * sizeof(int));
    for (int i = 0; i < n; i++) {
        g->first[requests[i].first + 1]++;
        g->due_first[requests[i].last + 1]++;
    }
    for (int i = 1; i < steps; i++) {
        g->first[i] += g->first[i - 1];
        g->due_first[i] += g->due_first[i - 1];
    }
    /* due_first[k] moves to its end while the list is filled, and is then shifted back */
    for (int i = 0; i < n; i++) g->due[g->due_first[requests[i].last]++] = i;
    for (int i = steps - 1; i > 0; i--) g->due_first[i] = g->due_first[i - 1];
    g->due_first[0] = 0;
}

static void plan_make(session *s, signature *g) {
    int most = s->n_trace + g->n_requests;
    plan_request *joined = memory_alloc(&s->allocator, (size_t)(most + 1) * sizeof *joined, 16);
    if (!joined) return;
    int n = plan_merge(s->trace, s->n_trace, g->requests, g->n_requests, joined);
    plan_request *requests = memory_alloc(&s->allocator, plan_bytes(s, n), 16);
    size_t total, beside;
    if (requests && plan_place(joined, n, &s->allocator, &total, &beside, NULL) == HST_STATUS_OK) {
        plan_forget(s, g);
        if (n) memcpy(requests, joined, (size_t)n * sizeof *joined);
        plan_index(s, g, requests, n);
        g->total = total;
        g->beside = beside;
    } else {
        memory_free(&s->allocator, requests, plan_bytes(s, n));
    }
    memory_free(&s->allocator, joined, (size_t)(most + 1) * sizeof *joined);
}

static uint64_t bytes_of(const plan_request *r, int n) {
    uint64_t bytes = 0;
    for (int i = 0; i < n; i++)
        if (!r[i].escapes) bytes += r[i].size;
    return bytes;
}

/* Where lengths depend on data, runs of one signature need more or less, and its plan grows to the most. After
 * SESSION_WINDOW of them that needed less than a quarter of that, it is made anew from the last. */
static void plan_shrink(session *s, signature *g) {
    const size_t was = g->total;
    if (bytes_of(s->trace, s->n_trace) >= bytes_of(g->requests, g->n_requests) / 4) {
        g->low_runs = 0;
        return;
    }
    if (++g->low_runs < SESSION_WINDOW) return;
    g->low_runs = 0;
    plan_forget(s, g);
    plan_make(s, g);
    for (int i = 0; i < SESSION_WINDOW; i++)
        if (s->needs[i] == was) s->needs[i] = g->total;
}

/* The arena's size for the runs to come: enough for this signature; and where the last SESSION_WINDOW runs together
 * needed less than a quarter of it, no more than the most of them. */
static void arena_adapt(session *s, const signature *g) {
    s->needs[s->runs % SESSION_WINDOW] = g->total;
    size_t recent = 0;
    for (int i = 0; i < SESSION_WINDOW; i++)
        if (s->needs[i] > recent) recent = s->needs[i];
    const uint64_t need = g->total + g->beside + g->metered + states_bytes(s);
    if (g->total > s->space.capacity && need <= s->budget) {
        space_resize(&s->space, 0);
        if (session_room(s, g->total, NULL) == HST_STATUS_OK) space_resize(&s->space, g->total);
    } else if (recent < s->space.capacity / 4)
        space_resize(&s->space, recent);
}

void signature_end(session *s, signature *g) {
    if ((!g->requests || s->misfit) && !s->trace_failed) plan_make(s, g);
    if (g->requests && !s->trace_failed) plan_shrink(s, g);
    s->plan = NULL;
    /* Of late runs more than of old ones: lengths may depend on data. */
    g->metered = s->metered_most > g->metered - g->metered / 8 ? s->metered_most : g->metered - g->metered / 8;
    arena_adapt(s, g);
}
