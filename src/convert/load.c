/* What a path is, is told by what lies there, not by its name alone: a folder is looked into, a file is an ONNX file
 * unless it has the name of a weight file. */
#include "convert/load.h"

#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/bundle.h"
#include "base/log.h"
#include "base/text_buffer.h"
#include "convert/engine_file.h"
#include "onnx/onnx.h"

#define CONFIG_MOST ((size_t)16 << 20) /* bytes of a config.json */

void load_drop(loaded *l) {
    model_free(l->model);
    free(l->about);
    free(l->config);
    free(l->path);
    memset(l, 0, sizeof *l);
}

/* <folder>/config.json where it is there and readable; else nothing, without an error. */
static char *config_in(const char *folder) {
    char *path = path_join(folder, "config.json"), *text = NULL;
    size_t size;
    if (path && file_exists(path) && file_read(path, CONFIG_MOST, &text, &size, NULL) != HST_STATUS_OK) {
        log_write(LOG_WARNING, "cannot read %s: labels are unknown", path);
        text = NULL;
    }
    free(path);
    return text;
}

/* The reader's external data callback has a sized name: the public one takes a NUL-terminated copy. */
static hst_status external_named(void *user, const char *location, size_t size, const void **data, size_t *bytes,
                                 hst_error *err) {
    const load_options *o = user;
    char name[4096];
    if (size >= sizeof name || memchr(location, '\0', size))
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "the name of an external file has %zu bytes or a NUL in it",
                         size);
    memcpy(name, location, size);
    name[size] = '\0';
    return o->external(o->external_user, name, data, bytes, err);
}

static onnx_read_options reader_options(const load_options *o) {
    return (onnx_read_options){.allocator = o->allocator,
                               .copy = o->copy,
                               .external = o->external ? external_named : NULL,
                               .external_user = (void *)(uintptr_t)o};
}

static hst_status load_onnx(const char *path, const load_options *o, loaded *out, hst_error *err) {
    onnx_read_options r = reader_options(o);
    HST_TRY(onnx_read(path, &r, &out->model, err));
    out->format = "onnx";
    char *folder = path_model_folder(path);
    if (folder) out->config = config_in(folder);
    free(folder);
    return HST_STATUS_OK;
}

/* Takes `file` over, also on failure. */
static hst_status load_engine(section_file *file, const load_options *o, loaded *out, hst_error *err) {
    static const char config[] = BUNDLE_PREFIX "config.json";
    const engine_options e = {.allocator = o->allocator, .any_cpu = o->graph_only};
    section s = {0};
    hst_status status = HST_STATUS_OK;
    if (section_file_has(file, config) && (status = section_file_get(file, config, &s, err)) != HST_STATUS_OK) {
        section_file_free(file);
        return status;
    }
    HST_TRY(engine_file_read(file, &e, &out->model, &out->about, err));
    out->format = "engine";
    if (s.size && s.size <= CONFIG_MOST && !(out->config = strndup((const char *)s.data, s.size)))
        return error_no_memory(err, s.size, "config.json");
    return HST_STATUS_OK;
}

static hst_status load_engine_path(const char *path, const load_options *o, loaded *out, hst_error *err) {
    section_file *file;
    HST_TRY(section_file_open(path, o->copy, o->allocator, &file, err));
    return load_engine(file, o, out, err);
}

static hst_status load_checkpoint(const char *path, const load_options *o, loaded *out, hst_error *err) {
    checkpoint *c = NULL;
    HST_TRY(o->copy ? checkpoint_open_copy(path, o->allocator, &c, err) : checkpoint_open(path, o->allocator, &c, err));
    hst_status status = arch_build_as(c, o->architecture, o->allocator, &out->model, err); /* the model keeps what it needs */
    if (status == HST_STATUS_OK) {
        out->format = "checkpoint";
        out->config = config_in(checkpoint_folder(c));
    }
    checkpoint_free(c);
    return status;
}

/* The ONNX file of a folder that is no checkpoint, malloc'ed; NULL: none. */
static char *onnx_in(const char *folder) {
    static const char *const names[] = {"model.onnx", "onnx/model.onnx", "model_optimized.onnx", "model_quantized.onnx",
                                        "onnx/model_quantized.onnx"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = path_join(folder, names[i]);
        if (path && file_exists(path)) return path;
        free(path);
    }
    return NULL;
}

static bool has_weights(const char *folder) {
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                        "pytorch_model.bin.index.json"};
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++) {
        char *path = path_join(folder, names[i]);
        found = path && file_exists(path);
        free(path);
    }
    return found;
}

static hst_status load_folder(const char *path, const load_options *o, loaded *out, hst_error *err) {
    if (has_weights(path)) return load_checkpoint(path, o, out, err);
    char *file = onnx_in(path);
    if (!file)
        return error_set(err, HST_STATUS_NOT_FOUND, path,
                         "folder '%s' has neither weights (model.safetensors, pytorch_model.bin) nor model.onnx", path);
    hst_status status = load_onnx(file, o, out, err);
    free(out->path);
    out->path = file;
    return status;
}

hst_status load_path(const char *path, const load_options *o, loaded *out, hst_error *err) {
    memset(out, 0, sizeof *out);
    if (!path || !*path) return error_set(err, HST_STATUS_INVALID_ARGUMENT, "path", "a path is needed");
    hst_status status;
    if (file_is_folder(path))
        status = load_folder(path, o, out, err);
    else if (section_file_is(path))
        status = load_engine_path(path, o, out, err);
    else if (text_ends_with(path, ".safetensors") || text_ends_with(path, ".bin") || text_ends_with(path, ".index.json"))
        status = load_checkpoint(path, o, out, err);
    else
        status = load_onnx(path, o, out, err);
    if (status == HST_STATUS_OK && !out->path && !(out->path = strdup(path)))
        status = error_no_memory(err, strlen(path), "a path");
    if (status != HST_STATUS_OK) load_drop(out);
    return status;
}

hst_status load_memory(const void *data, size_t size, const load_options *o, loaded *out, hst_error *err) {
    memset(out, 0, sizeof *out);
    if (section_bytes_are(data, size)) {
        section_file *file;
        HST_TRY(section_file_borrow(data, size, "engine in memory", o->allocator, &file, err));
        hst_status status = load_engine(file, o, out, err);
        if (status != HST_STATUS_OK) load_drop(out);
        return status;
    }
    onnx_read_options r = reader_options(o);
    out->format = "onnx";
    return onnx_read_memory(data, size, "model in memory", &r, &out->model, err);
}
