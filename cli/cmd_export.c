/* hasten export: a checkpoint (or an ONNX file) becomes an ONNX file. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static bool read_dtype(const char *name, hst_dtype *out) {
    *out = hst_dtype_from_name(name);
    if (strcmp(name, "fp32") == 0) *out = HST_DTYPE_F32;
    if (strcmp(name, "fp16") == 0) *out = HST_DTYPE_F16;
    return *out == HST_DTYPE_F32 || *out == HST_DTYPE_F16;
}

static int run(int argc, char **argv) {
    static const struct option options[] = {
        {"opset", 1, 0, 'o'}, {"dtype", 1, 0, 'd'}, {"external-beyond", 1, 0, 'e'}, {0}};
    hst_model_options load = HST_INIT(hst_model_options);
    hst_export_options o = HST_INIT(hst_export_options);
    load.flags = HST_MODEL_GRAPH_ONLY;
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
        long long n = 0;
        bool ok = c != '?' && c != ':';
        if (c == 'o' && (ok = cli_number(optarg, 17, 25, false, &n))) o.opset = (int)n;
        if (c == 'd') ok = read_dtype(optarg, &o.dtype);
        if (c == 'e' && (ok = cli_number(optarg, 1, INT64_MAX, true, &n))) o.external_beyond = (uint64_t)n;
        if (!ok) return cli_bad_option("export", options, c, argv);
    }
    if (argc - optind != 2) return cli_usage("export", "needs a model and the file to write");
    hst_error err = {0};
    hst_model *model;
    if (hst_model_load(argv[optind], &load, &model, &err) != HST_STATUS_OK) return cli_failed(&err);
    hst_status status = hst_model_export_onnx(model, argv[optind + 1], &o, &err);
    hst_model_free(model);
    return status == HST_STATUS_OK ? EXIT_SUCCESS : cli_failed(&err);
}

HST_COMMAND(export) = {
    .name = "export",
    .summary = "write a checkpoint as standard ONNX",
    .order = 2,
    .run = run,
    .help =
        "usage: hasten export [OPTION…] MODEL OUT.onnx\n\n"
        "  MODEL                  checkpoint folder or file, an .onnx file, or a folder with one\n"
        "      --opset N          17 to 25 (default: 18)\n"
        "      --dtype fp32|fp16  fp32 widens half-precision weights, fp16 makes the whole graph half\n"
        "                         (default: half-precision weights stay half behind a Cast, arithmetic is f32)\n"
        "      --external-beyond BYTES  weights go to OUT.onnx.data where the file would pass this (default 1.9 GB)\n\n"
        "The file appears under its name when it is complete; an older one stays until then.\n"
        "  hasten export ./bert-base model.onnx\n"};
