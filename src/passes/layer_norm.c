/* LayerNormalization written out, y = (x − E[x]) / √(E[(x − E[x])²] + ε) · γ + β over the last axis, becomes one node;
 * so does RMSNormalization, y = x / √(E[x²] + ε) · γ (T5, Llama). */
#include <math.h>
#include <string.h>

#include "passes/match.h"
#include "passes/pass.h"

static bool is_last_axis_mean(const node *n) {
    int64_t axis;
    int rank = n->in[0]->type.rank;
    if (match_axes(n, &axis, 1) != 1 || !node_int(n, "keepdims", 1)) return false;
    return axis == -1 || (rank > 0 && axis == rank - 1);
}

/* mean over the last axis of what? NULL where v is no such mean. */
static value *mean_of(const value *v) {
    node *n = match_producer(match_skip((value *)v), "ReduceMean");
    return n && is_last_axis_mean(n) ? match_skip(n->in[0]) : NULL;
}

/* d where v = d², written as Pow(d, 2) or Mul(d, d). */
static value *square_of(value *v) {
    node *n = match_producer(match_skip(v), "Pow");
    if (n && match_is(n->in[1], 2)) return match_skip(n->in[0]);
    n = match_producer(match_skip(v), "Mul");
    return n && match_skip(n->in[0]) == match_skip(n->in[1]) ? match_skip(n->in[0]) : NULL;
}

/* x where d = x − mean(x). */
static value *centred(value *d) {
    node *n = match_producer(d, "Sub");
    if (!n) return NULL;
    value *x = match_skip(n->in[0]);
    return mean_of(n->in[1]) == x ? x : NULL;
}

/* d and ε where v = √(mean(d²) + ε). */
static value *deviation(value *v, double *epsilon) {
    node *root = match_producer(match_skip(v), "Sqrt");
    if (!root) {
        root = match_producer(match_skip(v), "Pow");
        if (!root || !match_is(root->in[1], 0.5)) return NULL;
    }
    node *add = match_producer(match_skip(root->in[0]), "Add");
    if (!add) return NULL;
    int k = match_scalar(add->in[1], epsilon) ? 1 : match_scalar(add->in[0], epsilon) ? 0 : -1;
    if (k < 0) return NULL;
    value *squares = mean_of(add->in[1 - k]);
    return squares ? square_of(squares) : NULL;
}

/* What n divides by what: Div(top, σ), Mul(top, Reciprocal(σ)) or Mul(top, 1 / σ). */
static bool quotient(const node *n, value **top, value **sigma) {
    *sigma = NULL;
    if (node_is(n, "", "Div")) {
        *top = n->in[0];
        *sigma = n->in[1];
    } else if (node_is(n, "", "Mul")) {
        for (int i = 0; i < 2 && !*sigma; i++) {
            node *r = match_producer(n->in[i], "Reciprocal");
            node *d = match_producer(n->in[i], "Div");
            if (d && !match_is(d->in[0], 1)) d = NULL;
            *top = n->in[1 - i];
            *sigma = r ? r->in[0] : d ? d->in[1] : NULL;
        }
    }
    if (!*sigma || !*top) return false;
    *top = match_skip(*top);
    return true;
}

/* x and ε where n computes the normalised x. */
static value *normalised(node *n, double *epsilon) {
    value *top, *sigma;
    if (!quotient(n, &top, &sigma)) return NULL;
    value *x = centred(top);
    if (!x) return NULL;
    value *d = deviation(sigma, epsilon);
    if (!d) return NULL;
    /* Some exporters write the centring twice. */
    return d == top || centred(d) == x ? x : NULL;
}

/* Where one multiplies the rows v, of `width`, by γ, and nobody else reads them: that Mul and γ. NULL: nowhere. */
static node *scaled(value *v, int64_t width, value **gamma) {
    node *scale = match_only_user(v);
    while (scale && match_is_idle(scale)) scale = match_only_user(scale->out[0]);
    if (width < 1 || !scale || !node_is(scale, "", "Mul")) return NULL;
    const int at = match_skip(scale->in[0]) == match_skip(v) ? 1 : 0;
    *gamma = scale->in[at];
    const bool row = *gamma && match_row(*gamma, width) && (*gamma)->type.dtype == HST_DTYPE_F32;
    return row ? scale : NULL;
}

static hst_status fuse_layer_norm(graph *g, node *n, bool *changed, hst_error *err) {
    double epsilon;
    if (n->n_in != 2 || n->n_out != 1 || !n->in[0] || !n->in[1]) return HST_STATUS_OK;
    value *x = normalised(n, &epsilon);
    if (!x || x->graph != g || x->type.dtype != HST_DTYPE_F32 || x->type.rank < 1) return HST_STATUS_OK;
    int64_t width = x->type.dim[x->type.rank - 1];
    value *gamma, *beta = NULL;
    node *scale = scaled(n->out[0], width, &gamma);
    if (!scale) return HST_STATUS_OK;
    node *last = scale, *shift = match_only_user(scale->out[0]);
    if (shift && node_is(shift, "", "Add")) {
        beta = match_other(shift, scale->out[0]);
        if (beta && match_row(beta, width) && beta->type.dtype == HST_DTYPE_F32)
            last = shift;
        else
            beta = NULL;
    }
    patch *p = patch_new(g, last);
    if (!p) return patch_fail(p, err);
    value *in[3] = {x, gamma, beta}, *out = patch_value(p, &last->out[0]->type);
    node *made = patch_node(p, "", "LayerNormalization", 17, in, beta ? 3 : 2, &out, 1);
    if (!made || !node_set_int(made, "axis", -1) || !node_set_float(made, "epsilon", (float)epsilon)) return patch_fail(p, err);
    patch_replace(p, last->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

HST_PASS(layer_norm) = {.name = "layer_norm",
                        .order = 40,
                        .node = fuse_layer_norm,
                        .anchor = "",
                        .summary = "recognised a LayerNormalization written out"};

static hst_status fuse_rms_norm(graph *g, node *n, bool *changed, hst_error *err) {
    double epsilon;
    value *x, *sigma, *gamma;
    if (n->n_in != 2 || n->n_out != 1 || !n->in[0] || !n->in[1] || !quotient(n, &x, &sigma)) return HST_STATUS_OK;
    if (x->graph != g || x->type.dtype != HST_DTYPE_F32 || x->type.rank < 1 || deviation(sigma, &epsilon) != x)
        return HST_STATUS_OK;
    node *scale = scaled(n->out[0], x->type.dim[x->type.rank - 1], &gamma);
    if (!scale) return HST_STATUS_OK;
    patch *p = patch_new(g, scale);
    if (!p) return patch_fail(p, err);
    value *out = patch_value(p, &scale->out[0]->type);
    node *made = patch_node(p, "", "RMSNormalization", 23, (value *const[]){x, gamma}, 2, &out, 1);
    if (!made || !node_set_int(made, "axis", -1) || !node_set_float(made, "epsilon", (float)epsilon)) return patch_fail(p, err);
    patch_replace(p, scale->out[0], out);
    *changed = true;
    return patch_apply(p, err);
}

HST_PASS(rms_norm) = {.name = "rms_norm",
                      .order = 40,
                      .node = fuse_rms_norm,
                      .anchor = "",
                      .summary = "recognised an RMSNormalization written out"};
