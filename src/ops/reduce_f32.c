/* Reductions in f32, f16 and bf16 (converted), in the order that reduce.c states: lanes where trailing axes are
 * reduced, chains over blocks of neighbouring outputs elsewhere, shared among the team. */
#include <math.h>

#include "ops/reduce.h"
#include "tensor/convert.h"

static inline __attribute__((always_inline)) float step(reduce_kind k, float acc, float x, float most) {
    switch (k) {
    case REDUCE_MAX:
        return x > acc || x != x ? x : acc;
    case REDUCE_MIN:
        return x < acc || x != x ? x : acc;
    case REDUCE_PROD:
        return acc * x;
    case REDUCE_L1:
        return acc + fabsf(x);
    case REDUCE_L2:
    case REDUCE_SUM_SQUARE:
        return acc + x * x;
    case REDUCE_EXP_PASS:
        return acc + (float)exp((double)x - (double)most);
    default:
        return acc + x;
    }
}

static float start_of(reduce_kind k) {
    return k == REDUCE_MAX ? -INFINITY : k == REDUCE_MIN ? INFINITY : k == REDUCE_PROD ? 1.0f : 0.0f;
}

static float finish_of(reduce_kind k, float acc, int64_t count, float most) {
    switch (k) {
    case REDUCE_MEAN:
        return acc / (float)count;
    case REDUCE_L2:
        return sqrtf(acc);
    case REDUCE_LOG_SUM:
        return (float)log((double)acc);
    case REDUCE_EXP_PASS:
        return isfinite(most) ? (float)log((double)acc) + most : most;
    default:
        return acc;
    }
}

static inline __attribute__((always_inline)) float lanes(reduce_kind k, const float *x, int64_t n, float most) {
    float lane[16];
    for (int i = 0; i < 16; i++) lane[i] = start_of(k);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++) lane[j] = step(k, lane[j], x[i + j], most);
    for (int j = 0; i < n; i++, j++) lane[j] = step(k, lane[j], x[i], most);
    for (int half = 8; half; half /= 2)
        for (int j = 0; j < half; j++)
            lane[j] = k == REDUCE_MAX || k == REDUCE_MIN || k == REDUCE_PROD ? step(k, lane[j], lane[j + half], 0)
                                                                             : lane[j] + lane[j + half];
    return lane[0];
}

static inline __attribute__((always_inline)) void chain(reduce_kind k, float *acc, const float *x, int64_t n,
                                                        const float *most) {
    for (int64_t i = 0; i < n; i++) acc[i] = step(k, acc[i], x[i], most ? most[i] : 0);
}

static float reduce_row(reduce_kind k, const float *x, int64_t n, float most) {
    switch (k) {
    case REDUCE_MAX:
        return lanes(REDUCE_MAX, x, n, 0);
    case REDUCE_MIN:
        return lanes(REDUCE_MIN, x, n, 0);
    case REDUCE_PROD:
        return lanes(REDUCE_PROD, x, n, 0);
    case REDUCE_L1:
        return lanes(REDUCE_L1, x, n, 0);
    case REDUCE_L2:
    case REDUCE_SUM_SQUARE:
        return lanes(REDUCE_SUM_SQUARE, x, n, 0);
    case REDUCE_EXP_PASS:
        return lanes(REDUCE_EXP_PASS, x, n, most);
    default:
        return lanes(REDUCE_SUM, x, n, 0);
    }
}

static void reduce_chain(reduce_kind k, float *acc, const float *x, int64_t n, const float *most) {
    switch (k) {
    case REDUCE_MAX:
        chain(REDUCE_MAX, acc, x, n, NULL);
        break;
    case REDUCE_MIN:
        chain(REDUCE_MIN, acc, x, n, NULL);
        break;
    case REDUCE_PROD:
        chain(REDUCE_PROD, acc, x, n, NULL);
        break;
    case REDUCE_L1:
        chain(REDUCE_L1, acc, x, n, NULL);
        break;
    case REDUCE_L2:
    case REDUCE_SUM_SQUARE:
        chain(REDUCE_SUM_SQUARE, acc, x, n, NULL);
        break;
    case REDUCE_EXP_PASS:
        chain(REDUCE_EXP_PASS, acc, x, n, most);
        break;
    default:
        chain(REDUCE_SUM, acc, x, n, NULL);
        break;
    }
}

#define BLOCK 256

typedef struct job {
    reduce_kind kind;
    const reduce_plan *plan;
    const float *x;
    float *y;
} job;

/* One pass over the reduced elements of a block of n outputs at x. */
static void block_pass(const reduce_plan *p, reduce_kind k, const float *x, int64_t n, float *acc, const float *most) {
    for (int64_t j = 0; j < n; j++) acc[j] = start_of(k);
    if (p->lanes) {
        acc[0] = reduce_row(k, x, p->count, most ? most[0] : 0);
        return;
    }
    for (int64_t i = 0; i < p->count; i++)
        reduce_chain(k, acc, x + reduce_offset(p->reduced, p->n_reduced, i), n, most);
}

static void block_run(const job *w, int64_t item) {
    const reduce_plan *p = w->plan;
    int64_t blocks = (p->inner + BLOCK - 1) / BLOCK, o = item / blocks, j = item % blocks * BLOCK;
    int64_t n = p->inner - j < BLOCK ? p->inner - j : BLOCK;
    const float *x = w->x + reduce_offset(p->kept, p->n_kept, o) + j;
    float acc[BLOCK], most[BLOCK];
    most[0] = 0;
    reduce_kind k = w->kind;
    if (k == REDUCE_LOG_SUM_EXP) {
        block_pass(p, REDUCE_MAX, x, n, most, NULL);
        k = REDUCE_EXP_PASS;
    }
    block_pass(p, k, x, n, acc, k == REDUCE_EXP_PASS ? most : NULL);
    float *y = w->y + o * p->inner + j;
    for (int64_t i = 0; i < n; i++) y[i] = finish_of(k, acc[i], p->count, k == REDUCE_EXP_PASS ? most[i] : 0);
}

static void worker(void *arg, const team_context *ctx) {
    const job *w = arg;
    int64_t items = w->plan->outer * ((w->plan->inner + BLOCK - 1) / BLOCK), begin, end;
    team_split(items, 1, ctx, &begin, &end);
    for (int64_t i = begin; i < end; i++) block_run(w, i);
}

hst_status reduce_f32(eval_context *c, reduce_kind k, const reduce_plan *p, const hst_tensor *x, hst_tensor *y,
                      hst_error *err) {
    int64_t n = tensor_count(x), m = tensor_count(y);
    job w = {k, p, x->data, y->data};
    void *from = NULL, *to = NULL;
    if (x->dtype != HST_DTYPE_F32) {
        HST_TRY(eval_scratch(c, (size_t)n * sizeof(float), &from, err));
        HST_TRY(eval_scratch(c, (size_t)m * sizeof(float), &to, err));
        convert_to_f32(x->dtype, x->data, 0, from, n);
        w.x = from, w.y = to;
    }
    team_context alone = {.workers = 1};
    if (n < 16384)
        worker(&w, &alone);
    else
        team_run(c->team, 0, worker, &w);
    if (to) convert_from_f32(y->dtype, to, y->data, 0, m);
    return HST_STATUS_OK;
}
