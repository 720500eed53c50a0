/* Speed of the f32 matrix product against the FMA peak that is measured right before and after it:
 *   bench_gemm [threads]        GFLOP/s and the share of the peak, for the shapes of BERT-family layers
 * Each call has other weights than the one before, as the layers of a model do: they come from the last level cache or
 * from memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../cli/fma_loop.h"
#include "base/team.h"
#include "kernels/kernels.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the peak: independent chains, half of their operands from the first level cache; or a tile there ---- */

enum { ROUNDS_LEAST = 5, ROUNDS_MOST = 100, ROWS = 512, COPIES_BYTES = 48 << 20 };

static double peak_flops_tile(void) {
    enum { K = 64 };
    static _Thread_local float a[GEMM_F32_ROWS_MAX * K], b[K * GEMM_F32_NR_MAX], c[GEMM_F32_ROWS_MAX * GEMM_F32_NR_MAX];
    const gemm_f32_family *f = kernels_get()->gemm_f32();
    const gemm_f32_tile t = {.k = K, .a = a, .lda = K, .b = b, .c = c, .ldc = f->nr, .n = f->nr, .scale = 1};
    const int rounds = FMA_LOOPS / K;
    for (int i = 0; i < rounds; i++) f->tile[f->mr](&t);
    return 2.0 * K * f->mr * f->nr * rounds;
}

static double peak_flops(void) {
#if defined(__x86_64__)
    volatile float sink = 0;
    if (cpu_has(CPU_AVX2)) return fma_burst(&sink);
#endif
    return peak_flops_tile();
}

static void peak_worker(void *arg, const team_context *ctx) {
    double flops = peak_flops();
    if (ctx->worker == 0) *(double *)arg = flops * ctx->workers;
}

static double peak(int threads) {
    double flops = 0, t = now();
    team_run(team_default(), threads, peak_worker, &flops);
    return flops / (now() - t) * 1e-9;
}

/* ---- the product ---- */

typedef struct job {
    gemm_f32 g;
    int64_t parts;
    const float *weights; /* `copies` times the same: each call has others than the one before, as layers of a model */
    int64_t size, copies, at;
} job;

static void product_worker(void *arg, const team_context *ctx) {
    const job *j = arg;
    for (int64_t part; (part = team_next(ctx, 0, j->parts)) >= 0;) gemm_f32_part(&j->g, part, j->parts, NULL);
}

static double product(job *j, int threads) {
    const double flops = 2.0 * (double)j->g.m * (double)j->g.n * (double)j->g.k;
    const int times = (int)(1e8 * threads / flops) + 1;
    double t = now();
    for (int i = 0; i < times; i++) {
        j->g.packed = j->weights + j->at++ % j->copies * j->size;
        team_run(team_default(), threads, product_worker, j);
    }
    return times * flops / (now() - t) * 1e-9;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median speed, and median share of the peaks measured right before and after: clocks change while this runs. */
static void measure(job *of, int threads) {
    double speed[ROUNDS_MOST], share[ROUNDS_MOST];
    int n = 0;
    job j = *of;
    j.parts = gemm_f32_parts(&j.g, threads);
    product(&j, threads);
    double before = peak(threads);
    for (double begin = now(); n < ROUNDS_LEAST || (n < ROUNDS_MOST && now() < begin + 0.15); n++) {
        speed[n] = product(&j, threads);
        const double after = peak(threads);
        share[n] = 2 * speed[n] / (before + after);
        before = after;
    }
    qsort(speed, (size_t)n, sizeof speed[0], ascending);
    qsort(share, (size_t)n, sizeof share[0], ascending);
    printf("%6.1f %4.0f%%", speed[n / 2], 100 * share[n / 2]);
    fflush(stdout);
}

static float *floats(size_t n) {
    float *x = aligned_alloc(64, (n * sizeof(float) + 63) & ~(size_t)63);
    if (!x) exit(1);
    for (size_t i = 0; i < n; i++) x[i] = (float)(i % 13) * 0.1f;
    return x;
}

int main(int argc, char **argv) {
    const int threads = argc > 1 ? atoi(argv[1]) : team_size(team_default());
    static const int shapes[][2] = {{384, 384}, {384, 1152}, {384, 1536}, {1536, 384},
                                    {768, 768}, {768, 2304}, {768, 3072}, {3072, 768}};
    static const int rows[] = {1, 2, 4, 8, 12, 16, 32, 64, 128, 256, 512};
    const gemm_f32_family *f = kernels_get()->gemm_f32();
    team_set_size(team_default(), threads);
    printf("%s, %d threads, FMA peak %.1f GFLOP/s now\n%12s", f->name, threads, peak(threads), "K x N \\ M");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) printf("%12d", rows[i]);
    printf("\n");
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const int k = shapes[s][0], n = shapes[s][1];
        const size_t size = (size_t)gemm_f32_packed_count(f, k, n), copies = COPIES_BYTES / 4 / size + 1;
        float *a = floats((size_t)ROWS * (size_t)k), *c = floats((size_t)ROWS * (size_t)n),
              *packed = floats(copies * size);
        job j = {.weights = packed, .size = (int64_t)size, .copies = (int64_t)copies};
        printf("%5d x %4d", k, n);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            j.g = gemm_f32_make(f, rows[i], n, k, a, c);
            j.g.packed = packed;
            measure(&j, threads);
        }
        printf("\n");
        free(a);
        free(c);
        free(packed);
    }
    return 0;
}
