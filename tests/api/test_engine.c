/* Compiled models: the same bits as their sources for every architecture and export there is, tasks and tokenizers from
 * the one file, processes that share it. */
#include "api/engine_files.h"

#include <dirent.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/section_file.h"

/* ---- the same bits ---- */

static void compare_source(const char *source) {
    char path[128];
    hst_error err = {0};
    path_of(path, "same.hst");
    hst_model *m = load(source, &err);
    if (!m) fail_msg("%s: %s", source, err.message);
    if (hst_model_compile(m, path, NULL, &err) != HST_STATUS_OK) fail_msg("%s: %s", source, err.message);
    hst_model *compiled = load(path, &err);
    if (!compiled) fail_msg("%s: %s", source, err.message);
    compare(source, m, compiled);
    hst_model_free(compiled);
    hst_model_free(m);
    if (hst_engine_verify(path, &err) != HST_STATUS_OK) fail_msg("%s: %s", source, err.message);
}

/* All entries of a folder that end so. */
static int compare_folder(const char *in, const char *ending) {
    char path[512];
    int n = 0;
    DIR *d = opendir(in);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        size_t size = strlen(e->d_name);
        if (e->d_name[0] == '.' || size < strlen(ending) || strcmp(e->d_name + size - strlen(ending), ending) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", in, e->d_name);
        compare_source(path);
        n++;
    }
    closedir(d);
    return n;
}

static void compiled_exports_have_the_same_bits(void **state) {
    (void)state;
    assert_true(compare_folder(EXPORTS, ".onnx") >= 30);
}

static void compiled_checkpoints_have_the_same_bits(void **state) {
    (void)state;
    assert_true(compare_folder(ARCHS, "") >= 15);
}

/* ---- 8-bit rows ---- */

static void note_rows(void *user, const char *pass, const char *text) {
    if (strcmp(pass, "quantised_rows") == 0 && !strstr(text, "nothing to do")) *(bool *)user = true;
}

/* Rows that are rounded where they are normalised are three outputs more of a layer and two inputs more of the next. */
static void compiled_rows_of_8_bits_have_the_same_bits(void **state) {
    (void)state;
    char path[128], written[128];
    hst_error err = {0};
    hst_model_options o = HST_INIT(hst_model_options);
    hst_model *m, *compiled, *standard;
    bool rounded = false;
    path_of(path, "rows.hst");
    path_of(written, "rows.onnx");
    o.quantization = HST_QUANTIZATION_INT8;
    o.explain = note_rows;
    o.explain_user = &rounded;
    assert_int_equal(hst_model_load(SENTIMENT, &o, &m, &err), HST_STATUS_OK);
    assert_true(rounded);
    if (hst_model_compile(m, path, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    rounded = false;
    if (hst_model_load(path, &o, &compiled, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    assert_false(rounded); /* it was when it was compiled */
    compare("rows of 8 bits", m, compiled);
    if (hst_model_export_onnx(compiled, written, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    if (!(standard = load(written, &err))) fail_msg("%s", err.message);
    hst_tensor *x[16], *y[16]; /* sums in another order: the bits may differ, and a row's rounding with them */
    assert_int_equal(run(compiled, x), HST_STATUS_OK);
    assert_int_equal(run(standard, y), HST_STATUS_OK);
    assert_int_equal(hst_tensor_count(x[0]), hst_tensor_count(y[0]));
    for (int64_t i = 0; i < hst_tensor_count(x[0]); i++)
        assert_float_equal(((const float *)hst_tensor_view(x[0]))[i], ((const float *)hst_tensor_view(y[0]))[i], 0.02f);
    hst_tensor_free(x[0]);
    hst_tensor_free(y[0]);
    hst_model_free(standard);
    hst_model_free(compiled);
    hst_model_free(m);
}

/* ---- the embedded model: tasks, tokenizer, labels ---- */

static const char *const texts[] = {"I love it", "Two hours of my life that I will never get back.", "",
                                    "Unaffable naïve café 北京 [MASK] x\xff y"};

static hst_string string(const char *s) {
    return (hst_string){s, strlen(s)};
}

static void compare_tokenizers(const hst_tokenizer *a, const hst_tokenizer *b) {
    hst_encoding *x, *y;
    assert_int_equal(hst_encoding_new(NULL, &x, NULL), HST_STATUS_OK);
    assert_int_equal(hst_encoding_new(NULL, &y, NULL), HST_STATUS_OK);
    assert_int_equal(hst_tokenizer_vocab_size(a), hst_tokenizer_vocab_size(b));
    assert_int_equal(hst_tokenizer_id_limit(a), hst_tokenizer_id_limit(b));
    assert_int_equal(hst_tokenizer_max_length(a), hst_tokenizer_max_length(b));
    for (int32_t id = -1; id <= hst_tokenizer_id_limit(a); id++) {
        const char *s = hst_tokenizer_token(a, id), *t = hst_tokenizer_token(b, id);
        assert_true(!s == !t);
        if (!s) continue;
        assert_string_equal(s, t);
        assert_int_equal(hst_tokenizer_id(a, s), hst_tokenizer_id(b, s));
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const hst_string pair = string(texts[(i + 1) % 4]);
        assert_int_equal(hst_tokenizer_encode(a, string(texts[i]), i % 2 ? &pair : NULL, NULL, x, NULL), HST_STATUS_OK);
        assert_int_equal(hst_tokenizer_encode(b, string(texts[i]), i % 2 ? &pair : NULL, NULL, y, NULL), HST_STATUS_OK);
        const size_t n = hst_encoding_count(x);
        assert_int_equal(n, hst_encoding_count(y));
        assert_memory_equal(hst_encoding_ids(x), hst_encoding_ids(y), n * sizeof(int32_t));
        assert_memory_equal(hst_encoding_type_ids(x), hst_encoding_type_ids(y), n * sizeof(int32_t));
        assert_memory_equal(hst_encoding_special_mask(x), hst_encoding_special_mask(y), n);
        assert_memory_equal(hst_encoding_offsets(x), hst_encoding_offsets(y), n * sizeof(hst_span));
        char *s, *t;
        assert_int_equal(hst_tokenizer_decode(a, hst_encoding_ids(x), n, true, &s, NULL, NULL), HST_STATUS_OK);
        assert_int_equal(hst_tokenizer_decode(b, hst_encoding_ids(x), n, true, &t, NULL, NULL), HST_STATUS_OK);
        assert_string_equal(s, t);
        hst_text_free(s);
        hst_text_free(t);
    }
    hst_encoding_free(x);
    hst_encoding_free(y);
}

static hst_task *open_task(const char *path, const char *name) {
    hst_task *t = NULL;
    hst_error err = {0};
    if (hst_task_open(path, name, NULL, &t, &err) != HST_STATUS_OK) fail_msg("%s: %s", path, err.message);
    return t;
}

static void compare_tasks(hst_task *a, hst_task *b) {
    hst_string in[4];
    hst_result *x, *y;
    hst_error err = {0};
    for (int i = 0; i < 4; i++) in[i] = string(texts[i]);
    assert_string_equal(hst_task_name(a), hst_task_name(b));
    compare_tokenizers(hst_task_tokenizer(a), hst_task_tokenizer(b));
    assert_int_equal(hst_task_run_texts(a, 4, in, NULL, NULL, &x, &err), HST_STATUS_OK);
    assert_int_equal(hst_task_run_texts(b, 4, in, NULL, NULL, &y, &err), HST_STATUS_OK);
    for (size_t i = 0; i < 4; i++) {
        char *s, *t;
        assert_int_equal(hst_result_json(x, i, &s, NULL), HST_STATUS_OK);
        assert_int_equal(hst_result_json(y, i, &t, NULL), HST_STATUS_OK);
        assert_string_equal(s, t);
        hst_text_free(s);
        hst_text_free(t);
    }
    hst_result_free(x);
    hst_result_free(y);
}

static void a_compiled_task_gives_the_same_answers(void **state) {
    (void)state;
    char path[128];
    path_of(path, "sentiment.hst");
    compile(SENTIMENT, path, NULL);
    hst_task *a = open_task(SENTIMENT, NULL), *b = open_task(path, NULL);
    compare_tasks(a, b);
    assert_string_equal(hst_model_label(hst_task_model(b), 0), "NEGATIVE");
    assert_string_equal(hst_model_config_json(hst_task_model(b)), hst_model_config_json(hst_task_model(a)));
    hst_task_free(a);
    hst_task_free(b);
    /* An engine is what it was compiled as. */
    hst_error err = {0};
    assert_int_equal(hst_task_open(path, "sentence-embedding", NULL, &b, &err), HST_STATUS_UNSUPPORTED);
}

/* The files that a task reads, and which task it is, travel along. */
static void an_embedding_model_is_one_when_compiled(void **state) {
    (void)state;
    char model[128], command[1024], path[128];
    path_of(model, "embedder");
    path_of(path, "embedder.hst");
    snprintf(command, sizeof command,
             "mkdir -p %s/1_Pooling && cp %s/* %s/ && echo '[{\"type\": \"a.Transformer\", \"path\": \"\"}, {\"type\": "
             "\"a.Pooling\", \"path\": \"1_Pooling\"}, {\"type\": \"a.Normalize\", \"path\": \"2_Normalize\"}]' > "
             "%s/modules.json && echo '{\"pooling_mode_max_tokens\": true, \"pooling_mode_cls_token\": true}' > "
             "%s/1_Pooling/config.json && echo '{\"max_seq_length\": 8}' > %s/sentence_bert_config.json",
             model, SENTIMENT, model, model, model, model);
    assert_int_equal(system(command), 0);
    hst_task *a = open_task(model, NULL);
    assert_string_equal(hst_task_name(a), "sentence-embedding");
    hst_error err = {0};
    if (hst_model_compile(hst_task_model(a), path, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    hst_task *b = open_task(path, NULL);
    compare_tasks(a, b);
    hst_task_free(b);
    hst_compile_options o = HST_INIT(hst_compile_options);
    o.task = "feature-extraction";
    assert_int_equal(hst_model_compile(hst_task_model(a), path, &o, &err), HST_STATUS_OK);
    b = open_task(path, NULL);
    assert_string_equal(hst_task_name(b), "feature-extraction");
    hst_task_free(b);
    hst_task_free(a);
}

static void tokenizers_of_both_kinds_travel_along(void **state) {
    (void)state;
    char path[128], model[128];
    hst_tokenizer *t;
    hst_error err = {0};
    for (int txt = 0; txt < 2; txt++) {
        hst_tokenizer *a, *b;
        make_tiny(path, txt);
        path_of(model, txt ? "tiny_txt" : "tiny_json");
        if (hst_tokenizer_load(model, NULL, &a, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
        if (hst_tokenizer_load(path, NULL, &b, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
        compare_tokenizers(a, b);
        hst_tokenizer_free(a);
        hst_tokenizer_free(b);
    }
    path_of(path, "same.hst"); /* of a model without one */
    compile(EXPORTS "/bert_seqcls_ts17_sdpa.onnx", path, NULL);
    assert_int_equal(hst_tokenizer_load(path, NULL, &t, &err), HST_STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "holds no tokenizer"));
}

/* ---- loading ---- */

static void an_engine_is_loaded_from_memory_too(void **state) {
    (void)state;
    char path[128], *bytes;
    size_t size;
    hst_error err = {0};
    make_tiny(path, false);
    hst_model *a = load(path, &err), *b;
    assert_int_equal(file_read(path, 1 << 24, &bytes, &size, NULL), HST_STATUS_OK);
    assert_int_equal(hst_model_load_memory(bytes, size, NULL, &b, &err), HST_STATUS_OK);
    compare("memory", a, b);
    hst_model_free(b);
    free(bytes);
    hst_model_options o = HST_INIT(hst_model_options);
    for (o.optimization = 1; o.optimization <= 3; o.optimization++) { /* it was rewritten when it was compiled */
        assert_int_equal(hst_model_load(path, &o, &b, &err), HST_STATUS_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, "would be ignored: compile it again"));
    }
    o.optimization = 0;
    o.flags = HST_MAP_COPY;
    assert_int_equal(hst_model_load(path, &o, &b, &err), HST_STATUS_OK);
    compare("copied", a, b);
    assert_int_equal(truncate(path, 1000), 0); /* the mapped one notices, the copy does not care */
    hst_session *s;
    assert_int_equal(hst_session_new(a, NULL, &s, &err), HST_STATUS_IO);
    assert_int_equal(hst_session_new(b, NULL, &s, &err), HST_STATUS_OK);
    hst_session_free(s);
    hst_model_free(a);
    hst_model_free(b);
}

/* ---- processes ---- */

static void processes_share_an_engine(void **state) {
    (void)state;
    char path[128];
    hst_error err = {0};
    pid_t children[4];
    make_tiny(path, false);
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] > 0) continue;
        hst_threads_set(1 + i % 2);
        for (int k = 0; k < 5; k++) {
            hst_tensor *out[16];
            hst_model *m = load(path, &err);
            if (!m || run(m, out) != HST_STATUS_OK) _exit(1);
            for (size_t j = 0; j < hst_model_output_count(m); j++) hst_tensor_free(out[j]);
            hst_model_free(m);
        }
        _exit(0);
    }
    compile(ARCHS "/distilbert_model", path, NULL); /* replaced by rename: whoever has it open keeps the old one */
    for (int i = 0; i < 4; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

#if !defined(HASTEN_SANITIZE_ADDRESS) && !defined(HASTEN_SANITIZE_THREAD) /* they keep a memory of their own */
#define MEMORY_IS_OURS
/* Kilobytes that this process held at most. */
static long peak_memory(void) {
    char line[128];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld", &kb) == 1) break;
    if (f) fclose(f);
    return kb;
}

/* The weights are there once: no second copy, packed or widened, is ever made. */
static void a_run_holds_the_weights_once(void **state) {
    (void)state;
    char path[128];
    int status;
    path_of(path, "sentiment.hst");
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) { /* compiling takes more than running: another process does it */
        hst_error err = {0};
        hst_model *m = load(SENTIMENT, &err);
        _exit(!m || hst_model_compile(m, path, NULL, &err) != HST_STATUS_OK);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if ((child = fork()) == 0) {
        hst_error err = {0};
        hst_tensor *out[16];
        section_file *f;
        section weights;
        const long before = peak_memory();
        hst_model *m = load(path, &err);
        if (!m || run(m, out) != HST_STATUS_OK) _exit(1);
        if (section_file_open(path, false, NULL, &f, NULL) != HST_STATUS_OK) _exit(2);
        if (section_file_get(f, "weights", &weights, NULL) != HST_STATUS_OK) _exit(2);
        _exit(peak_memory() - before > (long)(weights.size >> 10) + (16 << 10) ? 3 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
#ifdef MEMORY_IS_OURS
        cmocka_unit_test(a_run_holds_the_weights_once),
#endif
        cmocka_unit_test(processes_share_an_engine), /* forks: before there are threads */
        cmocka_unit_test(compiled_exports_have_the_same_bits),
        cmocka_unit_test(compiled_checkpoints_have_the_same_bits),
        cmocka_unit_test(compiled_rows_of_8_bits_have_the_same_bits),
        cmocka_unit_test(a_compiled_task_gives_the_same_answers),
        cmocka_unit_test(an_embedding_model_is_one_when_compiled),
        cmocka_unit_test(tokenizers_of_both_kinds_travel_along),
        cmocka_unit_test(an_engine_is_loaded_from_memory_too),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
