/* Statically quantised exports (QuantizeLinear, DequantizeLinear around each product) end as products of integers, and
 * products of what is not quantised stay as they are. Their answers are compared in tests/convert/test_exports.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "onnx/onnx.h"
#include "passes/pass.h"

#define EXPORTS HASTEN_SOURCE_DIR "/tests/onnx/data/exports/"

static model *optimised(const char *name) {
    hst_error err = {0};
    model *m = NULL;
    char path[512];
    snprintf(path, sizeof path, EXPORTS "%s.onnx", name);
    if (onnx_read(path, NULL, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", path, err.message);
    if (passes_run(m, 0, 1000, NULL, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    if (graph_check(m->main, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    return m;
}

static int count(const model *m, const char *domain, const char *op_type) {
    int n = 0;
    for (const node *x = m->main->first; x; x = x->next) n += node_is(x, domain, op_type);
    return n;
}

/* q, k, v, output, two of the feed-forward, and q by k; k by v's length is free: its sums are not known to fit 32 bits.
 */
static void products_are_integers(void **state) {
    (void)state;
    static const char *const names[] = {"bert_seqcls_ts17_eager_static_qdq", "distilbert_seqcls_ts17_eager_static_qdq"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        model *m = optimised(names[i]);
        int integers = count(m, "", "QLinearMatMul") + count(m, "com.microsoft", "MatMulIntegerToFloat");
        if (integers != 7) fail_msg("%s: %d integer products", names[i], integers);
        if (count(m, "", "MatMul") != 1) fail_msg("%s: %d products are left", names[i], count(m, "", "MatMul"));
        model_free(m);
    }
}

static void floats_stay(void **state) {
    (void)state;
    model *m = optimised("bert_seqcls_ts17_eager");
    assert_int_equal(count(m, "", "QLinearMatMul") + count(m, "com.microsoft", "MatMulIntegerToFloat"), 0);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(products_are_integers), cmocka_unit_test(floats_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
