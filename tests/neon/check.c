/* The NEON kernels against their references, run by qemu-aarch64 (see run.sh). Links the kernels alone. */
#include "kernels/gemm_f32_check.h"
#include "kernels/gemm_s8_check.h"
#include "kernels/vec_check.h"

int main(void) {
    int checked = 0;
    for (int i = 0; i < kernel_list_count; i++) {
        const kernel *k = kernel_list[i];
        if (k->isa < CPU_NEON) continue;
        if (k->slot == offsetof(kernels, gemm_f32))
            check_family_all(((gemm_f32_fn)k->fn)(), false);
        else if (k->slot == offsetof(kernels, gemm_s8))
            s8_check_family(((gemm_s8_fn)k->fn)(), false);
        else if (k->slot == offsetof(kernels, gemm_s8_quantize))
            s8_check_quantize((gemm_s8_quantize_fn *)k->fn);
        else if (!check_vec_kernel(k))
            continue;
        printf("%s is right\n", k->name);
        checked++;
    }
    return checked >= 14 ? 0 : 1;
}
