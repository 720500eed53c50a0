/* What `hasten bench` times: a task on one text, or a model's session on made-up token ids. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "hasten.h"

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

hst_status bench_open_text(bench_subject *s, const char *model, const char *task, const char *text, hst_error *err);
hst_status bench_open_size(bench_subject *s, const char *model, const char *size, hst_error *err);
/* One run; its time in *ns. */
hst_status bench_once(bench_subject *s, uint64_t *ns, hst_error *err);
void bench_close(bench_subject *s);
/* The most memory that the process ever held, in bytes (0: unknown). */
double bench_peak_memory(void);

#endif
