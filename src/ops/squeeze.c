/* Squeeze removes dimensions of length 1, Unsqueeze inserts them. Axes are an attribute before version 13, an input
 * since. */
#include "ops/op.h"

/* Reads axes; *count -1 where there are none. False: not known (inference only). */
static bool axes_known(const infer_context *c, int64_t *axes, int *count) {
    const int64_t *attribute;
    *count = -1;
    if (c->node->opset < 13) {
        *count = node_ints(c->node, "axes", &attribute);
        for (int k = 0; k < *count && k < CONTENT_MOST; k++) axes[k] = attribute[k];
        return *count <= CONTENT_MOST;
    }
    if (c->n_in < 2 || !c->node->in[1]) return true;
    *count = infer_ints(c, 1, axes, CONTENT_MOST);
    return *count >= 0;
}

static hst_status read_axes(const eval_context *c, int64_t *axes, int *count, hst_error *err) {
    const int64_t *attribute;
    *count = -1;
    if (c->node->opset >= 13)
        return eval_in(c, 1) ? eval_ints(c, 1, "axes", axes, CONTENT_MOST, count, err) : HST_STATUS_OK;
    *count = node_ints(c->node, "axes", &attribute);
    if (*count > CONTENT_MOST) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "axes has %d entries", *count);
    for (int k = 0; k < *count; k++) axes[k] = attribute[k];
    return HST_STATUS_OK;
}

/* ---- Squeeze ---- */

static hst_status squeeze_dims(const node *n, const int64_t *axes, int count, int rank, const dim *in, int *out_rank,
                               dim *out, hst_error *err) {
    bool marked[HST_RANK_MAX];
    HST_TRY(axes_read(n, axes, count < 0 ? 0 : count, rank, NULL, marked, err));
    *out_rank = 0;
    for (int k = 0; k < rank; k++) {
        if (count < 0 ? in[k] == 1 : marked[k]) {
            if (in[k] >= 0 && in[k] != 1)
                return node_error(n, err, HST_STATUS_BAD_SHAPE, "cannot squeeze axis %d of length %lld", k,
                                  (long long)in[k]);
        } else {
            out[(*out_rank)++] = in[k];
        }
    }
    return HST_STATUS_OK;
}

static hst_status infer_squeeze(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    int64_t axes[CONTENT_MOST];
    int count;
    c->out[0].dtype = x->dtype;
    infer_pass_content(c, 0, 0);
    bool known = axes_known(c, axes, &count);
    if (!known && x->rank >= 0) { /* how many axes go, perhaps */
        const type *t = infer_in(c, 1);
        if (t->rank != 1 || t->dim[0] < 0 || t->dim[0] > x->rank) return HST_STATUS_OK;
        c->out[0].rank = x->rank - (int)t->dim[0];
        for (int k = 0; k < c->out[0].rank; k++) c->out[0].dim[k] = dim_symbol(c->model, "");
    }
    if (!known || x->rank < 0) return HST_STATUS_OK;
    for (int k = 0; k < x->rank && count < 0; k++)
        if (x->dim[k] < 0) return HST_STATUS_OK; /* a symbol may be 1: not even the rank is known */
    return squeeze_dims(c->node, axes, count, x->rank, x->dim, &c->out[0].rank, c->out[0].dim, err);
}

static hst_status eval_squeeze(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    int64_t axes[CONTENT_MOST], dims[HST_RANK_MAX];
    int count, rank = 0;
    HST_TRY(eval_need(c, 0, "data", &x, err));
    HST_TRY(read_axes(c, axes, &count, err));
    HST_TRY(squeeze_dims(c->node, axes, count, x->rank, x->dim, &rank, dims, err));
    return eval_alias(c, 0, 0, rank, dims, err);
}

/* ---- Unsqueeze ---- */

static hst_status unsqueeze_dims(const node *n, const int64_t *axes, int count, int rank, const dim *in, int *out_rank,
                                 dim *out, hst_error *err) {
    bool marked[HST_RANK_MAX];
    if (rank + count > HST_RANK_MAX)
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "%d axes more than rank %d: at most %d dimensions", count,
                          rank, HST_RANK_MAX);
    *out_rank = rank + count;
    HST_TRY(axes_read(n, axes, count, *out_rank, NULL, marked, err));
    for (int k = 0, from = 0; k < *out_rank; k++) out[k] = marked[k] ? 1 : in[from++];
    return HST_STATUS_OK;
}

static hst_status infer_unsqueeze(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    int64_t axes[CONTENT_MOST];
    int count;
    c->out[0].dtype = x->dtype;
    bool known = axes_known(c, axes, &count) && count >= 0;
    if (x->rank == 0) infer_pass_content(c, 0, 0);
    if (!known || x->rank < 0) return HST_STATUS_OK;
    return unsqueeze_dims(c->node, axes, count, x->rank, x->dim, &c->out[0].rank, c->out[0].dim, err);
}

static hst_status eval_unsqueeze(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    int64_t axes[CONTENT_MOST], dims[HST_RANK_MAX];
    int count, rank = 0;
    HST_TRY(eval_need(c, 0, "data", &x, err));
    HST_TRY(read_axes(c, axes, &count, err));
    if (count < 0) return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "axes are missing");
    HST_TRY(unsqueeze_dims(c->node, axes, count, x->rank, x->dim, &rank, dims, err));
    return eval_alias(c, 0, 0, rank, dims, err);
}

static const op_case squeeze_cases[] = {
    {"axes input", 0, "(f32[1,3,1]{1 2 3}, s64[1]{0}) -> (f32[3,1]{1 2 3})", 0},
    {"negative axis", 0, "(f32[1,3,1]{1 2 3}, s64[2]{-1 0}) -> (f32[3]{1 2 3})", 0},
    {"all", 0, "(f32[1,3,1]{1 2 3}) -> (f32[3]{1 2 3})", 0},
    {"axes attribute", 11, "(f32[1,3,1]{1 2 3}; axes=[-1]) -> (f32[1,3]{1 2 3})", 0},
    {"all, attribute form", 1, "(f32[1,3,1]{1 2 3}) -> (f32[3]{1 2 3})", 0},
    {"to scalar", 0, "(s64[1]{3}, s64[1]{0}) -> (s64[]{3})", 0},
    {"no axes at all", 0, "(s64[1]{3}, s64[0]{}) -> (s64[1]{3})", 0},
    {"empty tensor", 0, "(f32[0,1]{}, s64[1]{1}) -> (f32[0]{})", 0},
    {0},
};

static const op_case unsqueeze_cases[] = {
    {"axes input", 0, "(f32[3]{1 2 3}, s64[1]{0}) -> (f32[1,3]{1 2 3})", 0},
    {"several, unsorted", 0, "(f32[3]{1 2 3}, s64[3]{3 0 -3}) -> (f32[1,1,3,1]{1 2 3})", 0},
    {"axes attribute", 11, "(f32[3]{1 2 3}; axes=[0,2]) -> (f32[1,3,1]{1 2 3})", 0},
    {"scalar", 0, "(s64[]{3}, s64[1]{0}) -> (s64[1]{3})", 0},
    {"scalar axes", 0, "(s64[2]{3 4}, s64[]{1}) -> (s64[2,1]{3 4})", 0},
    {0},
};

HST_OP(Squeeze) = {
    .name = "Squeeze",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_squeeze,
    .eval = eval_squeeze,
    .summary = "removes dimensions of length 1",
    HST_CASES(squeeze_cases),
};

HST_OP(Unsqueeze) = {
    .name = "Unsqueeze",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer_unsqueeze,
    .eval = eval_unsqueeze,
    .summary = "inserts dimensions of length 1",
    HST_CASES(unsqueeze_cases),
};
