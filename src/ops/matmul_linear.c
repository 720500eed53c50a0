/* hasten Linear: y = act(alpha x w + bias) + residual.
 *   x [..., K] f32   w [K, N], or [N, K] with transB=1; f32, f16 or bf16   bias [N]   residual [..., N]
 *   gamma, beta [N] f32   ->   y [..., N]
 * activation: "", Relu, Gelu, GeluTanh, QuickGelu, Tanh, Sigmoid, Silu. The order of the operations, all f32, is the
 * one written; alpha 1 and absent inputs are not operations. With gamma each row of the sum is normalised:
 * LayerNormalization of the last axis with `epsilon` (default 1e-5).
 * y may be followed by the same rows quantised, for hasten.QuantizedLinear: y_rows u8, y_scale, y_zero (ops/matmul.h).
 * With the attribute `columns` the weights are packed: w [panels, K, nr] (ops/matmul.h) holds N = columns of them. */
#include <string.h>

#include "ops/matmul.h"

/* Columns of packed weights; -1: they are not packed. */
static int64_t packed_columns(const node *n) {
    return node_int(n, "columns", -1);
}

/* The weights' type as a matrix [K, N]. */
static hst_status as_matrix(const node *node, type *w, hst_error *err) {
    const int64_t n = packed_columns(node);
    bool known = true; /* no length is a symbol */
    for (int i = 0; i < w->rank; i++) known &= !dim_is_symbol(w->dim[i]);
    if (w->rank < 0) return HST_STATUS_OK;
    if (w->rank != 3 || n < 0 || (known && !matmul_is_packed(w->rank, w->dim, n)))
        return node_error(node, err, HST_STATUS_BAD_SHAPE, "packed weights of rank %d do not hold %lld columns",
                          w->rank, (long long)n);
    w->rank = 2;
    w->dim[0] = w->dim[1];
    w->dim[1] = n;
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *w = infer_in(c, 1);
    type swapped = *w;
    const matmul_activation *activation;
    HST_TRY(matmul_activation_of(c->node, &activation, err));
    c->out[0].dtype = HST_DTYPE_F32;
    if (node_attribute(c->node, "columns")) {
        HST_TRY(as_matrix(c->node, &swapped, err));
    } else if (w->rank >= 0 && w->rank != 2) {
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "weights have rank %d, not 2", w->rank);
    } else if (node_int(c->node, "transB", 0) && w->rank == 2) {
        swapped.dim[0] = w->dim[1];
        swapped.dim[1] = w->dim[0];
    }
    HST_TRY(infer_matmul(c, x, &swapped, &c->out[0], err));
    HST_TRY(matmul_quantised_infer(c, err));
    if (swapped.rank != 2) return HST_STATUS_OK;
    HST_TRY(matmul_norm_check(c->node, swapped.dim[1], infer_in(c, 4), infer_in(c, 5), err));
    return matmul_check_added(c->node, x, swapped.dim[1], infer_in(c, 2), infer_in(c, 3), err);
}

/* ---- the expansion ---- */

/* Packed weights as a matrix [K, N]: at once where they are known, else by nodes. */
static value *unpacked(expansion *e, value *w) {
    const int64_t n = packed_columns(e->node);
    if (e->status != HST_STATUS_OK) return NULL;
    if (w->constant && !w->is_input && matmul_is_packed(w->constant->rank, w->constant->dim, n)) {
        hst_tensor *t;
        e->status = matmul_unpack(w->constant, n, arena_allocator(e->g->model->arena), &t, e->err);
        return e->status == HST_STATUS_OK ? expand_constant(e, t) : NULL;
    }
    value *rows = expand_transpose(e, w, (int64_t[]){1, 0, 2}, 3);
    value *matrix = expand_reshape(e, rows, (int64_t[]){0, -1}, 2);
    value *in[4] = {matrix, expand_ints(e, (int64_t[]){0}, 1), expand_ints(e, &n, 1),
                    expand_ints(e, (int64_t[]){1}, 1)};
    return expand_node(e, "Slice", in, 4);
}

static hst_status expand(const node *n, graph *g, value *const *in, value **out, hst_error *err) {
    expansion e = {n, g, HST_STATUS_OK, err};
    const matmul_activation *activation;
    HST_TRY(matmul_activation_of(n, &activation, err));
    const float alpha = node_float(n, "alpha", 1);
    const bool packed = node_attribute(n, "columns") != NULL;
    const hst_dtype dtype = in[1]->type.dtype;
    type matrix = in[1]->type;
    if (packed) HST_TRY(as_matrix(n, &matrix, err));
    const type *added[6] = {0};
    for (int i = 2; i < n->n_in; i++) added[i] = in[i] ? &in[i]->type : NULL;
    if (matrix.rank == 2) {
        const dim columns = matrix.dim[packed || !node_int(n, "transB", 0)];
        HST_TRY(matmul_check_added(n, &in[0]->type, columns, added[2], added[3], err));
        HST_TRY(matmul_norm_check(n, columns, added[4], added[5], err));
    }
    value *w = packed ? unpacked(&e, in[1]) : in[1];
    if (dtype != HST_DTYPE_F32) w = expand_cast(&e, w, HST_DTYPE_F32);
    if (node_int(n, "transB", 0) && !packed) w = expand_transpose(&e, w, (int64_t[]){1, 0}, 2);
    value *y = expand_binary(&e, "MatMul", in[0], w);
    if (alpha != 1) y = expand_binary(&e, "Mul", y, expand_scalar(&e, HST_DTYPE_F32, (double)alpha));
    if (n->n_in > 2 && in[2]) y = expand_binary(&e, "Add", y, in[2]);
    y = matmul_activation_expand(&e, activation, y);
    if (n->n_in > 3 && in[3]) y = expand_binary(&e, "Add", y, in[3]);
    y = matmul_norm_expand(&e, y, n->n_in > 4 ? in[4] : NULL, n->n_in > 5 ? in[5] : NULL);
    out[0] = y;
    matmul_quantised_expand(&e, y, out);
    return expansion_done(&e);
}

/* ---- the fast path ---- */

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0), *bias = eval_in(c, 2), *residual = eval_in(c, 3);
    const matmul_weights *weights = state;
    hst_tensor matrix = *eval_in(c, 1);
    matmul_product p = {.a = x,
                        .b = &matrix,
                        .transpose_b = node_int(c->node, "transB", 0) != 0,
                        .weights = weights,
                        .alpha = node_float(c->node, "alpha", 1)};
    matmul_shape s;
    hst_tensor *y;
    HST_TRY(matmul_activation_of(c->node, &p.activation, err));
    if (node_attribute(c->node,
                       "columns")) { /* bound, so they are weights->data: of the matrix only the shape is read */
        matrix.rank = 2;
        matrix.dim[0] = weights->k;
        matrix.dim[1] = weights->n;
        p.transpose_b = false;
    }
    if (x->dtype != HST_DTYPE_F32 || !matmul_is_f32(matrix.dtype) || matrix.rank != 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "cannot multiply %s with %s of rank %d",
                          dtype_name(x->dtype), dtype_name(matrix.dtype), matrix.rank);
    HST_TRY(matmul_product_shape(c->node, &p, &s, err));
    if (bias && (bias->dtype != HST_DTYPE_F32 || tensor_count(bias) != s.n)) /* [n], or [1, n] as files have it */
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "bias must be f32[%lld]", (long long)s.n);
    if (residual && (residual->dtype != HST_DTYPE_F32 || residual->rank != s.rank ||
                     memcmp(residual->dim, s.dim, (size_t)s.rank * sizeof s.dim[0])))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the residual must have the result's shape");
    matmul_rows rows = {0};
    HST_TRY(matmul_norm_read(c, 4, s.n, &rows.norm, err));
    p.rows = &rows;
    HST_TRY(eval_output(c, 0, HST_DTYPE_F32, s.rank, s.dim, &y, err));
    HST_TRY(matmul_quantised_outputs(c, s.rank, s.dim, &rows, err));
    if (bias) HST_TRY(matmul_as_f32(c, bias, &p.bias, err));
    if (residual) HST_TRY(matmul_as_f32(c, residual, &p.residual, err));
    return matmul_product_f32(c, &p, &s, y->data, err);
}

static hst_status bind(bind_context *c, hst_error *err) {
    const hst_tensor *w = c->constant[1];
    matmul_weights *weights = NULL;
    if (node_attribute(c->node, "columns")) {
        if (w) HST_TRY(matmul_weights_borrow(w, packed_columns(c->node), c->allocator, &weights, err));
        if (!weights) { /* another CPU's panels, or an input: the expansion unpacks them */
            c->why = "its weights are packed for the kernel of another CPU";
            return HST_STATUS_OK;
        }
    } else if (w && w->rank == 2 && matmul_is_f32(w->dtype)) {
        HST_TRY(matmul_weights_new(w, node_int(c->node, "transB", 0) != 0, c->allocator, &weights, err));
    }
    c->state = weights;
    c->state_free = matmul_weights_free;
    c->run = run;
    c->kernel = kernels_get()->gemm_f32()->name;
    if (c->node->graph->model->quantization == MODEL_QUANTIZATION_INT8)
        c->why = "stays in f32: small, not constant, or its weights would lose too much on 8 bits";
    return HST_STATUS_OK;
}

static hst_status pack(pack_context *c, hst_error *err) {
    const node *n = c->node;
    const hst_tensor *w = n->in[1]->constant;
    const bool transposed = node_int(n, "transB", 0) != 0;
    if (node_attribute(n, "columns") || !w || n->in[1]->is_input || w->rank != 2 || !matmul_is_f32(w->dtype))
        return HST_STATUS_OK;
    HST_TRY(matmul_pack(w, transposed, c->weights, c->allocator, &c->packed, err));
    c->input = 1;
    c->set = "columns";
    c->to = w->dim[!transposed];
    c->unset = "transB";
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"plain", 0, "(f32[1,2,2]{1 2 3 4}, f32[2,2]{1 2 3 4}) -> (f32[1,2,2]{7 10 15 22})", 0},
    {"f16 weights, transB", 0, "(f32[1,2]{1 2}, f16[3,2]{1 2 3 4 5 6}, f32[3]{1 0 -1}; transB=1) -> (f32[1,3]{6 11 16})", 0},
    {"bf16 weights", 0, "(f32[1,2]{1 2}, bf16[2,1]{1 0.5}) -> (f32[1,1]{2})", 0},
    {"everything", 0, "(f32[2,1]{1 -1}, f32[1,2]{4 -4}, f32[2]{1 -1}, f32[2,2]{10 20 30 40}; alpha=0.5, activation=\"Relu\") -> (f32[2,2]{13 20 30 41})", 0},
    {"bias as a row", 0, "(f32[1,1]{2}, f32[1,2]{1 2}, f32[1,2]{3 4}) -> (f32[1,2]{5 8})", 0},
    {"no bias, residual", 0, "(f32[1,1]{2}, f32[1,2]{1 2}, _, f32[1,2]{1 1}) -> (f32[1,2]{3 5})", 0},
    {"gelu", 0, "(f32[3,1]{-1 0 1}, f32[1,1]{1}; activation=\"Gelu\") -> (f32[3,1]{-0.15865526 0 0.84134474})", 1e-6},
    {"gelu tanh", 0, "(f32[3,1]{-1 0 1}, f32[1,1]{1}; activation=\"GeluTanh\") -> (f32[3,1]{-0.15880801 0 0.841192})", 1e-6},
    {"quick gelu", 0, "(f32[2,1]{-1 1}, f32[1,1]{1}; activation=\"QuickGelu\") -> (f32[2,1]{-0.15420423 0.84579577})", 1e-6},
    {"silu", 0, "(f32[2,1]{-1 1}, f32[1,1]{1}; activation=\"Silu\") -> (f32[2,1]{-0.26894142 0.73105858})", 1e-6},
    {"tanh", 0, "(f32[2,1]{-1 1}, f32[1,1]{1}; activation=\"Tanh\") -> (f32[2,1]{-0.76159416 0.76159416})", 1e-6},
    {"sigmoid", 0, "(f32[2,1]{-1 1}, f32[1,1]{1}, f32[1]{0}, f32[2,1]{1 2}; activation=\"Sigmoid\") -> (f32[2,1]{1.26894142 2.73105858})", 1e-6},
    {"normalised", 0, "(f32[2,1]{1 2}, f32[1,4]{0 1 1 2}, f32[4]{0 1 0 1}, f32[2,4]{1 -1 1 1 0 0 0 0}, f32[4]{1 1 1 2}, f32[4]{0 0 1 0}; epsilon=0.0) -> (f32[2,4]{-0.81649658 -0.81649658 1 3.26598632 -1.38675049 0.2773501 0.7226499 2.77350098})", 4e-7},
    {"normalised without residual and beta", 0, "(f32[1,1]{1}, f32[1,2]{1 3}, _, _, f32[2]{1 2}; epsilon=0.0) -> (f32[1,2]{-1 2})", 0},
    {"no rows", 0, "(f32[0,2]{}, f32[2,3]{1}, f32[3]{1}) -> (f32[0,3]{})", 0},
    {"quantised rows", 0, "(f32[1,1]{2}, f32[1,32]{0 63}) -> (f32[1,32]{0 126}, u8[1,32]{1 127}, f32[1,1]{1}, s32[1,1]{1})", 0},
    {"packed", 0, "(f32[1,2]{1 2}, f32[2,2,2]{1 2 4 5 3 0 6 0}, f32[3]{1 0 -1}; columns=3) -> (f32[1,3]{10 12 14})", 0},
    {"packed, f16", 0, "(f32[1,2]{1 2}, f16[1,2,4]{1 2 3 0 4 5 6 0}; columns=3, transB=1) -> (f32[1,3]{9 12 15})", 0},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(hasten_Linear) = {.name = "Linear",
                         .domain = "hasten",
                         .since = 1,
                         .min_in = 2,
                         .max_in = 6,
                         .min_out = 1,
                         .max_out = 4,
                         .infer = infer,
                         .bind = bind,
                         .quantize = matmul_quantize,
                         .expand = expand,
                         .pack = pack,
                         .summary = "linear layer with bias, activation, residual and normalisation",
                         HST_CASES(cases)};
