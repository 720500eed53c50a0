/* hst_model_*: loading, and what a model says of itself in one value at a time. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/checked.h"
#include "base/json.h"
#include "base/log.h"
#include "convert/optimize.h"

#define LABELS_MOST (1 << 20) /* class ids beyond this are not believed */

/* ---- descriptions ---- */

static hst_status describe_value(hst_model *m, const value *v, hst_value_info *out, hst_error *err) {
    int rank = v->type.rank;
    int64_t *dims = ARENA_ARRAY(m->arena, int64_t, rank + 1);
    const char **names = ARENA_ARRAY(m->arena, const char *, rank + 1);
    if (!dims || !names) return error_no_memory(err, 0, "the description of a model");
    for (int k = 0; k < rank; k++) {
        const char *name = dim_name(m->model, v->type.dim[k]);
        dims[k] = name ? -1 : v->type.dim[k];
        names[k] = name ? name : "";
    }
    *out = (hst_value_info){.name = v->name,
                            .dtype = v->type.dtype,
                            .rank = rank,
                            .dims = dims,
                            .dim_names = names,
                            .optional = v->is_input && v->constant,
                            .element = v->type.element,
                            .may_be_empty = v->type.optional,
                            .key = v->type.key};
    return HST_STATUS_OK;
}

static hst_status describe(hst_model *m, hst_error *err) {
    const graph *g = m->model->main;
    m->inputs = ARENA_ARRAY(m->arena, hst_value_info, g->n_inputs + 1);
    m->outputs = ARENA_ARRAY(m->arena, hst_value_info, g->n_outputs + 1);
    if (!m->inputs || !m->outputs) return error_no_memory(err, 0, "the description of a model");
    for (int i = 0; i < g->n_inputs; i++) HST_TRY(describe_value(m, g->inputs[i], &m->inputs[i], err));
    for (int i = 0; i < g->n_outputs; i++) HST_TRY(describe_value(m, g->outputs[i], &m->outputs[i], err));
    return HST_STATUS_OK;
}

static hst_status read_labels(hst_model *m, const json_t *map, hst_error *err) {
    const char *key;
    json_t *label;
    json_object_foreach((json_t *)(uintptr_t)map, key, label) {
        char *end;
        long id = strtol(key, &end, 10);
        if (!*key || *end || id < 0 || id >= LABELS_MOST || !json_is_string(label)) continue;
        if (id >= m->n_labels) m->n_labels = (int)id + 1;
    }
    m->labels = ARENA_ARRAY(m->arena, const char *, m->n_labels + 1);
    if (!m->labels) return error_no_memory(err, (size_t)m->n_labels * sizeof *m->labels, "labels");
    json_object_foreach((json_t *)(uintptr_t)map, key, label) {
        char *end;
        long id = strtol(key, &end, 10);
        if (!*key || *end || id < 0 || id >= m->n_labels || !json_is_string(label)) continue;
        if (!(m->labels[id] = arena_copy_string(m->arena, json_string_value(label), json_string_length(label))))
            return error_no_memory(err, json_string_length(label), "labels");
    }
    return HST_STATUS_OK;
}

/* Labels are a convenience: a config.json that cannot be read leaves the model without them. */
static hst_status describe_config(hst_model *m, hst_error *err) {
    json_t *config = NULL;
    hst_error why;
    if (!m->source.config) return HST_STATUS_OK;
    if (json_doc_parse("config.json", m->source.config, strlen(m->source.config), &config, &why) != HST_STATUS_OK) {
        log_write(LOG_WARNING, "labels are unknown: %s", why.message);
        return HST_STATUS_OK;
    }
    const json_t *map = json_object_get(config, "id2label");
    hst_status status = json_is_object(map) ? read_labels(m, map, err) : HST_STATUS_OK;
    json_decref(config);
    return status;
}

/* ---- making ---- */

hst_model *model_retain(hst_model *m) {
    __atomic_fetch_add(&m->references, 1, __ATOMIC_RELAXED);
    return m;
}

void hst_model_free(hst_model *m) {
    if (!m || __atomic_sub_fetch(&m->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    hst_allocator a = m->allocator;
    engine_free(m->engine);
    load_drop(&m->source);
    arena_free(m->arena);
    memory_free(&a, m->copy, m->copy_size);
    memory_free(&a, m, sizeof *m);
}

typedef struct listener {
    const hst_model_options *options;
    hst_model *model;
} listener;

/* Notes are a convenience: without memory there are fewer. */
static void note(hst_model *m, const char *pass, const char *text) {
    pass_note *more = arena_alloc_array(m->arena, (size_t)m->n_notes + 1, sizeof *more);
    const char *did = arena_copy_string(m->arena, text, strlen(text));
    if (!more || !did) return;
    if (m->n_notes) memcpy(more, m->notes, (size_t)m->n_notes * sizeof *more);
    more[m->n_notes++] = (pass_note){pass, did};
    m->notes = more;
}

static void say(struct pass_report *r, const char *pass, const char *text) {
    const listener *l = r->user;
    note(l->model, pass, text);
    if (l->options->explain) l->options->explain(l->options->explain_user, pass, text);
    log_write(LOG_DEBUG, "%s: %s", pass, text);
}

static hst_status check_providers(const hst_model_options *o, hst_error *err) {
    if (o->provider_count && !o->providers)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "providers", "providers is NULL");
    for (size_t i = 0; i < o->provider_count; i++) {
        const char *name = o->providers[i];
        if (!name || strcmp(name, "cpu") != 0)
            return error_set(err, HST_STATUS_NOT_FOUND, name,
                             "there is no execution provider '%s': this library has cpu", name ? name : "(null)");
    }
    return HST_STATUS_OK;
}

static hst_status check_options(const hst_model_options *o, hst_error *err) {
    if (o->optimization < OPTIMIZE_DEFAULT || o->optimization > OPTIMIZE_ALL)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "optimization", "optimization is %d, not 0 to 3",
                         o->optimization);
    if (o->flags & ~(HST_MAP_COPY | HST_MODEL_GRAPH_ONLY | HST_MODEL_SHAPES))
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "flags", "flags 0x%x are not known", (unsigned)o->flags);
    if (o->quantization != HST_QUANTIZATION_NONE && o->quantization != HST_QUANTIZATION_INT8)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "quantization", "quantization %d is not known",
                         (int)o->quantization);
    if (o->quantization && o->optimization != OPTIMIZE_DEFAULT && o->optimization != OPTIMIZE_ALL)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "quantization",
                         "quantization needs a rewritten graph: optimization 0 or 3, not %d", o->optimization);
    if (o->weights != HST_DTYPE_NONE && o->weights != HST_DTYPE_F32 && o->weights != HST_DTYPE_F16 &&
        o->weights != HST_DTYPE_BF16)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "weights",
                         "weights are stored as f32, f16 or bf16, not as %d", (int)o->weights);
    const bool half = o->weights == HST_DTYPE_F16 || o->weights == HST_DTYPE_BF16;
    if (half && o->optimization != OPTIMIZE_DEFAULT && o->optimization != OPTIMIZE_ALL)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "weights",
                         "half-width weights need a rewritten graph: optimization 0 or 3, not %d", o->optimization);
    const char *ignored = o->optimization   ? "optimization"
                          : o->quantization ? "quantization"
                          : o->weights      ? "weights"
                                            : NULL;
    if (o->flags & HST_MODEL_GRAPH_ONLY && ignored)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, ignored,
                         "HST_MODEL_GRAPH_ONLY reads the graph as it is written, so %s would be ignored", ignored);
    if ((o->dimension_count && !o->dimensions) || (o->operator_count && !o->operators))
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "hst_model_options", "a list is NULL but has a count");
    return check_providers(o, err);
}

/* The types of a model that is not to run: what no operator explains stays unknown. */
static hst_status infer_shapes(model *m, hst_error *err) {
    m->partial = true;
    hst_status status = ops_resolve(m->main, err);
    if (status != HST_STATUS_OK && status != HST_STATUS_UNSUPPORTED) return status;
    return graph_infer(m->main, err);
}

static hst_status compile(hst_model *m, const hst_model_options *o, hst_error *err) {
    listener l = {o, m};
    pass_report report = {say, &l};
    if (o->operator_count) {
        HST_TRY(operators_make(m->arena, o->operators, o->operator_count, &m->model->operators, err));
        m->model->n_operators = (int)o->operator_count;
    }
    for (size_t i = 0; i < o->dimension_count; i++)
        HST_TRY(optimize_fix_dimension(m->model, o->dimensions[i].name, o->dimensions[i].length, err));
    /* An engine's graph was rewritten when it was compiled. */
    const char *name = m->source.path ? m->source.path : "the model";
    const optimize_level level = m->model->compiled ? OPTIMIZE_NONE : (optimize_level)o->optimization;
    m->shapes = !(o->flags & HST_MODEL_GRAPH_ONLY) || o->flags & HST_MODEL_SHAPES;
    if (o->flags & HST_MODEL_GRAPH_ONLY) return m->shapes ? infer_shapes(m->model, err) : HST_STATUS_OK;
    if (m->model->compiled && o->optimization)
        return error_set(
            err, HST_STATUS_INVALID_ARGUMENT, "optimization",
            "'%s' is rewritten as it was compiled, so optimization %d would be ignored: compile it again with it", name,
            o->optimization);
    if (m->model->compiled && o->quantization && m->model->quantization != MODEL_QUANTIZATION_INT8)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "quantization",
                         "'%s' was compiled without quantization: compile it again with it", name);
    if (o->quantization == HST_QUANTIZATION_INT8) m->model->quantization = MODEL_QUANTIZATION_INT8;
    if (m->model->compiled && o->weights != HST_DTYPE_NONE)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "weights",
                         "'%s' holds its weights as it was compiled: compile it again to have them in another form",
                         name);
    m->model->weights = o->weights;
    HST_TRY(optimize_model(m->model, level, &report, err));
    return engine_compile(m->model, &m->allocator, &m->engine, err);
}

hst_status model_finish(loaded *source, void *copy, size_t copy_size, const hst_model_options *o, hst_model **out,
                        hst_error *err) {
    const hst_allocator *a = o->allocator ? o->allocator : allocator_default();
    hst_status status = HST_STATUS_OK;
    hst_model *m = memory_alloc(a, sizeof *m, 16);
    if (!m) {
        load_drop(source);
        memory_free(a, copy, copy_size);
        return error_no_memory(err, sizeof *m, "a model");
    }
    *m = (hst_model){.references = 1,
                     .allocator = *a,
                     .source = *source,
                     .model = source->model,
                     .copy = copy,
                     .copy_size = copy_size};
    memset(source, 0, sizeof *source);
    if (!(m->arena = arena_new(a))) status = error_no_memory(err, 0, "a model");
    if (status == HST_STATUS_OK) status = compile(m, o, err);
    if (status == HST_STATUS_OK) status = describe(m, err);
    if (status == HST_STATUS_OK) status = describe_config(m, err);
    if (status != HST_STATUS_OK) {
        hst_model_free(m);
        return status;
    }
    *out = m;
    return HST_STATUS_OK;
}

static load_options loader_options(const hst_model_options *o) {
    return (load_options){.allocator = o->allocator,
                          .copy = (o->flags & HST_MAP_COPY) != 0,
                          .graph_only = (o->flags & HST_MODEL_GRAPH_ONLY) != 0,
                          .architecture = o->architecture,
                          .external = o->external,
                          .external_user = o->external_user};
}

hst_status hst_model_load(const char *path, const hst_model_options *options, hst_model **out, hst_error *err) {
    hst_model_options o;
    loaded source;
    if (!path || !out) return error_set(err, HST_STATUS_INVALID_ARGUMENT, "path", "path or out is NULL");
    HST_TRY(options_read(&o, sizeof o, options, "hst_model_options", err));
    HST_TRY(check_options(&o, err));
    load_options lo = loader_options(&o);
    HST_TRY(load_path(path, &lo, &source, err));
    return model_finish(&source, NULL, 0, &o, out, err);
}

static hst_status load_bytes(const void *data, size_t size, bool borrow, const hst_model_options *options,
                             hst_model **out, hst_error *err) {
    hst_model_options o;
    loaded source;
    void *copy = NULL;
    if (!data || !out) return error_set(err, HST_STATUS_INVALID_ARGUMENT, "data", "data or out is NULL");
    HST_TRY(options_read(&o, sizeof o, options, "hst_model_options", err));
    HST_TRY(check_options(&o, err));
    if (!borrow) {
        if (!(copy = memory_alloc(o.allocator, size, MEMORY_ALIGN))) return error_no_memory(err, size, "a model");
        memcpy(copy, data, size);
        data = copy;
    }
    load_options lo = loader_options(&o);
    hst_status status = load_memory(data, size, &lo, &source, err);
    if (status != HST_STATUS_OK) {
        memory_free(o.allocator, copy, size);
        return status;
    }
    return model_finish(&source, copy, size, &o, out, err);
}

hst_status hst_model_load_memory(const void *data, size_t size, const hst_model_options *options, hst_model **out,
                                 hst_error *err) {
    return load_bytes(data, size, false, options, out, err);
}

hst_status hst_model_load_memory_borrow(const void *data, size_t size, const hst_model_options *options,
                                        hst_model **out, hst_error *err) {
    return load_bytes(data, size, true, options, out, err);
}

/* ---- reading ---- */

size_t hst_model_input_count(const hst_model *m) {
    return (size_t)m->model->main->n_inputs;
}
size_t hst_model_output_count(const hst_model *m) {
    return (size_t)m->model->main->n_outputs;
}

const hst_value_info *hst_model_input(const hst_model *m, size_t i) {
    return i < hst_model_input_count(m) ? &m->inputs[i] : NULL;
}

const hst_value_info *hst_model_output(const hst_model *m, size_t i) {
    return i < hst_model_output_count(m) ? &m->outputs[i] : NULL;
}

const char *hst_model_metadata(const hst_model *m, const char *key) {
    for (int i = 0; key && i < m->model->n_metadata; i++)
        if (strcmp(m->model->metadata[i].key, key) == 0) return m->model->metadata[i].value;
    return NULL;
}

size_t hst_model_metadata_count(const hst_model *m) {
    return (size_t)m->model->n_metadata;
}

bool hst_model_metadata_get(const hst_model *m, size_t i, const char **key, const char **value) {
    if (i >= hst_model_metadata_count(m)) return false;
    if (key) *key = m->model->metadata[i].key;
    if (value) *value = m->model->metadata[i].value;
    return true;
}

size_t hst_model_opset_count(const hst_model *m) {
    return (size_t)m->model->n_opsets;
}

bool hst_model_opset_get(const hst_model *m, size_t i, const char **domain, int64_t *version) {
    if (i >= hst_model_opset_count(m)) return false;
    if (domain) *domain = m->model->opsets[i].domain;
    if (version) *version = m->model->opsets[i].version;
    return true;
}

const char *hst_model_config_json(const hst_model *m) {
    return m->source.config;
}
int hst_model_label_count(const hst_model *m) {
    return m->n_labels;
}
const char *hst_model_label(const hst_model *m, int id) {
    return id >= 0 && id < m->n_labels ? m->labels[id] : NULL;
}
