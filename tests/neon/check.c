/* The NEON kernels against their references, run by qemu-aarch64 (see run.sh). Links the kernels alone. */
#include "kernels/gemm_f32_check.h"
#include "kernels/vec_check.h"

int main(void) {
    int checked = 0;
    for (int i = 0; i < kernel_list_count; i++) {
        const kernel *k = kernel_list[i];
        bool gemm = strcmp(k->family, "gemm_f32") == 0;
        if (k->isa != CPU_NEON) continue;
        if (gemm) check_family_all(((gemm_f32_fn)k->fn)(), false);
        if (!gemm && !check_vec_kernel(k)) continue;
        printf("%s is right\n", k->name);
        checked++;
    }
    return checked >= 10 ? 0 : 1;
}
