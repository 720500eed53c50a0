/* Conv of f32 with constant weights becomes hasten.Conv, whose weights are packed once; what follows one moves into its
 * epilogue, y = act(conv + bias + residual): a residual of the same shape, an activation. Nodes of subgraphs, which the
 * interpreter runs, stay. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "passes/match.h"
#include "passes/pass.h"

static bool has(const node *n, int i) {
    return i < n->n_in && n->in[i];
}

/* ---- Conv ---- */

/* A 1x1 kernel on planes of one element, as squeeze-and-excitation has it: a linear layer on the channels. With padding
 * and strides the one output may lie beside the element. */
static bool is_point(const node *n, const hst_tensor *w) {
    const int64_t *pads;
    for (int i = node_ints(n, "pads", &pads) - 1; i >= 0; i--)
        if (pads[i]) return false;
    const type *x = &n->in[0]->type, *y = &n->out[0]->type;
    if (node_int(n, "group", 1) != 1 || x->rank < 3 || y->rank != x->rank || w->rank != x->rank) return false;
    if (!w->dim[0] || !w->dim[1] || (n->n_in > 2 && n->in[2] && !match_row(n->in[2], w->dim[0]))) return false;
    for (int k = 2; k < x->rank; k++)
        if (x->dim[k] != 1 || y->dim[k] != 1 || w->dim[k] != 1) return false;
    return x->dtype == HST_DTYPE_F32;
}

static hst_status make_linear(graph *g, node *n, const hst_tensor *w, bool *changed, hst_error *err) {
    const hst_allocator *a = arena_allocator(g->model->arena);
    int64_t shape[HST_RANK_MAX] = {0, w->dim[0]}, rank = w->rank;
    hst_tensor *matrix = NULL, *to = NULL;
    for (int k = 2; k < rank; k++) shape[k] = 1;
    hst_status status = tensor_new(HST_DTYPE_F32, 2, w->dim, a, &matrix, err);
    if (status == HST_STATUS_OK) status = tensor_new(HST_DTYPE_S64, 1, &rank, a, &to, err);
    patch *p = status == HST_STATUS_OK ? patch_new(g, n) : NULL;
    if (!p) {
        tensor_free(matrix);
        tensor_free(to);
        return status == HST_STATUS_OK ? patch_fail(p, err) : status;
    }
    memcpy(matrix->data, w->data, w->bytes);
    memcpy(to->data, shape, to->bytes);
    const type *x = &n->in[0]->type;
    const type flat = type_make(HST_DTYPE_F32, 2, x->dim);
    const type wide = type_make(HST_DTYPE_F32, 2, (dim[]){x->dim[0], w->dim[0]});
    value *rows = patch_value(p, &flat), *product = patch_value(p, &wide), *out = patch_value(p, &n->out[0]->type);
    patch_node(p, "", "Flatten", 13, n->in, 1, &rows, 1);
    value *in[3] = {rows, patch_constant(p, "", matrix), n->n_in > 2 ? n->in[2] : NULL};
    node *linear = patch_node(p, "hasten", "Linear", 1, in, in[2] ? 3 : 2, &product, 1);
    value *back[2] = {product, patch_constant(p, "", to)};
    if (!linear || !node_set_int(linear, "transB", 1) || !patch_node(p, "", "Reshape", 13, back, 2, &out, 1))
        return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

static hst_status make(graph *g, node *n, bool *changed, hst_error *err) {
    const hst_tensor *w = n->n_in > 1 && n->in[0] && n->in[1] ? match_constant(n->in[1]) : NULL;
    if (g->parent || !node_is(n, "", "Conv") || !w || w->dtype != HST_DTYPE_F32) return HST_STATUS_OK;
    if (is_point(n, w)) return make_linear(g, n, w, changed, err);
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    value *out = patch_value(p, &n->out[0]->type);
    node *made = patch_node(p, "hasten", "Conv", 1, n->in, n->n_in, &out, 1);
    if (!made || !node_copy_attributes(made, n)) return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

HST_PASS(conv) = {.name = "conv",
                  .order = 34,
                  .node = make,
                  .anchor = "Conv",
                  .summary = "made hasten.Conv or hasten.Linear of a Conv"};

/* ---- what follows ---- */

/* The hasten.Conv without activation that v comes from, where v has no other user. */
static node *conv_before(const value *v) {
    node *n = v ? v->producer : NULL;
    if (!n || !node_is(n, "hasten", "Conv") || *node_string(n, "activation", "")) return NULL;
    return match_only_user(v) ? n : NULL;
}

typedef struct epilogue {
    const char *activation; /* NULL: none */
    int n;
    float parameter[2];
    value *residual;
} epilogue;

static hst_status rebuild(graph *g, node *n, const node *conv, const epilogue *e, bool *changed, hst_error *err) {
    patch *p = patch_new(g, n);
    if (!p) return patch_fail(p, err);
    value *in[4] = {conv->in[0], conv->in[1], has(conv, 2) ? conv->in[2] : NULL,
                    e->residual    ? e->residual
                    : has(conv, 3) ? conv->in[3]
                                   : NULL};
    value *out = patch_value(p, &n->out[0]->type);
    node *made = patch_node(p, "hasten", "Conv", 1, in, in[3] ? 4 : in[2] ? 3 : 2, &out, 1);
    bool ok = made && node_copy_attributes(made, conv);
    if (ok && e->activation) ok = node_set_string(made, "activation", e->activation);
    if (ok && e->n) {
        float *given = ARENA_ARRAY(g->model->arena, float, 2);
        if (given) memcpy(given, e->parameter, sizeof e->parameter);
        ok = given &&
             node_add_attribute(
                 made,
                 &(attribute){.name = "activation_params", .type = ATTRIBUTE_FLOATS, .n = e->n, .as.floats = given});
    }
    if (!ok) return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

/* Bounds from attributes (before opset 11) or scalars. */
static bool read_clip(const node *n, epilogue *e) {
    e->activation = "Clip";
    e->n = 2;
    e->parameter[0] = n->opset < 11 ? node_float(n, "min", -FLT_MAX) : -INFINITY;
    e->parameter[1] = n->opset < 11 ? node_float(n, "max", FLT_MAX) : INFINITY;
    for (int i = 1; i < n->n_in; i++) {
        double x;
        if (n->opset < 11 || i > 2 || (n->in[i] && !match_scalar(n->in[i], &x))) return false;
        if (n->in[i]) e->parameter[i - 1] = (float)x;
    }
    return true;
}

static bool read_activation(const node *n, epilogue *e) {
    if (n->n_in < 1 || n->n_out != 1) return false;
    if (node_is(n, "", "Clip")) return read_clip(n, e);
    if (n->n_in > 1) return false;
    if (node_is(n, "", "Relu") || node_is(n, "", "Tanh") || node_is(n, "", "Sigmoid") || node_is(n, "", "HardSwish"))
        e->activation = n->op_type;
    else if (node_is(n, "", "Gelu") || node_is(n, "com.microsoft", "Gelu"))
        e->activation = strcmp(node_string(n, "approximate", "none"), "tanh") == 0 ? "GeluTanh" : "Gelu";
    else if (node_is(n, "", "Swish") || node_is(n, "com.microsoft", "QuickGelu")) {
        const float alpha = node_float(n, "alpha", *n->domain ? 1.702f : 1);
        e->activation = alpha == 1 ? "Silu" : alpha == 1.702f ? "QuickGelu" : NULL;
    } else if (node_is(n, "", "LeakyRelu") || node_is(n, "", "HardSigmoid")) {
        const bool hard = node_is(n, "", "HardSigmoid");
        e->activation = n->op_type;
        e->n = hard ? 2 : 1;
        e->parameter[0] = node_float(n, "alpha", hard ? 0.2f : 0.01f);
        e->parameter[1] = node_float(n, "beta", 0.5f);
    }
    return e->activation != NULL;
}

static hst_status fuse(graph *g, node *n, bool *changed, hst_error *err) {
    epilogue e = {0};
    node *conv;
    if (node_is(n, "", "Add") && n->n_in == 2) {
        for (int i = 0; i < 2; i++) {
            value *residual = n->in[1 - i];
            conv = conv_before(n->in[i]);
            if (!conv || has(conv, 3) || !residual || residual->constant || residual->graph != g) continue;
            if (residual->type.rank < 0 || !type_equal(&residual->type, &n->in[i]->type)) continue;
            e.residual = residual;
            return rebuild(g, n, conv, &e, changed, err);
        }
        return HST_STATUS_OK;
    }
    if (!read_activation(n, &e)) return HST_STATUS_OK;
    conv = conv_before(n->in[0]);
    return conv ? rebuild(g, n, conv, &e, changed, err) : HST_STATUS_OK;
}

HST_PASS(conv_epilogue) = {.name = "conv_epilogue",
                           .order = 41,
                           .node = fuse,
                           .anchor = "",
                           .summary = "moved a residual or an activation into hasten.Conv"};
