/* Ids and offsets on every line of the Universal Declaration in many languages, with an uncased and a cased tokenizer,
 * against hashes of what the tokenizers package gave (tools/fixtures/tokenizer_hashes.py). Needs HASTEN_DATA. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "text/tokenizer.h"

static uint64_t step(uint64_t h, uint32_t word) {
    return (h ^ word) * 0x100000001b3u;
}

static uint64_t hash_lines(const tokenizer *t, encoding *e, const char *text, size_t size) {
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t at = 0; at <= size;) {
        const char *end = at < size ? memchr(text + at, '\n', size - at) : NULL;
        size_t n = end ? (size_t)(end - text) - at : size - at;
        hst_error err;
        if (tokenizer_encode(t, (hst_string){text + at, n}, NULL, NULL, e, &err)) fail_msg("%s", err.message);
        h = step(h, (uint32_t)e->count);
        for (size_t i = 0; i < e->count; i++) h = step(h, (uint32_t)e->ids[i]);
        for (size_t i = 0; i < e->count; i++) h = step(step(h, e->offsets[i].begin), e->offsets[i].end);
        at += n + 1;
    }
    return h;
}

static tokenizer *open_cased(const char *data) {
    char path[1024];
    char *vocab;
    size_t size;
    tokenizer *t;
    hst_error err;
    static const char config[] = "{\"do_lower_case\": false, \"tokenizer_class\": \"BertTokenizer\"}";
    snprintf(path, sizeof path, "%s/tokenizers/bert-base-cased/vocab.txt", data);
    if (file_read(path, 1 << 24, &vocab, &size, &err)) fail_msg("%s", err.message);
    bert_files files = {.vocab = vocab, .vocab_size = size, .config = config, .config_size = sizeof config - 1};
    if (tokenizer_from_bert_files(&files, "vocab.txt", NULL, &t, &err)) fail_msg("%s", err.message);
    free(vocab);
    return t;
}

static void same_as_the_reference(void **state) {
    (void)state;
    const char *data = getenv("HASTEN_DATA");
    if (!data) {
        print_message("HASTEN_DATA is not set: texts and vocabularies are not there, skipped\n");
        skip();
    }
    char path[1024], name[16], file[200];
    tokenizer *uncased, *cased = open_cased(data);
    encoding *e = encoding_new(NULL);
    hst_error err;
    unsigned long long expected;
    int checked = 0;
    snprintf(path, sizeof path, "%s/models/sentiment", data);
    if (tokenizer_open(path, NULL, &uncased, &err)) fail_msg("%s", err.message);
    FILE *list = fopen(HASTEN_SOURCE_DIR "/tests/text/fixtures/udhr_hashes.txt", "r");
    assert_non_null(list);
    while (fscanf(list, "%15s %199s %llx", name, file, &expected) == 3) {
        char *text;
        size_t size;
        snprintf(path, sizeof path, "%s/data/udhr/%s", data, file);
        if (file_read(path, 1 << 24, &text, &size, &err)) fail_msg("%s", err.message);
        uint64_t h = hash_lines(strcmp(name, "cased") == 0 ? cased : uncased, e, text, size);
        if (h != expected) fail_msg("%s %s: %016llx, expected %016llx", name, file, (unsigned long long)h, expected);
        free(text);
        checked++;
    }
    fclose(list);
    assert_true(checked > 500);
    encoding_free(e);
    tokenizer_free(cased);
    tokenizer_free(uncased);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_the_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
