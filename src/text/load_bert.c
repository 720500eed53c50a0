/* A BERT tokenizer from vocab.txt with what lies beside it (tokenizer_config.json, special_tokens_map.json,
 * added_tokens.json): the same pipeline as its tokenizer.json would say. */
#include "text/load.h"

#include <string.h>

#include "base/utf8.h"

/* One token a line, numbered from 0; lines end as in Python's text files (LF, CRLF or CR). */
static hst_status read_vocab(load_context *c, const char *data, size_t size, const char *name) {
    vocab *v = &c->tokenizer->vocab;
    int64_t line = 0;
    HST_TRY(vocab_reserve(v, size / 8 + 16, c->err));
    for (size_t at = 0; at < size; line++) {
        size_t end = at;
        while (end < size && data[end] != '\n' && data[end] != '\r') {
            uint32_t cp;
            bool valid;
            end += utf8_decode((const unsigned char *)data + end, size - end, &cp, &valid);
            if (!valid)
                return error_set(c->err, HST_STATUS_BAD_FORMAT, name, "line %lld is not UTF-8", (long long)line + 1);
        }
        HST_TRY(vocab_add(v, data + at, end - at, line, c->err));
        at = end + 1;
        if (end + 1 < size && data[end] == '\r' && data[end + 1] == '\n') at++;
    }
    if (v->count == 0) return error_set(c->err, HST_STATUS_BAD_FORMAT, name, "the vocabulary is empty");
    return HST_STATUS_OK;
}

static hst_status read_json(load_context *c, const char *data, size_t size, const char *name,
                            hst_status (*read)(load_context *, void *), void *into) {
    json_stream json;
    if (!data) return HST_STATUS_OK;
    json_stream_init(&json, data, size, name, &c->tokenizer->allocator, c->err);
    c->json = &json;
    hst_status status = read(c, into);
    c->json = NULL;
    json_stream_free(&json);
    return status;
}

static hst_status read_settings(load_context *c, void *into) {
    return settings_read(c, into);
}

/* {"token": id, …}: plain added tokens; their ids follow from their order. */
static hst_status read_added(load_context *c, void *into) {
    json_string key;
    bool more;
    HST_TRY(json_enter_object(c->json));
    for (;;) {
        added_token token = {.normalized = true, .id = -1};
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) return json_finish(c->json);
        token.content = (hst_string){arena_copy_string(c->arena, key.data, key.size), key.size};
        if (!token.content.data) return error_no_memory(c->err, key.size, "added tokens");
        HST_TRY(json_skip(c->json));
        HST_TRY(added_list_push(c, into, token));
    }
}

/* Classes of transformers whose tokenizer is BERT's; a "Fast" at the end does not matter. */
static bool class_is_bert(const char *name) {
    static const char *const known[] = {
        "Bert",      "DistilBert",   "Electra",   "MobileBert", "ConvBert", "SqueezeBert",        "Lxmert",
        "LayoutLM",  "MegatronBert", "RetriBert", "VisualBert", "Realm",    "DPRQuestionEncoder", "DPRContextEncoder",
        "DPRReader", "Basic",        "PreTrained"};
    const char *end = strstr(name, "Tokenizer");
    size_t n = end ? (size_t)(end - name) : strlen(name);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i]) == n && memcmp(known[i], name, n) == 0) return true;
    return n == 0;
}

static hst_status make_parts(load_context *c, const bert_settings *s) {
    tokenizer *t = c->tokenizer;
    bert_normalizer *n = ARENA_NEW(c->arena, bert_normalizer);
    decoder_wordpiece_config *d = ARENA_NEW(c->arena, decoder_wordpiece_config);
    void *model;
    if (!n || !d) return error_no_memory(c->err, sizeof *n, "a tokenizer");
    bool basic = s->do_basic_tokenize, lower = basic && s->do_lower_case;
    *n = (bert_normalizer){true, basic && s->tokenize_chinese_chars,
                           basic && s->strip_accents_given ? s->strip_accents : lower, lower};
    *d = (decoder_wordpiece_config){{"##", 2}, true};
    t->normalizer = (component){&normalizer_bert, n};
    t->pre_tokenizer = (component){&pre_tokenizer_bert, NULL};
    t->decoder = &decoder_wordpiece;
    t->decoder_config = d;
    t->model = &model_wordpiece;
    HST_TRY(model_wordpiece_make(c->arena, "##", s->tokens[SPECIAL_UNK].content.data, &t->vocab, &model, c->err));
    t->model_config = model;
    return HST_STATUS_OK;
}

static hst_status build(load_context *c, const bert_files *f, const char *name) {
    static const char *const names[] = {"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};
    bert_settings s = {.do_lower_case = true, .tokenize_chinese_chars = true, .do_basic_tokenize = true};
    added_list added = {NULL, 0, 0};
    tokenizer *t = c->tokenizer;
    if (!t->vocab.borrowed) HST_TRY(read_vocab(c, f->vocab, f->vocab_size, name));
    HST_TRY(read_json(c, f->config, f->config_size, "tokenizer_config.json", read_settings, &s));
    HST_TRY(
        read_json(c, f->special_tokens_map, f->special_tokens_map_size, "special_tokens_map.json", read_settings, &s));
    if (!class_is_bert(s.class_name))
        return error_set(c->err, HST_STATUS_UNSUPPORTED, name,
                         "a %s cannot be made from vocab.txt: save the tokenizer with its tokenizer.json",
                         s.class_name);
    for (int i = 0; i <= SPECIAL_MASK; i++) {
        if (!s.tokens[i].content.data)
            s.tokens[i] = (added_token){.content = {names[i], strlen(names[i])}, .special = true};
        HST_TRY(added_list_push(c, &added, s.tokens[i]));
    }
    for (size_t i = 0; i < s.more.count; i++) HST_TRY(added_list_push(c, &added, s.more.data[i]));
    HST_TRY(read_json(c, f->added_tokens, f->added_tokens_size, "added_tokens.json", read_added, &added));
    HST_TRY(make_parts(c, &s));
    HST_TRY(added_build(c, added.data, added.count));
    settings_apply(&s, t);
    return post_processor_bert(c->arena, t->special_ids[SPECIAL_CLS], t->special_ids[SPECIAL_SEP], t->templates,
                               c->err);
}

hst_status tokenizer_read_bert(tokenizer *t, const bert_files *files, const char *name, hst_error *err) {
    load_context c = {NULL, t->arena, t, err};
    return build(&c, files, name);
}

hst_status tokenizer_from_bert_files(const bert_files *files, const char *name, const hst_allocator *a, tokenizer **out,
                                     hst_error *err) {
    tokenizer *t;
    *out = NULL;
    HST_TRY(tokenizer_new(a, &t, err));
    hst_status status = tokenizer_read_bert(t, files, name, err);
    if (status == HST_STATUS_OK) {
        *out = t;
    } else {
        tokenizer_free(t);
    }
    return status;
}
