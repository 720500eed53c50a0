/* Pow: Z = X to the power of Y, broadcast; Z has X's dtype, Y may have another.
 *   floats: f32 and halves compute in f64 and round once; exponents 2, 3 and 0.5 are x·x, (x·x)·x and the square root
 *   integers with an integer exponent: by repeated multiplication, wrapping; a negative exponent gives 1 / x truncated
 *   integers with a float exponent: through f64, truncated */
#include <math.h>

#include "ops/elementwise.h"
#include "tensor/broadcast.h"
#include "tensor/convert.h"

static float power_f32(float x, float y) {
    if (y == 2.0f) return x * x;
    if (y == 3.0f) return x * x * x;
    if (y == 0.5f && x > 0) return sqrtf(x);
    if (y == 1.0f) return x;
    return (float)pow((double)x, (double)y);
}

static int64_t power_s64(int64_t x, int64_t y) {
    uint64_t result = 1, base = (uint64_t)x;
    if (y < 0) return x == 1 ? 1 : x == -1 ? (y % 2 ? -1 : 1) : 0;
    for (; y; y >>= 1, base *= base)
        if (y & 1) result *= base;
    return (int64_t)result;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *y = infer_in(c, 1);
    type aligned = *y;
    c->out[0].dtype = x->dtype;
    HST_TRY(elementwise_old_type(c->node, x, &aligned, err));
    if (c->node->opset >= 7) return infer_broadcast(c, x, &aligned, &c->out[0], err);
    c->out[0] = *x;
    return HST_STATUS_OK;
}

typedef struct job {
    const hst_tensor *in[2];
    hst_tensor *z;
    bool whole; /* the exponent is an integer */
} job;

enum { CHUNK = 256 };

/* n elements of one run; both operands' elements stand one after another where their step is 1. */
static void chunk(const job *j, int64_t n, int64_t x, int64_t step_x, int64_t y, int64_t step_y, int64_t z) {
    union {
        float f32[CHUNK];
        double f64[CHUNK];
        int64_t s64[CHUNK];
    } a, b, to;
    const hst_dtype d = j->z->dtype, e = j->in[1]->dtype;
    int64_t nx = step_x ? n : 1, ny = step_y ? n : 1;
    if (dtype_is_integer(d) && j->whole) {
        convert_to_s64(d, j->in[0]->data, x, a.s64, nx);
        convert_to_s64(e, j->in[1]->data, y, b.s64, ny);
        for (int64_t k = 0; k < n; k++) to.s64[k] = power_s64(a.s64[k * step_x], b.s64[k * step_y]);
        convert_from_s64(d, to.s64, j->z->data, z, n);
    } else if (dtype_is_integer(d) || d == HST_DTYPE_F64) {
        convert_to_f64(d, j->in[0]->data, x, a.f64, nx);
        convert_to_f64(e, j->in[1]->data, y, b.f64, ny);
        for (int64_t k = 0; k < n; k++) to.f64[k] = pow(a.f64[k * step_x], b.f64[k * step_y]);
        convert_from_f64(d, to.f64, j->z->data, z, n);
    } else {
        convert_to_f32(d, j->in[0]->data, x, a.f32, nx);
        convert_to_f32(e, j->in[1]->data, y, b.f32, ny);
        if (!step_y && (b.f32[0] == 2.0f || b.f32[0] == 3.0f)) {
            if (!step_x)
                for (int64_t k = 1; k < n; k++) a.f32[k] = a.f32[0];
            kernels_get()->unary_f32(b.f32[0] == 2.0f ? UNARY_SQUARE : UNARY_CUBE, NULL, n, a.f32, to.f32);
        } else {
            for (int64_t k = 0; k < n; k++) to.f32[k] = power_f32(a.f32[k * step_x], b.f32[k * step_y]);
        }
        convert_from_f32(d, to.f32, j->z->data, z, n);
    }
}

static void range(const void *arg, int64_t begin, int64_t end) {
    const job *j = arg;
    broadcast_walk w;
    broadcast_begin(&w, j->z->rank, j->z->dim, j->in, 2);
    while (broadcast_next(&w) && w.output < end) {
        int64_t from = w.output > begin ? w.output : begin, to = w.output + w.run < end ? w.output + w.run : end;
        int64_t skip = from - w.output, x = w.offset[0] + skip * w.step[0], y = w.offset[1] + skip * w.step[1];
        for (; from < to; from += CHUNK, x += CHUNK * w.step[0], y += CHUNK * w.step[1])
            chunk(j, to - from < CHUNK ? to - from : CHUNK, x, w.step[0], y, w.step[1], from);
    }
}

static hst_status eval(eval_context *c, hst_error *err) {
    job j = {0};
    int rank;
    int64_t dims[HST_RANK_MAX];
    HST_TRY(eval_need(c, 0, "X", &j.in[0], err));
    HST_TRY(eval_need(c, 1, "Y", &j.in[1], err));
    hst_tensor aligned = *j.in[1];
    HST_TRY(elementwise_old_tensor(c->node, j.in[0], &aligned, err));
    j.in[1] = &aligned;
    for (int i = 0; i < 2; i++)
        if (!dtype_is_float(j.in[i]->dtype) && !dtype_is_integer(j.in[i]->dtype))
            return elementwise_bad_dtype(c->node, j.in[i]->dtype, err);
    hst_status status = broadcast_shape(j.in, 2, &rank, dims, err);
    if (status != HST_STATUS_OK) return node_error(c->node, err, status, "%s", err ? err->message : "");
    HST_TRY(eval_output(c, 0, j.in[0]->dtype, rank, dims, &j.z, err));
    j.whole = dtype_is_integer(j.in[1]->dtype);
    elementwise_split(c, tensor_count(j.z), range, &j);
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"f32", 0, "(f32[4]{1 2 3 4}, f32[4]{4 3 2 0.5}) -> (f32[4]{1 8 9 2})", 0},
    {"scalar exponents", 0, "(f32[2,2]{-1 2 3 1.5}, f32[]{3}) -> (f32[2,2]{-1 8 27 3.375})", 0},
    {"axis, opset 1", 1, "(f32[2,2]{1 2 3 4}, f32[2]{2 1}; broadcast=1, axis=0) -> (f32[2,2]{1 4 3 4})", 0},
    {"square", 7, "(f32[3]{-1 2 0.5}, f32[1]{2}) -> (f32[3]{1 4 0.25})", 0},
    {"roots", 0, "(f32[5]{4 0 -0.0 -inf -1}, f32[1]{0.5}) -> (f32[5]{2 0 0 inf nan})", 0},
    {"s64 by s64", 12, "(s64[4]{2 -1 3 2}, s64[4]{10 -3 0 -1}) -> (s64[4]{1024 -1 1 0})", 0},
    {"s32 by f32", 0, "(s32[3]{2 3 9}, f32[3]{3 2 0.5}) -> (s32[3]{8 9 3})", 0},
    {"f32 by s64", 0, "(f32[2]{1.5 2}, s64[2]{2 -1}) -> (f32[2]{2.25 0.5})", 0},
    {"f16", 0, "(f16[2]{2 3}, f16[1]{2}) -> (f16[2]{4 9})", 0},
    {"f64", 0, "(f64[2]{2 3}, f64[2]{0.5 2}) -> (f64[2]{1.4142135623730951 9})", 1e-15},
    {0}};
// clang-format on

HST_OP(Pow) = {.name = "Pow",
               .domain = "",
               .since = 1,
               .min_in = 2,
               .max_in = 2,
               .min_out = 1,
               .max_out = 1,
               .infer = infer,
               .eval = eval,
               .bind = elementwise_bind,
               .summary = "x to the power of y",
               HST_CASES(cases)};
