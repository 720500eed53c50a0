/* Nodes that cannot be right: evaluation ends with a status and a message that has the node and the numbers; nothing is
 * allocated that passes the budget. Cases as in ops/case.h; the outputs stand for themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ops/case.h"
#include "ops/interp.h"

typedef struct bad {
    const char *op;
    int opset; /* 0: newest */
    const char *text;
    hst_status status;
    const char *message; /* a part of it */
} bad;

#define SHAPE    HST_STATUS_BAD_SHAPE
#define FORMAT   HST_STATUS_BAD_FORMAT
#define TOO_MUCH HST_STATUS_BUDGET

// clang-format off
static const bad bads[] = {
    {"Gather", 0, "(f32[5]{1 2 3 4 5}, s64[1]{7}) -> (f32[1]{0})", SHAPE, "index 7 out of range [-5, 5) on axis 0"},
    {"Gather", 0, "(f32[2,3]{0}, s64[1]{-4}; axis=1) -> (f32[1]{0})", SHAPE, "index -4 out of range [-3, 3) on axis 1"},
    {"Gather", 0, "(f32[2,3]{0}, s64[1]{0}; axis=2) -> (f32[1]{0})", SHAPE, "axis 2 out of range for rank 2"},
    {"Gather", 0, "(f32[]{0}, s64[1]{0}) -> (f32[1]{0})", SHAPE, "axis 0 out of range for rank 0"},
    {"Gather", 0, "(f32[2]{0}, f32[1]{0}) -> (f32[1]{0})", SHAPE, "is f32, expected s64 or s32"},
    {"Gather", 0, "(f32[0]{}, s64[1]{0}) -> (f32[1]{0})", SHAPE, "index 0 out of range"},
    {"GatherND", 0, "(f32[2,2]{0}, s64[1,2]{0 2}) -> (f32[1]{0})", SHAPE, "index 2 out of range [-2, 2) on axis 1"},
    {"GatherND", 0, "(f32[2,2]{0}, s64[1,3]{0}) -> (f32[1]{0})", SHAPE, "index tuples of 3 for rank 2"},
    {"GatherND", 0, "(f32[2,2]{0}, s64[1,1]{0}; batch_dims=-1) -> (f32[1]{0})", SHAPE, "batch_dims -1"},
    {"GatherND", 0, "(f32[2,2]{0}, s64[3,1]{0}; batch_dims=1) -> (f32[1]{0})", SHAPE, "batch axis 0 is 2 in data, 3"},
    {"Gather", 0, "(f32[0,2]{}, s64[1]{0}) -> (f32[1]{0})", SHAPE, "index 0 out of range [-0, 0) on axis 0"},
    {"Gather", 0, "(f32[2,0]{}, s64[2]{0 2}) -> (f32[1]{0})", SHAPE, "index 2 out of range [-2, 2) on axis 0"},
    {"GatherElements", 0, "(f32[2,2]{0}, s64[2,2]{0 0 1 2}) -> (f32[1]{0})", SHAPE, "index 2 out of range [-2, 2) on axis 0"},
    {"GatherElements", 0, "(u8[2]{0}, s64[2]{0 -9223372036854775808}) -> (u8[1]{0})", SHAPE, "out of range [-2, 2)"},
    {"GatherElements", 0, "(f32[2,2]{0}, s64[2]{0}) -> (f32[1]{0})", SHAPE, "data has rank 2, indices 1"},
    {"GatherElements", 0, "(f32[2,2]{0}, s64[1,3]{0}; axis=0) -> (f32[1]{0})", SHAPE, "indices have 3 on axis 1"},
    {"ScatterElements", 0, "(f32[2]{0}, s64[1]{2}, f32[1]{0}) -> (f32[1]{0})", SHAPE, "index 2 out of range [-2, 2)"},
    {"ScatterElements", 0, "(f32[2]{0}, s64[1]{0}, f64[1]{0}) -> (f32[1]{0})", SHAPE, "data is f32, updates f64"},
    {"ScatterElements", 18, "(f32[2]{0}, s64[1]{0}, f32[1]{0}; reduction=\"sub\") -> (f32[1]{0})", FORMAT, "reduction 'sub'"},
    {"ScatterND", 0, "(f32[2,3]{0}, s64[1,2]{1 3}, f32[1]{0}) -> (f32[1]{0})", SHAPE, "index 3 out of range [-3, 3) on axis 1"},
    {"ScatterND", 0, "(f32[2]{0}, s64[1,1]{-3}, f32[1]{0}) -> (f32[1]{0})", SHAPE, "index -3 out of range"},
    {"ScatterND", 0, "(f32[2,2]{0}, s64[1,1]{0}, f32[1,3]{0}) -> (f32[1]{0})", SHAPE, "updates have 3 on axis 1, expected 2"},
    {"Reshape", 0, "(f32[6]{0}, s64[2]{4 -1}) -> (f32[1]{0})", SHAPE, "6 elements over 4"},
    {"Reshape", 0, "(f32[6]{0}, s64[2]{-1 -1}) -> (f32[1]{0})", SHAPE, "-1 twice"},
    {"Reshape", 0, "(f32[6]{0}, s64[1]{7}) -> (f32[1]{0})", SHAPE, "cannot reshape 6 elements into a shape of 7"},
    {"Reshape", 0, "(f32[6]{0}, s64[2]{-2 3}) -> (f32[1]{0})", SHAPE, "-2 on axis 0"},
    {"Reshape", 0, "(f32[6]{0}, s64[2]{6 0}) -> (f32[1]{0})", SHAPE, "0 (copy) on axis 1"},
    {"Reshape", 0, "(f32[6]{0}, s64[3]{4294967296 4294967296 -1}) -> (f32[1]{0})", SHAPE, "cannot tell the -1"},
    {"Reshape", 0, "(f32[6]{0}, s64[2]{4294967296 4294967296}) -> (f32[1]{0})", SHAPE, ""},
    {"Transpose", 0, "(f32[2,2]{0}; perm=[0,0]) -> (f32[1]{0})", FORMAT, "perm names axis 0 twice"},
    {"Transpose", 0, "(f32[2,2]{0}; perm=[0]) -> (f32[1]{0})", SHAPE, "perm has 1 entries, the input has rank 2"},
    {"Transpose", 0, "(f32[2,2]{0}; perm=[0,9223372036854775807]) -> (f32[1]{0})", SHAPE, "out of range for rank 2"},
    {"Squeeze", 0, "(f32[2,1]{0}, s64[1]{0}) -> (f32[1]{0})", SHAPE, "cannot squeeze axis 0 of length 2"},
    {"Squeeze", 0, "(f32[2,1]{0}, s64[2]{1 -1}) -> (f32[1]{0})", SHAPE, "axis 1 twice"},
    {"Unsqueeze", 0, "(f32[2]{0}, s64[2]{0 -4}) -> (f32[1]{0})", SHAPE, "axis -4 out of range for rank 3"},
    {"Unsqueeze", 0, "(f32[2]{0}, s64[2]{0 -3}) -> (f32[1]{0})", SHAPE, "axes name axis 0 twice"},
    {"ReduceSum", 0, "(f32[2,3]{0}, s64[2]{1 -1}) -> (f32[1]{0})", SHAPE, "axes name axis 1 twice"},
    {"ReduceMax", 0, "(f32[2,3]{0}, s64[3]{0 1 2}) -> (f32[1]{0})", SHAPE, "axis 2 out of range for rank 2"},
    {"ReduceMean", 13, "(f32[2,3]{0}; axes=[0,0]) -> (f32[1]{0})", SHAPE, "axes name axis 0 twice"},
    {"MeanVarianceNormalization", 0, "(f32[2,3]{0}; axes=[0,-2]) -> (f32[1]{0})", SHAPE, "axes name axis 0 twice"},
    {"MeanVarianceNormalization", 0, "(f32[2,3]{0}) -> (f32[1]{0})", SHAPE, "axis 2 out of range for rank 2"},
    {"Resize", 18, "(f32[2,3]{0}, _, _, s64[2]{4 4}; axes=[1,-1]) -> (f32[1]{0})", SHAPE, "axes name axis 1 twice"},
    {"Resize", 18, "(f32[2,3]{0}, _, _, s64[3]{4 4 4}; axes=[0,1,1]) -> (f32[1]{0})", SHAPE, "axes name axis 1 twice"},
    {"CenterCropPad", 0, "(f32[2,3]{0}, s64[2]{1 1}; axes=[0,-2]) -> (f32[1]{0})", SHAPE, "axes name axis 0 twice"},
    {"CenterCropPad", 0, "(f32[2,3]{0}, s64[3]{1 1 1}; axes=[0,1,2]) -> (f32[1]{0})", SHAPE, "axis 2 out of range"},
    {"Pad", 18, "(f32[2,3]{0}, s64[4]{0}, _, s64[2]{1 -1}) -> (f32[1]{0})", SHAPE, "axes name axis 1 twice"},
    {"Slice", 0, "(f32[2,3]{0}, s64[2]{0 0}, s64[2]{1 1}, s64[2]{1 -1}) -> (f32[1]{0})", SHAPE, "axes name axis 1 twice"},
    {"Slice", 0, "(f32[2]{0}, s64[2]{0 0}, s64[2]{1 1}) -> (f32[1]{0})", SHAPE, "axis 1 out of range for rank 1"},
    {"QLinearReduceMean", 0, "(u8[2,3]{0}, f32[]{1}, u8[]{0}, f32[]{1}, u8[]{0}; axes=[1,-1]) -> (u8[1]{0})", SHAPE, "axes name axis 1 twice"},
    {"Unsqueeze", 0, "(f32[2]{0}, s64[1]{2}) -> (f32[1]{0})", SHAPE, "axis 2 out of range for rank 2"},
    {"Unsqueeze", 0, "(f32[2]{0}, s64[16]{0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15}) -> (f32[1]{0})", HST_STATUS_UNSUPPORTED, "at most 16"},
    {"Unsqueeze", 0, "(f32[2]{0}) -> (f32[1]{0})", FORMAT, "axes are missing"},
    {"Slice", 0, "(f32[2]{0}, s64[1]{0}, s64[1]{1}, s64[1]{0}, s64[1]{0}) -> (f32[1]{0})", SHAPE, "step 0 on axis 0"},
    {"Slice", 0, "(f32[2]{0}, s64[2]{0 0}, s64[1]{1}) -> (f32[1]{0})", SHAPE, "2 starts, 1 ends"},
    {"Slice", 0, "(f32[2]{0}, s64[1]{0}, s64[1]{1}, s64[1]{1}) -> (f32[1]{0})", SHAPE, "axis 1 out of range for rank 1"},
    {"Slice", 0, "(f32[2]{0}, f32[1]{0}, s64[1]{1}) -> (f32[1]{0})", SHAPE, "input 'starts'"},
    {"Concat", 0, "(f32[2]{0}, f32[2,2]{0}; axis=0) -> (f32[1]{0})", SHAPE, "of rank 2"},
    {"Concat", 0, "(f32[2]{0}, s32[2]{0}; axis=0) -> (f32[1]{0})", SHAPE, "s32"},
    {"Concat", 0, "(f32[2,3]{0}, f32[2,4]{0}; axis=0) -> (f32[1]{0})", SHAPE, "4 on axis 1"},
    {"Concat", 0, "(f32[2]{0}) -> (f32[1]{0})", FORMAT, "'axis' is missing"},
    {"Split", 0, "(f32[5]{0}, s64[2]{2 2}) -> (f32[1]{0}, f32[1]{0})", SHAPE, "sum to 4, the axis has 5"},
    {"Split", 0, "(f32[5]{0}, s64[2]{6 -1}) -> (f32[1]{0}, f32[1]{0})", SHAPE, "length -1 of part 1"},
    {"Split", 13, "(f32[5]{0}) -> (f32[1]{0}, f32[1]{0})", SHAPE, "length 5 does not divide into 2"},
    {"Split", 18, "(f32[5]{0}; num_outputs=3) -> (f32[1]{0}, f32[1]{0})", FORMAT, "num_outputs is 3"},
    {"Expand", 0, "(f32[2]{0}, s64[1]{3}) -> (f32[1]{0})", SHAPE, "cannot expand 2 to 3 on axis 0"},
    {"Expand", 0, "(f32[1]{0}, s64[2]{4294967296 4294967296}) -> (f32[1]{0})", SHAPE, ""},
    {"Expand", 0, "(f32[1]{0}, s64[2]{65536 65536}) -> (f32[1]{0})", TOO_MUCH, "budget"},
    {"Tile", 0, "(f32[2]{0}, s64[1]{-1}) -> (f32[1]{0})", SHAPE, "repeats -1 times"},
    {"Tile", 0, "(f32[2]{0}, s64[1]{9223372036854775807}) -> (f32[1]{0})", SHAPE, "repeats 9223372036854775807 times"},
    {"Tile", 0, "(f32[2]{0}, s64[1]{4294967296}) -> (f32[1]{0})", TOO_MUCH, "budget"},
    {"Pad", 0, "(f32[2]{0}, s64[2]{-2 -1}) -> (f32[1]{0})", SHAPE, "pads -2 and -1 on axis 0 of length 2"},
    {"Pad", 0, "(f32[2]{0}, s64[2]{-9223372036854775808 9223372036854775807}) -> (f32[1]{0})", SHAPE, "on axis 0"},
    {"Pad", 0, "(f32[2]{0}, s64[3]{0 0 0}) -> (f32[1]{0})", SHAPE, "3 pads for 1 axes"},
    {"Pad", 0, "(f32[0]{}, s64[2]{1 0}; mode=\"edge\") -> (f32[1]{0})", SHAPE, "nothing to pad axis 0 from"},
    {"Pad", 0, "(f32[2]{0}, s64[2]{4294967296 0}) -> (f32[1]{0})", TOO_MUCH, "budget"},
    {"Pad", 0, "(f32[2]{0}, s64[2]{0 0}; mode=\"mirror\") -> (f32[1]{0})", FORMAT, "mode 'mirror'"},
    {"ConstantOfShape", 0, "(s64[1]{-1}) -> (f32[1]{0})", SHAPE, ""},
    {"ConstantOfShape", 0, "(s64[2]{4294967296 4294967296}) -> (f32[1]{0})", SHAPE, ""},
    {"ConstantOfShape", 0, "(s64[2]{65536 65536}) -> (f32[1]{0})", TOO_MUCH, "budget"},
    {"ConstantOfShape", 0, "(s64[1]{1}; value=f32[2]{0}) -> (f32[1]{0})", FORMAT, "value has 2 elements"},
    {"Range", 0, "(s64[]{0}, s64[]{9223372036854775807}, s64[]{1}) -> (s64[1]{0})", SHAPE, ""},
    {"Range", 0, "(s64[]{0}, s64[]{5}, s64[]{0}) -> (s64[1]{0})", SHAPE, "from 0 to 5 by 0"},
    {"Range", 0, "(f32[]{0}, f32[]{nan}, f32[]{1}) -> (f32[1]{0})", SHAPE, "from 0 to nan by 1"},
    {"Range", 0, "(f32[]{0}, f32[]{1}, f32[]{0}) -> (f32[1]{0})", SHAPE, "by 0"},
    {"Range", 0, "(s64[]{0}, s64[]{4294967296}, s64[]{1}) -> (s64[1]{0})", TOO_MUCH, "budget"},
    {"OneHot", 0, "(s64[1]{0}, s64[]{-1}, f32[2]{0 1}) -> (f32[1]{0})", SHAPE, "depth -1"},
    {"OneHot", 0, "(s64[1]{0}, s64[]{4294967296}, f32[2]{0 1}) -> (f32[1]{0})", TOO_MUCH, "budget"},
    {"OneHot", 0, "(s64[1]{0}, s64[]{2}, f32[3]{0 1 2}) -> (f32[1]{0})", SHAPE, "3 in values"},
    {"Cast", 0, "(f32[1]{0}; to=99) -> (f32[1]{0})", FORMAT, "to 99 is not a type"},
    {"Cast", 0, "(string[1]{\"abc\"}; to=1) -> (f32[1]{0})", HST_STATUS_INVALID_ARGUMENT, "'abc', is not a number"},
    {"Cast", 0, "(c64[1]{0 0}; to=1) -> (f32[1]{0})", HST_STATUS_UNSUPPORTED, "from c64 to f32"},
    {"Where", 0, "(b8[2]{1}, f32[3]{0}, f32[1]{0}) -> (f32[1]{0})", SHAPE, "2"},
    {"Where", 0, "(f32[1]{1}, f32[1]{0}, f32[1]{0}) -> (f32[1]{0})", SHAPE, "condition is f32"},
    {"Equal", 0, "(f32[1]{1}, s64[1]{0}) -> (b8[1]{0})", SHAPE, "A is f32, B is s64"},
    {"And", 0, "(f32[1]{1}, b8[1]{0}) -> (b8[1]{0})", SHAPE, "should be b8"},
    {"BitShift", 0, "(u8[1]{1}, u8[1]{0}; direction=\"UP\") -> (u8[1]{0})", FORMAT, "direction 'UP'"},
    {"DepthToSpace", 0, "(f32[1,3,1,1]{0}; blocksize=2) -> (f32[1]{0})", SHAPE, "axis 1 of length 3"},
    {"DepthToSpace", 0, "(f32[1,4,1,1]{0}; blocksize=0) -> (f32[1]{0})", FORMAT, "blocksize 0"},
    {"Compress", 0, "(f32[2]{0}, b8[3]{0}) -> (f32[1]{0})", SHAPE, "with 3 elements, for 2"},
    {"ReverseSequence", 0, "(f32[2,1]{0}, s64[1]{3}) -> (f32[1]{0})", SHAPE, "sequence_lens[0] is 3, the time axis has 2"},
    {"Trilu", 0, "(f32[2]{0}) -> (f32[1]{0})", SHAPE, "rank 1"},
    {"If", 0, "(b8[2]{1}; then_branch=graph{() -> (x0)}, else_branch=graph{() -> (x0)}) -> (b8[1]{0})", SHAPE, "cond is b8 with 2 elements"},
    {"If", 0, "(b8[]{1}; then_branch=graph{() -> (x0, x0)}, else_branch=graph{() -> (x0)}) -> (b8[1]{0})", FORMAT, "its branches 2 and 1"},
    {"Loop", 0, "(s64[]{9}, b8[]{1}, f32[1]{0}; body=graph{(i, c) -> (c)}) -> (f32[1]{0})", FORMAT, "its body 2 inputs"},
    {"Loop", 0, "(s64[]{9223372036854775807}, b8[]{1}, f32[1]{1}; body=graph{(i, c, s) t = Concat(s, s; axis=0); -> (c, t)}) -> (f32[1]{0})", TOO_MUCH, "budget"},
    {"Loop", 0, "(s64[]{3}, b8[]{1}, f32[1]{1}; body=graph{(i, c, s) t = Concat(s, s; axis=0); -> (c, t, t)}) -> (f32[1]{0}, f32[1]{0})", SHAPE, "scan output 0 changes its shape or type at iteration 1"},
    {"Scan", 0, "(f32[2]{0}, f32[3]{0}; num_scan_inputs=2, body=graph{(a, b) -> (a)}) -> (f32[1]{0})", SHAPE, "3 steps, the first 2"},
    {"Scan", 0, "(f32[2]{0}; num_scan_inputs=2, body=graph{(a) -> (a)}) -> (f32[1]{0})", FORMAT, "num_scan_inputs 2 of 1"},
    {"Unique", 0, "(f32[2]{0}; axis=1) -> (f32[1]{0})", SHAPE, "axis 1 out of range for rank 1"},
    {"Constant", 0, "(; value_int=1, value_float=1.0) -> (f32[]{0})", FORMAT, "has both"},
    {"Dropout", 0, "(f32[1]{0}, f32[]{1.5}, b8[]{1}) -> (f32[1]{0})", HST_STATUS_INVALID_ARGUMENT, "ratio 1.5"},
    {"Neg", 0, "(seq{f32[1]{0}}) -> (f32[1]{0})", SHAPE, "input 0 is a sequence"},
    {"SequenceAt", 0, "(seq{f32[1]{0}}, s64[]{1}) -> (f32[1]{0})", SHAPE, "position 1 is outside [-1, 1)"},
    {"SequenceAt", 0, "(f32[1]{0}, s64[]{0}) -> (f32[1]{0})", SHAPE, "not a sequence"},
    {"SequenceInsert", 0, "(seq{f32[1]{0}}, s64[1]{0}) -> (seq{})", SHAPE, "into a sequence of f32"},
    {"SequenceInsert", 0, "(seq{}, f32[]{0}, s64[]{1}) -> (seq{})", SHAPE, "position 1"},
    {"SequenceErase", 0, "(seq{}) -> (seq{})", SHAPE, "position -1"},
    {"SequenceConstruct", 0, "(f32[1]{0}, s64[1]{0}) -> (seq{})", SHAPE, "input 1 is s64"},
    {"SequenceConstruct", 0, "(seq{f32[1]{0}}) -> (seq{})", SHAPE, "items of a sequence are tensors, here one is a sequence"},
    {"SequenceInsert", 0, "(seq{}, seq{}) -> (seq{})", SHAPE, "items of a sequence are tensors, here one is a sequence"},
    {"SplitToSequence", 0, "(f32[3]{0}, s64[2]{4 -1}) -> (seq{})", SHAPE, "do not add up to 3"},
    {"SplitToSequence", 0, "(f32[3]{0}, s64[]{0}) -> (seq{})", SHAPE, "split is 0"},
    {"ConcatFromSequence", 0, "(seq{}; axis=0) -> (f32[1]{0})", SHAPE, "empty"},
    {"ConcatFromSequence", 0, "(seq{f32[1]{0}, f32[]{0}}; axis=0) -> (f32[1]{0})", SHAPE, "item 1"},
    {"OptionalGetElement", 0, "(none) -> (f32[1]{0})", SHAPE, "is empty"},
    {"NegativeLogLikelihoodLoss", 0, "(f32[1,2]{0}, s64[1]{2}) -> (f32[]{0})", SHAPE, "target 2 is not a class"},
    {"DFT", 0, "(f32[1,2,1]{0}, s64[]{0}) -> (f32[1,2,2]{0})", SHAPE, "length 0"},
    {"STFT", 0, "(f32[1,2,1]{0}, s64[]{0}) -> (f32[1,1,2,2]{0})", SHAPE, "every 0"},
    {"Bernoulli", 0, "(f32[1]{2}) -> (f32[1]{0})", HST_STATUS_INVALID_ARGUMENT, "no probability"},
    {"RegexFullMatch", 0, "(string[1]{\"a\"}; pattern=\"(\") -> (b8[1]{0})", FORMAT, "at byte 1"},
    {"RegexFullMatch", 0, "(string[1]{\"a\"}; pattern=\"a[b\") -> (b8[1]{0})", FORMAT, "pattern 'a[b': missing terminating ] for character class, at byte 3"},
    {"Tokenizer", 0, "(string[1]{\"a\"}; tokenexp=\"a(b\", mincharnum=1, pad_value=\"\", mark=0) -> (string[1,1]{\"\"})", FORMAT, "pattern 'a(b': missing closing parenthesis, at byte 3"},
    {"Tokenizer", 0, "(string[1]{\"a\"}; separators=[\",\", \"*\"], mincharnum=1, pad_value=\"\", mark=0) -> (string[1,1]{\"\"})", FORMAT, "pattern '*': quantifier does not follow a repeatable item, at byte"},
    {"Tokenizer", 0, "(string[1]{\"a\"}; tokenexp=\"(?(R)a|b)(?1)\", mincharnum=1, pad_value=\"\", mark=0) -> (string[1,1]{\"\"})", FORMAT, "at byte"},
    {"RegexFullMatch", 0, "(string[1]{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}; pattern=\"(a|a|aa)+(a|aa)+(a|aa)+\") -> (b8[1]{0})", HST_STATUS_BUDGET, "steps"},
    {"TfIdfVectorizer", 0, "(s64[1]{1}; mode=\"TF\", min_gram_length=1, max_gram_length=1, max_skip_count=0, pool_int64s=[1,2], ngram_counts=[0], ngram_indexes=[0]) -> (f32[1]{0})", FORMAT, "fewer ngram_indexes"},
    {"Attention", 0, "(f32[1,2,4]{0}, f32[1,2,4]{0}, f32[1,2,4]{0}; q_num_heads=3, kv_num_heads=2) -> (f32[1]{0})", SHAPE, "q_num_heads is 3"},
    {"Attention", 0, "(f32[1,2,4]{0}, f32[1,2,4]{0}, f32[1,2,4]{0}) -> (f32[1]{0})", SHAPE, "q_num_heads is 0"},
    {"Attention", 0, "(f32[1,2,0]{}, f32[1,2,0]{}, f32[1,2,4]{0}; q_num_heads=4611686018427387904, kv_num_heads=4) -> (f32[1]{0})", SHAPE, "4611686018427387904"},
    {"Attention", 0, "(f32[1152921504606846976,1,1,0]{}, f32[1152921504606846976,1,1,0]{}, f32[1152921504606846976,1,1,0]{}) -> (f32[1]{0})", HST_STATUS_NO_MEMORY, ""},
    {"Attention", 0, "(f32[1,3,1,2]{0}, f32[1,2,1,2]{0}, f32[1,2,1,2]{0}) -> (f32[1]{0})", SHAPE, "3 heads of Q cannot share 2"},
    {"Attention", 0, "(f32[1,1,1,2]{0}, f32[1,1,2,2]{0}, f32[1,1,3,2]{0}) -> (f32[1]{0})", SHAPE, "input 'V' is f32[1,1,3,2]"},
    {"Attention", 0, "(f32[1,1,1,2]{0}, f32[1,1,2,2]{0}, f32[1,1,2,2]{0}, f32[1,3]{0}) -> (f32[1]{0})", SHAPE, "input 'attn_mask'"},
    {"Attention", 0, "(f32[1,1,1,2]{0}, f32[1,1,2,2]{0}, f32[1,1,2,2]{0}, _, f32[1,1,1,2]{0}) -> (f32[1]{0})", FORMAT, "past_key and past_value"},
    {"Attention", 0, "(f32[1,1,1,2]{0}, f32[1,1,2,2]{0}, f32[1,1,2,2]{0}, _, _, _, s64[1]{3}) -> (f32[1]{0})", SHAPE, "nonpad_kv_seqlen is 3 for 2 keys"},
    {"Attention", 0, "(f32[1,1,1,2]{0}, f32[1,1,2,2]{0}, f32[1,1,2,2]{0}; left_window_size=-2) -> (f32[1]{0})", FORMAT, "left_window_size -2"},
    {"Attention", 0, "(s32[1,1,1,2]{0}, s32[1,1,2,2]{0}, s32[1,1,2,2]{0}) -> (f32[1]{0})", SHAPE, "attention of s32"},
    {"GroupQueryAttention", 0, "(f32[1,1,4]{0}, _, _, _, _, s32[1]{0}, s32[1]{1}; num_heads=1, kv_num_heads=9223372036854775807) -> (f32[1]{0})", SHAPE, "for 1 heads on 9223372036854775807"},
    {"GroupQueryAttention", 0, "(f32[0,1,3]{}, _, _, _, _, s32[0]{}, s64[1]{9223372036854775807}; num_heads=1, kv_num_heads=1, smooth_softmax=1) -> (f32[1]{0})", SHAPE, "total_sequence_length is 9223372036854775807"},
    {"RotaryEmbedding", 0, "(f32[1,2,4]{0}, f32[3,2]{0}, f32[3,2]{0}, s64[1,2]{0 3}; num_heads=1) -> (f32[1]{0})", SHAPE, "index 3 out of range"},
    {"RotaryEmbedding", 0, "(f32[1,2,4]{0}, f32[3,2]{0}, f32[3,2]{0}, s64[1,2]{0}) -> (f32[1]{0})", SHAPE, "num_heads is 0"},
    {"RotaryEmbedding", 0, "(f32[1,2,4]{0}, f32[3,2]{0}, f32[2,2]{0}, s64[1,2]{0}; num_heads=1) -> (f32[1]{0})", SHAPE, "'sin_cache'"},
    {"RotaryEmbedding", 0, "(f32[1,2,4]{0}, f32[3,2]{0}, f32[3,2]{0}, s64[1,2]{0}; num_heads=1, rotary_embedding_dim=6) -> (f32[1]{0})", SHAPE, "rotary_embedding_dim is 6"},
    {"ScatterND", 0, "(f32[0,2]{}, s64[1,1]{0}, f32[1,2]{0}) -> (f32[1]{0})", SHAPE, "index 0 out of range [-0, 0) on axis 0"},
    {"Min", 7, "(s64[2,1]{3 -1}, s64[2]{0 5}) -> (s64[1]{0})", SHAPE, "input 1 is s64[2], the others are s64[2,1]"},
    {"Mean", 6, "(f32[2]{0}, f32[2]{0}, f32[1]{0}) -> (f32[1]{0})", SHAPE, "before opset 8 none is broadcast"},
    {"MaxUnpool", 0, "(f32[1,1,1]{7}, s64[1,1,1]{1}, s64[3]{2 1 3}; kernel_shape=[2]) -> (f32[1]{0})", SHAPE, "output_shape has 2 on axis 0, X has 1"},
    {"Gemm", 0, "(s32[1,1]{1}, s32[1,1]{1}; alpha=nan) -> (s32[1]{0})", HST_STATUS_UNSUPPORTED, "alpha nan"},
    {"Gemm", 0, "(s32[1,1]{1}, s32[1,1]{1}, s32[1,1]{1}; beta=1e30) -> (s32[1]{0})", HST_STATUS_UNSUPPORTED, "beta 1e+30"},
    {"Scan", 0, "(b8[2,1]{0}, b8[3,2]{1}; num_scan_inputs=1, body=graph{(s, x) t = Or(s, x); -> (t)}) -> (b8[1]{0})", SHAPE, "state 0 is b8[2,1], its graph makes it b8[2,2]"},
    {"Scan", 0, "(f32[]{0}, f32[2]{1}; num_scan_inputs=1, body=graph{(s, x) t = Cast(x; to=11); -> (t)}) -> (f32[1]{0})", SHAPE, "state 0 is f32[], its graph makes it f64[]"},
    {"Scan", 8, "(_, b8[1,1]{0}, b8[1,3,2]{1}; num_scan_inputs=1, body=graph{(s, x) t = Or(s, x); -> (t)}) -> (b8[1]{0})", SHAPE, "state 0 is b8[1], its graph makes it b8[2]"},
    {0},
};
// clang-format on

static void check(const bad *b) {
    const op *o = op_find("", b->op, b->opset ? b->opset : CASE_OPSET);
    if (!o) o = op_find("com.microsoft", b->op, 1);
    op_case c = {.name = b->op, .opset = b->opset, .text = b->text};
    interp_options options = {.budget = 1 << 20};
    case_model m;
    hst_error err = {0};
    const hst_tensor *in[8];
    hst_tensor *out[8] = {0};
    int n = 0;
    assert_non_null(o);
    if (case_parse(o, &c, &m, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    for (int i = 0; i < m.n_in; i++)
        if (m.in[i]) in[n++] = m.in[i];
    for (int i = 0; i < n; i++) m.model->main->inputs[i]->type.rank = -1; /* so that it is eval that finds it */
    hst_status status = ops_resolve(m.model->main, &err);
    if (status == HST_STATUS_OK) status = interp_run(m.model->main, in, out, &options, &err);
    if (status != b->status || !strstr(err.message, b->message))
        fail_msg("%s %s\n  gives %s '%s'\n  expected %s '%s'", b->op, b->text, status_name(status), err.message,
                 status_name(b->status), b->message);
    /* Inference with everything known may find it too, or not; it must not think of something else. */
    for (int i = 0; i < n; i++) {
        m.model->main->inputs[i]->constant = in[i];
        m.model->main->inputs[i]->type = type_of_tensor(in[i]);
    }
    status = graph_infer(m.model->main, &err);
    if (status != HST_STATUS_OK && status != b->status && b->status != TOO_MUCH)
        fail_msg("%s %s\n  infers %s '%s'", b->op, b->text, status_name(status), err.message);
    for (int i = 0; i < n; i++) m.model->main->inputs[i]->constant = NULL;
    case_free(&m);
}

static void test_bad_nodes(void **state) {
    (void)state;
    for (const bad *b = bads; b->op; b++) check(b);
}

/* A body whose first input is declared as `declared`: what the operator gives it wins where that is a shape that does
 * not change, and is refused else. `message` NULL: it runs, and is what was inferred. */
static void check_declared(const char *op_type, const char *text, int input, type declared, const char *message) {
    op_case c = {.name = op_type, .text = text};
    case_model m;
    hst_error err = {0};
    const hst_tensor *in[8];
    hst_tensor *out[8] = {0};
    int n = 0;
    assert_int_equal(case_parse(op_find("", op_type, CASE_OPSET), &c, &m, &err), HST_STATUS_OK);
    graph *g = m.model->main;
    node_graph(g->first, "body")->inputs[input]->type = declared;
    for (int i = 0; i < m.n_in; i++)
        if (m.in[i]) in[n++] = m.in[i];
    hst_status status = ops_resolve(g, &err);
    if (status == HST_STATUS_OK) status = graph_infer(g, &err);
    if (status == HST_STATUS_OK) status = interp_run(g, in, out, NULL, &err);
    if (message && (status != SHAPE || !strstr(err.message, message)))
        fail_msg("%s\n  gives %s '%s'", text, status_name(status), err.message);
    if (!message && status != HST_STATUS_OK) fail_msg("%s: %s", text, err.message);
    for (int k = 0; k < g->n_outputs; k++) {
        const type is = out[k] ? type_of_tensor(out[k]) : (type){.rank = -1};
        if (out[k] && type_contradicts(&g->outputs[k]->type, &is))
            fail_msg("%s: output %d is not as inferred", text, k);
        tensor_free(out[k]);
    }
    case_free(&m);
}

static void test_declared(void **state) {
    (void)state;
    static const char
        *const scan = "(f32[2]{0}, f32[3,2]{1}; num_scan_inputs=1, body=graph{(s, x) t = Add(s, x); u = "
                      "Identity(t); -> (t, u)}) -> (f32[2]{0}, f32[3,2]{0})",
               *loop = "(s64[]{3}, b8[]{1}, f32[1]{1}; body=graph{(i, c, s) t = Concat(s, s; axis=0); z = "
                       "ReduceSum(t; keepdims=0); -> (c, t, z)}) -> (f32[8]{1}, f32[3]{0})",
               *map = "(seq{f32[2]{1}}, f32[2]{1}; body=graph{(a, b) c = Add(a, b); -> (c)}) -> (seq{f32[2]{2}})";
    check_declared("Scan", scan, 0, (type){.dtype = HST_DTYPE_F32, .rank = 0}, NULL);
    check_declared("Scan", scan, 1, (type){.dtype = HST_DTYPE_F32, .rank = 1, .dim = {1}}, NULL);
    check_declared("Scan", scan, 0, (type){.dtype = HST_DTYPE_F64, .rank = 1, .dim = {2}},
                   "declared f64 and is given f32");
    check_declared("Loop", loop, 2, (type){.dtype = HST_DTYPE_F32, .rank = 1, .dim = {4}}, NULL);
    check_declared("Loop", loop, 2, (type){.dtype = HST_DTYPE_F32, .rank = 0}, "axis 0 out of range for rank 0");
    check_declared("Loop", loop, 0, (type){.dtype = HST_DTYPE_S64, .rank = 1, .dim = {1}}, NULL);
    check_declared("Loop", loop, 2, (type){.dtype = HST_DTYPE_F32, .rank = 1, .dim = {1}},
                   "input 's' of graph '' is f32[2], it should be f32[1]");
    check_declared("SequenceMap", map, 1, (type){.dtype = HST_DTYPE_F32, .rank = 2, .dim = {2, 2}}, NULL);
    check_declared("SequenceMap", "(seq{f32[2]{1}}; body=graph{(a) c = Neg(a); -> (c)}) -> (seq{f32[2]{2}})", 0,
                   (type){.dtype = HST_DTYPE_F32, .rank = 1, .dim = {3}}, "it should be f32[3]");
}

/* Texts that are no case. */
static void test_bad_text(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "(",
                                        "()",
                                        "() -> ()",
                                        "(f32[2]{1 2}) -> (f32[2]{1 2}",
                                        "(f33[2]{1}) -> (f32[]{0})",
                                        "(f32[2]{1 2 3}) -> (f32[]{0})",
                                        "(f32[2]{}) -> (f32[]{0})",
                                        "(f32[-1]{}) -> (f32[]{0})",
                                        "(f32[9223372036854775807,9]{0}) -> (f32[]{0})",
                                        "(f32[1]{x}) -> (f32[]{0})",
                                        "(s64[1]{1.5}) -> (f32[]{0})",
                                        "(string[1]{\"a}) -> (f32[]{0})",
                                        "(f32[1]{0}; a) -> (f32[]{0})",
                                        "(f32[1]{0}; a=) -> (f32[]{0})",
                                        "(f32[1]{0}; a=[1,]) -> (f32[]{0})",
                                        "(f32[1]{0}; a=graph{(x) -> (y)}) -> (f32[]{0})",
                                        "(f32[1]{0}) -> (f32[]{0}) x"};
    const op *o = op_find("", "Identity", CASE_OPSET);
    assert_non_null(o);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        op_case c = {.name = "bad text", .text = texts[i]};
        case_model m;
        hst_error err = {0};
        hst_status status = case_parse(o, &c, &m, &err);
        if (status == HST_STATUS_OK) fail_msg("'%s' is read", texts[i]);
        case_free(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad_nodes), cmocka_unit_test(test_declared),
                                       cmocka_unit_test(test_bad_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
