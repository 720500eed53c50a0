/* Gemm: y = alpha a' b' + beta c, a' and b' transposed where transA, transB say so. com.microsoft FusedGemm: y =
 * act(that). a [M, K]   b [K, N]   c broadcasts to [M, N] (may be omitted since opset 11)   ->   y [M, N] f32: x =
 * chain; x = alpha x (unless 1); x = x + beta c. f16 and bf16 compute in f32 and round once. */
#include <string.h>

#include "ops/matmul.h"
#include "tensor/broadcast.h"
#include "tensor/convert.h"

typedef struct args {
    bool transpose_a, transpose_b;
    float alpha, beta;
} args;

/* FusedGemm's activation; UNARY_COPY for Gemm. */
static hst_status read_activation(const node *n, matmul_activation *out, hst_error *err) {
    static const struct {
        const char *name;
        unary function;
        float alpha, beta; /* where the attributes are absent */
    } known[] = {{"", UNARY_COPY, 0, 0},
                 {"Relu", UNARY_RELU, 0, 0},
                 {"LeakyRelu", UNARY_LEAKY_RELU, 0.01f, 0},
                 {"Tanh", UNARY_TANH, 0, 0},
                 {"Sigmoid", UNARY_SIGMOID, 0, 0},
                 {"HardSigmoid", UNARY_HARD_SIGMOID, 0.2f, 0.5f},
                 {"ThresholdedRelu", UNARY_THRESHOLDED_RELU, 1, 0},
                 {"Elu", UNARY_ELU, 1, 0}};
    const char *name = node_is(n, "com.microsoft", "FusedGemm") ? node_string(n, "activation", "") : "";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp(known[i].name, name)) {
            *out = (matmul_activation){
                known[i].name,
                known[i].function,
                {node_float(n, "activation_alpha", known[i].alpha), node_float(n, "activation_beta", known[i].beta)}};
            return HST_STATUS_OK;
        }
    return node_error(n, err, HST_STATUS_UNSUPPORTED, "activation '%s' is not one of the known", name);
}

static args read_args(const node *n) {
    return (args){node_int(n, "transA", 0) != 0, node_int(n, "transB", 0) != 0, node_float(n, "alpha", 1),
                  node_float(n, "beta", 1)};
}

static hst_status infer(infer_context *c, hst_error *err) {
    const args at = read_args(c->node);
    const type *a = infer_in(c, 0), *b = infer_in(c, 1);
    c->out[0].dtype = a->dtype != HST_DTYPE_NONE ? a->dtype : b->dtype;
    if ((a->rank >= 0 && a->rank != 2) || (b->rank >= 0 && b->rank != 2))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "needs matrices, has ranks %d and %d", a->rank, b->rank);
    if (a->rank < 0 || b->rank < 0) return HST_STATUS_OK;
    const dim ka = a->dim[!at.transpose_a], kb = b->dim[at.transpose_b];
    if (ka != kb && !dim_is_symbol(ka) && !dim_is_symbol(kb))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "%lld columns meet %lld rows", (long long)ka,
                          (long long)kb);
    c->out[0].rank = 2;
    c->out[0].dim[0] = a->dim[at.transpose_a];
    c->out[0].dim[1] = b->dim[!at.transpose_b];
    return HST_STATUS_OK;
}

/* ---- c ---- */

static hst_status check_addend(const node *n, const hst_tensor *c, const hst_tensor *y, hst_error *err) {
    bool fits = c->rank <= 2 && c->dtype == y->dtype;
    for (int i = 1; fits && i <= c->rank; i++) {
        const int64_t d = c->dim[c->rank - i];
        fits = d == 1 || d == y->dim[2 - i];
    }
    if (fits) return HST_STATUS_OK;
    type want = type_of_tensor(y), got = type_of_tensor(c);
    char a[160], b[160];
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "C is %s, which does not broadcast to %s",
                      type_format(NULL, &got, a, sizeof a), type_format(NULL, &want, b, sizeof b));
}

/* beta * c, as one row for all (bias) or spread to the whole result (residual). */
static hst_status read_addend(eval_context *c, const hst_tensor *t, float beta, const hst_tensor *y, matmul_product *p,
                              hst_error *err) {
    const int64_t m = y->dim[0], n = y->dim[1];
    const bool row = t->rank < 2 || t->dim[0] == 1, whole = !row && t->dim[1] == n;
    const bool ready =
        beta == 1 && t->dtype == HST_DTYPE_F32 && (whole || (row && t->rank > 0 && t->dim[t->rank - 1] == n));
    const float *from;
    HST_TRY(matmul_as_f32(c, t, &from, err));
    if (!ready) {
        void *memory;
        HST_TRY(eval_scratch(c, (size_t)(row ? n : m * n) * sizeof(float), &memory, err));
        float *to = memory;
        const int64_t columns = t->rank ? t->dim[t->rank - 1] : 1, step = columns == 1 ? 0 : 1;
        for (int64_t i = 0; i < (row ? 1 : m); i++)
            for (int64_t j = 0; j < n; j++) {
                const float x = from[i * columns + j * step];
                to[i * n + j] = beta == 1 ? x : beta * x;
            }
        from = to;
    }
    if (row)
        p->bias = from;
    else
        p->residual = from;
    return HST_STATUS_OK;
}

/* y += beta c for f64 and the integers, whose product stands in y. */
static void add_wide(const hst_tensor *t, float beta, hst_tensor *y) {
    broadcast_walk w;
    const hst_tensor *in[1] = {t};
    broadcast_begin(&w, y->rank, y->dim, in, 1);
    while (broadcast_next(&w))
        for (int64_t i = 0; i < w.run; i++) {
            const int64_t from = w.offset[0] + i * w.step[0], to = w.output + i;
            if (dtype_is_float(y->dtype))
                tensor_set_f64(y, to, tensor_get_f64(y, to) + (double)beta * tensor_get_f64(t, from));
            else
                tensor_set_s64(y, to,
                               (int64_t)((uint64_t)tensor_get_s64(y, to) +
                                         (uint64_t)(int64_t)beta * (uint64_t)tensor_get_s64(t, from)));
        }
}

/* ---- running ---- */

/* An integer of 64 bits; NaN is none. */
static bool is_whole(float x) {
    return x >= -9223372036854775808.0f && x < 9223372036854775808.0f && x == (float)(int64_t)x;
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    const args at = read_args(c->node);
    const hst_tensor *addend = eval_in(c, 2);
    matmul_activation activation;
    HST_TRY(read_activation(c->node, &activation, err));
    matmul_product p = {.a = eval_in(c, 0),
                        .b = eval_in(c, 1),
                        .transpose_a = at.transpose_a,
                        .transpose_b = at.transpose_b,
                        .weights = state,
                        .alpha = at.alpha};
    const hst_dtype d = p.a->dtype;
    if (p.a->rank != 2 || p.b->rank != 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "needs matrices, has ranks %d and %d", p.a->rank,
                          p.b->rank);
    if (!matmul_is_f32(d)) {
        if (activation.function != UNARY_COPY)
            return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "activation %s on %s", activation.name,
                              dtype_name(d));
        if (dtype_is_integer(d) && (!is_whole(at.alpha) || !is_whole(at.beta)))
            return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "alpha %g and beta %g on %s", (double)at.alpha,
                              (double)at.beta, dtype_name(d));
        HST_TRY(matmul_product_run(c, &p, err));
        hst_tensor *y = c->out[0];
        if (addend) HST_TRY(check_addend(c->node, addend, y, err));
        for (int64_t i = 0; at.alpha != 1 && dtype_is_integer(d) && i < tensor_count(y); i++)
            tensor_set_s64(y, i, (int64_t)((uint64_t)tensor_get_s64(y, i) * (uint64_t)(int64_t)at.alpha));
        if (addend) add_wide(addend, at.beta, y);
        return HST_STATUS_OK;
    }
    if (p.b->dtype != d)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "cannot multiply %s with %s", dtype_name(d),
                          dtype_name(p.b->dtype));
    matmul_shape s;
    hst_tensor *y;
    HST_TRY(matmul_product_shape(c->node, &p, &s, err));
    HST_TRY(eval_output(c, 0, d, s.rank, s.dim, &y, err));
    if (addend) {
        HST_TRY(check_addend(c->node, addend, y, err));
        HST_TRY(read_addend(c, addend, at.beta, y, &p, err));
    }
    if (!p.residual) p.activation = &activation; /* the product's own follows the bias, but not c as a whole */
    void *to = y->data;
    const int64_t count = tensor_count(y);
    if (d != HST_DTYPE_F32) HST_TRY(eval_scratch(c, (size_t)count * sizeof(float), &to, err));
    HST_TRY(matmul_product_f32(c, &p, &s, to, err));
    if (p.residual && activation.function != UNARY_COPY)
        kernels_get()->unary_f32(activation.function, activation.parameter, count, to, to);
    if (d != HST_DTYPE_F32) convert_from_f32(d, to, y->data, 0, count);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    return run(NULL, c, err);
}

static hst_status bind(bind_context *c, hst_error *err) {
    const hst_tensor *b = c->constant[1];
    if (c->in[0].dtype != HST_DTYPE_NONE && !matmul_is_f32(c->in[0].dtype)) {
        c->why = "not a 32- or 16-bit float product";
        return HST_STATUS_OK;
    }
    if (b && b->rank == 2 && matmul_is_f32(b->dtype)) {
        matmul_weights *w;
        HST_TRY(matmul_weights_new(b, read_args(c->node).transpose_b, c->allocator, &w, err));
        c->state = w;
        c->state_free = matmul_weights_free;
    }
    c->run = run;
    c->kernel = kernels_get()->gemm_f32()->name;
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"plain", 0, "(f32[2,3]{1 2 3 4 5 6}, f32[3,2]{1 0 0 1 1 1}) -> (f32[2,2]{4 5 10 11})", 0},
    {"transB, bias", 0, "(f32[2,3]{1 2 3 4 5 6}, f32[2,3]{1 0 1 0 1 1}, f32[2]{10 20}; transB=1) -> (f32[2,2]{14 25 20 31})", 0},
    {"transA", 0, "(f32[3,2]{1 4 2 5 3 6}, f32[3,2]{1 0 0 1 1 1}; transA=1) -> (f32[2,2]{4 5 10 11})", 0},
    {"alpha beta", 0, "(f32[1,2]{1 2}, f32[2,2]{1 2 3 4}, f32[1,2]{1 2}; alpha=2.0, beta=0.5) -> (f32[1,2]{14.5 21})", 0},
    {"c column", 0, "(f32[2,1]{1 2}, f32[1,2]{1 2}, f32[2,1]{10 20}) -> (f32[2,2]{11 12 22 24})", 0},
    {"c whole", 0, "(f32[2,1]{1 2}, f32[1,2]{1 2}, f32[2,2]{1 2 3 4}) -> (f32[2,2]{2 4 5 8})", 0},
    {"c whole, beta", 0, "(f32[2,1]{1 2}, f32[1,2]{1 2}, f32[2,2]{1 2 3 4}; beta=2.0) -> (f32[2,2]{3 6 8 12})", 0},
    {"c scalar", 0, "(f32[2,1]{1 2}, f32[1,2]{1 2}, f32[]{1}) -> (f32[2,2]{2 3 3 5})", 0},
    {"c one", 0, "(f32[2,1]{1 2}, f32[1,2]{1 2}, f32[1]{1}; beta=-1.0) -> (f32[2,2]{0 1 1 3})", 0},
    {"n one", 0, "(f32[2,2]{1 2 3 4}, f32[1,2]{5 6}, f32[1]{1}; transB=1) -> (f32[2,1]{18 40})", 0},
    {"empty k", 0, "(f32[1,0]{}, f32[0,2]{}, f32[2]{1 2}) -> (f32[1,2]{1 2})", 0},
    {"f16", 0, "(f16[1,2]{1 2050}, f16[2,1]{2050 1}, f16[1]{4}) -> (f16[1,1]{4104})", 0},
    {"f64", 0, "(f64[1,1]{3}, f64[1,1]{5}, f64[1]{1}; alpha=2.0, beta=3.0) -> (f64[1,1]{33})", 0},
    {"s32", 0, "(s32[1,1]{3}, s32[1,1]{5}, s32[1]{1}; alpha=2.0, beta=3.0) -> (s32[1,1]{33})", 0},
    {"opset 6", 6, "(f32[1,1]{3}, f32[1,2]{5 6}, f32[2]{1 2}; broadcast=1) -> (f32[1,2]{16 20})", 0},
    {"opset 7", 7, "(f32[1,1]{3}, f32[1,1]{5}, f32[1]{1}) -> (f32[1,1]{16})", 0},
    {NULL, 0, NULL, 0}};
static const op_case fused_cases[] = {
    {"no activation", 0, "(f32[1,1]{3}, f32[1,1]{5}, f32[1]{1}) -> (f32[1,1]{16})", 0},
    {"relu", 0, "(f32[1,1]{1}, f32[1,2]{1 -3}, f32[2]{1 1}; activation=\"Relu\") -> (f32[1,2]{2 0})", 0},
    {"relu of c whole", 0, "(f32[2,1]{1 2}, f32[1,2]{1 -1}, f32[2,2]{1 -1 -9 3}; activation=\"Relu\") -> (f32[2,2]{2 0 0 1})", 0},
    {"leaky", 0, "(f32[1,1]{1}, f32[2,1]{1 -4}; transB=1, alpha=2.0, activation=\"LeakyRelu\", activation_alpha=0.5) -> (f32[1,2]{2 -4})", 0},
    {"f16", 0, "(f16[1,1]{1}, f16[1,2]{1 -3}, f16[2]{1 1}; activation=\"Relu\") -> (f16[1,2]{2 0})", 0},
    {"sigmoid", 0, "(f32[1,1]{1}, f32[1,1]{1}; activation=\"Sigmoid\") -> (f32[1,1]{0.73105858})", 1e-6},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(Gemm) = {.name = "Gemm",
                .domain = "",
                .since = 1,
                .min_in = 2,
                .max_in = 3,
                .min_out = 1,
                .max_out = 1,
                .infer = infer,
                .eval = eval,
                .bind = bind,
                .summary = "alpha a' b' + beta c on matrices",
                .gaps = "fractional alpha and beta on integers",
                HST_CASES(cases)};
HST_OP(com_microsoft_FusedGemm) = {.name = "FusedGemm",
                                   .domain = "com.microsoft",
                                   .since = 1,
                                   .min_in = 2,
                                   .max_in = 3,
                                   .min_out = 1,
                                   .max_out = 1,
                                   .infer = infer,
                                   .eval = eval,
                                   .bind = bind,
                                   .summary = "Gemm and an activation",
                                   .gaps = "rare activations (Softplus, Softsign, Affine …)",
                                   HST_CASES(fused_cases)};
