/* The activations that may follow a product, by name: what kernels compute, and what they mean in standard operators.
 */
#include <string.h>

#include "ops/matmul.h"

const matmul_activation *matmul_activation_find(const char *name) {
    static const matmul_activation known[] = {
        {"", UNARY_COPY, {0}},
        {"Relu", UNARY_RELU, {0}},
        {"Gelu", UNARY_GELU, {0}},
        {"GeluTanh", UNARY_GELU_TANH, {0}},
        {"QuickGelu", UNARY_SWISH, {1.702f}},
        {"Silu", UNARY_SWISH, {1}},
        {"Tanh", UNARY_TANH, {0}},
        {"Sigmoid", UNARY_SIGMOID, {0}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp(known[i].name, name)) return &known[i];
    return NULL;
}

hst_status matmul_activation_of(const node *n, const matmul_activation **out, hst_error *err) {
    const char *name = node_string(n, "activation", "");
    *out = matmul_activation_find(name);
    return *out ? HST_STATUS_OK
                : node_error(n, err, HST_STATUS_UNSUPPORTED, "activation '%s' is not one of the known", name);
}

value *matmul_activation_expand(expansion *e, const matmul_activation *a, value *x) {
    const hst_dtype f = HST_DTYPE_F32;
    if (a->function == UNARY_COPY) return x;
    if (a->function == UNARY_RELU) return expand_unary(e, "Relu", x);
    if (a->function == UNARY_TANH) return expand_unary(e, "Tanh", x);
    if (a->function == UNARY_SIGMOID) return expand_unary(e, "Sigmoid", x);
    if (a->function == UNARY_SWISH) {
        value *in = a->parameter[0] == 1 ? x : expand_binary(e, "Mul", x, expand_scalar(e, f, (double)a->parameter[0]));
        return expand_binary(e, "Mul", x, expand_unary(e, "Sigmoid", in));
    }
    value *inner;
    if (a->function == UNARY_GELU) {
        inner = expand_unary(e, "Erf", expand_binary(e, "Div", x, expand_scalar(e, f, 1.4142135623730951)));
    } else {
        value *cube = expand_binary(e, "Mul", expand_binary(e, "Mul", x, x), x);
        value *sum = expand_binary(e, "Add", x, expand_binary(e, "Mul", cube, expand_scalar(e, f, 0.044715)));
        inner = expand_unary(e, "Tanh", expand_binary(e, "Mul", sum, expand_scalar(e, f, 0.7978845608028654)));
    }
    value *factor = expand_binary(e, "Add", inner, expand_scalar(e, f, 1));
    return expand_binary(e, "Mul", expand_binary(e, "Mul", x, factor), expand_scalar(e, f, 0.5));
}

hst_status matmul_check_added(const node *n, const type *x, dim columns, const type *bias, const type *residual,
                              hst_error *err) {
    type y = *x;
    char a[160], b[160];
    const model *m = n->graph->model;
    if (x->rank < 1) return HST_STATUS_OK;
    y.dim[y.rank - 1] = columns;
    if (residual && type_contradicts(&y, residual))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "the residual is %s, the result %s",
                          type_format(m, residual, a, sizeof a), type_format(m, &y, b, sizeof b));
    bool fits = !bias || bias->rank <= y.rank;
    for (int i = 1; bias && fits && i <= bias->rank; i++) {
        const dim d = bias->dim[bias->rank - i], want = i == 1 ? columns : 1;
        fits = d < 0 || want < 0 || d == want;
    }
    return fits ? HST_STATUS_OK
                : node_error(n, err, HST_STATUS_BAD_SHAPE, "the bias is %s for %lld columns",
                             type_format(m, bias, a, sizeof a), (long long)columns);
}
