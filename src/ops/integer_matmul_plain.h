/* QLinearMatMul where kernels/gemm_s16 does not reach: 8-bit floats, and a scale of the result for each row. */
#ifndef OPS_INTEGER_MATMUL_PLAIN_H
#define OPS_INTEGER_MATMUL_PLAIN_H

#include "ops/op.h"

/* Whether the node's operands ask for it. */
bool linear_is_plain(const eval_context *c);
hst_status linear_plain(eval_context *c, hst_error *err);

#endif
