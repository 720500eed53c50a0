/* Pre-tokenizers that split at classes of characters: BertPreTokenizer, Whitespace, WhitespaceSplit, Punctuation,
 * Digits, CharDelimiterSplit; and Sequence. Each refines w->splits; none changes the text. */
#include "text/kinds.h"

#include <string.h>

#include "base/utf8.h"
#include "text/unicode.h"

/* What becomes of a delimiter: for "a--b" split at '-': removed a b; isolated a - - b; previous a- - b; next a - -b;
 * contiguous a -- b. */
typedef enum split_behavior {
    SPLIT_REMOVED,
    SPLIT_ISOLATED,
    SPLIT_PREVIOUS,
    SPLIT_NEXT,
    SPLIT_CONTIGUOUS
} split_behavior;

typedef struct char_split {
    unsigned classes; /* delimiters: these classes, and the one character `cp` */
    uint32_t cp;
    split_behavior behavior;
} char_split;

#define NO_CHARACTER UINT32_MAX

static bool is_delimiter(const char_split *s, uint32_t cp) {
    return (unicode_class(cp) & s->classes) || cp == s->cp;
}

/* Splits one span. A delimiter ends the text before it; what happens to the delimiter itself is decided by where the
 * next split begins. */
static hst_status split_span(const char_split *s, text_work *w, text_span span, hst_error *err) {
    const text_char *chars = w->line.chars;
    span_list *out = &w->spare_splits;
    uint32_t begin = span.begin;
    bool was = false;
    for (uint32_t i = span.begin; i < span.end; i++) {
        bool is = is_delimiter(s, chars[i].cp), cut = false;
        switch (s->behavior) {
        case SPLIT_REMOVED:
            if (is) {
                HST_TRY(split_push(w, out, begin, i, err));
                begin = i + 1;
            }
            break;
        case SPLIT_ISOLATED:
            cut = is || was;
            break;
        case SPLIT_PREVIOUS:
            cut = was;
            break;
        case SPLIT_NEXT:
            cut = is;
            break;
        case SPLIT_CONTIGUOUS:
            cut = is != was;
            break;
        }
        if (cut) {
            HST_TRY(split_push(w, out, begin, i, err));
            begin = i;
        }
        was = is;
    }
    return split_push(w, out, begin, span.end, err);
}

static void use_new_splits(text_work *w) {
    span_list was = w->splits;
    w->splits = w->spare_splits;
    w->spare_splits = was;
    w->spare_splits.count = 0;
}

static hst_status apply_char_split(const void *config, text_work *w, hst_error *err) {
    w->spare_splits.count = 0;
    for (size_t i = 0; i < w->splits.count; i++) HST_TRY(split_span(config, w, w->splits.data[i], err));
    use_new_splits(w);
    return HST_STATUS_OK;
}

static hst_status new_char_split(load_context *c, char_split split, void **config) {
    *config = arena_copy(c->arena, &split, sizeof split);
    return *config ? HST_STATUS_OK : error_no_memory(c->err, sizeof split, "a tokenizer");
}

/* ---- WhitespaceSplit ---- */

static hst_status parse_whitespace_split(load_context *c, void **config) {
    HST_TRY(component_parse_nothing(c, config));
    return new_char_split(c, (char_split){UNICODE_SPACE, NO_CHARACTER, SPLIT_REMOVED}, config);
}

const component_kind pre_tokenizer_whitespace_split = {"WhitespaceSplit", parse_whitespace_split, apply_char_split};

/* ---- BertPreTokenizer: white space removed, punctuation alone ---- */

static hst_status apply_bert(const void *config, text_work *w, hst_error *err) {
    const text_char *chars = w->line.chars;
    span_list *out = &w->spare_splits;
    (void)config;
    out->count = 0;
    for (size_t k = 0; k < w->splits.count; k++) {
        text_span span = w->splits.data[k];
        uint32_t begin = span.begin;
        for (uint32_t i = span.begin; i < span.end; i++) {
            unsigned class = unicode_class(chars[i].cp) & (UNICODE_SPACE | UNICODE_PUNCT);
            if (!class) continue;
            HST_TRY(split_push(w, out, begin, i, err));
            if (!(class & UNICODE_SPACE)) HST_TRY(split_push(w, out, i, i + 1, err));
            begin = i + 1;
        }
        HST_TRY(split_push(w, out, begin, span.end, err));
    }
    use_new_splits(w);
    return HST_STATUS_OK;
}

const component_kind pre_tokenizer_bert = {"BertPreTokenizer", component_parse_nothing, apply_bert};

/* ---- Whitespace: \w+|[^\w\s]+ ---- */

static hst_status apply_whitespace(const void *config, text_work *w, hst_error *err) {
    const text_char *chars = w->line.chars;
    (void)config;
    w->spare_splits.count = 0;
    for (size_t k = 0; k < w->splits.count; k++) {
        text_span span = w->splits.data[k];
        for (uint32_t i = span.begin; i < span.end;) {
            unsigned class = unicode_class(chars[i].cp) & (UNICODE_SPACE | UNICODE_WORD);
            uint32_t begin = i++;
            while (i < span.end && (unicode_class(chars[i].cp) & (UNICODE_SPACE | UNICODE_WORD)) == class) i++;
            if (!(class & UNICODE_SPACE)) HST_TRY(split_push(w, &w->spare_splits, begin, i, err));
        }
    }
    use_new_splits(w);
    return HST_STATUS_OK;
}

const component_kind pre_tokenizer_whitespace = {"Whitespace", component_parse_nothing, apply_whitespace};

/* ---- Punctuation, Digits, CharDelimiterSplit ---- */

static hst_status read_behavior(load_context *c, split_behavior *out) {
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    json_string text;
    HST_TRY(json_read_string(c->json, &text));
    for (int i = 0; i < 5; i++) {
        if (!json_string_is(&text, names[i])) continue;
        *out = (split_behavior)i;
        return HST_STATUS_OK;
    }
    return json_fail(c->json, "'%.*s' is not a behaviour of splitting", (int)(text.size < 40 ? text.size : 40),
                     text.data);
}

static hst_status parse_punctuation(load_context *c, void **config) {
    char_split split = {UNICODE_PUNCT, NO_CHARACTER, SPLIT_ISOLATED};
    json_string key;
    bool more;
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) return new_char_split(c, split, config);
        if (json_string_is(&key, "behavior")) {
            HST_TRY(read_behavior(c, &split.behavior));
        } else {
            HST_TRY(json_skip(c->json));
        }
    }
}

const component_kind pre_tokenizer_punctuation = {"Punctuation", parse_punctuation, apply_char_split};

static hst_status parse_digits(load_context *c, void **config) {
    json_string key;
    bool more, individual = false;
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) break;
        if (json_string_is(&key, "individual_digits")) {
            HST_TRY(json_read_bool(c->json, &individual));
        } else {
            HST_TRY(json_skip(c->json));
        }
    }
    char_split split = {UNICODE_NUMERIC, NO_CHARACTER, individual ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS};
    return new_char_split(c, split, config);
}

const component_kind pre_tokenizer_digits = {"Digits", parse_digits, apply_char_split};

static hst_status parse_char_delimiter(load_context *c, void **config) {
    char_split split = {0, NO_CHARACTER, SPLIT_REMOVED};
    json_string key, text;
    bool more, valid;
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) return new_char_split(c, split, config);
        if (!json_string_is(&key, "delimiter")) {
            HST_TRY(json_skip(c->json));
            continue;
        }
        HST_TRY(json_read_string(c->json, &text));
        if (text.size == 0 || utf8_decode((const unsigned char *)text.data, text.size, &split.cp, &valid) != text.size)
            return json_fail(c->json, "a delimiter is one character");
    }
}

const component_kind pre_tokenizer_char_delimiter = {"CharDelimiterSplit", parse_char_delimiter, apply_char_split};

/* ---- Sequence ---- */

static hst_status parse_sequence(load_context *c, void **config) {
    return component_sequence_parse(c, "pre_tokenizer", "pretokenizers", pre_tokenizer_kinds, config);
}

const component_kind pre_tokenizer_sequence = {"Sequence", parse_sequence, component_sequence_apply};
