/* An open-addressing hash map of names. */
#include "base/names.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* From the loader's address randomisation and the clock: unknown to who made the file, the same for the process. */
static uint64_t seed(void) {
    static uint64_t made; /* written once with one value by whoever comes first; a race only wastes the other's */
    uint64_t s = __atomic_load_n(&made, __ATOMIC_RELAXED);
    if (s) return s;
    struct timespec t = {0};
    clock_gettime(CLOCK_REALTIME, &t);
    s = ((uint64_t)(uintptr_t)&t << 20) ^ (uint64_t)(uintptr_t)&made ^ ((uint64_t)t.tv_nsec << 32) ^
        (uint64_t)t.tv_sec ^ ((uint64_t)getpid() << 48);
    s |= 1;
    uint64_t none = 0;
    return __atomic_compare_exchange_n(&made, &none, s, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) ? s : none;
}

static uint64_t rotate(uint64_t x, int by) {
    return x << by | x >> (64 - by);
}

#define SIP_ROUND                                                                                                      \
    (a += b, b = rotate(b, 13), b ^= a, a = rotate(a, 32), c += d, d = rotate(d, 16), d ^= c, a += d,                  \
     d = rotate(d, 21), d ^= a, c += b, b = rotate(b, 17), b ^= c, c = rotate(c, 32))

/* SipHash-1-3 (Aumasson, Bernstein). */
static uint64_t hash(proto_slice s) {
    uint64_t k0 = seed(), k1 = k0 * 0x9e3779b97f4a7c15u;
    uint64_t a = k0 ^ 0x736f6d6570736575u, b = k1 ^ 0x646f72616e646f6du, c = k0 ^ 0x6c7967656e657261u,
             d = k1 ^ 0x7465646279746573u;
    size_t i = 0;
    uint64_t word;
    for (; i + 8 <= s.size; i += 8) {
        memcpy(&word, s.data + i, 8);
        d ^= word;
        SIP_ROUND;
        a ^= word;
    }
    word = (uint64_t)s.size << 56;
    for (int shift = 0; i < s.size; i++, shift += 8) word |= (uint64_t)s.data[i] << shift;
    d ^= word;
    SIP_ROUND;
    a ^= word;
    c ^= 0xff;
    SIP_ROUND;
    SIP_ROUND;
    SIP_ROUND;
    return a ^ b ^ c ^ d;
}

void names_begin(names *n, arena *a) {
    *n = (names){.arena = a};
}

/* The slot of `name`, or the free one where it belongs. */
static names_slot *probe(const names *n, proto_slice name, uint64_t h) {
    for (size_t i = (size_t)h & (n->capacity - 1);; i = (i + 1) & (n->capacity - 1)) {
        names_slot *s = &n->slots[i];
        if (!s->name.data) return s;
        if (s->hash == h && s->name.size == name.size && memcmp(s->name.data, name.data, name.size) == 0) return s;
    }
}

void **names_find(const names *n, proto_slice name) {
    if (!n->capacity) return NULL;
    if (!name.data) name.data = (const unsigned char *)"";
    names_slot *s = probe(n, name, hash(name));
    return s->name.data ? &s->item : NULL;
}

static bool grow(names *n) {
    names old = *n;
    n->capacity = old.capacity ? 2 * old.capacity : 16;
    n->slots = ARENA_ARRAY(n->arena, names_slot, n->capacity);
    if (!n->slots) {
        *n = old;
        return false;
    }
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].name.data) *probe(n, old.slots[i].name, old.slots[i].hash) = old.slots[i];
    return true;
}

void **names_add(names *n, proto_slice name) {
    if (!name.data) name.data = (const unsigned char *)"";
    if (n->count * 4 >= n->capacity * 3 && !grow(n)) return NULL;
    uint64_t h = hash(name);
    names_slot *s = probe(n, name, h);
    if (!s->name.data) {
        *s = (names_slot){name, h, NULL, n->count++};
    }
    return &s->item;
}
