/* Test cases as text: the case itself, a model of one node. */
#include "ops/case_parse.h"

#include <stdlib.h>
#include <string.h>

hst_status case_error(case_cursor *p, const char *what) {
    return error_set(p->err, HST_STATUS_BAD_FORMAT, p->op->name, "case '%s' of %s, at byte %d ('%.20s'): %s",
                     p->c->name, p->op->name, (int)(p->at - p->text), p->at, what);
}

bool case_accept(case_cursor *p, const char *word) {
    while (*p->at == ' ' || *p->at == '\n') p->at++;
    size_t n = strlen(word);
    if (strncmp(p->at, word, n) != 0) return false;
    p->at += n;
    return true;
}

hst_status case_expect(case_cursor *p, const char *word) {
    if (case_accept(p, word)) return HST_STATUS_OK;
    char what[40] = "expected ";
    strncat(what, word, 20);
    return case_error(p, what);
}

static bool name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

hst_status case_name(case_cursor *p, const char **out) {
    case_accept(p, "");
    size_t n = 0;
    while (name_byte(p->at[n])) n++;
    if (n == 0) return case_error(p, "expected a name");
    *out = arena_copy_string(p->model->arena, p->at, n);
    if (!*out) return error_no_memory(p->err, n, "a test case");
    p->at += n;
    return HST_STATUS_OK;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte of a quoted string, escapes undone; false on a bad escape or the text's end. */
static bool quoted_byte(case_cursor *p, char *out) {
    if (*p->at == '\0') return false;
    if (*p->at != '\\') {
        *out = *p->at++;
        return true;
    }
    char c = p->at[1];
    if (c == 'x') {
        int high = hex_digit(p->at[2]), low = high < 0 ? -1 : hex_digit(p->at[3]);
        if (low < 0) return false;
        *out = (char)(high * 16 + low);
        p->at += 4;
        return true;
    }
    const char *from = "\"\\nt", *to = "\"\\\n\t", *at = c ? strchr(from, c) : NULL;
    if (!at) return false;
    *out = to[at - from];
    p->at += 2;
    return true;
}

hst_status case_quoted(case_cursor *p, hst_string *out) {
    HST_TRY(case_expect(p, "\""));
    size_t most = strlen(p->at);
    char *bytes = arena_alloc(p->model->arena, most + 1);
    if (!bytes) return error_no_memory(p->err, most + 1, "a test case");
    size_t n = 0;
    while (*p->at != '"') {
        if (!quoted_byte(p, &bytes[n])) return case_error(p, "bad or unfinished string");
        n++;
    }
    p->at++;
    out->data = bytes;
    out->size = n;
    return HST_STATUS_OK;
}

/* "(" [tensor {"," tensor}], up to where the list ends; counts into *n. */
static hst_status tensor_list(case_cursor *p, hst_tensor **list, int *n) {
    HST_TRY(case_expect(p, "("));
    const char *back = p->at;
    if (case_accept(p, ";") || case_accept(p, ")")) {
        p->at = back;
        return HST_STATUS_OK;
    }
    do {
        if (*n == CASE_LIST_MOST) return case_error(p, "too many tensors");
        HST_TRY(case_tensor(p, &list[*n]));
        (*n)++;
    } while (case_accept(p, ","));
    return HST_STATUS_OK;
}

/* The node's input values x0, x1 …, as graph inputs with the tensors' types. */
static hst_status add_inputs(case_cursor *p, graph *g, hst_tensor *const *in, int n, case_scope *scope) {
    for (int i = 0; i < n; i++) {
        char name[8] = {'x', (char)('0' + i / 10), (char)('0' + i % 10), 0};
        if (i < 10) name[1] = (char)('0' + i), name[2] = 0;
        scope->value[i] = NULL;
        scope->name[i] = "";
        scope->n = i + 1;
        if (!in[i]) continue;
        value *v = graph_add_value(g, name);
        if (!v) return error_no_memory(p->err, sizeof *v, "a test case");
        v->type = type_of_tensor(in[i]);
        HST_TRY(graph_add_input(g, v, p->err));
        scope->value[i] = v;
        scope->name[i] = v->name;
    }
    return HST_STATUS_OK;
}

static hst_status add_outputs(case_cursor *p, graph *g, value **outputs, int n, hst_tensor *const *expected) {
    for (int i = 0; i < n; i++) {
        if (!expected[i]) continue;
        char name[8] = {'y', (char)('0' + i / 10), (char)('0' + i % 10), 0};
        outputs[i] = graph_add_value(g, name);
        if (!outputs[i]) return error_no_memory(p->err, sizeof **outputs, "a test case");
        HST_TRY(graph_add_output(g, outputs[i], p->err));
    }
    return HST_STATUS_OK;
}

int case_opset(const op *o, const op_case *c) {
    if (c->opset) return c->opset;
    if (o->until) return o->until;
    if (*o->domain == '\0') return CASE_OPSET;
    return o->since;
}

/* Reads the whole text. The node must stand in the graph before its attributes are read, its outputs after: they are
 * the last thing in the text, so the text is read twice, the first time for the number of outputs. */
static hst_status parse(case_cursor *p, case_model *out, hst_tensor **in, hst_tensor **expected) {
    model *m = out->model;
    HST_TRY(model_import_opset(m, "", *p->op->domain ? CASE_OPSET : case_opset(p->op, p->c), p->err));
    if (*p->op->domain) HST_TRY(model_import_opset(m, p->op->domain, case_opset(p->op, p->c), p->err));
    graph *g = graph_new(m, NULL, p->op->name);
    if (!g) return error_no_memory(p->err, sizeof *g, "a test case");
    m->main = g;
    HST_TRY(tensor_list(p, in, &out->n_in));
    case_scope scope = {0};
    HST_TRY(add_inputs(p, g, in, out->n_in, &scope));

    const char *attributes = p->at, *arrow = strstr(p->at, ") -> (");
    for (const char *next = arrow; next; next = strstr(next + 1, ") -> (")) arrow = next;
    if (!arrow) return case_error(p, "expected ') -> (' somewhere after");
    p->at = arrow + 5;
    HST_TRY(tensor_list(p, expected, &out->n_out));
    if (out->n_out == 0) return case_error(p, "expected an output");
    HST_TRY(case_expect(p, ")"));
    case_accept(p, "");
    if (*p->at) return case_error(p, "text after the end");

    value *outputs[CASE_LIST_MOST] = {0};
    HST_TRY(add_outputs(p, g, outputs, out->n_out, expected));
    node *n = graph_add_node(g, p->op->domain, p->op->name, p->c->name, scope.value, out->n_in, outputs, out->n_out);
    if (!n) return error_no_memory(p->err, sizeof *n, "a test case");
    p->at = attributes;
    HST_TRY(case_attributes(p, n, &scope));
    HST_TRY(case_expect(p, ")"));
    return p->at == arrow + 1 ? HST_STATUS_OK : case_error(p, "expected ' -> (' once");
}

static hst_tensor **copy_list(hst_tensor *const *from) {
    hst_tensor **list = malloc(CASE_LIST_MOST * sizeof *list);
    if (list) memcpy(list, from, CASE_LIST_MOST * sizeof *list);
    return list;
}

hst_status case_parse(const op *o, const op_case *c, case_model *out, hst_error *err) {
    hst_tensor *in[CASE_LIST_MOST] = {0}, *expected[CASE_LIST_MOST] = {0};
    memset(out, 0, sizeof *out);
    out->model = model_new(NULL);
    if (!out->model) return error_no_memory(err, sizeof *out, "a test case");
    case_cursor p = {.text = c->text, .at = c->text, .op = o, .c = c, .model = out->model, .err = err};
    hst_status status = parse(&p, out, in, expected);
    out->in = copy_list(in);
    out->expected = copy_list(expected);
    if (status == HST_STATUS_OK && out->in && out->expected) return status;
    for (int i = 0; i < CASE_LIST_MOST; i++) {
        tensor_free(in[i]);
        tensor_free(expected[i]);
    }
    if (status == HST_STATUS_OK) status = error_no_memory(err, sizeof in, "a test case");
    out->n_in = out->n_out = 0;
    case_free(out);
    return status;
}

void case_free(case_model *m) {
    for (int i = 0; i < m->n_in; i++) tensor_free(m->in[i]);
    for (int i = 0; i < m->n_out; i++) tensor_free(m->expected[i]);
    free(m->in);
    free(m->expected);
    model_free(m->model);
    memset(m, 0, sizeof *m);
}
