/* Results: access, and JSON. */
#include "tasks/result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text_buffer.h"

hst_status task_row_reserve(task_row *row, size_t n, hst_error *err) {
    row->answers = calloc(n ? n : 1, sizeof *row->answers);
    row->n_answers = n;
    return row->answers ? HST_STATUS_OK : error_no_memory(err, n * sizeof *row->answers, "the answers");
}

void hst_result_free(hst_result *r) {
    if (!r) return;
    for (size_t i = 0; i < r->n; i++) {
        free(r->rows[i].answers);
        hst_tensor_free(r->rows[i].tensor);
        if (r->encodings) hst_encoding_free(r->encodings[i]);
    }
    free(r->rows);
    free(r->encodings);
    free(r);
}

size_t hst_result_count(const hst_result *r) {
    return r->n;
}

size_t hst_result_tokens(const hst_result *r, size_t i) {
    return i < r->n ? hst_encoding_count(r->encodings[i]) : 0;
}

size_t hst_result_answer_count(const hst_result *r, size_t i) {
    return i < r->n ? r->rows[i].n_answers : 0;
}

const hst_answer *hst_result_answer(const hst_result *r, size_t i, size_t k) {
    return i < r->n && k < r->rows[i].n_answers ? &r->rows[i].answers[k] : NULL;
}

const hst_tensor *hst_result_tensor(const hst_result *r, size_t i) {
    return i < r->n ? r->rows[i].tensor : NULL;
}

static void add_string(text_buffer *b, const char *text) {
    text_buffer_add_string(b, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            text_buffer_format(b, "\\%c", c);
        else if (c < 0x20)
            text_buffer_format(b, "\\u%04x", c);
        else
            text_buffer_add(b, text, 1);
    }
    text_buffer_add_string(b, "\"");
}

/* The shortest form that reads back as the same f32. JSON has no NaN and no infinities. */
static void add_number(text_buffer *b, float x) {
    char text[32];
    if (!isfinite(x)) {
        text_buffer_add_string(b, "null");
        return;
    }
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)x);
        if (strtof(text, NULL) == x) break;
    }
    text_buffer_add_string(b, text);
}

static void add_answers(text_buffer *b, const task_row *row) {
    bool list = row->many || row->n_answers != 1;
    if (list) text_buffer_add_string(b, "[");
    for (size_t k = 0; k < row->n_answers; k++) {
        text_buffer_add_string(b, k ? ", {\"label\": " : "{\"label\": ");
        add_string(b, row->answers[k].label);
        text_buffer_add_string(b, ", \"score\": ");
        add_number(b, row->answers[k].score);
        text_buffer_add_string(b, "}");
    }
    if (list) text_buffer_add_string(b, "]");
}

static void add_tensor(text_buffer *b, const hst_tensor *t) {
    const float *data = hst_tensor_view(t);
    int64_t count = hst_tensor_count(t), width = count;
    bool matrix = hst_tensor_rank(t) == 2;
    if (matrix) width = hst_tensor_dims(t)[1];
    text_buffer_add_string(b, matrix ? "[[" : "[");
    for (int64_t i = 0; i < count; i++) {
        if (i) text_buffer_add_string(b, i % width ? ", " : "], [");
        add_number(b, data[i]);
    }
    text_buffer_add_string(b, matrix ? "]]" : "]");
}

hst_status hst_result_json(const hst_result *r, size_t i, char **json, hst_error *err) {
    text_buffer b = {0};
    if (!r || !json) return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL, "result or json is NULL");
    if (i >= r->n) return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL, "there is no text %zu of %zu", i, r->n);
    if (r->rows[i].tensor)
        add_tensor(&b, r->rows[i].tensor);
    else
        add_answers(&b, &r->rows[i]);
    *json = text_buffer_take(&b);
    return *json ? HST_STATUS_OK : error_no_memory(err, 0, "JSON text");
}
