/* Direct convolution: every kernel this processor has gives the reference's bits, and touches nothing beyond its rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "guarded.h"
#include "kernels/kernels.h"

static void check(conv_taps_f32_fn *fn, conv_taps_f32_fn *reference, int64_t n, int64_t taps, uint64_t *seed) {
    enum { SPREAD = 37 };
    guarded x = guarded_new((size_t)(n + SPREAD) * 4), y = guarded_new((size_t)n * 4 + 4);
    float want[600], w[64];
    int64_t offset[64];
    for (int64_t i = 0; i < n + SPREAD; i++) ((float *)x.data)[i] = guarded_float(seed);
    for (int64_t t = 0; t < taps; t++) {
        w[t] = guarded_float(seed);
        offset[t] = t == 0 ? SPREAD : guarded_random(seed) % (SPREAD + 1); /* up to the very end */
    }
    conv_taps a = {x.data, offset, w, taps, guarded_float(seed), n, want};
    reference(&a);
    memset(y.data, 0xff, (size_t)n * 4 + 4);
    a.y = (float *)y.data + 1;
    fn(&a);
    assert_int_equal(*(uint32_t *)y.data, 0xffffffffu);
    assert_memory_equal(a.y, want, (size_t)n * 4);
    guarded_free(&x);
    guarded_free(&y);
}

static void test_kernels(void **state) {
    (void)state;
    conv_taps_f32_fn *reference = NULL;
    uint64_t seed = 7;
    int checked = 0;
    for (int k = 0; k < kernel_list_count; k++)
        if (kernel_list[k]->slot == offsetof(kernels, conv_taps_f32) && kernel_list[k]->isa == CPU_SCALAR)
            reference = (conv_taps_f32_fn *)kernel_list[k]->fn;
    assert_non_null(reference);
    for (int k = 0; k < kernel_list_count; k++) {
        if (kernel_list[k]->slot != offsetof(kernels, conv_taps_f32) || !cpu_has(kernel_list[k]->isa)) continue;
        for (int64_t n = 0; n < 300; n += n < 20 ? 1 : 7)
            for (int64_t taps = 0; taps < 50; taps = taps * 2 + 1)
                check((conv_taps_f32_fn *)kernel_list[k]->fn, reference, n, taps, &seed);
        checked++;
    }
    assert_true(checked > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
