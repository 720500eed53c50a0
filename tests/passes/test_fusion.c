/* What the passes make of the committed exports: every exporter's encoder ends as the same few fused operators, and the
 * rewritten graph gives the answers of the graph as it was written. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "onnx/onnx.h"
#include "ops/interp.h"
#include "passes/pass.h"

#define EXPORTS HASTEN_SOURCE_DIR "/tests/onnx/data/exports/"

static model *read_model(const char *name, const char *ending) {
    hst_error err = {0};
    model *m = NULL;
    char path[512];
    snprintf(path, sizeof path, EXPORTS "%s%s", name, ending);
    if (onnx_read(path, NULL, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", path, err.message);
    return m;
}

static model *optimised(const char *name) {
    hst_error err = {0};
    model *m = read_model(name, ".onnx");
    if (passes_run(m, 0, 1000, NULL, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    if (graph_check(m->main, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    return m;
}

static int count(const model *m, const char *domain, const char *op_type) {
    int n = 0;
    for (const node *x = m->main->first; x; x = x->next) n += node_is(x, domain, op_type);
    return n;
}

/* Norms that are part of something else: of a sum, of a product. */
static int fused_norms(const model *m) {
    int n = count(m, "com.microsoft", "SkipLayerNormalization");
    for (const node *x = m->main->first; x; x = x->next) n += node_is(x, "hasten", "Linear") && x->n_in > 4 && x->in[4];
    return n;
}

/* f32 exports of all ways of writing an encoder. */
static const char *const encoders[] = {
    "bert_base_ts17_sdpa",         "bert_seqcls_dynamo18",         "bert_seqcls_optimum",
    "bert_seqcls_ts11_eager",      "bert_seqcls_ts14_sdpa",        "bert_seqcls_ts17_eager",
    "bert_seqcls_ts17_sdpa",       "bert_tokcls_ts17_sdpa",        "distilbert_mlm_ts17_sdpa",
    "distilbert_seqcls_dynamo18",  "distilbert_seqcls_optimum",    "distilbert_seqcls_ts11_eager",
    "distilbert_seqcls_ts14_sdpa", "distilbert_seqcls_ts17_eager", "distilbert_seqcls_ts17_sdpa"};

static void every_encoder_is_fused(void **state) {
    (void)state;
    static const char *const gone[] = {"Softmax", "Erf", "ReduceMean", "MatMul", "Transpose", "Sqrt", "Pow"};
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++) {
        model *m = optimised(encoders[i]);
        for (size_t k = 0; k < sizeof gone / sizeof *gone; k++)
            if (count(m, "", gone[k])) fail_msg("%s: %s is left", encoders[i], gone[k]);
        int layers = count(m, "hasten", "PackedAttention");
        if (layers < 1) fail_msg("%s: no attention was fused", encoders[i]);
        /* q, k and v are one product: 4 a layer, and the heads'. */
        int products = count(m, "hasten", "Linear");
        if (products < 4 * layers || products > 4 * layers + 3)
            fail_msg("%s: %d products for %d layers", encoders[i], products, layers);
        if (fused_norms(m) < 2 * layers) fail_msg("%s: normalisations were not fused with their sums", encoders[i]);
        /* The padding mask was recognised: it is read as it is fed, and all rows are packed by it. */
        if (count(m, "hasten", "PackPlan") != 1) fail_msg("%s: padding was not left out", encoders[i]);
        for (const node *n = m->main->first; n; n = n->next)
            if (node_is(n, "hasten", "PackedAttention") && (n->n_in < 5 || n->in[1]->producer || !n->in[4]))
                fail_msg("%s: the mask is no graph input, or rows are not packed", encoders[i]);
        model_free(m);
    }
}

/* ---- the same answers ---- */

static const hst_tensor *find(const model *cases, const char *prefix, const char *name) {
    char wanted[256];
    snprintf(wanted, sizeof wanted, "%s%s", prefix, name);
    for (int i = 0; i < cases->main->n_initializers; i++)
        if (strcmp(cases->main->initializers[i]->name, wanted) == 0) return cases->main->initializers[i]->constant;
    return NULL;
}

static void run_cases(const char *name, model *m, const model *cases, double tolerance) {
    hst_error err = {0};
    int ran = 0;
    for (int c = 0; c < 8; c++) {
        const hst_tensor *in[8] = {0};
        hst_tensor *out[8] = {0};
        char prefix[32];
        bool there = m->main->n_inputs <= 8 && m->main->n_outputs <= 8;
        snprintf(prefix, sizeof prefix, "case%d/in/", c);
        for (int i = 0; i < m->main->n_inputs && there; i++)
            there = (in[i] = find(cases, prefix, m->main->inputs[i]->name)) != NULL;
        if (!there) break;
        if (interp_run(m->main, in, out, NULL, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
        snprintf(prefix, sizeof prefix, "case%d/out/", c);
        for (int i = 0; i < m->main->n_outputs; i++) {
            const hst_tensor *want = find(cases, prefix, m->main->outputs[i]->name);
            if (!want) continue;
            assert_int_equal(tensor_count(want), tensor_count(out[i]));
            for (int64_t k = 0; k < tensor_count(want); k++) {
                double a = tensor_get_f64(want, k), b = tensor_get_f64(out[i], k);
                if (!(fabs(a - b) <= tolerance * (1 + fabs(a))))
                    fail_msg("%s, case %d, %s[%lld]: %g, not %g", name, c, m->main->outputs[i]->name, (long long)k, b,
                             a);
            }
            ran++;
        }
        for (int i = 0; i < m->main->n_outputs; i++) tensor_free(out[i]);
    }
    if (!ran) fail_msg("%s: no case was run", name);
}

static void fused_graphs_give_the_same_answers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++) {
        model *m = optimised(encoders[i]), *cases = read_model(encoders[i], ".cases");
        run_cases(encoders[i], m, cases, 1e-4);
        model_free(m);
        model_free(cases);
    }
}

/* Graphs written in f16 compute in f32; their outputs stay f16. */
static void half_graphs_compute_in_f32(void **state) {
    (void)state;
    static const char *const halves[] = {"bert_seqcls_ts17_eager_fp16", "distilbert_seqcls_ts17_eager_fp16",
                                         "bert_seqcls_ts17_eager_fused_fp16",
                                         "distilbert_seqcls_ts17_eager_fused_fp16"};
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        model *before = read_model(halves[i], ".onnx"), *m = optimised(halves[i]),
              *cases = read_model(halves[i], ".cases");
        assert_int_equal(m->main->outputs[0]->type.dtype, before->main->outputs[0]->type.dtype);
        assert_string_equal(m->main->outputs[0]->name, before->main->outputs[0]->name);
        for (const node *n = m->main->first; n; n = n->next)
            if (!node_is(n, "", "Cast") && !node_is(n, "", "Gather") && n->out[0]->type.dtype == HST_DTYPE_F16)
                fail_msg("%s: %s computes in f16", halves[i], n->op_type);
        run_cases(halves[i], m, cases, 2e-3);
        model_free(before);
        model_free(m);
        model_free(cases);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(half_graphs_compute_in_f32),
                                       cmocka_unit_test(every_encoder_is_fused),
                                       cmocka_unit_test(fused_graphs_give_the_same_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
