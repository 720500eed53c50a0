/* Masked hidden states and masked poolings. Rows that the mask shows hold the same numbers in both runs, the others
 * large ones of one sign, then of the other: what is not masked shows. */
#include "passes/padding.h"

#include <string.h>

#include "passes/match.h"
#include "passes/probe.h"

#define PROBE_BATCH  2
#define PROBE_LENGTH 5
#define PROBE_MOST   (1 << 20) /* elements of a hidden state */
#define PATTERNS     4
#define DEPTH        4 /* nodes between a value and what makes it zero */

static bool shows(int pattern, int64_t b, int64_t k, int64_t length) {
    switch (pattern) {
    case 0:
        return k + b + 1 < length; /* padding on the right */
    case 1:
        return k > b; /* on the left */
    default:
        return (b + k + pattern) % 2 == 0;
    }
}

/* Does v depend on the mask, and on nothing else that is fed? */
static bool is_of_mask(const value *v, const value *mask) {
    value *inputs[1];
    if (v->constant && !v->is_input) return false;
    const int n = probe_inputs(v, mask, inputs, 1);
    if (n != 0 && !(n == 1 && inputs[0] == mask)) return false;
    /* no input at all: the mask was the place to stop at, or there is none */
    const value *list[64];
    int count = 0;
    list[count++] = v;
    for (int at = 0; at < count; at++) {
        if (list[at] == mask) return true;
        const node *p = list[at]->producer;
        if (!p || list[at]->content || node_is(p, "", "Shape")) continue;
        for (int i = 0; i < p->n_in && count < 64; i++)
            if (p->in[i]) list[count++] = p->in[i];
    }
    return false;
}

static hst_tensor *make_mask(const value *mask, const int64_t *dims, int pattern) {
    hst_tensor *t;
    if (tensor_new(mask->type.dtype, 2, dims, NULL, &t, NULL) != HST_STATUS_OK) return NULL;
    for (int64_t i = 0; i < dims[0] * dims[1]; i++)
        tensor_set_f64(t, i, shows(pattern, i / dims[1], i % dims[1], dims[1]) ? 1 : 0);
    return t;
}

/* A hidden state like v; its hidden rows hold `sign` times large numbers, or zeros for sign 0. */
static hst_tensor *make_state(const value *v, const int64_t *dims, int pattern, int sign) {
    int64_t shape[HST_RANK_MAX], width = 1;
    hst_tensor *t;
    memcpy(shape, dims, 2 * sizeof *dims);
    for (int i = 2; i < v->type.rank; i++) {
        shape[i] = v->type.dim[i];
        if (dim_is_symbol(shape[i]) || shape[i] > PROBE_MOST) return NULL;
        width *= shape[i];
        if (dims[0] * dims[1] * width > PROBE_MOST) return NULL;
    }
    if (tensor_new(v->type.dtype, v->type.rank, shape, NULL, &t, NULL) != HST_STATUS_OK) return NULL;
    for (int64_t i = 0; i < tensor_count(t); i++) {
        const int64_t row = i / width;
        const double x = (double)((i * 37 + 11) % 64 - 30) / 8;
        tensor_set_f64(t, i, shows(pattern, row / dims[1], row % dims[1], dims[1]) ? x : sign * (1000 + x));
    }
    return t;
}

/* Output 0 of n under one pattern; inputs with rows of their own stand for themselves. */
static hst_tensor *run_node(const node *n, const value *mask, int64_t *dims, int pattern, int sign) {
    probe p = {0};
    hst_tensor *made[PROBE_LEAVES] = {NULL}, *out = NULL;
    int n_made = 0;
    bool ok = true;
    for (int i = 0; i < 2; i++) {
        dims[i] = dim_is_symbol(mask->type.dim[i]) ? (i ? PROBE_LENGTH : PROBE_BATCH) : mask->type.dim[i];
        ok = ok && dims[i] > 0 && dims[i] <= 4096 && probe_assign(&p, mask->type.dim[i], dims[i]);
    }
    ok = ok && (made[n_made++] = make_mask(mask, dims, pattern)) && probe_leaf(&p, mask, made[0]);
    for (int i = 0; i < n->n_in && ok; i++) {
        const value *v = n->in[i];
        if (!v || v->constant || v->content || is_of_mask(v, mask)) continue;
        ok = n_made < PROBE_LEAVES && v->type.rank >= 2 && dtype_is_float(v->type.dtype) &&
             probe_assign(&p, v->type.dim[0], dims[0]) && probe_assign(&p, v->type.dim[1], dims[1]) &&
             (made[n_made++] = make_state(v, dims, pattern, padding_is_zero(v, mask) ? 0 : sign)) &&
             probe_leaf(&p, v, made[n_made - 1]);
    }
    if (ok) out = probe_run(&p, n->out[0]);
    for (int i = 0; i < n_made; i++) tensor_free(made[i]);
    return out;
}

static bool reads_mask(const node *n, const value *mask) {
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && is_of_mask(n->in[i], mask)) return true;
    return false;
}

static bool zero_in_hidden(const hst_tensor *t, const int64_t *dims, int pattern) {
    if (!t || t->rank < 2 || t->dim[0] != dims[0] || t->dim[1] != dims[1] || !tensor_count(t)) return false;
    const int64_t width = tensor_count(t) / (dims[0] * dims[1]);
    for (int64_t i = 0; i < tensor_count(t); i++) {
        const int64_t row = i / width;
        if (!shows(pattern, row / dims[1], row % dims[1], dims[1]) && tensor_get_f64(t, i) != 0) return false;
    }
    return true;
}

bool padding_is_zero(const value *v, const value *mask) {
    const node *n = v->producer;
    for (int i = 0; n && i < DEPTH && (node_is(n, "", "Cast") || node_is(n, "", "Identity")); i++)
        n = n->in[0] ? n->in[0]->producer : NULL;
    if (!n || n->n_out < 1 || !n->out[0] || !dtype_is_float(v->type.dtype) || !reads_mask(n, mask)) return false;
    for (int pattern = 0; pattern < PATTERNS; pattern++)
        for (int sign = -1; sign <= 1; sign += 2) {
            int64_t dims[2];
            hst_tensor *t = run_node(n, mask, dims, pattern, sign);
            const bool zero = t && zero_in_hidden(t, dims, pattern);
            tensor_free(t);
            if (!zero) return false;
        }
    return true;
}

bool padding_absorbs(const node *n, const value *mask) {
    if (n->n_out < 1 || !n->out[0] || !reads_mask(n, mask)) return false;
    for (int i = 1; i < n->n_out; i++)
        if (n->out[i]) return false;
    for (int pattern = 0; pattern < PATTERNS; pattern++) {
        int64_t dims[2];
        hst_tensor *a = run_node(n, mask, dims, pattern, -1), *b = run_node(n, mask, dims, pattern, 1);
        const bool same = a && b && a->bytes == b->bytes && (!a->bytes || memcmp(a->data, b->data, a->bytes) == 0);
        tensor_free(a);
        tensor_free(b);
        if (!same) return false;
    }
    return true;
}
