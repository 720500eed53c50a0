/* From each value that is read as rows, but comes from a node that is not row by row, back to rows that come from one
 * that is: what lies between is the part. It is run under several masks, with two contents of the hidden rows. */
#include "passes/mixing.h"

#include <string.h>

#include "passes/match.h"
#include "passes/padding.h"
#include "passes/probe.h"
#include "passes/rows.h"

#define NODES   192
#define VALUES  384
#define LONGEST 256 /* sequence that is tried */
#define HIDDEN  4   /* about what stands in hidden rows: scores stay far above what masks add */

typedef struct part {
    const value *mask;
    dim batch, sequence;
    const value *result, *rows[PROBE_LEAVES - 1];
    const node *nodes[NODES];
    int n_rows, n_nodes;
    bool masked; /* reads the mask */
} part;

bool mixing_is_rows(const value *v, dim batch, dim sequence) {
    return v && v->type.rank >= 3 && v->type.dim[0] == batch && v->type.dim[1] == sequence;
}

static bool is_known(const value *v) {
    return (v->constant && !v->is_input) || v->content || (v->producer && node_is(v->producer, "", "Shape"));
}

static bool row_by_row(const node *n, dim batch, dim sequence) {
    rows_role role[ROWS_INPUTS];
    return node_is(n, "hasten", "PackedAttention") || rows_node(n, batch, sequence, role);
}

/* Do rows come out of n that are none where they come in? A Mul behind the Reshape into heads is part of what follows.
 */
static bool starts_inside(const node *n, dim batch, dim sequence, const mixing *m) {
    rows_role role[ROWS_INPUTS];
    if (!rows_node(n, batch, sequence, role)) return false;
    for (int i = 0; i < n->n_in; i++) {
        const node *from = n->in[i] ? n->in[i]->producer : NULL;
        if (from && role[i] == ROWS_AXIS_1 && mixing_is_rows(n->in[i], batch, sequence) && !m->inside[from->id] &&
            !row_by_row(from, batch, sequence) && !is_known(n->in[i]))
            return true;
    }
    return false;
}

#define NEAR 3 /* steps between rows that show in the few rows that are tried */

static bool far(const int64_t *x, int count) {
    for (int i = 0; i < count; i++)
        if ((x[i] > NEAR || x[i] < -NEAR) && x[i] < INT32_MAX && x[i] > INT32_MIN) return true;
    return false;
}

/* Numbers of n, as an attribute or input i. */
static bool far_numbers(const node *n, const char *name, int i) {
    const int64_t *given;
    int64_t read[64];
    int count = node_ints(n, name, &given);
    if (count > 0) return far(given, count);
    const hst_tensor *t = i > 0 && i < n->n_in ? match_constant(n->in[i]) : NULL;
    if (!t) return false;
    return tensor_read_s64(t, read, 64, &count, NULL) != HST_STATUS_OK || far(read, count);
}

/* Does n cut along axes of known length alone? */
static bool cuts_known_axes(const node *n) {
    int64_t axes[HST_RANK_MAX];
    int count = 0;
    const type *t = &n->in[0]->type;
    const hst_tensor *given = n->n_in > 3 ? match_constant(n->in[3]) : NULL;
    if (!given || t->rank < 0 || tensor_read_s64(given, axes, HST_RANK_MAX, &count, NULL) != HST_STATUS_OK)
        return false;
    for (int i = 0; i < count; i++) {
        const int64_t axis = axes[i] < 0 ? axes[i] + t->rank : axes[i];
        if (axis < 0 || axis >= t->rank || dim_is_symbol(t->dim[axis])) return false;
    }
    return true;
}

/* May n bring rows together that are further apart than those that are tried, by dilation or by a shift? */
static bool reaches_far(const node *n) {
    if (far_numbers(n, "dilations", 0)) return true;
    if (node_is(n, "", "Slice") && n->in[0] && !cuts_known_axes(n))
        return far_numbers(n, "starts", 1) || far_numbers(n, "ends", 2);
    return node_is(n, "", "Pad") && far_numbers(n, "pads", 1);
}

/* The part behind p->result; false where it leads to something else that is fed. */
static bool collect(part *p, const mixing *m) {
    const value *list[VALUES];
    int n = 0;
    list[n++] = p->result;
    for (int at = 0; at < n; at++) {
        const value *v = list[at];
        const node *from = v->producer;
        p->masked |= v == p->mask;
        if (v == p->mask || is_known(v)) continue;
        if (!from || from->graph != p->result->graph) return false;
        if (mixing_is_rows(v, p->batch, p->sequence) && row_by_row(from, p->batch, p->sequence) &&
            !padding_is_of_mask(v, p->mask) && !starts_inside(from, p->batch, p->sequence, m)) {
            if (p->n_rows == PROBE_LEAVES - 1) return false;
            p->rows[p->n_rows++] = v;
            continue;
        }
        if (reaches_far(from)) return false;
        bool known = false;
        for (int i = 0; i < p->n_nodes && !known; i++) known = p->nodes[i] == from;
        if (!known) {
            if (p->n_nodes == NODES) return false;
            p->nodes[p->n_nodes++] = from;
        }
        for (int i = 0; i < from->n_in; i++) {
            bool seen = !from->in[i];
            for (int k = 0; k < n && !seen; k++) seen = list[k] == from->in[i];
            if (seen) continue;
            if (n == VALUES) return false;
            list[n++] = from->in[i];
        }
    }
    return p->n_rows > 0;
}

static bool is_of_positions(const value *v) {
    value *fed[1];
    return probe_inputs(v, NULL, fed, 0) == 0;
}

/* Does v, made of positions alone, choose at n among what is fed? */
static bool chooses(const node *n, const value *v) {
    static const char *const names[] = {"Where", "Mul", "Div", "Min", "Max", "And", "Or"};
    bool among = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) among |= node_is(n, "", names[i]);
    return among && is_of_positions(v) && n->out[0] && !is_of_positions(n->out[0]);
}

/* A length at which what the part makes of the mask, and of positions to choose by, shows what it is at any length; 0:
 * none. */
static int64_t length_for(const part *p) {
    int64_t length = PROBE_LENGTH;
    for (int k = 0; k < p->n_nodes; k++)
        for (int i = 0; i < p->nodes[k]->n_in && length; i++) {
            const value *v = p->nodes[k]->in[i];
            if (!v || v == p->mask || is_known(v)) continue;
            if (padding_is_of_mask(v, p->mask) || chooses(p->nodes[k], v))
                length = probe_reach(v, p->mask, length, LONGEST);
        }
    return length;
}

static hst_tensor *run_part(const part *p, int64_t length, int64_t *dims, int pattern, double hidden) {
    probe probe = {0};
    hst_tensor *made[PROBE_LEAVES] = {NULL}, *out = NULL;
    bool ok = probe_rows(&probe, p->mask, length, dims) && probe_assign(&probe, p->batch, dims[0]) &&
              probe_assign(&probe, p->sequence, dims[1]) && (made[0] = probe_mask(p->mask, dims, pattern)) &&
              probe_leaf(&probe, p->mask, made[0]);
    for (int i = 0; i < p->n_rows && ok; i++)
        ok = (made[i + 1] = probe_state(p->rows[i], dims, pattern, hidden)) &&
             probe_leaf(&probe, p->rows[i], made[i + 1]);
    if (ok) out = probe_run(&probe, p->result);
    for (int i = 0; i <= p->n_rows; i++) tensor_free(made[i]);
    return out;
}

/* Are the shown rows of both the same? */
static bool same_rows(const hst_tensor *a, const hst_tensor *b, const int64_t *dims, int pattern) {
    const int64_t rows = dims[0] * dims[1];
    if (!a || !b || a->rank < 3 || a->bytes != b->bytes || !a->bytes || a->dtype == HST_DTYPE_STRING) return false;
    if (a->dim[0] != dims[0] || a->dim[1] != dims[1] || dtype_bits(a->dtype) < 8) return false;
    const size_t row = a->bytes / (size_t)rows;
    for (int64_t i = 0; i < rows; i++)
        if (probe_shows(pattern, i / dims[1], i % dims[1], dims[1]) &&
            memcmp((char *)a->data + (size_t)i * row, (char *)b->data + (size_t)i * row, row) != 0)
            return false;
    return true;
}

static bool hides_padding_at(const part *p, int64_t length, int patterns) {
    for (int pattern = 0; pattern < patterns; pattern++) {
        int64_t dims[2];
        hst_tensor *a = run_part(p, length, dims, pattern, -HIDDEN), *b = run_part(p, length, dims, pattern, HIDDEN);
        const bool same = same_rows(a, b, dims, pattern);
        tensor_free(a);
        tensor_free(b);
        if (!same) return false;
    }
    return true;
}

#define SIDES 2 /* the first patterns, padding on the right and on the left: rows at every distance from it */

static bool hides_padding(const part *p) {
    const int64_t length = length_for(p);
    if (!length || !hides_padding_at(p, PROBE_LENGTH, PROBE_PATTERNS)) return false;
    return length == PROBE_LENGTH || hides_padding_at(p, length, SIDES);
}

/* Those of its nodes that rows lead to are inside; the others may serve anyone. */
static void mark(const part *p, mixing *m) {
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < p->n_nodes; i++) {
            const node *n = p->nodes[i];
            bool reached = false;
            for (int k = 0; k < n->n_in && !m->inside[n->id]; k++) {
                reached |= n->in[k] && n->in[k]->producer && m->inside[n->in[k]->producer->id] == 2;
                for (int j = 0; j < p->n_rows; j++) reached |= n->in[k] == p->rows[j];
            }
            if (!reached || node_is(n, "", "Shape")) continue;
            m->inside[n->id] = 2; /* of this part */
            more = true;
        }
    }
    for (int i = 0; i < p->n_nodes; i++)
        if (m->inside[p->nodes[i]->id]) m->inside[p->nodes[i]->id] = 1;
}

static void try_part(const value *result, const value *mask, dim batch, dim sequence, bool masked, mixing *m) {
    part p = {.mask = mask, .batch = batch, .sequence = sequence, .result = result};
    if (!collect(&p, m) || p.masked != masked) return;
    if (hides_padding(&p)) {
        m->count += masked;
        mark(&p, m);
    } else if (!m->shows)
        m->shows = result;
}

void mixing_find(const graph *g, const value *mask, dim batch, dim sequence, mixing *m) {
    rows_role role[ROWS_INPUTS];
    if (!dim_is_symbol(sequence) || mask->type.rank != 2) return;
    for (int masked = 1; masked >= 0; masked--) /* then those that only lay rows out anew */
        for (const node *n = g->first; n; n = n->next) {
            if (m->inside[n->id] || !rows_node(n, batch, sequence, role)) continue;
            for (int i = 0; i < n->n_in; i++) {
                const value *v = n->in[i];
                if (role[i] != ROWS_AXIS_1 || !mixing_is_rows(v, batch, sequence) || v->graph != g || is_known(v))
                    continue;
                if (!v->producer || m->inside[v->producer->id] || row_by_row(v->producer, batch, sequence)) continue;
                try_part(v, mask, batch, sequence, masked, m);
            }
        }
}
