/* Added tokens: tokens that are cut out of the text before the model sees it, before normalisation or after. The
 * longest one that begins leftmost wins; single_word asks for non-word neighbours, lstrip and rstrip take white space
 * in. */
#include "text/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/unicode.h"

static int compare(const added_pattern *a, const added_pattern *b) {
    size_t n = a->count < b->count ? a->count : b->count;
    for (size_t i = 0; i < n; i++)
        if (a->cps[i] != b->cps[i]) return a->cps[i] < b->cps[i] ? -1 : 1;
    return a->count < b->count ? -1 : a->count > b->count;
}

/* The longest pattern that stands at `at`: the range of patterns that share what was read is narrowed step by step. */
static const added_pattern *match_at(const added_set *set, const text_line *line, size_t at) {
    const added_pattern *found = NULL;
    size_t low = 0, high = set->count;
    for (size_t k = 0; at + k < line->count && low < high; k++) {
        uint32_t cp = line->chars[at + k].cp;
        size_t a = low, b = high;
        while (a < b) { /* the first with its k-th character ≥ cp; shorter ones sort first */
            size_t m = (a + b) / 2;
            const added_pattern *p = &set->patterns[m];
            if (p->count <= k || p->cps[k] < cp) {
                a = m + 1;
            } else {
                b = m;
            }
        }
        low = a;
        b = high;
        while (a < b) { /* the first with its k-th character > cp */
            size_t m = (a + b) / 2;
            if (set->patterns[m].cps[k] <= cp) {
                a = m + 1;
            } else {
                b = m;
            }
        }
        high = a;
        if (low < high && set->patterns[low].count == k + 1) found = &set->patterns[low];
    }
    return found;
}

static bool is_class(const text_line *line, size_t at, unsigned class) {
    return (unicode_class(line->chars[at].cp) & class) != 0;
}

hst_status added_split(const added_set *set, const text_line *line, added_part part, void *user, hst_error *err) {
    size_t done = 0, run_begin = 1, run_end = 0; /* the run of white space that an rstrip took last: not walked twice */
    for (size_t at = 0; set->count && at < line->count;) {
        uint32_t low = line->chars[at].cp & 255;
        const added_pattern *p = set->first[low / 64] >> (low % 64) & 1 ? match_at(set, line, at) : NULL;
        if (!p) {
            at++;
            continue;
        }
        size_t begin = at, end = at + p->count;
        at = end;
        if (p->token->single_word && ((begin > 0 && is_class(line, begin - 1, UNICODE_WORD)) ||
                                      (end < line->count && is_class(line, end, UNICODE_WORD))))
            continue;
        if (p->token->lstrip) {
            while (begin > done && is_class(line, begin - 1, UNICODE_SPACE)) begin--;
            if (begin < done) begin = done;
        }
        if (p->token->rstrip) {
            if (end < run_begin || end > run_end)
                for (run_begin = run_end = end; run_end < line->count && is_class(line, run_end, UNICODE_SPACE);)
                    run_end++;
            end = run_end;
        }
        if (done < begin) HST_TRY(part(user, (text_span){(uint32_t)done, (uint32_t)begin}, NULL, err));
        /* a token of white space whose text an rstrip before it has taken is nothing */
        if (begin < end) HST_TRY(part(user, (text_span){(uint32_t)begin, (uint32_t)end}, p->token, err));
        if (begin <= end) done = end;
    }
    if (done >= line->count) return HST_STATUS_OK;
    return part(user, (text_span){(uint32_t)done, (uint32_t)line->count}, NULL, err);
}

/* ---- building ---- */

/* The token's text as code points, normalised where the token asks for it. */
static hst_status spell(load_context *c, text_work *w, const added_token *token, added_pattern *out) {
    const unsigned char *p = (const unsigned char *)token->content.data;
    size_t size = token->content.size, n = 0;
    HST_TRY(line_reserve(w, &w->line, size, c->err));
    for (size_t at = 0; at < size; n++) {
        bool valid;
        uint32_t cp;
        at += utf8_decode(p + at, size - at, &cp, &valid);
        w->line.chars[n] = (text_char){cp, (uint32_t)n, (uint32_t)n + 1};
    }
    w->line.count = n;
    const component *normalizer = &c->tokenizer->normalizer;
    if (token->normalized && normalizer->kind) HST_TRY(normalizer->kind->apply(normalizer->config, w, c->err));
    uint32_t *cps = ARENA_ARRAY(c->arena, uint32_t, w->line.count + 1);
    if (!cps) return error_no_memory(c->err, n, "added tokens");
    for (size_t i = 0; i < w->line.count; i++) cps[i] = w->line.chars[i].cp;
    *out = (added_pattern){cps, w->line.count, token};
    return HST_STATUS_OK;
}

/* Merge sort: stable, so that of two tokens with one text the earlier stays first. */
static void sort(added_pattern *p, added_pattern *spare, size_t n) {
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t i = 0; i < n; i += 2 * width) {
            size_t a = i, middle = i + width < n ? i + width : n, b = middle,
                   end = middle + width < n ? middle + width : n;
            for (size_t k = i; k < end; k++)
                spare[k] = b >= end || (a < middle && compare(&p[a], &p[b]) <= 0) ? p[a++] : p[b++];
        }
        memcpy(p, spare, n * sizeof *p);
    }
}

static hst_status build_set(load_context *c, text_work *w, const added_token *tokens, size_t count, bool normalized,
                            added_set *out) {
    added_pattern *p = ARENA_ARRAY(c->arena, added_pattern, count),
                  *spare = ARENA_ARRAY(c->arena, added_pattern, count);
    size_t n = 0, unique = 0;
    if (!p || !spare) return error_no_memory(c->err, count * sizeof *p, "added tokens");
    for (int special = 1; special >= 0; special--) { /* special ones win over others of the same text */
        for (size_t i = 0; i < count; i++) {
            if (tokens[i].normalized != normalized || tokens[i].special != special) continue;
            HST_TRY(spell(c, w, &tokens[i], &p[n]));
            n += p[n].count > 0; /* one that normalises to nothing cannot be found */
        }
    }
    if (n) sort(p, spare, n);
    for (size_t i = 0; i < n; i++)
        if (unique == 0 || compare(&p[unique - 1], &p[i]) != 0) p[unique++] = p[i];
    *out = (added_set){.patterns = p, .count = unique};
    for (size_t i = 0; i < unique; i++) out->first[(p[i].cps[0] & 255) / 64] |= (uint64_t)1 << (p[i].cps[0] & 63);
    return HST_STATUS_OK;
}

/* As in the reference: a token that the model knows keeps the model's id, others are numbered on from the end; the ids
 * in the file are not believed. */
static hst_status number(load_context *c, added_token *tokens, size_t count, size_t *kept) {
    vocab *v = &c->tokenizer->vocab;
    int64_t most = -1, model_size = v->count;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        added_token t = tokens[i];
        if (t.content.size == 0) continue;
        t.id = vocab_id(v, t.content.data, t.content.size);
        if (t.id < 0) {
            int64_t id = most >= model_size || (most >= 0 && model_size == 0) ? most + 1 : model_size;
            HST_TRY(vocab_add(v, t.content.data, t.content.size, id, c->err));
            t.id = (int32_t)id;
        }
        if (t.id > most) most = t.id;
        tokens[n++] = t;
    }
    *kept = n;
    return HST_STATUS_OK;
}

hst_status added_build(load_context *c, const added_token *given, size_t count) {
    tokenizer *t = c->tokenizer;
    text_work w = {.allocator = t->allocator};
    hst_status status;
    if (!t->vocab.borrowed) t->vocab.model_count = t->vocab.count;
    added_token *tokens = ARENA_ARRAY(c->arena, added_token, count);
    if (!tokens) return error_no_memory(c->err, count * sizeof *tokens, "added tokens");
    if (count) memcpy(tokens, given, count * sizeof *tokens);
    HST_TRY(number(c, tokens, count, &count));
    HST_TRY(vocab_finish(&t->vocab, c->err));
    t->special = ARENA_ARRAY(c->arena, uint8_t, t->vocab.id_limit);
    if (!t->special) return error_no_memory(c->err, (size_t)t->vocab.id_limit, "added tokens");
    for (size_t i = 0; i < count; i++)
        if (tokens[i].special) t->special[tokens[i].id] = 1;
    status = build_set(c, &w, tokens, count, false, &t->raw_added);
    if (status == HST_STATUS_OK) status = build_set(c, &w, tokens, count, true, &t->normal_added);
    work_free(&w);
    return status;
}
