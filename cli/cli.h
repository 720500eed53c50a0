/* What a command of the `hasten` program is, and what the commands share. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <getopt.h>
#include <stdio.h>

#include "hasten.h"

#define EXIT_FAILED 1
#define EXIT_USAGE  2

typedef struct command {
    const char *name, *summary; /* one line for `hasten --help` */
    const char *help;           /* a screen for `hasten NAME --help` */
    /* argv[0] is the command's name. Returns the exit code: 0, 1 (failed), 2 (usage). */
    int (*run)(int argc, char **argv);
    int order; /* in `hasten --help` */
} command;

#define HST_COMMAND(id)                                                                                                \
    extern const command command_##id;                                                                                 \
    const command command_##id

extern const command *const all_commands[];
extern const int all_commands_count;

/* Says on stderr what failed: "hasten: <message>"; returns EXIT_FAILED. */
int cli_failed(const hst_error *err);
/* Says what is wrong with the command line and how to get help; returns EXIT_USAGE. */
int cli_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says what is wrong with the option that getopt_long, given ":" before its short options, has just returned as `code`:
 * unknown, without its value, with one that it does not take, or (any other code) with one that it does not know.
 * Returns EXIT_USAGE. */
int cli_bad_option(const char *command, const struct option *options, int code, char **argv);
/* A whole number in [low, high], with an optional k, M or G behind it where `units`; false where it is not one. */
bool cli_number(const char *text, long long low, long long high, bool units, long long *out);
/* How a model is loaded and run: long options that commands share. A command puts CLI_LOAD_OPTIONS into its table,
 * starts from cli_load_init, and gives cli_load_option whatever code is CLI_LOAD_FIRST or more; false: no such value.
 */
typedef struct cli_load {
    hst_model_options model;
    hst_session_options session;
} cli_load;
enum {
    CLI_LOAD_FIRST = 1000,
    CLI_LOAD_QUANTIZE = CLI_LOAD_FIRST,
    CLI_LOAD_WEIGHTS,
    CLI_LOAD_PADDED_ROWS,
    CLI_LOAD_END
};
// clang-format off
#define CLI_LOAD_OPTIONS {"quantize", 1, 0, CLI_LOAD_QUANTIZE}, {"weights", 1, 0, CLI_LOAD_WEIGHTS}
// clang-format on
/* Only where a session's own outputs are looked at: a task shows no padding row, an engine file knows none. */
#define CLI_PADDED_ROWS_OPTION                                                                                         \
    { "padded-rows", 1, 0, CLI_LOAD_PADDED_ROWS }
void cli_load_init(cli_load *l);
bool cli_load_option(cli_load *l, int code, const char *value);
/* Which options stand on a command line, by their codes of 1 to CLI_LOAD_END - 1: for refusing those that would be
 * ignored. */
typedef struct cli_given {
    bool code[CLI_LOAD_END];
} cli_given;
/* Where option `mode` and one of `others` (codes, ended by 0) are both given: says that `mode` "<why>, so <other> would
 * be ignored" and returns EXIT_USAGE; else 0. */
int cli_refuse_beside(const char *command, const struct option *options, const cli_given *given, int mode,
                      const char *why, const int *others);
/* The folder of the embedded model: under $HASTEN_MODELS, else beside or above the program; NULL where it is not there.
 * Lives as long as the program. */
const char *cli_embedded_model(void);
/* Says that it is not there, where it was looked for, and what to do; returns EXIT_USAGE. */
int cli_no_embedded_model(const char *command);
/* Columns that text takes on a terminal (UTF-8; wide and combining characters counted as they are shown). */
int cli_text_columns(const char *text, size_t size);
/* Width of the terminal behind a stream, or 0 where it is none. */
int cli_terminal_width(FILE *stream);
/* Prints text in at most `columns` columns, control characters as spaces, cut with "…"; pads to the width with `pad`.
 */
void cli_print_cut(FILE *to, const char *text, size_t size, int columns, bool pad);
/* SIGINT sets this flag: for hst_run_options.cancel. */
const int *cli_cancel_flag(void);

#endif
