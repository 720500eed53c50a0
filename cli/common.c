/* What the commands share: messages, numbers, the embedded model, text on terminals. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utf8proc.h>

#include "cli.h"

/* Messages quote what they name; a bare word may be there by chance: a file called "file". */
static bool names(const char *message, const char *object) {
    size_t n = strlen(object);
    if (strncmp(message, object, n) == 0) return true;
    for (const char *at = message; (at = strstr(at, object)); at++)
        if (at[-1] == '\'' && at[n] == '\'') return true;
    return false;
}

int cli_failed(const hst_error *err) {
    const char *message = *err->message ? err->message : hst_status_name(err->code);
    bool named = *err->object && !names(message, err->object);
    fprintf(stderr, "hasten: %s%s%s\n", named ? err->object : "", named ? ": " : "", message);
    return EXIT_FAILED;
}

int cli_usage(const char *command_name, const char *format, ...) {
    va_list args;
    fprintf(stderr, "hasten %s: ", command_name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "; see `hasten %s --help`\n", command_name);
    return EXIT_USAGE;
}

bool cli_number(const char *text, long long low, long long high, bool units, long long *out) {
    char *end;
    errno = 0;
    long long x = strtoll(text, &end, 10), unit = 1;
    if (end == text || errno) return false;
    if (units && *end && !end[1]) {
        unit = *end == 'k' ? 1000 : *end == 'M' ? 1000000 : *end == 'G' ? 1000000000 : 0;
        end++;
    }
    if (*end || unit == 0 || __builtin_mul_overflow(x, unit, &x) || x < low || x > high) return false;
    *out = x;
    return true;
}

void cli_load_init(cli_load *l) {
    l->model = HST_INIT(hst_model_options);
    l->session = HST_INIT(hst_session_options);
}

bool cli_load_option(cli_load *l, int code, const char *value) {
    if (code == CLI_LOAD_PADDED_ROWS) {
        l->session.padded_rows = *value == 'z' ? HST_PADDED_ROWS_ZERO : HST_PADDED_ROWS_COMPUTE;
        return strcmp(value, "zero") == 0 || strcmp(value, "compute") == 0;
    }
    if (code == CLI_LOAD_QUANTIZE) {
        l->model.quantization = *value == 'i' ? HST_QUANTIZATION_INT8 : HST_QUANTIZATION_NONE;
        return strcmp(value, "int8") == 0 || strcmp(value, "none") == 0;
    }
    if (code == CLI_LOAD_WEIGHTS) {
        static const struct {
            const char *name;
            hst_dtype dtype;
        } known[] = {{"f32", HST_DTYPE_F32}, {"f16", HST_DTYPE_F16}, {"bf16", HST_DTYPE_BF16}};
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            if (strcmp(value, known[i].name) != 0) continue;
            l->model.weights = known[i].dtype;
            return true;
        }
    }
    return false;
}

/* NULL: there is no such option. */
static const char *name_of(const struct option *options, int code) {
    while (options->name && options->val != code) options++;
    return options->name;
}

int cli_bad_option(const char *command_name, const struct option *options, int code, char **argv) {
    const bool no_value = code == ':', unknown = code == '?';
    const char *name = name_of(options, no_value || unknown ? optopt : code);
    if (unknown && !name && optopt) return cli_usage(command_name, "'-%c' is no option", optopt);
    if (!name) return cli_usage(command_name, "'%s' is no option", argv[optind - 1]);
    if (no_value) return cli_usage(command_name, "--%s needs a value", name);
    if (unknown) return cli_usage(command_name, "--%s takes no value", name);
    return cli_usage(command_name, "'%s' is no value of --%s", optarg, name);
}

int cli_refuse_beside(const char *command_name, const struct option *options, const cli_given *given, int mode,
                      const char *why, const int *others) {
    if (!given->code[mode]) return 0;
    for (; *others; others++)
        if (given->code[*others])
            return cli_usage(command_name, "--%s %s, so --%s would be ignored: leave one of them out",
                             name_of(options, mode), why, name_of(options, *others));
    return 0;
}

static bool is_model(const char *folder) {
    char path[PATH_MAX];
    struct stat s;
    return snprintf(path, sizeof path, "%s/config.json", folder) < (int)sizeof path && stat(path, &s) == 0;
}

const char *cli_embedded_model(void) {
    static char found[PATH_MAX];
    static const char *const places[] = {"share/hasten/models/sentiment", "models/sentiment"};
    const char *named = getenv("HASTEN_MODELS");
    char program[PATH_MAX];
    if (named && *named)
        return snprintf(found, sizeof found, "%s/sentiment", named) < (int)sizeof found && is_model(found) ? found
                                                                                                           : NULL;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0) return NULL;
    program[n] = '\0';
    /* Installed: <prefix>/bin/hasten; built: <project>/build/<preset>/cli/hasten. */
    for (int up = 0; up < 4; up++) {
        char *slash = strrchr(program, '/');
        if (!slash) break;
        *slash = '\0';
        for (size_t i = 0; i < sizeof places / sizeof *places; i++)
            if (snprintf(found, sizeof found, "%s/%s", program, places[i]) < (int)sizeof found && is_model(found))
                return found;
    }
    return NULL;
}

int cli_no_embedded_model(const char *command_name) {
    const char *named = getenv("HASTEN_MODELS");
    if (named && *named)
        return cli_usage(command_name, "HASTEN_MODELS is '%s', which holds no model 'sentiment'; name a model with -m",
                         named);
    return cli_usage(command_name, "the embedded model was not found: name one with -m, or set HASTEN_MODELS");
}

/* Decodes one character; invalid bytes count as one column each. */
static int next_character(const char *text, size_t size, int *columns) {
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &c);
    if (n <= 0) {
        *columns = 1;
        return 1;
    }
    *columns = c < 0x20 || c == 0x7f ? 1 : utf8proc_charwidth(c);
    return (int)n;
}

int cli_text_columns(const char *text, size_t size) {
    int total = 0;
    for (size_t at = 0; at < size;) {
        int columns;
        at += (size_t)next_character(text + at, size - at, &columns);
        total += columns;
    }
    return total;
}

int cli_terminal_width(FILE *stream) {
    struct winsize w;
    if (!isatty(fileno(stream))) return 0;
    return ioctl(fileno(stream), TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

void cli_print_cut(FILE *to, const char *text, size_t size, int columns, bool pad) {
    bool cut = cli_text_columns(text, size) > columns;
    int most = cut ? columns - 1 : columns, used = 0;
    for (size_t at = 0; at < size;) {
        int width, n = next_character(text + at, size - at, &width);
        if (used + width > most) break;
        unsigned char first = (unsigned char)text[at];
        if (n == 1 && (first < 0x20 || first >= 0x7f))
            fputc(' ', to);
        else
            fwrite(text + at, 1, (size_t)n, to);
        used += width;
        at += (size_t)n;
    }
    if (cut && columns > 0) {
        fputs("…", to);
        used++;
    }
    for (; pad && used < columns; used++) fputc(' ', to);
}

static int cancelled;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    hst_cancel(&cancelled);
}

const int *cli_cancel_flag(void) {
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    return &cancelled;
}
