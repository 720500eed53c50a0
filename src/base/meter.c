/* One atomic count of bytes, one of references: the owner's, and each block's. */
#include "base/meter.h"

#include <string.h>

struct meter {
    hst_allocator base, self;
    size_t live, references, most, peak; /* atomic */
    bool refused;                        /* atomic */
    size_t (*relieve)(void *user);
    void *user;
};

static void drop(meter *m) {
    if (__atomic_sub_fetch(&m->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    hst_allocator a = m->base;
    memory_free(&a, m, sizeof *m);
}

/* Counts `size` as alive where the limit allows it. */
static bool reserve(meter *m, size_t size) {
    const size_t most = __atomic_load_n(&m->most, __ATOMIC_RELAXED);
    size_t live = meter_live(m);
    do
        if (live > most || size > most - live) return false;
    while (!__atomic_compare_exchange_n(&m->live, &live, live + size, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return true;
}

static bool reserve_relieved(meter *m, size_t size) {
    if (reserve(m, size)) return true;
    const size_t freed = m->relieve ? m->relieve(m->user) : 0;
    if (freed) __atomic_add_fetch(&m->most, freed, __ATOMIC_RELAXED);
    return freed && reserve(m, size);
}

static void *metered_alloc(void *user, size_t size, size_t align) {
    meter *m = user;
    if (!reserve_relieved(m, size)) {
        __atomic_store_n(&m->refused, true, __ATOMIC_RELAXED);
        return NULL;
    }
    void *p = memory_alloc(&m->base, size, align);
    if (!p) {
        __atomic_sub_fetch(&m->live, size, __ATOMIC_RELAXED);
        return NULL;
    }
    const size_t live = meter_live(m);
    size_t peak = __atomic_load_n(&m->peak, __ATOMIC_RELAXED);
    while (live > peak &&
           !__atomic_compare_exchange_n(&m->peak, &peak, live, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        continue;
    __atomic_add_fetch(&m->references, 1, __ATOMIC_RELAXED);
    return p;
}

static void metered_free(void *user, void *memory, size_t size) {
    meter *m = user;
    memory_free(&m->base, memory, size);
    __atomic_sub_fetch(&m->live, size, __ATOMIC_RELAXED);
    drop(m);
}

meter *meter_new(const hst_allocator *a) {
    if (!a) a = allocator_default();
    meter *m = memory_alloc(a, sizeof *m, 16);
    if (!m) return NULL;
    *m = (meter){.base = *a, .self = {m, metered_alloc, metered_free}, .references = 1};
    return m;
}

void meter_close(meter *m) {
    if (!m) return;
    m->relieve = NULL;
    meter_limit(m, SIZE_MAX);
    drop(m);
}

const hst_allocator *meter_allocator(const meter *m) { return &m->self; }

void meter_limit(meter *m, size_t most) {
    __atomic_store_n(&m->most, most, __ATOMIC_RELAXED);
}

size_t meter_live(const meter *m) { return __atomic_load_n(&m->live, __ATOMIC_RELAXED); }

size_t meter_peak(meter *m) {
    const size_t live = meter_live(m), peak = __atomic_exchange_n(&m->peak, live, __ATOMIC_RELAXED);
    return peak > live ? peak : live;
}

void meter_on_limit(meter *m, size_t (*relieve)(void *user), void *user) {
    m->relieve = relieve;
    m->user = user;
}

bool meter_refused(meter *m) {
    return __atomic_exchange_n(&m->refused, false, __ATOMIC_RELAXED);
}
