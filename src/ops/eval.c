/* What operators' eval functions call: thin doors to the runtime behind an evaluation. */
#include "ops/op.h"

const hst_tensor *eval_in(const eval_context *c, int i) { return i < c->n_in ? c->in[i] : NULL; }

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
