/* A restricted unpickler: reads what torch.save writes for dictionaries of tensors, and nothing else.
 *
 * It has no call mechanism: opcodes and globals are two closed lists, and what REDUCE makes of a global is one switch
 * over that list. Everything else is an error that names the byte and what was asked for. Values live in the given
 * arena; strings point into the stream. */
#ifndef CHECKPOINT_PICKLE_H
#define CHECKPOINT_PICKLE_H

#include "base/memory.h"
#include "tensor/dtype.h"

typedef enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_FLOAT,
    PICKLE_STRING,
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,
    PICKLE_GLOBAL,
    PICKLE_STORAGE, /* torch storage named by a persistent id */
    PICKLE_TENSOR
} pickle_kind;

typedef struct pickle_value pickle_value;

typedef struct pickle_items { /* a dict holds key, value, key, value … */
    pickle_value **at;
    size_t count, capacity;
} pickle_items;

typedef struct pickle_storage {
    hst_dtype dtype; /* NONE: untyped, `count` is bytes */
    const char *key; /* key_size bytes */
    size_t key_size;
    int64_t count;
} pickle_storage;

typedef struct pickle_tensor {
    const pickle_storage *storage;
    hst_dtype dtype;
    int64_t offset; /* in elements */
    int rank;
    int64_t dim[HST_RANK_MAX], stride[HST_RANK_MAX]; /* not negative */
} pickle_tensor;

struct pickle_value {
    pickle_kind kind;
    union {
        bool b;
        int64_t i;
        double f;
        struct {
            const char *data;
            size_t size;
        } s;
        pickle_items items; /* tuple, list, dict */
        int global;         /* index into the list of globals */
        pickle_storage storage;
        pickle_tensor *tensor;
    } as;
};

/* Storages in the order of their persistent ids (one entry an id, so a shared one occurs more than once). */
typedef struct pickle_storages {
    const pickle_storage **at;
    size_t count, capacity;
} pickle_storages;

/* Reads one pickle from the front of `data`; *used is its length. `path` is for messages. */
hst_status pickle_load(arena *a, const char *path, const unsigned char *data, size_t size, pickle_storages *storages,
                       pickle_value **out, size_t *used, hst_error *err);

/* The value of a string key of a dict, the last one if there are several; NULL where there is none. */
const pickle_value *pickle_get(const pickle_value *dict, const char *key);
bool pickle_append(arena *a, pickle_items *items, pickle_value *v);

/* ---- pickle_torch.c: the closed list of globals ---- */
int pickle_global(const char *module, size_t module_size, const char *name, size_t name_size); /* -1: not on the list */
const char *pickle_global_name(int global);
/* What REDUCE makes of a global and its arguments, BUILD's counterpart is ignored. `why` is set where it returns NULL
 * (NULL with *why NULL: no memory). */
pickle_value *pickle_reduce(arena *a, int global, const pickle_value *args, const char **why);
/* ('storage', <type>, key, location, count[, None]) */
pickle_value *pickle_persistent(arena *a, const pickle_value *id, const char **why);

#endif
