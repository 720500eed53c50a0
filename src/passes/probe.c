/* Running a small part of a graph on small tensors. */
#include "passes/probe.h"

#include <string.h>

#include "ops/interp.h"

#define PROBE_NODES  192 /* of a part that is run */
#define PROBE_BYTES  ((size_t)8 << 20)
#define PROBE_BATCH  2
#define PROBE_MOST   (1 << 20) /* elements of rows */

bool probe_assign(probe *p, dim d, int64_t number) {
    if (!dim_is_symbol(d)) return d == number;
    for (int i = 0; i < p->n_symbols; i++)
        if (p->symbols[i] == d) return p->numbers[i] == number;
    if (p->n_symbols == PROBE_SYMBOLS) return false;
    p->symbols[p->n_symbols] = d;
    p->numbers[p->n_symbols++] = number;
    return true;
}

bool probe_leaf(probe *p, const value *v, const hst_tensor *t) {
    if (p->n_leaves == PROBE_LEAVES) return false;
    p->leaves[p->n_leaves] = v;
    p->tensors[p->n_leaves++] = t;
    return true;
}

typedef struct known {
    const value *value;
    hst_tensor *tensor;
    bool owned;
} known;

typedef struct run {
    const probe *probe;
    int n_known, n_nodes;
    known known[2 * PROBE_NODES];
} run;

static hst_tensor *remember(run *r, const value *v, hst_tensor *t, bool owned) {
    if (!t) return NULL;
    if (r->n_known == 2 * PROBE_NODES) {
        if (owned) tensor_free(t);
        return NULL;
    }
    r->known[r->n_known++] = (known){v, t, owned};
    return t;
}

/* What inference knows of a shape vector, with numbers for its symbols. */
static hst_tensor *from_content(const run *r, const value *v) {
    hst_tensor *t;
    int64_t count = v->content_count;
    if (v->type.dtype != HST_DTYPE_S64 || v->type.rank < 0 || v->type.rank > 1) return NULL;
    if (tensor_new(HST_DTYPE_S64, v->type.rank, &count, NULL, &t, NULL) != HST_STATUS_OK) return NULL;
    for (int i = 0; i < v->content_count; i++) {
        dim d = v->content[i];
        bool found = !dim_is_symbol(d);
        for (int k = 0; k < r->probe->n_symbols && !found; k++)
            if (r->probe->symbols[k] == d) {
                d = r->probe->numbers[k];
                found = true;
            }
        if (!found) {
            tensor_free(t);
            return NULL;
        }
        ((int64_t *)t->data)[i] = d;
    }
    return t;
}

static hst_tensor *compute(run *r, const value *v);

static hst_tensor *compute_node(run *r, const value *v) {
    const node *n = v->producer;
    const hst_tensor *in[8];
    hst_tensor *out[8] = {0};
    if (!n || n->n_in > 8 || n->n_out > 8 || !n->op || n->op->nondeterministic || ++r->n_nodes > PROBE_NODES)
        return NULL;
    for (int k = 0; k < n->n_attributes; k++)
        if (n->attributes[k].type == ATTRIBUTE_GRAPH || n->attributes[k].type == ATTRIBUTE_GRAPHS) return NULL;
    for (int i = 0; i < n->n_in; i++) {
        in[i] = n->in[i] ? compute(r, n->in[i]) : NULL;
        if (n->in[i] && !in[i]) return NULL;
    }
    interp_options options = {.budget = PROBE_BYTES};
    if (interp_node(n, in, out, &options, NULL) != HST_STATUS_OK) return NULL;
    hst_tensor *result = NULL;
    for (int i = 0; i < n->n_out; i++) {
        hst_tensor *t = out[i] ? remember(r, n->out[i], out[i], true) : NULL;
        if (n->out[i] == v) result = t;
    }
    return result;
}

static hst_tensor *compute(run *r, const value *v) {
    for (int i = 0; i < r->probe->n_leaves; i++)
        if (r->probe->leaves[i] == v) return (hst_tensor *)r->probe->tensors[i];
    for (int i = 0; i < r->n_known; i++)
        if (r->known[i].value == v) return r->known[i].tensor;
    if (v->constant) return v->is_input ? NULL : remember(r, v, (hst_tensor *)v->constant, false);
    if (v->content) {
        hst_tensor *t = from_content(r, v);
        if (t) return remember(r, v, t, true);
    }
    return compute_node(r, v);
}

hst_tensor *probe_run(const probe *p, const value *v) {
    if (dims_contradict(v->graph->model, p->symbols, p->numbers, p->n_symbols)) return NULL;
    run *r = memory_alloc(NULL, sizeof *r, 16);
    hst_tensor *copy = NULL;
    if (!r) return NULL;
    r->probe = p;
    r->n_known = r->n_nodes = 0;
    hst_tensor *t = compute(r, v);
    if (t && tensor_clone(t, NULL, &copy, NULL) != HST_STATUS_OK) copy = NULL;
    for (int i = 0; i < r->n_known; i++)
        if (r->known[i].owned) tensor_free(r->known[i].tensor);
    memory_free(NULL, r, sizeof *r);
    return copy;
}

int probe_inputs(const value *v, const value *stop, value **inputs, int most) {
    const value *list[2 * PROBE_NODES];
    int n = 0, found = 0;
    list[n++] = v;
    for (int at = 0; at < n; at++) {
        const value *x = list[at];
        if (x == stop || (x->constant && !x->is_input)) continue;
        if (!x->producer) {
            if (found == most) return -1;
            inputs[found++] = (value *)x;
            continue;
        }
        if (x->content || node_is(x->producer, "", "Shape") || node_is(x->producer, "", "Size")) continue;
        for (int i = 0; i < x->producer->n_in; i++) {
            const value *y = x->producer->in[i];
            bool seen = !y;
            for (int k = 0; k < n && !seen; k++) seen = list[k] == y;
            if (seen) continue;
            if (n == 2 * PROBE_NODES) return -1;
            list[n++] = y;
        }
    }
    return found;
}

/* ---- rows ---- */

bool probe_rows(probe *p, const value *mask, int64_t length, int64_t *dims) {
    for (int i = 0; i < 2; i++) {
        dims[i] = dim_is_symbol(mask->type.dim[i]) ? (i ? length : PROBE_BATCH) : mask->type.dim[i];
        if (dims[i] < 1 || dims[i] > 4096 || !probe_assign(p, mask->type.dim[i], dims[i])) return false;
    }
    return true;
}

bool probe_shows(int pattern, int64_t b, int64_t k, int64_t length) {
    switch (pattern) {
    case 0:
        return k + b + 1 < length; /* padding on the right */
    case 1:
        return k > b; /* on the left */
    default:
        return (b + k + pattern) % 2 == 0;
    }
}

hst_tensor *probe_mask(const value *mask, const int64_t *dims, int pattern) {
    hst_tensor *t;
    if (tensor_new(mask->type.dtype, 2, dims, NULL, &t, NULL) != HST_STATUS_OK) return NULL;
    for (int64_t i = 0; i < dims[0] * dims[1]; i++)
        tensor_set_f64(t, i, probe_shows(pattern, i / dims[1], i % dims[1], dims[1]) ? 1 : 0);
    return t;
}

hst_tensor *probe_state(const value *v, const int64_t *dims, int pattern, double hidden) {
    int64_t shape[HST_RANK_MAX], width = 1;
    hst_tensor *t;
    const bool integer = dtype_is_integer(v->type.dtype);
    memcpy(shape, dims, 2 * sizeof *dims);
    for (int i = 2; i < v->type.rank; i++) {
        shape[i] = v->type.dim[i];
        if (dim_is_symbol(shape[i]) || shape[i] > PROBE_MOST) return NULL;
        width *= shape[i];
        if (dims[0] * dims[1] * width > PROBE_MOST) return NULL;
    }
    if (tensor_new(v->type.dtype, v->type.rank, shape, NULL, &t, NULL) != HST_STATUS_OK) return NULL;
    for (int64_t i = 0; i < tensor_count(t); i++) {
        const int64_t row = i / width, n = (i * 37 + 11) % 64;
        double x = integer ? (double)n : (double)(n - 30) / 8;
        if (!probe_shows(pattern, row / dims[1], row % dims[1], dims[1]))
            x = integer      ? (double)((n + (hidden < 0 ? 21 : 42)) % 127)
                : hidden < 0 ? hidden - x
                : hidden > 0 ? hidden + x
                             : 0;
        tensor_set_f64(t, i, x);
    }
    return t;
}
