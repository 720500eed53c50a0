/* Test cases as text: parsing "(inputs; attributes) -> (outputs)" into a model of one node, its inputs and its expected
 * outputs. Used by the tests, and by `hasten list ops`.
 *
 *   case     = "(" [tensor {"," tensor}] [";" attribute {"," attribute}] ")" "->" "(" tensor {"," tensor} ")"
 *   tensor   = "_" (omitted) | dtype "[" dims "]" "{" elements "}"     dims: comma separated, empty: a scalar
 *   elements = numbers, inf, -inf, nan, true, false, "strings", separated by spaces; fewer than needed repeat
 * cyclically; a complex element is two numbers; floats may be written as in C, 0x1p-3 too attribute= name "=" (integer
 * | number with '.' or exponent | "string" | "[" list "]" | tensor | graph) graph    = "graph" "{" "(" [name {","
 * name}] ")" {node ";"} "->" "(" [name {"," name}] ")" "}"     for If, Loop, Scan node     = name {"," name} "="
 * [domain "."] op_type "(" [name {"," name}] [";" attribute {"," attribute}] ")"
 *
 * In a graph the names x0, x1 … are the case's inputs, captured from outside; "_" is an omitted input or output.
 */
#ifndef OPS_CASE_H
#define OPS_CASE_H

#include "ops/op.h"

#define CASE_OPSET 28 /* of ai.onnx, where neither the case nor the descriptor says */

typedef struct case_model {
    model *model;                /* main graph: one node; inputs and outputs in order */
    hst_tensor **in, **expected; /* owned; NULL where omitted */
    int n_in, n_out;
} case_model;

/* BAD_FORMAT names the case and the place in its text. Ownership: case_free, also of a zeroed one; on failure *out is
 * zeroed. */
hst_status case_parse(const op *o, const op_case *c, case_model *out, hst_error *err);
void case_free(case_model *m);

/* The opset of the operator's domain that a case runs at. */
int case_opset(const op *o, const op_case *c);

#endif
