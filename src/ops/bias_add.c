/* com.microsoft BiasAdd: y = x + bias + skip, x and skip [N, S, C], bias [C]. */
#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    type sum = {.rank = -1};
    c->out[0].dtype = infer_in(c, 0)->dtype;
    HST_TRY(infer_broadcast(c, infer_in(c, 0), infer_in(c, 1), &sum, err));
    return infer_broadcast(c, &sum, infer_in(c, 2), &c->out[0], err);
}

static hst_status expand(const node *n, graph *g, value *const *in, value **out, hst_error *err) {
    expansion e = {.node = n, .g = g, .err = err};
    out[0] = expand_binary(&e, "Add", expand_binary(&e, "Add", in[0], in[1]), in[2]);
    return expansion_done(&e);
}

static const op_case cases[] = {
    {"rows", 0, "(f32[1,2,2]{1 2 3 4}, f32[2]{10 20}, f32[1,2,2]{0.5}) -> (f32[1,2,2]{11.5 22.5 13.5 24.5})", 0},
    {"f16", 0, "(f16[1,1,2]{1 2}, f16[2]{-1 0.5}, f16[1,1,2]{1 1}) -> (f16[1,1,2]{1 3.5})", 0},
    {0},
};

HST_OP(com_microsoft_BiasAdd) = {.name = "BiasAdd",
                                 .domain = "com.microsoft",
                                 .since = 1,
                                 .min_in = 3,
                                 .max_in = 3,
                                 .min_out = 1,
                                 .max_out = 1,
                                 .infer = infer,
                                 .expand = expand,
                                 .summary = "x + bias + skip",
                                 HST_CASES(cases)};
