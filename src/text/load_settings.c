/* tokenizer_config.json and special_tokens_map.json. */
#include "text/load.h"

#include <stdio.h>
#include <string.h>

static const char *const special_names[SPECIAL_COUNT] = {"unk_token",  "sep_token", "pad_token", "cls_token",
                                                         "mask_token", "bos_token", "eos_token"};

hst_status added_list_push(load_context *c, added_list *list, added_token token) {
    if (list->count == list->capacity) {
        size_t want = list->capacity ? 2 * list->capacity : 16;
        added_token *grown = ARENA_ARRAY(c->arena, added_token, want);
        if (!grown) return error_no_memory(c->err, want * sizeof *grown, "added tokens");
        if (list->count) memcpy(grown, list->data, list->count * sizeof *grown);
        list->data = grown;
        list->capacity = want;
    }
    list->data[list->count++] = token;
    return HST_STATUS_OK;
}

hst_status added_token_read(load_context *c, bool special, added_token *out) {
    static const char *const flags[] = {"single_word", "lstrip", "rstrip", "normalized", "special"};
    json_string key;
    bool more, normalized_given = false;
    *out = (added_token){.special = special, .id = -1};
    if (json_peek(c->json) == JSON_STRING) return component_string(c, &out->content);
    HST_TRY(json_enter_object(c->json));
    for (;;) {
        bool *const values[] = {&out->single_word, &out->lstrip, &out->rstrip, &out->normalized, &out->special};
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) break;
        int i = 0;
        while (i < 5 && !json_string_is(&key, flags[i])) i++;
        if (i < 5) {
            HST_TRY(json_read_bool(c->json, values[i]));
            if (i == 3) normalized_given = true;
        } else if (json_string_is(&key, "content")) {
            HST_TRY(component_string(c, &out->content));
        } else {
            HST_TRY(json_skip(c->json));
        }
    }
    if (!out->content.data) return json_fail(c->json, "an added token has no content");
    if (!normalized_given) out->normalized = !out->special;
    return HST_STATUS_OK;
}

static hst_status read_special(load_context *c, added_token *out) {
    added_token token;
    bool null;
    HST_TRY(json_read_null(c->json, &null));
    if (null) return HST_STATUS_OK;
    if (json_peek(c->json) != JSON_STRING && json_peek(c->json) != JSON_OBJECT) return json_skip(c->json);
    HST_TRY(added_token_read(c, true, &token));
    token.special = true;
    if (!out->content.data) *out = token;
    return HST_STATUS_OK;
}

static hst_status read_more(load_context *c, added_list *list) {
    bool more;
    if (json_peek(c->json) != JSON_ARRAY) return json_skip(c->json);
    HST_TRY(json_enter_array(c->json));
    for (;;) {
        added_token token;
        HST_TRY(json_next_element(c->json, &more));
        if (!more) return HST_STATUS_OK;
        HST_TRY(added_token_read(c, true, &token));
        HST_TRY(added_list_push(c, list, token));
    }
}

/* {"100": {"content": "[UNK]", …}, …} */
static hst_status read_decoder(load_context *c, added_list *list) {
    json_string key;
    bool more;
    HST_TRY(json_enter_object(c->json));
    for (;;) {
        added_token token;
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) return HST_STATUS_OK;
        HST_TRY(added_token_read(c, false, &token));
        HST_TRY(added_list_push(c, list, token));
    }
}

static hst_status read_side(load_context *c, bool *left) {
    json_string text;
    HST_TRY(json_read_string(c->json, &text));
    *left = json_string_is(&text, "left");
    return *left || json_string_is(&text, "right") ? HST_STATUS_OK : json_fail(c->json, "a side is 'left' or 'right'");
}

static hst_status read_flag(load_context *c, bool *out, bool *given) {
    bool null;
    HST_TRY(json_read_null(c->json, &null));
    if (null) return HST_STATUS_OK;
    if (given) *given = true;
    return json_read_bool(c->json, out);
}

static hst_status read_member(load_context *c, const json_string *key, bert_settings *s) {
    json_string text;
    for (int i = 0; i < SPECIAL_COUNT; i++)
        if (json_string_is(key, special_names[i])) return read_special(c, &s->tokens[i]);
    if (json_string_is(key, "do_lower_case")) return read_flag(c, &s->do_lower_case, NULL);
    if (json_string_is(key, "strip_accents")) return read_flag(c, &s->strip_accents, &s->strip_accents_given);
    if (json_string_is(key, "tokenize_chinese_chars")) return read_flag(c, &s->tokenize_chinese_chars, NULL);
    if (json_string_is(key, "do_basic_tokenize")) return read_flag(c, &s->do_basic_tokenize, NULL);
    if (json_string_is(key, "additional_special_tokens")) return read_more(c, &s->more);
    if (json_string_is(key, "added_tokens_decoder")) return read_decoder(c, &s->more);
    if (json_string_is(key, "padding_side")) return read_side(c, &s->pad_left);
    if (json_string_is(key, "truncation_side")) return read_side(c, &s->cut_left);
    if (json_string_is(key, "model_max_length") && json_peek(c->json) == JSON_NUMBER)
        return json_read_f64(c->json, &s->max_length);
    if (json_string_is(key, "tokenizer_class") && json_peek(c->json) == JSON_STRING) {
        HST_TRY(json_read_string(c->json, &text));
        snprintf(s->class_name, sizeof s->class_name, "%.*s", (int)(text.size < 60 ? text.size : 60), text.data);
        return HST_STATUS_OK;
    }
    return json_skip(c->json);
}

hst_status settings_read(load_context *c, bert_settings *s) {
    json_string key;
    bool more;
    HST_TRY(json_enter_object(c->json));
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) return json_finish(c->json);
        HST_TRY(read_member(c, &key, s));
    }
}

/* Where no file names them, the names that everybody uses, if the vocabulary has them as special tokens. */
static int32_t usual_special(const tokenizer *t, int which) {
    static const char *const usual[SPECIAL_COUNT][2] = {{"[UNK]", "<unk>"}, {"[SEP]", "</s>"},    {"[PAD]", "<pad>"},
                                                        {"[CLS]", "<s>"},   {"[MASK]", "<mask>"}, {"<s>", "<bos>"},
                                                        {"</s>", "<eos>"}};
    for (int i = 0; i < 2; i++) {
        int32_t id = vocab_id(&t->vocab, usual[which][i], strlen(usual[which][i]));
        if (id >= 0 && t->special[id]) return id;
    }
    return -1;
}

void settings_apply(const bert_settings *s, tokenizer *t) {
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        const hst_string *name = &s->tokens[i].content;
        t->special_ids[i] = name->data ? vocab_id(&t->vocab, name->data, name->size) : usual_special(t, i);
    }
    if (s->max_length >= 1 && s->max_length < 1e9) t->max_length = (size_t)s->max_length;
    if (t->padding.strategy == PADDING_NONE) {
        t->padding.left = s->pad_left;
        t->padding.id = t->special_ids[SPECIAL_PAD] >= 0 ? t->special_ids[SPECIAL_PAD] : 0;
    }
    if (t->truncation.max_length == TRUNCATION_NEVER) t->truncation.left = s->cut_left;
}
