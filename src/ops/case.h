/* Test cases as text: parsing "(inputs; attributes) -> (outputs)" into a model of one node, its inputs and its expected
 * outputs. Used by the tests, and by `hasten list ops`.
 *
 *   case     = "(" [tensor {"," tensor}] [";" attribute {"," attribute}] ")" "->" "(" tensor {"," tensor} ")"
 *   tensor   = "_" (omitted) | dtype "[" dims "]" "{" elements "}"     dims: comma separated, empty: a scalar
 *   elements = numbers, inf, -inf, nan, true, false, "strings", separated by spaces; fewer than needed repeat cyclically
 *   attribute= name "=" (integer | number with '.' or exponent | "string" | "[" list "]" | tensor)
 */
#ifndef OPS_CASE_H
#define OPS_CASE_H

#include "ops/op.h"

typedef struct case_model {
    model *model; /* main graph: one node; inputs and outputs in order */
    hst_tensor **in, **expected; /* owned; NULL where omitted */
    int n_in, n_out;
} case_model;

hst_status case_parse(const op *o, const op_case *c, case_model *out, hst_error *err);
void case_free(case_model *m);

#endif
