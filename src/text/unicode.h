/* What the tokenizers need to know of a code point. The classes come from generated tables (unicode_tables.c) and do
 * not depend on the version of a library; decomposition and composition are utf8proc's, cut to the characters that the
 * reference's normaliser knows (class NORM): Unicode promises that those never change. */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

enum unicode_class_bit {
    UNICODE_SPACE = 1,    /* White_Space, also \s of regular expressions */
    UNICODE_WORD = 2,     /* \w of regular expressions */
    UNICODE_CONTROL = 4,  /* what BERT's clean-up removes: control, format, private use, U+FFFD */
    UNICODE_PUNCT = 8,    /* what BERT splits at */
    UNICODE_MN = 16,      /* nonspacing marks */
    UNICODE_MARK = 32,    /* combining marks */
    UNICODE_NUMERIC = 64, /* digits and other numbers */
    UNICODE_CASED = 128,  /* lower case differs */
    UNICODE_NORM = 256    /* decomposes, or has a combining class */
};

extern const uint16_t unicode_class_kinds[];
extern const uint8_t unicode_class_index[], unicode_class_blocks[][128];
extern const uint32_t unicode_lower_pairs[][2];
extern const int unicode_lower_count;

static inline unsigned unicode_class(uint32_t cp) {
    return cp < 0x110000 ? unicode_class_kinds[unicode_class_blocks[unicode_class_index[cp >> 7]][cp & 127]] : 0;
}

/* Ideographs that BERT sets apart. */
static inline bool unicode_is_chinese(uint32_t c) {
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x2f800 && c <= 0x2fa1f);
}

/* Lower case: 1 or 2 code points. */
int unicode_lower(uint32_t cp, uint32_t out[2]);

#define UNICODE_DECOMPOSE_MAX 18

/* The full decomposition, canonical or compatible, in no particular order of marks: 1 … UNICODE_DECOMPOSE_MAX. */
int unicode_decompose(uint32_t cp, bool compatible, uint32_t out[UNICODE_DECOMPOSE_MAX]);
int unicode_combining_class(uint32_t cp);
/* The primary composite of a starter and what follows it; 0: there is none. */
uint32_t unicode_compose(uint32_t first, uint32_t second);

#endif
