/* hst_model_describe_*, hst_list_json: what there is, as text for people and programs. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "arch/arch.h"
#include "base/text_buffer.h"
#include "kernels/kernels.h"
#include "passes/pass.h"
#include "tasks/task.h"

static hst_status no_memory(hst_error *err) {
    return error_no_memory(err, 0, "a description");
}

json_t *describe_text(const char *s) {
    json_t *j = json_string(s ? s : "");
    if (j) return j;
    size_t n = strlen(s);
    char *copy = malloc(n + 1);
    if (!copy) return NULL;
    for (size_t i = 0; i <= n; i++) copy[i] = (unsigned char)s[i] < 0x80 ? s[i] : '?';
    j = json_string(copy);
    free(copy);
    return j;
}

hst_status describe_dump(json_t *root, bool failed, char **out, hst_error *err) {
    *out = root && !failed ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return *out ? HST_STATUS_OK : no_memory(err);
}

static json_t *values(const hst_value_info *list, int n, bool *failed) {
    json_t *all = json_array();
    for (int i = 0; i < n; i++) {
        const hst_value_info *v = &list[i];
        json_t *one = json_object(), *shape = v->rank < 0 ? json_null() : json_array();
        for (int k = 0; k < v->rank; k++) {
            json_t *d =
                v->dims[k] >= 0 ? json_integer(v->dims[k]) : describe_text(*v->dim_names[k] ? v->dim_names[k] : "?");
            *failed |= json_array_append_new(shape, d) != 0;
        }
        *failed |= json_object_set_new(one, "name", describe_text(v->name)) != 0;
        *failed |= json_object_set_new(one, "dtype", describe_text(dtype_name(v->dtype))) != 0;
        *failed |= json_object_set_new(one, "shape", shape) != 0;
        if (v->key) *failed |= json_object_set_new(one, "key", describe_text(dtype_name(v->key))) != 0;
        if (v->element) *failed |= json_object_set_new(one, "element", describe_text(dtype_name(v->element))) != 0;
        if (v->may_be_empty) *failed |= json_object_set_new(one, "may_be_empty", json_true()) != 0;
        if (v->optional) *failed |= json_object_set_new(one, "optional", json_true()) != 0;
        *failed |= json_array_append_new(all, one) != 0;
    }
    return all;
}

typedef struct census {
    json_t *operators, *unsupported; /* "domain.Op": count; names */
    int64_t parameters, nodes;
    uint64_t bytes;
    bool failed;
} census;

static void count_constant(census *c, const hst_tensor *t) {
    c->parameters += tensor_count(t);
    c->bytes += t->bytes;
}

/* Panels of packed weights are filled up to whole ones: what stands there beyond `columns` is no parameter. */
static void discount_filling(census *c, const node *n) {
    const int64_t columns = node_int(n, "columns", -1);
    const hst_tensor *t = columns >= 0 && n->n_in > 1 && n->in[1] ? n->in[1]->constant : NULL;
    if (t && t->rank == 3 && t->dim[0] * t->dim[2] >= columns)
        c->parameters -= (t->dim[0] * t->dim[2] - columns) * t->dim[1];
}

static bool known(const node *n) {
    const model *m = n->graph->model;
    for (int i = 0; i < m->n_operators; i++)
        if (strcmp(m->operators[i]->name, n->op_type) == 0 && node_is(n, m->operators[i]->domain, n->op_type))
            return true;
    return op_find(n->domain, n->op_type, n->opset) != NULL;
}

static void count_graph(census *c, const graph *g) {
    for (int i = 0; i < g->n_initializers; i++)
        if (g->initializers[i]->constant) count_constant(c, g->initializers[i]->constant);
    for (const node *n = g->first; n; n = n->next) {
        text_buffer name = {0};
        text_buffer_format(&name, "%s%s%s", n->domain, *n->domain ? "." : "", n->op_type);
        c->nodes++;
        if (node_is(n, "hasten", "Linear")) discount_filling(c, n);
        if (!name.data || name.failed) {
            c->failed = true;
        } else {
            json_int_t before = json_integer_value(json_object_get(c->operators, name.data));
            if (json_object_set_new(c->operators, name.data, json_integer(before + 1)) != 0)
                json_object_set_new(c->operators, "?", json_integer(1)); /* a name that is not UTF-8 */
            if (!before && !known(n)) c->failed |= json_array_append_new(c->unsupported, describe_text(name.data)) != 0;
        }
        text_buffer_free(&name);
        for (int k = 0; k < n->n_attributes; k++) {
            const attribute *a = &n->attributes[k];
            if (a->type == ATTRIBUTE_GRAPH) count_graph(c, a->as.graph);
            for (int64_t j = 0; a->type == ATTRIBUTE_GRAPHS && j < a->n; j++) count_graph(c, a->as.graphs[j]);
            if (a->type == ATTRIBUTE_TENSOR && a->as.tensor) c->bytes += a->as.tensor->bytes;
        }
    }
}

hst_status hst_model_describe_json(const hst_model *m, char **json, hst_error *err) {
    if (!m || !json) return error_set(err, HST_STATUS_INVALID_ARGUMENT, "model", "model or json is NULL");
    const model *g = m->model;
    census c = {.operators = json_object(), .unsupported = json_array()};
    json_t *root = json_object(), *opsets = json_object(), *metadata = json_object(), *labels = json_array();
    count_graph(&c, g->main);
    bool failed = c.failed || !root;
    for (int i = 0; i < g->n_opsets; i++)
        json_object_set_new(opsets, *g->opsets[i].domain ? g->opsets[i].domain : "ai.onnx",
                            json_integer(g->opsets[i].version));
    for (int i = 0; i < g->n_metadata; i++)
        json_object_set_new(metadata, g->metadata[i].key, describe_text(g->metadata[i].value));
    if (m->source.about) json_object_set_new(root, "engine", json_loads(m->source.about, 0, NULL));
    for (int i = 0; i < m->n_labels; i++) json_array_append_new(labels, describe_text(m->labels[i]));
    const struct {
        const char *key;
        json_t *value;
    } members[] = {{"file", describe_text(m->source.path)},
                   {"format", describe_text(m->source.format)},
                   {"producer", describe_text(g->producer_name)},
                   {"producer_version", describe_text(g->producer_version)},
                   {"ir_version", json_integer(g->ir_version)},
                   {"opsets", opsets},
                   {"inputs", values(m->inputs, g->main->n_inputs, &failed)},
                   {"outputs", values(m->outputs, g->main->n_outputs, &failed)},
                   {"nodes", json_integer(c.nodes)},
                   {"operators", c.operators},
                   {"unsupported", c.unsupported},
                   {"parameters", json_integer(c.parameters)},
                   {"bytes", json_integer((json_int_t)c.bytes)},
                   {"labels", labels},
                   {"metadata", metadata}};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        failed |= json_object_set_new(root, members[i].key, members[i].value) != 0;
    return describe_dump(root, failed, json, err);
}

/* ---- Graphviz ---- */

static void dot_text(text_buffer *b, const char *s) {
    text_buffer_add_string(b, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') text_buffer_add(b, "\\", 1);
        text_buffer_add(b, (unsigned char)*s < 0x20 ? " " : s, 1);
    }
    text_buffer_add_string(b, "\"");
}

static void dot_edge(text_buffer *b, const model *m, const value *v, const node *to) {
    char label[160];
    if (v->producer)
        text_buffer_format(b, "  n%d -> ", v->producer->id);
    else
        text_buffer_format(b, "  v%d -> ", v->id);
    text_buffer_format(b, "n%d [label=", to->id);
    dot_text(b, type_format(m, &v->type, label, sizeof label));
    text_buffer_add_string(b, "];\n");
}

hst_status hst_model_describe_dot(const hst_model *model, char **dot, hst_error *err) {
    if (!model || !dot) return error_set(err, HST_STATUS_INVALID_ARGUMENT, "model", "model or dot is NULL");
    const struct model *m = model->model;
    const graph *g = m->main;
    text_buffer b = {0};
    text_buffer_add_string(&b, "digraph model {\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontsize=9];\n");
    for (int i = 0; i < g->n_inputs; i++) {
        text_buffer_format(&b, "  v%d [shape=ellipse, label=", g->inputs[i]->id);
        dot_text(&b, g->inputs[i]->name);
        text_buffer_add_string(&b, "];\n");
    }
    for (const node *n = g->first; n; n = n->next) {
        text_buffer_format(&b, "  n%d [label=", n->id);
        dot_text(&b, n->op_type);
        text_buffer_add_string(&b, ", tooltip=");
        dot_text(&b, n->name);
        text_buffer_add_string(&b, "];\n");
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i] && !(n->in[i]->constant && !n->in[i]->is_input)) dot_edge(&b, m, n->in[i], n);
    }
    for (int i = 0; i < g->n_outputs; i++) {
        text_buffer_format(&b, "  o%d [shape=ellipse, label=", i);
        dot_text(&b, g->outputs[i]->name);
        text_buffer_add_string(&b, "];\n");
        if (g->outputs[i]->producer) text_buffer_format(&b, "  n%d -> o%d;\n", g->outputs[i]->producer->id, i);
    }
    text_buffer_add_string(&b, "}\n");
    *dot = text_buffer_take(&b);
    return *dot ? HST_STATUS_OK : no_memory(err);
}

/* ---- lists ---- */

static json_t *list_op(int i) {
    const op *o = op_list[i];
    return json_pack("{ss ss si si ss ss* ss*}", "name", o->name, "domain", o->domain, "since", o->since, "until",
                     o->until, "summary", o->summary ? o->summary : "", "gaps", o->gaps, "failing", o->failing);
}

static json_t *list_kernel(int i) {
    const kernel *k = kernel_list[i];
    bool chosen = memcmp((const char *)kernels_get() + k->slot, &k->fn, sizeof k->fn) == 0;
    const bool available = cpu_has(k->isa);
    char why[96] = "";
    if (!available && cpu_on_request(k->isa))
        snprintf(why, sizeof why, "only on request (HST_CPU=%s): tested by emulation, never measured",
                 cpu_isa_name(k->isa));
    else if (!available)
        snprintf(why, sizeof why, "in use is %s", cpu_isa_name(cpu_level()));
    return json_pack("{ss ss ss sb sb ss}", "name", k->name, "family", k->family, "isa", cpu_isa_name(k->isa),
                     "available", (int)available, "chosen", (int)chosen, "why_not", why);
}

static json_t *list_pass(int i) {
    const pass *p = pass_list[i];
    return json_pack("{ss si ss}", "name", p->name, "order", p->order, "summary", p->summary ? p->summary : "");
}

static json_t *list_arch(int i) {
    const arch *a = arch_list[i];
    json_t *classes = json_array();
    for (const char *const *c = a->architectures; c && *c; c++) json_array_append_new(classes, json_string(*c));
    return json_pack("{ss so ss}", "name", a->model_type, "architectures", classes, "summary",
                     a->summary ? a->summary : "");
}

static json_t *list_task(int i) {
    const task_kind *t = task_list[i];
    json_t *aliases = json_array();
    for (const char *const *c = t->aliases; c && *c; c++) json_array_append_new(aliases, json_string(*c));
    return json_pack("{ss so ss}", "name", t->name, "aliases", aliases, "summary", t->summary ? t->summary : "");
}

hst_status hst_list_json(const char *what, char **json, hst_error *err) {
    const struct {
        const char *name;
        int count;
        json_t *(*one)(int i);
    } lists[] = {{"ops", op_list_count, list_op},
                 {"kernels", kernel_list_count, list_kernel},
                 {"passes", pass_list_count, list_pass},
                 {"archs", arch_list_count, list_arch},
                 {"tasks", task_list_count, list_task}};
    if (!what || !json) return error_set(err, HST_STATUS_INVALID_ARGUMENT, "what", "what or json is NULL");
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
        if (strcmp(what, lists[k].name) != 0) continue;
        json_t *root = json_array();
        bool failed = !root;
        for (int i = 0; i < lists[k].count; i++) failed |= json_array_append_new(root, lists[k].one(i)) != 0;
        return describe_dump(root, failed, json, err);
    }
    return error_set(err, HST_STATUS_NOT_FOUND, what, "there is no list '%s': ops, kernels, passes, archs, tasks",
                     what);
}
