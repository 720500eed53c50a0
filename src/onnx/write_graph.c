/* ModelProto, GraphProto, NodeProto, AttributeProto and types, emitted field by field. */
#include <string.h>

#include "onnx/reader.h"
#include "onnx/writer.h"

static void put_rest(proto_writer *p, bytes rest) {
    proto_put_raw(p, rest.data, rest.size);
}

static void put_type(proto_writer *p, const model *m, const type *t) {
    bool sequence = t->dtype == HST_DTYPE_SEQUENCE, map = t->key != HST_DTYPE_NONE;
    proto_open(p, INFO_TYPE);
    if (t->optional) {
        proto_open(p, TYPE_OPTIONAL);
        proto_open(p, TYPE_ELEM);
    }
    if (sequence) {
        proto_open(p, TYPE_SEQUENCE);
        proto_open(p, TYPE_ELEM);
    }
    if (map) {
        proto_open(p, TYPE_MAP);
        proto_put_s64(p, MAP_KEY, t->key);
        proto_open(p, MAP_VALUE);
    }
    proto_open(p, TYPE_TENSOR);
    const hst_dtype element = sequence || map ? t->element : t->dtype;
    if (element != HST_DTYPE_NONE) proto_put_s64(p, TENSOR_TYPE_ELEM, element);
    if (t->rank >= 0) {
        proto_open(p, TENSOR_TYPE_SHAPE);
        for (int i = 0; i < t->rank; i++) {
            const char *name = dim_name(m, t->dim[i]);
            proto_open(p, SHAPE_DIM);
            if (!name)
                proto_put_s64(p, DIM_VALUE, t->dim[i]);
            else if (*name)
                proto_put_string(p, DIM_PARAM, name);
            proto_close(p);
        }
        proto_close(p);
    }
    proto_close(p);
    for (int k = 2 * map + 2 * sequence + 2 * t->optional; k > 0; k--) proto_close(p);
    proto_close(p);
}

static void put_value_info(proto_writer *p, const writer *w, uint32_t number, const value *v) {
    bytes kept = extra_get(v->extra, EXTRA_TYPE, 0);
    proto_open(p, number);
    proto_put_string(p, INFO_NAME, w->names[v->id]);
    if (kept.data && type_matches(w->model, kept, &v->type))
        proto_put_bytes(p, INFO_TYPE, kept.data, kept.size);
    else if (v->type.dtype != HST_DTYPE_OPTIONAL && (v->type.dtype != HST_DTYPE_NONE || v->type.rank >= 0))
        put_type(p, w->model, &v->type);
    put_rest(p, extra_get(v->extra, EXTRA_INFO, 0));
    proto_close(p);
}

static void put_graph(proto_writer *p, const writer *w, uint32_t number, const graph *g);

static void put_attribute_value(proto_writer *p, const writer *w, const attribute *a) {
    switch (a->type) {
    case ATTRIBUTE_FLOAT:
        proto_put_f32(p, ATTR_F, a->as.f);
        break;
    case ATTRIBUTE_INT:
        proto_put_s64(p, ATTR_I, a->as.i);
        break;
    case ATTRIBUTE_STRING:
        proto_put_bytes(p, ATTR_S, a->as.s.data, a->as.s.size);
        break;
    case ATTRIBUTE_TENSOR:
        write_tensor(p, w, ATTR_T, a->as.tensor, NULL, extra_get(a->extra, EXTRA_TENSOR, 0), WRITE_INLINE);
        break;
    case ATTRIBUTE_GRAPH:
        put_graph(p, w, ATTR_G, a->as.graph);
        break;
    case ATTRIBUTE_FLOATS: /* not packed: onnx.proto declares them so */
        for (int64_t i = 0; i < a->n; i++) proto_put_f32(p, ATTR_FLOATS, a->as.floats[i]);
        break;
    case ATTRIBUTE_INTS:
        for (int64_t i = 0; i < a->n; i++) proto_put_s64(p, ATTR_INTS, a->as.ints[i]);
        break;
    case ATTRIBUTE_STRINGS:
        for (int64_t i = 0; i < a->n; i++)
            proto_put_bytes(p, ATTR_STRINGS, a->as.strings[i].data, a->as.strings[i].size);
        break;
    case ATTRIBUTE_TENSORS:
        for (int64_t i = 0; i < a->n; i++)
            write_tensor(p, w, ATTR_TENSORS, a->as.tensors[i], NULL, extra_get(a->extra, EXTRA_TENSOR, i),
                         WRITE_INLINE);
        break;
    case ATTRIBUTE_GRAPHS:
        for (int64_t i = 0; i < a->n; i++) put_graph(p, w, ATTR_GRAPHS, a->as.graphs[i]);
        break;
    default: /* kept as whole fields */
        put_rest(p, a->as.raw);
    }
}

static void put_attribute(proto_writer *p, const writer *w, const attribute *a) {
    proto_open(p, NODE_ATTRIBUTE);
    proto_put_string(p, ATTR_NAME, a->name);
    if (a->reference)
        proto_put_string(p, ATTR_REF_NAME, a->reference);
    else
        put_attribute_value(p, w, a);
    proto_put_s64(p, ATTR_TYPE, a->type);
    put_rest(p, extra_get(a->extra, EXTRA_REST, 0));
    proto_close(p);
}

/* A node of another opset version than its domain's import states it itself. */
static void put_version(proto_writer *p, const writer *w, const node *n) {
    const proto_slice domain = {(const unsigned char *)n->domain, strlen(n->domain)};
    void **import = names_find(&w->opsets, domain);
    if (n->opset && import && (intptr_t)*import != n->opset) proto_put_s64(p, NODE_VERSION, n->opset);
}

static void put_node(proto_writer *p, const writer *w, const node *n) {
    proto_open(p, GRAPH_NODE);
    for (int i = 0; i < n->n_in; i++) proto_put_string(p, NODE_INPUT, n->in[i] ? w->names[n->in[i]->id] : "");
    for (int i = 0; i < n->n_out; i++) proto_put_string(p, NODE_OUTPUT, n->out[i] ? w->names[n->out[i]->id] : "");
    if (*w->node_names[n->id]) proto_put_string(p, NODE_NAME, w->node_names[n->id]);
    proto_put_string(p, NODE_OP_TYPE, n->op_type);
    for (int i = 0; i < n->n_attributes; i++) put_attribute(p, w, &n->attributes[i]);
    if (*n->domain) proto_put_string(p, NODE_DOMAIN, n->domain);
    if (w->options.internal) put_version(p, w, n);
    put_rest(p, n->extra);
    proto_close(p);
}

static void put_initializer(proto_writer *p, const writer *w, const value *v) {
    write_tensor(p, w, GRAPH_INITIALIZER, v->constant, w->names[v->id], extra_get(v->extra, EXTRA_TENSOR, 0),
                 w->offsets ? w->offsets[v->id] : WRITE_INLINE);
}

static void put_graph(proto_writer *p, const writer *w, uint32_t number, const graph *g) {
    proto_open(p, number);
    for (const node *n = g->first; n; n = n->next) put_node(p, w, n);
    proto_put_string(p, GRAPH_NAME, *g->name ? g->name : "graph"); /* the standard wants one */
    for (int i = 0; i < g->n_initializers; i++)
        if (g->initializers[i]->constant) put_initializer(p, w, g->initializers[i]);
    for (int i = 0; i < w->n_orphans; i++)
        if (w->orphans[i]->graph == g) put_initializer(p, w, w->orphans[i]);
    for (int i = 0; i < g->n_inputs; i++) put_value_info(p, w, GRAPH_INPUT, g->inputs[i]);
    for (int i = 0; i < g->n_outputs; i++) put_value_info(p, w, GRAPH_OUTPUT, g->outputs[i]);
    for (const node *n = w->options.no_value_info ? NULL : g->first; n; n = n->next) {
        for (int i = 0; i < n->n_out; i++) {
            const value *v = n->out[i];
            if (v && !v->is_output && (v->type.dtype != HST_DTYPE_NONE || v->extra.size))
                put_value_info(p, w, GRAPH_VALUE_INFO, v);
        }
    }
    put_rest(p, g->extra);
    proto_close(p);
}

static void put_text(proto_writer *p, uint32_t number, const char *text) {
    if (text && *text) proto_put_string(p, number, text);
}

static void put_import(proto_writer *p, const names_slot *s) {
    proto_open(p, MODEL_OPSET_IMPORT);
    proto_put_bytes(p, OPSET_DOMAIN, s->name.data, s->name.size);
    proto_put_s64(p, OPSET_VERSION, (intptr_t)s->item);
    proto_close(p);
}

/* The standard domain first, then the model's order, then what only nodes use: a hash map has no order of its own. */
static void put_imports(proto_writer *p, const writer *w) {
    const model *m = w->model;
    proto_slice standard = {(const unsigned char *)"", 0};
    void **first = names_find(&w->opsets, standard);
    if (first) put_import(p, &(names_slot){.name = standard, .item = *first});
    for (int i = 0; i < m->n_opsets; i++) {
        proto_slice domain = {(const unsigned char *)m->opsets[i].domain, strlen(m->opsets[i].domain)};
        void **known = names_find(&w->opsets, domain);
        if (domain.size && known) put_import(p, &(names_slot){.name = domain, .item = *known});
    }
    for (int i = 0; i < w->n_new_domains; i++) put_import(p, &w->new_domains[i]);
}

void write_model(proto_writer *p, void *context) {
    const writer *w = context;
    const model *m = w->model;
    proto_put_s64(p, MODEL_IR_VERSION, w->ir_version);
    put_text(p, MODEL_PRODUCER_NAME, m->producer_name);
    put_text(p, MODEL_PRODUCER_VERSION, m->producer_version);
    put_text(p, MODEL_DOMAIN, m->domain);
    if (m->model_version) proto_put_s64(p, MODEL_MODEL_VERSION, m->model_version);
    put_text(p, MODEL_DOC_STRING, m->doc_string);
    put_graph(p, w, MODEL_GRAPH, m->main);
    put_imports(p, w);
    for (int i = 0; i < m->n_metadata; i++) {
        proto_open(p, MODEL_METADATA_PROPS);
        proto_put_string(p, ENTRY_KEY, m->metadata[i].key);
        proto_put_string(p, ENTRY_VALUE, m->metadata[i].value);
        proto_close(p);
    }
    put_rest(p, m->extra);
}
