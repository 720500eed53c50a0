/* The thread team: every worker runs once, barriers order phases, and the awkward cases: nested, busy, forked, resized.
 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/team.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

typedef struct job {
    atomic_int calls[256];
    atomic_int total;
    int workers, phases;
    int64_t cells[256]; /* written in one phase, read by the neighbour in the next */
    atomic_int wrong;
} job;

static void count(void *arg, const team_context *ctx) {
    job *j = arg;
    atomic_fetch_add(&j->calls[ctx->worker], 1);
    atomic_fetch_add(&j->total, 1);
    if (ctx->worker == 0) j->workers = ctx->workers;
}

static void test_runs_once_each(void **state) {
    (void)state;
    team *t = team_default();
    for (int size = 1; size <= 7; size++) {
        team_set_size(t, size);
        assert_int_equal(team_size(t), size);
        for (int round = 0; round < 50; round++) {
            job j;
            memset(&j, 0, sizeof j);
            int asked = round % (size + 2), want = asked == 0 || asked > size ? size : asked;
            team_run(t, asked, count, &j);
            assert_int_equal(j.workers, want);
            for (int k = 0; k < want; k++) assert_int_equal(j.calls[k], 1);
            assert_int_equal(j.total, want);
        }
    }
    team_set_size(t, 0);
    assert_true(team_size(t) >= 1);
}

static void phases(void *arg, const team_context *ctx) {
    job *j = arg;
    for (int p = 0; p < j->phases; p++) {
        j->cells[ctx->worker] = p;
        team_barrier(ctx);
        if (j->cells[(ctx->worker + 1) % ctx->workers] != p) atomic_fetch_add(&j->wrong, 1);
        team_barrier(ctx);
    }
}

static void test_barrier(void **state) {
    (void)state;
    for (int size = 1; size <= 6; size++) {
        job j;
        memset(&j, 0, sizeof j);
        j.phases = 200;
        team_set_size(team_default(), size);
        team_run(team_default(), 0, phases, &j);
        assert_int_equal(j.wrong, 0);
    }
}

static void nested(void *arg, const team_context *ctx) {
    job inner;
    memset(&inner, 0, sizeof inner);
    team_run(ctx->team, 0, count, &inner);
    if (inner.total != 1 || inner.workers != 1) atomic_fetch_add(&((job *)arg)->wrong, 1);
    count(arg, ctx);
}

enum { ITEMS = 203 };

typedef struct shared_items {
    atomic_int taken[TEAM_QUEUES][ITEMS];
    int64_t n;
    atomic_int by_slow;
} shared_items;

/* Worker 0 is held up in its first item. */
static void take_items(void *arg, const team_context *ctx) {
    shared_items *s = arg;
    for (int q = 0; q < TEAM_QUEUES; q++) {
        for (int64_t i; (i = team_next(ctx, q, s->n)) >= 0;) {
            atomic_fetch_add(&s->taken[q][i], 1);
            if (q || ctx->worker || ctx->workers == 1) continue;
            if (atomic_fetch_add(&s->by_slow, 1) == 0) usleep(20000);
        }
        team_barrier(ctx);
    }
}

static void test_next(void **state) {
    (void)state;
    team *t = team_default();
    for (int size = 1; size <= 5; size++) {
        team_set_size(t, size);
        for (int64_t n = 0; n <= ITEMS; n += n < 8 ? 1 : 65) {
            static shared_items s;
            memset(&s, 0, sizeof s);
            s.n = n;
            team_run(t, 0, take_items, &s);
            for (int q = 0; q < TEAM_QUEUES; q++)
                for (int64_t i = 0; i < ITEMS; i++) assert_int_equal(s.taken[q][i], i < n);
        }
    }
    team_set_size(t, 0);
}

static void test_nested(void **state) {
    (void)state;
    job j;
    memset(&j, 0, sizeof j);
    team_set_size(team_default(), 3);
    team_run(team_default(), 0, nested, &j);
    assert_int_equal(j.total, 3);
    assert_int_equal(j.wrong, 0);
}

/* Many callers at once: each region runs completely, whoever gets the team. */
static void *caller(void *arg) {
    job *j = arg;
    for (int i = 0; i < 300; i++) {
        job one;
        memset(&one, 0, sizeof one);
        team_run(team_default(), 0, count, &one);
        if (one.total != one.workers) atomic_fetch_add(&j->wrong, 1);
    }
    return NULL;
}

static void test_busy(void **state) {
    (void)state;
    pthread_t threads[4];
    job j;
    memset(&j, 0, sizeof j);
    team_set_size(team_default(), 3);
    for (int k = 0; k < 4; k++) assert_int_equal(pthread_create(&threads[k], NULL, caller, &j), 0);
    for (int k = 0; k < 4; k++) pthread_join(threads[k], NULL);
    assert_int_equal(j.wrong, 0);
}

static void test_stop(void **state) {
    (void)state;
    team_set_size(team_default(), 4);
    for (int i = 0; i < 5; i++) {
        job j;
        memset(&j, 0, sizeof j);
        team_run(team_default(), 0, count, &j);
        assert_int_equal(j.total, 4);
        team_stop(team_default());
        team_stop(team_default());
    }
}

#if !defined(HASTEN_SANITIZE_THREAD)
static void test_fork(void **state) {
    (void)state;
    job j;
    memset(&j, 0, sizeof j);
    team_set_size(team_default(), 3);
    team_run(team_default(), 0, count, &j);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        job c;
        memset(&c, 0, sizeof c);
        team_run(team_default(), 0, count, &c);
        team_run(team_default(), 0, count, &c);
        _exit(c.total == 6 && c.workers == 3 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    team_run(team_default(), 0, count, &j);
    assert_int_equal(j.total, 6);
}
#endif

#if defined(__x86_64__)
static void control(void *arg, const team_context *ctx) {
    (void)ctx;
    if ((_mm_getcsr() & 0xffc0) != 0x1f80) atomic_fetch_add(&((job *)arg)->wrong, 1);
}

static void test_float_control(void **state) {
    (void)state;
    job j;
    memset(&j, 0, sizeof j);
    unsigned old = _mm_getcsr(), odd = 0x1f80 | 0x8040 | 0x6000; /* flush to zero, round towards zero */
    _mm_setcsr(odd);
    for (int size = 1; size <= 3; size++) {
        team_set_size(team_default(), size);
        team_run(team_default(), 0, control, &j);
        assert_int_equal(_mm_getcsr() & 0xffc0, odd);
    }
    _mm_setcsr(old);
    assert_int_equal(j.wrong, 0);
}
#endif

static void test_split(void **state) {
    (void)state;
    for (int64_t n = 0; n < 40; n++)
        for (int64_t grain = 1; grain < 9; grain++)
            for (int workers = 1; workers < 6; workers++) {
                int64_t at = 0;
                for (int w = 0; w < workers; w++) {
                    int64_t begin, end;
                    team_split(n, grain, &(team_context){.worker = w, .workers = workers}, &begin, &end);
                    assert_int_equal(begin, at);
                    assert_true(end >= begin && (end == n || end % grain == 0));
                    at = end;
                }
                assert_int_equal(at, n);
            }
}

static void test_workers(void **state) {
    (void)state;
    static const struct {
        double work;
        int workers;
    } cases[] = {{0, 1}, {99, 1}, {100, 1}, {199, 1}, {200, 2}, {399, 3}, {400, 4}, {401, 4}, {1e300, 4}};
    team_set_size(team_default(), 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(team_workers(team_default(), cases[i].work, 100), cases[i].workers);
    team_scope earlier = team_begin(2);
    assert_int_equal(team_workers(team_default(), 1e300, 100), 2);
    team_end(earlier);
    team_set_size(team_default(), 1);
    assert_int_equal(team_workers(team_default(), 1e300, 100), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_once_each),
        cmocka_unit_test(test_barrier),
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_workers),
#if !defined(HASTEN_SANITIZE_THREAD)
        cmocka_unit_test(test_fork),
#endif
#if defined(__x86_64__)
        cmocka_unit_test(test_float_control),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
