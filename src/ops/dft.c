/* DFT: x [d0, …, N, …, 1 or 2] -> its discrete Fourier transform along an axis, [d0, …, n, …, 2]; the last dimension
 * holds real and imaginary part. dft_length cuts the axis or fills it with zeros; onesided keeps n/2 + 1 values, and an
 * inverse one takes that many and gives n real ones, [d0, …, n, …, 1]. The axis is an attribute (default 1) before
 * version 20, then an input (default -2). STFT: signal [B, L, 1 or 2], step -> [B, frames, n or n/2 + 1, 2]: the
 * transforms of windowed frames. Computed in f64, rounded once. */
#include "ops/carry.h"
#include "ops/fourier.h"

/* ---- DFT ---- */

typedef struct args {
    int axis;
    bool inverse, onesided;
} args;

static hst_status read_args(const node *n, int rank, int64_t axis, args *a, hst_error *err) {
    a->inverse = node_int(n, "inverse", 0) != 0;
    a->onesided = node_int(n, "onesided", 0) != 0;
    HST_TRY(axis_normalize(n, axis, rank, &a->axis, err));
    if (rank < 2 || a->axis == rank - 1)
        return node_error(n, err, HST_STATUS_BAD_SHAPE,
                          "axis %lld of rank %d: the last axis holds real and imaginary part", (long long)axis, rank);
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    const node *n = c->node;
    int64_t axis = n->opset < 20 ? node_int(n, "axis", 1) : -2, length = -1;
    args a;
    y->dtype = x->dtype;
    y->rank = x->rank;
    if (x->rank < 0) return HST_STATUS_OK;
    for (int k = 0; k < x->rank; k++) y->dim[k] = dim_symbol(c->model, "");
    bool named = n->opset >= 20 && n->n_in > 2 && n->in[2];
    const bool onesided = node_int(n, "onesided", 0) != 0, resized = n->n_in > 1 && n->in[1];
    for (int k = 0; k < x->rank && !onesided && !resized; k++) y->dim[k] = x->dim[k]; /* whatever the axis */
    if (x->rank) y->dim[x->rank - 1] = onesided && node_int(n, "inverse", 0) ? 1 : 2;
    if (named && infer_ints(c, 2, &axis, 1) != 1) return HST_STATUS_OK;
    HST_TRY(read_args(n, x->rank, axis, &a, err));
    for (int k = 0; k < x->rank; k++) y->dim[k] = x->dim[k];
    y->dim[x->rank - 1] = a.inverse && a.onesided ? 1 : 2;
    if (n->n_in > 1 && n->in[1]) {
        if (infer_ints(c, 1, &length, 1) != 1) length = -1;
    } else if (x->dim[a.axis] >= 0) {
        length = a.inverse && a.onesided ? 2 * (x->dim[a.axis] - 1) : x->dim[a.axis];
    } else if (!a.onesided) {
        return HST_STATUS_OK;
    }
    y->dim[a.axis] = length < 0 ? dim_symbol(c->model, "") : a.onesided && !a.inverse ? length / 2 + 1 : length;
    return HST_STATUS_OK;
}

typedef struct transform {
    args a;
    fourier f;
    int64_t outer, inner, length, n, kept; /* axis: of the input, of the transform, of the output */
    int parts, out_parts;                  /* 1 real, 2 complex */
    const double *x;
    double *y;
    complex_f64 *z;
} transform;

static void run_line(const transform *t, int64_t o, int64_t i) {
    bool real_out = t->a.inverse && t->a.onesided;
    int64_t wanted = real_out ? t->n / 2 + 1 : t->n;
    complex_f64 *z = t->z;
    for (int64_t k = 0; k < wanted; k++) {
        const double *x = t->x + ((o * t->length + k) * t->inner + i) * t->parts;
        z[k] = k < t->length ? (complex_f64){x[0], t->parts == 2 ? x[1] : 0} : (complex_f64){0, 0};
    }
    if (real_out) {
        z[0].im = 0;
        if (t->n % 2 == 0) z[t->n / 2].im = 0;
        for (int64_t k = 1; k < (t->n + 1) / 2; k++) z[t->n - k] = (complex_f64){z[k].re, -z[k].im};
    }
    fourier_run(&t->f, z, t->a.inverse);
    for (int64_t k = 0; k < t->kept; k++) {
        double *y = t->y + ((o * t->kept + k) * t->inner + i) * t->out_parts;
        y[0] = z[k].re;
        if (t->out_parts == 2) y[1] = z[k].im;
    }
}

static hst_status run_lines(eval_context *c, const transform *t, hst_error *err) {
    for (int64_t o = 0; o < t->outer; o++)
        for (int64_t i = 0; i < t->inner; i++) {
            if (i % 64 == 0) HST_TRY(c->runtime->check(c, err));
            run_line(t, o, i);
        }
    return HST_STATUS_OK;
}

static hst_status check_signal(const eval_context *c, const hst_tensor *x, int rank_least, hst_error *err) {
    if (x->rank < rank_least || x->dim[x->rank - 1] < 1 || x->dim[x->rank - 1] > 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "the input has rank %d and a last dimension of %lld, which should be 1 (real) or 2 (complex)",
                          x->rank, x->rank ? (long long)x->dim[x->rank - 1] : 0);
    if (!dtype_is_float(x->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "is not defined for %s", dtype_name(x->dtype));
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    const node *n = c->node;
    transform t = {.outer = 1, .inner = 1};
    int64_t axis = n->opset < 20 ? node_int(n, "axis", 1) : -2, dims[HST_RANK_MAX];
    carry y;
    void *line;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(check_signal(c, x, 2, err));
    if (n->opset >= 20 && eval_in(c, 2)) HST_TRY(carry_int(c, 2, "axis", &axis, err));
    HST_TRY(read_args(n, x->rank, axis, &t.a, err));
    t.parts = (int)x->dim[x->rank - 1];
    t.length = x->dim[t.a.axis];
    if (t.a.onesided && !t.a.inverse && t.parts == 2)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "onesided needs a real input, its last dimension is 2");
    t.n = t.a.inverse && t.a.onesided ? 2 * (t.length - 1) : t.length;
    if (eval_in(c, 1)) HST_TRY(carry_int(c, 1, "dft_length", &t.n, err));
    HST_TRY(fourier_make(c, t.n, &t.f, err));
    t.kept = t.a.onesided && !t.a.inverse ? t.n / 2 + 1 : t.n;
    t.out_parts = t.a.inverse && t.a.onesided ? 1 : 2;
    for (int k = 0; k < x->rank; k++) dims[k] = x->dim[k];
    dims[t.a.axis] = t.kept;
    dims[x->rank - 1] = t.out_parts;
    HST_TRY(carry_in(c, x, "input", &t.x, err));
    HST_TRY(carry_out(c, 0, x->dtype, x->rank, dims, &y, err));
    if (tensor_count(y.t) == 0) return HST_STATUS_OK;
    for (int k = 0; k < t.a.axis; k++) t.outer *= x->dim[k];
    for (int k = t.a.axis + 1; k < x->rank - 1; k++) t.inner *= x->dim[k];
    HST_TRY(eval_scratch(c, (size_t)t.n * sizeof *t.z, &line, err));
    t.z = line;
    t.y = y.x;
    HST_TRY(run_lines(c, &t, err));
    carry_done(&y);
    return HST_STATUS_OK;
}

/* ---- STFT ---- */

static hst_status infer_stft(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *window = infer_in(c, 2);
    type *y = &c->out[0];
    int64_t length = -1, step = -1;
    (void)err;
    y->dtype = x->dtype;
    y->rank = 4;
    y->dim[0] = x->rank > 0 ? x->dim[0] : dim_symbol(c->model, "");
    y->dim[1] = dim_symbol(c->model, "");
    y->dim[2] = dim_symbol(c->model, "");
    y->dim[3] = 2;
    if (infer_ints(c, 3, &length, 1) != 1) length = window->rank == 1 ? window->dim[0] : -1;
    if (length < 0) return HST_STATUS_OK;
    y->dim[2] = node_int(c->node, "onesided", 1) ? length / 2 + 1 : length;
    if (infer_ints(c, 1, &step, 1) == 1 && step > 0 && x->rank >= 2 && x->dim[1] >= length)
        y->dim[1] = (x->dim[1] - length) / step + 1;
    return HST_STATUS_OK;
}

static hst_status eval_stft(eval_context *c, hst_error *err) {
    const hst_tensor *x, *window = eval_in(c, 2);
    bool onesided = node_int(c->node, "onesided", 1) != 0;
    const double *from, *weight = NULL;
    int64_t step, length;
    fourier f;
    carry y;
    void *line;
    HST_TRY(eval_need(c, 0, "signal", &x, err));
    int parts = x->rank == 3 ? (int)(x->dim[2] == 2) + 1 : 1;
    if (x->rank != 2) HST_TRY(check_signal(c, x, 3, err));
    HST_TRY(carry_int(c, 1, "frame_step", &step, err));
    length = window ? tensor_count(window) : x->dim[1];
    if (eval_in(c, 3)) HST_TRY(carry_int(c, 3, "frame_length", &length, err));
    if (x->rank > 3 || step < 1 || length < 1 || length > x->dim[1] ||
        (window && (window->rank != 1 || window->dim[0] != length)))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "frames of %lld every %lld of a signal of %lld (rank %d), window of %lld", (long long)length,
                          (long long)step, (long long)x->dim[1], x->rank,
                          window ? (long long)tensor_count(window) : (long long)length);
    if (onesided && parts == 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "onesided needs a real signal, its last dimension is 2");
    int64_t frames = (x->dim[1] - length) / step + 1, kept = onesided ? length / 2 + 1 : length;
    int64_t dims[4] = {x->dim[0], frames, kept, 2};
    HST_TRY(fourier_make(c, length, &f, err));
    HST_TRY(carry_in(c, x, "signal", &from, err));
    if (window) HST_TRY(carry_in(c, window, "window", &weight, err));
    HST_TRY(carry_out(c, 0, x->dtype, 4, dims, &y, err));
    HST_TRY(eval_scratch(c, (size_t)length * sizeof(complex_f64), &line, err));
    complex_f64 *z = line;
    double *to = y.x;
    for (int64_t b = 0; b < x->dim[0]; b++)
        for (int64_t i = 0; i < frames; i++) {
            const double *at = from + (b * x->dim[1] + i * step) * parts;
            if (i % 64 == 0) HST_TRY(c->runtime->check(c, err));
            for (int64_t k = 0; k < length; k++) {
                double w = weight ? weight[k] : 1;
                z[k] = (complex_f64){w * at[k * parts], parts == 2 ? w * at[k * 2 + 1] : 0};
            }
            fourier_run(&f, z, false);
            for (int64_t k = 0; k < kept; k++) {
                *to++ = z[k].re;
                *to++ = z[k].im;
            }
        }
    carry_done(&y);
    return HST_STATUS_OK;
}

// clang-format off
static const op_case dft_cases[] = {
    {"real", 0, "(f32[1,4,1]{1 2 3 4}) -> (f32[1,4,2]{10 0 -2 2 -2 0 -2 -2})", 1e-6},
    {"onesided", 17, "(f64[1,4,1]{1 2 3 4}; onesided=1) -> (f64[1,3,2]{10 0 -2 2 -2 0})", 1e-14},
    {"inverse", 0, "(f32[1,4,2]{10 0 -2 2 -2 0 -2 -2}; inverse=1) -> (f32[1,4,2]{1 0 2 0 3 0 4 0})", 1e-6},
    {"inverse, onesided", 0, "(f32[1,3,2]{10 0 -2 2 -2 0}; inverse=1, onesided=1) -> (f32[1,4,1]{1 2 3 4})", 1e-6},
    {"axis and length", 20, "(f32[3,2,1]{1 2 3 4 5 6}, s64[]{2}, s64[]{0}) -> (f32[2,2,2]{4 0 6 0 -2 0 -2 0})", 1e-6},
    {"a prime", 0, "(f64[1,1]{2}, s64[]{67}, s64[]{0}; onesided=1) -> (f64[34,2]{2 0})", 1e-13},
    {"filled up", 0, "(f16[1,1,1]{2}, s64[]{3}) -> (f16[1,3,2]{2 0 2 0 2 0})", 0},
    {0}};
static const op_case stft_cases[] = {
    {"real", 0, "(f32[1,4,1]{1 2 3 4}, s64[]{2}, _, s64[]{2}) -> (f32[1,2,2,2]{3 0 -1 0 7 0 -1 0})", 1e-6},
    {"window", 0, "(f32[1,3,1]{1 2 3}, s64[]{1}, f32[2]{1 0.5}; onesided=0) -> (f32[1,2,2,2]{2 0 0 0 3.5 0 0.5 0})", 1e-6},
    {"complex", 0, "(f32[1,2,2]{1 1 2 0}, s32[]{1}, _, s32[]{2}; onesided=0) -> (f32[1,1,2,2]{3 1 -1 1})", 1e-6},
    {0}};
// clang-format on

HST_OP(DFT) = {.name = "DFT",
               .domain = "",
               .since = 17,
               .min_in = 1,
               .max_in = 3,
               .min_out = 1,
               .max_out = 1,
               .infer = infer,
               .eval = eval,
               .summary = "discrete Fourier transform along an axis",
               .failing = "test_dft_inverse*: expects the rounding noise around 0 of a transform in single precision",
               HST_CASES(dft_cases)};
HST_OP(STFT) = {.name = "STFT",
                .domain = "",
                .since = 17,
                .min_in = 2,
                .max_in = 4,
                .min_out = 1,
                .max_out = 1,
                .infer = infer_stft,
                .eval = eval_stft,
                .summary = "Fourier transforms of windowed frames of a signal",
                HST_CASES(stft_cases)};
