/* ModelProto: opset imports, metadata, functions, then the main graph. */
#include "onnx/onnx.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "onnx/reader.h"

#define IMPORTS_MOST 1000

hst_status read_bad(reader *r, const char *object, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(r->err, HST_STATUS_BAD_FORMAT, object, "%s", text);
}

hst_status read_no_memory(reader *r, const char *what) {
    return error_set(r->err, HST_STATUS_NO_MEMORY, NULL, "no memory for %s while reading an ONNX model", what);
}

bool slice_is(proto_slice s, const char *text) {
    return s.size == strlen(text) && memcmp(s.data, text, s.size) == 0;
}

int slice_shown(proto_slice s) {
    return s.size > 100 ? 100 : (int)s.size;
}

hst_status read_text(reader *r, arena *a, proto_slice s, const char *what, const char **out) {
    if (s.size && memchr(s.data, 0, s.size)) return read_bad(r, NULL, "%s contains a NUL byte", what);
    *out = s.size ? arena_copy_string(a, (const char *)s.data, s.size) : "";
    return *out ? HST_STATUS_OK : read_no_memory(r, what);
}

hst_status read_text_field(reader *r, arena *a, const proto_reader *p, const proto_field *f, const char *what,
                           const char **out) {
    proto_slice s;
    HST_TRY(proto_bytes(p, f, what, &s, r->err));
    return read_text(r, a, s, what, out);
}

hst_status read_import(reader *r, const proto_reader *p, const proto_field *field, names *imports) {
    proto_reader o;
    proto_field f;
    proto_slice domain = {(const unsigned char *)"", 0};
    int64_t version = 0;
    HST_TRY(proto_enter(p, field, "OperatorSetIdProto", &o, r->err));
    while (proto_next(&o, &f)) {
        if (f.number == OPSET_DOMAIN) HST_TRY(proto_bytes(&o, &f, "OperatorSetIdProto.domain", &domain, r->err));
        if (f.number == OPSET_VERSION) HST_TRY(proto_s64(&o, &f, "OperatorSetIdProto.version", &version, r->err));
    }
    HST_TRY(proto_end(&o, "OperatorSetIdProto", r->err));
    if (slice_is(domain, "ai.onnx")) domain.size = 0;
    if (version < 1 || version > INT32_MAX)
        return read_bad(r, NULL, "opset import of domain '%.*s' has version %" PRId64, slice_shown(domain),
                        (const char *)domain.data, version);
    void **known = names_add(imports, domain);
    if (!known) return read_no_memory(r, "an opset import");
    if (*known && (intptr_t)*known != (intptr_t)version)
        return read_bad(r, NULL, "domain '%.*s' is imported in versions %d and %d", slice_shown(domain),
                        (const char *)domain.data, (int)(intptr_t)*known, (int)version);
    *known = (void *)(intptr_t)version;
    if (imports->count > IMPORTS_MOST) return read_bad(r, NULL, "more than %d opset imports", IMPORTS_MOST);
    return HST_STATUS_OK;
}

/* The import that stands in the file after `order` others; NULL: there is none. */
static const names_slot *import_at(const reader *r, size_t order) {
    for (size_t i = 0; i < r->imports.capacity; i++)
        if (r->imports.slots[i].name.data && r->imports.slots[i].order == order) return &r->imports.slots[i];
    return NULL;
}

static hst_status import_into_model(reader *r) {
    const names_slot *s;
    for (size_t i = 0; (s = import_at(r, i)) != NULL; i++) {
        const char *domain;
        HST_TRY(read_text(r, r->scratch, s->name, "an opset domain", &domain));
        HST_TRY(model_import_opset(r->model, domain, (intptr_t)s->item, r->err));
    }
    return HST_STATUS_OK;
}

/* A key or value with a NUL, which a C string cannot hold, stays with the unknown fields. */
static hst_status read_metadata(reader *r, const proto_reader *p, const proto_field *field, extra_builder *rest) {
    proto_reader e;
    proto_field f;
    proto_slice text[2] = {{(const unsigned char *)"", 0}, {(const unsigned char *)"", 0}};
    HST_TRY(proto_enter(p, field, "StringStringEntryProto", &e, r->err));
    while (proto_next(&e, &f))
        if (f.number == ENTRY_KEY || f.number == ENTRY_VALUE)
            HST_TRY(proto_bytes(&e, &f, "StringStringEntryProto", &text[f.number == ENTRY_VALUE], r->err));
    HST_TRY(proto_end(&e, "StringStringEntryProto", r->err));
    if (memchr(text[0].data, 0, text[0].size) || memchr(text[1].data, 0, text[1].size)) {
        extra_add(rest, field->whole);
        return HST_STATUS_OK;
    }
    const char *key, *value;
    HST_TRY(read_text(r, r->scratch, text[0], "a metadata key", &key));
    HST_TRY(read_text(r, r->scratch, text[1], "a metadata value", &value));
    return model_add_metadata(r->model, key, value, r->err);
}

static hst_status read_model_field(reader *r, const proto_reader *p, const proto_field *f, proto_reader *graph_at,
                                   extra_builder *rest) {
    model *m = r->model;
    switch (f->number) {
    case MODEL_IR_VERSION:
        return proto_s64(p, f, "ModelProto.ir_version", &m->ir_version, r->err);
    case MODEL_MODEL_VERSION:
        return proto_s64(p, f, "ModelProto.model_version", &m->model_version, r->err);
    case MODEL_PRODUCER_NAME:
        return read_text_field(r, m->arena, p, f, "ModelProto.producer_name", &m->producer_name);
    case MODEL_PRODUCER_VERSION:
        return read_text_field(r, m->arena, p, f, "ModelProto.producer_version", &m->producer_version);
    case MODEL_DOMAIN:
        return read_text_field(r, m->arena, p, f, "ModelProto.domain", &m->domain);
    case MODEL_DOC_STRING:
        return read_text_field(r, m->arena, p, f, "ModelProto.doc_string", &m->doc_string);
    case MODEL_OPSET_IMPORT:
        return read_import(r, p, f, &r->imports);
    case MODEL_METADATA_PROPS:
        return read_metadata(r, p, f, rest);
    case MODEL_GRAPH:
        if (graph_at->base) return read_bad(r, NULL, "the model has two graphs");
        return proto_enter(p, f, "ModelProto.graph", graph_at, r->err);
    case MODEL_FUNCTIONS:
        return HST_STATUS_OK; /* after all imports are known */
    default:                  /* training_info, configuration and what is newer */
        extra_add(rest, f->whole);
        return HST_STATUS_OK;
    }
}

/* What people hand over instead of a model: named, because "field 14 is damaged" would not help them. */
static hst_status check_beginning(reader *r, const unsigned char *data, size_t size) {
    static const struct {
        const char *bytes, *what;
    } known[] = {{"version https://git-lfs", "a Git LFS pointer, not the model itself: fetch it with `git lfs pull`"},
                 {"PK\3\4", "a zip file"},
                 {"<!DOCTYPE", "an HTML page"},
                 {"<html", "an HTML page"},
                 {"<?xml", "XML text"},
                 {"{", "JSON text"}};
    if (size == 0) return read_bad(r, NULL, "the file is empty");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (size >= strlen(known[i].bytes) && memcmp(data, known[i].bytes, strlen(known[i].bytes)) == 0)
            return read_bad(r, NULL, "this is %s", known[i].what);
    return HST_STATUS_OK;
}

/* Of a file that could not be read: a vocabulary, a configuration. */
static bool is_text(const unsigned char *data, size_t size) {
    for (size_t i = 0; i < size && i < 256; i++)
        if (data[i] < ' ' && data[i] != '\t' && data[i] != '\n' && data[i] != '\r') return false;
    return true;
}

static hst_status check_version(reader *r) {
    int64_t ir = r->model->ir_version;
    if (ir < 1) return read_bad(r, NULL, "this is no ONNX model: it has no IR version");
    if (ir > ONNX_IR_NEWEST)
        log_write(HST_LOG_WARNING, "ONNX IR version %" PRId64 " is newer than %d, the newest that hasten knows", ir,
                  ONNX_IR_NEWEST);
    r->ir_version = ir;
    /* Before IR 3 there were no imports: opset 1 was meant. */
    proto_slice standard = {(const unsigned char *)"", 0};
    void **version = ir < 3 ? names_add(&r->imports, standard) : NULL;
    if (version && !*version) *version = (void *)(intptr_t)1;
    if (r->imports.count == 0) return read_bad(r, NULL, "the model imports no opset");
    version = names_find(&r->imports, standard);
    if (version && (intptr_t)*version > ONNX_OPSET_NEWEST)
        log_write(HST_LOG_WARNING,
                  "opset %d is newer than %d, the newest that hasten knows: operators mean what they mean there",
                  (int)(intptr_t)*version, ONNX_OPSET_NEWEST);
    return HST_STATUS_OK;
}

static hst_status read_fields(reader *r, proto_reader *p, proto_reader *graph_at, extra_builder *rest) {
    proto_field f;
    while (proto_next(p, &f)) HST_TRY(read_model_field(r, p, &f, graph_at, rest));
    return proto_end(p, "ModelProto", r->err);
}

static hst_status read_model(reader *r, const void *data, size_t size) {
    proto_reader p, again, graph_at = {0};
    proto_field f;
    extra_builder rest;
    HST_TRY(check_beginning(r, data, size));
    extra_begin(&rest, r->scratch);
    proto_begin(&p, data, size);
    again = p;
    const hst_status status = read_fields(r, &p, &graph_at, &rest);
    if (status == HST_STATUS_BAD_FORMAT && size > 16 && is_text(data, size))
        return read_bad(r, NULL, "this is text, not a model");
    HST_TRY(status);
    HST_TRY(check_version(r));
    if (!graph_at.base) return read_bad(r, NULL, "this is no ONNX model: it has no graph");
    if (!extra_take(&rest, r->model->arena, &r->model->extra)) return read_no_memory(r, "unknown fields");
    HST_TRY(import_into_model(r));
    while (proto_next(&again, &f)) {
        if (f.number != MODEL_FUNCTIONS) continue;
        HST_TRY(proto_enter(&again, &f, "ModelProto.functions", &p, r->err));
        HST_TRY(read_function(r, p));
    }
    context top = {.imports = &r->imports, .prefix = ""};
    r->main = &top;
    HST_TRY(read_graph(r, &top, NULL, graph_at, r->model->main));
    return read_pending_names(r);
}

static void release_map(void *map) {
    file_map_free(map);
}

static hst_status check_map(const void *map, hst_error *err) {
    return file_map_check(map, err);
}
static void unload_map(const void *map, const void *data, size_t size) {
    file_map_unload(map, data, size);
}

static hst_status read_with(const void *data, size_t size, const char *path, file_map *map,
                            const onnx_read_options *options, model **out, hst_error *err) {
    reader r = {.err = err, .path = path};
    if (options) r.options = *options;
    if (!r.options.dense_most) r.options.dense_most = (size_t)256 << 20;
    if (!r.options.work_most) r.options.work_most = (size_t)1 << 20;
    hst_status status = HST_STATUS_NO_MEMORY;
    r.scratch = arena_new(r.options.allocator);
    r.model = model_new(r.options.allocator);
    if (!r.scratch || !r.model) {
        read_no_memory(&r, "a model");
        file_map_free(map);
        goto fail;
    }
    if (map && (status = model_keep_file(r.model, (model_kept){map, release_map, check_map, unload_map}, err)) != HST_STATUS_OK) goto fail;
    r.pending_tail = &r.pending;
    r.tensors = (tensor_source){.allocator = r.options.allocator, .external = external_find, .user = &r};
    names_begin(&r.imports, r.scratch);
    names_begin(&r.functions, r.scratch);
    names_begin(&r.taken, r.scratch);
    names_begin(&r.externals, r.scratch);
    status = read_model(&r, data, size);
    if (status != HST_STATUS_OK) goto fail;
    arena_free(r.scratch);
    *out = r.model;
    return HST_STATUS_OK;
fail:
    arena_free(r.scratch);
    model_free(r.model);
    return status;
}

/* Names the file in the error, unless something more precise is named already. */
static hst_status name_file(hst_status status, const char *name, hst_error *err) {
    if (status == HST_STATUS_OK || !err) return status;
    if (!err->object[0]) {
        hst_error copy = *err;
        error_set(err, status, name, "%s", copy.message);
    }
    return status;
}

hst_status onnx_read(const char *path, const onnx_read_options *options, model **out, hst_error *err) {
    file_map *map = NULL;
    *out = NULL;
    HST_TRY(file_map_open(path, options && options->copy, options ? options->allocator : NULL, &map, err));
    return name_file(read_with(map->data, map->size, path, map, options, out, err), path, err);
}

hst_status onnx_read_memory(const void *data, size_t size, const char *name, const onnx_read_options *options,
                            model **out, hst_error *err) {
    *out = NULL;
    return name_file(read_with(data, size, NULL, NULL, options, out, err), name, err);
}
