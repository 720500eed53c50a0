/* The list of kinds: a new one is added here. */
#include "text/kinds.h"

const component_kind *const normalizer_kinds[] = {&normalizer_bert,    &normalizer_sequence,      &normalizer_lowercase,
                                                  &normalizer_nfc,     &normalizer_nfd,           &normalizer_nfkc,
                                                  &normalizer_nfkd,    &normalizer_strip_accents, &normalizer_strip,
                                                  &normalizer_replace, &normalizer_prepend,       NULL};

const component_kind *const pre_tokenizer_kinds[] = {
    &pre_tokenizer_bert,        &pre_tokenizer_sequence, &pre_tokenizer_whitespace,     &pre_tokenizer_whitespace_split,
    &pre_tokenizer_punctuation, &pre_tokenizer_digits,   &pre_tokenizer_char_delimiter, NULL};

const model_kind *const model_kinds[] = {&model_wordpiece, NULL};

const decoder_kind *const decoder_kinds[] = {&decoder_wordpiece, NULL};
