/* See ops/integer_matmul_plain.h. a [..., M, K], b [..., K, N], y [..., M, N]:
 *   y = saturate(round(Σ (a - za)(b - zb) · (sa · sb / sy)) + zy)
 * Sums are f64, so that those of integers are exact; the scale is f32 in the order written. A sum in an 8-bit float is
 * rounded once, behind zy. */
#include "ops/integer_matmul_plain.h"

#include "base/checked.h"
#include "kernels/quantize/quantize.h"
#include "tensor/convert.h"
#include "tensor/matmul_shape.h"

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO };

/* A scale or zero point: that of row or column i of matrix m. */
typedef struct parameter {
    const double *value;
    matmul_parameter at;
} parameter;

static double value_of(const parameter *p, int64_t m, int64_t i) {
    return p->value[i * p->at.step + m * p->at.matrix_step];
}

static bool is_byte(hst_dtype d) {
    return d == HST_DTYPE_U8 || d == HST_DTYPE_S8;
}

bool linear_is_plain(const eval_context *c) {
    const hst_tensor *a = eval_in(c, A), *b = eval_in(c, B), *scale = eval_in(c, Y_SCALE), *zero = eval_in(c, Y_ZERO);
    return !is_byte(a->dtype) || !is_byte(b->dtype) || !is_byte(zero->dtype) || tensor_count(scale) != 1 ||
           tensor_count(zero) != 1;
}

static hst_status numbers(eval_context *c, int i, double **out, hst_error *err) {
    const hst_tensor *t = eval_in(c, i);
    const int64_t n = tensor_count(t);
    void *memory;
    size_t bytes;
    if (!size_mul((size_t)n, sizeof(double), &bytes)) return error_no_memory(err, SIZE_MAX, "operands in f64");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    *out = memory;
    convert_to_f64(t->dtype, t->data, 0, *out, n);
    return HST_STATUS_OK;
}

static hst_status read_parameter(eval_context *c, int i, int rank, const int64_t *dims, bool right, parameter *p,
                                 hst_error *err) {
    double *value;
    if (matmul_parameter_make(eval_in(c, i), rank, dims, right, &p->at, err) != HST_STATUS_OK)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d fits neither the matrix nor its %s", i,
                          right ? "columns" : "rows");
    HST_TRY(numbers(c, i, &value, err));
    p->value = value;
    return HST_STATUS_OK;
}

/* An operand less its zero points, and its scale; `rows`, `columns` are a matrix's. */
static hst_status read_operand(eval_context *c, int i, int64_t rows, int64_t columns, const double **out,
                               parameter *scale, hst_error *err) {
    const hst_tensor *t = eval_in(c, i), *z = eval_in(c, i + 2);
    const int64_t each = rows * columns, matrices = each ? tensor_count(t) / each : 0;
    const bool right = i == B;
    double *x;
    parameter zero;
    if (!is_byte(t->dtype) && !(dtype_is_float(t->dtype) && dtype_bits(t->dtype) == 8))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "cannot multiply %s", dtype_name(t->dtype));
    if (z->dtype != t->dtype || !dtype_is_float(eval_in(c, i + 1)->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "a matrix of %s has a zero point of %s and a scale of %s",
                          dtype_name(t->dtype), dtype_name(z->dtype), dtype_name(eval_in(c, i + 1)->dtype));
    HST_TRY(read_parameter(c, i + 1, t->rank, t->dim, right, scale, err));
    HST_TRY(read_parameter(c, i + 2, t->rank, t->dim, right, &zero, err));
    HST_TRY(numbers(c, i, &x, err));
    *out = x;
    for (int64_t m = 0; m < matrices; m++)
        for (int64_t k = 0; k < each; k++) *x++ -= value_of(&zero, m, right ? k % columns : k / columns);
    return HST_STATUS_OK;
}

static void store(hst_tensor *y, int64_t i, double x, double zero) {
    uint8_t *to = (uint8_t *)y->data + i;
    if (is_byte(y->dtype))
        *to = (uint8_t)quantize_value(
            (float)x, (int32_t)zero, y->dtype == HST_DTYPE_U8 ? (quantize_range){0, 255} : (quantize_range){-128, 127});
    else
        *to = f64_to_f8(x + zero, y->dtype, true);
}

hst_status linear_plain(eval_context *c, hst_error *err) {
    const hst_tensor *a = eval_in(c, A), *b = eval_in(c, B), *zero = eval_in(c, Y_ZERO);
    const double *x, *w;
    parameter a_scale, b_scale, y_scale, y_zero;
    matmul_shape s;
    hst_tensor *y;
    if (matmul_shape_make(a->rank, a->dim, b->rank, b->dim, &s, err) != HST_STATUS_OK)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "matrices of rank %d and %d do not fit", a->rank,
                          b->rank);
    HST_TRY(read_operand(c, A, s.m, s.k, &x, &a_scale, err));
    HST_TRY(read_operand(c, B, s.k, s.n, &w, &b_scale, err));
    if (!is_byte(zero->dtype) && !(dtype_is_float(zero->dtype) && dtype_bits(zero->dtype) == 8))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "results of type %s", dtype_name(zero->dtype));
    HST_TRY(eval_output(c, 0, zero->dtype, s.rank, s.dim, &y, err));
    HST_TRY(read_parameter(c, Y_SCALE, s.rank, s.dim, false, &y_scale, err));
    HST_TRY(read_parameter(c, Y_ZERO, s.rank, s.dim, false, &y_zero, err));
    for (int64_t m = 0; m < s.batches; m++) {
        int64_t ia, ib;
        matmul_shape_batch(&s, m, &ia, &ib);
        if (c->runtime->check) HST_TRY(c->runtime->check(c, err));
        for (int64_t i = 0; i < s.m; i++)
            for (int64_t j = 0; j < s.n; j++) {
                const double *row = x + (ia * s.m + i) * s.k, *column = w + ib * s.k * s.n + j;
                const float scale = (float)value_of(&a_scale, ia, i) * (float)value_of(&b_scale, ib, j) /
                                    (float)value_of(&y_scale, m, i);
                double sum = 0;
                for (int64_t k = 0; k < s.k; k++) sum += row[k] * column[k * s.n];
                store(y, (m * s.m + i) * s.n + j, (double)((float)sum * scale), value_of(&y_zero, m, i));
            }
    }
    return HST_STATUS_OK;
}
