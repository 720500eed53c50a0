/* hst_model_compile, hst_engine_verify: what goes into an engine file besides the model, and from where. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/bundle.h"
#include "base/checksum.h"
#include "convert/engine_file.h"
#include "text/tokenizer.h"

#define FILES_MOST 64 /* small files taken along */

/* Everything that is to be written besides the model. */
typedef struct luggage {
    bundle *files;
    section_source sections[FILES_MOST + 2];
    section_piece pieces[FILES_MOST + 2];
    char names[FILES_MOST][SECTION_NAME_MOST + 1];
    char *texts[FILES_MOST];
    size_t n, n_texts;
    tokenizer_packed tokenizer;
} luggage;

static void luggage_free(luggage *l) {
    for (size_t i = 0; i < l->n_texts; i++) free(l->texts[i]);
    tokenizer_packed_free(&l->tokenizer);
    bundle_free(l->files);
    free(l);
}

static void add_section(luggage *l, const char *name, const void *data, size_t size) {
    l->pieces[l->n] = (section_piece){data, size, 0};
    l->sections[l->n] = (section_source){name, &l->pieces[l->n], 1, size, false};
    l->n++;
}

/* Takes `text` over. A file that a section cannot name stays behind. */
static void add_text(luggage *l, const char *name, char *text, size_t size) {
    char *section = l->names[l->n_texts];
    const int n = snprintf(section, SECTION_NAME_MOST + 1, BUNDLE_PREFIX "%s", name);
    if (n < 0 || n > SECTION_NAME_MOST) {
        free(text);
        return;
    }
    l->texts[l->n_texts++] = text;
    add_section(l, section, text, size);
}

/* ---- the folder ---- */

static hst_status add_files(luggage *l, hst_error *err) {
    static const char *const names[] = {"config.json",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "modules.json",
                                        "sentence_bert_config.json",
                                        "config_sentence_transformers.json",
                                        "generation_config.json",
                                        "preprocessor_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *text;
        size_t size;
        HST_TRY(bundle_text(l->files, names[i], &text, &size, err));
        if (text) add_text(l, names[i], text, size);
    }
    return HST_STATUS_OK;
}

/* The config.json of each module that modules.json lists in a folder of its own. */
static hst_status add_modules(luggage *l, hst_error *err) {
    static const char modules_name[] = "modules.json";
    json_t *modules;
    hst_status status = HST_STATUS_OK;
    HST_TRY(bundle_json(l->files, modules_name, &modules, err));
    for (size_t i = 0; i < json_array_size(modules) && l->n_texts < FILES_MOST && status == HST_STATUS_OK; i++) {
        const char *path = json_string_value(json_object_get(json_array_get(modules, i), "path"));
        char *name = path && *path ? path_join(path, "config.json") : NULL, *text = NULL;
        size_t size;
        /* Not every module has one; what cannot be read cannot be needed. */
        if (name && bundle_text_named(l->files, modules_name, name, &text, &size, NULL) == HST_STATUS_OK)
            add_text(l, name, text, size);
        free(name);
    }
    json_decref(modules);
    return status;
}

/* A model without a tokenizer is an engine without one. */
static hst_status add_tokenizer(luggage *l, const char *folder, hst_error *err) {
    hst_error why = {0};
    const hst_status status = tokenizer_pack(folder, NULL, &l->tokenizer, &why);
    if (status == HST_STATUS_NOT_FOUND) return HST_STATUS_OK;
    if (status != HST_STATUS_OK) return error_set(err, status, why.object, "%s", why.message);
    add_section(l, TOKENIZER_VOCAB_SECTION, l->tokenizer.vocab, l->tokenizer.vocab_size);
    if (l->tokenizer.json) add_section(l, TOKENIZER_JSON_SECTION, l->tokenizer.json, l->tokenizer.json_size);
    return HST_STATUS_OK;
}

static hst_status pack_folder(luggage *l, const char *folder, hst_error *err) {
    HST_TRY(bundle_open(folder, &l->files, err));
    HST_TRY(add_files(l, err));
    HST_TRY(add_modules(l, err));
    return add_tokenizer(l, folder, err);
}

/* ---- the whole ---- */

/* The file that the weights came from, to tell one source from another: its checksum. */
static void describe_source(const char *path, engine_source *source) {
    static const char *const names[] = {"", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                        "pytorch_model.bin.index.json"};
    for (size_t i = 0; path && i < sizeof names / sizeof *names; i++) {
        char *file = *names[i] ? path_join(path, names[i]) : strdup(path);
        file_map *map = NULL;
        if (file && file_exists(file) && file_map_open(file, false, NULL, &map, NULL) == HST_STATUS_OK) {
            source->checksum = checksum_of(map->data, map->size);
            source->bytes = map->size;
        }
        file_map_free(map);
        free(file);
        if (source->bytes) return;
    }
}

static hst_status check(const hst_model *m, const char *path, hst_error *err) {
    if (!m || !path || !*path)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL, "compiling needs a model and a path");
    if (m->model->compiled)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, m->source.path, "the model is a compiled engine already");
    if (!m->engine)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, m->source.path,
                         "the model was loaded with HST_MODEL_GRAPH_ONLY: load it without");
    return HST_STATUS_OK;
}

hst_status hst_model_compile(const hst_model *m, const char *path, const hst_compile_options *options, hst_error *err) {
    hst_compile_options o;
    HST_TRY(options_read(&o, sizeof o, options, "hst_compile_options", err));
    HST_TRY(check(m, path, err));
    luggage *l = calloc(1, sizeof *l);
    if (!l) return error_no_memory(err, sizeof *l, "an engine file");
    hst_status status = HST_STATUS_OK;
    engine_source source = {.path = m->source.path, .format = m->source.format, .task = o.task};
    if (o.folder || m->source.path) {
        char *folder = o.folder ? strdup(o.folder) : path_model_folder(m->source.path);
        status = folder ? pack_folder(l, folder, err) : error_no_memory(err, 0, "a path");
        free(folder);
    }
    if (status == HST_STATUS_OK && o.folder && !l->n)
        status = error_set(err, HST_STATUS_NOT_FOUND, o.folder,
                           "there is nothing to take along: neither a tokenizer nor config.json");
    describe_source(m->source.path, &source);
    if (status == HST_STATUS_OK) status = engine_file_write(m->model, path, &source, l->sections, l->n, err);
    luggage_free(l);
    return status;
}

hst_status hst_engine_verify(const char *path, hst_error *err) {
    section_file *file;
    if (!path) return error_set(err, HST_STATUS_INVALID_ARGUMENT, "path", "path is NULL");
    HST_TRY(section_file_open(path, false, NULL, &file, err));
    hst_status status = section_file_verify(file, err);
    section_file_free(file);
    return status;
}
