/* Opening a checkpoint: which files it has, shards and their index, config.json. */
#include "checkpoint/checkpoint.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text_buffer.h"
#include "checkpoint/weights.h"

#define SHARDS_MOST 4096

struct checkpoint {
    atomic_int references;
    arena *arena; /* holds this struct */
    const char *folder, *config_path;
    json_t *config;
    weights weights;
    file_map **maps;
    size_t n_maps;
    bool copy; /* files are read, not mapped */
};

static hst_status new_checkpoint(const char *folder, const hst_allocator *a, checkpoint **out, hst_error *err) {
    arena *memory = arena_new(a);
    checkpoint *c = memory ? ARENA_NEW(memory, checkpoint) : NULL;
    if (!c) {
        arena_free(memory);
        return error_no_memory(err, sizeof *c, "a checkpoint");
    }
    atomic_init(&c->references, 1);
    c->arena = memory;
    c->weights.arena = memory;
    c->weights.allocator = *arena_allocator(memory);
    c->folder = arena_copy_string(memory, folder, strlen(folder));
    char *path = path_join(folder, "config.json");
    c->config_path = path ? arena_copy_string(memory, path, strlen(path)) : NULL;
    free(path);
    if (!c->folder || !c->config_path) {
        checkpoint_free(c);
        return error_no_memory(err, strlen(folder), "a path");
    }
    *out = c;
    return HST_STATUS_OK;
}

checkpoint *checkpoint_retain(checkpoint *c) {
    if (c) atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
    return c;
}

void checkpoint_free(checkpoint *c) {
    if (!c || atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) != 1) return;
    weights_release(&c->weights);
    for (size_t i = 0; i < c->n_maps; i++) file_map_free(c->maps[i]);
    json_decref(c->config);
    arena_free(c->arena);
}

static hst_status check_config(const checkpoint *c, hst_error *err) {
    if (json_is_object(c->config)) return HST_STATUS_OK;
    return error_set(err, HST_STATUS_BAD_FORMAT, c->config_path, "%s is %s, not an object", c->config_path,
                     json_kind(c->config));
}

/* Maps one weight file and reads its tensors; c->maps has room. */
static hst_status add_file(checkpoint *c, const char *path, hst_error *err) {
    file_map *map = NULL;
    HST_TRY(file_map_open(path, c->copy, &c->weights.allocator, &map, err));
    c->maps[c->n_maps++] = map;
    return weights_read(&c->weights, path, map->data, map->size, err);
}

static hst_status reserve_maps(checkpoint *c, size_t count, hst_error *err) {
    c->maps = ARENA_ARRAY(c->arena, file_map *, count);
    return c->maps ? HST_STATUS_OK : error_no_memory(err, count * sizeof *c->maps, "a list of files");
}

/* ---- shards ---- */

/* The files that the index names, each once, in the order of their first weight. */
static hst_status list_shards(const char *path, const json_t *map, json_t *files, hst_error *err) {
    const char *name;
    json_t *file;
    json_object_foreach((json_t *)(uintptr_t)map, name, file) {
        if (!json_is_string(file)) {
            return error_set(err, HST_STATUS_BAD_FORMAT, path, "%s: the file of weight '%s' is %s, not a string", path,
                             name, json_kind(file));
        }
        if (json_object_set(files, json_string_value(file), json_true()) != 0) {
            return error_no_memory(err, 64, "a list of shards");
        }
        if (json_object_size(files) > SHARDS_MOST) {
            return error_set(err, HST_STATUS_UNSUPPORTED, path, "%s names more than %d files", path, SHARDS_MOST);
        }
    }
    if (json_object_size(files) == 0) return error_set(err, HST_STATUS_BAD_FORMAT, path, "%s names no file", path);
    return HST_STATUS_OK;
}

static hst_status read_shards(checkpoint *c, const char *path, const json_t *map, json_t *files, hst_error *err) {
    const char *file, *name;
    json_t *v;
    HST_TRY(reserve_maps(c, json_object_size(files), err));
    c->weights.map = map;
    json_object_foreach(files, file, v) {
        char *shard = NULL;
        HST_TRY(file_resolve_inside(path, file, strlen(file), &shard, err));
        c->weights.shard = file;
        hst_status status = add_file(c, shard, err);
        free(shard);
        HST_TRY(status);
    }
    HST_TRY(weights_sort(&c->weights, path, err));
    json_object_foreach((json_t *)(uintptr_t)map, name, v) {
        if (!weights_find(&c->weights, name)) {
            return error_set(err, HST_STATUS_BAD_FORMAT, path, "%s says that weight '%s' is in '%s'; it is not", path,
                             name, json_string_value(v));
        }
    }
    return HST_STATUS_OK;
}

static hst_status read_index(checkpoint *c, const char *path, hst_error *err) {
    json_t *index = NULL, *files = json_object();
    hst_status status = files ? json_doc_read(path, JSON_CONFIG_MOST, &index, err) : error_no_memory(err, 64, "a list");
    if (status == HST_STATUS_OK) {
        const json_t *map = json_object_get(index, "weight_map");
        if (!json_is_object(map)) {
            status = error_set(err, HST_STATUS_BAD_FORMAT, path, "%s: 'weight_map' is %s, not an object", path,
                               json_kind(map));
        }
        if (status == HST_STATUS_OK) status = list_shards(path, map, files, err);
        if (status == HST_STATUS_OK) status = read_shards(c, path, map, files, err);
        c->weights.map = NULL;
        c->weights.shard = NULL;
    }
    json_decref(files);
    json_decref(index);
    return status;
}

/* ---- opening ---- */

static hst_status read_weights(checkpoint *c, const char *path, hst_error *err) {
    if (text_ends_with(path, ".index.json")) return read_index(c, path, err);
    HST_TRY(reserve_maps(c, 1, err));
    HST_TRY(add_file(c, path, err));
    return weights_sort(&c->weights, path, err);
}

static hst_status find_weights(checkpoint *c, char **out, hst_error *err) {
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                        "pytorch_model.bin.index.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = path_join(c->folder, names[i]);
        if (!path) return error_no_memory(err, strlen(c->folder), "a path");
        if (file_exists(path)) {
            *out = path;
            return HST_STATUS_OK;
        }
        free(path);
    }
    return error_set(err, HST_STATUS_NOT_FOUND, c->folder,
                     "'%s' has no weights: none of model.safetensors, model.safetensors.index.json, pytorch_model.bin, "
                     "pytorch_model.bin.index.json",
                     c->folder);
}

static hst_status open_all(checkpoint *c, const char *weights_path, hst_error *err) {
    char *found = NULL;
    if (!file_exists(c->config_path)) {
        return error_set(err, HST_STATUS_NOT_FOUND, c->config_path,
                         "'%s' is missing: a checkpoint needs its config.json", c->config_path);
    }
    HST_TRY(json_doc_read(c->config_path, JSON_CONFIG_MOST, &c->config, err));
    HST_TRY(check_config(c, err));
    if (!weights_path) HST_TRY(find_weights(c, &found, err));
    hst_status status = read_weights(c, weights_path ? weights_path : found, err);
    free(found);
    return status;
}

static hst_status open_path(const char *path, bool copy, const hst_allocator *a, checkpoint **out, hst_error *err) {
    *out = NULL;
    bool is_folder = file_is_folder(path), is_config = !is_folder && text_ends_with(path, "config.json");
    if (!is_folder && !file_exists(path)) {
        return error_set(err, HST_STATUS_NOT_FOUND, path, "'%s' is no folder or file", path);
    }
    char *folder = is_folder ? strdup(path) : path_folder_of(path);
    if (!folder) return error_no_memory(err, strlen(path), "a path");
    checkpoint *c = NULL;
    hst_status status = new_checkpoint(folder, a, &c, err);
    free(folder);
    HST_TRY(status);
    c->copy = copy;
    status = open_all(c, is_folder || is_config ? NULL : path, err);
    if (status != HST_STATUS_OK) {
        checkpoint_free(c);
        return status;
    }
    *out = c;
    return HST_STATUS_OK;
}

hst_status checkpoint_open(const char *path, const hst_allocator *a, checkpoint **out, hst_error *err) {
    return open_path(path, false, a, out, err);
}

hst_status checkpoint_open_copy(const char *path, const hst_allocator *a, checkpoint **out, hst_error *err) {
    return open_path(path, true, a, out, err);
}

hst_status checkpoint_open_memory(const char *config, size_t config_size, const void *data, size_t size,
                                  const hst_allocator *a, checkpoint **out, hst_error *err) {
    checkpoint *c = NULL;
    *out = NULL;
    HST_TRY(new_checkpoint("", a, &c, err));
    hst_status status = json_doc_parse(c->config_path, config, config_size, &c->config, err);
    if (status == HST_STATUS_OK) status = check_config(c, err);
    if (status == HST_STATUS_OK) status = weights_read(&c->weights, "weights in memory", data, size, err);
    if (status == HST_STATUS_OK) status = weights_sort(&c->weights, "weights in memory", err);
    if (status != HST_STATUS_OK) {
        checkpoint_free(c);
        return status;
    }
    *out = c;
    return HST_STATUS_OK;
}

hst_status checkpoint_check(const checkpoint *c, hst_error *err) {
    for (size_t i = 0; i < c->n_maps; i++) HST_TRY(file_map_check(c->maps[i], err));
    return HST_STATUS_OK;
}

void checkpoint_unload(const checkpoint *c, const void *data, size_t size) {
    for (size_t i = 0; i < c->n_maps; i++) file_map_unload(c->maps[i], data, size);
}

const json_t *checkpoint_config(const checkpoint *c) {
    return c->config;
}
const char *checkpoint_config_path(const checkpoint *c) {
    return c->config_path;
}
const char *checkpoint_folder(const checkpoint *c) {
    return c->folder;
}
const hst_tensor *checkpoint_tensor(const checkpoint *c, const char *name) {
    return weights_find(&c->weights, name);
}
size_t checkpoint_count(const checkpoint *c) {
    return c->weights.count;
}
const char *checkpoint_name(const checkpoint *c, size_t i) {
    return c->weights.list[i].name;
}
