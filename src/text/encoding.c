/* Encodings: the result's arrays, windows of truncation, the template, padding. */
#include "text/encoding.h"

#include <string.h>

#include "base/checked.h"

encoding *encoding_new(const hst_allocator *a) {
    if (!a) a = allocator_default();
    encoding *e = memory_alloc(a, sizeof *e, 16);
    struct encoding_work *k = memory_alloc(a, sizeof *k, 16);
    if (!e || !k) {
        memory_free(a, e, sizeof *e);
        memory_free(a, k, sizeof *k);
        return NULL;
    }
    memset(e, 0, sizeof *e);
    memset(k, 0, sizeof *k);
    k->text.allocator = *a;
    e->work = k;
    return e;
}

void encoding_free(encoding *e) {
    if (!e) return;
    struct encoding_work *k = e->work;
    hst_allocator a = k->text.allocator;
    work_free(&k->text);
    memory_free(&a, k->normalized.chars, k->normalized.capacity * sizeof(text_char));
    for (int i = 0; i < 2; i++) {
        encoded_text *text = &k->texts[i];
        memory_free(&a, text->tokens.data, text->tokens.capacity * sizeof(text_token));
        memory_free(&a, text->byte_at, text->byte_at_capacity * sizeof *text->byte_at);
        memory_free(&a, text->windows.data, text->windows.capacity * sizeof(text_span));
    }
    memory_free(&a, k->block, k->block_size);
    memory_free(&a, k, sizeof *k);
    memory_free(&a, e, sizeof *e);
}

/* ---- windows ---- */

static hst_status cut(text_work *w, encoded_text *text, size_t most, const truncation *c, hst_error *err) {
    size_t n = text->tokens.count;
    span_list *windows = &text->windows;
    windows->count = 0;
    if (windows->capacity < 2) HST_TRY(WORK_RESERVE(w, windows, 2, err));
    if (most >= n || most == 0) {
        if (most < n) windows->data[windows->count++] = (text_span){0, 0};
        windows->data[windows->count++] = (text_span){0, (uint32_t)n};
        return HST_STATUS_OK;
    }
    if (c->stride >= most)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "stride",
                         "a stride of %zu tokens, but windows have room for %zu of the text: it must be smaller",
                         c->stride, most);
    size_t step = most - c->stride;
    for (size_t at = 0;; at += step) { /* `at` counts from the end that is kept first */
        size_t end = at + most < n ? at + most : n;
        HST_TRY(c->left ? split_push(w, windows, (uint32_t)(n - end), (uint32_t)(n - at), err)
                        : split_push(w, windows, (uint32_t)at, (uint32_t)end, err));
        if (end == n) return HST_STATUS_OK;
    }
}

/* How many tokens of the two texts stay where together they may have `most`: the longer is cut first. */
static void share(size_t most, size_t first, size_t second, size_t keep[2]) {
    size_t n1 = first < second ? first : second, n2;
    if (n1 > most) {
        n2 = n1;
    } else {
        n2 = most - n1 > n1 ? most - n1 : n1;
    }
    if (n1 + n2 > most) {
        n1 = most / 2;
        n2 = n1 + most % 2;
    }
    keep[0] = first > second ? n2 : n1;
    keep[1] = first > second ? n1 : n2;
}

hst_status truncate_texts(const truncation *c, size_t added, struct encoding_work *k, hst_error *err) {
    size_t n[2] = {k->texts[0].tokens.count, k->pair ? k->texts[1].tokens.count : 0}, keep[2] = {SIZE_MAX, SIZE_MAX};
    if (c->max_length != TRUNCATION_NEVER) {
        if (c->max_length < added)
            return error_set(err, HST_STATUS_INVALID_ARGUMENT, "max_length",
                             "%zu tokens at most leave no room for the %zu special ones", c->max_length, added);
        size_t most = c->max_length - added, total = n[0] + n[1];
        if (most == 0) {
            keep[0] = keep[1] = 0;
        } else if (total > most && c->strategy == TRUNCATION_LONGEST_FIRST) {
            keep[0] = most;
            if (k->pair) share(most, n[0], n[1], keep);
        } else if (total > most) {
            int which = c->strategy == TRUNCATION_ONLY_SECOND;
            if (which == 1 && !k->pair)
                return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL,
                                 "only the second text may be cut, but there is none");
            if (n[which] <= total - most)
                return error_set(err, HST_STATUS_INVALID_ARGUMENT, "max_length",
                                 "the text that may be cut has %zu tokens, and %zu would have to go", n[which],
                                 total - most);
            keep[which] = n[which] - (total - most);
        }
    }
    for (int i = 0; i <= k->pair; i++) HST_TRY(cut(&k->text, &k->texts[i], keep[i], c, err));
    return HST_STATUS_OK;
}

size_t encoding_window_count(const encoding *e) {
    const struct encoding_work *k = e->work;
    return k->texts[0].windows.count * (k->pair ? k->texts[1].windows.count : 1);
}

/* The order of the reference's overflowing parts: further windows of the first text, each with all of the second's,
 * then the second's with the first window of the first. */
static void window_of(const struct encoding_work *k, size_t window, text_span out[2]) {
    size_t n = k->texts[0].windows.count, m = k->pair ? k->texts[1].windows.count : 1, i = 0, j = 0;
    if (window > (n - 1) * m) {
        j = window - (n - 1) * m;
    } else if (window > 0) {
        i = 1 + (window - 1) / m;
        j = (window - 1) % m;
    }
    out[0] = k->texts[0].windows.data[i];
    out[1] = k->pair ? k->texts[1].windows.data[j] : (text_span){0, 0};
}

/* ---- the result ---- */

/* Room for n tokens; what is there stays. */
static hst_status reserve(encoding *e, size_t n, hst_error *err) {
    struct encoding_work *k = e->work;
    const size_t each = 3 * sizeof(int32_t) + 2 * sizeof(token_offset) + 3;
    if (n <= k->capacity) return HST_STATUS_OK;
    size_t want = k->capacity + k->capacity / 2, bytes;
    if (want < n) want = n;
    if (want < 64) want = 64;
    if (!size_mul(want, each, &bytes)) return error_no_memory(err, SIZE_MAX, "an encoding");
    char *block = memory_alloc(&k->text.allocator, bytes, 16), *at = block;
    if (!block) return error_no_memory(err, bytes, "an encoding");
    encoding was = *e;
    e->offsets = (token_offset *)(void *)at, at += want * sizeof *e->offsets;
    e->byte_offsets = (token_offset *)(void *)at, at += want * sizeof *e->byte_offsets;
    e->ids = (int32_t *)(void *)at, at += want * sizeof *e->ids;
    e->type_ids = (int32_t *)(void *)at, at += want * sizeof *e->type_ids;
    e->word_ids = (int32_t *)(void *)at, at += want * sizeof *e->word_ids;
    e->attention_mask = (uint8_t *)at, at += want;
    e->special_tokens_mask = (uint8_t *)at, at += want;
    e->sequence_ids = (int8_t *)at;
    if (was.count) {
        memcpy(e->offsets, was.offsets, was.count * sizeof *e->offsets);
        memcpy(e->byte_offsets, was.byte_offsets, was.count * sizeof *e->byte_offsets);
        memcpy(e->ids, was.ids, was.count * sizeof *e->ids);
        memcpy(e->type_ids, was.type_ids, was.count * sizeof *e->type_ids);
        memcpy(e->word_ids, was.word_ids, was.count * sizeof *e->word_ids);
        memcpy(e->attention_mask, was.attention_mask, was.count);
        memcpy(e->special_tokens_mask, was.special_tokens_mask, was.count);
        memcpy(e->sequence_ids, was.sequence_ids, was.count);
    }
    memory_free(&k->text.allocator, k->block, k->block_size);
    k->block = block;
    k->block_size = bytes;
    k->capacity = want;
    return HST_STATUS_OK;
}

static void set_special(encoding *e, size_t at, int32_t id, int32_t type_id, bool attended) {
    e->ids[at] = id;
    e->type_ids[at] = type_id;
    e->word_ids[at] = -1;
    e->sequence_ids[at] = -1;
    e->attention_mask[at] = attended;
    e->special_tokens_mask[at] = 1;
    e->offsets[at] = e->byte_offsets[at] = (token_offset){0, 0};
}

static void set_token(encoding *e, size_t at, const text_token *token, const uint32_t *byte_at, int32_t type_id,
                      int which) {
    e->ids[at] = token->id;
    e->type_ids[at] = type_id;
    e->word_ids[at] = token->word;
    e->sequence_ids[at] = (int8_t)which;
    e->attention_mask[at] = 1;
    e->special_tokens_mask[at] = 0;
    e->offsets[at] = (token_offset){token->begin, token->end};
    e->byte_offsets[at] = (token_offset){byte_at[token->begin], byte_at[token->end]};
}

hst_status encoding_assemble(const tokenizer *t, const struct encoding_work *k, size_t window, encoding *out,
                             hst_error *err) {
    const text_template *template = &t->templates[k->pair];
    text_span spans[2];
    size_t n = 0, at = 0;
    window_of(k, window, spans);
    for (size_t i = 0; i < template->count; i++) {
        const template_piece *p = &template->pieces[i];
        size_t more =
            p->kind == PIECE_SPECIAL ? (k->specials ? p->count : 0) : spans[p->kind].end - spans[p->kind].begin;
        if (!size_add(n, more, &n)) return error_no_memory(err, SIZE_MAX, "an encoding");
    }
    out->count = 0;
    HST_TRY(reserve(out, n, err));
    for (size_t i = 0; i < template->count; i++) {
        const template_piece *p = &template->pieces[i];
        if (p->kind == PIECE_SPECIAL) {
            for (size_t j = 0; k->specials && j < p->count; j++) set_special(out, at++, p->ids[j], p->type_id, true);
            continue;
        }
        const encoded_text *text = &k->texts[p->kind];
        for (uint32_t j = spans[p->kind].begin; j < spans[p->kind].end; j++)
            set_token(out, at++, &text->tokens.data[j], text->byte_at, p->type_id, (int)p->kind);
    }
    out->count = n;
    return HST_STATUS_OK;
}

/* ---- padding ---- */

hst_status padding_length(const padding *p, size_t longest, size_t *out, hst_error *err) {
    size_t n = p->strategy == PADDING_FIXED ? p->length : longest;
    if (p->strategy == PADDING_NONE) n = 0;
    if (p->multiple && n % p->multiple && !size_add(n, p->multiple - n % p->multiple, &n))
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "padding", "padding to a multiple of %zu overflows",
                         p->multiple);
    *out = n;
    return HST_STATUS_OK;
}

static void shift(encoding *e, size_t by) {
    size_t n = e->count;
    memmove(e->ids + by, e->ids, n * sizeof *e->ids);
    memmove(e->type_ids + by, e->type_ids, n * sizeof *e->type_ids);
    memmove(e->word_ids + by, e->word_ids, n * sizeof *e->word_ids);
    memmove(e->offsets + by, e->offsets, n * sizeof *e->offsets);
    memmove(e->byte_offsets + by, e->byte_offsets, n * sizeof *e->byte_offsets);
    memmove(e->attention_mask + by, e->attention_mask, n);
    memmove(e->special_tokens_mask + by, e->special_tokens_mask, n);
    memmove(e->sequence_ids + by, e->sequence_ids, n);
}

hst_status encoding_pad(encoding *e, size_t length, const padding *p, hst_error *err) {
    if (length <= e->count) return HST_STATUS_OK;
    HST_TRY(reserve(e, length, err));
    size_t more = length - e->count, from = p->left ? 0 : e->count;
    if (p->left) shift(e, more);
    for (size_t i = 0; i < more; i++) set_special(e, from + i, p->id, p->type_id, false);
    e->count = length;
    return HST_STATUS_OK;
}
