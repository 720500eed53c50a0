/* The 1st, 2nd, 3rd … allocation of loading a model, making a session and running it fails: the call says so, what
 * failed works when tried again, the answers are as ever, and nothing is lost. Over every operator (its first case, its
 * other inputs fed and as constants), graphs within graphs, and exported encoders as they are rewritten, packed and
 * quantised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "counting.h"
#include "hasten.h"
#include "onnx/onnx.h"
#include "ops/case.h"

#define EXPORTS  HASTEN_SOURCE_DIR "/tests/onnx/data/exports/"
#define OUT_MOST 64

typedef struct subject {
    const char *name;
    const void *data;
    size_t size;
    hst_model_options options;
    const hst_tensor *in[OUT_MOST];
    const char *in_names[OUT_MOST];
    size_t n_in;
    char *want[OUT_MOST]; /* its outputs as messages */
    size_t want_size[OUT_MOST], n_out;
    bool random; /* no run is like another */
} subject;

static int wrong; /* complaints so far */

static void complain(const subject *s, long n, const char *doing, hst_status status, const hst_error *err) {
    print_error("%s, allocation %ld, %s: %s '%s'\n", s->name, n, doing, hst_status_name(status), err->message);
    if (++wrong > 20) fail_msg("and more");
}

static hst_dtype kept_as(const hst_tensor *t) {
    const hst_dtype d = hst_tensor_dtype(t);
    return d == HST_DTYPE_SEQUENCE || d == HST_DTYPE_MAP || d == HST_DTYPE_OPTIONAL ? d : HST_DTYPE_NONE;
}

/* Runs, and keeps the answers, or compares them with the ones that were kept. */
static hst_status run(subject *s, hst_session *session, bool keep, bool *same, hst_error *err) {
    hst_tensor *out[OUT_MOST] = {0};
    hst_status status =
        hst_session_run(session, s->n_in, s->in_names[0] ? s->in_names : NULL, s->in, s->n_out, NULL, out, NULL, err);
    for (size_t i = 0; i < s->n_out; i++) {
        char *data = NULL;
        size_t size = 0;
        hst_error ignored;
        if (status != HST_STATUS_OK) {
            assert_null(out[i]);
            continue;
        }
        if (hst_tensor_write_onnx_memory(out[i], kept_as(out[i]), "", &data, &size, &ignored) != HST_STATUS_OK)
            data = NULL; /* a value that has no message: its being there is enough */
        if (keep) {
            s->want[i] = data;
            s->want_size[i] = size;
            data = NULL;
        } else if (data && (size != s->want_size[i] || memcmp(data, s->want[i], size) != 0)) {
            *same = false;
        }
        hst_text_free(data);
        hst_tensor_free(out[i]);
    }
    return status;
}

/* Once through it all. Each step that fails must say NO_MEMORY, and is done again, which must work. False: the first
 * attempt without a failing allocation gave no answer, so that there is nothing to compare with. */
static bool attempt(subject *s, counting *c, long n, bool keep) {
    const hst_allocator a = counting_allocator(c);
    hst_model_options o = s->options;
    hst_model *m = NULL;
    hst_session *session = NULL;
    hst_error err = {0};
    hst_status status;
    bool same = true, works = true;
    o.allocator = &a;
    c->fail_at = n;
    for (int again = 0; again < 2 && !m; again++)
        if ((status = hst_model_load_memory(s->data, s->size, &o, &m, &err)) != HST_STATUS_OK &&
            (status != HST_STATUS_NO_MEMORY || again || !err.message[0])) {
            if (keep) return false;
            complain(s, n, "loading", status, &err);
        }
    if (!m) return false;
    s->n_out = hst_model_output_count(m);
    for (int again = 0; again < 2 && !session; again++)
        if ((status = hst_session_new(m, NULL, &session, &err)) != HST_STATUS_OK &&
            (status != HST_STATUS_NO_MEMORY || again))
            complain(s, n, "making a session", status, &err);
    for (int i = 0; i < 3 && session && works; i++) { /* without a plan, with one, with a place for its outputs */
        const bool first = keep && i == 0;
        if ((status = run(s, session, first, &same, &err)) == HST_STATUS_OK) continue;
        if (keep) works = false;
        if (!keep && (status != HST_STATUS_NO_MEMORY || !err.message[0])) complain(s, n, "running", status, &err);
        if (!keep && (status = run(s, session, false, &same, &err)) != HST_STATUS_OK)
            complain(s, n, "running again", status, &err);
    }
    if (keep) s->random = !same;
    if (!keep && !same && !s->random) complain(s, n, "comparing", HST_STATUS_INTERNAL, &err);
    hst_session_free(session);
    hst_model_free(m);
    if (c->alive || c->bytes) {
        print_error("%s, allocation %ld: %ld blocks of %ld bytes are lost\n", s->name, n, c->alive, c->bytes);
        wrong++;
    }
    return works;
}

/* `most`: where there are more allocations than that, some in the middle are left out. 0 of them: the model does not
 * run. */
static long inject(subject *s, long most) {
    counting c = {0};
    long tried = 0;
    if (attempt(s, &c, 0, true)) {
        const long total = c.allocations, step = total / most + 1;
        bool failed = true;
        for (long n = 1; failed; n += n < most / 2 ? 1 : step, tried++) {
            memset(&c, 0, sizeof c);
            attempt(s, &c, n, false);
            failed = c.fail_at == 0;
            assert_true(n < 2 * total + 1000);
        }
    }
    for (size_t i = 0; i < s->n_out; i++) hst_text_free(s->want[i]);
    return tried;
}

/* ---- cases as in ops/case.h ---- */

/* All inputs but the first become constants, which operators and passes look at when the model is loaded. */
static void fix_inputs(case_model *c) {
    graph *g = c->model->main;
    for (int i = 1; i < g->n_inputs; i++) {
        const hst_tensor *t = NULL;
        for (int k = 0, at = 0; k < c->n_in; k++)
            if (c->in[k] && at++ == i) t = c->in[k];
        if (!t || tensor_is_list(t)) return; /* these and those after them stay */
    }
    for (int i = 1; i < g->n_inputs; i++) {
        g->inputs[i]->is_input = false;
        for (int k = 0, at = 0; k < c->n_in; k++)
            if (c->in[k] && at++ == i) g->inputs[i]->constant = c->in[k];
    }
    if (g->n_inputs > 1) g->n_inputs = 1;
}

static long inject_case(const op *o, const op_case *text, bool fixed, long most) {
    case_model c;
    hst_error err = {0};
    subject s = {.name = o->name, .options = HST_INIT(hst_model_options)};
    void *data = NULL;
    long tried = 0;
    if (case_parse(o, text, &c, &err) != HST_STATUS_OK) fail_msg("%s: %s", o->name, err.message);
    if (fixed) fix_inputs(&c);
    for (int i = 0; i < c.n_in && s.n_in < (size_t)c.model->main->n_inputs; i++)
        if (c.in[i]) s.in[s.n_in++] = c.in[i];
    if (onnx_write_memory(c.model, NULL, &data, &s.size, &err) == HST_STATUS_OK) {
        s.data = data;
        tried = inject(&s, most);
    }
    free(data);
    case_free(&c);
    return tried;
}

static void test_operators(void **state) {
    (void)state;
    int runs = 0;
    long tried = 0;
    wrong = 0;
    for (int i = 0; i < op_list_count; i++) {
        const op *o = op_list[i];
        if (strcmp(o->domain, "hasten") == 0 || !o->cases) continue; /* in no file */
        for (int fixed = 0; fixed < 2; fixed++) {
            long n = inject_case(o, o->cases, fixed, 200);
            runs += n > 0;
            tried += n;
        }
    }
    print_message("%d models, %ld allocations failed\n", runs, tried);
    assert_int_equal(wrong, 0);
    assert_true(runs > 500);
}

// clang-format off
static const struct { const char *op, *text; } nested[] = {
    {"Loop", "(s64[]{2}, b8[]{1}, f32[2,3]{1 2}; body=graph{(i, c, x) y = If(c; then_branch=graph{() a = Add(x, x); b = Softmax(a); d = Gelu(b); -> (d)}, else_branch=graph{() e = Constant(; value=f32[1]{1}); -> (e)}); -> (c, y)}) -> (f32[1]{0})"},
    {"Loop", "(s64[]{2}, b8[]{1}, f32[2,3]{1 2}; body=graph{(i, c, x) n = Not(c); t = Constant(; value_string=\"ab\"); y = If(n; then_branch=graph{() a = Neg(x); -> (a)}, else_branch=graph{() d = If(c; then_branch=graph{() s = StringConcat(t, t); q = Size(s); z = CastLike(q, x); m = Add(z, x); -> (m)}, else_branch=graph{() -> (x)}); -> (d)}); -> (c, y)}) -> (f32[1]{0})"},
    {"Loop", "(s64[]{5}, b8[]{1}, f32[2]{1 2}; body=graph{(i, c, s) t = Concat(s, s; axis=0); u = ReduceSum(t); -> (c, t, u)}) -> (f32[1]{0}, f32[1]{0})"},
    {"Loop", "(s64[]{4}, b8[]{1}, string[1]{\"ab\"}; body=graph{(i, c, s) t = StringConcat(s, s); -> (c, t, s)}) -> (string[1]{\"\"}, string[1]{\"\"})"},
    {"Loop", "(s64[]{4}, b8[]{1}, seq{f32[3]{0}}, f32[2]{5}; body=graph{(i, c, s, x) t = SequenceInsert(s, x); -> (c, t, x)}) -> (seq{}, f32[1]{0})"},
    {"Loop", "(s64[]{3}, b8[]{1}, f32[1,2]{1 2}; body=graph{(i, c, s) d = Loop(x0, c, s; body=graph{(j, e, n) m = Mul(n, s); -> (e, m)}); -> (c, d)}) -> (f32[1,2]{0})"},
    {"Scan", "(f32[2]{0}, f32[5,2]{1 2 3}; num_scan_inputs=1, body=graph{(s, a) t = Add(s, a); y = Exp(t); -> (t, y)}) -> (f32[2]{0}, f32[5,2]{0})"},
    {"SequenceMap", "(seq{f32[2]{1}, f32[3]{2}}, f32[1]{3}; body=graph{(a, b) c = Mul(a, b); -> (c)}) -> (seq{})"},
    {"SplitToSequence", "(f32[6,2]{1 2 3}, s64[3]{1 2 3}) -> (seq{})"},
    {"LSTM", "(f32[5,2,3]{0.1 0.2}, f32[2,16,3]{0.1 -0.2 0.3}, f32[2,16,4]{0.1 -0.3}, f32[2,32]{0.5}, s32[2]{5 3}; hidden_size=4, direction=\"bidirectional\") -> (f32[1]{0}, f32[1]{0}, f32[1]{0})"},
    {"Conv", "(f32[2,16,9,9]{1 2 3}, f32[24,16,3,3]{0.1 0.2 -0.3}, f32[24]{1}; pads=[1,1,1,1], strides=[2,2]) -> (f32[1]{0})"},
    {"Conv", "(f32[2,16,9,9]{1 2 3}, f32[16,1,3,3]{0.1 0.2 -0.3}; group=16) -> (f32[1]{0})"},
    {"MatMul", "(f32[2,7,32]{1 2 3}, f32[32,48]{0.1 0.2 -0.3}) -> (f32[1]{0})"},
    {"RegexFullMatch", "(string[3]{\"www.a.com\" \"aaaa\" \"\"}; pattern=\"(www\\\\.)?[a-z]+(\\\\.com)*|(a|b)+c\") -> (b8[3]{0})"},
    {"Tokenizer", "(string[2]{\"a cat, 3 birds\" \"aaaa\"}; separators=[\" \",\"[,;]|(aa|b)+\"], mincharnum=1, pad_value=\"-\", mark=1) -> (string[1]{\"\"})"},
    {"StringSplit", "(string[2]{\"a b  c\" \"\"}) -> (string[1]{\"\"}, s64[1]{0})"},
};
// clang-format on

static void test_nested(void **state) {
    (void)state;
    wrong = 0;
    for (size_t i = 0; i < sizeof nested / sizeof *nested; i++) {
        const op *o = op_find("", nested[i].op, CASE_OPSET);
        if (!o) o = op_find("com.microsoft", nested[i].op, 1);
        const op_case text = {.name = nested[i].op, .text = nested[i].text};
        for (int fixed = 0; fixed < 2; fixed++)
            if (!inject_case(o, &text, fixed, 1000)) fail_msg("%s does not run", nested[i].text);
    }
    assert_int_equal(wrong, 0);
}

/* ---- encoders ---- */

static void inject_export(const char *name, int quantization, hst_dtype weights, long most) {
    subject s = {.name = name, .options = HST_INIT(hst_model_options)};
    char path[512], *data = NULL;
    hst_error err = {0};
    hst_model *m;
    hst_tensor *in[OUT_MOST] = {0};
    snprintf(path, sizeof path, EXPORTS "%s.onnx", name);
    if (file_read(path, 1 << 24, &data, &s.size, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    s.data = data;
    s.options.quantization = (hst_quantization)quantization;
    s.options.weights = weights;
    if (hst_model_load_memory(data, s.size, NULL, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    for (s.n_in = 0; s.n_in < hst_model_input_count(m); s.n_in++) {
        const hst_value_info *v = hst_model_input(m, s.n_in);
        assert_int_equal(hst_tensor_new(v->dtype, 2, (int64_t[]){3, 6}, NULL, &in[s.n_in], &err), HST_STATUS_OK);
        s.in_names[s.n_in] = v->name;
        s.in[s.n_in] = in[s.n_in];
        for (int64_t k = 0; k < 18; k++) /* rows of 6, 4 and 2 tokens */
            tensor_set_s64(in[s.n_in], k,
                           strstr(v->name, "mask")   ? k % 6 < 6 - k / 6 * 2
                           : strstr(v->name, "type") ? 0
                                                     : 3 + k);
    }
    long tried = inject(&s, most);
    if (!tried) fail_msg("%s does not run", name);
    print_message("%s: %ld allocations failed\n", name, tried);
    for (size_t i = 0; i < s.n_in; i++) hst_tensor_free(in[i]);
    hst_model_free(m);
    free(data);
}

static void test_encoders(void **state) {
    (void)state;
    wrong = 0;
    inject_export("bert_seqcls_ts17_sdpa", HST_QUANTIZATION_NONE, HST_DTYPE_NONE, 300);
    inject_export("bert_base_ts17_sdpa", HST_QUANTIZATION_NONE, HST_DTYPE_F16, 120);
    inject_export("bert_tokcls_ts17_sdpa", HST_QUANTIZATION_INT8, HST_DTYPE_NONE, 300);
    inject_export("bert_seqcls_ts17_eager_static_qdq", HST_QUANTIZATION_NONE, HST_DTYPE_NONE, 300);
    inject_export("bert_seqcls_ts17_eager_dynamic_s8", HST_QUANTIZATION_NONE, HST_DTYPE_NONE, 120);
    inject_export("bert_seqcls_ts17_eager_nbits4", HST_QUANTIZATION_NONE, HST_DTYPE_NONE, 120);
    inject_export("bert_seqcls_ts17_eager_fused_mha", HST_QUANTIZATION_NONE, HST_DTYPE_NONE, 120);
    inject_export("deberta_mean_ts17", HST_QUANTIZATION_NONE, HST_DTYPE_NONE, 60);
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nested), cmocka_unit_test(test_operators),
                                       cmocka_unit_test(test_encoders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
