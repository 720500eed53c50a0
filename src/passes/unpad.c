/* No padding: the rows [batch, sequence, …] around attentions that share a key mask become [1, rows, …] without those
 * that the mask hides (hasten.PackPlan says which), from the embeddings to where they are read: by a graph output, by a
 * head of first tokens, by a pooling that the mask hides them from; by an attention of another form, which reads and
 * writes them whole (passes/mixing.h).
 *
 * The region: the attentions; every node that works row by row on what comes from them (down); every such node that
 * leads to them (up). Nothing of it may show padding rows but a graph output: those are computed, or zeros, as the
 * session says. Each node of the region is made again on packed rows, in the order of the graph; then readers outside
 * turn to those, and the old nodes die. Exact: no row depends on another one but by attention, which reads seen rows.
 */
#include <stdio.h>
#include <string.h>

#include "passes/match.h"
#include "passes/mixing.h"
#include "passes/padding.h"
#include "passes/pass.h"
#include "passes/rows.h"
#include "passes/unpack.h"

enum { UP = 1, DOWN = 2 };

typedef enum reading {               /* how a node outside reads a value of the region */
                       READ_NOT,     /* as if it depended on padding rows */
                       READ_FIRST,   /* Gather of the first rows */
                       READ_SHAPE,   /* Shape */
                       READ_SUM,     /* ReduceSum over the sequence of what is zero in padding rows */
                       READ_PART,    /* by an attention of another form */
                       READ_UNPADDED /* whatever stands in padding rows */
} reading;

typedef struct region {
    packing at;                /* graph, mask, plan */
    dim batch, sequence, rows; /* lengths; rows: the packed ones */
    bool first;                /* first rows are read */
    unsigned char *part;       /* by node id: UP, DOWN, 0 */
    value **twin;              /* by value id: the same on packed rows */
    reading **how;             /* by value id: of each use of what the region computes */
    mixing mixing;             /* attentions of another form */
    const node *blocked;       /* who reads padding rows; NULL: nobody */
    arena *arena;
    int *order;            /* by node id: place in the graph */
    int n_nodes, n_values; /* of the graph as it was */
} region;

static unsigned part_of(const region *r, const node *n) {
    return n && n->id < r->n_nodes ? r->part[n->id] : 0;
}

static bool is_inside(const region *r, const node *n) {
    return n && n->id < r->n_nodes && r->mixing.inside[n->id];
}

static bool is_down(const region *r, const value *v) {
    return v && ((part_of(r, v->producer) & DOWN) != 0 || is_inside(r, v->producer));
}

/* ---- finding the region ---- */

static bool is_attention(const node *n) {
    if (!node_is(n, "hasten", "PackedAttention") || n->n_in < 2 || !n->in[1] || !n->in[0]) return false;
    for (int i = 2; i < n->n_in; i++)
        if (n->in[i] && (i == 3 || i == 4)) return false; /* packed already */
    const value *mask = n->in[1];
    return n->in[0]->type.rank == 3 && mask->type.rank == 2 && mask->graph == n->graph &&
           dtype_bits(mask->type.dtype) >= 8 && mask->type.dtype != HST_DTYPE_STRING &&
           node_int(n, "queries", 0) <= 1 && node_float(n, "mask_value", -1e30f) <= MASK_HIDES;
}

static bool in_region(const region *r, const node *n) {
    if (n->n_in > 2 && is_down(r, n->in[2])) return false; /* a bias that comes from hidden states */
    return is_attention(n) && n->in[1] == r->at.mask && n->in[0]->type.dim[0] == r->batch &&
           n->in[0]->type.dim[1] == r->sequence;
}

/* Row by row, after the mask is known, and nothing that comes from an attention taken as a whole. */
static bool fits(const region *r, const node *n, rows_role *role) {
    if (r->at.mask->producer && r->order[n->id] < r->order[r->at.mask->producer->id]) return false;
    if (!rows_node(n, r->batch, r->sequence, role)) return false;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i] && (n->in[i]->graph != r->at.g || (role[i] == ROWS_WHOLE && is_down(r, n->in[i])))) return false;
    return true;
}

/* Gives padding rows a value of their own, other than zero: what stood there no longer matters. */
static bool fixes_padding(const region *r, const node *n) {
    return padding_absorbs(n, r->at.mask) && !padding_is_zero(n->out[0], r->at.mask);
}

static void mark_down(const region *r) {
    rows_role role[ROWS_INPUTS];
    for (const node *n = r->at.g->first; n; n = n->next) {
        bool down = in_region(r, n), reached = false;
        if (is_inside(r, n)) continue;
        for (int i = 0; i < n->n_in && !down; i++) reached |= is_down(r, n->in[i]);
        if (down || (reached && fits(r, n, role) && !fixes_padding(r, n))) r->part[n->id] = DOWN;
    }
}

static bool reads_as_rows(const region *r, const use *u) {
    rows_role role[ROWS_INPUTS];
    if (is_inside(r, u->node)) return mixing_is_rows(u->node->in[u->index], r->batch, r->sequence);
    if (!part_of(r, u->node)) return false;
    if (in_region(r, u->node)) return u->index == 0;
    return rows_node(u->node, r->batch, r->sequence, role) && role[u->index] != ROWS_WHOLE;
}

/* Where v is a mask made as wide as what it is multiplied with, the narrow one does for nodes that broadcast. */
static value *narrow(const region *r, value *v) {
    const node *n = v->producer;
    if (!n || !node_is(n, "", "Expand") || v->is_output || !n->in[0] || n->in[0]->graph != r->at.g) return v;
    const type *t = &n->in[0]->type;
    return t->rank == v->type.rank && t->rank >= 3 && t->dim[0] == r->batch && t->dim[1] == r->sequence ? n->in[0] : v;
}

/* A Cast of a mask that was made wide: packed where it is read, narrow. */
static bool is_wide(const region *r, const node *n) {
    return node_is(n, "", "Cast") && n->in[0] && narrow(r, n->in[0]) != n->in[0];
}

static void mark_up(const region *r) {
    rows_role role[ROWS_INPUTS];
    for (const node *n = r->at.g->last; n; n = n->previous) {
        bool wanted = false;
        if (part_of(r, n) || is_inside(r, n)) continue;
        for (int i = 0; i < n->n_out; i++) {
            const value *v = n->out[i];
            if (v && v->type.rank < 3) continue; /* ids and the like: packed where they are read */
            for (int k = 0; v && k < v->n_uses && !wanted; k++) wanted = reads_as_rows(r, &v->uses[k]);
        }
        if (wanted && fits(r, n, role) && !is_wide(r, n)) r->part[n->id] = UP;
    }
}

/* ---- who reads it from outside ---- */

static reading reading_of(const region *r, const value *v, const use *u) {
    const node *n = u->node;
    int64_t axes[2];
    if (n->graph != r->at.g) return READ_NOT;
    if (is_inside(r, n)) return mixing_is_rows(v, r->batch, r->sequence) ? READ_PART : READ_NOT;
    if (rows_is_first(n)) return READ_FIRST;
    if (node_is(n, "", "Shape")) {
        for (int i = 2; i < v->type.rank; i++)
            if (dim_is_symbol(v->type.dim[i])) return READ_NOT;
        return READ_SHAPE;
    }
    if (!padding_is_zero(v, r->at.mask)) return padding_absorbs(n, r->at.mask) ? READ_UNPADDED : READ_NOT;
    if (node_is(n, "", "ReduceSum") && v->type.rank == 3 && v->type.dim[2] > 1 && v->type.dtype == HST_DTYPE_F32 &&
        match_axes(n, axes, 2) == 1 && (axes[0] == 1 || axes[0] == -2))
        return READ_SUM;
    return READ_UNPADDED;
}

/* The attention's own result where it is [batch, 1, …]: no rows. */
static bool is_query_result(const value *v) {
    return v->producer && node_is(v->producer, "hasten", "PackedAttention") && node_int(v->producer, "queries", 0);
}

/* What leads to the attentions may go on without them: whoever else needs the old values keeps them. */
static bool may_stay(const region *r, const value *v, reading how) {
    bool shown = v->is_output;
    if (is_down(r, v) || how == READ_FIRST || how == READ_SHAPE) return false;
    for (int k = 0; k < v->n_uses; k++) shown |= !part_of(r, v->uses[k].node) && r->how[v->id][k] == READ_NOT;
    return how != READ_PART || shown;
}

/* Who reads what is inside an attention, or what it computes otherwise than as rows. */
static void ask_readers_inside(region *r, const node *n) {
    for (int i = 0; i < n->n_out; i++) {
        const value *v = n->out[i];
        if (v && v->is_output) r->blocked = n;
        for (int k = 0; v && k < v->n_uses; k++) {
            const node *user = v->uses[k].node;
            if (is_inside(r, user) || node_is(user, "", "Shape") ||
                (user->graph == r->at.g && reads_as_rows(r, &v->uses[k])))
                continue;
            r->blocked = user;
        }
    }
}

static void ask_readers_of(region *r, const value *v) {
    for (int k = 0; k < v->n_uses; k++) {
        if (part_of(r, v->uses[k].node)) continue;
        const reading how = r->how[v->id][k] = reading_of(r, v, &v->uses[k]);
        if (how == READ_FIRST) r->first = true;
        if (how == READ_PART && v->is_output) r->blocked = v->uses[k].node; /* zeros and hidden rows at once */
    }
    for (int k = 0; k < v->n_uses && !r->blocked; k++)
        if (!part_of(r, v->uses[k].node) && r->how[v->id][k] == READ_NOT && !may_stay(r, v, READ_NOT))
            r->blocked = v->uses[k].node;
}

static hst_status ask_readers(region *r, hst_error *err) {
    for (const node *n = r->at.g->first; n && !r->blocked; n = n->next) {
        if (is_inside(r, n)) ask_readers_inside(r, n);
        if (!part_of(r, n)) continue;
        if (is_attention(n) && node_int(n, "queries", 0)) r->first = true;
        for (int i = 0; i < n->n_out && !r->blocked; i++) {
            const value *v = n->out[i];
            if (!v || is_query_result(v)) continue;
            if (!(r->how[v->id] = ARENA_ARRAY(r->arena, reading, v->n_uses + 1)))
                return error_no_memory(err, 0, "a rewrite of the graph");
            ask_readers_of(r, v);
        }
    }
    return HST_STATUS_OK;
}

/* ---- the region on packed rows ---- */

static type packed_type(const region *r, const type *t, rows_role role) {
    type p = *t;
    if (role == ROWS_AXIS_0) {
        p.rank++;
        for (int i = t->rank; i > 1; i--) p.dim[i] = t->dim[i - 1];
    }
    p.dim[0] = 1;
    p.dim[1] = r->rows;
    return p;
}

/* An axis is broadcast only where the graph did so: lengths that differ in a run are an error, even if one is 1. */
static value *make_pack(const region *r, patch *p, value *v, rows_role role) {
    const type t = packed_type(r, &v->type, role);
    value *const in[3] = {v, r->at.plan[0], r->at.mask};
    value *out = patch_value(p, &t);
    const int axis = role == ROWS_AXIS_1;
    const int64_t whole = (axis && v->type.dim[0] == r->batch) | (v->type.dim[axis] == r->sequence) << 1;
    node *n = patch_node(p, "hasten", "PackRows", 1, in, 3, &out, 1);
    return n && node_set_int(n, "axis", axis) && node_set_int(n, "whole", whole) ? out : NULL;
}

static bool known(const region *r, const value *v) {
    return v->id < r->n_values && r->twin[v->id];
}

/* The packed form of v, which is no part of the region or was made before. */
static value *pack(const region *r, patch *p, value *v, rows_role role, bool broadcasts) {
    value *made = NULL, *from = v;
    if (known(r, v) && (role == ROWS_AXIS_1 || part_of(r, v->producer))) return r->twin[v->id];
    node *cast = v->producer && node_is(v->producer, "", "Cast") && v->producer->in[0] ? v->producer : NULL;
    if (broadcasts && role == ROWS_AXIS_1) from = narrow(r, cast ? cast->in[0] : v);
    if (from == v || from == (cast ? cast->in[0] : v)) {
        made = make_pack(r, p, v, role);
        if (made && role == ROWS_AXIS_1 && v->id < r->n_values) r->twin[v->id] = made;
        return made;
    }
    made = make_pack(r, p, from, role);
    if (!made || !cast) return made;
    type t = made->type;
    t.dtype = v->type.dtype;
    value *out = patch_value(p, &t);
    node *n = patch_node(p, "", "Cast", cast->opset, &made, 1, &out, 1);
    return n && node_copy_attributes(n, cast) ? out : NULL;
}

/* Input i may be narrow: another one is as wide as the result. */
static bool may_be_narrow(const node *n, int i) {
    bool wide = false;
    for (int k = 0; k < n->n_in; k++) wide |= k != i && n->in[k] && type_equal(&n->in[k]->type, &n->out[0]->type);
    return wide && rows_broadcasts(n);
}

static hst_status make_plan(region *r, node *at, hst_error *err) {
    patch *p = patch_new(r->at.g, at);
    if (!p) return patch_fail(p, err);
    r->rows = dim_symbol(r->at.g->model, "");
    const type rows = type_make(HST_DTYPE_S64, 1, &r->rows);
    r->at.plan[0] = patch_value(p, &rows);
    r->at.plan[1] = patch_value(p, NULL);
    node *n = patch_node(p, "hasten", "PackPlan", 1, &r->at.mask, 1, r->at.plan, 2);
    if (!n || (r->first && !node_set_int(n, "first", 1))) return patch_fail(p, err);
    return patch_apply(p, err);
}

/* Node n again, over packed rows. */
static hst_status make_twin(const region *r, node *n, hst_error *err) {
    rows_role role[ROWS_INPUTS] = {ROWS_AXIS_1};
    value *in[ROWS_INPUTS] = {NULL}, *out[ROWS_INPUTS] = {NULL};
    const bool attention = is_attention(n);
    int n_in = n->n_in;
    if (n->n_out > ROWS_INPUTS) return HST_STATUS_OK;
    if (!attention) rows_node(n, r->batch, r->sequence, role);
    patch *p = patch_new(r->at.g, n);
    if (!p) return patch_fail(p, err);
    for (int i = 0; i < n->n_in; i++) {
        in[i] = n->in[i];
        if (in[i] && role[i] != ROWS_WHOLE && !(in[i] = pack(r, p, in[i], role[i], may_be_narrow(n, i))))
            return patch_fail(p, err);
    }
    if (attention) {
        in[3] = r->at.plan[0];
        in[4] = r->at.plan[1];
        n_in = n_in < 5 ? 5 : n_in;
    }
    for (int i = 0; i < n->n_out; i++) {
        if (!n->out[i]) continue;
        const type t = is_query_result(n->out[i]) ? n->out[i]->type : packed_type(r, &n->out[i]->type, ROWS_AXIS_1);
        r->twin[n->out[i]->id] = out[i] = patch_value(p, &t);
        if (is_query_result(n->out[i])) patch_replace(p, n->out[i], out[i]);
    }
    node *made = patch_node(p, n->domain, n->op_type, n->opset, in, n_in, out, n->n_out);
    if (!made || !node_copy_attributes(made, n)) return patch_fail(p, err);
    return patch_apply(p, err);
}

/* ---- turning readers to it ---- */

static hst_status turn_readers(const region *r, value *v, hst_error *err) {
    bool whole = v->is_output && is_down(r, v), hidden = false; /* may_stay: another output is never read whole */
    for (int k = 0; k < v->n_uses; k++) {
        node *n = v->uses[k].node;
        if (part_of(r, n)) continue;
        const reading how = r->how[v->id][k];
        if (may_stay(r, v, how)) continue;
        if (how == READ_FIRST) HST_TRY(unpack_first(&r->at, n, r->twin[v->id], err));
        if (how == READ_SUM) HST_TRY(unpack_sum(&r->at, n, r->twin[v->id], err));
        if (how == READ_SHAPE) HST_TRY(unpack_shape(&r->at, n, v, err));
        whole |= how == READ_UNPADDED || how == READ_PART;
        hidden |= how == READ_PART;
    }
    return whole ? unpack_whole(&r->at, v, r->twin[v->id], v->is_output, hidden, err) : HST_STATUS_OK;
}

static hst_status rewrite(region *r, hst_error *err) {
    node *stop = NULL; /* nodes up to the last of the old ones; new ones stand before theirs */
    for (node *n = r->at.g->first; n; n = n->next)
        if (part_of(r, n)) {
            if (!stop) HST_TRY(make_plan(r, n, err));
            HST_TRY(make_twin(r, n, err));
            stop = n;
        }
    for (node *n = r->at.g->first, *next; n; n = next) {
        next = n->next;
        for (int i = 0; part_of(r, n) && i < n->n_out; i++)
            if (n->out[i] && !is_query_result(n->out[i])) HST_TRY(turn_readers(r, n->out[i], err));
    }
    return HST_STATUS_OK;
}

/* ---- the pass ---- */

/* The region of the mask, beginning with rows like `rows` [batch, sequence, …]. */
static hst_status find_region(graph *g, value *mask, const type *rows, region *r, hst_error *err) {
    const model *m = g->model;
    arena *a = arena_new(arena_allocator(m->arena));
    int place = 0;
    *r = (region){.at = {.g = g, .mask = mask}, .n_nodes = m->n_nodes, .n_values = m->n_values, .arena = a};
    if (!a) return error_no_memory(err, 0, "a rewrite of the graph");
    r->batch = rows->dim[0];
    r->sequence = rows->dim[1];
    r->part = ARENA_ARRAY(a, unsigned char, r->n_nodes + 1);
    r->mixing.inside = ARENA_ARRAY(a, unsigned char, r->n_nodes + 1);
    r->twin = ARENA_ARRAY(a, value *, r->n_values + 1);
    r->how = ARENA_ARRAY(a, reading *, r->n_values + 1);
    r->order = ARENA_ARRAY(a, int, r->n_nodes + 1);
    if (!r->part || !r->mixing.inside || !r->twin || !r->how || !r->order)
        return error_no_memory(err, 0, "a rewrite of the graph");
    for (const node *n = g->first; n; n = n->next) r->order[n->id] = place++;
    mixing_find(g, mask, r->batch, r->sequence, &r->mixing);
    mark_down(r);
    mark_up(r);
    return ask_readers(r, err);
}

static bool region_is_any(const region *r) {
    bool any = r->mixing.count > 0;
    for (const node *n = r->at.g->first; n && !any; n = n->next) any = part_of(r, n) && is_attention(n);
    return any;
}

#define MASKS_MOST 16

typedef struct masks {
    int n;
    value *mask[MASKS_MOST];
    const type *rows[MASKS_MOST]; /* whose first two axes are those of the rows */
} masks;

static void add_mask(masks *m, value *mask, const type *rows) {
    for (int i = 0; i < m->n; i++)
        if (m->mask[i] == mask) return;
    if (m->n == MASKS_MOST) return;
    m->mask[m->n] = mask;
    m->rows[m->n++] = rows;
}

/* The masks of attentions, then the inputs that might be masks. */
static masks find_masks(const graph *g) {
    masks m = {0};
    for (const node *n = g->first; n; n = n->next)
        if (is_attention(n)) add_mask(&m, n->in[1], &n->in[0]->type);
    for (int i = 0; i < g->n_inputs; i++) {
        value *v = g->inputs[i];
        if (v->type.rank == 2 && dtype_bits(v->type.dtype) >= 8 && v->type.dtype != HST_DTYPE_STRING && !v->constant &&
            dim_is_symbol(v->type.dim[1]))
            add_mask(&m, v, &v->type);
    }
    return m;
}

static hst_status unpad(graph *g, bool *changed, hst_error *err) {
    if (g->parent) return HST_STATUS_OK; /* a plan holds for a run of the whole model */
    const masks m = find_masks(g);
    for (int i = 0; i < m.n && !*changed; i++) {
        region r;
        hst_status status = find_region(g, m.mask[i], m.rows[i], &r, err);
        *changed = status == HST_STATUS_OK && !r.blocked && region_is_any(&r);
        if (*changed) status = rewrite(&r, err);
        arena_free(r.arena);
        HST_TRY(status);
    }
    return HST_STATUS_OK;
}

static void explain(const region *r, char *to, size_t size) {
    const node *n = r->blocked;
    const value *v = r->mixing.shows;
    if (n && (region_is_any(r) || !v))
        snprintf(to, size, "not packed, because %s '%s' reads %s", n->op_type, n->name,
                 strcmp(n->op_type, "DynamicQuantizeLinear") == 0 ? "its scale off padding rows too" : "padding rows");
    else if (v)
        snprintf(to, size, "not packed, because what %s '%s' computes depends on padding rows", v->producer->op_type,
                 v->producer->name);
}

static void why_not(graph *g, char *to, size_t size) {
    bool found = false;
    snprintf(to, size,
             "not packed, because no attention that a padding mask [batch, sequence] hides keys from was found");
    if (g->parent) return;
    const masks m = find_masks(g);
    for (int i = 0; i < m.n && !found; i++) {
        region r;
        if (find_region(g, m.mask[i], m.rows[i], &r, NULL) == HST_STATUS_OK && (r.blocked || r.mixing.shows)) {
            explain(&r, to, size);
            found = region_is_any(&r);
        }
        arena_free(r.arena);
    }
}

HST_GRAPH_PASS(unpad) = {.name = "unpad",
                         .order = 80,
                         .graph = unpad,
                         .why_not = why_not,
                         .summary = "left padding rows out, from the embeddings to the outputs"};
