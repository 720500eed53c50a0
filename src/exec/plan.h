/* The static memory plan of a run: where in one arena each request for memory lies, from the requests that an earlier
 * run with the same input shapes made. Requests that live at the same time never overlap. */
#ifndef EXEC_PLAN_H
#define EXEC_PLAN_H

#include "base/memory.h"

/* One request: made in step `first` of a run, released after step `last`. */
typedef struct plan_request {
    size_t size;     /* bytes, a multiple of MEMORY_ALIGN */
    int first, last; /* steps, inclusive */
    bool escapes;    /* became an output of the run: takes no place in the arena */
    size_t offset;   /* result */
} plan_request;

/* Places `n` requests: the largest first, each in the smallest gap between those it lives beside. `total` is what the
 * arena must hold, `beside` the bytes of the requests that escape. Memory for the work comes from `a`. */
hst_status plan_place(plan_request *requests, int n, const hst_allocator *a, size_t *total, size_t *beside,
                      hst_error *err);

/* Joins what two runs of one signature asked for: the k-th request of a step has the greater size and the longer life.
 * Both are ordered by `first`; `out` has room for n_a + n_b; returns how many. */
int plan_merge(const plan_request *a, int n_a, const plan_request *b, int n_b, plan_request *out);

#endif
