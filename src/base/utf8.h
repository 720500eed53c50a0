/* UTF-8: one code point at a time. Invalid input decodes to U+FFFD, one a maximal subpart (as Unicode recommends, and
 * as Python's and Rust's lossy decoders do); surrogates, overlong forms and values above U+10FFFF are invalid. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT 0xfffdu

/* Decodes the code point at `p` (`size` ≥ 1 bytes remain) into *out and returns how many bytes it took, 1 … 4. *valid
 * tells a damaged sequence from a U+FFFD that stands in the text. */
static inline size_t utf8_decode(const unsigned char *p, size_t size, uint32_t *out, bool *valid) {
    unsigned c = p[0], low = 0x80, high = 0xbf;
    size_t more;
    uint32_t cp;
    *valid = true;
    if (c < 0x80) return *out = c, 1;
    if (c >= 0xc2 && c <= 0xdf) {
        more = 1, cp = c & 0x1f;
    } else if (c >= 0xe0 && c <= 0xef) {
        more = 2, cp = c & 0x0f;
        if (c == 0xe0) low = 0xa0;
        if (c == 0xed) high = 0x9f;
    } else if (c >= 0xf0 && c <= 0xf4) {
        more = 3, cp = c & 0x07;
        if (c == 0xf0) low = 0x90;
        if (c == 0xf4) high = 0x8f;
    } else {
        return *out = UTF8_REPLACEMENT, *valid = false, 1;
    }
    for (size_t i = 1; i <= more; i++) {
        if (i >= size || p[i] < low || p[i] > high) return *out = UTF8_REPLACEMENT, *valid = false, i;
        cp = cp << 6 | (p[i] & 0x3fu);
        low = 0x80, high = 0xbf;
    }
    return *out = cp, more + 1;
}

/* Writes the code point's 1 … 4 bytes. */
static inline size_t utf8_encode(uint32_t cp, unsigned char *to) {
    if (cp < 0x80) return to[0] = (unsigned char)cp, 1;
    if (cp < 0x800) {
        to[0] = (unsigned char)(0xc0 | cp >> 6);
        return to[1] = (unsigned char)(0x80 | (cp & 0x3f)), 2;
    }
    if (cp < 0x10000) {
        to[0] = (unsigned char)(0xe0 | cp >> 12);
        to[1] = (unsigned char)(0x80 | (cp >> 6 & 0x3f));
        return to[2] = (unsigned char)(0x80 | (cp & 0x3f)), 3;
    }
    to[0] = (unsigned char)(0xf0 | cp >> 18);
    to[1] = (unsigned char)(0x80 | (cp >> 12 & 0x3f));
    to[2] = (unsigned char)(0x80 | (cp >> 6 & 0x3f));
    return to[3] = (unsigned char)(0x80 | (cp & 0x3f)), 4;
}

#endif
