/* hasten tokenize: shows what a tokenizer makes of texts. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "texts.h"

typedef struct tokenize_options {
    const char *model;
    long long max_length;
    bool plain, json, no_special;
} tokenize_options;

static void print_json_string(const char *text, size_t size) {
    putchar('"');
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void print_json(const hst_tokenizer *t, const hst_encoding *e) {
    size_t n = hst_encoding_count(e);
    fputs("{\"ids\": [", stdout);
    for (size_t i = 0; i < n; i++) printf("%s%d", i ? ", " : "", hst_encoding_ids(e)[i]);
    fputs("], \"tokens\": [", stdout);
    for (size_t i = 0; i < n; i++) {
        const char *token = hst_tokenizer_token(t, hst_encoding_ids(e)[i]);
        if (i) fputs(", ", stdout);
        print_json_string(token ? token : "", token ? strlen(token) : 0);
    }
    fputs("], \"offsets\": [", stdout);
    for (size_t i = 0; i < n; i++)
        printf("%s[%u, %u]", i ? ", " : "", hst_encoding_offsets(e)[i].begin, hst_encoding_offsets(e)[i].end);
    puts("]}");
}

static void print_table(const hst_tokenizer *t, const hst_encoding *e, hst_string text) {
    printf("%8s  %-20s  %s\n", "id", "token", "text");
    for (size_t i = 0; i < hst_encoding_count(e); i++) {
        const char *token = hst_tokenizer_token(t, hst_encoding_ids(e)[i]);
        size_t begin = hst_encoding_offsets(e)[i].begin, end = hst_encoding_offsets(e)[i].end;
        printf("%8d  ", hst_encoding_ids(e)[i]);
        cli_print_cut(stdout, token ? token : "", token ? strlen(token) : 0, 20, true);
        fputs("  ", stdout);
        if (end <= text.size && begin < end) cli_print_cut(stdout, text.data + begin, end - begin, 40, false);
        putchar('\n');
    }
}

static hst_status tokenize(const hst_tokenizer *t, const tokenize_options *o, hst_encoding *e, hst_string text,
                           const hst_string *pair, hst_error *err) {
    hst_encode_options options = HST_INIT(hst_encode_options);
    options.padding = HST_PADDING_NONE;
    options.no_special_tokens = o->no_special;
    options.max_length = o->max_length ? (size_t)o->max_length : SIZE_MAX;
    hst_status status = hst_tokenizer_encode(t, text, pair, &options, e, err);
    if (status != HST_STATUS_OK) return status;
    if (o->json)
        print_json(t, e);
    else if (o->plain) {
        for (size_t i = 0; i < hst_encoding_count(e); i++) printf("%s%d", i ? " " : "", hst_encoding_ids(e)[i]);
        putchar('\n');
    } else
        print_table(t, e, text);
    return HST_STATUS_OK;
}

static hst_status tokenize_stream(const hst_tokenizer *t, const tokenize_options *o, hst_encoding *e, hst_error *err) {
    texts_reader reader = {.from = stdin, .name = "standard input"};
    texts_chunk chunk = {0};
    hst_status status;
    while ((status = texts_read(&reader, &chunk, 1024, err)) == HST_STATUS_OK && chunk.n > 0)
        for (size_t i = 0; i < chunk.n && status == HST_STATUS_OK; i++)
            status = tokenize(t, o, e, chunk.texts[i], chunk.pairs[i].data ? &chunk.pairs[i] : NULL, err);
    texts_chunk_free(&chunk);
    texts_reader_free(&reader);
    return status;
}

static int run(int argc, char **argv) {
    static const struct option options[] = {{"model", 1, 0, 'm'},
                                            {"ids", 0, 0, 'i'},
                                            {"json", 0, 0, 'j'},
                                            {"table", 0, 0, 't'},
                                            {"max-length", 1, 0, 'l'},
                                            {"no-special", 0, 0, 's'},
                                            {0}};
    tokenize_options o = {.json = !isatty(STDOUT_FILENO)};
    cli_given given = {0};
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, ":m:", options, NULL)) != -1;) {
        if (c == 'm')
            o.model = optarg;
        else if (c == 'i')
            o.plain = true, o.json = false;
        else if (c == 'j')
            o.json = true;
        else if (c == 't')
            o.json = o.plain = false;
        else if (c == 's')
            o.no_special = true;
        else if (c != 'l' || !cli_number(optarg, 1, 1 << 30, true, &o.max_length))
            return cli_bad_option("tokenize", options, c, argv);
        given.code[c] = true;
    }
    bool stream = optind == argc || strcmp(argv[optind], "-") == 0;
    if (optind == argc && isatty(STDIN_FILENO)) return cli_usage("tokenize", "no text given");
    if (stream && argc - optind > 1) return cli_usage("tokenize", "'-' (standard input) and texts do not go together");
    if (given.code['i'] + given.code['j'] + given.code['t'] > 1)
        return cli_usage("tokenize", "--table, --json and --ids are three forms: give one of them");
    if (!o.model && !(o.model = cli_embedded_model())) return cli_no_embedded_model("tokenize");

    hst_error err = {0};
    hst_tokenizer *t;
    if (hst_tokenizer_load(o.model, NULL, &t, &err) != HST_STATUS_OK) return cli_failed(&err);
    hst_encoding *e = NULL;
    hst_status status = hst_encoding_new(NULL, &e, &err);
    if (stream && status == HST_STATUS_OK) status = tokenize_stream(t, &o, e, &err);
    for (int i = optind; i < argc && !stream && status == HST_STATUS_OK; i++)
        status = tokenize(t, &o, e, (hst_string){argv[i], strlen(argv[i])}, NULL, &err);
    hst_encoding_free(e);
    hst_tokenizer_free(t);
    return status == HST_STATUS_OK ? EXIT_SUCCESS : cli_failed(&err);
}

HST_COMMAND(tokenize) = {
    .name = "tokenize",
    .summary = "show the tokens of texts",
    .order = 4,
    .run = run,
    .help =
        "usage: hasten tokenize [OPTION…] TEXT…|-\n\n"
        "  -m, --model PATH    folder with tokenizer.json or vocab.txt, that file, or an engine file; default: the\n"
        "                      embedded model's\n"
        "      --table         a token a line with id and the text it covers (default on a terminal)\n"
        "      --json          one object a text: ids, tokens, offsets in bytes (default elsewhere)\n"
        "      --ids           the ids alone, one text a line\n"
        "      --max-length N  cut to N tokens (default: no cut)\n"
        "      --no-special    without [CLS], [SEP] …\n\n"
        "  hasten tokenize \"Unaffable.\"\n"};
