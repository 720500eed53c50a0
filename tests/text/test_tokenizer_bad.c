/* Tokenizer files that are damaged, hostile or ask for what there is not; allocations that fail; threads; no allocation
 * once a text of the size was seen. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/tiny.h"
#include "text/tokenizer.h"

static hst_status load(const char *json, size_t size, const hst_allocator *a, tokenizer **out, hst_error *err) {
    char *copy = malloc(size ? size : 1); /* of exact size: a read beyond it is seen by a sanitizer */
    assert_non_null(copy);
    memcpy(copy, json, size);
    hst_status status = tokenizer_from_memory(copy, size, NULL, 0, "t.json", a, out, err);
    free(copy);
    return status;
}

static void every_cut_is_refused(void **state) {
    (void)state;
    tokenizer *t;
    for (size_t cut = 0; cut < sizeof TINY - 1; cut++) {
        assert_int_equal(load(TINY, cut, NULL, &t, NULL), HST_STATUS_BAD_FORMAT);
        assert_null(t);
    }
}

static void damage_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *json;
        hst_status status;
        const char *says;
    } cases[] = {
        {"{}", HST_STATUS_BAD_FORMAT, "model"},
        {"[]", HST_STATUS_BAD_FORMAT, "object"},
        {"{\"version\":\"2.0\"," TINY_MODEL "}", HST_STATUS_UNSUPPORTED, "2.0"},
        {"{" TINY_MODEL "," TINY_MODEL "}", HST_STATUS_BAD_FORMAT, "twice"},
        {"{\"model\":{\"type\":\"BPX\"}}", HST_STATUS_UNSUPPORTED, "model of type 'BPX'"},
        {"{\"model\":{\"type\":\"WordPiece\"}}", HST_STATUS_BAD_FORMAT, "vocab"},
        {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":-1}}}", HST_STATUS_BAD_FORMAT, "-1"},
        {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":2147483646}}}", HST_STATUS_BAD_FORMAT, "2147483646"},
        {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":99999999999999999999}}}", HST_STATUS_BAD_FORMAT,
         "64 bits"},
        {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":1.5}}}", HST_STATUS_BAD_FORMAT, "whole"},
        {"{\"model\":{\"type\":\"WordPiece\",\"max_input_chars_per_word\":-3,\"vocab\":{}}}", HST_STATUS_BAD_FORMAT,
         "-3"},
        {"{\"normalizer\":{\"type\":\"Precompilex\"}," TINY_MODEL "}", HST_STATUS_UNSUPPORTED,
         "normalizer of type 'Precompilex'"},
        {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a+\"},\"content\":\"\"}," TINY_MODEL "}",
         HST_STATUS_UNSUPPORTED, "regular expression"},
        {"{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Whatever\"}]}," TINY_MODEL "}",
         HST_STATUS_UNSUPPORTED, "pre_tokenizer of type 'Whatever'"},
        {"{\"pre_tokenizer\":{\"type\":\"Punctuation\",\"behavior\":\"Odd\"}," TINY_MODEL "}", HST_STATUS_BAD_FORMAT,
         "Odd"},
        {"{\"post_processor\":{\"type\":\"Nothing\"}," TINY_MODEL "}", HST_STATUS_UNSUPPORTED, "post_processor"},
        {"{\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",3],\"cls\":[\"[CLS]\",999]}," TINY_MODEL
         "}",
         HST_STATUS_BAD_FORMAT, "999"},
        {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"[X]\",\"type_"
         "id\":0}}],"
         "\"pair\":[],\"special_tokens\":{}}," TINY_MODEL "}",
         HST_STATUS_BAD_FORMAT, "[X]"},
        {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"B\",\"type_id\":0}}]"
         ","
         "\"pair\":[],\"special_tokens\":{}}," TINY_MODEL "}",
         HST_STATUS_BAD_FORMAT, "no sequence 'B'"},
        {"{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[]}," TINY_MODEL "}", HST_STATUS_BAD_FORMAT,
         "special_tokens"},
        {"{\"decoder\":{\"type\":\"Odd\"}," TINY_MODEL "}", HST_STATUS_UNSUPPORTED, "decoder of type 'Odd'"},
        {"{\"added_tokens\":[{\"id\":3}]," TINY_MODEL "}", HST_STATUS_BAD_FORMAT, "content"},
        {"{\"added_tokens\":[{\"id\":3,\"content\":\"a\",\"lstrip\":1}]," TINY_MODEL "}", HST_STATUS_BAD_FORMAT,
         "boolean"},
        {"{\"truncation\":{\"max_length\":-5}," TINY_MODEL "}", HST_STATUS_BAD_FORMAT, "-5"},
        {"{\"truncation\":{\"strategy\":\"Never\"}," TINY_MODEL "}", HST_STATUS_BAD_FORMAT, "Never"},
        {"{\"padding\":{\"strategy\":{\"Fixed\":1e3}}," TINY_MODEL "}", HST_STATUS_BAD_FORMAT, "whole"},
        {"{\"padding\":{\"direction\":\"Up\"}," TINY_MODEL "}", HST_STATUS_BAD_FORMAT, "Left or Right"},
        {TINY "x", HST_STATUS_BAD_FORMAT, "more text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hst_error err;
        tokenizer *t;
        hst_status status = load(cases[i].json, strlen(cases[i].json), NULL, &t, &err);
        if (status != cases[i].status) fail_msg("case %zu: status %d, %s", i, status, status ? err.message : "");
        if (!strstr(err.message, cases[i].says)) fail_msg("case %zu says: %s", i, err.message);
    }
}

static void deep_nesting_is_refused(void **state) {
    (void)state;
    static char json[100000];
    size_t n = 0;
    tokenizer *t;
    n += (size_t)sprintf(json + n, "{\"normalizer\":");
    for (int i = 0; i < 1000; i++) n += (size_t)sprintf(json + n, "{\"type\":\"Sequence\",\"normalizers\":[");
    assert_int_equal(load(json, n, NULL, &t, NULL), HST_STATUS_BAD_FORMAT);
}

static void a_missing_unknown_token_is_told(void **state) {
    (void)state;
    static const char json[] = "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"vocab\":{\"a\":0}}}";
    tokenizer *t;
    encoding *e = encoding_new(NULL);
    hst_error err;
    assert_int_equal(load(json, sizeof json - 1, NULL, &t, &err), 0);
    assert_int_equal(tokenizer_encode(t, (hst_string){"a", 1}, NULL, NULL, e, &err), 0);
    assert_int_equal(tokenizer_encode(t, (hst_string){"b", 1}, NULL, NULL, e, &err), HST_STATUS_BAD_FORMAT);
    assert_non_null(strstr(err.message, "[UNK]"));
    tokenizer_free(t);
    encoding_free(e);
}

/* Each of a million matches would walk over all the white space round it. */
static void white_space_is_walked_once(void **state) {
    (void)state;
    static const char json[] =
        "{\"added_tokens\":[{\"content\":\" \",\"lstrip\":true,\"rstrip\":true}]," TINY_MODEL "}";
    const size_t n = 1000000;
    char *spaces = malloc(n);
    tokenizer *t;
    encoding *e = encoding_new(NULL);
    assert_non_null(spaces);
    memset(spaces, ' ', n);
    assert_int_equal(load(json, sizeof json - 1, NULL, &t, NULL), 0);
    assert_int_equal(tokenizer_encode(t, (hst_string){spaces, n}, NULL, NULL, e, NULL), 0);
    assert_int_equal(e->count, 1);
    assert_int_equal(e->offsets[0].end, n);
    tokenizer_free(t);
    encoding_free(e);
    free(spaces);
}

/* ---- allocations ---- */

typedef struct counting {
    long calls, fail_at, live;
} counting;

static void *counted_alloc(void *user, size_t size, size_t align) {
    counting *c = user;
    (void)align;
    if (++c->calls == c->fail_at) return NULL;
    c->live++;
    return malloc(size ? size : 1);
}

static void counted_free(void *user, void *memory, size_t size) {
    (void)size;
    if (memory) ((counting *)user)->live--;
    free(memory);
}

#define LONG_TEXT                                                                                                      \
    "Hellos, w\xc3\xb6rld! \xe4\xb8\xad\xe6\x96\x87 e\xcc\x81\xcc\xa3 un\xff [MASK] NEW unhello \xc4\xb0 a b c d a b " \
    "c d"

static hst_status load_and_encode(const hst_allocator *a, hst_error *err) {
    tokenizer *t = NULL;
    encoding *e = NULL, *w = NULL;
    hst_string pair = {"a b c \xc3\xa9", 7};
    truncation cut = {.max_length = 9};
    encode_options o = {.truncation = &cut};
    encoding_batch b;
    encoding_batch_init(&b, a);
    hst_status status =
        tokenizer_from_memory(TINY, sizeof TINY - 1, TINY_CONFIG, sizeof TINY_CONFIG - 1, "tiny", a, &t, err);
    if (status != HST_STATUS_OK) goto fail;
    e = encoding_new(a);
    w = encoding_new(a);
    if (!e || !w) {
        status = HST_STATUS_NO_MEMORY;
        goto fail;
    }
    if ((status = tokenizer_encode(t, (hst_string){LONG_TEXT, sizeof LONG_TEXT - 1}, &pair, &o, e, err))) goto fail;
    if ((status = tokenizer_window(t, e, 1, w, err))) goto fail;
    status = tokenizer_encode_batch(t, 1, &pair, NULL, NULL, &b, err);
fail:
    encoding_batch_free(&b);
    encoding_free(e);
    encoding_free(w);
    tokenizer_free(t);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    hst_error err;
    for (long n = 1;; n++) {
        counting c = {0, n, 0};
        hst_allocator a = {&c, counted_alloc, counted_free};
        hst_status status = load_and_encode(&a, &err);
        assert_int_equal(c.live, 0);
        if (c.calls < n) {
            assert_int_equal(status, 0);
            assert_true(n > 20);
            return;
        }
        assert_int_equal(status, HST_STATUS_NO_MEMORY);
    }
}

static void bert_files_allocations_may_fail(void **state) {
    (void)state;
    const char *vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n",
               *config = "{\"do_lower_case\":false,\"mask_token\":\"\\u005bM]\"}";
    bert_files f = {.vocab = vocab, .vocab_size = strlen(vocab), .config = config, .config_size = strlen(config)};
    for (long n = 1;; n++) {
        counting c = {0, n, 0};
        hst_allocator a = {&c, counted_alloc, counted_free};
        tokenizer *t;
        hst_status status = tokenizer_from_bert_files(&f, "vocab.txt", &a, &t, NULL);
        tokenizer_free(t);
        assert_int_equal(c.live, 0);
        if (c.calls < n) {
            assert_int_equal(status, 0);
            return;
        }
        assert_int_equal(status, HST_STATUS_NO_MEMORY);
    }
}

static void a_text_seen_allocates_nothing(void **state) {
    (void)state;
    counting c = {0, 0, 0};
    hst_allocator a = {&c, counted_alloc, counted_free};
    tokenizer *t;
    encoding *e = encoding_new(&a);
    hst_string text = {LONG_TEXT, sizeof LONG_TEXT - 1};
    assert_int_equal(tokenizer_from_memory(TINY, sizeof TINY - 1, NULL, 0, "tiny", &a, &t, NULL), 0);
    assert_int_equal(tokenizer_encode(t, text, &text, NULL, e, NULL), 0);
    assert_int_equal(tokenizer_encode(t, text, &text, NULL, e, NULL), 0);
    long before = c.calls;
    for (int i = 0; i < 10; i++) assert_int_equal(tokenizer_encode(t, text, &text, NULL, e, NULL), 0);
    assert_int_equal(c.calls, before);
    encoding_free(e);
    tokenizer_free(t);
    assert_int_equal(c.live, 0);
}

/* ---- threads ---- */

typedef struct worker {
    const tokenizer *t;
    size_t count;
    bool failed;
} worker;

static void *encode_often(void *arg) {
    worker *w = arg;
    encoding *e = encoding_new(NULL);
    for (int i = 0; e && i < 200; i++) {
        hst_string text = {LONG_TEXT, (size_t)(i % (int)sizeof LONG_TEXT)};
        if (tokenizer_encode(w->t, text, NULL, NULL, e, NULL)) w->failed = true;
        w->count += e->count;
    }
    encoding_free(e);
    return NULL;
}

static void threads_share_a_tokenizer(void **state) {
    (void)state;
    tokenizer *t;
    pthread_t threads[4];
    worker workers[4];
    assert_int_equal(load(TINY, sizeof TINY - 1, NULL, &t, NULL), 0);
    for (int i = 0; i < 4; i++) {
        workers[i] = (worker){t, 0, false};
        assert_int_equal(pthread_create(&threads[i], NULL, encode_often, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) {
        assert_false(workers[i].failed);
        assert_true(workers[i].count > 1000);
        assert_int_equal(workers[i].count, workers[0].count);
    }
    tokenizer_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(a_missing_unknown_token_is_told),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(white_space_is_walked_once),
        cmocka_unit_test(bert_files_allocations_may_fail),
        cmocka_unit_test(a_text_seen_allocates_nothing),
        cmocka_unit_test(threads_share_a_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
