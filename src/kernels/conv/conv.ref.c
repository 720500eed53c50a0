/* Convolution tiles, the readable truth. */
#include <math.h>

#include "kernels/kernels.h"
#include "kernels/vec/scalar.h"

enum { LANES = 4 };

static void tile(const conv_tile *t) {
    for (int r = 0; r < t->rows; r++)
        for (int64_t i = 0; i < t->vectors * LANES; i++) {
            float acc = 0;
            for (int64_t k = 0; k < t->k; k++) acc = fmaf(t->w[k * t->rows + r], t->x[t->offset[k] + i], acc);
            t->y[r * t->ldy + i] = f32_min(t->high, f32_max(t->low, acc + t->bias[r]));
        }
}

static void pixels(const conv_pixels *t) {
    for (int o = 0; o < t->outputs; o++)
        for (int64_t c = 0; c < t->pitch; c++) {
            float acc = 0;
            for (int64_t k = 0; k < t->k; k++)
                acc = fmaf(t->x[t->offset[k] + o * t->step + c], t->w[k * t->pitch + c], acc);
            t->y[o * t->pitch + c] = f32_min(t->high, f32_max(t->low, acc + t->bias[c]));
        }
}

static const conv_family family = {.name = "conv_f32__ref",
                                   .lanes = LANES,
                                   .height = {{4, 2, 1u << 1}, {1, 4, 1u << 1}},
                                   .tile = tile,
                                   .pixels = pixels};

static const conv_family *get(void) {
    return &family;
}

HST_KERNEL(conv_f32__ref) = {
    .name = "conv_f32__ref", .family = "conv", .slot = offsetof(kernels, conv_f32), .fn = (kernel_fn)get};
