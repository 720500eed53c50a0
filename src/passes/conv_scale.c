/* What scales and shifts each channel of a convolution or a linear layer moves into its weights and bias:
 * BatchNormalization of an inference, Mul and Add with constants of one element a channel. The new weights and bias are
 * computed in f64 and rounded once. Weights that others read too are copied. */
#include <math.h>
#include <string.h>

#include "passes/match.h"
#include "passes/pass.h"

typedef struct affine { /* y = factor x + shift, of each channel */
    double *factor, *shift;
    int64_t channels;
    bool shifts_only;
} affine;

/* A layer whose output is read by `n` alone, all of whose constants are known. */
typedef struct layer {
    node *node;
    const hst_tensor *weight, *bias; /* f32 */
    int64_t channels;
    bool linear, rows; /* rows: a channel's weights lie together */
} layer;

static bool is_f32(const hst_tensor *t) {
    return t && t->dtype == HST_DTYPE_F32;
}

static bool layer_before(const value *v, layer *l) {
    node *n = v ? v->producer : NULL;
    *l = (layer){.node = n};
    if (!n || !match_only_user(v) || n->n_in < 2 || !n->in[0] || !n->in[1] || v->type.dtype != HST_DTYPE_F32)
        return false;
    l->linear = node_is(n, "hasten", "Linear");
    if (!node_is(n, "", "Conv") && !l->linear) return false;
    if (l->linear && (*node_string(n, "activation", "") || n->n_in > 3 || v->type.rank != 2)) return false;
    l->weight = match_constant(n->in[1]);
    l->bias = n->n_in > 2 && n->in[2] ? match_constant(n->in[2]) : NULL;
    if (!is_f32(l->weight) || l->weight->rank < 2 || (n->n_in > 2 && n->in[2] && !is_f32(l->bias))) return false;
    l->rows = !l->linear || node_int(n, "transB", 0);
    l->channels = l->weight->dim[l->rows ? 0 : 1];
    return l->channels > 0 && (!l->bias || tensor_count(l->bias) == l->channels) && v->type.rank >= 2 &&
           v->type.dim[1] == l->channels;
}

/* Before opset 14 further outputs say that it trains, and a test flag before 7. */
static bool trains(const node *n) {
    if (n->opset >= 14) return node_int(n, "training_mode", 0) != 0;
    return n->opset < 7 && node_int(n, "is_test", 0) == 0;
}

static bool read_norm(const node *n, affine *a) {
    const hst_tensor *t[4];
    if (n->n_in != 5 || trains(n) || (n->opset < 9 && node_int(n, "spatial", 1) == 0)) return false;
    for (int i = 1; i < n->n_out; i++)
        if (n->out[i] && (n->opset < 14 || n->out[i]->n_uses || n->out[i]->is_output)) return false;
    for (int i = 0; i < 4; i++) {
        t[i] = n->in[1 + i] ? match_constant(n->in[1 + i]) : NULL;
        if (!t[i] || !dtype_is_float(t[i]->dtype) || t[i]->rank != 1 || t[i]->dim[0] != a->channels) return false;
    }
    const double epsilon = (double)node_float(n, "epsilon", 1e-5f);
    for (int64_t c = 0; c < a->channels; c++) {
        a->factor[c] = tensor_get_f64(t[0], c) / sqrt(tensor_get_f64(t[3], c) + epsilon);
        a->shift[c] = tensor_get_f64(t[1], c) - tensor_get_f64(t[2], c) * a->factor[c];
    }
    return true;
}

/* The other operand as a constant of one element, or one a channel of the layer's output of `rank` axes; -1: it is not,
 * else the elements from one channel to the next. */
static int64_t step_of(const hst_tensor *t, int rank, int64_t channels) {
    if (!is_f32(t) || t->rank > rank) return -1;
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] != 1 && (i != t->rank - rank + 1 || t->dim[i] != channels)) return -1;
    return tensor_count(t) == channels;
}

static bool read_binary(const node *n, int operand, int rank, affine *a) {
    const hst_tensor *t = n->n_in == 2 && n->in[1 - operand] ? match_constant(n->in[1 - operand]) : NULL;
    const int64_t step = step_of(t, rank, a->channels);
    const bool adds = node_is(n, "", "Add");
    if (step < 0 || n->opset < 7) return false;
    for (int64_t c = 0; c < a->channels; c++) {
        const double x = tensor_get_f64(t, c * step);
        a->factor[c] = adds ? 1 : x;
        a->shift[c] = adds ? x : 0;
    }
    a->shifts_only = adds;
    return true;
}

static bool all_finite(const hst_tensor *t) {
    const float *x = t->data;
    for (int64_t i = 0, n = tensor_count(t); i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

static hst_status scaled(const layer *l, const affine *a, const hst_allocator *allocator, hst_tensor **weight,
                         hst_tensor **bias, hst_error *err) {
    *weight = *bias = NULL;
    HST_TRY(tensor_new(HST_DTYPE_F32, 1, &l->channels, allocator, bias, err));
    for (int64_t c = 0; c < l->channels; c++)
        ((float *)(*bias)->data)[c] = (float)((l->bias ? tensor_get_f64(l->bias, c) : 0) * a->factor[c] + a->shift[c]);
    if (a->shifts_only) return HST_STATUS_OK;
    HST_TRY(tensor_new(HST_DTYPE_F32, l->weight->rank, l->weight->dim, allocator, weight, err));
    const int64_t count = tensor_count(l->weight), each = count / l->channels;
    for (int64_t i = 0; i < count; i++)
        ((float *)(*weight)->data)[i] =
            (float)(tensor_get_f64(l->weight, i) * a->factor[l->rows ? i / each : i % l->channels]);
    return HST_STATUS_OK;
}

static hst_status rebuild(graph *g, node *n, const layer *l, const affine *a, bool *changed, hst_error *err) {
    hst_tensor *weight, *bias;
    const hst_status status =
        scaled(l, a, g->model->arena ? arena_allocator(g->model->arena) : NULL, &weight, &bias, err);
    /* A product that overflows, or 0 · inf, would not be what the graph says. */
    const bool finite = status == HST_STATUS_OK && all_finite(bias) && (!weight || all_finite(weight));
    patch *p = finite ? patch_new(g, n) : NULL;
    if (!p) {
        tensor_free(weight);
        tensor_free(bias);
        return status != HST_STATUS_OK || !finite ? status : patch_fail(p, err);
    }
    value *in[3] = {l->node->in[0], l->node->in[1], patch_constant(p, "", bias)};
    if (weight) in[1] = patch_constant(p, match_only_user(in[1]) ? in[1]->name : "", weight);
    value *out = patch_value(p, &n->out[0]->type);
    node *made = patch_node(p, l->node->domain, l->node->op_type, l->node->opset, in, 3, &out, 1);
    if (!made || !node_copy_attributes(made, l->node)) return patch_fail(p, err);
    patch_replace(p, n->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

static hst_status fuse(graph *g, node *n, bool *changed, hst_error *err) {
    const bool norm = node_is(n, "", "BatchNormalization");
    const bool binary = node_is(n, "", "Mul") || node_is(n, "", "Add");
    layer l;
    if ((!norm && !binary) || n->n_in < 2 || n->n_out < 1 || !n->out[0]) return HST_STATUS_OK;
    for (int i = 0; i < (norm ? 1 : 2); i++) {
        if (!layer_before(n->in[i], &l) || (binary && l.linear)) continue;
        affine a = {.channels = l.channels};
        a.factor = ARENA_ARRAY(g->model->arena, double, 2 * l.channels);
        if (!a.factor) return error_no_memory(err, 0, "a rewrite");
        a.shift = a.factor + l.channels;
        if (norm ? read_norm(n, &a) : read_binary(n, i, n->in[i]->type.rank, &a))
            return rebuild(g, n, &l, &a, changed, err);
    }
    return HST_STATUS_OK;
}

HST_PASS(conv_scale) = {.name = "conv_scale",
                        .order = 33,
                        .node = fuse,
                        .anchor = "",
                        .summary = "moved a BatchNormalization, factor or summand into weights"};
