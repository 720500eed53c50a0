/* Questions that passes ask of a graph. */
#include "passes/match.h"

#include <math.h>
#include <string.h>

node *match_only_user(const value *v) {
    if (!v || v->is_output || v->n_uses != 1 || v->uses[0].node->graph != v->graph) return NULL;
    return v->uses[0].node;
}

node *match_producer(const value *v, const char *op_type) {
    return v && v->producer && node_is(v->producer, "", op_type) ? v->producer : NULL;
}

const hst_tensor *match_constant(const value *v) { return v && !v->is_input ? v->constant : NULL; }

bool match_scalar(const value *v, double *x) {
    const hst_tensor *t = match_constant(v);
    if (!t || tensor_count(t) != 1) return false;
    if (dtype_is_float(t->dtype))
        *x = tensor_get_f64(t, 0);
    else if (dtype_is_integer(t->dtype))
        *x = (double)tensor_get_s64(t, 0);
    else
        return false;
    return true;
}

bool match_is(const value *v, double x) {
    double y;
    return match_scalar(v, &y) && fabs(x - y) <= 1e-6 * fabs(x);
}

value *match_other(const node *n, const value *v) {
    if (n->n_in != 2) return NULL;
    return n->in[0] == v ? n->in[1] : n->in[1] == v ? n->in[0] : NULL;
}

const hst_tensor *match_row(const value *v, int64_t count) {
    const hst_tensor *t = match_constant(v);
    if (!t || tensor_count(t) != count || t->rank < 1 || t->dim[t->rank - 1] != count) return NULL;
    return t->dtype == HST_DTYPE_F32 || t->dtype == HST_DTYPE_F16 || t->dtype == HST_DTYPE_BF16 ? t : NULL;
}

bool match_is_idle(const node *n) {
    if (node_is(n, "", "Identity")) return true;
    if (!node_is(n, "", "Dropout")) return false;
    if (n->n_in < 3 || !n->in[2]) return true;
    const hst_tensor *training = match_constant(n->in[2]);
    return training && tensor_count(training) == 1 && tensor_get_s64(training, 0) == 0;
}

value *match_skip(value *v) {
    for (node *n; v && (n = v->producer) && n->n_in > 0 && n->in[0];) {
        bool same = match_is_idle(n) && v->producer_index == 0;
        if (node_is(n, "", "Cast")) same = n->in[0]->type.dtype == v->type.dtype && v->type.dtype != HST_DTYPE_NONE;
        if (!same) break;
        v = n->in[0];
    }
    return v;
}

int match_perm(const node *n, int64_t *perm) {
    const int64_t *given;
    int rank = node_ints(n, "perm", &given);
    if (rank > HST_RANK_MAX) return -1;
    if (rank >= 0) {
        memcpy(perm, given, (size_t)rank * sizeof *perm);
        return rank;
    }
    rank = n->in[0]->type.rank;
    for (int i = 0; i < rank; i++) perm[i] = rank - 1 - i;
    return rank;
}

int match_axes(const node *n, int64_t *axes, int most) {
    const int64_t *given;
    int count = node_ints(n, "axes", &given);
    if (count >= 0) {
        if (count > most) return -1;
        memcpy(axes, given, (size_t)count * sizeof *axes);
        return count;
    }
    const hst_tensor *t = n->n_in > 1 ? match_constant(n->in[1]) : NULL;
    if (!t) return -1;
    return tensor_read_s64(t, axes, most, &count, NULL) == HST_STATUS_OK ? count : -1;
}
