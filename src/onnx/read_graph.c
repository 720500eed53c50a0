/* GraphProto, in passes over its fields, because the file's order is not that of definition: initializers, inputs,
 * nodes, value types, outputs. */
#include <inttypes.h>
#include <string.h>

#include "onnx/reader.h"

/* Appends one field to a value's private extra. */
static hst_status keep(reader *r, value *v, uint32_t number, const extra_builder *what) {
    extra_builder b;
    if (what->failed) return read_no_memory(r, "unknown fields");
    if (!what->size) return HST_STATUS_OK;
    extra_begin(&b, r->scratch);
    extra_add(&b, (proto_slice){v->extra.data, v->extra.size});
    extra_put(&b, number, (proto_slice){what->data, what->size});
    return extra_take(&b, r->model->arena, &v->extra) ? HST_STATUS_OK : read_no_memory(r, "unknown fields");
}

static hst_status add_initializer(reader *r, const context *c, scope *s, graph *g, hst_tensor *t, proto_slice name,
                                  const extra_builder *rest) {
    value *v = NULL;
    HST_TRY(model_own_tensor(r->model, t, r->err)); /* first: from here on the model frees it */
    if (!name.size) return read_bad(r, g->name, "an initializer of graph '%s' has no name", g->name);
    HST_TRY(scope_define_initializer(r, s, c, g, name, t, &v));
    return keep(r, v, EXTRA_TENSOR, rest);
}

static hst_status read_initializer(reader *r, const context *c, scope *s, graph *g, const proto_reader *p,
                                   const proto_field *f) {
    proto_reader t;
    hst_tensor *tensor = NULL;
    proto_slice name = {(const unsigned char *)"", 0};
    extra_builder rest;
    size_t before = r->tensors.copied;
    extra_begin(&rest, r->scratch);
    HST_TRY(proto_enter(p, f, "GraphProto.initializer", &t, r->err));
    if (f->number == GRAPH_INITIALIZER)
        HST_TRY(tensor_proto_read(t, &r->tensors, &tensor, &name, &rest, r->err));
    else
        HST_TRY(tensor_proto_dense(t, &r->tensors, r->options.dense_most, &tensor, &name, &rest, r->err));
    hst_status status = add_initializer(r, c, s, g, tensor, name, &rest);
    if (status == HST_STATUS_OK && c->function) status = read_work(r, r->tensors.copied - before);
    return status;
}

typedef struct info {
    proto_slice name;
    type type;
    bool has_type;
    extra_builder rest, raw_type;
} info;

static hst_status read_info(reader *r, const context *c, const proto_reader *p, const proto_field *field, info *i) {
    proto_reader v, t;
    proto_field f;
    bool plain = true;
    memset(i, 0, sizeof *i);
    i->name.data = (const unsigned char *)"";
    extra_begin(&i->rest, r->scratch);
    extra_begin(&i->raw_type, r->scratch);
    HST_TRY(proto_enter(p, field, "ValueInfoProto", &v, r->err));
    while (proto_next(&v, &f)) {
        if (f.number == INFO_NAME) {
            HST_TRY(proto_bytes(&v, &f, "ValueInfoProto.name", &i->name, r->err));
        } else if (f.number == INFO_TYPE) {
            HST_TRY(proto_enter(&v, &f, "ValueInfoProto.type", &t, r->err));
            if (i->has_type)
                return read_bad(r, NULL, "value '%.*s' has two types", slice_shown(i->name),
                                (const char *)i->name.data);
            hst_status status = read_type(r, t, c->function != NULL, &i->type, &plain);
            if (status != HST_STATUS_OK)
                return error_prefix(r->err, status, "value '%.*s'", slice_shown(i->name), (const char *)i->name.data);
            i->has_type = true;
            if (!plain) extra_add(&i->raw_type, f.bytes);
        } else {
            extra_add(&i->rest, f.whole);
        }
    }
    return proto_end(&v, "ValueInfoProto", r->err);
}

/* A declared type against that of a constant: the constant's is the finer one and stays. */
static hst_status check_default(reader *r, const value *v, const info *i) {
    if (!i->has_type || i->type.dtype == HST_DTYPE_NONE) return HST_STATUS_OK;
    bool fits = i->type.dtype == v->type.dtype && (i->type.rank < 0 || i->type.rank == v->type.rank);
    for (int d = 0; fits && d < i->type.rank; d++) fits = i->type.dim[d] < 0 || i->type.dim[d] == v->type.dim[d];
    if (fits) return HST_STATUS_OK;
    char declared[200], actual[200];
    return read_bad(r, v->name, "input '%s' is declared as %s, but its initializer is %s", v->name,
                    type_format(r->model, &i->type, declared, sizeof declared),
                    type_format(r->model, &v->type, actual, sizeof actual));
}

static hst_status apply_info(reader *r, value *v, const info *i) {
    if (v->constant)
        HST_TRY(check_default(r, v, i));
    else if (i->has_type)
        v->type = i->type;
    HST_TRY(keep(r, v, EXTRA_INFO, &i->rest));
    return keep(r, v, EXTRA_TYPE, &i->raw_type);
}

static hst_status read_input(reader *r, const context *c, scope *s, graph *g, const proto_reader *p,
                             const proto_field *f) {
    info i;
    HST_TRY(read_info(r, c, p, f, &i));
    if (!i.name.size) return read_bad(r, g->name, "an input of graph '%s' has no name", g->name);
    void **known = names_find(&s->entries, i.name);
    value *v = known ? ((entry *)*known)->value : NULL;
    if (v && v->constant && !v->is_input) {
        HST_TRY(apply_info(r, v, &i));
        /* Before IR 4 every initializer had to be listed as an input; it is not one that a caller may set. */
        if (r->ir_version < 4) return HST_STATUS_OK;
        return graph_add_input(g, v, r->err);
    }
    HST_TRY(scope_define(r, s, c, g, i.name, true, &v));
    HST_TRY(apply_info(r, v, &i));
    return graph_add_input(g, v, r->err);
}

static hst_status read_value_info(reader *r, const context *c, scope *s, graph *g, const proto_reader *p,
                                  const proto_field *f) {
    info i;
    HST_TRY(read_info(r, c, p, f, &i));
    void **known = names_find(&s->entries, i.name);
    value *v = known ? ((entry *)*known)->value : NULL;
    /* Types of values that are not there (inside functions, or left behind by a tool) and second types say nothing. */
    if (!v || v->graph != g || v->constant || v->is_input || v->type.dtype != HST_DTYPE_NONE || v->type.rank >= 0 ||
        v->extra.size)
        return HST_STATUS_OK;
    return apply_info(r, v, &i);
}

static hst_status read_output(reader *r, const context *c, scope *s, graph *g, const proto_reader *p,
                              const proto_field *f) {
    info i;
    value *v = NULL;
    HST_TRY(read_info(r, c, p, f, &i));
    if (!i.name.size) return read_bad(r, g->name, "an output of graph '%s' has no name", g->name);
    HST_TRY(scope_use(r, s, c, g, i.name, "a graph's output", &v));
    if (!v)
        return read_bad(r, g->name, "output '%.*s' is an omitted input", slice_shown(i.name),
                        (const char *)i.name.data);
    if (v->graph != g || v->is_output) { /* of an outer graph, or returned twice: a node makes it this graph's own */
        value *own = graph_add_value(g, "");
        if (!own) return read_no_memory(r, "a value");
        if (!g->parent) HST_TRY(scope_name_copy(r, own, i.name)); /* callers tell outputs apart by their names */
        HST_TRY(read_identity(r, c, g, v, own));
        own->type = v->type;
        v = own;
    }
    if (v->is_input || v->constant) {
        /* its type is known from there */
    } else if (i.has_type) {
        v->type = i.type;
        v->extra = (bytes){NULL, 0};
        HST_TRY(apply_info(r, v, &i));
    }
    return graph_add_output(g, v, r->err);
}

/* Runs `read` for each field with one of two numbers. */
static hst_status each(reader *r, const context *c, scope *s, graph *g, proto_reader p, uint32_t a, uint32_t b,
                       hst_status (*read)(reader *, const context *, scope *, graph *, const proto_reader *,
                                          const proto_field *)) {
    proto_field f;
    while (proto_next(&p, &f))
        if (f.number == a || f.number == b) HST_TRY(read(r, c, s, g, &p, &f));
    return HST_STATUS_OK;
}

static hst_status read_head(reader *r, graph *g, proto_reader p) {
    proto_field f;
    extra_builder rest;
    extra_begin(&rest, r->scratch);
    while (proto_next(&p, &f)) {
        switch (f.number) {
        case GRAPH_NAME:
            HST_TRY(read_text_field(r, r->model->arena, &p, &f, "GraphProto.name", &g->name));
            break;
        case GRAPH_NODE:
        case GRAPH_INITIALIZER:
        case GRAPH_SPARSE_INITIALIZER:
        case GRAPH_INPUT:
        case GRAPH_OUTPUT:
        case GRAPH_VALUE_INFO:
            break;
        default:
            extra_add(&rest, f.whole);
        }
    }
    HST_TRY(proto_end(&p, "GraphProto", r->err));
    return extra_take(&rest, r->model->arena, &g->extra) ? HST_STATUS_OK : read_no_memory(r, "unknown fields");
}

static hst_status read_nodes(reader *r, const context *c, scope *s, graph *g, const proto_reader *p,
                             const proto_field *f) {
    proto_reader n;
    HST_TRY(proto_enter(p, f, "GraphProto.node", &n, r->err));
    return read_node(r, c, s, g, n);
}

hst_status read_graph(reader *r, const context *c, scope *outer, proto_reader p, graph *g) {
    scope s = {.outer = outer};
    if (++r->graph_depth > ONNX_GRAPH_DEPTH)
        return read_bad(r, NULL, "graphs are nested more than %d deep", ONNX_GRAPH_DEPTH);
    names_begin(&s.entries, r->scratch);
    HST_TRY(read_head(r, g, p));
    HST_TRY(each(r, c, &s, g, p, GRAPH_INITIALIZER, GRAPH_SPARSE_INITIALIZER, read_initializer));
    HST_TRY(each(r, c, &s, g, p, GRAPH_INPUT, GRAPH_INPUT, read_input));
    HST_TRY(each(r, c, &s, g, p, GRAPH_NODE, GRAPH_NODE, read_nodes));
    HST_TRY(each(r, c, &s, g, p, GRAPH_VALUE_INFO, GRAPH_VALUE_INFO, read_value_info));
    HST_TRY(each(r, c, &s, g, p, GRAPH_OUTPUT, GRAPH_OUTPUT, read_output));
    HST_TRY(scope_close(r, &s, g->name));
    if (s.unsorted) HST_TRY(graph_sort(g, r->err));
    r->graph_depth--;
    return HST_STATUS_OK;
}
