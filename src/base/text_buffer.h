/* A growing byte buffer for building text and messages. Out of memory is remembered: check `failed` once at the end. */
#ifndef BASE_TEXT_BUFFER_H
#define BASE_TEXT_BUFFER_H

#include <string.h>

#include "base/error.h"

typedef struct text_buffer {
    char *data; /* NUL-terminated once something was added; NULL before */
    size_t size, capacity;
    bool failed;
} text_buffer;

void text_buffer_add(text_buffer *b, const char *data, size_t size);
void text_buffer_add_string(text_buffer *b, const char *text);
void text_buffer_format(text_buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_buffer_free(text_buffer *b);
/* Gives the memory to the caller (free() it); NULL where `failed` or nothing was added. */
char *text_buffer_take(text_buffer *b);

static inline bool text_ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), k = strlen(end);
    return n >= k && memcmp(text + n - k, end, k) == 0;
}

#endif
