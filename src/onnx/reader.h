/* The reader's own structures; for src/onnx/read_*.c and inline.c alone. */
#ifndef ONNX_READER_H
#define ONNX_READER_H

#include "onnx/extra.h"
#include "onnx/fields.h"
#include "base/names.h"
#include "onnx/onnx.h"
#include "onnx/tensor_proto.h"

/* A name in a scope. */
typedef enum entry_state {
    ENTRY_WANTED, /* used, but not defined yet */
    ENTRY_MAKING, /* output of the node that is being read */
    ENTRY_DEFINED,
    ENTRY_CAPTURED, /* of an outer scope, used here */
    ENTRY_BOUND     /* formal output of a function: the caller's value, to be produced by the body */
} entry_state;

typedef struct entry {
    entry_state state;
    value *value;       /* NULL: an input that the caller of the function omitted */
    const char *wanted; /* label of the node that used it first */
} entry;

/* The names visible in a graph or function body. */
typedef struct scope {
    struct scope *outer; /* NULL in the main graph and in a function's body */
    names entries;       /* name -> entry */
    bool unsorted;       /* a value was used before the node that produces it */
} scope;

typedef struct function {
    const char *label; /* "domain.name" */
    proto_reader body;
    names imports;  /* domain -> version */
    names defaults; /* attribute -> proto_reader of its AttributeProto; NULL item: an attribute without default */
} function;

/* What surrounds a node: the model, or a function called with certain attributes. */
typedef struct context {
    const struct context *caller; /* NULL: the model's own graphs */
    const function *function;
    scope *call_scope;    /* names at the call */
    names bindings;       /* attribute -> proto_reader of the AttributeProto at the call */
    const names *imports; /* opset versions in force */
    const char *prefix;   /* of node and value names, "" in the model */
} context;

typedef struct pending_name {
    value *value;
    const char *hint;
    struct pending_name *next;
} pending_name;

typedef struct reader {
    model *model;
    arena *scratch;
    hst_error *err;
    onnx_read_options options;
    const char *path; /* NULL: from memory */
    tensor_source tensors;
    int64_t ir_version;
    names imports;   /* of the model */
    names functions; /* "domain\0name\0overload" -> function */
    names taken;     /* every value name in use */
    names externals; /* location -> external file */
    pending_name *pending, **pending_tail;
    const context *main;         /* the model's context */
    size_t work;                 /* done inlining */
    int graph_depth, call_depth; /* both bound the native stack */
    int places;                  /* named in the error so far */
} reader;

/* Fails with BAD_FORMAT and this message. */
hst_status read_bad(reader *r, const char *object, const char *format, ...) __attribute__((format(printf, 3, 4)));
hst_status read_no_memory(reader *r, const char *what);
/* A NUL-terminated copy in `a`; a NUL inside is refused. */
hst_status read_text(reader *r, arena *a, proto_slice s, const char *what, const char **out);
hst_status read_text_field(reader *r, arena *a, const proto_reader *p, const proto_field *f, const char *what,
                           const char **out);
bool slice_is(proto_slice s, const char *text);
int slice_shown(proto_slice s); /* for "%.*s" in messages */

/* read_scope.c */
hst_status scope_use(reader *r, scope *s, const context *c, graph *g, proto_slice name, const char *user, value **out);
/* A new value (or the one that waits under this name). `finished` false: nobody may use it until scope_finish. */
hst_status scope_define(reader *r, scope *s, const context *c, graph *g, proto_slice name, bool finished, value **out);
hst_status scope_define_initializer(reader *r, scope *s, const context *c, graph *g, proto_slice name,
                                    const hst_tensor *t, value **out);
void scope_finish(scope *s, proto_slice name);
/* v gets the first free of name_2, name_3 ... once all names of the file are known. */
hst_status scope_name_copy(reader *r, value *v, proto_slice name);
entry *scope_add(reader *r, scope *s, proto_slice name);
/* BAD_FORMAT where a name was used and never defined. */
hst_status scope_close(reader *r, const scope *s, const char *what);
hst_status read_pending_names(reader *r);

/* read_type.c: `plain` is false where the message says more than dtype and shape. */
hst_status read_type(reader *r, proto_reader p, bool fresh_symbols, type *t, bool *plain);
/* For the writer: the type that a kept TypeProto stands for, by the model's symbols; false where it is damaged. */
bool type_matches(const model *m, bytes proto, const type *t);

/* read_graph.c, read_node.c, read_attribute.c, inline.c */
hst_status read_graph(reader *r, const context *c, scope *outer, proto_reader p, graph *g);
hst_status read_node(reader *r, const context *c, scope *s, graph *g, proto_reader p);
hst_status read_identity(reader *r, const context *c, graph *g, value *from, value *to);
/* *present is false where the attribute refers to one that the call does not have. */
hst_status read_attribute(reader *r, const context *c, scope *s, graph *g, proto_reader p, attribute *a, bool *present);
hst_status read_attribute_names(reader *r, proto_reader p, proto_slice *name, proto_slice *reference);
hst_status read_import(reader *r, const proto_reader *p, const proto_field *f, names *imports);
hst_status read_function(reader *r, proto_reader p);
function *function_find(reader *r, proto_slice domain, proto_slice name, proto_slice overload, hst_status *status);
hst_status inline_call(reader *r, const context *c, scope *s, graph *g, proto_reader p, const function *f);
hst_status read_work(reader *r, size_t bytes); /* counts work of inlined nodes */

/* external.c: tensor_source.external */
hst_status external_find(void *reader, proto_slice location, const unsigned char **data, size_t *size, hst_error *err);

#endif
