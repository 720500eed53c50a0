/* Memory plans: requests alive together never overlap, and little is wasted. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "exec/plan.h"
#include "exec/space.h"

static void check(const plan_request *r, int n, size_t total) {
    for (int i = 0; i < n; i++) {
        if (r[i].escapes) continue;
        assert_true(r[i].offset % MEMORY_ALIGN == 0 && r[i].offset + r[i].size <= total);
        for (int k = 0; k < i; k++) {
            bool together = !r[k].escapes && r[i].first <= r[k].last && r[k].first <= r[i].last;
            bool apart = r[i].offset + r[i].size <= r[k].offset || r[k].offset + r[k].size <= r[i].offset;
            assert_true(!together || apart);
        }
    }
}

static void test_chain(void **state) {
    (void)state;
    plan_request r[10];
    size_t total, beside;
    for (int i = 0; i < 10; i++) r[i] = (plan_request){.size = 640, .first = i, .last = i + 1};
    assert_int_equal(plan_place(r, 10, NULL, &total, &beside, NULL), HST_STATUS_OK);
    check(r, 10, total);
    assert_int_equal(total, 2 * 640); /* two buffers take turns */
    assert_int_equal(beside, 0);
    r[3].escapes = true;
    assert_int_equal(plan_place(r, 10, NULL, &total, &beside, NULL), HST_STATUS_OK);
    assert_int_equal(beside, 640);
    assert_int_equal(plan_place(NULL, 0, NULL, &total, &beside, NULL), HST_STATUS_OK);
    assert_int_equal(total, 0);
}

static void test_random(void **state) {
    (void)state;
    static plan_request r[400];
    uint32_t x = 1;
    for (int round = 0; round < 50; round++) {
        size_t live[64] = {0}, most = 0, total, beside;
        int n = 8 * round + 1;
        for (int i = 0; i < n; i++) {
            x = x * 1664525 + 1013904223;
            r[i] = (plan_request){.size = (x >> 8) % 5000 / 64 * 64 + 64, .first = i * 50 / n};
            x = x * 1664525 + 1013904223;
            r[i].last = r[i].first + (int)((x >> 10) % 6);
            for (int k = r[i].first; k <= r[i].last; k++)
                if ((live[k] += r[i].size) > most) most = live[k];
        }
        assert_int_equal(plan_place(r, n, NULL, &total, &beside, NULL), HST_STATUS_OK);
        check(r, n, total);
        assert_true(total >= most && total <= most + most / 2);
    }
    plan_request huge[2] = {{.size = SIZE_MAX - 63, .last = 1}, {.size = 128, .last = 1}};
    size_t total, beside;
    assert_int_equal(plan_place(huge, 2, NULL, &total, &beside, NULL), HST_STATUS_NO_MEMORY);
}

static void test_merge(void **state) {
    (void)state;
    plan_request a[] = {
        {.size = 64, .first = 0, .last = 3}, {.size = 128, .first = 0}, {.size = 64, .first = 2, .last = 2}};
    plan_request b[] = {{.size = 192, .first = 0, .last = 1}, {.size = 64, .first = 1, .last = 1}}, out[5];
    assert_int_equal(plan_merge(a, 3, b, 2, out), 4);
    assert_true(out[0].size == 192 && out[0].last == 3 && out[1].size == 128);
    assert_true(out[2].first == 1 && out[3].first == 2);
}

static void test_space(void **state) {
    (void)state;
    space s;
    space_init(&s, NULL);
    assert_true(space_resize(&s, 64 * 100));
    assert_int_equal(space_begin(&s, 64 * 20, NULL), HST_STATUS_OK);
    char *p[10];
    for (int i = 0; i < 10; i++) {
        p[i] = space_take(&s, 64 * 8);
        assert_true(p[i] == s.data + 64 * (20 + 8 * i));
        memset(p[i], i, 64 * 8);
    }
    char *outside = space_take(&s, 128); /* the arena is full */
    assert_true(outside && s.outside == 128);
    for (int i = 0; i < 10; i += 2) space_give(&s, p[i], 64 * 8);
    assert_int_equal(s.n_holes, 5);
    for (int i = 1; i < 10; i += 2) space_give(&s, p[i], 64 * 8);
    assert_int_equal(s.n_holes, 1);
    assert_true(s.holes[0].offset == 64 * 20 && s.holes[0].size == 64 * 80);
    space_give(&s, outside, 128);
    assert_true(s.live == 0 && s.outside == 0);
    space_release(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chain), cmocka_unit_test(test_random),
                                       cmocka_unit_test(test_merge), cmocka_unit_test(test_space)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
