/* Test cases as text: a subgraph, the value of an attribute of If, Loop or Scan. */
#include "ops/case_parse.h"

#include <string.h>

static value *find(const case_scope *scope, const char *name) {
    for (; scope; scope = scope->parent)
        for (int i = 0; i < scope->n; i++)
            if (strcmp(scope->name[i], name) == 0) return scope->value[i];
    return NULL;
}

static hst_status define(case_cursor *p, graph *g, case_scope *scope, const char *name, value **out) {
    if (scope->n == CASE_LIST_MOST) return case_error(p, "too many names in a graph");
    *out = graph_add_value(g, name);
    if (!*out) return error_no_memory(p->err, sizeof **out, "a test case");
    scope->name[scope->n] = name;
    scope->value[scope->n++] = *out;
    return HST_STATUS_OK;
}

/* name {"," name} up to `end` (kept), "_" being NULL; also an empty list. */
static hst_status names(case_cursor *p, const char *end, const char **list, int *n) {
    *n = 0;
    const char *back = p->at;
    if (case_accept(p, end)) {
        p->at = back;
        return HST_STATUS_OK;
    }
    do {
        if (*n == CASE_LIST_MOST) return case_error(p, "too many names");
        HST_TRY(case_name(p, &list[*n]));
        if (strcmp(list[*n], "_") == 0) list[*n] = NULL;
        (*n)++;
    } while (case_accept(p, ","));
    return HST_STATUS_OK;
}

static hst_status look_up(case_cursor *p, const case_scope *scope, const char *const *list, int n, value **out) {
    for (int i = 0; i < n; i++) {
        out[i] = list[i] ? find(scope, list[i]) : NULL;
        if (list[i] && !out[i]) return case_error(p, "a name that nothing defines, before this");
    }
    return HST_STATUS_OK;
}

static hst_status read_node(case_cursor *p, graph *g, case_scope *scope) {
    const char *out_names[CASE_LIST_MOST], *in_names[CASE_LIST_MOST], *type;
    int n_out, n_in = 0;
    HST_TRY(names(p, "=", out_names, &n_out));
    HST_TRY(case_expect(p, "="));
    HST_TRY(case_name(p, &type));
    HST_TRY(case_expect(p, "("));
    const char *back = p->at;
    if (case_accept(p, ";"))
        p->at = back;
    else
        HST_TRY(names(p, ")", in_names, &n_in));
    value *in[CASE_LIST_MOST] = {0}, *out[CASE_LIST_MOST] = {0};
    HST_TRY(look_up(p, scope, in_names, n_in, in));
    for (int i = 0; i < n_out; i++)
        if (out_names[i]) HST_TRY(define(p, g, scope, out_names[i], &out[i]));
    const char *dot = strrchr(type, '.'), *domain = "";
    if (dot) {
        domain = arena_copy_string(p->model->arena, type, (size_t)(dot - type));
        if (!domain) return error_no_memory(p->err, 1, "a test case");
        HST_TRY(model_import_opset(p->model, domain, 1, p->err));
        type = dot + 1;
    }
    node *n = graph_add_node(g, domain, type, "", in, n_in, out, n_out);
    if (!n) return error_no_memory(p->err, sizeof *n, "a test case");
    HST_TRY(case_attributes(p, n, scope));
    return case_expect(p, ")");
}

hst_status case_graph(case_cursor *p, const case_scope *outer, graph *parent, graph **out) {
    if (p->depth == CASE_DEPTH_MOST) return case_error(p, "graphs too deep");
    p->depth++;
    graph *g = graph_new(p->model, parent, "");
    if (!g) return error_no_memory(p->err, sizeof *g, "a test case");
    case_scope scope = {.parent = outer};
    const char *list[CASE_LIST_MOST];
    value *values[CASE_LIST_MOST];
    int n;
    HST_TRY(case_expect(p, "("));
    HST_TRY(names(p, ")", list, &n));
    HST_TRY(case_expect(p, ")"));
    for (int i = 0; i < n; i++) {
        if (!list[i]) return case_error(p, "a graph's input needs a name");
        HST_TRY(define(p, g, &scope, list[i], &values[i]));
        HST_TRY(graph_add_input(g, values[i], p->err));
    }
    while (!case_accept(p, "->")) {
        HST_TRY(read_node(p, g, &scope));
        HST_TRY(case_expect(p, ";"));
    }
    HST_TRY(case_expect(p, "("));
    HST_TRY(names(p, ")", list, &n));
    HST_TRY(case_expect(p, ")"));
    HST_TRY(case_expect(p, "}"));
    HST_TRY(look_up(p, &scope, list, n, values));
    for (int i = 0; i < n; i++) {
        if (!values[i]) return case_error(p, "a graph's output cannot be omitted");
        HST_TRY(graph_add_output(g, values[i], p->err));
    }
    p->depth--;
    *out = g;
    return HST_STATUS_OK;
}
