/* Rebuilding a model for a file: node by node into a new graph. */
#include "convert/export.h"

#include <float.h>
#include <string.h>

#include "convert/gradient.h"
#include "graph/patch.h"
#include "onnx/onnx.h"
#include "ops/op.h"
#include "tensor/convert.h"

#define EXTERNAL_BEYOND UINT64_C(1900000000)

typedef struct rebuild {
    const model *from;
    model *to;
    const export_options *options;
    value **map; /* per id of `from`: its value in `to` */
    /* Per id of `to`: for the output of a widening Cast, the half-precision initializer behind it. */
    value **widened_from;
    int widened_capacity;
} rebuild;

static hst_status no_memory(hst_error *err) {
    return error_no_memory(err, 0, "the exported model");
}

static bool is_half(hst_dtype d) {
    return d == HST_DTYPE_F16 || d == HST_DTYPE_BF16;
}

/* The dtype that a value of `from` has in the file. */
static hst_dtype exported_dtype(const rebuild *r, hst_dtype d) {
    bool weight = d == HST_DTYPE_F32 || is_half(d);
    return r->options->dtype != HST_DTYPE_NONE && weight ? r->options->dtype : d;
}

/* A tensor in another float type. Finite numbers stay finite: a mask's -3.4e38 becomes -65,504 in f16. */
static hst_status convert_tensor(rebuild *r, const hst_tensor *t, hst_dtype d, const hst_tensor **out, hst_error *err) {
    hst_tensor *made;
    HST_TRY(tensor_new(d, t->rank, t->dim, arena_allocator(r->to->arena), &made, err));
    float chunk[256];
    for (int64_t i = 0, n = tensor_count(t); i < n; i += 256) {
        int64_t now = n - i < 256 ? n - i : 256;
        convert_to_f32(t->dtype, t->data, i, chunk, now);
        for (int64_t k = 0; d == HST_DTYPE_F16 && k < now; k++) {
            if (chunk[k] > 65504 && chunk[k] <= FLT_MAX) chunk[k] = 65504;
            if (chunk[k] < -65504 && chunk[k] >= -FLT_MAX) chunk[k] = -65504;
        }
        convert_from_f32(d, chunk, made->data, i, now);
    }
    *out = made;
    return model_own_tensor(r->to, made, err);
}

/* The tensor as the file shall hold it. */
static hst_status exported_tensor(rebuild *r, const hst_tensor *t, const hst_tensor **out, hst_error *err) {
    hst_dtype d = exported_dtype(r, t->dtype);
    *out = t;
    return d == t->dtype ? HST_STATUS_OK : convert_tensor(r, t, d, out, err);
}

static hst_status map_value(rebuild *r, const value *v, graph *g, value **out, hst_error *err) {
    value *made = r->map[v->id];
    if (!made && v->constant && !v->producer) {
        const hst_tensor *t;
        HST_TRY(exported_tensor(r, v->constant, &t, err));
        made = graph_add_initializer(g, v->name, t);
    } else if (!made) {
        made = graph_add_value(g, v->name);
        if (made) {
            made->type = v->type;
            made->type.dtype = exported_dtype(r, v->type.dtype);
        }
    }
    if (!made) return no_memory(err);
    made->extra = v->extra;
    *out = r->map[v->id] = made;
    return HST_STATUS_OK;
}

/* ---- weights: Cast and Transpose of an initializer ---- */

static hst_status add_named(rebuild *r, graph *g, const value *like, const char *suffix, const hst_tensor *t,
                            value **out, hst_error *err) {
    char name[512];
    size_t n = strlen(like->name);
    if (n + strlen(suffix) + 1 > sizeof name) n = sizeof name - strlen(suffix) - 1;
    memcpy(name, like->name, n);
    strcpy(name + n, suffix);
    (void)r;
    *out = graph_add_initializer(g, n ? name : "", t);
    return *out ? HST_STATUS_OK : no_memory(err);
}

static hst_status transpose_matrix(rebuild *r, const hst_tensor *t, const hst_tensor **out, hst_error *err) {
    hst_tensor *made;
    const int64_t dims[2] = {t->dim[1], t->dim[0]};
    size_t size = (size_t)dtype_bits(t->dtype) / 8;
    HST_TRY(tensor_new(t->dtype, 2, dims, arena_allocator(r->to->arena), &made, err));
    HST_TRY(model_own_tensor(r->to, made, err));
    enum { TILE = 16 }; /* rows and columns at a time, so that both sides stay in the cache */
    for (int64_t a = 0; a < dims[1]; a += TILE)
        for (int64_t b = 0; b < dims[0]; b += TILE)
            for (int64_t i = a; i < dims[1] && i < a + TILE; i++)
                for (int64_t k = b; k < dims[0] && k < b + TILE; k++)
                    memcpy((char *)made->data + (size_t)(k * dims[1] + i) * size,
                           (const char *)t->data + (size_t)(i * dims[0] + k) * size, size);
    *out = made;
    return HST_STATUS_OK;
}

static value *widened_from(const rebuild *r, const value *v) {
    return v->id < r->widened_capacity ? r->widened_from[v->id] : NULL;
}

static hst_status add_widening(rebuild *r, graph *g, const node *like, value *half, value *out, hst_error *err) {
    node *n = graph_add_node(g, "", "Cast", like->name, &half, 1, &out, 1);
    if (!n || !node_set_int(n, "to", HST_DTYPE_F32)) return no_memory(err);
    if (out->id >= r->widened_capacity) {
        int wanted = 2 * out->id + 64;
        value **bigger = ARENA_ARRAY(r->to->arena, value *, wanted);
        if (!bigger) return no_memory(err);
        if (r->widened_capacity) memcpy(bigger, r->widened_from, (size_t)r->widened_capacity * sizeof *bigger);
        r->widened_from = bigger;
        r->widened_capacity = wanted;
    }
    r->widened_from[out->id] = half;
    return HST_STATUS_OK;
}

/* A Cast that widens a half-precision initializer is remembered; where the whole file has one float type, Casts between
 * float types do nothing any more. *done where the node was dealt with. */
static hst_status rebuild_cast(rebuild *r, const node *n, graph *g, bool *done, hst_error *err) {
    const value *in = n->in[0];
    hst_dtype to = (hst_dtype)node_int(n, "to", 0);
    value *source, *out;
    if (!in || n->out[0]->is_output) return HST_STATUS_OK;
    if (r->options->dtype == HST_DTYPE_NONE) {
        if (!in->constant || in->producer || !is_half(in->type.dtype) || to != HST_DTYPE_F32) return HST_STATUS_OK;
        *done = true;
        HST_TRY(map_value(r, in, g, &source, err));
        HST_TRY(map_value(r, n->out[0], g, &out, err));
        return add_widening(r, g, n, source, out, err);
    }
    if (exported_dtype(r, in->type.dtype) != r->options->dtype || exported_dtype(r, to) != r->options->dtype)
        return HST_STATUS_OK;
    *done = true;
    HST_TRY(map_value(r, in, g, &source, err));
    r->map[n->out[0]->id] = source;
    return HST_STATUS_OK;
}

/* A Transpose of a two-dimensional initializer, widened or not, is carried out. */
static hst_status rebuild_transpose(rebuild *r, const node *n, graph *g, bool *done, hst_error *err) {
    const int64_t *perm;
    int rank = node_ints(n, "perm", &perm);
    value *in = n->in[0] ? r->map[n->in[0]->id] : NULL;
    if (!in && n->in[0] && n->in[0]->constant && !n->in[0]->producer) HST_TRY(map_value(r, n->in[0], g, &in, err));
    if (!in || n->out[0]->is_output || (rank >= 0 && (rank != 2 || perm[0] != 1))) return HST_STATUS_OK;
    value *half = widened_from(r, in), *source = half ? half : in, *transposed;
    const hst_tensor *t = source->constant;
    if (!t || source->is_input || t->rank != 2 || dtype_bits(t->dtype) < 8) return HST_STATUS_OK;
    *done = true;
    HST_TRY(transpose_matrix(r, t, &t, err));
    HST_TRY(add_named(r, g, source, ".T", t, &transposed, err));
    if (!half) {
        r->map[n->out[0]->id] = transposed;
        return HST_STATUS_OK;
    }
    value *out;
    HST_TRY(map_value(r, n->out[0], g, &out, err));
    return add_widening(r, g, n, transposed, out, err);
}

/* ---- everything else ---- */

static hst_status rebuild_graph(rebuild *r, const graph *from, graph *to, hst_error *err);

static hst_status rebuild_attribute(rebuild *r, const node *n, const attribute *a, node *made, hst_error *err) {
    attribute copy = *a;
    arena *memory = r->to->arena;
    bool one_type = r->options->dtype != HST_DTYPE_NONE;
    if (a->type == ATTRIBUTE_TENSOR) {
        HST_TRY(exported_tensor(r, a->as.tensor, &copy.as.tensor, err));
    } else if (a->type == ATTRIBUTE_GRAPH) {
        graph *sub = graph_new(r->to, made->graph, a->as.graph->name);
        if (!sub) return no_memory(err);
        HST_TRY(rebuild_graph(r, a->as.graph, sub, err));
        copy.as.graph = sub;
    } else if (a->type == ATTRIBUTE_GRAPHS) {
        graph **subs = ARENA_ARRAY(memory, graph *, a->n + 1);
        for (int64_t i = 0; subs && i < a->n; i++) {
            if (!(subs[i] = graph_new(r->to, made->graph, a->as.graphs[i]->name))) return no_memory(err);
            HST_TRY(rebuild_graph(r, a->as.graphs[i], subs[i], err));
        }
        if (!subs) return no_memory(err);
        copy.as.graphs = subs;
    } else if (one_type && a->type == ATTRIBUTE_INT && (strcmp(a->name, "to") == 0 || strcmp(a->name, "dtype") == 0)) {
        copy.as.i = exported_dtype(r, (hst_dtype)a->as.i);
    } else if (one_type && node_is(n, "", "Constant") && (a->type == ATTRIBUTE_FLOAT || a->type == ATTRIBUTE_FLOATS)) {
        const int64_t count = a->n;
        hst_tensor *t;
        HST_TRY(tensor_new(HST_DTYPE_F32, a->type == ATTRIBUTE_FLOATS, &count, arena_allocator(memory), &t, err));
        memcpy(t->data, a->type == ATTRIBUTE_FLOAT ? &a->as.f : a->as.floats, t->bytes);
        HST_TRY(model_own_tensor(r->to, t, err));
        copy = (attribute){.name = "value", .type = ATTRIBUTE_TENSOR, .n = 1};
        HST_TRY(exported_tensor(r, t, &copy.as.tensor, err));
    }
    return node_add_attribute(made, &copy) ? HST_STATUS_OK : no_memory(err);
}

static hst_status rebuild_plain(rebuild *r, const node *n, graph *g, value *const *in, hst_error *err) {
    value **out = ARENA_ARRAY(r->to->arena, value *, n->n_out + 1);
    if (!out) return no_memory(err);
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i]) HST_TRY(map_value(r, n->out[i], g, &out[i], err));
    node *made = graph_add_node(g, n->domain, n->op_type, n->name, in, n->n_in, out, n->n_out);
    if (!made) return no_memory(err);
    made->opset = n->opset;
    made->extra = n->extra;
    for (int i = 0; i < n->n_attributes; i++) HST_TRY(rebuild_attribute(r, n, &n->attributes[i], made, err));
    return HST_STATUS_OK;
}

/* A fused operator of ours, spelled out. Its outputs get the names that the file shall show. */
static hst_status rebuild_expanded(rebuild *r, const node *n, graph *g, value *const *in, hst_error *err) {
    value **out = ARENA_ARRAY(r->to->arena, value *, n->n_out + 1);
    if (!out) return no_memory(err);
    const op *o = n->op ? n->op : op_find(n->domain, n->op_type, n->opset);
    if (!o || !o->expand) return node_error(n, err, HST_STATUS_UNSUPPORTED, "has no form in standard operators");
    HST_TRY(o->expand(n, g, in, out, err));
    for (int i = 0; i < n->n_out; i++) {
        if (!n->out[i] || !out[i]) continue;
        out[i]->name = n->out[i]->name;
        out[i]->type = n->out[i]->type;
        r->map[n->out[i]->id] = out[i];
    }
    return HST_STATUS_OK;
}

static hst_status rebuild_node(rebuild *r, const node *n, graph *g, hst_error *err) {
    bool done = false;
    if (node_is(n, "", "Cast")) HST_TRY(rebuild_cast(r, n, g, &done, err));
    if (node_is(n, "", "Transpose")) HST_TRY(rebuild_transpose(r, n, g, &done, err));
    if (done) return HST_STATUS_OK;
    value **in = ARENA_ARRAY(r->to->arena, value *, n->n_in + 1);
    if (!in) return no_memory(err);
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i]) HST_TRY(map_value(r, n->in[i], n->in[i]->graph->parent ? g : r->to->main, &in[i], err));
    return strcmp(n->domain, "hasten") == 0 ? rebuild_expanded(r, n, g, in, err) : rebuild_plain(r, n, g, in, err);
}

static hst_status rebuild_graph(rebuild *r, const graph *from, graph *to, hst_error *err) {
    value *v;
    to->extra = from->extra;
    for (int i = 0; i < from->n_inputs; i++) {
        HST_TRY(map_value(r, from->inputs[i], to, &v, err));
        HST_TRY(graph_add_input(to, v, err));
    }
    for (const node *n = from->first; n; n = n->next) HST_TRY(rebuild_node(r, n, to, err));
    for (int i = 0; i < from->n_outputs; i++) {
        HST_TRY(map_value(r, from->outputs[i], to, &v, err));
        HST_TRY(graph_add_output(to, v, err));
    }
    return HST_STATUS_OK;
}

static hst_status rebuild_head(const model *m, model *to, hst_error *err) {
    to->ir_version = m->ir_version;
    to->producer_name = m->producer_name;
    to->producer_version = m->producer_version;
    to->domain = m->domain;
    to->doc_string = m->doc_string;
    to->model_version = m->model_version;
    to->extra = m->extra;
    to->main->name = m->main->name;
    to->symbols = m->symbols;
    to->n_symbols = to->symbols_capacity = m->n_symbols;
    for (int i = 0; i < m->n_opsets; i++)
        if (strcmp(m->opsets[i].domain, "hasten") != 0)
            HST_TRY(model_import_opset(to, m->opsets[i].domain, m->opsets[i].version, err));
    for (int i = 0; i < m->n_metadata; i++)
        HST_TRY(model_add_metadata(to, m->metadata[i].key, m->metadata[i].value, err));
    return HST_STATUS_OK;
}

hst_status export_rebuild(const model *m, const export_options *options, model **out, hst_error *err) {
    static const export_options none = {0};
    model *to = model_new(arena_allocator(m->arena));
    if (!to) return no_memory(err);
    rebuild r = {.from = m, .to = to, .options = options ? options : &none};
    r.map = ARENA_ARRAY(to->arena, value *, m->n_values + 1);
    hst_status status = r.map ? rebuild_head(m, to, err) : no_memory(err);
    if (status == HST_STATUS_OK) status = rebuild_graph(&r, m->main, to->main, err);
    if (status == HST_STATUS_OK && r.options->opset) status = gradient_expand(to, err); /* hardly another tool has it */
    if (status != HST_STATUS_OK) {
        model_free(to);
        return status;
    }
    /* The Casts and weights that Transposes were carried out on. A Gradient names what may seem dead. */
    if (!gradient_any(to)) graph_remove_dead(to->main);
    *out = to;
    return HST_STATUS_OK;
}

hst_status export_onnx(const model *m, const char *path, const export_options *options, hst_error *err) {
    static const export_options none = {0};
    model *to;
    if (!options) options = &none;
    if (options->opset && (options->opset < 17 || options->opset > 25))
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, path, "opset %d is not in 17 … 25", options->opset);
    HST_TRY(export_rebuild(m, options, &to, err));
    hst_status status = options->opset ? export_set_opset(to, options->opset, err) : HST_STATUS_OK;
    if (status == HST_STATUS_OK) {
        onnx_write_options write = {.ir_version = options->opset ? -1 : 0,
                                    .inline_most =
                                        options->external_beyond ? options->external_beyond : EXTERNAL_BEYOND};
        status = onnx_write(to, path, &write, err);
    }
    model_free(to);
    return status;
}
