/* The vocabulary's arrays: growing, hashing, looking up. */
#include "text/vocab.h"

#include <string.h>

#include "base/memory.h"
#include "text/work.h"

/* An id table larger than this many times the tokens is taken for damage. */
#define ID_SPREAD  64
#define ID_SLACK   1000000
#define BYTES_MOST ((size_t)1 << 31)

void vocab_init(vocab *v, const hst_allocator *allocator) {
    memset(v, 0, sizeof *v);
    v->allocator = allocator ? *allocator : *allocator_default();
}

void vocab_free(vocab *v) {
    const hst_allocator *a = &v->allocator;
    if (v->borrowed) vocab_init(v, a);
    memory_free(a, v->bytes, v->bytes_capacity);
    memory_free(a, v->begin, v->begin_capacity * sizeof *v->begin);
    memory_free(a, v->id, v->id_capacity * sizeof *v->id);
    memory_free(a, v->slots, v->slots_capacity * sizeof *v->slots);
    memory_free(a, v->entry_of_id, v->entry_of_id_capacity * sizeof *v->entry_of_id);
    hst_allocator keep = v->allocator;
    memset(v, 0, sizeof *v);
    v->allocator = keep;
}

static uint32_t slot_tag(uint64_t hash) {
    return (uint32_t)(hash >> 32);
}
static uint32_t slot_of(const vocab *v, uint64_t hash) {
    return (uint32_t)(hash ^ hash >> 29) & v->mask;
}

static void put(vocab *v, uint64_t hash, uint32_t entry) {
    uint32_t at = slot_of(v, hash);
    while (v->slots[2 * (size_t)at + 1]) at = (at + 1) & v->mask;
    v->slots[2 * (size_t)at] = slot_tag(hash);
    v->slots[2 * (size_t)at + 1] = entry + 1;
}

/* Doubles the table until it is at most half full. */
static hst_status grow_slots(vocab *v, size_t tokens, hst_error *err) {
    size_t want = 64;
    while (want < 2 * tokens) want *= 2;
    if (v->slots && want <= (size_t)v->mask + 1) return HST_STATUS_OK;
    uint32_t *slots = memory_alloc(&v->allocator, 2 * want * sizeof *slots, 16);
    if (!slots) return error_no_memory(err, 2 * want * sizeof *slots, "a vocabulary");
    memset(slots, 0, 2 * want * sizeof *slots);
    memory_free(&v->allocator, v->slots, v->slots_capacity * sizeof *slots);
    v->slots = slots;
    v->slots_capacity = 2 * want;
    v->mask = (uint32_t)(want - 1);
    for (uint32_t e = 0; e < v->count; e++)
        put(v, vocab_hash_bytes(VOCAB_HASH_SEED, v->bytes + v->begin[e], v->begin[e + 1] - v->begin[e] - 1), e);
    return HST_STATUS_OK;
}

hst_status vocab_reserve(vocab *v, size_t tokens, hst_error *err) {
    if (tokens > (size_t)1 << 28) return error_no_memory(err, tokens, "a vocabulary");
    HST_TRY(grow_slots(v, tokens, err));
    HST_TRY(work_grow(&v->allocator, (void *)&v->begin, &v->begin_capacity, tokens + 1, sizeof *v->begin, err));
    HST_TRY(work_grow(&v->allocator, (void *)&v->id, &v->id_capacity, tokens, sizeof *v->id, err));
    return work_grow(&v->allocator, (void *)&v->bytes, &v->bytes_capacity, tokens * 8, 1, err);
}

static hst_status reserve_one(vocab *v, size_t size, hst_error *err) {
    size_t tokens = (size_t)v->count + 1, bytes = v->bytes_size + size + 1;
    if (tokens > (size_t)1 << 28 || size > BYTES_MOST || bytes > BYTES_MOST)
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "a vocabulary of more than %zu bytes", BYTES_MOST);
    HST_TRY(grow_slots(v, tokens, err));
    HST_TRY(work_grow(&v->allocator, (void *)&v->begin, &v->begin_capacity, tokens + 1, sizeof *v->begin, err));
    HST_TRY(work_grow(&v->allocator, (void *)&v->id, &v->id_capacity, tokens, sizeof *v->id, err));
    return work_grow(&v->allocator, (void *)&v->bytes, &v->bytes_capacity, bytes, 1, err);
}

hst_status vocab_add(vocab *v, const char *token, size_t size, int64_t id, hst_error *err) {
    if (id < 0 || id >= INT32_MAX)
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "token '%.*s' has the id %lld: ids are 0 … %d",
                         (int)(size < 60 ? size : 60), token, (long long)id, INT32_MAX - 1);
    uint64_t hash = vocab_hash_bytes(VOCAB_HASH_SEED, token, size);
    int32_t there = v->slots ? vocab_find_hashed(v, hash, "", 0, token, size) : -1;
    if (v->borrowed)
        return there >= 0 && v->id[there] == id
                   ? HST_STATUS_OK
                   : error_set(err, HST_STATUS_BAD_FORMAT, NULL, "token '%.*s' is not in the packed vocabulary",
                               (int)(size < 60 ? size : 60), token);
    if (id >= v->id_limit) v->id_limit = (int32_t)id + 1;
    if (there >= 0) {
        v->id[there] = (int32_t)id;
        return HST_STATUS_OK;
    }
    HST_TRY(reserve_one(v, size, err));
    if (v->count == 0) v->begin[0] = 0;
    if (size) memcpy(v->bytes + v->bytes_size, token, size);
    v->bytes[v->bytes_size + size] = '\0';
    v->bytes_size += size + 1;
    v->id[v->count] = (int32_t)id;
    put(v, hash, v->count);
    v->begin[++v->count] = (uint32_t)v->bytes_size;
    if (size > v->longest) v->longest = (uint32_t)size;
    return HST_STATUS_OK;
}

hst_status vocab_finish(vocab *v, hst_error *err) {
    if (v->borrowed) return HST_STATUS_OK;
    v->id_limit = 0;
    for (uint32_t e = 0; e < v->count; e++)
        if (v->id[e] >= v->id_limit) v->id_limit = v->id[e] + 1;
    if ((uint64_t)v->id_limit > (uint64_t)v->count * ID_SPREAD + ID_SLACK)
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "%u tokens with ids up to %d: the ids are damaged", v->count,
                         v->id_limit - 1);
    HST_TRY(work_grow(&v->allocator, (void *)&v->entry_of_id, &v->entry_of_id_capacity, (size_t)v->id_limit,
                      sizeof *v->entry_of_id, err));
    for (int32_t i = 0; i < v->id_limit; i++) v->entry_of_id[i] = -1;
    for (uint32_t e = 0; e < v->count; e++) v->entry_of_id[v->id[e]] = (int32_t)e;
    return HST_STATUS_OK;
}

int32_t vocab_find_hashed(const vocab *v, uint64_t hash, const char *prefix, size_t prefix_size, const char *token,
                          size_t size) {
    uint32_t tag = slot_tag(hash);
    for (uint32_t at = slot_of(v, hash); v->slots[2 * (size_t)at + 1]; at = (at + 1) & v->mask) {
        if (v->slots[2 * (size_t)at] != tag) continue;
        uint32_t e = v->slots[2 * (size_t)at + 1] - 1;
        const char *bytes = v->bytes + v->begin[e];
        if (v->begin[e + 1] - v->begin[e] - 1 == prefix_size + size && memcmp(bytes, prefix, prefix_size) == 0 &&
            memcmp(bytes + prefix_size, token, size) == 0)
            return (int32_t)e;
    }
    return -1;
}

int32_t vocab_find(const vocab *v, const char *token, size_t size) {
    if (!v->slots) return -1;
    return vocab_find_hashed(v, vocab_hash_bytes(VOCAB_HASH_SEED, token, size), "", 0, token, size);
}

int32_t vocab_id(const vocab *v, const char *token, size_t size) {
    int32_t e = vocab_find(v, token, size);
    return e < 0 ? -1 : v->id[e];
}

const char *vocab_token(const vocab *v, int64_t id, size_t *size) {
    if (id < 0 || id >= v->id_limit || !v->entry_of_id || v->entry_of_id[id] < 0) return NULL;
    int32_t e = v->entry_of_id[id];
    *size = v->begin[e + 1] - v->begin[e] - 1;
    return v->bytes + v->begin[e];
}
