/* Operators under hostile nodes: the bytes are "Operator opset (inputs; attributes) -> (outputs)" in the language of
 * ops/case.h. Whatever shapes, numbers and attributes stand there, inference and evaluation end with a status, within a
 * memory budget; and what inference said of a tensor that came out is true. */
#include <stdlib.h>
#include <string.h>

#include "ops/case.h"
#include "ops/interp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BUDGET     ((size_t)16 << 20)
#define NODES_MOST 2000 /* a Loop may run as often as it likes */

static hst_status count_node(void *user, hst_error *err) {
    int *left = user;
    return (*left)-- > 0 ? HST_STATUS_OK : error_set(err, HST_STATUS_CANCELLED, NULL, "enough");
}

static void verify(const value *v, const hst_tensor *t) {
    const type *known = &v->type;
    if (known->dtype != HST_DTYPE_NONE && known->dtype != t->dtype) abort();
    if (known->rank >= 0 && known->rank != t->rank) abort();
    for (int i = 0; i < known->rank; i++)
        if (known->dim[i] >= 0 && known->dim[i] != t->dim[i]) abort();
    if (v->content && v->content_count != tensor_count(t)) abort();
    for (int i = 0; v->content && i < v->content_count; i++)
        if (!dim_is_symbol(v->content[i]) && v->content[i] != tensor_get_s64(t, i)) abort();
}

/* Everything known in advance: what inference then says must be so. */
static void run(case_model *m, bool constants) {
    graph *g = m->model->main;
    const hst_tensor *in[64];
    hst_tensor *out[64] = {0};
    hst_error err = {0};
    int n = 0, left = NODES_MOST;
    for (int i = 0; i < m->n_in; i++)
        if (m->in[i]) in[n++] = m->in[i];
    for (int i = 0; i < g->n_inputs; i++) {
        if (constants)
            g->inputs[i]->constant = in[i];
        else
            g->inputs[i]->type = (type){.rank = -1};
    }
    interp_options options = {.budget = BUDGET, .check = count_node, .user = &left};
    bool inferred = graph_infer(g, &err) == HST_STATUS_OK;
    if (interp_run(g, in, out, &options, &err) == HST_STATUS_OK)
        for (int k = 0; k < g->n_outputs; k++) {
            if (inferred) verify(g->outputs[k], out[k]);
            tensor_free(out[k]);
        }
    for (int i = 0; i < g->n_inputs; i++) g->inputs[i]->constant = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[4096];
    if (size >= sizeof text) return 0;
    memcpy(text, data, size);
    text[size] = 0;
    char *space = strchr(text, ' ');
    if (!space) return 0;
    *space = 0;
    char *rest;
    long opset = strtol(space + 1, &rest, 10);
    if (opset < 0 || opset > 100) return 0;
    const op *o = NULL;
    for (int i = 0; i < op_list_count; i++)
        if (strcmp(op_list[i]->name, text) == 0 && op_is_here(op_list[i])) o = op_list[i];
    if (!o) return 0;
    op_case c = {.name = "fuzz", .opset = (int)opset, .text = rest};
    for (int constants = 0; constants < 2; constants++) {
        case_model m;
        hst_error err;
        if (case_parse(o, &c, &m, &err) != HST_STATUS_OK) return 0;
        if (ops_resolve(m.model->main, &err) == HST_STATUS_OK) run(&m, constants);
        case_free(&m);
    }
    return 0;
}
