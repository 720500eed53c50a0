/* The memory of a session's temporaries: one arena. Its lower part, [0, planned), is laid out by the plan of the run;
 * what the plan does not know is placed best-fit in the rest; what does not fit there comes from the allocator and goes
 * back as soon as it is released. Between runs the arena takes the size that the plans need. Not thread-safe. */
#ifndef EXEC_SPACE_H
#define EXEC_SPACE_H

#include "base/memory.h"

typedef struct space_hole {
    size_t offset, size;
} space_hole;

typedef struct space {
    hst_allocator allocator;
    char *data; /* capacity bytes, MEMORY_ALIGN-aligned */
    size_t capacity;
    size_t planned;    /* of the run under way */
    size_t live;       /* bytes in use beside the planned ones */
    size_t outside;    /* of these, taken from the allocator */
    space_hole *holes; /* free parts of [planned, capacity), by offset */
    int n_holes, holes_capacity;
} space;

void space_init(space *s, const hst_allocator *a);
void space_release(space *s);

/* Before a run: nothing is in use. `planned` <= capacity. */
hst_status space_begin(space *s, size_t planned, hst_error *err);
/* After a run: all of the arena is free. */
void space_end(space *s);
/* Whether the arena has a hole for so many bytes. */
bool space_has(const space *s, size_t size);
/* `size` is a multiple of MEMORY_ALIGN. NULL: no memory. */
void *space_take(space *s, size_t size);
void space_give(space *s, void *data, size_t size);
/* Gives the arena exactly this many bytes; its contents are lost; nothing may be in use. False: no memory, the arena is
 * then empty. */
bool space_resize(space *s, size_t capacity);

#endif
