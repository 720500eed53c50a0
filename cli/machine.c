/* Measuring the machine: bursts of about a millisecond on the library's own thread team. A burst is an FMA loop, or one
 * pass over the part of a block of memory that falls to each thread. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cpu.h"
#include "base/team.h"
#include "fma_loop.h"

#define BURSTS     4096               /* of one measurement, at most */
#define READ_BYTES ((size_t)64 << 20) /* at least */
#define CACHE_FOLD 4                  /* the block is this many times the last level cache */

/* ---- bursts on the team ---- */

typedef struct burst {
    const uint64_t *block; /* NULL: arithmetic */
    size_t words;
    double work; /* result: of all workers */
} burst;

static void work(void *arg, const team_context *ctx) {
    burst *b = arg;
    volatile float sink = 0;
    double done;
    if (b->block) {
        int64_t from, to;
        uint64_t sum[4] = {0};
        team_split((int64_t)b->words, 64, ctx, &from, &to);
        for (int64_t i = from; i + 4 <= to; i += 4)
            for (int k = 0; k < 4; k++) sum[k] += b->block[i + k];
        sink = (float)(sum[0] ^ sum[1] ^ sum[2] ^ sum[3]);
        done = (double)b->words * sizeof *b->block;
    } else
        done = fma_burst(&sink) * ctx->workers;
    if (ctx->worker == 0) b->work = done;
}

static int descending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static machine_rate measure(burst *b, int threads, double seconds) {
    double *rates = malloc(BURSTS * sizeof *rates);
    if (!rates) return (machine_rate){0};
    int n = 0;
    for (uint64_t begin = hst_clock_ns(), end = begin + (uint64_t)(seconds * 1e9); n < BURSTS;) {
        uint64_t t = hst_clock_ns();
        if (n >= 3 && t >= end) break;
        team_run(team_default(), threads, work, b);
        t = hst_clock_ns() - t;
        rates[n++] = b->work * 1e9 / (double)(t ? t : 1);
    }
    qsort(rates, (size_t)n, sizeof *rates, descending);
    machine_rate r = {rates[0], rates[n / 2]};
    free(rates);
    return r;
}

machine_rate machine_flops(int threads, double seconds) {
    burst b = {0};
    return measure(&b, threads, seconds);
}

machine_rate machine_bandwidth(int threads, double seconds) {
    static void *block; /* kept: who measures once measures again */
    size_t size = CACHE_FOLD * cpu_cache(3);
    if (size < READ_BYTES) size = READ_BYTES;
    if (!block) {
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) return (machine_rate){0};
        madvise(p, size, MADV_HUGEPAGE);
        memset(p, 1, size); /* pages of zeros may be one page of memory */
        block = p;
    }
    burst b = {.block = block, .words = size / sizeof(uint64_t)};
    return measure(&b, threads, seconds);
}

/* ---- the report ---- */

json_t *machine_report(double seconds) {
    json_t *speeds = json_array();
    int all = hst_threads_get(), n = 1;
    for (;;) {
        machine_rate f = machine_flops(n, seconds), r = machine_bandwidth(n, seconds);
        json_array_append_new(speeds, json_pack("{s:i, s:f, s:f, s:f, s:f}", "threads", n, "gflops", f.best / 1e9,
                                                "gflops_median", f.median / 1e9, "read_gb_s", r.best / 1e9,
                                                "read_gb_s_median", r.median / 1e9));
        if (n == all) break;
        n = 2 * n < all ? 2 * n : all;
    }
    return json_pack("{s:s, s:s, s:i, s:I, s:I, s:I, s:o}", "processor", cpu_model_name(), "isa",
                     cpu_isa_name(cpu_level()), "processors", cpu_count(), "l1_bytes", (json_int_t)cpu_cache(1),
                     "l2_bytes", (json_int_t)cpu_cache(2), "l3_bytes", (json_int_t)cpu_cache(3), "speed", speeds);
}

static long long kilobytes(const json_t *report, const char *key) {
    return (long long)json_integer_value(json_object_get(report, key)) / 1024;
}

void machine_print(const json_t *report) {
    size_t i;
    json_t *s;
    printf("%s, kernels for %s, %d processors\ncaches: %lld kB data, %lld kB, %lld kB\n\n%8s %22s %24s\n",
           json_string_value(json_object_get(report, "processor")), json_string_value(json_object_get(report, "isa")),
           (int)json_integer_value(json_object_get(report, "processors")), kilobytes(report, "l1_bytes"),
           kilobytes(report, "l2_bytes"), kilobytes(report, "l3_bytes"), "threads", "f32 GFLOP/s (median)",
           "memory read GB/s (median)");
    json_array_foreach(json_object_get(report, "speed"), i, s) {
        printf("%8d %12.1f %9.1f %14.1f %9.1f\n", (int)json_integer_value(json_object_get(s, "threads")),
               json_real_value(json_object_get(s, "gflops")), json_real_value(json_object_get(s, "gflops_median")),
               json_real_value(json_object_get(s, "read_gb_s")),
               json_real_value(json_object_get(s, "read_gb_s_median")));
    }
}
