/* Memory: calls through an hst_allocator, and arenas. An arena owns many small things that die together (a graph, a
 * tokenizer): allocation is a bump, there is one free. Not thread-safe. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "base/error.h"

#define MEMORY_ALIGN 64 /* every tensor's data is aligned to a cache line */

/* The allocator to use where the caller passed NULL. */
const hst_allocator *allocator_default(void);

/* NULL on failure; size 0 gives a valid pointer. `a` NULL: libc. Blocks from memory_alloc are aligned to `align`. */
void *memory_alloc(const hst_allocator *a, size_t size, size_t align);
void memory_free(const hst_allocator *a, void *memory, size_t size);

typedef struct arena arena;

/* Ownership: arena_free gives everything back. `a` NULL: libc; it is copied. Returns NULL when out of memory. */
arena *arena_new(const hst_allocator *a);
void arena_free(arena *a);

/* Zeroed, 16-byte aligned memory that lives as long as the arena; NULL when out of memory or over the arena's limit. */
void *arena_alloc(arena *a, size_t size);
void *arena_alloc_array(arena *a, size_t count, size_t size); /* NULL on overflow too */
void *arena_alloc_aligned(arena *a, size_t size, size_t align);
char *arena_copy_string(arena *a, const char *text, size_t size); /* NUL-terminated copy of `size` bytes */
void *arena_copy(arena *a, const void *data, size_t size);

/* Bytes handed out so far; a limit makes arena_alloc fail beyond it (0: none). */
size_t arena_used(const arena *a);
void arena_set_limit(arena *a, size_t bytes);
const hst_allocator *arena_allocator(const arena *a);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc_array((a), (size_t)(n), sizeof(type)))

#endif
