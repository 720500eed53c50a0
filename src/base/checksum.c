/* See checksum.h. Each lane: x = rotate(x ^ word, 29) * odd; the end folds lanes, the tail and the length together. */
#include "base/checksum.h"

#include <string.h>

#define ODD  UINT64_C(0x9fb21c651e98df25)
#define ODD2 UINT64_C(0xd6e8feb86659fd93)

static uint64_t rotate(uint64_t x, int by) {
    return x << by | x >> (64 - by);
}

static uint64_t mix(uint64_t x, uint64_t word) {
    return rotate(x ^ word, 29) * ODD;
}

static uint64_t word_at(const unsigned char *p) {
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

/* `size` is a multiple of 32. */
static void add_blocks(checksum *c, const unsigned char *p, size_t size) {
    uint64_t a = c->lane[0], b = c->lane[1], d = c->lane[2], e = c->lane[3];
    for (const unsigned char *end = p + size; p < end; p += 32) {
        a = mix(a, word_at(p));
        b = mix(b, word_at(p + 8));
        d = mix(d, word_at(p + 16));
        e = mix(e, word_at(p + 24));
    }
    c->lane[0] = a;
    c->lane[1] = b;
    c->lane[2] = d;
    c->lane[3] = e;
}

void checksum_begin(checksum *c) {
    *c = (checksum){.lane = {ODD, ODD2, ODD ^ ODD2, ODD + ODD2}};
}

void checksum_add(checksum *c, const void *data, size_t size) {
    const unsigned char *p = data;
    const size_t held = c->total % 32;
    c->total += size;
    if (held) {
        size_t take = 32 - held < size ? 32 - held : size;
        memcpy(c->rest + held, p, take);
        if (held + take < 32) return;
        add_blocks(c, c->rest, 32);
        p += take;
        size -= take;
    }
    add_blocks(c, p, size / 32 * 32);
    if (size % 32) memcpy(c->rest, p + size / 32 * 32, size % 32);
}

uint64_t checksum_end(const checksum *c) {
    unsigned char rest[32] = {0};
    uint64_t x = c->total * ODD2;
    if (c->total % 32) memcpy(rest, c->rest, c->total % 32);
    for (int i = 0; i < 4; i++) x = mix(x, c->lane[i]) ^ x >> 32;
    for (int i = 0; i < 4; i++) x = mix(x, word_at(rest + 8 * i)) ^ x >> 32;
    x = (x ^ x >> 29) * ODD2;
    return x ^ x >> 32;
}

uint64_t checksum_of(const void *data, size_t size) {
    checksum c;
    checksum_begin(&c);
    if (size) checksum_add(&c, data, size);
    return checksum_end(&c);
}
