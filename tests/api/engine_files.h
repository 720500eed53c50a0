/* What the tests of compiled models share: a folder, made-up inputs, a run, a tiny model with a tokenizer. */
#ifndef TESTS_API_ENGINE_FILES_H
#define TESTS_API_ENGINE_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "hasten.h"
#include "text/tiny.h"

#define EXPORTS   HASTEN_SOURCE_DIR "/tests/onnx/data/exports"
#define ARCHS     HASTEN_SOURCE_DIR "/tests/arch/data"
#define SENTIMENT HASTEN_SOURCE_DIR "/models/sentiment"

static char folder[64];

static inline int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/hasten_engine_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static inline void path_of(char to[128], const char *name) {
    snprintf(to, 128, "%s/%s", folder, name);
}

static inline hst_model *load(const char *path, hst_error *err) {
    hst_model *m = NULL;
    return hst_model_load(path, NULL, &m, err) == HST_STATUS_OK ? m : NULL;
}

static inline void compile(const char *source, const char *to, const hst_compile_options *o) {
    hst_error err = {0};
    hst_model *m = load(source, &err);
    if (!m || hst_model_compile(m, to, o, &err) != HST_STATUS_OK) fail_msg("%s: %s", source, err.message);
    hst_model_free(m);
}

enum { BATCH = 2, LENGTH = 7 };

/* Something that the input may be: small ids, a mask with padding in the second row. NULL where nothing can be. */
static inline hst_tensor *made_up(const hst_value_info *v) {
    int64_t dims[HST_RANK_MAX], count = 1;
    hst_tensor *wide, *t = NULL;
    for (int k = 0; k < v->rank; k++) {
        dims[k] = v->dims[k] >= 0 ? v->dims[k] : k ? LENGTH : BATCH;
        if (dims[k] > 1000 || (count *= dims[k]) > 100000) return NULL;
    }
    if (v->rank < 0 || hst_tensor_new(HST_DTYPE_S64, v->rank, dims, NULL, &wide, NULL) != HST_STATUS_OK) return NULL;
    int64_t *x = hst_tensor_data(wide);
    for (int64_t i = 0; i < hst_tensor_count(wide); i++)
        x[i] = strstr(v->name, "mask") ? i < LENGTH + 4 : strstr(v->name, "type") ? i % 2 : 3 + i * 5 % 17;
    if (hst_tensor_convert(wide, v->dtype, &t, NULL) != HST_STATUS_OK) t = NULL;
    hst_tensor_free(wide);
    return t;
}

static inline hst_status run(hst_model *m, hst_tensor **out) {
    hst_session *s;
    hst_tensor *in[8] = {0};
    const size_t n = hst_model_input_count(m), outputs = hst_model_output_count(m);
    hst_error err = {0};
    bool complete = n <= 8 && outputs <= 16;
    if (!complete || hst_session_new(m, NULL, &s, &err) != HST_STATUS_OK) return HST_STATUS_INVALID_ARGUMENT;
    for (size_t i = 0; i < n; i++) complete &= (in[i] = made_up(hst_model_input(m, i))) != NULL;
    for (size_t i = 0; i < outputs; i++) out[i] = NULL;
    hst_status status = complete
                            ? hst_session_run(s, n, NULL, (const hst_tensor *const *)in, outputs, NULL, out, NULL, &err)
                            : HST_STATUS_INVALID_ARGUMENT;
    for (size_t i = 0; i < n; i++) hst_tensor_free(in[i]);
    hst_session_free(s);
    return status;
}

static inline void compare(const char *name, hst_model *a, hst_model *b) {
    hst_tensor *x[16], *y[16];
    assert_int_equal(hst_model_input_count(a), hst_model_input_count(b));
    assert_int_equal(hst_model_output_count(a), hst_model_output_count(b));
    for (size_t i = 0; i < hst_model_output_count(a); i++)
        assert_string_equal(hst_model_output(a, i)->name, hst_model_output(b, i)->name);
    hst_status first = run(a, x), second = run(b, y);
    if (first != second) fail_msg("%s: %s, compiled: %s", name, hst_status_name(first), hst_status_name(second));
    if (first != HST_STATUS_OK) fail_msg("%s does not run", name);
    for (size_t i = 0; i < hst_model_output_count(a); i++) {
        assert_int_equal(hst_tensor_bytes(x[i]), hst_tensor_bytes(y[i]));
        if (memcmp(hst_tensor_view(x[i]), hst_tensor_view(y[i]), hst_tensor_bytes(x[i])) != 0)
            fail_msg("%s: output %zu has other bits when compiled", name, i);
        hst_tensor_free(x[i]);
        hst_tensor_free(y[i]);
    }
}

static inline void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* A tiny model with a tiny tokenizer: small enough to be damaged byte by byte. */
static inline void make_tiny(char to[128], bool vocab_txt) {
    char model[128], file[160];
    hst_compile_options o = HST_INIT(hst_compile_options);
    path_of(model, vocab_txt ? "tiny_txt" : "tiny_json");
    path_of(to, vocab_txt ? "tiny_txt.hst" : "tiny_json.hst");
    snprintf(file, sizeof file, "mkdir -p %s", model);
    assert_int_equal(system(file), 0);
    snprintf(file, sizeof file, "%s/%s", model, vocab_txt ? "vocab.txt" : "tokenizer.json");
    write_file(file, vocab_txt ? "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nlove\nit\ni\n##s\nfilm\n" : TINY);
    snprintf(file, sizeof file, "%s/tokenizer_config.json", model);
    write_file(file, TINY_CONFIG);
    if (vocab_txt) {
        snprintf(file, sizeof file, "%s/added_tokens.json", model);
        write_file(file, "{\"<new>\": 10, \"Other\": 11}");
    }
    o.folder = model;
    compile(ARCHS "/distilbert_model", to, &o);
}

#endif
