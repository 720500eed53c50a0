/* The AVX-512 matrix product through SIMDe, on machines that have AVX2 and FMA but perhaps no AVX-512: the file is
 * compiled here a second time with its intrinsics emulated. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx2,fma")
#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wshadow"
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#pragma GCC diagnostic pop
#define HST_EMULATED 1
#include "kernels/kernels.h"
#undef HST_KERNEL
#define HST_KERNEL(id) static const kernel emulated
#include "../../src/kernels/gemm_f32/gemm_f32.avx512.c"
#endif

#include "gemm_f32_check.h"

static void emulated_avx512(void **state) {
    (void)state;
#ifdef HST_EMULATED
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        print_message("needs AVX2 and FMA\n");
        skip();
    }
    check_family_all(((gemm_f32_fn)emulated.fn)(), false);
#else
    print_message("needs gcc on x86-64\n");
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(emulated_avx512)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
