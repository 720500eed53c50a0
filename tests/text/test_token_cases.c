/* Adversarial texts through small tokenizers: ids, offsets in code points and bytes, masks, words, windows and decoded
 * text as tests/text/fixtures/token_cases.txt has them from the tokenizers package (tools/fixtures/token_cases.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/tokenizer.h"

#define LINE_MOST 65536

static char line[LINE_MOST];
static int number; /* of the line */

/* "6162", "." for empty. The bytes are the caller's. */
static hst_string unhex(const char *hex, char *to) {
    size_t n = 0;
    unsigned byte;
    for (; hex[0] != '.' && hex[0] && hex[0] != ' ' && sscanf(hex, "%2x", &byte) == 1; hex += 2) to[n++] = (char)byte;
    return (hst_string){to, n};
}

static void check(bool same, const char *what, size_t at) {
    if (!same) fail_msg("line %d: %s of token %zu differs", number, what, at);
}

static void check_line(const tokenizer *t, const encoding *e) {
    size_t i = 0;
    char *at = line + 1, *end;
    hst_error err;
    if (line[0] == 'W') {
        assert_int_equal(encoding_window_count(e), strtoul(at, NULL, 10));
        return;
    }
    if (line[0] == 'D') {
        char expected[LINE_MOST / 2], *text;
        size_t size;
        hst_string want = unhex(line + 2, expected);
        assert_int_equal(tokenizer_decode(t, e->ids, e->count, true, &text, &size, &err), 0);
        if (size != want.size || memcmp(text, want.data, size) != 0) fail_msg("line %d: decoded \"%s\"", number, text);
        free(text);
        return;
    }
    for (;; i++) {
        long v[5] = {0};
        int fields = line[0] == 'I' ? 1 : line[0] == 'M' ? 5 : 2;
        v[0] = strtol(at, &end, 10);
        if (end == at) break;
        for (int k = 1; k < fields; k++) v[k] = strtol(end + 1, &end, 10);
        at = end;
        if (i >= e->count) fail_msg("line %d: only %zu tokens", number, e->count);
        switch (line[0]) {
        case 'I':
            check(e->ids[i] == v[0], "the id", i);
            break;
        case 'O':
            check(e->offsets[i].begin == v[0] && e->offsets[i].end == v[1], "the offset", i);
            break;
        case 'B':
            check(e->byte_offsets[i].begin == v[0] && e->byte_offsets[i].end == v[1], "the byte offset", i);
            break;
        case 'M':
            check(e->type_ids[i] == v[0], "the type", i);
            check(e->attention_mask[i] == v[1], "the attention mask", i);
            check(e->special_tokens_mask[i] == v[2], "the special mask", i);
            check(e->word_ids[i] == v[3], "the word", i);
            check(e->sequence_ids[i] == v[4], "the sequence", i);
            break;
        default:
            fail_msg("line %d: what is this?", number);
        }
    }
    if (i != e->count) fail_msg("line %d: %zu tokens, expected %zu", number, e->count, i);
}

static void same_as_the_reference(void **state) {
    (void)state;
    FILE *f = fopen(HASTEN_SOURCE_DIR "/tests/text/fixtures/token_cases.txt", "r");
    tokenizer *t = NULL;
    encoding *e = encoding_new(NULL);
    hst_error err;
    int cases = 0;
    assert_non_null(f);
    for (number = 1; fgets(line, sizeof line, f); number++) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == 'T') {
            tokenizer_free(t);
            if (tokenizer_from_memory(line + 2, strlen(line + 2), NULL, 0, "case", NULL, &t, &err))
                fail_msg("%s", err.message);
        } else if (line[0] == 'X') {
            static char text_bytes[LINE_MOST / 2], pair_bytes[LINE_MOST / 2];
            hst_string text = unhex(line + 2, text_bytes), pair = {NULL, 0};
            char *second = strchr(line + 2, ' ') + 1;
            bool has_pair = *second != '-';
            if (has_pair) pair = unhex(second, pair_bytes);
            encode_options options = {.no_special_tokens = line[strlen(line) - 1] == '0'};
            if (tokenizer_encode(t, text, has_pair ? &pair : NULL, &options, e, &err))
                fail_msg("%d: %s", number, err.message);
            cases++;
        } else {
            check_line(t, e);
        }
    }
    assert_true(cases > 300);
    tokenizer_free(t);
    encoding_free(e);
    fclose(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_the_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
