/* Memory of the process, as the system counts it: after a large request it goes back when small ones follow, a stated
 * budget bounds it, and what a caller still holds of an earlier run is never written again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hasten.h"
#include "onnx/onnx.h"

#define MODEL      HASTEN_SOURCE_DIR "/models/sentiment"
#define MIB        ((uint64_t)1 << 20)
#define SMALL_RUNS 18 /* the 16 of hasten.h, and one that the plans change in */

/* Sanitizers and valgrind keep what is freed, and are slow: there the session's own count is all that is checked. */
#if defined(HASTEN_SANITIZE_ADDRESS) || defined(HASTEN_SANITIZE_THREAD) || defined(HASTEN_SANITIZE_MEMORY)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static bool peak_stays; /* the system does not let us begin anew */

static bool watched(void) {
    const char *preload = getenv("LD_PRELOAD");
    return SANITIZED || (preload && strstr(preload, "vgpreload")) || peak_stays;
}

static uint64_t resident(void) {
    unsigned long long all = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    if (fscanf(f, "%llu %llu", &all, &pages) != 2) pages = 0;
    fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t peak(void) {
    unsigned long long kb = 0;
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %llu", &kb) == 1) break;
    fclose(f);
    return (uint64_t)kb << 10;
}

/* What is resident; peak() tells the most from now on. */
static uint64_t reset_peak(void) {
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f) {
        fputs("5", f);
        fclose(f);
    }
    const uint64_t now = resident();
    peak_stays = peak() > now + MIB;
    return now;
}

/* What a request took and what is left of it: at most an eighth, and what the C library keeps. */
static void check_back(const char *what, hst_session *s, uint64_t before, uint64_t during, uint64_t held) {
    uint64_t most = 0, now = hst_session_memory(s, &most), after = resident();
    if (now * 4 > most) fail_msg("%s: the session holds %zu of %zu bytes", what, (size_t)now, (size_t)most);
    if (watched()) {
        print_message("%s: resident memory is not what it seems here, the session's own count was checked\n", what);
        return;
    }
    print_message("%s: %.1f MiB before, %.1f during, %.1f after; the session %.1f, at most %.1f\n", what,
                  (double)before / MIB, (double)during / MIB, (double)after / MIB, (double)now / MIB,
                  (double)most / MIB);
    if (during < before + most / 2) fail_msg("%s: the large request took no memory", what);
    if (after > before + held + (during - before) / 8 + 2 * MIB)
        fail_msg("%s: %zu KiB before, %zu during, %zu after", what, (size_t)before >> 10, (size_t)during >> 10,
                 (size_t)after >> 10);
}

/* ---- an encoder ---- */

static hst_status encode(hst_session *s, int64_t rows, int64_t length, hst_error *err) {
    static const char *const names[] = {"input_ids", "attention_mask"};
    hst_tensor *in[2], *out = NULL;
    for (int i = 0; i < 2; i++)
        assert_int_equal(hst_tensor_new(HST_DTYPE_S64, 2, (int64_t[]){rows, length}, NULL, &in[i], NULL), 0);
    for (int64_t i = 0; i < rows * length; i++) { /* few words: reading the table of words takes memory too */
        ((int64_t *)hst_tensor_data(in[0]))[i] = 1000 + i % 64;
        ((int64_t *)hst_tensor_data(in[1]))[i] = 1;
    }
    hst_status status = hst_session_run(s, 2, names, (const hst_tensor *const *)in, 1, NULL, &out, NULL, err);
    hst_tensor_free(out);
    for (int i = 0; i < 2; i++) hst_tensor_free(in[i]);
    return status;
}

static hst_model *open_encoder(void) {
    hst_model *m = NULL;
    hst_error err = {0};
    if (hst_model_load(MODEL, NULL, &m, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    return m;
}

static void test_encoder(void **state) {
    (void)state;
    hst_model *m = open_encoder();
    hst_session *s;
    hst_error err = {0};
    assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
    for (int i = 0; i < 2; i++) assert_int_equal(encode(s, 1, i ? 32 : 512, &err), HST_STATUS_OK);
    assert_int_equal(hst_session_trim(s, &err), HST_STATUS_OK);
    for (int i = 0; i < 2; i++) assert_int_equal(encode(s, 1, 32, &err), HST_STATUS_OK);
    uint64_t before = reset_peak();
    assert_int_equal(encode(s, watched() ? 8 : 64, 512, &err), HST_STATUS_OK);
    uint64_t during = peak();
    for (int i = 0; i < SMALL_RUNS; i++) assert_int_equal(encode(s, 1, 32, &err), HST_STATUS_OK);
    check_back("64 texts of 512 tokens", s, before, during, 0);
    hst_session_free(s);
    hst_model_free(m);
}

/* Pages from the system and back to it: the C library keeps some of what is freed, and more of what grows. */
static void *map(void *user, size_t size, size_t align) {
    (void)user;
    (void)align; /* at most a page */
    void *p = mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void unmap(void *user, void *memory, size_t size) {
    (void)user;
    if (memory) munmap(memory, size ? size : 1);
}

/* Larger and larger requests until one is refused: none passes the budget, the refused one neither. */
static void test_budget(void **state) {
    (void)state;
    const uint64_t budget = 32 * MIB;
    const hst_allocator pages = {NULL, map, unmap};
    hst_model *m = open_encoder();
    hst_session_options o = HST_INIT(hst_session_options);
    hst_session *s;
    hst_error err = {0};
    o.memory_budget = budget;
    o.allocator = &pages;
    assert_int_equal(hst_session_new(m, &o, &s, &err), HST_STATUS_OK);
    assert_int_equal(encode(s, 1, 512, &err), HST_STATUS_OK);
    assert_int_equal(hst_session_trim(s, &err), HST_STATUS_OK);
    uint64_t before = reset_peak(), most = 0;
    hst_status status = HST_STATUS_OK;
    int64_t rows = 1;
    for (; status == HST_STATUS_OK && rows < 64; rows++) status = encode(s, rows, 512, &err);
    assert_int_equal(status, HST_STATUS_BUDGET);
    assert_int_equal(encode(s, 64, 512, &err), HST_STATUS_BUDGET);
    assert_true(rows > 3);
    hst_session_memory(s, &most);
    assert_true(most <= budget);
    assert_true(most > budget / 2);
    if (!watched()) {
        uint64_t grown = peak() - before;
        print_message("a budget of %.0f MiB: grown by %.1f MiB at most, %d texts fit\n", (double)budget / MIB,
                      (double)grown / MIB, (int)rows - 2);
        if (grown > budget + 2 * MIB) fail_msg("grown by %zu KiB", (size_t)grown >> 10);
    }
    assert_int_equal(encode(s, 1, 512, &err), HST_STATUS_OK);
    hst_session_free(s);
    hst_model_free(m);
}

/* ---- lengths that only the data tell ---- */

static value *add(graph *g, const char *op_type, value *a, value *b, const char *name) {
    value *in[2] = {a, b}, *y = graph_add_value(g, name);
    assert_true(a && y && graph_add_node(g, "", op_type, name, in, b ? 2 : 1, &y, 1));
    return y;
}

/* x f32[], shape s64[k] -> t = Expand(x, shape) + x, y = the sum of products and roots of it, each a temporary. */
static hst_model *open_dynamic(void **data) {
    model *m = model_new(NULL);
    hst_model *out = NULL;
    hst_error err = {0};
    size_t size;
    assert_non_null(m);
    assert_int_equal(model_import_opset(m, "", 18, NULL), HST_STATUS_OK);
    value *x = graph_add_value(m->main, "x"), *shape = graph_add_value(m->main, "shape");
    x->type = (type){.dtype = HST_DTYPE_F32, .rank = 0};
    shape->type = (type){.dtype = HST_DTYPE_S64, .rank = 1, .dim = {dim_symbol(m, "k")}};
    assert_int_equal(graph_add_input(m->main, x, NULL), HST_STATUS_OK);
    assert_int_equal(graph_add_input(m->main, shape, NULL), HST_STATUS_OK);
    value *t = add(m->main, "Add", add(m->main, "Expand", x, shape, "e"), x, "t");
    value *c = add(m->main, "CumSum", t, add(m->main, "Size", add(m->main, "Shape", x, NULL, "r"), NULL, "axis"), "c");
    value *y = add(m->main, "ReduceSum", add(m->main, "Mul", c, t, "p"), NULL, "y");
    t->type = y->type = (type){.dtype = HST_DTYPE_F32, .rank = -1};
    assert_int_equal(graph_add_output(m->main, t, NULL), HST_STATUS_OK);
    assert_int_equal(graph_add_output(m->main, y, NULL), HST_STATUS_OK);
    if (onnx_write_memory(m, NULL, data, &size, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    model_free(m);
    if (hst_model_load_memory(*data, size, NULL, &out, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    return out;
}

/* t, which the caller frees. */
static hst_tensor *grow(hst_session *s, float x, int64_t rows, int64_t columns) {
    hst_tensor *in[2], *out[2] = {0};
    hst_error err = {0};
    assert_int_equal(hst_tensor_new_copy(HST_DTYPE_F32, 0, NULL, &x, sizeof x, NULL, &in[0], &err), 0);
    assert_int_equal(
        hst_tensor_new_copy(HST_DTYPE_S64, 1, (int64_t[]){2}, (int64_t[]){rows, columns}, 16, NULL, &in[1], &err), 0);
    if (hst_session_run(s, 2, NULL, (const hst_tensor *const *)in, 2, NULL, out, NULL, &err) != HST_STATUS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(hst_tensor_count(out[0]), rows * columns);
    hst_tensor_free(out[1]);
    for (int i = 0; i < 2; i++) hst_tensor_free(in[i]);
    return out[0];
}

static void check_all(const hst_tensor *t, float want) {
    const float *at = hst_tensor_view(t);
    for (int64_t i = 0; i < hst_tensor_count(t); i++)
        if (at[i] != want) fail_msg("element %lld is %g instead of %g", (long long)i, (double)at[i], (double)want);
}

static void test_dynamic(void **state) {
    (void)state;
    void *data;
    hst_model *m = open_dynamic(&data);
    hst_session *s;
    hst_error err = {0};
    assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
    for (int i = 0; i < 2; i++) hst_tensor_free(grow(s, 1, 3, 5));
    uint64_t before = reset_peak();
    hst_tensor *held = grow(s, 3, 1000, 256); /* the caller's from now on */
    hst_tensor_free(grow(s, 2, 5000, 2000));
    uint64_t during = peak();
    for (int i = 0; i < SMALL_RUNS; i++) {
        hst_tensor *t = grow(s, (float)i, 3, 5);
        check_all(t, (float)(2 * i));
        hst_tensor_free(t);
        hst_tensor_free(grow(s, 5, 1000 + i % 3, 256)); /* of the same size as what is held */
    }
    check_all(held, 6);
    for (int i = 0; i < SMALL_RUNS; i++) hst_tensor_free(grow(s, 1, 3, 5));
    check_back("shapes from the data", s, before, during, 1000 * 256 * 4);
    hst_session_free(s); /* held outlives its session */
    hst_model_free(m);
    check_all(held, 6);
    hst_tensor_free(held);
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_budget), cmocka_unit_test(test_encoder),
                                       cmocka_unit_test(test_dynamic)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
