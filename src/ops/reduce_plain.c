/* Reductions in f64, and of integers in s64 that wraps: in plain order, one output element at a time. */
#include <math.h>

#include "ops/reduce.h"

static double start_of(reduce_kind k) {
    return k == REDUCE_MAX || k == REDUCE_LOG_SUM_EXP ? -INFINITY : k == REDUCE_MIN ? INFINITY : k == REDUCE_PROD;
}

static double slow_f64(reduce_kind k, const reduce_plan *p, const hst_tensor *x, int64_t base) {
    double acc = start_of(k), sum = 0;
    for (int64_t i = 0; i < p->count; i++) {
        double v = tensor_get_f64(x, base + reduce_offset(p->reduced, p->n_reduced, i));
        switch (k) {
        case REDUCE_LOG_SUM_EXP:
        case REDUCE_MAX:
            acc = v > acc || v != v ? v : acc;
            break;
        case REDUCE_MIN:
            acc = v < acc || v != v ? v : acc;
            break;
        case REDUCE_PROD:
            acc *= v;
            break;
        case REDUCE_L1:
            acc += fabs(v);
            break;
        case REDUCE_L2:
        case REDUCE_SUM_SQUARE:
            acc += v * v;
            break;
        default:
            acc += v;
            break;
        }
    }
    if (k == REDUCE_MEAN) return acc / (double)p->count;
    if (k == REDUCE_L2) return sqrt(acc);
    if (k == REDUCE_LOG_SUM) return log(acc);
    if (k != REDUCE_LOG_SUM_EXP || !isfinite(acc)) return acc;
    for (int64_t i = 0; i < p->count; i++)
        sum += exp(tensor_get_f64(x, base + reduce_offset(p->reduced, p->n_reduced, i)) - acc);
    return log(sum) + acc;
}

static void limits_of(hst_dtype d, int64_t *low, int64_t *high) {
    int bits = d == HST_DTYPE_B8 ? 1 : dtype_bits(d);
    bool is_signed = dtype_is_signed(d);
    *high = is_signed ? (int64_t)(UINT64_MAX >> (65 - bits)) : (int64_t)(UINT64_MAX >> (64 - bits));
    *low = is_signed ? -*high - 1 : 0;
}

static bool beyond(hst_dtype d, int64_t a, int64_t b) {
    return d == HST_DTYPE_U64 ? (uint64_t)a > (uint64_t)b : a > b;
}

static int64_t slow_s64(reduce_kind k, const reduce_plan *p, const hst_tensor *x, int64_t base) {
    int64_t low, high;
    limits_of(x->dtype, &low, &high);
    uint64_t acc = k == REDUCE_MAX ? (uint64_t)low : k == REDUCE_MIN ? (uint64_t)high : k == REDUCE_PROD;
    for (int64_t i = 0; i < p->count; i++) {
        int64_t v = tensor_get_s64(x, base + reduce_offset(p->reduced, p->n_reduced, i));
        uint64_t u = (uint64_t)v;
        switch (k) {
        case REDUCE_MAX:
            acc = beyond(x->dtype, v, (int64_t)acc) ? u : acc;
            break;
        case REDUCE_MIN:
            acc = beyond(x->dtype, (int64_t)acc, v) ? u : acc;
            break;
        case REDUCE_PROD:
            acc *= u;
            break;
        case REDUCE_L1:
            acc += v < 0 && x->dtype != HST_DTYPE_U64 ? 0 - u : u;
            break;
        case REDUCE_L2:
        case REDUCE_SUM_SQUARE:
            acc += u * u;
            break;
        default:
            acc += u;
            break;
        }
    }
    if (k != REDUCE_MEAN) return (int64_t)acc;
    if (p->count == 0) return 0;
    return x->dtype == HST_DTYPE_U64 ? (int64_t)(acc / (uint64_t)p->count) : (int64_t)acc / p->count;
}

void reduce_plain(reduce_kind k, const reduce_plan *p, const hst_tensor *x, hst_tensor *y) {
    bool real = dtype_is_float(x->dtype) || k == REDUCE_L2 || k == REDUCE_LOG_SUM || k == REDUCE_LOG_SUM_EXP;
    for (int64_t o = 0; o < p->outer; o++)
        for (int64_t j = 0; j < p->inner; j++) {
            int64_t base = reduce_offset(p->kept, p->n_kept, o) + j, at = o * p->inner + j;
            if (real)
                tensor_set_f64(y, at, slow_f64(k, p, x, base));
            else
                tensor_set_s64(y, at, slow_s64(k, p, x, base));
        }
}
