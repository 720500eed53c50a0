/* hst_tokenizer_*, hst_encoding_*: text/tokenizer.h under public names. The handles are the room's own objects. */
#include "text/tokenizer.h"

#include <string.h>

#include "api/api.h"

_Static_assert(sizeof(hst_span) == sizeof(token_offset), "one layout");

static const tokenizer *in(const hst_tokenizer *t) {
    return (const tokenizer *)t;
}

static const encoding *en(const hst_encoding *e) {
    return (const encoding *)e;
}

static hst_status need(const void *p, const char *what, hst_error *err) {
    return p ? HST_STATUS_OK : error_set(err, HST_STATUS_INVALID_ARGUMENT, what, "%s is NULL", what);
}

hst_status hst_tokenizer_load(const char *path, const hst_allocator *a, hst_tokenizer **out, hst_error *err) {
    HST_TRY(need(path, "path", err));
    HST_TRY(need(out, "out", err));
    return tokenizer_open(path, a, (tokenizer **)out, err);
}

hst_status hst_tokenizer_load_memory(const char *json, size_t size, const char *config, size_t config_size,
                                     const hst_allocator *a, hst_tokenizer **out, hst_error *err) {
    HST_TRY(need(json, "json", err));
    HST_TRY(need(out, "out", err));
    return tokenizer_from_memory(json, size, config, config ? config_size : 0, "tokenizer in memory", a,
                                 (tokenizer **)out, err);
}

void hst_tokenizer_free(hst_tokenizer *t) {
    tokenizer_free((tokenizer *)t);
}

hst_status hst_encoding_new(const hst_allocator *a, hst_encoding **out, hst_error *err) {
    HST_TRY(need(out, "out", err));
    encoding *e = encoding_new(a);
    if (!e) return error_no_memory(err, sizeof *e, "an encoding");
    *out = (hst_encoding *)e;
    return HST_STATUS_OK;
}

void hst_encoding_free(hst_encoding *e) {
    encoding_free((encoding *)e);
}

hst_status hst_tokenizer_encode(const hst_tokenizer *t, hst_string text, const hst_string *pair,
                                const hst_encode_options *options, hst_encoding *e, hst_error *err) {
    hst_encode_options o;
    HST_TRY(need(t, "tokenizer", err));
    HST_TRY(need(e, "encoding", err));
    HST_TRY(options_read(&o, sizeof o, options, "hst_encode_options", err));
    if ((text.size && !text.data) || (pair && pair->size && !pair->data)) return need(NULL, "text", err);
    if (o.padding > HST_PADDING_FIXED)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "padding", "padding is %d", (int)o.padding);
    truncation cut = tokenizer_truncation(in(t));
    padding pad = tokenizer_padding(in(t));
    if (o.max_length) {
        cut.max_length = o.max_length == SIZE_MAX ? TRUNCATION_NEVER : o.max_length;
        cut.stride = o.stride;
    }
    pad.strategy = o.padding == HST_PADDING_NONE ? PADDING_NONE : PADDING_FIXED;
    pad.length = o.pad_length;
    pad.multiple = 0;
    encode_options to = {.no_special_tokens = o.no_special_tokens,
                         .truncation = o.max_length ? &cut : NULL,
                         .padding = o.padding != HST_PADDING_FILE ? &pad : NULL};
    return tokenizer_encode(in(t), text, pair, &to, (encoding *)e, err);
}

size_t hst_encoding_window_count(const hst_encoding *e) {
    return encoding_window_count(en(e));
}

hst_status hst_tokenizer_window(const hst_tokenizer *t, const hst_encoding *from, size_t i, hst_encoding *out,
                                hst_error *err) {
    HST_TRY(need(t, "tokenizer", err));
    HST_TRY(need(from, "from", err));
    HST_TRY(need(out, "out", err));
    if (from == out || i >= encoding_window_count(en(from)))
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "window", "window %zu of %zu, into %s encoding", i,
                         encoding_window_count(en(from)), from == out ? "the same" : "another");
    return tokenizer_window(in(t), en(from), i, (encoding *)out, err);
}

size_t hst_encoding_count(const hst_encoding *e) {
    return en(e)->count;
}
const int32_t *hst_encoding_ids(const hst_encoding *e) {
    return en(e)->ids;
}
const int32_t *hst_encoding_type_ids(const hst_encoding *e) {
    return en(e)->type_ids;
}
const uint8_t *hst_encoding_attention_mask(const hst_encoding *e) {
    return en(e)->attention_mask;
}
const uint8_t *hst_encoding_special_mask(const hst_encoding *e) {
    return en(e)->special_tokens_mask;
}
const hst_span *hst_encoding_offsets(const hst_encoding *e) {
    return (const hst_span *)en(e)->byte_offsets;
}
const hst_span *hst_encoding_char_offsets(const hst_encoding *e) {
    return (const hst_span *)en(e)->offsets;
}
const int32_t *hst_encoding_words(const hst_encoding *e) {
    return en(e)->word_ids;
}
const int8_t *hst_encoding_sequences(const hst_encoding *e) {
    return en(e)->sequence_ids;
}

hst_status hst_tokenizer_decode(const hst_tokenizer *t, const int32_t *ids, size_t n, bool skip_special_tokens,
                                char **text, size_t *size, hst_error *err) {
    HST_TRY(need(t, "tokenizer", err));
    HST_TRY(need(text, "text", err));
    if (n) HST_TRY(need(ids, "ids", err));
    return tokenizer_decode(in(t), ids, n, skip_special_tokens, text, size, err);
}

size_t hst_tokenizer_vocab_size(const hst_tokenizer *t) {
    return tokenizer_vocab_size(in(t));
}
int32_t hst_tokenizer_id_limit(const hst_tokenizer *t) {
    return tokenizer_id_limit(in(t));
}
const char *hst_tokenizer_token(const hst_tokenizer *t, int32_t id) {
    return tokenizer_id_to_token(in(t), id, NULL);
}
int32_t hst_tokenizer_id(const hst_tokenizer *t, const char *token) {
    return token ? tokenizer_token_to_id(in(t), token, strlen(token)) : -1;
}
size_t hst_tokenizer_max_length(const hst_tokenizer *t) {
    return tokenizer_max_length(in(t));
}
