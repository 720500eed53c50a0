/* Constant 8-bit weights, laid out for the exact integer product when a model is compiled. Shared by the operators
 * whose right operand such weights are. */
#ifndef OPS_PACKED_S16_H
#define OPS_PACKED_S16_H

#include "kernels/gemm_s16/gemm_s16.h"
#include "ops/op.h"

typedef struct packed_s16 {
    int16_t *data; /* gemm_s16_pack_b of the whole matrix */
    size_t bytes;
} packed_s16;

/* b: u8 or s8 [K, N], or [N, K] where transposed; zero: NULL (0), one, or one a column, of b's type. */
hst_status packed_s16_new(const node *n, const hst_tensor *b, const hst_tensor *zero, bool transposed,
                          const hst_allocator *a, packed_s16 **out, hst_error *err);
void packed_s16_free(void *packed, const hst_allocator *a); /* a state_free */

#endif
