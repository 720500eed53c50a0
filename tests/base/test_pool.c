/* A pool: blocks that do not overlap, aligned, writable to their end; pieces that are too small are passed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/pool.h"

static void test_blocks(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 64, 100, 4096, 3 << 20, 0, 40 << 20, 5, 31 << 20, 2 << 20};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    unsigned char *at[COUNT];
    pool *p = pool_new();
    assert_non_null(p);
    const hst_allocator *a = pool_allocator(p);
    for (int i = 0; i < COUNT; i++) {
        at[i] = memory_alloc(a, sizes[i], MEMORY_ALIGN);
        assert_non_null(at[i]);
        assert_int_equal((uintptr_t)at[i] % MEMORY_ALIGN, 0);
        memset(at[i], i + 1, sizes[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < sizes[i]; k += 509) assert_int_equal(at[i][k], i + 1);
        if (sizes[i]) assert_int_equal(at[i][sizes[i] - 1], i + 1);
        memory_free(a, at[i], sizes[i]);
    }
    pool_free(p);
}

static void test_too_much(void **state) {
    (void)state;
    pool *p = pool_new();
    assert_null(memory_alloc(pool_allocator(p), SIZE_MAX - 8, MEMORY_ALIGN));
    assert_null(memory_alloc(pool_allocator(p), PTRDIFF_MAX, MEMORY_ALIGN));
    assert_non_null(memory_alloc(pool_allocator(p), 8, MEMORY_ALIGN));
    pool_free(p);
    pool_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks), cmocka_unit_test(test_too_much)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
