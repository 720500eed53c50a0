/* Tokenizers in engine files: the vocabulary, which is nearly all of a tokenizer, is stored as it is used and borrowed
 * from the map; the small rest stays the text of its tokenizer.json (or of the files beside vocab.txt) and is read by
 * the same parsers as ever. */
#include <stdlib.h>
#include <string.h>

#include "base/bundle.h"
#include "text/load.h"

/* Moves `json` behind the value of the model's "vocab" and tells where that value begins; *end 0: there is none. */
static hst_status find_vocab(json_stream *json, size_t *begin, size_t *end) {
    json_string key;
    bool more;
    *begin = *end = 0;
    HST_TRY(json_enter_object(json));
    for (;;) {
        HST_TRY(json_next_key(json, &key, &more));
        if (!more) return HST_STATUS_OK;
        if (!json_string_is(&key, "model")) {
            HST_TRY(json_skip(json));
            continue;
        }
        HST_TRY(json_enter_object(json));
        for (;;) {
            HST_TRY(json_next_key(json, &key, &more));
            if (!more) break;
            const bool wanted = json_string_is(&key, "vocab") && json_peek(json) == JSON_OBJECT;
            if (wanted) *begin = json_here(json).at;
            HST_TRY(json_skip(json));
            if (wanted) *end = json_here(json).at;
        }
    }
}

hst_status tokenizer_json_without_vocab(const void *data, size_t size, const char *name, char **out, size_t *out_size,
                                        hst_error *err) {
    json_stream json;
    size_t begin, end;
    json_stream_init(&json, data, size, name, NULL, err);
    hst_status status = find_vocab(&json, &begin, &end);
    json_stream_free(&json);
    HST_TRY(status);
    char *text = malloc(size + 4);
    if (!text) return error_no_memory(err, size, "a tokenizer");
    if (!end) begin = end = size; /* nothing is taken out */
    const size_t put = end < size ? 2 : 0;
    memcpy(text, data, begin);
    memcpy(text + begin, "{}", put);
    memcpy(text + begin + put, (const char *)data + end, size - end);
    *out = text;
    *out_size = begin + put + (size - end);
    return HST_STATUS_OK;
}

void tokenizer_packed_free(tokenizer_packed *p) {
    free(p->vocab);
    free(p->json);
    memset(p, 0, sizeof *p);
}

/* ---- opening ---- */

typedef struct texts {
    char *config, *special_tokens_map, *added_tokens;
    size_t config_size, special_tokens_map_size, added_tokens_size;
} texts;

static hst_status read_texts(const char *path, texts *t, hst_error *err) {
    bundle *b;
    HST_TRY(bundle_open(path, &b, err));
    hst_status status = bundle_text(b, "tokenizer_config.json", &t->config, &t->config_size, err);
    if (status == HST_STATUS_OK)
        status = bundle_text(b, "special_tokens_map.json", &t->special_tokens_map, &t->special_tokens_map_size, err);
    if (status == HST_STATUS_OK)
        status = bundle_text(b, "added_tokens.json", &t->added_tokens, &t->added_tokens_size, err);
    bundle_free(b);
    return status;
}

static hst_status fill(tokenizer *t, section_file *f, const texts *x, hst_error *err) {
    section vocabulary, json;
    const char *path = section_file_path(f);
    if (!section_file_has(f, TOKENIZER_VOCAB_SECTION))
        return error_set(err, HST_STATUS_NOT_FOUND, path,
                         "'%s' holds no tokenizer: compile the model from the folder that has its tokenizer", path);
    HST_TRY(section_file_get(f, TOKENIZER_VOCAB_SECTION, &vocabulary, err));
    HST_TRY(vocab_borrow(&t->vocab, vocabulary.data, vocabulary.size, err));
    t->file = section_file_retain(f);
    if (!section_file_has(f, TOKENIZER_JSON_SECTION)) {
        const bert_files b = {.config = x->config,
                              .config_size = x->config_size,
                              .special_tokens_map = x->special_tokens_map,
                              .special_tokens_map_size = x->special_tokens_map_size,
                              .added_tokens = x->added_tokens,
                              .added_tokens_size = x->added_tokens_size};
        return tokenizer_read_bert(t, &b, path, err);
    }
    HST_TRY(section_file_get(f, TOKENIZER_JSON_SECTION, &json, err));
    return tokenizer_read_json(t, json.data, json.size, x->config, x->config_size, path, err);
}

hst_status tokenizer_from_sections(section_file *f, const hst_allocator *a, tokenizer **out, hst_error *err) {
    texts x = {0};
    tokenizer *t = NULL;
    hst_status status = tokenizer_new(a, &t, err);
    if (status == HST_STATUS_OK) status = read_texts(section_file_path(f), &x, err);
    if (status == HST_STATUS_OK) status = fill(t, f, &x, err);
    free(x.config);
    free(x.special_tokens_map);
    free(x.added_tokens);
    if (status == HST_STATUS_OK)
        *out = t;
    else
        tokenizer_free(t);
    return status;
}
