/* hasten compile: a model becomes an engine file that opens at once. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli.h"

typedef struct compile_options {
    cli_load load;
    hst_compile_options compile;
    const char *output;
} compile_options;

/* A folder of sentence-transformers is compiled as its encoder, as `hasten run` would open it. */
static bool has_modules(const char *model) {
    char *path = path_join(model, "modules.json");
    const bool there = path && file_exists(path);
    free(path);
    return there;
}

/* What a task wants of a checkpoint is known to hst_task_open. */
static hst_status compile(compile_options *o, const char *path, hst_error *err) {
    hst_model *model = NULL;
    hst_task *task = NULL;
    hst_status status;
    if (o->compile.task) {
        hst_task_options t = HST_INIT(hst_task_options);
        t.model = &o->load.model;
        status = hst_task_open(path, o->compile.task, &t, &task, err);
    } else {
        if (has_modules(path)) o->load.model.architecture = "Model";
        status = hst_model_load(path, &o->load.model, &model, err);
    }
    if (status == HST_STATUS_OK)
        status = hst_model_compile(task ? hst_task_model(task) : model, o->output, &o->compile, err);
    hst_task_free(task);
    hst_model_free(model);
    return status;
}

static int run(int argc, char **argv) {
    static const struct option options[] = {
        {"output", 1, 0, 'o'}, {"task", 1, 0, 't'}, {"tokenizer", 1, 0, 'f'}, CLI_LOAD_OPTIONS, {0}};
    compile_options o = {.compile = HST_INIT(hst_compile_options)};
    struct stat s, out;
    cli_load_init(&o.load);
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, ":o:", options, NULL)) != -1;) {
        bool ok = c != '?' && c != ':';
        if (c == 'o') o.output = optarg;
        if (c == 't') o.compile.task = optarg;
        if (c == 'f') o.compile.folder = optarg;
        if (c >= CLI_LOAD_FIRST) ok = cli_load_option(&o.load, c, optarg);
        if (!ok) return cli_bad_option("compile", options, c, argv);
    }
    if (argc - optind != 1 || !o.output) return cli_usage("compile", "needs a model and -o FILE");
    hst_error err = {0};
    if (compile(&o, argv[optind], &err) != HST_STATUS_OK) return cli_failed(&err);
    const bool known = stat(o.output, &s) == 0;
    if (fstat(STDOUT_FILENO, &out) == 0 && known && out.st_dev == s.st_dev && out.st_ino == s.st_ino)
        return EXIT_SUCCESS; /* -o /dev/stdout: nothing may follow the engine's bytes */
    if (known) printf("%s: %.1f MB\n", o.output, (double)s.st_size / 1e6);
    return EXIT_SUCCESS;
}

HST_COMMAND(compile) = {
    .name = "compile",
    .summary = "make an engine file that opens in milliseconds",
    .order = 2,
    .run = run,
    .help = "usage: hasten compile MODEL -o OUT.hst\n\n"
            "Writes the model as this machine runs it: rewritten graph, weights laid out for its kernels, tokenizer, "
            "config.\n"
            "All commands open the file like any model, in milliseconds, and processes share its memory.\n\n"
            "  MODEL                checkpoint folder or file, an .onnx file, or a folder with one\n"
            "  -o, --output FILE    where to; an older file stays until the new one is complete\n"
            "      --task TASK      what `hasten run` does with it (default: what config.json suggests)\n"
            "      --tokenizer DIR  folder with tokenizer and config.json (default: the model's)\n"
            "      --quantize int8  linear layers on 8-bit integers\n"
            "      --weights f32|f16|bf16  how weights are stored (default: f32)\n\n"
            "An engine is for this version of hasten and this CPU level: elsewhere compile again.\n"
            "  hasten compile ./bert-base -o bert.hst && hasten run -m bert.hst \"A fine film.\"\n"};
