/* Probing: the part of a graph between some values is run on small tensors to see what function it is. This is how a mask
 * is recognised whatever nodes an exporter made it of. */
#ifndef PASSES_PROBE_H
#define PASSES_PROBE_H

#include "graph/graph.h"

#define PROBE_SYMBOLS 8
#define PROBE_LEAVES  8

typedef struct probe {
    /* What symbols stand for, and the tensors of some values (borrowed). */
    int n_symbols, n_leaves;
    dim symbols[PROBE_SYMBOLS];
    int64_t numbers[PROBE_SYMBOLS];
    const value *leaves[PROBE_LEAVES];
    const hst_tensor *tensors[PROBE_LEAVES];
} probe;

/* A symbol's number: false where it has another one already, or there is no room. A number must equal itself. */
bool probe_assign(probe *p, dim d, int64_t number);
bool probe_leaf(probe *p, const value *v, const hst_tensor *t);

/* The tensor of v, computed by the reference interpreter; NULL where it depends on something not given, is too much work,
 * or where symbols that are made of others cannot stand for their numbers. Ownership: tensor_free. */
hst_tensor *probe_run(const probe *p, const value *v);

/* The graph inputs that v depends on by value (not by shape), up to `most`; the count, or -1 where v depends on more, or on
 * too many nodes. `stop` (may be NULL) is not looked behind. */
int probe_inputs(const value *v, const value *stop, value **inputs, int most);

/* A length, at least `least`, at which all that lies between `stop` (may be NULL) and v shows what it does at any length:
 * beyond the windows, shifts and tables of its constants and attributes. 0: it would be longer than `most`, or cannot be
 * told. */
int64_t probe_reach(const value *v, const value *stop, int64_t least, int64_t most);

/* ---- rows [batch, sequence, …] that a mask [batch, sequence] shows or hides ---- */

#define PROBE_PATTERNS 4 /* of masks: padding on the right, on the left, holes */

#define PROBE_LENGTH 5

/* Numbers for the two axes of the mask, PROBE_BATCH and `length` where they are symbols; false: no numbers for them. */
bool probe_rows(probe *p, const value *mask, int64_t length, int64_t *dims);
bool probe_shows(int pattern, int64_t b, int64_t k, int64_t length);
/* The mask of a pattern. NULL: no memory. Ownership: tensor_free. */
hst_tensor *probe_mask(const value *mask, const int64_t *dims, int pattern);
/* Rows like v's: the same whatever `hidden` is where the pattern shows them, numbers of about that size elsewhere.
 * NULL: its other axes are not known, or too long. Ownership: tensor_free. */
hst_tensor *probe_state(const value *v, const int64_t *dims, int pattern, double hidden);

#endif
