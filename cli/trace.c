/* Collecting profile events, and writing them as Chrome trace JSON: one complete event ("ph": "X") a step,
 * microseconds. */
#include "trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define EVENTS_MOST ((size_t)1 << 22)

void trace_event(void *user, const hst_profile_event *event) {
    trace *t = user;
    if (t->n == t->capacity) {
        size_t wanted = t->capacity ? 2 * t->capacity : 1024;
        hst_profile_event *more = wanted <= EVENTS_MOST ? realloc(t->events, wanted * sizeof *more) : NULL;
        if (!more) {
            t->failed = true;
            return;
        }
        t->events = more;
        t->capacity = wanted;
    }
    t->events[t->n++] = *event;
}

void trace_type(const hst_type *type, char *to, size_t size) {
    size_t at = (size_t)snprintf(to, size, "%s[", hst_dtype_name(type->dtype));
    for (int k = 0; k < type->rank && at < size; k++)
        at += (size_t)snprintf(to + at, size - at, "%s%lld", k ? ", " : "", (long long)type->dims[k]);
    if (at < size) snprintf(to + at, size - at, "]");
}

/* A name of a model as JSON: it need not be UTF-8. */
static json_t *text(const char *s) {
    json_t *j = json_string(s);
    return j ? j : json_string("?");
}

static json_t *type_json(const hst_type *type) {
    char to[512];
    trace_type(type, to, sizeof to);
    return json_string(to);
}

static json_t *event_json(const hst_profile_event *e, uint64_t origin, size_t run) {
    json_t *args = json_pack("{so ss so so sI sI sI sI sI}", "node", text(e->node), "kernel", e->kernel, "input",
                             type_json(&e->input), "output", type_json(&e->output), "run", (json_int_t)run, "step",
                             (json_int_t)e->step, "macs", (json_int_t)e->macs, "weight_bytes",
                             (json_int_t)e->weight_bytes, "moved_bytes", (json_int_t)e->moved_bytes);
    return json_pack("{so so ss sf sf si si so}", "name", text(e->op_type), "cat",
                     text(*e->domain ? e->domain : "ai.onnx"), "ph", "X", "ts", (double)(e->begin_ns - origin) / 1e3,
                     "dur", (double)(e->end_ns - e->begin_ns) / 1e3, "pid", 1, "tid", 1, "args", args);
}

static bool write_events(const trace *t, FILE *to) {
    size_t run = 0;
    fputs("{\"displayTimeUnit\": \"ms\", \"traceEvents\": [", to);
    for (size_t i = 0; i < t->n; i++) {
        if (i && t->events[i].step <= t->events[i - 1].step) run++;
        json_t *e = event_json(&t->events[i], t->events[0].begin_ns, run);
        fputs(i ? ",\n" : "\n", to);
        if (!e || json_dumpf(e, to, JSON_COMPACT | JSON_REAL_PRECISION(12)) != 0) return false;
        json_decref(e);
    }
    fputs("\n]}\n", to);
    return !ferror(to);
}

hst_status trace_write(const trace *t, const char *path, hst_error *err) {
    if (t->failed) return error_no_memory(err, 0, "the profile");
    FILE *to = fopen(path, "we");
    if (!to) return error_set(err, HST_STATUS_IO, path, "'%s' cannot be written: %s", path, strerror(errno));
    bool ok = write_events(t, to);
    if (fclose(to) != 0 || !ok)
        return error_set(err, HST_STATUS_IO, path, "writing '%s' failed: %s", path, strerror(errno));
    return HST_STATUS_OK;
}

void trace_free(trace *t) {
    free(t->events);
    *t = (trace){0};
}
