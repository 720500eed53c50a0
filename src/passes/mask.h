/* Recognising what happens to attention scores before their softmax: scaled and masked by a padding mask, or biased. */
#ifndef PASSES_MASK_H
#define PASSES_MASK_H

#include "graph/graph.h"
#include "graph/mask_meaning.h"

typedef struct score_mask {
    double scale;     /* scores = scale · (q kᵀ) + … */
    value *key_mask;  /* [batch, keys], nonzero = attend; NULL: none */
    mask_meaning meaning; /* of its elements that are neither 0 nor 1 */
    double mask_value; /* what a masked key's score gets added (or is replaced by: the same where it absorbs) */
    value *bias;      /* besides or instead of key_mask: any tensor that broadcasts to [batch, heads, queries, keys]; NULL: none */
} score_mask;

/* `scores` [batch, heads, queries, keys] enters the softmax, `product` is the MatMul's output it comes from. False where
 * the way from one to the other is something else. */
bool mask_recognise(value *scores, value *product, score_mask *out);
/* Does `term`, which is added to the scores (or, as bools, says which are seen), hide the keys that a mask [batch, keys]
 * says, and nothing else? Sets key_mask and mask_value, -inf for bools. `like`: a value [batch, heads, queries, …]. */
bool mask_recognise_term(value *term, const value *like, score_mask *out);
/* The one MatMul output of rank 4 that `scores` comes from over elementwise nodes; NULL where there is none. */
value *mask_find_product(value *scores);

#endif
