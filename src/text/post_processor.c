/* Post-processors, compiled to two templates (one text, a pair): which texts and special tokens stand where, with which
 * type. TemplateProcessing says them itself, BertProcessing means one, and without a post-processor the texts follow
 * one another. */
#include "text/pipeline.h"

#include <string.h>

#define PIECES_MOST 1024

typedef struct special_entry {
    hst_string name;
    const int32_t *ids;
    size_t count;
} special_entry;

typedef struct special_table {
    special_entry *entries;
    size_t count;
} special_table;

static hst_status set_template(arena *a, const template_piece *pieces, size_t count, text_template *out,
                               hst_error *err) {
    template_piece *copy = ARENA_ARRAY(a, template_piece, count);
    if (!copy) return error_no_memory(err, count * sizeof *copy, "a tokenizer");
    if (count) memcpy(copy, pieces, count * sizeof *copy);
    *out = (text_template){copy, count, 0};
    for (size_t i = 0; i < count; i++)
        if (pieces[i].kind == PIECE_SPECIAL) out->added += pieces[i].count;
    return HST_STATUS_OK;
}

hst_status post_processor_none(arena *a, text_template out[2], hst_error *err) {
    const template_piece pieces[] = {{PIECE_FIRST, 0, NULL, 0}, {PIECE_SECOND, 1, NULL, 0}};
    HST_TRY(set_template(a, pieces, 1, &out[0], err));
    return set_template(a, pieces, 2, &out[1], err);
}

hst_status post_processor_bert(arena *a, int32_t cls, int32_t sep, text_template out[2], hst_error *err) {
    int32_t *ids = ARENA_ARRAY(a, int32_t, 2);
    if (!ids) return error_no_memory(err, 2 * sizeof *ids, "a tokenizer");
    ids[0] = cls;
    ids[1] = sep;
    const template_piece pieces[] = {{PIECE_SPECIAL, 0, ids, 1},
                                     {PIECE_FIRST, 0, NULL, 0},
                                     {PIECE_SPECIAL, 0, ids + 1, 1},
                                     {PIECE_SECOND, 1, NULL, 0},
                                     {PIECE_SPECIAL, 1, ids + 1, 1}};
    HST_TRY(set_template(a, pieces, 3, &out[0], err));
    return set_template(a, pieces, 5, &out[1], err);
}

/* Counts the elements of the array that begins here, without leaving the place. */
static hst_status count_elements(load_context *c, size_t most, size_t *out) {
    json_mark here = json_here(c->json);
    bool more;
    HST_TRY(json_enter_array(c->json));
    for (*out = 0;; ++*out) {
        HST_TRY(json_next_element(c->json, &more));
        if (!more) break;
        if (*out == most) return json_fail(c->json, "more than %zu elements", most);
        HST_TRY(json_skip(c->json));
    }
    json_go_to(c->json, &here);
    return HST_STATUS_OK;
}

static hst_status read_id(load_context *c, int32_t *out) {
    size_t id;
    HST_TRY(component_size(c, INT32_MAX - 1, &id));
    *out = (int32_t)id;
    return HST_STATUS_OK;
}

static hst_status read_ids(load_context *c, special_entry *entry) {
    bool more;
    HST_TRY(count_elements(c, PIECES_MOST, &entry->count));
    int32_t *ids = ARENA_ARRAY(c->arena, int32_t, entry->count);
    if (!ids) return error_no_memory(c->err, entry->count * sizeof *ids, "a tokenizer");
    HST_TRY(json_enter_array(c->json));
    for (size_t i = 0; i < entry->count; i++) {
        HST_TRY(json_next_element(c->json, &more));
        HST_TRY(read_id(c, &ids[i]));
    }
    entry->ids = ids;
    return json_next_element(c->json, &more);
}

/* {"[CLS]": {"id": "[CLS]", "ids": [101], "tokens": ["[CLS]"]}, …} */
static hst_status read_specials(load_context *c, special_table *table) {
    json_string key;
    bool more;
    table->entries = ARENA_ARRAY(c->arena, special_entry, PIECES_MOST);
    if (!table->entries) return error_no_memory(c->err, PIECES_MOST * sizeof *table->entries, "a tokenizer");
    HST_TRY(json_enter_object(c->json));
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) return HST_STATUS_OK;
        if (table->count == PIECES_MOST) return json_fail(c->json, "more than %d special tokens", PIECES_MOST);
        special_entry *entry = &table->entries[table->count++];
        entry->name = (hst_string){arena_copy_string(c->arena, key.data, key.size), key.size};
        if (!entry->name.data) return error_no_memory(c->err, key.size, "a tokenizer");
        HST_TRY(json_enter_object(c->json));
        for (;;) {
            HST_TRY(json_next_key(c->json, &key, &more));
            if (!more) break;
            if (json_string_is(&key, "ids")) {
                HST_TRY(read_ids(c, entry));
            } else {
                HST_TRY(json_skip(c->json));
            }
        }
    }
}

/* The members "id" and "type_id" of a piece; the id is left in *name. */
static hst_status read_piece_body(load_context *c, hst_string *name, int32_t *type_id) {
    json_string key;
    bool more;
    HST_TRY(json_enter_object(c->json));
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) return HST_STATUS_OK;
        if (json_string_is(&key, "id")) {
            HST_TRY(component_string(c, name));
        } else if (json_string_is(&key, "type_id")) {
            HST_TRY(read_id(c, type_id));
        } else {
            HST_TRY(json_skip(c->json));
        }
    }
}

static bool name_is(hst_string a, hst_string b) {
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* {"SpecialToken": {"id": "[CLS]", "type_id": 0}} or {"Sequence": {"id": "A", "type_id": 0}} */
static hst_status read_piece(load_context *c, const special_table *table, bool pair, template_piece *out) {
    json_string key;
    hst_string name = {"", 0};
    bool more;
    HST_TRY(json_enter_object(c->json));
    HST_TRY(json_next_key(c->json, &key, &more));
    bool sequence = more && json_string_is(&key, "Sequence");
    if (!sequence && !(more && json_string_is(&key, "SpecialToken")))
        return json_fail(c->json, "a piece of a template is a Sequence or a SpecialToken");
    *out = (template_piece){PIECE_SPECIAL, 0, NULL, 0};
    HST_TRY(read_piece_body(c, &name, &out->type_id));
    if (sequence) {
        bool second = name_is(name, (hst_string){"B", 1});
        if ((second && !pair) || !(second || name_is(name, (hst_string){"A", 1})))
            return json_fail(c->json, "the template of %s has no sequence '%.20s'", pair ? "a pair" : "one text",
                             name.data);
        out->kind = second ? PIECE_SECOND : PIECE_FIRST;
    } else {
        size_t i = 0;
        while (i < table->count && !name_is(table->entries[i].name, name)) i++;
        if (i == table->count)
            return json_fail(c->json, "the template's special token '%.60s' is not among its special_tokens",
                             name.data);
        out->ids = table->entries[i].ids;
        out->count = table->entries[i].count;
    }
    HST_TRY(json_next_key(c->json, &key, &more));
    return more ? json_fail(c->json, "a piece of a template has one member") : HST_STATUS_OK;
}

static hst_status read_template(load_context *c, const json_mark *mark, const special_table *table, bool pair,
                                text_template *out) {
    size_t n;
    bool more;
    json_go_to(c->json, mark);
    HST_TRY(count_elements(c, PIECES_MOST, &n));
    template_piece *pieces = ARENA_ARRAY(c->arena, template_piece, n);
    if (!pieces) return error_no_memory(c->err, n * sizeof *pieces, "a tokenizer");
    HST_TRY(json_enter_array(c->json));
    for (size_t i = 0; i < n; i++) {
        HST_TRY(json_next_element(c->json, &more));
        HST_TRY(read_piece(c, table, pair, &pieces[i]));
    }
    return set_template(c->arena, pieces, n, out, c->err);
}

static hst_status parse_template(load_context *c, text_template out[2]) {
    json_mark marks[3], end;
    bool found[3] = {false, false, false}, more;
    static const char *const names[3] = {"special_tokens", "single", "pair"};
    special_table table = {NULL, 0};
    json_string key;
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) break;
        for (int i = 0; i < 3; i++) {
            if (!json_string_is(&key, names[i])) continue;
            marks[i] = json_here(c->json);
            found[i] = true;
        }
        HST_TRY(json_skip(c->json));
    }
    end = json_here(c->json);
    for (int i = 0; i < 3; i++)
        if (!found[i]) return json_fail(c->json, "TemplateProcessing has no '%s'", names[i]);
    json_go_to(c->json, &marks[0]);
    HST_TRY(read_specials(c, &table));
    HST_TRY(read_template(c, &marks[1], &table, false, &out[0]));
    HST_TRY(read_template(c, &marks[2], &table, true, &out[1]));
    json_go_to(c->json, &end);
    return HST_STATUS_OK;
}

/* {"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]} */
static hst_status parse_bert(load_context *c, text_template out[2]) {
    int32_t ids[2] = {-1, -1};
    json_string key;
    bool more;
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) break;
        int which = json_string_is(&key, "cls") ? 0 : json_string_is(&key, "sep") ? 1 : -1;
        if (which < 0) {
            HST_TRY(json_skip(c->json));
            continue;
        }
        HST_TRY(json_enter_array(c->json));
        HST_TRY(json_next_element(c->json, &more));
        HST_TRY(json_skip(c->json));
        HST_TRY(json_next_element(c->json, &more));
        HST_TRY(read_id(c, &ids[which]));
        HST_TRY(json_next_element(c->json, &more));
        if (more) return json_fail(c->json, "expected [token, id]");
    }
    if (ids[0] < 0 || ids[1] < 0) return json_fail(c->json, "BertProcessing wants cls and sep");
    return post_processor_bert(c->arena, ids[0], ids[1], out, c->err);
}

hst_status post_processor_parse(load_context *c, text_template out[2]) {
    char type[64];
    bool null;
    HST_TRY(json_read_null(c->json, &null));
    if (null) return post_processor_none(c->arena, out, c->err);
    HST_TRY(component_enter(c, "post_processor", type, sizeof type));
    if (strcmp(type, "TemplateProcessing") == 0) return parse_template(c, out);
    if (strcmp(type, "BertProcessing") == 0) return parse_bert(c, out);
    return component_unsupported(c, "post_processor", type);
}
