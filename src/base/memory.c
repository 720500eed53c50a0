/* Allocators and arenas. */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

static void *libc_alloc(void *user, size_t size, size_t align) {
    (void)user;
    void *p = NULL;
    if (align <= 16) return malloc(size ? size : 1);
    return posix_memalign(&p, align, size ? size : 1) == 0 ? p : NULL;
}

static void libc_free(void *user, void *memory, size_t size) {
    (void)user;
    (void)size;
    free(memory);
}

static const hst_allocator libc_allocator = {NULL, libc_alloc, libc_free};

const hst_allocator *allocator_default(void) { return &libc_allocator; }

void *memory_alloc(const hst_allocator *a, size_t size, size_t align) {
    if (!a) a = &libc_allocator;
    if (size > PTRDIFF_MAX) return NULL;
    return a->alloc(a->user, size, align);
}

void memory_free(const hst_allocator *a, void *memory, size_t size) {
    if (!memory) return;
    if (!a) a = &libc_allocator;
    a->free(a->user, memory, size);
}

typedef struct block {
    struct block *next;
    size_t size; /* of the whole block, this header included */
} block;

#define BLOCK_FIRST ((size_t)4096)
#define BLOCK_MOST ((size_t)1 << 20)

struct arena {
    hst_allocator allocator;
    block *blocks;
    char *at, *end;
    size_t used, limit, next_size;
};

arena *arena_new(const hst_allocator *from) {
    if (!from) from = &libc_allocator;
    arena *a = memory_alloc(from, sizeof *a, 16);
    if (!a) return NULL;
    memset(a, 0, sizeof *a);
    a->allocator = *from;
    a->next_size = BLOCK_FIRST;
    return a;
}

void arena_free(arena *a) {
    if (!a) return;
    hst_allocator allocator = a->allocator;
    for (block *b = a->blocks; b;) {
        block *next = b->next;
        memory_free(&allocator, b, b->size);
        b = next;
    }
    memory_free(&allocator, a, sizeof *a);
}

static bool add_block(arena *a, size_t need) {
    size_t size;
    if (!size_add(need, sizeof(block), &size)) return false;
    if (size < a->next_size) size = a->next_size;
    block *b = memory_alloc(&a->allocator, size, 16);
    if (!b) return false;
    b->size = size;
    b->next = a->blocks;
    a->blocks = b;
    a->at = (char *)(b + 1);
    a->end = (char *)b + size;
    if (a->next_size < BLOCK_MOST) a->next_size *= 2;
    return true;
}

void *arena_alloc_aligned(arena *a, size_t size, size_t align) {
    size_t need;
    if (!size_add(size, align, &need)) return NULL;
    if (a->limit && (size > a->limit || a->used > a->limit - size)) return NULL;
    uintptr_t at = ((uintptr_t)a->at + (align - 1)) & ~(uintptr_t)(align - 1);
    if (!a->at || at > (uintptr_t)a->end || size > (uintptr_t)a->end - at) {
        if (!add_block(a, need)) return NULL;
        at = ((uintptr_t)a->at + (align - 1)) & ~(uintptr_t)(align - 1);
    }
    void *p = (void *)at;
    a->at = (char *)at + size;
    a->used += size;
    memset(p, 0, size);
    return p;
}

void *arena_alloc(arena *a, size_t size) { return arena_alloc_aligned(a, size, 16); }

void *arena_alloc_array(arena *a, size_t count, size_t size) {
    size_t bytes;
    return size_mul(count, size, &bytes) ? arena_alloc(a, bytes) : NULL;
}

char *arena_copy_string(arena *a, const char *text, size_t size) {
    size_t need;
    if (!size_add(size, 1, &need)) return NULL;
    char *copy = arena_alloc_aligned(a, need, 1);
    if (copy && size) memcpy(copy, text, size);
    return copy;
}

void *arena_copy(arena *a, const void *data, size_t size) {
    void *copy = arena_alloc(a, size);
    if (copy && size) memcpy(copy, data, size);
    return copy;
}

size_t arena_used(const arena *a) { return a->used; }
void arena_set_limit(arena *a, size_t bytes) { a->limit = bytes; }
const hst_allocator *arena_allocator(const arena *a) { return &a->allocator; }
