/* Running a task: texts become tokens, are sorted by length and cut into runs of a bounded number of padded tokens;
 * each row of the output goes to the kind of task. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/options.h"
#include "tasks/result.h"

typedef struct batch {
    const hst_task *task;
    hst_result *result;
    size_t *order;       /* texts by number of tokens */
    hst_run_options run; /* of each session run: no progress of its own */
    const hst_run_options *options;
    hst_tensor *in[TASK_INPUTS];
} batch;

static hst_status tokenise(const hst_task *t, hst_result *r, const hst_string *texts, const hst_string *pairs,
                           hst_error *err) {
    hst_encode_options o = HST_INIT(hst_encode_options);
    o.max_length = t->max_length;
    o.padding = HST_PADDING_NONE;
    size_t cut = 0;
    for (size_t i = 0; i < r->n; i++) {
        bool pair = pairs && pairs[i].data;
        r->rows[i].text = texts[i];
        if (pair) r->rows[i].pair = pairs[i];
        HST_TRY(hst_encoding_new(NULL, &r->encodings[i], err));
        HST_TRY(hst_tokenizer_encode(t->tokenizer, texts[i], pair ? &pairs[i] : NULL, &o, r->encodings[i], err));
        r->rows[i].encoding = r->encodings[i];
        cut += hst_encoding_window_count(r->encodings[i]) > 1;
    }
    if (cut)
        log_write(LOG_WARNING, "%zu of %zu texts are longer than %zu tokens: the rest was cut off", cut, r->n,
                  t->max_length);
    return HST_STATUS_OK;
}

typedef struct length_of {
    size_t tokens, text;
} length_of;

static int by_length(const void *a, const void *b) {
    const length_of *x = a, *y = b;
    if (x->tokens != y->tokens) return x->tokens < y->tokens ? -1 : 1;
    return x->text < y->text ? -1 : 1;
}

static hst_status sort_by_length(batch *b, hst_error *err) {
    size_t n = b->result->n;
    length_of *lengths = malloc((n + 1) * sizeof *lengths);
    b->order = malloc((n + 1) * sizeof *b->order);
    if (!lengths || !b->order) {
        free(lengths);
        return error_no_memory(err, n * sizeof *lengths, "the order of the texts");
    }
    for (size_t i = 0; i < n; i++) lengths[i] = (length_of){hst_result_tokens(b->result, i), i};
    qsort(lengths, n, sizeof *lengths, by_length);
    for (size_t i = 0; i < n; i++) b->order[i] = lengths[i].text;
    free(lengths);
    return HST_STATUS_OK;
}

static int64_t feed_element(const hst_task *t, task_feed feed, const hst_encoding *e, size_t k) {
    bool real = k < hst_encoding_count(e);
    switch (feed) {
    case FEED_IDS:
        return real ? hst_encoding_ids(e)[k] : t->pad_id;
    case FEED_MASK:
        return real;
    case FEED_TYPES:
        return real ? hst_encoding_type_ids(e)[k] : 0;
    case FEED_POSITIONS:
        return (int64_t)k;
    }
    return 0;
}

/* Input `k` for texts order[first … first + n): [batch, width], rows beyond n repeat the last text. */
static hst_status make_input(batch *b, size_t k, size_t first, size_t n, int64_t rows, int64_t width, hst_error *err) {
    const hst_task *t = b->task;
    const int64_t dims[2] = {rows, width};
    HST_TRY(hst_tensor_new(HST_DTYPE_S64, 2, dims, NULL, &b->in[k], err));
    int64_t *to = hst_tensor_data(b->in[k]);
    for (int64_t row = 0; row < rows; row++) {
        size_t text = b->order[first + ((size_t)row < n ? (size_t)row : n - 1)];
        const hst_encoding *e = b->result->rows[text].encoding;
        for (int64_t i = 0; i < width; i++) *to++ = feed_element(t, t->inputs[k].feed, e, (size_t)i);
    }
    hst_dtype wanted = t->inputs[k].info->dtype;
    if (wanted == HST_DTYPE_S64 || wanted == HST_DTYPE_NONE) return HST_STATUS_OK;
    hst_tensor *converted;
    HST_TRY(hst_tensor_convert(b->in[k], wanted, &converted, err));
    hst_tensor_free(b->in[k]);
    b->in[k] = converted;
    return HST_STATUS_OK;
}

static hst_status answer_rows(batch *b, const hst_tensor *output, size_t first, size_t n, hst_error *err) {
    const hst_task *t = b->task;
    hst_tensor *converted = NULL;
    if (hst_tensor_dtype(output) != HST_DTYPE_F32) {
        HST_TRY(hst_tensor_convert(output, HST_DTYPE_F32, &converted, err));
        output = converted;
    }
    hst_status status = HST_STATUS_OK;
    if (hst_tensor_rank(output) < 1 || hst_tensor_dims(output)[0] < (int64_t)n)
        status = error_set(err, HST_STATUS_BAD_SHAPE, t->output->name, "output '%s' has no row for each of %zu texts",
                           t->output->name, n);
    for (size_t i = 0; i < n && status == HST_STATUS_OK; i++) {
        task_row *row = &b->result->rows[b->order[first + i]];
        status = t->kind->answer(t, output, (int64_t)i, (int64_t)hst_encoding_count(row->encoding), row, err);
    }
    hst_tensor_free(converted);
    return status;
}

static hst_status run_batch(batch *b, size_t first, size_t n, hst_error *err) {
    const hst_task *t = b->task;
    const char *names[TASK_INPUTS];
    hst_tensor *output = NULL;
    int64_t width = (int64_t)hst_result_tokens(b->result, b->order[first + n - 1]);
    if (t->fixed_length > 0) width = t->fixed_length;
    int64_t rows = t->fixed_batch > 0 ? t->fixed_batch : (int64_t)n;
    hst_status status = HST_STATUS_OK;
    for (size_t k = 0; k < t->n_inputs && status == HST_STATUS_OK; k++) {
        names[k] = t->inputs[k].info->name;
        status = make_input(b, k, first, n, rows, width, err);
    }
    if (status == HST_STATUS_OK)
        status = hst_session_run(t->session, t->n_inputs, names, (const hst_tensor *const *)b->in, 1, &t->output->name,
                                 &output, &b->run, err);
    if (status == HST_STATUS_OK) status = answer_rows(b, output, first, n, err);
    hst_tensor_free(output);
    for (size_t k = 0; k < t->n_inputs; k++) {
        hst_tensor_free(b->in[k]);
        b->in[k] = NULL;
    }
    return status;
}

/* How many texts from `first` on go into one run: their number times the longest stays within the budget. */
static size_t batch_length(const batch *b, size_t first) {
    const hst_task *t = b->task;
    size_t n = 1, most = t->fixed_batch > 0 ? (size_t)t->fixed_batch : SIZE_MAX;
    while (first + n < b->result->n && n < most) {
        size_t width =
            t->fixed_length > 0 ? (size_t)t->fixed_length : hst_result_tokens(b->result, b->order[first + n]);
        if (width && n + 1 > t->batch_tokens / width) break;
        n++;
    }
    return n;
}

static hst_status run_all(batch *b, const hst_string *texts, const hst_string *pairs, hst_error *err) {
    HST_TRY(tokenise(b->task, b->result, texts, pairs, err));
    HST_TRY(sort_by_length(b, err));
    for (size_t first = 0, n; first < b->result->n; first += n) {
        n = batch_length(b, first);
        HST_TRY(run_batch(b, first, n, err));
        if (b->options && b->options->progress)
            b->options->progress(b->options->progress_user, first + n, b->result->n);
    }
    return HST_STATUS_OK;
}

hst_status hst_task_run_texts(hst_task *task, size_t n, const hst_string *texts, const hst_string *pairs,
                              const hst_run_options *options, hst_result **out, hst_error *err) {
    if (!task || !out || (n && !texts))
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL, "a task's run needs a task, texts and a place");
    hst_run_options known;
    HST_TRY(options_read(&known, sizeof known, options, "hst_run_options", err));
    hst_result *r = calloc(1, sizeof *r);
    if (!r) return error_no_memory(err, sizeof *r, "the results");
    r->rows = calloc(n + 1, sizeof *r->rows);
    r->encodings = calloc(n + 1, sizeof *r->encodings);
    hst_status status = HST_STATUS_OK;
    batch b = {.task = task, .result = r, .run = known, .options = &known};
    b.run.progress = NULL;
    if (r->rows && r->encodings) {
        r->n = n;
        status = run_all(&b, texts, pairs, err);
    } else
        status = error_no_memory(err, n * sizeof *r->rows, "the results");
    free(b.order);
    if (status == HST_STATUS_OK)
        *out = r;
    else
        hst_result_free(r);
    return status;
}
