/* Gather: slices of data along one axis, picked by an index tensor.
 *   out[a…, i…, b…] = data[a…, indices[i…], b…]       data [A…, n, B…], indices [I…], out [A…, I…, B…] */
#include <stdatomic.h>

#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *index = infer_in(c, 1);
    type *y = &c->out[0];
    int axis;
    y->dtype = x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err));
    if (index->rank < 0) return HST_STATUS_OK;
    y->rank = x->rank + index->rank - 1;
    if (y->rank > HST_RANK_MAX)
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "an output of %d dimensions", y->rank);
    int k = 0;
    for (int i = 0; i < axis; i++) y->dim[k++] = x->dim[i];
    for (int i = 0; i < index->rank; i++) y->dim[k++] = index->dim[i];
    for (int i = axis + 1; i < x->rank; i++) y->dim[k++] = x->dim[i];

    dim from[CONTENT_MOST], to[CONTENT_MOST];
    int64_t picks[CONTENT_MOST];
    int n = x->rank == 1 && index->rank <= 1 ? infer_dims(c, 0, from, CONTENT_MOST) : -1;
    int n_picks = n < 0 ? -1 : infer_ints(c, 1, picks, CONTENT_MOST);
    for (int i = 0; i < n_picks; i++) {
        if (picks[i] < -n || picks[i] >= n) return HST_STATUS_OK; /* eval will say it */
        to[i] = from[picks[i] < 0 ? picks[i] + n : picks[i]];
    }
    if (n_picks >= 0) infer_content(c, 0, to, n_picks);
    return HST_STATUS_OK;
}

/* `outer` blocks of n_index runs of `run` bytes; `length` runs stand in a block of the source. */
typedef struct gather {
    char *to;
    const char *from;
    const int64_t *index;
    int64_t outer, n_index, length;
    size_t run;
    atomic_bool bad; /* an index is out of range */
} gather;

enum { TEAM_BYTES = 1 << 18 }; /* from here on several workers copy */

static void gather_runs(void *arg, const team_context *ctx) {
    gather *g = arg;
    const int64_t run = (int64_t)g->run;
    int64_t r, end, n;
    team_split(g->outer * g->n_index, 1, ctx, &r, &end);
    for (; r < end; r += n) { /* what is left of a block */
        const int64_t first = r % g->n_index, block = r / g->n_index;
        n = g->n_index - first < end - r ? g->n_index - first : end - r;
        if (!move_picks(g->run, n, g->to + r * run, g->from + block * g->length * run, 0, run, g->index + first,
                        g->length))
            g->bad = true;
    }
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *index;
    hst_tensor *y;
    const void *from;
    void *to;
    int axis, rank = 0;
    int64_t dims[2 * HST_RANK_MAX], outer = 1, inner = 1, at;
    const int64_t *pick;
    HST_TRY(eval_need(c, 0, "data", &x, err));
    HST_TRY(eval_need(c, 1, "indices", &index, err));
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err));
    for (int i = 0; i < axis; i++) dims[rank++] = x->dim[i];
    for (int i = 0; i < index->rank; i++) dims[rank++] = index->dim[i];
    for (int i = axis + 1; i < x->rank; i++) dims[rank++] = x->dim[i];
    if (rank > HST_RANK_MAX)
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "an output of %d dimensions", rank);
    HST_TRY(move_indices(c, index, "indices", &pick, err));
    int64_t n_index = tensor_count(index), length = x->dim[axis];
    HST_TRY(move_in(c, x, &from, err));
    HST_TRY(move_out(c, 0, x->dtype, rank, dims, &y, &to, err));
    bool right = false;
    if (tensor_count(y)) {
        for (int i = 0; i < axis; i++) outer *= x->dim[i];
        for (int i = axis + 1; i < x->rank; i++) inner *= x->dim[i];
        gather g = {to, from, pick, outer, n_index, length, move_size(x->dtype) * (size_t)inner, false};
        if (c->team && y->bytes >= TEAM_BYTES)
            team_run(c->team, 0, gather_runs, &g);
        else
            gather_runs(&g, &(team_context){.workers = 1});
        right = !g.bad;
    }
    for (int64_t i = 0; i < n_index && !right; i++) HST_TRY(move_index(c, pick[i], length, axis, &at, err));
    return move_done(y, to, err);
}

static const op_case cases[] = {
    {"rows", 0, "(f32[3,2]{1 2 3 4 5 6}, s64[2]{2 0}) -> (f32[2,2]{5 6 1 2})", 0},
    {"version 1, columns", 1, "(f32[2,3]{1 2 3 4 5 6}, s32[2]{0 2}; axis=1) -> (f32[2,2]{1 3 4 6})", 0},
    {"negative", 0, "(f32[2,3]{1 2 3 4 5 6}, s64[1]{-1}; axis=-1) -> (f32[2,1]{3 6})", 0},
    {"scalar index", 0, "(s64[3]{7 8 9}, s64[]{1}) -> (s64[]{8})", 0},
    {"first token", 0, "(f32[1,2,2]{1 2 3 4}, s64[]{0}; axis=1) -> (f32[1,2]{1 2})", 0},
    {"index matrix", 0, "(u8[3]{7 8 9}, s64[2,2]{0 1 2 0}) -> (u8[2,2]{7 8 9 7})", 0},
    {"8 bytes, two blocks", 0, "(s64[2,3]{1 2 3 4 5 6}, s32[3]{-1 0 -3}; axis=1) -> (s64[2,3]{3 1 1 6 4 4})", 0},
    {"no index", 0, "(f32[3,2]{1 2 3 4 5 6}, s64[0]{}) -> (f32[0,2]{})", 0},
    {"of empty rows", 0, "(f32[3,0]{}, s64[2]{1 2}) -> (f32[2,0]{})", 0},
    {"strings", 0, "(string[2]{\"a\" \"bb\"}, s64[3]{1 0 1}) -> (string[3]{\"bb\" \"a\" \"bb\"})", 0},
    {"s4", 0, "(s4[3,3]{1 2 3 4 5 6 7 -8 -1}, s64[2]{2 0}) -> (s4[2,3]{7 -8 -1 1 2 3})", 0},
    {0},
};

HST_OP(Gather) = {
    .name = "Gather",
    .domain = "",
    .since = 1,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "slices along an axis, picked by indices",
    HST_CASES(cases),
};
