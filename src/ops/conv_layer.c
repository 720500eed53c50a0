/* Conv with constant weights in tiles and an epilogue: see ops/conv_layer.h. */
#include "ops/conv_layer.h"

#include <string.h>

#include "tensor/convert.h"

/* ---- activations ---- */

hst_status conv_activation(const node *n, matmul_activation *to, hst_error *err) {
    static const struct {
        matmul_activation a;
        int n; /* parameters */
    } more[] = {{{"LeakyRelu", UNARY_LEAKY_RELU, {0.01f}}, 1},
                {{"Clip", UNARY_CLIP, {-INFINITY, INFINITY}}, 2},
                {{"HardSigmoid", UNARY_HARD_SIGMOID, {0.2f, 0.5f}}, 2},
                {{"HardSwish", UNARY_HARD_SWISH, {0}}, 0}};
    const char *name = node_string(n, "activation", "");
    const attribute *given = node_attribute(n, "activation_params");
    const matmul_activation *known = matmul_activation_find(name);
    int64_t wanted = 0;
    for (size_t i = 0; !known && i < sizeof more / sizeof *more; i++)
        if (!strcmp(more[i].a.name, name)) known = &more[i].a, wanted = more[i].n;
    if (!known) return node_error(n, err, HST_STATUS_UNSUPPORTED, "activation '%s' is not one of the known", name);
    *to = *known;
    if (!given || given->type != ATTRIBUTE_FLOATS || given->n == 0) return HST_STATUS_OK;
    if (given->n != wanted)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "%lld parameters for activation '%s', which has %lld",
                          (long long)given->n, name, (long long)wanted);
    memcpy(to->parameter, given->as.floats, (size_t)wanted * sizeof(float));
    return HST_STATUS_OK;
}

value *conv_activation_expand(expansion *e, const matmul_activation *a, value *x) {
    const bool leaky = a->function == UNARY_LEAKY_RELU;
    value *y;
    switch (a->function) {
    case UNARY_CLIP:
        return expand_node(e, "Clip",
                           (value *const[]){x, expand_scalar(e, x ? x->type.dtype : 0, (double)a->parameter[0]),
                                            expand_scalar(e, x ? x->type.dtype : 0, (double)a->parameter[1])},
                           3);
    case UNARY_HARD_SWISH:
        return expand_unary(e, "HardSwish", x);
    case UNARY_LEAKY_RELU:
    case UNARY_HARD_SIGMOID:
        y = expand_unary(e, leaky ? "LeakyRelu" : "HardSigmoid", x);
        if (y && (!node_set_float(y->producer, "alpha", a->parameter[0]) ||
                  (!leaky && !node_set_float(y->producer, "beta", a->parameter[1]))))
            e->status = error_no_memory(e->err, 0, "the expansion of an operator");
        return y;
    default:
        return matmul_activation_expand(e, a, x);
    }
}

/* ---- the run ---- */

hst_status conv_layer_shape(eval_context *c, const hst_tensor *x, const hst_tensor *weight, const hst_tensor *bias,
                            conv_shape *s, hst_error *err) {
    HST_TRY(planes_check(c->node, x, 3, "X", err));
    if (weight->dtype != x->dtype || (bias && bias->dtype != x->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %s, weights %s, bias %s", dtype_name(x->dtype),
                          dtype_name(weight->dtype), bias ? dtype_name(bias->dtype) : "none");
    return conv_shape_read(c->node, x, weight, bias, s, err);
}

/* Only hasten.Conv's may stand in tiles: a file may give any operator an attribute of that name. */
static bool in_tiles(const node *n) {
    return node_is(n, "hasten", "Conv") && node_attribute(n, "tiles");
}

/* The weights in tiles: what bind made of a constant, the constant in tiles, else made here. */
static hst_status tiles(const hst_tensor *state, eval_context *c, const hst_tensor *weight, const conv_shape *s,
                        const float **out, hst_error *err) {
    const float *plain;
    void *memory;
    if (state) {
        *out = state->data;
        return HST_STATUS_OK;
    }
    HST_TRY(matmul_as_f32(c, weight, &plain, err));
    *out = plain;
    /* tiles of one row are rows */
    if (s->filters == 1 || in_tiles(c->node)) return HST_STATUS_OK;
    HST_TRY(eval_scratch(c, (size_t)tensor_count(weight) * sizeof(float) + 1, &memory, err));
    conv_f32_pack(plain, s->groups, s->filters, s->channels * window_count(s->w.kernel, s->w.rank), memory);
    *out = memory;
    return HST_STATUS_OK;
}

static hst_status check_residual(eval_context *c, const hst_tensor *r, const hst_tensor *x, const conv_shape *s,
                                 hst_error *err) {
    if (r->dtype == x->dtype && r->rank == s->rank && !memcmp(r->dim, s->dim, (size_t)s->rank * sizeof s->dim[0]))
        return HST_STATUS_OK;
    return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the residual must have the result's shape and type");
}

hst_status conv_layer_run(const void *state, eval_context *c, hst_error *err) {
    const hst_tensor *x, *weight, *bias = eval_in(c, 2), *residual = eval_in(c, 3);
    hst_tensor *y;
    conv_shape s;
    matmul_activation act = {0};
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(eval_need(c, 1, "W", &weight, err));
    HST_TRY(conv_layer_shape(c, x, weight, bias, &s, err));
    if (*c->node->domain) HST_TRY(conv_activation(c->node, &act, err)); /* plain Conv has none */
    if (residual) HST_TRY(check_residual(c, residual, x, &s, err));
    HST_TRY(eval_output(c, 0, x->dtype, s.rank, s.dim, &y, err));
    conv_f32 p = {.w = s.w, .batch = s.batch, .groups = s.groups, .channels = s.channels, .filters = s.filters};
    p.y = y->data;
    p.function = act.function;
    memcpy(p.parameter, act.parameter, sizeof p.parameter);
    HST_TRY(matmul_as_f32(c, x, &p.x, err));
    HST_TRY(tiles(state, c, weight, &s, &p.packed, err));
    if (bias) HST_TRY(matmul_as_f32(c, bias, &p.bias, err));
    if (residual) HST_TRY(matmul_as_f32(c, residual, &p.residual, err));
    if (x->dtype == HST_DTYPE_F32) return conv_f32_run(c, &p, err);
    void *memory;
    HST_TRY(eval_scratch(c, (size_t)tensor_count(y) * sizeof(float), &memory, err));
    p.y = memory;
    HST_TRY(conv_f32_run(c, &p, err));
    convert_from_f32(y->dtype, p.y, y->data, 0, tensor_count(y));
    return HST_STATUS_OK;
}

/* ---- constant weights ---- */

static void free_weights(void *state, const hst_allocator *a) {
    (void)a;
    tensor_free(state);
}

/* Constant weights in tiles, or in f32 where a tile is one row; NULL: they serve as they are, or are none. */
static hst_status make_tiles(const node *n, const hst_tensor *w, const hst_allocator *a, hst_tensor **out,
                             hst_error *err) {
    int64_t groups;
    hst_tensor *plain = NULL;
    HST_TRY(conv_group(n, &groups, err));
    if (!w || !matmul_is_f32(w->dtype) || w->rank < 3 || w->dim[0] % groups) return HST_STATUS_OK;
    const int64_t count = tensor_count(w), filters = w->dim[0] / groups;
    const bool serves = w->dtype == HST_DTYPE_F32 && (uintptr_t)w->data % sizeof(float) == 0;
    if (count == 0 || (serves && filters == 1)) return HST_STATUS_OK;
    if (!serves) {
        HST_TRY(tensor_new(HST_DTYPE_F32, w->rank, w->dim, a, &plain, err));
        convert_to_f32(w->dtype, w->data, 0, plain->data, count);
    }
    const hst_status status = tensor_new(HST_DTYPE_F32, w->rank, w->dim, a, out, err);
    if (status == HST_STATUS_OK)
        conv_f32_pack(plain ? plain->data : w->data, groups, filters, count / w->dim[0], (*out)->data);
    tensor_free(plain);
    return status;
}

hst_status conv_layer_bind(bind_context *c, hst_error *err) {
    hst_tensor *packed = NULL;
    if (in_tiles(c->node)) {
        if (node_int(c->node, "tiles", 0) != conv_f32_layout()) {
            c->why = "its weights are packed for the kernel of another CPU";
            return HST_STATUS_OK;
        }
    } else
        HST_TRY(make_tiles(c->node, c->constant[1], c->allocator, &packed, err));
    c->state = packed;
    c->state_free = free_weights;
    c->run = conv_layer_run;
    c->kernel = kernels_get()->conv_f32()->name;
    return HST_STATUS_OK;
}

hst_status conv_layer_pack(pack_context *c, hst_error *err) {
    const node *n = c->node;
    const hst_tensor *w = n->in[1]->constant;
    if (in_tiles(n) || !w || n->in[1]->is_input || w->dtype != HST_DTYPE_F32) return HST_STATUS_OK;
    HST_TRY(make_tiles(n, w, c->allocator, &c->packed, err));
    if (!c->packed) return HST_STATUS_OK;
    c->input = 1;
    c->set = "tiles";
    c->to = conv_f32_layout();
    return HST_STATUS_OK;
}

value *conv_layer_unpack(expansion *e, value *weight) {
    if (!in_tiles(e->node)) return weight;
    const type *t = &weight->type;
    const int64_t layout = node_int(e->node, "tiles", 0);
    int64_t groups, count = 1;
    hst_tensor *places, *plain;
    if (e->status == HST_STATUS_OK) e->status = conv_group(e->node, &groups, e->err);
    if (e->status != HST_STATUS_OK) return NULL;
    bool known = t->rank >= 3 && t->dim[0] >= 0 && t->dim[0] % groups == 0;
    for (int i = 0; known && i < t->rank; i++) known = t->dim[i] >= 0 && s64_mul(count, t->dim[i], &count);
    if (!known) {
        e->status = node_error(e->node, e->err, HST_STATUS_BAD_SHAPE, "weights in tiles must have a known shape");
        return NULL;
    }
    const hst_allocator *a = arena_allocator(e->g->model->arena);
    e->status = tensor_new(HST_DTYPE_S64, 1, &count, a, &places, e->err);
    if (e->status != HST_STATUS_OK) return NULL;
    int64_t *place = places->data;
    if (count) conv_f32_places(layout, groups, t->dim[0] / groups, count / t->dim[0], place);
    if (!weight->constant || weight->is_input || weight->constant->dtype != HST_DTYPE_F32) {
        value *order = expand_constant(e, places);
        value *flat = order ? expand_reshape(e, weight, (int64_t[]){-1}, 1) : NULL;
        value *in_order = flat ? expand_binary(e, "Gather", flat, order) : NULL;
        return in_order ? expand_reshape(e, in_order, t->dim, t->rank) : NULL;
    }
    e->status = tensor_new(HST_DTYPE_F32, t->rank, t->dim, a, &plain, e->err);
    const float *from = weight->constant->data;
    for (int64_t i = 0; e->status == HST_STATUS_OK && i < count; i++) ((float *)plain->data)[i] = from[place[i]];
    tensor_free(places);
    return e->status == HST_STATUS_OK ? expand_constant(e, plain) : NULL;
}
