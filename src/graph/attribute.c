/* Attributes of nodes: adding and reading. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "graph/graph.h"

/* Room for one attribute more; doubles, so that many attributes take linear time and memory. */
static bool reserve(node *n) {
    if (n->n_attributes < n->attributes_capacity) return true;
    if (n->n_attributes > INT32_MAX / 2) return false;
    int wanted = n->n_attributes < 2 ? 4 : 2 * n->n_attributes;
    attribute *all = ARENA_ARRAY(n->graph->model->arena, attribute, wanted);
    if (!all) return false;
    if (n->n_attributes) memcpy(all, n->attributes, (size_t)n->n_attributes * sizeof *all);
    n->attributes = all;
    n->attributes_capacity = wanted;
    return true;
}

attribute *node_add_attribute(node *n, const attribute *from) {
    arena *memory = n->graph->model->arena;
    attribute made = *from;
    made.name = arena_copy_string(memory, from->name, strlen(from->name));
    if (!made.name) return NULL;
    if (made.type == ATTRIBUTE_STRING && !made.reference) {
        made.as.s.data = arena_copy_string(memory, from->as.s.data, from->as.s.size);
        if (!made.as.s.data) return NULL;
    }
    if (!reserve(n)) return NULL;
    n->attributes[n->n_attributes] = made;
    return &n->attributes[n->n_attributes++];
}

bool node_copy_attributes(node *to, const node *from) {
    for (int k = 0; k < from->n_attributes; k++)
        if (!node_add_attribute(to, &from->attributes[k])) return false;
    return true;
}

bool node_set_int(node *n, const char *name, int64_t i) {
    return node_add_attribute(n, &(attribute){.name = name, .type = ATTRIBUTE_INT, .n = 1, .as.i = i});
}

void node_replace_int(node *n, const char *name, int64_t i) {
    for (int k = 0; k < n->n_attributes; k++)
        if (strcmp(n->attributes[k].name, name) == 0 && n->attributes[k].type == ATTRIBUTE_INT)
            n->attributes[k].as.i = i;
}

bool node_set_float(node *n, const char *name, float f) {
    return node_add_attribute(n, &(attribute){.name = name, .type = ATTRIBUTE_FLOAT, .n = 1, .as.f = f});
}

bool node_set_string(node *n, const char *name, const char *s) {
    return node_add_attribute(n, &(attribute){.name = name, .type = ATTRIBUTE_STRING, .n = 1, .as.s = {s, strlen(s)}});
}

bool node_set_ints(node *n, const char *name, const int64_t *v, int count) {
    int64_t *copy = arena_copy(n->graph->model->arena, v, (size_t)count * sizeof *v);
    return copy &&
           node_add_attribute(n, &(attribute){.name = name, .type = ATTRIBUTE_INTS, .n = count, .as.ints = copy});
}

bool node_set_tensor(node *n, const char *name, const hst_tensor *t) {
    return node_add_attribute(n, &(attribute){.name = name, .type = ATTRIBUTE_TENSOR, .n = 1, .as.tensor = t});
}

const attribute *node_attribute(const node *n, const char *name) {
    for (int i = 0; i < n->n_attributes; i++)
        if (strcmp(n->attributes[i].name, name) == 0) return &n->attributes[i];
    return NULL;
}

static const attribute *of_type(const node *n, const char *name, attribute_type type) {
    const attribute *a = node_attribute(n, name);
    return a && a->type == type && !a->reference ? a : NULL;
}

int64_t node_int(const node *n, const char *name, int64_t otherwise) {
    const attribute *a = of_type(n, name, ATTRIBUTE_INT);
    return a ? a->as.i : otherwise;
}

float node_float(const node *n, const char *name, float otherwise) {
    const attribute *a = of_type(n, name, ATTRIBUTE_FLOAT);
    return a ? a->as.f : otherwise;
}

const char *node_string(const node *n, const char *name, const char *otherwise) {
    const attribute *a = of_type(n, name, ATTRIBUTE_STRING);
    return a ? a->as.s.data : otherwise;
}

int node_ints(const node *n, const char *name, const int64_t **v) {
    const attribute *a = of_type(n, name, ATTRIBUTE_INTS);
    if (!a || a->n > INT32_MAX) return -1;
    *v = a->as.ints;
    return (int)a->n;
}

const hst_tensor *node_tensor(const node *n, const char *name) {
    const attribute *a = of_type(n, name, ATTRIBUTE_TENSOR);
    return a ? a->as.tensor : NULL;
}

graph *node_graph(const node *n, const char *name) {
    const attribute *a = of_type(n, name, ATTRIBUTE_GRAPH);
    return a ? a->as.graph : NULL;
}

bool node_is(const node *n, const char *domain, const char *op_type) {
    if (strcmp(domain, "ai.onnx") == 0) domain = "";
    return strcmp(n->op_type, op_type) == 0 && strcmp(n->domain, domain) == 0;
}

const char *node_label(const node *n, char *to, size_t size) {
    const char *name = n->name;
    if (!*name)
        for (int i = 0; i < n->n_out && !*name; i++)
            if (n->out[i]) name = n->out[i]->name;
    snprintf(to, size, "%s%s%s '%s'", n->domain, *n->domain ? "." : "", n->op_type, name);
    return to;
}

hst_status node_error(const node *n, hst_error *err, hst_status code, const char *format, ...) {
    if (!err) return code;
    char label[160], text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    node_label(n, label, sizeof label);
    return error_set(err, code, n->name, "%s: %s", label, text);
}
