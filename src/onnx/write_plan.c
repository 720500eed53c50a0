/* What is settled before the first byte is written: a unique name for each value, the opset imports, the IR version,
 * and which tensors go to the external file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "onnx/writer.h"

#define PAGE_ALIGN_LEAST 65536 /* larger tensors begin at a page, so that they can be mapped alone */

/* Names of one graph, within those around it. */
typedef struct frame {
    const struct frame *outer;
    names names;
} frame;

static hst_status no_memory(writer *w) {
    return error_set(w->err, HST_STATUS_NO_MEMORY, NULL, "no memory for writing an ONNX model");
}

/* ---- subgraphs ---- */

static hst_status each_subgraph(writer *w, const node *n, const frame *f,
                                hst_status (*visit)(writer *, const graph *, const frame *)) {
    for (int i = 0; i < n->n_attributes; i++) {
        const attribute *a = &n->attributes[i];
        if (a->reference) continue;
        if (a->type == ATTRIBUTE_GRAPH) HST_TRY(visit(w, a->as.graph, f));
        for (int64_t k = 0; a->type == ATTRIBUTE_GRAPHS && k < a->n; k++) HST_TRY(visit(w, a->as.graphs[k], f));
    }
    return HST_STATUS_OK;
}

/* ---- operators and opsets ---- */

static hst_status check_node(writer *w, const node *n) {
    if (strcmp(n->domain, "hasten") == 0 && !w->options.internal)
        return node_error(n, w->err, HST_STATUS_UNSUPPORTED,
                          "is internal to hasten: it must be expanded to standard operators before writing");
    proto_slice domain = {(const unsigned char *)n->domain, strlen(n->domain)};
    int64_t version = n->opset ? n->opset : model_opset(w->model, n->domain);
    if (version < 1)
        return node_error(n, w->err, HST_STATUS_INTERNAL, "has no opset version, and the model does not import '%s'",
                          n->domain);
    size_t count = w->opsets.count;
    void **known = names_add(&w->opsets, domain);
    if (!known) return no_memory(w);
    if (!*known) *known = (void *)(intptr_t)version;
    if ((intptr_t)*known != (intptr_t)version && !w->options.internal)
        return node_error(n, w->err, HST_STATUS_UNSUPPORTED,
                          "is of opset %d where other nodes are of opset %d: a file has one version of a domain, so "
                          "convert the model to one opset first",
                          (int)version, (int)(intptr_t)*known);
    if (w->opsets.count == count || model_opset(w->model, n->domain) != 0) return HST_STATUS_OK;
    names_slot *more = ARENA_ARRAY(w->scratch, names_slot, w->n_new_domains + 1);
    if (!more) return no_memory(w);
    if (w->n_new_domains) memcpy(more, w->new_domains, (size_t)w->n_new_domains * sizeof *more);
    more[w->n_new_domains++] = (names_slot){.name = domain, .item = *known};
    w->new_domains = more;
    return HST_STATUS_OK;
}

/* Imports that no node uses stay as they are. */
static hst_status add_unused_imports(writer *w) {
    const model *m = w->model;
    for (int i = 0; i < m->n_opsets; i++) {
        proto_slice domain = {(const unsigned char *)m->opsets[i].domain, strlen(m->opsets[i].domain)};
        if (strcmp(m->opsets[i].domain, "hasten") == 0) continue;
        void **known = names_add(&w->opsets, domain);
        if (!known) return no_memory(w);
        if (!*known) *known = (void *)(intptr_t)m->opsets[i].version;
    }
    return w->opsets.count ? HST_STATUS_OK : error_set(w->err, HST_STATUS_INTERNAL, NULL, "the model imports no opset");
}

/* ---- IR versions ---- */

int64_t onnx_ir_of_opset(int64_t opset) {
    static const signed char ir[] = {3, 3, 3, 3, 3, 3, 3,  3,  3,  4,  5,  6,  7,  7, 7,
                                     8, 8, 8, 8, 9, 9, 10, 10, 11, 12, 13, 13, 13, 14}; /* by opset, 0 to 28 */
    if (opset < 0) opset = 0;
    return opset < (int64_t)sizeof ir ? ir[opset] : ONNX_IR_NEWEST;
}

static int64_t ir_of_dtype(hst_dtype d) {
    if (d >= HST_DTYPE_F6E2M3) return 14;
    if (d >= HST_DTYPE_U2) return 13;
    if (d >= HST_DTYPE_F8E8M0) return 12;
    if (d >= HST_DTYPE_F4E2M1) return 11;
    if (d >= HST_DTYPE_U4) return 10;
    return d >= HST_DTYPE_F8E4M3FN ? 9 : 4;
}

static void need_ir(writer *w, hst_dtype d) {
    int64_t ir = ir_of_dtype(d);
    if (ir > w->ir_version) w->ir_version = ir;
}

/* ---- constants outside the lists of initializers ---- */

static hst_status mark_graph(writer *w, const graph *g, const frame *f) {
    static const char seen[] = "";
    for (int i = 0; i < g->n_inputs; i++) w->names[g->inputs[i]->id] = seen;
    for (int i = 0; i < g->n_initializers; i++) w->names[g->initializers[i]->id] = seen;
    for (const node *n = g->first; n; n = n->next) {
        HST_TRY(check_node(w, n));
        for (int i = 0; i < n->n_out; i++)
            if (n->out[i]) w->names[n->out[i]->id] = seen;
        HST_TRY(each_subgraph(w, n, f, mark_graph));
    }
    return HST_STATUS_OK;
}

static hst_status need_value(writer *w, const value *v, const node *n, const graph *g) {
    if (w->names[v->id]) return HST_STATUS_OK;
    if (!v->constant) {
        const char *text = "nothing produces it, and it is no constant";
        return n ? node_error(n, w->err, HST_STATUS_INTERNAL, "input '%s': %s", v->name, text)
                 : error_set(w->err, HST_STATUS_INTERNAL, g->name, "output '%s': %s", v->name, text);
    }
    if (w->n_orphans == w->orphans_capacity) {
        int capacity = w->orphans_capacity ? 2 * w->orphans_capacity : 16;
        const value **more = ARENA_ARRAY(w->scratch, const value *, capacity);
        if (!more) return no_memory(w);
        if (w->n_orphans) memcpy(more, w->orphans, (size_t)w->n_orphans * sizeof *more);
        w->orphans = more;
        w->orphans_capacity = capacity;
    }
    w->orphans[w->n_orphans++] = v;
    w->names[v->id] = "";
    return HST_STATUS_OK;
}

static hst_status find_orphans(writer *w, const graph *g, const frame *f) {
    for (const node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->n_in; i++)
            if (n->in[i]) HST_TRY(need_value(w, n->in[i], n, g));
        HST_TRY(each_subgraph(w, n, f, find_orphans));
    }
    for (int i = 0; i < g->n_outputs; i++) HST_TRY(need_value(w, g->outputs[i], NULL, g));
    return HST_STATUS_OK;
}

/* ---- names ---- */

static bool taken(const frame *f, proto_slice name) {
    for (; f; f = f->outer)
        if (names_find(&f->names, name)) return true;
    return false;
}

/* The wish, or where it is taken the first free of wish_2, wish_3 …; the map's items count how far a wish was tried. */
static hst_status free_name(writer *w, frame *f, const char *wish, const char **out) {
    proto_slice name = {(const unsigned char *)wish, strlen(wish)};
    *out = wish;
    if (taken(f, name)) {
        void **tried = names_add(&f->names, name);
        size_t size = name.size + 24;
        char *other = arena_alloc_aligned(w->scratch, size, 1);
        if (!tried || !other) return no_memory(w);
        for (uintptr_t k = *tried ? (uintptr_t)*tried : 2;; k++) {
            snprintf(other, size, "%s_%zu", wish, (size_t)k);
            name = (proto_slice){(const unsigned char *)other, strlen(other)};
            if (taken(f, name)) continue;
            *tried = (void *)(k + 1);
            break;
        }
        *out = other;
    }
    return names_add(&f->names, name) ? HST_STATUS_OK : no_memory(w);
}

static hst_status name_value(writer *w, frame *f, const value *v) {
    if (*w->names[v->id]) return HST_STATUS_OK;
    const char *wish = v->name;
    if (!*wish) {
        char made[64];
        snprintf(made, sizeof made, "%.40s_%d", v->producer ? v->producer->op_type : "value", v->id);
        wish = arena_copy_string(w->scratch, made, strlen(made));
        if (!wish) return no_memory(w);
    }
    need_ir(w, v->type.dtype);
    if (v->constant) need_ir(w, v->constant->dtype);
    return free_name(w, f, wish, &w->names[v->id]);
}

/* Two nodes of one name in a graph are refused by ONNX Runtime; nodes without a name are not. */
static hst_status name_nodes(writer *w, const graph *g) {
    frame f = {.outer = NULL};
    names_begin(&f.names, w->scratch);
    for (const node *n = g->first; n; n = n->next) {
        w->node_names[n->id] = "";
        if (*n->name) HST_TRY(free_name(w, &f, n->name, &w->node_names[n->id]));
    }
    return HST_STATUS_OK;
}

static hst_status name_graph(writer *w, const graph *g, const frame *outer) {
    frame f = {.outer = outer};
    names_begin(&f.names, w->scratch);
    HST_TRY(name_nodes(w, g));
    for (int i = 0; i < g->n_inputs; i++) HST_TRY(name_value(w, &f, g->inputs[i]));
    for (int i = 0; i < g->n_outputs; i++) /* these two are what a user sees: they keep their names */
        if (g->outputs[i]->graph == g) HST_TRY(name_value(w, &f, g->outputs[i]));
    for (int i = 0; i < g->n_initializers; i++) HST_TRY(name_value(w, &f, g->initializers[i]));
    for (int i = 0; i < w->n_orphans; i++)
        if (w->orphans[i]->graph == g) HST_TRY(name_value(w, &f, w->orphans[i]));
    for (const node *n = g->first; n; n = n->next) {
        for (int i = 0; i < n->n_out; i++)
            if (n->out[i]) HST_TRY(name_value(w, &f, n->out[i]));
        for (int i = 0; i < n->n_attributes; i++)
            if (n->attributes[i].type == ATTRIBUTE_TENSOR && !n->attributes[i].reference)
                need_ir(w, n->attributes[i].as.tensor->dtype);
    }
    for (const node *n = g->first; n; n = n->next) HST_TRY(each_subgraph(w, n, &f, name_graph));
    return HST_STATUS_OK;
}

hst_status write_plan(writer *w) {
    const model *m = w->model;
    names_begin(&w->opsets, w->scratch);
    w->names = ARENA_ARRAY(w->scratch, const char *, (size_t)m->n_values + 1);
    w->node_names = ARENA_ARRAY(w->scratch, const char *, (size_t)m->n_nodes + 1);
    if (!w->names || !w->node_names) return no_memory(w);
    HST_TRY(mark_graph(w, m->main, NULL));
    HST_TRY(add_unused_imports(w));
    HST_TRY(find_orphans(w, m->main, NULL));
    proto_slice standard = {(const unsigned char *)"", 0};
    void **opset = names_find(&w->opsets, standard);
    int64_t lowest = onnx_ir_of_opset(opset ? (intptr_t)*opset : 0);
    w->ir_version = w->options.ir_version > 0    ? w->options.ir_version
                    : w->options.ir_version == 0 ? m->ir_version
                                                 : lowest;
    if (w->ir_version < 1) w->ir_version = lowest;
    if (w->ir_version < 4) w->ir_version = 4; /* before it, initializers were inputs too */
    return name_graph(w, m->main, NULL);
}

/* ---- external data ---- */

static hst_status place(writer *w, const value *v) {
    const hst_tensor *t = v->constant;
    uint64_t align = t && t->bytes >= PAGE_ALIGN_LEAST ? 4096 : 64;
    if (!t || t->dtype == HST_DTYPE_STRING || t->bytes < w->options.external_least) return HST_STATUS_OK;
    uint64_t at = (w->external_size + align - 1) & ~(align - 1), end;
    if (at < w->external_size || __builtin_add_overflow(at, (uint64_t)t->bytes, &end))
        return error_set(w->err, HST_STATUS_UNSUPPORTED, NULL, "external data of more than 2^64 bytes");
    w->offsets[v->id] = at;
    w->external[w->n_external++] = v;
    w->external_size = end;
    return HST_STATUS_OK;
}

static hst_status place_graph(writer *w, const graph *g, const frame *f) {
    for (int i = 0; i < g->n_initializers; i++) HST_TRY(place(w, g->initializers[i]));
    for (int i = 0; i < w->n_orphans; i++)
        if (w->orphans[i]->graph == g) HST_TRY(place(w, w->orphans[i]));
    for (const node *n = g->first; n; n = n->next) HST_TRY(each_subgraph(w, n, f, place_graph));
    return HST_STATUS_OK;
}

hst_status write_plan_external(writer *w) {
    size_t n = (size_t)w->model->n_values + 1;
    w->offsets = ARENA_ARRAY(w->scratch, uint64_t, n);
    w->external = ARENA_ARRAY(w->scratch, const value *, n);
    if (!w->offsets || !w->external) return no_memory(w);
    for (size_t i = 0; i < n; i++) w->offsets[i] = WRITE_INLINE;
    return place_graph(w, w->model->main, NULL);
}
