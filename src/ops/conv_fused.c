/* hasten Conv and com.microsoft FusedConv: y = act(conv(x, W) + B + Z).
 *   x [N, C, in …]   W [M, C/group, kernel …]   B [M]   Z like y, a residual   ->   y [N, M, out …]
 * activation: those of hasten.Linear, LeakyRelu, Clip, HardSigmoid with `activation_params`, HardSwish. With `tiles`
 * the weights of hasten.Conv are packed: W keeps its shape, its elements lie as conv_f32_layout (ops/conv_f32.h) says.
 */
#include <string.h>

#include "ops/conv_layer.h"

static hst_status check_residual(infer_context *c, const type *x, const type *w, const type *residual, type *y,
                                 hst_error *err) {
    char a[160], b[160];
    HST_TRY(conv_shape_infer(c, x, w, y, err));
    if (!residual || !type_contradicts(y, residual)) return HST_STATUS_OK;
    return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the residual is %s, the result %s",
                      type_format(c->model, residual, a, sizeof a), type_format(c->model, y, b, sizeof b));
}

static hst_status infer(infer_context *c, hst_error *err) {
    matmul_activation act;
    HST_TRY(conv_activation(c->node, &act, err));
    c->out[0].dtype = infer_in(c, 0)->dtype;
    return check_residual(c, infer_in(c, 0), infer_in(c, 1), infer_in(c, 3), &c->out[0], err);
}

static bool is_own(const char *attribute) {
    return !strcmp(attribute, "activation") || !strcmp(attribute, "activation_params") || !strcmp(attribute, "tiles");
}

static hst_status expand(const node *n, graph *g, value *const *in, value **out, hst_error *err) {
    expansion e = {n, g, HST_STATUS_OK, err};
    matmul_activation act;
    infer_context c = {.node = n, .model = g->model};
    type result = {.dtype = in[0]->type.dtype, .rank = -1};
    value *residual = n->n_in > 3 ? in[3] : NULL;
    HST_TRY(conv_activation(n, &act, err));
    HST_TRY(check_residual(&c, &in[0]->type, &in[1]->type, residual ? &residual->type : NULL, &result, err));
    value *w = conv_layer_unpack(&e, in[1]);
    value *y = expand_node(&e, "Conv", (value *const[]){in[0], w, n->n_in > 2 ? in[2] : NULL}, n->n_in > 2 ? 3 : 2);
    for (int i = 0; y && i < n->n_attributes; i++)
        if (!is_own(n->attributes[i].name) && !node_add_attribute(y->producer, &n->attributes[i]))
            return error_no_memory(err, 0, "the expansion of an operator");
    if (residual) y = expand_binary(&e, "Add", y, residual);
    if (y) y->type.dtype = in[0]->type.dtype; /* of the bounds of Clip */
    out[0] = conv_activation_expand(&e, &act, y);
    return expansion_done(&e);
}

static hst_status bind(bind_context *c, hst_error *err) {
    if (c->in[0].dtype != HST_DTYPE_F32) {
        c->why = "not f32";
        return HST_STATUS_OK;
    }
    return conv_layer_bind(c, err);
}

// clang-format off
static const op_case cases[] = {
    {"plain", 0, "(f32[1,1,3]{1 2 3}, f32[1,1,2]{1 1}) -> (f32[1,1,2]{3 5})", 0},
    {"everything", 0, "(f32[1,1,4]{1 2 3 4}, f32[2,1,2]{1 1 -1 -1}, f32[2]{1 0}, f32[1,2,3]{-9 1 -8 20 0 4}; activation=\"Relu\") -> (f32[1,2,3]{0 7 0 17 0 0})", 0},
    {"residual alone", 0, "(f32[1,1,3,3]{0 1 2 3 4 5 6 7 8}, f32[1,1,3,3]{1}, _, f32[1,1,3,3]{1 2 3 4 5 6 7 8 9}; pads=[1,1,1,1]) -> (f32[1,1,3,3]{9 17 15 25 41 33 27 41 33})", 0},
    {"bounds", 0, "(f32[1,1,4]{-3 1 9 nan}, f32[1,1,1]{1}; activation=\"Clip\", activation_params=[0.0,6.0]) -> (f32[1,1,4]{0 1 6 nan})", 0},
    {"LeakyRelu", 0, "(f32[1,1,2]{-3 1}, f32[1,1,1]{1}; activation=\"LeakyRelu\", activation_params=[0.5]) -> (f32[1,1,2]{-1.5 1})", 0},
    {"HardSigmoid", 0, "(f32[1,1,3]{-9 1 9}, f32[1,1,1]{1}; activation=\"HardSigmoid\", activation_params=[0.25,0.5]) -> (f32[1,1,3]{0 0.75 1})", 0},
    {"HardSwish", 0, "(f32[1,1,3]{-9 3 9}, f32[1,1,1]{1}; activation=\"HardSwish\") -> (f32[1,1,3]{0 3 9})", 1e-6},
    {"Silu, residual", 0, "(f32[1,1,2]{-1 0}, f32[1,1,1]{1}, _, f32[1,1,2]{0 1}; activation=\"Silu\") -> (f32[1,1,2]{-0.26894142 0.73105858})", 1e-6},
    {"Gelu, strides, groups", 0, "(f32[1,2,3]{-1 5 0 1 5 -1}, f32[2,1,1]{1}; activation=\"Gelu\", strides=[2], group=2) -> (f32[1,2,2]{-0.15865526 0 0.84134474 -0.15865526})", 1e-6},
    {"depthwise with a residual", 0, "(f32[1,12,2]{1 2 3 4}, f32[12,1,1]{1 2 3}, f32[12]{0.5}, f32[1,12,2]{-9 8}; group=12, activation=\"Relu\") -> (f32[1,12,2]{0 10.5 0 16.5 0 14.5 0 12.5 0 12.5 0.5 20.5 0 10.5 0 16.5 0 14.5 0 12.5 0 12.5 0.5 20.5})", 0},
    {"no images", 0, "(f32[0,1,2]{}, f32[1,1,1]{3}; activation=\"Relu\") -> (f32[0,1,2]{})", 0},
    {"in tiles of two", 0, "(f32[1,2,1]{1 10}, f32[3,2,1]{1 3 2 4 5 6}; tiles=6) -> (f32[1,3,1]{21 43 65})", 0},
    {0}};
static const op_case fused_cases[] = {
    {"everything", 0, "(f32[1,1,2]{1 2}, f32[1,1,1]{2}, f32[1]{1}, f32[1,1,2]{-4 1}; activation=\"Relu\") -> (f32[1,1,2]{0 6})", 0},
    {"f16", 0, "(f16[1,1,2]{1 2}, f16[1,1,1]{2}; activation=\"Clip\", activation_params=[0.0,3.0]) -> (f16[1,1,2]{2 3})", 0},
    {"an attribute that is not its own", 0, "(f32[1,2,1]{1 10}, f32[3,2,1]{1 2 3 4 5 6}; tiles=6) -> (f32[1,3,1]{21 43 65})", 0},
    {0}};
// clang-format on

HST_OP(hasten_Conv) = {.name = "Conv",
                       .domain = "hasten",
                       .since = 1,
                       .min_in = 2,
                       .max_in = 4,
                       .min_out = 1,
                       .max_out = 1,
                       .infer = infer,
                       .bind = bind,
                       .expand = expand,
                       .pack = conv_layer_pack,
                       .summary = "convolution with bias, residual and activation",
                       HST_CASES(cases)};
HST_OP(com_microsoft_FusedConv) = {.name = "FusedConv",
                                   .domain = "com.microsoft",
                                   .since = 1,
                                   .min_in = 2,
                                   .max_in = 4,
                                   .min_out = 1,
                                   .max_out = 1,
                                   .infer = infer,
                                   .bind = bind,
                                   .expand = expand,
                                   .summary = "convolution with bias, residual and activation",
                                   HST_CASES(fused_cases)};
