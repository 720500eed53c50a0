/* The reference interpreter. One table, indexed by value id, holds the tensors of all graphs of the model that are being
 * evaluated; a tensor is dropped after its last use. */
#include "ops/interp.h"

#include <string.h>

#include "base/checked.h"
#include "base/meter.h"

typedef struct interp {
    const interp_options *options;
    const hst_allocator *allocator; /* the meter's, where there is a budget */
    meter *meter;                   /* NULL: no budget, or the caller's allocator keeps it */
    hst_tensor **table; /* per value id: owned handles */
    int *left;          /* per value id: uses to come; -1: keep until the graph ends */
    const hst_tensor **given; /* per value id: graph inputs, not owned */
    int n_values;
    bool padding; /* the graph shows padding rows */
} interp;

typedef struct scratch { /* before the memory itself, MEMORY_ALIGN bytes */
    struct scratch *next;
    size_t size; /* of both */
} scratch;

typedef struct evaluation { /* eval_context.owner */
    interp *in;
    scratch *scratch;
} evaluation;

static hst_status run_graph(interp *in, const graph *g, const hst_tensor *const *inputs, hst_tensor **outputs,
                            hst_error *err);

static hst_status give_output(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, hst_tensor **out,
                              hst_error *err) {
    interp *in = ((evaluation *)c->owner)->in;
    size_t bytes;
    hst_status status = shape_bytes(d, rank, dims, &bytes, err);
    if (status != HST_STATUS_OK) return error_prefix(err, status, "output %d", i);
    if (i >= c->n_out) return node_error(c->node, err, HST_STATUS_INTERNAL, "has no output %d", i);
    const size_t budget = in->options->budget, live = in->meter ? meter_live(in->meter) : 0;
    if (in->meter && (live > budget || bytes > budget - live))
        return node_error(c->node, err, HST_STATUS_BUDGET,
                          "output %d needs %zu bytes, %zu are in use, the memory budget is %zu", i, bytes, live,
                          budget);
    tensor_free(c->out[i]);
    c->out[i] = NULL;
    HST_TRY(tensor_new(d, rank, dims, in->allocator, &c->out[i], err));
    *out = c->out[i];
    if (!in->options->fill || !dtype_bits(d) || !bytes) return HST_STATUS_OK;
    memset((*out)->data, in->options->fill, bytes);
    if (dtype_bits(d) % 8) ((char *)(*out)->data)[bytes - 1] = 0; /* as an engine does */
    return HST_STATUS_OK;
}

static hst_status give_alias(eval_context *c, int i, int from, int rank, const int64_t *dims, hst_error *err) {
    interp *in = ((evaluation *)c->owner)->in;
    tensor_free(c->out[i]);
    c->out[i] = NULL;
    return tensor_view(c->in[from], rank, dims, in->allocator, &c->out[i], err);
}

static void *give_scratch(eval_context *c, size_t bytes) {
    evaluation *e = c->owner;
    size_t size;
    if (!size_add(bytes, MEMORY_ALIGN, &size)) return NULL;
    scratch *p = memory_alloc(e->in->allocator, size, MEMORY_ALIGN);
    if (!p) return NULL;
    *p = (scratch){e->scratch, size};
    e->scratch = p;
    return (char *)p + MEMORY_ALIGN;
}

static hst_status give_subgraph(eval_context *c, const graph *g, const hst_tensor *const *in, int n_in,
                                hst_tensor **out, int n_out, hst_error *err) {
    if (n_in > g->n_inputs || n_out != g->n_outputs)
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "its graph has %d inputs and %d outputs, not %d and %d",
                          g->n_inputs, g->n_outputs, n_in, n_out);
    evaluation *e = c->owner;
    const hst_tensor *inputs[64] = {0};
    if (g->n_inputs <= 64) {
        for (int i = 0; i < n_in; i++) inputs[i] = in[i];
        return run_graph(e->in, g, inputs, out, err);
    }
    return n_in == g->n_inputs ? run_graph(e->in, g, in, out, err)
                               : node_error(c->node, err, HST_STATUS_UNSUPPORTED, "a subgraph of %d inputs", n_in);
}

static hst_status give_check(eval_context *c, hst_error *err) {
    const interp_options *o = ((evaluation *)c->owner)->in->options;
    return o->check ? o->check(o->user, err) : HST_STATUS_OK;
}

static const eval_runtime runtime = {give_output, give_alias, give_scratch, give_subgraph, give_check};

/* ---- one node ---- */

static hst_status evaluate_expansion(interp *in, const node *n, const hst_tensor *const *inputs, hst_tensor **out,
                                     hst_error *err) {
    model *m = model_new(in->allocator);
    value **values = NULL, **results = NULL;
    const hst_tensor **given = NULL;
    hst_status status = HST_STATUS_NO_MEMORY;
    if (!m) return error_no_memory(err, sizeof *m, "the expansion of an operator");
    values = ARENA_ARRAY(m->arena, value *, n->n_in + 1);
    results = ARENA_ARRAY(m->arena, value *, n->n_out + 1);
    given = ARENA_ARRAY(m->arena, const hst_tensor *, n->n_in + 1);
    hst_tensor **outputs = ARENA_ARRAY(m->arena, hst_tensor *, n->n_out + 1);
    if (!values || !results || !given || !outputs) goto done;
    if ((status = model_import_opset(m, "", 18, err)) != HST_STATUS_OK) goto done;
    int k = 0;
    for (int i = 0; i < n->n_in; i++) {
        if (!inputs[i]) continue;
        status = HST_STATUS_NO_MEMORY;
        if (!(values[i] = graph_add_value(m->main, ""))) goto done;
        values[i]->type = type_of_tensor(inputs[i]);
        if ((status = graph_add_input(m->main, values[i], err)) != HST_STATUS_OK) goto done;
        given[k++] = inputs[i];
    }
    if ((status = n->op->expand(n, m->main, values, results, err)) != HST_STATUS_OK) goto done;
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] && results[i] && (status = graph_add_output(m->main, results[i], err)) != HST_STATUS_OK)
            goto done;
    if ((status = ops_resolve(m->main, err)) != HST_STATUS_OK) goto done;
    interp_options options = *in->options;
    options.captured = NULL;
    options.allocator = in->allocator; /* and with it the meter */
    options.budget = 0;
    if ((status = interp_run(m->main, given, outputs, &options, err)) != HST_STATUS_OK) goto done;
    k = 0;
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] && results[i]) out[i] = outputs[k++];
done:
    model_free(m);
    if (status == HST_STATUS_NO_MEMORY) error_no_memory(err, 0, "the expansion of an operator");
    return status;
}

static hst_status evaluate_plain(interp *in, const node *n, const hst_tensor *const *inputs, hst_tensor **out,
                                 hst_error *err) {
    if (!n->op) return node_error(n, err, HST_STATUS_INTERNAL, "operator was not resolved");
    HST_TRY(eval_check_lists(n, inputs, err));
    if (!n->op->eval) {
        if (n->op->expand) return evaluate_expansion(in, n, inputs, out, err);
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "cannot be evaluated");
    }
    evaluation e = {.in = in};
    eval_context c = {
        n,        inputs, n->n_in,       out,         n->n_out, in->options->team ? in->options->team : team_default(),
        &runtime, &e,     in->allocator, in->padding, .macs = 0};
    hst_status status = n->op->eval(&c, err);
    for (scratch *p = e.scratch, *next; p; p = next) {
        next = p->next;
        memory_free(in->allocator, p, p->size);
    }
    for (int i = 0; i < n->n_out && status == HST_STATUS_OK; i++)
        if (n->out[i] && !out[i]) status = node_error(n, err, HST_STATUS_INTERNAL, "left output %d unset", i);
    if (status != HST_STATUS_OK) {
        for (int i = 0; i < n->n_out; i++) {
            tensor_free(out[i]);
            out[i] = NULL;
        }
    }
    return status;
}

static hst_status evaluate(interp *in, const node *n, const hst_tensor *const *inputs, hst_tensor **out,
                           hst_error *err) {
    hst_status status = evaluate_plain(in, n, inputs, out, err);
    if (status == HST_STATUS_NO_MEMORY && in->meter && meter_refused(in->meter))
        status = node_error(n, err, HST_STATUS_BUDGET, "needs more than the memory budget of %zu bytes",
                            in->options->budget);
    return status;
}

/* ---- graphs ---- */

static const hst_tensor *lookup(const interp *in, const value *v) {
    if (in->table[v->id]) return in->table[v->id];
    if (in->given[v->id]) return in->given[v->id];
    if (v->constant) return v->constant;
    return in->options->captured ? in->options->captured(in->options->scope, v) : NULL;
}

static void drop(interp *in, const value *v) {
    hst_tensor *t = in->table[v->id];
    if (!t) return;
    tensor_free(t);
    in->table[v->id] = NULL;
}

static void count_uses(interp *in, const value *v) {
    int n = v->is_output ? -1 : v->n_uses;
    for (int i = 0; i < v->n_uses && n >= 0; i++)
        if (v->uses[i].node->graph != v->graph) n = -1; /* captured by a subgraph, perhaps many times */
    in->left[v->id] = n;
}

#define NODE_VALUES 16 /* inputs or outputs of a node that need no memory of their own */

static hst_status run_node(interp *in, const node *n, hst_error *err) {
    const hst_tensor *in_few[NODE_VALUES] = {0}, **inputs = in_few;
    hst_tensor *out_few[NODE_VALUES] = {0}, **outputs = out_few;
    size_t in_bytes = (size_t)n->n_in * sizeof *inputs, out_bytes = (size_t)n->n_out * sizeof *outputs;
    hst_status status = HST_STATUS_OK;
    if (n->n_in > NODE_VALUES && !(inputs = memory_alloc(in->allocator, in_bytes, 16))) status = HST_STATUS_NO_MEMORY;
    if (n->n_out > NODE_VALUES && !(outputs = memory_alloc(in->allocator, out_bytes, 16)))
        status = HST_STATUS_NO_MEMORY;
    if (status != HST_STATUS_OK) {
        error_no_memory(err, in_bytes + out_bytes, "the inputs of a node");
        goto done;
    }
    memset(outputs, 0, out_bytes);
    for (int i = 0; i < n->n_in && status == HST_STATUS_OK; i++) {
        inputs[i] = n->in[i] ? lookup(in, n->in[i]) : NULL;
        if (n->in[i] && !inputs[i])
            status = node_error(n, err, HST_STATUS_INVALID_ARGUMENT, "input '%s' has no value", n->in[i]->name);
    }
    if (status == HST_STATUS_OK) status = evaluate(in, n, inputs, outputs, err);
    if (status != HST_STATUS_OK) goto done;
    for (int i = 0; i < n->n_out; i++) {
        if (!outputs[i]) continue;
        if (!n->out[i]) {
            tensor_free(outputs[i]);
            continue;
        }
        in->table[n->out[i]->id] = outputs[i];
        count_uses(in, n->out[i]);
        if (in->left[n->out[i]->id] == 0) drop(in, n->out[i]);
    }
    for (int i = 0; i < n->n_in; i++) {
        const value *v = n->in[i];
        if (v && in->table[v->id] && in->left[v->id] > 0 && --in->left[v->id] == 0) drop(in, v);
    }
done:
    if (inputs != in_few) memory_free(in->allocator, inputs, in_bytes);
    if (outputs != out_few) memory_free(in->allocator, outputs, out_bytes);
    return status;
}

static hst_status take_outputs(interp *in, const graph *g, hst_tensor **outputs, hst_error *err) {
    for (int i = 0; i < g->n_outputs; i++) {
        const hst_tensor *t = lookup(in, g->outputs[i]);
        hst_status status =
            t ? (t->buffer ? tensor_view(t, t->rank, t->dim, in->allocator, &outputs[i], err)
                           : tensor_clone(t, in->allocator, &outputs[i], err))
              : error_set(err, HST_STATUS_BAD_FORMAT, g->outputs[i]->name, "graph output '%s' is never produced",
                          g->outputs[i]->name);
        if (status != HST_STATUS_OK) {
            for (int k = 0; k < i; k++) {
                tensor_free(outputs[k]);
                outputs[k] = NULL;
            }
            return status;
        }
    }
    return HST_STATUS_OK;
}

/* The graph was inferred from what its inputs are declared, so they must be that. */
static hst_status check_inputs(const graph *g, const hst_tensor *const *inputs, hst_error *err) {
    for (int i = 0; i < g->n_inputs; i++) {
        const type *want = &g->inputs[i]->type;
        if (!inputs[i] || inputs[i]->dtype == HST_DTYPE_OPTIONAL || want->dtype == HST_DTYPE_OPTIONAL) continue;
        const type is = type_of_tensor(inputs[i]);
        char a[160], b[160];
        if ((want->dtype == HST_DTYPE_NONE || want->dtype == is.dtype) &&
            (tensor_is_list(inputs[i]) || !type_contradicts(want, &is)))
            continue;
        return error_set(err, HST_STATUS_BAD_SHAPE, g->inputs[i]->name,
                         "input '%s' of graph '%s' is %s, it should be %s", g->inputs[i]->name, g->name,
                         type_format(g->model, &is, a, sizeof a), type_format(g->model, want, b, sizeof b));
    }
    return HST_STATUS_OK;
}

static hst_status run_graph(interp *in, const graph *g, const hst_tensor *const *inputs, hst_tensor **outputs,
                            hst_error *err) {
    hst_status status = g->parent ? check_inputs(g, inputs, err) : HST_STATUS_OK;
    if (status != HST_STATUS_OK) return status;
    for (int i = 0; i < g->n_inputs; i++) in->given[g->inputs[i]->id] = inputs[i];
    for (const node *n = g->first; n && status == HST_STATUS_OK; n = n->next) {
        if (in->options->check) status = in->options->check(in->options->user, err);
        if (status == HST_STATUS_OK) status = run_node(in, n, err);
    }
    if (status == HST_STATUS_OK) status = take_outputs(in, g, outputs, err);
    for (const node *n = g->first; n; n = n->next)
        for (int i = 0; i < n->n_out; i++)
            if (n->out[i]) drop(in, n->out[i]);
    for (int i = 0; i < g->n_inputs; i++) in->given[g->inputs[i]->id] = NULL;
    return status;
}

static const interp_options no_options = {0};

static hst_status begin(interp *in, const interp_options *options, const model *m, hst_error *err) {
    *in = (interp){.options = options ? options : &no_options, .n_values = m->n_values};
    in->allocator = in->options->allocator ? in->options->allocator : allocator_default();
    if (!in->options->budget) return HST_STATUS_OK;
    if (!(in->meter = meter_new(in->allocator))) return error_no_memory(err, sizeof *in, "the interpreter");
    meter_limit(in->meter, in->options->budget);
    in->allocator = meter_allocator(in->meter);
    return HST_STATUS_OK;
}

static size_t table_bytes(const interp *in) {
    return ((size_t)in->n_values + 1) * (2 * sizeof(void *) + sizeof(int));
}

/* The tables: bookkeeping, which no budget counts. NULL: no memory. */
static char *make_tables(interp *in) {
    const hst_allocator *a = in->options->allocator;
    size_t n = (size_t)in->n_values + 1;
    char *memory = memory_alloc(a, table_bytes(in), 16);
    if (!memory) return NULL;
    memset(memory, 0, table_bytes(in));
    in->table = (hst_tensor **)(void *)memory;
    in->given = (const hst_tensor **)(void *)(memory + n * sizeof(void *));
    in->left = (int *)(void *)(memory + 2 * n * sizeof(void *));
    return memory;
}

static void end(interp *in, char *tables) {
    memory_free(in->options->allocator, tables, table_bytes(in));
    meter_close(in->meter);
}

hst_status interp_run(const graph *g, const hst_tensor *const *inputs, hst_tensor **out, const interp_options *options,
                      hst_error *err) {
    interp in;
    char *tables = NULL;
    for (int i = 0; i < g->n_outputs; i++) out[i] = NULL;
    HST_TRY(begin(&in, options, g->model, err));
    if (!(tables = make_tables(&in))) {
        end(&in, tables);
        return error_no_memory(err, table_bytes(&in), "the interpreter");
    }
    for (const node *at = g->first; at; at = at->next) in.padding |= node_int(at, "shows_padding", 0) != 0;
    hst_status status = run_graph(&in, g, inputs, out, err);
    end(&in, tables);
    return status;
}

hst_status interp_node(const node *n, const hst_tensor *const *inputs, hst_tensor **out, const interp_options *options,
                       hst_error *err) {
    interp in;
    char *tables = NULL;
    bool subgraphs = false;
    for (int i = 0; i < n->n_out; i++) out[i] = NULL;
    for (int k = 0; k < n->n_attributes; k++)
        subgraphs |= n->attributes[k].type == ATTRIBUTE_GRAPH || n->attributes[k].type == ATTRIBUTE_GRAPHS;
    HST_TRY(begin(&in, options, n->graph->model, err));
    if (subgraphs && !(tables = make_tables(&in))) {
        end(&in, tables);
        return error_no_memory(err, table_bytes(&in), "the interpreter");
    }
    hst_status status = evaluate(&in, n, inputs, out, err);
    end(&in, tables);
    return status;
}
