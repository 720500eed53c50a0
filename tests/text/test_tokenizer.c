/* The tokenizer's interface: options, windows, batches, lookups, decoding, files of both kinds. What the ids and
 * offsets are is test_token_cases' and test_udhr's matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "text/tiny.h"
#include "text/tokenizer.h"

static hst_string str(const char *text) {
    return (hst_string){text, strlen(text)};
}

static tokenizer *tiny(void) {
    tokenizer *t;
    hst_error err;
    if (tokenizer_from_memory(TINY, sizeof TINY - 1, TINY_CONFIG, sizeof TINY_CONFIG - 1, "tiny", NULL, &t, &err))
        fail_msg("%s", err.message);
    return t;
}

static void ids_are(const encoding *e, size_t n, const int32_t *ids) {
    assert_int_equal(e->count, n);
    assert_memory_equal(e->ids, ids, n * sizeof *ids);
}

#define IDS_ARE(e, ...) ids_are((e), sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t), (int32_t[]){__VA_ARGS__})

static void looks_up(void **state) {
    (void)state;
    tokenizer *t = tiny();
    size_t size;
    assert_int_equal(tokenizer_vocab_size(t), 17);
    assert_int_equal(tokenizer_id_limit(t), 17);
    assert_int_equal(tokenizer_token_to_id(t, "hello", 5), 5);
    assert_int_equal(tokenizer_token_to_id(t, "NEW", 3), 16);
    assert_int_equal(tokenizer_token_to_id(t, "nope", 4), -1);
    assert_string_equal(tokenizer_id_to_token(t, 7, &size), "##s");
    assert_int_equal(size, 3);
    assert_null(tokenizer_id_to_token(t, 17, NULL));
    assert_null(tokenizer_id_to_token(t, -1, NULL));
    assert_int_equal(tokenizer_special_id(t, SPECIAL_PAD), 0);
    assert_int_equal(tokenizer_special_id(t, SPECIAL_CLS), 2);
    assert_int_equal(tokenizer_special_id(t, SPECIAL_BOS), -1);
    assert_true(tokenizer_is_special(t, 4) && !tokenizer_is_special(t, 16) && !tokenizer_is_special(t, 99));
    assert_int_equal(tokenizer_max_length(t), 16);
    assert_true(tokenizer_truncation(t).max_length == TRUNCATION_NEVER);
    assert_int_equal(tokenizer_added_count(t, false), 2);
    assert_int_equal(tokenizer_added_count(t, true), 3);
    tokenizer_free(t);
    tokenizer_free(NULL);
}

static void encodes_with_options(void **state) {
    (void)state;
    tokenizer *t = tiny();
    encoding *e = encoding_new(NULL);
    hst_string pair = str("c d");
    assert_int_equal(tokenizer_encode(t, str("Hellos, W\xc3\xb6rld NEW [MASK]"), NULL, NULL, e, NULL), 0);
    IDS_ARE(e, 2, 5, 7, 12, 6, 16, 4, 3);
    assert_true(e->offsets[4].begin == 8 && e->offsets[4].end == 13);
    assert_true(e->byte_offsets[4].begin == 8 && e->byte_offsets[4].end == 14);
    encode_options plain = {.no_special_tokens = true};
    assert_int_equal(tokenizer_encode(t, str("a b"), &pair, &plain, e, NULL), 0);
    IDS_ARE(e, 8, 9, 10, 11);
    assert_true(e->type_ids[1] == 0 && e->type_ids[2] == 1 && e->sequence_ids[3] == 1);
    truncation cut = {.max_length = 6};
    padding pad = {.strategy = PADDING_FIXED, .length = 7, .multiple = 4, .id = 0, .left = true};
    encode_options both = {.truncation = &cut, .padding = &pad};
    assert_int_equal(tokenizer_encode(t, str("a b a b"), &pair, &both, e, NULL), 0);
    IDS_ARE(e, 0, 0, 2, 8, 9, 3, 10, 3);
    tokenizer_free(t);
    encoding_free(e);
}

static void refuses_options_that_cannot_be(void **state) {
    (void)state;
    tokenizer *t = tiny();
    encoding *e = encoding_new(NULL);
    hst_error err;
    truncation no_room = {.max_length = 1}, stride = {.max_length = 4, .stride = 2},
               second = {.max_length = 3, .strategy = TRUNCATION_ONLY_SECOND},
               first = {.max_length = 4, .strategy = TRUNCATION_ONLY_FIRST};
    const truncation *all[] = {&no_room, &stride, &second};
    for (int i = 0; i < 3; i++) {
        encode_options o = {.truncation = all[i]};
        assert_int_equal(tokenizer_encode(t, str("a b c d"), NULL, &o, e, &err), HST_STATUS_INVALID_ARGUMENT);
        assert_int_equal(e->count, 0);
        assert_true(strlen(err.message) > 10);
    }
    encode_options o = {.truncation = &first};
    hst_string pair = str("a b c d");
    assert_int_equal(tokenizer_encode(t, str("a"), &pair, &o, e, &err), HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(tokenizer_encode(t, (hst_string){NULL, 3}, NULL, NULL, e, &err), HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(tokenizer_encode(t, (hst_string){NULL, 0}, NULL, NULL, e, &err), 0);
    IDS_ARE(e, 2, 3);
    tokenizer_free(t);
    encoding_free(e);
}

static void makes_windows(void **state) {
    (void)state;
    tokenizer *t = tiny();
    encoding *e = encoding_new(NULL), *w = encoding_new(NULL);
    truncation cut = {.max_length = 5, .stride = 1};
    encode_options o = {.truncation = &cut};
    assert_int_equal(tokenizer_encode(t, str("a b c d e"), NULL, &o, e, NULL), 0);
    IDS_ARE(e, 2, 8, 9, 10, 3);
    assert_int_equal(encoding_window_count(e), 2);
    assert_int_equal(tokenizer_window(t, e, 1, w, NULL), 0);
    IDS_ARE(w, 2, 10, 11, 15, 3);
    assert_true(w->offsets[1].begin == 4 && w->offsets[3].end == 9);
    assert_int_equal(tokenizer_window(t, e, 2, w, NULL), HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(tokenizer_window(t, e, 0, e, NULL), HST_STATUS_INVALID_ARGUMENT);
    tokenizer_free(t);
    encoding_free(e);
    encoding_free(w);
}

static void pads_batches(void **state) {
    (void)state;
    tokenizer *t = tiny();
    encoding_batch b;
    hst_string texts[3] = {str("a"), str("a b c"), str("")}, pairs[3] = {str("b"), str(""), str("")};
    padding none = {.strategy = PADDING_NONE};
    encode_options unpadded = {.padding = &none};
    encoding_batch_init(&b, NULL);
    assert_int_equal(tokenizer_encode_batch(t, 3, texts, NULL, NULL, &b, NULL), 0);
    assert_true(b.count == 3 && b.width == 5);
    IDS_ARE(b.rows[0], 2, 8, 3, 0, 0);
    IDS_ARE(b.rows[2], 2, 3, 0, 0, 0);
    assert_true(b.rows[0]->attention_mask[2] == 1 && b.rows[0]->attention_mask[3] == 0);
    assert_int_equal(tokenizer_encode_batch(t, 3, texts, pairs, &unpadded, &b, NULL), 0);
    IDS_ARE(b.rows[0], 2, 8, 3, 9, 3);
    IDS_ARE(b.rows[2], 2, 3, 3);
    assert_int_equal(tokenizer_encode_batch(t, 0, NULL, NULL, NULL, &b, NULL), 0);
    assert_true(b.count == 0 && b.width == 0);
    encoding_batch_free(&b);
    tokenizer_free(t);
}

static void decodes(void **state) {
    (void)state;
    tokenizer *t = tiny();
    char *text;
    size_t size;
    hst_error err;
    const int32_t ids[] = {2, 5, 7, 12, 13, 14, 3}, wrong[] = {5, 17};
    assert_int_equal(tokenizer_decode(t, ids, 7, true, &text, &size, &err), 0);
    assert_string_equal(text, "hellos, unhello");
    assert_int_equal(size, strlen(text));
    free(text);
    assert_int_equal(tokenizer_decode(t, ids, 7, false, &text, NULL, &err), 0);
    assert_string_equal(text, "[CLS] hellos, unhello [SEP]");
    free(text);
    assert_int_equal(tokenizer_decode(t, ids, 0, true, &text, &size, &err), 0);
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(tokenizer_decode(t, wrong, 2, true, &text, &size, &err), HST_STATUS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "17"));
    tokenizer_free(t);
}

/* ---- vocab.txt and folders ---- */

#define VOCAB "[PAD]\n[UNK]\r\n[CLS]\n[SEP]\n[MASK]\nhello\nHello\n##s\ne\n\xc3\xa9\n\xe4\xb8\xad"

static void reads_bert_files(void **state) {
    (void)state;
    tokenizer *t;
    encoding *e = encoding_new(NULL);
    hst_error err;
    bert_files f = {.vocab = VOCAB, .vocab_size = sizeof VOCAB - 1};
    assert_int_equal(tokenizer_from_bert_files(&f, "vocab.txt", NULL, &t, &err), 0);
    assert_int_equal(tokenizer_encode(t, str("Hellos \xc3\xa9 \xe4\xb8\xad\xe4\xb8\xad"), NULL, NULL, e, NULL), 0);
    IDS_ARE(e, 2, 5, 7, 8, 10, 10, 3);
    tokenizer_free(t);
    f.config = "{\"do_lower_case\":false,\"tokenizer_class\":\"BertTokenizerFast\",\"model_max_length\":1e30,"
               "\"mask_token\":{\"content\":\"<mask>\",\"lstrip\":true},\"padding_side\":\"left\","
               "\"additional_special_tokens\":[\"<x>\"],\"tokenize_chinese_chars\":false}";
    f.config_size = strlen(f.config);
    f.added_tokens = "{\"two words\":99}";
    f.added_tokens_size = strlen(f.added_tokens);
    f.special_tokens_map = "{\"mask_token\":\"[MASK]\",\"unk_token\":\"[UNK]\"}";
    f.special_tokens_map_size = strlen(f.special_tokens_map);
    assert_int_equal(tokenizer_from_bert_files(&f, "vocab.txt", NULL, &t, &err), 0);
    assert_int_equal(
        tokenizer_encode(t, str("Hellos \xc3\xa9 \xe4\xb8\xad\xe4\xb8\xad two words <x> <mask>"), NULL, NULL, e, NULL),
        0);
    IDS_ARE(e, 2, 6, 7, 9, 1, 13, 12, 11, 3);
    assert_int_equal(tokenizer_special_id(t, SPECIAL_MASK), 11);
    assert_int_equal(tokenizer_max_length(t), 0);
    assert_true(tokenizer_padding(t).left);
    tokenizer_free(t);
    f.config = "{\"tokenizer_class\":\"MPNetTokenizer\"}";
    f.config_size = strlen(f.config);
    assert_int_equal(tokenizer_from_bert_files(&f, "vocab.txt", NULL, &t, &err), HST_STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "MPNetTokenizer"));
    bert_files bad = {.vocab = "a\nb\xff\n", .vocab_size = 5};
    assert_int_equal(tokenizer_from_bert_files(&bad, "vocab.txt", NULL, &t, &err), HST_STATUS_BAD_FORMAT);
    assert_non_null(strstr(err.message, "line 2"));
    bad.vocab_size = 0;
    assert_int_equal(tokenizer_from_bert_files(&bad, "vocab.txt", NULL, &t, &err), HST_STATUS_BAD_FORMAT);
    encoding_free(e);
}

static void write_file(const char *folder, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void remove_file(const char *folder, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

static void opens_folders_and_files(void **state) {
    (void)state;
    char folder[] = "/tmp/hasten-tokenizer-XXXXXX", path[256];
    tokenizer *t;
    hst_error err;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(tokenizer_open(folder, NULL, &t, &err), HST_STATUS_NOT_FOUND);
    write_file(folder, "vocab.txt", VOCAB);
    assert_int_equal(tokenizer_open(folder, NULL, &t, &err), 0);
    assert_int_equal(tokenizer_vocab_size(t), 11);
    tokenizer_free(t);
    write_file(folder, "tokenizer.json", TINY);
    write_file(folder, "tokenizer_config.json", TINY_CONFIG);
    assert_int_equal(tokenizer_open(folder, NULL, &t, &err), 0);
    assert_int_equal(tokenizer_vocab_size(t), 17);
    assert_int_equal(tokenizer_max_length(t), 16);
    tokenizer_free(t);
    snprintf(path, sizeof path, "%s/vocab.txt", folder);
    assert_int_equal(tokenizer_open(path, NULL, &t, &err), 0);
    assert_int_equal(tokenizer_vocab_size(t), 11);
    tokenizer_free(t);
    write_file(folder, "tokenizer_config.json", "{\"model_max_length\":}");
    assert_int_equal(tokenizer_open(folder, NULL, &t, &err), HST_STATUS_BAD_FORMAT);
    remove_file(folder, "vocab.txt");
    remove_file(folder, "tokenizer.json");
    remove_file(folder, "tokenizer_config.json");
    rmdir(folder);
    assert_int_equal(tokenizer_open(folder, NULL, &t, &err), HST_STATUS_NOT_FOUND);
    assert_int_equal(tokenizer_open("", NULL, &t, &err), HST_STATUS_INVALID_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_up),         cmocka_unit_test(encodes_with_options),
        cmocka_unit_test(makes_windows),    cmocka_unit_test(refuses_options_that_cannot_be),
        cmocka_unit_test(pads_batches),     cmocka_unit_test(decodes),
        cmocka_unit_test(reads_bert_files), cmocka_unit_test(opens_folders_and_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
