/* Checks EMULATED_FILE, a version of the 8-bit linear layer or (EMULATED_QUANTISER) of its quantiser, through SIMDe on
 * machines that have AVX2 and FMA but perhaps not its instructions: the file is compiled here a second time with its
 * intrinsics emulated, those of AMX (EMULATED_TILES) by amx_emulated.h. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx2,fma")
#pragma GCC diagnostic ignored "-Wpsabi"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wshadow"
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#pragma GCC diagnostic pop
#undef _mm512_madd_epi16 /* some versions of SIMDe give it two parameters too many */
#define _mm512_madd_epi16 simde_mm512_madd_epi16
#define HST_EMULATED      1
#ifdef EMULATED_TILES
#include "amx_emulated.h"
#endif
#include "kernels/kernels.h"
#undef HST_KERNEL
#define HST_KERNEL(id) static const kernel emulated
#include EMULATED_FILE
#endif

#include "gemm_s8_check.h"

static void emulated_family(void **state) {
    (void)state;
#ifdef HST_EMULATED
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        print_message("needs AVX2 and FMA\n");
        skip();
    }
#ifdef EMULATED_QUANTISER
    s8_check_quantize((gemm_s8_quantize_fn *)emulated.fn);
#else
    const gemm_s8_family *f = ((gemm_s8_fn)emulated.fn)();
    assert_string_equal(f->name, emulated.name);
#ifdef EMULATED_TILES
    s8_check_family(f, true);
    assert_true(tiles.loads > 1000 && tiles.palette == 0); /* each part let go what it had set */
#else
    s8_check_family(f, false);
#endif
#endif
#else
    print_message("needs gcc on x86-64\n");
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(emulated_family)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
