/* Large data movement is split among the team: the same bytes as by one worker, for the operators' different plans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ops/case.h"
#include "ops/interp.h"

/* x is the case's input, 1 MiB of different bytes. */
static const struct {
    const char *op, *text;
} larges[] = {
    {"Transpose", "(s32[64,64,64]{0}; perm=[2,0,1]) -> (s32[]{0})"},
    {"Transpose", "(s32[64,64,64]{0}; perm=[1,0,2]) -> (s32[]{0})"},
    {"Transpose", "(s32[2,512,256]{0}; perm=[0,2,1]) -> (s32[]{0})"},
    {"Transpose", "(s16[524288,1]{0}; perm=[1,0]) -> (s16[]{0})"},
    {"Slice", "(s32[64,64,64]{0}, s64[2]{1 -1}, s64[2]{64 -100}, s64[2]{0 2}, s64[2]{1 -1}) -> (s32[]{0})"},
    {"Concat", "(s8[3,349525]{0}, s8[3,2]{1}; axis=1) -> (s8[]{0})"},
    {"Expand", "(s8[349525,1]{0}, s64[2]{349525 3}) -> (s8[]{0})"},
    {"Gather", "(s32[64,64,64]{0}, s64[65]{63 -64 7 1}; axis=2) -> (s32[]{0})"},
    {"Gather", "(s64[8,4096]{0}, s64[8,4096]{63 -64 7 1}; axis=1) -> (s64[]{0})"},
    {"GatherElements", "(s32[64,64,64]{0}, s64[64,63,64]{63 -64 7 1}; axis=1) -> (s32[]{0})"},
    {"GatherElements", "(s16[64,64,64]{0}, s64[64,64,63]{63 -64 7 1}; axis=-1) -> (s16[]{0})"},
    {"Tile", "(s32[512,64]{0}, s64[2]{4 2}) -> (s32[]{0})"},
    {"DepthToSpace", "(s32[1,64,64,64]{0}; blocksize=4) -> (s32[]{0})"},
};

static void run(const case_model *m, int workers, hst_tensor **out) {
    hst_error err = {0};
    const hst_tensor *in[8];
    int before = team_size(team_default());
    for (int i = 0; i < m->n_in; i++) in[i] = m->in[i];
    team_set_size(team_default(), workers);
    hst_status status = interp_run(m->model->main, in, out, NULL, &err);
    team_set_size(team_default(), before);
    if (status != HST_STATUS_OK) fail_msg("%s", err.message);
}

static void test_teams(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof larges / sizeof *larges; i++) {
        const op *o = op_find("", larges[i].op, CASE_OPSET);
        op_case c = {.name = larges[i].text, .text = larges[i].text};
        case_model m;
        hst_error err = {0};
        hst_tensor *one, *four;
        assert_non_null(o);
        if (case_parse(o, &c, &m, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
        assert_int_equal(ops_resolve(m.model->main, &err), HST_STATUS_OK);
        uint32_t random = 1;
        for (size_t k = 0; k < m.in[0]->bytes; k++) {
            random = random * 1664525u + 1013904223u;
            ((uint8_t *)m.in[0]->data)[k] = (uint8_t)(random >> 24);
        }
        run(&m, 1, &one);
        run(&m, 4, &four);
        assert_true(one->bytes == four->bytes && one->bytes > (1 << 18));
        assert_memory_equal(one->data, four->data, one->bytes);
        tensor_free(one);
        tensor_free(four);
        case_free(&m);
    }
}

/* An index that only the last worker meets. */
static void test_bad_index(void **state) {
    (void)state;
    static const char *const ops[] = {"Gather", "GatherElements"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        const op *o = op_find("", ops[i], CASE_OPSET);
        const op_case c = {.name = ops[i], .text = "(s32[100000]{0}, s64[100000]{0}) -> (s32[]{0})"};
        case_model m;
        hst_error err = {0};
        hst_tensor *out = NULL;
        if (case_parse(o, &c, &m, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
        assert_int_equal(ops_resolve(m.model->main, &err), HST_STATUS_OK);
        const hst_tensor *in[2] = {m.in[0], m.in[1]};
        ((int64_t *)m.in[1]->data)[99999] = 100000;
        const int before = team_size(team_default());
        team_set_size(team_default(), 4);
        const hst_status status = interp_run(m.model->main, in, &out, NULL, &err);
        team_set_size(team_default(), before);
        assert_int_equal(status, HST_STATUS_BAD_SHAPE);
        assert_non_null(strstr(err.message, "index 100000 out of range [-100000, 100000) on axis 0"));
        tensor_free(out);
        case_free(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_teams), cmocka_unit_test(test_bad_index)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
