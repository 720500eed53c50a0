/* The named tensors of a checkpoint while its files are read. */
#include "checkpoint/weights.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static size_t element_size(hst_dtype d) {
    int bits = dtype_bits(d);
    size_t size = bits < 8 ? 1 : (size_t)bits / 8;
    return size > 8 ? size / 2 : size; /* complex numbers are pairs */
}

hst_status weights_tensor(const weights *w, hst_dtype d, int rank, const int64_t *dim, const void *data, size_t bytes,
                          hst_tensor **out, hst_error *err) {
    if ((uintptr_t)data % element_size(d) == 0) {
        return tensor_new_borrowed(d, rank, dim, data, bytes, &w->allocator, out, err);
    }
    HST_TRY(tensor_new(d, rank, dim, &w->allocator, out, err));
    if ((*out)->bytes != bytes) {
        tensor_free(*out);
        return error_set(err, HST_STATUS_INTERNAL, NULL, "a tensor of another size than its data");
    }
    memcpy((*out)->data, data, bytes);
    return HST_STATUS_OK;
}

static bool grow(weights *w) {
    size_t capacity = w->capacity ? w->capacity * 2 : 64;
    weight *list = ARENA_ARRAY(w->arena, weight, capacity);
    if (!list) return false;
    if (w->count) memcpy(list, w->list, w->count * sizeof *list);
    w->list = list;
    w->capacity = capacity;
    return true;
}

hst_status weights_add(weights *w, const char *path, const char *name, size_t name_size, hst_tensor *t,
                       hst_error *err) {
    hst_status status = HST_STATUS_OK;
    char *copy = arena_copy_string(w->arena, name, name_size);
    if (!copy || (w->count == w->capacity && !grow(w))) {
        status = error_no_memory(err, name_size + sizeof(weight), "the list of weights");
        goto fail;
    }
    if (name_size == 0 || strlen(copy) != name_size) {
        status =
            error_set(err, HST_STATUS_BAD_FORMAT, path, "'%s': a weight with an impossible name ('%s')", path, copy);
        goto fail;
    }
    const char *shard = json_string_value(json_object_get(w->map, copy));
    if (shard && strcmp(shard, w->shard) != 0) {
        log_write(LOG_INFO, "'%s': weight '%s' is taken from '%s'", path, copy, shard);
        tensor_free(t);
        return HST_STATUS_OK;
    }
    w->list[w->count++] = (weight){copy, t};
    return HST_STATUS_OK;
fail:
    tensor_free(t);
    return status;
}

static int by_name(const void *a, const void *b) {
    return strcmp((*(weight *const *)a)->name, (*(weight *const *)b)->name);
}

hst_status weights_sort(weights *w, const char *path, hst_error *err) {
    w->sorted = ARENA_ARRAY(w->arena, weight *, w->count);
    if (!w->sorted) return error_no_memory(err, w->count * sizeof *w->sorted, "the list of weights");
    for (size_t i = 0; i < w->count; i++) w->sorted[i] = &w->list[i];
    if (w->count) qsort(w->sorted, w->count, sizeof *w->sorted, by_name);
    for (size_t i = 1; i < w->count; i++) {
        if (strcmp(w->sorted[i - 1]->name, w->sorted[i]->name) == 0) {
            return error_set(err, HST_STATUS_BAD_FORMAT, path, "'%s': two weights are named '%s'", path,
                             w->sorted[i]->name);
        }
    }
    return HST_STATUS_OK;
}

const hst_tensor *weights_find(const weights *w, const char *name) {
    size_t low = 0, high = w->sorted ? w->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, w->sorted[middle]->name);
        if (order == 0) return w->sorted[middle]->tensor;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

void weights_release(weights *w) {
    for (size_t i = 0; i < w->count; i++) tensor_free(w->list[i].tensor);
    w->count = 0;
}

hst_status weights_read(weights *w, const char *path, const unsigned char *data, size_t size, hst_error *err) {
    bool zip = size >= 4 && memcmp(data, "PK\3\4", 4) == 0;
    bool pickle = size >= 2 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5 && (size < 9 || data[8] != '{');
    if (zip || pickle) return torch_read(w, path, data, size, err);
    if (size >= 4 && memcmp(data, "\x89HDF", 4) == 0) {
        return error_set(err, HST_STATUS_UNSUPPORTED, path,
                         "'%s' is a TensorFlow (HDF5) file; save the model as safetensors", path);
    }
    if (size >= 20 && memcmp(data, "version https://git-lfs", 20) == 0) {
        return error_set(err, HST_STATUS_BAD_FORMAT, path,
                         "'%s' is a Git LFS pointer, not the weights; fetch them with 'git lfs pull'", path);
    }
    return safetensors_read(w, path, data, size, err);
}
