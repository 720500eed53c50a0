/* Convolution tiles: every kernel this processor has gives the reference's bits for every height and width that it
 * states, and touches nothing beyond its tile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "guarded.h"
#include "kernels/kernels.h"

/* The reference's tile on wider ones, column by column. */
static void expect(const conv_family *reference, const conv_tile *t, int64_t n, float *y) {
    conv_tile one = *t;
    float part[CONV_ROWS_MOST * 64];
    one.vectors = 1;
    one.y = part;
    one.ldy = reference->lanes;
    for (int64_t i = 0; i < n; i += reference->lanes, one.x += reference->lanes) {
        reference->tile(&one);
        for (int r = 0; r < t->rows; r++)
            memcpy(y + r * n + i, part + r * reference->lanes, (size_t)reference->lanes * sizeof *y);
    }
}

static void check(const conv_family *f, const conv_family *reference, int rows, int vectors, int64_t k,
                  bool bounds, uint64_t *seed) {
    enum { SPREAD = 37 };
    const int64_t n = (int64_t)vectors * f->lanes;
    guarded x = guarded_new((size_t)(n + SPREAD) * 4), y = guarded_new((size_t)(n * rows) * 4 + 4);
    guarded w = guarded_new((size_t)(k * rows) * 4), bias = guarded_new((size_t)rows * 4);
    static float want[CONV_ROWS_MOST * CONV_WIDTH_MOST];
    int64_t offset[64];
    for (int64_t i = 0; i < n + SPREAD; i++) ((float *)x.data)[i] = guarded_float(seed);
    for (int64_t i = 0; i < k * rows; i++) ((float *)w.data)[i] = guarded_float(seed);
    for (int r = 0; r < rows; r++) ((float *)bias.data)[r] = guarded_float(seed);
    for (int64_t i = 0; i < k; i++) offset[i] = i == 0 ? SPREAD : guarded_random(seed) % (SPREAD + 1);
    conv_tile t = {
        .k = k, .w = w.data, .x = x.data, .offset = offset, .bias = bias.data, .rows = rows, .vectors = vectors};
    t.low = bounds ? -0.25f : -INFINITY;
    t.high = bounds ? 0.5f : INFINITY;
    expect(reference, &t, n, want);
    memset(y.data, 0xff, (size_t)(n * rows) * 4 + 4);
    t.y = (float *)y.data + 1;
    t.ldy = n;
    f->tile(&t);
    assert_int_equal(*(uint32_t *)y.data, 0xffffffffu);
    assert_memory_equal(t.y, want, (size_t)(n * rows) * 4);
    guarded_free(&x);
    guarded_free(&y);
    guarded_free(&w);
    guarded_free(&bias);
}

static void check_family(const conv_family *f, const conv_family *reference) {
    uint64_t seed = 7;
    int at = 0, rows = 1 << 30;
    for (; at < CONV_HEIGHTS_MOST && f->height[at].rows; at++) {
        const int most = f->height[at].vectors;
        assert_true(f->height[at].rows < rows && f->height[at].rows <= CONV_ROWS_MOST);
        assert_true(most * f->lanes <= CONV_WIDTH_MOST);
        rows = f->height[at].rows;
        for (int v = 1; v <= most; v++)
            for (int64_t k = 0; k < 64 && (v == most || f->height[at].narrow >> v & 1); k = k * 2 + 1)
                for (int bounds = 0; bounds < 2; bounds++)
                    check(f, reference, rows, v, k, bounds, &seed);
    }
    assert_int_equal(rows, 1); /* any number of filters can be cut */
}

static void check_pixels(const conv_family *f, const conv_family *reference, int outputs, int64_t pitch, int64_t step,
                         int64_t k, uint64_t *seed) {
    const int64_t spread = 5 * f->lanes, all = (outputs - 1) * step + pitch + spread;
    guarded x = guarded_new((size_t)all * 4), w = guarded_new((size_t)(k * pitch) * 4);
    guarded bias = guarded_new((size_t)pitch * 4), y = guarded_new((size_t)(outputs * pitch) * 4);
    static float want[CONV_PIXELS_MOST * 64];
    int64_t offset[64];
    for (int64_t i = 0; i < all; i++) ((float *)x.data)[i] = guarded_float(seed);
    for (int64_t i = 0; i < k * pitch; i++) ((float *)w.data)[i] = guarded_float(seed);
    for (int64_t i = 0; i < pitch; i++) ((float *)bias.data)[i] = guarded_float(seed);
    for (int64_t i = 0; i < k; i++) offset[i] = i == 0 ? spread : guarded_random(seed) % (spread + 1);
    const float bound = k % 2 ? 0.25f : INFINITY;
    conv_pixels t = {k, w.data, x.data, offset, bias.data, want, pitch, step, -bound, bound, outputs};
    reference->pixels(&t);
    memset(y.data, 0xff, (size_t)(outputs * pitch) * 4);
    t.y = y.data;
    f->pixels(&t);
    assert_memory_equal(t.y, want, (size_t)(outputs * pitch) * 4);
    guarded_free(&x);
    guarded_free(&w);
    guarded_free(&bias);
    guarded_free(&y);
}

static void check_all_pixels(const conv_family *f, const conv_family *reference) {
    uint64_t seed = 11;
    for (size_t i = 0; i < sizeof conv_pixel_counts / sizeof *conv_pixel_counts; i++)
        for (int64_t pitch = f->lanes; pitch <= 3 * f->lanes; pitch += f->lanes)
            for (int64_t step = 1; step <= 2; step++)
                for (int64_t k = 0; k < 32; k = k * 2 + 1)
                    check_pixels(f, reference, conv_pixel_counts[i], pitch, step * pitch, k, &seed);
}

static void test_kernels(void **state) {
    (void)state;
    const conv_family *reference = NULL;
    int checked = 0;
    for (int k = 0; k < kernel_list_count; k++)
        if (kernel_list[k]->slot == offsetof(kernels, conv_f32) && kernel_list[k]->isa == CPU_SCALAR)
            reference = ((conv_f32_fn *)kernel_list[k]->fn)();
    assert_non_null(reference);
    for (int k = 0; k < kernel_list_count; k++) {
        if (kernel_list[k]->slot != offsetof(kernels, conv_f32) || !cpu_has(kernel_list[k]->isa)) continue;
        check_family(((conv_f32_fn *)kernel_list[k]->fn)(), reference);
        check_all_pixels(((conv_f32_fn *)kernel_list[k]->fn)(), reference);
        checked++;
    }
    assert_true(checked > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
