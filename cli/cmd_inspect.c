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

static void print_lengths(const json_t *dims) {
    if (!json_is_array(dims)) fputs("…", stdout);
    for (size_t k = 0; k < json_array_size(dims); k++) {
        const json_t *d = json_array_get(dims, k);
        if (k) fputs(", ", stdout);
        if (json_is_string(d))
            fputs(*json_string_value(d) ? json_string_value(d) : "?", stdout);
        else
            printf("%lld", (long long)json_integer_value(d));
    }
}

static void print_type(const json_t *v) {
    const json_t *element = json_object_get(v, "element"), *content = json_object_get(v, "content");
    const char *key = json_string_value(json_object_get(v, "key")),
               *dtype = json_string_value(json_object_get(v, "dtype"));
    if (json_is_true(json_object_get(v, "may_be_empty"))) fputs("optional ", stdout);
    if (element && strcmp(dtype, "sequence") == 0) fputs("sequence of ", stdout);
    if (key) {
        printf("map of %s to %s\n", key, json_string_value(element));
        return;
    }
    printf("%s[", element ? json_string_value(element) : dtype);
    print_lengths(json_object_get(v, "shape"));
    fputs("]", stdout);
    if (content) {
        fputs(" = {", stdout);
        print_lengths(content);
        fputs("}", stdout);
    }
    putchar('\n');
}

static void print_values(const char *title, const json_t *values) {
    size_t i;
    json_t *v;
    json_array_foreach((json_t *)values, i, v) {
        printf("%-12s %s: ", i ? "" : title, json_string_value(json_object_get(v, "name")));
        print_type(v);
    }
}

/* One line a value, "name: type  from"; a subgraph's stand indented under its name. */
static void print_shapes(const json_t *values) {
    size_t i;
    json_t *v;
    const char *graph = "";
    json_array_foreach((json_t *)values, i, v) {
        const char *here = json_string_value(json_object_get(v, "graph"));
        const int indent = 4 * (int)json_integer_value(json_object_get(v, "depth"));
        if (strcmp(here, graph) != 0 && *here) printf("%*s%s\n", indent - 2, "", here);
        graph = here;
        printf("%*s%-20s %s: ", indent, "", json_string_value(json_object_get(v, "from")),
               json_string_value(json_object_get(v, "name")));
        print_type(v);
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

/* A text that the library made, as a JSON value; NULL and an error where there is none. */
static hst_status describe(const hst_model *model, bool shapes, json_t **out, hst_error *err) {
    char *text = NULL;
    hst_status status =
        shapes ? hst_model_describe_shapes_json(model, &text, err) : hst_model_describe_json(model, &text, err);
    *out = status == HST_STATUS_OK ? json_loads(text, 0, NULL) : NULL;
    hst_text_free(text);
    return status;
}

static hst_status show_graph(const hst_model *model, inspect_form form, hst_error *err) {
    char *text = NULL;
    hst_status status = hst_model_describe_dot(model, &text, err);
    if (status != HST_STATUS_OK) return status;
    if (form == AS_HTML)
        html_print_graph(stdout, text);
    else
        fputs(text, stdout);
    hst_text_free(text);
    return HST_STATUS_OK;
}

static hst_status show(const hst_model *model, inspect_form form, bool shapes, hst_error *err) {
    json_t *d = NULL, *values = NULL;
    if (form == AS_DOT || form == AS_HTML) return show_graph(model, form, err);
    hst_status status = shapes ? describe(model, true, &values, err) : HST_STATUS_OK;
    if (status == HST_STATUS_OK && (form == AS_JSON || !shapes)) status = describe(model, false, &d, err);
    if (status == HST_STATUS_OK && form == AS_JSON) {
        if (shapes) json_object_set(d, "values", values);
        json_dumpf(d, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (status == HST_STATUS_OK && shapes) {
        print_shapes(values);
    } else if (status == HST_STATUS_OK) {
        print_report(d);
    }
    json_decref(d);
    json_decref(values);
    return status;
}

static const struct option options[] = {{"json", 0, 0, 'j'},
                                        {"dot", 0, 0, 'd'},
                                        {"html", 0, 0, 'h'},
                                        {"optimized", 0, 0, 'o'},
                                        {"verify", 0, 0, 'v'},
                                        {"shapes", 0, 0, 's'},
                                        {0}};

/* What one option would have another be ignored for is refused. */
static int check(const cli_given *given) {
    static const int verify[] = {'j', 'd', 'h', 'o', 's', 0}, dot[] = {'j', 'h', 's', 0}, html[] = {'j', 's', 0};
    int code = cli_refuse_beside("inspect", options, given, 'v', "compares checksums and nothing more", verify);
    if (!code) code = cli_refuse_beside("inspect", options, given, 'd', "shows the graph alone", dot);
    if (!code) code = cli_refuse_beside("inspect", options, given, 'h', "shows the graph alone", html);
    return code;
}

static int run(int argc, char **argv) {
    cli_given given = {0};
    hst_model_options load = HST_INIT(hst_model_options);
    load.flags = HST_MODEL_GRAPH_ONLY;
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?') return cli_bad_option("inspect", options, c, argv);
        given.code[c] = true;
    }
    if (argc - optind != 1) return cli_usage("inspect", "needs one model");
    int code = check(&given);
    if (code) return code;
    const inspect_form form = given.code['j']   ? AS_JSON
                              : given.code['d'] ? AS_DOT
                              : given.code['h'] ? AS_HTML
                                                : AS_TEXT;
    if (given.code['o']) load.flags &= ~HST_MODEL_GRAPH_ONLY;
    if (given.code['s']) load.flags |= HST_MODEL_SHAPES;
    hst_error err = {0};
    hst_model *model;
    if (given.code['v']) {
        if (hst_engine_verify(argv[optind], &err) != HST_STATUS_OK) return cli_failed(&err);
        printf("%s: every checksum is right\n", argv[optind]);
        return EXIT_SUCCESS;
    }
    if (hst_model_load(argv[optind], &load, &model, &err) != HST_STATUS_OK) return cli_failed(&err);
    hst_status status = show(model, form, given.code['s'], &err);
    hst_model_free(model);
    return status == HST_STATUS_OK ? EXIT_SUCCESS : cli_failed(&err);
}

HST_COMMAND(inspect) = {
    .name = "inspect",
    .summary = "show what a model file holds",
    .order = 3,
    .run = run,
    .help = "usage: hasten inspect [OPTION…] FILE|DIR\n\n"
            "Inputs, outputs, operator sets, operator counts, parameters, bytes, unsupported operators of an ONNX file,\n"
            "an engine file, a checkpoint's folder or weight file, or a folder with an ONNX file.\n\n"
            "      --json       as JSON\n"
            "      --dot        the graph in Graphviz' language\n"
            "      --html       the graph as one HTML page that needs no network\n"
            "      --shapes     the type of every value instead, as inferred, in the order of the graph: an unknown\n"
            "                   length is ?N, and the same N is the same length; with --json beside the rest\n"
            "      --optimized  the graph as hasten rewrites it to run it\n"
            "      --verify     compare the checksums of an engine file with its contents, and nothing more\n\n"
            "  hasten inspect model.onnx\n"
            "  hasten inspect --shapes model.onnx\n"
            "  hasten inspect --html model.onnx > graph.html\n"};
