/* A growing byte buffer. */
#include "base/text_buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

static bool reserve(text_buffer *b, size_t more) {
    size_t need;
    if (b->failed || !size_add(b->size, more, &need) || !size_add(need, 1, &need)) {
        b->failed = true;
        return false;
    }
    if (need <= b->capacity) return true;
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity < need) {
        if (!size_mul(capacity, 2, &capacity)) capacity = need;
    }
    char *bigger = realloc(b->data, capacity);
    if (!bigger) {
        b->failed = true;
        return false;
    }
    b->data = bigger;
    b->capacity = capacity;
    return true;
}

void text_buffer_add(text_buffer *b, const char *data, size_t size) {
    if (!reserve(b, size)) return;
    if (size) memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
}

void text_buffer_add_string(text_buffer *b, const char *text) { text_buffer_add(b, text, strlen(text)); }

void text_buffer_format(text_buffer *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !reserve(b, (size_t)n)) {
        b->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(b->data + b->size, (size_t)n + 1, format, args);
    va_end(args);
    b->size += (size_t)n;
}

void text_buffer_free(text_buffer *b) {
    free(b->data);
    *b = (text_buffer){0};
}

char *text_buffer_take(text_buffer *b) {
    char *data = b->failed ? NULL : b->data;
    if (!data) free(b->data);
    *b = (text_buffer){0};
    return data;
}
