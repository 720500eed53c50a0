/* Sessions over a toy model: values, memory, failures. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "counting.h"
#include "exec/session.h"
#include "toy.h"

static const char *const in_names[] = {"x", "ids", "words"};
static const char *const out_names[] = {"y", "z", "t", "d", "w"};
enum { Y, Z, T, D, W, OUTPUTS };

typedef struct inputs {
    hst_tensor *t[3];
} inputs;

static inputs make_inputs(int64_t n, int64_t k, int64_t first) {
    inputs in;
    hst_string words[16] = {{"one", 3}, {"", 0}, {"three", 5}};
    assert_int_equal(tensor_new(HST_DTYPE_F32, 2, (int64_t[]){n, 4}, NULL, &in.t[0], NULL), HST_STATUS_OK);
    assert_int_equal(tensor_new(HST_DTYPE_S64, 1, &k, NULL, &in.t[1], NULL), HST_STATUS_OK);
    assert_int_equal(tensor_new_strings(1, &k, words, NULL, &in.t[2], NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < n * 4; i++) tensor_set_f64(in.t[0], i, (double)i);
    for (int64_t i = 0; i < k; i++) tensor_set_s64(in.t[1], i, i ? i : first);
    return in;
}

static void free_inputs(inputs *in) {
    for (int i = 0; i < 3; i++) tensor_free(in->t[i]);
}

static void free_outputs(hst_tensor **out) {
    for (int i = 0; i < OUTPUTS; i++) {
        tensor_free(out[i]);
        out[i] = NULL;
    }
}

static void check_outputs(hst_tensor *const *out, int64_t n, int64_t k, int64_t first) {
    assert_true(out[Y]->rank == 1 && out[Y]->dim[0] == n * 4 && out[Z]->dim[0] == n * 4);
    for (int64_t i = 0; i < n * 4; i++) {
        double b = 2.0 * ((double)i + (double)(i % 4));
        assert_true(tensor_get_f64(out[Z], i) == b && tensor_get_f64(out[Y], i) == 2 * b);
    }
    assert_int_equal(tensor_get_s64(out[T], 0), first + k * (k - 1) / 2);
    assert_int_equal(out[D]->dim[0], first);
    for (int64_t i = 0; i < first; i++) assert_true(tensor_get_f64(out[D], i) == (double)first);
    const hst_string *w = out[W]->data;
    assert_int_equal(out[W]->dim[0], 2 * k);
    assert_true(w[0].size == 3 && memcmp(w[1].data, "one", 3) == 0 && w[2].size == 0);
}

static hst_status run_all(session *s, const inputs *in, hst_tensor **out, hst_error *err) {
    return session_run(s, 3, in_names, (const hst_tensor *const *)in->t, OUTPUTS, out_names, out, NULL, err);
}

typedef struct fixture {
    model *m;
    engine *e;
    session *s;
} fixture;

static fixture open_toy(const hst_allocator *a) {
    fixture f = {.m = toy_model(a)};
    session_options o = {.allocator = a, .budget = 1 << 24};
    assert_non_null(f.m);
    assert_int_equal(engine_compile(f.m, a, &f.e, NULL), HST_STATUS_OK);
    assert_int_equal(session_new(f.e, &o, &f.s, NULL), HST_STATUS_OK);
    return f;
}

static void close_toy(fixture *f) {
    session_free(f->s);
    engine_free(f->e);
    model_free(f->m);
}

static void test_values(void **state) {
    (void)state;
    fixture f = open_toy(NULL);
    hst_error err = {0};
    for (int round = 0; round < 60; round++) {
        int64_t n = round % 7, k = 3 + round % 3, first = (round * 37) % 101;
        inputs in = make_inputs(n, k, first);
        hst_tensor *out[OUTPUTS] = {0};
        assert_int_equal(run_all(f.s, &in, out, &err), HST_STATUS_OK);
        check_outputs(out, n, k, first);
        free_outputs(out);
        free_inputs(&in);
    }
    close_toy(&f);
}

static void test_no_allocation(void **state) {
    (void)state;
    counting c = {0};
    hst_allocator a = counting_allocator(&c);
    fixture f = open_toy(&a);
    inputs in = make_inputs(5, 3, 40), other = make_inputs(9, 4, 11);
    hst_tensor *out[OUTPUTS - 1] = {0};
    for (int round = 0; round < 20; round++) {
        const inputs *now = round % 2 ? &other : &in;
        if (round >= 4) c.allocations = 0; /* strings, which own their bytes, are not asked for */
        assert_int_equal(
            session_run(f.s, 3, in_names, (const hst_tensor *const *)now->t, 4, out_names, out, NULL, NULL),
            HST_STATUS_OK);
        for (int i = 0; i < 4; i++) {
            tensor_free(out[i]);
            out[i] = NULL;
        }
        if (round >= 4) assert_int_equal(c.allocations, 0);
    }
    free_inputs(&in);
    free_inputs(&other);
    close_toy(&f);
    assert_int_equal(c.alive, 0);
    assert_int_equal(c.bytes, 0);
}

/* An output that is held is not overwritten; after the session it still stands. */
static void test_held_outputs(void **state) {
    (void)state;
    fixture f = open_toy(NULL);
    hst_tensor *out[8][OUTPUTS] = {{0}};
    for (int64_t i = 0; i < 8; i++) {
        inputs in = make_inputs(3, 3, i + 1);
        tensor_set_f64(in.t[0], 0, 100.0 * (double)i);
        assert_int_equal(run_all(f.s, &in, out[i], NULL), HST_STATUS_OK);
        free_inputs(&in);
    }
    close_toy(&f);
    for (int64_t i = 0; i < 8; i++) {
        assert_true(tensor_get_f64(out[i][Z], 0) == 200.0 * (double)i);
        assert_true(tensor_get_f64(out[i][Y], 0) == 400.0 * (double)i);
        assert_int_equal(out[i][D]->dim[0], i + 1);
        free_outputs(out[i]);
    }
}

static void test_bound(void **state) {
    (void)state;
    fixture f = open_toy(NULL);
    inputs in = make_inputs(2, 3, 5);
    float y[8] = {0}, z[8] = {0}, wrong[7];
    hst_error err = {0};
    hst_tensor *out[OUTPUTS] = {0};
    assert_int_equal(tensor_new_borrowed(HST_DTYPE_F32, 1, (int64_t[]){8}, y, sizeof y, NULL, &out[Y], NULL), 0);
    assert_int_equal(tensor_new_borrowed(HST_DTYPE_F32, 1, (int64_t[]){8}, z, sizeof z, NULL, &out[Z], NULL), 0);
    hst_tensor *bound_y = out[Y], *bound_z = out[Z];
    for (int round = 0; round < 3; round++) {
        memset(y, 0, sizeof y);
        memset(z, 0, sizeof z);
        assert_int_equal(run_all(f.s, &in, out, &err), HST_STATUS_OK);
        assert_true(out[Y] == bound_y && out[Z] == bound_z && y[7] == 40 && z[7] == 20);
        check_outputs(out, 2, 3, 5);
        for (int i = T; i < OUTPUTS; i++) {
            tensor_free(out[i]);
            out[i] = NULL;
        }
    }
    tensor_free(bound_y);
    assert_int_equal(tensor_new_borrowed(HST_DTYPE_F32, 1, (int64_t[]){7}, wrong, sizeof wrong, NULL, &out[Y], NULL),
                     0);
    assert_int_equal(run_all(f.s, &in, out, &err), HST_STATUS_BAD_SHAPE);
    assert_non_null(strstr(err.message, "f32[8]"));
    assert_non_null(strstr(err.message, "f32[7]"));
    assert_null(out[T]);
    tensor_free(out[Y]);
    tensor_free(bound_z);
    free_inputs(&in);
    close_toy(&f);
}

static void test_inputs(void **state) {
    (void)state;
    fixture f = open_toy(NULL);
    inputs in = make_inputs(2, 3, 5);
    hst_tensor *ids, *wide, *out[2] = {0};
    hst_error err;
    const char *names[] = {"x", "ids", "words", "x"}, *outs[] = {"t", "d"}, *bad[] = {"t", "nope"};
    assert_int_equal(tensor_new(HST_DTYPE_S32, 1, (int64_t[]){3}, NULL, &ids, NULL), 0);
    for (int i = 0; i < 3; i++) tensor_set_s64(ids, i, i + 2);
    const hst_tensor *fed[] = {in.t[0], ids, in.t[2], in.t[0]};
    for (int round = 0; round < 3; round++) {
        assert_int_equal(session_run(f.s, 3, names, fed, 2, outs, out, NULL, &err), HST_STATUS_OK);
        assert_true(tensor_get_s64(out[0], 0) == 9 && out[1]->dim[0] == 2);
        for (int i = 0; i < 2; i++) tensor_free(out[i]);
        out[0] = out[1] = NULL;
    }
    assert_int_equal(session_run(f.s, 4, names, fed, 2, outs, out, NULL, &err), HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(session_run(f.s, 3, names, fed, 2, bad, out, NULL, &err), HST_STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "nope"));
    assert_int_equal(session_run(f.s, 2, names, fed, 2, outs, out, NULL, &err), HST_STATUS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "words"));
    assert_int_equal(tensor_new(HST_DTYPE_F32, 2, (int64_t[]){2, 5}, NULL, &wide, NULL), 0);
    fed[0] = wide;
    assert_int_equal(session_run(f.s, 3, names, fed, 2, outs, out, NULL, &err), HST_STATUS_BAD_SHAPE);
    assert_non_null(strstr(err.message, "f32[2,5]"));
    fed[0] = ids;
    assert_int_equal(session_run(f.s, 3, names, fed, 2, outs, out, NULL, &err), HST_STATUS_BAD_SHAPE);
    fed[0] = in.t[0];
    tensor_free(ids);
    assert_int_equal(tensor_new(HST_DTYPE_S32, 1, (int64_t[]){2}, NULL, &ids, NULL), 0);
    fed[1] = ids; /* words has k = 3 */
    assert_int_equal(session_run(f.s, 3, names, fed, 2, outs, out, NULL, &err), HST_STATUS_BAD_SHAPE);
    assert_true(!out[0] && !out[1]);
    tensor_free(ids);
    tensor_free(wide);
    free_inputs(&in);
    close_toy(&f);
}

/* Strings that are handed on as they came are copied, and the copy counts too. */
static void test_budget_of_copies(void **state) {
    (void)state;
    hst_error err = {0};
    model *m = toy_begin(NULL);
    assert_non_null(m);
    assert_int_equal(toy_output(toy_input(m->main, "words", HST_DTYPE_STRING, 1, dim_symbol(m, "k"), 0)), 0);
    engine *e = NULL;
    session *s = NULL;
    const session_options so = {.budget = 1 << 24};
    assert_int_equal(ops_resolve(m->main, &err), HST_STATUS_OK);
    assert_int_equal(engine_compile(m, NULL, &e, &err), HST_STATUS_OK);
    assert_int_equal(session_new(e, &so, &s, &err), HST_STATUS_OK);
    static const char *const name[] = {"words"};
    char *text = calloc(1, 100000);
    const hst_string word = {text, 100000};
    hst_tensor *in, *out = NULL;
    assert_int_equal(tensor_new_strings(1, (int64_t[]){1}, &word, NULL, &in, NULL), HST_STATUS_OK);
    hst_run_options o = {.size = sizeof o, .memory_budget = 50000};
    assert_int_equal(session_run(s, 1, name, (const hst_tensor *const *)&in, 1, name, &out, &o, &err),
                     HST_STATUS_BUDGET);
    assert_non_null(strstr(err.message, "budget is 50000"));
    o.memory_budget = 500000;
    assert_int_equal(session_run(s, 1, name, (const hst_tensor *const *)&in, 1, name, &out, &o, &err), HST_STATUS_OK);
    assert_int_equal(((const hst_string *)out->data)[0].size, 100000);
    tensor_free(out);
    tensor_free(in);
    free(text);
    session_free(s);
    engine_free(e);
    model_free(m);
}

static void test_budget(void **state) {
    (void)state;
    fixture f = open_toy(NULL);
    hst_error err = {0};
    inputs in = make_inputs(2, 3, 1000000), ok = make_inputs(2, 3, 10);
    hst_tensor *out[OUTPUTS] = {0};
    hst_run_options small = {.size = sizeof small, .memory_budget = 100000};
    for (int round = 0; round < 3; round++) {
        assert_int_equal(
            session_run(f.s, 3, in_names, (const hst_tensor *const *)in.t, OUTPUTS, out_names, out, &small, &err),
            HST_STATUS_BUDGET);
        assert_non_null(strstr(err.message, "budget is 100000"));
        assert_int_equal(run_all(f.s, &ok, out, &err), HST_STATUS_OK);
        check_outputs(out, 2, 3, 10);
        free_outputs(out);
    }
    free_inputs(&in);
    in = make_inputs(2, 3, INT64_MAX / 2);
    assert_int_equal(run_all(f.s, &in, out, &err), HST_STATUS_BUDGET);
    free_inputs(&in);
    in = make_inputs(2, 3, -4);
    assert_int_equal(run_all(f.s, &in, out, &err), HST_STATUS_BAD_SHAPE);
    free_inputs(&in);
    free_inputs(&ok);
    close_toy(&f);
}

/* Memory of a spike is given back. */
static void test_spike(void **state) {
    (void)state;
    counting c = {0};
    hst_allocator a = counting_allocator(&c);
    fixture f = open_toy(&a);
    inputs big = make_inputs(20000, 3, 10), small = make_inputs(2, 3, 10);
    hst_tensor *out[OUTPUTS] = {0};
    uint64_t most;
    assert_int_equal(run_all(f.s, &big, out, NULL), HST_STATUS_OK);
    free_outputs(out);
    long after_big = c.bytes;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(run_all(f.s, &small, out, NULL), HST_STATUS_OK);
        free_outputs(out);
    }
    assert_true(c.bytes < after_big - 1000000);
    assert_true(session_memory(f.s, &most) < 100000 && most > 1000000);
    assert_int_equal(run_all(f.s, &big, out, NULL), HST_STATUS_OK);
    check_outputs(out, 20000, 3, 10);
    free_outputs(out);
    assert_int_equal(session_trim(f.s, NULL), HST_STATUS_OK);
    assert_int_equal(session_memory(f.s, NULL), 0);
    assert_int_equal(run_all(f.s, &big, out, NULL), HST_STATUS_OK);
    check_outputs(out, 20000, 3, 10);
    free_outputs(out);
    free_inputs(&big);
    free_inputs(&small);
    close_toy(&f);
    assert_int_equal(c.alive, 0);
}

/* Every allocation of load, compile, session and three runs fails once: a status, nothing lost, and it works after. */
static void test_failures(void **state) {
    (void)state;
    inputs in = make_inputs(3, 3, 7);
    bool failed = true;
    for (long n = 1; failed; n++) {
        counting c = {.fail_at = n};
        hst_allocator a = counting_allocator(&c);
        hst_error err = {0};
        hst_tensor *out[OUTPUTS] = {0};
        failed = false;
        model *m = toy_model(&a);
        if (!m) m = toy_model(&a), failed = true;
        assert_non_null(m);
        engine *e = NULL;
        hst_status status = engine_compile(m, &a, &e, &err);
        if (status != HST_STATUS_OK) {
            assert_int_equal(status, HST_STATUS_NO_MEMORY);
            assert_non_null(strstr(err.message, "allocate"));
            failed = true;
            assert_int_equal(engine_compile(m, &a, &e, &err), HST_STATUS_OK);
        }
        session *s = NULL;
        session_options o = {.budget = 1 << 24};
        if ((status = session_new(e, &o, &s, &err)) != HST_STATUS_OK) {
            assert_int_equal(status, HST_STATUS_NO_MEMORY);
            failed = true;
            assert_int_equal(session_new(e, &o, &s, &err), HST_STATUS_OK);
        }
        for (int k = 0; k < 3; k++) {
            if ((status = run_all(s, &in, out, &err)) != HST_STATUS_OK) {
                assert_int_equal(status, HST_STATUS_NO_MEMORY);
                failed = true;
                assert_int_equal(run_all(s, &in, out, &err), HST_STATUS_OK);
            }
            check_outputs(out, 3, 3, 7);
            free_outputs(out);
        }
        failed |= c.fail_at == 0; /* one that was survived: a plan that could not be made */
        session_free(s);
        engine_free(e);
        model_free(m);
        assert_int_equal(c.alive, 0);
        assert_true(n < 2000);
    }
    free_inputs(&in);
}

/* ---- cancel, deadline, busy ---- */

static void test_cancel(void **state) {
    (void)state;
    fixture f = open_toy(NULL);
    inputs in = make_inputs(2, 3, 3);
    hst_tensor *out[OUTPUTS] = {0};
    int flag = 1;
    hst_run_options o = {.size = sizeof o, .cancel = &flag};
    hst_error err;
    assert_int_equal(session_run(f.s, 3, in_names, (const hst_tensor *const *)in.t, OUTPUTS, out_names, out, &o, &err),
                     HST_STATUS_CANCELLED);
    o = (hst_run_options){.size = sizeof o, .deadline_ns = clock_ns() - 1};
    assert_int_equal(session_run(f.s, 3, in_names, (const hst_tensor *const *)in.t, OUTPUTS, out_names, out, &o, &err),
                     HST_STATUS_DEADLINE);
    assert_int_equal(run_all(f.s, &in, out, &err), HST_STATUS_OK);
    check_outputs(out, 2, 3, 3);
    free_outputs(out);
    free_inputs(&in);
    close_toy(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_held_outputs),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_budget_of_copies),
        cmocka_unit_test(test_spike),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
