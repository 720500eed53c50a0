/* Conv: x [N, C, in …], W [M, C/group, kernel …], B [M] or none -> y [N, M, out …]
 *   y[n, m, o] = B[m] + Σ over c, t of x[n, group of m, c, o stride - begin + t dilation] W[m, c, t]
 * f32 as ops/conv_f32.h; f16 and bf16 compute in f32 and round once; f64 is one chain here. */
#include <math.h>
#include <string.h>

#include "ops/conv_layer.h"
#include "tensor/convert.h"

static hst_status infer(infer_context *c, hst_error *err) {
    c->out[0].dtype = infer_in(c, 0)->dtype;
    return conv_shape_infer(c, infer_in(c, 0), infer_in(c, 1), &c->out[0], err);
}

/* ---- f64 ---- */

#define PACE (1 << 20) /* steps between two questions whether the run should stop */

typedef struct job {
    const eval_context *c;
    const conv_shape *s;
    const double *x, *weight, *bias;
    int64_t in, taps;
} job;

static double one(const job *j, const double *x, const double *weight, const int64_t *o) {
    const window *w = &j->s->w;
    double acc = 0;
    for (int64_t c = 0; c < j->s->channels; c++, x += j->in) {
        int64_t tap[WINDOW_RANK_MAX] = {0};
        do {
            int64_t from = 0;
            bool inside = true;
            for (int a = 0; a < w->rank; a++) {
                const int64_t at = o[a] * w->stride[a] - w->begin[a] + tap[a] * w->dilation[a];
                inside = inside && at >= 0 && at < w->in[a];
                from = inside ? from * w->in[a] + at : 0;
            }
            acc = fma(inside ? x[from] : 0, *weight++, acc);
        } while (window_next(w->rank, w->kernel, tap));
    }
    return acc;
}

static void plane(const void *arg, int64_t i, const double *none, double *y, double *scratch) {
    (void)none, (void)scratch;
    const job *j = arg;
    const conv_shape *s = j->s;
    const int64_t filter = i % s->dim[1], image = i / s->filters;
    const double *x = j->x + image * s->channels * j->in, *weight = j->weight + filter * s->channels * j->taps;
    const int64_t each = s->channels * j->taps;
    int64_t o[WINDOW_RANK_MAX] = {0}, steps = 0;
    do {
        if ((steps += each) >= PACE) {
            if (planes_stop(j->c)) return;
            steps = 0;
        }
        const double acc = one(j, x, weight, o);
        *y++ = j->bias ? acc + j->bias[filter] : acc;
    } while (window_next(s->w.rank, s->w.out, o));
}

static hst_status run_f64(eval_context *c, const conv_shape *s, hst_tensor *y, hst_error *err) {
    job j = {.c = c, .s = s, .in = window_count(s->w.in, s->w.rank), .taps = window_count(s->w.kernel, s->w.rank)};
    int64_t planes, inner;
    HST_TRY(planes_f64(c, eval_in(c, 0), &j.x, err));
    HST_TRY(planes_f64(c, eval_in(c, 1), &j.weight, err));
    if (eval_in(c, 2)) HST_TRY(planes_f64(c, eval_in(c, 2), &j.bias, err));
    planes_of(y, &planes, &inner);
    return planes_run(c, NULL, 0, y, inner, planes, 0, (double)(j.taps * s->channels) * (double)inner, plane, &j, err);
}

/* ---- the others ---- */

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    const hst_tensor *x, *weight, *bias = eval_in(c, 2);
    hst_tensor *y;
    conv_shape s;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(eval_need(c, 1, "W", &weight, err));
    if (x->dtype != HST_DTYPE_F64) return conv_layer_run(state, c, err);
    HST_TRY(conv_layer_shape(c, x, weight, bias, &s, err));
    HST_TRY(eval_output(c, 0, x->dtype, s.rank, s.dim, &y, err));
    return run_f64(c, &s, y, err);
}

static hst_status eval(eval_context *c, hst_error *err) {
    return run(NULL, c, err);
}

static hst_status bind(bind_context *c, hst_error *err) {
    if (c->in[0].dtype == HST_DTYPE_F64) {
        c->why = "f64";
        return HST_STATUS_OK;
    }
    HST_TRY(conv_layer_bind(c, err));
    c->run = run;
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"nothing, in groups", 0, "(f32[2305843009213693952,0,1]{}, f32[0,0,1]{}; group=8) -> (f32[2305843009213693952,0,1]{})", 0},
    {"3x3 with padding", 0, "(f32[1,1,3,3]{0 1 2 3 4 5 6 7 8}, f32[1,1,3,3]{1 1 1 1 1 1 1 1 1}; pads=[1,1,1,1]) -> (f32[1,1,3,3]{8 15 12 21 36 27 20 33 24})", 0},
    {"strides", 1, "(f32[1,1,3,4]{0 1 2 3 4 5 6 7 8 9 10 11}, f32[1,1,2,2]{1 0 0 1}, f32[1]{0.5}; strides=[1,2]) -> (f32[1,1,2,2]{5.5 9.5 13.5 17.5})", 0},
    {"1-D, channels", 0, "(f32[1,2,3]{1 2 3 4 5 6}, f32[3,2,2]{1 0 0 1 1 1 1 1 0 1 1 0}) -> (f32[1,3,2]{6 8 12 16 6 8})", 0},
    {"an attribute that is not its own", 0, "(f32[1,2,1]{1 10}, f32[3,2,1]{1 2 3 4 5 6}; tiles=6) -> (f32[1,3,1]{21 43 65})", 0},
    {"groups", 0, "(f32[1,2,2]{1 2 3 4}, f32[4,1,1]{1 2 3 4}, f32[4]{0 0 0 10}; group=2) -> (f32[1,4,2]{1 2 2 4 9 12 22 26})", 0},
    {"dilations", 0, "(f32[1,1,5]{1 2 3 4 5}, f32[1,1,2]{1 10}; dilations=[3], pads=[1,0]) -> (f32[1,1,3]{30 41 52})", 0},
    {"SAME_UPPER", 0, "(f32[1,1,4]{1 2 3 4}, f32[1,1,2]{1 10}; auto_pad=\"SAME_UPPER\") -> (f32[1,1,4]{21 32 43 4})", 0},
    {"SAME_LOWER, stride", 0, "(f32[1,1,4]{1 2 3 4}, f32[1,1,3]{1 1 1}; auto_pad=\"SAME_LOWER\", strides=[2]) -> (f32[1,1,2]{3 9})", 0},
    {"VALID", 0, "(f32[1,1,3]{1 2 3}, f32[1,1,2]{1 1}; auto_pad=\"VALID\", kernel_shape=[2]) -> (f32[1,1,2]{3 5})", 0},
    {"3-D", 0, "(f32[1,1,2,2,2]{1 2 3 4 5 6 7 8}, f32[1,1,2,2,2]{1 1 1 1 1 1 1 1}) -> (f32[1,1,1,1,1]{36})", 0},
    {"three filters, 3-D", 0, "(f32[1,1,1,1,2]{1 2}, f32[3,1,1,1,1]{1 2 3}) -> (f32[1,3,1,1,2]{1 2 2 4 3 6})", 0},
    {"depthwise, stride and padding", 0, "(f32[1,2,4]{1 2 3 4 5 6 7 8}, f32[2,1,3]{1 10 100 1 1 1}; group=2, strides=[2], pads=[1,1]) -> (f32[1,2,2]{210 432 11 21})", 0},
    {"f16", 0, "(f16[1,1,2]{1 2}, f16[1,1,1]{3}, f16[1]{1}) -> (f16[1,1,2]{4 7})", 0},
    {"f64", 0, "(f64[1,2,2]{1 2 3 4}, f64[2,1,2]{1 1 1 1}, f64[2]{1 2}; group=2, pads=[1,0]) -> (f64[1,2,2]{2 4 5 9})", 0},
    {"no images", 0, "(f32[0,1,2]{}, f32[1,1,1]{3}) -> (f32[0,1,2]{})", 0},
    {0}};
// clang-format on

HST_OP(Conv) = {.name = "Conv",
                .domain = "",
                .since = 1,
                .min_in = 2,
                .max_in = 3,
                .min_out = 1,
                .max_out = 1,
                .infer = infer,
                .eval = eval,
                .bind = bind,
                .summary = "convolution over any number of axes",
                HST_CASES(cases)};
