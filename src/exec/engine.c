/* Compiling: nodes become steps in graph order; an operator that has only an expansion is spelled out in place, its
 * nodes bound like any other. Folded nodes vanish. Last uses are found at the end, going backwards. */
#include "exec/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define EXPANSION_DEPTH 8 /* expansions inside expansions */

/* A growing array in the engine's arena: the old copy stays behind there. */
static bool grow(arena *a, void **array, int n, int *capacity, size_t size) {
    if (n < *capacity) return true;
    int most = *capacity ? *capacity * 2 : 64;
    void *bigger = arena_alloc_array(a, (size_t)most, size);
    if (!bigger) return false;
    if (n) memcpy(bigger, *array, (size_t)n * size);
    *array = bigger;
    *capacity = most;
    return true;
}

static hst_status no_memory(hst_error *err) {
    return error_no_memory(err, 0, "the compiled model");
}

/* One graph that is being compiled: the slot of each of its model's values. */
typedef struct scope {
    engine *e;
    const graph *graph;
    int *slots; /* by value id; -1: none yet */
    int depth;
} scope;

static hst_status slot_new(engine *e, const value *v, int *out, hst_error *err) {
    if (!grow(e->arena, (void **)&e->slots, e->n_slots, &e->slots_capacity, sizeof *e->slots)) return no_memory(err);
    e->slots[e->n_slots] = (slot){v, v->constant, -1, -1};
    *out = e->n_slots++;
    return HST_STATUS_OK;
}

static hst_status slot_of(scope *s, const value *v, int *out, hst_error *err) {
    if (s->slots[v->id] < 0) HST_TRY(slot_new(s->e, v, &s->slots[v->id], err));
    *out = s->slots[v->id];
    return HST_STATUS_OK;
}

/* ---- values that a node's subgraphs capture ---- */

typedef struct captures {
    scope *scope;
    int *slots, n, capacity;
} captures;

static hst_status capture_graph(captures *c, const graph *g, hst_error *err);

static hst_status capture_value(captures *c, const value *v, hst_error *err) {
    int s;
    if (!v || v->graph != c->scope->graph) return HST_STATUS_OK;
    HST_TRY(slot_of(c->scope, v, &s, err));
    for (int i = 0; i < c->n; i++)
        if (c->slots[i] == s) return HST_STATUS_OK;
    if (!grow(c->scope->e->arena, (void **)&c->slots, c->n, &c->capacity, sizeof(int))) return no_memory(err);
    c->slots[c->n++] = s;
    return HST_STATUS_OK;
}

static hst_status capture_node(captures *c, const node *n, hst_error *err) {
    for (int k = 0; k < n->n_attributes; k++) {
        const attribute *a = &n->attributes[k];
        if (a->type == ATTRIBUTE_GRAPH) HST_TRY(capture_graph(c, a->as.graph, err));
        for (int64_t j = 0; a->type == ATTRIBUTE_GRAPHS && j < a->n; j++)
            HST_TRY(capture_graph(c, a->as.graphs[j], err));
    }
    return HST_STATUS_OK;
}

static hst_status capture_graph(captures *c, const graph *g, hst_error *err) {
    for (const node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->n_in; i++) HST_TRY(capture_value(c, n->in[i], err));
        HST_TRY(capture_node(c, n, err));
    }
    for (int i = 0; i < g->n_outputs; i++) HST_TRY(capture_value(c, g->outputs[i], err));
    return HST_STATUS_OK;
}

/* ---- steps ---- */

static hst_status compile_graph(scope *s, hst_error *err);

static hst_status step_bind(engine *e, const node *n, step *st, hst_error *err) {
    size_t count = (size_t)n->n_in;
    type *types = arena_alloc_array(e->arena, count + 1, sizeof *types);
    const hst_tensor **constants = arena_alloc_array(e->arena, count + 1, sizeof *constants);
    if (!types || !constants) return no_memory(err);
    for (int i = 0; i < n->n_in; i++) {
        types[i].rank = -1;
        if (!n->in[i]) continue;
        types[i] = n->in[i]->type;
        constants[i] = n->in[i]->is_input ? NULL : n->in[i]->constant; /* a default may be replaced */
    }
    bind_context b = {.node = n, .in = types, .n_in = n->n_in, .constant = constants, .allocator = &e->allocator};
    hst_status status = n->op->bind(&b, err);
    st->state = b.state; /* also on failure: freed with the engine */
    st->state_free = b.state_free;
    if (status != HST_STATUS_OK) return error_prefix(err, status, "%s", n->op_type);
    st->run = b.run;
    st->kernel = b.kernel ? b.kernel : "";
    st->why = b.why ? b.why : "";
    if (!b.run && b.why) {
        char label[160];
        log_write(LOG_INFO, "%s runs on its reference kernel: %s", node_label(n, label, sizeof label), b.why);
    }
    return HST_STATUS_OK;
}

static hst_status step_slots(scope *s, const node *n, step *st, hst_error *err) {
    engine *e = s->e;
    captures c = {s, NULL, 0, 0};
    st->n_in = n->n_in;
    st->n_out = n->n_out;
    st->in = ARENA_ARRAY(e->arena, int, n->n_in + 1);
    st->out = ARENA_ARRAY(e->arena, int, n->n_out + 1);
    if (!st->in || !st->out) return no_memory(err);
    for (int i = 0; i < n->n_in; i++) {
        st->in[i] = -1;
        if (n->in[i]) HST_TRY(slot_of(s, n->in[i], &st->in[i], err));
    }
    HST_TRY(capture_node(&c, n, err));
    st->captured = c.slots;
    st->n_captured = c.n;
    for (int i = 0; i < n->n_out; i++) {
        st->out[i] = -1;
        if (n->out[i]) HST_TRY(slot_of(s, n->out[i], &st->out[i], err));
    }
    if (n->n_in > e->most_in) e->most_in = n->n_in;
    if (n->n_out > e->most_out) e->most_out = n->n_out;
    return HST_STATUS_OK;
}

/* A dimension of one model as a dimension of another: equal symbols stay equal. */
static dim dim_import(model *to, dim d) {
    char name[32];
    if (d >= 0) return d;
    snprintf(name, sizeof name, "s%lld", (long long)(DIM_SYMBOL_FIRST - d));
    return dim_symbol(to, name);
}

/* The expansion's own model, whose inputs are the node's and whose outputs are to be: in[] and out[] are filled. */
static hst_status expansion_build(engine *e, const node *n, model *m, value **in, value **out, hst_error *err) {
    m->operators = n->graph->model->operators;
    m->n_operators = n->graph->model->n_operators;
    HST_TRY(model_import_opset(m, "", 18, err));
    for (int i = 0; i < n->n_in; i++) {
        if (!n->in[i]) continue;
        const value *from = n->in[i];
        bool constant = from->constant && !from->is_input;
        in[i] = constant ? graph_add_initializer(m->main, "", from->constant) : graph_add_value(m->main, "");
        if (!in[i]) return no_memory(err);
        in[i]->type = from->type;
        for (int k = 0; k < from->type.rank; k++) in[i]->type.dim[k] = dim_import(m, from->type.dim[k]);
        if (!constant) HST_TRY(graph_add_input(m->main, in[i], err));
    }
    HST_TRY(n->op->expand(n, m->main, in, out, err));
    HST_TRY(ops_resolve(m->main, err));
    (void)e;
    return graph_infer(m->main, err);
}

static hst_status step_expand(scope *s, const node *n, hst_error *err) {
    engine *e = s->e;
    if (s->depth == EXPANSION_DEPTH)
        return node_error(n, err, HST_STATUS_INTERNAL, "expands to itself, %d deep", EXPANSION_DEPTH);
    if (!grow(e->arena, (void **)&e->expansions, e->n_expansions, &e->expansions_capacity, sizeof *e->expansions))
        return no_memory(err);
    model *m = model_new(&e->allocator);
    if (!m) return no_memory(err);
    e->expansions[e->n_expansions++] = m;
    value **in = ARENA_ARRAY(e->arena, value *, n->n_in + 1), **out = ARENA_ARRAY(e->arena, value *, n->n_out + 1);
    if (!in || !out) return no_memory(err);
    hst_status status = expansion_build(e, n, m, in, out, err);
    if (status != HST_STATUS_OK) return error_prefix(err, status, "expanding %s", n->op_type);
    scope inner = {e, m->main, ARENA_ARRAY(e->arena, int, m->n_values + 1), s->depth + 1};
    if (!inner.slots) return no_memory(err);
    for (int i = 0; i < m->n_values; i++) inner.slots[i] = -1;
    for (int i = 0; i < n->n_in; i++)
        if (in[i]) HST_TRY(slot_of(s, n->in[i], &inner.slots[in[i]->id], err));
    for (int i = 0; i < n->n_out; i++) {
        if (!n->out[i]) continue;
        if (!out[i]) return node_error(n, err, HST_STATUS_INTERNAL, "its expansion lacks output %d", i);
        if (inner.slots[out[i]->id] >= 0 || out[i]->constant) { /* an input passed through: name it by a copy */
            value *copy = graph_add_value(m->main, "");
            if (!copy || !graph_add_node(m->main, "", "Identity", "", &out[i], 1, &copy, 1)) return no_memory(err);
            HST_TRY(ops_resolve(m->main, err));
            int *slots = ARENA_ARRAY(e->arena, int, m->n_values + 1);
            if (!slots) return no_memory(err);
            memcpy(slots, inner.slots, (size_t)copy->id * sizeof *slots);
            for (int k = copy->id; k < m->n_values; k++) slots[k] = -1;
            inner.slots = slots;
            out[i] = copy;
        }
        HST_TRY(slot_of(s, n->out[i], &inner.slots[out[i]->id], err));
    }
    return compile_graph(&inner, err);
}

static bool folded(const node *n) {
    int known = 0, wanted = 0;
    for (int i = 0; i < n->n_out; i++) {
        wanted += n->out[i] != NULL;
        known += n->out[i] && n->out[i]->constant;
    }
    return wanted > 0 && known == wanted;
}

static hst_status compile_node(scope *s, const node *n, hst_error *err) {
    engine *e = s->e;
    if (!n->op) return node_error(n, err, HST_STATUS_INTERNAL, "operator was not resolved before compiling");
    if (!grow(e->arena, (void **)&e->steps, e->n_steps, &e->steps_capacity, sizeof *e->steps)) return no_memory(err);
    step *st = &e->steps[e->n_steps++]; /* counted at once: its state is freed with the engine */
    *st = (step){.node = n, .kernel = "", .why = "", .shows_padding = node_int(n, "shows_padding", 0) != 0};
    if (n->op->bind) HST_TRY(step_bind(e, n, st, err));
    if (!st->run && !n->op->eval) {
        if (st->state && st->state_free) st->state_free(st->state, &e->allocator);
        e->n_steps--;
        if (!n->op->expand) return node_error(n, err, HST_STATUS_UNSUPPORTED, "cannot be computed");
        return step_expand(s, n, err);
    }
    return step_slots(s, n, st, err);
}

static hst_status compile_graph(scope *s, hst_error *err) {
    for (const node *n = s->graph->first; n; n = n->next)
        if (!folded(n)) HST_TRY(compile_node(s, n, err));
    return HST_STATUS_OK;
}

/* ---- the whole ---- */

static hst_status find_deaths(engine *e, hst_error *err) {
    bool *seen = ARENA_ARRAY(e->arena, bool, e->n_slots + 1); /* read by a later step */
    if (!seen) return no_memory(err);
    for (int i = e->n_steps - 1; i >= 0; i--) {
        step *st = &e->steps[i];
        int most = st->n_in + st->n_out + st->n_captured;
        st->dies = ARENA_ARRAY(e->arena, int, most + 1);
        if (!st->dies) return no_memory(err);
        const int *lists[3] = {st->in, st->captured, st->out};
        int counts[3] = {st->n_in, st->n_captured, st->n_out};
        for (int l = 0; l < 3; l++)
            for (int k = 0; k < counts[l]; k++) {
                int s = lists[l][k];
                if (s < 0 || seen[s]) continue;
                seen[s] = true;
                if (!e->slots[s].constant || e->slots[s].input >= 0) st->dies[st->n_dies++] = s;
            }
    }
    return HST_STATUS_OK;
}

static hst_status name_ends(scope *s, const graph *g, hst_error *err) {
    engine *e = s->e;
    e->n_inputs = g->n_inputs;
    e->n_outputs = g->n_outputs;
    e->inputs = ARENA_ARRAY(e->arena, int, g->n_inputs + 1);
    e->outputs = ARENA_ARRAY(e->arena, int, g->n_outputs + 1);
    if (!e->inputs || !e->outputs) return no_memory(err);
    for (int i = 0; i < g->n_inputs; i++) {
        HST_TRY(slot_of(s, g->inputs[i], &e->inputs[i], err));
        e->slots[e->inputs[i]].input = i;
    }
    for (int i = 0; i < g->n_outputs; i++) {
        HST_TRY(slot_of(s, g->outputs[i], &e->outputs[i], err));
        slot *o = &e->slots[e->outputs[i]];
        if (o->output < 0) o->output = i;
        if (!o->constant && o->input < 0 && !g->outputs[i]->producer)
            return error_set(err, HST_STATUS_BAD_FORMAT, g->outputs[i]->name, "graph output '%s' is never produced",
                             g->outputs[i]->name);
    }
    return HST_STATUS_OK;
}

hst_status engine_compile(model *m, const hst_allocator *a, engine **out, hst_error *err) {
    if (!a) a = allocator_default();
    engine *e = memory_alloc(a, sizeof *e, 16);
    if (!e) return no_memory(err);
    memset(e, 0, sizeof *e);
    e->model = m;
    e->allocator = *a;
    hst_status status = HST_STATUS_NO_MEMORY;
    scope s = {e, m->main, NULL, 0};
    if (!(e->arena = arena_new(a)) || !(e->warm = ARENA_NEW(e->arena, int)) || !(s.slots = ARENA_ARRAY(e->arena, int, m->n_values + 1))) {
        no_memory(err);
        goto fail;
    }
    for (int i = 0; i < m->n_values; i++) s.slots[i] = -1;
    if ((status = name_ends(&s, m->main, err)) != HST_STATUS_OK) goto fail;
    if ((status = compile_graph(&s, err)) != HST_STATUS_OK) goto fail;
    if ((status = find_deaths(e, err)) != HST_STATUS_OK) goto fail;
    e->n_symbols = m->n_symbols;
    *out = e;
    return HST_STATUS_OK;
fail:
    engine_free(e);
    return status;
}

void engine_free(engine *e) {
    if (!e) return;
    for (int i = 0; i < e->n_steps; i++)
        if (e->steps[i].state && e->steps[i].state_free) e->steps[i].state_free(e->steps[i].state, &e->allocator);
    for (int i = 0; i < e->n_expansions; i++) model_free(e->expansions[i]);
    arena_free(e->arena);
    hst_allocator a = e->allocator;
    memory_free(&a, e, sizeof *e);
}
