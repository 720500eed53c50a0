/* Vector-Jacobian products: with g = d sum(y) / d out, rule i gives d sum(y) / d in[i] as standard nodes of opset 18.
 * Shapes are read by nodes (Shape), so that none has to be known here; folding removes those that are. Every operator
 * that a rule makes has a rule itself: derivatives of derivatives. */
#include "convert/gradient_rules.h"

#include <string.h>

#define RULE_OPSET 18 /* the nodes that the rules make */

/* ---- making nodes ---- */

value *gradient_node(gradient_step *s, const char *op_type, value *const *in, int n_in) {
    value *out = patch_value(s->patch, NULL);
    if (!out || !(s->last = patch_node(s->patch, "", op_type, RULE_OPSET, in, n_in, &out, 1))) s->failed = true;
    return out;
}

static value *unary(gradient_step *s, const char *op_type, value *x) {
    return gradient_node(s, op_type, (value *const[]){x}, 1);
}

static value *binary(gradient_step *s, const char *op_type, value *a, value *b) {
    return gradient_node(s, op_type, (value *const[]){a, b}, 2);
}

static value *ternary(gradient_step *s, const char *op_type, value *a, value *b, value *c) {
    return gradient_node(s, op_type, (value *const[]){a, b, c}, 3);
}

static void set_int(gradient_step *s, const char *name, int64_t i) {
    if (s->failed || !node_set_int(s->last, name, i)) s->failed = true;
}

static const hst_allocator *memory_of(const gradient_step *s) {
    return arena_allocator(s->node->graph->model->arena);
}

static value *scalar(gradient_step *s, hst_dtype d, double x) {
    hst_tensor *t = NULL;
    if (tensor_new(d, 0, (int64_t[]){1}, memory_of(s), &t, NULL) != HST_STATUS_OK) s->failed = true;
    if (t) tensor_set_f64(t, 0, x);
    return patch_constant(s->patch, "", t);
}

static value *ints(gradient_step *s, const int64_t *x, int n) {
    hst_tensor *t = NULL;
    if (tensor_new(HST_DTYPE_S64, 1, (int64_t[]){n}, memory_of(s), &t, NULL) != HST_STATUS_OK) s->failed = true;
    for (int i = 0; t && i < n; i++) tensor_set_s64(t, i, x[i]);
    return patch_constant(s->patch, "", t);
}

static value *one_int(gradient_step *s, int64_t x) {
    return ints(s, &x, 1);
}

/* A scalar of the dtype of `like`. */
static value *number(gradient_step *s, double x, value *like) {
    if (!like) return NULL; /* after a failure */
    if (like->type.dtype != HST_DTYPE_NONE) return scalar(s, like->type.dtype, x);
    return binary(s, "CastLike", scalar(s, HST_DTYPE_F64, x), like);
}

value *gradient_fill(gradient_step *s, double x, value *like) {
    return binary(s, "Expand", number(s, x, like), unary(s, "Shape", like));
}

static value *reshape_like(gradient_step *s, value *g, value *like) {
    value *y = binary(s, "Reshape", g, unary(s, "Shape", like));
    set_int(s, "allowzero", 1);
    return y;
}

static value *sum_over(gradient_step *s, value *x, value *axes) {
    value *y = binary(s, "ReduceSum", x, axes);
    set_int(s, "noop_with_empty_axes", 1);
    return y; /* dimensions kept */
}

static bool same_shape(const type *a, const type *b) {
    if (a->rank < 0 || a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

/* The axes where the shape of `to`, led by ones, is not that of g. */
value *gradient_sum_to(gradient_step *s, value *g, const value *from, value *to) {
    if (same_shape(&from->type, &to->type)) return g;
    value *of_g = unary(s, "Shape", g), *of_to = unary(s, "Shape", to);
    value *missing = binary(s, "Sub", unary(s, "Shape", of_g), unary(s, "Shape", of_to));
    value *led = binary(s, "Concat", binary(s, "Expand", one_int(s, 1), missing), of_to);
    set_int(s, "axis", 0);
    value *axes = unary(s, "NonZero", unary(s, "Not", binary(s, "Equal", led, of_g)));
    axes = binary(s, "Reshape", axes, one_int(s, -1));
    value *sum = binary(s, "Reshape", sum_over(s, g, axes), of_to);
    set_int(s, "allowzero", 1);
    return sum;
}

static value *refuse(gradient_step *s, const char *why) {
    s->status = node_error(s->node, s->err, HST_STATUS_UNSUPPORTED, "cannot be differentiated: %s", why);
    return NULL;
}

/* ---- the rules ---- */

static value *no_gradient(gradient_step *s, int i, value *g) {
    (void)s, (void)i, (void)g;
    return NULL;
}

static value *d_same(gradient_step *s, int i, value *g) {
    (void)s, (void)i;
    return g;
}

static value *d_neg(gradient_step *s, int i, value *g) {
    (void)i;
    return unary(s, "Neg", g);
}

static value *d_sub(gradient_step *s, int i, value *g) {
    return i ? unary(s, "Neg", g) : g;
}

static value *d_mul(gradient_step *s, int i, value *g) {
    return binary(s, "Mul", g, s->in[1 - i]);
}

static value *d_div(gradient_step *s, int i, value *g) {
    value *by_b = binary(s, "Div", g, s->in[1]);
    return i ? unary(s, "Neg", binary(s, "Mul", by_b, s->out[0])) : by_b;
}

static value *d_mean(gradient_step *s, int i, value *g) {
    (void)i;
    return binary(s, "Div", g, number(s, s->node->n_in, s->out[0]));
}

/* a^b: b a^(b-1), and a^b log a. Where b is 0 the first is 0 and where a is 0 the second, also though the other factor
 * is infinite. */
static value *d_pow(gradient_step *s, int i, value *g) {
    value *a = s->in[0], *b = binary(s, "CastLike", s->in[1], a), *zero = number(s, 0, a);
    if (i == 0) {
        value *slope = binary(s, "Mul", b, binary(s, "Pow", a, binary(s, "Sub", b, number(s, 1, a))));
        return binary(s, "Mul", g, ternary(s, "Where", binary(s, "Equal", b, zero), zero, slope));
    }
    value *slope = binary(s, "Mul", s->out[0], unary(s, "Log", a));
    value *at_zero = binary(s, "And", binary(s, "Equal", a, zero), binary(s, "GreaterOrEqual", b, zero));
    slope = binary(s, "Mul", g, ternary(s, "Where", at_zero, zero, slope));
    return binary(s, "CastLike", slope, s->in[1]);
}

static value *d_exp(gradient_step *s, int i, value *g) {
    (void)i;
    return binary(s, "Mul", g, s->out[0]);
}

static value *d_log(gradient_step *s, int i, value *g) {
    (void)i;
    return binary(s, "Div", g, s->in[0]);
}

static value *d_sqrt(gradient_step *s, int i, value *g) {
    (void)i;
    return binary(s, "Div", g, binary(s, "Add", s->out[0], s->out[0]));
}

static value *d_reciprocal(gradient_step *s, int i, value *g) {
    (void)i;
    return unary(s, "Neg", binary(s, "Mul", g, binary(s, "Mul", s->out[0], s->out[0])));
}

static value *d_abs(gradient_step *s, int i, value *g) {
    (void)i;
    return binary(s, "Mul", g, unary(s, "Sign", s->in[0]));
}

static value *d_sin(gradient_step *s, int i, value *g) {
    (void)i;
    return binary(s, "Mul", g, unary(s, "Cos", s->in[0]));
}

static value *d_cos(gradient_step *s, int i, value *g) {
    (void)i;
    return unary(s, "Neg", binary(s, "Mul", g, unary(s, "Sin", s->in[0])));
}

static value *d_tanh(gradient_step *s, int i, value *g) {
    (void)i;
    value *y = s->out[0];
    return binary(s, "Mul", g, binary(s, "Sub", number(s, 1, y), binary(s, "Mul", y, y)));
}

static value *d_sigmoid(gradient_step *s, int i, value *g) {
    (void)i;
    value *y = s->out[0];
    return binary(s, "Mul", g, binary(s, "Mul", y, binary(s, "Sub", number(s, 1, y), y)));
}

static value *d_softplus(gradient_step *s, int i, value *g) {
    (void)i;
    return binary(s, "Mul", g, unary(s, "Sigmoid", s->in[0]));
}

/* 2 / sqrt(pi) exp(-x²) */
static value *d_erf(gradient_step *s, int i, value *g) {
    (void)i;
    value *x = s->in[0], *bell = unary(s, "Exp", unary(s, "Neg", binary(s, "Mul", x, x)));
    return binary(s, "Mul", g, binary(s, "Mul", bell, number(s, 1.1283791670955126, x)));
}

static value *d_relu(gradient_step *s, int i, value *g) {
    (void)i;
    value *x = s->in[0], *zero = number(s, 0, x);
    return ternary(s, "Where", binary(s, "Greater", x, zero), g, zero);
}

static value *d_leaky_relu(gradient_step *s, int i, value *g) {
    (void)i;
    value *x = s->in[0], *low = binary(s, "Mul", g, number(s, node_float(s->node, "alpha", 0.01f), x));
    return ternary(s, "Where", binary(s, "Less", x, number(s, 0, x)), low, g);
}

/* The limits' own derivatives are not here. */
static value *d_clip(gradient_step *s, int i, value *g) {
    value *x = s->in[0];
    if (i) return refuse(s, "with respect to a limit");
    return ternary(s, "Where", binary(s, "Equal", x, s->out[0]), g, number(s, 0, x));
}

static value *d_cast(gradient_step *s, int i, value *g) {
    return i ? NULL : binary(s, "CastLike", g, s->in[0]);
}

static value *d_where(gradient_step *s, int i, value *g) {
    value *zero = number(s, 0, s->out[0]);
    return ternary(s, "Where", s->in[0], i == 1 ? g : zero, i == 1 ? zero : g);
}

static value *d_reshape(gradient_step *s, int i, value *g) {
    return i ? NULL : reshape_like(s, g, s->in[0]);
}

static value *d_transpose(gradient_step *s, int i, value *g) {
    (void)i;
    const int64_t *perm;
    int64_t inverse[HST_RANK_MAX];
    bool seen[HST_RANK_MAX] = {false};
    int n = node_ints(s->node, "perm", &perm);
    value *y = unary(s, "Transpose", g); /* without perm: reversed twice */
    for (int k = 0; k < n; k++) {
        if (n > HST_RANK_MAX || perm[k] < 0 || perm[k] >= n || seen[perm[k]])
            return refuse(s, "perm is no permutation");
        seen[perm[k]] = true;
        inverse[perm[k]] = k;
    }
    if (n >= 0 && (s->failed || !node_set_ints(s->last, "perm", inverse, n))) s->failed = true;
    return y;
}

/* ---- reductions ---- */

/* The axes of a reduction as a vector; NULL: all. */
static value *axes_of(gradient_step *s) {
    const int64_t *axes;
    int n = node_ints(s->node, "axes", &axes);
    if (n >= 0) return ints(s, axes, n);
    return s->node->n_in > 1 ? s->in[1] : NULL;
}

/* g with the reduced axes as ones, spread over the shape of in[0]. No axes at all mean all, unless
 * noop_with_empty_axes: a scalar spreads over any shape, and with noop g has the shape already. */
static value *d_reduce_sum(gradient_step *s, int i, value *g) {
    if (i) return NULL;
    value *axes = axes_of(s);
    if (axes && !node_int(s->node, "keepdims", 1)) g = binary(s, "Unsqueeze", g, axes);
    return binary(s, "Expand", g, unary(s, "Shape", s->in[0]));
}

static value *d_reduce_mean(gradient_step *s, int i, value *g) {
    if (i) return NULL;
    value *most = binary(s, "Max", unary(s, "Size", s->out[0]), scalar(s, HST_DTYPE_S64, 1));
    value *count = binary(s, "Div", unary(s, "Size", s->in[0]), most);
    return d_reduce_sum(s, i, binary(s, "Div", g, binary(s, "CastLike", count, s->out[0])));
}

/* The axes that Softmax and its like run over: before opset 13 the given one and all after it. */
static value *softmax_axes(gradient_step *s) {
    int64_t axes[HST_RANK_MAX], axis = node_int(s->node, "axis", s->node->opset < 13 ? 1 : -1);
    int rank = s->in[0]->type.rank;
    if (s->node->opset >= 13) return one_int(s, axis);
    if (rank < 0) return refuse(s, "the rank of its input is not known");
    int n = 0;
    for (int64_t k = axis < 0 ? axis + rank : axis; k >= 0 && k < rank; k++) axes[n++] = k;
    return ints(s, axes, n);
}

static value *d_softmax(gradient_step *s, int i, value *g) {
    (void)i;
    value *y = s->out[0], *axes = softmax_axes(s);
    if (!axes) return NULL;
    return binary(s, "Mul", y, binary(s, "Sub", g, sum_over(s, binary(s, "Mul", g, y), axes)));
}

static value *d_log_softmax(gradient_step *s, int i, value *g) {
    (void)i;
    value *axes = softmax_axes(s);
    if (!axes) return NULL;
    return binary(s, "Sub", g, binary(s, "Mul", unary(s, "Exp", s->out[0]), sum_over(s, g, axes)));
}

/* ---- products ---- */

static value *transposed(gradient_step *s, value *x, int rank) {
    int64_t perm[HST_RANK_MAX];
    for (int k = 0; k < rank; k++) perm[k] = k < rank - 2 ? k : 2 * rank - 3 - k;
    value *y = unary(s, "Transpose", x);
    if (s->failed || !node_set_ints(s->last, "perm", perm, rank)) s->failed = true;
    return y;
}

/* A B: g Bᵀ and Aᵀ g, summed over broadcast batches. A vector is a row of A or a column of B. */
static value *d_matmul(gradient_step *s, int i, value *g) {
    value *a = s->in[0], *b = s->in[1];
    int ra = a->type.rank, rb = b->type.rank;
    if (ra < 1 || rb < 1) return refuse(s, "the rank of an input is not known");
    if (rb == 1) {
        b = binary(s, "Unsqueeze", b, one_int(s, 1));
        g = binary(s, "Unsqueeze", g, one_int(s, -1));
    }
    if (ra == 1) {
        a = binary(s, "Unsqueeze", a, one_int(s, 0));
        g = binary(s, "Unsqueeze", g, one_int(s, -2));
    }
    value *d = i == 0 ? binary(s, "MatMul", g, transposed(s, b, rb < 2 ? 2 : rb))
                      : binary(s, "MatMul", transposed(s, a, ra < 2 ? 2 : ra), g);
    if (i == 1 && rb == 1) d = binary(s, "Squeeze", d, one_int(s, -1));
    const type *t = &s->in[i]->type;
    if (t->rank == 2 && (i == 0 ? rb : ra) <= 2) return d; /* nothing was broadcast */
    if (t->rank == 1 && (i == 0 ? rb : ra) <= 2) return reshape_like(s, d, s->in[i]); /* of [1, n] */
    return gradient_sum_to(s, d, s->out[0], s->in[i]);
}

static value *gemm(gradient_step *s, value *a, bool ta, value *b, bool tb, double alpha) {
    value *y = binary(s, "Gemm", a, b);
    set_int(s, "transA", ta);
    set_int(s, "transB", tb);
    if (s->failed || !node_set_float(s->last, "alpha", (float)alpha)) s->failed = true;
    return y;
}

/* alpha A' B' + beta C, with A' = A or Aᵀ. */
static value *d_gemm(gradient_step *s, int i, value *g) {
    value *a = s->in[0], *b = s->in[1];
    bool ta = node_int(s->node, "transA", 0), tb = node_int(s->node, "transB", 0);
    float alpha = node_float(s->node, "alpha", 1), beta = node_float(s->node, "beta", 1);
    if (i == 0) return ta ? gemm(s, b, tb, g, true, alpha) : gemm(s, g, false, b, !tb, alpha);
    if (i == 1) return tb ? gemm(s, g, true, a, ta, alpha) : gemm(s, a, !ta, g, false, alpha);
    if (beta != 1) g = binary(s, "Mul", g, number(s, beta, s->out[0]));
    return gradient_sum_to(s, g, s->out[0], s->in[2]);
}

/* ---- moving ---- */

/* Zeros in the shape of `to`, with g added at `indices`. */
static value *scatter(gradient_step *s, value *to, value *indices, value *g) {
    value *y = ternary(s, "ScatterND", gradient_fill(s, 0, to), indices, g);
    if (s->failed || !node_set_string(s->last, "reduction", "add")) s->failed = true;
    return y;
}

/* Of an operator that only moves elements of in[0]: it is asked where it moves their numbers to, which tells where g
 * comes back to. */
static value *d_moved(gradient_step *s, int i, value *g) {
    if (i) return NULL;
    const node *n = s->node;
    value *in[8] = {0}, *x = s->in[0], *size = unary(s, "Size", x), *moved = patch_value(s->patch, NULL);
    if (n->n_in > 8) return refuse(s, "too many inputs");
    for (int k = 1; k < n->n_in; k++) in[k] = s->in[k];
    in[0] = reshape_like(s, ternary(s, "Range", scalar(s, HST_DTYPE_S64, 0), size, scalar(s, HST_DTYPE_S64, 1)), x);
    s->last = moved ? patch_node(s->patch, "", n->op_type, n->opset, in, n->n_in, &moved, 1) : NULL;
    if (!s->last || !node_copy_attributes(s->last, n)) s->failed = true;
    value *column = binary(s, "Reshape", moved, ints(s, (const int64_t[]){-1, 1}, 2));
    value *flat = binary(s, "Reshape", x, one_int(s, -1)), *flat_g = binary(s, "Reshape", g, one_int(s, -1));
    return reshape_like(s, scatter(s, flat, column, flat_g), x);
}

static value *d_gather(gradient_step *s, int i, value *g) {
    if (i) return NULL;
    if (node_int(s->node, "axis", 0) != 0) return d_moved(s, i, g);
    value *indices = s->in[1]; /* a table: no number an element */
    if (indices->type.dtype != HST_DTYPE_S64) {
        indices = unary(s, "Cast", indices);
        set_int(s, "to", HST_DTYPE_S64);
    }
    return scatter(s, s->in[0], binary(s, "Unsqueeze", indices, one_int(s, -1)), g);
}

static value *d_scatter_nd(gradient_step *s, int i, value *g) {
    if (strcmp(node_string(s->node, "reduction", "none"), "add") != 0) return refuse(s, "reduction is not add");
    return i == 0 ? g : i == 2 ? binary(s, "GatherND", g, s->in[1]) : NULL;
}

static value *d_concat(gradient_step *s, int i, value *g) {
    int64_t axis = node_int(s->node, "axis", 0), from = 0;
    for (int k = 0; k <= i; k++) {
        const type *t = &s->in[k]->type;
        int64_t at = axis < 0 ? axis + t->rank : axis;
        if (t->rank < 1 || at < 0 || at >= t->rank || t->dim[at] < 0)
            return refuse(s, "a length along axis is not known");
        if (k < i)
            from += t->dim[at];
        else
            return gradient_node(
                s, "Slice", (value *const[]){g, one_int(s, from), one_int(s, from + t->dim[at]), one_int(s, axis)}, 4);
    }
    return NULL;
}

// clang-format off
static const gradient_row rows[] = { /* by name */
    {"Abs", 1, false, d_abs},
    {"Add", 7, true, d_same},
    {"Cast", 1, false, d_cast},
    {"CastLike", 15, false, d_cast},
    {"Ceil", 1, false, no_gradient},
    {"Clip", 6, false, d_clip},
    {"Concat", 4, false, d_concat},
    {"Cos", 7, false, d_cos},
    {"Div", 7, true, d_div},
    {"DepthToSpace", 1, false, d_moved},
    {"Erf", 9, false, d_erf},
    {"Exp", 1, false, d_exp},
    {"Expand", 8, true, d_same},
    {"Flatten", 1, false, d_reshape},
    {"Floor", 1, false, no_gradient},
    {"Gather", 1, false, d_gather},
    {"GatherElements", 11, false, d_moved},
    {"GatherND", 11, false, d_moved},
    {"Gemm", 7, false, d_gemm},
    {"Identity", 1, false, d_same},
    {"LeakyRelu", 1, false, d_leaky_relu},
    {"Log", 1, false, d_log},
    {"LogSoftmax", 1, false, d_log_softmax},
    {"MatMul", 1, false, d_matmul},
    {"Mean", 8, true, d_mean},
    {"Mul", 7, true, d_mul},
    {"Neg", 1, false, d_neg},
    {"Pow", 7, true, d_pow},
    {"Reciprocal", 1, false, d_reciprocal},
    {"ReduceMean", 1, false, d_reduce_mean},
    {"ReduceSum", 1, false, d_reduce_sum},
    {"Relu", 1, false, d_relu},
    {"Reshape", 1, false, d_reshape},
    {"Round", 11, false, no_gradient},
    {"ScatterND", 16, false, d_scatter_nd},
    {"Sigmoid", 1, false, d_sigmoid},
    {"Sign", 9, false, no_gradient},
    {"Sin", 7, false, d_sin},
    {"Slice", 1, false, d_moved},
    {"Softmax", 1, false, d_softmax},
    {"Softplus", 1, false, d_softplus},
    {"SpaceToDepth", 1, false, d_moved},
    {"Sqrt", 1, false, d_sqrt},
    {"Squeeze", 1, false, d_reshape},
    {"Sub", 7, true, d_sub},
    {"Sum", 8, true, d_same},
    {"Tanh", 1, false, d_tanh},
    {"Tile", 6, false, d_moved},
    {"Transpose", 1, false, d_transpose},
    {"Unsqueeze", 1, false, d_reshape},
    {"Where", 9, true, d_where},
};
// clang-format on

const gradient_row *gradient_row_of(const node *n) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (node_is(n, "", rows[i].op_type) && n->opset >= rows[i].since) return &rows[i];
    return NULL;
}
