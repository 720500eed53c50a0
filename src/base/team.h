/* The thread team: one persistent set of workers a process, the caller being worker 0.
 *
 * A parallel region is entered by team_run; inside it team_barrier separates phases. Workers wait by spinning a few
 * microseconds, then by futex; they do not spin where there are more runnable threads than processors. A region that
 * finds the team busy (another session is running), or is entered from inside a region, runs on its caller's thread
 * alone: kernels must give the same bits for any number of workers. After fork the child makes a new team on first use.
 */
#ifndef BASE_TEAM_H
#define BASE_TEAM_H

#include "base/error.h"

typedef struct team team;
typedef struct team_cursor team_cursor;

/* Inside a region: which worker this is, and of how many. */
typedef struct team_context {
    team *team;
    int worker, workers;
    team_cursor *cursor; /* of team_next, one a worker */
} team_context;

typedef void (*team_fn)(void *arg, const team_context *ctx);

/* The process's team; made on first use with cpu_count() workers. Never NULL: without threads it has 1 worker. */
team *team_default(void);
/* Sets how many workers regions use from now on (1 … 256; 0: cpu_count()). */
void team_set_size(team *t, int workers);
int team_size(const team *t);

/* Workers for so much work that each has at least `each` of it: 1 to team_size(t). Waking one costs as much as some ten
 * thousand multiply-adds. */
int team_workers(const team *t, double work, double each);

/* Runs fn(arg, ctx) once on each of up to `workers` workers (0: all), returns when all have. Floating-point control is
 * set to the default on every worker and restored. */
void team_run(team *t, int workers, team_fn fn, void *arg);
/* Ends the threads (they are made anew by the next region); nothing where a region is running. Also done when the
 * library is unloaded or the process exits. */
void team_stop(team *t);
/* From here to team_end, on this thread: floating-point control is the default, and the regions it enters use at most
 * `workers` workers (0: no limit). */
typedef struct team_scope {
    uint64_t control;
    int limit;
} team_scope;
team_scope team_begin(int workers);
void team_end(team_scope earlier);
/* All workers of the region meet. */
void team_barrier(const team_context *ctx);

/* The next of items 0 … n - 1 that this worker shall do, -1 when all are given out: first its own share, an n-th part in
 * order, then what the others have not yet begun, so that a worker which something else holds up delays nobody. A region
 * has TEAM_QUEUES such lists (each to be used once, with one n); only inside team_run. */
enum { TEAM_QUEUES = 4 };
int64_t team_next(const team_context *ctx, int queue, int64_t n);

/* Splits n items: the part of `worker` is [*begin, *end), parts differ by at most one `grain`. */
static inline void team_split(int64_t n, int64_t grain, const team_context *ctx, int64_t *begin, int64_t *end) {
    int64_t blocks = (n + grain - 1) / grain, w = ctx->worker, ws = ctx->workers;
    int64_t each = blocks / ws, more = blocks % ws;
    int64_t b = w * each + (w < more ? w : more), e = b + each + (w < more);
    *begin = b * grain < n ? b * grain : n;
    *end = e * grain < n ? e * grain : n;
}

#endif
