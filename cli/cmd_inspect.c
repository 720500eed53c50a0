/* hasten inspect: what a model file is. */
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "html.h"

static void print_bytes(const char *name, double bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    int k = 0;
    for (; bytes >= 1000 && k < 4; k++) bytes /= 1000;
    printf("%-12s %.*f %s\n", name, k ? 1 : 0, bytes, units[k]);
}

static void print_values(const char *title, const json_t *values) {
    size_t i;
    json_t *v;
    json_array_foreach((json_t *)values, i, v) {
        printf("%-12s %s: %s[", i ? "" : title, json_string_value(json_object_get(v, "name")),
               json_string_value(json_object_get(v, "dtype")));
        const json_t *dims = json_object_get(v, "shape");
        if (!json_is_array(dims)) fputs("…", stdout);
        for (size_t k = 0; k < json_array_size(dims); k++) {
            const json_t *d = json_array_get(dims, k);
            if (k) fputs(", ", stdout);
            if (json_is_string(d))
                fputs(*json_string_value(d) ? json_string_value(d) : "?", stdout);
            else
                printf("%lld", (long long)json_integer_value(d));
        }
        puts("]");
    }
}

/* Objects of numbers, largest first. */
static void print_counts(const char *title, json_t *counts) {
    const char *key, *best;
    json_t *v;
    for (bool first = true; json_object_size(counts); first = false) {
        json_int_t most = -1;
        best = NULL;
        json_object_foreach(counts, key, v) {
            if (json_integer_value(v) > most) {
                most = json_integer_value(v);
                best = key;
            }
        }
        if (!best) break;
        printf("%-12s %6lld × %s\n", first ? title : "", (long long)most, best);
        json_object_del(counts, best);
    }
}

static void print_report(json_t *d) {
    const char *key;
    json_t *v;
    json_object_foreach(d, key, v) {
        if (strcmp(key, "inputs") == 0 || strcmp(key, "outputs") == 0)
            print_values(key, v);
        else if (strcmp(key, "bytes") == 0)
            print_bytes(key, json_number_value(v));
        else if (json_is_string(v) && *json_string_value(v))
            printf("%-12s %s\n", key, json_string_value(v));
        else if (json_is_integer(v))
            printf("%-12s %lld\n", key, (long long)json_integer_value(v));
        else if (strcmp(key, "operators") == 0 && json_is_object(v))
            print_counts(key, v);
        else if (json_is_object(v)) {
            const char *name;
            json_t *item;
            bool first = true;
            json_object_foreach(v, name, item) {
                char *text = json_is_string(item) ? NULL : json_dumps(item, JSON_ENCODE_ANY);
                printf("%-12s %s = %s\n", first ? key : "", *name ? name : "ai.onnx",
                       text ? text : json_string_value(item));
                free(text);
                first = false;
            }
        } else if (json_is_array(v)) {
            size_t i;
            json_t *item;
            json_array_foreach(v, i, item) {
                if (json_is_string(item)) printf("%-12s %s\n", i ? "" : key, json_string_value(item));
            }
        }
    }
}

typedef enum inspect_form { AS_TEXT, AS_JSON, AS_DOT, AS_HTML } inspect_form;

static hst_status show(const hst_model *model, inspect_form form, hst_error *err) {
    char *text = NULL;
    hst_status status = form == AS_DOT || form == AS_HTML ? hst_model_describe_dot(model, &text, err)
                                                          : hst_model_describe_json(model, &text, err);
    if (status != HST_STATUS_OK) return status;
    json_t *d = form == AS_DOT || form == AS_HTML ? NULL : json_loads(text, 0, NULL);
    if (form == AS_HTML)
        html_print_graph(stdout, text);
    else if (form == AS_DOT)
        fputs(text, stdout);
    else if (form == AS_JSON) {
        json_dumpf(d, stdout, JSON_INDENT(2));
        putchar('\n');
    } else
        print_report(d);
    json_decref(d);
    hst_text_free(text);
    return HST_STATUS_OK;
}

static int run(int argc, char **argv) {
    static const struct option options[] = {{"json", 0, 0, AS_JSON + 1}, {"dot", 0, 0, AS_DOT + 1},
                                            {"html", 0, 0, AS_HTML + 1}, {"optimized", 0, 0, 'o'},
                                            {"verify", 0, 0, 'v'},       {0}};
    inspect_form form = AS_TEXT;
    bool verify = false;
    hst_model_options load = HST_INIT(hst_model_options);
    load.flags = HST_MODEL_GRAPH_ONLY;
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?') return cli_usage("inspect", "'%s' is no option", argv[optind - 1]);
        if (c == 'o')
            load.flags = 0;
        else if (c == 'v')
            verify = true;
        else
            form = (inspect_form)(c - 1);
    }
    if (argc - optind != 1) return cli_usage("inspect", "needs one model");
    hst_error err = {0};
    hst_model *model;
    if (verify) {
        if (hst_engine_verify(argv[optind], &err) != HST_STATUS_OK) return cli_failed(&err);
        printf("%s: every checksum is right\n", argv[optind]);
        return EXIT_SUCCESS;
    }
    if (hst_model_load(argv[optind], &load, &model, &err) != HST_STATUS_OK) return cli_failed(&err);
    hst_status status = show(model, form, &err);
    hst_model_free(model);
    return status == HST_STATUS_OK ? EXIT_SUCCESS : cli_failed(&err);
}

HST_COMMAND(inspect) = {
    .name = "inspect",
    .summary = "show what a model file holds",
    .order = 3,
    .run = run,
    .help = "usage: hasten inspect [OPTION…] FILE|DIR\n\n"
            "Inputs, outputs, operator sets, operator counts, parameters, bytes, unsupported operators.\n\n"
            "      --json       as JSON\n"
            "      --dot        the graph in Graphviz' language\n"
            "      --html       the graph as one HTML page that needs no network\n"
            "      --optimized  the graph as hasten rewrites it to run it\n"
            "      --verify     compare the checksums of an engine file with its contents, and nothing more\n\n"
            "  hasten inspect model.onnx\n"
            "  hasten inspect --html model.onnx > graph.html\n"};
