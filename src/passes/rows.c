/* The table of operators that work row by row, and what each kind asks of its inputs. */
#include "passes/rows.h"

#include <string.h>

#include "passes/match.h"

typedef enum kind {
    NONE,
    BROADCAST, /* elementwise over inputs that broadcast */
    FIRST,     /* over the last axis of the first input; the others are weights */
    NORM,      /* over the axes from attribute `axis` on */
    SKIP,      /* the first two inputs are added, then as FIRST */
    LINEAR,    /* as FIRST, with a residual */
    AXIS,      /* along attribute `axis` of the first input */
    AXES,      /* along the axes in an attribute or the second input */
    JOIN,      /* Concat */
    PICK,      /* Gather */
    CUT,       /* Slice */
    SCALED,    /* QuantizeLinear, DequantizeLinear */
    INTEGERS,  /* as FIRST, quantised with one scale */
    SUM        /* QLinearAdd, QLinearMul: inputs 0 and 3 broadcast */
} kind;

static const struct {
    const char *domain, *name;
    kind kind;
} table[] = {
    {"", "Add", BROADCAST},
    {"", "Sub", BROADCAST},
    {"", "Mul", BROADCAST},
    {"", "Div", BROADCAST},
    {"", "Pow", BROADCAST},
    {"", "Min", BROADCAST},
    {"", "Max", BROADCAST},
    {"", "And", BROADCAST},
    {"", "Or", BROADCAST},
    {"", "Equal", BROADCAST},
    {"", "Less", BROADCAST},
    {"", "LessOrEqual", BROADCAST},
    {"", "Greater", BROADCAST},
    {"", "GreaterOrEqual", BROADCAST},
    {"", "Where", BROADCAST},
    {"", "Clip", BROADCAST},
    {"", "Cast", BROADCAST},
    {"", "Identity", BROADCAST},
    {"", "Abs", BROADCAST},
    {"", "Elu", BROADCAST},
    {"", "Erf", BROADCAST},
    {"", "Exp", BROADCAST},
    {"", "Gelu", BROADCAST},
    {"", "HardSigmoid", BROADCAST},
    {"", "HardSwish", BROADCAST},
    {"", "IsNaN", BROADCAST},
    {"", "LeakyRelu", BROADCAST},
    {"", "Log", BROADCAST},
    {"", "Mish", BROADCAST},
    {"", "Neg", BROADCAST},
    {"", "Not", BROADCAST},
    {"", "Reciprocal", BROADCAST},
    {"", "Relu", BROADCAST},
    {"", "Selu", BROADCAST},
    {"", "Sigmoid", BROADCAST},
    {"", "Softplus", BROADCAST},
    {"", "Sqrt", BROADCAST},
    {"", "Swish", BROADCAST},
    {"", "Tanh", BROADCAST},
    {"com.microsoft", "BiasGelu", BROADCAST},
    {"com.microsoft", "FastGelu", BROADCAST},
    {"com.microsoft", "Gelu", BROADCAST},
    {"com.microsoft", "QuickGelu", BROADCAST},
    {"", "MatMul", FIRST},
    {"com.microsoft", "MatMulNBits", FIRST},
    {"hasten", "Linear", LINEAR},
    {"hasten", "QuantizedLinear", LINEAR},
    {"", "LayerNormalization", NORM},
    {"", "RMSNormalization", NORM},
    {"", "SimplifiedLayerNormalization", NORM},
    {"com.microsoft", "SkipLayerNormalization", SKIP},
    {"com.microsoft", "SkipSimplifiedLayerNormalization", SKIP},
    {"", "LogSoftmax", AXIS},
    {"", "Softmax", AXIS},
    {"", "Split", AXIS},
    {"", "LpNormalization", AXIS},
    {"", "ReduceL2", AXES},
    {"", "ReduceMax", AXES},
    {"", "ReduceMean", AXES},
    {"", "ReduceSum", AXES},
    {"", "Squeeze", AXES},
    {"", "Unsqueeze", AXES},
    {"", "Concat", JOIN},
    {"", "Gather", PICK},
    {"", "Slice", CUT},
    {"", "DequantizeLinear", SCALED},
    {"", "QuantizeLinear", SCALED},
    {"com.microsoft", "DequantizeLinear", SCALED},
    {"com.microsoft", "QuantizeLinear", SCALED},
    {"", "QLinearMatMul", INTEGERS},
    {"", "MatMulInteger", INTEGERS},
    {"com.microsoft", "MatMulIntegerToFloat", INTEGERS},
    {"com.microsoft", "QLinearAdd", SUM},
    {"com.microsoft", "QLinearMul", SUM},
    {"com.microsoft", "QLinearLeakyRelu", FIRST},
    {"com.microsoft", "QLinearSigmoid", FIRST},
};

static kind kind_of(const node *n) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(n->op_type, table[i].name) == 0 && node_is(n, table[i].domain, table[i].name)) return table[i].kind;
    return NONE;
}

/* How a value of type t broadcasts to `rank` axes whose first two are batch and sequence; -1: it does not. */
static int broadcast_role(const type *t, int rank) {
    if (t->rank < 0 || t->rank > rank) return -1;
    if (t->rank == rank) return t->dim[0] == 1 && t->dim[1] == 1 ? ROWS_WHOLE : ROWS_AXIS_1;
    return t->rank == rank - 1 && t->dim[0] != 1 ? ROWS_AXIS_0 : ROWS_WHOLE;
}

static int normal_axis(const node *n, int64_t otherwise, int rank) {
    const int64_t axis = node_int(n, "axis", otherwise);
    return axis < -rank || axis >= rank ? -1 : (int)(axis < 0 ? axis + rank : axis);
}

static bool axes_behind_rows(const node *n, int rank) {
    int64_t axes[HST_RANK_MAX];
    const int count = match_axes(n, axes, HST_RANK_MAX);
    if (count <= 0) return false;
    for (int i = 0; i < count; i++)
        if ((axes[i] < 0 ? axes[i] + rank : axes[i]) < 2) return false;
    return true;
}

/* A Slice of axes behind the rows, from attributes or inputs. */
static bool cuts_behind_rows(const node *n, int rank) {
    int64_t axes[HST_RANK_MAX];
    const int64_t *given;
    int count = node_ints(n, "axes", &given);
    if (count > HST_RANK_MAX) return false;
    if (count > 0)
        memcpy(axes, given, (size_t)count * sizeof *axes);
    else {
        const hst_tensor *t = n->n_in > 3 ? match_constant(n->in[3]) : NULL;
        if (!t || tensor_read_s64(t, axes, HST_RANK_MAX, &count, NULL) != HST_STATUS_OK) return false;
    }
    for (int i = 0; i < count; i++)
        if ((axes[i] < 0 ? axes[i] + rank : axes[i]) < 2) return false;
    return count > 0;
}

/* The first input as rows, the others as they are. */
static bool first_rows(const node *n, rows_role *role) {
    for (int i = 0; i < n->n_in; i++) role[i] = i ? ROWS_WHOLE : ROWS_AXIS_1;
    return true;
}

static bool broadcast_roles(const node *n, int count, int rank, rows_role *role) {
    for (int i = 0; i < n->n_in; i++) {
        const int r = !n->in[i] || i >= count ? ROWS_WHOLE : broadcast_role(&n->in[i]->type, rank);
        if (r < 0) return false;
        role[i] = (rows_role)r;
    }
    return true;
}

/* Weights of a product over the last axis: two axes at most, none of them the batch's or the sequence's. */
static bool weights_on_right(const node *n) {
    return n->n_in > 1 && n->in[1] && n->in[1]->type.rank >= 1 && n->in[1]->type.rank <= 2;
}

static bool pick_roles(const node *n, rows_role *role) {
    const type *x = &n->in[0]->type, *index = &n->in[1]->type, *y = &n->out[0]->type;
    const int axis = x->rank < 0 ? -1 : normal_axis(n, 0, x->rank);
    if (axis >= 2) return first_rows(n, role);
    if (axis != 0 || index->rank < 1) return false;
    const int r = broadcast_role(index, y->rank - (x->rank - 1)); /* rows of a table */
    if (r != ROWS_AXIS_1) return false;
    role[0] = ROWS_WHOLE;
    role[1] = ROWS_AXIS_1;
    return true;
}

static bool one_scale(const node *n, int rank) {
    for (int i = 1; i < n->n_in; i++) {
        const hst_tensor *t = n->in[i] ? match_constant(n->in[i]) : NULL;
        if (n->in[i] && (!t || (tensor_count(t) != 1 && normal_axis(n, 1, rank) < 2))) return false;
    }
    return node_int(n, "block_size", 0) == 0;
}

static bool is_one(const node *n, int i) {
    const type *t = i < n->n_in && n->in[i] ? &n->in[i]->type : NULL;
    return !t || t->rank == 0 || (t->rank == 1 && t->dim[0] == 1);
}

/* Weights of two axes at most on the right; one scale and one zero point on the left. */
static bool integer_product(const node *n) {
    const bool linear = strcmp(n->op_type, "QLinearMatMul") == 0;
    const int weights = linear ? 3 : 1;
    if (n->n_in <= weights || !n->in[weights] || n->in[weights]->type.rank < 1 || n->in[weights]->type.rank > 2)
        return false;
    return linear ? is_one(n, 1) && is_one(n, 2) : is_one(n, 2) && (n->n_in < 5 || is_one(n, 4));
}

/* Inputs 0 and 3 as they broadcast, scales and zero points as they are. */
static bool sum_roles(const node *n, int rank, rows_role *role) {
    for (int i = 0; i < n->n_in; i++) {
        const bool term = i == 0 || i == 3;
        const int r = !term ? ROWS_WHOLE : n->in[i] ? broadcast_role(&n->in[i]->type, rank) : -1;
        if (r < 0 || (!term && !is_one(n, i))) return false;
        role[i] = (rows_role)r;
    }
    return true;
}

static bool outputs_have_rows(const node *n, dim batch, dim sequence) {
    bool any = false;
    for (int i = 0; i < n->n_out; i++) {
        const value *v = n->out[i];
        if (!v || (!v->n_uses && !v->is_output)) continue;
        if (v->type.rank < 2 || v->type.dim[0] != batch || v->type.dim[1] != sequence) return false;
        any = true;
    }
    return any;
}

bool rows_node(const node *n, dim batch, dim sequence, rows_role *role) {
    const kind k = kind_of(n);
    if (k == NONE || n->n_in < 1 || n->n_in > ROWS_INPUTS || !n->in[0] || !n->out[0]) return false;
    if (!outputs_have_rows(n, batch, sequence)) return false;
    const int rank = n->in[0]->type.rank, out = n->out[0]->type.rank;
    int at;
    switch (k) {
    case BROADCAST:
        return broadcast_roles(n, n->n_in, out, role);
    case FIRST:
        return rank >= 3 && (!node_is(n, "", "MatMul") || weights_on_right(n)) && first_rows(n, role);
    case LINEAR:
        if (rank < 3 || !first_rows(n, role)) return false;
        at = node_is(n, "hasten", "Linear") ? 3 : 4; /* the residual */
        if (n->n_in > at && n->in[at]) role[at] = ROWS_AXIS_1;
        for (int i = at + 3; i < n->n_in; i++) role[i] = ROWS_AXIS_1; /* of rows that are quantised already */
        return true;
    case NORM:
        return rank >= 3 && normal_axis(n, -1, rank) >= 2 && first_rows(n, role);
    case SKIP:
        return rank == 3 && n->n_in > 1 && n->in[1] && broadcast_roles(n, 2, out, role);
    case AXIS:
        return rank >= 3 && normal_axis(n, strcmp(n->op_type, "Split") == 0 ? 0 : n->opset < 13 ? 1 : -1, rank) >= 2 &&
               first_rows(n, role);
    case AXES:
        return rank >= 2 && axes_behind_rows(n, strcmp(n->op_type, "Unsqueeze") == 0 ? out : rank) &&
               first_rows(n, role);
    case JOIN:
        if (normal_axis(n, 1, out) < 2) return false;
        for (int i = 0; i < n->n_in; i++) role[i] = ROWS_AXIS_1;
        return true;
    case PICK:
        return n->n_in == 2 && n->in[1] && pick_roles(n, role);
    case CUT:
        return rank >= 3 && cuts_behind_rows(n, rank) && first_rows(n, role);
    case INTEGERS:
        return rank >= 3 && integer_product(n) && first_rows(n, role);
    case SUM:
        return sum_roles(n, out, role);
    case SCALED:
        return rank >= 2 && one_scale(n, rank) && first_rows(n, role);
    default:
        return false;
    }
}

bool rows_broadcasts(const node *n) { return kind_of(n) == BROADCAST; }

bool rows_is_first(const node *n) {
    if (!node_is(n, "", "Gather") || node_int(n, "axis", 0) != 1 || n->n_in < 2) return false;
    const hst_tensor *index = match_constant(n->in[1]);
    return index && index->rank == 0 && tensor_get_s64(index, 0) == 0;
}
