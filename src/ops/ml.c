/* Shared by the operators of ai.onnx.ml. */
#include "ops/ml.h"

#include <math.h>
#include <string.h>

hst_status ml_read_post(const node *n, ml_post *out, hst_error *err) {
    static const char *const names[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
    const char *name = node_string(n, "post_transform", "NONE");
    for (int k = 0; k < 5; k++) {
        if (strcmp(name, names[k]) != 0) continue;
        *out = (ml_post)k;
        return HST_STATUS_OK;
    }
    return node_error(n, err, HST_STATUS_BAD_FORMAT, "post_transform '%s' is unknown", name);
}

static double probit(double p) {
    double x = 2 * p - 1, sign = x < 0 ? -1 : 1;
    x = (1 - x) * (1 + x);
    if (x == 0) return 0;
    double l = log(x), v = 2 / (3.14159265358979323846 * 0.147) + 0.5 * l;
    return 1.41421356 * sign * sqrt(-v + sqrt(v * v - l / 0.147));
}

void ml_transform(double *x, int64_t n, ml_post post) {
    double most = -(double)INFINITY, sum = 0;
    for (int64_t k = 0; k < n; k++) most = fmax(most, x[k]);
    for (int64_t k = 0; k < n; k++) {
        if (post == ML_LOGISTIC) x[k] = 1 / (1 + exp(-x[k]));
        if (post == ML_PROBIT) x[k] = probit(x[k]);
        if (post == ML_SOFTMAX) sum += x[k] = exp(x[k] - most);
        if (post == ML_SOFTMAX_ZERO) sum += x[k] = fabs(x[k]) > 1e-7 ? exp(x[k] - most) : x[k] * exp(-most);
    }
    for (int64_t k = 0; k < n && (post == ML_SOFTMAX || post == ML_SOFTMAX_ZERO); k++) x[k] = sum ? x[k] / sum : 0.5;
}

const float *ml_floats(const node *n, const char *name, int64_t *count) {
    const attribute *a = node_attribute(n, name);
    bool fits = a && a->type == ATTRIBUTE_FLOATS && a->n;
    *count = fits ? a->n : 0;
    return fits ? a->as.floats : NULL;
}

const int64_t *ml_ints(const node *n, const char *name, int64_t *count) {
    const attribute *a = node_attribute(n, name);
    bool fits = a && a->type == ATTRIBUTE_INTS && a->n;
    *count = fits ? a->n : 0;
    return fits ? a->as.ints : NULL;
}

const hst_string *ml_strings(const node *n, const char *name, int64_t *count) {
    const attribute *a = node_attribute(n, name);
    bool fits = a && a->type == ATTRIBUTE_STRINGS && a->n;
    *count = fits ? a->n : 0;
    return fits ? a->as.strings : NULL;
}

ml_labels ml_read_labels(const node *n, const char *ints, const char *strings) {
    ml_labels l = {0};
    l.strings = ml_strings(n, strings, &l.n);
    if (!l.strings) l.ints = ml_ints(n, ints, &l.n);
    return l;
}

hst_status ml_labels_begin(eval_context *c, const ml_labels *l, int64_t rows, hst_tensor **y, hst_error *err) {
    return eval_output(c, 0, l->strings ? HST_DTYPE_STRING : HST_DTYPE_S64, 1, &rows, y, err);
}

void ml_label_set(hst_tensor *y, const ml_labels *l, int64_t row, int64_t index) {
    bool named = index >= 0 && index < l->n;
    if (l->strings)
        ((hst_string *)y->data)[row] = named ? l->strings[index] : (hst_string){"", 0};
    else
        ((int64_t *)y->data)[row] = l->ints && named ? l->ints[index] : index;
}

hst_status ml_rows(eval_context *c, const double **x, int64_t *rows, int64_t *features, hst_error *err) {
    const hst_tensor *t;
    HST_TRY(eval_need(c, 0, "X", &t, err));
    if (t->rank < 1 || t->rank > 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the input has rank %d, not 1 or 2", t->rank);
    *rows = t->rank == 2 ? t->dim[0] : 1;
    *features = t->dim[t->rank - 1];
    return carry_in(c, t, "X", x, err);
}

hst_status ml_infer_classes(infer_context *c, const ml_labels *l) {
    const type *x = infer_in(c, 0);
    dim rows = x->rank == 2 ? x->dim[0] : x->rank == 1 ? 1 : dim_symbol(c->model, "");
    c->out[0] = (type){.dtype = l->strings ? HST_DTYPE_STRING : HST_DTYPE_S64, .rank = 1, .dim = {rows}};
    if (c->n_out > 1) c->out[1] = (type){.dtype = HST_DTYPE_F32, .rank = 2, .dim = {rows, dim_symbol(c->model, "")}};
    return HST_STATUS_OK;
}

int64_t ml_argmax(const double *x, int64_t n) {
    int64_t best = 0;
    for (int64_t k = 1; k < n; k++)
        if (x[k] > x[best]) best = k;
    return best;
}
