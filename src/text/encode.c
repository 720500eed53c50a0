/* One text through the pipeline up to the model's tokens: decoding, added tokens, normaliser, pre-tokenizer, model. */
#include "text/encoding.h"

#include <string.h>

#include "base/utf8.h"

typedef struct encoder {
    const tokenizer *t;
    struct encoding_work *k;
    token_list *out;
    int32_t word;
} encoder;

static hst_status decode_bytes(struct encoding_work *k, encoded_text *e, hst_string text, hst_error *err) {
    const unsigned char *p = (const unsigned char *)text.data;
    text_work *w = &k->text;
    size_t n = 0;
    if (text.size > TEXT_MOST)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL, "a text of %zu bytes: at most %zu, pass it in parts",
                         text.size, TEXT_MOST);
    HST_TRY(line_reserve(w, &w->original, text.size, err));
    HST_TRY(
        work_grow(&w->allocator, (void *)&e->byte_at, &e->byte_at_capacity, text.size + 1, sizeof *e->byte_at, err));
    text_char *to = w->original.chars;
    for (size_t at = 0; at < text.size; n++) {
        uint32_t cp = p[at];
        bool valid;
        e->byte_at[n] = (uint32_t)at;
        at += cp < 0x80 ? 1 : utf8_decode(p + at, text.size - at, &cp, &valid);
        to[n] = (text_char){cp, (uint32_t)n, (uint32_t)n + 1};
    }
    e->byte_at[n] = (uint32_t)text.size;
    w->original.count = n;
    return HST_STATUS_OK;
}

static hst_status push_added(encoder *x, const text_char *chars, text_span span, const added_token *token,
                             hst_error *err) {
    token_list *out = x->out;
    if (out->count == out->capacity) HST_TRY(WORK_RESERVE(&x->k->text, out, out->count + 1, err));
    out->data[out->count++] = (text_token){token->id, x->word++, chars[span.begin].begin, chars[span.end - 1].end};
    return HST_STATUS_OK;
}

/* What stands in `line` has no added tokens: split it, and give each split to the model. */
static hst_status encode_line(encoder *x, hst_error *err) {
    text_work *w = &x->k->text;
    w->splits.count = 0;
    if (w->line.count == 0) return HST_STATUS_OK;
    w->base = w->line.chars[0].begin;
    HST_TRY(split_push(w, &w->splits, 0, (uint32_t)w->line.count, err));
    const component *pre = &x->t->pre_tokenizer;
    if (pre->kind) HST_TRY(pre->kind->apply(pre->config, w, err));
    for (size_t i = 0; i < w->splits.count; i++)
        HST_TRY(x->t->model->tokenize(x->t->model_config, &x->t->vocab, w, w->splits.data[i], x->word++, x->out, err));
    return HST_STATUS_OK;
}

static hst_status copy_to_line(text_work *w, const text_line *from, text_span span, hst_error *err) {
    size_t n = span.end - span.begin;
    HST_TRY(line_reserve(w, &w->line, n, err));
    if (n) memcpy(w->line.chars, from->chars + span.begin, n * sizeof *w->line.chars);
    w->line.count = n;
    return HST_STATUS_OK;
}

static hst_status normalized_part(void *user, text_span span, const added_token *token, hst_error *err) {
    encoder *x = user;
    if (token) return push_added(x, x->k->normalized.chars, span, token, err);
    HST_TRY(copy_to_line(&x->k->text, &x->k->normalized, span, err));
    return encode_line(x, err);
}

static hst_status original_part(void *user, text_span span, const added_token *token, hst_error *err) {
    encoder *x = user;
    text_work *w = &x->k->text;
    const component *normalizer = &x->t->normalizer;
    if (token) return push_added(x, w->original.chars, span, token, err);
    HST_TRY(copy_to_line(w, &w->original, span, err));
    w->base = w->line.chars[0].begin;
    if (normalizer->kind) HST_TRY(normalizer->kind->apply(normalizer->config, w, err));
    if (x->t->normal_added.count == 0) return encode_line(x, err);
    text_line line = w->line; /* later parts of the pipeline may rewrite w->line */
    w->line = x->k->normalized;
    x->k->normalized = line;
    return added_split(&x->t->normal_added, &x->k->normalized, normalized_part, x, err);
}

hst_status encode_text(const tokenizer *t, hst_string text, struct encoding_work *k, int which, hst_error *err) {
    encoder x = {t, k, &k->texts[which].tokens, 0};
    x.out->count = 0;
    HST_TRY(decode_bytes(k, &k->texts[which], text, err));
    return added_split(&t->raw_added, &k->text.original, original_part, &x, err);
}
