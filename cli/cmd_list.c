/* hasten list: what this build knows. */
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define COLUMNS_MOST 12

static void to_text(const json_t *v, char *to, size_t size) {
    if (json_is_string(v))
        snprintf(to, size, "%s", json_string_value(v));
    else if (json_is_integer(v))
        snprintf(to, size, "%lld", (long long)json_integer_value(v));
    else if (json_is_boolean(v))
        snprintf(to, size, "%s", json_is_true(v) ? "yes" : "");
    else if (json_is_array(v)) {
        size_t at = 0;
        const json_t *item;
        size_t i;
        *to = '\0';
        json_array_foreach((json_t *)v, i, item) {
            if (json_is_string(item) && at < size)
                at += (size_t)snprintf(to + at, size - at, "%s%s", i ? ", " : "", json_string_value(item));
        }
    } else
        *to = '\0';
}

/* A table whose columns are the keys of the first object. */
static void print_table(const json_t *rows) {
    const char *keys[COLUMNS_MOST], *key;
    int widths[COLUMNS_MOST] = {0}, n = 0;
    json_t *value, *row;
    size_t i;
    char text[1024];
    /* Lists, which may be long, come last. */
    for (int lists = 0; lists < 2; lists++) json_object_foreach(json_array_get(rows, 0), key, value) {
            if (n < COLUMNS_MOST && json_is_array(value) == (bool)lists) keys[n++] = key;
        }
    for (int k = 0; k < n; k++) widths[k] = (int)strlen(keys[k]);
    json_array_foreach((json_t *)rows, i, row) {
        for (int k = 0; k < n; k++) {
            to_text(json_object_get(row, keys[k]), text, sizeof text);
            int columns = cli_text_columns(text, strlen(text));
            if (columns > widths[k]) widths[k] = columns;
        }
    }
    for (int k = 0; k < n; k++) printf("%-*s%s", k + 1 < n ? widths[k] : 0, keys[k], k + 1 < n ? "  " : "\n");
    json_array_foreach((json_t *)rows, i, row) {
        for (int k = 0; k < n; k++) {
            to_text(json_object_get(row, keys[k]), text, sizeof text);
            if (k + 1 < n) {
                cli_print_cut(stdout, text, strlen(text), widths[k], true);
                fputs("  ", stdout);
            } else
                puts(text);
        }
    }
}

/* Keeps only the rows with a gap, and of these what is missing and which of the standard's cases fail. */
static void keep_gaps(json_t *rows) {
    static const char *const keys[] = {"gaps", "failing"};
    for (size_t i = json_array_size(rows); i-- > 0;) {
        json_t *row = json_array_get(rows, i);
        if (!json_object_get(row, "gaps") && !json_object_get(row, "failing")) {
            json_array_remove(rows, i);
            continue;
        }
        json_object_del(row, "summary");
        for (int k = 0; k < 2; k++)
            if (!json_object_get(row, keys[k])) json_object_set_new(row, keys[k], json_string(""));
    }
}

static int run(int argc, char **argv) {
    static const struct option options[] = {{"json", 0, 0, 'j'}, {"gaps", 0, 0, 'g'}, {0}};
    bool as_json = false, gaps = false;
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?') return cli_bad_option("list", options, c, argv);
        as_json |= c == 'j';
        gaps |= c == 'g';
    }
    if (argc - optind != 1) return cli_usage("list", "say what to list: ops, kernels, passes, archs or tasks");
    if (gaps && strcmp(argv[optind], "ops") != 0)
        return cli_usage("list", "--gaps are those of operators: hasten list ops --gaps");
    hst_error err = {0};
    char *text;
    if (hst_list_json(argv[optind], &text, &err) != HST_STATUS_OK) {
        if (err.code != HST_STATUS_NOT_FOUND) return cli_failed(&err);
        return cli_usage("list", "there is no list '%s'", argv[optind]);
    }
    json_t *rows = json_loads(text, 0, NULL);
    if (rows && gaps) keep_gaps(rows);
    if (as_json && rows) {
        json_dumpf(rows, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (json_is_array(rows) && json_array_size(rows))
        print_table(rows);
    json_decref(rows);
    hst_text_free(text);
    return EXIT_SUCCESS;
}

HST_COMMAND(list) = {.name = "list",
                     .summary = "list operators, kernels, passes, architectures, tasks",
                     .order = 7,
                     .run = run,
                     .help = "usage: hasten list ops|kernels|passes|archs|tasks [--json] [--gaps]\n\n"
                             "  ops      operators with the versions covered (until 0: all later ones); --gaps: only those\n"
                             "           with a named gap, and which of the standard's own test cases fail, and why\n"
                             "  kernels  every kernel, which are chosen on this CPU (HST_CPU=<level> lowers it), why others\n"
                             "           cannot run\n"
                             "  passes   rewrites of the graph, by name; they run by ascending `order`\n"
                             "  archs    model architectures that are built from a checkpoint\n"
                             "  tasks    tasks and their aliases\n\n"
                             "      --json  the same as JSON\n"};
