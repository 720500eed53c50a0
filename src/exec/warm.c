/* The first run of a model that was mapped from an engine file. Faults that the kernels meet one by one, in the middle
 * of their loops and from all threads at once, cost several times the run itself; mapping what they will read
 * beforehand costs a few milliseconds. Tables that are read here and there (embeddings) are left to their faults. */
#include "base/file.h"
#include "exec/engine.h"

#define RANGE_LEAST ((size_t)16 << 10)     /* smaller constants are not worth a call */
#define GAP_MOST    ((uintptr_t)256 << 10) /* between two that are taken as one */

typedef struct range {
    uintptr_t begin, end;
} range;

static void flush(range *r) {
    if (r->begin < r->end) file_map_populate((const void *)r->begin, r->end - r->begin);
    *r = (range){0, 0};
}

static void add(range *r, const hst_tensor *t) {
    const uintptr_t begin = (uintptr_t)t->data, end = begin + t->bytes;
    if (r->end && begin >= r->begin && begin <= r->end + GAP_MOST) {
        if (end > r->end) r->end = end;
        return;
    }
    flush(r);
    *r = (range){begin, end};
}

void engine_warm(const engine *e) {
    range r = {0, 0};
    if (!e->model->compiled || __atomic_exchange_n(e->warm, 1, __ATOMIC_RELAXED)) return;
    for (int i = 0; i < e->n_steps; i++) {
        const step *st = &e->steps[i];
        for (int k = 0; k < st->n_in && st->state; k++) {
            const hst_tensor *t = st->in[k] >= 0 ? e->slots[st->in[k]].constant : NULL;
            if (t && !t->buffer && t->bytes >= RANGE_LEAST) add(&r, t);
        }
    }
    flush(&r);
}
