/* MatMul: y = a b as numpy.matmul. com.microsoft FusedMatMul: y = alpha a' b', each operand's last two axes swapped
 * where asked.   a [..., M, K]   b [..., K, N]   ->   y [..., M, N]; the rule for vectors is numpy's. */
#include "ops/matmul.h"

typedef struct args {
    bool transpose_a, transpose_b;
    float alpha;
} args;

static hst_status read_args(const node *n, args *out, hst_error *err) {
    *out = (args){.alpha = 1};
    if (!node_is(n, "com.microsoft", "FusedMatMul")) return HST_STATUS_OK;
    out->transpose_a = node_int(n, "transA", 0) != 0;
    out->transpose_b = node_int(n, "transB", 0) != 0;
    out->alpha = node_float(n, "alpha", 1);
    if (node_int(n, "transBatchA", 0) || node_int(n, "transBatchB", 0))
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "transBatchA and transBatchB");
    return HST_STATUS_OK;
}

static type swapped(const type *t, bool swap) {
    type r = *t;
    if (swap && r.rank > 1) {
        r.dim[r.rank - 1] = t->dim[r.rank - 2];
        r.dim[r.rank - 2] = t->dim[r.rank - 1];
    }
    return r;
}

static hst_status infer(infer_context *c, hst_error *err) {
    args at;
    HST_TRY(read_args(c->node, &at, err));
    const type a = swapped(infer_in(c, 0), at.transpose_a), b = swapped(infer_in(c, 1), at.transpose_b);
    c->out[0].dtype = a.dtype != HST_DTYPE_NONE ? a.dtype : b.dtype;
    return infer_matmul(c, &a, &b, &c->out[0], err);
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    args at;
    HST_TRY(read_args(c->node, &at, err));
    const matmul_product p = {.a = eval_in(c, 0),
                              .b = eval_in(c, 1),
                              .transpose_a = at.transpose_a,
                              .transpose_b = at.transpose_b,
                              .weights = state,
                              .alpha = at.alpha};
    return matmul_product_run(c, &p, err);
}

static hst_status eval(eval_context *c, hst_error *err) {
    return run(NULL, c, err);
}

static hst_status bind(bind_context *c, hst_error *err) {
    args at;
    HST_TRY(read_args(c->node, &at, err));
    const hst_tensor *b = c->constant[1];
    if (c->in[0].dtype != HST_DTYPE_NONE && !matmul_is_f32(c->in[0].dtype)) {
        c->why = "not a 32- or 16-bit float product";
        return HST_STATUS_OK;
    }
    if (b && b->rank == 2 && matmul_is_f32(b->dtype)) {
        matmul_weights *w;
        HST_TRY(matmul_weights_new(b, at.transpose_b, c->allocator, &w, err));
        c->state = w;
        c->state_free = matmul_weights_free;
    }
    c->run = run;
    c->kernel = kernels_get()->gemm_f32()->name;
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"2d", 0, "(f32[2,3]{1 2 3 4 5 6}, f32[3,2]{1 0 0 1 1 1}) -> (f32[2,2]{4 5 10 11})", 0},
    {"vectors", 0, "(f32[3]{1 2 3}, f32[3]{4 5 6}) -> (f32[]{32})", 0},
    {"vector matrix", 0, "(f32[2]{1 2}, f32[2,3]{1 2 3 4 5 6}) -> (f32[3]{9 12 15})", 0},
    {"matrix vector", 0, "(f32[2,3]{1 2 3 4 5 6}, f32[3]{1 0 2}) -> (f32[2]{7 16})", 0},
    {"batch of rows", 0, "(f32[2,1,2]{1 2 3 4}, f32[2,2]{1 2 3 4}) -> (f32[2,1,2]{7 10 15 22})", 0},
    {"batches broadcast", 0, "(f32[2,1,1,2]{1 2 3 4}, f32[2,2,1]{1 2 3 4}) -> (f32[2,2,1,1]{5 11 11 25})", 0},
    {"vector batch", 0, "(f32[2]{1 2}, f32[2,2,1]{1 2 3 4}) -> (f32[2,1]{5 11})", 0},
    {"empty k", 0, "(f32[2,0]{}, f32[0,3]{}) -> (f32[2,3]{0})", 0},
    {"empty m", 0, "(f32[0,2]{}, f32[2,3]{1}) -> (f32[0,3]{})", 0},
    {"empty batch", 0, "(f32[0,2,2]{}, f32[2,3]{1}) -> (f32[0,2,3]{})", 0},
    {"f16", 0, "(f16[1,2]{1 2049}, f16[2,1]{2049 1}) -> (f16[1,1]{4096})", 0},
    {"bf16", 0, "(bf16[1,2]{1.5 2}, bf16[2,1]{2 3}) -> (bf16[1,1]{9})", 0},
    {"f64", 0, "(f64[1,2]{1 9007199254740992}, f64[2,1]{1 1}) -> (f64[1,1]{9007199254740992})", 0},
    {"s32 wraps", 0, "(s32[1,1]{2147483647}, s32[1,1]{2}) -> (s32[1,1]{-2})", 0},
    {"u64", 0, "(u64[1,1]{4294967296}, u64[1,1]{4294967296}) -> (u64[1,1]{0})", 0},
    {"s64 batches", 0, "(s64[2,1,1]{3 4}, s64[2,1,1]{5 6}) -> (s64[2,1,1]{15 24})", 0},
    {"opset 1", 1, "(f32[1,1]{3}, f32[1,1]{5}) -> (f32[1,1]{15})", 0},
    {NULL, 0, NULL, 0}};
static const op_case fused_cases[] = {
    {"transB", 0, "(f32[2,3]{1 2 3 4 5 6}, f32[2,3]{1 0 1 0 1 1}; transB=1) -> (f32[2,2]{4 5 10 11})", 0},
    {"transA", 0, "(f32[3,2]{1 4 2 5 3 6}, f32[3,2]{1 0 0 1 1 1}; transA=1) -> (f32[2,2]{4 5 10 11})", 0},
    {"alpha", 0, "(f32[1,2]{1 2}, f32[2,1]{3 4}; alpha=0.5) -> (f32[1,1]{5.5})", 0},
    {"batched, both", 0, "(f32[2,2,1]{1 2 3 4}, f32[2,1,2]{1 1 2 2}; transA=1, transB=1, alpha=2.0) -> (f32[2,1,1]{6 28})", 0},
    {"f64", 0, "(f64[1,1]{3}, f64[1,1]{5}; alpha=2.0) -> (f64[1,1]{30})", 0},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(MatMul) = {.name = "MatMul",
                  .domain = "",
                  .since = 1,
                  .min_in = 2,
                  .max_in = 2,
                  .min_out = 1,
                  .max_out = 1,
                  .infer = infer,
                  .eval = eval,
                  .bind = bind,
                  .summary = "matrix product as numpy.matmul",
                  HST_CASES(cases)};
HST_OP(com_microsoft_FusedMatMul) = {.name = "FusedMatMul",
                                     .domain = "com.microsoft",
                                     .since = 1,
                                     .min_in = 2,
                                     .max_in = 2,
                                     .min_out = 1,
                                     .max_out = 1,
                                     .infer = infer,
                                     .eval = eval,
                                     .bind = bind,
                                     .summary = "matrix product with transposed operands and a factor",
                                     .gaps = "transBatchA, transBatchB",
                                     HST_CASES(fused_cases)};
