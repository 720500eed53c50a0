/* Any bytes as a text, through three small tokenizers; the first byte chooses options. Offsets must lie in the text, in
 * order, and say the same in code points and in bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MODEL                                                                                                          \
    "\"added_tokens\":[{\"content\":\"[CLS]\",\"special\":true},{\"content\":\"<x>\",\"lstrip\":true,\"rstrip\":true}" \
    ","                                                                                                                \
    "{\"content\":\"  \",\"rstrip\":true,\"normalized\":false},{\"content\":\"ab\",\"single_word\":true}],"            \
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"max_input_chars_per_word\":30,\"vocab\":{\"[UNK]\":"  \
    "0,"                                                                                                               \
    "\"[CLS]\":1,\"a\":2,\"##a\":3,\"b\":4,\"##b\":5,\"e\":6,\"##e\":7,\"\\u0301\":8,\"##\\u0301\":9,\"aab\":10,\"."   \
    "\":11}}}"

static const char *const files[3] = {
    "{\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":true},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"
    "," MODEL,
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKD\"},{\"type\":\"Replace\",\"pattern\":{"
    "\"String\":\"a\"},\"content\":\"be\"},{\"type\":\"Strip\"},{\"type\":\"Prepend\",\"prepend\":\"ab\"}]},"
    "\"pre_tokenizer\":{\"type\":\"Whitespace\"}," MODEL,
    "{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
    "\"Punctuation\","
    "\"behavior\":\"MergedWithNext\"},{\"type\":\"Digits\",\"individual_digits\":true}]}," MODEL};

static void check(const encoding *e, size_t size) {
    for (size_t i = 0; i < e->count; i++) {
        token_offset o = e->offsets[i], b = e->byte_offsets[i];
        if (o.begin > o.end || b.begin > b.end || b.end > size || b.begin < o.begin || b.end < o.end) __builtin_trap();
        if (b.end - b.begin < o.end - o.begin || b.end - b.begin > 4 * (size_t)(o.end - o.begin)) __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static tokenizer *tokenizers[3];
    static encoding *e, *window;
    if (!e) {
        for (int i = 0; i < 3; i++) {
            size_t n = 0;
            while (files[i][n]) n++;
            if (tokenizer_from_memory(files[i], n, NULL, 0, "fuzz", NULL, &tokenizers[i], NULL)) __builtin_trap();
        }
        e = encoding_new(NULL);
        window = encoding_new(NULL);
        if (!e || !window) __builtin_trap();
    }
    if (size == 0) return 0;
    truncation cut = {.max_length = 4 + (data[0] >> 2 & 7), .stride = data[0] >> 5 & 3, .left = data[0] & 128};
    encode_options o = {.truncation = data[0] & 4 ? &cut : NULL};
    size_t half = data[0] & 8 ? (size - 1) / 2 : size - 1;
    hst_string text = {(const char *)data + 1, half}, pair = {(const char *)data + 1 + half, size - 1 - half};
    const tokenizer *t = tokenizers[(data[0] & 3) % 3];
    if (tokenizer_encode(t, text, data[0] & 8 ? &pair : NULL, &o, e, NULL) != HST_STATUS_OK) return 0;
    check(e, size);
    size_t windows = encoding_window_count(e);
    for (size_t i = 1; i < windows && i < 8; i++) {
        if (tokenizer_window(t, e, i, window, NULL)) __builtin_trap();
        check(window, size);
    }
    return 0;
}
