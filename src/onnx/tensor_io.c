/* TensorProto files. */
#include "onnx/tensor_io.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "onnx/tensor_proto.h"
#include "onnx/writer.h"

typedef struct beside { /* external data beside a .pb file: read at most once, kept until the tensor is made */
    const char *path;
    file_map *map;
} beside;

static hst_status find_beside(void *user, proto_slice location, const unsigned char **data, size_t *size,
                              hst_error *err) {
    beside *b = user;
    char *path = NULL;
    HST_TRY(file_resolve_inside(b->path, (const char *)location.data, location.size, &path, err));
    hst_status status = file_map_open(path, false, NULL, &b->map, err);
    free(path);
    HST_TRY(status);
    *data = b->map->data;
    *size = b->map->size;
    return HST_STATUS_OK;
}

static hst_status read_from(const void *data, size_t size, beside *b, const hst_allocator *a, hst_tensor **out,
                            char **name, hst_error *err) {
    tensor_source source = {.allocator = a, .copy = true, .external = b ? find_beside : NULL, .user = b};
    proto_reader p;
    proto_slice given = {0};
    proto_begin(&p, data, size);
    *out = NULL;
    if (name) *name = NULL;
    HST_TRY(tensor_proto_read(p, &source, out, &given, NULL, err));
    if (!name) return HST_STATUS_OK;
    *name = malloc(given.size + 1);
    if (!*name) {
        tensor_free(*out);
        *out = NULL;
        return error_no_memory(err, given.size + 1, "a tensor's name");
    }
    if (given.size) memcpy(*name, given.data, given.size);
    (*name)[given.size] = '\0';
    return HST_STATUS_OK;
}

hst_status tensor_read_pb_memory(const void *data, size_t size, const hst_allocator *a, hst_tensor **out, char **name,
                                 hst_error *err) {
    return read_from(data, size, NULL, a, out, name, err);
}

hst_status tensor_read_pb(const char *path, const hst_allocator *a, hst_tensor **out, char **name, hst_error *err) {
    file_map *map = NULL;
    beside b = {.path = path};
    *out = NULL;
    if (name) *name = NULL;
    HST_TRY(file_map_open(path, false, NULL, &map, err));
    hst_status status = read_from(map->data, map->size, &b, a, out, name, err);
    file_map_free(b.map);
    file_map_free(map);
    return status == HST_STATUS_OK ? status : error_prefix(err, status, "%s", path);
}

typedef struct one_tensor {
    const hst_tensor *tensor;
    const char *name;
} one_tensor;

static void emit_tensor(proto_writer *p, void *context) {
    const one_tensor *t = context;
    write_tensor_fields(p, NULL, t->tensor, t->name, (bytes){NULL, 0}, WRITE_INLINE);
}

static hst_status to_file(void *user, const void *data, size_t size, hst_error *err) {
    return file_writer_write(user, data, size, err);
}

hst_status tensor_write_pb(const hst_tensor *t, const char *name, const char *path, hst_error *err) {
    file_writer *file = NULL;
    one_tensor one = {t, name};
    HST_TRY(file_writer_open(path, &file, err));
    hst_status status = proto_write(emit_tensor, &one, to_file, file, NULL, err);
    if (status == HST_STATUS_OK) status = file_writer_commit(file, err);
    file_writer_free(file);
    return status;
}
