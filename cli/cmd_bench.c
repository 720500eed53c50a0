/* hasten bench: how long a model takes, by the usual protocol: 50 warm-ups, 1,000 timed runs. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "base/error.h"
#include "cli.h"
#include "machine.h"
#include "trace.h"

#define MACHINE_SECONDS 0.3 /* a measurement */

static const char sentence[] = "I am learning how to accelerate the inference of a language model using Huggingface's "
                               "Optimum. I am thinking if it "
                               "can bring some performance gain. I hope it does.";

typedef struct bench_options {
    const char *model, *task, *size, *text, *trace;
    long long threads, warmups, runs;
    bool json, machine, serve;
    cli_load load;
    cli_given given;
} bench_options;

static const struct option options[] = {{"model", 1, 0, 'm'},
                                        {"task", 1, 0, 't'},
                                        {"size", 1, 0, 's'},
                                        {"threads", 1, 0, 'n'},
                                        {"runs", 1, 0, 'r'},
                                        {"warmups", 1, 0, 'w'},
                                        {"machine", 0, 0, 'M'},
                                        {"serve", 0, 0, 'S'},
                                        {"json", 0, 0, 'j'},
                                        {"profile", 1, 0, 'p'},
                                        CLI_PADDED_ROWS_OPTION,
                                        CLI_LOAD_OPTIONS,
                                        {0}};

static json_t *report(const bench_options *o, const bench_subject *s, uint64_t *times, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)times[i];
    bench_sort(times, n);
    double mean = sum / (double)n / 1e6;
    return json_pack("{s:s, s:s, s:i, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "model", o->model,
                     "input", s->description, "threads", hst_threads_get(), "tokens", (json_int_t)s->tokens, "warmups",
                     (json_int_t)o->warmups, "runs", (json_int_t)n, "mean_ms", mean, "p50_ms",
                     bench_percentile(times, n, 0.5), "p90_ms", bench_percentile(times, n, 0.9), "p99_ms",
                     bench_percentile(times, n, 0.99), "min_ms", (double)times[0] / 1e6, "tokens_per_s",
                     (double)s->tokens / mean * 1e3, "load_ms", (double)s->load_ns / 1e6, "first_ms",
                     (double)s->first_ns / 1e6, "peak_memory_mb", bench_peak_memory() / 1e6);
}

static void print_report(const json_t *r) {
    static const struct {
        const char *key, *title, *unit;
    } rows[] = {{"mean_ms", "mean", "ms"}, {"p50_ms", "p50", "ms"},         {"p90_ms", "p90", "ms"},
                {"p99_ms", "p99", "ms"},   {"min_ms", "min", "ms"},         {"tokens_per_s", "tokens/s", ""},
                {"load_ms", "load", "ms"}, {"first_ms", "first run", "ms"}, {"peak_memory_mb", "peak memory", "MB"}};
    printf("%s\n%s, %d threads, %lld warm-ups, %lld runs\n", json_string_value(json_object_get(r, "model")),
           json_string_value(json_object_get(r, "input")), (int)json_integer_value(json_object_get(r, "threads")),
           (long long)json_integer_value(json_object_get(r, "warmups")),
           (long long)json_integer_value(json_object_get(r, "runs")));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("  %-12s %10.3f %s\n", rows[i].title, json_real_value(json_object_get(r, rows[i].key)), rows[i].unit);
}

static void print_json(const json_t *r) {
    json_dumpf(r, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
}

static hst_status time_runs(const bench_options *o, bench_subject *s, uint64_t *times, trace *events, hst_error *err) {
    hst_run_options profiled = HST_INIT(hst_run_options);
    profiled.profile = trace_event;
    profiled.profile_user = events;
    HST_TRY(bench_once(s, NULL, &s->first_ns, err));
    for (long long i = 0; i < o->warmups; i++) HST_TRY(bench_once(s, NULL, &times[0], err));
    for (long long i = 0; i < o->runs; i++) HST_TRY(bench_once(s, o->trace ? &profiled : NULL, &times[i], err));
    return o->trace ? trace_write(events, o->trace, err) : HST_STATUS_OK;
}

static hst_status measure(const bench_options *o, bench_subject *s, hst_error *err) {
    uint64_t *times = malloc((size_t)o->runs * sizeof *times);
    trace events = {0};
    if (!times) return error_no_memory(err, (size_t)o->runs * sizeof *times, "the times");
    hst_status status = time_runs(o, s, times, &events, err);
    if (status == HST_STATUS_OK) {
        json_t *r = report(o, s, times, (size_t)o->runs);
        if (r && o->json)
            print_json(r);
        else if (r)
            print_report(r);
        json_decref(r);
    }
    trace_free(&events);
    free(times);
    return status;
}

static int parse(int argc, char **argv, bench_options *o) {
    opterr = 0;
    optind = 1;
    cli_load_init(&o->load);
    for (int c; (c = getopt_long(argc, argv, ":m:", options, NULL)) != -1;) {
        bool ok = c != '?' && c != ':';
        if (c == 'm') o->model = optarg;
        if (c == 't') o->task = optarg;
        if (c == 's') o->size = optarg;
        if (c == 'n') ok = cli_number(optarg, 1, 256, false, &o->threads);
        if (c == 'r') ok = cli_number(optarg, 1, 100000000, true, &o->runs);
        if (c == 'w') ok = cli_number(optarg, 0, 100000000, true, &o->warmups);
        if (c == 'j') o->json = true;
        if (c == 'p') o->trace = optarg;
        if (c == 'M') o->machine = true;
        if (c == 'S') o->serve = true;
        if (c >= CLI_LOAD_FIRST) ok = cli_load_option(&o->load, c, optarg);
        if (!ok) return cli_bad_option("bench", options, c, argv);
        o->given.code[c] = true;
    }
    if (argc - optind > 1) return cli_usage("bench", "takes one text");
    if (optind < argc) o->text = argv[optind];
    return 0;
}

/* What a way of measuring would ignore is refused. */
static int check(bench_options *o) {
    static const int machine[] =
        {'S', 'm', 't', 's', 'r', 'w', 'p', CLI_LOAD_QUANTIZE, CLI_LOAD_WEIGHTS, CLI_LOAD_PADDED_ROWS, 0},
                     serve[] = {'t', 's', 'r', 'w', 'p', 'j', 0}, size[] = {'t', 0};
    int code = cli_refuse_beside("bench", options, &o->given, 'M', "runs no model", machine);
    if (!code) code = cli_refuse_beside("bench", options, &o->given, 'S', "times a model as its input says", serve);
    if (!code) code = cli_refuse_beside("bench", options, &o->given, 's', "times a model alone", size);
    if (code || (o->size && !bench_is_size("bench", o->size, &code))) return code;
    const bool on_text = !o->machine && !o->serve && !o->size;
    if (o->text && !on_text)
        return cli_usage("bench", "--%s takes no text, so '%s' would be ignored; a model is named with -m MODEL",
                         o->machine ? "machine"
                         : o->serve ? "serve"
                                    : "size",
                         o->text);
    if (o->given.code[CLI_LOAD_PADDED_ROWS] && on_text)
        return cli_usage("bench", "no answer to a text shows padding rows: --padded-rows goes with --size or --serve");
    if (o->text && !o->model && access(o->text, F_OK) == 0)
        return cli_usage("bench", "'%s' would be taken as a text; a model is named with -m MODEL", o->text);
    if (!o->text) o->text = sentence;
    if (!o->model && !o->machine && !(o->model = cli_embedded_model())) return cli_no_embedded_model("bench");
    return 0;
}

static int show_machine(bool json) {
    json_t *r = machine_report(MACHINE_SECONDS);
    if (r && json)
        print_json(r);
    else if (r)
        machine_print(r);
    json_decref(r);
    return EXIT_SUCCESS;
}

static hst_status open_subject(const bench_options *o, bench_subject *s, hst_error *err) {
    if (!o->size && !o->serve) return bench_open_text(s, o->model, o->task, o->text, &o->load, err);
    HST_TRY(bench_open_model(s, o->model, &o->load, err));
    return o->serve ? HST_STATUS_OK : bench_set_size(s, o->size, err);
}

static int run(int argc, char **argv) {
    bench_options o = {.warmups = 50, .runs = 1000};
    int code = parse(argc, argv, &o);
    if (!code) code = check(&o);
    if (code) return code;
    hst_error err = {0};
    bench_subject subject = {0};
    if (o.threads) hst_threads_set((int)o.threads);
    if (o.machine) return show_machine(o.json);
    hst_status status = open_subject(&o, &subject, &err);
    if (status == HST_STATUS_OK && o.serve)
        code = bench_serve(&subject);
    else if (status == HST_STATUS_OK)
        status = measure(&o, &subject, &err);
    bench_close(&subject);
    return status == HST_STATUS_OK ? code : cli_failed(&err);
}

HST_COMMAND(bench) = {
    .name = "bench",
    .summary = "time a model: 50 warm-ups, 1,000 runs",
    .order = 5,
    .run = run,
    .help =
        "usage: hasten bench [OPTION…] [TEXT]\n"
        "       hasten bench [OPTION…] --size BxS|--serve|--machine\n\n"
        "Times a task on one text, tokenizer included (default: the reference sentence on the embedded model), or\n"
        "with --size a model alone on made-up token ids.\n\n"
        "  -m, --model MODEL  as for `hasten run`\n"
        "      --task TASK    as for `hasten run`\n"
        "      --size BxS     batch and sequence length, such as 1x128; or a list of lengths, such as 6,9,12: one\n"
        "                     batch, padded to the longest\n"
        "      --threads N    1 to 256; default: what affinity mask and CPU quota allow\n"
        "      --warmups N    default 50\n"
        "      --runs N       default 1000\n"
        "      --padded-rows compute|zero  with --size or --serve: what padding rows of token outputs hold (default:\n"
        "                     compute, as ONNX)\n"
        "      --profile FILE the steps of the timed runs as a trace: chrome://tracing and Perfetto open it\n"
        "      --quantize int8  linear layers on 8-bit integers (default: none)\n"
        "      --weights f32|f16|bf16  how weights are stored: half-width ones take half the memory (default: f32)\n"
        "      --machine      instead: FMA peak and memory bandwidth of this machine, caches, instruction set\n"
        "      --serve        instead: for each line 'SIZE SECONDS' of standard input, the times as a JSON line\n"
        "      --json         the report as JSON\n\n"
        "Reports mean, p50, p90, p99, min, tokens/s, load time, first run, peak memory of the process.\n"};
