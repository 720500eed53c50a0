/* The equation of Einsum, "bij,bjk->bik": which label each axis of each operand and of the result carries. Letters are
 * labels of their own; the axes behind "..." are labels counted from the right, and broadcast. Without "->" the result
 * has the ellipsis, then every letter that occurs once, in alphabetical order. */
#ifndef GRAPH_EINSUM_EQUATION_H
#define GRAPH_EINSUM_EQUATION_H

#include "graph/graph.h"

#define EINSUM_OPERANDS             16                  /* at most */
#define EINSUM_LABELS               (52 + HST_RANK_MAX) /* A-Z, a-z, then the axes of the ellipsis */
#define EINSUM_ELLIPSIS(from_right) (52 + (from_right))

typedef struct einsum_term {
    int rank;
    int label[HST_RANK_MAX];
} einsum_term;

typedef struct einsum_equation {
    int operands;
    einsum_term operand[EINSUM_OPERANDS], result;
    int sums; /* labels that are summed over, in order of appearance */
    int sum[EINSUM_LABELS];
} einsum_equation;

/* ranks: of the operands. BAD_FORMAT or BAD_SHAPE says what does not fit. */
hst_status einsum_parse(const node *n, const int *ranks, int operands, einsum_equation *e, hst_error *err);

#endif
