/* Reference of the s16 tile. */
#include "kernels/kernels.h"

static void gemm_s16_tile__ref(int64_t m, int64_t pairs, const int16_t *a, const int16_t *panel, int32_t *c) {
    for (int64_t i = 0; i < m; i++, a += 2 * pairs, c += GEMM_S16_NR) {
        uint32_t sum[GEMM_S16_NR] = {0};
        const int16_t *b = panel;
        for (int64_t p = 0; p < pairs; p++, b += 2 * GEMM_S16_NR)
            for (int j = 0; j < GEMM_S16_NR; j++)
                sum[j] += (uint32_t)(a[2 * p] * b[2 * j] + a[2 * p + 1] * b[2 * j + 1]);
        for (int j = 0; j < GEMM_S16_NR; j++) c[j] = (int32_t)sum[j];
    }
}

HST_KERNEL(gemm_s16_tile__ref) = {.name = "gemm_s16_tile__ref",
                                  .family = "gemm_s16",
                                  .slot = offsetof(kernels, gemm_s16_tile),
                                  .isa = CPU_SCALAR,
                                  .fn = (kernel_fn)gemm_s16_tile__ref};
