/* What quantised and reducing operators refuse, each with a status and a message that names the trouble; nothing is read
 * or written outside. Cases are written as in the descriptors, with any result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ops/case.h"
#include "ops/interp.h"

typedef struct refusal {
    const char *domain, *op;
    int opset;
    const char *text, *word;
} refusal;

#define MS "com.microsoft"
// clang-format off
static const refusal refusals[] = {
    {"", "QuantizeLinear", 21, "(f32[2,3]{1}, f32[2]{1}, u8[2]{0}; axis=1) -> (u8[]{0})", "scale has 2 elements"},
    {"", "QuantizeLinear", 21, "(f32[2,3]{1}, f32[2]{1}, u8[2]{0}; axis=2) -> (u8[]{0})", "axis 2 out of range for rank 2"},
    {"", "QuantizeLinear", 21, "(f32[2,3]{1}, f32[2]{1}, u8[3]{0}; axis=0) -> (u8[]{0})", "another shape than the scale"},
    {"", "QuantizeLinear", 21, "(f32[2,3]{1}, f32[2,2]{1}, u8[2,2]{0}; axis=1) -> (u8[]{0})", "needs a block size"},
    {"", "QuantizeLinear", 21, "(f32[2,3]{1}, f32[2,2]{1}, u8[2,2]{0}; axis=1, block_size=1) -> (u8[]{0})", "block size 1"},
    {"", "QuantizeLinear", 21, "(f32[2,3]{1}, f32[2,2]{1}, u8[2,2]{0}; axis=1, block_size=-2) -> (u8[]{0})", "negative"},
    {"", "QuantizeLinear", 21, "(f32[2]{1}, f32[]{1}, s64[]{0}) -> (u8[]{0})", "cannot quantise to s64"},
    {"", "QuantizeLinear", 21, "(f32[2]{1}, f32[]{1}, u8[]{0}; output_dtype=3) -> (u8[]{0})", "output_dtype"},
    {"", "QuantizeLinear", 21, "(f32[2]{1}, f32[]{1}; output_dtype=77) -> (u8[]{0})", "no element type"},
    {"", "QuantizeLinear", 21, "(f32[2]{1}, f32[]{1}; output_dtype=-1) -> (u8[]{0})", "no element type"},
    {"", "QuantizeLinear", 21, "(s64[2]{1}, f32[]{1}) -> (u8[]{0})", "cannot quantise s64"},
    {"", "QuantizeLinear", 21, "(f32[]{1}, f32[2]{1}) -> (u8[]{0})", "out of range for rank 0"},
    {"", "DequantizeLinear", 21, "(u8[2]{1}, f32[]{1}, s8[]{0}) -> (f32[]{0})", "zero point s8"},
    {"", "DequantizeLinear", 21, "(s64[2]{1}, f32[]{1}) -> (f32[]{0})", "cannot dequantise s64"},
    {"", "DequantizeLinear", 21, "(u8[2]{1}, s64[]{1}) -> (f32[]{0})", "scale of type s64"},
    {"", "DynamicQuantizeLinear", 11, "(f64[2]{1}) -> (u8[]{0})", "needs f32"},
    {"", "MatMulInteger", 10, "(u8[2,3]{1}, u8[2,3]{1}) -> (s32[]{0})", "3 columns meet 2 rows"},
    {"", "MatMulInteger", 10, "(u8[2,3]{1}, f32[3,3]{1}) -> (s32[]{0})", "cannot multiply u8 with f32"},
    {"", "MatMulInteger", 10, "(u8[2,3]{1}, u8[3,2]{1}, u8[3]{1}) -> (s32[]{0})", "zero point"},
    {"", "MatMulInteger", 10, "(u8[2,3]{1}, u8[3,2]{1}, s8[]{1}) -> (s32[]{0})", "zero point is s8"},
    {"", "MatMulInteger", 10, "(u8[2,3]{1}, u8[3,2]{1}, _, u8[0]{}) -> (s32[]{0})", "zero point"},
    {"", "MatMulInteger", 10, "(u8[]{1}, u8[3,2]{1}) -> (s32[]{0})", "scalar"},
    {"", "MatMulInteger", 10, "(u8[2,2,3]{1}, u8[3,3,2]{1}) -> (s32[]{0})", "do not broadcast"},
    {"", "QLinearMatMul", 10, "(u8[1,1]{1}, f32[]{1}, u8[]{0}, u8[1,1]{1}, f32[]{1}, u8[]{0}, f32[2]{1}, u8[]{0}) -> (u8[]{0})", "input 6 fits neither"},
    {"", "QLinearMatMul", 21, "(f8e5m2[1,1]{1}, f32[]{1}, f8e4m3fn[]{0}, u8[1,1]{1}, f32[]{1}, u8[]{0}, f32[]{1}, u8[]{0}) -> (u8[]{0})", "a matrix of f8e5m2 has a zero point of f8e4m3fn"},
    {"", "QLinearMatMul", 21, "(f8e5m2[1,2]{1}, f32[]{1}, f8e5m2[]{0}, u8[1,1]{1}, f32[]{1}, u8[]{0}, f32[]{1}, u8[]{0}) -> (u8[]{0})", "do not fit"},
    {"", "QLinearMatMul", 21, "(f8e5m2[1,1]{1}, f32[]{1}, f8e5m2[]{0}, f32[1,1]{1}, f32[]{1}, f32[]{0}, f32[]{1}, u8[]{0}) -> (u8[]{0})", "cannot multiply f32"},
    {"", "QLinearMatMul", 10, "(u8[1,1]{1}, s32[]{1}, u8[]{0}, u8[1,1]{1}, f32[]{1}, u8[]{0}, f32[]{1}, u8[]{0}) -> (u8[]{0})", "scale is s32"},
    {"", "QLinearMatMul", 10, "(u8[1,1]{1}, f32[]{1}, u8[]{0}, u8[1,1]{1}, f32[]{1}, u8[]{0}, f32[]{1}, s32[]{0}) -> (u8[]{0})", "s32"},
    {MS, "DynamicQuantizeMatMul", 1, "(f32[1,2]{1}, u8[2,2]{1}, f32[]{1}, u8[]{0}, f32[3]{1}) -> (f32[]{0})", "bias has 3 elements"},
    {MS, "DynamicQuantizeMatMul", 1, "(u8[1,2]{1}, u8[2,2]{1}, f32[]{1}) -> (f32[]{0})", "cannot multiply"},
    {MS, "MatMulIntegerToFloat", 1, "(u8[1,2]{1}, u8[2,2]{1}, f32[]{1}, f32[3]{1}) -> (f32[]{0})", "scale"},
    {MS, "MatMulNBits", 1, "(f32[1,4]{1}, u8[2,1,7]{1}, f32[2]{1}; K=4, N=2, block_size=16) -> (f32[]{0})", "B has 14 elements, needs 16"},
    {MS, "MatMulNBits", 1, "(f32[1,4]{1}, u8[2,1,8]{1}, f32[3]{1}; K=4, N=2, block_size=16) -> (f32[]{0})", "scales has 3"},
    {MS, "MatMulNBits", 1, "(f32[1,4]{1}, u8[2,1,8]{1}, f32[2]{1}, u8[3]{1}; K=4, N=2, block_size=16) -> (f32[]{0})", "zero_points has 3"},
    {MS, "MatMulNBits", 1, "(f32[1,4]{1}, u8[2,1,8]{1}, f32[2]{1}, s32[2]{1}; K=4, N=2, block_size=16) -> (f32[]{0})", "zero_points are s32"},
    {MS, "MatMulNBits", 1, "(f32[1,4]{1}, u8[2,1,8]{1}, f32[2]{1}, _, s32[4]{0 0 1 0}; K=4, N=2, block_size=16) -> (f32[]{0})", "g_idx[2] is 1"},
    {MS, "MatMulNBits", 1, "(f32[1,4]{1}, u8[2,1,8]{1}, f32[2]{1}, _, s32[4]{0 0 -1 0}; K=4, N=2, block_size=16) -> (f32[]{0})", "g_idx[2] is -1"},
    {MS, "MatMulNBits", 1, "(f32[1,4]{1}, u8[2,1,8]{1}, f32[2]{1}, _, s32[3]{0}; K=4, N=2, block_size=16) -> (f32[]{0})", "g_idx has 3"},
    {MS, "MatMulNBits", 1, "(f32[1,4]{1}, u8[2,1,8]{1}, f32[2]{1}; K=4, N=2, block_size=24) -> (f32[]{0})", "block_size is 24"},
    {MS, "MatMulNBits", 1, "(f32[1,4]{1}, u8[2,1,8]{1}, f32[2]{1}; K=4, N=2, block_size=0) -> (f32[]{0})", "block_size is 0"},
    {MS, "MatMulNBits", 1, "(f32[1,4]{1}, u8[2,1,8]{1}, f32[2]{1}; K=4, N=2, bits=9, block_size=16) -> (f32[]{0})", "bits is 9"},
    {MS, "MatMulNBits", 1, "(f32[1,4]{1}, u8[2,1,8]{1}, f32[2]{1}; K=9223372036854775807, N=2, block_size=16) -> (f32[]{0})", "K is"},
    {MS, "MatMulNBits", 1, "(f32[1,5]{1}, u8[2,1,8]{1}, f32[2]{1}; K=4, N=2, block_size=16) -> (f32[]{0})", "A has 5 columns"},
    {MS, "MatMulNBits", 1, "(f32[1,4]{1}, u8[2,1,8]{1}, f32[2]{1}, _, _, f32[1]{1}; K=4, N=2, block_size=16) -> (f32[]{0})", "bias has 1"},
    {MS, "GatherBlockQuantized", 1, "(u4[2,3]{1}, s64[1]{0}, f32[2,2]{1}; block_size=16) -> (f32[]{0})", "scales have 2 along axis 1"},
    {MS, "GatherBlockQuantized", 1, "(u4[2,3]{1}, s64[1]{0}, f32[2,1]{1}; block_size=8) -> (f32[]{0})", "block_size is 8"},
    {MS, "GatherBlockQuantized", 1, "(u8[2,3]{1}, s64[1]{0}, f32[2,1]{1}; block_size=16, bits=3) -> (f32[]{0})", "bits is 3"},
    {MS, "GatherBlockQuantized", 1, "(u4[2,3]{1}, f32[1]{0}, f32[2,1]{1}; block_size=16) -> (f32[]{0})", "indices of type f32"},
    {MS, "GatherBlockQuantized", 1, "(u4[2,3]{1}, s64[1]{0}, f32[2,1]{1}, u4[2,2]{0}; block_size=16) -> (f32[]{0})", "zero points"},
    {MS, "GatherBlockQuantized", 1, "(u4[2,3]{1}, s64[1]{0}, f32[2,1]{1}; gather_axis=2, block_size=16) -> (f32[]{0})", "axis 2"},
    {MS, "QAttention", 1, "(u8[1,1,2]{1}, s8[2,5]{1}, f32[5]{1}, f32[]{1}, f32[]{1}; num_heads=1) -> (f32[]{0})", "5 weight columns"},
    {MS, "QAttention", 1, "(u8[1,1,2]{1}, s8[2,6]{1}, f32[6]{1}, f32[]{1}, f32[]{1}; num_heads=0) -> (f32[]{0})", "0 heads"},
    {MS, "QAttention", 1, "(u8[1,1,2]{1}, s8[2,6]{1}, f32[5]{1}, f32[]{1}, f32[]{1}; num_heads=1) -> (f32[]{0})", "bias"},
    {MS, "QAttention", 1, "(u8[1,1,2]{1}, s8[2,6]{1}, f32[6]{1}, f32[]{1}, f32[]{1}, s32[3]{1}; num_heads=1) -> (f32[]{0})", "mask_index"},
    {MS, "QAttention", 1, "(u8[1,1,2]{1}, s8[2,6]{1}, f32[6]{1}, f32[]{1}, f32[]{1}, _, u8[2]{1}; num_heads=1) -> (f32[]{0})", "zero points"},
    {MS, "QAttention", 1, "(u8[1,1,2]{1}, s8[2,6]{1}, f32[6]{1}, f32[]{1}, f32[]{1}, _, _, _, f32[2,1,1,4]{1}; num_heads=1) -> (f32[]{0})", "past"},
    {MS, "QLinearAdd", 1, "(u8[2]{1}, f32[2]{1}, _, u8[2]{1}, f32[]{1}, _, f32[]{1}) -> (u8[]{0})", "no single float"},
    {MS, "QLinearAdd", 1, "(u8[2]{1}, f32[]{1}, s8[]{1}, u8[2]{1}, f32[]{1}, _, f32[]{1}) -> (u8[]{0})", "zero point"},
    {MS, "QLinearMul", 1, "(u8[2]{1}, f32[]{1}, _, u8[3]{1}, f32[]{1}, _, f32[]{1}) -> (u8[]{0})", "broadcast"},
    {MS, "QLinearConcat", 1, "(f32[]{1}, u8[]{0}, u8[1,2]{1}, f32[]{1}, u8[]{0}, u8[2,2]{1}, f32[]{1}, u8[]{0}; axis=1) -> (u8[]{0})", "does not fit"},
    {MS, "QLinearConcat", 1, "(f32[]{1}, u8[]{0}, u8[1,2]{1}, f32[]{1}, u8[]{0}, u8[2,2]{1}; axis=1) -> (u8[]{0})", "triples"},
    {MS, "QGemm", 1, "(u8[1,2]{1}, f32[]{1}, u8[]{0}, u8[3,2]{1}, f32[]{1}, u8[]{0}) -> (f32[]{0})", "do not fit"},
    {MS, "QGemm", 1, "(u8[1,2]{1}, f32[]{1}, u8[]{0}, u8[2,2]{1}, f32[]{1}, u8[3]{0}) -> (f32[]{0})", "zero points"},
    {"", "ReduceSum", 18, "(f32[2]{1}, s64[1]{1}) -> (f32[]{0})", "axis 1 out of range for rank 1"},
    {"", "ReduceSum", 11, "(f32[2]{1}; axes=[-2]) -> (f32[]{0})", "axis -2 out of range"},
    {"", "ReduceSum", 18, "(f32[2]{1}, f32[1]{0}) -> (f32[]{0})", ""},
    {"", "ReduceSum", 18, "(b8[2]{true}) -> (b8[]{true})", "b8"},
    {"", "ArgMax", 13, "(f32[2,0]{}; axis=1) -> (s64[]{0})", "no elements"},
    {"", "TopK", 11, "(f32[2]{1}, s64[1]{3}) -> (f32[]{0}, s64[]{0})", "k is 3"},
    {"", "TopK", 11, "(f32[2]{1}, s64[1]{-1}) -> (f32[]{0}, s64[]{0})", "k is -1"},
    {"", "CumSum", 14, "(f32[2]{1}, s64[2]{0 0}) -> (f32[]{0})", ""},
    {"", "CumSum", 14, "(f32[2]{1}, s64[]{1}) -> (f32[]{0})", "axis 1 out of range"},
    {"", "Einsum", 12, "(f32[2,2]{1}, f32[3,2]{1}; equation=\"ij,jk->ik\") -> (f32[]{0})", "stands for"},
    {"", "Einsum", 12, "(f32[2,2]{1}; equation=\"ijk->i\") -> (f32[]{0})", "3 letters"},
    {"", "Einsum", 12, "(f32[2,2]{1}; equation=\"ij->ii\") -> (f32[]{0})", "repeated"},
    {"", "Einsum", 12, "(f32[2,2]{1}; equation=\"ij->k\") -> (f32[]{0})", "no operand"},
    {"", "Einsum", 12, "(f32[2,2]{1}; equation=\"i1->i\") -> (f32[]{0})", "'1->i'"},
    {"", "Einsum", 12, "(f32[2,2]{1}; equation=\"ij,ij->\") -> (f32[]{0})", "more terms"},
    {"", "Einsum", 12, "(f32[2,2]{1}, f32[2]{1}; equation=\"ij->i\") -> (f32[]{0})", "1 terms for 2 operands"},
    {"", "Einsum", 12, "(f32[2,2]{1}; equation=\"ij-\") -> (f32[]{0})", "ends in"},
    {"", "Einsum", 12, "(f32[2,2]{1}; equation=\"i...j...->i\") -> (f32[]{0})", "letter"},
    {"", "BatchNormalization", 15, "(f32[1,2]{1}, f32[2]{1}, f32[2]{1}, f32[1]{1}, f32[2]{1}) -> (f32[]{0})", "mean"},
    {"", "GroupNormalization", 21, "(f32[1,3]{1}, f32[3]{1}, f32[3]{1}; num_groups=2) -> (f32[]{0})", "3 channels in 2 groups"},
    {"", "LpNormalization", 1, "(f32[3]{1}; p=3) -> (f32[]{0})", "p is 3"},
    {"", "LRN", 13, "(f32[1,3]{1}; size=0) -> (f32[]{0})", "size 0"},
};
// clang-format on

static void test_refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const refusal *r = &refusals[i];
        const op *o = op_find(r->domain, r->op, r->opset);
        const op_case text = {r->op, r->opset, r->text, 0};
        hst_error err = {0};
        case_model m;
        hst_tensor *out[8] = {0};
        assert_non_null(o);
        if (case_parse(o, &text, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", r->text, err.message);
        hst_status status = ops_resolve(m.model->main, &err);
        if (status == HST_STATUS_OK)
            status = interp_node(m.model->main->first, (const hst_tensor *const *)m.in, out, NULL, &err);
        if (status == HST_STATUS_OK) fail_msg("%s is accepted: %s", r->op, r->text);
        if (!strstr(err.message, r->word)) fail_msg("%s: '%s' lacks '%s'", r->text, err.message, r->word);
        for (int k = 0; k < 8; k++) assert_null(out[k]);
        case_free(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
