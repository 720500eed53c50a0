/* What operators' eval functions call: thin doors to the runtime behind an evaluation. */
#include "ops/op.h"

const hst_tensor *eval_in(const eval_context *c, int i) {
    return i < c->n_in ? c->in[i] : NULL;
}

hst_status eval_output(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, hst_tensor **out,
                       hst_error *err) {
    return c->runtime->output(c, i, d, rank, dims, out, err);
}

hst_status eval_alias(eval_context *c, int i, int from, int rank, const int64_t *dims, hst_error *err) {
    return c->runtime->alias(c, i, from, rank, dims, err);
}

hst_status eval_scratch(eval_context *c, size_t bytes, void **out, hst_error *err) {
    *out = c->runtime->scratch(c, bytes);
    return *out ? HST_STATUS_OK : error_no_memory(err, bytes, "scratch memory of an operator");
}

hst_status eval_check_list(const node *n, int i, hst_dtype d, hst_error *err) {
    if (n->op->lists || d < HST_DTYPE_SEQUENCE) return HST_STATUS_OK;
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "input %d is %s, not a tensor", i,
                      d == HST_DTYPE_SEQUENCE ? "a sequence"
                      : d == HST_DTYPE_MAP    ? "a map"
                                              : "an empty optional");
}

hst_status eval_check_lists(const node *n, const hst_tensor *const *in, hst_error *err) {
    for (int i = 0; i < n->n_in; i++)
        if (in[i]) HST_TRY(eval_check_list(n, i, in[i]->dtype, err));
    return HST_STATUS_OK;
}

hst_status eval_need(const eval_context *c, int i, const char *name, const hst_tensor **out, hst_error *err) {
    *out = eval_in(c, i);
    return *out ? HST_STATUS_OK : node_error(c->node, err, HST_STATUS_BAD_FORMAT, "input '%s' is missing", name);
}

hst_status eval_ints(const eval_context *c, int i, const char *name, int64_t *to, int most, int *count,
                     hst_error *err) {
    const hst_tensor *t;
    HST_TRY(eval_need(c, i, name, &t, err));
    hst_error why = {0};
    hst_status status = tensor_read_s64(t, to, most, count, &why);
    return status == HST_STATUS_OK ? status : node_error(c->node, err, status, "input '%s': %s", name, why.message);
}

int64_t eval_dim(const eval_context *c, dim d) {
    for (int i = 0; i < c->n_in && d < 0; i++) {
        const type *t = c->node->in[i] ? &c->node->in[i]->type : NULL;
        for (int k = 0; t && c->in[i] && k < t->rank && t->rank == c->in[i]->rank; k++)
            if (t->dim[k] == d) return c->in[i]->dim[k];
    }
    return d < 0 ? 0 : d;
}

hst_status eval_state(const eval_context *c, int i, const type *was, const type *is, hst_error *err) {
    char a[160], b[160];
    if ((is->dtype == HST_DTYPE_NONE || is->dtype == was->dtype) && !type_contradicts(was, is)) return HST_STATUS_OK;
    const model *m = c->node->graph->model;
    return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "state %d is %s, its graph makes it %s", i,
                      type_format(m, was, a, sizeof a), type_format(m, is, b, sizeof b));
}
