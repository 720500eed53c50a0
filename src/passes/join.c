/* Products x · W of one x become one product whose weight is the three side by side. */
#include "passes/join.h"

#include <string.h>

#include "passes/match.h"
#include "tensor/convert.h"

/* The Linear behind a base, if it does nothing but x · W + b. */
static node *plain_linear(const value *v) {
    node *n = v->producer;
    if (!n || !node_is(n, "hasten", "Linear") || v->is_output) return NULL;
    for (int i = 3; i < n->n_in; i++)
        if (n->in[i]) return NULL;
    if (*node_string(n, "activation", "") || node_float(n, "alpha", 1) != 1) return NULL;
    return n;
}

/* Whether the three read one x, and have constant weights of one type and layout, and constant biases, or none. */
static bool joinable(node *const *l, const value *bias) {
    const hst_tensor *first = l[0] ? match_constant(l[0]->in[1]) : NULL;
    for (int i = 0; i < 3; i++) {
        if (!l[i] || l[i]->in[0] != l[0]->in[0]) return false;
        const hst_tensor *w = match_constant(l[i]->in[1]);
        const bool transposed = node_int(l[i], "transB", 0) != 0;
        const value *own = l[i]->n_in > 2 ? l[i]->in[2] : NULL;
        if (!w || w->dtype != first->dtype || transposed != (node_int(l[0], "transB", 0) != 0)) return false;
        if (w->dim[transposed ? 1 : 0] != first->dim[transposed ? 1 : 0]) return false;
        if (own && (bias || !match_constant(own) || own->constant->dim[0] != w->dim[transposed ? 0 : 1])) return false;
    }
    return true;
}

/* Three matrices of one layout side by side along their output columns. NULL: no memory. */
static hst_tensor *join_weights(node *const *l, bool transposed, const hst_allocator *a) {
    const hst_tensor *w[3];
    int64_t rows = 0, columns = 0;
    for (int i = 0; i < 3; i++) {
        w[i] = l[i]->in[1]->constant;
        columns += w[i]->dim[transposed ? 0 : 1];
        rows = w[i]->dim[transposed ? 1 : 0];
    }
    int64_t dims[2] = {transposed ? columns : rows, transposed ? rows : columns};
    hst_tensor *t;
    if (tensor_new(w[0]->dtype, 2, dims, a, &t, NULL) != HST_STATUS_OK) return NULL;
    size_t element = (size_t)dtype_bits(t->dtype) / 8;
    char *to = t->data;
    for (int64_t r = 0; r < (transposed ? 1 : rows); r++)
        for (int i = 0; i < 3; i++) {
            size_t part = transposed ? w[i]->bytes : (size_t)w[i]->dim[1] * element;
            memcpy(to, (const char *)w[i]->data + (size_t)r * part, part);
            to += part;
        }
    return t;
}

/* The three biases side by side, zeros for a missing one. NULL: no memory. */
static hst_tensor *join_biases(node *const *l, const hst_allocator *a) {
    hst_tensor *t;
    int64_t widths[3], count = 0, at = 0;
    for (int i = 0; i < 3; i++) {
        widths[i] = l[i]->out[0]->type.dim[l[i]->out[0]->type.rank - 1];
        count += widths[i];
    }
    if (tensor_new(HST_DTYPE_F32, 1, &count, a, &t, NULL) != HST_STATUS_OK) return NULL;
    for (int i = 0; i < 3; i++) {
        const hst_tensor *b = l[i]->n_in > 2 && l[i]->in[2] ? l[i]->in[2]->constant : NULL;
        if (b) convert_to_f32(b->dtype, b->data, 0, (float *)t->data + at, widths[i]);
        at += widths[i];
    }
    return t;
}

/* The parts as one product. NULL: no memory, which the patch has noted. */
static value *one_product(patch *p, node *const *l, value *bias, value *out) {
    const hst_allocator *a = arena_allocator(l[0]->graph->model->arena);
    const bool transposed = node_int(l[0], "transB", 0) != 0;
    bool own = false;
    for (int i = 0; i < 3; i++) own |= l[i]->n_in > 2 && l[i]->in[2];
    value *in[3] = {l[0]->in[0], patch_constant(p, "", join_weights(l, transposed, a)),
                    own ? patch_constant(p, "", join_biases(l, a)) : bias};
    node *n = patch_node(p, "hasten", "Linear", 1, in, in[2] ? 3 : 2, &out, 1);
    return n && node_set_int(n, "transB", transposed) ? out : NULL;
}

value *join_products(patch *p, value *const parts[3], value *bias, const type *t) {
    node *l[3];
    value *out = patch_value(p, t);
    for (int i = 0; i < 3; i++) l[i] = plain_linear(parts[i]);
    if (joinable(l, bias)) return one_product(p, l, bias, out);
    value *whole = bias ? patch_value(p, t) : out;
    node *n = patch_node(p, "", "Concat", 13, parts, 3, &whole, 1);
    if (!n || !node_set_int(n, "axis", -1)) return NULL;
    value *const sum[2] = {whole, bias};
    return !bias || patch_node(p, "", "Add", 14, sum, 2, &out, 1) ? out : NULL;
}
