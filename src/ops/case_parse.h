/* Private to case.c and case_*.c: the cursor over a case's text. */
#ifndef OPS_CASE_PARSE_H
#define OPS_CASE_PARSE_H

#include "ops/case.h"

#define CASE_LIST_MOST  64 /* inputs, outputs, names or attributes of one thing */
#define CASE_DEPTH_MOST 4  /* graphs within graphs */

/* The names that a node may use: those of its graph, then of the enclosing ones. */
typedef struct case_scope {
    const struct case_scope *parent;
    int n;
    const char *name[CASE_LIST_MOST];
    value *value[CASE_LIST_MOST];
} case_scope;

typedef struct case_cursor {
    const char *text, *at;
    const op *op;
    const op_case *c;
    model *model;
    int depth;
    hst_error *err;
} case_cursor;

hst_status case_error(case_cursor *p, const char *what); /* BAD_FORMAT at the cursor */
bool case_accept(case_cursor *p, const char *word);      /* skips spaces, then `word` if it stands there */
hst_status case_expect(case_cursor *p, const char *word);
/* A name of letters, digits, '_' and '.', copied into the model's arena. */
hst_status case_name(case_cursor *p, const char **out);
hst_status case_quoted(case_cursor *p, hst_string *out); /* "…" with \" \\ \n \t \xNN; in the model's arena */

/* case_tensor.c: NULL for "_". Ownership: tensor_free. */
hst_status case_tensor(case_cursor *p, hst_tensor **out);
/* case_attribute.c: [";" attribute {"," attribute}], added to n. */
hst_status case_attributes(case_cursor *p, node *n, const case_scope *scope);
/* case_graph.c */
hst_status case_graph(case_cursor *p, const case_scope *scope, graph *parent, graph **out);

#endif
