/* Speed of the 8-bit linear layer against the peak of its tile in the first level cache, measured in the same run:
 *   bench_gemm_s8 [threads]     GOP/s and the share of the peak, for the shapes of BERT-family layers; then us of
 *                               quantising those rows, and of GELU after the product */
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

static void *bytes(size_t n) {
    uint8_t *x = aligned_alloc(64, (n + 63) & ~(size_t)63);
    if (!x) exit(1);
    for (size_t i = 0; i < n; i++) x[i] = (uint8_t)(i * 7 % 127 + 1);
    return x;
}

static float *floats(size_t n) {
    float *x = bytes(n * sizeof(float));
    for (size_t i = 0; i < n; i++) x[i] = (float)(i % 13) * 0.1f - 0.5f;
    return x;
}

/* ---- the peak: a tile whose operands stay in the first level cache ---- */

static double peak_of_tile(void) {
    enum { BLOCKS = 8, K = BLOCKS * GEMM_S8_K };
    static _Thread_local _Alignas(64) uint8_t a[GEMM_S8_MR_MAX * K];
    static _Thread_local _Alignas(64) int8_t panel[2 * (GEMM_S8_HEAD + BLOCKS * GEMM_S8_BLOCK)];
    static _Thread_local float c[GEMM_S8_MR_MAX * 2 * GEMM_S8_NR], scale[2 * GEMM_S8_NR];
    static _Thread_local int32_t zero[GEMM_S8_MR_MAX];
    const gemm_s8_family *f = kernels_get()->gemm_s8();
    const gemm_s8_tile t = {.blocks = BLOCKS, .a = a, .lda = K, .zero = zero, .scale = scale, .panel = panel};
    gemm_s8_tile u = t;
    u.stride = GEMM_S8_HEAD + BLOCKS * GEMM_S8_BLOCK;
    u.n = f->panels * GEMM_S8_NR;
    u.w_scale = scale;
    u.c = c;
    u.ldc = u.n;
    u.rows = u.tallest = f->mr;
    const int rounds = 20000;
    gemm_s8_begin(f, f->mr);
    for (int i = 0; i < rounds; i++) gemm_s8_run_tile(f, &u);
    gemm_s8_end(f);
    return 2.0 * K * f->mr * (double)u.n * rounds;
}

static void peak_worker(void *arg, const team_context *ctx) {
    double operations = peak_of_tile();
    if (ctx->worker == 0) *(double *)arg = operations * ctx->workers;
}

static double peak(int threads) {
    double best = 0;
    for (int i = 0; i < 5; i++) {
        double operations = 0, t = now();
        team_run(team_default(), threads, peak_worker, &operations);
        t = now() - t;
        if (operations / t > best) best = operations / t;
    }
    return best * 1e-9;
}

/* ---- the product ---- */

typedef struct job {
    gemm_s8 g;
    int64_t parts;
    const float *x;
} job;

static void product_worker(void *arg, const team_context *ctx) {
    const job *j = arg;
    for (int64_t part; (part = team_next(ctx, 0, j->parts)) >= 0;) gemm_s8_part(&j->g, part);
}

static void quantize_worker(void *arg, const team_context *ctx) {
    const job *j = arg;
    int64_t begin, end;
    const int64_t width = gemm_s8_blocks(j->g.k) * GEMM_S8_K;
    team_split(j->g.m, 1, ctx, &begin, &end);
    kernels_get()->gemm_s8_quantize(end - begin, j->g.k, j->x + begin * j->g.k, j->g.k,
                                    (uint8_t *)(uintptr_t)j->g.a + begin * width, width,
                                    (int32_t *)(uintptr_t)j->g.zero + begin, (float *)(uintptr_t)j->g.scale + begin);
}

static double seconds(const job *j, int threads, team_fn fn) {
    const double operations = 2.0 * (double)j->g.m * (double)j->g.n * (double)j->g.k;
    int rounds = (int)(1e9 * threads / operations) + 5;
    if (rounds > 300) rounds = 300;
    double best = 1e9;
    for (int i = 0; i < rounds; i++) {
        double t = now();
        team_run(team_default(), threads, fn, (void *)(uintptr_t)j);
        t = now() - t;
        if (t < best) best = t;
    }
    return best;
}

static void measure(job *j, int threads, double limit) {
    const double operations = 2.0 * (double)j->g.m * (double)j->g.n * (double)j->g.k;
    j->parts = gemm_s8_parts(&j->g, threads);
    j->g.activate = NULL;
    const double plain = seconds(j, threads, product_worker);
    j->g.activate = kernels_get()->unary_f32;
    const double gelu = seconds(j, threads, product_worker);
    const double rows = seconds(j, threads, quantize_worker);
    printf("%7lld%9.1f%9.0f%6.0f%%%9.1f%9.1f\n", (long long)j->g.m, plain * 1e6, operations / plain * 1e-9,
           100 * operations / plain * 1e-9 / limit, rows * 1e6, gelu * 1e6);
    fflush(stdout);
}

int main(int argc, char **argv) {
    const int threads = argc > 1 ? atoi(argv[1]) : team_size(team_default());
    static const int shapes[][2] = {{384, 384}, {384, 1152}, {384, 1536}, {1536, 384},
                                    {768, 768}, {768, 2304}, {768, 3072}, {3072, 768}};
    static const int rows[] = {8, 16, 32, 64, 128, 256};
    enum { MOST = 256 };
    const gemm_s8_family *f = kernels_get()->gemm_s8();
    team_set_size(team_default(), threads);
    printf("%s, %d threads, peak %.0f GOP/s\n", f->name, threads, peak(threads));
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const int k = shapes[s][0], n = shapes[s][1];
        job j = {.g = {.family = f, .n = n, .k = k, .ldc = n, .function = UNARY_GELU}};
        j.g.a = bytes((size_t)(MOST * gemm_s8_blocks(k) * GEMM_S8_K));
        j.g.zero = bytes(MOST * sizeof(int32_t));
        j.g.packed = bytes((size_t)(gemm_s8_panels(n) * gemm_s8_panel_bytes(k)));
        j.g.scale = floats(MOST);
        j.g.w_scale = floats((size_t)n);
        j.g.bias = floats((size_t)n);
        j.g.c = floats((size_t)(MOST * n));
        j.x = floats((size_t)(MOST * k));
        const double limit = peak(threads);
        printf("K %d, N %d, peak %.0f\n   rows       us    GOP/s   peak quantise  gelu us\n", k, n, limit);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            j.g.m = rows[i];
            measure(&j, threads, limit);
        }
        void *all[] = {(void *)(uintptr_t)j.g.a,
                       (void *)(uintptr_t)j.g.zero,
                       (void *)(uintptr_t)j.g.packed,
                       (void *)(uintptr_t)j.g.scale,
                       (void *)(uintptr_t)j.g.w_scale,
                       (void *)(uintptr_t)j.g.bias,
                       j.g.c,
                       (void *)(uintptr_t)j.x};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    }
    return 0;
}
