/* hasten explain: what was fused, which kernel runs each step and why not a better one, where the time goes and how far
 * from the limit of the machine that is.
 *
 *   limit of a step = max(2 MACs / FMA peak, bytes / read bandwidth), both measured around the timed runs. Bytes are
 * the weights', and what is moved where that is more than the last level cache holds. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "bench.h"
#include "machine.h"
#include "trace.h"

#define WARMUPS         2
#define RUNS_LEAST      5
#define RUNS_MOST       200
#define RUN_SECONDS     1.0
#define MACHINE_SECONDS 0.1

typedef struct explain_options {
    const char *model, *size;
    long long threads, runs;
    bool json;
    cli_load load;
} explain_options;

typedef struct step_time {
    const hst_profile_event *event; /* of one run; NULL: the step did not run */
    double ns, limit_ns;            /* median */
} step_time;

typedef struct timing {
    double run_ns, steps_ns, limit_ns; /* medians of runs; sums over steps */
    machine_rate flops, read;
    int threads;
    size_t runs, n;
    step_time *steps;
} timing;

/* ---- measuring ---- */

static double median(uint64_t *times, size_t n) {
    bench_sort(times, n);
    return bench_percentile(times, n, 0.5) * 1e6;
}

static double limit_of(const timing *t, const hst_profile_event *e) {
    double bytes = (double)e->weight_bytes, work = t->flops.median > 0 ? 2e9 * (double)e->macs / t->flops.median : 0;
    if (e->moved_bytes > cpu_cache(3)) bytes += (double)e->moved_bytes;
    double reading = t->read.median > 0 ? 1e9 * bytes / t->read.median : 0;
    return work > reading ? work : reading;
}

/* Median of each step over the runs. */
static bool sum_up(timing *t, const trace *events, size_t n_steps) {
    uint64_t *times = malloc((t->runs + 1) * sizeof *times);
    t->n = n_steps;
    t->steps = calloc(n_steps + 1, sizeof *t->steps);
    if (!times || !t->steps) {
        free(times);
        return false;
    }
    for (size_t k = 0; k < n_steps; k++) {
        size_t n = 0;
        step_time *s = &t->steps[k];
        for (size_t i = 0; i < events->n && n <= t->runs; i++)
            if (events->events[i].step == k) {
                s->event = &events->events[i];
                times[n++] = s->event->end_ns - s->event->begin_ns;
            }
        if (!n) continue;
        s->ns = median(times, n);
        s->limit_ns = limit_of(t, s->event);
        t->steps_ns += s->ns;
        t->limit_ns += s->limit_ns;
    }
    free(times);
    return true;
}

static machine_rate slower(machine_rate a, machine_rate b) {
    return (machine_rate){a.best > b.best ? a.best : b.best, (a.median + b.median) / 2};
}

static hst_status measure(const explain_options *o, bench_subject *s, size_t n_steps, trace *events, timing *t,
                          hst_error *err) {
    uint64_t times[RUNS_MOST], ns = 0;
    hst_run_options run = HST_INIT(hst_run_options);
    run.profile = trace_event;
    run.profile_user = events;
    t->threads = hst_threads_get();
    for (int i = 0; i < WARMUPS; i++) HST_TRY(bench_once(s, NULL, &ns, err));
    t->flops = machine_flops(t->threads, MACHINE_SECONDS);
    t->read = machine_bandwidth(t->threads, MACHINE_SECONDS);
    size_t runs = o->runs ? (size_t)o->runs : (size_t)(RUN_SECONDS * 1e9 / (double)(ns + 1));
    runs = o->runs || runs > RUNS_LEAST ? runs : RUNS_LEAST;
    for (t->runs = 0; t->runs < runs && t->runs < RUNS_MOST; t->runs++)
        HST_TRY(bench_once(s, &run, &times[t->runs], err));
    t->flops = slower(t->flops, machine_flops(t->threads, MACHINE_SECONDS));
    t->read = slower(t->read, machine_bandwidth(t->threads, MACHINE_SECONDS));
    t->run_ns = median(times, t->runs);
    if (events->failed || !sum_up(t, events, n_steps)) return error_no_memory(err, 0, "the profile");
    return HST_STATUS_OK;
}

/* ---- the report: the library's explanation with times in it ---- */

static void add_times(json_t *report, const timing *t) {
    json_t *step;
    size_t k;
    json_array_foreach(json_object_get(report, "steps"), k, step) {
        const step_time *s = &t->steps[k];
        char type[512];
        if (k >= t->n || !s->event) continue;
        trace_type(&s->event->output, type, sizeof type);
        json_object_set_new(step, "result", json_string(type));
        json_object_set_new(step, "ms", json_real(s->ns / 1e6));
        json_object_set_new(step, "share", json_real(t->steps_ns > 0 ? s->ns / t->steps_ns : 0));
        json_object_set_new(step, "limit_ms", json_real(s->limit_ns / 1e6));
        json_object_set_new(step, "macs", json_integer((json_int_t)s->event->macs));
        json_object_set_new(step, "weight_bytes", json_integer((json_int_t)s->event->weight_bytes));
        json_object_set_new(step, "moved_bytes", json_integer((json_int_t)s->event->moved_bytes));
    }
    json_object_set_new(report, "timing",
                        json_pack("{sI si sf sf sf sf sf}", "runs", (json_int_t)t->runs, "threads", t->threads,
                                  "run_ms", t->run_ns / 1e6, "steps_ms", t->steps_ns / 1e6, "limit_ms",
                                  t->limit_ns / 1e6, "gflops", t->flops.median / 1e9, "read_gb_s",
                                  t->read.median / 1e9));
}

static const char *text_of(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static double number_of(const json_t *o, const char *key) {
    return json_number_value(json_object_get(o, key));
}

static void print_cell(const char *s, int width) {
    cli_print_cut(stdout, s, strlen(s), width, true);
    fputs("  ", stdout);
}

static void print_type(const json_t *type) {
    char to[256];
    size_t at = (size_t)snprintf(to, sizeof to, "%s[", text_of(type, "dtype")), k;
    json_t *d;
    json_array_foreach(json_object_get(type, "shape"), k, d) {
        if (at < sizeof to && json_is_string(d))
            at += (size_t)snprintf(to + at, sizeof to - at, "%s%s", k ? ", " : "", json_string_value(d));
        else if (at < sizeof to)
            at += (size_t)snprintf(to + at, sizeof to - at, "%s%lld", k ? ", " : "", (long long)json_integer_value(d));
    }
    if (at < sizeof to) snprintf(to + at, sizeof to - at, "]");
    print_cell(to, 24);
}

/* Each reason once: they are the same for many steps. */
static void print_reasons(const json_t *steps) {
    json_t *step, *said = json_object(), *same;
    size_t k;
    const char *why;
    json_array_foreach((json_t *)steps, k, step) {
        if (!*text_of(step, "why")) continue;
        same = json_object_get(said, text_of(step, "why"));
        if (same)
            json_integer_set(same, json_integer_value(same) + 1);
        else
            json_object_set_new(said, text_of(step, "why"), json_integer(1));
    }
    if (json_object_size(said)) puts("\nno better kernel, because");
    json_object_foreach(said, why, same) printf("  %4lld × %s\n", (long long)json_integer_value(same), why);
    json_decref(said);
}

static void print_step(const json_t *step, size_t k, bool timed) {
    const char *kernel = text_of(step, "kernel");
    printf("%4zu  ", k);
    print_cell(text_of(step, "op"), 22);
    if (timed)
        print_cell(text_of(step, "result"), 24);
    else
        print_type(json_object_get(step, "output"));
    print_cell(*kernel ? kernel : "-", 26);
    if (timed && json_object_get(step, "ms")) {
        double ms = number_of(step, "ms"), limit = number_of(step, "limit_ms");
        printf("%9.3f %6.1f%%", ms, 100 * number_of(step, "share"));
        if (limit > 0.02 * ms)
            printf(" %6.0f%%  ", 100 * limit / ms);
        else
            printf(" %7s  ", "");
    }
    cli_print_cut(stdout, text_of(step, "node"), strlen(text_of(step, "node")), 40, false);
    putchar('\n');
}

/* The steps of one operator and kernel together, in the order of their first. */
static void print_groups(const json_t *steps, double all) {
    json_t *step, *groups = json_object(), *g;
    size_t k;
    const char *key;
    json_array_foreach((json_t *)steps, k, step) {
        char name[256];
        snprintf(name, sizeof name, "%.100s|%.100s", text_of(step, "op"), text_of(step, "kernel"));
        if (!json_object_get(step, "ms")) continue;
        g = json_object_get(groups, name);
        if (!g && json_object_set_new(groups, name, g = json_pack("{si sf sf}", "n", 0, "ms", 0.0, "limit", 0.0)) != 0)
            continue;
        json_integer_set(json_object_get(g, "n"), json_integer_value(json_object_get(g, "n")) + 1);
        json_real_set(json_object_get(g, "ms"), number_of(g, "ms") + number_of(step, "ms"));
        json_real_set(json_object_get(g, "limit"), number_of(g, "limit") + number_of(step, "limit_ms"));
    }
    printf("\n%-24s%6s  %-26s  %9s %7s %s\n", "by operator", "steps", "kernel", "ms", "share", "of limit");
    json_object_foreach(groups, key, g) {
        const char *bar = strchr(key, '|');
        double ms = number_of(g, "ms");
        cli_print_cut(stdout, key, (size_t)(bar - key), 22, true);
        printf("%8d  %-26s  %9.3f %6.1f%% %7.0f%%\n", (int)number_of(g, "n"), bar[1] ? bar + 1 : "-", ms,
               all > 0 ? 100 * ms / all : 0, ms > 0 ? 100 * number_of(g, "limit") / ms : 0);
    }
    json_decref(groups);
}

static void print_report(const json_t *report, const char *description) {
    const json_t *steps = json_object_get(report, "steps"), *t = json_object_get(report, "timing");
    json_t *p, *step;
    size_t k;
    puts("what was rewritten");
    json_array_foreach(json_object_get(report, "passes"), k, p) {
        if (!strstr(text_of(p, "did"), "nothing to do")) printf("  %-20s %s\n", text_of(p, "pass"), text_of(p, "did"));
    }
    if (!k) puts("  nothing here: a compiled file was rewritten when it was made");
    printf("\nsteps%s%s\n", t ? " on " : "", t ? description : "");
    printf("%4s  %-22s  %-24s  %-26s  %s%s\n", "", "operator", "result", "kernel",
           t ? "     ms   share  of limit  " : "", "node");
    json_array_foreach((json_t *)steps, k, step) print_step(step, k, t != NULL);
    if (t) print_groups(steps, number_of(t, "steps_ms"));
    print_reasons(steps);
    if (!t) return;
    double run = number_of(t, "run_ms"), all = number_of(t, "steps_ms"), limit = number_of(t, "limit_ms");
    printf("\n%d threads, median of %lld runs: %.3f ms, of which %.3f ms in steps; the limit is %.3f ms: %.0f %% of it "
           "is reached\n"
           "this machine gave %.1f GFLOP/s and read %.1f GB/s meanwhile\n",
           (int)number_of(t, "threads"), (long long)number_of(t, "runs"), run, all, limit,
           run > 0 ? 100 * limit / run : 0, number_of(t, "gflops"), number_of(t, "read_gb_s"));
}

static hst_status explain(const explain_options *o, hst_error *err) {
    bench_subject s = {0};
    trace events = {0};
    timing t = {0};
    char *text = NULL;
    json_t *report = NULL;
    hst_status status = bench_open_model(&s, o->model, &o->load, err);
    if (status == HST_STATUS_OK && o->size) status = bench_set_size(&s, o->size, err);
    if (status == HST_STATUS_OK) status = hst_model_explain_json(s.model, &text, err);
    if (status == HST_STATUS_OK && !(report = json_loads(text, 0, NULL)))
        status = error_no_memory(err, 0, "the report");
    if (status == HST_STATUS_OK && o->size) {
        status = measure(o, &s, json_array_size(json_object_get(report, "steps")), &events, &t, err);
        if (status == HST_STATUS_OK) add_times(report, &t);
    }
    if (status == HST_STATUS_OK && o->json) {
        json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        putchar('\n');
    } else if (status == HST_STATUS_OK)
        print_report(report, s.description);
    json_decref(report);
    hst_text_free(text);
    free(t.steps);
    trace_free(&events);
    bench_close(&s);
    return status;
}

static int run(int argc, char **argv) {
    static const struct option options[] = {{"size", 1, 0, 's'},
                                            {"threads", 1, 0, 'n'},
                                            {"runs", 1, 0, 'r'},
                                            {"json", 0, 0, 'j'},
                                            CLI_PADDED_ROWS_OPTION,
                                            CLI_LOAD_OPTIONS,
                                            {0}};
    static const int idle[] = {'n', 'r', 0};
    explain_options o = {.size = "1x128"};
    cli_given given = {0};
    opterr = 0;
    optind = 1;
    cli_load_init(&o.load);
    for (int c; (c = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
        bool ok = c != '?' && c != ':';
        if (c == 's') o.size = strcmp(optarg, "none") == 0 ? NULL : optarg;
        if (c == 'n') ok = cli_number(optarg, 1, 256, false, &o.threads);
        if (c == 'r') ok = cli_number(optarg, 1, RUNS_MOST, false, &o.runs);
        if (c == 'j') o.json = true;
        if (c >= CLI_LOAD_FIRST) ok = cli_load_option(&o.load, c, optarg);
        if (!ok) return cli_bad_option("explain", options, c, argv);
        given.code[c] = true;
    }
    int code = o.size ? 0 : cli_refuse_beside("explain", options, &given, 's', "none runs nothing", idle);
    if (code || (o.size && !bench_is_size("explain", o.size, &code))) return code;
    if (argc - optind != 1) return cli_usage("explain", "needs one model");
    o.model = argv[optind];
    hst_error err = {0};
    if (o.threads) hst_threads_set((int)o.threads);
    hst_status status = explain(&o, &err);
    return status == HST_STATUS_OK ? EXIT_SUCCESS : cli_failed(&err);
}

HST_COMMAND(explain) = {
    .name = "explain",
    .summary = "show how a model runs: rewrites, kernels, where the time goes",
    .order = 6,
    .run = run,
    .help = "usage: hasten explain [OPTION…] MODEL\n\n"
            "What each rewrite of the graph did; then each step with its kernel, its share of the time and the share "
            "of the\n"
            "machine's limit that it reaches: max(operations / FMA peak, weight bytes / read bandwidth), both measured "
            "in the\n"
            "same seconds; then why there is no better kernel.\n\n"
            "  MODEL              as -m of `hasten run`\n"
            "      --size BxS     made-up ids, as for `hasten bench` (default: 1x128); `none`: nothing is run\n"
            "      --threads N    1 to 256; default: what affinity mask and CPU quota allow\n"
            "      --runs N       default: about a second\n"
            "      --padded-rows compute|zero, --quantize int8, --weights f16|bf16\n"
            "                     as for `hasten bench`; 8-bit products are compared with the f32 peak, which they may pass\n"
            "      --json         the report as JSON\n\n"
            "  hasten explain --size 8x32 ./distilbert\n"};
