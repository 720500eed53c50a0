/* The text on its way through a tokenizer, and the memory that it uses there.
 *
 * A text is an array of code points, each with the place it came from: [begin, end) in code points of the original. A
 * normaliser rewrites the array, a pre-tokenizer refines the list of splits over it, a model turns each split into
 * tokens. All memory grows on demand and stays for the next text. */
#ifndef TEXT_WORK_H
#define TEXT_WORK_H

#include "base/error.h"

typedef struct text_char {
    uint32_t cp, begin, end;
} text_char;

typedef struct text_line {
    text_char *chars;
    size_t count, capacity;
} text_line;

/* [begin, end) in characters of a line. */
typedef struct text_span {
    uint32_t begin, end;
} text_span;

typedef struct span_list {
    text_span *data;
    size_t count, capacity;
} span_list;

/* A character of a transformation: change 0 replaces the next character of the old text, -n replaces it and removes n
 * after it, 1 is new and shares the place of the one before it. */
typedef struct text_form {
    uint32_t cp;
    int32_t change, combining;
} text_form;

typedef struct form_list {
    text_form *data;
    size_t count, capacity;
} form_list;

typedef struct text_token {
    int32_t id, word;
    uint32_t begin, end; /* code points of the original */
} text_token;

typedef struct token_list {
    text_token *data;
    size_t count, capacity;
} token_list;

/* What marks a span found by splitting: a text between matches, or a match. */
typedef struct text_work {
    hst_allocator allocator;
    text_line original, line, spare; /* spare: a normaliser writes here and swaps */
    span_list splits, spare_splits;
    uint32_t base;           /* where, in the original, the piece in `line` begins */
    form_list forms, sorted; /* of canonical decomposition */
    uint64_t *hashes;        /* [word length + 1] */
    size_t hashes_capacity;
    unsigned char *bytes; /* a word as UTF-8 */
    size_t bytes_capacity;
    uint32_t *positions; /* [word length + 1]: byte of `bytes` where a character begins */
    size_t positions_capacity;
} text_work;

/* Makes room for `count` elements of `size` bytes at *data, keeping what is there. */
hst_status work_grow(const hst_allocator *a, void *data, size_t *capacity, size_t count, size_t size, hst_error *err);
void work_free(text_work *w);

#define WORK_RESERVE(w, list, n, err)                                                                                  \
    work_grow(&(w)->allocator, (void *)&(list)->data, &(list)->capacity, (n), sizeof *(list)->data, (err))

hst_status line_reserve(text_work *w, text_line *line, size_t count, hst_error *err);
/* line and spare change places; the new line has `count` characters. */
void work_swap(text_work *w, size_t count);
hst_status split_push(text_work *w, span_list *list, uint32_t begin, uint32_t end, hst_error *err);

/* The offset type is 32 bits: longer texts are refused, and normalisation may not grow one beyond this. */
#define TEXT_MOST ((size_t)1 << 30)

#endif
