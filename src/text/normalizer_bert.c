/* BertNormalizer: clean-up of control characters and white space, spaces round CJK ideographs, accents, lower case. For
 * text without characters that decompose, which is most, it is one pass. */
#include "text/forms.h"
#include "text/kinds.h"
#include "text/unicode.h"

static hst_status parse(load_context *c, void **config) {
    bert_normalizer *b = ARENA_NEW(c->arena, bert_normalizer);
    json_string key;
    bool more, accents_given = false;
    if (!b) return error_no_memory(c->err, sizeof *b, "a tokenizer");
    *b = (bert_normalizer){true, true, true, true};
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) break;
        if (json_string_is(&key, "clean_text")) {
            HST_TRY(json_read_bool(c->json, &b->clean_text));
        } else if (json_string_is(&key, "handle_chinese_chars")) {
            HST_TRY(json_read_bool(c->json, &b->handle_chinese_chars));
        } else if (json_string_is(&key, "lowercase")) {
            HST_TRY(json_read_bool(c->json, &b->lowercase));
        } else if (json_string_is(&key, "strip_accents")) {
            bool null;
            HST_TRY(json_read_null(c->json, &null));
            if (!null) HST_TRY(json_read_bool(c->json, &b->strip_accents));
            accents_given = !null;
        } else {
            HST_TRY(json_skip(c->json));
        }
    }
    if (!accents_given) b->strip_accents = b->lowercase;
    *config = b;
    return HST_STATUS_OK;
}

/* Clean-up, spaces round ideographs and lower case of ASCII (which no later step could see differently); tells which
 * classes the result holds. */
static hst_status clean(const bert_normalizer *b, text_work *w, unsigned *classes, hst_error *err) {
    size_t n = 0, in = w->line.count;
    *classes = 0;
    HST_TRY(line_reserve(w, &w->spare, in, err));
    for (size_t i = 0; i < in; i++) {
        text_char x = w->line.chars[i];
        unsigned class = unicode_class(x.cp);
        if (b->clean_text && (class & (UNICODE_CONTROL | UNICODE_SPACE))) {
            if (class & UNICODE_CONTROL) continue;
            x.cp = ' ';
        } else if (x.cp < 0x80) {
            if (b->lowercase && (class & UNICODE_CASED)) x.cp += 32;
        } else {
            *classes |= class;
            if (b->handle_chinese_chars && unicode_is_chinese(x.cp)) {
                HST_TRY(line_reserve(w, &w->spare, n + 3 + (in - i), err));
                text_char space = {' ', x.begin, x.end};
                w->spare.chars[n++] = space;
                w->spare.chars[n++] = x;
                w->spare.chars[n++] = space;
                HST_TRY(line_reserve(w, &w->spare, n + (in - i), err));
                continue;
            }
        }
        w->spare.chars[n++] = x;
    }
    work_swap(w, n);
    return HST_STATUS_OK;
}

static void drop_class(text_line *line, unsigned classes) {
    size_t n = 0;
    for (size_t i = 0; i < line->count; i++)
        if (!(unicode_class(line->chars[i].cp) & classes)) line->chars[n++] = line->chars[i];
    line->count = n;
}

static hst_status lowercase(text_work *w, hst_error *err) {
    size_t n = 0;
    HST_TRY(line_reserve(w, &w->spare, w->line.count, err));
    for (size_t i = 0; i < w->line.count; i++) {
        text_char x = w->line.chars[i];
        uint32_t lower[2];
        int count = unicode_lower(x.cp, lower);
        if (count > 1) HST_TRY(line_reserve(w, &w->spare, n + 2 + (w->line.count - i), err));
        for (int k = 0; k < count; k++) w->spare.chars[n++] = (text_char){lower[k], x.begin, x.end};
    }
    work_swap(w, n);
    return HST_STATUS_OK;
}

static hst_status apply(const void *config, text_work *w, hst_error *err) {
    const bert_normalizer *b = config;
    unsigned classes;
    HST_TRY(clean(b, w, &classes, err));
    if (b->strip_accents && (classes & (UNICODE_NORM | UNICODE_MN))) {
        if (classes & UNICODE_NORM) HST_TRY(forms_normalize(w, false, false, err));
        drop_class(&w->line, UNICODE_MN);
    }
    if (b->lowercase && (classes & (UNICODE_CASED | UNICODE_NORM))) HST_TRY(lowercase(w, err));
    return HST_STATUS_OK;
}

const component_kind normalizer_bert = {"BertNormalizer", parse, apply};

/* ---- Lowercase and StripAccents share the above ---- */

static hst_status apply_lowercase(const void *config, text_work *w, hst_error *err) {
    (void)config;
    return lowercase(w, err);
}

static hst_status apply_strip_accents(const void *config, text_work *w, hst_error *err) {
    (void)config;
    (void)err;
    drop_class(&w->line, UNICODE_MARK);
    return HST_STATUS_OK;
}

const component_kind normalizer_lowercase = {"Lowercase", component_parse_nothing, apply_lowercase};
const component_kind normalizer_strip_accents = {"StripAccents", component_parse_nothing, apply_strip_accents};
