/* The operators of packed rows, as a hostile file may name them: sizes that do not fit end with a status that says which,
 * in a session as in the interpreter; nothing outside the tensors is touched (the sanitizers watch). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "exec/session.h"
#include "ops/case.h"

typedef struct bad {
    const char *op, *text, *message; /* a part of it */
} bad;

// clang-format off
static const bad bads[] = {
    {"PackPlan", "(f32[2]{1 1}) -> (s64[1]{0}, s64[1]{0})", "rank"},
    {"PackPlan", "(string[1,1]{\"1\"}) -> (s64[1]{0}, s64[1]{0})", "the mask is str"},
    {"PackPlan", "(s4[1,2]{1 1}) -> (s64[1]{0}, s64[1]{0})", "the mask is s4"},
    {"PackRows", "(f32[1,2]{1 2}, s64[2]{1 0}, s64[1,2]{1 1}) -> (f32[1]{0})", "row 0, number 1, is not in [2, 2)"},
    {"PackRows", "(f32[1,2]{1 2}, s64[1]{-1}, s64[1,2]{1 1}) -> (f32[1]{0})", "row -1, number 0"},
    {"PackRows", "(f32[1,2]{1 2}, s64[1]{2}, s64[1,2]{1 1}) -> (f32[1]{0})", "row 2, number 0, is not in [0, 2)"},
    {"PackRows", "(f32[1,2]{1 2}, s64[1]{9223372036854775807}, s64[1,2]{1 1}) -> (f32[1]{0})", "is not in [0, 2)"},
    {"PackRows", "(f32[1,2]{1 2}, s32[1]{0}, s64[1,2]{1 1}) -> (f32[1]{0})", "rows are s32"},
    {"PackRows", "(f32[1,3]{1 2 3}, s64[1]{0}, s64[1,2]{1 1}) -> (f32[1]{0})", "x has 1 × 3 rows, the mask 1 × 2"},
    {"PackRows", "(f32[3,2]{0}, s64[1]{0}, s64[2,2]{1}) -> (f32[1]{0})", "x has 3 × 2 rows, the mask 2 × 2"},
    {"PackRows", "(f32[1,2]{0}, s64[1]{0}, s64[2,2]{1}; whole=1) -> (f32[1]{0})", "x has 1 × 2 rows, the mask 2 × 2"},
    {"PackRows", "(f32[2,1]{0}, s64[1]{0}, s64[2,2]{1}; whole=2) -> (f32[1]{0})", "x has 2 × 1 rows, the mask 2 × 2"},
    {"PackRows", "(f32[2]{0}, s64[1]{0}, s64[2,2]{1}) -> (f32[1]{0})", "rank"},
    {"PackRows", "(f32[2,2]{0}, s64[1]{0}, s64[2,2]{1}; axis=2) -> (f32[1]{0})", "axis"},
    {"PackRows", "(f32[2,2]{0}, s64[1]{0}, s64[4]{1}) -> (f32[1]{0})", "rank 1"},
    {"PackRows", "(string[1,1]{\"a\"}, s64[1]{0}, s64[1,1]{1}) -> (f32[1]{0})", "x is str"},
    {"UnpackRows", "(f32[1,2]{1 2}, s64[1]{0}, s64[1,2]{1 1}) -> (f32[1]{0})", "not [1, 1, …]"},
    {"UnpackRows", "(f32[2,1]{1 2}, s64[1]{0}, s64[1,2]{1 1}) -> (f32[1]{0})", "not [1, 1, …]"},
    {"UnpackRows", "(f32[1,2]{1 2}, s64[2]{0 0}, s64[1,2]{1 1}) -> (f32[1]{0})", "row 0, number 1, is not in [1, 2)"},
    {"UnpackRows", "(f32[1,3]{1 2 3}, s64[3]{0 1 2}, s64[1,2]{1 1}) -> (f32[1]{0})", "row 2, number 2"},
    {"FirstRows", "(f32[1,2]{1 2}, s64[3]{0 0 2}) -> (f32[1]{0})", "sequence 0 has no first row"},
    {"FirstRows", "(f32[1,2]{1 2}, s64[3]{0 2 2}) -> (f32[1]{0})", "sequence 1 has no first row"},
    {"FirstRows", "(f32[1,2]{1 2}, s64[3]{0 3 2}) -> (f32[1]{0})", "offsets do not ascend from 0 to 2"},
    {"FirstRows", "(f32[1,2]{1 2}, s64[2]{0 3}) -> (f32[1]{0})", "offsets do not ascend from 0 to 2"},
    {"FirstRows", "(f32[1,2]{1 2}, s64[3]{0 -5 2}) -> (f32[1]{0})", "offsets do not ascend"},
    {"FirstRows", "(f32[1,2]{1 2}, s64[0]{}) -> (f32[1]{0})", "offsets are s64"},
    {"FirstRows", "(f32[2]{1 2}, s64[2]{0 1}) -> (f32[1]{0})", "not [1, R, …]"},
    {"SumRows", "(f32[1,2,1]{1 2}, s64[3]{1 1 2}) -> (f32[1]{0})", "offsets do not ascend"},
    {"SumRows", "(f32[1,2,1]{1 2}, s64[2]{0 1}) -> (f32[1]{0})", "offsets do not ascend from 0 to 2"},
    {"SumRows", "(f64[1,2,1]{1 2}, s64[2]{0 2}) -> (f32[1]{0})", "x is f64"},
    {"SumRows", "(f32[2,1,1]{1 2}, s64[2]{0 2}) -> (f32[1]{0})", "not f32 [1, R, …]"},
    {"PackedAttention", "(f32[1,3,3]{0}, s64[2,2]{1}, _, s64[3]{0 1 2}, s64[3]{0 2 4}; num_heads=1) -> (f32[1]{0})", "offsets do not ascend from 0 to 3"},
    {"PackedAttention", "(f32[1,3,3]{0}, s64[2,2]{1}, _, s64[3]{0 1 2}, s64[3]{0 3 3}; num_heads=1) -> (f32[1]{0})", "in steps of at most 2"},
    {"PackedAttention", "(f32[1,2,3]{0}, s64[2,2]{1}, _, s64[2]{0 1}, s64[2]{0 2}; num_heads=1) -> (f32[1]{0})", "offsets of 1 sequences, not of 2"},
    {"PackedAttention", "(f32[2,1,3]{0}, s64[2,2]{1}, _, s64[2]{0 1}, s64[3]{0 1 2}; num_heads=1) -> (f32[1]{0})", "packed rows [1, R, …]"},
    {"PackedAttention", "(f32[1,2,3]{0}, s64[2,2]{1}, _, _, s64[3]{0 1 2}; num_heads=1) -> (f32[1]{0})", "their places"},
    {"PackedAttention", "(f32[1,2,3]{0}, _, _, s64[2]{0 1}, s64[3]{0 1 2}; num_heads=1) -> (f32[1]{0})", "key mask"},
    {"PackedAttention", "(f32[1,2,3]{0}, s64[2,2]{1}, _, s64[2]{0 1}, s64[3]{0 1 2}; num_heads=1, mask_value=-1.0) -> (f32[1]{0})", "hides for good"},
    {"PackedAttention", "(f32[1,2,3]{0}, s64[2,2]{1}, _, s64[2]{0 2}, s64[3]{0 0 2}; num_heads=1, queries=1) -> (f32[1]{0})", "1 queries of 0 rows"},
    {"PackedAttention", "(f32[1,2,2]{0}, s64[1,2]{1}, _, _, _, f32[2,1]{0}; num_heads=1, queries=1) -> (f32[1]{0})", "q must be f32 [1, 1, 1]"},
    {"PackedAttention", "(f32[1,2,2]{0}, s64[1,2]{1}, _, _, _, f32[1,2]{0}; num_heads=1, queries=1) -> (f32[1]{0})", "q must be f32 [1, 1, 1]"},
    {"PackedAttention", "(f32[1,2,2]{0}, s64[1,2]{1}, _, _, _, f32[1,1]{0}; num_heads=1) -> (f32[1]{0})", "a q of its own"},
    {"PackedAttention", "(f32[1,2,3]{0}, s64[1,3]{1}, f32[3,3]{0}, s64[2]{2 1}, s64[2]{0 2}; num_heads=1) -> (f32[1]{0})", "rows do not fit"},
    {"PackedAttention", "(f32[1,2,3]{0}, s64[1,3]{1}, f32[3,3]{0}, s64[1]{0}, s64[2]{0 2}; num_heads=1) -> (f32[1]{0})", "rows do not fit"},
    {"PackedAttention", "(f32[1,2,3]{0}, s64[1,3]{1}, f32[2,2]{0}, s64[2]{0 1}, s64[2]{0 2}; num_heads=1) -> (f32[1]{0})", "does not broadcast to [1, 1, 3, 3]"},
};
// clang-format on

static hst_status run(const case_model *m, hst_error *err) {
    model *x = m->model;
    engine *e = NULL;
    session *s = NULL;
    const hst_tensor *in[8];
    hst_tensor *out[8] = {0};
    int n = 0;
    for (int i = 0; i < m->n_in; i++)
        if (m->in[i]) in[n++] = m->in[i];
    for (int i = 0; i < n; i++) x->main->inputs[i]->type.rank = -1; /* so that it is the run that finds it */
    for (int i = 0; i < x->main->n_outputs; i++) x->main->outputs[i]->type = (type){.rank = -1};
    hst_status status = ops_resolve(x->main, err);
    if (status == HST_STATUS_OK) status = graph_infer(x->main, err);
    if (status == HST_STATUS_OK) status = engine_compile(x, NULL, &e, err);
    if (status == HST_STATUS_OK) status = session_new(e, NULL, &s, err);
    if (status == HST_STATUS_OK)
        status = session_run(s, (size_t)n, NULL, in, (size_t)x->main->n_outputs, NULL, out, NULL, err);
    for (int i = 0; i < 8; i++) tensor_free(out[i]);
    session_free(s);
    engine_free(e);
    return status;
}

static void sizes_that_do_not_fit(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
        const bad *b = &bads[i];
        const op *o = op_find("hasten", b->op, 1);
        const op_case c = {.name = b->op, .text = b->text};
        case_model m;
        hst_error err = {0};
        assert_non_null(o);
        if (case_parse(o, &c, &m, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
        hst_status status = run(&m, &err);
        if ((status != HST_STATUS_BAD_SHAPE && status != HST_STATUS_BAD_FORMAT) || !strstr(err.message, b->message))
            fail_msg("%s %s\n  gives %d '%s'\n  expected '%s'", b->op, b->text, status, err.message, b->message);
        case_free(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes_that_do_not_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
