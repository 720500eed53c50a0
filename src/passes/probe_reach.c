/* How long a sequence has to be for what lies between a mask and a value to show what it does at any length: beyond all
 * that positions are compared with on the way. Where that cannot be told, because positions are bent, rounded or wrap,
 * there is no such length. */
#include <math.h>
#include <stdint.h>

#include "passes/probe.h"

#define REACH_VALUES 384 /* that are looked at */

/* Works on each element, or lays out anew: no place along an axis differs from another one. */
static bool same_everywhere(const node *n) {
    static const char *const names[] = {
        "Add",   "Sub",    "Mul",         "Div",     "Where", "Cast",      "Identity",       "Max",
        "Min",   "Clip",   "And",         "Or",      "Not",   "Equal",     "Less",           "Greater",
        "Shape", "Expand", "LessOrEqual", "Neg",     "Abs",   "Unsqueeze", "GreaterOrEqual", "Squeeze",
        "Size",  "MatMul", "Transpose",   "Softmax", "Sqrt",  "Reshape",   "Constant",       "ConstantOfShape"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (node_is(n, "", names[i])) return true;
    return node_is(n, "", "QuantizeLinear") || node_is(n, "", "DequantizeLinear");
}

typedef bool (*property)(const value *v, const value *stop);

/* Has v it, or anything that it is made of? Cut at `stop`; too many values have. */
static bool behind(const value *v, const value *stop, property has) {
    const value *list[REACH_VALUES];
    int n = 0;
    list[n++] = v;
    for (int at = 0; at < n; at++) {
        const node *from = list[at]->producer;
        if (has(list[at], stop)) return true;
        if (!from || list[at] == stop || node_is(from, "", "Shape") || node_is(from, "", "Size")) continue;
        for (int i = 0; i < from->n_in; i++) {
            const value *y = from->in[i];
            bool seen = !y || (y->constant && !y->is_input);
            for (int k = 0; k < n && !seen; k++) seen = list[k] == y;
            if (seen) continue;
            if (n == REACH_VALUES) return true;
            list[n++] = y;
        }
    }
    return false;
}

static bool has_places(const value *v, const value *stop) {
    return v != stop && v->producer && !same_everywhere(v->producer);
}

/* Does v differ between places? */
static bool placed(const value *v, const value *stop) {
    return v && behind(v, stop, has_places);
}

static bool is_fed(const value *v, const value *stop) {
    if (v->constant && !v->is_input) return false;
    if (v == stop || !v->producer) return true;
    bool numbers = v->content != NULL;
    for (int i = 0; numbers && i < v->content_count; i++) numbers = !dim_is_symbol(v->content[i]);
    return !numbers && (node_is(v->producer, "", "Shape") || node_is(v->producer, "", "Size"));
}

/* Is v other than what the graph says, by what is fed or its lengths? */
static bool varies(const value *v, const value *stop) {
    return v && behind(v, stop, is_fed);
}

/* Nodes between positions and what is compared with them that stretch lengths by no bounded factor: by a function, by
 * what lengths or masks say, or by going round where an integer is too narrow. */
static bool bends(const node *n, const value *stop) {
    bool of_places = false;
    for (int i = 0; i < n->n_in && n->domain[0]; i++) of_places |= placed(n->in[i], stop);
    if (of_places) return true; /* nothing is known of other domains' operators */
    static const char *const names[] = {"Log",  "Sqrt",       "Pow",      "Exp",         "Tanh",     "Sigmoid",
                                        "Erf",  "Reciprocal", "Atan",     "Mod",         "BitShift", "Elu",
                                        "Celu", "Softplus",   "Softsign", "HardSigmoid", "Shrink",   "ThresholdedRelu"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (node_is(n, "", names[i])) return varies(n->in[0], stop); /* else such as the root of a head's size */
    if (node_is(n, "", "Div")) return varies(n->in[1], stop) && placed(n->in[0], stop);
    const hst_dtype to = n->out[0] ? n->out[0]->type.dtype : HST_DTYPE_NONE;
    return node_is(n, "", "Cast") && dtype_is_integer(to) && dtype_bits(to) < 32 && placed(n->in[0], stop);
}

/* What makes steps of numbers: only behind such a node does a smooth function of positions, such as a rotary
 * embedding's waves, choose among them. */
static bool steps(const node *n) {
    static const char *const names[] = {"Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", "Where", "Clip",
                                        "Relu", "Min",         "Max",     "Floor",          "Ceil",  "Round", "Sign"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (node_is(n, "", names[i])) return true;
    return node_is(n, "", "Cast") && !dtype_is_float(n->out[0]->type.dtype);
}

/* Positions as floats that hold the near ones alone. */
static bool is_rounded(const value *v, const value *stop) {
    const node *from = v == stop ? NULL : v->producer;
    return from && node_is(from, "", "Cast") && dtype_is_float(v->type.dtype) && dtype_bits(v->type.dtype) < 32 &&
           placed(from->in[0], stop);
}

static bool steps_rounded(const node *n, const value *stop) {
    bool rounded = false;
    for (int i = 0; i < n->n_in && steps(n) && !node_is(n, "", "Where"); i++)
        rounded |= n->in[i] && behind(n->in[i], stop, is_rounded);
    return rounded;
}

typedef struct reach {
    double sum, factor; /* of all that may be added up to a position, and of what positions are made smaller by */
    double table;       /* the longest axis of a constant */
} reach;

static bool is_one_of(const node *n, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (node_is(n, "", names[i])) return true;
    return false;
}

/* May a number at input i of n be what positions are multiplied by? */
static bool multiplies(const node *n, int i) {
    static const char *const names[] = {"Mul",    "MatMul",          "Gemm", "Einsum", "Conv",     "Expand",
                                        "Resize", "ConstantOfShape", "Tile", "Selu",   "LeakyRelu"};
    return is_one_of(n, names, sizeof names / sizeof *names) || (node_is(n, "", "Range") && i == 2);
}

/* A number of n, at input i. No position comes near a sentinel, or near what a float that scales or fills is, mostly
 * the number that hides; but added to an integer, or multiplied by it, a sentinel goes round. */
static double reach_of(const node *n, int i, double x, bool real, int64_t most, reach *r) {
    static const char *const goes_round[] = {"Add", "Sub", "Mul", "MatMul"};
    const bool divides = node_is(n, "", "Div") && i == 1, scales = divides || multiplies(n, i);
    x = fabs(x);
    if (scales && x > 0 && isfinite(x)) {
        const double by = divides ? x : 1 / x; /* made smaller by */
        if (by > 1) {
            if (by > r->factor) r->factor = by;
            return 0;
        }
        x = 1 / by;
    }
    if (!(x < INT32_MAX)) return !real && is_one_of(n, goes_round, sizeof goes_round / sizeof *goes_round) ? x : 0;
    return real && x > (double)most && (scales || node_is(n, "", "Where")) ? 0 : x;
}

/* The largest of t's elements, as input i of n or its attribute. */
static double reach_of_tensor(const node *n, int i, const hst_tensor *t, int64_t most, reach *r) {
    double sum = 0;
    const bool real = dtype_is_float(t->dtype);
    const int64_t count = tensor_count(t);
    for (int k = 0; k < t->rank; k++) r->table = fmax(r->table, (double)t->dim[k]);
    if ((!real && !dtype_is_integer(t->dtype)) || dtype_bits(t->dtype) < 8) return 0;
    for (int64_t k = 0; k < count && count <= most; k++)
        sum = fmax(sum, reach_of(n, i, real ? tensor_get_f64(t, k) : (double)tensor_get_s64(t, k), real, most, r));
    return sum;
}

static double reach_of_attributes(const node *n, int64_t most, reach *r) {
    static const char *const lists[] = {"starts", "ends",    "pads",    "kernel_shape", "dilations",
                                        "split",  "strides", "repeats", "output_shape"};
    static const char *const numbers[] = {"min", "max", "alpha", "beta", "gamma"};
    const hst_tensor *value = node_tensor(n, "value");
    double sum = value ? reach_of_tensor(n, -1, value, most, r) : 0;
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
        const int64_t *x;
        const int count = node_ints(n, lists[k], &x);
        for (int i = 0; i < count; i++) sum = fmax(sum, reach_of(n, -1, (double)x[i], false, most, r));
    }
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        sum = fmax(sum, reach_of(n, -1, node_float(n, numbers[k], 0), true, most, r));
    return fmax(sum, reach_of(n, -1, (double)node_int(n, "k", 0), false, most, r));
}

static void add_numbers(const node *n, int64_t most, reach *r) {
    reach own = {0, 1, 0};
    own.sum = reach_of_attributes(n, most, &own);
    for (int i = 0; i < n->n_in; i++) {
        const value *v = n->in[i];
        if (v && !v->is_input && v->constant) own.sum = fmax(own.sum, reach_of_tensor(n, i, v->constant, most, &own));
    }
    r->table = fmax(r->table, own.table);
    r->sum += own.sum;
    r->factor *= own.factor;
}

int64_t probe_reach(const value *v, const value *stop, int64_t least, int64_t most) {
    const value *list[REACH_VALUES];
    const node *seen_nodes[REACH_VALUES];
    bool positions = false, bent = false, waves = false, stepped = false;
    reach r = {0, 1, 0};
    int n = 0;
    list[n++] = v;
    for (int at = 0; at < n; at++) {
        const node *from = seen_nodes[at] = list[at] == stop ? NULL : list[at]->producer;
        if (!from || node_is(from, "", "Shape") || node_is(from, "", "Size")) continue;
        positions |= !same_everywhere(from);
        bent |= bends(from, stop) || steps_rounded(from, stop);
        waves |= node_is(from, "", "Cos") || node_is(from, "", "Sin");
        stepped |= steps(from);
        bool again = false; /* another output of a node that was seen */
        for (int k = 0; k < at && !again; k++) again = seen_nodes[k] == from;
        if (!again) add_numbers(from, most, &r);
        for (int i = 0; i < from->n_in; i++) {
            const value *y = from->in[i];
            bool seen = !y || (y->constant && !y->is_input);
            for (int k = 0; k < n && !seen; k++) seen = list[k] == y;
            if (seen) continue;
            if (n == REACH_VALUES) return 0;
            list[n++] = y;
        }
    }
    if (!positions) return least;
    if (bent) return 0;
    if (waves && !stepped) r.factor = 1;
    const double length =
        2 * ceil((r.table + r.sum) * r.factor) + 3; /* a window of as much on both sides, and one more */
    if (!(length <= (double)most)) return 0;        /* or no number, of an infinite factor */
    return length > (double)least ? (int64_t)length : least;
}
