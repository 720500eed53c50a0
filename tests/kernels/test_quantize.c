/* Quantisation loops: every version that this CPU can run, at all short lengths and on hostile values, against the
 * arithmetic in f64 and nearbyint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "guarded.h"
#include "kernels/kernels.h"

static const float hostile[] = {0.0f,   -0.0f,  0.5f,  1.5f,   2.5f, -0.5f,    -1.5f,     127.5f, -128.5f,
                                254.5f, 255.5f, 1e30f, -1e30f, NAN,  INFINITY, -INFINITY, 1e-40f, 4194304.5f};
#define HOSTILE (sizeof hostile / sizeof *hostile)

static int32_t expected(float x, float scale, int32_t zero, quantize_range r) {
    float q = x / scale;
    if (isnan(q)) return r.low;
    double v = nearbyint((double)q) + zero;
    return v < r.low ? r.low : v > r.high ? r.high : (int32_t)v;
}

static void check_quantize(quantize_f32_8_fn *fn, float scale, int32_t zero, quantize_range r) {
    uint64_t seed = 11;
    for (int64_t n = 0; n < 70; n++) {
        guarded x = guarded_floats((size_t)n, &seed), y = guarded_new((size_t)n);
        for (int64_t i = 0; i < n; i++)
            ((float *)x.data)[i] =
                i % 3 ? ((float *)x.data)[i] * 100 : hostile[(size_t)(i + n) % HOSTILE] * (i % 2 ? scale : 1);
        fn(n, x.data, scale, zero, r, y.data);
        for (int64_t i = 0; i < n; i++) {
            int32_t got = r.low ? ((int8_t *)y.data)[i] : ((uint8_t *)y.data)[i];
            assert_int_equal(got, expected(((float *)x.data)[i], scale, zero, r));
        }
        guarded_free(&x);
        guarded_free(&y);
    }
}

static void test_quantize(void **state) {
    static const float scales[] = {1, 0.37f, 1e-30f, 1e30f, 0, -0.5f, NAN, INFINITY, 1e-42f};
    const quantize_range u8 = {0, 255}, s8 = {-128, 127};
    int versions = 0;
    (void)state;
    for (int t = 0; t < kernel_list_count; t++) {
        const kernel *k = kernel_list[t];
        if (k->slot != offsetof(kernels, quantize_f32_8) || !cpu_has(k->isa)) continue;
        for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
            for (int32_t zero = 0; zero <= 255; zero += 51) {
                check_quantize((quantize_f32_8_fn *)k->fn, scales[i], zero, u8);
                check_quantize((quantize_f32_8_fn *)k->fn, scales[i], zero - 128, s8);
            }
        versions++;
    }
    assert_true(versions >= 1);
}

static void test_dequantize(void **state) {
    (void)state;
    for (int t = 0; t < kernel_list_count; t++) {
        const kernel *k = kernel_list[t];
        bool is_signed = k->slot == offsetof(kernels, dequantize_s8_f32);
        if ((!is_signed && k->slot != offsetof(kernels, dequantize_u8_f32)) || !cpu_has(k->isa)) continue;
        for (int64_t n = 0; n < 70; n++) {
            uint64_t seed = (uint64_t)n;
            guarded x = guarded_new((size_t)n), y = guarded_new((size_t)n * 4);
            for (int64_t i = 0; i < n; i++) ((uint8_t *)x.data)[i] = (uint8_t)guarded_random(&seed);
            if (is_signed)
                ((dequantize_s8_f32_fn *)k->fn)(n, x.data, 0.3f, -7, y.data);
            else
                ((dequantize_u8_f32_fn *)k->fn)(n, x.data, 0.3f, 200, y.data);
            for (int64_t i = 0; i < n; i++) {
                int32_t q = is_signed ? ((int8_t *)x.data)[i] + 7 : ((uint8_t *)x.data)[i] - 200;
                assert_true(((float *)y.data)[i] == (float)q * 0.3f);
            }
            guarded_free(&x);
            guarded_free(&y);
        }
    }
}

static void test_extent(void **state) {
    (void)state;
    for (int t = 0; t < kernel_list_count; t++) {
        const kernel *k = kernel_list[t];
        if (k->slot != offsetof(kernels, quantize_extent_f32) || !cpu_has(k->isa)) continue;
        for (int64_t n = 0; n < 70; n++) {
            uint64_t seed = (uint64_t)n + 3;
            guarded x = guarded_floats((size_t)n, &seed);
            float *v = x.data, low = 0, high = 0, least = 0, most = 0;
            if (n > 5) v[n / 2] = NAN;
            for (int64_t i = 0; i < n; i++) least = fminf(least, v[i]), most = fmaxf(most, v[i]);
            ((quantize_extent_f32_fn *)k->fn)(n, v, &low, &high);
            assert_true(low == least && high == most);
            guarded_free(&x);
        }
    }
}

static void test_dynamic(void **state) {
    static const float extents[][2] = {{0, 0},         {-1, 1},           {2, 3},     {-3, -2},       {0, INFINITY},
                                       {-INFINITY, 0}, {-1e-45f, 1e-45f}, {NAN, NAN}, {-3e38f, 3e38f}};
    (void)state;
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        float scale;
        int32_t zero;
        quantize_dynamic_u8(extents[i][0], extents[i][1], &scale, &zero);
        assert_true(zero >= 0 && zero <= 255);
        assert_true(scale >= 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_quantize), cmocka_unit_test(test_dequantize),
                                       cmocka_unit_test(test_extent), cmocka_unit_test(test_dynamic)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
