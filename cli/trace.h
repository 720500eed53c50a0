/* What the steps of runs did, collected while they run: as a file in Chrome's trace format, or summed up by step. */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include <jansson.h>

#include "hasten.h"

typedef struct trace {
    hst_profile_event *events;
    size_t n, capacity;
    bool failed; /* no memory: events are missing */
} trace;

/* hst_run_options.profile; `user` is a trace. Texts are lent: the model must live as long. */
void trace_event(void *user, const hst_profile_event *event);
/* Writes {"traceEvents": […]}, as chrome://tracing and Perfetto open it. */
hst_status trace_write(const trace *t, const char *path, hst_error *err);
/* "f32[2, 8, 384]" */
void trace_type(const hst_type *type, char *to, size_t size);
void trace_free(trace *t);

#endif
