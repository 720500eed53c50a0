/* Masked hidden states and masked poolings. Rows that the mask shows hold the same numbers in both runs, the others
 * large ones of one sign, then of the other: what is not masked shows. */
#include "passes/padding.h"

#include <string.h>

#include "passes/match.h"
#include "passes/probe.h"

#define HIDDEN  1000 /* about what stands in hidden rows */
#define DEPTH   4    /* nodes between a value and what makes it zero */
#define LONGEST 256  /* sequence that is tried */

bool padding_is_of_mask(const value *v, const value *mask) {
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

/* A length at which what n reads of the mask shows what it is at any length; 0: none. */
static int64_t length_for(const node *n, const value *mask) {
    int64_t length = PROBE_LENGTH;
    for (int i = 0; i < n->n_in && length; i++)
        if (n->in[i] && padding_is_of_mask(n->in[i], mask)) length = probe_reach(n->in[i], mask, length, LONGEST);
    return length;
}

/* Output 0 of n under one pattern; inputs with rows of their own stand for themselves. */
static hst_tensor *run_node(const node *n, const value *mask, int64_t *dims, int pattern, int sign) {
    probe p = {0};
    hst_tensor *made[PROBE_LEAVES] = {NULL}, *out = NULL;
    int n_made = 0;
    bool ok = probe_rows(&p, mask, length_for(n, mask), dims) && (made[n_made++] = probe_mask(mask, dims, pattern)) &&
              probe_leaf(&p, mask, made[0]);
    for (int i = 0; i < n->n_in && ok; i++) {
        const value *v = n->in[i];
        if (!v || v->constant || v->content || padding_is_of_mask(v, mask)) continue;
        ok = n_made < PROBE_LEAVES && v->type.rank >= 2 && dtype_is_float(v->type.dtype) &&
             probe_assign(&p, v->type.dim[0], dims[0]) && probe_assign(&p, v->type.dim[1], dims[1]) &&
             (made[n_made++] = probe_state(v, dims, pattern, padding_is_zero(v, mask) ? 0 : sign * HIDDEN)) &&
             probe_leaf(&p, v, made[n_made - 1]);
    }
    if (ok) out = probe_run(&p, n->out[0]);
    for (int i = 0; i < n_made; i++) tensor_free(made[i]);
    return out;
}

static bool reads_mask(const node *n, const value *mask) {
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && padding_is_of_mask(n->in[i], mask)) return true;
    return false;
}

static bool zero_in_hidden(const hst_tensor *t, const int64_t *dims, int pattern) {
    if (!t || t->rank < 2 || t->dim[0] != dims[0] || t->dim[1] != dims[1] || !tensor_count(t)) return false;
    const int64_t width = tensor_count(t) / (dims[0] * dims[1]);
    for (int64_t i = 0; i < tensor_count(t); i++) {
        const int64_t row = i / width;
        if (!probe_shows(pattern, row / dims[1], row % dims[1], dims[1]) && tensor_get_f64(t, i) != 0) return false;
    }
    return true;
}

bool padding_is_zero(const value *v, const value *mask) {
    const node *n = v->producer;
    for (int i = 0; n && i < DEPTH && (node_is(n, "", "Cast") || node_is(n, "", "Identity")); i++)
        n = n->in[0] ? n->in[0]->producer : NULL;
    if (!n || n->n_out < 1 || !n->out[0] || !dtype_is_float(v->type.dtype) || !reads_mask(n, mask)) return false;
    for (int pattern = 0; pattern < PROBE_PATTERNS; pattern++)
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
    for (int pattern = 0; pattern < PROBE_PATTERNS; pattern++) {
        int64_t dims[2];
        hst_tensor *a = run_node(n, mask, dims, pattern, -1), *b = run_node(n, mask, dims, pattern, 1);
        const bool same = a && b && a->bytes == b->bytes && (!a->bytes || memcmp(a->data, b->data, a->bytes) == 0);
        tensor_free(a);
        tensor_free(b);
        if (!same) return false;
    }
    return true;
}
