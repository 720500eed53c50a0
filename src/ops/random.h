/* Random numbers: the Mersenne Twister (MT19937) and numpy's legacy distributions over it, so that a seed gives the
 * numbers of ONNX's reference implementation. */
#ifndef OPS_RANDOM_H
#define OPS_RANDOM_H

#include "ops/op.h"

typedef struct random_state {
    uint32_t key[624];
    int at;
    double spare; /* of the normal distribution's pairs */
    bool has_spare;
} random_state;

/* From the node's attribute `seed`; without one, every evaluation gets its own. */
void random_begin(random_state *r, const node *n);
double random_uniform(random_state *r); /* [0, 1), 53 bits */
double random_normal(random_state *r);  /* mean 0, deviation 1 */

#endif
