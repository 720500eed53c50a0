/* A pull reader of strict JSON (RFC 8259) over bytes that stay where they are: no tree, no recursion, a depth limit.
 *
 * The caller says what it expects next; the reader moves on or fails with BAD_FORMAT and the line and column. A value
 * that is of no interest is skipped (and checked) by json_skip. Invalid UTF-8, lone surrogates, control characters
 * inside strings, a byte-order mark, comments and trailing commas are errors. Repeated keys are the caller's business.
 *
 *     HST_TRY(json_enter_object(s));
 *     for (;;) {
 *         HST_TRY(json_next_key(s, &key, &more));
 *         if (!more) break;
 *         if (json_string_is(&key, "size")) HST_TRY(json_read_s64(s, &size)); else HST_TRY(json_skip(s));
 *     }
 */
#ifndef BASE_JSON_STREAM_H
#define BASE_JSON_STREAM_H

#include "base/error.h"

#define JSON_DEPTH_MAX 128

typedef enum json_kind {
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_BOOL,
    JSON_NULL,
    JSON_END,
    JSON_INVALID
} json_kind;

/* Not NUL-terminated and may hold NUL bytes; lives until the next call that reads a string or key. */
typedef struct json_string {
    const char *data;
    size_t size;
} json_string;

typedef struct json_stream {
    const unsigned char *data;
    size_t size, at;
    const char *name; /* of the file, for messages */
    hst_error *err;
    int depth;
    uint64_t is_object[JSON_DEPTH_MAX / 64];
    bool first; /* nothing was read yet in the innermost container */
    const hst_allocator *allocator;
    char *scratch; /* strings with escapes are decoded here */
    size_t scratch_size;
} json_stream;

/* A place to come back to: taken where a value may begin. */
typedef struct json_mark {
    size_t at;
    int depth;
    uint64_t is_object[JSON_DEPTH_MAX / 64];
    bool first;
} json_mark;

/* Borrows `data`, `name`, `err` (may be NULL) and the allocator (NULL: libc). Allocates nothing until a string with
 * escapes comes; json_stream_free gives that back. */
void json_stream_init(json_stream *s, const void *data, size_t size, const char *name, const hst_allocator *a,
                      hst_error *err);
void json_stream_free(json_stream *s);

/* What the next value is, told from its first byte; JSON_END at the end of the text. */
json_kind json_peek(json_stream *s);

hst_status json_enter_object(json_stream *s);
hst_status json_enter_array(json_stream *s);
/* The next key of the innermost object, or *more = false: then the object has been left. */
hst_status json_next_key(json_stream *s, json_string *key, bool *more);
/* Whether the innermost array has another element, standing before it; if not the array has been left. */
hst_status json_next_element(json_stream *s, bool *more);

hst_status json_read_string(json_stream *s, json_string *out);
hst_status json_read_bool(json_stream *s, bool *out);
hst_status json_read_s64(json_stream *s, int64_t *out); /* BAD_FORMAT for a fraction, exponent or overflow */
hst_status json_read_f64(json_stream *s, double *out);
/* Consumes a null, if one stands here. */
hst_status json_read_null(json_stream *s, bool *was_null);
hst_status json_skip(json_stream *s); /* any value, checked */
/* Nothing but white space may follow. */
hst_status json_finish(json_stream *s);

json_mark json_here(const json_stream *s);
void json_go_to(json_stream *s, const json_mark *mark);

bool json_string_is(const json_string *s, const char *text);

/* BAD_FORMAT at the present position: "<name> line L column C: <message>". For callers whose values make no sense. */
hst_status json_fail(json_stream *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
