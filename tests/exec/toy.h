/* A small model of toy operators, so that the executor is tested apart from the real ones:
 *
 *   x f32[n,4] ── Sum(x, c) = a ── Sum(a, a) = b ─┬─ Flat = r ── Sum(r, r) = y   (output)
 *                                                  └─ Flat = z                    (output: an alias)
 *   ids s64[k] ── Total = t (output)      ids ── Repeat = d (output, length ids[0]: depends on data)
 *   words string[k] ── Twice = w (output) */
#ifndef TESTS_EXEC_TOY_H
#define TESTS_EXEC_TOY_H

#include <stdlib.h>
#include <string.h>

#include "ops/op.h"

static hst_status toy_sum(eval_context *c, hst_error *err) {
    const hst_tensor *a = eval_in(c, 0), *b = eval_in(c, 1);
    hst_tensor *y;
    void *scratch;
    HST_TRY(eval_output(c, 0, a->dtype, a->rank, a->dim, &y, err));
    HST_TRY(eval_scratch(c, a->bytes, &scratch, err));
    int64_t n = tensor_count(a), m = tensor_count(b);
    memcpy(scratch, a->data, a->bytes);
    for (int64_t i = 0; i < n; i++) ((float *)y->data)[i] = ((float *)scratch)[i] + ((float *)b->data)[i % m];
    return HST_STATUS_OK;
}

static hst_status toy_flat(eval_context *c, hst_error *err) {
    int64_t n = tensor_count(c->in[0]);
    return eval_alias(c, 0, 0, 1, &n, err);
}

static hst_status toy_total(eval_context *c, hst_error *err) {
    const hst_tensor *a = eval_in(c, 0);
    hst_tensor *y;
    HST_TRY(eval_output(c, 0, HST_DTYPE_S64, 0, NULL, &y, err));
    int64_t sum = 0;
    for (int64_t i = 0; i < tensor_count(a); i++) sum += tensor_get_s64(a, i);
    tensor_set_s64(y, 0, sum);
    return HST_STATUS_OK;
}

static hst_status toy_repeat(eval_context *c, hst_error *err) {
    hst_tensor *y;
    int64_t n = tensor_get_s64(c->in[0], 0);
    void *scratch;
    HST_TRY(eval_scratch(c, (size_t)(n > 0 ? n : 0), &scratch, err));
    HST_TRY(eval_output(c, 0, HST_DTYPE_F32, 1, &n, &y, err));
    for (int64_t i = 0; i < n; i++) ((float *)y->data)[i] = (float)n;
    return c->runtime->check(c, err);
}

static hst_status toy_twice(eval_context *c, hst_error *err) {
    const hst_tensor *a = c->in[0];
    hst_tensor *y;
    int64_t n = tensor_count(a) * 2;
    HST_TRY(eval_output(c, 0, HST_DTYPE_STRING, 1, &n, &y, err));
    for (int64_t i = 0; i < n; i++) ((hst_string *)y->data)[i] = ((hst_string *)a->data)[i / 2];
    return HST_STATUS_OK;
}

/* Concat along axis 0: [a, d], [b, d] -> [a + b, d] */
static hst_status toy_append(eval_context *c, hst_error *err) {
    const hst_tensor *a = c->in[0], *b = c->in[1];
    hst_tensor *y;
    int64_t dims[2] = {a->dim[0] + b->dim[0], b->dim[1]};
    HST_TRY(eval_output(c, 0, a->dtype, 2, dims, &y, err));
    if (a->bytes) memcpy(y->data, a->data, a->bytes);
    if (b->bytes) memcpy((char *)y->data + a->bytes, b->data, b->bytes);
    return HST_STATUS_OK;
}

/* x + x, only by expansion */
static hst_status toy_double_expand(const node *n, graph *g, value *const *in, value **out, hst_error *err) {
    (void)n;
    value *both[2] = {in[0], in[0]};
    out[0] = graph_add_value(g, "");
    return out[0] && graph_add_node(g, "toy", "Sum", "", both, 2, out, 1) ? HST_STATUS_OK
                                                                          : error_no_memory(err, 0, "toy");
}

static const op toy_op_sum = {.name = "Sum", .domain = "toy", .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1, .eval = toy_sum};
static const op toy_op_flat = {.name = "Flat", .domain = "toy", .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1, .eval = toy_flat};
static const op toy_op_total = {.name = "Total", .domain = "toy", .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1, .eval = toy_total};
static const op toy_op_repeat = {.name = "Repeat", .domain = "toy", .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1, .eval = toy_repeat};
static const op toy_op_twice = {.name = "Twice", .domain = "toy", .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1, .eval = toy_twice};
static const op toy_op_append = {.name = "Append", .domain = "toy", .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1, .eval = toy_append};
static const op toy_op_double = {.name = "Double", .domain = "toy", .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1, .expand = toy_double_expand};
static const op *const toy_ops[] = {&toy_op_double, &toy_op_sum, &toy_op_flat, &toy_op_total, &toy_op_repeat, &toy_op_twice, &toy_op_append};

static inline value *toy_node(graph *g, const char *op_type, value *a, value *b, const char *out) {
    value *in[2] = {a, b}, *y = graph_add_value(g, out);
    if (!y || !a || !graph_add_node(g, "toy", op_type, out, in, b ? 2 : 1, &y, 1)) return NULL;
    return y;
}

static inline value *toy_input(graph *g, const char *name, hst_dtype d, int rank, int64_t first, int64_t second) {
    value *v = graph_add_value(g, name);
    if (!v || graph_add_input(g, v, NULL) != HST_STATUS_OK) return NULL;
    v->type = (type){.dtype = d, .rank = rank, .dim = {first, second}};
    return v;
}

static inline model *toy_begin(const hst_allocator *a) {
    model *m = model_new(a);
    if (!m) return NULL;
    m->operators = toy_ops;
    m->n_operators = (int)(sizeof toy_ops / sizeof *toy_ops);
    if (model_import_opset(m, "", 18, NULL) == HST_STATUS_OK && model_import_opset(m, "toy", 1, NULL) == HST_STATUS_OK)
        return m;
    model_free(m);
    return NULL;
}

static inline hst_status toy_output(value *v) {
    return v ? graph_add_output(v->graph, v, NULL) : HST_STATUS_NO_MEMORY;
}

static inline hst_status toy_fill(model *m) {
    graph *g = m->main;
    hst_tensor *c = NULL;
    HST_TRY(tensor_new(HST_DTYPE_F32, 1, (int64_t[]){4}, arena_allocator(m->arena), &c, NULL));
    for (int i = 0; i < 4; i++) tensor_set_f64(c, i, i);
    HST_TRY(model_own_tensor(m, c, NULL));
    dim n = dim_symbol(m, "n"), k = dim_symbol(m, "k");
    value *x = toy_input(g, "x", HST_DTYPE_F32, 2, n, 4), *ids = toy_input(g, "ids", HST_DTYPE_S64, 1, k, 0);
    value *words = toy_input(g, "words", HST_DTYPE_STRING, 1, k, 0), *w = graph_add_initializer(g, "c", c);
    value *a = w ? toy_node(g, "Sum", x, w, "a") : NULL, *b = a ? toy_node(g, "Sum", a, a, "b") : NULL;
    value *r = toy_node(g, "Flat", b, NULL, "r"), *y = r ? toy_node(g, "Sum", r, r, "y") : NULL;
    HST_TRY(toy_output(y));
    HST_TRY(toy_output(toy_node(g, "Flat", b, NULL, "z")));
    HST_TRY(toy_output(toy_node(g, "Total", ids, NULL, "t")));
    HST_TRY(toy_output(toy_node(g, "Repeat", ids, NULL, "d")));
    HST_TRY(toy_output(toy_node(g, "Twice", words, NULL, "w")));
    HST_TRY(ops_resolve(g, NULL));
    return graph_infer(g, NULL);
}

/* NULL: no memory. */
static inline model *toy_model(const hst_allocator *a) {
    model *m = toy_begin(a);
    if (m && toy_fill(m) == HST_STATUS_OK) return m;
    model_free(m);
    return NULL;
}

/* past f32[p,2], x f32[n,2] -> present = Append(past, x), sum = Double(x), which is only an expansion */
static inline model *toy_cache_model(const hst_allocator *a) {
    model *m = toy_begin(a);
    if (!m) return NULL;
    value *past = toy_input(m->main, "past", HST_DTYPE_F32, 2, dim_symbol(m, "p"), 2);
    value *x = toy_input(m->main, "x", HST_DTYPE_F32, 2, dim_symbol(m, "n"), 2);
    if (past && x && toy_output(toy_node(m->main, "Append", past, x, "present")) == HST_STATUS_OK &&
        toy_output(toy_node(m->main, "Double", x, NULL, "sum")) == HST_STATUS_OK &&
        ops_resolve(m->main, NULL) == HST_STATUS_OK && graph_infer(m->main, NULL) == HST_STATUS_OK)
        return m;
    model_free(m);
    return NULL;
}

#endif
