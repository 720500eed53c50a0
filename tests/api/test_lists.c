/* Sequences, maps and optionals through a whole model: its file, a session, an engine file, the memory budget. The
 * model is good/lists.onnx of tools/fixtures/onnx_cases.py: s sequence, x f32[n,2], m map, o optional -> end, begin: s
 * with x   has   same: m   maps: ZipMap(x)   words [1,2] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "hasten.h"

#define MODEL HASTEN_SOURCE_DIR "/tests/onnx/data/good/lists.onnx"

static const char *const in_names[] = {"s", "x", "m", "o"};
static const char *const out_names[] = {"end", "begin", "has", "same", "maps", "words"};
enum { END, BEGIN, HAS, SAME, MAPS, WORDS, OUTPUTS };

static hst_tensor *floats(int rank, const int64_t *dims, const float *x) {
    hst_tensor *t = NULL;
    size_t n = 1;
    for (int i = 0; i < rank; i++) n *= (size_t)dims[i];
    assert_int_equal(hst_tensor_new_copy(HST_DTYPE_F32, rank, dims, x, n * sizeof *x, NULL, &t, NULL), HST_STATUS_OK);
    return t;
}

/* s: one item of `rows` pairs; x [rows, 2]; m {"a": 1, "b": 2.5}; o: empty. */
static void make_inputs(int64_t rows, hst_tensor **in) {
    const int64_t two = 2, dims[2] = {rows, 2};
    const float values[2] = {1, 2.5f};
    const hst_string words[2] = {{"a", 1}, {"b", 1}};
    hst_tensor *keys, *value = floats(1, &two, values);
    float *x = calloc((size_t)rows * 2, sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < 2 * rows; i++) x[i] = (float)i;
    in[1] = floats(2, dims, x);
    free(x);
    assert_int_equal(hst_tensor_new_sequence(1, (const hst_tensor *const *)&in[1], NULL, &in[0], NULL), HST_STATUS_OK);
    assert_int_equal(hst_tensor_new_strings(1, &two, words, NULL, &keys, NULL), HST_STATUS_OK);
    assert_int_equal(hst_tensor_new_map(keys, value, NULL, &in[2], NULL), HST_STATUS_OK);
    assert_int_equal(hst_tensor_new_empty_optional(NULL, &in[3], NULL), HST_STATUS_OK);
    hst_tensor_free(keys);
    hst_tensor_free(value);
}

static void free_all(hst_tensor **t, int n) {
    for (int i = 0; i < n; i++) hst_tensor_free(t[i]);
    memset(t, 0, (size_t)n * sizeof *t);
}

static float element(const hst_tensor *t, int64_t i) {
    assert_int_equal(hst_tensor_dtype(t), HST_DTYPE_F32);
    assert_true(i < hst_tensor_count(t));
    return ((const float *)hst_tensor_view(t))[i];
}

static void check_outputs(hst_tensor *const *out) {
    assert_true(hst_tensor_count(out[END]) == 2 && hst_tensor_count(out[BEGIN]) == 2);
    assert_true(element(hst_tensor_item(out[END], 1), 3) == 3 && element(hst_tensor_item(out[BEGIN], 0), 3) == 3);
    assert_int_equal(*(const uint8_t *)hst_tensor_view(out[HAS]), 0);
    assert_int_equal(hst_tensor_dtype(out[SAME]), HST_DTYPE_MAP);
    const hst_string *words = hst_tensor_view(hst_tensor_item(out[SAME], 0));
    assert_true(words[1].size == 1 && words[1].data[0] == 'b' && element(hst_tensor_item(out[SAME], 1), 1) == 2.5f);
    assert_int_equal(hst_tensor_count(out[MAPS]), 2);
    const hst_tensor *map = hst_tensor_item(out[MAPS], 1);
    assert_int_equal(((const int64_t *)hst_tensor_view(hst_tensor_item(map, 0)))[0], 3);
    assert_true(element(hst_tensor_item(map, 1), 0) == 2 && element(hst_tensor_item(map, 1), 1) == 3);
    assert_true(element(out[WORDS], 0) == 2.5f && element(out[WORDS], 1) == 0);
}

static hst_status run(hst_session *s, hst_tensor *const *in, const hst_run_options *o, hst_tensor **out,
                      hst_error *err) {
    return hst_session_run(s, 4, in_names, (const hst_tensor *const *)in, OUTPUTS, out_names, out, o, err);
}

static hst_session *open_session(const char *path, hst_model **m) {
    hst_session *s = NULL;
    hst_error err = {0};
    if (hst_model_load(path, NULL, m, &err) != HST_STATUS_OK || hst_session_new(*m, NULL, &s, &err) != HST_STATUS_OK)
        fail_msg("%s: %s", path, err.message);
    return s;
}

static void test_file_and_engine(void **state) {
    (void)state;
    char path[] = "/tmp/hasten_lists_XXXXXX";
    const int fd = mkstemp(path);
    hst_tensor *in[4], *out[OUTPUTS] = {0};
    hst_error err = {0};
    assert_true(fd >= 0);
    close(fd);
    make_inputs(2, in);
    for (int compiled = 0; compiled < 2; compiled++) {
        hst_model *m = NULL;
        hst_session *s = open_session(compiled ? path : MODEL, &m);
        const hst_value_info *map = hst_model_input(m, 2), *maps = hst_model_output(m, MAPS);
        assert_true(map->dtype == HST_DTYPE_MAP && map->key == HST_DTYPE_STRING && map->element == HST_DTYPE_F32);
        assert_true(maps->dtype == HST_DTYPE_SEQUENCE && maps->key == HST_DTYPE_S64 && maps->element == HST_DTYPE_F32);
        assert_true(hst_model_input(m, 0)->dtype == HST_DTYPE_SEQUENCE && hst_model_input(m, 3)->may_be_empty);
        for (int k = 0; k < 3; k++) { /* a plan is made, then followed */
            if (run(s, in, NULL, out, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
            check_outputs(out);
            free_all(out, OUTPUTS);
        }
        if (!compiled && hst_model_compile(m, path, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
        hst_session_free(s);
        hst_model_free(m);
    }
    free_all(in, 4);
    unlink(path);
}

static void test_refused(void **state) {
    (void)state;
    hst_model *m = NULL;
    hst_session *s = open_session(MODEL, &m);
    hst_tensor *in[4], *out[OUTPUTS] = {0}, *given[4];
    hst_error err = {0};
    make_inputs(2, in);
    for (int i = 0; i < 4; i++) {
        memcpy(given, in, sizeof in);
        given[i] = in[i == 1 ? 2 : 1]; /* a tensor where a list is wanted, a map for a tensor */
        if (i == 3) continue;          /* an optional takes a tensor */
        assert_int_equal(run(s, given, NULL, out, &err), HST_STATUS_BAD_SHAPE);
    }
    memcpy(given, in, sizeof in);
    given[2] = in[0]; /* a sequence for a map */
    assert_int_equal(run(s, given, NULL, out, &err), HST_STATUS_BAD_SHAPE);
    free_all(in, 4);
    hst_session_free(s);
    hst_model_free(m);
}

/* Two sequences that fit each for itself do not fit together. */
static void test_budget(void **state) {
    (void)state;
    hst_model *m = NULL;
    hst_session *s = open_session(MODEL, &m);
    hst_tensor *in[4], *out[OUTPUTS] = {0};
    hst_error err = {0};
    hst_run_options o = HST_INIT(hst_run_options);
    make_inputs(1 << 14, in); /* x: 128 KiB; a sequence holds a copy of it, and shares the other item */
    o.memory_budget = 192 << 10;
    assert_int_equal(hst_session_run(s, 4, in_names, (const hst_tensor *const *)in, 1, out_names, out, &o, &err),
                     HST_STATUS_OK);
    free_all(out, OUTPUTS);
    assert_int_equal(hst_session_run(s, 4, in_names, (const hst_tensor *const *)in, 2, out_names, out, &o, &err),
                     HST_STATUS_BUDGET);
    o.memory_budget = 1 << 20;
    for (int k = 0; k < 8; k++) { /* what a run held does not count in the next */
        if (hst_session_run(s, 4, in_names, (const hst_tensor *const *)in, 2, out_names, out, &o, &err) !=
            HST_STATUS_OK)
            fail_msg("%s", err.message);
        free_all(out, OUTPUTS);
    }
    free_all(in, 4);
    hst_session_free(s);
    hst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_file_and_engine), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_budget)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
