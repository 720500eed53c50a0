/* A map from names (byte slices) to pointers, in an arena. The hash is seeded per process, so that a file cannot be
 * made to collide; the order of the slots is another one each time: where an order matters, it is that of `order`. */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include <string.h>

#include "base/memory.h"
#include "base/proto.h"

typedef struct names_slot {
    proto_slice name;
    uint64_t hash;
    void *item;
    size_t order; /* how many names were there before it */
} names_slot;

typedef struct names {
    arena *arena;
    names_slot *slots;
    size_t count, capacity; /* capacity is a power of two, 0 at first */
} names;

void names_begin(names *n, arena *a);
static inline proto_slice names_text(const char *text) {
    return (proto_slice){(const unsigned char *)text, strlen(text)};
}
/* The place of `name`'s item, NULL where it is absent. */
void **names_find(const names *n, proto_slice name);
/* The same, added (with a NULL item) where it is absent; NULL: no memory. The name's bytes must stay. */
void **names_add(names *n, proto_slice name);

#endif
