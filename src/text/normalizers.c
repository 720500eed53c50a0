/* The plain normalisers: Sequence, NFC NFD NFKC NFKD, Strip, Replace (of a string), Prepend. */
#include "text/kinds.h"

#include <string.h>

#include "base/utf8.h"
#include "text/forms.h"
#include "text/unicode.h"

static hst_status parse_sequence(load_context *c, void **config) {
    return component_sequence_parse(c, "normalizer", "normalizers", normalizer_kinds, config);
}

const component_kind normalizer_sequence = {"Sequence", parse_sequence, component_sequence_apply};

static hst_status apply_nfc(const void *config, text_work *w, hst_error *err) {
    (void)config;
    return forms_normalize(w, false, true, err);
}
static hst_status apply_nfd(const void *config, text_work *w, hst_error *err) {
    (void)config;
    return forms_normalize(w, false, false, err);
}
static hst_status apply_nfkc(const void *config, text_work *w, hst_error *err) {
    (void)config;
    return forms_normalize(w, true, true, err);
}
static hst_status apply_nfkd(const void *config, text_work *w, hst_error *err) {
    (void)config;
    return forms_normalize(w, true, false, err);
}

const component_kind normalizer_nfc = {"NFC", component_parse_nothing, apply_nfc};
const component_kind normalizer_nfd = {"NFD", component_parse_nothing, apply_nfd};
const component_kind normalizer_nfkc = {"NFKC", component_parse_nothing, apply_nfkc};
const component_kind normalizer_nfkd = {"NFKD", component_parse_nothing, apply_nfkd};

/* ---- Strip ---- */

typedef struct strip_config {
    bool left, right;
} strip_config;

static hst_status parse_strip(load_context *c, void **config) {
    strip_config *s = ARENA_NEW(c->arena, strip_config);
    json_string key;
    bool more;
    if (!s) return error_no_memory(c->err, sizeof *s, "a tokenizer");
    *s = (strip_config){true, true};
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) break;
        if (json_string_is(&key, "strip_left")) {
            HST_TRY(json_read_bool(c->json, &s->left));
        } else if (json_string_is(&key, "strip_right")) {
            HST_TRY(json_read_bool(c->json, &s->right));
        } else {
            HST_TRY(json_skip(c->json));
        }
    }
    *config = s;
    return HST_STATUS_OK;
}

static hst_status apply_strip(const void *config, text_work *w, hst_error *err) {
    const strip_config *s = config;
    text_line *line = &w->line;
    size_t begin = 0, end = line->count;
    (void)err;
    if (s->left)
        while (begin < end && (unicode_class(line->chars[begin].cp) & UNICODE_SPACE)) begin++;
    if (s->right)
        while (end > begin && (unicode_class(line->chars[end - 1].cp) & UNICODE_SPACE)) end--;
    if (begin && end > begin) memmove(line->chars, line->chars + begin, (end - begin) * sizeof *line->chars);
    line->count = end - begin;
    return HST_STATUS_OK;
}

const component_kind normalizer_strip = {"Strip", parse_strip, apply_strip};

/* ---- Replace and Prepend: strings as code points ---- */

typedef struct code_points {
    const uint32_t *cps;
    size_t count;
} code_points;

static hst_status read_code_points(load_context *c, code_points *out) {
    json_string text;
    HST_TRY(json_read_string(c->json, &text));
    uint32_t *cps = ARENA_ARRAY(c->arena, uint32_t, text.size ? text.size : 1);
    if (!cps) return error_no_memory(c->err, text.size * sizeof *cps, "a tokenizer");
    size_t n = 0;
    for (size_t at = 0; at < text.size; n++) {
        bool valid;
        at += utf8_decode((const unsigned char *)text.data + at, text.size - at, &cps[n], &valid);
    }
    *out = (code_points){cps, n};
    return HST_STATUS_OK;
}

typedef struct replace_config {
    code_points pattern, content;
} replace_config;

static hst_status parse_pattern(load_context *c, code_points *out) {
    json_string key;
    bool more;
    HST_TRY(json_enter_object(c->json));
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) return HST_STATUS_OK;
        if (json_string_is(&key, "String")) {
            HST_TRY(read_code_points(c, out));
        } else {
            return component_unsupported(c, "normalizer", "Replace with a regular expression");
        }
    }
}

static hst_status parse_replace(load_context *c, void **config) {
    replace_config *r = ARENA_NEW(c->arena, replace_config);
    json_string key;
    bool more;
    if (!r) return error_no_memory(c->err, sizeof *r, "a tokenizer");
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) break;
        if (json_string_is(&key, "pattern")) {
            HST_TRY(parse_pattern(c, &r->pattern));
        } else if (json_string_is(&key, "content")) {
            HST_TRY(read_code_points(c, &r->content));
        } else {
            HST_TRY(json_skip(c->json));
        }
    }
    *config = r;
    return HST_STATUS_OK;
}

static bool matches(const text_line *line, size_t at, const code_points *p) {
    if (p->count > line->count - at) return false;
    for (size_t k = 0; k < p->count; k++)
        if (line->chars[at + k].cp != p->cps[k]) return false;
    return true;
}

/* What replaces a match takes the place of the match's last character. */
static hst_status apply_replace(const void *config, text_work *w, hst_error *err) {
    const replace_config *r = config;
    const text_line *in = &w->line;
    size_t n = 0;
    if (r->pattern.count == 0) return HST_STATUS_OK;
    HST_TRY(line_reserve(w, &w->spare, in->count, err));
    for (size_t i = 0; i < in->count;) {
        if (!matches(in, i, &r->pattern)) {
            w->spare.chars[n++] = in->chars[i++];
            continue;
        }
        i += r->pattern.count;
        HST_TRY(line_reserve(w, &w->spare, n + r->content.count + (in->count - i), err));
        for (size_t k = 0; k < r->content.count; k++) {
            w->spare.chars[n] = in->chars[i - 1];
            w->spare.chars[n++].cp = r->content.cps[k];
        }
    }
    work_swap(w, n);
    return HST_STATUS_OK;
}

const component_kind normalizer_replace = {"Replace", parse_replace, apply_replace};

static hst_status parse_prepend(load_context *c, void **config) {
    code_points *p = ARENA_NEW(c->arena, code_points);
    json_string key;
    bool more;
    if (!p) return error_no_memory(c->err, sizeof *p, "a tokenizer");
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) break;
        if (json_string_is(&key, "prepend")) {
            HST_TRY(read_code_points(c, p));
        } else {
            HST_TRY(json_skip(c->json));
        }
    }
    *config = p;
    return HST_STATUS_OK;
}

/* What is put before shares the place of the first character. */
static hst_status apply_prepend(const void *config, text_work *w, hst_error *err) {
    const code_points *p = config;
    text_line *line = &w->line;
    if (line->count == 0 || p->count == 0) return HST_STATUS_OK;
    HST_TRY(line_reserve(w, line, line->count + p->count, err));
    memmove(line->chars + p->count, line->chars, line->count * sizeof *line->chars);
    for (size_t k = 0; k < p->count; k++) {
        line->chars[k] = line->chars[p->count];
        line->chars[k].cp = p->cps[k];
    }
    line->count += p->count;
    return HST_STATUS_OK;
}

const component_kind normalizer_prepend = {"Prepend", parse_prepend, apply_prepend};
