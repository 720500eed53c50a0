/* What the reader makes of the files in tests/onnx/data/good (tools/fixtures/onnx_cases.py). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/file.h"
#include "onnx/onnx.h"

#define GOOD HASTEN_SOURCE_DIR "/tests/onnx/data/good/"

static model *read_good(const char *name) {
    char path[512];
    hst_error err = {0};
    model *m = NULL;
    snprintf(path, sizeof path, GOOD "%s.onnx", name);
    if (onnx_read(path, NULL, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    if (graph_check(m->main, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    return m;
}

static const hst_tensor *initializer(const model *m, const char *name) {
    for (int i = 0; i < m->main->n_initializers; i++)
        if (strcmp(m->main->initializers[i]->name, name) == 0) return m->main->initializers[i]->constant;
    fail_msg("no initializer %s", name);
    return NULL;
}

static const node *node_at(const graph *g, int index) {
    const node *n = g->first;
    while (n && index-- > 0) n = n->next;
    assert_non_null(n);
    return n;
}

/* Each type once as raw_data and three times as typed data: packed, one by one, in two chunks. */
static void test_types(void **state) {
    (void)state;
    static const struct {
        const char *name;
        hst_dtype dtype;
        int rank;
    } types[] = {{"f32", HST_DTYPE_F32, 2},
                 {"f64", HST_DTYPE_F64, 2},
                 {"c64", HST_DTYPE_C64, 1},
                 {"c128", HST_DTYPE_C128, 2},
                 {"s8", HST_DTYPE_S8, 1},
                 {"u8", HST_DTYPE_U8, 1},
                 {"s16", HST_DTYPE_S16, 1},
                 {"u16", HST_DTYPE_U16, 1},
                 {"s32", HST_DTYPE_S32, 1},
                 {"s64", HST_DTYPE_S64, 1},
                 {"u32", HST_DTYPE_U32, 1},
                 {"u64", HST_DTYPE_U64, 1},
                 {"b8", HST_DTYPE_B8, 1},
                 {"f16", HST_DTYPE_F16, 1},
                 {"bf16", HST_DTYPE_BF16, 1},
                 {"f8e4m3fn", HST_DTYPE_F8E4M3FN, 1},
                 {"f8e4m3fnuz", HST_DTYPE_F8E4M3FNUZ, 1},
                 {"f8e5m2", HST_DTYPE_F8E5M2, 1},
                 {"f8e5m2fnuz", HST_DTYPE_F8E5M2FNUZ, 1},
                 {"f8e8m0", HST_DTYPE_F8E8M0, 1},
                 {"u4", HST_DTYPE_U4, 1},
                 {"s4", HST_DTYPE_S4, 1},
                 {"f4e2m1", HST_DTYPE_F4E2M1, 1},
                 {"u2", HST_DTYPE_U2, 1},
                 {"s2", HST_DTYPE_S2, 1},
                 {"f6e2m3", HST_DTYPE_F6E2M3, 1},
                 {"f6e3m2", HST_DTYPE_F6E3M2, 1}};
    static const char *const forms[] = {"packed", "single", "chunks"};
    model *m = read_good("types");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s_raw", types[i].name);
        const hst_tensor *raw = initializer(m, name);
        assert_int_equal(raw->dtype, types[i].dtype);
        assert_int_equal(raw->rank, types[i].rank);
        assert_true(raw->bytes > 0);
        for (int f = 0; f < 3; f++) {
            snprintf(name, sizeof name, "%s_%s", types[i].name, forms[f]);
            const hst_tensor *t = initializer(m, name);
            assert_int_equal(t->dtype, raw->dtype);
            assert_int_equal(t->bytes, raw->bytes);
            assert_memory_equal(t->data, raw->data, raw->bytes);
        }
    }
    assert_int_equal(initializer(m, "u4_raw")->dim[0], 5);
    assert_int_equal(initializer(m, "u4_raw")->bytes, 3);
    assert_int_equal(initializer(m, "f6e2m3_raw")->bytes, 5);
    const hst_tensor *scalar = initializer(m, "scalar");
    assert_int_equal(scalar->rank, 0);
    assert_true(tensor_get_f64(scalar, 0) == 2.5);
    assert_int_equal(tensor_count(initializer(m, "empty")), 0);
    assert_int_equal(initializer(m, "empty")->dim[1], 4);
    assert_int_equal(initializer(m, "empty_raw")->dim[0], 3);
    assert_int_equal(tensor_get_s64(initializer(m, "short_negative"), 0), -1);
    const unsigned char clean[4] = {0, 1, 1, 1};
    assert_memory_equal(initializer(m, "bool_dirty")->data, clean, 4);
    const hst_string *s = initializer(m, "strings")->data;
    assert_int_equal(s[1].size, 0);
    assert_int_equal(s[2].size, 5);
    assert_int_equal(s[3].size, 4);
    assert_memory_equal(s[3].data, "f\0ur", 4);
    model_free(m);
}

/* Large data is the file's own bytes; small data is so where it happens to lie aligned. */
static void test_zero_copy(void **state) {
    (void)state;
    hst_error err = {0};
    file_map *map = NULL;
    model *m = NULL;
    assert_int_equal(file_map_open(GOOD "types.onnx", false, NULL, &map, &err), HST_STATUS_OK);
    assert_int_equal(onnx_read_memory(map->data, map->size, "types", NULL, &m, &err), HST_STATUS_OK);
    const unsigned char *at = initializer(m, "s8_raw")->data; /* bytes are always aligned */
    assert_true(at > map->data && at < map->data + map->size);
    model_free(m);
    file_map_free(map);
}

static void check_ops(const graph *g, const char *const *ops, int count) {
    assert_int_equal(g->n_nodes, count);
    for (int i = 0; i < count; i++) assert_string_equal(node_at(g, i)->op_type, ops[i]);
}

static void test_functions(void **state) {
    (void)state;
    static const char *const ops[] = {"Add", "Identity", "Abs",      "Constant", "Mul", "Identity", "Constant",
                                      "Mul", "Identity", "Constant", "Cast",     "If",  "Identity", "Neg"};
    model *m = read_good("functions");
    const graph *g = m->main;
    check_ops(g, ops, 14);
    assert_true(node_float(node_at(g, 3), "value_float", 0) == 3.0f); /* given at the call */
    assert_true(node_float(node_at(g, 6), "value_float", 0) == 2.0f); /* the function's default */
    assert_int_equal(node_int(node_at(g, 9), "value_int", 0), 1);
    /* Both calls of scale have a value t, and so has the caller: none may be mixed up. */
    const node *first = node_at(g, 4), *second = node_at(g, 7);
    assert_string_not_equal(first->out[0]->name, second->out[0]->name);
    assert_ptr_equal(first->in[0], second->in[0]);
    assert_string_equal(node_at(g, 5)->out[0]->name, "y");
    const graph *branch = node_graph(node_at(g, 11), "then_branch");
    assert_non_null(branch);
    assert_string_equal(node_at(branch, 0)->op_type, "Add"); /* a call within a graph within a function */
    assert_ptr_equal(node_at(branch, 0)->in[0], g->inputs[0]);
    assert_ptr_equal(node_at(branch, 0)->in[1], g->inputs[1]);
    assert_ptr_equal(node_at(branch, 1)->in[0], node_at(branch, 0)->out[0]);
    assert_ptr_equal(node_at(g, 12)->in[0], g->inputs[0]); /* an output that is an input */
    assert_string_equal(g->outputs[3]->name, "same");
    model_free(m);
}

static void test_function_details(void **state) {
    (void)state;
    model *m = read_good("function_omitted");
    const node *clip = node_at(m->main, 0), *softmax = node_at(m->main, 1);
    assert_int_equal(clip->n_in, 3);
    assert_null(clip->in[1]);
    assert_null(clip->in[2]);
    assert_null(node_attribute(softmax, "axis")); /* not given: the operator's own default holds */
    model_free(m);
    m = read_good("function_overload");
    assert_string_equal(node_at(m->main, 0)->op_type, "Neg");
    assert_string_equal(node_at(m->main, 1)->op_type, "Abs");
    model_free(m);
    m = read_good("function_opset");
    assert_int_equal(node_at(m->main, 0)->opset, 11);
    assert_int_equal(model_opset(m, ""), 18);
    model_free(m);
    m = read_good("function_graph"); /* a graph as attribute of the call sees the caller's names */
    const graph *given = node_graph(node_at(m->main, 0), "then_branch");
    assert_non_null(given);
    assert_ptr_equal(node_at(given, 0)->in[0], m->main->inputs[0]);
    assert_ptr_equal(node_at(given, 0)->in[1], m->main->initializers[0]);
    model_free(m);
}

static void test_subgraphs(void **state) {
    (void)state;
    model *m = read_good("subgraphs");
    const node *add = node_at(m->main, 0), *branch = node_at(m->main, 1), *loop = node_at(m->main, 2);
    const graph *yes = node_graph(branch, "then_branch"), *no = node_graph(branch, "else_branch");
    assert_ptr_equal(yes->parent, m->main);
    assert_ptr_equal(node_at(yes, 0)->in[0], add->out[0]);
    assert_string_equal(no->initializers[0]->name, "w");
    const graph *deep = node_graph(node_at(yes, 1), "then_branch");
    assert_ptr_equal(deep->parent, yes);
    assert_ptr_equal(node_at(deep, 0)->in[0], node_at(yes, 0)->out[0]);
    assert_ptr_equal(node_at(deep, 0)->in[1], m->main->inputs[0]);
    assert_int_equal(node_graph(loop, "body")->n_inputs, 3);
    model_free(m);
    m = read_good("shadow"); /* the inner x and k are others than the outer ones, and say so */
    const graph *body = node_graph(node_at(m->main, 0), "body");
    assert_ptr_equal(node_at(body, 1)->in[0], body->inputs[2]);
    assert_ptr_equal(node_at(body, 1)->in[1], body->initializers[0]);
    assert_string_not_equal(body->inputs[2]->name, "x");
    assert_ptr_not_equal(body->outputs[1], body->outputs[2]);
    const graph *outer = node_graph(node_at(m->main, 1), "then_branch");
    assert_int_equal(outer->n_nodes, 1); /* an Identity: an outer value cannot be this graph's output */
    assert_ptr_equal(outer->outputs[0]->graph, outer);
    model_free(m);
}

static void test_external(void **state) {
    (void)state;
    model *m = read_good("external");
    const hst_tensor *first = initializer(m, "first"), *second = initializer(m, "second");
    for (int i = 0; i < 32; i++) assert_true(tensor_get_f64(first, i) == i);
    for (int i = 0; i < 8; i++) assert_true(tensor_get_f64(second, i) == 32 + i);
    assert_ptr_equal((const char *)second->data, (const char *)first->data + 128); /* one map for both */
    model_free(m);
}

static hst_status give_external(void *user, const char *location, size_t size, const void **data, size_t *bytes,
                                hst_error *err) {
    (void)err;
    assert_int_equal(size, strlen("external.bin"));
    assert_memory_equal(location, "external.bin", size);
    static const float zeros[56];
    *data = zeros;
    *bytes = sizeof zeros;
    ++*(int *)user;
    return HST_STATUS_OK;
}

static void test_external_from_memory(void **state) {
    (void)state;
    hst_error err = {0};
    char *data = NULL;
    size_t size = 0;
    int calls = 0;
    model *m = NULL;
    onnx_read_options o = {.external = give_external, .external_user = &calls};
    assert_int_equal(file_read(GOOD "external.onnx", 1 << 20, &data, &size, &err), HST_STATUS_OK);
    assert_int_equal(onnx_read_memory(data, size, "from memory", NULL, &m, &err), HST_STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "callback"));
    assert_string_equal(err.object, "from memory");
    assert_int_equal(onnx_read_memory(data, size, "from memory", &o, &m, &err), HST_STATUS_OK);
    assert_int_equal(calls, 1);
    assert_true(tensor_get_f64(initializer(m, "second"), 3) == 0);
    model_free(m);
    free(data);
}

static void test_attributes(void **state) {
    (void)state;
    model *m = read_good("attributes");
    const node *n = node_at(m->main, 0);
    const int64_t *ints = NULL;
    assert_int_equal(n->n_attributes, 18);
    assert_int_equal(n->opset, 3);
    assert_true(node_float(n, "f", 0) == 1.25f);
    assert_int_equal(node_int(n, "i", 0), -7);
    assert_string_equal(node_string(n, "s", ""), "text");
    assert_int_equal(node_ints(n, "ints", &ints), 3);
    assert_true(ints[2] == (int64_t)1 << 40);
    assert_int_equal(tensor_get_s64(node_tensor(n, "t"), 1), 5);
    assert_int_equal(node_attribute(n, "strings")->n, 3);
    assert_int_equal(node_attribute(n, "strings")->as.strings[2].size, 1);
    assert_true(node_attribute(n, "floats")->as.floats[1] == -2.5f);
    assert_int_equal(node_attribute(n, "tensors")->n, 2);
    assert_string_equal(node_attribute(n, "graphs")->as.graphs[1]->name, "sub");
    assert_int_equal(node_ints(n, "no_ints", &ints), 0);
    assert_int_equal(node_int(n, "zero", 5), 0);
    assert_string_equal(node_string(n, "blank", "?"), "");
    assert_int_equal(node_attribute(n, "type")->type, ATTRIBUTE_TYPE_PROTO);
    model_free(m);
    m = read_good("attributes_old");
    n = node_at(m->main, 0);
    assert_int_equal(node_ints(n, "ints", &ints), 3);
    assert_int_equal(ints[1], -2);
    assert_int_equal(node_int(n, "i", 0), 9);
    assert_int_equal(model_opset(m, ""), 1); /* before IR 3 */
    model_free(m);
}

static void test_inputs(void **state) {
    (void)state;
    model *m = read_good("ir3");
    assert_int_equal(m->main->n_inputs, 1);
    assert_string_equal(m->main->inputs[0]->name, "x");
    model_free(m);
    m = read_good("default_input");
    assert_int_equal(m->main->n_inputs, 2);
    assert_non_null(m->main->inputs[0]->constant);
    model_free(m);
    m = read_good("types_of_values");
    const type *list = &m->main->inputs[0]->type;
    assert_int_equal(list->dtype, HST_DTYPE_SEQUENCE);
    assert_int_equal(list->element, HST_DTYPE_F32);
    assert_int_equal(list->rank, 2);
    assert_string_equal(dim_name(m, list->dim[0]), ""); /* may differ from item to item */
    assert_int_equal(list->dim[1], 2);
    assert_int_equal(m->main->inputs[1]->type.dtype, HST_DTYPE_F32);
    assert_true(m->main->inputs[1]->type.optional);
    const type *map = &m->main->inputs[2]->type;
    assert_int_equal(map->dtype, HST_DTYPE_MAP);
    assert_true(map->key == HST_DTYPE_STRING && map->element == HST_DTYPE_S64 && map->rank == -1);
    assert_int_equal(m->main->inputs[3]->type.dtype, HST_DTYPE_NONE);
    assert_int_equal(m->main->inputs[4]->type.rank, -1);
    const type *t = &m->main->inputs[5]->type;
    assert_int_equal(t->rank, 6);
    assert_string_equal(dim_name(m, t->dim[0]), "n");
    assert_string_equal(dim_name(m, t->dim[1]), "");
    assert_string_equal(dim_name(m, t->dim[2]), "");
    assert_true(t->dim[1] != t->dim[2]); /* two unknowns are not one */
    assert_int_equal(t->dim[3], 5);
    assert_true(t->dim[5] == t->dim[0] && t->dim[4] != t->dim[0]);
    assert_int_equal(m->main->inputs[6]->type.rank, 0);
    model_free(m);
    m = read_good("echo");
    assert_ptr_equal(m->main->outputs[0], m->main->inputs[0]);
    assert_ptr_equal(m->main->outputs[1], m->main->initializers[0]);
    model_free(m);
}

/* Each listing is an output, in the file's order; names stay unique. */
static void test_outputs_listed_twice(void **state) {
    (void)state;
    static const char *const names[] = {"y", "y_3", "y_2", "y_4", "x", "x_2"};
    model *m = read_good("twice");
    const graph *g = m->main;
    assert_int_equal(g->n_outputs, 6);
    for (int i = 0; i < 6; i++) assert_string_equal(g->outputs[i]->name, names[i]);
    for (int i = 1; i < 6; i += 2) {
        const int first = i == 3 ? 0 : i - 1;
        assert_string_equal(g->outputs[i]->producer->op_type, "Identity");
        assert_ptr_equal(g->outputs[i]->producer->in[0], g->outputs[first]);
        assert_int_equal(g->outputs[i]->type.dtype, HST_DTYPE_F32);
    }
    model_free(m);
}

static void test_order_and_sparse(void **state) {
    (void)state;
    static const char *const ops[] = {"Abs", "Neg", "Relu"};
    model *m = read_good("unsorted");
    check_ops(m->main, ops, 3);
    model_free(m);
    m = read_good("sparse");
    const float w[6] = {0, 5, 0, 0, 0, 7};
    const int32_t u[6] = {0, 5, 0, 0, 0, 7};
    assert_memory_equal(initializer(m, "w")->data, w, sizeof w);
    assert_memory_equal(initializer(m, "u")->data, u, sizeof u);
    model_free(m);
}

static void test_model_fields(void **state) {
    (void)state;
    model *m = read_good("unknown");
    assert_string_equal(m->doc_string, "the model");
    assert_string_equal(m->producer_name, "cases");
    assert_string_equal(m->domain, "org.example");
    assert_int_equal(m->model_version, 7);
    assert_int_equal(m->ir_version, 8);
    assert_int_equal(m->n_metadata, 3);
    assert_string_equal(m->metadata[2].value, "a\nb");
    assert_true(m->extra.size && m->main->extra.size && m->main->first->extra.size);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_types),
                                       cmocka_unit_test(test_zero_copy),
                                       cmocka_unit_test(test_functions),
                                       cmocka_unit_test(test_function_details),
                                       cmocka_unit_test(test_subgraphs),
                                       cmocka_unit_test(test_external),
                                       cmocka_unit_test(test_external_from_memory),
                                       cmocka_unit_test(test_attributes),
                                       cmocka_unit_test(test_inputs),
                                       cmocka_unit_test(test_outputs_listed_twice),
                                       cmocka_unit_test(test_order_and_sparse),
                                       cmocka_unit_test(test_model_fields)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
