/* Every f32 matrix product that this processor runs, bit for bit against the chain of its contract. */
#include "gemm_f32_check.h"
#include "kernels/kernels.h"

static void families(void **state) {
    (void)state;
    int seen = 0;
    for (int i = 0; i < kernel_list_count; i++) {
        const kernel *k = kernel_list[i];
        if (strcmp(k->family, "gemm_f32") || !cpu_has(k->isa)) continue;
        const gemm_f32_family *f = ((gemm_f32_fn)k->fn)();
        assert_string_equal(f->name, k->name);
        check_family_all(f, k->isa != CPU_SCALAR);
        seen++;
    }
    assert_true(seen > 0);
    assert_non_null(kernels_get()->gemm_f32);
}

/* Infinities and NaN go where arithmetic sends them, zeros keep their signs. */
static void specials(void **state) {
    (void)state;
    const gemm_f32_family *f = kernels_get()->gemm_f32();
    const float a[3] = {INFINITY, -0.0f, NAN}, b[2] = {1.0f, 0.0f};
    float packed[GEMM_F32_NR_MAX], c[6];
    gemm_f32 g = gemm_f32_make(f, 3, 2, 1, a, c);
    g.b = (gemm_f32_operand){b, HST_DTYPE_F32, 2, 1};
    gemm_f32_pack(f, &g.b, 1, 2, 0, 1, packed);
    g.packed = packed;
    gemm_f32_part(&g, 0, 1, NULL);
    assert_true(c[0] == INFINITY);
    assert_true(isnan(c[1]));
    assert_true(c[2] == 0 && !signbit(c[2])); /* a chain starts at +0 */
    assert_true(isnan(c[4]) && isnan(c[5]));
}

/* Parts are disjoint and complete for any number of workers, also more than there is work. */
static void more_workers_than_work(void **state) {
    (void)state;
    const check_case c = {.m = 2,
                          .n = 3,
                          .k = 4,
                          .batch = 2,
                          .dtype = HST_DTYPE_F32,
                          .storage = CHECK_DYNAMIC,
                          .scale = 1,
                          .workers = 13};
    check_family(kernels_get()->gemm_f32(), &c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(families), cmocka_unit_test(specials),
                                       cmocka_unit_test(more_workers_than_work)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
