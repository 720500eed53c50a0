/* Opening a task: model, tokenizer, config, and which kind of task it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/options.h"
#include "base/text_buffer.h"
#include "tasks/task.h"

#define BATCH_TOKENS 2048 /* padded tokens of a run where the caller does not say */

bool task_architecture_ends(const hst_task *t, const char *ending) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(t->config, "architectures"), i, item) {
        if (json_is_string(item) && text_ends_with(json_string_value(item), ending)) return true;
    }
    return false;
}

const hst_value_info *task_find_output(const hst_task *t, const char *const *names, int rank) {
    size_t n = hst_model_output_count(t->model);
    for (; *names; names++)
        for (size_t i = 0; i < n; i++) {
            const hst_value_info *v = hst_model_output(t->model, i);
            if (strcmp(v->name, *names) == 0 && (v->rank == rank || v->rank < 0)) return v;
        }
    for (size_t i = 0; i < n; i++)
        if (hst_model_output(t->model, i)->rank == rank) return hst_model_output(t->model, i);
    return NULL;
}

static const task_kind *find_kind(const char *name) {
    for (int i = 0; i < task_list_count; i++) {
        if (strcmp(task_list[i]->name, name) == 0) return task_list[i];
        for (const char *const *a = task_list[i]->aliases; *a; a++)
            if (strcmp(*a, name) == 0) return task_list[i];
    }
    return NULL;
}

static hst_status no_such_kind(const char *name, hst_error *err) {
    char known[256] = "";
    for (int i = 0; i < task_list_count; i++) {
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", task_list[i]->name);
    }
    return error_set(err, HST_STATUS_NOT_FOUND, name, "there is no task '%s'; there are: %s", name, known);
}

static hst_status read_config(hst_task *t, hst_error *err) {
    const char *text = hst_model_config_json(t->model);
    json_error_t where;
    t->config = text ? json_loads(text, JSON_REJECT_DUPLICATES, &where) : json_object();
    if (t->config && json_is_object(t->config)) return HST_STATUS_OK;
    if (!text) return error_no_memory(err, 0, "the task");
    return error_set(err, HST_STATUS_BAD_FORMAT, "config.json", "config.json, line %d: %s", where.line,
                     t->config ? "is no object" : where.text);
}

static bool known_feed(const char *name, task_feed *feed) {
    static const struct {
        const char *name;
        task_feed feed;
    } feeds[] = {{"input_ids", FEED_IDS},       {"input", FEED_IDS},
                 {"attention_mask", FEED_MASK}, {"input_mask", FEED_MASK},
                 {"mask", FEED_MASK},           {"token_type_ids", FEED_TYPES},
                 {"segment_ids", FEED_TYPES},   {"position_ids", FEED_POSITIONS}};
    for (size_t i = 0; i < sizeof feeds / sizeof *feeds; i++) {
        if (strcmp(name, feeds[i].name) != 0) continue;
        *feed = feeds[i].feed;
        return true;
    }
    return false;
}

static hst_status read_inputs(hst_task *t, hst_error *err) {
    bool ids = false;
    t->fixed_batch = t->fixed_length = -1;
    for (size_t i = 0; i < hst_model_input_count(t->model); i++) {
        const hst_value_info *v = hst_model_input(t->model, i);
        task_feed feed;
        if (v->optional) continue;
        if (!known_feed(v->name, &feed) || t->n_inputs == TASK_INPUTS || (v->rank >= 0 && v->rank != 2))
            return error_set(err, HST_STATUS_UNSUPPORTED, v->name,
                             "input '%s' is none that a tokenizer feeds (input_ids, attention_mask, token_type_ids, "
                             "position_ids, each [batch, sequence])",
                             v->name);
        t->inputs[t->n_inputs++] = (task_input){v, feed};
        ids |= feed == FEED_IDS;
        if (v->rank == 2 && v->dims[0] >= 0) t->fixed_batch = v->dims[0];
        if (v->rank == 2 && v->dims[1] >= 0) t->fixed_length = v->dims[1];
    }
    if (!ids || t->fixed_batch == 0 || t->fixed_length == 0)
        return error_set(err, HST_STATUS_UNSUPPORTED, "input_ids", "the model has no usable input 'input_ids'");
    return HST_STATUS_OK;
}

/* The least of what caller, kind, tokenizer and position table allow. */
static void choose_max_length(hst_task *t, const hst_task_options *o) {
    size_t most = hst_tokenizer_max_length(t->tokenizer);
    if (t->max_length && (!most || t->max_length < most)) most = t->max_length;
    json_int_t positions = json_integer_value(json_object_get(t->config, "max_position_embeddings"));
    if (positions > 0 && (!most || (size_t)positions < most)) most = (size_t)positions;
    if (o && o->max_length && (!most || o->max_length < most)) most = o->max_length;
    if (t->fixed_length > 0 && (!most || (size_t)t->fixed_length < most)) most = (size_t)t->fixed_length;
    t->max_length = most ? most : SIZE_MAX;
}

static hst_status choose_kind(hst_task *t, const char *name, hst_error *err) {
    if (name) {
        t->kind = find_kind(name);
        return t->kind ? HST_STATUS_OK : no_such_kind(name, err);
    }
    for (int i = 0; i < task_list_count; i++) {
        const task_kind *k = task_list[i];
        if (k->suggested(t) && (!t->kind || k->order < t->kind->order)) t->kind = k;
    }
    if (t->kind) return HST_STATUS_OK;
    const char *architecture = json_string_value(json_array_get(json_object_get(t->config, "architectures"), 0));
    return error_set(err, HST_STATUS_UNSUPPORTED, architecture,
                     "%s%sno task is suggested by the model: name one (feature-extraction fits most)",
                     architecture ? architecture : "", architecture ? ": " : "");
}

bool task_has_modules(const hst_task *t) {
    return bundle_has(t->files, "modules.json");
}

/* Hidden states are had of a checkpoint with any head: tasks that want them say so, and a folder of
 * sentence-transformers, whatever class its config names, is one of its encoder. */
static hst_status load_model(hst_task *t, const char *path, const char *name, const hst_model_options *options,
                             hst_error *err) {
    hst_model_options known;
    HST_TRY(options_read(&known, sizeof known, options, "hst_model_options", err));
    if (!known.architecture && name) known.architecture = find_kind(name)->architecture;
    if (!known.architecture && !name && task_has_modules(t)) known.architecture = "Model";
    return hst_model_load(path, &known, &t->model, err);
}

static hst_status open_parts(hst_task *t, const char *path, const char *name, const hst_task_options *o,
                             hst_error *err) {
    if (name && !find_kind(name)) return no_such_kind(name, err);
    t->folder = section_file_is(path) ? strdup(path) : path_model_folder(path); /* an engine file holds them itself */
    if (!t->folder) return error_no_memory(err, 0, "the task");
    HST_TRY(bundle_open(t->folder, &t->files, err));
    HST_TRY(load_model(t, path, name, o ? o->model : NULL, err));
    HST_TRY(read_config(t, err));
    HST_TRY(choose_kind(t, name ? name : hst_model_metadata(t->model, "hasten.task"), err));
    HST_TRY(read_inputs(t, err));
    HST_TRY(t->kind->open(t, err));
    HST_TRY(hst_tokenizer_load(t->folder, NULL, &t->tokenizer, err));
    choose_max_length(t, o);
    json_t *pad = json_object_get(t->config, "pad_token_id");
    if (json_is_integer(pad) && json_integer_value(pad) >= 0 && json_integer_value(pad) <= INT32_MAX)
        t->pad_id = (int32_t)json_integer_value(pad);
    t->batch_tokens = o && o->batch_tokens ? o->batch_tokens : BATCH_TOKENS;
    t->top_k = o ? o->top_k : 0;
    hst_session_options session;
    HST_TRY(options_read(&session, sizeof session, o ? o->session : NULL, "hst_session_options", err));
    session.padded_rows = HST_PADDED_ROWS_ZERO; /* no answer shows them */
    return hst_session_new(t->model, &session, &t->session, err);
}

hst_status hst_task_open(const char *path, const char *task, const hst_task_options *options, hst_task **out,
                         hst_error *err) {
    if (!path || !out) return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL, "a task needs a path and a place");
    hst_task_options known;
    HST_TRY(options_read(&known, sizeof known, options, "hst_task_options", err));
    hst_task *t = calloc(1, sizeof *t);
    if (!t) return error_no_memory(err, sizeof *t, "the task");
    hst_status status = open_parts(t, path, task, &known, err);
    if (status == HST_STATUS_OK)
        *out = t;
    else
        hst_task_free(t);
    return status;
}

void hst_task_free(hst_task *t) {
    if (!t) return;
    if (t->kind && t->kind->close) t->kind->close(t);
    hst_session_free(t->session);
    hst_tokenizer_free(t->tokenizer);
    json_decref(t->config);
    hst_model_free(t->model);
    bundle_free(t->files);
    free(t->folder);
    free(t);
}

const char *hst_task_name(const hst_task *t) {
    return t->kind->name;
}
const hst_model *hst_task_model(const hst_task *t) {
    return t->model;
}
const hst_tokenizer *hst_task_tokenizer(const hst_task *t) {
    return t->tokenizer;
}
