/* Changes to an ONNX model that keep it a file: attributes, dims, dtypes, names, nodes, initializers, opsets,
 * subgraphs. mutate_once does one change to the tree; mutate_join hangs a second model onto the first. */
#ifndef FUZZ_ONNX_MUTATE_H
#define FUZZ_ONNX_MUTATE_H

#include <stdio.h>

#include "fuzz/onnx_change.h"
#include "ops/op.h"

/* ---- nodes ---- */

static void set_op(mutation *m, tree *n) {
    const op *o = op_list[roll_below(m, op_list_count)];
    if (strcmp(o->domain, "hasten") == 0 && !m->internal) return;
    tree_drop(n, NODE_OP_TYPE);
    tree_drop(n, NODE_DOMAIN);
    tree_put_text(n, NODE_OP_TYPE, o->name);
    if (*o->domain) tree_put_text(n, NODE_DOMAIN, o->domain);
}

/* A new node between a value and one of its users. */
static void insert_node(mutation *m, tree *g) {
    tree *to = NULL, *n = tree_new(TREE_NODE);
    char name[32];
    int at = 0;
    for (int i = 0; i < g->n; i++)
        if (g->fields[i].number == GRAPH_NODE && (!to || roll_below(m, 3) == 0)) to = g->fields[i].sub, at = i;
    tree_field *use = to ? any_field(m, to, NODE_INPUT) : NULL;
    if (!use || !n) return;
    set_op(m, n);
    snprintf(name, sizeof name, "m%u", (unsigned)(roll(m) & 0xffff));
    tree_field *in = tree_put_text(n, NODE_INPUT, "");
    if (!in) return;
    take_bytes(in, use);
    for (int i = roll_below(m, 3); i-- > 0 && m->n_names;)
        if ((in = tree_put_text(n, NODE_INPUT, ""))) take_bytes(in, m->names[roll_below(m, m->n_names)]);
    tree_field *out = tree_put_text(n, NODE_OUTPUT, name);
    if (!out) return;
    take_bytes(use, out);
    tree_insert(g, at, (tree_field){.number = GRAPH_NODE, .wire = PROTO_BYTES, .sub = n});
}

static void change_node(mutation *m, tree *n) {
    tree_field *a = any_field(m, n, NODE_INPUT), *b = any_field(m, n, NODE_INPUT), *f;
    tree *attribute;
    switch (roll_below(m, 9)) {
    case 0:
        if (a && m->n_names) take_bytes(a, m->names[roll_below(m, m->n_names)]);
        break;
    case 1:
        if (a && b) {
            tree_field keep = *a;
            *a = *b;
            *b = keep;
        }
        break;
    case 2:
        if (a && m->n_names && tree_put_text(n, NODE_INPUT, ""))
            take_bytes(&n->fields[n->n - 1], m->names[roll_below(m, m->n_names)]);
        break;
    case 3:
        if (a) a->size = 0;
        break;
    case 4:
        if (a) tree_remove(n, (int)(a - n->fields));
        break;
    case 5:
        if ((f = any_field(m, n, NODE_OUTPUT)) && m->n_names) take_bytes(f, m->names[roll_below(m, m->n_names)]);
        break;
    case 6:
        set_op(m, n);
        break;
    case 7:
        if ((f = any_field(m, n, NODE_ATTRIBUTE))) tree_remove(n, (int)(f - n->fields));
        break;
    default:
        if ((attribute = tree_put_new(n, NODE_ATTRIBUTE))) {
            tree_put_text(attribute, ATTR_NAME,
                          attribute_names[roll_below(m, (int)(sizeof attribute_names / sizeof *attribute_names))]);
            set_attribute(m, attribute);
        }
    }
}

static void change_graph(mutation *m, tree *g) {
    tree_field *f, copy;
    const tree_field *name;
    switch (roll_below(m, 7)) {
    case 0:
        if ((f = any_field(m, g, GRAPH_NODE))) tree_remove(g, (int)(f - g->fields));
        break;
    case 1:
        if (!(f = any_field(m, g, GRAPH_NODE)) || !(copy = *f).sub || !(copy.sub = tree_copy(copy.sub))) break;
        tree_insert(g, (int)(f - g->fields), copy);
        break;
    case 2: /* an input that is an initializer becomes a constant */
        if ((f = any_field(m, g, GRAPH_INPUT))) tree_remove(g, (int)(f - g->fields));
        break;
    case 3: /* an initializer that is an input has to be fed */
        if ((f = any_field(m, g, GRAPH_INITIALIZER))) tree_remove(g, (int)(f - g->fields));
        break;
    case 4: /* something in the middle becomes an output */
        if (m->n_names && (name = m->names[roll_below(m, m->n_names)])) {
            tree *info = tree_put_new(g, GRAPH_OUTPUT);
            if (info) tree_put_bytes(info, INFO_NAME, name->data, name->size);
        }
        break;
    case 5:
        if ((f = any_field(m, g, GRAPH_OUTPUT))) tree_remove(g, (int)(f - g->fields));
        break;
    default:
        insert_node(m, g);
    }
}

static void mutate_once(mutation *m) {
    static const tree_kind often[] = {TREE_ATTRIBUTE, TREE_ATTRIBUTE, TREE_ATTRIBUTE,   TREE_TENSOR, TREE_TENSOR,
                                      TREE_TENSOR,    TREE_NODE,      TREE_NODE,        TREE_NODE,   TREE_GRAPH,
                                      TREE_GRAPH,     TREE_DIM,       TREE_TENSOR_TYPE, TREE_TYPE,   TREE_SHAPE,
                                      TREE_OPSET,     TREE_FUNCTION};
    look_again(m);
    tree *t = any(m, often[roll_below(m, (int)(sizeof often / sizeof *often))]);
    tree_field *f;
    if (!t) return;
    switch (t->kind) {
    case TREE_ATTRIBUTE:
        change_attribute(m, t);
        break;
    case TREE_TENSOR:
        change_tensor(m, t);
        break;
    case TREE_NODE:
        change_node(m, t);
        break;
    case TREE_GRAPH:
        change_graph(m, t);
        break;
    case TREE_DIM:
        change_dim(m, t);
        break;
    case TREE_OPSET:
        if ((f = tree_find(t, OPSET_VERSION)))
            f->value = (uint64_t)(roll_below(m, 10) ? 1 + roll_below(m, 28) : roll_s64(m, 20));
        break;
    case TREE_FUNCTION:
        if ((f = any_field(m, t, FUNCTION_NODE)) && f->sub) change_node(m, f->sub);
        break;
    default:
        change_type(m, t);
    }
}

/* ---- two models ---- */

static void rename_all(tree *t) {
    for (int i = 0; i < t->n; i++) {
        tree_field *f = &t->fields[i];
        if (is_name(t->kind, f->number) && f->wire == PROTO_BYTES && f->size) {
            unsigned char *name = tree_take(f->size + 1);
            if (!name) return;
            memcpy(name, f->data, f->size);
            name[f->size] = '~';
            f->data = name;
            f->size++;
        }
        if (f->sub) rename_all(f->sub);
    }
}

/* Hangs the nodes of `other` onto the model; one of its inputs is read from a value of the model. */
static void mutate_join(mutation *m, tree *other) {
    const tree_field *a = tree_find(m->model, MODEL_GRAPH), *b = tree_find(other, MODEL_GRAPH);
    if (!a || !b || !a->sub || !b->sub) return;
    look_again(m);
    rename_all(b->sub);
    const tree_field *input = any_field(m, b->sub, GRAPH_INPUT);
    const tree_field *name = input && input->sub ? tree_find(input->sub, INFO_NAME) : NULL;
    const tree_field *from = m->n_names ? m->names[roll_below(m, m->n_names)] : NULL;
    for (int i = 0; i < b->sub->n; i++) {
        const tree_field *f = &b->sub->fields[i];
        for (int k = 0; f->number == GRAPH_NODE && f->sub && name && from && k < f->sub->n; k++) {
            tree_field *use = &f->sub->fields[k];
            if (use->number == NODE_INPUT && use->size == name->size && memcmp(use->data, name->data, name->size) == 0)
                take_bytes(use, from);
        }
        if (f->number == GRAPH_NODE || f->number == GRAPH_INITIALIZER || (f->number == GRAPH_INPUT && f != input) ||
            f->number == GRAPH_OUTPUT)
            if (!tree_insert(a->sub, a->sub->n, *f)) return;
    }
    for (int i = 0; i < other->n; i++) {
        const tree_field *f = &other->fields[i];
        const tree_field *domain = f->number == MODEL_OPSET_IMPORT && f->sub ? tree_find(f->sub, OPSET_DOMAIN) : NULL;
        if (f->number == MODEL_FUNCTIONS || (domain && domain->size)) tree_insert(m->model, m->model->n, *f);
    }
}

#endif
