/* The intermediate representation: a model is a graph of nodes over values, in static single assignment, with the
 * meaning of ONNX. Everything lives in the model's arena. Nodes stand in topological order in a doubly linked list.
 * Graphs are built by readers (onnx/, arch/) with the functions here and changed by passes through graph/patch.h only. */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include "tensor/tensor.h"

/* A dimension: >= 0 is a number; otherwise it is a symbol of the model (dim_symbol). Equal symbols are equal lengths.
 * Contents (below) are dims too, but may be negative numbers, like Reshape's -1: there ask dim_is_symbol. */
typedef int64_t dim;
#define DIM_SYMBOL_FIRST (-((int64_t)1 << 62)) /* symbol k is DIM_SYMBOL_FIRST - k */
static inline bool dim_is_symbol(dim d) { return d <= DIM_SYMBOL_FIRST && d > DIM_SYMBOL_FIRST - INT32_MAX; }

/* What is known of a value. dtype NONE: unknown; rank -1: unknown. Of a sequence, `element` is the type of its items,
 * of which rank and dims speak: what is a symbol there may differ from item to item. Of a map `key` and `element` are
 * the types of its keys and values; a sequence that has a `key` is one of maps. Of these the rank is not known. */
typedef struct type {
    hst_dtype dtype;
    int rank;
    dim dim[HST_RANK_MAX];
    hst_dtype element; /* NONE: unknown, or neither sequence nor map */
    hst_dtype key;     /* NONE: unknown, or no map */
    bool optional;     /* may be an empty optional instead */
} type;

typedef struct model model;
typedef struct graph graph;
typedef struct node node;
typedef struct value value;
typedef struct attribute attribute;

/* Bytes kept as they were read (unknown protobuf fields, doc strings); data may point into the file map. */
typedef struct bytes {
    const void *data;
    size_t size;
} bytes;

typedef struct use {
    node *node;
    int index; /* which input of node */
} use;

struct value {
    const char *name; /* unique in its graph and all enclosing ones; never NULL, "" for an unnamed temporary */
    int id;           /* dense index in model->values */
    graph *graph;
    node *producer; /* NULL: graph input or initializer */
    int producer_index;
    type type;
    const hst_tensor *constant; /* initializer, or known by folding; NULL otherwise */
    /* Known contents of a small integer vector or scalar whose elements are dims (from Shape and arithmetic on it). */
    const dim *content; /* NULL: unknown */
    int content_count;
    use *uses;
    int n_uses, uses_capacity;
    bool is_input, is_output; /* of its graph */
    bytes extra;              /* the rest of its ValueInfoProto or TensorProto, kept for a round trip */
};

typedef enum attribute_type { /* ONNX's AttributeProto.AttributeType */
    ATTRIBUTE_FLOAT = 1,
    ATTRIBUTE_INT = 2,
    ATTRIBUTE_STRING = 3,
    ATTRIBUTE_TENSOR = 4,
    ATTRIBUTE_GRAPH = 5,
    ATTRIBUTE_FLOATS = 6,
    ATTRIBUTE_INTS = 7,
    ATTRIBUTE_STRINGS = 8,
    ATTRIBUTE_TENSORS = 9,
    ATTRIBUTE_GRAPHS = 10,
    ATTRIBUTE_SPARSE_TENSOR = 11,
    ATTRIBUTE_SPARSE_TENSORS = 12,
    ATTRIBUTE_TYPE_PROTO = 13,
    ATTRIBUTE_TYPE_PROTOS = 14
} attribute_type;

struct attribute {
    const char *name;
    attribute_type type;
    int64_t n; /* length of the list kinds, 1 otherwise */
    union {
        float f;
        int64_t i;
        hst_string s; /* NUL-terminated too */
        const hst_tensor *tensor;
        graph *graph;
        const float *floats;
        const int64_t *ints;
        const hst_string *strings;
        const hst_tensor *const *tensors;
        graph *const *graphs;
        bytes raw; /* sparse tensors, type protos: as read */
    } as;
    const char *reference; /* ref_attr_name inside a function body, else NULL */
    bytes extra;
};

struct node {
    const char *name;    /* "" where it has none */
    const char *domain;  /* "" is ai.onnx */
    const char *op_type;
    int opset; /* version of `domain` that this node was written against */
    int id;    /* dense, for side tables */
    graph *graph;
    value **in; /* an omitted optional input is NULL */
    int n_in;
    value **out; /* an omitted optional output is NULL */
    int n_out;
    attribute *attributes;
    int n_attributes, attributes_capacity; /* 0: the array is a reader's and full */
    node *previous, *next;
    const struct op *op; /* descriptor, set by ops_resolve; NULL before */
    bytes extra;
};

struct graph {
    const char *name;
    model *model;
    graph *parent; /* enclosing graph of a subgraph, whose values it may capture; NULL for the main graph */
    node *first, *last;
    int n_nodes;
    value **inputs;
    int n_inputs, inputs_capacity;
    value **outputs;
    int n_outputs, outputs_capacity;
    value **initializers; /* in file order; an initializer that is also an input is a default */
    int n_initializers, initializers_capacity;
    bytes extra;
};

typedef struct opset_import {
    const char *domain;
    int64_t version;
} opset_import;

typedef struct metadata_entry {
    const char *key, *value;
} metadata_entry;

/* A file map or the like that tensors point into. */
typedef struct model_kept {
    void *object;
    void (*release)(void *);
    hst_status (*check)(const void *, hst_error *);         /* fails where one of its files was cut since; NULL: no files */
    void (*unload)(const void *, const void *data, size_t); /* file_map_unload of what holds it; NULL: nothing to do */
} model_kept;

/* What the pass "quantize" is asked for. */
typedef enum model_quantization { MODEL_QUANTIZATION_NONE, MODEL_QUANTIZATION_INT8 } model_quantization;

struct model {
    arena *arena;
    graph *main;
    int64_t ir_version;
    opset_import *opsets;
    int n_opsets, opsets_capacity;
    const char *producer_name, *producer_version, *domain, *doc_string; /* "" where absent */
    int64_t model_version;
    metadata_entry *metadata;
    int n_metadata, metadata_capacity;
    const char **symbols; /* name of symbol k; "" for one that hasten made */
    int n_symbols, symbols_capacity;
    struct names *symbol_index; /* of the first n_symbols_indexed, for dim_symbol; NULL before the first */
    int n_symbols_indexed;
    /* What symbols are made of (ops/length.c): by symbol; the symbols by that; of how many symbols the names were read.
     */
    const struct made **made;
    int made_capacity;
    struct names *made_index;
    int n_symbols_read;
    int n_values, n_nodes; /* ids handed out */
    hst_tensor **tensors;  /* owned by the model, freed with it */
    int n_tensors, tensors_capacity;
    model_kept *keep;
    int n_keep, keep_capacity;
    struct pool *pool; /* of model_large; NULL: none yet */
    bytes extra;
    model_quantization quantization;
    bool partial;  /* to be looked at, not run: nodes of unknown operators have no op, what they give no type */
    bool compiled; /* read from an engine file: rewritten already, its weights mapped as the kernels read them */
    hst_dtype weights; /* of packed linear layers: f16, bf16; else f32 */
    const struct op *const *operators; /* descriptors that the user brought for this model; they win over op_list */
    int n_operators;
    /* Functions of the model that were not inlined are none: the reader inlines all. */
};

/* ---- building: every function returns NULL or NO_MEMORY when the arena fails ---- */
model *model_new(const hst_allocator *a);
void model_free(model *m);
/* Hands a tensor or any object to the model: freed with it, also where this call fails. */
hst_status model_own_tensor(model *m, hst_tensor *t, hst_error *err);
hst_status model_keep(model *m, void *object, void (*release)(void *), hst_error *err);
hst_status model_keep_file(model *m, model_kept what, hst_error *err); /* the same for what holds mapped files */
hst_status model_check_files(const model *m, hst_error *err);          /* IO */
/* The allocator for large tensors that the model will own to its end: on large pages, where the model's allocator is the
 * default one. */
const hst_allocator *model_large(model *m);
/* Bytes of a tensor that will hardly be read again: what is mapped of them leaves memory. Changes no content. */
void model_unload(const model *m, const void *data, size_t size);
/* Frees the tensors that no graph of the model refers to any more (release.c). Mapped ones are unloaded. */
hst_status model_release_unused(model *m, hst_error *err);
hst_status model_import_opset(model *m, const char *domain, int64_t version, hst_error *err);
int64_t model_opset(const model *m, const char *domain); /* 0 where not imported; "ai.onnx" is "" */
hst_status model_add_metadata(model *m, const char *key, const char *value, hst_error *err);

graph *graph_new(model *m, graph *parent, const char *name);
value *graph_add_value(graph *g, const char *name); /* name is copied; "" is made unique by the writer */
/* Marks an existing value as input / output. */
hst_status graph_add_input(graph *g, value *v, hst_error *err);
hst_status graph_add_output(graph *g, value *v, hst_error *err);
/* A value with a constant; the tensor is not taken over (give it to model_own_tensor). type is set from it. */
value *graph_add_initializer(graph *g, const char *name, const hst_tensor *t);
/* An input that is always given has no default: its initializer, if any, is taken away; its type stays. */
void graph_drop_default(graph *g, value *input);
/* Appends a node at the end (in topological order). Arrays are copied; uses and producers are set. opset 0: the model's. */
node *graph_add_node(graph *g, const char *domain, const char *op_type, const char *name, value *const *in, int n_in,
                     value *const *out, int n_out);
/* Adds to the node's attributes; the attribute is copied shallowly, name and string are copied into the arena. */
attribute *node_add_attribute(node *n, const attribute *a);
bool node_copy_attributes(node *to, const node *from); /* adds all of them, shallowly */
bool node_set_int(node *n, const char *name, int64_t i);
void node_replace_int(node *n, const char *name, int64_t i); /* an attribute that it has; nothing otherwise */
bool node_set_float(node *n, const char *name, float f);
bool node_set_string(node *n, const char *name, const char *s);
bool node_set_ints(node *n, const char *name, const int64_t *v, int count);
bool node_set_tensor(node *n, const char *name, const hst_tensor *t);

/* Puts nodes into topological order (stable); BAD_FORMAT names a node of a cycle. For readers. */
hst_status graph_sort(graph *g, hst_error *err);
/* Checks every link: uses, producers, order, unique names. For tests and debug builds; INTERNAL on a broken one. */
hst_status graph_check(const graph *g, hst_error *err);

/* ---- reading ---- */
const attribute *node_attribute(const node *n, const char *name); /* NULL where absent */
int64_t node_int(const node *n, const char *name, int64_t otherwise);
float node_float(const node *n, const char *name, float otherwise);
const char *node_string(const node *n, const char *name, const char *otherwise);
/* The list's length, -1 where absent (or of another type); *v points at it. */
int node_ints(const node *n, const char *name, const int64_t **v);
const hst_tensor *node_tensor(const node *n, const char *name);
graph *node_graph(const node *n, const char *name);
bool node_is(const node *n, const char *domain, const char *op_type); /* "" = "ai.onnx" */
/* "LayerNormalization 'enc.0.ln'": for messages; writes into `to` and returns it. */
const char *node_label(const node *n, char *to, size_t size);
/* Adds the node's label to the error's message and object. */
hst_status node_error(const node *n, hst_error *err, hst_status code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- symbols and types ---- */
dim dim_symbol(model *m, const char *name); /* the symbol of that name, made on first use; "" makes a fresh one. 0 = no memory is never a symbol: symbols are < 0 */
dim dim_find(const model *m, const char *name); /* 0 where no symbol has that name */
const char *dim_name(const model *m, dim d); /* NULL where d is a number; "" for a fresh one */
bool type_equal(const type *a, const type *b);
type type_of_tensor(const hst_tensor *t);
type type_make(hst_dtype d, int rank, const dim *dims);
/* "f32[batch,12,64]", "f32[?]" for an unknown rank; writes into `to`. */
const char *type_format(const model *m, const type *t, char *to, size_t size);

#endif
