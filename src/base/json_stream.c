/* The strict JSON pull reader. */
#include "base/json_stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/c_locale.h"
#include "base/checked.h"
#include "base/memory.h"
#include "base/utf8.h"

void json_stream_init(json_stream *s, const void *data, size_t size, const char *name, const hst_allocator *a,
                      hst_error *err) {
    memset(s, 0, sizeof *s);
    s->data = data;
    s->size = size;
    s->name = name;
    s->allocator = a;
    s->err = err;
}

void json_stream_free(json_stream *s) {
    memory_free(s->allocator, s->scratch, s->scratch_size);
    s->scratch = NULL;
    s->scratch_size = 0;
}

static hst_status fail_at(json_stream *s, size_t at, const char *message) {
    size_t line = 1, column = 1;
    if (!s->err) return HST_STATUS_BAD_FORMAT;
    if (at > s->size) at = s->size;
    for (size_t i = 0; i < at; i++) {
        if (s->data[i] == '\n') {
            line++;
            column = 1;
        } else if ((s->data[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    return error_set(s->err, HST_STATUS_BAD_FORMAT, s->name, "JSON line %zu column %zu: %s", line, column, message);
}

hst_status json_fail(json_stream *s, const char *format, ...) {
    char message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return fail_at(s, s->at, message);
}

json_mark json_here(const json_stream *s) {
    json_mark m = {.at = s->at, .depth = s->depth, .first = s->first};
    memcpy(m.is_object, s->is_object, sizeof m.is_object);
    return m;
}

void json_go_to(json_stream *s, const json_mark *m) {
    s->at = m->at;
    s->depth = m->depth;
    s->first = m->first;
    memcpy(s->is_object, m->is_object, sizeof m->is_object);
}

bool json_string_is(const json_string *s, const char *text) {
    size_t n = strlen(text);
    return s->size == n && memcmp(s->data, text, n) == 0;
}

/* The next byte that is not white space, or -1 at the end. */
static int next_byte(json_stream *s) {
    while (s->at < s->size) {
        unsigned char c = s->data[s->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return c;
        s->at++;
    }
    return -1;
}

json_kind json_peek(json_stream *s) {
    int c = next_byte(s);
    switch (c) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    case -1:
        return JSON_END;
    default:
        return c == '-' || (c >= '0' && c <= '9') ? JSON_NUMBER : JSON_INVALID;
    }
}

static hst_status expected(json_stream *s, const char *what) {
    static const char *const names[] = {"an object", "an array", "a string",      "a number",
                                        "a boolean", "null",     "the text ends", "no JSON value begins"};
    return json_fail(s, "expected %s, but %s%s", what, names[json_peek(s)],
                     json_peek(s) >= JSON_END ? " here" : " stands here");
}

static bool innermost_is_object(const json_stream *s) {
    int d = s->depth - 1;
    return s->depth > 0 && (s->is_object[d / 64] >> (d % 64) & 1);
}

static hst_status enter(json_stream *s, char open, const char *what) {
    if (next_byte(s) != open) return expected(s, what);
    if (s->depth >= JSON_DEPTH_MAX) return json_fail(s, "nested deeper than %d", JSON_DEPTH_MAX);
    uint64_t bit = (uint64_t)1 << (s->depth % 64), *word = &s->is_object[s->depth / 64];
    *word = open == '{' ? *word | bit : *word & ~bit;
    s->depth++;
    s->at++;
    s->first = true;
    return HST_STATUS_OK;
}

hst_status json_enter_object(json_stream *s) {
    return enter(s, '{', "an object");
}
hst_status json_enter_array(json_stream *s) {
    return enter(s, '[', "an array");
}

/* Stands before the next member (comma consumed), or has left the container. */
static hst_status next_member(json_stream *s, char close, bool *more) {
    int c = next_byte(s);
    *more = false;
    if (c == close) {
        s->at++;
        s->depth--;
        s->first = false;
        return HST_STATUS_OK;
    }
    if (!s->first) {
        if (c != ',') return json_fail(s, c < 0 ? "the text ends inside a container" : "expected ',' or '%c'", close);
        s->at++;
        if (next_byte(s) == close) return json_fail(s, "a comma before '%c'", close);
    }
    s->first = false;
    *more = true;
    return HST_STATUS_OK;
}

hst_status json_next_element(json_stream *s, bool *more) {
    return next_member(s, ']', more);
}

hst_status json_next_key(json_stream *s, json_string *key, bool *more) {
    HST_TRY(next_member(s, '}', more));
    if (!*more) return HST_STATUS_OK;
    if (next_byte(s) != '"') return expected(s, "a key");
    HST_TRY(json_read_string(s, key));
    if (next_byte(s) != ':') return json_fail(s, "expected ':' after a key");
    s->at++;
    return HST_STATUS_OK;
}

static int hex4(const unsigned char *p) {
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int c = p[i], d = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (d < 0) return -1;
        v = v << 4 | d;
    }
    return v;
}

/* Finds the closing quote of the string whose first byte is at `begin`, checking what lies between. */
static hst_status scan_string(json_stream *s, size_t begin, size_t *end, bool *escaped) {
    size_t i = begin;
    *escaped = false;
    while (i < s->size) {
        unsigned char c = s->data[i];
        if (c == '"') {
            *end = i;
            return HST_STATUS_OK;
        }
        if (c < 0x20) return fail_at(s, i, "a control character inside a string");
        if (c < 0x80) {
            if (c == '\\') {
                *escaped = true;
                i++;
                if (i >= s->size) break;
            }
            i++;
            continue;
        }
        uint32_t cp;
        bool valid;
        i += utf8_decode(s->data + i, s->size - i, &cp, &valid);
        if (!valid) return fail_at(s, i - 1, "invalid UTF-8 inside a string");
    }
    return fail_at(s, begin - 1, "a string that does not end");
}

static hst_status reserve_scratch(json_stream *s, size_t size) {
    if (size <= s->scratch_size) return HST_STATUS_OK;
    size_t grown = size < 256 ? 256 : size + size / 2;
    char *memory = memory_alloc(s->allocator, grown, 16);
    if (!memory) return error_no_memory(s->err, grown, "a JSON string");
    memory_free(s->allocator, s->scratch, s->scratch_size);
    s->scratch = memory;
    s->scratch_size = grown;
    return HST_STATUS_OK;
}

/* The code point of the \u escape whose 'u' is at *i; *i moves to the last digit of it (or of its second half). */
static hst_status unicode_escape(json_stream *s, size_t *i, size_t end, uint32_t *cp) {
    size_t at = *i;
    int v = end - at >= 5 ? hex4(s->data + at + 1) : -1;
    if (v < 0) return fail_at(s, at, "\\u wants four hexadecimal digits");
    *i = at + 4;
    *cp = (uint32_t)v;
    if (v < 0xd800 || v > 0xdfff) return HST_STATUS_OK;
    int low =
        v < 0xdc00 && end - at >= 11 && s->data[at + 5] == '\\' && s->data[at + 6] == 'u' ? hex4(s->data + at + 7) : -1;
    if (low < 0xdc00 || low > 0xdfff) return fail_at(s, at, "half of a surrogate pair");
    *cp = 0x10000u + (((uint32_t)v - 0xd800u) << 10) + ((uint32_t)low - 0xdc00u);
    *i = at + 10;
    return HST_STATUS_OK;
}

static hst_status decode_escapes(json_stream *s, size_t begin, size_t end, json_string *out) {
    HST_TRY(reserve_scratch(s, end - begin));
    unsigned char *to = (unsigned char *)s->scratch; /* no escape grows */
    size_t n = 0;
    for (size_t i = begin; i < end; i++) {
        unsigned char c = s->data[i];
        if (c != '\\') {
            to[n++] = c;
            continue;
        }
        static const char from[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
        c = s->data[++i];
        const char *found = c ? strchr(from, c) : NULL;
        if (found) {
            to[n++] = (unsigned char)plain[found - from];
        } else if (c == 'u') {
            uint32_t cp = 0;
            HST_TRY(unicode_escape(s, &i, end, &cp));
            n += utf8_encode(cp, to + n);
        } else {
            return fail_at(s, i, "an escape that JSON does not know");
        }
    }
    *out = (json_string){s->scratch, n};
    return HST_STATUS_OK;
}

hst_status json_read_string(json_stream *s, json_string *out) {
    if (next_byte(s) != '"') return expected(s, "a string");
    size_t begin = s->at + 1, end = 0;
    bool escaped;
    HST_TRY(scan_string(s, begin, &end, &escaped));
    if (escaped) {
        HST_TRY(decode_escapes(s, begin, end, out));
    } else {
        *out = (json_string){(const char *)s->data + begin, end - begin};
    }
    s->at = end + 1;
    return HST_STATUS_OK;
}

static bool read_word(json_stream *s, const char *word) {
    size_t n = strlen(word);
    if (s->size - s->at < n || memcmp(s->data + s->at, word, n) != 0) return false;
    s->at += n;
    return true;
}

hst_status json_read_bool(json_stream *s, bool *out) {
    if (json_peek(s) != JSON_BOOL) return expected(s, "a boolean");
    *out = s->data[s->at] == 't';
    return read_word(s, *out ? "true" : "false") ? HST_STATUS_OK : json_fail(s, "a word that JSON does not know");
}

hst_status json_read_null(json_stream *s, bool *was_null) {
    *was_null = json_peek(s) == JSON_NULL;
    if (!*was_null) return HST_STATUS_OK;
    return read_word(s, "null") ? HST_STATUS_OK : json_fail(s, "a word that JSON does not know");
}

static size_t digits(const json_stream *s, size_t i) {
    while (i < s->size && s->data[i] >= '0' && s->data[i] <= '9') i++;
    return i;
}

/* Finds the end of the number that begins here, by JSON's grammar. */
static hst_status scan_number(json_stream *s, size_t *end, bool *integer) {
    if (json_peek(s) != JSON_NUMBER) return expected(s, "a number");
    size_t i = s->at, from;
    if (s->data[i] == '-') i++;
    from = i;
    i = digits(s, i);
    if (i == from) return fail_at(s, i, "a number without digits");
    if (i > from + 1 && s->data[from] == '0') return fail_at(s, from, "a number with a leading zero");
    *integer = true;
    if (i < s->size && s->data[i] == '.') {
        *integer = false;
        from = ++i;
        i = digits(s, i);
        if (i == from) return fail_at(s, i, "a fraction without digits");
    }
    if (i < s->size && (s->data[i] == 'e' || s->data[i] == 'E')) {
        *integer = false;
        i++;
        if (i < s->size && (s->data[i] == '+' || s->data[i] == '-')) i++;
        from = i;
        i = digits(s, i);
        if (i == from) return fail_at(s, i, "an exponent without digits");
    }
    *end = i;
    return HST_STATUS_OK;
}

hst_status json_read_s64(json_stream *s, int64_t *out) {
    size_t end = 0;
    bool integer;
    HST_TRY(scan_number(s, &end, &integer));
    if (!integer) return json_fail(s, "expected a whole number");
    size_t i = s->at;
    bool negative = s->data[i] == '-';
    int64_t v = 0;
    for (i += negative; i < end; i++) {
        int64_t d = s->data[i] - '0';
        if (!s64_mul(v, 10, &v) || !s64_add(v, negative ? -d : d, &v)) return json_fail(s, "a number beyond 64 bits");
    }
    s->at = end;
    *out = v;
    return HST_STATUS_OK;
}

/* Long enough for any double written in full. */
#define NUMBER_MOST 1100

hst_status json_read_f64(json_stream *s, double *out) {
    size_t end = 0;
    bool integer;
    HST_TRY(scan_number(s, &end, &integer));
    char text[NUMBER_MOST + 1];
    size_t n = end - s->at;
    if (n > NUMBER_MOST) return json_fail(s, "a number of %zu characters", n);
    memcpy(text, s->data + s->at, n);
    text[n] = '\0';
    *out = c_locale_strtod(text, NULL);
    s->at = end;
    return HST_STATUS_OK;
}

static hst_status skip_scalar(json_stream *s) {
    json_string text;
    bool flag;
    size_t end = 0;
    switch (json_peek(s)) {
    case JSON_STRING:
        return json_read_string(s, &text);
    case JSON_BOOL:
        return json_read_bool(s, &flag);
    case JSON_NULL:
        return json_read_null(s, &flag);
    case JSON_NUMBER:
        HST_TRY(scan_number(s, &end, &flag));
        s->at = end;
        return HST_STATUS_OK;
    default:
        return expected(s, "a value");
    }
}

hst_status json_skip(json_stream *s) {
    int floor = s->depth;
    for (;;) {
        json_kind kind = json_peek(s);
        if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
            HST_TRY(kind == JSON_OBJECT ? json_enter_object(s) : json_enter_array(s));
        } else {
            HST_TRY(skip_scalar(s));
        }
        for (bool more = false; !more;) {
            json_string key;
            if (s->depth == floor) return HST_STATUS_OK;
            HST_TRY(innermost_is_object(s) ? json_next_key(s, &key, &more) : json_next_element(s, &more));
        }
    }
}

hst_status json_finish(json_stream *s) {
    return next_byte(s) < 0 ? HST_STATUS_OK : json_fail(s, "more text after the value");
}
