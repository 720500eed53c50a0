/* What `hasten bench` times: a task on one text, or a model's session on made-up token ids. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "cli.h"

#define BENCH_INPUTS 8

typedef struct bench_subject {
    char description[96];
    size_t tokens; /* of one run, padding not counted */
    uint64_t load_ns, first_ns;
    /* private */
    hst_task *task;
    hst_string text;
    hst_model *model;
    hst_session *session;
    size_t inputs;
    hst_tensor *in[BENCH_INPUTS];
    const char *names[BENCH_INPUTS];
} bench_subject;

hst_status bench_open_text(bench_subject *s, const char *model, const char *task, const char *text,
                           const cli_load *load, hst_error *err);
/* A model, to be run on sizes: "8x32", or lengths "6,9,12". Another size may follow. */
hst_status bench_open_model(bench_subject *s, const char *model, const cli_load *load, hst_error *err);
/* Whether it is such a size, of at most 4,096 sequences of 1,048,576 tokens; else says so as cli_usage, in *code. */
bool bench_is_size(const char *command, const char *size, int *code);
hst_status bench_set_size(bench_subject *s, const char *size, hst_error *err);
/* One run; its time in *ns. `options` NULL: none. */
hst_status bench_once(bench_subject *s, const hst_run_options *options, uint64_t *ns, hst_error *err);
void bench_close(bench_subject *s);
/* The most memory that the process ever held, in bytes (0: unknown). */
double bench_peak_memory(void);
/* The time below which `share` of the sorted runs lie (nearest rank), in milliseconds. */
double bench_percentile(const uint64_t *sorted, size_t n, double share);
void bench_sort(uint64_t *times, size_t n);
/* Answers the lines of standard input, one JSON object a line, until it ends: "SIZE SECONDS" with the times of runs on
 * that size, "machine SECONDS" with what the machine gives now. For programs that time several engines in turn. */
int bench_serve(bench_subject *s);

#endif
