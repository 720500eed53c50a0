/* sentence-embedding: one vector a text, pooled and normalised as the sentence-transformers files beside the model say:
 * modules.json lists Transformer, Pooling (<path>/config.json: pooling_mode_*) and Normalize. Without them: the mean of
 * the tokens, not normalised. sentence_bert_config.json may cut texts to max_seq_length. A model whose graph pools
 * itself (output "sentence_embedding") is taken at its word. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "tasks/task.h"

typedef enum pooling { POOL_CLS, POOL_MEAN, POOL_MAX, POOL_MEAN_SQRT, POOL_WEIGHTED, POOL_LAST, POOLINGS } pooling;

typedef struct embedder {
    bool modes[POOLINGS]; /* several are concatenated in this order */
    int count;
    bool normalise, pooled_by_model;
} embedder;

static const char *const token_outputs[] = {"last_hidden_state", "token_embeddings", NULL};

static bool suggested(const hst_task *t) {
    static const char *const names[] = {"sentence_embedding", NULL};
    const hst_value_info *v = task_find_output(t, names, 2);
    if (v && strcmp(v->name, names[0]) == 0) return true;
    return task_has_modules(t) && task_find_output(t, token_outputs, 3);
}

/* `path` is the pooling module's folder, as modules.json names it. */
static hst_status read_pooling(const hst_task *t, embedder *e, const char *path, hst_error *err) {
    static const struct {
        const char *key;
        pooling mode;
    } keys[] = {{"pooling_mode_cls_token", POOL_CLS},
                {"pooling_mode_max_tokens", POOL_MAX},
                {"pooling_mode_mean_tokens", POOL_MEAN},
                {"pooling_mode_mean_sqrt_len_tokens", POOL_MEAN_SQRT},
                {"pooling_mode_weightedmean_tokens", POOL_WEIGHTED},
                {"pooling_mode_lasttoken", POOL_LAST}};
    json_t *config = NULL;
    char *name = path_join(path, "config.json");
    hst_status status = name ? bundle_json_named(t->files, "modules.json", name, &config, err)
                             : error_no_memory(err, 0, "a path");
    for (size_t i = 0; i < sizeof keys / sizeof *keys && status == HST_STATUS_OK; i++) {
        bool on;
        status = json_member_bool(config, name, keys[i].key, false, &on, err);
        if (status == HST_STATUS_OK && on) {
            e->modes[keys[i].mode] = true;
            e->count++;
        }
    }
    json_decref(config);
    if (status == HST_STATUS_OK && !e->count)
        status = error_set(err, HST_STATUS_UNSUPPORTED, name, "%s switches no pooling mode on that hasten knows", name);
    free(name);
    return status;
}

static hst_status read_module(const hst_task *t, embedder *e, const json_t *module, hst_error *err) {
    const char *type, *path;
    HST_TRY(json_member_string(module, "modules.json", "type", "", &type, err));
    HST_TRY(json_member_string(module, "modules.json", "path", "", &path, err));
    const char *name = strrchr(type, '.');
    name = name ? name + 1 : type;
    if (strcmp(name, "Transformer") == 0) return HST_STATUS_OK;
    if (strcmp(name, "Normalize") == 0) {
        e->normalise = true;
        return HST_STATUS_OK;
    }
    if (strcmp(name, "Pooling") != 0)
        return error_set(err, HST_STATUS_UNSUPPORTED, "modules.json",
                         "module '%s' of modules.json: only Transformer, Pooling and Normalize are supported", type);
    return read_pooling(t, e, path, err);
}

static hst_status read_modules(const hst_task *t, embedder *e, hst_error *err) {
    static const char name[] = "modules.json";
    json_t *modules;
    HST_TRY(bundle_json(t->files, name, &modules, err));
    hst_status status = HST_STATUS_OK;
    if (modules && !json_is_array(modules))
        status = error_set(err, HST_STATUS_BAD_FORMAT, name, "%s is no list of modules", name);
    for (size_t i = 0; i < json_array_size(modules) && status == HST_STATUS_OK; i++)
        status = read_module(t, e, json_array_get(modules, i), err);
    json_decref(modules);
    return status;
}

static hst_status read_limit(hst_task *t, hst_error *err) {
    static const char name[] = "sentence_bert_config.json";
    json_t *config;
    int64_t most = 0;
    HST_TRY(bundle_json(t->files, name, &config, err));
    hst_status status =
        config ? json_member_s64(config, name, "max_seq_length", 0, 0, INT32_MAX, &most, err) : HST_STATUS_OK;
    t->max_length = (size_t)most;
    json_decref(config);
    return status;
}

static hst_status open_embedder(hst_task *t, hst_error *err) {
    static const char *const pooled[] = {"sentence_embedding", NULL};
    embedder *e = t->state = calloc(1, sizeof *e);
    if (!e) return error_no_memory(err, sizeof *e, "the pooling");
    const hst_value_info *v = task_find_output(t, pooled, 2);
    if (v && strcmp(v->name, pooled[0]) == 0) {
        t->output = v;
        e->pooled_by_model = true;
        return HST_STATUS_OK;
    }
    t->output = task_find_output(t, token_outputs, 3);
    if (!t->output)
        return error_set(err, HST_STATUS_UNSUPPORTED, token_outputs[0],
                         "sentence-embedding needs an output [batch, tokens, hidden], the model has none");
    HST_TRY(read_modules(t, e, err));
    HST_TRY(read_limit(t, err));
    if (!e->count) {
        e->modes[POOL_MEAN] = true;
        e->count = 1;
    }
    return HST_STATUS_OK;
}

static void close_embedder(hst_task *t) {
    free(t->state);
}

/* x [tokens, width] to one row; sums in double, in the order of the tokens. */
static void pool(pooling mode, const float *x, int64_t tokens, int64_t width, float *to) {
    for (int64_t c = 0; c < width; c++) {
        double sum = 0, weights = 0, most = -INFINITY;
        for (int64_t i = 0; i < tokens; i++) {
            double y = (double)x[i * width + c], w = mode == POOL_WEIGHTED ? (double)(i + 1) : 1;
            sum += w * y;
            weights += w;
            if (y > most) most = y;
        }
        double y = mode == POOL_CLS         ? (double)x[c]
                   : mode == POOL_LAST      ? (double)x[(tokens - 1) * width + c]
                   : mode == POOL_MAX       ? most
                   : mode == POOL_MEAN_SQRT ? sum / sqrt(weights)
                                            : sum / weights;
        to[c] = (float)y;
    }
}

static void normalise(float *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    double length = sqrt(sum);
    if (length < 1e-12) length = 1e-12; /* as torch.nn.functional.normalize */
    for (int64_t i = 0; i < n; i++) x[i] = (float)((double)x[i] / length);
}

static hst_status answer(const hst_task *t, const hst_tensor *output, int64_t index, int64_t tokens, task_row *row,
                         hst_error *err) {
    const embedder *e = t->state;
    const int64_t *dims = hst_tensor_dims(output);
    int rank = hst_tensor_rank(output);
    if (e->pooled_by_model ? rank != 2 : rank != 3 || dims[1] < tokens || tokens < 1)
        return error_set(err, HST_STATUS_BAD_SHAPE, t->output->name, "output '%s' has not the shape of embeddings",
                         t->output->name);
    int64_t width = dims[rank - 1], total = width * (e->pooled_by_model ? 1 : e->count);
    HST_TRY(hst_tensor_new(HST_DTYPE_F32, 1, &total, NULL, &row->tensor, err));
    float *to = hst_tensor_data(row->tensor);
    const float *from = (const float *)hst_tensor_view(output) + index * width * (e->pooled_by_model ? 1 : dims[1]);
    if (e->pooled_by_model) {
        memcpy(to, from, (size_t)width * sizeof *to);
        return HST_STATUS_OK;
    }
    static const pooling order[] = {POOL_CLS, POOL_MAX, POOL_MEAN, POOL_MEAN_SQRT, POOL_WEIGHTED, POOL_LAST};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (!e->modes[order[i]]) continue;
        pool(order[i], from, tokens, width, to);
        to += width;
    }
    if (e->normalise) normalise(hst_tensor_data(row->tensor), total);
    return HST_STATUS_OK;
}

static const char *const aliases[] = {"sentence-similarity", "sentence-embeddings", NULL};

HST_TASK(sentence_embedding) = {.name = "sentence-embedding",
                                .aliases = aliases,
                                .summary = "one vector a text, pooled as the sentence-transformers files say",
                                .architecture = "Model",
                                .order = 0,
                                .suggested = suggested,
                                .open = open_embedder,
                                .close = close_embedder,
                                .answer = answer};
