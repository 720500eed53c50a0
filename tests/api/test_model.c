/* Models: options, descriptions, user operators, failing allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "api/toy_model.h"
#include "counting.h"

static hst_model *open_model(model *m, const hst_model_options *given) {
    hst_model_options o = given ? *given : HST_INIT(hst_model_options);
    loaded source = {.model = m, .format = "toy"};
    hst_model *out = NULL;
    hst_error err = {0};
    assert_non_null(m);
    assert_int_equal(model_finish(&source, NULL, 0, &o, &out, &err), HST_STATUS_OK);
    return out;
}

static void test_describe(void **state) {
    (void)state;
    hst_model *m = open_model(toy_model(NULL), NULL);
    char *text;
    hst_error err;
    assert_int_equal(hst_model_input_count(m), 3);
    assert_int_equal(hst_model_output_count(m), 5);
    const hst_value_info *x = hst_model_input(m, 0);
    assert_string_equal(x->name, "x");
    assert_true(x->dtype == HST_DTYPE_F32 && x->rank == 2 && x->dims[0] == -1 && x->dims[1] == 4);
    assert_string_equal(x->dim_names[0], "n");
    assert_string_equal(x->dim_names[1], "");
    assert_null(hst_model_input(m, 3));
    assert_null(hst_model_output(m, 5));
    assert_null(hst_model_metadata(m, "none"));
    assert_null(hst_model_label(m, 0));
    const char *domain;
    int64_t version;
    assert_true(hst_model_opset_get(m, 0, &domain, &version));
    assert_true(*domain == '\0' && version == 18);
    assert_int_equal(hst_model_describe_json(m, &text, &err), HST_STATUS_OK);
    assert_non_null(strstr(text, "\"toy.Sum\":3"));
    assert_non_null(strstr(text, "\"parameters\":4"));
    assert_non_null(strstr(text, "\"shape\":[\"n\",4]"));
    assert_non_null(strstr(text, "\"unsupported\":[]"));
    hst_text_free(text);
    assert_int_equal(hst_model_describe_dot(m, &text, &err), HST_STATUS_OK);
    assert_non_null(strstr(text, "digraph"));
    hst_text_free(text);
    hst_model_free(m);
}

static void test_options(void **state) {
    (void)state;
    hst_model_options o = HST_INIT(hst_model_options);
    hst_dimension fixed[] = {{"n", 2}, {"nope", 3}};
    const char *providers[] = {"cpu", "warp"};
    hst_error err;
    o.dimensions = fixed;
    o.dimension_count = 1;
    o.providers = providers;
    o.provider_count = 1;
    hst_model *m = open_model(toy_model(NULL), &o);
    assert_int_equal(hst_model_input(m, 0)->dims[0], 2);
    hst_model_free(m);
    o.dimension_count = 2;
    loaded source = {.model = toy_model(NULL)};
    assert_int_equal(model_finish(&source, NULL, 0, &o, &m, &err), HST_STATUS_NOT_FOUND);
    assert_string_equal(err.object, "nope");
    o.dimension_count = 0;
    o.provider_count = 2;
    assert_int_equal(hst_model_load("/nowhere", &o, &m, &err), HST_STATUS_NOT_FOUND);
    assert_string_equal(err.object, "warp");
    o.provider_count = 1;
    o.optimization = 9;
    assert_int_equal(hst_model_load("/nowhere", &o, &m, &err), HST_STATUS_INVALID_ARGUMENT);
    o.flags = HST_MODEL_GRAPH_ONLY; /* nothing is to run: what says how would be ignored */
    for (int i = 0; i < 3; i++) {
        o.optimization = i == 0;
        o.quantization = i == 1 ? HST_QUANTIZATION_INT8 : HST_QUANTIZATION_NONE;
        o.weights = i == 2 ? HST_DTYPE_F32 : HST_DTYPE_NONE;
        assert_int_equal(hst_model_load("/nowhere", &o, &m, &err), HST_STATUS_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, "would be ignored"));
    }
    o.weights = HST_DTYPE_NONE;
    o.flags = 128;
    assert_int_equal(hst_model_load("/nowhere", &o, &m, &err), HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(hst_model_load(NULL, NULL, &m, &err), HST_STATUS_INVALID_ARGUMENT);
}

static void test_config(void **state) {
    (void)state;
    loaded source = {.model = toy_model(NULL),
                     .config = strdup("{\"id2label\": {\"0\": \"NEG\", \"2\": \"POS\", \"x\": \"no\", \"-1\": \"no\","
                                      " \"99999999999\": \"no\"}}")};
    hst_model_options o = HST_INIT(hst_model_options);
    hst_model *m;
    hst_error err;
    assert_int_equal(model_finish(&source, NULL, 0, &o, &m, &err), HST_STATUS_OK);
    assert_int_equal(hst_model_label_count(m), 3);
    assert_string_equal(hst_model_label(m, 0), "NEG");
    assert_null(hst_model_label(m, 1));
    assert_string_equal(hst_model_label(m, 2), "POS");
    assert_null(hst_model_label(m, 3));
    assert_non_null(strstr(hst_model_config_json(m), "id2label"));
    hst_model_free(m);
}

static void test_graph_only(void **state) {
    (void)state;
    hst_model_options o = HST_INIT(hst_model_options);
    hst_session *s = NULL;
    hst_error err;
    char *text;
    o.flags = HST_MODEL_GRAPH_ONLY;
    hst_model *m = open_model(scale_model(NULL), &o); /* its operator is unknown */
    assert_int_equal(hst_model_describe_json(m, &text, &err), HST_STATUS_OK);
    assert_non_null(strstr(text, "\"unsupported\":[\"mine.Scale\"]"));
    hst_text_free(text);
    assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_INVALID_ARGUMENT);
    hst_model_free(m);
}

static void test_user_operator(void **state) {
    (void)state;
    scaler u = {.factor = 1.5f};
    hst_operator op_scale = scale_operator(&u);
    const hst_operator *list[] = {&op_scale};
    hst_model_options o = HST_INIT(hst_model_options);
    loaded source = {.model = scale_model(NULL)};
    hst_model *m = NULL;
    hst_session *s;
    hst_error err = {0};
    assert_int_equal(model_finish(&source, NULL, 0, &o, &m, &err), HST_STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "mine.Scale"));
    o.operators = list;
    o.operator_count = 1;
    m = open_model(scale_model(NULL), &o);
    memset(&op_scale, 0, sizeof op_scale); /* it was copied */
    assert_true(u.infers > 0);
    assert_int_equal(hst_model_output(m, 0)->rank, 2);
    assert_string_equal(hst_model_output(m, 0)->dim_names[0], "n");
    assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
    hst_model_free(m); /* the session keeps it */
    float data[4] = {1, 2, 3, 4};
    int64_t dims[] = {2, 2};
    hst_tensor *x, *y = NULL;
    assert_int_equal(hst_tensor_new_borrow(HST_DTYPE_F32, 2, dims, data, sizeof data, NULL, &x, &err), HST_STATUS_OK);
    const hst_tensor *in[] = {x};
    assert_int_equal(hst_session_run(s, 1, x_name, in, 1, y_name, &y, NULL, &err), HST_STATUS_OK);
    assert_true(((const float *)hst_tensor_view(y))[3] == 12);
    hst_tensor_free(y);
    y = NULL;
    assert_int_equal(hst_session_run(s, 1, NULL, in, 1, NULL, &y, NULL, &err), HST_STATUS_OK); /* the model's order */
    hst_tensor_free(y);
    y = NULL;
    u.fail = true;
    assert_int_equal(hst_session_run(s, 1, x_name, in, 1, y_name, &y, NULL, &err), HST_STATUS_IO);
    assert_string_equal(err.message, "the disk is gone");
    u.silent = true;
    assert_int_equal(hst_session_run(s, 1, x_name, in, 1, y_name, &y, NULL, &err), HST_STATUS_IO);
    assert_non_null(strstr(err.message, "Scale"));
    assert_null(y);
    hst_tensor_free(x);
    hst_session_free(s);
    op_scale = scale_operator(&u);
    op_scale.run = NULL;
    source.model = scale_model(NULL);
    assert_int_equal(model_finish(&source, NULL, 0, &o, &m, &err), HST_STATUS_INVALID_ARGUMENT);
}

/* Every allocation from making the model to the third run fails once. */
static void test_failures(void **state) {
    (void)state;
    scaler u = {.factor = 1};
    hst_operator op_scale = scale_operator(&u);
    const hst_operator *list[] = {&op_scale};
    float data[12] = {1, 2, 3};
    int64_t dims[] = {6, 2};
    hst_tensor *x;
    bool failed = true;
    assert_int_equal(hst_tensor_new_borrow(HST_DTYPE_F32, 2, dims, data, sizeof data, NULL, &x, NULL), HST_STATUS_OK);
    const hst_tensor *in[] = {x};
    for (long n = 1; failed; n++) {
        counting c = {.fail_at = n};
        hst_allocator a = counting_allocator(&c);
        hst_model_options o = HST_INIT(hst_model_options);
        hst_error err = {0};
        hst_model *m = NULL;
        hst_session *s = NULL;
        o.allocator = &a;
        o.operators = list;
        o.operator_count = 1;
        for (int attempt = 0; attempt < 2 && !s; attempt++) {
            model *g = scale_model(&a);
            loaded source = {.model = g};
            hst_status status = g ? model_finish(&source, NULL, 0, &o, &m, &err) : HST_STATUS_NO_MEMORY;
            if (status == HST_STATUS_OK) status = hst_session_new(m, NULL, &s, &err);
            assert_int_equal(status, s ? HST_STATUS_OK : HST_STATUS_NO_MEMORY);
            hst_model_free(m);
            m = NULL;
        }
        assert_non_null(s);
        for (int run = 0; run < 3; run++) {
            hst_tensor *y = NULL;
            hst_status status = hst_session_run(s, 1, x_name, in, 1, y_name, &y, NULL, &err);
            if (status != HST_STATUS_OK) {
                assert_int_equal(status, HST_STATUS_NO_MEMORY);
                assert_null(y);
                assert_int_equal(hst_session_run(s, 1, x_name, in, 1, y_name, &y, NULL, &err), HST_STATUS_OK);
            }
            assert_true(((const float *)hst_tensor_view(y))[2] == 6);
            hst_tensor_free(y);
        }
        failed = c.fail_at == 0;
        hst_session_free(s);
        assert_int_equal(c.alive, 0);
        assert_true(n < 2000);
    }
    hst_tensor_free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_describe),      cmocka_unit_test(test_options),
                                       cmocka_unit_test(test_config),        cmocka_unit_test(test_graph_only),
                                       cmocka_unit_test(test_user_operator), cmocka_unit_test(test_failures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
