/* A Gradient names values: y, and those that y is a function of, xs and zs. Its inputs are where the derivatives are
 * wanted, xs first, and often those very values. So, for one Gradient,
 *  1. what leads from xs and zs to y is found, going back from y;
 *  2. what of it reads another input than the named value is copied onto the Gradient's inputs, the rest is used as it
 * is;
 *  3. going back from y again, each node adds what its rule says to the derivatives of its inputs (gradient_rules.c);
 *  4. the Gradient's outputs become the results: of sum(y), zeros where y does not depend on the x.
 * A y that is made by another Gradient waits until that one is replaced. */
#include "convert/gradient.h"

#include <string.h>

#include "base/names.h"
#include "convert/gradient_rules.h"
#include "ops/op.h"

#define DOMAIN    "ai.onnx.preview.training"
#define WORK_MOST 2000000 /* nodes looked at for all Gradients of a model: derivatives of derivatives grow */

enum {
    NEEDED = 1,
    SOURCE = 2,
    DEPENDS = 4,
    ACTIVE = 8
}; /* of a value: leads to y; in xs or zs; on them; on xs, floats */

typedef struct named { /* by a Gradient, found before anything changes */
    node *node;
    value *y, **sources; /* xs, then zs */
    int n_xs, n_sources;
    bool done;
} named;

typedef struct differ {
    model *model;
    named *all;
    int n;
    int64_t work;
    /* of the Gradient at hand, by the ids of the values that there were before it */
    unsigned char *flags;
    value **copy, **slope; /* what stands for the value; d sum(y) / d value */
    int n_values;
    hst_error *err;
} differ;

static bool is_gradient(const node *n) {
    return node_is(n, DOMAIN, "Gradient");
}

/* Calls visit for each node of a graph and of those within. The reader limits their depth. */
static hst_status each_node(const graph *g, hst_status (*visit)(void *, node *), void *user) {
    for (node *n = g->first; n; n = n->next) {
        HST_TRY(visit(user, n));
        for (int k = 0; k < n->n_attributes; k++) {
            const attribute *a = &n->attributes[k];
            if (a->reference) continue;
            if (a->type == ATTRIBUTE_GRAPH) HST_TRY(each_node(a->as.graph, visit, user));
            for (int64_t j = 0; a->type == ATTRIBUTE_GRAPHS && j < a->n; j++)
                HST_TRY(each_node(a->as.graphs[j], visit, user));
        }
    }
    return HST_STATUS_OK;
}

static hst_status count_work(differ *d, const node *n, int64_t nodes) {
    d->work += nodes;
    if (d->work <= WORK_MOST) return HST_STATUS_OK;
    return node_error(n, d->err, HST_STATUS_UNSUPPORTED, "the derivatives take more than %d steps to derive",
                      WORK_MOST);
}

/* ---- names ---- */

static hst_status add_name(differ *d, names *known, value *v) {
    if (!v || !*v->name) return HST_STATUS_OK;
    void **item = names_add(known, names_text(v->name));
    if (!item) return error_no_memory(d->err, 0, "the names of a graph");
    if (!*item) *item = v;
    return HST_STATUS_OK;
}

/* The values that a node of g can name: g's own, then those of the graphs around it. */
static hst_status index_names(differ *d, const graph *g, names *known) {
    for (; g; g = g->parent) {
        HST_TRY(count_work(d, d->all[0].node, g->n_nodes));
        for (int i = 0; i < g->n_inputs; i++) HST_TRY(add_name(d, known, g->inputs[i]));
        for (int i = 0; i < g->n_initializers; i++) HST_TRY(add_name(d, known, g->initializers[i]));
        for (const node *n = g->first; n; n = n->next)
            for (int i = 0; i < n->n_out; i++) HST_TRY(add_name(d, known, n->out[i]));
    }
    return HST_STATUS_OK;
}

static hst_status find_name(differ *d, const node *n, const names *known, const char *list, hst_string name,
                            value **to) {
    void **item = names_find(known, (proto_slice){(const unsigned char *)name.data, name.size});
    if (!item || !*item)
        return node_error(n, d->err, HST_STATUS_BAD_FORMAT, "%s names '%.*s', which is no value of its graph", list,
                          (int)(name.size < 200 ? name.size : 200), name.data);
    *to = *item;
    return HST_STATUS_OK;
}

static const attribute *strings_of(const node *n, const char *name) {
    const attribute *a = node_attribute(n, name);
    return a && a->type == ATTRIBUTE_STRINGS ? a : NULL;
}

static hst_status read_names(differ *d, named *a, const names *known) {
    const node *n = a->node;
    const attribute *xs = strings_of(n, "xs"), *zs = strings_of(n, "zs"), *y = node_attribute(n, "y");
    if (!xs || !y || y->type != ATTRIBUTE_STRING)
        return node_error(n, d->err, HST_STATUS_BAD_FORMAT, "needs the attributes xs (strings) and y (a string)");
    int64_t count = xs->n + (zs ? zs->n : 0);
    if (n->n_in != count || n->n_out > xs->n)
        return node_error(n, d->err, HST_STATUS_BAD_FORMAT,
                          "has %d inputs and %d outputs, but names %lld xs and %lld zs", n->n_in, n->n_out,
                          (long long)xs->n, (long long)(count - xs->n));
    a->n_xs = (int)xs->n;
    a->n_sources = (int)count;
    if (!(a->sources = ARENA_ARRAY(d->model->arena, value *, count + 1)))
        return error_no_memory(d->err, 0, "the names of a Gradient");
    for (int i = 0; i < n->n_in; i++) {
        if (!n->in[i]) return node_error(n, d->err, HST_STATUS_BAD_FORMAT, "input %d is omitted", i);
        const attribute *list = i < a->n_xs ? xs : zs;
        HST_TRY(find_name(d, n, known, list == xs ? "xs" : "zs", list->as.strings[list == xs ? i : i - a->n_xs],
                          &a->sources[i]));
    }
    return find_name(d, n, known, "y", y->as.s, &a->y);
}

static hst_status count_gradient(void *user, node *n) {
    differ *d = user;
    d->n += is_gradient(n);
    return HST_STATUS_OK;
}

static hst_status collect_gradient(void *user, node *n) {
    differ *d = user;
    if (is_gradient(n)) d->all[d->n++].node = n;
    return HST_STATUS_OK;
}

/* All Gradients of the model with what they name. */
static hst_status collect(differ *d) {
    HST_TRY(each_node(d->model->main, count_gradient, d));
    if (!d->n) return HST_STATUS_OK;
    if (!(d->all = ARENA_ARRAY(d->model->arena, named, d->n)))
        return error_no_memory(d->err, (size_t)d->n * sizeof *d->all, "the Gradients of a model");
    d->n = 0;
    HST_TRY(each_node(d->model->main, collect_gradient, d));
    arena *scratch = arena_new(arena_allocator(d->model->arena));
    names known = {0};
    hst_status status = scratch ? HST_STATUS_OK : error_no_memory(d->err, 0, "the names of a graph");
    for (int i = 0; i < d->n && status == HST_STATUS_OK; i++) {
        const graph *g = d->all[i].node->graph;
        if (!i || d->all[i - 1].node->graph != g) {
            names_begin(&known, scratch);
            status = index_names(d, g, &known);
        }
        if (status == HST_STATUS_OK) status = read_names(d, &d->all[i], &known);
    }
    arena_free(scratch);
    return status;
}

/* ---- the part of the graph between the sources and y ---- */

static unsigned char *flags_of(const differ *d, const value *v) {
    return v && v->id < d->n_values ? &d->flags[v->id] : NULL;
}

static bool has(const differ *d, const value *v, int flag) {
    const unsigned char *f = flags_of(d, v);
    return f && *f & flag;
}

static bool gives(const differ *d, const node *n, int flag) {
    for (int i = 0; i < n->n_out; i++)
        if (has(d, n->out[i], flag) && !has(d, n->out[i], SOURCE)) return true;
    return false;
}

typedef struct reading {
    differ *differ;
    int flag;
    bool found;
} reading;

static hst_status need_inputs(void *user, node *n) {
    reading *r = user;
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i]) *flags_of(r->differ, n->in[i]) |= NEEDED;
    return HST_STATUS_OK;
}

static hst_status find_inputs(void *user, node *n) {
    reading *r = user;
    for (int i = 0; i < n->n_in; i++) r->found |= has(r->differ, n->in[i], r->flag);
    return HST_STATUS_OK;
}

/* The node itself and the nodes of its subgraphs, which may read values around it. */
static hst_status with_subgraphs(node *n, hst_status (*visit)(void *, node *), reading *r) {
    HST_TRY(visit(r, n));
    for (int k = 0; k < n->n_attributes; k++) {
        const attribute *a = &n->attributes[k];
        if (a->reference) continue;
        if (a->type == ATTRIBUTE_GRAPH) HST_TRY(each_node(a->as.graph, visit, r));
        for (int64_t j = 0; a->type == ATTRIBUTE_GRAPHS && j < a->n; j++) HST_TRY(each_node(a->as.graphs[j], visit, r));
    }
    return HST_STATUS_OK;
}

/* Marks what y needs, back to the sources. *waits: a Gradient is among it. */
static hst_status mark_needed(differ *d, const named *a, bool *waits) {
    reading r = {.differ = d};
    *flags_of(d, a->y) |= NEEDED;
    for (int i = 0; i < a->n_sources; i++) *flags_of(d, a->sources[i]) |= SOURCE;
    for (const graph *g = a->node->graph; g; g = g->parent) {
        HST_TRY(count_work(d, a->node, g->n_nodes));
        for (node *n = g->last; n; n = n->previous) {
            if (!gives(d, n, NEEDED)) continue;
            *waits |= is_gradient(n);
            HST_TRY(with_subgraphs(n, need_inputs, &r));
        }
    }
    return HST_STATUS_OK;
}

static bool reads(differ *d, node *n, int flag) {
    reading r = {d, flag, false};
    (void)with_subgraphs(n, find_inputs, &r);
    return r.found;
}

static bool may_be_float(const value *v) {
    return v->type.dtype == HST_DTYPE_NONE || dtype_is_float(v->type.dtype);
}

/* Of a node between the sources and y: what it gives depends on them too; ACTIVE where a derivative may flow back. */
static void mark_dependent(differ *d, node *n) {
    if (!gives(d, n, NEEDED) || !reads(d, n, DEPENDS)) return;
    bool active = reads(d, n, ACTIVE);
    for (int i = 0; i < n->n_out; i++) {
        if (!n->out[i] || has(d, n->out[i], SOURCE)) continue;
        *flags_of(d, n->out[i]) |= DEPENDS | (active && may_be_float(n->out[i]) ? ACTIVE : 0);
    }
}

static hst_status no_rule(differ *d, const named *a, const node *n) {
    const char *domain = n->domain;
    return node_error(a->node, d->err, HST_STATUS_UNSUPPORTED, "%s%s%s (opset %d) '%s' has no rule for its derivative",
                      domain, *domain ? "." : "", n->op_type, n->opset, n->name);
}

/* Outermost graph first: what is inside reads what is outside. */
static hst_status each_on_path(differ *d, const named *a, graph *g,
                               hst_status (*visit)(differ *, const named *, node *)) {
    if (g->parent) HST_TRY(each_on_path(d, a, g->parent, visit));
    for (node *n = g->first; n; n = n->next) HST_TRY(visit(d, a, n));
    return HST_STATUS_OK;
}

static hst_status visit_dependent(differ *d, const named *a, node *n) {
    (void)a;
    mark_dependent(d, n);
    return HST_STATUS_OK;
}

/* ---- nodes ---- */

static value *standing(const differ *d, value *v) {
    return v && v->id < d->n_values && d->copy[v->id] ? d->copy[v->id] : v;
}

/* The node again, where one of its inputs has another value standing for it. */
static hst_status visit_copy(differ *d, const named *a, node *n) {
    if (!gives(d, n, NEEDED) || !reads(d, n, DEPENDS)) return HST_STATUS_OK;
    bool differs = false;
    for (int i = 0; i < n->n_in; i++) differs |= standing(d, n->in[i]) != n->in[i];
    for (int k = 0; k < n->n_attributes; k++)
        if (n->attributes[k].type == ATTRIBUTE_GRAPH || n->attributes[k].type == ATTRIBUTE_GRAPHS)
            return no_rule(d, a, n);
    if (!differs) return HST_STATUS_OK;
    arena *memory = d->model->arena;
    value **in = ARENA_ARRAY(memory, value *, n->n_in + 1), **out = ARENA_ARRAY(memory, value *, n->n_out + 1);
    patch *p = patch_new(a->node->graph, a->node);
    if (!in || !out || !p) return patch_fail(p, d->err);
    for (int i = 0; i < n->n_in; i++) in[i] = standing(d, n->in[i]);
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] && !(out[i] = patch_value(p, NULL))) return patch_fail(p, d->err);
    node *made = patch_node(p, n->domain, n->op_type, n->opset, in, n->n_in, out, n->n_out);
    if (!made || !node_copy_attributes(made, n)) return patch_fail(p, d->err);
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] && !has(d, n->out[i], SOURCE)) d->copy[n->out[i]->id] = out[i];
    return patch_apply(p, d->err);
}

static hst_status begin_step(const named *a, gradient_step *s, hst_error *err) {
    *s = (gradient_step){.node = a->node, .patch = patch_new(a->node->graph, a->node), .err = err};
    return s->patch ? HST_STATUS_OK : error_no_memory(err, 0, "a derivative");
}

static hst_status end_step(gradient_step *s) {
    if (s->status != HST_STATUS_OK) {
        patch_drop(s->patch);
        return s->status;
    }
    return s->failed ? patch_fail(s->patch, s->err) : patch_apply(s->patch, s->err);
}

/* slope[in[i]] += what flows through n to its input i. */
static hst_status add_slope(differ *d, const named *a, const gradient_row *row, gradient_step s, int i, value *g) {
    const node *n = s.node;
    value *v = n->in[i], **sum = &d->slope[v->id];
    if (!(s.patch = patch_new(a->node->graph, a->node))) return error_no_memory(d->err, 0, "a derivative");
    value *more = row->rule(&s, i, g);
    if (more && row->broadcasts) more = gradient_sum_to(&s, more, s.out[0], s.in[i]);
    if (more) *sum = *sum ? gradient_node(&s, "Add", (value *const[]){*sum, more}, 2) : more;
    return end_step(&s);
}

static hst_status back(differ *d, const named *a, const node *n) {
    if (!gives(d, n, ACTIVE)) return HST_STATUS_OK;
    const gradient_row *row = NULL;
    value *g = n->n_out && n->out[0] && !has(d, n->out[0], SOURCE) ? d->slope[n->out[0]->id] : NULL;
    for (int i = 1; i < n->n_out; i++)
        if (n->out[i] && d->slope[n->out[i]->id] && !has(d, n->out[i], SOURCE)) return no_rule(d, a, n);
    if (!g) return HST_STATUS_OK;
    if (!(row = gradient_row_of(n))) return no_rule(d, a, n);
    arena *memory = d->model->arena;
    gradient_step s = {.node = n,
                       .in = ARENA_ARRAY(memory, value *, n->n_in + 1),
                       .out = ARENA_ARRAY(memory, value *, n->n_out + 1),
                       .err = d->err};
    if (!s.in || !s.out) return error_no_memory(d->err, 0, "a derivative");
    for (int i = 0; i < n->n_in; i++) s.in[i] = standing(d, n->in[i]);
    for (int i = 0; i < n->n_out; i++) s.out[i] = standing(d, n->out[i]);
    for (int i = 0; i < n->n_in; i++)
        if (has(d, n->in[i], ACTIVE)) HST_TRY(add_slope(d, a, row, s, i, g));
    return HST_STATUS_OK;
}

/* d sum(y) / dy = 1, then back through the graphs around the Gradient. */
static hst_status back_from_y(differ *d, const named *a) {
    gradient_step s;
    if (!has(d, a->y, ACTIVE)) return HST_STATUS_OK;
    HST_TRY(begin_step(a, &s, d->err));
    d->slope[a->y->id] = gradient_fill(&s, 1, standing(d, a->y));
    HST_TRY(end_step(&s));
    for (const graph *g = a->node->graph; g; g = g->parent) {
        HST_TRY(count_work(d, a->node, g->n_nodes));
        for (const node *n = g->last, *before; n; n = before) {
            before = n->previous; /* what is made stands before the Gradient: it is passed by, its values are new */
            HST_TRY(back(d, a, n));
        }
    }
    return HST_STATUS_OK;
}

static hst_status set_outputs(differ *d, const named *a) {
    node *n = a->node;
    for (int i = 0; i < n->n_out; i++) {
        gradient_step s;
        value *out = n->out[i];
        if (!out) continue;
        HST_TRY(begin_step(a, &s, d->err));
        value *result = d->slope[a->sources[i]->id];
        if (!result) result = gradient_fill(&s, 0, n->in[i]);
        if (!s.failed && !patch_node(s.patch, "", "Identity", 18, &result, 1, &out, 1)) s.failed = true;
        HST_TRY(end_step(&s));
    }
    return HST_STATUS_OK;
}

/* ---- one Gradient ---- */

/* Types, also of what other Gradients and unknown operators leave open; the latter are reported when the model is
 * resolved for good. */
static hst_status infer(differ *d, const node *n) {
    model *m = d->model;
    const bool partial = m->partial;
    HST_TRY(count_work(d, n, m->main->n_nodes));
    m->partial = true;
    hst_status status = ops_resolve(m->main, d->err);
    if (status == HST_STATUS_OK || status == HST_STATUS_UNSUPPORTED) status = graph_infer(m->main, d->err);
    m->partial = partial;
    return status;
}

static hst_status check_y(differ *d, const named *a) {
    if (may_be_float(a->y)) return HST_STATUS_OK;
    return node_error(a->node, d->err, HST_STATUS_BAD_FORMAT, "y '%s' is %s: derivatives are of floats", a->y->name,
                      dtype_name(a->y->type.dtype));
}

static hst_status differentiate(differ *d, const named *a, bool *waits) {
    node *n = a->node;
    HST_TRY(mark_needed(d, a, waits));
    if (*waits) return HST_STATUS_OK;
    HST_TRY(infer(d, n));
    HST_TRY(check_y(d, a));
    for (int i = 0; i < a->n_sources; i++) {
        const value *x = a->sources[i];
        d->flags[x->id] |= DEPENDS | (i < a->n_xs && may_be_float(x) ? ACTIVE : 0);
        d->copy[x->id] = n->in[i] == x ? NULL : n->in[i];
    }
    const int before = d->model->n_nodes;
    HST_TRY(each_on_path(d, a, n->graph, visit_dependent));
    HST_TRY(each_on_path(d, a, n->graph, visit_copy));
    if (d->model->n_nodes != before) HST_TRY(infer(d, n));
    HST_TRY(back_from_y(d, a));
    HST_TRY(set_outputs(d, a));
    /* What is used as it is may stand after the Gradient. */
    for (graph *g = n->graph; g; g = g->parent) HST_TRY(graph_sort(g, d->err));
    return HST_STATUS_OK;
}

static hst_status try_one(differ *d, named *a, bool *waits) {
    const hst_allocator *memory = arena_allocator(d->model->arena);
    const size_t count = (size_t)d->model->n_values, bytes = count * (1 + 2 * sizeof(value *));
    char *block = memory_alloc(memory, bytes, 16);
    if (!block) return error_no_memory(d->err, bytes, "a Gradient");
    memset(block, 0, bytes);
    d->n_values = (int)count;
    d->copy = (value **)(void *)block;
    d->slope = d->copy + count;
    d->flags = (unsigned char *)(d->slope + count);
    hst_status status = count_work(d, a->node, (int64_t)count / 16);
    if (status == HST_STATUS_OK) status = differentiate(d, a, waits);
    memory_free(memory, block, bytes);
    return status;
}

bool gradient_any(const model *m) {
    differ d = {0};
    (void)each_node(m->main, count_gradient, &d);
    return d.n > 0;
}

static void remove_dead(graph *g) {
    if (g->parent) remove_dead(g->parent);
    graph_remove_dead(g);
}

hst_status gradient_expand(model *m, hst_error *err) {
    differ d = {.model = m, .err = err};
    HST_TRY(collect(&d));
    for (int left = d.n, before; left;) {
        before = left;
        for (int i = 0; i < d.n; i++) {
            bool waits = false;
            if (d.all[i].done) continue;
            HST_TRY(try_one(&d, &d.all[i], &waits));
            d.all[i].done = !waits;
            left -= !waits;
        }
        for (int i = 0; i < d.n && left == before; i++)
            if (!d.all[i].done)
                return node_error(d.all[i].node, err, HST_STATUS_BAD_FORMAT, "y '%s' depends on its own derivative",
                                  d.all[i].y->name);
    }
    for (int i = 0; i < d.n; i++) remove_dead(d.all[i].node->graph);
    return HST_STATUS_OK;
}
