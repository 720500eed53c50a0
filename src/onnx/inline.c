/* Model-local functions: each call becomes the nodes of the body. Inside, names mean the body's own values, opset
 * versions are the function's imports, and attributes may refer to those of the call (read_attribute.c). */
#include <stdio.h>
#include <string.h>

#include "onnx/reader.h"

#define PREFIX_MOST 240 /* a longer name of nested calls keeps only its innermost part */

/* "domain\0name\0overload" in the scratch arena. */
static bool function_key(reader *r, proto_slice domain, proto_slice name, proto_slice overload, proto_slice *key) {
    if (slice_is(domain, "ai.onnx")) domain.size = 0;
    size_t size = domain.size + name.size + overload.size + 2;
    unsigned char *k = arena_alloc_aligned(r->scratch, size, 1);
    if (!k) return false;
    if (domain.size) memcpy(k, domain.data, domain.size);
    if (name.size) memcpy(k + domain.size + 1, name.data, name.size);
    if (overload.size) memcpy(k + domain.size + name.size + 2, overload.data, overload.size);
    *key = (proto_slice){k, size};
    return true;
}

function *function_find(reader *r, proto_slice domain, proto_slice name, proto_slice overload, hst_status *status) {
    proto_slice key;
    *status = HST_STATUS_OK;
    if (!r->functions.count) return NULL;
    if (!function_key(r, domain, name, overload, &key)) {
        *status = read_no_memory(r, "a function's name");
        return NULL;
    }
    void **known = names_find(&r->functions, key);
    return known ? *known : NULL;
}

/* Adds an attribute of the function; `proto` is its default or NULL. */
static hst_status declare(reader *r, function *f, proto_slice name, const proto_reader *proto) {
    void **known = names_add(&f->defaults, name);
    if (!known) return read_no_memory(r, "a function");
    if (proto) *known = arena_copy(r->scratch, proto, sizeof *proto);
    return proto && !*known ? read_no_memory(r, "a function") : HST_STATUS_OK;
}

static hst_status read_function_field(reader *r, function *fn, const proto_reader *p, const proto_field *f,
                                      proto_slice *name, proto_slice *domain, proto_slice *overload) {
    proto_slice s, reference;
    proto_reader a;
    switch (f->number) {
    case FUNCTION_NAME:
        return proto_bytes(p, f, "FunctionProto.name", name, r->err);
    case FUNCTION_DOMAIN:
        return proto_bytes(p, f, "FunctionProto.domain", domain, r->err);
    case FUNCTION_OVERLOAD:
        return proto_bytes(p, f, "FunctionProto.overload", overload, r->err);
    case FUNCTION_OPSET_IMPORT:
        return read_import(r, p, f, &fn->imports);
    case FUNCTION_ATTRIBUTE:
        HST_TRY(proto_bytes(p, f, "FunctionProto.attribute", &s, r->err));
        return declare(r, fn, s, NULL);
    case FUNCTION_ATTRIBUTE_PROTO:
        HST_TRY(proto_enter(p, f, "FunctionProto.attribute_proto", &a, r->err));
        HST_TRY(read_attribute_names(r, a, &s, &reference));
        return declare(r, fn, s, &a);
    case FUNCTION_INPUT:
    case FUNCTION_OUTPUT:
    case FUNCTION_NODE:
        return proto_bytes(p, f, "FunctionProto.input, output or node", &s, r->err);
    default:
        return HST_STATUS_OK;
    }
}

hst_status read_function(reader *r, proto_reader p) {
    proto_slice name = {(const unsigned char *)"", 0}, domain = name, overload = name, key;
    proto_field f;
    function *fn = ARENA_NEW(r->scratch, function);
    if (!fn) return read_no_memory(r, "a function");
    fn->body = p;
    names_begin(&fn->imports, r->scratch);
    names_begin(&fn->defaults, r->scratch);
    while (proto_next(&p, &f)) HST_TRY(read_function_field(r, fn, &p, &f, &name, &domain, &overload));
    HST_TRY(proto_end(&p, "FunctionProto", r->err));
    if (!name.size) return read_bad(r, NULL, "a function of the model has no name");
    char label[256];
    snprintf(label, sizeof label, "%.*s%s%.*s", slice_shown(domain), (const char *)domain.data, domain.size ? "." : "",
             slice_shown(name), (const char *)name.data);
    fn->label = arena_copy_string(r->scratch, label, strlen(label));
    if (!fn->label || !function_key(r, domain, name, overload, &key)) return read_no_memory(r, "a function");
    void **known = names_add(&r->functions, key);
    if (!known) return read_no_memory(r, "a function");
    if (*known) return read_bad(r, fn->label, "function %s is given twice", fn->label);
    *known = fn;
    return HST_STATUS_OK;
}

static hst_status check_depth(reader *r, const context *c, const function *f) {
    for (const context *o = c; o; o = o->caller)
        if (o->function == f) return read_bad(r, f->label, "function %s calls itself", f->label);
    if (r->call_depth >= ONNX_CALL_DEPTH)
        return read_bad(r, f->label, "functions call one another more than %d deep", ONNX_CALL_DEPTH);
    return HST_STATUS_OK;
}

static hst_status make_prefix(reader *r, context *body, proto_slice name, const function *f) {
    char text[PREFIX_MOST + 160];
    const char *outer = strlen(body->caller->prefix) > PREFIX_MOST ? "" : body->caller->prefix;
    if (memchr(name.data, 0, name.size)) name.size = 0;
    if (name.size)
        snprintf(text, sizeof text, "%s%.*s/", outer, slice_shown(name), (const char *)name.data);
    else
        snprintf(text, sizeof text, "%s%.100s/", outer, f->label);
    body->prefix = arena_copy_string(r->scratch, text, strlen(text));
    return body->prefix ? HST_STATUS_OK : read_no_memory(r, "a name");
}

/* The next field `number` of a message, as bytes; false at the end. */
static bool next_of(proto_reader *p, uint32_t number, proto_slice *s) {
    proto_field f;
    while (proto_next(p, &f)) {
        if (f.number != number) continue;
        *s = f.bytes;
        return true;
    }
    return false;
}

static hst_status bind_inputs(reader *r, const context *c, scope *s, graph *g, proto_reader call, const function *f,
                              scope *body) {
    proto_reader formals = f->body;
    proto_slice formal, actual;
    while (next_of(&formals, FUNCTION_INPUT, &formal)) {
        if (names_find(&body->entries, formal))
            return read_bad(r, f->label, "function %s has two inputs '%.*s'", f->label, slice_shown(formal),
                            (const char *)formal.data);
        entry *e = scope_add(r, body, formal);
        if (!e) return read_no_memory(r, "a function's input");
        e->state = ENTRY_DEFINED;
        if (next_of(&call, NODE_INPUT, &actual) && actual.size)
            HST_TRY(scope_use(r, s, c, g, actual, f->label, &e->value));
    }
    if (next_of(&call, NODE_INPUT, &actual))
        return read_bad(r, f->label, "the call has more inputs than function %s", f->label);
    return HST_STATUS_OK;
}

/* Outputs that the body produces are bound to the caller's values; an output that is an input needs a node of its own.
 */
static hst_status bind_outputs(reader *r, const context *c, scope *s, graph *g, proto_reader call, const function *f,
                               scope *body, const context *inside) {
    proto_reader formals = f->body;
    proto_slice formal, actual;
    while (next_of(&formals, FUNCTION_OUTPUT, &formal)) {
        value *v = NULL;
        if (!next_of(&call, NODE_OUTPUT, &actual)) actual.size = 0;
        if (actual.size) HST_TRY(scope_define(r, s, c, g, actual, false, &v));
        void **known = names_find(&body->entries, formal);
        if (known) {
            const entry *e = *known;
            if (e->state != ENTRY_DEFINED)
                return read_bad(r, f->label, "function %s has two outputs '%.*s'", f->label, slice_shown(formal),
                                (const char *)formal.data);
            if (v && !e->value)
                return read_bad(r, f->label, "output '%.*s' of function %s is an input that the call omits",
                                slice_shown(formal), (const char *)formal.data, f->label);
            if (v) HST_TRY(read_identity(r, inside, g, e->value, v));
        } else if (v) {
            entry *e = scope_add(r, body, formal);
            if (!e) return read_no_memory(r, "a function's output");
            *e = (entry){ENTRY_BOUND, v, NULL};
        }
    }
    if (next_of(&call, NODE_OUTPUT, &actual))
        return read_bad(r, f->label, "the call has more outputs than function %s", f->label);
    return HST_STATUS_OK;
}

static hst_status bind_attributes(reader *r, proto_reader call, names *bindings) {
    proto_field f;
    while (proto_next(&call, &f)) {
        proto_reader a;
        proto_slice name, reference;
        if (f.number != NODE_ATTRIBUTE) continue;
        HST_TRY(proto_enter(&call, &f, "NodeProto.attribute", &a, r->err));
        HST_TRY(read_attribute_names(r, a, &name, &reference));
        void **known = names_add(bindings, name);
        if (!known) return read_no_memory(r, "attributes of a call");
        if (*known)
            return read_bad(r, NULL, "attribute '%.*s' is given twice", slice_shown(name), (const char *)name.data);
        *known = arena_copy(r->scratch, &a, sizeof a);
        if (!*known) return read_no_memory(r, "attributes of a call");
    }
    return HST_STATUS_OK;
}

static void finish_outputs(scope *s, proto_reader call) {
    proto_slice actual;
    while (next_of(&call, NODE_OUTPUT, &actual))
        if (actual.size) scope_finish(s, actual);
}

hst_status inline_call(reader *r, const context *c, scope *s, graph *g, proto_reader call, const function *f) {
    context inside = {.caller = c, .function = f, .call_scope = s, .imports = &f->imports};
    scope body = {.outer = NULL};
    proto_reader p = call, nodes = f->body;
    proto_field field;
    proto_slice name = {(const unsigned char *)"", 0};
    HST_TRY(check_depth(r, c, f));
    r->call_depth++;
    HST_TRY(read_work(r, (size_t)(f->body.end - f->body.at) / 16));
    while (next_of(&p, NODE_NAME, &name)) continue;
    HST_TRY(make_prefix(r, &inside, name, f));
    names_begin(&body.entries, r->scratch);
    names_begin(&inside.bindings, r->scratch);
    HST_TRY(bind_attributes(r, call, &inside.bindings));
    HST_TRY(bind_inputs(r, c, s, g, call, f, &body));
    HST_TRY(bind_outputs(r, c, s, g, call, f, &body, &inside));
    while (proto_next(&nodes, &field)) {
        proto_reader n;
        if (field.number != FUNCTION_NODE) continue;
        HST_TRY(proto_enter(&nodes, &field, "FunctionProto.node", &n, r->err));
        HST_TRY(read_node(r, &inside, &body, g, n));
    }
    HST_TRY(scope_close(r, &body, f->label));
    finish_outputs(s, call);
    s->unsorted |= body.unsorted;
    r->call_depth--;
    return HST_STATUS_OK;
}
