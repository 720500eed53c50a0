/* `hasten`: finds the command and runs it. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void print_help(FILE *to) {
    fprintf(to, "hasten runs trained Transformers: a checkpoint or an ONNX file goes in, an answer comes out.\n\n"
                "usage: hasten COMMAND [OPTION…] [ARGUMENT…]\n\n");
    for (int order = 0; order < 100; order++)
        for (int i = 0; i < all_commands_count; i++)
            if (all_commands[i]->order == order)
                fprintf(to, "  %-10s %s\n", all_commands[i]->name, all_commands[i]->summary);
    fprintf(to, "\n`hasten COMMAND --help` explains a command, `hasten --version` tells the version. Try:\n"
                "  hasten run \"What a wonderful film.\"\n"
                "Exit codes: 0 done, 1 failed, 2 wrong usage.\n\n"
                "HST_CPU=LEVEL        lowers the instruction set: `hasten list kernels` names the levels\n"
                "HASTEN_LOG=LEVEL     error, warning (default), info or debug, on standard error\n"
                "HASTEN_MODELS=FOLDER where the embedded model lies: FOLDER/sentiment\n");
}

static const command *find(const char *name) {
    for (int i = 0; i < all_commands_count; i++)
        if (strcmp(all_commands[i]->name, name) == 0) return all_commands[i];
    return NULL;
}

/* --help is an option of every command, wherever it stands before "--". */
static bool wants_help(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

static void log_to_stderr(void *user, hst_log_level level, const char *message) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    (void)user;
    fprintf(stderr, "hasten: %s: %s\n", names[level], message);
}

/* False: HASTEN_LOG names no level. */
static bool start_log(void) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    const char *wanted = getenv("HASTEN_LOG");
    int level = wanted && *wanted ? 0 : HST_LOG_WARNING;
    if (wanted && *wanted)
        while (level < 4 && strcmp(wanted, names[level]) != 0) level++;
    if (level < 4) hst_log_set(log_to_stderr, NULL, (hst_log_level)level);
    return level < 4;
}

/* What stands on standard output is all there, or the command failed. */
static int flushed(int code) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    fprintf(stderr, "hasten: the output could not be written\n");
    return code ? code : EXIT_FAILED;
}

int main(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : flushed(EXIT_SUCCESS);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("hasten %s\n", hst_version());
        return flushed(EXIT_SUCCESS);
    }
    if (strcmp(argv[1], "help") == 0 && argc == 2) {
        print_help(stdout);
        return flushed(EXIT_SUCCESS);
    }
    if (strcmp(argv[1], "help") == 0 && argc == 3) {
        static char help[] = "--help";
        argv[1] = argv[2];
        argv[2] = help;
    }
    const command *c = find(argv[1]);
    if (!c) {
        fprintf(stderr, "hasten: there is no command '%s'; `hasten --help` lists them\n", argv[1]);
        return EXIT_USAGE;
    }
    if (wants_help(argc - 1, argv + 1)) {
        fputs(c->help, stdout);
        return flushed(EXIT_SUCCESS);
    }
    if (!start_log()) {
        fprintf(stderr, "hasten: HASTEN_LOG is '%s'; it is error, warning, info or debug\n", getenv("HASTEN_LOG"));
        return EXIT_USAGE;
    }
    return flushed(c->run(argc - 1, argv + 1));
}
