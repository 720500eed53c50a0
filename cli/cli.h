/* What a command of the `hasten` program is, and what the commands share. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

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
/* A whole number in [low, high], with an optional k, M or G behind it where `units`; false where it is not one. */
bool cli_number(const char *text, long long low, long long high, bool units, long long *out);
/* How a model is loaded and run: long options that commands share. A command puts CLI_LOAD_OPTIONS into its table,
 * starts from cli_load_init, and gives cli_load_option whatever code is CLI_LOAD_FIRST or more; false: no such value.
 */
typedef struct cli_load {
    hst_model_options model;
    hst_session_options session;
} cli_load;
enum { CLI_LOAD_FIRST = 1000, CLI_LOAD_PADDED_ROWS = CLI_LOAD_FIRST, CLI_LOAD_QUANTIZE, CLI_LOAD_WEIGHTS };
// clang-format off
#define CLI_LOAD_OPTIONS {"padded-rows", 1, 0, CLI_LOAD_PADDED_ROWS}, {"quantize", 1, 0, CLI_LOAD_QUANTIZE}, {"weights", 1, 0, CLI_LOAD_WEIGHTS}
// clang-format on
void cli_load_init(cli_load *l);
bool cli_load_option(cli_load *l, int code, const char *value);
/* The folder of the embedded model: under $HASTEN_MODELS, or beside or above the program. "" where it is not found.
 * Lives as long as the program. */
const char *cli_embedded_model(void);
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
