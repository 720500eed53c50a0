/* Setting up and running what is timed. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define LENGTHS_MOST 4096      /* sequences */
#define LENGTH_MOST  (1 << 20) /* tokens of one */

double bench_peak_memory(void) {
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    double kilobytes = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %lf kB", &kilobytes) == 1) break;
    if (f) fclose(f);
    return kilobytes * 1024;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void bench_sort(uint64_t *times, size_t n) {
    qsort(times, n, sizeof *times, compare);
}

double bench_percentile(const uint64_t *sorted, size_t n, double share) {
    size_t rank = (size_t)(share * (double)n + 0.999999);
    return (double)sorted[rank ? rank - 1 : 0] / 1e6;
}

hst_status bench_open_text(bench_subject *s, const char *model, const char *task, const char *text,
                           const cli_load *load, hst_error *err) {
    hst_task_options options = HST_INIT(hst_task_options);
    options.model = &load->model;
    options.session = &load->session;
    uint64_t begin = hst_clock_ns();
    HST_TRY(hst_task_open(model, task, &options, &s->task, err));
    s->load_ns = hst_clock_ns() - begin;
    s->text = (hst_string){text, strlen(text)};
    hst_result *result;
    HST_TRY(hst_task_run_texts(s->task, 1, &s->text, NULL, NULL, &result, err));
    s->tokens = hst_result_tokens(result, 0);
    hst_result_free(result);
    snprintf(s->description, sizeof s->description, "%s, 1 text of %zu tokens", hst_task_name(s->task), s->tokens);
    /* The run above was to count tokens: the first run is timed on a task of its own. */
    hst_task_free(s->task);
    s->task = NULL;
    return hst_task_open(model, task, &options, &s->task, err);
}

static int64_t size_lengths[LENGTHS_MOST]; /* of the size that was read last */

/* "8x32" or "6,9,12"; false where it is neither. */
static bool read_size(const char *size, int64_t *lengths, int *batch, int64_t *longest) {
    long long b, n;
    char rest;
    *batch = 0;
    *longest = 0;
    if (sscanf(size, "%lldx%lld%c", &b, &n, &rest) == 2) {
        if (b < 1 || b > LENGTHS_MOST || n < 1 || n > LENGTH_MOST) return false;
        for (int i = 0; i < b; i++) lengths[i] = n;
        *batch = (int)b;
        *longest = n;
        return true;
    }
    for (const char *p = size; *batch < LENGTHS_MOST;) {
        char *end;
        n = strtoll(p, &end, 10);
        if (end == p || n < 1 || n > LENGTH_MOST || (*end && *end != ',')) return false;
        lengths[(*batch)++] = n;
        if (n > *longest) *longest = n;
        if (!*end) return true;
        p = end + 1;
    }
    return false;
}

/* Ids that any vocabulary has, masks of ones up to each length, zeros for the rest. */
static int64_t element(const char *name, int64_t row, int64_t column, const int64_t *lengths) {
    bool real = column < lengths[row];
    if (strstr(name, "mask")) return real;
    if (strstr(name, "input_ids")) return real ? 100 + (row * 31 + column * 17) % 800 : 0;
    if (strstr(name, "position")) return column;
    return 0;
}

static hst_status make_input(bench_subject *s, const hst_value_info *info, const int64_t *lengths, int batch,
                             int64_t longest, hst_error *err) {
    if (info->rank != 2 || (info->dtype != HST_DTYPE_S64 && info->dtype != HST_DTYPE_S32) || s->inputs == BENCH_INPUTS)
        return error_set(err, HST_STATUS_UNSUPPORTED, info->name,
                         "input '%s' is not s64 or s32 [batch, sequence]: --size can only make token ids and masks",
                         info->name);
    const int64_t dims[2] = {batch, longest};
    HST_TRY(hst_tensor_new(info->dtype, 2, dims, NULL, &s->in[s->inputs], err));
    void *data = hst_tensor_data(s->in[s->inputs]);
    for (int64_t i = 0; i < batch * longest; i++) {
        int64_t x = element(info->name, i / longest, i % longest, lengths);
        if (info->dtype == HST_DTYPE_S64)
            ((int64_t *)data)[i] = x;
        else
            ((int32_t *)data)[i] = (int32_t)x;
    }
    s->names[s->inputs++] = info->name;
    return HST_STATUS_OK;
}

static void drop_inputs(bench_subject *s) {
    for (size_t i = 0; i < s->inputs; i++) hst_tensor_free(s->in[i]);
    s->inputs = s->tokens = 0;
}

hst_status bench_open_model(bench_subject *s, const char *model, const cli_load *load, hst_error *err) {
    uint64_t begin = hst_clock_ns();
    HST_TRY(hst_model_load(model, &load->model, &s->model, err));
    HST_TRY(hst_session_new(s->model, &load->session, &s->session, err));
    s->load_ns = hst_clock_ns() - begin;
    return HST_STATUS_OK;
}

bool bench_is_size(const char *command_name, const char *size, int *code) {
    int64_t longest;
    int batch;
    if (read_size(size, size_lengths, &batch, &longest)) return true;
    *code = cli_usage(command_name, "'%s' is no size such as 8x32 or 6,9,12, of at most %d sequences of %d tokens",
                      size, LENGTHS_MOST, LENGTH_MOST);
    return false;
}

hst_status bench_set_size(bench_subject *s, const char *size, hst_error *err) {
    int64_t longest;
    int batch;
    drop_inputs(s);
    if (!read_size(size, size_lengths, &batch, &longest))
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL, "'%s' is no size such as 8x32 or 6,9,12", size);
    for (size_t i = 0; i < hst_model_input_count(s->model); i++)
        HST_TRY(make_input(s, hst_model_input(s->model, i), size_lengths, batch, longest, err));
    for (int i = 0; i < batch; i++) s->tokens += (size_t)size_lengths[i];
    snprintf(s->description, sizeof s->description, "made-up ids [%d, %lld], %zu tokens", batch, (long long)longest,
             s->tokens);
    return HST_STATUS_OK;
}

static hst_status run_session(bench_subject *s, const hst_run_options *options, hst_error *err) {
    hst_tensor *out[BENCH_INPUTS] = {0};
    size_t n = hst_model_output_count(s->model);
    if (n > BENCH_INPUTS) n = BENCH_INPUTS;
    const char *names[BENCH_INPUTS];
    for (size_t i = 0; i < n; i++) names[i] = hst_model_output(s->model, i)->name;
    HST_TRY(hst_session_run(s->session, s->inputs, s->names, (const hst_tensor *const *)s->in, n, names, out, options,
                            err));
    for (size_t i = 0; i < n; i++) hst_tensor_free(out[i]);
    return HST_STATUS_OK;
}

hst_status bench_once(bench_subject *s, const hst_run_options *options, uint64_t *ns, hst_error *err) {
    uint64_t begin = hst_clock_ns();
    if (s->session) {
        HST_TRY(run_session(s, options, err));
    } else {
        hst_result *result;
        HST_TRY(hst_task_run_texts(s->task, 1, &s->text, NULL, options, &result, err));
        hst_result_free(result);
    }
    *ns = hst_clock_ns() - begin;
    return HST_STATUS_OK;
}

void bench_close(bench_subject *s) {
    drop_inputs(s);
    hst_session_free(s->session);
    hst_model_free(s->model);
    hst_task_free(s->task);
}
