/* The derivatives of the operators (gradient_rules.c), for gradient.c alone. */
#ifndef CONVERT_GRADIENT_RULES_H
#define CONVERT_GRADIENT_RULES_H

#include "graph/patch.h"

/* One node being differentiated. The rules only add nodes to `patch`; a failure there is reported when it is applied.
 */
typedef struct gradient_step {
    const node *node; /* its operator, version and attributes */
    value **in;       /* what it reads: its own inputs or their copies; types as inferred */
    value **out;
    patch *patch;
    struct node *last; /* of gradient_node, for attributes */
    bool failed;       /* no memory */
    hst_status status; /* UNSUPPORTED: the rule does not cover this form */
    hst_error *err;
} gradient_step;

/* g: d sum(y) / d out[0], in the shape of out[0]. The result is the part of d sum(y) / d in[i] that flows through this
 * node; NULL: none, or a failure. */
typedef value *(*gradient_rule)(gradient_step *s, int i, value *g);

typedef struct gradient_row {
    const char *op_type; /* of ai.onnx */
    int since;           /* first version with this meaning */
    bool broadcasts;     /* the result has the shape of out[0]: its sum over what in[i] was broadcast along is wanted */
    gradient_rule rule;
} gradient_row;

/* The row of a node's operator; NULL: none. */
const gradient_row *gradient_row_of(const node *n);
/* A node of ai.onnx with one output. */
value *gradient_node(gradient_step *s, const char *op_type, value *const *in, int n_in);
/* A constant, of the dtype of `like` and in its shape. */
value *gradient_fill(gradient_step *s, double x, value *like);
/* g, in the shape of `from`, summed to the shape of `to`, which was broadcast to it. */
value *gradient_sum_to(gradient_step *s, value *g, const value *from, value *to);

#endif
