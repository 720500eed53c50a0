/* pytorch_model.bin: what torch.save writes, in both of its formats.
 *
 * Zip (torch >= 1.6): <root>/data.pkl, the pickle; <root>/data/<key>, the bytes of each storage, stored and aligned to
 * 64, so that contiguous tensors borrow from the map; <root>/byteorder. Before: five pickles in a row (magic number,
 * protocol, system, object, list of storage keys), then for each key in that order its element count (s64) and its
 * bytes.
 *
 * The object is a dict of name -> tensor, or holds one under "state_dict" and the like. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/log.h"
#include "base/zip.h"
#include "checkpoint/pickle.h"
#include "checkpoint/weights.h"

#define PICKLE_MEMORY_MOST ((size_t)256 << 20)
#define PICKLE_SIZE_MOST   ((size_t)64 << 20)
#define COPY_BASE          ((size_t)64 << 20) /* copies (strided, unpacked) may come to this … */
#define COPY_FACTOR        16                 /* … plus this many times the file */

/* Where the bytes of a storage are. */
typedef struct storage_place {
    const char *key; /* key_size bytes */
    size_t key_size;
    const unsigned char *data;
    size_t bytes;
    bool temporary; /* unpacked: tensors copy from it */
} storage_place;

typedef struct reader {
    weights *weights;
    arena *arena;
    const char *path;
    const unsigned char *data;
    size_t size;
    zip_archive *zip;
    storage_place *places; /* zip: as the entries; before: sorted by key */
    size_t n_places;
    char *root; /* "archive/" */
    size_t copied;
} reader;

#define BAD(...) error_set(err, HST_STATUS_BAD_FORMAT, r->path, __VA_ARGS__)

static hst_status count_copy(reader *r, size_t bytes, hst_error *err) {
    size_t most = r->size > (SIZE_MAX - COPY_BASE) / COPY_FACTOR ? SIZE_MAX : r->size * COPY_FACTOR + COPY_BASE;
    if (!size_add(r->copied, bytes, &r->copied) || r->copied > most) {
        return error_set(err, HST_STATUS_BUDGET, r->path,
                         "'%s': its tensors unpack to more than %zu bytes from a file of %zu", r->path, most, r->size);
    }
    return HST_STATUS_OK;
}

/* ---- tensors ---- */

static bool is_contiguous(const pickle_tensor *t) {
    int64_t expected = 1;
    for (int i = t->rank; i-- > 0;) {
        if (t->dim[i] != 1 && t->stride[i] != expected) return false;
        expected *= t->dim[i]; /* the product was checked */
    }
    return true;
}

/* Elements that the view needs from its storage: offset + Σ (dim - 1)·stride + 1. False on overflow. */
static bool view_extent(const pickle_tensor *t, int64_t *out) {
    int64_t end = t->offset;
    for (int i = 0; i < t->rank; i++) {
        int64_t reach;
        if (t->dim[i] == 0) {
            *out = t->offset;
            return true;
        }
        if (!s64_mul(t->dim[i] - 1, t->stride[i], &reach) || !s64_add(end, reach, &end)) return false;
    }
    return s64_add(end, 1, out);
}

/* Copies a strided view in row-major order, run by run of the last axis. */
static void copy_strided(const pickle_tensor *t, const unsigned char *from, size_t element, unsigned char *to,
                         int64_t count) {
    int64_t index[HST_RANK_MAX] = {0};
    int last = t->rank - 1;
    for (int64_t done = 0; done < count; done += t->dim[last]) {
        int64_t at = t->offset;
        for (int i = 0; i < last; i++) at += index[i] * t->stride[i];
        for (int64_t k = 0; k < t->dim[last]; k++) {
            memcpy(to, from + (size_t)(at + k * t->stride[last]) * element, element);
            to += element;
        }
        for (int i = last; i-- > 0;) {
            if (++index[i] < t->dim[i]) break;
            index[i] = 0;
        }
    }
}

static hst_status make_tensor(reader *r, const char *name, const pickle_tensor *t, const storage_place *p,
                              hst_tensor **out, hst_error *err) {
    size_t bytes = 0, need = 0;
    int64_t count = 0, extent = 0;
    HST_TRY(shape_bytes(t->dtype, t->rank, t->dim, &bytes, err));
    HST_TRY(shape_count(t->rank, t->dim, &count, err));
    size_t element = (size_t)dtype_bits(t->dtype) / 8;
    if (!view_extent(t, &extent) || !size_mul((size_t)extent, element, &need) || need > p->bytes) {
        return BAD("'%s': weight '%s' reaches beyond its storage of %zu bytes", r->path, name, p->bytes);
    }
    const unsigned char *from = p->data + (size_t)t->offset * element;
    if (is_contiguous(t) && !p->temporary) {
        if ((uintptr_t)from % element) HST_TRY(count_copy(r, bytes, err)); /* weights_tensor will copy */
        return weights_tensor(r->weights, t->dtype, t->rank, t->dim, count ? from : p->data, bytes, out, err);
    }
    HST_TRY(count_copy(r, bytes, err));
    HST_TRY(tensor_new(t->dtype, t->rank, t->dim, &r->weights->allocator, out, err));
    if (count == 0) return HST_STATUS_OK;
    if (is_contiguous(t))
        memcpy((*out)->data, from, bytes);
    else
        copy_strided(t, p->data, element, (*out)->data, count);
    return HST_STATUS_OK;
}

/* ---- storages ---- */

static hst_status check_storage(const reader *r, const pickle_storage *s, size_t bytes, hst_error *err) {
    size_t need, element = s->dtype == HST_DTYPE_NONE ? 1 : (size_t)dtype_bits(s->dtype) / 8;
    if (!size_mul((size_t)s->count, element, &need) || need != bytes) {
        return BAD("'%s': storage '%.*s' has %zu bytes but should have %lld elements of %zu", r->path,
                   (int)(s->key_size < 40 ? s->key_size : 40), s->key, bytes, (long long)s->count, element);
    }
    return HST_STATUS_OK;
}

static int by_key(const void *a, const void *b) {
    const storage_place *x = a, *y = b;
    int order = memcmp(x->key, y->key, x->key_size < y->key_size ? x->key_size : y->key_size);
    return order ? order : (x->key_size > y->key_size) - (x->key_size < y->key_size);
}

static hst_status unknown_storage(const reader *r, const pickle_storage *s, hst_error *err) {
    return BAD("'%s': storage '%.*s' is not in the file", r->path, (int)(s->key_size < 40 ? s->key_size : 40), s->key);
}

static hst_status zip_storage(reader *r, const pickle_storage *s, const storage_place **out, hst_error *err) {
    size_t root = strlen(r->root);
    char *name = arena_alloc(r->arena, root + s->key_size + 6);
    if (!name) return error_no_memory(err, s->key_size, "the name of a storage");
    memcpy(name, r->root, root);
    memcpy(name + root, "data/", 5);
    memcpy(name + root + 5, s->key, s->key_size);
    const zip_entry *e = strlen(name) == root + 5 + s->key_size ? zip_find(r->zip, name) : NULL;
    if (!e) return unknown_storage(r, s, err);
    HST_TRY(check_storage(r, s, e->size, err));
    storage_place *p = &r->places[e - zip_at(r->zip, 0)];
    if (!p->data && e->deflated) {
        HST_TRY(count_copy(r, e->size, err));
        unsigned char *unpacked = memory_alloc(&r->weights->allocator, e->size, MEMORY_ALIGN);
        if (!unpacked) return error_no_memory(err, e->size, "a storage");
        *p = (storage_place){.data = unpacked, .bytes = e->size, .temporary = true};
        HST_TRY(zip_unpack(r->zip, e, unpacked, err));
    } else if (!p->data) {
        *p = (storage_place){.data = e->data, .bytes = e->size};
    }
    *out = p;
    return HST_STATUS_OK;
}

static hst_status find_storage(reader *r, const pickle_storage *s, const storage_place **out, hst_error *err) {
    if (r->zip) return zip_storage(r, s, out, err);
    storage_place key = {.key = s->key, .key_size = s->key_size};
    const storage_place *p = r->n_places ? bsearch(&key, r->places, r->n_places, sizeof key, by_key) : NULL;
    if (!p) return unknown_storage(r, s, err);
    HST_TRY(check_storage(r, s, p->bytes, err));
    *out = p;
    return HST_STATUS_OK;
}

/* ---- the object ---- */

static bool holds_tensors(const pickle_value *v) {
    for (size_t i = 1; i < v->as.items.count; i += 2) {
        if (v->as.items.at[i]->kind == PICKLE_TENSOR) return true;
    }
    return false;
}

/* A training checkpoint keeps the weights under one of these. */
static const pickle_value *find_weights(const pickle_value *v) {
    static const char *const keys[] = {"state_dict", "model_state_dict", "model_state", "module", "model"};
    for (int depth = 0; depth < 4 && v->kind == PICKLE_DICT && !holds_tensors(v); depth++) {
        const pickle_value *inner = NULL;
        for (size_t i = 0; i < sizeof keys / sizeof *keys && !inner; i++) {
            inner = pickle_get(v, keys[i]);
            if (inner && inner->kind != PICKLE_DICT) inner = NULL;
        }
        if (!inner) break;
        v = inner;
    }
    return v;
}

static hst_status add_weights(reader *r, const pickle_value *object, hst_error *err) {
    const pickle_value *dict = find_weights(object);
    if (dict->kind != PICKLE_DICT) return BAD("'%s' holds no dict of weights", r->path);
    for (size_t i = 0; i < dict->as.items.count; i += 2) {
        const pickle_value *key = dict->as.items.at[i], *v = dict->as.items.at[i + 1];
        if (key->kind != PICKLE_STRING || v->kind != PICKLE_TENSOR) continue; /* step counts and the like */
        char name[128];
        size_t n = key->as.s.size < sizeof name - 1 ? key->as.s.size : sizeof name - 1;
        memcpy(name, key->as.s.data, n);
        name[n] = '\0';
        const storage_place *place = NULL;
        hst_tensor *t = NULL;
        HST_TRY(find_storage(r, v->as.tensor->storage, &place, err));
        hst_status status = make_tensor(r, name, v->as.tensor, place, &t, err);
        if (status == HST_STATUS_BAD_SHAPE) return error_prefix(err, status, "'%s': weight '%s'", r->path, name);
        HST_TRY(status);
        HST_TRY(weights_add(r->weights, r->path, key->as.s.data, key->as.s.size, t, err));
    }
    return HST_STATUS_OK;
}

/* ---- the zip format ---- */

static hst_status find_root(reader *r, const zip_entry **pickle, hst_error *err) {
    static const char name[] = "data.pkl";
    *pickle = NULL;
    for (size_t i = 0; i < zip_count(r->zip); i++) {
        const zip_entry *e = zip_at(r->zip, i);
        size_t n = strlen(e->name), tail = sizeof name - 1;
        if (n < tail || strcmp(e->name + n - tail, name) != 0 || (n > tail && e->name[n - tail - 1] != '/')) continue;
        if (*pickle) return BAD("'%s' holds two pickles: '%s' and '%s'", r->path, (*pickle)->name, e->name);
        *pickle = e;
        r->root = arena_copy_string(r->arena, e->name, n - tail);
        if (!r->root) return error_no_memory(err, n, "the root of a torch file");
    }
    if (!*pickle) return BAD("'%s' is a zip archive without data.pkl: torch.save did not write it", r->path);
    return HST_STATUS_OK;
}

static hst_status check_archive(reader *r, hst_error *err) {
    size_t root = strlen(r->root);
    char *name = arena_alloc(r->arena, root + 16);
    if (!name) return error_no_memory(err, root, "a name");
    memcpy(name, r->root, root);
    memcpy(name + root, "constants.pkl", 14);
    if (zip_find(r->zip, name)) {
        return error_set(err, HST_STATUS_UNSUPPORTED, r->path,
                         "'%s' is a TorchScript program, not weights; save the model's state_dict", r->path);
    }
    memcpy(name + root, "byteorder", 10);
    const zip_entry *e = zip_find(r->zip, name);
    char order[6] = "little";
    if (e && e->size == sizeof order) HST_TRY(zip_unpack(r->zip, e, order, err));
    if (e && (e->size != sizeof order || memcmp(order, "little", sizeof order) != 0)) {
        return error_set(err, HST_STATUS_UNSUPPORTED, r->path, "'%s' was written on a big-endian machine", r->path);
    }
    return HST_STATUS_OK;
}

static hst_status read_zip(reader *r, hst_error *err) {
    const zip_entry *e = NULL;
    pickle_storages storages = {0};
    pickle_value *object = NULL;
    size_t used = 0;
    HST_TRY(zip_open(r->path, r->data, r->size, &r->weights->allocator, &r->zip, err));
    HST_TRY(find_root(r, &e, err));
    HST_TRY(check_archive(r, err));
    if (e->size > PICKLE_SIZE_MOST) {
        return error_set(err, HST_STATUS_BUDGET, r->path, "'%s': a pickle of %zu bytes; at most %zu are read", r->path,
                         e->size, PICKLE_SIZE_MOST);
    }
    unsigned char *text = arena_alloc(r->arena, e->size);
    r->n_places = zip_count(r->zip);
    r->places = ARENA_ARRAY(r->arena, storage_place, r->n_places);
    if (!text || !r->places) return error_no_memory(err, e->size, "the pickle of a torch file");
    HST_TRY(zip_unpack(r->zip, e, text, err));
    HST_TRY(pickle_load(r->arena, r->path, text, e->size, &storages, &object, &used, err));
    if (used != e->size) return BAD("'%s': %zu bytes follow the pickle", r->path, e->size - used);
    return add_weights(r, object, err);
}

/* ---- the format before 1.6 ---- */

/* PROTO 2, LONG1 of ten bytes 0x1950a86a20f9469cfc6c, STOP. */
static const unsigned char magic[] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                      0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

static hst_status next_pickle(reader *r, size_t *at, pickle_storages *s, pickle_value **out, hst_error *err) {
    size_t used = 0;
    hst_status status = pickle_load(r->arena, r->path, r->data + *at, r->size - *at, s, out, &used, err);
    if (status != HST_STATUS_OK) return error_prefix(err, status, "the pickle at byte %zu", *at);
    *at += used;
    return HST_STATUS_OK;
}

static int by_storage_key(const void *a, const void *b) {
    const pickle_storage *x = *(const pickle_storage *const *)a, *y = *(const pickle_storage *const *)b;
    storage_place p = {.key = x->key, .key_size = x->key_size}, q = {.key = y->key, .key_size = y->key_size};
    return by_key(&p, &q);
}

static hst_status read_storages(reader *r, size_t at, const pickle_items *keys, pickle_storages *s, hst_error *err) {
    r->places = ARENA_ARRAY(r->arena, storage_place, keys->count);
    if (!r->places) return error_no_memory(err, keys->count * sizeof *r->places, "the storages of a torch file");
    if (s->count) qsort(s->at, s->count, sizeof *s->at, by_storage_key);
    for (size_t i = 0; i < keys->count; i++) {
        const pickle_value *key = keys->at[i];
        if (key->kind != PICKLE_STRING) return BAD("'%s': a storage key that is no string", r->path);
        pickle_storage wanted = {.key = key->as.s.data, .key_size = key->as.s.size}, *w = &wanted;
        const pickle_storage **found = s->count ? bsearch(&w, s->at, s->count, sizeof *s->at, by_storage_key) : NULL;
        if (!found) return BAD("'%s': storage key %zu is one that no tensor uses", r->path, i);
        size_t bytes = 0, element = (*found)->dtype == HST_DTYPE_NONE ? 1 : (size_t)dtype_bits((*found)->dtype) / 8;
        uint64_t count = 0;
        if (r->size - at < 8) return BAD("'%s' was cut at byte %zu: a storage is missing", r->path, r->size);
        for (int k = 8; k-- > 0;) count = count << 8 | r->data[at + (size_t)k];
        at += 8;
        if (!size_mul((size_t)count, element, &bytes) || bytes > r->size - at) {
            return BAD("'%s': a storage of %llu elements of %zu bytes at byte %zu passes the end at %zu", r->path,
                       (unsigned long long)count, element, at, r->size);
        }
        r->places[r->n_places++] =
            (storage_place){.key = wanted.key, .key_size = wanted.key_size, .data = r->data + at, .bytes = bytes};
        at += bytes;
    }
    if (at != r->size) return BAD("'%s': %zu bytes follow the last storage", r->path, r->size - at);
    if (r->n_places) qsort(r->places, r->n_places, sizeof *r->places, by_key);
    for (size_t i = 1; i < r->n_places; i++) {
        if (by_key(&r->places[i - 1], &r->places[i]) == 0) return BAD("'%s': two storages have one key", r->path);
    }
    return HST_STATUS_OK;
}

static hst_status read_old(reader *r, hst_error *err) {
    pickle_storages storages = {0};
    pickle_value *protocol = NULL, *system = NULL, *object = NULL, *keys = NULL;
    size_t at = sizeof magic;
    if (r->size < sizeof magic || memcmp(r->data, magic, sizeof magic) != 0) {
        return error_set(err, HST_STATUS_UNSUPPORTED, r->path,
                         "'%s' is a pickle that torch.save did not write; save the weights as safetensors", r->path);
    }
    HST_TRY(next_pickle(r, &at, &storages, &protocol, err));
    if (protocol->kind != PICKLE_INT || protocol->as.i != 1001) return BAD("'%s': an unknown torch protocol", r->path);
    HST_TRY(next_pickle(r, &at, &storages, &system, err));
    const pickle_value *little = pickle_get(system, "little_endian");
    if (!little || little->kind != PICKLE_BOOL || !little->as.b) {
        return error_set(err, HST_STATUS_UNSUPPORTED, r->path, "'%s' was written on a big-endian machine", r->path);
    }
    HST_TRY(next_pickle(r, &at, &storages, &object, err));
    HST_TRY(next_pickle(r, &at, &storages, &keys, err));
    if (keys->kind != PICKLE_LIST) return BAD("'%s': the storage keys are no list", r->path);
    HST_TRY(read_storages(r, at, &keys->as.items, &storages, err));
    return add_weights(r, object, err);
}

hst_status torch_read(weights *w, const char *path, const unsigned char *data, size_t size, hst_error *err) {
    reader r = {.weights = w, .path = path, .data = data, .size = size};
    r.arena = arena_new(&w->allocator);
    if (!r.arena) return error_no_memory(err, 4096, "reading a torch file");
    arena_set_limit(r.arena, PICKLE_MEMORY_MOST);
    bool zip = size >= 2 && memcmp(data, "PK", 2) == 0;
    hst_status status = zip ? read_zip(&r, err) : read_old(&r, err);
    for (size_t i = 0; r.places && i < r.n_places; i++) {
        if (r.places[i].temporary) memory_free(&w->allocator, (void *)(uintptr_t)r.places[i].data, r.places[i].bytes);
    }
    zip_free(r.zip);
    arena_free(r.arena);
    return status;
}
