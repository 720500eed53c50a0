/* Gradient (ai.onnx.preview.training 1): d sum(y) / dx for each x of xs, at the inputs. It speaks of other nodes of its
 * graph, so nothing here computes it: nodes of its own take its place when a model is loaded (convert/gradient.c). */
#include "ops/op.h"

HST_OP(ai_onnx_preview_training_Gradient) = {
    .name = "Gradient",
    .domain = "ai.onnx.preview.training",
    .since = 1,
    .min_in = 1,
    .max_in = OP_ANY,
    .min_out = 1,
    .max_out = OP_ANY,
    .summary = "derivatives of a value; becomes nodes that compute them when a model is loaded",
    .gaps = "through operators without a rule (docs/onnx.md lists those with one); in functions of the model"};
