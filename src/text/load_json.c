/* tokenizer.json: the sections in any order; added tokens are built last, when model and normaliser are known. */
#include "text/load.h"

#include <stdio.h>
#include <string.h>

static hst_status read_direction(load_context *c, bool *left) {
    json_string text;
    HST_TRY(json_read_string(c->json, &text));
    *left = json_string_is(&text, "Left");
    return *left || json_string_is(&text, "Right") ? HST_STATUS_OK : json_fail(c->json, "a direction is Left or Right");
}

static hst_status read_strategy(load_context *c, truncation_strategy *out) {
    static const char *const names[] = {"LongestFirst", "OnlyFirst", "OnlySecond"};
    json_string text;
    HST_TRY(json_read_string(c->json, &text));
    for (int i = 0; i < 3; i++) {
        if (!json_string_is(&text, names[i])) continue;
        *out = (truncation_strategy)i;
        return HST_STATUS_OK;
    }
    return json_fail(c->json, "'%.*s' is not a strategy of truncation", (int)(text.size < 40 ? text.size : 40),
                     text.data);
}

static hst_status read_truncation(load_context *c, truncation *out) {
    json_string key;
    bool more, null;
    HST_TRY(json_read_null(c->json, &null));
    if (null) return HST_STATUS_OK;
    truncation t = {.max_length = 512};
    HST_TRY(json_enter_object(c->json));
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) break;
        if (json_string_is(&key, "max_length")) {
            HST_TRY(component_size(c, SIZE_MAX - 1, &t.max_length));
        } else if (json_string_is(&key, "stride")) {
            HST_TRY(component_size(c, SIZE_MAX, &t.stride));
        } else if (json_string_is(&key, "strategy")) {
            HST_TRY(read_strategy(c, &t.strategy));
        } else if (json_string_is(&key, "direction")) {
            HST_TRY(read_direction(c, &t.left));
        } else {
            HST_TRY(json_skip(c->json));
        }
    }
    *out = t;
    return HST_STATUS_OK;
}

#define PADDING_MOST ((size_t)1 << 30)

static hst_status read_padding_strategy(load_context *c, padding *p) {
    json_string text;
    bool more;
    p->strategy = PADDING_LONGEST;
    if (json_peek(c->json) == JSON_STRING) {
        HST_TRY(json_read_string(c->json, &text));
        return json_string_is(&text, "BatchLongest") ? HST_STATUS_OK : json_fail(c->json, "not a strategy of padding");
    }
    HST_TRY(json_enter_object(c->json));
    HST_TRY(json_next_key(c->json, &text, &more));
    if (!more || !json_string_is(&text, "Fixed")) return json_fail(c->json, "not a strategy of padding");
    p->strategy = PADDING_FIXED;
    HST_TRY(component_size(c, PADDING_MOST, &p->length));
    HST_TRY(json_next_key(c->json, &text, &more));
    return more ? json_fail(c->json, "not a strategy of padding") : HST_STATUS_OK;
}

static hst_status read_id(load_context *c, int32_t *out) {
    size_t id;
    HST_TRY(component_size(c, INT32_MAX - 1, &id));
    *out = (int32_t)id;
    return HST_STATUS_OK;
}

static hst_status read_padding(load_context *c, padding *out) {
    json_string key;
    bool more, null;
    HST_TRY(json_read_null(c->json, &null));
    if (null) return HST_STATUS_OK;
    padding p = {.strategy = PADDING_LONGEST};
    HST_TRY(json_enter_object(c->json));
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) break;
        if (json_string_is(&key, "strategy")) {
            HST_TRY(read_padding_strategy(c, &p));
        } else if (json_string_is(&key, "direction")) {
            HST_TRY(read_direction(c, &p.left));
        } else if (json_string_is(&key, "pad_to_multiple_of")) {
            HST_TRY(json_read_null(c->json, &null));
            if (!null) HST_TRY(component_size(c, PADDING_MOST, &p.multiple));
        } else if (json_string_is(&key, "pad_id")) {
            HST_TRY(read_id(c, &p.id));
        } else if (json_string_is(&key, "pad_type_id")) {
            HST_TRY(read_id(c, &p.type_id));
        } else {
            HST_TRY(json_skip(c->json));
        }
    }
    *out = p;
    return HST_STATUS_OK;
}

/* A model without a type, as old files have it, is told by its members. */
static hst_status read_model(load_context *c) {
    char type[64];
    json_string key;
    bool more;
    tokenizer *t = c->tokenizer;
    HST_TRY(component_enter(c, "model", type, sizeof type));
    if (!type[0]) {
        json_mark members = json_here(c->json);
        for (;;) {
            HST_TRY(json_next_key(c->json, &key, &more));
            if (!more) break;
            if (json_string_is(&key, "max_input_chars_per_word")) snprintf(type, sizeof type, "WordPiece");
            HST_TRY(json_skip(c->json));
        }
        json_go_to(c->json, &members);
    }
    for (const model_kind *const *kind = model_kinds; *kind; kind++) {
        void *config = NULL;
        if (strcmp((*kind)->type, type) != 0) continue;
        HST_TRY((*kind)->parse(c, &config));
        t->model = *kind;
        t->model_config = config;
        return HST_STATUS_OK;
    }
    return component_unsupported(c, "model", type);
}

static hst_status read_decoder(load_context *c) {
    char type[64];
    bool null;
    HST_TRY(json_read_null(c->json, &null));
    if (null) return HST_STATUS_OK;
    HST_TRY(component_enter(c, "decoder", type, sizeof type));
    for (const decoder_kind *const *kind = decoder_kinds; *kind; kind++) {
        void *config = NULL;
        if (strcmp((*kind)->type, type) != 0) continue;
        HST_TRY((*kind)->parse(c, &config));
        c->tokenizer->decoder = *kind;
        c->tokenizer->decoder_config = config;
        return HST_STATUS_OK;
    }
    return component_unsupported(c, "decoder", type);
}

static hst_status read_added(load_context *c, added_list *list) {
    bool more, null;
    HST_TRY(json_read_null(c->json, &null));
    if (null) return HST_STATUS_OK;
    HST_TRY(json_enter_array(c->json));
    for (;;) {
        added_token token;
        HST_TRY(json_next_element(c->json, &more));
        if (!more) return HST_STATUS_OK;
        HST_TRY(added_token_read(c, false, &token));
        HST_TRY(added_list_push(c, list, token));
    }
}

enum json_section {
    SECTION_VERSION,
    SECTION_TRUNCATION,
    SECTION_PADDING,
    SECTION_ADDED,
    SECTION_NORMALIZER,
    SECTION_PRE_TOKENIZER,
    SECTION_POST_PROCESSOR,
    SECTION_DECODER,
    SECTION_MODEL,
    SECTION_COUNT
};

static hst_status read_section(load_context *c, enum json_section which, added_list *added) {
    tokenizer *t = c->tokenizer;
    json_string text;
    switch (which) {
    case SECTION_VERSION:
        HST_TRY(json_read_string(c->json, &text));
        if (json_string_is(&text, "1.0")) return HST_STATUS_OK;
        return error_set(c->err, HST_STATUS_UNSUPPORTED, c->json->name,
                         "version '%.*s' of tokenizer.json: only 1.0 is known", (int)(text.size < 40 ? text.size : 40),
                         text.data);
    case SECTION_TRUNCATION:
        return read_truncation(c, &t->truncation);
    case SECTION_PADDING:
        return read_padding(c, &t->padding);
    case SECTION_ADDED:
        return read_added(c, added);
    case SECTION_NORMALIZER:
        return component_parse(c, "normalizer", normalizer_kinds, &t->normalizer);
    case SECTION_PRE_TOKENIZER:
        return component_parse(c, "pre_tokenizer", pre_tokenizer_kinds, &t->pre_tokenizer);
    case SECTION_POST_PROCESSOR:
        return post_processor_parse(c, t->templates);
    case SECTION_DECODER:
        return read_decoder(c);
    case SECTION_MODEL:
        return read_model(c);
    default:
        return json_skip(c->json);
    }
}

static hst_status read_sections(load_context *c) {
    static const char *const names[SECTION_COUNT] = {"version",        "truncation", "padding",
                                                     "added_tokens",   "normalizer", "pre_tokenizer",
                                                     "post_processor", "decoder",    "model"};
    bool seen[SECTION_COUNT] = {false}, more;
    added_list added = {NULL, 0, 0};
    json_string key;
    HST_TRY(json_enter_object(c->json));
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) break;
        int i = 0;
        while (i < SECTION_COUNT && !json_string_is(&key, names[i])) i++;
        if (i < SECTION_COUNT && seen[i]) return json_fail(c->json, "'%s' stands there twice", names[i]);
        if (i < SECTION_COUNT) seen[i] = true;
        HST_TRY(read_section(c, (enum json_section)i, &added));
    }
    HST_TRY(json_finish(c->json));
    if (!seen[SECTION_MODEL])
        return error_set(c->err, HST_STATUS_BAD_FORMAT, c->json->name, "no \"model\": this is not a tokenizer.json");
    if (!seen[SECTION_POST_PROCESSOR]) HST_TRY(post_processor_none(c->arena, c->tokenizer->templates, c->err));
    return added_build(c, added.data, added.count);
}

static hst_status check_templates(const tokenizer *t, const char *name, hst_error *err) {
    for (int pair = 0; pair < 2; pair++) {
        for (size_t i = 0; i < t->templates[pair].count; i++) {
            const template_piece *p = &t->templates[pair].pieces[i];
            for (size_t k = 0; p->kind == PIECE_SPECIAL && k < p->count; k++)
                if (p->ids[k] >= t->vocab.id_limit)
                    return error_set(err, HST_STATUS_BAD_FORMAT, name,
                                     "post_processor adds id %d, but the vocabulary ends at %d", p->ids[k],
                                     t->vocab.id_limit - 1);
        }
    }
    return HST_STATUS_OK;
}

hst_status tokenizer_apply_config(tokenizer *t, const void *config, size_t size, const char *name, hst_error *err) {
    bert_settings settings = {.do_lower_case = true};
    json_stream json;
    load_context c = {&json, t->arena, t, err};
    hst_status status = HST_STATUS_OK;
    json_stream_init(&json, config, size, name, &t->allocator, err);
    if (config) status = settings_read(&c, &settings);
    json_stream_free(&json);
    if (status == HST_STATUS_OK) settings_apply(&settings, t);
    return status;
}

hst_status tokenizer_read_json(tokenizer *t, const void *data, size_t size, const void *config, size_t config_size,
                               const char *name, hst_error *err) {
    json_stream json;
    load_context c = {&json, t->arena, t, err};
    json_stream_init(&json, data, size, name, &t->allocator, err);
    hst_status status = read_sections(&c);
    json_stream_free(&json);
    if (status == HST_STATUS_OK) status = check_templates(t, name, err);
    if (status == HST_STATUS_OK) status = tokenizer_apply_config(t, config, config_size, "tokenizer_config.json", err);
    return status;
}

hst_status tokenizer_from_memory(const void *data, size_t size, const void *config, size_t config_size,
                                 const char *name, const hst_allocator *a, tokenizer **out, hst_error *err) {
    tokenizer *t;
    *out = NULL;
    HST_TRY(tokenizer_new(a, &t, err));
    hst_status status = tokenizer_read_json(t, data, size, config, config_size, name, err);
    if (status == HST_STATUS_OK) {
        *out = t;
    } else {
        tokenizer_free(t);
    }
    return status;
}
