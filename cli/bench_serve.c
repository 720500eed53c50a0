/* The long-lived worker behind bench/peers: it is stopped between its turns, so every turn begins with a run untimed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "bench.h"
#include "machine.h"

#define RUNS_MOST  4096
#define RUNS_LEAST 3
#define SLOW_NS    UINT64_C(100000000) /* a run this long warms itself, and one of it may be enough */

static void say(json_t *answer) {
    json_dumpf(answer, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(answer);
}

/* `cold`: the machine was measured just before, which reads so much memory that nothing of the model is left in any
 * cache: then even a long first run is not timed. Nobody else's turn begins so. Such a turn also tells how far from the
 * machine's limit it was: one long run, with whatever interrupted it, would not do. */
static hst_status time_size(bench_subject *s, const char *size, double seconds, bool cold, hst_error *err) {
    static uint64_t times[RUNS_MOST];
    uint64_t first = 0, begin, budget = (uint64_t)(seconds * 1e9);
    size_t n = 0, least = RUNS_LEAST;
    HST_TRY(bench_set_size(s, size, err));
    begin = hst_clock_ns();
    HST_TRY(bench_once(s, NULL, &first, err));
    if (first >= SLOW_NS && !cold)
        times[n++] = first, least = 1;
    else
        begin = hst_clock_ns();
    while (n < RUNS_MOST && (n < least || hst_clock_ns() - begin < budget))
        HST_TRY(bench_once(s, NULL, &times[n++], err));
    bench_sort(times, n);
    say(json_pack("{s:I, s:f, s:f}", "runs", (json_int_t)n, "median_ms", bench_percentile(times, n, 0.5), "min_ms",
                  (double)times[0] / 1e6));
    return HST_STATUS_OK;
}

int bench_serve(bench_subject *s) {
    char *line = NULL;
    size_t capacity = 0;
    bool cold = false;
    while (getline(&line, &capacity, stdin) >= 0) {
        char *size = strtok(line, " \n"), *number = strtok(NULL, " \n");
        double seconds = number ? strtod(number, NULL) : 0;
        hst_error err = {0};
        if (!size) continue;
        if (!(seconds > 0 && seconds < 3600)) {
            say(json_pack("{s:s}", "error", "a line is SIZE SECONDS or machine SECONDS"));
        } else if (strcmp(size, "machine") == 0) {
            int threads = hst_threads_get();
            machine_rate f = machine_flops(threads, seconds / 2), r = machine_bandwidth(threads, seconds / 2);
            say(json_pack("{s:f, s:f}", "gflops", f.median / 1e9, "read_gb_s", r.median / 1e9));
            cold = true;
        } else {
            if (time_size(s, size, seconds, cold, &err) != HST_STATUS_OK) say(json_pack("{s:s}", "error", err.message));
            cold = false;
        }
    }
    free(line);
    return EXIT_SUCCESS;
}
