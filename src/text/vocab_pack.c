/* A vocabulary as one block: a head, then the arrays of text/vocab.h, each aligned to 64 bytes. All that is followed as
 * an index is checked when a block is taken; a wrong hash only makes tokens that are not found. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/memory.h"
#include "text/vocab.h"

typedef struct packed_head {
    char magic[8];
    uint32_t count, model_count, slots, id_limit;
    uint64_t bytes_size;
    unsigned char zero[32];
} packed_head;

static const char magic[8] = "hstvoc1";

enum { BEGIN, ID, SLOTS, ENTRY_OF_ID, BYTES, ARRAYS };

typedef struct layout {
    size_t at[ARRAYS], bytes[ARRAYS], size;
} layout;

static bool lay_out(const packed_head *h, layout *l) {
    const size_t count = h->count, slots = h->slots;
    const size_t bytes[ARRAYS] = {(count + 1) * 4, count * 4, slots * 8, (size_t)h->id_limit * 4,
                                  (size_t)h->bytes_size};
    size_t at = sizeof *h;
    for (int i = 0; i < ARRAYS; i++) {
        if (!size_align(at, MEMORY_ALIGN, &at)) return false;
        l->at[i] = at;
        l->bytes[i] = bytes[i];
        if (!size_add(at, bytes[i], &at)) return false;
    }
    l->size = at;
    return true;
}

hst_status vocab_pack(const vocab *v, void **data, size_t *size, hst_error *err) {
    packed_head h = {.count = v->count,
                     .model_count = v->model_count,
                     .slots = v->slots ? v->mask + 1 : 0,
                     .id_limit = (uint32_t)v->id_limit,
                     .bytes_size = v->bytes_size};
    layout l;
    memcpy(h.magic, magic, sizeof magic);
    char *to = lay_out(&h, &l) ? calloc(1, l.size) : NULL;
    if (!to) return error_no_memory(err, v->bytes_size, "a packed vocabulary");
    const void *const from[ARRAYS] = {v->begin, v->id, v->slots, v->entry_of_id, v->bytes};
    memcpy(to, &h, sizeof h);
    for (int i = 0; i < ARRAYS; i++)
        if (from[i] && l.bytes[i]) memcpy(to + l.at[i], from[i], l.bytes[i]);
    *data = to;
    *size = l.size;
    return HST_STATUS_OK;
}

static hst_status bad(hst_error *err, const char *what) {
    return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "the packed vocabulary is damaged: %s", what);
}

static hst_status check_tokens(vocab *v, hst_error *err) {
    if (v->begin[0] != 0 || v->begin[v->count] != v->bytes_size) return bad(err, "its tokens do not fill its text");
    for (uint32_t e = 0; e < v->count; e++) {
        const uint32_t begin = v->begin[e], end = v->begin[e + 1];
        if (end <= begin || end > v->bytes_size || v->bytes[end - 1]) return bad(err, "a token has no end");
        if (v->id[e] < 0 || v->id[e] >= v->id_limit) return bad(err, "an id is out of range");
        if (end - begin - 1 > v->longest) v->longest = end - begin - 1;
    }
    for (int32_t i = 0; i < v->id_limit; i++)
        if (v->entry_of_id[i] < -1 || v->entry_of_id[i] >= (int64_t)v->count)
            return bad(err, "an entry is out of range");
    return HST_STATUS_OK;
}

/* A search ends at an empty slot, so there must be one. */
static hst_status check_slots(const vocab *v, size_t slots, hst_error *err) {
    bool empty = false;
    if (!slots) return v->count ? bad(err, "it has no hash table") : HST_STATUS_OK;
    if (slots & (slots - 1)) return bad(err, "its hash table has an impossible size");
    for (size_t i = 0; i < slots; i++) {
        const uint32_t entry = v->slots[2 * i + 1];
        if (entry > v->count) return bad(err, "its hash table leads outside");
        empty |= entry == 0;
    }
    return empty ? HST_STATUS_OK : bad(err, "its hash table is full");
}

hst_status vocab_borrow(vocab *v, const void *data, size_t size, hst_error *err) {
    packed_head h;
    layout l;
    if (size < sizeof h || (uintptr_t)data % MEMORY_ALIGN) return bad(err, "it is too short, or not aligned");
    memcpy(&h, data, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) != 0) return bad(err, "it does not begin as one");
    if (!lay_out(&h, &l) || l.size != size) return bad(err, "its size is not what its counts need");
    if (h.count > (uint32_t)1 << 28 || h.model_count > h.count || h.id_limit >= INT32_MAX || h.bytes_size > UINT32_MAX)
        return bad(err, "its counts are out of range");
    char *at = (char *)(uintptr_t)data;
    vocab_free(v);
    v->borrowed = true;
    v->begin = (uint32_t *)(void *)(at + l.at[BEGIN]);
    v->id = (int32_t *)(void *)(at + l.at[ID]);
    v->slots = h.slots ? (uint32_t *)(void *)(at + l.at[SLOTS]) : NULL;
    v->entry_of_id = (int32_t *)(void *)(at + l.at[ENTRY_OF_ID]);
    v->bytes = at + l.at[BYTES];
    v->bytes_size = (size_t)h.bytes_size;
    v->count = h.count;
    v->model_count = h.model_count;
    v->mask = h.slots ? h.slots - 1 : 0;
    v->id_limit = (int32_t)h.id_limit;
    v->longest = 0;
    hst_status status = check_tokens(v, err);
    if (status == HST_STATUS_OK) status = check_slots(v, h.slots, err);
    if (status != HST_STATUS_OK) vocab_free(v);
    return status;
}
