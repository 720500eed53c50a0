/* Small graphs for the tests of passes, node by node; what is wrong with them fails the test. */
#ifndef TESTS_PASSES_BUILD_H
#define TESTS_PASSES_BUILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ops/interp.h"
#include "passes/pass.h"

/* Ownership: the model takes t. */
static inline value *held(model *m, hst_tensor *t) {
    assert_int_equal(model_own_tensor(m, t, NULL), HST_STATUS_OK);
    return graph_add_initializer(m->main, "", t);
}

/* Elements first, first + step … first + 6 step, first …. */
static inline value *constant(model *m, hst_dtype d, int rank, const int64_t *dims, double first, double step) {
    hst_tensor *t;
    assert_int_equal(tensor_new(d, rank, dims, NULL, &t, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < tensor_count(t); i++) tensor_set_f64(t, i, first + step * (double)(i % 7));
    return held(m, t);
}

/* One element, of any rank. */
static inline value *single(model *m, hst_dtype d, int rank, double x) {
    static const int64_t ones[HST_RANK_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    return constant(m, d, rank, ones, x, 0);
}

static inline value *real(model *m, double x) {
    return single(m, HST_DTYPE_F32, 0, x);
}

static inline value *integer(model *m, int64_t x) {
    return single(m, HST_DTYPE_S64, 0, (double)x);
}

static inline value *integers(model *m, const int64_t *x, int64_t n) {
    hst_tensor *t;
    assert_int_equal(tensor_new(HST_DTYPE_S64, 1, &n, NULL, &t, NULL), HST_STATUS_OK);
    memcpy(t->data, x, (size_t)n * sizeof *x);
    return held(m, t);
}

/* A node of one output; b and c may be NULL. */
static inline value *apply(model *m, const char *op_type, value *a, value *b, value *c) {
    value *in[3] = {a, b, c}, *out = graph_add_value(m->main, "");
    assert_non_null(graph_add_node(m->main, "", op_type, "", in, c ? 3 : b ? 2 : 1, &out, 1));
    return out;
}

static inline value *cast(model *m, value *x, hst_dtype to) {
    value *y = apply(m, "Cast", x, NULL, NULL);
    assert_true(node_set_int(y->producer, "to", (int64_t)to));
    return y;
}

#endif
