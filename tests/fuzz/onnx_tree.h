/* An ONNX file as a tree of its fields, for mutation: read with base/proto.h, changed, written. Field numbers that are
 * not known stay bytes. Everything lives in one static pool until the next tree_begin; where that is full, tree_take
 * gives NULL and the change is given up. */
#ifndef FUZZ_ONNX_TREE_H
#define FUZZ_ONNX_TREE_H

#include <string.h>

#include "base/proto.h"
#include "onnx/fields.h"

#define TREE_POOL  ((size_t)24 << 20)
#define TREE_DEPTH 80

typedef enum tree_kind {
    TREE_BYTES, /* no message */
    TREE_MODEL,
    TREE_GRAPH,
    TREE_NODE,
    TREE_ATTRIBUTE,
    TREE_TENSOR,
    TREE_INFO,
    TREE_TYPE,
    TREE_TENSOR_TYPE,
    TREE_LIST_TYPE,
    TREE_SHAPE,
    TREE_DIM,
    TREE_OPSET,
    TREE_FUNCTION,
    TREE_ENTRY,
    TREE_SPARSE,
    TREE_KINDS
} tree_kind;

typedef struct tree tree;

typedef struct tree_field {
    uint32_t number;
    proto_wire wire;
    uint64_t value;
    const unsigned char *data; /* BYTES without `sub` */
    size_t size;
    tree *sub;
} tree_field;

struct tree {
    tree_kind kind;
    tree_field *fields;
    int n, capacity;
    size_t measured; /* by tree_size */
};

static unsigned char tree_pool[TREE_POOL];
static size_t tree_used;

static void tree_begin(void) {
    tree_used = 0;
}

static void *tree_take(size_t size) {
    size = (size + 15) / 16 * 16;
    if (size > TREE_POOL - tree_used) return NULL;
    void *p = tree_pool + tree_used;
    tree_used += size;
    return memset(p, 0, size);
}

/* What field `number` of a message holds. */
static tree_kind tree_child(tree_kind parent, uint32_t number) {
    static const struct {
        tree_kind parent;
        uint32_t number;
        tree_kind child;
    } rules[] = {
        {TREE_MODEL, MODEL_GRAPH, TREE_GRAPH},
        {TREE_MODEL, MODEL_OPSET_IMPORT, TREE_OPSET},
        {TREE_MODEL, MODEL_FUNCTIONS, TREE_FUNCTION},
        {TREE_MODEL, MODEL_METADATA_PROPS, TREE_ENTRY},
        {TREE_GRAPH, GRAPH_NODE, TREE_NODE},
        {TREE_GRAPH, GRAPH_INITIALIZER, TREE_TENSOR},
        {TREE_GRAPH, GRAPH_INPUT, TREE_INFO},
        {TREE_GRAPH, GRAPH_OUTPUT, TREE_INFO},
        {TREE_GRAPH, GRAPH_VALUE_INFO, TREE_INFO},
        {TREE_GRAPH, GRAPH_SPARSE_INITIALIZER, TREE_SPARSE},
        {TREE_NODE, NODE_ATTRIBUTE, TREE_ATTRIBUTE},
        {TREE_ATTRIBUTE, ATTR_T, TREE_TENSOR},
        {TREE_ATTRIBUTE, ATTR_G, TREE_GRAPH},
        {TREE_ATTRIBUTE, ATTR_TENSORS, TREE_TENSOR},
        {TREE_ATTRIBUTE, ATTR_GRAPHS, TREE_GRAPH},
        {TREE_ATTRIBUTE, ATTR_TP, TREE_TYPE},
        {TREE_ATTRIBUTE, ATTR_TYPE_PROTOS, TREE_TYPE},
        {TREE_ATTRIBUTE, ATTR_SPARSE_TENSOR, TREE_SPARSE},
        {TREE_ATTRIBUTE, ATTR_SPARSE_TENSORS, TREE_SPARSE},
        {TREE_FUNCTION, FUNCTION_NODE, TREE_NODE},
        {TREE_FUNCTION, FUNCTION_OPSET_IMPORT, TREE_OPSET},
        {TREE_FUNCTION, FUNCTION_ATTRIBUTE_PROTO, TREE_ATTRIBUTE},
        {TREE_INFO, INFO_TYPE, TREE_TYPE},
        {TREE_TYPE, TYPE_TENSOR, TREE_TENSOR_TYPE},
        {TREE_TYPE, TYPE_SEQUENCE, TREE_LIST_TYPE},
        {TREE_TYPE, TYPE_OPTIONAL, TREE_LIST_TYPE},
        {TREE_LIST_TYPE, TYPE_ELEM, TREE_TYPE},
        {TREE_TENSOR_TYPE, TENSOR_TYPE_SHAPE, TREE_SHAPE},
        {TREE_SHAPE, SHAPE_DIM, TREE_DIM},
        {TREE_TENSOR, TENSOR_EXTERNAL_DATA, TREE_ENTRY},
        {TREE_SPARSE, SPARSE_VALUES, TREE_TENSOR},
        {TREE_SPARSE, SPARSE_INDICES, TREE_TENSOR},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].parent == parent && rules[i].number == number) return rules[i].child;
    return TREE_BYTES;
}

static tree *tree_new(tree_kind kind) {
    tree *t = tree_take(sizeof *t);
    if (t) t->kind = kind;
    return t;
}

/* Puts a field at place `at` (n: the end). NULL: the pool is full. */
static tree_field *tree_insert(tree *t, int at, tree_field f) {
    if (!t) return NULL;
    if (t->n == t->capacity) {
        int capacity = t->capacity ? 2 * t->capacity : 8;
        tree_field *bigger = tree_take((size_t)capacity * sizeof *bigger);
        if (!bigger) return NULL;
        if (t->n) memcpy(bigger, t->fields, (size_t)t->n * sizeof *bigger);
        t->fields = bigger;
        t->capacity = capacity;
    }
    memmove(&t->fields[at + 1], &t->fields[at], (size_t)(t->n++ - at) * sizeof f);
    t->fields[at] = f;
    return &t->fields[at];
}

static void tree_remove(tree *t, int at) {
    memmove(&t->fields[at], &t->fields[at + 1], (size_t)(--t->n - at) * sizeof *t->fields);
}

static tree_field *tree_find(const tree *t, uint32_t number) {
    for (int i = 0; t && i < t->n; i++)
        if (t->fields[i].number == number) return &t->fields[i];
    return NULL;
}

static void tree_drop(tree *t, uint32_t number) {
    for (int i = t->n; i-- > 0;)
        if (t->fields[i].number == number) tree_remove(t, i);
}

static tree_field *tree_put_s64(tree *t, uint32_t number, int64_t x) {
    return tree_insert(t, t ? t->n : 0, (tree_field){.number = number, .wire = PROTO_VARINT, .value = (uint64_t)x});
}

static tree_field *tree_put_bytes(tree *t, uint32_t number, const void *data, size_t size) {
    unsigned char *copy = tree_take(size ? size : 1);
    if (!copy) return NULL;
    if (size) memcpy(copy, data, size);
    return tree_insert(t, t ? t->n : 0,
                       (tree_field){.number = number, .wire = PROTO_BYTES, .data = copy, .size = size});
}

static tree_field *tree_put_text(tree *t, uint32_t number, const char *text) {
    return tree_put_bytes(t, number, text, strlen(text));
}

static tree *tree_put_new(tree *t, uint32_t number) {
    tree *sub = tree_new(tree_child(t->kind, number));
    if (!sub || !tree_insert(t, t->n, (tree_field){.number = number, .wire = PROTO_BYTES, .sub = sub})) return NULL;
    return sub;
}

/* What is damaged ends the message. NULL: the pool is full. */
static tree *tree_read(const void *data, size_t size, tree_kind kind, int depth) {
    tree *t = tree_new(kind);
    proto_reader r;
    proto_field f;
    proto_begin(&r, data, size);
    while (t && proto_next(&r, &f)) {
        tree_field to = {.number = f.number, .wire = f.wire, .value = f.value};
        if (f.wire == PROTO_GROUP) continue;
        if (f.wire == PROTO_BYTES) {
            tree_kind child = tree_child(kind, f.number);
            to.data = f.bytes.data;
            to.size = f.bytes.size;
            if (child != TREE_BYTES && depth < TREE_DEPTH && !(to.sub = tree_read(to.data, to.size, child, depth + 1)))
                return NULL;
        }
        if (!tree_insert(t, t->n, to)) return NULL;
    }
    return t;
}

static tree *tree_copy(const tree *from) {
    tree *t = from ? tree_new(from->kind) : NULL;
    if (!t) return NULL;
    for (int i = 0; i < from->n; i++) {
        tree_field f = from->fields[i];
        if (f.sub && !(f.sub = tree_copy(f.sub))) return NULL;
        if (!tree_insert(t, t->n, f)) return NULL;
    }
    return t;
}

static size_t tree_varint_size(uint64_t x) {
    size_t n = 1;
    for (; x >= 128; x /= 128) n++;
    return n;
}

static size_t tree_size(tree *t) {
    size_t total = 0;
    for (int i = 0; i < t->n; i++) {
        const tree_field *f = &t->fields[i];
        total += tree_varint_size((uint64_t)f->number * 8);
        if (f->wire == PROTO_VARINT) total += tree_varint_size(f->value);
        if (f->wire == PROTO_FIXED32) total += 4;
        if (f->wire == PROTO_FIXED64) total += 8;
        if (f->wire != PROTO_BYTES) continue;
        size_t size = f->sub ? tree_size(f->sub) : f->size;
        total += size + tree_varint_size(size);
    }
    return t->measured = total;
}

static unsigned char *tree_put_varint(unsigned char *to, uint64_t x) {
    for (; x >= 128; x /= 128) *to++ = (unsigned char)(x | 128);
    *to++ = (unsigned char)x;
    return to;
}

/* After tree_size, into as many bytes. */
static unsigned char *tree_write(const tree *t, unsigned char *to) {
    for (int i = 0; i < t->n; i++) {
        const tree_field *f = &t->fields[i];
        to = tree_put_varint(to, (uint64_t)f->number * 8 + f->wire);
        if (f->wire == PROTO_VARINT) to = tree_put_varint(to, f->value);
        size_t fixed = f->wire == PROTO_FIXED32 ? 4 : f->wire == PROTO_FIXED64 ? 8 : 0;
        memcpy(to, &f->value, fixed);
        to += fixed;
        if (f->wire != PROTO_BYTES) continue;
        to = tree_put_varint(to, f->sub ? f->sub->measured : f->size);
        if (f->sub) {
            to = tree_write(f->sub, to);
        } else {
            if (f->size) memcpy(to, f->data, f->size);
            to += f->size;
        }
    }
    return to;
}

#endif
