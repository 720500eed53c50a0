/* The WordPiece decoder: pieces with the prefix join on, others after a space; clean-up takes the space before
 * punctuation and English contractions away. */
#include "text/pipeline.h"

#include <string.h>

static hst_status parse(load_context *c, void **config) {
    decoder_wordpiece_config *d = ARENA_NEW(c->arena, decoder_wordpiece_config);
    json_string key;
    bool more;
    if (!d) return error_no_memory(c->err, sizeof *d, "a tokenizer");
    *d = (decoder_wordpiece_config){{"##", 2}, true};
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) break;
        if (json_string_is(&key, "prefix")) {
            HST_TRY(component_string(c, &d->prefix));
        } else if (json_string_is(&key, "cleanup")) {
            HST_TRY(json_read_bool(c->json, &d->cleanup));
        } else {
            HST_TRY(json_skip(c->json));
        }
    }
    *config = d;
    return HST_STATUS_OK;
}

/* Replaces every `from` by `to`, which is not longer, in place. */
static size_t replace_all(char *text, size_t size, const char *from, const char *to) {
    size_t from_size = strlen(from), to_size = strlen(to), n = 0;
    for (size_t i = 0; i < size;) {
        if (size - i >= from_size && memcmp(text + i, from, from_size) == 0) {
            memcpy(text + n, to, to_size);
            n += to_size;
            i += from_size;
        } else {
            text[n++] = text[i++];
        }
    }
    return n;
}

static size_t clean_up(char *text, size_t size) {
    static const char *const rules[][2] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                           {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                           {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) size = replace_all(text, size, rules[r][0], rules[r][1]);
    return size;
}

static hst_status decode(const void *config, const char *token, size_t size, bool first, text_buffer *out) {
    const decoder_wordpiece_config *d = config;
    size_t begin = out->size;
    if (!first) {
        if (size >= d->prefix.size && memcmp(token, d->prefix.data, d->prefix.size) == 0) {
            token += d->prefix.size;
            size -= d->prefix.size;
        } else {
            text_buffer_add(out, " ", 1);
        }
    }
    text_buffer_add(out, token, size);
    if (out->failed) return HST_STATUS_NO_MEMORY;
    if (d->cleanup) out->size = begin + clean_up(out->data + begin, out->size - begin);
    return HST_STATUS_OK;
}

const decoder_kind decoder_wordpiece = {"WordPiece", parse, decode};
