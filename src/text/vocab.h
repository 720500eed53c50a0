/* A vocabulary in a few flat arrays: every token's bytes after one another, and an open-addressing hash over them.
 * Tokens are entries 0 … count-1 in the order they came; ids may have gaps, and two tokens may share an id.
 * Hashes can be computed step by step, so a model can look up every prefix of a word in one pass over it. */
#ifndef TEXT_VOCAB_H
#define TEXT_VOCAB_H

#include "base/error.h"

typedef struct vocab {
    hst_allocator allocator;
    char *bytes; /* [bytes_size]: each token followed by a NUL (tokens may hold NULs too) */
    size_t bytes_size, bytes_capacity;
    uint32_t *begin; /* [count + 1] */
    size_t begin_capacity;
    int32_t *id; /* [count] */
    size_t id_capacity;
    uint32_t *slots; /* [2 × (mask + 1)]: high half of the hash, entry + 1 (0: empty) */
    size_t slots_capacity;
    int32_t *entry_of_id; /* [id_limit]: -1 for a gap; made by vocab_finish */
    size_t entry_of_id_capacity;
    uint32_t count, mask;
    uint32_t model_count; /* the first entries are the model's, the others added tokens that it does not know */
    uint32_t longest;     /* bytes of the longest token */
    int32_t id_limit;     /* highest id + 1 */
    bool borrowed;        /* the arrays are those of a packed vocabulary: complete, and not to be changed */
} vocab;

#define VOCAB_HASH_SEED 0xcbf29ce484222325u

static inline uint64_t vocab_hash_step(uint64_t h, unsigned char c) {
    return (h ^ c) * 0x100000001b3u;
}
static inline uint64_t vocab_hash_bytes(uint64_t h, const void *data, size_t size) {
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i++) h = vocab_hash_step(h, p[i]);
    return h;
}

/* `allocator` NULL: libc; copied. */
void vocab_init(vocab *v, const hst_allocator *allocator);
void vocab_free(vocab *v);
/* Room for `tokens` tokens before they are added (a hint). */
hst_status vocab_reserve(vocab *v, size_t tokens, hst_error *err);
/* Adds a token; one that is there already gets the new id. Errors: BAD_FORMAT (an id that is negative or beyond any
 * sensible table), NO_MEMORY. */
hst_status vocab_add(vocab *v, const char *token, size_t size, int64_t id, hst_error *err);
/* Makes the table from id to token. Where two tokens share an id the later one is its text. */
hst_status vocab_finish(vocab *v, hst_error *err);

/* A finished vocabulary as one block of bytes, and back (vocab_pack.c): what an engine file holds. The block is used where
 * it lies, aligned to 64 bytes, and must stay as long; it is believed in nothing. Ownership: free(*data). */
hst_status vocab_pack(const vocab *v, void **data, size_t *size, hst_error *err);
hst_status vocab_borrow(vocab *v, const void *data, size_t size, hst_error *err);

/* Entry or -1. The hash is vocab_hash_bytes of prefix and token; `prefix` may be empty. */
int32_t vocab_find_hashed(const vocab *v, uint64_t hash, const char *prefix, size_t prefix_size, const char *token,
                          size_t size);
int32_t vocab_find(const vocab *v, const char *token, size_t size);
/* The id, -1 where there is no such token. */
int32_t vocab_id(const vocab *v, const char *token, size_t size);
/* NUL-terminated text of an id, its size in *size; NULL: no such id. */
const char *vocab_token(const vocab *v, int64_t id, size_t *size);

#endif
