/* Direct convolution, the readable truth. */
#include <math.h>

#include "kernels/kernels.h"

static void conv_taps_f32(const conv_taps *a) {
    for (int64_t i = 0; i < a->n; i++) {
        float acc = 0;
        for (int64_t t = 0; t < a->taps; t++) acc = fmaf(a->x[a->offset[t] + i], a->w[t], acc);
        a->y[i] = acc + a->bias;
    }
}

HST_KERNEL(conv_taps_f32__ref) = {.name = "conv_taps_f32__ref",
                                  .family = "conv",
                                  .slot = offsetof(kernels, conv_taps_f32),
                                  .fn = (kernel_fn)conv_taps_f32};
