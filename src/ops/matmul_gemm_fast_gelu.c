/* com.microsoft GemmFastGelu: y = gelu(x w + bias) with the tanh form.
 *   x [..., K]   w [K, N]   bias [N]   ->   y [..., N]. Half types compute in f32. */
#include "ops/matmul.h"
#include "tensor/convert.h"

static hst_status infer(infer_context *c, hst_error *err) {
    c->out[0].dtype = infer_in(c, 0)->dtype;
    return infer_matmul(c, infer_in(c, 0), infer_in(c, 1), &c->out[0], err);
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0), *w = eval_in(c, 1), *bias = eval_in(c, 2);
    matmul_product p = {.a = x, .b = w, .weights = state, .alpha = 1, .activation = matmul_activation_find("GeluTanh")};
    matmul_shape s;
    hst_tensor *y;
    if (!matmul_is_f32(x->dtype) || x->dtype != w->dtype)
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "the product of %s and %s", dtype_name(x->dtype),
                          dtype_name(w->dtype));
    HST_TRY(matmul_product_shape(c->node, &p, &s, err));
    if (bias && (bias->rank != 1 || bias->dim[0] != s.n))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "bias must have %lld elements", (long long)s.n);
    if (bias) HST_TRY(matmul_as_f32(c, bias, &p.bias, err));
    HST_TRY(eval_output(c, 0, x->dtype, s.rank, s.dim, &y, err));
    void *to = y->data;
    const int64_t count = tensor_count(y);
    if (x->dtype != HST_DTYPE_F32) HST_TRY(eval_scratch(c, (size_t)count * sizeof(float), &to, err));
    HST_TRY(matmul_product_f32(c, &p, &s, to, err));
    if (x->dtype != HST_DTYPE_F32) convert_from_f32(x->dtype, to, y->data, 0, count);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    return run(NULL, c, err);
}

static hst_status bind(bind_context *c, hst_error *err) {
    const hst_tensor *w = c->constant[1];
    if (w && w->rank == 2 && matmul_is_f32(w->dtype)) {
        matmul_weights *packed;
        HST_TRY(matmul_weights_new(w, false, c->allocator, &packed, err));
        c->state = packed;
        c->state_free = matmul_weights_free;
    }
    c->run = run;
    c->kernel = kernels_get()->gemm_f32()->name;
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"bias", 0, "(f32[1,2,1]{-1 1}, f32[1,1]{2}, f32[1]{-1}) -> (f32[1,2,1]{-0.0036373920 0.84119199})", 1e-6},
    {"no bias", 0, "(f32[2,1]{-1 1}, f32[1,1]{1}) -> (f32[2,1]{-0.15880801 0.841192})", 1e-6},
    {"f16", 0, "(f16[1,1]{0}, f16[1,2]{1 2}, f16[2]{0 8}) -> (f16[1,2]{0 8})", 0},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(com_microsoft_GemmFastGelu) = {.name = "GemmFastGelu",
                                      .domain = "com.microsoft",
                                      .since = 1,
                                      .min_in = 2,
                                      .max_in = 3,
                                      .min_out = 1,
                                      .max_out = 1,
                                      .infer = infer,
                                      .eval = eval,
                                      .bind = bind,
                                      .summary = "matrix product, bias, gelu of the tanh form",
                                      HST_CASES(cases)};
