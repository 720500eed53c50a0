/* Building graphs: symbols, attributes, and what a model keeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "graph/graph.h"

enum { MANY = 20000 };

static void test_symbols(void **state) {
    (void)state;
    model *m = model_new(NULL);
    assert_non_null(m);
    dim batch = dim_symbol(m, "batch"), fresh = dim_symbol(m, "");
    assert_true(dim_is_symbol(batch) && dim_is_symbol(fresh));
    assert_true(batch != fresh && fresh != dim_symbol(m, ""));
    assert_true(dim_symbol(m, "batch") == batch);
    assert_string_equal(dim_name(m, batch), "batch");
    assert_string_equal(dim_name(m, fresh), "");
    assert_null(dim_name(m, 7));
    model_free(m);
}

static void test_many_symbols(void **state) {
    (void)state;
    model *m = model_new(NULL);
    assert_non_null(m);
    static dim made[MANY];
    char name[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "s%d", i);
        made[i] = dim_symbol(m, name);
        assert_true(dim_is_symbol(made[i]));
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "s%d", i);
        assert_true(dim_symbol(m, name) == made[i]);
        assert_string_equal(dim_name(m, made[i]), name);
    }
    assert_int_equal(m->n_symbols, MANY);
    model_free(m);
}

/* A model that takes over another's symbols finds them and does not write into the other's array. */
static void test_symbols_taken_over(void **state) {
    (void)state;
    model *from = model_new(NULL), *to = model_new(NULL);
    assert_non_null(from);
    assert_non_null(to);
    dim a = dim_symbol(from, "a");
    dim_symbol(from, "");
    dim b = dim_symbol(from, "b");
    to->symbols = from->symbols;
    to->n_symbols = to->symbols_capacity = from->n_symbols;
    assert_true(dim_symbol(to, "b") == b);
    assert_true(dim_symbol(to, "a") == a);
    dim c = dim_symbol(to, "c");
    assert_string_equal(dim_name(to, c), "c");
    assert_true(dim_symbol(to, "c") == c);
    assert_int_equal(from->n_symbols, 3);
    model_free(to);
    model_free(from);
}

static void test_many_attributes(void **state) {
    (void)state;
    model *m = model_new(NULL);
    assert_non_null(m);
    node *n = graph_add_node(m->main, "", "Op", "n", NULL, 0, NULL, 0);
    assert_non_null(n);
    size_t before = arena_used(m->arena);
    char name[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "a%d", i);
        assert_true(node_set_int(n, name, i));
    }
    assert_int_equal(n->n_attributes, MANY);
    assert_int_equal(node_int(n, "a0", -1), 0);
    assert_int_equal(node_int(n, "a19999", -1), MANY - 1);
    /* Doubling: at most four times what one array and the names take. */
    assert_true(arena_used(m->arena) - before < 4 * MANY * (sizeof(attribute) + 16));
    model_free(m);
}

static int released;
static void release(void *object) {
    assert_non_null(object);
    released++;
}

/* Allocations fail at every point in turn: an object is released once, by the call that fails or with the model. */
static void test_keep(void **state) {
    (void)state;
    for (size_t room = 0; room < 4096; room += 16) {
        model *m = model_new(NULL);
        assert_non_null(m);
        arena_set_limit(m->arena, arena_used(m->arena) + room);
        released = 0;
        int object, failed = 0;
        for (int i = 0; i < 40; i++)
            if (model_keep(m, &object, release, NULL) != HST_STATUS_OK) failed++;
        assert_int_equal(released, failed);
        assert_int_equal(m->n_keep, 40 - failed);
        model_free(m);
        assert_int_equal(released, 40);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symbols),
        cmocka_unit_test(test_many_symbols),
        cmocka_unit_test(test_symbols_taken_over),
        cmocka_unit_test(test_many_attributes),
        cmocka_unit_test(test_keep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
