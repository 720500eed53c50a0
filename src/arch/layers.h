/* Layers of Transformers in standard ONNX operators. Linear weights keep torch's layout [out, in]: a Transpose stands
 * before the product, for passes to fold. Half-precision weights are widened by a Cast. */
#ifndef ARCH_LAYERS_H
#define ARCH_LAYERS_H

#include "arch/builder.h"

/* x Wᵀ + b with "<name>.weight" [out, in] and "<name>.bias" [out]. */
value *layer_linear(builder *b, value *x, const char *name, int64_t in, int64_t out);
/* The same with parts that have other names (tied weights): W [out, in] as it is in the file, bias [out]. */
value *layer_project(builder *b, value *x, value *weight, value *bias);
/* Over the last axis: "<name>.weight", "<name>.bias" [size]. */
value *layer_norm(builder *b, value *x, const char *name, int64_t size, double epsilon);
/* Rows of a table [rows, size] by ids: [… , size] in f32. */
value *layer_gather(builder *b, value *table, value *ids);
/* Positions 0 … sequence-1 as s64 [sequence], sequence being axis 1 of `ids`. */
value *layer_positions(builder *b, value *ids);
/* By transformers' name: gelu, gelu_new, relu, silu …; UNSUPPORTED names what there is. */
value *layer_activation(builder *b, value *x, const char *name);
/* [batch, sequence, heads·size] -> [batch, heads, sequence, size], or with `transposed` [batch, heads, size, sequence].
 */
value *layer_split_heads(builder *b, value *x, int64_t heads, int64_t size, bool transposed);
value *layer_merge_heads(builder *b, value *x, int64_t heads, int64_t size); /* and back */
value *layer_first_token(builder *b, value *x);                              /* [batch, sequence, h] -> [batch, h] */
/* s64 [batch, sequence] of 1 (attend) and 0 -> f32 [batch, 1, 1, sequence] that is added to scores. */
value *layer_mask_additive(builder *b, value *mask); /* (1 - mask) · lowest f32 */
value *layer_mask_where(builder *b, value *mask);    /* mask ≠ 0 ? 0 : lowest f32 */
/* [batch, sequence, 2] -> outputs "start_logits" and "end_logits" [batch, sequence]. */
void layer_span_outputs(builder *b, value *x, const dim *dims);

/* The inputs of an encoder: s64 [batch, sequence], or with `choices` [batch, num_choices, sequence], which is then made
 * [batch·num_choices, sequence] for the encoder. */
typedef struct layer_inputs {
    dim batch, sequence, choices;
    bool multiple_choice;
    value *ids, *mask, *types; /* as the encoder takes them; types NULL where it has none */
    value *choice_shape;       /* s64 [2]: batch, num_choices */
} layer_inputs;
layer_inputs layer_encoder_inputs(builder *b, bool token_types, bool multiple_choice);
/* [batch·num_choices, 1] -> output "logits" [batch, num_choices]. */
void layer_choice_output(builder *b, const layer_inputs *in, value *logits);

#endif
