/* The tokenizer object: encode, windows, batches, decode, lookups. */
#include <stdlib.h>
#include <string.h>

#include "base/section_file.h"
#include "base/text_buffer.h"
#include "text/encoding.h"

hst_status tokenizer_new(const hst_allocator *a, tokenizer **out, hst_error *err) {
    arena *memory = arena_new(a);
    tokenizer *t = memory ? ARENA_NEW(memory, tokenizer) : NULL;
    if (!t) {
        arena_free(memory);
        return error_no_memory(err, sizeof *t, "a tokenizer");
    }
    t->arena = memory;
    t->allocator = *arena_allocator(memory);
    vocab_init(&t->vocab, &t->allocator);
    t->truncation.max_length = TRUNCATION_NEVER;
    for (int i = 0; i < SPECIAL_COUNT; i++) t->special_ids[i] = -1;
    *out = t;
    return HST_STATUS_OK;
}

void tokenizer_free(tokenizer *t) {
    if (!t) return;
    section_file *file = t->file;
    vocab_free(&t->vocab);
    arena_free(t->arena);
    section_file_free(file);
}

static hst_status encode_one(const tokenizer *t, hst_string text, const hst_string *pair, const encode_options *options,
                             const padding *pad, encoding *e, hst_error *err) {
    struct encoding_work *k = e->work;
    size_t length;
    e->count = 0;
    k->texts[0].windows.count = k->texts[1].windows.count = 0;
    if ((text.size && !text.data) || (pair && pair->size && !pair->data))
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "text", "the text is NULL");
    k->pair = pair != NULL;
    k->specials = !options->no_special_tokens;
    k->padding = *pad;
    HST_TRY(encode_text(t, text, k, 0, err));
    if (pair) HST_TRY(encode_text(t, *pair, k, 1, err));
    const truncation *cut = options->truncation ? options->truncation : &t->truncation;
    HST_TRY(truncate_texts(cut, k->specials ? t->templates[k->pair].added : 0, k, err));
    HST_TRY(encoding_assemble(t, k, 0, e, err));
    HST_TRY(padding_length(pad, e->count, &length, err));
    return encoding_pad(e, length, pad, err);
}

hst_status tokenizer_encode(const tokenizer *t, hst_string text, const hst_string *pair, const encode_options *options,
                            encoding *e, hst_error *err) {
    static const encode_options plain = {false, NULL, NULL};
    if (!options) options = &plain;
    hst_status status = encode_one(t, text, pair, options, options->padding ? options->padding : &t->padding, e, err);
    if (status != HST_STATUS_OK) e->count = 0;
    return status;
}

hst_status tokenizer_window(const tokenizer *t, const encoding *from, size_t window, encoding *out, hst_error *err) {
    const struct encoding_work *k = from->work;
    size_t length, count = encoding_window_count(from);
    if (window >= count || out == from)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "window", "window %zu of %zu", window, count);
    HST_TRY(encoding_assemble(t, k, window, out, err));
    HST_TRY(padding_length(&k->padding, from->count, &length, err)); /* all windows to the width of the first */
    return encoding_pad(out, length, &k->padding, err);
}

/* ---- batches ---- */

void encoding_batch_init(encoding_batch *b, const hst_allocator *a) {
    memset(b, 0, sizeof *b);
    b->allocator = a ? *a : *allocator_default();
}

void encoding_batch_free(encoding_batch *b) {
    for (size_t i = 0; i < b->capacity; i++) encoding_free(b->rows[i]);
    memory_free(&b->allocator, b->rows, b->capacity * sizeof *b->rows);
    b->rows = NULL;
    b->count = b->width = b->capacity = 0;
}

static hst_status reserve_rows(encoding_batch *b, size_t n, hst_error *err) {
    size_t was = b->capacity;
    HST_TRY(work_grow(&b->allocator, (void *)&b->rows, &b->capacity, n, sizeof *b->rows, err));
    for (size_t i = was; i < b->capacity; i++) b->rows[i] = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!b->rows[i]) b->rows[i] = encoding_new(&b->allocator);
        if (!b->rows[i]) return error_no_memory(err, sizeof(encoding), "a batch");
    }
    return HST_STATUS_OK;
}

hst_status tokenizer_encode_batch(const tokenizer *t, size_t n, const hst_string *texts, const hst_string *pairs,
                                  const encode_options *options, encoding_batch *b, hst_error *err) {
    static const encode_options plain = {false, NULL, NULL};
    padding pad, none = {.strategy = PADDING_NONE};
    size_t length, longest = 0;
    if (!options) options = &plain;
    b->count = b->width = 0;
    pad = options->padding ? *options->padding : t->padding;
    if (!options->padding && pad.strategy == PADDING_NONE) pad.strategy = PADDING_LONGEST;
    HST_TRY(reserve_rows(b, n, err));
    for (size_t i = 0; i < n; i++) {
        HST_TRY(encode_one(t, texts[i], pairs ? &pairs[i] : NULL, options, &none, b->rows[i], err));
        if (b->rows[i]->count > longest) longest = b->rows[i]->count;
    }
    HST_TRY(padding_length(&pad, longest, &length, err));
    for (size_t i = 0; i < n; i++) HST_TRY(encoding_pad(b->rows[i], length, &pad, err));
    b->count = n;
    b->width = length > longest ? length : longest;
    return HST_STATUS_OK;
}

/* ---- ids and tokens ---- */

hst_status tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, bool skip_special_tokens, char **text,
                            size_t *size, hst_error *err) {
    text_buffer out = {0};
    bool first = true;
    text_buffer_add(&out, "", 0);
    for (size_t i = 0; i < n && !out.failed; i++) {
        size_t token_size;
        const char *token = vocab_token(&t->vocab, ids[i], &token_size);
        if (!token) {
            text_buffer_free(&out);
            return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL,
                             "id %d at place %zu is not in the vocabulary of %u tokens", ids[i], i, t->vocab.count);
        }
        if (skip_special_tokens && t->special[ids[i]]) continue;
        if (t->decoder) {
            if (t->decoder->decode(t->decoder_config, token, token_size, first, &out) != HST_STATUS_OK)
                out.failed = true;
        } else {
            if (!first) text_buffer_add(&out, " ", 1);
            text_buffer_add(&out, token, token_size);
        }
        first = false;
    }
    text_buffer_add(&out, "", 0); /* the NUL, where the decoder shortened the text */
    if (size) *size = out.size;
    *text = text_buffer_take(&out);
    return *text ? HST_STATUS_OK : error_no_memory(err, n, "decoded text");
}

int32_t tokenizer_token_to_id(const tokenizer *t, const char *token, size_t size) {
    return vocab_id(&t->vocab, token, size);
}

const char *tokenizer_id_to_token(const tokenizer *t, int32_t id, size_t *size) {
    size_t n;
    const char *token = vocab_token(&t->vocab, id, &n);
    if (token && size) *size = n;
    return token;
}

size_t tokenizer_vocab_size(const tokenizer *t) {
    return t->vocab.count;
}
int32_t tokenizer_id_limit(const tokenizer *t) {
    return t->vocab.id_limit;
}
int32_t tokenizer_special_id(const tokenizer *t, special_token which) {
    return (unsigned)which < SPECIAL_COUNT ? t->special_ids[which] : -1;
}
bool tokenizer_is_special(const tokenizer *t, int32_t id) {
    return id >= 0 && id < t->vocab.id_limit && t->special[id] != 0;
}
size_t tokenizer_max_length(const tokenizer *t) {
    return t->max_length;
}
truncation tokenizer_truncation(const tokenizer *t) {
    return t->truncation;
}
padding tokenizer_padding(const tokenizer *t) {
    return t->padding;
}
size_t tokenizer_added_count(const tokenizer *t, bool pair) {
    return t->templates[pair].added;
}
