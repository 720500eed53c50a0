/* Any bytes as a tokenizer.json; what loads must encode and decode a text without harm. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char text[] = "Hello [CLS] w\xc3\xb6rlds, \xe4\xb8\xad a\xcc\x81\xcc\xa3 \xff 12 un-foo";
    tokenizer *t;
    hst_error err;
    if (tokenizer_from_memory(data, size, NULL, 0, "fuzz", NULL, &t, &err) != HST_STATUS_OK) return 0;
    encoding *e = encoding_new(NULL);
    hst_string whole = {text, sizeof text - 1}, part = {text, 9};
    /* a file may ask for padding to a billion tokens: that is the caller's to override */
    padding pad = tokenizer_padding(t);
    if (pad.length > 4096) pad.length = 4096;
    if (pad.multiple > 4096) pad.multiple = 4096;
    encode_options o = {.padding = &pad};
    if (e && tokenizer_encode(t, whole, &part, &o, e, &err) == HST_STATUS_OK) {
        char *decoded;
        for (size_t i = 0; i < e->count; i++)
            if (e->offsets[i].begin > e->offsets[i].end || e->byte_offsets[i].end > sizeof text - 1) __builtin_trap();
        if (tokenizer_decode(t, e->ids, e->count, true, &decoded, NULL, &err) == HST_STATUS_OK) free(decoded);
    }
    encoding_free(e);
    tokenizer_free(t);
    return 0;
}
