/* Pieces are anonymous mappings that begin at a multiple of a large page; blocks are cut from the newest one. Pages
 * that no block reaches are never touched, so that a piece's unused end costs addresses only. */
#include "base/pool.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/checked.h"

#define PAGE  ((size_t)2 << 20) /* a large page of x86-64 and most of arm64 */
#define PIECE ((size_t)32 << 20)

typedef struct piece {
    struct piece *next;
    void *mapping;
    size_t size; /* of the mapping */
} piece;

struct pool {
    hst_allocator allocator;
    piece *pieces;
    uintptr_t at, end; /* what is left of the newest */
};

static bool add_piece(pool *p, size_t need) {
    size_t size = need < PIECE ? PIECE : need, mapped;
    if (!size_align(size, PAGE, &size) || !size_add(size, PAGE, &mapped)) return false;
    piece *n = malloc(sizeof *n);
    if (!n) return false;
    void *m = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m == MAP_FAILED) {
        free(n);
        return false;
    }
    *n = (piece){p->pieces, m, mapped};
    p->pieces = n;
    p->at = ((uintptr_t)m + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    p->end = p->at + size;
#if defined(MADV_HUGEPAGE)
    madvise((void *)p->at, size, MADV_HUGEPAGE); /* refused where there are none: then they are small */
#endif
    return true;
}

static void *take(void *user, size_t size, size_t align) {
    pool *p = user;
    size_t need;
    if (!size_add(size, align, &need)) return NULL;
    uintptr_t at = (p->at + align - 1) & ~(uintptr_t)(align - 1);
    if (p->at == 0 || at > p->end || size > p->end - at) {
        if (!add_piece(p, need)) return NULL;
        at = (p->at + align - 1) & ~(uintptr_t)(align - 1);
    }
    p->at = at + size;
    return (void *)at;
}

static void keep(void *user, void *memory, size_t size) {
    (void)user;
    (void)memory;
    (void)size;
}

pool *pool_new(void) {
    pool *p = calloc(1, sizeof *p);
    if (p) p->allocator = (hst_allocator){p, take, keep};
    return p;
}

void pool_free(pool *p) {
    if (!p) return;
    for (piece *next, *n = p->pieces; n; n = next) {
        next = n->next;
        munmap(n->mapping, n->size);
        free(n);
    }
    free(p);
}

const hst_allocator *pool_allocator(const pool *p) {
    return &p->allocator;
}
