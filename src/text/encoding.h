/* The inside of an encoding: the memory that encoding works in, and the untruncated tokens that windows are made from.
 */
#ifndef TEXT_ENCODING_H
#define TEXT_ENCODING_H

#include "text/pipeline.h"

typedef struct encoded_text {
    token_list tokens; /* before truncation */
    uint32_t *byte_at; /* [characters + 1]: where each code point begins in the bytes as passed */
    size_t byte_at_capacity;
    span_list windows; /* of `tokens` */
} encoded_text;

struct encoding_work {
    text_work text;
    text_line normalized; /* a piece after normalisation, while its parts go through `text.line` */
    encoded_text texts[2];
    bool pair, specials;
    padding padding;
    size_t capacity; /* of the result's arrays */
    void *block;
    size_t block_size;
};

/* Fills texts[which].tokens. */
hst_status encode_text(const tokenizer *t, hst_string text, struct encoding_work *k, int which, hst_error *err);
/* Cuts the tokens of the text, or of both, into windows. */
hst_status truncate_texts(const truncation *c, size_t added, struct encoding_work *k, hst_error *err);
/* Writes a window through the template into `out`. */
hst_status encoding_assemble(const tokenizer *t, const struct encoding_work *from, size_t window, encoding *out,
                             hst_error *err);
/* Grows `e` to `length` tokens with padding; does nothing where it has as many. */
hst_status encoding_pad(encoding *e, size_t length, const padding *p, hst_error *err);
hst_status padding_length(const padding *p, size_t longest, size_t *out, hst_error *err);

#endif
