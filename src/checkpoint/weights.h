/* The named tensors of a checkpoint while its files are read, and the readers of weight files. */
#ifndef CHECKPOINT_WEIGHTS_H
#define CHECKPOINT_WEIGHTS_H

#include <jansson.h>

#include "tensor/tensor.h"

typedef struct weight {
    const char *name;
    hst_tensor *tensor;
} weight;

typedef struct weights {
    arena *arena; /* names and this list */
    hst_allocator allocator;
    weight *list; /* in file order */
    size_t count, capacity;
    weight **sorted; /* by name; made by weights_sort */
    /* Where a checkpoint has several files: which file ("shard") each name is taken from. NULL: one file. */
    const json_t *map;
    const char *shard; /* being read now, as the map spells it */
} weights;

/* Takes `t` over, also on failure. A name that the map takes from another shard is dropped. */
hst_status weights_add(weights *w, const char *path, const char *name, size_t name_size, hst_tensor *t, hst_error *err);
/* A tensor over `bytes` bytes at `data`: borrowed where aligned to its element, otherwise a copy. */
hst_status weights_tensor(const weights *w, hst_dtype d, int rank, const int64_t *dim, const void *data, size_t bytes,
                          hst_tensor **out, hst_error *err);
/* After the last file: the index by name; a name that occurs twice is refused. */
hst_status weights_sort(weights *w, const char *path, hst_error *err);
const hst_tensor *weights_find(const weights *w, const char *name);
void weights_release(weights *w); /* the tensors; the list itself is the arena's */

/* Readers: `data` must outlive the tensors. */
hst_status safetensors_read(weights *w, const char *path, const unsigned char *data, size_t size, hst_error *err);
hst_status torch_read(weights *w, const char *path, const unsigned char *data, size_t size, hst_error *err);
/* One of the two, by the first bytes. */
hst_status weights_read(weights *w, const char *path, const unsigned char *data, size_t size, hst_error *err);

#endif
