/* Conv as the operators have it, plain and with an epilogue: shapes, constant weights in tiles, the run in f32. */
#ifndef OPS_CONV_LAYER_H
#define OPS_CONV_LAYER_H

#include "ops/conv_f32.h"
#include "ops/conv_shape.h"
#include "ops/matmul.h"

/* "activation" of the node with its "activation_params"; those of ops/matmul.h and LeakyRelu [alpha], Clip [min, max],
 * HardSigmoid [alpha, beta], HardSwish. */
hst_status conv_activation(const node *n, matmul_activation *to, hst_error *err);
value *conv_activation_expand(expansion *e, const matmul_activation *a, value *x);

/* The shape of the output; BAD_SHAPE where the types of the inputs differ, too. */
hst_status conv_layer_shape(eval_context *c, const hst_tensor *x, const hst_tensor *weight, const hst_tensor *bias,
                            conv_shape *s, hst_error *err);
/* Output 0 = act(conv(in 0, in 1) + in 2 + in 3) of f32, f16 or bf16, computed in f32. state: NULL, or a bind's. */
hst_status conv_layer_run(const void *state, eval_context *c, hst_error *err);
/* Chooses run, kernel and state; weights that stand in tiles ("tiles") must be in this CPU's layout. */
hst_status conv_layer_bind(bind_context *c, hst_error *err);
hst_status conv_layer_pack(pack_context *c, hst_error *err);
/* The weights as they were before they were laid out in tiles, if they are; NULL and the expansion's status where that fails. */
value *conv_layer_unpack(expansion *e, value *weight);

#endif
