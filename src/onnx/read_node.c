/* NodeProto: its operator's version, inputs, outputs and attributes, or the call of a function. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "onnx/reader.h"

typedef struct parts { /* of the message; slices point into the file */
    proto_slice name, op_type, domain, overload;
    int inputs, outputs, attributes;
    int64_t version; /* 0: its domain's */
    extra_builder rest;
} parts;

static hst_status count_one(reader *r, int *n) {
    if (*n == INT32_MAX) return read_bad(r, NULL, "a node has too many inputs, outputs or attributes");
    ++*n;
    return HST_STATUS_OK;
}

static hst_status parse(reader *r, proto_reader p, parts *n) {
    proto_field f;
    proto_slice ignored;
    memset(n, 0, sizeof *n);
    n->name.data = n->op_type.data = n->domain.data = n->overload.data = (const unsigned char *)"";
    extra_begin(&n->rest, r->scratch);
    while (proto_next(&p, &f)) {
        switch (f.number) {
        case NODE_INPUT:
            HST_TRY(proto_bytes(&p, &f, "NodeProto.input", &ignored, r->err));
            HST_TRY(count_one(r, &n->inputs));
            break;
        case NODE_OUTPUT:
            HST_TRY(proto_bytes(&p, &f, "NodeProto.output", &ignored, r->err));
            HST_TRY(count_one(r, &n->outputs));
            break;
        case NODE_ATTRIBUTE:
            HST_TRY(proto_bytes(&p, &f, "NodeProto.attribute", &ignored, r->err));
            HST_TRY(count_one(r, &n->attributes));
            break;
        case NODE_NAME:
            HST_TRY(proto_bytes(&p, &f, "NodeProto.name", &n->name, r->err));
            break;
        case NODE_OP_TYPE:
            HST_TRY(proto_bytes(&p, &f, "NodeProto.op_type", &n->op_type, r->err));
            break;
        case NODE_DOMAIN:
            HST_TRY(proto_bytes(&p, &f, "NodeProto.domain", &n->domain, r->err));
            break;
        case NODE_OVERLOAD:
            HST_TRY(proto_bytes(&p, &f, "NodeProto.overload", &n->overload, r->err));
            extra_add(&n->rest, f.whole);
            break;
        case NODE_VERSION:
            if (!r->options.internal) {
                extra_add(&n->rest, f.whole);
                break;
            }
            HST_TRY(proto_s64(&p, &f, "NodeProto.version", &n->version, r->err));
            if (n->version < 1 || n->version > INT32_MAX)
                return read_bad(r, NULL, "opset version %" PRId64, n->version);
            break;
        default:
            extra_add(&n->rest, f.whole);
        }
    }
    HST_TRY(proto_end(&p, "NodeProto", r->err));
    if (slice_is(n->domain, "ai.onnx")) n->domain.size = 0;
    return HST_STATUS_OK;
}

/* Version of the domain in force here; also made known to the model where only a function imports it. */
static hst_status opset_of(reader *r, const context *c, proto_slice domain, const char *text, int *version) {
    void **known = names_find(c->imports, domain);
    if (!known)
        return read_bad(r, NULL, "the %s has no opset import for domain '%s'",
                        c->function ? "function around it" : "model", *text ? text : "ai.onnx");
    *version = (int)(intptr_t)*known;
    if (c->function && model_opset(r->model, text) == 0) return model_import_opset(r->model, text, *version, r->err);
    return HST_STATUS_OK;
}

static hst_status read_values(reader *r, const context *c, scope *s, graph *g, proto_reader p, const char *label,
                              value **in) {
    proto_field f;
    while (proto_next(&p, &f)) {
        if (f.number == NODE_INPUT) {
            *in = NULL;
            if (f.bytes.size) HST_TRY(scope_use(r, s, c, g, f.bytes, label, in));
            in++;
        }
    }
    return HST_STATUS_OK;
}

static hst_status define_outputs(reader *r, const context *c, scope *s, graph *g, proto_reader p, value **out) {
    proto_field f;
    while (proto_next(&p, &f)) {
        if (f.number != NODE_OUTPUT) continue;
        *out = NULL;
        if (f.bytes.size) HST_TRY(scope_define(r, s, c, g, f.bytes, false, out));
        out++;
    }
    return HST_STATUS_OK;
}

static void finish_outputs(scope *s, proto_reader p) {
    proto_field f;
    while (proto_next(&p, &f))
        if (f.number == NODE_OUTPUT && f.bytes.size) scope_finish(s, f.bytes);
}

static hst_status read_attributes(reader *r, const context *c, scope *s, node *n, proto_reader p, int count) {
    proto_field f;
    names seen;
    names_begin(&seen, r->scratch);
    n->attributes = ARENA_ARRAY(r->model->arena, attribute, count ? count : 1);
    if (!n->attributes) return read_no_memory(r, "attributes");
    while (proto_next(&p, &f)) {
        proto_reader a;
        proto_slice name, reference;
        bool present = false;
        if (f.number != NODE_ATTRIBUTE) continue;
        HST_TRY(proto_enter(&p, &f, "NodeProto.attribute", &a, r->err));
        HST_TRY(read_attribute_names(r, a, &name, &reference));
        void **known = names_add(&seen, name);
        if (!known) return read_no_memory(r, "attributes");
        if (*known)
            return read_bad(r, NULL, "attribute '%.*s' is given twice", slice_shown(name), (const char *)name.data);
        *known = n;
        hst_status status = read_attribute(r, c, s, n->graph, a, &n->attributes[n->n_attributes], &present);
        if (status != HST_STATUS_OK)
            return r->places < 4
                       ? error_prefix(r->err, status, "attribute '%.*s'", slice_shown(name), (const char *)name.data)
                       : status;
        if (present) n->n_attributes++;
    }
    return HST_STATUS_OK;
}

static hst_status read_operator(reader *r, const context *c, scope *s, graph *g, proto_reader p, parts *parts,
                                const char *label) {
    const char *domain, *op_type, *name;
    int version = 0;
    HST_TRY(read_text(r, r->scratch, parts->domain, "a node's domain", &domain));
    HST_TRY(read_text(r, r->scratch, parts->op_type, "a node's op_type", &op_type));
    HST_TRY(read_text(r, r->scratch, parts->name, "a node's name", &name));
    HST_TRY(opset_of(r, c, parts->domain, domain, &version));
    value **in = ARENA_ARRAY(r->scratch, value *, (size_t)parts->inputs + 1);
    value **out = ARENA_ARRAY(r->scratch, value *, (size_t)parts->outputs + 1);
    if (!in || !out) return read_no_memory(r, "a node");
    HST_TRY(read_values(r, c, s, g, p, label, in));
    HST_TRY(define_outputs(r, c, s, g, p, out));
    if (*c->prefix && *name) { /* an unnamed node stays unnamed: names must differ */
        size_t size = strlen(c->prefix) + strlen(name) + 1;
        char *full = arena_alloc_aligned(r->scratch, size, 1);
        if (!full) return read_no_memory(r, "a node's name");
        snprintf(full, size, "%s%s", c->prefix, name);
        name = full;
    }
    node *n = graph_add_node(g, domain, op_type, name, in, parts->inputs, out, parts->outputs);
    if (!n) return read_no_memory(r, "a node");
    n->opset = parts->version ? (int)parts->version : version;
    if (!extra_take(&parts->rest, r->model->arena, &n->extra)) return read_no_memory(r, "unknown fields");
    HST_TRY(read_attributes(r, c, s, n, p, parts->attributes));
    finish_outputs(s, p);
    return HST_STATUS_OK;
}

hst_status read_work(reader *r, size_t bytes) {
    r->work += 1 + bytes / 1024;
    if (r->work <= r->options.work_most) return HST_STATUS_OK;
    return error_set(r->err, HST_STATUS_UNSUPPORTED, NULL,
                     "inlining the functions of this model takes more than %zu nodes", r->options.work_most);
}

hst_status read_node(reader *r, const context *c, scope *s, graph *g, proto_reader p) {
    parts parts;
    char label[200];
    size_t size = (size_t)(p.end - p.at);
    hst_status status = parse(r, p, &parts);
    if (status == HST_STATUS_OK && !parts.op_type.size) status = read_bad(r, NULL, "it has no op_type");
    if (status == HST_STATUS_OK && !parts.inputs && !parts.outputs)
        status = read_bad(r, NULL, "it has no inputs and no outputs");
    /* Names in files can be long: the hash of each is work too. Tensors are only pointed at. */
    if (status == HST_STATUS_OK && c->function) status = read_work(r, size / 16);
    snprintf(label, sizeof label, "%.*s '%.*s'", slice_shown(parts.op_type), (const char *)parts.op_type.data,
             parts.name.size > 80 ? 80 : (int)parts.name.size, (const char *)parts.name.data);
    if (status == HST_STATUS_OK) {
        const function *f = function_find(r, parts.domain, parts.op_type, parts.overload, &status);
        if (status == HST_STATUS_OK)
            status = f ? inline_call(r, c, s, g, p, f) : read_operator(r, c, s, g, p, &parts, label);
    }
    if (status == HST_STATUS_OK) return status;
    /* The innermost places are what matters; a message has only so much room. */
    return r->places++ < 4 ? error_prefix(r->err, status, "node %d (%s)", g->n_nodes, label) : status;
}

hst_status read_identity(reader *r, const context *c, graph *g, value *from, value *to) {
    proto_slice standard = {(const unsigned char *)"", 0};
    void **known = names_find(c->imports, standard);
    int64_t version = known ? (intptr_t)*known : model_opset(r->model, "");
    if (version == 0) version = 1; /* Identity has meant the same since opset 1 */
    if (model_opset(r->model, "") == 0) HST_TRY(model_import_opset(r->model, "", version, r->err));
    node *n = graph_add_node(g, "", "Identity", "", &from, 1, &to, 1);
    if (!n) return read_no_memory(r, "a node");
    n->opset = (int)version;
    return HST_STATUS_OK;
}
