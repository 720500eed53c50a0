/* Writing values in messages of their own. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "onnx/value_io.h"
#include "onnx/value_message.h"
#include "onnx/writer.h"

typedef struct written {
    const hst_tensor *tensor;
    hst_dtype as;
    const char *name;
} written;

/* Which message holds a value. */
static hst_dtype kind_of(const hst_tensor *t) {
    return tensor_is_list(t) ? t->dtype : HST_DTYPE_NONE;
}

static void put_holder(proto_writer *p, hst_dtype as, const hst_tensor *const *items, int64_t n, const char *name) {
    hst_dtype holds = n ? kind_of(items[0]) : HST_DTYPE_NONE;
    int64_t field = holds == HST_DTYPE_SEQUENCE ? VALUE_SEQUENCE : holds == HST_DTYPE_MAP ? VALUE_MAP : VALUE_TENSOR;
    if (name) proto_put_string(p, VALUE_NAME, name);
    /* An empty sequence is one of tensors, as the onnx package writes it; an empty optional says nothing. */
    if (n || as == HST_DTYPE_SEQUENCE) proto_put_s64(p, VALUE_ELEM_TYPE, field - VALUE_TENSOR + 1);
    for (int64_t i = 0; i < n; i++) {
        proto_open(p, (uint32_t)field);
        value_put_message(p, items[i], holds, NULL);
        proto_close(p);
    }
}

void value_put_message(proto_writer *p, const hst_tensor *t, hst_dtype as, const char *name) {
    if (as == HST_DTYPE_OPTIONAL) {
        put_holder(p, as, &t, t->dtype != HST_DTYPE_OPTIONAL, name);
    } else if (as == HST_DTYPE_SEQUENCE) {
        put_holder(p, as, t->data, tensor_count(t), name);
    } else if (as == HST_DTYPE_MAP) {
        value_put_map(p, t, name);
    } else {
        write_tensor_fields(p, NULL, t, name, (bytes){NULL, 0}, WRITE_INLINE);
    }
}

static void emit(proto_writer *p, void *context) {
    const written *w = context;
    value_put_message(p, w->tensor, w->as, w->name);
}

/* All items of a sequence are of one kind, and elements of values of maps stand in bytes of their own. */
static bool writable(const hst_tensor *t) {
    const hst_tensor *const *items = t->data;
    if (t->dtype == HST_DTYPE_MAP) return items[1]->dtype == HST_DTYPE_STRING || dtype_bits(items[1]->dtype) >= 8;
    for (int64_t i = 0; t->dtype == HST_DTYPE_SEQUENCE && i < tensor_count(t); i++)
        if (kind_of(items[i]) != kind_of(items[0]) || !writable(items[i])) return false;
    return true;
}

static hst_status check(const written *w, hst_error *err) {
    bool fits = w->as == HST_DTYPE_OPTIONAL || w->as == kind_of(w->tensor);
    if (fits && writable(w->tensor)) return HST_STATUS_OK;
    return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL, "a value of type %s is not written as a %s%s",
                     dtype_name(w->tensor->dtype), w->as == HST_DTYPE_NONE ? "tensor" : dtype_name(w->as),
                     fits ? " with such items" : "");
}

typedef struct memory_sink {
    char *data;
    size_t used, size;
} memory_sink;

static hst_status to_memory(void *user, const void *data, size_t size, hst_error *err) {
    memory_sink *s = user;
    if (size > s->size - s->used) return error_set(err, HST_STATUS_INTERNAL, NULL, "a value grew while it was written");
    memcpy(s->data + s->used, data, size);
    s->used += size;
    return HST_STATUS_OK;
}

hst_status value_write(const hst_tensor *t, hst_dtype as, const char *name, void **data, size_t *size, hst_error *err) {
    written w = {t, as, name};
    memory_sink sink = {0};
    uint64_t need = 0;
    *data = NULL;
    HST_TRY(check(&w, err));
    HST_TRY(proto_measure(emit, &w, &need, err));
    sink.size = (size_t)need;
    sink.data = malloc(sink.size ? sink.size : 1);
    if (!sink.data) return error_no_memory(err, sink.size, "a value");
    hst_status status = proto_write(emit, &w, to_memory, &sink, NULL, err);
    if (status != HST_STATUS_OK) {
        free(sink.data);
        return status;
    }
    *data = sink.data;
    *size = sink.used;
    return HST_STATUS_OK;
}

static hst_status to_file(void *user, const void *data, size_t size, hst_error *err) {
    return file_writer_write(user, data, size, err);
}

hst_status value_write_file(const hst_tensor *t, hst_dtype as, const char *name, const char *path, hst_error *err) {
    file_writer *file = NULL;
    written w = {t, as, name};
    HST_TRY(check(&w, err));
    HST_TRY(file_writer_open(path, &file, err));
    hst_status status = proto_write(emit, &w, to_file, file, NULL, err);
    if (status == HST_STATUS_OK) status = file_writer_commit(file, err);
    file_writer_free(file);
    return status;
}
