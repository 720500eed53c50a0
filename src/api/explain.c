/* hst_model_explain_json: what the passes did, which kernel runs each step and why not a better one. */
#include "api/api.h"
#include "base/text_buffer.h"
#include "kernels/kernels.h"

static json_t *type_json(const model *m, const type *t) {
    json_t *shape = t->rank < 0 ? json_null() : json_array();
    for (int k = 0; k < t->rank; k++) {
        const char *name = dim_name(m, t->dim[k]);
        json_array_append_new(shape, name ? describe_text(*name ? name : "?") : json_integer(t->dim[k]));
    }
    return json_pack("{ss so}", "dtype", dtype_name(t->dtype), "shape", shape);
}

/* Where the operator said nothing: a kernel for an ISA that is not in use. */
static json_t *why_json(const step *st) {
    const kernel *better = kernels_better(st->kernel);
    char text[160];
    if (*st->why || !better) return describe_text(st->why);
    snprintf(text, sizeof text, "%s needs %s: in use is %s", better->name, cpu_isa_name(better->isa),
             cpu_isa_name(cpu_level()));
    return describe_text(text);
}

static json_t *step_json(const step *st) {
    const node *n = st->node;
    const value *out = NULL;
    for (int i = n->n_out - 1; i >= 0; i--)
        if (n->out[i]) out = n->out[i];
    const type unknown = {.rank = -1};
    return json_pack("{so so so so ss so}", "node", describe_text(n->name), "op", describe_text(n->op_type), "domain",
                     describe_text(n->domain), "output", type_json(n->graph->model, out ? &out->type : &unknown),
                     "kernel", st->kernel, "why", why_json(st));
}

hst_status hst_model_explain_json(const hst_model *m, char **json, hst_error *err) {
    if (!m || !json) return error_set(err, HST_STATUS_INVALID_ARGUMENT, "model", "model or json is NULL");
    if (!m->engine)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "model", "it was loaded with HST_MODEL_GRAPH_ONLY");
    json_t *root = json_object(), *passes = json_array(), *steps = json_array();
    bool failed = !root;
    for (int i = 0; i < m->n_notes; i++)
        failed |= json_array_append_new(passes, json_pack("{ss so}", "pass", m->notes[i].pass, "did",
                                                          describe_text(m->notes[i].did))) != 0;
    for (int i = 0; i < m->engine->n_steps; i++)
        failed |= json_array_append_new(steps, step_json(&m->engine->steps[i])) != 0;
    failed |= json_object_set_new(root, "passes", passes) != 0;
    failed |= json_object_set_new(root, "steps", steps) != 0;
    return describe_dump(root, failed, json, err);
}
