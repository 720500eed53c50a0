/* Layers of Transformers in standard ONNX operators of opset 18, see layers.h. */
#include "arch/layers.h"

#include <float.h>
#include <math.h>
#include <string.h>

value *layer_project(builder *b, value *x, value *weight, value *bias) {
    value *turned = builder_op1(b, "Transpose", builder_widen(b, weight)); /* [in, out] */
    builder_set_ints(b, turned, "perm", (int64_t[]){1, 0}, 2);
    value *product = builder_op2(b, "MatMul", x, turned);
    return builder_op2(b, "Add", product, builder_widen(b, bias));
}

value *layer_linear(builder *b, value *x, const char *name, int64_t in, int64_t out) {
    value *weight = builder_weight(b, builder_name(b, "%s.weight", name), 2, (int64_t[]){out, in});
    value *bias = builder_weight(b, builder_name(b, "%s.bias", name), 1, &out);
    return layer_project(b, x, weight, bias);
}

value *layer_norm(builder *b, value *x, const char *name, int64_t size, double epsilon) {
    value *scale = builder_widen(b, builder_weight(b, builder_name(b, "%s.weight", name), 1, &size));
    value *bias = builder_widen(b, builder_weight(b, builder_name(b, "%s.bias", name), 1, &size));
    value *y = builder_op3(b, "LayerNormalization", x, scale, bias);
    builder_set_int(b, y, "axis", -1);
    builder_set_float(b, y, "epsilon", (float)epsilon);
    return y;
}

value *layer_gather(builder *b, value *table, value *ids) {
    value *rows = builder_op2(b, "Gather", table, ids);
    if (!rows || !table) return NULL;
    if (table->type.dtype == HST_DTYPE_F32 || table->type.dtype == HST_DTYPE_NONE) return rows;
    value *wide = builder_op1(b, "Cast", rows); /* the rows that are used, not the whole table */
    builder_set_int(b, wide, "to", HST_DTYPE_F32);
    return wide;
}

value *layer_positions(builder *b, value *ids) {
    value *shape = builder_op1(b, "Shape", ids); /* [1]: sequence */
    builder_set_int(b, shape, "start", 1);
    builder_set_int(b, shape, "end", 2);
    value *length = builder_op2(b, "Squeeze", shape, builder_s64s(b, "axis_0", (int64_t[]){0}, 1));
    return builder_op3(b, "Range", builder_s64(b, 0), length, builder_s64(b, 1));
}

/* ---- activations ---- */

static value *times(builder *b, value *x, double factor) {
    return builder_op2(b, "Mul", x, builder_f32(b, factor));
}
static value *plus(builder *b, value *x, double term) {
    return builder_op2(b, "Add", x, builder_f32(b, term));
}

/* x · (1 + erf(x / √2)) · 0.5 */
static value *gelu(builder *b, value *x) {
    value *e = builder_op1(b, "Erf", builder_op2(b, "Div", x, builder_f32(b, sqrt(2.0))));
    return times(b, builder_op2(b, "Mul", x, plus(b, e, 1)), 0.5);
}

/* 0.5 · x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) */
static value *gelu_tanh(builder *b, value *x) {
    value *cube = builder_op2(b, "Pow", x, builder_f32(b, 3));
    value *inner = times(b, builder_op2(b, "Add", x, times(b, cube, 0.044715)), sqrt(2.0 / 3.14159265358979323846));
    return builder_op2(b, "Mul", times(b, x, 0.5), plus(b, builder_op1(b, "Tanh", inner), 1));
}

/* x · sigmoid(factor · x) */
static value *gated(builder *b, value *x, double factor) {
    return builder_op2(b, "Mul", x, builder_op1(b, "Sigmoid", factor == 1 ? x : times(b, x, factor)));
}

static value *clip(builder *b, value *x, double low, double high) {
    return builder_op3(b, "Clip", x, builder_f32(b, low), builder_f32(b, high));
}

value *layer_activation(builder *b, value *x, const char *name) {
    static const char *const same[][2] = {{"gelu_python", "gelu"},           {"gelu_fast", "gelu_new"},
                                          {"gelu_pytorch_tanh", "gelu_new"}, {"gelu_python_tanh", "gelu_new"},
                                          {"gelu_accurate", "gelu_new"},     {"swish", "silu"}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        if (strcmp(name, same[i][0]) == 0) name = same[i][1];
    }
    if (strcmp(name, "gelu") == 0) return gelu(b, x);
    if (strcmp(name, "gelu_new") == 0) return gelu_tanh(b, x);
    if (strcmp(name, "gelu_10") == 0) return clip(b, gelu(b, x), -10, 10);
    if (strcmp(name, "quick_gelu") == 0) return gated(b, x, 1.702);
    if (strcmp(name, "silu") == 0) return gated(b, x, 1);
    if (strcmp(name, "relu") == 0) return builder_op1(b, "Relu", x);
    if (strcmp(name, "relu6") == 0) return clip(b, x, 0, 6);
    if (strcmp(name, "tanh") == 0) return builder_op1(b, "Tanh", x);
    if (strcmp(name, "sigmoid") == 0) return builder_op1(b, "Sigmoid", x);
    if (strcmp(name, "linear") == 0) return x;
    if (strcmp(name, "relu2") == 0) {
        value *y = builder_op1(b, "Relu", x);
        return builder_op2(b, "Mul", y, y);
    }
    return builder_fail(
        b, HST_STATUS_UNSUPPORTED,
        "the activation '%s' is unknown; there are gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, gelu_10, "
        "quick_gelu, relu, relu2, relu6, silu, swish, tanh, sigmoid, linear",
        name);
}

/* ---- heads, masks ---- */

value *layer_split_heads(builder *b, value *x, int64_t heads, int64_t size, bool transposed) {
    value *shape = builder_s64s(b, "split_heads", (int64_t[]){0, 0, heads, size}, 4); /* 0: as it is */
    value *y = builder_op1(b, "Transpose", builder_op2(b, "Reshape", x, shape));
    builder_set_ints(b, y, "perm", transposed ? (int64_t[]){0, 2, 3, 1} : (int64_t[]){0, 2, 1, 3}, 4);
    return y;
}

value *layer_merge_heads(builder *b, value *x, int64_t heads, int64_t size) {
    value *y = builder_op1(b, "Transpose", x);
    builder_set_ints(b, y, "perm", (int64_t[]){0, 2, 1, 3}, 4);
    return builder_op2(b, "Reshape", y, builder_s64s(b, "merge_heads", (int64_t[]){0, 0, heads * size}, 3));
}

value *layer_first_token(builder *b, value *x) {
    value *y = builder_op2(b, "Gather", x, builder_s64(b, 0));
    builder_set_int(b, y, "axis", 1);
    return y;
}

static value *mask_axes(builder *b, value *mask) {
    return builder_op2(b, "Unsqueeze", mask, builder_s64s(b, "axes_1_2", (int64_t[]){1, 2}, 2));
}

value *layer_mask_additive(builder *b, value *mask) {
    value *wide = builder_op1(b, "Cast", mask_axes(b, mask)); /* [batch, 1, 1, sequence] */
    builder_set_int(b, wide, "to", HST_DTYPE_F32);
    return times(b, builder_op2(b, "Sub", builder_f32(b, 1), wide), -FLT_MAX);
}

value *layer_mask_where(builder *b, value *mask) {
    value *attend = builder_op1(b, "Cast", mask_axes(b, mask)); /* [batch, 1, 1, sequence] */
    builder_set_int(b, attend, "to", HST_DTYPE_B8);
    return builder_op3(b, "Where", attend, builder_f32(b, 0), builder_f32(b, -FLT_MAX));
}

/* ---- inputs and outputs ---- */

void layer_span_outputs(builder *b, value *x, const dim *dims) {
    static const char *const names[] = {"start_logits", "end_logits"};
    for (int i = 0; i < 2; i++) {
        value *one = builder_op2(b, "Gather", x, builder_s64(b, i)); /* [batch, sequence] */
        builder_set_int(b, one, "axis", -1);
        builder_output(b, one, names[i], HST_DTYPE_F32, 2, dims);
    }
}

layer_inputs layer_encoder_inputs(builder *b, bool token_types, bool multiple_choice) {
    layer_inputs in = {.multiple_choice = multiple_choice};
    in.batch = dim_symbol(b->model, "batch");
    in.choices = multiple_choice ? dim_symbol(b->model, "num_choices") : 1;
    in.sequence = dim_symbol(b->model, "sequence");
    if (!in.batch || !in.choices || !in.sequence) builder_fail(b, HST_STATUS_NO_MEMORY, "cannot allocate a symbol");
    dim dims[3] = {in.batch, in.choices, in.sequence};
    int rank = 3;
    if (!multiple_choice) dims[1] = in.sequence, rank = 2;
    in.ids = builder_input(b, "input_ids", HST_DTYPE_S64, rank, dims);
    in.mask = builder_input(b, "attention_mask", HST_DTYPE_S64, rank, dims);
    if (token_types) in.types = builder_input(b, "token_type_ids", HST_DTYPE_S64, rank, dims);
    if (!multiple_choice) return in;
    builder_scope(b, "choices");
    in.choice_shape = builder_op1(b, "Shape", in.ids);
    builder_set_int(b, in.choice_shape, "end", 2);
    value *length = builder_op1(b, "Shape", in.ids);
    builder_set_int(b, length, "start", 2);
    value *shape = builder_op2(b, "Concat", builder_s64s(b, "minus_1", (int64_t[]){-1}, 1), length);
    builder_set_int(b, shape, "axis", 0);
    in.ids = builder_op2(b, "Reshape", in.ids, shape);
    in.mask = builder_op2(b, "Reshape", in.mask, shape);
    if (in.types) in.types = builder_op2(b, "Reshape", in.types, shape);
    return in;
}

void layer_choice_output(builder *b, const layer_inputs *in, value *logits) {
    value *y = builder_op2(b, "Reshape", logits, in->choice_shape);
    builder_output(b, y, "logits", HST_DTYPE_F32, 2, (dim[]){in->batch, in->choices});
}
