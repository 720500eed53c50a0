/* What a model says of how it runs: passes, steps, kernels; and what a profile counts, beside counts by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "api/toy_model.h"
#include "kernels/kernels.h"

#define HOSTILE "\"}\xff</script>\n"

static value *constant(model *m, int64_t rows, int64_t columns) {
    hst_tensor *t;
    assert_int_equal(tensor_new(HST_DTYPE_F32, 2, (int64_t[]){rows, columns}, NULL, &t, NULL), HST_STATUS_OK);
    assert_int_equal(model_own_tensor(m, t, NULL), HST_STATUS_OK);
    value *v = graph_add_initializer(m->main, "", t);
    assert_non_null(v);
    return v;
}

static value *node_of(model *m, const char *op, const char *name, value *a, value *b) {
    value *in[2] = {a, b}, *out = graph_add_value(m->main, "");
    assert_non_null(graph_add_node(m->main, "", op, name, in, b ? 2 : 1, &out, 1));
    return out;
}

/* ids s64[n] -> Gather of a table [50, 8] -> MatMul with w [8, 24] -> Softmax */
static hst_model *open_model(uint32_t flags) {
    model *m = model_new(NULL);
    assert_int_equal(model_import_opset(m, "", 18, NULL), HST_STATUS_OK);
    value *ids = toy_input(m->main, "ids", HST_DTYPE_S64, 1, dim_symbol(m, "n"), 0);
    value *x = node_of(m, "Gather", "table", constant(m, 50, 8), ids);
    value *y = node_of(m, "Softmax", "last", node_of(m, "MatMul", HOSTILE, x, constant(m, 8, 24)), NULL);
    assert_int_equal(graph_add_output(m->main, y, NULL), HST_STATUS_OK);
    hst_model_options o = HST_INIT(hst_model_options);
    loaded source = {.model = m, .format = "toy"};
    hst_model *out = NULL;
    hst_error err = {0};
    o.flags = flags;
    assert_int_equal(model_finish(&source, NULL, 0, &o, &out, &err), HST_STATUS_OK);
    return out;
}

static const char *text(const json_t *step, const char *key) {
    const char *s = json_string_value(json_object_get(step, key));
    assert_non_null(s);
    return s;
}

static void test_explain(void **state) {
    (void)state;
    hst_model *m = open_model(0);
    char *json;
    assert_int_equal(hst_model_explain_json(m, &json, NULL), HST_STATUS_OK);
    json_t *root = json_loads(json, 0, NULL), *steps = json_object_get(root, "steps");
    assert_int_equal(json_array_size(steps), 3);
    const json_t *gather = json_array_get(steps, 0), *product = json_array_get(steps, 1),
                 *softmax = json_array_get(steps, 2);
    assert_string_equal(text(gather, "op"), "Gather");
    assert_string_equal(text(gather, "kernel"), "");
    assert_string_equal(text(product, "kernel"), kernels_get()->gemm_f32()->name);
    assert_string_equal(text(product, "node"), "\"}?</script>\n");
    assert_string_equal(text(softmax, "kernel"), kernels_chosen(offsetof(kernels, softmax_f32))->name);
    const json_t *shape = json_object_get(json_object_get(product, "output"), "shape");
    assert_string_equal(json_string_value(json_array_get(shape, 0)), "n");
    assert_int_equal(json_integer_value(json_array_get(shape, 1)), 24);
    /* A better kernel is named where this machine, or HST_CPU, rules it out. */
    const kernel *better = kernels_better(text(softmax, "kernel"));
    if (better) assert_non_null(strstr(text(softmax, "why"), better->name));
    assert_true(json_array_size(json_object_get(root, "passes")) > 3);
    json_decref(root);
    hst_text_free(json);
    hst_model_free(m);
}

static void test_graph_only(void **state) {
    (void)state;
    hst_model *m = open_model(HST_MODEL_GRAPH_ONLY);
    hst_error err;
    char *json;
    assert_int_equal(hst_model_explain_json(m, &json, &err), HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(hst_model_explain_json(NULL, &json, &err), HST_STATUS_INVALID_ARGUMENT);
    hst_model_free(m);
}

typedef struct seen {
    int n;
    hst_profile_event events[8];
} seen;

static void see(void *user, const hst_profile_event *e) {
    seen *s = user;
    assert_true(s->n < 8);
    s->events[s->n++] = *e;
}

static void test_profile(void **state) {
    (void)state;
    hst_model *m = open_model(0);
    hst_session *s;
    hst_tensor *ids, *out = NULL;
    const int64_t n = 5, id[] = {1, 2, 3, 49, 0};
    seen seen = {0};
    hst_run_options o = HST_INIT(hst_run_options);
    o.profile = see;
    o.profile_user = &seen;
    assert_int_equal(hst_session_new(m, NULL, &s, NULL), HST_STATUS_OK);
    assert_int_equal(hst_tensor_new_copy(HST_DTYPE_S64, 1, &n, id, sizeof id, NULL, &ids, NULL), HST_STATUS_OK);
    const hst_tensor *in[] = {ids};
    assert_int_equal(hst_session_run(s, 1, NULL, in, 1, NULL, &out, &o, NULL), HST_STATUS_OK);
    assert_int_equal(seen.n, 3);
    const hst_profile_event *gather = &seen.events[0], *product = &seen.events[1], *softmax = &seen.events[2];
    assert_int_equal(gather->macs, 0);
    assert_int_equal(gather->weight_bytes, 5 * 8 * 4); /* what was looked up, not the table */
    assert_int_equal(gather->moved_bytes, sizeof id + 5 * 8 * 4);
    assert_int_equal(product->macs, 5 * 8 * 24);
    assert_true(product->weight_bytes >= 8 * 24 * 4 && product->weight_bytes < 4 * 8 * 24 * 4); /* panels are padded */
    assert_int_equal(product->moved_bytes, 5 * 8 * 4 + 5 * 24 * 4);
    assert_true(product->input.rank == 2 && product->input.dims[1] == 8 && product->output.dims[1] == 24);
    assert_int_equal(softmax->macs, 0);
    assert_int_equal(softmax->weight_bytes, 0);
    assert_int_equal(softmax->moved_bytes, 2 * 5 * 24 * 4);
    hst_tensor_free(out);
    hst_tensor_free(ids);
    hst_session_free(s);
    hst_model_free(m);
}

static void test_kernels(void **state) {
    (void)state;
    for (int i = 0; i < kernel_list_count; i++) {
        const kernel *k = kernel_list[i], *c = kernels_chosen(k->slot), *b = kernels_better(k->name);
        assert_int_equal(c->slot, k->slot);
        assert_true(cpu_has(c->isa));
        if (b) assert_true(b->slot == k->slot && b->isa > k->isa && !cpu_has(b->isa));
    }
    assert_null(kernels_better("no such kernel"));
}

/* The list tells why a kernel cannot run; of a level on request, that it has never been measured. */
static void test_kernel_list(void **state) {
    (void)state;
    char *json;
    assert_int_equal(hst_list_json("kernels", &json, NULL), HST_STATUS_OK);
    json_t *root = json_loads(json, 0, NULL);
    assert_int_equal(json_array_size(root), kernel_list_count);
    for (int i = 0; i < kernel_list_count; i++) {
        const json_t *row = json_array_get(root, (size_t)i);
        const bool available = json_is_true(json_object_get(row, "available"));
        const char *why = text(row, "why_not");
        assert_string_equal(text(row, "isa"), cpu_isa_name(kernel_list[i]->isa));
        assert_int_equal(available, cpu_has(kernel_list[i]->isa));
        assert_int_equal(*why == '\0', available);
        if (!available)
            assert_non_null(
                strstr(why, cpu_on_request(kernel_list[i]->isa) ? "never measured" : cpu_isa_name(cpu_level())));
    }
    json_decref(root);
    hst_text_free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_explain), cmocka_unit_test(test_graph_only),
                                       cmocka_unit_test(test_profile), cmocka_unit_test(test_kernels),
                                       cmocka_unit_test(test_kernel_list)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
