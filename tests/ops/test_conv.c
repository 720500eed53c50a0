/* Conv of random shapes against the chain that it promises, by its bits: acc = fma(x, w, acc) over channel and tap, +
 * bias; through the product of matrices and the direct path, alone and on several workers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ops/case.h"
#include "ops/interp.h"

static uint64_t seed = 42;
static int64_t below(int64_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(seed >> 33) % n;
}

typedef struct problem {
    int rank;
    int64_t batch, groups, channels, filters;
    int64_t in[3], kernel[3], stride[3], dilation[3], begin[3], end[3], out[3];
    bool bias;
} problem;

static void make(problem *p) {
    p->rank = 1 + (int)below(3);
    p->batch = 1 + below(2);
    p->groups = 1 + below(3);
    p->channels = 1 + below(4);
    p->filters = below(3) == 0 ? 1 + below(2) : 1 + below(20);
    if (below(4) == 0) { /* depthwise, in blocks of channels */
        p->groups = 1 + below(70);
        p->channels = p->filters = 1;
    }
    p->bias = below(2) == 0;
    for (int a = 0; a < p->rank; a++) {
        p->kernel[a] = 1 + below(4);
        p->stride[a] = 1 + below(below(4) == 0 ? 12 : 3);
        p->dilation[a] = 1 + below(3);
        p->begin[a] = below(4);
        p->end[a] = below(4);
        const int64_t reach = (p->kernel[a] - 1) * p->dilation[a] + 1, padding = p->begin[a] + p->end[a];
        p->in[a] = (reach > padding ? reach - padding : 1) + below(p->rank == 1 ? 60 : 12);
        p->out[a] = (p->in[a] + padding - reach) / p->stride[a] + 1;
    }
}

static void write_list(char *to, size_t size, const char *before, const int64_t *v, int n, const char *after) {
    size_t used = strlen(to);
    used += (size_t)snprintf(to + used, size - used, "%s", before);
    for (int k = 0; k < n; k++)
        used += (size_t)snprintf(to + used, size - used, "%s%lld", k ? "," : "", (long long)v[k]);
    snprintf(to + used, size - used, "%s", after);
}

static void write_text(const problem *p, char *to, size_t size) {
    int64_t dims[5] = {p->batch, p->groups * p->channels}, pads[6];
    *to = 0;
    memcpy(dims + 2, p->in, sizeof p->in);
    write_list(to, size, "(f32[", dims, p->rank + 2, "]{1}, f32[");
    dims[0] = p->groups * p->filters;
    dims[1] = p->channels;
    memcpy(dims + 2, p->kernel, sizeof p->kernel);
    write_list(to, size, "", dims, p->rank + 2, "]{1}");
    if (p->bias) write_list(to, size, ", f32[", dims, 1, "]{1}");
    for (int a = 0; a < p->rank; a++) pads[a] = p->begin[a], pads[p->rank + a] = p->end[a];
    write_list(to, size, "; group=", &p->groups, 1, "");
    write_list(to, size, ", strides=[", p->stride, p->rank, "]");
    write_list(to, size, ", dilations=[", p->dilation, p->rank, "]");
    write_list(to, size, ", pads=[", pads, 2 * p->rank, "]) -> (f32[1]{0})");
}

static float expected(const problem *p, const hst_tensor *const *in, int64_t image, int64_t filter, const int64_t *o) {
    const int64_t group = filter / p->filters;
    int64_t plane = 1, taps = 1;
    float acc = 0;
    for (int a = 0; a < p->rank; a++) plane *= p->in[a], taps *= p->kernel[a];
    for (int64_t c = 0; c < p->channels; c++)
        for (int64_t t = 0; t < taps; t++) {
            int64_t rest = t, at[3], from = 0;
            bool inside = true;
            for (int a = p->rank - 1; a >= 0; a--) {
                at[a] = o[a] * p->stride[a] - p->begin[a] + rest % p->kernel[a] * p->dilation[a];
                inside = inside && at[a] >= 0 && at[a] < p->in[a];
                rest /= p->kernel[a];
            }
            for (int a = 0; a < p->rank; a++) from = from * p->in[a] + at[a];
            const int64_t channel = (image * p->groups + group) * p->channels + c;
            const float x = inside ? ((const float *)in[0]->data)[channel * plane + from] : 0;
            acc = fmaf(x, ((const float *)in[1]->data)[(filter * p->channels + c) * taps + t], acc);
        }
    return p->bias ? acc + ((const float *)in[2]->data)[filter] : acc;
}

static void check(const problem *p, const char *text, int workers) {
    hst_error err;
    case_model m = {0};
    hst_tensor *got[1] = {0};
    interp_options options = {0};
    const op *o = op_find("", "Conv", 18);
    const op_case one = {.name = "random", .opset = 18, .text = text};
    if (case_parse(o, &one, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", text, err.message);
    assert_int_equal(ops_resolve(m.model->main, &err), HST_STATUS_OK);
    for (int k = 0; k < m.n_in; k++)
        for (int64_t n = 0; n < tensor_count(m.in[k]); n++)
            ((float *)m.in[k]->data)[n] = (float)(below(2001) - 1000) / 321.0f;
    team_set_size(team_default(), workers);
    if (interp_node(m.model->main->first, (const hst_tensor *const *)m.in, got, &options, &err) != HST_STATUS_OK)
        fail_msg("%s: %s", text, err.message);
    int64_t pixels = 1, i = 0;
    for (int a = 0; a < p->rank; a++) {
        assert_int_equal(got[0]->dim[2 + a], p->out[a]);
        pixels *= p->out[a];
    }
    assert_int_equal(tensor_count(got[0]), p->batch * p->groups * p->filters * pixels);
    for (; i < tensor_count(got[0]); i++) {
        int64_t place[3], rest = i % pixels;
        for (int a = p->rank - 1; a >= 0; a--) place[a] = rest % p->out[a], rest /= p->out[a];
        const int64_t filter = i / pixels % (p->groups * p->filters), image = i / pixels / (p->groups * p->filters);
        const float want = expected(p, (const hst_tensor *const *)m.in, image, filter, place);
        if (memcmp((const float *)got[0]->data + i, &want, sizeof want) != 0)
            fail_msg("%s: element %lld is %g, should be %g", text, (long long)i,
                     (double)((const float *)got[0]->data)[i], (double)want);
    }
    tensor_free(got[0]);
    case_free(&m);
}

static void test_bits(void **state) {
    (void)state;
    for (int k = 0; k < 400; k++) {
        problem p = {0};
        char text[1000];
        make(&p);
        write_text(&p, text, sizeof text);
        check(&p, text, 1 + k % 3);
    }
}

/* Rows so long that a few of them pass what a unit of work should hold. */
static void test_wide(void **state) {
    (void)state;
    const problem p = {.rank = 2,
                       .batch = 1,
                       .groups = 17,
                       .channels = 1,
                       .filters = 1,
                       .in = {40, 1300},
                       .kernel = {3, 3},
                       .stride = {1, 1},
                       .dilation = {1, 1},
                       .begin = {1, 1},
                       .end = {1, 1},
                       .out = {40, 1300}};
    char text[1000];
    write_text(&p, text, sizeof text);
    check(&p, text, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bits), cmocka_unit_test(test_wide)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
