/* WordPiece: the longest piece of the vocabulary that begins the word, then again on what is left, where pieces carry a
 * prefix ("##"). A word that cannot be covered, or is too long, becomes the unknown token as a whole. */
#include "text/pipeline.h"

#include <string.h>

#include "base/utf8.h"

typedef struct wordpiece {
    hst_string prefix, unk;
    uint64_t prefix_hash;
    size_t max_chars;
    int32_t unk_id; /* -1: not in the vocabulary */
} wordpiece;

static hst_status read_vocab(load_context *c, vocab *v) {
    json_string token;
    bool more;
    HST_TRY(json_enter_object(c->json));
    for (;;) {
        int64_t id;
        HST_TRY(json_next_key(c->json, &token, &more));
        if (!more) return HST_STATUS_OK;
        /* The token's bytes stay valid while the number behind them is read: only strings use the scratch. */
        HST_TRY(json_read_s64(c->json, &id));
        HST_TRY(vocab_add(v, token.data, token.size, id, c->err));
    }
}

static hst_status complete(wordpiece *m, const vocab *v, hst_error *err) {
    (void)err;
    m->prefix_hash = vocab_hash_bytes(VOCAB_HASH_SEED, m->prefix.data, m->prefix.size);
    m->unk_id = vocab_id(v, m->unk.data, m->unk.size);
    return HST_STATUS_OK;
}

hst_status model_wordpiece_make(arena *a, const char *prefix, const char *unk, const vocab *v, void **config,
                                hst_error *err) {
    wordpiece *m = ARENA_NEW(a, wordpiece);
    char *copy = m ? arena_copy_string(a, unk, strlen(unk)) : NULL;
    if (!copy) return error_no_memory(err, sizeof *m, "a tokenizer");
    m->prefix = (hst_string){prefix, strlen(prefix)};
    m->unk = (hst_string){copy, strlen(unk)};
    m->max_chars = 100;
    *config = m;
    return complete(m, v, err);
}

static hst_status parse(load_context *c, void **config) {
    wordpiece *m = ARENA_NEW(c->arena, wordpiece);
    vocab *v = &c->tokenizer->vocab;
    json_string key;
    bool more, has_vocab = false;
    if (!m) return error_no_memory(c->err, sizeof *m, "a tokenizer");
    m->prefix = (hst_string){"##", 2};
    m->unk = (hst_string){"[UNK]", 5};
    m->max_chars = 100;
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) break;
        if (json_string_is(&key, "unk_token")) {
            HST_TRY(component_string(c, &m->unk));
        } else if (json_string_is(&key, "continuing_subword_prefix")) {
            HST_TRY(component_string(c, &m->prefix));
        } else if (json_string_is(&key, "max_input_chars_per_word")) {
            HST_TRY(component_size(c, SIZE_MAX, &m->max_chars));
        } else if (json_string_is(&key, "vocab")) {
            HST_TRY(read_vocab(c, v));
            has_vocab = true;
        } else {
            HST_TRY(json_skip(c->json));
        }
    }
    if (!has_vocab) return json_fail(c->json, "the WordPiece model has no vocab");
    *config = m;
    return complete(m, v, c->err);
}

static hst_status push_token(text_work *w, token_list *out, text_token token, hst_error *err) {
    if (out->count == out->capacity) HST_TRY(WORK_RESERVE(w, out, out->count + 1, err));
    out->data[out->count++] = token;
    return HST_STATUS_OK;
}

/* The word as UTF-8 with the byte where each character begins. */
static hst_status spell(text_work *w, text_span word, hst_error *err) {
    size_t n = word.end - word.begin;
    const hst_allocator *a = &w->allocator;
    HST_TRY(work_grow(a, (void *)&w->bytes, &w->bytes_capacity, 4 * n, 1, err));
    HST_TRY(work_grow(a, (void *)&w->positions, &w->positions_capacity, n + 1, sizeof *w->positions, err));
    HST_TRY(work_grow(a, (void *)&w->hashes, &w->hashes_capacity, n + 1, sizeof *w->hashes, err));
    uint32_t at = 0;
    for (size_t i = 0; i < n; i++) {
        w->positions[i] = at;
        at += (uint32_t)utf8_encode(w->line.chars[word.begin + i].cp, w->bytes + at);
    }
    w->positions[n] = at;
    return HST_STATUS_OK;
}

/* The longest piece that begins at character `from` of the word's n: its entry, and where it ends in *to; -1: none. */
static int32_t longest_piece(const wordpiece *m, const vocab *v, const text_work *w, size_t from, size_t n,
                             size_t *to) {
    size_t prefix = from ? m->prefix.size : 0, end = from;
    uint64_t h = from ? m->prefix_hash : VOCAB_HASH_SEED;
    const uint32_t *at = w->positions;
    while (end < n && prefix + (at[end + 1] - at[from]) <= v->longest) {
        for (uint32_t b = at[end]; b < at[end + 1]; b++) h = vocab_hash_step(h, w->bytes[b]);
        w->hashes[end++] = h;
    }
    for (; end > from; end--) {
        int32_t e = vocab_find_hashed(v, w->hashes[end - 1], m->prefix.data, prefix, (const char *)w->bytes + at[from],
                                      at[end] - at[from]);
        if (e < 0 || (uint32_t)e >= v->model_count) continue;
        *to = end;
        return e;
    }
    return -1;
}

static hst_status tokenize(const void *config, const vocab *v, text_work *w, text_span word, int32_t word_index,
                           token_list *out, hst_error *err) {
    const wordpiece *m = config;
    const text_char *chars = w->line.chars + word.begin;
    size_t n = word.end - word.begin, before = out->count, from = 0, to = 0;
    if (n <= m->max_chars && v->model_count) {
        HST_TRY(spell(w, word, err));
        for (; from < n; from = to) {
            int32_t e = longest_piece(m, v, w, from, n, &to);
            if (e < 0) break;
            text_token token = {v->id[e], word_index, chars[from].begin, chars[to - 1].end};
            HST_TRY(push_token(w, out, token, err));
        }
        if (from == n) return HST_STATUS_OK;
    }
    out->count = before;
    if (m->unk_id < 0)
        return error_set(err, HST_STATUS_BAD_FORMAT, m->unk.data,
                         "a word is not in the vocabulary, and neither is the unknown token '%s'", m->unk.data);
    return push_token(w, out, (text_token){m->unk_id, word_index, chars[0].begin, chars[n - 1].end}, err);
}

const model_kind model_wordpiece = {"WordPiece", parse, tokenize};
