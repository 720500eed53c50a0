/* Every version of the elementwise, softmax, norm and widening kernels that this CPU can run; and the accuracy that the
 * elementary functions state. */
#include "vec_check.h"

static void test_versions(void **state) {
    (void)state;
    int checked = 0;
    for (int i = 0; i < kernel_list_count; i++) {
        const kernel *k = kernel_list[i];
        if (cpu_has(k->isa) && check_vec_kernel(k)) checked++;
    }
    assert_true(checked >= 9);
}

/* |got − want| in units of the last place of want. */
static double ulps(float got, double want) {
    int exponent;
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got) ? 0 : INFINITY;
    if (isinf((float)want) || isinf(got)) return got == (float)want ? 0 : INFINITY;
    frexp(want, &exponent);
    return fabs(got - want) / ldexp(1.0, (exponent < -125 ? -125 : exponent) - 24);
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static void check_accuracy(unary f, double (*truth)(double), double most) {
    enum { N = 4096 };
    float x[N], y[N], p[2] = {0};
    for (uint64_t u = 0; u < UINT64_C(1) << 32;) {
        int n = 0;
        for (; n < N && u < UINT64_C(1) << 32; n++, u += 9973) {
            uint32_t bits = (uint32_t)u;
            memcpy(&x[n], &bits, 4);
        }
        kernels_get()->unary_f32(f, p, n, x, y);
        for (int i = 0; i < n; i++) {
            double e = ulps(y[i], truth(x[i]));
            if (!(e <= most)) fail_msg("function %d of %a is %a: %.3g ULP off", f, (double)x[i], (double)y[i], e);
        }
    }
}

static void test_accuracy(void **state) {
    (void)state;
    check_accuracy(UNARY_EXP, exp, 1);
    check_accuracy(UNARY_ERF, erf, 6);
    check_accuracy(UNARY_TANH, tanh, 6);
    check_accuracy(UNARY_SIGMOID, sigmoid, 3);
}

static void test_values(void **state) {
    (void)state;
    const float x[] = {0, -0.0f, INFINITY, -INFINITY, 100, -100, 2.5f, -1.5f}, p[2] = {0};
    float y[8];
    kernels_get()->unary_f32(UNARY_EXP, p, 8, x, y);
    assert_true(y[0] == 1 && y[1] == 1 && isinf(y[2]) && y[3] == 0 && isinf(y[4]));
    kernels_get()->unary_f32(UNARY_ERF, p, 8, x, y);
    assert_true(y[0] == 0 && signbit(y[1]) && y[2] == 1 && y[3] == -1 && y[4] == 1 && y[5] == -1);
    kernels_get()->unary_f32(UNARY_TANH, p, 8, x, y);
    assert_true(y[0] == 0 && signbit(y[1]) && y[2] == 1 && y[3] == -1 && y[4] == 1 && y[5] == -1);
    kernels_get()->unary_f32(UNARY_SIGMOID, p, 8, x, y);
    assert_true(y[0] == 0.5f && y[2] == 1 && y[3] == 0 && y[4] == 1 && y[5] > 0);
    kernels_get()->unary_f32(UNARY_ROUND, p, 8, x, y);
    assert_true(y[6] == 2 && y[7] == -2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_versions), cmocka_unit_test(test_accuracy),
                                       cmocka_unit_test(test_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
