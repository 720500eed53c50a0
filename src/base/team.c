/* The thread team. The caller of a region hands the job to each worker through the worker's own futex word (`go`),
 * works as worker 0, and waits for the count of unfinished workers to reach 0. Waiting is: spin for SPIN_NS, then
 * futex.
 *
 * Who sleeps says so before a last look at the word, who changes a word looks for sleepers afterwards; both sides are
 * sequentially consistent, so that one of them sees the other. */
#include "base/team.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cpu.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum {
    WORKERS_MOST = 256,
    LINE = 64,       /* words of different owners stand on different cache lines */
    SPIN_NS = 60000, /* longer than the serial gap between two runs and parallel nodes, than the last part that another
                      * worker computes, and than a sleeper takes to wake; shorter than a tick */
    SIGNS_NS = 10 * 1000000,  /* two signs of more threads than processors, so near each other, are believed */
    CROWDED_NS = 10 * 1000000 /* how long spinning is given up then */
};

typedef struct word {
    _Alignas(LINE) atomic_uint value;
    atomic_uint sleepers;
} word;

typedef struct worker {
    word go; /* changes when there is a region for this worker */
    pthread_t thread;
    unsigned seen; /* value of `go` that the thread begins from */
} worker;

/* How many items of its share of each queue are given out. */
struct team_cursor {
    _Alignas(LINE) atomic_llong taken[TEAM_QUEUES];
};

struct team {
    atomic_int size;            /* workers that regions use */
    atomic_int running;         /* 1 while a region has the team */
    atomic_llong crowded_until; /* CLOCK_MONOTONIC, ns; 0: never */
    int threads;                /* made so far; changed only by who holds `running` */
    int processors;             /* when the first thread was made */
    atomic_bool too_many;       /* the region has more workers than that */
    team_fn fn;                 /* the region: */
    void *arg;
    int workers;
    bool stop;
    word unfinished;                    /* workers but the caller that are still in the region */
    _Alignas(LINE) atomic_uint arrived; /* at the barrier */
    word phase;                         /* of the barrier */
    worker worker[WORKERS_MOST];        /* [0] is unused: the caller */
    team_cursor cursor[WORKERS_MOST];
};

static team the_team;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local int depth;               /* of regions on this thread */
static _Thread_local int limit;               /* of workers of this thread's regions; 0: none */
static _Thread_local long last_switches = -1; /* involuntary context switches seen; -1: not looked yet */
static _Thread_local long long last_sign;     /* when more of them were found; 0: never */

/* ---- floating-point control ---- */

typedef uint64_t float_control;

static inline float_control float_default(void) {
#if defined(__x86_64__)
    unsigned old = _mm_getcsr();
    _mm_setcsr(0x1f80); /* round to nearest, subnormals kept, exceptions masked */
    return old;
#elif defined(__aarch64__)
    uint64_t old;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
    return old;
#else
    return 0;
#endif
}

static inline void float_restore(float_control old) {
#if defined(__x86_64__)
    _mm_setcsr((unsigned)old);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(old));
#else
    (void)old;
#endif
}

/* ---- waiting ---- */

static inline void relax(void) {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void futex_wait(atomic_uint *at, unsigned value) {
    syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *at, int n) {
    syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static void set_crowded(team *t) {
    atomic_store_explicit(&t->crowded_until, now_ns() + CROWDED_NS, memory_order_relaxed);
}

/* Spinning only helps where the awaited thread has a processor of its own. Signs that it has not: more workers than
 * processors, another region running beside this one, or this thread being switched out against its will. */
static bool may_spin(team *t) {
    long long until = atomic_load_explicit(&t->crowded_until, memory_order_relaxed);
    if (atomic_load_explicit(&t->too_many, memory_order_relaxed)) return false;
    return until == 0 || now_ns() >= until;
}

/* The kernel's own threads take a processor some 40 times a second, for a moment: that is no crowd. Programs beside this
 * one take it tick after tick. */
static void look_for_crowd(team *t) {
#if defined(RUSAGE_THREAD)
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) != 0) return;
    if (last_switches >= 0 && usage.ru_nivcsw > last_switches) {
        const long long now = now_ns();
        if (last_sign && now - last_sign < SIGNS_NS) set_crowded(t);
        last_sign = now;
    }
    last_switches = usage.ru_nivcsw;
#endif
}

/* Returns once the word is no longer `old`, with what it is then. */
static unsigned wait_change(team *t, word *w, unsigned old) {
    unsigned value = atomic_load_explicit(&w->value, memory_order_acquire);
    if (value != old) return value;
    if (may_spin(t)) {
        long long end = now_ns() + SPIN_NS;
        do {
            for (int i = 0; i < 32; i++) {
                relax();
                value = atomic_load_explicit(&w->value, memory_order_acquire);
                if (value != old) return value;
            }
        } while (now_ns() < end);
    }
    look_for_crowd(t);
    atomic_fetch_add(&w->sleepers, 1);
    while ((value = atomic_load(&w->value)) == old) futex_wait(&w->value, old);
    atomic_fetch_sub(&w->sleepers, 1);
    return value;
}

static void wake(word *w) {
    if (atomic_load(&w->sleepers)) futex_wake(&w->value, INT_MAX);
}

/* ---- workers ---- */

static void finish(team *t) {
    if (atomic_fetch_sub(&t->unfinished.value, 1) == 1) wake(&t->unfinished);
}

static void *worker_main(void *arg) {
    team *t = &the_team;
    int k = (int)(intptr_t)arg;
    worker *w = &t->worker[k];
    unsigned seen = w->seen;
    for (;;) {
        seen = wait_change(t, &w->go, seen);
        if (t->stop) break;
        float_default();
        depth++;
        t->fn(t->arg, &(team_context){t, k, t->workers, t->cursor});
        depth--;
        finish(t);
    }
    finish(t);
    return NULL;
}

/* Sees to it that there are `workers` - 1 threads; fewer where the system gives no more. Signals stay with the
 * program's own threads. */
static void make_threads(team *t, int workers) {
    sigset_t all, old;
    if (t->threads == 0) t->processors = cpu_count();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (t->threads < workers - 1) {
        int k = t->threads + 1;
        worker *w = &t->worker[k];
        w->seen = atomic_load(&w->go.value);
        if (pthread_create(&w->thread, NULL, worker_main, (void *)(intptr_t)k) != 0) break;
        char name[24];
        snprintf(name, sizeof name, "hasten-%d", k);
        pthread_setname_np(w->thread, name);
        t->threads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* The child of a fork has none of the threads, whatever they were doing. */
static void after_fork(void) {
    team *t = &the_team;
    t->threads = 0;
    t->stop = false;
    atomic_store(&t->running, 0);
    atomic_store(&t->unfinished.value, 0);
    atomic_store(&t->unfinished.sleepers, 0);
    atomic_store(&t->arrived, 0);
    atomic_store(&t->phase.sleepers, 0);
    for (int k = 1; k < WORKERS_MOST; k++) atomic_store(&t->worker[k].go.sleepers, 0);
}

static void begin(void) {
    atomic_store(&the_team.size, 0);
    team_set_size(&the_team, 0);
    the_team.processors = cpu_count();
    pthread_atfork(NULL, NULL, after_fork);
}

/* ---- the contract ---- */

team *team_default(void) {
    pthread_once(&once, begin);
    return &the_team;
}

void team_set_size(team *t, int workers) {
    if (workers <= 0) workers = cpu_count();
    atomic_store(&t->size, workers < WORKERS_MOST ? workers : WORKERS_MOST);
}

int team_size(const team *t) {
    int size = atomic_load(&t->size);
    return limit && limit < size ? limit : size;
}

int team_workers(const team *t, double work, double each) {
    const int size = team_size(t);
    if (work / each >= size) return size;
    return work < each ? 1 : (int)(work / each);
}

team_scope team_begin(int workers) {
    team_scope earlier = {float_default(), limit};
    limit = workers;
    return earlier;
}

void team_end(team_scope earlier) {
    float_restore((float_control)earlier.control);
    limit = earlier.limit;
}

static void run_alone(team *t, team_fn fn, void *arg) {
    float_control old = float_default();
    team_cursor cursor = {0};
    depth++;
    fn(arg, &(team_context){t, 0, 1, &cursor});
    depth--;
    float_restore(old);
}

static bool take(team *t) {
    int expected = 0;
    return atomic_load_explicit(&t->running, memory_order_relaxed) == 0 &&
           atomic_compare_exchange_strong(&t->running, &expected, 1);
}

void team_run(team *t, int workers, team_fn fn, void *arg) {
    int size = team_size(t);
    if (workers <= 0 || workers > size) workers = size;
    if (workers == 1 || depth > 0) {
        run_alone(t, fn, arg);
        return;
    }
    if (!take(t)) {
        set_crowded(t);
        run_alone(t, fn, arg);
        return;
    }
    if (t->threads < workers - 1) make_threads(t, workers);
    if (workers > t->threads + 1) workers = t->threads + 1;
    t->fn = fn;
    t->arg = arg;
    t->workers = workers;
    atomic_store_explicit(&t->too_many, workers > t->processors, memory_order_relaxed);
    atomic_store_explicit(&t->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&t->unfinished.value, (unsigned)(workers - 1), memory_order_relaxed);
    for (int k = 0; k < workers; k++)
        for (int q = 0; q < TEAM_QUEUES; q++)
            atomic_store_explicit(&t->cursor[k].taken[q], 0, memory_order_relaxed);
    for (int k = 1; k < workers; k++) {
        atomic_fetch_add(&t->worker[k].go.value, 1);
        wake(&t->worker[k].go);
    }
    float_control old = float_default();
    depth++;
    fn(arg, &(team_context){t, 0, workers, t->cursor});
    depth--;
    float_restore(old);
    for (unsigned left; (left = atomic_load(&t->unfinished.value)) != 0;) wait_change(t, &t->unfinished, left);
    atomic_store(&t->running, 0);
}

void team_stop(team *t) {
    if (depth > 0 || !take(t)) return;
    t->stop = true;
    atomic_store(&t->unfinished.value, (unsigned)t->threads);
    for (int k = 1; k <= t->threads; k++) {
        atomic_fetch_add(&t->worker[k].go.value, 1);
        wake(&t->worker[k].go);
    }
    for (int k = 1; k <= t->threads; k++) pthread_join(t->worker[k].thread, NULL);
    t->threads = 0;
    t->stop = false;
    atomic_store(&t->running, 0);
}

__attribute__((destructor)) static void at_unload(void) {
    team_stop(&the_team);
}

void team_barrier(const team_context *ctx) {
    team *t = ctx->team;
    if (ctx->workers == 1) return;
    unsigned phase = atomic_load_explicit(&t->phase.value, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&t->arrived, 1, memory_order_acq_rel) == (unsigned)ctx->workers - 1) {
        atomic_store_explicit(&t->arrived, 0, memory_order_relaxed);
        atomic_fetch_add(&t->phase.value, 1);
        wake(&t->phase);
    } else {
        wait_change(t, &t->phase, phase);
    }
}

int64_t team_next(const team_context *ctx, int queue, int64_t n) {
    const int workers = ctx->workers;
    for (int k = 0; k < workers; k++) {
        const int w = (ctx->worker + k) % workers;
        const int64_t each = n / workers, more = n % workers;
        const int64_t begin = w * each + (w < more ? w : more), count = each + (w < more);
        atomic_llong *taken = &ctx->cursor[w].taken[queue];
        if (atomic_load_explicit(taken, memory_order_relaxed) >= count) continue;
        const int64_t at = atomic_fetch_add_explicit(taken, 1, memory_order_relaxed);
        if (at < count) return begin + at;
    }
    return -1;
}
