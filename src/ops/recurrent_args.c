/* The attributes of RNN, GRU and LSTM: see ops/recurrent.h. */
#include <math.h>
#include <string.h>

#include "ops/recurrent.h"

static recurrent_kind kind_of(const node *n) {
    return !strcmp(n->op_type, "LSTM") ? LSTM : !strcmp(n->op_type, "GRU") ? GRU : RNN;
}

static int lower(int c) {
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static bool same_name(const char *a, const char *b) {
    while (*a && lower(*a) == lower(*b)) a++, b++;
    return lower(*a) == lower(*b);
}

static hst_status read_activations(const node *n, recurrent_args *a, hst_error *err) {
    static const recurrent_activation known[] = {
        {"Sigmoid", NAN, NAN},  {"Tanh", NAN, NAN},       {"Relu", NAN, NAN},          {"Softsign", NAN, NAN},
        {"Softplus", NAN, NAN}, {"LeakyRelu", 0.01, NAN}, {"ThresholdedRelu", 1, NAN}, {"Elu", 1, NAN},
        {"Affine", 1, 0},       {"ScaledTanh", 1, 1},     {"HardSigmoid", 0.2, 0.5},
    };
    const int each = a->kind == LSTM ? 3 : a->kind == GRU ? 2 : 1;
    const attribute *names = node_attribute(n, "activations"), *alpha = node_attribute(n, "activation_alpha"),
                    *beta = node_attribute(n, "activation_beta");
    int64_t alphas = 0, betas = 0;
    if (names && (names->type != ATTRIBUTE_STRINGS || (names->n && names->n != each * a->directions)))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "activations should be %d names", each * a->directions);
    for (int k = 0; k < each * a->directions; k++) {
        const char *name = names && names->n            ? names->as.strings[k].data
                           : a->kind == RNN || k % each ? "Tanh"
                                                        : "Sigmoid";
        recurrent_activation *to = &a->f[k / each][k % each];
        size_t i = 0;
        while (i < sizeof known / sizeof *known && !same_name(name, known[i].name)) i++;
        if (i == sizeof known / sizeof *known)
            return node_error(n, err, HST_STATUS_UNSUPPORTED, "activation '%s' is not known", name);
        *to = known[i];
        if (to->alpha == to->alpha && alpha && alpha->type == ATTRIBUTE_FLOATS && alphas < alpha->n)
            to->alpha = (double)alpha->as.floats[alphas++];
        if (to->beta == to->beta && beta && beta->type == ATTRIBUTE_FLOATS && betas < beta->n)
            to->beta = (double)beta->as.floats[betas++];
    }
    return HST_STATUS_OK;
}

hst_status recurrent_args_read(const node *n, recurrent_args *a, hst_error *err) {
    const char *direction = node_string(n, "direction", "forward");
    memset(a, 0, sizeof *a);
    a->kind = kind_of(n);
    a->directions = !strcmp(direction, "bidirectional") ? 2 : 1;
    a->reverse = !strcmp(direction, "reverse");
    if (a->directions == 1 && !a->reverse && strcmp(direction, "forward") != 0)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "direction '%s' is not forward, reverse or bidirectional",
                          direction);
    a->batch_first = node_int(n, "layout", 0) != 0;
    a->linear_before_reset = node_int(n, "linear_before_reset", 0) != 0;
    a->input_forget = node_int(n, "input_forget", 0) != 0;
    a->clip = (double)node_float(n, "clip", 0);
    return read_activations(n, a, err);
}
