/* One atomic count of bytes, one of references: the owner's, and each block's. */
#include "base/meter.h"

#include <string.h>

struct meter {
    hst_allocator base, self;
    size_t live, references, most; /* atomic */
    bool refused;                  /* atomic */
};

static void drop(meter *m) {
    if (__atomic_sub_fetch(&m->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    hst_allocator a = m->base;
    memory_free(&a, m, sizeof *m);
}

static void *metered_alloc(void *user, size_t size, size_t align) {
    meter *m = user;
    const size_t live = meter_live(m), most = __atomic_load_n(&m->most, __ATOMIC_RELAXED);
    if (live > most || size > most - live) {
        __atomic_store_n(&m->refused, true, __ATOMIC_RELAXED);
        return NULL;
    }
    void *p = memory_alloc(&m->base, size, align);
    if (!p) return NULL;
    __atomic_add_fetch(&m->live, size, __ATOMIC_RELAXED);
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
    if (m) drop(m);
}

const hst_allocator *meter_allocator(const meter *m) { return &m->self; }

void meter_limit(meter *m, size_t most) {
    __atomic_store_n(&m->most, most, __ATOMIC_RELAXED);
}

size_t meter_live(const meter *m) { return __atomic_load_n(&m->live, __ATOMIC_RELAXED); }

bool meter_refused(meter *m) {
    return __atomic_exchange_n(&m->refused, false, __ATOMIC_RELAXED);
}
