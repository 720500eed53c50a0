/* RNN, GRU, LSTM in f32: each sequence has the same bits alone and in a batch, on any number of workers and every ISA,
 * with weights packed before the run or in it; and all of them are near what f64 gives. */
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

static uint64_t seed;
static double number(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)((int64_t)(seed >> 33) % 2001 - 1000) / 1500;
}

enum { STEPS = 7, BATCH = 5, INPUTS = 9 };

typedef struct problem {
    const char *op, *attributes;
    int gates, directions, hidden;
    bool batch_first;
} problem;

static const problem problems[] = {
    {"LSTM", "", 4, 1, 70, false},
    {"LSTM", ", direction=\"bidirectional\", layout=1, clip=0.6", 4, 2, 33, true},
    {"GRU", ", direction=\"reverse\"", 3, 1, 40, false},
    {"GRU", ", linear_before_reset=1, direction=\"bidirectional\"", 3, 2, 100, false},
    {"RNN", ", activations=[\"LeakyRelu\"], activation_alpha=[0.25]", 1, 1, 1, false},
    {"LSTM", ", activations=[\"HardSigmoid\",\"Softsign\",\"Elu\"]", 4, 1, 17, false},
};

/* The node with its inputs, in f32 or f64; sequence -1: all of them, else that one alone. */
static void make(const problem *p, const char *type, int sequence, case_model *m) {
    char text[1000];
    hst_error err;
    static const int length[BATCH] = {7, 3, 0, 6, 1};
    const int d = p->directions, n = sequence < 0 ? BATCH : 1, wide = p->gates * p->hidden;
    snprintf(text, sizeof text,
             "(%s[%d,%d,%d]{1}, %s[%d,%d,%d]{1}, %s[%d,%d,%d]{1}, %s[%d,%d]{1}, s32[%d]{1}, %s[%d,%d,%d]{1}; "
             "hidden_size=%d%s) -> (%s[1]{0}, %s[1]{0}%s%s%s)",
             type, p->batch_first ? n : STEPS, p->batch_first ? STEPS : n, INPUTS, type, d, wide, INPUTS, type, d, wide,
             p->hidden, type, d, 2 * wide, n, type, p->batch_first ? n : d, p->batch_first ? d : n, p->hidden,
             p->hidden, p->attributes, type, type, p->gates == 4 ? ", " : "", p->gates == 4 ? type : "",
             p->gates == 4 ? "[1]{0}" : "");
    const op *o = op_find("", p->op, 18);
    const op_case one = {.name = "random", .opset = 18, .text = text};
    memset(m, 0, sizeof *m);
    if (case_parse(o, &one, m, &err) != HST_STATUS_OK) fail_msg("%s: %s", text, err.message);
    assert_int_equal(ops_resolve(m->model->main, &err), HST_STATUS_OK);
    seed = 99;
    for (int k = 0; k < m->n_in; k++) {
        hst_tensor *t = m->in[k];
        if (k == 4) {
            for (int i = 0; i < n; i++) ((int32_t *)t->data)[i] = length[sequence < 0 ? i : sequence];
            continue;
        }
        /* numbers as the whole batch has them, of which this sequence takes its own */
        const int axis = k == 0 || k == 5 ? !p->batch_first : -1;
        const int outer = axis == 1 ? (int)t->dim[0] : 1;
        const int64_t inner = tensor_count(t) / (axis < 0 ? 1 : (int64_t)n * outer);
        int64_t at = 0;
        for (int a = 0; a < outer; a++)
            for (int b = 0; b < (axis < 0 ? 1 : BATCH); b++)
                for (int64_t i = 0; i < inner; i++) {
                    const double x = (double)(float)number();
                    if (axis < 0 || sequence < 0 || b == sequence) convert_from_f64(t->dtype, &x, t->data, at++, 1);
                }
        assert_int_equal(at, tensor_count(t));
    }
}

static void run(const problem *p, const char *type, int sequence, int workers, hst_tensor **out) {
    case_model m;
    hst_error err;
    interp_options options = {0};
    make(p, type, sequence, &m);
    team_set_size(team_default(), workers);
    memset(out, 0, 3 * sizeof *out);
    if (interp_node(m.model->main->first, (const hst_tensor *const *)m.in, out, &options, &err) != HST_STATUS_OK)
        fail_msg("%s: %s", p->op, err.message);
    case_free(&m);
}

/* Sequence s of Y, to[steps, directions, hidden] */
static void take(const problem *p, const hst_tensor *y, int s, float *to) {
    const int n = p->batch_first ? (int)y->dim[0] : (int)y->dim[2], d = p->directions, h = p->hidden;
    for (int t = 0; t < STEPS; t++)
        for (int k = 0; k < d; k++) {
            const int row = p->batch_first ? (s * STEPS + t) * d + k : (t * d + k) * n + s;
            memcpy(to, (const float *)y->data + row * h, (size_t)h * sizeof *to);
            to += h;
        }
}

static uint64_t sum_bits(const hst_tensor *t) { /* FNV over the bits */
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < t->bytes; i++) sum = (sum ^ ((const uint8_t *)t->data)[i]) * 1099511628211u;
    return sum;
}

static void check(const problem *p) {
    hst_tensor *all[3], *other[3], *wide[3];
    static float own[STEPS * 2 * 100], alone[STEPS * 2 * 100];
    const size_t bytes = (size_t)(STEPS * p->directions * p->hidden) * sizeof(float);
    run(p, "f32", -1, 1, all);
    for (int workers = 2; workers <= 3; workers++) {
        run(p, "f32", -1, workers, other);
        for (int k = 0; k < 3 && all[k]; k++) assert_memory_equal(all[k]->data, other[k]->data, all[k]->bytes);
        for (int k = 0; k < 3; k++) tensor_free(other[k]);
    }
    for (int s = 0; s < BATCH; s++) {
        run(p, "f32", s, 2, other);
        take(p, all[0], s, own);
        take(p, other[0], 0, alone);
        assert_memory_equal(own, alone, bytes);
        for (int k = 0; k < 3; k++) tensor_free(other[k]);
    }
    run(p, "f64", -1, 1, wide);
    for (int k = 0; k < 3 && all[k]; k++)
        for (int64_t i = 0; i < tensor_count(all[k]); i++) {
            const double a = (double)((const float *)all[k]->data)[i], b = ((const double *)wide[k]->data)[i];
            if (!(fabs(a - b) <= 4e-6 * (1 + fabs(b))))
                fail_msg("%s%s: output %d element %lld is %.9g, should be %.9g", p->op, p->attributes, k, (long long)i,
                         a, b);
        }
    for (int k = 0; k < 3; k++) tensor_free(all[k]), tensor_free(wide[k]);
}

static void test_bits(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) check(&problems[i]);
}

/* The same on every ISA: the number is that of the first machine. */
static void test_one_answer(void **state) {
    (void)state;
    hst_tensor *out[3];
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        run(&problems[i], "f32", -1, 2, out);
        for (int k = 0; k < 3; k++) {
            if (out[k]) sum = sum * 31 + sum_bits(out[k]);
            tensor_free(out[k]);
        }
    }
    if (sum != UINT64_C(0xe9eccb78b3b19733)) fail_msg("0x%llx", (unsigned long long)sum);
}

/* Weights without elements, whose axes may be of any length, are left to the run. */
static void test_odd_weights(void **state) {
    (void)state;
    static const char *const texts[] = {
        "(f32[1,1,1]{1}, f32[0,0,9223372036854775807]{}, f32[0,0,9223372036854775807]{}; hidden_size=1) -> (f32[1]{0})",
        "(f32[1,1,1]{1}, f32[0,0,9223372036854775807]{}, f32[1,4,1]{1}; hidden_size=1) -> (f32[1]{0})"};
    for (int i = 0; i < 2; i++) {
        const op *o = op_find("", "LSTM", 18);
        const op_case one = {.name = "odd", .opset = 18, .text = texts[i]};
        case_model m = {0};
        hst_error err = {0};
        type types[3];
        if (case_parse(o, &one, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", texts[i], err.message);
        for (int k = 0; k < 3; k++) types[k] = type_of_tensor(m.in[k]);
        const hst_tensor *const constants[] = {NULL, m.in[1], m.in[2]};
        bind_context b = {.node = m.model->main->first,
                          .in = types,
                          .n_in = 3,
                          .constant = constants,
                          .allocator = allocator_default()};
        assert_int_equal(o->bind(&b, &err), HST_STATUS_OK);
        assert_non_null(b.run);
        assert_null(b.state);
        case_free(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bits), cmocka_unit_test(test_one_answer),
                                       cmocka_unit_test(test_odd_weights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
