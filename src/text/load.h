/* What the loaders share: added tokens and settings as both tokenizer.json and tokenizer_config.json write them. */
#ifndef TEXT_LOAD_H
#define TEXT_LOAD_H

#include "base/section_file.h"
#include "text/pipeline.h"

/* A growing list of added tokens; contents live in the arena. */
typedef struct added_list {
    added_token *data;
    size_t count, capacity;
} added_list;
hst_status added_list_push(load_context *c, added_list *list, added_token token);
/* An object {"content": …, "lstrip": …} or a plain string, which is a special token without flags. */
hst_status added_token_read(load_context *c, bool special, added_token *out);

/* tokenizer_config.json and special_tokens_map.json. */
typedef struct bert_settings {
    bool do_lower_case, strip_accents, strip_accents_given, tokenize_chinese_chars, do_basic_tokenize;
    added_token tokens[SPECIAL_COUNT]; /* content.data NULL: not named */
    added_list more;                   /* additional special tokens, and those of added_tokens_decoder */
    double max_length;                 /* 0: none */
    bool pad_left, cut_left;
    char class_name[64];
} bert_settings;
/* Reads one of the two files' objects; names that are set already stay. */
hst_status settings_read(load_context *c, bert_settings *s);
/* Puts limits, sides and special ids into a tokenizer whose vocabulary is complete. */
void settings_apply(const bert_settings *s, tokenizer *t);

/* compiled.c: a tokenizer whose vocabulary is used where the file holds it. */
hst_status tokenizer_from_sections(section_file *f, const hst_allocator *a, tokenizer **out, hst_error *err);
/* A tokenizer.json without the entries of its model's vocabulary, malloc'ed. */
hst_status tokenizer_json_without_vocab(const void *json, size_t size, const char *name, char **out, size_t *out_size,
                                        hst_error *err);

#endif
