/* hasten run: texts in, answers out. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "cli.h"
#include "progress.h"
#include "texts.h"

#define CHUNK 2048 /* texts read, sorted by length and answered together */

typedef struct run_options {
    const char *model, *task, *device, *column;
    long long threads, batch_tokens, top_k, max_length;
    texts_format input;
    int table; /* -1: as the output is a terminal or not */
    cli_load load;
} run_options;

typedef struct printer {
    bool table;
    const char *of_answers; /* an option that only labels with scores heed; NULL: none was given */
    int width;
    size_t answered;
    /* For the progress bar: how much of the work came before this chunk and comes with it, as shares; negative:
     * unknown. */
    double share_before, share_chunk;
    progress bar;
} printer;

static void print_row(const printer *p, const char *label, double score, const char *text, size_t size) {
    printf("%-16s %6.4f  ", label, score);
    cli_print_cut(stdout, text, size, p->width > 50 ? p->width - 26 : 40, false);
    putchar('\n');
}

static bool print_table(const printer *p, const hst_result *result, size_t i, hst_string text) {
    size_t n = hst_result_answer_count(result, i);
    for (size_t k = 0; k < n; k++) {
        const hst_answer *a = hst_result_answer(result, i, k);
        print_row(p, a->label, (double)a->score, k ? "" : text.data, k ? 0 : text.size);
    }
    return n > 0;
}

static hst_status print_results(const printer *p, const hst_result *result, const texts_chunk *c, hst_error *err) {
    for (size_t i = 0; i < c->n; i++) {
        char *json;
        if (p->of_answers && !hst_result_answer_count(result, i))
            return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL,
                             "this task gives tensors, not labels with scores: %s would be ignored", p->of_answers);
        if (p->table && print_table(p, result, i, c->texts[i])) continue;
        hst_status status = hst_result_json(result, i, &json, err);
        if (status != HST_STATUS_OK) return status;
        puts(json);
        hst_text_free(json);
    }
    return HST_STATUS_OK;
}

static void show_progress(void *user, size_t done, size_t total) {
    printer *p = user;
    double share = p->share_chunk < 0 ? -1 : p->share_before + p->share_chunk * (double)done / (double)total;
    progress_show(&p->bar, share, p->answered + done);
}

static hst_status answer(hst_task *task, texts_chunk *c, printer *p, hst_error *err) {
    hst_run_options run = HST_INIT(hst_run_options);
    hst_result *result;
    run.cancel = cli_cancel_flag();
    run.progress = show_progress;
    run.progress_user = p;
    hst_status status = hst_task_run_texts(task, c->n, c->texts, c->any_pair ? c->pairs : NULL, &run, &result, err);
    progress_clear(&p->bar);
    if (status != HST_STATUS_OK) return status;
    status = print_results(p, result, c, err);
    hst_result_free(result);
    p->answered += c->n;
    return status;
}

static hst_status answer_stream(hst_task *task, const run_options *o, FILE *from, printer *p, hst_error *err) {
    texts_reader reader = {.from = from, .name = "standard input", .format = o->input, .column = o->column};
    texts_chunk chunk = {0};
    hst_status status;
    struct stat s;
    double size = fstat(fileno(from), &s) == 0 && S_ISREG(s.st_mode) && s.st_size > 0 ? (double)s.st_size : -1;
    while ((status = texts_read(&reader, &chunk, CHUNK, err)) == HST_STATUS_OK && chunk.n > 0) {
        p->share_chunk = size < 0 ? -1 : (double)reader.bytes / size - p->share_before;
        if ((status = answer(task, &chunk, p, err)) != HST_STATUS_OK) break;
        p->share_before += p->share_chunk;
        fflush(stdout);
    }
    texts_chunk_free(&chunk);
    texts_reader_free(&reader);
    return status;
}

static hst_status answer_arguments(hst_task *task, char **texts, int n, printer *p, hst_error *err) {
    texts_chunk chunk = {.n = (size_t)n, .capacity = (size_t)n};
    chunk.texts = calloc((size_t)n, sizeof *chunk.texts);
    if (!chunk.texts) return error_no_memory(err, (size_t)n * sizeof *chunk.texts, "the texts");
    for (int i = 0; i < n; i++) chunk.texts[i] = (hst_string){texts[i], strlen(texts[i])};
    p->share_chunk = 1;
    hst_status status = answer(task, &chunk, p, err);
    free(chunk.texts);
    return status;
}

static int parse(int argc, char **argv, run_options *o) {
    enum { TASK = 256, DEVICE, THREADS, BATCH, TOP, LENGTH, INPUT, COLUMN, FORMAT };
    static const struct option options[] = {{"model", 1, 0, 'm'},
                                            {"task", 1, 0, TASK},
                                            {"device", 1, 0, DEVICE},
                                            {"threads", 1, 0, THREADS},
                                            {"batch-tokens", 1, 0, BATCH},
                                            {"top-k", 1, 0, TOP},
                                            {"max-length", 1, 0, LENGTH},
                                            {"input", 1, 0, INPUT},
                                            {"column", 1, 0, COLUMN},
                                            {"format", 1, 0, FORMAT},
                                            CLI_LOAD_OPTIONS,
                                            {0}};
    static const char *const inputs[] = {"auto", "text", "jsonl", "csv"};
    opterr = 0;
    optind = 1;
    cli_load_init(&o->load);
    for (int c; (c = getopt_long(argc, argv, ":m:", options, NULL)) != -1;) {
        bool ok = true;
        switch (c) {
        case 'm':
            o->model = optarg;
            break;
        case TASK:
            o->task = optarg;
            break;
        case DEVICE:
            o->device = optarg;
            break;
        case COLUMN:
            o->column = optarg;
            break;
        case THREADS:
            ok = cli_number(optarg, 1, 256, false, &o->threads);
            break;
        case BATCH:
            ok = cli_number(optarg, 1, 1 << 24, true, &o->batch_tokens);
            break;
        case TOP:
            ok = strcmp(optarg, "all") == 0 ? (o->top_k = -1) : cli_number(optarg, 1, 1 << 20, false, &o->top_k);
            break;
        case LENGTH:
            ok = cli_number(optarg, 1, 1 << 24, true, &o->max_length);
            break;
        case INPUT:
            ok = false;
            for (int i = 0; i < 4; i++)
                if (strcmp(optarg, inputs[i]) == 0) o->input = (texts_format)i, ok = true;
            break;
        case FORMAT:
            ok = strcmp(optarg, "table") == 0 || strcmp(optarg, "jsonl") == 0;
            o->table = optarg[0] == 't';
            break;
        default:
            ok = c >= CLI_LOAD_FIRST && cli_load_option(&o->load, c, optarg);
        }
        if (!ok) return cli_bad_option("run", options, c, argv);
    }
    return 0;
}

static int run(int argc, char **argv) {
    run_options o = {.device = "cpu", .table = -1};
    int code = parse(argc, argv, &o);
    if (code) return code;
    bool stream = optind < argc && strcmp(argv[optind], "-") == 0;
    if (optind == argc && isatty(STDIN_FILENO)) return cli_usage("run", "no text given");
    if (optind == argc) stream = true;
    if (stream && argc - optind > 1) return cli_usage("run", "'-' (standard input) and texts do not go together");
    if (!stream && (o.input || o.column))
        return cli_usage("run", "--%s is about standard input, so it would be ignored beside texts",
                         o.column ? "column" : "input");
    if (o.column && o.input == TEXTS_LINES)
        return cli_usage("run", "--input text has no columns, so --column would be ignored");
    if (!o.model && !(o.model = cli_embedded_model())) return cli_no_embedded_model("run");

    hst_error err = {0};
    hst_task *task;
    hst_task_options options = HST_INIT(hst_task_options);
    o.load.model.providers = &o.device;
    o.load.model.provider_count = 1;
    options.model = &o.load.model;
    options.session = &o.load.session;
    options.batch_tokens = (size_t)o.batch_tokens;
    options.top_k = (int)o.top_k;
    options.max_length = (size_t)o.max_length;
    if (o.threads) hst_threads_set((int)o.threads);
    if (hst_task_open(o.model, o.task, &options, &task, &err) != HST_STATUS_OK) return cli_failed(&err);

    printer p = {.width = cli_terminal_width(stdout)};
    p.table = o.table >= 0 ? o.table : p.width > 0;
    p.of_answers = o.top_k ? "--top-k" : o.table > 0 ? "--format table" : NULL;
    progress_begin(&p.bar, isatty(STDERR_FILENO));
    hst_status status = stream ? answer_stream(task, &o, stdin, &p, &err)
                               : answer_arguments(task, argv + optind, argc - optind, &p, &err);
    hst_task_free(task);
    return status == HST_STATUS_OK ? EXIT_SUCCESS : cli_failed(&err);
}

HST_COMMAND(run) = {
    .name = "run",
    .summary = "answer texts: classify, embed …",
    .order = 0,
    .run = run,
    .help =
        "usage: hasten run [OPTION…] TEXT…      answers the texts\n"
        "       hasten run [OPTION…] -          answers standard input\n\n"
        "  -m, --model MODEL    checkpoint folder, .onnx or engine file, folder with one; default: the embedded\n"
        "                       sentiment model. Tokenizer and config.json are those beside it\n"
        "      --task TASK      default: what the model's config says; `hasten list tasks`\n"
        "      --device NAME    cpu (default)\n"
        "      --threads N      1 to 256; default: what affinity mask and CPU quota allow\n"
        "      --quantize int8  linear layers on 8-bit integers: faster, answers differ a little (default: none)\n"
        "      --weights f32|f16|bf16  how weights are stored: half-width ones take half the memory (default: f32)\n"
        "      --batch-tokens N at most this many tokens a run (default: chosen)\n"
        "      --max-length N   cut texts to this many tokens\n"
        "      --top-k N|all    answers a text (default: the task's)\n"
        "      --input FORMAT   of standard input: auto (default), text (one a line), jsonl, csv\n"
        "      --column NAME    JSON key or CSV column of the text (default: text, sentence, first column);\n"
        "                       a second text is read from text_pair or pair\n"
        "      --format FORMAT  table (default on a terminal) or jsonl (default elsewhere)\n\n"
        "JSON Lines: one object a text, in the order of the input.\n"
        "  hasten run \"What a wonderful film.\"\n"
        "  hasten run -m ./minilm --task sentence-embedding - < lines.txt > vectors.jsonl\n"};
