/* Shape inference over graphs, and what operators' infer functions share. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text_buffer.h"
#include "ops/op.h"

static const type unknown_type = {.rank = -1};

const type *infer_in(const infer_context *c, int i) {
    return i < c->n_in ? &c->in[i] : &unknown_type;
}

int infer_ints(const infer_context *c, int i, int64_t *to, int most) {
    int n = infer_dims(c, i, to, most);
    for (int k = 0; k < n; k++)
        if (dim_is_symbol(to[k])) return -1;
    return n;
}

int infer_dims(const infer_context *c, int i, dim *to, int most) {
    if (i >= c->n_in) return -1;
    int n = -1;
    if (c->constant[i]) {
        if (tensor_read_s64(c->constant[i], to, most, &n, NULL) != HST_STATUS_OK) return -1;
        for (int k = 0; k < n; k++)
            if (dim_is_symbol(to[k])) return -1; /* a number that looks like a symbol: nothing sensible */
        return n;
    }
    if (!c->content[i] || c->content_count[i] > most) return -1;
    n = c->content_count[i];
    memcpy(to, c->content[i], (size_t)n * sizeof *to);
    return n;
}

void infer_content(infer_context *c, int out, const dim *dims, int count) {
    dim *copy = arena_copy(c->model->arena, dims, (size_t)count * sizeof *dims);
    if (!copy || out >= c->node->n_out) return;
    c->out_content[out] = copy;
    c->out_content_count[out] = count;
}

hst_status infer_broadcast(infer_context *c, const type *a, const type *b, type *out, hst_error *err) {
    if (a->rank < 0 || b->rank < 0) return HST_STATUS_OK;
    out->rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 0; i < out->rank; i++) {
        int ia = i - (out->rank - a->rank), ib = i - (out->rank - b->rank);
        dim da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];
        if (da == db || db == 1)
            out->dim[i] = da;
        else if (da == 1)
            out->dim[i] = db;
        else if (da >= 0 && db >= 0)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "cannot broadcast %lld with %lld on axis %d of %d",
                              (long long)da, (long long)db, i, out->rank);
        else if (da >= 0 || db >= 0)
            out->dim[i] = da > db ? da : db; /* the number: a symbol that is not 1 must equal it */
        else if (dim_is_min(c->model, da, db) || dim_is_min(c->model, db, da))
            out->dim[i] = dim_is_min(c->model, da, db) ? db : da;
        else
            out->dim[i] = dim_symbol(c->model, "");
    }
    return HST_STATUS_OK;
}

hst_status axis_normalize(const node *n, int64_t axis, int rank, int *out, hst_error *err) {
    if (axis < -(int64_t)rank || axis >= rank)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "axis %lld out of range for rank %d", (long long)axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return HST_STATUS_OK;
}

hst_status axes_read(const node *n, const int64_t *axes, int count, int rank, int *out, bool *named, hst_error *err) {
    bool seen[HST_RANK_MAX] = {false};
    for (int k = 0; k < count; k++) {
        int axis = k;
        HST_TRY(axis_normalize(n, axes ? axes[k] : k, rank, &axis, err));
        if (seen[axis]) return node_error(n, err, HST_STATUS_BAD_SHAPE, "axes name axis %d twice", axis);
        seen[axis] = true;
        if (out) out[k] = axis; /* k < rank: none was named twice */
    }
    for (int k = 0; k < rank && named; k++) named[k] = seen[k];
    return HST_STATUS_OK;
}

static bool op_is(const op *o, const char *domain, const char *op_type, int opset) {
    return strcmp(o->name, op_type) == 0 && strcmp(o->domain, domain) == 0 && opset >= o->since &&
           (!o->until || opset <= o->until);
}

static const op *op_of_node(const node *n) {
    const model *m = n->graph->model;
    const char *domain = strcmp(n->domain, "ai.onnx") == 0 ? "" : n->domain;
    for (int i = 0; i < m->n_operators; i++)
        if (op_is(m->operators[i], domain, n->op_type, n->opset)) return m->operators[i];
    return op_find(n->domain, n->op_type, n->opset);
}

const op *op_find(const char *domain, const char *op_type, int opset) {
    if (strcmp(domain, "ai.onnx") == 0) domain = "";
    for (int i = 0; i < op_list_count; i++) {
        if (op_is_here(op_list[i]) && op_is(op_list[i], domain, op_type, opset)) return op_list[i];
    }
    return NULL;
}

static hst_status check_form(const node *n, hst_error *err) {
    const op *o = n->op;
    if (n->n_in < o->min_in || (o->max_in != OP_ANY && n->n_in > o->max_in))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "has %d inputs, the operator takes %d to %d", n->n_in,
                          o->min_in, o->max_in);
    for (int i = 0; i < o->min_in; i++)
        if (!n->in[i] && !(i < 32 && o->holes >> i & 1))
            return node_error(n, err, HST_STATUS_BAD_FORMAT, "input %d is omitted, the operator needs it", i);
    if (n->n_out < o->min_out || (o->max_out != OP_ANY && n->n_out > o->max_out))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "has %d outputs, the operator gives %d to %d", n->n_out,
                          o->min_out, o->max_out);
    return op_check_attributes(n, err);
}

/* Calls fn for each subgraph of a node. */
static hst_status each_subgraph(const node *n, hst_status (*fn)(graph *, void *, hst_error *), void *user,
                                hst_error *err) {
    for (int k = 0; k < n->n_attributes; k++) {
        const attribute *a = &n->attributes[k];
        if (a->reference) continue;
        if (a->type == ATTRIBUTE_GRAPH) HST_TRY(fn(a->as.graph, user, err));
        for (int64_t j = 0; a->type == ATTRIBUTE_GRAPHS && j < a->n; j++) HST_TRY(fn(a->as.graphs[j], user, err));
    }
    return HST_STATUS_OK;
}

#define UNSUPPORTED_MOST 24 /* names listed in one message */

typedef struct resolver {
    text_buffer missing;
    int count;
    const char *names[UNSUPPORTED_MOST];
    const char *domains[UNSUPPORTED_MOST];
} resolver;

static void note_missing(resolver *r, const node *n) {
    for (int i = 0; i < r->count; i++)
        if (strcmp(r->names[i], n->op_type) == 0 && strcmp(r->domains[i], n->domain) == 0) return;
    if (r->count == UNSUPPORTED_MOST) return;
    r->names[r->count] = n->op_type;
    r->domains[r->count] = n->domain;
    text_buffer_format(&r->missing, "%s%s%s%s (opset %d)", r->count ? ", " : "", n->domain, *n->domain ? "." : "",
                       n->op_type, n->opset);
    r->count++;
}

static hst_status resolve(graph *g, void *user, hst_error *err) {
    for (node *n = g->first; n; n = n->next) {
        n->op = op_of_node(n);
        if (!n->op)
            note_missing(user, n);
        else
            HST_TRY(check_form(n, err));
        HST_TRY(each_subgraph(n, resolve, user, err));
    }
    return HST_STATUS_OK;
}

hst_status ops_resolve(graph *g, hst_error *err) {
    resolver r = {{0}, 0, {0}, {0}};
    hst_status status = resolve(g, &r, err);
    if (status == HST_STATUS_OK && r.count)
        status = error_set(err, HST_STATUS_UNSUPPORTED, g->name, "unsupported operator%s: %s", r.count > 1 ? "s" : "",
                           r.missing.data ? r.missing.data : r.names[0]);
    text_buffer_free(&r.missing);
    return status;
}

/* Converters write shapes that their nodes do not compute (skl2onnx, for one), and such files run elsewhere. */
static void note_wrong(const node *n, const value *v, int64_t declared, int64_t computed, const char *what) {
    char label[160];
    log_write(LOG_WARNING, "%s: output '%s' is declared with %s %lld but has %lld", node_label(n, label, sizeof label),
              v->name, what, (long long)declared, (long long)computed);
}

/* Keeps the more exact of what was known and what was inferred; where shapes differ, what was inferred. */
static hst_status merge(const node *n, value *v, const type *inferred, hst_error *err) {
    type *t = &v->type;
    if (inferred->dtype != HST_DTYPE_NONE) {
        if (t->dtype != HST_DTYPE_NONE && t->dtype != inferred->dtype)
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "output '%s' is declared %s but computes %s", v->name,
                              dtype_name(t->dtype), dtype_name(inferred->dtype));
        t->dtype = inferred->dtype;
    }
    if (inferred->element != HST_DTYPE_NONE) t->element = inferred->element;
    if (inferred->key != HST_DTYPE_NONE) t->key = inferred->key;
    t->optional |= inferred->optional;
    if (inferred->rank < 0) return HST_STATUS_OK;
    if (t->rank >= 0 && t->rank != inferred->rank) note_wrong(n, v, t->rank, inferred->rank, "rank");
    if (t->rank != inferred->rank) {
        t->rank = inferred->rank;
        memcpy(t->dim, inferred->dim, sizeof t->dim);
        return HST_STATUS_OK;
    }
    for (int i = 0; i < t->rank; i++) {
        dim a = t->dim[i], b = inferred->dim[i];
        if (a >= 0 && b >= 0 && a != b) {
            note_wrong(n, v, a, b, "length");
            t->dim[i] = b;
        }
        /* A named symbol says more than one that inference made, and an older one of these more than a fresh one. */
        const char *had = dim_name(n->graph->model, a), *name = dim_name(n->graph->model, b);
        if (a >= 0) continue;
        if (b >= 0 || *name || (!*had && b > a)) t->dim[i] = b;
    }
    return HST_STATUS_OK;
}

typedef struct infer_memory { /* arrays for one node, kept between nodes */
    const hst_allocator *allocator;
    char *data;
    size_t size;
} infer_memory;

/* A shape that cannot be: nothing of it reaches arithmetic that trusts lengths. */
static hst_status check_type(const node *n, const char *what, int i, const type *t, hst_error *err) {
    bool numbers = t->dtype != HST_DTYPE_NONE && t->dtype != HST_DTYPE_SEQUENCE && t->dtype != HST_DTYPE_OPTIONAL;
    size_t bytes;
    char text[160];
    for (int k = 0; k < t->rank; k++) {
        if (t->dim[k] == DIM_TOO_LARGE)
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "%s %d: the length of axis %d does not fit into 64 bits",
                              what, i, k);
        if (t->dim[k] < 0 && !dim_is_symbol(t->dim[k]))
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "%s %d has length %lld on axis %d", what, i,
                              (long long)t->dim[k], k);
        numbers = numbers && t->dim[k] >= 0;
    }
    if (t->rank < 0 || !numbers || shape_bytes(t->dtype, t->rank, t->dim, &bytes, NULL) == HST_STATUS_OK)
        return HST_STATUS_OK;
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "%s %d would be %s, which no memory holds", what, i,
                      type_format(n->graph->model, t, text, sizeof text));
}

static hst_status infer_node(node *n, infer_memory *memory, hst_error *err) {
    size_t in = (size_t)n->n_in, out = (size_t)n->n_out;
    size_t need = in * (sizeof(type) + 2 * sizeof(void *) + sizeof(int)) + 64 +
                  out * (sizeof(type) + sizeof(void *) + sizeof(int)) + 64;
    if (need > memory->size) {
        memory_free(memory->allocator, memory->data, memory->size);
        memory->size = 0;
        memory->data = memory_alloc(memory->allocator, need * 2, 16);
        if (!memory->data) return error_no_memory(err, need * 2, "shape inference");
        memory->size = need * 2;
    }
    type *in_types = (type *)memory->data, *out_types = in_types + in;
    const hst_tensor **constants = (const hst_tensor **)(out_types + out);
    const dim **contents = (const dim **)(constants + in), **out_contents = contents + in;
    int *counts = (int *)(out_contents + out), *out_counts = counts + in;
    for (size_t i = 0; i < in; i++) {
        value *v = n->in[i];
        in_types[i] = v ? v->type : unknown_type;
        constants[i] = v && !v->is_input ? v->constant : NULL; /* a default may be replaced */
        contents[i] = v ? v->content : NULL;
        counts[i] = v ? v->content_count : 0;
    }
    for (size_t i = 0; i < out; i++) {
        out_types[i] = unknown_type;
        out_contents[i] = NULL;
        out_counts[i] = 0;
    }
    infer_context c = {n,      n->graph->model, in_types, n->n_in,      constants, contents,
                       counts, out_types,       n->n_out, out_contents, out_counts};
    for (int i = 0; i < n->n_in; i++) {
        HST_TRY(check_type(n, "input", i, &in_types[i], err));
        /* what an optional tensor holds may be given; what an optional list holds may not, either */
        if (!in_types[i].optional || in_types[i].dtype != HST_DTYPE_OPTIONAL)
            HST_TRY(eval_check_list(n, i, in_types[i].dtype, err));
    }
    HST_TRY(n->op->infer(&c, err));
    for (size_t i = 0; i < out; i++) {
        value *v = n->out[i];
        if (!v) continue;
        HST_TRY(check_type(n, "output", (int)i, &out_types[i], err));
        for (int k = 0; k < out_types[i].rank && !n->graph->parent; k++)
            dim_assume_length(c.model, out_types[i].dim[k]);
        HST_TRY(merge(n, v, &out_types[i], err));
        if (out_contents[i] && (v->type.rank == 0 || v->type.rank == 1)) {
            v->content = out_contents[i];
            v->content_count = out_counts[i];
        }
    }
    return HST_STATUS_OK;
}

static hst_status infer_subgraph(graph *g, void *user, hst_error *err) {
    (void)user;
    return graph_infer(g, err);
}

hst_status graph_infer(graph *g, hst_error *err) {
    infer_memory memory = {arena_allocator(g->model->arena), NULL, 0};
    hst_status status = HST_STATUS_OK;
    for (node *n = g->first; n && status == HST_STATUS_OK; n = n->next) {
        if (!n->op && !g->model->partial)
            status = node_error(n, err, HST_STATUS_INTERNAL, "operator was not resolved before inference");
        else if ((status = each_subgraph(n, infer_subgraph, NULL, err)) == HST_STATUS_OK && n->op && n->op->infer)
            status = infer_node(n, &memory, err);
    }
    memory_free(memory.allocator, memory.data, memory.size);
    return status;
}
