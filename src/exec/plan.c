/* Greedy by size: sorting the requests by size and giving each the tightest gap wastes little in practice, and needs no
 * more than one pass over the placed ones per request. */
#include "exec/plan.h"

#include <stdlib.h>

#include "base/checked.h"

static int larger_first(const void *a, const void *b) {
    const plan_request *x = *(plan_request *const *)a, *y = *(plan_request *const *)b;
    if (x->size != y->size) return x->size < y->size ? 1 : -1;
    return (x > y) - (x < y);
}

/* The offset for r beside `placed` (n of them, ordered by offset). */
static size_t best_gap(const plan_request *r, plan_request *const *placed, int n) {
    size_t end = 0, best = SIZE_MAX, best_size = SIZE_MAX;
    for (int i = 0; i < n; i++) {
        const plan_request *p = placed[i];
        if (p->last < r->first || p->first > r->last) continue;
        if (p->offset > end) {
            size_t gap = p->offset - end;
            if (gap >= r->size && gap < best_size) {
                best = end;
                best_size = gap;
            }
        }
        if (p->offset + p->size > end) end = p->offset + p->size;
    }
    return best != SIZE_MAX ? best : end;
}

hst_status plan_place(plan_request *requests, int n, const hst_allocator *a, size_t *total, size_t *beside,
                      hst_error *err) {
    *total = *beside = 0;
    if (n == 0) return HST_STATUS_OK;
    size_t bytes = (size_t)n * 2 * sizeof(plan_request *);
    plan_request **order = memory_alloc(a, bytes, 16);
    if (!order) return error_no_memory(err, bytes, "the memory plan");
    plan_request **placed = order + n;
    hst_status status = HST_STATUS_OK;
    int n_order = 0, n_placed = 0;
    for (int i = 0; i < n && status == HST_STATUS_OK; i++) {
        size_t *sum = requests[i].escapes ? beside : NULL;
        if (!sum) order[n_order++] = &requests[i];
        if (sum && !size_add(*sum, requests[i].size, sum)) status = error_no_memory(err, SIZE_MAX, "outputs");
    }
    qsort(order, (size_t)n_order, sizeof *order, larger_first);
    for (int i = 0; i < n_order && status == HST_STATUS_OK; i++) {
        plan_request *r = order[i];
        size_t end;
        r->offset = best_gap(r, placed, n_placed);
        if (!size_add(r->offset, r->size, &end) || end > PTRDIFF_MAX) {
            status = error_no_memory(err, SIZE_MAX, "temporaries");
            break;
        }
        if (end > *total) *total = end;
        int at = n_placed++;
        for (; at > 0 && placed[at - 1]->offset > r->offset; at--) placed[at] = placed[at - 1];
        placed[at] = r;
    }
    memory_free(a, order, bytes);
    return status;
}

static plan_request join(const plan_request *a, const plan_request *b) {
    plan_request r = *a;
    if (b->size > r.size) r.size = b->size;
    if (b->last > r.last) r.last = b->last;
    r.escapes = a->escapes || b->escapes;
    return r;
}

int plan_merge(const plan_request *a, int n_a, const plan_request *b, int n_b, plan_request *out) {
    int i = 0, k = 0, n = 0;
    while (i < n_a || k < n_b) {
        if (i < n_a && k < n_b && a[i].first == b[k].first)
            out[n++] = join(&a[i++], &b[k++]);
        else if (k >= n_b || (i < n_a && a[i].first < b[k].first))
            out[n++] = a[i++];
        else
            out[n++] = b[k++];
    }
    return n;
}
