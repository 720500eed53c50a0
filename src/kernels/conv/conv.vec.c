/* Convolution tiles over the vector vocabulary. Heights and widths are chosen so that the outputs fill the registers
 * and at least 8 chains hide the latency of each other. */
#include "kernels/kernels.h"
#include "kernels/vec/vec.h"

#define L VEC_LANES

/* rows and vectors are constants after inlining: the loops over them unroll and acc lives in registers. */
static inline __attribute__((always_inline)) void outputs(const conv_tile *t, const int rows, const int vectors) {
    vf acc[CONV_ROWS_MOST][8];
    const float *w = t->w;
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) acc[r][v] = vf_set(0);
#pragma GCC unroll 1
    for (int64_t k = 0; k < t->k; k++, w += rows) {
        const float *x = t->x + t->offset[k];
        vf own[8];
        if (rows > 3) /* else each is loaded where it is used: registers are for the weights */
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) own[v] = vf_load(x + v * L);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            const vf one = vf_set(w[r]);
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++)
                acc[r][v] = vf_fma(one, rows > 3 ? own[v] : vf_load(x + v * L), acc[r][v]);
        }
    }
    const vf low = vf_set(t->low), high = vf_set(t->high);
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        const vf bias = vf_set(t->bias[r]);
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            vf_store(t->y + r * t->ldy + v * L, vf_min(high, vf_max(low, vf_add(acc[r][v], bias))));
    }
}

#define TILE(rows, vectors)                                                                                            \
    case rows * 16 + vectors:                                                                                          \
        outputs(t, rows, vectors);                                                                                     \
        break

static void tile(const conv_tile *t) {
    switch (t->rows * 16 + t->vectors) {
#if VEC_LANES == 8 /* 16 registers; else 32 */
        TILE(6, 2);
        TILE(6, 1);
        TILE(4, 3);
        TILE(3, 4);
        TILE(2, 4);
#else
        TILE(12, 2);
        TILE(12, 1);
        TILE(8, 3);
        TILE(6, 4);
        TILE(4, 4);
        TILE(3, 4);
        TILE(2, 8);
#endif
        TILE(1, 8);
        TILE(1, 4);
        TILE(1, 1);
    default:
        break;
    }
}

/* One register of channels of `outputs` pixels; step is a constant where neighbours are meant. */
static inline __attribute__((always_inline)) void channels(const conv_pixels *t, const int outputs, const int64_t pitch,
                                                           const int64_t step, int64_t first) {
    vf acc[CONV_PIXELS_MOST];
    const float *w = t->w + first, *from = t->x + first;
#pragma GCC unroll 14
    for (int o = 0; o < outputs; o++) acc[o] = vf_set(0);
#pragma GCC unroll 1
    for (int64_t k = 0; k < t->k; k++, w += pitch) {
        const float *x = from + t->offset[k];
        const vf one = vf_load(w);
#pragma GCC unroll 14
        for (int o = 0; o < outputs; o++) acc[o] = vf_fma(vf_load(x + o * step), one, acc[o]);
    }
    const vf bias = vf_load(t->bias + first), low = vf_set(t->low), high = vf_set(t->high);
#pragma GCC unroll 14
    for (int o = 0; o < outputs; o++)
        vf_store(t->y + o * pitch + first, vf_min(high, vf_max(low, vf_add(acc[o], bias))));
}

static inline __attribute__((always_inline)) void pixels_of(const conv_pixels *t, const int outputs) {
    for (int64_t c = 0; c < t->pitch; c += L)
        if (t->pitch == 2 * L && t->step == 2 * L)
            channels(t, outputs, 2 * L, 2 * L, c);
        else
            channels(t, outputs, t->pitch, t->step, c);
}

#define PIXELS(outputs)                                                                                                \
    case outputs:                                                                                                      \
        pixels_of(t, outputs);                                                                                         \
        break

static void pixels(const conv_pixels *t) {
    switch (t->outputs) {
        PIXELS(1);
        PIXELS(4);
        PIXELS(7);
        PIXELS(14);
    default:
        break;
    }
}

static const conv_family family = {
    .name = "conv_f32" VEC_TEXT,
    .lanes = L,
#if VEC_LANES == 8
    .height = {{6, 2, 1u << 1}, {4, 3, 0}, {3, 4, 0}, {2, 4, 0}, {1, 8, 1u << 4 | 1u << 1}},
#else
    .height = {{12, 2, 1u << 1}, {8, 3, 0}, {6, 4, 0}, {4, 4, 0}, {3, 4, 0}, {2, 8, 0}, {1, 8, 1u << 4 | 1u << 1}},
#endif
    .tile = tile,
    .pixels = pixels,
};

static const conv_family *conv_f32(void) {
    return &family;
}

HST_VEC_KERNEL(conv_f32) = VEC_KERNEL("conv", conv_f32);
