/* Reading texts from lines, JSON Lines and CSV. */
#include "texts.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"

static hst_status no_memory(hst_error *err) {
    return error_no_memory(err, 0, "the texts");
}

static char *copy(const char *text, size_t size) {
    char *p = malloc(size + 1);
    if (!p) return NULL;
    memcpy(p, text, size);
    p[size] = '\0';
    return p;
}

static void clear(texts_chunk *c) {
    for (size_t i = 0; i < c->n; i++) {
        free((char *)c->texts[i].data);
        free((char *)c->pairs[i].data);
    }
    c->n = 0;
    c->any_pair = false;
}

/* Takes both over. */
static hst_status add(texts_chunk *c, char *text, size_t size, char *pair, size_t pair_size, hst_error *err) {
    if (c->n == c->capacity) {
        size_t wanted = c->capacity ? c->capacity * 2 : 64;
        hst_string *texts = realloc(c->texts, wanted * sizeof *texts);
        if (texts) c->texts = texts;
        hst_string *pairs = realloc(c->pairs, wanted * sizeof *pairs);
        if (pairs) c->pairs = pairs;
        if (!texts || !pairs) {
            free(text);
            free(pair);
            return no_memory(err);
        }
        c->capacity = wanted;
    }
    c->texts[c->n] = (hst_string){text, size};
    c->pairs[c->n++] = (hst_string){pair, pair_size};
    c->any_pair |= pair != NULL;
    return HST_STATUS_OK;
}

/* ---- JSON Lines ---- */

static const json_t *member(const json_t *object, const char *const *keys) {
    for (; *keys; keys++) {
        const json_t *v = json_object_get(object, *keys);
        if (v) return v;
    }
    return NULL;
}

static hst_status read_json(texts_reader *r, const char *line, size_t size, texts_chunk *c, hst_error *err) {
    const char *const text_keys[] = {r->column ? r->column : "text", r->column ? NULL : "sentence", NULL};
    static const char *const pair_keys[] = {"text_pair", "pair", NULL};
    json_error_t where;
    json_t *v = json_loadb(line, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
    if (!v)
        return error_set(err, HST_STATUS_BAD_FORMAT, r->name, "line %zu, column %d is not JSON: %s", r->line_number,
                         where.column, where.text);
    const json_t *text = json_is_string(v) ? v : member(v, text_keys), *pair = member(v, pair_keys);
    hst_status status;
    if (!json_is_string(text) || (pair && !json_is_string(pair))) {
        status =
            error_set(err, HST_STATUS_BAD_FORMAT, r->name,
                      "line %zu has no string \"%s\"; name another key with --column", r->line_number, text_keys[0]);
    } else {
        char *a = copy(json_string_value(text), json_string_length(text));
        char *b = pair ? copy(json_string_value(pair), json_string_length(pair)) : NULL;
        if (!a || (pair && !b)) {
            free(a);
            free(b);
            status = no_memory(err);
        } else
            status = add(c, a, json_string_length(text), b, pair ? json_string_length(pair) : 0, err);
    }
    json_decref(v);
    return status;
}

/* ---- CSV (RFC 4180: quotes, doubled quotes, line breaks inside quotes) ---- */

/* Reads one field at *at; writes its unquoted bytes over the line itself. Returns false at the end of the record. */
static bool csv_field(char *line, size_t size, size_t *at, hst_string *out) {
    if (*at > size) return false;
    size_t i = *at, to = i, begin = i;
    bool quoted = i < size && line[i] == '"';
    if (quoted) i++;
    for (; i < size; i++) {
        if (quoted && line[i] == '"') {
            if (i + 1 < size && line[i + 1] == '"')
                line[to++] = line[i++];
            else
                quoted = false;
            continue;
        }
        if (!quoted && line[i] == ',') break;
        line[to++] = line[i];
    }
    *out = (hst_string){line + begin, to - begin};
    *at = i + 1;
    return true;
}

/* Where in a record: at a field's begin, inside quotes. What csv_field reads, without writing. */
typedef struct csv_place {
    bool inside, quoted; /* inside: not at the begin */
} csv_place;

static void csv_pass(csv_place *p, const char *line, size_t size) {
    for (size_t i = 0; i < size; i++) {
        const bool quote = line[i] == '"';
        if (p->quoted && quote && i + 1 < size && line[i + 1] == '"')
            i++;
        else if (p->quoted)
            p->quoted = !quote;
        else
            p->quoted = quote && !p->inside;
        p->inside = p->quoted || line[i] != ',';
    }
}

static bool named(hst_string s, const char *name) {
    return s.size == strlen(name) && strncasecmp(s.data, name, s.size) == 0;
}

/* Finds the columns in the header. False where the wanted one is missing. */
static bool read_header(texts_reader *r, char *line, size_t size) {
    size_t at = 0;
    hst_string field;
    r->text_column = r->column ? -1 : 0;
    r->pair_column = -1;
    bool found = false;
    for (int k = 0; csv_field(line, size, &at, &field); k++) {
        bool is_text = r->column ? named(field, r->column) : named(field, "text") || named(field, "sentence");
        if (is_text && !found) {
            r->text_column = k;
            found = true;
        }
        if (named(field, "text_pair") || named(field, "pair")) r->pair_column = k;
    }
    return found || !r->column;
}

static hst_status read_csv(texts_reader *r, char *line, size_t size, texts_chunk *c, hst_error *err) {
    size_t at = 0;
    hst_string field, text = {NULL, 0}, pair = {NULL, 0};
    for (int k = 0; csv_field(line, size, &at, &field); k++) {
        if (k == r->text_column) text = field;
        if (k == r->pair_column) pair = field;
    }
    if (!text.data)
        return error_set(err, HST_STATUS_BAD_FORMAT, r->name, "line %zu has no column %d", r->line_number,
                         r->text_column + 1);
    char *a = copy(text.data, text.size), *b = pair.data ? copy(pair.data, pair.size) : NULL;
    if (!a || (pair.data && !b)) {
        free(a);
        free(b);
        return no_memory(err);
    }
    return add(c, a, text.size, b, pair.size, err);
}

/* ---- lines ---- */

/* The next line without its end; *size -1: the end of the stream. */
static hst_status next_line(texts_reader *r, ssize_t *size, hst_error *err) {
    errno = 0;
    ssize_t n = getline(&r->line, &r->line_capacity, r->from);
    *size = n;
    if (n < 0 && feof(r->from)) return HST_STATUS_OK;
    if (n < 0 && errno == ENOMEM) return no_memory(err);
    if (n < 0)
        return error_set(err, HST_STATUS_IO, r->name, "line %zu: reading failed: %s", r->line_number + 1,
                         strerror(errno));
    r->line_number++;
    r->bytes += (uint64_t)n;
    if (n && r->line[n - 1] == '\n') n--;
    if (n && r->line[n - 1] == '\r') n--;
    *size = n;
    return HST_STATUS_OK;
}

static bool grow(char **text, size_t *capacity, size_t size) {
    if (size <= *capacity) return true;
    size_t wanted = *capacity * 2 > size ? *capacity * 2 : size;
    char *more = realloc(*text, wanted);
    if (!more) return false;
    *text = more;
    *capacity = wanted;
    return true;
}

/* The rest of a CSV record whose quotes are open at the end of r->line, of n bytes; it becomes r->line. */
static hst_status add_lines(texts_reader *r, csv_place place, ssize_t *n, hst_error *err) {
    const size_t first = r->line_number;
    size_t size = (size_t)*n, capacity = size + 1;
    char *all = copy(r->line, size);
    hst_status status = all ? HST_STATUS_OK : no_memory(err);
    while (status == HST_STATUS_OK && place.quoted) {
        if ((status = next_line(r, n, err)) != HST_STATUS_OK) break;
        if (*n < 0) {
            status =
                error_set(err, HST_STATUS_BAD_FORMAT, r->name, "line %zu: a quote is opened and never closed", first);
            break;
        }
        if (!grow(&all, &capacity, size + (size_t)*n + 2)) {
            status = no_memory(err);
            break;
        }
        all[size++] = '\n';
        memcpy(all + size, r->line, (size_t)*n);
        csv_pass(&place, r->line, (size_t)*n);
        size += (size_t)*n;
        all[size] = '\0';
    }
    if (status != HST_STATUS_OK) {
        free(all);
        return status;
    }
    free(r->line);
    r->line = all;
    r->line_capacity = capacity;
    *n = (ssize_t)size;
    return HST_STATUS_OK;
}

/* A CSV record may go on over several lines: as long as a quote is open. */
static hst_status next_record(texts_reader *r, ssize_t *n, hst_error *err) {
    csv_place place = {0};
    HST_TRY(next_line(r, n, err));
    if (*n < 0 || r->format != TEXTS_CSV) return HST_STATUS_OK;
    csv_pass(&place, r->line, (size_t)*n);
    return place.quoted ? add_lines(r, place, n, err) : HST_STATUS_OK;
}

/* What the first line looks like. */
static hst_status guess(const char *line, size_t size, const char *column, texts_format *out, hst_error *err) {
    if (size && line[0] == '{') {
        json_t *v = json_loadb(line, size, JSON_ALLOW_NUL, NULL);
        bool object = json_is_object(v);
        json_decref(v);
        *out = TEXTS_JSONL;
        if (object) return HST_STATUS_OK;
    }
    const bool commas = memchr(line, ',', size) != NULL;
    char *header = commas ? copy(line, size) : NULL;
    if (commas && !header) return no_memory(err);
    size_t at = 0;
    hst_string field;
    bool csv = false;
    while (header && csv_field(header, size, &at, &field))
        csv |= named(field, "text") || named(field, "sentence") || (column && named(field, column));
    free(header);
    *out = csv ? TEXTS_CSV : TEXTS_LINES;
    return HST_STATUS_OK;
}

static hst_status read_one(texts_reader *r, texts_chunk *c, size_t n, hst_error *err) {
    if (r->format == TEXTS_JSONL) {
        size_t blank = strspn(r->line, " \t");
        return blank >= n ? HST_STATUS_OK : read_json(r, r->line, n, c, err);
    }
    if (r->format == TEXTS_CSV) return read_csv(r, r->line, n, c, err);
    char *text = copy(r->line, n);
    return text ? add(c, text, n, NULL, 0, err) : no_memory(err);
}

hst_status texts_read(texts_reader *r, texts_chunk *c, size_t most, hst_error *err) {
    clear(c);
    while (c->n < most) {
        bool first = r->line_number == 0;
        ssize_t n;
        HST_TRY(next_record(r, &n, err));
        if (n < 0) break;
        if (first && r->format == TEXTS_AUTO) HST_TRY(guess(r->line, (size_t)n, r->column, &r->format, err));
        if (first && r->format == TEXTS_LINES && r->column)
            return error_set(err, HST_STATUS_BAD_FORMAT, r->name,
                             "line 1 looks like neither JSON nor a CSV header with a column '%s': name the format with "
                             "--input",
                             r->column);
        if (first && r->format == TEXTS_CSV) {
            if (!read_header(r, r->line, (size_t)n))
                return error_set(err, HST_STATUS_BAD_FORMAT, r->name, "the CSV header has no column '%s'", r->column);
            continue;
        }
        HST_TRY(read_one(r, c, (size_t)n, err));
    }
    return HST_STATUS_OK;
}

void texts_reader_free(texts_reader *r) {
    free(r->line);
}

void texts_chunk_free(texts_chunk *c) {
    clear(c);
    free(c->texts);
    free(c->pairs);
}
