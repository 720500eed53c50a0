/* State of sessions over a toy cache: present = past with x behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "counting.h"
#include "exec/session.h"
#include "toy.h"

static const char *const in_names[] = {"x", "past"};
static const char *const out_names[] = {"sum", "present"};

typedef struct fixture {
    counting counts;
    hst_allocator allocator;
    model *m;
    engine *e;
    session *s;
    hst_tensor *x; /* [1, 2] */
    hst_error err;
} fixture;

static hst_tensor *rows_of_two(int64_t rows) {
    hst_tensor *t;
    assert_int_equal(tensor_new(HST_DTYPE_F32, 2, (int64_t[]){rows, 2}, NULL, &t, NULL), HST_STATUS_OK);
    return t;
}

static void open_cache(fixture *f, uint64_t budget) {
    memset(f, 0, sizeof *f);
    f->allocator = counting_allocator(&f->counts);
    const session_options o = {.budget = budget};
    assert_non_null(f->m = toy_cache_model(&f->allocator));
    assert_int_equal(engine_compile(f->m, &f->allocator, &f->e, NULL), HST_STATUS_OK);
    assert_int_equal(session_new(f->e, &o, &f->s, NULL), HST_STATUS_OK);
    f->x = rows_of_two(1);
}

static void close_cache(fixture *f) {
    tensor_free(f->x);
    session_free(f->s);
    engine_free(f->e);
    model_free(f->m);
    assert_int_equal(f->counts.alive, 0);
}

/* A run that gives x (and, n_in 2, past), and wants the first n_out outputs. */
static hst_status run(fixture *f, const hst_tensor *x, size_t n_in, size_t n_out, hst_tensor **out,
                      const hst_run_options *o) {
    const hst_tensor *in[] = {x, x};
    out[0] = out[1] = NULL;
    return session_run(f->s, n_in, in_names, in, n_out, out_names, out, o, &f->err);
}

/* The cache has `rows` rows, its element i is `value`. */
static void check_state(fixture *f, int64_t rows, int64_t i, double value) {
    hst_tensor *t = NULL;
    assert_int_equal(session_state_get(f->s, "past", &t, NULL), HST_STATUS_OK);
    assert_int_equal(t->dim[0], rows);
    if (rows) assert_true(tensor_get_f64(t, i) == value);
    tensor_free(t);
}

/* Rows (0, 10), (1, 11), … one a run; nobody asks for the cache. */
static void grow(fixture *f, int rows) {
    hst_tensor *out[2];
    for (int i = 0; i < rows; i++) {
        tensor_set_f64(f->x, 0, i);
        tensor_set_f64(f->x, 1, 10 + i);
        assert_int_equal(run(f, f->x, 1, 1, out, NULL), HST_STATUS_OK);
        assert_true(tensor_get_f64(out[0], 0) == 2 * i);
        tensor_free(out[0]);
    }
}

static void test_grows(void **state) {
    (void)state;
    fixture f;
    hst_tensor *out[2], *now;
    open_cache(&f, 1 << 24);
    assert_int_equal(session_state_declare(f.s, "past", "nope", NULL, &f.err), HST_STATUS_NOT_FOUND);
    assert_int_equal(session_state_reset(f.s, "past", &f.err), HST_STATUS_NOT_FOUND);
    assert_int_equal(session_state_declare(f.s, "past", "present", NULL, &f.err), HST_STATUS_OK);
    grow(&f, 6);
    check_state(&f, 6, 11, 15);
    /* asked for too: the same elements */
    assert_int_equal(run(&f, f.x, 1, 2, out, NULL), HST_STATUS_OK);
    assert_int_equal(session_state_get(f.s, "past", &now, NULL), HST_STATUS_OK);
    assert_ptr_equal(now->data, out[1]->data);
    for (int i = 0; i < 2; i++) tensor_free(out[i]);
    tensor_free(now);
    check_state(&f, 7, 13, 15);
    close_cache(&f);
}

static void test_changes(void **state) {
    (void)state;
    fixture f;
    open_cache(&f, 1 << 24);
    assert_int_equal(session_state_declare(f.s, "past", "present", NULL, &f.err), HST_STATUS_OK);
    grow(&f, 6);
    assert_int_equal(session_state_truncate(f.s, "past", 0, 3, &f.err), HST_STATUS_OK);
    check_state(&f, 3, 5, 12);
    assert_int_equal(session_state_truncate(f.s, NULL, 0, 9, &f.err), HST_STATUS_OK);
    assert_int_equal(session_state_reorder(f.s, "past", -2, (int64_t[]){2, 2, 0, 1}, 4, &f.err), HST_STATUS_OK);
    check_state(&f, 4, 0, 2);
    check_state(&f, 4, 5, 10);
    assert_int_equal(session_state_reorder(f.s, "past", 1, (int64_t[]){1, 0}, 2, &f.err), HST_STATUS_OK);
    check_state(&f, 4, 0, 12);
    assert_int_equal(session_state_reorder(f.s, "past", 0, (int64_t[]){4}, 1, &f.err), HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(session_state_reorder(f.s, "past", 2, (int64_t[]){0}, 1, &f.err), HST_STATUS_INVALID_ARGUMENT);
    close_cache(&f);
}

static void test_set(void **state) {
    (void)state;
    fixture f;
    hst_tensor *out[2], *wrong;
    const hst_run_options tiny = {.size = sizeof tiny, .memory_budget = 1};
    open_cache(&f, 1 << 24);
    assert_int_equal(session_state_declare(f.s, "past", "present", NULL, &f.err), HST_STATUS_OK);
    grow(&f, 4);
    assert_int_equal(run(&f, f.x, 1, 1, out, &tiny), HST_STATUS_BUDGET); /* a failed run leaves it */
    check_state(&f, 4, 0, 0);
    assert_int_equal(session_state_reset(f.s, NULL, &f.err), HST_STATUS_OK);
    check_state(&f, 0, 0, 0);
    assert_int_equal(session_state_set(f.s, "past", f.x, &f.err), HST_STATUS_OK);
    check_state(&f, 1, 0, 3);
    assert_int_equal(tensor_new(HST_DTYPE_F32, 2, (int64_t[]){1, 3}, NULL, &wrong, NULL), 0);
    assert_int_equal(session_state_set(f.s, "past", wrong, &f.err), HST_STATUS_BAD_SHAPE);
    tensor_free(wrong);
    /* given by name: the state is not used for this run, but takes its output */
    assert_int_equal(run(&f, f.x, 2, 1, out, NULL), HST_STATUS_OK);
    tensor_free(out[0]);
    check_state(&f, 2, 0, 3);
    close_cache(&f);
}

/* Handing over takes no memory once two buffers are there. */
static void test_no_allocation(void **state) {
    (void)state;
    fixture f;
    hst_tensor *out[2], *none = rows_of_two(0);
    open_cache(&f, 1 << 24);
    assert_int_equal(session_state_declare(f.s, "past", "present", NULL, &f.err), HST_STATUS_OK);
    grow(&f, 2);
    for (int i = 0; i < 8; i++) {
        if (i == 4) f.counts.allocations = 0;
        assert_int_equal(run(&f, none, 1, 1, out, NULL), HST_STATUS_OK);
        tensor_free(out[0]);
    }
    assert_int_equal(f.counts.allocations, 0);
    tensor_free(none);
    close_cache(&f);
}

/* What the caller gives as state counts as soon as it is one. */
static void test_budget(void **state) {
    (void)state;
    fixture f;
    hst_tensor *small = rows_of_two(200), *large = rows_of_two(600);
    open_cache(&f, 4096);
    assert_int_equal(session_state_declare(f.s, "past", "present", large, &f.err), HST_STATUS_BUDGET);
    assert_int_equal(session_state_declare(f.s, "past", "present", NULL, &f.err), HST_STATUS_OK);
    for (int i = 0; i < 4; i++) assert_int_equal(session_state_set(f.s, "past", small, &f.err), HST_STATUS_OK);
    assert_int_equal(session_memory(f.s, NULL), 1600);
    assert_int_equal(session_state_set(f.s, "past", large, &f.err), HST_STATUS_BUDGET);
    assert_non_null(strstr(f.err.message, "4800 bytes are needed beside 1600 in use, the memory budget is 4096"));
    check_state(&f, 200, 0, 0);
    tensor_free(small);
    tensor_free(large);
    close_cache(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows),         cmocka_unit_test(test_changes), cmocka_unit_test(test_set),
        cmocka_unit_test(test_no_allocation), cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
