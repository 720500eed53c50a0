/* Strided copies against one element at a time: random shapes, permutations, steps forwards and backwards,
 * broadcasting, element sizes; parts of a plan; filling. Destinations begin poisoned and have a guard behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/copy/combine.h"
#include "kernels/copy/copy.h"

static uint64_t random_state = 88172645463325252u;
static int64_t random_below(int64_t n) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (int64_t)(random_state % (uint64_t)n);
}

#define RANK  4
#define GUARD 64

typedef struct problem {
    size_t size;
    int rank;
    int64_t dim[RANK], to[RANK], from[RANK], count, source, first; /* first: where in the source i = 0 stands */
} problem;

static void make(problem *p) {
    static const size_t sizes[] = {1, 2, 3, 4, 8, 12, 16};
    static const int64_t lengths[] = {0, 1, 1, 2, 3, 5, 16, 31, 33, 40};
    int64_t stride[RANK], dim[RANK], step[RANK], at = 1;
    int perm[RANK];
    p->size = sizes[random_below(7)];
    p->rank = (int)random_below(RANK + 1);
    p->count = 1;
    p->first = 0;
    for (int k = 0; k < p->rank; k++) {
        dim[k] = lengths[random_below(k < 2 ? 10 : 6)];
        step[k] = random_below(6) == 0 ? 0 : random_below(5) == 0 ? -1 : 1 + random_below(8) / 7;
        perm[k] = k;
    }
    for (int k = p->rank - 1; k > 0; k--) {
        int j = (int)random_below(k + 1), swap = perm[k];
        perm[k] = perm[j];
        perm[j] = swap;
    }
    for (int k = p->rank - 1; k >= 0; k--) { /* the source in its own order of axes */
        stride[k] = at;
        if (step[k]) at *= dim[k] ? dim[k] * labs(step[k]) : 1;
    }
    p->source = at;
    for (int k = p->rank - 1; k >= 0; k--) {
        p->dim[k] = dim[perm[k]];
        p->from[k] = stride[perm[k]] * step[perm[k]];
        if (p->from[k] < 0 && p->dim[k]) p->first -= p->from[k] * (p->dim[k] - 1);
        p->to[k] = p->count;
        p->count *= p->dim[k];
    }
}

static void one_by_one(const problem *p, char *to, const char *from) {
    for (int64_t i = 0; i < p->count; i++) {
        int64_t rest = i, at = p->first;
        for (int k = p->rank - 1; k >= 0; k--) {
            at += rest % p->dim[k] * p->from[k];
            rest /= p->dim[k];
        }
        memcpy(to + (size_t)i * p->size, from + (size_t)at * p->size, p->size);
    }
}

static void test_against_elements(void **state) {
    (void)state;
    for (int round = 0; round < 3000; round++) {
        problem p;
        make(&p);
        size_t bytes = (size_t)p.count * p.size, source = (size_t)p.source * p.size;
        char *from = malloc(source + 1), *want = malloc(bytes + 1), *got = malloc(bytes + GUARD);
        assert_true(from && want && got);
        for (size_t i = 0; i < source; i++) from[i] = (char)random_below(256);
        memset(got, 0xee, bytes + GUARD);
        one_by_one(&p, want, from);
        copy_plan plan;
        copy_plan_make(&plan, p.size, p.rank, p.dim, p.to, p.from);
        const void *begin = from + (size_t)p.first * p.size;
        if (plan.rank && plan.dim[0] > 1 && round % 2) { /* in two parts */
            copy_plan half = plan;
            void *to = got;
            const void *source_at = begin;
            copy_plan_part(&half, 0, 0, plan.dim[0] / 2, &to, &source_at);
            copy_plan_run(&half, to, source_at);
            half = plan;
            to = got;
            source_at = begin;
            copy_plan_part(&half, 0, plan.dim[0] / 2, plan.dim[0], &to, &source_at);
            copy_plan_run(&half, to, source_at);
        } else {
            copy_plan_run(&plan, got, begin);
        }
        assert_memory_equal(got, want, bytes);
        for (size_t i = 0; i < GUARD; i++) assert_int_equal((unsigned char)got[bytes + i], 0xee);
        free(from);
        free(want);
        free(got);
    }
}

static void test_fill(void **state) {
    (void)state;
    char to[17 * 16 + 1], value[16];
    for (size_t size = 1; size <= 16; size++)
        for (int64_t n = 0; n <= 17; n++)
            for (int same = 0; same < 2; same++) {
                for (size_t i = 0; i < sizeof value; i++) value[i] = (char)(same ? 7 : i + 1);
                memset(to, 0x55, sizeof to);
                copy_fill(to, value, size, n);
                for (int64_t i = 0; i < n; i++) assert_memory_equal(to + (size_t)i * size, value, size);
                assert_int_equal(to[(size_t)n * size], 0x55);
            }
}

static void test_combine(void **state) {
    (void)state;
    combine how;
    assert_true(combine_from_name("max", &how) && how == COMBINE_MAX);
    assert_false(combine_from_name("maximum", &how));
    assert_true(combine_supports(COMBINE_NONE, HST_DTYPE_STRING));
    assert_false(combine_supports(COMBINE_ADD, HST_DTYPE_STRING));
    assert_false(combine_supports(COMBINE_ADD, HST_DTYPE_S4));
    int64_t a[2] = {INT64_MAX, -3}, b[2] = {1, 5};
    combine_run(COMBINE_ADD, HST_DTYPE_S64, a, b, 2); /* wraps */
    assert_true(a[0] == INT64_MIN && a[1] == 2);
    uint8_t t[2] = {1, 0}, u[2] = {1, 1};
    combine_run(COMBINE_ADD, HST_DTYPE_B8, t, u, 2); /* stays a truth value */
    assert_true(t[0] == 1 && t[1] == 1);
    float f[2] = {1, 2}, g[2] = {3, 0.5f};
    combine_run(COMBINE_MUL, HST_DTYPE_F32, f, g, 2);
    assert_true(f[0] == 3 && f[1] == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_elements), cmocka_unit_test(test_fill),
                                       cmocka_unit_test(test_combine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
