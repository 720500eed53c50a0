/* What a command of the `hasten` program is. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "hasten.h"

typedef struct command {
    const char *name, *summary; /* one line for `hasten --help` */
    const char *help;           /* a screen for `hasten NAME --help` */
    /* argv[0] is the command's name. Returns the exit code: 0, 1 (failed), 2 (usage). */
    int (*run)(int argc, char **argv);
} command;

#define HST_COMMAND(id) extern const command command_##id; const command command_##id

extern const command *const command_list[];
extern const int command_list_count;

#endif
