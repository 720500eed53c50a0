/* AttributeProto. Inside a function an attribute may refer to one of the call: it is then read from there, in the names
 * and imports of the caller. */
#include <inttypes.h>
#include <string.h>

#include "onnx/reader.h"

/* Which type a field belongs to; 0: none of them. */
static attribute_type type_of_field(uint32_t number) {
    switch (number) {
    case ATTR_F:
        return ATTRIBUTE_FLOAT;
    case ATTR_I:
        return ATTRIBUTE_INT;
    case ATTR_S:
        return ATTRIBUTE_STRING;
    case ATTR_T:
        return ATTRIBUTE_TENSOR;
    case ATTR_G:
        return ATTRIBUTE_GRAPH;
    case ATTR_FLOATS:
        return ATTRIBUTE_FLOATS;
    case ATTR_INTS:
        return ATTRIBUTE_INTS;
    case ATTR_STRINGS:
        return ATTRIBUTE_STRINGS;
    case ATTR_TENSORS:
        return ATTRIBUTE_TENSORS;
    case ATTR_GRAPHS:
        return ATTRIBUTE_GRAPHS;
    case ATTR_TP:
        return ATTRIBUTE_TYPE_PROTO;
    case ATTR_TYPE_PROTOS:
        return ATTRIBUTE_TYPE_PROTOS;
    case ATTR_SPARSE_TENSOR:
        return ATTRIBUTE_SPARSE_TENSOR;
    case ATTR_SPARSE_TENSORS:
        return ATTRIBUTE_SPARSE_TENSORS;
    default:
        return (attribute_type)0;
    }
}

static bool is_list(attribute_type t) {
    return (t >= ATTRIBUTE_FLOATS && t <= ATTRIBUTE_GRAPHS) || t == ATTRIBUTE_SPARSE_TENSORS ||
           t == ATTRIBUTE_TYPE_PROTOS;
}

static bool is_raw(attribute_type t) {
    return t >= ATTRIBUTE_SPARSE_TENSOR && t <= ATTRIBUTE_TYPE_PROTOS;
}

typedef struct parts {
    proto_slice name, reference;
    attribute_type type, found; /* as declared, as the fields say; 0: none */
    int64_t count;              /* elements of the value's field */
    bool has_reference;
    extra_builder rest;
} parts;

static hst_status parse_value(reader *r, const proto_reader *p, const proto_field *f, parts *a) {
    attribute_type t = type_of_field(f->number);
    int64_t more = 1;
    if (t == ATTRIBUTE_FLOATS || t == ATTRIBUTE_INTS) {
        proto_list list;
        HST_TRY(proto_list_open(p, f, t == ATTRIBUTE_INTS ? PROTO_VARINT : PROTO_FIXED32, "AttributeProto's list",
                                &list, r->err));
        more = list.count;
    }
    if (a->found && a->found != t)
        return read_bad(r, NULL, "it holds two kinds of value (types %d and %d)", (int)a->found, (int)t);
    if (a->found && !is_list(t)) return read_bad(r, NULL, "it holds its value twice");
    a->found = t;
    a->count += more;
    return HST_STATUS_OK;
}

static hst_status parse(reader *r, proto_reader p, parts *a) {
    proto_field f;
    int64_t n = 0;
    memset(a, 0, sizeof *a);
    a->name.data = a->reference.data = (const unsigned char *)"";
    extra_begin(&a->rest, r->scratch);
    while (proto_next(&p, &f)) {
        if (f.number == ATTR_NAME) {
            HST_TRY(proto_bytes(&p, &f, "AttributeProto.name", &a->name, r->err));
        } else if (f.number == ATTR_REF_NAME) {
            HST_TRY(proto_bytes(&p, &f, "AttributeProto.ref_attr_name", &a->reference, r->err));
            a->has_reference = a->reference.size > 0;
        } else if (f.number == ATTR_TYPE) {
            HST_TRY(proto_s64(&p, &f, "AttributeProto.type", &n, r->err));
            if (n < 0 || n > ATTRIBUTE_TYPE_PROTOS) return read_bad(r, NULL, "it has the unknown type %" PRId64, n);
            a->type = (attribute_type)n;
        } else if (type_of_field(f.number)) {
            HST_TRY(parse_value(r, &p, &f, a));
        } else {
            extra_add(&a->rest, f.whole);
        }
    }
    HST_TRY(proto_end(&p, "AttributeProto", r->err));
    if (!a->name.size) return read_bad(r, NULL, "it has no name");
    if (a->type && a->found && a->type != a->found)
        return read_bad(r, NULL, "its type is %d, but it holds a value of type %d", (int)a->type, (int)a->found);
    if (!a->type) a->type = a->found; /* files before IR 2 declare no type */
    return HST_STATUS_OK;
}

hst_status read_attribute_names(reader *r, proto_reader p, proto_slice *name, proto_slice *reference) {
    proto_field f;
    name->data = reference->data = (const unsigned char *)"";
    name->size = reference->size = 0;
    while (proto_next(&p, &f)) {
        if (f.number == ATTR_NAME) HST_TRY(proto_bytes(&p, &f, "AttributeProto.name", name, r->err));
        if (f.number == ATTR_REF_NAME) HST_TRY(proto_bytes(&p, &f, "AttributeProto.ref_attr_name", reference, r->err));
    }
    return proto_end(&p, "AttributeProto", r->err);
}

static hst_status copy_string(reader *r, proto_slice s, hst_string *out) {
    out->data = arena_copy_string(r->model->arena, (const char *)s.data, s.size);
    out->size = s.size;
    return out->data ? HST_STATUS_OK : read_no_memory(r, "an attribute");
}

static hst_status read_tensor(reader *r, const proto_reader *p, const proto_field *f, const hst_tensor **out,
                              extra_builder *extra) {
    proto_reader t;
    hst_tensor *tensor = NULL;
    proto_slice name;
    extra_builder rest;
    extra_begin(&rest, r->scratch);
    HST_TRY(proto_enter(p, f, "AttributeProto's tensor", &t, r->err));
    HST_TRY(tensor_proto_read(t, &r->tensors, &tensor, &name, &rest, r->err));
    HST_TRY(model_own_tensor(r->model, tensor, r->err));
    *out = tensor;
    if (name.size) extra_put(&rest, TENSOR_NAME, name); /* names nothing, but files have it */
    extra_put(extra, EXTRA_TENSOR, (proto_slice){rest.data, rest.size});
    return HST_STATUS_OK;
}

static hst_status read_subgraph(reader *r, const context *c, scope *s, graph *g, const proto_reader *p,
                                const proto_field *f, graph **out) {
    proto_reader sub;
    HST_TRY(proto_enter(p, f, "AttributeProto's graph", &sub, r->err));
    *out = graph_new(r->model, g, "");
    if (!*out) return read_no_memory(r, "a graph");
    return read_graph(r, c, s, sub, *out);
}

/* Where the elements of a list attribute go; each is set for its own type only. */
typedef struct lists {
    float *floats;
    int64_t *ints;
    hst_string *strings;
    const hst_tensor **tensors;
    graph **graphs;
} lists;

static hst_status make_lists(reader *r, const parts *a, attribute *to, lists *l) {
    arena *memory = r->model->arena;
    size_t n = (size_t)a->count + 1;
    void *made = to; /* anything but NULL */
    switch (a->type) {
    case ATTRIBUTE_FLOATS:
        to->as.floats = made = l->floats = ARENA_ARRAY(memory, float, n);
        break;
    case ATTRIBUTE_INTS:
        to->as.ints = made = l->ints = ARENA_ARRAY(memory, int64_t, n);
        break;
    case ATTRIBUTE_STRINGS:
        to->as.strings = made = l->strings = ARENA_ARRAY(memory, hst_string, n);
        break;
    case ATTRIBUTE_TENSORS:
        made = l->tensors = ARENA_ARRAY(memory, const hst_tensor *, n);
        to->as.tensors = l->tensors;
        break;
    case ATTRIBUTE_GRAPHS:
        made = l->graphs = ARENA_ARRAY(memory, graph *, n);
        to->as.graphs = l->graphs;
        break;
    case ATTRIBUTE_STRING:
        to->as.s = (hst_string){"", 0};
        break;
    default:
        break;
    }
    return made ? HST_STATUS_OK : read_no_memory(r, "an attribute's list");
}

static hst_status read_value(reader *r, const context *c, scope *s, graph *g, const proto_reader *p,
                             const proto_field *f, attribute *to, lists *l, int64_t *k, extra_builder *extra) {
    proto_slice text = {0};
    proto_list list;
    uint64_t v;
    switch (to->type) {
    case ATTRIBUTE_FLOAT:
        return proto_f32(p, f, "AttributeProto.f", &to->as.f, r->err);
    case ATTRIBUTE_INT:
        return proto_s64(p, f, "AttributeProto.i", &to->as.i, r->err);
    case ATTRIBUTE_STRING:
        HST_TRY(proto_bytes(p, f, "AttributeProto.s", &text, r->err));
        return copy_string(r, text, &to->as.s);
    case ATTRIBUTE_TENSOR:
        return read_tensor(r, p, f, &to->as.tensor, extra);
    case ATTRIBUTE_GRAPH:
        return read_subgraph(r, c, s, g, p, f, &to->as.graph);
    case ATTRIBUTE_FLOATS:
        HST_TRY(proto_list_open(p, f, PROTO_FIXED32, "AttributeProto.floats", &list, r->err));
        while (proto_list_next(&list, &v)) {
            uint32_t bits = (uint32_t)v;
            memcpy(&l->floats[(*k)++], &bits, 4);
        }
        return HST_STATUS_OK;
    case ATTRIBUTE_INTS:
        HST_TRY(proto_list_open(p, f, PROTO_VARINT, "AttributeProto.ints", &list, r->err));
        while (proto_list_next(&list, &v)) l->ints[(*k)++] = (int64_t)v;
        return HST_STATUS_OK;
    case ATTRIBUTE_STRINGS:
        HST_TRY(proto_bytes(p, f, "AttributeProto.strings", &text, r->err));
        return copy_string(r, text, &l->strings[(*k)++]);
    case ATTRIBUTE_TENSORS:
        return read_tensor(r, p, f, &l->tensors[(*k)++], extra);
    case ATTRIBUTE_GRAPHS:
        return read_subgraph(r, c, s, g, p, f, &l->graphs[(*k)++]);
    default:
        return HST_STATUS_OK;
    }
}

static hst_status read_literal(reader *r, const context *c, scope *s, graph *g, proto_reader p, parts *a,
                               attribute *to) {
    lists l = {0};
    int64_t k = 0;
    proto_field f;
    extra_builder extra, raw;
    size_t copied = r->tensors.copied;
    if (!a->type) return read_bad(r, NULL, "it has no type and no value");
    if (!a->found && (a->type == ATTRIBUTE_TENSOR || a->type == ATTRIBUTE_GRAPH || a->type == ATTRIBUTE_SPARSE_TENSOR ||
                      a->type == ATTRIBUTE_TYPE_PROTO))
        return read_bad(r, NULL, "it has type %d but no value", (int)a->type);
    extra_begin(&extra, r->scratch);
    extra_begin(&raw, r->scratch);
    HST_TRY(read_text(r, r->model->arena, a->name, "an attribute's name", &to->name));
    to->type = a->type;
    to->n = is_list(a->type) ? a->count : 1;
    HST_TRY(make_lists(r, a, to, &l));
    while (proto_next(&p, &f)) {
        if (!type_of_field(f.number)) continue;
        if (is_raw(a->type)) {
            proto_slice ignored;
            HST_TRY(proto_bytes(&p, &f, "AttributeProto's value", &ignored, r->err));
            extra_add(&raw, f.whole); /* whole fields: the writer puts them back as they are */
        } else {
            HST_TRY(read_value(r, c, s, g, &p, &f, to, &l, &k, &extra));
        }
    }
    if (is_raw(a->type) && !extra_take(&raw, r->model->arena, &to->as.raw)) return read_no_memory(r, "an attribute");
    if (a->rest.size) extra_put(&extra, EXTRA_REST, (proto_slice){a->rest.data, a->rest.size});
    if (a->rest.failed || !extra_take(&extra, r->model->arena, &to->extra)) return read_no_memory(r, "unknown fields");
    return c->function ? read_work(r, r->tensors.copied - copied) : HST_STATUS_OK;
}

hst_status read_attribute(reader *r, const context *c, scope *s, graph *g, proto_reader p, attribute *to,
                          bool *present) {
    parts a;
    *present = false;
    memset(to, 0, sizeof *to);
    HST_TRY(parse(r, p, &a));
    if (!a.has_reference) {
        *present = true;
        return read_literal(r, c, s, g, p, &a, to);
    }
    if (!c->function) return read_bad(r, NULL, "it refers to an attribute of a function, but is not in one");
    if (a.found) return read_bad(r, NULL, "it holds a value and refers to another attribute");
    void **given = names_find(&c->bindings, a.reference);
    void **otherwise = names_find(&c->function->defaults, a.reference);
    if (!otherwise)
        return read_bad(r, NULL, "it refers to '%.*s', which is no attribute of function %s", slice_shown(a.reference),
                        (const char *)a.reference.data, c->function->label);
    if (given)
        HST_TRY(read_attribute(r, c->caller, c->call_scope, g, *(const proto_reader *)*given, to, present));
    else if (*otherwise)
        HST_TRY(read_attribute(r, r->main, s, g, *(const proto_reader *)*otherwise, to, present));
    if (!*present) return HST_STATUS_OK; /* optional and not given: the node does without it too */
    if (a.type && to->type != a.type)
        return read_bad(r, NULL, "it is of type %d, but the call gives '%.*s' with type %d", (int)a.type,
                        slice_shown(a.reference), (const char *)a.reference.data, (int)to->type);
    return read_text(r, r->model->arena, a.name, "an attribute's name", &to->name);
}
