/* The f32 paths of poolings and of norms by channels against what f64 gives: MaxPool of random windows exactly, norms
 * nearly; the same bits on any number of workers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ops/case.h"
#include "ops/interp.h"
#include "tensor/convert.h"

static uint64_t seed = 5;
static int64_t below(int64_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(seed >> 33) % n;
}

static hst_tensor *run(const char *name, int opset, const char *text, int workers, uint64_t from, bool odd) {
    hst_error err;
    case_model m = {0};
    hst_tensor *out[2] = {NULL};
    interp_options options = {0};
    const op *o = op_find("", name, opset);
    const op_case one = {.name = "random", .opset = opset, .text = text};
    if (case_parse(o, &one, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", text, err.message);
    assert_int_equal(ops_resolve(m.model->main, &err), HST_STATUS_OK);
    seed = from;
    for (int k = 0; k < m.n_in; k++)
        for (int64_t i = 0; i < tensor_count(m.in[k]); i++) {
            const int64_t x = below(2001) - 1000;
            const double v = odd && x % 50 == 0 ? NAN : odd && x % 51 == 0 ? -INFINITY : (double)((float)x / 321.0f);
            convert_from_f64(m.in[k]->dtype, &v, m.in[k]->data, i, 1);
        }
    team_set_size(team_default(), workers);
    if (interp_node(m.model->main->first, (const hst_tensor *const *)m.in, out, &options, &err) != HST_STATUS_OK)
        fail_msg("%s: %s", text, err.message);
    case_free(&m);
    return out[0];
}

static void compare(const char *name, int opset, const char *format, bool odd, double tolerance) {
    char narrow[600], wide[600];
    const uint64_t from = seed;
    snprintf(narrow, sizeof narrow, format, "f32", "f32", "f32", "f32");
    snprintf(wide, sizeof wide, format, "f64", "f64", "f64", "f64");
    hst_tensor *a = run(name, opset, narrow, 1, from, odd), *b = run(name, opset, narrow, 3, from, odd);
    hst_tensor *c = run(name, opset, wide, 1, from, odd);
    assert_int_equal(tensor_count(a), tensor_count(c));
    assert_memory_equal(a->data, b->data, a->bytes);
    for (int64_t i = 0; i < tensor_count(a); i++) {
        const double x = (double)((const float *)a->data)[i], y = ((const double *)c->data)[i];
        if (x != y && !(fabs(x - y) <= tolerance * (1 + fabs(y))))
            fail_msg("%s: element %lld is %.9g, should be %.9g", narrow, (long long)i, x, y);
    }
    tensor_free(a);
    tensor_free(b);
    tensor_free(c);
}

static void test_max_pool(void **state) {
    (void)state;
    for (int k = 0; k < 300; k++) {
        char text[600];
        const int rank = 1 + (int)below(2);
        int64_t kernel[2], stride[2], dilation[2], pad[4], in[2];
        for (int a = 0; a < 2; a++) {
            kernel[a] = 1 + below(4), stride[a] = 1 + below(3), dilation[a] = 1 + below(2);
            pad[a] = below(kernel[a]), pad[2 + a] = below(kernel[a]);
            in[a] = (kernel[a] - 1) * dilation[a] + 1 + below(20);
        }
        if (rank == 1)
            snprintf(text, sizeof text,
                     "(%%s[2,3,%d]{1}; kernel_shape=[%d], strides=[%d], dilations=[%d], pads=[%d,%d], ceil_mode=%d) -> "
                     "(%%s[1]{0})",
                     (int)in[0], (int)kernel[0], (int)stride[0], (int)dilation[0], (int)pad[0], (int)pad[2],
                     (int)below(2));
        else
            snprintf(
                text, sizeof text,
                "(%%s[2,3,%d,%d]{1}; kernel_shape=[%d,%d], strides=[%d,%d], dilations=[%d,%d], pads=[%d,%d,%d,%d], "
                "ceil_mode=%d) -> (%%s[1]{0})",
                (int)in[0], (int)in[1], (int)kernel[0], (int)kernel[1], (int)stride[0], (int)stride[1],
                (int)dilation[0], (int)dilation[1], (int)pad[0], (int)pad[1], (int)pad[2], (int)pad[3], (int)below(2));
        compare("MaxPool", 22, text, k % 2 == 0, 0);
    }
}

static void test_groups(void **state) {
    (void)state;
    compare("InstanceNormalization", 22, "(%s[2,5,40]{1}, %s[5]{1}, %s[5]{1}; epsilon=0.01) -> (%s[1]{0})", false,
            2e-6);
    compare("InstanceNormalization", 22, "(%s[1,40,7,33]{1}, %s[40]{1}, %s[40]{1}) -> (%s[1]{0})", false, 2e-6);
    compare("GroupNormalization", 22, "(%s[2,6,9,11]{1}, %s[6]{1}, %s[6]{1}; num_groups=2) -> (%s[1]{0})", false, 2e-6);
    compare("GroupNormalization", 18, "(%s[3,6,19]{1}, %s[3]{1}, %s[3]{1}; num_groups=3) -> (%s[1]{0})", false, 2e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_max_pool), cmocka_unit_test(test_groups)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
