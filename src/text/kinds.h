/* Every kind of part that there is, by name; kinds.c lists them. */
#ifndef TEXT_KINDS_H
#define TEXT_KINDS_H

#include "text/pipeline.h"

extern const component_kind normalizer_sequence, normalizer_lowercase, normalizer_nfc, normalizer_nfd, normalizer_nfkc,
    normalizer_nfkd, normalizer_strip_accents, normalizer_strip, normalizer_replace, normalizer_prepend;
extern const component_kind pre_tokenizer_sequence, pre_tokenizer_whitespace, pre_tokenizer_whitespace_split,
    pre_tokenizer_punctuation, pre_tokenizer_digits, pre_tokenizer_char_delimiter;

#endif
