/* The parts of a tokenizer and how a kind of part is described. A new normaliser, pre-tokenizer, model or decoder is
 * one file with one or more *_kind rows, and a line in kinds.c. */
#ifndef TEXT_PIPELINE_H
#define TEXT_PIPELINE_H

#include "base/json_stream.h"
#include "base/memory.h"
#include "base/text_buffer.h"
#include "text/tokenizer.h"
#include "text/vocab.h"
#include "text/work.h"

struct component_kind;

/* A loaded part: its kind and what the kind's `parse` made (arena memory, immutable). */
typedef struct component {
    const struct component_kind *kind; /* NULL: there is none */
    const void *config;
} component;

/* What a loader hands to the parsers of parts. */
typedef struct load_context {
    json_stream *json;
    arena *arena;
    tokenizer *tokenizer;
    hst_error *err;
} load_context;

/* `parse` reads the members of the object that `json` has entered, "type" among them (skip it), up to its end. */
typedef struct component_kind {
    const char *type; /* as in tokenizer.json */
    hst_status (*parse)(load_context *c, void **config);
    /* Of normalisers: rewrites w->line. Of pre-tokenizers: refines w->splits. */
    hst_status (*apply)(const void *config, text_work *w, hst_error *err);
} component_kind;

/* One word to tokens, appended to *out with their places. */
typedef struct model_kind {
    const char *type;
    hst_status (*parse)(load_context *c, void **config); /* fills tokenizer->vocab too */
    hst_status (*tokenize)(const void *config, const vocab *v, text_work *w, text_span word, int32_t word_index,
                           token_list *out, hst_error *err);
} model_kind;

typedef struct decoder_kind {
    const char *type;
    hst_status (*parse)(load_context *c, void **config);
    /* Turns one token's text into what it adds to the output; `first` is true for the first token. */
    hst_status (*decode)(const void *config, const char *token, size_t size, bool first, text_buffer *out);
} decoder_kind;

extern const component_kind *const normalizer_kinds[], *const pre_tokenizer_kinds[];
extern const model_kind *const model_kinds[];
extern const decoder_kind *const decoder_kinds[];

/* Reads a component or null; one of a kind that is not listed is UNSUPPORTED, naming `role` and type. */
hst_status component_parse(load_context *c, const char *role, const component_kind *const *kinds, component *out);
/* Enters the object that stands here and finds its "type" (copied to `type`, cut), standing before its first member. */
hst_status component_enter(load_context *c, const char *role, char *type, size_t type_size);
hst_status component_unsupported(load_context *c, const char *role, const char *type);
/* Member readers: a copy of a string in the arena; a number 0 … most. */
hst_status component_string(load_context *c, hst_string *out);
hst_status component_size(load_context *c, size_t most, size_t *out);

/* For kinds without members of their own. */
hst_status component_parse_nothing(load_context *c, void **config);

/* A "Sequence" of either role; its config is a component_sequence. */
typedef struct component_sequence {
    size_t count;
    const component *parts;
} component_sequence;
hst_status component_sequence_parse(load_context *c, const char *role, const char *key,
                                    const component_kind *const *kinds, void **config);
hst_status component_sequence_apply(const void *config, text_work *w, hst_error *err);

/* ---- post-processor: compiled to templates ---- */

typedef enum piece_kind { PIECE_FIRST = 0, PIECE_SECOND, PIECE_SPECIAL } piece_kind;

typedef struct template_piece {
    piece_kind kind;
    int32_t type_id;
    const int32_t *ids; /* of PIECE_SPECIAL, [count] */
    size_t count;
} template_piece;

typedef struct text_template {
    const template_piece *pieces;
    size_t count, added; /* added: tokens that are not the texts' own */
} text_template;

hst_status post_processor_parse(load_context *c, text_template out[2]);
/* [CLS] A [SEP], and [CLS] A [SEP] B [SEP] with the second text's type 1. */
hst_status post_processor_bert(arena *a, int32_t cls, int32_t sep, text_template out[2], hst_error *err);
hst_status post_processor_none(arena *a, text_template out[2], hst_error *err);

/* ---- added tokens ---- */

typedef struct added_token {
    hst_string content;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
} added_token;

/* The added tokens that are looked for in one stage, sorted by their code points. */
typedef struct added_pattern {
    const uint32_t *cps;
    size_t count;
    const added_token *token;
} added_pattern;

typedef struct added_set {
    const added_pattern *patterns; /* [count] */
    size_t count;
    uint64_t first[4]; /* a bit for the low byte of each first code point */
} added_set;

/* Called for each part of w->line in order: a token (token not NULL) or a text between tokens. */
typedef hst_status (*added_part)(void *user, text_span span, const added_token *token, hst_error *err);
hst_status added_split(const added_set *set, const text_line *line, added_part part, void *user, hst_error *err);
/* Gives the tokens their ids, puts them into the vocabulary and sorts them into the tokenizer's two sets. */
hst_status added_build(load_context *c, const added_token *tokens, size_t count);

/* ---- the tokenizer ---- */

struct tokenizer {
    arena *arena;
    hst_allocator allocator;
    vocab vocab;                       /* the model's and the added tokens */
    added_set raw_added, normal_added; /* found before, and after, normalisation */
    uint8_t *special;                  /* [vocab.id_limit] */
    component normalizer, pre_tokenizer;
    const model_kind *model;
    const void *model_config;
    const decoder_kind *decoder;
    const void *decoder_config;
    text_template templates[2]; /* for one text, for a pair */
    truncation truncation;
    padding padding;
    size_t max_length;
    int32_t special_ids[SPECIAL_COUNT];
    struct section_file *file; /* that the vocabulary is borrowed from; NULL: none */
};

hst_status tokenizer_new(const hst_allocator *a, tokenizer **out, hst_error *err);
/* Fill a new tokenizer from a tokenizer.json, or from what lies beside a vocab.txt. Where its vocabulary is there already
 * (packed) that of the file is empty. */
hst_status tokenizer_read_json(tokenizer *t, const void *json, size_t size, const void *config, size_t config_size,
                               const char *name, hst_error *err);
hst_status tokenizer_read_bert(tokenizer *t, const bert_files *files, const char *name, hst_error *err);
/* What tokenizer_config.json says about a tokenizer that is otherwise complete: limits, special tokens, sides. */
hst_status tokenizer_apply_config(tokenizer *t, const void *config, size_t size, const char *name, hst_error *err);
hst_status model_wordpiece_make(arena *a, const char *prefix, const char *unk, const vocab *v, void **config,
                                hst_error *err);
extern const component_kind normalizer_bert, pre_tokenizer_bert;
extern const model_kind model_wordpiece;
extern const decoder_kind decoder_wordpiece;

typedef struct bert_normalizer {
    bool clean_text, handle_chinese_chars, strip_accents, lowercase;
} bert_normalizer;
typedef struct decoder_wordpiece_config {
    hst_string prefix;
    bool cleanup;
} decoder_wordpiece_config;

#endif
