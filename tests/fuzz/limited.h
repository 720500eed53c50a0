/* What a fuzzed object is held to: an allocator with a limit, which notices what is given back with a wrong size. */
#ifndef FUZZ_LIMITED_H
#define FUZZ_LIMITED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "hasten.h"

typedef struct limited {
    size_t live, most;
    const char *whose;
} limited;

static inline void *limited_alloc(void *user, size_t size, size_t align) {
    limited *l = user;
    if (size > l->most || __atomic_add_fetch(&l->live, size, __ATOMIC_RELAXED) > l->most) {
        fprintf(stderr, "%zu bytes for %s, which has %zu\n", size, l->whose, l->live);
        abort();
    }
    /* before the block: where it begins, and its size */
    const size_t head = align < 16 ? 16 : align;
    char *p = memory_alloc(NULL, size + head, head);
    if (!p) return NULL;
    memcpy(p + head - 16, &p, sizeof p);
    memcpy(p + head - 8, &size, sizeof size);
    return p + head;
}

static inline void limited_free(void *user, void *memory, size_t size) {
    limited *l = user;
    size_t was;
    memcpy(&was, (char *)memory - sizeof was, sizeof was);
    if (was != size) {
        fprintf(stderr, "%zu bytes of %s are given back as %zu\n", was, l->whose, size);
        abort();
    }
    __atomic_sub_fetch(&l->live, size, __ATOMIC_RELAXED);
    void *begin;
    memcpy(&begin, (char *)memory - 16, sizeof begin);
    free(begin);
}

static inline hst_allocator limited_allocator(limited *l) {
    return (hst_allocator){l, limited_alloc, limited_free};
}

static inline void die(const char *what, const hst_error *err) {
    fprintf(stderr, "%s: %s\n", what, err ? err->message : "");
    abort();
}

/* Failures are told of; a bug of hasten is none that may happen. */
static inline void check_status(const char *what, hst_status status, const hst_error *err) {
    if (status == HST_STATUS_INTERNAL) die(what, err);
    if (status != HST_STATUS_OK && !err->message[0]) die(what, NULL);
}

#endif
