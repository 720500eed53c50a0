/* Models whose shapes depend on their data, and data that asks for too much: a session refuses before it allocates, within
 * its budget, and says the numbers. And work without end: a deadline ends it soon. Cases as in ops/case.h, written as
 * ONNX files and run through the public interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "hasten.h"
#include "onnx/onnx.h"
#include "ops/case.h"

#define BUDGET ((uint64_t)4 << 20)
#define SLACK  ((size_t)256 << 10) /* the session's own bookkeeping */

typedef struct hostile {
    const char *domain, *op;
    const char *text;
} hostile;

// clang-format off
static const hostile greedy[] = {
    {"", "Expand", "(f32[1]{0}, s64[2]{65536 65536}) -> (f32[1]{0})"},
    {"", "Tile", "(f32[2]{0}, s64[1]{4294967296}) -> (f32[1]{0})"},
    {"", "Pad", "(f32[2]{0}, s64[2]{4294967296 0}) -> (f32[1]{0})"},
    {"", "Pad", "(f32[2]{0}, s64[2]{4294967296 0}; mode=\"wrap\") -> (f32[1]{0})"},
    {"", "ConstantOfShape", "(s64[2]{65536 65536}) -> (f32[1]{0})"},
    {"", "Range", "(s64[]{0}, s64[]{4294967296}, s64[]{1}) -> (s64[1]{0})"},
    {"", "Range", "(f32[]{0}, f32[]{4e9}, f32[]{1}) -> (f32[1]{0})"},
    {"", "OneHot", "(s64[1]{0}, s64[]{4294967296}, f32[2]{0 1}) -> (f32[1]{0})"},
    {"", "OneHot", "(s64[9]{0}, s64[]{4294967296}, string[2]{\"a\" \"b\"}) -> (string[1]{\"a\"})"},
    {"", "Resize", "(f32[1,1,2,2]{0}, _, f32[4]{1 1 60000 60000}; mode=\"nearest\") -> (f32[1]{0})"},
    {"", "Resize", "(f32[1,1,2,2]{0}, _, _, s64[4]{1 1 100000 100000}; mode=\"cubic\") -> (f32[1]{0})"},
    {"", "Gather", "(f32[1,100000]{0}, s64[1000]{0}) -> (f32[1]{0})"},
    {"", "Gather", "(string[1,1]{\"abcdefghijklmnopqrstuvwxyz\"}, s64[300000]{0}) -> (string[1]{\"a\"})"},
    {"", "GatherND", "(f32[1,100000]{0}, s64[1000,1]{0}) -> (f32[1]{0})"},
    {"", "NonZero", "(b8[30,30,30,30]{1}) -> (s64[1]{0})"},
    {"", "Einsum", "(f32[10000]{0}, f32[10000]{0}; equation=\"i,j->ij\") -> (f32[1]{0})"},
    {"", "MatMul", "(f32[10000,1]{0}, f32[1,10000]{0}) -> (f32[1]{0})"},
    {"", "Add", "(f32[10000,1]{0}, f32[1,10000]{0}) -> (f32[1]{0})"},
    {"", "Where", "(b8[10000,1]{1}, f32[1,10000]{0}, f32[1]{0}) -> (f32[1]{0})"},
    {"", "StringConcat", "(string[3000,1]{\"abc\"}, string[1,3000]{\"abc\"}) -> (string[1]{\"a\"})"},
    {"", "Conv", "(f32[1,1,1,1]{0}, f32[1,1,1,1]{0}; pads=[100000,100000,100000,100000]) -> (f32[1]{0})"},
    {"", "ConvTranspose", "(f32[1,1,2,2]{0}, f32[1,1,1,1]{0}; strides=[100000,100000]) -> (f32[1]{0})"},
    {"", "MaxUnpool", "(f32[1,1,1,1]{0}, s64[1,1,1,1]{0}, s64[4]{1 1 100000 100000}; kernel_shape=[1,1]) -> (f32[1]{0})"},
    {"", "AffineGrid", "(f32[1,2,3]{0}, s64[4]{1 1 100000 100000}) -> (f32[1]{0})"},
    {"", "Col2Im", "(f32[1,1,4]{0}, s64[2]{100001 100001}, s64[2]{1 1}; strides=[100000,100000]) -> (f32[1]{0})"},
    {"", "CenterCropPad", "(f32[1]{0}, s64[1]{4294967296}) -> (f32[1]{0})"},
    {"", "DFT", "(f32[1,2,1]{0}, s64[]{268435456}) -> (f32[1]{0})"},
    {"", "HannWindow", "(s64[]{4294967296}) -> (f32[1]{0})"},
    {"", "MelWeightMatrix", "(s64[]{100000}, s64[]{100000}, s64[]{8000}, f32[]{0}, f32[]{4000}) -> (f32[1]{0})"},
    {"", "RandomNormal", "(; shape=[100000,100000]) -> (f32[1]{0})"},
    {"", "RandomUniform", "(; shape=[100000,100000]) -> (f32[1]{0})"},
    {"", "Multinomial", "(f32[1,2]{0.5}; sample_size=1073741824) -> (s32[1]{0})"},
    {"", "Concat", "(f32[700000]{0}, f32[700000]{0}; axis=0) -> (f32[1]{0})"},
    {"", "SplitToSequence", "(f32[200000]{0}, s64[]{1}) -> (seq{})"},
    {"", "ConcatFromSequence", "(seq{f32[700000]{0}, f32[700000]{0}}; axis=0) -> (f32[1]{0})"},
    {"", "SequenceConstruct", "(f32[700000]{0}, f32[700000]{0}) -> (seq{})"},
    {"", "CastLike", "(f32[1000000]{0}, f64[]{0}) -> (f64[1]{0})"},
    {"", "Cast", "(f32[100000]{0.123456}; to=8) -> (string[1]{\"\"})"},
    {"", "Loop", "(s64[]{9223372036854775807}, b8[]{1}, f32[1]{1}; body=graph{(i, c, s) t = Concat(s, s; axis=0); -> (c, t)}) -> (f32[1]{0})"},
    {"", "Loop", "(s64[]{9223372036854775807}, b8[]{1}, f32[1]{1}; body=graph{(i, c, s) -> (c, s, s)}) -> (f32[1]{0}, f32[1]{0})"},
    {"", "Loop", "(s64[]{9223372036854775807}, b8[]{1}, string[1]{\"ab\"}; body=graph{(i, c, s) t = StringConcat(s, s); -> (c, t)}) -> (string[1]{\"\"})"},
    {"", "Loop", "(s64[]{9223372036854775807}, b8[]{1}, seq{f32[1000]{0}}, f32[1000]{0}; body=graph{(i, c, s, x) t = SequenceInsert(s, x); -> (c, t, x)}) -> (seq{}, f32[1]{0})"},
    {"", "Loop", "(s64[]{9223372036854775807}, b8[]{1}, string[1]{\"ab\"}; body=graph{(i, c, s) -> (c, s, s)}) -> (string[1]{\"\"}, string[1]{\"\"})"},
    {"", "Loop", "(s64[]{3}, b8[]{1}, s64[1]{1000000}; body=graph{(i, c, s) k = ConstantOfShape(s); q = SequenceConstruct(k, k); -> (c, s)}) -> (s64[1]{0})"},
    {"", "Scan", "(f32[2000,1]{0}; num_scan_inputs=1, body=graph{(a) s = Constant(; value_ints=[1000]); y = Expand(a, s); -> (y)}) -> (f32[1]{0})"},
    {"", "If", "(b8[]{1}; then_branch=graph{() s = Constant(; value_ints=[65536,65536]); a = ConstantOfShape(s); -> (a)}, else_branch=graph{() b = Constant(; value=f32[1]{1}); -> (b)}) -> (f32[1]{0})"},
    {"", "SequenceMap", "(seq{s64[1]{900000}, s64[1]{900000}}; body=graph{(a) b = ConstantOfShape(a); -> (b)}) -> (seq{})"},
    {0},
};

static const hostile endless[] = {
    {"", "Loop", "(s64[]{4611686018427387904}, b8[]{1}, f32[1]{1}; body=graph{(i, c, s) t = Neg(s); -> (c, t)}) -> (f32[1]{0})"},
    {"", "Loop", "(s64[]{4611686018427387904}, b8[]{1}; body=graph{(i, c) -> (c, c)}) -> (b8[1]{0})"},
    {"", "Loop", "(s64[]{4611686018427387904}, b8[]{1}, s64[]{4611686018427387904}; body=graph{(i, c, m) d = Loop(m, c, m; body=graph{(j, e, n) -> (e, n)}); -> (c, d)}) -> (s64[1]{0})"},
    {"", "Scan", "(f32[1]{0}, f32[1000000,1]{0}; num_scan_inputs=1, body=graph{(s, a) t = Add(s, a); u = Add(t, a); v = Sub(u, a); -> (v)}) -> (f32[1]{0})"},
    {"", "NonMaxSuppression", "(f32[1,60000,4]{0.1 0.2 0.3 0.4 0.5 0.61 0.72 0.83 0.94 1.05 1.2}, f32[1,1,60000]{0.5 0.25 0.75}, s64[]{60000}, f32[]{0.999}) -> (s64[1]{0})"},
    {"", "Einsum", "(f32[30,30,30]{1}, f32[30,30,30]{1}; equation=\"abc,def->\") -> (f32[]{0})"},
    {"", "Einsum", "(f64[100,100]{1}, f64[100,100]{1}, f64[100,100]{1}; equation=\"ab,cd,ef->\") -> (f64[]{0})"},
    {"", "MatMul", "(f64[1000,1000]{1}, f64[1000,1000]{1}) -> (f64[1]{0})"},
    {"", "MatMul", "(s64[1000,1000]{1}, s64[1000,1000]{1}) -> (s64[1]{0})"},
    {"", "Conv", "(f64[1,4,400,400]{1}, f64[4,4,101,101]{1}; pads=[50,50,50,50]) -> (f64[1]{0})"},
    {"", "Conv", "(f32[1,4,400,400]{1}, f32[4,4,101,101]{1}; pads=[50,50,50,50]) -> (f32[1]{0})"},
    {"", "ConvTranspose", "(f32[1,4,400,400]{1}, f32[4,4,101,101]{1}) -> (f32[1]{0})"},
    {"", "Conv", "(f32[1,16,250,250]{1}, f32[16,1,81,81]{1}; group=16, pads=[40,40,40,40]) -> (f32[1]{0})"},
    {"", "MaxPool", "(f32[1,4,400,400]{1}; kernel_shape=[201,201]) -> (f32[1]{0})"},
    {"", "MaxPool", "(f32[1,1,400000]{1}; kernel_shape=[200001]) -> (f32[1]{0})"},
    {"", "AveragePool", "(f32[1,4,400,400]{1}; kernel_shape=[201,201]) -> (f32[1]{0})"},
    {"", "LpPool", "(f32[1,4,400,400]{1}; kernel_shape=[201,201], p=3) -> (f32[1]{0})"},
    {"", "ConvInteger", "(u8[1,4,400,400]{1}, u8[4,4,101,101]{1}; pads=[50,50,50,50]) -> (s32[1]{0})"},
    {"", "QLinearConv", "(u8[1,4,400,400]{1}, f32[]{1}, u8[]{0}, u8[4,4,101,101]{1}, f32[]{1}, u8[]{0}, f32[]{1}, u8[]{0}; pads=[50,50,50,50]) -> (u8[1]{0})"},
    {"", "Det", "(f32[1000,1000]{1 2 3 4 5 6 7}) -> (f32[]{0})"},
    {"", "DFT", "(f32[1,600011,1]{1}, _, s64[]{1}) -> (f32[1]{0})"},
    {"", "TopK", "(f32[1000000]{1 5 3 2 8 1 9 4}, s64[1]{1000000}) -> (f32[1]{0}, s64[1]{0})"},
    {"", "LSTM", "(f32[16000,1,64]{0.1}, f32[1,1024,64]{0.1}, f32[1,1024,256]{0.1}; hidden_size=256) -> (f32[1]{0})"},
    {"", "Attention", "(f64[1,4,4000,64]{0.1}, f64[1,4,4000,64]{0.1}, f64[1,4,4000,64]{0.1}) -> (f64[1]{0})"},
    {"", "GridSample", "(f32[1,1,100,100]{1}, f32[1,700,700,2]{0.1}; mode=\"cubic\") -> (f32[1]{0})"},
    {"", "Resize", "(f32[1,1,1000,1000]{1}, _, _, s64[4]{1 1 2500 2500}; mode=\"cubic\", antialias=1) -> (f32[1]{0})"},
    {"", "Unique", "(f32[1000000]{1 5 3 2 8 1 9 4}) -> (f32[1]{0})"},
    {"", "Unique", "(f32[1000,1000]{1 5 3 2 8 1 9}; axis=0) -> (f32[1]{0})"},
    {"", "CumSum", "(f32[1000,1000]{1}, s64[]{0}) -> (f32[1]{0})"},
    {"", "RegexFullMatch", "(string[2000]{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}; pattern=\"(a|a|aa)+(a|aa)+b\") -> (b8[1]{0})"},
    {"com.microsoft", "Tokenizer", "(string[200000]{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}; tokenexp=\"(a|aa|b)*a*[cd]\", mincharnum=1, pad_value=\"\", mark=0) -> (string[1,1]{\"\"})"},
    {"", "TfIdfVectorizer", "(s64[1000000]{1}; mode=\"TF\", min_gram_length=1, max_gram_length=3, max_skip_count=1000, pool_int64s=[1,2,1,1], ngram_counts=[0,2], ngram_indexes=[0,1,2]) -> (f32[1]{0})"},
    {"", "DeformConv", "(f32[1,64,100,100]{1}, f32[64,64,7,7]{1}, f32[1,98,94,94]{0}) -> (f32[1]{0})"},
    {"", "ScatterND", "(f32[1]{0}, s64[1000000,1]{0}, f32[1000000]{1}) -> (f32[1]{0})"},
    {"", "Bernoulli", "(f32[1000000]{0.5}) -> (f32[1]{0})"},
    {"", "RandomNormal", "(; shape=[30000000]) -> (f32[1]{0})"},
    {"", "LRN", "(f32[1,1000,30,30]{1}; size=999) -> (f32[1]{0})"},
    {"", "RoiAlign", "(f32[1,64,50,50]{1}, f32[1,4]{0 0 40 40}, s64[1]{0}; output_height=50, output_width=50, sampling_ratio=200) -> (f32[1]{0})"},
    {"", "ReduceLogSumExp", "(f64[1000,1000]{1}) -> (f64[1]{0})"},
    {"", "Gelu", "(f64[1000000]{1}) -> (f64[1]{0})"},
    {0},
};
// clang-format on

/* ---- running a case ---- */

typedef struct watched {
    size_t live, most;
} watched;

static void *watched_alloc(void *user, size_t size, size_t align) {
    watched *w = user;
    size_t live = __atomic_add_fetch(&w->live, size, __ATOMIC_RELAXED);
    if (live > w->most) w->most = live;
    return memory_alloc(NULL, size, align);
}

static void watched_free(void *user, void *memory, size_t size) {
    watched *w = user;
    __atomic_sub_fetch(&w->live, size, __ATOMIC_RELAXED);
    memory_free(NULL, memory, size);
}

typedef struct fixture {
    case_model c;
    hst_model *model;
    const hst_tensor *in[16];
    size_t n_in, n_out;
} fixture;

static fixture open_case(const hostile *h) {
    fixture f = {.model = NULL};
    hst_error err = {0};
    const op *o = op_find(h->domain, h->op, CASE_OPSET);
    const op_case text = {.name = h->op, .text = h->text};
    void *data;
    size_t size;
    if (!o) fail_msg("there is no %s", h->op);
    if (case_parse(o, &text, &f.c, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    for (int i = 0; i < f.c.n_in; i++)
        if (f.c.in[i]) f.in[f.n_in++] = f.c.in[i];
    for (int i = 0; i < f.c.model->main->n_inputs; i++) { /* nothing can be told from the file */
        type *t = &f.c.model->main->inputs[i]->type;
        if (!tensor_is_list(f.in[i])) t->rank = -1;
    }
    for (int i = 0; i < f.c.model->main->n_outputs; i++) f.c.model->main->outputs[i]->type = (type){.rank = -1};
    if (onnx_write_memory(f.c.model, NULL, &data, &size, &err) != HST_STATUS_OK) fail_msg("%s: %s", h->op, err.message);
    if (hst_model_load_memory(data, size, NULL, &f.model, &err) != HST_STATUS_OK)
        fail_msg("%s %s\n  %s", h->op, h->text, err.message);
    free(data);
    f.n_out = hst_model_output_count(f.model);
    return f;
}

static void close_case(fixture *f) {
    hst_model_free(f->model);
    case_free(&f->c);
}

static hst_status run_case(fixture *f, hst_session *s, const hst_run_options *o, hst_error *err) {
    hst_tensor *out[16] = {0};
    hst_status status = hst_session_run(s, f->n_in, NULL, f->in, f->n_out, NULL, out, o, err);
    for (size_t i = 0; i < f->n_out; i++) hst_tensor_free(out[i]);
    return status;
}

static void test_greedy(void **state) {
    (void)state;
    int wrong = 0;
    for (const hostile *h = greedy; h->op; h++) {
        fixture f = open_case(h);
        watched w = {0};
        const hst_allocator a = {&w, watched_alloc, watched_free};
        hst_session_options o = HST_INIT(hst_session_options);
        hst_session *s = NULL;
        hst_error err = {0};
        o.allocator = &a;
        o.memory_budget = BUDGET;
        assert_int_equal(hst_session_new(f.model, &o, &s, &err), HST_STATUS_OK);
        for (int round = 0; round < 2; round++) { /* the second finds what the first has left */
            hst_status status = run_case(&f, s, NULL, &err);
            if (status != HST_STATUS_BUDGET || !strstr(err.message, "budget") || w.most > BUDGET + SLACK) {
                print_error("%s %s\n  gives %s '%s', %zu bytes at most\n", h->op, h->text, hst_status_name(status),
                            err.message, w.most);
                wrong++;
            }
        }
        hst_session_free(s);
        assert_int_equal(w.live, 0);
        close_case(&f);
    }
    assert_int_equal(wrong, 0);
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* No measure of speed, but the difference between an end and none. CPU time of this process, so that a busy machine does
 * not make the test fail; sanitizers, and kernels below what the machine can, are slow between two looks at the clock. */
static double seconds_most(void) {
#if defined(HASTEN_SANITIZE_ADDRESS) || defined(HASTEN_SANITIZE_THREAD)
    return 60;
#else
    return getenv("HST_CPU") ? 60 : 8;
#endif
}

static void test_endless(void **state) {
    (void)state;
    int wrong = 0;
    for (const hostile *h = endless; h->op; h++) {
        fixture f = open_case(h);
        hst_session_options so = HST_INIT(hst_session_options);
        hst_run_options o = HST_INIT(hst_run_options);
        hst_session *s = NULL;
        hst_error err = {0};
        so.threads = 1;
        so.memory_budget = (uint64_t)1 << 30;
        assert_int_equal(hst_session_new(f.model, &so, &s, &err), HST_STATUS_OK);
        o.deadline_ns = hst_clock_ns() + 20000000;
        double begin = cpu_seconds();
        hst_status status = run_case(&f, s, &o, &err);
        double seconds = cpu_seconds() - begin;
        bool ended = status == HST_STATUS_DEADLINE || status == HST_STATUS_OK || status == HST_STATUS_BUDGET;
        if (!ended || seconds > seconds_most()) {
            print_error("%s %s\n  takes %.2f s and gives %s '%s'\n", h->op, h->text, seconds, hst_status_name(status),
                        err.message);
            wrong++;
        }
        hst_session_free(s);
        close_case(&f);
    }
    assert_int_equal(wrong, 0);
}

/* Expressions on one text of 200,000 times 'a': what a matcher takes counts as the run's memory, and steps are counted.
 */
static void test_expressions(void **state) {
    (void)state;
    static const struct {
        const char *domain, *op, *before, *after;
        uint64_t budget;
        hst_status status;
        const char *message; /* a part of it */
    } texts[] = {
        {"", "RegexFullMatch", "(string[1]{\"", "\"}; pattern=\"(?:a|b)*\") -> (b8[1]{1})", 1 << 30, HST_STATUS_OK, ""},
        {"", "RegexFullMatch", "(string[1]{\"", "\"}; pattern=\"(?:a|aa)*[bc]\") -> (b8[1]{0})", 4 << 20, HST_STATUS_BUDGET,
         "the memory budget is 4194304"},
        {"", "RegexFullMatch", "(string[1]{\"", "\"}; pattern=\"(?:a*)*a*a*[bc]\") -> (b8[1]{0})", 1 << 30,
         HST_STATUS_BUDGET, "on a text of 200000 bytes"},
        {"com.microsoft", "Tokenizer", "(string[1]{\"",
         "\"}; tokenexp=\"a*[bc]\", mincharnum=1, pad_value=\"\", mark=0) -> (string[1,1]{\"\"})", 1 << 30,
         HST_STATUS_BUDGET, "pattern 0 on a text of 200000 bytes takes too many steps (10000000 and more)"},
        {"com.microsoft", "Tokenizer", "(string[1]{\"",
         "\"}; separators=[\"a*[bc]\"], mincharnum=1, pad_value=\"\", mark=0) -> (string[1,1]{\"\"})", 1 << 30,
         HST_STATUS_BUDGET, "too many steps"},
        {"com.microsoft", "Tokenizer", "(string[1]{\"",
         "\"}; tokenexp=\"(?:a|b)+\", mincharnum=1, pad_value=\"\", mark=0) -> (string[1,1]{\"\"})", 1 << 30,
         HST_STATUS_OK, ""},
    };
    static char text[200000 + 400];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const size_t before = strlen(texts[i].before);
        memcpy(text, texts[i].before, before);
        memset(text + before, 'a', 200000);
        strcpy(text + before + 200000, texts[i].after);
        fixture f = open_case(&(hostile){texts[i].domain, texts[i].op, text});
        watched w = {0};
        const hst_allocator a = {&w, watched_alloc, watched_free};
        hst_session_options o = HST_INIT(hst_session_options);
        hst_session *s = NULL;
        hst_error err = {0};
        o.allocator = &a;
        o.memory_budget = texts[i].budget;
        assert_int_equal(hst_session_new(f.model, &o, &s, &err), HST_STATUS_OK);
        hst_status status = run_case(&f, s, NULL, &err);
        if (status != texts[i].status || (status != HST_STATUS_OK && !strstr(err.message, texts[i].message)) ||
            w.most > texts[i].budget + SLACK)
            fail_msg("%s%s: %s '%s', %zu bytes at most", texts[i].op, texts[i].after, hst_status_name(status),
                     err.message, w.most);
        hst_session_free(s);
        assert_int_equal(w.live, 0);
        close_case(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_greedy), cmocka_unit_test(test_endless),
                                       cmocka_unit_test(test_expressions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
