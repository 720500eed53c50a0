/* text-classification (sentiment-analysis): logits [batch, labels] become the best labels with their scores.
 *
 * As in transformers' pipeline: softmax over several labels; a sigmoid a label where config.json says
 * multi_label_classification or where there is one label; the number itself for regression. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/task.h"

typedef enum score_function { SOFTMAX, SIGMOID, IDENTITY } score_function;

typedef struct labels {
    score_function function;
    int count;        /* 0: known only from the logits */
    char (*made)[24]; /* "LABEL_<k>" for those without a name */
} labels;

static bool suggested(const hst_task *t) {
    static const char *const names[] = {NULL};
    if (task_architecture_ends(t, "ForSequenceClassification")) return true;
    if (json_array_size(json_object_get(t->config, "architectures"))) return false;
    const hst_value_info *v = task_find_output(t, names, 2);
    return v && strcmp(v->name, "logits") == 0;
}

static hst_status open_labels(hst_task *t, hst_error *err) {
    static const char *const names[] = {"logits", "output", "probabilities", NULL};
    t->output = task_find_output(t, names, 2);
    if (!t->output)
        return error_set(err, HST_STATUS_UNSUPPORTED, "logits",
                         "text-classification needs an output [batch, labels], the model has none");
    labels *l = t->state = calloc(1, sizeof *l);
    if (!l) return error_no_memory(err, sizeof *l, "the labels");
    l->count = hst_model_label_count(t->model);
    if (t->output->rank == 2 && t->output->dims[1] > 0 && t->output->dims[1] <= INT32_MAX)
        l->count = (int)t->output->dims[1];
    const char *problem = json_string_value(json_object_get(t->config, "problem_type"));
    if (problem && strcmp(problem, "regression") == 0)
        l->function = IDENTITY;
    else if ((problem && strcmp(problem, "multi_label_classification") == 0) || l->count == 1)
        l->function = SIGMOID;
    if (l->count > 0 && !(l->made = calloc((size_t)l->count, sizeof *l->made)))
        return error_no_memory(err, (size_t)l->count * sizeof *l->made, "the labels");
    for (int i = 0; i < l->count; i++) snprintf(l->made[i], sizeof *l->made, "LABEL_%d", i);
    return HST_STATUS_OK;
}

static void close_labels(hst_task *t) {
    labels *l = t->state;
    if (l) free(l->made);
    free(l);
}

static const char *label_name(const hst_task *t, int id) {
    const labels *l = t->state;
    const char *name = hst_model_label(t->model, id);
    return name ? name : id < l->count ? l->made[id] : "";
}

/* Scores of n logits, computed in double. */
static void scores(score_function f, const float *x, int64_t n, hst_answer *out) {
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        if ((double)x[i] > most) most = (double)x[i];
    for (int64_t i = 0; i < n && f == SOFTMAX; i++) sum += exp((double)x[i] - most);
    for (int64_t i = 0; i < n; i++) {
        double y = (double)x[i];
        if (f == SOFTMAX) y = exp(y - most) / sum;
        if (f == SIGMOID) y = 1 / (1 + exp(-y));
        out[i].score = (float)y;
        out[i].id = (int)i;
    }
}

/* Best first; equal scores in the order of the labels; NaN last. */
static int better(const void *a, const void *b) {
    const hst_answer *x = a, *y = b;
    if (x->score > y->score || (isnan(y->score) && !isnan(x->score))) return -1;
    if (y->score > x->score || (isnan(x->score) && !isnan(y->score))) return 1;
    return x->id - y->id;
}

static hst_status answer(const hst_task *t, const hst_tensor *output, int64_t index, int64_t tokens, task_row *row,
                         hst_error *err) {
    const labels *l = t->state;
    (void)tokens;
    if (hst_tensor_rank(output) != 2 || hst_tensor_dims(output)[1] < 1)
        return error_set(err, HST_STATUS_BAD_SHAPE, t->output->name, "output '%s' is not [batch, labels]",
                         t->output->name);
    int64_t n = hst_tensor_dims(output)[1];
    HST_TRY(task_row_reserve(row, (size_t)n, err));
    scores(n == 1 && l->function == SOFTMAX ? SIGMOID : l->function, (const float *)hst_tensor_view(output) + index * n,
           n, row->answers);
    for (int64_t i = 0; i < n; i++) {
        row->answers[i].label = label_name(t, (int)i);
        row->answers[i].end = row->text.size;
    }
    qsort(row->answers, (size_t)n, sizeof *row->answers, better);
    size_t most = t->top_k < 0 ? (size_t)n : t->top_k ? (size_t)t->top_k : 1;
    if (most < row->n_answers) row->n_answers = most;
    row->many = t->top_k != 0 && t->top_k != 1;
    return HST_STATUS_OK;
}

static const char *const aliases[] = {"sentiment-analysis", NULL};

HST_TASK(text_classification) = {.name = "text-classification",
                                 .aliases = aliases,
                                 .summary = "labels with scores; one or several labels a text",
                                 .order = 1,
                                 .suggested = suggested,
                                 .open = open_labels,
                                 .close = close_labels,
                                 .answer = answer};
