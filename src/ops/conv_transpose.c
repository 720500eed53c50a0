/* ConvTranspose: x [N, C, in …], W [C, M/group, kernel …], B [M] or none -> y [N, M, out …]
 *   y[n, m, l stride - begin + t dilation] += Σ over c of the group of x[n, c, l] W[c, m, t], + B[m]
 *   out = stride (in - 1) + output_padding + reach - begin - end
 * The sums over c are columns [taps, in …] of every filter: a chain each, in f32 by kernels/gemm_f32, or in f64; the
 * taps are added in f64. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "kernels/kernels.h"
#include "ops/conv_shape.h"
#include "ops/fold_planes.h"
#include "ops/matmul.h"
#include "tensor/convert.h"

enum { COLUMNS_MOST = 1 << 22 }; /* elements of columns made at once */

typedef struct args {
    window w; /* in[]: the image y, out[]: x, as folding sees it */
    int64_t group;
    int64_t padding[WINDOW_RANK_MAX]; /* output_padding */
    int64_t want[WINDOW_RANK_MAX];    /* output_shape; 0: not given */
} args;

static hst_status read_args(const node *n, int rank, const int64_t *kernel, args *a, hst_error *err) {
    const int64_t *shape;
    HST_TRY(conv_group(n, &a->group, err));
    HST_TRY(window_read(n, rank, kernel, &a->w, err));
    HST_TRY(window_list(n, "output_padding", a->w.rank, 0, 0, a->padding, err));
    memset(a->want, 0, sizeof a->want);
    int given = node_ints(n, "output_shape", &shape);
    if (given == rank) shape += 2, given -= 2; /* batch and channels may stand before */
    if (given > 0 && given != a->w.rank)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "output_shape has %d elements, %d are needed", given,
                          a->w.rank);
    for (int k = 0; k < given; k++) {
        if (shape[k] < 1 || shape[k] > INT32_MAX)
            return node_error(n, err, HST_STATUS_BAD_FORMAT, "output_shape has %lld", (long long)shape[k]);
        a->want[k] = shape[k];
    }
    return HST_STATUS_OK;
}

/* Padding and the output's length of one axis. */
static hst_status fit(const node *n, args *a, int k, int64_t in, hst_error *err) {
    window *w = &a->w;
    const bool same = w->padding == WINDOW_SAME_UPPER || w->padding == WINDOW_SAME_LOWER;
    int64_t whole;
    w->out[k] = in;
    if (in > INT32_MAX || !s64_mul(in - 1, w->stride[k], &whole) ||
        !s64_add(whole, window_reach(w, k) + a->padding[k], &whole))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "length %lld on axis %d is too large", (long long)in, k + 2);
    if (same || a->want[k]) {
        w->in[k] = a->want[k] ? a->want[k] : in * w->stride[k];
        const int64_t total = whole > w->in[k] ? whole - w->in[k] : 0;
        w->begin[k] = w->padding == WINDOW_SAME_UPPER ? total / 2 : total - total / 2;
        w->end[k] = total - w->begin[k];
    } else {
        w->in[k] = whole - w->begin[k] - w->end[k];
    }
    if (w->in[k] < 0)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "axis %d, %lld without padding of %lld, is of negative length",
                          k + 2, (long long)whole, (long long)(w->begin[k] + w->end[k]));
    return HST_STATUS_OK;
}

/* The output's length where the input's is a symbol. */
static dim symbolic(model *m, const args *a, int k, dim in) {
    const window *w = &a->w;
    const dim stepped = dim_product(m, (dim[]){in, w->stride[k]}, 2);
    int64_t more;
    if (a->want[k]) return a->want[k];
    if (w->padding == WINDOW_SAME_UPPER || w->padding == WINDOW_SAME_LOWER) return stepped;
    if (!s64_add(window_reach(w, k) - w->stride[k], a->padding[k], &more) ||
        !s64_sub(more, w->begin[k] + w->end[k], &more))
        return dim_symbol(m, "");
    return dim_sum(m, stepped, more);
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *weight = infer_in(c, 1);
    type *y = &c->out[0];
    args a;
    y->dtype = x->dtype;
    y->rank = x->rank;
    if (x->rank < 0) return HST_STATUS_OK;
    for (int k = 0; k < x->rank; k++) y->dim[k] = k ? dim_symbol(c->model, "") : x->dim[0];
    if (weight->rank < 0) return HST_STATUS_OK;
    if (x->rank < 3 || weight->rank != x->rank)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input of rank %d, weights of rank %d", x->rank,
                          weight->rank);
    HST_TRY(conv_group(c->node, &a.group, err));
    y->dim[1] = dim_product(c->model, (dim[]){weight->dim[1], a.group}, 2);
    const int64_t *kernel = weight->dim + 2;
    if (!window_numbers(kernel, x->rank - 2) && node_ints(c->node, "kernel_shape", &kernel) != x->rank - 2)
        return HST_STATUS_OK;
    HST_TRY(read_args(c->node, x->rank, kernel, &a, err));
    for (int k = 0; k < a.w.rank; k++) {
        if (dim_is_symbol(x->dim[2 + k])) {
            y->dim[2 + k] = symbolic(c->model, &a, k, x->dim[2 + k]);
            continue;
        }
        HST_TRY(fit(c->node, &a, k, x->dim[2 + k], err));
        y->dim[2 + k] = a.w.in[k];
    }
    return HST_STATUS_OK;
}

typedef struct job {
    args a;
    int64_t channels, filters, taps, in, out; /* of a group; elements of planes of x and y */
    int64_t first;                            /* the plane of y that is plane 0 of this call */
    const double *bias;
    const double *x, *weight; /* f64 only */
    gemm_f32 g;               /* f32 only */
    float *scratch;
    int64_t each, parts;
} job;

static void plane(const void *arg, int64_t i, const double *columns, double *y, double *scratch) {
    const job *j = arg;
    const int64_t filters = j->filters * j->a.group, filter = (j->first + i) % filters;
    if (j->x) {
        const int64_t image = (j->first + i) / j->filters, group = filter / j->filters;
        columns = scratch;
        for (int64_t t = 0; t < j->taps; t++)
            for (int64_t l = 0; l < j->in; l++) {
                double acc = 0;
                for (int64_t c = 0; c < j->channels; c++)
                    acc = fma(j->x[(image * j->channels + c) * j->in + l],
                              j->weight[((group * j->channels + c) * j->filters + filter % j->filters) * j->taps + t],
                              acc);
                *scratch++ = acc;
            }
    }
    memset(y, 0, (size_t)j->out * sizeof *y);
    fold_plane(&j->a.w, columns, y);
    for (int64_t k = 0; j->bias && k < j->out; k++) y[k] += j->bias[filter];
}

static void multiply(void *arg, const team_context *ctx) {
    const job *j = arg;
    for (int64_t part; (part = team_next(ctx, 0, j->parts)) >= 0;)
        gemm_f32_part(&j->g, part, j->parts, j->scratch + ctx->worker * j->each);
}

/* Columns of the planes [first, first + count) of y; transposed: the weights as [group][filters · taps, channels]. */
static void make_columns(eval_context *c, job *j, const float *x, const float *transposed, int64_t first, int64_t count,
                         float *to) {
    while (count > 0) {
        const int64_t image = first / j->filters, filter = first % j->filters;
        const int64_t some = j->filters - filter < count ? j->filters - filter : count;
        const int64_t group = image % j->a.group;
        j->g = gemm_f32_make(kernels_get()->gemm_f32(), some * j->taps, j->in, j->channels,
                             transposed + (group * j->filters + filter) * j->taps * j->channels, to);
        j->g.b = (gemm_f32_operand){x + image * j->channels * j->in, HST_DTYPE_F32, j->in, 1};
        j->parts = gemm_f32_parts(&j->g, team_size(c->team));
        team_run(c->team, 0, multiply, j);
        to += some * j->taps * j->in;
        first += some;
        count -= some;
    }
}

static hst_status run_f32(eval_context *c, job *j, hst_tensor *y, int64_t planes, hst_error *err) {
    const float *x, *weight;
    void *memory;
    HST_TRY(matmul_as_f32(c, eval_in(c, 0), &x, err));
    HST_TRY(matmul_as_f32(c, eval_in(c, 1), &weight, err));
    const int64_t rows = j->filters * j->taps, column = j->taps * j->in;
    HST_TRY(eval_scratch(c, (size_t)tensor_count(eval_in(c, 1)) * sizeof(float) + 1, &memory, err));
    float *transposed = memory;
    for (int64_t g = 0; g < j->a.group; g++)
        for (int64_t k = 0; k < j->channels; k++)
            for (int64_t r = 0; r < rows; r++)
                transposed[(g * rows + r) * j->channels + k] = weight[(g * j->channels + k) * rows + r];
    int64_t step = COLUMNS_MOST / (column + 1) + 1;
    if (step > planes) step = planes;
    HST_TRY(eval_scratch(c, (size_t)(step * column) * sizeof(float) + 1, &memory, err));
    hst_tensor columns = {.dtype = HST_DTYPE_F32, .data = memory};
    j->g = gemm_f32_make(kernels_get()->gemm_f32(), rows, j->in, j->channels, NULL, NULL);
    j->g.b = (gemm_f32_operand){NULL, HST_DTYPE_F32, j->in, 1};
    j->each = (gemm_f32_scratch(&j->g) + 15) / 16 * 16;
    HST_TRY(eval_scratch(c, (size_t)j->each * (size_t)team_size(c->team) * sizeof(float) + 1, &memory, err));
    j->scratch = memory;
    for (j->first = 0; j->first < planes; j->first += step) {
        const int64_t some = planes - j->first < step ? planes - j->first : step;
        hst_tensor part = *y;
        part.data = (char *)y->data + (size_t)(j->first * j->out) * (size_t)dtype_bits(y->dtype) / 8;
        make_columns(c, j, x, transposed, j->first, some, columns.data);
        HST_TRY(planes_run(c, &columns, column, &part, j->out, some, 0, 0, plane, j, err));
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *weight, *bias = eval_in(c, 2);
    hst_tensor *y;
    job j = {0};
    int64_t dims[HST_RANK_MAX], planes;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(eval_need(c, 1, "W", &weight, err));
    HST_TRY(planes_check(c->node, x, 3, "X", err));
    if (weight->rank != x->rank || weight->dtype != x->dtype)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %s of rank %d, weights %s of rank %d",
                          dtype_name(x->dtype), x->rank, dtype_name(weight->dtype), weight->rank);
    HST_TRY(read_args(c->node, x->rank, weight->dim + 2, &j.a, err));
    for (int k = 0; k < j.a.w.rank; k++) HST_TRY(fit(c->node, &j.a, k, x->dim[2 + k], err));
    j.channels = x->dim[1] / j.a.group;
    j.filters = weight->dim[1];
    dims[0] = x->dim[0];
    if (x->dim[1] != weight->dim[0] || x->dim[1] % j.a.group || !s64_mul(j.filters, j.a.group, &dims[1]))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "%lld channels in %lld groups do not meet weights for %lld", (long long)x->dim[1],
                          (long long)j.a.group, (long long)weight->dim[0]);
    if (bias && (bias->rank != 1 || bias->dim[0] != dims[1] || bias->dtype != x->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the bias is %s with %lld elements for %lld filters",
                          dtype_name(bias->dtype), (long long)tensor_count(bias), (long long)dims[1]);
    memcpy(dims + 2, j.a.w.in, (size_t)j.a.w.rank * sizeof *dims);
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, dims, &y, err));
    if (bias) HST_TRY(planes_f64(c, bias, &j.bias, err));
    planes_of(y, &planes, &j.out);
    if (planes == 0) return HST_STATUS_OK;
    j.taps = window_count(j.a.w.kernel, j.a.w.rank);
    j.in = window_count(j.a.w.out, j.a.w.rank);
    int64_t column;
    if (!s64_mul(j.taps, j.in, &column)) return error_no_memory(err, SIZE_MAX, "columns");
    if (x->dtype != HST_DTYPE_F64) return run_f32(c, &j, y, planes, err);
    HST_TRY(planes_f64(c, x, &j.x, err));
    HST_TRY(planes_f64(c, weight, &j.weight, err));
    return planes_run(c, NULL, 0, y, j.out, planes, column, (double)column * (double)j.channels, plane, &j, err);
}

// clang-format off
static const op_case cases[] = {
    {"stride 2", 0, "(f32[1,1,2]{1 2}, f32[1,1,3]{1 10 100}; strides=[2]) -> (f32[1,1,5]{1 10 102 20 200})", 0},
    {"two filters and a bias", 1, "(f32[1,2,1]{1 2}, f32[2,2,2]{1 2 3 4 5 6 7 8}, f32[2]{0 100}) -> (f32[1,2,2]{11 14 117 120})", 0},
    {"2-D", 0, "(f32[1,1,2,2]{1 2 3 4}, f32[1,1,2,2]{1 1 1 1}) -> (f32[1,1,3,3]{1 3 2 4 10 6 3 7 4})", 0},
    {"groups", 0, "(f32[1,2,2]{1 2 3 4}, f32[2,1,1]{10 100}; group=2) -> (f32[1,2,2]{10 20 300 400})", 0},
    {"padding", 0, "(f32[1,1,2]{1 2}, f32[1,1,3]{1 10 100}; strides=[2], pads=[1,1], output_padding=[1]) -> (f32[1,1,4]{10 102 20 200})", 0},
    {"output_shape", 0, "(f32[1,1,2]{1 2}, f32[1,1,3]{1 10 100}; strides=[2], output_shape=[4]) -> (f32[1,1,4]{10 102 20 200})", 0},
    {"SAME_UPPER", 0, "(f32[1,1,2]{1 2}, f32[1,1,3]{1 10 100}; strides=[2], auto_pad=\"SAME_UPPER\") -> (f32[1,1,4]{1 10 102 20})", 0},
    {"dilations", 0, "(f32[1,1,2]{1 2}, f32[1,1,2]{1 10}; dilations=[2]) -> (f32[1,1,4]{1 2 10 20})", 0},
    {"f64", 0, "(f64[2,2,1]{1 2 3 4}, f64[2,1,2]{1 2 3 4}; group=2) -> (f64[2,2,2]{1 2 6 8 3 6 12 16})", 0},
    {"of nothing", 0, "(f32[1,1,2,0]{}, f32[1,1,1,3]{1 2 3}, f32[1]{7}; output_padding=[0,1], strides=[1,2]) -> (f32[1,1,2,2]{7})", 0},
    {"f16", 0, "(f16[1,1,1]{3}, f16[1,1,1]{4}, f16[1]{1}) -> (f16[1,1,1]{13})", 0},
    {0}};
// clang-format on

HST_OP(ConvTranspose) = {.name = "ConvTranspose",
                         .domain = "",
                         .since = 1,
                         .min_in = 2,
                         .max_in = 3,
                         .min_out = 1,
                         .max_out = 1,
                         .infer = infer,
                         .eval = eval,
                         .summary = "transposed convolution",
                         HST_CASES(cases)};
