/* Test cases as text: attributes of a node. */
#include "ops/case_parse.h"

#include <stdlib.h>
#include <string.h>

/* An integer, or a float where it has a point, an exponent, or is inf or nan. */
static hst_status read_number(case_cursor *p, bool *is_float, int64_t *i, float *f) {
    case_accept(p, "");
    char *end_float, *end_int;
    *f = strtof(p->at, &end_float);
    *i = strtoll(p->at, &end_int, 0);
    if (end_float == p->at) return case_error(p, "expected an attribute's value");
    *is_float = end_float > end_int;
    p->at = *is_float ? end_float : end_int;
    return HST_STATUS_OK;
}

static hst_status read_strings(case_cursor *p, attribute *a) {
    hst_string *list = ARENA_ARRAY(p->model->arena, hst_string, CASE_LIST_MOST);
    if (!list) return error_no_memory(p->err, sizeof *list, "a test case");
    a->type = ATTRIBUTE_STRINGS;
    a->as.strings = list;
    for (a->n = 0; !case_accept(p, "]"); a->n++) {
        if (a->n) HST_TRY(case_expect(p, ","));
        if (a->n == CASE_LIST_MOST) return case_error(p, "too long a list");
        case_accept(p, "");
        HST_TRY(case_quoted(p, &list[a->n]));
    }
    return HST_STATUS_OK;
}

static hst_status read_list(case_cursor *p, attribute *a) {
    const char *begin = p->at;
    if (case_accept(p, "\"")) {
        p->at = begin;
        return read_strings(p, a);
    }
    int64_t *ints = ARENA_ARRAY(p->model->arena, int64_t, CASE_LIST_MOST);
    float *floats = ARENA_ARRAY(p->model->arena, float, CASE_LIST_MOST);
    if (!ints || !floats) return error_no_memory(p->err, sizeof *ints, "a test case");
    bool any_float = false;
    for (a->n = 0; !case_accept(p, "]"); a->n++) {
        bool is_float = false;
        if (a->n) HST_TRY(case_expect(p, ","));
        if (a->n == CASE_LIST_MOST) return case_error(p, "too long a list");
        HST_TRY(read_number(p, &is_float, &ints[a->n], &floats[a->n]));
        any_float |= is_float;
    }
    a->type = any_float ? ATTRIBUTE_FLOATS : ATTRIBUTE_INTS;
    if (any_float)
        a->as.floats = floats;
    else
        a->as.ints = ints;
    return HST_STATUS_OK;
}

static hst_status read_tensor(case_cursor *p, attribute *a) {
    hst_tensor *t;
    HST_TRY(case_tensor(p, &t));
    if (!t) return case_error(p, "an attribute cannot be omitted with '_'");
    a->type = ATTRIBUTE_TENSOR;
    a->as.tensor = t;
    return model_own_tensor(p->model, t, p->err);
}

/* True where the cursor stands at "dtype[", which begins a tensor. */
static bool at_tensor(const case_cursor *p) {
    size_t n = strspn(p->at, "abcdefghijklmnopqrstuvwxyz0123456789");
    return n && p->at[n] == '[' && p->at[0] >= 'a';
}

static hst_status read_value(case_cursor *p, attribute *a, node *n, const case_scope *scope) {
    case_accept(p, "");
    a->n = 1;
    if (case_accept(p, "[")) return read_list(p, a);
    if (*p->at == '"') {
        a->type = ATTRIBUTE_STRING;
        return case_quoted(p, &a->as.s);
    }
    if (case_accept(p, "graph{")) {
        a->type = ATTRIBUTE_GRAPH;
        return case_graph(p, scope, n->graph, &a->as.graph);
    }
    if (at_tensor(p)) return read_tensor(p, a);
    bool is_float = false;
    int64_t i;
    float f;
    HST_TRY(read_number(p, &is_float, &i, &f));
    a->type = is_float ? ATTRIBUTE_FLOAT : ATTRIBUTE_INT;
    if (is_float)
        a->as.f = f;
    else
        a->as.i = i;
    return HST_STATUS_OK;
}

hst_status case_attributes(case_cursor *p, node *n, const case_scope *scope) {
    if (!case_accept(p, ";")) return HST_STATUS_OK;
    do {
        attribute a = {0};
        HST_TRY(case_name(p, &a.name));
        HST_TRY(case_expect(p, "="));
        HST_TRY(read_value(p, &a, n, scope));
        if (!node_add_attribute(n, &a)) return error_no_memory(p->err, sizeof a, "a test case");
    } while (case_accept(p, ","));
    return HST_STATUS_OK;
}
