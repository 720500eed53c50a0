/* Operators on arrays large enough to be split over the team: the same bits for any number of workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ops/case.h"
#include "ops/interp.h"

// clang-format off
static const struct {
    const char *domain, *op_type;
    int opset;
    const char *text; /* the expected outputs are of the right type only */
} large[] = {
    {"", "Add", 18, "(f32[150,301]{1 2.5 -3 0.7 11}, f32[301]{0.1 7 -2}) -> (f32[1]{0})"},
    {"", "Mul", 18, "(f32[40000]{1 2.5 -3 0.7 11}, f32[]{0.3}) -> (f32[1]{0})"},
    {"", "Sub", 18, "(f16[150,301]{1 2.5 -3 0.7 11}, f16[150,1]{0.1 7 -2}) -> (f16[1]{0})"},
    {"", "Add", 18, "(s64[150,301]{1 25 -3 7 1100}, s64[301]{1 7 -2}) -> (s64[1]{0})"},
    {"", "Mul", 18, "(s32[40001]{1 25 -3 7 1100}, s32[]{7}) -> (s32[1]{0})"},
    {"", "Div", 18, "(s64[40001]{1 25 -3 7 1100}, s64[1]{7}) -> (s64[1]{0})"},
    {"", "Where", 18, "(b8[150,301]{1 0 0 1 1 0 1}, f32[]{0.3}, f32[150,301]{1 2.5 -3 0.7 11}) -> (f32[1]{0})"},
    {"", "Where", 18, "(b8[301]{1 0 0 1 1 0 1}, u4[150,301]{3 7 1 9 2}, u4[150,1]{1 2 4 8 12 15}) -> (u4[1]{0})"},
    {"", "Pow", 18, "(f32[40001]{1 2.5 3 0.7 1.1}, f32[1]{1.7}) -> (f32[1]{0})"},
    {"", "Erf", 18, "(f32[40001]{1 2.5 -3 0.7 -0.1 0.01 4}) -> (f32[1]{0})"},
    {"", "Sin", 18, "(f64[40001]{1 2.5 -3 0.7 -0.1 0.01 4}) -> (f64[1]{0})"},
    {"", "Gelu", 20, "(bf16[40001]{1 2.5 -3 0.7 -0.1 0.01 4}) -> (bf16[1]{0})"},
    {"", "Softmax", 18, "(f32[67,601]{1 2.5 -3 0.7 -0.1 0.01 4}) -> (f32[1]{0})"},
    {"", "Softmax", 18, "(f32[61,67,11]{1 2.5 -3 0.7 -0.1 0.01 4}; axis=1) -> (f32[1]{0})"},
    {"", "LogSoftmax", 18, "(f64[67,601]{1 2.5 -3 0.7 -0.1 0.01 4}) -> (f64[1]{0})"},
    {"", "LayerNormalization", 18, "(f32[67,601]{1 2.5 -3 0.7 -0.1 0.01 4}, f32[601]{1 2}, f32[601]{0.5 3 1}) -> (f32[1]{0}, f32[1]{0}, f32[1]{0})"},
    {"", "RMSNormalization", 23, "(f32[67,601]{1 2.5 -3 0.7 -0.1 0.01 4}, f32[67,1]{1 2}) -> (f32[1]{0})"},
    {"com.microsoft", "SkipLayerNormalization", 1, "(f32[3,41,301]{1 2.5 -3 0.7 -0.1}, f32[41,301]{2 -1 0.3}, f32[301]{1 2}, f32[301]{0.5 3 1}, f32[301]{1 2 3 4}) -> (f32[1]{0}, _, _, f32[1]{0})"},
    {"com.microsoft", "EmbedLayerNormalization", 1, "(s32[5,41]{0 1 2 3 4 5 6}, _, f32[7,301]{1 2.5 -3 0.7 -0.1}, f32[41,301]{2 -1 0.3}, _, f32[301]{1 2}, f32[301]{0.5 3 1}) -> (f32[1]{0}, _, f32[1]{0})"},
    {"com.microsoft", "BiasGelu", 1, "(f32[67,601]{1 2.5 -3 0.7 -0.1}, f32[601]{2 -1 0.3}) -> (f32[1]{0})"},
    {"", "Conv", 18, "(f32[2,6,41,39]{1 2.5 -3 0.7 -0.1 0.01 4}, f32[20,6,3,3]{0.3 -1.7 2.2 0.9 -0.4}, f32[20]{0.1 7 -2}; pads=[1,1,1,1]) -> (f32[1]{0})"},
    {"", "Conv", 18, "(f32[1,3,4001]{1 2.5 -3 0.7 -0.1 0.01 4}, f32[50,3,5]{0.3 -1.7 2.2 0.9}; strides=[3], dilations=[2]) -> (f32[1]{0})"},
    {"", "Conv", 18, "(f32[1,24,31,33]{1 2.5 -3 0.7 -0.1 0.01 4}, f32[24,1,7,7]{0.3 -1.7 2.2 0.9 -0.4}, f32[24]{0.1 7 -2}; group=24, pads=[3,3,3,3]) -> (f32[1]{0})"},
    {"", "Conv", 18, "(f64[1,3,41]{1 2.5 -3 0.7 -0.1 0.01 4}, f64[50,3,5]{0.3 -1.7 2.2 0.9}) -> (f64[1]{0})"},
    {"", "ConvTranspose", 18, "(f32[2,6,21,19]{1 2.5 -3 0.7 -0.1 0.01 4}, f32[6,5,3,3]{0.3 -1.7 2.2 0.9 -0.4}, f32[10]{0.1 7 -2}; group=2, strides=[2,2]) -> (f32[1]{0})"},
    {"", "AveragePool", 19, "(f32[2,6,41,39]{1 2.5 -3 0.7 -0.1 0.01 4}; kernel_shape=[3,4], strides=[2,1], ceil_mode=1, pads=[1,1,1,1]) -> (f32[1]{0})"},
    {"", "Resize", 19, "(f32[2,6,41,39]{1 2.5 -3 0.7 -0.1 0.01 4}, _, f32[4]{1 1 0.7 1.3}; mode=\"cubic\", antialias=1) -> (f32[1]{0})"},
    {"", "LSTM", 14, "(f32[9,5,31]{1 2.5 -3 0.7 -0.1 0.01 4}, f32[2,132,31]{0.3 -0.7 0.2 0.1 -0.4}, f32[2,132,33]{0.02 -0.3 0.2 -0.1}; hidden_size=33, direction=\"bidirectional\") -> (f32[1]{0}, f32[1]{0}, f32[1]{0})"},
    {"com.microsoft", "FastGelu", 1, "(f16[67,601]{1 2.5 -3 0.7 -0.1}, f16[601]{2 -1 0.3}) -> (f16[1]{0})"},
};
// clang-format on

static void evaluate(const case_model *m, int workers, hst_tensor **out) {
    hst_error err;
    interp_options options = {0};
    team_set_size(team_default(), workers);
    if (interp_node(m->model->main->first, (const hst_tensor *const *)m->in, out, &options, &err) != HST_STATUS_OK)
        fail_msg("%s", err.message);
}

static void test_same_bits(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof large / sizeof *large; k++) {
        hst_error err;
        case_model m = {0};
        hst_tensor *want[4] = {0};
        const op *o = op_find(large[k].domain, large[k].op_type, large[k].opset);
        assert_non_null(o);
        const op_case text = {.name = large[k].op_type, .opset = large[k].opset, .text = large[k].text};
        if (case_parse(o, &text, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", large[k].op_type, err.message);
        assert_int_equal(ops_resolve(m.model->main, &err), HST_STATUS_OK);
        evaluate(&m, 1, want);
        for (int workers = 2; workers <= 5; workers++) {
            hst_tensor *got[4] = {0};
            evaluate(&m, workers, got);
            for (int i = 0; i < m.n_out; i++) {
                if (!want[i]) continue;
                assert_int_equal(got[i]->bytes, want[i]->bytes);
                assert_true(want[i]->bytes > 128);
                if (memcmp(got[i]->data, want[i]->data, want[i]->bytes) != 0)
                    fail_msg("%s: output %d differs with %d workers", large[k].op_type, i, workers);
            }
            for (int i = 0; i < 4; i++) tensor_free(got[i]);
        }
        for (int i = 0; i < 4; i++) tensor_free(want[i]);
        case_free(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
