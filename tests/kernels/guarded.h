/* Memory that ends at a page that must not be touched: a kernel that reads or writes one element too far dies. */
#ifndef TESTS_KERNELS_GUARDED_H
#define TESTS_KERNELS_GUARDED_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct guarded {
    void *data; /* `bytes` long, its end is the page's end: aligned only as far as bytes are */
    void *map;
    size_t map_size;
} guarded;

static inline guarded guarded_new(size_t bytes) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (bytes + page - 1) / page * page;
    guarded g = {.map_size = body + page};
    g.map = mmap(NULL, g.map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED) abort();
    if (mprotect((char *)g.map + body, page, PROT_NONE)) abort();
    g.data = (char *)g.map + body - bytes;
    return g;
}

static inline void guarded_free(guarded *g) {
    munmap(g->map, g->map_size);
}

/* A small generator, the same numbers on every machine. */
static inline uint32_t guarded_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Floats in about (-2, 2), of few and of many bits. */
static inline float guarded_float(uint64_t *state) {
    const uint32_t r = guarded_random(state);
    if (r % 16 == 0) return (float)(int)(r / 16 % 5) - 2.0f;
    return ((float)(r & 0xffffff) / (float)0x800000 - 1.0f) * 2.0f;
}

static inline guarded guarded_floats(size_t n, uint64_t *state) {
    guarded g = guarded_new(n * sizeof(float));
    for (size_t i = 0; i < n; i++) ((float *)g.data)[i] = guarded_float(state);
    return g;
}

#endif
