/* The AVX-512 form of the vector kernels through SIMDe, on machines that have AVX2 and FMA but perhaps no AVX-512: the
 * families are compiled here a second time over the emulated vocabulary. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx2,fma,f16c")
#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wshadow"
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#pragma GCC diagnostic pop
#define HST_EMULATED 1
#define HST_VEC_EMULATE 1
#define HST_VEC_ISA_avx512 1
#include "kernels/kernels.h"
#undef HST_KERNEL
#define HST_KERNEL(id) static const kernel emulated_##id
#define INLINE static inline __attribute__((always_inline))
#include "../../src/kernels/elementwise/elementwise.vec.c"
#undef INLINE
#define row softmax_row
#define pass_scale softmax_pass_scale
#include "../../src/kernels/softmax/softmax.vec.c"
#undef INLINE
#undef row
#undef pass_scale
#include "../../src/kernels/norm/norm.vec.c"
#undef INLINE
#include "../../src/kernels/widen/widen.vec.c"
#endif

#include "vec_check.h"

static void emulated_avx512(void **state) {
    (void)state;
#ifdef HST_EMULATED
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        print_message("needs AVX2 and FMA\n");
        skip();
    }
    const kernel *all[] = {&emulated_unary_f32__avx512,      &emulated_bias_unary_f32__avx512,
                           &emulated_binary_f32__avx512,     &emulated_softmax_f32__avx512,
                           &emulated_norm_f32__avx512,       &emulated_widen_f16_f32__avx512,
                           &emulated_narrow_f32_f16__avx512, &emulated_widen_bf16_f32__avx512,
                           &emulated_narrow_f32_bf16__avx512};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) assert_true(check_vec_kernel(all[i]));
#else
    print_message("needs gcc on x86-64\n");
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(emulated_avx512)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
