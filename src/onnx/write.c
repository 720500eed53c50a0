/* Writing a model: to memory, or to a file with external data beside it where one file would be too large. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "onnx/writer.h"

#define INLINE_MOST   UINT64_C(1900000000)
#define EXTERNAL_TEXT 1024

static hst_status begin(writer *w, const model *m, const onnx_write_options *options, hst_error *err) {
    *w = (writer){.model = m, .err = err};
    if (options) w->options = *options;
    if (!w->options.inline_most) w->options.inline_most = INLINE_MOST;
    if (!w->options.external_least) w->options.external_least = EXTERNAL_TEXT;
    w->scratch = arena_new(arena_allocator(m->arena));
    if (!w->scratch) return error_no_memory(err, sizeof *w, "writing an ONNX model");
    return write_plan(w);
}

static hst_status check_size(const writer *w, uint64_t size) {
    if (size <= PROTO_SIZE_MAX) return HST_STATUS_OK;
    return error_set(w->err, HST_STATUS_UNSUPPORTED, NULL,
                     "the model file would have %" PRIu64 " bytes, more than the 2 GiB that other tools read: %s", size,
                     w->location ? "what remains besides external data is too large" : "use external data");
}

static hst_status to_file(void *user, const void *data, size_t size, hst_error *err) {
    return file_writer_write(user, data, size, err);
}

/* The tensors, with zeros between them up to each offset. */
static hst_status write_data(const writer *w, file_writer *file) {
    static const char zeros[4096];
    for (int i = 0; i < w->n_external; i++) {
        const value *v = w->external[i];
        uint64_t gap = w->offsets[v->id] - file_writer_position(file);
        HST_TRY(file_writer_write(file, zeros, (size_t)gap, w->err));
        HST_TRY(file_writer_write(file, v->constant->data, v->constant->bytes, w->err));
    }
    return HST_STATUS_OK;
}

/* Both files are complete on disk before either gets its name: a failure leaves the old pair as it was. */
static hst_status write_files(writer *w, const char *path, const char *data_path) {
    file_writer *model_file = NULL, *data_file = NULL;
    hst_status status = file_writer_open(path, &model_file, w->err);
    if (status == HST_STATUS_OK && w->location) status = file_writer_open(data_path, &data_file, w->err);
    if (status == HST_STATUS_OK && w->location) status = write_data(w, data_file);
    if (status == HST_STATUS_OK) status = proto_write(write_model, w, to_file, model_file, NULL, w->err);
    if (status == HST_STATUS_OK && data_file) status = file_writer_commit(data_file, w->err);
    if (status == HST_STATUS_OK) status = file_writer_commit(model_file, w->err);
    file_writer_free(data_file);
    file_writer_free(model_file);
    return status;
}

static hst_status choose_external(writer *w, const char *data_path) {
    uint64_t size = 0;
    const char *slash = strrchr(data_path, '/');
    bool external = w->options.external == ONNX_EXTERNAL_ALWAYS;
    if (!external) {
        HST_TRY(proto_measure(write_model, w, &size, w->err));
        if (w->options.external == ONNX_EXTERNAL_NEVER || size <= w->options.inline_most) return check_size(w, size);
    }
    HST_TRY(write_plan_external(w));
    if (!w->n_external) return check_size(w, size);
    w->location = slash ? slash + 1 : data_path;
    HST_TRY(proto_measure(write_model, w, &size, w->err));
    return check_size(w, size);
}

hst_status onnx_write(const model *m, const char *path, const onnx_write_options *options, hst_error *err) {
    writer w;
    char *data_path = NULL;
    size_t size = strlen(path) + sizeof ".data";
    hst_status status = begin(&w, m, options, err);
    if (status == HST_STATUS_OK) {
        data_path = malloc(size);
        status = data_path ? HST_STATUS_OK : error_no_memory(err, size, "a path");
    }
    if (data_path) snprintf(data_path, size, "%s.data", path);
    if (status == HST_STATUS_OK) status = choose_external(&w, data_path);
    if (status == HST_STATUS_OK) status = write_files(&w, path, data_path);
    free(data_path);
    arena_free(w.scratch);
    return status;
}

typedef struct memory_sink {
    char *data;
    size_t size, used;
} memory_sink;

static hst_status to_memory(void *user, const void *data, size_t size, hst_error *err) {
    memory_sink *s = user;
    if (size > s->size - s->used)
        return error_set(err, HST_STATUS_INTERNAL, NULL, "an ONNX model grew while it was written");
    memcpy(s->data + s->used, data, size);
    s->used += size;
    return HST_STATUS_OK;
}

static hst_status write_memory(writer *w, void **data, size_t *size) {
    uint64_t need = 0;
    memory_sink sink = {0};
    HST_TRY(proto_measure(write_model, w, &need, w->err));
    HST_TRY(check_size(w, need));
    sink.size = (size_t)need;
    sink.data = malloc(sink.size ? sink.size : 1);
    if (!sink.data) return error_no_memory(w->err, sink.size, "an ONNX model");
    hst_status status = proto_write(write_model, w, to_memory, &sink, NULL, w->err);
    if (status != HST_STATUS_OK) {
        free(sink.data);
        return status;
    }
    *data = sink.data;
    *size = sink.used;
    return HST_STATUS_OK;
}

hst_status onnx_write_memory(const model *m, const onnx_write_options *options, void **data, size_t *size,
                             hst_error *err) {
    writer w;
    *data = NULL;
    hst_status status = begin(&w, m, options, err);
    if (status == HST_STATUS_OK) status = write_memory(&w, data, size);
    arena_free(w.scratch);
    return status;
}

static hst_status list_weights(const writer *w, onnx_parts *out) {
    out->n_weights = (size_t)w->n_external;
    out->weights_size = w->external_size;
    out->weights = malloc((out->n_weights + 1) * sizeof *out->weights);
    if (!out->weights) return error_no_memory(w->err, out->n_weights * sizeof *out->weights, "a list of weights");
    for (int i = 0; i < w->n_external; i++)
        out->weights[i] = (onnx_weight){w->external[i]->constant, w->offsets[w->external[i]->id]};
    return HST_STATUS_OK;
}

hst_status onnx_write_parts(const model *m, const char *location, const onnx_write_options *options, onnx_parts *out,
                            hst_error *err) {
    writer w;
    memset(out, 0, sizeof *out);
    hst_status status = begin(&w, m, options, err);
    if (status == HST_STATUS_OK) status = write_plan_external(&w);
    w.location = location;
    if (status == HST_STATUS_OK) status = list_weights(&w, out);
    if (status == HST_STATUS_OK) status = write_memory(&w, &out->graph, &out->graph_size);
    if (status != HST_STATUS_OK) onnx_parts_free(out);
    arena_free(w.scratch);
    return status;
}

void onnx_parts_free(onnx_parts *p) {
    free(p->graph);
    free(p->weights);
    memset(p, 0, sizeof *p);
}
