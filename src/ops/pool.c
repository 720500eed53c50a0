/* MaxPool, AveragePool, LpPool over windows of x [N, C, in …] -> y [N, C, out …], and where MaxPool found its maxima:
 *   MaxPool      the greatest element, NaN aside; the first one of equals. Indices count the elements of x, the last
 * axis fastest, or the first spatial one where storage_order is 1 AveragePool  sum / taps: those inside x, or, with
 * count_include_pad, inside x and its padding LpPool       (Σ |x|^p)^(1/p) Taps beyond the padding (ceil_mode) count
 * nowhere. Arithmetic is f64, rounded once. */
#include <math.h>
#include <string.h>

#include "ops/sliding.h"

typedef enum kind { MAX, AVERAGE, LP } kind;

#define PACE (1 << 18) /* taps between two questions whether the run should stop */

typedef struct job {
    const eval_context *c;
    window w;
    kind kind;
    bool include_padding, column_major;
    double p;
    int64_t in;
    int64_t *indices; /* NULL: not wanted */
} job;

typedef struct found {
    double value;
    int64_t at; /* -1: nothing */
} found;

/* The taps [first, last) of each axis from `axis` on; `at`: the place on the axes before. */
static void visit(const job *j, const double *x, int axis, int64_t at, const int64_t *start, const int64_t *first,
                  const int64_t *last, found *f) {
    const int64_t d = j->w.dilation[axis];
    at = at * j->w.in[axis] + start[axis];
    if (axis + 1 < j->w.rank) {
        for (int64_t t = first[axis]; t < last[axis]; t++) visit(j, x, axis + 1, at + t * d, start, first, last, f);
        return;
    }
    for (int64_t t = first[axis]; t < last[axis]; t++) {
        const double v = x[at + t * d];
        if (j->kind == AVERAGE)
            f->value += v;
        else if (j->kind == LP)
            f->value += j->p == 2 ? v * v : j->p == 1 ? fabs(v) : pow(fabs(v), j->p);
        else if (v > f->value || f->at < 0)
            f->value = v == v ? v : -INFINITY, f->at = at + t * d;
    }
}

/* The place in memory as storage_order 1 counts it. */
static int64_t column_major(const window *w, int64_t at) {
    int64_t to = 0;
    for (int a = w->rank - 1; a >= 0; a--) {
        int64_t step = 1;
        for (int b = 0; b < a; b++) step *= w->in[b];
        to += at % w->in[a] * step;
        at /= w->in[a];
    }
    return to;
}

static void plane(const void *arg, int64_t i, const double *x, double *y, double *scratch) {
    (void)scratch;
    const job *j = arg;
    const window *w = &j->w;
    int64_t o[WINDOW_RANK_MAX] = {0}, start[WINDOW_RANK_MAX], first[WINDOW_RANK_MAX], last[WINDOW_RANK_MAX];
    int64_t *index = j->indices ? j->indices + i * window_count(w->out, w->rank) : NULL;
    int64_t steps = 0;
    do {
        double taps = 1;
        if (steps >= PACE) {
            if (planes_stop(j->c)) return;
            steps = 0;
        }
        found f = {j->kind == MAX ? -INFINITY : 0, -1};
        for (int a = 0; a < w->rank; a++) {
            start[a] = window_taps(w, a, o[a], &first[a], &last[a]);
            int64_t room = w->in[a] + w->end[a] - start[a]; /* up to the end of the padding */
            room = (room + w->dilation[a] - 1) / w->dilation[a];
            taps *= (double)(!j->include_padding ? last[a] - first[a] : room < w->kernel[a] ? room : w->kernel[a]);
        }
        int64_t inside = 1;
        for (int a = 0; a < w->rank; a++) inside *= last[a] > first[a] ? last[a] - first[a] : 0;
        steps += inside;
        visit(j, x, 0, 0, start, first, last, &f);
        if (j->kind == AVERAGE) f.value = taps > 0 ? f.value / taps : 0;
        if (j->kind == LP) f.value = j->p == 2 ? sqrt(f.value) : j->p == 1 ? f.value : pow(f.value, 1 / j->p);
        *y++ = f.value;
        if (index) *index++ = f.at < 0 ? -1 : i * j->in + (j->column_major ? column_major(w, f.at) : f.at);
    } while (window_next(w->rank, w->out, o));
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    window w;
    c->out[0].dtype = x->dtype;
    if (c->n_out > 1) c->out[1].dtype = HST_DTYPE_S64;
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(window_read(c->node, x->rank, NULL, &w, err));
    for (int k = 0; k < c->n_out; k++) {
        c->out[k].rank = x->rank;
        c->out[k].dim[0] = x->dim[0];
        c->out[k].dim[1] = x->dim[1];
    }
    HST_TRY(window_infer(c, &w, x, &c->out[0], err));
    for (int k = 2; c->n_out > 1 && k < x->rank; k++) c->out[1].dim[k] = c->out[0].dim[k];
    return HST_STATUS_OK;
}

static hst_status eval_kind(eval_context *c, kind k, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y, *indices = NULL;
    int64_t dims[HST_RANK_MAX], planes, inner;
    job j = {.c = c, .kind = k};
    HST_TRY(eval_need(c, 0, "X", &x, err));
    if (!(k == MAX && (x->dtype == HST_DTYPE_S8 || x->dtype == HST_DTYPE_U8)))
        HST_TRY(planes_check(c->node, x, 3, "X", err));
    HST_TRY(window_read(c->node, x->rank, NULL, &j.w, err));
    HST_TRY(window_fit(c->node, &j.w, x->dim + 2, err));
    j.include_padding = node_int(c->node, "count_include_pad", 0) != 0;
    j.column_major = node_int(c->node, "storage_order", 0) != 0;
    const attribute *p = node_attribute(c->node, "p");
    j.p = p && p->type == ATTRIBUTE_FLOAT ? (double)p->as.f : (double)node_int(c->node, "p", 2);
    if (k == LP && !(j.p > 0)) return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "p is %g", j.p);
    memcpy(dims, x->dim, sizeof dims);
    memcpy(dims + 2, j.w.out, (size_t)j.w.rank * sizeof *dims);
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, dims, &y, err));
    if (k == MAX && eval_wants(c, 1)) {
        HST_TRY(eval_output(c, 1, HST_DTYPE_S64, x->rank, dims, &indices, err));
        j.indices = indices->data;
    }
    planes_of(y, &planes, &inner);
    j.in = window_count(j.w.in, j.w.rank);
    if (k == MAX && !indices && j.w.rank <= 2 && x->dtype == HST_DTYPE_F32 && (uintptr_t)x->data % sizeof(float) == 0)
        return pool_max_f32(c, &j.w, planes, x->data, y->data, err);
    return planes_run(c, x, j.in, y, inner, planes, 0, (double)window_count(j.w.kernel, j.w.rank) * (double)inner,
                      plane, &j, err);
}

static hst_status eval_max(eval_context *c, hst_error *err) {
    return eval_kind(c, MAX, err);
}
static hst_status eval_average(eval_context *c, hst_error *err) {
    return eval_kind(c, AVERAGE, err);
}
static hst_status eval_lp(eval_context *c, hst_error *err) {
    return eval_kind(c, LP, err);
}

// clang-format off
static const op_case max_cases[] = {
    {"no elements, a huge window", 0, "(f32[0,1,9223372036854775807]{}; kernel_shape=[2147483647], dilations=[2147483647], auto_pad=\"SAME_UPPER\") -> (f32[0,1,9223372036854775807]{})", 0},
    {"2x2", 1, "(f32[1,1,3,3]{1 2 3 4 9 6 7 8 5}; kernel_shape=[2,2]) -> (f32[1,1,2,2]{9 9 9 9})", 0},
    {"indices", 0, "(f32[1,2,2,2]{1 2 3 4 8 7 6 5}; kernel_shape=[2,2]) -> (f32[1,2,1,1]{4 8}, s64[1,2,1,1]{3 4})", 0},
    {"storage order, padding", 8, "(f32[1,1,2,2]{1 2 3 -4}; kernel_shape=[2,2], pads=[1,0,0,0], storage_order=1) -> (f32[1,1,2,1]{2 3}, s64[1,1,2,1]{2 1})", 0},
    {"ceil, the last window in the padding", 0, "(f32[1,1,3]{1 2 3}; kernel_shape=[1], strides=[2], ceil_mode=1, pads=[0,0]) -> (f32[1,1,2]{1 3})", 0},
    {"ceil, dilation", 10, "(f32[1,1,6]{5 2 3 9 1 0}; kernel_shape=[2], strides=[2], dilations=[2], ceil_mode=1) -> (f32[1,1,3]{5 3 1})", 0},
    {"a stride of 2 in padding, NaN", 10, "(f32[1,1,6]{5 2 3 9 1 nan}; kernel_shape=[3], strides=[2], pads=[1,1]) -> (f32[1,1,3]{5 9 9})", 0},
    {"ceil", 10, "(f32[1,1,6]{5 2 3 9 1 0}; kernel_shape=[3], strides=[2], ceil_mode=1) -> (f32[1,1,3]{5 9 1})", 0},
    {"ceil, a window longer than its input", 0, "(f32[1,1,2,1]{2 4}; kernel_shape=[3,5], strides=[2,5], ceil_mode=1) -> (f32[1,1,1,1]{4})", 0},
    {"u8", 12, "(u8[1,1,3]{200 1 9}; kernel_shape=[2]) -> (u8[1,1,2]{200 9})", 0},
    {0}};
static const op_case average_cases[] = {
    {"1-D", 7, "(f32[1,1,3]{1 2 4}; kernel_shape=[2]) -> (f32[1,1,2]{1.5 3})", 0},
    {"ceil, a window larger than the input", 10, "(f32[1,1,3]{1 2 6}; kernel_shape=[8], strides=[8], ceil_mode=1) -> (f32[1,1,1]{3})", 0},
    {"padding does not count", 0, "(f32[1,1,2]{2 4}; kernel_shape=[2], pads=[1,1]) -> (f32[1,1,3]{2 3 4})", 0},
    {"padding counts, ceil does not", 0, "(f32[1,1,2]{2 4}; kernel_shape=[2], pads=[1,0], strides=[2], count_include_pad=1, ceil_mode=1) -> (f32[1,1,2]{1 4})", 0},
    {"ceil, a window longer than its input", 0, "(f32[1,1,2]{2 4}; kernel_shape=[5], strides=[4], ceil_mode=1) -> (f32[1,1,1]{3})", 0},
    {"ceil, a longer window, padding counts", 0, "(f32[1,1,2]{2 4}; kernel_shape=[5], strides=[5], pads=[1,0], count_include_pad=1, ceil_mode=1) -> (f32[1,1,1]{2})", 0},
    {"SAME_UPPER", 0, "(f32[1,1,2]{2 4}; kernel_shape=[2], auto_pad=\"SAME_UPPER\") -> (f32[1,1,2]{3 4})", 0},
    {"f64, dilation", 19, "(f64[1,1,3]{1 2 4}; kernel_shape=[2], dilations=[2]) -> (f64[1,1,1]{2.5})", 0},
    {0}};
static const op_case lp_cases[] = {
    {"p 2", 0, "(f32[1,1,2]{-3 4}; kernel_shape=[2]) -> (f32[1,1,1]{5})", 0},
    {"p 1", 11, "(f32[1,1,2]{-3 4}; kernel_shape=[2], p=1) -> (f32[1,1,1]{7})", 0},
    {"p 3", 2, "(f32[1,1,2]{-3 4}; kernel_shape=[2], p=3, pads=[1,0]) -> (f32[1,1,2]{3 4.4979414})", 1e-6},
    {0}};

HST_OP(MaxPool) = {.name = "MaxPool", .domain = "", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 2,
    .infer = infer, .eval = eval_max, .summary = "greatest element of each window", HST_CASES(max_cases)};
HST_OP(AveragePool) = {.name = "AveragePool", .domain = "", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .infer = infer, .eval = eval_average, .summary = "mean of each window", HST_CASES(average_cases)};
HST_OP(LpPool) = {.name = "LpPool", .domain = "", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .infer = infer, .eval = eval_lp, .summary = "p-norm of each window", HST_CASES(lp_cases)};
// clang-format on
