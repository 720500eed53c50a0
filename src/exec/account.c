/* What a session holds, against its budget:
 *
 *   used      the plan's part of the arena, temporaries beside it, the run's outputs, state
 *   metered   what the meter counts beyond what was alive in it when the run began
 *   slack     the arena's unused rest
 *   free      dropped outputs that are kept for the next run
 *
 * Every change of `used` gives the meter what is left as its limit, and says how much may lie free. Outputs of earlier
 * runs that the caller still holds count when they come back; as many bytes were alive all the time. */
#include <string.h>

#include "base/checked.h"
#include "exec/session_impl.h"

static uint64_t minus(uint64_t a, uint64_t b) {
    return a > b ? a - b : 0;
}

static size_t slack(const session *s) {
    return s->space.capacity - s->space.planned - (s->space.live - s->space.outside);
}

static uint64_t metered(const session *s) {
    return minus(meter_live(s->meter), s->metered_before);
}

static size_t to_size(uint64_t bytes) {
    return bytes < SIZE_MAX / 2 ? (size_t)bytes : SIZE_MAX / 2;
}

uint64_t session_held(const session *s) {
    return s->used + metered(s) + slack(s) + outputs_free(s->outputs);
}

/* The meter may have had its peak since `beside` was last told. */
static void note_most(session *s) {
    const uint64_t peak = minus(meter_peak(s->meter), s->metered_before);
    const uint64_t now = __atomic_load_n(&s->beside, __ATOMIC_RELAXED) + peak;
    if (peak > s->metered_most) s->metered_most = peak;
    if (now > s->most_memory) s->most_memory = now;
}

void session_count(session *s, uint64_t more, uint64_t less) {
    size_t most;
    note_most(s);
    s->used += more;
    s->used -= less;
    const uint64_t taken = s->used + slack(s);
    const size_t free = outputs_keep(s->outputs, to_size(minus(s->run_budget, taken + metered(s))));
    __atomic_store_n(&s->beside, taken + free, __ATOMIC_RELAXED);
    const size_t left = to_size(minus(s->run_budget, taken + free));
    meter_limit(s->meter, size_add(s->metered_before, left, &most) ? most : SIZE_MAX);
    note_most(s);
}

size_t session_relieve(void *user) {
    session *s = user;
    const size_t bytes = outputs_trim(s->outputs);
    __atomic_sub_fetch(&s->beside, bytes, __ATOMIC_RELAXED);
    return bytes;
}

static bool fits(const session *s, size_t more) {
    const uint64_t held = session_held(s);
    return held <= s->run_budget && more <= s->run_budget - held;
}

void session_settle(session *s) {
    note_most(s);
    s->run_budget = s->budget;
    s->metered_before = meter_live(s->meter);
    s->used = 0;
    session_count(s, states_bytes(s), 0);
    if (!fits(s, 0)) outputs_trim(s->outputs);
    session_count(s, 0, 0);
}

void session_trim_all(session *s) {
    space_resize(&s->space, 0);
    outputs_trim(s->outputs);
}

/* Gives back what lies unused where it is in the way. */
static bool make_room(session *s, size_t more) {
    if (fits(s, more)) return true;
    outputs_trim(s->outputs);
    if (!fits(s, more) && slack(s) == s->space.capacity) space_resize(&s->space, 0);
    return fits(s, more);
}

hst_status session_room(session *s, size_t more, hst_error *err) {
    if (make_room(s, more)) return HST_STATUS_OK;
    s->over_budget = true;
    return error_set(err, HST_STATUS_BUDGET, "memory_budget",
                     "%zu bytes are needed beside %llu in use, the memory budget is %llu", more,
                     (unsigned long long)session_held(s), (unsigned long long)s->run_budget);
}

hst_status session_take_output(session *s, size_t bytes, tensor_buffer **out, hst_error *err) {
    size_t need;
    if (!outputs_need(bytes, &need)) return error_no_memory(err, bytes, "an output");
    tensor_buffer *b = fits(s, 0) ? outputs_take(s->outputs, bytes, false) : NULL;
    if (!b) {
        HST_TRY(session_room(s, need, err));
        if (!(b = outputs_take(s->outputs, bytes, true))) return error_no_memory(err, bytes, "an output");
    }
    session_count(s, outputs_size(b), 0);
    *out = b;
    return HST_STATUS_OK;
}
