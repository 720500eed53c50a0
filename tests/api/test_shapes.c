/* hst_model_describe_shapes_json: every value in the order of the graph, subgraphs, unknown operators, contradictions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "api/toy_model.h"

static hst_model *open_shapes(model *graph, uint32_t flags, hst_error *err) {
    hst_model_options o = HST_INIT(hst_model_options);
    loaded source = {.model = graph};
    hst_model *m = NULL;
    o.flags = flags;
    assert_non_null(graph);
    (void)model_finish(&source, NULL, 0, &o, &m, err);
    return m;
}

static json_t *shapes_of(hst_model *m) {
    char *text;
    hst_error err;
    assert_int_equal(hst_model_describe_shapes_json(m, &text, &err), HST_STATUS_OK);
    json_t *all = json_loads(text, 0, NULL);
    assert_true(json_is_array(all));
    hst_text_free(text);
    return all;
}

/* One value as "from name graph dtype shape content". */
static const char *line_of(const json_t *all, size_t i, char *to, size_t size) {
    const json_t *v = json_array_get(all, i), *content = json_object_get(v, "content");
    char *shape = json_dumps(json_object_get(v, "shape"), JSON_COMPACT | JSON_ENCODE_ANY);
    char *known = content ? json_dumps(content, JSON_COMPACT) : NULL;
    snprintf(to, size, "%s %s %s%s%s%s%s%s", json_string_value(json_object_get(v, "from")),
             json_string_value(json_object_get(v, "name")), json_string_value(json_object_get(v, "dtype")), shape,
             known ? " = " : "", known ? known : "", json_integer_value(json_object_get(v, "depth")) ? " in " : "",
             json_string_value(json_object_get(v, "graph")));
    free(shape);
    free(known);
    return to;
}

static value *named(graph *g, const char *name) {
    value *v = graph_add_value(g, name);
    assert_non_null(v);
    return v;
}

static node *add(graph *g, const char *op_type, value **in, int n, value *out) {
    node *made = graph_add_node(g, "", op_type, "", in, n, &out, 1);
    assert_non_null(made);
    return made;
}

/* x f32[n,2] -> s = Shape(x); y = If(c) { t = Neg(x) } else { e = Abs(x) } */
static model *nested(void) {
    model *m = model_new(NULL);
    assert_non_null(m);
    graph *g = m->main;
    assert_int_equal(model_import_opset(m, "", 18, NULL), HST_STATUS_OK);
    value *x = toy_input(g, "x", HST_DTYPE_F32, 2, dim_symbol(m, "n"), 2),
          *c = toy_input(g, "c", HST_DTYPE_B8, 0, 0, 0);
    add(g, "Shape", &x, 1, named(g, "s"));
    value *y = named(g, "y");
    node *branch = add(g, "If", &c, 1, y);
    static const char *const names[] = {"then_branch", "else_branch"}, *const ops[] = {"Neg", "Abs"};
    for (int i = 0; i < 2; i++) {
        graph *inner = graph_new(m, g, names[i]);
        value *out = named(inner, i ? "e" : "t");
        add(inner, ops[i], &x, 1, out);
        assert_int_equal(graph_add_output(inner, out, NULL), HST_STATUS_OK);
        assert_non_null(node_add_attribute(
            branch, &(attribute){.name = names[i], .type = ATTRIBUTE_GRAPH, .n = 1, .as.graph = inner}));
    }
    assert_int_equal(graph_add_output(g, y, NULL), HST_STATUS_OK);
    return m;
}

static void test_order(void **state) {
    (void)state;
    static const char *const lines[] = {"input x f32[\"n\",2]",
                                        "input c b8[]",
                                        "Shape s s64[2] = [\"n\",2]",
                                        "Neg t f32[\"n\",2] in then_branch of If 'y'",
                                        "Abs e f32[\"n\",2] in else_branch of If 'y'",
                                        "If y f32[\"n\",2]"};
    char text[200];
    hst_error err = {0};
    hst_model *m = open_shapes(nested(), HST_MODEL_GRAPH_ONLY | HST_MODEL_SHAPES, &err);
    assert_non_null(m);
    json_t *all = shapes_of(m);
    assert_int_equal(json_array_size(all), 6);
    for (size_t i = 0; i < 6; i++) assert_string_equal(line_of(all, i, text, sizeof text), lines[i]);
    assert_true(json_is_true(json_object_get(json_array_get(all, 5), "output")));
    json_decref(all);
    hst_model_free(m);
}

/* A whole model has its shapes; one of which nothing but the graph was asked does not. */
static void test_flags(void **state) {
    (void)state;
    char *text = NULL;
    hst_error err = {0};
    hst_model *m = open_shapes(nested(), 0, &err);
    assert_non_null(m);
    json_decref(shapes_of(m));
    hst_model_free(m);
    m = open_shapes(nested(), HST_MODEL_GRAPH_ONLY, &err);
    assert_int_equal(hst_model_describe_shapes_json(m, &text, &err), HST_STATUS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "HST_MODEL_SHAPES"));
    assert_int_equal(hst_model_describe_shapes_json(m, NULL, &err), HST_STATUS_INVALID_ARGUMENT);
    hst_model_free(m);
}

/* What an unknown operator gives is unknown, the rest is not. */
static void test_unknown_operator(void **state) {
    (void)state;
    char text[200];
    hst_error err = {0};
    model *graph = scale_model(NULL);
    value *x = graph->main->inputs[0];
    add(graph->main, "Neg", &x, 1, named(graph->main, "z"));
    add(graph->main, "Neg", &graph->main->outputs[0], 1, named(graph->main, "w"));
    hst_model *m = open_shapes(graph, HST_MODEL_GRAPH_ONLY | HST_MODEL_SHAPES, &err);
    assert_non_null(m);
    json_t *all = shapes_of(m);
    assert_int_equal(json_array_size(all), 4);
    assert_non_null(strstr(line_of(all, 1, text, sizeof text), "Scale y "));
    assert_non_null(strstr(text, "null"));
    assert_string_equal(line_of(all, 2, text, sizeof text), "Neg z f32[\"n\",2]");
    assert_non_null(strstr(line_of(all, 3, text, sizeof text), "null"));
    json_decref(all);
    hst_model_free(m);
}

static void test_contradiction(void **state) {
    (void)state;
    hst_error err = {0};
    model *graph = model_new(NULL);
    assert_non_null(graph);
    assert_int_equal(model_import_opset(graph, "", 18, NULL), HST_STATUS_OK);
    value *in[2] = {toy_input(graph->main, "a", HST_DTYPE_F32, 2, 4, 3),
                    toy_input(graph->main, "b", HST_DTYPE_F32, 2, 4, 5)};
    add(graph->main, "Add", in, 2, named(graph->main, "y"));
    assert_null(open_shapes(graph, HST_MODEL_GRAPH_ONLY | HST_MODEL_SHAPES, &err));
    assert_int_equal(err.code, HST_STATUS_BAD_SHAPE);
    assert_string_equal(err.message, "Add 'y': cannot broadcast 3 with 5 on axis 1 of 2");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_flags),
                                       cmocka_unit_test(test_unknown_operator), cmocka_unit_test(test_contradiction)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
