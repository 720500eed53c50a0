/* Writing and reading engine files: see engine_file.h. */
#include "convert/engine_file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/json.h"
#include "onnx/onnx.h"

#define INLINE_LEAST 64 /* bytes: smaller tensors stay in the graph */
#define SECTIONS_OWN 3  /* engine, graph, weights */

static const char section_engine[] = "engine", section_graph[] = "graph", section_weights[] = "weights";

/* By model_quantization. */
static const char *const quantization_names[] = {"none", "int8"};

/* ---- writing ---- */

/* What stands in the section "engine"; NULL: no memory. */
static char *describe(const model *m, const engine_source *s) {
    char sum[24];
    const char *slash = s->path ? strrchr(s->path, '/') : NULL; /* where it lay is nobody's business */
    snprintf(sum, sizeof sum, "%016llx", (unsigned long long)s->checksum);
    json_t *root = json_pack("{s:i, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:I}}", "engine", ENGINE_FILE_VERSION, "hasten",
                             hst_version(), "cpu", cpu_isa_name(cpu_level()), "quantization", quantization_names[m->quantization],
                             "source", "file",
                             slash ? slash + 1 : s->path ? s->path : "",
                             "format", s->format, "checksum", sum, "bytes", (json_int_t)s->bytes);
    bool ok = root && (!s->task || json_object_set_new(root, "task", json_string(s->task)) == 0);
    char *text = ok ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

static hst_status write_sections(const char *path, const onnx_parts *parts, const char *about,
                                 const section_source *more, size_t n, hst_error *err) {
    section_piece *pieces = malloc((parts->n_weights + 1) * sizeof *pieces);
    section_source *all = malloc((n + SECTIONS_OWN) * sizeof *all);
    hst_status status = HST_STATUS_NO_MEMORY;
    if (pieces && all) {
        for (size_t i = 0; i < parts->n_weights; i++)
            pieces[i] = (section_piece){parts->weights[i].tensor->data, parts->weights[i].tensor->bytes,
                                        parts->weights[i].offset};
        const section_piece texts[2] = {{about, strlen(about), 0}, {parts->graph, parts->graph_size, 0}};
        all[0] = (section_source){section_engine, &texts[0], 1, texts[0].size, false};
        all[1] = (section_source){section_graph, &texts[1], 1, texts[1].size, false};
        for (size_t i = 0; i < n; i++) all[2 + i] = more[i];
        all[2 + n] = (section_source){section_weights, pieces, parts->n_weights, parts->weights_size, true};
        status = section_file_write(path, all, n + SECTIONS_OWN, err);
    } else {
        error_no_memory(err, n * sizeof *all, "an engine file");
    }
    free(pieces);
    free(all);
    return status;
}

hst_status engine_file_write(const model *m, const char *path, const engine_source *source,
                             const section_source *sections, size_t n, hst_error *err) {
    const onnx_write_options options = {.internal = true, .external_least = INLINE_LEAST};
    onnx_parts parts;
    HST_TRY(onnx_write_parts(m, section_weights, &options, &parts, err));
    char *about = describe(m, source);
    hst_status status =
        about ? write_sections(path, &parts, about, sections, n, err) : error_no_memory(err, 0, "an engine file");
    free(about);
    onnx_parts_free(&parts);
    return status;
}

/* ---- reading ---- */

static hst_status check_about(const char *path, const json_t *about, bool any_cpu, hst_error *err) {
    int64_t version;
    const char *made_by, *cpu, *here = cpu_isa_name(cpu_level());
    HST_TRY(json_member_s64(about, section_engine, "engine", 0, 0, INT32_MAX, &version, err));
    HST_TRY(json_member_string(about, section_engine, "hasten", "?", &made_by, err));
    HST_TRY(json_member_string(about, section_engine, "cpu", "?", &cpu, err));
    if (version != ENGINE_FILE_VERSION || strcmp(made_by, hst_version()) != 0)
        return error_set(
            err, HST_STATUS_UNSUPPORTED, path,
            "'%s' was compiled by hasten %.40s (engine version %lld), this is hasten %s (engine version %d): "
            "compile it again from its source with `hasten compile`",
            path, made_by, (long long)version, hst_version(), ENGINE_FILE_VERSION);
    if (strcmp(cpu, here) != 0 && !any_cpu)
        return error_set(
            err, HST_STATUS_UNSUPPORTED, path,
            "'%s' was compiled for CPU level %.40s, this process runs at %s: compile it again from its source "
            "with `hasten compile` on this machine",
            path, cpu, here);
    return HST_STATUS_OK;
}

/* Ownership: json_decref(*out). */
static hst_status read_about(section_file *f, bool any_cpu, json_t **out, hst_error *err) {
    section s;
    const char *path = section_file_path(f);
    HST_TRY(section_file_get(f, section_engine, &s, err));
    HST_TRY(json_doc_parse(section_engine, (const char *)s.data, s.size, out, err));
    if (json_is_object(*out)) return check_about(path, *out, any_cpu, err);
    return error_set(err, HST_STATUS_BAD_FORMAT, path, "'%s': its section 'engine' is no object", path);
}

static hst_status keep_about(model *m, const json_t *about, hst_error *err) {
    const char *task, *quantization;
    HST_TRY(json_member_string(about, section_engine, "task", NULL, &task, err));
    HST_TRY(json_member_string(about, section_engine, "quantization", "none", &quantization, err));
    if (strcmp(quantization, quantization_names[MODEL_QUANTIZATION_INT8]) == 0)
        m->quantization = MODEL_QUANTIZATION_INT8;
    m->compiled = true;
    return task ? model_add_metadata(m, "hasten.task", task, err) : HST_STATUS_OK;
}

/* The one external file that a graph in here may name. */
static hst_status find_weights(void *user, const char *location, size_t size, const void **data, size_t *bytes,
                               hst_error *err) {
    section s;
    section_file *f = user;
    if (size != strlen(section_weights) || memcmp(location, section_weights, size) != 0)
        return error_set(err, HST_STATUS_BAD_FORMAT, section_file_path(f),
                         "its graph names another file than its weights");
    HST_TRY(section_file_get(f, section_weights, &s, err));
    *data = s.data;
    *bytes = s.size;
    return HST_STATUS_OK;
}

static void release_file(void *f) {
    section_file_free(f);
}
static hst_status check_file(const void *f, hst_error *err) {
    return section_file_check(f, err);
}
static void unload_file(const void *f, const void *data, size_t size) {
    section_file_unload(f, data, size);
}

static hst_status read_model(section_file *f, const engine_options *o, const json_t *about, model **out,
                             hst_error *err) {
    section graph;
    const onnx_read_options read = {
        .allocator = o->allocator, .internal = true, .external = find_weights, .external_user = f};
    HST_TRY(section_file_get(f, section_graph, &graph, err));
    HST_TRY(onnx_read_memory(graph.data, graph.size, section_file_path(f), &read, out, err));
    HST_TRY(keep_about(*out, about, err));
    section_file_retain(f);
    return model_keep_file(*out, (model_kept){f, release_file, check_file, unload_file}, err);
}

hst_status engine_file_read(section_file *f, const engine_options *o, model **out, char **text, hst_error *err) {
    json_t *about = NULL;
    *out = NULL;
    hst_status status = read_about(f, o->any_cpu, &about, err);
    if (status == HST_STATUS_OK) status = read_model(f, o, about, out, err);
    if (status == HST_STATUS_OK && !(*text = json_dumps(about, JSON_COMPACT)))
        status = error_no_memory(err, 0, "an engine file");
    if (status != HST_STATUS_OK) {
        model_free(*out);
        *out = NULL;
    }
    json_decref(about);
    section_file_free(f); /* the model holds its own reference */
    return status;
}
