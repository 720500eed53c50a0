/* Nodes, constants and weights by name, see builder.h. */
#include "arch/builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"

void builder_begin(builder *b, const checkpoint *c, model *m, hst_error *err) {
    memset(b, 0, sizeof *b);
    b->checkpoint = c;
    b->model = m;
    b->graph = m->main;
    b->err = err;
    b->status = model_import_opset(m, "", BUILDER_OPSET, err);
}

void *builder_fail(builder *b, hst_status code, const char *format, ...) {
    if (b->status != HST_STATUS_OK) return NULL;
    char message[sizeof b->err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    b->status = error_set(b->err, code, checkpoint_config_path(b->checkpoint), "%s", message);
    return NULL;
}

static void *no_memory(builder *b) {
    if (b->status == HST_STATUS_OK)
        b->status = error_no_memory(b->err, arena_used(b->model->arena), "the model's graph");
    return NULL;
}

static void report_unused(const builder *b) {
    size_t count = checkpoint_count(b->checkpoint);
    if ((size_t)b->n_weights >= count || !log_enabled(LOG_INFO)) return;
    log_write(LOG_INFO, "%zu of the checkpoint's %zu weights are not used", count - (size_t)b->n_weights, count);
    if (!log_enabled(LOG_DEBUG)) return;
    for (size_t i = 0; i < count; i++) {
        const char *name = checkpoint_name(b->checkpoint, i);
        bool used = false;
        for (int k = 0; k < b->graph->n_initializers && !used; k++)
            used = strcmp(b->graph->initializers[k]->name, name) == 0;
        if (!used) log_write(LOG_DEBUG, "not used: '%s'", name);
    }
}

hst_status builder_end(builder *b) {
    if (b->missing.failed || b->wrong.failed) no_memory(b);
    if (b->status == HST_STATUS_OK && b->n_missing + b->n_wrong > 0) {
        char counts[96] = "";
        if (b->n_missing) snprintf(counts, sizeof counts, "%d weights are missing: ", b->n_missing);
        if (b->n_wrong) {
            size_t n = b->n_missing ? 0 : strlen(counts);
            snprintf(counts + n, sizeof counts - n, "%d weights have another shape: ", b->n_wrong);
        }
        if (b->n_missing && b->n_wrong) {
            b->status = error_set(b->err, HST_STATUS_BAD_FORMAT, checkpoint_folder(b->checkpoint),
                                  "%d weights have another shape (%.200s), %d are missing: %s", b->n_wrong,
                                  b->wrong.data, b->n_missing, b->missing.data);
        } else {
            b->status = error_set(b->err, HST_STATUS_BAD_FORMAT, checkpoint_folder(b->checkpoint), "%s%s", counts,
                                  b->n_missing ? b->missing.data : b->wrong.data);
        }
    }
    text_buffer_free(&b->missing);
    text_buffer_free(&b->wrong);
    if (b->status == HST_STATUS_OK) report_unused(b);
    return b->status;
}

void builder_scope(builder *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(b->scope, sizeof b->scope, format, args);
    va_end(args);
    memset(b->counters, 0, sizeof b->counters);
}

const char *builder_name(builder *b, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *copy = arena_copy_string(b->model->arena, text, strlen(text));
    if (!copy) no_memory(b);
    return copy ? copy : "";
}

/* ---- graph ---- */

value *builder_input(builder *b, const char *name, hst_dtype d, int rank, const dim *dims) {
    if (b->status != HST_STATUS_OK) return NULL;
    value *v = graph_add_value(b->graph, name);
    if (!v) return no_memory(b);
    v->type = type_make(d, rank, dims);
    b->status = graph_add_input(b->graph, v, b->err);
    return b->status == HST_STATUS_OK ? v : NULL;
}

void builder_output(builder *b, value *v, const char *name, hst_dtype d, int rank, const dim *dims) {
    if (b->status != HST_STATUS_OK || !v) return;
    v->name = arena_copy_string(b->model->arena, name, strlen(name));
    v->type = type_make(d, rank, dims);
    if (!v->name)
        no_memory(b);
    else
        b->status = graph_add_output(b->graph, v, b->err);
}

/* "<scope>/<op>", "<scope>/<op>_1" …; the first of an operator has no number. */
static const char *node_name(builder *b, const char *op) {
    int k = 0, count = 0;
    while (k < BUILDER_COUNTERS && b->counters[k].op && strcmp(b->counters[k].op, op) != 0) k++;
    if (k < BUILDER_COUNTERS) {
        b->counters[k].op = op;
        count = b->counters[k].count++;
    }
    return count ? builder_name(b, "%s/%s_%d", b->scope, op, count) : builder_name(b, "%s/%s", b->scope, op);
}

value *builder_op(builder *b, const char *op, int n_in, value *const *in) {
    for (int i = 0; i < n_in; i++) {
        if (!in[i]) return NULL; /* what made it has failed */
    }
    if (b->status != HST_STATUS_OK) return NULL;
    const char *name = node_name(b, op);
    value *out = graph_add_value(b->graph, builder_name(b, "%s_output", name));
    node *n = out ? graph_add_node(b->graph, "", op, name, in, n_in, &out, 1) : NULL;
    return n ? out : no_memory(b);
}

value *builder_op1(builder *b, const char *op, value *x) {
    return builder_op(b, op, 1, (value *[]){x});
}
value *builder_op2(builder *b, const char *op, value *x, value *y) {
    return builder_op(b, op, 2, (value *[]){x, y});
}
value *builder_op3(builder *b, const char *op, value *x, value *y, value *z) {
    return builder_op(b, op, 3, (value *[]){x, y, z});
}

void builder_set_int(builder *b, value *v, const char *name, int64_t i) {
    if (v && !node_set_int(v->producer, name, i)) no_memory(b);
}

void builder_set_float(builder *b, value *v, const char *name, float f) {
    if (v && !node_set_float(v->producer, name, f)) no_memory(b);
}

void builder_set_ints(builder *b, value *v, const char *name, const int64_t *list, int count) {
    if (v && !node_set_ints(v->producer, name, list, count)) no_memory(b);
}

/* ---- constants ---- */

static bool same_tensor(const hst_tensor *t, hst_dtype d, int rank, int64_t n, const void *data) {
    return t->dtype == d && t->rank == rank && (rank == 0 || t->dim[0] == n) && memcmp(t->data, data, t->bytes) == 0;
}

static value *constant(builder *b, const char *name, hst_dtype d, int rank, int64_t n, const void *data) {
    if (b->status != HST_STATUS_OK) return NULL;
    for (int i = 0; i < b->n_scalars; i++) {
        if (same_tensor(b->scalars[i]->constant, d, rank, n, data)) return b->scalars[i];
    }
    hst_tensor *t = NULL;
    b->status = tensor_new(d, rank, &n, arena_allocator(b->model->arena), &t, b->err);
    if (b->status != HST_STATUS_OK) return NULL;
    memcpy(t->data, data, t->bytes);
    b->status = model_own_tensor(b->model, t, b->err);
    if (b->status != HST_STATUS_OK) return NULL;
    value *v = graph_add_initializer(b->graph, name, t);
    if (!v) return no_memory(b);
    if (b->n_scalars == b->scalars_capacity) {
        int capacity = b->scalars_capacity ? b->scalars_capacity * 2 : 16;
        value **list = ARENA_ARRAY(b->model->arena, value *, capacity);
        if (!list) return no_memory(b);
        if (b->n_scalars) memcpy(list, b->scalars, (size_t)b->n_scalars * sizeof(value *));
        b->scalars = list;
        b->scalars_capacity = capacity;
    }
    b->scalars[b->n_scalars++] = v;
    return v;
}

value *builder_f32(builder *b, double x) {
    float f = (float)x;
    return constant(b, builder_name(b, "constant/f32_%.9g", (double)f), HST_DTYPE_F32, 0, 0, &f);
}

value *builder_s64(builder *b, int64_t x) {
    return constant(b, builder_name(b, "constant/s64_%lld", (long long)x), HST_DTYPE_S64, 0, 0, &x);
}

value *builder_s64s(builder *b, const char *name, const int64_t *x, int n) {
    return constant(b, builder_name(b, "constant/%s", name), HST_DTYPE_S64, 1, n, x);
}

/* ---- weights ---- */

/* The tensor of that name, or of its old one; `used` becomes the name it was found by. */
static const hst_tensor *find(const builder *b, const char *name, char *used, size_t size) {
    static const char *const old[][2] = {{"LayerNorm.weight", "gamma"}, {"LayerNorm.bias", "beta"}};
    const hst_tensor *t = checkpoint_tensor(b->checkpoint, name);
    snprintf(used, size, "%s", name);
    for (int i = 0; i < 2 && !t; i++) {
        size_t n = strlen(name), tail = strlen(old[i][0]);
        if (n < tail || strcmp(name + n - tail, old[i][0]) != 0) continue;
        snprintf(used, size, "%.*sLayerNorm.%s", (int)(n - tail), name, old[i][1]);
        t = checkpoint_tensor(b->checkpoint, used);
    }
    return t;
}

bool builder_has(const builder *b, const char *name) {
    char used[256];
    return find(b, name, used, sizeof used) != NULL;
}

static void add_shape(text_buffer *to, int rank, const int64_t *dims) {
    text_buffer_add_string(to, "[");
    for (int i = 0; i < rank; i++) text_buffer_format(to, i ? ",%lld" : "%lld", (long long)dims[i]);
    text_buffer_add_string(to, "]");
}

value *builder_weight(builder *b, const char *name, int rank, const int64_t *dims) {
    if (b->status != HST_STATUS_OK) return NULL;
    char used[256];
    const hst_tensor *t = find(b, name, used, sizeof used);
    if (!t) {
        text_buffer_format(&b->missing, b->n_missing++ ? ", '%s' " : "'%s' ", name);
        add_shape(&b->missing, rank, dims);
        return graph_add_value(b->graph, name); /* a stand-in, so that the others are looked for too */
    }
    if (t->rank != rank || (rank && memcmp(t->dim, dims, (size_t)rank * sizeof *dims) != 0)) {
        text_buffer_format(&b->wrong, b->n_wrong++ ? ", '%s' is " : "'%s' is ", name);
        add_shape(&b->wrong, t->rank, t->dim);
        text_buffer_add_string(&b->wrong, ", the config says ");
        add_shape(&b->wrong, rank, dims);
    }
    if (t->dtype != HST_DTYPE_F32 && t->dtype != HST_DTYPE_F16 && t->dtype != HST_DTYPE_BF16 &&
        t->dtype != HST_DTYPE_F64) {
        return builder_fail(b, HST_STATUS_UNSUPPORTED,
                            "weight '%s' has the type %s; f32, f16, bf16 or f64 are computed with", name,
                            dtype_name(t->dtype));
    }
    value *v = graph_add_initializer(b->graph, used, t);
    if (!v) return no_memory(b);
    b->n_weights++;
    return v;
}

value *builder_widen(builder *b, value *v) {
    if (!v || v->type.dtype == HST_DTYPE_F32 || v->type.dtype == HST_DTYPE_NONE) return v;
    value *wide = builder_op1(b, "Cast", v);
    builder_set_int(b, wide, "to", HST_DTYPE_F32);
    return wide;
}

/* ---- config.json ---- */

int64_t builder_config_int(builder *b, const char *key, const char *alias, int64_t otherwise, int64_t low,
                           int64_t high) {
    const json_t *config = checkpoint_config(b->checkpoint);
    int64_t i = otherwise;
    if (alias && !json_object_get(config, key) && json_object_get(config, alias)) key = alias;
    if (b->status == HST_STATUS_OK) {
        b->status =
            json_member_s64(config, checkpoint_config_path(b->checkpoint), key, otherwise, low, high, &i, b->err);
    }
    return b->status == HST_STATUS_OK ? i : low;
}

double builder_config_real(builder *b, const char *key, double otherwise, double low, double high) {
    double d = otherwise;
    if (b->status == HST_STATUS_OK) {
        b->status = json_member_f64(checkpoint_config(b->checkpoint), checkpoint_config_path(b->checkpoint), key,
                                    otherwise, low, high, &d, b->err);
    }
    return d;
}

bool builder_config_bool(builder *b, const char *key, bool otherwise) {
    bool value = otherwise;
    if (b->status == HST_STATUS_OK) {
        b->status = json_member_bool(checkpoint_config(b->checkpoint), checkpoint_config_path(b->checkpoint), key,
                                     otherwise, &value, b->err);
    }
    return value;
}

const char *builder_config_string(builder *b, const char *key, const char *otherwise) {
    const char *text = otherwise;
    if (b->status == HST_STATUS_OK) {
        b->status = json_member_string(checkpoint_config(b->checkpoint), checkpoint_config_path(b->checkpoint), key,
                                       otherwise, &text, b->err);
    }
    return b->status == HST_STATUS_OK ? text : otherwise;
}

int64_t builder_config_labels(builder *b) {
    const json_t *labels = json_object_get(checkpoint_config(b->checkpoint), "id2label");
    if (json_is_object(labels) && json_object_size(labels) > 0) return (int64_t)json_object_size(labels);
    return builder_config_int(b, "num_labels", "_num_labels", 2, 1, 1 << 24);
}
