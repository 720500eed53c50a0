/* Softmax, LogSoftmax: input seen as [outer, n, inner], each (outer, inner) normalised over its n elements.
 *   opset 13 on: n is the axis (default -1); before: the input is flattened at the axis (default 1), so inner is 1
 * f32 runs through the kernel; halves are widened to f32 and rounded back; f64 in plain order. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "ops/op.h"
#include "tensor/convert.h"

typedef struct args {
    int64_t outer, n, inner;
    bool log;
} args;

static hst_status args_read(const node *node, const hst_tensor *x, args *a, hst_error *err) {
    bool flat = node->opset < 13;
    int axis = 0;
    int64_t given = node_int(node, "axis", flat ? 1 : -1);
    if (flat && given == x->rank) axis = x->rank; /* flattened to [all, 1] */
    else if (x->rank > 0) HST_TRY(axis_normalize(node, given, x->rank, &axis, err));
    else if (given < -1 || given > (flat ? 1 : 0))
        return node_error(node, err, HST_STATUS_BAD_SHAPE, "axis %lld out of range for rank 0", (long long)given);
    *a = (args){1, 1, 1, node->op_type[0] == 'L'};
    if (tensor_count(x) == 0) {
        a->outer = 0;
        return HST_STATUS_OK;
    }
    for (int i = 0; i < x->rank; i++) {
        if (i < axis) a->outer *= x->dim[i];
        else if (flat || i == axis) a->n *= x->dim[i];
        else a->inner *= x->dim[i];
    }
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    return HST_STATUS_OK;
}

static void row_f64(int64_t n, double *x, bool log_form) {
    double most = -(double)INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) most = x[i] > most ? x[i] : most;
    for (int64_t i = 0; i < n; i++) sum += exp(x[i] - most);
    for (int64_t i = 0; i < n; i++) x[i] = log_form ? x[i] - most - log(sum) : exp(x[i] - most) / sum;
}

typedef struct job {
    args a;
    const hst_tensor *x;
    hst_tensor *y;
    char *rows; /* scratch: one row a worker, f32 or f64 */
} job;

static void part(void *arg, const team_context *ctx) {
    const job *j = arg;
    const args *a = &j->a;
    int64_t begin, end;
    team_split(a->outer * a->inner, 1, ctx, &begin, &end);
    if (begin >= end) return;
    softmax_rows rows = {.n = a->n, .width = a->n, .ldx = a->n, .ldy = a->n, .log = a->log};
    if (!j->rows) {
        rows.x = (const float *)j->x->data + begin * a->n;
        rows.y = (float *)j->y->data + begin * a->n;
        rows.rows = end - begin;
        kernels_get()->softmax_f32(&rows);
        return;
    }
    bool wide = j->x->dtype == HST_DTYPE_F64;
    char *row = j->rows + (size_t)ctx->worker * (size_t)a->n * 8;
    for (int64_t r = begin; r < end; r++) {
        int64_t at = r / a->inner * a->n * a->inner + r % a->inner;
        for (int64_t i = 0; i < a->n; i++) {
            if (wide) convert_to_f64(j->x->dtype, j->x->data, at + i * a->inner, (double *)(void *)row + i, 1);
            else convert_to_f32(j->x->dtype, j->x->data, at + i * a->inner, (float *)(void *)row + i, 1);
        }
        if (wide) row_f64(a->n, (double *)(void *)row, a->log);
        else {
            rows.x = rows.y = (float *)(void *)row;
            rows.rows = 1;
            kernels_get()->softmax_f32(&rows);
        }
        for (int64_t i = 0; i < a->n; i++) {
            if (wide) convert_from_f64(j->y->dtype, (double *)(void *)row + i, j->y->data, at + i * a->inner, 1);
            else convert_from_f32(j->y->dtype, (float *)(void *)row + i, j->y->data, at + i * a->inner, 1);
        }
    }
}

static hst_status eval(eval_context *c, hst_error *err) {
    job j = {0};
    HST_TRY(eval_need(c, 0, "input", &j.x, err));
    if (!dtype_is_float(j.x->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "is not defined for elements of type %s",
                          dtype_name(j.x->dtype));
    HST_TRY(args_read(c->node, j.x, &j.a, err));
    HST_TRY(eval_output(c, 0, j.x->dtype, j.x->rank, j.x->dim, &j.y, err));
    if (j.a.outer == 0) return HST_STATUS_OK;
    int64_t count = tensor_count(j.x);
    int workers = count < 16384 || !c->team ? 1 : team_size(c->team);
    if (j.x->dtype != HST_DTYPE_F32 || j.a.inner != 1) {
        void *scratch;
        HST_TRY(eval_scratch(c, (size_t)workers * (size_t)j.a.n * 8, &scratch, err));
        j.rows = scratch;
    }
    if (workers > 1) team_run(c->team, workers, part, &j);
    else part(&j, &(team_context){.workers = 1});
    return HST_STATUS_OK;
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    (void)state;
    return eval(c, err);
}

static hst_status bind(bind_context *c, hst_error *err) {
    (void)err;
    if (c->in[0].dtype == HST_DTYPE_F32) {
        c->run = run;
        c->kernel = kernels_chosen(offsetof(kernels, softmax_f32))->name;
    } else {
        c->why = "only f32 has a vector kernel";
    }
    return HST_STATUS_OK;
}

// clang-format off
static const op_case softmax_cases[] = {
    {"last axis", 0, "(f32[2,3]{-1 0 1 0 1 2}) -> (f32[2,3]{0.09003058 0.24472848 0.66524094})", 1e-7},
    {"large", 0, "(f32[2,2]{0 1 10000 10001}) -> (f32[2,2]{0.26894143 0.7310586})", 1e-7},
    {"axis 0", 0, "(f32[3,2]{-1 0 0 1 1 2}; axis=0) -> (f32[3,2]{0.09003058 0.09003058 0.24472848 0.24472848 0.66524094 0.66524094})", 1e-7},
    {"axis 1 of 3, f64", 0, "(f64[1,2,2]{0 5 1 6}; axis=1) -> (f64[1,2,2]{0.2689414213699951 0.2689414213699951 0.7310585786300049 0.7310585786300049})", 1e-15},
    {"masked", 0, "(f32[3]{0 -inf 0}) -> (f32[3]{0.5 0 0.5})", 0},
    {"f16", 0, "(f16[2]{0 0}) -> (f16[2]{0.5 0.5})", 0},
    {"nothing", 0, "(f32[0,3]{}) -> (f32[0,3]{})", 0},
    {"scalar", 0, "(f32[]{3}) -> (f32[]{1})", 0},
    {0}};
static const op_case softmax_1_cases[] = {
    {"flattened at 1", 11, "(f32[1,2,2]{0 0 0 0}) -> (f32[1,2,2]{0.25})", 0},
    {"flattened at 2", 1, "(f32[1,2,2]{0 0 0 0}; axis=2) -> (f32[1,2,2]{0.5})", 0},
    {"negative axis", 11, "(f32[2,2]{0 0 0 0}; axis=-1) -> (f32[2,2]{0.5})", 0},
    {0}};
static const op_case log_cases[] = {
    {"last axis", 0, "(f32[1,3]{-1 0 1}) -> (f32[1,3]{-2.4076059 -1.4076059 -0.40760595})", 1e-7},
    {"axis 0", 13, "(f32[2,1]{0 0}; axis=0) -> (f32[2,1]{-0.69314718})", 1e-7},
    {"f64", 0, "(f64[2]{0 0}) -> (f64[2]{-0.6931471805599453})", 1e-15},
    {0}};
static const op_case log_1_cases[] = {
    {"flattened at 1", 11, "(f32[1,2,2]{0 0 0 0}) -> (f32[1,2,2]{-1.38629436})", 1e-7},
    {0}};

#define SOFTMAX(name_, since_, until_, summary_, cases_)                                                               \
    {.name = name_, .domain = "", .since = since_, .until = until_, .min_in = 1, .max_in = 1, .min_out = 1,            \
     .max_out = 1, .infer = infer, .eval = eval, .bind = bind, .summary = summary_, HST_CASES(cases_)}

HST_OP(Softmax) = SOFTMAX("Softmax", 13, 0, "exp(x) over its sum along an axis", softmax_cases);
HST_OP(Softmax_1) = SOFTMAX("Softmax", 1, 12, "exp(x) over its sum from an axis on", softmax_1_cases);
HST_OP(LogSoftmax) = SOFTMAX("LogSoftmax", 13, 0, "logarithm of softmax", log_cases);
HST_OP(LogSoftmax_1) = SOFTMAX("LogSoftmax", 1, 12, "logarithm of softmax, from an axis on", log_1_cases);
