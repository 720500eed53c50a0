/* Which passes belong to which level is told by their order: 20 to 29 are exact. */
#include "convert/optimize.h"

#include <limits.h>
#include <string.h>

#include "convert/gradient.h"

#define EXACT_FIRST 20
#define EXACT_LAST  29

static int fix_type(type *t, dim symbol, int64_t length) {
    int n = 0;
    for (int k = 0; k < t->rank; k++)
        if (t->dim[k] == symbol) {
            t->dim[k] = length;
            n++;
        }
    return n;
}

static int fix_graph(graph *g, dim symbol, int64_t length) {
    int n = 0;
    for (int i = 0; i < g->n_inputs; i++) n += fix_type(&g->inputs[i]->type, symbol, length);
    for (int i = 0; i < g->n_outputs; i++) fix_type(&g->outputs[i]->type, symbol, length);
    for (node *at = g->first; at; at = at->next) {
        for (int i = 0; i < at->n_out; i++)
            if (at->out[i]) fix_type(&at->out[i]->type, symbol, length);
        for (int k = 0; k < at->n_attributes; k++) {
            const attribute *a = &at->attributes[k];
            if (a->type == ATTRIBUTE_GRAPH) fix_graph(a->as.graph, symbol, length);
            for (int64_t j = 0; a->type == ATTRIBUTE_GRAPHS && j < a->n; j++)
                fix_graph(a->as.graphs[j], symbol, length);
        }
    }
    return n;
}

hst_status optimize_fix_dimension(model *m, const char *name, int64_t length, hst_error *err) {
    if (!name || !*name || length < 0)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, name, "a dimension needs a name and a length >= 0, not %lld",
                         (long long)length);
    int found = 0;
    for (int k = 0; k < m->n_symbols; k++)
        if (strcmp(m->symbols[k], name) == 0) found += fix_graph(m->main, DIM_SYMBOL_FIRST - k, length);
    return found ? HST_STATUS_OK
                 : error_set(err, HST_STATUS_NOT_FOUND, name, "no input of the model has a free dimension '%s'", name);
}

hst_status optimize_model(model *m, optimize_level level, pass_report *report, hst_error *err) {
    HST_TRY(gradient_expand(m, err));
    if (level == OPTIMIZE_NONE) {
        HST_TRY(ops_resolve(m->main, err));
        return graph_infer(m->main, err);
    }
    /* Before opset 7 Add and its like broadcast along an axis that they name: fusions know the newer forms. */
    const int64_t opset = model_opset(m, "");
    const bool old = opset > 0 && opset < 7, exact = level == OPTIMIZE_EXACT || old;
    if (old &&
        (m->quantization != MODEL_QUANTIZATION_NONE || m->weights == HST_DTYPE_F16 || m->weights == HST_DTYPE_BF16))
        return error_set(err, HST_STATUS_UNSUPPORTED, m->quantization ? "quantization" : "weights",
                         "a model of opset %lld is computed as it is written, in f32: it needs opset 7 or newer for %s",
                         (long long)opset, m->quantization ? "quantization" : "weights of another type");
    HST_TRY(passes_run(m, exact ? EXACT_FIRST : 0, exact ? EXACT_LAST : INT_MAX - 1, report, err));
    return model_release_unused(m, err);
}
