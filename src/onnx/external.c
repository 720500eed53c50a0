/* Files of external data: resolved beside the model, mapped once, shared by all tensors that name them. */
#include <stdlib.h>

#include "base/file.h"
#include "onnx/reader.h"

typedef struct external_file {
    const void *data;
    size_t size;
} external_file;

static void release_map(void *map) {
    file_map_free(map);
}
static hst_status check_map(const void *map, hst_error *err) {
    return file_map_check(map, err);
}
static void unload_map(const void *map, const void *data, size_t size) {
    file_map_unload(map, data, size);
}

static hst_status open_file(reader *r, proto_slice location, external_file *file, hst_error *err) {
    if (r->options.external)
        return r->options.external(r->options.external_user, (const char *)location.data, location.size, &file->data,
                                   &file->size, err);
    if (!r->path)
        return error_set(err, HST_STATUS_UNSUPPORTED, NULL,
                         "its data is in the file '%.*s', and a model from memory needs a callback for that",
                         slice_shown(location), (const char *)location.data);
    char *path = NULL;
    file_map *map = NULL;
    hst_status status = file_resolve_inside(r->path, (const char *)location.data, location.size, &path, err);
    if (status == HST_STATUS_OK) status = file_map_open(path, r->options.copy, r->options.allocator, &map, err);
    if (status == HST_STATUS_OK) {
        file->data = map->data;
        file->size = map->size;
        status = model_keep_file(r->model, (model_kept){map, release_map, check_map, unload_map}, err);
    }
    free(path);
    return status;
}

hst_status external_find(void *user, proto_slice location, const unsigned char **data, size_t *size, hst_error *err) {
    reader *r = user;
    void **known = names_add(&r->externals, location);
    if (!known) return read_no_memory(r, "the list of external files");
    if (!*known) {
        external_file *file = ARENA_NEW(r->scratch, external_file);
        if (!file) return read_no_memory(r, "the list of external files");
        HST_TRY(open_file(r, location, file, err));
        *known = file;
    }
    const external_file *file = *known;
    *data = file->data;
    *size = file->size;
    return HST_STATUS_OK;
}
