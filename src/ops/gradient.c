/* Gradient (ai.onnx.preview.training 1). A named gap. */
#include "ops/op.h"

HST_OP(ai_onnx_preview_training_Gradient) = {.name = "Gradient",
                                             .domain = "ai.onnx.preview.training",
                                             .since = 1,
                                             .min_in = 1,
                                             .max_in = OP_ANY,
                                             .min_out = 1,
                                             .max_out = OP_ANY,
                                             .summary = "not here",
                                             .gaps = "the whole operator",
                                             .failing = "test_gradient_of_*: Gradient is not here"};
