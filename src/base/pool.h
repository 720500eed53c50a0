/* A pool: memory for large things that live and die with one owner, in pieces that the system backs with large pages
 * where it has them (transparent huge pages on request): a matrix read once a run costs few translations. Freeing a
 * block does nothing; pool_free gives everything back. Not thread-safe. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/memory.h"

typedef struct pool pool;

/* Ownership: pool_free. NULL: no memory. */
pool *pool_new(void);
void pool_free(pool *p);
/* Valid as long as the pool. */
const hst_allocator *pool_allocator(const pool *p);

#endif
