/* Speed of the f32 matrix product against the FMA peak that is measured in the same run:
 *   bench_gemm [threads]        GFLOP/s and the share of the peak, for the shapes of BERT-family layers */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/team.h"
#include "kernels/kernels.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the peak: independent chains in registers, or a tile whose operands stay in the first level cache ---- */

enum { PEAK_ROUNDS = 1000000 };

#if defined(__x86_64__)
#include <immintrin.h>
static __attribute__((target("avx2,fma"))) double peak_flops_avx2(void) {
    __m256 acc[12];
    const __m256 x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(1e-6f);
    for (int i = 0; i < 12; i++) acc[i] = _mm256_set1_ps((float)i);
    for (int k = 0; k < PEAK_ROUNDS; k++)
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) acc[i] = _mm256_fmadd_ps(acc[i], x, y);
    volatile float sink = 0;
    for (int i = 0; i < 12; i++) sink += _mm256_cvtss_f32(acc[i]);
    return 2.0 * 8 * 12 * PEAK_ROUNDS;
}
#endif

static double peak_flops_tile(void) {
    enum { K = 64 };
    static _Thread_local float a[GEMM_F32_ROWS_MAX * K], b[K * GEMM_F32_NR_MAX], c[GEMM_F32_ROWS_MAX * GEMM_F32_NR_MAX];
    const gemm_f32_family *f = kernels_get()->gemm_f32();
    const gemm_f32_tile t = {.k = K, .a = a, .lda = K, .b = b, .c = c, .ldc = f->nr, .n = f->nr, .scale = 1};
    const int rounds = PEAK_ROUNDS / K;
    for (int i = 0; i < rounds; i++) f->tile[f->mr](&t);
    return 2.0 * K * f->mr * f->nr * rounds;
}

static double peak_flops(void) {
#if defined(__x86_64__)
    if (cpu_level() >= CPU_AVX2 && cpu_level() < CPU_AVX512) return peak_flops_avx2();
#endif
    return peak_flops_tile();
}

static void peak_worker(void *arg, const team_context *ctx) {
    double flops = peak_flops();
    if (ctx->worker == 0) *(double *)arg = flops * ctx->workers;
}

static double peak(int threads) {
    double best = 0;
    for (int i = 0; i < 5; i++) {
        double flops = 0, t = now();
        team_run(team_default(), threads, peak_worker, &flops);
        t = now() - t;
        if (flops / t > best) best = flops / t;
    }
    return best * 1e-9;
}

/* ---- the product ---- */

static void product_worker(void *arg, const team_context *ctx) {
    gemm_f32_part(arg, ctx->worker, ctx->workers, NULL);
}

static double product(const gemm_f32 *g, int threads) {
    const double flops = 2.0 * (double)g->m * (double)g->n * (double)g->k;
    int rounds = (int)(4e8 * threads / flops) + 3;
    if (rounds > 200) rounds = 200;
    double best = 0;
    for (int i = 0; i < rounds; i++) {
        double t = now();
        team_run(team_default(), threads, product_worker, (void *)g);
        t = now() - t;
        if (flops / t > best) best = flops / t;
    }
    return best * 1e-9;
}

static float *floats(size_t n) {
    float *x = aligned_alloc(64, (n * sizeof(float) + 63) & ~(size_t)63);
    if (!x) exit(1);
    for (size_t i = 0; i < n; i++) x[i] = (float)(i % 13) * 0.1f;
    return x;
}

int main(int argc, char **argv) {
    const int threads = argc > 1 ? atoi(argv[1]) : team_size(team_default());
    static const int shapes[][2] = {{384, 384}, {768, 768}, {768, 2304}, {768, 3072}, {3072, 768}};
    static const int rows[] = {1, 2, 4, 8, 12, 16, 32, 64, 128, 256, 512};
    const gemm_f32_family *f = kernels_get()->gemm_f32();
    team_set_size(team_default(), threads);
    printf("%s, %d threads, FMA peak %.1f GFLOP/s\n%12s", f->name, threads, peak(threads), "K x N \\ M");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) printf("%12d", rows[i]);
    printf("\n");
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const int k = shapes[s][0], n = shapes[s][1];
        float *a = floats((size_t)512 * (size_t)k), *c = floats((size_t)512 * (size_t)n),
              *b = floats((size_t)k * (size_t)n);
        float *packed = floats((size_t)gemm_f32_packed_count(f, k, n));
        const gemm_f32_operand operand = {b, HST_DTYPE_F32, n, 1};
        gemm_f32_pack(f, &operand, k, n, 0, gemm_f32_panels(f, n), packed);
        const double limit = peak(threads);
        printf("%5d x %4d", k, n);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            gemm_f32 g = gemm_f32_make(f, rows[i], n, k, a, c);
            g.packed = packed;
            const double speed = product(&g, threads);
            printf("%6.1f %4.0f%%", speed, 100 * speed / limit);
            fflush(stdout);
        }
        printf("\n");
        free(a);
        free(b);
        free(c);
        free(packed);
    }
    return 0;
}
