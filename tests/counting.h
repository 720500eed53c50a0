/* An allocator for tests: counts what is allocated and alive, and can fail the n-th allocation from now. */
#ifndef TESTS_COUNTING_H
#define TESTS_COUNTING_H

#include <stdint.h>

#include "base/memory.h"

typedef struct counting {
    long allocations, alive; /* atomic: freed from any thread */
    long bytes;
    long fail_at; /* counts down at each allocation; the one that finds 1 fails; 0: never */
} counting;

static inline void *counting_alloc(void *user, size_t size, size_t align) {
    counting *c = user;
    if (__atomic_load_n(&c->fail_at, __ATOMIC_RELAXED) > 0 && __atomic_sub_fetch(&c->fail_at, 1, __ATOMIC_RELAXED) == 0)
        return NULL;
    void *p = memory_alloc(NULL, size, align);
    if (!p) return NULL;
    __atomic_add_fetch(&c->allocations, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&c->alive, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&c->bytes, (long)size, __ATOMIC_RELAXED);
    return p;
}

static inline void counting_free(void *user, void *memory, size_t size) {
    counting *c = user;
    __atomic_sub_fetch(&c->alive, 1, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&c->bytes, (long)size, __ATOMIC_RELAXED);
    memory_free(NULL, memory, size);
}

static inline hst_allocator counting_allocator(counting *c) {
    return (hst_allocator){c, counting_alloc, counting_free};
}

#endif
