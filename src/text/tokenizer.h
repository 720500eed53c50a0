/* Tokenizers: text to ids and back, with the ids, offsets and masks of the `tokenizers` package.
 *
 *   text ─ UTF-8 ─> added tokens cut out ─> normaliser ─> pre-tokenizer ─> model ─> truncation ─> template ─> padding
 *
 * A tokenizer is immutable after loading and may be used by any number of threads. What an encode writes, and the
 * memory it works in, belong to an `encoding`, one per thread of use: the second text of a size allocates nothing. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include "base/error.h"

typedef struct tokenizer tokenizer;

typedef enum truncation_strategy {
    TRUNCATION_LONGEST_FIRST = 0,
    TRUNCATION_ONLY_FIRST,
    TRUNCATION_ONLY_SECOND
} truncation_strategy;

#define TRUNCATION_NEVER SIZE_MAX

typedef struct truncation {
    size_t max_length; /* special tokens included; TRUNCATION_NEVER: none */
    size_t stride;     /* tokens that a further window repeats of the one before it */
    truncation_strategy strategy;
    bool left; /* cut at the left end */
} truncation;

typedef enum padding_strategy { PADDING_NONE = 0, PADDING_LONGEST, PADDING_FIXED } padding_strategy;

typedef struct padding {
    padding_strategy strategy;
    size_t length;   /* of PADDING_FIXED */
    size_t multiple; /* the length is rounded up to a multiple of this; 0: it is not */
    int32_t id, type_id;
    bool left; /* pads before the text */
} padding;

typedef struct encode_options {
    bool no_special_tokens;
    const truncation *truncation; /* NULL: what the tokenizer's file says */
    const padding *padding;       /* NULL: what the tokenizer's file says */
} encode_options;

typedef struct token_offset {
    uint32_t begin, end;
} token_offset;

/* The result of encoding one text or pair. Arrays of `count`; they live until the next encode into it. */
typedef struct encoding {
    size_t count;
    int32_t *ids, *type_ids;
    uint8_t *attention_mask;      /* 0 for padding */
    uint8_t *special_tokens_mask; /* 1 for tokens of the template and padding */
    token_offset *offsets;        /* code points of the text that the token comes from; 0,0 for special tokens */
    token_offset *byte_offsets;   /* the same in bytes of the text as it was passed */
    int32_t *word_ids;            /* which word (split) of its text; -1: none */
    int8_t *sequence_ids;         /* 0 first text, 1 second, -1 neither */
    struct encoding_work *work;
} encoding;

/* ---- loading ---- */

/* `path`: an engine file; a folder with tokenizer.json, or with vocab.txt (tokenizer_config.json, special_tokens_map.json and
 * added_tokens.json beside it are read); or one of these files. Errors: NOT_FOUND, IO, BAD_FORMAT, UNSUPPORTED (names
 * the component). Ownership: tokenizer_free. `a` NULL: libc. */
hst_status tokenizer_open(const char *path, const hst_allocator *a, tokenizer **out, hst_error *err);

/* The same from memory: `json` is a tokenizer.json, `config` a tokenizer_config.json (may be NULL). `name` is for
 * messages. */
hst_status tokenizer_from_memory(const void *json, size_t size, const void *config, size_t config_size,
                                 const char *name, const hst_allocator *a, tokenizer **out, hst_error *err);

/* A BERT tokenizer from a vocab.txt and what may lie beside it; each may be NULL with size 0, but not the vocabulary.
 */
typedef struct bert_files {
    const char *vocab, *config, *special_tokens_map, *added_tokens;
    size_t vocab_size, config_size, special_tokens_map_size, added_tokens_size;
} bert_files;
hst_status tokenizer_from_bert_files(const bert_files *files, const char *name, const hst_allocator *a, tokenizer **out,
                                     hst_error *err);
void tokenizer_free(tokenizer *t);

/* ---- engine files (compiled.c) ---- */

/* What an engine file holds of a tokenizer: its vocabulary as it is used, and its tokenizer.json without it (NULL: made
 * from vocab.txt; the other parts are files beside it). Ownership: tokenizer_packed_free. */
typedef struct tokenizer_packed {
    void *vocab;
    char *json;
    size_t vocab_size, json_size;
} tokenizer_packed;
#define TOKENIZER_VOCAB_SECTION "tokenizer.vocab"
#define TOKENIZER_JSON_SECTION  "tokenizer.json"
/* `path` as for tokenizer_open. */
hst_status tokenizer_pack(const char *path, const hst_allocator *a, tokenizer_packed *out, hst_error *err);
void tokenizer_packed_free(tokenizer_packed *p);

/* ---- encoding ---- */

/* Ownership: encoding_free. `a` NULL: libc; copied. NULL when out of memory. */
encoding *encoding_new(const hst_allocator *a);
void encoding_free(encoding *e);

/* Encodes `text`, or the pair of `text` and `pair` (NULL: none). Invalid UTF-8 is read as U+FFFD, one a maximal
 * subpart. `options` NULL: all as the file says. On failure `e` holds no tokens and may be used again. Errors:
 * INVALID_ARGUMENT (truncation leaves no room, text beyond 2^30 characters), NO_MEMORY. */
hst_status tokenizer_encode(const tokenizer *t, hst_string text, const hst_string *pair, const encode_options *options,
                            encoding *e, hst_error *err);

/* Windows: where truncation cut, the pieces cut off can be had too. Window 0 is what tokenizer_encode left. `from` is
 * the encoding that it filled; `out` another one. */
size_t encoding_window_count(const encoding *e);
hst_status tokenizer_window(const tokenizer *t, const encoding *from, size_t window, encoding *out, hst_error *err);

/* A batch padded to one width (unless padding says none): rows are `rows[0 … n-1]`. */
typedef struct encoding_batch {
    hst_allocator allocator;
    encoding **rows;
    size_t count, width; /* width: the longest row's count */
    size_t capacity;
} encoding_batch;
void encoding_batch_init(encoding_batch *b, const hst_allocator *a);
void encoding_batch_free(encoding_batch *b);
/* `pairs` NULL, or n second texts. Padding where `options` gives none and the file neither: to the longest, on the
 * right, with the tokenizer's padding token. */
hst_status tokenizer_encode_batch(const tokenizer *t, size_t n, const hst_string *texts, const hst_string *pairs,
                                  const encode_options *options, encoding_batch *b, hst_error *err);

/* ---- ids and tokens ---- */

/* Text of n ids, malloc'ed (free() it), with a NUL after its *size bytes (`size` may be NULL). An id outside the
 * vocabulary is INVALID_ARGUMENT. */
hst_status tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, bool skip_special_tokens, char **text,
                            size_t *size, hst_error *err);

int32_t tokenizer_token_to_id(const tokenizer *t, const char *token, size_t size); /* -1: none */
const char *tokenizer_id_to_token(const tokenizer *t, int32_t id, size_t *size);   /* NULL: none; size may be NULL */
size_t tokenizer_vocab_size(const tokenizer *t);                                   /* tokens, added ones included */
int32_t tokenizer_id_limit(const tokenizer *t);                                    /* highest id + 1 */

typedef enum special_token {
    SPECIAL_UNK = 0,
    SPECIAL_SEP,
    SPECIAL_PAD,
    SPECIAL_CLS,
    SPECIAL_MASK,
    SPECIAL_BOS,
    SPECIAL_EOS,
    SPECIAL_COUNT
} special_token;
int32_t tokenizer_special_id(const tokenizer *t, special_token which); /* -1: none */
bool tokenizer_is_special(const tokenizer *t, int32_t id);

size_t tokenizer_max_length(const tokenizer *t);     /* model_max_length of tokenizer_config.json; 0: it states none */
truncation tokenizer_truncation(const tokenizer *t); /* of tokenizer.json; max_length TRUNCATION_NEVER: none */
padding tokenizer_padding(const tokenizer *t);       /* of tokenizer.json; PADDING_NONE: none (id and side are set) */
/* Tokens that the template adds to a text or pair. */
size_t tokenizer_added_count(const tokenizer *t, bool pair);

#endif
