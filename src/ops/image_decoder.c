/* ImageDecoder (ai.onnx 20): the bytes of an image file to pixels. A named gap: no image format is read here. */
#include "ops/op.h"

HST_OP(ImageDecoder) = {.name = "ImageDecoder",
                        .domain = "",
                        .since = 20,
                        .min_in = 1,
                        .max_in = 1,
                        .min_out = 1,
                        .max_out = 1,
                        .summary = "not here",
                        .gaps = "the whole operator: no image format is read",
                        .failing = "test_image_decoder_*: no image format is read"};
