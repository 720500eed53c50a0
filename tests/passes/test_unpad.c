/* Without padding: the committed exports of encoders, with all passes and with those before `dead_rows` and `unpad`,
 * over ragged batches of every kind of mask. Rows that the mask shows have the same bits; the others are zeros, or
 * computed with the same bits, as the session says; so for any number of threads. */
#include <math.h>

#include "convert/export.h"
#include "exec/session.h"
#include "onnx/onnx.h"
#include "passes/build.h"

#define EXPORTS HASTEN_SOURCE_DIR "/tests/onnx/data/exports/"
#define BEFORE  74 /* orders of passes before dead_rows and unpad */
#define AFTER   80 /* … up to unpad */
#define WORDS   40 /* of the exports' tables */
#define INPUTS  4
#define OUTPUTS 4

static const char *const encoders[] = {
    "bert_base_ts17_sdpa", "bert_seqcls_dynamo18", "bert_seqcls_optimum", "bert_seqcls_ts11_eager",
    "bert_seqcls_ts14_sdpa", "bert_seqcls_ts17_eager", "bert_seqcls_ts17_sdpa", "bert_tokcls_ts17_sdpa",
    "distilbert_mlm_ts17_sdpa", "distilbert_seqcls_dynamo18", "distilbert_seqcls_optimum",
    "distilbert_seqcls_ts11_eager", "distilbert_seqcls_ts14_sdpa", "distilbert_seqcls_ts17_eager",
    "distilbert_seqcls_ts17_sdpa",
    /* one operator for the attention; half precision; 4-bit weights */
    "bert_seqcls_dynamo23", "distilbert_seqcls_dynamo23", "bert_seqcls_ts11_eager_fused",
    "bert_seqcls_ts17_eager_fused", "bert_seqcls_ts17_eager_fused_fastgelu", "bert_seqcls_ts17_eager_fused_fp16",
    "bert_seqcls_ts17_eager_fp16", "distilbert_seqcls_ts17_eager_fp16", "bert_seqcls_ts17_eager_nbits4",
    "distilbert_seqcls_ts17_eager_nbits4_asym", "bert_seqcls_ts17_eager_session_extended",
    "distilbert_seqcls_ts17_eager_fused", "distilbert_seqcls_ts17_eager_session_extended",
    "bert_seqcls_ts17_eager_fused_mha", "distilbert_seqcls_ts17_eager_fused_mha",
    /* attention on 8-bit integers, written out */
    "bert_seqcls_ts17_eager_static_qdq", "distilbert_seqcls_ts17_eager_static_qdq",
    "bert_seqcls_ts17_eager_static_qoperator", "distilbert_seqcls_ts17_eager_static_qoperator",
    /* positions of the mask, relative positions, windows, rotations */
    "roberta_mean_dynamo18", "mpnet_cls_ts17", "deberta_mean_ts17", "deberta-v2_tokcls_dynamo18",
    "modernbert_mean_dynamo18", "esm_max_ts17"};

/* Whose scores depend on what is in padding, by their definition. */
static const char *const kept[] = {"bert_seqcls_ts17_eager_dynamic_s8",
                                   "distilbert_seqcls_ts17_eager_dynamic_u8_channel"};

/* '1' is seen; one row a sequence. */
typedef struct batch {
    const char *name;
    int64_t sequences, length;
    const char *rows[6];
} batch;

static const batch batches[] = {
    {"right padding", 5, 11, {"11111100000", "10000000000", "11111111111", "11111111110", "11100000000"}},
    {"left padding", 4, 9, {"000111111", "000000001", "111111111", "011111111"}},
    {"both, and a middle", 4, 7, {"0111100", "1111111", "1100000", "0000011"}},
    {"holes", 4, 8, {"11011100", "10101010", "11111111", "01100110"}},
    {"nothing seen", 3, 6, {"111000", "000000", "111111"}},
    {"nothing seen at all", 2, 3, {"000", "000"}},
    {"no padding", 3, 5, {"11111", "11111", "11111"}},
    {"one", 1, 12, {"111111111111"}},
    {"one, padded", 1, 12, {"111100000000"}},
    {"one row each", 3, 1, {"1", "0", "1"}},
    {"no sequences", 0, 4, {NULL}},
    {"no rows", 2, 0, {"", ""}},
};

typedef struct compiled {
    model *model;
    engine *engine;
} compiled;

static compiled compile(const char *name, int last) {
    hst_error err = {0};
    char path[512];
    compiled c = {NULL, NULL};
    snprintf(path, sizeof path, EXPORTS "%s.onnx", name);
    if (onnx_read(path, NULL, &c.model, &err) != HST_STATUS_OK ||
        passes_run(c.model, 0, last, NULL, &err) != HST_STATUS_OK ||
        engine_compile(c.model, NULL, &c.engine, &err) != HST_STATUS_OK)
        fail_msg("%s: %s", name, err.message);
    return c;
}

static void drop(compiled *c) {
    engine_free(c->engine);
    model_free(c->model);
}

static hst_tensor *make_input(const char *name, const batch *b) {
    const int64_t dims[2] = {b->sequences, b->length};
    hst_tensor *t;
    assert_int_equal(tensor_new(HST_DTYPE_S64, 2, dims, NULL, &t, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < b->sequences * b->length; i++) {
        const bool seen = b->rows[i / b->length][i % b->length] == '1';
        /* What stands in padding must not matter: anything that the table has. */
        int64_t x = (i * 7 + 3) % WORDS;
        if (strstr(name, "mask")) x = seen;
        if (strstr(name, "type")) x = i % 2;
        tensor_set_s64(t, i, x);
    }
    return t;
}

typedef struct result {
    hst_status status;
    int n;
    hst_tensor *out[OUTPUTS];
    hst_error error;
} result;

static result run(const compiled *c, const batch *b, bool zero, int threads, int times) {
    const graph *g = c->model->main;
    const session_options options = {.threads = threads, .zero_padding = zero};
    hst_tensor *in[INPUTS];
    hst_error err = {0};
    session *s;
    result r = {.n = g->n_outputs};
    assert_true(g->n_inputs <= INPUTS && g->n_outputs <= OUTPUTS);
    assert_int_equal(session_new(c->engine, &options, &s, &err), HST_STATUS_OK);
    for (int i = 0; i < g->n_inputs; i++) in[i] = make_input(g->inputs[i]->name, b);
    for (int i = 0; i < times; i++) { /* the second run has a plan of its memory */
        for (int k = 0; k < r.n; k++) tensor_free(r.out[k]);
        memset(r.out, 0, sizeof r.out);
        r.status = session_run(s, (size_t)g->n_inputs, NULL, (const hst_tensor *const *)in, (size_t)r.n, NULL, r.out,
                               NULL, &err);
    }
    r.error = err;
    for (int i = 0; i < g->n_inputs; i++) tensor_free(in[i]);
    session_free(s);
    return r;
}

static void free_result(result *r) {
    for (int i = 0; i < r->n; i++) tensor_free(r->out[i]);
}

static bool all_zero(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i]) return false;
    return true;
}

static void compare(const char *file, const batch *b, const char *how, const hst_tensor *got, const hst_tensor *want,
                    bool zero) {
    assert_int_equal(got->rank, want->rank);
    assert_memory_equal(got->dim, want->dim, (size_t)got->rank * sizeof *got->dim);
    assert_true(got->rank >= 2);
    if (got->rank < 3) { /* of first rows, or pooled */
        if (got->bytes && memcmp(got->data, want->data, got->bytes) != 0)
            fail_msg("%s, %s, %s: other bits", file, b->name, how);
        return;
    }
    const int64_t rows = b->sequences * b->length;
    const size_t row = rows ? got->bytes / (size_t)rows : 0;
    for (int64_t i = 0; i < rows; i++) {
        const char *x = (const char *)got->data + (size_t)i * row, *y = (const char *)want->data + (size_t)i * row;
        const bool seen = b->rows[i / b->length][i % b->length] == '1';
        if (seen || !zero ? memcmp(x, y, row) != 0 : !all_zero(x, row))
            fail_msg("%s, %s, %s: row %lld of sequence %lld has other bits", file, b->name, how,
                     (long long)(i % b->length), (long long)(i / b->length));
    }
}

static void check(const char *name, const compiled *padded, const compiled *packed, const batch *b) {
    result want = run(padded, b, false, 1, 1);
    for (int threads = 1; threads <= 3; threads++)
        for (int zero = 0; zero < 2; zero++) {
            char how[64];
            snprintf(how, sizeof how, "%s, %d threads", zero ? "zeros" : "computed", threads);
            result got = run(packed, b, zero, threads, 2);
            if (got.status != want.status)
                fail_msg("%s, %s, %s: status %d, not %d: %s", name, b->name, how, got.status, want.status,
                         got.status ? got.error.message : want.error.message);
            for (int i = 0; i < want.n && want.status == HST_STATUS_OK; i++)
                compare(name, b, how, got.out[i], want.out[i], zero);
            free_result(&got);
        }
    free_result(&want);
}

static int count(const model *m, const char *op_type) {
    int n = 0;
    for (const node *x = m->main->first; x; x = x->next) n += strcmp(x->op_type, op_type) == 0;
    return n;
}

static void rows_that_are_seen_have_the_same_bits(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++) {
        compiled padded = compile(encoders[i], BEFORE), packed = compile(encoders[i], 1000);
        if (count(packed.model, "PackPlan") != 1) fail_msg("%s is not packed", encoders[i]);
        for (size_t k = 0; k < sizeof batches / sizeof *batches; k++) check(encoders[i], &padded, &packed, &batches[k]);
        drop(&padded);
        drop(&packed);
    }
}

static void keep_reason(pass_report *r, const char *pass, const char *text) {
    if (strcmp(pass, "unpad") == 0) snprintf(r->user, 256, "%s", text);
}

static void what_is_not_packed_says_why(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        hst_error err = {0};
        char path[512], text[256] = "";
        pass_report report = {keep_reason, text};
        model *m;
        snprintf(path, sizeof path, EXPORTS "%s.onnx", kept[i]);
        assert_int_equal(onnx_read(path, NULL, &m, &err), HST_STATUS_OK);
        assert_int_equal(passes_run(m, 0, 1000, &report, &err), HST_STATUS_OK);
        assert_int_equal(count(m, "PackPlan"), 0);
        if (!strstr(text, "not packed, because DynamicQuantizeLinear '")) fail_msg("%s: %s", kept[i], text);
        model_free(m);
    }
}

/* One session, batches of one shape whose padding differs: the plan of its memory fits each. */
static void padding_may_change_between_runs(void **state) {
    (void)state;
    static const batch shapes[] = {{"much", 2, 6, {"110000", "100000"}},
                                   {"none", 2, 6, {"111111", "111111"}},
                                   {"a hole", 2, 6, {"101111", "111110"}},
                                   {"some", 2, 6, {"111100", "000111"}}};
    compiled padded = compile("bert_tokcls_ts17_sdpa", BEFORE), packed = compile("bert_tokcls_ts17_sdpa", 1000);
    const session_options options = {.zero_padding = true};
    session *s;
    assert_int_equal(session_new(packed.engine, &options, &s, NULL), HST_STATUS_OK);
    for (int k = 0; k < 24; k++) {
        const batch *b = &shapes[k * 7 % 4];
        const graph *g = packed.model->main;
        hst_tensor *in[INPUTS], *out[OUTPUTS] = {NULL};
        result want = run(&padded, b, false, 1, 1);
        for (int i = 0; i < g->n_inputs; i++) in[i] = make_input(g->inputs[i]->name, b);
        assert_int_equal(
            session_run(s, (size_t)g->n_inputs, NULL, (const hst_tensor *const *)in, 1, NULL, out, NULL, NULL),
            HST_STATUS_OK);
        compare("bert_tokcls", b, "in turn", out[0], want.out[0], true);
        tensor_free(out[0]);
        for (int i = 0; i < g->n_inputs; i++) tensor_free(in[i]);
        free_result(&want);
    }
    session_free(s);
    drop(&padded);
    drop(&packed);
}

/* ---- poolings ---- */

typedef enum pooling {
    POOL_MEAN,     /* sum of hidden · mask made wide, over the sum of the mask */
    POOL_SUM,      /* sum of hidden · mask, which broadcasts */
    POOL_MAX,      /* hidden where the mask is, else -1e9 */
    POOL_MATMUL,   /* mask times hidden */
    POOL_UNMASKED, /* the mean of all rows */
    POOL_LAST,     /* the last row */
    POOL_HALF      /* the mask, but its 0 is 0.5 */
} pooling;

static void set(value *v, const char *name, int64_t i) {
    assert_true(node_set_int(v->producer, name, i));
}

static value *pool(model *m, pooling how, value *x, value *mask) {
    value *one = single(m, HST_DTYPE_S64, 1, 1);
    value *column = apply(m, "Unsqueeze", mask, single(m, HST_DTYPE_S64, 1, 2), NULL), *y, *f;
    if (how == POOL_UNMASKED || how == POOL_LAST) {
        y = how == POOL_LAST ? apply(m, "Gather", x, single(m, HST_DTYPE_S64, 0, -1), NULL)
                             : apply(m, "ReduceMean", x, NULL, NULL);
        if (how == POOL_LAST)
            set(y, "axis", 1);
        else
            assert_true(node_set_ints(y->producer, "axes", (int64_t[]){1}, 1));
        if (how == POOL_UNMASKED) set(y, "keepdims", 0);
        return y;
    }
    if (how == POOL_MAX) {
        value *seen = cast(m, column, HST_DTYPE_B8);
        y = apply(m, "ReduceMax", apply(m, "Where", seen, x, single(m, HST_DTYPE_F32, 0, -1e9)), NULL, NULL);
        assert_true(node_set_ints(y->producer, "axes", (int64_t[]){1}, 1));
        set(y, "keepdims", 0);
        return y;
    }
    f = cast(m, how == POOL_MEAN ? apply(m, "Expand", column, apply(m, "Shape", x, NULL, NULL), NULL) : column,
             HST_DTYPE_F32);
    if (how == POOL_MATMUL) {
        value *row = apply(m, "Transpose", f, NULL, NULL);
        assert_true(node_set_ints(row->producer, "perm", (int64_t[]){0, 2, 1}, 3));
        return apply(m, "Squeeze", apply(m, "MatMul", row, x, NULL), one, NULL);
    }
    if (how == POOL_HALF) f = apply(m, "Max", f, single(m, HST_DTYPE_F32, 0, 0.5), NULL);
    y = apply(m, "ReduceSum", apply(m, "Mul", x, f, NULL), one, NULL);
    set(y, "keepdims", 0);
    if (how != POOL_MEAN) return y;
    value *count = apply(m, "ReduceSum", f, one, NULL);
    set(count, "keepdims", 0);
    return apply(m, "Div", y, apply(m, "Max", count, single(m, HST_DTYPE_F32, 0, 1e-9), NULL), NULL);
}

/* The export of a BERT without a head, with a pooling in place of its outputs. */
static compiled compile_pooling(pooling how, int last) {
    hst_error err = {0};
    compiled c = {NULL, NULL};
    assert_int_equal(onnx_read(EXPORTS "bert_base_ts17_sdpa.onnx", NULL, &c.model, &err), HST_STATUS_OK);
    graph *g = c.model->main;
    value *x = g->outputs[0], *mask = g->inputs[1];
    assert_string_equal(mask->name, "attention_mask");
    for (int i = 0; i < g->n_outputs; i++) g->outputs[i]->is_output = false;
    g->n_outputs = 0;
    value *y = pool(c.model, how, x, mask);
    assert_int_equal(graph_add_output(g, y, NULL), HST_STATUS_OK);
    if (passes_run(c.model, 0, last, NULL, &err) != HST_STATUS_OK || graph_check(g, &err) != HST_STATUS_OK ||
        engine_compile(c.model, NULL, &c.engine, &err) != HST_STATUS_OK)
        fail_msg("pooling %d: %s", how, err.message);
    return c;
}

static void poolings_need_no_padding(void **state) {
    (void)state;
    static const struct {
        pooling how;
        const char *name;
        bool packed; /* the graph proves that padding does not matter */
    } all[] = {{POOL_MEAN, "mean", true},        {POOL_SUM, "sum", true},    {POOL_MAX, "max", true},
               {POOL_MATMUL, "product", true},   {POOL_LAST, "last", false}, {POOL_UNMASKED, "unmasked", false},
               {POOL_HALF, "half a mask", false}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        compiled padded = compile_pooling(all[i].how, BEFORE), packed = compile_pooling(all[i].how, 1000);
        if ((count(packed.model, "PackPlan") == 1) != all[i].packed) fail_msg("%s: packed or not", all[i].name);
        if (all[i].packed && (count(packed.model, "SumRows") == 1) != (all[i].how <= POOL_SUM))
            fail_msg("%s: how it sums", all[i].name);
        for (size_t k = 0; k < sizeof batches / sizeof *batches; k++) check(all[i].name, &padded, &packed, &batches[k]);
        drop(&padded);
        drop(&packed);
    }
}

/* ---- spelled out ---- */

static bool near(double a, double b) {
    return a == b || fabs(a - b) <= 1e-5 * (1 + fabs(b));
}

/* What export writes of a packed graph: standard operators, which mean what the file they came from meant. */
static void check_spelled_out(const char *name, const compiled *padded, const compiled *packed) {
    hst_error err = {0};
    compiled plain = {NULL, NULL};
    if (export_rebuild(packed->model, NULL, &plain.model, &err) != HST_STATUS_OK ||
        ops_resolve(plain.model->main, &err) != HST_STATUS_OK ||
        graph_infer(plain.model->main, &err) != HST_STATUS_OK ||
        engine_compile(plain.model, NULL, &plain.engine, &err) != HST_STATUS_OK)
        fail_msg("%s: %s", name, err.message);
    for (const node *n = plain.model->main->first; n; n = n->next) assert_string_not_equal(n->domain, "hasten");
    for (size_t k = 0; k < sizeof batches / sizeof *batches; k++) {
        if (!batches[k].length) continue;
        result want = run(padded, &batches[k], false, 1, 1), got = run(&plain, &batches[k], false, 1, 1);
        if (got.status != want.status) fail_msg("%s, %s: %s", name, batches[k].name, got.error.message);
        for (int i = 0; i < want.n && want.status == HST_STATUS_OK; i++)
            for (int64_t x = 0; x < tensor_count(want.out[i]); x++)
                if (!near(tensor_get_f64(got.out[i], x), tensor_get_f64(want.out[i], x)))
                    fail_msg("%s, %s: output %d, element %lld is %g, not %g", name, batches[k].name, i, (long long)x,
                             tensor_get_f64(got.out[i], x), tensor_get_f64(want.out[i], x));
        free_result(&got);
        free_result(&want);
    }
    drop(&plain);
}

static void packed_graphs_can_be_spelled_out(void **state) {
    (void)state;
    static const char *const files[] = {"bert_base_ts17_sdpa", "bert_seqcls_dynamo18", "distilbert_mlm_ts17_sdpa",
                                        "bert_seqcls_ts17_eager_fused"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        compiled padded = compile(files[i], BEFORE), packed = compile(files[i], AFTER);
        check_spelled_out(files[i], &padded, &packed);
        drop(&padded);
        drop(&packed);
    }
    for (pooling how = POOL_MEAN; how <= POOL_MAX; how++) {
        compiled padded = compile_pooling(how, BEFORE), packed = compile_pooling(how, AFTER);
        check_spelled_out("a pooling", &padded, &packed);
        drop(&padded);
        drop(&packed);
    }
}

/* ---- how many rows are computed ---- */

static void note_rows(void *user, const hst_profile_event *event) {
    if (strcmp(event->op_type, "PackPlan") == 0) *(int64_t *)user = event->output.dims[0];
}

static int64_t planned_rows(const compiled *c, const batch *b, const char *output, bool zero) {
    const graph *g = c->model->main;
    const session_options options = {.zero_padding = zero};
    int64_t rows = -1;
    hst_run_options run_options = HST_INIT(hst_run_options);
    hst_tensor *in[INPUTS], *out[1] = {NULL};
    session *s;
    run_options.profile = note_rows;
    run_options.profile_user = &rows;
    assert_int_equal(session_new(c->engine, &options, &s, NULL), HST_STATUS_OK);
    for (int i = 0; i < g->n_inputs; i++) in[i] = make_input(g->inputs[i]->name, b);
    assert_int_equal(
        session_run(s, (size_t)g->n_inputs, NULL, (const hst_tensor *const *)in, 1, &output, out, &run_options, NULL),
        HST_STATUS_OK);
    tensor_free(out[0]);
    for (int i = 0; i < g->n_inputs; i++) tensor_free(in[i]);
    session_free(s);
    return rows;
}

/* Padding is computed only where an output that is asked for shows it, in a session that computes it. */
static void rows_follow_what_is_asked_for(void **state) {
    (void)state;
    const batch *b = &batches[0]; /* 6 + 1 + 11 + 10 + 3 of 5 · 11 */
    compiled c = compile("bert_base_ts17_sdpa", 1000);
    assert_int_equal(planned_rows(&c, b, "last_hidden_state", false), 55);
    assert_int_equal(planned_rows(&c, b, "last_hidden_state", true), 31);
    assert_int_equal(planned_rows(&c, b, c.model->main->outputs[1]->name, false), 31);
    drop(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_are_seen_have_the_same_bits), cmocka_unit_test(poolings_need_no_padding),
        cmocka_unit_test(what_is_not_packed_says_why),           cmocka_unit_test(packed_graphs_can_be_spelled_out),
        cmocka_unit_test(padding_may_change_between_runs),       cmocka_unit_test(rows_follow_what_is_asked_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
