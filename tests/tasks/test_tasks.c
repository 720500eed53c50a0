/* Tasks on the embedded model, against numbers that transformers computed in f32 (AutoModelForSequenceClassification
 * and AutoModel from models/sentiment; scores are softmax or sigmoid of its logits): answers, labels, batches and their
 * order, pairs, odd texts, truncation, what the files beside a model say, cancel and deadline. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "hasten.h"

#define MODEL HASTEN_SOURCE_DIR "/models/sentiment"
#define NEAR  2e-5

static hst_string string(const char *s) {
    return (hst_string){s, strlen(s)};
}

static hst_task *open_task(const char *path, const char *name, const hst_task_options *o) {
    hst_task *t = NULL;
    hst_error err = {0};
    if (hst_task_open(path, name, o, &t, &err) != HST_STATUS_OK) fail_msg("%s: %s", path, err.message);
    return t;
}

static hst_result *run(hst_task *t, size_t n, const hst_string *texts, const hst_string *pairs) {
    hst_result *r = NULL;
    hst_error err = {0};
    if (hst_task_run_texts(t, n, texts, pairs, NULL, &r, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    assert_int_equal(hst_result_count(r), n);
    return r;
}

static void check_answer(const hst_result *r, size_t text, size_t k, const char *label, double score) {
    const hst_answer *a = hst_result_answer(r, text, k);
    assert_non_null(a);
    assert_string_equal(a->label, label);
    if (!(fabs((double)a->score - score) < NEAR))
        fail_msg("text %zu: score %.7g, not %.7g", text, (double)a->score, score);
}

/* ---- text-classification ---- */

static const struct {
    const char *text;
    size_t tokens;
    double positive;
} known[] = {
    {"I am learning how to accelerate the inference of a language model using Huggingface's Optimum. I am thinking if "
     "it "
     "can bring some performance gain. I hope it does.",
     44, 0.9233392477},
    {"A wonderful film!", 6, 0.9925777316},
    {"Two hours of my life that I will never get back.", 14, 0.3485596776},
    {"", 2, 0.8604396582},
    {"ok", 3, 0.9887902737},
    {"na\xc3\xafve caf\xc3\xa9 \xe6\x9d\xb1\xe4\xba\xac \xf0\x9f\x99\x82", 7, 0.2615606486},
};
#define KNOWN (sizeof known / sizeof *known)

static void test_classification(void **state) {
    (void)state;
    hst_string texts[KNOWN];
    hst_task *t = open_task(MODEL, NULL, NULL);
    assert_string_equal(hst_task_name(t), "text-classification");
    for (size_t i = 0; i < KNOWN; i++) texts[i] = string(known[i].text);
    hst_result *r = run(t, KNOWN, texts, NULL);
    for (size_t i = 0; i < KNOWN; i++) {
        bool positive = known[i].positive > 0.5;
        assert_int_equal(hst_result_tokens(r, i), known[i].tokens);
        assert_int_equal(hst_result_answer_count(r, i), 1);
        check_answer(r, i, 0, positive ? "POSITIVE" : "NEGATIVE", positive ? known[i].positive : 1 - known[i].positive);
        const hst_answer *a = hst_result_answer(r, i, 0);
        assert_int_equal(a->id, positive);
        assert_true(a->begin == 0 && a->end == texts[i].size);
        assert_null(hst_result_answer(r, i, 1));
        assert_null(hst_result_tensor(r, i));
    }
    assert_null(hst_result_answer(r, KNOWN, 0));
    assert_int_equal(hst_result_tokens(r, KNOWN), 0);
    char *json = NULL;
    assert_int_equal(hst_result_json(r, 1, &json, NULL), HST_STATUS_OK);
    assert_non_null(strstr(json, "{\"label\": \"POSITIVE\", \"score\": 0.9925"));
    hst_text_free(json);
    assert_int_equal(hst_result_json(r, KNOWN, &json, NULL), HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(hst_result_json(NULL, 0, &json, NULL), HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(hst_result_json(r, 0, NULL, NULL), HST_STATUS_INVALID_ARGUMENT);
    hst_result_free(r);
    r = run(t, 0, NULL, NULL);
    hst_result_free(r);
    hst_task_free(t);
}

static void test_top_k(void **state) {
    (void)state;
    hst_string text = string(known[2].text);
    for (int k = -1; k <= 3; k++) {
        hst_task_options o = HST_INIT(hst_task_options);
        o.top_k = k;
        hst_task *t = open_task(MODEL, "sentiment-analysis", &o);
        hst_result *r = run(t, 1, &text, NULL);
        char *json = NULL;
        assert_int_equal(hst_result_answer_count(r, 0), k == 0 || k == 1 ? 1 : 2);
        check_answer(r, 0, 0, "NEGATIVE", 0.6514403820);
        if (k != 0 && k != 1) check_answer(r, 0, 1, "POSITIVE", 0.3485596776);
        assert_int_equal(hst_result_json(r, 0, &json, NULL), HST_STATUS_OK);
        assert_int_equal(json[0], k == 0 || k == 1 ? '{' : '[');
        hst_text_free(json);
        hst_result_free(r);
        hst_task_free(t);
    }
}

static void test_pair(void **state) {
    (void)state;
    hst_string texts[2] = {string("A wonderful film!"), string("A wonderful film!")};
    hst_string pairs[2] = {string("I never laughed."), {NULL, 0}};
    hst_task *t = open_task(MODEL, NULL, NULL);
    hst_result *r = run(t, 2, texts, pairs);
    assert_int_equal(hst_result_tokens(r, 0), 11);
    check_answer(r, 0, 0, "POSITIVE", 0.9914143682);
    assert_int_equal(hst_result_tokens(r, 1), 6);
    check_answer(r, 1, 0, "POSITIVE", 0.9925777316);
    hst_result_free(r);
    hst_task_free(t);
}

static void test_long_and_broken(void **state) {
    (void)state;
    char *text = malloc(9000 + 1);
    assert_non_null(text);
    for (int i = 0; i < 1000; i++) memcpy(text + i * 9, "good bad ", 10);
    hst_string texts[] = {
        string(text), {"good \xff\xfe film", 12}, {"ok\0 ", 4}, {"\xed\xa0\x80\xf8\xc0\x80 \xe6\x9d", 9}};
    hst_task *t = open_task(MODEL, NULL, NULL);
    hst_result *r = run(t, 4, texts, NULL);
    assert_int_equal(hst_result_tokens(r, 0), 512);
    check_answer(r, 0, 0, "POSITIVE", 0.8831981421);
    assert_int_equal(hst_result_tokens(r, 1), 4);
    check_answer(r, 1, 0, "POSITIVE", 0.9921907783);
    check_answer(r, 2, 0, "POSITIVE", 0.9887902737); /* NUL is removed as other control characters are */
    assert_true(hst_result_answer(r, 3, 0)->score > 0.5f);
    hst_result_free(r);
    hst_task_free(t);
    hst_task_options o = HST_INIT(hst_task_options);
    o.max_length = 7;
    t = open_task(MODEL, NULL, &o);
    r = run(t, 2, texts, NULL);
    assert_int_equal(hst_result_tokens(r, 0), 7);
    assert_int_equal(hst_result_tokens(r, 1), 4);
    hst_result_free(r);
    hst_task_free(t);
    free(text);
}

/* ---- batches ---- */

typedef struct seen {
    size_t done, total, calls;
} seen;

static void on_progress(void *user, size_t done, size_t total) {
    seen *s = user;
    assert_true(done > s->done && done <= total);
    *s = (seen){done, total, s->calls + 1};
}

#define MANY 14

/* Texts of 2 to 16 words in no order; each must keep its place and its bits whatever is beside it. */
static void test_batches(void **state) {
    (void)state;
    static const char *const words[] = {"good", "bad", "film", "never", "funny", "dull", "story", "love"};
    static char space[MANY][200];
    static const size_t budgets[] = {0, 1, 40};
    hst_string texts[MANY];
    float alone[MANY];
    for (int i = 0; i < MANY; i++) {
        int n = 2 + i * 11 % 15;
        space[i][0] = 0;
        for (int k = 0; k < n; k++) {
            strcat(space[i], words[(i * 5 + k * k) % 8]);
            strcat(space[i], " ");
        }
        texts[i] = string(space[i]);
    }
    for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++) {
        hst_task_options o = HST_INIT(hst_task_options);
        o.batch_tokens = budgets[b];
        o.top_k = -1;
        hst_task *t = open_task(MODEL, NULL, &o);
        hst_run_options run_options = HST_INIT(hst_run_options);
        seen s = {0};
        run_options.progress = on_progress;
        run_options.progress_user = &s;
        hst_result *r = NULL;
        assert_int_equal(hst_task_run_texts(t, MANY, texts, NULL, &run_options, &r, NULL), HST_STATUS_OK);
        assert_true(s.done == MANY && s.total == MANY);
        assert_true(budgets[b] == 1 ? s.calls == MANY : s.calls < MANY);
        for (size_t i = 0; i < MANY; i++) {
            float score = hst_result_answer(r, i, 0)->score;
            if (b == 0) {
                hst_result *one = run(t, 1, &texts[i], NULL);
                alone[i] = hst_result_answer(one, 0, 0)->score;
                assert_string_equal(hst_result_answer(one, 0, 0)->label, hst_result_answer(r, i, 0)->label);
                assert_int_equal(hst_result_tokens(one, 0), hst_result_tokens(r, i));
                hst_result_free(one);
            }
            assert_memory_equal(&score, &alone[i], sizeof score);
        }
        hst_result_free(r);
        hst_task_free(t);
    }
}

/* ---- embeddings ---- */

static void check_row(const float *got, const double *want, int n) {
    for (int i = 0; i < n; i++)
        if (!(fabs((double)got[i] - want[i]) < NEAR))
            fail_msg("element %d is %.7g, not %.7g", i, (double)got[i], want[i]);
}

static void test_feature_extraction(void **state) {
    (void)state;
    static const double first[] = {-0.7138810158, 0.3076124191, -0.1165089980, -0.2291363627};
    static const double last[] = {0.3168111145, -0.1077473909, -0.4384679496, -0.7141072154};
    hst_string texts[] = {string("A wonderful film! And longer."), string("A wonderful film!")};
    hst_task *t = open_task(MODEL, "feature-extraction", NULL);
    hst_result *r = run(t, 2, texts, NULL);
    const hst_tensor *h = hst_result_tensor(r, 1);
    assert_int_equal(hst_tensor_rank(h), 2);
    assert_true(hst_tensor_dims(h)[0] == 6 && hst_tensor_dims(h)[1] == 384);
    const float *x = hst_tensor_view(h);
    double square = 0;
    for (int i = 0; i < 6 * 384; i++) square += (double)x[i] * (double)x[i];
    assert_true(fabs(sqrt(square) - 30.468084557) < 1e-4);
    check_row(x, first, 4);
    check_row(x + 6 * 384 - 4, last, 4);
    assert_int_equal(hst_tensor_dims(hst_result_tensor(r, 0))[0], (int64_t)hst_result_tokens(r, 0));
    assert_int_equal(hst_result_answer_count(r, 1), 0);
    hst_result_free(r);
    hst_task_free(t);
}

/* ---- folders of our own: links to the model's files, and others beside them ---- */

typedef struct folder {
    char path[64], file[128];
} folder;

static const char *in_folder(folder *f, const char *name) {
    snprintf(f->file, sizeof f->file, "%s/%s", f->path, name);
    return f->file;
}

static folder make_folder(void) {
    static const char *const files[] = {"model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json"};
    folder f = {.path = "/tmp/hasten-tasks-XXXXXX"};
    assert_non_null(mkdtemp(f.path));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char from[512];
        snprintf(from, sizeof from, "%s/%s", MODEL, files[i]);
        assert_int_equal(symlink(from, in_folder(&f, files[i])), 0);
    }
    return f;
}

static void put(folder *f, const char *name, const char *text) {
    unlink(in_folder(f, name));
    FILE *to = fopen(in_folder(f, name), "w");
    assert_non_null(to);
    fputs(text, to);
    assert_int_equal(fclose(to), 0);
}

static void remove_folder(folder *f) {
    static const char *const files[] = {
        "model.safetensors",         "tokenizer.json",          "tokenizer_config.json", "config.json", "modules.json",
        "sentence_bert_config.json", "pooling.json/config.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlink(in_folder(f, files[i]));
    rmdir(in_folder(f, "pooling.json"));
    assert_int_equal(rmdir(f->path), 0);
}

#define CONFIG(rest)                                                                                                   \
    "{\"architectures\": [\"DistilBertForSequenceClassification\"], \"model_type\": \"distilbert\", \"activation\": "  \
    "\"gelu\", \"dim\": 384, \"hidden_dim\": 1536, \"max_position_embeddings\": 512, \"n_heads\": 12, \"n_layers\": "  \
    "4, "                                                                                                              \
    "\"pad_token_id\": 0, \"vocab_size\": 16469" rest "}"

/* transformers' rules: a sigmoid a label for multi_label_classification, the bare logits for regression. */
static void test_problem_types(void **state) {
    (void)state;
    hst_task_options o = HST_INIT(hst_task_options);
    hst_string text = string("A wonderful film!");
    folder f = make_folder();
    o.top_k = -1;
    put(&f, "config.json",
        CONFIG(", \"problem_type\": \"multi_label_classification\", \"id2label\": {\"0\": \"a \\\"b\\\"\", \"1\": "
               "\"c\"}"));
    hst_task *t = open_task(f.path, NULL, &o);
    hst_result *r = run(t, 1, &text, NULL);
    check_answer(r, 0, 0, "c", 0.9135226607);
    check_answer(r, 0, 1, "a \"b\"", 0.0732102618);
    char *json = NULL;
    assert_int_equal(hst_result_json(r, 0, &json, NULL), HST_STATUS_OK);
    assert_non_null(strstr(json, "\"a \\\"b\\\"\""));
    hst_text_free(json);
    hst_result_free(r);
    hst_task_free(t);
    put(&f, "config.json", CONFIG(", \"problem_type\": \"regression\""));
    t = open_task(f.path, NULL, &o);
    r = run(t, 1, &text, NULL);
    check_answer(r, 0, 0, "LABEL_1", 2.357426);
    check_answer(r, 0, 1, "LABEL_0", -2.538391);
    hst_result_free(r);
    hst_task_free(t);
    remove_folder(&f);
}

#define MODULES(rest)                                                                                                  \
    "[{\"idx\": 0, \"name\": \"0\", \"path\": \"\", \"type\": \"sentence_transformers.models.Transformer\"}, "         \
    "{\"idx\": "                                                                                                       \
    "1, \"name\": \"1\", \"path\": \"pooling.json\", \"type\": \"sentence_transformers.models.Pooling\"}" rest "]"
#define NORMALIZE                                                                                                      \
    ", {\"idx\": 2, \"name\": \"2\", \"path\": \"2\", \"type\": \"sentence_transformers.models.Normalize\"}"

static void check_embedding(const char *path, int64_t width, int64_t at, const double *want, double length) {
    hst_string text = string("A wonderful film!");
    hst_task *t = open_task(path, NULL, NULL);
    assert_string_equal(hst_task_name(t), "sentence-embedding");
    hst_result *r = run(t, 1, &text, NULL);
    const hst_tensor *e = hst_result_tensor(r, 0);
    double square = 0;
    assert_true(hst_tensor_rank(e) == 1 && hst_tensor_dims(e)[0] == width);
    const float *x = hst_tensor_view(e);
    for (int64_t i = 0; i < width; i++) square += (double)x[i] * (double)x[i];
    if (length > 0) assert_true(fabs(sqrt(square) - length) < 1e-4);
    check_row(x + at, want, 4);
    hst_result_free(r);
    hst_task_free(t);
}

static void test_embeddings(void **state) {
    (void)state;
    static const double mean[] = {-0.7968816161, 0.3962138891, -0.0473815762, -0.5109584332};
    static const double unit[] = {-0.0651959330, 0.0324157137, -0.0038764677, -0.0418034606};
    static const double cls[] = {-0.0562454084, 0.0242362320, -0.0091795353, -0.0180532448};
    static const double most[] = {-0.7138810158, 0.5323703885, 0.0666142851, -0.2291363627};
    folder f = make_folder();
    assert_int_equal(mkdir(in_folder(&f, "pooling.json"), 0700), 0);
    put(&f, "modules.json", MODULES(""));
    put(&f, "pooling.json/config.json", "{\"pooling_mode_mean_tokens\": true}");
    check_embedding(f.path, 384, 0, mean, 12.22287368);
    put(&f, "modules.json", MODULES(NORMALIZE));
    check_embedding(f.path, 384, 0, unit, 1);
    put(&f, "pooling.json/config.json", "{\"pooling_mode_cls_token\": true, \"pooling_mode_mean_tokens\": false}");
    check_embedding(f.path, 384, 0, cls, 1);
    put(&f, "modules.json", MODULES(""));
    put(&f, "pooling.json/config.json", "{\"pooling_mode_max_tokens\": true, \"pooling_mode_mean_tokens\": true}");
    check_embedding(f.path, 768, 0, most, 0);
    check_embedding(f.path, 768, 384, mean, 0);

    /* max_seq_length of sentence_bert_config.json, and what cannot be done. */
    hst_task *t;
    hst_error err;
    hst_string text = string("one two three four five six seven eight");
    put(&f, "sentence_bert_config.json", "{\"max_seq_length\": 5, \"do_lower_case\": false}");
    t = open_task(f.path, NULL, NULL);
    hst_result *r = run(t, 1, &text, NULL);
    assert_int_equal(hst_result_tokens(r, 0), 5);
    hst_result_free(r);
    hst_task_free(t);
    put(&f, "modules.json", "[{\"path\": \"\", \"type\": \"sentence_transformers.models.Dense\"}]");
    assert_int_equal(hst_task_open(f.path, "sentence-embedding", NULL, &t, &err), HST_STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "Dense"));
    put(&f, "modules.json", "[{\"path\": \"../..\", \"type\": \"sentence_transformers.models.Pooling\"}]");
    assert_int_not_equal(hst_task_open(f.path, NULL, NULL, &t, &err), HST_STATUS_OK);
    put(&f, "modules.json", "[");
    assert_int_equal(hst_task_open(f.path, NULL, NULL, &t, &err), HST_STATUS_BAD_FORMAT);
    remove_folder(&f);
}

/* ---- what stops a run, and what is no task ---- */

/* Option structs whose size was not set would be ignored: they are refused, wherever they stand. */
static void test_options(void **state) {
    (void)state;
    const hst_model_options model = {.optimization = 1};
    const hst_session_options session = {.threads = 1};
    const hst_run_options run_options = {.deadline_ns = 1};
    const hst_task_options unset = {.top_k = 2};
    hst_task_options with_model = HST_INIT(hst_task_options), with_session = with_model;
    with_model.model = &model;
    with_session.session = &session;
    const hst_task_options *const refused[] = {&unset, &with_model, &with_session};
    hst_task *t;
    hst_result *r;
    hst_error err;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(hst_task_open(MODEL, NULL, refused[i], &t, &err), HST_STATUS_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, "HST_INIT"));
    }
    const hst_string text = {"Fine.", 5};
    assert_int_equal(hst_task_open(MODEL, NULL, NULL, &t, &err), HST_STATUS_OK);
    assert_int_equal(hst_task_run_texts(t, 1, &text, NULL, &run_options, &r, &err), HST_STATUS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "HST_INIT"));
    hst_task_free(t);
}

static void test_stops(void **state) {
    (void)state;
    hst_string text = string("A wonderful film!");
    hst_task *t = open_task(MODEL, NULL, NULL);
    hst_result *r = NULL;
    hst_error err;
    int flag = 0;
    hst_run_options o = HST_INIT(hst_run_options);
    hst_cancel(&flag);
    o.cancel = &flag;
    assert_int_equal(hst_task_run_texts(t, 1, &text, NULL, &o, &r, &err), HST_STATUS_CANCELLED);
    o.cancel = NULL;
    o.deadline_ns = hst_clock_ns();
    assert_int_equal(hst_task_run_texts(t, 1, &text, NULL, &o, &r, &err), HST_STATUS_DEADLINE);
    o.deadline_ns = 0;
    o.memory_budget = 1000;
    assert_int_equal(hst_task_run_texts(t, 1, &text, NULL, &o, &r, &err), HST_STATUS_BUDGET);
    assert_null(r);
    r = run(t, 1, &text, NULL); /* the task works on */
    check_answer(r, 0, 0, "POSITIVE", 0.9925777316);
    hst_result_free(r);
    assert_int_equal(hst_task_run_texts(t, 1, NULL, NULL, NULL, &r, &err), HST_STATUS_INVALID_ARGUMENT);
    hst_task_free(t);
    assert_int_equal(hst_task_open(MODEL, "poetry", NULL, &t, &err), HST_STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "text-classification"));
    assert_int_equal(hst_task_open("/no/such/folder", NULL, NULL, &t, &err), HST_STATUS_NOT_FOUND);
    hst_task_free(NULL);
    hst_result_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_classification), cmocka_unit_test(test_top_k),
                                       cmocka_unit_test(test_pair),           cmocka_unit_test(test_long_and_broken),
                                       cmocka_unit_test(test_batches),        cmocka_unit_test(test_feature_extraction),
                                       cmocka_unit_test(test_problem_types),  cmocka_unit_test(test_embeddings),
                                       cmocka_unit_test(test_options),        cmocka_unit_test(test_stops)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
