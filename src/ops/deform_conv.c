/* DeformConv: a convolution whose taps are displaced: x [N, C, in …], W [M, C/group, kernel …], offset [N, offset_group
 * · taps · rank, out …], B [M] or none, mask [N, offset_group · taps, out …] or none -> y [N, M, out …] y[n, m, o] =
 * B[m] + Σ over c, t of mask · x[n, c, o stride - begin + t dilation + offset] W[m, c, t] x between its elements is
 * interpolated linearly on each axis, and 0 outside. f64 inside. */
#include <math.h>

#include "ops/conv_shape.h"

#define PACE (1 << 18) /* steps between two questions whether the run should stop */

typedef struct job {
    const eval_context *c;
    conv_shape s;
    int64_t offset_groups, in, out, taps;
    const double *x, *weight, *offset, *bias, *mask;
} job;

static hst_status infer(infer_context *c, hst_error *err) {
    c->out[0].dtype = infer_in(c, 0)->dtype;
    return conv_shape_infer(c, infer_in(c, 0), infer_in(c, 1), &c->out[0], err);
}

/* x at a place between elements; corners outside are 0. */
static double sample(const window *w, const double *x, const double *place) {
    double sum = 0;
    for (int corner = 0; corner < 1 << w->rank; corner++) {
        double weight = 1;
        int64_t at = 0;
        for (int a = 0; a < w->rank && weight != 0; a++) {
            const double low = floor(place[a]), high = low + (corner >> a & 1);
            weight *= corner >> a & 1 ? place[a] - low : 1 - (place[a] - low);
            if (!(high >= 0 && high < (double)w->in[a])) weight = 0;
            at = weight != 0 ? at * w->in[a] + (int64_t)high : 0;
        }
        if (weight != 0) sum += weight * x[at];
    }
    return sum;
}

/* One image's group: y [filters, out …]; scratch: its column of displaced inputs, [channels, taps]. */
static void plane(const void *arg, int64_t i, const double *none, double *y, double *scratch) {
    (void)none;
    const job *j = arg;
    const window *w = &j->s.w;
    const int64_t image = i / j->s.groups, group = i % j->s.groups, all = j->s.channels * j->s.groups;
    const int64_t each = j->s.channels * j->taps * (j->s.filters + 8);
    int64_t o[WINDOW_RANK_MAX] = {0}, steps = 0;
    for (int64_t pixel = 0; pixel < j->out; pixel++, window_next(w->rank, w->out, o)) {
        if ((steps += each) >= PACE) {
            if (planes_stop(j->c)) return;
            steps = 0;
        }
        double *to = scratch;
        for (int64_t c = group * j->s.channels; c < (group + 1) * j->s.channels; c++) {
            const int64_t set = image * j->offset_groups + c / (all / j->offset_groups);
            int64_t tap[WINDOW_RANK_MAX] = {0};
            for (int64_t t = 0; t < j->taps; t++, window_next(w->rank, w->kernel, tap)) {
                double place[WINDOW_RANK_MAX];
                for (int a = 0; a < w->rank; a++)
                    place[a] = (double)(o[a] * w->stride[a] - w->begin[a] + tap[a] * w->dilation[a]) +
                               j->offset[((set * j->taps + t) * w->rank + a) * j->out + pixel];
                *to = sample(w, j->x + (image * all + c) * j->in, place);
                if (j->mask) *to *= j->mask[(set * j->taps + t) * j->out + pixel];
                to++;
            }
        }
        for (int64_t m = 0; m < j->s.filters; m++) {
            const int64_t filter = group * j->s.filters + m, k = j->s.channels * j->taps;
            double acc = 0;
            for (int64_t n = 0; n < k; n++) acc += scratch[n] * j->weight[filter * k + n];
            y[m * j->out + pixel] = j->bias ? acc + j->bias[filter] : acc;
        }
    }
}

static hst_status check(eval_context *c, const job *j, const hst_tensor *t, int64_t each, const char *name,
                        hst_error *err) {
    bool fits = t->rank == j->s.rank && t->dim[0] == j->s.batch && t->dim[1] == j->offset_groups * j->taps * each;
    for (int k = 0; fits && k < j->s.w.rank; k++) fits = t->dim[2 + k] == j->s.w.out[k];
    if (fits) return HST_STATUS_OK;
    type got = type_of_tensor(t);
    char text[160];
    return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%s is %s for %lld images, %lld groups and %lld taps", name,
                      type_format(NULL, &got, text, sizeof text), (long long)j->s.batch, (long long)j->offset_groups,
                      (long long)j->taps);
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *weight, *offset, *bias = eval_in(c, 3), *mask = eval_in(c, 4);
    hst_tensor *y;
    job j = {.c = c};
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(eval_need(c, 1, "W", &weight, err));
    HST_TRY(eval_need(c, 2, "offset", &offset, err));
    HST_TRY(planes_check(c->node, x, 3, "X", err));
    HST_TRY(planes_check(c->node, weight, 3, "W", err));
    HST_TRY(planes_check(c->node, offset, 3, "offset", err));
    if (bias) HST_TRY(planes_check(c->node, bias, 1, "B", err));
    if (mask) HST_TRY(planes_check(c->node, mask, 3, "mask", err));
    HST_TRY(conv_shape_read(c->node, x, weight, bias, &j.s, err));
    j.offset_groups = node_int(c->node, "offset_group", 1);
    if (j.offset_groups < 1 || (x->dim[1] && x->dim[1] % j.offset_groups))
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "offset_group is %lld for %lld channels",
                          (long long)j.offset_groups, (long long)x->dim[1]);
    j.taps = window_count(j.s.w.kernel, j.s.w.rank);
    j.in = window_count(j.s.w.in, j.s.w.rank);
    j.out = window_count(j.s.w.out, j.s.w.rank);
    if (j.offset_groups > INT32_MAX || j.taps > INT32_MAX || j.s.w.rank > 8)
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "%lld taps over %d axes", (long long)j.taps,
                          j.s.w.rank);
    HST_TRY(check(c, &j, offset, j.s.w.rank, "offset", err));
    if (mask) HST_TRY(check(c, &j, mask, 1, "mask", err));
    HST_TRY(planes_f64(c, x, &j.x, err));
    HST_TRY(planes_f64(c, weight, &j.weight, err));
    HST_TRY(planes_f64(c, offset, &j.offset, err));
    if (bias) HST_TRY(planes_f64(c, bias, &j.bias, err));
    if (mask) HST_TRY(planes_f64(c, mask, &j.mask, err));
    HST_TRY(eval_output(c, 0, x->dtype, j.s.rank, j.s.dim, &y, err));
    const int64_t k = j.s.channels * j.taps;
    return planes_run(c, NULL, 0, y, j.s.filters * j.out, j.s.batch * j.s.groups, k,
                      (double)k * (double)j.out * (double)(j.s.filters + 8), plane, &j, err);
}

// clang-format off
static const op_case cases[] = {
    {"half an element to the right", 0, "(f32[1,1,1,3]{1 2 4}, f32[1,1,1,1]{2}, f32[1,2,1,3]{0 0 0 0.5 0.5 0.5}) -> (f32[1,1,1,3]{3 6 4})", 0},
    {"bias and mask", 0, "(f64[1,2,1,1]{3 5}, f64[1,2,1,1]{1 1}, f64[1,2,1,1]{0 0}, f64[1]{1}, f64[1,1,1,1]{0.5}) -> (f64[1,1,1,1]{5})", 0},
    {0}};
// clang-format on

HST_OP(DeformConv) = {.name = "DeformConv",
                      .domain = "",
                      .since = 19,
                      .min_in = 3,
                      .max_in = 5,
                      .min_out = 1,
                      .max_out = 1,
                      .infer = infer,
                      .eval = eval,
                      .summary = "convolution with displaced taps",
                      HST_CASES(cases)};
