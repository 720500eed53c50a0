/* Normalisation by channels of x [N, C, d1, …], y = scale * (x - mean) / sqrt(variance + epsilon) + bias:
 *   BatchNormalization     mean, variance [C] given; in training mode those of the batch, and the running ones come
 * out: running = given * momentum + current * (1 - momentum) InstanceNormalization  mean and variance of each (n, c)
 *   GroupNormalization     of each (n, group of channels); scale and bias [C] (opset 18: [num_groups])
 * Statistics and arithmetic are f64 (f32 inputs and results lose nothing by it), sums in index order; f32 groups that are
 * not long are kernels/norm's. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "ops/matmul.h"
#include "tensor/convert.h"

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    return HST_STATUS_OK;
}

static hst_status infer_batch(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    const type *x = &c->out[0];
    for (int i = 1; i < c->n_out; i++) {
        c->out[i] = *infer_in(c, 3 + (i + 1) % 2);
        if (c->out[i].rank == 1 && dim_is_symbol(c->out[i].dim[0]) && x->rank > 1) c->out[i].dim[0] = x->dim[1];
    }
    return HST_STATUS_OK;
}

/* x as [batch, channels, inner]. */
typedef struct view {
    int64_t batch, channels, inner;
} view;

static hst_status view_of(const node *n, const hst_tensor *x, view *v, hst_error *err) {
    if (!dtype_is_float(x->dtype) || x->rank < 1)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "data of type %s and rank %d", dtype_name(x->dtype), x->rank);
    v->batch = x->dim[0];
    v->channels = x->rank > 1 ? x->dim[1] : 1;
    v->inner = 1;
    if (tensor_count(x) == 0) v->batch = v->inner = 0; /* nothing is walked */
    for (int i = 2; i < x->rank && v->batch; i++) v->inner *= x->dim[i];
    return HST_STATUS_OK;
}

static hst_status check_vector(const node *n, const hst_tensor *t, int64_t want, const char *name, hst_error *err) {
    if (dtype_is_float(t->dtype) && t->rank == 1 && t->dim[0] == want) return HST_STATUS_OK;
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "%s is %s of rank %d with %lld elements, needs %lld floats", name,
                      dtype_name(t->dtype), t->rank, (long long)tensor_count(t), (long long)want);
}

typedef struct moments {
    double mean, variance;
} moments;

/* Of `count` stretches of `length` elements, the first at `first`, `step` apart. */
static moments moments_of(const hst_tensor *x, int64_t first, int64_t count, int64_t step, int64_t length) {
    double sum = 0, square = 0, n = (double)count * (double)length;
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < length; j++) sum += tensor_get_f64(x, first + i * step + j);
    double mean = sum / n;
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < length; j++) {
            double d = tensor_get_f64(x, first + i * step + j) - mean;
            square += d * d;
        }
    return (moments){mean, square / n};
}

static void normalize(const hst_tensor *x, hst_tensor *y, int64_t first, int64_t length, moments m, double epsilon,
                      double scale, double bias) {
    double by = 1.0 / sqrt(m.variance + epsilon);
    for (int64_t i = first; i < first + length; i++)
        tensor_set_f64(y, i, (tensor_get_f64(x, i) - m.mean) * by * scale + bias);
}

static hst_status running(eval_context *c, const moments *current, int64_t channels, hst_error *err) {
    double momentum = (double)node_float(c->node, "momentum", 0.9f);
    for (int k = 1; k < c->n_out; k++) { /* 3 and 4, before opset 14: those of the batch itself */
        const hst_tensor *given = eval_in(c, 3 + (k + 1) % 2);
        hst_tensor *out;
        if (!eval_wants(c, k)) continue;
        HST_TRY(eval_output(c, k, given->dtype, given->rank, given->dim, &out, err));
        for (int64_t i = 0; i < channels; i++) {
            double now = k % 2 ? current[i].mean : current[i].variance;
            tensor_set_f64(out, i, k > 2 ? now : tensor_get_f64(given, i) * momentum + now * (1 - momentum));
        }
    }
    return HST_STATUS_OK;
}

/* Statistics of the batch rather than the given ones: told by an attribute since opset 14 and before 7, by further outputs
 * between. */
static bool trains(const node *n) {
    if (n->opset >= 14) return node_int(n, "training_mode", 0) != 0;
    if (n->opset < 7) return node_int(n, "is_test", 0) == 0;
    for (int k = 1; k < n->n_out; k++)
        if (n->out[k]) return true;
    return false;
}

/* scale, B, mean or var: [channels], or with spatial=0 the shape of a sample. */
static hst_status check_sample(const node *n, const hst_tensor *x, const hst_tensor *t, int64_t want, const char *name,
                               hst_error *err) {
    bool fits = dtype_is_float(t->dtype) && t->rank == x->rank - 1;
    for (int k = 0; fits && k < t->rank; k++) fits = t->dim[k] == x->dim[k + 1];
    return fits ? HST_STATUS_OK : check_vector(n, t, want, name, err);
}

static hst_status eval_batch(eval_context *c, hst_error *err) {
    static const char *const name[] = {"scale", "B", "mean", "var"};
    const hst_tensor *x = eval_in(c, 0);
    double epsilon = (double)node_float(c->node, "epsilon", 1e-5f);
    const bool training = trains(c->node), spatial = c->node->opset >= 9 || node_int(c->node, "spatial", 1) != 0;
    view v = {0};
    hst_tensor *y;
    void *memory;
    HST_TRY(view_of(c->node, x, &v, err));
    if (!spatial) v.channels *= v.inner, v.inner = v.inner ? 1 : 0; /* every element of a sample is a channel */
    for (int i = 0; i < 4; i++)
        HST_TRY(spatial ? check_vector(c->node, eval_in(c, 1 + i), v.channels, name[i], err)
                        : check_sample(c->node, x, eval_in(c, 1 + i), v.channels, name[i], err));
    HST_TRY(eval_scratch(c, (size_t)v.channels * sizeof(moments) + 1, &memory, err));
    moments *m = memory;
    for (int64_t i = 0; i < v.channels; i++)
        m[i] = training ? moments_of(x, i * v.inner, v.batch, v.channels * v.inner, v.inner)
                        : (moments){tensor_get_f64(eval_in(c, 3), i), tensor_get_f64(eval_in(c, 4), i)};
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, x->dim, &y, err));
    for (int64_t i = 0; i < v.batch * v.channels; i++) {
        int64_t ch = i % v.channels;
        normalize(x, y, i * v.inner, v.inner, m[ch], epsilon, tensor_get_f64(eval_in(c, 1), ch),
                  tensor_get_f64(eval_in(c, 2), ch));
    }
    if (!training && c->n_out > 1) { /* what is known of the running statistics: they stay as they are */
        for (int k = 1; k < c->n_out; k++)
            if (eval_wants(c, k)) HST_TRY(move_whole(c, k, eval_in(c, 3 + (k + 1) % 2), err));
        return HST_STATUS_OK;
    }
    return training ? running(c, m, v.channels, err) : HST_STATUS_OK;
}

/* ---- f32, by groups: kernels/norm over each group, then its channels' scales ---- */

enum { GROUP_MOST = 1 << 16, FLOATS_PER_WORKER = 1 << 14 }; /* elements whose f32 sums are as good as others' */

typedef struct groups_f32 {
    const float *x, *scale, *bias;
    float *y;
    int64_t rows, groups, each, inner; /* rows: groups of all samples; channels of one, elements of those */
    bool by_group;
    float epsilon;
} groups_f32;

static void work_groups(void *arg, const team_context *ctx) {
    const groups_f32 *j = arg;
    const kernels *k = kernels_get();
    for (int64_t i; (i = team_next(ctx, 0, j->rows)) >= 0;) {
        const int64_t n = j->each * j->inner;
        const norm_rows a = {.x = j->x + i * n, .y = j->y + i * n, .rows = 1, .n = n, .epsilon = j->epsilon};
        k->norm_f32(&a);
        for (int64_t c = 0; c < j->each; c++) {
            const int64_t group = i % j->groups, at = j->by_group ? group : group * j->each + c;
            float *y = a.y + c * j->inner;
            k->binary_f32(BINARY_MUL, j->inner, y, 1, j->scale + at, 0, y);
            k->binary_f32(BINARY_ADD, j->inner, y, 1, j->bias + at, 0, y);
        }
    }
}

static hst_status eval_groups(eval_context *c, int64_t groups, bool by_group, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0), *scale = eval_in(c, 1), *bias = eval_in(c, 2);
    double epsilon = (double)node_float(c->node, "epsilon", 1e-5f);
    view v = {0};
    hst_tensor *y;
    HST_TRY(view_of(c->node, x, &v, err));
    if (groups == 0) groups = v.channels;
    if (v.channels && (groups < 1 || v.channels % groups))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld channels in %lld groups", (long long)v.channels,
                          (long long)groups);
    int64_t each = groups ? v.channels / groups : 0;
    HST_TRY(check_vector(c->node, scale, by_group ? groups : v.channels, "scale", err));
    HST_TRY(check_vector(c->node, bias, by_group ? groups : v.channels, "bias", err));
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, x->dim, &y, err));
    if (x->dtype == HST_DTYPE_F32 && scale->dtype == HST_DTYPE_F32 && bias->dtype == HST_DTYPE_F32 &&
        each * v.inner <= GROUP_MOST) {
        groups_f32 j = {NULL, NULL, NULL, y->data, v.batch * groups, groups, each, v.inner, by_group, (float)epsilon};
        const int64_t workers = tensor_count(x) / FLOATS_PER_WORKER + 1;
        HST_TRY(matmul_as_f32(c, x, &j.x, err));
        HST_TRY(matmul_as_f32(c, scale, &j.scale, err));
        HST_TRY(matmul_as_f32(c, bias, &j.bias, err));
        if (j.rows > 0 && v.inner > 0)
            team_run(c->team, workers < team_size(c->team) ? (int)workers : team_size(c->team), work_groups, &j);
        return HST_STATUS_OK;
    }
    for (int64_t i = 0; i < v.batch * groups; i++) {
        moments m = moments_of(x, i * each * v.inner, 1, 0, each * v.inner);
        for (int64_t k = 0; k < each; k++) {
            int64_t channel = i % groups * each + k, at = by_group ? i % groups : channel;
            normalize(x, y, (i * each + k) * v.inner, v.inner, m, epsilon, tensor_get_f64(scale, at),
                      tensor_get_f64(bias, at));
        }
    }
    return HST_STATUS_OK;
}

static hst_status eval_instance(eval_context *c, hst_error *err) {
    return eval_groups(c, 0, false, err);
}

static hst_status eval_group(eval_context *c, hst_error *err) {
    int64_t groups = node_int(c->node, "num_groups", 0);
    if (groups < 1) return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "num_groups is %lld", (long long)groups);
    return eval_groups(c, groups, c->node->opset < 21, err);
}

// clang-format off
static const op_case batch_cases[] = {
    {"inference", 0, "(f32[1,2,1,3]{-1 0 1 2 3 4}, f32[2]{1 1.5}, f32[2]{0 1}, f32[2]{0 3}, f32[2]{1 1.5}; epsilon=0.0) -> (f32[1,2,1,3]{-1 0 1 -0.2247449 1 2.2247449})", 1e-6},
    {"opset 6", 6, "(f32[1,1,3]{-1 0 1}, f32[1]{2}, f32[1]{1}, f32[1]{0}, f32[1]{1}; epsilon=0.0, is_test=1, consumed_inputs=[0,0]) -> (f32[1,1,3]{-1 1 3})", 0},
    {"each element by itself", 7, "(f32[2,2]{1 2 3 4}, f32[2]{1 1}, f32[2]{0 1}, f32[2]{1 2}, f32[2]{4 1}; epsilon=0.0, spatial=0) -> (f32[2,2]{0 1 1 3})", 0},
    {"training by outputs", 9, "(f32[2,1,2]{1 2 3 6}, f32[1]{1}, f32[1]{0}, f32[1]{0}, f32[1]{1}; epsilon=0.5, momentum=0.5) -> (f32[2,1,2]{-1 -0.5 0 1.5}, f32[1]{1.5}, f32[1]{2.25}, f32[1]{3}, f32[1]{3.5})", 1e-6},
    {"training", 0, "(f32[2,1,2]{1 2 3 6}, f32[1]{1}, f32[1]{0}, f32[1]{0}, f32[1]{1}; epsilon=0.5, training_mode=1, momentum=0.5) -> (f32[2,1,2]{-1 -0.5 0 1.5}, f32[1]{1.5}, f32[1]{2.25})", 1e-6},
    {NULL, 0, NULL, 0}};
static const op_case instance_cases[] = {
    {"two channels", 0, "(f32[1,2,1,3]{-1 0 1 2 3 4}, f32[2]{1 1.5}, f32[2]{0 1}; epsilon=0.0) -> (f32[1,2,1,3]{-1.2247449 0 1.2247449 -0.8371173 1 2.8371173})", 1e-6},
    {NULL, 0, NULL, 0}};
static const op_case group_cases[] = {
    {"per channel scale", 21, "(f32[1,2,2]{1 3 5 7}, f32[2]{1 2}, f32[2]{0 1}; num_groups=1, epsilon=4.0) -> (f32[1,2,2]{-1 -0.33333334 1.6666667 3})", 1e-6},
    {"per group scale", 18, "(f32[1,4]{1 3 5 7}, f32[2]{1 2}, f32[2]{0 1}; num_groups=2, epsilon=3.0) -> (f32[1,4]{-0.5 0.5 0 2})", 1e-6},
    {NULL, 0, NULL, 0}};

HST_OP(BatchNormalization) = {.name = "BatchNormalization", .domain = "", .since = 1, .min_in = 5, .max_in = 5, .min_out = 1, .max_out = 5,
    .infer = infer_batch, .eval = eval_batch, .summary = "normalisation with given statistics", HST_CASES(batch_cases)};
HST_OP(InstanceNormalization) = {.name = "InstanceNormalization", .domain = "", .since = 6, .min_in = 3, .max_in = 3, .min_out = 1, .max_out = 1,
    .infer = infer, .eval = eval_instance, .summary = "normalisation of each channel of each sample", HST_CASES(instance_cases)};
HST_OP(GroupNormalization) = {.name = "GroupNormalization", .domain = "", .since = 18, .min_in = 3, .max_in = 3, .min_out = 1, .max_out = 1,
    .infer = infer, .eval = eval_group, .summary = "normalisation of groups of channels", HST_CASES(group_cases)};
// clang-format on
