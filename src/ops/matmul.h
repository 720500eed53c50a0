/* What the operators that multiply matrices share: operands as they stand in tensors, weights packed when the model is
 * compiled, one product run over the team. f32, f16 and bf16 compute in f32 (kernels/gemm_f32); f64 and integers here.
 */
#ifndef OPS_MATMUL_H
#define OPS_MATMUL_H

#include "kernels/kernels.h"
#include "ops/op.h"
#include "tensor/matmul_shape.h"

/* ---- weights (matmul_weights.c) ----
 * Packed weights are a tensor [panels, k, nr] of f32, f16 or bf16: column panels as kernels/gemm_f32 reads them, the
 * last one filled up with zeros. A constant of that form is what the pass "pack" leaves in the graph and what an engine
 * file holds; n, the count of columns that exist, stands beside it. */

/* Constant weights in panels: a bind state. */
typedef struct matmul_weights {
    const gemm_f32_family *family;
    int64_t k, n;
    hst_dtype dtype;
    const void *data;
    size_t bytes; /* of `own` */
    void *own;    /* NULL: borrowed from a packed constant */
} matmul_weights;

/* Packs a constant matrix ([k,n], or [n,k] where transposed) of f32, f16 or bf16. */
hst_status matmul_weights_new(const hst_tensor *b, bool transposed, const hst_allocator *a, matmul_weights **out,
                              hst_error *err);
/* Borrows a packed tensor of n columns. *out is NULL where this CPU's kernel reads another layout. */
hst_status matmul_weights_borrow(const hst_tensor *packed, int64_t n, const hst_allocator *a, matmul_weights **out,
                                 hst_error *err);
void matmul_weights_free(void *weights, const hst_allocator *a); /* NULL allowed */

/* The same matrix as a packed tensor, for the kernel of this CPU: f16 or bf16 where that is `stored` (rounded where it
 * must be; f32 where a finite element would become infinite), else f32. And back, [k,n] of the panels' type. */
hst_status matmul_pack(const hst_tensor *b, bool transposed, hst_dtype stored, const hst_allocator *a, hst_tensor **out,
                       hst_error *err);
hst_status matmul_unpack(const hst_tensor *packed, int64_t n, const hst_allocator *a, hst_tensor **out, hst_error *err);
/* A linear layer's weights on 8 bits: a descriptor's `quantize`. */
hst_status matmul_quantize(quantize_context *c, hst_error *err);
/* True where dims, a tensor's or a type's, can be packed weights of n columns. */
bool matmul_is_packed(int rank, const int64_t *dim, int64_t n);
/* A dense matrix in memory as the kernels' operand. */
gemm_f32_operand matmul_operand(const hst_tensor *b, bool transposed, int64_t k, int64_t n);

/* What may follow a product; name "" is none (UNARY_COPY). */
typedef struct matmul_activation {
    const char *name;
    unary function;
    float parameter[2];
} matmul_activation;
const matmul_activation *matmul_activation_find(const char *name); /* NULL: unknown */
/* The node's attribute "activation"; UNSUPPORTED where it is not known. */
hst_status matmul_activation_of(const node *n, const matmul_activation **out, hst_error *err);
value *matmul_activation_expand(expansion *e, const matmul_activation *a, value *x);
/* BAD_SHAPE where what a linear layer x [..., K] of `columns` adds is provably not bias [N] and residual [..., N]; its
 * expansion would broadcast. NULL: absent. */
hst_status matmul_check_added(const node *n, const type *x, dim columns, const type *bias, const type *residual,
                              hst_error *err);

/* ---- LayerNormalization of the result's rows (matmul_norm.c): in the product's own region, by workers that mostly have
 * the rows in their cache ---- */

typedef struct matmul_norm {
    const float *gamma, *beta; /* [n]; gamma NULL: no normalisation, beta NULL: zeros */
    float epsilon;
} matmul_norm;
/* Refuses what cannot be vectors of so many columns; NULL: not there. */
hst_status matmul_norm_check(const node *n, dim columns, const type *gamma, const type *beta, hst_error *err);
/* LayerNormalization of x; x where gamma is NULL. */
value *matmul_norm_expand(expansion *e, value *x, value *gamma, value *beta);
/* From inputs `gamma` and the next one, and the attribute epsilon. */
hst_status matmul_norm_read(eval_context *c, int gamma, int64_t n, matmul_norm *norm, hst_error *err);

/* ---- what is done with whole rows of the result (matmul_rows.c): in the product's own region ---- */

typedef struct matmul_rows {
    matmul_norm norm;
    const float *residual;         /* added with the norm: the product's tiles would fetch it line by line; or NULL */
    gemm_s8_quantize_fn *quantize; /* NULL: rows are not quantised */
    uint8_t *q;                    /* [m, n] as kernels/gemm_s8 says, n % 32 == 0 */
    int32_t *zero;                 /* [m] */
    float *scale;                  /* [m] */
} matmul_rows;

static inline bool matmul_rows_any(const matmul_rows *f) {
    return f->norm.gamma || f->quantize;
}
/* Called by each worker of a region when its part of y [m, n] is done: y = norm(y + residual); then quantised. */
void matmul_rows_finish(const matmul_rows *f, int64_t n, int64_t m, float *y, const team_context *ctx);

/* Quantised rows: a linear layer's outputs 1 to 3, all or none, which hasten.QuantizedLinear takes in place of output
 * 0, y [..., N] f32: q [..., N] u8, scale [..., 1] f32, zero [..., 1] s32, y ≈ (q − zero) · scale. N is a multiple
 * of 32. */
hst_status matmul_quantised_infer(infer_context *c, hst_error *err);
/* Of the f32 value x; out[1] to out[3] where the node has them. */
void matmul_quantised_expand(expansion *e, value *x, value **out);
/* The same before it has its types: q in 0 … 126 and z, as f32, and the scale. */
typedef struct quantised_rows {
    value *q, *z, *scale;
} quantised_rows;
quantised_rows matmul_quantize_expand(expansion *e, value *x);
/* Makes the outputs that the node has, for y [rank dims]. */
hst_status matmul_quantised_outputs(eval_context *c, int rank, const int64_t *dims, matmul_rows *f, hst_error *err);

/* A product C = act(alpha * A' B' + bias) + residual over batches, as numpy.matmul; then its rows normalised. */
typedef struct matmul_product {
    const hst_tensor *a, *b; /* b may be packed too */
    bool transpose_a, transpose_b;
    const matmul_weights *weights; /* NULL: b is packed panel by panel */
    float alpha;
    const float *bias;                   /* [n] or NULL */
    const matmul_activation *activation; /* NULL: none */
    const float *residual;               /* like the result, or NULL */
    const matmul_rows *rows;             /* NULL: nothing is done with whole rows; not over batches */
} matmul_product;

/* The shape of the product, its error naming the node. */
hst_status matmul_product_shape(const node *n, const matmul_product *p, matmul_shape *s, hst_error *err);
/* Computes into c, f32, whose shape is s->dim. Operands f32, f16, bf16. */
hst_status matmul_product_f32(eval_context *c, const matmul_product *p, const matmul_shape *s, float *to,
                              hst_error *err);
/* Computes output 0 of the node in the dtype of a: any float or integer type. */
hst_status matmul_product_run(eval_context *c, const matmul_product *p, hst_error *err);
/* A product of f32 matrices in memory, by all threads that pay; between its parts the run may stop. */
hst_status matmul_gemm_run(eval_context *c, const gemm_f32 *g, hst_error *err);

/* Elements of t as f32: its own data where that is f32 and aligned, else scratch. */
hst_status matmul_as_f32(eval_context *c, const hst_tensor *t, const float **out, hst_error *err);
bool matmul_is_f32(hst_dtype d); /* f32, f16, bf16: what kernels/gemm_f32 computes */

#endif
