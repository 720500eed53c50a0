/* The generator behind the random operators and Dropout. */
#include "ops/random.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

static uint32_t fresh_seed(void) {
    static uint64_t counter; /* atomic */
    uint64_t x = clock_ns() + (__atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED) << 40) + (uint64_t)(uintptr_t)&counter;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(x ^ (x >> 31));
}

void random_begin(random_state *r, const node *n) {
    const attribute *a = node_attribute(n, "seed");
    uint32_t seed;
    if (!a || (a->type != ATTRIBUTE_FLOAT && a->type != ATTRIBUTE_INT) ||
        (a->type == ATTRIBUTE_FLOAT && isnan(a->as.f)))
        seed = fresh_seed();
    else if (a->type == ATTRIBUTE_INT)
        seed = (uint32_t)a->as.i;
    else if (a->as.f >= 0 && a->as.f < 4294967296.0f)
        seed = (uint32_t)a->as.f;
    else
        memcpy(&seed, &a->as.f, sizeof seed);
    for (uint32_t k = 0; k < 624; k++) {
        r->key[k] = seed;
        seed = 1812433253u * (seed ^ (seed >> 30)) + k + 1;
    }
    r->at = 624;
    r->has_spare = false;
}

static uint32_t next(random_state *r) {
    if (r->at == 624) {
        for (int k = 0; k < 624; k++) {
            uint32_t y = (r->key[k] & 0x80000000u) | (r->key[(k + 1) % 624] & 0x7fffffffu);
            r->key[k] = r->key[(k + 397) % 624] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        r->at = 0;
    }
    uint32_t y = r->key[r->at++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

double random_uniform(random_state *r) {
    uint32_t a = next(r) >> 5, b = next(r) >> 6;
    return (a * 67108864.0 + b) / 9007199254740992.0;
}

double random_normal(random_state *r) {
    double a, b, square;
    if (r->has_spare) {
        r->has_spare = false;
        return r->spare;
    }
    do {
        a = 2 * random_uniform(r) - 1;
        b = 2 * random_uniform(r) - 1;
        square = a * a + b * b;
    } while (square >= 1 || square == 0);
    double scale = sqrt(-2 * log(square) / square);
    r->spare = scale * a;
    r->has_spare = true;
    return scale * b;
}
